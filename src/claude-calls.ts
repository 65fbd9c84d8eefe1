import { isRecord, parseRecord, present } from "./json.ts";

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
}

/** How a request was decided, and by whom. */
export interface Decision {
  isAllowed: boolean;
  by: "hook" | "person" | "rule";
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

const marker = /"tool_use"|"tool_result"|"hook_permission_decision"/;

/** The calls in these lines, oldest first, whatever thread wrote them: a sub-agent has a file of its own. */
export function parseCalls(lines: readonly string[]): Call[] {
  const calls = new Map<string, Call>();
  for (const line of lines) {
    const entry = marker.test(line) ? parseRecord(line) : undefined;
    if (entry === undefined) continue;
    if (entry.type === "attachment" && isRecord(entry.attachment)) noteHook(calls, entry.attachment);
    const message = isRecord(entry.message) ? entry.message : {};
    for (const block of Array.isArray(message.content) ? message.content.filter(isRecord) : []) {
      if (entry.type === "assistant" && block.type === "tool_use" && typeof block.name === "string" && typeof block.id === "string")
        calls.set(block.id, { id: block.id, tool: block.name, input: isRecord(block.input) ? block.input : {}, isOver: false });
      if (entry.type === "user" && block.type === "tool_result") noteResult(calls, entry, block);
    }
  }
  return [...calls.values()];
}

function noteHook(calls: Map<string, Call>, { type, toolUseID, decision }: Record<string, unknown>): void {
  const call = calls.get(String(toolUseID));
  if (type !== "hook_permission_decision" || call === undefined) return;
  call.decision = { isAllowed: decision === "allow", by: "hook" };
}

/** What claude writes for "No" and for Esc, in every version. */
const refusal = /^The user doesn't want to proceed with this tool use|^The user doesn't want to take this action/;

function noteResult(calls: Map<string, Call>, entry: Record<string, unknown>, block: Record<string, unknown>): void {
  const call = calls.get(String(block.tool_use_id));
  if (call === undefined) return;
  call.isOver = true;
  const decision = decisionOf(entry, block);
  if (decision !== undefined) call.decision = decision;
}

function decisionOf(entry: Record<string, unknown>, block: Record<string, unknown>): Decision | undefined {
  const told = isRecord(entry.permissionDecision) ? entry.permissionDecision : {};
  const given = isRecord(entry.toolUseResult) && isRecord(entry.toolUseResult.answers) ? entry.toolUseResult.answers : undefined;
  const answers = given === undefined ? undefined : Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]));
  const source = typeof told.source === "string" ? told.source : "";
  if (told.decision === "accept" || told.decision === "reject") {
    const by = source === "hook" ? "hook" : source.startsWith("user") ? "person" : "rule";
    return { isAllowed: told.decision === "accept", by, ...present({ answers }) };
  }
  if (block.is_error === true) return refusal.test(textOf(block.content)) ? { isAllowed: false, by: "person" } : undefined;
  return answers === undefined ? undefined : { isAllowed: true, by: "person", answers };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  const [first] = Array.isArray(content) ? content.filter(isRecord) : [];
  return typeof first?.text === "string" ? first.text : "";
}
