import { describe, expect, test } from "bun:test";
import { type Candidate, type Choice, chooseSession, sessionWords } from "../src/launch-choice.ts";
import { parseRunOptions } from "../src/run-options.ts";

const id = (start: string) => `${start}${"00000000-0000-4000-8000-000000000000".slice(start.length)}`;
const a = id("3f2a1b4c");
const b = id("3f2a9999");
const c = id("abcd1234");
const live = id("eeee1234");
const sessions: Candidate[] = [
  { sessionId: live, modifiedAt: 50, isLive: true, title: "Nightly" },
  { sessionId: a, modifiedAt: 40, isLive: false, title: "Fix login" },
  { sessionId: b, modifiedAt: 30, isLive: false, title: "release", aiTitle: "Make a release" },
  { sessionId: c, modifiedAt: 20, isLive: false, aiTitle: "Explain the build" },
  { sessionId: id("dddd"), modifiedAt: 10, isLive: false, title: "release" },
  { sessionId: id("ffff"), modifiedAt: 5, isLive: false, label: "Why does the test fail?" },
];

const choose = (args: string[], hasTerminal = true, from: readonly Candidate[] = sessions): Choice =>
  chooseSession(parseRunOptions(args), from, hasTerminal);

describe("which conversation", () => {
  test.each<[rule: string, args: string[], expected: Choice]>([
    ["nothing given: the list", [], { kind: "pick" }],
    ["-r alone: the list", ["-r"], { kind: "pick" }],
    ["-i: the list, also with -c", ["-i", "-c"], { kind: "pick" }],
    ["-c: the newest that nobody has open (D1)", ["-c"], { kind: "resume", sessionId: a }],
    ["an id", ["-r", c], { kind: "resume", sessionId: c }],
    ["an id in capitals", ["-r", c.toUpperCase()], { kind: "resume", sessionId: c }],
    ["the eight characters that csm scan shows (D11)", ["-r", "3f2a1b4c"], { kind: "resume", sessionId: a }],
    ["a beginning that is enough", ["-r", "3f2a1"], { kind: "resume", sessionId: a }],
    ["a title", ["-r", "Fix login"], { kind: "resume", sessionId: a }],
    ["a title that two have: the newer", ["-r", "release"], { kind: "resume", sessionId: b }],
    ["a title of Claude Code's", ["-r", "Explain the build"], { kind: "resume", sessionId: c }],
    ["a title in other letters", ["-r", "fix LOGIN"], { kind: "resume", sessionId: a }],
    ["the beginning of a title", ["--resume=expl"], { kind: "resume", sessionId: c }],
    ["what a list shows, where there is no title", ["-r", "why does"], { kind: "resume", sessionId: id("ffff") }],
    ["one that is open is never resumed twice", ["-r", "Nightly"], { kind: "live", sessionId: live }],
    ["also by its id", ["-r", live], { kind: "live", sessionId: live }],
    ["a word that names nothing", ["-r", "nothing"], { kind: "unknown", named: "nothing" }],
    ["three characters are no id", ["-r", "3f2"], { kind: "unknown", named: "3f2" }],
    ["an id that is not here", ["-r", id("12345678")], { kind: "unknown", named: id("12345678") }],
    ["a new id", ["--session-id", id("12345678")], { kind: "create", sessionId: id("12345678") }],
    ["an id that exists: claude would refuse to make it", ["--session-id", a], { kind: "resume", sessionId: a }],
    ["--session-id comes before -r", ["-r", "release", "--session-id", id("12345678")], { kind: "create", sessionId: id("12345678") }],
  ])("%s", (_, args, expected) => {
    expect(choose(args)).toEqual(expected);
  });

  test.each<[rule: string, args: string[], message: RegExp, hint: RegExp]>([
    ["an ambiguous beginning names whole ids (D11)", ["-r", "3f2a"], /^"3f2a" names 2 conversations$/, new RegExp(`${a} ${b}`)],
    ["an empty name", ["--resume="], /^--resume names nothing$/, /csm -r/],
    ["an id that is no UUID (D21)", ["--session-id", "../../x"], /^invalid session id "..\/..\/x"$/, /newuuid/],
  ])("%s", (_, args, message, hint) => {
    const choice = choose(args);
    expect(choice).toMatchObject({ kind: "error", message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
  });

  test.each<[rule: string, args: string[], hasTerminal: boolean, from: Candidate[], expected: Choice]>([
    ["no terminal: never a list", [], false, sessions, { kind: "new" }],
    ["no terminal, -r alone", ["-r"], false, sessions, { kind: "new" }],
    ["no conversation yet", [], true, [], { kind: "new" }],
    ["-c without one", ["-c"], true, [], { kind: "new" }],
    ["-c when all are open", ["-c"], true, sessions.slice(0, 1), { kind: "new" }],
    ["-r by name without a terminal", ["-r", "Fix login"], false, sessions, { kind: "resume", sessionId: a }],
  ])("%s", (_, args, hasTerminal, from, expected) => {
    expect(choose(args, hasTerminal, from)).toEqual(expected);
  });
});

test.each([
  [{ kind: "new" }, []],
  [{ kind: "create", sessionId: a }, ["--session-id", a]],
  [{ kind: "resume", sessionId: a }, ["--resume", a]],
  [{ kind: "copy", sessionId: a }, ["--resume", a, "--fork-session"]],
] as const)("what claude is called with for %o", (choice, expected) => {
  expect(sessionWords(choice)).toEqual([...expected]);
});
