import { expect, test } from "bun:test";
import type { Rule } from "../src/rules.ts";
import { findIdle } from "../src/rules-check.ts";

let line = 0;
const rule = (action: Rule["action"], when: Rule["when"] = {}, name = `r${++line}`, isProject = false): Rule => ({
  ...{ name, action, when, isProject, at: { path: "/r.toml", line: 3 } },
});
const idle = (...rules: Rule[]) => findIdle(rules, ["work"]).map(({ message }) => message.replace(/ in line 3/, ""));
const a = (action: Rule["action"], when: Rule["when"] = {}) => rule(action, when, "a");
const b = (action: Rule["action"], when: Rule["when"] = {}) => rule(action, when, "b");

test.each<[what: string, rules: Rule[], told: string[]]>([
  ["rules that all act", [a("allow", { command: ["npm test"] }), b("deny", { command: ["npm publish"] })], []],
  [
    "a later one of the same kind",
    [a("deny", { command: ["git push"] }), b("deny", { command: ["git push --force"] })],
    ['rule "b" is shadowed by the deny rule "a"'],
  ],
  [
    "an earlier one that is narrower is not shadowed",
    [a("deny", { command: ["git push --force"] }), b("deny", { command: ["git push"] })],
    [],
  ],
  [
    "leave that a denial always beats, wherever it stands",
    [a("allow", { tool: ["Bash"], command: ["git push origin"] }), b("deny", { command: ["git * origin"] })],
    ['rule "a" never acts: the deny rule "b" always beats it'],
  ],
  [
    "leave that a question always beats",
    [a("ask", { tool: ["mcp__x"] }), b("allow", { tool: ["mcp__x__y"] })],
    ['rule "b" never acts: the ask rule "a" always beats it'],
  ],
  ["one without conditions beats all", [a("deny"), b("ask", { path: ["x"] })], ['rule "b" never acts: the deny rule "a" always beats it']],
  ["a condition more is another rule", [a("deny", { command: ["rm"], profile: ["work"] }), b("allow", { command: ["rm"] })], []],
  ["only some entries are covered", [a("deny", { command: ["rm"] }), b("allow", { command: ["rm", "ls"] })], []],
  ["numbers", [a("deny", { costAboveUsd: 5 }), b("deny", { costAboveUsd: 10 })], ['rule "b" is shadowed by the deny rule "a"']],
  ["a smaller number is not covered", [a("deny", { costAboveUsd: 10 }), b("deny", { costAboveUsd: 5 })], []],
  ["the whole command is less than its beginning", [a("deny", { command: ["ls $"] }), b("deny", { command: ["ls"] })], []],
  [
    "hosts",
    [a("deny", { host: ["*.x.com"] }), b("allow", { host: ["a.x.com"] })],
    ['rule "b" never acts: the deny rule "a" always beats it'],
  ],
  [
    "folders",
    [a("deny", { path: ["~/s/**"] }), b("allow", { path: ["~/s/a"] })],
    ['rule "b" never acts: the deny rule "a" always beats it'],
  ],
  ["what acts on sessions is another matter", [a("deny"), b("stop", { costAboveUsd: 1 })], []],
  [
    "a command for a tool that runs none",
    [a("deny", { tool: ["Edit"], command: ["rm"] })],
    ['rule "a" never matches: none of its tools runs a command'],
  ],
  [
    "a host for a tool that goes nowhere",
    [a("deny", { tool: ["Read"], host: ["x"] })],
    ['rule "a" never matches: none of its tools goes to a host'],
  ],
  [
    "two commands in one pattern",
    [a("deny", { command: ["cd x && rm"] })],
    ['rule "a" never matches by "cd x && rm": a pattern is the words of one command; each command of a line is looked at by itself'],
  ],
  ["quoted signs are words", [a("deny", { command: ['grep "a && b"'] })], []],
  [
    "leave while it works",
    [a("allow", { status: ["working"] })],
    ['rule "a" never acts: leave is given where claude asks, and then a session is blocked'],
  ],
  ["leave at a gate, in the older tool's word", [a("allow", { status: ["Needs Input"] })], []],
  [
    "a profile that there is not",
    [a("deny", { profile: ["wrok"] }), b("deny", { profile: ["work"] })],
    ['rule "a" is about profile "wrok", which is not registered'],
  ],
  [
    "one name twice",
    [a("deny", { tool: ["A"] }), a("deny", { tool: ["B"] })],
    ['rule "a" has the name of the deny rule "a": the log cannot tell them apart'],
  ],
])("%s", (_, rules, told) => {
  expect(idle(...rules)).toEqual(told);
});
