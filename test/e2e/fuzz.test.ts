/** A short run of `bun run fuzz`; longer ones are done by hand. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readers, runFuzz, typedOnly } from "../../scripts/fuzz.ts";
import { shrink } from "../../scripts/random.ts";
import { root } from "./harness.ts";

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
