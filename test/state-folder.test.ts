import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChannel } from "../src/channel.ts";
import { takeLock } from "../src/database.ts";
import { createDrivenStore } from "../src/driven.ts";
import { createLaunch, runLaunch } from "../src/launch.ts";
import { readLaunches } from "../src/launch-record.ts";
import { requireOwnFolder } from "../src/state-folder.ts";
import { createSys } from "../src/sys.ts";
import type { Owner } from "../src/sys-files.ts";
import { createFakeSys } from "./fake-sys.ts";

const me = 1000;
const stranger = 1001;
const folder = (uid: number, mode: number, gid = uid): Owner => ({ kind: "folder", uid, gid, mode });
type Link = [target: string, uid: number];

const system = { "/": folder(0, 0o755), "/tmp": folder(0, 0o1777), "/home": folder(0, 0o755), "/home/dev": folder(me, 0o750) };

function judge(tree: Record<string, Owner | Link>, path: string, given: { uid?: number; files?: Record<string, string> } = {}): string {
  const entries: Record<string, Owner | Link> = { ...system, ...tree };
  const sys = {
    ...createFakeSys({ uid: given.uid ?? me, files: given.files ?? {} }),
    owner: (at: string): Owner | undefined => {
      const entry = entries[at];
      return Array.isArray(entry) ? { kind: "link", uid: entry[1], gid: entry[1], mode: 0o777 } : entry;
    },
    readLink: (at: string) => (Array.isArray(entries[at]) ? entries[at][0] : undefined),
  };
  try {
    requireOwnFolder(sys, path);
    return "";
  } catch (error) {
    return (error as Error).message.replace(/^refused to use \S+: /, "");
  }
}

const dir = "/home/dev/s/csd";

test.each<[rule: string, tree: Record<string, Owner | Link>, path: string, why: string]>([
  ["ours below ours", { "/home/dev/s": folder(me, 0o755), [dir]: folder(me, 0o700) }, dir, ""],
  ["one that others may read", { "/home/dev/s": folder(me, 0o755), [dir]: folder(me, 0o755) }, dir, ""],
  ["not there yet", {}, dir, ""],
  ["not there yet, below one that others may write", { "/home/dev/s": folder(me, 0o777) }, dir, "others may write /home/dev/s"],
  ["one that all may write", { "/home/dev/s": folder(me, 0o755), [dir]: folder(me, 0o702) }, dir, `others may write ${dir}`],
  ["one that a group may write", { "/home/dev/s": folder(me, 0o755), [dir]: folder(me, 0o770, 50) }, dir, `others may write ${dir}`],
  ["the user's own group", { "/home/dev/s": folder(me, 0o775), [dir]: folder(me, 0o770) }, dir, ""],
  ["sticky, and the folder itself", { "/home/dev/s": folder(me, 0o755), [dir]: folder(me, 0o1777) }, dir, `others may write ${dir}`],
  ["another user's", { "/home/dev/s": folder(stranger, 0o755) }, dir, "/home/dev/s belongs to another user (1001)"],
  ["root's", { "/home/dev/s": folder(me, 0o755), [dir]: folder(0, 0o755) }, dir, `${dir} belongs to another user (0)`],
  ["ours below sticky /tmp", { "/tmp/a": folder(me, 0o700), "/tmp/a/csd": folder(me, 0o700) }, "/tmp/a/csd", ""],
  ["another's below sticky /tmp", { "/tmp/a": folder(stranger, 0o755) }, "/tmp/a/csd", "/tmp/a belongs to another user (1001)"],
  ["another's sticky folder", { "/srv": folder(stranger, 0o1777) }, "/srv/csd", "/srv belongs to another user (1001)"],
  ["a link of ours", { "/home/dev/s": ["/tmp/a", me], "/tmp/a": folder(me, 0o700), "/tmp/a/csd": folder(me, 0o700) }, dir, ""],
  ["a link of root's", { "/state": ["home/dev", 0], [dir]: folder(me, 0o700) }, "/state/s/csd", ""],
  ["a link of another's", { "/tmp/a": ["/home/dev", stranger] }, "/tmp/a/csd", "/tmp/a belongs to another user (1001)"],
  [
    "a link of ours to another's",
    { "/home/dev/s": ["../../tmp/a", me], "/tmp/a": folder(stranger, 0o755) },
    dir,
    "/tmp/a belongs to another user (1001)",
  ],
  ["a link through another's", { "/home/dev/s": ["/srv/a/b", me], "/srv": folder(0, 0o777) }, dir, "others may write /srv"],
  ["a link to itself", { "/home/dev/s": ["s", me] }, dir, "/home/dev/s leads in a circle"],
])("%s", (_, tree, path, why) => expect(judge(tree, path)).toBe(why));

test.each<[rule: string, group: string, why: string]>([
  ["without others in it", "dev:x:1000:dev", ""],
  ["without members", "dev:x:1000:", ""],
  ["with somebody else", "dev:x:1000:eve", "others may write /home/dev/s"],
])("a group of the user's number, %s", (_, group, why) =>
  expect(judge({ "/home/dev/s": folder(me, 0o775) }, dir, { files: { "/etc/group": `root:x:0:\n${group}\n` } })).toBe(why),
);

test("root trusts no folder of another user's", () => {
  expect(judge({ "/home/dev/s": folder(me, 0o755) }, dir, { uid: 0 })).toBe("/home/dev belongs to another user (1000)");
});

test.each([
  ["where root has no number, nobody is root", "0 1000 1", ""],
  ["elsewhere nobody is a user", "0 0 4294967295", "/ belongs to another user (65534)"],
])("%s", (_, map, why) => {
  expect(judge({ "/": folder(65534, 0o755) }, dir, { files: { "/proc/self/uid_map": `  ${map}\n` } })).toBe(why);
});

describe("on a real disk", () => {
  let root = "";
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "csm-state-")));
    mkdirSync(join(root, "open/csd/sessions"), { recursive: true });
    mkdirSync(join(root, "open/csd/launch"));
    chmodSync(join(root, "open"), 0o777);
    symlinkSync("open", join(root, "link"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const sysOf = (name: string) => createSys({ XDG_STATE_HOME: join(root, name), HOME: root });
  const why = () => new RegExp(`^refused to use .*: others may write ${root}/open$`);

  // The rules are the same on all; only the variable that leads there is not.
  const isLinux = process.platform === "linux";
  test.skipIf(!isLinux).each(["open", "link"])("nothing that can run is taken from, or put into, %s", async (name) => {
    const sys = sysOf(name);
    const launchFile = join(root, name, "csd/launch/x.json");
    expect(() => createDrivenStore(sys)).toThrow(why());
    expect(() => readLaunches(sys)).toThrow(why());
    expect(() => openChannel(sys, join(root, name, "csd/run/x"))).toThrow(why());
    expect(() => createLaunch(sys, "/bin/true", [], "/", {})).toThrow(why());
    sys.writePrivate(launchFile, JSON.stringify({ path: "/bin/true", args: [], cwd: "/", env: {} }));
    await expect(runLaunch(sys, launchFile)).rejects.toThrow(why());
    sys.remove(launchFile);
  });

  test("a folder of ours is made, and used", () => {
    const sys = sysOf("own");
    const { filePath } = createLaunch(sys, "/bin/true", [], "/", {});
    requireOwnFolder(sys, join(filePath, ".."));
    expect(createDrivenStore(sys).list().records).toEqual([]);
  });

  test("locks are for this user only, also one that an older version made", () => {
    const path = join(root, "locks/a.lock");
    takeLock(path)?.();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(path, 0o644);
    const release = takeLock(path);
    expect([statSync(path).mode & 0o777, takeLock(path)]).toEqual([0o600, undefined]);
    release?.();
  });
});
