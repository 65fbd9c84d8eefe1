import { expect, test } from "bun:test";
import { chooseAccountWay, chooseOpening, chooseSession, chooseStart, parseCall, sessionArgs } from "../src/launch-choice.ts";
import { parseRunOptions } from "../src/run-options.ts";

const id = "12345678-0000-4000-8000-000000000000";

type AccountQuestion = Parameters<typeof chooseAccountWay>[0];
type StartQuestion = Parameters<typeof chooseStart>[0];
type SessionChoice = ReturnType<typeof chooseSession>;
type Place = "both" | "nothing here" | "no terminal";

test.each<[rule: string, args: string[], expected: SessionChoice, where?: Place]>([
  ["nothing given: the list", [], { kind: "pick" }],
  ["-r alone: the list", ["-r"], { kind: "pick" }],
  ["-i: the list, also with -c", ["-i", "-c"], { kind: "pick" }],
  ["-r -c: the list", ["-c", "-r"], { kind: "pick" }],
  ["-c: the newest that nobody has open", ["-c"], { kind: "newest" }],
  ["a prompt begins a new one, without the list", ["fix it"], { kind: "new" }],
  ["behind flags of claude too", ["--verbose", "--model", "opus", "--agent", "x", "fix it"], { kind: "new" }],
  ["what claude's flags take is no prompt", ["--add-dir", "a", "b"], { kind: "pick" }],
  ["nor is the value of one", ["--agent", "x"], { kind: "pick" }],
  ["-r with a prompt behind: the list", ["-r", "--verbose", "fix it"], { kind: "pick" }],
  ["-i with a prompt: the list", ["-i", "fix it"], { kind: "pick" }],
  ["-c with a prompt goes on", ["-c", "fix it"], { kind: "newest" }],
  ["a word", ["-r", "Fix login"], { kind: "named", word: "Fix login" }],
  ["a word, joined", ["--resume=expl"], { kind: "named", word: "expl" }],
  ["a word, with -i too", ["-i", "-r", "x"], { kind: "named", word: "x" }],
  ["an id of one's own", ["--session-id", id], { kind: "id", sessionId: id }],
  ["--session-id comes before -r", ["-r", "release", "--session-id", id], { kind: "id", sessionId: id }],
  ["no terminal: never a list", [], { kind: "new" }, "no terminal"],
  ["no terminal, -r alone", ["-r"], { kind: "new" }, "no terminal"],
  ["no terminal, -i -c", ["-i", "-c"], { kind: "new" }, "no terminal"],
  ["no terminal, -c", ["-c"], { kind: "newest" }, "no terminal"],
  ["no terminal, a word", ["-r", "Fix login"], { kind: "named", word: "Fix login" }, "no terminal"],
  ["no conversation yet", [], { kind: "new" }, "nothing here"],
  ["no conversation yet, -c", ["-c"], { kind: "new" }, "nothing here"],
  ["no conversation yet, -r alone", ["-r"], { kind: "new" }, "nothing here"],
  ["a word may name one of another folder", ["-r", "x"], { kind: "named", word: "x" }, "nothing here"],
])("which conversation: %s", (_, args, expected, where = "both") => {
  expect(chooseSession(parseRunOptions(args), where !== "nothing here", where !== "no terminal")).toEqual(expected);
});

test.each<[rule: string, args: string[], message: string, hint: RegExp]>([
  ["an empty name", ["--resume="], "--resume names nothing", /csm -r/],
  ["an id that is no UUID", ["--session-id", "../../x"], 'invalid session id "../../x"', /newuuid/],
])("no choice: %s", (_, args, message, hint) => {
  expect(() => chooseSession(parseRunOptions(args), true, true)).toThrow(
    expect.objectContaining({ message, hint: expect.stringMatching(hint) }),
  );
});

test.each<[rule: string, given: [isOpen: boolean, isCopyAsked: boolean, hasTerminal: boolean], way: string]>([
  ["nobody has it open", [false, false, true], "resume"],
  ["nobody, no terminal", [false, false, false], "resume"],
  ["one that is open is never resumed twice", [true, false, true], "ask"],
  ["nobody can be asked", [true, false, false], "refuse"],
  ["a copy leaves the other its own", [true, true, true], "resume"],
  ["a copy, no terminal", [true, true, false], "resume"],
])("how it is opened: %s", (_, given, way) => expect<string>(chooseOpening(...given)).toBe(way));

test.each([
  ["create", ["--session-id", id]],
  ["resume", ["--resume", id]],
  ["copy", ["--resume", id, "--fork-session"]],
] as const)("what claude is called with to %s", (kind, args) => {
  expect(sessionArgs({ kind, sessionId: id })).toEqual([...args]);
});

type Call = { words: string[]; isUntouched?: true; isManagement?: true; mayNameSession?: true; profile?: string };

test.each<[rule: string, form: "run" | "bare", args: string[], expected: Call, hasTerminal?: boolean]>([
  ["a prompt", "bare", ["fix it"], { words: ["fix it"] }],
  ["a command of claude", "bare", ["mcp", "list"], { words: ["mcp", "list"], isUntouched: true, isManagement: true }],
  ["under a profile", "bare", ["--profile", "work", "mcp"], { words: ["mcp"], isUntouched: true, isManagement: true, profile: "work" }],
  ["print mode", "run", ["-p", "hi", "-r", "x"], { words: ["-p", "hi", "-r", "x"], isUntouched: true, mayNameSession: true }],
  ["behind --, as they are", "bare", ["--", "-r", "x"], { words: ["-r", "x"], isUntouched: true }],
  ["behind --, of run", "run", ["--", "-r", "x"], { words: ["-r", "x"] }],
  ["several bare words of run are one prompt", "run", ["fix", "the", "tests"], { words: ["fix the tests"] }],
  [
    "with flags among them",
    "run",
    ["fix", "--model", "opus", "the", "tests", "--verbose"],
    { words: ["fix the tests", "--model", "opus", "--verbose"] },
  ],
  ["under a profile", "run", ["--profile", "work", "fix", "the", "tests"], { words: ["fix the tests"], profile: "work" }],
  ["behind -c", "run", ["-c", "go", "on"], { words: ["go on"] }],
  ["behind -r, whose value is the first", "run", ["-r", "login", "go", "on"], { words: ["go on"] }],
  [
    "values of claude's flags stay apart",
    "run",
    ["--add-dir", "a", "b", "--agent", "x", "fix", "it"],
    { words: ["--add-dir", "a", "b", "--agent", "x", "fix it"] },
  ],
  ["behind --, a prompt of several words", "run", ["--", "fix", "the", "tests"], { words: ["fix the tests"] }],
  ["behind a flag that takes many", "run", ["--add-dir", "a", "--", "fix", "it"], { words: ["--add-dir", "a", "--", "fix it"] }],
  ["a command of claude behind --", "run", ["--", "mcp", "list"], { words: ["mcp", "list"] }],
  ["of csm alone every word stays", "bare", ["fix", "the", "tests"], { words: ["fix", "the", "tests"] }],
  ["a script's call", "bare", ["-r", "x"], { words: ["-r", "x"], isUntouched: true, mayNameSession: true }, false],
  ["a script's call of run is read", "run", ["-r", "x"], { words: [] }, false],
])("whose words they are: %s", (_, form, args, expected, hasTerminal = true as boolean) => {
  const { options, ...call } = parseCall(form, args, hasTerminal);
  expect({ ...call, words: options.words, profile: options.profile }).toEqual({
    ...{ isUntouched: false, isManagement: false, mayNameSession: false, profile: undefined },
    ...expected,
  });
});

const account = (args: string[], more: Partial<AccountQuestion> = {}): AccountQuestion => ({
  ...{ options: parseRunOptions(args), isManagement: false, hasTerminal: true, profileCount: 2, isRegistered: true },
  ...more,
});

test.each<[rule: string, question: AccountQuestion, way: ReturnType<typeof chooseAccountWay>]>([
  ["the one with room", account([]), "rank"],
  ["the one that was named", account(["--profile", "work", "-A"]), "named"],
  ["a single account leaves no choice", account([], { profileCount: 1 }), "keep"],
  ["--no-pick", account(["--no-pick"]), "keep"],
  ["a folder that is no profile was chosen on purpose", account([], { isRegistered: false }), "keep"],
  ["a command of claude costs nothing", account([], { isManagement: true }), "keep"],
  ["no terminal", account([], { hasTerminal: false }), "rank"],
  ["-A asks", account(["-A"]), "ask"],
  ["-i asks", account(["-i"]), "ask"],
  ["-A before --no-pick", account(["-A", "--no-pick"]), "ask"],
  ["-A asks about a single one, and in any folder", account(["-A"], { profileCount: 1, isRegistered: false }), "ask"],
  ["-A without a profile", account(["-A"], { profileCount: 0 }), "keep"],
  ["-A where nobody can be asked", account(["-A"], { hasTerminal: false }), "rank"],
  ["the same before --no-pick", account(["-A", "--no-pick"], { hasTerminal: false }), "rank"],
])("whose account: %s", (_, question, way) => expect(chooseAccountWay(question)).toBe(way));

const session: StartQuestion = { isSession: true, isRegistered: true, profileCount: 2, onLimit: undefined, platform: "linux" };

test.each<[rule: string, question: StartQuestion, start: string]>([
  ["its conversation may have to move", session, "manage"],
  ["a command of claude, or a script's call", { ...session, isSession: false }, "replace"],
  ["a single account", { ...session, profileCount: 1 }, "note"],
  ["a folder that is no profile", { ...session, isRegistered: false }, "note"],
  ["a single account that is to wait", { ...session, profileCount: 1, onLimit: "wait" }, "manage"],
  ["somebody wants to be asked", { ...session, isRegistered: false, onLimit: "ask" }, "manage"],
  ["it is to stop, and could move", { ...session, onLimit: "stop" }, "manage"],
  ["Windows", { ...session, platform: "win32" }, "note"],
])("who stays: %s", (_, question, start) => expect<string>(chooseStart(question)).toBe(start));
