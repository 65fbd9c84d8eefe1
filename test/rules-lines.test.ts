import { expect, test } from "bun:test";
import { jsonLines, tomlLines } from "../src/rules-lines.ts";

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
