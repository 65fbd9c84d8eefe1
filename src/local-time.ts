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
  const offsetOf = (type: number) => bytes.readInt32BE(typesAt + type * 6);
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
