import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./harness.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-build-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** First bytes of the file formats, and the processor in ELF and Mach-O headers. */
const targets: [target: string, file: string, magic: string][] = [
  ["linux-x64", "csm", "7f454c46…3e00"],
  ["linux-arm64", "csm", "7f454c46…b700"],
  ["linux-x64-musl", "csm", "7f454c46…3e00"],
  ["linux-arm64-musl", "csm", "7f454c46…b700"],
  ["darwin-x64", "csm", "cffaedfe07000001"],
  ["darwin-arm64", "csm", "cffaedfe0c000001"],
  ["windows-x64", "csm.exe", "4d5a"],
];

test("build.ts --all makes an executable for every platform, under both names", async () => {
  const build = Bun.spawn([process.execPath, "run", "build.ts", "--all", "--out", dir], { cwd: root, stdout: "pipe", stderr: "pipe" });
  const [code, stderr] = [await build.exited, await build.stderr.text()];
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  for (const [target, file, magic] of targets) {
    const path = join(dir, target, file);
    const head = readHead(path);
    const [start = "", processor] = magic.split("…");
    expect([target, head.slice(0, start.length)]).toEqual([target, start]);
    if (processor !== undefined) expect([target, head.slice(36, 40)]).toEqual([target, processor]);
    expect(statSync(join(dir, target, file.replace("csm", "csd"))).size).toBe(statSync(path).size);
  }
}, 300_000);

function readHead(path: string): string {
  const file = openSync(path, "r");
  const bytes = Buffer.alloc(20);
  readSync(file, bytes, 0, 20, 0);
  closeSync(file);
  return bytes.toString("hex");
}
