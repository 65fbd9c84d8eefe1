/** The registry's commands, what the real claude makes of shared folders, and 100 writers at once. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../src/stub-script.ts";
import { csmPath, type Json, until, useBox } from "./harness.ts";

const at = useBox();

const claudeAs = () => join(at.box.home, ".config/claude-as");
const profilesFile = () => join(claudeAs(), "profiles.json");
const stored = () => JSON.parse(readFileSync(profilesFile(), "utf8")) as Record<string, string>;
const csm = async (line: string, env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await at.box.csm(line.split(" "), { env: { ...at.box.env, ...env } });
  const plain = (text: string) => text.replaceAll(at.box.home, "$H");
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
};
const reset = () => {
  for (const name of readdirSync(at.box.home))
    if (name === ".config" || name.startsWith(".claude.") || name === ".claude.shared")
      if (name !== ".claude.json") rmSync(join(at.box.home, name), { recursive: true });
};

describe("without a registry", () => {
  const hint = "csm: there is no profile; add one with: csm profiles add <name>\n";
  const list = `current shell:  unset (csm takes the global default)
global default: (none — no default profile set: csm starts claude in ~/.claude)
available:
  (profiles.json absent — CAS/pick features disabled)
  the one account is that of ~/.claude: there is nothing to switch between
  add the first profile with: csm profiles add <name>
`;

  test.each([
    ["profiles", 0, list, ""],
    ["profiles list", 0, list, ""],
    ["cas", 0, list, ""],
    ["cas status --print-current", 0, "unknown\n", ""],
    ["profiles doctor", 0, "", hint],
    ["profiles bootstrap --all", 0, "", hint],
    ["profiles dir", 1, "", "csm: there is no profile; claude uses $H/.claude; add one with: csm profiles add <name>\n"],
    ["profiles rm work", 1, "", "csm: unknown profile 'work'; add it with: csm profiles add work\n"],
    ["profiles edit", 1, "", "csm profiles edit needs a terminal; for scripts: csm profiles add|set|rename|use|rm\n"],
    ["profiles share skills", 1, "", "csm: there is no profile to share with; add one with: csm profiles add <name>\n"],
  ])("csm %s", async (line, code, stdout, stderr) => {
    reset();
    expect(await csm(line)).toEqual({ code, stdout, stderr });
    expect(
      readdirSync(at.box.home)
        .filter((name) => name.startsWith(".claude."))
        .sort(),
    ).toEqual([".claude.json"]);
  });
});

test("a day with profiles: add, use, set, rename, rm", async () => {
  reset();
  mkdirSync(join(at.box.home, ".claude"), { recursive: true });
  const steps: [string, number, string, string][] = [
    [
      "profiles add zeta",
      0,
      "",
      "added profile 'zeta' → $H/.claude.zeta\ncsm goes on starting claude in $H/.claude; to start it in 'zeta': csm profiles use zeta\n",
    ],
    [
      "profiles add alpha ~/a",
      0,
      "",
      "added profile 'alpha' → $H/a\ncsm goes on starting claude in $H/.claude; to start it in 'alpha': csm profiles use alpha\n",
    ],
    ["profiles add alpha", 1, "", "csm: profile 'alpha' already exists; change its folder with: csm profiles set alpha DIR\n"],
    ["profiles add twin ~/a/", 1, "", "csm: $H/a is the folder of profile 'alpha'; two profiles cannot share one folder\n"],
    ["profiles dir", 0, "$H/.claude\n", ""],
    ["profiles use zeta", 0, "", "global default → zeta ($H/.claude.zeta)\na shell that has chosen a profile keeps it until: cas resync\n"],
    ["profiles dir", 0, "$H/.claude.zeta\n", ""],
    ["profiles set alpha ~/b", 0, "", "set profile 'alpha' → $H/b (was $H/a)\n"],
    [
      "profiles rename zeta omega",
      0,
      "",
      "renamed profile 'zeta' to 'omega' (same folder: $H/.claude.zeta)\nglobal default → omega ($H/.claude.zeta)\n",
    ],
    ["profiles dir", 0, "$H/.claude.zeta\n", ""],
    ["profiles rm alpha", 0, "", "removed profile 'alpha' (dir retained on disk: $H/b)\n"],
    [
      "profiles add ..",
      1,
      "",
      'csm: invalid profile name ".."; use up to 100 of the characters A-Z a-z 0-9 . _ -, starting with a letter, a digit or _\n',
    ],
    [
      "profiles foo",
      2,
      "",
      'csm profiles: unknown verb "foo"; one of: list|add|set|rm|remove|rename|use|edit|dir|login|share|bootstrap|doctor\n',
    ],
  ];
  for (const [line, code, stdout, stderr] of steps) expect({ line, ...(await csm(line)) }).toEqual({ line, code, stdout, stderr });
  expect(existsSync(join(at.box.home, "b"))).toBe(true);
  expect(readFileSync(profilesFile(), "utf8")).toBe(`{\n  "omega": "${at.box.home}/.claude.zeta"\n}\n`);
  expect(readFileSync(join(claudeAs(), "default"), "utf8")).toBe("omega\n");
  expect(statSync(profilesFile()).mode & 0o777).toBe(0o600);
});

const named = (name: string) => {
  const dir = `$H/.claude.${name}`;
  return { name, dir, profile: name, config_dir: dir };
};

test("list and doctor in JSON, for this shell's profile", async () => {
  reset();
  await csm("profiles add home");
  await csm("profiles use home");
  await csm("profiles add work");
  rmSync(join(at.box.home, ".claude.home"), { recursive: true });
  const list = JSON.parse((await csm("profiles --json", { CLAUDE_CONFIG_DIR: join(at.box.home, ".claude.work") })).stdout) as Json;
  expect(list).toEqual({
    current: "work",
    current_dir: "$H/.claude.work",
    default: "home",
    profiles: [
      { ...named("home"), exists: false, is_current: false, is_default: true },
      { ...named("work"), exists: true, is_current: true, is_default: false },
    ],
  });
  const sick = await csm("profiles doctor --json");
  expect([sick.code, JSON.parse(sick.stdout)]).toEqual([
    1,
    {
      healthy: false,
      problems: [],
      profiles: [
        {
          ...named("home"),
          healthy: false,
          problems: [{ code: "missing", text: "folder missing: $H/.claude.home", fixable: true }],
          fixed: [],
        },
        { ...named("work"), healthy: true, problems: [], fixed: [] },
      ],
    },
  ]);
  expect(await csm("profiles doctor --fix")).toEqual({
    code: 0,
    stdout:
      "✗ [home] folder missing: $H/.claude.home\n  → fixed: folder made: $H/.claude.home\n✓ [work] healthy ($H/.claude.work)\nall profiles healthy.\n",
    stderr: "",
  });
  writeFileSync(join(claudeAs(), "default"), "gone\n");
  const lost = await csm("profiles doctor");
  expect([lost.code, lost.stdout]).toEqual([
    1,
    expect.stringContaining('✗ the default "gone" is not registered, so it is claude\'s own folder'),
  ]);
});

const ssot = "(shared SSOT, single source of truth: the one folder in ~/.claude.shared that all of these profiles use)\n";

test("bootstrap shares plugins when asked, and never moves claude's own folder unnamed", async () => {
  reset();
  for (const name of ["a", "b"]) {
    await csm(`profiles add ${name}`);
    mkdirSync(join(at.box.home, `.claude.${name}`, "plugins"));
    writeFileSync(join(at.box.home, `.claude.${name}`, "plugins", name), name);
  }
  await csm("profiles add main ~/.claude");
  mkdirSync(join(at.box.home, ".claude/plugins"), { recursive: true });
  expect(await csm("profiles bootstrap --all")).toEqual({
    code: 0,
    stdout:
      "bootstrap [a] $H/.claude.a → seeded shared SSOT and linked\nbootstrap [b] $H/.claude.b → backed up to $H/.claude.b/plugins.bak and linked\n",
    stderr: `csm: left alone: 'main' is claude's own folder; name it to share its plugins\n${ssot}`,
  });
  expect((await csm("profiles bootstrap", { CLAUDE_CONFIG_DIR: join(at.box.home, ".claude") })).code).toBe(1);
  expect(lstatSync(join(at.box.home, ".claude/plugins")).isDirectory()).toBe(true);
  expect(await csm("profiles bootstrap a")).toMatchObject({
    code: 0,
    stdout: "bootstrap [a] $H/.claude.a → already linked to shared SSOT\n",
  });
  rmSync(join(at.box.home, ".claude/plugins"), { recursive: true });
});

test("login runs claude's own login in the profile", async () => {
  reset();
  await csm("profiles add work");
  await csm("profiles add main ~/.claude");
  const fake = join(at.box.dir, "fake-claude");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell is to expand it
  writeFileSync(fake, '#!/bin/sh\necho "$@ | ${CLAUDE_CONFIG_DIR-unset} | ${CSM_PROFILE-unset}"; exit 7\n');
  chmodSync(fake, 0o755);
  const env = { CLAUDE_SMART_CLAUDE_BIN: fake };
  expect(await csm("profiles login work -- --sso", env)).toEqual({
    code: 7,
    stdout: "auth login --sso | $H/.claude.work | unset\n",
    stderr: "",
  });
  expect((await csm("profiles login main", { ...env, CLAUDE_CONFIG_DIR: "/x" })).stdout).toBe("auth login | unset | main\n");
  // The words are those of the pinned claude.
  expect((await csm("profiles login work -- --help")).stdout).toContain("Usage: claude auth login");
});

describe("the real claude and what is shared", () => {
  const claude = (profile: string, ...args: string[]) =>
    at.box.run([at.box.env.CLAUDE_SMART_CLAUDE_BIN ?? "", ...args], {
      cwd: at.box.folder("shared"),
      env: { ...at.box.env, CLAUDE_CONFIG_DIR: join(at.box.home, `.claude.${profile}`) },
    });

  // Defect D5: a conversation of one account can be resumed under another.
  test("projects: a session of one profile is resumed in the other, old ones included", async () => {
    reset();
    for (const name of ["a", "b"]) await csm(`profiles add ${name}`);
    const [inA, inB] = [crypto.randomUUID(), crypto.randomUUID()];
    for (const [profile, id] of [
      ["a", inA],
      ["b", inB],
    ] as const) {
      at.box.stub.script(id, [say(`hello from ${profile}`)]);
      expect((await claude(profile, "-p", "--session-id", id, "hello")).stdout).toContain(`hello from ${profile}`);
    }
    expect((await claude("b", "-p", "--resume", inA, "again")).code).not.toBe(0);
    expect((await csm("profiles share projects --dry-run")).stdout).toBe(
      "share [a] projects → seeded shared SSOT and linked (dry run)\nshare [b] projects → merged into shared SSOT and linked (dry run)\n",
    );
    expect((await csm("profiles share projects")).stdout).toBe(
      "share [a] projects → seeded shared SSOT and linked\nshare [b] projects → merged into shared SSOT and linked\n",
    );
    const again = JSON.parse((await csm("profiles share projects --profile b --json")).stdout) as Json;
    expect(again).toEqual({
      dry_run: false,
      outcomes: [{ profile: "b", what: "projects", action: "linked", result: "already linked to shared SSOT" }],
    });
    for (const [profile, id] of [
      ["b", inA],
      ["a", inB],
    ] as const) {
      at.box.stub.script(id, [say("and on we go")]);
      expect((await claude(profile, "-p", "--resume", id, "again")).stdout).toContain("and on we go");
    }
    expect((await csm("profiles share projects")).stdout).toBe(
      "share [a] projects → already linked to shared SSOT\nshare [b] projects → already linked to shared SSOT\n",
    );
  });

  test("settings: claude writes through the link, so both profiles see it", async () => {
    reset();
    for (const name of ["a", "b"]) await csm(`profiles add ${name}`);
    await csm("profiles share settings");
    const market = join(at.box.home, "market/.claude-plugin");
    mkdirSync(market, { recursive: true });
    writeFileSync(join(market, "marketplace.json"), JSON.stringify({ name: "mp", owner: { name: "x" }, plugins: [] }));
    expect((await claude("a", "plugin", "marketplace", "add", join(at.box.home, "market"))).code).toBe(0);
    expect(readFileSync(join(at.box.home, ".claude.b/settings.json"), "utf8")).toContain('"mp"');
    expect(lstatSync(join(at.box.home, ".claude.a/settings.json")).isSymbolicLink()).toBe(true);
  });

  test("projects do not move under a live session", async () => {
    reset();
    await csm("profiles add a");
    const env = { ...at.box.env, CLAUDE_CONFIG_DIR: join(at.box.home, ".claude.a") };
    writeFileSync(join(at.box.home, ".claude.a/.claude.json"), readFileSync(join(at.box.home, ".claude.json"), "utf8"));
    const tmux = (...args: string[]) => at.box.run(["tmux", "-u", ...args], { env });
    await tmux("new-session", "-d", "-s", "live", "-c", at.box.folder("shared"), at.box.env.CLAUDE_SMART_CLAUDE_BIN ?? "");
    const sessions = join(at.box.home, ".claude.a/sessions");
    await until(
      "a live session",
      () => existsSync(sessions) && readdirSync(sessions).some((name) => name.endsWith(".json")),
      async () => (await tmux("capture-pane", "-p", "-t", "=live:")).stdout,
    );
    mkdirSync(join(at.box.home, ".claude.a/projects"), { recursive: true });
    const refused = await csm("profiles share projects");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("has 1 live session")]);
    const pid = Number.parseInt(readdirSync(sessions).find((name) => name.endsWith(".json")) ?? "", 10);
    await tmux("kill-session", "-t", "=live");
    await until("its end", () => !at.box.sys.signal(pid, 0));
    expect(await csm("profiles share projects")).toMatchObject({ code: 0 });
  });
});

test("edit adds, shows the result, and saves it", async () => {
  reset();
  await csm("profiles add home");
  await csm("profiles use home");
  const tmux = (...args: string[]) => at.box.run(["tmux", "-u", ...args]);
  await tmux("new-session", "-d", "-s", "edit", "-x", "100", "-y", "40", `${csmPath} profiles edit; sleep 60`);
  const screen = async () => (await tmux("capture-pane", "-p", "-t", "=edit:")).stdout;
  const shows = (text: string) => until(`${text} on the screen`, async () => (await screen()).includes(text), screen);
  const keys = (...words: string[]) => tmux("send-keys", "-t", "=edit:", ...words);
  await shows("1 profile, default: home");
  await keys("Down", "Enter");
  await shows("name of the new profile");
  await keys("-l", "home");
  await keys("Enter");
  await shows("profile 'home' already exists");
  await keys("C-u", "work", "Enter");
  await shows("its folder");
  await keys("Enter");
  await shows("2 profiles, default: home");
  expect(Object.keys(stored())).toEqual(["home"]);
  await keys("Down", "Down", "Down", "Enter");
  await shows("+ work");
  await keys("Enter");
  await shows("saved");
  expect(stored()).toEqual({ home: join(at.box.home, ".claude.home"), work: join(at.box.home, ".claude.work") });
  expect(existsSync(join(at.box.home, ".claude.work"))).toBe(true);
  await tmux("kill-session", "-t", "=edit");
});

test("100 processes at once, some killed: no lost update, no torn file, no stale lock", async () => {
  reset();
  const [added, removed, killed] = [60, 20, 20];
  mkdirSync(claudeAs(), { recursive: true });
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  writeFileSync(profilesFile(), JSON.stringify(Object.fromEntries(["keep", ...names("r", removed)].map((name) => [name, `/tmp/${name}`]))));
  const start = (...args: string[]) =>
    Bun.spawn([csmPath, "profiles", ...args], { env: at.box.env, cwd: at.box.home, stdout: "ignore", stderr: "pipe" });
  const victims = names("v", killed).map((name) => start("add", name));
  const workers = [...names("a", added).map((name) => start("add", name)), ...names("r", removed).map((name) => start("rm", name))];
  let torn = 0;
  let isRunning = true;
  const reader = (async () => {
    while (isRunning) {
      try {
        stored();
      } catch {
        // Counted: a reader must never meet half a file.
        torn++;
      }
      await Bun.sleep(1);
    }
  })();
  // Spread over the whole run, so that some die before, in and after their write.
  const killer = (async () => {
    for (const victim of victims) {
      await Bun.sleep(5);
      victim.kill("SIGKILL");
    }
  })();
  const failures: string[] = [];
  for (const worker of workers) if ((await worker.exited) !== 0) failures.push(await worker.stderr.text());
  await killer;
  const died = (await Promise.all(victims.map((victim) => victim.exited))).filter((code) => code !== 0).length;
  isRunning = false;
  await reader;
  const kept = stored();
  const lost = names("a", added).filter((name) => !(name in kept)).length;
  const stayed = names("r", removed).filter((name) => name in kept).length;
  const next = await csm("profiles add afterwards");
  const litter = readdirSync(claudeAs()).filter((name) => name.includes("tmp"));
  console.log(
    `100 writers: ${added} adds, ${lost} lost; ${removed} removals, ${stayed} lost; ${died} of ${killed} killed in time; ${torn} torn reads; ${litter.length} files left behind`,
  );
  expect({ failures, lost, stayed, torn, litter, code: next.code }).toEqual({
    failures: [],
    lost: 0,
    stayed: 0,
    torn: 0,
    litter: [],
    code: 0,
  });
  expect("keep" in kept).toBe(true);
});
