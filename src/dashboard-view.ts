import { renderDetail } from "./dashboard-detail.ts";
import { renderFooter, renderHelp } from "./dashboard-help.ts";
import { type Column, fitColumns, money, preview, renderHeader, renderRow } from "./dashboard-row.ts";
import { type DashboardState, listSections, rankOf, type Section, selectedSession } from "./dashboard-state.ts";
import type { Role, Theme } from "./dashboard-theme.ts";
import { fit, width } from "./format.ts";
import { printable, printableLine, styledOnly } from "./printable.ts";
import type { LiveSession } from "./session.ts";
import { needsPerson, type Rank, statusRow } from "./statuses.ts";

export interface Frame {
  lines: string[];
  /** Key of the session that stands on a line. */
  hits: (string | undefined)[];
  /** The furthest that the detail or the help can be scrolled. */
  maxScroll: number;
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

interface Line {
  text: string;
  key?: string;
}

/** The whole screen as lines that are never wider than it. */
export function renderDashboard(state: DashboardState, look: Look): Frame {
  const { columns, rows } = look;
  const banner = (look.banner ?? []).map((line) => ` ${look.theme.paint("dim", fit(printableLine(line), columns - 2))}`);
  const top = [renderTitle(state, look), ...banner];
  const bottom = renderBottom(state, look);
  const room = Math.max(1, rows - top.length - bottom.length);
  const { lines: body, maxScroll } =
    state.mode.kind === "help" ? scrolled(renderHelp(look), state.scroll, room) : renderBody(state, look, room);
  const filled = [...body, ...Array.from({ length: Math.max(0, room - body.length) }, (): Line => ({ text: "" }))];
  const all: Line[] = [...top.map((text) => ({ text })), ...filled, ...bottom.map((text) => ({ text }))];
  return {
    lines: all.slice(0, rows).map(({ text }) => clip(text, columns)),
    hits: all.slice(0, rows).map(({ key }) => key),
    maxScroll,
  };
}

/** The last door: whatever a line was made of, only characters and our styles go through it. */
const clip = (text: string, columns: number): string => {
  const calm = styledOnly(text).replaceAll("\n", " ");
  if (width(calm) <= columns) return calm;
  // sliceAnsi of Bun 1.4.5 returns a column too many where a wide character stands at the cut.
  const cut = Bun.sliceAnsi(calm, 0, columns - 1);
  return `${width(cut) < columns ? cut : Bun.sliceAnsi(calm, 0, columns - 2)}…`;
};

function scrolled(lines: string[], scroll: number, room: number): { lines: Line[]; maxScroll: number } {
  const maxScroll = Math.max(0, lines.length - room);
  const from = Math.min(scroll, maxScroll);
  return { lines: lines.slice(from, from + room).map((text) => ({ text })), maxScroll };
}

// --- top and bottom ----------------------------------------------------------------------------------------------

function renderTitle(state: DashboardState, { columns, theme, title = "csm top" }: Look): string {
  const count = (rank: Rank) => state.sessions.filter((session) => rankOf(session) === rank).length;
  const waiting = count("attention");
  const parts: [Role, string][] = [
    [waiting > 0 ? "attention" : "dim", `${statusRow("blocked").mark} ${waiting} ${waiting === 1 ? "waits" : "wait"}`],
    ["working", `${statusRow("working").mark} ${count("working")} work`],
    ["idle", `${statusRow("idle_done").mark} ${count("idle")} idle`],
  ];
  if (state.hidden > 0) parts.push(["dim", `+${state.hidden} unknown (--all)`]);
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

function renderBottom(state: DashboardState, look: Look): string[] {
  const { theme, columns } = look;
  const rule = theme.paint("rule", "─".repeat(columns));
  const session =
    "key" in state.mode ? state.sessions.find((candidate) => candidate.key === (state.mode as { key: string }).key) : undefined;
  const name = printableLine(session?.name ?? "");
  switch (state.mode.kind) {
    case "filter":
      return [rule, renderInput(look, "filter", state.mode.text, "enter keeps it, esc clears it")];
    case "message":
      return [rule, renderInput(look, `to ${name}`, state.mode.text, "enter sends it, esc drops it")];
    case "new":
      return [rule, renderInput(look, "new session in", state.mode.text, "enter starts it, esc drops it")];
    case "confirm":
      return [rule, renderQuestion(state.mode.action, name, look)];
    default:
      return [rule, renderToast(state, look) ?? renderFooter(state, look)];
  }
}

function renderInput({ theme, columns }: Look, label: string, text: string, hint: string): string {
  const head = ` ${label}: `;
  const room = Math.max(8, columns - width(head) - 3);
  const shown = printable(text).replaceAll("\n", "⏎");
  const tail = width(shown) <= room ? shown : `…${Bun.sliceAnsi(shown, width(shown) - room + 1)}`;
  const line = `${theme.paint("key", head)}${tail}${theme.select(" ")}`;
  const rest = columns - width(line) - 2;
  return rest >= width(hint) ? `${line}${" ".repeat(rest - width(hint) + 1)}${theme.paint("dim", hint)}` : line;
}

function renderQuestion(action: "allow" | "deny" | "stop", name: string, { theme, columns }: Look): string {
  const words = { allow: `Allow this once for ${name}?`, deny: `Refuse this for ${name}?`, stop: `Stop ${name}? Its conversation stays.` }[
    action
  ];
  return ` ${theme.paint("attention", fit(words, Math.max(10, columns - 26)))}  ${theme.paint("key", "y")} yes   ${theme.paint("dim", "any other key: no")}`;
}

function renderToast({ toast }: DashboardState, { theme, columns }: Look): string | undefined {
  if (toast === undefined) return undefined;
  return ` ${theme.paint(toast.isError ? "error" : "toast", fit(printableLine(toast.text), columns - 2))}`;
}

// --- list and detail ---------------------------------------------------------------------------------------------

const smallRows = 22;

function renderBody(state: DashboardState, look: Look, room: number): { lines: Line[]; maxScroll: number } {
  const session = selectedSession(state);
  const isAsked = state.mode.kind === "confirm";
  if (session === undefined || (!state.hasDetail && !isAsked)) return { lines: renderList(state, look, room), maxScroll: 0 };
  const detail = renderDetail(session, { now: state.now, columns: look.columns - 2, theme: look.theme, home: look.home });
  const title = ` ${printableLine(session.name)} `;
  // A small screen has room for one of the two.
  const listRoom = room < smallRows ? 0 : Math.min(countLines(state, look), Math.max(6, Math.floor(room * 0.5)));
  const listed = listRoom === 0 ? [] : renderList(state, look, listRoom);
  const shown = scrolled(
    detail.map((line) => ` ${line}`),
    state.scroll,
    Math.max(1, room - listRoom - 1),
  );
  const more = shown.maxScroll > 0 ? ` J K scroll ${Math.min(state.scroll, shown.maxScroll)}/${shown.maxScroll} ` : "";
  const dashes = Math.max(0, look.columns - 2 - width(title) - width(more));
  const rule = `${look.theme.paint("rule", "──")}${look.theme.paint("title", title)}${look.theme.paint("rule", "─".repeat(dashes) + more)}`;
  return { lines: [...listed, { text: rule }, ...shown.lines], maxScroll: shown.maxScroll };
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
  const chosen = fitColumns(look.columns - 2, sessions, state.now);
  return [
    { text: `  ${renderHeader(chosen, look.theme)}` },
    ...sections.flatMap((section, index) => sectionLines(state, look, section, chosen, index > 0)),
  ];
}

function sectionLines(state: DashboardState, look: Look, section: Section, chosen: Column[], hasGap: boolean): Line[] {
  const { theme } = look;
  const isTight = look.rows < smallRows;
  const role: Role = section.kind === "attention" ? "attention" : "section";
  const title = {
    text: ` ${theme.paint(role, printableLine(section.title).toUpperCase())} ${theme.paint("dim", String(section.sessions.length))}`,
  };
  const rows = section.sessions.flatMap((session): Line[] => {
    const isSelected = session.key === state.selected;
    const row = renderRow(session, chosen, state.now, theme);
    const line = isSelected ? theme.select(padRow(`▌ ${Bun.stripANSI(row)}`, look.columns)) : `  ${row}`;
    const words = needsPerson(session) && !isTight ? printableLine(preview(session)) : "";
    const second = words === "" ? [] : [{ text: `     ${theme.paint("dim", fit(words, look.columns - 7))}`, key: session.key }];
    return [{ text: line, key: session.key }, ...second];
  });
  return [...(hasGap && !isTight ? [{ text: "" }] : []), title, ...rows];
}

const padRow = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)));

function emptyLines(state: DashboardState, { theme, columns }: Look): Line[] {
  const words =
    state.sessions.length > 0
      ? [`no session fits /${printableLine(state.filter)}`, "esc clears the filter"]
      : ["no session of Claude Code is running", "n starts one here; others appear by themselves"];
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
