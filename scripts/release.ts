/**
 * `bun run scripts/release.ts` makes a release: archives of every platform, packages, installers, man pages, SBOM and checksums.
 * `--targets linux-x64,…` only these; `--out DIR` (default: dist/release); `--version V`; `--url BASE` where releases are put,
 * which installers, formula and manifest name; `--formats tar.gz,tar.xz,zip,deb,npm` only these; `--binaries DIR` with programs that are
 * built already; `--level N` of gzip and zip. `CSM_SIGN_KEY` names a key of minisign (`minisign -G -W`), and `CSM_PUBLIC_KEY` is its
 * public half; without a key nothing is signed. The same commit gives the same bytes in any folder, where node_modules is a folder.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { completionShells } from "../src/completion-scripts.ts";
import { type Entry, gzip, tar, zip } from "./archive.ts";
import { renderManual } from "./manual.ts";
import { renderNotices, renderSbom } from "./materials.ts";
import {
  archiveName,
  npmPlatformName,
  renderControl,
  renderFormula,
  renderNpmPlatform,
  renderNpmWrapper,
  renderScoop,
} from "./packages.ts";
import { type Platform, platforms, product, suffixOf } from "./platforms.ts";

const root = join(import.meta.dir, "..");
const allFormats = ["tar.xz", "tar.gz", "zip", "deb", "npm"];

interface Options {
  targets: readonly Platform[];
  formats: readonly string[];
  out: string;
  version: string;
  url: string | undefined;
  binaries: string | undefined;
  level: number;
  /** Of the commit, in epoch seconds: the time of every file. */
  at: number;
  commit: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: Object.fromEntries(
      ["targets", "formats", "out", "version", "url", "binaries", "level"].map((name) => [name, { type: "string" as const }]),
    ),
  }) as { values: Record<string, string | undefined> };
  return {
    targets: choose(
      "platform",
      values.targets,
      platforms.map(({ name }) => name),
    ).flatMap((name) => platforms.find((row) => row.name === name) ?? []),
    formats: choose("format", values.formats, allFormats),
    out: resolve(values.out ?? join(root, "dist/release")),
    version: values.version ?? product.version,
    url: values.url?.replace(/\/+$/, ""),
    binaries: values.binaries === undefined ? undefined : resolve(values.binaries),
    level: Number(values.level ?? 9),
    at: Number(process.env.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct")),
    commit: git("rev-parse", "HEAD"),
  };
}

function choose(kind: string, typed: string | undefined, known: readonly string[]): readonly string[] {
  const words = typed?.split(",") ?? known;
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) fail(`unknown ${kind} "${unknown}"; known: ${known.join(", ")}`);
  return words;
}

/** Thrown, so that what was made meanwhile is removed. */
function fail(message: string): never {
  throw new Failure(message);
}

class Failure extends Error {}

const git = (...args: string[]): string => run(["git", ...args], root).trim();

function run(argv: string[], cwd: string, env: Record<string, string> = {}): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { cwd, env: { ...process.env, ...env } });
  if (exitCode !== 0) fail(`${argv.slice(0, 2).join(" ")} failed: ${stderr.toString().trim()}`);
  return stdout.toString();
}

/** What lies beside the program in every archive. */
async function readCompanions({ version, at }: Options): Promise<{ everywhere: Entry[]; unix: Entry[] }> {
  const text = (name: string, content: string): Entry => ({ name, content: Buffer.from(content) });
  const file = (name: string): Entry => ({ name, content: readFileSync(join(root, name)) });
  const day = new Date(at * 1000).toISOString().slice(0, 10);
  const completion = (name: string, shell: string) => text(`completions/${name}`, completionShells[shell] ?? "");
  return {
    everywhere: [file("LICENSE"), file("README.md"), text("THIRD-PARTY.txt", renderNotices()), completion("csm.ps1", "pwsh")],
    unix: [
      ...[completion("csm.bash", "bash"), completion("_csm", "zsh"), completion("csm.fish", "fish")],
      text("man/csm.1", await renderManual("csm", version, day)),
      text("man/csd.1", await renderManual("csd", version, day)),
    ],
  };
}

/** Built where nobody has: the path of the program. */
function findProgram(options: Options, platform: Platform, buildDir: string): string {
  const file = `csm${suffixOf(platform)}`;
  const { binaries, version } = options;
  if (binaries !== undefined) {
    const found = [join(binaries, platform.name, file), join(binaries, file)].find((path) => existsSync(path));
    return found ?? fail(`no ${file} for ${platform.name} in ${binaries}`);
  }
  const dir = join(buildDir, platform.name);
  run([process.execPath, "run", "build.ts", "--target", platform.bun, "--out", dir, "--version", version], root);
  return join(dir, file);
}

type Companions = Awaited<ReturnType<typeof readCompanions>>;

function writeArchives(options: Options, platform: Platform, program: Uint8Array, companions: Companions): string[] {
  const { version, out, at, level } = options;
  const suffix = suffixOf(platform);
  const isWindows = platform.os === "win32";
  const top = archiveName(version, platform, "").replace(/\.$/, "");
  const inside: Entry[] = [
    { name: `csm${suffix}`, isProgram: true, content: program },
    { name: `csd${suffix}`, isProgram: true, linkTo: `csm${suffix}` },
    ...companions.everywhere,
    ...(isWindows ? [] : companions.unix),
  ];
  const entries = inside.map((entry) => ({
    ...entry,
    name: `${top}/${entry.name}`,
    ...(isWindows && "linkTo" in entry ? { linkTo: `${top}/${entry.linkTo}` } : {}),
  }));
  const wanted = options.formats.filter((format) => (isWindows ? format === "zip" : format.startsWith("tar.")));
  const whole = wanted.length === 0 || isWindows ? undefined : tar(entries, at);
  return wanted.map((format) => {
    const name = archiveName(version, platform, format);
    const path = join(out, name);
    if (format === "zip") writeFileSync(path, zip(entries, at, level));
    else if (format === "tar.gz") writeFileSync(path, gzip(whole ?? new Uint8Array(), level));
    else {
      writeFileSync(path.replace(/\.xz$/, ""), whole ?? new Uint8Array());
      // Always in blocks, whatever the machine has of processors: the same bytes anywhere.
      run(["xz", "-6", "-T2", "-f", path.replace(/\.xz$/, "")], out);
    }
    return name;
  });
}

/** Nothing of it is changed: dpkg-deb strips nothing, and who builds with debhelper must not either. */
function writeDebian(options: Options, platform: Platform, program: string, companions: Companions): string[] {
  if (platform.debian === undefined || !options.formats.includes("deb")) return [];
  if (Bun.which("dpkg-deb") === null) {
    console.log("no dpkg-deb here: no Debian package");
    return [];
  }
  const dir = mkdtempSync(join(tmpdir(), "csm-deb-"));
  const put = (path: string, content: Uint8Array | string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
    chmodSync(join(dir, path), 0o644);
  };
  const link = (target: string, path: string) => symlinkSync(target, join(dir, path));
  try {
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, "usr/bin"), { recursive: true });
    copyFileSync(program, join(dir, "usr/bin/csm"));
    chmodSync(join(dir, "usr/bin/csm"), 0o755);
    link("csm", "usr/bin/csd");
    const contentOf = (name: string): Uint8Array => {
      const entry = [...companions.everywhere, ...companions.unix].find((each) => each.name === name);
      return entry !== undefined && "content" in entry ? entry.content : new Uint8Array();
    };
    for (const name of ["csm.1", "csd.1"]) put(`usr/share/man/man1/${name}.gz`, gzip(contentOf(`man/${name}`)));
    put("usr/share/bash-completion/completions/csm", contentOf("completions/csm.bash"));
    link("csm", "usr/share/bash-completion/completions/csd");
    put("usr/share/zsh/vendor-completions/_csm", contentOf("completions/_csm"));
    put("usr/share/fish/vendor_completions.d/csm.fish", contentOf("completions/csm.fish"));
    link("csm.fish", "usr/share/fish/vendor_completions.d/csd.fish");
    put("usr/share/doc/csm/copyright", Buffer.concat([contentOf("LICENSE"), Buffer.from("\n\n"), contentOf("THIRD-PARTY.txt")]));
    const kilobytes = Math.ceil(Bun.file(program).size / 1024) + 200;
    put("DEBIAN/control", renderControl(options.version, platform, kilobytes));
    put("DEBIAN/md5sums", listSums(dir));
    const name = `${product.name}_${options.version}_${platform.debian}.deb`;
    const pack = options.level < 9 ? ["-Zgzip", `-z${options.level}`] : ["-Zxz", "-z6", "--threads-max=2"];
    run(["dpkg-deb", "--root-owner-group", ...pack, "--build", dir, join(options.out, name)], root, {
      SOURCE_DATE_EPOCH: String(options.at),
    });
    return [name];
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** For `dpkg --verify`. */
const listSums = (dir: string): string =>
  [...new Bun.Glob("usr/**/*").scanSync({ cwd: dir, followSymlinks: false, onlyFiles: true })]
    .sort()
    .map((path) => `${new Bun.CryptoHasher("md5").update(readFileSync(join(dir, path))).digest("hex")}  ${path}\n`)
    .join("");

function writeNpm(options: Options, name: string, entries: Entry[]): string {
  const file = `${name}-${options.version}.tgz`;
  const inside = entries.map((entry) => ({ ...entry, name: `package/${entry.name}` }));
  writeFileSync(join(options.out, file), gzip(tar(inside, options.at), options.level));
  return file;
}

function writeNpmPlatform(options: Options, platform: Platform, program: Uint8Array, { everywhere }: Companions): string[] {
  if (!options.formats.includes("npm")) return [];
  const notices = everywhere.filter(({ name }) => name === "LICENSE" || name === "THIRD-PARTY.txt");
  const manifest: Entry = { name: "package.json", content: Buffer.from(renderNpmPlatform(options.version, platform)) };
  return [
    writeNpm(options, npmPlatformName(platform), [
      manifest,
      ...notices,
      { name: `csm${suffixOf(platform)}`, isProgram: true, content: program },
    ]),
  ];
}

function writeNpmWrapper(options: Options): string[] {
  if (!options.formats.includes("npm")) return [];
  const files = Object.entries(renderNpmWrapper(options.version, options.targets));
  const entries = files.map(([name, content]): Entry => ({ name, content: Buffer.from(content), isProgram: /^cs[md]\.js$/.test(name) }));
  return [writeNpm(options, product.npmName, entries)];
}

/** The installers know where they come from, and who signs it. */
function writeInstallers({ out, url = "" }: Options): string[] {
  return ["install.sh", "install.ps1"].map((name) => {
    const text = readFileSync(join(root, "scripts", name), "utf8");
    const filled = text.replace('BASE=""', `BASE="${url}"`).replace('PUBLIC_KEY=""', `PUBLIC_KEY="${process.env.CSM_PUBLIC_KEY ?? ""}"`);
    writeFileSync(join(out, name), filled);
    if (name.endsWith(".sh")) chmodSync(join(out, name), 0o755);
    return name;
  });
}

const sumOf = (path: string): string => new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");

/** minisign's own words when it fails; the key stays where it is. */
function sign({ out, version }: Options): string {
  const key = process.env.CSM_SIGN_KEY;
  if (key === undefined || key === "") return "not signed: CSM_SIGN_KEY names no key";
  run(["minisign", "-S", "-s", key, "-m", "SHA256SUMS", "-x", "SHA256SUMS.minisig", "-t", `csm ${version}`], out);
  return "signed: SHA256SUMS.minisig";
}

async function release(options: Options): Promise<void> {
  const { out, version, url } = options;
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const buildDir = mkdtempSync(join(tmpdir(), "csm-release-"));
  const companions = await readCompanions(options);
  const files: string[] = [];
  try {
    for (const platform of options.targets) {
      const path = findProgram(options, platform, buildDir);
      const program = readFileSync(path);
      const made = [
        ...writeArchives(options, platform, program, companions),
        ...writeDebian(options, platform, path, companions),
        ...writeNpmPlatform(options, platform, program, companions),
      ];
      console.log(
        `${platform.name.padEnd(18)} ${made.map((name) => `${name} ${(Bun.file(join(out, name)).size / 1e6).toFixed(1)} MB`).join(", ")}`,
      );
      files.push(...made);
    }
  } finally {
    rmSync(buildDir, { recursive: true });
  }
  files.push(...writeNpmWrapper(options), ...writeInstallers(options), `csm-${version}.cdx.json`);
  writeFileSync(join(out, `csm-${version}.cdx.json`), renderSbom(version, options.commit, options.at * 1000));
  const sums = new Map(files.map((name) => [name, sumOf(join(out, name))]));
  if (url === undefined) console.log("no --url: no formula and no manifest, which name addresses");
  else
    for (const [name, text] of [
      ["csm.rb", renderFormula({ version, url, sums })],
      ["csm.json", renderScoop({ version, url, sums })],
    ] as const) {
      writeFileSync(join(out, name), text);
      sums.set(name, sumOf(join(out, name)));
    }
  writeFileSync(
    join(out, "SHA256SUMS"),
    [...sums]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, sum]) => `${sum}  ${name}\n`)
      .join(""),
  );
  console.log(sign(options));
  console.log(`${readdirSync(out).length} files in ${out}`);
}

try {
  await release(readOptions());
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`release: ${error.message}\n`);
  process.exitCode = 2;
}
