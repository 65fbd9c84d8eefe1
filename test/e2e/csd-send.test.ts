import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, bash, hold, type Question, say } from "../../src/stub-script.ts";
import { type Box, csdPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();
const errorOf = (stderr: string) => (JSON.parse(stderr) as { error: string }).error;
const sessionId = async (box: Box, name: string) =>
  String((JSON.parse(readFileSync(join(box.home, `.local/state/csd/sessions/${name}.json`), "utf8")) as Json).session_id);

describe("a prompt is delivered byte for byte", () => {
  test.each([
    ["one byte", "x"],
    ["tabs", "a\tb\t\tc"],
    ["a leading ! does not reach the shell", "!touch owned"],
    ["a leading / that is no command", "/etc/hosts is what?"],
    ["a leading #", "# title"],
    ["a leading @", "@nofile.txt what is it?"],
    ["a leading -", "-rf is a flag"],
    ["leading blanks", "   three"],
    ["a trailing backslash", "ends with \\"],
    ["several lines", "one\n\n  two\nthree\n\nfour\nfive"],
    ["CRLF", "one\r\ntwo"],
    ["emoji and CJK", "日本語 👩‍👩‍👧‍👦 한국어 é ﷽ 🇯🇵"],
    ["quotes, dollars and back-quotes", `"$HOME" 'x' \`id\` $(id) \${x} %s \\n`],
    ["what looks like a menu", "Do you want to proceed?\n❯ 1. Yes\n  2. No\n\nEsc to cancel"],
    ["a paste end in the text", "before [201~ after"],
    ["40 lines", Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n")],
    ["5 kB in one line", "word ".repeat(1000).trim()],
  ])("%s", async (rule, prompt) => {
    const { box } = sandbox;
    const name = `exact-${rule.replace(/\W+/g, "-").slice(0, 40)}`;
    await box.spawn(name, [say("Got it.")]);
    expect(await box.csd(["send", name, "--", prompt])).toMatchObject({ ok: true, attempts: 1, receipt: "turn_started" });
    await box.reach(name, "idle_done");
    expect(box.stub.prompts(await sessionId(box, name))).toEqual([prompt]);
    await box.csd(["kill", name]);
  });

  test.each([
    ["100 kB of lines", `${"line é\n".repeat(12_500)}end`],
    ["1 MB in one line", `${"z".repeat(999_990)}end`],
  ])("from stdin: %s", async (rule, prompt) => {
    const { box } = sandbox;
    const name = `big-${rule.replace(/\W+/g, "-")}`;
    await box.spawn(name, [say("Got it.")]);
    expect(await box.csd(["send", name, "-"], { input: prompt })).toMatchObject({ ok: true, receipt: "turn_started" });
    await box.reach(name, "idle_done");
    expect(box.stub.prompts(await sessionId(box, name)).map((text) => text === prompt)).toEqual([true]);
    await box.csd(["kill", name]);
  });

  test("200 sends of random text to one session: 200 exact deliveries, in order", async () => {
    const { box } = sandbox;
    // Whole characters: claude drops a joiner that joins nothing, as it does all invisible characters.
    const alphabet = [..."abc XYZ 019 .,;:!?#@/\\-_'\"`$(){}[]<>|&*~^%=+\t\n\n äßñ 日本", "👍🏽", "👩‍🚀", "🇯🇵"];
    const random = mulberry(42);
    const text = () =>
      Array.from({ length: 1 + Math.floor(random() * 120) }, () => alphabet[Math.floor(random() * alphabet.length)] ?? "")
        .join("")
        .trimEnd();
    // A slash command is claude's own, and a text of blanks is no prompt.
    const prompts = Array.from({ length: 200 }, (_, index) => `${index}${text()}`);
    await box.spawn(
      "many",
      prompts.map((_, index) => say(`answer ${index}`)),
    );
    for (const prompt of prompts) {
      expect(await box.csd(["send", "many", "--", prompt])).toMatchObject({ ok: true, attempts: 1 });
      await box.csd(["wait", "many", "--until", "idle_done,awaiting_answer", "--timeout", "20"]);
    }
    expect(box.stub.prompts(await sessionId(box, "many"))).toEqual(prompts);
  }, 300_000);
});

/** A small seeded generator: the same texts in every run. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe("where a prompt does not belong", () => {
  test("into somebody's draft: reported, the draft stays", async () => {
    const { box } = sandbox;
    await box.spawn("draft", [say("ok")]);
    await box.keys("draft", "-l", "half a sentence");
    await until("the draft shows", async () => (await box.screen("draft")).includes("half a sentence"));
    const result = await box.tryCsd(["send", "draft", "mine"]);
    expect([result.code, errorOf(result.stderr)]).toEqual([1, 'session "draft" holds a draft: "half a sentence"; nothing was typed']);
    expect(await box.screen("draft")).toContain("half a sentence");
  });

  test("into a running turn: refused, or queued when asked, and delivered once", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("turn", [hold("first"), say("second")]);
    await box.send("turn", "One");
    await box.reach("turn", "working");
    const refused = await box.tryCsd(["send", "turn", "Two"]);
    expect([refused.code, errorOf(refused.stderr)]).toEqual([1, 'session "turn" is working; nothing was submitted']);
    const queued = await box.csd(["send", "turn", "--queue", "Three"]);
    expect([queued.ok, queued.attempts]).toEqual([true, 1]);
    box.stub.release(String(spawned.session_id));
    await until("the queued prompt is answered", async () => (await box.state("turn")).text === "second");
    const prompts = box.stub.prompts(String(spawned.session_id));
    expect(prompts.filter((text) => text.includes("Three")).length).toBe(1);
    expect(prompts.filter((text) => text.includes("Two")).length).toBe(0);
  });

  test("--no-submit leaves the text in the row", async () => {
    const { box } = sandbox;
    await box.spawn("nosubmit", [say("ok")]);
    expect(await box.csd(["send", "nosubmit", "--no-submit", "look at this"])).toEqual({ ok: true, attempts: 1, receipt: "typed" });
    expect(await box.screen("nosubmit")).toContain("❯\u00a0look at this");
    expect(await box.state("nosubmit")).toMatchObject({ outcome: "none" });
  });

  test("wait after send --queue waits for the turn of the queued prompt", async () => {
    const { box } = sandbox;
    for (let round = 0; round < 3; round++) {
      const name = `queue${round}`;
      const spawned = await box.spawn(name, [hold("first"), say("second")]);
      await box.send(name, "One");
      await box.reach(name, "working");
      expect(await box.csd(["send", name, "--queue", "Two"])).toMatchObject({ receipt: "accepted" });
      const waiting = box.csd(["wait", name, "--until", "idle_done", "--timeout", "30"]);
      await Bun.sleep(100 * round);
      box.stub.release(String(spawned.session_id));
      expect(await waiting).toMatchObject({ status: "idle_done", text: "second" });
      await box.csd(["kill", name]);
    }
  });

  test("submit sends the draft that stands in the row, clear takes it away; without one the first is refused, the second fine", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("drafts", [say("One."), hold("Two."), say("Three.")]);
    const refused = await box.tryCsd(["submit", "drafts"]);
    expect([refused.code, errorOf(refused.stderr)]).toEqual([1, 'session "drafts" holds no draft']);
    expect(await box.csd(["clear", "drafts"])).toEqual({ ok: true, cleared: false });
    const text = `${"line of a draft\n".repeat(12)}!ends\there \\`;
    await box.csd(["send", "drafts", "--no-submit", "-"], { input: text });
    const hint = (JSON.parse((await box.tryCsd(["send", "drafts", "mine"])).stderr) as { hint: string }).hint;
    expect(hint).toBe("csd submit drafts sends it, csd clear drafts takes it away");
    expect(await box.csd(["submit", "drafts"])).toMatchObject({ ok: true, attempts: 1, receipt: "turn_started" });
    await box.reach("drafts", "idle_done");
    expect(box.stub.prompts(String(spawned.session_id))).toEqual([text]);
    await box.csd(["send", "drafts", "--no-submit", "-"], { input: text });
    expect(await box.csd(["clear", "drafts"])).toEqual({ ok: true, cleared: true });
    await box.keys("drafts", "-l", "by hand");
    await until("the draft shows", async () => (await box.screen("drafts")).includes("❯\u00a0by hand"));
    expect(await box.csd(["submit", "drafts"])).toMatchObject({ receipt: "turn_started" });
    await box.reach("drafts", "working");
    await box.csd(["send", "drafts", "--queue", "--no-submit", "later"]);
    expect(errorOf((await box.tryCsd(["submit", "drafts"])).stderr)).toBe('session "drafts" is working; nothing was submitted');
    expect(await box.csd(["clear", "drafts"])).toEqual({ ok: true, cleared: true });
    expect(await box.state("drafts")).toMatchObject({ status: "working" });
    await box.csd(["send", "drafts", "--queue", "--no-submit", "later"]);
    expect(await box.csd(["submit", "drafts", "--queue"])).toMatchObject({ receipt: "accepted" });
    box.stub.release(String(spawned.session_id));
    expect(await box.csd(["wait", "drafts", "--until", "idle_done", "--timeout", "20"])).toMatchObject({ text: "Three." });
    await box.csd(["kill", "drafts"]);
  });

  test("a slash command is claude's: typed, no turn", async () => {
    const { box } = sandbox;
    await box.spawn("slash", [say("before")]);
    await box.send("slash", "One");
    await box.reach("slash", "idle_done");
    const before = await sessionId(box, "slash");
    expect(await box.csd(["send", "slash", "/clear"])).toMatchObject({ ok: true, receipt: "typed" });
    // The conversation has a new id and file; the session is the same.
    expect(await box.send("slash", "Two")).toMatchObject({ receipt: "turn_started" });
    expect(await box.reach("slash", "idle_done")).toMatchObject({ text: "Done." });
    expect(box.stub.requests.at(-1)?.sessionId).not.toBe(before);
  });

  test("that the user's own hook refuses: no turn, and the session is idle", async () => {
    const { box } = sandbox;
    const settings = join(box.dir, "refuse.json");
    const hooks = { UserPromptSubmit: [{ hooks: [{ type: "command", command: "echo not this one >&2; exit 2" }] }] };
    writeFileSync(settings, JSON.stringify({ hooks }));
    const folder = box.folder("refused");
    mkdirSync(join(folder, ".claude"));
    copyFileSync(settings, join(folder, ".claude/settings.json"));
    await box.spawn("refused", [say("never")]);
    await box.send("refused", "One");
    expect(await box.reach("refused", "idle_done")).toMatchObject({ text: "" });
    expect(box.stub.prompts(await sessionId(box, "refused"))).toEqual([]);
  });

  test("nothing at all", async () => {
    const { box } = sandbox;
    await box.spawn("empty", []);
    for (const prompt of ["", "  ", "\n"]) expect(errorOf((await box.tryCsd(["send", "empty", "--", prompt])).stderr)).toBe("empty prompt");
  });
});

describe("at a question form", () => {
  const options = ["src", "test"].map((label) => ({ label, description: `the ${label} one` }));
  const folder = { question: "Which folder?", header: "Folder", options };
  const answered = (box: Box) => JSON.stringify(box.stub.requests.at(-1)?.body.messages);

  test.each<[what: string, question: Question, text: string, isHeld: boolean, answer: string]>([
    ["own words, through the hook", folder, "neither: make docs", true, "neither: make docs"],
    ["a label, through the hook", folder, "TEST", true, "test"],
    ["own words, with keys", folder, "neither: make docs", false, "neither: make docs"],
    ["a label, with keys", folder, "test", false, "test"],
    ["several choices, through the hook", { ...folder, multiSelect: true }, "both of them", true, "both of them"],
  ])("of one part the text is the answer: %s", async (what, question, text, isHeld, answer) => {
    const { box } = sandbox;
    const name = `form-${what.replace(/\W+/g, "-")}`;
    const cwd = box.folder(name);
    mkdirSync(join(cwd, ".claude"));
    if (!isHeld) writeFileSync(join(cwd, ".claude/settings.json"), JSON.stringify({ disableAllHooks: true }));
    await box.spawn(name, [ask(question), say("Thanks.")]);
    await box.send(name, "Ask me");
    await box.reach(name, "awaiting_answer");
    const sent = await box.csd(["send", name, text]);
    const channel = isHeld ? "hook" : "keys";
    expect(sent).toMatchObject({ ok: true, attempts: 1, receipt: "accepted", gate: "question", chosen: answer, channel });
    expect(await box.csd(["wait", name, "--until", "idle_done", "--timeout", "20"])).toMatchObject({ text: "Thanks." });
    expect(answered(box)).toContain(`\\"Which folder?\\"=\\"${answer}\\"`);
    await box.csd(["kill", name]);
  });

  test("of several parts, and with --no-submit, it is refused and names csd answer; nothing is typed", async () => {
    const { box } = sandbox;
    await box.spawn("parts", [ask(folder, { ...folder, question: "And which tests?", header: "Tests" }), say("Thanks.")]);
    await box.send("parts", "Ask me");
    await box.reach("parts", "awaiting_answer");
    const refused = await box.tryCsd(["send", "parts", "src"]);
    expect([refused.code, JSON.parse(refused.stderr)]).toEqual([
      1,
      { error: 'session "parts" asks 2 questions; nothing was sent', hint: "csd answer parts takes one answer for each" },
    ]);
    expect(await box.state("parts")).toMatchObject({ status: "awaiting_answer" });
    await box.csd(["answer", "parts", "--choice", "src", "--choice", "test"]);
    await box.reach("parts", "idle_done");
    await box.csd(["kill", "parts"]);
  });

  test("the loop that the older tool documents goes through a form, a text and a gate", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("formloop", [ask(folder), bash("touch done.txt && rm -f x"), say("Shall I go on?"), say("Finished.")]);
    const script = `
      csd send formloop Do it >/dev/null
      while :; do
        status=$(csd state formloop | sed -n 's/^  "status": "\\(.*\\)",$/\\1/p')
        case $status in
          awaiting_answer) echo asked; csd send formloop yes >/dev/null || exit 1 ;;
          plan_ready|blocked) csd approve formloop >/dev/null ;;
          idle_done|dead) echo $status; break ;;
          *) sleep 0.2 ;;
        esac
      done`;
    const env = { ...box.env, PATH: `${join(csdPath, "..")}:${box.env.PATH}` };
    expect((await box.run(["bash", "-c", script], { env })).stdout).toBe("asked\nasked\nidle_done\n");
    expect(box.stub.prompts(String(spawned.session_id))).toEqual(["Do it", "yes"]);
    await box.csd(["kill", "formloop"]);
  });
});

describe("the editor of a session", () => {
  test("is the user's own for everything but csd's prompts", async () => {
    const { box } = sandbox;
    const own = join(box.dir, "own-editor");
    writeFileSync(own, `#!/bin/sh\nprintf 'from my own editor' > "$1"\n`, { mode: 0o755 });
    await box.csd(["spawn", "--name", "editor", "--cwd", box.folder("editor")], { env: { ...box.env, VISUAL: own } });
    await box.keys("editor", "C-g");
    await until("its text", async () => (await box.screen("editor")).includes("from my own editor"));
    const { pid } = JSON.parse(readFileSync(join(box.home, ".local/state/csd/sessions/editor.json"), "utf8")) as { pid: number };
    const environment = Object.fromEntries(
      readFileSync(`/proc/${pid}/environ`, "utf8")
        .split("\0")
        .map((entry) => entry.split("=")),
    );
    const file = join(box.dir, "message");
    writeFileSync(file, "");
    await box.run(["sh", "-c", `exec $VISUAL '${file}'`], { env: environment as Record<string, string> });
    expect(readFileSync(file, "utf8")).toBe("from my own editor");
  });
});

describe("many at once", () => {
  test("20 sessions driven at once for 40 s: every prompt once, no answer mixed up, no record lost", async () => {
    const { box } = sandbox;
    const names = Array.from({ length: 20 }, (_, index) => `crowd${index}`);
    const deadline = Date.now() + 40_000;
    const asked = new Map<string, string[]>();
    await Promise.all(
      names.map(async (name) => {
        await box.spawn(
          name,
          Array.from({ length: 200 }, (_, turn) => say(`${name} answers ${turn}`)),
        );
        asked.set(name, []);
        for (let turn = 0; Date.now() < deadline; turn++) {
          await box.send(name, `${name} asks ${turn}`);
          asked.get(name)?.push(`${name} asks ${turn}`);
          expect(await box.csd(["wait", name, "--until", "idle_done", "--timeout", "60"])).toMatchObject({
            text: `${name} answers ${turn}`,
          });
        }
      }),
    );
    for (const name of names) expect(box.stub.prompts(await sessionId(box, name))).toEqual(asked.get(name) ?? []);
    expect(Math.min(...[...asked.values()].map((prompts) => prompts.length))).toBeGreaterThan(0);
    const { sessions } = (await box.csd(["ps", "--json"])) as { sessions: { name: string; alive: boolean }[] };
    expect(sessions.filter(({ alive }) => alive).map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  }, 240_000);

  test("8 processes that send to one session at once: each prompt whole and once", async () => {
    const { box } = sandbox;
    await box.spawn(
      "rush",
      Array.from({ length: 8 }, (_, index) => say(`answer ${index}`)),
    );
    const prompts = Array.from({ length: 8 }, (_, index) => `prompt number ${index} of the rush`);
    const send = async (prompt: string): Promise<void> => {
      const result = await box.tryCsd(["send", "rush", prompt]);
      if (result.code === 0) return;
      expect(errorOf(result.stderr)).toBe('session "rush" is working; nothing was submitted');
      await box.csd(["wait", "rush", "--until", "idle_done", "--timeout", "60"]);
      return send(prompt);
    };
    await Promise.all(prompts.map(send));
    await box.reach("rush", "idle_done");
    expect(box.stub.prompts(await sessionId(box, "rush")).sort()).toEqual(prompts);
  }, 180_000);
});
