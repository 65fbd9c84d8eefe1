import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Check } from "../../src/doctor-judge.ts";
import type { RunResult } from "../../src/sys.ts";
import { type Box, claudePath, csdPath, openBox, until, useBox } from "./harness.ts";

interface Report {
  claude: string;
  version: string;
  tmux: string;
  checks: Check[];
  verdict: string;
  not_examined?: string;
}

const doctorMs = 80_000;
const memoryOf = (box: Box) => join(box.home, ".local/state/csd/doctor.json");
const doctor = (box: Box, args: string[] = [], env: Record<string, string> = box.env): Promise<RunResult> =>
  box.tryCsd(["doctor", ...args], { env, timeoutMs: doctorMs });
const run = async (box: Box): Promise<{ code: number | null; report: Report }> => {
  const result = await doctor(box, ["--json"]);
  expect(result.stderr).toBe("");
  return { code: result.code, report: JSON.parse(result.stdout) as Report };
};

/** What an examination leaves in the folder that it makes its sandbox in: processes name it in their arguments or environment. */
async function expectNothingLeft(box: Box): Promise<void> {
  expect(readdirSync(box.env.TMPDIR ?? "")).toEqual([]);
  const processes = (await box.run(["ps", "axeww", "-o", "pid=,args="])).stdout.split("\n");
  expect(processes.filter((line) => line.includes(join(box.dir, "tmp/csm-sandbox-")))).toEqual([]);
}

describe("the claude that the tests use", () => {
  const sandbox = useBox();

  test("every signal is trusted, and nothing is left behind", async () => {
    const { box } = sandbox;
    const startedAt = Date.now();
    const { code, report } = await run(box);
    expect(report.checks.filter(({ verdict }) => verdict !== "trusted")).toEqual([]);
    expect(Date.now() - startedAt).toBeLessThan(30_000);
    expect([code, report.verdict, report.claude]).toEqual([0, "trusted", claudePath]);
    expect(Object.keys(report)).toEqual(["claude", "version", "tmux", "checks", "verdict"]);
    expect(Object.keys(report.checks[0] ?? {})).toEqual(["signal", "verdict", "detail", "fallback", "gates"]);
    expect(report.checks.map(({ signal }) => signal)).toEqual([
      ...(["tmux", "claude", "state_folder", "session_file", "status", "waiting_for"] as const),
      ...(["hook.UserPromptSubmit", "hook.PermissionRequest", "hook.Stop", "hook.StopFailure", "hook.answer"] as const),
      ...(["gate.trust", "gate.bash", "gate.write", "gate.question", "gate.plan", "keys"] as const),
      ...(["prompt.editor", "prompt.paste", "transcript", "statusline", "interrupt"] as const),
    ]);
    await expectNothingLeft(box);
    expect(await box.csd(["ps", "--json"])).toEqual({ sessions: [] });
  });

  test("the result is kept for this user alone", () => {
    const { box } = sandbox;
    const { results } = JSON.parse(readFileSync(memoryOf(box), "utf8")) as { results: unknown };
    expect(results).toEqual([
      { claude: claudePath, version: expect.stringMatching(/^\d/) as string, at: expect.any(Number) as number, untrusted: [] },
    ]);
    expect(statSync(memoryOf(box)).mode & 0o777).toBe(0o600);
  });

  test("a session of a claude that is not trusted carries it as marker_warning, until it is trusted again", async () => {
    const { box } = sandbox;
    const memory = JSON.parse(readFileSync(memoryOf(box), "utf8")) as { results: { untrusted: unknown[] }[] };
    expect("marker_warning" in (await box.csd(["spawn", "--name", "calm", "--cwd", box.folder("calm")]))).toBe(false);
    const untrusted = [{ signal: "gate.bash", verdict: "degraded", fallback: "the hook" }];
    writeFileSync(memoryOf(box), JSON.stringify({ ...memory, results: memory.results.map((result) => ({ ...result, untrusted })) }));
    const warning = /^csd doctor does not trust gates of claude \S+: gate\.bash is degraded \(instead: the hook\)$/;
    expect((await box.csd(["spawn", "--name", "warned", "--cwd", box.folder("warned")])).marker_warning).toMatch(warning);
    expect((await box.state("calm")).marker_warning).toMatch(warning);
    writeFileSync(memoryOf(box), "torn");
    expect("marker_warning" in (await box.state("calm"))).toBe(false);
  });

  test("for people: a line per check while it runs, then the table, without colour off a terminal", async () => {
    const { box } = sandbox;
    const { code, stdout, stderr } = await doctor(box);
    expect(stdout).toMatch(/^claude \S+, .*, tmux .*\n\nSIGNAL +VERDICT +DETAIL\ntmux +trusted +tmux /);
    expect(stdout).toEndWith("\n\ncsd can be trusted with its gates.\n");
    expect(stderr).toMatch(/^ {2}trusted {2}gate\.bash: option 1 of \d allows once, \d refuses$/m);
    expect([code, stdout.includes("\u001b"), stderr.includes("\u001b")]).toEqual([0, false, false]);
  });
});

describe("surroundings", () => {
  const sandbox = useBox();

  test.each([
    ["claude", { CLAUDE_SMART_CLAUDE_BIN: "/none/claude" }, 127, "claude not found: CLAUDE_SMART_CLAUDE_BIN names /none/claude"],
    ["tmux", { PATH: "/none" }, 1, "tmux is not installed or not on PATH"],
  ])("without %s: one line that says so", async (_, env, code, error) => {
    const { box } = sandbox;
    const result = await doctor(box, ["--json"], { ...box.env, ...env });
    expect([result.code, result.stdout, result.stderr.split("\n").length]).toEqual([code, "", 2]);
    expect((JSON.parse(result.stderr) as { error: string }).error).toStartWith(error);
    expect(existsSync(memoryOf(box))).toBe(false);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("%s while it runs: everything goes, and nothing is kept", async (signal) => {
    const { box } = sandbox;
    const child = Bun.spawn([csdPath, "doctor"], { env: box.env, cwd: box.home, stdout: "pipe", stderr: "pipe" });
    const sessions = () => readdirSync(box.env.TMPDIR ?? "").flatMap((name) => sessionFiles(join(box.env.TMPDIR ?? "", name)));
    await until("a session of the examination", () => sessions().length > 0);
    child.kill(signal);
    expect([await child.exited, await child.stdout.text()]).toEqual([signal === "SIGINT" ? 130 : 143, ""]);
    await expectNothingLeft(box);
    expect(existsSync(memoryOf(box))).toBe(false);
  });
});

const sessionFiles = (dir: string): string[] => {
  const sessions = join(dir, "home/.claude/sessions");
  return existsSync(sessions) ? readdirSync(sessions) : [];
};

describe("a claude that", () => {
  const withFake = async (script: string, use: (box: Box, path: string) => Promise<void>): Promise<void> => {
    const dir = mkdtempSync(join(tmpdir(), "fake-claude-"));
    const path = join(dir, "claude");
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    const box = await openBox({ claudePath: path });
    try {
      await use(box, path);
    } finally {
      await box.close();
      rmSync(dir, { recursive: true, force: true });
    }
  };

  const verdicts = ({ checks }: Report): Record<string, string> =>
    Object.fromEntries(checks.map(({ signal, verdict }) => [signal, verdict]));

  test("tells a version and then sleeps has no signal: code 1, within the time of one start", async () => {
    await withFake('echo "9.9.9 (Claude Code)"; exec sleep 300', async (box, path) => {
      const startedAt = Date.now();
      const { code, report } = await run(box);
      expect(Date.now() - startedAt).toBeLessThan(40_000);
      expect([code, report.verdict, report.version]).toEqual([1, "absent", "9.9.9"]);
      const { tmux, claude, state_folder: folder, ...others } = verdicts(report);
      expect([tmux, claude, folder]).toEqual(["trusted", "degraded", "trusted"]);
      expect(new Set(Object.values(others))).toEqual(new Set(["absent"]));
      expect(report.checks.find(({ signal }) => signal === "gate.bash")?.detail).toBe(
        "claude showed neither an input row nor a dialog within 20 s",
      );
      await expectNothingLeft(box);
      const { results } = JSON.parse(readFileSync(memoryOf(box), "utf8")) as { results: { claude: string; untrusted: unknown[] }[] };
      expect([results[0]?.claude, results[0]?.untrusted.length]).toEqual([path, report.checks.filter(isGateFailure).length]);
    });
  });

  test("runs no hooks is read from its other signals: they are trusted, and only what comes from hooks is absent", async () => {
    const withoutSettings = `for word; do shift; [ "$isNext" = yes ] && isNext= && continue
      [ "$word" = --settings ] && isNext=yes || set -- "$@" "$word"; done; exec ${claudePath} "$@"`;
    await withFake(withoutSettings, async (box) => {
      const { code, report } = await run(box);
      const hooks = ["hook.UserPromptSubmit", "hook.PermissionRequest", "hook.Stop", "hook.StopFailure", "hook.answer"];
      const others = report.checks.filter(({ verdict }) => verdict !== "trusted").map(({ signal, verdict }) => `${signal} ${verdict}`);
      expect(others).toEqual(hooks.map((hook) => `${hook} absent`));
      expect([code, report.verdict]).toEqual([1, "absent"]);
      await expectNothingLeft(box);
    });
  });

  test.each([
    ["another HOME", (real: string) => `export HOME='${real}'`, (real: string) => `its wrapper sets HOME=${real}`],
    [
      "another HOME to a child",
      (real: string) => `HOME='${real}' ${claudePath} "$@"; exit`,
      (real: string) => `its wrapper sets HOME=${real}`,
    ],
    [
      "a config dir",
      (real: string) => `export CLAUDE_CONFIG_DIR='${real}'`,
      (real: string) => `its wrapper sets CLAUDE_CONFIG_DIR=${real}`,
    ],
    ["no HOME at all", () => "unset HOME", () => "the claude that this wrapper starts has no HOME that can be seen"],
  ])("is given %s by its wrapper is not tried, nothing there is touched, and nothing is remembered", async (_, line, detail) => {
    const real = mkdtempSync(join(tmpdir(), "real-home-"));
    await withFake(`${line(real)}\nexec ${claudePath} "$@"`, async (box) => {
      const { code, report } = await run(box);
      const why = `${detail(real)}: it would work outside the sandbox, so nothing was tried`;
      expect([code, report.verdict, report.not_examined]).toEqual([1, "absent", why]);
      expect(report.checks.find(({ signal }) => signal === "gate.bash")?.detail).toBe(why);
      expect([readdirSync(real), existsSync(memoryOf(box))]).toEqual([[], false]);
      await expectNothingLeft(box);
    });
    rmSync(real, { recursive: true });
  });

  test("is started by a wrapper that clears the environment but for HOME is tried like any other", async () => {
    await withFake(`exec env -i HOME="$HOME" PATH="$PATH" TERM="$TERM" ${claudePath} "$@"`, async (box) => {
      const { code, report } = await run(box);
      expect(report.checks.filter(({ verdict }) => verdict !== "trusted")).toEqual([]);
      expect(code).toBe(0);
      await expectNothingLeft(box);
    });
  });

  test("ends at once says so at every signal, and the state folder is told when it cannot be written", async () => {
    await withFake('[ "$1" = --version ] && echo "9.9.9 (Claude Code)" && exit; exit 3', async (box) => {
      mkdirSync(join(box.home, ".local/state"), { recursive: true });
      writeFileSync(join(box.home, ".local/state/csd"), "");
      const { code, report } = await run(box);
      expect([code, report.verdict]).toEqual([1, "absent"]);
      expect(verdicts(report)).toMatchObject({ claude: "trusted", state_folder: "absent", status: "absent" });
      expect(report.checks.find(({ signal }) => signal === "gate.bash")?.detail).toBe("claude ended at its start with code 3");
    });
  });
});

const isGateFailure = ({ gates, verdict }: Check): boolean => gates && verdict !== "trusted";
