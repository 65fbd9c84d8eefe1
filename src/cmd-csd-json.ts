import { versionWarning } from "./claude-version.ts";
import type { App } from "./cmd-record.ts";
import type { Answer } from "./driver-reply.ts";
import { usageError } from "./errors.ts";
import type { Sidecar } from "./sidecar.ts";

/** csd's results: indented by two, keys in the order of the object. */
export const printJson = (app: App, value: unknown): void => app.out(JSON.stringify(value, null, 2));

/** `marker_warning`, the last key of what names a session; nothing when its version is verified. */
export function warningOf(app: App, sidecar: Sidecar): { marker_warning?: string } {
  const warning = versionWarning(sidecar.backend, sidecar.backend_version, app.sys.env.CSD_VERIFIED_VERSIONS);
  return warning === undefined ? {} : { marker_warning: warning };
}

/** What was chosen and by which channel; `option` stands where the older csd printed it. */
export const printAnswer = (app: App, { option, ...answer }: Answer): void =>
  printJson(app, { ok: true, ...(option === undefined ? {} : { option }), ...answer });

/** A flag that takes a whole number from 0 on. */
export function wholeNumber(flag: string, text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 4_294_967_295) return Number(text);
  throw usageError(`${flag} takes a whole number, not ${JSON.stringify(text)}`);
}
