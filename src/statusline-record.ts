import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseRecord } from "./json.ts";
import { configDir, profilesPath, statuslineDir } from "./paths.ts";
import { mergeSample, parseStatuslineInput, type StatuslineSample } from "./statusline-sample.ts";
import { defaultTemplate, placeholderValues, renderTemplate } from "./statusline-template.ts";
import type { Bounded } from "./sys-bounded.ts";

type Place = Parameters<typeof configDir>[0];

/** Remembers what Claude Code says on stdin and makes a line of it; undefined when that is not what a status line is given. `plain` is the one of a shell prompt. */
export function recordStatusline(text: string, template: string | undefined, plain: string): string | undefined {
  const place: Place = { env: process.env, homeDir: homeOf(process.env), platform: process.platform };
  const sample = parseStatuslineInput(text, configDir(place), Date.now());
  if (sample === undefined) return undefined;
  try {
    keep(statuslineDir(place), sample);
  } catch {
    // A full disk or a folder that may not be written: the line is shown all the same.
  }
  return renderSample(place, sample, template ?? defaultTemplate, plain);
}

/** The registered name of the folder that claude uses here, such as of a default profile added as `~/.claude`. */
export function currentName(): string | undefined {
  const place: Place = { env: process.env, homeDir: homeOf(process.env), platform: process.platform };
  const name = profileName(place, configDir(place));
  return name !== undefined && /^[\w.-]+$/.test(name) ? name : undefined;
}

const homeOf = (env: NodeJS.ProcessEnv): string | undefined => (process.platform !== "win32" && env.HOME) || homedir() || undefined;

function renderSample(place: Place, sample: StatuslineSample, template: string, plain: string): string {
  const at = plain.lastIndexOf("@");
  const profile = profileName(place, sample.configDir) ?? (at < 0 ? "" : plain.slice(0, at));
  const line = renderTemplate(
    template,
    placeholderValues(sample, { profile, host: plain.slice(at + 1), where: plain, now: sample.seenAt }),
  );
  return line === "" ? plain : line;
}

/** As registered; the folder's name tells it where it follows the convention. */
function profileName(place: Place, dir: string): string | undefined {
  const profiles = parseRecord(readIfThere(profilesPath(place))) ?? {};
  const wanted = dir.replace(/\/+$/, "");
  return Object.keys(profiles).find((name) => typeof profiles[name] === "string" && expand(place, profiles[name]) === wanted);
}

const expand = (place: Place, dir: string): string => (dir.startsWith("~/") ? `${place.homeDir}${dir.slice(1)}` : dir).replace(/\/+$/, "");

/** Replaced whole, so that readers see one sample or the other. Nothing waits for the disk: the next repaint says it again. */
function keep(dir: string, sample: StatuslineSample): void {
  if (sample.sessionId === "") return;
  const path = join(dir, `${sample.sessionId}.json`);
  const text = mergeSample(sample, readIfThere(path));
  if (text === undefined) return;
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openForWriting(dir, temporary);
  try {
    writeWhole(file, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeWhole(file: number, text: string): void {
  try {
    // A disk that is nearly full takes a part.
    if (writeSync(file, text) < Buffer.byteLength(text)) throw new Error("not written whole");
  } finally {
    closeSync(file);
  }
}

function openForWriting(dir: string, path: string): number {
  try {
    return openSync(path, "w", 0o600);
  } catch {
    // The first time there is no folder; asking before would cost every other time.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return openSync(path, "w", 0o600);
  }
}

/** No registry and no sample is near this. */
const mostBytes = 1_000_000;

/** Regular and bounded, as `readText` has it, which takes longer to load than all the rest. */
function readIfThere(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.size <= mostBytes ? readFileSync(path, "utf8") : undefined;
}

const wrapTimeoutMs = 5000;
const maxWrappedBytes = 200_000;

/** The user's own status line, given what we were given.  */
export async function runWrapped(line: string, input: string): Promise<Bounded> {
  const { runBounded } = await import("./sys-bounded.ts");
  const argv = process.platform === "win32" ? ["cmd", "/C", line] : ["sh", "-c", line];
  const result = await runBounded(argv, {
    input,
    env: process.env,
    timeoutMs: wrapTimeoutMs,
    maxBytes: maxWrappedBytes,
    leavesChildren: true,
  });
  return "text" in result ? result : { failure: `${line}: ${result.failure}` };
}
