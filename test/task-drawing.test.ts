import { expect, test } from "bun:test";
import { drawDot, drawMermaid, drawTree } from "../src/task-drawing.ts";
import type { Task } from "../src/task-graph.ts";

const task = (id: string, dependsOn: string[] = [], more: Partial<Task> = {}): Task => ({
  ...{ id, name: id, matrix: {}, cwd: "/", prompt: [id], dependsOn, condition: { kind: "success" }, conditionText: "success" },
  ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1 },
  ...more,
});
const night = [
  task("migrate"),
  task("test-api", ["migrate"]),
  task("test-web", [], { profile: "work", model: "opus" }),
  task("report", ["test-api", "test-web"], { conditionText: "always" }),
  task("mail", ["report"], { conditionText: "failure", concurrency: "mail" }),
];

test("a tree has each task once", () => {
  expect(drawTree(night)).toEqual([
    "migrate",
    "└─ test-api",
    "test-web  (as work; opus)",
    "└─ report  (after test-api, too; if always)",
    "   └─ mail  (if failure; one of mail at a time)",
  ]);
  const wide = [task("a"), task("b", ["a"]), task("c", ["b"]), task("d", ["a"]), task("e", ["d"])];
  expect(drawTree(wide)).toEqual(["a", "├─ b", "│  └─ c", "└─ d", "   └─ e"]);
});

test("a chain of thousands is not drawn as wide as it is long", () => {
  const chain = Array.from({ length: 10_000 }, (_, index) => task(String(index), index === 0 ? [] : [String(index - 1)]));
  const lines = drawTree(chain);
  expect(lines).toHaveLength(10_000);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(100);
  const all = task(
    "all",
    chain.map(({ id }) => id),
  );
  expect(
    drawTree([...chain, all])
      .at(-1)
      ?.endsWith("all  (after 0, 1, 2, 3, 4, 5 and 9993 more, too)"),
  ).toBe(true);
});

const hostile = 'a"];x --> y["b\\N <img src=x> `c` #quot; %% & é \u202e';

test("Mermaid reads no sign of a name", () => {
  expect(drawMermaid([task(hostile), task("ok", [hostile], { conditionText: `"${hostile}" == failed` })])).toEqual([
    "flowchart TD",
    '  t0["a#34;]#59;x --#62; y[#34;b#92;N #60;img src=x#62; #96;c#96; #35;quot#59; #37;#37; #38; é #8238;"]',
    '  t1["ok"]',
    '  t0 -->|"if #34;a#34;]#59;x --#62; y[#34;b#92;N #60;img src=x#62; #96;c#96; #35;quot#59; #37;#37; #38; é #8238;#34; == failed"| t1',
  ]);
});

test.each([
  ["1. list", "1#46; list"],
  ["- list", "#45; list"],
  ["_soft_ test_api v1.2", "#95;soft#95; test_api v1.2"],
])("nor Markdown in it: %s", (name, label) => {
  expect(drawMermaid([task(name)])[1]).toBe(`  t0["${label}"]`);
});

test("Graphviz neither", () => {
  expect(drawDot([task(hostile), task("ok", [hostile])])).toEqual([
    "digraph tasks {",
    "  node [shape=box]",
    '  t0 [label="a\\"];x --> y[\\"b\\\\N <img src=x> `c` #quot; %% &amp; é &#8238;"]',
    '  t1 [label="ok"]',
    "  t0 -> t1",
    "}",
  ]);
});
