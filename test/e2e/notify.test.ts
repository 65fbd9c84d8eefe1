import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, fail, limit, type Step, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox({ login: "subscription" });

/** What a webhook was sent at `/in`, and at `/hang`, which never answers and so hears from earlier tests as well. */
const got: { headers: Headers; body: Json; text: string }[] = [];
const hung: Json[] = [];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const text = await request.text();
    const body = JSON.parse(text) as Json;
    if (new URL(request.url).pathname === "/hang") {
      hung.push(body);
      return new Promise<Response>(() => {});
    }
    got.push({ headers: request.headers, body, text });
    return new Response("ok");
  },
});
afterAll(() => server.stop(true));

const rulesPath = () => join(sandbox.box.home, ".config/claude-smart/rules.toml");
const hook = (path: string) =>
  `[[notify.channels]]\nkind = "webhook"\nname = "${path}"\nurl = "http://127.0.0.1:${server.port}/${path}"\nsecret = "s3cret"\n`;
const rules = (text: string) => writeFileSync(rulesPath(), text);

beforeEach(() => {
  const { box } = sandbox;
  got.length = 0;
  mkdirSync(join(box.home, ".config/claude-smart"), { recursive: true });
  // As csm setup puts it there.
  mkdirSync(box.configDir, { recursive: true });
  const entry = [{ hooks: [{ type: "command", command: `${csmPath} hook` }] }];
  const hooks = Object.fromEntries(["PermissionRequest", "Stop", "StopFailure"].map((event) => [event, entry]));
  writeFileSync(join(box.configDir, "settings.json"), JSON.stringify({ hooks }));
});

/** A claude of a person's own, in a terminal of its own; `shown` is all that it has written there. */
async function start(name: string, steps: Step[], program = claudePath) {
  const { box } = sandbox;
  const id = crypto.randomUUID();
  box.stub.script(id, steps);
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  const path = join(box.dir, `${name}.out`);
  const command = `${program} --session-id ${id} --name ${name} --permission-mode manual`;
  await tmux("new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", box.folder(name), "bash --norc");
  await tmux("pipe-pane", "-t", `=${name}:`, `cat > '${path}'`);
  await box.keys(name, command, "Enter");
  const status = () => {
    const dir = join(box.configDir, "sessions");
    const file = box.sys
      .list(dir)
      .map((entry) => box.sys.readText(join(dir, entry)) ?? "")
      .find((text) => text.includes(id));
    return /"status":"(\w+)"/.exec(file ?? "")?.[1];
  };
  const reach = (wanted: string) =>
    until(
      `${name} is ${wanted}`,
      () => status() === wanted,
      () => box.screen(name),
    );
  await reach("idle");
  return {
    id,
    reach,
    shown: () => readFileSync(path, "latin1"),
    say: async (text: string) => {
      await box.keys(name, "-l", text);
      await box.keys(name, "Enter");
    },
    press: (key: string) => box.keys(name, key),
    screen: () => box.screen(name),
  };
}

const arrives = (what: string, count: number) =>
  until(
    `${count} messages: ${what}`,
    () => got.length >= count,
    () => JSON.stringify(got.map(({ body }) => body)),
  );

test("a claude of a person's own: its gate and its end are told, signed, at that moment", async () => {
  rules(`[notify]\n${hook("in")}\n[[notify.channels]]\nkind = "terminal"\nhow = "osc777"\n`);
  const session = await start("alone", [bash("touch a.txt && rm -f b.txt"), say("All is done.")]);
  await session.say("Go");
  await arrives("the gate", 1);
  // The gate is still up.
  await session.reach("waiting");
  await until("its dialog", async () => /Do you want to proceed/.test(await session.screen()));
  await Bun.sleep(600);
  await session.press("1");
  await arrives("the end", 2);
  await session.reach("idle");
  expect(got.map(({ body }) => body)).toMatchObject([
    {
      cause: "permission",
      level: "warning",
      title: "alone asks: Bash",
      body: "touch a.txt && rm -f b.txt",
      session: "alone",
      session_id: session.id,
      project: "alone",
    },
    { cause: "finished", level: "info", title: "alone is done", body: "All is done.", session: "alone" },
  ]);
  for (const { headers, text } of got)
    expect(headers.get("x-csm-signature")).toBe(`sha256=${new Bun.CryptoHasher("sha256", "s3cret").update(text).digest("hex")}`);
  await until(
    "both in the terminal",
    () => session.shown().includes("alone asks: Bash;touch a.txt") && session.shown().includes("alone is done;All is done."),
  );
});

test("one that csm starts needs no csm setup, and what a rule decides is not told", async () => {
  writeFileSync(join(sandbox.box.configDir, "settings.json"), "{}");
  const allow = '[[rules]]\nname = "touch"\naction = "allow"\nmatch_command = "touch"\n';
  rules(`${allow}\n[notify]\n${hook("in")}`);
  const session = await start("ours", [bash("touch e.txt"), bash("rm -f e.txt"), say("All is done.")], csmPath);
  await session.say("Go");
  await arrives("the gate", 1);
  await session.reach("waiting");
  await until("its dialog", async () => /Do you want to proceed/.test(await session.screen()));
  await Bun.sleep(600);
  await session.press("1");
  await arrives("the end", 2);
  expect(got.map(({ body }) => [body.title, body.body])).toEqual([
    ["ours asks: Bash", "rm -f e.txt"],
    ["ours is done", "All is done."],
  ]);
});

test("two sessions of one account at its limit: one message, with both", async () => {
  rules(`[notify]\n${hook("in")}`);
  const at = Date.now() + 3_600_000;
  const [one, two] = [await start("one", [limit("five_hour", at)]), await start("two", [limit("five_hour", at)])];
  await Promise.all([one.say("Go"), two.say("Go")]);
  await arrives("the limit", 1);
  await until("both have met it", async () => (await one.screen()).includes("limit") && (await two.screen()).includes("limit"));
  const noted = async () => (JSON.parse((await sandbox.box.csm(["log", "--json"])).stdout) as { entries: Json[] }).entries.length;
  await until("both are in the log", async () => (await noted()) >= 2);
  expect(got.map(({ body }) => body)).toMatchObject([
    {
      cause: "limit",
      level: "urgent",
      title: "claude is at its usage limit",
      sessions: expect.arrayContaining(["one", "two"]),
    },
  ]);
});

test("a turn that dies, and an account that is logged out", async () => {
  rules(`[notify]\n${hook("in")}`);
  const dying = await start("dying", [fail(400, "no such thing", 30)]);
  await dying.say("Go");
  await arrives("the failure", 1);
  await dying.reach("idle");
  const out = await Promise.all(["out", "also"].map((name) => start(name, [fail(401, "OAuth token has expired", 30)])));
  for (const one of out) await one.say("Go");
  for (const one of out) await until("it says so", async () => (await one.screen()).includes("/login"));
  await Promise.all(out.map((one) => one.reach("idle")));
  await arrives("the login", 2);
  expect(got.map(({ body }) => body)).toMatchObject([
    { cause: "failure", title: "dying failed", body: expect.stringContaining("no such thing"), sessions: ["dying"] },
    { cause: "login", level: "urgent", title: "claude is logged out", sessions: expect.arrayContaining(["also", "dying", "out"]) },
  ]);
});

test("a webhook and a command that hang are in no turn's way", async () => {
  const marker = join(sandbox.box.dir, "command-started");
  rules(
    `[notify]\ncool_down = "0s"\n${hook("hang")}\n[[notify.channels]]\nkind = "command"\nrun = ["sh", "-c", "touch ${marker}; sleep 1000"]\n`,
  );
  const session = await start("hung", [say("First."), say("Second."), say("Third.")]);
  for (const [index, word] of ["First.", "Second.", "Third."].entries()) {
    await session.say(`Go ${index}`);
    await until(word, async () => (await session.screen()).includes(word));
    await session.reach("idle");
  }
  // Both hang since the first, and nothing waits for them.
  await until("the command has been started", () => sandbox.box.sys.modifiedAt(marker) !== undefined);
  await until("the first has been sent", () => hung.length > 0);
  expect(hung.map(({ title }) => title)).toEqual(["hung is done"]);
  const { stdout } = await sandbox.box.csm(["notify", "--json"]);
  const { channels } = asPublic("csm notify", JSON.parse(stdout)) as { channels: Json[] };
  expect(channels.map(({ channel, waiting }) => [channel, waiting])).toEqual([
    ["hang", 3],
    ["command", 3],
  ]);
});

test("a gate that csd holds open is told while it is held", async () => {
  const { box } = sandbox;
  writeFileSync(join(box.configDir, "settings.json"), "{}");
  rules(`[notify]\n${hook("in")}`);
  await box.spawn("driven", [bash("touch c.txt && rm -f d.txt"), say("Over.")]);
  await box.send("driven", "Go");
  await arrives("the gate", 1);
  expect(await box.reach("driven", "blocked")).toMatchObject({ tool: "Bash" });
  expect(await box.csd(["approve", "driven"])).toMatchObject({ channel: "hook" });
  await arrives("the end", 2);
  expect(got.map(({ body }) => body.title)).toEqual(["driven asks: Bash", "driven is done"]);
});

const failure = (id: string) =>
  JSON.stringify({ session_id: id, hook_event_name: "StopFailure", error: "authentication_failed", last_assistant_message: "x" });
const runHook = (id: string, env: Record<string, string>) =>
  Bun.spawn([csmPath, "hook"], { env, stdin: new TextEncoder().encode(failure(id)), stdout: "pipe", stderr: "pipe" });

test("50 hooks at once, some of them killed: one message, and none of them fails", async () => {
  const { box } = sandbox;
  rules(`[notify]\n${hook("in")}`);
  // An account of which nothing was told yet.
  const env = { ...box.env, CLAUDE_CONFIG_DIR: join(box.home, ".claude.fifty") };
  const hooks = Array.from({ length: 50 }, () => runHook(crypto.randomUUID(), env));
  const ended = await Promise.all(hooks.map(async (one) => [await one.exited, await one.stderr.text()]));
  expect(ended).toEqual(hooks.map(() => [0, ""]));
  await arrives("the login", 1);
  for (let round = 0; round < 5; round++) {
    const killed = Array.from({ length: 10 }, () => runHook(crypto.randomUUID(), env));
    await Bun.sleep(10 * round);
    for (const one of killed.slice(0, 5)) one.kill("SIGKILL");
    await Promise.all(killed.map((one) => one.exited));
  }
  const { channels } = JSON.parse((await box.csm(["notify", "--json"])).stdout) as { channels: Json[] };
  expect(channels).toMatchObject([{ channel: "in", waiting: 0, failure: null }]);
  expect(got).toHaveLength(1);
});

test("csm notify test says what has arrived; what is wrong in the file is told", async () => {
  const { box } = sandbox;
  rm();
  expect(await box.csm(["notify"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("there is no [notify] in ~/.config/claude-smart/rules.toml"),
  });
  rules(`[notify]\n${hook("in")}\n[[notify.channels]]\nkind = "command"\nname = "broken"\nrun = ["false"]\n`);
  expect(await box.csm(["notify", "test", "in", "--cause", "limit"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^in: sent in \d+ ms\n$/),
  });
  expect(got.map(({ body }) => [body.cause, body.level])).toEqual([["limit", "urgent"]]);
  const all = await box.csm(["notify", "test", "--all", "--json"]);
  const { results } = asPublic("csm notify test", JSON.parse(all.stdout)) as { results: Json[] };
  expect([all.code, results.map(({ sent, failure }) => [sent, failure])]).toEqual([
    1,
    [
      [true, null],
      [false, "exit code 1"],
    ],
  ]);
  expect(await box.csm(["notify", "test", "inn"])).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean in?") });
  expect(await box.csm(["notify", "test"])).toMatchObject({ code: 2, stderr: expect.stringContaining("one of: in, broken") });
  const shown = (await box.csm(["notify"])).stdout;
  expect(shown).toContain(`127.0.0.1:${server.port} (json, signed)`);
  expect(shown).not.toContain("s3cret");
  rules("[notify]\nfinishd = false\n");
  expect(await box.csm(["notify"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('unknown key "finishd"; did you mean finished?'),
  });
});

const rm = () => rmSync(rulesPath(), { force: true });
