import { expect, test } from "bun:test";
import { type ChannelEvent, toSignals } from "../src/channel.ts";
import type { SessionFile } from "../src/claude-session.ts";
import { decideStatus, type Signals } from "../src/status.ts";

const now = Date.UTC(2026, 10, 20, 12);
const hour = 3_600_000;
const told = (event: string, at: number, more: Partial<ChannelEvent> = {}): ChannelEvent => ({ event, at: now + at, ...more });
const idle = (ageMs: number): SessionFile =>
  ({ pid: 7, sessionId: "id", cwd: "/w", version: "2.1.329", status: "idle", statusUpdatedAt: now - ageMs }) as SessionFile;

const judge = (events: ChannelEvent[], session: SessionFile, more: Partial<Signals> = {}) => {
  const verdict = decideStatus({ now, isAlive: true, session, hooks: toSignals(events, []), ...more });
  return `${verdict.status} ${"text" in verdict ? verdict.text : ""}`.trim();
};

test.each<[rule: string, events: ChannelEvent[], session: SessionFile, verdict: string]>([
  ["a prompt that the status does not tell yet", [told("UserPromptSubmit", -50)], idle(5000), "working"],
  [
    "an end that the transcript does not tell yet",
    [told("UserPromptSubmit", -900), told("Stop", -40, { text: "Done." })],
    idle(20),
    "idle_done Done.",
  ],
  ["the next prompt", [told("Stop", -900, { text: "Old." }), told("UserPromptSubmit", -50)], idle(800), "working"],
  [
    "the clock was set back by an hour while it worked",
    [told("UserPromptSubmit", hour), told("Stop", -40, { text: "Done." })],
    idle(20),
    "idle_done Done.",
  ],
  ["and the hour has passed again", [told("UserPromptSubmit", -10), told("Stop", -hour, { text: "Done." })], idle(hour), "idle_done Done."],
  ["it was set back between two turns", [told("Stop", hour, { text: "Old." }), told("UserPromptSubmit", -50)], idle(5000), "working"],
  [
    "a prompt before it was set back, and its turn was interrupted, which no hook tells",
    [told("UserPromptSubmit", hour)],
    idle(20),
    "idle_done",
  ],
  ["a prompt that the user's own hook refused", [told("UserPromptSubmit", -20_000)], idle(60_000), "idle_done"],
])("hooks: %s", (_, events, session, verdict) => expect(judge(events, session)).toBe(verdict));
