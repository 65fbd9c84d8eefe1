/** A release as scripts/release.ts makes it, of the program that is built: each package of it is installed and taken out again. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { renderManual } from "../../scripts/manual.ts";
import { listMaterials } from "../../scripts/materials.ts";
import { renderFormula, renderNpmWrapper, renderScoop } from "../../scripts/packages.ts";
import { platforms, product } from "../../scripts/platforms.ts";
import { platform } from "./fake-release.ts";
import { csmPath, root } from "./harness.ts";

setDefaultTimeout(180_000);

const dir = mkdtempSync(join(tmpdir(), "csm-release-test-"));
const out = join(dir, "release");
const { version } = product;
const isLinux = process.platform === "linux";
const has = (name: string) => Bun.which(name) !== null;
/** In the name of a test that cannot run here. */
const unless = (isThere: boolean, reason: string) => (isThere ? "" : ` (${reason})`);

beforeAll(() => {
  const formats = ["--formats", isLinux ? "tar.gz,deb,npm" : "tar.gz,npm", "--level", "1"];
  run(
    [
      process.execPath,
      "scripts/release.ts",
      "--binaries",
      "dist",
      "--targets",
      platform,
      "--out",
      out,
      "--url",
      "https://host/csm/releases",
      ...formats,
    ],
    {
      cwd: root,
    },
  );
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Run {
  cwd?: string;
  env?: Record<string, string>;
  code?: number;
}

/** What it prints; anything but the wanted exit code is an error that says everything. */
function run(argv: string[], { cwd = dir, env = {}, code = 0 }: Run = {}): string {
  const result = Bun.spawnSync(argv, { cwd, env: { PATH: process.env.PATH ?? "", HOME: join(dir, "home"), ...env }, stdin: "ignore" });
  const text = result.stdout.toString() + result.stderr.toString();
  if (result.exitCode !== code) throw new Error(`${argv.join(" ")}: ${result.exitCode}\n${text}`);
  return text;
}

const said = `csm ${version} (`;

test("the checksums are right, and name every other file", () => {
  const listed = readFileSync(join(out, "SHA256SUMS"), "utf8").trimEnd().split("\n");
  for (const line of listed) {
    const [sum, name = ""] = line.split("  ");
    expect([name, new Bun.CryptoHasher("sha256").update(readFileSync(join(out, name))).digest("hex")]).toEqual([name, sum as never]);
  }
  expect(listed.map((line) => line.split("  ")[1] as never)).toEqual(
    readdirSync(out)
      .filter((name) => name !== "SHA256SUMS")
      .sort() as never,
  );
});

test("a stranger's path: installed from the folder, set up, first screen, in an empty HOME and with nobody who answers", () => {
  const home = join(dir, "stranger");
  mkdirSync(home);
  const bin = join(home, ".local/bin");
  // Nothing of ours on PATH, and no variable but these.
  const bare = ["env", "-i", `HOME=${home}`, `PATH=${bin}:/usr/bin:/bin`, "SHELL=/bin/bash", "LC_ALL=C.UTF-8"];
  const startedAt = performance.now();
  expect(run([...bare, "sh", join(out, "install.sh"), "--dir", bin])).toStartWith(`${said}`);
  expect(run([...bare, "csm", "setup", "--yes"])).toContain("csm: look around with csm top; csm setup --undo takes it all out again");
  expect(run([...bare, "csm", "ls"])).toBe("no live sessions\n");
  expect(run([...bare, "csm", "top", "--once"])).toContain("no session of Claude Code is running");
  expect(run([...bare, "csm", "demo", "--simulated"])).toContain("NEEDS YOU");
  console.log(`a stranger's path: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  const made = [".claude/settings.json", ".config/claude-smart/rules.toml", ".bashrc", ".local/share/bash-completion/completions/csm"];
  expect(made.filter((path) => !existsSync(join(home, path)))).toEqual([]);
  expect(run([...bare, "bash", "-ic", "type -t cas"])).toContain("function\n");
  run([...bare, "csm", "setup", "--undo", "--yes"]);
  expect(made.filter((path) => existsSync(join(home, path)) && readFileSync(join(home, path), "utf8").includes("csm"))).toEqual([]);
});

test.each(["csm", "csd"] as const)("the man page of %s is roff without a fault", async (program) => {
  const page = join(dir, `${program}.1`);
  writeFileSync(page, await renderManual(program, version, "2026-11-28"));
  if (has("mandoc")) expect(run(["mandoc", "-T", "lint", "-W", "warning", page])).toBe("");
  if (has("groff")) expect(run(["groff", "-man", "-ww", "-z", "-Tutf8", page])).toBe("");
  const text = readFileSync(page, "utf8");
  expect([...text].filter((sign) => sign > "~")).toEqual([]);
  for (const section of ["NAME", "SYNOPSIS", '"EXIT STATUS"', "ENVIRONMENT"]) expect(text).toContain(`.SH ${section.replaceAll('"', "")}`);
});

test("the SBOM names every package that the bundler takes in, with its licence and its text", async () => {
  const bundle = await Bun.build({
    entrypoints: [join(root, "src/main.ts"), join(root, "src/threads.ts")],
    target: "bun",
    format: "esm",
    splitting: true,
    metafile: true,
  });
  const inputs = Object.keys((bundle as unknown as { metafile: { inputs: Record<string, unknown> } }).metafile.inputs);
  const packages = new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(path)?.[1] ?? []));
  const materials = listMaterials();
  expect([...packages, "bun"].toSorted()).toEqual(materials.map(({ name }) => name));
  expect(materials.filter(({ licence, text }) => licence === "" || text === "")).toEqual([]);
  const bom = JSON.parse(readFileSync(join(out, `csm-${version}.cdx.json`), "utf8"));
  expect([bom.bomFormat, bom.components.map(({ name }: { name: string }) => name)]).toEqual([
    "CycloneDX",
    materials.map(({ name }) => name),
  ]);
});

const hasDpkg = isLinux && has("dpkg-deb") && process.getuid?.() === 0;

test.skipIf(!hasDpkg)(`the Debian package is installed and taken out again${unless(hasDpkg, "dpkg, as root, is not here")}`, () => {
  const place = join(dir, "debian");
  for (const path of ["var/lib/dpkg/updates", "var/lib/dpkg/info", "var/log"]) mkdirSync(join(place, path), { recursive: true });
  writeFileSync(join(place, "var/lib/dpkg/status"), "");
  const dpkg = ["dpkg", `--root=${place}`, "--force-depends"];
  const deb = readdirSync(out).find((name) => name.endsWith(".deb")) ?? "";
  expect(run(["dpkg-deb", "--info", join(out, deb)])).toContain(`Version: ${version}\n`);
  run([...dpkg, "-i", join(out, deb)]);
  expect(run([join(place, "usr/bin/csd"), "--version"])).toStartWith(`csd ${version} (`);
  expect(run([...dpkg, "--verify", "csm"])).toBe("");
  // Not stripped: that would take the program out of the file.
  expect(statSync(join(place, "usr/bin/csm")).size).toBe(statSync(csmPath).size);
  expect(run([...dpkg, "-S", "/usr/share/man/man1/csm.1.gz"])).toContain("csm:");
  run([...dpkg, "--purge", "csm"]);
  expect([...new Bun.Glob("{usr,etc,opt}/**/*").scanSync({ cwd: place, dot: true })]).toEqual([]);
  expect(run(["dpkg", "-s", "csm"], { code: 1 })).toContain("is not installed");
});

/** A registry with what the release has and nothing else, on the loopback. */
function serveRegistry(): ReturnType<typeof Bun.serve> {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
      if (name.endsWith(".tgz")) return new Response(Bun.file(join(out, name)));
      const tgz = `${name}-${version}.tgz`;
      if (!existsSync(join(out, tgz))) return Response.json({ error: "not found" }, { status: 404 });
      const packed = run(["tar", "-xzOf", join(out, tgz), "package/package.json"]);
      const integrity = `sha512-${new Bun.CryptoHasher("sha512").update(readFileSync(join(out, tgz))).digest("base64")}`;
      const one = { ...JSON.parse(packed), dist: { tarball: `${server.url}${tgz}`, integrity } };
      return Response.json({ name, "dist-tags": { latest: version }, versions: { [version]: one } });
    },
  });
}

test.skipIf(!has("npm"))(
  `npm brings the program of this platform, and both commands run${unless(has("npm"), "npm is not here")}`,
  async () => {
    const registry = serveRegistry();
    const app = join(dir, "app");
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), "{}");
    const env = {
      HOME: join(dir, "home"),
      PATH: process.env.PATH ?? "",
      npm_config_registry: String(registry.url),
      npm_config_cache: join(dir, "npm-cache"),
    };
    const npm = async (...args: string[]) => {
      const child = Bun.spawn(args, { cwd: app, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const [code, text, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
      return { code, text: text + (code === 0 ? "" : err) };
    };
    expect(await npm("npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", product.npmName)).toEqual({
      code: 0,
      text: expect.anything(),
    });
    expect(readdirSync(join(app, "node_modules")).filter((name) => name.startsWith("csm"))).toEqual([
      product.npmName,
      `${product.npmName}-${platform}`,
    ]);
    expect((await npm("npx", "--no-install", "csm", "--version")).text).toStartWith(said);
    expect((await npm("npx", "--no-install", "csd", "--version")).text).toStartWith(`csd ${version} (`);
    expect((await npm(join(app, "node_modules/.bin/csd"), "nope")).code).toBe(2);
    const update = await npm(join(app, "node_modules/.bin/csm"), "self-update", "--from", out);
    // There is nothing newer, so nobody is refused; where there is, self-update.test.ts has it.
    expect(update.code).toBe(0);
    rmSync(join(app, "node_modules", `${product.npmName}-${platform}`), { recursive: true });
    expect((await npm(join(app, "node_modules/.bin/csm"), "--version")).text).toMatch(
      /^csm: there is no csm for \w+ on \w+ here; install csm-csd-/,
    );
    registry.stop(true);
  },
);

test("npm's wrapper names every platform once, and each is installable", () => {
  const files = renderNpmWrapper(version, platforms);
  const { optionalDependencies } = JSON.parse(files["package.json"] ?? "");
  expect(Object.keys(optionalDependencies)).toEqual(platforms.map(({ name }) => `${product.npmName}-${name}`));
  for (const { name } of platforms) expect(files["start.js"]).toContain(`"${product.npmName}-${name}"`);
});

/** As if each platform had been built. */
const release = {
  version: "1.2.3",
  url: "https://host/csm/releases",
  sums: new Map(
    platforms.flatMap(({ name }, index) =>
      ["tar.xz", "zip"].map((format) => [`csm-1.2.3-${name}.${format}`, String(index).repeat(64)] as const),
    ),
  ),
};

test("the formula has an address and a checksum for each platform of Homebrew", () => {
  const formula = renderFormula(release);
  const rows = [...formula.matchAll(/url "(.*)"\n +sha256 "(\d)/g)].map(([, url, digit]) => [url, digit]);
  const at = (name: string) => `https://host/csm/releases/download/v1.2.3/csm-1.2.3-${name}.tar.xz`;
  expect(rows).toEqual([
    [at("darwin-arm64"), "5"],
    [at("darwin-x64"), "4"],
    [at("linux-arm64"), "1"],
    [at("linux-x64"), "0"],
  ]);
  writeFileSync(join(dir, "csm.rb"), formula);
  if (has("ruby")) expect(run(["ruby", "-c", join(dir, "csm.rb")])).toContain("Syntax OK");
  expect(formula.match(/\bdo$/gm)?.length).toBe((formula.match(/^ +end$/gm)?.length ?? 0) - 1);
});

test("the manifest of Scoop has an address and a checksum for each Windows", () => {
  const { architecture } = JSON.parse(renderScoop(release));
  const at = (name: string) => `https://host/csm/releases/download/v1.2.3/csm-1.2.3-${name}.zip`;
  expect(architecture).toEqual({
    "64bit": { url: at("windows-x64"), hash: "6".repeat(64), extract_dir: "csm-1.2.3-windows-x64" },
    arm64: { url: at("windows-arm64"), hash: "7".repeat(64), extract_dir: "csm-1.2.3-windows-arm64" },
  });
});

test.skipIf(!has("minisign"))(`a key signs the checksums${unless(has("minisign"), "minisign is not here")}`, () => {
  run(["minisign", "-G", "-W", "-p", "k.pub", "-s", "k.key"]);
  const signed = join(dir, "signed");
  const argv = [
    process.execPath,
    "scripts/release.ts",
    "--binaries",
    "dist",
    "--targets",
    platform,
    "--formats",
    "deb",
    "--level",
    "1",
    "--out",
    signed,
  ];
  const env = { CSM_SIGN_KEY: join(dir, "k.key"), CSM_PUBLIC_KEY: readFileSync(join(dir, "k.pub"), "utf8").trimEnd().split("\n")[1] ?? "" };
  expect(run(argv, { cwd: root, env })).toContain("signed: SHA256SUMS.minisig");
  run(["minisign", "-Vm", join(signed, "SHA256SUMS"), "-p", "k.pub"]);
  expect(readFileSync(join(signed, "install.sh"), "utf8")).toContain(`PUBLIC_KEY="${env.CSM_PUBLIC_KEY}"`);
});

test.each([
  [["--targets", "plan9-x64"], /^release: unknown platform "plan9-x64"; known: linux-x64/],
  [["--formats", "rar"], /^release: unknown format "rar"; known: tar\.xz/],
  [["--binaries", "test", "--targets", "linux-x64"], /^release: no csm for linux-x64 in /],
])("release %p is wrong usage", (args, says) => {
  expect(run([process.execPath, "scripts/release.ts", "--out", join(dir, "none"), ...args], { cwd: root, code: 2 })).toMatch(says);
});

const mayChroot =
  isLinux && process.getuid?.() === 0 && has("unshare") && has("ldd") && Bun.spawnSync(["unshare", "-m", "true"]).exitCode === 0;

/** A root with the libraries that the program asks for, and nothing else: no shell, no Node, no git, no HOME to speak of. */
function makeBareRoot(): (args: string[], code?: number) => string {
  const place = join(dir, "bare");
  for (const [path] of run(["ldd", csmPath]).matchAll(/\/\S+/g)) {
    mkdirSync(join(place, dirname(path)), { recursive: true });
    copyFileSync(path, join(place, path));
  }
  for (const path of ["proc", "dev", "tmp", "root"]) mkdirSync(join(place, path), { recursive: true });
  for (const device of ["null", "zero", "urandom"]) writeFileSync(join(place, "dev", device), "");
  copyFileSync(csmPath, join(place, "csm"));
  symlinkSync("csm", join(place, "csd"));
  // In a namespace of its own, so that nothing stays mounted here. Bun finds its own program through /proc.
  const enter = `mount -t proc proc "$0/proc" && for d in null zero urandom; do mount --bind /dev/$d "$0/dev/$d"; done; exec chroot "$0" "$@"`;
  return (args, code = 0) => run(["unshare", "-m", "sh", "-c", enter, place, ...args], { code, env: { HOME: "/root", LC_ALL: "C.UTF-8" } });
}

test.skipIf(!mayChroot)(`in a bare root one file does${unless(mayChroot, "not root, or no unshare and ldd")}`, () => {
  const bare = makeBareRoot();
  expect(bare(["/csm", "--version"])).toStartWith(said);
  expect(bare(["/csm", "ls"])).toBe("no live sessions\n");
  expect(bare(["/csm", "usage"])).toContain("no profiles configured");
  expect(bare(["/csm", "cost"])).toBe("nothing was used\n");
  expect(bare(["/csd", "ps"])).toContain("no tracked sessions");
  expect(bare(["/csm", "demo", "--simulated"])).toContain("NEEDS YOU");
  const spawn = JSON.parse(bare(["/csd", "spawn"], 127));
  expect(spawn.error).toStartWith("claude not found: looked in ");
  expect(spawn.hint).toMatch(
    /^install it with: npm install -g @anthropic-ai\/claude-code; and tmux, which is not there either: install it with: /,
  );
});

test("each platform has a name of its own", () => expect(new Set(platforms.map(({ bun }) => basename(bun))).size).toBe(platforms.length));
