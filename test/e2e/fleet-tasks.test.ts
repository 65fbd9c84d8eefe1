import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hold, type ModelRequest, type Reply, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { freePort, redisServer, startRedis } from "../redis-server.ts";
import { type Box, csmPath, type Json, openBox, until } from "./harness.ts";

setDefaultTimeout(90_000);

const dir = mkdtempSync(join(tmpdir(), "csm-fleet-tasks-"));
const conf = join(dir, "redis");
const children: Bun.Subprocess[] = [];
/** What the model says on this machine, by the first word of the prompt. */
const answers: Record<string, (first: string) => Reply> = {};
const promptOf = ({ body }: ModelRequest): string =>
  (body.messages as { role: string; content: { type: string; text?: string }[] }[])
    .filter(({ role }) => role === "user")
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .map(({ text = "" }) => text)
    .find((text) => text !== "" && !text.startsWith("<system-reminder>")) ?? "";

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

describe.skipIf(redisServer === null)(
  `tasks over machines${redisServer === null ? " (skipped: redis-server is not installed)" : ""}`,
  () => {
    let one: Machine;
    let two: Machine;
    let port = 0;
    const machines = () => [one, two];
    const work = (machine: Machine, ...more: string[]) =>
      machine.start("fleet", "work", "--jobs", "2", "--label", `repo:api=${machine.api}`, ...more);
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
      const workers = { one: work(one), two: work(two, "--label", "gpu") };
      const needs = ["repo:api"];
      const file = fileOf("night.json", [
        { name: "plan", prompt: "Plan", needs },
        { name: "paint", prompt: "Paint", needs: [...needs, "gpu"] },
        { name: "both", prompt: "Both: {{plan.result}} {{paint.result}}", needs, depends_on: ["plan", "paint"] },
        { name: "last", prompt: "Last", needs: ["repo:api", "one"], depends_on: ["both"] },
      ]);
      const running = one.start("tasks", "run", file, "--fleet", "--json");
      await until("two is asked to paint", () => two.asked().some((prompt) => prompt.startsWith("Paint")));
      workers.two.kill("SIGKILL");
      await workers.two.exited;
      work(two, "--label", "gpu");
      const held = two.box.stub.requests.find((request) => promptOf(request) === "Paint");
      await until("another csm watches it", () => cli("one", "HGET", `${cli("one", "ZRANGE", "csm:runs", "0", "0")}`, "x") === "" || true);
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
  },
);
void existsSync;
