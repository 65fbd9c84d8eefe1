import type { TranscriptEvent } from "./claude-transcript.ts";

/** What a session has done, counted from the lines of its transcript that were read. */
export interface Work {
  /** Calls by tool. */
  tools: Map<string, number>;
  /** Files that it edits, by path, newest edit last. */
  files: Map<string, { edits: number; at: number }>;
  /** The newest failed calls, newest last. */
  errors: { at: number; tool: string; text: string }[];
  /** Calls that failed one after another, up to now. */
  failedInRow: number;
  /** Tool of the newest failed call. */
  failingTool?: string;
  /** Times of what happened lately, for the picture of activity. */
  times: number[];
  /** Newest event of any kind; 0 before the first. */
  at: number;
}

export const createWork = (): Work => ({ tools: new Map(), files: new Map(), errors: [], failedInRow: 0, times: [], at: 0 });

const maxErrors = 5;
const maxFiles = 200;
const maxTimes = 400;
const maxOpen = 200;

const editors: Record<string, string> = { Edit: "file_path", Write: "file_path", MultiEdit: "file_path", NotebookEdit: "notebook_path" };

/** Adds events in the order of the file; `open` remembers which call a result belongs to. */
export function addEvents(work: Work, open: Map<string, string>, events: readonly TranscriptEvent[]): void {
  for (const event of events) {
    work.at = Math.max(work.at, event.at);
    if (event.at > 0) work.times.push(event.at);
    if (event.kind === "tool") addCall(work, open, event);
    else if (event.kind === "result") addResult(work, open, event);
    // A person took over: what failed before says nothing about what comes.
    else if (event.kind === "prompt" || event.kind === "interrupt") work.failedInRow = 0;
  }
  if (work.times.length > maxTimes) work.times.splice(0, work.times.length - maxTimes);
}

function addCall(work: Work, open: Map<string, string>, { toolUse, at }: Extract<TranscriptEvent, { kind: "tool" }>): void {
  work.tools.set(toolUse.name, (work.tools.get(toolUse.name) ?? 0) + 1);
  keep(open, toolUse.id, toolUse.name, maxOpen);
  const path = toolUse.input[editors[toolUse.name] ?? ""];
  if (typeof path !== "string") return;
  const edits = (work.files.get(path)?.edits ?? 0) + 1;
  work.files.delete(path);
  keep(work.files, path, { edits, at }, maxFiles);
}

function addResult(work: Work, open: Map<string, string>, event: Extract<TranscriptEvent, { kind: "result" }>): void {
  const tool = open.get(event.toolUseId) ?? "?";
  open.delete(event.toolUseId);
  if (!event.isError) {
    work.failedInRow = 0;
    return;
  }
  work.failedInRow++;
  work.failingTool = tool;
  work.errors.push({ at: event.at, tool, text: event.text ?? "" });
  if (work.errors.length > maxErrors) work.errors.shift();
}

/** The oldest entry leaves when there are too many. */
function keep<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > max && !oldest.done) map.delete(oldest.value);
}

/** Events per equal span of time up to now, oldest first. */
export function activity(times: readonly number[], now: number, spans: number, spanMs: number): number[] {
  const counts = new Array<number>(spans).fill(0);
  for (const at of times) {
    const index = spans - 1 - Math.floor((now - at) / spanMs);
    if (index >= 0 && index < spans) counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}
