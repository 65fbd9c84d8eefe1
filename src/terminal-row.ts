import { isRecord } from "./json.ts";
import type { Launch } from "./terminal-scripts.ts";

/** What a row of the table of terminals is made of. */

export type TerminalName =
  | "tmux"
  | "screen"
  | "zellij"
  | "kitty"
  | "wezterm"
  | "ghostty"
  | "iterm2"
  | "terminal.app"
  | "warp"
  | "gnome-terminal"
  | "konsole"
  | "windows-terminal"
  | "vscode"
  | "unknown";

export type TerminalAction = "launch" | "focus" | "type" | "approve" | "read";
export const terminalActions: readonly TerminalAction[] = ["launch", "focus", "type", "approve", "read"];

/** Where a process sits, by its own word and the kernel's. */
export interface Seat {
  platform: string;
  /** Itself, its parent, and so on, as far as they can be seen. */
  line: readonly { pid: number; program: string; tty?: string }[];
  /** Those of `terminalVariables` that it was started with. */
  env: Readonly<Partial<Record<string, string>>>;
  /** `/dev/pts/3`; undefined where it has none, or that is not known. */
  tty?: string;
  /** Its own, as `ProcessStart` has it. */
  start: string;
  /** It has the keyboard of its tty. */
  isForeground: boolean;
}

/** A session's place in a terminal. */
export interface Place extends Seat {
  terminal: TerminalName;
  /** For people: `kitty`, `xterm`. */
  title: string;
  /** The terminal's own process, where it is an ancestor. */
  hostPid?: number;
}

/** Something to run, and what it is given. */
export interface Step {
  argv: readonly string[];
  input?: string;
  /** On top of this program's own. */
  env?: Readonly<Record<string, string>>;
  /** Written before, for this user only, and gone when it is over: `%FILE%` stands for its path. */
  file?: { name: string; text: string };
  /** Where this fails. */
  otherwise?: Step;
}

/** In place of the answer, what was written to the step's file; one byte a character. */
export const fileWord = "%FILE%";

/** What the terminal calls a place, by its own answer of this moment. */
export interface Spot {
  id: string;
  columns?: number;
  rows?: number;
  /** Counted from 0. */
  cursor?: { column: number; row: number };
}

/** What is run for it; `panes`: csm's own ways with tmux do it; a text, in words for a person, says why it cannot be had. */
type Can<T extends readonly unknown[]> = ((...given: T) => Step) | typeof byPanes | string;
export const byPanes = Symbol("by the panes of tmux");

/** One terminal. */
export interface Row {
  title: string;
  /** Its process among the ancestors, by the name that the system has for it (Linux cuts one at 15 signs). */
  programs: RegExp;
  /** What it sets in the environment of what it starts: for processes whose ancestors cannot be seen. */
  isNamedBy(env: Seat["env"]): boolean;
  /** Oldest version that can do what stands here, and how it is asked. */
  version?: { ask: readonly string[]; least: readonly number[] };
  /** Why nothing can be asked of it from outside, as far as is known before anything is tried. */
  closed?(place: Place): string | undefined;
  /** A server that answers to the same name as the session's own, by what it was started with: then a name does not say which is asked. */
  isRival?(place: Place, command: string): boolean;
  /** For one that names its windows by numbers which can change: what the tty itself is made to say, and who is then called so. */
  mark?: {
    ask(place: Place, id: string): Step;
    set(mark: string): string;
    find(place: Place, mark: string): Step;
    read(answer: string): string | undefined;
    restore(place: Place, id: string, title: string): Step;
  };
  /** Which of its windows is the session's: asked before each deed. Undefined: it has no such question. */
  find?: { ask(place: Place): Step; read(place: Place, answer: string): Spot | undefined };
  /** What it calls a window is never given to another one: it need not be found anew while the process has the same tty. */
  hasLastingIds?: true;
  launch: Can<[place: Place, launch: Launch]>;
  focus: Can<[place: Place, spot: Spot]>;
  /** A text, without any key behind it. */
  type: Can<[place: Place, spot: Spot, text: string]>;
  /** Keys, as the bytes that they send. */
  approve: Can<[place: Place, spot: Spot, bytes: string]>;
  read: Can<[place: Place, spot: Spot, hasStyle: boolean]>;
  /** How its answer to `read` becomes a screen. */
  show?(answer: string, spot: Spot): string;
}

/** All that is ever read of a session's environment here: never a value that could be a secret. */
export const terminalVariables = [
  ...["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "STY", "WINDOW", "SCREENDIR"],
  ...["ZELLIJ", "ZELLIJ_PANE_ID", "ZELLIJ_SESSION_NAME", "KITTY_WINDOW_ID", "KITTY_PID", "KITTY_LISTEN_ON"],
  ...["WEZTERM_PANE", "WEZTERM_UNIX_SOCKET", "WEZTERM_EXECUTABLE", "GHOSTTY_RESOURCES_DIR", "ITERM_SESSION_ID"],
  ...["GNOME_TERMINAL_SCREEN", "GNOME_TERMINAL_SERVICE", "KONSOLE_DBUS_SERVICE", "KONSOLE_DBUS_SESSION", "KONSOLE_DBUS_WINDOW"],
  ...["DBUS_SESSION_BUS_ADDRESS", "WT_SESSION", "WSL_DISTRO_NAME", "VSCODE_PID", "VSCODE_IPC_HOOK_CLI"],
  ...["WINDOWID", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"],
] as const;

export const variable = (place: Seat, name: (typeof terminalVariables)[number]): string => place.env[name] ?? "";

/** Those of the session that name the server which a command is to ask. */
export const given = (place: Seat, ...names: (typeof terminalVariables)[number][]): { env?: Record<string, string> } => {
  const entries = names.flatMap((name) => (variable(place, name) === "" ? [] : [[name, variable(place, name)]]));
  return entries.length === 0 ? {} : { env: Object.fromEntries(entries) };
};

/** A text that a program takes for pasted, as claude asks its terminal to mark it. */
export const bracketed = (text: string): string => `\u001b[200~${text}\u001b[201~`;

export const isAncestor = ({ line }: Seat, pid: unknown): boolean => line.some((one) => one.pid === pid);
export const records = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : []);
export const whole = (value: unknown): number | undefined => (typeof value === "number" && Number.isInteger(value) ? value : undefined);
export const size = (columns: unknown, rows: unknown): Pick<Spot, "columns" | "rows"> => {
  const [width, height] = [whole(columns), whole(rows)];
  return width === undefined || height === undefined ? {} : { columns: width, rows: height };
};
export const sizeWords = (answer: string): Pick<Spot, "columns" | "rows"> => {
  const [, columns, rows] = /^(\d+) (\d+)\s*$/.exec(answer) ?? [];
  return size(Number(columns ?? Number.NaN), Number(rows ?? Number.NaN));
};
