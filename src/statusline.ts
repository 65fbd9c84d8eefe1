import { hostname } from "node:os";

/**
 * `profile@host`, or `host` alone without a named profile. `hostname` is the machine's full name; `registered` the name of a
 * folder that does not tell it itself. Loads no package: Claude Code runs it at every repaint.
 */
export function renderStatusline(env: Readonly<Record<string, string | undefined>>, hostname: string, registered?: string): string {
  const host = replaceOnce(hostname.split(".")[0] ?? "", env.CSM_HOST_REPLACE ?? "");
  const label = isShown(env.IS_PERSONAL_MACHINE) ? (profileLabel(env.CLAUDE_CONFIG_DIR ?? "") ?? registered) : undefined;
  return label === undefined ? host : `${label}@${host}`;
}

/** `~/.claude.work` is the profile `work`. */
function profileLabel(configDir: string): string | undefined {
  const folder =
    configDir
      .split(/[/\\]/)
      .filter((part) => part !== "")
      .at(-1) ?? "";
  return folder.startsWith(".claude.") && folder.length > ".claude.".length ? folder.slice(".claude.".length) : undefined;
}

const isShown = (value: string | undefined): boolean => value === undefined || ["1", "true", "True", "TRUE", "yes"].includes(value);

/** `find/replace`: the first occurrence, in any case; a rule without a slash or with nothing to find changes nothing. */
function replaceOnce(host: string, rule: string): string {
  const slash = rule.indexOf("/");
  const find = rule.slice(0, Math.max(slash, 0)).toLowerCase();
  const at = find === "" ? -1 : host.toLowerCase().indexOf(find);
  return at < 0 ? host : host.slice(0, at) + rule.slice(slash + 1) + host.slice(at + find.length);
}

/**
 * `csm statusline`, which Claude Code runs at every repaint: it loads no package and no database, waits for nothing, and
 * whatever fails it still says something. So it is an OS file of its own. Without input, in a folder that tells its profile, not
 * even `node:fs` is loaded (+0.7 ms).
 */
export async function runStatusline(args: readonly string[]): Promise<void> {
  const plain = renderStatusline(process.env, hostname());
  try {
    const { template, wrapped, problem } = readArguments(args);
    if (problem !== undefined) await tell(problem);
    const text = await readStdin();
    if (text.trim() === "" && wrapped === undefined) return write(1, `${await renderPrompt(plain)}\n`);
    const { recordStatusline, runWrapped } = await import("./statusline-record.ts");
    const line = await inLocale(recordStatusline(text, template, plain) ?? plain);
    if (wrapped === undefined) return write(1, `${line}\n`);
    const own = await runWrapped(wrapped, text);
    if ("failure" in own) await tell(own.failure);
    await write(1, "text" in own ? own.text.replace(/\n?$/, "\n") : `${line}\n`);
  } catch {
    // A status line that fails would be blank: the plain one stands in for it.
    await write(1, `${plain}\n`);
  }
}

/** In signs that the locale has. */
async function inLocale(line: string): Promise<string> {
  const { asciiCells, needsAscii } = await import("./printable.ts");
  return needsAscii(process.env) ? asciiCells(line) : line;
}

/** In a shell prompt, a folder that does not tell its profile itself is looked up. */
async function renderPrompt(plain: string): Promise<string> {
  if (profileLabel(process.env.CLAUDE_CONFIG_DIR ?? "") !== undefined) return plain;
  return renderStatusline(process.env, hostname(), (await import("./statusline-record.ts")).currentName());
}

const tell = async (problem: string) => write(2, `csm statusline: ${(await import("./printable.ts")).printableLine(problem)}\n`);

function readArguments(args: readonly string[]): { template?: string; wrapped?: string; problem?: string } {
  const given: { template?: string; wrapped?: string; problem?: string } = {};
  for (let index = 0; index < args.length; index++) {
    const [flag = "", ...rest] = (args[index] ?? "").split("=");
    const value = rest.length > 0 ? rest.join("=") : args[++index];
    if (value === undefined) given.problem = `${flag} needs a value`;
    else if (flag === "--template") given.template = value;
    else if (flag === "--wrap") given.wrapped = value;
    else given.problem = `unknown flag ${flag}; csm statusline --help lists the flags`;
  }
  return given;
}

const maxInputBytes = 4_000_000;
/** claude writes at once. Whoever keeps the pipe open and says nothing is not claude. */
const inputTimeoutMs = 1000;

/** Empty from a terminal or a device. */
async function readStdin(): Promise<string> {
  const stat = await Bun.stdin.stat();
  if (stat.isCharacterDevice()) return "";
  if (stat.isFile()) return stat.size > maxInputBytes ? "" : Bun.stdin.text();
  const { readBounded } = await import("./sys-bounded.ts");
  const reading = readBounded(Bun.stdin.stream() as unknown as ReadableStream<Uint8Array>, maxInputBytes);
  const timer = setTimeout(reading.cancel, inputTimeoutMs);
  const bytes = await reading.done;
  clearTimeout(timer);
  return bytes === undefined ? "" : new TextDecoder().decode(bytes);
}

async function write(fd: 1 | 2, text: string): Promise<void> {
  try {
    await Bun.write(fd === 1 ? Bun.stdout : Bun.stderr, text);
  } catch {
    // The reader has gone: nobody is left to tell.
  }
}
