import { type Call, noteEntry } from "./claude-calls.ts";
import { parseLine } from "./json.ts";
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

const marks = ['"tool_use"', '"tool_result"', '"hook_permission_decision"'].map((text) => Buffer.from(text));
const newline = 10;

/** Looks for bytes first, and parses the lines that have them, in their order: a result belongs to the newest call of its id. */
function addLines(scan: CallScan, calls: Map<string, Call>, lines: Buffer): void {
  const next = marks.map((mark) => lines.indexOf(mark));
  for (;;) {
    const found = Math.min(...next.filter((at) => at >= 0));
    if (found === Number.POSITIVE_INFINITY) return;
    const start = lines.lastIndexOf(newline, found) + 1;
    const end = endOfLine(lines, found);
    if (!isOther(lines, start)) addLine(scan, calls, lines.toString("utf8", start, end));
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

const typeHead = '{"type":"';

/** It says first that it is something else: a request repeats the conversation, 70 kB a line (2.1.329). */
const isOther = (lines: Buffer, start: number): boolean =>
  /^\{"type":"(?!assistant"|user"|attachment"|progress")/.test(lines.toString("latin1", start, start + typeHead.length + 12));

const callMark = /"type"\s*:\s*"tool_use"/g;

function addLine(scan: CallScan, calls: Map<string, Call>, line: string): void {
  const { values, isWhole } = parseLine(line);
  const told = values.map((value) => noteEntry(calls, value, (call) => scan.calls.push(call)));
  const sum = (field: "read" | "unreadable") => told.reduce((all, one) => all + one[field], 0);
  // What was torn off is missing among those that could be read.
  scan.unreadable += isWhole ? sum("unreadable") : Math.max(0, (line.match(callMark)?.length ?? 0) - sum("read"));
}
