import { join, relative } from "node:path";
import type { Budget } from "./budgets.ts";
import { UserError } from "./errors.ts";
import { readCheckout } from "./git.ts";
import { parseRecord } from "./json.ts";
import { defaultNotify, type NotifySettings } from "./notices.ts";
import { isWindowsPath } from "./path-pattern.ts";
import { checkedRulesDir, homeDir, projectRuleFiles, ruleFiles } from "./paths.ts";
import { buildVersion } from "./program.ts";
import type { Rule, RuleProblem } from "./rules.ts";
import { requireOwnFile, requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";

/** All that the files of a user and of a project say, checked. */
export interface RuleBook {
  /** Of the user, then of the project, each in its order. Those of a broken file ask. */
  rules: Rule[];
  budgets: Budget[];
  notify: NotifySettings;
  /** What is wrong in the files, or with them. */
  problems: RuleProblem[];
}

/** The root of the checkout that a session works in, else the folder itself: where a project's own rules lie. */
export function findProjectRoot(sys: Sys, dir: string): string {
  const real = sys.realPath(dir) ?? dir;
  return readCheckout(sys, real)?.root ?? real;
}

export const listRuleFiles = (sys: Sys, projectDir: string | undefined): { path: string; isProject: boolean }[] =>
  [
    ...ruleFiles(sys).map((path) => ({ path, isProject: false })),
    ...(projectDir === undefined ? [] : projectRuleFiles(projectDir)).map((path) => ({ path, isProject: true })),
  ].filter(({ path }) => sys.entryKind(path) !== undefined);

/** Without a folder, of the user alone; so below. */
export const hasRuleFile = (sys: Sys, projectDir?: string): boolean => listRuleFiles(sys, projectDir).length > 0;

/** Nothing is read, and no library loaded, where there is no file. `projectDir`: a real path; the user's own rules alone without it. */
export async function readRuleBook(sys: Sys, projectDir?: string): Promise<RuleBook> {
  const paths = listRuleFiles(sys, projectDir);
  const book: RuleBook = { rules: [], budgets: [], notify: defaultNotify, problems: [] };
  if (paths.length === 0) return book;
  for (const { path, isProject } of paths) {
    const found = readRuleText(sys, path, isProject ? projectDir : undefined);
    const broken = async (message: string) => (await import("./rules-schema.ts")).brokenRules({ path, line: 1, message }, isProject);
    const file =
      "text" in found
        ? await readChecked(sys, { path, text: found.text, isProject }).catch((error: Error) =>
            broken(`it cannot be checked: ${error.message}`),
          )
        : await broken(found.refused);
    book.rules.push(...file.rules.map((rule) => ({ ...rule, when: withRealFolders(sys, rule.when) })));
    book.budgets.push(...file.budgets.map((budget) => withRealFolders(sys, budget)));
    book.problems.push(...file.problems);
    if (file.notify !== undefined) book.notify = file.notify;
  }
  return book;
}

/** A project that is named by its folder, as sessions name theirs: without `~` and without links. */
function withRealFolders<T extends { project?: readonly string[] }>(sys: Sys, of: T): T {
  const isFolder = (word: string) => /^[~/]/.test(word) || isWindowsPath(word);
  if (of.project?.some(isFolder) !== true) return of;
  const realFolder = (word: string) => {
    const path = word.replace(/^~(?=[\\/]|$)/, () => homeDir(sys));
    return isFolder(path) ? (sys.realPath(path) ?? path) : word;
  };
  return { ...of, project: of.project.map(realFolder) };
}

type Checked = Pick<RuleBook, "rules" | "budgets" | "problems"> & { notify?: NotifySettings };

/**
 * To check 100 rules takes a hook 25 ms, to read what came of it 1 ms: it is kept beside the very text that it was made of, in a folder
 * that nobody else can write.
 */
async function readChecked(sys: Sys, file: { path: string; text: string; isProject: boolean }): Promise<Checked> {
  const dir = checkedRulesDir(sys);
  const path = join(dir, `${Bun.hash(file.path).toString(36)}.json`);
  const key = `${JSON.stringify({ build: buildVersion, ...file })}\n`;
  try {
    requireOwnFolder(sys, dir);
    const kept = sys.readText(path);
    const checked = kept?.startsWith(key) === true ? parseRecord(kept.slice(key.length)) : undefined;
    if (checked !== undefined) return checked as unknown as Checked;
  } catch {
    // A folder that others can write: nothing of it is believed, and nothing kept there.
    return (await import("./rules-schema.ts")).checkRules(file);
  }
  const checked = (await import("./rules-schema.ts")).checkRules(file);
  try {
    sys.writePrivate(path, key + JSON.stringify(checked));
  } catch {
    // A full disk: it is checked again the next time.
  }
  return checked;
}

/** No set of rules is near this, and each call of a tool would read it. */
const maxBytes = 1024 * 1024;

/** Why the file is not used, or what stands in it. One of a project must lie in it: what it says may be shown. */
function readRuleText(sys: Sys, path: string, projectDir: string | undefined): { text: string } | { refused: string } {
  const file = sys.identify(path);
  if (file === undefined) return { refused: "it leads nowhere, or may not be read" };
  if (!file.isFile) return { refused: "it is no file" };
  if (file.size > maxBytes) return { refused: `it is larger than ${maxBytes / 1024} KB` };
  if (projectDir !== undefined) {
    const inside = relative(sys.realPath(projectDir) ?? projectDir, sys.realPath(path) ?? path);
    if (inside.startsWith("..")) return { refused: "it leads out of the project" };
  } else {
    try {
      requireOwnFile(sys, path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { refused: error.hint === undefined ? error.message : `${error.message}; ${error.hint}` };
    }
  }
  const text = sys.readText(path);
  return text === undefined ? { refused: "it may not be read" } : { text };
}
