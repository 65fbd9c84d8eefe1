import { createHash, createPublicKey, verify } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { gunzipSync, inflateRawSync } from "node:zlib";
import { type App, command } from "./cmd-record.ts";
import { UserError, usageError } from "./errors.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import { buildPlatform, buildVersion } from "./program.ts";
import {
  findInTar,
  findInZip,
  findOffer,
  isNewer,
  isPrivateWay,
  managerOf,
  managersToAsk,
  type Offer,
  parseSignature,
  placesOf,
  sumsFile,
} from "./releases.ts";
import { readSettings } from "./settings.ts";
import { withLock } from "./store.ts";
import type { Sys } from "./sys.ts";

export const selfUpdateCommand = command({
  name: "csm self-update",
  acts: true,
  summary: "Put the newest csm in the place of this one, and keep this one.",
  args: {
    check: { type: "boolean", description: "only say whether there is a newer one" },
    rollback: { type: "boolean", description: "change places with the one that was kept" },
    from: {
      type: "string",
      valueHint: "DIR|URL",
      kind: "folders",
      description: "a release, or the place of all of them (default: csm config: update.from)",
    },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm self-update --check", ""],
    ["csm self-update --from ./csm-release", "from a folder, without a network"],
    ["csm self-update --rollback", ""],
  ],
  async run({ args, app }) {
    if (args.rollback === true && (args.check === true || args.from !== undefined))
      throw usageError("csm self-update: --rollback goes with neither --check nor --from");
    const place = findPlace(app.sys);
    if (args.rollback === true) return withLock(app.sys, "self-update", () => rollBack(app, place, args.json === true));
    const settings = readSettings(app.sys);
    const source = args.from ?? settings.said("update.from");
    if (source === undefined)
      throw usageError(
        "csm self-update: nobody has said where releases are",
        "--from DIR|URL, or once: csm config set update.from https://…",
      );
    const { offer, from } = await findRelease(app.sys, source, settings.said("update.public-key"));
    const isDue = isNewer(offer.version, place.version);
    if (args.check === true || !isDue) return tellOffer(app, place, { offer, from, isDue }, args.json === true);
    await requireOwn(app.sys, place.path);
    await withLock(app.sys, "self-update", async () => {
      // Another one may have done it meanwhile; a second time it would not be the old one that is kept.
      if (app.sys.identify(place.path)?.id === place.id) await install(app, place, await loadProgram(app, offer, from), offer);
    });
    if (args.json === true) return app.json<"csm self-update">(reportOf(place, "updated", { offer, from, previous: place.previous }));
    app.out(`csm ${offer.version} is in ${place.path}; csm self-update --rollback brings ${place.version} back`);
  },
});

/** Where this program stands, and what stands beside it. */
interface Place {
  path: string;
  /** Of the file. */
  id: string | undefined;
  version: string;
  previous: string;
  /** The file that is called csd, unless it is a link, which follows by itself. */
  twin: string | undefined;
}

function findPlace(sys: Sys): Place {
  if (buildPlatform === undefined) throw new UserError("this csm runs from its source", "git pull, and npm run build");
  const path = sys.realPath(sys.execPath) ?? sys.execPath;
  const suffix = sys.platform === "win32" ? ".exe" : "";
  const beside = (name: string) => join(dirname(path), name + suffix);
  const twin = beside("csd");
  const isTwin = basename(path) !== basename(twin) && sys.entryKind(twin) === "file";
  return {
    path,
    id: sys.identify(path)?.id,
    version: buildVersion.split(" ")[0] ?? "",
    previous: beside("csm.previous"),
    twin: isTwin ? twin : undefined,
  };
}

/** Refuses where a package manager put the file. */
async function requireOwn(sys: Sys, path: string): Promise<void> {
  const refuse = (name: string, update: string) =>
    new UserError(`${path} belongs to ${name}, which does not know of updates by others`, update);
  const manager = managerOf(path);
  if (manager !== undefined) throw refuse(manager.name, manager.update);
  for (const { name, ask, update } of managersToAsk) {
    const answer = await sys.run([...ask, path], { timeoutMs: 20_000 }).catch(() => undefined);
    if (answer?.code === 0) throw refuse(name, update);
  }
  if (!sys.isWritable(dirname(path))) throw new UserError(`may not write in ${dirname(path)}`, "run it as the user that installed csm");
}

const maxSumsBytes = 1024 * 1024;
const maxArchiveBytes = 1024 * 1024 * 1024;

/** From an address, or a folder. */
async function read(
  sys: Sys,
  path: string,
  bounds: { timeoutMs: number; maxBytes: number },
): Promise<{ bytes: Uint8Array } | { failure: string }> {
  if (/^https?:/i.test(path)) return sys.fetchBytes(path, bounds);
  const file = sys.openFile(path);
  if (file === undefined) return { failure: "there is no such file" };
  try {
    if (file.size > bounds.maxBytes) return { failure: `it is larger than ${bounds.maxBytes} bytes` };
    const bytes = new Uint8Array(file.size);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count) count = file.read(bytes.subarray(length), length);
    return { bytes: bytes.subarray(0, length) };
  } finally {
    file.close();
  }
}

/** The newest release of a place, whose checksums are signed where a key is set. */
async function findRelease(sys: Sys, source: string, publicKey: string | undefined): Promise<{ offer: Offer; from: string }> {
  if (!isPrivateWay(source) && publicKey === undefined)
    throw new UserError(
      `${printableLine(source)} is not encrypted, and no signature is asked for`,
      "https://…, a folder, or csm config set update.public-key",
    );
  let failure = "";
  for (const from of placesOf(source)) {
    const sums = await read(sys, `${from}/${sumsFile}`, { timeoutMs: 20_000, maxBytes: maxSumsBytes });
    if ("failure" in sums) {
      failure ||= sums.failure;
      continue;
    }
    if (publicKey !== undefined) await requireSignature(sys, from, sums.bytes, publicKey);
    const offer = findOffer(new TextDecoder().decode(sums.bytes), buildPlatform ?? "");
    if (offer === undefined) throw new UserError(`the release at ${printableLine(from)} has no csm for ${buildPlatform}`);
    return { offer, from };
  }
  throw new UserError(`there is no release at ${printableLine(source)}: ${failure}`);
}

async function requireSignature(sys: Sys, from: string, sums: Uint8Array, publicKey: string): Promise<void> {
  const answer = await read(sys, `${from}/${sumsFile}.minisig`, { timeoutMs: 20_000, maxBytes: maxSumsBytes });
  if ("failure" in answer) throw new UserError(`the release at ${printableLine(from)} is not signed: ${answer.failure}`);
  const parsed = parseSignature(new TextDecoder().decode(answer.bytes), publicKey);
  const isRight =
    parsed !== undefined &&
    verify(
      null,
      parsed.isHashed ? createHash("blake2b512").update(sums).digest() : sums,
      createPublicKey({ key: Buffer.concat([ed25519Head, parsed.key]), format: "der", type: "spki" }),
      parsed.signature,
    );
  if (!isRight)
    throw new UserError(`the signature of the release at ${printableLine(from)} is not of update.public-key`, "nothing was changed");
}

/** What stands before the 32 bytes of a key in DER. */
const ed25519Head = Buffer.from("302a300506032b6570032100", "hex");

/** The program of an archive whose checksum is right. */
async function loadProgram({ sys, progress }: App, { archive, sum }: Offer, from: string): Promise<Uint8Array> {
  progress(`loading ${archive}`);
  const loaded = await read(sys, `${from}/${archive}`, { timeoutMs: 30 * 60_000, maxBytes: maxArchiveBytes });
  progress();
  if ("failure" in loaded) throw new UserError(`could not load ${from}/${archive}: ${loaded.failure}`, "nothing was changed");
  if (new Bun.CryptoHasher("sha256").update(loaded.bytes).digest("hex") !== sum)
    throw new UserError(`the checksum of ${archive} is wrong: it is damaged, or not what was released`, "nothing was changed");
  const program = unpack(archive, loaded.bytes);
  if (program === undefined) throw new UserError(`${archive} has no csm in it`, "nothing was changed");
  return program;
}

function unpack(archive: string, bytes: Uint8Array): Uint8Array | undefined {
  try {
    if (!archive.endsWith(".zip")) return findInTar(gunzipSync(bytes), "csm");
    const found = findInZip(bytes, "csm.exe");
    return found?.isDeflated === true ? inflateRawSync(found.packed) : found?.packed;
  } catch {
    // No archive of this kind, though its checksum is right.
    return undefined;
  }
}

/** Whole beside the old one, started once, and only then in its place: in one step, but on Windows, where a program that runs keeps its file. */
async function install({ sys }: App, place: Place, program: Uint8Array, { version }: Offer): Promise<void> {
  const next = `${place.path}.${sys.pid}.tmp${sys.platform === "win32" ? ".exe" : ""}`;
  try {
    sys.writeProgram(next, program);
    const { code, stdout } = await sys
      .run([next, "--version"], { timeoutMs: 60_000 })
      .catch((error: Error) => ({ code: 126, stdout: error.message }));
    const said = stdout.trim();
    if (code !== 0 || !said.startsWith(`csm ${version} `))
      throw new UserError(
        `the new csm does not start here, or is another one: ${printableLine(said || `code ${code}`)}`,
        "nothing was changed",
      );
    replace(sys, place, next);
  } finally {
    sys.remove(next);
  }
}

function replace(sys: Sys, { path, previous, twin }: Place, next: string): void {
  if (sys.platform === "win32") {
    sys.rename(path, previous);
    try {
      sys.rename(next, path);
    } catch (error) {
      sys.rename(previous, path);
      throw error;
    }
  } else {
    copyOver(sys, path, previous);
    sys.rename(next, path);
  }
  if (twin === undefined) return;
  if (sys.platform === "win32") sys.rename(twin, previous.replace("csm", "csd"));
  copyOver(sys, path, twin);
}

/** Readers see the old file or the new one. */
function copyOver(sys: Sys, from: string, to: string): void {
  const temporary = `${to}.${sys.pid}.tmp`;
  sys.remove(temporary);
  try {
    sys.copy(from, temporary);
    sys.rename(temporary, to);
  } finally {
    sys.remove(temporary);
  }
}

async function rollBack(app: App, place: Place, isJson: boolean): Promise<void> {
  const { sys } = app;
  await requireOwn(sys, place.path);
  if (!sys.isExecutable(place.previous))
    throw new UserError(`there is no ${place.previous} to go back to`, "the first csm self-update makes it");
  const { stdout } = await sys.run([place.previous, "--version"], { timeoutMs: 60_000 }).catch(() => ({ stdout: "" }));
  const version = /^csm (\S+) /.exec(stdout)?.[1];
  if (version === undefined) throw new UserError(`${place.previous} does not start`, "nothing was changed");
  const next = `${place.path}.${sys.pid}.tmp${sys.platform === "win32" ? ".exe" : ""}`;
  try {
    sys.copy(place.previous, next);
    if (sys.platform === "win32") sys.remove(place.previous);
    replace(sys, place, next);
  } finally {
    sys.remove(next);
  }
  if (isJson) return app.json<"csm self-update">(reportOf(place, "rolled-back", { previous: place.previous, version }));
  app.out(`csm ${version} is in ${place.path} again; csm self-update --rollback brings ${place.version} back`);
}

function tellOffer(app: App, place: Place, found: { offer: Offer; from: string; isDue: boolean }, isJson: boolean): void {
  const { offer, isDue } = found;
  const other = offer.version === place.version ? "" : `: ${printableLine(found.from)} has ${offer.version}`;
  if (isJson) app.json<"csm self-update">(reportOf(place, isDue ? "available" : "current", found));
  else if (isDue) app.out(`csm ${offer.version} is there; ${place.version} is installed in ${place.path}`);
  else app.out(`csm ${place.version} is the newest${other}`);
}

type Action = "current" | "available" | "updated" | "rolled-back";

/** `installed` is what stands there after it. */
const reportOf = (
  { path, version }: Place,
  action: Action,
  rest: { offer?: Offer; from?: string; previous?: string; version?: string },
) => ({
  action,
  installed: rest.version ?? (action === "updated" ? (rest.offer?.version ?? version) : version),
  path,
  ...present({ available: rest.offer?.version, from: rest.from, previous: rest.previous }),
});
