import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSys } from "../../src/sys.ts";
import { asPublic } from "../public.ts";
import { freePort, redisServer, startRedis } from "../redis-server.ts";
import { csmPath, type Json, until } from "./harness.ts";

setDefaultTimeout(60_000);

const openssl = Bun.which("openssl");
const describeServer = describe.skipIf(redisServer === null || openssl === null);

const dir = mkdtempSync(join(tmpdir(), "csm-fleet-"));
const children: Bun.Subprocess[] = [];
afterAll(async () => {
  for (const child of children) {
    child.kill("SIGCONT");
    child.kill("SIGKILL");
  }
  await Promise.all(children.map(({ exited }) => exited));
  rmSync(dir, { recursive: true, force: true });
});

/** A HOME is a machine. */
function createMachine(name: string) {
  const home = join(dir, "homes", name);
  mkdirSync(home, { recursive: true });
  const env: Record<string, string> = { HOME: home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TMUX_TMPDIR: home };
  const csm = async (args: string[], more: Record<string, string> = {}, input?: string) => {
    const startedAt = performance.now();
    const options = { env: { ...env, ...more }, cwd: home, timeoutMs: 30_000, ...(input === undefined ? {} : { input }) };
    const result = await createSys(env).run([csmPath, ...args], options);
    return { ...result, ms: performance.now() - startedAt };
  };
  return {
    home,
    env,
    csm,
    json: async (args: string[]): Promise<Json> => JSON.parse((await csm([...args, "--json"])).stdout) as Json,
    start(args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
      const child = Bun.spawn([csmPath, ...args], { env, cwd: home, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      children.push(child);
      return child;
    },
  };
}

const ssl = (...args: string[]) => {
  const { exitCode, stderr } = Bun.spawnSync([openssl ?? "", ...args], { cwd: join(dir, "tls"), stderr: "pipe" });
  if (exitCode !== 0) throw new Error(stderr.toString());
};

function makeCertificate(name: string, names: string, days = "10") {
  ssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
  writeFileSync(join(dir, "tls", "ext"), `subjectAltName=${names}`);
  const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", `${name}.crt`, "-extfile", "ext", "-days", days];
  ssl("x509", "-req", "-in", `${name}.csr`, ...signed);
}

async function startServer(config: string): Promise<Bun.Subprocess> {
  const child = await startRedis([config]);
  children.push(child);
  return child;
}

describeServer(`a fleet of machines${redisServer === null ? " (skipped: redis-server is not installed)" : ""}`, () => {
  const laptop = createMachine("laptop");
  const build = createMachine("build");
  const eye = createMachine("eye");
  let port = 0;
  let redis: Bun.Subprocess;
  const tls = join(dir, "tls");
  const conf = join(dir, "redis");
  const joinArgs = (name: string, role = "answer") => [
    ...["fleet", "join", `rediss://${name}@127.0.0.1:${port}`, "--role", role, "--ca", join(tls, "ca.crt")],
    ...["--cert", join(tls, "client.crt"), "--key", join(tls, "client.key"), "--password-file", join(conf, "passwords", name)],
  ];

  beforeAll(async () => {
    mkdirSync(tls);
    ssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "10");
    makeCertificate("server", "DNS:localhost,IP:127.0.0.1");
    makeCertificate("client", "DNS:client");
    port = await freePort();
    const machines = ["laptop:answer", "build:work", "eye:watch"].flatMap((each) => ["--machine", each]);
    const made = await laptop.csm(["fleet", "serve-config", ...machines, "--port", String(port), "--tls", tls, "--dir", conf]);
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("csm fleet join rediss://laptop@127.0.0.1")]);
    redis = await startServer(join(conf, "redis.conf"));
  });

  test("serve-config keeps hashes in the configuration, and passwords for their owner alone", () => {
    const text = readFileSync(join(conf, "redis.conf"), "utf8");
    const password = readFileSync(join(conf, "passwords", "laptop"), "utf8").trim();
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    expect(text).not.toContain(password);
    for (const file of ["redis.conf", "passwords/laptop"]) expect(statSync(join(conf, file)).mode & 0o077).toBe(0);
  });

  test("who has joined is seen by the others, live and then stale, and nothing waits for who is not there", async () => {
    for (const [machine, name, role] of [
      [laptop, "laptop", "answer"],
      [build, "build", "work"],
      [eye, "eye", "watch"],
    ] as const) {
      const joined = await machine.csm(joinArgs(name, role));
      expect([joined.code, joined.stdout]).toEqual([0, expect.stringContaining("ok  connection")]);
    }
    expect(statSync(join(laptop.home, ".local/state/csm/fleet.json")).mode & 0o077).toBe(0);
    const serving = build.start(["fleet", "serve"]);
    const stateOf = async () => ((await eye.json(["fleet", "machines"])).machines as Json[]).find(({ machine }) => machine === "build");
    const [alone, listed] = [await eye.json(["fleet"]), await eye.json(["fleet", "machines"])];
    expect([asPublic("csm fleet", alone), asPublic("csm fleet machines", listed)]).toEqual([alone, listed]);
    const checks = await eye.json(["fleet", "check"]);
    expect(asPublic("csm fleet check", checks) as Json).toEqual(checks);
    expect(await until("build is live", async () => ((await stateOf())?.live === true ? stateOf() : undefined))).toMatchObject({
      role: "work",
      sessions: 0,
    });
    serving.kill("SIGTERM");
    await serving.exited;
    expect(await stateOf()).toMatchObject({ live: false });
    expect((await eye.csm(["fleet", "serve"])).stderr).toContain("has the role watch");
  });

  test("a credential reaches what its role allows, and no further", async () => {
    const cli = (name: string, ...args: string[]) => {
      const password = readFileSync(join(conf, "passwords", name), "utf8").trim();
      const flags = ["--tls", "--cacert", "ca.crt", "--cert", "client.crt", "--key", "client.key", "--user", name, "--pass", password];
      return Bun.spawnSync(["redis-cli", "--no-auth-warning", "-p", String(port), ...flags, ...args], { cwd: tls }).stdout.toString();
    };
    const writes = [
      ["SET", "csm:machine:laptop", "x"],
      ["SET", "csm:asks:laptop", "x"],
      ["SET", "csm:usage:laptop", "x"],
      ["SET", "csm:live:laptop", "x"],
      ["SET", "csm:outcome:laptop:1", "x"],
      ["SET", "csm:inbox:laptop", "x"],
      ["DEL", "csm:machine:laptop"],
      ["DEL", "csm:machines"],
      ["SET", "csm:machines", "x"],
      ["SREM", "csm:machines", "laptop"],
      ["EXPIRE", "csm:machine:laptop", "1"],
      ["XREAD", "STREAMS", "csm:inbox:laptop", "0"],
      ["XTRIM", "csm:inbox:laptop", "MAXLEN", "0"],
      ["EVAL", "return redis.call('SET','csm:machine:laptop','x')", "0"],
      ["FLUSHALL"],
      ["CONFIG", "GET", "dir"],
      ["ACL", "LIST"],
      ["KEYS", "*"],
      ["PUBLISH", "other", "x"],
    ];
    // A script of a worker may run, and gets no further than a command of its own.
    const refusal = expect.stringMatching(/NOPERM|can't access at least one of the keys/);
    for (const name of ["eye", "build"])
      for (const args of writes) expect([name, args.join(" "), cli(name, ...args)]).toEqual([name, args.join(" "), refusal]);
    for (const args of [
      ["SET", "csm:machine:eye", "x"],
      ["SADD", "csm:machines", "x"],
      ["XADD", "csm:inbox:laptop", "*", "a", "1"],
      ["PUBLISH", "csm:changed", "x"],
      ["GET", "csm:asks:laptop"],
    ])
      expect(cli("eye", ...args)).toContain("NOPERM");
    expect(cli("eye", "GET", "csm:machine:build")).toContain('"machine":"build"');
    expect(cli("build", "XADD", "csm:inbox:laptop", "*", "a", "1")).not.toContain("NOPERM");
  });

  test("a server that is gone, stopped, or forgets: rows of it are stale, one line says why, nothing hangs, and it is found again", async () => {
    const serving = build.start(["fleet", "serve"]);
    const isLive = async () =>
      ((await laptop.json(["fleet", "machines"])).machines as Json[]).some(({ machine, live }) => machine === "build" && live === true);
    await until("build is live", isLive);
    expect((await laptop.csm(["ls", "--fleet"])).code).toBe(0);

    redis.kill("SIGSTOP");
    const stopped = await laptop.csm(["ls"]);
    expect([stopped.code, stopped.stderr]).toEqual([0, expect.stringMatching(/^csm ls: .*does not answer.*old \(csm fleet check\)\n$/)]);
    expect(stopped.ms).toBeLessThan(20_000);
    redis.kill("SIGCONT");
    await until("build is live again", isLive);

    redis.kill("SIGKILL");
    await redis.exited;
    const gone = await laptop.csm(["ls", "--json"]);
    expect(JSON.parse(gone.stdout)).toMatchObject({
      machine: "laptop",
      fleet_failure: expect.stringMatching(/does not answer|nobody is reached/),
    });
    const checked = await laptop.csm(["fleet", "check"]);
    expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining("broken  connection")]);
    expect((await laptop.csm(["ls", "--local"])).stderr).toBe("");

    rmSync(join(conf, "appendonlydir"), { recursive: true, force: true });
    redis = await startServer(join(conf, "redis.conf"));
    await until("build has told a server that knew nothing of it", isLive);
    serving.kill("SIGTERM");
    await serving.exited;
  });

  test("two machines of one account see each other's use, and whose word it is; another login is nobody's business", async () => {
    for (const [machine, account] of [
      [laptop, "11111111-0000-4000-8000-000000000001"],
      [build, "11111111-0000-4000-8000-000000000001"],
      [eye, "11111111-0000-4000-8000-000000000002"],
    ] as const)
      writeFileSync(join(machine.home, ".claude.json"), JSON.stringify({ oauthAccount: { accountUuid: account } }));
    for (const { home } of [laptop, build, eye]) mkdirSync(join(home, ".claude"), { recursive: true });
    const serving = [laptop.start(["fleet", "serve"]), build.start(["fleet", "serve"])];
    const resetsAt = Math.round(Date.now() / 1000) + 7200;
    const paint = (percent: number) =>
      build.csm(
        ["statusline"],
        {},
        JSON.stringify({ session_id: crypto.randomUUID(), rate_limits: { five_hour: { used_percentage: percent, resets_at: resetsAt } } }),
      );
    const usedOn = async (machine: ReturnType<typeof createMachine>) => {
      const { profiles } = (await machine.json(["usage"])) as {
        profiles: { windows?: Record<string, { used_percent: number; source: string }> }[];
      };
      return JSON.stringify(profiles);
    };
    for (const percent of [41, 73]) {
      await paint(percent);
      const seen = await until(`laptop knows of ${percent} %`, async () =>
        (await usedOn(laptop)).includes(String(percent)) ? usedOn(laptop) : undefined,
      );
      expect(seen).toContain("fleet/build");
    }
    expect(await usedOn(eye)).not.toContain("73");
    expect(await usedOn(build)).not.toContain("fleet/");
    for (const child of serving) child.kill("SIGTERM");
    await Promise.all(serving.map(({ exited }) => exited));
  });

  test("what keeps a machine out is said in one line, and changes nothing", async () => {
    const other = createMachine("other");
    const wrong = join(dir, "wrong");
    writeFileSync(wrong, "wrong\n");
    const refused = async (args: string[], more: Record<string, string> = {}) => {
      const { code, stdout, stderr } = await other.csm(["fleet", "join", ...args], more);
      expect(code).toBeGreaterThan(0);
      return `${stdout}${stderr}`;
    };
    const trusted = ["--ca", join(tls, "ca.crt"), "--cert", join(tls, "client.crt"), "--key", join(tls, "client.key")];
    const at = `rediss://laptop@127.0.0.1:${port}`;
    expect(await refused([at, ...trusted, "--password-file", wrong])).toContain("does not take the password of laptop");
    expect(await refused([at, ...trusted])).toMatch(/wants a name and a password|does not take the password/);
    expect(await refused([at, "--cert", join(tls, "client.crt"), "--key", join(tls, "client.key")])).toContain("is not trusted");
    expect(await refused([at, "--ca", join(tls, "ca.crt")])).toContain("wants a certificate of this machine");
    expect(await refused([`redis://laptop@127.0.0.1:${port}`])).toContain("say rediss://");
    expect(await refused([`rediss://laptop@127.0.0.1:${await freePort()}`, ...trusted])).toContain("nobody is reached");
    expect(await refused(["redis://fleet.example"])).toContain("sends all in plain words");
    expect(await refused(["rediss://a:secret@fleet.example"])).not.toContain("secret");
    const http = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    expect(await refused([`redis://127.0.0.1:${http.port}`], { CSM_FLEET_PASSWORD: "x" })).toContain("no Redis server");
    http.stop(true);
    expect((await other.csm(["fleet"])).stderr).toContain("has joined no fleet");
  });

  test("a certificate that has ended, and one of another host", async () => {
    makeCertificate("expired", "IP:127.0.0.1", "-1");
    makeCertificate("elsewhere", "DNS:elsewhere.example");
    for (const [name, words] of [
      ["expired", /expired/],
      ["elsewhere", /altnames/],
    ] as const) {
      const other = await freePort();
      const config = readFileSync(join(conf, "redis.conf"), "utf8")
        .replace(/^tls-port .*$/m, `tls-port ${other}`)
        .replaceAll("server.crt", `${name}.crt`)
        .replaceAll("server.key", `${name}.key`)
        .replace("appendonly yes", "appendonly no");
      writeFileSync(join(dir, `${name}.conf`), config);
      await startServer(join(dir, `${name}.conf`));
      const refused = await laptop.csm(joinArgs("laptop").map((word) => word.replace(`:${port}`, `:${other}`)));
      expect([refused.code, refused.stdout]).toEqual([1, expect.stringMatching(words)]);
    }
  });

  test("leaving forgets it", async () => {
    expect((await laptop.csm(["fleet", "leave"])).code).toBe(0);
    expect((await laptop.csm(["fleet"])).stderr).toContain("has joined no fleet");
  });
});
