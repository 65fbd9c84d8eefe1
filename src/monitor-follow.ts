import { join } from "node:path";
import { toSignals } from "./channel.ts";
import type { Screen } from "./claude-screen.ts";
import { decideTurn, isWholeTurn, parseTranscriptLine, type TranscriptEvent, type Turn } from "./claude-transcript.ts";
import { isSettled, needsScreen, settleMs, type Target, trackedTarget } from "./driver.ts";
import type { Checkout } from "./git.ts";
import { present } from "./json.ts";
import type { Entry } from "./monitor-roster.ts";
import { findTranscript, transcriptPath } from "./paths.ts";
import { type Agent, addEvents, createWork, kindOfSession, type LiveSession, unknownFormat, type Work } from "./session.ts";
import { decideStatus, type HookSignals, type Signals, type Verdict } from "./status.ts";
import type { Sys } from "./sys.ts";
import { createTail, type LineBuffer, type Tail } from "./tail.ts";
import type { Pane } from "./tmux.ts";

/** Reads a session's sub-agents; those that have finished are not read again. */
export interface AgentReader {
  read(transcriptPath: string): Agent[];
}

export function createAgentReader(sys: Sys): AgentReader {
  let dir = "";
  let changedAt: number | undefined;
  let names: string[] = [];
  const finished = new Map<string, Agent>();
  return {
    read(transcriptPath) {
      const current = join(transcriptPath.replace(/\.jsonl$/, ""), "subagents");
      if (current !== dir) {
        [dir, changedAt, names] = [current, undefined, []];
        finished.clear();
      }
      const modifiedAt = sys.modifiedAt(dir);
      if (modifiedAt === undefined) return [];
      if (modifiedAt !== changedAt) {
        changedAt = modifiedAt;
        names = sys.list(dir).filter((name) => /^agent-.+\.meta\.json$/.test(name));
      }
      return names.flatMap((name) => {
        const known = finished.get(name);
        if (known !== undefined) return known;
        const agent = parseAgent(dir, name, sys.readText(join(dir, name)));
        if (agent !== undefined && !agent.isRunning) finished.set(name, agent);
        return agent ?? [];
      });
    },
  };
}

function parseAgent(dir: string, name: string, text: string | undefined): Agent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    // Being written: the next look brings it whole.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { agentType, description, model, finished } = value as Record<string, unknown>;
  const id = name.slice("agent-".length, -".meta.json".length);
  return {
    id,
    type: typeof agentType === "string" ? agentType : "agent",
    description: typeof description === "string" ? description : "",
    ...(typeof model === "string" ? { model } : {}),
    isRunning: finished !== true,
    transcript: join(dir, `agent-${id}.jsonl`),
  };
}

/** What a growing transcript tells; a look reads the bytes that are new and no others. */
export interface Follower {
  path: string;
  /** Undefined while there is no file. */
  turn: Turn | undefined;
  /** From where reading began: a long transcript is read from its end. */
  work: Work;
  /** Lines were read and none was of a known form. */
  isUnknownFormat: boolean;
  /** True when something new was read. */
  read(): boolean;
}

const knownLine = /"type":\s?"/;

/** `buffer` is only used during a read; `firstBytes` of the end are read at first, and more where a turn is longer. */
export function createFollower(sys: Pick<Sys, "identify" | "openFile">, path: string, buffer: LineBuffer, firstBytes: number): Follower {
  let tail: Tail | undefined;
  let events: TranscriptEvent[] = [];
  let open = new Map<string, string>();
  let [lines, known] = [0, 0];

  const reset = () => {
    [events, open, lines, known] = [[], new Map(), 0, 0];
    follower.work = createWork();
    follower.turn = undefined;
  };
  const takeLines = (bytes: Buffer) => {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(10, from);
      if (end < 0) break;
      if (end > from) takeLine(bytes.toString("utf8", from, end));
      from = end + 1;
    }
    events = trimEvents(events);
  };
  const takeLine = (line: string) => {
    lines++;
    if (knownLine.test(line)) known++;
    const found = parseTranscriptLine(line);
    events.push(...found);
    addEvents(follower.work, open, found);
  };
  const poll = (from: Tail) => from.poll({ onLines: takeLines, onRestart: reset });
  /** From the end back, as far as the newest turn reaches. A line that is cut there is no line. */
  const readFirst = (size: number) => {
    for (let length = firstBytes; ; length *= 4) {
      const startAt = Math.max(0, size - length);
      reset();
      tail = createTail(sys, path, buffer, startAt);
      poll(tail);
      if (startAt === 0 || isWholeTurn(events)) return;
    }
  };
  const follower: Follower = {
    path,
    turn: undefined,
    work: createWork(),
    isUnknownFormat: false,
    read() {
      if (tail === undefined) {
        const file = sys.identify(path);
        if (file === undefined) return false;
        readFirst(file.size);
      } else {
        const growth = poll(tail);
        if (growth === "same" || growth === "gone") return false;
      }
      follower.turn = decideTurn(events);
      follower.isUnknownFormat = lines > 0 && known === 0;
      return true;
    },
  };
  return follower;
}

const maxEvents = 256;

/** The newest prompt and the newest messages: what the verdict on the newest turn rests on. */
function trimEvents(events: TranscriptEvent[]): TranscriptEvent[] {
  if (events.length <= maxEvents) return events;
  const prompt = events.findLastIndex((event) => event.kind === "prompt");
  const messages = new Set<string>();
  let from = events.length;
  while (from > 0 && (messages.size < 3 || events.length - from < maxEvents / 2)) {
    const event = events[--from];
    if (event?.kind === "text" || event?.kind === "tool") messages.add(event.messageId);
    if (events.length - from >= maxEvents * 8) break;
  }
  return prompt >= 0 && prompt < from ? [events[prompt] as TranscriptEvent, ...events.slice(from)] : events.slice(from);
}

/** What is remembered of one session between looks. */
export interface Tracker {
  entry: Entry;
  /** Where its screen can be read; undefined until somebody looked for it. */
  pane: Pane | undefined;
  /** The screen has to be read before the next verdict. */
  needsCapture: boolean;
  take(entry: Entry): Promise<void>;
  show(screen: Screen | undefined): void;
  /** The last look found something new in the transcript. */
  hasGrown(): boolean;
  /** The transcript that is followed. */
  transcript(): string | undefined;
  /** False while a signal is known to be on its way; what was last known for certain is shown till then. */
  describe(): { session: LiveSession; isSettled: boolean };
}

const lookupEveryMs = 5000;
/** The clock of folders is coarse: two changes at once look like one. */
const hooksEveryMs = 1000;
const restMs = 5000;
const recaptureMs = 5000;
/** So long an unpainted gate of an unknown kind may stay unsaid. */
const quietGateMs = 400;

/** What all trackers use together. */
export interface Shared {
  /** Only used during a read. */
  lines: LineBuffer;
  checkout(cwd: string): Checkout | undefined;
  /** So much of a transcript's end is read at first. */
  historyBytes: number;
}

export function createTracker(sys: Sys, first: Entry, shared: Shared): Tracker {
  const agents = createAgentReader(sys);
  let follower: Follower | undefined;
  let target: Target | undefined;
  let hooks: { key: string; status: string; at: number; askedAt: number; signals: HookSignals } | undefined;
  let screen: { of: string; at: number; screen: Screen | undefined } | undefined;
  let grew = false;
  let polledAt = Number.NEGATIVE_INFINITY;
  let found: Agent[] = [];
  let lookedUpAt = Number.NEGATIVE_INFINITY;
  let last: { verdict: Verdict; since: number; key: string } | undefined;

  const screenKey = () => `${tracker.entry.file?.status}:${tracker.entry.file?.statusUpdatedAt}:${tracker.entry.file?.sessionId}`;
  const followTranscript = () => {
    const { file, driven, profile } = tracker.entry;
    const configDir = profile?.dir ?? "";
    const id = file?.sessionId ?? driven?.session_id;
    if (id === undefined || profile === undefined) return;
    if (follower === undefined || !follower.path.endsWith(`${id}.jsonl`)) {
      follower = undefined;
      const direct = transcriptPath(configDir, file?.cwd ?? driven?.cwd ?? "", id);
      const isThere = sys.modifiedAt(direct) !== undefined;
      const isDue = sys.now() - lookedUpAt >= lookupEveryMs;
      if (!isThere && isDue) lookedUpAt = sys.now();
      const path = isThere ? direct : isDue ? findTranscript(sys, { configDir, ...(driven ? { driven } : {}) }, file) : undefined;
      if (path !== undefined) follower = createFollower(sys, path, shared.lines, shared.historyBytes);
    }
    grew = follower?.read() ?? false;
    found = follower === undefined ? [] : agents.read(follower.path);
  };
  const readHooks = async () => {
    const channel = target?.channel;
    if (channel === undefined) return;
    const status = `${tracker.entry.file?.status} ${tracker.entry.file?.statusUpdatedAt}`;
    // A hook only matters around a change of the status; a session at rest is asked now and then.
    const isAsked = tracker.entry.file?.status === "idle" && hooks?.status === status && hooks.signals.gate === undefined;
    if (isAsked && hooks !== undefined && sys.now() - hooks.askedAt < restMs) return;
    const key = `${sys.identify(join(channel.dir, "events.jsonl"))?.size} ${sys.modifiedAt(join(channel.dir, "gates"))}`;
    // A gate whose hook has died keeps its file: as long as one is held, ask again.
    if (hooks?.key === key && hooks.signals.gate === undefined && sys.now() - hooks.at < hooksEveryMs) {
      Object.assign(hooks, { status, askedAt: sys.now() });
      return;
    }
    hooks = { key, status, at: sys.now(), askedAt: sys.now(), signals: toSignals(await channel.readEvents(), await channel.readGates()) };
  };
  const signals = (): Signals => {
    const { entry } = tracker;
    const current = screen !== undefined && screen.of === screenKey() ? screen.screen : undefined;
    return {
      now: sys.now(),
      isAlive: entry.isAlive !== false,
      startedAt: entry.file?.startedAt ?? entry.startedAt ?? (entry.driven?.created ?? 0) * 1000,
      ...present({ session: entry.file, turn: follower?.turn }),
      ...(hooks === undefined ? {} : { hooks: hooks.signals }),
      ...present({ screen: current }),
    };
  };
  const tracker: Tracker = {
    entry: first,
    pane: undefined,
    needsCapture: false,
    async take(entry) {
      if (entry.driven !== tracker.entry.driven || target === undefined) {
        target = entry.driven === undefined ? undefined : trackedTarget(sys, entry.driven);
      }
      const isQuiet = isAtRest(entry, tracker.entry, sys.now()) && sys.now() - polledAt < restMs;
      tracker.entry = entry;
      grew = false;
      if (isQuiet) tracker.needsCapture = false;
      if (entry.isAlive === false || isQuiet) return;
      polledAt = sys.now();
      followTranscript();
      await readHooks();
      const isStale = screen === undefined || screen.of !== screenKey() || sys.now() - screen.at >= recaptureMs;
      const isYoung = sys.now() - (entry.file?.statusUpdatedAt ?? 0) < settleMs;
      const isUnpainted = isYoung && screen?.screen?.gate === undefined && entry.file?.status === "waiting";
      tracker.needsCapture = entry.where === undefined && needsScreen(entry.file) && (isStale || isUnpainted);
    },
    show(current) {
      screen = { of: screenKey(), at: sys.now(), screen: current };
    },
    hasGrown: () => grew,
    transcript: () => follower?.path,
    describe() {
      const now = signals();
      const isReady = entryIsFixed(tracker.entry) || isSaid(now, tracker.pane !== undefined);
      const verdict =
        isReady || last === undefined || isOverdue(now) ? decide(tracker.entry, now) : aged(last.verdict, now.now - last.since);
      const key = `${verdict.status} ${tracker.entry.file?.statusUpdatedAt ?? 0}`;
      // A source without a time of its own tells the moment of reading: the first reading counts.
      if (last?.key !== key || verdict.age_ms > 0) last = { verdict, key, since: now.now - verdict.age_ms };
      else last = { ...last, verdict };
      return { session: compose(last.verdict, last.since), isSettled: isReady };
    },
  };
  const compose = (verdict: Verdict, since: number): LiveSession => {
    const { file, driven, profile, where, key, pid } = tracker.entry;
    const cwd = file?.cwd ?? driven?.cwd ?? tracker.entry.cwd ?? "";
    const checkout = where === undefined ? shared.checkout(cwd) : undefined;
    const sessionId = file?.sessionId ?? driven?.session_id;
    const note = describeUnknown(tracker.entry, follower);
    return defined({
      key,
      name: driven?.name ?? file?.name ?? sessionId?.slice(0, 8) ?? `pid ${pid}`,
      verdict,
      since,
      cwd,
      model: follower?.turn?.model,
      sessionId,
      pid,
      startedAt: file?.startedAt ?? tracker.entry.startedAt,
      kind: kindOfSession(file ?? {}),
      entrypoint: file?.entrypoint,
      version: file?.version,
      driver: driven?.name,
      profile: profile?.name,
      configDir: profile?.dir,
      where,
      note,
      tmux: file?.tmux,
      worktree: checkout?.root,
      branch: checkout?.branch,
      transcript: follower?.path,
      agents: tracker.entry.isAlive === false ? [] : found,
      work: follower?.work ?? createWork(),
      badges: [],
    });
  };
  return tracker;
}

/** Idle for a while, and its file says nothing new: its transcript stands still. One whose status is published moves that first. */
const isAtRest = ({ file }: Entry, before: Entry, now: number): boolean =>
  file !== undefined && file === before.file && file.status === "idle" && now - (file.statusUpdatedAt ?? now) > restMs;

const entryIsFixed = (entry: Entry): boolean => entry.isAlive !== true;

/** A pid that means nothing here proves neither life nor rest: what the file says is told as hearsay, never as a state. */
function decide(entry: Entry, signals: Signals): Verdict {
  if (entry.isAlive !== undefined) return decideStatus(signals);
  const at = entry.file?.statusUpdatedAt ?? entry.file?.startedAt ?? signals.now;
  return { status: "unknown", source: "session-file", age_ms: Math.max(0, signals.now - at) };
}

const aged = (verdict: Verdict, age_ms: number): Verdict => ({ ...verdict, age_ms: Math.max(0, age_ms) });

/** Without a pane no dialog will be seen: the call, or the kind of waiting, has to do. */
function isSaid(signals: Signals, hasPane: boolean): boolean {
  const { session, screen, turn, hooks, now } = signals;
  if (session?.status !== "waiting" || screen?.gate !== undefined) return isSettled(signals);
  const isTold = hooks?.gate !== undefined || (turn?.pendingTools.length ?? 0) > 0 || session.waitingFor === "dialog open";
  return !hasPane && (isTold || now - (session.statusUpdatedAt ?? 0) >= quietGateMs);
}

const isOverdue = ({ session, now }: Signals): boolean => {
  const limit = session?.status === "waiting" ? quietGateMs : settleMs;
  return now - (session?.statusUpdatedAt ?? 0) >= limit;
};

function describeUnknown(entry: Entry, follower: Follower | undefined): string | undefined {
  const { file, where } = entry;
  const says = file?.status === undefined ? "" : `; its file says ${file.status}`;
  if (entry.isAlive === undefined) return `its process is on another machine or in a container that cannot be seen from here${says}`;
  if (entry.isAlive === false) return "its process ended without removing its session file";
  if (where === "container") return "runs in a container";
  if (where === "other-user") return "belongs to another user";
  if (file === undefined && entry.driven === undefined)
    return "has no session file in a known profile: it starts, or its profile is unknown";
  if (file?.status === "other") return "reports a status that this version does not know";
  return follower?.isUnknownFormat === true ? unknownFormat : undefined;
}

/** Without the keys whose value is undefined. */
const defined = (session: { [K in keyof LiveSession]: LiveSession[K] | undefined }): LiveSession =>
  Object.fromEntries(Object.entries(session).filter(([, value]) => value !== undefined)) as unknown as LiveSession;
