/**
 * `profile@host`, or `host` alone without a named profile. `hostname` is the machine's full name. Loads no package: Claude
 * Code runs it at every repaint.
 */
export function renderStatusline(env: Readonly<Record<string, string | undefined>>, hostname: string): string {
  const host = replaceOnce(hostname.split(".")[0] ?? "", env.CSM_HOST_REPLACE ?? "");
  const label = isShown(env.IS_PERSONAL_MACHINE) ? profileLabel(env.CLAUDE_CONFIG_DIR ?? "") : undefined;
  return label === undefined ? host : `${label}@${host}`;
}

/** `~/.claude.work` is the profile `work`. */
function profileLabel(configDir: string): string | undefined {
  const folder =
    configDir
      .split(/[/\\]/)
      .filter((part) => part !== "")
      .at(-1) ?? "";
  return folder.startsWith(".claude.") && folder.length > ".claude.".length ? folder.slice(".claude.".length) : undefined;
}

const isShown = (value: string | undefined): boolean => value === undefined || ["1", "true", "True", "TRUE", "yes"].includes(value);

/** `find/replace`: the first occurrence, in any case; a rule without a slash or with nothing to find changes nothing. */
function replaceOnce(host: string, rule: string): string {
  const slash = rule.indexOf("/");
  const find = rule.slice(0, Math.max(slash, 0)).toLowerCase();
  const at = find === "" ? -1 : host.toLowerCase().indexOf(find);
  return at < 0 ? host : host.slice(0, at) + rule.slice(slash + 1) + host.slice(at + find.length);
}
