import { fromJSONSchema } from "zod";

/** What is wrong with a task's answer by the schema that the task gives. A file of its own, as `import("zod")` would compile in all of it. */
export function findMiss(schema: unknown, answer: unknown): string | undefined {
  const { error } = fromJSONSchema(schema as Parameters<typeof fromJSONSchema>[0]).safeParse(answer);
  const [issue] = error?.issues ?? [];
  return issue && `${issue.path.length === 0 ? "" : `${issue.path.join(".")}: `}${issue.message}`;
}
