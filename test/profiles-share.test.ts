import { afterEach, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { UserError } from "../src/errors.ts";
import { readRegistry } from "../src/profiles.ts";
import { diagnose, repair } from "../src/profiles-doctor.ts";
import { planShare, planUnshare, plugins, renderPlan, type ShareItem, share, shareItems, unshare } from "../src/profiles-share.ts";
import { createSys, type Sys } from "../src/sys.ts";

const homes: string[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

const find = (word: string): ShareItem => {
  const item = word === "plugins" ? plugins : shareItems.find((known) => known.word === word);
  if (item === undefined) throw new Error(word);
  return item;
};

/** A home with files; a value that begins with `->` is a link. */
function createHome(files: Record<string, string>) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "csm-share-")));
  homes.push(home);
  const profiles = { a: join(home, ".claude.a"), b: join(home, ".claude.b") };
  const all = { ".config/claude-as/profiles.json": JSON.stringify(profiles), ...files };
  for (const dir of Object.values(profiles)) mkdirSync(dir);
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    if (text.startsWith("->")) symlinkSync(text.slice(2), join(home, path));
    else writeFileSync(join(home, path), text);
  }
  const sys = createSys({ HOME: home });
  return {
    home,
    sys,
    ...profiles,
    read: (path: string) => (existsSync(join(home, path)) ? readFileSync(join(home, path), "utf8") : undefined),
    link: (path: string) => (lstatSync(join(home, path)).isSymbolicLink() ? readlinkSync(join(home, path)) : undefined),
    /** Every file below the home with its text, links not followed: nothing may be missing from it. */
    texts: () =>
      walk(home)
        .map((path) => readFileSync(path, "utf8"))
        .sort(),
  };
}

const walk = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isSymbolicLink() || entry.name === ".config" || entry.name === ".local") return [];
    return entry.isDirectory() ? walk(join(dir, entry.name)) : [join(dir, entry.name)];
  });

const rows: [rule: string, word: string, files: Record<string, string>, phrase: string][] = [
  ["nothing of its own", "plugins", {}, "linked to shared SSOT"],
  ["its own becomes the store", "plugins", { ".claude.a/plugins/x": "1" }, "seeded shared SSOT and linked"],
  [
    "its own beside a store",
    "plugins",
    { ".claude.a/plugins/x": "1", ".claude.shared/plugins/y": "2" },
    "backed up to $A/plugins.bak and linked",
  ],
  [
    "a backup is there already",
    "plugins",
    {
      ".claude.a/plugins/x": "1",
      ".claude.a/plugins.bak/z": "3",
      ".claude.a/plugins.bak.1": "->/nowhere",
      ".claude.shared/plugins/y": "2",
    },
    "backed up to $A/plugins.bak.2 and linked",
  ],
  ["a file", "plugins", { ".claude.a/plugins": "1" }, "backed up to $A/plugins.bak and linked"],
  ["a link elsewhere", "plugins", { ".claude.a/plugins": "->/nowhere" }, "linked to shared SSOT (was a link to /nowhere)"],
  ["the same, settings", "settings", { ".claude.a/settings.json": "{}" }, "seeded shared SSOT and linked"],
  [
    "settings beside shared ones",
    "settings",
    { ".claude.a/settings.json": "1", ".claude.shared/settings.json": "2" },
    "backed up to $A/settings.json.bak and linked",
  ],
  [
    "skills beside shared ones",
    "skills",
    { ".claude.a/skills/x/S": "1", ".claude.shared/skills/y/S": "2" },
    "merged into shared SSOT and linked",
  ],
];

test("a folder that cannot be read is not taken for empty: nothing is moved", async () => {
  const box = createHome({ ".claude.a/skills/x/S": "1", ".claude.shared/skills/y/S": "2" });
  const before = box.texts();
  const listStrictly = (dir: string) => {
    throw Object.assign(new Error(`EACCES: permission denied, scandir '${dir}'`), { code: "EACCES", syscall: "scandir" });
  };
  await expect(share({ ...box.sys, listStrictly }, box.a, find("skills"))).rejects.toThrow("EACCES");
  expect(box.texts()).toEqual(before);
  expect(await share(box.sys, box.a, find("skills"))).toBe("merged into shared SSOT and linked");
});

test.each(rows)("%s: %s", async (_, word, files, phrase) => {
  const box = createHome(files);
  const item = find(word);
  const before = box.texts();
  expect(`${renderPlan(planShare(box.sys, box.a, item))}`.replaceAll(box.a, "$A")).toBe(phrase);
  expect(box.texts()).toEqual(before);
  expect((await share(box.sys, box.a, item)).replaceAll(box.a, "$A")).toBe(phrase);
  expect(box.link(`.claude.a/${item.entry}`)).toBe(join(box.home, ".claude.shared", item.entry));
  expect(box.texts()).toEqual(expect.arrayContaining(before));
  const after = box.texts();
  expect(await share(box.sys, box.a, item)).toBe("already linked to shared SSOT");
  expect(box.texts()).toEqual(after);
});

test("what was in a profile's own folder is in view through the link", async () => {
  const box = createHome({ ".claude.a/plugins/x": "1" });
  await share(box.sys, box.a, plugins);
  expect(box.read(".claude.a/plugins/x")).toBe("1");
});

test("a right link by another way is left as it is", async () => {
  const box = createHome({ ".claude.shared/plugins/x": "1", ".claude.a/plugins": "->../way/plugins", way: "->.claude.shared" });
  expect(await share(box.sys, box.a, plugins)).toBe("already linked to shared SSOT");
  expect(box.link(".claude.a/plugins")).toBe("../way/plugins");
});

test("conversations of both profiles are in view once projects are shared, and a clash loses neither", async () => {
  const box = createHome({
    ".claude.a/projects/-w/1.jsonl": "a1",
    ".claude.a/projects/-w/same.jsonl": "a-same",
    ".claude.b/projects/-w/2.jsonl": "b2",
    ".claude.b/projects/-w/same.jsonl": "b-same",
    ".claude.b/projects/-v/3.jsonl": "b3",
  });
  const before = box.texts();
  await share(box.sys, box.a, find("projects"));
  const told = await share(box.sys, box.b, find("projects"));
  expect(told.replaceAll(box.b, "$B")).toBe(
    "merged into shared SSOT and linked; the store has its own -w/same.jsonl, so yours went to $B/projects.bak",
  );
  for (const dir of [".claude.a", ".claude.b"])
    expect(["-w/1", "-w/2", "-v/3", "-w/same"].map((name) => box.read(`${dir}/projects/${name}.jsonl`))).toEqual([
      "a1",
      "b2",
      "b3",
      "a-same",
    ]);
  expect(box.read(".claude.b/projects.bak/-w/same.jsonl")).toBe("b-same");
  expect(box.texts()).toEqual(before);
});

test("undo: a copy while others use the store, and the store itself for the last one", async () => {
  const box = createHome({ ".claude.a/skills/x/S": "1", ".claude.b/skills/y/S": "2" });
  const skills = find("skills");
  await share(box.sys, box.a, skills);
  await share(box.sys, box.b, skills);
  expect(planUnshare(box.sys, box.a, skills)).toEqual({ kind: "copy" });
  await unshare(box.sys, box.a, skills);
  expect([box.link(".claude.a/skills"), box.read(".claude.a/skills/y/S")]).toEqual([undefined, "2"]);
  writeFileSync(join(box.a, "skills/mine"), "a");
  expect(box.read(".claude.b/skills/mine")).toBeUndefined();
  expect(await unshare(box.sys, box.b, skills)).toBe("its own again; nobody else used the shared one");
  expect([box.read(".claude.b/skills/x/S"), existsSync(join(box.home, ".claude.shared/skills"))]).toEqual(["1", false]);
  expect(await unshare(box.sys, box.b, skills)).toBe("not shared");
});

/** Where each conversation lies, links not followed. */
const placesOf = (home: string, name: string): string[] =>
  walk(home)
    .filter((path) => path.endsWith(`${name}.jsonl`))
    .map((path) => path.slice(home.length + 1));

test("undo of projects: each conversation is where it was before, once, whatever was shared with whom", async () => {
  const box = createHome({
    ".claude.a/projects/-w/a1.jsonl": "a1",
    ".claude.a/projects/-w/a1/subagents/x.jsonl": "x of a1",
    ".claude.a/projects/-w/same.jsonl": "same of a",
    ".claude.b/projects/-w/b1.jsonl": "b1",
    ".claude.b/projects/-w/same.jsonl": "same of b",
    ".claude.b/projects/-v/b2.jsonl": "b2",
  });
  const before = [...walk(box.home)].sort();
  const texts = box.texts();
  const projects = find("projects");
  for (const dir of [box.a, box.b]) await share(box.sys, dir, projects);
  writeFileSync(join(box.a, "projects/-w/a1.jsonl"), "a1, and on under b");
  writeFileSync(join(box.b, "projects/-w/since.jsonl"), "since");
  expect(planUnshare(box.sys, box.a, projects)).toEqual({ kind: "part" });
  await unshare(box.sys, box.a, projects);
  expect(box.read(".claude.a/projects/-w/a1.jsonl")).toBe("a1, and on under b");
  expect(box.read(".claude.b/projects/-w/b1.jsonl")).toBe("b1");
  expect(box.read(".claude.b/projects/-w/a1.jsonl")).toBeUndefined();
  await unshare(box.sys, box.b, projects);
  expect([...walk(box.home)].sort()).toEqual([...before, join(box.b, "projects/-w/since.jsonl")].sort());
  expect(placesOf(box.home, "since")).toEqual([".claude.b/projects/-w/since.jsonl"]);
  expect(box.texts()).toEqual([...texts.filter((text) => text !== "a1"), "a1, and on under b", "since"].sort());
  expect(await unshare(box.sys, box.b, projects)).toBe("not shared");
  // And around again.
  for (const dir of [box.b, box.a]) await share(box.sys, dir, projects);
  for (const dir of [box.b, box.a]) await unshare(box.sys, dir, projects);
  expect([...walk(box.home)].sort()).toEqual([...before, join(box.b, "projects/-w/since.jsonl")].sort());
});

test("undo of projects leaves those alone that a live session of another profile may have open", async () => {
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a1", ".claude.b/projects/-w/2.jsonl": "b2" });
  for (const dir of [box.a, box.b]) await share(box.sys, dir, find("projects"));
  mkdirSync(join(box.b, "sessions"));
  writeFileSync(join(box.b, `sessions/${process.pid}.json`), live(ownStart()));
  await expect(unshare(box.sys, box.a, find("projects"))).rejects.toThrow(`${box.b} has 1 live session`);
  expect(box.read(".claude.b/projects/-w/1.jsonl")).toBe("a1");
});

test("undo gives back the settings that a profile had of its own", async () => {
  const box = createHome({ ".claude.a/settings.json": "a", ".claude.b/settings.json": "b" });
  await share(box.sys, box.a, find("settings"));
  await share(box.sys, box.b, find("settings"));
  expect(box.read(".claude.b/settings.json")).toBe("a");
  await unshare(box.sys, box.b, find("settings"));
  expect([box.read(".claude.b/settings.json"), box.read(".claude.a/settings.json")]).toEqual(["b", "a"]);
});

const live = (start: string) => JSON.stringify({ pid: process.pid, procStart: start, sessionId: "s", cwd: "/" });
const ownStart = () => readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[19] ?? "";

test("projects do not move under a live session; skills may", async () => {
  const box = createHome({
    ".claude.a/projects/-w/1.jsonl": "a1",
    ".claude.a/skills/x": "1",
    [`.claude.a/sessions/${process.pid}.json`]: live(ownStart()),
  });
  await expect(share(box.sys, box.a, find("projects"))).rejects.toThrow("has 1 live session, which write into projects");
  expect(box.read(".claude.a/projects/-w/1.jsonl")).toBe("a1");
  expect(box.link(".claude.a/projects")).toBeUndefined();
  await share(box.sys, box.a, find("skills"));
});

test("nor under one in a container that shares the folder, of which nothing can be told here; the way out is named", async () => {
  const file = `.claude.a/sessions/${process.pid}.json`;
  const away = JSON.stringify({ ...(JSON.parse(live(ownStart())) as object), pidDomain: "linux::pid:[1]" });
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a1", [file]: away });
  const refusal = await share(box.sys, box.a, find("projects")).catch((error: UserError) => error);
  expect(refusal).toMatchObject({
    message: `${box.a} has 1 session in another container or machine, which may write into projects`,
    hint: `end them there; one that was killed leaves its file behind: ${join(box.home, file)}`,
  });
  expect([box.read(".claude.a/projects/-w/1.jsonl"), box.link(".claude.a/projects")]).toEqual(["a1", undefined]);
  box.sys.remove(join(box.home, file));
  expect(await share(box.sys, box.a, find("projects"))).toBe("seeded shared SSOT and linked");
  box.sys.writePrivate(join(box.home, file), away);
  await expect(unshare(box.sys, box.a, find("projects"))).rejects.toThrow("in another container or machine");
  expect(box.link(".claude.a/projects")).toBeDefined();
});

test("a session file that a dead process left behind stops nothing", async () => {
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a1", [`.claude.a/sessions/${process.pid}.json`]: live("1") });
  expect(await share(box.sys, box.a, find("projects"))).toBe("seeded shared SSOT and linked");
});

test("ended between the move and the link, the next run goes on", async () => {
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a1" });
  const torn = {
    ...box.sys,
    createLink: () => {
      throw new Error("ended");
    },
  };
  await expect(share(torn, box.a, find("projects"))).rejects.toThrow("ended");
  expect(await share(box.sys, box.a, find("projects"))).toBe("linked to shared SSOT");
  expect(box.read(".claude.a/projects/-w/1.jsonl")).toBe("a1");
});

const changing = ["rename", "createLink", "removeLink", "removeEmptyDir", "makePrivateDir", "createPrivate", "copy", "remove"] as const;

/** The system ends the program before its n-th change; false in `isOver` when it came to that. */
function dieBefore(sys: Sys, n: number) {
  let count = 0;
  const state = { isOver: true };
  const dying = { ...sys };
  for (const name of changing) {
    const real = sys[name] as (...words: never[]) => never;
    (dying as Record<string, unknown>)[name] = (...words: never[]) => {
      if (++count >= n) {
        state.isOver = false;
        throw new Error("killed");
      }
      return real(...words);
    };
  }
  return { dying, state };
}

test.each(rows)("killed before any of its changes, the next run completes it: %s (%s)", async (_, word, files) => {
  for (let n = 1, isOver = false; !isOver; n++) {
    const box = createHome(files);
    const before = box.texts();
    const { dying, state } = dieBefore(box.sys, n);
    await share(dying, box.a, find(word)).catch(() => undefined);
    isOver = state.isOver;
    expect(box.texts()).toEqual(expect.arrayContaining(before));
    await share(box.sys, box.a, find(word));
    expect(await share(box.sys, box.a, find(word))).toBe("already linked to shared SSOT");
    expect(box.texts()).toEqual(expect.arrayContaining(before));
  }
});

test.each(["settings", "skills", "projects"])("the same of --undo: %s", async (word) => {
  const item = find(word);
  const own = (name: string) => (item.kind === "file" ? `.claude.${name}/${item.entry}` : `.claude.${name}/${item.entry}/x/${name}`);
  for (let n = 1, isOver = false; !isOver; n++) {
    const box = createHome({ [own("a")]: "a", [own("b")]: "b" });
    await share(box.sys, box.a, item);
    await share(box.sys, box.b, item);
    const { dying, state } = dieBefore(box.sys, n);
    for (const dir of [box.a, box.b]) await unshare(dying, dir, item).catch(() => undefined);
    isOver = state.isOver;
    expect(box.texts()).toEqual(expect.arrayContaining(["a", "b"]));
    for (const dir of [box.a, box.b]) await unshare(box.sys, dir, item);
    expect(box.texts()).toEqual(expect.arrayContaining(["a", "b"]));
    for (const name of ["a", "b"]) expect([n, name, existsSync(join(box.home, `.claude.${name}`, item.entry))]).toEqual([n, name, true]);
  }
});

test("a folder that comes back between the move and the link is shared too", async () => {
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a1" });
  let count = 0;
  const racing = {
    ...box.sys,
    createLink(target: string, path: string) {
      if (count++ === 0) {
        mkdirSync(join(path, "-w"), { recursive: true });
        writeFileSync(join(path, "-w/2.jsonl"), "a2");
      }
      box.sys.createLink(target, path);
    },
  };
  await share(racing, box.a, find("projects"));
  expect(["1", "2"].map((name) => box.read(`.claude.a/projects/-w/${name}.jsonl`))).toEqual(["a1", "a2"]);
  expect(box.link(".claude.a/projects")).toBeDefined();
});

test("across file systems nothing is lost and the error says why", async () => {
  const box = createHome({ ".claude.a/skills/x": "1" });
  const far = {
    ...box.sys,
    rename: () => {
      throw Object.assign(new Error("far"), { code: "EXDEV" });
    },
  };
  await expect(share(far, box.a, find("skills"))).rejects.toThrow("they are on different file systems");
  expect(box.read(".claude.a/skills/x")).toBe("1");
});

test("no login, session or own file of claude is in the table", () => {
  const entries = [...shareItems, plugins].map(({ entry }) => entry);
  expect(entries).toEqual(["settings.json", "skills", "agents", "commands", "projects", "plugins"]);
});

const codes = (box: ReturnType<typeof createHome>) =>
  diagnose(box.sys, readRegistry(box.sys), readRegistry(box.sys).profiles).map(({ problems }) => problems.map(({ code }) => code));

test("doctor: plugins count once somebody shares them, and --fix links the rest", async () => {
  const box = createHome({ ".claude.a/plugins/x": "1", ".claude.b/plugins/y": "2" });
  expect(codes(box)).toEqual([[], []]);
  await share(box.sys, box.a, plugins);
  expect(codes(box)).toEqual([[], ["plugins"]]);
  const registry = readRegistry(box.sys);
  const [, second] = diagnose(box.sys, registry, registry.profiles);
  if (second === undefined) throw new Error("two profiles");
  expect((await repair(box.sys, second)).join().replaceAll(box.b, "$B")).toBe("plugins backed up to $B/plugins.bak and linked");
  expect(codes(box)).toEqual([[], []]);
});

test.each<[rule: string, profiles: Record<string, string>, files: Record<string, string>, expected: string[]]>([
  ["a missing folder", { x: "$H/gone" }, {}, ["missing"]],
  ["a file", { x: "$H/file" }, { file: "" }, ["not-a-folder"]],
  ["a relative folder", { x: "rel" }, { "rel/y": "" }, ["relative"]],
  ["one folder twice", { x: "$H/d", y: "$H/l" }, { "d/y": "", l: "->d" }, ["duplicate", "duplicate"]],
  ["a link that leads nowhere", { x: "$H/d" }, { "d/skills": "->/nowhere" }, ["broken-link"]],
  ["a folder that is a link that leads nowhere", { x: "$H/l" }, { l: "->/nowhere" }, ["missing"]],
])("doctor: %s", (_, profiles, files, expected) => {
  const box = createHome(files);
  writeFileSync(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify(profiles).replaceAll("$H", box.home));
  expect(codes(box).flat()).toEqual(expected as never);
});

test("doctor never touches claude's own folder", async () => {
  const box = createHome({ ".claude/plugins/x": "1" });
  writeFileSync(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify({ a: box.a, main: "~/.claude" }));
  await share(box.sys, box.a, plugins);
  expect(codes(box)).toEqual([[], []]);
});

test("on Windows folders are shared, by links that need no right there; a file is not", async () => {
  const box = createHome({ ".claude.a/skills/x": "x", ".claude.b/skills/y": "y", ".claude.a/settings.json": "{}" });
  const sys: Sys = { ...box.sys, platform: "win32" };
  for (const dir of [box.a, box.b]) await share(sys, dir, find("skills"));
  expect([box.link(".claude.a/skills"), box.link(".claude.b/skills")]).toEqual([
    join(box.home, ".claude.shared/skills"),
    join(box.home, ".claude.shared/skills"),
  ]);
  expect([box.read(".claude.b/skills/x"), box.read(".claude.a/skills/y")]).toEqual(["x", "y"]);
  await expect(share(sys, box.a, find("settings"))).rejects.toThrow("profiles cannot share settings on Windows");
  expect(box.link(".claude.a/settings.json")).toBeUndefined();
});

test("what could not be given back to one profile does not go to the last one that uses the store", async () => {
  const box = createHome({ ".claude.a/projects/-w/1.jsonl": "a", ".claude.b/projects/-w/2.jsonl": "b" });
  const projects = find("projects");
  for (const dir of [box.a, box.b]) await share(box.sys, dir, projects);
  const failing: Sys = {
    ...box.sys,
    rename(from, to) {
      if (from.endsWith("1.jsonl")) throw Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
      box.sys.rename(from, to);
    },
  };
  await expect(unshare(failing, box.a, projects)).rejects.toThrow("cannot move");
  // While it fails nothing else moves.
  await expect(unshare(failing, box.b, projects)).rejects.toThrow("cannot move");
  await unshare(box.sys, box.b, projects);
  await unshare(box.sys, box.a, projects);
  const found = ["a/projects/-w/1", "b/projects/-w/2", "a/projects/-w/2", "b/projects/-w/1"].map((path) =>
    box.read(`.claude.${path}.jsonl`),
  );
  expect(found).toEqual(["a", "b", undefined, undefined]);
});
