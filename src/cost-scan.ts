import { isUnansweredTranscript, scanUsage } from "./claude-tokens-scan.ts";
import { createRecords, pushRecord, type Records } from "./cost-records.ts";
import { parseJson } from "./json.ts";
import type { Sys } from "./sys.ts";
import type { FileIdentity } from "./sys-files.ts";
import { isContinued, type LineBuffer, type Mark, readLines } from "./tail.ts";

/** What is known of one transcript after reading it to `position`, the start of the line that is not whole yet. */
export interface FileScan extends FileIdentity, Mark {
  path: string;
  /** Where the session ran; empty when no answer tells. */
  cwd: string;
  format: "ok" | "empty" | "unknown format";
  unreadable: number;
  records: Records;
  /** Read in this run. */
  readBytes: number;
}

/** Reads a transcript from where `before` ended, or as a whole when it is another file, or has changed in its place. */
export function scanTranscript(sys: Pick<Sys, "openFile">, path: string, buffer: LineBuffer, before?: FileScan): FileScan | undefined {
  const file = sys.openFile(path);
  if (file === undefined) return undefined;
  try {
    const isGrown = before !== undefined && file.size > before.size && isContinued(file, before);
    const scan: FileScan = {
      ...(isGrown ? before : { cwd: "", format: "empty", unreadable: 0, records: createRecords() }),
      path,
      id: file.id,
      size: file.size,
      modifiedAt: file.modifiedAt,
      isFile: true,
      position: isGrown ? before.position : 0,
      print: Buffer.alloc(0),
      readBytes: 0,
    };
    const { mark, readBytes } = readLines(file, buffer, scan.position, (lines) => addLines(scan, lines));
    return Object.assign(scan, mark, { readBytes });
  } finally {
    file.close();
  }
}

function addLines(scan: FileScan, lines: Buffer): void {
  const found = scanUsage(lines, { onUsage: (usage) => pushRecord(scan.records, usage) });
  scan.unreadable += found.unreadable;
  if (found.usages > 0) scan.format = "ok";
  else if (scan.format === "empty" && !isUnansweredTranscript(lines)) scan.format = "unknown format";
  if (scan.cwd === "") scan.cwd = findCwd(lines);
}

const cwdMark = Buffer.from('"cwd":"');

function findCwd(lines: Buffer): string {
  const found = lines.indexOf(cwdMark);
  if (found < 0) return "";
  const text = /^"(?:[^"\\]|\\.)*"/.exec(lines.toString("utf8", found + cwdMark.length - 1, found + 4096))?.[0];
  // Where the folder stays unknown the project is named by its slug.
  return String(parseJson(text) ?? "");
}
