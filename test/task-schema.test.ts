import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkTasks } from "../src/task-schema.ts";

const check = (text: string, path = "/p/tasks.json") =>
  checkTasks({
    ...{ path, text, dir: "/p", homeDir: "/home/me", profiles: ["work", "home"], labels: new Map() },
    faultOf: (folder, isWorktree) =>
      folder.includes("nowhere") ? `no such folder: ${folder}` : isWorktree && folder === "/p/plain" ? "a worktree needs git" : undefined,
  });
const told = (text: string, path?: string) => {
  const { problems, excess } = check(text, path);
  return [...problems.map(({ line, message }) => `${line}: ${message}`), ...(excess === undefined ? [] : [excess])];
};
const one = (more: object) => JSON.stringify({ tasks: [{ name: "a", prompt: "x", ...more }] });

test("the article's own file", () => {
  const { graph, problems } = check(readFileSync(join(import.meta.dir, "fixtures/tasks/article.json"), "utf8"));
  expect(problems).toEqual([]);
  expect(graph.tasks.map(({ id, cwd, dependsOn, profile, condition }) => [id, cwd, dependsOn.join(), profile, condition.kind])).toEqual([
    ["migrate", "/p/api", "", "auto", "success"],
    ["test-api", "/p/api", "migrate", "auto", "success"],
    ["test-web", "/p/web", "", "auto", "success"],
  ]);
  expect(graph.tasks[1]?.prompt).toEqual([
    "Run the tests; the migration said: ",
    { id: "migrate", part: "stdout", path: [], text: "migrate.stdout" },
  ]);
  expect([graph.jobs, graph.maxTasks]).toEqual([4, 10_000]);
});

const written = {
  toml: `jobs = 2
max_tasks = 9
budget_usd = 5.5
budget_percent = 40
retries = 1

[defaults]
model = "opus"
timeout = "30m"
account = "work"
env = { A = 1, B = "b" }

[[tasks]]
name = "build"
prompt = """
for {{matrix.os}}
"""
matrix = { os = ["linux", "mac os"] }
cwd = "~/{{matrix.os}}"
env = { B = "{{matrix.os}}" }

[[tasks]]
name = "sum"
prompt = "{{build[os=linux].json.files[0]}}"
depends_on = ["build"]
when = "build == failed || always"
profile = "auto"
permission_mode = "plan"
retries = 0
budget_usd = 1
worktree = true
concurrency = "db"
outputs = { type = "object" }
`,
  yaml: `jobs: 2
max_tasks: 9
budget_usd: 5.5
budget_percent: 40
retries: 1
defaults: {model: opus, timeout: 30m, account: work, env: {A: 1, B: b}}
tasks:
  - name: build
    prompt: |
      for {{matrix.os}}
    matrix: {os: [linux, mac os]}
    cwd: ~/{{matrix.os}}
    env: {B: "{{matrix.os}}"}
  - name: sum
    prompt: "{{build[os=linux].json.files[0]}}"
    depends_on: build
    if: build == failed || always
    account: auto
    permission_mode: plan
    retries: 0
    budget_usd: 1
    worktree: true
    concurrency: db
    outputs: {type: object}
`,
};

test("TOML and YAML say the same", () => {
  const [toml, yaml] = [check(written.toml, "/p/t.toml"), check(written.yaml, "/p/t.yaml")];
  expect([toml.problems, yaml.problems]).toEqual([[], []]);
  const { tasks, ...top } = toml.graph;
  expect(top).toEqual({ file: "/p/t.toml", jobs: 2, maxTasks: 9, budgetUsd: 5.5, budgetPercent: 40 });
  const [linux, mac, sum] = tasks;
  const common = { model: "opus", timeoutMs: 1_800_000, profile: "work", retries: 1, isWorktree: false, dependsOn: [] };
  expect(linux).toMatchObject({
    ...common,
    id: "build[os=linux]",
    cwd: "/home/me/linux",
    prompt: ["for linux\n"],
    env: { A: "1", B: "linux" },
  });
  expect(mac).toMatchObject({ ...common, id: 'build[os="mac os"]', cwd: "/home/me/mac os", matrix: { os: "mac os" } });
  expect(sum).toMatchObject({
    ...{ id: "sum", profile: "auto", permissionMode: "plan", retries: 0, budgetUsd: 1, isWorktree: true, concurrency: "db" },
    ...{ outputs: { type: "object" }, dependsOn: ["build[os=linux]", 'build[os="mac os"]'] },
    condition: { kind: "or", of: [{ kind: "is", ids: ["build[os=linux]", 'build[os="mac os"]'], state: "failed" }, { kind: "always" }] },
  });
  const plain = ({ line: _, ...task }: (typeof tasks)[number]) => task;
  expect(yaml.graph.tasks.map(plain)).toEqual(tasks.map(plain));
});

const wrong: [text: string, problems: string[], path?: string][] = [
  // The file.
  ['{"tasks": [', ["1: unexpected EOF"]],
  ["[]", ["1: it is no object"]],
  ["", ["1: there are no tasks"], "/p/t.toml"],
  ["- a", ["1: it is no table"], "/p/t.yml"],
  ["tasks:\n  - name: a\n    prompt: x\n   b: 1\n", ["4: unexpected token"], "/p/t.yaml"],
  ["[[tasks]]\nname = 'a'\nprompt = 'x'\n\nb = \n", ["5: missing value after '='; values must be on the same line"], "/p/t.toml"],
  ['{"tasks": []}', ["1: there are no tasks"]],
  ['{"tasks": 3}', ["1: tasks must be tables: [[tasks]]"]],
  ['{"tasks": [3]}', ["1: tasks must be tables: [[tasks]]"]],
  [
    '{\n"task": [],\n"job": 1}',
    ["1: there are no tasks", '2: unknown key "task"; did you mean tasks?', '3: unknown key "job"; did you mean jobs?'],
  ],
  ['{"defaults": [],\n"tasks": [{"name":"a","prompt":"x"}]}', ["1: defaults must be a table"]],
  [
    '{"tasks": [{"name":"a","prompt":"x"}],\n"defaults":{"promt":"x",\n"name":"n"}}',
    [
      '2: unknown key "promt"; one of: cwd, model, permission_mode, profile, account, timeout, retries, budget_usd, worktree, env, if, when, outputs, concurrency, needs',
      '3: unknown key "name"; one of: cwd, model, permission_mode, profile, account, timeout, retries, budget_usd, worktree, env, if, when, outputs, concurrency, needs',
    ],
  ],
  ['{"tasks": [{"name":"a","prompt":"x"},\n{"name":"b","prompt":"x"}],\n"max_tasks": 1}', ["2 tasks, and max_tasks is 1"]],
  ['{"tasks": [{"name":"a","prompt":"x"}],\n"jobs": 0}', ["2: jobs: too small: expected number to be >=1"]],
  // Tasks, all that is wrong at once.
  [
    '{"tasks": [\n{"name":"a","prompt":"x"},\n{"name":"a","prompt":"y"},\n{"promt":"x"}]}',
    [
      '3: task "a" is there already, at line 2',
      '4: unknown key "promt"; did you mean prompt?',
      "4: the task has no name",
      "4: the task has no prompt",
    ],
  ],
  [one({ name: "a\nb" }), ["1: name: no brackets, braces or control characters: instances and templates have them"]],
  [one({ name: "a{{b}}" }), ["1: name: no brackets, braces or control characters: instances and templates have them"]],
  [one({ name: "matrix" }), ["1: name: templates mean something else by matrix"]],
  [one({ prompt: " " }), ["1: prompt: it is blank"]],
  [one({ prompt: "ü".repeat(600_000) }), ["1: prompt: it is larger than 1 MB"]],
  [one({ timeout: 30 }), ['1: timeout: a time such as "30s", "10m" or "1h"']],
  [one({ timeout: "15d" }), ["1: timeout: more than nothing and at most 14d"]],
  [one({ permission_mode: "plann" }), ['1: unknown permission_mode "plann"; did you mean plan?']],
  [one({ profile: "wrk" }), ['1: task "a": no profile "wrk"; did you mean work?']],
  [one({ profile: "work", account: "home" }), ["1: account is another word for profile; give one of them"]],
  [
    one({ env: { "A B": "x", CLAUDE_CONFIG_DIR: "y", C: [], D: "\0" } }),
    [
      "1: env.A B: no name for a variable",
      "1: env.CLAUDE_CONFIG_DIR: profile = NAME chooses that",
      "1: env.C: it must be a text",
      "1: env.D: no variable can hold a NUL",
    ],
  ],
  ['{"tasks": [{"name":"a","prompt":"x","env":{"__proto__":"y"}}]}', ["1: env: __proto__ is no name"]],
  [
    one({ matrix: { os: [], "a b": ["x"], n: [1, 1], t: ["{{x}}"] } }),
    [
      "1: matrix.os: a list of values",
      "1: matrix.a b: a key is a word",
      "1: matrix.n: the same value twice",
      "1: matrix.t: no {{ or }} in a value",
    ],
  ],
  [one({ cwd: "nowhere" }), ['1: task "a": no such folder: /p/nowhere']],
  [one({ cwd: "plain", worktree: true }), ['1: task "a": a worktree needs git']],
  [
    one({ cwd: "{{matrix.os}}/{{b.result}}" }),
    ['1: task "a": {{matrix.os}}: the task has no matrix', '1: task "a": what a task leaves can only stand in a prompt'],
  ],
  [one({ outputs: {} }), ["1: outputs: it says nothing"]],
  [
    one({ outputs: { type: "object", properties: { a: { type: "objekt" } } } }),
    ["1: outputs: csm cannot check an answer by it: Unsupported type: objekt"],
  ],
  [one({ outputs: { type: "objekt" } }), ["1: outputs: type: one of object, array, string, number, integer, boolean, null"]],
  // Between tasks.
  [one({ depends_on: ["b", "c"] }), ['1: task "a": no task "b"; did you mean a?', '1: task "a": no task "c"; did you mean a?']],
  [one({ depends_on: "a" }), ['1: task "a": tasks wait for each other: a -> a']],
  [
    '{"tasks": [\n{"name":"a","prompt":"x","depends_on":["c"]},\n{"name":"b","prompt":"x","depends_on":["a"]},\n{"name":"c","prompt":"x",\n"depends_on":["b"]}]}',
    ['2: task "a": tasks wait for each other: a -> c -> b -> a'],
  ],
  [one({ if: "faliure" }), ['1: task "a": unknown condition "faliure"; did you mean failure?']],
  [
    one({ when: "failure" }),
    ['1: task "a": nothing can fail before a task that depends on nothing; name in depends_on whose failure it is about'],
  ],
  [one({ if: "always", when: "always" }), ["1: when is another word for if; give one of them"]],
  [one({ if: "b == failed" }), ['1: task "a": a does not depend on "b"; name it in depends_on; through others does not count']],
];

test.each(wrong.map(([text, problems, path = "/p/tasks.json"]) => [text.slice(0, 200), text, problems, path] as const))(
  "%s",
  (_, text, problems, path) => {
    expect(told(text, path)).toEqual(problems);
  },
);

const build = { name: "build", prompt: "x", matrix: { os: ["linux", "mac"] } };
const plan = {
  name: "plan",
  prompt: "x",
  outputs: { type: "object", properties: { files: { type: "array", items: { type: "object", properties: { name: {} } } }, any: {} } },
};

test.each<[tasks: object[], problem: string | undefined]>([
  [
    [build, { name: "b", prompt: "{{build.result}}", depends_on: ["build"] }],
    '"build" stands for more than one task; name one of them: {{build[os=linux].result}}',
  ],
  [[build, { name: "b", prompt: "{{build[os=mac].result}}", depends_on: ["build"] }], undefined],
  [
    [build, { name: "b", prompt: "{{build[os=mac].result}}", depends_on: ["build[os=linux]"] }],
    'b does not depend on "build[os=mac]"; name it in depends_on; through others does not count',
  ],
  [[build, { name: "b", prompt: "x", depends_on: ["build[os=lin]"] }], 'no task "build[os=lin]"; did you mean build[os=linux]?'],
  [[build, { name: "b", prompt: "x", matrix: { os: ["mac"] }, depends_on: ["build[os={{matrix.os}}]"] }], undefined],
  [
    [plan, { name: "b", prompt: "x", depends_on: ["plan"] }, { name: "c", prompt: "{{plan.result}}", depends_on: ["b"] }],
    'c does not depend on "plan"; name it in depends_on; through others does not count',
  ],
  [[plan, { name: "b", prompt: "{{plan.json.files[0].name}}", depends_on: ["plan"] }], undefined],
  [[plan, { name: "b", prompt: "{{plan.json.any.x}}", depends_on: ["plan"] }], undefined],
  [[plan, { name: "b", prompt: "{{plan.json.file}}", depends_on: ["plan"] }], "{{plan.json.file}}: the outputs of plan have no file"],
  [
    [plan, { name: "b", prompt: "{{plan.json.files[0].nam}}", depends_on: ["plan"] }],
    "{{plan.json.files[0].nam}}: the outputs of plan have no files.0.nam",
  ],
])("%j", (tasks, problem) => {
  const name = JSON.stringify((tasks.at(-1) as { name: string }).name);
  expect(told(JSON.stringify({ tasks }))).toEqual(problem === undefined ? [] : [`1: task ${name}: ${problem}`]);
});

test("what a file makes of a small text is bounded", () => {
  const many = Array.from({ length: 101 }, (_, index) => index);
  expect(told(one({ matrix: { a: many, b: many } }))).toEqual(["10,201 tasks, and max_tasks is 10,000"]);
  const half = { matrix: { a: many.slice(0, 50), b: many.slice(0, 100) } };
  const all = {
    tasks: [
      { name: "a", prompt: "x", ...half },
      { name: "b", prompt: "x", depends_on: ["a"], ...half },
    ],
  };
  expect(told(JSON.stringify(all))).toEqual(['1: task "b": more than 1,000,000 dependencies altogether; name instances: build[os=linux]']);
  const laughs = Array.from({ length: 9 }, (_, index) => `      l${index + 1}: &l${index + 1} [${Array(10).fill(`*l${index}`).join()}]`);
  const yaml = `tasks:\n  - name: a\n    prompt: x\n    outputs:\n      l0: &l0 {type: string}\n${laughs.join("\n")}\n`;
  expect(told(yaml, "/p/t.yaml")).toHaveLength(1);
}, 60_000);

test("thousands of slips are not compared with thousands of names", () => {
  const tasks = Array.from({ length: 1000 }, (_, index) => ({ name: `t${index}`, prompt: "x", depends_on: [`x${index}`] }));
  const problems = told(JSON.stringify({ tasks }));
  expect(problems).toHaveLength(1000);
  expect(problems.filter((problem) => problem.includes("did you mean"))).toHaveLength(20);
});

/** Each of them once took minutes, or the stack; what counts is that they end. */
const deep = 100_000;
test.each<[what: string, text: string, path: string, problem: string]>([
  ["lists in lists", "[".repeat(deep) + "]".repeat(deep), "/p/t.json", "1: nested deeper than 500 levels"],
  ["objects in objects", `${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`, "/p/t.json", "1: nested deeper than 500 levels"],
  ["TOML's lists in lists", `a = ${"[".repeat(deep)}${"]".repeat(deep)}`, "/p/t.toml", "1: nested too deeply"],
  ["TOML's dotted keys", `${"a.".repeat(deep)}b = 1`, "/p/t.toml", "1: nested too deeply"],
  ["YAML's lists in lists", `a: ${"[".repeat(deep)}${"]".repeat(deep)}`, "/p/t.yaml", "1: nested too deeply"],
  ["YAML's lists on one line", `${"- ".repeat(deep)}a`, "/p/t.yaml", "1: nested too deeply"],
  [
    "a list within itself",
    "tasks:\n - name: a\n   prompt: x\n   outputs: &y {a: *y}\n",
    "/p/t.yaml",
    "4: outputs: it is no JSON of up to 100 KB",
  ],
  ["blanks before no colon", `a${" \t".repeat(deep)}x`, "/p/t.yaml", "1: it is no table"],
  [
    "dots in a template",
    one({ prompt: `{{${".json".repeat(deep)}}}` }),
    "/p/t.json",
    '1: task "a": a template of 500000 characters; write \\{{ for a {{ that shall stay',
  ],
])("%s end with a line", (_, text, path, problem) => {
  expect(told(text, path)).toEqual([problem]);
});

const forFleet = (more: object) =>
  checkTasks({
    ...{ path: "/p/tasks.json", text: one(more), dir: "/p", homeDir: "/home/me", profiles: [], labels: undefined },
    faultOf: () => "there are no folders to look at",
  });
const here = (more: object) =>
  checkTasks({
    ...{ path: "/p/tasks.json", text: one(more), dir: "/p", homeDir: "/home/me", profiles: [], faultOf: () => undefined },
    labels: new Map([["repo:api", "/srv/api"]]),
  });
const firstOf = ({ graph, problems }: ReturnType<typeof here>) => ({
  cwd: graph.tasks[0]?.cwd,
  folder: graph.tasks[0]?.folder,
  problems: problems.map(({ message }) => message),
});

test.each([
  [{ needs: "repo:api" }, "/srv/api", ""],
  [{ needs: ["linux", "repo:api"], cwd: "pkg/a" }, "/srv/api/pkg/a", "pkg/a"],
  [{ needs: ["linux"] }, "/p", undefined],
])("%j runs in %p here", (more, cwd, folder) => expect(firstOf(here(more))).toEqual({ cwd, folder, problems: [] }));

test.each([
  [{ needs: ["repo:web"] }, /no folder is repo:web here; csm config set fleet\.labels repo:web=\/FOLDER/],
  [{ needs: ["repo:api"], cwd: "../b" }, /"\.\.\/b" is not below repo:api/],
  [{ needs: ["repo:api"], cwd: "a/../../b" }, /is not below/],
  [{ needs: ["repo:api"], cwd: "/srv/b" }, /is not below/],
  [{ needs: ["repo:api"], cwd: "~/b" }, /is not below/],
  [{ needs: ["repo:api", "repo:web"] }, /one folder/],
  [{ needs: ["a b"] }, /a label is a word/],
  [{ needs: ["repo:"] }, /a label is a word/],
])("%j cannot run here", (more, words) => expect(firstOf(here(more)).problems).toEqual([expect.stringMatching(words)]));

test("for other machines a folder is named so that it means the same there, and is not looked for here", () => {
  expect(firstOf(forFleet({ cwd: "/srv/x", profile: "theirs" }))).toEqual({ cwd: "/srv/x", folder: undefined, problems: [] });
  expect(firstOf(forFleet({ needs: ["repo:api"], cwd: "pkg" }))).toEqual({ cwd: "/pkg", folder: "pkg", problems: [] });
  for (const cwd of [".", "api", "~/api"])
    expect(firstOf(forFleet({ cwd })).problems).toEqual([expect.stringMatching(/another machine has other folders/)]);
});
