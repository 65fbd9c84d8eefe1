import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRecord } from "../../src/json.ts";
import { ask, bash, say } from "../../src/stub-script.ts";
import { createSys, type RunResult } from "../../src/sys.ts";
import { asPublic } from "../public.ts";
import { claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

/** Gates of one machine that are answered on another one: two homes, a real redis-server, the real claude. */

const server = Bun.which("redis-server");
const sandbox = useBox();
const dir = mkdtempSync(join(tmpdir(), "csm-fleet-gates-"));
const children = new Set<Bun.Subprocess>();
afterAll(async () => {
  for (const child of children) {
    child.kill("SIGCONT");
    child.kill("SIGKILL");
    await child.exited;
  }
  rmSync(dir, { recursive: true, force: true });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const conf = join(dir, "redis");

async function startServer(): Promise<Bun.Subprocess> {
  const child = Bun.spawn([server ?? "", join(conf, "redis.conf")], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  children.add(child);
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("Ready to accept connections")) return child;
  }
  throw new Error(text);
}

describe.skipIf(server === null)(`gates from anywhere${server === null ? " (skipped: redis-server is not installed)" : ""}`, () => {
  let port = 0;
  let redis: Bun.Subprocess;
  let serving: Bun.Subprocess | undefined;
  const far = { home: join(dir, "far"), env: {} as Record<string, string> };

  const near = (...args: string[]) => sandbox.box.csm(args);
  const csm = (args: string[], more: Record<string, string> = {}): Promise<RunResult> =>
    createSys(far.env).run([csmPath, ...args], { env: { ...far.env, ...more }, cwd: far.home, timeoutMs: 60_000 });
  const json = async (args: string[]): Promise<Json> => {
    const value = JSON.parse((await csm([...args, "--json"])).stdout) as Json;
    // Of csm allow and csm deny it is the same.
    expect(asPublic("csm answer", value) as Json).toEqual(value);
    return value;
  };
  const cli = (...args: string[]) =>
    Bun.spawnSync(["redis-cli", "-p", String(port), "--user", "admin", "--pass", "x", "--no-auth-warning", ...args]).stdout.toString();
  const serve = (...more: string[]) => {
    serving = Bun.spawn([csmPath, "fleet", "serve", ...more], {
      env: sandbox.box.env,
      cwd: sandbox.box.home,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    children.add(serving);
  };
  /** As the others are told of it: asked of the server itself, which costs less than a csm each time. */
  const rowOf = (name: string): Json | undefined => {
    const { sessions = [] } = (parseRecord(cli("GET", "csm:machine:near")) ?? {}) as { sessions?: Json[] };
    return !["", "0"].includes(cli("GET", "csm:live:near").trim())
      ? sessions.find((row) => row.name === name || row.session_id === name)
      : undefined;
  };
  const isTold = (name: string, status = "blocked", before?: unknown) =>
    until(
      `${name} is told as ${status}`,
      () => {
        const row = rowOf(name);
        return row?.status === status && row.gate_id !== before ? row : undefined;
      },
      () => cli("GET", "csm:machine:near"),
    );
  const audit = (home: string) => readFileSync(join(home, ".local/state/csd/audit.jsonl"), "utf8");

  beforeAll(async () => {
    port = await freePort();
    mkdirSync(far.home, { recursive: true });
    far.env = { HOME: far.home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TMUX_TMPDIR: far.home };
    const machines = ["near:answer", "far:answer", "eye:watch"].flatMap((each) => ["--machine", each]);
    expect((await csm(["fleet", "serve-config", ...machines, "--port", String(port), "--dir", conf])).code).toBe(0);
    appendFileSync(join(conf, "redis.conf"), "user admin on >x ~* &* +@all\nenable-debug-command local\n");
    redis = await startServer();
    for (const [name, run] of [
      ["near", near],
      ["far", (...args: string[]) => csm(args)],
    ] as const) {
      const joined = await run("fleet", "join", `redis://${name}@127.0.0.1:${port}`, "--password-file", join(conf, "passwords", name));
      expect([joined.code, joined.stderr]).toEqual([0, ""]);
    }
    serve();
  });

  test("allowed, denied and answered over there: sent, then what became of it, in the audit of both", async () => {
    const { box } = sandbox;
    const options = ["src", "test"].map((label) => ({ label, description: "" }));
    const steps = [
      bash("echo once >> made.txt"),
      bash("touch no.txt"),
      ask({ question: "Which folder?", header: "Folder", options }),
      say("Done."),
    ];
    await box.spawn("fix", steps);
    await box.send("fix", "Go on");
    await isTold("fix");
    const told = await until("what it asks is told", async () => {
      const all = JSON.parse((await csm(["fleet", "asks", "--json"])).stdout) as { asks: Json[] };
      return all.asks.length === 1 && all;
    });
    expect(asPublic("csm fleet asks", told) as object).toEqual(told);
    expect(told.asks[0]).toMatchObject({ machine: "near", session: "fix", live: true, tool: "Bash", request: "echo once >> made.txt" });
    expect((await csm(["fleet", "asks"])).stdout).toMatch(/near\/fix +[0-9a-f]+ +main +Bash\n {2}echo once >> made\.txt\n/);
    const allowed = await csm(["allow", "near/fix", "--expect", "echo once >> made.txt"]);
    expect([allowed.code, allowed.stdout, allowed.stderr]).toEqual([
      0,
      "applied: near: fix: Yes\n",
      "sent: allow near/fix: Bash echo once >> made.txt\n",
    ]);
    const first = (await box.reach("fix", "blocked")).gate_id;
    await until("the next gate is told", () => rowOf("fix")?.gate_id === first);
    // What is expected is checked over there, right before the answer.
    const other = await csm(["allow", "near/fix", "--expect", "touch yes.txt"]);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("near/fix: refused: the gate is not for")]);
    // Nobody answers for the session that it runs in, not by way of another machine either.
    const own = await csm(["allow", "near/fix"], { CLAUDE_CODE_SESSION_ID: String((await box.state("fix")).session_id) });
    expect([own.code, own.stderr]).toEqual([1, expect.stringContaining("may not allow itself")]);
    expect(await json(["deny", "near/fix", "--reason", "not that"])).toMatchObject({ ok: true, outcome: "applied", gate_id: first });
    await isTold("fix", "awaiting_answer");
    expect(await json(["answer", "near/fix", "--choice", "test"])).toMatchObject({ ok: true, words: "fix: test" });
    expect(await box.reach("fix", "idle_done")).toMatchObject({ text: "Done." });
    expect(readFileSync(join(box.home, "work/fix/made.txt"), "utf8")).toBe("once\n");
    for (const [home, channel] of [
      [box.home, '"channel":"fleet/far"'],
      [far.home, '"channel":"fleet"'],
    ] as const) {
      const lines = audit(home).trim().split("\n");
      expect(lines.filter((line) => line.includes(channel) && line.includes('"decision":"allow"')).length).toBeGreaterThan(0);
      expect(lines.some((line) => line.includes('"event":"refused"') && line.includes("may not allow itself"))).toBe(true);
    }
  });

  test("too late, and never an answer to another gate; a prompt is taken only where it is let in", async () => {
    const { box } = sandbox;
    await box.spawn("late", [bash("touch one.txt"), bash("touch two.txt"), say("Done.")]);
    await box.send("late", "Go on");
    const { gate_id: first } = await isTold("late");
    await box.csd(["approve", "late"]);
    await box.reach("late", "blocked");
    const late = await csm(["allow", "near/late", "--gate", String(first)]);
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining("near/late: too late: gate")]);
    const typed = await csm(["type", "near/late", "rm", "-rf", "/"]);
    expect([typed.code, typed.stderr]).toEqual([1, expect.stringContaining("near takes no prompts of others")]);
    expect((await near("fleet", "serve")).stderr).toContain("runs on this machine already");
    expect((await csm(["allow", "near/nobody"])).stderr).toContain('near has no session "nobody"');
    expect((await box.state("late")).status).toBe("blocked");
  });

  test("a machine that is away: the request expires, and is not done when it comes back", async () => {
    const { box } = sandbox;
    serving?.kill("SIGTERM");
    await serving?.exited;
    const away = await csm(["allow", "near/late", "--timeout", "1"]);
    expect([away.code, away.stderr]).toEqual([
      124,
      expect.stringMatching(/^sent: .*near is away.*\n.*nothing was done, and nothing will be; csm fleet machines/),
    ]);
    serve("--accept", "prompts");
    await isTold("late");
    await until("it has seen the request", () => audit(box.home).includes("its time was over"));
    expect([(await box.state("late")).status, cli("XLEN", "csm:inbox:near").trim()]).toEqual(["blocked", "0"]);
    const typed = await csm(["type", "near/fix", "Hello", "there"]);
    expect([typed.code, typed.stdout]).toEqual([0, "applied: near: fix has the message (turn_started)\n"]);
    expect(audit(box.home)).toMatch(/"request":"\{\\"prompt\\":\\"Hello there/);
  });

  test("a server that is stopped, full, killed with nothing kept, or slow: one line, no hang, and the gate is answered afterwards", async () => {
    const { box } = sandbox;
    redis.kill("SIGSTOP");
    const stopped = await csm(["allow", "near/late", "--timeout", "2"]);
    redis.kill("SIGCONT");
    expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringMatching(/^csm: .*does not answer/)]);
    await isTold("late");

    cli("CONFIG", "SET", "maxmemory", "1");
    const full = await csm(["allow", "near/late", "--timeout", "2"]);
    expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/^csm: the server of the fleet is full;/)]);
    const { remote } = JSON.parse((await csm(["ls", "--json"])).stdout) as { remote: Json[] };
    expect(remote).toContainEqual(expect.objectContaining({ id: expect.stringMatching(/^near\//), name: "late", status: "blocked" }));
    cli("CONFIG", "SET", "maxmemory", "0");

    cli("FLUSHALL");
    redis.kill("SIGKILL");
    await redis.exited;
    redis = await startServer();
    await isTold("late");
    cli("CLIENT", "PAUSE", "700", "ALL");
    // Of two the first one wins.
    const slow = await Promise.all([csm(["allow", "near/late"]), csm(["allow", "near/late"])]);
    expect(slow.map(({ code, stdout }) => `${code} ${stdout}`).sort()).toEqual(["0 applied: near: late: Yes\n", "3 "]);
    await box.reach("late", "idle_done");
  });

  test.skipIf(Bun.which("faketime") === null)(
    "a clock that is ten minutes off: deadlines are the server's, and the checks say so",
    async () => {
      const { box } = sandbox;
      // One that csd did not start: by keys in its pane.
      const id = crypto.randomUUID();
      const args = ["--permission-mode", "manual", "--session-id", id, "Go on"];
      box.stub.script(id, [bash("touch own.txt"), bash("touch more.txt"), say("Done.")]);
      await box.run([
        "tmux",
        "-u",
        "new-session",
        "-d",
        "-s",
        "own",
        "-x",
        "160",
        "-y",
        "50",
        "-c",
        box.folder("own"),
        claudePath,
        ...args,
      ]);
      let before: unknown;
      for (const shift of ["+10m", "-10m"]) {
        before = (await isTold(id, "blocked", before)).gate_id;
        const run = (...words: string[]) =>
          createSys(far.env).run(["faketime", "-f", shift, csmPath, ...words], { cwd: far.home, env: far.env });
        expect((await run("allow", `near/${id}`)).stdout).toMatch(/^applied: near: own\S*: Yes\n$/);
        expect((await run("fleet", "check")).stdout).toMatch(/broken +clock +(?:9m 5\ds|10m)/);
      }
    },
  );

  test("who may answer writes nothing of another machine but into its inbox, and reads no inbox", () => {
    const tried = [
      ...["machine:near", "asks:near", "live:near", "usage:near", "outcome:near:1", "inbox:near", "inbox:far"].map((key) => [
        "SET",
        `csm:${key}`,
        "x",
      ]),
      ...["inbox:near", "outcome:near:1", "machine:far"].map((key) => ["DEL", `csm:${key}`]),
      ["XREAD", "STREAMS", "csm:inbox:near", "0"],
      ["XRANGE", "csm:inbox:near", "-", "+"],
      ["XDEL", "csm:inbox:near", "1-1"],
      ["XTRIM", "csm:inbox:near", "MAXLEN", "0"],
      ["XADD", "csm:machine:near", "*", "a", "1"],
      ["GETDEL", "csm:outcome:near:1"],
      ["EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "csm:outcome:near:1"],
      ["CONFIG", "SET", "maxmemory", "1"],
    ];
    const answers = tried.map((words) => [words.join(" "), cli("ACL", "DRYRUN", "far", ...words).trim()]);
    expect(answers.filter(([, said = ""]) => !/no permissions/.test(said))).toEqual([]);
    expect(cli("ACL", "DRYRUN", "far", "XADD", "csm:inbox:near", "*", "a", "1").trim()).toBe("OK");
  });

  test("who may only watch writes nothing, whatever the command", () => {
    const commands = cli("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write").trim().split("\n");
    expect(commands.length).toBeGreaterThan(80);
    const tried = commands.map((command) => {
      const arity = Math.abs(Number(/\(integer\) (-?\d+)/.exec(cli("--no-raw", "COMMAND", "INFO", command))?.[1] ?? 3));
      const words = command.split("|");
      return cli("ACL", "DRYRUN", "eye", ...words, ...Array.from({ length: arity - words.length }, () => "csm:machine:near"));
    });
    expect(tried.filter((said) => !said.includes("has no permissions to run"))).toEqual([]);
  });
});
