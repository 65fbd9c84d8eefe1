import { join, posix, resolve, win32 } from "node:path";
import type { judgeBudgets } from "./budget-spend.ts";
import { isPlanTool } from "./claude-gate.ts";
import { type HookInput, renderGateReply, renderToolReply, takesLeaveEarly } from "./claude-hooks.ts";
import { present } from "./json.ts";
import { checkedRulesDir, csmDir, findTranscript, homeDir, projectRuleFiles, ruleFiles, statuslineDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import type { Conditions, Judgement, Rule, SessionFacts, ToolCall } from "./rules.ts";
import { type RuleBook, readRuleBook } from "./rules-file.ts";
import { isPast, type Sys } from "./sys.ts";

/** The session whose hook this is. */
interface HookSeat {
  configDir: string;
  /** As csd knows it. */
  name?: string;
  /** Where its project's rules lie. */
  projectDir: string;
}

/**
 * What claude is told before a tool runs, and where it would ask; undefined says nothing, and claude does as it would without rules.
 * Denials and questions are given before the tool runs, in every mode; leave too where that answers no more than the dialog would have
 * asked, else at the dialog.
 */
export async function judgeHook(sys: Sys, input: HookInput, seat: HookSeat): Promise<string | undefined> {
  const startedAt = sys.now();
  const { projectDir } = seat;
  const book = await readRuleBook(sys, projectDir);
  if (book.rules.length === 0 && book.problems.length === 0 && book.budgets.length === 0) return undefined;
  const warning = book.problems.length === 0 ? undefined : tellOnce(sys, input.sessionId, book);
  const isBefore = input.event === "PreToolUse";
  const stops = book.rules.filter(({ action }) => action === "deny" || action === "ask");
  // What may be denied only of a session that waits must be asked before leave counts.
  const mayLeave = !isBefore || (takesLeaveEarly(input) && stops.every(({ when }) => when.status === undefined));
  const rules = mayLeave ? book.rules : stops;
  const call = toCall(sys, { tool: input.toolName ?? "", input: input.toolInput ?? {}, cwd: input.cwd ?? sys.cwd, projectDir });
  if (input.agentType !== undefined) call.agent = input.agentType;
  // What cannot be found out is not known: then nothing is allowed by it, and what might be denied is asked.
  const unknown: SessionFacts = { now: startedAt, id: input.sessionId, projectDir };
  const facts = rules.length === 0 ? unknown : await readFacts(sys, input, seat, rules).catch(() => unknown);
  const ruled = await judgeOrAsk(rules, call, facts, isBefore ? guardOf(sys, projectDir) : undefined);
  const isSpending = isBefore && book.budgets.length > 0 && ruled?.decision !== "deny";
  const spending = isSpending ? await judgeSpending(sys, book, call, { ...facts, id: input.sessionId }, seat) : {};
  const judgement = spending.judgement ?? ruled;
  const beside = present({ systemMessage: warning, terminalSequence: spending.sequence });
  const decision = judgement === undefined ? undefined : toReply(judgement, call, { isBefore, mayLeave });
  if (judgement === undefined || decision === undefined) return Object.keys(beside).length === 0 ? undefined : JSON.stringify(beside);
  const noted = {
    ...{ sessionId: input.sessionId, name: facts.name ?? seat.name, configDir: seat.configDir, cwd: call.cwd },
    ...{ tool: call.tool, input: call.input, rule: judgement.rule, decision: decision.is, channel: "hook", reason: decision.reason },
    ms: sys.now() - startedAt,
  };
  const isNoted = await import("./audit.ts")
    .then(({ appendAudit }) => appendAudit(sys, noted))
    .then(
      () => true,
      () => false,
    );
  // What cannot be noted is not allowed; a denial holds all the same.
  if (decision.is === "allow" && !isNoted) return undefined;
  return Object.keys(beside).length === 0 ? decision.text : JSON.stringify({ ...(JSON.parse(decision.text) as object), ...beside });
}

/** Nobody changes unasked what says what he may do. */
const guardOf = (sys: Sys, projectDir: string): Rule => ({
  ...{ name: "files of rules", action: "ask", isProject: false, at: { path: ruleFiles(sys)[0] ?? "", line: 1 } },
  message: "it would change what may run without you",
  when: { tool: ["Edit", "Write"], path: [...ruleFiles(sys), ...projectRuleFiles(projectDir), `${checkedRulesDir(sys)}/**`] },
});

/** The call as `judge` takes it. */
export const toCall = (sys: Sys, { cwd, ...call }: Pick<ToolCall, "tool" | "input" | "cwd" | "projectDir">): ToolCall => ({
  ...call,
  ...{ cwd: sys.realPath(cwd) ?? cwd, home: homeDir(sys), resolve: (path) => followLinks(sys, path) },
  isThere: (path) => sys.realPath(path) !== undefined || sys.readLink(path) !== undefined,
});

const isWriter = (tool: string): boolean => /edit|write/i.test(tool);

const maxLinks = 40;

/** Where a path leads, as far as it exists; undefined where links lead in a circle. */
function followLinks(sys: Sys, path: string, links = 0): string | undefined {
  const place = sys.platform === "win32" ? win32 : posix;
  for (let [dir, rest] = [path, ""]; ; [dir, rest] = [place.dirname(dir), place.join(place.basename(dir), rest)]) {
    const real = sys.realPath(dir);
    if (real !== undefined) {
      const led = place.join(real, rest);
      return led.length > 1 && led.endsWith(place.sep) ? led.slice(0, -1) : led;
    }
    // What is written through a link that leads nowhere appears where it leads.
    const target = sys.readLink(dir);
    if (target !== undefined) {
      const next = place.join(place.resolve(place.dirname(dir), target), rest);
      return links >= maxLinks ? undefined : followLinks(sys, next, links + 1);
    }
    if (place.dirname(dir) === dir) return undefined;
  }
}

/** Cheap to tell, and most commands do not: `rules.toml`, `r'ule's.toml`, `*.toml` and all that is in the folder. */
const mayNameRules = (command: string): boolean => /rules|claude-smart|\.csm/.test(command.replace(/['"\\]/g, ""));

/** A mistake of ours must not let through what a rule might have stopped. */
async function judgeOrAsk(
  rules: readonly Rule[],
  call: ToolCall,
  facts: SessionFacts,
  guard: Rule | undefined,
): Promise<Judgement | undefined> {
  try {
    // Only what changes them for certain: what cannot be read is not asked about for this alone.
    const isNear = call.tool === "Bash" ? mayNameRules(String(call.input.command)) : isWriter(call.tool);
    const isGuarded = guard !== undefined && isNear;
    if (rules.length === 0 && !isGuarded) return undefined;
    const { judge, matches } = await import("./judge.ts");
    const judgement = rules.length === 0 ? undefined : judge(rules, call, facts);
    if (!isGuarded || judgement?.decision === "deny" || !matches(guard, facts, call)) return judgement;
    return { decision: "ask", rule: guard, reason: "", parts: [] };
  } catch {
    const rule = guard === undefined ? {} : { rule: { ...guard, message: "csm could not judge this call" } };
    return { decision: "ask", ...rule, reason: "", parts: [] };
  }
}

/** What a budget that is used up says; one that cannot be read now says nothing. */
async function judgeSpending(
  sys: Sys,
  book: RuleBook,
  call: ToolCall,
  facts: SessionFacts,
  { configDir, name }: HookSeat,
): Promise<Awaited<ReturnType<typeof judgeBudgets>>> {
  try {
    const { judgeBudgets } = await import("./budget-spend.ts");
    const profile = facts.profile ?? (await readProfile(sys, configDir));
    return await judgeBudgets(sys, book, call, { ...facts, ...present({ profile, name: facts.name ?? name }) }, configDir);
  } catch {
    return {};
  }
}

interface Reply {
  is: "allow" | "deny" | "ask";
  reason: string;
  /** For claude. */
  text: string;
}

function toReply(
  { decision, rule, reason }: Judgement,
  { tool, input }: ToolCall,
  { isBefore, mayLeave }: { isBefore: boolean; mayLeave: boolean },
): Reply | undefined {
  const own = rule?.action === decision ? rule.message : undefined;
  const why = printableLine(own ?? (decision === "deny" && rule !== undefined ? `denied by rule ${rule.name}` : reason));
  if (decision === "deny")
    return {
      ...{ is: "deny", reason: why },
      text: isBefore ? renderToolReply("deny", why) : renderGateReply(input, { reply: "deny", message: why }),
    };
  // Where no rule asks, and none may deny, claude knows by itself whether to.
  if (decision === "ask" && isBefore && rule !== undefined) return { is: "ask", reason: why, text: renderToolReply("ask", why) };
  if (decision !== "allow" || !mayLeave || !mayAllow(tool, rule)) return undefined;
  return { is: "allow", reason: why, text: isBefore ? renderToolReply("allow", why) : renderGateReply(input, { reply: "allow" }) };
}

/** Nobody but a person answers a question; a plan is approved by a rule that names it. */
const mayAllow = (tool: string, rule: Rule | undefined): boolean =>
  tool !== "AskUserQuestion" && (!isPlanTool(tool) || rule?.when.tool !== undefined);

// --- what is known of the session ----------------------------------------------------------------------------------

const transcriptBytes = 256 * 1024;

/** Only what these rules ask for is looked up: a hook runs inside claude's turn. */
async function readFacts(sys: Sys, input: HookInput, seat: HookSeat, rules: readonly Rule[]): Promise<SessionFacts> {
  const { sessionId: id, transcriptPath } = input;
  const asked = new Set(rules.flatMap(({ when }) => Object.keys(when)));
  const wants = (...keys: (keyof Conditions)[]) => keys.some((key) => asked.has(key));
  const sample = wants("model", "costAboveUsd", "contextAbovePercent", "usageAbovePercent") ? await readSample(sys, id) : undefined;
  const isMetered =
    (wants("costAboveUsd") && sample?.costUsd === undefined) || (wants("contextAbovePercent") && sample?.contextPercent === undefined);
  const metered = isMetered ? await readMeter(sys, transcriptPath) : undefined;
  const used = Object.values(sample?.windows ?? {}).flatMap(({ usedPercent, resetsAt }) =>
    resetsAt !== undefined && resetsAt <= sys.now() ? [] : [usedPercent],
  );
  return {
    ...{ now: sys.now(), id, projectDir: seat.projectDir },
    status: input.event === "PermissionRequest" ? "blocked" : "working",
    ...present({
      name: wants("session") ? await readName(sys, seat) : seat.name,
      profile: wants("profile") ? await readProfile(sys, seat.configDir) : undefined,
      model: wants("model") ? (sample?.model ?? (await readModel(sys, transcriptPath))) : undefined,
      costUsd: sample?.costUsd ?? metered?.costUsd,
      contextPercent: sample?.contextPercent ?? metered?.contextPercent,
      usagePercent: used.length === 0 ? undefined : Math.max(...used),
      agentCount: wants("countAbove") && transcriptPath !== undefined ? await countAgents(sys, transcriptPath) : undefined,
      hasConflict: wants("hasConflict") ? await readConflict(sys, input, seat) : undefined,
      hasError: wants("hasError") && transcriptPath !== undefined ? await hasFailed(sys, transcriptPath) : undefined,
    }),
  };
}

async function readProfile(sys: Sys, dir: string): Promise<string | undefined> {
  const { profileOfDir, readRegistryOrNone } = await import("./profiles.ts");
  return profileOfDir(sys, readRegistryOrNone(sys), dir)?.name;
}

/** What the status line was told last. */
async function readSample(sys: Sys, sessionId: string) {
  const { parseSample } = await import("./statusline-sample.ts");
  return parseSample(sys.readText(join(statuslineDir(sys), `${sessionId}.json`)) ?? "");
}

async function readMeter(sys: Sys, path: string | undefined): Promise<{ costUsd?: number; contextPercent?: number }> {
  if (path === undefined) return {};
  const reading = (await import("./meter.ts")).createMeter(sys).update(path, sys.now());
  // Where nothing has been answered yet, nothing was spent.
  if (reading === undefined || reading.format === "empty") return { costUsd: 0 };
  if (reading.format !== "ok") return {};
  const { tokens, window } = reading.context ?? {};
  const contextPercent = tokens === undefined || window === undefined ? undefined : Math.min(100, (100 * tokens) / window);
  return { costUsd: reading.totals.costUsd, ...present({ contextPercent }) };
}

async function readModel(sys: Sys, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const { readNewestTurn } = await import("./claude-transcript.ts");
  return readNewestTurn((bytes) => sys.readTail(path, bytes), transcriptBytes)?.model;
}

async function readName(sys: Sys, { configDir: dir, name }: HookSeat): Promise<string | undefined> {
  const [{ readProcess }, { readSessionOf }] = await Promise.all([import("./process.ts"), import("./session-file.ts")]);
  const owner = await readProcess(sys, Number(sys.env.CLAUDE_PID));
  return (owner === undefined ? undefined : (await readSessionOf(sys, dir, owner))?.name) ?? name;
}

async function countAgents(sys: Sys, transcript: string): Promise<number> {
  const files = (await import("./agents.ts")).createAgentFiles(sys)(transcript);
  return files.filter((path) => /[/\\]agent-[^/\\]+\.jsonl$/.test(path)).length;
}

/** Does another live session edit the file that this call would change? By what the end of its transcript tells. */
async function readConflict(sys: Sys, { sessionId, toolInput = {}, cwd = sys.cwd }: HookInput, seat: HookSeat): Promise<boolean> {
  const file = toolInput.file_path ?? toolInput.notebook_path;
  if (typeof file !== "string") return false;
  const path = resolve(cwd, file);
  const [{ profileDirs, readRegistryOrNone }, { readLiveOwners }, { parseCalls }, { readSettings }] = await Promise.all([
    import("./profiles.ts"),
    import("./sessions.ts"),
    import("./claude-calls.ts"),
    import("./settings.ts"),
  ]);
  const dirs = [...profileDirs(sys, readRegistryOrNone(sys)).map(({ dir }) => dir), seat.configDir];
  const conflictMs = readSettings(sys).part("dashboard").conflictMs;
  for (const [id, { file: session, configDir }] of await readLiveOwners(sys, [...new Set(dirs)])) {
    const transcript = id === sessionId ? undefined : findTranscript(sys, { configDir }, { sessionId: id, cwd: session.cwd });
    if (transcript === undefined || isPast(sys, sys.modifiedAt(transcript) ?? 0, conflictMs)) continue;
    const calls = parseCalls(sys.readTail(transcript, transcriptBytes)?.lines ?? []);
    if (calls.some(({ tool, input }) => isWriter(tool) && (input.file_path ?? input.notebook_path) === path)) return true;
  }
  return false;
}

/** The last tool that ran. */
async function hasFailed(sys: Sys, transcript: string): Promise<boolean> {
  const { parseTranscriptLine } = await import("./claude-transcript.ts");
  const events = (sys.readTail(transcript, transcriptBytes)?.lines ?? []).flatMap(parseTranscriptLine);
  const last = events.findLast((event) => event.kind === "result");
  return last?.kind === "result" && last.isError;
}

// --- a file that is broken -----------------------------------------------------------------------------------------

const forgetMs = 30 * 24 * 3_600_000;

/** One line in the terminal of the session, the first time. */
function tellOnce(sys: Sys, sessionId: string, { problems }: RuleBook): string | undefined {
  const [{ path, line, message }, ...others] = problems as [RuleBook["problems"][0], ...RuleBook["problems"]];
  const dir = join(csmDir(sys), "told");
  try {
    if (!sys.createPrivate(join(dir, sessionId), "")) return undefined;
    for (const name of sys.list(dir)) if (isPast(sys, sys.modifiedAt(join(dir, name)) ?? sys.now(), forgetMs)) sys.remove(join(dir, name));
  } catch {
    // It is told each time, then.
  }
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return printableLine(`csm rules: ${path}:${line}: ${message}${more}; csm rules check tells all`);
}
