import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFleetRounds } from "../../scripts/fleet-rounds.ts";
import { fail, hold, type Reply, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { freePort, redisServer, startRedis } from "../redis-server.ts";
import { type Box, csmPath, type Json, openBox, promptOf, until } from "./harness.ts";

setDefaultTimeout(90_000);

const dir = mkdtempSync(join(tmpdir(), "csm-fleet-tasks-"));
const conf = join(dir, "redis");
const children: Bun.Subprocess[] = [];
const workers: Bun.Subprocess[] = [];
/** What the model says on this machine, by the first word of the prompt. */
const answers: Record<string, (first: string) => Reply> = {};

interface Machine {
  name: string;
  box: Box;
  api: string;
  start(...words: string[]): Bun.Subprocess<"ignore", "pipe", "pipe">;
  asked(): string[];
}

async function createMachine(name: string): Promise<Machine> {
  const box = await openBox({ fallback: (request) => (answers[name] ?? (() => say("Done.")))(promptOf(request)) });
  return {
    ...{ name, box, api: box.folder("api") },
    start(...words) {
      const child = Bun.spawn([csmPath, ...words], { cwd: box.home, env: box.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      children.push(child);
      return child;
    },
    asked: () => box.stub.requests.filter(({ isMainThread }) => isMainThread).map(promptOf),
  };
}

const skipped = redisServer === null ? " (skipped: redis-server is not installed)" : "";
describe.skipIf(redisServer === null)(`tasks over machines${skipped}`, () => {
  let one: Machine;
  let two: Machine;
  let port = 0;
  const machines = () => [one, two];
  const work = (machine: Machine, ...more: string[]) => {
    const child = machine.start("fleet", "work", "--jobs", "2", "--label", `repo:api=${machine.api}`, ...more);
    workers.push(child);
    return child;
  };
  const cli = (name: string, ...args: string[]) => {
    const password = readFileSync(join(conf, "passwords", name), "utf8").trim();
    const flags = ["--no-auth-warning", "-p", String(port), "--user", name, "--pass", password];
    return Bun.spawnSync(["redis-cli", ...flags, ...args])
      .stdout.toString()
      .trim();
  };
  const fileOf = (name: string, tasks: Json[]) => {
    const path = join(one.box.home, name);
    writeFileSync(path, JSON.stringify({ tasks }));
    return path;
  };
  const status = async (run: string) => {
    const told = JSON.parse((await one.box.csm(["tasks", "status", run, "--json"])).stdout) as Json & { tasks: Json[] };
    return { told, rows: Object.fromEntries(told.tasks.map((row) => [String(row.task), row])) };
  };

  beforeAll(async () => {
    [one, two] = await Promise.all([createMachine("one"), createMachine("two")]);
    port = await freePort();
    const users = ["one:work", "two:work", "reads:watch", "says:answer"].flatMap((each) => ["--machine", each]);
    await one.box.csm(["fleet", "serve-config", ...users, "--port", String(port), "--dir", conf]);
    children.push(await startRedis([join(conf, "redis.conf")]));
    for (const { name, box } of machines()) {
      const words = ["--role", "work", "--password-file", join(conf, "passwords", name)];
      const joined = await box.csm(["fleet", "join", `redis://${name}@127.0.0.1:${port}`, ...words]);
      expect([joined.code, joined.stderr]).toEqual([0, ""]);
    }
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ exited }) => exited));
    await Promise.all(machines().map(({ box }) => box.close()));
    rmSync(dir, { recursive: true, force: true });
  });

  test("a graph of four on two machines, and csm killed on one in the middle: each is done once, in its folder there", async () => {
    answers.two = (first) => (first.startsWith("Paint") ? hold("Painted") : say(`two did ${first}`));
    work(one);
    const killed = work(two, "--label", "gpu");
    const needs = ["repo:api"];
    const file = fileOf("night.json", [
      { name: "plan", prompt: "Plan", needs },
      { name: "paint", prompt: "Paint", needs: [...needs, "gpu"] },
      { name: "both", prompt: "Both: {{plan.result}} {{paint.result}}", needs, depends_on: ["plan", "paint"] },
      { name: "last", prompt: "Last", needs: ["repo:api", "one"], depends_on: ["both"] },
    ]);
    const running = one.start("tasks", "run", file, "--fleet", "--json");
    await until("two is asked to paint", () => two.asked().some((prompt) => prompt.startsWith("Paint")));
    killed.kill("SIGKILL");
    await killed.exited;
    work(two, "--label", "gpu");
    const held = two.box.stub.requests.find((request) => promptOf(request) === "Paint");
    two.box.stub.release(held?.sessionId ?? "");
    const lines = (await running.stdout.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Json);
    expect([await running.exited, lines.filter(({ event }) => event === "succeeded").length]).toEqual([0, 4]);
    const { told, rows } = await status(String(lines[0]?.run));
    expect(asPublic("csm tasks status", told) as Json).toEqual(told);
    expect(told.status).toBe("succeeded");
    expect([rows.paint?.machine, rows.paint?.cwd, rows.last?.machine, rows.last?.cwd]).toEqual(["two", two.api, "one", one.api]);
    const asked = [...one.asked(), ...two.asked()].sort();
    expect(asked.filter((prompt) => /^(?:Plan|Paint|Both|Last)/.test(prompt)).map((prompt) => prompt.split(/\W/)[0])).toEqual([
      ...["Both", "Last", "Paint", "Plan"],
    ]);
    expect(asked.find((prompt) => prompt.startsWith("Both"))).toMatch(/(?:Done\.|two did Plan) Painted$/);
    // What was asked and answered does not stay on the server.
    expect(cli("one", "ZRANGE", "csm:runs", "0", "-1")).toBe("");
  });

  test("a machine that is lost loses its task to another, which begins anew and says so; what nobody can do is told", async () => {
    for (const child of workers.splice(0)) {
      child.kill("SIGTERM");
      await child.exited;
    }
    answers.two = () => hold("Too late");
    const lost = work(two);
    const file = fileOf("lost.json", [
      { name: "lost", prompt: "Lost", needs: ["repo:api"] },
      { name: "nowhere", prompt: "Nowhere", cwd: "/nowhere/at/all" },
    ]);
    const running = one.start("tasks", "run", file, "--fleet", "--json");
    await until("two is asked", () => two.asked().includes("Lost"));
    const [run = ""] = cli("one", "ZRANGE", "csm:runs", "0", "-1").split("\n");
    const { pid } = await until("its claude is known", () => {
      const tasksDir = join(two.box.home, ".local/state/csm/tasks", run);
      const found = readdirSync(tasksDir, { recursive: true })
        .map(String)
        .filter((name) => name.endsWith("pid.json"));
      return found[0] === undefined ? undefined : (JSON.parse(readFileSync(join(tasksDir, found[0]), "utf8")) as { pid: number });
    });
    lost.kill("SIGKILL");
    process.kill(pid, "SIGKILL");
    await lost.exited;
    // As a minute later.
    cli("one", "ZADD", `csm:run:${run}:leases`, "1", "lost");
    cli("two", "SET", "csm:worker:two", "", "PX", "1");
    work(one);
    const { rows } = await until("one has done it", async () => {
      const now = await status(run);
      return now.rows.lost?.status === "succeeded" ? now : undefined;
    });
    expect([rows.lost?.machine, rows.lost?.cwd, one.asked().filter((prompt) => prompt === "Lost").length]).toEqual(["one", one.api, 1]);
    const logs = async () => (await one.box.csm(["tasks", "logs", run])).stdout;
    expect(await logs()).toMatch(/lost: .*starts anew on one: its conversation [\da-f-]+ stays on two, in \S+\/api/);
    await until("nobody can do the other", async () =>
      (await logs()).includes("nowhere: no worker can: one: there is no folder /nowhere/at/all"),
    );
    const stopped = await one.box.csm(["tasks", "stop", run, "--json"]);
    expect([JSON.parse(stopped.stdout), await running.exited]).toEqual([{ run, stopped: true, running: [] }, 130]);
    expect((await status(run)).told.status).toBe("stopped");
  });

  test("what was given up is listed, put back, and done on the fleet again", async () => {
    let count = 0;
    answers.one = () => (count++ < 2 ? fail(404, "no luck") : say("Luck"));
    const file = fileOf("luck.json", [
      { name: "luck", prompt: "Luck", needs: ["repo:api"] },
      { name: "then", prompt: "Then", needs: ["repo:api"], depends_on: ["luck"] },
    ]);
    const ran = await one.box.csm(["tasks", "run", file, "--fleet", "--json"]);
    const { run } = JSON.parse(ran.stdout.split("\n")[0] ?? "") as { run: string };
    const dead = JSON.parse((await one.box.csm(["tasks", "dead", run, "--json"])).stdout) as Json;
    expect(asPublic("csm tasks dead", dead) as Json).toEqual(dead);
    expect([ran.code, dead.tasks]).toEqual([1, [expect.objectContaining({ task: "luck", machine: "one", lost: false })]]);
    const put = JSON.parse((await one.box.csm(["tasks", "retry", run, "--json"])).stdout) as Json;
    expect(asPublic("csm tasks retry", put) as Json).toEqual({ run, retried: ["luck", "then"] });
    expect((await one.box.csm(["tasks", "resume", run])).code).toBe(0);
    expect((await one.box.csm(["tasks", "dead", run])).stdout).toBe("no task was given up\n");
    expect((await one.box.csm(["tasks", "retry", run, "--task", "luck"])).stderr).toContain('"luck" is succeeded');
  });

  test("prompts are for who works; and who works cannot touch what is another machine's", async () => {
    cli("one", "SET", "csm:run:x:graph", "a prompt");
    for (const name of ["reads", "says"])
      for (const args of [
        ["GET", "csm:run:x:graph"],
        ["HGETALL", "csm:run:x:rows"],
        ["ZRANGE", "csm:runs", "0", "-1"],
        ["EVAL", "return redis.call('GET', KEYS[1])", "1", "csm:run:x:graph"],
        ["SET", "csm:run:x:graph", "y"],
        ["GET", "csm:worker:one"],
      ])
        expect([name, args.join(" "), cli(name, ...args)]).toEqual([name, args.join(" "), expect.stringContaining("NOPERM")]);
    for (const args of [
      ["SET", "csm:machine:one", "x"],
      ["SET", "csm:worker:one", "x"],
      ["SET", "csm:asks:one", "x"],
      ["HSET", "csm:usage:one", "a", "x"],
      ["EVAL", "return redis.call('SET', 'csm:machine:one', 'x')", "1", "csm:run:x"],
      ["EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "csm:live:one"],
      ["UNLINK", "csm:machine:one"],
      ["DEL", "csm:runs"],
      ["ZADD", "csm:machines", "1", "x"],
    ])
      expect([args.join(" "), cli("two", ...args)]).toEqual([args.join(" "), expect.stringMatching(/NOPERM|ACL|can't access/)]);
    expect(cli("two", "GET", "csm:run:x:graph")).toBe("a prompt");
    expect((await two.box.csm(["fleet", "check"])).code).toBe(0);
  });

  test("only who works gives and takes tasks", async () => {
    const words = ["--role", "answer", "--password-file", join(conf, "passwords", "says")];
    expect((await two.box.csm(["fleet", "join", `redis://says@127.0.0.1:${port}`, ...words])).code).toBe(0);
    const file = fileOf("any.json", [{ name: "any", prompt: "Any", needs: ["repo:api"] }]);
    for (const args of [
      ["fleet", "work"],
      ["tasks", "run", file, "--fleet"],
    ]) {
      const { code, stderr } = await two.box.csm(args);
      expect([code, stderr]).toEqual([1, expect.stringContaining("this machine has the role answer")]);
    }
    expect((await two.box.csm(["tasks", "list"])).stdout).toBe("no tasks have been run yet\n");
  });
});

describe.skipIf(redisServer === null)("many tasks and many faults", () => {
  test("three hundred tasks over four workers that are killed and stopped, and a server that is started anew: each is done once, in order", async () => {
    const faults = { kills: 3, stops: 1, restarts: 1, flushes: 0 };
    const report = await runFleetRounds({ tasks: 300, workers: 4, seed: 3, ...faults });
    expect(report.wrong).toEqual([]);
    expect([report.succeeded + report.dead, report.skipped, report.again]).toEqual([300, 0, 0]);
  });
});
