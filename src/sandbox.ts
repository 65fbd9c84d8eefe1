import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProcesses } from "./process.ts";
import { readSessions } from "./sessions.ts";
import { createModelStub, type ModelStub } from "./stub.ts";
import type { Step } from "./stub-script.ts";
import { createSys, type RunOptions, type RunResult, type Sys } from "./sys.ts";

export interface SandboxOptions {
  /** Absolute path of the claude to use. */
  claudePath: string;
  /** Name of the folder that becomes HOME. */
  homeName?: string;
  /** `subscription` uses a dummy OAuth token, as limits are only seen there; `api-key` a dummy key. */
  login?: "api-key" | "subscription";
  /** PATH inside; the caller's own is what finds tmux and git. */
  path: string | undefined;
  env?: Record<string, string>;
  /** What a session without a script is answered. */
  fallback?: Step;
}

/**
 * A throw-away HOME with its own tmux server and a loopback model, in which a real claude runs offline. Nothing outside its
 * folder is touched and nothing of the caller's environment reaches it but PATH.
 */
export interface Sandbox {
  dir: string;
  home: string;
  configDir: string;
  env: Record<string, string>;
  stub: ModelStub;
  /** A folder below HOME; `isTrusted` spares it the trust dialog. */
  folder(name: string, isTrusted?: boolean): string;
  sys: Sys;
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Ends every process of the sandbox and removes its folder. */
  close(): Promise<void>;
}

const dummyKey = "sk-ant-dummy-00000000000000000000";

export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "csm-sandbox-")));
  const home = join(dir, options.homeName ?? "home");
  const configDir = join(home, ".claude");
  for (const path of [home, join(dir, "tmp"), join(dir, "tmux")]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const stub = createModelStub(options.fallback === undefined ? {} : { fallback: options.fallback });
  // Trust of a folder covers what lies below it. It must be there before the first session starts: from then on the file
  // is claude's, and a later write of ours would be lost.
  const trusted = join(home, "work");
  const settings = {
    hasCompletedOnboarding: true,
    theme: "dark",
    customApiKeyResponses: { approved: [dummyKey.slice(-20)], rejected: [] },
    projects: { [trusted]: { hasTrustDialogAccepted: true } },
    // Unless it counts as refused, every version clones its plugin marketplace from GitHub; ssh then writes in the user's own home.
    officialMarketplaceAutoInstallAttempted: true,
    officialMarketplaceAutoInstallFailReason: "policy_blocked",
  };
  writeFileSync(join(home, ".claude.json"), JSON.stringify(settings));
  const env: Record<string, string> = {
    HOME: home,
    PATH: options.path ?? "/usr/bin:/bin",
    LANG: "C.UTF-8",
    TERM: "xterm-256color",
    TMPDIR: join(dir, "tmp"),
    CLAUDE_CODE_TMPDIR: join(dir, "tmp"),
    TMUX_TMPDIR: join(dir, "tmux"),
    CLAUDE_SMART_CLAUDE_BIN: options.claudePath,
    ANTHROPIC_BASE_URL: stub.url,
    ...(options.login === "subscription" ? { CLAUDE_CODE_OAUTH_TOKEN: "sk-ant-oat01-dummy" } : { ANTHROPIC_API_KEY: dummyKey }),
    DISABLE_TELEMETRY: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
    ...options.env,
  };
  const sys = createSys(env);
  const run = (argv: readonly string[], runOptions: RunOptions = {}) => sys.run(argv, { cwd: home, timeoutMs: 60_000, ...runOptions });
  return {
    dir,
    home,
    configDir,
    env,
    stub,
    folder(name, isTrusted = true) {
      const path = isTrusted ? join(trusted, name) : join(home, "untrusted", name);
      mkdirSync(path, { recursive: true });
      return path;
    },
    sys,
    run,
    async close() {
      // A number of another pid namespace would be somebody else's here.
      const dirs = [configDir, spareDir(configDir)].map((dir) => ({ dir, name: undefined }));
      const live = (await readSessions(sys, dirs)).filter(({ liveness }) => liveness === "live");
      const pids = [...live.map(({ file }) => file.pid), ...(await panePids(run))];
      await run(["tmux", "-u", "kill-server"]).catch(() => undefined);
      await waitForEnd(sys, pids);
      await stub.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The profiles of `addAccounts`: claude's own folder, and another. */
export const sandboxAccounts = ["main", "spare"] as const;
export const spareDir = (configDir: string): string => `${configDir}.spare`;

/**
 * Two accounts between which csm can switch. Requests tell the stub whose they are in `x-profile`, and the status line of both meters
 * what they use. Before the first session starts: the files are claude's from then on.
 */
export function addAccounts({ home, configDir }: Pick<Sandbox, "home" | "configDir">, csmCommand: string): void {
  const registryDir = join(home, ".config", "claude-as");
  for (const dir of [configDir, spareDir(configDir), registryDir]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const [main, spare] = sandboxAccounts;
  writeFileSync(join(registryDir, "profiles.json"), JSON.stringify({ [main]: configDir, [spare]: spareDir(configDir) }));
  copyFileSync(join(home, ".claude.json"), join(spareDir(configDir), ".claude.json"));
  for (const [name, dir] of [
    [main, configDir],
    [spare, spareDir(configDir)],
  ] as const)
    writeFileSync(
      join(dir, "settings.json"),
      JSON.stringify({
        env: { ANTHROPIC_CUSTOM_HEADERS: `x-profile: ${name}` },
        statusLine: { type: "command", command: `${csmCommand} statusline` },
      }),
    );
}

async function panePids(run: (argv: readonly string[]) => Promise<RunResult>): Promise<number[]> {
  const result = await run(["tmux", "-u", "list-panes", "-a", "-F", "#{pane_pid}"]).catch(() => undefined);
  return (result?.stdout ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

const endTimeoutMs = 5000;

/** claude saves its session on SIGHUP; what is still there after some seconds is killed. */
async function waitForEnd(sys: Sys, pids: number[]): Promise<void> {
  const deadline = sys.now() + endTimeoutMs;
  const own = await readProcesses(sys, pids);
  for (;;) {
    const alive = [...(await readProcesses(sys, pids)).values()].filter(({ pid, start }) => own.get(pid)?.start === start);
    if (alive.length === 0) return;
    if (sys.now() > deadline) for (const { pid } of alive) sys.signal(pid, "SIGKILL");
    await sys.sleep(20);
  }
}
