import { expect, test } from "bun:test";
import { type ChannelEvent, type HeldGate, nameCalls, printOf, toSignals } from "../src/channel.ts";
import type { Screen } from "../src/claude-screen.ts";
import type { SessionFile } from "../src/claude-session.ts";
import type { Turn } from "../src/claude-transcript.ts";
import { findGates, openCalls } from "../src/gates.ts";
import { decideStatus, gateSignals, type Signals } from "../src/status.ts";

const now = Date.UTC(2026, 10, 20, 12);
const hour = 3_600_000;
const told = (event: string, at: number, more: Partial<ChannelEvent> = {}): ChannelEvent => ({ event, at: now + at, ...more });
const idle = (ageMs: number): SessionFile =>
  ({ pid: 7, sessionId: "id", cwd: "/w", version: "2.1.329", status: "idle", statusUpdatedAt: now - ageMs }) as SessionFile;

const judge = (events: ChannelEvent[], session: SessionFile, more: Partial<Signals> = {}) => {
  const verdict = decideStatus({ now, isAlive: true, session, hooks: toSignals(events, []), ...more });
  return `${verdict.status} ${"text" in verdict ? verdict.text : ""}`.trim();
};

/** Taken while claude showed a status that is so old. */
const prompt = (at: number, statusAgeMs: number) => told("UserPromptSubmit", at, { status_at: now - statusAgeMs });

test.each<[rule: string, events: ChannelEvent[], session: SessionFile, verdict: string]>([
  ["a prompt that the status does not tell yet", [prompt(-50, 5000)], idle(5000), "working"],
  ["an end that the transcript does not tell yet", [prompt(-900, 5000), told("Stop", -40, { text: "Done." })], idle(20), "idle_done Done."],
  ["the next prompt", [told("Stop", -900, { text: "Old." }), prompt(-50, 800)], idle(800), "working"],
  [
    "the clock was set back by an hour while it worked",
    [prompt(hour, 5000), told("Stop", -40, { text: "Done." })],
    idle(20),
    "idle_done Done.",
  ],
  ["and the hour has passed again", [prompt(-10, 2 * hour), told("Stop", -hour, { text: "Done." })], idle(hour), "idle_done Done."],
  ["it was set back between two turns", [told("Stop", hour, { text: "Old." }), prompt(-50, -hour)], idle(-hour), "working"],
  ["a prompt before it was set back, and its turn was interrupted, which no hook tells", [prompt(hour, 5000)], idle(20), "idle_done"],
  ["a turn that was interrupted as soon as it began", [prompt(-300, 5000)], idle(20), "idle_done"],
  ["a prompt that the user's own hook refused", [prompt(-20_000, 60_000)], idle(60_000), "idle_done"],
  ["a prompt of a session that tells no status", [told("UserPromptSubmit", -50)], idle(5000), "idle_done"],
])("hooks: %s", (_, events, session, verdict) => expect(judge(events, session)).toBe(verdict));

const waiting = (ageMs: number): SessionFile => ({ ...idle(ageMs), status: "waiting", waitingFor: "permission prompt" });
const ask = (command: string) => ({ tool: "Bash", input: { command } });
const asked = (request: string, command: string, at = -900) =>
  told("PermissionRequest", at, { request, tool: "Bash", print: printOf(ask(command)) });
const held = (id: string, command: string, at = -900): HeldGate => ({ id, at: now + at, pid: 8, ...ask(command) });
const dialog = (command: string) =>
  ({
    gate: { kind: "permission", header: "Bash command", body: command, call: command, question: "Do you want to proceed?", options: [] },
  }) as Screen;
const open = (...commands: string[]) =>
  ({
    at: now - 900,
    text: "",
    pendingTools: commands.map((command) => ({ id: `toolu_${command}`, name: "Bash", input: { command } })),
  }) as Turn;

interface Seen {
  events: ChannelEvent[];
  gates?: HeldGate[];
  session?: SessionFile;
  shown: string;
  turn?: Turn;
}
const gatesOf = ({ events, gates = [], session = waiting(800), shown, turn = open(shown) }: Seen) =>
  findGates(
    gateSignals({
      ...{ now, isAlive: true, session, screen: dialog(shown), turn },
      mainCalls: nameCalls(openCalls(turn), events),
      hooks: toSignals(events, gates),
    }),
  ).map(({ id, call, dialog: own }) => ({
    id,
    call: call?.input.command,
    request: call?.request,
    isHeld: call?.isHeld,
    isShown: own !== undefined,
  }));

test("a gate is the same one while its hook holds it, when the hook is dead, and while somebody has changed or removed its file", () => {
  const seen = { events: [asked("h1", "make")], shown: "make" };
  const [first, ...others] = gatesOf({ ...seen, gates: [held("h1", "make")] });
  expect([first, others]).toEqual([{ id: expect.any(String), call: "make", request: "h1", isHeld: true, isShown: true }, []]);
  const unheld = [{ ...first, isHeld: false }];
  expect(gatesOf(seen) as unknown).toEqual(unheld);
  expect(gatesOf({ ...seen, gates: [held("h1", "make evil")] }) as unknown).toEqual(unheld);
  expect(gatesOf({ ...seen, gates: [{ ...held("h1", "make"), agent: "Explore" }] }) as unknown).toEqual(unheld);
});

test("an answered gate is up no more, by the status that it was answered under: clocks say nothing, and another gate is another", () => {
  const replied = (request: string, statusAgeMs: number, at = -10) => told("csd.replied", at, { request, status_at: now - statusAgeMs });
  const seen = { events: [asked("h1", "make"), replied("h1", 800)], shown: "make" };
  expect(gatesOf(seen)).toEqual([]);
  // The clock was set back by an hour before, or after, it was answered.
  expect(gatesOf({ ...seen, session: waiting(-hour), events: [asked("h1", "make"), replied("h1", -hour)] })).toEqual([]);
  expect(gatesOf({ ...seen, events: [asked("h1", "make"), replied("h1", 900, hour)] })).toHaveLength(1);
  // The status stands still while claude goes on to the next of a row.
  const next = {
    ...seen,
    events: [asked("h1", "make"), asked("h2", "test"), replied("h1", 800)],
    shown: "test",
    turn: open("make", "test"),
  };
  expect(gatesOf(next).map(({ call }) => call)).toEqual(["test"]);
});

test("requests are listed in the order in which they were asked, whatever their times say", () => {
  const events = [asked("h2", "first", hour), asked("h1", "second", -900)];
  const calls = toSignals(events, [held("h1", "second"), held("h2", "first", hour)]).gates ?? [];
  expect(calls.map(({ request }) => request)).toEqual(["h2", "h1"]);
});

test.each<[tool: string, hook: Record<string, unknown>, lines: Record<string, unknown>, isSame: boolean]>([
  [
    "Edit",
    { file_path: "/a", old_string: "1", new_string: "2", replace_all: false },
    { old_string: "1", new_string: "2", file_path: "/a" },
    true,
  ],
  ["Edit", { file_path: "/a", replace_all: true }, { file_path: "/a" }, false],
  ["AskUserQuestion", { questions: [{ question: "Q", multiSelect: false }] }, { questions: [{ question: "Q" }] }, true],
  ["AskUserQuestion", { questions: [{ question: "Q", multiSelect: true }] }, { questions: [{ question: "Q" }] }, false],
  ["Bash", { command: "a", description: "b" }, { description: "b", command: "a" }, true],
  ["mcp__x__y", { deep: { b: [1, 2], a: 1 } }, { deep: { a: 1, b: [1, 2] } }, true],
  ["mcp__x__y", { b: [1, 2] }, { b: [2, 1] }, false],
  ["mcp__x__y", { force: false }, {}, false],
])("%s as a hook tells it, %j, and as a transcript does, %j: the same is %p", (tool, hook, lines, isSame) => {
  const printed = (input: Record<string, unknown>) => printOf({ tool, input });
  expect(printed(hook) === printed(lines)).toBe(isSame);
});

test("a plan is told by its hook alone: its transcript's call is the same gate", () => {
  const events = [told("PermissionRequest", -900, { request: "h1", tool: "ExitPlanMode", print: "x" })];
  expect(nameCalls([{ request: "toolu_1", tool: "ExitPlanMode", input: {}, isHeld: false }], events)[0]?.request).toBe("h1");
  const ofAgent = { request: "toolu_2", tool: "ExitPlanMode", input: {}, isHeld: false, agent: { id: "a1" } };
  expect(nameCalls([ofAgent], events)[0]?.request).toBe("toolu_2");
});
