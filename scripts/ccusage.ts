/** The newest native ccusage from the npm registry, kept in a cache outside of the checkout: what csm cost is compared with. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Throws, saying so, when the registry cannot be reached: a comparison that was not made must not look like one that was. */
export async function installCcusage(): Promise<string> {
  const name = `@ccusage/ccusage-${process.platform}-${process.arch}`;
  const given = process.env.XDG_CACHE_HOME ?? "";
  const cache = join(isAbsolute(given) ? given : join(homedir(), ".cache"), "csm", "ccusage");
  mkdirSync(cache, { recursive: true });
  // The wrapper package may be newer than the binaries that its registry has: the binary's own newest version counts.
  const version = await npm(cache, "view", `${name}@latest`, "version");
  const dir = join(cache, version);
  const path = join(dir, "node_modules", name, "bin", process.platform === "win32" ? "ccusage.exe" : "ccusage");
  if (!existsSync(path)) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true }));
    await npm(dir, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`);
  }
  chmodSync(path, 0o755);
  return path;
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const child = Bun.spawn(["npm", "--loglevel=error", ...args], { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 60_000 });
  const [code, text, words] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  if (code !== 0)
    throw new Error(`ccusage cannot be had from the npm registry, so nothing was compared: ${words.trim() || `npm ended with ${code}`}`);
  return text.trim();
}
