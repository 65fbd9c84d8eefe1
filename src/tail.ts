import { dirname } from "node:path";
import { parseJson } from "./json.ts";
import type { Sys } from "./sys.ts";
import type { FileIdentity, OpenFile } from "./sys-files.ts";

/** A growing file of lines, read once: each poll hands over what is new. */
export interface Tail {
  poll(reader: LineReader): "same" | "grown" | "restarted" | "gone";
}

export interface LineReader {
  /** Whole lines, in a buffer that is only good during the call. */
  onLines(lines: Buffer): void;
  /** The file was cut, replaced or rotated: what was handed over is void, and it comes again from its start. */
  onRestart(): void;
}

/** `startAt`: where the first poll begins; a file that starts over is read from its begin. */
export function createTail(sys: Pick<Sys, "identify" | "openFile">, path: string, buffer: LineBuffer, startAt = 0): Tail {
  let seen: FileIdentity | undefined;
  let mark: Mark | undefined;
  return {
    poll(reader) {
      const now = sys.identify(path);
      if (now === undefined) return "gone";
      if (seen !== undefined && now.id === seen.id && now.size === seen.size && now.modifiedAt === seen.modifiedAt) return "same";
      const file = sys.openFile(path);
      if (file === undefined) return "gone";
      try {
        const isRestart = mark !== undefined && !isContinued(file, mark);
        if (isRestart) reader.onRestart();
        seen = { id: file.id, size: file.size, modifiedAt: file.modifiedAt, isFile: file.isFile };
        ({ mark } = readLines(file, buffer, isRestart ? 0 : (mark?.position ?? startAt), reader.onLines));
        return isRestart ? "restarted" : "grown";
      } finally {
        file.close();
      }
    },
  };
}

const safetyPollMs = 1000;

interface Following<T> {
  isOver: () => Promise<boolean>;
  /** Undefined leaves a line out. */
  read: (line: string) => T | undefined;
  /** Of what is there already so many of the newest come. */
  firstCount: number;
}

/** What the whole lines of a file say: the newest that are there, then what comes, until `isOver` says so. */
export async function* followLines<T>(sys: Sys, path: string, { isOver, read, firstCount }: Following<T>): AsyncGenerator<T[]> {
  const watch = sys.watch([path, dirname(path)]);
  const tail = createTail(sys, path, createLineBuffer(true));
  let count = firstCount;
  try {
    for (;;) {
      const isLast = await isOver();
      let found: T[] = [];
      const onLines = (bytes: Buffer) => {
        for (const line of bytes.toString().split("\n")) {
          const value = line === "" ? undefined : read(line);
          if (value !== undefined) found.push(value);
        }
        found = found.slice(Math.max(0, found.length - count));
      };
      tail.poll({ onLines, onRestart() {} });
      yield found;
      count = Number.POSITIVE_INFINITY;
      if (isLast) return;
      await watch.next(safetyPollMs);
    }
  } finally {
    watch.close();
  }
}

/** Where reading stopped; it can be kept, and gone on from by another process. */
export interface Mark {
  /** Of the file. */
  id: string;
  /** The start of the line that was not whole. */
  position: number;
  /** The bytes before it, by which a file is told that was rewritten in its place, and longer. */
  print: Buffer;
}

const printBytes = 64;

/** What was read up to the mark still stands there. */
export const isContinued = (file: OpenFile, mark: Mark): boolean =>
  file.id === mark.id && file.size >= mark.position && readMark(file, mark.position).print.equals(mark.print);

function readMark(file: OpenFile, position: number): Mark {
  const bytes = Buffer.alloc(Math.min(printBytes, position));
  const count = bytes.length === 0 ? 0 : file.read(bytes, position - bytes.length);
  return { id: file.id, position, print: bytes.subarray(0, count) };
}

/** Memory for lines, which all readings of a run share: making it anew for each file would take longer than reading the file. */
export interface LineBuffer {
  bytes: Buffer;
  /**
   * It grows with the longest line, up to a bound; what is longer is left out. Else of a line longer than half of it the begin and
   * the end are kept: usage stands at the end.
   */
  readonly keepsWhole: boolean;
}

export const createLineBuffer = (keepsWhole = false): LineBuffer => ({ bytes: Buffer.allocUnsafeSlow(bufferBytes), keepsWhole });

const bufferBytes = 1 << 20;
/** No line that says anything is near this. */
const maxBufferBytes = 1 << 24;
const keptBytes = 64 << 10;

const isEntry = (bytes: Buffer): boolean =>
  /\}\s*$/.test(bytes.toString("latin1", bytes.length - 8)) && parseJson(bytes.toString()) !== undefined;

/** Reads to the end of the file, piece by piece. A torn last line is not handed over. */
export function readLines(
  file: OpenFile,
  buffer: LineBuffer,
  from: number,
  onLines: (lines: Buffer) => void,
): { mark: Mark; readBytes: number } {
  let [position, lineAt, kept] = [from, from, 0];
  /** Its begin was longer than what can be kept: the rest of it goes the same way. */
  let isLeftOut = false;
  for (;;) {
    const { bytes } = buffer;
    const count = file.read(bytes.subarray(kept), position);
    if (count === 0) {
      // A last line without its newline counts when it is an entry of its own: what is cut off elsewhere is none.
      const isWhole = isEntry(bytes.subarray(0, kept));
      if (isWhole) onLines(bytes.subarray(0, kept));
      return { mark: readMark(file, isWhole ? position : lineAt), readBytes: position - from };
    }
    position += count;
    const filled = kept + count;
    const end = bytes.subarray(kept, filled).lastIndexOf(10) + kept + 1;
    if (end > kept) {
      const start = isLeftOut ? bytes.indexOf(10) + 1 : 0;
      isLeftOut = false;
      if (end > start) onLines(bytes.subarray(start, end));
      bytes.copyWithin(0, end, filled);
      lineAt = position - (filled - end);
      kept = filled - end;
    } else kept = isLeftOut ? 0 : filled;
    if (kept <= bytes.length / 2) continue;
    if (buffer.keepsWhole && bytes.length >= maxBufferBytes) [kept, isLeftOut] = [0, true];
    else kept = makeRoom(buffer, kept);
  }
}

/** A long line fills more than half of the buffer; the result is how much of it is there now. */
function makeRoom(buffer: LineBuffer, kept: number): number {
  const { bytes } = buffer;
  if (buffer.keepsWhole) {
    buffer.bytes = Buffer.allocUnsafeSlow(2 * bytes.length);
    bytes.copy(buffer.bytes, 0, 0, kept);
    return kept;
  }
  bytes.copyWithin(keptBytes, kept - keptBytes, kept);
  return 2 * keptBytes;
}

const endBytes = 64 * 1024;

/** Both ends of a file, in whole lines but for a last one without its newline; the first may be all of it. Only good until the next read. */
export function readEnds(sys: Pick<Sys, "openFile">, path: string, { bytes }: LineBuffer): { head: Buffer; tail: Buffer } {
  const file = sys.openFile(path);
  if (file === undefined) return { head: bytes.subarray(0, 0), tail: bytes.subarray(0, 0) };
  try {
    const head = bytes.subarray(0, file.read(bytes.subarray(0, endBytes), 0));
    if (file.size <= endBytes) return { head, tail: bytes.subarray(0, 0) };
    const room = bytes.subarray(endBytes, 2 * endBytes);
    const tail = room.subarray(0, file.read(room, Math.max(head.length, file.size - endBytes)));
    return { head: head.subarray(0, head.lastIndexOf(10) + 1), tail: tail.subarray(tail.indexOf(10) + 1) };
  } finally {
    file.close();
  }
}
