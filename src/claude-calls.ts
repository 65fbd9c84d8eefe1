import { isRecord, parseRecord, parseTime, present, shape } from "./json.ts";

/** One call of a tool as the transcript of its thread holds it (forms as of 2.1.329). */
export interface Call {
  /** Claude's own. */
  id: string;
  tool: string;
  input: Record<string, unknown>;
  /** It has a result: it ran, or it was refused. */
  isOver: boolean;
  /** Absent as long as nothing tells; before 2.1.3xx only a refusal at the pane is told for certain. */
  decision?: Decision;
  /** It never ran, and nobody decided so: its input was wrong, or it was called off with another one. */
  isSkipped?: true;
  /** It was refused in the words that claude also writes for Esc while a tool runs. */
  mayHaveRun?: true;
  /** Of the answer that it is a part of. */
  messageId?: string;
  at?: number;
  cwd?: string;
  model?: string;
  /** The session that made it: a fork's transcript begins with a copy of another one. */
  sessionId?: string;
  isSidechain?: true;
}

/** How a request was decided, and by whom. */
export interface Decision {
  isAllowed: boolean;
  by: "hook" | "person" | "rule";
  /** `PermissionRequest` stands in for a person who would have been asked. */
  hook?: string;
  /** Of AskUserQuestion, by question text. */
  answers?: Record<string, string>;
}

/**
 * A call in one word, whoever tells it: hooks and transcripts order its fields otherwise, and only one of them fills in what is false
 * unless told (2.1.329: Edit, AskUserQuestion). What a tool of others means by a field is its own affair.
 */
export function spellCall(tool: string, input: Record<string, unknown>): string {
  const isOwn = !tool.startsWith("mcp__");
  const order = (_: string, value: unknown): unknown => {
    if (!isRecord(value)) return value;
    const fields = Object.entries(value).filter(([, field]) => !(isOwn && field === false));
    return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return JSON.stringify([tool, input], order);
}

/** What a tool is to do, in the words of its input. */
export const describeInput = (input: Record<string, unknown>): string => {
  const first = input.command ?? input.file_path ?? input.url ?? input.pattern ?? input.description ?? input.prompt;
  return typeof first === "string" ? first : JSON.stringify(input);
};

const marker = /"tool_use"|"tool_result"|"hook_permission_decision"|"interruptedMessageId"/;

/** The calls in these lines, oldest first, whatever thread wrote them: a sub-agent has a file of its own. */
export function parseCalls(lines: readonly string[]): Call[] {
  const calls = new Map<string, Call>();
  for (const line of lines) {
    const entry = marker.test(line) ? parseRecord(line) : undefined;
    if (entry !== undefined) noteEntry(calls, entry);
  }
  return [...calls.values()];
}

/**
 * Takes what one entry says of calls into those that are known, by their ids; the result is how many it tells. `onReused` hears of a
 * call whose id another one takes, as the APIs of others number them anew for each answer.
 */
export function noteEntry(
  calls: Map<string, Call>,
  written: unknown,
  onReused?: (call: Call) => void,
): { read: number; unreadable: number } {
  const entry = findEntry(written);
  if (entry.type === "attachment" && isRecord(entry.attachment)) noteHook(calls, entry.attachment);
  if (typeof entry.interruptedMessageId === "string") noteInterruption(calls, entry.interruptedMessageId);
  const message = isRecord(entry.message) ? entry.message : {};
  const told = { read: 0, unreadable: 0 };
  for (const block of Array.isArray(message.content) ? message.content.filter(isRecord) : []) {
    if (entry.type === "user" && block.type === "tool_result") noteResult(calls, entry, block);
    if (entry.type !== "assistant" || block.type !== "tool_use") continue;
    const call = readCall(entry, message, block);
    const known = call === undefined ? undefined : calls.get(call.id);
    if (call === undefined) told.unreadable++;
    else told.read++;
    if (call !== undefined && (known === undefined || !isSame(known, call))) {
      if (known !== undefined) onReused?.(known);
      calls.set(call.id, call);
    }
  }
  return told;
}

/** The entry itself, or what older versions (2.0, 2.1.0) wrote of a sub-agent at work. */
function findEntry(written: unknown): Record<string, unknown> {
  if (!isRecord(written)) return {};
  const inner = written.type === "progress" && isRecord(written.data) ? written.data.message : undefined;
  return isRecord(inner) ? { ...written, ...inner, isSidechain: true } : written;
}

const wantedOfEntry = { cwd: "string", sessionId: "string" } as const;

function readCall(entry: Record<string, unknown>, message: Record<string, unknown>, block: Record<string, unknown>): Call | undefined {
  const { id, name: tool, input = {} } = block;
  if (typeof id !== "string" || id === "" || typeof tool !== "string" || tool === "" || !isRecord(input)) return undefined;
  const { id: messageId, model } = shape(message, { id: "string", model: "string" });
  const isSidechain = entry.isSidechain === true ? true : undefined;
  const told = present({ messageId, model, at: parseTime(entry.timestamp), isSidechain: isSidechain as true | undefined });
  return { id, tool, input, isOver: false, ...told, ...shape(entry, wantedOfEntry) };
}

/** The same line once more, and no other call under the same id. */
const isSame = (known: Call, call: Call): boolean =>
  known.messageId === call.messageId && known.tool === call.tool && spellCall(known.tool, known.input) === spellCall(call.tool, call.input);

/** Which answer's tools were running at Esc: no such line stands behind a refusal (2.1.204 to 2.1.329). */
function noteInterruption(calls: Map<string, Call>, messageId: string): void {
  for (const call of calls.values()) {
    if (call.messageId !== messageId || call.mayHaveRun !== true) continue;
    delete call.decision;
    delete call.mayHaveRun;
  }
}

function noteHook(calls: Map<string, Call>, { type, toolUseID, decision, hookEvent }: Record<string, unknown>): void {
  const call = calls.get(String(toolUseID));
  if (type !== "hook_permission_decision" || call === undefined) return;
  call.decision = { isAllowed: decision === "allow", by: "hook", ...(typeof hookEvent === "string" ? { hook: hookEvent } : {}) };
}

/** What claude writes for "No" and for Esc, in every version. */
const refusal = /^The user doesn't want to proceed with this tool use|^The user doesn't want to take this action/;

function noteResult(calls: Map<string, Call>, entry: Record<string, unknown>, block: Record<string, unknown>): void {
  const call = calls.get(String(block.tool_use_id));
  if (call === undefined) return;
  call.isOver = true;
  const decision = decisionOf(entry, block);
  // From 2.1.329 on a refusal says that nothing had run.
  const isCertain = entry.permissionDecision !== undefined || entry.toolDenialBeforeRun === true;
  if (decision?.isAllowed === false && decision.by === "person" && !isCertain) call.mayHaveRun = true;
  if (decision !== undefined) call.decision = decision.by === "hook" ? { ...call.decision, ...decision } : decision;
  else if (block.is_error === true && isSkip(entry, textOf(block.content))) call.isSkipped = true;
}

function decisionOf(entry: Record<string, unknown>, block: Record<string, unknown>): Decision | undefined {
  const told = isRecord(entry.permissionDecision) ? entry.permissionDecision : {};
  const given = isRecord(entry.toolUseResult) && isRecord(entry.toolUseResult.answers) ? entry.toolUseResult.answers : undefined;
  const answers = given === undefined ? undefined : Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]));
  const source = typeof told.source === "string" ? told.source : "";
  if (told.decision === "accept" || told.decision === "reject") {
    const by = source === "hook" ? "hook" : source.startsWith("user") ? "person" : "rule";
    const hook = /^hook:(\w+)$/.exec(String(told.reasonCode))?.[1];
    return { isAllowed: told.decision === "accept", by, ...present({ hook, answers }) };
  }
  if (block.is_error === true) return denialOf(entry, textOf(block.content));
  return answers === undefined ? undefined : { isAllowed: true, by: "person", answers };
}

function denialOf({ toolDenialKind: kind }: Record<string, unknown>, text: string): Decision | undefined {
  if (kind === "interrupted" || kind === "cancelled") return undefined;
  if (refusal.test(text)) return { isAllowed: false, by: "person" };
  return denial.test(text) || (typeof kind === "string" && kind !== "user-rejected") ? { isAllowed: false, by: "rule" } : undefined;
}

/** What claude writes where hooks, settings or its mode say no. */
const denial =
  /^(?:Hook )?PreToolUse:|^Permission to use |^Claude requested permissions to |^This command requires approval|^Permission for this action /;

const isSkip = ({ toolDenialKind: kind }: Record<string, unknown>, text: string): boolean =>
  kind === "interrupted" || kind === "cancelled" || text.startsWith("<tool_use_error>");

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  const [first] = Array.isArray(content) ? content.filter(isRecord) : [];
  return typeof first?.text === "string" ? first.text : "";
}
