import { dirname } from "node:path";
import { createAgentReader } from "./agents.ts";
import { channelFolders } from "./channel.ts";
import type { Screen } from "./claude-screen.ts";
import { decideTurn, isWholeTurn, parseTranscriptLine, type TranscriptEvent, type Turn } from "./claude-transcript.ts";
import { type Target, trackedTarget } from "./driver.ts";
import type { Checkout } from "./git.ts";
import { present } from "./json.ts";
import { awayNote, type Entry, isNameGiven, nameOf } from "./monitor-roster.ts";
import { createObserver, quietGateMs, type TurnReader } from "./observe.ts";
import { createLoadReader } from "./process.ts";
import { type Agent, addEvents, createWork, kindOfSession, type LiveSession, unknownFormat, type Work } from "./session.ts";
import type { Verdict } from "./status.ts";
import { isPast, type Sys } from "./sys.ts";
import { createTail, type LineBuffer, readEnds, type Tail } from "./tail.ts";
import type { Place } from "./terminal-row.ts";
import type { Pane } from "./tmux.ts";
import { readSubject, subjectOfEnds, type TranscriptFacts } from "./transcript-facts.ts";

/** What a growing transcript tells; a look reads the bytes that are new and no others. */
interface Follower extends TurnReader {
  turn: Turn | undefined;
  /** From where reading began: a long transcript is read from its end. */
  work: Work;
  /** Titles and prompts; both ends are read when they are first asked for. */
  subject(): TranscriptFacts;
  /** Lines were read and none was of a known form. */
  isUnknownFormat: boolean;
  read(): boolean;
}

const knownLine = /"type":\s?"/;

/** `buffer` is only used during a read; `firstBytes` of the end are read at first, and more where a turn is longer. */
export function createFollower(sys: Pick<Sys, "identify" | "openFile">, path: string, buffer: LineBuffer, firstBytes: number): Follower {
  let tail: Tail | undefined;
  let events: TranscriptEvent[] = [];
  let open = new Map<string, string>();
  let [lines, known] = [0, 0];
  let subject: TranscriptFacts | undefined;

  const reset = () => {
    [events, open, lines, known] = [[], new Map(), 0, 0];
    follower.work = createWork();
    follower.turn = undefined;
    subject = undefined;
  };
  const takeLines = (bytes: Buffer) => {
    if (subject !== undefined) subject = readSubject(bytes, subject);
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(10, from);
      if (end < 0) break;
      if (end > from) takeLine(bytes.toString("utf8", from, end));
      from = end + 1;
    }
    forgetWords(events);
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
    subject() {
      subject ??= subjectOfEnds(readEnds(sys, path, buffer));
      return subject;
    },
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

/** More prompts than may stand in a queue for the turn. */
const promptsKept = 8;

/**
 * What earlier messages of a conversation said, and what their calls were given, takes megabytes of a list of sessions, and no verdict
 * rests on it: each message begins anew.
 */
function forgetWords(events: TranscriptEvent[]): void {
  const newest = events.findLast((event) => event.kind === "text" || event.kind === "tool");
  const messageId = newest !== undefined && "messageId" in newest ? newest.messageId : undefined;
  let prompts = 0;
  for (let index = events.length - 1; index >= 0; index--) {
    const event = events[index];
    if (event?.kind === "prompt" && ++prompts > promptsKept && event.text !== "") events[index] = { ...event, text: "" };
    if (event?.kind === "text" && event.messageId !== messageId && event.text !== "") events[index] = { ...event, text: "" };
    if (event?.kind === "tool" && event.messageId !== messageId && event.toolUse.input !== noInput)
      events[index] = { ...event, toolUse: { ...event.toolUse, input: noInput } };
  }
}

const noInput = {};
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
  /** Where it sits, which never changes; undefined until somebody looked for it. */
  place: Place | undefined;
  /** The screen has to be read before the next verdict. */
  needsCapture: boolean;
  take(entry: Entry): Promise<void>;
  show(screen: Screen | undefined): void;
  /** The last look found something new in the transcript. */
  hasGrown(): boolean;
  readLoad: ReturnType<typeof createLoadReader>;
  /** What its transcript says of itself. */
  subject(): TranscriptFacts | undefined;
  /** The transcript that is followed. */
  transcript(): string | undefined;
  /** Folders in which a change tells of this session. */
  folders(): string[];
  describe(): { session: LiveSession; isSettled: boolean };
}

const searchEveryMs = 5000;
const restMs = 5000;
const screenMaxAgeMs = 5000;

/** What all trackers use together. */
export interface Shared {
  /** Only used during a read. */
  lines: LineBuffer;
  checkout(cwd: string): Checkout | undefined;
  bootedAt(): number | undefined;
  /** So much of a transcript's end is read at first. */
  historyBytes: number;
}

export function createTracker(sys: Sys, first: Entry, shared: Shared): Tracker {
  const readAgents = createAgentReader(sys);
  let follower: Follower | undefined;
  let target: Target | undefined;
  let polledAt = Number.NEGATIVE_INFINITY;
  let found: Agent[] = [];
  const openTranscript = (path: string): Follower => {
    follower = createFollower(sys, path, shared.lines, shared.historyBytes);
    return follower;
  };
  const observer = createObserver(sys, { openTranscript, searchEveryMs, screenMaxAgeMs });

  const tracker: Tracker = {
    entry: first,
    pane: undefined,
    place: undefined,
    needsCapture: false,
    async take(entry) {
      if (entry.driven !== tracker.entry.driven || target === undefined)
        target = entry.driven === undefined ? undefined : trackedTarget(sys, entry.driven);
      const isQuiet = isAtRest(sys, entry, tracker.entry) && !isPast(sys, polledAt, restMs);
      tracker.entry = entry;
      const { isAlive, file: session, driven, profile } = entry;
      const startedAt = session?.startedAt ?? entry.startedAt ?? (driven?.created ?? 0) * 1000;
      const seen = { isAlive, startedAt, ...present({ session, driven, configDir: profile?.dir, channel: target?.channel }) };
      await observer.take(seen, isQuiet);
      tracker.needsCapture = !isQuiet && entry.where === undefined && observer.wantsScreen();
      if (isAlive === false || isQuiet) return;
      polledAt = sys.now();
      const path = observer.transcript();
      if (path === undefined) follower = undefined;
      found = path === undefined ? [] : readAgents(path).map(toAgent);
    },
    show: observer.show,
    hasGrown: observer.hasGrown,
    readLoad: createLoadReader(sys, shared.bootedAt),
    subject: () => follower?.subject(),
    transcript: observer.transcript,
    folders() {
      const path = observer.transcript();
      const own = path === undefined ? [] : [dirname(path)];
      return target === undefined || tracker.entry.isAlive !== true ? own : [...own, ...channelFolders(target.channel)];
    },
    describe() {
      const { verdict, since, isSettled } = observer.judge({ hasPane: tracker.pane !== undefined, gateMs: quietGateMs });
      return { session: compose(verdict, since), isSettled };
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
      name: nameOf(tracker.entry),
      isNameGiven: isNameGiven(tracker.entry) ? true : undefined,
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
      isBelowTmux: tracker.entry.isBelowTmux,
      terminal: tracker.place,
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
const isAtRest = (sys: Sys, { file }: Entry, before: Entry): boolean =>
  file !== undefined && file === before.file && file.status === "idle" && isPast(sys, file.statusUpdatedAt ?? sys.now(), restMs);

function describeUnknown(entry: Entry, follower: Follower | undefined): string | undefined {
  const { file } = entry;
  if (entry.isAlive === false) return "its process ended without removing its session file";
  const away = awayNote(entry);
  if (away !== undefined) return away;
  if (file === undefined && entry.driven === undefined)
    return "has no session file in a known profile: it starts, or its profile is unknown";
  if (file?.status === "other") return "reports a status that this version does not know";
  return follower?.isUnknownFormat === true ? unknownFormat : undefined;
}

/** Without the keys whose value is undefined. */
function defined(session: { [K in keyof LiveSession]: LiveSession[K] | undefined }): LiveSession {
  const kept: Record<string, unknown> = {};
  // As each look does for each session: a list of pairs would cost more than what is in them.
  for (const key in session) {
    const value = session[key as keyof LiveSession];
    if (value !== undefined) kept[key] = value;
  }
  return kept as unknown as LiveSession;
}

/** What a list shows of one that says nothing of itself. */
const toAgent = (agent: ReturnType<ReturnType<typeof createAgentReader>>[number]): Agent => ({
  ...agent,
  type: agent.type ?? "agent",
  description: agent.description ?? "",
});
