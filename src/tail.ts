import { dirname } from "node:path";
import type { Sys } from "./sys.ts";
import type { FileIdentity, OpenFile } from "./sys-files.ts";

const safetyPollMs = 1000;

/**
 * The whole lines of a growing file: all that are there, then what comes, until `isOver` says so. A file that shrinks or is
 * replaced starts over; a torn last line waits for its end.
 */
export async function* readLines(sys: Sys, path: string, isOver: () => Promise<boolean>): AsyncGenerator<string[]> {
  const watch = sys.watch([path, dirname(path)]);
  const decoder = new TextDecoder();
  let offset = 0;
  let rest = "";
  let identity = "";
  try {
    for (;;) {
      const isLast = await isOver();
      const now = sys.identify(path);
      if (now !== undefined && (now.id !== identity || now.size < offset)) [offset, rest, identity] = [0, "", now.id];
      const bytes = await sys.readFrom(path, offset);
      offset += bytes.length;
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      yield parts.filter((line) => line !== "");
      if (isLast) return;
      await watch.next(safetyPollMs);
    }
  } finally {
    watch.close();
  }
}

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

/** Where reading stopped: the first byte not read yet, and the start of the line that is not whole. */
export interface ReadState {
  position: number;
  lineAt: number;
  /** What of that line is kept. */
  rest: Buffer;
}

export const startState = (at = 0): ReadState => ({ position: at, lineAt: at, rest: Buffer.alloc(0) });
export const createLineBuffer = (): Buffer => Buffer.allocUnsafeSlow(bufferBytes);

const bufferBytes = 1 << 20;
/** Of a line longer than the half of the buffer, this much of its begin and of its end is kept: usage stands at the end. */
const keptBytes = 64 << 10;
const printBytes = 64;

/** `startAt`: where the first poll begins; a file that starts over is read from its begin. */
export function createTail(sys: Pick<Sys, "identify" | "openFile">, path: string, buffer: Buffer, startAt = 0): Tail {
  let seen: FileIdentity | undefined;
  let state = startState(startAt);
  let print = state.rest;
  return {
    poll(reader) {
      const now = sys.identify(path);
      if (now === undefined) return "gone";
      if (seen !== undefined && now.id === seen.id && now.size === seen.size && now.modifiedAt === seen.modifiedAt) return "same";
      const file = sys.openFile(path);
      if (file === undefined) return "gone";
      try {
        const isRestart = seen !== undefined && !isContinued(file, seen, state.position, print);
        if (isRestart) {
          state = startState();
          reader.onRestart();
        }
        seen = { id: file.id, size: file.size, modifiedAt: file.modifiedAt, isFile: file.isFile };
        state = readPieces(file, buffer, state, reader.onLines);
        print = readPrint(file, state.position);
        return isRestart ? "restarted" : "grown";
      } finally {
        file.close();
      }
    },
  };
}

/** The same file, not shorter, and what was read last still stands there: a file may be rewritten in its place, and longer. */
const isContinued = (file: OpenFile, seen: FileIdentity, position: number, print: Buffer): boolean =>
  file.id === seen.id && file.size >= position && readPrint(file, position).equals(print);

/** The bytes before a position, by which a file that was rewritten is told. */
export function readPrint(file: OpenFile, position: number): Buffer {
  const bytes = Buffer.alloc(Math.min(printBytes, position));
  const count = bytes.length === 0 ? 0 : file.read(bytes, position - bytes.length);
  return bytes.subarray(0, count);
}

/** Reads to the end of the file, piece by piece. A torn last line waits in the result. */
export function readPieces(file: OpenFile, buffer: Buffer, from: ReadState, onLines: (lines: Buffer) => void): ReadState {
  let { position, lineAt } = from;
  let kept = from.rest.copy(buffer);
  for (;;) {
    const count = file.read(buffer.subarray(kept), position);
    if (count === 0) return { position, lineAt, rest: Buffer.from(buffer.subarray(0, kept)) };
    position += count;
    const filled = kept + count;
    const end = buffer.subarray(kept, filled).lastIndexOf(10) + kept + 1;
    if (end > kept) {
      onLines(buffer.subarray(0, end));
      buffer.copyWithin(0, end, filled);
      lineAt = position - (filled - end);
      kept = filled - end;
    } else kept = filled;
    if (kept > buffer.length / 2) {
      buffer.copyWithin(keptBytes, kept - keptBytes, kept);
      kept = 2 * keptBytes;
    }
  }
}
