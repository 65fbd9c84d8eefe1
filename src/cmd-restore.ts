import { resolveConversations } from "./candidates.ts";
import type { FlagTable } from "./claude-program.ts";
import { type App, command, sessionArgument } from "./cmd-record.ts";
import { ambiguous, unknownConversation } from "./conversations.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { exitCode, SilentExit, UserError, usageError } from "./errors.ts";
import { belowHome, type Column, duration, fitPath, table, timed } from "./format.ts";
import { present } from "./json.ts";
import { findClaude } from "./launch.ts";
import { readLaunches } from "./launch-record.ts";
import { findPane, showPane } from "./panes.ts";
import { findTranscript, homeDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileDirs } from "./profiles.ts";
import { readFlagTable } from "./relaunch-act.ts";
import {
  type Outcome,
  openBeside,
  openDriven,
  openSession,
  type Resumable,
  readRestorePlan,
  renderCommand,
  type TmuxPlace,
} from "./restore.ts";
import { chooseTmuxName, type Lost, labelOf, type RestorePlan, type Skipped } from "./restore-plan.ts";
import { readSessions } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer, readEnds } from "./tail.ts";
import { canLaunchBeside } from "./terminal-run.ts";
import { createTmux } from "./tmux.ts";
import { subjectOfEnds, subtitleOf, titleOf } from "./transcript-facts.ts";
import { type Conversation, openTranscriptIndex } from "./transcripts.ts";

const flags = {
  yes: { type: "boolean", alias: "y", description: "bring all of them back without asking" },
  "dry-run": { type: "boolean", description: "show the list only" },
  print: { type: "boolean", description: "print the commands instead of running them" },
  days: { type: "string", valueHint: "N", description: "how long ago a session may have been seen last (default 7)" },
  json: { type: "boolean", description: "print JSON" },
} as const;

export const restoreCommand = command({
  name: "csm restore",
  acts: true,
  summary:
    "After a restart or a crash: bring back the sessions that were open, each in a tmux session, with its folder, profile and flags.",
  args: flags,
  examples: [
    ["csm restore", "show what was open, and ask"],
    ["csm restore --yes", "bring all of it back"],
    ["csm restore --print", "the commands, to run them elsewhere"],
  ],
  run: ({ args, app }) => restore(app, args),
});

export const openCommand = command({
  name: "csm open",
  summary:
    "Open a session in a tmux window, or outside tmux in a new tab of your terminal; with --all, those that were open at the last restart or crash (csm restore).",
  args: {
    session: { ...sessionArgument, required: false, kind: "anywhere" },
    all: { type: "boolean", description: "all that were open when the machine went down" },
    ...flags,
  },
  examples: [
    ["csm open 1f3a", "session 1f3a… in a new window"],
    ["csm open 'fix the login'", "by its title"],
    ["csm open --all --yes", "as csm restore --yes"],
  ],
  async run({ args, app }) {
    if (args.all === true && args.session !== undefined) throw usageError("csm open: --all and a session exclude each other");
    if (args.all === true) return restore(app, args);
    readDays(args.days);
    if (args.session === undefined) throw usageError("csm open: SESSION is missing", "usage: csm open NAME|ID|TITLE, or csm open --all");
    await openOne(app, args.session, args);
  },
});

interface Flags {
  yes?: boolean | undefined;
  "dry-run"?: boolean | undefined;
  print?: boolean | undefined;
  days?: string | undefined;
  json?: boolean | undefined;
}

const day = 86_400_000;

async function restore(app: App, args: Flags): Promise<void> {
  const { sys } = app;
  if (args.yes === true && args["dry-run"] === true) throw usageError("--yes and --dry-run contradict each other");
  const plan = await readRestorePlan(sys, profileDirs(sys), sys.now() - readDays(args.days) * day);
  if (args.print === true) {
    const known = await readFlags(app);
    if (plan.lost.length > 0) app.out(plan.lost.map((lost) => renderCommand(sys, lost, known)).join("\n"));
    return;
  }
  if (args.json !== true) reportPlan(app, plan);
  const chosen = args["dry-run"] === true ? [] : await choose(app, args, plan.lost);
  const outcomes = await openAll(app, chosen, args.json === true);
  if (args.json === true) app.json<"csm restore">(toJson(sys, plan, outcomes));
  if ([...outcomes.values()].some(({ outcome }) => outcome === "failed")) throw new SilentExit(exitCode.failure);
}

function readDays(text: string | undefined): number {
  const days = Number(text ?? 7);
  if (!Number.isFinite(days) || days <= 0) throw usageError(`--days must be a number above 0: ${text}`);
  return days;
}

const readFlags = ({ sys }: App): Promise<FlagTable> => readFlagTable(sys, { path: findClaude(sys), prefix: [], cwd: sys.cwd });

async function choose({ sys, isInteractive, tell }: App, args: Flags, lost: Lost[]): Promise<Lost[]> {
  if (lost.length === 0 || args.yes === true) return lost;
  if (args.json === true) return [];
  if (!isInteractive || !sys.isTerminal(1)) {
    tell(`\nnothing was opened; csm restore --yes brings ${lost.length === 1 ? "it" : "them"} back`);
    return [];
  }
  const { promptMany } = await import("./prompts.ts");
  const choices = lost.map((one) => {
    const label = [labelOf(one), titleFor(sys, one)].map(printableLine).filter((text) => text !== "");
    return { value: one, label: label.join("  "), hint: belowHome(one.cwd, homeDir(sys)) };
  });
  const chosen = await promptMany("Bring back (space: choose, enter: go)", choices, true);
  if (chosen === undefined) throw new SilentExit(exitCode.interrupted);
  return chosen;
}

/** One after the other: each is ready before the next one loads. */
async function openAll(app: App, chosen: readonly Lost[], isQuiet: boolean): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  if (chosen.length === 0) return outcomes;
  const { sys, tell } = app;
  const known = await readFlags(app);
  const taken = new Set((await createTmux(sys).list()).map(({ sessionName }) => sessionName));
  const drivenById = new Map(readDriven(sys).map((driven) => [driven.session_id, driven]));
  for (const lost of chosen) {
    const driven = drivenById.get(lost.sessionId);
    const place = (): TmuxPlace => ({ kind: "session", name: chooseTmuxName(lost, taken) });
    const outcome = driven === undefined ? await openSession(sys, lost, known, place()) : await openDriven(sys, lost, driven);
    outcomes.set(lost.sessionId, outcome);
    if (!isQuiet) tell(`${printableLine(labelOf(lost))}: ${outcomeWords(outcome)}`);
  }
  if (!isQuiet && sys.env.TMUX === undefined) tell("\ntmux attach shows them; ctrl-b s switches between them");
  return outcomes;
}

const readDriven = (sys: Sys): Driven[] => createDrivenStore(sys).list().records;

function outcomeWords(outcome: Outcome): string {
  switch (outcome.outcome) {
    case "running":
      return `is back in tmux session ${outcome.pane.sessionName}`;
    case "asks":
      return `waits for you in tmux session ${outcome.pane.sessionName}`;
    case "open already":
      return `is open already, in process ${outcome.pid}`;
    case "failed":
      return `FAILED: ${outcome.reason}`;
  }
}

const columns: Column[] = [
  { title: "NAME", minWidth: 12 },
  { title: "TITLE", minWidth: 12 },
  { title: "FOLDER", minWidth: 8, fit: fitPath },
  { title: "PROFILE" },
  { title: "SEEN" },
  { title: "WHY", minWidth: 9 },
  { title: "FLAGS", minWidth: 8 },
];

const whyWords = { restarted: "machine restarted", killed: "claude was killed" } as const;

function reportPlan({ sys, out, tell, paint, columns: width }: App, { lost, skipped, elsewhere }: RestorePlan): void {
  const rows = lost.map((one) => [
    labelOf(one),
    titleFor(sys, one),
    belowHome(one.cwd, homeDir(sys)),
    one.profile ?? "-",
    `${duration(sys.now() - one.lastSeenAt)} ago`,
    whyWords[one.why],
    one.args === undefined ? "not known" : one.args.join(" ") || "none",
  ]);
  const [title = "", ...lines] = table(columns, rows, width);
  out(lost.length === 0 ? "no session was lost" : [paint("bold", title), ...lines].join("\n"));
  for (const note of notes(skipped, elsewhere)) tell(note);
}

function notes(skipped: readonly Skipped[], elsewhere: number): string[] {
  const gone = skipped.filter(({ reason }) => reason === "folder gone");
  const older = skipped.filter(({ reason }) => reason === "older").length;
  return [
    ...gone.map((one) => `${printableLine(labelOf(one))}: its folder ${printableLine(one.cwd)} is gone`),
    ...(older === 0 ? [] : [`${older} more that were seen last some time ago: --days 30 lists them`]),
    ...(elsewhere === 0 ? [] : [`${elsewhere} in another container or machine, of which nothing can be told here`]),
  ];
}

/** What tells it from others of its folder; empty where it says nothing that its name does not. */
function titleFor(sys: Sys, one: Lost): string {
  const path = transcriptOf(sys, one);
  return path === undefined ? "" : subtitleOf(subjectOfEnds(readEnds(sys, path, createLineBuffer())), labelOf(one));
}

const transcriptOf = (sys: Sys, one: Lost): string | undefined => findTranscript(sys, { configDir: one.configDir }, one);

function toJson(sys: Sys, { lost, skipped, elsewhere }: RestorePlan, outcomes: ReadonlyMap<string, Outcome>) {
  const records = readDriven(sys);
  // After `/clear` csd's record has the id of the conversation before.
  const isOf = (one: Lost) => (driven: Driven) =>
    driven.session_id === one.sessionId || (driven.name === one.tmuxSession && driven.cwd === one.cwd);
  const common = (one: Lost) => {
    const { sessionId, cwd, configDir, profile, name, args, lastSeenAt, why } = one;
    return {
      ...{ session_id: sessionId, cwd, config_dir: configDir, profile: profile ?? null },
      ...{ name: records.find(isOf(one))?.name ?? name ?? null, args: args ?? null, transcript: transcriptOf(sys, one) ?? null },
      ...{ ...timed("last_seen", lastSeenAt), why, title: titleFor(sys, one) || null },
    };
  };
  const result = (outcome: Outcome | undefined) => {
    if (outcome === undefined) return {};
    const tmux = "pane" in outcome ? { tmux_session: outcome.pane.sessionName } : {};
    return { outcome: outcome.outcome, ...tmux, ...("reason" in outcome ? { error: outcome.reason } : {}) };
  };
  return {
    lost: lost.map((one) => ({ ...common(one), ...result(outcomes.get(one.sessionId)) })),
    skipped: skipped.map((one) => ({ ...common(one), reason: one.reason })),
    elsewhere,
  };
}

async function openOne(app: App, wanted: string, args: Flags): Promise<void> {
  const { sys } = app;
  const { conversation, open } = await readNamed(sys, wanted);
  if (conversation === undefined) return showOpen(app, args, wanted, open?.pid ?? 0);
  const label = printableLine(titleOf(conversation.facts)) || conversation.sessionId.slice(0, 8);
  const found = await readSessions(sys, profileDirs(sys));
  const live = found.find(({ liveness, file }) => liveness === "live" && file.sessionId === conversation.sessionId);
  if (live !== undefined) return showOpen(app, args, label, live.file.pid);
  const session = toResumable(sys, conversation);
  const known = await readFlags(app);
  if (args.print === true || args["dry-run"] === true) return app.out(renderCommand(sys, session, known));
  const isInside = (sys.env.TMUX ?? "") !== "";
  if (!isInside && args.json !== true && app.isInteractive && sys.isTerminal(1) && (await canLaunchBeside(sys))) {
    const beside = await openBeside(sys, session, known, label);
    if (beside.outcome === "beside") return app.out(`${label} opens in a new tab of ${beside.title}`);
    if (beside.outcome === "open already") return showOpen(app, args, label, beside.pid);
    if (beside.outcome === "failed") app.tell(`${beside.reason}: it opens in tmux`);
  }
  const taken = new Set((await createTmux(sys).list()).map(({ sessionName }) => sessionName));
  const outcome = await openSession(sys, session, known, { kind: isInside ? "window" : "session", name: chooseTmuxName(session, taken) });
  if (outcome.outcome === "failed") throw new UserError(`cannot open ${JSON.stringify(label)}: ${outcome.reason}`);
  if (outcome.outcome === "open already") return showOpen(app, args, label, outcome.pid);
  if (args.json === true) {
    const { sessionId, cwd, configDir, profile = null } = session;
    const common = { session_id: sessionId, cwd, transcript: conversation.path, profile, config_dir: configDir };
    app.json<"csm open">({ ...common, tmux_session: outcome.pane.sessionName });
  } else app.tell(`${label}: ${outcomeWords(outcome)}`);
  if (isInside || args.json === true || !app.isInteractive || !sys.isTerminal(1)) return;
  throw new SilentExit(await showPane(sys, outcome.pane));
}

/** One conversation is never opened twice: its pane comes to this terminal, where there are both. */
async function showOpen({ sys, isInteractive }: App, args: Flags, label: string, pid: number): Promise<never> {
  const isTold = args.print === true || args["dry-run"] === true || args.json === true;
  const pane = isTold || !isInteractive || !sys.isTerminal(1) ? undefined : await findPane(sys, pid);
  if (pane !== undefined) throw new SilentExit(await showPane(sys, pane));
  throw new UserError(
    `${JSON.stringify(label)} is open already, in process ${pid}`,
    "csm ls shows it; one conversation is never opened twice",
  );
}

/** `open`: it runs, and has no conversation yet. */
async function readNamed(sys: Sys, word: string): Promise<{ conversation?: Conversation; open?: { pid: number } }> {
  const configDirs = profileDirs(sys).map(({ dir }) => dir);
  const index = openTranscriptIndex(sys);
  try {
    const { conversations, open } = await resolveConversations(sys, index, configDirs, word);
    const [conversation, ...others] = conversations;
    if (others.length > 0) throw ambiguous(word, conversations, "conversations");
    if (conversation === undefined && open === undefined) throw unknownConversation(word);
    return present({ conversation, open });
  } finally {
    index.close();
  }
}

/** With the folder it was started in, and the flags that csm gave it last. */
function toResumable(sys: Sys, { sessionId, configDirs, facts }: Conversation): Resumable {
  const launches = readLaunches(sys).filter((record) => record.sessionId === sessionId);
  const last = launches.sort((a, b) => b.startedAt - a.startedAt)[0];
  const configDir = last !== undefined && configDirs.includes(last.configDir) ? last.configDir : configDirs[0];
  const cwd = last?.cwd ?? facts.cwd;
  const shown = sessionId.slice(0, 8);
  if (configDir === undefined) throw new UserError(`session ${shown} lies where no profile looks`, "csm profiles share projects");
  if (cwd === undefined || !sys.isDirectory(cwd)) throw new UserError(`the folder of session ${shown} is gone: ${cwd ?? "not known"}`);
  const profile = profileDirs(sys).find(({ dir }) => dir === configDir)?.name;
  return { sessionId, cwd, configDir, ...present({ profile, args: last?.args }) };
}
