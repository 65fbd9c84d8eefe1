import { given, printJson, spawnFlags, spawnOptions, wholeNumber } from "./cmd-csd-json.ts";
import { type App, command } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { type RunOutcome, runPrompt } from "./driver-run.ts";
import { SilentExit, usageError } from "./errors.ts";
import { printableJson } from "./printable.ts";

/** What scripts branch on. */
const exitCodes: Record<RunOutcome["status"], number> = { done: 0, timed_out: 2, awaiting_answer: 3, gated: 4, limited: 5, failed: 6 };

export const runCsdCommand = command({
  name: "csd run",
  summary: "Ask once and print the answer: starts a session, sends, waits, and ends it when it is done.",
  args: {
    ...spawnFlags,
    resume: { type: "string", valueHint: "UUID", description: "go on with this conversation of the folder" },
    session: { type: "string", valueHint: "NAME", description: "use this running session, and leave it running" },
    keep: { type: "boolean", description: "keep the session that was started" },
    timeout: { type: "string", valueHint: "SECS", default: "600", description: "give up after this time; 0 for never (default: 600)" },
    "approve-plan": { type: "boolean", description: "approve a plan that comes up, and go on" },
    json: { type: "boolean", description: "print every outcome as JSON on stdout" },
  },
  rest: { kind: "prompt", hint: "[PROMPT…]", about: "the text; without one it is read from stdin" },
  examples: [
    ["csd run What does this project do?", "the answer on stdout"],
    ["git diff | csd run --json | jq -r .text", ""],
    ["csd run --session fix Go on", "exit codes: 0 done, 2 timed out, 3 asks something, 4 at a gate, 5 usage limit, 6 API error"],
  ],
  async run({ args, rest, app }) {
    const prompt = rest.length > 0 ? rest.join(" ") : (await app.sys.readInput()).trim();
    const own = ["cwd", "session-id", "resume", "permission-mode", "auto-accept", "bypass-permissions", "yolo"] as const;
    if (args.session !== undefined)
      refuseBeside(
        "--session",
        own.filter((flag) => args[flag] !== undefined && args[flag] !== false),
      );
    if (args.resume !== undefined && args["session-id"] !== undefined) refuseBeside("--resume", ["session-id"]);
    const seconds = wholeNumber("--timeout", args.timeout);
    const outcome = await runPrompt(createDriver(app.sys), {
      prompt,
      ...given("session", args.session),
      spawn: { ...spawnOptions(args), ...given("resumeId", args.resume) },
      isKept: args.keep === true,
      isPlanApproved: args["approve-plan"] === true,
      timeoutMs: seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000,
    });
    print(app, outcome, args.json === true);
    throw new SilentExit(exitCodes[outcome.status]);
  },
});

function refuseBeside(flag: string, others: readonly string[]): void {
  if (others.length > 0) throw usageError(`csd run: ${flag} cannot be used with --${others[0]}`, "give one of them");
}

/** An answer is text on stdout; everything else goes to stderr, so that a pipe gets answers only. */
function print(app: App, outcome: RunOutcome, isJson: boolean): void {
  if (isJson) printJson(app, outcome);
  else if (outcome.status === "done") app.exact(outcome.text);
  else app.tell(printableJson(outcome));
}
