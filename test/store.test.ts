import { describe, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLog, openRecords, openStore } from "../src/store.ts";
import { createSys } from "../src/sys.ts";
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

test("a file that cannot be read just then is not taken for none: it is not written over", async () => {
  const { sys, store } = open({ [path]: "[1,2]" });
  const { readText } = sys;
  // No file left to open, a disk that fails: the next reading may succeed.
  let failures = 1;
  sys.readText = (file) => (file === path && failures-- > 0 ? undefined : readText(file));
  await expect(store.update((list) => [...list, 3])).rejects.toThrow(`failed to read ${path}: it is no file that this user may read`);
  expect(sys.files.get(path)).toBe("[1,2]");
  await store.update((list) => [...list, 3]);
  expect(JSON.parse(sys.files.get(path) ?? "")).toEqual([1, 2, 3]);
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

test("a lock that somebody keeps is an error after its time", async () => {
  const { sys, store } = open({});
  sys.takeLock = async () => undefined;
  await expect(store.update((list) => list)).rejects.toThrow("another process has been busy with list for 30 s");
});

test("a link into somebody's dotfiles stays one: what it leads to is read and replaced", async () => {
  const { sys } = open({ "/dotfiles/list.json": "[1]" });
  sys.realPath = (asked) => (asked === path ? "/dotfiles/list.json" : undefined);
  const store = openStore<number[]>(sys, { path, name: "list", empty: [], decode: (text) => JSON.parse(text) as number[] });
  await store.update((list) => [...list, 2]);
  store.write([...store.read(), 3]);
  expect([...sys.files]).toEqual([["/dotfiles/list.json", "[\n  1,\n  2,\n  3\n]\n"]]);
});

test("a device that a link leads to is not replaced: the link is", () => {
  const dir = mkdtempSync(join(tmpdir(), "csm-store-"));
  const device = join(dir, "device");
  Bun.spawnSync(["mkfifo", device]);
  const link = join(dir, "link");
  symlinkSync(device, link);
  openStore<number[]>(createSys(), { path: link, name: "list", empty: [], decode: () => [] }).write([1]);
  expect([lstatSync(device).isFIFO(), lstatSync(link).isFile(), readFileSync(link, "utf8")]).toEqual([true, true, "[\n  1\n]\n"]);
  expect([createSys().replaceText(device, undefined, "x"), lstatSync(device).isFIFO()]).toEqual([false, true]);
  rmSync(dir, { recursive: true });
});

test("a file may hold another text than JSON", () => {
  const sys = createFakeSys();
  const store = openStore(sys, { path, name: "word", empty: "none", decode: (text) => text.trim(), encode: (word) => `${word}\n` });
  const words = [store.read()];
  store.write("one");
  words.push(store.read(), sys.files.get(path) ?? "");
  store.remove();
  expect([...words, store.read()]).toEqual(["none", "one", "one\n", "none"]);
});

describe("a folder of records", () => {
  const dir = "/home/dev/records";
  const openFolder = (files: Record<string, string>) => {
    const sys = createFakeSys({ files: Object.fromEntries(Object.entries(files).map(([file, text]) => [`${dir}/${file}`, text])) });
    const decode = (text: string, name: string) => {
      if (text === "foreign") return undefined;
      if (text === "torn") throw new Error("torn");
      return `${name}=${text}`;
    };
    return { sys, records: openRecords<string>(sys, { dir, decode, encode: (text) => text, hint: (name) => `mend ${name}` }) };
  };

  test.each<[rule: string, files: Record<string, string>, records: string[], broken: string[]]>([
    ["none", {}, [], []],
    ["by name", { "b.json": "2", "a.json": "1", "Z.json": "0" }, ["Z=0", "a=1", "b=2"], []],
    ["broken ones are named, foreign ones passed over", { "c.json": "torn", "a.json": "foreign", "b.json": "2" }, ["b=2"], ["c"]],
    ["other files are none", { "a.json.77.tmp": "1", "a.reply": "2" }, [], []],
  ])("lists them: %s", (_, files, records, broken) => {
    expect(openFolder(files).records.list()).toEqual({ records, broken });
  });

  test("what is not wanted is not opened", () => {
    const { sys, records } = openFolder({ "a.json": "1", "b.json": "2" });
    const opened: string[] = [];
    const { readText } = sys;
    sys.readText = (path) => {
      opened.push(path);
      return readText(path);
    };
    expect(records.list((name) => name === "b").records).toEqual(["b=2"]);
    expect(opened).toEqual([`${dir}/b.json`]);
  });

  test("one by its name; a broken one says which, why and what to do", () => {
    const { records } = openFolder({ "a.json": "1", "c.json": "torn" });
    expect([records.read("a"), records.read("b")]).toEqual(["a=1", undefined]);
    const error = { message: `failed to read ${dir}/c.json: torn`, hint: "mend c" };
    expect(() => records.read("c")).toThrow(expect.objectContaining(error));
  });

  test("written and removed by its name", () => {
    const { sys, records } = openFolder({});
    records.write("a", "1");
    const text = sys.files.get(`${dir}/a.json`);
    records.remove("a");
    expect([text, sys.files.size]).toEqual(["1", 0]);
  });
});

describe("a log", () => {
  const log = "/home/dev/log.jsonl";
  const kinds = { required: { n: "number" }, optional: { text: "string" } } as const;
  const openNumbers = (text?: string, maxBytes?: number, readBytes = 1000) => {
    const sys = createFakeSys({ files: text === undefined ? {} : { [log]: text } });
    const options = { path: log, readBytes, ...kinds, ...(maxBytes === undefined ? {} : { maxBytes }) };
    return { sys, log: openLog<{ n: number }>(sys, options) };
  };

  test.each<[rule: string, text: string | undefined, numbers: number[]]>([
    ["no file", undefined, []],
    ["oldest first", '{"n":1}\n{"n":2}\n', [1, 2]],
    ["torn lines, lists and texts are dropped", '{"n":1}\n{"n":\n[1]\n"x"\n\n{"n":2}\n{"n"', [1, 2]],
    ["lines of another kind are dropped", '{"n":"1"}\n{"m":1}\n{"n":1e400}\n{"n":3}\n', [3]],
  ])("reads %s", (_, text, numbers) => {
    expect(
      openNumbers(text)
        .log.read()
        .map(({ n }) => n),
    ).toEqual(numbers);
  });

  test("a field of another kind is dropped, the entry and what is not known stay", () => {
    expect(openNumbers('{"n":1,"text":{},"more":[1]}\n').log.read()).toEqual([{ n: 1, more: [1] } as unknown as { n: number }]);
  });

  test("an entry behind a torn one is whole", () => {
    const { log: numbers } = openNumbers('{"n":1}\n{"n":');
    numbers.append({ n: 2 });
    expect(numbers.read()).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("of a long one the end is read", () => {
    const { log: numbers } = openNumbers('{"n":1}\n{"n":2}\n{"n":3}\n', undefined, 17);
    expect(numbers.read()).toEqual([{ n: 2 }, { n: 3 }]);
  });

  test("beyond its size it begins anew, and the old one stays once", () => {
    const { sys, log: numbers } = openNumbers(undefined, 10);
    for (const n of [1, 2, 3, 4, 5]) numbers.append({ n });
    expect([...sys.files]).toEqual([
      [`${log}.1`, '{"n":3}\n{"n":4}\n'],
      [log, '{"n":5}\n'],
    ]);
  });

  test("without a size it grows on; where it cannot be set aside too", () => {
    const { sys, log: numbers } = openNumbers();
    for (const n of [1, 2]) numbers.append({ n });
    const bounded = openNumbers(sys.files.get(log), 10);
    bounded.sys.rename = () => {
      throw new Error("EACCES");
    };
    bounded.log.append({ n: 3 });
    expect([numbers.read().length, bounded.log.read().length]).toEqual([2, 3]);
  });

  test("followed by place: what was there is passed over, then each line comes once, whatever stands in it", () => {
    const { sys, log: numbers } = openNumbers('{"n":9}\n');
    const readNew = numbers.follow();
    expect(readNew()).toEqual([]);
    for (const n of [5, 5, 1]) numbers.append({ n });
    expect([readNew(), readNew()]).toEqual([[{ n: 5 }, { n: 5 }, { n: 1 }], []]);
    sys.files.set(log, '{"n":2}\n');
    expect(readNew()).toEqual([{ n: 2 }]);
    expect(openNumbers().log.follow()()).toEqual([]);
  });
});
