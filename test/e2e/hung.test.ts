import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createMonitor } from "../../src/monitor.ts";
import { bash, say } from "../../src/stub-script.ts";
import { type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();

/** A whole command; without a bound each of its calls of tmux took 12 s. */
const commandMs = 10_000;

async function timed<T>(run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await run();
  expect(performance.now() - startedAt).toBeLessThan(commandMs);
  return result;
}

test("a tmux server that hangs costs its own session a moment and a clear line, and the others nothing", async () => {
  const { box } = sandbox;
  const far = { env: { ...box.env, TMUX_TMPDIR: join(box.dir, "far") } };
  mkdirSync(far.env.TMUX_TMPDIR, { mode: 0o700 });
  await box.spawn("near", [bash("touch near.txt && rm -f x"), say("Done.")]);
  const spawned = await box.csd(["spawn", "--name", "far", "--cwd", box.folder("far"), "--permission-mode", "manual"], far);
  box.stub.script(String(spawned.session_id), [bash("touch far.txt && rm -f x"), say("Done.")]);
  for (const name of ["near", "far"]) {
    await box.send(name, "Go");
    await box.reach(name, "blocked");
  }
  const server = Number((await box.run(["tmux", "-u", "display-message", "-p", "-t", "=far:", "#{pid}"], far)).stdout);
  process.kill(server, "SIGSTOP");
  const monitor = createMonitor(box.sys);
  try {
    const near = { status: "blocked", tool: "Bash", options: expect.arrayContaining(["Yes", "No"]) };
    const ps = (await timed(() => box.csd(["ps", "--json"]))) as { sessions: Json[] };
    const byName = Object.fromEntries(ps.sessions.map(({ name, state, alive }) => [name, { ...(state as Json), alive }]));
    expect(byName).toMatchObject({ near, far: { status: "blocked", tool: "Bash", alive: true } });
    const ls = JSON.parse((await timed(() => box.csm(["ls", "--json"]))).stdout) as { sessions: Json[] };
    expect(Object.fromEntries(ls.sessions.map(({ name, state }) => [name, state]))).toMatchObject({
      near,
      far: { status: "blocked", tool: "Bash" },
    });
    for (const args of [["state"], ["approve"], ["send"]]) {
      const result = await timed(() => box.tryCsd([...args, "far", ...(args[0] === "send" ? ["Hello"] : [])]));
      expect([result.code, result.stderr.trim().split("\n").length]).toEqual([1, 1]);
      expect(result.stderr).toMatch(/tmux command failed: list-panes: it did not answer in time.*is the server at .*far.* stopped\?/);
    }
    // As `csm top` does it, look after look.
    await timed(async () => {
      for (let look = 0; look < 20; look++) {
        const { sessions } = await monitor.read();
        if (look > 0) expect(sessions.find(({ driver }) => driver === "near")?.verdict).toMatchObject(near);
      }
    });
    expect(await timed(() => box.csd(["approve", "near"]))).toMatchObject({ chosen: "Yes" });
  } finally {
    process.kill(server, "SIGCONT");
    monitor.close();
  }
  expect(await box.csd(["approve", "far"], far)).toMatchObject({ chosen: "Yes" });
  await until("both done", async () =>
    (await Promise.all(["near", "far"].map((name) => box.state(name)))).every(({ status }) => status === "idle_done"),
  );
  process.kill(server, "SIGSTOP");
  try {
    // Its process is ended by its record.
    expect(await timed(() => box.csd(["kill", "far"]))).toEqual({ ok: true, killed: true });
    expect((await box.tryCsd(["state", "far"])).stderr).toContain("does not exist");
  } finally {
    process.kill(server, "SIGCONT");
    await box.run(["tmux", "-u", "kill-server"], far);
  }
});
