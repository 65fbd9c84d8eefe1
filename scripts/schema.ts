/** `bun run scripts/schema.ts` writes `test/fixtures/schema/`, a JSON Schema for each command, from `src/public-json.ts`; a test holds that they are current. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod/mini";
import { publicJson } from "../src/public-json.ts";

export const schemaDir = join(import.meta.dir, "../test/fixtures/schema");

/** By file name. Keys are added with time, so none is closed. */
export const renderSchemas = (): Map<string, string> =>
  new Map(
    Object.entries(publicJson).map(([command, schema]) => [
      `${command.replaceAll(" ", "-")}.json`,
      `${JSON.stringify({ title: `${command}: its JSON`, ...z.toJSONSchema(schema, { io: "input" }) }, null, 2)}\n`,
    ]),
  );

if (import.meta.main) {
  mkdirSync(schemaDir, { recursive: true });
  const files = renderSchemas();
  for (const name of readdirSync(schemaDir)) if (!files.has(name)) rmSync(join(schemaDir, name));
  for (const [name, text] of files) writeFileSync(join(schemaDir, name), text);
  console.log(`${files.size} schemas in ${schemaDir}`);
}
