import { describe, expect, test } from "bun:test";
import type { Meaning, ScreenGate } from "../src/claude-gate.ts";
import { type Expectation, requireExpected, requireNarrow } from "../src/gate-expect.ts";
import type { Gate } from "../src/gates.ts";

const gate = (tool: string, input: Record<string, unknown>, kind: Gate["kind"] = "permission"): Gate => ({
  id: "g",
  kind,
  call: { request: "r", tool, input, isHeld: true },
});
const failure = (run: () => void): { message?: string; hint?: string } => {
  try {
    run();
    return {};
  } catch (error) {
    return error as { message: string; hint?: string };
  }
};
const isExpected = (asked: Gate, expectation: Expectation) => failure(() => requireExpected(asked, expectation)).message === undefined;

const note = gate("mcp__demo__create_note", { text: "hello", tags: ["a", "b"] });

test.each<[asked: Gate, expected: string[], fits: boolean]>([
  [gate("Bash", { command: "npm test", description: "rm -rf x" }), ["npm test"], true],
  [gate("Bash", { command: "npm test" }), ["Bash(npm test)"], true],
  [gate("Bash", { command: "npm test && rm -rf x" }), ["npm test"], false],
  [gate("Bash", { command: "npm test && rm -rf x" }), ["npm test", "rm -rf x"], true],
  [gate("Bash", { command: "npm test", description: "ls" }), ["ls"], false],
  [gate("Bash", { command: "npm test", run_in_background: true, timeout: 5 }), ["npm test"], true],
  // Outside the sandbox it is another command.
  [gate("Bash", { command: "npm test", dangerouslyDisableSandbox: true }), ["npm test"], false],
  [gate("Bash", { command: "npm test", dangerouslyDisableSandbox: true }), ["npm test", "dangerouslyDisableSandbox=true"], true],
  [gate("Bash", { command: "npm test", dangerouslyDisableSandbox: false }), ["npm test"], true],
  [gate("Write", { file_path: "/a/b.txt", content: "/a/c.txt" }), ["/a/b.txt"], true],
  [gate("Write", { file_path: "/a/b.txt", content: "/a/c.txt" }), ["Write(/a/b.txt)"], true],
  [gate("Write", { file_path: "/a/b.txt", content: "x" }), ["Read(/a/b.txt)"], false],
  [gate("Write", { file_path: "/a/b.txt", content: "/a/c.txt" }), ["/a/c.txt"], false],
  [gate("NotebookEdit", { notebook_path: "/a/n.ipynb", new_source: "x" }), ["/a/n.ipynb"], true],
  [gate("WebFetch", { url: "https://example.com/x", prompt: "https://other.example" }), ["example.com"], true],
  [gate("WebFetch", { url: "https://example.com/x", prompt: "https://other.example" }), ["other.example"], false],
  [gate("WebFetch", { url: "https://example.com@evil.example/", prompt: "" }), ["example.com"], false],
  [note, ["mcp__demo__create_note"], false],
  [note, ["mcp__demo__create_note", "text=hello"], false],
  [note, ["mcp__demo__create_note", "text=hello", 'tags=["a","b"]'], true],
  [note, ["text=hello", 'tags=["a","b"]'], false],
  [gate("mcp__demo__ping", {}), ["mcp__demo__ping"], true],
  [gate("Agent", { description: "npm test", prompt: "do it", subagent_type: "Explore" }), ["Agent"], false],
  [gate("ExitPlanMode", { plan: "# Plan" }, "plan"), ["# Plan"], true],
])("%j expects %j: %p", (asked, expected, fits) => expect(isExpected(asked, { expect: expected })).toBe(fits));

test.each<[asked: Gate, hint: string]>([
  [
    gate("Bash", { command: "cd x && npm test" }),
    "it is for: --expect 'cd x && npm test', or part by part: --expect 'cd x' --expect 'npm test'",
  ],
  [gate("Bash", { command: "ls" }), "it is for: --expect 'ls'"],
  // What a shell would run beside these words cannot be told apart.
  [gate("Bash", { command: "ls $(rm x)" }), "it is for: --expect 'ls $(rm x)'"],
  [note, `it is for: --expect 'mcp__demo__create_note' --expect 'text=hello' --expect 'tags=["a","b"]'`],
])("a refusal names what would have to be expected: %j", (asked, hint) => {
  expect(failure(() => requireExpected(asked, { expect: ["x"] }))).toMatchObject({
    message: 'the gate is not for "x"; nothing was chosen',
    hint,
  });
});

test("what is contained may stand in any field of a tool of others, and nowhere in the model's words about a command", () => {
  expect(isExpected(note, { contains: ["hello"] })).toBe(true);
  expect(isExpected(gate("Bash", { command: "ls # npm test", description: "npm test" }), { contains: ["npm test"] })).toBe(false);
});

describe("an option that allows more than this one request", () => {
  const menu = (kind: ScreenGate["kind"], ...options: [label: string, meaning: Meaning][]): ScreenGate => ({
    ...{ kind, header: "Bash command", question: "Do you want to proceed?", body: "ls" },
    options: options.map(([label, meaning], index) => ({ number: index + 1, label, meaning, isSelected: false })),
  });
  const tool = menu(
    "permission",
    ["Yes", "allow-once"],
    ["Yes, and don't ask again", "allow-always"],
    ["Yes, and use auto mode", "mode-switch"],
    ["No", "refuse"],
    ["Yes, whatever", "unknown"],
  );

  test.each<[option: number, expectation: Expectation, isWide: boolean, error: string | undefined]>([
    [1, {}, false, undefined],
    [4, {}, false, undefined],
    [2, {}, false, `option 2 "Yes, and don't ask again" allows more than this one request; nothing was chosen`],
    [3, {}, false, 'option 3 "Yes, and use auto mode" allows more than this one request; nothing was chosen'],
    [5, {}, false, 'option 5 "Yes, whatever" may allow more than this one request; nothing was chosen'],
    [3, {}, true, undefined],
    [3, { expect: ["ls"] }, false, undefined],
    [3, { contains: ["l"] }, false, 'option 3 "Yes, and use auto mode" allows more than this one request; nothing was chosen'],
  ])("option %p with %j, widened %p", (option, expectation, isWide, error) => {
    const chosen = tool.options[option - 1] as ScreenGate["options"][number];
    expect(failure(() => requireNarrow(tool, chosen, expectation, isWide)).message).toBe(error);
  });

  test("what stands in a menu of claude's own is nobody's right", () => {
    const own = menu("dialog", ["Something", "unknown"]);
    expect(failure(() => requireNarrow(own, own.options[0] as ScreenGate["options"][number], {}, false))).toEqual({});
  });
});
