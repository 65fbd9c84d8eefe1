import { UserError } from "./errors.ts";

const day = 86_400_000;

/** Days as they are in one time zone. */
export interface Calendar {
  timeZone: string;
  /** `2026-11-20` */
  dayOf(at: number): string;
  /** `09:30` */
  timeOf(at: number): string;
}

/** Throws when there is no such zone; undefined means that of this machine. */
export function createCalendar(timeZone?: string): Calendar {
  const offsetOf = timeZone === undefined ? localOffset : timeZone === "UTC" ? () => 0 : zoneOffset(timeZone);
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

/** `2026-11-20`, `20261120`, `today`, `yesterday`, or days back as `7d`; throws for anything else. */
export function parseDay(flag: string, text: string, today: string): string {
  const back = text === "today" ? 0 : text === "yesterday" ? 1 : /^\d{1,4}d$/.test(text) ? Number.parseInt(text, 10) : undefined;
  if (back !== undefined) return new Date(Date.parse(today) - back * day).toISOString().slice(0, 10);
  const match = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text);
  const dayText = match === null ? "" : `${match[1]}-${match[2]}-${match[3]}`;
  const at = Date.parse(dayText);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== dayText)
    throw new UserError(`${flag} is no day: ${JSON.stringify(text)}`, `for example ${flag} 2026-11-20, ${flag} yesterday or ${flag} 7d`, 2);
  return dayText;
}
