/**
 * `bun run build.ts` makes dist/csm and dist/csd for this machine; `--all` makes every target into dist/<target>/; `--target
 * T` one of them; `--out DIR` another folder; `--version V` says that it is another version; `--sizes` tells what
 * takes the room in it, and how much that is beside an empty program.
 */
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
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

/** How much larger an executable may be than that of an empty program. */
export const maxAddedBytes = 5e6;

/**
 * What prompts of shells, claude's hooks and scripts start again and again. These files and all that they import get bytecode: it halves
 * their start and takes four times the room of their text. All others are parsed when they are used, 10 to 20 KB in 1 ms.
 */
export const hotFiles = [
  ...["app", "errors", "commands", "cmd-record", "run-options", "store", "occasions", "process-table"],
  ...["statusline", "statusline-record", "printable", "sys-bounded", "cas"],
  ...["claude-hooks", "limit-hook", "hook-run", "editor-run", "thread-calls", "reply"],
  ...["rules-hook", "rules-decide", "judge", "audit"],
  ...["cmd-ls", "cmd-csd-state", "cmd-csd-ps", "cmd-csd-answer", "cmd-csd-send", "cmd-csd-wait"],
].map((name) => `src/${name}.ts`);

/** What is loaded at once: a file, or those that always go together. */
interface Piece {
  name: string;
  isHot: boolean;
  /** Of each file that it holds, by its path. */
  bytes: Record<string, number>;
}

/** Where a program finds what is embedded in it. */
const embeddedDir = (target = `bun-${hostName}`): string => (target.includes("-windows-") ? "B:/~BUN/root/" : "/$bunfs/root/");

/** The programs in pieces, each a file of text in `dir`, which import each other by where they will be embedded. */
async function bundle(entries: string[], dir: string, target?: Bun.Build.CompileTarget): Promise<Piece[]> {
  const { metafile } = await run({
    entrypoints: entries,
    outdir: dir,
    target: "bun",
    publicPath: embeddedDir(target),
    // What they are called stands in each import.
    naming: { chunk: "[hash].[ext]" },
    metafile: true,
    define: {
      CSM_BUILD: JSON.stringify(build),
      CSM_PLATFORM: JSON.stringify((target ?? `bun-${hostName}`).replace("bun-", "")),
      CSM_COMPLETIONS: JSON.stringify(
        Bun.zstdCompressSync(JSON.stringify(parsePrograms(await loadCommands())), { level: 19 }).toString("base64"),
      ),
    },
  });
  const pieces = Object.entries(metafile?.outputs ?? {}).map(([path, { inputs, imports, entryPoint = "" }]) => ({
    name: basename(path),
    files: [...Object.keys(inputs), entryPoint],
    imports: imports.filter(({ kind }) => kind === "import-statement").map((each) => basename(each.path)),
    bytes: Object.fromEntries(Object.entries(inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput])),
  }));
  const hot = new Set<string>();
  const heat = (name: string): void => {
    if (hot.has(name)) return;
    hot.add(name);
    pieces.find((piece) => piece.name === name)?.imports.forEach(heat);
  };
  const isHot = (file: string) => hotFiles.some((path) => file === path || file.endsWith(`/${path}`));
  for (const { name, files } of pieces) if (entryNames(entries).includes(name) || files.some(isHot)) heat(name);
  // One that holds nothing itself passes on what others do.
  return pieces.map(({ name, bytes, imports }) => ({
    ...{ name, bytes },
    isHot: hot.has(name) || (Object.keys(bytes).length === 0 && imports.every((other) => hot.has(other))),
  }));
}

const entryNames = (entries: string[]): string[] => entries.map((path) => basename(path).replace(/ts$/, "js"));

async function run(config: Bun.BuildConfig): Promise<Bun.BuildOutput> {
  const result = await Bun.build({ minify: true, format: "esm", splitting: true, ...config });
  if (!result.success) throw new AggregateError(result.logs, "build failed");
  return result;
}

/** Pieces stay as they are, each a file of its own in the program. */
const keepApart: Bun.BunPlugin = {
  name: "keep pieces apart",
  setup(build) {
    build.onResolve({ filter: /^(?:B:\/~BUN|\/\$bunfs)\/root\// }, ({ path }) => ({ path, external: true }));
  },
};

/** One executable; an empty program to compare it with is compiled just so. */
export async function compileProgram(
  entry: string,
  outfile: string,
  target?: Bun.Build.CompileTarget,
  threads: string[] = [],
): Promise<Piece[]> {
  const dir = mkdtempSync(join(tmpdir(), "csm-build-"));
  try {
    const entries = [entry, ...threads];
    const pieces = await bundle(entries, dir, target);
    const pathsOf = (names: string[]): string[] => names.map((name) => join(dir, name));
    const first = entryNames(entries);
    const hot = pieces.filter(({ name, isHot }) => isHot && !first.includes(name)).map(({ name }) => name);
    await run({
      entrypoints: pathsOf([...first, ...hot.sort()]),
      root: dir,
      bytecode: true,
      // Deeper functions are compiled as they first run: up to 1 ms of csd state's 16, for a quarter of a megabyte.
      bytecodeDepth: 2,
      plugins: [keepApart],
      compile: {
        outfile,
        // autoload off: a .env or bunfig.toml of the folder one stands in must not reach the program.
        autoloadDotenv: false,
        autoloadBunfig: false,
        assets: pathsOf(
          pieces
            .filter(({ isHot }) => !isHot)
            .map(({ name }) => name)
            .sort(),
        ),
        ...(target === undefined ? {} : { target }),
      },
    });
    return pieces;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function compile(dir: string, target?: Bun.Build.CompileTarget) {
  const { os } = platforms.find(({ bun }) => bun === target) ?? { os: process.platform as Platform["os"] };
  const csm = join(dir, `csm${suffixOf({ os })}`);
  const csd = join(dir, `csd${suffixOf({ os })}`);
  mkdirSync(dir, { recursive: true });
  // A thread's file is only found in the program as an entry of its own.
  const pieces = await compileProgram(join(import.meta.dir, "src/main.ts"), csm, target, [join(import.meta.dir, "src/threads.ts")]);
  rmSync(csd, { force: true });
  // One file, two names.
  if (os === "win32") copyFileSync(csm, csd);
  else linkSync(csm, csd);
  console.log(`${csm}  ${(statSync(csm).size / 1e6).toFixed(1)} MB  ${build}`);
  return { csm, pieces };
}

/** What each file and package takes as text, the largest last, and what there is in all. */
function renderSizes(pieces: Piece[], addedBytes: number): string {
  const rows = new Map<string, number>();
  for (const { bytes, isHot } of pieces)
    for (const [path, size] of Object.entries(bytes)) {
      const row = `${isHot ? "bytecode" : "        "}  ${/.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path}`;
      rows.set(row, (rows.get(row) ?? 0) + size);
    }
  const kilobytes = (size: number): string => `${(size / 1000).toFixed(1).padStart(7)} KB`;
  return [
    ...[...rows].sort(([, a], [, b]) => a - b).map(([row, size]) => `${kilobytes(size)}  ${row}`),
    `${kilobytes(addedBytes)}  more than an empty program; ${kilobytes(maxAddedBytes).trim()} may be`,
  ].join("\n");
}

/** What an executable has more than that of an empty program. */
export async function measureAdded(csm: string, target?: Bun.Build.CompileTarget): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "csm-empty-"));
  try {
    const [source, empty] = [join(dir, "empty.ts"), join(dir, basename(csm))];
    writeFileSync(source, "");
    await compileProgram(source, empty, target);
    return statSync(csm).size - statSync(empty).size;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

if (import.meta.main) {
  const out = flagValue("--out") ?? join(import.meta.dir, "dist");
  const target = flagValue("--target") as Bun.Build.CompileTarget | undefined;
  const tellsSizes = process.argv.includes("--sizes");
  const isAll = process.argv.includes("--all");
  for (const row of isAll ? platforms : [{ name: "", bun: target }]) {
    const { csm, pieces } = await compile(join(out, row.name), row.bun);
    if (tellsSizes) console.log(renderSizes(isAll ? [] : pieces, await measureAdded(csm, row.bun)));
  }
}
