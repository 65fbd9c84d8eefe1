import { expect, test } from "bun:test";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState, type DashboardState, type Effect, type Event, listRows } from "../src/dashboard-state.ts";
import type { LiveSession } from "../src/session.ts";
import { blocked, session, testNow } from "./sessions.ts";

const a = blocked("alpha", "rm x", { pid: 1, since: testNow - 60_000 });
const b = blocked("beta", "ls", { pid: 2, since: testNow - 90_000 });
const c = session("gamma", { status: "working", tools: ["Bash"] } as never, { pid: 3 });
const d = session("delta", { status: "idle_done" }, { pid: 4, cwd: "/home/dev/shop", profile: "work" });

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
      ? { kind: "sessions", sessions: step, now: testNow }
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

test.each<[rule: string, steps: (string | LiveSession[])[], name: string | undefined]>([
  ["the first of the list", [all], "beta"],
  ["down and up", [all, "down", "down", "up"], "alpha"],
  ["not past the ends", [all, "up", "G", "down"], "delta"],
  ["to the top", [all, "G", "g"], "beta"],
  ["it stays with its session when the list is ordered anew", [[c, d], "down", [c, d, a, b]], "delta"],
  ["and when its session takes another state", [[a, c], "down", [a, { ...c, verdict: a.verdict, since: testNow - 999_999 }]], "gamma"],
  ["its session ends: it stays in sight", [all, "down", [b, c, d]], "alpha"],
  ["what ended is forgotten: the neighbour", [all, "down", [b, c, d], "x"], "delta"],
  ["without sessions nobody", [all, [], "x"], undefined],
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
  ["a and y allow once", [all, "a", "y"], [{ do: "answer", key: b.key, wish: "allow-once", gate: expect.any(String) as never }]],
  ["d and y refuse", [all, "d", "y"], [{ do: "answer", key: b.key, wish: "refuse", gate: expect.any(String) as never }]],
  ["any other key is no", [all, "a", "n", "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["enter is no yes", [all, "a", "enter", "enter"], [{ do: "focus", key: b.key }]],
  ["a on one that asks nothing", [[d], "a", "y"], [{ do: "copy", text: d.sessionId ?? "" }]],
  [
    "another gate came up meanwhile: no yes to what was not shown",
    [all, "a", [a, blocked("beta", "rm -rf /", { pid: 2 }), c, d], "y"],
    [{ do: "copy", text: b.sessionId ?? "" }],
  ],
  ["the same words asked again are another gate", [[b], "a", [{ ...b, since: testNow }], "y"], [{ do: "copy", text: b.sessionId ?? "" }]],
  ["it ended meanwhile", [[b, c], "a", [c], "y"], []],
  ["k asks", [[c], "k"], []],
  ["k and y stop", [[c], "k", "y"], [{ do: "stop", key: c.key }]],
  ["a message", [[d], "m", "h", "i", "enter"], [{ do: "send", key: d.key, text: "hi" }]],
  ["letters of a message are no keys", [[d], "m", "q", "y", "a", "backspace", "enter"], [{ do: "send", key: d.key, text: "qy" }]],
  ["an empty message is none", [[d], "m", " ", "enter"], []],
  ["esc drops a message", [[d], "m", "x", "esc", "enter"], [{ do: "focus", key: d.key }]],
  ["the message goes to the one it was begun for", [[c, d], "m", "x", [d, c], "enter"], [{ do: "send", key: c.key, text: "x" }]],
  ["n starts one where the cursor is", [[d], "n", "enter"], [{ do: "start", cwd: "/home/dev/shop" }]],
  ["y copies the id", [[d], "y"], [{ do: "copy", text: d.sessionId ?? "" }]],
  ["nothing acts on what ended", [[d], [], "k", "y", "m", "a", "enter"], []],
  ["unknown keys do nothing", [all, "f12", "toString", "__proto__", "constructor"], []],
])("keys: %s", (_, steps, effects) => {
  expect(play(...steps).effects).toEqual(effects);
});

test("a paste into a message keeps its lines and holds no keys", () => {
  const { effects } = play([d], "m", { kind: "key", key: { name: "paste", text: "one\r\ntwo\nq" }, page: 5 }, "enter");
  expect(effects).toEqual([{ do: "send", key: d.key, text: "one\ntwo\nq" }]);
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

test("a click chooses, a second one opens", () => {
  const click = (hitKey: string | undefined): Event => ({ kind: "key", key: { name: "click", row: 3 }, page: 5, hitKey });
  expect(selected(play(all, click(d.key)))).toBe("delta");
  expect(play(all, click(d.key), click(d.key)).state.hasDetail).toBe(true);
  expect(selected(play(all, click(undefined)))).toBe("beta");
});
