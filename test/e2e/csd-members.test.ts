import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, plan, type Reply, type Step, say, useTool } from "../../src/stub-script.ts";
import { type Json, threads, until, useBox } from "./harness.ts";

const sandbox = useBox();
const gatesDir = (name: string) => join(sandbox.box.home, ".local/state/csd/run", name, "gates");
const held = (name: string) =>
  until("a held gate", () => {
    const [file] = readdirSync(gatesDir(name)).filter((entry) => entry.endsWith(".json"));
    return file === undefined ? undefined : (JSON.parse(readFileSync(join(gatesDir(name), file), "utf8")) as { pid: number });
  });
const question = (header: string, labels: string[], multiSelect = false) => ({
  ...{ question: `Which ${header}?`, header, multiSelect },
  options: labels.map((label) => ({ label, description: `the ${label} one` })),
});
const notebook = JSON.stringify({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 });
const folder = (name: string) => sandbox.box.folder(name);

type Member = [tool: string, steps: (dir: string) => Step[], args: string[]];
/** Each tool that asks, its gate held by a hook and then, as the hook is killed, told by transcript and screen alone. */
test.each<Member>([
  ["Write", (dir) => [useTool("Write", { file_path: join(dir, "new.txt"), content: "one\ntwo\n" })], []],
  [
    "Edit",
    (dir) => {
      writeFileSync(join(dir, "a.txt"), "one\ntwo\n");
      const path = { file_path: join(dir, "a.txt") };
      return [useTool("Read", path), useTool("Edit", { ...path, old_string: "one", new_string: "eins" })];
    },
    [],
  ],
  [
    "NotebookEdit",
    (dir) => {
      writeFileSync(join(dir, "n.ipynb"), notebook);
      const path = join(dir, "n.ipynb");
      const edit = { notebook_path: path, new_source: "print(1)", cell_type: "code", edit_mode: "insert" };
      return [useTool("Read", { file_path: path }), useTool("NotebookEdit", edit)];
    },
    [],
  ],
  ["WebFetch", () => [useTool("WebFetch", { url: `${sandbox.box.stub.url}/page`, prompt: "Sum up" })], []],
  ["AskUserQuestion", () => [ask(question("Folder", ["src", "test"]), question("Checks", ["lint", "unit"], true))], []],
  ["ExitPlanMode", () => plan("# Plan\n\n1. Yes\n"), ["--permission-mode", "plan"]],
])("%s: one gate with one id, held or not", async (tool, steps, args) => {
  const { box } = sandbox;
  const name = `m-${tool.toLowerCase()}`;
  await box.spawn(name, [...steps(folder(name)), say("Done.")], args.length > 0 ? args : undefined);
  await box.send(name, "Go");
  await held(name);
  const status = { AskUserQuestion: "awaiting_answer", ExitPlanMode: "plan_ready" }[tool] ?? "blocked";
  const before = await box.reach(name, status);
  expect((before.gates as Json[]).map(({ held: isHeld, shown, tool: asked }) => [isHeld, shown, asked])).toEqual([[true, true, tool]]);
  process.kill((await held(name)).pid, "SIGKILL");
  const after = await until("the hook's end", async () => {
    const state = await box.state(name);
    return (state.gates as Json[] | undefined)?.[0]?.held === false && state;
  });
  expect([after.status, after.gate_id, (after.gates as Json[]).length, (after.gates as Json[])[0]?.tool]).toEqual([
    status,
    before.gate_id,
    1,
    tool,
  ]);
  // A choice never meets a gate of a tool, nor an approval a question.
  const wrong = status === "awaiting_answer" ? ["approve", name] : ["answer", name, "--choice", "1"];
  for (const words of [wrong, [...wrong, "--gate", String(before.gate_id)]]) expect((await box.tryCsd(words)).code).toBe(1);
  expect((await box.state(name)).gate_id).toBe(before.gate_id);
  const right = status === "awaiting_answer" ? ["answer", name, "--choice", "test", "--choice", "unit"] : ["approve", name];
  expect(await box.csd([...right, "--gate", String(before.gate_id)])).toMatchObject({ gate_id: before.gate_id, channel: "keys" });
  expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Done." });
  await box.csd(["kill", name]);
});

const agent = (word: string, more: object = {}): Reply =>
  useTool("Agent", { description: word, prompt: `${word} do it`, subagent_type: "general-purpose", ...more });
const touch = (file: string): Reply => useTool("Bash", { command: `touch ${file} && rm -f none`, description: "npm test" });

test.each<[kind: string, scripts: Record<string, Reply[]>]>([
  [
    "in the background",
    { "MAIN go": [agent("AGENT-1", { run_in_background: true }), say("Under way.")], "AGENT-1": [touch("made.txt"), say("Made.")] },
  ],
  ["in the foreground", { "MAIN go": [agent("AGENT-1", { run_in_background: false })], "AGENT-1": [touch("made.txt"), say("Made.")] }],
  ["of an agent", { "MAIN go": [agent("AGENT-1")], "AGENT-1": [agent("AGENT-2")], "AGENT-2": [touch("made.txt"), say("Made.")] }],
])("an agent %s: its gate is its own, held or not, denied and then approved", async (kind, scripts) => {
  const { box } = sandbox;
  const name = `agent-${kind.split(" ").at(-1)}`;
  const spawned = await box.spawn(name, []);
  box.stub.script(String(spawned.session_id), threads(scripts));
  await box.send(name, "MAIN go");
  const before = await box.reach(name, "blocked");
  expect(before).toMatchObject({ tool: "Bash", input: { command: "touch made.txt && rm -f none" }, agent: "general-purpose" });
  expect((before.gates as Json[]).map(({ held: isHeld }) => isHeld)).toEqual([true]);
  process.kill((await held(name)).pid, "SIGKILL");
  // Now claude shows its dialog.
  const after = await until("the dialog", async () => {
    const state = await box.state(name);
    return (state.gates as Json[] | undefined)?.[0]?.shown === true && state;
  });
  expect([after.gate_id, (after.gates as Json[]).length, after.agent_id]).toEqual([before.gate_id, 1, before.agent_id]);
  expect((await box.tryCsd(["approve", name, "--expect", "npm test"])).code).toBe(1);
  expect(existsSync(join(box.home, "work", name, "made.txt"))).toBe(false);
  expect(await box.csd(["approve", name])).toMatchObject({ gate_id: before.gate_id, chosen: "Yes", channel: "keys" });
  await until("the file", () => existsSync(join(box.home, "work", name, "made.txt")));
  await box.reach(name, "idle_done");
});
