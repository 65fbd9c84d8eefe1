/**
 * `bun run scripts/top-hour.ts [--ticks N] [--out DIR]`: as many looks as an hour of the compiled csm top has, in a terminal, with rules,
 * budgets and a channel, over sessions that come to rest again and again and spend. Its memory must stay, and each occasion be told once.
 */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { readProcess } from "../src/process.ts";
import { createSandbox, type Sandbox } from "../src/sandbox.ts";
import { findCheckoutClaude } from "./claude.ts";

/** csm top looks every two seconds where nothing happens. */
const hourOfTicks = 1800;
const sessionCount = 6;
/** A session works so long, and rests so long: a rule tells the begin of two rests apart where they are some seconds apart. */
const phaseMs = 4000;
/** Within this time what was seen has been told. */
const tellMs = 10_000;

export interface Hour {
  ticks: number;
  /** Of csm top, one each tick. */
  rssBytes: number[];
  /** What had to be told, and what was, each `cause session title`. */
  expected: string[];
  told: string[];
}

interface Actor {
  name: string;
  id: string;
  pid: number;
  start: string;
  cwd: string;
  transcript: string;
}

/** The same file with the same time is the same state: each change is a look, and each look is seen to have been drawn. */
export async function runHour(box: Sandbox, csm: string, ticks: number): Promise<Hour> {
  const children: Bun.Subprocess[] = [];
  const begin = async (name: string): Promise<Actor> => {
    const child = Bun.spawn(["sleep", "3600"], { cwd: box.folder(name), env: box.env });
    children.push(child);
    const { start = "" } = (await readProcess(box.sys, child.pid)) ?? {};
    const [id, cwd] = [crypto.randomUUID(), box.folder(name)];
    const transcript = join(box.configDir, "projects", cwd.replace(/[^A-Za-z0-9]/g, "-"), `${id}.jsonl`);
    mkdirSync(dirname(transcript), { recursive: true });
    return { name, id, pid: child.pid, start, cwd, transcript };
  };
  mkdirSync(join(box.configDir, "sessions"), { recursive: true });
  const told = writeRules(box);
  const ticker = await begin("ticker");
  const actors = await Promise.all(Array.from({ length: sessionCount }, (_, index) => begin(`actor${index}`)));
  const expected: string[] = [];
  const rssBytes: number[] = [];
  let shown = "";
  const take = (text: string) => {
    shown = `${shown.slice(-20_000)}${text}`;
  };
  show(box, ticker, "busy", "tick0");
  for (const actor of actors) {
    appendFileSync(actor.transcript, turn(actor.id, 0));
    show(box, actor, "busy");
  }
  const child = Bun.spawn([csm, "top"], {
    ...{ env: box.env, cwd: box.home },
    terminal: { cols: 160, rows: 50, data: (_, data) => take(new TextDecoder().decode(data)) },
  });
  try {
    // Each is on its own beat, so that something comes or goes in every look or two.
    const changes = actors.map((_, index) => ({ at: Date.now() + phaseMs + (index * 2 * phaseMs) / sessionCount, isBusy: true, rests: 0 }));
    for (let tick = 1; tick <= ticks; tick++) {
      for (const [index, actor] of actors.entries()) {
        const change = changes[index];
        if (change === undefined || Date.now() < change.at) continue;
        change.at = Date.now() + phaseMs;
        change.isBusy = !change.isBusy;
        if (!change.isBusy) {
          appendFileSync(actor.transcript, turn(actor.id, ++change.rests));
          expected.push(`rule ${actor.name} at rest`, ...passedAt(change.rests).map((line) => `budget ${actor.name} ${line}`));
        }
        show(box, actor, change.isBusy ? "busy" : "idle");
      }
      show(box, ticker, "busy", `tick${tick}`);
      await until(`look ${tick} is drawn`, () => shown.includes(`tick${tick}`));
      rssBytes.push(rssOf(child.pid));
    }
    const lines = () =>
      existsSync(told)
        ? readFileSync(told, "utf8")
            .split("\n")
            .filter((line) => line !== "")
        : [];
    await until("all is told", () => lines().length >= expected.length).catch(() => undefined);
    // What is told twice is told soon.
    await Bun.sleep(1000);
    return { ticks, rssBytes, expected, told: lines() };
  } finally {
    for (const each of [child, ...children]) each.kill();
    await Promise.all([child, ...children].map(({ exited }) => exited));
  }
}

/** Every rest costs so much, 10,000 tokens of claude-opus-5-5; a session passes 80 % and all of its budget on the way. */
const [restUsd, limitUsd] = [0.2, 0.45];
const passedAt = (rests: number): string[] => {
  const isPassed = (part: number) => rests * restUsd >= limitUsd * part && (rests - 1) * restUsd < limitUsd * part;
  return [...(isPassed(0.8) ? ["nearly used up"] : []), ...(isPassed(1) ? ["used up"] : [])];
};

function writeRules(box: Sandbox): string {
  const [told, program] = [join(box.dir, "told"), join(box.dir, "tell")];
  writeFileSync(
    program,
    `#!/bin/sh\ncase "$CSM_TITLE" in *"nearly used up"*) t="nearly used up";; *"used up"*) t="used up";; *) t="at rest";; esac\necho "$CSM_CAUSE $CSM_SESSION $t" >> '${told}'\n`,
  );
  chmodSync(program, 0o755);
  const path = join(box.home, ".config/claude-smart/rules.toml");
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(
    path,
    `[[rules]]
name = "at rest"
match_status = "idle_done"
match_project = "actor"
action = "notify"
[[rules]]
name = "never"
match_cost_above = 1000
action = "stop"
[[budgets]]
name = "each"
period = "session"
match_project = "actor"
limit_usd = ${limitUsd}
action = "notify"
[[budgets]]
name = "day"
period = "day"
limit_usd = 100000
action = "stop"
[notify]
cool_down = "0s"
[[notify.channels]]
kind = "command"
run = ["${program}"]
`,
    { mode: 0o600 },
  );
  return told;
}

/** As claude 2.1.329 publishes it. */
function show(box: Sandbox, { pid, start, id, cwd, name }: Actor, status: string, title = name): void {
  const file = { pid, sessionId: id, cwd, name: title, procStart: start, version: "2.1.329", kind: "interactive", entrypoint: "cli" };
  const text = JSON.stringify({ ...file, status, statusUpdatedAt: Date.now() });
  box.sys.overwrite(join(box.configDir, "sessions", `${pid}.json`), text);
}

/** A prompt, its answer for `restUsd`, and the end; number 0 has cost nothing. */
function turn(id: string, number: number): string {
  const at = new Date().toISOString();
  const usage = { input_tokens: 0, output_tokens: number === 0 ? 0 : 10_000, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
  const message = { role: "assistant", id: `msg_${id}_${number}`, model: "claude-opus-5-5", stop_reason: "end_turn", usage };
  return [
    { type: "user", message: { role: "user", content: "Go on" } },
    { type: "assistant", requestId: `req_${id}_${number}`, message: { ...message, content: [{ type: "text", text: "Done." }] } },
    { type: "system", subtype: "turn_duration" },
  ]
    .map((line, index) => `${JSON.stringify({ ...line, uuid: `${id}-${number}-${index}`, sessionId: id, timestamp: at })}\n`)
    .join("");
}

const rssOf = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + tellMs;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`not reached in ${tellMs / 1000} s: ${what}`);
    await Bun.sleep(5);
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** What a collector leaves mapped swings by some megabytes. */
const slackBytes = 24e6;

/** What is wrong with this hour, in words; none where all is right. */
export function faultsOf({ rssBytes, expected, told }: Hour): string[] {
  const count = (list: readonly string[], line: string) => list.filter((each) => each === line).length;
  const third = Math.floor(rssBytes.length / 3);
  const [first, last] = [median(rssBytes.slice(0, third)), median(rssBytes.slice(-third))];
  return [
    ...[...new Set([...expected, ...told])].flatMap((line) => {
      const [wanted, found] = [count(expected, line), count(told, line)];
      return wanted === found ? [] : [`${line}: told ${found} times, not ${wanted}`];
    }),
    ...(last > first + slackBytes ? [`memory grew from ${megabytes(first)} to ${megabytes(last)}`] : []),
  ];
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      ticks: { type: "string", default: String(hourOfTicks) },
      out: { type: "string", default: join(import.meta.dir, "..", "dist") },
    },
  });
  const box = await createSandbox({ claudePath: findCheckoutClaude(), path: process.env.PATH });
  try {
    const hour = await runHour(box, join(resolve(values.out), "csm"), Number(values.ticks));
    const thirds = [0, 1, 2].map((index) => {
      const part = hour.rssBytes.slice((index * hour.ticks) / 3, ((index + 1) * hour.ticks) / 3);
      return `${megabytes(median(part))} (${megabytes(Math.min(...part))}–${megabytes(Math.max(...part))})`;
    });
    console.log(`${hour.ticks} looks, ${hour.expected.length} occasions, ${hour.told.length} told; memory by thirds: ${thirds.join(", ")}`);
    const faults = faultsOf(hour);
    for (const fault of faults) console.log(fault);
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await box.close();
  }
}
