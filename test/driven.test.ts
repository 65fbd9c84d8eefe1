import { describe, expect, test } from "bun:test";
import { checkName, createDrivenStore, type Driven, defaultName, parseDriven, publicDriven } from "../src/driven.ts";
import { createFakeSys } from "./fake-sys.ts";

const id = "abcdef12-3456-4789-8abc-def012345678";

/** As the older csd wrote it. */
const old = {
  name: "fix",
  session_id: id,
  cwd: "/home/dev/app",
  backend: "claude",
  jsonl_path: `/home/dev/.claude/projects/-home-dev-app/${id}.jsonl`,
  permission_mode: null,
  created: 1_780_000_000,
};

const whole: Driven = {
  ...old,
  permission_mode: "plan",
  backend_version: "2.1.329",
  config_dir: "/home/dev/.claude",
  socket: "/tmp/tmux-1000/default",
  server_pid: 10,
  tmux_session: "$1",
  pane: "%3",
  pid: 77,
  process_start: "84997",
};

describe("names", () => {
  test.each(["csd-csd-abc123", "agent_1", "Foo.bar-2", "_x", "a-", "1", "a.b", "a".repeat(200)])("%j is valid", (name) => {
    expect(() => checkName(name)).not.toThrow();
  });

  const invalid = [
    "../x",
    "..",
    "a/b",
    "/etc/passwd",
    "-rf",
    "",
    "a..b",
    "foo/../bar",
    "é",
    "a b",
    "a:b",
    ".x",
    "a\n",
    "a\\b",
    "=a",
    "$1",
    "%3",
  ];

  test.each([...invalid, "a".repeat(201)])("%j is not", (name) => {
    const error = {
      message: `invalid session name ${JSON.stringify(name)}`,
      hint: "use up to 200 of the characters A-Z a-z 0-9 . _ -, starting with a letter, a digit or _",
      exitCode: 1,
    };
    expect(() => checkName(name)).toThrow(expect.objectContaining(error));
  });

  test.each<[cwd: string, name: string]>([
    ["/", "csd-agent-abcdef12"],
    ["/home/me/bots/Marshall Ku", "csd-Marshall-Ku-abcdef12"],
    ["/tmp/foo.bar baz", "csd-foo-bar-baz-abcdef12"],
    ["/tmp/a_b-c/", "csd-a_b-c-abcdef12"],
    ["/tmp/...---", "csd-agent-abcdef12"],
    ["/x/é 日本 😀x", "csd-x-abcdef12"],
    ["C:\\Users\\me\\app", "csd-app-abcdef12"],
    ["", "csd-agent-abcdef12"],
    [`/${"a".repeat(300)}`, `csd-${"a".repeat(100)}-abcdef12`],
  ])("the default name in %j is %j", (cwd, name) => {
    expect(defaultName(cwd, id)).toBe(name);
  });

  test("the id keeps its case", () => {
    expect(defaultName("/app", "ABCDEF12-3456")).toBe("csd-app-ABCDEF12");
  });
});

describe("reading", () => {
  const without = (key: string) => Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key));

  test.each<[rule: string, fields: Record<string, unknown>, driven: Record<string, unknown>]>([
    ["one of the older csd, without version", old, old],
    ["a whole one", { ...whole }, { ...whole }],
    ["without permission_mode it is null", without("permission_mode"), { ...whole, permission_mode: null }],
    ["a null backend_version is none", { ...old, backend_version: null }, old],
    ["so is null in any field that may be absent", { ...old, socket: null, pane: null, config_dir: null, process_start: null }, old],
    ["unknown keys are kept", { ...old, color: "red", nested: { a: [1] } }, { ...old, color: "red", nested: { a: [1] } }],
    ["created in the first second", { ...old, created: 0 }, { ...old, created: 0 }],
  ])("%s", (_, fields, driven) => {
    const parsed: unknown = parseDriven(JSON.stringify(fields));
    expect(parsed).toEqual(driven);
  });

  test.each<[rule: string, text: string, message: string | RegExp]>([
    ["not JSON", '{"name":', /JSON/],
    ["null", "null", "not an object"],
    ["a list", "[]", "not an object"],
    ["a text", '"x"', "not an object"],
    ...["name", "session_id", "cwd", "backend", "jsonl_path"].flatMap((key): [string, string, string][] => [
      [`no ${key}`, JSON.stringify(without(key)), `${key} must be a string`],
      [`${key} as a number`, JSON.stringify({ ...whole, [key]: 1 }), `${key} must be a string`],
    ]),
    ["no created", JSON.stringify(without("created")), "created must be a whole number of seconds"],
    ...[-1, 1.5, "1780000000", null].map((created): [string, string, string] => [
      `created as ${JSON.stringify(created)}`,
      JSON.stringify({ ...whole, created }),
      "created must be a whole number of seconds",
    ]),
    ["permission_mode as a number", JSON.stringify({ ...whole, permission_mode: 1 }), "permission_mode must be a string or null"],
    ["backend_version as a number", JSON.stringify({ ...whole, backend_version: 2 }), "backend_version must be a string"],
    ["pane as a number", JSON.stringify({ ...whole, pane: 3 }), "pane must be a string"],
    ["pid as a text", JSON.stringify({ ...whole, pid: "77" }), "pid must be the number of a process"],
    ...[0, -1, 1.5, 2 ** 31].map((pid): [string, string, string] => [
      `pid ${pid}`,
      JSON.stringify({ ...whole, pid }),
      "pid must be the number of a process",
    ]),
    ["created beyond all dates", JSON.stringify({ ...whole, created: 1e15 }), "created must be a whole number of seconds"],
    ["a name that leads elsewhere", JSON.stringify({ ...whole, name: "../fix" }), "name must be one plain word"],
    ["an id that leads elsewhere", JSON.stringify({ ...whole, session_id: "../../x" }), "session_id must be one plain word"],
    ["a pane that is a command of tmux", JSON.stringify({ ...whole, pane: "%3;" }), "pane must be an id of tmux"],
    ["server_pid as a text", JSON.stringify({ ...whole, server_pid: "10" }), "server_pid must be the number of a process"],
  ])("refused: %s", (_, text, message) => {
    expect(() => parseDriven(text)).toThrow(message);
  });
});

test.each<[rule: string, driven: Driven, text: string]>([
  [
    "the older csd's keys in its order, nothing else",
    whole,
    `{"name":"fix","session_id":"${id}","cwd":"/home/dev/app","backend":"claude","jsonl_path":"${old.jsonl_path}","permission_mode":"plan","backend_version":"2.1.329","created":1780000000}`,
  ],
  [
    "an unknown version has no key, no mode is null",
    old,
    `{"name":"fix","session_id":"${id}","cwd":"/home/dev/app","backend":"claude","jsonl_path":"${old.jsonl_path}","permission_mode":null,"created":1780000000}`,
  ],
])("public: %s", (_, driven, text) => {
  expect(JSON.stringify(publicDriven(driven))).toBe(text);
});

describe("the store", () => {
  const dir = "/home/dev/.local/state/csd/sessions";
  const open = (files: Record<string, string> = {}) => {
    const sys = createFakeSys({ files });
    return { sys, store: createDrivenStore(sys) };
  };

  test("writes pretty JSON of the older csd's form, with a version behind it", () => {
    const { sys, store } = open();
    store.write("fix", old);
    expect([...sys.files]).toEqual([
      [
        `${dir}/fix.json`,
        [
          "{",
          '  "name": "fix",',
          `  "session_id": "${id}",`,
          '  "cwd": "/home/dev/app",',
          '  "backend": "claude",',
          `  "jsonl_path": "${old.jsonl_path}",`,
          '  "permission_mode": null,',
          '  "created": 1780000000,',
          '  "version": 1',
          "}",
        ].join("\n"),
      ],
    ]);
  });

  test("keeps unknown keys when it writes what it read", () => {
    const { sys, store } = open({ [`${dir}/fix.json`]: JSON.stringify({ ...old, color: "red" }) });
    const driven = store.read("fix");
    if (driven !== undefined) store.write("fix", driven);
    expect(JSON.parse(sys.files.get(`${dir}/fix.json`) ?? "")).toEqual({ ...old, color: "red", version: 1 });
  });

  test("a file that names another session is broken", () => {
    const { store } = open({ [`${dir}/fix.json`]: JSON.stringify({ ...old, name: "other" }) });
    expect(store.list()).toEqual({ records: [], broken: ["fix"] });
  });

  test("a name that is not tracked is absent", () => {
    expect(open().store.read("fix")).toBeUndefined();
  });

  test("a broken file names itself, what is wrong, and the way out", () => {
    const { store } = open({ [`${dir}/fix.json`]: JSON.stringify({ ...old, created: -1 }) });
    const error = {
      message: `failed to read ${dir}/fix.json: created must be a whole number of seconds`,
      hint: "remove it with: csd kill fix",
      exitCode: 1,
    };
    expect(() => store.read("fix")).toThrow(expect.objectContaining(error));
  });

  test("lists by name in byte order; broken files are named, others passed over", () => {
    const { store } = open({
      [`${dir}/b.json`]: JSON.stringify({ ...old, name: "b" }),
      [`${dir}/a.json`]: JSON.stringify({ ...old, name: "a" }),
      [`${dir}/_.json`]: JSON.stringify({ ...old, name: "_" }),
      [`${dir}/Z.json`]: JSON.stringify({ ...old, name: "Z" }),
      [`${dir}/torn.json`]: '{"name":',
      [`${dir}/c.json.77.tmp`]: JSON.stringify({ ...old, name: "c" }),
      [`${dir}/notes.txt`]: "x",
    });
    const { records, broken } = store.list();
    expect([records.map((driven) => driven.name), broken]).toEqual([["Z", "_", "a", "b"], ["torn"]]);
  });

  test("a missing folder is an empty list", () => {
    expect(open().store.list()).toEqual({ records: [], broken: [] });
  });

  test("a name is free again when it is removed", () => {
    const { sys, store } = open();
    store.write("fix", old);
    store.remove("fix");
    expect([store.read("fix"), sys.files.size]).toEqual([undefined, 0]);
  });
});
