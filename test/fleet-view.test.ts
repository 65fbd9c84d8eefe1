import { expect, test } from "bun:test";
import type { Machine } from "../src/fleet.ts";
import { fleetRowJson, pickRows, renderFleet, rowsOf } from "../src/fleet-view.ts";

const now = 1_800_000_000_000;
const session = (name: string, status: string, more: object = {}) => ({
  ...{
    name,
    session_id: `${name}-0123456789`,
    status,
    words: status,
    source: "hook",
    since_at: now - 60_000,
    profile: "work",
    cwd: "/srv/app",
  },
  ...{ model: null, kind: "interactive", driver: null, agents: 0, context_percent: 12, cost_usd: 0.5, tokens: 100 },
  ...more,
});
const machine = (name: string, isLive: boolean, at: number, ...sessions: ReturnType<typeof session>[]): Machine => ({
  name,
  isLive,
  state: { v: 1, machine: name, at, version: "1.0.0", os: "linux", role: "answer", sessions },
});
const machines = [
  machine("far", false, now - 3_600_000, session("old", "working")),
  machine("near", true, now - 1000, session("calm", "idle_done"), session("asks", "blocked")),
];

test("what is heard of comes first, and what is stale says how old it is", () => {
  const lines = renderFleet(rowsOf(machines, now), { now, paint: (_, text) => text, columns: undefined });
  expect(lines.map((line) => line.split(/\s{2,}/).slice(0, 3))).toEqual([
    ["MACHINE", "NAME", "STATE"],
    ["near", "asks", "blocked"],
    ["near", "calm", "idle_done"],
    ["far", "old", "working, 1h ago"],
  ]);
});

test("it fits a terminal, and a status that this version does not know is shown as it is", () => {
  const rows = rowsOf([machine("near", true, now, session("x".repeat(150), "dreaming", { cwd: `/${"y".repeat(300)}` }))], now);
  const lines = renderFleet(rows, { now, paint: (_, text) => text, columns: 80 });
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines[1]).toContain("dreaming");
});

test("a session elsewhere is machine/session", () => {
  const [row] = rowsOf(machines, now);
  expect(row === undefined ? undefined : fleetRowJson(row)).toMatchObject({
    id: "far/old-0123456789",
    stale_ms: 3_600_000,
    title: null,
    gate_id: null,
  });
});

test.each([
  ["cost", "cost_usd"],
  ["context", "context_percent"],
] as const)("by %s the dearest is among those that there is room for, wherever it stands", (sort, field) => {
  const many = Array.from({ length: 20 }, (_, at) => session(`s${at}`, "idle_done", { [field]: at === 19 ? 9 : at < 2 ? 0 : 1 }));
  const { rows } = pickRows([machine("far", true, now, ...many)], { filter: "", sort, most: 5, now });
  expect(rows).toHaveLength(5);
  expect(rows.map(({ name }) => name)).toContain("far/s19");
});

test("two sessions of one conversation have a key each, and one id", () => {
  const twins = [session("a", "working"), session("a", "idle_done"), session("b", "working")];
  const { rows } = pickRows([machine("far", true, now, ...twins)], { filter: "", sort: "name", most: Number.POSITIVE_INFINITY, now });
  expect(rows.map(({ key }) => key)).toEqual(["far/a-0123456789", "far/a-0123456789 2", "far/b-0123456789"]);
  expect(new Set(rows.map(({ sessionId }) => sessionId)).size).toBe(2);
});
