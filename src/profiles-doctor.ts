import { join } from "node:path";
import { isPlainDir, openDefaultName, type Profile, profileOfDir, profilePath, type Registry } from "./profiles.ts";
import { makeDir } from "./profiles-change.ts";
import { planShare, plugins, share, shareItems, storePath } from "./profiles-share.ts";
import type { Sys } from "./sys.ts";

export interface Problem {
  code: "relative" | "missing" | "not-a-folder" | "not-writable" | "duplicate" | "plugins" | "broken-link" | "default";
  text: string;
  /** `--fix` can do something about it. */
  isFixable: boolean;
}

export interface Diagnosis {
  profile: Profile;
  problems: Problem[];
}

/** Reads only. Shared plugins count where somebody shares them: whoever never asked for them misses nothing. */
export const diagnose = (sys: Sys, registry: Registry, profiles: readonly Profile[]): Diagnosis[] =>
  profiles.map((profile) => ({ profile, problems: [...checkDir(sys, registry, profile), ...checkLinks(sys, registry, profile)] }));

function checkDir(sys: Sys, registry: Registry, profile: Profile): Problem[] {
  const path = profilePath(sys, profile);
  const problems: Problem[] = [];
  if (!/^(?:~$|~?\/|[A-Za-z]:[\\/])/.test(profile.dir))
    problems.push({ code: "relative", text: `${profile.dir} is not absolute; csm takes it for ${path}`, isFixable: false });
  const twin = profileOfDir(sys, { ...registry, profiles: registry.profiles.filter(({ name }) => name !== profile.name) }, path);
  if (twin !== undefined)
    problems.push({ code: "duplicate", text: `${path} is the folder of profile '${twin.name}' too`, isFixable: false });
  const kind = sys.realPath(path) === undefined ? undefined : sys.isDirectory(path) ? "folder" : "file";
  if (kind === undefined) problems.push({ code: "missing", text: `folder missing: ${path}`, isFixable: sys.entryKind(path) === undefined });
  else if (kind === "file") problems.push({ code: "not-a-folder", text: `not a folder: ${path}`, isFixable: false });
  else if (!sys.isWritable(path)) problems.push({ code: "not-writable", text: `not writable: ${path}`, isFixable: false });
  return problems;
}

function checkLinks(sys: Sys, registry: Registry, profile: Profile): Problem[] {
  const path = profilePath(sys, profile);
  if (!sys.isDirectory(path)) return [];
  const isOwn = isPlainDir(sys, path);
  const shared: Problem[] = isShared(sys, registry) && !isOwn ? checkPlugins(sys, path) : [];
  const broken = shareItems.flatMap((item): Problem[] => {
    const link = join(path, item.entry);
    if (sys.entryKind(link) !== "link" || sys.realPath(link) !== undefined) return [];
    return [{ code: "broken-link", text: `${item.entry} is a link that leads nowhere: ${sys.readLink(link)}`, isFixable: false }];
  });
  return [...shared, ...broken];
}

/** Somebody has asked for shared plugins: there is a store and a link to it. */
const isShared = (sys: Sys, registry: Registry): boolean =>
  sys.isDirectory(storePath(sys, plugins)) &&
  registry.profiles.some((profile) => planShare(sys, profilePath(sys, profile), plugins).kind === "linked");

function checkPlugins(sys: Sys, path: string): Problem[] {
  const plan = planShare(sys, path, plugins);
  const problem = (text: string): Problem[] => [{ code: "plugins", text, isFixable: true }];
  const kind = sys.entryKind(join(path, plugins.entry));
  switch (plan.kind) {
    case "linked":
      return [];
    case "link":
      return problem(
        plan.was === undefined ? "plugins are not linked to the shared ones" : `plugins link to the wrong folder: ${plan.was}`,
      );
    default:
      return problem(kind === "folder" ? "plugins are a folder of this profile's own, not the shared one" : "plugins is a file");
  }
}

/** What was done about the problems of one profile. */
export async function repair(sys: Sys, { profile, problems }: Diagnosis): Promise<string[]> {
  const fixed: string[] = [];
  const has = (code: Problem["code"]) => problems.some((problem) => problem.code === code && problem.isFixable);
  if (has("missing")) {
    makeDir(sys, profile.dir);
    fixed.push(`folder made: ${profilePath(sys, profile)}`);
  }
  if (has("plugins")) fixed.push(`plugins ${await share(sys, profilePath(sys, profile), plugins)}`);
  return fixed;
}

/** Of the `default` file: a name that nobody has is passed over in silence everywhere else. */
export function checkDefault(sys: Sys, registry: Registry): Problem | undefined {
  const token = openDefaultName(sys).read();
  if (token === "" || token === registry.defaultName) return undefined;
  const instead = registry.defaultName === undefined ? "claude's own folder" : `'${registry.defaultName}'`;
  return {
    code: "default",
    text: `the default ${JSON.stringify(token)} is not registered, so it is ${instead}; choose one with: csm profiles use NAME`,
    isFixable: false,
  };
}
