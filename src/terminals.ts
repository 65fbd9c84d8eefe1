import { isRecord, parseJson } from "./json.ts";
import { screen, tmux, zellij } from "./terminal-multiplexers.ts";
import {
  bracketed,
  byPanes,
  fileWord,
  given,
  isAncestor,
  type Place,
  type Row,
  records,
  type Seat,
  type Spot,
  type Step,
  size,
  sizeWords,
  type TerminalAction,
  type TerminalName,
  variable,
  whole,
} from "./terminal-row.ts";
import { ghosttyScripts, itermScripts, osascript, quoteWt, renderWarp, terminalAppScripts } from "./terminal-scripts.ts";

/**
 * The terminals that sessions run in: where a process sits, and what can be done there. All of it is values: `terminal-run` carries
 * it out. Nothing is typed into a place that its terminal has not just named by the exact process or tty of the session.
 */

// --- terminals that listen to commands ---------------------------------------------------------------------------

const kittyArgs = (place: Seat, ...args: string[]): Step => {
  const socket = variable(place, "KITTY_LISTEN_ON");
  return { argv: ["kitty", "@", ...(socket === "" ? [] : ["--to", socket]), ...args] };
};

const kittyWrite = (place: Place, { id }: Spot, input: string): Step => ({
  ...kittyArgs(place, "send-text", "--match", `id:${id}`, "--stdin"),
  input,
});

const kitty: Row = {
  title: "kitty",
  programs: /^kitty$/,
  isNamedBy: ({ KITTY_WINDOW_ID = "", TERM }) => KITTY_WINDOW_ID !== "" || TERM === "xterm-kitty",
  closed: (place) =>
    variable(place, "KITTY_LISTEN_ON") === ""
      ? "its kitty listens to nobody: set allow_remote_control socket-only and listen_on in kitty.conf, and start kitty anew"
      : undefined,
  find: {
    ask: (place) => kittyArgs(place, "ls"),
    read(place, answer) {
      const tabs = records(parseJson(answer)).flatMap(({ tabs }) => records(tabs));
      const window = tabs.flatMap(({ windows }) => records(windows)).find(({ pid }) => isAncestor(place, pid));
      const id = whole(window?.id);
      return id === undefined ? undefined : { id: String(id), ...size(window?.columns, window?.lines) };
    },
  },
  hasLastingIds: true,
  launch: (place, { argv, cwd, title }) => kittyArgs(place, "launch", "--type=tab", "--cwd", cwd, "--tab-title", title, ...argv),
  focus: (place, { id }) => kittyArgs(place, "focus-window", "--match", `id:${id}`),
  type: (place, spot, text) => kittyWrite(place, spot, bracketed(text)),
  approve: kittyWrite,
  read: (place, { id }, hasStyle) => kittyArgs(place, "get-text", "--match", `id:${id}`, ...(hasStyle ? ["--ansi"] : [])),
};

const weztermArgs = (place: Seat, ...args: string[]): Step => ({
  argv: ["wezterm", "cli", "--no-auto-start", ...args],
  ...given(place, "WEZTERM_UNIX_SOCKET"),
});

const wezterm: Row = {
  title: "WezTerm",
  programs: /^wezterm(?:-gui|-mux-ser.*)?$/,
  isNamedBy: ({ WEZTERM_PANE = "", TERM_PROGRAM }) => WEZTERM_PANE !== "" || TERM_PROGRAM === "WezTerm",
  version: { ask: ["wezterm", "--version"], least: [20220624] },
  find: {
    ask: (place) => weztermArgs(place, "list", "--format", "json"),
    read(place, answer) {
      const pane = records(parseJson(answer)).find(({ tty_name }) => place.tty !== undefined && tty_name === place.tty);
      const id = whole(pane?.pane_id);
      const shown = isRecord(pane?.size) ? pane.size : {};
      return id === undefined ? undefined : { id: String(id), ...size(shown.cols, shown.rows) };
    },
  },
  hasLastingIds: true,
  launch: (place, { argv, cwd }) => weztermArgs(place, "spawn", "--cwd", cwd, "--", ...argv),
  focus: (place, { id }) => weztermArgs(place, "activate-pane", "--pane-id", id),
  type: (place, { id }, text) => ({ ...weztermArgs(place, "send-text", "--pane-id", id), input: text }),
  approve: (place, { id }, bytes) => ({ ...weztermArgs(place, "send-text", "--no-paste", "--pane-id", id), input: bytes }),
  read: (place, { id }, hasStyle) => weztermArgs(place, "get-text", "--pane-id", id, ...(hasStyle ? ["--escapes"] : [])),
};

/** Each is asked of the session bus that the session has, as its Konsole is on that one. */
const konsoleCall = (place: Seat, path: string, method: string, ...args: string[]): Step => ({
  argv: [
    ...["gdbus", "call", "--session", "--dest", variable(place, "KONSOLE_DBUS_SERVICE"), "--object-path", path],
    ...["--method", `org.kde.konsole.${method}`, ...args],
  ],
  ...given(place, "DBUS_SESSION_BUS_ADDRESS"),
});
const konsoleSession = (place: Seat): string => variable(place, "KONSOLE_DBUS_SESSION");

const konsole: Row = {
  title: "Konsole",
  programs: /^konsole$/,
  isNamedBy: ({ KONSOLE_DBUS_SESSION = "" }) => KONSOLE_DBUS_SESSION !== "",
  closed: (place) =>
    /^\/Sessions\/\d+$/.test(konsoleSession(place)) && variable(place, "KONSOLE_DBUS_SERVICE") !== ""
      ? undefined
      : "it does not say in which session of Konsole it runs",
  find: {
    ask: (place) => konsoleCall(place, konsoleSession(place), "Session.processId"),
    read(place, answer) {
      const [, pid] = /^\((?:int32 )?(\d+),\)\s*$/.exec(answer) ?? [];
      return isAncestor(place, Number(pid ?? Number.NaN)) ? { id: konsoleSession(place).slice("/Sessions/".length) } : undefined;
    },
  },
  launch: (_, { argv, cwd }) => ({ argv: ["konsole", "--new-tab", "--workdir", cwd, "-e", ...argv] }),
  focus: (place, { id }) => konsoleCall(place, variable(place, "KONSOLE_DBUS_WINDOW") || "/Windows/1", "Window.setCurrentSession", id),
  type: "Konsole takes no text from other programs unless it was told to, and shows them nothing of its screen",
  approve: "Konsole shows nothing of its screen to other programs, so what a key would answer cannot be read",
  read: "Konsole shows nothing of its screen to other programs",
};

// --- macOS -------------------------------------------------------------------------------------------------------

const needsTty = ({ tty, platform }: Place): string | undefined =>
  platform !== "darwin" ? "it can be asked on macOS only" : tty === undefined ? "its process has no tty to be found by" : undefined;
const ttyOf = ({ tty = "" }: Place): string => tty;

const iterm2: Row = {
  title: "iTerm2",
  programs: /^iTerm(?:2|Server.*)?$/,
  isNamedBy: ({ TERM_PROGRAM }) => TERM_PROGRAM === "iTerm.app",
  closed: needsTty,
  find: {
    ask: (place) => osascript(itermScripts.find(ttyOf(place))),
    read: (place, answer) => ({ id: ttyOf(place), ...sizeWords(answer) }),
  },
  launch: (_, launch) => osascript(itermScripts.launch(launch)),
  focus: (_, { id }) => osascript(itermScripts.focus(id)),
  type: (_, { id }, text) => osascript(itermScripts.write(id, bracketed(text))),
  approve: (_, { id }, bytes) => osascript(itermScripts.write(id, bytes)),
  read: (_, { id }) => osascript(itermScripts.read(id)),
};

const terminalApp: Row = {
  title: "Terminal.app",
  programs: /^Terminal$/,
  isNamedBy: ({ TERM_PROGRAM }) => TERM_PROGRAM === "Apple_Terminal",
  closed: needsTty,
  find: {
    ask: (place) => osascript(terminalAppScripts.find(ttyOf(place))),
    read: (place, answer) => ({ id: ttyOf(place), ...sizeWords(answer) }),
  },
  launch: (_, launch) => osascript(terminalAppScripts.launch(launch)),
  focus: (_, { id }) => osascript(terminalAppScripts.focus(id)),
  type: "Terminal.app presses Enter behind every text that a script gives it",
  approve: "Terminal.app presses Enter behind every key that a script gives it",
  read: (_, { id }) => osascript(terminalAppScripts.read(id)),
};

const ghostty: Row = {
  title: "Ghostty",
  programs: /^\.?ghostty/,
  isNamedBy: ({ GHOSTTY_RESOURCES_DIR = "", TERM_PROGRAM }) => GHOSTTY_RESOURCES_DIR !== "" || TERM_PROGRAM === "ghostty",
  closed: needsTty,
  find: {
    ask: (place) => osascript(ghosttyScripts.find(ttyOf(place))),
    read: (place, answer) => (answer.trim() === "" ? undefined : { id: ttyOf(place) }),
  },
  launch: (place, launch) =>
    place.platform === "darwin"
      ? osascript(ghosttyScripts.launch(launch))
      : { argv: ["ghostty", `--working-directory=${launch.cwd}`, "-e", ...launch.argv] },
  focus: (_, { id }) => osascript(ghosttyScripts.focus(id)),
  type: (_, { id }, text) => osascript(ghosttyScripts.input(id, text)),
  approve: "Ghostty shows nothing of its screen to other programs, so what a key would answer cannot be read",
  read: "Ghostty shows nothing of its screen to other programs",
};

const warp: Row = {
  title: "Warp",
  programs: /^(?:warp|warp-terminal|Warp|stable)$/,
  isNamedBy: ({ TERM_PROGRAM }) => TERM_PROGRAM === "WarpTerminal",
  launch: (place, launch) => ({
    argv: [place.platform === "darwin" ? "open" : "xdg-open", `warp://launch/${fileWord}`],
    file: { name: "csm.yaml", text: renderWarp(launch) },
  }),
  focus: "Warp tells other programs nothing of its tabs",
  type: "Warp takes no text from other programs",
  approve: "Warp takes no keys from other programs",
  read: "Warp shows nothing of its screen to other programs",
};

// --- desktops ----------------------------------------------------------------------------------------------------

const gnomeScreen = (place: Seat): string =>
  (/^\/org\/gnome\/Terminal\/screen\/([\da-f_]+)$/.exec(variable(place, "GNOME_TERMINAL_SCREEN"))?.[1] ?? "").replaceAll("_", "-");

const gnomeTerminal: Row = {
  title: "GNOME Terminal",
  programs: /^gnome-terminal/,
  isNamedBy: ({ GNOME_TERMINAL_SCREEN = "", GNOME_TERMINAL_SERVICE = "" }) => GNOME_TERMINAL_SCREEN + GNOME_TERMINAL_SERVICE !== "",
  closed: (place) => (gnomeScreen(place) === "" ? "it does not say in which tab of GNOME Terminal it runs" : undefined),
  launch: (_, { argv, cwd, title }) => ({
    argv: ["gnome-terminal", "--tab", `--working-directory=${cwd}`, `--title=${title}`, "--", ...argv],
  }),
  // What the shell's search does with a tab that was found: by its id, which no other tab ever has.
  focus: (place) => ({
    argv: [
      ...["gdbus", "call", "--session", "--dest", "org.gnome.Terminal", "--object-path", "/org/gnome/Terminal/SearchProvider"],
      ...["--method", "org.gnome.Shell.SearchProvider2.ActivateResult", gnomeScreen(place), "[]", "0"],
    ],
    ...given(place, "DBUS_SESSION_BUS_ADDRESS"),
  }),
  type: "GNOME Terminal takes no text from other programs",
  approve: "GNOME Terminal takes no keys from other programs",
  read: "GNOME Terminal shows nothing of its screen to other programs",
};

const windowsTerminal: Row = {
  title: "Windows Terminal",
  programs: /^WindowsTerminal$/,
  isNamedBy: ({ WT_SESSION = "" }) => WT_SESSION !== "",
  launch(place, { argv, cwd, title }) {
    const distro = variable(place, "WSL_DISTRO_NAME");
    const inside = ["wsl.exe", ...(distro === "" ? [] : ["-d", distro]), "--cd", cwd, "--exec", ...argv];
    const words = place.platform === "win32" ? ["-d", cwd, "--title", title, ...argv] : ["--title", title, ...inside];
    return { argv: ["wt.exe", "-w", "0", "new-tab", ...words.map(quoteWt)] };
  },
  focus: "Windows Terminal does not tell which tab a program runs in",
  type: "Windows Terminal takes no text from other programs",
  approve: "Windows Terminal takes no keys from other programs",
  read: "Windows Terminal shows nothing of its screen to other programs",
};

const vscode: Row = {
  title: "VS Code",
  programs: /^(?:code|code-insiders|codium|cursor|Code|Code Helper.*)$/,
  isNamedBy: ({ TERM_PROGRAM }) => TERM_PROGRAM === "vscode",
  launch: "VS Code opens no terminal for other programs",
  focus: "VS Code tells other programs nothing of its terminals",
  type: "VS Code takes no text from other programs",
  approve: "VS Code takes no keys from other programs",
  read: "VS Code shows nothing of its terminals to other programs",
};

/** Any other: where the X server knows the window of an ancestor, that can be brought to the front. */
const unknown: Row = {
  title: "an unknown terminal",
  programs: /$^/,
  isNamedBy: () => true,
  find: {
    ask: (place) => ({ argv: ["xdotool", "getwindowpid", variable(place, "WINDOWID")], ...given(place, "DISPLAY", "XAUTHORITY") }),
    read: (place, answer) => (isAncestor(place, Number(answer.trim() || Number.NaN)) ? { id: variable(place, "WINDOWID") } : undefined),
  },
  closed: (place) =>
    /^\d+$/.test(variable(place, "WINDOWID")) && variable(place, "DISPLAY") !== "" ? undefined : "csm knows no way to it",
  launch: "csm knows no way to open a window of it",
  // Without a window manager nothing is activated, and all there is to a window is its place and the keyboard.
  focus(place, { id }) {
    const display = given(place, "DISPLAY", "XAUTHORITY");
    const otherwise = { argv: ["xdotool", "windowraise", id, "windowfocus", id], ...display };
    return { argv: ["xdotool", "windowactivate", id], ...display, otherwise };
  },
  type: "csm knows no way to type there",
  approve: "csm knows no way to press keys there",
  read: "csm knows no way to read its screen",
};

/** The order is that in which environments are asked: what runs inside another comes first. */
export const terminals: Readonly<Record<TerminalName, Row>> = {
  tmux,
  screen,
  zellij,
  kitty,
  wezterm,
  ghostty,
  iterm2,
  "terminal.app": terminalApp,
  warp,
  "gnome-terminal": gnomeTerminal,
  konsole,
  "windows-terminal": windowsTerminal,
  vscode,
  unknown,
};

const names = Object.keys(terminals) as TerminalName[];

/** Others that people know by name, and what a login from elsewhere runs in. */
const otherTerminals =
  /^(?:xterm|alacritty|foot|urxvtd?|rxvt|st|hyper|tilix|terminator|xfce4-terminal|lxterminal|terminology|mintty|sshd)$/i;

/** Undefined for a program that is no terminal. */
export const terminalOf = (program: string): TerminalName | undefined =>
  names.find((name) => terminals[name].programs.test(program)) ?? (otherTerminals.test(program) ? "unknown" : undefined);

/**
 * The terminal of a session: the nearest ancestor that is one, as an environment is handed on into terminals that are opened from
 * within others. Where no ancestor can be seen, what its environment says.
 */
export function findPlace(seat: Seat): Place {
  const host = seat.line.slice(1).find(({ program }) => terminalOf(program) !== undefined);
  const terminal = host === undefined ? undefined : terminalOf(host.program);
  if (host !== undefined && terminal !== undefined) {
    const title = terminal === "unknown" ? host.program.replace(/^sshd$/, "ssh") : terminals[terminal].title;
    return { ...seat, terminal, title, hostPid: host.pid };
  }
  const name = names.find((candidate) => terminals[candidate].isNamedBy(seat.env)) ?? "unknown";
  return {
    ...seat,
    terminal: name,
    title: name === "unknown" ? (seat.env.TERM_PROGRAM ?? terminals.unknown.title) : terminals[name].title,
  };
}

/** Keys as the bytes that a terminal sends for them. */
const keyBytes: Readonly<Record<string, string>> = {
  ...{ Enter: "\r", Escape: "\u001b", Tab: "\t", BTab: "\u001b[Z", BSpace: "\u007f", Space: " " },
  ...{ Up: "\u001b[A", Down: "\u001b[B", Right: "\u001b[C", Left: "\u001b[D", Home: "\u001b[H", End: "\u001b[F" },
};

/** Undefined for a key that nobody has taught it: what is meant for a name must not be typed as its letters. */
export function bytesOf(key: string): string | undefined {
  const control = /^C-([a-z])$/.exec(key)?.[1];
  if (control !== undefined) return String.fromCharCode(control.charCodeAt(0) - 96);
  return [...key].length === 1 ? key : keyBytes[key];
}

/** Why this cannot be done where a session sits, as far as is known without trying; undefined where it can. */
export function whyNotIn(place: Place, action: TerminalAction): string | undefined {
  const row = terminals[place.terminal];
  const can = row[action];
  if (typeof can === "string") return can;
  if (can === byPanes || action === "launch") return undefined;
  return row.closed?.(place) ?? whyNotDirect(place);
}

/** Keys for the window reach the program that has its tty; another one may keep them for itself. */
function whyNotDirect({ line, hostPid, tty }: Place): string | undefined {
  const at = line.findIndex(({ pid }) => pid === hostPid);
  const first = at > 0 ? line[at - 1] : undefined;
  return first === undefined || first.tty === tty ? undefined : `${first.program} holds its window, and gives it a tty of its own`;
}

/** Another session between it and the pane that has this process, whose tty is not its own: the pane shows that one. */
export function isInsideAnother({ line, tty }: Seat, panePid: number): boolean {
  const between = line.slice(1, line.findIndex(({ pid }) => pid === panePid) + 1);
  return between.some((one) => one.program === "claude" && one.tty !== tty);
}
