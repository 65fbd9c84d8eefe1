import { en } from "zod/locales";
import { z } from "zod/mini";
import { permissionModes } from "./claude-program.ts";
import { UserError, unknownWord } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import type { RuleProblem } from "./rules.ts";
import { whyUncheckable } from "./task-answer.ts";
import { anyProfile, countOf, expandTasks, type Places, type WrittenTask } from "./task-expand.ts";
import type { CheckedTasks, TaskGraph } from "./task-graph.ts";
import { isLabel, isRepo } from "./task-labels.ts";
import {
  choice,
  createReader,
  durationMs,
  type Entry,
  type Field,
  flag,
  listTables,
  parseWritten,
  percent,
  type Reader,
  readFields,
  spell,
  word,
} from "./written-file.ts";

z.config(en());

interface TaskText extends Places {
  /** Absolute. */
  path: string;
  text: string;
}

/** The graph as far as it is right; it holds where there are no problems. */
export function checkTasks({ path, text, ...places }: TaskText): CheckedTasks {
  const problems: RuleProblem[] = [];
  const empty: TaskGraph = { file: path, tasks: [], jobs: defaultJobs, maxTasks: mostTasks };
  const parsed = parseWritten(path, text);
  if ("message" in parsed) return { graph: empty, problems: [{ path, ...parsed }] };
  const told = new Set<string>();
  const reader = createReader(path, false, parsed.lines, problems);
  // Of a task with a matrix each instance would say the same.
  const wrong: Reader["wrong"] = (place, message) => {
    const id = `${reader.at(place).line} ${message}`;
    if (!told.has(id)) reader.wrong(place, message);
    told.add(id);
  };
  const top = readTop({ ...reader, wrong }, parsed.value);
  const graph = { ...empty, ...present(top.limits) };
  const count = top.tasks.reduce((sum, task) => sum + countOf(task.matrix), 0);
  const excess = `${countText(count)} tasks, and max_tasks is ${countText(graph.maxTasks)}`;
  if (count > graph.maxTasks) return { graph, problems, excess };
  const tasks = expandTasks(top.tasks, places);
  return { graph: { ...graph, tasks }, problems: problems.toSorted((a, b) => a.line - b.line) };
}

const countText = (count: number): string => count.toLocaleString("en");

/** Like a terminal that a person can still look at. */
const defaultJobs = 4;
const mostTasks = 10_000;

// --- what stands there ----------------------------------------------------------------------------------------------

const maxName = 200;
const taskName = z.string().check(
  z.regex(/\S/, "it is blank"),
  z.maxLength(maxName),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  z.regex(/^[^\u0000-\u001f\u007f-\u009f[\]{}]*$/, "no brackets, braces or control characters: instances and templates have them"),
  z.refine((name) => name === name.trim(), "no blanks around it"),
  z.refine((name) => name !== "matrix", "templates mean something else by matrix"),
);
const maxPromptBytes = 1024 * 1024;
const prompt = z.string().check(
  z.regex(/\S/, "it is blank"),
  z.refine((text) => Buffer.byteLength(text) <= maxPromptBytes, `it is larger than ${maxPromptBytes / 1024 / 1024} MB`),
);
const names = z.pipe(
  z.transform((value: unknown) => (typeof value === "string" ? [value] : value)),
  z.array(word),
);
const scalar = z.pipe(z.union([z.string(), z.number(), z.boolean()], "it must be a text"), z.transform(String));
/** A record drops this name without a word. */
function dictionary<T extends z.ZodMiniType>(record: T) {
  const isWhole = (value: unknown) => !isRecord(value) || !Object.hasOwn(value, "__proto__");
  return z.pipe(z.unknown().check(z.refine(isWhole, "__proto__ is no name")), record);
}
/** A profile is chosen by name, as the account's breaker and its usage go by it. */
const ownVariables = ["CLAUDE_CONFIG_DIR"];
const env = dictionary(
  z.record(
    z.string().check(
      z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "no name for a variable"),
      z.refine((name) => !ownVariables.includes(name), "profile = NAME chooses that"),
    ),
    scalar.check(z.refine((value) => !value.includes("\0"), "no variable can hold a NUL")),
  ),
);
const matrixValue = scalar.check(
  z.maxLength(maxName),
  z.refine((value) => !/\{\{|\}\}/.test(value), "no {{ or }} in a value"),
);
const matrix = dictionary(
  z.record(
    z.string().check(z.regex(/^[A-Za-z_][\w-]*$/, "a key is a word")),
    z.array(matrixValue).check(
      z.minLength(1, "a list of values"),
      z.refine((values) => new Set(values).size === values.length, "the same value twice"),
    ),
  ),
);
const schemaTypes = ["object", "array", "string", "number", "integer", "boolean", "null"];
const maxSchemaLength = 100_000;
const jsonSchema = z.record(z.string(), z.unknown()).check(
  z.refine((schema) => Object.keys(schema).length > 0, { error: "it says nothing", abort: true }),
  z.refine(({ type }) => type === undefined || [type].flat().every((each) => schemaTypes.includes(String(each))), {
    error: `type: one of ${schemaTypes.join(", ")}`,
    abort: true,
  }),
  z.refine((schema) => isShort(schema), { error: `it is no JSON of up to ${maxSchemaLength / 1000} KB`, abort: true }),
  z.refine((schema) => whyUncheckable(schema) === undefined, {
    error: ({ input }) => `csm cannot check an answer by it: ${whyUncheckable(input)}`,
  }),
);

/** What YAML repeats by its aliases is there as often. */
function isShort(value: unknown): boolean {
  let left = maxSchemaLength;
  try {
    JSON.stringify(value, (key, inner: unknown) => {
      left -= key.length + (typeof inner === "string" ? inner.length : 1);
      if (left < 0) throw new RangeError("too long");
      return inner;
    });
    return true;
  } catch {
    // Too long, or a list within itself.
    return false;
  }
}

const maxTimeoutMs = 14 * 86_400_000;
const money: Field = { schema: z.number().check(z.positive()) };
const settings: Readonly<Record<string, Field>> = {
  cwd: { schema: word },
  model: { schema: word },
  permission_mode: choice(permissionModes),
  profile: { schema: word },
  account: { schema: word },
  timeout: { schema: durationMs.check(z.refine((ms) => ms > 0 && ms <= maxTimeoutMs, "more than nothing and at most 14d")) },
  retries: { schema: z.int().check(z.minimum(0), z.maximum(100)) },
  budget_usd: money,
  worktree: flag,
  env: { schema: env },
  if: { schema: word },
  when: { schema: word },
  outputs: { schema: jsonSchema },
  concurrency: { schema: word },
  needs: {
    schema: z.pipe(
      z.transform((value: unknown) => (typeof value === "string" ? [value] : value)),
      z
        .array(z.string().check(z.refine(isLabel, "a label is a word, or repo:NAME")))
        .check(z.refine((labels) => labels.filter(isRepo).length < 2, "a task is in one folder: one repo:NAME")),
    ),
  },
};
const taskFields: Readonly<Record<string, Field>> = {
  name: { schema: taskName },
  prompt: { schema: prompt },
  depends_on: { schema: names },
  matrix: { schema: matrix },
  ...settings,
};
const whole = (from: number, to: number): Field => ({ schema: z.int().check(z.minimum(from), z.maximum(to)) });
const limits: Readonly<Record<string, Field>> = {
  jobs: whole(1, 1000),
  max_tasks: whole(1, mostTasks),
  budget_usd: money,
  budget_percent: { schema: percent.schema.check(z.refine((value) => Number(value) > 0, "it must be more than 0")) },
};

interface Top {
  tasks: WrittenTask[];
  limits: Partial<Pick<TaskGraph, "jobs" | "maxTasks" | "budgetUsd" | "budgetPercent">>;
}

function readTop(reader: Reader, value: Record<string, unknown>): Top {
  const { tasks, defaults, retries, ...rest } = value;
  const known = ["tasks", "defaults", "retries", ...Object.keys(limits)];
  for (const key of Object.keys(rest)) if (!known.includes(key)) reader.wrong([key], spell(unknownWord("unknown key", key, known)));
  const given = readFields(
    reader,
    {
      path: [],
      value: Object.fromEntries(Object.entries({ ...rest, retries }).filter(([key, each]) => known.includes(key) && each !== undefined)),
    },
    { ...limits, retries: settings.retries as Field },
  );
  if (defaults !== undefined && !isRecord(defaults)) reader.wrong(["defaults"], "defaults must be a table");
  const common = isRecord(defaults) ? readFields(reader, { path: ["defaults"], value: defaults }, settings) : {};
  checkTwins(reader, ["defaults"], common);
  const entries = listTables(reader, "tasks", tasks);
  if (entries.length === 0 && (tasks === undefined || typeof tasks === "object")) reader.wrong(["tasks"], "there are no tasks");
  const seen = new Map<string, number>();
  const read = entries.flatMap((entry) => readTask(reader, entry, { ...present({ retries: given.retries }), ...common }, seen) ?? []);
  return {
    tasks: read,
    limits: present({
      jobs: given.jobs,
      maxTasks: given.max_tasks,
      budgetUsd: given.budget_usd,
      budgetPercent: given.budget_percent,
    }) as Top["limits"],
  };
}

/** Two words for one thing. */
const twins = [
  ["profile", "account"],
  ["if", "when"],
] as const;

function checkTwins(reader: Reader, path: Entry["path"], fields: Record<string, unknown>): void {
  for (const [one, other] of twins)
    if (fields[one] !== undefined && fields[other] !== undefined)
      reader.wrong([...path, other], `${other} is another word for ${one}; give one of them`);
}

function readTask(reader: Reader, entry: Entry, common: Record<string, unknown>, seen: Map<string, number>): WrittenTask | undefined {
  const { path, value } = entry;
  const own = readFields(reader, entry, taskFields);
  if (!isRecord(value)) return undefined;
  checkTwins(reader, path, own);
  const name = (own.name ?? (value.name === undefined ? entry.name : undefined)) as string | undefined;
  const shown = name === undefined ? "the task" : `task ${JSON.stringify(name)}`;
  if (name === undefined && value.name === undefined) reader.wrong(path, "the task has no name");
  if (value.prompt === undefined) reader.wrong(path, `${shown} has no prompt`);
  const { line } = reader.at(path);
  const first = name === undefined ? undefined : seen.get(name);
  if (first !== undefined) reader.wrong([...path, "name"], `${shown} is there already, at line ${first}`);
  if (name === undefined || first !== undefined) return undefined;
  seen.set(name, line);
  const pick = (key: string, twin = key) => own[key] ?? own[twin] ?? common[key] ?? common[twin];
  return {
    ...{
      name,
      line,
      cwd: (pick("cwd") ?? ".") as string,
      prompt: (own.prompt ?? "") as string,
      dependsOn: (own.depends_on ?? []) as string[],
    },
    ...{ condition: (pick("if", "when") ?? "success") as string, matrix: (own.matrix ?? {}) as WrittenTask["matrix"] },
    ...{ profile: (pick("profile", "account") ?? anyProfile) as string, retries: (pick("retries") ?? 0) as number },
    ...{ isWorktree: pick("worktree") === true, env: { ...(common.env as object), ...(own.env as object) } },
    ...(present({
      ...{ model: pick("model"), permissionMode: pick("permission_mode"), timeoutMs: pick("timeout"), budgetUsd: pick("budget_usd") },
      ...{ outputs: pick("outputs"), concurrency: pick("concurrency"), needs: pick("needs") },
    }) as Partial<WrittenTask>),
    wrong(key, message, hint) {
      const written = key === "if" && own.when !== undefined ? "when" : key;
      reader.wrong([...path, written], spell(new UserError(`${shown}: ${message}`, hint)));
    },
  };
}
