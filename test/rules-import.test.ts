import { expect, test } from "bun:test";
import { importPermissions, renderRule } from "../src/rules-import.ts";
import { checkRules, importRules } from "../src/rules-schema.ts";

const one = (entry: string, isUsers = true) => {
  const [imported] = importPermissions({ permissions: { deny: [entry] } }, isUsers) ?? [];
  const outcome = imported?.outcome;
  return outcome === undefined ? undefined : "why" in outcome ? outcome.why : outcome.rule.when;
};

test.each<[entry: string, when: unknown]>([
  ["Bash", { tool: ["Bash"] }],
  ["Bash(*)", { tool: ["Bash"] }],
  ["Bash(npm run test:*)", { tool: ["Bash"], command: ["npm run test"] }],
  ["Bash(git commit *)", { tool: ["Bash"], command: ["git commit"] }],
  ["Bash(git status)", { tool: ["Bash"], command: ["git status $"] }],
  ["Bash(git * main)", expect.stringContaining("a * within a command")],
  ["Bash(cd x && ls)", expect.stringContaining("more than the words of one command")],
  ["Bash(echo $(x):*)", expect.stringContaining("more than the words of one command")],
  ["Read(~/x/**)", { tool: ["Read", "Grep", "Glob"], path: ["~/x/**"] }],
  ["Read(//etc/**)", { tool: ["Read", "Grep", "Glob"], path: ["/etc/**"] }],
  ["Read(./.env)", { tool: ["Read", "Grep", "Glob"], path: ["./.env"] }],
  ["Read(./out/)", { tool: ["Read", "Grep", "Glob"], path: ["./out/"] }],
  ["Bash(A=1 npm test)", expect.stringContaining("it sets a variable first")],
  ["Edit(./src/**)", { tool: ["Edit", "Write", "MultiEdit", "NotebookEdit"], path: ["src/**"] }],
  ["Edit(/docs/**)", { tool: ["Edit", "Write", "MultiEdit", "NotebookEdit"], path: ["~/.claude/docs/**"] }],
  ["Write(.env)", { tool: ["Write"], path: [".env"] }],
  ["WebFetch(domain:example.com)", { tool: ["WebFetch"], host: ["example.com"] }],
  ["WebFetch(x)", "only domain:… can be taken over"],
  ["WebSearch", { tool: ["WebSearch"] }],
  ["mcp__a__b", { tool: ["mcp__a__b"] }],
  ["mcp__a", { tool: ["mcp__a"] }],
  ["mcp__a__*", { tool: ["mcp__a__*"] }],
  ["Agent(Explore)", { tool: ["Agent"], agent: ["Explore"] }],
  ["Skill(x)", "what Skill may be given is not known here"],
  ["???", "it is no rule"],
])("%s", (entry, when) => {
  expect(one(entry)).toEqual(when as never);
});

test("in a project's settings a path counts from there", () => {
  expect(one("Read(/docs/**)", false)).toMatchObject({ path: ["docs/**"] });
  expect(one("Read(/.env)", false)).toMatchObject({ path: ["./.env"] });
});

test("denials come first, what is no rule is told, and the text is read back as the same rules", () => {
  const permissions = {
    allow: ["Bash(npm run test:*)", "WebFetch(domain:x.com)", 3],
    ask: ["Bash(git push:*)"],
    deny: ['Read(./a"b\\c)'],
    defaultMode: "plan",
  };
  const imported = importPermissions({ permissions }, true) ?? [];
  expect(imported.map(({ source, outcome }) => ("why" in outcome ? `${source}: ${outcome.why}` : source))).toEqual([
    'deny Read(./a"b\\c)',
    "ask Bash(git push:*)",
    "allow Bash(npm run test:*)",
    "allow WebFetch(domain:x.com)",
    "allow 3: it is no rule",
    "defaultMode: it is no list of rules",
  ]);
  const rules = imported.flatMap(({ outcome }) => ("rule" in outcome ? [outcome.rule] : []));
  const read = checkRules({ path: "/r.toml", text: rules.map(renderRule).join("\n\n"), isProject: false });
  expect(read.problems).toEqual([]);
  expect(read.rules.map(({ name, action, when }) => ({ name, action, when }))).toEqual(
    rules.map(({ name, action, when }) => ({ name, action, when })),
  );
  expect(importPermissions({ hooks: {} }, true)).toBeUndefined();
});

test("the older monitor's file: its rules, and why one is not taken over", () => {
  const text = `interval = 2000
[budget]
daily_limit = 5
[rules.tests]
match_tool = ["Bash"]
match_command = ["npm test"]
action = "approve"
[rules.typo]
match_command = ["rm -rf"]
action = "denny"
[rules.silent]
match_command = ["ls"]
[rules.empty]
match_command = []
action = "deny"
`;
  const { rules, problems, others } = importRules({ path: "/config.toml", text });
  expect(rules.map(({ name, action }) => [name, action])).toEqual([["tests", "allow"]]);
  expect(problems.map(({ line, message }) => `${line}: ${message}`)).toEqual([
    '10: unknown action "denny"; did you mean deny?',
    '11: rule "silent" has no action; one of: allow, deny, ask, notify, send, stop',
    "14: match_command: the list is empty; leave the key out where anything will do",
  ]);
  expect(others).toEqual(["interval", "budget"]);
});
