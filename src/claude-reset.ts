import { present } from "./json.ts";

/**
 * When a window resets, in any of the spellings in circulation: epoch seconds or milliseconds, ISO 8601, and what `/usage`
 * shows: `9pm`, `8:20pm`, `Jun 4 at 9pm`, each with an optional ` (Asia/Seoul)`; without a zone it is UTC.
 * Undefined for anything else.
 */
export function parseReset(value: unknown, now: number): number | undefined {
  if (typeof value === "number") return parseEpoch(value);
  if (typeof value !== "string") return undefined;
  const text = value.trim().slice(0, maxLength);
  if (/^\d+(?:\.\d+)?$/.test(text)) return parseEpoch(Number(text));
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) return parseIso(text);
  return parseSpoken(text, now);
}

/** In the wordings of 2.0.70 to 2.1.329. */
const limitWording = /\bhit your\b.*\blimit\b|\breached your\b.*\blimit\b|usage limit|limit reached/i;
const families = /\b(opus|sonnet|haiku|fable|mythos)\b/i;

/**
 * `You've hit your weekly limit · resets Nov 23, 10:54am (UTC)`: all that tells of a usage limit where no field does, as in the
 * transcripts of 2.1.158 and 2.1.204. Without a reset where the words tell none; undefined for other words.
 */
export function parseLimitWording(text: string, now: number): { window: string; resetsAt?: number } | undefined {
  const line = text.split("\n").find((words) => limitWording.test(words));
  if (line === undefined) return undefined;
  const family = families.exec(line)?.[1]?.toLowerCase();
  const window =
    family !== undefined
      ? `seven_day_${family}`
      : /\bweekly\b/i.test(line)
        ? "seven_day"
        : /\b(?:5-hour|session)\b/i.test(line)
          ? "five_hour"
          : "unknown";
  // 2.0 and before: `Claude AI usage limit reached|1764000000`, `5-hour limit reached ∙ resets 3pm`.
  const reset = /\|(\d{10,13})\b/.exec(line)?.[1] ?? /\bresets (?:at )?([^·∙•|]+)/.exec(line)?.[1];
  return { window, ...present({ resetsAt: parseReset(reset?.trim().replace(/[.]$/, ""), now) }) };
}

const maxLength = 80;

/** Seconds until the year 5138, milliseconds beyond 1973. */
function parseEpoch(value: number): number | undefined {
  if (!Number.isFinite(value) || value <= 0) return undefined;
  const ms = Math.round(value < 1e11 ? value * 1000 : value);
  return ms < 1e14 ? ms : undefined;
}

function parseIso(text: string): number | undefined {
  const hasZone = /(?:z|[+-]\d{2}:?\d{2})$/i.test(text);
  const hasTime = /\d[t ]\d{2}:/i.test(text);
  const at = Date.parse(hasZone || !hasTime ? text : `${text}Z`);
  return Number.isNaN(at) ? undefined : at;
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY = 86_400_000;

interface Clock {
  year: number;
  /** From 0. */
  month: number;
  day: number;
  hour: number;
  minute: number;
}

const spoken = /^(?:([a-z]{3})[a-z]* (\d{1,2})(?:,| at)? )?(\d{1,2})(?::(\d{2}))? ?(am|pm)(?: \(([a-z0-9_+/-]+)\))?$/i;

function parseSpoken(text: string, now: number): number | undefined {
  const match = spoken.exec(text.replace(/\s+/g, " "));
  if (match === null) return undefined;
  const [, monthWord, dayText, hourText, minuteText = "0", half, zone = "UTC"] = match;
  const today = readClock(now, zone);
  const [hour, minute] = [Number(hourText), Number(minuteText)];
  if (today === undefined || hour < 1 || hour > 12 || minute > 59) return undefined;
  const time = { hour: (hour % 12) + (half?.toLowerCase() === "pm" ? 12 : 0), minute };
  if (monthWord === undefined) {
    const at = instantOf({ ...today, ...time }, zone);
    // A bare time that has passed is tomorrow's.
    if (at !== undefined && at >= floorMinute(now)) return at;
    return instantOf({ ...dayAfter(today), ...time }, zone);
  }
  const month = months.indexOf(monthWord.toLowerCase());
  if (month < 0) return undefined;
  const date = { month, day: Number(dayText), ...time };
  const at = instantOf({ year: today.year, ...date }, zone);
  // A date of last week is a window that has reset, one of last spring belongs to next year.
  if (at === undefined || at >= now - 30 * DAY) return at;
  return instantOf({ year: today.year + 1, ...date }, zone);
}

const floorMinute = (at: number): number => at - (at % 60_000);

function dayAfter({ year, month, day }: Clock): Pick<Clock, "year" | "month" | "day"> {
  const date = new Date(Date.UTC(year, month, day + 1));
  return { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate() };
}

/** What a clock in the zone shows; undefined for a zone that does not exist. */
function readClock(at: number, zone: string): Clock | undefined {
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      ...({ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" } as const),
    });
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 1, day = 0, hour = 0, minute = 0 } = parts;
    return { year, month: month - 1, day, hour, minute };
  } catch {
    // `Fake/Zone`: a reset in it is unknown.
    return undefined;
  }
}

/** The instant at which a clock in the zone shows this; undefined when it never does (Feb 30, the hour that summer time skips). */
function instantOf(wanted: Clock, zone: string): number | undefined {
  const asUtc = Date.UTC(wanted.year, wanted.month, wanted.day, wanted.hour, wanted.minute);
  for (const guess of [asUtc, asUtc - DAY / 2, asUtc + DAY / 2]) {
    const shown = readClock(guess, zone);
    if (shown === undefined) return undefined;
    const offset = Date.UTC(shown.year, shown.month, shown.day, shown.hour, shown.minute) - guess;
    const at = asUtc - offset;
    if (isSame(readClock(at, zone), wanted)) return at;
  }
  return undefined;
}

const isSame = (a: Clock | undefined, b: Clock): boolean =>
  a !== undefined && a.year === b.year && a.month === b.month && a.day === b.day && a.hour === b.hour && a.minute === b.minute;
