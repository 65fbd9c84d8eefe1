/**
 * `bun run scripts/picture.ts` draws the pictures of README into `.github/`, dark and light: real sessions in a sandbox, as tmux has
 * captured csm top, csm usage and a switch at a usage limit. Build first. `--only NAME` draws one of them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { addAccounts, createSandbox, type Sandbox, sandboxAccounts } from "../src/sandbox.ts";
import { ask, bash, hold, limit, limitHeaders, type MessageStep, plan, type Reply, type Step, say, useTool } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";

const root = join(import.meta.dir, "..");
const csm = join(root, "dist/csm");
const columns = 118;

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
          question: "Which readers shall the guide have in mind?",
          header: "Readers",
          options: [
            { label: "Newcomers", description: "Install, first session, what each screen means" },
            { label: "Operators", description: "Budgets, rules, many sessions at once" },
            { label: "Script authors", description: "csd, JSON, exit codes" },
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

/** What stands in a pane. */
const capture = async (box: Sandbox, name: string): Promise<string> =>
  (await box.run(["tmux", "-u", "capture-pane", "-e", "-p", "-N", "-t", `=${name}:`])).stdout;

const plainText = (captured: string): string => Bun.stripANSI(captured);

async function waitFor(what: string, read: () => Promise<string>, isThere: (plain: string) => boolean): Promise<void> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const plain = plainText(await read());
    if (isThere(plain)) return;
    if (Date.now() > deadline) throw new Error(`${what} does not come:\n${plain}`);
    await Bun.sleep(200);
  }
}

async function captureDashboard(): Promise<string> {
  const box = await createSandbox({ claudePath: findCheckoutClaude(), path: process.env.PATH });
  try {
    for (const part of parts) await start(box, part);
    const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
    await tmux("new-session", "-d", "-s", "top", "-x", String(columns), "-y", "41", csm, "top");
    const screen = () => capture(box, "top");
    await waitFor("a session", screen, (plain) => parts.every((part) => part.shows.test(plain)));
    await tmux("send-keys", "-t", "=top:", "/");
    await tmux("send-keys", "-t", "=top:", "-l", "docs");
    // The cursor stays where the filter has put it. Not with Esc, which would be Alt with the key that follows at once.
    await tmux("send-keys", "-t", "=top:", "Enter", "/", "C-u", "Enter");
    await tmux("send-keys", "-t", "=top:", "a");
    await waitFor("the question", screen, (plain) => plain.includes("Script authors"));
    return await screen();
  } finally {
    await box.close();
  }
}

// --- accounts --------------------------------------------------------------------------------------------------------

const hour = 3_600_000;
const windows: Readonly<Record<string, [fiveHour: number, week: number]>> = { main: [91, 62], spare: [18, 47] };

/** What an account has left goes with each of its answers, and its status line tells csm. */
function headersOf(account: string): Record<string, string> {
  const [fiveHour = 0, week = 0] = windows[account] ?? [];
  return {
    ...limitHeaders("allowed", "seven_day", Date.now() + 71.5 * hour, week),
    ...limitHeaders("allowed", "five_hour", Date.now() + 2.45 * hour, fiveHour),
  };
}

/** Two accounts, both used a moment ago, and a shell that has csm: what a person types there, and sees. */
async function openAccounts(rows: number, play: (account: string, said: string) => Reply | undefined) {
  const box = await createSandbox({
    ...{ claudePath: findCheckoutClaude(), path: `${dirname(csm)}:${process.env.PATH}`, login: "subscription" },
    fallback: ({ headers, body }) => {
      const account = headers["x-profile"] ?? sandboxAccounts[0];
      return play(account, JSON.stringify(body.messages)) ?? say("Done.", { headers: headersOf(account) });
    },
  });
  addAccounts(box, csm);
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  const open = (name: string, height: number, ...words: string[]) =>
    tmux("new-session", "-d", "-s", name, "-x", String(columns), "-y", String(height), "-c", box.folder("checkout-api"), ...words);
  const usage = async () => (await box.run([csm, "usage"])).stdout;
  for (const account of sandboxAccounts) {
    await open(account, 24, csm, "--profile", account, "Hello");
    const seen = async () => (await usage()) + (await capture(box, account));
    await waitFor(`the use of ${account}`, seen, (plain) => plain.includes(`  ${windows[account]?.[0]}% in`));
    await tmux("kill-session", "-t", `=${account}`);
  }
  const type = async (name: string, text: string) => {
    await tmux("send-keys", "-t", `=${name}:`, "-l", text);
    await tmux("send-keys", "-t", `=${name}:`, "Enter");
  };
  const shows = (name: string, text: string) =>
    waitFor(
      text,
      () => capture(box, name),
      (plain) => plain.includes(text),
    );
  const openShell = async (name: string, height: number) => {
    await open(name, height, "env", "PS1=\\[\\e[1;32m\\]$\\[\\e[0m\\] ", "bash", "--norc", "--noprofile", "-i");
    await shows(name, "$ ");
  };
  await openShell("shell", rows);
  return { box, type, shows, openShell };
}

async function captureAccounts(): Promise<string> {
  const { box, type, shows } = await openAccounts(20, () => undefined);
  try {
    await type("shell", "csm usage");
    await shows("shell", "spare");
    await type("shell", "csm pick-account main --explain   # who goes on where main is used up");
    await shows("shell", "the current one");
    return await capture(box, "shell");
  } finally {
    await box.close();
  }
}

/** A turn meets the limit, and goes on under the other account; below it what csm says of that. */
async function captureSwitch(): Promise<string> {
  const { box, type, shows, openShell } = await openAccounts(26, (account, said) => {
    if (!said.includes("refund model")) return undefined;
    if (!said.includes("refund route")) return say("The refund model is in `refunds.ts`, with 4 tests.", { headers: headersOf(account) });
    if (account === sandboxAccounts[0]) return limit("five_hour", Date.now() + 2.45 * hour);
    return say("The refund route is in `routes/refunds.ts`; all 11 tests pass.", { headers: headersOf(account) });
  });
  try {
    await type("shell", "csm --profile main 'Add the refund model'");
    await shows("shell", "with 4 tests");
    await type("shell", "Now the refund route");
    await shows("shell", "all 11 tests pass");
    await openShell("below", 10);
    await type("below", "csm log");
    await shows("below", "went on in spare");
    await type("below", "csm usage");
    await shows("below", "limit hit");
    return `${await capture(box, "shell")}\u001b[90m${"─".repeat(columns)}\u001b[0m\n${await capture(box, "below")}`;
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
function applyCodes(look: Look, given: number[], colors: Palette): Look {
  let next = { ...look };
  // A colour of claude's own theme, in five numbers or three, would be right on one ground alone.
  const codes = given
    .join(";")
    .replaceAll(/[34]8;(?:2;\d+;\d+;\d+|5;\d+)/g, "39")
    .split(";")
    .map(Number);
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
  const all = capture.trimEnd().split("\n");
  const lines = all.slice(all.findIndex((line) => Bun.stripANSI(line).trim() !== ""));
  const width = columns * cell.width + 2 * margin;
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
  dashboard: { title: "csm top: who waits for you and for what, who works, what it costs", capture: captureDashboard },
  accounts: { title: "csm usage: two accounts, what is left of their windows, and who works next", capture: captureAccounts },
  switch: { title: "a session that meets its usage limit and goes on under the other account", capture: captureSwitch },
};

/** In a process table of its own: the sessions of others on this machine are none of the picture's. */
function runAlone(): number | undefined {
  if (process.env.CSM_PICTURE_ALONE !== undefined || Bun.which("unshare") === null) return undefined;
  const words = ["unshare", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--pid", "--fork", "--mount-proc"];
  const env = { ...process.env, CSM_PICTURE_ALONE: "1" };
  return Bun.spawnSync([...words, process.execPath, ...process.argv.slice(1)], { env, stdio: ["inherit", "inherit", "inherit"] }).exitCode;
}

if (import.meta.main) {
  const code = runAlone();
  if (code !== undefined) process.exit(code);
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  for (const [name, { title, capture: take }] of Object.entries(pictures)) {
    if (values.only !== undefined && values.only !== name) continue;
    const captured = await take();
    for (const [theme, palette] of Object.entries(palettes)) {
      const out = join(root, ".github", `${name}${theme === "dark" ? "" : `-${theme}`}.svg`);
      mkdirSync(dirname(out), { recursive: true });
      writeFileSync(out, drawSvg(captured, title, palette));
      console.log(out);
    }
  }
}
