/**
 * `bun run scripts/task-rounds.ts [--tasks N] [--kills N] [--seed N] [--jobs N]` runs a random graph of tasks on the real claude, with
 * random failures, dropped connections and limits of both windows, kills csm (SIGKILL) in the middle, resumes, and compares what each
 * task has done and cost with what the model was asked and has said. Exit code 1 when they differ.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createPriceTable, priceUsage } from "../src/claude-prices.ts";
import { addAccounts, createSandbox, type Sandbox } from "../src/sandbox.ts";
import { drop, fail, limit, type ModelRequest, type Reply, say } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";
import { createRandom } from "./random.ts";

export interface TaskRoundsOptions {
  tasks: number;
  kills: number;
  seed: number;
  jobs: number;
  claudePath: string;
  csmPath: string;
  tell?: (line: string) => void;
}

interface TaskRoundsReport {
  states: Record<string, number>;
  kills: number;
  limits: number;
  drops: number;
  /** What went wrong, with what was seen. */
  wrong: string[];
}

/** What is to become of a task, whatever happens around it. */
type Fate = "fine" | "fails once" | "fails" | "drops once";

/** From 0 to 1, the same numbers for the same seed. */
function createShares(seed: number): () => number {
  const random = createRandom(seed);
  return () => random(1e9) / 1e9;
}

interface Planned {
  name: string;
  fate: Fate;
  dependsOn: string[];
}

function planTasks({ tasks, seed }: TaskRoundsOptions): Planned[] {
  const random = createShares(seed);
  return Array.from({ length: tasks }, (_, index) => {
    const fate: Fate = random() < 0.12 ? "fails once" : random() < 0.05 ? "fails" : random() < 0.08 ? "drops once" : "fine";
    const count = index < 4 ? 0 : Math.floor(random() * 2.2);
    const near = Array.from({ length: count }, () => `task-${index - 1 - Math.floor(random() * Math.min(8, index - 1))}`);
    return { name: `task-${index}`, fate, dependsOn: [...new Set(near)] };
  });
}

interface Said {
  task: string;
  session: string;
  account: string;
  kind: "said" | "failed" | "dropped" | "limited";
  model: string;
}

/** What the stub says of each of its answers. */
const answer = {
  ...{ input: 1200, output: 42, cacheRead: 5000, write5m: 300, write1h: 0 },
  ...{ key: 0, messageKey: 0, at: 0, isSidechain: false, webSearches: 0, isFast: false, isUsOnly: false },
};
const answerTokens = 6542;
/** Of one that is cut off claude counts what had come, which may be nothing, and it asks again without a stream. */
const droppedTokens = 6525;
const unstreamedTokens = 6501;

/** The model: by the first prompt of a conversation it knows which task asks. */
function createModel(planned: readonly Planned[], seed: number) {
  const random = createShares(seed + 1);
  const fates = new Map(planned.map(({ name, fate }) => [name, fate]));
  const said: Said[] = [];
  const limitedUntil = new Map<string, number>();
  const reply = (request: ModelRequest): Reply => {
    const task = /\b(task-\d+) begins\b/.exec(JSON.stringify(request.body.messages))?.[1] ?? "?";
    const account = request.headers["x-profile"] ?? "?";
    const note = (kind: Said["kind"]) =>
      said.push({ task, session: request.sessionId, account, kind, model: String(request.body.model ?? "") });
    const until = limitedUntil.get(account) ?? 0;
    if (until > Date.now()) {
      note("limited");
      return limit(until % 2000 === 0 ? "five_hour" : "seven_day", until);
    }
    const answered = said.filter((one) => one.task === task && one.kind !== "limited").length;
    // One account at a time, so that the run can go on or has to wait, as it comes.
    if (random() < 0.04 && ![...limitedUntil.values()].some((at) => at > Date.now())) {
      const at = (Math.ceil(Date.now() / 1000) + 8 + Math.floor(random() * 2)) * 1000;
      limitedUntil.set(account, at);
      note("limited");
      return limit(at % 2000 === 0 ? "five_hour" : "seven_day", at);
    }
    const fate = fates.get(task);
    const failedIn = said.find((one) => one.task === task && one.kind === "failed")?.session ?? request.sessionId;
    if (fate === "fails" || (fate === "fails once" && failedIn === request.sessionId)) {
      note("failed");
      // claude asks once more, without a stream (2.1.329), and gives up.
      return fail(404, `no luck with ${task}`);
    }
    if (fate === "drops once" && answered === 0) {
      note("dropped");
      return drop();
    }
    note("said");
    return say(`${task} is done`, { pauseMs: random() < 0.3 ? 300 : 0 });
  };
  return { reply, said };
}

/** Until the run is over, killed so often on its way. */
async function drive(
  box: Sandbox,
  file: string,
  { csmPath, kills, tasks, tell = () => {} }: TaskRoundsOptions,
  count: () => number,
): Promise<void> {
  const thresholds = Array.from({ length: kills }, (_, index) => Math.floor(((index + 1) * tasks) / (kills + 1.5)));
  for (let words = ["tasks", "run", file]; ; words = ["tasks", "resume"]) {
    const child = Bun.spawn([csmPath, ...words], { cwd: box.home, env: box.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const lines = Promise.all([child.stdout.text(), child.stderr.text()]);
    const threshold = thresholds.shift();
    while (threshold !== undefined && child.exitCode === null && count() < threshold) await Bun.sleep(20);
    if (threshold !== undefined && child.exitCode === null) {
      child.kill("SIGKILL");
      await child.exited;
      tell(`killed csm after ${count()} answers`);
      continue;
    }
    await child.exited;
    const [out, err] = await lines;
    tell(`csm ended with ${child.exitCode}: ${out.trim().split("\n").at(-1)} ${err}`);
    return;
  }
}

interface Listed {
  task: string;
  status: string;
  tokens: number | null;
  cost_usd: number | null;
  attempt: number;
}

/** How often a task is begun by its policy: one retry, and none of one that cannot begin. */
function expect({ fate }: Planned, isReachable: boolean): { status: string; conversations: number } {
  if (!isReachable) return { status: "skipped", conversations: 0 };
  if (fate === "fails") return { status: "failed", conversations: 2 };
  return { status: "succeeded", conversations: fate === "fails once" ? 2 : 1 };
}

function compare(planned: readonly Planned[], listed: readonly Listed[], said: readonly Said[]): string[] {
  const wrong: string[] = [];
  const bad = new Set<string>();
  for (const task of planned) {
    const isReachable = !task.dependsOn.some((name) => bad.has(name));
    const wanted = expect(task, isReachable);
    if (wanted.status !== "succeeded") bad.add(task.name);
    const row = listed.find(({ task: name }) => name === task.name);
    const own = said.filter((one) => one.task === task.name);
    const sessions = new Set(own.map(({ session }) => session));
    if (row?.status !== wanted.status) wrong.push(`${task.name} (${task.fate}) is ${row?.status}, not ${wanted.status}`);
    if (sessions.size !== wanted.conversations)
      wrong.push(
        `${task.name} (${task.fate}) had ${sessions.size} conversations, not ${wanted.conversations}: ${own.map(({ kind }) => kind)}`,
      );
    const answers = own.filter(({ kind }) => kind === "said").length;
    if (answers > (wanted.status === "succeeded" ? 1 : 0))
      wrong.push(`${task.name} was answered ${answers} times: ${own.map(({ kind }) => kind)}`);
    const drops = own.filter(({ kind }) => kind === "dropped").length;
    const least = answers * (drops > 0 ? unstreamedTokens : answerTokens);
    const most = answers * answerTokens + drops * droppedTokens;
    if (row !== undefined && ((row.tokens ?? 0) < least || (row.tokens ?? 0) > most))
      wrong.push(`${task.name} is told to have used ${row.tokens} tokens, and the model has given ${least} to ${most}`);
  }
  return wrong;
}

/** All that the run is told to have cost, against what the model has said that it gave; of a dropped answer some part may count. */
function compareCost(listed: readonly Listed[], said: readonly Said[]): string[] {
  const costOf = ({ model }: Said) => priceUsage(createPriceTable(), { ...answer, model }) ?? Number.NaN;
  const sum = (kinds: readonly Said["kind"][]) => said.reduce((total, one) => total + (kinds.includes(one.kind) ? costOf(one) : 0), 0);
  const told = listed.reduce((total, row) => total + (row.cost_usd ?? 0), 0);
  // An answer that comes without a stream is a token long (42 with one): the less by that for each drop.
  const [least, most] = [sum(["said"]) - sum(["dropped"]) / 10, sum(["said", "dropped"])];
  return told >= least - 1e-6 && told <= most + 1e-6
    ? []
    : [`the run is told to have cost ${told} $, and the model has given ${least} to ${most}`];
}

/** Nothing is started on an account between its limit and the reset. */
function findLateStarts(events: readonly Record<string, unknown>[], jobs: number, said: readonly Said[]): string[] {
  const wrong: string[] = [];
  const limits = events.flatMap(({ event, text, account, at }) =>
    event === "note" && String(text).includes("is at its usage limit") ? [{ account: String(account), at: Number(at) }] : [],
  );
  for (const { account, at } of limits) {
    // A reset is 8 s off at least.
    const late = events.filter(
      (one) =>
        (one.event === "started" || one.event === "resumed") &&
        one.account === account &&
        Number(one.at) > at &&
        Number(one.at) < at + 3000,
    );
    if (late.length > 0) wrong.push(`${late.map(({ task }) => task)} began on ${account} after its limit`);
  }
  const met = said.filter(({ kind }) => kind === "limited").length;
  if (met > limits.length * jobs) wrong.push(`${met} tasks met ${limits.length} limits with ${jobs} jobs`);
  return wrong;
}

export async function runTaskRounds(options: TaskRoundsOptions): Promise<TaskRoundsReport> {
  const planned = planTasks(options);
  const model = createModel(planned, options.seed);
  const box = await createSandbox({ claudePath: options.claudePath, path: process.env.PATH, login: "subscription", fallback: model.reply });
  try {
    addAccounts(box, options.csmPath);
    const cwd = box.folder("rounds");
    const tasks = planned.map(({ name, dependsOn }) => ({
      ...{ name, cwd, depends_on: dependsOn, retries: 1 },
      prompt: `${name} begins${dependsOn.map((other) => `; before: {{${other}.stdout}}`).join("")}`,
    }));
    const file = join(box.home, "rounds.json");
    writeFileSync(file, JSON.stringify({ jobs: options.jobs, max_tasks: 1000, tasks }));
    await drive(box, file, options, () => model.said.length);
    const status = await box.run([options.csmPath, "tasks", "status", "--json"]);
    const logs = await box.run([options.csmPath, "tasks", "logs", "--json"]);
    const { tasks: listed } = JSON.parse(status.stdout) as { tasks: Listed[] };
    const events = logs.stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const states: Record<string, number> = {};
    for (const { status: state } of listed) states[state] = (states[state] ?? 0) + 1;
    const countOf = (kind: Said["kind"]) => model.said.filter((one) => one.kind === kind).length;
    const wrong = [
      ...compare(planned, listed, model.said),
      ...compareCost(listed, model.said),
      ...findLateStarts(events, options.jobs, model.said),
    ];
    return { states, kills: options.kills, limits: countOf("limited"), drops: countOf("dropped"), wrong };
  } finally {
    await box.close();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { tasks: { type: "string" }, kills: { type: "string" }, seed: { type: "string" }, jobs: { type: "string" } },
  });
  const report = await runTaskRounds({
    ...{
      tasks: Number(values.tasks ?? 200),
      kills: Number(values.kills ?? 3),
      seed: Number(values.seed ?? 1),
      jobs: Number(values.jobs ?? 4),
    },
    ...{ claudePath: findCheckoutClaude(), csmPath: resolve("dist/csm"), tell: console.log },
  });
  console.log(JSON.stringify(report, null, 2));
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
