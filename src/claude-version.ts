/** Versions whose screens and files the tests of this program hold; gates of others are read by the same structure. */
export const verifiedVersions: readonly string[] = ["2.0.70", "2.1.86", "2.1.158", "2.1.204", "2.1.259", "2.1.329"];

/** `2.1.329 (Claude Code)` → `2.1.329`; undefined when the text does not begin with a version. */
export const parseVersion = (stdout: string): string | undefined => /^\s*(\d\S*)/.exec(stdout)?.[1];

/** Before this one `StopFailure` is no event, and settings with it are not taken at all (2.0.70): no hook of csd's runs. */
const firstWithHooks = [2, 1, 86] as const;

/** For a session that has rules; undefined where they hold, as far as it is known. */
export function rulesWarning(version: string | undefined): string | undefined {
  const [major = 0, minor = 0, patch = 0] = (version ?? "").split(".").map(Number);
  const order =
    [major - firstWithHooks[0], minor - firstWithHooks[1], patch - firstWithHooks[2]].find((difference) => difference !== 0) ?? 0;
  return version === undefined || !(order < 0) ? undefined : `claude ${version} takes no hooks of csd: no rule holds in this session`;
}

/** What `csd doctor` saw of one claude: the signals that gates rely on and that failed there. */
export interface Examination {
  untrusted: { signal: string; verdict: string; fallback: string }[];
}

/**
 * A sentence for `marker_warning`, undefined when the version is verified. `extra` is `$CSD_VERIFIED_VERSIONS`; what an
 * examination of this very claude has shown counts more than any list.
 */
export function versionWarning(
  backend: string,
  version: string | undefined,
  extra: string | undefined,
  examination?: Examination,
): string | undefined {
  if (examination !== undefined && version !== undefined) return examinationWarning(`${backend} ${version}`, examination);
  const added = (extra ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (version !== undefined && (verifiedVersions.includes(version) || added.includes(version))) return undefined;
  const list = JSON.stringify(verifiedVersions);
  if (version === undefined)
    return `could not determine the version of ${backend}; gates are verified for ${list} and may be missed on others`;
  return `${backend} ${version} is not among the verified versions ${list}: gate detection may miss prompts; csd doctor tests it; if it works, set CSD_VERIFIED_VERSIONS=${version}`;
}

/** More would hide the first ones. */
const maxNamed = 3;

function examinationWarning(name: string, { untrusted }: Examination): string | undefined {
  if (untrusted.length === 0) return undefined;
  const named = untrusted.slice(0, maxNamed).map(({ signal, verdict, fallback }) => `${signal} is ${verdict} (instead: ${fallback})`);
  const rest = untrusted.length > maxNamed ? [`and ${untrusted.length - maxNamed} more`] : [];
  return `csd doctor does not trust gates of ${name}: ${[...named, ...rest].join("; ")}`;
}
