import { fromJSONSchema } from "zod";

/** What is wrong with a task's answer by the schema that the task gives. A file of its own, as `import("zod")` would compile in all of it. */
export function findMiss(schema: unknown, answer: unknown): string | undefined {
  const { error } = compile(schema).safeParse(answer);
  const [issue] = error?.issues ?? [];
  return issue && `${issue.path.length === 0 ? "" : `${issue.path.join(".")}: `}${issue.message}`;
}

/** Why no answer could be held to a schema; undefined where it can be: an answer is paid for by then. */
export function whyUncheckable(schema: unknown): string | undefined {
  try {
    compile(schema);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
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
