import { describe, expect, test } from "bun:test";
import { checkRules } from "../src/rules-schema.ts";

const check = (text: string, given: { path?: string; isProject?: boolean } = {}) =>
  checkRules({ path: given.path ?? "/home/dev/.config/claude-smart/rules.toml", text, isProject: given.isProject ?? false });
const problemsOf = (text: string, given = {}) => check(text, given).problems.map(({ line, message }) => `${line}: ${message}`);

const article = `
[[rules]]
name = "tests"
match_status = ["NeedsInput"]
match_tool = "Bash"
match_command = ["npm test", "npm run test *"]
match_project = ["app"]
match_cost_above = 5
action = "approve"

[[rules]]
name = "no rm"
match_command = ["rm -rf"]
action = "deny"
message = "use trash"

[[rules]]
name = "runaway"
match_cost_above = 20.5
match_last_error = false
action = "terminate"
`;

test("the article's names are loaded as they are", () => {
  const { rules, problems } = check(article);
  expect(problems).toEqual([]);
  expect(rules.map(({ name, action, at: { line }, when, message }) => ({ name, action, line, when, message }))).toEqual([
    {
      name: "tests",
      action: "allow",
      line: 2,
      message: undefined,
      when: {
        status: ["NeedsInput"],
        tool: ["Bash"],
        command: ["npm test", "npm run test *"],
        project: ["app"],
        costAboveUsd: 5,
      },
    },
    { name: "no rm", action: "deny", line: 11, message: "use trash", when: { command: ["rm -rf"] } },
    { name: "runaway", action: "stop", line: 17, message: undefined, when: { costAboveUsd: 20.5, hasError: false } },
  ]);
});

test("each condition has its name", () => {
  const { rules, problems } = check(`[[rules]]
name = "all"
match_status = "Needs Input"
match_tool = "mcp__github__*"
match_command = "git push"
match_path = "~/x/**"
match_host = "*.example.com"
match_project = "p"
match_profile = "work"
match_model = "opus"
match_agent = "main"
match_session = "s"
match_time = ["22:00-07:00", "mon-fri,sun 9:00-24:00"]
match_cost_above = 0
match_context_above = 80
match_usage_above = 90
match_count_above = 3
match_last_error = true
match_file_conflict = true
action = "ask"
`);
  expect(problems).toEqual([]);
  expect(rules[0]?.when).toEqual({
    ...{ status: ["Needs Input"], tool: ["mcp__github__*"], command: ["git push"], path: ["~/x/**"] },
    ...{ host: ["*.example.com"], project: ["p"], profile: ["work"], model: ["opus"], agent: ["main"], session: ["s"] },
    ...{ time: ["22:00-07:00", "mon-fri,sun 9:00-24:00"], costAboveUsd: 0, contextAbovePercent: 80, usageAbovePercent: 90 },
    ...{ countAbove: 3, hasError: true, hasConflict: true },
  });
});

test.each([
  ["approve", "allow"],
  ["allow", "allow"],
  ["deny", "deny"],
  ["ask", "ask"],
  ["notify", "notify"],
  ["send", "send"],
  ["stop", "stop"],
  ["terminate", "stop"],
  ["kill", "stop"],
])("action %s is %s", (typed, action) => {
  expect(check(`[[rules]]\nname = "x"\naction = "${typed}"\n`).rules[0]?.action).toBe(action as never);
});

test("the older tool's [rules.NAME], and JSON of both forms", () => {
  const names = (text: string, path = "/r.toml") => check(text, { path }).rules.map(({ name, action, at }) => [name, action, at.line]);
  expect(names('[rules.a]\nmatch_tool = ["Bash"]\naction = "deny"\n\n[rules."b c"]\naction = "approve"\n')).toEqual([
    ["a", "deny", 1],
    ["b c", "allow", 5],
  ]);
  expect(names('{"rules": {"a":\n {"action": "deny"},\n "b": {"name": "own", "action": "ask"}}}', "/r.json")).toEqual([
    ["a", "deny", 1],
    ["own", "ask", 3],
  ]);
  expect(names('{"rules": [\n{"name": "a", "action": "deny"}]}', "/r.json")).toEqual([["a", "deny", 2]]);
});

const rule = (more: string) => `# one\n[[rules]]\nname = "x"\naction = "deny"\n${more}\n`;
test.each<[what: string, text: string, problems: string[]]>([
  ["an unknown key", rule('match_comand = ["rm"]'), ['5: unknown key "match_comand"; did you mean match_command?']],
  ["an unknown action", '[[rules]]\nname = "x"\naction = "denny"\n', ['3: unknown action "denny"; did you mean deny?']],
  ["no action", '\n[[rules]]\nname = "x"\n', ['2: rule "x" has no action; one of: allow, deny, ask, notify, send, stop']],
  ["no name", '\n[[rules]]\naction = "deny"\n', ["2: the rule has no name"]],
  ["an unknown state", rule('match_status = ["bloked"]'), ['5: unknown status "bloked"; did you mean blocked?']],
  ["an empty list", rule("match_command = []"), ["5: match_command: the list is empty; leave the key out where anything will do"]],
  ["a blank entry", rule('match_command = ["a", " "]'), ["5: match_command: it is blank"]],
  ["a number for a text", rule("match_tool = 3"), ["5: match_tool: invalid input: expected array, received number"]],
  ["a percentage above 100", rule("match_usage_above = 101"), ["5: match_usage_above: too big: expected number to be <=100"]],
  ["a time that is none", rule('match_time = "25:00-26:00"'), ['5: match_time: it must be like "22:00-07:00" or "mon-fri 09:00-18:00"']],
  ["an unknown table", `${rule("")}[ruls]\n`, ['6: unknown key "ruls"; did you mean rules?']],
  ["rules that are no tables", 'rules = "x"\n', ["1: rules must be tables: [[rules]]"]],
  ["a rule that is none", 'rules = ["x"]\n', ["1: rules must be tables: [[rules]]"]],
  ["a text that is not closed", rule('message = "open'), ["5: unterminated string; newlines must be escaped in basic strings"]],
  ["a key twice", rule('name = "y"'), ["5: cannot redefine key 'name'"]],
  ["a list that is not closed", `[[rules]]\nname = "a"\nmatch_tool = [\n"a",\naction = "deny"\n`, ['3: strings must be quoted: "action"']],
  ["no quotes", `${rule("")}[[rules]]\nname = 'a'\naction = deny\n`, ['8: strings must be quoted: "deny"']],
  [
    "several",
    rule('mesage = "a"\nmatch_tool = []'),
    ['5: unknown key "mesage"; did you mean message?', "6: match_tool: the list is empty; leave the key out where anything will do"],
  ],
])("%s is told with its line", (_, text, problems) => {
  expect(problemsOf(text)).toEqual(problems);
});

describe("a broken file", () => {
  test("asks for all that it could decide, by the conditions that can be read", () => {
    const { rules } = check(`${article}[[rules]]\nname = "typo"\nmatch_tool = "Bash"\nmatch_comand = ["rm"]\naction = "deny"\n`);
    expect(rules.map(({ name, action, message, when }) => [name, action, message, Object.keys(when)])).toEqual([
      [
        "tests",
        "ask",
        'rules.toml:25 is broken: unknown key "match_comand"; did you mean match_command?',
        ["status", "tool", "command", "project", "costAboveUsd"],
      ],
      ["no rm", "ask", expect.stringContaining("rules.toml:25 is broken"), ["command"]],
      ["typo", "ask", expect.stringContaining("rules.toml:25 is broken"), ["tool"]],
    ]);
  });

  test.each(['[[rules]]\nname = "a', 'rules = ["x"]', '{"rules": ['])(
    "that says nothing that can be read asks for everything: %j",
    (text) => {
      const path = text.startsWith("{") ? "/r.json" : "/r.toml";
      expect(check(text, { path }).rules).toMatchObject([{ action: "ask", when: {} }]);
    },
  );

  test("an empty list is no wildcard: neither in a rule that allows nor in one that denies", () => {
    for (const action of ["allow", "deny"])
      expect(check(`[[rules]]\nname = "x"\nmatch_command = []\naction = "${action}"\n`).rules.map((each) => each.action)).toEqual(["ask"]);
  });
});

describe("a project's file", () => {
  const inProject = { path: "/p/.csm/rules.toml", isProject: true };
  test("denies and asks; what else it says is told, and ignored", () => {
    const text = `[[rules]]
name = "ok"
action = "deny"
[[rules]]
name = "loose"
match_tool = "Bash"
action = "approve"
[[rules]]
name = "end"
action = "kill"
[notify]
[[notify.channels]]
kind = "command"
run = ["sh", "-c", "touch /tmp/x"]
[[budgets]]
name = "b"
period = "day"
limit_usd = 1
action = "notify"
`;
    const { rules, budgets, notify, problems } = check(text, inProject);
    expect(rules).toMatchObject([{ name: "ok", action: "deny", isProject: true }]);
    expect([budgets, notify]).toEqual([[], undefined]);
    expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([
      "7: a file of a project may only deny and ask, not allow; it is ignored",
      "10: a file of a project may only deny and ask, not stop; it is ignored",
      "11: a file of a project may not notify; it is ignored",
      "19: a budget of a project may only deny and ask, not notify; it is ignored",
    ]);
  });

  test("that is broken asks", () => {
    expect(check('[[rules]]\nname = "x"\nactoin = "allow"\n', inProject).rules).toMatchObject([{ action: "ask", isProject: true }]);
  });
});

test("budgets", () => {
  const { budgets, problems } = check(`[[budgets]]
name = "a day"
period = "day"
match_project = "app"
limit_usd = 20
action = "deny"
[[budgets]]
name = "week"
period = "week"
limit_percent = 90
warn_percent = 50
action = "terminate"
`);
  expect(problems).toEqual([]);
  expect(budgets).toMatchObject([
    { name: "a day", period: "day", project: ["app"], limit: { usd: 20 }, action: "deny", warnPercent: 80, at: { line: 1 } },
    { name: "week", limit: { usagePercent: 90 }, action: "stop", warnPercent: 50, at: { line: 7 } },
  ]);
  expect(problemsOf('[[budgets]]\nname = "x"\nperiod = "dya"\nlimit_usd = 0\nlimit_tokens = 1\n')).toEqual([
    '1: budget "x" has no action',
    '1: budget "x" needs one limit: limit_usd, limit_tokens, limit_percent',
    '3: unknown period "dya"; did you mean day?',
    "4: limit_usd: too small: expected number to be >0",
  ]);
});

test("who is told", () => {
  const { notify, problems } = check(`[notify]
quiet_hours = "22:00-07:00"
cool_down = "5s"
finished = false
[notify.limit]
level = "urgent"
cool_down = "10m"
[[notify.channels]]
kind = "terminal"
[[notify.channels]]
kind = "command"
name = "say"
run = ["say", "hello"]
[[notify.channels]]
kind = "webhook"
url = "https://ntfy.sh/x"
secret = "s"
headers = { Title = "csm" }
`);
  expect(problems).toEqual([]);
  expect(notify?.quietHours).toEqual(["22:00-07:00"]);
  expect(notify?.causes).toMatchObject({
    finished: { isOn: false, coolDownMs: 5000 },
    limit: { isOn: true, level: "urgent", coolDownMs: 600_000 },
    login: { isOn: true, level: "urgent", coolDownMs: 5000 },
  });
  expect(notify?.channels).toEqual([
    { kind: "terminal", name: "terminal", how: "auto" },
    { kind: "command", name: "say", run: ["say", "hello"] },
    { kind: "webhook", name: "webhook", url: "https://ntfy.sh/x", format: "json", secret: "s", headers: { Title: "csm" } },
  ]);
  expect(problemsOf('[notify]\nfinishd = true\n[[notify.channels]]\nkind = "webhok"\n[[notify.channels]]\nkind = "command"\n')).toEqual([
    '2: unknown key "finishd"; did you mean finished?',
    '4: unknown kind "webhok"; did you mean webhook?',
    "5: run is missing",
  ]);
});
