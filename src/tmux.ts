import { UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { present } from "./json.ts";
import type { RunResult, Sys } from "./sys.ts";

/**
 * tmux, one process per call. Targets are ids (`$1`, `%3`) or `=name`, never bare names, which tmux matches by prefix
 * and pattern and takes for windows.
 */
export interface Tmux extends Keyboard {
  /** Undefined: the server of `$TMUX`, or the user's default one. */
  readonly socketPath: string | undefined;
  /** `tmux 3.3a`. Throws with the way to install it where tmux is missing. */
  readVersion(): Promise<string>;
  /**
   * Starts `argv` in a new detached session of exactly this size, which no option and no hook of the user's reaches, and keeps its last
   * screen if it ends. A dot or colon of the name becomes `_`. Fails when the name is taken.
   */
  create(session: NewSession): Promise<Pane>;
  /** Opens `argv` in a new window of the session that this program runs in, and shows it. */
  openWindow(window: Pick<NewSession, "name" | "cwd" | "argv">): Promise<Pane>;
  /** Undefined when there is no such pane, session or server. */
  pane(target: string): Promise<Pane | undefined>;
  list(): Promise<Pane[]>;
  /** In one call. */
  capture(target: string, hasStyle?: boolean): Promise<{ pane: Pane; text: string } | undefined>;
  /** The same for several pane ids in two calls; those that are gone are left out. */
  captureAll(paneIds: readonly string[]): Promise<Map<string, { pane: Pane; text: string }>>;
  /** The window of the pane, for good, whoever is attached. */
  resize(target: string, width: number, height: number): Promise<void>;
  setRemain(target: string, isOn: boolean): Promise<void>;
  /** The programs in whose terminals the session of this pane is shown, newest use last. */
  clients(target: string): Promise<number[]>;
  /** Makes it the pane that its session shows. */
  select(target: string): Promise<void>;
  /** Somebody's terminal shows the session of this pane. */
  isAttached(target: string): Promise<boolean>;
  /** A pane (`%3`), and what it was alone in, or a whole session (`$1`). */
  kill(target: string): Promise<void>;
}

/** What shows a program and takes its keys: a pane of tmux, or a window of another terminal. */
export interface Keyboard {
  /** Undefined when there is no such pane. */
  pane(target: string): Promise<PaneState | undefined>;
  /** The pane and its visible screen; `hasStyle` keeps what tells a hint from a text. */
  capture(target: string, hasStyle?: boolean): Promise<{ pane: PaneState; text: string } | undefined>;
  /** Bracketed paste where the program asked for it; line feeds stay line feeds. */
  paste(target: string, text: string): Promise<void>;
  /** By tmux's names for them. */
  keys(target: string, keys: readonly string[]): Promise<void>;
}

export const isTmux = (keyboard: Keyboard): keyboard is Tmux => "socketPath" in keyboard;

interface NewSession {
  name: string;
  cwd: string;
  width: number;
  height: number;
  argv: readonly string[];
  /** Made for somebody who is going to look: its size becomes that of the terminal that it is attached to. */
  isFollowing?: boolean;
}

export interface Pane extends PaneState {
  /** `$1`: unique while the server lives. */
  sessionId: string;
  sessionName: string;
  /** The one of its window that keys without a target go to. */
  isActive: boolean;
  /** Undefined while it runs, until tmux has learnt it, and after a signal. */
  exitCode?: number;
  socketPath: string;
}

/** What there is to know of a place that takes keys, whatever terminal it is of. */
export interface PaneState {
  /** `%3` in tmux. */
  paneId: string;
  pid: number;
  /** The program ended and its screen was kept. */
  isDead: boolean;
  serverPid: number;
  width: number;
  height: number;
  /** The only one of its window. */
  isAlone: boolean;
  /** Nobody's keys reach it (`select-pane -d`). */
  isLocked: boolean;
}

/** On the window of a session that csd or csm has made. */
export const ownMark = "@csd";

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
  "pane_width",
  "pane_height",
  "window_panes",
  "pane_input_off",
] as const;
const format = fields.map((field) => `#{${field}}`).join(separator);
/** A session may be named with the separator, or like a whole line: its name ends where the last that can be the rest begins. */
const lineOfPane = new RegExp(
  `^${["(\\$\\d+)", "(.*)", "(%\\d+)", "(\\d*)", "(\\d+)", "(\\d*)", "(\\d*)", "(\\d+)", "(.*)"].join(separator)}${`${separator}(\\d+)`.repeat(4)}$`,
);

/** A server answers within milliseconds, on a busy machine within a second; one that is stopped never does. */
const answerTimeoutMs = 3000;
/** One that is started first reads what its user has configured. */
const startTimeoutMs = 6000;

type TmuxSys = Pick<Sys, "run" | "platform" | "randomId" | "sleep">;

export function createTmux(sys: TmuxSys, socketPath?: string): Tmux {
  const call = async (args: readonly string[], input?: string, timeoutMs = answerTimeoutMs): Promise<RunResult> => {
    // -u: without it, under LC_ALL=C, tmux 3.3a turns the separator into `_`.
    const argv = ["tmux", "-u", ...(socketPath === undefined ? [] : ["-S", socketPath]), ...unaliased(args)];
    try {
      return await sys.run(argv, { timeoutMs, ...present({ input }) });
    } catch (error) {
      throw new UserError("tmux is not installed or not on PATH", installHint(sys.platform), 1, { cause: error });
    }
  };
  const must = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await call(args, input);
    if (result.code !== 0) throw tmuxError(args, result, socketPath);
    return result.stdout;
  };
  /** Undefined when what was asked for is not there. */
  const find = async (args: readonly string[]): Promise<string | undefined> => {
    const result = await call(args);
    if (result.code === 0) return result.stdout;
    if (isAbsence(result)) return undefined;
    throw tmuxError(args, result, socketPath);
  };

  const list = async (): Promise<Pane[]> => parsePanes((await find(["list-panes", "-a", "-F", format])) ?? "");

  return {
    socketPath,
    readVersion: async () => (await must(["-V"])).trim(),
    create: (session) => createSession({ call, find, sleep: sys.sleep, socketPath }, sys.randomId(), session),
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
      if (result.code !== 0 && !isAbsence(result)) throw tmuxError(commands, result, socketPath);
      const screens = result.stdout.split(`${mark}\n`).slice(1, result.code === 0 ? undefined : -1);
      return new Map(
        screens.flatMap((text, index) => (panes[index] === undefined ? [] : [[panes[index].paneId, { pane: panes[index], text }]])),
      );
    },
    async paste(target, text) {
      const buffer = `csd-${sys.randomId()}`;
      const paste = ["paste-buffer", "-d", "-p", "-r", "-b", buffer, "-t", target];
      await must([...leaveMode(target), "load-buffer", "-b", buffer, "-", ";", ...paste], text);
    },
    async keys(target, keys) {
      await must([...leaveMode(target), "send-keys", "-t", target, ...keys]);
    },
    async resize(target, width, height) {
      await must(resize(target, width, height));
    },
    async setRemain(target, isOn) {
      await call(["set-option", "-p", "-t", target, "remain-on-exit", isOn ? "on" : "off"]);
    },
    async isAttached(target) {
      const attached = await find(["list-panes", "-t", target, "-F", "#{session_attached}"]);
      return attached !== undefined && /^[1-9]/.test(attached);
    },
    async clients(target) {
      const lines = (await find(["list-clients", "-t", target, "-F", "#{client_activity} #{client_pid}"])) ?? "";
      const clients = lines.split("\n").filter((line) => line !== "");
      return clients.sort().map((line) => Number(line.split(" ")[1]));
    },
    async select(target) {
      await must(["select-window", "-t", target, ";", "select-pane", "-t", target]);
    },
    async kill(target) {
      await find([target.startsWith("%") ? "kill-pane" : "kill-session", "-t", target]);
    },
  };
}

/**
 * An alias that the user has given to the name of a command would run in its place; tmux completes a name that is one letter short,
 * and nobody has an alias for that (3.1c to 3.5a).
 */
export const unaliased = (args: readonly string[]): string[] =>
  args.map((word, index) => ((index === 0 || args[index - 1] === ";") && commandWord.test(word) ? word.slice(0, -1) : word));
const commandWord = /^[a-z]+-[a-z]+$/;

/** Somebody who scrolled back, and the errors of the user's configuration that tmux shows in a pane, would take the keys. */
const leaveMode = (target: string): string[] => ["copy-mode", "-q", "-t", target, ";"];

/** Makes the size that of the window, and no longer that of whoever is attached. */
const resize = (target: string, width: number, height: number): string[] => [
  ...["resize-window", "-t", target, "-x", String(width), "-y", String(height)],
];

/** What a session of ours has of its own, as the user's value would end it, or change its size or what it is typed. */
const ownOptions: readonly (readonly [name: string, value: string])[] = [
  ["destroy-unattached", "off"],
  ["remain-on-exit", "on"],
  ["remain-on-exit-format", "Pane is dead"],
  ["synchronize-panes", "off"],
  ["alternate-screen", "on"],
  ["pane-border-status", "off"],
  ["pane-scrollbars", "off"],
  ["aggressive-resize", "off"],
  [ownMark, "on"],
];

/** What a new session sets off by itself, before another call can come. */
const earlyHooks = [
  ...["session-created", "session-window-changed", "window-linked", "window-renamed", "window-resized", "window-layout-changed"],
  ...["pane-died", "pane-exited", "pane-mode-changed", "pane-title-changed"],
];

/** The user's value may be one for all sessions; that of a name that this tmux does not know is passed over. */
const setOwn = (target: string, name: string, value: string): string[] => ["set-option", "-q", "-p", "-t", target, name, value];

/** Ends the server with its last client: a client without a terminal stays as long as the program in the pane. Off by default. */
const keepServer = [
  'd=$(mktemp -d) && mkfifo "$d/f" &&',
  '{ tmux -S #{q:socket_path} run-shel "echo > $d/f; while kill -0 #{pane_pid} 2>/dev/null; do sleep 2; done" >/dev/null 2>&1 &',
  'read -r _ < "$d/f"; rm -r "$d"; }',
].join(" ");

interface Calls {
  socketPath: string | undefined;
  call(args: readonly string[], input?: string, timeoutMs?: number): Promise<RunResult>;
  find(args: readonly string[]): Promise<string | undefined>;
  sleep(ms: number): Promise<void>;
}

/** One call makes the session with all that is its own; then every hook is emptied in it, whatever this tmux knows, and what came out is read. */
async function createSession(calls: Calls, id: string, session: NewSession): Promise<Pane> {
  const { call, find } = calls;
  const { width, height } = session;
  const result = await run(calls, `@csd-${id}`, planSession(session, session.name.replace(/[.:]/g, "_")));
  if (/duplicate session/.test(result.stderr))
    throw new UserError(`session "${session.name}" already exists`, "choose another --name, or kill it first");
  if (result.code !== 0) throw tmuxError(["new-session"], result, calls.socketPath);
  const { paneId } = onlyPane(result.stdout);
  const known = await readHooks(call);
  // First the one that each of these would run.
  const hooks = known.toSorted((a, b) => Number(b === "after-set-option") - Number(a === "after-set-option"));
  const emptied = hooks.flatMap((hook) => [...setOwn(paneId, hook, ""), ";"]);
  const lines = await find([...emptied, ...resize(paneId, width, height), ";", ...listPanes(paneId)]);
  const pane = lines === undefined ? undefined : choosePane(paneId, lines);
  if (pane?.isAlone === true && pane.width === width && pane.height === height) {
    if (session.isFollowing === true) await find(["set-option", "-w", "-t", paneId, "window-size", "latest"]);
    return pane;
  }
  await find(["kill-pane", "-t", paneId]);
  const what = pane === undefined ? "ended it at once" : `gave it ${pane.width}x${pane.height} instead of ${width}x${height}`;
  throw new UserError(`session "${session.name}" cannot be used: tmux ${what}`, "look for what does that in your tmux.conf");
}

function planSession({ cwd, width, height, argv }: NewSession, name: string): string[][] {
  const target = `=${name}:`;
  return [
    ["new-session", "-d", "-s", name, "-x", String(width), "-y", String(height), "-c", cwd.replaceAll("#", "##"), ...argv],
    ...[...ownOptions, ...earlyHooks.map((hook) => [hook, ""] as const)].map(([option, value]) => setOwn(target, option, value)),
    resize(target, width, height),
    ["if-shell", "-F", "#{exit-unattached}", renderScript([["run-shell", "-t", target, keepServer]])],
    ["display-message", "-p", "-t", target, format],
  ];
}

/**
 * The hook of new sessions runs before any command that could empty it; none is run by what is itself run as a hook, such as an option
 * of our own. Where tmux has no such hooks (3.1c) the commands are run as they are.
 */
async function run({ call, sleep }: Calls, option: string, commands: string[][]): Promise<RunResult> {
  const script = [["set-option", "-gu", option], ...commands];
  // 3.3a crashes, with every session of the user's, when a window is made while this is `manual` for all of them.
  const isFixed =
    (await call(["start-server", ";", "show-options", "-gwv", "window-size"], undefined, startTimeoutMs)).stdout.trim() === "manual";
  const inSize = (size: string): string[] => (isFixed ? ["set-option", "-gw", "window-size", size, ";"] : []);
  const hook = [
    "set-option",
    "-g",
    option,
    renderScript(script),
    ";",
    ...inSize("latest"),
    "set-hook",
    "-R",
    option,
    ";",
    ...inSize("manual"),
  ];
  for (let tries = 1; tries <= maxTries; tries++) {
    const result = await call(["start-server", ";", ...hook.slice(0, -1)], undefined, startTimeoutMs);
    // A server whose last session has just ended takes nobody any more; one without a session does not survive this (3.1c).
    const isEnding = /server exited|lost server/.test(result.stderr);
    if (!isEnding && (result.code !== 0 || result.stdout !== "")) return result;
    if (!isEnding) break;
    await sleep(retryMs);
  }
  return call(script.flatMap((words) => [...words.map((word) => word.replace(/;$/, "\\;")), ";"]).slice(0, -1), undefined, startTimeoutMs);
}

const maxTries = 3;
const retryMs = 100;

/** As tmux parses it: everything between quotes is itself. */
const renderScript = (commands: readonly string[][]): string =>
  commands.map((words) => unaliased(words).map(quotePosix).join(" ")).join(" ; ");

/** Every hook that this tmux has, whether it is set or not: `session-created[0] …`. */
async function readHooks(call: Calls["call"]): Promise<string[]> {
  const ofAll = await call(["show-hooks", "-g", ";", "show-hooks", "-gw"]);
  // Up to 3.1c those of windows and panes stand among the others.
  const { stdout } = ofAll.code === 0 ? ofAll : await call(["show-hooks", "-g"]);
  return [...new Set(stdout.split("\n").flatMap((line) => /^[a-z]+-[a-z-]+/.exec(line) ?? []))];
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
    width: Number(value("pane_width")),
    height: Number(value("pane_height")),
    isAlone: value("window_panes") === "1",
    isLocked: value("pane_input_off") === "1",
  };
}

const isAbsence = (result: RunResult): boolean =>
  /no server running|error connecting to .*(?:No such file|Connection refused)|can't find (?:pane|session|window)|no current (?:client|target)|server exited/.test(
    result.stderr,
  );

function tmuxError(args: readonly string[], { code, stderr }: RunResult, socketPath: string | undefined): UserError {
  const command = args.find((word) => commandWord.test(word)) ?? "tmux";
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

export const installHint = (platform: NodeJS.Platform): string =>
  installCommands[platform] ?? "install tmux with your system's package manager";
