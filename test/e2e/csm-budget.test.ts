import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, hold, type MessageStep, type Step, say } from "../../src/stub-script.ts";
import { claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();

function writeRules(text: string): void {
  const path = join(sandbox.box.home, ".config/claude-smart/rules.toml");
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { mode: 0o600 });
}
const table = (kind: "rules" | "budgets", fields: Json) =>
  `[[${kind}]]\n${Object.entries(fields)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("")}\n`;

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
const audit = (): Json[] =>
  read(join(sandbox.box.home, ".local/state/csd/audit.jsonl"))
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Json]));
/** What the model was told of its calls. */
const told = (session: string) =>
  sandbox.box.stub.requests
    .filter(({ sessionId, path }) => sessionId === session && path.includes("messages"))
    .map(({ body }) => JSON.stringify(body.messages))
    .join("\n");

/** An answer of $0.50 and more, and not so long that claude would summarise. */
const dear = (step: MessageStep): MessageStep => ({ ...step, usage: { output_tokens: 20_000 } });
/** It lets a file be made unasked. */
const unasked = ["--permission-mode", "acceptEdits"];

test("a session's budget that is used up denies the next call, also one that nobody would be asked about, and the model reads why", async () => {
  const { box } = sandbox;
  const notify = '[notify]\n[[notify.channels]]\nkind = "terminal"\nhow = "osc9"\n';
  writeRules(table("budgets", { name: "cap", period: "session", limit_usd: 0.2, action: "deny", match_project: "capped" }) + notify);
  const steps = [dear(bash("echo one")), bash("touch two.txt"), bash("touch three.txt"), say("Stopped.")];
  const spawned = await box.spawn("capped", steps, unasked);
  const shown = join(box.dir, "capped.out");
  await box.run(["tmux", "-u", "pipe-pane", "-t", "=capped:", `cat > '${shown}'`]);
  await box.send("capped", "Go");
  expect(await box.reach("capped", "idle_done")).toMatchObject({ text: "Stopped." });
  expect(["two.txt", "three.txt"].filter((name) => existsSync(join(box.folder("capped"), name)))).toEqual([]);
  expect(told(String(spawned.session_id))).toContain('budget \\"cap\\" is used up: $');
  // The hook hands it to claude, which writes it to its terminal.
  await until("the terminal is told", () => read(shown).includes('budget "cap": $'));
  expect(read(shown).split("budget cap is used up").length).toBe(2);
  const denied = audit().filter(({ decision, rule }) => decision === "deny" && rule === "cap");
  expect(denied.at(-1)).toMatchObject({ session: "capped", tool: "Bash", channel: "hook" });
  expect(denied.at(-1)?.rule_place).toEndWith("rules.toml:1");
  const { stdout } = await box.csm(["budget", "--json"]);
  const [budget] = (JSON.parse(stdout) as { budgets: { standings: Json[] }[] }).budgets;
  expect(budget?.standings).toMatchObject([{ of: spawned.session_id, level: "over", ends_at: null }]);
  await box.csd(["kill", "capped"]);
});

test("two sessions share a day's budget, which a third, of another project, does not touch", async () => {
  const { box } = sandbox;
  writeRules(table("budgets", { name: "today", period: "day", limit_usd: 0.4, action: "deny", match_project: "shared" }));
  await box.spawn("shared-a", [dear(say("That was long."))], unasked);
  await box.send("shared-a", "Go");
  await box.reach("shared-a", "idle_done");
  // claude's line with the usage comes a moment after its status.
  const shown = await until("the answer is counted", async () => {
    const { stdout } = await box.csm(["budget"]);
    return stdout.includes("$0.00") ? undefined : stdout;
  });
  expect(shown).toMatch(
    /^BUDGET +OF +SPENT +LIMIT +USED +STARTS OVER +SESSIONS +THEN\ntoday +day \d{4}-\d\d-\d\d +\$\d\.\d\d +\$0\.40 +1\d\d% .* 1 +deny\n$/,
  );
  const steps: Step[] = [bash("touch made.txt"), say("Over.")];
  for (const name of ["shared-b", "other"]) {
    await box.spawn(name, steps, unasked);
    await box.send(name, "Go");
    await box.reach(name, "idle_done");
  }
  expect(["shared-b", "other"].map((name) => existsSync(join(box.folder(name), "made.txt")))).toEqual([false, true]);
  for (const name of ["shared-a", "shared-b", "other"]) await box.csd(["kill", name]);
});

/** A claude of a person's own in a terminal of its own. */
async function start(name: string, steps: Step[]): Promise<string> {
  const { box } = sandbox;
  const id = crypto.randomUUID();
  box.stub.script(id, steps);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", box.folder(name), "bash", "--norc", "-i"]);
  await box.keys(name, `'${claudePath}' --session-id ${id} --name ${name} --permission-mode manual`, "Enter");
  await until(`${name} is ready`, async () => (await list()).some((session) => session.name === name && statusOf(session) === "idle_done"));
  return id;
}
const list = async (): Promise<Json[]> => (JSON.parse((await sandbox.box.csm(["ls", "--json"])).stdout) as { sessions: Json[] }).sessions;
const statusOf = ({ state }: Json) => (state as Json).status;

async function type(name: string, text: string): Promise<void> {
  await sandbox.box.keys(name, "-l", text);
  await sandbox.box.keys(name, "Enter");
}

test("a cost that stops ends a session while it works (D18), and csm watch --act tells of it once", async () => {
  const { box } = sandbox;
  writeRules(
    table("rules", { name: "runaway", match_cost_above: 0.2, match_project: "runaway", action: "terminate", message: "too dear" }),
  );
  await start("runaway", [dear(bash("echo one")), hold("I go on and on")]);
  const watch = Bun.spawn([csmPath, "watch", "--act", "--json"], { env: box.env, cwd: box.home, stdout: "pipe", stderr: "inherit" });
  const lines: Json[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const chunk of watch.stdout) {
      rest += new TextDecoder().decode(chunk);
      const parts = rest.split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts.map((part) => JSON.parse(part) as Json));
    }
  })();
  try {
    await type("runaway", "Go");
    const acted = () => lines.filter(({ event }) => event === "acted");
    await until(
      "it is stopped",
      () => acted().length > 0,
      () => JSON.stringify(lines.at(-1)),
    );
    expect(acted()).toMatchObject([
      { session: "runaway", rule: "runaway", action: "stop", refused: false, text: "runaway is told to end: too dear" },
    ]);
    expect(statusOf(acted()[0] as Json)).toBe("working");
    await until("it has ended", async () => !(await list()).some(({ name }) => name === "runaway"));
    await until("the watch tells that it is gone", () => lines.some(({ event, session }) => event === "gone" && session === "runaway"));
    expect(acted()).toHaveLength(1);
    expect(audit().filter(({ rule }) => rule === "runaway")).toMatchObject([{ session: "runaway", decision: "stop", channel: "rule" }]);
  } finally {
    watch.kill();
    await reading;
  }
});

test("whoever waits for a session acts on it: csd wait at its end, csd run on its own, and neither on others", async () => {
  const { box } = sandbox;
  writeRules(table("rules", { name: "over", match_status: "idle_done", match_project: ["awaited", "apart", "ran"], action: "notify" }));
  await box.spawn("apart", []);
  const spawned = await box.spawn("awaited", [hold("A while"), say("Over.")]);
  await box.send("awaited", "Go");
  const waiting = box.csd(["wait", "awaited"]);
  await box.reach("awaited", "working");
  box.stub.release(String(spawned.session_id));
  expect(await waiting).toMatchObject({ status: "idle_done" });
  expect(audit().filter(({ rule }) => rule === "over")).toMatchObject([{ session: "awaited", decision: "notify", channel: "rule" }]);
  box.stub.scriptAny([say("Ran.")]);
  const ran = await box.tryCsd(["run", "--cwd", box.folder("ran"), "Go"]);
  expect([ran.code, ran.stdout]).toEqual([0, "Ran.\n"]);
  expect(audit().filter(({ rule }) => rule === "over")).toMatchObject([
    { session: "awaited" },
    { cwd: box.folder("ran"), channel: "rule" },
  ]);
  for (const name of ["apart", "awaited"]) await box.csd(["kill", name]);
});

test("a rule that tells does so once in thirty looks of csm top, after a restart, and beside a second one", async () => {
  const { box } = sandbox;
  await start("quiet", []);
  writeRules(
    table("rules", { name: "at rest", match_status: "Waiting", match_project: "quiet", action: "notify", message: "it waits for you" }) +
      table("budgets", { name: "tight", period: "session", match_project: "quiet", limit_usd: 100, action: "notify" }),
  );
  const sessions = join(box.configDir, "sessions");
  const told = () => audit().filter(({ rule }) => rule === "at rest").length;
  const open = async (name: string) => {
    await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "30", "bash", "--norc", "-i"]);
    await box.keys(name, `'${csmPath}' top`, "Enter");
    await until(
      `${name} shows the list`,
      async () => /rules ok/.test(await box.screen(name)),
      () => box.screen(name),
    );
  };
  const looks = async () => {
    // Each change in the folder is a look.
    for (let look = 0; look < 30; look++) {
      writeFileSync(join(sessions, `look-${look % 2}.tmp`), String(look));
      await Bun.sleep(100);
    }
  };
  await open("top-a");
  await until(
    "it is told",
    async () => (await box.screen("top-a")).includes("quiet: rule at rest says: it waits for you"),
    () => box.screen("top-a"),
  );
  await open("top-b");
  await looks();
  expect(told()).toBe(1);
  await box.keys("top-a", "q");
  await open("top-c");
  await looks();
  expect(told()).toBe(1);
  writeRules("[[rules]]\nname = 'x'\nactoin = 'deny'\n");
  await until(
    "the badge says that the file is broken",
    async () => /rules: \d+ faults?, csm diagnose/.test(await box.screen("top-c")),
    () => box.screen("top-c"),
  );
});
