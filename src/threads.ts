import { noFTL } from "bun:jsc";
import { type CallScan, scanCalls } from "./call-scan.ts";
import { hotLoops } from "./claude-tokens-scan.ts";
import { filledRows } from "./cost-records.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import { type Decision, decidersOf, type Rule, type SessionFacts, type ToolCall } from "./rules.ts";
import type { Sys } from "./sys.ts";
import { openFile } from "./sys-files.ts";
import { createLineBuffer } from "./tail.ts";

type Files = Pick<Sys, "openFile">;

/** What threads do, each piece once: a transcript that is read, or a call that is judged. */
interface Tasks {
  usage: { piece: string; context: undefined; result: FileScan };
  calls: { piece: string; context: undefined; result: CallScan };
  judgements: { piece: Case; context: CaseContext; result: Verdict };
}

/** A call, by which of the sets of rules it is judged, and what is known of its session. */
export interface Case {
  index: number;
  rules: number;
  call: ToolCall;
  facts: SessionFacts;
}

interface CaseContext {
  sets: readonly (readonly Rule[])[];
  /** Tells the parts of each call, too. */
  hasParts: boolean;
}

/** What travels back of a judgement: rules by their places in their set. */
interface Verdict {
  index: number;
  decision: Decision;
  deciders: number[];
  /** As they stand in the call; none of one that can never be allowed unseen. */
  parts?: string[];
}

type Perform<P, R> = (piece: P) => R | undefined;

interface Task<P, C, R> {
  begin(files: Files, context: C): Perform<P, R> | Promise<Perform<P, R>>;
  /** How much of the work that was, in whatever unit; for people who wait. */
  weigh(result: R): number;
  /** Absent where what was found travels as JSON: a copy of as many objects takes three times as long. */
  parcel?: { pack(results: R[]): { values: R[]; transfer: ArrayBufferLike[] }; unpack(value: R): R };
}

const tasks: { [K in keyof Tasks]: Task<Tasks[K]["piece"], Tasks[K]["context"], Tasks[K]["result"]> } = {
  usage: {
    begin(files) {
      // The best code for these loops takes a third of the whole run to make, beside it, on a core that reads files.
      for (const loop of hotLoops) noFTL(loop);
      const buffer = createLineBuffer();
      return (path) => scanTranscript(files, path, buffer);
    },
    weigh: ({ readBytes }) => readBytes / 1000,
    parcel: {
      pack(scans) {
        const values = scans.map((scan) => ({ ...scan, records: { ...scan.records, rows: filledRows(scan.records).slice() } }));
        return { values, transfer: values.map(({ records }) => records.rows.buffer) };
      },
      unpack: (scan) => ({ ...scan, print: Buffer.from(scan.print) }),
    },
  },
  calls: {
    begin(files) {
      const buffer = createLineBuffer(true);
      return (path) => scanCalls(files, path, buffer);
    },
    weigh: ({ readBytes }) => readBytes / 1000,
  },
  judgements: {
    async begin(_, { sets, hasParts }) {
      const [{ judge, partsToApprove }, { toCall }, { createSys }] = await Promise.all([
        import("./judge.ts"),
        import("./rules-decide.ts"),
        import("./sys.ts"),
      ]);
      const sys = createSys();
      // Where paths lead takes a look at each folder.
      const hasPaths = sets.map((rules) => rules.some(({ when }) => when.path !== undefined));
      return ({ index, rules: set, call, facts }) => {
        const rules = sets[set] ?? [];
        const judgement = judge(rules, hasPaths[set] === true ? { ...toCall(sys, call), home: call.home } : call, facts);
        const deciders = decidersOf(judgement).map((rule) => rules.indexOf(rule));
        const parts = hasParts ? { parts: partsToApprove(judgement) } : {};
        return { index, decision: judgement.decision, deciders, ...parts };
      };
    },
    weigh: () => 1,
  },
};

/** What several threads share: the pieces, and in `counters` which is next and how much is done. */
interface Work<K extends keyof Tasks = keyof Tasks> {
  kind: K;
  pieces: readonly Tasks[K]["piece"][];
  context: Tasks[K]["context"];
  counters: Int32Array<SharedArrayBuffer>;
}

/** The same as it travels. */
interface Order extends Pick<Work, "kind" | "counters"> {
  text: string;
}

const mostThreads = 8;

interface Sharing<K extends keyof Tasks> {
  context: Tasks[K]["context"];
  /** So many threads are worth their start, 5 ms, with this one. */
  worthwhile: number;
  onProgress?(done: number): void;
}

/** Does these pieces on all cores, this one included. What a thread fails to do is missing in the result. */
export async function shareOut<K extends keyof Tasks>(
  sys: Files & Pick<Sys, "cpuCount">,
  kind: K,
  pieces: readonly Tasks[K]["piece"][],
  { context, worthwhile, onProgress }: Sharing<K>,
): Promise<Tasks[K]["result"][]> {
  const work: Work<K> = { kind, pieces, context, counters: new Int32Array(new SharedArrayBuffer(8)) };
  const helpers = Math.min(mostThreads, sys.cpuCount, worthwhile) - 1;
  const order: Order | undefined = helpers > 0 ? { kind, counters: work.counters, text: JSON.stringify({ pieces, context }) } : undefined;
  const shares = Array.from({ length: Math.max(0, helpers) }, () => (order === undefined ? [] : startHelper<Tasks[K]["result"]>(order)));
  const own = await doShare(sys, work, () => onProgress?.(work.counters[1] ?? 0));
  return [...own, ...(await Promise.all(shares)).flat()];
}

/** A thread takes 5 ms to start; one core reads this much in 10. */
const worthwhileBytes = 32e6;

/** Reads these files; `onProgress` is told how many bytes are done. */
export function scanAll<K extends "usage" | "calls">(
  sys: Files & Pick<Sys, "cpuCount">,
  kind: K,
  files: readonly { path: string; size: number }[],
  onProgress: (doneBytes: number) => void,
): Promise<Tasks[K]["result"][]> {
  // The largest first, so that no thread is left alone with one of them.
  const paths = files.toSorted((a, b) => b.size - a.size).map(({ path }) => path);
  const worthwhile = Math.ceil(files.reduce((sum, { size }) => sum + size, 0) / worthwhileBytes);
  return shareOut<"usage" | "calls">(sys, kind, paths, { context: undefined, worthwhile, onProgress: (done) => onProgress(done * 1000) });
}

function startHelper<R>(order: Order): Promise<R[]> {
  const { parcel } = tasks[order.kind] as Task<unknown, unknown, R>;
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./threads.ts", import.meta.url).href);
    const end = (results: R[]) => {
      resolve(results);
      worker.terminate();
    };
    worker.onmessage = ({ data }: { data: R[] | string }) =>
      end(typeof data === "string" ? JSON.parse(data) : data.map(parcel?.unpack ?? own));
    // The caller sees what is missing and does it itself.
    worker.onerror = () => end([]);
    worker.postMessage(order);
  });
}

const own = <R>(value: R): R => value;

/** Takes piece after piece until none is left; each is done by one thread. */
async function doShare<K extends keyof Tasks>(
  files: Files,
  { kind, pieces, context, counters }: Work<K>,
  onPiece?: () => void,
): Promise<Tasks[K]["result"][]> {
  const { begin, weigh } = tasks[kind];
  const perform = await begin(files, context);
  const results: Tasks[K]["result"][] = [];
  for (let index = Atomics.add(counters, 0, 1); index < pieces.length; index = Atomics.add(counters, 0, 1)) {
    const result = perform(pieces[index] as Tasks[K]["piece"]);
    if (result === undefined) continue;
    results.push(result);
    Atomics.add(counters, 1, Math.ceil(weigh(result)));
    onPiece?.();
  }
  return results;
}

declare const self: { onmessage?: (event: { data: Order }) => void; postMessage(value: unknown, transfer: ArrayBufferLike[]): void };

// The same file is a module of the main thread, where nobody sends work to it.
if (!Bun.isMainThread)
  self.onmessage = async ({ data: { text, ...order } }) => {
    const { parcel } = tasks[order.kind] as Task<unknown, unknown, Tasks[keyof Tasks]["result"]>;
    const results = await doShare({ openFile }, { ...order, ...(JSON.parse(text) as Pick<Work, "pieces" | "context">) });
    const { values, transfer } = parcel?.pack(results) ?? { values: JSON.stringify(results), transfer: [] };
    self.postMessage(values, transfer);
  };
