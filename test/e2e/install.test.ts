/** scripts/install.sh, in each shell that is here, from folders and addresses: what it puts where, and that a failure changes nothing. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentOf, makeRelease, platform } from "./fake-release.ts";
import { root } from "./harness.ts";

setDefaultTimeout(60_000);

const script = join(root, "scripts/install.sh");
const dir = mkdtempSync(join(tmpdir(), "csm-install-"));
const at = (name: string) => join(dir, name);
const none: Record<string, string> = {};

let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  makeRelease(at("v1"), { version: "1.0.0" });
  makeRelease(at("v2"), { version: "2.0.0" });
  makeRelease(at("all/latest/download"), { version: "2.0.0" });
  makeRelease(at("all/download/v1.0.0"), { version: "1.0.0" });
  makeRelease(at("wrong-sum"), { version: "2.0.0", sum: "0".repeat(64) });
  makeRelease(at("broken"), { version: "2.0.0", script: "#!/bin/sh\n# CLAUDE_SMART_CLAUDE_BIN\necho no such library >&2\nexit 1\n" });
  makeRelease(at("without"), { version: "2.0.0", name: "other" });
  makeRelease(at("empty-archive"), { version: "2.0.0" });
  writeFileSync(
    at("empty-archive/SHA256SUMS"),
    `${new Bun.CryptoHasher("sha256").update("").digest("hex")}  csm-2.0.0-${platform}.tar.gz\n`,
  );
  writeFileSync(at(`empty-archive/csm-2.0.0-${platform}.tar.gz`), "");
  mkdirSync(at("nothing"));
  writeFileSync(at("file"), "");
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const file = Bun.file(join(dir, pathname.replace("/torn", "/v2")));
      if (!(await file.exists())) return new Response("<html>not found</html>", { status: 404 });
      // As when the connection breaks: less than was announced.
      if (!pathname.startsWith("/torn") || pathname.endsWith("SUMS")) return new Response(file);
      return new Response(file.stream().pipeThrough(new TransformStream({ transform: (chunk, to) => to.enqueue(chunk.subarray(0, 100)) })));
    },
  });
});
afterAll(() => {
  server.stop(true);
  rmSync(dir, { recursive: true });
});

const shells = [["dash"], ["busybox", "sh"], ["bash"]].filter(([name = ""]) => Bun.which(name) !== null);

interface Run {
  shell?: readonly string[];
  env?: Record<string, string>;
  /** In front of the shell. */
  before?: readonly string[];
}

function install(args: readonly string[], { shell = ["sh"], env = none, before = [] }: Run = {}) {
  const words = args.map((word) => word.replace("URL", String(server.url).replace(/\/$/, "")).replace("DIR", dir));
  // Not the synchronous spawn: the server answers in this process.
  const child = Bun.spawn([...before, ...shell, script, ...words], {
    env: { PATH: process.env.PATH ?? "", HOME: at("home"), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return Promise.all([child.exited, child.stdout.text(), child.stderr.text()]).then(([code, out, err]) => ({ code, out, err }));
}

/** Puts a script in front of PATH that stands in for a program. */
function stand(name: string, text: string): Record<string, string> {
  const bin = mkdtempSync(at("bin-"));
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(bin, name), 0o755);
  return { PATH: `${bin}:${process.env.PATH}` };
}

const installed = (bin: string) =>
  Bun.spawnSync([join(bin, "csd")])
    .stdout.toString()
    .trim();

test.each(shells.map((shell) => [shell.join(" "), shell] as const))("%s: installs, replaces, takes out again", async (_, shell) => {
  const bin = mkdtempSync(at("home-bin-"));
  for (const [from, version] of [
    ["DIR/v1", "1.0.0"],
    ["URL/v2", "2.0.0"],
    ["URL/all", "2.0.0"],
    ["DIR/all", "2.0.0"],
  ] as const) {
    const { code, out, err } = await install(["--from", from, "--dir", bin], { shell });
    expect([err, code]).toEqual(["", 0]);
    expect(out).toContain(`csm ${version} (a fake one) is in ${bin}, with csd`);
    expect(out).toContain(`export PATH="${bin}:$PATH"`);
    expect(installed(bin)).toBe(`csm ${version} (a fake one)`);
  }
  for (const from of ["URL/all", "DIR/all", "DIR/v1"]) {
    await install(["--from", from, "--dir", bin, "--version", "v1.0.0"], { shell, env: { PATH: `${bin}:${process.env.PATH}` } });
    expect(installed(bin)).toBe("csm 1.0.0 (a fake one)");
  }
  expect([readdirSync(bin).sort(), readlinkSync(join(bin, "csd"))]).toEqual([["csd", "csm"], "csm"]);
  expect((await install(["--uninstall", "--dir", bin], { shell })).code).toBe(0);
  expect(readdirSync(bin)).toEqual([]);
});

test("with PATH right it says nothing of it, and the variable names the release", async () => {
  const bin = mkdtempSync(at("home-bin-"));
  const env = { PATH: `${bin}:${process.env.PATH}`, CSM_RELEASES: at("v1") };
  expect(await install(["--dir", bin], { env })).toEqual({ code: 0, out: `csm 1.0.0 (a fake one) is in ${bin}, with csd\n`, err: "" });
});

test("a script that lies in a release takes that one, and one that is piped into a shell does too what it is told", async () => {
  const bin = mkdtempSync(at("home-bin-"));
  copyFileSync(script, at("v1/install.sh"));
  Bun.spawnSync(["sh", at("v1/install.sh"), "--dir", bin], { env: { PATH: process.env.PATH ?? "" } });
  expect(installed(bin)).toBe("csm 1.0.0 (a fake one)");
  Bun.spawnSync(["sh", "-s", "--", "--from", at("v2"), "--dir", bin], { stdin: Bun.file(script), env: { PATH: process.env.PATH ?? "" } });
  expect(installed(bin)).toBe("csm 2.0.0 (a fake one)");
});

const hasShellcheck = Bun.which("shellcheck") !== null;

test.skipIf(!hasShellcheck)(`shellcheck finds nothing${hasShellcheck ? "" : " (shellcheck is not here)"}`, () =>
  expect(Bun.spawnSync(["shellcheck", "-s", "sh", script]).stdout.toString()).toBe(""),
);

const uname = (system: string, machine: string) => stand("uname", `[ "$1" = -m ] && echo ${machine} || echo ${system}`);
/** No file may grow beyond this, which is what a full disk looks like; also to root. */
const full = ["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh"];

test.each<[what: string, args: string[], run: () => Run, says: RegExp]>([
  ["a wrong checksum", ["--from", "DIR/wrong-sum"], () => ({}), /^install\.sh: the checksum of csm-2\.0\.0-\S+ is wrong/],
  ["a download that breaks off", ["--from", "URL/torn"], () => ({}), /^install\.sh: (?:the checksum of|could not load)/],
  ["no server", ["--from", "http://127.0.0.1:1"], () => ({}), /^install\.sh: could not load http:\/\/127\.0\.0\.1:1\/SHA256SUMS: /],
  ["no release there", ["--from", "URL/nothing"], () => ({}), /^install\.sh: there is no release at http/],
  ["no release in a folder", ["--from", "DIR/nothing"], () => ({}), /^install\.sh: there is no release at \//],
  ["a version that is none", ["--from", "DIR/all", "--version", "9.9.9"], () => ({}), /^install\.sh: there is no release 9\.9\.9 at/],
  ["another version than the one there", ["--from", "DIR/v2", "--version", "9.9.9"], () => ({}), /has no csm 9\.9\.9 for/],
  ["a full disk", ["--from", "DIR/v2"], () => ({ before: full }), /^install\.sh: could not .*(?:too large|space)/i],
  [
    "another system",
    ["--from", "DIR/v2"],
    () => ({ env: uname("Plan9", "x86_64") }),
    /^install\.sh: there is no csm for Plan9; there is one for/,
  ],
  [
    "another processor",
    ["--from", "DIR/v2"],
    () => ({ env: uname("Linux", "riscv64") }),
    /^install\.sh: there is no csm for the processor riscv64/,
  ],
  ["a release without this platform", ["--from", "DIR/v2"], () => ({ env: uname("Darwin", "arm64") }), /has no csm for darwin-arm64$/],
  ["Windows", ["--from", "DIR/v2"], () => ({ env: uname("MINGW64_NT-10.0", "x86_64") }), /this is Windows: use install\.ps1/],
  [
    "a program that does not start",
    ["--from", "DIR/broken"],
    () => ({}),
    /^install\.sh: csm does not start here: no such library; nothing was changed/,
  ],
  ["an archive without csm", ["--from", "DIR/without"], () => ({}), /has no csm in it$/],
  ["an archive that is none", ["--from", "DIR/empty-archive"], () => ({}), /^install\.sh: (?:could not unpack|\S+ has no csm)/],
])("%s: one line, and what was there stays", async (_, args, run, says) => {
  const bin = mkdtempSync(at("home-bin-"));
  await install(["--from", "DIR/v1", "--dir", bin]);
  const before = contentOf(bin);
  const { code, out, err } = await install([...args, "--dir", bin], run());
  expect([code, out, err.trimEnd().split("\n").length]).toEqual([1, "", 1]);
  expect(err.trimEnd()).toMatch(says);
  expect(contentOf(bin)).toEqual(before);
});

test.each<[what: string, args: string[], env: Record<string, string>, says: RegExp]>([
  ["a folder that cannot be made", ["--from", "DIR/v2", "--dir", "DIR/file/bin"], none, /could not make the folder/],
  ["an unknown word", ["--form", "DIR/v2"], none, /unknown word "--form"; known: --from/],
  ["no value", ["--dir"], none, /--dir needs a value/],
  ["no release named", ["--dir", "DIR/bin"], none, /no release is known; --from names/],
  ["no HOME", ["--from", "DIR/v2"], { HOME: "", ...stand("id", "echo 1000") }, /HOME is not set/],
  ["root without a folder", ["--from", "DIR/v2"], stand("id", "echo 0"), /for one user, not for root; --dir/],
  ["nothing to take out", ["--uninstall", "--dir", "DIR/nothing"], none, /there is no csm in/],
])("%s: one line", async (_, args, env, says) => {
  const { code, out, err } = await install(args, { env });
  expect([code === 0, out, err.trimEnd().split("\n").length]).toEqual([false, "", 1]);
  expect(err).toMatch(says);
  expect(existsSync(at("home"))).toBe(false);
});

test("another program of that name is neither replaced nor taken out", async () => {
  const bin = mkdtempSync(at("home-bin-"));
  for (const name of ["csm", "csd"]) {
    writeFileSync(join(bin, name), "#!/bin/sh\n");
    const before = contentOf(bin);
    for (const args of [["--from", "DIR/v2"], ["--uninstall"]]) {
      const { code, err } = await install([...args, "--dir", bin]);
      expect([code, err.includes("is another program")]).toEqual([1, name === "csm" || args[0] === "--from"]);
    }
    if (name === "csm") expect(contentOf(bin)).toEqual(before);
    rmSync(join(bin, name), { force: true });
  }
});

test("Ctrl-C in the middle leaves what was there, and nothing else", async () => {
  const bin = mkdtempSync(at("home-bin-"));
  await install(["--from", "DIR/v1", "--dir", bin]);
  const before = contentOf(bin);
  const started = Promise.withResolvers<void>();
  const slow = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      if (request.url.endsWith("SHA256SUMS")) return new Response(Bun.file(at("v2/SHA256SUMS")));
      started.resolve();
      return new Response(new ReadableStream({ pull: () => Bun.sleep(60_000) }));
    },
  });
  const child = Bun.spawn(["sh", script, "--from", `${slow.url}`, "--dir", bin], {
    env: { PATH: process.env.PATH ?? "" },
    stdout: "ignore",
    stderr: "ignore",
    detached: true,
  });
  await started.promise;
  process.kill(-child.pid, "SIGINT");
  expect(await child.exited).not.toBe(0);
  slow.stop(true);
  expect(contentOf(bin)).toEqual(before);
});

test("an installer that knows a key takes only what is signed with it", async () => {
  const bin = mkdtempSync(at("home-bin-"));
  const known = at("install-with-key.sh");
  writeFileSync(known, (await Bun.file(script).text()).replace('PUBLIC_KEY=""', 'PUBLIC_KEY="RWabc"'));
  const run = (from: string, answer: string) =>
    Bun.spawnSync(["sh", known, "--from", at(from), "--dir", bin], { env: stand("minisign", answer) }).stderr.toString();
  expect(run("v1", "exit 0")).toMatch(/is not signed$/m);
  makeRelease(at("signed"), { version: "2.0.0" });
  writeFileSync(at("signed/SHA256SUMS.minisig"), "signature");
  expect(run("signed", "exit 1")).toMatch(/the signature of the release at .* is wrong; nothing was changed$/m);
  expect(readdirSync(bin)).toEqual([]);
  expect(run("signed", '[ "$4" = RWabc ]')).toBe("");
  expect(installed(bin)).toBe("csm 2.0.0 (a fake one)");
});
