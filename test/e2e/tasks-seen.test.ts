import { afterAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addAccounts } from "../../src/sandbox.ts";
import { bash, fail, hold, limit, type ModelRequest, type Reply, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { csmPath, type Json, until, useBox } from "./harness.ts";

/** By the first prompt of the conversation. */
let answer: (first: string, account: string) => Reply = () => say("Done.");
const promptOf = ({ body }: ModelRequest): string => /\b(?:hold|gate|fail|quick|limited)\b/.exec(JSON.stringify(body.messages))?.[0] ?? "";
const sandbox = useBox({
  login: "subscription",
  fallback: (request) => answer(promptOf(request), request.headers["x-profile"] ?? ""),
});

const got: Json[] = [];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    got.push((await request.json()) as Json);
    return new Response("ok");
  },
});
afterAll(() => server.stop(true));

let files = 0;
function taskFile(prompts: string[], more: Json = {}): string {
  const path = join(sandbox.box.home, `seen-${files++}.json`);
  const cwd = sandbox.box.folder("seen");
  writeFileSync(path, JSON.stringify({ ...more, tasks: prompts.map((prompt, index) => ({ name: `${prompt}-${index}`, prompt, cwd })) }));
  return path;
}
const start = (...words: string[]) =>
  Bun.spawn([csmPath, "tasks", ...words], { cwd: sandbox.box.home, env: sandbox.box.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });

async function listed(): Promise<Json[]> {
  const told = JSON.parse((await sandbox.box.csm(["ls", "--json"])).stdout) as { sessions: Json[] };
  expect(asPublic("csm ls", told) as unknown).toEqual(told);
  return told.sessions;
}
const release = () => {
  for (const { sessionId } of sandbox.box.stub.requests) sandbox.box.stub.release(sessionId);
};

test("sessions of both runners stand below their run, and what one asks, what ends and what meets a limit is told once", async () => {
  const { box } = sandbox;
  addAccounts(box, csmPath);
  mkdirSync(join(box.home, ".config/claude-smart"), { recursive: true });
  writeFileSync(
    join(box.home, ".config/claude-smart/rules.toml"),
    `[[notify.channels]]\nkind = "webhook"\nname = "in"\nurl = "http://127.0.0.1:${server.port}/"\n`,
  );
  answer = (first) =>
    first === "hold"
      ? hold("Held.")
      : first === "fail"
        ? fail(404, "no luck")
        : first === "gate"
          ? bash("touch x && rm -f x")
          : say("Done.");
  const printing = start("run", taskFile(["hold", "fail", "quick"]));
  const seen = start("run", taskFile(["gate", "hold"], { defaults: { permission_mode: "manual" } }), "--interactive");
  await until(
    "all are there",
    async () => {
      const states = (await listed()).map((one) => [one.kind, one.task, (one.state as Json).status].join(" ")).sort();
      const wanted = ["interactive gate-0 blocked", "interactive hold-1 working", "print hold-0 working"];
      return JSON.stringify(states) === JSON.stringify(wanted);
    },
    async () => JSON.stringify(await listed()),
  );
  const sessions = await listed();
  const [one, two] = ["seen-0", "seen-1"].map((stem) => sessions.filter(({ run }) => String(run).startsWith(`${stem}-`)));
  expect([one?.length, two?.length]).toEqual([1, 2]);
  const lines = (await box.csm(["top", "--once"])).stdout.split("\n");
  const at = (word: string) => lines.findIndex((line) => line.includes(word));
  expect(lines[at(`${two?.[0]?.run} 0 of 2 over, 1 waits for you`) + 1]).toContain("asks Bash");
  expect(lines[at(`${one?.[0]?.run} 2 of 3 over, 1 failed`) + 1]).toContain(String(one?.[0]?.name));
  const list = (await box.csm(["ls"])).stdout;
  expect(list).toContain(`\n\n${one?.[0]?.run}, 2 of 3 over, 1 failed\n`);
  await until("the gate is told", () => got.length > 0);
  // Killed and resumed: the gate that is still up is not told again.
  seen.kill("SIGKILL");
  await seen.exited;
  const resumed = start("resume", String(two?.[0]?.run));
  await until("it is taken up", async () => (await box.csm(["tasks", "status", String(two?.[0]?.run)])).stdout.includes(": running"));
  expect((await box.csm(["allow", String(two?.find(({ task }) => task === "gate-0")?.name)])).code).toBe(0);
  answer = () => say("Done.");
  release();
  expect([await printing.exited, await resumed.exited]).toEqual([1, 0]);
  await until(
    "both ends are told",
    () => got.length === 3,
    () => JSON.stringify(got),
  );
  expect(
    got.map(({ cause, title }) => [
      cause,
      String(title)
        .replace(/^.*(?=: )/, "")
        .replace(/, \$.*/, ""),
    ]),
  ).toEqual(
    expect.arrayContaining([
      ["permission", ": Bash"],
      ["failure", ": failed, 3 of 3 tasks over, 1 failed"],
      ["finished", ": succeeded, 2 of 2 tasks over"],
    ]),
  );
  expect(await listed()).toEqual([]);
}, 60_000);

test("tasks that wait at a limit are one message, also after a kill; a run that its person stops is none", async () => {
  const { box } = sandbox;
  got.length = 0;
  const at = (Math.ceil(Date.now() / 1000) + 3600) * 1000;
  answer = (_, account) => (account === "spare" ? limit("five_hour", at) : say("Done."));
  const path = taskFile(["limited", "limited", "limited"], { defaults: { profile: "spare" }, jobs: 3 });
  const child = start("run", path);
  const waits = async () => (await box.csm(["tasks", "status"])).stdout.includes(": waiting until ");
  await until("it waits", waits);
  child.kill("SIGKILL");
  await child.exited;
  const resumed = start("resume");
  await until("it waits again", waits);
  expect((await box.csm(["top", "--once"])).stdout).toMatch(/seen-2-\w+ 0 of 3 over, 3 wait\n/);
  expect((await box.csm(["tasks", "stop"])).code).toBe(0);
  expect(await resumed.exited).toBe(130);
  expect(got.map(({ cause, title }) => [cause, title])).toEqual([["limit", "spare is at its usage limit"]]);
  expect(got[0]?.body).toMatch(/^resets in \S+ \S+\n(?:sessions: .*\n)?csm tasks status seen-2-\w+$/);
}, 60_000);

test("on a terminal: a table that fits, Ctrl-C once and twice, and the terminal as it was", async () => {
  const { box } = sandbox;
  answer = (first) => (first === "hold" ? hold("Held.") : say("Done."));
  const path = taskFile([...Array.from({ length: 3 }, () => "hold"), ...Array.from({ length: 197 }, () => "quick")], { jobs: 3 });
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  await tmux("new-session", "-d", "-s", "table", "-x", "80", "-y", "24", "-c", box.home, "bash --norc");
  await tmux("set-option", "-t", "=table:", "window-size", "manual");
  const screen = () => box.screen("table");
  const shows = (text: string) => until(text, async () => (await screen()).includes(text), screen);
  const begin = async (words: string) => {
    await box.keys("table", `clear; echo here before; ${words}; echo code $?`, "Enter");
    await shows("and 182 more: 182 pending");
  };
  await begin(`csm() { '${csmPath}' "$@"; }; csm tasks run ${path}`);
  await shows("●  hold-2");
  expect((await screen()).trimEnd().split("\n")).toHaveLength(24);
  await tmux("resize-window", "-t", "=table:", "-x", "50", "-y", "10");
  await shows("and 194 more: 194 pending");
  await tmux("resize-window", "-t", "=table:", "-x", "80", "-y", "24");
  await shows("and 182 more: 182 pending");
  await box.keys("table", "C-c");
  await until("it is stopped", async () => (await screen()).includes("code 130"), screen);
  const history = (await tmux("capture-pane", "-p", "-S", "-", "-t", "=table:")).stdout;
  expect(history).toContain("here before");
  expect(history).toMatch(/seen-3-\w+: stopped, 0 of 200 tasks over/);
  expect((await tmux("display-message", "-p", "-t", "=table:", "#{alternate_on}#{cursor_flag}")).stdout.trim()).toBe("01");
  await box.keys("table", "clear; stty -a | tr ' ' '\\n' | grep -xc -e icanon -e echo -e isig", "Enter");
  await until("its keyboard is as it was", async () => /^3$/m.test(await screen()), screen);
  await begin("csm tasks resume");
  await shows("●  hold-2");
  await box.keys("table", "C-c", "C-c");
  await until("it is ended", async () => (await screen()).includes("code 130"), screen);
  await tmux("kill-session", "-t", "=table");
}, 60_000);
