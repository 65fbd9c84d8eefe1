import { join } from "node:path";
import { type ChannelEvent, gatesDir, nameCalls, toSignals } from "./channel.ts";
import type { Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { readNewestTurn, type Turn } from "./claude-transcript.ts";
import type { Driven } from "./driven.ts";
import { type Address, type Driver, isPaneOf, isRecorded, trackedTarget } from "./driver.ts";
import { needsAgentCalls, openCalls } from "./gates.ts";
import { present } from "./json.ts";
import { findTranscript } from "./paths.ts";
import { createLoadReader, type ProcessStart, readProcess, readProcesses } from "./process.ts";
import { readSessionOf } from "./session-file.ts";
import {
  decideStatus,
  gateSignals,
  type HookSignals,
  isGateUntold,
  isPaneUnsettled,
  isTranscriptBehind,
  isTranscriptLate,
  mayBeRetrying,
  type Signals,
  type Verdict,
} from "./status.ts";
import { isPast, type Sys, until } from "./sys.ts";
import { coarseMs, stateOf } from "./sys-files.ts";
import { createAgentCallReader } from "./thread-calls.ts";
import { type Ask, createAsk, createTmux, isTmux, type Keyboard, type PaneState, type Tmux } from "./tmux.ts";

/** What others have read of a session: who it is, and what its own file says. */
interface Seen extends Pick<Partial<Address>, "configDir" | "driven" | "channel"> {
  /** Undefined where that cannot be known from here. */
  isAlive: boolean | undefined;
  /** Epoch ms. */
  startedAt?: number;
  session?: SessionFile;
}

/** The newest turn of one transcript. */
export interface TurnReader {
  readonly path: string;
  /** Undefined while there is no file. */
  readonly turn: Turn | undefined;
  /** True when something new was read. */
  read(): boolean | Promise<boolean>;
}

interface ObserverOptions {
  /** How transcripts are read; by default the end of one, again when it has changed. */
  openTranscript?: (path: string) => TurnReader;
  /** A transcript that is not where its folder says is searched for this often. */
  searchEveryMs?: number;
  /** A screen is read again after this time. */
  screenMaxAgeMs?: number;
}

/** What a reader of verdicts can do with. */
export interface Patience {
  /** False where no dialog will ever be seen: the call, or the kind of waiting, has to do. */
  hasPane?: boolean;
  /** A gate that its hook has told need not be painted: its options are missing then. */
  isHeldEnough?: boolean;
  /** So long after a gate came up the state before it is shown, if nothing tells yet what it asks. */
  gateMs?: number;
}

interface Judgement {
  /** What was last known for certain, while a signal is known to be on its way. */
  verdict: Verdict;
  /** Epoch ms at which the state began, as far as its source tells. */
  since: number;
  /** Nothing that is known to come is outstanding, or the time for it is over. */
  isSettled: boolean;
  /** The signals have never agreed: the verdict is the best there is. */
  isProvisional: boolean;
}

/** One session, looked at once or again and again: each look reads what is new. */
interface Observer {
  /** `isAtRest`: what is known of it stands, and nothing is read. */
  take(seen: Seen, isAtRest?: boolean): Promise<void>;
  /** The screen has to be read before the next verdict. */
  wantsScreen(): boolean;
  /** The verdict rests on it: without a pane there is no session. */
  needsScreen(): boolean;
  show(screen: Screen | undefined): void;
  signals(): Signals;
  judge(patience?: Patience): Judgement;
  /** The transcript that is followed. */
  transcript(): string | undefined;
  /** The last look found something new in the transcript. */
  hasGrown(): boolean;
}

/** Claude paints a dialog up to 0.5 s after its status says `waiting`, and writes a transcript line up to 0.1 s late. */
export const settleMs = 1500;
/** Without a status nothing but transcript and screen can agree, and a busy machine writes, paints and starts hooks late. */
const slowSettleMs = 4000;
export const settleStepMs = 40;
/** So long an unpainted gate of an unknown kind may stay unsaid where no pane is. */
export const quietGateMs = 400;

/** Claude counts the seconds to its next try. */
const retryAgeMs = 1000;

export function createObserver(sys: Sys, options: ObserverOptions = {}): Observer {
  const { openTranscript = (path: string) => createTurnReader(sys, path), searchEveryMs = 0, screenMaxAgeMs = settleStepMs } = options;
  let seen: Seen = { isAlive: false };
  let turns: TurnReader | undefined;
  let grew = false;
  let searchedAt = Number.NEGATIVE_INFINITY;
  let hooks: { key: string; isFresh: boolean; signals: HookSignals; events: ChannelEvent[] } | undefined;
  let screen: { of: string; at: number; screen: Screen | undefined } | undefined;
  let last: { verdict: Verdict; since: number; key: string } | undefined;
  let unsettledSince: number | undefined;

  const screenKey = () => keyOfScreen(seen.session, hooks?.signals);
  const followTranscript = async () => {
    const { session, driven, configDir } = seen;
    const id = session?.sessionId ?? driven?.session_id;
    if (id === undefined || configDir === undefined) return;
    if (turns === undefined || !turns.path.endsWith(`${id}.jsonl`)) {
      const isDue = isPast(sys, searchedAt, searchEveryMs);
      const path = findTranscript(sys, { configDir, ...present({ driven }) }, session, isDue);
      if (path === undefined && isDue) searchedAt = sys.now();
      turns = path === undefined ? undefined : openTranscript(path);
    }
    grew = (await turns?.read()) ?? false;
  };
  const readHooks = async () => {
    const { channel, session } = seen;
    if (channel === undefined) {
      hooks = undefined;
      return;
    }
    const gatesAt = sys.modifiedAt(gatesDir(channel.dir));
    const told = sys.identify(join(channel.dir, "events.jsonl"))?.size;
    const key = `${needsScreen(session)} ${told} ${gatesAt}`;
    // A gate whose hook has died keeps its file: as long as one is held, ask again.
    if (hooks?.key === key && !hooks.isFresh && !isHolding(hooks.signals)) return;
    const isFresh = !isPast(sys, gatesAt ?? 0, coarseMs + 1);
    const events = told === undefined ? [] : await channel.readEvents();
    hooks = { key, isFresh, events, signals: toSignals(events, await channel.readGates()) };
  };
  const readSeen = (): Signals => ({
    now: sys.now(),
    isAlive: seen.isAlive !== false,
    ...present({
      startedAt: seen.startedAt,
      session: seen.session,
      turn: turns?.turn,
      hooks: hooks?.signals,
      ...(screen?.of === screenKey() ? { screen: screen.screen, screenAt: screen.at } : {}),
      cpuPercent: cpu.percent(),
    }),
  });
  const cpu = createCpuReader(sys);
  const readAgentCalls = createAgentCallReader(sys);
  const signals = (): Signals => withCalls(withCurrentScreen(readSeen()), turns?.path, readAgentCalls, hooks?.events);
  return {
    async take(next, isAtRest = false) {
      seen = next;
      grew = false;
      if (seen.isAlive === false || isAtRest) return;
      await followTranscript();
      await readHooks();
      await cpu.read(seen.session, screen?.screen !== undefined);
    },
    wantsScreen() {
      if (seen.isAlive === false || !(needsScreen(seen.session) || mayBeRetrying(readSeen()))) return false;
      if (screen === undefined || screen.of !== screenKey()) return true;
      return isPast(sys, screen.at, maxAgeOf(screen.screen, seen.session, sys.now(), screenMaxAgeMs));
    },
    needsScreen: () => needsScreen(seen.session),
    show(current) {
      screen = { of: screenKey(), at: sys.now(), screen: current };
    },
    signals,
    judge(patience = {}) {
      const current = signals();
      const isReady = seen.isAlive !== true || isSettled(current, patience);
      unsettledSince = isReady ? undefined : (unsettledSince ?? current.now);
      const { isGivenUp, isSaid } = judgeWait(current, unsettledSince, patience.gateMs);
      const isFirst = last === undefined;
      if (last !== undefined && !isReady && !isSaid) {
        const verdict = { ...last.verdict, age_ms: Math.max(0, current.now - last.since) };
        last = { ...last, verdict };
      } else {
        const verdict = decide(seen, current);
        const key = `${verdict.status} ${seen.session?.statusUpdatedAt ?? 0}`;
        // A source without a time of its own tells the moment of reading: the first reading counts.
        const isNew = last?.key !== key || verdict.age_ms > 0;
        last = { verdict, key, since: isNew ? current.now - verdict.age_ms : (last?.since ?? current.now) };
      }
      const { verdict, since } = last;
      if (isFirst && !isReady && !isGivenUp) last = undefined;
      return { verdict, since, isSettled: isReady || isGivenUp, isProvisional: last === undefined };
    },
    transcript: () => turns?.path,
    hasGrown: () => grew,
  };
}

/** Another state, another conversation or another request that is held is another screen. */
const keyOfScreen = (session: SessionFile | undefined, hooks: HookSignals | undefined): string =>
  `${session?.status} ${session?.statusUpdatedAt} ${session?.sessionId} ${hooks?.gates?.map(({ request }) => request)}`;

/** The last resort, where neither a status nor a screen tells; undefined elsewhere, and until it was measured often enough. */
function createCpuReader(sys: Sys) {
  const readLoad = createLoadReader(sys);
  let percent: number | undefined;
  return {
    percent: () => percent,
    async read(session: SessionFile | undefined, hasScreen: boolean) {
      const isNeeded = session !== undefined && session.status === undefined && session.version === undefined && !hasScreen;
      const load = isNeeded ? await readLoad(session.pid) : undefined;
      percent = load?.isRecent === true ? load.cpuPercent : undefined;
    },
  };
}

/** The screen is the only source of startup dialogs and of the options of a gate. */
const needsScreen = (session: SessionFile | undefined): boolean =>
  session?.status === undefined || session.status === "waiting" || session.status === "other";

/** Of a session at work the screen says something only while nothing else is said. */
function withCurrentScreen({ screen, screenAt, ...others }: Signals): Signals {
  const counts = needsScreen(others.session) || mayBeRetrying(others);
  return counts ? { ...others, ...present({ screen, screenAt }) } : others;
}

/** So long a screen that was read stands for what is shown. */
function maxAgeOf(screen: Screen | undefined, session: SessionFile | undefined, now: number, usualMs: number): number {
  if (!needsScreen(session)) return Math.max(retryAgeMs, usualMs);
  const isUnpainted = session?.status === "waiting" && screen?.gate === undefined && ageOf(session, now) < settleMs;
  return isUnpainted ? settleStepMs : usualMs;
}

const ageOf = (session: SessionFile | undefined, now: number): number => now - (session?.statusUpdatedAt ?? 0);

/** At a gate: the open calls of the threads, which hold what no hook tells; the gate may be a sub-agent's. */
function withCalls(
  seen: Signals,
  transcript: string | undefined,
  read: ReturnType<typeof createAgentCallReader>,
  events: readonly ChannelEvent[] = [],
): Signals {
  if (!seen.isAlive || !needsScreen(seen.session)) return seen;
  const signals = events.length === 0 ? seen : { ...seen, mainCalls: nameCalls(openCalls(seen.turn), events) };
  if (transcript === undefined || !needsAgentCalls(gateSignals(signals))) return signals;
  return { ...signals, agentCalls: nameCalls(read(transcript), events) };
}

const isHolding = ({ gates = [] }: HookSignals): boolean => gates.length > 0;

/** Nothing that is known to come is outstanding. */
export function isSettled(signals: Signals, { hasPane = true, isHeldEnough = false }: Patience = {}): boolean {
  const { session, screen, turn, hooks, now } = signals;
  if (session?.status === "waiting" && screen?.gate === undefined) {
    const isHeld = hooks !== undefined && isHolding(hooks);
    // Of several the screen alone tells which is up.
    if (isHeldEnough && hooks?.gates?.length === 1) return true;
    if (hasPane) return ageOf(session, now) >= settleMs;
    const isTold = isHeld || (turn?.pendingTools.length ?? 0) > 0 || session.waitingFor === "dialog open";
    return isTold || ageOf(session, now) >= quietGateMs;
  }
  return !isCallLate(signals) && !isTranscriptLate(signals) && !isPaneUnsettled(signals);
}

/** The dialog can be painted before its hook has started, and before the transcript has the call. */
const isCallLate = (signals: Signals): boolean =>
  isGateUntold(signals) && signals.now - (signals.session?.statusUpdatedAt ?? signals.now) < slowSettleMs;

/** `isGivenUp`: what was to come does not. `isSaid`: the state before would be a lie by now. */
function judgeWait(signals: Signals, unsettledSince: number | undefined, gateMs = settleMs) {
  const { session, now } = signals;
  if (unsettledSince === undefined) return { isGivenUp: true, isSaid: true };
  const limitMs = session?.version === undefined || isCallLate(signals) ? slowSettleMs : settleMs;
  // A clock that stands elsewhere must not make it wait for ever.
  const waitedMs = now - Math.min(session?.statusUpdatedAt ?? unsettledSince, unsettledSince);
  return {
    isGivenUp: now - unsettledSince > limitMs,
    isSaid: waitedMs >= (session?.status === "waiting" ? gateMs : limitMs),
  };
}

/** A pid that means nothing here proves neither life nor rest: what the file says is told as hearsay, never as a state. */
function decide({ isAlive, session }: Seen, signals: Signals): Verdict {
  if (isAlive !== undefined) return decideStatus(signals);
  const at = session?.statusUpdatedAt ?? session?.startedAt ?? signals.now;
  return { status: "unknown", source: "session-file", age_ms: Math.max(0, signals.now - at) };
}

/** The end of a transcript, read again when it has changed. */
function createTurnReader(sys: Sys, path: string): TurnReader {
  let state = "";
  let turn: Turn | undefined;
  return {
    path,
    get turn() {
      return turn;
    },
    async read() {
      const file = sys.identify(path);
      const now = stateOf(file);
      if (now === state) return false;
      state = now;
      turn = file === undefined ? undefined : readNewestTurn((bytes) => sys.readTail(path, bytes));
      return true;
    },
  };
}

// --- the sessions of csd -----------------------------------------------------------------------------------------

/** One session that csd looks at. */
export interface Followed {
  target: Address;
  observer: Observer;
}

export const follow = ({ sys }: Driver, target: Address): Followed => ({ target, observer: createObserver(sys) });

/** Looks at these sessions: one question for their processes, one call per tmux server that has screens to read. */
export async function lookAt({ sys }: Driver, followed: readonly Followed[], ask: Ask = askOnce(sys)): Promise<void> {
  const processes = await readProcesses(
    sys,
    followed.flatMap(({ target }) => (target.pid === 0 ? [] : target.pid)),
  );
  for (const { target, observer } of followed) {
    const owner = target.pid === 0 ? await findProcess(sys, target, ask) : processes.get(target.pid);
    if (owner === "unknown") await observer.take({ isAlive: undefined });
    else if (!isRecorded(sys, owner, target.driven)) await observer.take({ isAlive: false });
    else {
      const session = await readSessionOf(sys, target.configDir, owner, target.driven?.session_id);
      const { configDir, driven, channel } = target;
      const startedAt = driven === undefined ? session?.startedAt : driven.created * 1000;
      await observer.take({ isAlive: true, configDir, ...present({ startedAt, session, driven, channel }) });
    }
  }
  const shown = followed.flatMap(({ target, observer }) =>
    target.pane !== undefined && observer.wantsScreen() ? { target, observer, pane: target.pane } : [],
  );
  if (shown.length === 0) return;
  const { parseScreen } = await import("./claude-screen.ts");
  const screens = await captureScreens(
    shown.map(({ target: { keyboard }, pane }) =>
      isTmux(keyboard) ? { socketPath: keyboard.socketPath, paneId: pane } : { keyboard, paneId: pane },
    ),
    shown.some(({ observer }) => observer.needsScreen()) ? ask : (...question) => ask(...question).catch(() => undefined),
  );
  for (const [index, { target, observer }] of shown.entries()) {
    const capture = screens[index];
    if (capture === undefined) observer.show(undefined);
    else if (capture !== "gone" && isPaneOf(capture.pane, target.driven)) observer.show(parseScreen(capture.text));
    else if (observer.needsScreen()) await observer.take({ isAlive: false });
    else observer.show(undefined);
  }
}

/** The file of the older csd knows no pid: tmux does. */
async function findProcess(sys: Sys, { keyboard, pane: known }: Address, ask: Ask): Promise<ProcessStart | "unknown" | undefined> {
  if (known === undefined || !isTmux(keyboard)) return undefined;
  const found = await ask(keyboard.socketPath, async ({ pane: find }) => ({ pane: await find(known) }));
  if (found === undefined) return "unknown";
  return found.pane === undefined || found.pane.isDead ? undefined : readProcess(sys, found.pane.pid);
}

/** For one session alone: without its server nothing can be said. */
const askOnce =
  (sys: Sys): Ask =>
  (socketPath, question) =>
    question(createTmux(sys, socketPath));

interface Capture {
  pane: PaneState;
  text: string;
}

/** A pane of a tmux server, or of another terminal that is asked by itself. */
type Shown = { paneId: string } & ({ socketPath: string | undefined; keyboard?: undefined } | { keyboard: Keyboard });

/** The panes and what stands in them, in the order asked for; undefined where a server does not say. */
export async function captureScreens(panes: readonly Shown[], ask: Ask): Promise<(Capture | "gone" | undefined)[]> {
  const servers = [
    ...Map.groupBy(
      panes.flatMap((pane) => (pane.keyboard === undefined ? pane : [])),
      ({ socketPath }) => socketPath,
    ),
  ];
  const captures = await Promise.all(
    servers.map(async ([socketPath, group]) => {
      const ids = group.map(({ paneId }) => paneId);
      return [socketPath, await ask(socketPath, (tmux) => captureOn(tmux, ids))] as const;
    }),
  );
  const found = new Map(captures);
  return Promise.all(
    panes.map(async (pane) => {
      if (pane.keyboard !== undefined) return (await pane.keyboard.capture(pane.paneId)) ?? "gone";
      const server = found.get(pane.socketPath);
      return server === undefined ? undefined : (server.get(pane.paneId) ?? "gone");
    }),
  );
}

/** One call for one pane, and for a name of the older csd; two for any number of ids. */
async function captureOn(tmux: Tmux, targets: readonly string[]): Promise<Map<string, Capture>> {
  const ids = targets.filter((target) => target.startsWith("%"));
  const found = ids.length > 1 ? await tmux.captureAll(ids) : new Map<string, Capture>();
  for (const target of ids.length > 1 ? targets.filter((name) => !name.startsWith("%")) : targets) {
    const capture = await tmux.capture(target);
    if (capture !== undefined) found.set(target, capture);
  }
  return found;
}

/** Everything known of a session now. The screen is only captured where no cheaper signal settles the state. */
export async function readSignals(driver: Driver, target: Address): Promise<Signals> {
  const followed = follow(driver, target);
  await lookAt(driver, [followed]);
  return followed.observer.signals();
}

/** The verdicts, each once its signals agree: waits out the moments in which a dialog or a line is known to be on its way. */
async function readVerdicts(
  driver: Driver,
  targets: readonly Address[],
  ask?: Ask,
): Promise<{ verdict: Verdict; session: SessionFile | undefined }[]> {
  const all = targets.map((target) => follow(driver, target));
  const verdicts = new Map<Followed, Verdict>();
  for (let open = all; open.length > 0; ) {
    await lookAt(driver, open, ask);
    open = open.filter((one) => {
      const { verdict, isSettled } = one.observer.judge({ hasPane: one.target.pane !== undefined });
      if (isSettled) verdicts.set(one, verdict);
      return !isSettled;
    });
    if (open.length > 0) await driver.sys.sleep(settleStepMs);
  }
  return all.map((one) => ({ verdict: verdicts.get(one) as Verdict, session: one.observer.signals().session }));
}

export const readState = async (driver: Driver, target: Address): Promise<Verdict> =>
  (await readVerdicts(driver, [target]))[0]?.verdict as Verdict;

interface ListedSession {
  driven: Driven;
  verdict: Verdict;
  /** Claude's own file; undefined where there is none. */
  session: SessionFile | undefined;
}

/** All tracked sessions. */
export async function readAll(driver: Driver): Promise<{ sessions: ListedSession[]; broken: string[] }> {
  const { records: tracked, broken } = driver.store.list();
  const verdicts = await readVerdicts(
    driver,
    tracked.map((driven) => trackedTarget(driver.sys, driven)),
    createAsk(driver.sys),
  );
  const sessions = tracked.flatMap((driven, index) => {
    const judged = verdicts[index];
    return judged === undefined ? [] : { driven, ...judged };
  });
  return { sessions, broken };
}

/** Until the transcript holds what the hooks have told; at most a moment. */
export async function settleTranscript(driver: Driver, target: Address): Promise<void> {
  const { sys } = driver;
  const followed = follow(driver, target);
  await until(sys, sys.now() + settleMs, settleStepMs, async () => {
    await lookAt(driver, [followed]);
    return isTranscriptBehind(followed.observer.signals()) ? undefined : true;
  });
}
