import { hostname } from "node:os";
import { renderStatusline } from "./statusline.ts";

/**
 * `csm statusline`, which Claude Code runs at every repaint: it loads no package and no database, waits for nothing, and
 * whatever fails it still says something. So it is an OS file of its own. Without input not even `node:fs` is loaded (+0.7 ms).
 */
export async function runStatusline(args: readonly string[]): Promise<void> {
  const plain = renderStatusline(process.env, hostname());
  try {
    const { template, wrapped, problem } = readArguments(args);
    if (problem !== undefined) await tell(problem);
    const text = await readStdin();
    if (text.trim() === "" && wrapped === undefined) return write(1, `${plain}\n`);
    const { recordStatusline, runWrapped } = await import("./statusline-record.ts");
    const line = recordStatusline(text, template, plain) ?? plain;
    if (wrapped === undefined) return write(1, `${line}\n`);
    const own = await runWrapped(wrapped, text);
    if ("failure" in own) await tell(own.failure);
    await write(1, "text" in own ? own.text.replace(/\n?$/, "\n") : `${line}\n`);
  } catch {
    // A status line that fails would be blank: the plain one stands in for it.
    await write(1, `${plain}\n`);
  }
}

const tell = (problem: string) => write(2, `csm statusline: ${problem}\n`);

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
