import { describe, expect, test } from "bun:test";
import { findSetting, openConfig, parseConfig, parseSetting, readAt, settings, withValue } from "../src/config.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/home/dev/.config/claude-smart/config.json";
const set = (config: Record<string, unknown>, key: string, ...words: string[]) => {
  const { setting, path } = findSetting(key);
  return withValue(config, path, parseSetting(setting, path, words)) as Record<string, unknown>;
};

describe("keys", () => {
  test.each<[key: string, words: string[], expected: unknown]>([
    ["launch-command", ["npx", "--yes", "my wrapper"], { launchCommand: ["npx", "--yes", "my wrapper"] }],
    ["launchCommand", ["claude"], { launchCommand: ["claude"] }],
    ["limit.policy", ["wait"], { limit: { policy: "wait" } }],
    ["limit.handoff-prompt", [""], { limit: { handoffPrompt: "" } }],
    ["limit.handoff-prompt", ["42"], { limit: { handoffPrompt: "42" } }],
    ["limit.max-hops", ["3"], { limit: { maxHops: 3 } }],
    ["limit.profiles.work.policy", ["stop"], { limit: { profiles: { work: { policy: "stop" } } } }],
    ["limit.profiles.a.b.policy", ["stop"], { limit: { profiles: { "a.b": { policy: "stop" } } } }],
    ["usage.disabled", ["work", "spare"], { usage: { disabled: ["work", "spare"] } }],
    ["usage.policy", ["spread"], { usage: { policy: "spread" } }],
    ["prices.claude-opus-4.5.input", ["2.5"], { prices: { "claude-opus-4.5": { input: 2.5 } } }],
    ["dashboard.context-warn-percent", ["70"], { dashboard: { contextWarnPercent: 70 } }],
    ["usage.disabled", ["home", "old"], { usage: { disabled: ["home", "old"] } }],
  ])("%s is set", (key, words, expected) => {
    expect(set({}, key, ...words)).toEqual(expected as Record<string, unknown>);
  });

  test.each<[key: string, words: string[], message: string]>([
    ["limit.policy", ["maybe"], "csm config: limit.policy: invalid option"],
    ["limit.profiles.work.policy", ["maybe"], "csm config: limit.profiles.work.policy: invalid option"],
    ["limit.max-hops", ["many"], "csm config: limit.max-hops: invalid input"],
    ["limit.max-hops", ["1.5"], "csm config: limit.max-hops: invalid input"],
    ["usage.limit-percent", ["101"], "csm config: usage.limit-percent: too big"],
    ["limit.policy", ["wait", "stop"], "csm config: limit.policy takes one value"],
    ["limt.policy", ["wait"], 'csm config: unknown key "limt.policy"'],
    ["limit.profiles.__proto__.policy", ["wait"], "csm config: unknown key"],
    ["limit.profiles..policy", ["wait"], "csm config: unknown key"],
  ])("%s %p is refused by name", (key, words, message) => {
    expect(() => set({}, key, ...words)).toThrow(message);
  });

  test("each key of the list is found, and its default is valid", () => {
    for (const setting of settings) {
      const key = setting.key.replace(/<\w+>/, "x");
      expect([key, findSetting(key).setting.key]).toEqual([key, setting.key]);
      if (setting.default !== undefined) parseConfig(withValue({}, findSetting(key).path, setting.default));
    }
  });
});

test.each<[rule: string, value: unknown, message: string]>([
  ["a list", [], "the file: invalid input"],
  ["a wrong type", { launchCommand: "npx happy" }, "launch-command: invalid input"],
  ["a wrong word deep inside", { limit: { profiles: { work: { policy: 3 } } } }, "limit.profiles.work.policy: invalid option"],
])("%s: the error names the key", (_, value, message) => {
  expect(() => parseConfig(value)).toThrow(message);
});

test("unknown keys stay, at every depth, and keep their place", async () => {
  const sys = createFakeSys({ files: { [path]: '{"future":1,"limit":{"new":[2],"policy":"stop"}}' } });
  const config = openConfig(sys);
  await config.update((before) => withValue(before, ["limit", "policy"], "wait"));
  expect(JSON.parse(sys.files.get(path) ?? "")).toEqual({ future: 1, limit: { new: [2], policy: "wait" } });
  expect(sys.files.get(path)).toMatch(/^\{\n {2}"future"[\s\S]*\n$/);
});

test("what is unset goes, with the objects that it leaves empty", () => {
  expect(withValue({ limit: { profiles: { work: { policy: "stop" } } } }, ["limit", "profiles", "work", "policy"], undefined)).toEqual({});
  expect(withValue({ launchCommand: ["x"] }, ["launchCommand"], undefined)).toEqual({});
  expect(withValue({}, ["limit", "policy"], undefined)).toEqual({});
});

test("a value is read by its place; inherited names are none", () => {
  expect(readAt({ limit: { policy: "wait" } }, ["limit", "policy"])).toBe("wait");
  expect(readAt({}, ["limit", "policy"])).toBeUndefined();
  expect(readAt({}, ["toString"])).toBeUndefined();
});

test("a broken file is named and stays as it is", async () => {
  const sys = createFakeSys({ files: { [path]: "{" } });
  expect(() => openConfig(sys).read()).toThrow(`failed to read ${path}`);
  await expect(openConfig(sys).update((before) => before)).rejects.toThrow(path);
  expect(sys.files.get(path)).toBe("{");
});
