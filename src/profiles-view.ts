import { configDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { findProfile, type Profile, profilePath, type Registry, shellProfile } from "./profiles.ts";
import type { Sys } from "./sys.ts";

const nameColumns = 12;

/** What `csm profiles`, `cas` and `cas status` print; other programs read it, so it has no colour and a fixed shape. */
export function renderProfiles(sys: Sys, registry: Registry): string[] {
  const shown = registry.defaultName === undefined ? undefined : findProfile(registry, registry.defaultName);
  const fallback =
    registry.defaultName === undefined
      ? "(none — no default profile set: csm starts claude in ~/.claude)"
      : `${registry.defaultName} (not registered)`;
  const current = shellProfile(sys, registry);
  const head = [
    `current shell:  ${describeShell(sys, current)}`,
    `global default: ${shown === undefined ? printableLine(fallback) : `${printableLine(shown.name)} (${printableLine(shown.dir)})`}`,
    "available:",
  ];
  if (registry.profiles.length === 0) return [...head, ...noProfiles];
  const rows = registry.profiles.map((profile) => {
    const mark = `${profile.name === current?.name ? "*" : " "}${profile.name === registry.defaultName ? "d" : " "}`;
    return `  ${mark} ${printableLine(profile.name).padEnd(nameColumns)} ${printableLine(profile.dir)}`;
  });
  return [...head, ...rows, "(legend: * = current shell, d = global default)"];
}

/** The first line is the older tool's; the others say it to a person. */
const noProfiles = [
  "  (profiles.json absent — CAS/pick features disabled)",
  "  the one account is that of ~/.claude: there is nothing to switch between",
  "  add the first profile with: csm profiles add <name>",
];

function describeShell(sys: Sys, current: Profile | undefined): string {
  const isSet = (sys.env.CLAUDE_CONFIG_DIR ?? "") !== "";
  if (current !== undefined) return `${printableLine(current.name)} (${printableLine(isSet ? configDir(sys) : profilePath(sys, current))})`;
  return isSet ? `unknown (${printableLine(configDir(sys))})` : "unset (csm takes the global default)";
}

/** The public contract of `csm profiles list --json`. */
export function profilesJson(sys: Sys, registry: Registry) {
  const current = shellProfile(sys, registry);
  return {
    current: current?.name ?? null,
    current_dir:
      (sys.env.CLAUDE_CONFIG_DIR ?? "") !== "" || current !== undefined
        ? current === undefined
          ? configDir(sys)
          : profilePath(sys, current)
        : null,
    default: registry.defaultName ?? null,
    profiles: registry.profiles.map((profile) => {
      const dir = profilePath(sys, profile);
      return {
        name: profile.name,
        dir,
        profile: profile.name,
        config_dir: dir,
        exists: sys.isDirectory(dir),
        is_current: profile.name === current?.name,
        is_default: profile.name === registry.defaultName,
      };
    }),
  };
}
