import { expect, test } from "bun:test";
import { machineOf, membershipStore, readClock, toMachineState } from "../src/fleet.ts";
import { parseMachineUsage } from "../src/fleet-schema.ts";
import { parseMachineState } from "../src/fleet-state.ts";
import { fleetPath } from "../src/paths.ts";
import { createFakeLink, live, membership, state } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

test("nothing that was typed or answered leaves the machine unless it is to be shared", () => {
  const secret = "SECRET-typed-or-answered";
  const facts = { customTitle: secret, aiTitle: secret, lastPrompt: secret, firstPrompt: secret };
  const verdicts = [
    { status: "blocked", source: "hook", gate: "permission", tool: "Bash", input: { command: secret }, prompt: secret, gate_id: "g1" },
    { status: "awaiting_answer", source: "transcript", gate: "question", question: secret, text: secret },
    { status: "plan_ready", source: "transcript", plan: secret },
    { status: "failed", source: "transcript", error: secret, message: secret },
    { status: "idle_done", source: "hook", outcome: "finished", last: secret, text: secret },
  ];
  const sessions = verdicts.map((verdict) => live({ verdict, facts, agents: [{ isRunning: true, description: secret }] }));
  const sys = createFakeSys({ now: 1000 });
  expect(JSON.stringify(toMachineState(sys, membership, sessions, "states"))).not.toContain(secret);
  expect(toMachineState(sys, membership, sessions, "states").sessions[0]).toMatchObject({
    status: "blocked",
    words: "asks Bash",
    gate_id: "g1",
    agents: 1,
  });
  expect(toMachineState(sys, membership, sessions, "titles").sessions[0]?.title).toBe(secret);
});

test("a text of any length is cut to what others take, and a row that they do not take costs no other", () => {
  const long = "x".repeat(10_000);
  const session = live({
    ...{ name: long, sessionId: long, profile: long, cwd: `/${long}`, model: long, kind: long, driver: long, since: 5.5 },
    ...{ verdict: { status: "idle_done", source: long, outcome: "finished", text: "" }, facts: { customTitle: long } },
  });
  const told = toMachineState(createFakeSys({ now: 1000 }), membership, [session, live({})], "titles");
  expect(parseMachineState(JSON.parse(JSON.stringify(told)))).toEqual(told);
  expect(Object.keys(told.sessions[0] ?? {})).toContain("title");
  const [good] = state().sessions;
  for (const bad of [null, 1, {}, { ...good, cwd: long }, { ...good, since_at: -1 }, { ...good, name: 1 }, { ...good, title: long }])
    expect(parseMachineState({ ...state(), sessions: [bad, good] })?.sessions).toEqual(good === undefined ? [] : [good]);
  expect(parseMachineState({ ...state(), sessions: Array.from({ length: 3000 }, () => good) })?.sessions).toHaveLength(2000);
  const window = { window: "five_hour", used_percent: 1, resets_at: null, at: 1 };
  const usage = { v: 1, machine: "near", at: 1, accounts: [{ account: long }, { account: "a", windows: [{ ...window, at: -1 }, window] }] };
  expect(parseMachineUsage(usage)?.accounts).toEqual([{ account: "a", windows: [window] }]);
});

test.each([
  ["[]", "it is no membership"],
  ['{"url":"redis://h","machine":"a b","role":"watch","joinedAt":1}', "no name of a machine"],
  ['{"url":"redis://h","machine":"a","role":"king","joinedAt":1}', "no role"],
  ['{"url":"redis://h","machine":"a","role":"watch","joinedAt":1}', "where its password is"],
  ['{"url":"redis://h","machine":"a","role":"watch","joinedAt":1,"password":{"from":"command","command":[]}}', "where its password is"],
])("a membership that says %s is named with its file", (text, message) => {
  const sys = createFakeSys({ homeDir: "/home/u" });
  sys.files.set(fleetPath(sys), text);
  expect(() => membershipStore(sys).read()).toThrow(message);
  expect(() => membershipStore(sys).read()).toThrow("fleet.json");
});

test("a name tells only what a person or a folder gave, and folders go only where they may", () => {
  const sys = createFakeSys({ now: 1000 });
  const told = (share: "states" | "folders" | "titles", more: object) => toMachineState(sys, membership, [live(more)], share).sessions[0];
  expect(told("states", { name: "Fix the SECRET", isNameGiven: undefined, sessionId: "0123456789" })).toMatchObject({
    name: "01234567",
    cwd: null,
  });
  expect(told("states", { name: "app-3f", isNameGiven: true })).toMatchObject({ name: "app-3f", cwd: null });
  expect(told("folders", { name: "Fix the SECRET", isNameGiven: undefined, sessionId: "0123456789" })).toMatchObject({
    name: "01234567",
    cwd: "/srv/app",
  });
  expect(told("titles", { name: "Fix the SECRET" })).toMatchObject({ name: "Fix the SECRET", cwd: "/srv/app" });
});

test("what a clock is off is taken out: of the one that tells, and of the one that reads", async () => {
  const sys = createFakeSys({ now: 1_800_000_000_000 });
  const clock = async (seconds: number) => readClock(sys, { ...createFakeLink().link, call: async () => [String(seconds), "0"] });
  expect([await clock(1_800_000_000), await clock(1_800_000_600), await clock(1_799_999_400)]).toEqual([0, 600_000, -600_000]);
  expect(await clock(Number.NaN)).toBe(0);
  const at = 1_800_000_000_000;
  const text = JSON.stringify({
    ...state(),
    at,
    clock_ms: -600_000,
    sessions: state().sessions.map((each) => ({ ...each, since_at: at })),
  });
  // Its clock is ten minutes ahead, and ours is right; then ours is ten minutes behind, too.
  expect(machineOf("near", text, true, 0).state).toMatchObject({ at: at - 600_000, sessions: [{ since_at: at - 600_000 }] });
  expect(machineOf("near", text, true, 600_000).state).toMatchObject({ at: at - 1_200_000 });
});
