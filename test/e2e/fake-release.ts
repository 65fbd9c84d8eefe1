import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzip, tar } from "../../scripts/archive.ts";
import { platforms } from "../../scripts/platforms.ts";

/** What a release calls this machine. */
export const platform = platforms.find(({ os, cpu }) => os === process.platform && cpu === process.arch)?.name ?? "none";

/** As csm says its version; the word is how installers know it from other programs. */
export const program = (version: string) => `#!/bin/sh\n# CLAUDE_SMART_CLAUDE_BIN\necho "csm ${version} (a fake one)"\n`;

interface Fake {
  version: string;
  /** In place of the program; undefined text for an archive without one. */
  script?: string;
  /** The file in the archive. */
  name?: string;
  sum?: string;
}

/** A release with one small archive, whose program is a script. */
export function makeRelease(dir: string, { version, script = program(version), name = "csm", sum }: Fake): string {
  mkdirSync(dir, { recursive: true });
  const archive = `csm-${version}-${platform}.tar.gz`;
  const top = `csm-${version}-${platform}`;
  writeFileSync(join(dir, archive), gzip(tar([{ name: `${top}/${name}`, isProgram: true, content: Buffer.from(script) }], 0)));
  const right = new Bun.CryptoHasher("sha256").update(readFileSync(join(dir, archive))).digest("hex");
  writeFileSync(join(dir, "SHA256SUMS"), `${sum ?? right}  ${archive}\n`);
  return dir;
}

/** Each file of a folder, and which it is: one that was written or replaced is another one. */
export const contentOf = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir).map((name) => {
      const { ino, size, mtimeMs } = lstatSync(join(dir, name));
      return [name, `${ino} ${size} ${mtimeMs}`];
    }),
  );
