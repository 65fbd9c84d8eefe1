import { basename, delimiter, isAbsolute, join } from "node:path";
import type { RuleHook } from "./claude-hooks.ts";
import { completionShells } from "./completion-scripts.ts";
import { UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { decodeJson, isRecord } from "./json.ts";
import { editJson } from "./json-edit.ts";
import { homeDir, ruleFiles } from "./paths.ts";
import { planSetup, planUndo, rulesStarter, startNotify } from "./setup.ts";
import type { Sys } from "./sys.ts";

/** What `csm setup` offers, in the order in which it is done: the hook that rules need is put there once there are any. */
const parts = {
  rules: "a file of rules to begin with, which only asks more often",
  notify: "[notify]: be told when a session waits for you",
  hook: "the hook that notes usage limits, and applies rules",
  statusline: "the status line that meters usage; yours goes on inside it",
  shell: "cas and completions, by a line in the shell's start file",
  completions: "completions, as files where the shell looks for them",
} as const;
export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as PartName[];
export const aboutPart = (part: PartName): string => parts[part];

/** The text that a file is to have, undefined for no file; or why it is left as it is. */
type Wanted = string | undefined | { kept: string };

/** What a part does to a file: `put` twice is `put` once, and `take` takes out nothing but what `put` puts there. */
interface Edit {
  parts: readonly PartName[];
  path: string;
  put(text: string | undefined): Wanted;
  take(text: string): Wanted;
}

/** All that happens to one file. Throws at what must be corrected first. */
export interface FileChange {
  parts: PartName[];
  path: string;
  plan(before: string | undefined): { after: string | undefined; kept?: string };
}

interface SetupWish {
  chosen: readonly PartName[];
  isUndo: boolean;
  /** The config dirs of claude. */
  dirs: readonly string[];
  shell: string | undefined;
  rules: readonly RuleHook[];
  /** Of the claude that is to read the settings; undefined where nobody knows. */
  version: string | undefined;
}

export function listChanges(sys: Sys, wish: SetupWish): FileChange[] {
  const { chosen, isUndo } = wish;
  const edits = [...ruleEdits(sys), ...wish.dirs.map((dir) => settingsEdit(sys, dir, wish)), ...shellEdits(sys, wish.shell)]
    .filter((edit) => edit.parts.some((part) => chosen.includes(part)))
    // Profiles may share a file, and a link into somebody's dotfiles stays one.
    .map((edit) => ({ ...edit, path: sys.realPath(edit.path) ?? edit.path }));
  return [...Map.groupBy(edits, ({ path }) => path)].map(([path, own]) => ({
    path,
    parts: partNames.filter((part) => chosen.includes(part) && own.some((edit) => edit.parts.includes(part))),
    plan: (before) => planText(isUndo ? own.toReversed() : own, before, isUndo),
  }));
}

/** In a file whose lines end as on Windows, those of csm do too. */
function inItsLineEnds<T extends string | undefined>(change: (text: T) => Wanted): (text: T) => Wanted {
  return (text) => {
    if (text?.includes("\r\n") !== true || /(?<!\r)\n/.test(text)) return change(text);
    const wanted = change(text.replaceAll("\r\n", "\n") as T);
    return typeof wanted === "string" ? wanted.replaceAll("\n", "\r\n") : wanted;
  };
}

function planText(edits: readonly Edit[], before: string | undefined, isUndo: boolean): ReturnType<FileChange["plan"]> {
  let after = before;
  const kept: string[] = [];
  for (const { put, take } of edits) {
    if (isUndo && after === undefined) break;
    // What is as it was written where there was nothing goes whole.
    const wanted = !isUndo ? put(after) : after === put(undefined) ? undefined : take(after as string);
    if (typeof wanted === "object") kept.push(wanted.kept);
    else after = wanted;
  }
  return kept.length === 0 ? { after } : { after, kept: kept.join("; ") };
}

// --- claude's settings ----------------------------------------------------------------------------------------------

function settingsEdit(sys: Sys, dir: string, { chosen, rules, version }: SetupWish): Edit {
  const setup = { command: commandPath(sys), hook: chosen.includes("hook"), statusline: chosen.includes("statusline"), rules, version };
  const path = join(dir, "settings.json");
  const edit = (text: string, change: typeof planSetup) => {
    const settings = parseObject(path, text);
    return editJson(text.trim() === "" ? "{}\n" : text, change(settings, setup));
  };
  return { parts: ["hook", "statusline"], path, put: (text = "") => edit(text, planSetup), take: (text) => edit(text, planUndo) };
}

function parseObject(path: string, text: string): Record<string, unknown> {
  if (text.trim() === "") return {};
  try {
    const value = decodeJson(text);
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new UserError(`${path} is no JSON object`, "correct it first; nothing was changed");
}

/** As claude finds it whatever its PATH is: where PATH has this program, which outlives an update, else where it lies. */
function commandPath(sys: Sys): string {
  const name = sys.platform === "win32" ? "csm.exe" : "csm";
  const self = sys.realPath(sys.execPath);
  const ways = (sys.env.PATH ?? "")
    .split(delimiter)
    .filter(isAbsolute)
    .map((dir) => join(dir, name));
  const path = join(sys.execPath, "..", name);
  const found = ways.find((way) => sys.isExecutable(way) && sys.realPath(way) === self) ?? (sys.isExecutable(path) ? path : sys.execPath);
  return /^[\w./:\\-]+$/.test(found) ? found : quotePosix(found);
}

// --- rules and notifications ----------------------------------------------------------------------------------------

function ruleEdits(sys: Sys): Edit[] {
  const files = ruleFiles(sys);
  const path = files.find((file) => sys.entryKind(file) !== undefined) ?? files[0] ?? "";
  return [
    {
      parts: ["rules"],
      path,
      put: (text) => (text === undefined ? rulesStarter : { kept: "you have rules already" }),
      take: (text) => (text === rulesStarter + startNotify ? startNotify : { kept: "what it says is your own" }),
    },
    {
      parts: ["notify"],
      path,
      put: inItsLineEnds((text = "") => (path.endsWith(".json") ? notifyInJson(path, text) : notifyInToml(path, text))),
      take: inItsLineEnds((text: string) => {
        if (path.endsWith(".json")) return text;
        const atEnd = `\n${startNotify.trimEnd()}`;
        if (text.endsWith(atEnd)) return text.slice(0, -atEnd.length);
        const at = text.indexOf(startNotify);
        const rest = text.slice(at + startNotify.length);
        // What was written below it would become a part of what stands above it.
        return at < 0 || !/^\s*(?:\[|$)/.test(rest) ? text : text.slice(0, at) + rest;
      }),
    },
  ];
}

function notifyInJson(path: string, text: string): string {
  const value = parseObject(path, text);
  return value.notify === undefined ? editJson(text.trim() === "" ? "{}\n" : text, { ...value, notify: {} }) : text;
}

function notifyInToml(path: string, text: string): string {
  let value: Record<string, unknown>;
  try {
    value = Bun.TOML.parse(text.replace(/^\ufeff/, "")) as Record<string, unknown>;
  } catch {
    throw new UserError(`${path} is no TOML`, "csm rules check names the line; correct it first; nothing was changed");
  }
  return value.notify === undefined ? appendLines(text, startNotify) : text;
}

// --- shells ---------------------------------------------------------------------------------------------------------

interface Shell {
  startFile(sys: Sys): string;
  line: string;
  completions(sys: Sys): [path: string, text: string][];
}

const xdgDir = (sys: Sys, variable: string, ...fallback: string[]): string => {
  const dir = sys.env[variable];
  return dir !== undefined && isAbsolute(dir) ? dir : join(homeDir(sys), ...fallback);
};

/** By it our line is known again, of whatever version. */
const mark = "# csm setup";
const posixLine = (shell: string) => `command -v csm >/dev/null && eval "$(csm shell-init ${shell})"  ${mark}`;

const shells: Readonly<Record<string, Shell>> = {
  bash: {
    // A terminal of macOS starts a login shell, which reads no other.
    startFile: (sys) => join(homeDir(sys), sys.platform === "darwin" ? ".bash_profile" : ".bashrc"),
    line: posixLine("bash"),
    completions(sys) {
      const given = sys.env.BASH_COMPLETION_USER_DIR ?? "";
      const base = isAbsolute(given) ? given : join(xdgDir(sys, "XDG_DATA_HOME", ".local", "share"), "bash-completion");
      const dir = join(base, "completions");
      return [
        [join(dir, "csm"), completionShells.bash ?? ""],
        // biome-ignore lint/suspicious/noTemplateCurlyInString: bash is to expand it
        [join(dir, "csd"), '. "${BASH_SOURCE[0]%/*}/csm"\n'],
      ];
    },
  },
  zsh: {
    startFile: (sys) => join(xdgDir(sys, "ZDOTDIR"), ".zshrc"),
    line: posixLine("zsh"),
    completions: (sys) => [[join(homeDir(sys), ".zfunc", "_csm"), completionShells.zsh ?? ""]],
  },
  fish: {
    startFile: (sys) => join(xdgDir(sys, "XDG_CONFIG_HOME", ".config"), "fish", "config.fish"),
    line: `type -q csm; and csm shell-init fish | source  ${mark}`,
    completions(sys) {
      const dir = join(xdgDir(sys, "XDG_CONFIG_HOME", ".config"), "fish", "completions");
      return [
        [join(dir, "csm.fish"), completionShells.fish ?? ""],
        [join(dir, "csd.fish"), "source (status dirname)/csm.fish\n"],
      ];
    },
  },
};
export const shellNames = Object.keys(shells);

/** The one that this terminal's user has; undefined for one that is not known here. */
export function ownShell(sys: Pick<Sys, "env">): string | undefined {
  const name = basename(sys.env.SHELL ?? "");
  return Object.hasOwn(shells, name) ? name : undefined;
}

function shellEdits(sys: Sys, name: string | undefined): Edit[] {
  const shell = name === undefined ? undefined : shells[name];
  if (shell === undefined) return [];
  const own = new RegExp(`^.*\\bcsm shell-init\\b.*${mark}$(?:\\r?\\n)?`, "gm");
  const start: Edit = {
    parts: ["shell"],
    path: shell.startFile(sys),
    put: inItsLineEnds((text = "") => {
      const others = text.replace(own, "");
      if (/^[^#\n]*\bcsm shell-init\b/m.test(others)) return { kept: "it has a line of your own that loads csm" };
      return text === others
        ? appendLines(text, `${shell.line}\n`)
        : text.replace(own, (line) => shell.line + (/\r?\n$/.exec(line)?.[0] ?? ""));
    }),
    take: inItsLineEnds((text: string) =>
      (text.endsWith("\n") ? text : `${text}\n`).replace(own, "").slice(0, text.endsWith("\n") ? undefined : -1),
    ),
  };
  const files = shell.completions(sys).map(
    ([path, script]): Edit => ({
      parts: ["completions"],
      path,
      put: (text) => (text === undefined || isOurs(text) ? script : { kept: "it is not csm's" }),
      take: (text) => (isOurs(text) ? undefined : { kept: "it is not csm's" }),
    }),
  );
  return [start, ...files];
}

/** A script of any version of ours, or the line that loads it. */
const isOurs = (script: string): boolean =>
  script.includes("csm completions --complete") || /^(?:\.|source) \S+\/csm(?:\.fish|")\n$/.test(script);

/** At the end, which keeps its line end, or the lack of one. */
const appendLines = (text: string, lines: string): string =>
  text === "" || text.endsWith("\n") ? text + lines : `${text}\n${lines.slice(0, -1)}`;
