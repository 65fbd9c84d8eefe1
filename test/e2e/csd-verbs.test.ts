import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseStat } from "../../src/process.ts";
import { ask, bash, fail, hold, limit, plan, type Step, say, useTools } from "../../src/stub-script.ts";
import { type Box, csdPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();
const lastRequest = (box: Box) => JSON.stringify(box.stub.requests.at(-1)?.body.messages);
const choices = (...labels: string[]) => labels.map((label) => ({ label, description: `the ${label} one` }));
/** The error of a call that must fail. */
const errorOf = async (box: Box, args: string[]) => {
  const result = await box.tryCsd(args);
  expect([result.code, result.stdout]).toEqual([1, ""]);
  return (JSON.parse(result.stderr) as { error: string }).error;
};
const nonEmpty = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined);
const record = (box: Box, name: string) => join(box.home, `.local/state/csd/sessions/${name}.json`);

describe("deny", () => {
  test("with a reason: the model reads it and the turn goes on", async () => {
    const { box } = sandbox;
    await box.spawn("reason", [bash("touch no.txt && rm -f x"), say("Then not.")]);
    await box.send("reason", "Go");
    await box.reach("reason", "blocked");
    expect(await box.csd(["deny", "reason", "--reason", "use the staging database"])).toEqual({
      ok: true,
      gate: "permission",
      chosen: "No",
      meaning: "refuse",
      channel: "hook",
      gate_id: expect.any(String),
    });
    expect(await box.reach("reason", "idle_done")).toMatchObject({ text: "Then not.", outcome: "finished" });
    expect(lastRequest(box)).toContain("use the staging database");
    expect(existsSync(join(box.home, "work/reason/no.txt"))).toBe(false);
  });

  test("without one: the turn ends and nothing runs", async () => {
    const { box } = sandbox;
    await box.spawn("plainno", [bash("touch no.txt && rm -f x"), say("unreached")]);
    await box.send("plainno", "Go");
    await box.reach("plainno", "blocked");
    await box.csd(["deny", "plainno"]);
    expect(await box.reach("plainno", "idle_done")).toMatchObject({ outcome: "interrupted" });
    expect(existsSync(join(box.home, "work/plainno/no.txt"))).toBe(false);
  });
});

describe("which gate is answered", () => {
  test("--expect is what runs, whole or part by part; --contains a piece of it; what does not fit changes nothing", async () => {
    const { box } = sandbox;
    const command = "touch real.txt && rm -f x # npm test";
    await box.spawn("expect", [bash(command, "npm test"), bash("touch real.txt && rm -f x", "npm test"), say("Done.")]);
    await box.send("expect", "Go");
    await box.reach("expect", "blocked");
    for (const verb of ["approve", "deny"]) {
      expect(await errorOf(box, [verb, "expect", "--expect", "npm test"])).toBe('the gate is not for "npm test"; nothing was chosen');
      expect(await errorOf(box, [verb, "expect", "--contains", "npm test"])).toBe(
        'the gate does not contain "npm test"; nothing was chosen',
      );
    }
    for (const words of [
      ["--option", "1", "--expect", "npm test"],
      ["--expect", "touch real.txt"],
      ["--contains", "touch", "--contains", "npm"],
    ])
      expect(await errorOf(box, ["approve", "expect", ...words])).toContain("nothing was chosen");
    const state = await box.state("expect");
    expect(state).toMatchObject({ status: "blocked" });
    expect(await box.csd(["approve", "expect", "--expect", command])).toMatchObject({ chosen: "Yes", gate_id: state.gate_id });
    const second = await until("the second gate", async () => {
      const now = await box.state("expect");
      return now.status === "blocked" && now.gate_id !== state.gate_id && now;
    });
    expect(await errorOf(box, ["approve", "expect", "--gate", String(state.gate_id)])).toContain("is not up; nothing was chosen");
    expect(await errorOf(box, ["approve", "expect", "--expect", "touch real.txt"])).toContain("nothing was chosen");
    const parts = ["--expect", "rm -f x", "--expect", "touch real.txt"];
    expect(await box.csd(["approve", "expect", "--gate", String(second.gate_id), ...parts])).toMatchObject({ chosen: "Yes" });
    await box.reach("expect", "idle_done");
  });

  test("a person's key wins over a late answer, which says so and answers nothing else", async () => {
    const { box } = sandbox;
    const call = (file: string): [string, unknown] => ["Bash", { command: `touch ${file} && rm -f none`, description: `Make ${file}` }];
    await box.spawn("person", [useTools([call("one.txt"), call("two.txt")]), say("Both.")]);
    await box.send("person", "Go");
    await box.reach("person", "blocked");
    await Bun.sleep(700);
    await box.keys("person", "1");
    await until("the second gate", async () => ((await box.state("person")).input as Json | undefined)?.description === "Make two.txt");
    expect(await errorOf(box, ["approve", "person", "--contains", "one.txt"])).toContain("does not contain");
    expect(existsSync(join(box.home, "work/person/two.txt"))).toBe(false);
    await box.csd(["approve", "person", "--contains", "two.txt"]);
    await box.reach("person", "idle_done");
  });

  test("a gate that is swapped between reading and key is left alone", async () => {
    const { box } = sandbox;
    const call = (file: string): [string, unknown] => ["Bash", { command: `touch ${file} && rm -f none`, description: `Make ${file}` }];
    await box.spawn("swap", [useTools([call("first.txt"), call("second.txt")]), say("Both.")]);
    await box.send("swap", "Go");
    await box.reach("swap", "blocked");
    await Bun.sleep(700);
    // While csd reads and presses, a person answers the first gate: whatever csd does then, the second stays.
    const answers = [box.tryCsd(["approve", "swap", "--option", "1", "--contains", "first.txt"]), box.keys("swap", "1")];
    await Promise.all(answers);
    await until("the second gate", async () => ((await box.state("swap")).input as Json | undefined)?.description === "Make second.txt");
    await Bun.sleep(1200);
    expect(await box.state("swap")).toMatchObject({ status: "blocked", input: { description: "Make second.txt" } });
    expect(existsSync(join(box.home, "work/swap/second.txt"))).toBe(false);
  });

  test("widening is only chosen by number, by who says so, and keys do it", async () => {
    const { box } = sandbox;
    await box.spawn("widen", [bash("touch a.txt && rm -f x"), say("Done.")]);
    await box.send("widen", "Go");
    const state = await box.reach("widen", "blocked");
    const option = (state.choices as { option: number; meaning: string }[]).find(({ meaning }) => meaning === "mode-switch")?.option;
    expect(await errorOf(box, ["approve", "widen", "--option", String(option)])).toMatch(
      /^option 3 "Yes, and .*auto mode.*" allows more than this one request; nothing was chosen$/,
    );
    expect(await errorOf(box, ["approve", "widen", "--option", String(option), "--contains", "touch"])).toContain("more than this one");
    expect((await box.tryCsd(["approve", "widen", "--widen"])).code).toBe(2);
    expect(await box.state("widen")).toMatchObject({ status: "blocked", gate_id: state.gate_id });
    expect(await box.csd(["approve", "widen", "--option", String(option), "--widen"])).toMatchObject({
      option,
      meaning: "mode-switch",
      channel: "keys",
    });
    await box.reach("widen", "idle_done");
    expect(await box.screen("widen")).toContain("auto mode on");
  });

  test("without a hook that holds it a gate is answered with keys", async () => {
    const { box } = sandbox;
    await box.spawn("keys", [bash("touch a.txt && rm -f x"), bash("touch b.txt && rm -f x"), say("unreached")]);
    await box.send("keys", "Go");
    await box.reach("keys", "blocked");
    const gates = join(box.home, ".local/state/csd/run/keys/gates");
    const drop = async () => {
      for (const file of await until("the held gate", () => nonEmpty(readdirSync(gates)))) {
        process.kill((JSON.parse(readFileSync(join(gates, file), "utf8")) as { pid: number }).pid, "SIGKILL");
        rmSync(join(gates, file));
      }
    };
    await drop();
    expect(await box.csd(["approve", "keys"])).toMatchObject({ chosen: "Yes", option: 1, channel: "keys" });
    await until("the second gate", async () => JSON.stringify((await box.state("keys")).input ?? "").includes("b.txt"));
    await drop();
    expect(await box.csd(["deny", "keys"])).toMatchObject({ chosen: "No", option: 4, channel: "keys" });
    await box.reach("keys", "idle_done");
    expect([existsSync(join(box.home, "work/keys/a.txt")), existsSync(join(box.home, "work/keys/b.txt"))]).toEqual([true, false]);
  });
});

describe("answer", () => {
  test.each([
    ["a label", ["--choice", "test"], '\\"Which folder?\\"=\\"test\\"'],
    ["the beginning of a label, in any case", ["--choice", "TE"], '\\"Which folder?\\"=\\"test\\"'],
    ["a number", ["--choice", "1"], '\\"Which folder?\\"=\\"src\\"'],
    ["free text", ["--text", "neither, use lib"], '\\"Which folder?\\"=\\"neither, use lib\\"'],
  ])("one question, %s", async (rule, args, told) => {
    const { box } = sandbox;
    const name = `ask-${rule.replace(/\W+/g, "-")}`;
    await box.spawn(name, [ask({ question: "Which folder?", header: "Folder", options: choices("src", "test") }), say("Good.")]);
    await box.send(name, "Ask");
    await box.reach(name, "awaiting_answer");
    expect(await box.csd(["answer", name, ...args])).toMatchObject({ ok: true, gate: "question", channel: "hook" });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Good." });
    expect(lastRequest(box)).toContain(told);
  });

  test("several questions, one with several choices and one with a text", async () => {
    const { box } = sandbox;
    const checks = { question: "Which checks?", header: "Checks", multiSelect: true, options: choices("lint", "unit", "e2e") };
    const name = { question: "What name?", header: "Name", options: choices("orders", "billing") };
    await box.spawn("several", [ask(checks, name), say("Good.")]);
    await box.send("several", "Ask");
    const state = await box.reach("several", "awaiting_answer");
    expect(state.question).toBe("Which checks?\nWhat name?");
    expect(await errorOf(box, ["answer", "several", "--choice", "lint"])).toBe("1 of 2 questions would stay without an answer");
    expect(await errorOf(box, ["answer", "several", "--choice", "nope"])).toBe('no option "nope" in "Which checks?"');
    const answer = await box.csd(["answer", "several", "--choice", "Checks=lint,e2e", "--text", "invoices"]);
    expect(answer).toMatchObject({ chosen: "lint, e2e; invoices" });
    await box.reach("several", "idle_done");
    expect(lastRequest(box)).toContain('\\"Which checks?\\"=\\"lint, e2e\\", \\"What name?\\"=\\"invoices\\"');
  });

  test("where no question is up it says so", async () => {
    const { box } = sandbox;
    await box.spawn("noquestion", [bash("touch a && rm -f b")]);
    expect(await errorOf(box, ["answer", "noquestion", "--choice", "1"])).toBe('no question is up in session "noquestion"');
    await box.send("noquestion", "Go");
    await box.reach("noquestion", "blocked");
    expect(await errorOf(box, ["answer", "noquestion", "--choice", "1"])).toBe('no question is up in session "noquestion"');
    expect(await box.state("noquestion")).toMatchObject({ status: "blocked" });
  });
});

describe("interrupt", () => {
  test("stops a turn, closes a gate, leaves an empty row, and is fine when nothing runs", async () => {
    const { box } = sandbox;
    await box.spawn("stop", [hold("Long"), bash("touch a && rm -f b"), say("After.")]);
    expect(await box.csd(["interrupt", "stop"])).toEqual({ ok: true, interrupted: false });
    await box.send("stop", "One");
    const id = String((JSON.parse(readFileSync(record(box, "stop"), "utf8")) as Json).session_id);
    // A turn that is stopped before it has asked the model leaves the answer to the next one.
    await until("the model was asked", () => box.stub.prompts(id).length > 0);
    await box.reach("stop", "working");
    expect(await box.csd(["interrupt", "stop"])).toEqual({ ok: true, interrupted: true });
    expect(await box.reach("stop", "idle_done")).toMatchObject({ outcome: "interrupted" });
    await box.send("stop", "Two");
    await box.reach("stop", "blocked");
    expect(await box.csd(["interrupt", "stop"])).toEqual({ ok: true, interrupted: true });
    await box.send("stop", "Three");
    expect(await box.reach("stop", "idle_done")).toMatchObject({ text: "After." });
    expect(box.stub.prompts(id)).toContain("Three");
  });
});

describe("wait and events", () => {
  test("wait returns the state it waited for, and 124 when the time is over", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("waits", [hold("one"), say("two")]);
    await box.send("waits", "Go");
    const late = await box.tryCsd(["wait", "waits", "--timeout", "1"]);
    expect([late.code, JSON.parse(late.stderr).error]).toEqual([124, 'session "waits" is still working after 1 s']);
    const waiting = box.csd(["wait", "waits", "--until", "idle_done,blocked", "--timeout", "20"]);
    box.stub.release(String(spawned.session_id));
    expect(await waiting).toMatchObject({ status: "idle_done", text: "one" });
    expect(await errorOf(box, ["wait", "nope"])).toBe('session "nope" does not exist');
    expect((await box.tryCsd(["wait", "waits", "--until", "idel_done"])).stderr).toContain("did you mean idle_done?");
  });

  test("wait ends when the session does", async () => {
    const { box } = sandbox;
    await box.spawn("ends", [hold("one")]);
    await box.send("ends", "Go");
    const waiting = box.tryCsd(["wait", "ends", "--until", "idle_done"]);
    const { pid } = JSON.parse(readFileSync(record(box, "ends"), "utf8")) as { pid: number };
    process.kill(pid, "SIGKILL");
    expect(await waiting).toMatchObject({ code: 1, stderr: expect.stringContaining('session \\"ends\\" is not alive') });
  });

  test("events: a snapshot, each change with old, new, source and gate, and the end", async () => {
    const { box } = sandbox;
    await box.spawn("told", [bash("touch a && rm -f b"), say("Done.")]);
    const stream = Bun.spawn([csdPath, "events", "told"], { env: box.env, cwd: box.home, stdout: "pipe" });
    const seen: Json[] = [];
    const reading = (async () => {
      let rest = "";
      const decoder = new TextDecoder();
      for await (const chunk of stream.stdout) {
        const lines = (rest + decoder.decode(chunk)).split("\n");
        rest = lines.pop() ?? "";
        seen.push(...lines.map((line) => JSON.parse(line) as Json));
      }
    })();
    await until("the snapshot", () => seen.length === 1);
    await box.send("told", "Go");
    await until("the gate", () => seen.at(-1)?.new === "blocked");
    await box.csd(["approve", "told"]);
    await until("the end of the turn", () => seen.at(-1)?.new === "idle_done");
    await box.csd(["kill", "told"]);
    await until("the end", () => seen.at(-1)?.event === "gone");
    stream.kill();
    await reading;
    const steps = seen.filter(({ old, new: now }) => old !== now).map(({ event, old, new: now }) => [event, old, now]);
    expect(
      steps.filter(([, old, now]) => now !== "dead" && !(old === "blocked" && now === "working") && old !== "working" && old !== "dead"),
    ).toEqual(
      expect.arrayContaining([
        ["snapshot", null, "idle_done"],
        ["change", "idle_done", "working"],
      ]),
    );
    expect(seen.find((event) => event.new === "blocked")?.state).toMatchObject({
      gate: "permission",
      tool: "Bash",
      source: "session-file",
      age_ms: expect.any(Number),
    });
    expect(seen.every((event) => event.session === "told" && typeof event.at === "number")).toBe(true);
  });
});

describe("how turns end", () => {
  test("an API error is failed, with its class", async () => {
    const { box } = sandbox;
    await box.spawn("apierror", [fail(400, "prompt is too long: 300000 tokens > 200000 maximum")]);
    await box.send("apierror", "Go");
    expect(await box.reach("apierror", "failed")).toMatchObject({ error: "invalid_request" });
  });

  test("an API that is asked again is told with count, wait and reason, by state, ls and events, and gone with the answer", async () => {
    const { box } = sandbox;
    await box.spawn("again", [fail(500, "the stub is tired", 5), say("At last.")]);
    const events = Bun.spawn([csdPath, "events", "again"], { env: box.env, cwd: box.home, stdout: "pipe" });
    await box.send("again", "Go");
    const retry = await until("a third try", async () => {
      const state = await box.state("again");
      const { attempt = 0 } = (state.retry ?? {}) as { attempt?: number };
      return state.status === "working" && attempt >= 3 ? state.retry : undefined;
    });
    expect(retry).toMatchObject({ max_attempts: 10, wait_ms: expect.any(Number), error: "500 the stub is tired" });
    expect((await box.csm(["ls"])).stdout).toMatch(/again +retry \d\/10 in \d+s/);
    expect(await box.csd(["wait", "again", "--until", "idle_done", "--timeout", "60"])).toMatchObject({ text: "At last." });
    expect(Object.keys(await box.state("again"))).not.toContain("retry");
    events.kill();
    const told = (await events.stdout.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { new: string; state: Json });
    expect(told.filter(({ state }) => state.retry !== undefined).every((event) => event.new === "working")).toBe(true);
    expect(told.some(({ state }) => (state.retry as Json | undefined)?.error === "500 the stub is tired")).toBe(true);
    await box.csd(["kill", "again"]);
  });

  test("a turn that is cut off by the token limit is truncated", async () => {
    const { box } = sandbox;
    await box.spawn(
      "cut",
      Array.from({ length: 6 }, () => say("This is cu", { stopReason: "max_tokens" })),
    );
    await box.send("cut", "Go");
    const state = await until("an end", async () => {
      const now = await box.state("cut");
      return (now.status === "idle_done" || now.status === "failed") && now;
    });
    expect([state.status, state.outcome ?? state.error]).toEqual(
      state.status === "failed" ? ["failed", expect.any(String)] : ["idle_done", "truncated"],
    );
  });
});

describe("usage limits", () => {
  const subscription = useBox({ login: "subscription" });

  test.each(["five_hour", "seven_day"] as const)("a %s limit is limited, with its reset", async (window) => {
    const { box } = subscription;
    const resetsAt = Math.floor(Date.now() / 1000 + 3600) * 1000;
    await box.spawn(window, [limit(window, resetsAt)]);
    await box.send(window, "Go");
    expect(await box.reach(window, "limited")).toMatchObject({ window, resets_at: resetsAt });
  });
});

describe("run", () => {
  test("prints the answer alone and leaves nothing behind", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([say("The answer is 42.")]);
    const result = await box.tryCsd(["run", "--cwd", box.folder("run1"), "What", "is", "it?"]);
    expect([result.code, result.stdout, result.stderr]).toEqual([0, "The answer is 42.\n", ""]);
    expect(JSON.stringify(await box.csd(["ps", "--json"]))).not.toContain("run1");
  });

  test("reads stdin, prints JSON, keeps the session when asked, and resumes it by id", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([say("First.")]);
    const cwd = box.folder("run2");
    const first = await box.csd(["run", "--json", "--keep", "--cwd", cwd], { input: "  piped \u0000in\n" });
    expect([first.status, first.text, String(first.session).slice(0, 9)]).toEqual(["done", "First.", "csd-run2-"]);
    await box.csd(["kill", String(first.session)]);
    box.stub.scriptAny([say("Second.")]);
    expect(await box.csd(["run", "--json", "--cwd", cwd, "--resume", String(first.session_id), "again"])).toMatchObject({
      status: "done",
      text: "Second.",
      session_id: String(first.session_id),
    });
    expect(lastRequest(box)).toContain("First.");
    expect(await errorOf(box, ["run", "--cwd", box.folder("elsewhere"), "--resume", String(first.session_id), "x"])).toContain(
      "no transcript at",
    );
  });

  test.each<[how: string, code: number, steps: Step[], args: string[], outcome: Json]>([
    ["at a gate", 4, [bash("touch a && rm -f b")], ["--permission-mode", "manual"], { status: "gated", gate: "permission", tool: "Bash" }],
    ["at a question", 3, [say("Which one?")], [], { status: "awaiting_answer", question: "Which one?" }],
    ["when the time is over", 124, [hold("slow")], ["--timeout", "1"], { status: "timed_out" }],
  ])("stops %s with code %i, and ends its session, unless it is to be kept", async (how, code, steps, args, outcome) => {
    const { box } = sandbox;
    const folder = how.replaceAll(" ", "-");
    const run = ["run", "--cwd", box.folder(folder), ...args];
    box.stub.scriptAny([...steps]);
    const ended = await box.tryCsd([...run, "--json", "go"]);
    expect([ended.code, JSON.parse(ended.stdout)]).toEqual([code, expect.objectContaining(outcome)]);
    expect(Object.keys(JSON.parse(ended.stdout))).not.toContain("session");
    expect(JSON.stringify(await box.csd(["ps", "--json"]))).not.toContain(folder);
    box.stub.scriptAny([...steps]);
    const kept = await box.tryCsd([...run, "--keep", "go"]);
    expect([kept.code, kept.stdout, kept.stderr.trim().split("\n").length]).toEqual([code, "", 1]);
    const { session } = JSON.parse(kept.stderr) as { session: string };
    if (code === 4) expect((await box.tryCsd(["run", "--session", session, "more"])).code).toBe(4);
    expect(await box.csd(["kill", session])).toEqual({ ok: true, killed: true });
  });

  test("--approve-plan goes on after the plan", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([...plan("# A plan\n"), say("Implemented.")]);
    const result = await box.csd(["run", "--json", "--permission-mode", "plan", "--approve-plan", "--cwd", box.folder("run6"), "plan it"]);
    expect(result).toMatchObject({ status: "done", text: "Implemented." });
  });

  test("flags that exclude one another are usage errors", async () => {
    const { box } = sandbox;
    for (const flags of [
      ["--session", "x", "--yolo"],
      ["--session", "x", "--resume", "y"],
      ["--resume", "a", "--session-id", "b"],
    ])
      expect((await box.tryCsd(["run", ...flags, "hi"])).code).toBe(2);
    expect(await errorOf(box, ["run", "--cwd", box.folder("run7"), ""])).toBe("empty prompt");
  });
});

describe("tail, logs, attach", () => {
  test("tail shows the conversation as text or as lines, logs what the hooks told", async () => {
    const { box } = sandbox;
    await box.spawn("talk", [say("Hello \u001b[31mthere"), say("Bye.")]);
    expect(await errorOf(box, ["tail", "talk"])).toBe('session "talk" has no transcript yet');
    await box.send("talk", "Hi\nyou");
    await box.reach("talk", "idle_done");
    expect((await box.tryCsd(["tail", "talk"])).stdout).toBe("> Hi\n  you\nHello there\n");
    const lines = (await box.tryCsd(["tail", "talk", "--json", "-n", "3"])).stdout.trim().split("\n");
    expect(lines.map((line) => typeof JSON.parse(line))).toEqual(["object", "object", "object"]);
    const following = Bun.spawn([csdPath, "tail", "talk", "-f"], { env: box.env, cwd: box.home, stdout: "pipe" });
    await box.send("talk", "Ciao");
    await box.reach("talk", "idle_done");
    await until("the answer is in the transcript", async () => (await box.tryCsd(["tail", "talk"])).stdout.includes("Bye."));
    await box.csd(["kill", "talk"]);
    expect(await following.stdout.text()).toBe("> Hi\n  you\nHello there\n> Ciao\nBye.\n");
  });

  test("tail shows what was refused, and why", async () => {
    const { box } = sandbox;
    await box.spawn("refusals", [bash("touch a && rm -f b"), say("Well."), bash("touch c && rm -f d"), say("Well.")]);
    await box.send("refusals", "Go");
    await box.reach("refusals", "blocked");
    await box.csd(["deny", "refusals", "--reason", "use the staging\ndatabase"]);
    await box.reach("refusals", "idle_done");
    await box.send("refusals", "Again");
    await box.reach("refusals", "blocked");
    await box.csd(["deny", "refusals"]);
    await box.reach("refusals", "idle_done");
    const lines = (await box.tryCsd(["tail", "refusals"])).stdout.split("\n");
    expect(lines).toContain("! refused: use the staging database");
    expect(lines).toContain("! refused");
    await box.csd(["kill", "refusals"]);
  });

  test("attach shows the session in this terminal", async () => {
    const { box } = sandbox;
    await box.spawn("seen", []);
    expect(await errorOf(box, ["attach", "seen"])).toBe("csd attach needs a terminal");
    await box.run([
      "tmux",
      "-u",
      "new-session",
      "-d",
      "-s",
      "outer",
      "-x",
      "120",
      "-y",
      "40",
      "env",
      "-u",
      "TMUX",
      csdPath,
      "attach",
      "seen",
    ]);
    await until("the session's screen", async () => /manual mode on/.test(await box.screen("outer")));
  });
});

describe("faults", () => {
  test("a transcript that is torn, replaced or full of garbage gives a state and no error", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("garbage", [say("Before."), say("After.")]);
    await box.send("garbage", "Go");
    await box.reach("garbage", "idle_done");
    const path = String(spawned.jsonl_path);
    for (const content of [
      "",
      "\u0000\u0001{]\n",
      '{"type":"assistant","mess',
      "x".repeat(3_000_000),
      '{"type":"user"}\n[]\nnull\n"x"\n',
    ]) {
      writeFileSync(path, content);
      expect(["idle_done", "unknown"]).toContain(String((await box.state("garbage")).status));
    }
    rmSync(path);
    expect(await box.state("garbage")).toMatchObject({ status: "idle_done" });
  });

  test("a tmux server that dies takes its sessions with it: dead, and kill forgets them", async () => {
    const { box } = sandbox;
    const env = { ...box.env, TMUX_TMPDIR: join(box.dir, "other") };
    await box.run(["mkdir", "-p", env.TMUX_TMPDIR]);
    await box.csd(["spawn", "--name", "orphan", "--cwd", box.folder("orphan")], { env });
    const record = join(box.home, ".local/state/csd/sessions/orphan.json");
    const { pid } = JSON.parse(readFileSync(record, "utf8")) as { pid: number };
    await box.run(["tmux", "kill-server"], { env });
    // Claude takes its time to end, and a kill before that would end it.
    await until("claude has ended", () => !existsSync(`/proc/${pid}`));
    expect(await box.reach("orphan", "dead")).toMatchObject({ source: "process" });
    expect(await errorOf(box, ["send", "orphan", "hi"])).toBe('session "orphan" is not alive');
    expect(await box.csd(["kill", "orphan"])).toEqual({ ok: true, killed: false });
  });

  test("where only the socket of tmux has gone claude works on: send says so, and kill ends it", async () => {
    const { box } = sandbox;
    const env = { ...box.env, TMUX_TMPDIR: join(box.dir, "lost") };
    await box.run(["mkdir", "-p", env.TMUX_TMPDIR]);
    await box.csd(["spawn", "--name", "lost", "--cwd", box.folder("lost")], { env });
    const { pid, socket } = JSON.parse(readFileSync(join(box.home, ".local/state/csd/sessions/lost.json"), "utf8")) as Json;
    await box.run(["rm", String(socket)]);
    const failed = await box.tryCsd(["send", "lost", "hi"]);
    expect(JSON.parse(failed.stderr).hint).toBe(`tmux has lost it, and its process ${pid} still runs: csd kill lost ends it`);
    expect(box.sys.signal(Number(pid), 0)).toBe(true);
    expect(await box.csd(["kill", "lost"])).toEqual({ ok: true, killed: true });
    expect(parseStat(box.sys.readText(`/proc/${pid}/stat`) ?? "")).toBeUndefined();
  });

  test("a number in new use is not the session", async () => {
    const { box } = sandbox;
    await box.spawn("reused", []);
    const sidecar = JSON.parse(readFileSync(record(box, "reused"), "utf8")) as Json;
    writeFileSync(record(box, "reused"), JSON.stringify({ ...sidecar, pid: process.pid }));
    expect(await box.state("reused")).toMatchObject({ status: "dead" });
    writeFileSync(record(box, "reused"), JSON.stringify(sidecar));
    expect(await box.state("reused")).toMatchObject({ status: "idle_done" });
  });

  test("a record of the older csd works", async () => {
    const { box } = sandbox;
    await box.spawn("older", [say("Fine.")]);
    const { name, session_id, cwd, backend, jsonl_path, permission_mode, created } = JSON.parse(
      readFileSync(record(box, "older"), "utf8"),
    ) as Json;
    writeFileSync(record(box, "older"), JSON.stringify({ name, session_id, cwd, backend, jsonl_path, permission_mode, created }));
    expect(await box.state("older")).toMatchObject({ status: "idle_done", outcome: "none" });
    expect(await box.send("older", "Go")).toMatchObject({ ok: true });
    expect(await box.reach("older", "idle_done")).toMatchObject({ text: "Fine." });
    expect(await box.csd(["kill", "older"])).toEqual({ ok: true, killed: true });
  });
});

describe("scripts", () => {
  test("the loop that the older tool documents works unchanged", async () => {
    const { box } = sandbox;
    const cwd = box.folder("loop");
    // Its own words: read the state, answer or approve, stop at idle_done or dead, else sleep.
    const script = `
      name=$(csd spawn --cwd '${cwd}' --permission-mode plan | sed -n 's/^  "name": "\\(.*\\)",$/\\1/p')
      echo "$name" > name
      until [ -e scripted ]; do sleep 0.05; done
      csd send "$name" Plan it and do it >/dev/null
      while :; do
        status=$(csd state "$name" | sed -n 's/^  "status": "\\(.*\\)",$/\\1/p')
        echo "$status"
        case $status in
          awaiting_answer) csd send "$name" yes >/dev/null ;;
          plan_ready|blocked) csd approve "$name" >/dev/null ;;
          idle_done|dead) break ;;
          *) sleep 0.2 ;;
        esac
      done`;
    const running = box.run(["bash", "-c", script], { cwd, env: { ...box.env, PATH: `${join(csdPath, "..")}:${box.env.PATH}` } });
    const name = await until("the session is named", () => existsSync(join(cwd, "name")) && readFileSync(join(cwd, "name"), "utf8").trim());
    const { session_id } = JSON.parse(readFileSync(record(box, name), "utf8")) as Json;
    box.stub.script(String(session_id), [...plan("# Do it"), bash("touch done.txt && rm -f x"), say("Shall I finish?"), say("Finished.")]);
    writeFileSync(join(cwd, "scripted"), "");
    const steps = (await running).stdout.trim().split("\n");
    expect(steps.filter((step, index) => step !== "working" && step !== steps[index - 1])).toEqual([
      ...["plan_ready", "blocked", "awaiting_answer", "idle_done"],
    ]);
    expect(existsSync(join(cwd, "done.txt"))).toBe(true);
  });

  test("no prompt and no token stands in a process list while a session works", async () => {
    const { box } = sandbox;
    await box.spawn("secret", [hold("working"), say("x")]);
    await box.csd(["send", "secret", "-"], { input: "the word is xyzzy-plugh" });
    await box.reach("secret", "working");
    const listed = (await box.run(["ps", "axwwe"])).stdout.split("\n").filter((line) => line.includes("claude --session-id"));
    expect(listed.length).toBeGreaterThan(0);
    expect((await box.run(["bash", "-c", "ps axww -o args | grep -v grep | grep -cE 'xyzzy|sk-ant'"])).stdout.trim()).toBe("0");
  });
});

describe("a disk that takes nothing more", () => {
  test("spawn: one error line, and nothing is left running", async () => {
    const { box } = sandbox;
    const cwd = box.folder("full");
    const result = await box.run(["bash", "-c", `ulimit -f 0; exec '${csdPath}' spawn --name full --cwd '${cwd}'`]);
    expect([result.code, result.stdout, result.stderr.trim().split("\n").length]).toEqual([1, "", 1]);
    expect("error" in JSON.parse(result.stderr)).toBe(true);
    expect((await box.run(["tmux", "has-session", "-t", "=full"])).code).not.toBe(0);
  });

  test("the record of a session survives a write that fails", async () => {
    const { box } = sandbox;
    await box.spawn("survives", [say("Still here.")]);
    const before = readFileSync(record(box, "survives"), "utf8");
    const result = await box.run(["bash", "-c", `ulimit -f 0; exec '${csdPath}' send survives hello`]);
    expect([result.code, result.stderr.trim().split("\n").length]).toEqual([1, 1]);
    expect(readFileSync(record(box, "survives"), "utf8")).toBe(before);
    await box.send("survives", "hello");
    expect(await box.reach("survives", "idle_done")).toMatchObject({ text: "Still here." });
  });
});
