import type { Deed } from "./act.ts";
import { deedText, withRules } from "./act-feed.ts";
import { command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import type { FleetFeed } from "./fleet-feed.ts";
import { chooseFleet, fleetArgs, openFleetFeed } from "./fleet-option.ts";
import { isoTime } from "./format.ts";
import { present } from "./json.ts";
import { createLog } from "./log.ts";
import { createMonitor, type Monitor } from "./monitor.ts";
import { printableLine } from "./printable.ts";
import { type LiveSession, sessionJson } from "./session.ts";
import type { Verdict } from "./status.ts";
import { stateWords } from "./statuses.ts";
import type { Sys } from "./sys.ts";
import { type Change, eventHead, type Feed, gone, watchSessions } from "./watch.ts";

export const watchCommand = command({
  name: "csm watch",
  summary: "Print every session once, then each change as it happens, until you stop it. A heartbeat tells that it still looks.",
  args: {
    ...fleetArgs,
    json: { type: "boolean", description: "one JSON object per line" },
    format: {
      type: "string",
      valueHint: "TEMPLATE",
      description: `a line of your own, from {event} {id} {time} {name} {state} {old} {pid} {session_id} {cwd} {branch} {model} {profile} {run} {task} {cost} {context}`,
    },
    all: { type: "boolean", description: "also programs called claude of unknown profiles, other users and containers" },
    act: { type: "boolean", description: "also do what the rules and budgets of rules.toml say: notify, send, stop; a line for each deed" },
    heartbeat: { type: "string", valueHint: "SECONDS", default: "30", description: "longest silence (default: 30)" },
  },
  examples: [
    ["csm watch", ""],
    ["csm watch --json | jq -c 'select(.state.status == \"blocked\") | [.time, .name]'", "who begins to wait"],
    ["csm watch --act --json | jq -c 'select(.event == \"acted\")'", "what rules and budgets do, without csm top"],
    ["csm watch --format '{time} {name}: {old} -> {state}'", ""],
  ],
  async run({ args, app }) {
    const seconds = Number(args.heartbeat);
    if (!(seconds > 0)) throw usageError(`csm watch: --heartbeat must be a number of seconds above 0: ${args.heartbeat}`);
    const template = args.format ?? defaultTemplate;
    checkTemplate(template);
    (await import("./settings-schema.ts")).checkSettings(app.sys);
    const membership = await chooseFleet(app, "csm watch", args);
    const monitor = createMonitor(app.sys, {
      hasStrangers: args.all === true,
      hasTasks: true,
      hasLoad: args.json === true,
      hasMeter: args.json === true || args.act === true || /\{(?:cost|context)\}/.test(template),
    });
    const log = createLog(app);
    const print = (event: FleetEvent): boolean => {
      if (args.json === true) app.json<"csm watch">(eventJson(event), 0);
      else if (event.event === "heartbeat") log.info(`${clock(event.at)} watching`);
      else app.out(fillTemplate(template, event));
      return true;
    };
    const number = createNumbering();
    const onDeed = (deed: Deed) => {
      if (args.json === true) app.json<"csm watch">(deedJson(deed, number(undefined, app.sys.now())), 0);
      else app.out(printableLine(`${clock(app.sys.now())} acted ${deedText(deed)}`));
    };
    try {
      const local = args.act === true ? await openActing(app.sys, monitor, onDeed) : monitor;
      const fleet = membership === undefined ? undefined : await openFleetFeed(app.sys, local, membership, true);
      const feed = fleet === undefined ? local : tellingFeed(fleet, (words) => log.warn(`csm watch: ${words}`));
      await watchSessions(feed, app.sys.now, (change) => print(number(change, app.sys.now())), seconds * 1000);
    } finally {
      monitor.close();
    }
  },
});

/** The fleet, with a line each time that it is not reached any more. */
function tellingFeed(fleet: FleetFeed, tell: (words: string) => void): Feed<LiveSession> {
  let told: string | undefined;
  const read = () => {
    const failure = fleet.failure();
    // That there is no way is told once, whatever is found to be the reason later.
    if (failure !== undefined && told === undefined) tell(`${printableLine(failure)}; trying on`);
    told = failure;
    return fleet.read();
  };
  return { ...fleet, read };
}

/** What the actor cannot do ends the watch, as what the monitor cannot does. */
async function openActing(sys: Sys, monitor: Monitor, onDeed: (deed: Deed) => void): Promise<Feed<LiveSession>> {
  const { createActions } = await import("./actions.ts");
  let failure: { error: unknown } | undefined;
  const onFailure = (error: unknown) => {
    failure = { error };
  };
  const { feed } = withRules(sys, monitor, { actions: createActions(sys, monitor), onDeed, onFailure });
  const read = () => {
    if (failure !== undefined) throw failure.error;
    return feed.read();
  };
  return { ...feed, read };
}

/** What `csm watch` tells; `id` counts from 1 and `at` is epoch ms. */
interface FleetEvent {
  event: "initial" | "change" | "gone" | "heartbeat";
  id: number;
  at: number;
  session?: LiveSession;
  /** The state before; undefined for one that was not there. */
  old?: Verdict;
}

/** Makes a numbered event of each change, and a heartbeat of a silence. */
export function createNumbering(): (change: Change<LiveSession> | undefined, at: number) => FleetEvent {
  let id = 0;
  return (change, at) => {
    id++;
    if (change === undefined) return { event: "heartbeat", id, at };
    const { kind, session, old } = change;
    const event = kind === "first" ? "initial" : kind === "new" ? "change" : kind;
    const ended = { ...session, verdict: gone, since: at };
    return { event, id, at, session: kind === "gone" ? ended : session, ...present({ old }) };
  };
}

const defaultTemplate = "{time} {event} {name} {state}";

const clock = (at: number): string => new Date(at).toTimeString().slice(0, 8);

export const eventJson = ({ event, id, at, session, old }: FleetEvent) =>
  session === undefined
    ? { event, id, at, time: isoTime(at) ?? "" }
    : {
        ...eventHead(event, { id, at, name: session.name, old, verdict: session.verdict }),
        ...sessionJson(session),
        ...(session.machine === undefined ? {} : { machine: session.machine, stale_ms: session.staleMs ?? null }),
      };

/** A line for what a rule or a budget did; of a budget of several sessions it names none. */
export const deedJson = ({ rule, action, text, isRefused, session }: Deed, { id, at }: Pick<FleetEvent, "id" | "at">) => ({
  ...{ event: "acted" as const, id, at, time: isoTime(at) ?? "" },
  ...(session === undefined ? {} : { ...sessionJson(session), session: session.name }),
  ...{ rule, action, refused: isRefused, text },
});

const fields: Record<string, (event: FleetEvent & { session: LiveSession }) => string> = Object.assign(Object.create(null), {
  event: ({ event }: FleetEvent) => event,
  id: ({ id }: FleetEvent) => String(id),
  time: ({ at }: FleetEvent) => clock(at),
  name: ({ session }: { session: LiveSession }) => session.name,
  state: ({ session, at }: FleetEvent & { session: LiveSession }) => stateWords(session.verdict, at),
  old: ({ old, at }: FleetEvent) => (old === undefined ? "-" : stateWords(old, at)),
  pid: ({ session }: { session: LiveSession }) => String(session.pid),
  session_id: ({ session }: { session: LiveSession }) => session.sessionId ?? "-",
  cwd: ({ session }: { session: LiveSession }) => session.cwd,
  branch: ({ session }: { session: LiveSession }) => session.branch ?? "-",
  model: ({ session }: { session: LiveSession }) => session.model ?? "-",
  profile: ({ session }: { session: LiveSession }) => session.profile ?? "-",
  run: ({ session }: { session: LiveSession }) => session.task?.run ?? "-",
  task: ({ session }: { session: LiveSession }) => session.task?.id ?? "-",
  cost: ({ session }: { session: LiveSession }) => session.meter?.costUsd?.toFixed(2) ?? "-",
  context: ({ session }: { session: LiveSession }) => session.meter?.contextPercent?.toFixed(0) ?? "-",
});

export function checkTemplate(template: string): void {
  for (const [, name = ""] of template.matchAll(/\{(\w*)\}/g))
    if (fields[name] === undefined) throw usageError(`csm watch: --format has no {${name}}`, `it has ${Object.keys(fields).join(", ")}`);
}

/** Each value on one line, whatever a session calls itself. */
export function fillTemplate(template: string, event: FleetEvent): string {
  const { session } = event;
  if (session === undefined) return "";
  return template.replace(/\{(\w+)\}/g, (_, name: string) => printableLine(fields[name]?.({ ...event, session }) ?? ""));
}
