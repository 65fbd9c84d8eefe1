import { parseReset } from "./claude-reset.ts";
import { endOfObject, isRecord, parseJson, parseRecord, present } from "./json.ts";

/** A share of an allowance, of 100, and when it starts over. */
export interface UsageWindow {
  /** 0 and up; may exceed 100. */
  usedPercent: number;
  /** Epoch ms. */
  resetsAt?: number;
}

/** `five_hour`, `seven_day`, and for single models `seven_day_<model>` in lower case: `seven_day_opus`. */
export type Windows = Record<string, UsageWindow>;

/** An allowance of single models; `oauth_apps` is other programs' and says nothing of claude. */
/** Of a window of the service. */
export const windowName = /^(?:five_hour|seven_day(?:_(?!oauth_apps$)[a-z0-9_]{1,40})?)$/;
const maxWindows = 20;

/**
 * Rate limits as every part of Claude Code spells them (seen on 2.1.329): the stdin of a status line (`used_percentage`, epoch
 * seconds), the answer to `get_usage` and the cache in `.claude.json` (`utilization` 0–100, ISO). What cannot be read is left
 * out, and no more than that.
 */
export function parseWindows(limits: unknown, now: number): Windows {
  const windows: Windows = {};
  if (!isRecord(limits)) return windows;
  for (const name of Object.keys(limits)
    .filter((key) => windowName.test(key))
    .slice(0, maxWindows))
    put(windows, name, limits[name], now);
  // 2.1.329: the answer to get_usage carries both; the first is the second, filtered.
  for (const scoped of [limits.limits, limits.model_scoped])
    for (const entry of listOf(scoped)) put(windows, scopedName(entry), entry, now);
  return windows;
}

const listOf = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.slice(0, maxWindows).filter(isRecord) : []);

function put(windows: Windows, name: string | undefined, value: unknown, now: number): void {
  const window = parseWindow(value, now);
  if (name !== undefined && window !== undefined) windows[name] = window;
}

/** Undefined when it does not say how much is used. */
export function parseWindow(value: unknown, now: number): UsageWindow | undefined {
  if (!isRecord(value)) return undefined;
  const usedPercent = [value.used_percentage, value.utilization, value.pct, value.percent].map(parsePercent).find(isKnown);
  if (usedPercent === undefined) return undefined;
  const resetsAt = [value.resets_at, value.resetsAt, value.resets].map((reset) => parseReset(reset, now)).find(isKnown);
  return resetsAt === undefined ? { usedPercent } : { usedPercent, resetsAt };
}

const isKnown = <T>(value: T | undefined): value is T => value !== undefined;

const maxPercent = 1000;

function parsePercent(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,4}(?:\.\d+)?%?$/.test(value.trim()) ? Number.parseFloat(value) : value;
  return typeof number === "number" && number >= 0 && number <= maxPercent ? number : undefined;
}

/** Of an entry that belongs to one model: `{scope: {model: {display_name}}}` or `{display_name}`. */
function scopedName(entry: Record<string, unknown>): string | undefined {
  const scope = isRecord(entry.scope) ? entry.scope : {};
  const model = isRecord(scope.model) ? scope.model : {};
  const label = model.display_name ?? entry.display_name;
  if (typeof label !== "string" || ("kind" in entry && !isRecord(scope.model))) return undefined;
  const word = label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  const name = `seven_day_${word}`;
  return windowName.test(name) && word !== "" ? name : undefined;
}

/** `quotaLimits` of a line in a transcript: the window is used up until it resets. Undefined when it says anything else. */
export function parseQuotaLimit(limit: { window: string; resetsAt?: number }): Windows | undefined {
  if (!windowName.test(limit.window)) return undefined;
  return { [limit.window]: { usedPercent: 100, ...present({ resetsAt: limit.resetsAt }) } };
}

/** What csm may know of a `.claude.json`: nothing else of the file is looked at. */
export interface ConfigFacts {
  /** Whose login it is: two config dirs with the same one share an allowance. */
  accountId?: string;
  /** What Claude Code itself asked last. */
  cached?: { windows: Windows; at: number; accountId?: string };
}

export function parseConfigFacts(text: string, now: number): ConfigFacts {
  const account = readKey(text, "oauthAccount");
  const accountId = parseAccountId(isRecord(account) ? account.accountUuid : undefined);
  const cache = readKey(text, "cachedUsageUtilization");
  const at = isRecord(cache) ? parseReset(cache.fetchedAtMs, now) : undefined;
  const cachedId = isRecord(cache) ? parseAccountId(cache.accountUuid) : undefined;
  return {
    ...present({ accountId }),
    ...(at === undefined || !isRecord(cache)
      ? {}
      : { cached: { at, windows: parseWindows(cache.utilization, at), ...present({ accountId: cachedId }) } }),
  };
}

const parseAccountId = (value: unknown): string | undefined =>
  typeof value === "string" && /^[A-Za-z0-9-]{1,64}$/.test(value) ? value : undefined;

/** The value of one key without parsing the rest: the file holds every project and prompt. Quotes in a text are escaped, so only a real key is found. */
function readKey(text: string, key: string): unknown {
  const pattern = new RegExp(`(?<!\\\\)"${key}"\\s*:\\s*(?=\\{)`, "g");
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const from = match.index + match[0].length;
  const to = endOfObject(text, from, maxObjectLength);
  return to === undefined ? undefined : parseJson(text.slice(from, to));
}

const maxObjectLength = 100_000;

/** The answer to the control request `get_usage`; a text says why it holds no windows. */
export function parseUsageAnswer(output: string, requestId: string, now: number): Windows | string {
  for (const line of output.split("\n")) {
    if (!line.includes("control_response") || !line.includes(requestId)) continue;
    const message = parseRecord(line);
    const response = isRecord(message?.response) ? message.response : {};
    if (response.request_id !== requestId) continue;
    if (response.subtype !== "success") return "claude refused the request";
    const body = isRecord(response.response) ? response.response : {};
    if (body.rate_limits_available === false) return "this login has no usage limits";
    const windows = parseWindows(body.rate_limits, now);
    return Object.keys(windows).length > 0 ? windows : "claude knows no usage right now";
  }
  return "claude gave no answer";
}

export const usageRequest = (requestId: string): string =>
  `${JSON.stringify({ type: "control_request", request_id: requestId, request: { subtype: "get_usage", skip_behaviors: true } })}\n`;
