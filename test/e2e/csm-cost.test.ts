import { beforeAll, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installCcusage } from "../../scripts/ccusage.ts";
import { usageLine } from "../../scripts/usage-lines.ts";
import { writeTranscripts } from "../../scripts/usage-load.ts";
import { say } from "../../src/stub-script.ts";
import { csmPath, root, until, useBox } from "./harness.ts";

const the = useBox();

interface Figures {
  input_tokens: number;
  output_tokens: number;
  cache_write_5m_tokens: number;
  cache_write_1h_tokens: number;
  cache_read_tokens: number;
  cost_usd: number;
  messages: number;
}
interface CostReport {
  rows: (Figures & { key: string; project?: string })[];
  totals: Figures;
  unpriced_models: string[];
  unreadable_lines: number;
}

/** A home whose only profile is `.claude`; its state is thrown away with the sandbox. */
function homeOf(name: string): string {
  const home = join(the.box.dir, name);
  mkdirSync(join(home, ".claude/projects"), { recursive: true });
  return home;
}

const envOf = (home: string) => ({ ...the.box.env, HOME: home, TZ: "UTC" });

async function cost(home: string, ...args: string[]): Promise<CostReport> {
  const result = await the.box.run([csmPath, "cost", ...args, "--json"], { env: envOf(home) });
  expect(result.stderr).toBe("");
  return JSON.parse(result.stdout) as CostReport;
}

interface Theirs {
  inputTokens: number;
  outputTokens: number;
  cacheCreationTokens: number;
  cacheReadTokens: number;
}

let ccusagePath = "";
beforeAll(async () => {
  ccusagePath = await installCcusage();
});

async function ccusage(home: string) {
  const argv = [ccusagePath, "claude", "daily", "--json", "--offline", "--breakdown", "--mode", "calculate", "--timezone", "UTC"];
  const result = await the.box.run(argv, { env: { ...envOf(home), CLAUDE_CONFIG_DIR: join(home, ".claude") } });
  expect(result.code).toBe(0);
  return JSON.parse(result.stdout) as {
    daily: (Theirs & { date: string; modelBreakdowns: (Theirs & { modelName: string; cost: number; missingPricing?: boolean })[] })[];
    totals: Theirs & { totalCost: number };
  };
}

const ours = ({ input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens }: Figures) => [
  ...[input_tokens, output_tokens, cache_write_5m_tokens + cache_write_1h_tokens, cache_read_tokens],
];
const theirs = ({ inputTokens, outputTokens, cacheCreationTokens, cacheReadTokens }: Theirs) => [
  ...[inputTokens, outputTokens, cacheCreationTokens, cacheReadTokens],
];

async function compare(home: string): Promise<{ comparedModels: number }> {
  const [byDay, byModel, other] = [await cost(home), await cost(home, "model"), await ccusage(home)];
  expect(byDay.rows.map((row) => [row.key, ...ours(row)])).toEqual(other.daily.map((day) => [day.date, ...theirs(day)]));
  expect(ours(byDay.totals)).toEqual(theirs(other.totals));
  const prices = new Map<string, number>();
  for (const { modelName, cost: usd, missingPricing } of other.daily.flatMap((day) => day.modelBreakdowns))
    if (missingPricing !== true) prices.set(modelName, (prices.get(modelName) ?? 0) + usd);
  for (const [model, usd] of prices)
    expect([model, byModel.rows.find(({ key }) => key === model)?.cost_usd.toFixed(2)]).toEqual([model, usd.toFixed(2)]);
  return { comparedModels: prices.size };
}

test("70 MB of generated transcripts, with blocks, subagents and forks, add up as in the newest ccusage, by threads and from the cache", async () => {
  const home = homeOf("generated");
  expect(writeTranscripts(join(home, ".claude"), 40, 70e6)).toBeGreaterThan(70e6);
  expect((await compare(home)).comparedModels).toBe(5);
  appendFileSync(
    join(home, ".claude/projects/-home-dev-p0/00000000-0000-4000-8000-000000000000.jsonl"),
    usageLine({ id: "new", input: 1_234_567 }),
  );
  await compare(home);
});

/**
 * The model of the captures leaves out two things that the real API gives, and ccusage goes by: cache writes attributed to their
 * time to live, and, in those of the older versions, a request id. Without one it counts an answer once per block.
 */
const complete = (transcript: string): string =>
  transcript
    .replace(/("cache_creation_input_tokens":(\d+),[^\n]*?"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":)0/g, "$1$2")
    .split("\n")
    .map((line) => (line.includes('"requestId":') ? line : line.replace('"type":"assistant"', '"requestId":"req_1","type":"assistant"')))
    .join("\n");

test("the captured transcripts add up as in the newest ccusage", async () => {
  const home = homeOf("captured");
  const fixtures = join(root, "test/fixtures");
  const paths = readdirSync(fixtures, { recursive: true })
    .map(String)
    .filter((path) => /transcript\.jsonl$/.test(path));
  for (const [index, path] of paths.entries()) {
    const text = complete(readFileSync(join(fixtures, path), "utf8"));
    const dir = join(home, `.claude/projects/-capture-${index}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, `s${index}.jsonl`), text);
  }
  expect((await compare(home)).comparedModels).toBeGreaterThanOrEqual(2);
  expect((await cost(home)).totals.messages).toBeGreaterThan(80);
});

test("a real session costs what its answer cost", async () => {
  await the.box.spawn("paid", [say("done")]);
  await the.box.send("paid", "Say it");
  await the.box.reach("paid", "idle_done");
  const read = () => cost(the.box.home, "project");
  const report = await until("the answer is in the transcript", async () => {
    const now = await read();
    return now.totals.messages > 0 && now;
  });
  expect(report.rows).toMatchObject([{ key: the.box.folder("paid"), messages: 1 }]);
  // 1200 in, 42 out, 5000 from the cache and 300 into it, at the prices of claude-opus-5-5.
  expect(report.totals.cost_usd).toBeCloseTo(0.00814, 9);
  expect(report.unreadable_lines).toBe(0);
});

test.each<[string[], number, string]>([
  [["frobnicate"], 2, 'csm cost: unknown report "frobnicate"; known: daily, weekly, monthly, session, project, model, block'],
  [["dialy"], 2, 'csm cost: unknown report "dialy"; did you mean daily?'],
  [["--json", "--csv"], 2, "csm cost: --json and --csv are given both; choose one"],
  [["--since", "soon"], 2, '--since is no day: "soon"'],
  [["--since", "today", "--until", "yesterday"], 2, "is later than --until"],
  [["--timezone", "Mars/Base"], 2, 'unknown time zone "Mars/Base"'],
  [["--profile", "nobody"], 1, "unknown profile 'nobody'"],
])("csm cost %p ends with %d", async (args, code, message) => {
  const result = await the.box.run([csmPath, "cost", ...args], { env: envOf(homeOf("empty")) });
  expect([result.code, result.stdout]).toEqual([code, ""]);
  expect(result.stderr).toContain(message);
});

test("no transcript, a damaged cache and an unknown format are told in words", async () => {
  const home = homeOf("odd");
  const run = () => the.box.run([csmPath, "cost"], { env: envOf(home) });
  expect(await run()).toMatchObject({ code: 0, stdout: "nothing was used\n" });
  mkdirSync(join(home, ".claude/projects/-x"));
  writeFileSync(join(home, ".claude/projects/-x/s.jsonl"), '{"kind":"ai"}\n');
  expect((await run()).stderr).toContain("unknown format: ");
  writeFileSync(join(home, ".local/state/csm/cost.db"), "no database");
  writeFileSync(join(home, ".claude/projects/-x/s.jsonl"), usageLine({ model: "claude-next-9", input: 5 }));
  const result = await run();
  expect(result.code).toBe(0);
  expect(result.stdout).toContain("$0.00 + ?");
  expect(result.stdout).not.toContain("\u001b");
  expect(result.stderr).toContain("no price is known: claude-next-9");
});
