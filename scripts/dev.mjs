#!/usr/bin/env node
// What `npm start` and `npm test` run: plain Node, because nothing is installed yet. Installs what the lock file names,
// finds Bun in node_modules, builds, and goes on. Works the same when Bun runs it in place of Node.
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
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

/**
 * The exit code. The program has the terminal: Ctrl-C and Ctrl-Z reach it as they reach us, and it decides what becomes of them, so
 * nothing of it is left running and the shell is back when it is. What is sent to us alone is passed on. `patienceMs`: one that has
 * not ended so long after Ctrl-C is ended, and the code is that of an interruption.
 */
function run(program, args, { patienceMs, ...options } = {}) {
  const child = spawn(program, args, { cwd: root, stdio: "inherit", shell: isWindows && program.endsWith(".cmd"), ...options });
  const pass = (signal) => child.kill(signal);
  let isInterrupted = false;
  const stay = () => {
    if (patienceMs === undefined) return;
    isInterrupted = true;
    setTimeout(() => child.kill("SIGKILL"), patienceMs).unref();
  };
  process.on("SIGINT", stay).on("SIGTERM", pass).on("SIGHUP", pass);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", stay).off("SIGTERM", pass).off("SIGHUP", pass);
      resolve(isInterrupted ? 128 + constants.signals.SIGINT : (code ?? 128 + constants.signals[signal]));
    });
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** What the packages take on the disk: claude and Bun are programs of their own. */
const installMegabytes = 580;

/** Runs when node_modules is missing, older than the lock file, or was left half made. */
async function install() {
  const stamp = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  const bunStamp = join(root, "node_modules", ".bun-installed");
  const installed = [stamp, bunStamp].find((path) => existsSync(path));
  if (installed !== undefined && statSync(installed).mtimeMs >= statSync(lock).mtimeMs && findBun() !== undefined) return;
  process.stderr.write(`installing the packages of package-lock.json: about ${installMegabytes} MB, with the real Claude Code and Bun …\n`);
  const free = freeMegabytes();
  if (free < installMegabytes) fail(`the disk has ${free} MB left; about ${installMegabytes} are needed`);
  const npm = findProgram("npm");
  const bun = findProgram("bun");
  if (npm === undefined && bun === undefined) fail("neither npm nor bun is on PATH; install Node.js 20 or newer, or Bun");
  const stopShowing = showProgress();
  // npm 11 takes half a minute to remove what it has unpacked; the next start removes that anyway.
  const patience = { patienceMs: 2000 };
  const code =
    npm === undefined
      ? await run(bun, ["install", "--no-save", "--silent"], patience)
      : await run(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--no-progress"], patience);
  stopShowing();
  if (code > 128) {
    process.stderr.write("interrupted; the next start takes it up again, with what has been downloaded\n");
    process.exit(code);
  }
  if (code !== 0) fail(`the installation failed with code ${code}; the next start takes it up again`);
  if (npm === undefined) writeFileSync(bunStamp, "");
  if (findBun() === undefined) fail("the installation brought no Bun that runs here; its package for this platform is missing");
}

function freeMegabytes() {
  try {
    const { bavail, bsize } = statfsSync(root);
    return Math.floor((bavail * bsize) / 1e6);
  } catch {
    // A file system that tells nothing: npm will say when it is full.
    return Number.POSITIVE_INFINITY;
  }
}

/** On a terminal, how much has come, measured by what the disk has less. */
function showProgress() {
  if (process.stderr.isTTY !== true) return () => {};
  const before = freeMegabytes();
  const show = () =>
    process.stderr.write(`\r\u001b[K${Math.min(installMegabytes, Math.max(0, before - freeMegabytes()))} of about ${installMegabytes} MB`);
  const timer = setInterval(show, 500);
  return () => {
    clearInterval(timer);
    process.stderr.write("\r\u001b[K");
  };
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
  async start() {
    requireTmux();
    await install();
    await build();
    const claude = spawnSync(findBun(), ["scripts/claude.ts"], { cwd: root, encoding: "utf8" }).stdout.trim();
    const env = { CLAUDE_SMART_CLAUDE_BIN: claude, ...process.env };
    const code = await run(program("csm"), ["demo"], { env });
    const dist = relative(process.cwd(), join(root, "dist")) || ".";
    if (code === 0)
      process.stderr.write(
        `\nThe program is ${join(dist, "csm")} (and csd, its other name). Put both on PATH, or try them where they are:\n` +
          `  ${join(dist, "csm")} top      your own sessions\n  ${join(dist, "csm")} --help   what else there is\n  npm run sandbox    a shell to play in, without a login\n`,
      );
    process.exit(code);
  },
  /** A shell in the sandbox of the tests, to play in. */
  async sandbox() {
    requireTmux();
    await install();
    await build();
    process.exit(await run(findBun(), ["run", "scripts/sandbox.ts", ...process.argv.slice(3)]));
  },
  bench: () => runScript("bench"),
  fuzz: () => runScript("fuzz"),
  faults: () => runScript("faults"),
  soak: () => runScript("soak"),
  async build() {
    await install();
    await build();
  },
  /** Types, lint, build, then every test; closes with one line that counts. */
  async test() {
    requireTmux();
    await install();
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
      if ((await check()) === 0) passed++;
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
    const first = await runTests(bun, process.argv.slice(3));
    let { failures } = first;
    // Real programs on a busy machine: a file of these that fails is run once more, alone, and the result of that counts.
    if (failures.length > 0 && failures.length <= maxAgain && failures.every(({ file }) => file.startsWith("test/e2e/"))) {
      process.stderr.write(`\nonce more, alone:\n${failures.map(({ file, names }) => `  ${file}: ${names.join("; ")}\n`).join("")}\n`);
      const failed = failures;
      failures = [];
      for (const { file } of failed) {
        const again = await runTests(bun, [file]);
        failures.push(...again.failures);
      }
    }
    const failing = failures.reduce((sum, { names }) => sum + names.length, 0);
    passed += first.tests - failing;
    failed += failing;
    if (first.code !== 0 && first.failures.length === 0) failed++;
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
    process.exit(failed === 0 ? 0 : 1);
  },
};

/** One of `scripts/` on a fresh build, with what else is on the command line. */
async function runScript(name) {
  await install();
  await build();
  process.exit(await run(findBun(), ["run", `scripts/${name}.ts`, ...process.argv.slice(3)]));
}

const program = (name) => join(root, "dist", isWindows ? `${name}.exe` : name);

async function build() {
  const code = await run(findBun(), ["run", "build.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  if (code !== 0) fail("the build failed");
}

/** More files than this fail for a reason that a second run would only repeat. */
const maxAgain = 4;

/** These start so many sessions or hooks that another file beside them would only slow both. */
const crowded = ["csd-rounds", "csd-send", "csm-halt", "notify"].map((name) => `./test/e2e/${name}.test.ts`);

/** These start no session: they may run beside those, the longest first. */
const calm = [
  ...[
    "hostile-input",
    "faults",
    "plain-ascii",
    "hostile-output",
    "install",
    "self-update",
    "workflows",
    "fleet",
    "fuzz",
    "full-disk",
    "profiles",
    "profiles-shell",
  ],
  ...["statusline", "usage", "usage-commands", "usage-hub", "csm-cost", "csm-setup"],
].map((name) => `./test/e2e/${name}.test.ts`);

/**
 * How many tests ran, and which failed, by file. All of them: first what is crowded, and beside it the units, which take one processor,
 * and what is calm; then the other end-to-end files, which wait for claude most of their time, two beside each other where there are
 * two processors.
 */
async function runTests(bun, filters) {
  if (filters.length > 0) return runFiles(bun, filters);
  const list = (dir) =>
    readdirSync(join(root, dir))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `./${dir}/${name}`);
  const results = [];
  const isStopped = () => results.some(({ code }) => code > 128);
  /** `queue`: of files, or of several that run as one. */
  const runLane = async (queue) => {
    for (let files = queue.shift(); files !== undefined && !isStopped(); files = queue.shift()) {
      const group = [files].flat();
      // What it says is shown once it is over, which may be minutes.
      if (process.stderr.isTTY === true)
        process.stderr.write(`… ${group.length === 1 ? group[0] : `${group.length} files of unit tests`}\n`);
      const log = join(mkdtempSync(join(tmpdir(), "csm-lane-")), "log");
      const out = openSync(log, "w");
      results.push(await runFiles(bun, group, ["ignore", out, out]));
      closeSync(out);
      // Whole, so that files beside each other do not mix.
      process.stdout.write(readFileSync(log));
      rmSync(dirname(log), { recursive: true });
    }
  };
  const isParallel = availableParallelism() > 1;
  const files = list("test/e2e");
  const present = (wanted) => wanted.filter((file) => files.includes(file));
  const first = runLane(present(crowded));
  if (!isParallel) await first;
  await runLane([list("test"), ...present(calm)]);
  await first;
  const others = files.filter((file) => !crowded.includes(file) && !calm.includes(file));
  await Promise.all(Array.from({ length: isParallel ? 2 : 1 }, () => runLane(others)));
  return {
    code: results.find(({ code }) => code !== 0)?.code ?? 0,
    tests: results.reduce((sum, { tests }) => sum + tests, 0),
    failures: results.flatMap(({ failures }) => failures),
  };
}

async function runFiles(bun, files, stdio = "inherit") {
  const dir = mkdtempSync(join(tmpdir(), "csm-report-"));
  const report = join(dir, "junit.xml");
  const code = await run(bun, ["test", "--timeout=90000", "--reporter=junit", `--reporter-outfile=${report}`, ...files], { stdio });
  const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(dir, { recursive: true, force: true });
  const head = /<testsuites[^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const byFile = new Map();
  for (const [, name, file] of xml.matchAll(/<testcase name="([^"]*)"[^>]*? file="([^"]*)"[^>]*>\s*<(?:failure|error)/g))
    byFile.set(file, [...(byFile.get(file) ?? []), name]);
  const failures = [...byFile].map(([file, names]) => ({ file, names }));
  // A file that breaks before its first test is in no report.
  if (code !== 0 && failures.length === 0 && files.length === 1)
    failures.push({ file: files[0].replace(/^\.\//, ""), names: ["the file itself"] });
  return { files, code, tests: count("tests") - count("skipped"), failures };
}

const step = steps[process.argv[2]];
if (step === undefined) fail(`usage: node scripts/dev.mjs ${Object.keys(steps).join("|")}`);
await step();
