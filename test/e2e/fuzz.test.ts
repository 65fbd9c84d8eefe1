/** A short run of `bun run fuzz`; longer ones are done by hand. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readers, runFuzz, typedOnly } from "../../scripts/fuzz.ts";
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

test("20 seconds of broken bytes: nobody throws, hangs or grows", async () => {
  // Another one each day, and the same in a run that is done again.
  // The same each day: what others find with other seeds is theirs to mend first, `bun run fuzz` takes any.
  const report = await runFuzz({ seed: 1, seconds: 20 });
  expect(report.wrong).toEqual([]);
  expect(report.cases).toBeGreaterThan(1000);
});
