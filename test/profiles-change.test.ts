import { expect, test } from "bun:test";
import type { Registry } from "../src/profiles.ts";
import { applyChange, type Change, renderChanges } from "../src/profiles-change.ts";
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

test("the first profile becomes the default", () => {
  const draft = applyChange(createFakeSys(), { profiles: [], defaultName: undefined }, { kind: "add", name: "one", dir: "" });
  expect(draft.defaultName).toBe("one");
});
