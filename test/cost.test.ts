import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type GivenUsage, promptLine, usageLine } from "../scripts/usage-lines.ts";
import { createCalendar, mondayOf, parseDay } from "../src/calendar.ts";
import { createPriceTable } from "../src/claude-prices.ts";
import { readUsage, type Usage } from "../src/cost.ts";
import { createReport, type Grouping, type Report, type ReportOptions } from "../src/cost-report.ts";
import { compactCount, money, renderCost, renderCsv, toCostJson } from "../src/cost-view.ts";
import { createPaint, width } from "../src/format.ts";
import { printable } from "../src/printable.ts";
import { readSettings } from "../src/settings.ts";
import { checkSettings } from "../src/settings-schema.ts";
import { createSys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-cost-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const dirs = () => [
  { name: "work", dir: join(home, "work") },
  { name: undefined, dir: join(home, ".claude") },
];
const pathOf = (name: string) => join(home, name.startsWith("work/") ? "" : ".claude/projects", name.replace("work/", "work/projects/"));

function put(name: string, ...lines: GivenUsage[]): string {
  const path = pathOf(name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, promptLine() + lines.map(usageLine).join(""));
  return path;
}

const read = (prices = createPriceTable(), tableId = "") =>
  readUsage(createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") }), { dirs: dirs(), table: prices, tableId });

const now = Date.parse("2026-11-02T12:00:00Z");
const reportOf = (usage: Usage, grouping: Grouping, options: Partial<ReportOptions> = {}): Report =>
  createReport(usage.sums, usage.origins, { grouping, calendar: createCalendar("UTC"), now, ...options });

const seed = () => {
  put(
    "-a/s1.jsonl",
    { id: "m1", input: 1e6, at: "2026-10-31T23:50:00.000Z", cwd: "/home/dev/a" },
    { id: "m2", input: 1e6, model: "claude-sonnet-5", at: "2026-11-02T09:10:00.000Z" },
  );
  put("-a/s1/subagents/agent-x.jsonl", { id: "m3", output: 1e5, isSidechain: true, at: "2026-11-02T09:20:00.000Z" });
  put("work/-b/s2.jsonl", { id: "m4", cacheRead: 1e6, write: 1e5, write1h: 4e4, at: "2026-11-01T05:00:00.000Z", cwd: "/home/dev/b" });
};

test.each<[Grouping, [key: string, costUsd: number][]]>([
  [
    "daily",
    [
      ["2026-10-31", 5],
      ["2026-11-01", 1.275],
      ["2026-11-02", 4.5],
    ],
  ],
  [
    "weekly",
    [
      ["2026-10-26", 6.275],
      ["2026-11-02", 4.5],
    ],
  ],
  [
    "monthly",
    [
      ["2026-10", 5],
      ["2026-11", 5.775],
    ],
  ],
  [
    "session",
    [
      ["s2", 1.275],
      ["s1", 9.5],
    ],
  ],
  [
    "project",
    [
      ["/home/dev/b", 1.275],
      ["/home/dev/a", 9.5],
    ],
  ],
  [
    "model",
    [
      ["claude-sonnet-5", 2],
      ["claude-opus-4-8", 8.775],
    ],
  ],
  [
    "block",
    [
      ["2026-10-31T23:00:00.000Z", 5],
      ["2026-11-01T05:00:00.000Z", 1.275],
      ["2026-11-02T09:00:00.000Z", 4.5],
    ],
  ],
])("%s adds up what belongs together", async (grouping, wanted) => {
  seed();
  const report = reportOf(await read(), grouping);
  expect(report.rows.map(({ key, costUsd }) => [key, Number(costUsd.toFixed(6))])).toEqual(wanted as never);
  expect(report.totals.costUsd).toBeCloseTo(10.775, 9);
});

test.each<[string, Partial<ReportOptions>, number]>([
  ["since", { since: "2026-11-01" }, 2],
  ["until", { until: "2026-11-01" }, 2],
  ["both", { since: "2026-11-01", until: "2026-11-01" }, 1],
  ["a profile", { profile: "work" }, 1],
  ["a time zone in which the day begins later", { calendar: createCalendar("America/New_York"), until: "2026-10-31" }, 1],
  ["a time zone in which it begins earlier", { calendar: createCalendar("Asia/Kolkata"), since: "2026-11-01" }, 2],
])("the report keeps to %s", async (_, options, days) => {
  seed();
  expect(reportOf(await read(), "daily", options).rows).toHaveLength(days);
});

test("the second run reads nothing, and the third what is new", async () => {
  seed();
  const first = await read();
  expect(first.readBytes).toBeGreaterThan(0);
  const second = await read();
  expect([second.readBytes, second.sums.cells.length]).toEqual([0, first.sums.cells.length]);
  expect(reportOf(second, "daily")).toEqual(reportOf(first, "daily"));
  const line = usageLine({ id: "m9", input: 1e6 });
  appendFileSync(pathOf("-a/s1.jsonl"), line);
  const third = await read();
  expect(third.readBytes).toBe(line.length);
  expect(reportOf(third, "daily").totals.costUsd).toBeCloseTo(15.775, 9);
});

test.each<[string, () => void, number]>([
  ["was deleted", () => rmSync(pathOf("-a/s1.jsonl")), 3.775],
  [
    "was replaced by a longer one",
    () => put("-a/s1.jsonl", { id: "n1", input: 1e6 }, { id: "n2", input: 1e6 }, { id: "n3", input: 1e6 }),
    18.775,
  ],
  ["was cut", () => put("-a/s1.jsonl"), 3.775],
  ["was touched", () => utimesSync(pathOf("-a/s1.jsonl"), 1, 1), 10.775],
  ["holds a torn line", () => appendFileSync(pathOf("-a/s1.jsonl"), usageLine({ id: "t", input: 1e6 }).slice(0, 500)), 10.775],
])("a file that %s is read for what it is", async (_, change, costUsd) => {
  seed();
  await read();
  change();
  expect(reportOf(await read(), "daily").totals.costUsd).toBeCloseTo(costUsd, 9);
  expect(reportOf(await read(), "daily").totals.costUsd).toBeCloseTo(costUsd, 9);
});

test("a torn line counts once it is whole", async () => {
  const line = usageLine({ id: "t", input: 1e6 });
  const path = put("-a/s1.jsonl");
  appendFileSync(path, line.slice(0, 500));
  expect(reportOf(await read(), "daily").totals.messages).toBe(0);
  appendFileSync(path, line.slice(500));
  expect(reportOf(await read(), "daily").totals.messages).toBe(1);
});

test("a broken cache is made anew, and other prices void its sums", async () => {
  seed();
  await read();
  writeFileSync(join(home, "state/csm/cost.db"), "no database");
  expect(reportOf(await read(), "daily").totals.costUsd).toBeCloseTo(10.775, 9);
  const dearer = await read(createPriceTable({ "claude-sonnet-5": { input: 4 } }), "dearer");
  expect(dearer.readBytes).toBe(0);
  expect(reportOf(dearer, "daily").totals.costUsd).toBeCloseTo(12.775, 9);
});

test("a sub-agent whose file lies beside its session's counts for that session, as its lines say", async () => {
  const session = { cwd: "/home/dev/a", at: "2026-11-02T09:10:00.000Z" };
  put("-a/s1.jsonl", { id: "m1", input: 1e6, ...session });
  put("-a/agent-0a1b2c3d.jsonl", { id: "m2", input: 2e6, isSidechain: true, at: session.at, sessionId: "s1" });
  const path = put("-a/agent-lost.jsonl", { id: "m3", input: 4e6, isSidechain: true, at: session.at });
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(/,"sessionId":"[^"]*"/g, ""));
  const rows = reportOf(await read(), "session").rows;
  expect(rows.map(({ key, tokens }) => [key, tokens.input])).toEqual([
    ["s1", 3e6],
    ["agent-lost", 4e6],
  ]);
});

test("projects shared by two profiles through a link count once", async () => {
  seed();
  rmSync(join(home, "work"), { recursive: true });
  mkdirSync(join(home, "work"));
  symlinkSync(join(home, ".claude/projects"), join(home, "work/projects"));
  expect(reportOf(await read(), "daily").totals.costUsd).toBeCloseTo(9.5, 9);
});

test("a file of an unknown format and lines that cannot be read are named", async () => {
  const path = pathOf("-a/odd.jsonl");
  seed();
  writeFileSync(path, '{"kind":"ai","tokens":{"in":5}}\n');
  appendFileSync(pathOf("-a/s1.jsonl"), usageLine({ id: "x", input: -1 }));
  const { sums } = await read();
  expect([sums.unknownFiles, sums.unreadable]).toEqual([[path], 1]);
});

test("all threads together read what one reads", async () => {
  for (let index = 0; index < 12; index++)
    put(
      `-a/t${index}.jsonl`,
      { id: `b${index}`, input: index, content: [{ type: "text", text: "x".repeat(6e6) }] },
      { id: "shared", output: 7 },
    );
  const report = reportOf(await read(), "daily");
  expect([report.totals.tokens.input, report.totals.tokens.output, report.totals.messages]).toEqual([66, 7, 13]);
});

test("no transcripts are an empty report", async () => {
  expect(reportOf(await read(), "daily").rows).toEqual([]);
});

test("the running block tells what it will cost, as far as that is known", async () => {
  put(
    "-a/s1.jsonl",
    ...Array.from({ length: 40 }, (_, index) => ({
      id: `m${index}`,
      input: 1e5,
      at: new Date(now - (index + 0.5) * 60_000).toISOString(),
    })),
  );
  const [row] = reportOf(await read(), "block").rows;
  expect(row?.block).toMatchObject({ isActive: true, startAt: now - 3_600_000 });
  expect(row?.block?.forecast?.expected).toBeCloseTo(20 + 4 * 30, 0);
  expect(reportOf(await read(), "block", { now: now + 6 * 3_600_000 }).rows[0]?.block).toMatchObject({ isActive: false });
});

const table = (report: Report, grouping: Grouping, columns?: number) =>
  renderCost(report, { grouping, calendar: createCalendar("UTC"), now, home: "/home/dev", paint: createPaint(false), columns });

test("a table has a line per row and the total last", async () => {
  seed();
  expect(table(reportOf(await read(), "daily"), "daily")).toMatchInlineSnapshot(`
    [
      "DAY         MODELS                 INPUT   OUTPUT  CACHE WRITE  CACHE READ     TOKENS    COST",
      "2026-10-31  opus-4-8           1,000,000        0            0           0  1,000,000   $5.00",
      "2026-11-01  opus-4-8                   0        0      100,000   1,000,000  1,100,000   $1.27",
      "2026-11-02  sonnet-5 opus-4-8  1,000,000  100,000            0           0  1,100,000   $4.50",
      "total                          2,000,000  100,000      100,000   1,000,000  3,200,000  $10.78",
    ]
  `);
});

test.each<[Grouping]>([["daily"], ["weekly"], ["monthly"], ["session"], ["project"], ["model"], ["block"]])(
  "the table by %s fits 60 columns and any more",
  async (grouping) => {
    seed();
    put("work/-b/long.jsonl", {
      id: "l",
      input: 123_456_789,
      cacheRead: 9_876_543_210,
      model: `claude-next-${"x".repeat(60)}`,
      cwd: `/home/dev/${"日本語/".repeat(20)}`,
    });
    const report = reportOf(await read(), grouping);
    for (const columns of [40, 60, 80, 100, 140, 300]) {
      const lines = table(report, grouping, columns);
      expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(columns);
      expect(lines).toHaveLength(report.rows.length + 2);
    }
  },
);

test("text of a transcript cannot move the cursor, and a cell is no formula", async () => {
  put("-a/s1.jsonl", { id: "a", model: "evil\u001b[2J\u0007model", cwd: "=cmd()\u001b]0;x\u0007" });
  const report = reportOf(await read(), "project");
  const csv = renderCsv(report).join("\n");
  for (const text of [table(report, "project").join("\n"), table(reportOf(await read(), "model"), "model").join("\n"), csv])
    expect(text).toBe(printable(text));
  expect(csv).toContain("\n'=cmd()");
});

test.each([
  ["=cmd()", "'=cmd()"],
  [" \t=cmd()", "'=cmd()"],
  ["\r\n@SUM(A1)", "'@SUM(A1)"],
  ["+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"],
  ["-2+3+cmd|x", "'-2+3+cmd|x"],
  ["－1＋1", "'－1＋1"],
  ["＝1", "'＝1"],
  ["-17.5", "-17.5"],
  ["x;=cmd()", '"x;=cmd()"'],
  ['="a",b', `"'=""a"",b"`],
  ["/home/a-b", "/home/a-b"],
])("in every column the cell of %j is no formula", async (hostile, cell) => {
  put("-a/s1.jsonl", { id: "a", input: 5, model: `m${hostile}`, cwd: hostile });
  const report = reportOf(await read(), "project");
  const [row] = report.rows;
  if (row === undefined) throw new Error("no row");
  const whole = { ...row, key: hostile, models: [hostile], origin: { ...row.origin, project: hostile, profile: hostile } };
  const [, line = ""] = renderCsv({ ...report, rows: [whole] } as typeof report);
  expect(line).toStartWith(`${cell},${cell},${cell},${cell},5,`);
});

test("an unpriced model is marked, not guessed", async () => {
  put("-a/s1.jsonl", { id: "a", model: "claude-next-9", input: 5 }, { id: "b", model: "claude-opus-5", input: 1e6 });
  const report = reportOf(await read(), "daily");
  expect(report.unpricedModels).toEqual(["claude-next-9"]);
  expect(table(report, "daily").at(-1)).toEndWith("$5.00 + ?");
});

test("JSON and CSV are contracts", async () => {
  seed();
  const usage = await read();
  const options: ReportOptions = { grouping: "session", calendar: createCalendar("UTC"), now };
  const report = reportOf(usage, "session");
  const facts = { options, prices: { at: "2026-11-20", source: "test" }, ...usage.sums };
  expect(toCostJson(report, facts)).toMatchInlineSnapshot(`
    {
      "prices": {
        "day": "2026-11-20",
        "source": "test",
      },
      "profile": null,
      "report": "session",
      "rows": [
        {
          "cache_read_tokens": 1000000,
          "cache_write_1h_tokens": 40000,
          "cache_write_5m_tokens": 60000,
          "cost_usd": 1.275,
          "cwd": "/home/dev/b",
          "input_tokens": 0,
          "key": "s2",
          "last_at": 1793509200000,
          "last_time": "2026-11-01T05:00:00.000Z",
          "messages": 1,
          "models": [
            "claude-opus-4-8",
          ],
          "output_tokens": 0,
          "profile": "work",
          "project": "/home/dev/b",
          "session_id": "s2",
          "total_tokens": 1100000,
          "transcript": null,
          "unpriced_messages": 0,
          "web_searches": 0,
        },
        {
          "cache_read_tokens": 0,
          "cache_write_1h_tokens": 0,
          "cache_write_5m_tokens": 0,
          "cost_usd": 9.5,
          "cwd": "/home/dev/a",
          "input_tokens": 2000000,
          "key": "s1",
          "last_at": 1793611200000,
          "last_time": "2026-11-02T09:20:00.000Z",
          "messages": 3,
          "models": [
            "claude-opus-4-8",
            "claude-sonnet-5",
          ],
          "output_tokens": 100000,
          "profile": null,
          "project": "/home/dev/a",
          "session_id": "s1",
          "total_tokens": 2100000,
          "transcript": null,
          "unpriced_messages": 0,
          "web_searches": 0,
        },
      ],
      "since": null,
      "timezone": "UTC",
      "totals": {
        "cache_read_tokens": 1000000,
        "cache_write_1h_tokens": 40000,
        "cache_write_5m_tokens": 60000,
        "cost_usd": 10.775,
        "input_tokens": 2000000,
        "messages": 4,
        "output_tokens": 100000,
        "total_tokens": 3200000,
        "unpriced_messages": 0,
        "web_searches": 0,
      },
      "unknown_format": [],
      "unpriced_models": [],
      "unreadable_lines": 0,
      "until": null,
    }
  `);
  expect(renderCsv(report)).toMatchInlineSnapshot(`
    [
      "key,project,profile,models,input_tokens,output_tokens,cache_write_5m_tokens,cache_write_1h_tokens,cache_read_tokens,total_tokens,web_searches,messages,cost_usd,unpriced_messages",
      "s2,/home/dev/b,work,claude-opus-4-8,0,0,60000,40000,1000000,1100000,0,1,1.275,0",
      "s1,/home/dev/a,,claude-opus-4-8 claude-sonnet-5,2000000,100000,0,0,0,2100000,0,3,9.5,0",
    ]
  `);
});

test.each<[number, string]>([
  [0, "0"],
  [999, "999"],
  [1000, "1k"],
  [42_000, "42k"],
  [1_500_000, "1.5M"],
  [999_999, "1M"],
  [123_456, "123k"],
  [2e9, "2G"],
])("%d is %s", (count, text) => expect(compactCount(count)).toBe(text));

test.each<[number, string]>([
  [0, "$0.00"],
  [0.005, "$0.01"],
  [1234.5, "$1,234.50"],
  [1234567, "$1,234,567.00"],
])("%d is %s", (usd, text) => expect(money(usd)).toBe(text));

test.each<[string, string | undefined]>([
  ["2026-11-20", "2026-11-20"],
  ["20261120", "2026-11-20"],
  ["today", "2026-11-02"],
  ["yesterday", "2026-11-01"],
  ["7d", "2026-10-26"],
  ["2026-02-30", undefined],
  ["2026-11", undefined],
  ["tomorrow", undefined],
])("the day %s is %s", (text, day) => {
  if (day === undefined) expect(() => parseDay("--since", text, "2026-11-02")).toThrow(`--since is no day: "${text}"`);
  else expect(parseDay("--since", text, "2026-11-02")).toBe(day);
});

test.each([
  ["2026-11-02", "2026-11-02"],
  ["2026-11-01", "2026-10-26"],
  ["2026-01-01", "2025-12-29"],
])("the week of %s begins on %s", (day, monday) => expect(mondayOf(day)).toBe(monday));

test.each<[string, number, string]>([
  ["Europe/Berlin", Date.UTC(2026, 2, 28, 23, 30), "2026-03-29 00:30"],
  ["Europe/Berlin", Date.UTC(2026, 2, 29, 22, 30), "2026-03-30 00:30"],
  ["Asia/Kathmandu", Date.UTC(2026, 0, 1, 18, 15), "2026-01-02 00:00"],
  ["UTC", Date.UTC(2026, 0, 1), "2026-01-01 00:00"],
])("in %s, %d is %s", (zone, at, text) => {
  const calendar = createCalendar(zone);
  expect(`${calendar.dayOf(at)} ${calendar.timeOf(at)}`).toBe(text);
});

test("an unknown time zone is an error of the user", () =>
  expect(() => createCalendar("Mars/Base")).toThrow('unknown time zone "Mars/Base"'));

test.each<[string, string, unknown]>([
  ["no file", "", {}],
  ["none of them", '{"other": 1}', {}],
  ["a price", '{"prices": {"m": {"input": 1, "contextWindow": 5}}}', { m: { input: 1, contextWindow: 5 } }],
])("price settings: %s", (_, text, wanted) => {
  const sys = createFakeSys({ files: text === "" ? {} : { "/home/dev/.config/claude-smart/config.json": text } });
  expect(readSettings(sys).prices()).toEqual(wanted as never);
});

test.each<[string, string]>([
  ['{"prices": 5}', "prices: invalid input"],
  ['{"prices": {"m": {"input": "5"}}}', "prices.m.input: invalid input"],
  ['{"prices": {"m": {"inptu": 5}}}', 'prices.m: unrecognized key: "inptu"'],
  ['{"prices": {"m": {"fast": {"input": 5}}}}', "prices.m.fast.output: invalid input"],
  ["{", "failed to read"],
])("wrong price settings %s are named", (text, message) => {
  const sys = createFakeSys({ files: { "/home/dev/.config/claude-smart/config.json": text } });
  expect(() => checkSettings(sys, "prices")).toThrow(message);
});
