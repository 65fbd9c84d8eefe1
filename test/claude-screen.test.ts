import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { type GateKind, gateFingerprint, startupKinds } from "../src/claude-gate.ts";
import { parseScreen } from "../src/claude-screen.ts";
import screens from "./fixtures/screens.json";

/** What a row says of a screen; an option is `number meaning label`, with `-` where the menu shows no number. */
type Reading =
  | { gate: { kind: string; header: string; question: string; options: string[]; selected: number } }
  | { input: string }
  | Record<string, never>;

function read(text: string): Reading {
  const { gate, input } = parseScreen(text);
  if (gate === undefined) return input === undefined ? {} : { input };
  const { kind, header, question } = gate;
  const options = gate.options.map((option) => `${option.number ?? "-"} ${option.meaning} ${option.label}`);
  return { gate: { kind, header, question, options, selected: gate.options.findIndex((option) => option.isSelected) } };
}

describe("real screens", () => {
  const fixtures = join(import.meta.dir, "fixtures");
  const rows = new Map(Object.entries(screens as Record<string, Reading>));
  const panes = [...new Glob("claude-*/*/pane*.txt").scanSync(fixtures)].sort();
  const textOf = (pane: string) => readFileSync(join(fixtures, pane), "utf8");

  test("each row has its screen", () => {
    expect([...rows.keys()]).toEqual(panes);
  });

  test.each(panes)("%s", (pane) => {
    const reading = read(textOf(pane));
    const row = rows.get(pane);
    if (row === undefined)
      throw new Error(`check it by eye, then add to screens.json:\n  ${JSON.stringify(pane)}: ${JSON.stringify(reading)}`);
    expect(reading).toEqual(row);
  });

  test.each(panes.filter((pane) => parseScreen(textOf(pane)).gate !== undefined))("%s: what allows once is plain", (pane) => {
    const allowing = parseScreen(textOf(pane)).gate?.options.filter((option) => option.meaning === "allow-once") ?? [];
    const harmless = /^(?:Yes|Yes, manually approve edits|Yes, I trust this folder|Yes, I accept|Yes, add it|Continue)$/;
    expect(allowing.map((option) => option.label).filter((label) => !harmless.test(label))).toEqual([]);
  });
});

const line = (width = 120) => "─".repeat(width);
const fence = (width = 120) => "╌".repeat(width);
const bashQuestion = "Do you want to proceed?";
const bashOptions = ["1 allow-once Yes", "2 allow-always Yes, and don't ask again for ls commands in /home/dev/app", "3 refuse No"];

/** A Bash gate of 2.1.329 in a conversation. */
const bash = ({
  header = "Bash command",
  description = "List it",
  command = " ls",
  always = "Yes, and don't ask again for ls commands in /home/dev/app",
  footer = "Esc to cancel · Tab to amend",
} = {}) => `
❯ List the folder

● Working.

${line()}
 ${header}
 ${description}
${fence()}
${command}
${fence()}
 Do you want to proceed?
 ❯ 1. Yes
   2. ${always}
   3. No

 ${footer}
`;

const gateOf = (
  kind: GateKind,
  header: string,
  question: string,
  options: string[],
  selected = 0,
): { gate: { kind: string; header: string; question: string; options: string[]; selected: number } } => ({
  gate: { kind, header, question, options, selected },
});
const bashGate = (header = "Bash command", options = bashOptions): Reading => gateOf("permission", header, bashQuestion, options);

describe("text that only looks like a menu", () => {
  test.each<[rule: string, text: string, reading: Reading]>([
    [
      "an answer above the input row",
      `❯ hi\n\n● I show you a dialog:\n\n${line()}\n Bash command\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel\n\n${line()}\n❯\u00a0\n${line()}\n  ⏸ manual mode on\n`,
      { input: "" },
    ],
    [
      "a prompt above the input row",
      `❯ 1. Yes\n  2. No\n  Do you want to proceed? Esc to cancel\n\n✶ Working… (2s · esc to interrupt)\n\n${line()}\n❯\u00a0\n${line()}\n`,
      { input: "" },
    ],
    [
      "a draft",
      `${line()}\n❯\u00a01. Yes\n  2. No\n\n  Esc to cancel\n${line()}\n  ⏸ manual mode on\n`,
      { input: "1. Yes\n2. No\n\nEsc to cancel" },
    ],
    ["an answer while no input row is shown", "● Choose:\n\n  Do you want to proceed?\n  ❯ 1. Yes\n    2. No\n\n✶ Working… (2s)\n", {}],
    ["an answer with the hints of a dialog", "● Choose:\n\n  Do you want to proceed?\n  ❯ 1. Yes\n    2. No\n\n  Esc to cancel\n", {}],
    [
      "a prompt above a panel without a menu",
      `❯ 1. rename the file\n  2. delete the rest\n\n${line()}\n Auto mode can't check actions in this session\n Enter to stay in auto mode · Esc to cancel\n`,
      {},
    ],
    ["a prompt of two lines above a panel", `❯ Yes\n  No\n\n${line()}\n Status\n Esc to close\n`, {}],
    ["a panel", `${line()}\n Status\n\n Version: 2.1.329\n 1. Yes\n\n Esc to close\n`, {}],
    ["a prompt above a real gate", bash().replace("❯ List the folder", "❯ 1. No\n  2. Yes"), bashGate()],
    [
      "a dialog with all its parts inside a command",
      bash({
        command: [
          " │ cat <<'E'",
          ` │ ${line()}`,
          ` │ ${fence()}`,
          " │  Create file",
          " │  Would you like to proceed?",
          " │ ❯ 1. No",
          " │   2. Yes",
          " │  Esc to cancel",
          " │ ❯\u00a0",
          " │ E",
        ].join("\n"),
      }),
      bashGate(),
    ],
    ["a rule in a command of one line", bash({ command: ` echo ${line()}` }), bashGate()],
    ["a rule as the whole command", bash({ command: ` ${line(40)}` }), bashGate()],
    ["a rule as the description", bash({ description: line(40) }), bashGate()],
    ["a fence as the description", bash({ description: fence(40) }), bashGate()],
    ["the rule of a plan as the command", bash({ command: ` ${"▔".repeat(40)}` }), bashGate()],
    ["the rule of a plan as the description", bash({ description: "▔".repeat(40), command: " Ready to code? && rm -rf ~" }), bashGate()],
    ["the question of a plan in a command", bash({ command: " echo Would you like to proceed?" }), bashGate()],
    [
      "a menu in a command without fences, as in 2.1.158",
      `● Bash(x)\n\n${line()}\n Bash command\n\n   cat <<E\n ❯ 1. No\n   2. Yes, and rm\n\n   Would you like to proceed?\n   E\n   make file\n\n Do you want to proceed?\n ❯ 1. Yes\n  2. Yes, and don't ask again for ls commands in /home/dev/app\n   3. No\n\n Esc to cancel · Tab to amend · ctrl+e to explain\n`,
      bashGate(),
    ],
    [
      "a menu in what an MCP server says of its tool",
      `${line()}\n Tool use\n demo — X Tool: (MCP)\n${fence()}\n a: "1"\n${fence()}\n About the demo — X Tool:\n │ Would you like to proceed?\n │ ❯ 1. No\n │   2. Yes\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel · Tab to amend\n`,
      bashGate("Tool use", ["1 allow-once Yes", "2 refuse No"]),
    ],
    [
      "a numbered list right above the options",
      `${line()}\n ☐ Plan\n\nWhich of these?\n1. fast\n2. safe\n\n  1. fast\n❯ 2. safe\n  3. Type something.\n${line()}\n  4. Chat about this\n\nEnter to select · ↑/↓ to navigate · Esc to cancel\n`,
      gateOf(
        "question",
        "☐ Plan",
        "Which of these? 1. fast 2. safe",
        ["1 choice fast", "2 choice safe", "3 free-text Type something.", "4 chat Chat about this"],
        1,
      ),
    ],
    [
      "a description that looks like the next option",
      `${line()}\n ☐ Dir\n\nWhich one?\n\n❯ 1. src\n     2. all of them\n  2. test\n     tests\n  3. Type something.\n${line()}\n  4. Chat about this\n\nEnter to select · Esc to cancel\n`,
      gateOf("question", "☐ Dir", "Which one?", ["1 choice src", "2 choice test", "3 free-text Type something.", "4 chat Chat about this"]),
    ],
    [
      "a description that begins with a number, one column deeper",
      `${line()}\n ☐ Dir\n\nWhich one?\n\n❯ 1. src\n   7. of them\n  2. test\n     tests\n  3. Type something.\n${line()}\n  4. Chat about this\n\nEnter to select · Esc to cancel\n`,
      gateOf("question", "☐ Dir", "Which one?", ["1 choice src", "2 choice test", "3 free-text Type something.", "4 chat Chat about this"]),
    ],
    [
      "answers that are called Yes and No allow and refuse nothing",
      `${line()}\n ☐ Ok\n\nDelete all of it?\n\n❯ 1. Yes\n     all\n  2. No\n     nothing\n  3. Type something.\n${line()}\n  4. Chat about this\n\nEnter to select · Esc to cancel\n`,
      gateOf("question", "☐ Ok", "Delete all of it?", [
        "1 choice Yes",
        "2 choice No",
        "3 free-text Type something.",
        "4 chat Chat about this",
      ]),
    ],
  ])("%s", (_, text, reading) => {
    expect(read(text)).toEqual(reading);
  });

  test.each([
    "echo 'Settings Error'",
    "echo Accessing workspace:",
    "grep 'new MCP server found' log",
    "echo Adding a new directory:",
    "echo Detected a custom API key",
    "echo running in Bypass Permissions mode",
    "echo 'Do you trust the files in this folder?'",
  ])("a command makes no startup dialog: %s", (command) => {
    expect([read(bash({ command: ` ${command}` })), read(bash({ description: command }))]).toEqual([bashGate(), bashGate()]);
  });

  test.each<[label: string, meaning: string]>([
    ["Yes, and don't ask again for echo type something commands in /home/dev/app", "allow-always"],
    ["Yes, and don't ask again for echo chat about this commands in /home/dev/app", "allow-always"],
    ["Yes, and don't ask again for echo wait for limit to reset commands in /home/dev/app", "allow-always"],
    ["Yes, and always allow access to /home/dev/auto mode from this project", "allow-always"],
    ["Yes, and don't ask again for echo bypass commands in /home/dev/app", "allow-always"],
    ["Yes, and don’t ask again for: kubectl *", "allow-always"],
    ["Yes, allow reading from /home/dev/other during this session", "allow-always"],
    ["Yes, allow access to /home/dev/other from this project", "allow-always"],
    ["Yes, allow all edits during this session (shift+tab)", "allow-always"],
    ["Yes, and switch to accept edits (auto-approve file edits) for this session (shift+tab)", "mode-switch"],
    ["Yes, and auto-accept edits", "mode-switch"],
    ["Yes, and bypass permissions", "mode-switch"],
    ["Yes, and something new", "unknown"],
    ["Allow", "unknown"],
    ["Always allow", "unknown"],
    ["No, and tell Claude what to do differently (esc)", "refuse"],
    ["Now", "unknown"],
  ])("a label is read by its own words: %s", (label, meaning) => {
    expect(read(bash({ always: label }))).toEqual(bashGate("Bash command", ["1 allow-once Yes", `2 ${meaning} ${label}`, "3 refuse No"]));
  });
});

describe("forms that no capture holds", () => {
  const permission = (...rows: string[]) =>
    `${line()}\n Bash command\n\n   ls\n\n Do you want to proceed?\n${rows.join("\n")}\n\n Esc to cancel\n`;
  const yesNo = ["1 allow-once Yes", "2 refuse No"];

  test.each<[rule: string, rows: string[], options: string[], selected: number]>([
    ["blanks behind the labels", [" ❯ 1. Yes   ", "   2. No\t"], yesNo, 0],
    ["two blanks behind the numbers", [" ❯ 1.  Yes", "   2.  No"], yesNo, 0],
    ["no indentation", ["❯ 1. Yes", "  2. No"], yesNo, 0],
    ["deep indentation", ["     ❯ 1. Yes", "       2. No"], yesNo, 0],
    ["one column less where an option fills the line", [" ❯ 1. Yes", "  2. No"], yesNo, 0],
    ["the cursor on the row with one column less", ["   1. Yes", " ❯ 2. No"], yesNo, 1],
    ["blank lines between the options", [" ❯ 1. Yes", "", "   2. No"], yesNo, 0],
    [
      "ten and more, numbers padded",
      Array.from({ length: 11 }, (_, index) => `${index === 9 ? " ❯ " : "   "}${`${index + 1}.`.padEnd(3)} Yes`),
      Array.from({ length: 11 }, (_, index) => `${index + 1} allow-once Yes`),
      9,
    ],
    ["no numbers", [" ❯ No", "   Yes"], ["- refuse No", "- allow-once Yes"], 0],
  ])("odd menus: %s", (_, rows, options, selected) => {
    expect(read(permission(...rows))).toEqual(gateOf("permission", "Bash command", bashQuestion, options, selected));
  });

  test.each<[rule: string, rows: string[]]>([
    ["a menu whose first options are cut off is not numbered anew", ["   3. Yes, and switch to auto mode", " ❯ 4. No"]],
    ["a menu without a cursor", ["   1. Yes", "   2. No"]],
    ["numbers that do not begin with 1", [" ❯ 2. Yes", "   3. No"]],
    ["one row alone", [" ❯ Yes"]],
  ])("no menu: %s", (_, rows) => {
    expect(read(` ↑ 12 more lines\n${rows.join("\n")}\n\n Esc to cancel · Tab to amend\n`)).toEqual({});
  });

  const n = 40;
  test.each<[rule: string, text: string, reading: Reading]>([
    ["nothing", "", {}],
    ["blank lines", "\n  \n\n", {}],
    ["an empty input row", `${line()}\n❯\u00a0\n${line()}\n`, { input: "" }],
    ["an input row that tmux trimmed", `${line()}\n❯\n${line()}\n`, { input: "" }],
    [
      "a draft of several lines",
      `${line()}\n❯\u00a0fix\n  the   tests\n\n  now\n${line()}\n  ⏸ plan mode on\n`,
      { input: "fix\nthe   tests\n\nnow" },
    ],
    [
      "an MCP choice of several",
      `${line()}\n 2 new MCP servers found in this project\n\n Select any you wish to enable.\n\n ❯ [✔] demo\n   [✔] second\n   Enable selected\n\n Space to select · Enter to confirm · Esc to reject all\n`,
      gateOf("mcp-servers", "2 new MCP servers found in this project", "Select any you wish to enable.", [
        "- choice [✔] demo",
        "- choice [✔] second",
        "- submit Enable selected",
      ]),
    ],
    [
      "a sub-agent's gate",
      bash({
        header: "Bash command · from the general-purpose agent",
        footer: "Esc to cancel · Tab to amend · ctrl+x ctrl+k twice to stop background agents",
      }),
      bashGate("Bash command · from the general-purpose agent"),
    ],
    [
      "a gate that a hook asked for",
      `${line()}\n Bash command\n Make\n${fence()}\n touch a\n${fence()}\n Hook PreToolUse:Bash requires confirmation for this command:\n is that right?\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel · Tab to amend\n`,
      bashGate("Bash command", yesNo),
    ],
    [
      "one of several questions",
      `${line()}\n←  ☒ Area  ☐ Depth  ✔ Submit  →\n\nWhich depth?\n\n  1. full\n     All of it\n❯ 2. quick\n     A look\n  3. Type something.\n${line()}\n  4. Chat about this\n\nEnter to select · Tab/Arrow keys to navigate · Esc to cancel\n`,
      gateOf(
        "question",
        "←  ☒ Area  ☐ Depth  ✔ Submit  →",
        "Which depth?",
        ["1 choice full", "2 choice quick", "3 free-text Type something.", "4 chat Chat about this"],
        1,
      ),
    ],
    [
      "a dialog that this program does not know",
      `${line()}\n Something new\n\n Pick one\n\n ❯ 1. Left\n   2. Right\n   3. Cancel\n\n Enter to confirm · Esc to cancel\n`,
      gateOf("dialog", "Something new", "Pick one", ["1 unknown Left", "2 unknown Right", "3 refuse Cancel"]),
    ],
    [
      "40 columns: labels, command and hints wrap",
      `● Making\n\n${line(n)}\n Bash command\n Make both\n${fence(n)}\n touch a-very-long-name.txt && touch\n another.txt\n${fence(n)}\n Do you want to proceed?\n   1. Yes\n   2. Yes, and don't ask again for\n      touch a-very-long-name.txt\n      commands in /home/dev/app\n ❯ 3. Yes, and switch to auto mode ·\n      auto mode handles these prompts\n      for you\n   4. No\n\n Esc to cancel · Tab to\n amend\n`,
      gateOf(
        "permission",
        "Bash command",
        bashQuestion,
        [
          "1 allow-once Yes",
          "2 allow-always Yes, and don't ask again for touch a-very-long-name.txt commands in /home/dev/app",
          "3 mode-switch Yes, and switch to auto mode · auto mode handles these prompts for you",
          "4 refuse No",
        ],
        2,
      ),
    ],
    [
      "40 columns: the wording of a startup dialog wraps",
      `${line(n)}\n  WARNING: Claude Code running in Bypass\n  Permissions mode\n\n  In Bypass Permissions mode, Claude\n  Code will not ask for your approval\n  before running potentially dangerous\n  commands.\n  This mode should only be used in a\n  sandboxed container/VM that has\n  restricted internet access and can\n  easily be restored if damaged.\n\n  By proceeding, you accept all\n  responsibility for actions taken while\n  running in Bypass Permissions mode.\n\n  https://code.claude.com/docs/en/secur\n  ity\n\n  ❯ No, exit\n    Yes, I accept\n\n  Enter to confirm · Esc to cancel\n`,
      gateOf("bypass", "WARNING: Claude Code running in Bypass", "https://code.claude.com/docs/en/secur ity", [
        "- refuse No, exit",
        "- allow-once Yes, I accept",
      ]),
    ],
    [
      "a dialog cut at the top",
      ` ↑ 12 more lines\n touch a.txt\n${fence()}\n Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and always allow access to /d from this project\n   3. No\n\n Esc to cancel · Tab to amend\n`,
      bashGate("↑ 12 more lines", [
        "1 allow-once Yes",
        "2 allow-always Yes, and always allow access to /d from this project",
        "3 refuse No",
      ]),
    ],
    [
      "a plan in 40 columns, cut at the top",
      `  ↑ 9 more lines\n   - npm test\n  ${fence(36)}\n\n  ${line(36)}\n   Claude has written up a plan and is\n   ready to execute. Would you like to\n   proceed?\n\n   ❯ 1. Yes, and use auto mode\n     2. Yes, manually approve edits\n     3. Tell Claude what to change\n        shift+tab to approve with this\n        feedback\n\n   ctrl+g to edit in Vim ·\n   ~/.claude/plans/plan-it-and-let-\n   replicated-pearl.md\n`,
      gateOf("plan", "↑ 9 more lines", "Claude has written up a plan and is ready to execute. Would you like to proceed?", [
        "1 mode-switch Yes, and use auto mode",
        "2 allow-once Yes, manually approve edits",
        "3 free-text Tell Claude what to change",
      ]),
    ],
    [
      "2.0.70: trust",
      `${line()}\n Do you trust the files in this folder?\n\n /home/dev/app\n\n Claude Code may read, write, or execute files contained in this directory.\n\n ❯ 1. Yes, proceed\n   2. No, exit\n\n Enter to confirm · Esc to cancel\n`,
      gateOf("trust", "Do you trust the files in this folder?", "Do you trust the files in this folder?", [
        "1 allow-once Yes, proceed",
        "2 refuse No, exit",
      ]),
    ],
    [
      "2.0.70: a Bash gate, refused by text only",
      `> BASH run\n\n● Bash(touch x)\n  ⎿  Running…\n\n${line()}\n Bash command\n\n   touch x\n   make file\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and don't ask again for touch commands in /home/dev/app\n   3. Type here to tell Claude what to do differently\n\n Esc to cancel\n`,
      bashGate("Bash command", [
        "1 allow-once Yes",
        "2 allow-always Yes, and don't ask again for touch commands in /home/dev/app",
        "3 free-text Type here to tell Claude what to do differently",
      ]),
    ],
    ["2.0.70: the input row", `> hello\n\n● Hi.\n\n${line()}\n> \n${line()}\n  ? for shortcuts\n`, { input: "" }],
    ["2.0.70: a draft", `● Hi.\n\n${line()}\n> fix it\n${line()}\n  ? for shortcuts\n`, { input: "fix it" }],
    ["2.0.70: a quotation is no input row", "● Hi.\n\n> fix it\n  and more\n\n✶ Working…\n", {}],
    [
      "2.1.86: trust",
      `${line()}\n Accessing workspace:\n\n /home/dev/app\n\n Quick safety check: Is this a project you created or one you trust?\n\n ❯ 1. Yes, I trust this folder\n   2. No, exit\n\n Enter to confirm · Esc to cancel\n`,
      gateOf("trust", "Accessing workspace:", "Quick safety check: Is this a project you created or one you trust?", [
        "1 allow-once Yes, I trust this folder",
        "2 refuse No, exit",
      ]),
    ],
    ["a program that has ended leaves no gate", bash().replace("Tab to amend\n", "Tab to amend\nme@host:~$\n"), {}],
  ])("%s", (_, text, reading) => {
    expect(read(text)).toEqual(reading);
  });
});

test("the body is what stands between header and question", () => {
  const text = bash({ description: "List it", command: " │ ls -l\n │ cd x" });
  expect(parseScreen(text).gate?.body).toBe("List it\n│ ls -l\n│ cd x");
});

test("startup dialogs are the ones that come before the session file", () => {
  expect([...startupKinds].sort()).toEqual(["add-dir", "api-key", "bypass", "mcp-servers", "settings", "trust"]);
});

describe("the same gate", () => {
  const print = (text: string) => {
    const { gate } = parseScreen(text);
    return gate === undefined ? "none" : gateFingerprint(gate);
  };

  test.each<[rule: string, text: string, isSame: boolean]>([
    ["on the same screen", bash(), true],
    ["with the cursor elsewhere", bash().replace(" ❯ 1. Yes", "   1. Yes").replace("   3. No", " ❯ 3. No"), true],
    ["with more conversation above it", `● Hello\n${bash()}`, true],
    ["not with another command", bash({ command: " ls -a" }), false],
    ["not with another description", bash({ description: "Remove it" }), false],
    ["not with another header", bash({ header: "Bash command · from the general-purpose agent" }), false],
    ["not with another label", bash({ always: "Yes, and don't ask again for rm commands in /home/dev/app" }), false],
    ["not with another question", bash().replace(bashQuestion, "Do you want to run it?"), false],
    ["not with an option less", bash().replace("   3. No\n", ""), false],
    ["not without numbers", bash().replaceAll(/(?<=[❯ ] )\d\. /g, ""), false],
  ])("%s", (_, text, isSame) => {
    expect(print(text) === print(bash())).toBe(isSame);
  });
});

const edge = "─".repeat(40);

test.each<[rule: string, above: string, retry: object | undefined]>([
  [
    "2.1.329",
    "❯ Go\n\n✻ 529 Overloaded · retrying in 13s · attempt 4/10\n  ⎿  If it persists, check your gateway.\n",
    { attempt: 4, maxAttempts: 10, waitMs: 13_000, error: "529 Overloaded" },
  ],
  ["2.1.259", "✶ API error · Retrying in 1s · attempt 1/10\n", { attempt: 1, maxAttempts: 10, waitMs: 1000, error: "API error" }],
  ["under way", "· API error · retrying… · attempt 2/10\n", { attempt: 2, maxAttempts: 10, waitMs: 0, error: "API error" }],
  ["minutes", "✻ API error · retrying in 1m 4s · attempt 9/10\n", { attempt: 9, maxAttempts: 10, waitMs: 64_000, error: "API error" }],
  [
    "wrapped in a narrow pane",
    "✻ Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED) ·\n  retrying in 16s · attempt 6/10\n",
    {
      ...{ attempt: 6, maxAttempts: 10, waitMs: 16_000 },
      error: "Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED)",
    },
  ],
  [
    "no answer at all",
    "✻ No response from the API after 1m · retrying, waiting up to 2m · attempt 2/3\n",
    { attempt: 2, maxAttempts: 3, waitMs: 0, error: "No response from the API after 1m" },
  ],
  ["a text of the model", "● ✻ API error · retrying in 1s · attempt 1/10\n", undefined],
  ["one that has scrolled up", "✻ API error · retrying in 1s · attempt 1/10\n\n● Done.\n", undefined],
  ["a spinner", "✻ Elucidating… (esc to interrupt)\n", undefined],
])("a request that is sent again: %s", (_, above, retry) => {
  const screen = parseScreen(`${above}\n${edge}\n❯\u00a0\n${edge}\n  ? for shortcuts\n`);
  expect([screen.retry, screen.isBusy === true]).toEqual([retry as never, retry !== undefined || above.includes("Elucid")]);
});

test.each<[rule: string, above: string, row: string, isBusy: boolean]>([
  ["2.0.70 spins above its input row", "> Do it\n\n✻ Elucidating… (esc to interrupt)\n", "> ", true],
  ["with a tip below the spinner", "  ⎿  Running…\n\n✻ Unfurling… (esc to interrupt)\n  ⎿  Tip: Run /terminal-setup\n", "> ", true],
  ["2.1.86 tells no key there", "❯ Do it\n\n✽ Sautéing…\n", "❯\u00a0my draft", true],
  ["with its time", "· Infusing… (12s · ↓ 30 tokens)\n", "❯\u00a0", true],
  ["an answer is none", "● I begin…\n", "> ", false],
  ["nor is a text of the model, which is indented", "● Look:\n  ✻ Thinking… (esc to interrupt)\n", "> ", false],
  ["nor one that has scrolled up", "✻ Elucidating… (esc to interrupt)\n\n● Done.\n", "> ", false],
  ["nor what a turn took", "✻ Brewed for 12s\n", "❯\u00a0", false],
])("a turn runs: %s", (_, above, row, isBusy) => {
  expect(parseScreen(`${above}\n${edge}\n${row}\n${edge}\n  ? for shortcuts\n`).isBusy ?? false).toBe(isBusy);
});

const form = (rows: string[], header = " ☐ Folder") =>
  ["❯ Do it", "", edge, header, "", "Which folder?", "", ...rows, "", "Enter to select · ↑/↓ to navigate · Esc to cancel"].join("\n");

test.each<[rule: string, screen: string, options: string[]]>([
  [
    "a text in it, last before the chat",
    form(["  1. src", "     Sources", "  2. test", "❯ 3. my 1 own", edge, "  4. Chat about this"]),
    ["choice src", "choice test", "free-text my 1 own*", "chat Chat about this"],
  ],
  [
    "2.0.70 has no chat: the last",
    form(["  1.  src", "     Sources", "  2.  test", "❯ 3. gamma 7"]),
    ["choice src", "choice test", "free-text gamma 7*"],
  ],
  [
    "the row that submits has no number, and may be under the cursor",
    form(
      ["  1. [✔] src", "  2. [ ] test", "  3. [ ] Type something", "❯    Submit", edge, "  4. Chat about this"],
      "←  ☒ Folder  ✔ Submit  →",
    ),
    ["choice [✔] src", "choice [ ] test", "free-text [ ] Type something", "chat Chat about this", "submit Submit*"],
  ],
  [
    "the page that sums up has none",
    form(["❯ 1. Submit answers", "  2. Cancel"], "←  ☒ Folder  ✔ Submit  →"),
    ["submit Submit answers*", "refuse Cancel"],
  ],
])("the field of a question: %s", (_, screen, options) => {
  const read = parseScreen(screen).gate;
  expect(read?.options.map(({ meaning, label, isSelected }) => `${meaning} ${label}${isSelected ? "*" : ""}`)).toEqual(options);
});
