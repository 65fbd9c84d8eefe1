import { isAbsolute, join, normalize } from "node:path";
import { usageError } from "./errors.ts";

/** What a machine has: of `repo:NAME` the folder, of other labels nothing more. */
export type Labels = ReadonlyMap<string, string>;

export const isRepo = (label: string): boolean => label.startsWith("repo:");
export const isLabel = (label: string): boolean => /^(?:repo:)?[\w][\w.-]{0,99}$/.test(label);

/** `gpu`, or `repo:api=/srv/api`. */
export function parseLabels(words: readonly string[]): Map<string, string> {
  return new Map(
    words.map((word) => {
      const [label = "", ...rest] = word.split("=");
      const value = rest.join("=");
      if (!isLabel(label)) throw usageError(`${JSON.stringify(word)} is no label`, "a word, or repo:NAME=/FOLDER");
      if (isRepo(label) !== isAbsolute(value)) throw usageError(`label ${JSON.stringify(word)}: repo:NAME=/FOLDER says where it is`);
      return [label, value];
    }),
  );
}

/** Stays within the folder that it is meant for. */
export const isBelow = (folder: string): boolean => !isAbsolute(folder) && !normalize(folder).startsWith("..") && !/^~|\0/.test(folder);

/** Where a folder of a repository is for who has these labels. */
export function placeIn(labels: Labels, repo: string, folder: string): { cwd: string } | { why: string } {
  const root = labels.get(repo);
  if (root === undefined) return { why: `no folder is ${repo} here` };
  if (!isBelow(folder)) return { why: `${JSON.stringify(folder)} is not below ${repo}` };
  return { cwd: join(root, folder).replace(/(?<=.)\/$/, "") };
}
