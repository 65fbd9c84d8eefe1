import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  isPersonal,
  labelOf,
  noFacts,
  readFacts,
  readSubject,
  renderTranscript,
  subjectOfEnds,
  subtitleOf,
  type TranscriptFacts,
} from "../src/transcript-facts.ts";

const user = (content: unknown, more: Record<string, unknown> = {}) => ({
  ...{ parentUuid: null, isSidechain: false, type: "user", message: { role: "user", content } },
  ...{ uuid: "u", timestamp: "2026-11-20T10:00:00.000Z", cwd: "/w", ...more },
});
const result = (text: string) => user([{ tool_use_id: "t1", type: "tool_result", content: text }]);
const answer = (model: string, more: Record<string, unknown> = {}) => ({
  ...{ isSidechain: false, message: { id: "m", type: "message", role: "assistant", model, content: [{ type: "text", text: "Hi" }] } },
  ...{ type: "assistant", timestamp: "2026-11-20T10:00:01.000Z", ...more },
});
const ai = (aiTitle: string) => ({ type: "ai-title", aiTitle, sessionId: "s" });
const custom = (customTitle: string) => ({ type: "custom-title", customTitle, sessionId: "s" });
const last = (lastPrompt: string) => ({ type: "last-prompt", lastPrompt });
const mode = (permissionMode: string) => ({ type: "permission-mode", permissionMode });

const toBytes = (entries: unknown[]) =>
  Buffer.from(entries.map((entry) => `${typeof entry === "string" ? entry : JSON.stringify(entry)}\n`).join(""));
/** As Python and others write JSON. */
const spaced = (entry: unknown) => JSON.stringify(entry, null, 1).replace(/\n\s*/g, " ");

describe("what a transcript says of itself", () => {
  test.each<[rule: string, entries: unknown[], expected: Partial<TranscriptFacts>]>([
    ["the last of two titles of Claude Code's", [ai("one"), ai("two")], { aiTitle: "two" }],
    ["an empty one does not count", [ai("one"), ai("")], { aiTitle: "one" }],
    ["the last of two given ones", [custom("one"), ai("x"), custom("two")], { customTitle: "two", aiTitle: "x" }],
    ["the last prompt record", [last("one"), last("two")], { lastPrompt: "two" }],
    ["the first prompt, and their number", [user("first"), answer("m"), user("second")], { firstPrompt: "first", turns: 2 }],
    [
      "blocks of text",
      [
        user([
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ]),
      ],
      { firstPrompt: "a\nb", turns: 1 },
    ],
    ["results of tools are no prompts", [result("no"), user("yes")], { firstPrompt: "yes", turns: 1 }],
    [
      "nor is what Claude Code writes itself",
      [
        user("x", { isMeta: true }),
        user("<command-name>/clear</command-name>"),
        user("<local-command-stdout>x"),
        user("x", { isCompactSummary: true }),
        user("x", { isSidechain: true }),
        user("[Request interrupted by user]"),
        user("<task-notification>done", { origin: { kind: "task-notification" } }),
        user("go on", { isMeta: true, origin: { kind: "auto-continuation" } }),
        user("yes", { origin: { kind: "human" } }),
      ],
      { firstPrompt: "yes", turns: 1 },
    ],
    ["the last mode, of a record or of a prompt", [mode("default"), user("x", { permissionMode: "plan" })], { permissionMode: "plan" }],
    ["the last mode, the other way round", [user("x", { permissionMode: "plan" }), mode("auto")], { permissionMode: "auto" }],
    ["an empty mode does not count", [mode("auto"), mode("")], { permissionMode: "auto" }],
    ["a mode elsewhere does not count", [mode("auto"), { type: "other", permissionMode: "plan" }], { permissionMode: "auto" }],
    ["the model of the newest answer", [answer("old"), answer("new"), answer("<synthetic>")], { model: "new" }],
    ["a sub-agent's model does not count", [answer("main"), answer("sub", { isSidechain: true })], { model: "main" }],
    [
      "where and when it began",
      [{ type: "mode" }, user("x"), user("y", { cwd: "/z" })],
      { cwd: "/w", startedAt: Date.UTC(2026, 10, 20, 10) },
    ],
    [
      "half a line and noise vanish",
      ['"type":"user","message":{"content":"torn', ai("one"), "nonsense", '{"type":"ai-title","aiTi'],
      { aiTitle: "one" },
    ],
    ["titles quoted in a text are none", [ai("real"), user(JSON.stringify(custom("quoted")))], { aiTitle: "real" }],
    ["titles inside a tool's input are none", [ai("real"), { type: "x", input: custom("nested") }], { aiTitle: "real" }],
    [
      "entries with blanks, as other tools write them",
      [spaced(custom("t")), spaced(user("hello")), spaced(mode("plan")), spaced(answer("m"))],
      { customTitle: "t", firstPrompt: "hello", permissionMode: "plan", model: "m", turns: 1 },
    ],
  ])("%s", (_, entries, expected) => {
    const { facts } = readFacts(toBytes(entries));
    expect(facts).toMatchObject(expected);
    expect(facts.customTitle).toBe(expected.customTitle as string);
  });

  test("a part at a time says the same as all at once", () => {
    const entries = [
      mode("default"),
      user("one"),
      answer("a"),
      ai("x"),
      result("r"),
      user("two", { permissionMode: "plan" }),
      custom("y"),
      answer("b"),
    ];
    const whole = readFacts(toBytes(entries));
    for (let cut = 0; cut <= entries.length; cut++) {
      const first = readFacts(toBytes(entries.slice(0, cut)));
      const second = readFacts(toBytes(entries.slice(cut)), first.facts);
      expect(second.facts).toEqual(whole.facts);
      expect([...first.prompts, ...second.prompts]).toEqual(["one", "two"]);
    }
  });
});

describe("whose conversation it is", () => {
  const said = user("hi", { entrypoint: "cli" });
  test.each<[rule: string, entries: unknown[], isTaken: boolean]>([
    ["a person's", [mode("auto"), said, answer("m")], true],
    ["a prompt without an answer", [said], true],
    ["an early version's, which names no entrypoint", [user("hi")], true],
    ["claude -p", [user("hi", { entrypoint: "sdk-cli" }), answer("m")], false],
    ["claude -p that a person went on with", [user("hi", { entrypoint: "sdk-cli" }), said], false],
    ["a person's that a script went on with", [said, user("hi", { entrypoint: "sdk-cli" })], true],
    [
      "snapshots, titles and bridges",
      [{ type: "file-history-snapshot" }, custom("x"), { type: "bridge-session" }, { type: "summary" }],
      false,
    ],
    ["nothing", [], false],
    ["a side chain", [user("hi", { isSidechain: true })], false],
    ["one within the first 64 KB", [said, answer("m", { isSidechain: true })], false],
    ["one behind them", [user("x".repeat(70_000)), answer("m", { isSidechain: true })], true],
    ["a member of a team", [user("hi", { teamName: "crew" })], false],
    ["gone on in the background", [said, { type: "continued-in", continuedInSessionId: "x" }], false],
    ["and here again", [said, { type: "continued-in", continuedInSessionId: "x" }, answer("m")], true],
    ["what a text quotes", [user(JSON.stringify({ isSidechain: true, entrypoint: "sdk-cli" }), { entrypoint: "cli" })], true],
  ])("%s", (_, entries, isTaken) => {
    const bytes = toBytes(entries);
    expect(isPersonal(readFacts(bytes).facts)).toBe(isTaken);
    // A line at a time.
    let [facts, at] = [noFacts, 0];
    for (const entry of entries) {
      const line = toBytes([entry]);
      facts = readFacts(line, facts, at).facts;
      at += line.length;
    }
    expect(isPersonal(facts)).toBe(isTaken);
  });
});

test.each<[rule: string, entries: unknown[], expected: Partial<TranscriptFacts>]>([
  [
    "titles, and the newest prompt",
    [ai("a"), custom("c"), user("one"), user("two"), result("r")],
    { aiTitle: "a", customTitle: "c", lastPrompt: "two" },
  ],
  ["claude's own record of it is older", [last("one"), user("two")], { lastPrompt: "two" }],
  ["it is all there is", [last("one"), answer("m")], { lastPrompt: "one" }],
  [
    "what claude writes itself is no prompt",
    [user("mine"), user("<task-notification>x"), user("x", { isMeta: true })],
    { lastPrompt: "mine" },
  ],
  ["entries with blanks", [spaced(custom("t")), spaced(user("hello"))], { customTitle: "t", lastPrompt: "hello" }],
  ["nothing", [], {}],
])("what a list shows of it: %s", (_, entries, expected) => {
  expect(readSubject(toBytes(entries))).toEqual({ turns: 0, ...expected });
  // A long transcript is known by its two ends.
  const [head, tail] = [toBytes(entries.slice(0, 2)), toBytes(entries.slice(2))];
  expect(subjectOfEnds({ head, tail })).toEqual({ turns: 0, ...expected });
});

describe("what tells it from others of its folder", () => {
  test.each<[rule: string, facts: Partial<TranscriptFacts>, expected: string]>([
    ["its title", { customTitle: "c", aiTitle: "a", lastPrompt: "l" }, "c"],
    ["its name is shown already", { customTitle: "name", aiTitle: "a", lastPrompt: "l" }, "a"],
    ["the newest prompt", { customTitle: "name", lastPrompt: "l", firstPrompt: "f" }, "l"],
    ["nothing", { customTitle: "name" }, ""],
  ])("%s", (_, facts, expected) => expect(subtitleOf({ turns: 0, ...facts }, "name")).toBe(expected));
});

describe("the label", () => {
  test.each<[rule: string, facts: Partial<TranscriptFacts>, expected: string]>([
    ["a given title first", { customTitle: "c", aiTitle: "a", lastPrompt: "l", firstPrompt: "f" }, "c"],
    ["then Claude Code's", { aiTitle: "a", lastPrompt: "l", firstPrompt: "f" }, "a"],
    ["then the last prompt", { lastPrompt: "l", firstPrompt: "f" }, "l"],
    ["then the first", { firstPrompt: "f" }, "f"],
    ["nothing", {}, ""],
    ["newline and tab become blanks", { aiTitle: "a\tb\nc" }, "a b c"],
    ["80 characters, however wide", { aiTitle: "가".repeat(120) }, "가".repeat(80)],
    ["characters beyond the BMP are not cut in two", { aiTitle: "😀".repeat(120) }, "😀".repeat(80)],
    ["escape sequences and direction marks vanish", { aiTitle: "\u001b[31mred\u001b]0;x\u0007\u202egnp\u009b2J" }, "redgnp2J"],
  ])("%s", (_, facts, expected) => {
    expect(labelOf({ turns: 0, ...facts })).toBe(expected);
  });
});

const captures = join(import.meta.dir, "fixtures/claude-2.1.329");
const transcripts = existsSync(captures)
  ? readdirSync(captures).flatMap((name) => (existsSync(join(captures, name, "transcript.jsonl")) ? [name] : []))
  : [];

test.each(transcripts)("the search of bytes finds in %s what a parse of each line finds", (name) => {
  const bytes = readFileSync(join(captures, name, "transcript.jsonl"));
  const entries = bytes
    .toString()
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
  const lastOf = (key: string, types: string[]) => entries.findLast((entry) => types.includes(String(entry.type)) && entry[key])?.[key];
  const { facts } = readFacts(bytes);
  expect(facts.aiTitle).toBe(lastOf("aiTitle", ["ai-title"]) as string);
  expect(facts.customTitle).toBe(lastOf("customTitle", ["custom-title"]) as string);
  expect(facts.lastPrompt).toBe(lastOf("lastPrompt", ["last-prompt"]) as string);
  expect(facts.permissionMode).toBe(lastOf("permissionMode", ["permission-mode", "user"]) as string);
});

test.each<[rule: string, content: string, decision: string | undefined, shown: string]>([
  [
    "a refusal with its reason",
    "The user doesn't want to proceed with this tool use. X the user said:\nuse mv\ninstead",
    "reject",
    "! refused: use mv instead",
  ],
  ["one without", "The user doesn't want to proceed with this tool use. STOP what you are doing.", undefined, "! refused"],
  ["one of csd's with a reason", "use the staging database", "reject", "! refused: use the staging database"],
  ["one of csd's without", "The user refused this request.", "reject", "! refused"],
  ["a command that failed", "exit code 1\nno such file", undefined, "! exit code 1 no such file"],
  ["hostile text", "\u001b[2Jgone", "reject", "! refused: gone"],
])("csd tail shows %s", (_, content, decision, shown) => {
  const block = { type: "tool_result", tool_use_id: "t", is_error: true, content };
  const line = user([block], decision === undefined ? {} : { permissionDecision: { decision, source: "hook" } });
  expect(renderTranscript(JSON.stringify(line))).toBe(shown);
});

describe("what surrounds a prompt is not the person's", () => {
  const prompt = (...texts: string[]) =>
    `${JSON.stringify({ type: "user", message: { role: "user", content: texts.map((text) => ({ type: "text", text })) }, timestamp: "2026-11-20T09:59:00.000Z" })}\n`;
  const opened = "<ide_opened_file>The user opened the file /home/dev/app/a.ts in the IDE.</ide_opened_file>";
  const selected = "<ide_selection>The user selected the lines 1 to 3:\n<b>x</b>\n</ide_selection>";
  test.each<[string, string, string | undefined]>([
    ["a block of an editor", readFileSync(join(import.meta.dir, "fixtures/cases/ide-tag-title.jsonl"), "utf8"), "rename the function"],
    ["two blocks", prompt(opened, selected, "rename it"), "rename it"],
    ["in one text", prompt(`${opened}\nrename it`), "rename it"],
    ["behind the prompt", prompt(`rename it\n${selected}`), "rename it"],
    ["a reminder and a terminal", prompt('<terminal id="1">$ ls</terminal>', "<system-reminder>x</system-reminder>rename it"), "rename it"],
    ["nothing but an editor's", prompt(opened) + prompt("rename it"), "rename it"],
    ["a machine's message", prompt("<task-notification>done</task-notification>") + prompt("rename it"), "rename it"],
    ["a tag that the person wrote", prompt("<div>center me</div>"), "<div>center me</div>"],
    ["blanks around the colons", prompt("rename it").replace('"type":"user"', '"type"\t: "user"'), "rename it"],
    ["a tag that never ends", prompt("<ide_selection>x"), "<ide_selection>x"],
  ])("%s", (_, lines, text) => {
    const { facts, prompts } = readFacts(Buffer.from(lines));
    expect([facts.firstPrompt, prompts, labelOf(facts)]).toEqual([text, [text ?? ""], text ?? ""]);
  });
});
