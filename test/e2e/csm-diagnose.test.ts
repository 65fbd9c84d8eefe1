import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asPublic } from "../public.ts";
import { type Box, csmPath, type Json, openBox, useBox } from "./harness.ts";

const sandbox = useBox();

async function diagnose(box: Box, args: string[] = [], env: Record<string, string> = {}) {
  const result = await box.run([csmPath, "diagnose", "--json", ...args], { env: { ...box.env, ...env } });
  const value = JSON.parse(result.stdout) as { health: string; checks: Json[] };
  expect(asPublic("csm diagnose", value) as never).toEqual(value as never);
  const of = (state: string) => value.checks.filter((line) => line.health === state);
  return { code: result.code, text: result.stdout, stderr: result.stderr, ...value, of };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

test("a good machine: every line is ok, code 0, and nothing of it stays", async () => {
  const { box } = sandbox;
  write(join(box.configDir, "settings.json"), JSON.stringify({ cleanupPeriodDays: 3650 }));
  const before = readdirSync(box.configDir);
  const { code, checks, of } = await diagnose(box);
  expect([code, of("broken"), of("degraded")]).toEqual([0, [], []]);
  expect(checks.map(({ check }) => check)).toEqual([
    ...[
      "claude",
      "profiles",
      "login",
      "settings",
      "hooks",
      "status line",
      "history",
      "away",
      "terminal",
      "tmux",
      "rules",
      "notifications",
      "config",
    ],
    ...["hub", "fleet", "state", "caches", "disk", "clock"],
  ]);
  expect(checks.find(({ check }) => check === "login")?.detail).toBe("signed in (api_key)");
  expect(checks.find(({ check }) => check === "tmux")?.detail).toMatch(/^tmux \S+; starts, types and reads in a pane$/);
  // No model was asked, no conversation begun, and the scratch server has ended.
  expect(box.stub.requests).toEqual([]);
  expect(readdirSync(box.configDir).filter((name) => !before.includes(name) && name !== "backups" && name !== "sessions")).toEqual([]);
  expect(readdirSync(join(box.dir, "tmp")).filter((name) => name.startsWith("csm-diagnose"))).toEqual([]);
  const table = await box.csm(["diagnose"]);
  expect(table.stdout).toMatch(/^HEALTH {2}CHECK +PROFILE +DETAIL\n/);
  expect(table.stdout).toContain("all is in order");
});

test("a broken machine: each cause is named with its fix, code 1; --redact names nobody and nothing", async () => {
  const box = await openBox();
  try {
    const bin = join(box.dir, "bin");
    mkdirSync(bin);
    for (const name of ["sh", "df"]) symlinkSync(`/bin/${name}`, join(bin, name));
    write(
      join(box.configDir, "settings.json"),
      '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "/nowhere/secret/csm hook"}]}]}}',
    );
    write(join(box.home, ".config/claude-smart/config.json"), '{"limit": {"policy": "perhaps"}}');
    write(join(box.home, ".config/claude-smart/rules.toml"), '[[rules]]\nname = "confidential"\nactoin = "allow"\n');
    write(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify({ hush: "~/.claude.hush" }));
    write(join(box.home, "state"), "a file");
    const transcript = join(box.configDir, "projects/-x/11111111-2222-4333-8444-555555555555.jsonl");
    write(transcript, "");
    const later = new Date(Date.now() + 86_400_000);
    utimesSync(dirname(transcript), later, later);
    const env = {
      ...{ PATH: bin, CLAUDE_SMART_CLAUDE_BIN: join(box.home, "no-claude"), XDG_STATE_HOME: join(box.home, "state") },
      CLAUDE_USAGE_URL: "http://127.0.0.1:9/usage",
    };
    const { code, of, text } = await diagnose(box, [], env);
    expect(code).toBe(1);
    const told = Object.fromEntries(of("broken").map(({ check, detail, fix }) => [String(check), `${detail} → ${fix}`]));
    expect(told.claude).toMatch(/claude not found/);
    expect(told.profiles).toMatch(/folder missing: .* → csm profiles doctor --fix hush/);
    expect(told.hooks).toMatch(/the hook "\/nowhere\/secret\/csm hook" of claude's settings does not answer: .*not found.* → csm setup/);
    expect(told.tmux).toMatch(/tmux/);
    expect(told.rules).toMatch(/rules\.toml:\d+: .* → csm rules check/);
    expect(told.config).toMatch(/limit\.policy/);
    expect(told.hub).toMatch(/usage of other machines is not to be had/);
    expect(told.state).toMatch(/state/);
    expect(told.clock).toMatch(/sessions have written .* after now.* → set the clock/);
    expect(text).toContain("hush");

    const hidden = await diagnose(box, ["--redact"], env);
    expect([hidden.code, hidden.checks.map(({ check, health }) => [check, health])]).toEqual([
      1,
      (JSON.parse(text) as { checks: Json[] }).checks.map(({ check, health }) => [check, health]),
    ]);
    for (const secret of ["hush", "confidential", "secret", box.dir, "no-claude", "127.0.0.1", "actoin", "perhaps"])
      expect(hidden.text).not.toContain(secret);
  } finally {
    await box.close();
  }
});

test("settings that claude does not take: what does not load is broken, what is skipped degraded, in its own words", async () => {
  const { box } = sandbox;
  const path = join(box.configDir, "settings.json");
  const settings = async (text: string) => {
    write(path, text);
    return (await diagnose(box)).checks.find(({ check }) => check === "settings");
  };
  expect(await settings("{bad")).toMatchObject({ health: "broken", detail: expect.stringContaining("Invalid or malformed JSON") });
  expect(await settings('{"cleanupPeriodDays": "x"}')).toMatchObject({
    health: "broken",
    detail: expect.stringContaining("(cleanupPeriodDays)"),
  });
  const skipped = await settings(
    '{"hooks": {"Foo": [{"hooks": [{"type": "command", "command": "touch ran"}]}], "SessionStart": [{"hooks": [{"type": "command", "command": "touch ran"}]}]}}',
  );
  expect(skipped).toMatchObject({ health: "degraded", detail: expect.stringContaining('Unknown hook event "Foo"') });
  expect(existsSync(join(box.home, "ran"))).toBe(false);
  write(path, JSON.stringify({ cleanupPeriodDays: 7, askUserQuestionTimeout: "60s" }));
  expect((await diagnose(box)).of("degraded").map(({ check }) => check)).toEqual(["history", "away"]);
  write(path, "{}");
});

test("a fleet whose server is down", async () => {
  const { box } = sandbox;
  const path = join(box.home, ".local/state/csm/fleet.json");
  const membership = { version: 1, url: "redis://127.0.0.1:9", machine: "here", role: "watch", password: { from: "none" }, joinedAt: 1 };
  write(path, JSON.stringify(membership));
  const { code, checks } = await diagnose(box);
  rmSync(path);
  expect([code, checks.find(({ check }) => check === "fleet")]).toEqual([
    1,
    expect.objectContaining({ health: "broken", fix: "csm fleet check" }),
  ]);
});

test("--fix makes the folder of a profile and puts the hook for rules there; it asks, and off a terminal it does nothing", async () => {
  const box = await openBox();
  try {
    write(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify({ main: "~/.claude", spare: "~/.claude.spare" }));
    write(join(box.home, ".config/claude-smart/rules.toml"), '[[rules]]\nname = "no"\ntool = "Bash"\ncommand = "rm *"\naction = "deny"\n');
    write(join(box.configDir, "settings.json"), "{}");
    const refused = await box.csm(["diagnose", "--fix"]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("nobody to ask; nothing was mended")]);
    expect(existsSync(join(box.home, ".claude.spare"))).toBe(false);
    const { of, stderr } = await diagnose(box, ["--fix", "--yes"]);
    expect(stderr).toContain("mend the folder of profile 'spare'");
    expect(existsSync(join(box.home, ".claude.spare"))).toBe(true);
    expect(box.sys.readText(join(box.configDir, "settings.json"))).toContain("PreToolUse");
    expect(readdirSync(box.configDir).some((name) => name.startsWith("settings.json.before-csm"))).toBe(true);
    expect(of("broken").filter(({ check }) => check === "hooks" || check === "profiles")).toEqual([]);
  } finally {
    await box.close();
  }
});

test.each([[["--yes"], "is for --fix"]])("csm diagnose %p is refused with code 2", async (args, words) => {
  const result = await sandbox.box.csm(["diagnose", ...args]);
  expect([result.code, result.stderr.includes(words)]).toEqual([2, true]);
});
