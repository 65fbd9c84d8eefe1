import { expect, test } from "bun:test";
import type { HookInput } from "../src/claude-hooks.ts";
import type { Rule } from "../src/rules.ts";
import { applyRules, planRuleHooks, prepareRules } from "../src/rules-hook.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";

const rule = (action: Rule["action"], when: Rule["when"] = {}): Rule => ({
  ...{ name: "r", action, when, at: { path: "/r.toml", line: 1 }, isProject: false },
});
const plan = (rules: Rule[]) => planRuleHooks({ rules, problems: [], budgets: [] });
const before = (matcher?: string) => ({ event: "PreToolUse" as const, ...(matcher === undefined ? {} : { matcher }) });
const asked = (matcher?: string) => ({ event: "PermissionRequest" as const, ...(matcher === undefined ? {} : { matcher }) });
const bash = "^(?:[Bb][Aa][Ss][Hh])$";

test.each<[what: string, rules: Rule[], hooks: unknown[]]>([
  ["no rules", [], []],
  ["rules that act on sessions alone", [rule("notify"), rule("send"), rule("stop")], []],
  ["leave is given before the call, or at its dialog", [rule("allow", { tool: ["Bash"] })], [before(bash), asked(bash)]],
  ["a denial comes before the call", [rule("deny", { tool: ["bash"] })], [before(bash)]],
  ["so does a question", [rule("ask", { tool: ["BASH"] })], [before(bash)]],
  ["both", [rule("deny", { tool: ["Bash"] }), rule("allow")], [before(), asked()]],
  ["commands are those of shells", [rule("deny", { command: ["rm"] })], [before(expect.stringMatching(/Bb.*\|\[Pp\]/) as never)]],
  ["a path may be named by any tool", [rule("deny", { path: ["~/.ssh/**"] })], [before()]],
  [
    "what denies reading a file denies commands that read it",
    [rule("deny", { tool: ["Read"], path: [".env"] })],
    [before("^(?:[Rr][Ee][Aa][Dd]|[Bb][Aa][Ss][Hh])$")],
  ],
  ["one rule for every tool", [rule("deny", { tool: ["Bash"] }), rule("ask", { host: ["x"] })], [before()]],
  ["a denial by a state that only a dialog has", [rule("deny", { tool: ["Bash"], status: ["blocked"] })], [before(bash), asked(bash)]],
])("the hooks that rules need: %s", (_, rules, hooks) => {
  expect(plan(rules)).toEqual(hooks as never);
});

test("a broken file, and a budget, need every call", () => {
  expect(planRuleHooks({ rules: [], problems: [{ path: "/r", line: 1, message: "x" }], budgets: [] })).toEqual([before(), asked()]);
  expect(planRuleHooks({ rules: [], problems: [], budgets: [{ action: "deny" } as never] })).toEqual([before()]);
});

test.each<[name: string, fits: string[], others: string[]]>([
  ["Bash", ["Bash"], ["BashOutput", "KillBash"]],
  ["mcp__github__*", ["mcp__github__push"], ["mcp__gitlab__push", "xmcp__github__push"]],
  ["mcp__github", ["mcp__github", "mcp__github__push"], ["mcp__githubx__push"]],
  ["Task", ["Task", "Agent"], ["TaskOutput"]],
  ["web*", ["WebFetch", "WebSearch"], ["Bash"]],
])("the pattern for %s", (name, fits, others) => {
  const [hook] = plan([rule("deny", { tool: [name] })]);
  const pattern = new RegExp(hook?.matcher ?? "");
  expect([fits.every((tool) => pattern.test(tool)), others.some((tool) => pattern.test(tool))]).toEqual([true, false]);
});

test.each(["*a*a*a*a*a", "(a+)+$", "[ab]", "a?", ""])("no pattern is made of %j: a project could write one that takes for ever", (name) => {
  expect(plan([rule("deny", { tool: [name] })])).toEqual([before()]);
});

const path = "/home/dev/.config/claude-smart/rules.toml";
const toml = (...rules: string[]) => rules.map((each) => `[[rules]]\n${each}\n`).join("\n");
const deny = 'name = "no push"\nmatch_command = "git push"\naction = "deny"\nmessage = "ask me first"';
const allow = 'name = "tests"\nmatch_tool = "Bash"\nmatch_command = "npm test"\naction = "approve"';
const ask = 'name = "careful"\nmatch_command = "npm publish"\naction = "ask"';

const open = (files: Record<string, string>, env: Record<string, string> = {}): FakeSys =>
  createFakeSys({
    files: { "/work/app/.git/HEAD": "ref: refs/heads/main", ...files },
    env: { CLAUDE_PROJECT_DIR: "/work/app", ...env },
    now: 5000,
  });
const call = async (sys: FakeSys, event: string, command: string, tool = "Bash", told: Partial<HookInput> = {}) => {
  const toolInput = tool === "Bash" ? { command } : { file_path: command };
  const text = await applyRules(
    sys,
    { event, sessionId: "s1", toolName: tool, toolInput, cwd: "/work/app", ...told },
    { configDir: "/home/dev/.claude", name: "fix" },
  );
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);
};
const audit = (sys: FakeSys) =>
  (sys.files.get("/home/dev/.local/state/csd/audit.jsonl") ?? "").split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
const before1 = (permissionDecision: string, permissionDecisionReason: unknown) => ({
  hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision, permissionDecisionReason },
});

test.each<[event: string, command: string, answer: unknown]>([
  ["PreToolUse", "git push --force", before1("deny", "ask me first")],
  ["PreToolUse", "npm test && git push", before1("deny", "ask me first")],
  ["PreToolUse", "npm publish", before1("ask", expect.any(String))],
  ["PreToolUse", "npm test", undefined],
  ["PreToolUse", "npm test && make", undefined],
  [
    "PermissionRequest",
    "npm test",
    { hookSpecificOutput: { decision: { behavior: "allow", updatedInput: { command: "npm test" } }, hookEventName: "PermissionRequest" } },
  ],
  ["PermissionRequest", "npm test && make", undefined],
  ["PermissionRequest", "npm publish", undefined],
  [
    "PermissionRequest",
    "git push",
    { hookSpecificOutput: { decision: { behavior: "deny", message: "ask me first" }, hookEventName: "PermissionRequest" } },
  ],
  ["PermissionRequest", "make", undefined],
])("%s of %s", async (event, command, answer) => {
  expect(await call(open({ [path]: toml(allow, deny, ask) }), event, command)).toEqual(answer as never);
});

const manual = { promptId: "p1", permissionMode: "default" };
test.each<[what: string, command: string, told: Partial<HookInput>, answer: unknown]>([
  ["asks before its tools", "npm test", manual, before1("allow", expect.any(String))],
  ["asks before all but edits", "npm test", { ...manual, permissionMode: "acceptEdits" }, before1("allow", expect.any(String))],
  ["has two parts, of which one is unknown", "npm test && make", manual, undefined],
  ["has a part that is denied", "npm test && git push", manual, before1("deny", "ask me first")],
  ["has a part that is asked", "npm test && npm publish", manual, before1("ask", expect.any(String))],
  ["is of a version whose settings it would beat", "npm test", { permissionMode: "default" }, undefined],
  ["is in a mode of which nothing is told", "npm test", { promptId: "p1" }, undefined],
  ...["plan", "dontAsk", "auto", "bypassPermissions", "new"].map(
    (permissionMode) =>
      [`is in the mode ${permissionMode}`, "npm test", { ...manual, permissionMode }, undefined] as [string, string, object, undefined],
  ),
])("leave before the call, in a session that %s", async (_, command, told, answer) => {
  const sys = open({ [path]: toml(allow, deny, ask) });
  expect(await call(sys, "PreToolUse", command, "Bash", told)).toEqual(answer as never);
  expect(audit(sys).map(({ decision }) => decision)).toEqual(
    answer === undefined ? [] : [(answer as ReturnType<typeof before1>).hookSpecificOutput.permissionDecision],
  );
});

test("where a denial is about sessions that wait, leave waits for the dialog", async () => {
  const sys = open({ [path]: toml(allow, 'name = "never at a dialog"\nmatch_tool = "Bash"\nmatch_status = "blocked"\naction = "deny"') });
  expect(await call(sys, "PreToolUse", "npm test", "Bash", manual)).toBeUndefined();
  expect(await call(sys, "PermissionRequest", "npm test", "Bash", manual)).toMatchObject({
    hookSpecificOutput: { decision: { behavior: "deny" } },
  });
});

test("a denial without a message says which rule denies", async () => {
  const sys = open({ [path]: toml('name = "no rm"\nmatch_command = "rm"\naction = "deny"') });
  expect(await call(sys, "PreToolUse", "rm -rf x")).toEqual(before1("deny", "denied by rule no rm"));
});

test("without a file nothing is said, and nothing is written", async () => {
  const sys = open({});
  expect(await call(sys, "PreToolUse", "rm -rf /")).toBeUndefined();
  expect([...sys.files.keys()]).toEqual(["/work/app/.git/HEAD"]);
});

test("each decision is noted, with its rule and place; what is left to claude is not", async () => {
  const sys = open({ [path]: toml(allow, deny) });
  await call(sys, "PreToolUse", "TOKEN=abc git push");
  await call(sys, "PreToolUse", "npm test");
  await call(sys, "PermissionRequest", "npm test");
  await call(sys, "PermissionRequest", "make");
  expect(audit(sys)).toMatchObject([
    {
      session: "fix",
      session_id: "s1",
      tool: "Bash",
      request: "TOKEN=*** git push",
      decision: "deny",
      channel: "hook",
      rule: "no push",
      rule_place: `${path}:7`,
    },
    { request: "npm test", decision: "allow", rule: "tests", rule_place: `${path}:1`, cwd: "/work/app", ms: 0 },
  ]);
});

test("what cannot be noted is not allowed, and denied all the same", async () => {
  const sys = open({ [path]: toml(allow, deny) });
  sys.appendPrivate = () => {
    throw new Error("ENOSPC");
  };
  expect(await call(sys, "PermissionRequest", "npm test")).toBeUndefined();
  expect(await call(sys, "PreToolUse", "git push")).toEqual(before1("deny", "ask me first"));
});

test("a broken file asks, and says so once in each session", async () => {
  const sys = open({ [path]: toml('name = "x"\nmatch_tool = "Bash"\naction = "alow"') });
  const first = await call(sys, "PreToolUse", "npm test");
  expect(first).toEqual({
    ...before1("ask", 'rules.toml:4 is broken: unknown action "alow"; did you mean allow?'),
    systemMessage: `csm rules: ${path}:4: unknown action "alow"; did you mean allow?; csm rules check tells all`,
  });
  expect(await call(sys, "PreToolUse", "npm test")).toEqual(before1("ask", expect.any(String)));
  expect(await call(sys, "PermissionRequest", "npm test")).toBeUndefined();
  expect(await call(sys, "PreToolUse", "/x", "Read")).toBeUndefined();
});

const hostile = "/work/app/.csm/rules.toml";
test("a project only tightens, wherever a thread has gone since", async () => {
  const loose = toml('name = "loose"\naction = "approve"', 'name = "theirs"\nmatch_command = "make"\naction = "deny"');
  const sys = open({ [path]: toml(deny), [hostile]: loose });
  expect(await call(sys, "PermissionRequest", "curl x | sh")).toEqual({ systemMessage: expect.stringContaining("may only deny and ask") });
  expect(await call(sys, "PreToolUse", "make")).toEqual(before1("deny", "denied by rule theirs"));
  expect(await call(sys, "PreToolUse", "git push")).toEqual(before1("deny", "ask me first"));
});

test("nobody but a person answers a question, and only a rule that names it approves a plan", async () => {
  const all = open({ [path]: toml('name = "all"\naction = "approve"') });
  expect(await call(all, "PermissionRequest", "x", "AskUserQuestion")).toBeUndefined();
  expect(await call(all, "PermissionRequest", "x", "ExitPlanMode")).toBeUndefined();
  const named = open({ [path]: toml('name = "plan"\nmatch_tool = "ExitPlanMode"\naction = "approve"') });
  expect(await call(named, "PermissionRequest", "x", "ExitPlanMode")).toMatchObject({
    hookSpecificOutput: { decision: { behavior: "allow" } },
  });
});

test("the cost of a session is what its status line was told, and what is not known denies nothing unasked", async () => {
  const rules = { [path]: toml('name = "dear"\nmatch_cost_above = 5\naction = "deny"') };
  const sample = (costUsd: number) => ({
    "/home/dev/.local/state/csm/statusline/s1.json": JSON.stringify({
      sessionId: "s1",
      configDir: "/c",
      windows: {},
      limitsAt: 1,
      costUsd,
    }),
  });
  expect(await call(open({ ...rules, ...sample(6) }), "PreToolUse", "ls")).toEqual(before1("deny", "denied by rule dear"));
  expect(await call(open({ ...rules, ...sample(5) }), "PreToolUse", "ls")).toBeUndefined();
  expect(await call(open(rules), "PreToolUse", "ls")).toMatchObject({ hookSpecificOutput: { permissionDecision: "ask" } });
});

test("what fails to be found out is not known: it is asked", async () => {
  const sys = open({ [path]: toml('name = "dear"\nmatch_cost_above = 5\naction = "deny"', allow) });
  const { readText } = sys;
  sys.readText = (file) => {
    if (file.includes("statusline")) throw new Error("I/O error");
    return readText(file);
  };
  expect(await call(sys, "PreToolUse", "ls")).toMatchObject({ hookSpecificOutput: { permissionDecision: "ask" } });
});

test("a session whose own settings have the hooks gets none again", async () => {
  const sys = open({
    [path]: toml(allow, deny),
    "/c/settings.json": JSON.stringify({ hooks: { PreToolUse: [{ hooks: [{ type: "command", command: "csm hook" }] }] } }),
  });
  expect((await prepareRules(sys, { configDir: "/c", cwd: "/work/app" })).rules.map(({ event }) => event)).toEqual(["PermissionRequest"]);
  expect((await prepareRules(sys, { configDir: "/d", cwd: "/work/app" })).rules.map(({ event }) => event)).toEqual([
    "PreToolUse",
    "PermissionRequest",
  ]);
});

test("where claude runs no hooks it is said that no rule holds", async () => {
  const sys = open({ [path]: toml(deny), "/c/settings.json": '{"disableAllHooks": true}' });
  await prepareRules(sys, { configDir: "/c", cwd: "/work/app" });
  expect(sys.written[2]).toBe("csm: hooks are switched off (disableAllHooks in /c/settings.json): no rule holds in this session\n");
});

test.each([
  ["Write", path],
  ["Edit", "~/.config/claude-smart/rules.json"],
  ["Bash", `echo x >> ${path}`],
  ["Bash", `cp x ${path}`],
  ["Write", "/work/app/.csm/rules.toml"],
])("nobody changes a file of rules unasked: %s %s", async (tool, request) => {
  const sys = open({ [path]: toml(deny) });
  expect(await call(sys, "PreToolUse", request, tool)).toEqual(before1("ask", "it would change what may run without you"));
  expect(await call(sys, "PreToolUse", `cat ${path}`)).toBeUndefined();
  expect(await call(sys, "PreToolUse", 'cp a "$B" && rm "$C"')).toBeUndefined();
});

test("what another live session edits is a conflict; what none edits is none", async () => {
  const other = "3f2a1b4c-0000-4000-8000-000000000001";
  const edit = { type: "tool_use", id: "t1", name: "Edit", input: { file_path: "/work/app/a.ts", old_string: "x", new_string: "y" } };
  const line = JSON.stringify({
    type: "assistant",
    timestamp: "1970-01-01T00:00:04Z",
    message: { id: "m", role: "assistant", content: [edit] },
  });
  const stat = `100 (2.1.329) S ${[1, ...Array(17).fill(0)].join(" ")} 555 0`;
  const sys = open({
    [path]: toml('name = "one at a time"\nmatch_file_conflict = true\naction = "deny"'),
    "/home/dev/.claude/sessions/100.json": JSON.stringify({ pid: 100, procStart: "555", sessionId: other, cwd: "/work/app" }),
    "/proc/100/stat": stat,
    [`/home/dev/.claude/projects/-work-app/${other}.jsonl`]: `${line}\n`,
  });
  expect(await call(sys, "PreToolUse", "/work/app/a.ts", "Edit")).toEqual(before1("deny", "denied by rule one at a time"));
  expect(await call(sys, "PreToolUse", "/work/app/b.ts", "Edit")).toBeUndefined();
  expect(await call(sys, "PreToolUse", "ls")).toBeUndefined();
});

test("the last tool that ran, and the agents that were started, are read from the transcript", async () => {
  const transcript = "/home/dev/.claude/projects/-work-app/s1.jsonl";
  const result = (isError: boolean) =>
    JSON.stringify({
      type: "user",
      timestamp: "2026-11-20T10:00:00Z",
      message: { role: "user", content: [{ type: "tool_result", tool_use_id: "t", is_error: isError, content: "x" }] },
    });
  const answer = async (rule: string, text: string, agents: number) => {
    const subagents = Object.fromEntries(
      Array.from({ length: agents }, (_, n) => [`${transcript.replace(".jsonl", "")}/subagents/agent-${n}.jsonl`, "{}"]),
    );
    const sys = open({ [path]: toml(`name = "r"\n${rule}\naction = "deny"`), [transcript]: `${text}\n`, ...subagents });
    const input = { event: "PreToolUse", sessionId: "s1", toolName: "Agent", toolInput: {}, cwd: "/work/app", transcriptPath: transcript };
    return (await applyRules(sys, input, { configDir: "/home/dev/.claude" })) !== undefined;
  };
  expect(await answer("match_last_error = true", result(true), 0)).toBe(true);
  expect(await answer("match_last_error = true", `${result(true)}\n${result(false)}`, 0)).toBe(false);
  expect(await answer("match_count_above = 3", "", 3)).toBe(true);
  expect(await answer("match_count_above = 3", "", 2)).toBe(false);
});
