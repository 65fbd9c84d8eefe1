import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * The real claude for sandboxes: `$CSM_TEST_CLAUDE`, else the binary in the platform's package of this checkout, which is
 * there also where npm runs no install scripts.
 */
export function findCheckoutClaude(): string {
  const given = process.env.CSM_TEST_CLAUDE;
  if (given !== undefined && given !== "") return given;
  const path = findNativeClaude(join(import.meta.dir, "..", "node_modules"));
  if (path === undefined) throw new Error("the real claude is not installed: run npm install");
  return path;
}

/** The binary in the platform's package below a `node_modules`; undefined for versions that are a script for Node. */
export function findNativeClaude(modulesDir: string): string | undefined {
  const scope = join(modulesDir, "@anthropic-ai");
  const isMusl = process.platform === "linux" && existsSync("/etc/alpine-release");
  const name = process.platform === "win32" ? "claude.exe" : "claude";
  const folders = existsSync(scope) ? readdirSync(scope).filter((folder) => folder.includes("musl") === isMusl) : [];
  return folders.map((folder) => join(scope, folder, name)).find((candidate) => existsSync(candidate));
}

if (import.meta.main) console.log(findCheckoutClaude());
