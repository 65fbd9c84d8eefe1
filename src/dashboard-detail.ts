import { type Form, pageOf } from "./dashboard-form.ts";
import { amount, contextBar, contextRole, money, roleOf } from "./dashboard-row.ts";
import type { Role, Theme } from "./dashboard-theme.ts";
import { duration, fit, fold, shownPath, width } from "./format.ts";
import { printable, printableLine, styledOnly } from "./printable.ts";
import { activity, type LiveSession } from "./session.ts";
import { needsPerson, stateWords } from "./statuses.ts";

interface View {
  now: number;
  columns: number;
  theme: Theme;
  /** Shown as `~`. */
  home: string;
}

/** All that is known of one session, as lines; longer than the screen, so it is scrolled. `form` is what is being answered. */
export function renderDetail(session: LiveSession, view: View, form?: Form): string[] {
  const says = [...(form === undefined ? renderGate(session, view) : renderForm(form, view).lines), ...renderAnswer(session, view)];
  const facts = [...renderFacts(session, view), ...renderBadges(session, view)];
  return [
    // What somebody waits for comes before everything else.
    ...(needsPerson(session) && says.length > 0 ? [...says.slice(1), "", ...facts] : [...facts, ...says]),
    ...renderAgents(session, view),
    ...renderWork(session, view),
  ];
}

const indent = "  ";

function heading({ theme }: View, text: string): string[] {
  return ["", theme.paint("section", text)];
}

const maxShown = 64 * 1024;

function wrapped({ columns }: View, text: string): string[] {
  const wrapWidth = Math.max(10, columns - indent.length * 2);
  const shown = printable(text.slice(0, maxShown)).replaceAll("\t", "    ");
  const cut = text.length > maxShown ? [`${indent}… and ${amount(text.length - maxShown)} more characters, not shown`] : [];
  return [...fold(shown, wrapWidth).map((line) => indent + line), ...cut];
}

function renderFacts(session: LiveSession, view: View): string[] {
  const { theme, now, home } = view;
  const { verdict, meter, facts } = session;
  const fact = (label: string, text: string | undefined, role: Role = "text"): string[] =>
    text === undefined || text === ""
      ? []
      : [`${theme.paint("dim", label.padEnd(9))}${theme.paint(role, fit(printableLine(text), Math.max(8, view.columns - 11)))}`];
  const program = [
    session.kind === "interactive" ? "" : session.kind,
    session.version && `claude ${session.version}`,
    session.machine === undefined && `pid ${session.pid}`,
    session.driver && `csd ${session.driver}`,
  ];
  const lines = [
    ...fact(
      "state",
      `${stateWords(verdict, now)} for ${duration(now - session.since)} (${verdict.source}, ${duration(verdict.age_ms)} ago)`,
      roleOf(session),
    ),
    ...fact("retry", retryWords(verdict), "warn"),
    ...fact("note", session.note, "warn"),
    ...fact("title", facts?.customTitle ?? facts?.aiTitle),
    ...fact("prompt", facts?.lastPrompt ?? facts?.firstPrompt),
    ...fact("folder", [shownPath(session.cwd, home), session.branch && `on ${session.branch}`].filter(Boolean).join(" ")),
    ...fact("program", program.filter(Boolean).join(" · ")),
    ...fact(
      "session",
      [session.sessionId, session.profile && `profile ${session.profile}`, session.tmux && `tmux ${session.tmux}`]
        .filter(Boolean)
        .join(" · "),
    ),
    ...fact("model", session.model),
  ];
  if (meter?.contextPercent !== undefined) {
    const of =
      meter.contextTokens === undefined || meter.contextWindow === undefined
        ? ""
        : ` ${amount(meter.contextTokens)} of ${amount(meter.contextWindow)}`;
    const bar = theme.paint(contextRole(session), contextBar(meter.contextPercent, 20));
    lines.push(`${theme.paint("dim", "context".padEnd(9))}${bar} ${Math.round(meter.contextPercent)} %${theme.paint("dim", of)}`);
  }
  if (meter !== undefined) {
    const parts = [
      meter.costUsd === undefined
        ? undefined
        : `${money(meter.costUsd)}${meter.isPartlyUnpriced === true ? " and more without a price" : ""}`,
      meter.burnUsdPerHour === undefined || meter.burnUsdPerHour < 0.005 ? undefined : `${money(meter.burnUsdPerHour)} an hour`,
      meter.tokens === undefined ? undefined : `${amount(meter.tokens)} tokens`,
    ];
    lines.push(...fact("cost", parts.filter(Boolean).join(" · ")));
  }
  return lines;
}

function retryWords(verdict: LiveSession["verdict"]): string | undefined {
  const retry = verdict.status === "working" ? verdict.retry : undefined;
  return retry && `attempt ${retry.attempt} of ${retry.max_attempts}, the next in ${duration(retry.wait_ms)}: ${retry.error}`;
}

const renderBadges = ({ badges }: LiveSession, view: View): string[] =>
  badges.map((badge) =>
    view.theme.paint(badge.isAlarm ? "alarm" : "warn", fit(`${badge.mark} ${printableLine(badge.text)}`, view.columns)),
  );

function renderGate(session: LiveSession, view: View): string[] {
  const { verdict } = session;
  const { theme } = view;
  const options = "choices" in verdict ? (verdict.choices ?? []) : [];
  const list = options.flatMap((choice) => {
    const mark =
      choice.meaning === "choice"
        ? ""
        : choice.meaning === "allow-once"
          ? theme.paint("good", "allow once")
          : choice.meaning === "refuse"
            ? theme.paint("warn", "refuse")
            : theme.paint("dim", printableLine(choice.meaning));
    return [`${indent}${choice.option}. ${fit(printableLine(choice.label), Math.max(10, view.columns - 24))}  ${mark}`];
  });
  const asks = (words: string): string[] => heading(view, `${words}${whoAsks(session)}`);
  const rest = [...list, ...renderOthers(session, view)];
  if (verdict.status === "blocked")
    return [
      ...asks(verdict.tool === undefined ? `It asks (${verdict.gate})` : `It asks to use ${printableLine(verdict.tool)}`),
      ...renderInput(verdict.input, verdict.subject ?? verdict.prompt, view),
      ...rest,
    ];
  if (verdict.status === "plan_ready")
    return [...asks("Its plan"), ...renderMarkdown(verdict.plan ?? "its text is not known: see the pane", view), ...rest];
  if (verdict.status === "awaiting_answer" && verdict.gate === "question")
    return [...asks("It asks"), ...wrapped(view, verdict.question).map((line) => theme.paint("asked", line)), ...rest];
  return [];
}

/** Which thread asks, and which of those that wait it is. */
function whoAsks({ verdict }: LiveSession): string {
  const agent = "agent" in verdict && verdict.agent !== undefined ? `, from the ${printableLine(verdict.agent)} agent` : "";
  const count = "gates" in verdict ? (verdict.gates?.length ?? 1) : 1;
  return count > 1 ? `${agent} (1 of ${count} that wait)` : agent;
}

/** They are asked one after another, the next as soon as this one is answered. */
function renderOthers({ verdict }: LiveSession, view: View): string[] {
  const others = "gates" in verdict ? (verdict.gates ?? []).slice(1) : [];
  return others.map(({ agent, tool, gate, input }) => {
    const runs = typeof input === "object" && input !== null ? Object.values(input).find((value) => typeof value === "string") : undefined;
    const words = `then ${agent ?? "the main thread"}: ${tool ?? gate}${runs === undefined ? "" : ` ${String(runs).slice(0, 1000)}`}`;
    return `${indent}${view.theme.paint("dim", fit(printableLine(words), Math.max(10, view.columns - 4)))}`;
  });
}

/** The line of the detail that must be in sight while a form is filled in. */
export const lineOfCursor = (form: Form, view: View): number => renderForm(form, view).cursorAt - 1;

/** The question that is up, its options with what is chosen, and the other questions above it. */
function renderForm(form: Form, view: View): { lines: string[]; cursorAt: number } {
  const { theme } = view;
  const { question, answer, cursor } = pageOf(form);
  const isAlone = form.questions.length === 1;
  const tabs = form.questions.map(({ header }, index) => {
    const { options, text } = form.answers[index] ?? { options: [] };
    const tab = `${options.length > 0 || text !== undefined ? "☒" : "☐"} ${fit(printableLine(header) || String(index + 1), 20)}`;
    return theme.paint(index === form.at ? "asked" : "dim", tab);
  });
  const row = (at: number, mark: string, words: string[]): string[] =>
    words.map((line, index) => {
      const head = index === 0 ? `${at === cursor ? "▸" : " "} ${at < 9 ? `${at + 1}.` : "  "} ${mark}` : " ".repeat(5 + width(mark));
      return `${indent}${theme.paint(at === cursor ? "asked" : "text", `${head}${line}`)}`;
    });
  const room = Math.max(10, view.columns - 14);
  const options = question.labels.map((label, at) => {
    const isChosen = answer.options.includes(at);
    const detail = fold(printableLine(question.details[at] ?? ""), room).filter((line) => line !== "");
    return [
      ...row(at, question.isMulti ? `[${isChosen ? "x" : " "}] ` : isChosen ? "● " : "○ ", fold(printableLine(label), room)),
      ...detail.map((line) => `${indent}${" ".repeat(9)}${theme.paint("dim", line)}`),
    ];
  });
  const text = answer.text === undefined ? "something else: write it" : printableLine(answer.text);
  const header = printableLine(question.header);
  const asks = isAlone ? `It asks${header === "" ? "" : `: ${header}`}` : `It asks ${form.questions.length} questions`;
  const head = [
    ...heading(view, asks),
    ...(isAlone ? [] : [indent + tabs.join("  "), ""]),
    ...wrapped(view, question.question).map((line) => theme.paint("asked", line)),
  ];
  const cursorAt = [head, ...options.slice(0, cursor)].flat().length;
  return {
    lines: [...head, ...options.flat(), ...row(question.labels.length, answer.text === undefined ? "" : "✎ ", fold(text, room))],
    cursorAt,
  };
}

/** The call exactly as claude made it; the screen only where no call is known. What the model says about it is not what runs. */
function renderInput(input: unknown, shown: string, view: View): string[] {
  if (typeof input !== "object" || input === null) return wrapped(view, shown).map((line) => view.theme.paint("asked", line));
  return Object.entries(input).flatMap(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const lines = wrapped(view, text);
    return [
      view.theme.paint("dim", `${indent}${printableLine(name)}:`),
      ...lines.map((line) => view.theme.paint(name === "description" ? "text" : "asked", `${indent}${line}`)),
    ];
  });
}

function renderAnswer({ verdict }: LiveSession, view: View): string[] {
  const text =
    verdict.status === "awaiting_answer" && verdict.gate === undefined ? verdict.question : "text" in verdict ? verdict.text : "";
  if (text === "") return [];
  return [
    ...heading(view, verdict.status === "failed" || verdict.status === "limited" ? "Its error" : "Its last answer"),
    ...renderMarkdown(text, view),
  ];
}

/** Markdown may name any character by its number: what came out is cleaned, not only what went in. */
function renderMarkdown(text: string, { columns, theme }: Pick<View, "columns" | "theme">): string[] {
  const wrapWidth = Math.max(10, columns - indent.length * 2);
  const hasColor = theme.name !== "none";
  const rendered = Bun.markdown.ansi(printable(text.slice(0, maxShown)).replaceAll("\t", "    "), {
    columns: wrapWidth,
    colors: hasColor,
    hyperlinks: false,
    light: theme.name === "light",
  });
  const lines = styledOnly(rendered)
    .trimEnd()
    .split("\n")
    .flatMap((line) => (width(line) <= wrapWidth ? [line] : Bun.wrapAnsi(line, wrapWidth, { hard: true, trim: false }).split("\n")));
  return lines.map((line) => indent + line);
}

function renderAgents({ agents }: LiveSession, view: View): string[] {
  if (agents.length === 0) return [];
  const order = [...agents].sort((a, b) => Number(b.isRunning) - Number(a.isRunning)).slice(0, 10);
  const lines = order.map((agent) => {
    const words = `${agent.type}: ${agent.description}${agent.model === undefined ? "" : ` (${agent.model.replace(/^claude-/, "")})`}`;
    return `${indent}${view.theme.paint(agent.isRunning ? "working" : "dim", `${agent.isRunning ? "●" : "○"} ${fit(printableLine(words), view.columns - 6)}`)}`;
  });
  return [...heading(view, `Sub-agents: ${agents.filter((agent) => agent.isRunning).length} at work, ${agents.length} in all`), ...lines];
}

const spanMs = 30_000;
const maxSpans = 60;
const maxListed = 8;

function renderWork({ work, cwd }: LiveSession, view: View): string[] {
  const { theme, now, columns } = view;
  const lines: string[] = [];
  const spans = Math.min(maxSpans, Math.max(10, columns - 20));
  const counts = activity(work.times, now, spans, spanMs);
  if (counts.some((count) => count > 0))
    lines.push(...heading(view, `Activity of ${duration(spans * spanMs)}`), indent + theme.paint("working", sparkline(counts)));
  const tools = [...work.tools].sort((a, b) => b[1] - a[1]);
  if (tools.length > 0)
    lines.push(
      ...heading(view, "Tools lately"),
      ...wrapped(view, tools.map(([name, count]) => `${printableLine(name)} ${count}`).join(" · ")),
    );
  const files = [...work.files].reverse().slice(0, maxListed);
  if (files.length > 0) {
    lines.push(...heading(view, `Files it edits: ${work.files.size}`));
    for (const [path, { edits, at }] of files) {
      const shown = path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
      lines.push(
        `${indent}${fit(printableLine(shown), Math.max(10, columns - 24))} ${theme.paint("dim", `×${edits}, ${duration(now - at)} ago`)}`,
      );
    }
  }
  if (work.errors.length > 0) {
    lines.push(...heading(view, "Errors lately"));
    for (const { tool, text, at } of [...work.errors].reverse())
      lines.push(
        `${indent}${theme.paint("warn", fit(`${printableLine(tool)}: ${printableLine(text)}`, Math.max(10, columns - 16)))} ${theme.paint("dim", `${duration(now - at)} ago`)}`,
      );
  }
  return lines;
}

function sparkline(counts: readonly number[]): string {
  const most = Math.max(...counts, 1);
  return counts.map((count) => (count === 0 ? "·" : ([..."▁▂▃▄▅▆▇█"][Math.min(7, Math.ceil((count / most) * 8) - 1)] ?? "█"))).join("");
}
