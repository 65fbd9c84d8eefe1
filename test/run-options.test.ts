import { describe, expect, test } from "bun:test";
import {
  choosesSession,
  findNamedSession,
  isForClaude,
  type LaunchOptions,
  modelOf,
  parseRunOptions,
  positionals,
  splitOwnFlags,
} from "../src/run-options.ts";

const none: LaunchOptions = {
  isInteractive: false,
  isContinue: false,
  wantsAccount: false,
  keepsAccount: false,
  remembered: {},
  words: [],
};

describe("the flags of csm run", () => {
  test.each<[rule: string, args: string, expected: Partial<LaunchOptions>]>([
    ["nothing", "", {}],
    [
      "our flags among claude's",
      "-c --profile=work --effort low -- extra",
      {
        isContinue: true,
        profile: "work",
        remembered: { effort: "low" },
        words: ["--effort", "low", "extra"],
      },
    ],
    [
      "a missing value: the flag counts as absent",
      "--model --effort high",
      { remembered: { effort: "high" }, words: ["--effort", "high"] },
    ],
    ["-r without a value asks", "-r --model opus", { resume: "picker", remembered: { model: "opus" }, words: ["--model", "opus"] }],
    ["-r at the end asks", "--resume", { resume: "picker" }],
    ["-r with a value", "-r fix-login hi", { resume: { named: "fix-login" }, words: ["hi"] }],
    ["--resume=V takes V even when it is empty", "--resume=", { resume: { named: "" } }],
    ["behind -- all is claude's", "-- -c --model x", { words: ["-c", "--model", "x"] }],
    ["a prompt behind -- stays apart from a flag that takes many words", "--add-dir x -- hi", { words: ["--add-dir", "x", "--", "hi"] }],
    ["flags behind -- are flags", "--add-dir x -- --verbose", { words: ["--add-dir", "x", "--verbose"] }],
    ["-n is claude's", "-n", { words: ["-n"] }],
    [
      "model and mode reach claude",
      "--model opus hi --permission-mode=plan",
      {
        remembered: { model: "opus", permissionMode: "plan" },
        words: ["--model", "opus", "hi", "--permission-mode", "plan"],
      },
    ],
    ["-A asks for the account", "-A --no-pick", { wantsAccount: true, keepsAccount: true }],
    ["all switches", "-i -c --pick-account --no-pick", { isInteractive: true, isContinue: true, wantsAccount: true, keepsAccount: true }],
    ["a switch takes no value", "--continue=x", { words: ["--continue=x"] }],
    ["an id", "--session-id 11111111-0000-4000-8000-000000000001", { sessionId: "11111111-0000-4000-8000-000000000001" }],
    [
      "the order of what is claude's stays",
      "--verbose a -c --add-dir /x b",
      { isContinue: true, words: ["--verbose", "a", "--add-dir", "/x", "b"] },
    ],
  ])("%s", (_, args, expected) => {
    expect(parseRunOptions(args.split(" ").filter((word) => word !== ""))).toEqual({ ...none, ...expected });
  });

  test.each(["--model", "--effort", "--permission-mode", "--session-id", "--profile"])("%s at the end needs a value", (flag) => {
    expect(() => parseRunOptions([flag])).toThrow(`csm run: ${flag} needs a value`);
  });

  test("an empty word and one that is not UTF-8 stay", () => {
    expect(parseRunOptions(["", "a\ufffdb"]).words).toEqual(["", "a\ufffdb"]);
  });
});

const words = (text: string) => text.split(" ").filter((word) => word !== "");

describe("calls that are claude's alone", () => {
  test.each([
    "mcp list",
    "config list",
    "doctor",
    "update",
    "upgrade",
    "plugin install x",
    "plugins",
    "agents",
    "auth status",
    "auto-mode",
    "attach 3f2a",
    "gateway",
    "import",
    "install stable",
    "logs x",
    "purge",
    "respawn",
    "rm x",
    "setup-token",
    "stop x",
    "kill x",
    "ultrareview",
    "-p hello",
    "hello -p",
    "--print=x",
    "--version",
    "-v",
    "--help",
    "-h",
    "--bg fix it",
    "--background",
    "--verbose mcp",
    "-cp hi",
    "--from-pr 12",
    "--teleport",
    "-w",
    "--model opus doctor",
    "--add-dir=/x mcp list",
  ])("%s", (text) => {
    expect(isForClaude(words(text))).toBe(true);
  });

  test.each([
    "",
    "fix mcp",
    "fix the doctor",
    "--model opus fix it",
    "-c",
    "-r x",
    "-- -p",
    "fix -- mcp",
    "--add-dir mcp",
    "--name update",
    "-d",
    "-ci",
  ])("not %s", (text) => {
    expect(isForClaude(words(text))).toBe(false);
  });

  test.each<[string, string[]]>([
    ["fix it", ["fix", "it"]],
    ["--model opus fix", ["fix"]],
    ["--verbose fix", ["fix"]],
    ["--settings={} fix", ["fix"]],
    ["--verbose", []],
  ])("the prompt in %p", (text, expected) => {
    expect(positionals(words(text))).toEqual(expected);
  });

  test.each([
    ["-c", true],
    ["--resume x", true],
    ["--session-id=x", true],
    ["--fork-session", false],
    ["--verbose continue", false],
  ])("%s chooses the session itself: %p", (text, expected) => {
    expect(choosesSession(words(text))).toBe(expected);
  });

  test.each<[string, string, string]>([
    ["--profile work mcp list", "--profile work", "mcp list"],
    ["--profile=work -A --no-pick -p hi", "--profile=work -A --no-pick", "-p hi"],
    ["mcp add --profile x", "", "mcp add --profile x"],
    ["--profile", "", "--profile"],
    ["-p hi --profile work", "--profile work", "-p hi"],
    ["-p --profile=work hi", "--profile=work", "-p hi"],
    ["--verbose mcp --profile x", "", "--verbose mcp --profile x"],
    ["-p -- --profile x", "", "-p -- --profile x"],
  ])("our flags before %s", (text, own, rest) => {
    expect(splitOwnFlags(words(text))).toEqual({ own: words(own), rest: words(rest) });
  });
});

test.each<[string, ReturnType<typeof findNamedSession>]>([
  ["-p -r 3f2a hi", { index: 2, prefix: "", named: "3f2a" }],
  ["--resume=fix -p hi", { index: 0, prefix: "--resume=", named: "fix" }],
  ["-p -r", undefined],
  ["-p -r --verbose x", undefined],
  ["-p -- -r x", undefined],
])("the name of a conversation in %p", (text, expected) => {
  expect(findNamedSession(words(text))).toEqual(expected as { index: number; prefix: string; named: string });
});

test.each<[string[], string | undefined, string | undefined]>([
  [["--model", "fable"], undefined, "fable"],
  [["--model=fable", "fix"], "opus", "fable"],
  [["--model", "opus", "--model", "fable"], undefined, "fable"],
  [["fix"], "opus", "opus"],
  [["--", "--model", "fable"], undefined, undefined],
  [["--model"], undefined, undefined],
  [["fix"], "", undefined],
])("%p with ANTHROPIC_MODEL=%p ask for the model %p", (words, given, model) => {
  expect(modelOf(words, { ANTHROPIC_MODEL: given })).toBe(model as string);
});
