/**
 * `bun run scripts/picture.ts` draws the pictures of README into `.github/`, dark and light: csm top over real sessions in a sandbox, as
 * tmux captured it. Build first. `--only NAME` draws one of them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { createSandbox, type Sandbox } from "../src/sandbox.ts";
import { ask, bash, hold, type MessageStep, plan, type Step, say, useTool } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";

const root = join(import.meta.dir, "..");
const size = { columns: 118, rows: 42 };

interface Part {
  name: string;
  branch: string;
  prompt: string;
  steps: Step[];
  args?: string[];
  /** What shows that it is where the picture wants it. */
  shows: RegExp;
}

/** As if the session had gone on for long. */
const used = (step: MessageStep, tokens: number): MessageStep => ({
  ...step,
  usage: { input_tokens: 1200, output_tokens: 900, cache_read_input_tokens: tokens, cache_creation_input_tokens: Math.round(tokens / 8) },
});

const parts: Part[] = [
  {
    name: "checkout-api",
    branch: "feat/refunds",
    prompt: "Add refunds",
    steps: [
      used(useTool("Write", { file_path: "refunds.ts", content: "export const refund = () => true;\n" }), 310_000),
      used(bash("npm run migrate -- --env staging && npm test", "Run the migration on staging"), 420_000),
    ],
    args: ["--permission-mode", "acceptEdits"],
    shows: /asks Bash .*checkout-api/,
  },
  {
    name: "cache-rewrite",
    branch: "sqlite-cache",
    prompt: "Plan the cache",
    steps: plan("# Move the cache to SQLite\n\n1. One table, key to value\n2. Read through it, write behind it\n"),
    args: ["--permission-mode", "plan"],
    shows: /plan to read .*cache-rewrite/,
  },
  {
    name: "docs",
    branch: "main",
    prompt: "Write the guide",
    steps: [
      used(
        ask({
          question: "Which tone shall the guide have?",
          header: "Tone",
          options: [
            { label: "Plain", description: "short" },
            { label: "Playful", description: "warm" },
          ],
        }),
        60_000,
      ),
    ],
    shows: /question .*docs/,
  },
  {
    name: "search-index",
    branch: "fuzzy",
    prompt: "Make it fuzzy",
    steps: [used(bash("for i in $(seq 600); do sleep 1; done"), 610_000)],
    args: ["--permission-mode", "bypassPermissions"],
    shows: /Bash .*search-index/,
  },
  {
    name: "survey",
    branch: "main",
    prompt: "Survey it",
    steps: [
      used(useTool("Agent", { description: "Read the parsers", prompt: "Read them", subagent_type: "general-purpose" }), 240_000),
      hold("The parsers are"),
    ],
    shows: /(?:thinking|subagent|Agent) .*survey/,
  },
  {
    name: "release-notes",
    branch: "main",
    prompt: "Write the notes",
    steps: [used(say("The notes for **2.4** stand in `CHANGELOG.md`."), 180_000)],
    shows: /done .*release-notes/,
  },
  {
    name: "spike",
    branch: "try-wasm",
    prompt: "Try it",
    steps: [used(say("It works, and is 3 × faster."), 350_000)],
    shows: /done .*spike/,
  },
];

async function captureReal(): Promise<string> {
  const box = await createSandbox({ claudePath: findCheckoutClaude(), path: process.env.PATH });
  try {
    for (const part of parts) await start(box, part);
    const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
    await tmux("new-session", "-d", "-s", "top", "-x", String(size.columns), "-y", String(size.rows), join(root, "dist/csm"), "top");
    const deadline = Date.now() + 60_000;
    for (;;) {
      const plain = (await tmux("capture-pane", "-p", "-t", "=top:")).stdout;
      if (parts.every((part) => part.shows.test(plain))) break;
      if (Date.now() > deadline) throw new Error(`not all sessions are where they should be:\n${plain}`);
      await Bun.sleep(200);
    }
    await tmux("send-keys", "-t", "=top:", "/");
    await tmux("send-keys", "-t", "=top:", "-l", "checkout");
    // The cursor stays where the filter has put it. Not with Esc, which would be Alt with the key that follows at once.
    await tmux("send-keys", "-t", "=top:", "Enter", "/", "C-u", "Enter");
    await tmux("send-keys", "-t", "=top:", "Space");
    await Bun.sleep(1200);
    return (await tmux("capture-pane", "-e", "-p", "-t", "=top:")).stdout;
  } finally {
    await box.close();
  }
}

async function start(box: Sandbox, { name, branch, prompt, steps, args = ["--permission-mode", "manual"] }: Part): Promise<void> {
  const cwd = box.folder(name);
  await box.run(["git", "init", "-q", "-b", branch, cwd]);
  const csd = async (...words: string[]) => {
    const result = await box.run([join(root, "dist/csd"), ...words]);
    if (result.code !== 0) throw new Error(`csd ${words.join(" ")}: ${result.stderr}`);
    return result.stdout;
  };
  const mode = args.includes("bypassPermissions") ? ["--permission-mode", "acceptEdits"] : args;
  const spawned = JSON.parse(await csd("spawn", "--name", name, "--cwd", cwd, "--trust", ...mode)) as { session_id: string };
  box.stub.script(spawned.session_id, steps);
  await csd("send", name, prompt);
  if (!args.includes("bypassPermissions")) return;
  await csd("wait", name, "--until", "blocked", "--timeout", "20");
  await csd("approve", name);
}

// --- drawing -----------------------------------------------------------------------------------------------------

const cell = { width: 8.4, height: 18 };
const margin = 16;
interface Palette {
  back: string;
  fore: string;
  basic: string[];
  bright: string[];
}

const palettes: Readonly<Record<"dark" | "light", Palette>> = {
  dark: {
    back: "#16181d",
    fore: "#d7dae0",
    basic: ["#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"],
    bright: ["#7f8794", "#ff7b86", "#b5e08d", "#ffd68a", "#7cc3ff", "#dd94f0", "#6fd6e0", "#ffffff"],
  },
  light: {
    back: "#fafafa",
    fore: "#383a42",
    basic: ["#383a42", "#c2362b", "#3f8a3a", "#986801", "#2f6fd0", "#a626a4", "#0b7285", "#5c6370"],
    bright: ["#6a707c", "#c2362b", "#3f8a3a", "#986801", "#2f6fd0", "#a626a4", "#0b7285", "#20222a"],
  },
};

interface Look {
  fore: string;
  back?: string;
  isBold: boolean;
  isReverse: boolean;
}

const plainLook = (colors: Palette): Look => ({ fore: colors.fore, isBold: false, isReverse: false });

/** The styles that csm uses: weight, reverse, and the sixteen colours. */
function applyCodes(look: Look, codes: number[], colors: Palette): Look {
  let next = { ...look };
  for (const code of codes) {
    if (code === 0) next = plainLook(colors);
    else if (code === 1) next.isBold = true;
    else if (code === 22) next.isBold = false;
    else if (code === 7) next.isReverse = true;
    else if (code === 27) next.isReverse = false;
    else if (code === 39) next.fore = colors.fore;
    else if (code >= 30 && code <= 37) next.fore = colors.basic[code - 30] ?? colors.fore;
    else if (code >= 90 && code <= 97) next.fore = colors.bright[code - 90] ?? colors.fore;
  }
  return next;
}

const escapeXml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function drawSvg(capture: string, title: string, colors: Palette): string {
  const lines = capture.trimEnd().split("\n");
  const width = size.columns * cell.width + 2 * margin;
  const height = lines.length * cell.height + 2 * margin;
  let look = plainLook(colors);
  const drawn = lines.flatMap((line, row) => {
    let column = 0;
    return line.split("\u001b[").flatMap((part, index) => {
      const codes = index === 0 ? undefined : /^([\d;]*)m/.exec(part);
      if (codes) look = applyCodes(look, (codes[1] ?? "").split(";").map(Number), colors);
      const text = codes ? part.slice(codes[0].length) : part;
      const columns = Bun.stringWidth(text);
      const shapes = columns === 0 ? [] : drawRun(text, look, { column, columns, row }, colors);
      column += columns;
      return shapes;
    });
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width.toFixed(0)}" height="${height}" viewBox="0 0 ${width.toFixed(0)} ${height}" role="img">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" rx="8" fill="${colors.back}"/>
<g font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">
${drawn.join("\n")}
</g>
</svg>
`;
}

function drawRun(
  text: string,
  look: Look,
  { column, columns, row }: Record<"column" | "columns" | "row", number>,
  colors: Palette,
): string[] {
  const x = (margin + column * cell.width).toFixed(1);
  const y = margin + row * cell.height;
  const runWidth = (columns * cell.width).toFixed(1);
  const fore = look.isReverse ? colors.back : look.fore;
  const box = look.isReverse ? [`<rect x="${x}" y="${y}" width="${runWidth}" height="${cell.height}" fill="${look.fore}"/>`] : [];
  if (text.trim() === "") return box;
  const weight = look.isBold ? ' font-weight="bold"' : "";
  return [
    ...box,
    `<text x="${x}" y="${y + 13}" fill="${fore}"${weight} textLength="${runWidth}" lengthAdjust="spacingAndGlyphs">${escapeXml(text)}</text>`,
  ];
}

const pictures: Readonly<Record<string, { title: string; capture(): Promise<string> }>> = {
  dashboard: { title: "csm top: who waits for you, who works, what it costs", capture: captureReal },
};

if (import.meta.main) {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  for (const [name, { title, capture }] of Object.entries(pictures)) {
    if (values.only !== undefined && values.only !== name) continue;
    const captured = await capture();
    for (const [theme, palette] of Object.entries(palettes)) {
      const out = join(root, ".github", `${name}${theme === "dark" ? "" : `-${theme}`}.svg`);
      mkdirSync(dirname(out), { recursive: true });
      writeFileSync(out, drawSvg(captured, title, palette));
      console.log(out);
    }
  }
}
