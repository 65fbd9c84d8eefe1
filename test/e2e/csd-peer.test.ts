import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderGateReply } from "../../src/claude-hooks.ts";
import { bash, say, useTool } from "../../src/stub-script.ts";
import { type Box, csdPath, type Json, root, until, useBox } from "./harness.ts";

const sandbox = useBox();
const stateDir = (box: Box) => join(box.home, ".local/state/csd");
const gatesDir = (box: Box, name: string) => join(stateDir(box), "run", name, "gates");
const audit = (box: Box): string => {
  const path = join(stateDir(box), "audit.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};
const heldGate = (box: Box, name: string) =>
  until("a held gate", () => readdirSync(gatesDir(box, name)).find((file) => file.endsWith(".json")));

test("a forged reply file runs nothing, nor does a gate that was changed on disk, which stays the one it is", async () => {
  const { box } = sandbox;
  await box.spawn("forged", [bash("touch real.txt && rm -f x"), say("Done.")]);
  await box.send("forged", "Go");
  await box.reach("forged", "blocked");
  const file = join(gatesDir(box, "forged"), await heldGate(box, "forged"));
  const text = readFileSync(file, "utf8");
  const gate = JSON.parse(text);
  writeFileSync(file.replace(/\.json$/, ".reply"), renderGateReply({ command: "touch evil.txt" }, { reply: "allow" }));
  const { gate_id: id } = await box.state("forged");
  const change = (fields: object) => writeFileSync(file, JSON.stringify({ ...gate, ...fields }));
  const changes = [
    () => change({ input: { command: "touch evil.txt" } }),
    () => change({ tool: "Read" }),
    () => change({ agent: "Explore", agent_id: "a1" }),
    () => writeFileSync(file, "null"),
    () => rmSync(file),
  ];
  for (const make of changes) {
    make();
    const state = await box.state("forged");
    expect([state.gate_id, (state.gates as Json[]).length, (state.input as Json).command]).toEqual([id, 1, "touch real.txt && rm -f x"]);
    // Its hook sets it right.
    await until("the gate as it was", () => existsSync(file) && readFileSync(file, "utf8") === text);
  }
  expect(["real.txt", "evil.txt"].filter((name) => existsSync(join(box.home, "work/forged", name)))).toEqual([]);
  changes[0]?.();
  expect(await box.csd(["approve", "forged", "--gate", String(id)])).toMatchObject({ chosen: "Yes", gate_id: id });
  expect(await box.reach("forged", "idle_done")).toMatchObject({ text: "Done." });
  expect(existsSync(join(box.home, "work/forged/real.txt"))).toBe(true);
  expect(existsSync(join(box.home, "work/forged/evil.txt"))).toBe(false);
  expect(existsSync(gate.socket)).toBe(false);
});

test.each([
  ["own", ""],
  // The shell that it was started by keeps the marks.
  ["hidden", "env -u CSD_CHANNEL -u CLAUDE_PID "],
])("a background child of an allowed command cannot approve the next gate (%s)", async (name, env) => {
  const { box } = sandbox;
  const loop = `for i in $(seq 100); do ${env}${csdPath} approve ${name} >> out.log 2>&1; sleep 0.2; done`;
  await box.spawn(name, [bash(`(${loop}) > /dev/null 2>&1 &`), bash("touch second.txt && rm -f x"), say("Done.")]);
  await box.send(name, "Go");
  await box.reach(name, "blocked");
  await box.csd(["approve", name]);
  await until("the second gate", async () => JSON.stringify(await box.state(name)).includes("second.txt") || undefined);
  const before = audit(box).length;
  await until("another try", () => audit(box).length > before);
  expect(await box.state(name)).toMatchObject({ status: "blocked", input: { command: "touch second.txt && rm -f x" } });
  expect(existsSync(join(box.home, "work", name, "second.txt"))).toBe(false);
  expect(readFileSync(join(box.home, "work", name, "out.log"), "utf8")).toContain(
    `session \\"${name}\\" may not approve itself: this csd was started inside it; nothing was done`,
  );
  expect(JSON.parse(audit(box).trim().split("\n").at(-1) ?? "")).toMatchObject({ event: "refused", session: name, verb: "approve" });
  expect(statSync(join(stateDir(box), "audit.jsonl")).mode & 0o777).toBe(0o600);
  expect(await box.csd(["approve", name])).toMatchObject({ chosen: "Yes", channel: "hook" });
  await box.reach(name, "idle_done");
  await box.csd(["kill", name]);
});

test("a program of the session that speaks to the hook's socket itself is refused by the hook", async () => {
  const { box } = sandbox;
  const script = join(box.folder("direct"), "reply.ts");
  writeFileSync(
    script,
    `import { readdirSync, readFileSync } from "node:fs";
    const { createSys } = await import(${JSON.stringify(join(root, "src/sys.ts"))});
    const { sendReply } = await import(${JSON.stringify(join(root, "src/reply.ts"))});
    const { toCall } = await import(${JSON.stringify(join(root, "src/channel.ts"))});
    const dir = ${JSON.stringify(gatesDir(box, "direct"))};
    for (;;) {
      await Bun.sleep(100);
      const file = readdirSync(dir).find((name) => name.endsWith(".json"));
      if (file === undefined) continue;
      const gate = JSON.parse(readFileSync(dir + "/" + file, "utf8"));
      if (!gate.input.command.includes("second.txt")) continue;
      console.log(JSON.stringify(await sendReply(createSys(), toCall(gate), { reply: "allow" })));
      break;
    }`,
  );
  const steps = [bash(`(${process.execPath} ${script} > out.log 2>&1 &)`), bash("touch second.txt && rm -f x"), say("Done.")];
  await box.spawn("direct", steps);
  await box.send("direct", "Go");
  await box.reach("direct", "blocked");
  await box.csd(["approve", "direct"]);
  const log = join(box.home, "work/direct/out.log");
  const said = await until("the answer", () => (existsSync(log) ? readFileSync(log, "utf8") : "") || undefined);
  expect(JSON.parse(said)).toEqual({ is: "refused", why: "a process of the session itself asks" });
  expect(audit(box)).toContain('"session":"direct","verb":"reply"');
  expect(existsSync(join(box.home, "work/direct/second.txt"))).toBe(false);
  expect(await box.csd(["approve", "direct"])).toMatchObject({ chosen: "Yes", channel: "hook" });
});

test("claude's tools may not touch csd's folder, in no mode, and other files as before", async () => {
  const { box } = sandbox;
  const forged = join(stateDir(box), "run", "tools", "gates", "x.json");
  const record = join(stateDir(box), "sessions", "tools.json");
  const free = join(box.folder("tools"), "free.txt");
  const steps = [
    useTool("Write", { file_path: forged, content: "{}" }),
    useTool("Read", { file_path: record }),
    useTool("Write", { file_path: free, content: "1" }),
    say("Done."),
  ];
  await box.spawn("tools", steps, ["--permission-mode", "acceptEdits"]);
  await box.send("tools", "Go");
  expect(await box.reach("tools", "idle_done")).toMatchObject({ text: "Done." });
  expect(existsSync(forged)).toBe(false);
  expect(readFileSync(free, "utf8")).toBe("1");
  const said = JSON.stringify(box.stub.requests.at(-1)?.body.messages);
  expect(said.match(/denied by your permission settings/g)?.length).toBe(2);
});

test("a hook that is killed, or stopped, leaves one gate with its id, which is answered by keys", async () => {
  const { box } = sandbox;
  const holder = (name: string) =>
    JSON.parse(readFileSync(join(gatesDir(box, name), String(readdirSync(gatesDir(box, name))[0])), "utf8")).pid;
  const listed = async (name: string) => {
    const { sessions } = JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: Json[] };
    const { state } = sessions.find((session) => session.name === name) as { state: Json };
    return [state.status, state.gate_id];
  };
  for (const [name, signal] of [
    ["killed", "SIGKILL"],
    ["stopped", "SIGSTOP"],
  ] as const) {
    await box.spawn(name, [bash("touch made.txt && rm -f x"), say("Done.")]);
    await box.send(name, "Go");
    const before = await box.reach(name, "blocked");
    await heldGate(box, name);
    const pid = holder(name);
    process.kill(pid, signal);
    const after = await box.state(name);
    expect([after.status, after.gate_id, after.tool, (after.gates as Json[]).length]).toEqual(["blocked", before.gate_id, "Bash", 1]);
    expect(await listed(name)).toEqual(["blocked", before.gate_id]);
    if (signal === "SIGSTOP") {
      const refused = await box.tryCsd(["approve", name]);
      expect([refused.code, JSON.parse(refused.stderr).error]).toEqual([
        1,
        `the hook of session "${name}" did not take the answer: it has not answered for 5 s; nothing was chosen`,
      ]);
      expect(await box.state(name)).toMatchObject({ status: "blocked", gate_id: before.gate_id });
    }
    const option = signal === "SIGSTOP" ? ["--option", "1"] : [];
    expect(await box.csd(["approve", name, ...option])).toMatchObject({ gate_id: before.gate_id, chosen: "Yes", channel: "keys" });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Done." });
    expect(existsSync(join(box.home, "work", name, "made.txt"))).toBe(true);
    if (signal === "SIGSTOP") process.kill(pid, "SIGCONT");
  }
});
