import { type Call, noteEntry } from "./claude-calls.ts";
import { parseLine, parseRecord } from "./json.ts";
import type { Sys } from "./sys.ts";
import { type LineBuffer, readLines } from "./tail.ts";

/** The calls of tools in one transcript. */
export interface CallScan {
  path: string;
  calls: Call[];
  /** What looks like a call and cannot be read. */
  unreadable: number;
  readBytes: number;
}

export function scanCalls(sys: Pick<Sys, "openFile">, path: string, buffer: LineBuffer): CallScan | undefined {
  const file = sys.openFile(path);
  if (file === undefined) return undefined;
  const scan: CallScan = { path, calls: [], unreadable: 0, readBytes: 0 };
  const calls = new Map<string, Call>();
  try {
    scan.readBytes = readLines(file, buffer, 0, (lines) => addLines(scan, calls, lines)).readBytes;
  } finally {
    file.close();
  }
  scan.calls.push(...calls.values());
  return scan;
}

const marks = ['"tool_use"', '"tool_result"', '"hook_permission_decision"', '"interruptedMessageId"'].map((text) => Buffer.from(text));
const [newline, closingBrace] = [0x0a, 0x7d];

/** Looks for bytes first, and parses the lines that have them, in their order: a result belongs to the newest call of its id. */
function addLines(scan: CallScan, calls: Map<string, Call>, lines: Buffer): void {
  const next = marks.map((mark) => lines.indexOf(mark));
  for (;;) {
    const found = Math.min(...next.filter((at) => at >= 0));
    if (found === Number.POSITIVE_INFINITY) return;
    const start = lines.lastIndexOf(newline, found) + 1;
    const end = endOfLine(lines, found);
    const line = lines.subarray(start, end);
    const [callAt = -1, resultAt = -1] = next;
    // A call may have been joined to it.
    const result = found === resultAt && (callAt < 0 || callAt > end) ? readResult(line) : undefined;
    if (result !== undefined) noteEntry(calls, result);
    else if (!isOther(line)) addLine(scan, calls, line.toString());
    for (const [index, mark] of marks.entries()) {
      const at = next[index] ?? -1;
      if (at >= 0 && at < end) next[index] = lines.indexOf(mark, end);
    }
  }
}

function endOfLine(lines: Buffer, from: number): number {
  const end = lines.indexOf(newline, from);
  return end < 0 ? lines.length : end;
}

/** It says first that it is something else: a request repeats the conversation, 70 kB a line (2.1.329). */
const isOther = (line: Buffer): boolean =>
  /^\{"type":"(?!assistant"|user"|attachment"|progress")/.test(line.toString("latin1", 0, '{"type":"attachment"'.length));

const [userMark, idMark, errorMark, answersMark] = ['"type":"user"', '"tool_use_id":"', '"is_error"', '"answers"'].map((text) =>
  Buffer.from(text),
) as [Buffer, Buffer, Buffer, Buffer];
const noErrorMark = Buffer.from('"is_error":false');
const decisionMark = Buffer.from('"permissionDecision":{');

/**
 * The entry of a usual result, without what the tool printed: half of all bytes are that. Undefined for one that must be read as a
 * whole: errors, answers to questions, several results.
 */
function readResult(line: Buffer): Record<string, unknown> | undefined {
  const idAt = line.indexOf(idMark);
  if (line.at(-1) !== closingBrace || idAt < 0 || line.includes(idMark, idAt + 1) || !line.includes(userMark) || line.includes(answersMark))
    return undefined;
  const errorAt = line.indexOf(errorMark);
  if (errorAt >= 0 && (line.indexOf(noErrorMark) !== errorAt || line.includes(errorMark, errorAt + 1))) return undefined;
  const id = line.toString("latin1", idAt + idMark.length, line.indexOf('"', idAt + idMark.length));
  const decisionAt = line.lastIndexOf(decisionMark);
  // What begins here ends where the line does: so it stands in the entry itself, and not in what the tool gave.
  const end = decisionAt < 0 ? {} : parseRecord(`{${line.toString("utf8", decisionAt)}`);
  if (end === undefined || id.includes("\\")) return undefined;
  return { ...end, type: "user", message: { content: [{ type: "tool_result", tool_use_id: id }] } };
}

const callMark = /"type"\s*:\s*"tool_use"/g;

function addLine(scan: CallScan, calls: Map<string, Call>, line: string): void {
  const { values, isWhole } = parseLine(line);
  const told = values.map((value) => noteEntry(calls, value, (call) => scan.calls.push(call)));
  const sum = (field: "read" | "unreadable") => told.reduce((all, one) => all + one[field], 0);
  // What was torn off is missing among those that could be read.
  scan.unreadable += isWhole ? sum("unreadable") : Math.max(0, (line.match(callMark)?.length ?? 0) - sum("read"));
}
