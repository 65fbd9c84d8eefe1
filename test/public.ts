import { publicJson } from "../src/public-json.ts";

/** A value as its schema has it: throws where a key is wrong or missing, and leaves out those that the schema does not know. */
export function asPublic(command: string, value: unknown): unknown {
  const schema = publicJson[command];
  if (schema === undefined) throw new Error(`${command} has no schema`);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Error(`${command}: ${result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")}`);
}
