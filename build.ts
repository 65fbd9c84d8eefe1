/**
 * `bun run build.ts` makes dist/csm and dist/csd for this machine; `--all` makes every target into dist/<target>/; `--target
 * T` one of them; `--out DIR` another folder.
 */
import { copyFileSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import manifest from "./package.json" with { type: "json" };
import { parsePrograms } from "./src/cmd-completions.ts";
import { loadCommands } from "./src/commands.ts";

const targets: Bun.Build.CompileTarget[] = [
  ...(["bun-linux-x64", "bun-linux-arm64", "bun-linux-x64-musl", "bun-linux-arm64-musl"] as const),
  ...(["bun-darwin-x64", "bun-darwin-arm64", "bun-windows-x64"] as const),
];

const flagValue = (flag: string): string | undefined => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
};

function readCommit(): string {
  const result = Bun.spawnSync(["git", "rev-parse", "--short=7", "HEAD"], { cwd: import.meta.dir });
  const isDirty = Bun.spawnSync(["git", "status", "--porcelain", "--untracked-files=no"], { cwd: import.meta.dir }).stdout.length > 0;
  return result.success ? `${result.stdout.toString().trim()}${isDirty ? "+" : ""}` : "unknown commit";
}

const build = `${manifest.version} (${readCommit()})`;

/** One executable; the bench compiles its empty program with the same flags. */
export async function compileProgram(
  entry: string,
  outfile: string,
  target?: Bun.Build.CompileTarget,
  threads: string[] = [],
): Promise<void> {
  const result = await Bun.build({
    entrypoints: [entry, ...threads],
    // autoload off: a .env or bunfig.toml of the folder one stands in must not reach the program.
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false, ...(target === undefined ? {} : { target }) },
    minify: true,
    bytecode: true,
    format: "esm",
    splitting: true,
    define: { CSM_BUILD: JSON.stringify(build), CSM_COMPLETIONS: JSON.stringify(parsePrograms(await loadCommands())) },
  });
  if (!result.success) throw new AggregateError(result.logs, "build failed");
}

async function compile(dir: string, target?: Bun.Build.CompileTarget): Promise<void> {
  const isWindows = target === undefined ? process.platform === "win32" : target.includes("windows");
  const suffix = isWindows ? ".exe" : "";
  const csm = join(dir, `csm${suffix}`);
  const csd = join(dir, `csd${suffix}`);
  mkdirSync(dir, { recursive: true });
  // A thread's file is only found in the program as an entry of its own.
  await compileProgram(join(import.meta.dir, "src/main.ts"), csm, target, [join(import.meta.dir, "src/threads.ts")]);
  rmSync(csd, { force: true });
  // One file, two names.
  if (isWindows) copyFileSync(csm, csd);
  else linkSync(csm, csd);
  console.log(`${csm}  ${(statSync(csm).size / 1e6).toFixed(1)} MB  ${build}`);
}

if (import.meta.main) {
  const out = flagValue("--out") ?? join(import.meta.dir, "dist");
  const target = flagValue("--target") as Bun.Build.CompileTarget | undefined;
  if (process.argv.includes("--all")) for (const each of targets) await compile(join(out, each.replace("bun-", "")), each);
  else await compile(out, target);
}
