import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProjectRoot, readRuleBook } from "../src/rules-file.ts";
import { createSys } from "../src/sys.ts";

let dir = "";
let own = "";
let project = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "csm-rules-"));
  own = join(dir, ".config/claude-smart/rules.toml");
  project = join(dir, "app");
  for (const folder of [join(own, ".."), join(project, ".csm"), join(project, ".git"), join(project, "src")])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const sys = () => createSys({ HOME: dir });
const rule = (name: string, action: string) => `[[rules]]\nname = "${name}"\naction = "${action}"\n`;
const read = async () => {
  const { rules, problems } = await readRuleBook(sys(), project);
  return { rules: rules.map(({ name, action }) => `${name}: ${action}`), problems: problems.map(({ message }) => message) };
};

test("without a file there are no rules and nothing is wrong", async () => {
  expect(await readRuleBook(sys(), project)).toMatchObject({ rules: [], budgets: [], problems: [], notify: { channels: [] } });
});

test("a project that is named by its folder is meant without ~ and without links", async () => {
  symlinkSync(project, join(dir, "link"));
  const match = 'match_project = ["~/app", "~", "~/link", "app", "/nowhere/x", "~x"]\n';
  writeFileSync(own, `${rule("a", "deny")}${match}[[budgets]]\nname = "b"\nperiod = "day"\naction = "deny"\nlimit_usd = 1\n${match}`);
  const { rules, budgets } = await readRuleBook(sys(), project);
  const meant = [project, dir, project, "app", "/nowhere/x", "~x"];
  expect([rules[0]?.when.project, budgets[0]?.project]).toEqual([meant, meant]);
});

test("those of the user come first, TOML and JSON, then those of the project", async () => {
  writeFileSync(own, rule("a", "approve"));
  writeFileSync(join(own, "../rules.json"), '{"rules":[{"name":"b","action":"deny"}]}');
  writeFileSync(join(project, ".csm/rules.toml"), rule("c", "ask") + rule("a", "deny") + rule("loose", "allow"));
  expect(await read()).toEqual({
    rules: ["a: allow", "b: deny", "c: ask", "a: deny"],
    problems: ["a file of a project may only deny and ask, not allow; it is ignored"],
  });
});

test("a folder of a checkout has the project of its root", () => {
  expect(findProjectRoot(sys(), join(project, "src"))).toBe(project);
  expect(findProjectRoot(sys(), dir)).toBe(dir);
});

describe("what cannot be trusted or read asks for everything", () => {
  const rows: [what: string, make: () => void, problem: string][] = [
    [
      "others may write it",
      () => {
        writeFileSync(own, rule("a", "allow"));
        chmodSync(own, 0o666);
      },
      "others may write it",
    ],
    [
      "others may write its folder",
      () => {
        writeFileSync(own, rule("a", "allow"));
        chmodSync(join(own, ".."), 0o777);
      },
      "others may write ",
    ],
    [
      "others may write the folder that a link leads to",
      () => {
        mkdirSync(join(dir, "dots"));
        chmodSync(join(dir, "dots"), 0o777);
        writeFileSync(join(dir, "dots/rules.toml"), rule("a", "allow"));
        symlinkSync(join(dir, "dots/rules.toml"), own);
      },
      "others may write ",
    ],
    ["a pipe", () => void Bun.spawnSync(["mkfifo", own]), "it is no file"],
    ["a folder", () => mkdirSync(own), "it is no file"],
    ["a link that leads nowhere", () => symlinkSync(join(dir, "nowhere"), own), "it leads nowhere"],
    ["200 MB", () => void Bun.spawnSync(["truncate", "-s", "200M", own]), "it is larger than 1024 KB"],
    ["not UTF-8 and no TOML", () => writeFileSync(own, Buffer.from([0xff, 0xfe, 0, 1])), ""],
  ];
  test.each(rows)("%s", async (_, make, problem) => {
    make();
    const { rules, problems } = await read();
    expect(rules).toEqual(["rules.toml: ask"]);
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  test("a link into one's own dotfiles is fine", async () => {
    mkdirSync(join(dir, "dots"), { mode: 0o700 });
    writeFileSync(join(dir, "dots/rules.toml"), rule("a", "allow"));
    symlinkSync(join(dir, "dots/rules.toml"), own);
    expect(await read()).toEqual({ rules: ["a: allow"], problems: [] });
  });

  test.each(["rules.toml", ".."])("a project's that leads out of it, by %s", async (link) => {
    writeFileSync(join(dir, "rules.toml"), 'secret = "s3cr3t');
    rmSync(join(project, ".csm"), { recursive: true });
    if (link === "..") symlinkSync(dir, join(project, ".csm"));
    else {
      mkdirSync(join(project, ".csm"));
      symlinkSync(join(dir, "rules.toml"), join(project, ".csm/rules.toml"));
    }
    expect(await read()).toEqual({ rules: ["rules.toml: ask"], problems: ["it leads out of the project"] });
  });
});
