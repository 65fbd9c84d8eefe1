/**
 * `bun run soak [--seed N] [--seconds S] [--sessions N] [--claude PATH]`: real sessions of claude on the loopback model, each with one
 * random thing after the other: prompts, gates that are allowed and refused, questions, usage limits, errors of the API, and a claude
 * that is killed. Nothing sent is lost or comes twice, no gate runs what nobody allowed, each state is the one that was brought about;
 * and who watches all of it the whole time (`csm watch --json`) stays as large as it was, and misses nothing. Build first.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isRecord } from "../src/json.ts";
import { createSandbox, type Sandbox } from "../src/sandbox.ts";
import { ask, bash, fail, limit, type ModelRequest, type Reply, say } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";
import { createRandom, pick, type Random, tellProgress } from "./random.ts";

const root = join(import.meta.dir, "..");
const csdPath = join(root, "dist/csd");
const csmPath = join(root, "dist/csm");

export interface SoakOptions {
  seed: number;
  seconds: number;
  sessions: number;
  claudePath: string;
  tell?: (line: string) => void;
}

export interface SoakReport {
  sessions: number;
  /** Of each kind, how often it was gone through. */
  steps: Record<string, number>;
  /** Prompts that did not reach the model once, gates that were not answered as told, states that did not come. */
  lost: string[];
  wrong: string[];
  /** Of the watcher: at a quarter of the time, and at the end. */
  memory_mb: [number, number];
  handles: [number, number];
  /** Lines that it has told. */
  changes: number;
}

// --- the model ------------------------------------------------------------------------------------------------------

/** What a prompt says of itself: `Step s3-17 allow`. */
const stepPattern = /Step (s\d+-\d+) (\w+)/g;

/** Does what the newest prompt asks for; the results behind it say how far it is. `seen` counts the prompts that came. */
function createModel(folderOf: (step: string) => string, seen: Map<string, number>) {
  return ({ body, isMainThread }: ModelRequest): Reply => {
    const messages = (Array.isArray(body.messages) ? body.messages : []) as { role: string; content: unknown }[];
    const texts = messages.map((message) => (message.role === "user" ? JSON.stringify(message.content) : ""));
    const at = texts.findLastIndex((text) => text.search(stepPattern) >= 0);
    const [, step = "", kind = ""] = [...(texts[at] ?? "").matchAll(stepPattern)].at(-1) ?? [];
    if (!isMainThread || step === "") return say("Nothing.");
    const results = texts.slice(at + 1).filter((text) => text.includes("tool_result")).length;
    if (results === 0) seen.set(step, texts.filter((text) => text.includes(`Step ${step} `)).length);
    if (results > 0) return say(`Over ${step}.`);
    if (kind === "allow" || kind === "deny") return bash(`touch '${join(folderOf(step), `made-${step}`)}'`, `Make ${step}`);
    if (kind === "ask") {
      const options = ["Red", "Blue"].map((label) => ({ label, description: `the ${label} one` }));
      return ask({ question: `Which for ${step}?`, header: "Color", options });
    }
    if (kind === "limit") return limit("five_hour", Date.now() + 3_600_000);
    if (kind === "fail") return fail(400, "prompt is too long: 300000 tokens > 200000 maximum");
    return say(`Over ${step}.`);
  };
}

// --- a session ------------------------------------------------------------------------------------------------------

type Json = Record<string, unknown>;

const kinds = ["say", "say", "allow", "deny", "ask", "limit", "fail", "kill"] as const;
type Kind = (typeof kinds)[number];

/** In which state each of them has to end. */
const ends: Readonly<Record<Kind, string>> = {
  ...{ say: "idle_done", allow: "idle_done", deny: "idle_done", ask: "idle_done" },
  ...{ limit: "limited", fail: "failed", kill: "dead" },
};

interface Room {
  box: Sandbox;
  report: SoakReport;
  random: Random;
  seen: Map<string, number>;
  tell: (line: string) => void;
}

async function live({ box, report, random, seen, tell }: Room, number: number, isOver: () => boolean): Promise<void> {
  const name = `s${number}`;
  const folder = box.folder(name);
  const csd = async (...args: string[]): Promise<Json> => {
    const { code, stdout, stderr } = await box.run([csdPath, ...args], { timeoutMs: 150_000 });
    if (code !== 0) throw new Error(`csd ${args.join(" ")}: code ${code}, ${stderr.trim()}`);
    return JSON.parse(stdout) as Json;
  };
  const spawn = () => csd("spawn", "--name", name, "--cwd", folder, "--permission-mode", "manual");
  const wait = async (step: string, wanted: string): Promise<Json> => {
    // What was killed a moment ago may live for another one.
    const until = wanted === ends.kill ? ["--until", wanted] : [];
    const state = await csd("wait", name, ...until, "--timeout", "90");
    // claude 2.1.329 may open its menu of a usage limit behind a later turn: told as the gate that it is, and closed.
    if (state.status === "blocked" && state.gate === "limit" && !["blocked", ends.kill].includes(wanted)) {
      report.steps.menu = (report.steps.menu ?? 0) + 1;
      await csd("interrupt", name);
      return wait(step, wanted);
    }
    if (state.status !== wanted)
      throw new Error(`${step}: ${String(state.status)} in place of ${wanted}: ${JSON.stringify(state).slice(0, 400)}`);
    return state;
  };
  const once = async (kind: Kind, step: string): Promise<void> => {
    if (kind === "kill") {
      const { pid } = await csd("state", name).then(() => ownPid(box, name));
      process.kill(pid, "SIGKILL");
      await wait(step, ends.kill);
      await csd("kill", name);
      await spawn();
      return;
    }
    await csd("send", name, "Step", step, kind, "please");
    const made = join(folder, `made-${step}`);
    if (kind === "allow" || kind === "deny") {
      const gate = await wait(step, "blocked");
      if (!JSON.stringify(gate.input ?? "").includes(step))
        report.wrong.push(`${step}: a gate of something else: ${JSON.stringify(gate.input)}`);
      if (existsSync(made)) report.wrong.push(`${step}: it ran before anybody allowed it`);
      await csd(kind === "allow" ? "approve" : "deny", name, "--gate", String(gate.gate_id));
    }
    if (kind === "ask") {
      await wait(step, "awaiting_answer");
      await csd("answer", name, "--choice", "Red");
    }
    const end = await wait(step, ends[kind]);
    if (kind === "allow" && !existsSync(made)) report.lost.push(`${step}: allowed, and it never ran`);
    if (kind === "deny" && existsSync(made)) report.wrong.push(`${step}: refused, and it ran`);
    if ((kind === "say" || kind === "allow" || kind === "ask") && end.text !== `Over ${step}.`)
      report.wrong.push(`${step}: its end says ${JSON.stringify(end.text)}`);
    const times = seen.get(step) ?? 0;
    if (times !== 1) (times === 0 ? report.lost : report.wrong).push(`${step}: the prompt reached the model ${times} times`);
  };
  await spawn();
  for (let index = 1; !isOver(); index++) {
    const kind = pick(random, kinds);
    const step = `${name}-${index}`;
    try {
      await once(kind, step);
      report.steps[kind] = (report.steps[kind] ?? 0) + 1;
    } catch (error) {
      report.lost.push(`${kind} ${(error as Error).message}`);
      tell(`lost: ${kind} ${(error as Error).message}\n${await evidenceOf(box, name)}`);
      await box.run([csdPath, "kill", name]);
      await spawn();
    }
  }
  await csd("kill", name);
}

/** What stands in its transcript, its hooks' notes and its pane: the sandbox will be gone. */
async function evidenceOf(box: Sandbox, name: string): Promise<string> {
  const lastOf = async (...argv: string[]) =>
    (await box.run(argv)).stdout
      .trimEnd()
      .split("\n")
      .slice(-12)
      .map((line) => line.slice(0, 600));
  const parts = [
    await lastOf(csdPath, "tail", name, "-n", "12", "--json"),
    await lastOf(csdPath, "logs", name),
    await lastOf("tmux", "-u", "capture-pane", "-p", "-t", `=${name}:`),
  ];
  return parts.map((lines) => lines.map((line) => `    ${line}`).join("\n")).join("\n    --\n");
}

/** The number of the claude of this session, from csd's own record. */
function ownPid(box: Sandbox, name: string): { pid: number } {
  const record: unknown = JSON.parse(readFileSync(join(box.home, ".local/state/csd/sessions", `${name}.json`), "utf8"));
  if (!isRecord(record) || typeof record.pid !== "number") throw new Error(`${name} has no pid`);
  return { pid: record.pid };
}

// --- who watches ----------------------------------------------------------------------------------------------------

function openWatcher(box: Sandbox) {
  const child = Bun.spawn([csmPath, "watch", "--json"], { env: box.env, cwd: box.home, stdout: "pipe", stderr: "pipe" });
  const lines: string[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const chunk of child.stdout) {
      const parts = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
    }
  })();
  return {
    lines,
    child,
    measure: () => ({
      memory: Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024),
      handles: readdirSync(`/proc/${child.pid}/fd`).length,
    }),
    async close() {
      child.kill("SIGINT");
      await reading;
    },
  };
}

/** It may grow by what more sessions and longer transcripts take, not with time. */
const mostGrowthMb = 60;
const mostMoreHandles = 20;

export async function runSoak({ seed, seconds, sessions, claudePath, tell = () => undefined }: SoakOptions): Promise<SoakReport> {
  const seen = new Map<string, number>();
  let home = "";
  const folderOf = (step: string) => join(home, "work", step.split("-")[0] ?? "");
  const box = await createSandbox({
    claudePath,
    path: process.env.PATH,
    login: "subscription",
    env: { CSM_USAGE_ASK: "0" },
    fallback: createModel(folderOf, seen),
  });
  home = box.home;
  const report: SoakReport = { sessions, steps: {}, lost: [], wrong: [], memory_mb: [0, 0], handles: [0, 0], changes: 0 };
  const watcher = openWatcher(box);
  try {
    const startedAt = Date.now();
    const endAt = startedAt + seconds * 1000;
    const rooms = Array.from({ length: sessions }, (_, number) =>
      live({ box, report, random: createRandom(seed + number), seen, tell }, number, () => Date.now() >= endAt),
    );
    const stopTelling = tellProgress(
      seconds,
      () => `${countSteps(report)} steps, ${report.lost.length} lost, ${report.wrong.length} wrong`,
      tell,
    );
    const measuring = (async () => {
      await Bun.sleep(seconds * 250);
      const first = watcher.measure();
      [report.memory_mb[0], report.handles[0]] = [first.memory, first.handles];
    })();
    const ended = await Promise.allSettled(rooms);
    await measuring;
    stopTelling();
    for (const one of ended) if (one.status === "rejected") report.lost.push(String(one.reason));
    const last = watcher.measure();
    [report.memory_mb[1], report.handles[1]] = [last.memory, last.handles];
  } finally {
    await watcher.close();
    report.changes = watcher.lines.length;
    await box.close();
  }
  judge(report, watcher.lines, watcher.child.exitCode);
  return report;
}

export const countSteps = ({ steps }: SoakReport): number => Object.values(steps).reduce((sum, count) => sum + count, 0);

function judge(report: SoakReport, lines: readonly string[], code: number | null): void {
  const { memory_mb: memory, handles, steps } = report;
  if (memory[1] - memory[0] > mostGrowthMb) report.wrong.push(`the watcher grew from ${memory[0]} to ${memory[1]} MB`);
  if (handles[1] - handles[0] > mostMoreHandles) report.wrong.push(`the watcher's open files grew from ${handles[0]} to ${handles[1]}`);
  if (code !== null && code !== 0 && code !== 130) report.wrong.push(`the watcher ended with ${code}`);
  const told = new Set(lines.map((line) => String((JSON.parse(line) as Json).new)));
  for (const [kind, status] of Object.entries({ allow: "blocked", ask: "awaiting_answer", limit: "limited", fail: "failed" }))
    if ((steps[kind] ?? 0) > 0 && !told.has(status)) report.lost.push(`the watcher never told ${status}`);
}

if (import.meta.main) {
  const names = ["seed", "seconds", "sessions", "claude"];
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])) });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const report = await runSoak({
    ...{ seed, seconds: Number(values.seconds ?? 120), sessions: Number(values.sessions ?? 20) },
    ...{ claudePath: String(values.claude ?? findCheckoutClaude()), tell: (line: string) => console.error(line) },
  });
  console.log(JSON.stringify({ seed, ...report }, null, 2));
  console.error(`soak, seed ${seed}: ${countSteps(report)} steps, ${report.lost.length} lost, ${report.wrong.length} wrong`);
  process.exit(report.lost.length + report.wrong.length === 0 ? 0 : 1);
}
