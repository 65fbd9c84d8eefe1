import { lineOfCursor, renderDetail } from "./dashboard-detail.ts";
import { type Draft, drawDraft } from "./dashboard-editor.ts";
import { isComplete, pageOf } from "./dashboard-form.ts";
import { renderFooter, renderHelp } from "./dashboard-help.ts";
import { canReason } from "./dashboard-keys.ts";
import { type Column, fitColumns, lastTitle, money, preview, renderHeader, renderRow } from "./dashboard-row.ts";
import { type DashboardState, findSession, listSections, type Mode, rankOf, type Section, selectedSession } from "./dashboard-state.ts";
import type { Role, Theme } from "./dashboard-theme.ts";
import { fit, fitWhole, fold, width } from "./format.ts";
import { printableLine, styledOnly } from "./printable.ts";
import type { LiveSession } from "./session.ts";
import { needsPerson, type Rank, statusRow } from "./statuses.ts";

export interface Frame {
  lines: string[];
  /** Key of the session that stands on a line. */
  hits: (string | undefined)[];
  /** The furthest that the detail or the help can be scrolled. */
  maxScroll: number;
  /** Lines of what can be scrolled, or of the list. */
  page: number;
}

interface Look {
  columns: number;
  rows: number;
  theme: Theme;
  home: string;
  /** Name of the program in the corner. */
  title?: string;
  /** Lines below it. */
  banner?: readonly string[];
}

const hintGap = " · ";

interface Line {
  text: string;
  key?: string;
}

/** The whole screen as lines that are never wider than it. */
export function renderDashboard(state: DashboardState, look: Look): Frame {
  const { columns, rows } = look;
  const banner = (look.banner ?? []).map(
    (line) => ` ${look.theme.paint("dim", fitWhole(printableLine(line).split(hintGap), columns - 2, hintGap))}`,
  );
  const top = [renderTitle(state, look), ...banner];
  const helpScroll =
    state.mode.kind === "help" ? Math.max(0, renderHelp(look, selectedSession(state)).length - (rows - top.length - 2)) : 0;
  const bottom = renderBottom(state, look, helpScroll);
  const room = Math.max(1, rows - top.length - bottom.length);
  const {
    lines: body,
    maxScroll,
    page,
  } = state.mode.kind === "help" ? scrolled(renderHelp(look, selectedSession(state)), state.scroll, room) : renderBody(state, look, room);
  const filled = [...body, ...Array.from({ length: Math.max(0, room - body.length) }, (): Line => ({ text: "" }))];
  const all: Line[] = [...top.map((text) => ({ text })), ...filled, ...bottom.map((text) => ({ text }))];
  return {
    lines: all.slice(0, rows).map(({ text }) => clip(text, columns)),
    hits: all.slice(0, rows).map(({ key }) => key),
    maxScroll,
    page: Math.max(1, page - 1),
  };
}

/** The last door: whatever a line was made of, only characters and our styles go through it. */
const clip = (text: string, columns: number): string => {
  const calm = styledOnly(text).replace(/[\n\t]/g, " ");
  if (width(calm) <= columns) return calm;
  // sliceAnsi of Bun 1.4.5 returns a column too many where a wide character stands at the cut.
  const cut = Bun.sliceAnsi(calm, 0, columns - 1);
  return `${width(cut) < columns ? cut : Bun.sliceAnsi(calm, 0, columns - 2)}…`;
};

interface Part {
  lines: Line[];
  maxScroll: number;
  page: number;
}

function scrolled(lines: string[], scroll: number, room: number): Part {
  const maxScroll = Math.max(0, lines.length - room);
  const from = Math.min(scroll, maxScroll);
  return { lines: lines.slice(from, from + room).map((text) => ({ text })), maxScroll, page: room };
}

// --- top and bottom ----------------------------------------------------------------------------------------------

function renderTitle(state: DashboardState, { columns, theme, title = "csm top" }: Look): string {
  const { beyond = {} } = state;
  const count = (rank: Rank) => state.sessions.filter((session) => rankOf(session) === rank).length + (beyond[rank] ?? 0);
  const unlisted = Object.values(beyond).reduce((sum, each) => sum + each, 0);
  const waiting = count("attention");
  const parts: [Role, string][] = [
    [waiting > 0 ? "attention" : "dim", `${statusRow("blocked").mark} ${waiting} ${waiting === 1 ? "waits" : "wait"}`],
    ["working", `${statusRow("working").mark} ${count("working")} work`],
    ["idle", `${statusRow("idle_done").mark} ${count("idle")} idle`],
  ];
  if (state.hidden > 0) parts.push(["dim", `+${state.hidden} unknown (--all)`]);
  if (unlisted > 0) parts.push(["dim", `+${unlisted} not listed (/ finds them)`]);
  if (state.rules !== undefined) parts.push([rulesRoles[state.rules.level], printableLine(state.rules.text)]);
  const left = `${theme.paint("title", ` ${title}`)}  ${parts.map(([role, text]) => theme.paint(role, text)).join("  ")}`;
  const cost = state.sessions.reduce((sum, { meter }) => sum + (meter?.costUsd ?? 0), 0);
  const burn = state.sessions.reduce((sum, { meter }) => sum + (meter?.burnUsdPerHour ?? 0), 0);
  const spent = cost > 0 ? `${money(cost)}${burn >= 0.005 ? ` · ${money(burn)}/h` : ""}` : "";
  const flags = [
    state.isFollowing ? "follow" : "",
    state.group === "none" ? "" : `by ${state.group}`,
    state.filter === "" ? "" : `/${printableLine(state.filter)}`,
  ];
  const clock = new Date(state.now).toTimeString().slice(0, 8);
  const flag = flags.filter((text) => text !== "").join(" · ");
  // The narrower the screen, the less of it.
  const rights = [[flag, spent, clock], [flag, spent], [flag, clock], [flag]];
  const shown = rights
    .map((parts) => `${parts.filter((part) => part !== "").join("  ")} `)
    .find((text) => width(left) + width(text) < columns);
  return shown === undefined ? left : left + " ".repeat(columns - width(left) - width(shown)) + theme.paint("dim", shown);
}

const rulesRoles = { broken: "error", over: "alarm", warning: "warn", fine: "dim" } as const;

function renderBottom(state: DashboardState, look: Look, helpScroll: number): string[] {
  const toast = renderToast(state, look);
  const rule = look.theme.paint("rule", "─".repeat(look.columns));
  if (state.mode.kind === "list") return [rule, ...(toast.length > 0 ? toast : [renderFooter(state, look)])];
  return [rule, ...toast, ...renderMode(state, state.mode, look, helpScroll)];
}

function renderMode(state: DashboardState, mode: Exclude<Mode, { kind: "list" }>, look: Look, helpScroll: number): string[] {
  const session = "key" in mode ? findSession(state, mode.key) : undefined;
  const name = printableLine(session?.name ?? "");
  const drops = "esc drops it";
  switch (mode.kind) {
    case "filter":
      return renderDraft(look, "filter", mode.draft, "enter keeps it, esc clears it");
    case "message":
      return renderDraft(look, `to ${name}`, mode.draft, `enter sends it, alt-enter a new line, ${drops} (↑ has it)`);
    case "new":
      return renderDraft(look, "new session in", mode.draft, `enter starts it, ${drops}`);
    case "reason":
      return renderDraft(look, `why ${name} must not`, mode.draft, "enter refuses with these words, esc leaves the gate as it is");
    case "answer":
      if (mode.draft !== undefined) return renderDraft(look, "your answer", mode.draft, `enter takes it, ${drops}`);
      return renderAsked("", answerKeys(mode), look);
    case "confirm":
      return [
        ...renderAsked(askedWords(mode, name, session?.verdict.status === "plan_ready"), confirmKeys(mode, canReason(session, mode)), look),
      ];
    case "help":
      return renderAsked(
        "",
        [
          ["j k space b g G", helpScroll > 0 ? `scroll ${Math.min(state.scroll, helpScroll)}/${helpScroll}` : "scroll", true],
          ["any other key", "back", true],
        ],
        look,
      );
  }
}

/** A text that is being written: on one line with its label where there is room, else below it. */
function renderDraft({ theme, columns, rows }: Look, label: string, draft: Draft, hint: string): string[] {
  const head = ` ${fit(label, Math.max(8, columns - 30))}: `;
  const aside = columns - width(head) - 1;
  const short = aside < 8 ? undefined : drawDraft(draft, aside, theme.select);
  if (short?.lines.length === 1) {
    const line = `${theme.paint("key", head)}${short.lines[0]}`;
    const rest = columns - width(line) - 2;
    return rest >= width(hint) ? [`${line}${" ".repeat(rest - width(hint) + 1)}${theme.paint("dim", hint)}`] : [line];
  }
  const { lines, row } = drawDraft(draft, Math.max(2, columns - 3), theme.select);
  const most = Math.max(1, rows - keptRows);
  const from = Math.max(0, Math.min(row - most + 1, lines.length - most));
  const hidden = [from > 0 ? `↑${from}` : "", lines.length > from + most ? `↓${lines.length - from - most}` : ""].filter(
    (mark) => mark !== "",
  );
  const words = fitWhole([...hidden, ...hint.split(", ")], Math.max(0, columns - width(head) - 1), hidden.length > 0 ? "  " : ", ");
  return [`${theme.paint("key", head)}${theme.paint("dim", words)}`, ...lines.slice(from, from + most).map((line) => `  ${line}`)];
}

/** Of a screen that a long text takes: title, head of the list, two of its rows, rule and label. */
const keptRows = 7;

type KeyWord = [key: string, word: string, isOn: boolean];

function askedWords({ action }: Extract<Mode, { kind: "confirm" }>, name: string, isPlan: boolean): string {
  if (action === "stop") return `Stop ${name}? Its conversation stays.`;
  if (isPlan) return action === "allow" ? `Approve the plan of ${name}? Its edits still ask.` : `Send the plan of ${name} back?`;
  return action === "allow" ? `Allow this once for ${name}?` : `Refuse this for ${name}?`;
}

const confirmKeys = ({ action }: Extract<Mode, { kind: "confirm" }>, hasReason: boolean): KeyWord[] => [
  ["y", "yes", true],
  ...(hasReason ? [["r", action === "allow" ? "back with a note" : "with a reason", true] satisfies KeyWord] : []),
  ["j k", "read on", action !== "stop"],
  ["any other key", "no", true],
];

function answerKeys({ form }: Extract<Mode, { kind: "answer" }>): KeyWord[] {
  const { question } = pageOf(form);
  const count = question.labels.length;
  const hasSeveral = form.questions.length > 1;
  return [
    [count > 1 ? `1-${count}` : "1", question.isMulti ? "tick" : "choose", count > 0],
    [String(count + 1), "write", true],
    ...(hasSeveral ? [["tab", "next", true] satisfies KeyWord] : []),
    ["enter", isComplete(form) ? (hasSeveral ? `send all ${form.questions.length}` : "send") : "choose", true],
    ["esc", "leave it", true],
  ];
}

/** What is asked and its keys, on two lines where one is too short. */
function renderAsked(words: string, keys: KeyWord[], { theme, columns }: Look): string[] {
  const shown = keys.filter(([, , isOn]) => isOn);
  const parts = shown.map(([key, word]) => `${theme.paint("key", key)} ${theme.paint("text", word)}`);
  const list = fitWhole(parts, columns - 2, "   ");
  if (words === "") return [` ${list}`];
  const asked = theme.paint("attention", fit(words, Math.max(10, columns - 2)));
  return width(asked) + width(list) + 3 <= columns ? [` ${asked}  ${list}`] : [` ${asked}`, ` ${list}`];
}

const maxToast = 3;

function renderToast({ toast }: DashboardState, { theme, columns }: Look): string[] {
  if (toast === undefined) return [];
  const lines = fold(printableLine(toast.text), Math.max(10, columns - 2));
  const shown = lines.length > maxToast ? [...lines.slice(0, maxToast - 1), fit(lines.slice(maxToast - 1).join(" "), columns - 2)] : lines;
  return shown.map((line) => ` ${theme.paint(toast.isError ? "error" : "toast", line.trimEnd())}`);
}

// --- list and detail ---------------------------------------------------------------------------------------------

/** Below this a row has no second line, and no gap stands between sections. */
const smallRows = 22;
/** Below this list and detail do not share the screen. */
const leastRows = 10;

const isGateRead = (mode: Mode): boolean => "gate" in mode && !(mode.kind === "confirm" && mode.action === "stop");

function renderBody(state: DashboardState, look: Look, room: number): Part {
  const session = selectedSession(state);
  const { mode } = state;
  const isAsked = isGateRead(mode);
  if (session === undefined || (!state.hasDetail && !isAsked)) return { lines: renderList(state, look, room), maxScroll: 0, page: room };
  const view = { now: state.now, columns: look.columns - 2, theme: look.theme, home: look.home };
  const detail = renderDetail(session, view, mode.kind === "answer" ? mode.form : undefined);
  const title = ` ${printableLine(session.name)} `;
  // The detail has what it needs, but for a few rows of the list; what is asked needs to be read more than who else is there.
  const least = room < leastRows ? 0 : Math.max(isAsked ? 3 : 4, Math.floor(room * (isAsked ? 0.2 : 0.4)));
  const listRoom = Math.min(countLines(state, look), Math.max(least, room < leastRows ? 0 : room - 1 - detail.length));
  const listed = listRoom === 0 ? [] : renderList(state, look, listRoom);
  const detailRoom = Math.max(1, room - listRoom - 1);
  // The option under the cursor is in sight, unless somebody reads on.
  const sight = mode.kind === "answer" && state.scroll === 0 ? Math.max(0, lineOfCursor(mode.form, view) - detailRoom + 2) : state.scroll;
  const shown = scrolled(
    detail.map((line) => ` ${line}`),
    sight,
    detailRoom,
  );
  const more = shown.maxScroll > 0 ? ` J K scroll ${Math.min(state.scroll, shown.maxScroll)}/${shown.maxScroll} ` : "";
  const name = fit(title, Math.max(4, look.columns - 2 - width(more)));
  const dashes = Math.max(0, look.columns - 2 - width(name) - width(more));
  const rule = `${look.theme.paint("rule", "──")}${look.theme.paint("title", name)}${look.theme.paint("rule", "─".repeat(dashes) + more)}`;
  return { ...shown, lines: [...listed, { text: rule }, ...shown.lines] };
}

const countLines = (state: DashboardState, look: Look): number => listLines(state, look).length;

function renderList(state: DashboardState, look: Look, room: number): Line[] {
  const lines = listLines(state, look);
  if (lines.length <= room) return lines;
  const [header, ...rest] = lines;
  const at = rest.findIndex((line) => line.key === state.selected);
  // As far down as the cursor asks for, with its section above it where it fits.
  const last = rest.findLastIndex((line) => line.key === state.selected);
  const from = Math.max(0, Math.min(Math.max(0, last - (room - 1) + 1 + Math.min(2, room >> 2)), at - 1, rest.length - (room - 1)));
  // A preview without its row says nothing.
  const isOrphan = from > 0 && rest[from]?.key !== undefined && rest[from]?.key === rest[from - 1]?.key;
  const shown = rest.slice(isOrphan ? from + 1 : from, from + room - 1);
  const hidden = rest.slice(from + room - 1).filter((line) => line.key !== undefined).length;
  if (hidden > 0 && shown.length > 2 && shown.at(-1)?.key !== state.selected)
    shown[shown.length - 1] = { text: look.theme.paint("dim", `  ↓ ${hidden + 1} more`) };
  return [header ?? { text: "" }, ...shown];
}

function listLines(state: DashboardState, look: Look): Line[] {
  const sections = listSections(state);
  if (sections.length === 0) return emptyLines(state, look);
  const sessions = sections.flatMap((section) => section.sessions);
  const chosen = fitColumns(look.columns - 2, sessions, { now: state.now, home: look.home });
  return [
    { text: `  ${renderHeader(chosen, look.theme)}` },
    ...sections.flatMap((section, index) => sectionLines(state, look, section, chosen, index > 0)),
  ];
}

function sectionLines(state: DashboardState, look: Look, section: Section, chosen: Column[], hasGap: boolean): Line[] {
  const { theme } = look;
  // Where the detail is open it says all that a second line could.
  const isTight = look.rows < smallRows || ((state.hasDetail || isGateRead(state.mode)) && look.rows < 2 * smallRows);
  const role: Role = section.kind === "attention" || section.isUrgent === true ? "attention" : "section";
  // Names of folders and profiles are spelled as they are.
  const words = section.kind === "group" ? printableLine(section.title) : section.title.toUpperCase();
  const note = fitWhole(section.note.split(", "), Math.max(0, look.columns - width(words) - 3), ", ");
  const title = { text: ` ${theme.paint(role, words)} ${theme.paint("dim", note)}` };
  const lastWidth = chosen.find((column) => column.title === lastTitle)?.width ?? 0;
  const rows = section.sessions.flatMap((session): Line[] => {
    const isSelected = session.key === state.selected;
    const row = renderRow(session, chosen, { now: state.now, home: look.home }, theme);
    const line = isSelected ? theme.select(padRow(`▌ ${Bun.stripANSI(row)}`, look.columns)) : `  ${row}`;
    const words = needsPerson(session) && !isTight ? preview(session) : "";
    const isSaid = words === "" || width(words) <= lastWidth;
    const second = isSaid ? [] : [{ text: `     ${theme.paint("asked", fit(words, look.columns - 7))}`, key: session.key }];
    return [{ text: line, key: session.key }, ...second];
  });
  return [...(hasGap && !isTight ? [{ text: "" }] : []), title, ...rows];
}

const padRow = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)));

function emptyLines(state: DashboardState, { theme, columns }: Look): Line[] {
  const words =
    state.sessions.length > 0
      ? [`no session fits /${printableLine(state.filter)}`, "esc clears the filter"]
      : ["no session of Claude Code is running", "c starts one here; others appear by themselves"];
  return ["", ...words.map((text, index) => theme.paint(index === 0 ? "text" : "dim", ` ${fit(text, columns - 2)}`))].map((text) => ({
    text,
  }));
}

/** The list as plain lines, as wide and as long as it needs: `csm top --once`. */
export function renderOnce(sessions: LiveSession[], state: DashboardState, look: Look): string[] {
  const all: DashboardState = { ...state, sessions, selected: undefined };
  return [
    renderTitle(all, look),
    ...listLines(all, { ...look, rows: Number.POSITIVE_INFINITY }).map((line) => clip(line.text, look.columns).trimEnd()),
  ];
}
