import { resolveSessionId } from "./candidates.ts";
import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, usageError } from "./errors.ts";
import { type Column, duration, table, timed } from "./format.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import { readProcessTable } from "./process-table.ts";
import { profileDirs } from "./profiles.ts";
import { type Ending, endOrphans, type Orphan, planReap, readSessionsForReap, reapColumns, shortCommand } from "./reap.ts";
import { readSessions } from "./sessions.ts";

export const reapCommand = command({
  name: "csm reap",
  acts: true,
  summary: "List processes (MCP servers, shells) that outlived the claude that started them, and end them with --yes.",
  args: {
    yes: { type: "boolean", alias: "y", description: "end what is listed: SIGTERM, and SIGKILL for what is still there after 3 s" },
    "dry-run": { type: "boolean", description: "list only (as without --yes)" },
    term: { type: "boolean", description: "SIGTERM only" },
    all: { type: "boolean", description: "also of sessions that may have ended in order: you may have left these running on purpose" },
    session: {
      type: "string",
      valueHint: "WHICH",
      kind: "anywhere",
      description: "only of this session: its id or the beginning of it, its title or its name",
    },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm reap", "what dead sessions left, and how we know; nothing is ended"],
    ["csm reap --yes", "end it"],
    ["csm reap --all --session 1f3a", "what session 1f3a… left, however it ended"],
  ],
  async run({ args, app }) {
    if (args.yes === true && args["dry-run"] === true) throw usageError("csm reap: --yes and --dry-run contradict each other");
    const { orphans, hidden } = await findOrphans(app, args);
    const chosen = await choose(app, args, orphans);
    const endings = chosen === undefined ? undefined : await endAll(app, args, orphans, chosen);
    const shown = chosen ?? orphans;
    if (args.json === true) app.json<"csm reap">({ orphans: shown.map((orphan) => toJson(orphan, endings)), hidden });
    else report(app, shown, hidden, endings);
    if ([...(endings?.values() ?? [])].some(isFailed)) throw new SilentExit(exitCode.failure);
  },
});

interface Scope {
  all?: boolean | undefined;
  session?: string | undefined;
}

/** `hidden` counts what only --all would list. */
async function findOrphans({ sys }: App, { all, session }: Scope): Promise<{ orphans: Orphan[]; hidden: number }> {
  const processes = [...(await readProcessTable(sys, reapColumns)).values()];
  const sessions = await readSessionsForReap(sys, await readSessions(sys, profileDirs(sys)), processes);
  const found = planReap({ table: processes, ownPid: sys.pid, ...sessions });
  const known = found.flatMap(({ sessionId }) => sessionId ?? []);
  const chosen = session === undefined ? undefined : await resolveSessionId(sys, session, known);
  const wanted = found.filter(({ sessionId }) => chosen === undefined || sessionId === chosen);
  const orphans = wanted.filter(({ isCrash }) => all === true || isCrash);
  return { orphans, hidden: wanted.length - orphans.length };
}

interface Flags extends Scope {
  yes?: boolean | undefined;
  "dry-run"?: boolean | undefined;
  term?: boolean | undefined;
  json?: boolean | undefined;
}

/** Undefined where nothing is to be ended. */
async function choose(app: App, args: Flags, orphans: Orphan[]): Promise<Orphan[] | undefined> {
  if (args.yes === true) return orphans;
  const canAsk = app.isInteractive && app.sys.isTerminal(1);
  if (orphans.length === 0 || args["dry-run"] === true || args.json === true || !canAsk) return undefined;
  app.out(`${renderTable(app, orphans, undefined)}\n`);
  const { promptMany } = await import("./prompts.ts");
  const choices = orphans.map((orphan) => ({
    value: orphan,
    label: `${orphan.row.pid}  ${printableLine(shortCommand(orphan.row)).slice(0, 60)}`,
  }));
  const chosen = await promptMany("End which? (space: choose, a: all, enter: go)", choices, false);
  if (chosen === undefined) throw new SilentExit(exitCode.interrupted);
  return chosen.length === 0 ? undefined : chosen;
}

const maxRounds = 3;

/** Also what they started while they were being ended, which is added to the chosen ones. */
async function endAll(app: App, args: Flags, listed: readonly Orphan[], chosen: Orphan[]): Promise<Map<number, Ending>> {
  const endings = new Map<number, Ending>();
  const spared = new Set(listed.filter((orphan) => !chosen.includes(orphan)).map(({ row }) => row.pid));
  for (let round = 0, next = chosen; round < maxRounds && next.length > 0; round++) {
    if (next !== chosen) chosen.push(...next);
    for (const [pid, ending] of await endOrphans(app.sys, next, { isTermOnly: args.term === true })) endings.set(pid, ending);
    const { orphans } = await findOrphans(app, args);
    next = orphans.filter(({ row }) => !endings.has(row.pid) && !spared.has(row.pid) && !spared.has(row.ppid));
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

function report(app: App, orphans: Orphan[], hidden: number, endings: Map<number, Ending> | undefined): void {
  app.out(orphans.length === 0 ? "no orphaned processes" : renderTable(app, orphans, endings));
  if (orphans.length > 0 && endings === undefined)
    app.tell(`\nnothing was ended; csm reap --yes ends ${orphans.length === 1 ? "it" : `these ${orphans.length}`}`);
  if (hidden > 0) app.tell(`${hidden} more of sessions that may have ended in order: csm reap --all lists them`);
}

function renderTable(app: Pick<App, "sys" | "paint" | "columns">, orphans: Orphan[], endings: Map<number, Ending> | undefined): string {
  const rows = orphans.map((orphan) => ({ ...orphan, session: orphan.sessionId?.slice(0, 8) ?? "-" }));
  return renderProcesses(app, rows, endings);
}

const columns: Column[] = [
  { title: "PID" },
  { title: "AGE" },
  { title: "SESSION" },
  { title: "COMMAND", minWidth: 16 },
  { title: "WHY", minWidth: 24 },
];

/** Processes that are to end, or have been ended. */
export function renderProcesses(
  { sys, paint, columns: width }: Pick<App, "sys" | "paint" | "columns">,
  processes: readonly (Pick<Orphan, "row" | "why"> & { session: string })[],
  endings: ReadonlyMap<number, Ending> | undefined,
): string {
  const rows = processes.map(({ row, session, why }) => [
    ...(endings === undefined ? [] : [endingWords[endings.get(row.pid) ?? "gone"]]),
    String(row.pid),
    duration(sys.now() - row.startedAt),
    printableLine(session),
    printableLine(shortCommand(row)).slice(0, maxCommand),
    why,
  ]);
  const [title = "", ...lines] = table([...(endings === undefined ? [] : [{ title: "RESULT" }]), ...columns], rows, width);
  return [paint("bold", title), ...lines].join("\n");
}

/** Off a terminal nothing is cut to its width, and a command may be endless. */
const maxCommand = 100;

export const isFailed = (ending: Ending | undefined): boolean => ending === "failed" || ending === "running";

const toJson = (orphan: Orphan, endings: ReadonlyMap<number, Ending> | undefined) => {
  const { why, result, ...process } = processJson(orphan, endings);
  return { ...process, crashed: orphan.isCrash, why, ...present({ result }) };
};

export const processJson = ({ row, sessionId = "", claudePid, why }: Orphan, endings: ReadonlyMap<number, Ending> | undefined) => ({
  pid: row.pid,
  ppid: row.ppid,
  ...timed("started", row.startedAt),
  command: printableLine(row.command),
  session_id: sessionId === "" ? null : sessionId,
  claude_pid: claudePid ?? null,
  why,
  ...present({ result: endings && (endings.get(row.pid) ?? "gone") }),
});
