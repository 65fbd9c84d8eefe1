import { basename } from "node:path";
import { command } from "./cmd-record.ts";
import { SilentExit } from "./errors.ts";
import { runLimitHook } from "./limit-hook.ts";
import { planNotification } from "./notify.ts";
import { configDir } from "./paths.ts";
import { profileOfDir, readRegistryOrNone } from "./registry.ts";
import type { Sys } from "./sys.ts";

export const hookCommand = command({
  name: "csm hook",
  summary: "As a hook of claude: notes a usage limit and says where the conversation could go on. csm setup installs it.",
  args: { owner: { type: "string", valueHint: "DIR", description: "the config dir of the session; that of the environment unless told" } },
  examples: [["csm hook < hook-input.json", "reads what claude gives its hooks"]],
  run: ({ args, app }) => answerLimitHook(app.sys, args.owner === undefined ? [] : ["--owner", args.owner]),
});

/** Runs inside claude's turn: never fails, never waits, and loads nothing before there is something to note. */
export async function answerLimitHook(sys: Sys, args: readonly string[]): Promise<void> {
  const dir = ownerOf(args) ?? configDir(sys);
  const input = await sys.readInput();
  await noteEnd(sys, input).catch(() => undefined);
  const answer = await runLimitHook(sys, input, {
    owner: profileOfDir(sys, readRegistryOrNone(sys), dir)?.name ?? basename(dir),
    async recordLimit({ window, resetsAt, at }) {
      (await import("./usage.ts")).recordLimit(sys, dir, window, resetsAt, at);
    },
    best: () => findBest(sys, dir),
    sequence: (title, body) => planNotification(sys.platform, sys.env, title, body).sequence,
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

async function findBest(sys: Sys, dir: string): Promise<string | undefined> {
  const { rankAccounts, readUsage } = await import("./usage.ts");
  const registry = readRegistryOrNone(sys);
  const current = profileOfDir(sys, registry, dir)?.name ?? "";
  const report = await readUsage(sys, { registry, fetches: false });
  return rankAccounts(sys, report, { current, includeCurrent: false, hasAgeGate: false }).winner;
}
