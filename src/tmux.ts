import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import type { RunResult, Sys } from "./sys.ts";

/**
 * tmux, one process per call. Targets are ids (`$1`, `%3`) or `=name`, never bare names, which tmux matches by prefix
 * and pattern and takes for windows.
 */
export interface Tmux {
  /** Undefined: the server of `$TMUX`, or the user's default one. */
  readonly socketPath: string | undefined;
  /** `tmux 3.3a`. Throws with the way to install it where tmux is missing. */
  readVersion(): Promise<string>;
  /** Starts `argv` in a new detached session and keeps its last screen if it ends. Fails when the name is taken. */
  create(session: NewSession): Promise<Pane>;
  /** Opens `argv` in a new window of the session that this program runs in, and shows it. */
  openWindow(window: Omit<NewSession, "width" | "height">): Promise<Pane>;
  /** Undefined when there is no such pane, session or server. */
  pane(target: string): Promise<Pane | undefined>;
  list(): Promise<Pane[]>;
  /** The pane and its visible screen in one call; `hasStyle` keeps colours. */
  capture(target: string, hasStyle?: boolean): Promise<{ pane: Pane; text: string } | undefined>;
  /** The same for several pane ids in two calls; those that are gone are left out. */
  captureAll(paneIds: readonly string[]): Promise<Map<string, { pane: Pane; text: string }>>;
  /** Bracketed paste where the program in the pane asked for it; line feeds stay line feeds. */
  paste(target: string, text: string): Promise<void>;
  keys(target: string, keys: readonly string[]): Promise<void>;
  setRemain(target: string, isOn: boolean): Promise<void>;
  /** Somebody's terminal shows the session of this pane. */
  isAttached(target: string): Promise<boolean>;
  kill(sessionId: string): Promise<void>;
}

interface NewSession {
  name: string;
  cwd: string;
  width: number;
  height: number;
  argv: readonly string[];
}

export interface Pane {
  /** `$1`: unique while the server lives. */
  sessionId: string;
  sessionName: string;
  /** `%3` */
  paneId: string;
  /** The one of its window that keys without a target go to. */
  isActive: boolean;
  pid: number;
  /** The program ended and its screen was kept. */
  isDead: boolean;
  /** Undefined while it runs, until tmux has learnt it, and after a signal. */
  exitCode?: number;
  serverPid: number;
  socketPath: string;
}

const separator = "␞";
/**
 * The panes of the target's window. Not `display-message -t`: with a target that does not exist it answers for some other
 * pane (3.3a).
 */
const listPanes = (target: string): string[] => ["list-panes", "-t", target, "-F", format];

/** The named pane, or the one that is active in the named session. */
function choosePane(target: string, lines: string): Pane | undefined {
  const panes = parsePanes(lines);
  return target.startsWith("%") ? panes.find((pane) => pane.paneId === target) : panes.find((pane) => pane.isActive);
}

function splitAt(text: string, separatorText: string): string[] {
  const at = text.indexOf(separatorText);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separatorText.length)];
}

/** A line that is none of a pane costs this pane, not all of them; an answer of nothing else is none of tmux. */
function parsePanes(text: string): Pane[] {
  const lines = text.split("\n").filter((line) => line !== "");
  const panes = lines.flatMap((line) => parsePane(line) ?? []);
  if (lines.length > 0 && panes.length === 0) throw noPane(lines[0]);
  return panes;
}

function onlyPane(text: string): Pane {
  const [pane] = parsePanes(text);
  if (pane === undefined) throw noPane(text);
  return pane;
}

const noPane = (answer = ""): UserError => new UserError(`tmux answered what is no pane: ${JSON.stringify(answer.slice(0, 200))}`);
const fields = [
  "session_id",
  "session_name",
  "pane_id",
  "pane_active",
  "pane_pid",
  "pane_dead",
  "pane_dead_status",
  "pid",
  "socket_path",
] as const;
const format = fields.map((field) => `#{${field}}`).join(separator);
/** A session may be named with the separator, or like a whole line: its name ends where the last that can be the rest begins. */
const lineOfPane = new RegExp(
  `^${["(\\$\\d+)", "(.*)", "(%\\d+)", "(\\d*)", "(\\d+)", "(\\d*)", "(\\d*)", "(\\d+)", "(.*)"].join(separator)}$`,
);

/** A server answers within milliseconds, on a busy machine within a second; one that is stopped never does. */
const answerTimeoutMs = 3000;
/** One that is started first reads what its user has configured. */
const startTimeoutMs = 6000;

type TmuxSys = Pick<Sys, "run" | "platform" | "randomId">;

export function createTmux(sys: TmuxSys, socketPath?: string): Tmux {
  const call = async (args: readonly string[], input?: string, timeoutMs = answerTimeoutMs): Promise<RunResult> => {
    // -u: without it, under LC_ALL=C, tmux 3.3a turns the separator into `_`.
    const argv = ["tmux", "-u", ...(socketPath === undefined ? [] : ["-S", socketPath]), ...args];
    try {
      return await sys.run(argv, { timeoutMs, ...present({ input }) });
    } catch (error) {
      throw new UserError("tmux is not installed or not on PATH", installHint(sys.platform), 1, { cause: error });
    }
  };
  const must = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await call(args, input);
    if (result.code !== 0) throw tmuxError(result, socketPath);
    return result.stdout;
  };
  /** Undefined when what was asked for is not there. */
  const find = async (args: readonly string[]): Promise<string | undefined> => {
    const result = await call(args);
    if (result.code === 0) return result.stdout;
    if (isAbsence(result)) return undefined;
    throw tmuxError(result, socketPath);
  };

  const list = async (): Promise<Pane[]> => parsePanes((await find(["list-panes", "-a", "-F", format])) ?? "");

  return {
    socketPath,
    readVersion: async () => (await must(["-V"])).trim(),
    async create({ name, cwd, width, height, argv }) {
      const size = ["-x", String(width), "-y", String(height)];
      const start = ["new-session", "-d", "-P", "-F", format, "-s", name, ...size, "-c", escapeFolder(cwd), ...argv];
      const result = await call([...start, ";", "set-option", "-p", "remain-on-exit", "on"], undefined, startTimeoutMs);
      if (/duplicate session/.test(result.stderr))
        throw new UserError(`session "${name}" already exists`, "choose another --name, or kill it first");
      if (result.code !== 0) throw tmuxError(result, socketPath);
      return onlyPane(result.stdout);
    },
    async openWindow({ name, cwd, argv }) {
      return onlyPane(await must(["new-window", "-P", "-F", format, "-n", name, "-c", escapeFolder(cwd), ...argv]));
    },
    async pane(target) {
      const lines = await find(listPanes(target));
      return lines === undefined ? undefined : choosePane(target, lines);
    },
    list,
    async capture(target, hasStyle = false) {
      const capture = ["capture-pane", "-p", ...(hasStyle ? ["-e"] : []), "-t", target];
      const mark = sys.randomId();
      const text = await find([...listPanes(target), ";", "display-message", "-p", mark, ";", ...capture]);
      if (text === undefined) return undefined;
      const [lines = "", screen = ""] = splitAt(text, `${mark}\n`);
      const pane = choosePane(target, lines);
      return pane === undefined ? undefined : { pane, text: screen };
    },
    async captureAll(paneIds) {
      const panes = (await list()).filter((pane) => paneIds.includes(pane.paneId));
      if (panes.length === 0) return new Map();
      // Stands between the answers; nobody can draw it, as it is new each time.
      const mark = sys.randomId();
      const commands = panes.flatMap(({ paneId }) => ["display-message", "-p", mark, ";", "capture-pane", "-p", "-t", paneId, ";"]);
      const result = await call(commands.slice(0, -1));
      // A pane that has gone since ends the sequence; those before it are read.
      if (result.code !== 0 && !isAbsence(result)) throw tmuxError(result, socketPath);
      const screens = result.stdout.split(`${mark}\n`).slice(1, result.code === 0 ? undefined : -1);
      return new Map(
        screens.flatMap((text, index) => (panes[index] === undefined ? [] : [[panes[index].paneId, { pane: panes[index], text }]])),
      );
    },
    async paste(target, text) {
      const buffer = `csd-${sys.randomId()}`;
      await must(["load-buffer", "-b", buffer, "-", ";", "paste-buffer", "-d", "-p", "-r", "-b", buffer, "-t", target], text);
    },
    async keys(target, keys) {
      await must(["send-keys", "-t", target, ...keys]);
    },
    async setRemain(target, isOn) {
      await call(["set-option", "-p", "-t", target, "remain-on-exit", isOn ? "on" : "off"]);
    },
    async isAttached(target) {
      const attached = await find(["list-panes", "-t", target, "-F", "#{session_attached}"]);
      return attached !== undefined && /^[1-9]/.test(attached);
    },
    async kill(sessionId) {
      await find(["kill-session", "-t", sessionId]);
    },
  };
}

/** `-c` is expanded as a format, where `#` must be doubled to stay itself; a last `;` would end the command. */
const escapeFolder = (path: string): string => path.replaceAll("#", "##").replace(/;$/, "\\;");

function parsePane(line: string): Pane | undefined {
  const values = lineOfPane.exec(line)?.slice(1);
  if (values === undefined) return undefined;
  const value = (field: (typeof fields)[number]): string => values[fields.indexOf(field)] ?? "";
  return {
    sessionId: value("session_id"),
    sessionName: value("session_name"),
    paneId: value("pane_id"),
    isActive: value("pane_active") === "1",
    pid: Number(value("pane_pid")),
    isDead: value("pane_dead") === "1",
    ...(value("pane_dead_status") === "" ? {} : { exitCode: Number(value("pane_dead_status")) }),
    serverPid: Number(value("pid")),
    socketPath: value("socket_path"),
  };
}

const isAbsence = (result: RunResult): boolean =>
  /no server running|error connecting to .*(?:No such file|Connection refused)|can't find (?:pane|session|window)|no current (?:client|target)|server exited/.test(
    result.stderr,
  );

function tmuxError({ argv, code, stderr }: RunResult, socketPath: string | undefined): UserError {
  const command = argv.find((word) => /^[a-z]+-[a-z]+$/.test(word)) ?? "tmux";
  const message = `tmux command failed: ${command}: ${code === null ? "it did not answer in time" : stderr.trim() || `exit code ${code}`}`;
  return new UserError(message, code === null ? `is the server at ${socketPath ?? "the usual socket"} stopped?` : undefined);
}

/** Puts a question to a server; undefined where it fails, and while the server does not answer. */
export type Ask = <T>(socketPath: string | undefined, question: (tmux: Tmux) => Promise<T>) => Promise<T | undefined>;

/** Longer than any server takes that answers at all, unless the machine is very busy: then it is heard at the next look. */
const momentMs = 1000;

/** For whoever looks at several servers again and again: one that is stopped holds nobody up, and is not waited for a second time. */
export function createAsk(sys: TmuxSys): Ask {
  const silent = new Set<string | undefined>();
  const open = new Set<string | undefined>();
  return async (socketPath, question) => {
    if (open.has(socketPath)) return undefined;
    open.add(socketPath);
    const answer = question(createTmux(sys, socketPath))
      .finally(() => open.delete(socketPath))
      .then((told) => {
        silent.delete(socketPath);
        return { told };
      })
      .catch(() => ({ told: undefined }));
    const patience = Promise.withResolvers<undefined>();
    const timer = setTimeout(patience.resolve, silent.has(socketPath) ? 0 : momentMs, undefined);
    const first = await Promise.race([answer, patience.promise]);
    clearTimeout(timer);
    if (first === undefined) silent.add(socketPath);
    return first?.told;
  };
}

const installCommands: Partial<Record<NodeJS.Platform, string>> = {
  linux: "install it with: sudo apt-get install tmux (Debian, Ubuntu), sudo dnf install tmux (Fedora), sudo pacman -S tmux (Arch)",
  darwin: "install it with: brew install tmux",
  win32: "csd needs tmux: run it inside WSL",
};

const installHint = (platform: NodeJS.Platform): string => installCommands[platform] ?? "install tmux with your system's package manager";
