import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { csmPath, type Json, root, until, useBox } from "./harness.ts";

const given = useBox();
const HOUR = 3_600_000;

/** A machine of its own: a HOME with profiles, on which nothing has run yet. */
function createMachine(name: string, profiles: string[]) {
  const { box } = given;
  const home = join(box.dir, name);
  for (const profile of profiles) mkdirSync(join(home, `.claude.${profile}`), { recursive: true });
  mkdirSync(join(home, ".config/claude-as"), { recursive: true });
  const registry = Object.fromEntries(profiles.map((profile) => [profile, join(home, `.claude.${profile}`)]));
  writeFileSync(join(home, ".config/claude-as/profiles.json"), JSON.stringify(registry));
  const env: Record<string, string> = { HOME: home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8" };
  const csm = (args: string[], more: Record<string, string> = {}, input?: string) =>
    box.run([csmPath, ...args], { env: { ...env, ...more }, cwd: home, ...(input === undefined ? {} : { input }) });
  return {
    home,
    env,
    csm,
    usage: async (more: Record<string, string> = {}, args: string[] = []): Promise<Json> =>
      JSON.parse((await csm(["usage", "--json", ...args], more)).stdout) as Json,
    /** What claude would tell the status line of a session of this profile. */
    paint: (profile: string, fiveHour: number, week: number, sessionId: string = crypto.randomUUID()) =>
      csm(["statusline"], { CLAUDE_CONFIG_DIR: join(home, `.claude.${profile}`) }, statuslineInput(sessionId, fiveHour, week)),
  };
}

const seconds = (hours: number): number => Math.round((Date.now() + hours * HOUR) / 1000);
const statuslineInput = (session_id: string, fiveHour: number, week: number): string =>
  JSON.stringify({
    session_id,
    model: { id: "claude-opus-5-5", display_name: "Opus 5.5" },
    rate_limits: {
      five_hour: { used_percentage: fiveHour, resets_at: seconds(2) },
      seven_day: { used_percentage: week, resets_at: seconds(72) },
    },
  });

const children: Bun.Subprocess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

async function startHub(machine: ReturnType<typeof createMachine>, args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn([csmPath, "hub", "serve", "--port", "0", ...args], {
    env: { ...machine.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  return new TextDecoder().decode(value).trim();
}

test("one machine serves its ledger, another one chooses by it", async () => {
  const office = createMachine("office", ["work", "home"]);
  await office.paint("work", 37, 61);
  await office.paint("home", 5, 20);
  const url = await startHub(office, [], { CSM_HUB_TOKEN: "s3cret" });
  const laptop = createMachine("laptop", ["home", "work"]);
  const env = { CLAUDE_USAGE_URL: url, CSM_HUB_TOKEN: "s3cret" };
  expect(await laptop.usage(env)).toMatchObject({
    configured: true,
    recommended: "work",
    profiles: { work: { session_pct: 37, week_all_pct: 61, windows: { five_hour: { source: "http" } } }, home: { week_all_pct: 20 } },
  });
  expect((await laptop.csm(["pick-account", "work"], env)).stdout).toBe("home\n");
  const refused = createMachine("stranger", ["work"]);
  expect(await refused.usage({ CLAUDE_USAGE_URL: url, CSM_HUB_TOKEN: "guess" })).toMatchObject({ failure: "http: status 401" });
  expect((await fetch(url, { method: "POST", headers: { authorization: "Bearer s3cret" } })).status).toBe(405);
  expect(JSON.parse((await office.csm(["hub", "serve", "--once"])).stdout)).toMatchObject({ profiles: { work: { session: { pct: 37 } } } });
});

test("a hub without a token is for this machine and by its own names only", async () => {
  const office = createMachine("office2", ["work"]);
  const url = await startHub(office, []);
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(url, { headers: { host: "evil.example" } })).status).toBe(403);
  const open = await office.csm(["hub", "serve", "--host", "0.0.0.0"]);
  expect([open.code, open.stderr]).toEqual([
    2,
    "csm hub serve: --host 0.0.0.0 lets others in; give a token that they must know: CSM_HUB_TOKEN or --token\n",
  ]);
});

test("a hub tells who asks it, and refuses what is no request", async () => {
  const office = createMachine("office3", ["work"]);
  const child = Bun.spawn([csmPath, "hub", "serve", "--port", "0"], {
    env: office.env,
    stdout: "pipe",
    stderr: Bun.file(join(office.home, "told")),
    stdin: "ignore",
  });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();
  const raw = async (text: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let answer = "";
    await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(url).port),
      socket: {
        open: (socket) => void socket.write(text),
        data(_, bytes) {
          answer += bytes.toString();
        },
        close: () => resolve(answer),
      },
    });
    return promise;
  };
  expect((await fetch(new URL("/health", url))).status).toBe(200);
  expect((await fetch(url, { headers: { host: "evil.example" } })).status).toBe(403);
  for (const text of ["GET / HTTP/1.1\r\nHost: [::bad\r\nConnection: close\r\n\r\n", "nonsense\r\n\r\n"])
    expect(await raw(text)).toStartWith("HTTP/1.1 400 ");
  const told = await until("it has told so", () => {
    const text = readFileSync(join(office.home, "told"), "utf8");
    return text.includes(": 403") ? text : undefined;
  });
  const lines = ["csm hub: for the csm of this machine, until Ctrl-C", "GET /health from 127.0.0.1: 200", "GET / from 127.0.0.1: 403"];
  expect(told.split("\n").slice(0, 3)).toEqual(lines);
});

test("D18: a profile that only a hub knows is shown, and never chosen", async () => {
  const machine = createMachine("d18", ["work"]);
  const blob = { profiles: { ghost: { week_all: { pct: 90 } }, work: { week_all: { pct: 10 } } }, errors: { lost: "no login" } };
  const env = { CSM_USAGE_CMD: `echo '${JSON.stringify(blob)}'` };
  const { stdout } = await machine.csm(["usage"], env);
  expect(stdout).toContain("★ work");
  expect(stdout).toContain("ghost (unreg)");
  expect(stdout).toContain("✖ errored: no login");
  expect((await machine.csm(["pick-account"], env)).stdout).toBe("work\n");
});

const ssh = { port: 0, dir: "", remote: "" };

/** A real sshd on loopback with a configuration, a key and a port of its own; the login's own files are neither read nor written. */
async function startSshd(): Promise<void> {
  if (ssh.port !== 0) return;
  const { box } = given;
  ssh.dir = join(box.dir, "ssh");
  ssh.remote = join(box.dir, "remote");
  mkdirSync(ssh.dir, { mode: 0o700 });
  mkdirSync(join(ssh.remote, "claude-code-usage/cache"), { recursive: true });
  if (!existsSync("/usr/sbin/sshd")) throw new Error("sshd is not installed: apt-get install openssh-server");
  for (const key of ["host", "user"]) await box.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(ssh.dir, key)]);
  const port = await freePort();
  // Only the command that csm sends is run, in the home of the remote machine that this test made up.
  const force = join(ssh.dir, "force");
  writeFileSync(
    force,
    `#!/bin/sh\nexport HOME='${ssh.remote}'\n[ -f '${ssh.dir}/instead' ] && exec sh '${ssh.dir}/instead'\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n`,
  );
  chmodSync(force, 0o755);
  writeFileSync(join(ssh.dir, "authorized"), readFileSync(join(ssh.dir, "user.pub")));
  const lines = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${ssh.dir}/host`,
    `AuthorizedKeysFile ${ssh.dir}/authorized`,
    "PidFile none",
    "UsePAM no",
  ];
  writeFileSync(
    join(ssh.dir, "sshd_config"),
    `${[...lines, "StrictModes no", "PasswordAuthentication no", `ForceCommand ${force}`].join("\n")}\n`,
  );
  const user = await box.run(["id", "-un"]);
  const client = [
    "Host hubbox",
    "HostName 127.0.0.1",
    `Port ${port}`,
    `User ${user.stdout.trim()}`,
    `IdentityFile ${ssh.dir}/user`,
    "IdentitiesOnly yes",
  ];
  writeFileSync(
    join(ssh.dir, "ssh_config"),
    `${[...client, `UserKnownHostsFile ${ssh.dir}/known`, "StrictHostKeyChecking accept-new"].join("\n")}\n`,
  );
  mkdirSync(join(ssh.dir, "bin"));
  writeFileSync(join(ssh.dir, "bin/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F '${ssh.dir}/ssh_config' "$@"\n`);
  chmodSync(join(ssh.dir, "bin/ssh"), 0o755);
  // Privilege separation wants this folder, which the service would make.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  children.push(
    Bun.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", join(ssh.dir, "sshd_config")], {
      stdout: "ignore",
      stderr: Bun.file(join(ssh.dir, "log")),
      stdin: "ignore",
    }),
  );
  await until(
    "sshd listens",
    async () => (await box.run([join(ssh.dir, "bin/ssh"), "-o", "BatchMode=yes", "hubbox", "true"])).code === 0,
    () => readFileSync(join(ssh.dir, "log"), "utf8"),
  );
  ssh.port = port;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

test("over SSH, from a real sshd; a hub alone counts as configured", async () => {
  await startSshd();
  const machine = createMachine("viassh", ["work"]);
  const env = {
    PATH: `${ssh.dir}/bin:${process.env.PATH}`,
    CLAUDE_HUB_HOSTNAME: "hubbox",
    CLAUDE_USAGE_FAIL_COOLDOWN: "0",
    CLAUDE_USAGE_TTL: "0",
  };
  // More than a pipe holds: it is read while ssh runs.
  const blob = { profiles: { work: { week_all: { pct: 44 }, session_stats: ["x".repeat(300_000)] } } };
  writeFileSync(join(ssh.remote, "claude-code-usage/cache/usage-limits.json"), JSON.stringify(blob));
  expect(await machine.usage(env)).toMatchObject({
    configured: true,
    failure: null,
    profiles: { work: { week_all_pct: 44, windows: { seven_day: { source: "ssh" } } } },
  });
  const rows: [instead: string, failure: RegExp][] = [
    ["sleep 60", /^ssh: no answer within 1 s$/],
    ["cat /dev/zero", /^ssh: it says more than 4000000 bytes$/],
    ["echo '<html>'", /^ssh: the answer is no usage data$/],
    ["printf '{\\377}'", /^ssh: the answer is not UTF-8$/],
    ["exit 7", /^ssh: exit code 7$|^ssh: an empty answer$/],
  ];
  for (const [instead, failure] of rows) {
    writeFileSync(join(ssh.dir, "instead"), `${instead}\n`);
    const report = await machine.usage({ ...env, CLAUDE_USAGE_SSH_TIMEOUT: instead.startsWith("sleep") ? "1" : "15" });
    expect(String(report.failure)).toMatch(failure);
    // What was known stays known.
    expect(report).toMatchObject({ profiles: { work: { week_all_pct: 44 } } });
  }
});

test("100 processes record at once, some are killed with -9: every one that ended is counted, nothing is torn", async () => {
  const machine = createMachine(
    "crowd",
    Array.from({ length: 20 }, (_, index) => `p${index}`),
  );
  const killed = new Set<number>();
  const runs = Array.from({ length: 100 }, async (_, index) => {
    const env = { ...machine.env, CLAUDE_CONFIG_DIR: join(machine.home, `.claude.p${index % 20}`) };
    const isReader = index % 5 === 4;
    const argv = isReader ? [csmPath, "usage", "--json", "--no-fetch"] : [csmPath, "statusline"];
    const input = new TextEncoder().encode(statuslineInput(`session-${index}`, index, index));
    const child = Bun.spawn(argv, { env, stdin: isReader ? "ignore" : input, stdout: "pipe", stderr: "pipe" });
    // Both kinds, at another moment of their short life each.
    if (index % 10 === 3 || index % 10 === 9) {
      Bun.sleepSync((index % 30) / 2);
      child.kill("SIGKILL");
      killed.add(index);
    }
    const [stdout, code] = [await child.stdout.text(), await child.exited];
    if (isReader && !killed.has(index)) JSON.parse(stdout);
    return code;
  });
  const codes = await Promise.all(runs);
  expect(codes.filter((code, index) => code !== 0 && !killed.has(index))).toEqual([]);
  const writers = codes.flatMap((code, index) => (index % 5 !== 4 && code === 0 ? [index] : []));
  const kept = (name: string) => existsSync(join(machine.home, ".local/state/csm/statusline", `${name}.json`));
  expect(writers.filter((index) => !kept(`session-${index}`))).toEqual([]);
  const { profiles } = (await machine.usage({}, ["--no-fetch"])) as { profiles: Record<string, Json> };
  // Of each profile one of its sessions, and where nobody was killed the ledger holds a value that was really sent.
  for (let profile = 0; profile < 20; profile++) {
    const sent = writers.filter((index) => index % 20 === profile);
    if (sent.length > 0) expect([...sent, ...killed]).toContain(Number(profiles[`p${profile}`]?.session_pct));
  }
  const check = await given.box.run([
    process.execPath,
    "-e",
    `const { Database } = require("bun:sqlite"); console.log(new Database(${JSON.stringify(join(machine.home, ".local/state/csm/usage.db"))}).query("PRAGMA integrity_check").get().integrity_check)`,
  ]);
  expect(check.stdout.trim()).toBe("ok");
  const ended = codes.filter((code) => code === 137).length;
  expect(ended).toBeGreaterThan(0);
  console.log(`100 processes, ${ended} ended by SIGKILL; of ${writers.length} that recorded to the end ${writers.length} are kept`);
});

test.each([
  ["an endpoint", "url"],
  ["a file", "file"],
  ["facts per profile", "facts"],
])("the reference collector: %s", async (_, way) => {
  const machine = createMachine(`collect-${way}`, ["work", "home"]);
  const blob = { profiles: { work: { week_all: { pct: 51 } } } };
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(blob) });
  const file = join(machine.home, "limits.json");
  writeFileSync(file, JSON.stringify(blob));
  const facts = join(machine.home, "facts");
  // Name, 5-hour percent and reset, weekly percent and reset.
  writeFileSync(facts, `#!/bin/sh\n[ "$1" = work ] && echo "12 9pm 51 2026-11-30T00:00:00Z"\n`);
  chmodSync(facts, 0o755);
  const env = { url: `COLLECT_URL=http://127.0.0.1:${server.port}/`, file: `COLLECT_FILE='${file}'`, facts: `COLLECT_FACTS='${facts}'` }[
    way
  ];
  const command = `${env} sh '${join(root, "scripts/usage-collector.sh")}'`;
  const report = await machine.usage({ CSM_USAGE_CMD: command });
  await server.stop(true);
  expect(report).toMatchObject({ profiles: { work: { week_all_pct: 51, status: "ok" } } });
  if (way === "facts")
    expect(report).toMatchObject({ profiles: { work: { session_pct: 12 }, home: { status: "errored", error: "no facts" } } });
});
