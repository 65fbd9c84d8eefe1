/**
 * The rows about csm tasks: what csm itself takes of a processor, beside an empty program in the same run. Both sides are CPU time, so
 * that what else runs on the machine counts for nothing.
 */
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tickMs } from "../src/process.ts";

const result = { type: "result", subtype: "success", is_error: false, num_turns: 1, stop_reason: "end_turn", result: "Done." };

/** In claude's place: one that takes nothing, and one that waits for its model. */
const programs = {
  quick: `echo '${JSON.stringify(result)}'`,
  waiting: "exec sleep 300",
};

/** Limits are what is asked for, 1 s, 30 ms and 10 ms in a second, over the 5 ms of an empty program. */
export function createTaskRows(csm: string, empty: string, dir: string) {
  const env = (claude: keyof typeof programs) => ({
    ...{ HOME: dir, XDG_STATE_HOME: join(dir, "state"), PATH: process.env.PATH ?? "", CLAUDE_SMART_CLAUDE_BIN: join(dir, claude) },
  });
  const start = (argv: string[], claude: keyof typeof programs = "quick") =>
    Bun.spawn(argv, { env: env(claude), cwd: dir, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const cpuMs = async (argv: string[]): Promise<number> => {
    const child = start(argv);
    if ((await child.exited) !== 0) throw new Error(`${argv.slice(1, 3).join(" ")} ended with ${child.exitCode}`);
    return Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
  };
  const run = (tasks: number) => [csm, "tasks", "run", join(dir, `${tasks}.json`)];
  const beside = async (count: number, measure: () => Promise<number>) => {
    const sides: Record<"a" | "b", number[]> = { a: [], b: [] };
    while (sides.a.length < count) {
      sides.a.push(await measure());
      sides.b.push(await cpuMs([empty]));
    }
    return sides;
  };
  const write = (tasks: unknown[], jobs = 4) => Bun.write(join(dir, `${tasks.length}.json`), JSON.stringify({ jobs, tasks }));
  const plain = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `t${index}`, cwd: dir, prompt: `Do ${index}` }));
  const common = { a: [], b: [], cleanup: async () => rmSync(dir, { recursive: true, force: true }) };
  const prepare = async () => {
    for (const [name, script] of Object.entries(programs)) {
      await Bun.write(join(dir, name), `#!/bin/sh\ncat >/dev/null\n${script}\n`);
      chmodSync(join(dir, name), 0o700);
    }
    for (const tasks of [1, many]) await write(plain(tasks));
    await write(plain(waiting), waiting);
    await write(createGraph());
  };
  return [
    {
      ...{ ...common, prepare, name: "tasks-check", what: "CPU of csm tasks check, 10,000 tasks : empty program", limit: 200 },
      measurePairs: () => beside(7, () => cpuMs([csm, "tasks", "check", join(dir, "10000.json")])),
    },
    {
      ...{ ...common, prepare, name: "tasks-run", what: "CPU of csm tasks run for a task : empty program", limit: 6 },
      measurePairs: () => beside(5, async () => ((await cpuMs(run(many))) - (await cpuMs(run(1)))) / (many - 1)),
    },
    {
      ...{
        ...common,
        prepare,
        name: "tasks-wait",
        what: "CPU of csm tasks run in a second, while 20 tasks wait : empty program",
        limit: 2,
      },
      measurePairs: () => beside(3, () => measureWaiting(() => start(run(waiting), "waiting"))),
    },
  ];
}

const [many, waiting] = [40, 20];
const [settleMs, measuredMs] = [5000, 20_000];

/** CPU of a second, once all of them have begun. */
async function measureWaiting(begin: () => Bun.Subprocess): Promise<number> {
  const child = begin();
  const cpuMs = () => {
    const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  };
  try {
    await Bun.sleep(settleMs);
    const [before, from] = [cpuMs(), Bun.nanoseconds()];
    await Bun.sleep(measuredMs);
    return ((cpuMs() - before) * 1e9) / (Bun.nanoseconds() - from);
  } finally {
    // Twice ends all that waits.
    child.kill("SIGINT");
    await Bun.sleep(500);
    child.kill("SIGINT");
    await child.exited;
  }
}

/** As large as one may be, half of it waiting for two others, with nothing known of the past. */
function createGraph(): unknown[] {
  return Array.from({ length: 10_000 }, (_, index) => ({
    ...{ name: `t${index}`, prompt: index % 2 === 0 ? "x".repeat(300) : `{{t${index - 1}.result}} ${"x".repeat(300)}` },
    depends_on: index % 2 === 0 ? [] : [`t${index - 1}`, `t${Math.max(0, index - 30)}`],
  }));
}
