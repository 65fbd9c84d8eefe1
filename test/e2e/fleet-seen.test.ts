import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { freePort, redisServer, startRedis } from "../redis-server.ts";
import { type Box, csmPath, type Json, openBox, until } from "./harness.ts";

setDefaultTimeout(90_000);

const faketime = Bun.which("faketime");
const dir = mkdtempSync(join(tmpdir(), "csm-fleet-seen-"));
const conf = join(dir, "redis");
const children: Bun.Subprocess[] = [];

/** All that goes through to the server, in both directions. */
function startProxy(port: number) {
  const heard: string[] = [];
  const peers = new Map<unknown, Promise<Bun.Socket | undefined>>();
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        const data = (_: unknown, chunk: Uint8Array) => void socket.write(chunk);
        const peer = Bun.connect({ hostname: "127.0.0.1", port, socket: { data, close: () => void socket.end() } });
        // The server is down: so is the way to it.
        peers.set(
          socket,
          peer.catch(() => void socket.end()),
        );
      },
      data(socket, chunk) {
        heard.push(chunk.toString("utf8"));
        void peers.get(socket)?.then((peer) => peer?.write(chunk));
      },
      close: (socket) => void peers.get(socket)?.then((peer) => peer?.end()),
    },
  });
  return { port: listener.port, text: () => heard.join(""), stop: () => listener.stop(true) };
}

describe.skipIf(redisServer === null)(
  `a fleet that is looked at${redisServer === null ? " (skipped: redis-server is not installed)" : ""}`,
  () => {
    const marks = { prompt: "MARK-typed-prompt", answer: "MARK-answered-text", folder: "MARK-folder" };
    const home = join(dir, "eye");
    const env: Record<string, string> = { HOME: home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TMUX_TMPDIR: home };
    let box: Box;
    let port = 0;
    let redis: Bun.Subprocess;
    let proxy: ReturnType<typeof startProxy>;
    const run = async (argv: string[]) => {
      const child = Bun.spawn(argv, { env, cwd: home, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      return { code: await child.exited, stdout, stderr };
    };
    const csm = (...words: string[]) => run([csmPath, ...words]);
    const json = async (...words: string[]) => JSON.parse((await csm(...words, "--json")).stdout) as Json;
    const remote = async () => (await json("ls")).remote as Json[];
    const passwordOf = (name: string) => join(conf, "passwords", name);
    const cli = (name: string, input: string, ...args: string[]) => {
      const flags = ["--no-auth-warning", "-p", String(port), "--user", name, "--pass", readFileSync(passwordOf(name), "utf8").trim()];
      return Bun.spawnSync(["redis-cli", ...flags, ...args], { stdin: Buffer.from(input) }).stdout.toString();
    };
    const joinAs = (name: string, at = port, role = "answer") => [
      ...["fleet", "join", `redis://${name}@127.0.0.1:${at}`, "--role", role, "--password-file", passwordOf(name)],
    ];
    const serve = () => {
      const child = Bun.spawn([csmPath, "fleet", "serve"], {
        cwd: box.home,
        env: box.env,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
      children.push(child);
      return child;
    };

    beforeAll(async () => {
      mkdirSync(join(home, ".claude"), { recursive: true });
      box = await openBox({ fallback: () => say(marks.answer) });
      port = await freePort();
      const users = ["build:answer", "eye:watch", "odd:answer"].flatMap((each) => ["--machine", each]);
      await box.csm(["fleet", "serve-config", ...users, "--port", String(port), "--dir", conf]);
      redis = await startRedis([join(conf, "redis.conf")]);
      proxy = startProxy(port);
      expect(await box.csm(joinAs("build", proxy.port))).toMatchObject({ code: 0, stderr: "" });
      expect(await csm(...joinAs("eye", port, "watch"))).toMatchObject({ code: 0, stderr: "" });
    });
    afterAll(async () => {
      for (const child of [...children, redis]) child.kill("SIGKILL");
      await Promise.all([...children, redis].map(({ exited }) => exited));
      proxy.stop();
      await box.close();
      rmSync(dir, { recursive: true, force: true });
    });

    test("nothing that was typed or answered, and no folder, goes to the server; what is shared does", async () => {
      const folder = box.folder(`${marks.folder}/app`);
      const spawned = await box.csd(["spawn", "--cwd", folder, "--permission-mode", "manual"]);
      const name = String(spawned.name);
      await box.send(name, `please ${marks.prompt}`);
      await box.reach(name, "idle_done");
      // The transcript holds all of them.
      const transcript = readFileSync(
        String(((await box.csm(["ls", "--local", "--json"])).stdout.match(/"transcript": "(.*?)"/) ?? [])[1]),
        "utf8",
      );
      for (const mark of Object.values(marks)) expect(transcript).toContain(mark);
      const serving = serve();
      const row = await until("its row is there", async () =>
        (await remote()).find(({ status, stale_ms }) => status === "idle_done" && stale_ms === null),
      );
      expect(row).toMatchObject({ id: `build/${spawned.session_id}`, machine: "build", stale_ms: null, cwd: null, title: null });
      await box.send(name, `again ${marks.prompt}`);
      await until("it has told of its use", () => proxy.text().includes("csm:cost:build"));
      serving.kill("SIGTERM");
      await serving.exited;
      expect(proxy.text()).toContain(String(spawned.session_id));
      for (const mark of Object.values(marks)) expect([mark, proxy.text().includes(mark)]).toEqual([mark, false]);
      // Each second at most one write of its state, though its turn changed it many times.
      const told = proxy.text().match(/csm:machine:build\r\n\$\d+\r\n\{/g) ?? [];
      expect(told.length).toBeLessThan(20);
      const titles = Bun.spawn([csmPath, "fleet", "serve", "--share", "titles"], {
        cwd: box.home,
        env: box.env,
        stdout: "ignore",
        stderr: "ignore",
      });
      children.push(titles);
      await until("it shares titles and folders", () => proxy.text().includes(marks.prompt) && proxy.text().includes(marks.folder));
      titles.kill("SIGTERM");
      await titles.exited;
    });

    test("every list shows it, and says when nobody hears of it any more", async () => {
      const serving = serve();
      await until("it is heard of", async () => (await remote()).some(({ stale_ms }) => stale_ms === null));
      const listed = await json("ls");
      expect(asPublic("csm ls", listed) as Json).toEqual(listed);
      const once = await csm("top", "--once");
      expect([once.stdout, once.stderr]).toEqual([expect.stringMatching(/build\/\S+/), ""]);
      expect((await csm("top", "--once", "--local")).stdout).not.toContain("build/");
      const cost = await until("its cost is told", async () => {
        const told = await json("cost", "machine", "--fleet");
        return (told.rows as Json[]).length > 0 && told;
      });
      expect(asPublic("csm cost", cost) as Json).toEqual(cost);
      expect(cost).toMatchObject({ machine: "eye", fleet_failure: null, rows: [{ key: "build", messages: expect.any(Number) }] });
      const own = JSON.parse((await box.csm(["cost", "--local", "--json"])).stdout) as { totals: Json };
      const all = JSON.parse((await box.csm(["cost", "--json"])).stdout) as { totals: Json };
      // What this machine has told is not counted a second time.
      expect(all.totals).toMatchObject({ total_tokens: own.totals.total_tokens, messages: own.totals.messages });
      expect(await json("tasks", "list")).toEqual({ runs: [], remote: [] });
      expect((await csm("cost", "session", "--fleet")).stderr).toContain("is of this machine alone");
      for (const words of [["ls"], ["cost"], ["usage"], ["watch"], ["top", "--once"], ["tasks", "list"]])
        expect((await csm(...words, "--fleet", "--local")).stderr).toContain("--fleet and --local are both given");

      const watching = Bun.spawn([csmPath, "watch", "--json", "--heartbeat", "600"], {
        env,
        cwd: home,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      children.push(watching);
      const lines: Json[] = [];
      void (async () => {
        let rest = "";
        for await (const chunk of watching.stdout) {
          const parts = (rest + new TextDecoder().decode(chunk)).split("\n");
          rest = parts.pop() ?? "";
          lines.push(...parts.map((line) => JSON.parse(line) as Json));
        }
      })();
      const last = () => lines.findLast(({ machine }) => machine === "build");
      await until("watch shows it as heard of", () => last()?.stale_ms === null);
      expect(asPublic("csm watch", last()) as Json).toEqual(last() as Json);
      redis.kill("SIGKILL");
      await redis.exited;
      await until("watch shows it as stale", () => typeof last()?.stale_ms === "number");
      const gone = await csm("ls");
      expect([gone.code, gone.stdout, gone.stderr]).toEqual([
        0,
        expect.stringMatching(/build .* ago/),
        expect.stringMatching(/^csm ls: .*\n$/),
      ]);
      // It has forgotten everything, and is told all anew.
      rmSync(join(conf, "appendonlydir"), { recursive: true, force: true });
      redis = await startRedis([join(conf, "redis.conf")]);
      await until("watch shows it as heard of again", () => last()?.stale_ms === null);
      expect(lines.filter(({ event, machine }) => event === "gone" && machine === "build")).toEqual([]);
      watching.kill("SIGTERM");
      await watching.exited;
      expect((await watching.stderr.text()).split("\n").filter((line) => line.includes("trying on"))).toHaveLength(1);
      serving.kill("SIGTERM");
      await serving.exited;
    });

    test("a machine that tells nonsense costs its own rows alone, and a clock that is off none", async () => {
      // That it was not reached a moment ago is forgotten with this.
      rmSync(join(home, ".local/state/csm/fleet-seen.json"));
      const state = JSON.parse(cli("eye", "", "GET", "csm:machine:build")) as { sessions: Json[] };
      const tell = (text: string) => {
        cli("odd", text, "-x", "SET", "csm:machine:odd");
        cli("odd", "", "SADD", "csm:machines", "odd");
        cli("odd", "", "SET", "csm:live:odd", "1");
      };
      const odd = { ...state, machine: "odd", at: Date.now() };
      for (const text of [
        '{"v":1,"machine":"odd"',
        "x".repeat(10_000_000),
        JSON.stringify({ ...odd, sessions: "none" }),
        JSON.stringify(state),
      ]) {
        tell(text);
        const { code, stdout, stderr } = await csm("ls");
        expect([code, stdout, stderr]).toEqual([
          0,
          expect.stringContaining("build"),
          expect.stringContaining("what odd told cannot be read"),
        ]);
      }
      const [good = {}] = state.sessions;
      tell(
        JSON.stringify({
          ...odd,
          sessions: [{ ...good, name: "\u001b]0;owned\u0007\u202eevil", words: "\u001b[2J" }, { ...good, name: 7 }, null],
        }),
      );
      const hostile = await csm("ls");
      expect(hostile.stdout).toContain("odd");
      expect([hostile.code, hostile.stderr, ["\u001b", "\u0007", "\u202e"].filter((sign) => hostile.stdout.includes(sign))]).toEqual([
        0,
        "",
        [],
      ]);
      cli("odd", "", "SET", "csm:machine:odd", "x");

      const before = (await remote()).find(({ machine }) => machine === "build");
      if (faketime !== null) {
        const late = await run([faketime, "-f", "+600s", csmPath, "ls", "--json"]);
        const row = ((JSON.parse(late.stdout) as Json).remote as Json[]).find(({ machine }) => machine === "build");
        // By its own clock, which is ten minutes ahead, everything is ten minutes later; ages are what they were.
        expect(Math.round((Number(row?.since_at) - Number(before?.since_at)) / 60_000)).toBe(10);
        expect(Number(row?.stale_ms) - Number(before?.stale_ms)).toBeLessThan(60_000);
      }
      writeFileSync(passwordOf("eye"), "wrong\n");
      const wrong = await csm("ls");
      expect([wrong.code, wrong.stdout]).toEqual([0, expect.stringContaining("build")]);
      expect(wrong.stderr).toMatch(/^csm ls: the server at .* does not take the password of eye; what is known of it is .* old.*\n/);
    });
  },
);
