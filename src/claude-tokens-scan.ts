import { parseCompaction, parseUsageLine, type UsageLine } from "./claude-tokens.ts";
import { createFields, isRepeat, readFields } from "./claude-tokens-walk.ts";

export interface Scan {
  usages: number;
  /** Lines of the assistant whose usage could not be read. */
  unreadable: number;
}

export interface UsageReader {
  onUsage(usage: UsageLine): void;
  /** The conversation was summarised to this many tokens. */
  onCompact?(at: number, tokens: number): void;
}

const assistantMark = Buffer.from('"type":"assistant"');
const spacedMark = Buffer.from('"assistant"');
const usageMark = Buffer.from('"usage":{');
const compactMark = Buffer.from('"compact_boundary"');
const newline = 10;

/**
 * Finds the usage lines among whole lines: looks for bytes first, and reads head and end of a line without its content. A line
 * of another shape is parsed as a whole.
 */
export function scanUsage(bytes: Buffer, reader: UsageReader): Scan {
  const scan: Scan = { usages: 0, unreadable: 0 };
  const fields = createFields(bytes);
  // Another program may have written the lines anew, with blanks.
  const first = bytes.indexOf(assistantMark);
  const mark = first < 0 ? spacedMark : assistantMark;
  for (let found = first < 0 ? bytes.indexOf(mark) : first; found >= 0; ) {
    const start = bytes.lastIndexOf(newline, found) + 1;
    const end = lineEnd(bytes, found);
    const usageAt = bytes.lastIndexOf(usageMark, found);
    const usage = isRepeat(fields, start, usageAt)
      ? "repeat"
      : (readFields(fields, { start, usageAt, typeAt: found, end }) ?? parseUsageLine(bytes.toString("utf8", start, end)));
    if (usage === "repeat") scan.usages++;
    else if (usage === "unreadable") scan.unreadable++;
    else if (usage !== "none") {
      scan.usages++;
      reader.onUsage(usage);
    }
    found = bytes.indexOf(mark, end);
  }
  if (reader.onCompact !== undefined) scanCompactions(bytes, reader.onCompact);
  return scan;
}

function lineEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(newline, from);
  return end < 0 ? bytes.length : end;
}

function scanCompactions(bytes: Buffer, onCompact: (at: number, tokens: number) => void): void {
  for (let found = bytes.indexOf(compactMark); found >= 0; ) {
    const end = lineEnd(bytes, found);
    const compaction = parseCompaction(bytes.toString("utf8", bytes.lastIndexOf(newline, found) + 1, end));
    if (compaction !== undefined) onCompact(compaction.at, compaction.tokens);
    found = bytes.indexOf(compactMark, end);
  }
}

const transcriptMarks = ["user", "system", "attachment", "mode", "permission-mode", "summary", "last-prompt", "queue-operation"].map(
  (type) => Buffer.from(`"type":"${type}"`),
);
const resultMark = Buffer.from('"type":"tool_result"');

/**
 * Whether lines without any usage can be a transcript that this version understands: one where nothing was answered yet. Where
 * tools have run, answers must have been written, in words that are not known.
 */
export const isUnansweredTranscript = (bytes: Buffer): boolean =>
  !bytes.includes(resultMark) && transcriptMarks.some((mark) => bytes.includes(mark));
