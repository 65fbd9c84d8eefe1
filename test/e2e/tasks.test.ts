import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../src/stub-script.ts";
import { claudePath, csmPath, type Json, useBox } from "./harness.ts";

/** Each prompt names how long its answer is. */
const answer = ({ body }: { body: Record<string, unknown> }) => {
  const tokens = Number(/answer with (\d+)/.exec(JSON.stringify(body.messages))?.[1] ?? 100);
  return say("Done.", { usage: { output_tokens: tokens } });
};
const sandbox = useBox({ login: "subscription", fallback: answer, env: { CSM_USAGE_ASK: "0" } });

async function ask(folder: string, tokens: number): Promise<void> {
  const { box } = sandbox;
  expect((await box.run([claudePath, "-p", `answer with ${tokens}`], { cwd: box.folder(folder) })).code).toBe(0);
}
const write = (name: string, value: unknown): string => {
  const path = join(sandbox.box.folder("night"), name);
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
};
async function check(path: string): Promise<{ code: number | null; told: Json }> {
  const { code, stdout } = await sandbox.box.csm(["tasks", "check", "--json", path]);
  return { code, told: JSON.parse(stdout) as Json };
}
async function spent(): Promise<number> {
  const { totals } = JSON.parse((await sandbox.box.csm(["cost", "--json"])).stdout) as { totals: { cost_usd: number } };
  return totals.cost_usd;
}

test("what a run would take is within a factor of two of what it costs, by past sessions of this project and not of others", async () => {
  const { box } = sandbox;
  const tasks = [4000, 5000, 6000].map((tokens, index) => ({ name: `t${index}`, prompt: `answer with ${tokens}` }));
  const path = write("night.json", { tasks });
  expect((await check(path)).told.estimate).toMatchObject({ tasks: 3, unknown_tasks: 3, cost_usd: null });
  for (const tokens of [3000, 5000, 8000]) await ask("night", tokens);
  for (let index = 0; index < 3; index++) await ask("elsewhere", 200_000);
  const before = await spent();
  const { code, told } = await check(path);
  const estimate = told.estimate as { cost_usd: number; averages: Json[] };
  expect([code, estimate.averages]).toEqual([0, [expect.objectContaining({ of: "project", sessions: 3 })]]);
  for (const { prompt } of tasks) expect((await box.run([claudePath, "-p", prompt], { cwd: box.folder("night") })).code).toBe(0);
  const ratio = estimate.cost_usd / ((await spent()) - before);
  console.log(`estimated : spent ${ratio.toFixed(2)}`);
  expect(ratio).toBeGreaterThan(0.5);
  expect(ratio).toBeLessThan(2);
});

test("above a cap it is refused: dollars, a share of the week, and how many", async () => {
  const { box } = sandbox;
  const seconds = (hours: number) => Math.round(Date.now() / 1000) + hours * 3600;
  const limits = { five_hour: { used_percentage: 40, resets_at: seconds(2) }, seven_day: { used_percentage: 20, resets_at: seconds(72) } };
  await box.csm(["statusline"], { input: JSON.stringify({ session_id: crypto.randomUUID(), model: { id: "opus" }, rate_limits: limits }) });
  const tasks = Array.from({ length: 6 }, (_, index) => ({ name: `t${index}`, prompt: "x" }));
  const free = await check(write("free.json", { tasks, budget_usd: 100, budget_percent: 100 }));
  expect([free.code, free.told.refusals]).toEqual([0, []]);
  const { cost_usd, accounts } = free.told.estimate as {
    cost_usd: number;
    accounts: { five_hour_windows: number; weekly_windows: number }[];
  };
  const [{ five_hour_windows: fiveHour, weekly_windows: week } = { five_hour_windows: 0, weekly_windows: 0 }] = accounts;
  // All that was spent is 40 % of the one and 20 % of the other.
  expect(fiveHour).toBeCloseTo((cost_usd / (await spent())) * 0.4, 5);
  expect(week).toBeCloseTo(fiveHour / 2, 5);
  const capped = await check(write("capped.json", { tasks, budget_usd: cost_usd * 0.9, budget_percent: week * 90 }));
  expect([capped.code, (capped.told.refusals as string[]).map((text) => text.replace(/[\d.]+/g, "N"))]).toEqual([
    3,
    ["about $N, and budget_usd is $N", "about N % of the week of claude, and budget_percent is N"],
  ]);
  const many = await box.csm(["tasks", "check", write("many.json", { tasks, max_tasks: 5 })]);
  expect([many.code, many.stdout]).toEqual([3, "refused: 6 tasks, and max_tasks is 5\n"]);
});

test("nothing of a file runs, and nothing is written beside it", async () => {
  const { box } = sandbox;
  const requests = box.stub.requests.length;
  const shell = "$(touch here) `touch here`; touch here #\"'\n";
  const path = write("shell.json", { tasks: [{ name: "a", prompt: shell, env: { A: shell }, model: shell, concurrency: shell }] });
  const before = readdirSync(box.folder("night"));
  const forms = [["check"], ["graph"], ["graph", "--format", "mermaid"], ["graph", "--format", "dot"], ["graph", "--json"]];
  for (const [verb = "", ...flags] of forms)
    expect((await box.csm(["tasks", verb, ...flags, path], { cwd: box.folder("night") })).code).toBe(0);
  expect([readdirSync(box.folder("night")), box.stub.requests.length]).toEqual([before, requests]);
});

const hasGraphviz = Bun.which("dot") !== null;

test.skipIf(!hasGraphviz)(`Graphviz takes names as they are${hasGraphviz ? "" : " (no Graphviz here)"}`, async () => {
  const names = ['a";evil label="b', "c\\", "\\N \\G \\n", "<b>x</b>", "&lt;&amp;", "t0 -> t1", "%% `x` #1", "ü 🦊"];
  const chain = names.map((name, index) => ({ name, prompt: "x", depends_on: names.slice(0, index).slice(-1) }));
  const path = write("names.json", { tasks: [...chain, { name: "m", prompt: "x", matrix: { v: ['"];x -> y\n['] } }] });
  const { tasks } = JSON.parse((await sandbox.box.csm(["tasks", "graph", "--json", path])).stdout) as { tasks: { id: string }[] };
  const { stdout } = await sandbox.box.run(["sh", "-c", `'${csmPath}' tasks graph --format dot '${path}' | dot -Tsvg`]);
  const texts = [...stdout.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map((match) => match[1] ?? "");
  const plain = (text: string) =>
    text
      .replace(/&(?:#(\d+)|(\w+));/g, (_, code, word) =>
        code === undefined ? ({ lt: "<", gt: ">", amp: "&", quot: '"' }[String(word)] ?? "?") : String.fromCodePoint(Number(code)),
      )
      .replaceAll("\u00a0", " ");
  expect(texts.map(plain)).toEqual(tasks.map(({ id }) => id));
  expect(tasks).toHaveLength(names.length + 1);
});
