import { UserError } from "./errors.ts";

/** Tells how many seconds local time is ahead of UTC; undefined where only the system's own calendar can say. */
export type OffsetAt = (epochSeconds: number) => number | undefined;

const headerLength = 44;

/**
 * Reads a TZif file such as /etc/localtime. The first use of `Date` in local time loads the whole calendar library of the
 * runtime, 4 ms: a list that takes 10 ms must not wait for it.
 */
export function parseZone(bytes: Buffer): OffsetAt | undefined {
  if (bytes.length < headerLength || bytes.toString("latin1", 0, 4) !== "TZif" || (bytes[4] ?? 0) < 0x32) return undefined;
  // The first block has 32-bit times; the second one, behind a header of its own, is the one that counts.
  const first = readCounts(bytes, 0);
  const start = headerLength + first.times * 5 + first.types * 6 + first.chars + first.leaps * 8 + first.standard + first.universal;
  if (bytes.length < start + headerLength) return undefined;
  const { times, types, chars, leaps, standard, universal } = readCounts(bytes, start);
  const timesAt = start + headerLength;
  const typesAt = timesAt + times * 9;
  const footerAt = typesAt + types * 6 + chars + leaps * 12 + standard + universal;
  if (types === 0 || bytes.length < footerAt) return undefined;
  // A broken file may name a type that it does not have.
  const offsetOf = (type: number) => (type < types ? bytes.readInt32BE(typesAt + type * 6) : undefined);
  // A rule with a comma goes on changing between summer and winter after the last time of the list.
  const hasRule = bytes.includes(",", footerAt);
  return (epochSeconds) => {
    let low = 0;
    let high = times;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Number(bytes.readBigInt64BE(timesAt + middle * 8)) <= epochSeconds) low = middle + 1;
      else high = middle;
    }
    if (low === times && hasRule) return undefined;
    return offsetOf(low === 0 ? 0 : (bytes[timesAt + times * 8 + low - 1] ?? 0));
  };
}

function readCounts(bytes: Buffer, at: number) {
  const count = (index: number) => bytes.readUInt32BE(at + 20 + index * 4);
  return { universal: count(0), standard: count(1), leaps: count(2), times: count(3), types: count(4), chars: count(5) };
}

/** `MM-DD HH:MM` in local time; question marks for a time that is none. */
export function renderLocalTime(epochSeconds: number, offsetAt: OffsetAt | undefined): string {
  if (epochSeconds <= 0) return "??-?? ??:??";
  const offset = offsetAt?.(epochSeconds);
  if (offset !== undefined) return new Date((epochSeconds + offset) * 1000).toISOString().slice(5, 16).replace("T", " ");
  const time = new Date(epochSeconds * 1000);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

const day = 86_400_000;

/** Days as they are in one time zone. */
export interface Calendar {
  timeZone: string;
  /** `2026-11-20` */
  dayOf(at: number): string;
  /** `09:30` */
  timeOf(at: number): string;
}

/** Throws when there is no such zone; undefined means that of this machine, which `offsetAt` may tell without the runtime's calendar. */
export function createCalendar(timeZone?: string, offsetAt?: OffsetAt): Calendar {
  const ownOffset = (at: number): number => {
    const seconds = offsetAt?.(Math.floor(at / 1000));
    return seconds === undefined ? localOffset(at) : seconds * 1000;
  };
  const offsetOf = timeZone === undefined ? ownOffset : timeZone === "UTC" ? () => 0 : zoneOffset(timeZone);
  const shifted = (at: number) => new Date(at + offsetOf(at)).toISOString();
  return {
    timeZone: timeZone ?? "local",
    dayOf: (at) => shifted(at).slice(0, 10),
    timeOf: (at) => shifted(at).slice(11, 16),
  };
}

/** Without `Intl`, which takes longer to load than a report from the cache takes. */
const localOffset = (at: number): number => -new Date(at).getTimezoneOffset() * 60_000;

function zoneOffset(timeZone: string): (at: number) => number {
  const format = createFormat(timeZone);
  const known = new Map<number, number>();
  return (at) => {
    // Offsets change at quarters of an hour.
    const quarter = Math.floor(at / 900_000) * 900_000;
    const offset = known.get(quarter) ?? readOffset(format, quarter);
    known.set(quarter, offset);
    return offset;
  };
}

function createFormat(timeZone: string): Intl.DateTimeFormat {
  const numeric = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", ...numeric });
  } catch {
    throw new UserError(`unknown time zone ${JSON.stringify(timeZone)}`, "for example --timezone Europe/Berlin", 2);
  }
}

function readOffset(format: Intl.DateTimeFormat, at: number): number {
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(part.year ?? 0, (part.month ?? 1) - 1, part.day, part.hour, part.minute, part.second) - at;
}

/** The Monday that a day's week begins with. */
export function mondayOf(dayText: string): string {
  const at = Date.parse(dayText);
  return new Date(at - ((new Date(at).getUTCDay() + 6) % 7) * day).toISOString().slice(0, 10);
}

export const monthOf = (dayText: string): string => dayText.slice(0, 7);

/** `2026-11-20`, `20261120`, `today`, `yesterday`, days or weeks back as `7d` and `1w`; throws for anything else. */
export function parseDay(flag: string, text: string, today: string): string {
  const [, count, unit] = /^(\d{1,4})([dw])$/.exec(text) ?? [];
  const back = text === "today" ? 0 : text === "yesterday" ? 1 : count === undefined ? undefined : Number(count) * (unit === "w" ? 7 : 1);
  if (back !== undefined) return new Date(Date.parse(today) - back * day).toISOString().slice(0, 10);
  const match = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text);
  const dayText = match === null ? "" : `${match[1]}-${match[2]}-${match[3]}`;
  const at = Date.parse(dayText);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== dayText)
    throw new UserError(`${flag} is no day: ${JSON.stringify(text)}`, `for example ${flag} 2026-11-20, ${flag} yesterday or ${flag} 7d`, 2);
  return dayText;
}

/** `24h` back from now, epoch ms; undefined for anything else. */
export function parseHours(text: string | undefined, now: number): number | undefined {
  const hours = /^(\d{1,5})h$/.exec(text ?? "")?.[1];
  return hours === undefined ? undefined : now - Number(hours) * 3_600_000;
}

/** Where a report begins that is asked for by hours, or by a day as `parseDay` takes them: its first moment here; epoch ms. */
export function parseSince(flag: string, text: string, now: number): number {
  const calendar = createCalendar();
  return parseHours(text, now) ?? startOfDay(calendar, parseDay(flag, text, calendar.dayOf(now)));
}

const quarterMs = 900_000;

/** The first moment of a day, epoch ms. */
export function startOfDay({ dayOf }: Calendar, dayText: string): number {
  // No zone is further from UTC than this, and days begin at quarters of an hour.
  const middle = Math.floor(Date.parse(dayText) / quarterMs);
  let [before, from] = [middle - 60, middle + 60];
  while (from - before > 1) {
    const between = (before + from) >> 1;
    if (dayOf(between * quarterMs) < dayText) before = between;
    else from = between;
  }
  return from * quarterMs;
}

const nextDay = (dayText: string, days: number): string => new Date(Date.parse(dayText) + days * day).toISOString().slice(0, 10);

/** The day, week (from Monday) or month that a day lies in: its first day, and the one behind its last. */
export function spanOf(period: "day" | "week" | "month", dayText: string): { first: string; next: string } {
  if (period === "day") return { first: dayText, next: nextDay(dayText, 1) };
  if (period === "week") return { first: mondayOf(dayText), next: nextDay(mondayOf(dayText), 7) };
  const first = `${monthOf(dayText)}-01`;
  return { first, next: `${monthOf(nextDay(first, 31))}-01` };
}
