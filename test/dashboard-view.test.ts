import { describe, expect, test } from "bun:test";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState, type DashboardState } from "../src/dashboard-state.ts";
import { createTheme, type Role, type Theme, themeNames } from "../src/dashboard-theme.ts";
import { renderDashboard } from "../src/dashboard-view.ts";
import { simulateFleet } from "../src/demo-fleet.ts";
import { width } from "../src/format.ts";
import { judgeHealth } from "../src/health.ts";
import type { LiveSession } from "../src/session.ts";
import { readSettings } from "../src/settings.ts";
import { createFakeSys } from "./fake-sys.ts";
import { blocked, session, testNow } from "./sessions.ts";

const keys = (state: DashboardState, ...names: string[]) =>
  names.reduce((now, name) => reduce(now, { kind: "key", key: { name }, page: 10 }).state, state);
const stateOf = (sessions: LiveSession[], ...names: string[]) =>
  keys(reduce(createDashboardState(testNow), { kind: "sessions", sessions, now: testNow }).state, ...names);
const draw = (state: DashboardState, columns: number, rows: number, theme = createTheme("none")) =>
  renderDashboard(state, { columns, rows, theme, home: "/home/dev" }).lines;
/** As it looks: without weights, and without blanks at the ends. */
const plain = (lines: string[]) => `\n${lines.map((line) => Bun.stripANSI(line).trimEnd()).join("\n")}\n`;

const fleet = () => simulateFleet(testNow, testNow);

/** What `csm config set` writes, as it colours the bar and sets the badge of a session whose context is 70 % full. */
test.each<[dashboard: object, role: Role, badges: string[]]>([
  [{}, "bar", []],
  [{ contextWarnPercent: 60 }, "warn", ["◔"]],
  [{ contextWarnPercent: 60, contextAlarmPercent: 70 }, "alarm", ["◔"]],
])("with %j the bar is the colour of the badge", (dashboard, role, marks) => {
  const sys = createFakeSys({ files: { "/home/dev/.config/claude-smart/config.json": JSON.stringify({ dashboard }) } });
  const one = session("a", { status: "idle_done" } as never, { meter: { source: "transcript", contextPercent: 70 } });
  one.badges = judgeHealth([one], testNow, readSettings(sys).part("dashboard")).get(one.key) ?? [];
  expect(one.badges.map(({ mark }) => mark)).toEqual(marks);
  const theme: Theme = { ...createTheme("none"), paint: (role, text) => `<${role}>${text}</>` };
  const text = draw(stateOf([one]), 400, 20, theme).join("\n");
  expect(text).toContain(`<${role}>████▎░  70%</>`);
  const detail = draw(keys(stateOf([one]), " "), 400, 30, theme).join("\n");
  expect(detail).toContain(`<${role}>██████████████░░░░░░</>`);
});

test.each<[level: NonNullable<DashboardState["rules"]>["level"], role: Role]>([
  ["fine", "dim"],
  ["warning", "warn"],
  ["over", "alarm"],
  ["broken", "error"],
])("the title tells how rules and budgets stand: %s is %s, and nothing without files", (level, role) => {
  const theme: Theme = { ...createTheme("none"), paint: (of, text) => `<${of}>${text}</>` };
  const state = reduce(stateOf([]), { kind: "time", now: testNow, rules: { level, text: "budget\u001b[2J day 83%" } }).state;
  expect(draw(state, 200, 10, theme)[0]).toContain(`<${role}>budget day 83%</>`);
  expect(draw(reduce(state, { kind: "time", now: testNow }).state, 200, 10, theme)[0]).not.toContain("budget");
});

test("80×24", () => {
  expect(plain(draw(stateOf(fleet()), 80, 24))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 4 wait  ● 4 work  ○ 3 idle                $30.5 · $14.8/h  12:00:00
         STATE              FOR NAME                MODEL     CONTEXT        COST
     NEEDS YOU 4
    ▌ ▲  asks Bash       4m 12s checkout-api    ⚔   opus-5-5  ██▌░░░  41%   $3.82
         npm run migrate -- --env staging && npm test
      ▲  plan to read    1m 31s cache-rewrite       opus-5-5  █▍░░░░  23%   $1.14
         # Move the cache to SQLite 1. **Schema**: one table, \`key\` → \`value\`, wi…
      ▲  question           22s docs                sonnet-5  ▊░░░░░  12%   $0.21
         Which tone shall the guide have?
      ◷  limit, 2h left     17m nightly             sonnet-5  ███▎░░  54%   $8.90
         You've hit your 5-hour limit · resets 4:05pm (UTC)

     WORKING 4
      ●  Edit               47s fix-flaky-tests ↻⚔◔ sonnet-5  █████▏  86%   $2.09
      ●  Bash            9m 40s search-index        opus-5-5  ████▏░  68%   $6.40
      ●  subagent            3m survey              opus-5-5  ██▏░░░  35%   $4.71
      ●  Write              12s 日本語の資料        haiku-4-5 ▌░░░░░   9%   $0.05

     IDLE 3
      ○  done                6m release-notes       sonnet-5  █▏░░░░  18%   $0.40
      ○  done, shell on     31m dev-server          haiku-4-5 ▍░░░░░   7%   $0.03
      ○  interrupted         2h spike               opus-5-5  ███▋░░  61%   $2.75
    ────────────────────────────────────────────────────────────────────────────────
     a allow  d deny  space detail  enter pane  m message  / filter  ? keys  x stop
    "
  `);
});

test("60×15", () => {
  expect(plain(draw(stateOf(fleet()), 60, 15))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 4 wait  ● 4 work  ○ 3 idle      $30.5 · $14.8/h
         STATE              FOR NAME                CONTEXT
     NEEDS YOU 4
    ▌ ▲  asks Bash       4m 12s checkout-api    ⚔   ██▌░░░  41%
      ▲  plan to read    1m 31s cache-rewrite       █▍░░░░  23%
      ▲  question           22s docs                ▊░░░░░  12%
      ◷  limit, 2h left     17m nightly             ███▎░░  54%
     WORKING 4
      ●  Edit               47s fix-flaky-tests ↻⚔◔ █████▏  86%
      ●  Bash            9m 40s search-index        ████▏░  68%
      ●  subagent            3m survey              ██▏░░░  35%
      ●  Write              12s 日本語の資料        ▌░░░░░   9%
      ↓ 4 more
    ────────────────────────────────────────────────────────────
     a allow  d deny  space detail  enter pane  m message
    "
  `);
});

test("120×40, with the detail of a gate and the question whether to allow it", () => {
  expect(plain(draw(stateOf(fleet(), "a"), 120, 40))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 4 wait  ● 4 work  ○ 3 idle                                                        $30.5 · $14.8/h  12:00:00
         STATE          BY     FOR NAME                PROFILE  BRANCH       MODEL     CONTEXT        COST    $/H TOKENS SUB
     NEEDS YOU 4
    ▌ ▲  asks Bash      f   4m 12s checkout-api    ⚔   work     feat/refunds opus-5-5  ██▌░░░  41%   $3.82  $2.40   1.6M
      ▲  plan to read   h   1m 31s cache-rewrite       work     sqlite-cache opus-5-5  █▍░░░░  23%   $1.14  $1.10   467k
      ▲  question       f      22s docs                private  main         sonnet-5  ▊░░░░░  12%   $0.21  $0.30    86k
      ◷  limit, 2h left h      17m nightly             work     main         sonnet-5  ███▎░░  54%   $8.90          3.6M
     WORKING 4
      ↓ 7 more
    ── checkout-api ────────────────────────────────────────────────────────────────────────────────────────────────────────
     It asks to use Bash
       command:
         npm run migrate -- --env staging && npm test
       description:
         Run the migration on staging
       1. Yes  allow once
       2. Yes, and don't ask again for: npm *  allow-always
       3. Yes, and switch to auto mode  mode-switch
       4. No  refuse

     state    asks Bash for 4m 12s (session-file, 4m 12s ago)
     folder   ~/shop on feat/refunds
     program  claude 2.1.329 · pid 4711
     session  00000000-0000-4000-8000-000000004711 · profile work
     model    claude-opus-5-5
     context  ████████▎░░░░░░░░░░░ 41 % 410k of 1.0M
     cost     $3.82 · $2.40 an hour · 1.6M tokens
     ⚔ edits /home/dev/shop/src/ledger.ts, and so does fix-flaky-tests

     Activity of 30m
       ······▂▂▄▆▆█████▆▆▄▂···········▂▂▄▄▆█████▆▆▄▂···········▂▂▄▄

     Tools lately
       Read 18 · Edit 9 · Bash 7

     Files it edits: 2
       src/ledger.ts ×4, 3m ago
       src/refunds.ts ×1, 1m 30s ago
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     Allow this once for checkout-api?  y yes   j k read on   any other key no
    "
  `);
});

test("wide characters keep the columns in line", () => {
  const sessions = [
    session("日本語の資料を書く長い名前のセッション", { status: "idle_done" }, { pid: 1, branch: "機能/検索", profile: "仕事" }),
    session("👩‍👩‍👧‍👦 family", { status: "working", tools: ["Bash"] } as never, { pid: 2, branch: "é" }),
    blocked("ascii", "echo 'ｆｕｌｌ ｗｉｄｔｈ'", { pid: 3 }),
  ];
  expect(plain(draw(stateOf(sessions), 80, 12))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 1 waits  ● 1 work  ○ 1 idle                                12:00:00
         STATE         BY     FOR NAME                 PROFILE  BRANCH     MODEL
     NEEDS YOU 1
    ▌ ▲  asks Bash     f   2m 10s ascii                                    opus-5-5
     WORKING 1
      ●  Bash          f       5s 👩‍👩‍👧‍👦 family                     é          opus-5-5
     IDLE 1
      ○  done          f       5s 日本語の資料を書く…  仕事     機能/検索  opus-5-5


    ────────────────────────────────────────────────────────────────────────────────
     a allow  d deny  space detail  enter pane  m message  / filter  ? keys  x stop
    "
  `);
});

test("nobody is there", () => {
  expect(plain(draw(stateOf([]), 60, 8))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 0 wait  ● 0 work  ○ 0 idle             12:00:00

     no session of Claude Code is running
     c starts one here; others appear by themselves


    ────────────────────────────────────────────────────────────
     a allow  d deny  space detail  enter pane  m message
    "
  `);
});

test("grouped by project, sorted by cost", () => {
  expect(plain(draw(stateOf(fleet(), "s", "p"), 100, 22))).toMatchInlineSnapshot(`
    "
     csm top  ▲ 4 wait  ● 4 work  ○ 3 idle                        by project  $30.5 · $14.8/h  12:00:00
         STATE              FOR NAME                PROFILE  BRANCH       MODEL     CONTEXT        COST

     handbook 2
      ▲  question           22s docs                private  main         sonnet-5  ▊░░░░░  12%   $0.21
         Which tone shall the guide have?
      ●  Write              12s 日本語の資料        private  ja           haiku-4-5 ▌░░░░░   9%   $0.05

     ops 1
      ◷  limit, 2h left     17m nightly             work     main         sonnet-5  ███▎░░  54%   $8.90
         You've hit your 5-hour limit · resets 4:05pm (UTC)

     research 1
      ●  subagent            3m survey              private  main         opus-5-5  ██▏░░░  35%   $4.71

     shop 4
    ▌ ▲  asks Bash       4m 12s checkout-api    ⚔   work     feat/refunds opus-5-5  ██▌░░░  41%   $3.82
         npm run migrate -- --env staging && npm test
      ●  Edit               47s fix-flaky-tests ↻⚔◔ work     feat/refunds sonnet-5  █████▏  86%   $2.09
      ↓ 2 more
    ────────────────────────────────────────────────────────────────────────────────────────────────────
     a allow  d deny  space detail  enter pane  m message  / filter  ? keys  x stop  q quit  c new
    "
  `);
});

/** Each text with what it is painted as. */
const spoken: Theme = { ...createTheme("none"), paint: (role, text) => (text === "" ? "" : `<${role}>${text}</>`) };
const asking = (questions: unknown[], more = {}) =>
  session("it", { status: "awaiting_answer", gate: "question", question: "Which folder?", questions, gate_id: "q", ...more } as never, {
    pid: 9,
  });
const folder = { question: "Which folder?", header: "Folder", options: [{ label: "src", description: "the sources" }, { label: "test" }] };
const checks = { question: "Which checks?", header: "Checks", multiSelect: true, options: [{ label: "lint" }, { label: "unit" }] };

test("what a gate asks for is brighter than all beside it, in the list, in the detail, and in each theme", () => {
  const text = draw(stateOf(fleet(), "a"), 300, 60, spoken).join("\n");
  expect(text).toMatch(/<asked> *npm run migrate -- --env staging && npm test<\/>/);
  expect(draw(stateOf(fleet()), 100, 40, spoken).join("\n")).toContain("<asked>npm run migrate -- --env staging && npm test</>");
  expect(draw(stateOf([asking([folder])], "a"), 200, 40, spoken).join("\n")).toMatch(/<asked> *Which folder\?<\/>/);
  const codes = themeNames.map((name) => createTheme(name).paint("asked", "").concat(createTheme(name).paint("asked", "x").slice(2, -5)));
  expect(codes).toEqual(["1m", "1m", "1;97m", "1m"]);
});

test("every column of letters has a head", () => {
  const [, head = "", , row = ""] = plain(draw(stateOf([session("it", { status: "idle_done" })]), 120, 12))
    .split("\n")
    .slice(1);
  expect(row.indexOf(" f ") + 1).toBe(head.indexOf("BY"));
});

test("the detail shows title and last prompt", () => {
  const one = session(
    "it",
    { status: "idle_done" },
    { facts: { turns: 2, aiTitle: "Mend the cache", firstPrompt: "Hello", lastPrompt: "Now the tests" } },
  );
  expect(plain(draw(stateOf([one], " "), 80, 24))).toMatch(/ title {4}Mend the cache\n prompt {3}Now the tests\n/);
});

test("an API that is asked again is told with count and wait, in the row and in the detail", () => {
  const retry = { attempt: 3, max_attempts: 10, wait_ms: 8000, error: "529 overloaded" };
  const text = plain(draw(stateOf([session("it", { status: "working", retry } as never)], " "), 80, 24));
  expect(text).toContain("retry 3/10 in 8s");
  expect(text).toContain("retry    attempt 3 of 10, the next in 8s: 529 overloaded");
});

test("at 250 columns folder, branch and last words have the room", () => {
  const one = session(
    "it",
    {
      status: "idle_done",
      text: "All forty tests are green now, and the cache holds what it should hold after a restart too.",
      outcome: "finished",
    } as never,
    { cwd: "/home/dev/projects/customers/north/shop-frontend-rewrite", branch: "feature/very-long-branch-name-of-a-ticket" },
  );
  const text = plain(draw(stateOf([one]), 250, 12));
  expect(text).toContain("~/projects/customers/north/shop-frontend-rewrite");
  expect(text).toContain("feature/very-long-branch-name-of-a-ticket");
  expect(text).toContain("All forty tests are green now, and the cache holds what it should hold after a restart too.");
});

test("at 80×24 list and detail share the screen", () => {
  for (const names of [[" "], ["a"], ["d"], ["down", "a"], ["down", "down", "a"]]) {
    const text = plain(draw(stateOf(fleet(), ...names), 80, 24));
    expect([names, text]).toEqual([
      names,
      expect.stringMatching(/NAME[\s\S]*▌[\s\S]*── [a-z-]+ ─[\s\S]*It asks|NAME[\s\S]*▌[\s\S]*Its plan/),
    ]);
  }
});

test("two questions, one answered and one with ticks", () => {
  const sessions = [asking([folder, checks])];
  const shown = plain(draw(stateOf(sessions, "a", "1", "2", " "), 80, 24));
  expect(shown).toMatch(
    /It asks 2 questions\n {3}☒ Folder {2}☐ Checks\n\n {3}Which checks\?\n {5}1\. \[ \] lint\n {3}▸ 2\. \[ \] unit\n {5}3\. something else: write it/,
  );
  expect(plain(draw(stateOf(sessions, "a", "1", "2"), 80, 24))).toMatch(
    /1-2 tick {3}3 write {3}tab next {3}enter send all 2 {3}esc leave it\n/,
  );
  expect(plain(draw(stateOf(sessions, "a"), 80, 24))).toContain("1. ○ src\n            the sources\n     2. ○ test");
});

test("the option under the cursor is in sight, however small the screen", () => {
  const many = {
    ...folder,
    options: Array.from({ length: 8 }, (_, index) => ({ label: `option ${index}`, description: "in words ".repeat(20) })),
  };
  for (let step = 0; step <= 8; step++) expect(plain(draw(stateOf([asking([many])], "a", ..."j".repeat(step)), 60, 14))).toContain("▸");
});

test("of several gates all are told, the one that is asked first", () => {
  const gates = [
    { gate_id: "1", gate: "permission", agent: "Explore", agent_id: "a", tool: "Bash", input: { command: "ls" }, shown: true, held: true },
    { gate_id: "2", gate: "permission", agent: null, agent_id: null, tool: "Bash", input: { command: "rm x" }, shown: false, held: true },
  ];
  const one = blocked("it", "ls", { pid: 1 });
  const text = plain(draw(stateOf([{ ...one, verdict: { ...one.verdict, agent: "Explore", gates } as never }], "a"), 80, 24));
  expect(text).toContain("It asks to use Bash, from the Explore agent (1 of 2 that wait)");
  expect(text).toContain("then the main thread: Bash rm x");
});

test("a message of many lines is seen whole, with its cursor", () => {
  const text = plain(draw(stateOf(fleet(), "G", "m", "a", "alt-enter", "b", "alt-enter", "c"), 80, 24));
  expect(text).toMatch(/ to spike: enter sends it, alt-enter a new line, esc drops it \(↑ has it\)\n {2}a\n {2}b\n {2}c\n$/);
});

test("what is told is told whole", () => {
  const text = `session "it" holds a draft: ${"word ".repeat(20)}; nothing was typed; submit or clear it in the pane`;
  const told = reduce(stateOf(fleet()), { kind: "told", text, isError: true, now: testNow }).state;
  expect(plain(draw(told, 80, 24)).replace(/\s+/g, " ")).toContain(text);
});

test("what is told while something is written stands above it", () => {
  const writing = reduce(stateOf(fleet(), "G", "m", "a"), {
    kind: "told",
    text: "the gate was answered at the pane",
    isError: true,
    now: testNow,
  }).state;
  expect(plain(draw(writing, 80, 24))).toMatch(/ the gate was answered at the pane\n to spike: a/);
});

test("help says how far it is scrolled, and what leaves it", () => {
  expect(plain(draw(stateOf([], "?", "j"), 80, 24))).toMatch(/scroll 1\/\d+ {3}any other key back\n$/);
  expect(plain(draw(stateOf([], "?", "G"), 80, 24))).toContain("two sub-agents at work");
});

test("no text breaks a line: wide, joined, marked, unseen, with tabs", () => {
  const texts = [
    "👩‍👩‍👧‍👦".repeat(30),
    "日本語".repeat(60),
    "e\u0301\u0302".repeat(90),
    "🇩🇪".repeat(50),
    "a\tb\t".repeat(40),
    "❤️1️⃣👍🏽".repeat(30),
    "ก็ลำ".repeat(50),
  ];
  for (const text of texts)
    for (const columns of [41, 80, 250])
      for (const names of [[" "], ["a"], ["p", "d", "r", ...text.slice(0, 40)]]) {
        const sessions = hostile(text);
        for (let step = 0; step < sessions.length; step += 3) {
          const lines = draw(stateOf(sessions, ...Array.from({ length: step }, () => "down"), ...names), columns, 40, createTheme("dark"));
          expect(lines.filter((line) => width(line) > columns || /[\t\n]/.test(line))).toEqual([]);
        }
      }
});

const sizes: [columns: number, rows: number][] = [
  [60, 15],
  [61, 16],
  [79, 23],
  [100, 30],
  [132, 43],
  [200, 60],
  [300, 100],
  [20, 5],
  [1, 1],
];
const views: [name: string, keys: string[]][] = [
  ["list", []],
  ["detail", [" "]],
  ["scrolled detail", [" ", ..."JJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJJ"]],
  ["question", ["a"]],
  ["stop", ["x"]],
  ["help", ["?"]],
  ["scrolled help", ["?", "G"]],
  ["answer", ["G", "g", "down", "down", "a"]],
  ["answer in words", ["down", "down", "a", "3", ..."日本語 👩‍👩‍👧‍👦 ".repeat(30)]],
  ["reason", ["d", "r", ..."because 日本語 ".repeat(9)]],
  ["plan", ["down", "a", "j"]],
  ["filter", ["/", ..."engine"]],
  ["message", ["G", "m", ..."hello there 日本語".repeat(20)]],
  ["message of many lines", ["G", "m", ...Array.from({ length: 60 }, () => ["日", "alt-enter"]).flat()]],
  ["end of the list", ["G", " "]],
];

describe.each(sizes)("%i×%i", (columns, rows) => {
  test.each(views)("%s fills the screen and never more", (_, names) => {
    for (const theme of themeNames) {
      const lines = draw(stateOf(fleet(), ...names), columns, rows, createTheme(theme));
      expect(lines.length).toBe(rows);
      expect(lines.filter((line) => width(line) > columns)).toEqual([]);
    }
  });
});

test("the session under the cursor is always in sight, however small the screen", () => {
  for (let step = 0; step < fleet().length; step++) {
    const state = stateOf(fleet(), ...Array.from({ length: step }, () => "down"));
    const frame = renderDashboard(state, { columns: 60, rows: 10, theme: createTheme("none"), home: "/" });
    expect(frame.hits).toContain(state.selected);
  }
});

test("without colour nothing but weight is used, and every state has its own sign", () => {
  const codes = new Set(
    draw(stateOf(fleet(), " "), 120, 60).flatMap((line) =>
      line
        .split("\u001b[")
        .slice(1)
        .map((part) => /^([\d;]*)m/.exec(part)?.[1] ?? "none"),
    ),
  );
  expect([...codes].filter((code) => !["0", "1", "2", "3", "4", "7", "9", "22", "23", "24", "27", "29"].includes(code ?? ""))).toEqual([]);
  const text = draw(stateOf(fleet()), 120, 40).join("\n");
  for (const sign of ["▲", "●", "○", "◷"]) expect(text).toContain(sign);
});

// --- hostile text ------------------------------------------------------------------------------------------------

const attacks: [what: string, text: string][] = [
  ["moves the cursor", "a\u001b[1;1Hb\u001b[2Jc"],
  ["sets the title", "a\u001b]0;owned\u0007b\u001b]2;owned\u001b\\c"],
  ["rings", "a\u0007b"],
  ["writes the clipboard", `a\u001b]52;c;${Buffer.from("evil").toString("base64")}\u0007b`],
  ["writes the clipboard in C1", "a\u009d52;c;ZXZpbA==\u009cb"],
  ["moves in C1", "a\u009b2Jb"],
  ["through markdown's own escapes", "a&#27;[2J&#x1b;]52;c;ZXZpbA==&#7;&#155;2Jb"],
  ["through a link", "[x](https://e.example/\u001b]0;owned\u0007) <https://e.example/&#27;[2J>"],
  ["an unfinished sequence", "a\u001b]52;c;ZXZpb"],
  ["a sequence cut by a style", "a\u001b]0;x\u001b[0mowned\u0007"],
  ["turns the direction", "a\u202eb\u2066c"],
  ["returns and feeds", "a\rb\nc\u000bd\u000ce\u0085f"],
  ["asks the terminal to answer", "a\u001b[6n\u001b[c\u001bZ\u0005b"],
  ["a device string", "a\u001bP+q544e\u001b\\b\u001b_x\u001b\\c"],
];

function hostile(text: string): LiveSession[] {
  const work = { ...session("x", { status: "idle_done" }).work };
  work.tools = new Map([[text, 3]]);
  work.files = new Map([[text, { edits: 1, at: testNow }]]);
  work.errors = [{ at: testNow, tool: text, text }];
  const more: Partial<LiveSession> = {
    cwd: `/${text}`,
    branch: text,
    profile: text,
    model: text,
    note: text,
    tmux: text,
    version: text,
    driver: text,
    sessionId: text,
    work,
    agents: [{ id: "1", type: text, description: text, model: text, isRunning: true, transcript: "" }],
    badges: [{ kind: "same-file", isAlarm: true, mark: "⚔", text }],
    facts: { turns: 1, customTitle: text, lastPrompt: text },
  };
  const gates = [1, 2].map(() => ({ agent: text, tool: text, gate: text, input: { [text]: text } }));
  return [
    blocked(text, text, { ...more, pid: 1 }),
    session(
      text,
      {
        status: "blocked",
        gate: "dialog",
        prompt: text,
        subject: `${text}\n${text}`,
        options: [text],
        choices: [{ option: 1, label: text, meaning: text }],
        tool: text,
      } as never,
      { ...more, pid: 2 },
    ),
    session(text, { status: "plan_ready", plan: text, plan_file: text, options: [], choices: [] } as never, { ...more, pid: 3 }),
    session(text, { status: "awaiting_answer", question: text, gate: "question", gates, agent: text } as never, { ...more, pid: 4 }),
    session(
      text,
      {
        status: "awaiting_answer",
        question: text,
        gate: "question",
        questions: [1, 2].map(() => ({ question: text, header: text, options: [{ label: text, description: text }] })),
      } as never,
      { ...more, pid: 11 },
    ),
    session(text, { status: "awaiting_answer", question: text } as never, { ...more, pid: 5 }),
    session(text, { status: "failed", text, error: text } as never, { ...more, pid: 6 }),
    session(text, { status: "limited", text, window: text, resets_at: null } as never, { ...more, pid: 7 }),
    session(text, { status: "working", tools: [text], background: [text] } as never, { ...more, pid: 8 }),
    session(text, { status: "idle_done", text, background: [text] } as never, { ...more, pid: 9 }),
    session(text, { status: "unknown" }, { ...more, pid: 10 }),
  ];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const forbidden = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with ESC
const ownStyle = /\u001b\[[\d;:]*m/g;
/** What may reach the terminal: printable characters and our own styles. */
const isCalm = (line: string): boolean => !forbidden.test(line.replace(ownStyle, ""));

test.each(attacks)("a text that %s is only a text", (_, text) => {
  const sessions = hostile(text);
  for (let step = 0; step < sessions.length; step++)
    for (const names of [[], [" "], ["a"], ["x"], ["m"], ["d"], ["d", "r", ...text], ["c"], ["/", ...text], ["p"], ["p", "p"]]) {
      const state = stateOf(sessions, ...Array.from({ length: step }, () => "down"), ...names);
      expect(draw(state, 100, 60, createTheme("dark")).filter((line) => !isCalm(line) || width(line) > 100)).toEqual([]);
    }
});

test("a message of another program's error is calm too", () => {
  const told = reduce(stateOf([]), { kind: "told", text: "a\u001b]52;c;x\u0007\nb", isError: true, now: testNow }).state;
  expect(draw(told, 80, 10).every(isCalm)).toBe(true);
});
