import { describe, expect, test } from "bun:test";
import { versionWarning } from "../src/claude-version.ts";
import { type Diagnosis, rememberDiagnosis } from "../src/doctor.ts";
import {
  absent,
  degraded,
  type Finding,
  judgeAnswers,
  judgeEvent,
  judgeMenu,
  judgePrompt,
  judgeQuestion,
  judgeRequest,
  judgeSessionFile,
  judgeStatusline,
  judgeTmux,
  judgeTranscript,
  judgeWords,
  signals,
  toCheck,
  trusted,
  worstOf,
} from "../src/doctor-judge.ts";
import { memoryPath, parseMemory, readExamination, rememberExamination } from "../src/doctor-memory.ts";
import type { Choice } from "../src/status.ts";
import { createFakeSys } from "./fake-sys.ts";

const say = ({ verdict, detail }: Finding): string => `${verdict}: ${detail}`;

test.each([
  ["tmux 3.3a", "trusted: tmux 3.3a"],
  ["tmux 3.0", "trusted: tmux 3.0"],
  ["tmux 2.9a", "degraded: tmux 2.9a: csd needs 3.0"],
  ["tmux next-3.6", "trusted: tmux next-3.6"],
  ["tmux master", "trusted: tmux master"],
])("%s is %s", (words, finding) => {
  expect(say(judgeTmux(words))).toBe(finding);
});

const file = { pid: 7, sessionId: "a", cwd: "/work" };

test.each([
  ["the right one", { text: "{}", file, isOwner: true, sessionId: "a" }, "trusted: process 7 and its start are named"],
  ["no file", { text: undefined, file: undefined, isOwner: false, sessionId: "a" }, "absent: claude writes none for its process"],
  [
    "another shape",
    { text: "{}", file: undefined, isOwner: false, sessionId: "a" },
    "degraded: it holds no pid and session id that csd can read",
  ],
  [
    "of a process before",
    { text: "{}", file, isOwner: false, sessionId: "a" },
    "degraded: it names another process or another start of process 7",
  ],
  [
    "another conversation",
    { text: "{}", file, isOwner: true, sessionId: "b" },
    "degraded: it names another conversation than --session-id",
  ],
])("session file: %s", (_, reading, finding) => {
  expect(say(judgeSessionFile(reading))).toBe(finding);
});

test.each([
  ["all", { idle: "idle", busy: "busy" }, "trusted: idle, busy seen"],
  ["none", {}, "absent: none of idle, busy was told"],
  ["another word", { idle: "idle", busy: "running" }, "degraded: running is told in place of busy"],
  ["one is missing", { busy: "busy" }, "degraded: nothing is told in place of idle"],
])("status words: %s", (_, seen, finding) => {
  expect(say(judgeWords({ idle: "idle", busy: "busy" }, seen))).toBe(finding);
});

const told = { session_id: "a", model: { id: "m" }, context_window: { used_percentage: 1 } };

test.each([
  ["whole", told, "trusted: session_id, model, context_window are told"],
  ["none", undefined, "absent: its command did not run"],
  ["of another session", { ...told, session_id: "b" }, "degraded: it does not name the session"],
  ["without a model", { ...told, model: null }, "degraded: it does not tell model"],
  ["without both", { session_id: "a" }, "degraded: it does not tell model, context_window"],
])("statusline: %s", (_, input, finding) => {
  expect(say(judgeStatusline(input, "a"))).toBe(finding);
});

describe("hooks", () => {
  const event = { at: 1, event: "Stop", text: "Hi" };
  test.each([
    ["told right", event, "Hi", "trusted: it ran, and told the text"],
    ["told another text", event, "Ho", "degraded: it ran, and did not tell the text"],
    ["not run", undefined, "Hi", "absent: the hook did not run"],
  ])("an event %s", (_, found, wanted, finding) => {
    expect(say(judgeEvent(found, ({ text }) => text === wanted, "the text"))).toBe(finding);
  });

  const held = { id: "1", at: 1, pid: 2, tool: "Bash", input: { command: "ls" } };
  test.each([
    ["told and held", event, held, "trusted: tool and input are told, and the dialog waits for csd"],
    ["not run", undefined, undefined, "absent: the hook did not run"],
    ["not held", event, undefined, "degraded: the hook ran and did not wait for an answer"],
    ["another command", event, { ...held, input: { command: "rm" } }, "degraded: it told Bash with another input than the model's"],
    ["another tool", event, { ...held, tool: "Write" }, "degraded: it told Write with another input than the model's"],
  ])("a permission request %s", (_, found, gate, finding) => {
    expect(say(judgeRequest(found, gate, "Bash", "ls"))).toBe(finding);
  });

  test.each([
    ["hook", true, "trusted: took effect: approve"],
    ["hook", false, "degraded: without effect: approve"],
    ["keys", true, "absent: answered another way: approve"],
    [undefined, false, "absent: answered another way: approve"],
  ])("an answer by %s, done %p", (channel, isDone, finding) => {
    expect(say(judgeAnswers("hook", { approve: { channel, isDone } }))).toBe(finding);
  });
});

describe("gates", () => {
  const menu = (...meanings: Choice["meaning"][]): Choice[] =>
    meanings.map((meaning, index) => ({ option: index + 1, label: meaning, meaning }));

  test.each<[rule: string, choices: Choice[], canRefuse: boolean, finding: string]>([
    ["one allows, one refuses", menu("allow-once", "allow-always", "refuse"), true, "trusted: option 1 of 3 allows once, 3 refuses"],
    ["two refuse", menu("allow-once", "refuse", "refuse"), true, "trusted: option 1 of 3 allows once, 2, 3 refuses"],
    ["a plan needs no refusal", menu("mode-switch", "allow-once", "free-text"), false, "trusted: option 2 of 3 allows once"],
    ["no option read", [], true, "degraded: the gate is seen, its options are not"],
    ["none allows once", menu("unknown", "refuse"), true, "degraded: 0 of its options allow once: 1 unknown · 2 refuse"],
    [
      "two allow once",
      menu("allow-once", "allow-once", "refuse"),
      true,
      "degraded: 2 of its options allow once: 1 allow-once · 2 allow-once · 3 refuse",
    ],
    ["none refuses", menu("allow-once", "free-text"), true, "degraded: none of its options refuses: 1 allow-once · 2 free-text"],
  ])("a menu: %s", (_, choices, canRefuse, finding) => {
    expect(say(judgeMenu(choices, canRefuse))).toBe(finding);
  });

  const question = (...labels: string[]): Choice[] => labels.map((label, index) => ({ option: index + 1, label, meaning: "choice" }));
  test.each<[rule: string, choices: Choice[], isAnswered: boolean, finding: string]>([
    ["read and answered", [...question("a", "b"), ...menu("chat")], true, "trusted: 2 choices read, one chosen"],
    ["read, and not answered", question("a", "b"), false, "degraded: its choices are read; the answer did not arrive"],
    ["in another order", question("b", "a"), true, "degraded: its choices are read as: b, a"],
    ["not read", [], true, "degraded: its choices are read as: none"],
  ])("a question: %s", (_, choices, isAnswered, finding) => {
    expect(say(judgeQuestion(choices, ["a", "b"], isAnswered))).toBe(finding);
  });
});

test.each<[sent: string, received: string | undefined, isPasted: boolean, finding: string]>([
  ["!a\tb\nc", "!a\tb\nc", false, "trusted: the model got the same bytes"],
  ["a\tb", "a    b", false, 'degraded: the model got "a    b"'],
  ["a\tb", "a    b", true, "trusted: the model got the text, its tabs as blanks"],
  ["a\nb", "a b", true, 'degraded: the model got "a b"'],
  ["a", undefined, true, "absent: the prompt did not reach the model"],
])("prompt %j as %j, pasted %p", (sent, received, isPasted, finding) => {
  expect(say(judgePrompt(sent, received, isPasted))).toBe(finding);
});

test.each([
  ["/p/a", "Hi", "trusted: found, with the last answer"],
  ["/q/a", "Hi", "degraded: found by its id alone, in another folder than expected"],
  ["/p/a", "", 'degraded: its last answer reads ""'],
  [undefined, undefined, "absent: there is none for the session"],
])("a transcript at %p with %p", (path, text, finding) => {
  expect(say(judgeTranscript({ path, expectedPath: "/p/a", text }, "Hi"))).toBe(finding);
});

test("every signal has a fallback, and no name that is read as a verdict", () => {
  expect(signals.filter((signal) => toCheck(signal, trusted("")).fallback === "" || /trusted|degraded|absent/.test(signal))).toEqual([]);
});

test.each([
  ["all is well", [toCheck("status", trusted("")), toCheck("keys", trusted(""))], "trusted"],
  ["what gates do not need", [toCheck("status", trusted("")), toCheck("hook.Stop", absent(""))], "trusted"],
  ["the worst counts", [toCheck("keys", absent("")), toCheck("status", degraded("")), toCheck("hook.Stop", trusted(""))], "absent"],
  ["one that gates need", [toCheck("status", degraded(""))], "degraded"],
] as const)("the verdict: %s", (_, checks, verdict) => {
  expect(worstOf(checks)).toBe(verdict);
});

describe("what is remembered", () => {
  const good = { claude: "/bin/claude", version: "2.2.0", at: 1, untrusted: [] };
  const bad = { ...good, at: 2, untrusted: [{ signal: "keys", verdict: "absent", fallback: "the hook" }] };
  const text = (results: unknown): string => JSON.stringify({ version: 1, results });

  test.each<[rule: string, text: string | undefined, count: number]>([
    ["none", undefined, 0],
    ["torn", '{"version":1,"res', 0],
    ["not ours", "[]", 0],
    ["no list", text("x"), 0],
    ["one that is whole among others", text([null, 3, { claude: "/x" }, { ...good, untrusted: [{}] }, good]), 1],
    ["fields of a later version", text([{ ...good, extra: 1 }]), 1],
  ])("a file: %s", (_, file, count) => {
    expect(parseMemory(file)).toHaveLength(count);
  });

  test("the newest of version and path; any path where none is known", async () => {
    const sys = createFakeSys();
    for (const entry of [good, { ...bad, claude: "/opt/claude" }, { ...good, version: "2.3.0" }]) await rememberExamination(sys, entry);
    const read = (version?: string, claude?: string) => readExamination(sys, version, claude)?.untrusted.length;
    expect([read("2.2.0", "/bin/claude"), read("2.2.0", "/opt/claude"), read("2.2.0"), read("2.2.0", "/x"), read(undefined)]).toEqual([
      0,
      1,
      1,
      undefined,
      undefined,
    ]);
    await rememberExamination(sys, bad);
    expect([read("2.2.0", "/bin/claude"), parseMemory(sys.readText(memoryPath(sys))).length]).toEqual([1, 3]);
  });

  test("an old one makes room", async () => {
    const sys = createFakeSys();
    for (let at = 0; at < 40; at++) await rememberExamination(sys, { ...good, at, version: `2.2.${at}` });
    const all = parseMemory(sys.readText(memoryPath(sys)));
    expect([all.length, all[0]?.version, all.at(-1)?.version]).toEqual([30, "2.2.10", "2.2.39"]);
  });

  const diagnosis: Diagnosis = {
    claude: "/bin/claude",
    version: "2.2.0",
    tmux: "tmux 3.3a",
    checks: [toCheck("keys", absent("no")), toCheck("hook.Stop", absent("no")), toCheck("status", trusted("yes"))],
    verdict: "absent",
  };
  const { version: _, ...unnamed } = diagnosis;
  test.each<[rule: string, diagnosis: Diagnosis, kept: string[] | undefined]>([
    ["what gates need and cannot trust", diagnosis, ["keys"]],
    ["nothing of a claude without a version", unnamed, undefined],
    ["nothing where nothing can be kept", { ...diagnosis, checks: [toCheck("state_folder", absent("no"))] }, undefined],
  ])("of a diagnosis: %s", async (_, given, kept) => {
    const sys = createFakeSys();
    expect(await rememberDiagnosis(sys, given)).toBe(kept !== undefined);
    expect(readExamination(sys, "2.2.0", "/bin/claude")?.untrusted.map(({ signal }) => signal)).toEqual(kept as string[]);
  });
});

describe("the warning of a version", () => {
  const untrusted = (...names: string[]) => names.map((signal) => ({ signal, verdict: "absent", fallback: `not ${signal}` }));
  test.each<[rule: string, version: string | undefined, extra: string | undefined, names: string[], warning: string | undefined]>([
    ["an unverified one that is trusted: none", "2.2.0", undefined, [], undefined],
    [
      "one signal: it, and what csd uses instead",
      "2.2.0",
      undefined,
      ["keys"],
      "csd doctor does not trust gates of claude 2.2.0: keys is absent (instead: not keys)",
    ],
    [
      "a verified one is no exception",
      "2.1.329",
      undefined,
      ["keys"],
      "csd doctor does not trust gates of claude 2.1.329: keys is absent (instead: not keys)",
    ],
    [
      "nor is one that the variable names",
      "2.2.0",
      "2.2.0",
      ["keys"],
      "csd doctor does not trust gates of claude 2.2.0: keys is absent (instead: not keys)",
    ],
    [
      "many: the first three and a count",
      "2.2.0",
      undefined,
      ["a", "b", "c", "d", "e"],
      "csd doctor does not trust gates of claude 2.2.0: a is absent (instead: not a); b is absent (instead: not b); c is absent (instead: not c); and 2 more",
    ],
  ])("%s", (_, version, extra, names, warning) => {
    expect(versionWarning("claude", version, extra, { untrusted: untrusted(...names) })).toBe(warning);
  });

  test("a version that nobody knows stays unknown", () => {
    expect(versionWarning("claude", undefined, undefined, { untrusted: [] })).toStartWith("could not determine the version of claude");
  });
});
