import { expect, test } from "bun:test";
import { currentDir, currentProfile, profileDirs, profileEnv, profileOfDir, readRegistry, readRegistryOrNone } from "../src/profiles.ts";
import { checkProfileName, openRegistry, parseProfileDir } from "../src/profiles-change.ts";
import { createFakeSys } from "./fake-sys.ts";

const profilesFile = "/home/dev/.config/claude-as/profiles.json";
const defaultFile = "/home/dev/.config/claude-as/default";
const two = { zeta: "/home/dev/.claude.zeta", alpha: "~/.claude.alpha" };
const open = (profiles?: object | string, token?: string, env: Record<string, string> = {}) => {
  const text = typeof profiles === "string" ? profiles : JSON.stringify(profiles);
  const files = { ...(profiles === undefined ? {} : { [profilesFile]: text }), ...(token === undefined ? {} : { [defaultFile]: token }) };
  const sys = createFakeSys({ files, env });
  return { sys, registry: openRegistry(sys), stored: () => sys.files.get(profilesFile), token: () => sys.files.get(defaultFile) };
};

test.each([
  ["no file", undefined, undefined, [], undefined],
  ["an empty object", {}, undefined, [], undefined],
  ["an empty registry and a token", {}, "custom\n", [], "custom"],
  ["two, sorted, none is the default before somebody says so", two, undefined, ["alpha", "zeta"], undefined],
  ["that of ~/.claude is", { ...two, main: "~/.claude" }, undefined, ["alpha", "main", "zeta"], "main"],
  ["by any spelling", { a: "/a", main: "/home/dev/.claude/" }, undefined, ["a", "main"], "main"],
  ["until another one is chosen", { ...two, main: "~/.claude" }, "zeta", ["alpha", "main", "zeta"], "zeta"],
  ["a default with blanks around it", two, "  zeta  \n", ["alpha", "zeta"], "zeta"],
  ["a default nobody has", two, "gone", ["alpha", "zeta"], undefined],
  [
    "names that JavaScript would take for its own",
    '{"__proto__":"/a","constructor":"/b"}',
    "constructor",
    ["__proto__", "constructor"],
    "constructor",
  ],
  ["names of digits, in byte order", { 9: "/a", 10: "/b" }, "10", ["10", "9"], "10"],
] as const)("reads %s", (_, profiles, token, names, defaultName) => {
  const registry = readRegistry(open(profiles, token).sys);
  expect(registry.profiles.map(({ name }) => name)).toEqual([...names]);
  expect(registry.defaultName).toBe(defaultName);
});

test.each([
  ["torn", '{"a":', "JSON Parse error"],
  ["a list", "[]", "not an object of names and folders"],
  ["with a number", '{"a":1}', 'the folder of "a" must be a text'],
  ["with an empty folder", '{"a":""}', 'the folder of "a" must be a text'],
])("a registry that is %s is an error that names the file, and stays", async (_, text, message) => {
  const { sys, registry, stored } = open(text);
  expect(() => readRegistry(sys)).toThrow(`failed to read ${profilesFile}: ${message}`);
  await expect(registry.add({ name: "b", dir: "/b" })).rejects.toThrow(profilesFile);
  expect(stored()).toBe(text);
  expect(readRegistryOrNone(sys).profiles).toEqual([]);
});

test("writes what the older tool reads: sorted, two spaces, a newline", async () => {
  const { registry, stored } = open({ zeta: "/z" });
  await registry.add({ name: "alpha", dir: "/a" });
  expect(stored()).toBe('{\n  "alpha": "/a",\n  "zeta": "/z"\n}\n');
});

const changes: [string, (registry: ReturnType<typeof openRegistry>) => Promise<unknown>, string][] = [
  ["a name that is there", (r) => r.add({ name: "zeta", dir: "/new" }), "profile 'zeta' already exists"],
  [
    "another profile's folder",
    (r) => r.add({ name: "new", dir: "/home/dev/.claude.alpha" }),
    "/home/dev/.claude.alpha is the folder of profile 'alpha'",
  ],
  [
    "moving onto another profile's folder",
    (r) => r.set({ name: "zeta", dir: "/home/dev/.claude.alpha" }),
    "is the folder of profile 'alpha'",
  ],
  ["a new name with a slash", (r) => r.set({ name: "a/b", dir: "/new" }), 'invalid profile name "a/b"'],
  ["removing what is not there", (r) => r.remove("x"), "unknown profile 'x' — available: alpha, zeta"],
  ["renaming to a name that is there", (r) => r.rename("alpha", "zeta"), "profile 'zeta' already exists"],
  ["renaming to itself", (r) => r.rename("alpha", "alpha"), "profile 'alpha' already exists"],
  ["renaming to a word of cas", (r) => r.rename("alpha", "list"), "it is a word of cas"],
  ["an unknown default", (r) => r.setDefault("x"), "unknown profile 'x'"],
];

test.each(changes)("refuses %s and leaves the file as it is", async (_, change, message) => {
  const { sys, registry, stored } = open(two);
  await expect(change(registry)).rejects.toThrow(message);
  expect(stored()).toBe(JSON.stringify(two));
  // No lock stays behind.
  await openRegistry(sys).add({ name: "next", dir: "/next" });
});

test("set tells the folder a profile had", async () => {
  const { registry } = open(two);
  expect(await registry.set({ name: "zeta", dir: "/elsewhere" })).toBe("/home/dev/.claude.zeta");
  expect(await registry.set({ name: "new", dir: "/new" })).toBeUndefined();
});

test("renaming the default takes the default along", async () => {
  const { sys, registry, token } = open(two, "zeta\n");
  await registry.rename("zeta", "omega");
  expect(token()).toBe("omega\n");
  expect(readRegistry(sys)).toEqual({
    profiles: [
      { name: "alpha", dir: "~/.claude.alpha" },
      { name: "omega", dir: "/home/dev/.claude.zeta" },
    ],
    defaultName: "omega",
  });
});

test("the default is removed by force alone", async () => {
  const { registry, token } = open(two, "alpha\n");
  await expect(registry.remove("alpha")).rejects.toThrow("'alpha' is the default profile");
  expect(token()).toBe("alpha\n");
});

test("~/.claude loses its name without force: it stays the default", async () => {
  const { sys, registry } = open({ ...two, main: "~/.claude" }, "main\n");
  await registry.remove("main");
  expect(readRegistry(sys).defaultName).toBeUndefined();
});

test("renaming another one leaves the default file alone", async () => {
  const { registry, token } = open(two);
  await registry.rename("zeta", "omega");
  expect(token()).toBeUndefined();
});

test("the last profile goes only by force, and its default with it", async () => {
  const { registry, stored, token } = open({ only: "/only" }, "only\n");
  await expect(registry.remove("only")).rejects.toThrow("'only' is the default profile");
  await registry.remove("only", true);
  expect(stored()).toBe("{}\n");
  expect(token()).toBeUndefined();
});

test("an empty registry takes any valid word as its default", async () => {
  const { registry, token } = open();
  await registry.setDefault("custom");
  expect(token()).toBe("custom\n");
  await expect(registry.setDefault("a b")).rejects.toThrow("invalid profile name");
});

test("changes at once do not lose one another", async () => {
  const { sys, registry } = open();
  await Promise.all(["a", "b", "c"].map((name) => registry.add({ name, dir: `/${name}` })));
  expect(readRegistry(sys).profiles.map(({ name }) => name)).toEqual(["a", "b", "c"]);
});

test.each(["a b", "a/b", "..", ".", ".hidden", "-x", "a..b", "", "a'b", "ü", "a\nb", "x".repeat(101), "list", "status", "-"])(
  "refuses the name %j",
  (name) => expect(() => checkProfileName(name)).toThrow("invalid profile name"),
);

test.each(["work", "a.b", "_x", "9", "A-b_c.d", "__proto__"])("takes the name %s", (name) => checkProfileName(name));

test.each([
  ["/abs/dir/", "/abs/dir"],
  ["~/.claude.x", "/home/dev/.claude.x"],
  ["sub/dir", "/work/sub/dir"],
  ["/a/../b", "/b"],
  ["/it's $HOME `x`", "/it's $HOME `x`"],
])("stores the folder %j as %j", (typed, stored) => expect(parseProfileDir(createFakeSys(), typed)).toBe(stored));

test.each([
  ["", "must not be empty"],
  ["  ", "must not be empty"],
  ["/a\nb", "control characters"],
  ["/a\u0007", "control characters"],
  ["/a\u009bb", "control characters"],
  ["~other/x", "only ~ and ~/… are expanded"],
  ["~", "one of its own"],
  ["/", "one of its own"],
  ["~/.claude.shared/", "one of its own"],
])("refuses the folder %j", (typed, message) => expect(() => parseProfileDir(createFakeSys(), typed)).toThrow(message));

// Defect D4: nothing chosen is claude's own folder, never `~/.claude.`.
test.each([
  ["nothing chosen", undefined, {}, undefined, "/home/dev/.claude"],
  ["an empty variable", undefined, { CLAUDE_CONFIG_DIR: "" }, undefined, "/home/dev/.claude"],
  ["the default", two, {}, "alpha", "/home/dev/.claude.alpha"],
  ["an empty variable and a default", two, { CLAUDE_CONFIG_DIR: "" }, "alpha", "/home/dev/.claude.alpha"],
  ["the variable", two, { CLAUDE_CONFIG_DIR: "/home/dev/.claude.zeta/" }, "zeta", "/home/dev/.claude.zeta/"],
  ["an unregistered folder", two, { CLAUDE_CONFIG_DIR: "/elsewhere" }, undefined, "/elsewhere"],
  ["a profile that no variable can name", { main: "~/.claude", work: "/w" }, { CSM_PROFILE: "main" }, "main", "/home/dev/.claude"],
  ["the variable before the name", { main: "~/.claude", work: "/w" }, { CSM_PROFILE: "main", CLAUDE_CONFIG_DIR: "/w" }, "work", "/w"],
] as const)("the current profile: %s", (_, profiles, env, name, dir) => {
  const { sys } = open(profiles, "alpha", env as unknown as Record<string, string>);
  const registry = readRegistry(sys);
  expect(currentProfile(sys, registry)?.name).toBe(name);
  expect(currentDir(sys, registry)).toBe(dir);
});

// Defect D23: the owner of a folder is looked up, not read off its name, and links do not hide it.
test("a folder leads to its profile by its real path", () => {
  const { sys } = open({ ...two, custom: "/opt/a" });
  const registry = readRegistry(sys);
  sys.realPath = (path) => (path === "/link" ? "/opt/a" : path.startsWith("/opt") ? path : undefined);
  expect(profileOfDir(sys, registry, "/link")?.name).toBe("custom");
  expect(profileOfDir(sys, registry, "/home/dev/.claude.zeta/")?.name).toBe("zeta");
  expect(profileOfDir(sys, registry, "/home/dev/.claude.unknown")).toBeUndefined();
});

test("every config dir is looked at once", () => {
  const { sys } = open({ ...two, main: "~/.claude" }, undefined, { CLAUDE_CONFIG_DIR: "/elsewhere" });
  sys.files.set("/home/dev/.claude/settings.json", "{}");
  expect(profileDirs(sys)).toEqual([
    { name: "alpha", dir: "/home/dev/.claude.alpha", real: "/home/dev/.claude.alpha" },
    { name: "main", dir: "/home/dev/.claude", real: "/home/dev/.claude" },
    { name: "zeta", dir: "/home/dev/.claude.zeta", real: "/home/dev/.claude.zeta" },
    { name: undefined, dir: "/elsewhere", real: "/elsewhere" },
  ]);
});

test("without a registry only claude's own folder is looked at", () => {
  expect(profileDirs(open().sys)).toEqual([{ name: undefined, dir: "/home/dev/.claude", real: "/home/dev/.claude" }]);
});

test.each([
  ["one of its own", "/w", {}, { CLAUDE_CONFIG_DIR: "/w", CSM_PROFILE: undefined }],
  ["claude's own folder", "~/.claude", {}, { CLAUDE_CONFIG_DIR: undefined, CSM_PROFILE: "p" }],
  [
    "claude's own folder, used with the variable set",
    "~/.claude",
    { "/home/dev/.claude/.claude.json": "{}" },
    { CLAUDE_CONFIG_DIR: "/home/dev/.claude", CSM_PROFILE: undefined },
  ],
  [
    "claude's own folder, used either way",
    "~/.claude",
    { "/home/dev/.claude/.claude.json": "{}", "/home/dev/.claude.json": "{}" },
    { CLAUDE_CONFIG_DIR: undefined, CSM_PROFILE: "p" },
  ],
])("the environment of a profile in %s", (_, dir, files, expected) => {
  expect<object>(profileEnv(createFakeSys({ files }), { name: "p", dir })).toEqual(expected);
});

test("a whole new state is put in place of the one that was read, and of no other", async () => {
  const { sys, registry, token } = open(two);
  const before = readRegistry(sys);
  await registry.replace(before, { profiles: [{ name: "new", dir: "/new" }], defaultName: "new" });
  expect(readRegistry(sys)).toEqual({ profiles: [{ name: "new", dir: "/new" }], defaultName: "new" });
  expect(token()).toBe("new\n");
  await expect(registry.replace(before, before)).rejects.toThrow("changed by somebody else meanwhile");
});

test("what a killed writer left behind goes with the next change; nothing else does", async () => {
  const { sys, registry } = open(two);
  for (const name of ["profiles.json.77.tmp", "default.77.tmp", "profiles.json.tmp", "notes.txt"])
    sys.files.set(`/home/dev/.config/claude-as/${name}`, "");
  await registry.setDefault("zeta");
  expect(sys.list("/home/dev/.config/claude-as").sort()).toEqual(["default", "notes.txt", "profiles.json", "profiles.json.tmp"]);
});

test("a registry that is a link into somebody's dotfiles stays one", async () => {
  const { sys, registry } = open(two);
  sys.files.set("/dotfiles/profiles.json", JSON.stringify(two));
  sys.realPath = (path) => (path === profilesFile ? "/dotfiles/profiles.json" : path);
  await openRegistry(sys).add({ name: "new", dir: "/new" });
  expect(sys.files.get("/dotfiles/profiles.json")).toContain('"new"');
  expect(sys.files.get(profilesFile)).toBe(JSON.stringify(two));
  expect(registry.read().profiles.length).toBe(3);
});
