import { dirname, join } from "node:path";
import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, UserError, usageError } from "./errors.ts";
import { readHooksOff } from "./hooks-off.ts";
import { present } from "./json.ts";
import { findLaunchProgram, readClaudeVersion } from "./launch.ts";
import { createLog } from "./log.ts";
import { tell } from "./output.ts";
import { setupToldPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { currentDir, profileDirs, profilePath, readRegistry, readRegistryOrNone, requireProfile } from "./profiles.ts";
import { findProjectRoot, hasRuleFile } from "./rules-file.ts";
import { renderDiff } from "./setup.ts";
import { aboutPart, type FileChange, listChanges, ownShell, type PartName, partNames, shellNames } from "./setup-parts.ts";
import type { Sys } from "./sys.ts";

export const setupCommand = command({
  name: "csm setup",
  acts: true,
  summary: `Put csm where it is of use: claude's settings, your shell, rules, notifications.

Finds claude and its profiles and offers each part; every change is shown first, and a copy of each file is kept. A part that is there
already is left as it is, so it can be run again: do so once you have written the first rule (csm rules), as the hook is then also
called for each call of a tool. Only sessions that csm did not start need the hook; csm usage needs the status line.`,
  args: {
    profile: { type: "string", valueHint: "NAME", description: "claude's settings of this profile only" },
    all: { type: "boolean", description: "of every profile, without asking which" },
    hook: { type: "boolean", description: `only ${aboutPart("hook")}` },
    statusline: { type: "boolean", description: `only ${aboutPart("statusline")}` },
    shell: { type: "string", valueHint: "SHELL", values: shellNames, description: `only ${aboutPart("shell")}; else your login shell` },
    completions: { type: "boolean", description: `only ${aboutPart("completions")}` },
    rules: { type: "boolean", description: `only ${aboutPart("rules")}, where you have none` },
    notify: { type: "boolean", description: `only ${aboutPart("notify")}` },
    undo: { type: "boolean", description: "take csm out again; what you have changed since stays" },
    yes: { type: "boolean", alias: "y", description: "do not ask" },
    "dry-run": { type: "boolean", description: "show what would change" },
    json: { type: "boolean", description: "print what was found and done; with --yes or --dry-run" },
  },
  examples: [
    ["csm setup", "asks what you want, shows the changes, asks again"],
    ["csm setup --all --yes", "everything, for all profiles at once"],
    ["csm setup --profile work --statusline --yes", ""],
    ["csm setup --dry-run --json | jq -r '.changes[].path'", "the files that it is about"],
    ["csm setup --undo", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    if (args.all === true && args.profile !== undefined) throw usageError("csm setup: --all and --profile exclude each other");
    const isDry = args["dry-run"] === true;
    if (args.json === true && args.yes !== true && !isDry)
      throw usageError("csm setup: with --json nobody is asked", "add --yes, or look first with --dry-run");
    const asks = args.yes !== true && !isDry && app.isInteractive && sys.isTerminal(1);
    const claude = await findClaudeVersion(sys);
    if (args.json !== true) tellFound(app, claude);
    const { chosen: dirs, others } = await chooseDirs(app, args, asks);
    const shell = args.shell ?? ownShell(sys);
    const named = partNames.filter((part) => args[part] !== undefined);
    if (shell === undefined && args.completions === true)
      throw usageError("csm setup: which shell? $SHELL does not say", "add --shell bash");
    const isUndo = args.undo === true;
    const version = "path" in claude ? (claude.version ?? undefined) : undefined;
    const changesOf = (chosen: readonly PartName[]) =>
      listChanges(sys, { chosen, isUndo, dirs, shell, rules: rulesOf(app, chosen), version });
    const chosen = named.length > 0 || !asks ? (named.length > 0 ? named : partNames) : await chooseParts(app, changesOf, isUndo);
    if (!isUndo && args.json !== true) warnOfHooksOff(app, dirs, chosen);
    const confirm = async (): Promise<boolean> => {
      if (isDry) return false;
      if (args.yes === true || (await isConfirmed(app.isInteractive))) return true;
      createLog(app).info("csm: nothing was changed");
      return false;
    };
    const results = await changeFiles(app, changesOf(chosen), { confirm, isUndo, isSilent: args.json === true });
    // From here on nobody needs to be told that there is a setup.
    if (!isDry) noteTold(sys);
    if (args.json === true) return app.json<"csm setup">({ ...foundJson(app, claude), dry_run: isDry, undo: isUndo, changes: results });
    tellNext(app, { results, others, shell, isDry: isDry || isUndo });
  },
});

/** Rules change, and projects have their own: what is put there once must be right for all of them. */
const everyCall = [{ event: "PreToolUse" }, { event: "PermissionRequest" }] as const;

const rulesOf = ({ sys }: App, chosen: readonly PartName[]) =>
  chosen.includes("rules") || hasRuleFile(sys, findProjectRoot(sys, sys.cwd)) ? everyCall : [];

// --- what is there --------------------------------------------------------------------------------------------------

type Found = { path: string; version: string | null } | { missing: string };

async function findClaudeVersion(sys: Sys): Promise<Found> {
  try {
    const program = await findLaunchProgram(sys);
    return { path: program.path, version: (await readClaudeVersion(sys, program)) ?? null };
  } catch (error) {
    // What is set up now holds for the claude that comes.
    return { missing: (error as Error).message };
  }
}

function tellFound({ sys, out }: App, claude: Found): void {
  const registry = readRegistry(sys);
  const current = currentDir(sys, registry);
  const profiles = profileDirs(sys, registry).map(
    ({ name, dir }) => `${name ?? "claude's own"} (${dir})${dir === current ? ", the current one" : ""}`,
  );
  out("missing" in claude ? claude.missing : `claude ${claude.version ?? "of an unknown version"}: ${claude.path}`);
  out(`${profiles.length === 1 ? "profile" : "profiles"}: ${printableLine(profiles.join("; "))}`);
}

const foundJson = ({ sys }: App, claude: Found) => ({
  claude: "missing" in claude ? null : claude,
  profiles: profileDirs(sys).map(({ name, dir }) => ({ profile: name ?? null, config_dir: dir })),
});

/** What is put there would do nothing: said before it is. */
function warnOfHooksOff(app: App, dirs: readonly string[], chosen: readonly PartName[]): void {
  const { warn } = createLog(app);
  const idle = [...(chosen.includes("hook") ? ["the hook"] : []), ...(chosen.includes("statusline") ? ["the status line"] : [])];
  if (idle.length === 0) return;
  for (const dir of dirs) {
    const off = readHooksOff(app.sys, { configDir: dir, cwd: app.sys.cwd });
    if (off === undefined) continue;
    warn(`csm: hooks are switched off (${off}): claude runs ${idle.join(" and ")} only once that is changed`);
    if (!chosen.includes("hook")) continue;
    warn("csm: sessions that csm starts need no hook: they see a usage limit in their transcript");
    if (rulesOf(app, chosen).length > 0) warn("csm: no rule holds in any session while they are off");
  }
}

// --- questions ------------------------------------------------------------------------------------------------------

interface Wish {
  profile?: string | undefined;
  all?: boolean | undefined;
  undo?: boolean | undefined;
}

/** Whose settings: those that are named, else those that a person picks of all, else the current ones; and how many are left out. */
async function chooseDirs({ sys }: App, wish: Wish, asks: boolean): Promise<{ chosen: string[]; others: number }> {
  const registry = readRegistry(sys);
  if (wish.profile !== undefined) return { chosen: [profilePath(sys, requireProfile(registry, wish.profile))], others: 0 };
  const known = profileDirs(sys, registry);
  if (wish.all === true) return { chosen: known.map(({ dir }) => dir), others: 0 };
  if (known.length < 2 || !asks) return { chosen: [currentDir(sys, registry)], others: known.length - 1 };
  const choices = known.map(({ name, dir }) => ({
    value: dir,
    label: printableLine(name ?? dir),
    ...(name === undefined ? {} : { hint: printableLine(dir) }),
  }));
  const chosen = await chooseMany(`${wish.undo === true ? "Take csm out of" : "Put csm into"} claude's settings of which?`, choices);
  return { chosen, others: 0 };
}

/** Of the parts that would change something. */
async function chooseParts(
  { sys, out }: App,
  changesOf: (chosen: readonly PartName[]) => FileChange[],
  isUndo: boolean,
): Promise<PartName[]> {
  const open = partNames.filter((part) => changesOf([part]).some((change) => describe(sys, change).result.change !== "none"));
  if (open.length === 0) {
    out(isUndo ? "there is nothing of csm here" : "all of it is there already");
    return [];
  }
  const choices = open.map((value) => ({ value, label: aboutPart(value) }));
  return chooseMany(isUndo ? "Take out what?" : "Set up what?", choices);
}

async function chooseMany<T>(question: string, choices: { value: T; label: string }[]): Promise<T[]> {
  const { promptMany } = await import("./prompts.ts");
  const chosen = await promptMany(`${question} (space: choose, enter: go)`, choices, true);
  if (chosen === undefined) throw new SilentExit(exitCode.interrupted);
  return chosen;
}

async function isConfirmed(isInteractive: boolean): Promise<boolean> {
  if (!isInteractive) throw usageError("csm setup: there is nobody to ask", "add --yes, or look first with --dry-run");
  return (await (await import("./prompts.ts")).promptConfirm("change it?")) === true;
}

// --- the changes ----------------------------------------------------------------------------------------------------

interface Result {
  path: string;
  parts: PartName[];
  change: "create" | "edit" | "remove" | "none";
  done: boolean;
  /** Why it is left as it is, or a part of it. */
  kept?: string;
  /** As `diff` shows it. */
  diff?: string[];
  /** The copy of the file as it was. */
  backup?: string;
}

interface ChangeOptions {
  /** Is asked once, when all changes have been shown. */
  confirm(): Promise<boolean>;
  isUndo: boolean;
  isSilent?: boolean;
}

/** Shows all changes, asks, and makes each to what its file says after the answer. One that must not be made stops all before the first. */
export async function changeFiles(
  app: Pick<App, "sys" | "out" | "tell" | "paint">,
  changes: readonly FileChange[],
  { confirm, isUndo, isSilent = false }: ChangeOptions,
): Promise<Result[]> {
  const results = changes.map((change) => ({ change, ...describe(app.sys, change) }));
  if (!isSilent) for (const { result } of results) show(app, result, isUndo);
  const open = results.filter(({ result }) => result.change !== "none");
  if (open.length === 0 || !(await confirm())) return results.map(({ result }) => result);
  for (const { result } of open) requireWritable(app.sys, result.path);
  for (const { change, before, result } of open) {
    const made = makeChange(app.sys, change);
    Object.assign(result, { done: made !== undefined, ...present({ backup: made?.backup }) });
    if (isSilent) continue;
    if (made === undefined) app.out(unchangedText(result, isUndo));
    else createLog(app).success(doneText(result, made.before !== before));
  }
  return results.map(({ result }) => result);
}

function describe(sys: Sys, { parts, path, plan }: FileChange): { before: string | undefined; result: Result } {
  const before = readOwnText(sys, path);
  const { after, kept } = plan(before);
  const change = after === before ? "none" : before === undefined ? "create" : after === undefined ? "remove" : "edit";
  const diff = change === "none" ? undefined : renderDiff(before ?? "", after ?? "");
  return { before, result: { path, parts, change, done: false, ...present({ kept, diff }) } };
}

const colors: Readonly<Record<string, "green" | "red">> = { "+": "green", "-": "red" };
const heads = { create: " (new)", edit: "", remove: " (removed)", none: "" } as const;

function show({ out, paint }: Pick<App, "out" | "paint">, result: Result, isUndo: boolean): void {
  const { path, diff, change, kept } = result;
  const lines = (diff ?? []).map((line) => paint(colors[line[0] ?? " "] ?? "dim", line));
  const head = diff === undefined ? unchangedText(result, isUndo) : `${path}:${heads[change]}${kept === undefined ? "" : ` ${kept}`}`;
  out([head, ...lines].join("\n"));
}

const unchangedText = ({ path, kept }: Result, isUndo: boolean): string =>
  kept !== undefined ? `${path} stays as it is: ${kept}` : isUndo ? `csm is not in ${path}` : `csm is in ${path} already`;

function doneText({ path, change, backup, parts }: Result, isOther: boolean): string {
  const verb = { create: "wrote", edit: "changed", remove: "removed", none: "" }[change];
  const since = isOther ? ", with what was written there meanwhile" : "";
  const use = parts.includes("hook") || parts.includes("statusline") ? "; sessions that start from now on use it" : "";
  return `csm: ${verb} ${path}${since}${backup === undefined ? "" : `; as it was: ${backup}`}${use}`;
}

/** How often others may write the file while it is being replaced. */
const maxTries = 20;

/** Undefined where somebody else has made the change meanwhile: claude and its user go on writing. */
function makeChange(sys: Sys, { path, plan }: FileChange): { before: string | undefined; backup?: string } | undefined {
  const copy = `${path}.before-csm-${new Date(sys.now()).toISOString().replace(/[:.]/g, "-")}`;
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const before = readOwnText(sys, path);
    const { after } = plan(before);
    if (after === before) return undefined;
    if (after === undefined) {
      // All of it is ours: there is nothing to keep a copy of.
      if (sys.readText(path) !== before) continue;
      sys.remove(path);
      return { before };
    }
    const backup = before === undefined || before === "" ? undefined : copy;
    if (backup !== undefined && before !== undefined) sys.writePrivate(backup, before);
    sys.makePrivateDir(dirname(path));
    if (sys.replaceText(path, before, after)) return { before, ...present({ backup }) };
  }
  throw new UserError(`${path} is being written all the time`, "nothing was changed in it; try again");
}

/** Known before the first change, so that none is half of what was shown. */
function requireWritable(sys: Sys, path: string): void {
  let dir = dirname(path);
  while (sys.entryKind(dir) === undefined && dirname(dir) !== dir) dir = dirname(dir);
  if (!sys.isWritable(dir)) throw new UserError(`may not write in ${dir}`, `${path} would be changed; nothing was changed`);
}

/** Undefined where there is none; what cannot be read, or written back as it is, must not be taken for empty or for text. */
function readOwnText(sys: Sys, path: string): string | undefined {
  const text = sys.readText(path);
  if (text === undefined && sys.entryKind(path) !== undefined)
    throw sys.readLink(path) === undefined
      ? new UserError(`${path} cannot be read`, "is it a file of yours? nothing was changed")
      : new UserError(`${path} is a link that leads nowhere`, `make the file ${sys.readLink(path)} first; nothing was changed`);
  if (text !== undefined && Buffer.byteLength(text) !== sys.identify(path)?.size && text === sys.readText(path))
    throw new UserError(`${path} is not in UTF-8`, "csm would spoil what it cannot read; nothing was changed");
  return text;
}

// --- what comes next ------------------------------------------------------------------------------------------------

interface Next {
  results: readonly Result[];
  others: number;
  shell: string | undefined;
  isDry: boolean;
}

function tellNext(app: App, { results, others, shell, isDry }: Next): void {
  const { info } = createLog(app);
  if (others > 0) info(`csm: ${others} more ${others === 1 ? "profile is" : "profiles are"} as before; csm setup --all takes them too`);
  const isDone = (part: PartName) => results.some(({ parts, done }) => done && parts.includes(part));
  if (isDry) return;
  if (isDone("completions") && shell === "zsh")
    info("csm: zsh finds ~/.zfunc/_csm once fpath=(~/.zfunc $fpath) stands before compinit in .zshrc");
  if (isDone("shell")) info("csm: a new shell has cas and completions; csm and csd must be on its PATH");
  if (results.some(({ done }) => done)) info("csm: look around with csm top; csm setup --undo takes it all out again");
}

/** Who starts csm by itself for the first time, and sees it, is told in a line; nobody is told twice, or once it is set up. */
export function tellOfSetup(sys: Sys): void {
  const settings = sys.readText(join(currentDir(sys, readRegistryOrNone(sys)), "settings.json")) ?? "";
  if (noteTold(sys) && !/csm(?:\.exe)?'? (?:hook|statusline)/.test(settings))
    tell(sys, "csm setup offers the status line, hooks, completions and rules, shows each change first, and takes it back with --undo");
}

/** False where it was noted before, or cannot be: rather nobody is told than everybody each time. */
function noteTold(sys: Sys): boolean {
  try {
    return sys.createPrivate(setupToldPath(sys), "");
  } catch {
    // A full disk, or a folder of another's.
    return false;
  }
}
