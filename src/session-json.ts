import type { LiveSession } from "./monitor-session.ts";

/** A session as `csm ls --json` and `csm watch --json` print it: keys are only ever added. */
export const sessionJson = ({ verdict, work, meter, ...session }: LiveSession) => ({
  name: session.name,
  state: verdict,
  since: session.since,
  cwd: session.cwd,
  model: session.model ?? null,
  session_id: session.sessionId ?? null,
  pid: session.pid,
  entrypoint: session.entrypoint ?? null,
  version: session.version ?? null,
  driver: session.driver ?? null,
  key: session.key,
  kind: session.kind,
  profile: session.profile ?? null,
  config_dir: session.configDir ?? null,
  where: session.where ?? "here",
  note: session.note ?? null,
  started_at: session.startedAt ?? null,
  tmux: session.tmux ?? null,
  worktree: session.worktree ?? null,
  branch: session.branch ?? null,
  transcript: session.transcript ?? null,
  agents: session.agents.map((agent) => ({
    id: agent.id,
    type: agent.type,
    description: agent.description,
    model: agent.model ?? null,
    running: agent.isRunning,
  })),
  badges: session.badges.map((badge) => ({ kind: badge.kind, alarm: badge.isAlarm, text: badge.text })),
  files: [...work.files].map(([path, { edits, at }]) => ({ path, edits, at })),
  ...(meter === undefined
    ? {}
    : {
        usage: {
          source: meter.source,
          context_percent: meter.contextPercent ?? null,
          context_tokens: meter.contextTokens ?? null,
          context_window: meter.contextWindow ?? null,
          tokens: meter.tokens ?? null,
          cost_usd: meter.costUsd ?? null,
          partly_unpriced: meter.isPartlyUnpriced === true,
          burn_usd_per_hour: meter.burnUsdPerHour ?? null,
        },
      }),
});
