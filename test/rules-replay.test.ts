import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { callLine, callResultLine, promptLine } from "../scripts/usage-lines.ts";
import { isApproval, judgeAll, outcomeOf, readBooks, readPast, replay, rulesOfBooks } from "../src/rules-replay.ts";
import { createSys } from "../src/sys.ts";

let home = "";
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "csm-replay-")));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const session = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const at = "2026-11-01T10:00:00.000Z";

function put(path: string, text: string): string {
  const full = join(home, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}
const transcript = (number: number, config = ".claude") => `${config}/projects/-w/${session(number)}.jsonl`;
const rules = (text: string) => put(".config/claude-smart/rules.toml", text);

const call = (id: string, command: string, more: object = {}) =>
  callLine({ id: `m-${id}`, at, cwd: join(home, "app"), ...more }, id, "Bash", { command, description: `about ${id}` });
const ran = (id: string) => callResultLine(id, "done", "config");
const allowed = (id: string) => callResultLine(id, "done", "ask");
const refused = (id: string) => callResultLine(id, "", "reject");

async function run(options: { sinceAt?: number; only?: string; dirs?: string[] } = {}) {
  const sys = createSys({ HOME: home });
  const { dirs: given = [".claude"], only, ...more } = options;
  const dirs = given.map((dir) => ({ name: dir.replace(/^\.claude\.?/, "") || undefined, dir: join(home, dir) }));
  const past = await readPast(sys, { dirs, onProgress() {}, ...more });
  const bookOf = await readBooks(sys, past.calls);
  const { rules: all, problems } = rulesOfBooks([...new Set(past.calls.map(bookOf))]);
  const verdictOf = await judgeAll(sys, past.calls, bookOf);
  const found = replay(past.calls, { rules: all, verdictOf, ...(only === undefined ? {} : { only }) });
  const said = past.calls.map((one) => {
    const verdict = verdictOf(one);
    return [one.input.command, outcomeOf(one), [verdict.decision, ...verdict.deciders.map(({ name }) => name)].join(" ")];
  });
  return { past, found, said, problems };
}

const allow = (name: string, command: string) => `[[rules]]\nname = "${name}"\nmatch_command = "${command}"\naction = "allow"\n`;
const deny = (name: string, command: string) => allow(name, command).replace('"allow"', '"deny"');

test("each call is judged by the rules as they are, and told by what had come of it", async () => {
  rules(`${allow("tests", "npm test")}${allow("publishing", "npm publish")}${deny("logs", "git log")}${deny("never", "rm -rf")}`);
  put(
    transcript(1),
    [
      promptLine(),
      ...[call("1", "npm test"), ran("1"), call("2", "npm publish"), refused("2"), call("3", "git log -3"), ran("3")],
      ...[call("4", "git log"), allowed("4"), call("5", "npm test && npm publish"), allowed("5"), call("6", "ls"), ran("6")],
      ...[call("7", "npm test | tee x"), ran("7"), call("8", "git log"), refused("8"), call("9", "npm test")],
    ].join(""),
  );
  const { found, said } = await run();
  expect(said).toEqual([
    ["npm test", "ran", "allow tests"],
    ["npm publish", "refused", "allow publishing"],
    ["git log -3", "ran", "deny logs"],
    ["git log", "ran", "deny logs"],
    ["npm test && npm publish", "ran", "allow tests publishing"],
    ["ls", "ran", "none"],
    ["npm test | tee x", "ran", "ask"],
    ["git log", "refused", "deny logs"],
    ["npm test", "open", "allow tests"],
  ]);
  expect(found.totals).toEqual({ allow: 4, ask: 1, deny: 3, none: 1 });
  expect(found.tallies.map(({ rule, allow, ask, deny, contrary }) => [rule.name, allow, ask, deny, contrary])).toEqual([
    ["tests", 3, 0, 0, 0],
    ["publishing", 2, 0, 0, 1],
    ["logs", 0, 0, 3, 2],
    ["never", 0, 0, 0, 0],
  ]);
  expect(found.allowedThatWasRefused.map((one) => one.call.id)).toEqual(["2"]);
  // What somebody had said yes to comes first.
  expect(found.deniedThatRan.map((one) => [one.call.id, isApproval(one.call)])).toEqual([
    ["4", true],
    ["3", false],
  ]);
});

test("one rule alone", async () => {
  rules(`${allow("tests", "npm test")}${deny("logs", "git log")}`);
  put(transcript(1), [call("1", "npm test"), ran("1"), call("2", "git log"), ran("2")].join(""));
  const { found } = await run({ only: "logs" });
  expect([found.tallies.map(({ rule }) => rule.name), found.totals, found.deniedThatRan.length]).toEqual([
    ["logs"],
    { allow: 0, ask: 0, deny: 1, none: 0 },
    1,
  ]);
});

test("each call once: of forks, of links between profiles, of hard copies; equal ids of other answers are calls of their own", async () => {
  const first = [call("1", "npm test"), refused("1"), call("2", "make")].join("");
  put(transcript(1), first);
  // The fork goes on with what the first one left open.
  put(transcript(2), `${first}${ran("2")}${call("3", "ls")}`);
  put(".claude.two/projects/-w/x", "");
  symlinkSync(join(home, ".claude/projects/-w"), join(home, ".claude.two/projects/-v"));
  put(transcript(3, ".claude.three"), call("call_0", "a").replace("m-call_0", "m-x") + call("call_0", "b").replace("m-call_0", "m-x"));
  const { said, past } = await run({ dirs: [".claude", ".claude.two", ".claude.three"] });
  expect(said.map(([command, outcome]) => [command, outcome])).toEqual([
    ["npm test", "refused"],
    ["make", "ran"],
    ["ls", "open"],
    ["a", "open"],
    ["b", "open"],
  ]);
  expect(past.calls.map(({ thread }) => thread.profile)).toEqual([undefined, undefined, undefined, "three", "three"]);
});

test("sub-agents at any depth count with their types, and belong to the session that started them", async () => {
  const dir = `.claude/projects/-w/${session(1)}/subagents`;
  put(transcript(1), call("1", "ls"));
  put(`${dir}/agent-a.jsonl`, call("2", "pwd", { isSidechain: true }));
  put(`${dir}/agent-a.meta.json`, JSON.stringify({ agentType: "Explore" }));
  put(`${dir}/workflows/wf_1/agent-b.jsonl`, call("3", "id", { isSidechain: true, cwd: "/elsewhere" }));
  // Older versions put it beside the session's own.
  put(".claude/projects/-w/agent-c.jsonl", call("4", "who", { isSidechain: true, sessionId: session(1) }));
  put(`${dir}/workflows/wf_1/journal.jsonl`, `${JSON.stringify({ type: "step", name: "Bash" })}\n`);
  rules('[[rules]]\nname = "look"\nmatch_agent = "Explore"\nmatch_tool = "Bash"\nmatch_command = "pwd"\naction = "allow"\n');
  const { past, said } = await run();
  expect(past.calls.map(({ agent, thread, sessionCwd }) => [agent, thread.sessionId, sessionCwd])).toEqual([
    [undefined, session(1), join(home, "app")],
    ["Explore", session(1), join(home, "app")],
    ["unknown", session(1), join(home, "app")],
    ["unknown", session(1), join(home, "app")],
  ]);
  expect(said.map(([, , verdict]) => verdict)).toEqual(["none", "allow look", "none", "none"]);
});

test("a project's own rules hold for its sessions alone, and a broken file asks and is told", async () => {
  rules(allow("tests", "npm test"));
  put("app/.csm/rules.toml", deny("no tests", "npm test"));
  put("other/.csm/rules.toml", "[[rules]]\nname = 1\n");
  put(transcript(1), call("1", "npm test") + ran("1"));
  put(transcript(2), call("2", "npm test", { cwd: join(home, "other") }));
  put(transcript(3), call("3", "npm test", { cwd: join(home, "gone") }));
  const { said, problems } = await run();
  expect(said.map(([, , verdict]) => verdict)).toEqual(["deny no tests", expect.stringMatching(/^ask/), "allow tests"]);
  expect(problems.length).toBeGreaterThan(0);
  for (const { path } of problems) expect(path).toBe(join(home, "other/.csm/rules.toml"));
});

test("time, model, profile and session are those of the call; what is not known of the past makes a denial ask", async () => {
  rules(
    [
      '[[rules]]\nname = "old"\nmatch_model = "opus-4"\nmatch_command = "a"\naction = "deny"',
      '[[rules]]\nname = "mine"\nmatch_profile = "work"\nmatch_command = "b"\naction = "deny"',
      `[[rules]]\nname = "that one"\nmatch_session = "${session(2).slice(0, 8)}"\nmatch_command = "c"\naction = "allow"`,
      '[[rules]]\nname = "dear"\nmatch_cost_above = 5\nmatch_command = "d"\naction = "deny"',
      '[[rules]]\nname = "cheap"\nmatch_cost_above = 5\nmatch_command = "e"\naction = "allow"\n',
    ].join("\n"),
  );
  put(
    transcript(1, ".claude.one"),
    call("1", "a", { model: "claude-opus-4-8" }) + call("2", "a", { model: "claude-haiku-5" }) + call("3", "b"),
  );
  put(transcript(2, ".claude.work"), call("4", "b") + call("5", "c") + call("6", "d") + call("7", "e"));
  const { said } = await run({ dirs: [".claude.one", ".claude.work"] });
  expect(said.map(([, , verdict]) => verdict)).toEqual(["deny old", "none", "none", "deny mine", "allow that one", "ask dear", "none"]);
});

test("only what was called since; a file that was last written before is not even read", async () => {
  const old = put(transcript(1), call("1", "a"));
  utimesSync(old, 1e9, 1e9);
  put(transcript(2), call("2", "b", { at: "2026-10-01T10:00:00.000Z" }) + call("3", "c"));
  const { said, past } = await run({ sinceAt: Date.parse("2026-10-31T00:00:00Z") });
  expect([said.map(([command]) => command), past.transcripts]).toEqual([["c"], 1]);
});

test("a command that runs outside of the sandbox is another one than the same inside", async () => {
  rules(allow("tests", "npm test"));
  const outside = call("2", "npm test").replace('"description":"about 2"', '"dangerouslyDisableSandbox":true');
  put(transcript(1), call("1", "npm test") + outside + call("3", "npm test"));
  const { said } = await run();
  expect(said.map(([, , verdict]) => verdict)).toEqual(["allow tests", "ask", "allow tests"]);
});

test("nothing there is nothing said", async () => {
  const { past, found } = await run();
  expect([past, found.totals]).toEqual([
    { calls: [], transcripts: 0, unreadable: 0 },
    { allow: 0, ask: 0, deny: 0, none: 0 },
  ]);
});
