#!/usr/bin/env node
// What `npm start` and `npm test` run: plain Node, because nothing is installed yet. Installs what the lock file names,
// finds Bun in node_modules, builds, and goes on. Works the same when Bun runs it in place of Node.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isWindows = process.platform === "win32";
const has = (name) => findProgram(name) !== undefined;

function findProgram(name) {
  const files = isWindows ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const dir of (process.env.PATH ?? "").split(delimiter))
    for (const file of files) if (dir !== "" && existsSync(join(dir, file))) return join(dir, file);
  return undefined;
}

function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: "inherit", shell: isWindows && program.endsWith(".cmd"), ...options });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Runs when node_modules is missing, or older than the lock file. */
function install() {
  const stamp = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  const bunStamp = join(root, "node_modules", ".bun-installed");
  const installed = [stamp, bunStamp].find((path) => existsSync(path));
  if (installed !== undefined && statSync(installed).mtimeMs >= statSync(lock).mtimeMs && findBun() !== undefined) return;
  process.stderr.write("installing the packages of package-lock.json …\n");
  const npm = findProgram("npm");
  const bun = findProgram("bun");
  let code;
  if (npm !== undefined) code = run(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  else if (bun !== undefined) code = run(bun, ["install", "--no-save", "--silent"]);
  else fail("neither npm nor bun is on PATH; install Node.js 20 or newer, or Bun");
  if (code !== 0) fail(`the installation failed with code ${code}`);
  if (findBun() === undefined) fail("the installation brought no Bun that runs here; its package for this platform is missing");
}

/** Where npm runs install scripts, Bun's own one has moved the binary; where it does not, it lies in the platform's package. */
function findBun() {
  const scope = join(root, "node_modules", "@oven");
  const packages = existsSync(scope) ? readdirSync(scope).sort() : [];
  const paths = [
    join(root, "node_modules", "bun", "bin", "bun.exe"),
    ...packages.map((name) => join(scope, name, "bin", isWindows ? "bun.exe" : "bun")),
  ];
  return paths.find((path) => existsSync(path) && spawnSync(path, ["--version"]).status === 0);
}

function requireTmux() {
  if (has("tmux")) return;
  const commands = {
    apt: "sudo apt-get install tmux",
    dnf: "sudo dnf install tmux",
    pacman: "sudo pacman -S tmux",
    apk: "sudo apk add tmux",
    brew: "brew install tmux",
  };
  const manager = Object.keys(commands).find((name) => has(name === "apt" ? "apt-get" : name));
  fail(`tmux is missing; install it with: ${manager === undefined ? "your system's package manager" : commands[manager]}`);
}

const steps = {
  start() {
    requireTmux();
    install();
    build();
    const claude = spawnSync(findBun(), ["scripts/claude.ts"], { cwd: root, encoding: "utf8" }).stdout.trim();
    const env = { CLAUDE_SMART_CLAUDE_BIN: claude, ...process.env };
    process.exit(run(program("csm"), ["demo"], { env }));
  },
  /** A shell in the sandbox of the tests, to play in. */
  sandbox() {
    requireTmux();
    install();
    build();
    process.exit(run(findBun(), ["run", "scripts/sandbox.ts", ...process.argv.slice(3)]));
  },
  bench() {
    install();
    build();
    process.exit(run(findBun(), ["run", "scripts/bench.ts", ...process.argv.slice(3)]));
  },
  build() {
    install();
    build();
  },
  /** Types, lint, build, then every test; closes with one line that counts. */
  test() {
    requireTmux();
    install();
    const bun = findBun();
    const checks = [
      ["types", () => run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", "."])],
      [
        "lint",
        () => run(process.execPath, [join("node_modules", "@biomejs", "biome", "bin", "biome"), "check", "--error-on-warnings", "."]),
      ],
      ["build", () => run(bun, ["run", "build.ts"])],
    ];
    let passed = 0;
    let failed = 0;
    rmSync(join(root, "dist"), { recursive: true, force: true });
    for (const [name, check] of checks) {
      if (check() === 0) passed++;
      else {
        failed++;
        process.stderr.write(`check "${name}" failed\n`);
      }
    }
    // Without a binary every end-to-end test would fail for one reason.
    if (!existsSync(program("csd"))) {
      process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
      process.exit(1);
    }
    const first = runTests(bun, process.argv.slice(3));
    let { failures } = first;
    // Real programs on a busy machine: a file of these that fails is run once more, alone, and the result of that counts.
    if (failures.length > 0 && failures.length <= maxAgain && failures.every(({ file }) => file.startsWith("test/e2e/"))) {
      process.stderr.write(`\nonce more, alone:\n${failures.map(({ file, names }) => `  ${file}: ${names.join("; ")}\n`).join("")}\n`);
      failures = failures.flatMap(({ file }) => {
        const again = runTests(bun, [file]);
        return again.failures.length > 0 || again.code === 0 ? again.failures : [{ file, names: [file] }];
      });
    }
    const failing = failures.reduce((sum, { names }) => sum + names.length, 0);
    passed += first.tests - failing;
    failed += failing;
    if (first.code !== 0 && first.failures.length === 0) failed++;
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
    process.exit(failed === 0 ? 0 : 1);
  },
};

const program = (name) => join(root, "dist", isWindows ? `${name}.exe` : name);

function build() {
  const code = run(findBun(), ["run", "build.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  if (code !== 0) fail("the build failed");
}

/** More files than this fail for a reason that a second run would only repeat. */
const maxAgain = 4;

/** How many tests ran, and which failed, by file. */
function runTests(bun, filters) {
  const dir = mkdtempSync(join(tmpdir(), "csm-report-"));
  const report = join(dir, "junit.xml");
  const code = run(bun, ["test", "--timeout=90000", "--reporter=junit", `--reporter-outfile=${report}`, ...filters]);
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(dir, { recursive: true, force: true });
  const head = /<testsuites[^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const byFile = new Map();
  for (const [, name, file] of xml.matchAll(/<testcase name="([^"]*)"[^>]*? file="([^"]*)"[^>]*>\s*<(?:failure|error)/g))
    byFile.set(file, [...(byFile.get(file) ?? []), name]);
  return { code, tests: count("tests") - count("skipped"), failures: [...byFile].map(([file, names]) => ({ file, names })) };
}

const step = steps[process.argv[2]];
if (step === undefined) fail(`usage: node scripts/dev.mjs ${Object.keys(steps).join("|")}`);
step();
