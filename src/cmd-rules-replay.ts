import { createCalendar, parseSince } from "./calendar.ts";
import { describeInput } from "./claude-calls.ts";
import { type App, command, createReadProgress, sinceArgument } from "./cmd-record.ts";
import { unknownWord } from "./errors.ts";
import { belowHome, fitPath, hang, isoTime, type Paint, table } from "./format.ts";
import { present } from "./json.ts";
import { homeDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileDirs, readRegistry } from "./profiles.ts";
import type { Rule } from "./rules.ts";
import {
  createJudge,
  isApproval,
  type JudgedCall,
  judgeAll,
  type Past,
  type PastCall,
  type Replay,
  readBooks,
  readPast,
  replay,
  rulesOfBooks,
} from "./rules-replay.ts";
import { renderSuggestion, type Suggestions, suggestRules } from "./rules-suggest.ts";

export const rulesReplayCommand = command({
  name: "csm rules replay",
  summary: `Judge every tool call of past sessions by the rules as they are, and tell what each rule would have done.

First come the calls that the rules would have allowed and that you refused, and those that they would have denied and that ran. Nothing of
a rule runs.`,
  args: {
    since: sinceArgument,
    rule: { type: "string", valueHint: "NAME", description: "only what this rule would have decided" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm rules replay", "all sessions of all profiles, with their sub-agents"],
    ["csm rules replay --since 30d --rule no-push", ""],
    ["csm rules replay --json | jq '.allowed_that_was_refused[].input'", ""],
  ],
  async run({ args, app }) {
    const { past, bookOf } = await readAll(app, args.since);
    const books = [...new Set(past.calls.map(bookOf))];
    const { rules, problems } = rulesOfBooks(books.length > 0 ? books : [bookOf(noCall)]);
    if (args.rule !== undefined && !rules.some(({ name }) => name === args.rule))
      throw unknownWord("csm rules replay: no rule is called", args.rule, [...new Set(rules.map(({ name }) => name))], {
        otherwise: rules.length === 0 ? "there are no rules yet: csm rules suggest proposes some" : "csm rules list shows them",
        exitCode: 1,
      });
    const verdictOf = await judgeAll(app.sys, past.calls, bookOf);
    const found = replay(past.calls, { rules, verdictOf, ...present({ only: args.rule }) });
    if (args.json === true) {
      const judgeCall = createJudge(app.sys, (await import("./judge.ts")).judge);
      app.json<"csm rules replay">(replayJson(past, found, (call) => judgeCall(bookOf(call).rules, call).reason));
    } else app.out(renderReplay(app, past, found).join("\n"));
    if (args.json === true) return;
    for (const { path, line, message } of problems) app.tell(`csm rules replay: ${path}:${line}: ${message}`);
    tellUnreadable(app, past);
  },
});

export const rulesSuggestCommand = command({
  name: "csm rules suggest",
  summary: `Propose rules for what you have said yes to again and again, and never refused.

Each is as short as it can be without a word more than you have allowed, was asked for three times in two sessions at least, and allows no
call that was ever refused. What acts outside of the project is never proposed: pushing, publishing, the network, other machines.`,
  args: { since: sinceArgument, json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm rules suggest", "as TOML, ready to paste"],
    ["csm rules suggest --since 30d >> ~/.config/claude-smart/rules.toml", "and then: csm rules replay"],
  ],
  async run({ args, app }) {
    const { past, bookOf } = await readAll(app, args.since);
    const { judge } = await import("./judge.ts");
    const verdictOf = await judgeAll(app.sys, past.calls, bookOf, true);
    const found = suggestRules(past.calls, { bookOf, verdictOf, judgeCall: createJudge(app.sys, judge) });
    if (args.json === true) return app.json<"csm rules suggest">(suggestJson(past, found));
    if (found.suggestions.length > 0) app.out(found.suggestions.map(renderSuggestion).join("\n\n"));
    for (const note of suggestNotes(found)) app.tell(note);
    tellUnreadable(app, past);
  },
});

/** Asks for the user's own rules, where no session has made any call. */
const noCall = { sessionCwd: "" } as PastCall;

async function readAll(app: App, since: string | undefined) {
  const { sys } = app;
  const progress = createReadProgress(app);
  const sinceAt = since === undefined ? undefined : parseSince("--since", since, sys.now());
  const dirs = profileDirs(sys, readRegistry(sys));
  const past = await readPast(sys, { dirs, onProgress: progress.show, ...present({ sinceAt }) });
  progress.clear();
  return { past, bookOf: await readBooks(sys, past.calls) };
}

function tellUnreadable(app: App, { unreadable }: Past): void {
  if (unreadable > 0) app.tell(`not judged: ${unreadable} ${unreadable === 1 ? "call that" : "calls that"} could not be read`);
}

// --- replay --------------------------------------------------------------------------------------------------------

const ruleJson = ({ name, action, at }: Rule) => ({ rule: name, action, path: at.path, line: at.line });

const callJson = (call: PastCall) => ({
  session_id: call.thread.sessionId,
  cwd: call.cwd ?? (call.sessionCwd === "" ? null : call.sessionCwd),
  transcript: call.thread.path,
  profile: call.thread.profile ?? null,
  at: call.at ?? null,
  time: isoTime(call.at),
  agent: call.agent ?? null,
  tool: call.tool,
  input: call.input,
});

const judgedJson = ({ call, outcome, decision, deciders }: JudgedCall, reason: string) => ({
  ...callJson(call),
  outcome,
  by: call.decision?.by ?? null,
  decision,
  reason,
  rules: deciders.map(({ name }) => name),
});

const replayJson = ({ calls, transcripts, unreadable }: Past, found: Replay, reasonOf: (call: PastCall) => string) => ({
  allowed_that_was_refused: found.allowedThatWasRefused.map((judged) => judgedJson(judged, reasonOf(judged.call))),
  denied_that_ran: found.deniedThatRan.map((judged) => judgedJson(judged, reasonOf(judged.call))),
  rules: found.tallies.map(({ rule, ...counts }) => ({ ...ruleJson(rule), ...counts })),
  totals: found.totals,
  calls: calls.length,
  transcripts,
  unreadable_calls: unreadable,
});

/** More of one kind are for programs to read. */
const mostShown = 20;

function renderReplay({ sys, paint, columns }: App, past: Past, found: Replay): string[] {
  const home = homeDir(sys);
  const show = (title: string, calls: readonly JudgedCall[], more = "") =>
    calls.length === 0 ? [] : [paint("bold", `${title}: ${calls.length}${more}`), ...renderCalls(calls, { home, columns }), ""];
  const approved = found.deniedThatRan.filter(({ call }) => isApproval(call)).length;
  const rows = found.tallies.map(({ rule, allow, ask, deny }) => [
    ...[rule.name, rule.action, String(allow), String(ask), String(deny)],
    `${belowHome(rule.at.path, home)}:${rule.at.line}`,
  ]);
  const titles = ["RULE", "ACTION", "ALLOWED", "ASKED", "DENIED", "WHERE"];
  const tableLines = table(
    titles.map((title) => ({ title, ...(title === "RULE" ? { minWidth: 12 } : title === "WHERE" ? { minWidth: 12, fit: fitPath } : {}) })),
    rows,
    columns,
  );
  return [
    ...show("would have been allowed, and was refused", found.allowedThatWasRefused),
    ...show("would have been denied, and ran", found.deniedThatRan, `, ${approved} of them after you had said yes`),
    ...(rows.length === 0 ? [] : [...boldHead(tableLines, paint), ""]),
    ...hang("", renderTotals(past, found), columns),
  ];
}

const boldHead = ([head = "", ...lines]: string[], paint: Paint): string[] => [paint("bold", head), ...lines];

function renderTotals({ calls, transcripts }: Past, { totals }: Replay): string {
  const all = `${calls.length} ${calls.length === 1 ? "call" : "calls"} in ${transcripts} ${transcripts === 1 ? "transcript" : "transcripts"}`;
  return `${all}: ${totals.allow} allowed, ${totals.ask} asked about, ${totals.deny} denied; no rule says anything of ${totals.none}`;
}

function renderCalls(calls: readonly JudgedCall[], { home, columns }: { home: string; columns: number | undefined }): string[] {
  const { dayOf, timeOf } = createCalendar();
  const groups = new Map<string, JudgedCall[]>();
  for (const judged of calls) {
    const key = JSON.stringify([judged.call.tool, describeInput(judged.call.input), judged.call.cwd]);
    const equal = groups.get(key);
    if (equal === undefined) groups.set(key, [judged]);
    else equal.push(judged);
  }
  const rows = [...groups.values()].slice(0, mostShown).map((equal) => {
    const [{ call, deciders } = equal[0] as JudgedCall] = equal;
    const subject = `${call.tool === "Bash" ? "" : `${call.tool} `}${describeInput(call.input)}`;
    return [
      ...[call.at === undefined ? "" : `${dayOf(call.at)} ${timeOf(call.at)}`, call.thread.sessionId.slice(0, 8)],
      belowHome(call.cwd ?? call.sessionCwd, home),
      deciders.map(({ name }) => name).join(" "),
      `${equal.length > 1 ? `${equal.length}× ` : ""}${printableLine(subject)}`,
    ];
  });
  const more = groups.size - rows.length;
  const lines = table(
    [
      { title: "WHEN" },
      { title: "SESSION" },
      { title: "FOLDER", minWidth: 10, fit: fitPath },
      { title: "RULE", minWidth: 8 },
      { title: "CALL", minWidth: 20 },
    ],
    rows,
    columns,
  );
  return more > 0 ? [...lines, `and ${more} more: --json has them all`] : lines;
}

// --- suggest -------------------------------------------------------------------------------------------------------

const suggestJson = ({ calls, transcripts, unreadable }: Past, { suggestions, ...counts }: Suggestions) => ({
  suggestions: suggestions.map((suggestion) => {
    const { name, action, when } = suggestion.rule;
    const list = (values: readonly string[] | undefined) => (values === undefined ? undefined : [...values]);
    const matches = {
      match_tool: list(when.tool),
      match_command: list(when.command),
      match_path: list(when.path),
      match_host: list(when.host),
    };
    const { questions, sessions, example } = suggestion;
    return { name, ...present(matches), action, questions, sessions, newest: callJson(example), toml: renderSuggestion(suggestion) };
  }),
  ...counts,
  calls: calls.length,
  transcripts,
  unreadable_calls: unreadable,
});

function suggestNotes({ suggestions, approvals, covered, saved, untold }: Suggestions): string[] {
  const notes = [
    suggestions.length === 0
      ? "nothing was allowed three times in two sessions that a safe rule would stand for"
      : `these would have saved ${saved} of ${approvals} questions that you said yes to${covered > 0 ? `; the rules as they are, ${covered}` : ""}`,
  ];
  if (untold > 0) notes.push(`not counted: ${untold} calls of older versions of claude, whose transcripts do not tell who allowed them`);
  return notes;
}
