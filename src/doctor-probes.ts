import { hashPrompt } from "./channel.ts";
import {
  act,
  type Canary,
  choicesOf,
  examine,
  giveUpEditor,
  hasFile,
  hasReceived,
  installSettings,
  type Json,
  leave,
  type Probe,
  pollEvent,
  pollHeld,
  pollSession,
  pollStatusline,
  pollTranscript,
  prompt,
  reach,
  sendBy,
  startProbe,
  startTimeoutMs,
} from "./doctor-canary.ts";
import {
  type AnswerEffect,
  degraded,
  judgeAnswers,
  judgeEvent,
  judgeMenu,
  judgePrompt,
  judgeQuestion,
  judgeRequest,
  judgeSessionFile,
  judgeStatusline,
  judgeTranscript,
  judgeWords,
  type Signal,
  trusted,
  type Words,
} from "./doctor-judge.ts";
import { UserError } from "./errors.ts";
import { readProcess } from "./process.ts";
import { isOwner } from "./session-file.ts";
import type { Choice } from "./status.ts";
import { ask, bash, fail, hold, plan, type Step, say, useTool } from "./stub-script.ts";

/** What is judged only when the probes are over. */
interface Seen {
  /** What the session files said at the moments at which csd goes by them. */
  status: Words<"idle" | "busy" | "waiting">;
  waitingFor: Words<"permission" | "question">;
  /** Through the hook. */
  answers: Record<string, AnswerEffect>;
}

/** Three sessions at once: one takes turns, one asks at gates, one starts in a folder that nobody trusts. */
export async function runProbes(canary: Canary): Promise<void> {
  installSettings(canary);
  const seen: Seen = { status: {}, waitingFor: {}, answers: {} };
  const turnSignals: Signal[] = [
    "session_file",
    "hook.UserPromptSubmit",
    "prompt.editor",
    "hook.Stop",
    "transcript",
    "statusline",
    "interrupt",
  ];
  const gateSignals: Signal[] = ["hook.PermissionRequest", "hook.answer", "gate.bash", "keys", "gate.write", "gate.question"];
  await Promise.all([
    examine(canary, [...turnSignals, "hook.StopFailure", "prompt.paste"], () => runTurns(canary, seen)),
    examine(canary, gateSignals, () => runGates(canary, seen)),
    examine(canary, ["gate.trust", "gate.plan"], () => runStart(canary)),
  ]);
  canary.tell("status", judgeWords({ idle: "idle", busy: "busy", waiting: "waiting" }, seen.status));
  canary.tell("waiting_for", judgeWords({ permission: "permission prompt", question: "input needed" }, seen.waitingFor));
}

// --- turns ---------------------------------------------------------------------------------------------------------

async function runTurns(canary: Canary, seen: Seen): Promise<void> {
  const probe = await startProbe(canary, "turns", canary.box.folder("turns"), "default");
  await examine(canary, ["session_file"], () => checkSessionFile(probe, seen));
  await examine(canary, ["hook.UserPromptSubmit", "prompt.editor", "hook.Stop", "transcript"], () => checkTurn(probe, seen));
  await examine(canary, ["statusline"], () => checkStatusline(probe));
  await examine(canary, ["interrupt"], () => checkInterrupt(probe));
  await examine(canary, ["hook.StopFailure"], () => checkFailure(probe));
  await examine(canary, ["prompt.paste"], () => checkPaste(probe));
}

async function checkSessionFile(probe: Probe, seen: Seen): Promise<void> {
  const { box, tell } = probe.canary;
  const { text, file, word } = await pollSession(probe, "idle");
  seen.status = { ...seen.status, ...given("idle", word) };
  const owner = await readProcess(box.sys, probe.target.pid);
  tell("session_file", judgeSessionFile({ text, file, isOwner: file !== undefined && isOwner(box.sys, owner, file), sessionId: probe.id }));
}

const given = <K extends string>(key: K, word: string | undefined): Words<K> => (word === undefined ? {} : { [key]: word }) as Words<K>;

/** With what a paste would change or run: a leading `!`, a tab, a line feed. */
const hardPrompt = "!doctor: a tab\tand\na second line";
const plainPrompt = "Sing";
const answer = "The canary sings.";

async function checkTurn(probe: Probe, seen: Seen): Promise<void> {
  const { box, tell } = probe.canary;
  const steps = [hold(answer)];
  let received: string | undefined;
  await examine(probe.canary, ["prompt.editor"], async () => {
    received = await sendBy(probe, "editor", hardPrompt, steps);
    tell("prompt.editor", judgePrompt(hardPrompt, received, false));
  });
  if (received === undefined) {
    await giveUpEditor(probe);
    await prompt(probe, plainPrompt, steps);
  }
  const hash = hashPrompt(received === undefined ? plainPrompt : hardPrompt);
  tell(
    "hook.UserPromptSubmit",
    judgeEvent(await pollEvent(probe, "UserPromptSubmit"), (event) => event.prompt_hash === hash, "the prompt"),
  );
  seen.status = { ...seen.status, ...given("busy", (await pollSession(probe, "busy")).word) };
  box.stub.release(probe.id);
  await reach(probe, "idle_done");
  tell(
    "hook.Stop",
    judgeEvent(await pollEvent(probe, "Stop"), ({ text }) => text === answer, "the last answer"),
  );
  tell("transcript", judgeTranscript(await pollTranscript(probe, answer), answer));
}

async function checkStatusline(probe: Probe): Promise<void> {
  const isWhole = (input: Json) => judgeStatusline(input, probe.id).verdict === "trusted";
  probe.canary.tell("statusline", judgeStatusline(await pollStatusline(probe, isWhole), probe.id));
}

async function checkInterrupt(probe: Probe): Promise<void> {
  const { box, tell } = probe.canary;
  await prompt(probe, "Sing on", [hold("It sings on and")]);
  try {
    // csd interrupt takes a turn that only the hook has told for none.
    await pollSession(probe, "busy");
    const { interrupted } = await act(probe, "interrupt");
    if (interrupted !== true) throw new UserError("csd interrupt sees no turn that runs");
    const { outcome } = await reach(probe, "idle_done");
    tell("interrupt", outcome === "interrupted" ? trusted("Esc ended the turn") : degraded(`the turn counts as ${String(outcome)}`));
  } finally {
    // A turn that was not ended would keep the next prompt out.
    box.stub.release(probe.id);
  }
}

/** 2.1.329 sends a refused request six times, each time with less in it. */
const manyTries = 100;

async function checkFailure(probe: Probe): Promise<void> {
  await prompt(probe, "Fall silent", [fail(400, "this error is part of csd doctor", manyTries)]);
  await reach(probe, "failed,idle_done");
  const event = await pollEvent(probe, "StopFailure");
  probe.canary.tell(
    "hook.StopFailure",
    judgeEvent(event, ({ error }) => (error ?? "") !== "", `the class of the error, ${event?.error}`),
  );
}

const pastedPrompt = "A tab\tand\na second line";

async function checkPaste(probe: Probe): Promise<void> {
  const received = await sendBy(probe, "paste", pastedPrompt, [say("Pasted.")]);
  probe.canary.tell("prompt.paste", judgePrompt(pastedPrompt, received, true));
  await reach(probe, "idle_done");
}

// --- gates -----------------------------------------------------------------------------------------------------------

async function runGates(canary: Canary, seen: Seen): Promise<void> {
  const probe = await startProbe(canary, "gates", canary.box.folder("gates"), "default");
  await examine(canary, ["hook.PermissionRequest", "gate.bash", "hook.answer"], () => checkBash(probe, seen));
  await leave(probe);
  await examine(canary, ["gate.write", "hook.answer"], () => checkWrite(probe, seen));
  await leave(probe);
  await examine(canary, ["gate.question"], () => checkQuestion(probe, seen));
  await leave(probe);
  // Last: the hook of a gate that keys have answered can outlive it, and would speak for the next one.
  await examine(canary, ["keys"], () => checkKeys(probe));
}

/** `rm` makes every version ask. */
const commandFor = (file: string): string => `touch ${file} && rm -f none.txt`;
const askFor = (file: string): Step[] => [bash(commandFor(file), `Make ${file}`), say("Made.")];

async function checkBash(probe: Probe, seen: Seen): Promise<void> {
  const { tell } = probe.canary;
  await prompt(probe, "Make a file", askFor("hook.txt"));
  const event = await pollEvent(probe, "PermissionRequest");
  const held = event === undefined ? undefined : await pollHeld(probe);
  const { file, word } = await pollSession(probe, "waiting");
  seen.status = { ...seen.status, ...given("waiting", word) };
  seen.waitingFor = { ...seen.waitingFor, ...given("permission", file?.waitingFor) };
  tell("hook.PermissionRequest", judgeRequest(event, held, "Bash", commandFor("hook.txt")));
  await examine(probe.canary, ["gate.bash"], async () => tell("gate.bash", judgeMenu(await readGate(probe, "Bash"))));
  const { channel } = await act(probe, "approve");
  await reach(probe, "idle_done");
  seen.answers.approve = { channel, isDone: hasFile(probe, "hook.txt") };
}

async function checkWrite(probe: Probe, seen: Seen): Promise<void> {
  const { tell } = probe.canary;
  await prompt(probe, "Write a file", [useTool("Write", { file_path: `${probe.folder}/refused.txt`, content: "no\n" }), say("Written.")]);
  await examine(probe.canary, ["gate.write"], async () => tell("gate.write", judgeMenu(await readGate(probe, "Write"))));
  const { channel } = await act(probe, "deny");
  await reach(probe, "idle_done");
  seen.answers.deny = { channel, isDone: !hasFile(probe, "refused.txt") };
  tell("hook.answer", judgeAnswers("hook", seen.answers));
}

const options = ["src", "test"];

async function checkQuestion(probe: Probe, seen: Seen): Promise<void> {
  const described = options.map((label) => ({ label, description: `The folder ${label}` }));
  await prompt(probe, "Ask me", [ask({ question: "Which folder?", header: "Folder", options: described }), say("Using it.")]);
  const state = await reach(probe, "awaiting_answer");
  seen.waitingFor = { ...seen.waitingFor, ...given("question", (await pollSession(probe, "waiting")).file?.waitingFor) };
  await act(probe, "answer", "--choice", "test");
  await reach(probe, "idle_done");
  const isAnswered = hasReceived(probe, '\\"Which folder?\\"=\\"test\\"');
  probe.canary.tell("gate.question", judgeQuestion(choicesOf(state), options, isAnswered));
}

async function checkKeys(probe: Probe): Promise<void> {
  await prompt(probe, "Make another file", askFor("keys.txt"));
  const allow = (await readGate(probe, "Bash")).find(({ meaning }) => meaning === "allow-once");
  if (allow === undefined) throw new UserError("no option was read that allows once");
  const { channel } = await act(probe, "approve", "--option", String(allow.option));
  await reach(probe, "idle_done");
  const effect: AnswerEffect = { channel, isDone: hasFile(probe, "keys.txt") };
  probe.canary.tell("keys", judgeAnswers("keys", { [`approve --option ${allow.option}`]: effect }));
}

/** The options of the gate of this tool. */
async function readGate(probe: Probe, tool: string): Promise<Choice[]> {
  await waitForHook(probe);
  const state = await reach(probe, "blocked");
  if (state.gate !== "permission" || state.tool !== tool) throw new UserError(`it is read as a ${state.gate} gate of ${state.tool}`);
  return choicesOf(state);
}

/** It tells what the gate asks, and may come after its dialog; without it the transcript does. */
const waitForHook = async (probe: Probe): Promise<void> => void (await pollHeld(probe));

// --- start -----------------------------------------------------------------------------------------------------------

async function runStart(canary: Canary): Promise<void> {
  const probe = await startProbe(canary, "start", canary.box.folder("start", false), "plan");
  await examine(canary, ["gate.trust"], () => checkTrust(probe));
  await examine(canary, ["gate.plan"], () => checkPlan(probe));
}

async function checkTrust(probe: Probe): Promise<void> {
  const state = await act(probe, "state");
  if (state.gate !== "trust") throw new UserError(`in a new folder the session is ${state.status} ${state.gate ?? ""}`.trimEnd());
  await act(probe, "approve");
  await reach(probe, "idle_done", startTimeoutMs);
  probe.canary.tell("gate.trust", judgeMenu(choicesOf(state)));
}

const planText = "# Sing\n\n1. Yes\n2. No\n";

async function checkPlan(probe: Probe): Promise<void> {
  const { tell } = probe.canary;
  await prompt(probe, "Plan a song", [...plan(planText), say("Sung.")]);
  await waitForHook(probe);
  const state = await reach(probe, "plan_ready");
  await act(probe, "approve");
  const { text } = await pollTranscript(probe, "Sung.");
  if (state.plan !== planText) tell("gate.plan", degraded("its text is not the model's"));
  else tell("gate.plan", text === "Sung." ? judgeMenu(choicesOf(state), false) : degraded("the approval had no effect"));
}
