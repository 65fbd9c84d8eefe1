import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { csmPath, useBox } from "./harness.ts";

const given = useBox();
const input = (more: object = {}): string =>
  JSON.stringify({
    session_id: "s1",
    model: { display_name: "Opus 5.5" },
    rate_limits: { five_hour: { used_percentage: 37, resets_at: Math.round(Date.now() / 1000) + 7200 } },
    ...more,
  });
const stateDir = () => join(given.box.home, ".local/state/csm/statusline");
const kept = () => (existsSync(stateDir()) ? readdirSync(stateDir()) : []);

async function run(text: string | undefined, args: string[] = [], env: Record<string, string> = {}) {
  const { box } = given;
  const result = await box.run([csmPath, "statusline", ...args], {
    env: { ...box.env, CLAUDE_CONFIG_DIR: "/x/.claude.work", ...env },
    ...(text === undefined ? {} : { input: text }),
  });
  return [result.stdout, result.stderr, result.code];
}
const host = () => given.box.sys.hostname().split(".")[0];

test("without input it is a part of a shell prompt", async () => {
  expect(await run(undefined)).toEqual([`work@${host()}\n`, "", 0]);
  expect(await run("")).toEqual([`work@${host()}\n`, "", 0]);
});

test.each<[rule: string, text: string]>([
  ["no JSON", "hello"],
  ["half of it", input().slice(0, 40)],
  ["a list", "[1]"],
  ["bytes", "\u0000\u00ff"],
  ["5 MB", JSON.stringify({ session_id: "big", pad: "x".repeat(5_000_000) })],
])("%s on stdin: the plain line, and exit 0", async (_, text) => {
  expect(await run(text)).toEqual([`work@${host()}\n`, "", 0]);
});

test("claude's input is recorded, and shown as the template says", async () => {
  expect(await run(input(), ["--template", "{profile} {5h} | {cost}"])).toEqual(["work 37%\n", "", 0]);
  expect(JSON.parse(readFileSync(join(stateDir(), "s1.json"), "utf8"))).toMatchObject({
    sessionId: "s1",
    configDir: "/x/.claude.work",
    windows: { five_hour: { usedPercent: 37 } },
  });
});

test("a registered name counts more than the folder's", async () => {
  const { box } = given;
  mkdirSync(join(box.home, ".config/claude-as"), { recursive: true });
  writeFileSync(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify({ boss: "/x/.claude.work" }));
  expect((await run(input(), ["--template", "{profile}"]))[0]).toBe("boss\n");
  writeFileSync(join(box.home, ".config/claude-as/profiles.json"), "{ torn");
  expect((await run(input(), ["--template", "{profile}"]))[0]).toBe("work\n");
});

test("D21: an id that would lead out of the folder is not recorded", async () => {
  const before = kept();
  expect((await run(input({ session_id: "../../../evil" }), ["--template", "{5h}"]))[0]).toBe("37%\n");
  expect(kept()).toEqual(before);
  expect(existsSync(join(given.box.home, "evil.json"))).toBe(false);
});

test("the user's own status line gets the same input, and prints; what it leaves running stays", async () => {
  const text = input({ session_id: "s2" });
  expect(await run(text, ["--wrap", "cat; (sleep 0.2; echo done > $HOME/left) >/dev/null 2>&1 &"])).toEqual([`${text}\n`, "", 0]);
  expect(kept()).toContain("s2.json");
  for (let tries = 0; tries < 200 && !existsSync(join(given.box.home, "left")); tries++) await Bun.sleep(20);
  expect(existsSync(join(given.box.home, "left"))).toBe(true);
});

test("one that fails is replaced by ours, and named on stderr", async () => {
  expect(await run(input(), ["--wrap", "exit 3", "--template", "{5h}"])).toEqual(["37%\n", "csm statusline: exit 3: exit code 3\n", 0]);
});

test("a mistyped flag is named, and the line printed all the same", async () => {
  expect(await run(input(), ["--tempalte", "x"])).toEqual([
    expect.stringContaining("37%"),
    "csm statusline: unknown flag --tempalte; csm statusline --help lists the flags\n",
    0,
  ]);
});

test("a state folder that cannot be made costs the record, not the line", async () => {
  const { box } = given;
  const file = join(box.home, "a-file");
  writeFileSync(file, "");
  chmodSync(file, 0o400);
  expect(await run(input(), ["--template", "{5h}"], { XDG_STATE_HOME: join(file, "state") })).toEqual(["37%\n", "", 0]);
});

test("somebody who keeps stdin open and says nothing cannot make it hang", async () => {
  const { box } = given;
  const child = Bun.spawn([csmPath, "statusline"], {
    env: { ...box.env, CLAUDE_CONFIG_DIR: "/x/.claude.work" },
    stdin: "pipe",
    stdout: "pipe",
  });
  expect(await child.stdout.text()).toBe(`work@${host()}\n`);
  expect(await child.exited).toBe(0);
  child.stdin.end();
});

test("help is there, and names the placeholders", async () => {
  const help = await given.box.csm(["statusline", "--help"]);
  expect(help.stdout).toContain("{7d_reset}");
});
