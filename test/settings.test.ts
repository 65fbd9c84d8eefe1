import { describe, expect, test } from "bun:test";
import { configCommand } from "../src/cmd-config.ts";
import { defaultsOf, type Row, readAt, readSettings, settings, variables } from "../src/settings.ts";
import { checkSettings, findSetting, findUnknown, openConfig, parseConfig, parseSetting, withValue } from "../src/settings-schema.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/home/dev/.config/claude-smart/config.json";
const set = (config: Record<string, unknown>, key: string, ...words: string[]) => {
  const found = findSetting(key);
  return withValue(config, found.path, parseSetting(found, words)) as Record<string, unknown>;
};
/** As the file says it, under these variables. */
const settingsOf = (file: unknown, env: Record<string, string> = {}) =>
  readSettings(createFakeSys({ env, files: { [path]: typeof file === "string" ? file : JSON.stringify(file) } }));

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

  test.each(Object.entries<Row>(settings))("%s is found by its name, and its default is valid", (key, row) => {
    const found = findSetting(key.replace(/<\w+>/, "x"));
    expect(found.key as string).toBe(key);
    if (row.default !== undefined) parseConfig(withValue({}, found.path, row.default));
  });
});

test.each<[rule: string, value: unknown, message: string]>([
  ["a list", [], "the file: invalid input"],
  ["a wrong type", { launchCommand: "npx happy" }, "launch-command: invalid input"],
  ["a profile's own name stays as it is", { limit: { profiles: { myWork: { maxHops: 0.5 } } } }, "limit.profiles.myWork.max-hops: invalid"],
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

/** For each kind of check, values that are right and values that are wrong. */
const samples: [key: keyof typeof settings, right: unknown[], wrong: unknown[]][] = [
  ["launch-command", [["claude"], ["npx", "a b"]], ["claude", [""], [1], null]],
  ["limit.policy", ["switch", "stop"], ["Switch", "", 1, null]],
  ["limit.handoff-prompt", ["", "Go on."], [1, null, []]],
  ["limit.max-hops", [0, 6], [-1, 1.5, "6", 1e300]],
  ["limit.cooldown-ms", [0, 3000], [-1, 0.5, true]],
  ["usage.limit-percent", [0, 99.5, 100], [-0.1, 100.1, "99", null]],
  ["dashboard.error-loop-count", [1, 4], [0, -1, 1.5]],
];

test.each(samples)("%s: the reader takes what the schema takes, and its default for the rest", (key, right, wrong) => {
  const { path: place, row } = findSetting(key);
  const [part = "", name = ""] = place;
  const read = (value: unknown) => {
    const file = withValue({}, place, value);
    return name === "" ? (settingsOf(file).said(key) ?? row.default) : settingsOf(file).part(part as "limit")[name as "policy"];
  };
  for (const value of right) {
    expect([value, read(value)]).toEqual([value, value]);
    parseConfig(withValue({}, place, value));
  }
  for (const value of wrong) {
    expect([value, read(value)]).toEqual([value, row.default]);
    expect(() => parseConfig(withValue({}, place, value))).toThrow(key);
  }
});

describe("what holds", () => {
  test.each<
    [rule: string, file: unknown, env: Record<string, string>, key: "policy" | "handoffPrompt" | "maxHops" | "cooldownMs", value: unknown]
  >([
    ["the default", {}, {}, "policy", "switch"],
    ["the file", { limit: { policy: "wait" } }, {}, "policy", "wait"],
    ["a profile's own before the general one", { limit: { policy: "wait", profiles: { work: { policy: "ask" } } } }, {}, "policy", "ask"],
    ["another profile's is none of its business", { limit: { profiles: { play: { policy: "ask" } } } }, {}, "policy", "switch"],
    ["a name that every object inherits is no profile", { limit: { profiles: {} } }, {}, "maxHops", 6],
    ["the older tool's off switch", { limit: { policy: "wait" } }, { CLAUDE_AUTO_SWITCH: "0" }, "policy", "stop"],
    ["which says nothing otherwise", { limit: { policy: "wait" } }, { CLAUDE_AUTO_SWITCH: "1" }, "policy", "wait"],
    ["its second one", {}, { CLAUDE_AUTO_SWITCH_RELAUNCH: "0" }, "policy", "stop"],
    ["which says nothing otherwise", { limit: { policy: "ask" } }, { CLAUDE_AUTO_SWITCH_RELAUNCH: "1" }, "policy", "ask"],
    ["its prompt, word for word", {}, { CLAUDE_SMART_RESUME_PROMPT: " go " }, "handoffPrompt", " go "],
    ["and an empty one", { limit: { handoffPrompt: "x" } }, { CLAUDE_SMART_RESUME_PROMPT: "" }, "handoffPrompt", ""],
    ["its seconds", { limit: { cooldownMs: 5 } }, { CLAUDE_SWITCH_COOLDOWN: "7" }, "cooldownMs", 7000],
    ["its count", { limit: { maxHops: 5 } }, { CLAUDE_MAX_HOPS: " 2 " }, "maxHops", 2],
    ["not half of one", { limit: { maxHops: 5 } }, { CLAUDE_MAX_HOPS: "2.5" }, "maxHops", 5],
    ["nor a word", { limit: { maxHops: 5 } }, { CLAUDE_MAX_HOPS: "many" }, "maxHops", 5],
    ["a wrong value counts as none", { limit: { maxHops: "many" } }, {}, "maxHops", 6],
    ["so does a wrong file", "{", {}, "maxHops", 6],
    ["and one that is no object", "[]", {}, "maxHops", 6],
  ])("%s", (_, file, env, key, value) => {
    expect(settingsOf(file, env).part("limit", "work")[key]).toBe(value as never);
  });

  test("the command line wins, and a word that is none is refused by name", () => {
    const sys = createFakeSys({ env: { CSM_PICK_POLICY: "best" } });
    expect(readSettings(sys, { "usage.policy": "spread" }).part("usage").policy).toBe("spread");
    expect(() => readSettings(sys).part("usage")).toThrow('unknown policy "best"');
    expect(() => readSettings(sys, { "usage.policy": "worst" }).part("usage")).toThrow('unknown policy "worst"');
  });

  test.each<[env: Record<string, string>, key: keyof ReturnType<typeof defaultsOf<"fetch">>, value: unknown]>([
    [{ CLAUDE_USAGE_URL: " http://x/ " }, "url", "http://x/"],
    [{ CLAUDE_USAGE_URL: " " }, "url", undefined],
    [{ CLAUDE_USAGE_HTTP_TIMEOUT: "0.5" }, "httpTimeoutMs", 500],
    [{ CLAUDE_USAGE_HTTP_TIMEOUT: "999999999" }, "httpTimeoutMs", 86_400_000],
    [{ CLAUDE_USAGE_TTL: "soon", CSM_USAGE_TTL_SECS: "20" }, "cacheMs", 20_000],
    [{ CSM_USAGE_ASK: "0" }, "ask", "off"],
    [{}, "ask", "on"],
  ])("%j in the environment", (env, key, value) => {
    // A file cannot say where usage is fetched from.
    expect(settingsOf({ fetch: { url: "http://file/", ask: "off", cacheMs: 1 } }, env).part("fetch")[key]).toBe(value as never);
  });

  test("without a home there is no file", () => {
    expect(readSettings(createFakeSys({ homeDir: undefined })).said("launch-command")).toBeUndefined();
  });

  test("one broken word of a list of profiles does not set the others free", () => {
    expect(settingsOf({ usage: { disabled: ["work", 5, ""] } }).said("usage.disabled")).toEqual(["work"]);
  });
});

test.each<[text: string, part: string | undefined, message: string | undefined]>([
  ["", undefined, undefined],
  ['{"limit":{"policy":"maybe"}}', undefined, `failed to read ${path}: limit.policy: invalid option`],
  ['{"limit":{"policy":"maybe"}}', "prices", undefined],
  ['{"prices":{"m":{"input":"5"}}}', "prices", "prices.m.input: invalid input"],
  ["[]", "prices", "the file: invalid input"],
])("%s, of which %s matters", (text, part, message) => {
  const check = () => checkSettings(createFakeSys({ files: { [path]: text } }), part);
  if (message === undefined) check();
  else expect(check).toThrow(message);
});

test("keys that say nothing are named as they would be typed", () => {
  const file = { limit: { polcy: "wait", profiles: { work: { maxHop: 1 } } }, prices: { m: { input: 1, fast: { odd: 1 } } }, editor: {} };
  expect(findUnknown(file)).toEqual(["limit.polcy", "limit.profiles.work.max-hop", "editor"]);
});

const runConfig = async (words: string[], file: string, env: Record<string, string> = {}) => {
  const sys = createFakeSys({ env, files: { [path]: file } });
  const lines = { out: [] as string[], tell: [] as string[] };
  const app = { sys, columns: undefined, out: (text: string) => lines.out.push(text), tell: (text: string) => lines.tell.push(text) };
  const [verb, key, ...rest] = words;
  await configCommand.run({ args: { _: [], verb, key } as never, repeated: {}, rest, app: app as never });
  return { ...lines, file: sys.files.get(path) };
};

describe("csm config", () => {
  test("keys tells the name, the default with its unit, and the meaning of each", async () => {
    const text = (await runConfig(["keys"], "")).out.join("\n");
    const rows = text.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows.map(([key]) => key ?? "").filter((key) => key !== "KEY")).toEqual([
      ...Object.keys(settings),
      ...Object.values<Row>(variables).map((row) => (row.variables ?? []).map(({ name }) => name).join(", ")),
    ]);
    expect(rows.find(([key]) => key === "limit.handoff-prompt")?.[1]).toBe(defaultsOf("limit").handoffPrompt);
    expect(rows.find(([key]) => key === "limit.cooldown-ms")).toEqual([
      "limit.cooldown-ms",
      "3000 ms",
      "time between two switches on this machine ($CLAUDE_SWITCH_COOLDOWN in s)",
    ]);
    expect(rows.find(([key]) => key === "CLAUDE_USAGE_HTTP_TIMEOUT")).toEqual([
      "CLAUDE_USAGE_HTTP_TIMEOUT",
      "2 s",
      "how long the address may take",
    ]);
  });

  test.each<[words: string[], file: string, env: Record<string, string>, out: string[]]>([
    [["get", "limit.max-hops"], "", {}, ["6"]],
    [["get", "limit.max-hops"], '{"limit":{"maxHops":2}}', {}, ["2"]],
    [["get", "limit.max-hops"], '{"limit":{"maxHops":2}}', { CLAUDE_MAX_HOPS: "3" }, ["3"]],
    [["get", "limit.profiles.work.policy"], "", {}, []],
    [["get", "launch-command"], "", { CLAUDE_SMART_CLAUDE_BIN: "/x/claude" }, ["/x/claude"]],
    [["check"], '{"limit":{"policy":"wait"}}', {}, []],
  ])("%j of %p", async (words, file, env, out) => {
    expect((await runConfig(words, file, env)).out).toEqual(out);
  });

  test("check names what is wrong, and what says nothing", async () => {
    await expect(runConfig(["check"], '{"limit":{"maxHops":-1}}')).rejects.toThrow("limit.max-hops: too small");
    expect((await runConfig(["check"], '{"limit":{"polcy":"wait"}}')).tell).toEqual([
      'csm config: no setting is called "limit.polcy"; did you mean limit.policy?',
    ]);
  });

  test("set writes a table of rates as JSON", async () => {
    const rates = { input: 1, output: 2, write5m: 3, write1h: 4, cacheRead: 5 };
    const { file = "" } = await runConfig(["set", "prices.claude-x.fast", JSON.stringify(rates)], "");
    expect(JSON.parse(file)).toEqual({ prices: { "claude-x": { fast: rates } } });
    await expect(runConfig(["set", "prices.claude-x.fast", '{"input":1}'], "")).rejects.toThrow(
      "prices.claude-x.fast.output: invalid input",
    );
  });
});
