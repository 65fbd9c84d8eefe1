import { join } from "node:path";
import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, UserError, usageError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { readHooksOff } from "./hooks-off.ts";
import { decodeJson, isRecord } from "./json.ts";
import { findProgram, readClaudeVersion } from "./launch.ts";
import { createLog } from "./log.ts";
import { printableLine } from "./printable.ts";
import { currentDir, profileDirs, profilePath, readRegistry, requireProfile } from "./profiles.ts";
import { findProjectRoot, hasRuleFile } from "./rules-file.ts";
import { planSetup, planUndo, renderDiff } from "./setup.ts";
import type { Sys } from "./sys.ts";

export const setupCommand = command({
  name: "csm setup",
  summary: `Put csm into claude's own settings: the hook that notes usage limits and applies rules, and the status line that meters usage.

Only sessions that csm did not start need the hook; csm usage needs the status line. Where you have rules (csm rules) it is also called
for each call of a tool: run csm setup again once you have written the first. The change is shown first, and a copy of each file is
kept. With several profiles you are asked which.`,
  args: {
    profile: { type: "string", valueHint: "NAME", description: "only this profile" },
    all: { type: "boolean", description: "every profile, without asking which" },
    hook: { type: "boolean", description: "only the hook" },
    statusline: { type: "boolean", description: "only the status line; one that is there already goes on inside csm's" },
    undo: { type: "boolean", description: "take csm out again" },
    yes: { type: "boolean", alias: "y", description: "do not ask" },
    "dry-run": { type: "boolean", description: "show what would change" },
  },
  examples: [
    ["csm setup", "shows the change, asks, keeps a copy of the file"],
    ["csm setup --all --yes", "all profiles at once"],
    ["csm setup --profile work --statusline --yes", ""],
    ["csm setup --undo", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const log = createLog(app);
    if (args.all === true && args.profile !== undefined) throw usageError("csm setup: --all and --profile exclude each other");
    const { chosen, others } = await chooseDirs(app, args);
    const isBoth = args.hook !== true && args.statusline !== true;
    const rules = hasRuleFile(sys, findProjectRoot(sys, sys.cwd)) ? everyCall : [];
    const wish = { command: commandName(sys), hook: isBoth || args.hook === true, statusline: isBoth || args.statusline === true, rules };
    const isUndo = args.undo === true;
    const claude = isUndo || !wish.hook ? undefined : findProgram(sys, "claude");
    const version = claude === undefined ? undefined : await readClaudeVersion(sys, { path: claude, prefix: [] });
    const parts = { ...wish, version };
    const change = (settings: Record<string, unknown>) => (isUndo ? planUndo(settings, parts) : planSetup(settings, parts));
    const confirm = async () => {
      if (args["dry-run"] === true) return false;
      if (args.yes === true || (await isConfirmed(app.isInteractive))) return true;
      log.info("csm: nothing was changed");
      return false;
    };
    if (!isUndo) for (const dir of chosen) warnOfHooksOff(log.warn, readHooksOff(sys, { configDir: dir, cwd: sys.cwd }), parts);
    // Profiles may share the file, and a link into somebody's dotfiles stays one.
    const paths = chosen.map((dir) => join(dir, "settings.json")).map((link) => sys.realPath(link) ?? link);
    for (const path of new Set(paths))
      await changeSettings(app, { path, change, confirm, unchanged: isUndo ? `csm is not in ${path}` : `csm is in ${path} already` });
    if (others > 0)
      log.info(`csm: ${others} more ${others === 1 ? "profile is" : "profiles are"} as before; csm setup --all takes them too`);
  },
});

/** Rules change, and projects have their own: what is put there once must be right for all of them. */
const everyCall = [{ event: "PreToolUse" }, { event: "PermissionRequest" }] as const;

/** What is put there would do nothing: said before it is. */
function warnOfHooksOff(
  warn: (line: string) => void,
  off: string | undefined,
  parts: { hook: boolean; statusline: boolean; rules: readonly unknown[] },
): void {
  if (off === undefined) return;
  const idle = [...(parts.hook ? ["the hook"] : []), ...(parts.statusline ? ["the status line"] : [])].join(" and ");
  warn(`csm: hooks are switched off (${off}): claude runs ${idle} only once that is changed`);
  if (parts.hook) warn("csm: sessions that csm starts need no hook: they see a usage limit in their transcript");
  if (parts.hook && parts.rules.length > 0) warn("csm: no rule holds in any session while they are off");
}

interface Wish {
  profile?: string | undefined;
  all?: boolean | undefined;
  undo?: boolean | undefined;
  yes?: boolean | undefined;
  "dry-run"?: boolean | undefined;
}

/** Whose settings: those that are named, else those that a person picks of all, else the current ones; and how many are left out. */
async function chooseDirs(app: App, wish: Wish): Promise<{ chosen: string[]; others: number }> {
  const { sys } = app;
  const registry = readRegistry(sys);
  if (wish.profile !== undefined) return { chosen: [profilePath(sys, requireProfile(registry, wish.profile))], others: 0 };
  const known = profileDirs(sys, registry);
  const current = currentDir(sys, registry);
  if (wish.all === true) return { chosen: known.map(({ dir }) => dir), others: 0 };
  const asks = known.length > 1 && wish.yes !== true && wish["dry-run"] !== true && app.isInteractive && sys.isTerminal(1);
  if (!asks) return { chosen: [current], others: known.length - 1 };
  const choices = known.map(({ name, dir }) => ({
    value: dir,
    label: printableLine(name ?? dir),
    ...(name === undefined ? {} : { hint: printableLine(dir) }),
  }));
  const { promptMany } = await import("./prompts.ts");
  const chosen = await promptMany(
    `${wish.undo === true ? "Take csm out of" : "Put csm into"} which? (space: choose, enter: go)`,
    choices,
    true,
  );
  if (chosen === undefined) throw new SilentExit(exitCode.interrupted);
  return { chosen, others: 0 };
}

interface SettingsChange {
  path: string;
  change(settings: Record<string, unknown>): unknown;
  /** Is asked once, when the change has been shown. */
  confirm(): Promise<boolean>;
  /** What is said when there is nothing to change. */
  unchanged: string;
}

/** How often others may write the file while it is being replaced. */
const maxTries = 20;

/** Shows the change, asks, and makes it to what the file says after the answer: claude and its user go on writing meanwhile. */
export async function changeSettings(
  { sys, out, tell, paint }: Pick<App, "sys" | "out" | "tell" | "paint">,
  { path, change, confirm, unchanged }: SettingsChange,
): Promise<void> {
  const plan = () => {
    const before = readSettingsText(sys, path);
    const settings = parseSettings(path, before ?? "");
    const after = render(change(settings), before ?? "");
    return { before, after, isDone: isSame(settings, after) };
  };
  const shown = plan();
  if (shown.isDone) return out(unchanged);
  const lines = renderDiff(shown.before ?? "", shown.after).map((line) => paint(colors[line[0] ?? " "] ?? "dim", line));
  out([`${path}:`, ...lines].join("\n"));
  if (!(await confirm())) return;
  const backup = `${path}.before-csm-${new Date(sys.now()).toISOString().replace(/[:.]/g, "-")}`;
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const { before, after, isDone } = plan();
    if (isDone) return out(unchanged);
    const hasBackup = before !== undefined && before !== "";
    if (hasBackup) sys.writePrivate(backup, before);
    if (!sys.replaceText(path, before, after)) continue;
    const since = before === shown.before ? "" : ", with what was written there meanwhile";
    return createLog({ sys, tell }).success(
      `csm: changed ${path}${since}${hasBackup ? `; as it was: ${backup}` : ""}; sessions that start from now on use it`,
    );
  }
  throw new UserError(`${path} is being written all the time`, "nothing was changed; try again");
}

/** Undefined where there is none; what is there and cannot be read must not be taken for empty. */
function readSettingsText(sys: Sys, path: string): string | undefined {
  const text = sys.readText(path);
  if (text === undefined && sys.entryKind(path) !== undefined)
    throw new UserError(`${path} cannot be read`, "is it a file of yours? nothing was changed");
  return text;
}

const colors: Readonly<Record<string, "green" | "red">> = { "+": "green", "-": "red" };

async function isConfirmed(isInteractive: boolean): Promise<boolean> {
  if (!isInteractive) throw usageError("csm setup: there is nobody to ask", "add --yes, or look first with --dry-run");
  return (await (await import("./prompts.ts")).promptConfirm("change it?")) === true;
}

function parseSettings(path: string, text: string): Record<string, unknown> {
  if (text.trim() === "") return {};
  try {
    const value = decodeJson(text);
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new UserError(`${path} is no JSON object`, "correct it first; nothing was changed");
}

/** Indented as it was. */
const render = (settings: unknown, before: string): string =>
  `${JSON.stringify(settings, null, /\n([ \t]+)\S/.exec(before)?.[1] ?? "  ")}\n`;
const isSame = (settings: unknown, after: string): boolean => JSON.stringify(settings) === JSON.stringify(JSON.parse(after));

/** `csm` where that is this very program, else its path. */
function commandName(sys: Sys): string {
  const found = findProgram(sys, "csm");
  if (found !== undefined && sys.realPath(found) === sys.realPath(sys.execPath)) return "csm";
  const path = join(sys.execPath, "..", sys.platform === "win32" ? "csm.exe" : "csm");
  const quoted = (text: string) => (/^[\w./:\\-]+$/.test(text) ? text : quotePosix(text));
  return quoted(sys.isExecutable(path) ? path : sys.execPath);
}
