import type { Choice, Verdict } from "./status.ts";

/** One session of the simulated fleet. */
export interface Part {
  name: string;
  project: string;
  branch: string;
  profile: string;
  model: string;
  /** The state at its start, and how long it had lasted by then. */
  verdict: Said;
  forMs: number;
  context: number;
  costUsd: number;
  burn: number;
  agents?: string[];
  files?: string[];
  failed?: number;
  tools?: Record<string, number>;
}

type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;
export type Said = DistributiveOmit<Verdict, "source" | "age_ms">;

const minute = 60_000;

const choice = (option: number, label: string, meaning: string): Choice => ({ option, label, meaning });
const permission = [
  choice(1, "Yes", "allow-once"),
  choice(2, "Yes, and don't ask again for: npm *", "allow-always"),
  choice(3, "Yes, and switch to auto mode", "mode-switch"),
  choice(4, "No", "refuse"),
];
const gate = (tool: string, input: unknown, prompt = "Do you want to proceed?"): Said => ({
  status: "blocked",
  gate: "permission",
  prompt,
  tool,
  input,
  options: permission.map(({ label }) => label),
  choices: permission,
});
export const works = (...tools: string[]): Said => ({ status: "working", tools });
export const done = (text: string): Said => ({ status: "idle_done", text, outcome: "finished" });

const plan =
  "# Move the cache to SQLite\n\n1. **Schema**: one table, `key` → `value`, with a time\n2. Read through it, write behind it\n3. Drop the old files once the new table holds them\n\n> Nothing is deleted before the tests are green.";

export const parts: Part[] = [
  {
    name: "checkout-api",
    project: "shop",
    branch: "feat/refunds",
    profile: "work",
    model: "claude-opus-5-5",
    verdict: gate("Bash", { command: "npm run migrate -- --env staging && npm test", description: "Run the migration on staging" }),
    forMs: 4 * minute + 12_000,
    context: 41,
    costUsd: 3.82,
    burn: 2.4,
    files: ["src/refunds.ts", "src/ledger.ts"],
    tools: { Read: 18, Edit: 9, Bash: 7 },
  },
  {
    name: "cache-rewrite",
    project: "engine",
    branch: "sqlite-cache",
    profile: "work",
    model: "claude-opus-5-5",
    verdict: {
      status: "plan_ready",
      plan_file: "~/.claude/plans/move-the-cache.md",
      plan,
      options: [],
      choices: [
        choice(1, "Yes, and use auto mode", "mode-switch"),
        choice(2, "Yes, manually approve edits", "allow-once"),
        choice(3, "Tell Claude what to change", "free-text"),
      ],
    },
    forMs: minute + 31_000,
    context: 23,
    costUsd: 1.14,
    burn: 1.1,
    tools: { Read: 31, Grep: 12 },
  },
  {
    name: "docs",
    project: "handbook",
    branch: "main",
    profile: "private",
    model: "claude-sonnet-5",
    verdict: {
      status: "awaiting_answer",
      question: "Which tone shall the guide have?",
      gate: "question",
      options: ["Plain", "Playful"],
      choices: [choice(1, "Plain", "choice"), choice(2, "Playful", "choice"), choice(3, "Type something.", "free-text")],
    },
    forMs: 22_000,
    context: 12,
    costUsd: 0.21,
    burn: 0.3,
  },
  {
    name: "search-index",
    project: "engine",
    branch: "sqlite-cache",
    profile: "work",
    model: "claude-opus-5-5",
    verdict: works("Bash"),
    forMs: 9 * minute + 40_000,
    context: 68,
    costUsd: 6.4,
    burn: 3.9,
    files: ["src/index.rs", "src/query.rs", "tests/query.rs"],
    tools: { Bash: 22, Edit: 14, Read: 40 },
  },
  {
    name: "fix-flaky-tests",
    project: "shop",
    branch: "feat/refunds",
    profile: "work",
    model: "claude-sonnet-5",
    verdict: works("Edit"),
    forMs: 47_000,
    context: 86,
    costUsd: 2.09,
    burn: 1.8,
    files: ["src/ledger.ts", "test/ledger.test.ts"],
    failed: 5,
    tools: { Edit: 21, Bash: 33 },
  },
  {
    name: "survey",
    project: "research",
    branch: "main",
    profile: "private",
    model: "claude-opus-5-5",
    verdict: { status: "working", tools: [], background: ["subagent"] },
    forMs: 3 * minute,
    context: 35,
    costUsd: 4.71,
    burn: 5.2,
    agents: ["Explore: the parsers", "Explore: the writers", "general-purpose: compare both"],
    tools: { Agent: 3, Read: 8 },
  },
  {
    name: "日本語の資料",
    project: "handbook",
    branch: "ja",
    profile: "private",
    model: "claude-haiku-4-5",
    verdict: works("Write"),
    forMs: 12_000,
    context: 9,
    costUsd: 0.05,
    burn: 0.1,
    files: ["docs/はじめに.md"],
  },
  {
    name: "nightly",
    project: "ops",
    branch: "main",
    profile: "work",
    model: "claude-sonnet-5",
    verdict: { status: "limited", text: "You've hit your 5-hour limit · resets 4:05pm (UTC)", window: "five_hour", resets_at: 0 },
    forMs: 17 * minute,
    context: 54,
    costUsd: 8.9,
    burn: 0,
  },
  {
    name: "release-notes",
    project: "shop",
    branch: "main",
    profile: "work",
    model: "claude-sonnet-5",
    verdict: done("The notes for **2.4** stand in `CHANGELOG.md`:\n\n- refunds in one step\n- three bugs less"),
    forMs: 6 * minute,
    context: 18,
    costUsd: 0.4,
    burn: 0,
    files: ["CHANGELOG.md"],
  },
  {
    name: "dev-server",
    project: "shop",
    branch: "main",
    profile: "private",
    model: "claude-haiku-4-5",
    verdict: { ...done("The server runs on port 3000."), background: ["shell"] } as Said,
    forMs: 31 * minute,
    context: 7,
    costUsd: 0.03,
    burn: 0,
  },
  {
    name: "spike",
    project: "engine",
    branch: "a1b2c3d4",
    profile: "work",
    model: "claude-opus-5-5",
    verdict: { status: "idle_done", text: "", outcome: "interrupted" },
    forMs: 2 * 60 * minute,
    context: 61,
    costUsd: 2.75,
    burn: 0,
  },
];
