import { expect, test } from "bun:test";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState, type DashboardState, type Effect, type Event, listRows, listSections } from "../src/dashboard-state.ts";
import type { LiveSession, RunGroup } from "../src/session.ts";
import { blocked, session, testNow } from "./sessions.ts";

const a = blocked("alpha", "rm x", { pid: 1, since: testNow - 60_000 });
const b = blocked("beta", "ls", { pid: 2, since: testNow - 90_000 });
const c = session("gamma", { status: "working", tools: ["Bash"] } as never, { pid: 3 });
const d = session("delta", { status: "idle_done" }, { pid: 4, cwd: "/home/dev/shop", profile: "work" });

const limited = session("iota", { status: "limited", window: "five_hour", resets_at: null } as never, { pid: 8 });
const e = session("eta", { status: "idle_done" }, { pid: 9, sessionId: "e" });
const f = session("theta", { status: "idle_done" }, { pid: 10, sessionId: "f", since: testNow - 99_000 });

const asking = session("epsilon", { status: "awaiting_answer", question: "Shall I?" } as never, { pid: 5 });
const plan = session("zeta", { status: "plan_ready", plan: "# Do", options: [], choices: [], gate_id: "p1" } as never, { pid: 6 });
const later: Event = { kind: "time", now: testNow + 60_000 };

const answered = (verb: "allow" | "deny", input: object = {}, { key } = b): Effect =>
  ({ do: "act", verb, key, gate: expect.any(String), input }) as never;
const sent = (prompt: string, { key } = d, isQueued = false): Effect => ({ do: "act", verb: "send", key, input: { prompt, isQueued } });

/** Of which only the process is known. */
const pid = (number: number): LiveSession => {
  const { sessionId: _, ...rest } = session(`pid ${number}`, { status: "unknown" }, { pid: number });
  return rest;
};

interface Played {
  state: DashboardState;
  effects: Effect[];
}

/** Keys are names; an array is what the monitor sees next. */
function play(...steps: (string | LiveSession[] | Event)[]): Played {
  let state = createDashboardState(testNow);
  const effects: Effect[] = [];
  for (const step of steps) {
    const event: Event = Array.isArray(step)
      ? { kind: "sessions", sessions: step, now: state.now }
      : typeof step === "string"
        ? { kind: "key", key: { name: step }, page: 10 }
        : step;
    const result = reduce(state, event);
    state = result.state;
    effects.push(...result.effects);
  }
  return { state, effects };
}
const all = [a, b, c, d];
const selected = ({ state }: Played) => [...state.sessions, ...state.ended].find((one) => one.key === state.selected)?.name;

test("who has waited longest comes first, then work, then rest, then what ended", () => {
  expect(listRows(play(all, [a, b, c]).state).map(({ name }) => name)).toEqual(["beta", "alpha", "gamma", "delta"]);
});

test.each<[rule: string, steps: (string | LiveSession[] | Event)[], name: string | undefined]>([
  ["the first of the list", [all], "beta"],
  ["down and up", [all, "down", "down", "up"], "alpha"],
  ["not past the ends", [all, "up", "G", "down"], "delta"],
  ["to the top", [all, "G", "g"], "beta"],
  ["as in vi", [all, "j", "j", "k"], "alpha"],
  ["n goes to the next that fits the last filter, N to the one before", [all, "/", ..."a", "esc", "n", "n", "N"], "alpha"],
  ["n goes on at the beginning", [all, "/", ..."home/dev/beta", "enter", "esc", "G", "n"], "beta"],
  ["n of nothing stays", [all, "j", "n"], "alpha"],
  ["a new session has it where nobody waits", [[d], later, [c, d]], "gamma"],
  ["and where the person has put it somewhere", [[a, b], "j", later, [a, b, c]], "gamma"],
  ["of several the one that waits", [[c], later, [a, c, d]], "alpha"],
  ["not while a key was just pressed", [[a, b], later, "j", [a, b, c]], "alpha"],
  ["not while the detail is read", [[a, b], "j", " ", later, [a, b, c]], "alpha"],
  ["not while something is asked", [[a, b], "j", "a", later, [a, b, c]], "alpha"],
  ["who begins to wait has it, as long as nobody has moved it", [[c, d], later, [c, { ...d, verdict: a.verdict }]], "delta"],
  ["also from one that has just come", [[c], later, [c, d], later, [blocked("gamma", "ls", { pid: 3 }), d]], "gamma"],
  ["and once the one that it stood on waits no more", [[b, c], later, [{ ...b, verdict: c.verdict }, a, c]], "alpha"],
  ["not from one that waits to another", [[a, c], later, [a, b, c]], "alpha"],
  ["but from one at its limit to a gate", [[limited, c], later, [limited, c, { ...d, verdict: a.verdict }]], "delta"],
  ["and not to one at its limit from a gate", [[a, c], later, [a, { ...c, verdict: limited.verdict }]], "alpha"],
  ["not once somebody has moved it", [[c, d], "j", later, [{ ...c, verdict: a.verdict }, d]], "delta"],
  ["a key that does not move it is no move", [[c, d], "s", "s", "s", "s", "s", later, [{ ...c, verdict: a.verdict }, d]], "gamma"],
  ["not while the detail of another is read", [[c, d], " ", later, [c, { ...d, verdict: a.verdict }]], "gamma"],
  ["nor while something is written to it", [[c, d], "m", later, [c, { ...d, verdict: a.verdict }]], "gamma"],
  ["nor right behind a key", [[c, d], later, "?", "?", [c, { ...d, verdict: a.verdict }]], "gamma"],
  ["of those alone that the filter shows", [[c, d], "/", ..."gamma", "enter", later, [c, { ...d, verdict: a.verdict }]], "gamma"],
  [
    "it stays with a conversation that goes on in another process",
    [[e, c, f], "G", later, [{ ...f, key: "77:1", pid: 77 }, e, c]],
    "theta",
  ],
  ["also when both were not there for a while", [[e, f], "G", later, [e], later, [{ ...f, key: "77:1", pid: 77 }, e]], "theta"],
  ["not while something is written", [[d], "m", later, [c, d]], "delta"],
  ["one that the filter hides is not chosen", [[a, b], "/", ..."alpha", "enter", later, [a, b, c]], "alpha"],
  ["one that was here before is not new", [[a, b], "j", [a], later, [a, b]], "alpha"],
  ["one that was started from here has it", [[a], "c", "enter", [a, c]], "gamma"],
  ["it stays with its session when the list is ordered anew", [[c, d], "down", [c, d, a, b]], "delta"],
  ["and when its session takes another state", [[a, c], "down", [a, { ...c, verdict: a.verdict, since: testNow - 999_999 }]], "gamma"],
  ["its session ends: it stays in sight", [all, "down", [b, c, d]], "alpha"],
  ["what ended is forgotten: the neighbour", [all, "down", [b, c, d], "X"], "delta"],
  ["without sessions nobody", [all, [], "X"], undefined],
  ["it moves while the filter is written", [all, "/", ..."a", "down", "down"], "gamma"],
  ["a filter that hides it", [all, "/", "g", "a", "m", "m", "a"], "gamma"],
])("cursor: %s", (_, steps, name) => {
  expect(selected(play(...steps))).toBe(name);
});

test.each<[rule: string, steps: (string | LiveSession[])[], effects: Effect[]]>([
  ["q quits", ["q"], [{ do: "quit" }]],
  ["ctrl-c quits wherever one is", [all, "m", "ctrl-c"], [{ do: "quit" }]],
  ["ctrl-z suspends", [all, "ctrl-z"], [{ do: "suspend" }]],
  ["a asks and does nothing yet", [all, "a"], []],
  ["a twice is no yes: a key held down answers nothing", [all, "a", "a"], []],
  ["a and y allow once", [all, "a", "y"], [answered("allow")]],
  ["d and y refuse", [all, "d", "y"], [answered("deny")]],
  ["d and r refuse with a reason", [all, "d", "r", ..."No, ever", "enter"], [answered("deny", { reason: "No, ever" })]],
  ["an empty reason is none", [all, "d", "r", "enter"], [answered("deny")]],
  ["esc leaves the gate as it is", [all, "d", "r", "x", "esc", "esc"], []],
  ["a permission takes no note when it is allowed", [all, "a", "r", "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["a plan is approved after it was read to its end", [[plan], "a", "j", " ", "G", "pageup", "y"], [answered("allow", {}, plan)]],
  ["a plan goes back with a note", [[plan], "a", "r", ..."Smaller", "enter"], [answered("deny", { reason: "Smaller" }, plan)]],
  ["any other key is no", [all, "a", "n", "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["enter is no yes", [all, "a", "enter", "enter"], [{ do: "focus", key: b.key }]],
  ["a on one that asks nothing", [[d], "a", "y"], [{ do: "copy", text: d.sessionId ?? "" }]],
  [
    "another gate came up meanwhile: no yes to what was not shown",
    [all, "a", [a, blocked("beta", "rm -rf /", { pid: 2 }), c, d], "y"],
    [{ do: "copy", text: b.sessionId ?? "" }],
  ],
  ["the same words asked again are another gate", [[b], "a", [{ ...b, since: testNow }], "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["it ended meanwhile", [[b, c], "a", [c], "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["k never ends a session", [[c], "k", "y"], [{ do: "copy", text: c.sessionId ?? "" }]],
  ["x asks", [[c], "x"], []],
  ["x and y stop", [[c], "x", "y"], [{ do: "act", verb: "stop", key: c.key, input: {} }]],
  ["x twice is no yes", [[c], "x", "x"], []],
  ["a message", [[d], "m", "h", "i", "enter"], [sent("hi")]],
  ["a message to one that works is queued", [[c], "m", "h", "i", "enter"], [sent("hi", c, true)]],
  ["letters of a message are no keys", [[d], "m", "q", "y", "a", "backspace", "enter"], [sent("qy")]],
  ["alt-enter is a new line", [[d], "m", "a", "alt-enter", "b", "shift-enter", "ctrl-j", "c", "enter"], [sent("a\nb\n\nc")]],
  ["no key with alt is that key", [[d], "m", "a", "alt-q", "alt-x", "alt-y", "b", "enter"], [sent("ab")]],
  [
    "a message is edited where its cursor is",
    [[d], "m", ..."one three", "alt-b", ..."two ", "end", "!", "enter"],
    [sent("one two three!")],
  ],
  ["up brings back what was sent", [[d], "m", "x", "enter", "m", "up", "!", "enter"], [sent("x"), sent("x!")]],
  ["and what was dropped", [[d], "m", ..."long", "esc", "m", "up", "enter"], [sent("long")]],
  ["down comes back to what is being written", [[d], "m", "x", "enter", "m", "y", "up", "down", "enter"], [sent("x"), sent("y")]],
  ["up in several lines goes up in them", [[d], "m", "a", "alt-enter", "b", "up", "x", "enter"], [sent("ax\nb")]],
  ["a question whose turn is over is answered with a message", [[asking], "a", ..."yes", "enter"], [sent("yes", asking)]],
  ["nothing is typed where a gate is up", [[a], "m", "h", "i"], []],
  [
    "nor when one comes up meanwhile: the text stays",
    [[c], "m", "x", [{ ...c, verdict: a.verdict }], "enter", [c], "enter"],
    [sent("x", c, true)],
  ],
  ["nothing is typed into one that runs in no pane", [[{ ...d, isBelowTmux: false }], "m", "h", "i"], []],
  ["an empty message is none", [[d], "m", " ", "enter"], []],
  ["esc drops a message", [[d], "m", "x", "esc", "enter"], [{ do: "focus", key: d.key }]],
  ["the message goes to the one it was begun for", [[c, d], "m", "x", [d, c], "enter"], [sent("x", c, true)]],
  ["c starts one where the cursor is", [[d], "c", "enter"], [{ do: "act", verb: "new", input: { cwd: "/home/dev/shop" } }]],
  ["y copies the id", [[d], "y"], [{ do: "copy", text: d.sessionId ?? "" }]],
  ["nothing acts on what ended", [[d], [], "x", "m", "a", "d", "enter"], []],
  ["unknown keys do nothing", [all, "f12", "alt-enter", "toString", "__proto__", "constructor"], []],
  ["nor in a text", [[d], "m", "toString", "__proto__", "constructor", "f12", "enter"], []],
])("keys: %s", (_, steps, effects) => {
  expect(play(...steps).effects).toEqual(effects);
});

test("a paste into a message keeps its lines and holds no keys", () => {
  const { effects } = play([d], "m", { kind: "key", key: { name: "paste", text: "one\r\ntwo\nq" }, page: 5 }, "enter");
  expect(effects).toEqual([sent("one\ntwo\nq")]);
});

test.each<[filter: string, names: string[]]>([
  ["work", ["gamma", "delta"]],
  ["shop idle", ["delta"]],
  ["ALPHA", ["alpha"]],
  ["nothing like it", []],
])("filter %s", (filter, names) => {
  expect(listRows(play(all, "/", ...filter, "enter").state).map(({ name }) => name)).toEqual(names);
});

test("following, the cursor goes to whoever begins to wait, but never during a question", () => {
  const later = { ...c, verdict: a.verdict };
  expect(selected(play([c, d], "G", "f", [later, d]))).toBe("gamma");
  expect(selected(play([c, d], "G", "f", "m", [later, d]))).toBe("delta");
  expect(selected(play([c, d], "G", [later, d]))).toBe("delta");
});

test("what has ended leaves after ten minutes, a message of ours after seconds", () => {
  const { state } = play(all, [a, b, c], { kind: "told", text: "done", isError: false, now: testNow });
  const at = (ms: number) => reduce(state, { kind: "time", now: testNow + ms }).state;
  expect([at(5000).toast?.text, at(7000).toast, at(599_000).ended.length, at(601_000).ended.length]).toEqual(["done", undefined, 1, 0]);
});

test.each<[rule: string, steps: LiveSession[][], names: string[]]>([
  ["what ended is told", [[e, f], [e]], ["theta"]],
  [
    "not where it goes on in another process, as under another account",
    [
      [e, f],
      [e, { ...f, key: "77:1", pid: 77 }],
    ],
    [],
  ],
  ["nor once it goes on later", [[e, f], [e], [e, { ...f, key: "77:1", pid: 77 }]], []],
  ["nor of two that have one conversation", [[f, { ...f, key: "77:1", pid: 77 }], [f]], []],
  ["a process that never said what it is was nobody", [[e, pid(7)], [e]], []],
  ["but a session of csd that died at its start was one", [[e, { ...pid(7), driver: "d" }], [e]], ["pid 7"]],
  ["whose name goes on with a conversation", [[{ ...pid(7), driver: "d" }], [{ ...e, driver: "d" }]], []],
  ["and not with another one", [[{ ...f, driver: "d" }], [{ ...e, driver: "d" }]], ["theta"]],
])("ended: %s", (_, steps, names) => {
  expect(play(...steps).state.ended.map(({ name }) => name)).toEqual(names);
});

const night: RunGroup = { run: "night-3f2a", total: 8, over: 3, failed: 1, paused: 2, held: 0, isWorkedOn: true };
const taskOf = (run: string, one: LiveSession): LiveSession => ({ ...one, task: { run, id: one.name } });
const sectionsOf = (runs: RunGroup[], sessions: LiveSession[], ...names: string[]) =>
  listSections(play({ kind: "sessions", sessions, runs, now: testNow }, ...names).state).map((section) => [
    section.title,
    section.note,
    ...section.sessions.map(({ name }) => name),
  ]);
const words = "3 of 8 over, 1 failed, 2 wait";

test.each<[rule: string, given: Parameters<typeof sectionsOf>, sections: string[][]]>([
  [
    "its sessions stand together, behind those who work",
    [[night], [c, taskOf("night-3f2a", e), d, taskOf("night-3f2a", { ...c, key: "5:5", name: "build" })]],
    [
      ["working", "1", "gamma"],
      ["night-3f2a", words, "build", "eta"],
      ["idle", "1", "delta"],
    ],
  ],
  [
    "behind those who need somebody once one of it does",
    [[night], [a, c, taskOf("night-3f2a", b)]],
    [
      ["needs you", "1", "alpha"],
      ["night-3f2a", "3 of 8 over, 1 failed, 1 waits for you, 2 wait", "beta"],
      ["working", "1", "gamma"],
    ],
  ],
  ["also while nothing of it runs", [[night], []], [["night-3f2a", words]]],
  ["not where nobody works on it then", [[{ ...night, isWorkedOn: false }], []], []],
  [
    "who holds up the rest is told",
    [[{ ...night, held: 1, isWorkedOn: false }], [taskOf("night-3f2a", e)]],
    [["night-3f2a", "3 of 8 over, 1 failed, 1 waits for you, 1 waits, nobody works on it: csm tasks resume", "eta"]],
  ],
  [
    "two runs are two",
    [
      [night, { ...night, run: "b", failed: 0, paused: 0 }],
      [taskOf("b", e), taskOf("night-3f2a", f)],
    ],
    [
      ["night-3f2a", words, "theta"],
      ["b", "3 of 8 over", "eta"],
    ],
  ],
  ["one of a run that is over is a session as others", [[], [taskOf("old", e)]], [["idle", "1", "eta"]]],
  ["a filter finds it by its run", [[night], [d, taskOf("night-3f2a", e)], "/", ..."3f2a"], [["night-3f2a", words, "eta"]]],
  ["and hides it", [[night], [d, taskOf("night-3f2a", e)], "/", ..."delta"], [["idle", "1", "delta"]]],
  ["who asks for another order has that", [[night], [d, taskOf("night-3f2a", e)], "s"], [["by cost", "2", "delta", "eta"]]],
])("runs: %s", (_, given, sections) => {
  expect(sectionsOf(...given)).toEqual(sections);
});

test("a task that has ended is told by the head of its run alone", () => {
  const task = taskOf("night-3f2a", e);
  const { state } = play(
    { kind: "sessions", sessions: [task, f], runs: [night], now: testNow },
    { kind: "sessions", sessions: [], runs: [night], now: testNow },
  );
  expect(listSections(state).map(({ title, sessions }) => [title, sessions.length])).toEqual([
    ["night-3f2a", 0],
    ["finished", 1],
  ]);
});

test("a click chooses, a second one opens", () => {
  const click = (hitKey: string | undefined): Event => ({ kind: "key", key: { name: "click", row: 3 }, page: 5, hitKey });
  expect(selected(play(all, click(d.key)))).toBe("delta");
  expect(play(all, click(d.key), click(d.key)).state.hasDetail).toBe(true);
  expect(selected(play(all, click(undefined)))).toBe("beta");
});

const questions = [
  { question: "Which folder?", header: "Folder", options: [{ label: "src" }, { label: "test" }] },
  { question: "Which checks?", header: "Checks", multiSelect: true, options: [{ label: "lint" }, { label: "types" }, { label: "unit" }] },
];
const asks = (count: number): LiveSession =>
  session(
    "eta",
    { status: "awaiting_answer", question: "?", gate: "question", gate_id: "q1", questions: questions.slice(0, count) } as never,
    { pid: 7 },
  );
const one = asks(1);
const two = asks(2);
const given = (choices: unknown[], { key } = two): Effect => ({ do: "act", verb: "answer", key, gate: "q1", input: { choices } }) as never;

test.each<[rule: string, steps: (string | LiveSession[])[], effects: Effect[]]>([
  ["a digit chooses, enter sends", [[one], "a", "2", "enter"], [given([{ part: 0, labels: ["test"] }])]],
  ["a digit alone sends nothing", [[one], "a", "2", "2", "1"], []],
  ["the last digit counts", [[one], "a", "2", "1", "enter"], [given([{ part: 0, labels: ["src"] }])]],
  ["the cursor and enter choose too", [[one], "a", "j", "enter", "enter"], [given([{ part: 0, labels: ["test"] }])]],
  ["enter chooses before it sends", [[one], "a", "enter"], []],
  ["behind the options is a text", [[one], "a", "3", ..."docs", "enter", "enter"], [given([{ part: 0, labels: [], text: "docs" }])]],
  ["an empty text is none", [[one], "a", "3", "enter", "enter", "esc"], []],
  ["esc leaves the text, esc the question", [[one], "a", "3", "x", "esc", "1", "esc"], []],
  [
    "part after part, several ticks",
    [[two], "a", "1", "1", "3", "enter"],
    [
      given([
        { part: 0, labels: ["src"] },
        { part: 1, labels: ["lint", "unit"] },
      ]),
    ],
  ],
  [
    "a tick is taken back",
    [[two], "a", "1", "1", "2", "1", "enter"],
    [
      given([
        { part: 0, labels: ["src"] },
        { part: 1, labels: ["types"] },
      ]),
    ],
  ],
  ["no part stays open", [[two], "a", "tab", "2", "enter"], []],
  [
    "tab and back",
    [[two], "a", "tab", "2", "backtab", "2", "enter"],
    [
      given([
        { part: 0, labels: ["test"] },
        { part: 1, labels: ["types"] },
      ]),
    ],
  ],
  [
    "a text in each part",
    [[two], "a", "3", ..."x", "enter", "1", "4", ..."y", "enter", "enter"],
    [
      given([
        { part: 0, labels: [], text: "x" },
        { part: 1, labels: ["lint"], text: "y" },
      ]),
    ],
  ],
  ["a digit without an option does nothing", [[one], "a", "9", "enter", "esc"], []],
  [
    "another question came up meanwhile",
    [[one], "a", "1", [{ ...one, verdict: { ...one.verdict, gate_id: "q2" } as never }], "y"],
    [{ do: "copy", text: one.sessionId ?? "" }],
  ],
  [
    "a question is refused with words",
    [[{ ...one, verdict: { ...one.verdict, gates: [{ held: true }] } as never }], "d", "r", "x", "enter"],
    [{ ...answered("deny", { reason: "x" }, one) }],
  ],
])("questions: %s", (_, steps, effects) => {
  expect(play(...steps).effects).toEqual(effects);
});

test("what was written for a gate that has gone is not lost", () => {
  const { state } = play([b, d], "d", "r", ..."because", [d], "k", "m", "up");
  expect(state.mode).toMatchObject({ kind: "message", draft: { text: "because" } });
});
