import { present } from "./json.ts";
/** Programs and servers of others: nothing they do takes more time or memory than was given to them. */

export interface Bounds {
  timeoutMs: number;
  maxBytes: number;
}

export interface BoundedRun extends Bounds {
  input?: string;
  env: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** What the program leaves running after it has ended well may go on. */
  leavesChildren?: boolean;
  /** It need not say anything. */
  canBeSilent?: boolean;
}

/** What came, or why nothing may be made of it. */
export type Bounded = { text: string } | { failure: string };

/** Runs a program in a process group of its own; at the deadline, or when it says too much, the whole group ends. */
export async function runBounded(
  argv: readonly string[],
  { timeoutMs, maxBytes, input, env, cwd, leavesChildren, canBeSilent }: BoundedRun,
): Promise<Bounded> {
  const isWindows = process.platform === "win32";
  let child: ReturnType<typeof Bun.spawn<"ignore" | Uint8Array, "pipe", "ignore">>;
  try {
    child = Bun.spawn([...argv], {
      stdin: input === undefined ? "ignore" : new TextEncoder().encode(input),
      stdout: "pipe",
      stderr: "ignore",
      env,
      detached: !isWindows,
      ...present({ cwd }),
    });
  } catch (error) {
    return { failure: `could not be started: ${(error as Error).message}` };
  }
  const end = () => endGroup(child.pid, isWindows);
  let isLate = false;
  let hasEnded = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
    // A pipe that somebody else keeps open must not keep us.
    reading.cancel();
  }, timeoutMs);
  const reading = readBounded(child.stdout, maxBytes);
  try {
    const body = await reading.done;
    if (body === undefined) return { failure: isLate ? lateText(timeoutMs) : `it says more than ${maxBytes} bytes` };
    const code = await Promise.race([child.exited, Bun.sleep(timeoutMs).then(() => null)]);
    if (isLate) return { failure: lateText(timeoutMs) };
    if (code !== 0) return { failure: code === null ? "ended by a signal" : `exit code ${code}` };
    hasEnded = true;
    return canBeSilent === true ? { text: "" } : decode(body);
  } finally {
    clearTimeout(timer);
    if (!hasEnded || leavesChildren !== true) end();
  }
}

const lateText = (timeoutMs: number): string => `no answer within ${timeoutMs / 1000} s`;

/** What the program started and left behind ends with it. */
function endGroup(pid: number, isWindows: boolean): void {
  try {
    if (isWindows) Bun.spawn(["taskkill", "/T", "/F", "/PID", String(pid)], { stdout: "ignore", stderr: "ignore" });
    else process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}

type Fetch = Bounds & { headers?: Record<string, string> };

/** What a header may say goes to no other place than the one named; the deadline holds for the whole body. */
export async function fetchBytes(
  url: string,
  { timeoutMs, maxBytes, headers }: Fetch,
): Promise<{ bytes: Uint8Array } | { failure: string }> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      signal: stop.signal,
      redirect: headers === undefined ? "follow" : "manual",
      ...present({ headers }),
    });
    if (response.status !== 200) return { failure: `status ${response.status}` };
    if (response.body === null) return { failure: "an empty answer" };
    const reading = readBounded(response.body, maxBytes);
    stop.signal.addEventListener("abort", reading.cancel);
    const bytes = await reading.done;
    if (bytes !== undefined) return { bytes };
    return { failure: stop.signal.aborted ? lateText(timeoutMs) : `it says more than ${maxBytes} bytes` };
  } catch (error) {
    if (stop.signal.aborted) return { failure: lateText(timeoutMs) };
    return { failure: (error as Error).message };
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

export async function fetchBounded(url: string, options: Fetch): Promise<Bounded> {
  const answer = await fetchBytes(url, options);
  return "failure" in answer ? answer : decode(answer.bytes);
}

/** What a server said to a POST: its status, and when it wants to be asked again; or why there was no answer. */
export type Posted = { status: number; retryAfter?: string } | { failure: string };

/** Goes to the place that is named and to no other, whatever that answers; what it says is not read. */
export async function postBounded(
  url: string,
  { timeoutMs, headers, body }: { timeoutMs: number; headers: Record<string, string>; body: string },
): Promise<Posted> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  try {
    const { status, headers: said } = await fetch(url, { method: "POST", redirect: "manual", signal: stop.signal, headers, body });
    return { status, ...present({ retryAfter: said.get("retry-after") ?? undefined }) };
  } catch (error) {
    return { failure: stop.signal.aborted ? lateText(timeoutMs) : (error as Error).message };
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

/** Undefined when it was too much, broke off or was cancelled; what follows is not read. */
export function readBounded(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): { done: Promise<Uint8Array | undefined>; cancel(): void } {
  const reader = stream.getReader();
  let isCancelled = false;
  const cancel = () => {
    isCancelled = true;
    // The stream may be closed by now, which is what was wanted.
    reader.cancel().catch(() => undefined);
  };
  const read = async () => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (isCancelled) return undefined;
      if (done) return Buffer.concat(chunks);
      size += value.length;
      if (size > maxBytes) {
        cancel();
        return undefined;
      }
      chunks.push(value);
    }
  };
  return { done: read().catch(() => undefined), cancel };
}

function decode(body: Uint8Array): Bounded {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    return text.trim() === "" ? { failure: "an empty answer" } : { text };
  } catch {
    return { failure: "the answer is not UTF-8" };
  }
}
