import type { Actions } from "./actions.ts";
import { UserError } from "./errors.ts";
import { judgeHealth } from "./health.ts";
import { createWork, type LiveSession, type Meter, type Work } from "./session.ts";
import { defaultsOf } from "./settings.ts";
import type { Choice, Verdict } from "./status.ts";
import type { Sys } from "./sys.ts";
import type { VerbName } from "./verbs.ts";
import type { Feed } from "./watch.ts";

/** One session of the simulated fleet. */
interface Part {
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
type Said = DistributiveOmit<Verdict, "source" | "age_ms">;

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
const works = (...tools: string[]): Said => ({ status: "working", tools });
const done = (text: string): Said => ({ status: "idle_done", text, outcome: "finished" });

const plan =
  "# Move the cache to SQLite\n\n1. **Schema**: one table, `key` → `value`, with a time\n2. Read through it, write behind it\n3. Drop the old files once the new table holds them\n\n> Nothing is deleted before the tests are green.";

const parts: Part[] = [
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
      questions: [
        {
          ...{ question: "Which tone shall the guide have?", header: "Tone", multiSelect: false },
          options: [
            { label: "Plain", description: "short sentences, no jokes" },
            { label: "Playful", description: "as if a friend explained it" },
          ],
        },
      ],
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

/** A scripted fleet: what each session does is a function of the time since its start, and of what was answered. */
export function simulateFleet(startedAt: number, now: number, deeds: readonly Deed[] = []): LiveSession[] {
  const sessions = parts.flatMap((part, index) => {
    const own = deeds.filter((deed) => deed.pid === firstPid + index * 7);
    return own.some((deed) => deed.kind === "stop") ? [] : [play(part, index, startedAt, now, own)];
  });
  const badges = judgeHealth(sessions, now, defaultsOf("dashboard"));
  for (const session of sessions) session.badges = badges.get(session.key) ?? [];
  return sessions;
}

/** What the user did to a session. */
interface Deed {
  pid: number;
  kind: "answer" | "send" | "stop";
  at: number;
}

const firstPid = 4711;

function play(part: Part, index: number, startedAt: number, now: number, deeds: readonly Deed[]): LiveSession {
  const pid = firstPid + index * 7;
  const last = deeds.at(-1);
  const said: Said =
    last === undefined ? part.verdict : now - last.at < 8000 ? works(last.kind === "answer" ? "Bash" : "Read") : done("Done, as you said.");
  const since = last === undefined ? startedAt - part.forMs : now - last.at < 8000 ? last.at : last.at + 8000;
  const verdict = {
    ...said,
    ...(said.status === "limited" ? { resets_at: startedAt + 2 * 60 * minute } : {}),
    source: index % 3 === 1 ? "hook" : "session-file",
    age_ms: now - since,
  } as Verdict;
  const hours = said.status === "working" ? (now - startedAt) / (60 * minute) : 0;
  const root = `/home/dev/${part.project}`;
  return {
    key: `${pid}:sim`,
    name: part.name,
    verdict,
    since,
    cwd: root,
    model: part.model,
    sessionId: `00000000-0000-4000-8000-${String(pid).padStart(12, "0")}`,
    pid,
    startedAt: startedAt - part.forMs - 20 * minute,
    kind: "interactive",
    entrypoint: "cli",
    version: "2.1.329",
    profile: part.profile,
    worktree: root,
    branch: part.branch,
    agents: (part.agents ?? []).map((words, number) => {
      const [type = "", description = ""] = words.split(": ");
      return { id: `a${number}`, type, description, model: "claude-haiku-4-5", isRunning: number > 0, transcript: "" };
    }),
    work: simulateWork(part, index, root, now),
    meter: simulateMeter(part, hours),
    badges: [],
  };
}

function simulateMeter(part: Part, hours: number): Meter {
  const window = part.model.includes("opus") ? 1_000_000 : 200_000;
  const percent = Math.min(99, part.context + hours * 10);
  return {
    source: "transcript",
    contextPercent: percent,
    contextWindow: window,
    contextTokens: Math.round((window * percent) / 100),
    costUsd: part.costUsd + part.burn * hours,
    ...(part.burn > 0 ? { burnUsdPerHour: part.burn } : {}),
    tokens: Math.round(part.costUsd * 410_000),
  };
}

function simulateWork(part: Part, index: number, root: string, now: number): Work {
  const work = createWork();
  for (const [tool, count] of Object.entries(part.tools ?? {})) work.tools.set(tool, count);
  for (const [number, file] of (part.files ?? []).entries())
    work.files.set(`${root}/${file}`, { edits: 1 + ((index + number * 3) % 6), at: now - (number + 1) * 90_000 });
  if (part.failed !== undefined) {
    work.failedInRow = part.failed;
    work.failingTool = "Bash";
    work.errors.push({ at: now - 30_000, tool: "Bash", text: "1 test failed: ledger keeps cents (expected 100, got 99)" });
  }
  // A wave of its own for each, the same at each run.
  const slot = Math.floor(now / 30_000);
  for (let step = 0; step < 60; step++) {
    const count = Math.max(0, Math.round(3 * Math.sin((slot - step + index * 5) / 4) + 1));
    for (let event = 0; event < count; event++) work.times.push((slot - step) * 30_000 + event);
  }
  work.at = now - 4000;
  return work;
}

const simulatedDeeds: Partial<Record<VerbName, [Deed["kind"], words: string]>> = {
  allow: ["answer", ": Yes"],
  deny: ["answer", ": No"],
  answer: ["answer", ": answered"],
  send: ["send", " has the message (simulated)"],
  stop: ["stop", " is told to end"],
};

/** The fleet as a source for the dashboard; what is done to it has its effect. */
export function createSimulation(sys: Pick<Sys, "now" | "sleep">): { feed: Feed<LiveSession>; actions: Actions } {
  const startedAt = sys.now();
  const deeds: Deed[] = [];
  const refuse = () => Promise.reject(new UserError("the fleet is simulated", "csm demo starts real sessions in a sandbox"));
  return {
    feed: {
      read: async () => ({ sessions: simulateFleet(startedAt, sys.now(), deeds) }),
      next: (timeoutMs) => sys.sleep(Math.min(timeoutMs, 500)),
      close: () => undefined,
    },
    actions: {
      async act(verb, session) {
        const [kind, words] = simulatedDeeds[verb] ?? (await refuse());
        if (session === undefined) return refuse();
        deeds.push({ pid: session.pid, kind, at: sys.now() });
        return `${session.name}${words}`;
      },
      planFocus: refuse,
      show: refuse,
    },
  };
}
