import { basename } from "node:path";
import { SilentExit } from "./errors.ts";
import { runLimitHook } from "./limit-hook.ts";
import { configDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

/** Runs inside claude's turn: never fails, never waits, and loads nothing before there is something to note. */
export async function answerLimitHook(sys: Sys, args: readonly string[]): Promise<void> {
  const dir = ownerOf(args) ?? configDir(sys);
  const input = await sys.readInput();
  await noteEnd(sys, input).catch(() => undefined);
  const answer = await runLimitHook(sys, input, {
    owner: async () => (await findOwner(sys, dir))?.name ?? basename(dir),
    async recordLimit({ window, resetsAt, at }) {
      (await import("./usage.ts")).recordLimit(sys, dir, window, resetsAt, at);
    },
    best: () => findBest(sys, dir),
    sequence: async (title, body) => (await import("./notify.ts")).planNotification(sys.platform, sys.env, title, body).sequence,
  }).catch(() => undefined);
  // A hook that fails must not disturb the turn it runs in.
  if (answer !== undefined) sys.write(1, `${answer}\n`);
  throw new SilentExit(0);
}

/** What ends and goes on in the same process. */
const goingOn = new Set(["clear", "resume"]);

/** So that a session which a restart of the machine ends is told from one that somebody ended: csm restore. */
async function noteEnd(sys: Sys, text: string): Promise<void> {
  const pid = Number(sys.env.CLAUDE_PID);
  if (!text.includes("SessionEnd") || !Number.isInteger(pid)) return;
  const { parseHookInput } = await import("./claude-hooks.ts");
  const input = parseHookInput(text);
  if (input?.event !== "SessionEnd" || goingOn.has(input.reason ?? "")) return;
  const { rememberEnd } = await import("./launch-record.ts");
  rememberEnd(sys, pid, input.reason === "other" ? "signal" : "exit", input.sessionId);
}

const ownerOf = (args: readonly string[]): string | undefined => {
  const index = args.findIndex((word) => word === "--owner" || word.startsWith("--owner="));
  return args[index]?.startsWith("--owner=") ? args[index]?.slice("--owner=".length) : index < 0 ? undefined : args[index + 1];
};

async function findOwner(sys: Sys, dir: string) {
  const { profileOfDir, readRegistryOrNone } = await import("./registry.ts");
  return profileOfDir(sys, readRegistryOrNone(sys), dir);
}

async function findBest(sys: Sys, dir: string): Promise<string | undefined> {
  const { rankAccounts, readUsage } = await import("./usage.ts");
  const current = (await findOwner(sys, dir))?.name ?? "";
  const report = await readUsage(sys, { fetches: false });
  return rankAccounts(sys, report, { current, includeCurrent: false, hasAgeGate: false }).winner;
}
