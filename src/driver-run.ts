import { type Driver, findLive, readReference, type Target } from "./driver.ts";
import { killSession } from "./driver-kill.ts";
import { sendPrompt } from "./driver-prompt.ts";
import { answerGate } from "./driver-reply.ts";
import { type SpawnOptions, spawnSession } from "./driver-spawn.ts";
import { UserError } from "./errors.ts";
import { timed } from "./format.ts";
import { present } from "./json.ts";
import type { Verdict } from "./status.ts";
import { isAtRest } from "./statuses.ts";
import { waitForStatus } from "./watch.ts";

interface RunOptions {
  prompt: string;
  /** Use this session and leave it; otherwise one is started for the run, and ended however the run ends. */
  session?: Target;
  spawn: SpawnOptions;
  /** Keep the session that was started. */
  isKept: boolean;
  isPlanApproved: boolean;
  /** What else is done for this session from the moment the prompt was taken. */
  meanwhile?: <T>(target: Target, work: () => Promise<T>) => Promise<T>;
  /** From the moment the prompt was taken; Infinity for none. */
  timeoutMs: number;
}

/** Of the session; its name only while it is still there. */
interface Ids {
  session?: string;
  session_id: string | null;
}

/** How a run ended, and what every command says of its session; keys in the order in which they are printed. */
export type RunOutcome = Ended & Omit<Awaited<ReturnType<typeof readReference>>, "name"> & { name?: string };

type Ended = Ids &
  (
    | { status: "done"; text: string; outcome?: string }
    | { status: "awaiting_answer"; question: string; questions?: unknown }
    | { status: "gated"; gate: string; prompt: string; options: string[]; tool?: string; input?: unknown }
    | { status: "timed_out"; waited_secs: number }
    | { status: "limited"; text: string; window: string; resets_at: number | null; resets_time: string | null }
    | { status: "failed"; text: string; error: string }
  );

/** Asks once and returns with the answer, or with what stands in its way. */
export async function runPrompt(driver: Driver, options: RunOptions): Promise<RunOutcome> {
  if (options.prompt.trim() === "") throw new UserError("empty prompt", "give the text, or pipe it in");
  if (options.session !== undefined) return drive(driver, options.session, options);
  const { name } = (await spawnSession(driver, { ...options.spawn, isTrusted: true })).driven;
  if (options.isKept) return drive(driver, await findLive(driver, name), options);
  let ending: Promise<unknown> | undefined;
  const end = async () => {
    ending ??= killSession(driver, name);
    await ending;
  };
  const stopListening = driver.sys.onInterrupt(end);
  try {
    const { session: _, name: __, ...outcome } = await drive(driver, await findLive(driver, name), options);
    return outcome;
  } finally {
    await end();
    stopListening();
  }
}

async function drive(driver: Driver, target: Target, options: RunOptions): Promise<RunOutcome> {
  const ended = await askOnce(driver, target, options);
  return { ...ended, ...(await readReference(driver, target)) };
}

async function askOnce(driver: Driver, target: Target, options: RunOptions): Promise<Ended> {
  const { sys } = driver;
  const { meanwhile = (_: Target, work: () => Promise<Ended>) => work() } = options;
  let startedAt = sys.now();
  const timedOut = (): Ended => ({
    status: "timed_out",
    waited_secs: Math.floor((sys.now() - startedAt) / 1000),
    ...keptIds(target),
  });
  // A turn of somebody else's is let to its end; its gates are not ours to answer.
  const before = await waitForStatus(driver, target, isAtRest, options.timeoutMs);
  if (!before.isWanted) return timedOut();
  if (isGate(before.verdict)) return toOutcome(target, before.verdict);
  const sent = await sendPrompt(driver, target, options.prompt);
  if (sent.receipt === "typed") return { status: "done", text: "", ...ids(target) };
  startedAt = sys.now();
  // Not before: a session that only waits for its prompt is over for no rule.
  return meanwhile(target, async () => {
    for (;;) {
      const left = options.timeoutMs - (sys.now() - startedAt);
      const { verdict, isWanted } = await waitForStatus(driver, target, isAtRest, left);
      if (isWanted && verdict.status === "plan_ready" && options.isPlanApproved) {
        await answerGate(driver, target, { meaning: "allow-once" }, present({ gate: verdict.gate_id }));
        continue;
      }
      if (verdict.status === "dead") throw new UserError(`session "${target.name}" is not alive`, "it ended while it worked");
      return isWanted ? toOutcome(target, verdict) : timedOut();
    }
  });
}

const isGate = (verdict: Verdict): boolean =>
  verdict.status === "plan_ready" || verdict.status === "blocked" || (verdict.status === "awaiting_answer" && verdict.gate !== undefined);

const keptIds = (target: Target) => ({ session: target.name, session_id: target.driven?.session_id ?? "" });
const ids = (target: Target) => ({ session_id: target.driven?.session_id ?? "", session: target.name });

function toOutcome(target: Target, verdict: Verdict): Ended {
  switch (verdict.status) {
    case "idle_done":
      return {
        status: "done",
        text: verdict.text,
        ...ids(target),
        ...(verdict.outcome === "finished" ? {} : { outcome: verdict.outcome }),
      };
    case "awaiting_answer":
      return {
        status: "awaiting_answer",
        question: verdict.question,
        ...keptIds(target),
        ...present({ questions: verdict.questions }),
      };
    case "plan_ready":
      return { status: "gated", gate: "plan", prompt: verdict.plan ?? "", options: [], ...keptIds(target) };
    case "blocked": {
      const { gate, prompt, options } = verdict;
      const asked = verdict.tool === undefined ? {} : { tool: verdict.tool, input: verdict.input };
      return { status: "gated", gate, prompt, options, ...keptIds(target), ...asked };
    }
    case "limited":
      return { status: "limited", text: verdict.text, window: verdict.window, ...timed("resets", verdict.resets_at), ...keptIds(target) };
    case "failed":
      return { status: "failed", text: verdict.text, error: verdict.error, ...keptIds(target) };
    default:
      throw new UserError(`session "${target.name}" is ${verdict.status}`, `csd state ${target.name} shows more`);
  }
}
