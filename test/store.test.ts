import { expect, test } from "bun:test";
import { openStore } from "../src/store.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/home/dev/list.json";
const open = (files: Record<string, string>) => {
  const sys = createFakeSys({ files });
  const decode = (text: string) => {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) throw new Error("not a list");
    return value as number[];
  };
  return { sys, store: openStore<number[]>(sys, { path, name: "list", empty: [], decode }) };
};

test.each([
  ["no file", {}, []],
  ["a blank one", { [path]: " \n" }, []],
  ["a list", { [path]: "[1,2]" }, [1, 2]],
] as [string, Record<string, string>, number[]][])("reads %s", (_, files, expected) => {
  expect(open(files).store.read()).toEqual(expected);
});

test.each([
  ["torn", "[1,", `failed to read ${path}: JSON Parse error: Unexpected EOF`],
  ["of another kind", "{}", `failed to read ${path}: not a list`],
])("a %s file is an error that names it, and stays as it is", async (_, text, message) => {
  const { sys, store } = open({ [path]: text });
  expect(() => store.read()).toThrow(message);
  await expect(store.update((list) => [...list, 1])).rejects.toThrow(message);
  expect(sys.files.get(path)).toBe(text);
});

test("changes at once do not lose one another", async () => {
  const { sys, store } = open({});
  await Promise.all([1, 2, 3].map((number) => store.update((list) => [...list, number])));
  expect(JSON.parse(sys.files.get(path) ?? "")).toEqual([1, 2, 3]);
});

test("a change to the same is not written", async () => {
  const { sys, store } = open({ [path]: "[\n  1\n]\n" });
  sys.writePrivate = () => {
    throw new Error("written");
  };
  expect(await store.update((list) => list)).toEqual([1]);
});

test("a lock that cannot be made is an error that says so", async () => {
  const { sys, store } = open({});
  sys.takeLock = () => {
    throw new Error("disk I/O error");
  };
  await expect(store.update((list) => list)).rejects.toThrow(
    "cannot lock list: disk I/O error (/home/dev/.local/state/csm/locks/list.lock)",
  );
});
