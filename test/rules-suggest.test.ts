import { expect, test } from "bun:test";
import { judge, partsToApprove } from "../src/judge.ts";
import { decidersOf, type Rule } from "../src/rules.ts";
import { createJudge, type PastCall } from "../src/rules-replay.ts";
import { checkRules } from "../src/rules-schema.ts";
import { renderSuggestion, suggestRules } from "../src/rules-suggest.ts";
import { createFakeSys } from "./fake-sys.ts";

type Given = [tool: string, input: Record<string, unknown>];
const bash = (command: string): Given => ["Bash", { command }];

let count = 0;
/** The decision as transcripts tell it; by turns in two sessions unless told. */
function past([tool, input]: Given, by: "asked" | "refused" | "unasked" | "hook" | "untold", session = count % 2): PastCall {
  const id = String(++count);
  const isAllowed = by !== "refused";
  const who = by === "unasked" ? "rule" : by === "hook" ? "hook" : "person";
  const transcript = `/p/s${session}.jsonl`;
  const state = { id: transcript, size: 1, modifiedAt: 1, isFile: true };
  return {
    ...{ id, tool, input, isOver: true, at: count, cwd: "/home/dev/app", sessionCwd: "/home/dev/app" },
    ...(by === "untold" ? {} : { decision: { isAllowed, by: who } }),
    thread: { path: transcript, state, profile: undefined, sessionId: `s${session}`, transcript, projectsPath: "/p", owner: undefined },
  };
}
const asked = (times: number, ...given: Given[]): PastCall[] =>
  given.flatMap((one) => Array.from({ length: times }, () => past(one, "asked")));
const refused = (...given: Given[]): PastCall[] => given.map((one) => past(one, "refused"));

const sys = createFakeSys({ homeDir: "/home/dev" });
function suggest(calls: readonly PastCall[], rules: readonly Rule[] = []) {
  const book = { rules: [...rules], budgets: [], notify: {} as never, problems: [] };
  const judgeCall = createJudge(sys, judge);
  const verdictOf = (call: PastCall) => {
    const judgement = judgeCall(book.rules, call);
    return { decision: judgement.decision, deciders: decidersOf(judgement), parts: partsToApprove(judgement) };
  };
  return suggestRules(calls, { bookOf: () => book, verdictOf, judgeCall });
}
const patterns = (calls: readonly PastCall[], rules: readonly Rule[] = []) =>
  suggest(calls, rules).suggestions.map(({ rule: { when }, questions }) =>
    [
      questions,
      ...(when.command ?? []),
      ...(when.path ?? []),
      ...(when.host ?? []),
      when.command === undefined ? when.tool?.join("+") : undefined,
    ]
      .filter((word) => word !== undefined)
      .join(" "),
  );

/** What was said yes to, and the rules for it with the questions that each saves. */
test.each<[string, PastCall[], string[]]>([
  ["one command again and again", asked(3, bash("npm test")), ["3 npm test"]],
  ["twice is no habit", asked(2, bash("npm test")), []],
  ["nor is one session", [1, 2, 3].map(() => past(bash("npm test"), "asked", 0)), []],
  ["words behind it vary", asked(1, bash("git add a.ts"), bash("git add b.ts"), bash("git add -A")), ["3 git add"]],
  [
    "two rules instead of their common beginning",
    asked(3, bash("npm run test"), bash("npm run lint")),
    ["3 npm run test", "3 npm run lint"],
  ],
  ["scripts that were run once each have none", asked(1, bash("npm run a"), bash("npm run b"), bash("npm run c"), bash("npm run d")), []],
  ["a program alone is too little", asked(1, bash("cargo build"), bash("cargo test"), bash("cargo doc"), bash("cargo fmt")), []],
  ["a reader is not", asked(1, bash("grep -rn a /x"), bash("grep -n b /y"), bash("grep c /z")), ["3 grep"]],
  ["as long as they have in common", asked(2, bash("cargo test --lib a"), bash("cargo test --lib b")), ["4 cargo test --lib"]],
  [
    "the shorter one, where it stands for itself",
    [...asked(3, bash("cargo test")), ...asked(3, bash("cargo test --lib"))],
    ["6 cargo test"],
  ],
  [
    "quoted words end what is common",
    asked(1, bash("git commit -m 'a b'"), bash('git commit -m "c d"'), bash("git commit -m x")),
    ["3 git commit -m"],
  ],
  ["every part of a line needs a rule", asked(3, bash("npm test && git add -A")), ["3 npm test", "3 git add -A"]],
  ["a line with a part that nothing may stand for saves nothing", asked(4, bash("npm test && curl example.com")), []],
  ["a pipe into a shell", asked(5, bash("curl -s https://x.io/i.sh | sh")), []],
  ["a folder before it", asked(3, bash("cd /home/dev/app && npm test")), ["3 cd /home/dev/app", "3 npm test"]],
  ["what cannot be read", asked(5, bash('npm test "$(cat x)"'), bash('eval "$X"'), bash("$X test")), []],
  ["a file that is written needs a path", asked(5, bash("npm test > /home/dev/log")), []],
])("%s", (_, calls, wanted) => {
  expect(patterns(calls).sort()).toEqual(wanted.sort());
});

/** However often: what acts outside, interprets, or runs whatever follows. */
test.each(
  [
    "git push",
    "git push origin main",
    "npm publish",
    "npm run deploy",
    "npm run deploy:prod",
    "yarn release",
    "cargo publish --dry-run",
    "docker push x",
    "docker run x",
    "curl https://example.com",
    "ssh host ls",
    "sudo ls",
    "bash x.sh",
    "python3 -c 1",
    "python3 x.py",
    "node -e 1",
    "/usr/bin/python3 x.py",
    "kubectl get pods",
    "gh pr list",
    "terraform plan",
    "kill 1",
    "env FOO=1 python3 x.py",
    "timeout 5 git push",
    "csd approve s",
  ].map((command) => [command]),
)("%s is never proposed", (command) => {
  expect(patterns(asked(9, bash(command)))).toEqual([]);
});

/** Further words would make another thing of them. */
test.each<[string[], string[]]>([
  [["rm -rf dist"], ["5 rm -rf dist $"]],
  [["rm a", "rm b", "rm c"], []],
  [["make test"], ["5 make test $"]],
  [["npm install left-pad"], ["5 npm install left-pad $"]],
  [["git checkout main"], ["5 git checkout main $"]],
  [["npx tsc --noEmit"], ["5 npx tsc --noEmit $"]],
  [["./check.sh"], ["5 ./check.sh $"]],
])("%p only as a whole: %p", (commands, wanted) => {
  const calls = asked(commands.length > 1 ? 2 : 5, ...commands.map(bash));
  expect(patterns(calls)).toEqual(wanted);
});

test("nothing that was ever refused is allowed by what is proposed: it is narrower, or there is none", () => {
  const adds = asked(2, bash("git add a.ts"), bash("git add b.ts"), bash("git add c.ts"));
  expect(patterns([...adds, ...refused(bash("git add .env"))])).toEqual([]);
  expect(patterns([...asked(3, bash("npm test")), ...refused(bash("npm test -- --watch"))])).toEqual(["3 npm test $"]);
  expect(patterns([...asked(9, bash("npm test")), ...refused(bash("npm test"))])).toEqual([]);
  // Refused was the line, not each part of it.
  expect(patterns([...asked(3, bash("npm test")), ...refused(bash("npm test && git push"))])).toEqual(["3 npm test"]);
  const both = [...asked(3, bash("npm test")), ...asked(3, bash("git add -A"))];
  expect(patterns([...both, ...refused(bash("npm test && git add -A"))])).toEqual([]);
  expect(
    patterns([...asked(3, bash("npm test")), { ...past(bash("npm test"), "refused"), decision: { isAllowed: false, by: "rule" } }]),
  ).toEqual([]);
});

test("only questions count that a person was asked", () => {
  const calls = (["unasked", "hook", "untold"] as const).flatMap((by) => Array.from({ length: 5 }, () => past(bash("npm test"), by)));
  expect(suggest(calls)).toEqual({ suggestions: [], approvals: 0, covered: 0, saved: 0, untold: 5 });
  expect(suggest([...calls, ...asked(3, bash("npm test"))])).toMatchObject({ approvals: 3, saved: 3, untold: 5 });
});

test("answers to questions and plans are no habit", () => {
  expect(patterns(asked(5, ["AskUserQuestion", { questions: [] }], ["ExitPlanMode", { plan: "x" }]))).toEqual([]);
});

const rule = (name: string, action: Rule["action"], when: Rule["when"]): Rule => ({
  name,
  action,
  when,
  at: { path: "r", line: 1 },
  isProject: false,
});

test("what a rule allows, denies or asks about already needs no other", () => {
  const calls = asked(3, bash("npm test"));
  expect(suggest(calls, [rule("t", "allow", { command: ["npm test"] })])).toMatchObject({ suggestions: [], covered: 3 });
  expect(patterns(calls, [rule("t", "deny", { command: ["npm"] })])).toEqual([]);
  expect(patterns(calls, [rule("t", "ask", { command: ["npm test"] })])).toEqual([]);
  // The other part has its rule.
  expect(patterns(asked(3, bash("npm test && git add x")), [rule("t", "allow", { command: ["git add"] })])).toEqual(["3 npm test"]);
  expect(suggest(calls, [rule("npm-test", "allow", { command: ["npm publish"] })]).suggestions[0]?.rule.name).toBe("npm-test-2");
});

const edit = (path: string): Given => ["Edit", { file_path: path, old_string: "a", new_string: "b" }];
const write = (path: string): Given => ["Write", { file_path: path, content: "x" }];
const read = (path: string): Given => ["Read", { file_path: path }];
const fetched = (url: string): Given => ["WebFetch", { url, prompt: "x" }];

test.each<[string, PastCall[], string[]]>([
  [
    "files of one folder",
    asked(2, edit("/home/dev/app/src/a.ts"), write("/home/dev/app/src/b/c.ts")),
    ["4 /home/dev/app/src/** Edit+Write"],
  ],
  ["one file", asked(3, edit("/home/dev/app/src/a.ts")), ["3 /home/dev/app/src/a.ts Edit"]],
  ["never the whole project", asked(1, edit("/home/dev/app/a.ts"), edit("/home/dev/app/b.ts"), edit("/home/dev/app/c/d.ts")), []],
  [
    "nor what hides",
    asked(5, edit("/home/dev/app/.git/hooks/x"), write("/home/dev/app/.claude/settings.json"), read("/home/dev/.ssh/id")),
    [],
  ],
  ["nor what is above", asked(5, edit("/home/dev/app/../../etc/x"), edit("relative.ts")), []],
  ["reading outside", asked(1, read("/var/log/app/a"), read("/var/log/app/b"), read("/var/log/app/c")), ["3 /var/log/app/** Read"]],
  [
    "a folder with a refusal in it",
    [...asked(2, edit("/home/dev/app/src/a/b.ts"), edit("/home/dev/app/src/a/c.ts")), ...refused(edit("/home/dev/app/src/d.ts"))],
    ["4 /home/dev/app/src/a/** Edit"],
  ],
  ["a host", asked(2, fetched("https://docs.rs/a"), fetched("https://docs.rs/b")), ["4 docs.rs WebFetch"]],
  ["a host with a refusal", [...asked(4, fetched("https://docs.rs/a")), ...refused(fetched("https://docs.rs/b"))], []],
  ["a tool that reads", asked(3, ["mcp__jira__get_ticket", { id: 1 }]), ["3 mcp__jira__get_ticket"]],
  ["a tool that writes", asked(9, ["mcp__jira__create_ticket", { title: "x" }], ["mcp__x__y", {}]), []],
  ["another tool", asked(9, ["WebSearch", { query: "x" }], ["PowerShell", { command: "ls" }], ["Agent", { prompt: "x" }]), []],
])("%s", (_, calls, wanted) => {
  expect(patterns(calls)).toEqual(wanted);
});

test("hostile commands and inputs neither throw nor are proposed", () => {
  const inputs: Given[] = [
    ...["", " ", "\0", "constructor", "__proto__ x", '"""', "$'\\x41'", "x".repeat(10_000), "npm test\u202e", "𝗇pm test"].map(bash),
    ...[{}, { command: 7 }, { command: null }, { command: ["npm test"] }].map((input): Given => ["Bash", input]),
    ...[{ file_path: 7 }, { file_path: "\0" }, {}].map((input): Given => ["Edit", input]),
    ...[{ url: "no address" }, { url: 7 }, { url: "https://ex\u0430mple.com" }].map((input): Given => ["WebFetch", input]),
    ["mcp__x__get_\u001b[31m", {}],
  ];
  expect(patterns(asked(5, ...inputs)).filter((pattern) => !/^5 (?:constructor \$|__proto__ x)$|xn--/.test(pattern))).toEqual([]);
});

test("what is printed is a rules file that says just this", () => {
  const calls = [
    ...asked(3, bash("npm test"), edit("/home/dev/app/src/a.ts"), fetched("https://docs.rs/")),
    ...asked(4, bash("rm -rf dist")),
  ];
  const { suggestions } = suggest(calls);
  const text = suggestions.map(renderSuggestion).join("\n\n");
  expect(text).toContain(
    '# 3 questions in 2 sessions\n[[rules]]\nname = "npm-test"\nmatch_tool = "Bash"\nmatch_command = "npm test"\naction = "allow"',
  );
  const { rules, problems } = checkRules({ path: "rules.toml", text, isProject: false });
  expect(problems).toEqual([]);
  expect(rules.map(({ name, action, when }) => ({ name, action, when }))).toEqual(
    suggestions.map(({ rule: { name, action, when } }) => ({ name, action, when })),
  );
  // And with it there is nothing more to propose.
  expect(suggest(calls, rules)).toMatchObject({ suggestions: [], covered: calls.length });
});
