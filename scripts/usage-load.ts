/** Transcripts as months of work leave them: blocks, tools' results, request snapshots, subagents, forks. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { callLine, callResultLine, type GivenUsage, promptLine, toolResultLine, usageLine } from "./usage-lines.ts";

/** Models that ccusage 20.0.24 has prices for, too. */
const models = ["claude-opus-4-8", "claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5-20251001", "claude-fable-5-1"];

/**
 * Long answers; many short ones with requests and `toolUseResult` beside each result; and what older versions and other programs
 * write: times without milliseconds, blanks behind colons and commas.
 */
export const shapes = ["long", "short", "old"] as const;
/** `calls`: as the short one, with a call of a tool and its result for each answer. */
type Shape = (typeof shapes)[number] | "calls";

/** The same files for the same numbers; the result is how many bytes they have. */
export function writeTranscripts(configDir: string, files: number, bytes: number, shape: Shape = "long"): number {
  const random = createRandom(1);
  let written = 0;
  let before = "";
  for (let file = 0; file < files; file++) {
    const dir = join(configDir, "projects", `-home-dev-p${file % 20}`);
    const sessionId = `00000000-0000-4000-8000-${String(file).padStart(12, "0")}`;
    const isSubagent = file % 10 === 9;
    const path = isSubagent ? join(dir, `${sessionId}/subagents/agent-a${file}.jsonl`) : join(dir, `${sessionId}.jsonl`);
    mkdirSync(join(path, ".."), { recursive: true });
    const chunks = [promptLine()];
    // Every seventh session is a fork: it begins with what was said in the one before.
    if (file % 7 === 6) chunks.push(before);
    const text = conversation(random, { file, sessionId, isSubagent, bytes: bytes / files, shape });
    before = text.slice(0, text.indexOf("\n", text.length / 5) + 1);
    const handle = openSync(path, "w");
    for (const chunk of [...chunks, text]) written += writeSync(handle, chunk);
    closeSync(handle);
  }
  return written;
}

interface Conversation {
  file: number;
  sessionId: string;
  isSubagent: boolean;
  bytes: number;
  shape: Shape;
}

const minute = 60_000;

function conversation(random: (below: number) => number, { file, sessionId, isSubagent, bytes, shape }: Conversation): string {
  const lines: string[] = [];
  let at = Date.UTC(2026, 8, 1) + file * 7 * 60 * minute;
  let size = 0;
  const isShort = shape === "short" || shape === "calls";
  const add = (given: string) => {
    lines.push(shape === "old" ? age(given) : given);
    // As many answers as in the long shape: what it comes to is known from there.
    size += given.length;
  };
  for (let answer = 0; size < bytes; answer++) {
    at += random(minute);
    const model = models[random(models.length)] ?? "";
    const write = random(9000);
    const given = {
      ...{ id: `msg_${file}_${answer}`, model, sessionId, isSidechain: isSubagent, cwd: `/home/dev/p${file % 20}` },
      ...{
        at: new Date(at).toISOString(),
        input: random(2000),
        cacheRead: random(150_000),
        write,
        write1h: random(3) === 0 ? random(write + 1) : 0,
      },
    };
    const output = random(3000);
    const blocks = 1 + random(3);
    // The first block of some answers is written before all is counted.
    for (let block = 0; block < blocks; block++)
      add(
        usageLine({
          ...given,
          output: block === 0 && blocks > 1 && random(4) === 0 ? 1 : output,
          content: [{ type: "text", text: words(random, isShort ? 200 : 900) }],
        }),
      );
    if (shape === "calls") for (const line of call(random, given, answer)) add(line);
    else add(isShort ? doubled(toolResultLine(words(random, 1500))) : toolResultLine(words(random, 12_000)));
    if (answer % (isShort ? 10 : 40) === 9) add(request(sessionId, words(random, isShort ? 20_000 : 70_000)));
  }
  return lines.join("");
}

/** Most are commands, most of those are written anew each time, and one in two was asked about. */
function call(random: (below: number) => number, given: GivenUsage, answer: number): string[] {
  const id = `toolu_${given.id}`;
  const name = random(10_000);
  const path = `src/part${random(400)}.ts`;
  const calls: [tool: string, input: Record<string, unknown>][] = [
    ["Bash", { command: `npm run ${["test", "lint", "build"][random(3)]}`, description: "Run it" }],
    ["Bash", { command: `cd ${given.cwd} && grep -rn "name${name}" src | head -${random(50)}`, description: "Look for it" }],
    ["Bash", { command: `for f in src/*.ts; do sed -n '1,${name}p' "$f" | wc -l; done 2>/dev/null`, description: "Count" }],
    ["Bash", { command: `git log --oneline -${random(500)} -- ${path} && git diff --stat`, description: "What has changed" }],
    ["Read", { file_path: `${given.cwd}/${path}`, offset: random(1000) }],
    ["Edit", { file_path: `${given.cwd}/${path}`, old_string: words(random, 300), new_string: words(random, 300) }],
  ];
  const [tool, input] = calls[random(calls.length)] ?? ["Bash", {}];
  const decision = random(40) === 0 ? "reject" : random(2) === 0 ? "ask" : "config";
  return [
    callLine({ ...given, output: 80 }, id, tool, input),
    callResultLine(id, words(random, 1500 + (answer % 7 === 0 ? 20_000 : 0)), decision),
  ];
}

/** As `toolUseResult` repeats what the model got. */
function doubled(line: string): string {
  const entry = JSON.parse(line) as { message: { content: { content: string }[] }; toolUseResult: object };
  const stdout = entry.message.content[0]?.content;
  return `${JSON.stringify({ ...entry, toolUseResult: { ...entry.toolUseResult, stdout, stderr: "", interrupted: false } })}\n`;
}

/** What was sent to the model, the conversation among it. */
const request = (sessionId: string, content: string): string =>
  `${JSON.stringify({
    type: "api-request-blob",
    sessionId,
    blob: {
      messages: [
        { role: "user", content },
        { role: "assistant", content },
      ],
    },
  })}\n`;

/** With blanks in every other line, and times to the second. */
const age = (line: string): string => {
  const old = line.replace(/("timestamp":"[^"]{19})\.\d+Z/g, "$1Z");
  return old.length % 2 === 0 ? old : `${JSON.stringify(JSON.parse(old), null, 1).replace(/\n */g, " ")}\n`;
};

const text = 'the quick "brown" fox\n\tjumps over const usage = { tokens: 1 }; path/to/file.ts — done. '.repeat(900);
const words = (random: (below: number) => number, length: number): string => text.slice(0, 50 + random(length));

/** The same numbers in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
}
