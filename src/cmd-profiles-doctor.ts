import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, UserError } from "./errors.ts";
import { printableLine } from "./printable.ts";
import { currentProfile, isPlainDir, type Profile, profilePath, type Registry, readRegistry, requireProfile } from "./profiles.ts";
import { checkDefault, type Diagnosis, diagnose, type Problem, repair } from "./profiles-doctor.ts";
import { planShare, plugins, renderPlan, share, ssotText } from "./profiles-share.ts";

const noProfiles = "csm: there is no profile; add one with: csm profiles add <name>";

export const profilesBootstrapCommand = command({
  name: "csm profiles bootstrap",
  acts: true,
  summary: "Let profiles share their plugins: <folder>/plugins becomes a link to ~/.claude.shared/plugins.",
  args: {
    profile: { type: "positional", required: false, description: "name of a profile; the current one unless told" },
    all: { type: "boolean", description: "every profile, except claude's own folder" },
    "dry-run": { type: "boolean", description: "only say what would be done" },
  },
  examples: [
    ["csm profiles bootstrap --all --dry-run", ""],
    ["csm profiles bootstrap work", ""],
  ],
  async run({ args, app }) {
    const registry = readRegistry(app.sys);
    if (registry.profiles.length === 0) return app.tell(noProfiles);
    let failures = 0;
    let hasSeeded = false;
    for (const profile of pickForBootstrap(app, registry, args.profile, args.all === true)) {
      const dir = profilePath(app.sys, profile);
      try {
        const phrase = await provision(app, dir, args["dry-run"] === true, hasSeeded);
        hasSeeded = true;
        app.out(printableLine(`bootstrap [${profile.name}] ${dir} → ${phrase}`));
      } catch (error) {
        failures++;
        app.tell(printableLine(`bootstrap [${profile.name}] FAILED: ${messageOf(error)}`));
      }
    }
    app.tell(ssotText);
    if (failures > 0) throw new SilentExit(exitCode.failure);
  },
});

async function provision(app: App, dir: string, isDry: boolean, hasSeeded: boolean): Promise<string> {
  return isDry ? `${renderPlan(planShare(app.sys, dir, plugins, hasSeeded))} (dry run)` : share(app.sys, dir, plugins);
}

/** Of what the user or the system can be blamed for; anything else is a bug and goes on. */
function messageOf(error: unknown): string {
  if (error instanceof UserError || (error instanceof Error && "code" in error)) return error.message;
  throw error;
}

/** claude's own folder is only touched when it is named. */
function pickForBootstrap(app: App, registry: Registry, name: string | undefined, isAll: boolean): Profile[] {
  if (name !== undefined) return [requireProfile(registry, name)];
  const isOwn = (profile: Profile) => isPlainDir(app.sys, profilePath(app.sys, profile));
  if (isAll) {
    for (const profile of registry.profiles.filter(isOwn))
      app.tell(`csm: left alone: '${profile.name}' is claude's own folder; name it to share its plugins`);
    return registry.profiles.filter((profile) => !isOwn(profile));
  }
  const current = currentProfile(app.sys, registry);
  if (current === undefined) throw new UserError("this shell is in no registered profile", "name one, or give --all");
  if (isOwn(current))
    throw new UserError(`'${current.name}' is claude's own folder`, `if its plugins are to move: csm profiles bootstrap ${current.name}`);
  return [current];
}

export const profilesDoctorCommand = command({
  name: "csm profiles doctor",
  acts: true,
  summary: "Check that each profile's folder and links are sound; exit 1 when one is not.",
  args: {
    profile: { type: "positional", required: false, description: "name of a profile; all unless told" },
    all: { type: "boolean", description: "every profile, as without it" },
    fix: { type: "boolean", description: "make missing folders and links" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm profiles doctor", ""],
    ["csm profiles doctor --fix work", ""],
  ],
  async run({ args, app }) {
    const registry = readRegistry(app.sys);
    if (registry.profiles.length === 0) {
      if (args.json === true) app.json<"csm profiles doctor">({ healthy: true, problems: [], profiles: [] });
      return app.tell(noProfiles);
    }
    const profiles = args.profile === undefined ? registry.profiles : [requireProfile(registry, args.profile)];
    const results = await examine(app, registry, profiles, args.fix === true);
    const wrongDefault = args.profile === undefined ? checkDefault(app.sys, registry) : undefined;
    const isHealthy = wrongDefault === undefined && results.every(({ problems }) => problems.length === 0);
    if (args.json === true) app.json<"csm profiles doctor">(resultsJson(app, results, wrongDefault, isHealthy));
    else app.out(renderText(app, results, wrongDefault, isHealthy).join("\n"));
    if (args.json !== true && results.some(({ fixed }) => fixed.some((text) => text.includes("SSOT")))) app.tell(ssotText);
    if (!isHealthy) throw new SilentExit(exitCode.failure);
  },
});

interface Result extends Diagnosis {
  /** Before anything was done. */
  found: Problem[];
  fixed: string[];
}

async function examine(app: App, registry: Registry, profiles: Profile[], isFix: boolean): Promise<Result[]> {
  const results: Result[] = [];
  for (const found of diagnose(app.sys, registry, profiles)) {
    const fixed: string[] = [];
    if (isFix)
      try {
        fixed.push(...(await repair(app.sys, found)));
      } catch (error) {
        app.tell(printableLine(`csm: [${found.profile.name}] could not be fixed: ${messageOf(error)}`));
      }
    const [now = found] = fixed.length > 0 ? diagnose(app.sys, registry, [found.profile]) : [];
    results.push({ ...now, found: found.problems, fixed });
  }
  return results;
}

function renderText(app: App, results: Result[], wrongDefault: Problem | undefined, isHealthy: boolean): string[] {
  const lines = results.flatMap(({ profile, found, fixed }) => [
    ...(found.length === 0
      ? [`${app.paint("green", "✓")} [${printableLine(profile.name)}] healthy (${printableLine(profilePath(app.sys, profile))})`]
      : []),
    ...found.map(({ text }) => `${app.paint("red", "✗")} [${printableLine(profile.name)}] ${printableLine(text)}`),
    ...fixed.map((text) => `  → fixed: ${printableLine(text)}`),
  ]);
  const defaults = wrongDefault === undefined ? [] : [`${app.paint("red", "✗")} ${printableLine(wrongDefault.text)}`];
  const count = results.filter(({ problems }) => problems.length > 0).length;
  const isFixable = results.some(({ problems }) => problems.some((problem) => problem.isFixable));
  const last = isHealthy
    ? "all profiles healthy."
    : `${count} of ${results.length} profiles unhealthy${isFixable ? "; csm profiles doctor --fix mends what it can" : ""}`;
  return [...lines, ...defaults, last];
}

function resultsJson(app: App, results: Result[], wrongDefault: Problem | undefined, isHealthy: boolean) {
  const publicProblem = ({ code, text, isFixable }: Problem) => ({ code, text, fixable: isFixable });
  const profiles = results.map(({ profile, problems, fixed }) => ({
    ...{ name: profile.name, dir: profilePath(app.sys, profile) },
    ...{ profile: profile.name, config_dir: profilePath(app.sys, profile) },
    healthy: problems.length === 0,
    problems: problems.map(publicProblem),
    fixed,
  }));
  return { healthy: isHealthy, problems: wrongDefault === undefined ? [] : [publicProblem(wrongDefault)], profiles };
}
