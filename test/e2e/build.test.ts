import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hotFiles, maxAddedBytes, measureAdded } from "../../build.ts";
import { platforms, product, suffixOf } from "../../scripts/platforms.ts";
import { root } from "./harness.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-build-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("build.ts --all makes an executable for every platform, under both names, that knows its version and what it is, of a bounded size", async () => {
  const build = Bun.spawn([process.execPath, "run", "build.ts", "--all", "--out", dir], { cwd: root, stdout: "pipe", stderr: "pipe" });
  const [code, stderr] = [await build.exited, await build.stderr.text()];
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  for (const platform of platforms) {
    const { name, magic, machine } = platform;
    const path = join(dir, name, `csm${suffixOf(platform)}`);
    const bytes = readFileSync(path);
    const hexAt = (offset: number, hex: string) => bytes.subarray(offset, offset + hex.length / 2).toString("hex");
    expect([name, hexAt(0, magic)]).toEqual([name, magic]);
    const [offset, processor] = machine;
    const header = platform.os === "win32" ? bytes.readUInt32LE(60) : 0;
    if (platform.os === "win32") expect(hexAt(header, "50450000")).toBe("50450000");
    expect([name, hexAt(header + offset, processor)]).toEqual([name, processor]);
    expect([name, bytes.includes(`"${product.version} (`), bytes.includes(`"${name}"`)]).toEqual([name, true, true]);
    expect(statSync(path.replace(/csm(?=[^/]*$)/, "csd")).size).toBe(bytes.length);
    const added = await measureAdded(path, platform.bun);
    expect([name, added, added <= maxAddedBytes]).toEqual([name, added, true]);
  }
}, 300_000);

test("what gets bytecode are files that there are", () => {
  expect(hotFiles.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
