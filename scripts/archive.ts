/** Archives that have the same bytes whoever makes them: files in the order of their names, of nobody, at one time. */
import { crc32, deflateRawSync, gzipSync } from "node:zlib";

export type Entry = { name: string; isProgram?: boolean } & ({ content: Uint8Array } | { linkTo: string });

const bytesOf = (entry: Entry): Uint8Array => ("content" in entry ? entry.content : new Uint8Array());
const modeOf = ({ isProgram }: Entry): number => (isProgram === true ? 0o755 : 0o644);
const sorted = (entries: readonly Entry[]): Entry[] => entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));

const blockBytes = 512;

/** ustar, which every tar reads; `at` in epoch seconds. */
export function tar(entries: readonly Entry[], at: number): Uint8Array {
  const parts = sorted(entries).flatMap((entry) => {
    const bytes = bytesOf(entry);
    return [tarHeader(entry, bytes.length, at), bytes, new Uint8Array((blockBytes - (bytes.length % blockBytes)) % blockBytes)];
  });
  return Buffer.concat([...parts, new Uint8Array(2 * blockBytes)]);
}

function tarHeader(entry: Entry, size: number, at: number): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  if (Buffer.byteLength(entry.name) > 100) throw new Error(`${entry.name} is too long a name for an archive`);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  const put = (text: string, offset: number) => header.write(text, offset, "utf8");
  put(entry.name, 0);
  put(octal(modeOf(entry), 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(at, 11), 136);
  put("linkTo" in entry ? "2" : "0", 156);
  if ("linkTo" in entry) put(entry.linkTo, 157);
  put("ustar\0" + "00", 257);
  // The sum is taken with blanks in its own place.
  header.fill(" ", 148, 156);
  put(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
  );
  return header;
}

/** The header of Node's gzip says neither when nor on which system. */
export const gzip = (bytes: Uint8Array, level = 9): Uint8Array => gzipSync(bytes, { level });

/** For Windows, where a link needs a right that users do not have: `linkTo` is a copy there. */
export function zip(entries: readonly Entry[], at: number, level = 9): Uint8Array {
  const locals: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  const packed = new Map<string, { data: Buffer; sum: number; size: number }>();
  let offset = 0;
  for (const entry of sorted(entries)) {
    const source = "linkTo" in entry ? entry.linkTo : entry.name;
    const found = entries.find(({ name }) => name === source);
    const bytes = found === undefined ? bytesOf(entry) : bytesOf(found);
    const known = packed.get(source) ?? { data: deflateRawSync(bytes, { level }), sum: crc32(bytes), size: bytes.length };
    packed.set(source, known);
    const name = Buffer.from(entry.name);
    const local = Buffer.concat([zipFields(known, name, at, 0x04034b50, [20]), name]);
    const directory = zipFields(known, name, at, 0x02014b50, [(3 << 8) | 20, 20]);
    // Comment, disk, internal attributes, mode, place.
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100000 | modeOf(entry)) * 0x10000, 6);
    tail.writeUInt32LE(offset, 10);
    locals.push(local, known.data);
    central.push(directory, tail, name);
    offset += local.length + known.data.length;
  }
  const directoryBytes = central.reduce((sum, { length }) => sum + length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...central, end]);
}

/** What a file's own header and its row in the directory have in common; the row has one version more in front. */
function zipFields(
  { data, sum, size }: { data: Buffer; sum: number; size: number },
  name: Buffer,
  at: number,
  signature: number,
  versions: number[],
): Buffer {
  const fields = Buffer.alloc(4 + versions.length * 2 + 24);
  fields.writeUInt32LE(signature, 0);
  versions.forEach((version, index) => {
    fields.writeUInt16LE(version, 4 + index * 2);
  });
  const from = 4 + versions.length * 2;
  // A zip knows no earlier year.
  const date = new Date(Math.max(at * 1000, Date.UTC(1980, 0, 1)));
  fields.writeUInt16LE(8, from + 2);
  fields.writeUInt16LE((date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1), from + 4);
  fields.writeUInt16LE(((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(), from + 6);
  fields.writeUInt32LE(sum, from + 8);
  fields.writeUInt32LE(data.length, from + 12);
  fields.writeUInt32LE(size, from + 16);
  fields.writeUInt16LE(name.length, from + 20);
  return fields;
}
