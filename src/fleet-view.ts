import type { Machine } from "./fleet.ts";
import type { FleetSession } from "./fleet-schema.ts";
import { type Column, duration, fitPath, table, timed } from "./format.ts";
import { roleStyles, type TableOptions } from "./session.ts";
import type { Status } from "./status.ts";
import { statuses, statusRow } from "./statuses.ts";

/** A session anywhere, and how old the word of it is: undefined for one of this machine. */
interface FleetRow {
  machine: string;
  session: FleetSession;
  staleMs?: number;
}

/** Those of machines that are heard of are as good as new; the others have the age of what they told last. */
export const rowsOf = (machines: readonly Machine[], now: number): FleetRow[] =>
  machines.flatMap(({ name, isLive, state }) =>
    (state?.sessions ?? []).map((session) => ({
      machine: name,
      session,
      ...(isLive ? {} : { staleMs: Math.max(0, now - (state?.at ?? now)) }),
    })),
  );

const statusOf = ({ status }: FleetSession): Status => statuses.find((known) => known === status) ?? "unknown";

const order = (row: FleetRow): number => statuses.indexOf(statusOf(row.session));

/** A table of all machines; what nobody hears of now is dim, with its age. */
export function renderFleet(rows: readonly FleetRow[], { now, paint, columns: maxWidth }: Omit<TableOptions, "home">): string[] {
  const sorted = [...rows].sort(
    (a, b) =>
      Number(a.staleMs !== undefined) - Number(b.staleMs !== undefined) || a.machine.localeCompare(b.machine) || order(a) - order(b),
  );
  const styleOf = (row: number) => {
    const shown = sorted[row];
    return shown === undefined || shown.staleMs !== undefined ? "dim" : roleStyles[statusRow(statusOf(shown.session)).role];
  };
  const hasTitles = sorted.some(({ session }) => (session.title ?? "") !== "");
  const columns: Column[] = [
    { title: "MACHINE", minWidth: 7 },
    { title: "NAME", minWidth: 10 },
    { title: "STATE", minWidth: 8, paint: (text, row) => paint(styleOf(row), text) },
    { title: "SINCE" },
    ...(hasTitles ? [{ title: "TITLE", minWidth: 20 }] : []),
    { title: "CWD", minWidth: 8, fit: fitPath },
    { title: "PROFILE", minWidth: 5 },
    { title: "SESSION", minWidth: 6 },
  ];
  const cells = sorted.map(({ machine, session, staleMs }) => [
    machine,
    session.name,
    staleMs === undefined ? session.words : `${session.words}, ${duration(staleMs)} ago`,
    duration(Math.max(0, now - session.since_at)),
    ...(hasTitles ? [session.title ?? ""] : []),
    session.cwd ?? "-",
    session.profile ?? "-",
    session.session_id?.slice(0, 8) ?? "-",
  ]);
  const [title = "", ...lines] = table(columns, cells, maxWidth);
  return [paint("bold", title), ...lines];
}

/** A session of another machine, as `csm ls --json` prints it. */
export const fleetRowJson = ({ machine, session, staleMs }: FleetRow) => ({
  id: `${machine}/${session.session_id ?? session.name}`,
  machine,
  stale_ms: staleMs ?? null,
  name: session.name,
  session_id: session.session_id,
  status: session.status,
  words: session.words,
  source: session.source,
  gate_id: session.gate_id ?? null,
  ...timed("since", session.since_at),
  cwd: session.cwd,
  profile: session.profile,
  model: session.model,
  kind: session.kind,
  driver: session.driver,
  agents: session.agents,
  title: session.title ?? null,
  context_percent: session.context_percent,
  cost_usd: session.cost_usd,
  tokens: session.tokens,
});
