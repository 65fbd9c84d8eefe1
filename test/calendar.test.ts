import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { parseZone, renderLocalTime } from "../src/calendar.ts";

/** The offset that the system's own calendar gives. */
function calendarOffset(zone: string, seconds: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  }).formatToParts(new Date(seconds * 1000));
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")) / 1000 - seconds;
}

const zones = "UTC Europe/Berlin America/New_York Asia/Kolkata Asia/Seoul Australia/Lord_Howe Africa/Casablanca America/Sao_Paulo".split(
  " ",
);
const fileOf = (zone: string) => `/usr/share/zoneinfo/${zone}`;
// A machine without the zones has none to read.
const there = zones.filter((zone) => existsSync(fileOf(zone)));

test.each(there)("%s: the offsets are the calendar's, or left to it", (zone) => {
  const offsetAt = parseZone(readFileSync(fileOf(zone)));
  for (let seconds = Date.UTC(2015, 0, 1) / 1000; seconds < Date.UTC(2036, 0, 1) / 1000; seconds += 5.5 * 86_400) {
    const offset = offsetAt?.(seconds);
    if (offset !== undefined) expect([seconds, offset]).toEqual([seconds, calendarOffset(zone, seconds)]);
  }
});

/** One change from +1 h to +2 h at 1,000,000, in the form of version 2; the block of version 1 is empty. */
function createZone(footer: string): Buffer {
  const header = (times: number, types: number, chars: number) => {
    const bytes = Buffer.alloc(44);
    bytes.write("TZif2");
    [0, 0, 0, times, types, chars].forEach((count, index) => {
      bytes.writeUInt32BE(count, 20 + index * 4);
    });
    return bytes;
  };
  const time = Buffer.alloc(9);
  time.writeBigInt64BE(1_000_000n);
  time[8] = 1;
  const types = Buffer.alloc(12);
  types.writeInt32BE(3600, 0);
  types.writeInt32BE(7200, 6);
  return Buffer.concat([
    header(0, 1, 1),
    Buffer.alloc(7),
    header(1, 2, 4),
    time,
    types,
    Buffer.from("A\0B\0"),
    Buffer.from(`\n${footer}\n`),
  ]);
}

test.each<[string, number, number | undefined]>([
  ["EET-2", 999_999, 3600],
  ["EET-2", 1_000_000, 7200],
  ["CET-1CEST,M3.5.0,M10.5.0/3", 999_999, 3600],
  // From here on the rule decides, which the calendar knows.
  ["CET-1CEST,M3.5.0,M10.5.0/3", 1_000_000, undefined],
])("a zone that ends with %s, at %d", (footer, seconds, offset) => {
  expect(parseZone(createZone(footer))?.(seconds)).toBe(offset as number);
});

test("a zone that names a type it does not have leaves that time to the calendar", () => {
  const bytes = createZone("EET-2");
  // The one time's type, behind two headers, the first block and the time itself.
  bytes[44 + 7 + 44 + 8] = 9;
  expect([999_999, 1_000_000].map((at) => parseZone(bytes)?.(at))).toEqual([3600, undefined]);
});

test.each([["", "TZif", "TZif2", "hello ".repeat(20)], [createZone("EET-2").toString("latin1").slice(0, 90)]].flat())(
  "what is no zone is left to the calendar",
  (text) => {
    expect(parseZone(Buffer.from(text, "latin1"))).toBeUndefined();
  },
);

test.each<[number, number | undefined, string]>([
  [Date.UTC(2026, 10, 20, 15, 4) / 1000, 0, "11-20 15:04"],
  [Date.UTC(2026, 11, 31, 23, 30) / 1000, 3600, "01-01 00:30"],
  [0, 0, "??-?? ??:??"],
  [-5, undefined, "??-?? ??:??"],
])("%d with offset %p is %s", (seconds, offset, expected) => {
  expect(renderLocalTime(seconds, () => offset)).toBe(expected);
});
