import { expect, test } from "bun:test";
import { createDraft } from "../src/dashboard-editor.ts";
import { renderFooter, renderHelp } from "../src/dashboard-help.ts";
import { keyRows, reduce } from "../src/dashboard-keys.ts";
import { createDashboardState, type DashboardState } from "../src/dashboard-state.ts";
import { createTheme } from "../src/dashboard-theme.ts";
import { width } from "../src/format.ts";
import { badgeRows } from "../src/health.ts";
import { statuses, statusRow } from "../src/statuses.ts";
import { blocked, session, testNow } from "./sessions.ts";

const theme = createTheme("none");
const help = (columns: number) => renderHelp({ theme, columns }).map((line) => Bun.stripANSI(line).trimEnd());
const footer = (state: DashboardState, columns = 400) => Bun.stripANSI(renderFooter(state, { theme, columns })).trim();
const names = keyRows.flatMap(({ keys, label }) => (label === undefined ? keys.slice(0, 1) : [label]));
const stateOf = (...sessions: DashboardState["sessions"]) =>
  reduce(createDashboardState(testNow), { kind: "sessions", sessions, now: testNow }).state;
const waiting = stateOf(blocked("it", "ls", { pid: 1 }));

test("the help page", () => {
  expect(`\n${help(80).join("\n")}\n`).toMatchInlineSnapshot(`
    "
     MOVE
      ↑/k ↓/j g G    choose a session; the cursor stays with it
      n N            the next that fits what / was last, the one before
      space →/l ←/h  its detail, and back
      click          choose a session; once more for its detail
      J K pgdn pgup  scroll the detail, and what is asked
      ctrl-d ctrl-u  half a page
      esc            back from the detail; else clear the filter

     ACT ON THE SESSION UNDER THE CURSOR
      a              allow what it asks, once; approve its plan; answer its
                     questions
      d              refuse what it asks, also with a reason
      enter          go to its pane, where tmux's prefix and d come back, or to its
                      window
      m              send it a message; alt-enter makes a new line, ↑ brings back
                     the last
      x              stop it; asks first
      c              start a session in a folder
      y              copy its id to the clipboard

     ARRANGE
      /              filter by name, folder, branch, model, state …
      s              sort by attention, cost, context, name, age
      p              group by project or profile or machine
      f              follow: the cursor goes to whoever begins to wait
      X              forget those that have ended

     HELP, LEAVE
      ?              this page
      q ctrl-c       quit
      ctrl-z         suspend
      ctrl-l         redraw

     MARKS
      ◌ ● ▲ ○        starts, works, needs you, idle
      ◷ ✖ × ?        at a limit, failed, ended, not known
      h f t p x c    said by: hook, session-file, transcript, pane, process, cpu
      ⚔ ⋈            edits the same file as another, edits in the same checkout
      ⧉ ↻            two processes in one conversation, calls fail in a row
      ⧖ ◔            stalled, context nearly full
      ❄ ?            prompt cache gone, transcript of an unknown format
      2▸ in SUB      two sub-agents at work
    "
  `);
});

test("no key is in two rows, and no two rows read alike", () => {
  const keys = keyRows.flatMap((row) => row.keys);
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test.each(keyRows.map((row, index) => [names[index] ?? "", row] as const))("%s is on the help page with its note", (name, { note }) => {
  const line = help(200).find((text) => text.trimStart().split(/ {2,}/)[0]?.split(" ").includes(name) === true && text.endsWith(note));
  expect(line).toBeDefined();
});

test.each(keyRows.flatMap((row, index) => (row.word === undefined ? [] : [[names[index] ?? "", row.word] as const])))(
  "%s is in the footer with its word",
  (name, word) => {
    const shown = typeof word === "function" ? word(waiting) : word;
    expect(` ${footer(waiting)} `).toContain(` ${name} ${shown} `);
  },
);

/** Keys that can do nothing, in brackets. */
const marked = (state: DashboardState): string =>
  renderFooter(state, { theme: { ...theme, paint: (role, text) => (role === "off" ? `(${text})` : text) }, columns: 64 }).trim();

test.each<[rule: string, state: DashboardState, shown: string]>([
  ["of one that asks", waiting, "a allow  d deny  space detail  enter pane  (m) (message)"],
  ["of one that works", stateOf(session("it", { status: "working" })), "(a) (allow)  (d) (deny)  space detail  enter pane  m message"],
  ["with the detail", { ...waiting, hasDetail: true }, "a allow  d deny  space list  enter pane  (m) (message)"],
  ["of a plan", stateOf(session("it", { status: "plan_ready" })), "a approve  d deny  space detail  enter pane  (m) (message)"],
  [
    "of a question",
    stateOf(session("it", { status: "awaiting_answer", gate: "question", question: "?", questions: [] } as never)),
    "a answer  d deny  space detail  enter pane  (m) (message)",
  ],
  [
    "of one that asks in its last words",
    stateOf(session("it", { status: "awaiting_answer" })),
    "a answer  (d) (deny)  space detail  enter pane  m message",
  ],
  [
    "of one in no pane",
    stateOf(session("it", { status: "idle_done" }, { isBelowTmux: false })),
    "(a) (allow)  (d) (deny)  space detail  (enter) (pane)  (m) (message)",
  ],
  ["of nobody", stateOf(), "(a) (allow)  (d) (deny)  space detail  (enter) (pane)  (m) (message)"],
])("the footer %s", (_, state, shown) => {
  expect(marked(state)).toStartWith(shown);
});

test.each(keyRows.flatMap(({ keys, why }) => (why === undefined ? [] : [[keys[0] ?? "", why] as const])))(
  "%s says why it does nothing, and does nothing",
  (name, why) => {
    const state = stateOf();
    expect(why(state)).toBeString();
    const result = reduce(state, { kind: "key", key: { name }, page: 10 });
    expect([result.state.mode, result.effects, result.state.toast?.text]).toEqual([state.mode, [], why(state)]);
  },
);

test("a narrow screen has the beginning of the footer, in whole words", () => {
  for (let columns = 0; columns < 120; columns++) {
    const line = footer(waiting, columns);
    expect(width(line)).toBeLessThanOrEqual(columns);
    expect(`${footer(waiting)}  `).toStartWith(line === "" ? "" : `${line}  `);
  }
});

test("the help page explains every mark of a status and of a badge", () => {
  const text = help(200).join("\n");
  for (const { mark, meaning } of [...statuses.map(statusRow), ...Object.values(badgeRows)]) {
    expect(text).toContain(mark);
    expect(text).toContain(meaning);
  }
});

test.each(
  keyRows.flatMap(({ keys, isEverywhere, why, press }) => keys.map((key) => [key, isEverywhere === true, why?.(waiting), press] as const)),
)("%s is pressed from its row", (name, isEverywhere, why, press) => {
  const pressed = { key: { name }, page: 10 };
  const before = { ...waiting, pressedAt: waiting.now };
  if (why === undefined) expect(reduce(waiting, { kind: "key", ...pressed })).toEqual(press(before, pressed));
  const writing: DashboardState = { ...before, mode: { kind: "message", key: "1:1", draft: createDraft() } };
  const { effects } = reduce(writing, { kind: "key", ...pressed });
  expect(effects).toEqual(isEverywhere ? press(writing, pressed).effects : []);
});

test("the help page begins with what can be done to the session under the cursor", () => {
  const lines = renderHelp({ theme, columns: 80 }, session("it", { status: "idle_done" }, { isBelowTmux: false })).map((line) =>
    Bun.stripANSI(line).trimEnd(),
  );
  expect(`\n${lines.slice(0, 6).join("\n")}\n`).toMatchInlineSnapshot(`
    "
     it
      stop                  can be done now
      focus type interrupt  no: it runs in no tmux pane of yours
      allow deny answer     no: it asks for nothing

     MOVE
    "
  `);
});
