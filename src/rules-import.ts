import { isRecord } from "./json.ts";
import type { Conditions, Rule } from "./rules.ts";

/** What becomes of one entry of another program's settings. */
export interface Imported {
  /** As it stands there. */
  source: string;
  /** `note`: where it is not quite the same. */
  outcome: { rule: Pick<Rule, "name" | "action" | "when" | "message">; note?: string } | { why: string };
}

const lists = ["deny", "ask", "allow"] as const;

/** Claude Code's `permissions`; undefined where there are none. `isUsers`: the settings of a user, where `/x` counts from their own folder. */
export function importPermissions(settings: unknown, isUsers: boolean): Imported[] | undefined {
  const permissions = isRecord(settings) ? settings.permissions : undefined;
  if (!isRecord(permissions)) return undefined;
  const entries = lists.flatMap((action) => {
    const list = permissions[action];
    return Array.isArray(list) ? list.map((entry: unknown) => importEntry(action, entry, isUsers)) : [];
  });
  const others = Object.keys(permissions).filter((key) => !(lists as readonly string[]).includes(key));
  return [...entries, ...others.map((key): Imported => ({ source: key, outcome: { why: "it is no list of rules" } }))];
}

function importEntry(action: (typeof lists)[number], entry: unknown, isUsers: boolean): Imported {
  const source = `${action} ${typeof entry === "string" ? entry : JSON.stringify(entry)}`;
  const [, tool = "", inner] = typeof entry === "string" ? (/^\s*([\w*-]+)\s*(?:\((.*)\))?\s*$/s.exec(entry) ?? []) : [];
  if (tool === "") return { source, outcome: { why: "it is no rule" } };
  const made =
    inner === undefined || inner.trim() === "" || inner.trim() === "*"
      ? { when: { tool: toolsOf(tool) } }
      : importInner(tool, inner, isUsers);
  return { source, outcome: "why" in made ? made : { ...made, rule: { name: source, action, when: made.when } } };
}

type Made = { when: Conditions; note?: string } | { why: string };

const families: Readonly<Record<string, readonly string[]>> = {
  Read: ["Read", "Grep", "Glob"],
  Edit: ["Edit", "Write", "MultiEdit", "NotebookEdit"],
};
const toolsOf = (tool: string): readonly string[] => families[tool] ?? [tool];

function importInner(tool: string, inner: string, isUsers: boolean): Made {
  if (tool === "Bash") return importCommand(inner.trim());
  if (tool === "WebFetch") {
    const host = /^domain:\s*(\S+)$/.exec(inner.trim())?.[1];
    return host === undefined ? { why: "only domain:… can be taken over" } : { when: { tool: [tool], host: [host] } };
  }
  if (tool === "Agent" || tool === "Task") return { when: { tool: ["Agent"], agent: [inner.trim()] } };
  if (["Read", "Edit", "Write", "MultiEdit", "NotebookEdit", "Glob", "Grep"].includes(tool))
    return { when: { tool: toolsOf(tool), path: [importPath(inner.trim(), isUsers)] } };
  return { why: `what ${tool} may be given is not known here` };
}

/** Their `:*` and a last ` *` are any further words; without one it is the whole command. */
function importCommand(text: string): Made {
  const prefix = /^(.*?)(?::\*|\s+\*)$/s.exec(text)?.[1];
  const words = (prefix ?? text).trim();
  if (words === "") return { when: { tool: ["Bash"] } };
  if (words.includes("*")) return { why: "a * within a command stands for any text there, and for one word here: write it anew" };
  if (/[;&|<>()`\n]|\$/.test(words))
    return { why: "it is more than the words of one command: here each command of a line is looked at by itself" };
  if (/^\w+\+?=/.test(words)) return { why: "it sets a variable first, which is no word of a command here: write it anew without" };
  const when = { tool: ["Bash"], command: [prefix === undefined ? `${words} $` : words] };
  return prefix !== undefined && /:\*$/.test(text)
    ? { when, note: `${words} with further words; not ${words}:x or ${words}x as one word` }
    : { when };
}

/** `//x` is absolute, `/x` counts from where the settings are, `./x` and `x` from the project. */
function importPath(pattern: string, isUsers: boolean): string {
  if (pattern.startsWith("//")) return pattern.slice(1);
  if (pattern.startsWith("/") && isUsers) return `~/.claude${pattern}`;
  const below = pattern.replace(/^\.?\//, "");
  // Without its `./` a name would be meant in every folder.
  return below !== pattern && !/\/./.test(below) ? `./${below}` : below;
}

/** As it would be written in a file of rules. */
export function renderRule({ name, action, when, message }: Pick<Rule, "name" | "action" | "when" | "message">): string {
  const conditions = Object.entries(when).map(([key, value]) => `${conditionNames[key as keyof Conditions]} = ${tomlValue(value)}`);
  return [
    "[[rules]]",
    `name = ${tomlValue(name)}`,
    ...conditions,
    `action = ${tomlValue(action)}`,
    ...(message === undefined ? [] : [`message = ${tomlValue(message)}`]),
  ].join("\n");
}

const conditionNames: Readonly<Record<keyof Conditions, string>> = {
  ...{ status: "match_status", tool: "match_tool", command: "match_command", path: "match_path", host: "match_host" },
  ...{ project: "match_project", profile: "match_profile", model: "match_model", agent: "match_agent", session: "match_session" },
  ...{ time: "match_time", costAboveUsd: "match_cost_above", contextAbovePercent: "match_context_above" },
  ...{ usageAbovePercent: "match_usage_above", countAbove: "match_count_above", hasError: "match_last_error" },
  hasConflict: "match_file_conflict",
};

function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? tomlValue(value[0]) : `[${value.map(tomlValue).join(", ")}]`;
  // JSON's escapes are TOML's; only DEL is one there alone.
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}

/** The conditions of a rule in words, with the names that a file has. */
export const whenText = (when: Conditions): string =>
  Object.entries(when)
    .map(([key, value]) => `${conditionNames[key as keyof Conditions].replace("match_", "")} ${[value].flat().map(String).join(", ")}`)
    .join(" · ") || "always";
