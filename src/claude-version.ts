/** Versions whose screens and files the tests of this program hold; gates of others are read by the same structure. */
export const verifiedVersions: readonly string[] = ["2.0.70", "2.1.86", "2.1.158", "2.1.204", "2.1.259", "2.1.329"];

/** `2.1.329 (Claude Code)` → `2.1.329`; undefined when the text does not begin with a version. */
export const parseVersion = (stdout: string): string | undefined => /^\s*(\d\S*)/.exec(stdout)?.[1];

const [firstWithRules = "", firstWithTurns = ""] = verifiedVersions;

/**
 * Do its hooks tell how a turn ends? Before, `StopFailure` is no event, and of settings with it no hook runs at all; `Stop` has no text
 * (2.0.70). A version that is not known is taken for a new one.
 */
export const tellsTurns = (version: string | undefined): boolean => !isBefore(version, firstWithTurns);

export const takesEvent = (version: string | undefined, event: string): boolean => event !== "StopFailure" || tellsTurns(version);

/** For a session that has rules; undefined where they hold, as far as it is known. */
export const rulesWarning = (version: string | undefined): string | undefined =>
  isBefore(version, firstWithRules)
    ? `claude ${version} is older than ${firstWithRules}, the first on which rules were seen to hold: they may not hold in this session`
    : undefined;

function isBefore(version: string | undefined, other: string): boolean {
  if (version === undefined) return false;
  const [own, theirs] = [version, other].map((each) => each.split(".").map(Number));
  const difference = theirs?.map((part, index) => (own?.[index] ?? 0) - part).find((each) => each !== 0);
  return difference !== undefined && difference < 0;
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
