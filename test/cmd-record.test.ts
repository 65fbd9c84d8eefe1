import { describe, expect, test } from "bun:test";
import { type AnyCommand, type App, command, flagsOf, renderHelp, runRecord, splitArguments } from "../src/cmd-record.ts";
import { loadCommands } from "../src/commands.ts";
import { SilentExit } from "../src/errors.ts";
import { createPaint } from "../src/format.ts";
import { createOutput } from "../src/output.ts";
import { createFakeSys } from "./fake-sys.ts";

const args = {
  session: { type: "positional", required: true, description: "name of the session" },
  option: { type: "string", valueHint: "N", description: "take option N" },
  "permission-mode": { type: "string", description: "handed to claude" },
  json: { type: "boolean", alias: "j", description: "print JSON" },
  submit: { type: "boolean", default: true, description: "leave the text in the input row" },
} as const;

const calls: unknown[] = [];
const note = (input: { args: object; rest: string[] }) => void calls.push({ ...input.args, rest: input.rest });

const plain: AnyCommand = command({
  name: "csd plain",
  summary: "Takes a session.",
  args,
  examples: [
    ["csd plain fix", "does it"],
    ["csd plain fix --option 2", ""],
  ],
  run: note,
});
const prompt: AnyCommand = { ...plain, name: "csd send", rest: { kind: "prompt", hint: "PROMPT…", about: "the text" } };
const dashes: AnyCommand = {
  ...plain,
  name: "csm run",
  args: { option: args.option },
  rest: { kind: "after-dashes", hint: "[-- ARGUMENTS…]", about: "handed to claude" },
};
const many: AnyCommand = { ...plain, name: "csm many", rest: { kind: "words", hint: "MORE…", about: "more of them" } };
const two: AnyCommand = {
  ...plain,
  name: "csm two",
  args: { first: args.session, second: { type: "positional", required: false, description: "another" } },
};

describe("words that belong to the command, and the rest", () => {
  test.each<[rule: string, record: AnyCommand, argv: string[], known: string[], rest: string[]]>([
    ["a positional", plain, ["fix"], ["fix"], []],
    ["a lone dash is an ordinary word", plain, ["-"], ["-"], []],
    ["a flag with its value before it", plain, ["--option", "2", "fix"], ["--option", "2", "fix"], []],
    ["and behind it", plain, ["fix", "--option", "2"], ["fix", "--option", "2"], []],
    ["a value behind =", plain, ["--option=2", "fix"], ["--option=2", "fix"], []],
    ["a value behind = may hold another =", plain, ["--option=a=b", "fix"], ["--option=a=b", "fix"], []],
    ["a value behind = may begin with a dash", plain, ["--option=-1", "fix"], ["--option=-1", "fix"], []],
    ["a boolean takes no word", plain, ["--json", "fix"], ["--json", "fix"], []],
    ["a short flag", plain, ["-j", "fix"], ["-j", "fix"], []],
    ["what is on by default is switched off", plain, ["--no-submit", "fix"], ["--no-submit", "fix"], []],
    ["an optional positional may be missing", two, ["a"], ["a"], []],
    ["or be given", two, ["a", "b"], ["a", "b"], []],
    ["-- guards a positional that begins with a dash", plain, ["--json", "--", "-x"], ["--json", "--", "-x"], []],
    ["-- guards as many as are missing", two, ["a", "--", "--b"], ["a", "--", "--b"], []],
    ["-- with nothing behind it", plain, ["fix", "--"], ["fix"], []],
    ["a prompt takes every word from its first one on", prompt, ["fix", "run", "it"], ["fix"], ["run", "it"]],
    ["flags among them", prompt, ["fix", "hello", "--no-submit", "--json"], ["fix"], ["hello", "--no-submit", "--json"]],
    ["unknown ones too", prompt, ["fix", "hello", "--nope", "-h"], ["fix"], ["hello", "--nope", "-h"]],
    ["more words, with flags among them", many, ["fix", "a", "--json", "b"], ["fix", "--json"], ["a", "b"]],
    ["one that begins with a dash behind --", many, ["fix", "a", "--", "-b"], ["fix"], ["a", "-b"]],
    ["and another --", prompt, ["fix", "a", "--", "b"], ["fix"], ["a", "--", "b"]],
    [
      "flags before the prompt are the command's",
      prompt,
      ["--option", "3", "fix", "--json", "hi"],
      ["--option", "3", "fix", "--json"],
      ["hi"],
    ],
    ["a prompt of one lone dash", prompt, ["fix", "-"], ["fix"], ["-"]],
    ["an empty prompt word is one", prompt, ["fix", ""], ["fix"], [""]],
    ["-- lets a prompt begin with a dash", prompt, ["fix", "--", "--verbose", "is it"], ["fix"], ["--verbose", "is it"]],
    ["-- before the session guards it, and the prompt follows", prompt, ["--", "-s", "hi"], ["--", "-s"], ["hi"]],
    ["only the first -- is ours", prompt, ["fix", "--", "--", "x"], ["fix"], ["--", "x"]],
    ["no prompt", prompt, ["fix"], ["fix"], []],
    [
      "claude's words stand behind --",
      dashes,
      ["--option", "1", "--", "--continue", "-p", "x"],
      ["--option", "1"],
      ["--continue", "-p", "x"],
    ],
    ["nothing behind --", dashes, ["--"], [], []],
    ["nothing at all", dashes, [], [], []],
  ])("%s", (_, record, argv, known, rest) => {
    expect(splitArguments(record, argv)).toEqual({ known, rest });
  });
});

const usage = "usage: csd plain [flags] SESSION";
const sendUsage = "usage: csd send [flags] SESSION PROMPT…";

describe("usage errors", () => {
  test.each<[rule: string, record: AnyCommand, argv: string[], message: string, hint: string | undefined]>([
    ["a mistyped flag has a neighbour", plain, ["fix", "--optoin"], "csd plain: unknown flag --optoin", "did you mean --option?"],
    ["its value is not repeated", plain, ["fix", "--jsno=x"], "csd plain: unknown flag --jsno", "did you mean --json?"],
    ["help has neighbours too", plain, ["--hlep"], "csd plain: unknown flag --hlep", "did you mean --help?"],
    ["a flag without a neighbour", plain, ["fix", "--verbose"], "csd plain: unknown flag --verbose", "csd plain --help lists the flags"],
    ["no abbreviations", plain, ["fix", "--permission"], "csd plain: unknown flag --permission", "csd plain --help lists the flags"],
    [
      "on by default has no plain spelling",
      plain,
      ["fix", "--submit"],
      "csd plain: unknown flag --submit",
      "csd plain --help lists the flags",
    ],
    ["off by default has no --no-", plain, ["fix", "--no-json"], "csd plain: unknown flag --no-json", "did you mean --json?"],
    ["joined short flags are not taken apart", plain, ["fix", "-jx"], "csd plain: unknown flag -jx", "did you mean -j?"],
    [
      "an inherited name is no flag",
      plain,
      ["fix", "--toString"],
      "csd plain: unknown flag --toString",
      "csd plain --help lists the flags",
    ],
    [
      "flags of claude are sent behind --",
      dashes,
      ["--continue"],
      "csm run: unknown flag --continue",
      "csm run --help lists the flags; flags for claude go behind --",
    ],
    [
      "also when one of ours is near",
      dashes,
      ["--optio"],
      "csm run: unknown flag --optio",
      "did you mean --option?; flags for claude go behind --",
    ],
    ["so are its words", dashes, ["mcp"], 'csm run: unexpected word "mcp"', "flags and words for claude go behind --: csm run -- mcp"],
    ["a value is missing at the end", plain, ["fix", "--option"], "csd plain: --option needs a value", "for example --option N"],
    ["before another flag", plain, ["--option", "--json", "fix"], "csd plain: --option needs a value", "for example --option N"],
    ["before --", plain, ["--option", "--", "fix"], "csd plain: --option needs a value", "for example --option N"],
    ["a negative number is no value", plain, ["fix", "--option", "-1"], "csd plain: --option needs a value", "for example --option N"],
    ["nothing behind =", plain, ["fix", "--option="], "csd plain: --option needs a value", "for example --option N"],
    [
      "an empty word",
      plain,
      ["fix", "--permission-mode", ""],
      "csd plain: --permission-mode needs a value",
      "for example --permission-mode VALUE",
    ],
    ["a boolean takes none", plain, ["fix", "--json=true"], "csd plain: --json takes no value", undefined],
    ["nor does its negation", plain, ["fix", "--no-submit=1"], "csd plain: --no-submit takes no value", undefined],
    ["a flag twice", plain, ["--option", "1", "fix", "--option=2"], "csd plain: --option is given twice", undefined],
    ["a boolean twice", plain, ["--json", "--json", "fix"], "csd plain: --json is given twice", undefined],
    ["twice by its two names", plain, ["-j", "--json", "fix"], "csd plain: --json is given twice", undefined],
    ["a positional is missing", plain, [], "csd plain: SESSION is missing", usage],
    ["though flags are there", plain, ["--json"], "csd plain: SESSION is missing", usage],
    ["and behind --", plain, ["--"], "csd plain: SESSION is missing", usage],
    ["a prompt needs it too", prompt, [], "csd send: SESSION is missing", sendUsage],
    ["a word too many", plain, ["fix", "it"], 'csd plain: unexpected word "it"', usage],
    ["behind -- too", plain, ["--", "fix", "-it"], 'csd plain: unexpected word "-it"', usage],
    ["behind -- when nothing is missing", plain, ["fix", "--", "it"], 'csd plain: unexpected word "it"', usage],
    ["of two", two, ["a", "b", "c"], 'csm two: unexpected word "c"', "usage: csm two FIRST [SECOND]"],
    [
      "an unknown flag is named before a missing word",
      plain,
      ["--nope"],
      "csd plain: unknown flag --nope",
      "csd plain --help lists the flags",
    ],
  ])("%s", (_, record, argv, message, hint) => {
    expect(() => splitArguments(record, argv)).toThrow(expect.objectContaining({ name: "UserError", exitCode: 2, message, hint }));
  });
});

test("every spelling of every flag, positionals not", () => {
  expect(flagsOf(plain).map(([flag]) => flag)).toEqual(["--option", "--permission-mode", "--json", "-j", "--no-submit"]);
});

const plainHelp = `Takes a session.

usage: csd plain [flags] SESSION

Arguments:
  SESSION  name of the session

Flags:
  --option N               take option N
  --permission-mode VALUE  handed to claude
  -j, --json               print JSON
  --no-submit              leave the text in the input row
  -h, --help               show this text

Examples:
  csd plain fix             does it
  csd plain fix --option 2
`;

test.each<[rule: string, record: AnyCommand, help: string]>([
  ["arguments, flags, examples", plain, plainHelp],
  [
    "the rest is explained among the arguments",
    { ...prompt, args: { session: args.session }, examples: [] },
    "Takes a session.\n\nusage: csd send SESSION PROMPT…\n\nArguments:\n  SESSION  name of the session\n  PROMPT…  the text\n\nFlags:\n  -h, --help  show this text\n",
  ],
  [
    "no arguments, no section",
    { ...plain, args: {}, examples: [] },
    "Takes a session.\n\nusage: csd plain\n\nFlags:\n  -h, --help  show this text\n",
  ],
])("help: %s", (_, record, help) => {
  expect(renderHelp(record)).toBe(help);
});

async function run(record: AnyCommand, argv: string[], isRead = true) {
  calls.length = 0;
  const out: string[] = [];
  const app: App = {
    sys: createFakeSys(),
    ...createOutput({
      write: (_fd: number, text: string) => isRead && out.push(text) > 0,
      isTerminal: () => false,
      env: {},
    }),
    tell: () => {},
    paint: createPaint(false),
    columns: undefined,
    isInteractive: false,
  };
  await runRecord(record, argv, app);
  return { out, calls: [...calls] };
}

test("a reader that has gone ends what only tells, and nothing that changes something", async () => {
  const record: AnyCommand = {
    ...plain,
    run({ app, args: given, rest }) {
      app.out("what would change");
      app.json({} as never);
      note({ args: given, rest });
    },
  };
  await expect(run(record, ["fix"], false)).rejects.toThrow(SilentExit);
  expect(calls).toEqual([]);
  expect((await run({ ...record, acts: true }, ["fix"], false)).calls).toHaveLength(1);
});

test("each command that shows what it is about to change does it though nobody reads", async () => {
  const acting = (await loadCommands()).flatMap(({ program, word, record }) => (record?.acts === true ? [`${program} ${word}`] : []));
  expect(acting.toSorted()).toEqual([
    ...["csm diagnose", "csm halt", "csm profiles bootstrap", "csm profiles doctor", "csm profiles share", "csm reap", "csm restore"],
    ...["csm self-update", "csm setup", "csm tasks resume", "csm tasks run"],
  ]);
});

describe("what a command is given", () => {
  test.each<[rule: string, record: AnyCommand, argv: string[], given: Record<string, unknown>]>([
    ["values by their names", plain, ["fix", "--option", "2", "-j"], { session: "fix", option: "2", json: true, submit: true, rest: [] }],
    ["= values whole", plain, ["fix", "--option=a=b"], { session: "fix", option: "a=b", submit: true, rest: [] }],
    ["a negative number behind =", plain, ["fix", "--option=-1"], { session: "fix", option: "-1", rest: [] }],
    ["a value that looks like a number stays text", plain, ["007", "--option", "08"], { session: "007", option: "08", rest: [] }],
    ["a long name with a dash", plain, ["fix", "--permission-mode", "plan"], { session: "fix", "permission-mode": "plan", rest: [] }],
    ["off what is on by default", plain, ["fix", "--no-submit"], { session: "fix", submit: false, rest: [] }],
    ["a guarded positional", plain, ["--", "-x"], { session: "-x", rest: [] }],
    ["a guarded word that looks like a flag of ours", plain, ["--", "--json"], { session: "--json", rest: [] }],
    ["the prompt", prompt, ["fix", "a", "--json"], { session: "fix", rest: ["a", "--json"] }],
    [
      "a prompt that asks about help",
      prompt,
      ["fix", "explain", "--help", "and", "-h"],
      { session: "fix", rest: ["explain", "--help", "and", "-h"] },
    ],
    ["claude's arguments", dashes, ["--option", "1", "--", "--help"], { option: "1", rest: ["--help"] }],
  ])("%s", async (_, record, argv, given) => {
    const { out, calls } = await run(record, argv);
    expect([out, calls.length]).toEqual([[], 1]);
    expect(calls[0]).toMatchObject(given);
  });

  test("flags that are not given are undefined", async () => {
    const { calls } = await run(plain, ["fix"]);
    expect(calls).toEqual([{ _: ["fix"], session: "fix", submit: true, rest: [] }]);
  });

  test.each<[argv: string[]]>([[["--help"]], [["-h"]], [["fix", "--help"]]])("%j prints the help and runs nothing", async (argv) => {
    expect(await run(plain, argv)).toEqual({ out: [plainHelp], calls: [] });
  });
});
