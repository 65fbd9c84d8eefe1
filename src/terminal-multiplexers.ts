import { parseJson } from "./json.ts";
import {
  bracketed,
  byPanes,
  fileWord,
  given,
  type Place,
  type Row,
  records,
  type Seat,
  type Spot,
  type Step,
  size,
  variable,
} from "./terminal-row.ts";
import { renderShell } from "./terminal-scripts.ts";

/** The programs that hold sessions of their own behind a terminal: tmux, GNU screen, Zellij. */

export const tmux: Row = {
  title: "tmux",
  programs: /^tmux(?:: server)?$/,
  isNamedBy: ({ TMUX = "" }) => TMUX !== "",
  ...{ launch: byPanes, focus: byPanes, type: byPanes, approve: byPanes, read: byPanes },
};

const screenArgs = (place: Seat, ...args: string[]): Step => ({
  argv: ["screen", "-S", variable(place, "STY"), ...args],
  ...given(place, "SCREENDIR"),
});

/** `stuff` reads carets and backslashes, and takes a few hundred signs; what is pasted from a file stays as it is (4.09). */
const screenPaste = (place: Place, { id }: Spot, text: string): Step => ({
  ...screenArgs(place, "-p", id, "-X", "eval", `readreg ~ '${fileWord}'`, "paste ~", 'register ~ ""'),
  file: { name: "screen", text },
});

export const screen: Row = {
  title: "GNU screen",
  programs: /^screen$/i,
  isNamedBy: ({ STY = "" }) => STY !== "",
  closed(place) {
    const [, pid] = /^(\d+)\./.exec(variable(place, "STY")) ?? [];
    if (pid === undefined || !/^\d+$/.test(variable(place, "WINDOW"))) return "it does not say in which window of GNU screen it runs";
    if (place.tty === undefined) return "its process has no tty to be found by";
    return place.hostPid === Number(pid) ? undefined : "the GNU screen that it names is not the one that it runs in";
  },
  // Windows can be given other numbers: a title that only the tty can have set says which one it is.
  mark: {
    ask: (place, id) => screenArgs(place, "-p", id, "-Q", "title"),
    set: (mark) => `\u001bk${mark}\u001b\\`,
    find: (place, mark) => screenArgs(place, "-p", mark, "-Q", "number"),
    read: (answer) => /^(\d+) /.exec(answer)?.[1],
    restore: (place, id, title) => screenArgs(place, "-p", id, "-X", "title", title),
  },
  find: {
    ask: (place) => screenArgs(place, "-p", variable(place, "WINDOW"), "-Q", "info"),
    read(place, answer) {
      const [x, y, columns, rows] = (/^\((\d+),(\d+)\)\/\((\d+),(\d+)\)/.exec(answer) ?? []).slice(1).map(Number);
      if (x === undefined || y === undefined) return undefined;
      return { id: variable(place, "WINDOW"), ...size(columns, rows), cursor: { column: x - 1, row: y - 1 } };
    },
  },
  launch: (place, launch) => screenArgs(place, "-X", "screen", "-t", launch.title, "sh", "-c", renderShell(launch)),
  focus: (place, { id }) => screenArgs(place, "-X", "select", id),
  type: (place, spot, text) => screenPaste(place, spot, bracketed(text)),
  approve: screenPaste,
  read: (place, { id }) => ({ ...screenArgs(place, "-p", id, "-X", "hardcopy", fileWord), file: { name: "screen", text: "" } }),
  show: fromLowBytes,
};

/** Signs of claude's screens that no letter is mistaken for, by the lowest byte of their numbers. */
const lowSigns: Readonly<Record<string, string>> = { "\0": "─", "\u0094": "▔", "\u0002": "│" };

/**
 * A hardcopy of GNU screen (4.09) has of each sign the lowest byte alone. The rules around a dialog come back by themselves, and the
 * sign of the input row by its hard blank; that of a menu where the cursor stands on it, as claude (2.1.329) has it there. A text
 * behind the cursor of the input row is a hint.
 */
function fromLowBytes(answer: string, { cursor }: Spot): string {
  return answer
    .split("\n")
    .map((line, row) => {
      const isHere = cursor?.row === row;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what stands there
      const signs = line.replace(/[\0\u0002\u0094]/g, (byte) => lowSigns[byte] ?? byte).replace(/L{8,}/g, (run) => "╌".repeat(run.length));
      if (signs.startsWith("o\u00a0")) {
        const isHint = isHere && cursor.column === 2 && signs.length > 2;
        return `❯\u00a0${isHint ? `\u001b[2m${signs.slice(2)}\u001b[22m` : signs.slice(2)}`;
      }
      const isMenu = isHere && signs[cursor.column] === "o" && /^\s*$/.test(signs.slice(0, cursor.column));
      return isMenu ? `${signs.slice(0, cursor.column)}❯${signs.slice(cursor.column + 1)}` : signs;
    })
    .join("\n");
}

/** From 0.44 on a pane is named by its number; before, all goes to the one that has the focus. */
const zellijArgs = (place: Seat, ...args: string[]): Step => ({
  argv: ["zellij", "--session", variable(place, "ZELLIJ_SESSION_NAME"), "action", ...args],
});
const zellijPane = (place: Seat): string => `terminal_${variable(place, "ZELLIJ_PANE_ID")}`;

export const zellij: Row = {
  title: "Zellij",
  programs: /^zellij$/,
  isNamedBy: ({ ZELLIJ_SESSION_NAME = "" }) => ZELLIJ_SESSION_NAME !== "",
  version: { ask: ["zellij", "--version"], least: [0, 44] },
  closed: (place) =>
    /^\d+$/.test(variable(place, "ZELLIJ_PANE_ID")) && variable(place, "ZELLIJ_SESSION_NAME") !== "" && place.hostPid !== undefined
      ? undefined
      : "it does not say in which pane of Zellij it runs",
  // One that was given another name leaves its own to the next.
  isRival: (place, command) => command.includes(" --server ") && command.endsWith(`/${variable(place, "ZELLIJ_SESSION_NAME")}`),
  find: {
    ask: (place) => zellijArgs(place, "list-panes", "--json"),
    read(place, answer) {
      const panes = records(parseJson(answer)).filter(({ is_plugin, exited }) => is_plugin !== true && exited !== true);
      const pane = panes.find(({ id }) => String(id) === variable(place, "ZELLIJ_PANE_ID"));
      return pane === undefined ? undefined : { id: zellijPane(place), ...size(pane.pane_content_columns, pane.pane_content_rows) };
    },
  },
  launch: (place, { argv, cwd, title }) => ({
    argv: ["zellij", "--session", variable(place, "ZELLIJ_SESSION_NAME"), "run", "--cwd", cwd, "--name", title, "--", ...argv],
  }),
  focus: (place, { id }) => zellijArgs(place, "focus-pane-id", id),
  type: (place, { id }, text) => zellijArgs(place, "paste", "--pane-id", id, "--", text),
  approve: (place, { id }, bytes) => zellijArgs(place, "write", "--pane-id", id, ...[...Buffer.from(bytes)].map(String)),
  read: (place, { id }, hasStyle) => zellijArgs(place, "dump-screen", "--pane-id", id, ...(hasStyle ? ["--ansi"] : [])),
};
