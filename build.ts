/**
 * `bun run build.ts` makes dist/csm and dist/csd for this machine; `--all` makes every target into dist/<target>/; `--target
 * T` one of them; `--out DIR` another folder; `--version V` says that it is another version.
 */
import { copyFileSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import manifest from "./package.json" with { type: "json" };
import { type Platform, platforms, suffixOf } from "./scripts/platforms.ts";
import { parsePrograms } from "./src/cmd-completions.ts";
import { loadCommands } from "./src/commands.ts";

const flagValue = (flag: string): string | undefined => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
};

function readCommit(): string {
  const result = Bun.spawnSync(["git", "rev-parse", "--short=7", "HEAD"], { cwd: import.meta.dir });
  const isDirty = Bun.spawnSync(["git", "status", "--porcelain", "--untracked-files=no"], { cwd: import.meta.dir }).stdout.length > 0;
  return result.success ? `${result.stdout.toString().trim()}${isDirty ? "+" : ""}` : "unknown commit";
}

/** The platform that this machine is, as a release names it. */
const hostName = platforms.find(({ os, cpu }) => os === process.platform && cpu === process.arch)?.name ?? "unknown";

const build = `${flagValue("--version") ?? manifest.version} (${readCommit()})`;

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
    define: {
      CSM_BUILD: JSON.stringify(build),
      CSM_PLATFORM: JSON.stringify((target ?? `bun-${hostName}`).replace("bun-", "")),
      CSM_COMPLETIONS: JSON.stringify(parsePrograms(await loadCommands())),
    },
  });
  if (!result.success) throw new AggregateError(result.logs, "build failed");
}

async function compile(dir: string, target?: Bun.Build.CompileTarget): Promise<void> {
  const { os } = platforms.find(({ bun }) => bun === target) ?? { os: process.platform as Platform["os"] };
  const csm = join(dir, `csm${suffixOf({ os })}`);
  const csd = join(dir, `csd${suffixOf({ os })}`);
  mkdirSync(dir, { recursive: true });
  // A thread's file is only found in the program as an entry of its own.
  await compileProgram(join(import.meta.dir, "src/main.ts"), csm, target, [join(import.meta.dir, "src/threads.ts")]);
  rmSync(csd, { force: true });
  // One file, two names.
  if (os === "win32") copyFileSync(csm, csd);
  else linkSync(csm, csd);
  console.log(`${csm}  ${(statSync(csm).size / 1e6).toFixed(1)} MB  ${build}`);
}

if (import.meta.main) {
  const out = flagValue("--out") ?? join(import.meta.dir, "dist");
  const target = flagValue("--target") as Bun.Build.CompileTarget | undefined;
  if (process.argv.includes("--all")) for (const { name, bun } of platforms) await compile(join(out, name), bun);
  else await compile(out, target);
}
