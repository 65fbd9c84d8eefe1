import { isAbsolute, resolve } from "node:path";
import { UserError, unknownWord, usageError } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import { type Condition, parseCondition } from "./task-condition.ts";
import { sortNodes, type Task } from "./task-graph.ts";
import { isBelow, isRepo, type Labels, placeIn } from "./task-labels.ts";
import { parseTemplate, type TemplateNames } from "./task-template.ts";

/** A task as it stands in the file, with the defaults. */
export interface WrittenTask
  extends Pick<Task, "name" | "line" | "profile" | "retries" | "isWorktree" | "env">,
    Partial<Pick<Task, "model" | "permissionMode" | "timeoutMs" | "budgetUsd" | "outputs" | "concurrency" | "needs">> {
  cwd: string;
  prompt: string;
  dependsOn: readonly string[];
  condition: string;
  matrix: Readonly<Record<string, readonly string[]>>;
  /** At the line of this key of it. */
  wrong(key: string, message: string, hint?: string): void;
}

/** What a file of tasks is checked against. */
export interface Places {
  /** Of the file: folders are relative to it. */
  dir: string;
  homeDir: string;
  /** By name. */
  profiles: readonly string[];
  /** Why no task can run there; `isWorktree`: it has to lie in a repository. */
  faultOf(folder: string, isWorktree: boolean): string | undefined;
  /** What this machine has; undefined where other machines are to do it. */
  labels: Labels | undefined;
}

/** More edges, or more to send, is no graph of anybody's: it comes of a product of matrices. */
const maxEdges = 1_000_000;
const maxPromptLength = 256 * 1024 * 1024;

/** In their order, as far as they are right; what is wrong is told of each. `written`: no more than may run. */
export function expandTasks(written: readonly WrittenTask[], places: Places): Task[] {
  const instances = written.flatMap((task) => valuesOf(task.matrix).map((matrix) => ({ task, matrix, id: idOf(task.name, matrix) })));
  const names = createNames(instances);
  let edges = 0;
  let length = 0;
  const tasks: Task[] = [];
  for (const { task, matrix, id } of instances) {
    length += task.prompt.length;
    if (length > maxPromptLength) {
      task.wrong("prompt", `prompts of more than ${maxPromptLength / 1024 / 1024} MB altogether`);
      break;
    }
    const dependsOn = names.dependenciesOf(task, matrix);
    edges += dependsOn.length;
    if (edges > maxEdges) {
      task.wrong("depends_on", `more than ${maxEdges.toLocaleString("en")} dependencies altogether`, "name instances: build[os=linux]");
      break;
    }
    tasks.push(expandOne(task, { id, matrix, dependsOn, names, places }));
  }
  const { sorted, cycles } = sortNodes(tasks);
  const taskOf = new Map(instances.map(({ id, task }) => [id, task]));
  for (const cycle of cycles) taskOf.get(cycle[0] ?? "")?.wrong("depends_on", `tasks wait for each other: ${pathText(cycle)}`);
  checkPaths(sorted, taskOf);
  return sorted;
}

/** Each of its values with each of the others'. */
export const countOf = (matrix: WrittenTask["matrix"]): number => Object.values(matrix).reduce((count, values) => count * values.length, 1);

const valuesOf = (matrix: WrittenTask["matrix"]): Record<string, string>[] =>
  Object.entries(matrix).reduce<Record<string, string>[]>(
    (found, [key, values]) => found.flatMap((before) => values.map((value) => ({ ...before, [key]: value }))),
    [{}],
  );

/** `build[os=linux,node=20]`; a value that would not stand out has quotes. */
function idOf(name: string, matrix: Readonly<Record<string, string>>): string {
  const parts = Object.entries(matrix).map(([key, value]) => `${key}=${/^[^\s,[\]"=]+$/.test(value) ? value : JSON.stringify(value)}`);
  return parts.length === 0 ? name : `${name}[${parts.join(",")}]`;
}

interface Instance {
  task: WrittenTask;
  matrix: Readonly<Record<string, string>>;
  id: string;
}

interface Names {
  /** Of a name, or of one instance; undefined of none. */
  idsOf(name: string): readonly string[] | undefined;
  dependenciesOf(task: WrittenTask, matrix: Instance["matrix"]): readonly string[];
}

/** Each slip is compared with every name; thousands of both would take minutes. */
const maxComparisons = 20_000;
const maxShown = 10;

function createNames(instances: readonly Instance[]): Names {
  const known = new Map<string, string[]>();
  for (const { task, id } of instances) {
    const ofName = known.get(task.name);
    if (ofName === undefined) known.set(task.name, [id]);
    else ofName.push(id);
  }
  for (const { id } of instances) if (!known.has(id)) known.set(id, [id]);
  let compared = 0;
  const unknownTask = (name: string): UserError => {
    const names = compared + known.size <= maxComparisons ? [...known.keys()] : [];
    compared += names.length;
    const more = names.length > maxShown ? `, and ${names.length - maxShown} more` : "";
    const otherwise = names.length === 0 ? "csm tasks graph shows the others" : `tasks: ${names.slice(0, maxShown).join(", ")}${more}`;
    return unknownWord("no task", name, names, { otherwise });
  };
  return {
    idsOf: (name) => known.get(name),
    dependenciesOf(task, matrix) {
      const found = task.dependsOn.map((written): readonly string[] => {
        const name = fill(task, "depends_on", written, matrix);
        const ids = known.get(name);
        if (ids === undefined) tell(task, "depends_on", unknownTask(name));
        return ids ?? [];
      });
      // One name for all of them is one list, however many depend on it.
      return found.length === 1 ? (found[0] ?? []) : [...new Set(found.flat())];
    },
  };
}

/** Whoever the scorer picks. */
export const anyProfile = "auto";

interface Expansion {
  id: string;
  matrix: Instance["matrix"];
  dependsOn: readonly string[];
  names: Names;
  places: Places;
}

function expandOne(task: WrittenTask, { id, matrix, dependsOn, names, places }: Expansion): Task {
  const { name, line, retries, isWorktree, timeoutMs, budgetUsd, outputs, permissionMode, needs } = task;
  let before: ReadonlySet<string> | undefined;
  const filled = (key: "cwd" | "model" | "profile" | "concurrency") => {
    const text = task[key];
    return text === undefined ? undefined : fill(task, key, text, matrix);
  };
  const place = placeOf(task, filled("cwd") ?? "", places);
  const profile = filled("profile") ?? anyProfile;
  if (profile !== anyProfile && places.labels !== undefined && !places.profiles.includes(profile))
    tell(task, "profile", unknownWord("no profile", profile, [anyProfile, ...places.profiles]));
  const resolveNames = (typed: string): readonly string[] => {
    const ids = names.idsOf(typed);
    before ??= new Set(dependsOn);
    const isBefore = ids?.every((each) => before?.has(each)) === true;
    if (ids !== undefined && isBefore) return ids;
    throw usageError(`${id} does not depend on ${JSON.stringify(typed)}`, "name it in depends_on; through others does not count");
  };
  return {
    ...{ id, name, matrix, line, dependsOn, retries, isWorktree, profile, ...place },
    prompt: parseTemplate(task.prompt, templateNames(matrix, names, resolveNames), (error) => tell(task, "prompt", error)),
    condition: conditionOf(task, resolveNames),
    conditionText: task.condition,
    env: Object.fromEntries(Object.entries(task.env).map(([key, value]) => [key, fill(task, "env", value, matrix)])),
    ...present({ model: filled("model"), concurrency: filled("concurrency"), permissionMode, timeoutMs, budgetUsd, outputs, needs }),
  };
}

/** Absolute; of a task that needs a repository, where that is on this machine. */
function placeOf(task: WrittenTask, written: string, { dir, homeDir, labels, faultOf }: Places): Pick<Task, "cwd" | "folder"> {
  const repo = task.needs?.find(isRepo);
  if (repo === undefined) {
    const cwd = resolve(dir, written.replace(/^~(?=\/|$)/, homeDir));
    if (labels === undefined && !isAbsolute(written))
      task.wrong("cwd", "another machine has other folders", 'name it from / on, or needs = ["repo:NAME"]');
    const fault = labels === undefined ? undefined : faultOf(cwd, task.isWorktree);
    if (fault !== undefined) task.wrong("cwd", fault);
    return { cwd };
  }
  const folder = written === "." ? "" : written;
  const place = placeIn(labels ?? new Map([[repo, "/"]]), repo, folder);
  if ("why" in place) task.wrong(isBelow(folder) ? "needs" : "cwd", place.why, `csm config set fleet.labels ${repo}=/FOLDER`);
  else if (labels !== undefined) {
    const fault = faultOf(place.cwd, task.isWorktree);
    if (fault !== undefined) task.wrong("cwd", fault);
  }
  return { cwd: "cwd" in place ? place.cwd : dir, folder };
}

const templateNames = (matrix: Instance["matrix"], names: Names, resolveNames: (name: string) => readonly string[]): TemplateNames => ({
  matrix,
  isKnown: (name) => names.idsOf(name) !== undefined,
  resolve(name) {
    const [first = "", second] = resolveNames(name);
    if (second === undefined) return first;
    throw usageError(`${JSON.stringify(name)} stands for more than one task`, `name one of them: {{${first}.result}}`);
  },
});

function conditionOf(task: WrittenTask, resolveNames: (name: string) => readonly string[]): Condition {
  try {
    const parsed = parseCondition(task.condition, resolveNames);
    if (parsed.kind === "failure" && task.dependsOn.length === 0)
      task.wrong("if", "nothing can fail before a task that depends on nothing", "name in depends_on whose failure it is about");
    return parsed;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    tell(task, "if", error);
    return { kind: "success" };
  }
}

/** Of texts that are known before anything runs: what a task leaves is for prompts alone. */
function fill(task: WrittenTask, key: string, text: string, matrix: Instance["matrix"]): string {
  if (!text.includes("{{")) return text;
  const names: TemplateNames = {
    matrix,
    isKnown: () => true,
    resolve: () => {
      throw usageError("what a task leaves can only stand in a prompt");
    },
  };
  return parseTemplate(text, names, (error) => tell(task, key, error)).join("");
}

const tell = (task: WrittenTask, key: string, { message, hint }: UserError): void => task.wrong(key, message, hint);

const maxSteps = 12;

function pathText(ids: readonly string[]): string {
  const left = ids.length - maxSteps;
  const shown = left > 1 ? [...ids.slice(0, maxSteps - 1), `(${left} more)`, ids.at(-1) ?? ""] : ids;
  return shown.join(" -> ");
}

// --- what answers hold ----------------------------------------------------------------------------------------------

function checkPaths(tasks: readonly Task[], taskOf: ReadonlyMap<string, WrittenTask>): void {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  for (const { id, prompt } of tasks)
    for (const part of prompt) {
      if (typeof part === "string" || part.part !== "json") continue;
      const schema = byId.get(part.id)?.outputs;
      const missing = schema === undefined ? undefined : missingIn(schema, part.path);
      if (missing !== undefined) taskOf.get(id)?.wrong("prompt", `{{${part.text}}}: the outputs of ${part.id} have no ${missing}`);
    }
}

/** They can say more than can be followed here. */
const openWords = ["$ref", "anyOf", "oneOf", "allOf", "if", "patternProperties"];

/** The first part of a path that a schema has no place for; undefined where that cannot be told. */
function missingIn(schema: unknown, path: readonly string[]): string | undefined {
  let inner = schema;
  for (const [index, key] of path.entries()) {
    if (!isRecord(inner) || openWords.some((word) => Object.hasOwn(inner as object, word))) return undefined;
    const { properties, items, additionalProperties } = inner;
    if (isRecord(properties)) {
      if (!Object.hasOwn(properties, key))
        return isRecord(additionalProperties) || additionalProperties === true ? undefined : path.slice(0, index + 1).join(".");
      inner = properties[key];
    } else inner = /^\d+$/.test(key) ? items : undefined;
  }
  return undefined;
}
