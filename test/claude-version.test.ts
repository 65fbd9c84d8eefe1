import { expect, test } from "bun:test";
import { renderHookSettings } from "../src/claude-hooks.ts";
import { parseVersion, rulesWarning, takesEvent, verifiedVersions, versionWarning } from "../src/claude-version.ts";

const list = '["2.0.70","2.1.86","2.1.158","2.1.204","2.1.259","2.1.329"]';

test("the verified versions are those of the fixtures and notes", () => {
  expect(JSON.stringify(verifiedVersions)).toBe(list);
});

test.each<[stdout: string, version: string | undefined]>([
  ["2.1.173 (Claude Code)\n", "2.1.173"],
  ["\n 2.1.173", "2.1.173"],
  ["2.2.0-beta.1 (Claude Code)", "2.2.0-beta.1"],
  ["Claude Code 2.1.173", undefined],
  ["", undefined],
  [" \n", undefined],
])("%j has version %p", (stdout, version) => {
  expect(parseVersion(stdout)).toBe(version);
});

const other = (version: string) =>
  `claude ${version} is not among the verified versions ${list}: gate detection may miss prompts; csd doctor tests it; if it works, set CSD_VERIFIED_VERSIONS=${version}`;

test.each<[rule: string, version: string | undefined, extra: string | undefined, warning: string | undefined]>([
  ["a verified one: none", "2.1.329", undefined, undefined],
  ["another: version, list, and the variable to set", "2.1.330", undefined, other("2.1.330")],
  ["a part of a verified one is another", "2.1.32", undefined, other("2.1.32")],
  ["listed in the variable: none", "2.1.173", "2.1.170,2.1.173", undefined],
  ["blanks in the variable do not count", "2.1.173", " 2.1.170, 2.1.173 ", undefined],
  ["an empty variable lists nothing", "2.1.173", "", other("2.1.173")],
  ["nor does a lone comma", "2.1.173", ",", other("2.1.173")],
  [
    "unknown: it says so",
    undefined,
    "2.1.173,",
    `could not determine the version of claude; gates are verified for ${list} and may be missed on others`,
  ],
])("version warning: %s", (_, version, extra, warning) => {
  expect(versionWarning("claude", version, extra)).toBe(warning);
});

test.each([
  ["1.0.128", "claude 1.0.128 is older than 2.0.70, the first on which rules were seen to hold: they may not hold in this session"],
  ["2.0.69", "claude 2.0.69 is older than 2.0.70, the first on which rules were seen to hold: they may not hold in this session"],
  ["2.0.70", undefined],
  ["2.1", undefined],
  ["2.1.329", undefined],
  ["3.0.0", undefined],
  ["2.2.0-beta", undefined],
  [undefined, undefined],
])("rules in a session of claude %p", (version, warning) => {
  expect(rulesWarning(version)).toBe(warning as string);
});

test("turns are told by hooks where these tell how one ends", () => {
  const eventsOf = (version: string) => Object.keys((JSON.parse(renderHookSettings("csd", { version })) as { hooks: object }).hooks);
  expect(eventsOf("2.0.70")).toEqual([]);
  expect(eventsOf("2.1.86")).toEqual(["UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure"]);
});

test.each([
  ["2.0.70", "StopFailure", false],
  ["2.1.85", "StopFailure", false],
  ["2.1.86", "StopFailure", true],
  ["2.1.329", "StopFailure", true],
  ["2.2.0-beta", "StopFailure", true],
  ["10.0.0", "StopFailure", true],
  [undefined, "StopFailure", true],
  ["2.0.70", "PermissionRequest", true],
])("claude %p takes a hook for %s: %p", (version, event, isTaken) => {
  expect(takesEvent(version, event)).toBe(isTaken);
  const settings = JSON.parse(
    renderHookSettings("csd", { version, events: [], rules: [{ event: "PreToolUse" }, { event: event as "StopFailure" }] }),
  ) as { hooks: object };
  expect(Object.keys(settings.hooks)).toEqual(isTaken ? ["PreToolUse", event] : ["PreToolUse"]);
});
