import { noFTL } from "bun:jsc";
import { hotLoops } from "./claude-tokens-scan.ts";
import { filledRows } from "./cost-records.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import type { OpenFile } from "./sys-files.ts";
import { openFile } from "./sys-files.ts";
import { createLineBuffer } from "./tail.ts";

/** What several threads share: the list of files, and in `counters` which is next and how many kilobytes are done. */
export interface SharedWork {
  paths: readonly string[];
  counters: Int32Array<SharedArrayBuffer>;
}

export const createSharedWork = (paths: readonly string[]): SharedWork => ({ paths, counters: new Int32Array(new SharedArrayBuffer(8)) });

/** Takes file after file until none is left; each is read by one thread. */
export function runShare(open: (path: string) => OpenFile | undefined, { paths, counters }: SharedWork, onFile?: () => void): FileScan[] {
  // The best code for these loops takes a third of the whole run to make, beside it, on a core that reads files.
  for (const loop of hotLoops) noFTL(loop);
  const buffer = createLineBuffer();
  const scans: FileScan[] = [];
  for (let index = Atomics.add(counters, 0, 1); index < paths.length; index = Atomics.add(counters, 0, 1)) {
    const scan = scanTranscript({ openFile: open }, paths[index] ?? "", buffer);
    if (scan === undefined) continue;
    scans.push(scan);
    Atomics.add(counters, 1, Math.ceil(scan.readBytes / 1000));
    onFile?.();
  }
  return scans;
}

declare const self: { onmessage?: (event: { data: SharedWork }) => void; postMessage(value: unknown, transfer: ArrayBufferLike[]): void };

// The same file is a module of the main thread, where nobody sends work to it.
if (!Bun.isMainThread)
  self.onmessage = ({ data }) => {
    const scans = runShare(openFile, data).map((scan) => ({
      ...scan,
      records: { ...scan.records, rows: filledRows(scan.records).slice() },
    }));
    self.postMessage(
      scans,
      scans.map(({ records }) => records.rows.buffer),
    );
  };
