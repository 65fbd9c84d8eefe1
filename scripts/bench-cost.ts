/**
 * The rows about csm cost: transcripts of three shapes, read by it and by the newest native ccusage, which must come to the same
 * sums. All limits are ratios: times of machines of one kind differ by half.
 */
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installCcusage } from "./ccusage.ts";
import { usageLine } from "./usage-lines.ts";
import { shapes, writeTranscripts } from "./usage-load.ts";

const [files, bytes] = [200, 290e6];

type Run = (argv: string[]) => Promise<{ stdout: string }>;

export const createCostRows = (csm: string, box: string, run: Run) =>
  shapes.flatMap((shape) => createShapeRows(csm, join(box, `cost-${shape}`), run, shape));

/** Both read `dir/.claude`; a cold run begins without what csm remembers. */
function createShapeRows(csm: string, dir: string, run: Run, shape: (typeof shapes)[number]) {
  const env = `HOME='${dir}' CLAUDE_CONFIG_DIR='${dir}/.claude' XDG_STATE_HOME='${dir}/state'`;
  const ours = `exec env ${env} '${csm}' cost --json --timezone UTC`;
  const theirs = `exec env ${env} "$(cat '${dir}/ccusage-path')" claude daily --json --offline --mode calculate --timezone UTC`;
  const [cold, warm, other] = [`rm -rf '${dir}/state'; ${ours}`, ours, theirs].map((script) => ["sh", "-c", script]) as [
    string[],
    string[],
    string[],
  ];
  const cat = ["sh", "-c", `find '${dir}/.claude' -name '*.jsonl' -exec cat {} + >/dev/null`];
  const prepare = () => prepareTranscripts(dir, shape, async (argv) => JSON.parse((await run(argv)).stdout), { cold, warm, other });
  const what = `csm cost, 290 MB in 200 files, shape ${shape}`;
  return [
    { name: `cost-cold-${shape}`, what: `${what}, nothing cached : ccusage`, limit: 0.3, a: cold, b: other, prepare },
    { name: `cost-cat-${shape}`, what: `${what}, nothing cached : cat`, limit: 4, a: cold, b: cat, prepare },
    { name: `cost-warm-${shape}`, what: `${what}, a second time : ccusage`, limit: 0.04, a: warm, b: other, prepare },
  ];
}

/** The same amount with a call of a tool for each answer, and rules for some of them: what was allowed, asked about and denied. */
export function createReplayRows(csm: string, dir: string) {
  const env = `HOME='${dir}' CLAUDE_CONFIG_DIR='${dir}/.claude' XDG_STATE_HOME='${dir}/state'`;
  const command = (words: string) => ["sh", "-c", `rm -rf '${dir}/state'; exec env ${env} '${csm}' ${words}`];
  const [replay, suggest, cost] = ["rules replay --json", "rules suggest --json", "cost --json"].map(command) as [
    string[],
    string[],
    string[],
  ];
  const prepare = async () => {
    if (await Bun.file(join(dir, ".config/claude-smart/rules.toml")).exists()) return;
    writeTranscripts(join(dir, ".claude"), files, bytes, "calls");
    await Bun.write(join(dir, ".config/claude-smart/rules.toml"), rules);
  };
  const own = { a: [], b: [], limit: 2000, prepare };
  const what = "290 MB in 200 files, 29,000 calls, nothing cached";
  return [
    { name: "replay", what: `csm rules replay, ${what}`, ...own, measure: () => measureAlone(replay) },
    { name: "suggest", what: `csm rules suggest, ${what}`, ...own, measure: () => measureAlone(suggest) },
    { name: "replay-cost", what: `csm rules replay, ${what} : csm cost`, limit: 5, a: replay, b: cost, prepare },
  ];
}

const rules = `${[
  ...["npm run test", "npm run lint", "grep", "head"].map((words) => ["allow", words]),
  ...["git push", "npm publish", "rm -rf"].map((words) => ["deny", words]),
]
  .map(([action, words]) => `[[rules]]\nname = "${words}"\nmatch_command = "${words}"\naction = "${action}"\n`)
  .join("\n")}`;

const runs = 7;

async function measureAlone(argv: string[]): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    const code = await Bun.spawn(argv, { stdout: "ignore", stderr: "inherit", stdin: "ignore" }).exited;
    if (code !== 0) throw new Error(`${argv.at(-1)} ended with code ${code}`);
    times.push(performance.now() - startedAt);
  }
  return times;
}

/**
 * What claude waits for before each call of a tool, under budgets for a month, a day and a session; all but the newest of the
 * transcripts is counted. 25 ms over an empty program, which takes 5.
 */
export function createBudgetRow(csm: string, empty: string, dir: string, run: Run) {
  const env = `HOME='${dir}' XDG_STATE_HOME='${dir}/state' CLAUDE_CONFIG_DIR=`;
  const [session, input] = ["00000000-0000-4000-8000-000000000003", join(dir, "input.json")];
  const transcript = join(dir, ".claude/projects/-home-dev-p3", `${session}.jsonl`);
  const side = (program: string) => ["sh", "-c", `exec env ${env} ${program} <'${input}'`];
  return {
    ...{ name: "hook-budget", what: "csm hook before a tool, budgets over 290 MB in 200 files : empty program with the same", limit: 6 },
    ...{ a: side(`'${csm}' hook`), b: side(`'${empty}'`) },
    prepare: async () => {
      writeTranscripts(join(dir, ".claude"), files, bytes, "short");
      const asked = { hook_event_name: "PreToolUse", session_id: session, transcript_path: transcript, cwd: dir };
      await Bun.write(input, JSON.stringify({ ...asked, tool_name: "Bash", tool_input: { command: "ls" } }));
      const budget = (period: string) => `[[budgets]]\nname = "${period}"\nperiod = "${period}"\naction = "deny"\nlimit_usd = 1000000\n`;
      await Bun.write(join(dir, ".config/claude-smart/rules.toml"), ["month", "day", "session"].map(budget).join("\n"));
      await run(["sh", "-c", `exec env ${env} '${csm}' csd --csd-count`]);
      appendFileSync(transcript, usageLine({ id: "newest", input: 1000, at: new Date().toISOString() }));
    },
    cleanup: async () => rmSync(dir, { recursive: true }),
  };
}

async function prepareTranscripts(
  dir: string,
  shape: (typeof shapes)[number],
  read: (argv: string[]) => Promise<unknown>,
  argv: { cold: string[]; warm: string[]; other: string[] },
): Promise<void> {
  if (!(await Bun.file(join(dir, "ccusage-path")).exists())) {
    writeTranscripts(join(dir, ".claude"), files, bytes, shape);
    await Bun.write(join(dir, "ccusage-path"), await installCcusage());
  }
  // ccusage 20.0.24 passes over lines with blanks: what they come to is what the same answers come to without.
  const twin = join(dir, "twin");
  if (shape === "old") writeTranscripts(join(twin, ".claude"), files, bytes, "long");
  const plain = argv.other.map((word) => (shape === "old" ? word.replaceAll(`${dir}/.claude`, `${twin}/.claude`) : word));
  const { totals: other } = (await read(plain)) as { totals: Record<string, number> };
  rmSync(twin, { recursive: true, force: true });
  for (const own of [argv.cold, argv.warm]) {
    const { totals } = (await read(own)) as { totals: Record<string, number> };
    const sums = [totals.input_tokens, totals.output_tokens, totals.cache_read_tokens, totals.cost_usd?.toFixed(2)];
    const wanted = [other.inputTokens, other.outputTokens, other.cacheReadTokens, other.totalCost?.toFixed(2)];
    if (JSON.stringify(sums) !== JSON.stringify(wanted)) throw new Error(`csm cost counts ${sums}, ccusage ${wanted}`);
  }
}
