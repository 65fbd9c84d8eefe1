/** Versions whose screens and files the tests of this program hold; gates of others are read by the same structure. */
export const verifiedVersions: readonly string[] = ["2.0.70", "2.1.86", "2.1.158", "2.1.204", "2.1.259", "2.1.329"];

/** `2.1.329 (Claude Code)` → `2.1.329`; undefined when the text does not begin with a version. */
export const parseVersion = (stdout: string): string | undefined => /^\s*(\d\S*)/.exec(stdout)?.[1];

/** A sentence for `marker_warning`, undefined when the version is verified. `extra` is `$CSD_VERIFIED_VERSIONS`. */
export function versionWarning(backend: string, version: string | undefined, extra: string | undefined): string | undefined {
  const added = (extra ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (version !== undefined && (verifiedVersions.includes(version) || added.includes(version))) return undefined;
  const list = JSON.stringify(verifiedVersions);
  if (version === undefined)
    return `could not determine the version of ${backend}; gates are verified for ${list} and may be missed on others`;
  return `${backend} ${version} is not among the verified versions ${list}: gate detection may miss prompts; if it works, set CSD_VERIFIED_VERSIONS=${version}`;
}
