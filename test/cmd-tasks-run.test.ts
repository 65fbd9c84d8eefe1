import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "../src/cmd-record.ts";
import { prepareResume } from "../src/cmd-tasks-run.ts";
import { readBoot } from "../src/launch-record.ts";
import { readProcess } from "../src/process.ts";
import { createSys } from "../src/sys.ts";
import { readTaskFile } from "../src/task-file.ts";
import { openTaskStore } from "../src/task-store.ts";

const home = mkdtempSync(join(tmpdir(), "csm-tasks-resume-"));
const sys = createSys({ ...process.env, HOME: home, XDG_STATE_HOME: join(home, "state"), XDG_CONFIG_HOME: join(home, "config") });
afterAll(() => rmSync(home, { recursive: true, force: true }));

test("what a worker has left of a task that is in the file no more is ended, as nobody would watch it", async () => {
  const file = join(home, "night.json");
  const write = (...names: string[]) =>
    writeFileSync(file, JSON.stringify({ tasks: names.map((name) => ({ name, prompt: name, cwd: home })) }));
  write("stays", "goes");
  const { graph } = await readTaskFile(sys, file);
  const queue = openTaskStore(sys);
  const run = { id: "r", graph, isInteractive: false, startedAt: 1000 };
  await queue.create(run, ["stays", "goes"], { event: "run", text: "begun" });
  const claims = await queue.claim("r", { host: sys.hostname(), pid: 1, start: "gone" }, 1, () => ({ start: ["stays", "goes"], skip: [] }));
  const left = claims.map(() => Bun.spawn(["sleep", "60"]));
  for (const [at, claim] of claims.entries()) {
    const { pid } = left[at] as Bun.Subprocess;
    const start = (await readProcess(sys, pid))?.start ?? "";
    await queue.heartbeat(claim, 1, {
      dir: join(home, claim.task),
      sessionId: claim.task,
      process: { pid, start, boot: (await readBoot(sys)).key },
    });
  }
  write("stays");
  await prepareResume({ sys } as App, queue, run, false);
  expect((await queue.readTasks("r")).map(({ id, state }) => [id, state])).toEqual([["stays", "running"]]);
  expect([left[0]?.exitCode ?? left[0]?.signalCode, (await left[1]?.exited) !== undefined]).toEqual([null, true]);
  left[0]?.kill();
  queue.close();
});
