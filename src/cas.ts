import { type Dialect, findDialect } from "./cas-shell.ts";
import { UserError, usageError } from "./errors.ts";
import { createOutput, forPeople } from "./output.ts";
import { printableLine } from "./printable.ts";
import {
  findProfile,
  type Profile,
  profileEnv,
  profilePath,
  profileVariable,
  type Registry,
  readRegistry,
  readRegistryOrNone,
  requireProfile,
  shellProfile,
} from "./profiles.ts";
import { checkProfileName, knownOrConventional, useProfile } from "./profiles-change.ts";
import { renderProfiles } from "./profiles-view.ts";
import type { Sys } from "./sys.ts";

/** Words of `cas` that manage profiles, as `csm profiles` does; they have nothing to evaluate. More would hide profiles of that name. */
export const casVerbs = ["list", "add", "set", "remove", "rm", "use", "edit"] as const;

interface CasWords {
  isEval: boolean;
  shell?: string;
  isDefaultDir: boolean;
  words: string[];
}

/** Our flags end at `--` or at the first word that is none of them; from there on it is what is asked. */
export function parseCas(args: readonly string[]): CasWords {
  const parsed: CasWords = { isEval: false, isDefaultDir: false, words: [] };
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? "";
    if (word === "--eval") parsed.isEval = true;
    else if (word === "--print-default-dir") parsed.isDefaultDir = true;
    else if (word.startsWith("--shell=")) parsed.shell = word.slice("--shell=".length);
    else if (word === "--shell") {
      const shell = args[++index];
      if (shell === undefined) throw usageError("csm cas: --shell needs a value", "for example --shell zsh");
      parsed.shell = shell;
    } else return { ...parsed, words: args.slice(word === "--" ? index + 1 : index) };
  }
  return parsed;
}

/** The words of `csm profiles` where that is what was asked; otherwise it is done. */
export async function runCas(sys: Sys, args: readonly string[], out: (text: string) => void): Promise<string[] | undefined> {
  const { isEval, shell, isDefaultDir, words } = parseCas(args);
  if (isDefaultDir) return printDefaultDir(sys, out);
  const verb = casVerbs.find((known) => known === words[0]);
  if (verb !== undefined) {
    if (isEval) throw new UserError(`csm cas: ${verb} prints nothing to evaluate`, `run it as it is: csm cas ${verb}`);
    return words;
  }
  if (!isEval) return printStatus(sys, words, out);
  if (shell === undefined) throw usageError("csm cas: --eval needs --shell", `for example --shell ${await readShell(sys)}`);
  const dialect = findDialect(shell);
  // A broken registry is not the shell's: it says so itself and there is nothing to evaluate.
  const registry = readRegistry(sys);
  try {
    out(await evaluable(sys, registry, { ...dialect, load: loadLine(shell) }, words));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // eval loses the exit code, so the failure itself is what is evaluated.
    out(dialect.fail(forPeople(sys, printableLine(`cas: ${error.message}`))));
  }
  return undefined;
}

/** Nothing where nothing is chosen: `~/.claude` in CLAUDE_CONFIG_DIR would not be what claude does without it. */
function printDefaultDir(sys: Sys, out: (text: string) => void): undefined {
  const { defaultName } = readRegistryOrNone(sys);
  const dir = defaultName === undefined ? undefined : defaultDir(sys, defaultName);
  if (dir !== undefined) out(dir);
}

function defaultDir(sys: Sys, name: string): string | undefined {
  try {
    return profileEnv(sys, knownOrConventional(sys, name)).CLAUDE_CONFIG_DIR;
  } catch {
    // A broken registry: no default.
    return undefined;
  }
}

/** How each shell loads the function cas. */
const loadLines: Readonly<Record<string, string>> = {
  zsh: 'eval "$(csm shell-init zsh)"',
  bash: 'eval "$(csm shell-init bash)"',
  fish: "csm shell-init fish | source",
  pwsh: "Invoke-Expression (csm shell-init pwsh | Out-String)",
  powershell: "Invoke-Expression (csm shell-init powershell | Out-String)",
};
const shellNames = Object.keys(loadLines);
const loadLine = (shell: string): string => loadLines[shell.toLowerCase()] ?? loadLine("bash");

/** The shell that somebody types in: the nearest one above this process, else the one of their login. */
async function readShell(sys: Sys): Promise<string> {
  const { ancestors, readProcessTable } = await import("./process-table.ts");
  const table = await readProcessTable(sys);
  const nameOf = (program: string) => shellNames.find((shell) => shell === program.replace(/^-|\.exe$/gi, "").toLowerCase());
  for (const pid of ancestors(table, sys.pid)) {
    const found = nameOf(table.get(pid)?.program ?? "");
    if (found !== undefined) return found;
  }
  return nameOf((sys.env.SHELL ?? "").split(/[/\\]/).at(-1) ?? "") ?? "bash";
}

async function printStatus(sys: Sys, words: string[], out: (text: string) => void): Promise<undefined> {
  const [word = "status", option] = words;
  if (word !== "status") {
    const name = word === "-g" || word === "--global" ? "-g NAME" : word;
    throw new UserError(
      `csm cas: ${JSON.stringify(name)} changes the shell, which only the shell itself can do`,
      `load the function cas first: ${loadLine(await readShell(sys))}`,
    );
  }
  const registry = readRegistry(sys);
  if (option === "--print-current") out(shellProfile(sys, registry)?.name ?? "unknown");
  else if (option !== undefined) throw usageError(`csm cas: unexpected word ${JSON.stringify(option)}`, "cas status [--print-current]");
  else out(forPeople(sys, renderProfiles(sys, registry).join("\n")));
}

async function evaluable(sys: Sys, registry: Registry, dialect: Dialect & { load: string }, words: string[]): Promise<string> {
  const [word = "status", name] = words;
  switch (word) {
    case "status":
      return dialect.say(
        name === "--print-current" ? (shellProfile(sys, registry)?.name ?? "unknown") : renderProfiles(sys, registry).join("\n"),
      );
    case "-":
      throw new UserError(`the previous profile is known to the function of csm shell-init only; load it with: ${dialect.load}`);
    case "-g":
    case "--global":
      if (name === undefined || name === "") throw new UserError(`${word} needs a profile`);
      return chooseForAll(sys, registry, dialect, name);
    case "resync":
      return resync(sys, registry, dialect);
    default:
      return choose(sys, dialect, pickProfile(sys, registry, word));
  }
}

function pickProfile(sys: Sys, registry: Registry, name: string): Profile {
  if (registry.profiles.length > 0) return requireProfile(registry, name);
  checkProfileName(name);
  return knownOrConventional(sys, name);
}

function choose(sys: Sys, dialect: Dialect, profile: Profile): string {
  const { CLAUDE_CONFIG_DIR: dir } = profileEnv(sys, profile);
  if (dir !== undefined) return dialect.set("CLAUDE_CONFIG_DIR", dir);
  return `${dialect.unset("CLAUDE_CONFIG_DIR")}; ${dialect.set(profileVariable, profile.name)}`;
}

async function chooseForAll(sys: Sys, registry: Registry, dialect: Dialect, name: string): Promise<string> {
  const profile = pickProfile(sys, registry, name);
  const line = choose(sys, dialect, profile);
  for (const text of await useProfile(sys, profile.name)) createOutput(sys).tell(text);
  return line;
}

function resync(sys: Sys, registry: Registry, dialect: Dialect): string {
  const { defaultName: name } = registry;
  if (name === undefined) {
    createOutput(sys).tell("shell → ~/.claude (claude's own folder; there is no default profile)");
    return `${dialect.unset("CLAUDE_CONFIG_DIR")}; ${dialect.unset(profileVariable)}`;
  }
  const profile = findProfile(registry, name) ?? knownOrConventional(sys, name);
  createOutput(sys).tell(`shell → ${name} (${profilePath(sys, profile)})`);
  return choose(sys, dialect, profile);
}
