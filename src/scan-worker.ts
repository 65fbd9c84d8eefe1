import { noFTL } from "bun:jsc";
import { type CallScan, scanCalls } from "./call-scan.ts";
import { hotLoops } from "./claude-tokens-scan.ts";
import { filledRows } from "./cost-records.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import type { Sys } from "./sys.ts";
import { openFile } from "./sys-files.ts";
import { createLineBuffer, type LineBuffer } from "./tail.ts";

interface Scans {
  usage: FileScan;
  calls: CallScan;
}

/** What a transcript is read for, and how what was found travels between threads. */
const scanners: { [K in keyof Scans]: Scanner<Scans[K]> } = {
  usage: {
    keepsWhole: false,
    scan: scanTranscript,
    pack(scans) {
      const values = scans.map((scan) => ({ ...scan, records: { ...scan.records, rows: filledRows(scan.records).slice() } }));
      return { values, transfer: values.map(({ records }) => records.rows.buffer) };
    },
    unpack: (scan) => ({ ...scan, print: Buffer.from(scan.print) }),
  },
  calls: { keepsWhole: true, scan: scanCalls, pack: (values) => ({ values, transfer: [] }), unpack: (scan) => scan },
};

interface Scanner<T> {
  keepsWhole: boolean;
  scan(sys: Pick<Sys, "openFile">, path: string, buffer: LineBuffer): T | undefined;
  pack(scans: T[]): { values: T[]; transfer: ArrayBufferLike[] };
  unpack(scan: T): T;
}

/** What several threads share: the list of files, and in `counters` which is next and how many kilobytes are done. */
interface SharedWork {
  kind: keyof Scans;
  paths: readonly string[];
  counters: Int32Array<SharedArrayBuffer>;
}

/** A thread takes 5 ms to start; one core reads this much in 10. */
const worthwhileBytes = 32e6;
const mostThreads = 8;

/** Reads these files on all cores, this one included. What a thread fails to read is missing in the result. */
export async function scanAll<K extends keyof Scans>(
  sys: Pick<Sys, "openFile" | "cpuCount">,
  kind: K,
  files: readonly { path: string; size: number }[],
  onProgress: (doneBytes: number) => void,
): Promise<Scans[K][]> {
  // The largest first, so that no thread is left alone with one of them.
  const paths = files.toSorted((a, b) => b.size - a.size).map(({ path }) => path);
  const work: SharedWork = { kind, paths, counters: new Int32Array(new SharedArrayBuffer(8)) };
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const helpers = Math.min(mostThreads, sys.cpuCount, Math.ceil(bytes / worthwhileBytes)) - 1;
  const shares = Array.from({ length: Math.max(0, helpers) }, () => startHelper<Scans[K]>(work, scanners[kind]));
  const own = runShare(sys, work, scanners[kind], () => onProgress((work.counters[1] ?? 0) * 1000));
  return [...own, ...(await Promise.all(shares)).flat()];
}

function startHelper<T>(work: SharedWork, { unpack }: Scanner<T>): Promise<T[]> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./scan-worker.ts", import.meta.url).href);
    const end = (scans: T[]) => {
      resolve(scans);
      worker.terminate();
    };
    worker.onmessage = ({ data }: { data: T[] }) => end(data.map(unpack));
    // The caller sees which files are missing and reads them itself.
    worker.onerror = () => end([]);
    worker.postMessage(work);
  });
}

/** Takes file after file until none is left; each is read by one thread. */
function runShare<T extends { readBytes: number }>(
  sys: Pick<Sys, "openFile">,
  { paths, counters }: SharedWork,
  { keepsWhole, scan }: Scanner<T>,
  onFile?: () => void,
): T[] {
  // The best code for these loops takes a third of the whole run to make, beside it, on a core that reads files.
  for (const loop of hotLoops) noFTL(loop);
  const buffer = createLineBuffer(keepsWhole);
  const found: T[] = [];
  for (let index = Atomics.add(counters, 0, 1); index < paths.length; index = Atomics.add(counters, 0, 1)) {
    const one = scan(sys, paths[index] ?? "", buffer);
    if (one === undefined) continue;
    found.push(one);
    Atomics.add(counters, 1, Math.ceil(one.readBytes / 1000));
    onFile?.();
  }
  return found;
}

declare const self: { onmessage?: (event: { data: SharedWork }) => void; postMessage(value: unknown, transfer: ArrayBufferLike[]): void };

// The same file is a module of the main thread, where nobody sends work to it.
if (!Bun.isMainThread)
  self.onmessage = ({ data }) => {
    const scanner: Scanner<Scans[keyof Scans]> = scanners[data.kind];
    const { values, transfer } = scanner.pack(runShare({ openFile }, data, scanner));
    self.postMessage(values, transfer);
  };
