import { describe, expect, test } from "bun:test";
import { createPaint, width } from "../src/format.ts";
import type { TaskState } from "../src/task-condition.ts";
import type { Run, TaskFacts, TaskRow } from "../src/task-queue.ts";
import { endNotice, eventLine, headLine, renderRun, renderRunScreen } from "../src/task-view.ts";
import { testNow } from "./sessions.ts";

const run = { id: "night-3f2a", startedAt: testNow - 90_000, isInteractive: false } as Run;
const row = (id: string, state: TaskState, facts: TaskFacts = {}): TaskRow => ({ id, state, fence: 1, facts });
const begun = { startedAt: testNow - 65_000, account: "work", costUsd: 0.42, tokens: 12_345 };
const rows = [
  row("build", "running", { ...begun, activity: "Bash: npm test\u001b[2J" }),
  row("日本語の資料を書く", "running", begun),
  row("migrate", "paused", { ...begun, pausedUntil: testNow + 3_600_000, reason: "work is at its usage limit (five_hour)" }),
  row("lint", "succeeded", { ...begun, endedAt: testNow - 60_000, attempt: 2 }),
  row("deploy", "failed", { ...begun, endedAt: testNow - 60_000, reason: "no luck" }),
  row("after", "pending"),
];
const plain = createPaint(false);
const screen = (shown: TaskRow[], columns: number, height: number, notice?: string) =>
  renderRunScreen(run, shown, "running", testNow, { paint: plain, columns, rows: height, ...(notice === undefined ? {} : { notice }) });
const clock = (at: number) => new Date(at).toTimeString().slice(0, 8);

test("it has all: state, account, time, cost, tokens, and what it does now", () => {
  const until = clock(testNow + 3_600_000);
  expect(screen(rows, 100, 12)).toEqual([
    "night-3f2a: running, 2 of 6 tasks over, 1 failed, $2.10, 1m 30s",
    "",
    "   TASK                STATE           ACCOUNT  TIME   COST   TOKENS  NOW",
    "●  build               running         work     1m 5s  $0.42  12k     Bash: npm test",
    "●  日本語の資料を書く  running         work     1m 5s  $0.42  12k     no answer yet",
    `◷  migrate             paused          work     1m 5s  $0.42  12k     until ${until}: work is at it…`,
    "✔  lint                succeeded (2.)  work     5s     $0.42  12k",
    "✖  deploy              failed          work     5s     $0.42  12k     no luck",
    "·  after               pending",
    "",
    "",
    "ctrl-c stops it so that it can go on later; twice ends all now",
  ]);
  expect(renderRun(run, rows, "running", testNow, plain)).toContain(`until ${until}: work is at its usage limit (five_hour)\n`);
});

test("a narrow one drops columns whole, the least wanted first", () => {
  const titles = (columns: number) => screen(rows, columns, 12)[2]?.trim().split(/ {2,}/);
  expect(titles(76)).toEqual(["TASK", "STATE", "ACCOUNT", "TIME", "COST", "TOKENS", "NOW"]);
  expect(titles(66)).toEqual(["TASK", "STATE", "ACCOUNT", "TIME", "COST", "NOW"]);
  expect(titles(60)).toEqual(["TASK", "STATE", "ACCOUNT", "TIME", "NOW"]);
  expect(titles(50)).toEqual(["TASK", "STATE", "TIME", "NOW"]);
  expect(titles(36)).toEqual(["TASK", "STATE"]);
});

test("of two hundred those are shown that run, wait or failed, in their order, and the rest is counted", () => {
  const many = Array.from({ length: 200 }, (_, index) =>
    row(`t${index}`, index === 150 ? "running" : index === 160 ? "paused" : index === 3 ? "failed" : index < 100 ? "succeeded" : "pending"),
  );
  const lines = screen(many, 80, 12);
  expect(lines.slice(3).map((line) => line.trimEnd())).toEqual([
    "✖  t3    failed",
    "·  t100  pending",
    "·  t101  pending",
    "·  t102  pending",
    "●  t150  running  no answer yet",
    "◷  t160  paused",
    "   and 194 more: 95 pending, 99 succeeded",
    "",
    "ctrl-c stops it so that it can go on later; twice ends all now",
  ]);
  expect(screen(many, 24, 12).at(-3)).toBe("   and 194 more: 95 pen…");
});

describe.each([1, 5, 20, 39, 40, 80, 200])("%d columns", (columns) => {
  test.each([1, 2, 3, 5, 12, 24, 50])("%d rows: as many lines as the screen has, none wider, none with anything but text", (height) => {
    const hostile = Array.from({ length: 30 }, (_, index) =>
      row(`t${index} 👩‍👩‍👧 \u202e日本\u0007`, "running", { ...begun, activity: "a\u001b]0;x\u0007\nb".repeat(9) }),
    );
    for (const shown of [rows, hostile, []]) {
      const lines = screen(shown, columns, height, "stopping: nothing new is started; ctrl-c once more ends all now");
      expect(lines).toHaveLength(height);
      expect(lines.filter((line) => width(line) > columns)).toEqual([]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
      expect(lines.join("").match(/[\u0000-\u001f\u202e]/)).toBeNull();
      if (height > 1) expect(lines.at(-1)).toStartWith("stopping: nothing new is started".slice(0, columns - 1));
    }
  });
});

test("colour is on the mark and the state alone, which a light terminal can show too", () => {
  const painted = renderRunScreen(run, rows.slice(2, 3), "running", testNow, { paint: createPaint(true), columns: 80, rows: 12 })[3] ?? "";
  expect(painted).toStartWith("\u001b[33m◷\u001b[0m  migrate  \u001b[33mpaused\u001b[0m  work     1m 5s");
});

test("a run that waits says until when, the first of all", () => {
  const waiting = [
    rows[2] as TaskRow,
    row("b", "paused", { pausedUntil: testNow + 60_000 }),
    row("c", "paused", { pausedUntil: testNow - 1 }),
  ];
  expect(headLine(run, waiting, "waiting", testNow)).toBe(
    `night-3f2a: waiting until ${clock(testNow + 60_000)}, 0 of 3 tasks over, $0.42, 1m 30s`,
  );
  expect(headLine(run, [row("b", "paused")], "waiting", testNow)).toBe("night-3f2a: waiting, 0 of 1 tasks over, $0.00, 1m 30s");
});

test.each([
  [{ event: "started", task: "build", text: "starts on work" }, "build: starts on work"],
  [
    { event: "succeeded", task: "build", text: "succeeded; 2 calls of tools were not allowed", cost_usd: 0.42 },
    "build: succeeded; 2 calls of tools were not allowed ($0.42)",
  ],
  [{ event: "failed", task: "build", text: "no\n\u001b[2Jluck" }, "build: failed: no luck"],
  [{ event: "paused", task: "build", text: "waits for a login" }, "build: paused: waits for a login"],
  [{ event: "end", text: "night-3f2a: failed" }, "night-3f2a: failed"],
] as const)("a line of %j", (event, line) => {
  expect(eventLine({ number: 1, at: testNow, ...event })).toBe(`${clock(testNow)} ${line}`);
});

test("the end of a run is one message: how it went, and what did not, as far as a person reads", () => {
  const ended = { ...run, endedAt: testNow };
  const told = { about: "night-3f2a", at: testNow };
  const done = [row("a", "succeeded"), row("b", "skipped")];
  expect(endNotice(ended, done, testNow)).toEqual({
    ...{ ...told, cause: "finished", title: "night-3f2a: succeeded, 2 of 2 tasks over, $0.00, 1m 30s", body: "" },
  });
  const failed = Array.from({ length: 12 }, (_, index) => row(`t${index}`, "failed", { reason: `why ${index}` }));
  const bad = endNotice(ended, [row("p", "paused", { reason: "stopped" }), ...failed, row("a", "succeeded")], testNow);
  expect([bad.cause, bad.title]).toEqual(["failure", "night-3f2a: stopped, 13 of 14 tasks over, 12 failed, $0.00, 1m 30s"]);
  expect(bad.body.split("\n")).toEqual([
    "p paused: stopped",
    ...Array.from({ length: 9 }, (_, index) => `t${index} failed: why ${index}`),
    "and 3 more: csm tasks status night-3f2a",
  ]);
});
