import { expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import { tar, zip } from "../scripts/archive.ts";
import { findInTar, findInZip, findOffer, isNewer, isPrivateWay, managerOf, parseSignature, placesOf } from "../src/releases.ts";

const sum = (digit: string) => digit.repeat(64);
const sums = [
  `${sum("a")}  csm-0.2.0-linux-x64-musl.tar.gz`,
  `${sum("b")}  csm-0.2.0-linux-x64.tar.xz`,
  `${sum("c")}  csm-0.2.0-linux-x64.tar.gz`,
  `${sum("d")}  csm-1.0.0-rc.1-windows-x64.zip`,
  `${sum("e")}  csm-0.2.0.cdx.json`,
  `${sum("f")} *csm-0.2.0-darwin-arm64.tar.gz`,
].join("\n");

test.each<[platform: string, offer: string | undefined]>([
  ["linux-x64", "csm-0.2.0-linux-x64.tar.gz"],
  ["linux-x64-musl", "csm-0.2.0-linux-x64-musl.tar.gz"],
  ["windows-x64", "csm-1.0.0-rc.1-windows-x64.zip"],
  ["darwin-arm64", "csm-0.2.0-darwin-arm64.tar.gz"],
  ["darwin-x64", undefined],
])("a release has for %s: %p", (platform, archive) => {
  expect(findOffer(sums, platform)?.archive).toBe(archive as never);
  expect(findOffer(sums.replaceAll("\n", "\r\n"), platform)?.archive).toBe(archive as never);
});

test.each([
  ["a sum that is too short", `${"a".repeat(63)}  csm-0.2.0-linux-x64.tar.gz`],
  ["a path", `${sum("a")}  ../csm-0.2.0-linux-x64.tar.gz`],
  ["a path in the version", `${sum("a")}  csm-0.2.0-../x-linux-x64.tar.gz`],
  ["no version", `${sum("a")}  csm-latest-linux-x64.tar.gz`],
  ["words behind it", `${sum("a")}  csm-0.2.0-linux-x64.tar.gz.minisig`],
  ["nothing", ""],
])("%s offers nothing", (_, text) => expect(findOffer(text, "linux-x64")).toBeUndefined());

test.each([
  ["0.2.0", "0.1.0", true],
  ["0.10.0", "0.9.9", true],
  ["1.0.0", "1.0.0-rc.1", true],
  ["1.0.0-rc.2", "1.0.0-rc.1", true],
  ["0.1.0", "0.1.0", false],
  ["0.1.0-rc.1", "0.1.0", false],
  ["0.9.9", "0.10.0", false],
])("%s is newer than %s: %p", (version, than, answer) => expect(isNewer(version, than)).toBe(answer));

test.each([
  ["https://host/releases/", "https://host/releases"],
  ["/srv/csm/", "/srv/csm"],
  ["C:\\csm\\", "C:\\csm"],
  ["/", "/"],
])("%s is looked at, and then its newest", (from, place) => expect(placesOf(from)).toEqual([place, `${place}/latest/download`]));

test.each([
  ["https://host/releases", true],
  ["http://host/releases", false],
  ["HTTP://host/releases", false],
  ["http://127.0.0.1:8000", true],
  ["http://localhost:8000", true],
  ["http://[::1]:8000", true],
  ["http://127.0.0.1.host/", false],
  ["http://127.0.0.1@host/", false],
  ["/srv/csm", true],
  ["C:\\csm", true],
])("nobody stands in the way to %s: %p", (from, answer) => expect(isPrivateWay(from)).toBe(answer));

test.each<[path: string, manager: string | undefined]>([
  ["/opt/homebrew/Cellar/csm/0.1.0/bin/csm", "Homebrew"],
  ["/home/linuxbrew/.linuxbrew/Cellar/csm/0.1.0/bin/csm", "Homebrew"],
  ["C:\\Users\\me\\scoop\\apps\\csm\\current\\csm.exe", "Scoop"],
  ["/usr/lib/node_modules/csm-csd/node_modules/csm-csd-linux-x64/csm", "npm"],
  ["C:\\Users\\me\\AppData\\Roaming\\npm\\node_modules\\csm-csd-windows-x64\\csm.exe", "npm"],
  ["/nix/store/abc-csm/bin/csm", "Nix"],
  ["/snap/csm/1/bin/csm", "snap"],
  ["/home/me/.local/bin/csm", undefined],
  ["/home/me/Cellars/csm", undefined],
])("%s belongs to %p", (path, name) => expect(managerOf(path)?.name).toBe(name as never));

const bytes = (text: string) => new TextEncoder().encode(text);
const entries = [
  { name: "csm-1/csm", isProgram: true, content: bytes("the program".repeat(100)) },
  { name: "csm-1/csd", linkTo: "csm-1/csm" },
  { name: "csm-1/a", content: bytes("another") },
];

test("the program is found in a tar, and not in one that is cut off", () => {
  const archive = tar(entries, 0);
  expect(findInTar(archive, "csm")).toEqual(entries[0]?.content as never);
  expect(findInTar(archive, "none")).toBeUndefined();
  for (const length of [0, 100, 511, 600, 1600, 2500])
    expect([length, findInTar(archive.subarray(0, length), "csm")]).toEqual([length, undefined]);
});

test("the program is found in a zip, packed, and not in one that is cut off or says where nothing is", () => {
  const archive = zip(entries, 0);
  expect(findInZip(archive, "csm")?.packed).toEqual(new Uint8Array(deflateRawSync(entries[0]?.content ?? "", { level: 9 })) as never);
  expect(findInZip(archive, "none")).toBeUndefined();
  for (const length of [0, 21, 100, archive.length - 1])
    expect([length, findInZip(archive.subarray(0, length), "csm")]).toEqual([length, undefined]);
  for (let at = archive.length - 22; at < archive.length; at++) {
    const torn = archive.slice();
    torn[at] = 255;
    expect(() => findInZip(torn, "csm")).not.toThrow();
  }
});

test("archives are the same in whatever order the files come", () => {
  expect(tar(entries.toReversed(), 5)).toEqual(tar(entries, 5));
  expect(zip(entries.toReversed(), 5)).toEqual(zip(entries, 5));
});

/** As minisign writes them; the key is nobody's. */
const keyBytes = Buffer.concat([Buffer.from("Ed"), Buffer.alloc(8, 1), Buffer.alloc(32, 2)]);
const signatureOf = (kind: string, id: number) =>
  `untrusted comment: x\n${Buffer.concat([Buffer.from(kind), Buffer.alloc(8, id), Buffer.alloc(64, 3)]).toString("base64")}\ntrusted comment: y\n`;

test.each<[what: string, text: string, isOne: boolean]>([
  ["a signature of the hash", signatureOf("ED", 1), true],
  ["a signature of the text", signatureOf("Ed", 1), true],
  ["one of another key", signatureOf("ED", 2), false],
  ["one of another kind", signatureOf("XX", 1), false],
  ["no signature", "hello", false],
  ["nothing", "", false],
])("%s: %#", (_, text, isOne) => {
  const key = keyBytes.toString("base64");
  expect(parseSignature(text, key) !== undefined).toBe(isOne);
  expect(parseSignature(text, `untrusted comment: minisign public key\n${key}\n`) !== undefined).toBe(isOne);
  expect(parseSignature(text, "short")).toBeUndefined();
});
