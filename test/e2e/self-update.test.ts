/** csm self-update, with the real program in the place of the old one. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { asPublic } from "../public.ts";
import { contentOf, makeRelease, program } from "./fake-release.ts";
import { csmPath } from "./harness.ts";

setDefaultTimeout(120_000);

const dir = mkdtempSync(join(tmpdir(), "csm-update-"));
const at = (name: string) => join(dir, name);
const { version } = manifest;

beforeAll(() => {
  mkdirSync(at("home"));
  makeRelease(at("new"), { version: "9.9.9" });
  makeRelease(at("all/latest/download"), { version: "9.9.9" });
  makeRelease(at("same"), { version });
  makeRelease(at("old"), { version: "0.0.1" });
  makeRelease(at("wrong-sum"), { version: "9.9.9", sum: "0".repeat(64) });
  makeRelease(at("broken"), { version: "9.9.9", script: "#!/bin/sh\nexit 1\n" });
  makeRelease(at("liar"), { version: "9.9.9", script: program("0.0.1") });
  makeRelease(at("without"), { version: "9.9.9", name: "other" });
  mkdirSync(at("nothing"));
  writeFileSync(at("nothing.txt"), "");
  mkdirSync(at("elsewhere"));
  writeFileSync(at("elsewhere/SHA256SUMS"), `${"a".repeat(64)}  csm-9.9.9-plan9-x64.tar.gz\n`);
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The program in a folder of its own; a link of the file costs nothing, and a link of the name is how it is installed. */
function place(name = "bin-"): string {
  const bin = mkdtempSync(at(name));
  linkOrCopy(csmPath, join(bin, "csm"));
  symlinkSync("csm", join(bin, "csd"));
  return bin;
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // Another disk.
    copyFileSync(from, to);
  }
}

interface Run {
  env?: Record<string, string>;
  before?: string[];
}

async function update(bin: string, args: readonly string[], { env = {}, before = [] }: Run = {}) {
  const child = Bun.spawn([...before, join(bin, "csm"), "self-update", ...args.map((word) => word.replace("DIR", dir))], {
    env: { HOME: at("home"), PATH: process.env.PATH ?? "", ...env },
    cwd: dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  return { code, out: out.trimEnd(), err: err.trimEnd() };
}

const versionOf = (bin: string, name = "csm") =>
  Bun.spawnSync([join(bin, name), "--version"])
    .stdout.toString()
    .trim();

test("says whether there is a newer one, puts it in its place, and keeps the old one", async () => {
  const bin = place();
  const check = await update(bin, ["--check", "--from", "DIR/new"]);
  expect(check).toEqual({ code: 0, out: `csm 9.9.9 is there; ${version} is installed in ${bin}/csm`, err: "" });
  const checked = await update(bin, ["--check", "--from", "DIR/all", "--json"]);
  const seen = { action: "available", installed: version, path: `${bin}/csm`, available: "9.9.9", from: at("all/latest/download") };
  expect(asPublic("csm self-update", JSON.parse(checked.out)) as never).toEqual(seen as never);
  const before = versionOf(bin);
  const done = await update(bin, ["--from", "DIR/new"]);
  expect(done).toEqual({
    code: 0,
    out: `csm 9.9.9 is in ${bin}/csm; csm self-update --rollback brings ${version} back`,
    err: "",
  });
  expect([versionOf(bin), versionOf(bin, "csd"), versionOf(bin, "csm.previous")]).toEqual([
    ...["csm 9.9.9 (a fake one)", "csm 9.9.9 (a fake one)"],
    before,
  ]);
  expect(readdirSync(bin).sort()).toEqual(["csd", "csm", "csm.previous"]);
});

test("a csd that is a file of its own follows", async () => {
  const bin = place();
  rmSync(join(bin, "csd"));
  linkOrCopy(csmPath, join(bin, "csd"));
  expect((await update(bin, ["--from", "DIR/new", "--json"])).code).toBe(0);
  expect(versionOf(bin, "csd")).toBe("csm 9.9.9 (a fake one)");
});

test("goes back to the one that was kept, and forth again", async () => {
  const bin = place();
  const { code: none, err } = await update(bin, ["--rollback"]);
  expect([none, err]).toEqual([1, `csm: there is no ${bin}/csm.previous to go back to; the first csm self-update makes it`]);
  writeFileSync(join(bin, "csm.previous"), program("0.0.1"));
  chmodSync(join(bin, "csm.previous"), 0o755);
  const { code, out } = await update(bin, ["--rollback"]);
  expect([code, out]).toEqual([0, `csm 0.0.1 is in ${bin}/csm again; csm self-update --rollback brings ${version} back`]);
  expect([versionOf(bin), versionOf(bin, "csm.previous").slice(0, 4 + version.length)]).toEqual([
    "csm 0.0.1 (a fake one)",
    `csm ${version}`,
  ]);
});

const config = (settings: object) => {
  const home = mkdtempSync(at("home-"));
  mkdirSync(join(home, ".config/claude-smart"), { recursive: true });
  writeFileSync(join(home, ".config/claude-smart/config.json"), JSON.stringify(settings));
  return { HOME: home };
};

test("the setting and the variable name the place", async () => {
  const bin = place();
  for (const env of [config({ update: { from: at("same") } }), { CSM_RELEASES: at("same") }])
    expect(await update(bin, ["--check"], { env })).toEqual({ code: 0, out: `csm ${version} is the newest`, err: "" });
  const { out } = await update(bin, ["--from", "DIR/old"]);
  expect(out).toBe(`csm ${version} is the newest: ${at("old")} has 0.0.1`);
});

/** In front of PATH, with this exit code. */
function stand(name: string, code: number): Record<string, string> {
  const bin = mkdtempSync(at("stand-"));
  writeFileSync(join(bin, name), `#!/bin/sh\nexit ${code}\n`);
  chmodSync(join(bin, name), 0o755);
  return { PATH: `${bin}:${process.env.PATH}` };
}

/** No file may grow, which is what a full disk looks like; also to root. */
const full = ["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh"];

test.each<[what: string, args: string[], run: () => Run, code: number, says: RegExp]>([
  [
    "nobody says where",
    [],
    () => ({}),
    2,
    /^csm self-update: nobody has said where releases are; --from DIR\|URL, or once: csm config set/,
  ],
  [
    "a folder without a release",
    ["--from", "DIR/nothing"],
    () => ({}),
    1,
    /^csm: there is no release at \S+nothing: there is no such file$/,
  ],
  ["no folder", ["--from", "DIR/nothing.txt"], () => ({}), 1, /^csm: there is no release at/],
  ["no server", ["--from", "http://127.0.0.1:1"], () => ({}), 1, /^csm: there is no release at http:\/\/127\.0\.0\.1:1: /],
  [
    "a way that others can stand in",
    ["--from", "http://example.invalid"],
    () => ({}),
    1,
    /is not encrypted, and no signature is asked for; /,
  ],
  ["a release for other platforms", ["--from", "DIR/elsewhere"], () => ({}), 1, /^csm: the release at \S+ has no csm for /],
  [
    "a wrong checksum",
    ["--from", "DIR/wrong-sum"],
    () => ({}),
    1,
    /^csm: the checksum of csm-9\.9\.9-\S+ is wrong: .*; nothing was changed$/,
  ],
  [
    "a program that does not start",
    ["--from", "DIR/broken"],
    () => ({}),
    1,
    /^csm: the new csm does not start here.*; nothing was changed$/,
  ],
  [
    "a program of another version",
    ["--from", "DIR/liar"],
    () => ({}),
    1,
    /or is another one: csm 0\.0\.1 \(a fake one\); nothing was changed$/,
  ],
  ["an archive without csm", ["--from", "DIR/without"], () => ({}), 1, /has no csm in it; nothing was changed$/],
  ["a full disk", ["--from", "DIR/new"], () => ({ before: full }), 1, /^csm: .*(?:too large|space|full|lock)/i],
  [
    "a file of a package",
    ["--from", "DIR/new"],
    () => ({ env: stand("dpkg", 0) }),
    1,
    /belongs to dpkg, which does not know of updates by others; apt-get/,
  ],
  ["two wishes", ["--rollback", "--check"], () => ({}), 2, /--rollback goes with neither/],
  [
    "a release that is not signed",
    ["--from", "DIR/new"],
    () => ({ env: config({ update: { publicKey: "x" } }) }),
    1,
    /is not signed: there is no such file$/,
  ],
])("%s: one line, and the program stays", async (_, args, run, code, says) => {
  const bin = place();
  const before = contentOf(bin);
  const result = await update(bin, args, run());
  expect([result.code, result.out, result.err.split("\n").length]).toEqual([code, "", 1]);
  expect(result.err).toMatch(says);
  expect(contentOf(bin)).toEqual(before);
});

test.each([
  ["node_modules/csm-csd-linux-x64", "npm"],
  ["Cellar/csm", "Homebrew"],
])("a program in %s belongs to %s", async (folder, manager) => {
  mkdirSync(at(folder), { recursive: true });
  const bin = place(`${folder}/`);
  const { code, err } = await update(bin, ["--from", "DIR/new"]);
  expect([code, err.includes(`belongs to ${manager}, `)]).toEqual([1, true]);
  expect(readdirSync(bin).sort()).toEqual(["csd", "csm"]);
});

test("two at a time: both say the same, the newer program is there, and the old one is kept", async () => {
  const bin = place();
  const before = versionOf(bin);
  const results = await Promise.all([1, 2].map(() => update(bin, ["--from", "DIR/new"])));
  expect(results.map(({ code }) => code)).toEqual([0, 0]);
  expect([versionOf(bin), versionOf(bin, "csm.previous")]).toEqual(["csm 9.9.9 (a fake one)", before]);
  expect(readdirSync(bin).sort()).toEqual(["csd", "csm", "csm.previous"]);
});

const hasMinisign = Bun.which("minisign") !== null;

test.skipIf(!hasMinisign)(`a key: only what is signed with it${hasMinisign ? "" : " (minisign is not here)"}`, async () => {
  const minisign = (...args: string[]) => Bun.spawnSync(["minisign", ...args], { cwd: dir }).exitCode;
  for (const name of ["ours", "theirs"]) expect(minisign("-G", "-W", "-p", `${name}.pub`, "-s", `${name}.key`)).toBe(0);
  makeRelease(at("signed"), { version: "9.9.9" });
  const env = config({ update: { publicKey: await Bun.file(at("ours.pub")).text() } });
  const sign = (key: string) => minisign("-S", "-s", key, "-m", "signed/SHA256SUMS", "-x", "signed/SHA256SUMS.minisig");
  sign("theirs.key");
  const bin = place();
  expect((await update(bin, ["--from", "DIR/signed"], { env })).err).toMatch(/is not of update\.public-key; nothing was changed$/);
  sign("ours.key");
  expect((await update(bin, ["--from", "DIR/signed"], { env })).code).toBe(0);
  const other = place();
  writeFileSync(at("signed/SHA256SUMS"), `${await Bun.file(at("signed/SHA256SUMS")).text()}\n`);
  expect((await update(other, ["--from", "DIR/signed"], { env })).err).toMatch(/is not of update\.public-key; nothing was changed$/);
});
