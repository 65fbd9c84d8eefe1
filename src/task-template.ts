import { UserError, unknownWord, usageError } from "./errors.ts";

const outputParts = ["stdout", "result", "json"] as const;

/** `{{build.json.files[0]}}` */
interface Reference {
  id: string;
  part: (typeof outputParts)[number];
  /** Into the JSON. */
  path: readonly string[];
  /** As it is written, for errors. */
  text: string;
}

/** A text that was parsed once: what is put into it later is never looked through for templates. */
export type Template = readonly (string | Reference)[];

/** What a task left. */
export interface TaskOutput {
  /** What `claude -p` prints. */
  stdout: string;
  /** The answer. */
  result: string;
  /** The answer as JSON; undefined where it is none. */
  json?: unknown;
}

/** What the names in a template mean. */
export interface TemplateNames {
  /** Of the task that the template belongs to. */
  matrix: Readonly<Record<string, string>>;
  /** Is there a task, or an instance of one, of this name? */
  isKnown(name: string): boolean;
  /** The one task that it means; throws for one that may not stand here. */
  resolve(name: string): string;
}

/** More is no name and no path, and each dot of it could end one. */
const maxReference = 10_000;
const escapeHint = "write \\{{ for a {{ that shall stay";

/** `\{{` is a `{{` that stays. `wrong` is told each that cannot be filled in whatever happens. */
export function parseTemplate(text: string, names: TemplateNames, wrong: (error: UserError) => void): Template {
  const parts: (string | Reference)[] = [];
  let plain = "";
  let at = 0;
  for (let open = text.indexOf("{{"); open >= 0; open = text.indexOf("{{", at)) {
    const slashes = text.slice(at, open).match(/\\*$/)?.[0].length ?? 0;
    // Half of the backslashes before it stay, and an odd one keeps the braces.
    plain += text.slice(at, open - Math.ceil(slashes / 2));
    at = open + 2;
    if (slashes % 2 === 1) {
      plain += "{{";
      continue;
    }
    const close = text.indexOf("}}", at);
    if (close < 0) {
      wrong(usageError(`a template is not closed: ${JSON.stringify(text.slice(open, open + 40))}`, escapeHint));
      break;
    }
    const part = parseOrTell(text.slice(at, close).trim(), names, wrong);
    at = close + 2;
    if (typeof part === "string") plain += part;
    else {
      if (plain !== "") parts.push(plain);
      parts.push(part);
      plain = "";
    }
  }
  plain += text.slice(at);
  return plain === "" ? parts : [...parts, plain];
}

function parseOrTell(text: string, names: TemplateNames, wrong: (error: UserError) => void): string | Reference {
  try {
    return parseReference(text, names);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    wrong(error);
    return "";
  }
}

function parseReference(text: string, names: TemplateNames): string | Reference {
  const key = /^matrix\.(.*)$/s.exec(text)?.[1];
  if (key !== undefined) {
    const value = Object.hasOwn(names.matrix, key) ? names.matrix[key] : undefined;
    if (value !== undefined) return value;
    const known = Object.keys(names.matrix);
    throw known.length === 0 ? usageError(`{{${text}}}: the task has no matrix`) : unknownWord("the matrix has no", key, known);
  }
  if (text.length > maxReference) throw usageError(`a template of ${text.length} characters`, escapeHint);
  // A name may have dots in it, too: the longest that there is.
  const splits = [...text.matchAll(/\.(stdout|result)$|\.(json)(?=$|[.[])/g)].map((match) => ({
    name: text.slice(0, match.index),
    part: (match[1] ?? match[2]) as Reference["part"],
    rest: text.slice(match.index + match[0].length),
  }));
  const split = splits.findLast(({ name }) => names.isKnown(name)) ?? splits[0];
  if (split === undefined) throw unknownReference(text, names);
  return { id: names.resolve(split.name), part: split.part, path: parsePath(split.rest, text), text };
}

function unknownReference(text: string, names: TemplateNames): UserError {
  const dot = text.lastIndexOf(".");
  const name = text.slice(0, Math.max(0, dot));
  if (names.isKnown(name)) return unknownWord(`{{${text}}}: a task has no`, text.slice(dot + 1), outputParts);
  return usageError(
    `{{${text}}} is no template`,
    names.isKnown(text)
      ? `a task has ${outputParts.join(", ")}: {{${text}.result}}`
      : `{{TASK.${outputParts.join("|")}}} or {{matrix.KEY}}; ${escapeHint}`,
  );
}

/** `.files[0].name` */
function parsePath(text: string, whole: string): string[] {
  const steps = [...text.matchAll(/\.([^.[\]]+)|\[(\d+)\]/gy)];
  if (steps.reduce((sum, [step]) => sum + step.length, 0) !== text.length)
    throw usageError(`{{${whole}}}: ${JSON.stringify(text)} is no path`, "for example .files[0].name");
  return steps.map(([, key, index]) => key ?? index ?? "");
}

/** Throws where the answer does not hold what is asked for. `outputOf`: undefined of a task that left nothing, which the text then says. */
export const renderTemplate = (template: Template, outputOf: (id: string) => TaskOutput | undefined): string =>
  template.map((part) => (typeof part === "string" ? part : renderReference(part, outputOf(part.id)))).join("");

function renderReference({ id, part, path, text }: Reference, output: TaskOutput | undefined): string {
  if (output === undefined) return `(${id} did not run)`;
  if (part !== "json") return capped(output[part]);
  if (output.json === undefined)
    throw new UserError(`{{${text}}}: the answer of ${id} is no JSON`, "give it an outputs schema, which its answer must meet");
  const value = path.reduce<unknown>((inner, key) => stepInto(inner, key), output.json);
  if (value === undefined)
    throw new UserError(`{{${text}}}: the answer of ${id} has no ${path.join(".")}`, `its outputs schema can say that it must be there`);
  return capped(typeof value === "string" ? value : JSON.stringify(value));
}

const stepInto = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;

const maxBytes = 1024 * 1024;

/** The first MB of a text, without half a character at its end. */
function capped(text: string): string {
  if (text.length * 3 <= maxBytes) return text;
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, end))}\n(cut here: ${bytes.length - end} of ${bytes.length} bytes are left out)`;
}
