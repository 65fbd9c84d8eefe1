import { describe, expect, test } from "bun:test";
import { mergeSidecar, parseSidecar, parseSidecarPairs, readSidecar, sidecarFlags } from "../src/sidecar.ts";
import { createFakeSys } from "./fake-sys.ts";

const id = "3f2a1b4c-0000-4000-8000-000000000001";
const path = `/home/dev/.claude.shared/smart/${id}.json`;

describe("reading", () => {
  test.each<[rule: string, text: string | undefined, expected: Record<string, unknown>]>([
    ["no file", undefined, {}],
    ["an empty one", "", {}],
    ["a broken one", "{", {}],
    ["a list", "[]", {}],
    ["hop as a text, as older versions wrote it", '{"hop":" 4 "}', { hop: 4 }],
    ["hop that is no number", '{"hop":"many"}', { hop: 0 }],
    ["hop below zero", '{"hop":-1}', { hop: 0 }],
    ["values of another kind are left out", '{"model":3,"cwd":"/x","ts":"now"}', { cwd: "/x" }],
    ["unknown keys stay", '{"future":{"a":1},"model":"opus"}', { model: "opus", future: { a: 1 } }],
  ])("%s", (_, text, expected) => {
    expect(parseSidecar(text)).toEqual(expected);
  });
});

describe("writing", () => {
  test("puts keys in their order, keeps hop and unknown keys, in one line", async () => {
    const sys = createFakeSys({ files: { [path]: '{"future":1,"hop":"4","model":"opus"}' } });
    await mergeSidecar(sys, id, { cwd: "/w", permissionMode: "plan", sessionId: id, ts: 1.5 });
    expect(sys.files.get(path)).toBe(`{"sessionId":"${id}","ts":1.5,"permissionMode":"plan","model":"opus","cwd":"/w","hop":4,"future":1}`);
  });

  test("a broken file is replaced", async () => {
    const sys = createFakeSys({ files: { [path]: "{" } });
    await mergeSidecar(sys, id, { model: "opus" });
    expect(sys.files.get(path)).toBe('{"model":"opus"}');
  });

  test("writers at once do not lose one another", async () => {
    const sys = createFakeSys();
    await Promise.all([{ model: "opus" }, { effort: "high" }, { hop: 2 }].map((changes) => mergeSidecar(sys, id, changes)));
    expect(readSidecar(sys, id)).toEqual({ model: "opus", effort: "high", hop: 2 });
  });

  test.each(["../../x", "", "3f2a", `${id}/../x`, `${id}\n`])("%p is no session id", (bad) => {
    const sys = createFakeSys();
    expect(() => readSidecar(sys, bad)).toThrow("invalid session id");
    expect(() => mergeSidecar(sys, bad, { model: "x" })).toThrow("invalid session id");
    expect([...sys.files.keys()]).toEqual([]);
  });
});

test.each([
  [{ permissionMode: "plan", effort: "high", model: "opus" }, {}, ["--permission-mode plan", "--effort high", "--model opus"]],
  [{ model: "opus", effort: "high" }, { model: "sonnet" }, ["--effort high"]],
  [{ model: "" }, {}, []],
  [{ model: "--dangerously-skip-permissions" }, {}, []],
] as const)("the flags of %o", (sidecar, given, expected) => {
  expect(sidecarFlags(sidecar, given).map((pair) => pair.join(" "))).toEqual([...expected]);
});

test.each<[string[], Record<string, unknown>]>([
  [["session_id=x", "permission_mode=plan", "permissionMode=auto"], { sessionId: "x", permissionMode: "auto" }],
  [["hop=3", "model=a=b", "cwd="], { hop: 3, model: "a=b", cwd: "" }],
])("the pairs %p", (pairs, expected) => {
  expect(parseSidecarPairs(pairs)).toEqual(expected);
});

test.each([
  ["color=red", 'unknown key "color"'],
  ["model", '"model" is no key=value'],
  ["hop=x", 'hop must be a whole number, not "x"'],
  ["toString=x", 'unknown key "toString"'],
])("the pair %p is refused", (pair, message) => {
  expect(() => parseSidecarPairs([pair])).toThrow(message);
});
