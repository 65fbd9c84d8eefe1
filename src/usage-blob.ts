import { parseReset } from "./claude-reset.ts";
import { parseWindow, type UsageWindow, type Windows } from "./claude-usage.ts";
import { isoTime } from "./format.ts";
import { isRecord, parseJson } from "./json.ts";
import { printableLine } from "./printable.ts";

/** What hubs, commands and the cache of the older tool exchange: the usage of several profiles by name. */
export interface Blob {
  /** Epoch ms. */
  capturedAt?: number;
  profiles: Map<string, BlobProfile>;
  /** Profiles that could not be read, and why. */
  errors: Map<string, string>;
}

export interface BlobProfile {
  capturedAt?: number;
  windows: Windows;
}

/** The words of the format for our windows; others travel in `windows`, which older readers pass over. */
const sections = { session: "five_hour", week_all: "seven_day", week_sonnet: "seven_day_sonnet" } as const;
const maxProfiles = 500;
const maxErrorLength = 200;

/** Undefined when this is no blob at all. A value that cannot be read is left out, and no more than that. */
export function parseBlob(text: string, now: number): Blob | undefined {
  const value = parseJson(text);
  if (Array.isArray(value) && value.length === 0) return { profiles: new Map(), errors: new Map() };
  if (!isRecord(value)) return undefined;
  const looksRight = Object.keys(value).length === 0 || ["profiles", "errors", "captured_at"].some((key) => key in value);
  if (!looksRight) return undefined;
  return {
    ...capturedAt(value),
    profiles: mapOf(value.profiles, (profile) => (isRecord(profile) ? parseProfile(profile, now) : undefined)),
    errors: mapOf(value.errors, (why) => (typeof why === "string" ? printableLine(why).slice(0, maxErrorLength) : undefined)),
  };
}

function mapOf<T>(value: unknown, parse: (entry: unknown) => T | undefined): Map<string, T> {
  const map = new Map<string, T>();
  if (!isRecord(value)) return map;
  for (const [name, entry] of Object.entries(value).slice(0, maxProfiles)) {
    const parsed = parse(entry);
    if (parsed !== undefined) map.set(printableLine(name), parsed);
  }
  return map;
}

/** Not a reset: a bare time of day would be moved to tomorrow. */
function capturedAt(value: Record<string, unknown>): { capturedAt?: number } {
  const at = typeof value.captured_at === "string" ? Date.parse(value.captured_at) : parseReset(value.captured_at, 0);
  return at === undefined || Number.isNaN(at) ? {} : { capturedAt: at };
}

function parseProfile(profile: Record<string, unknown>, now: number): BlobProfile {
  const windows: Windows = {};
  for (const [section, name] of Object.entries(sections)) {
    const window = parseWindow(profile[section], now);
    if (window !== undefined) windows[name] = window;
  }
  for (const [name, value] of Object.entries(isRecord(profile.windows) ? profile.windows : {}).slice(0, 20)) {
    const window = /^seven_day_[a-z0-9_]{1,40}$/.test(name) ? parseWindow(value, now) : undefined;
    if (window !== undefined) windows[name] = window;
  }
  return { ...capturedAt(profile), windows };
}

/** Readable by the older tool too: a whole `pct`, and a reset in words; what is exact stands beside it. */
export function encodeBlob(blob: Blob): string {
  const profiles = [...blob.profiles].map(([name, profile]) => [name, encodeProfile(profile)]);
  return JSON.stringify({
    captured_at: isoTime(blob.capturedAt),
    profiles: Object.fromEntries(profiles),
    ...(blob.errors.size === 0 ? {} : { errors: Object.fromEntries(blob.errors) }),
  });
}

function encodeProfile({ capturedAt: at, windows }: BlobProfile) {
  const others = Object.entries(windows).filter(([name]) => !Object.values<string>(sections).includes(name));
  return {
    captured_at: isoTime(at),
    session: encodeWindow(windows.five_hour),
    week_all: encodeWindow(windows.seven_day),
    week_sonnet: encodeWindow(windows.seven_day_sonnet),
    session_stats: [],
    ...(others.length === 0 ? {} : { windows: Object.fromEntries(others.map(([name, window]) => [name, encodeWindow(window)])) }),
  };
}

function encodeWindow(window: UsageWindow | undefined) {
  if (window === undefined) return null;
  const { usedPercent, resetsAt } = window;
  return {
    pct: Math.round(usedPercent),
    resets: resetsAt === undefined ? null : spokenReset(resetsAt),
    used_percentage: usedPercent,
    resets_at: isoTime(resetsAt),
  };
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function spokenReset(at: number): string {
  const date = new Date(at);
  const hour = date.getUTCHours();
  const minute = String(date.getUTCMinutes()).padStart(2, "0");
  return `${months[date.getUTCMonth()]} ${date.getUTCDate()} at ${hour % 12 === 0 ? 12 : hour % 12}:${minute}${hour < 12 ? "am" : "pm"} (UTC)`;
}
