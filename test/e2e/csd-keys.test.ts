import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ask,
  bash,
  hold,
  type ModelRequest,
  plan,
  type Question,
  type Reply,
  type Step,
  say,
  type ToolCall,
  useTools,
} from "../../src/stub-script.ts";
import { csdPath, csmPath, type Json, threads, until, useBox } from "./harness.ts";

const sandbox = useBox();

/** No hook runs here, neither the user's nor csd's own: everything goes through status, transcript, screen and keys. */
beforeAll(() => {
  const { box } = sandbox;
  mkdirSync(box.configDir, { recursive: true });
  writeFileSync(join(box.configDir, "settings.json"), JSON.stringify({ disableAllHooks: true }));
});

const errorOf = (stderr: string) => (JSON.parse(stderr) as { error: string }).error;

/** The newest message of the conversation, as the model got it. */
const lastMessage = (sessionId: unknown): string =>
  JSON.stringify(
    messagesOf(sandbox.box.stub.requests.findLast((request) => request.sessionId === sessionId && request.isMainThread)).at(-1),
  );

const messagesOf = (request: ModelRequest | undefined): unknown[] => (request?.body.messages ?? []) as unknown[];

/** Up to the gate; the id of the session. */
async function gateUp(name: string, steps: Step[], status: string, args?: string[]): Promise<string> {
  const { box } = sandbox;
  const spawned = await box.spawn(name, steps, args);
  await box.send(name, "Go on");
  await box.reach(name, status);
  return String(spawned.session_id);
}

/** claude swallows keys that come in the first moments of a dialog. */
const takesKeys = (name: string) =>
  until("the dialog is old enough", async () => {
    const { age_ms: ageMs } = await sandbox.box.state(name);
    return Number(ageMs) > 1000;
  });

const question = (header: string, labels: string[], multiSelect = false): Question => ({
  question: `Which ${header.toLowerCase()} do you want?`,
  header,
  multiSelect,
  options: labels.map((label) => ({ label, description: `The ${label} one` })),
});
const folder = question("Folder", ["src", "test"]);
const checks = question("Checks", ["lint", "unit", "e2e"], true);
const title = question("Title", ["alpha", "beta"]);

describe("without hooks", () => {
  test("a prompt is turn_started by its transcript, and one that is queued is accepted", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("receipt", [hold("First."), say("Second.")]);
    expect(await box.send("receipt", "One")).toEqual({ ok: true, attempts: 1, receipt: "turn_started" });
    expect(await box.csd(["send", "receipt", "--queue", "Two"])).toEqual({ ok: true, attempts: 1, receipt: "accepted" });
    box.stub.release(String(spawned.session_id));
    await until("both prompts at the model", () => box.stub.prompts(String(spawned.session_id)).length === 2);
    expect(box.stub.prompts(String(spawned.session_id))).toEqual(["One", "Two"]);
    expect(await box.csd(["wait", "receipt", "--until", "idle_done", "--timeout", "20"])).toMatchObject({
      text: "Second.",
      outcome: "finished",
    });
  });

  test.each<[rule: string, name: string, steps: Step[], status: string, args: string[] | undefined, chosen: string]>([
    ["a Bash gate", "why-bash", [bash("touch no.txt && rm -f none.txt"), say("Understood.")], "blocked", undefined, "No"],
    [
      "a plan",
      "why-plan",
      [...plan("# Plan\n\n1. Yes\n"), say("Understood.")],
      "plan_ready",
      ["--permission-mode", "plan"],
      "Tell Claude what to change",
    ],
  ])("%s is refused with a reason at the keys; the model reads it and goes on", async (_, name, steps, status, args, chosen) => {
    const { box } = sandbox;
    const id = await gateUp(name, steps, status, args);
    const reason = "use 2 other files; not 1";
    expect(await box.csd(["deny", name, "--reason", reason])).toMatchObject({ ok: true, chosen, meaning: "refuse", channel: "keys" });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Understood.", outcome: "finished" });
    expect(lastMessage(id)).toContain(`the user said:\\n${reason}`);
    expect(existsSync(join(box.home, "work", name, "no.txt"))).toBe(false);
  });

  test("a plan is refused without a reason: Esc, as it has no No", async () => {
    const { box } = sandbox;
    await gateUp("esc-plan", [...plan("# Plan\n"), say("unreached")], "plan_ready", ["--permission-mode", "plan"]);
    expect(await box.csd(["deny", "esc-plan"])).toEqual({
      ok: true,
      gate: "plan",
      gate_id: expect.any(String),
      chosen: "Esc",
      meaning: "refuse",
      channel: "keys",
    });
    expect(await box.reach("esc-plan", "idle_done")).toMatchObject({ outcome: "interrupted" });
  });

  test("a reason that no field can hold changes nothing, nor does one for a gate without a field", async () => {
    const { box } = sandbox;
    await gateUp("lines", [bash("touch no.txt && rm -f none.txt"), say("unreached")], "blocked");
    const { choices } = await box.state("lines");
    for (const reason of ["two\nlines", "a\ttab", " blank"]) {
      const refused = await box.tryCsd(["deny", "lines", "--reason", reason]);
      expect([refused.code, errorOf(refused.stderr)]).toEqual([1, "a field of a dialog takes one line of text"]);
    }
    expect(await box.state("lines")).toMatchObject({ status: "blocked", choices });
    await box.csd(["spawn", "--name", "trust", "--cwd", box.folder("fresh", false)]);
    const refused = await box.tryCsd(["deny", "trust", "--reason", "why"]);
    expect([refused.code, errorOf(refused.stderr)]).toEqual([1, "the trust gate takes no reason at the keys; nothing was chosen"]);
    expect(await box.state("trust")).toMatchObject({ status: "blocked", gate: "trust" });
  });

  test.each<[rule: string, name: string, questions: Question[], args: string[], answers: string[]]>([
    ["several choices of one question", "multi", [checks], ["--choice", "lint", "--choice", "e2e"], ['\\"="lint, e2e']],
    ["two questions", "two", [folder, title], ["--choice", "test", "--choice", "alpha"], ["test", "alpha"]],
    [
      "three, one with several choices, one with a text",
      "three",
      [folder, checks, title],
      ["--choice", "test", "--choice", "unit,e2e", "--text", "gamma 7"],
      ["test", "unit, e2e", "gamma 7"],
    ],
    ["one with a text", "text", [folder], ["--text", "my 1 own"], ["my 1 own"]],
  ])("answer: %s", async (_, name, questions, args, answers) => {
    const { box } = sandbox;
    const id = await gateUp(name, [ask(...questions), say("Understood.")], "awaiting_answer");
    expect(await box.csd(["answer", name, ...args])).toMatchObject({ ok: true, gate: "question", channel: "keys" });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Understood." });
    for (const answer of answers) expect(lastMessage(id)).toContain(answer.replace('\\"="', '\\"=\\"'));
  });

  test("what the form cannot hold is refused, and a form that somebody began to fill in is set right", async () => {
    const { box } = sandbox;
    const id = await gateUp("begun", [ask(folder, checks), say("Understood.")], "awaiting_answer");
    const refused = await box.tryCsd(["answer", "begun", "--choice", "src", "--text", "something else"]);
    expect([refused.code, errorOf(refused.stderr)]).toEqual([
      1,
      "a text for a question that takes several answers needs the hook; nothing was chosen",
    ]);
    await takesKeys("begun");
    await box.keys("begun", "1");
    await until("the first is answered", async () => (await box.screen("begun")).includes("1. [ ] lint"));
    await takesKeys("begun");
    await box.keys("begun", "2");
    await until("a box is ticked", async () => (await box.screen("begun")).includes("[✔] unit"));
    await box.csd(["answer", "begun", "--choice", "test", "--choice", "lint"]);
    await box.reach("begun", "idle_done");
    expect(lastMessage(id)).toContain('\\"Which folder do you want?\\"=\\"test\\", \\"Which checks do you want?\\"=\\"lint\\"');
  });

  test("a field that already holds a text is still a field, and the row that submits is an option", async () => {
    const { box } = sandbox;
    await gateUp("field", [ask(folder), say("unreached")], "awaiting_answer");
    await takesKeys("field");
    await box.keys("field", "3");
    await until("the field is open", async () => (await box.screen("field")).includes("❯ 3. Type"));
    await box.keys("field", "-l", "call it orders");
    const meanings = async (name: string) => ((await box.state(name)).choices as Json[]).map(({ label, meaning }) => `${meaning} ${label}`);
    await until("the text stands there", async () => (await box.screen("field")).includes("call it orders"));
    expect(await meanings("field")).toEqual(["choice src", "choice test", "free-text call it orders", "chat Chat about this"]);
    await gateUp("boxes", [ask(checks), say("unreached")], "awaiting_answer");
    expect((await meanings("boxes")).at(-1)).toBe("submit Submit");
  });
});

describe("gates of several threads, and of a person at the pane", () => {
  test("three in a row are answered in csm top one by one, each as it is shown", async () => {
    const { box } = sandbox;
    const agents = [1, 2, 3];
    const spawned = await box.spawn("lineup", []);
    const launch = agents.map(
      (n): ToolCall => ["Agent", { description: `a${n}`, prompt: `AGENT-${n} go`, subagent_type: "general-purpose" }],
    );
    const scripts = agents.map((n): [string, Reply[]] => [`AGENT-${n}`, [bash(`touch r${n}.txt && rm -f x`, "npm test"), say("Over.")]]);
    box.stub.script(
      String(spawned.session_id),
      threads({ "MAIN go": [useTools(launch), say("Under way.")], ...Object.fromEntries(scripts) }),
    );
    await box.send("lineup", "MAIN go");
    await until("three in a row", async () => (await box.state("lineup")).gate_count === 3);
    await box.run(["tmux", "-u", "new-session", "-d", "-s", "top", "-x", "160", "-y", "50", csmPath, "top"]);
    const shows = (what: string, pattern: RegExp) =>
      until(
        what,
        async () => pattern.test(await box.screen("top")),
        () => box.screen("top"),
      );
    // What is typed before it reads keys goes through the terminal's own line editing.
    await shows("the session", /lineup/);
    // The others are somebody else's.
    for (const keys of [["/"], ["-l", "lineup"], ["Enter"]]) await box.keys("top", ...keys);
    const verdicts = new Map<string, boolean>();
    for (const [index, isAllowed] of [true, false, true].entries()) {
      const state = await until("the next gate", async () => {
        const now = await box.state("lineup");
        return now.gate_index === index + 1 && now;
      });
      const file = /r\d\.txt/.exec(String((state.input as Json).command))?.[0] ?? "";
      // The description names another thing.
      await shows(`the gate of ${file}`, new RegExp(`touch ${file} && rm -f x`));
      await box.keys("top", isAllowed ? "a" : "d");
      await shows("the question", isAllowed ? /Allow this once for lineup\?/ : /Refuse[^\n]* lineup\?/i);
      await box.keys("top", "y");
      verdicts.set(file, isAllowed);
      if (index < 2)
        await until(
          "the next one",
          async () => (await box.state("lineup")).gate_index === index + 2,
          () => box.screen("top"),
        );
    }
    await box.reach("lineup", "idle_done");
    expect([...verdicts].map(([file]) => file).sort()).toEqual(["r1.txt", "r2.txt", "r3.txt"]);
    for (const [file, isAllowed] of verdicts) expect([file, existsSync(join(box.home, "work/lineup", file))]).toEqual([file, isAllowed]);
    await box.run(["tmux", "-u", "kill-session", "-t", "=top"]);
  });

  test("a dialog that is taller than the pane is refused, and then allowed", async () => {
    const { box } = sandbox;
    const command = (file: string) => `touch ${file} && rm -f x\n${Array.from({ length: 80 }, (_, n) => `true line ${n}`).join("\n")}`;
    await box.spawn("tall", [bash(command("no.txt")), bash(command("yes.txt")), say("Done.")]);
    await box.send("tall", "Go");
    const first = await box.reach("tall", "blocked");
    expect(first).toMatchObject({ tool: "Bash", input: { command: command("no.txt") } });
    expect(await box.csd(["deny", "tall", "--reason", "not this one"])).toMatchObject({
      chosen: "No",
      gate_id: first.gate_id,
      channel: "keys",
    });
    const second = await until(
      "the second gate",
      async () => {
        const now = await box.state("tall");
        return now.status === "blocked" && now.gate_id !== first.gate_id && now;
      },
      async () => `${JSON.stringify(await box.state("tall"))}\n${await box.screen("tall")}`,
    );
    expect(second).toMatchObject({ tool: "Bash", input: { command: command("yes.txt") } });
    expect(await box.csd(["approve", "tall", "--expect", command("yes.txt")])).toMatchObject({ chosen: "Yes", gate_id: second.gate_id });
    expect(await box.reach("tall", "idle_done")).toMatchObject({ text: "Done." });
    expect(["no.txt", "yes.txt"].map((file) => existsSync(join(box.home, "work/tall", file)))).toEqual([false, true]);
  });

  test.each([
    ["No", "4", 0],
    ["No", "4", 20],
    ["No", "4", 45],
    ["Yes", "1", 10],
    ["Yes", "1", 35],
  ])(
    "a person answers %s with %s, %p ms after csd has begun: what was decided is told, and no digit of csd's stays",
    async (said, digit, leadMs) => {
      const { box } = sandbox;
      const name = `race-${said}-${leadMs}`;
      await box.spawn(name, [bash("touch made.txt && rm -f x"), say("Done.")]);
      await box.send(name, "Go");
      await box.reach(name, "blocked");
      await takesKeys(name);
      const [told] = await Promise.all([box.tryCsd(["approve", name]), Bun.sleep(leadMs).then(() => box.keys(name, digit))]);
      await box.reach(name, "idle_done");
      const hasRun = existsSync(join(box.home, "work", name, "made.txt"));
      // Refused, or too late to be told apart from an approval.
      if (told.code === 0) expect([JSON.parse(told.stdout).chosen, hasRun]).toEqual(["Yes", true]);
      else
        expect([errorOf(told.stderr), said === "Yes" || !hasRun]).toEqual([
          expect.stringMatching(/nothing was chosen|answered at the pane|no gate is up/),
          true,
        ]);
      // The person's digit came when the dialog had gone: it is that person's draft.
      if (told.code === 0) await box.tryCsd(["clear", name]);
      // A draft would be refused.
      await box.send(name, "Next");
      await box.reach(name, "idle_done");
      expect(
        box.stub
          .prompts(String(JSON.parse(readFileSync(join(box.home, `.local/state/csd/sessions/${name}.json`), "utf8")).session_id))
          .at(-1),
      ).toBe("Next");
      await box.csd(["kill", name]);
    },
  );
});

describe("the editor key does nothing", () => {
  test("a text that a paste keeps whole is pasted after the time-out, once; any other is refused", async () => {
    const { box } = sandbox;
    const other = join(box.dir, "csd");
    await copyFile(csdPath, other);
    await chmod(other, 0o755);
    const id = JSON.parse((await box.run([other, "spawn", "--name", "noedit", "--cwd", box.folder("noedit")])).stdout).session_id as string;
    box.stub.script(id, [say("Got it.")]);
    // The editor of this session is gone: claude goes on with the row as it was.
    rmSync(other);
    const sidecar = JSON.parse(readFileSync(join(box.home, ".local/state/csd/sessions/noedit.json"), "utf8")) as Json;
    expect(sidecar.has_editor).toBe(true);
    const refused = await box.tryCsd(["send", "noedit", "--", "!touch owned"]);
    expect([refused.code, errorOf(refused.stderr)]).toEqual([1, 'session "noedit" did not fetch the prompt with its editor key']);
    expect(await box.csd(["send", "noedit", "--", "Say 'got it' once"])).toMatchObject({ ok: true, attempts: 1, receipt: "turn_started" });
    expect(await box.reach("noedit", "idle_done")).toMatchObject({ text: "Got it." });
    expect(box.stub.prompts(id)).toEqual(["Say 'got it' once"]);
    expect(existsSync(join(box.home, "work/noedit/owned"))).toBe(false);
  });
});
