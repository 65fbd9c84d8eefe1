import { fromJSONSchema } from "zod";
import { isRecord } from "./json.ts";

/** What is wrong with a task's answer by the schema that the task gives. A file of its own, as `import("zod")` would compile in all of it. */
export function findMiss(schema: unknown, answer: unknown): string | undefined {
  const { error } = compile(schema).safeParse(answer);
  const [issue] = error?.issues ?? [];
  return issue && `${issue.path.length === 0 ? "" : `${issue.path.join(".")}: `}${issue.message}`;
}

/** Why no answer could be held to a schema; undefined where it can be: an answer is paid for by then. */
export function whyUncheckable(schema: unknown): string | undefined {
  const whole = withDefs(schema);
  // zod would follow it without an end.
  if (leadsToItself(whole)) return "a $ref of it leads to itself, and says nothing of any answer";
  try {
    compile(schema);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** By what is said of one and the same value: a property or an item of it is another. */
function leadsToItself(whole: unknown): boolean {
  /** False while it is being followed. */
  const isClear = new Map<unknown, boolean>();
  const follow = (part: unknown): boolean => {
    if (!isRecord(part)) return false;
    if (isClear.has(part)) return isClear.get(part) === false;
    isClear.set(part, false);
    const said = [part.allOf, part.anyOf, part.oneOf].flatMap((parts): unknown[] => (Array.isArray(parts) ? parts : []));
    const found = [...said, typeof part.$ref === "string" ? resolveRef(whole, part.$ref) : undefined].some(follow);
    isClear.set(part, !found);
    return found;
  };
  return [whole, ...(isRecord(whole) && isRecord(whole.$defs) ? Object.values(whole.$defs) : [])].some(follow);
}

function resolveRef(whole: unknown, ref: string): unknown {
  if (ref === "#") return whole;
  const name = /^#\/\$defs\/([^/]+)$/.exec(ref)?.[1];
  const defs = isRecord(whole) && isRecord(whole.$defs) ? whole.$defs : {};
  return name !== undefined && Object.hasOwn(defs, name) ? defs[name] : undefined;
}

function compile(schema: unknown) {
  return fromJSONSchema(withDefs(schema) as Parameters<typeof fromJSONSchema>[0]);
}

/** Older drafts call `$defs` `definitions`. */
function withDefs(schema: unknown): unknown {
  if (typeof schema !== "object" || schema === null || !("definitions" in schema)) return schema;
  const { definitions, $defs, ...rest } = schema as Record<string, object>;
  return JSON.parse(JSON.stringify({ ...rest, $defs: { ...definitions, ...$defs } }), (key, value: unknown) =>
    key === "$ref" && typeof value === "string" ? value.replace(/^#\/definitions\//, "#/$defs/") : value,
  );
}
