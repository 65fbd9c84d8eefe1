import { expect, test } from "bun:test";
import { jsonLines, tomlLines, yamlLines } from "../src/key-lines.ts";

const toml = `# [[rules]]
[[rules]]
name = "a" # name = "b"
match_command = [
  "rm -rf", # ]
  'x ["[[rules]]"',
]
message = """
[[rules]]
name = "c" \\"""
""""
[[rules]]
"match tool" = { a = [1,
2] }
'x' = '''
action = '''
action = "deny"
[rules.when]
x.y = 1
[notify]
[[notify.channels]]
kind = "a"
[[notify.channels]] # again

[rules.late]
z = 1`;

test.each<[path: (string | number)[], line: number]>([
  [["rules"], 2],
  [["rules", 0], 2],
  [["rules", 0, "name"], 3],
  [["rules", 0, "match_command"], 4],
  [["rules", 0, "match_command", 1], 4],
  [["rules", 0, "message"], 8],
  [["rules", 1], 12],
  [["rules", 1, "match tool"], 13],
  [["rules", 1, "x"], 15],
  [["rules", 1, "action"], 17],
  [["rules", 1, "when", "x", "y"], 19],
  [["rules", 1, "nowhere"], 12],
  [["notify"], 20],
  [["notify", "channels", 0, "kind"], 22],
  [["notify", "channels", 1, "url"], 23],
  [["rules", 1, "late", "z"], 26],
  [["nothing"], 1],
])("TOML: %j stands at line %d", (path, line) => {
  expect(tomlLines(toml).lineOf(path)).toBe(line);
});

test.each([
  ["\ufeff[[rules]]\r\nname = 'a'\r\n\r\n[[rules]]\r\n", ["rules", 1], 4],
  ['a = "open\nb = 1\n', ["b"], 2],
  ["a = [1,\n2\n", ["a"], 1],
  ["]\n=\n= 1\n\n[x]\n", ["x"], 5],
  ['"a', ["a"], 1],
] as [string, string[], number][])("a text that is none is walked to its end: %j", (text, path, line) => {
  expect(tomlLines(text).lineOf(path)).toBe(line);
});

const json = `{
  "rules": [
    { "name": "a,\\"]}", "match_tool": ["Bash",
      "Edit"] },
    {
      "name": "b", "x": -1.5e3, "y": null
    }
  ],
  "notify": {}
}`;

test.each<[path: (string | number)[], line: number]>([
  [["rules"], 2],
  [["rules", 0, "name"], 3],
  [["rules", 0, "match_tool", 1], 4],
  [["rules", 1], 5],
  [["rules", 1, "y"], 6],
  [["rules", 1, "nowhere"], 5],
  [["notify"], 9],
])("JSON: %j stands at line %d", (path, line) => {
  expect(jsonLines(json).lineOf(path)).toBe(line);
});

test.each([
  ['{\n"a": 1,\n}', 3],
  ['{\n"a" 1\n}', 2],
  ['{"a": [1,\n2\n', 3],
  ['{"a":\n"open\n}', 2],
  ["", 1],
])("JSON that is none is one up to its line: %j", (text, stop) => {
  expect(jsonLines(text).stop).toBe(stop);
});

const yaml = `%YAML 1.2
---
# tasks: no
max_tasks: 5
defaults: &d
  env: {A: 1,
    B: 2}
tasks:
- name: a # name: b
  prompt: |
    name: not this
    - nor: this

   # nor this
  depends_on:
  - x
  - y
  "if": 'of
    many: lines'
-
  name: b
  prompt: "a: b
    c: d"
- - nested
- {name: c}
last:
    - deep: 1
      'it''s': 2
    - http://x: 3
end: z
`;

test.each<[path: (string | number)[], line: number]>([
  [["max_tasks"], 4],
  [["defaults"], 5],
  [["defaults", "env"], 6],
  [["defaults", "env", "B"], 6],
  [["tasks"], 8],
  [["tasks", 0], 9],
  [["tasks", 0, "name"], 9],
  [["tasks", 0, "prompt"], 10],
  [["tasks", 0, "depends_on"], 15],
  [["tasks", 0, "depends_on", 1], 17],
  [["tasks", 0, "if"], 18],
  [["tasks", 0, "nor"], 9],
  [["tasks", 1], 20],
  [["tasks", 1, "name"], 21],
  [["tasks", 1, "prompt"], 22],
  [["tasks", 1, "c"], 20],
  [["tasks", 2, 0], 24],
  [["tasks", 3, "name"], 25],
  [["last", 0, "deep"], 27],
  [["last", 0, "it's"], 28],
  [["last", 1, "http://x"], 29],
  [["end"], 30],
])("YAML: %j stands at line %d", (path, line) => {
  expect(yamlLines(yaml).lineOf(path)).toBe(line);
});

test.each([
  ["\ufeffa: 1\r\nb:\r\n  - c\r\n  - d: 1\r\n", ["b", 1, "d"], 4],
  ["a: [1,\n2\n", ["a"], 1],
  ["a: |\n  x\n", ["a"], 1],
  ['a: "open\nb: 1\n', ["b"], 1],
  ["- a\n- b", [1], 2],
  ["\ta: 1\nb: 2", ["b"], 2],
  ["   ", [], 1],
] as [string, (string | number)[], number][])("YAML that is none is walked to its end, too: %j", (text, path, line) => {
  expect(yamlLines(text).lineOf(path)).toBe(line);
});
