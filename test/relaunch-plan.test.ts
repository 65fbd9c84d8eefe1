import { describe, expect, test } from "bun:test";
import { renderHookSettings } from "../src/claude-hooks.ts";
import type { Limit } from "../src/limit.ts";
import {
  addHooks,
  decideAnswer,
  decideUntold,
  decideWatch,
  type Heard,
  type Pending,
  pickRoom,
  planQuestion,
  readHistory,
  trustedFirst,
} from "../src/relaunch-plan.ts";
import type { Ranked } from "../src/scorer.ts";

const limitHit = { event: "StopFailure", error: "rate_limit" };
const ofAgent = { ...limitHit, agent: "a1" };
const prompt = { event: "UserPromptSubmit" };
const pending: Pending = { sessionId: "s", at: 100 };
type Told = { event: string; error?: string; agent?: string; n?: number };

describe("what is to be done after a look", () => {
  test.each<[rule: string, events: Told[], now: number, step: object, left?: "waits" | "nothing waits"]>([
    ["nothing new, not yet", [], 99, { do: "stay" }, "waits"],
    ["the time has come", [], 100, { do: "continue", sessionId: "s" }, "waits"],
    ["somebody went on", [prompt], 200, { do: "stay" }, "nothing waits"],
    ["a turn ended well", [{ event: "Stop" }], 200, { do: "stay" }, "nothing waits"],
    ["another failure is nobody going on", [{ event: "StopFailure", error: "server_error" }], 100, { do: "continue", sessionId: "s" }],
    ["a limit", [limitHit], 50, { do: "answer", failure: limitHit }, "waits"],
    ["a limit comes before a time", [limitHit], 100, { do: "answer", failure: limitHit }],
    ["a limit after a turn", [prompt, limitHit], 100, { do: "answer", failure: limitHit }, "nothing waits"],
    [
      "the newest of several",
      [
        { ...limitHit, n: 1 },
        { ...limitHit, n: 2 },
      ],
      1,
      { do: "answer", failure: { ...limitHit, n: 2 } },
    ],
    ["a sub-agent's limit is only noted", [ofAgent], 50, { do: "stay" }, "waits"],
    ["a sub-agent's, after the main thread's", [limitHit, ofAgent], 50, { do: "answer", failure: limitHit }],
  ])("%s", (_, events, now, step, left = "waits") => {
    const decision = decideWatch<Told>(events, pending, now);
    expect(decision.step).toEqual(step as typeof decision.step);
    expect(decision.ofAgents).toEqual(events.filter(({ agent }) => agent !== undefined));
    expect(decision.pending).toEqual(left === "waits" ? pending : undefined);
  });

  test("nothing waits and nothing happens", () => {
    expect(decideWatch([], undefined, 1e9)).toEqual({ step: { do: "stay" }, pending: undefined, ofAgents: [] });
  });
});

const limit: Limit = { at: 1, window: "seven_day", resetsAt: 5_000_000, isSelfContinuing: false };
const { resetsAt: _, ...endless } = limit;

test("what the journal says", () => {
  const entry = (at: number, event: string, session: string, resets_at?: number) => ({
    ...{ at, event, session },
    ...(resets_at === undefined ? {} : { resets_at }),
  });
  const journal = [
    entry(1, "switch", "s"),
    entry(2, "switch", "other"),
    entry(3, "limit", "s"),
    entry(4, "wait", "s", limit.resetsAt),
    entry(5, "wait", "b", limit.resetsAt),
    entry(6, "wait", "b", limit.resetsAt),
    entry(7, "wait", "c", 9),
  ];
  expect(readHistory(journal, "s", limit)).toEqual({ hops: [1], lastSwitchAt: 2, waiting: 1 });
  expect(readHistory([], "s", limit)).toEqual({ hops: [], waiting: 0 });
});

describe("who could take over", () => {
  const row = (name: string, state: Ranked["state"], more: Partial<Ranked> = {}) =>
    ({ name, state, reasons: [`${name} has room`], ...more }) as Ranked;
  const pick = (rows: Ranked[], accounts: Record<string, string> = {}) =>
    pickRoom(rows, "now", (name) => accounts[name] ?? name, 98).map(({ name, reason }) => `${name}: ${reason}`);
  test.each<[rule: string, rows: Ranked[], expected: string[], accounts?: Record<string, string>]>([
    ["best first", [row("b", "viable"), row("a", "viable")], ["b: b has room", "a: a has room"]],
    ["unknown ones last", [row("x", "no-data"), row("a", "viable")], ["a: a has room", "x: nothing is known of its usage"]],
    ["unknown, but known to be full", [row("x", "no-data", { sessionPercent: 99 })], []],
    ["full, broken or switched off", [row("a", "saturated"), row("b", "errored"), row("c", "disabled")], []],
    ["not itself", [row("now", "viable")], []],
    ["not another profile of the same account", [row("twin", "viable"), row("a", "viable")], ["a: a has room"], { twin: "now" }],
  ])("%s", (_, rows, expected, accounts = {}) => expect(pick(rows, accounts)).toEqual(expected));

  test("one that would ask about the folder comes last, and says so", () => {
    const seats = [
      { name: "a", reason: "best" },
      { name: "b", reason: "good" },
    ];
    expect(trustedFirst(seats, ({ name }) => name === "b")).toEqual([
      { name: "b", reason: "good" },
      { name: "a", reason: "best; it will ask whether this folder is trusted" },
    ]);
  });
});

describe("a person is asked", () => {
  test.each([
    [
      "with a reset",
      limit,
      "now has reached its usage limit (resets in 1h 20m); how is this conversation to go on?",
      ["a", "wait", "stay", "end"],
    ],
    [
      "without one there is nothing to wait for",
      endless,
      "now has reached its usage limit; how is this conversation to go on?",
      ["a", "stay", "end"],
    ],
  ])("%s", (_, given, message, values) => {
    const question = planQuestion(given, "now", ["a"], 200_000);
    expect([question.message, question.choices.map(({ value }) => value)]).toEqual([message, values]);
  });

  test.each<[answer: string, given: Limit, now: number, decision: ReturnType<typeof decideAnswer>]>([
    ["a", limit, 0, { do: "move", to: "a" }],
    ["end", limit, 0, { do: "end" }],
    ["stay", limit, 0, { do: "resume" }],
    ["wait", limit, 0, { do: "resume", resumeAt: 5_090_000 }],
    ["wait", limit, 6_000_000, { do: "resume", resumeAt: 6_090_000 }],
    ["wait", endless, 0, { do: "resume" }],
  ])("%s", (answer, given, now, decision) => expect(decideAnswer(answer, ["a"], given, now)).toEqual(decision));
});

describe("our hooks among the user's words", () => {
  const hooks = JSON.stringify({ hooks: { Stop: [{ hooks: [{ type: "command", command: "csm" }] }] } });
  test.each<[rule: string, args: string[], own: string | undefined, rest: string[] | "untouched"]>([
    ["in front", ["--model", "x", "go"], undefined, ["--model", "x", "go"]],
    ["in the place of the user's own", ["--settings", "s.json", "go"], '{"model":"x"}', ["go"]],
    ["joined", ["--settings=s.json", "go"], '{"model":"x"}', ["go"]],
    ["JSON on the command line", ["--settings", '{"model":"x"}', "go"], undefined, ["go"]],
    ["what stands behind -- is a prompt", ["--", "--settings", "x"], undefined, ["--", "--settings", "x"]],
    ["settings that cannot be read stay alone", ["--settings", "s.json"], undefined, "untouched"],
    ["nor when they are torn", ["--settings", "s.json"], "{", "untouched"],
  ])("%s", (_, args, own, rest) => {
    const [flag, settings = "", ...others] = addHooks(args, hooks, () => own);
    if (rest === "untouched") expect(addHooks(args, hooks, () => own)).toEqual(args);
    else {
      expect([flag, others]).toEqual(["--settings", rest]);
      expect(JSON.parse(settings)).toMatchObject(JSON.parse(hooks));
      if (own !== undefined) expect(JSON.parse(settings)).toMatchObject(JSON.parse(own));
    }
  });
});

test("rules and environment of both count, and ours come last", () => {
  const ours = renderHookSettings("csd", { version: "2.1.329", events: ["Stop"], privateDirs: ["/s"], env: { A: "ours", C: "c" } });
  const own = {
    env: { A: "theirs", B: "b" },
    permissions: { allow: ["X"], deny: ["WebFetch"] },
    hooks: { Stop: [{ hooks: [] }] },
    model: "m",
  };
  const [, settings = ""] = addHooks(["--settings", JSON.stringify(own)], ours, () => undefined);
  const merged = JSON.parse(settings) as { hooks: { Stop: unknown[] } };
  expect(merged).toMatchObject({
    ...{ env: { A: "ours", B: "b", C: "c" }, model: "m" },
    permissions: { allow: ["X"], deny: ["WebFetch", "Read(//s/**)", "Edit(//s/**)"] },
  });
  expect(merged.hooks.Stop.length).toBe(2);
});

describe("what the transcript tells where hooks do not", () => {
  const limit = { class: "rate_limit", message: "You've hit your limit" };
  const prompt = (at: number) => ({ text: "go on", uuid: "u", at });
  type Newest = Parameters<typeof decideUntold>[0];
  test.each<[rule: string, turn: Newest, heard: Heard, told: string | undefined]>([
    [
      "a limit",
      { at: 9000, text: "hit", prompt: prompt(8000), error: limit },
      { hookAt: 0, transcriptAt: 5000 },
      "StopFailure rate_limit 9000",
    ],
    [
      "a limit whose fields tell more than its class",
      { at: 9000, text: "hit", error: { ...limit, class: "unknown", limit: { window: "five_hour" } } },
      { hookAt: 0, transcriptAt: 5000 },
      "StopFailure rate_limit 9000",
    ],
    [
      "another error",
      { at: 9000, text: "500", prompt: prompt(8000), error: { ...limit, class: "server_error" } },
      { hookAt: 0, transcriptAt: 5000 },
      "StopFailure server_error 9000",
    ],
    [
      "a turn that has gone on",
      { at: 9000, text: "Done.", prompt: prompt(8000) },
      { hookAt: 0, transcriptAt: 5000 },
      "UserPromptSubmit - 9000",
    ],
    ["told already", { at: 9000, text: "hit", prompt: prompt(8000), error: limit }, { hookAt: 0, transcriptAt: 9000 }, undefined],
    [
      "of the account before, whose conversation this is",
      { at: 4000, text: "hit", error: limit },
      { hookAt: 0, transcriptAt: 5000 },
      undefined,
    ],
    [
      "the hook of its prompt has told of it",
      { at: 9000, text: "hit", prompt: prompt(8000), error: limit },
      { hookAt: 7950, transcriptAt: 5000 },
      undefined,
    ],
    [
      "hooks that told of an earlier turn have stopped",
      { at: 90_000, text: "hit", prompt: prompt(80_000), error: limit },
      { hookAt: 70_000, transcriptAt: 5000 },
      "StopFailure rate_limit 90000",
    ],
  ])("%s", (_, turn, heard, told) => {
    const event = decideUntold(turn, heard);
    expect(event === undefined ? undefined : `${event.event} ${event.error ?? "-"} ${event.at}`).toBe(told);
  });
});
