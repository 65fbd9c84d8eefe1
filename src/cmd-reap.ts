import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, usageError } from "./errors.ts";
import { duration, table } from "./format.ts";
import { readProcessTable } from "./process-table.ts";
import { type Ending, endOrphans, type Orphan, planReap, readSessionsForReap } from "./reap.ts";
import { profileDirs } from "./registry.ts";
import { printableLine } from "./sanitize.ts";
import { readFoundSessions } from "./session-files.ts";

export const reapCommand = command({
  name: "csm reap",
  summary: "List processes (MCP servers, shells) that outlived the claude that started them, and end them with --yes.",
  args: {
    yes: { type: "boolean", alias: "y", description: "end what is listed: SIGTERM, and SIGKILL for what is still there after 3 s" },
    "dry-run": { type: "boolean", description: "list only (as without --yes)" },
    term: { type: "boolean", description: "with --yes: SIGTERM only" },
    all: { type: "boolean", description: "also of sessions that may have ended in order: you may have left these running on purpose" },
    session: { type: "string", valueHint: "ID", description: "only of this session; the first characters of its id do" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm reap", "what dead sessions left, and how we know; nothing is ended"],
    ["csm reap --yes", "end it"],
    ["csm reap --all --session 1f3a", "what session 1f3a… left, however it ended"],
  ],
  async run({ args, app }) {
    if (args.yes === true && args["dry-run"] === true) throw usageError("csm reap: --yes and --dry-run contradict each other");
    if (args.term === true && args.yes !== true) throw usageError("csm reap: --term only says how to end: give --yes too");
    const { orphans, hidden } = await findOrphans(app, args);
    const endings = args.yes === true ? await endAll(app, args, orphans) : undefined;
    if (args.json === true) app.out(JSON.stringify({ orphans: orphans.map((orphan) => toJson(orphan, endings)), hidden }, null, 2));
    else report(app, orphans, hidden, endings);
    if ([...(endings?.values() ?? [])].some((ending) => ending === "failed" || ending === "running"))
      throw new SilentExit(exitCode.failure);
  },
});

interface Scope {
  all?: boolean | undefined;
  session?: string | undefined;
}

/** `hidden` counts what only --all would list. */
async function findOrphans({ sys }: App, { all, session }: Scope): Promise<{ orphans: Orphan[]; hidden: number }> {
  const processes = await readProcessTable(sys);
  const sessions = await readSessionsForReap(sys, await readFoundSessions(sys, profileDirs(sys)), processes);
  const found = planReap({ table: processes, ownPid: sys.pid, ...sessions });
  const wanted = found.filter(({ sessionId }) => session === undefined || sessionId?.startsWith(session));
  const orphans = wanted.filter(({ isCrash }) => all === true || isCrash);
  return { orphans, hidden: wanted.length - orphans.length };
}

const maxRounds = 3;

/** Also what the orphans started while they were being ended, which is added to them. */
async function endAll(app: App, args: Scope & { term?: boolean | undefined }, orphans: Orphan[]): Promise<Map<number, Ending>> {
  const endings = new Map<number, Ending>();
  for (let round = 0, next = orphans; round < maxRounds && next.length > 0; round++) {
    for (const [pid, ending] of await endOrphans(app.sys, next, args.term === true)) endings.set(pid, ending);
    next = (await findOrphans(app, args)).orphans.filter(({ row }) => !endings.has(row.pid));
    if (round < maxRounds - 1) orphans.push(...next);
  }
  return endings;
}

const endingWords: Record<Ending, string> = {
  ended: "ended",
  killed: "killed",
  gone: "was gone",
  running: "STILL RUNS",
  failed: "NOT PERMITTED",
};

function report(
  { sys, out, tell, paint, columns }: App,
  orphans: Orphan[],
  hidden: number,
  endings: Map<number, Ending> | undefined,
): void {
  const more = `${hidden} more of sessions that may have ended in order: csm reap --all lists them`;
  if (orphans.length === 0) {
    out("no orphaned processes");
    if (hidden > 0) tell(more);
    return;
  }
  const rows = orphans.map(({ row, sessionId, why }) => [
    ...(endings === undefined ? [] : [endingWords[endings.get(row.pid) ?? "gone"]]),
    String(row.pid),
    duration(sys.now() - row.startedAt),
    sessionId?.slice(0, 8) ?? "-",
    printableLine(row.command).slice(0, 200),
    why,
  ]);
  const titles = [
    { title: "PID" },
    { title: "AGE" },
    { title: "SESSION" },
    { title: "COMMAND", minWidth: 16 },
    { title: "WHY", minWidth: 24 },
  ];
  const [title = "", ...lines] = table([...(endings === undefined ? [] : [{ title: "RESULT" }]), ...titles], rows, columns);
  out([paint("bold", title), ...lines].join("\n"));
  if (endings === undefined) tell(`\nnothing was ended; csm reap --yes ends ${orphans.length === 1 ? "it" : `these ${orphans.length}`}`);
  if (hidden > 0) tell(more);
}

const toJson = ({ row, sessionId, claudePid, why, isCrash }: Orphan, endings: Map<number, Ending> | undefined) => ({
  pid: row.pid,
  ppid: row.ppid,
  started_at: row.startedAt,
  command: printableLine(row.command),
  session_id: sessionId ?? null,
  claude_pid: claudePid ?? null,
  crashed: isCrash,
  why,
  ...(endings === undefined ? {} : { result: endings.get(row.pid) ?? "gone" }),
});
