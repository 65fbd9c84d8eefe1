/** A short run of `bun run fuzz`; longer ones are done by hand. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { homeFiles, homeReaders, readers, runFuzz, typedOnly } from "../../scripts/fuzz.ts";
import { shrink } from "../../scripts/random.ts";
import { createSys } from "../../src/sys.ts";
import { root } from "./harness.ts";

const transcript = [
  {
    type: "user",
    uuid: "u",
    timestamp: "2026-11-20T10:00:00.000Z",
    cwd: "/w",
    sessionId: "s",
    message: { role: "user", content: "hello" },
  },
  {
    ...{ type: "assistant", uuid: "a", timestamp: "2026-11-20T10:00:01.000Z", cwd: "/w", sessionId: "s", requestId: "r" },
    message: {
      id: "m",
      model: "claude-opus-4-6",
      role: "assistant",
      usage: { input_tokens: 5, output_tokens: 7 },
      content: [{ type: "text", text: "Hi." }],
    },
  },
]
  .map((line) => JSON.stringify(line))
  .join("\n");

setDefaultTimeout(120_000);

test("every reader of what others write is fuzzed", () => {
  const known = new Set([...readers.flatMap(({ exports }) => exports), ...typedOnly]);
  const found = readdirSync(join(root, "src")).flatMap((file) =>
    [
      ...readFileSync(join(root, "src", file), "utf8").matchAll(
        /^export (?:async )?(?:function|const) ((?:parse|decode|check|import)[A-Z]\w*)/gm,
      ),
    ].map(([, name = ""]) => name),
  );
  expect(found.length).toBeGreaterThan(40);
  expect(found.filter((name) => !known.has(name))).toEqual([]);
  expect([...known].filter((name) => !found.includes(name))).toEqual([]);
});

test("what a home says is the same with line ends of Windows, and behind a byte order mark", async () => {
  const read = async (change: (text: string) => string) => {
    const home = mkdtempSync(join(tmpdir(), "csm-ends-"));
    for (const [path, text] of Object.entries(homeFiles)) {
      mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
      const isTranscript = path.endsWith("555.jsonl");
      writeFileSync(join(home, path), change(isTranscript ? `${transcript}\n` : text.endsWith("\n") ? text : `${text}\n`), { mode: 0o600 });
      utimesSync(join(home, path), 1_795_000_000, 1_795_000_000);
    }
    const sys = { ...createSys({ HOME: home, PATH: "/nowhere", CSM_USAGE_ASK: "0" }), now: () => 1_795_000_000_000 };
    const said = await Promise.all(Object.entries(homeReaders).map(async ([name, one]) => [name, JSON.stringify(await one(sys))] as const));
    rmSync(home, { recursive: true });
    return Object.fromEntries(
      said.map(([name, text = ""]) => [name, text.replaceAll(home, "~").replaceAll(/"(?:size|readBytes|id)":(?:\d+|"\d+:\d+")/g, "")]),
    );
  };
  const plain = await read((text) => text);
  expect(await read((text) => text.replaceAll("\n", "\r\n"))).toEqual(plain);
  expect(await read((text) => `\ufeff${text}`)).toEqual(plain);
  // Otherwise it proves nothing.
  expect(plain).toMatchObject({
    registry: expect.stringContaining(".claude"),
    rules: expect.stringContaining('"a"'),
    sidecar: expect.stringContaining("opus"),
  });
});

test("what fails is told as the smallest text that fails alike", async () => {
  const text = `${"[1,2],".repeat(300)}{"a":${"x".repeat(200)}<!>${"\u0000 y".repeat(100)}`;
  expect(await shrink(text, async (part) => part.includes("<") && part.includes("y"), 5000)).toBe("<y");
  expect(await shrink(text, async () => true, 5000)).toBe("");
  // Out of time it is what has been found so far, which fails too.
  expect(await shrink(text, async (part) => part === text, -1)).toBe(text);
});

test("20 seconds of broken bytes: nobody throws, hangs or grows", async () => {
  // The same each day: what others find with other seeds is theirs to mend first, `bun run fuzz` takes any.
  const report = await runFuzz({ seed: 1, seconds: 20 });
  expect(report.wrong).toEqual([]);
  expect(report.cases).toBeGreaterThan(1000);
});
