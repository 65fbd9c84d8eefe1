import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { renderSchemas, schemaDir } from "../scripts/schema.ts";
import { budgetJson } from "../src/cmd-budget.ts";
import { createNumbering, deedJson, eventJson } from "../src/cmd-watch.ts";
import { loadCommands } from "../src/commands.ts";
import { publicJson } from "../src/public-json.ts";
import { createWork, sessionJson } from "../src/session.ts";
import { usageJson } from "../src/usage-view.ts";
import { asPublic } from "./public.ts";
import { blocked, session, testNow } from "./sessions.ts";

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  [key: string]: unknown;
}

const schemas = [...renderSchemas()].map(([name, text]) => [name, JSON.parse(text) as Schema] as const);

/** Every object in a schema. */
function objectsOf(value: unknown): Schema[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(objectsOf);
  return "properties" in value && typeof value.properties === "object" ? [value as Schema, ...inner] : inner;
}

test("the schema files are current: bun run scripts/schema.ts writes them", () => {
  expect(Object.fromEntries(readdirSync(schemaDir).map((name) => [name, readFileSync(join(schemaDir, name), "utf8")]))).toEqual(
    Object.fromEntries(renderSchemas()),
  );
});

/** Those that print none: they show a terminal. */
const silent = ["csd attach"];

test("each command that prints JSON has a schema, and each schema a command", async () => {
  const rows = await loadCommands();
  const names = rows.map(({ program, word }) => `${program} ${word}`);
  const printing = rows.flatMap(({ program, word, record }) =>
    record !== undefined && (program === "csd" || "json" in record.args) ? [`${program} ${word}`] : [],
  );
  expect(printing.filter((name) => publicJson[name] === undefined && !silent.includes(name))).toEqual([]);
  expect(Object.keys(publicJson).filter((name) => !names.includes(name))).toEqual([]);
});

/** The names that mean the same wherever they stand. */
const common = ["session_id", "cwd", "transcript", "profile", "config_dir", "state", "time"];
const isNumber = ({ $ref, type }: Schema) => $ref === "#/$defs/at" || [type].flat().some((word) => word === "number" || word === "integer");

test.each(schemas)("%s: one name, type and unit for one thing", (_, schema) => {
  for (const { properties = {} } of objectsOf(schema)) {
    for (const [key, value] of Object.entries(properties)) {
      // How a candidate stands is no session's state.
      const isOther = (key === "state" && "reasons" in properties) || (key === "time" && value.type === "string");
      if (common.includes(key) && !isOther) expect([key, value.$ref]).toEqual([key, `#/$defs/${key}`]);
      // The older csm's own.
      if (key === "captured_at") continue;
      if (key === "at") expect([key, isNumber(value), Object.keys(properties).includes("time")]).toEqual([key, true, true]);
      if (key.endsWith("_at"))
        expect([key, isNumber(value), properties[key.replace(/_at$/, "_time")]?.$ref]).toEqual([key, true, "#/$defs/time"]);
      if (key.endsWith("_time")) expect(Object.keys(properties)).toContain(key.replace(/_time$/, "_at"));
      if (key.endsWith("_percent")) expect([key, value.$ref]).toEqual([key, "#/$defs/percent"]);
      if (key.endsWith("_ms")) expect([key, isNumber(value)]).toEqual([key, true]);
    }
  }
});

test("csm watch and csd events are one schema", () => {
  expect(publicJson["csm watch"]).toBe(publicJson["csd events"] as never);
});

const limited = session("full", {
  status: "limited",
  ...{ text: "You've hit your session limit", window: "five_hour", resets_at: testNow + 60_000 },
} as never);
const work = createWork();
work.files.set("/home/dev/a/x.ts", { edits: 2, at: testNow });
const busy = session(
  "busy",
  { status: "working" },
  {
    ...{ startedAt: testNow - 9000, profile: "work", transcript: "/t.jsonl", work },
    agents: [{ id: "a1", type: "Explore", description: "look", isRunning: true, transcript: "/a.jsonl" }],
    badges: [{ kind: "stalled", isAlarm: true, mark: "!", text: "nothing for 5 minutes" }],
    meter: { source: "transcript", tokens: 5, contextPercent: 12.5 },
    load: { cpuPercent: 3.14, overMs: 1000, memoryBytes: 1 << 20 },
  },
);

test.each([blocked("gate", "ls"), limited, busy])("csm ls: $name is as its schema says, nothing more", (one) => {
  const value = { sessions: [sessionJson(one)] };
  expect(asPublic("csm ls", value) as never).toEqual(value as never);
});

test("a moment has both forms, and the earlier name beside", () => {
  expect(sessionJson(limited)).toMatchObject({
    since: testNow - 5000,
    since_at: testNow - 5000,
    since_time: "2026-11-20T11:59:55.000Z",
    started_at: null,
    started_time: null,
    state: { resets_at: testNow + 60_000, resets_time: "2026-11-20T12:01:00.000Z" },
  });
});

test("csm watch --act: what was done, to one session or for a budget of several, is as its schema says", () => {
  const deed = { action: "stop", rule: "cap", text: "gate is told to end", isRefused: false } as const;
  const event = { id: 7, at: testNow };
  const lines = [deedJson({ ...deed, session: blocked("gate", "ls") }, event), deedJson({ ...deed, isRefused: true }, event)];
  for (const line of lines) expect(asPublic("csm watch", line) as never).toEqual(line as never);
  expect(lines).toMatchObject([
    { event: "acted", id: 7, session: "gate", name: "gate", rule: "cap", action: "stop", refused: false, text: "gate is told to end" },
    { event: "acted", rule: "cap", refused: true },
  ]);
  expect(lines[1]).not.toHaveProperty("session");
});

test("csm budget is as its schema says", () => {
  const at = { path: "/home/dev/.config/claude-smart/rules.toml", line: 4 };
  const budget = { name: "b", at, isProject: false, period: "day", limit: { usd: 10 }, action: "deny", warnPercent: 80 } as const;
  const standing = { budget, spent: 8.5, of: "2026-11-20", endsAt: testNow, sessions: ["s1"], unpriced: [], isPartial: false };
  const silent = { ...budget, name: "c", limit: { usagePercent: 50 } };
  const value = budgetJson({ budgets: [budget, silent], problems: [{ ...at, message: "unknown key" }] }, [standing]);
  expect(asPublic("csm budget", value) as never).toEqual(value as never);
  expect(value.budgets).toMatchObject([
    { unit: "usd", limit: 10, standings: [{ spent: 8.5, percent: 85, level: "warning", ends_at: testNow, session_ids: ["s1"] }] },
    { unit: "percent", limit: 50, standings: [] },
  ]);
});

test("csm watch: each kind of line is as its schema says", () => {
  const number = createNumbering();
  const gate = blocked("gate", "ls");
  const lines = [
    number({ kind: "first", session: gate }, testNow),
    number({ kind: "change", session: limited, old: gate.verdict }, testNow),
    number({ kind: "gone", session: busy, old: busy.verdict }, testNow),
    number(undefined, testNow),
  ].map(eventJson);
  for (const line of lines) expect(asPublic("csm watch", line) as never).toEqual(line as never);
  expect(lines.map((line) => [line.event, "old" in line ? line.old : "-", "new" in line ? line.new : "-"])).toEqual([
    ["initial", null, "blocked"],
    ["change", "blocked", "limited"],
    ["gone", "working", null],
    ["heartbeat", "-", "-"],
  ]);
});

test("csm usage: known, foreign and unknown accounts", () => {
  const value = usageJson(
    {
      now: testNow,
      isConfigured: true,
      foreign: [{ name: "far", windows: { five_hour: { usedPercent: 12, resetsAt: testNow + 1000 } }, at: testNow - 5000 }],
      profiles: [
        {
          ...{ name: "work", dir: "/home/dev/.claude.work", isRegistered: true, isCurrent: true, isDisabled: false, sharedWith: [] },
          readAt: testNow - 2000,
          windows: new Map([["five_hour", { usedPercent: 37.5, resetsAt: testNow + 9000, at: testNow - 2000, source: "statusline" }]]),
        },
      ],
    } as never,
    "work",
  );
  expect(asPublic("csm usage", value) as never).toEqual(value as never);
  expect(value.profiles.work).toMatchObject({
    ...{ session_pct: 38, session_percent: 37.5, week_percent: null, profile: "work", config_dir: "/home/dev/.claude.work" },
    windows: { five_hour: { resets_at: testNow + 9000, resets_time: "2026-11-20T12:00:09.000Z", read_at: testNow - 2000, age_ms: 2000 } },
  });
});
