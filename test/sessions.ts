import { createWork, type LiveSession } from "../src/session.ts";
import type { Verdict } from "../src/status.ts";

export const testNow = Date.UTC(2026, 10, 20, 12, 0, 0);

/** A session for tests of what is shown: idle, unless told. */
export function session(
  name: string,
  verdict: Partial<Verdict> & { status: Verdict["status"] },
  more: Partial<LiveSession> = {},
): LiveSession {
  const pid = more.pid ?? 100 + [...name].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  return {
    key: `${pid}:1`,
    name,
    verdict: { source: "session-file", age_ms: 5000, text: "", outcome: "finished", tools: [], ...verdict } as unknown as Verdict,
    since: testNow - 5000,
    cwd: `/home/dev/${name}`,
    model: "claude-opus-5-5",
    sessionId: `0b0e0000-0000-4000-8000-${String(pid).padStart(12, "0")}`,
    pid,
    kind: "interactive",
    entrypoint: "cli",
    version: "2.1.329",
    configDir: "/home/dev/.claude",
    agents: [],
    work: createWork(),
    badges: [],
    ...more,
  };
}

export const blocked = (name: string, command: string, more: Partial<LiveSession> = {}): LiveSession =>
  session(
    name,
    {
      status: "blocked",
      gate: "permission",
      prompt: "Do you want to proceed?",
      tool: "Bash",
      input: { command },
      options: ["Yes", "No"],
      choices: [
        { option: 1, label: "Yes", meaning: "allow-once" },
        { option: 2, label: "No", meaning: "refuse" },
      ],
    } as Partial<Verdict> & { status: "blocked" },
    { since: testNow - 130_000, ...more },
  );
