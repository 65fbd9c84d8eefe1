/** What a release is to `csm self-update`, as scripts/release.ts makes it, and who else may own a program. */

export interface Offer {
  version: string;
  archive: string;
  /** SHA-256 of the archive, in hex. */
  sum: string;
}

export const sumsFile = "SHA256SUMS";

/** One release, or a place of all of them, where the newest is found as GitHub puts it. */
export function placesOf(from: string): string[] {
  const place = from.replace(/(?<=.)[/\\]+$/, "");
  return [place, `${place}/latest/download`];
}

/** What the checksums offer for a platform; undefined when there is nothing. */
export function findOffer(sums: string, platform: string): Offer | undefined {
  const format = platform.startsWith("windows-") ? "zip" : "tar\\.gz";
  const row = new RegExp(`^([0-9a-f]{64}) [ *](csm-(\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z.-]+?)?)-${platform}\\.${format})$`, "m");
  const [, sum, archive, version] = row.exec(sums.replaceAll("\r", "")) ?? [];
  return sum === undefined || archive === undefined || version === undefined ? undefined : { version, archive, sum };
}

export const isNewer = (version: string, than: string): boolean => Bun.semver.order(version, than) > 0;

/** Without a signature the checksum is as good as the way it came: nobody may stand in it. */
export function isPrivateWay(from: string): boolean {
  if (!/^https?:/i.test(from)) return true;
  const url = URL.parse(from);
  return url?.protocol === "https:" || /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? "");
}

/** A package manager that keeps a program under its own name would not know of a newer one, and put the old one back. */
interface Manager {
  name: string;
  /** What updates it there. */
  update: string;
}

const byPath: readonly (Manager & { path: RegExp })[] = [
  { name: "Homebrew", path: /[/]Cellar[/]/, update: "brew upgrade csm" },
  { name: "Scoop", path: /[/\\]scoop[/\\]apps[/\\]/i, update: "scoop update csm" },
  { name: "npm", path: /[/\\]node_modules[/\\]/, update: "npm install csm-csd@latest" },
  { name: "Nix", path: /^[/]nix[/]store[/]/, update: "the configuration that installed it" },
  { name: "snap", path: /^[/]snap[/]/, update: "snap refresh csm" },
];

export const managerOf = (path: string): Manager | undefined => byPath.find((row) => row.path.test(path));

/** Those that must be asked; each ends with 0 for a file of its own. */
export const managersToAsk: readonly (Manager & { ask: readonly string[] })[] = [
  { name: "dpkg", ask: ["dpkg", "-S"], update: "apt-get install, or dpkg -i, with the newer package" },
  { name: "rpm", ask: ["rpm", "-qf"], update: "dnf upgrade csm" },
  { name: "pacman", ask: ["pacman", "-Qqo"], update: "pacman -Syu" },
  { name: "apk", ask: ["apk", "info", "-W"], update: "apk upgrade csm" },
];

const blockBytes = 512;

/** The bytes of the one file of this name in a ustar archive, in whatever folder; undefined when there is none, or it is cut off. */
export function findInTar(bytes: Uint8Array, name: string): Uint8Array | undefined {
  const textOf = (from: number, length: number) => new TextDecoder().decode(bytes.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + blockBytes <= bytes.length; ) {
    const path = textOf(at, 100);
    if (path === "") return undefined;
    const size = Number.parseInt(textOf(at + 124, 12), 8);
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    const from = at + blockBytes;
    if (path.split("/").at(-1) === name && textOf(at + 156, 1) === "0")
      return from + size <= bytes.length ? bytes.subarray(from, from + size) : undefined;
    at = from + Math.ceil(size / blockBytes) * blockBytes;
  }
  return undefined;
}

/** Where the packed bytes of a file lie in a zip archive, by its directory; undefined when they do not. */
export function findInZip(bytes: Uint8Array, name: string): { packed: Uint8Array; size: number; isDeflated: boolean } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 22;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) return undefined;
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count && at + 46 <= end; index++) {
    const nameBytes = view.getUint16(at + 28, true);
    const path = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes));
    if (path.split("/").at(-1) === name) {
      const local = view.getUint32(at + 42, true);
      if (local + 30 > end) return undefined;
      const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
      const packed = bytes.subarray(from, from + view.getUint32(at + 20, true));
      return { packed, size: view.getUint32(at + 24, true), isDeflated: view.getUint16(at + 10, true) === 8 };
    }
    at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return undefined;
}

/** A file that minisign made, taken apart; undefined when it is none. */
export function parseSignature(text: string, publicKey: string): { key: Uint8Array; signature: Uint8Array; isHashed: boolean } | undefined {
  const decode = (line = ""): Uint8Array => new Uint8Array(Buffer.from(line.trim(), "base64"));
  const key = decode(publicKey.trim().split("\n").at(-1));
  const signature = decode(text.split("\n")[1]);
  if (key.length !== 42 || signature.length !== 74) return undefined;
  const kind = String.fromCharCode(...signature.subarray(0, 2));
  const isSameKey = signature.subarray(2, 10).every((byte, index) => byte === key[2 + index]);
  if (!isSameKey || (kind !== "ED" && kind !== "Ed")) return undefined;
  return { key: key.subarray(10), signature: signature.subarray(10), isHashed: kind === "ED" };
}
