import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseStat } from "../../src/process.ts";
import { say, useTool } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { type Box, claudePath, type Json, stubbornServer, until, useBox } from "./harness.ts";

const sandbox = useBox();

interface Started {
  pid: number;
  sessionId: string;
}

/** A session with an MCP server, in which a loop runs in the background. */
async function startSession(box: Box, name: string): Promise<Started> {
  writeFileSync(join(box.dir, "server.js"), stubbornServer);
  const config = join(box.dir, "mcp.json");
  writeFileSync(config, JSON.stringify({ mcpServers: { x: { command: process.execPath, args: [join(box.dir, "server.js")] } } }));
  const sessionId = crypto.randomUUID();
  box.stub.script(sessionId, [
    useTool("Bash", { command: `trap "" TERM; while :; do sleep 1; done # ${name}`, run_in_background: true, description: "loop" }),
    say("started"),
  ]);
  const command = [claudePath, "--session-id", sessionId, "--mcp-config", config, "--permission-mode", "manual", "--allowed-tools", "Bash"];
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", box.folder(name), "bash", "--norc", "-i"]);
  await box.keys(name, command.join(" "), "Enter");
  const reach = (status: string) =>
    until(
      `${name} is ${status}`,
      () =>
        box.sys
          .list(join(box.configDir, "sessions"))
          .filter((file) => file.endsWith(".json"))
          .map((file) => JSON.parse(box.sys.readText(join(box.configDir, "sessions", file)) || "{}") as Json)
          .find((file) => file.sessionId === sessionId && file.status === status),
      () => box.screen(name),
    );
  await reach("idle");
  await box.keys(name, "go", "Enter");
  const { pid } = await reach("shell");
  return { pid: Number(pid), sessionId };
}

const reap = async (box: Box, ...args: string[]) => {
  const result = await box.csm(["reap", "--json", ...args]);
  const value = JSON.parse(result.stdout) as { orphans: Json[]; hidden: number };
  expect(asPublic("csm reap", value) as never).toEqual(value as never);
  return { code: result.code, ...value };
};

const isGone = (box: Box, pid: unknown) => parseStat(box.sys.readText(`/proc/${pid}/stat`) ?? "") === undefined;
const commands = (orphans: Json[]) => orphans.map(({ command }) => String(command));

test("kill -9 leaves an MCP server and a shell; reap lists exactly these, ends them on --yes, and spares the living", async () => {
  const { box } = sandbox;
  const [doomed, living] = [await startSession(box, "doomed"), await startSession(box, "living")];
  expect((await reap(box)).orphans).toEqual([]);

  process.kill(doomed.pid, "SIGKILL");
  await until("claude is gone", () => isGone(box, doomed.pid));
  const { orphans } = await reap(box);
  const texts = commands(orphans);
  expect(texts.some((text) => text.includes("server.js"))).toBe(true);
  expect(texts.some((text) => text.includes("# doomed"))).toBe(true);
  // Besides these two only what the loop itself starts.
  expect(texts.filter((text) => !text.includes("server.js") && !text.includes("# doomed") && text !== "sleep 1")).toEqual([]);
  for (const orphan of orphans) expect(orphan).toMatchObject({ session_id: doomed.sessionId, claude_pid: doomed.pid, crashed: true });

  const table = await box.csm(["reap"]);
  expect(table.stdout.split("\n")[0]).toMatch(/^PID +AGE +SESSION +COMMAND +WHY$/);
  expect(table.stderr).toContain("nothing was ended; csm reap --yes ends these");
  for (const { pid } of orphans.filter(({ command }) => command !== "sleep 1")) expect(isGone(box, pid)).toBe(false);
  expect((await reap(box, "--session", "ffffffff")).orphans).toEqual([]);

  const ended = await reap(box, "--yes", "--session", doomed.sessionId.slice(0, 8));
  expect([ended.code, ended.orphans.every(({ result }) => ["ended", "killed", "gone"].includes(String(result)))]).toEqual([0, true]);
  for (const { pid } of orphans) expect(isGone(box, pid)).toBe(true);
  expect((await reap(box)).orphans).toEqual([]);

  // Nothing of Claude Code's was touched, and the other session goes on.
  expect(existsSync(join(box.configDir, "sessions", `${doomed.pid}.json`))).toBe(true);
  expect(isGone(box, living.pid)).toBe(false);
  expect((await box.run(["pgrep", "-f", "# living"])).stdout).not.toBe("");
});

test.each([
  [["--yes", "--dry-run"], "contradict"],
  [["--sesion", "x"], "did you mean --session?"],
])("csm reap %p is refused with code 2", async (args, words) => {
  const result = await sandbox.box.csm(["reap", ...args]);
  expect([result.code, result.stderr.includes(words)]).toEqual([2, true]);
});
