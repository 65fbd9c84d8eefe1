import type { FileScan } from "./cost-scan.ts";
import { createSharedWork, runShare, type SharedWork } from "./cost-worker.ts";
import type { Sys } from "./sys.ts";

/** A thread takes 5 ms to start; one core reads this much in 10. */
const worthwhileBytes = 32e6;
const mostThreads = 8;

/** Reads these files on all cores, this one included. What a thread fails to read is missing in the result. */
export async function scanAll(
  sys: Pick<Sys, "openFile" | "cpuCount">,
  files: readonly { path: string; size: number }[],
  onProgress: (doneBytes: number) => void,
): Promise<FileScan[]> {
  // The largest first, so that no thread is left alone with one of them.
  const work = createSharedWork(files.toSorted((a, b) => b.size - a.size).map(({ path }) => path));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const helpers = Math.min(mostThreads, sys.cpuCount, Math.ceil(bytes / worthwhileBytes)) - 1;
  const shares = Array.from({ length: Math.max(0, helpers) }, () => startHelper(work));
  const own = runShare(sys.openFile, work, () => onProgress((work.counters[1] ?? 0) * 1000));
  return [...own, ...(await Promise.all(shares)).flat()];
}

function startHelper(work: SharedWork): Promise<FileScan[]> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./cost-worker.ts", import.meta.url).href);
    const end = (scans: FileScan[]) => {
      resolve(scans);
      worker.terminate();
    };
    worker.onmessage = ({ data }: { data: FileScan[] }) => end(data.map((scan) => ({ ...scan, print: Buffer.from(scan.print) })));
    // The caller sees which files are missing and reads them itself.
    worker.onerror = () => end([]);
    worker.postMessage(work);
  });
}
