import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { csmPath, useBox } from "./harness.ts";

const given = useBox();
const resets = new Date(Date.now() + 7_200_000).toISOString();
const window = (pct: number) => ({ pct, resets_at: resets });
const blob = (profiles: Record<string, [session: number, week: number]>, capturedAt = Date.now()) =>
  JSON.stringify({
    captured_at: new Date(capturedAt).toISOString(),
    profiles: Object.fromEntries(
      Object.entries(profiles).map(([name, [session, week]]) => [name, { session: window(session), week_all: window(week) }]),
    ),
  });

/** A HOME with this registry (text as it is, or names); `known` is what its command answers. */
function createHome(registry: string | string[] | undefined, known?: string) {
  const home = join(given.box.dir, `home-${crypto.randomUUID()}`);
  mkdirSync(join(home, ".config/claude-as"), { recursive: true });
  const names = Array.isArray(registry) ? registry : [];
  for (const name of names) mkdirSync(join(home, `.claude.${name}`));
  const text = Array.isArray(registry)
    ? JSON.stringify(Object.fromEntries(names.map((name) => [name, join(home, `.claude.${name}`)])))
    : registry;
  if (text !== undefined) writeFileSync(join(home, ".config/claude-as/profiles.json"), text);
  const env = {
    HOME: home,
    PATH: process.env.PATH ?? "",
    LANG: "C.UTF-8",
    ...(known === undefined ? {} : { CSM_USAGE_CMD: `echo '${known}'` }),
  };
  return async (args: string, more: Record<string, string> = {}) => {
    const { stdout, stderr, code } = await given.box.run([csmPath, ...args.split(" ")], { env: { ...env, ...more }, cwd: home });
    return [stdout, stderr, code];
  };
}

const noProfiles = "csm pick-account: no profiles; add one with: csm profiles add <name>\n";

test.each<[rule: string, registry: string | undefined]>([
  ["no registry", undefined],
  ["an empty one", "{}"],
])("degraded, %s: nothing is chosen, nothing fails", async (_, registry) => {
  const csm = createHome(registry);
  expect(await csm("pick-account")).toEqual(["", noProfiles, 0]);
  expect(await csm("current-usage work")).toEqual(["", "", 0]);
  const [stdout, stderr, code] = await csm("usage");
  expect([stderr, code]).toEqual(["", 0]);
  expect(stdout).toBe(
    "usage metering disabled — csm setup turns it on; or set CSM_USAGE_CMD or CLAUDE_USAGE_URL\n(no profiles configured — `csm profiles add <name>`)\n",
  );
  expect(JSON.parse(String((await csm("usage --json"))[0]))).toMatchObject({
    configured: false,
    captured_at: null,
    stale_secs: null,
    profiles: {},
  });
});

test.each(["usage", "pick-account"])("a broken registry is no empty one: csm %s names the file", async (word) => {
  const [stdout, stderr, code] = await createHome("{ torn")(word);
  expect([stdout, code]).toEqual(["", 1]);
  expect(String(stderr)).toMatch(/^csm: failed to read .*profiles\.json: /);
});

const accounts = ["a", "b", "c"];

test.each<[rule: string, known: Record<string, [number, number]>, args: string, result: [stdout: string, stderr: string, code: number]]>([
  ["the winner", { a: [0, 30], b: [0, 70] }, "pick-account", ["b\n", "", 0]],
  ["another one than the current", { a: [0, 30], b: [0, 70] }, "pick-account b", ["a\n", "", 0]],
  ["the current one may stay", { a: [0, 30], b: [0, 70] }, "pick-account b --include-current", ["", "", 0]],
  ["all are full", { a: [99, 30], b: [0, 95] }, "pick-account", ["", "csm pick-account: all accounts saturated\n", 0]],
  [
    "nothing is known of any profile here",
    { x: [0, 30] },
    "pick-account",
    ["", "csm pick-account: no usable usage data for any profile\n", 1],
  ],
  ["a policy", { a: [0, 30], b: [0, 70] }, "pick-account --policy spread", ["a\n", "", 0]],
  ["two numbers", { a: [12, 30] }, "current-usage a", ["12 30\n", "", 0]],
  ["nothing for one that is not known", { a: [12, 30] }, "current-usage b", ["", "", 0]],
])("%s", async (_, known, args, result) => {
  expect(await createHome(accounts, blob(known))(args)).toEqual(result);
});

test("a policy that there is not", async () => {
  expect(await createHome(accounts)("pick-account --policy best")).toEqual([
    "",
    'csm: unknown policy "best"; there are drain, consume-first, spread\n',
    2,
  ]);
});

test("a fetch that failed is named when nothing is known", async () => {
  const csm = createHome(accounts);
  expect(await csm("pick-account", { CLAUDE_USAGE_URL: "ftp://x/" })).toEqual([
    "",
    "csm pick-account: usage fetch failed: http: not a web address: ftp://x/\n",
    1,
  ]);
});

test("data of 40 minutes ago decides nothing, unless its age is said not to matter", async () => {
  const csm = createHome(accounts, blob({ a: [0, 30] }, Date.now() - 2_400_000));
  const [stdout, stderr, code] = await csm("pick-account");
  expect([stdout, code]).toEqual(["", 1]);
  expect(String(stderr)).toMatch(/^csm pick-account: the newest usage data is 40m( \d+s)? old\n$/);
  expect(await csm("pick-account", { CLAUDE_USAGE_MAX_AGE: "0" })).toEqual(["a\n", "", 0]);
});

test("reasons go to stderr, or into JSON", async () => {
  const csm = createHome(accounts, blob({ a: [0, 30], b: [0, 97] }));
  const [stdout, stderr] = await csm("pick-account --explain");
  expect(stdout).toBe("a\n");
  expect(String(stderr)).toContain("a: the fullest week that has room (policy drain)");
  expect(String(stderr)).toMatch(/ b {2}saturated {2}week 97%.*the week is at 95% or more/);
  expect(JSON.parse(String((await csm("pick-account --json"))[0]))).toMatchObject({
    outcome: "winner",
    winner: "a",
    policy: "drain",
    candidates: [
      { name: "a", state: "viable", week_percent: 30 },
      { name: "b", state: "saturated" },
      { name: "c", state: "no_data" },
    ],
  });
});

test("`--no-fetch` asks nobody", async () => {
  const csm = createHome(accounts);
  const mark = join(given.box.dir, "asked");
  await csm("usage --no-fetch", { CSM_USAGE_CMD: `touch ${mark}` });
  expect(given.box.sys.readText(mark)).toBeUndefined();
  await csm("usage", { CSM_USAGE_CMD: `touch ${mark}` });
  expect(given.box.sys.readText(mark)).toBe("");
});

test("a reader that has gone is no error", async () => {
  const { stdout, stderr, code } = await given.box.run(["bash", "-c", `'${csmPath}' usage --no-fetch | true; echo \${PIPESTATUS[0]}`]);
  expect([stdout, stderr, code]).toEqual(["0\n", "", 0]);
});
