import { type Calendar, createCalendar, type OffsetAt, parseZone } from "./calendar.ts";
import type { Sys } from "./sys.ts";

const maxZoneBytes = 16_384;

/** The zone of this machine, where its file tells it: what runs in 10 ms does not load the runtime's calendar for that. */
export function readZone(sys: Pick<Sys, "env" | "readInto">): OffsetAt | undefined {
  if ((sys.env.TZ ?? "") !== "") return undefined;
  const bytes = Buffer.alloc(maxZoneBytes);
  const count = sys.readInto("/etc/localtime", 0, bytes);
  // Without the file only the runtime's calendar knows what local time is.
  return count === 0 || count === maxZoneBytes ? undefined : parseZone(bytes.subarray(0, count));
}

export const localCalendar = (sys: Pick<Sys, "env" | "readInto">): Calendar => createCalendar(undefined, readZone(sys));
