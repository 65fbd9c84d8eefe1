import { actWhile } from "./act-feed.ts";
import { splitFlags } from "./claude-program.ts";
import { given, printJson, repeatableSpawnFlags, spawnFlags, spawnOptions, wholeNumber } from "./cmd-csd-json.ts";
import { type App, command } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { type RunOutcome, runPrompt } from "./driver-run.ts";
import { exitCode, SilentExit, usageError } from "./errors.ts";
import { findClaude } from "./launch.ts";
import { printableJson } from "./printable.ts";
import { resolveTarget } from "./resolve.ts";
import type { Sys } from "./sys.ts";

/** What scripts branch on. */
export const runExitCodes: Record<RunOutcome["status"], number> = {
  ...{ done: exitCode.ok, awaiting_answer: 3, gated: 4, limited: 5, failed: 6 },
  timed_out: exitCode.timeout,
};

export const runCsdCommand = command({
  name: "csd run",
  summary: "Ask once and print the answer: starts a session, sends, waits, and ends the session, however that went.",
  args: {
    ...spawnFlags,
    resume: {
      type: "string",
      valueHint: "WHICH",
      description: "go on with this conversation of the folder: its id, the beginning of it, or its title",
    },
    session: { type: "string", valueHint: "NAME", description: "use this running session, and leave it running" },
    keep: { type: "boolean", description: "keep the session that was started, also at a question, a gate or an error" },
    timeout: {
      type: "string",
      valueHint: "SECS",
      default: "600",
      description: `give up after this time, with code ${exitCode.timeout}; 0 for never (default: 600)`,
    },
    "approve-plan": { type: "boolean", description: "approve a plan that comes up, and go on" },
    json: { type: "boolean", description: "print every outcome as JSON on stdout" },
  },
  repeatable: repeatableSpawnFlags,
  rest: {
    kind: "prompt",
    hint: "[PROMPT…] [-- CLAUDE FLAGS…]",
    about: "the text, without which it is read from stdin; behind --, flags of claude's own",
  },
  examples: [
    ["csd run What does this project do?", "the answer on stdout"],
    ["git diff | csd run --json | jq -r .text", ""],
    [
      "csd run --session fix Go on",
      `codes: 0 done, 2 wrong usage, 3 asks something, 4 at a gate, 5 usage limit, 6 API error, ${exitCode.timeout} timed out`,
    ],
    ["csd run --model opus Review this -- --append-system-prompt 'Be brief'", "flags that only claude knows"],
  ],
  async run({ args, repeated, rest, app }) {
    const { words, claudeArgs } = await splitPrompt(app, rest);
    const prompt = words.length > 0 ? words.join(" ") : (await app.sys.readInput()).trim();
    // The first of them is named.
    const own = ["cwd", "session-id", "resume", ...Object.keys(spawnFlags)];
    if (args.session !== undefined) {
      refuseBeside(
        "--session",
        own.filter((flag) => args[flag as keyof typeof args] !== undefined && args[flag as keyof typeof args] !== false),
      );
      if (claudeArgs.length > 0) throw usageError("csd run: flags for claude cannot be used with --session", "it runs already");
    }
    if (args.resume !== undefined && args["session-id"] !== undefined) refuseBeside("--resume", ["session-id"]);
    const seconds = wholeNumber("--timeout", args.timeout);
    const driver = createDriver(app.sys);
    const resumeId = args.resume === undefined ? undefined : await (await import("./candidates.ts")).resolveSessionId(app.sys, args.resume);
    const outcome = await runPrompt(driver, {
      prompt,
      ...given("session", args.session === undefined ? undefined : await resolveTarget(driver, args.session)),
      spawn: { ...spawnOptions(args, repeated["add-dir"], claudeArgs), ...given("resumeId", resumeId) },
      isKept: args.keep === true,
      isPlanApproved: args["approve-plan"] === true,
      meanwhile: ({ pid }, work) => actWhile(app.sys, (session) => session.pid === pid, work),
      timeoutMs: seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000,
    });
    print(app, outcome, args.json === true);
    throw new SilentExit(runExitCodes[outcome.status]);
  },
});

/**
 * Behind the prompt `--` begins claude's flags when one follows, as in `git checkout -- file` it does not. Before any prompt it
 * does so too, unless what follows is a prompt that begins with a dash, as the older csd takes it.
 */
async function splitPrompt({ sys }: App, rest: readonly string[]): Promise<{ words: readonly string[]; claudeArgs: readonly string[] }> {
  const at = rest.findIndex((word, index) => word === "--" && rest[index + 1]?.startsWith("-") === true);
  if (at > 0) return { words: rest.slice(0, at), claudeArgs: rest.slice(at + 1) };
  const isDashed = rest[0]?.startsWith("-") === true && rest[0] !== "-";
  if (isDashed && (await isClaudeFlags(sys, rest))) return { words: [], claudeArgs: rest };
  return { words: rest, claudeArgs: [] };
}

/** Nothing but flags of the claude that is installed, and their values. */
async function isClaudeFlags(sys: Sys, words: readonly string[]): Promise<boolean> {
  const { readFlagTable } = await import("./relaunch-act.ts");
  const table = await readFlagTable(sys, { path: findClaude(sys), prefix: [], cwd: sys.cwd });
  return splitFlags(words, table).every(({ flag }) => flag !== undefined && table.has(flag));
}

function refuseBeside(flag: string, others: readonly string[]): void {
  if (others.length > 0) throw usageError(`csd run: ${flag} cannot be used with --${others[0]}`, "give one of them");
}

/** An answer is text on stdout; everything else goes to stderr, so that a pipe gets answers only. */
function print(app: App, outcome: RunOutcome, isJson: boolean): void {
  if (isJson) printJson<"csd run">(app, outcome);
  else if (outcome.status === "done") app.exact(outcome.text);
  else app.tell(app.sys.isTerminal(2) ? describe(outcome) : printableJson(outcome, 0));
}

function describe(outcome: RunOutcome): string {
  const { session, session_id: id } = outcome;
  const rest =
    session === undefined ? `its session is ended; csd run --resume ${id} goes on with it` : `session "${session}" is still there`;
  return `csd run: ${outcomeWords(outcome)}; ${rest}`;
}

function outcomeWords(outcome: RunOutcome): string {
  switch (outcome.status) {
    case "timed_out":
      return `no answer within ${outcome.waited_secs} s`;
    case "awaiting_answer":
      return `it asks: ${outcome.question}`;
    case "gated":
      return `it waits at a gate: ${outcome.tool ?? outcome.gate}`;
    default:
      return outcome.text;
  }
}
