import { join, sep } from "node:path";
import { type CallScan, scanCalls } from "./call-scan.ts";
import { type Call, spellCall } from "./claude-calls.ts";
import { findTranscripts, sessionIdOf, type Transcript } from "./cost-files.ts";
import { parseRecord, present, shape } from "./json.ts";
import type { judge } from "./judge.ts";
import { homeDir, projectRuleFiles } from "./paths.ts";
import type { Decision, Judgement, Rule, SessionFacts, ToolCall } from "./rules.ts";
import { findProjectRoot, type RuleBook, readRuleBook } from "./rules-file.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer } from "./tail.ts";
import { type Case, scanAll, shareOut } from "./threads.ts";

/** The transcript of one thread: a session's own, or that of a sub-agent of it. */
interface ThreadFile extends Transcript {
  sessionId: string;
  /** The session's own, which may have gone. */
  transcript: string;
}

function threadOf(file: Transcript): ThreadFile {
  const sessionId = sessionIdOf(file);
  const [slug = "", ...below] = file.path.slice(file.projectsPath.length + 1).split(sep);
  return { ...file, sessionId, transcript: below.length === 0 ? file.path : join(file.projectsPath, slug, `${sessionId}.jsonl`) };
}

/** A call of a tool that some session has made. */
export interface PastCall extends Call {
  thread: ThreadFile;
  /** The type of the sub-agent that made it; undefined of the main thread. */
  agent?: string;
  /** Where its session began. */
  sessionCwd: string;
}

export interface Past {
  /** Each once, whatever copies of it there are, oldest first. */
  calls: PastCall[];
  transcripts: number;
  /** What looks like a call and cannot be read. */
  unreadable: number;
}

interface PastOptions {
  dirs: readonly { name: string | undefined; dir: string }[];
  /** Epoch ms. */
  sinceAt?: number;
  onProgress(doneBytes: number, allBytes: number): void;
}

/** Every call in all transcripts below these config dirs, those of sub-agents among them. */
export async function readPast(sys: Sys, { dirs, sinceAt = 0, onProgress }: PastOptions): Promise<Past> {
  const threads = findTranscripts(sys, dirs)
    .map(threadOf)
    .filter(({ state }) => state.modifiedAt >= sinceAt);
  const files = threads.map(({ path, state }) => ({ path, size: state.size }));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const read = new Map((await scanAll(sys, "calls", files, (done) => onProgress(done, bytes))).map((scan) => [scan.path, scan]));
  const buffer = createLineBuffer(true);
  const scans = threads.flatMap((thread): [ThreadFile, CallScan][] => {
    const scan = read.get(thread.path) ?? scanCalls(sys, thread.path, buffer);
    return scan === undefined ? [] : [[thread, scan]];
  });
  const cwds = new Map(scans.map(([{ path }, { calls }]) => [path, calls.find(({ cwd }) => cwd !== undefined)?.cwd]));
  const found = new Map<string, PastCall>();
  for (const [thread, { calls }] of scans) {
    const agent = readAgentType(sys, thread);
    for (const call of calls) {
      if ((call.at ?? 0) < sinceAt) continue;
      const sessionCwd = cwds.get(thread.transcript) ?? cwds.get(thread.path) ?? "";
      const past = { ...call, thread, sessionCwd, ...present({ agent: call.isSidechain ? (agent ?? unknownAgent) : agent }) };
      // The API of others may give one id to many: only an equal call is a copy.
      let key = `${call.messageId}\0${call.id}`;
      let known = found.get(key);
      if (known !== undefined && spellOf(known) !== spellOf(past)) {
        key += `\0${spellOf(past)}`;
        known = found.get(key);
      }
      found.set(key, known === undefined ? past : pickCopy(known, past));
    }
  }
  const calls = [...found.values()].sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
  return { calls, transcripts: scans.length, unreadable: scans.reduce((sum, [, scan]) => sum + scan.unreadable, 0) };
}

const spellOf = ({ tool, input }: Call): string => spellCall(tool, input);

/** Before 2.1.x wrote files beside the transcripts of sub-agents, nothing tells their types. */
const unknownAgent = "unknown";

function readAgentType(sys: Sys, { path, transcript }: ThreadFile): string | undefined {
  if (path === transcript) return undefined;
  const { agentType } = shape(parseRecord(sys.readText(path.replace(/\.jsonl$/, ".meta.json"))) ?? {}, { agentType: "string" });
  return agentType ?? unknownAgent;
}

/** The copy that knows more; of equals, that of the session which made the call. */
function pickCopy(a: PastCall, b: PastCall): PastCall {
  const knowledge = (call: PastCall) => Number(call.isOver) + 2 * Number(call.decision !== undefined);
  const isOwn = (call: PastCall) => call.sessionId === call.thread.sessionId;
  if (knowledge(a) !== knowledge(b)) return knowledge(a) > knowledge(b) ? a : b;
  return isOwn(b) && !isOwn(a) ? b : a;
}

/** `refused`: by a person, or by a hook in the place of one. `blocked`: by claude's settings, its mode, or a hook. `open`: nothing tells. */
type Outcome = "ran" | "refused" | "blocked" | "open";

export function outcomeOf({ isOver, isSkipped, decision }: Call): Outcome {
  if (decision?.isAllowed === false) return decision.by === "person" || decision.hook === "PermissionRequest" ? "refused" : "blocked";
  return isOver && isSkipped !== true ? "ran" : "open";
}

/** Somebody was asked, and said yes: only from 2.1.3xx on transcripts tell it. */
export const isApproval = ({ decision }: Call): boolean => decision?.isAllowed === true && decision.by === "person";

export interface JudgedCall extends PastVerdict {
  call: PastCall;
  outcome: Outcome;
}

/** The rules that would have decided about a call of this session today. */
export type BookOf = (call: PastCall) => RuleBook;

/** Most projects have no rules of their own: the user's are read once. */
export async function readBooks(sys: Sys, calls: readonly PastCall[]): Promise<BookOf> {
  const roots = new Map<string, string>();
  const books = new Map<string, RuleBook>();
  const shared = await readRuleBook(sys, "");
  for (const { sessionCwd } of calls) {
    if (roots.has(sessionCwd)) continue;
    const root = findProjectRoot(sys, sessionCwd);
    roots.set(sessionCwd, root);
    if (books.has(root)) continue;
    const hasOwn = root !== "" && projectRuleFiles(root).some((path) => sys.modifiedAt(path) !== undefined);
    books.set(root, hasOwn ? await readRuleBook(sys, root) : shared);
  }
  return ({ sessionCwd }) => books.get(roots.get(sessionCwd) ?? "") ?? shared;
}

/** Judges one call by any rules. */
export type JudgeCall = (rules: readonly Rule[], call: PastCall) => Judgement;

/** Remembers what it has judged, by the list of rules and the spelling of the call. */
export function createJudge(sys: Sys, judgeOne: typeof judge): JudgeCall {
  const toolCall = createToolCall(sys);
  const known = new WeakMap<readonly Rule[], { spell: (call: PastCall) => string; judgements: Map<string, Judgement> }>();
  return (rules, call) => {
    const memory = known.get(rules) ?? { spell: createSpelling(rules), judgements: new Map<string, Judgement>() };
    known.set(rules, memory);
    const key = memory.spell(call);
    const before = memory.judgements.get(key);
    if (before !== undefined) return before;
    const judgement = judgeOne(rules, ...toolCall(call));
    memory.judgements.set(key, judgement);
    return judgement;
  };
}

/** What the rules say of a past call, without the reasons. */
export interface PastVerdict {
  decision: Decision;
  deciders: Rule[];
  /** Where they were asked for: as they stand in the call, none of one that can never be allowed unseen. */
  parts?: string[];
}

export type VerdictOf = (call: PastCall) => PastVerdict;

/** So many calls are worth a thread of their own. */
const worthwhileCalls = 1000;

/** Judges each distinct call once, on all cores, by the rules that hold for it. */
export async function judgeAll(sys: Sys, calls: readonly PastCall[], bookOf: BookOf, hasParts = false): Promise<VerdictOf> {
  const toolCall = createToolCall(sys);
  const sets = new Map<readonly Rule[], { index: number; spell: (call: PastCall) => string; verdicts: Map<string, PastVerdict> }>();
  const cases: Case[] = [];
  const verdictOf = new Map<PastCall, PastVerdict>();
  const byCase: [rules: readonly Rule[], verdict: PastVerdict][] = [];
  for (const call of calls) {
    const { rules } = bookOf(call);
    const set = sets.get(rules) ?? { index: sets.size, spell: createSpelling(rules), verdicts: new Map<string, PastVerdict>() };
    sets.set(rules, set);
    const key = set.spell(call);
    const known = set.verdicts.get(key);
    const verdict: PastVerdict = known ?? { decision: "none", deciders: [] };
    verdictOf.set(call, verdict);
    if (known !== undefined) continue;
    set.verdicts.set(key, verdict);
    const [toJudge, facts] = toolCall(call);
    cases.push({ index: cases.length, rules: set.index, call: toJudge, facts });
    byCase.push([rules, verdict]);
  }
  const context = { sets: [...sets.keys()], hasParts };
  let left: readonly Case[] = cases;
  // What a thread has failed to do is done here.
  for (const worthwhile of [Math.ceil(cases.length / worthwhileCalls), 1]) {
    const done = new Set<number>();
    for (const { index, deciders, ...told } of await shareOut(sys, "judgements", left, { context, worthwhile })) {
      const [rules, verdict] = byCase[index] ?? [];
      if (rules !== undefined && verdict !== undefined)
        Object.assign(verdict, told, { deciders: deciders.flatMap((at) => rules[at] ?? []) });
      done.add(index);
    }
    left = left.filter(({ index }) => !done.has(index));
  }
  return (call) => verdictOf.get(call) ?? { decision: "none", deciders: [] };
}

/** A past call as rules see one. */
function createToolCall(sys: Sys): (call: PastCall) => [call: ToolCall, facts: SessionFacts] {
  const home = homeDir(sys);
  const roots = new Map<string, string>();
  const rootOf = (cwd: string): string => {
    const root = roots.get(cwd) ?? findProjectRoot(sys, cwd);
    roots.set(cwd, root);
    return root;
  };
  return (call) => {
    const { tool, agent } = call;
    const cwd = call.cwd ?? call.sessionCwd;
    const projectDir = rootOf(call.sessionCwd || cwd);
    return [
      { tool, input: judgedInput(call), cwd, home, projectDir, ...present({ agent }) },
      { ...factsOf(call), projectDir },
    ];
  };
}

/** What the session was worth, and how it stood, nobody has kept: conditions on that are not known. */
const factsOf = ({ at = 0, thread, model }: PastCall): SessionFacts => ({
  now: at,
  id: thread.sessionId,
  ...present({ profile: thread.profile, model }),
});

/** Of claude's own tools: how a call is described, and what is read or written. No rule is about that. */
const restFields: ReadonlySet<string> = new Set(["description", "content", "old_string", "new_string", "new_source", "offset", "limit"]);

/** What rules may be about. */
function judgedInput({ tool, input }: Call): Record<string, unknown> {
  if (tool.startsWith("mcp__")) return input;
  return Object.fromEntries(Object.entries(input).filter(([name]) => !restFields.has(name)));
}

/** Equal for calls that no rule can tell apart by their inputs. */
function spellInput(call: Call): string {
  const fields = judgedInput(call);
  const [name, ...more] = Object.keys(fields);
  const value = more.length === 0 && name !== undefined && !call.tool.startsWith("mcp__") ? fields[name] : undefined;
  // No other spelling begins so; most calls have no further field.
  return typeof value === "string" ? `${call.tool}\0${name}\0${value}` : spellCall(call.tool, fields);
}

const minuteMs = 60_000;

/** Equal for calls that these rules cannot tell apart. */
function createSpelling(rules: readonly Rule[]): (call: PastCall) => string {
  const has = (condition: keyof Rule["when"]) => rules.some(({ when }) => when[condition] !== undefined);
  const [hasTime, hasModel, hasProfile, hasSession] = [has("time"), has("model"), has("profile"), has("session")];
  return (call) =>
    [
      call.sessionCwd,
      call.cwd,
      call.agent,
      spellInput(call),
      hasTime ? Math.floor((call.at ?? 0) / minuteMs) : "",
      hasModel ? call.model : "",
      hasProfile ? call.thread.profile : "",
      hasSession ? call.thread.sessionId : "",
    ].join("\0");
}

/** What one rule would have done. */
interface RuleTally {
  rule: Rule;
  allow: number;
  ask: number;
  deny: number;
  /** Allowed what was refused, denied what ran. */
  contrary: number;
}

export interface Replay {
  tallies: RuleTally[];
  totals: Record<Judgement["decision"], number>;
  /** Newest first. */
  allowedThatWasRefused: JudgedCall[];
  /** First those that a person has said yes to, then those that ran unasked or by an older claude; newest first. */
  deniedThatRan: JudgedCall[];
}

interface ReplayOptions {
  /** All that there are: one that decides nothing is told too. */
  rules: readonly Rule[];
  verdictOf: VerdictOf;
  /** Only calls that a rule of this name decides. */
  only?: string;
}

export function replay(calls: readonly PastCall[], { rules, verdictOf, only }: ReplayOptions): Replay {
  const isWanted = ({ name }: Rule) => only === undefined || name === only;
  const tallies = new Map(rules.filter(isWanted).map((rule) => [keyOf(rule), { rule, allow: 0, ask: 0, deny: 0, contrary: 0 }]));
  const found: Replay = { tallies: [], totals: { allow: 0, ask: 0, deny: 0, none: 0 }, allowedThatWasRefused: [], deniedThatRan: [] };
  for (const call of calls) {
    const verdict = verdictOf(call);
    const outcome = outcomeOf(call);
    const { decision } = verdict;
    const deciders = verdict.deciders.filter(isWanted);
    if (only !== undefined && deciders.length === 0) continue;
    found.totals[decision]++;
    const isContrary = (decision === "allow" && outcome === "refused") || (decision === "deny" && outcome === "ran");
    if (isContrary) (decision === "allow" ? found.allowedThatWasRefused : found.deniedThatRan).push({ ...verdict, call, outcome });
    if (decision === "none") continue;
    for (const rule of deciders) {
      const tally = tallies.get(keyOf(rule));
      if (tally === undefined) continue;
      tally[decision]++;
      if (isContrary) tally.contrary++;
    }
  }
  found.allowedThatWasRefused.reverse();
  found.deniedThatRan.reverse().sort((a, b) => Number(isApproval(b.call)) - Number(isApproval(a.call)));
  return { ...found, tallies: [...tallies.values()] };
}

/** Books of several projects hold the user's rules, each as its own. */
const keyOf = ({ at, name }: Rule): string => JSON.stringify([at.path, at.line, name]);

/** What decides about calls in any of these, each once, and what is wrong with them. */
export function rulesOfBooks(books: readonly RuleBook[]): { rules: Rule[]; problems: RuleBook["problems"] } {
  const all = books.flatMap(({ rules }) => rules).filter(({ action }) => action === "allow" || action === "ask" || action === "deny");
  const problems = books.flatMap((book) => book.problems);
  return {
    rules: [...new Map(all.map((rule) => [keyOf(rule), rule])).values()],
    problems: [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()],
  };
}
