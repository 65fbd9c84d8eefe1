/**
 * `bun run scripts/gate-rounds.ts [--rounds N] [--seed N] [--claude PATH] [--out DIR]` puts the main thread and up to three
 * sub-agents of the real claude at gates together, in random order and number, with and without hooks, and answers them in
 * random order with random verbs. Exit code 1 when a call ran that nobody allowed, or an answer was told that was not given.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createActions } from "../src/actions.ts";
import { isRecord } from "../src/json.ts";
import { createMonitor } from "../src/monitor.ts";
import { createSandbox, type Sandbox } from "../src/sandbox.ts";
import type { ListedGate } from "../src/status.ts";
import { ask, type ModelRequest, type Reply, say, type ToolCall, useTools } from "../src/stub-script.ts";
import { gateOf, isGateUp } from "../src/verbs.ts";
import { findCheckoutClaude } from "./claude.ts";
import { createRandom } from "./random.ts";

export interface RoundsOptions {
  rounds: number;
  seed: number;
  claudePath: string;
  csdPath: string;
  tell?: (line: string) => void;
}

export interface RoundsReport {
  rounds: number;
  answers: number;
  /** Refusals that were wanted: no gate named, a gate that is gone, a question's choice for a command. */
  refusals: number;
  /** What went wrong, with what was seen. */
  wrong: string[];
}

/** Half of the rounds with hooks and half without, side by side. */
export async function runRounds(options: RoundsOptions): Promise<RoundsReport> {
  const report: RoundsReport = { rounds: 0, answers: 0, refusals: 0, wrong: [] };
  const half = Math.ceil(options.rounds / 2);
  await Promise.all([
    runSeries({ ...options, rounds: half }, report, true),
    runSeries({ ...options, rounds: options.rounds - half, seed: options.seed + 1 }, report, false),
  ]);
  return report;
}

interface Scene {
  agents: number;
  main: "bash" | "question" | "none";
  /** Of main thread and agents, in milliseconds. */
  delays: number[];
  /** All of them ask for a command of one name, so that only folder and number tell them apart. */
  types: string[];
}

async function runSeries(options: RoundsOptions, report: RoundsReport, hasHooks: boolean): Promise<void> {
  if (options.rounds === 0) return;
  const box = await createSandbox({ claudePath: options.claudePath, path: process.env.PATH, fallback: say("Done.") });
  mkdirSync(box.configDir, { recursive: true });
  if (!hasHooks) writeFileSync(join(box.configDir, "settings.json"), JSON.stringify({ disableAllHooks: true }));
  const random = createRandom(options.seed);
  try {
    for (let index = 0; index < options.rounds; index++) {
      const name = `${hasHooks ? "h" : "k"}${index}`;
      const trace: string[] = [];
      try {
        await createRound(box, options, { name, random, report, trace, hasHooks }).run();
      } catch (error) {
        trace.push(String(error instanceof Error ? error.message : error), await describeSession(box, options.csdPath, name));
        report.wrong.push(`round ${name} (seed ${options.seed}): ${trace.join("\n    ")}`);
      }
      report.rounds++;
      options.tell?.(`${name}: ${trace.join(" · ")}`);
      await box.run([options.csdPath, "kill", name]);
    }
  } finally {
    await box.close();
  }
}

/** For the report of a round that went wrong: what csd says, what stands on the screen, and the end of the transcript. */
async function describeSession(box: Sandbox, csdPath: string, name: string): Promise<string> {
  const { stdout: state } = await box.run([csdPath, "state", name]);
  const { stdout: screen } = await box.run(["tmux", "-u", "capture-pane", "-p", "-t", `=${name}:`]);
  const { stdout: lines } = await box.run([csdPath, "tail", name, "--json", "-n", "6"]);
  return [state, screen.replace(/\n{2,}/g, "\n"), ...lines.split("\n").map((line) => line.slice(0, 500))].join("\n");
}

interface Round {
  name: string;
  random: (below: number) => number;
  report: RoundsReport;
  trace: string[];
  hasHooks: boolean;
}

type Json = Record<string, unknown>;
type Wanted = "allowed" | "refused" | "answered";

const roundTimeoutMs = 60_000;
const quietMs = 1200;

function createRound(box: Sandbox, options: RoundsOptions, { name, random, report, trace, hasHooks }: Round) {
  const folder = box.folder(name);
  const scene = pickScene(random);
  /** By marker file, which is named in the command. */
  const decided = new Map<string, Wanted>();
  const stale: string[] = [];
  const tryCsd = (...args: string[]) => box.run([options.csdPath, ...args]);
  const csd = async (...args: string[]): Promise<Json> => {
    const result = await tryCsd(...args);
    if (result.code !== 0) throw new Error(`csd ${args.join(" ")}: ${result.stderr.trim()}`);
    return JSON.parse(result.stdout) as Json;
  };
  const requireNothingElse = (when: string) => {
    for (const file of markers(scene))
      if (existsSync(join(folder, file)) && decided.get(file) !== "allowed")
        throw new Error(`${when}: ${file} was made and nobody allowed it`);
  };
  /** What must be refused, whatever is up. */
  const provoke = async (gates: readonly ListedGate[]) => {
    const requests: string[][] = [];
    if (gates.length > 1) requests.push(["approve", name], ["deny", name]);
    if (stale.length > 0) requests.push(["approve", name, "--gate", stale.at(-1) ?? ""]);
    if (gates.every(({ gate }) => gate !== "question")) requests.push(["answer", name, "--choice", "red"]);
    const [gate] = gates;
    if (gate?.tool === "Bash") requests.push(["approve", name, "--gate", gate.gate_id, "--expect", "npm test"]);
    const request = requests[random(requests.length)];
    if (request === undefined) return;
    const result = await tryCsd(...request);
    if (result.code === 0) throw new Error(`csd ${request.join(" ")} answered: ${result.stdout}`);
    report.refusals++;
    requireNothingElse(`csd ${request.join(" ")}`);
  };
  const answer = async (gates: readonly ListedGate[]) => {
    const open = gates.filter(({ shown, held }) => shown || held);
    const gate = open[random(open.length)];
    if (gate === undefined) return;
    const file = fileOf(JSON.stringify(gate.input));
    if (gate.gate === "question") {
      trace.push(`answer ${gate.gate_id}`);
      const told = await csd("answer", name, "--gate", gate.gate_id, "--choice", "red");
      if (told.chosen !== "red" || told.gate_id !== gate.gate_id) throw new Error(`answer told ${JSON.stringify(told)}`);
      decided.set("question", "answered");
    } else {
      // Its dialog is painted, and neither hook nor transcript has told the call yet: it is looked at again.
      if (gate.tool === null) return;
      if (file === undefined) throw new Error(`a gate without a call: ${JSON.stringify(gates)}`);
      const verb = pickVerb(gate, random, gates);
      trace.push(`${verb} ${file}`);
      const wanted = verb.startsWith("deny") || verb.startsWith("d ") ? "refused" : "allowed";
      // Before the answer: the file may be there before the verb returns.
      decided.set(file, wanted);
      if ((await carryOut(verb, gate)) === "overtaken") {
        decided.delete(file);
        return void trace.push("overtaken");
      }
    }
    report.answers++;
    stale.push(gate.gate_id);
    requireNothingElse(trace.at(-1) ?? "");
  };
  const carryOut = async (verb: string, gate: ListedGate): Promise<"overtaken" | undefined> => {
    if (verb.endsWith("dashboard")) return answerInDashboard(box, name, gate.gate_id, verb.startsWith("d ") ? "refuse" : "allow-once");
    const args =
      verb === "deny with a reason" ? ["deny", name, "--reason", "not this one"] : verb === "deny" ? ["deny", name] : ["approve", name];
    const option = verb === "approve by number" ? ["--option", "1"] : [];
    const told = await csd(...args, "--gate", gate.gate_id, ...option);
    const isRight = told.gate_id === gate.gate_id && told.meaning === (verb.startsWith("deny") ? "refuse" : "allow-once");
    if (!isRight) throw new Error(`${verb} told ${JSON.stringify(told)}`);
    return undefined;
  };
  return {
    async run() {
      const spawned = await csd("spawn", "--name", name, "--cwd", folder, "--permission-mode", "manual");
      box.stub.script(
        String(spawned.session_id),
        Array.from({ length: 100 }, () => (request: ModelRequest) => replyTo(request, scene)),
      );
      trace.push(`${hasHooks ? "hooks" : "keys"} ${scene.agents} agents, main ${scene.main}, ${scene.delays.join("/")} ms`);
      await csd("send", name, "MAIN go");
      const deadline = Date.now() + roundTimeoutMs;
      for (let quietAt = Date.now(); Date.now() - quietAt < quietMs; ) {
        if (Date.now() > deadline) throw new Error(`not over in ${roundTimeoutMs / 1000} s: ${JSON.stringify(await csd("state", name))}`);
        const state = await csd("state", name);
        const gates = (state.gates ?? []) as ListedGate[];
        requireOne(state, gates);
        if (gates.length > 0) {
          if (random(3) === 0) await provoke(gates);
          await answer(gates);
        }
        if (state.status !== "idle_done" || state.background !== undefined) quietAt = Date.now();
        else await Bun.sleep(100);
      }
      for (const [file, wanted] of decided)
        if (file !== "question" && existsSync(join(folder, file)) !== (wanted === "allowed"))
          throw new Error(`${file} was ${wanted} and was not`);
      requireNothingElse("at the end");
    },
  };
}

/** All fields of a state are about one gate, and it is listed first. */
function requireOne(state: Json, [first]: readonly ListedGate[]): void {
  if (first === undefined) return;
  const isOne =
    state.gate_id === first.gate_id && (state.tool === undefined || JSON.stringify(state.input) === JSON.stringify(first.input));
  const file = fileOf(JSON.stringify(state.input ?? ""));
  const shown = typeof state.subject === "string" ? fileOf(state.subject) : undefined;
  if (!isOne || (file !== undefined && shown !== undefined && file !== shown))
    throw new Error(`the state mixes gates: ${JSON.stringify(state).slice(-900)}`);
}

/** The description names another one. */
const fileOf = (text: string): string | undefined => /touch (r\d\.txt)/.exec(text)?.[1];

const verbs = ["approve", "deny with a reason", "deny", "a in the dashboard", "d in the dashboard", "approve by number"];

function pickVerb({ shown, gate_id: id }: ListedGate, random: (below: number) => number, gates: readonly ListedGate[]): string {
  // Numbers are for the dialog that is shown, the dashboard for the gate that is listed first, whether it is shown or held.
  const fitting = verbs
    .filter((verb) => shown || !verb.endsWith("number"))
    .filter((verb) => gates[0]?.gate_id === id || !verb.endsWith("dashboard"));
  return fitting[random(fitting.length)] ?? "approve";
}

/** A gate that has come since may be the one that the dashboard shows: a person looks again then. */
async function answerInDashboard(
  box: Sandbox,
  name: string,
  gateId: string,
  wish: "allow-once" | "refuse",
): Promise<"overtaken" | undefined> {
  const monitor = createMonitor(box.sys);
  try {
    const session = (await monitor.readSettled()).sessions.find(({ driver }) => driver === name);
    if (session === undefined) throw new Error(`the dashboard does not show ${name}`);
    const shown = gateOf(session);
    if (shown !== gateId && isGateUp(session, gateId)) return "overtaken";
    if (shown !== gateId) throw new Error(`the dashboard shows ${shown}, csd ${gateId}: ${JSON.stringify(session.verdict)}`);
    await createActions(box.sys, monitor).act(wish === "refuse" ? "deny" : "allow", session, {}, shown);
    return undefined;
  } finally {
    monitor.close();
  }
}

function pickScene(random: (below: number) => number): Scene {
  const agents = random(4);
  const main = agents === 0 ? (["bash", "question"] as const)[random(2)] : (["bash", "question", "none"] as const)[random(3)];
  return {
    agents,
    main: main ?? "bash",
    delays: Array.from({ length: agents + 1 }, () => [0, 0, 150, 400, 900][random(5)] ?? 0),
    types: Array.from({ length: agents }, () => (random(3) === 0 ? "Explore" : "general-purpose")),
  };
}

const markers = ({ agents }: Scene): string[] => Array.from({ length: agents + 1 }, (_, index) => `r${index}.txt`);

const command = (index: number, delayMs: number): Reply => {
  const call: ToolCall = ["Bash", { command: `touch r${index}.txt && rm -f none`, description: `Make r${9 - index}.txt, npm test` }];
  return delayMs === 0 ? useTools([call]) : useTools([call], "one two three", { pauseMs: delayMs / 2 });
};

/** What the model says: which thread asks is told by its first message, how far it is by what it has done. */
function replyTo({ body }: ModelRequest, scene: Scene): Reply {
  const messages = (Array.isArray(body.messages) ? body.messages : []).filter(isRecord);
  const agent = /AGENT-(\d)/.exec(JSON.stringify(messages[0] ?? ""))?.[1];
  const said = messages.filter(({ role }) => role === "assistant").length;
  if (agent !== undefined && !JSON.stringify(messages[0]).includes("MAIN go"))
    return said === 0 ? command(Number(agent), scene.delays[Number(agent)] ?? 0) : say("The agent is done.");
  const launch = scene.types.map((type, index): ToolCall => {
    const input = { description: `agent ${index + 1}`, prompt: `AGENT-${index + 1} do it`, subagent_type: type };
    return ["Agent", input];
  });
  if (said === 0 && launch.length > 0) return useTools(launch);
  if (said > (launch.length > 0 ? 1 : 0) || scene.main === "none") return say("All is under way.");
  const options = ["red", "blue"].map((label) => ({ label, description: `The ${label} one` }));
  return scene.main === "bash" ? command(0, scene.delays[0] ?? 0) : ask({ question: "Which colour?", header: "Colour", options });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "30" },
      seed: { type: "string", default: "1" },
      claude: { type: "string" },
      out: { type: "string", default: join(import.meta.dir, "..", "dist") },
      quiet: { type: "boolean" },
    },
  });
  const startedAt = Date.now();
  const report = await runRounds({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    claudePath: values.claude ?? findCheckoutClaude(),
    csdPath: join(resolve(values.out), "csd"),
    ...(values.quiet === true ? {} : { tell: (line) => console.error(line) }),
  });
  const { rounds, answers, refusals, wrong } = report;
  for (const text of wrong) console.log(text);
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  console.log(`${rounds} rounds, ${answers} answers, ${refusals} refusals, ${wrong.length} wrong, ${seconds} s`);
  if (wrong.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
