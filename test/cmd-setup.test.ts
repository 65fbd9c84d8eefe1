import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changeFiles } from "../src/cmd-setup.ts";
import { UserError } from "../src/errors.ts";
import { createSys, type Sys } from "../src/sys.ts";

let dir = "";
let path = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "csm-setup-"));
  path = join(dir, "settings.json");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const text = (settings: unknown) => `${JSON.stringify(settings, null, 2)}\n`;
const read = () => JSON.parse(readFileSync(path, "utf8")) as unknown;
const backups = () => readdirSync(dir).filter((name) => name.includes(".before-csm-"));

async function run(whileAsked: () => boolean = () => true, sys: Sys = createSys()): Promise<string> {
  const said: string[] = [];
  const say = (words: string) => void said.push(words);
  const plan = (before = "{}") => {
    let settings: object;
    try {
      settings = JSON.parse(before);
    } catch {
      throw new UserError(`${path} is no JSON object`);
    }
    return { after: "statusLine" in settings ? before : text({ ...settings, statusLine: "csm" }) };
  };
  const confirm = async () => whileAsked();
  const change = { path, parts: ["statusline" as const], plan };
  await changeFiles({ sys, out: say, tell: say, paint: (_, words) => words }, [change], { confirm, isUndo: false });
  return said.join("\n");
}

const deny = { permissions: { deny: ["Bash(rm:*)"] } };

test("a rule that is added while the question stands is kept, in the file and in its copy", async () => {
  writeFileSync(path, text({ model: "opus" }));
  const said = await run(() => {
    writeFileSync(path, text({ model: "opus", ...deny }));
    return true;
  });
  expect(read()).toEqual({ model: "opus", ...deny, statusLine: "csm" });
  expect(backups()).toHaveLength(1);
  expect(JSON.parse(readFileSync(join(dir, backups()[0] ?? ""), "utf8"))).toEqual({ model: "opus", ...deny });
  expect(said).toContain("with what was written there meanwhile");
});

test("a rule that comes between reading and replacing is kept too", async () => {
  const real = createSys();
  writeFileSync(path, text({}));
  let others = 2;
  const replaceText: Sys["replaceText"] = (...given) => {
    if (others-- > 0) writeFileSync(path, text({ ...deny, others }));
    return real.replaceText(...given);
  };
  await run(undefined, { ...real, replaceText });
  expect(read()).toEqual({ ...deny, others: 0, statusLine: "csm" });
});

test.each([
  ["the answer is no", () => false],
  [
    "somebody else has made the change",
    () => {
      writeFileSync(path, text({ statusLine: "csm" }));
      return true;
    },
  ],
])("%s: nothing is written and no copy made", async (_, whileAsked) => {
  writeFileSync(path, text({}));
  await run(whileAsked);
  expect(readdirSync(dir)).toEqual(["settings.json"]);
});

test("a file that breaks while the question stands stays as it is", async () => {
  writeFileSync(path, text({}));
  const breakIt = () => {
    writeFileSync(path, "{ torn");
    return true;
  };
  await expect(run(breakIt)).rejects.toThrow(/is no JSON object$/);
  expect(readFileSync(path, "utf8")).toBe("{ torn");
});

test.each([0o644, 0o600, 0o640])("the file keeps its mode %o, its copy is private", async (mode) => {
  writeFileSync(path, text({ a: 1 }));
  chmodSync(path, mode);
  await run();
  expect(statSync(path).mode & 0o777).toBe(mode);
  expect(statSync(join(dir, backups()[0] ?? "")).mode & 0o777).toBe(0o600);
});

test("what is there and cannot be read is not taken for empty", async () => {
  symlinkSync(join(dir, "nowhere"), path);
  await expect(run()).rejects.toThrow(`${path} is a link that leads nowhere`);
  await expect(run(() => true, { ...createSys(), readLink: () => undefined })).rejects.toThrow(/cannot be read$/);
  expect(readdirSync(dir)).toEqual(["settings.json"]);
});

test("a new file is private", async () => {
  await run();
  expect([read(), statSync(path).mode & 0o777, backups()]).toEqual([{ statusLine: "csm" }, 0o600, []]);
});

test("bytes that are no UTF-8 would be spoilt: the file stays as it is", async () => {
  const bytes = Buffer.from('{"a":"\xe4"}', "latin1");
  writeFileSync(path, bytes);
  await expect(run()).rejects.toThrow(/is not in UTF-8$/);
  expect(readFileSync(path)).toEqual(bytes);
  expect(readdirSync(dir)).toEqual(["settings.json"]);
});

test("a folder that may not be written is told before anything is changed", async () => {
  writeFileSync(path, "{}");
  const sys: Sys = { ...createSys(), isWritable: (at) => at !== dir };
  await expect(run(() => true, sys)).rejects.toThrow(`may not write in ${dir}`);
  expect([readFileSync(path, "utf8"), readdirSync(dir)]).toEqual(["{}", ["settings.json"]]);
  // Looking is no change.
  expect(await run(() => false, sys)).toContain("settings.json");
});
