import { join } from "node:path";
import { parseScreen } from "./claude-screen.ts";
import { parseSessionFile, type SessionFile } from "./claude-session.ts";
import { createDriver, findTranscript, needsScreen, readAll, readTranscriptTurn, settle } from "./driver.ts";
import { sessionFilePath, sessionsDir } from "./paths.ts";
import { isElsewhere, isOwner, readProcesses } from "./process.ts";
import type { Sidecar } from "./sidecar.ts";
import type { Signals, Verdict } from "./status.ts";
import type { Sys } from "./sys.ts";
import { createTmux } from "./tmux.ts";

/** A live session of one config dir, whoever started it. */
export interface LiveSession {
  name: string;
  verdict: Verdict;
  /** Epoch ms at which the state began, as far as its source tells. */
  since: number;
  cwd: string;
  /** Of the newest answer; undefined before the first. */
  model?: string;
  /** Undefined while a startup dialog is up and csd does not know the session. */
  sessionId?: string;
  pid: number;
  /** `cli`, or `sdk-cli` for `claude -p`. */
  entrypoint?: string;
  version?: string;
  /** Name under which csd drives it. */
  driver?: string;
}

/** All live sessions, longest waiting first within each state; files that dead processes left behind are passed over. */
export async function listSessions(sys: Sys, configDirPath: string): Promise<LiveSession[]> {
  const files = readSessionFiles(sys, configDirPath);
  const driver = createDriver(sys);
  const { sessions: driven } = await readAll(driver);
  const byPid = new Map(
    driven.flatMap(({ sidecar, verdict }) =>
      verdict.status === "dead" || sidecar.pid === undefined ? [] : [[sidecar.pid, { sidecar, verdict }]],
    ),
  );
  const processes = await readProcesses(
    sys,
    files.map((file) => file.pid),
  );
  const live = files.filter((file) => !isElsewhere(sys, file) && isOwner(processes.get(file.pid), file));
  const listed = await Promise.all(live.map((file) => describe(sys, configDirPath, file, byPid.get(file.pid))));
  // Startup dialogs come before the session file: only csd knows these sessions.
  const seen = new Set(live.map((file) => file.pid));
  for (const { sidecar, verdict } of byPid.values())
    if (!seen.has(sidecar.pid ?? 0) && sidecar.config_dir === configDirPath) listed.push(fromSidecar(sys, sidecar, verdict));
  return listed.sort((a, b) => a.since - b.since || a.pid - b.pid);
}

const readSessionFiles = (sys: Sys, configDirPath: string): SessionFile[] => {
  const dir = sessionsDir(configDirPath);
  return sys.list(dir).flatMap((name) => (/^\d+\.json$/.test(name) ? (parseSessionFile(sys.readText(join(dir, name)) ?? "") ?? []) : []));
};

async function describe(
  sys: Sys,
  configDirPath: string,
  file: SessionFile,
  driven: { sidecar: Sidecar; verdict: Verdict } | undefined,
): Promise<LiveSession> {
  let model: string | undefined;
  const readSignals = async (): Promise<Signals> => {
    const session = parseSessionFile(sys.readText(sessionFilePath(configDirPath, file.pid)) ?? "") ?? file;
    const path = findTranscript(sys, { configDir: configDirPath }, session);
    const turn = path === undefined ? undefined : await readTranscriptTurn(sys, path);
    model = turn?.model;
    const screen = driven === undefined && needsScreen(session) ? await captureScreen(sys, session) : undefined;
    return {
      now: sys.now(),
      isAlive: true,
      session,
      startedAt: session.startedAt ?? sys.now(),
      ...(turn === undefined ? {} : { turn }),
      ...(screen === undefined ? {} : { screen }),
    };
  };
  if (driven !== undefined) await readSignals();
  const verdict = driven?.verdict ?? (await settle(sys, readSignals));
  const now = sys.now();
  return {
    name: driven?.sidecar.name ?? file.name ?? file.sessionId.slice(0, 8),
    verdict,
    since: now - verdict.age_ms,
    cwd: file.cwd,
    ...(model === undefined ? {} : { model }),
    sessionId: file.sessionId,
    pid: file.pid,
    ...(file.entrypoint === undefined ? {} : { entrypoint: file.entrypoint }),
    ...(file.version === undefined ? {} : { version: file.version }),
    ...(driven === undefined ? {} : { driver: driven.sidecar.name }),
  };
}

/** The pane that the session file names, on the server of this terminal; nothing when it is another process's by now. */
async function captureScreen(sys: Sys, file: SessionFile) {
  const pane = /%\d+$/.exec(file.tmux ?? "")?.[0];
  if (pane === undefined) return undefined;
  try {
    const capture = await createTmux(sys).capture(pane);
    return capture?.pane.pid === file.pid ? parseScreen(capture.text) : undefined;
  } catch {
    // No tmux here, or another server: the gate stays without its options.
    return undefined;
  }
}

const fromSidecar = (sys: Sys, sidecar: Sidecar, verdict: Verdict): LiveSession => ({
  name: sidecar.name,
  verdict,
  since: sys.now() - verdict.age_ms,
  cwd: sidecar.cwd,
  sessionId: sidecar.session_id,
  pid: sidecar.pid ?? 0,
  driver: sidecar.name,
});
