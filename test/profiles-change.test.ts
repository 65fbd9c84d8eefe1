import { describe, expect, test } from "bun:test";
import type { Registry } from "../src/profiles.ts";
import {
  addProfile,
  applyChange,
  type Change,
  removeProfile,
  renameProfile,
  renderChanges,
  setProfile,
  useProfile,
  writeFloor,
} from "../src/profiles-change.ts";
import { createFakeSys } from "./fake-sys.ts";

const before: Registry = {
  profiles: [
    { name: "alpha", dir: "/a" },
    { name: "zeta", dir: "/z" },
  ],
  defaultName: "alpha",
};
const apply = (...changes: Change[]) => changes.reduce((draft, change) => applyChange(createFakeSys(), draft, change), before);

test.each<[rule: string, changes: Change[], rows: string[]]>([
  ["nothing", [], []],
  ["a new one", [{ kind: "add", name: "mid", dir: "" }], ["  alpha  /a  [default]", "+ mid    /home/dev/.claude.mid", "  zeta   /z"]],
  [
    "another name, which the default follows",
    [{ kind: "rename", name: "alpha", to: "omega" }],
    ["- alpha  /a", "+ omega  /a  [default]", "  zeta   /z"],
  ],
  ["another folder", [{ kind: "move", name: "zeta", dir: "/new/" }], ["  alpha  /a  [default]", "~ zeta   /new  (was /z)"]],
  ["a blank folder changes nothing", [{ kind: "move", name: "zeta", dir: " " }], []],
  ["the same name changes nothing", [{ kind: "rename", name: "zeta", to: "zeta" }], []],
  ["another default", [{ kind: "default", name: "zeta" }], ["  alpha  /a", "  zeta   /z  [default]"]],
  ["one less", [{ kind: "remove", name: "zeta" }], ["  alpha  /a  [default]", "- zeta   /z"]],
  [
    "all gone",
    [
      { kind: "remove", name: "zeta" },
      { kind: "remove", name: "alpha" },
    ],
    ["- alpha  /a", "- zeta   /z"],
  ],
  [
    "there and back",
    [
      { kind: "add", name: "mid", dir: "" },
      { kind: "remove", name: "mid" },
    ],
    [],
  ],
])("the preview of %s", (_, changes, rows) => expect(renderChanges(before, apply(...changes))).toEqual(rows));

test.each<[rule: string, change: Change, message: string]>([
  ["a taken name", { kind: "add", name: "zeta", dir: "" }, "profile 'zeta' already exists"],
  ["a taken folder", { kind: "add", name: "new", dir: "/z" }, "/z is the folder of profile 'zeta'"],
  ["moving onto another's folder", { kind: "move", name: "alpha", dir: "/z" }, "/z is the folder of profile 'zeta'"],
  ["renaming to a taken name", { kind: "rename", name: "alpha", to: "zeta" }, "profile 'zeta' already exists"],
  ["an invalid name", { kind: "rename", name: "alpha", to: "a b" }, "invalid profile name"],
  ["removing the default of several", { kind: "remove", name: "alpha" }, "'alpha' is the default profile"],
])("refuses %s", (_, change, message) => expect(() => apply(change)).toThrow(message));

const none: Registry = { profiles: [], defaultName: undefined };

test.each<[rule: string, dir: string, defaultName: string | undefined]>([
  ["the first profile does not become the default", "", undefined],
  ["~/.claude, which is it, only gets a name", "~/.claude", "one"],
])("%s", (_, dir, defaultName) => {
  expect(applyChange(createFakeSys(), none, { kind: "add", name: "one", dir }).defaultName).toBe(defaultName as never);
});

describe("the default changes by somebody's word alone, and never in silence", () => {
  const stored = (profiles: object, token?: string) =>
    createFakeSys({
      files: {
        // The folders that are made.
        ...Object.fromEntries(
          ["/new", "/home/dev/.claude", "/home/dev/.claude.work", "/home/dev/.claude.aaa"].map((dir) => [`${dir}/x`, ""]),
        ),
        "/home/dev/.claude.json": "{}",
        "/home/dev/.config/claude-as/profiles.json": JSON.stringify(profiles),
        ...(token === undefined ? {} : { "/home/dev/.config/claude-as/default": token }),
      },
    });
  const two = { alpha: "/a", zeta: "/z" };
  const plain = "global default → /home/dev/.claude (claude's own folder)";

  test.each<[rule: string, sys: ReturnType<typeof stored>, change: (sys: ReturnType<typeof stored>) => Promise<string[]>, lines: string[]]>(
    [
      [
        "the very first one",
        stored({}),
        (sys) => addProfile(sys, "work"),
        [
          "added profile 'work' → /home/dev/.claude.work",
          "csm goes on starting claude in /home/dev/.claude; to start it in 'work': csm profiles use work",
        ],
      ],
      ["one that sorts first", stored(two, "zeta"), (sys) => addProfile(sys, "aaa"), ["added profile 'aaa' → /home/dev/.claude.aaa"]],
      [
        "a name for claude's own folder",
        stored(two),
        (sys) => addProfile(sys, "main", "~/.claude"),
        ["added profile 'main' → /home/dev/.claude", "global default → main (/home/dev/.claude)"],
      ],
      [
        "another folder for the default",
        stored(two, "zeta"),
        (sys) => setProfile(sys, "zeta", "/new"),
        ["set profile 'zeta' → /new (was /z)", "global default → zeta (/new)"],
      ],
      [
        "claude's own folder gets another one's name",
        stored({ main: "~/.claude" }),
        (sys) => setProfile(sys, "main", "/new"),
        ["set profile 'main' → /new (was ~/.claude)", plain],
      ],
      [
        "another one gone",
        stored(two, "zeta"),
        (sys) => removeProfile(sys, "alpha", false),
        ["removed profile 'alpha' (dir retained on disk: /a)"],
      ],
      [
        "the default gone",
        stored(two, "zeta"),
        (sys) => removeProfile(sys, "zeta", true),
        ["removed profile 'zeta' (dir retained on disk: /z)", plain],
      ],
      [
        "the default gone, claude's own folder has a name",
        stored({ ...two, main: "~/.claude" }, "zeta"),
        (sys) => removeProfile(sys, "zeta", true),
        ["removed profile 'zeta' (dir retained on disk: /z)", "global default → main (/home/dev/.claude)"],
      ],
      [
        "another name for the default",
        stored(two, "zeta"),
        (sys) => renameProfile(sys, "zeta", "omega"),
        ["renamed profile 'zeta' to 'omega' (same folder: /z)", "global default → omega (/z)"],
      ],
      [
        "another name for another one",
        stored(two, "zeta"),
        (sys) => renameProfile(sys, "alpha", "beta"),
        ["renamed profile 'alpha' to 'beta' (same folder: /a)"],
      ],
      [
        "chosen",
        stored(two),
        (sys) => useProfile(sys, "alpha"),
        ["global default → alpha (/a)", "a shell that has chosen a profile keeps it until: cas resync"],
      ],
    ],
  )("%s", async (_, sys, change, lines) => {
    expect(await change(sys)).toEqual(lines);
  });
});

describe("the profile outside the shell", () => {
  const setVariable = [
    "powershell.exe",
    "-NoProfile",
    "-NonInteractive",
    "-Command",
    "[Environment]::SetEnvironmentVariable('CLAUDE_CONFIG_DIR', $env:CSM_FLOOR_DIR, 'User')",
  ];
  const dir = "/it's $x";

  test.each<[NodeJS.Platform, string | undefined, string[] | undefined, string | undefined]>([
    ["linux", dir, undefined, undefined],
    ["darwin", dir, ["/bin/launchctl", "setenv", "CLAUDE_CONFIG_DIR", dir], undefined],
    ["darwin", undefined, ["/bin/launchctl", "unsetenv", "CLAUDE_CONFIG_DIR"], undefined],
    ["win32", dir, setVariable, dir],
    ["win32", undefined, setVariable, undefined],
  ])("on %s, %p", async (platform, value, argv, variable) => {
    const sys = createFakeSys({ platform });
    if (argv !== undefined) sys.expectRun(argv, {}, { env: { CSM_FLOOR_DIR: variable }, timeoutMs: 5000 });
    expect(await writeFloor(sys, value)).toBeUndefined();
    sys.done();
  });

  test.each([
    ["a failure", { code: 1, stderr: "no\n" }, "/bin/launchctl failed: no"],
    ["a silent failure", { code: 3 }, "/bin/launchctl failed: code 3"],
    ["a program that is not there", new Error("ENOENT"), "ENOENT"],
  ])("%s is a warning", async (_, result, message) => {
    const sys = createFakeSys({ platform: "darwin" });
    sys.expectRun(["/bin/launchctl", "setenv", "CLAUDE_CONFIG_DIR", dir], result);
    expect(await writeFloor(sys, dir)).toBe(`programs outside the shell keep their profile: ${message}`);
  });
});
