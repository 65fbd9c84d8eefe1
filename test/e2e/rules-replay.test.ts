import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, say } from "../../src/stub-script.ts";
import { claudePath, type Json, until, useBox } from "./harness.ts";

const the = useBox();

const rulesDir = () => join(the.box.home, ".config/claude-smart");
function putRules(text: string): void {
  mkdirSync(rulesDir(), { recursive: true });
  writeFileSync(join(rulesDir(), "rules.toml"), text);
}
const rule = (action: string, command: string) => `[[rules]]\nname = "${command}"\nmatch_command = "${command}"\naction = "${action}"\n`;

async function json(...args: string[]): Promise<Json> {
  const result = await the.box.csm([...args, "--json"]);
  expect([result.code, result.stderr]).toEqual([0, ""]);
  return JSON.parse(result.stdout) as Json;
}

/** claude swallows keys that come in the first moments of a dialog. */
async function press(name: string, key: string): Promise<void> {
  const { box } = the;
  const { gate_id: gate } = await until("a gate that takes keys", async () => {
    const now = await box.state(name);
    return now.status === "blocked" && Number(now.age_ms) > 1000 && now;
  });
  await box.keys(name, key);
  await until("the gate is gone", async () => (await box.state(name)).gate_id !== gate);
}

const built = "touch built.txt";

test("real sessions: what was allowed and refused by key is replayed, counted once however often it was copied, and proposed", async () => {
  const { box } = the;
  const ids: string[] = [];
  for (const name of ["one", "two"]) {
    const spawned = await box.spawn(name, [bash(built), bash(built), bash("rm -f none.txt"), say("Over.")]);
    ids.push(String(spawned.session_id));
    await box.send(name, "Go on");
    for (const key of ["1", "1", "Escape"]) await press(name, key);
    await box.reach(name, "idle_done");
    await box.csd(["kill", name]);
  }

  putRules(rule("allow", "rm -f") + rule("deny", "touch"));
  const calls = (list: unknown) => (list as Json[]).map((call) => [(call.input as Json).command, call.outcome, call.by, call.decision]);
  const found = await json("rules", "replay");
  expect(calls(found.allowed_that_was_refused)).toEqual(Array(2).fill(["rm -f none.txt", "refused", "person", "allow"]));
  expect(calls(found.denied_that_ran)).toEqual(Array(4).fill([built, "ran", "person", "deny"]));
  expect(found).toMatchObject({ totals: { allow: 2, ask: 0, deny: 4, none: 0 }, calls: 6, unreadable_calls: 0 });
  expect((found.denied_that_ran as Json[]).map((call) => call.session_id).sort()).toEqual([...ids, ...ids].sort());

  const text = (await box.csm(["rules", "replay"])).stdout;
  expect(text).toMatch(
    /^would have been allowed, and was refused: 2\n[\s\S]*would have been denied, and ran: 4, 4 of them after you had said yes\n/,
  );
  expect(text).toContain("2× touch built.txt");
  expect((await box.csm(["rules", "replay", "--rule", "tuch"])).stderr).toBe(
    'csm rules replay: no rule is called "tuch"; did you mean touch?\n',
  );
  expect(await json("rules", "replay", "--rule", "touch")).toMatchObject({ totals: { allow: 0, ask: 0, deny: 4, none: 0 } });

  // A fork begins with a copy of all that was said.
  const fork = ["-p", "--resume", ids[0] ?? "", "--fork-session", "And now?"];
  expect((await box.run([claudePath, ...fork], { cwd: box.folder("one") })).code).toBe(0);
  expect(await json("rules", "replay")).toMatchObject({ calls: 6, transcripts: Number(found.transcripts) + 1 });

  putRules("");
  const proposed = await box.csm(["rules", "suggest"]);
  expect(proposed.stdout).toBe(
    '# 4 questions in 2 sessions\n[[rules]]\nname = "touch-built-txt"\nmatch_tool = "Bash"\nmatch_command = "touch built.txt"\naction = "allow"\n',
  );
  expect(proposed.stderr).toContain("these would have saved 4 of 4 questions that you said yes to");
  putRules(proposed.stdout);
  expect(await json("rules", "replay")).toMatchObject({ totals: { allow: 4, ask: 0, deny: 0, none: 2 }, allowed_that_was_refused: [] });
  expect(await json("rules", "suggest")).toMatchObject({ suggestions: [], covered: 4 });
  expect(await json("rules", "replay", "--since", "yesterday")).toMatchObject({ calls: 6 });
});

test.each([
  [["--since", "soon"], '--since is no day: "soon"; for example --since 2026-11-20, --since yesterday or --since 7d'],
  [["--rules", "x"], "csm rules replay: unknown flag --rules; did you mean --rule?"],
])("csm rules replay %p is wrong usage", async (args, message) => {
  const result = await the.box.csm(["rules", "replay", ...args]);
  expect([result.code, result.stderr]).toEqual([2, `csm: ${message}\n`.replace("csm: csm ", "csm ")]);
});
