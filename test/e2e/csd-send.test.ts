import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hold, say } from "../../src/stub-script.ts";
import { type Box, type Json, until, useBox } from "./harness.ts";

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
  test("20 sessions driven at once for 60 s: every prompt once, no answer mixed up, no record lost", async () => {
    const { box } = sandbox;
    const names = Array.from({ length: 20 }, (_, index) => `crowd${index}`);
    const deadline = Date.now() + 60_000;
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
