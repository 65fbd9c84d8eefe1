/** Past versions of Claude Code from the npm registry, kept in a cache: `<cache>/csm/claude/<version>/claude`. */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import { findNativeClaude } from "./claude.ts";

const packageName = "@anthropic-ai/claude-code";

/** XDG: a path that is not absolute counts as unset. */
function cacheDir(): string {
  const given = process.env.XDG_CACHE_HOME ?? "";
  return join(isAbsolute(given) ? given : join(homedir(), ".cache"), "csm", "claude");
}

/** The executable of this version, downloaded unless the cache holds it and it runs. */
export async function installClaude(version: string): Promise<string> {
  const dir = join(cacheDir(), version);
  const path = join(dir, "claude");
  if ((await readVersion(path)) === version) return path;
  mkdirSync(cacheDir(), { recursive: true });
  // Made aside and renamed when whole, so that what stands under its name is complete.
  const made = mkdtempSync(join(cacheDir(), `.${version}-`));
  try {
    await download(version, made);
    linkProgram(made);
    const found = await readVersion(join(made, "claude"));
    if (found !== version) throw new Error(`${packageName}@${version} does not run here: --version says ${found ?? "nothing"}`);
    rmSync(dir, { recursive: true, force: true });
    renameSync(made, dir);
  } catch (error) {
    // Another run of this script may have been faster.
    if ((await readVersion(path)) !== version) throw error;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return path;
}

/** No install script runs: what this needs is in the packages as they are. */
async function download(version: string, dir: string): Promise<void> {
  writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true }));
  const what = `${packageName}@${version}`;
  const argv =
    Bun.which("npm") === null
      ? [process.execPath, "add", "--ignore-scripts", what]
      : ["npm", "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", what];
  const child = Bun.spawn(argv, { cwd: dir, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [code, words] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`cannot install ${what}: ${words.trim() || `${argv[0]} ended with code ${code}`}`);
}

/** `claude`: a link to the native binary or, before there was one, a shell script that runs `cli.js` with Node. */
function linkProgram(dir: string): void {
  const native = findNativeClaude(join(dir, "node_modules"));
  const script = `node_modules/${packageName}/cli.js`;
  if (native !== undefined) symlinkSync(relative(dir, native), join(dir, "claude"));
  else if (existsSync(join(dir, script)))
    writeFileSync(join(dir, "claude"), `#!/bin/sh\nexec node "$(dirname "$0")/${script}" "$@"\n`, { mode: 0o755 });
  else throw new Error(`${packageName} brought neither a binary for this machine nor a cli.js`);
}

/** Undefined when it is not there or does not run. It gets a HOME of its own: no version may touch the user's. */
async function readVersion(path: string): Promise<string | undefined> {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    // Not there, or not whole: then it is installed.
    return undefined;
  }
  const home = mkdtempSync(join(tmpdir(), "csm-compat-"));
  try {
    const env = { PATH: process.env.PATH ?? "", HOME: home, TMPDIR: home, DISABLE_AUTOUPDATER: "1" };
    const child = Bun.spawn([path, "--version"], { cwd: home, env, stdin: "ignore", stdout: "pipe", stderr: "ignore", timeout: 20_000 });
    return /^\d\S*/.exec(await new Response(child.stdout).text())?.[0];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
