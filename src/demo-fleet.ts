import type { Actions } from "./dashboard-actions.ts";
import { done, type Part, parts, type Said, works } from "./demo-parts.ts";
import { UserError } from "./errors.ts";
import { judgeHealth } from "./health.ts";
import type { Feed } from "./monitor.ts";
import type { LiveSession, Meter } from "./monitor-session.ts";
import type { Verdict } from "./status.ts";
import type { Sys } from "./sys.ts";
import { createWork, type Work } from "./work.ts";

/** A scripted fleet: what each session does is a function of the time since its start, and of what was answered. */
export function simulateFleet(startedAt: number, now: number, deeds: readonly Deed[] = []): LiveSession[] {
  const sessions = parts.flatMap((part, index) => {
    const own = deeds.filter((deed) => deed.pid === firstPid + index * 7);
    return own.some((deed) => deed.kind === "stop") ? [] : [play(part, index, startedAt, now, own)];
  });
  const badges = judgeHealth(sessions, now);
  for (const session of sessions) session.badges = badges.get(session.key) ?? [];
  return sessions;
}

/** What the user did to a session. */
export interface Deed {
  pid: number;
  kind: "answer" | "send" | "stop";
  at: number;
}

const minute = 60_000;
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

/** The fleet as a source for the dashboard; what is done to it has its effect. */
export function createSimulation(sys: Pick<Sys, "now" | "sleep">): { feed: Feed; actions: Actions } {
  const startedAt = sys.now();
  const deeds: Deed[] = [];
  const act = (session: LiveSession, kind: Deed["kind"], words: string): Promise<string> => {
    deeds.push({ pid: session.pid, kind, at: sys.now() });
    return Promise.resolve(words);
  };
  const refuse = () => Promise.reject(new UserError("the fleet is simulated", "csm demo starts real sessions in a sandbox"));
  return {
    feed: {
      read: async () => ({ sessions: simulateFleet(startedAt, sys.now(), deeds) }),
      next: (timeoutMs) => sys.sleep(Math.min(timeoutMs, 500)),
      close: () => undefined,
    },
    actions: {
      answer: (session, wish) => act(session, "answer", `${session.name}: ${wish === "refuse" ? "No" : "Yes"}`),
      send: (session) => act(session, "send", `${session.name} has the message (simulated)`),
      stop: (session) => act(session, "stop", `${session.name} is told to end`),
      start: refuse,
      planFocus: refuse,
      focus: refuse,
    },
  };
}
