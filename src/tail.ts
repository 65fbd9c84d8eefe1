import { dirname } from "node:path";
import type { Sys } from "./sys.ts";

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
