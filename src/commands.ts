import type { AnyCommand } from "./cmd-record.ts";
import type { Word } from "./completion.ts";

export interface CommandRow {
  /** As it is typed. Two words are a verb of the first one, which without a verb runs by itself. */
  word: string;
  /** Where help lists it; sections stand in the order in which they first appear here. */
  section?: string;
  /** A command's file is only read when it is called. Absent of a word that has none, and that `summary` explains. */
  load?: () => Promise<AnyCommand>;
  summary?: string;
}

/**
 * Every command, in the order of the help: a new one is a row here and its file. Which words are csm's own and not claude's, the
 * help and the completions come from this table; a command's name, summary and arguments stand in its file.
 */
export const commands: Readonly<Record<"csm" | "csd", readonly CommandRow[]>> = {
  csm: [
    { word: "run", section: "Sessions", load: async () => (await import("./cmd-run.ts")).runCommandRecord },
    { word: "scan", section: "Sessions", load: async () => (await import("./cmd-scan.ts")).scanCommand },
    { word: "open", section: "Sessions", load: async () => (await import("./cmd-restore.ts")).openCommand },
    { word: "restore", section: "Sessions", load: async () => (await import("./cmd-restore.ts")).restoreCommand },
    { word: "focus", section: "Sessions", load: async () => (await import("./cmd-reach.ts")).focusCommand },
    { word: "type", section: "Sessions", load: async () => (await import("./cmd-reach.ts")).typeCommand },
    { word: "allow", section: "Sessions", load: async () => (await import("./cmd-reach.ts")).allowCommand },
    { word: "deny", section: "Sessions", load: async () => (await import("./cmd-reach.ts")).denyReachCommand },
    { word: "answer", section: "Sessions", load: async () => (await import("./cmd-reach.ts")).answerReachCommand },
    { word: "sidecar", section: "Sessions", load: async () => (await import("./cmd-sidecar.ts")).sidecarCommand },
    { word: "reap", section: "Sessions", load: async () => (await import("./cmd-reap.ts")).reapCommand },
    { word: "halt", section: "Sessions", load: async () => (await import("./cmd-halt.ts")).haltCommand },
    { word: "csd", section: "Sessions", summary: "the session driver: csm csd --help" },
    { word: "top", section: "Watching", load: async () => (await import("./cmd-top.ts")).topCommand },
    { word: "ls", section: "Watching", load: async () => (await import("./cmd-ls.ts")).lsCommand },
    { word: "watch", section: "Watching", load: async () => (await import("./cmd-watch.ts")).watchCommand },
    { word: "notify", section: "Watching", load: async () => (await import("./cmd-notify.ts")).notifyCommand },
    { word: "notify test", load: async () => (await import("./cmd-notify.ts")).notifyTestCommand },
    { word: "cost", section: "Watching", load: async () => (await import("./cmd-cost.ts")).costCommand },
    { word: "budget", section: "Watching", load: async () => (await import("./cmd-budget.ts")).budgetCommand },
    { word: "demo", section: "Watching", load: async () => (await import("./cmd-demo.ts")).demoCommand },
    { word: "profiles", section: "Accounts", load: async () => (await import("./cmd-profiles.ts")).profilesCommand },
    { word: "profiles list", load: async () => (await import("./cmd-profiles.ts")).profilesListCommand },
    { word: "profiles add", load: async () => (await import("./cmd-profiles-change.ts")).profilesAddCommand },
    { word: "profiles set", load: async () => (await import("./cmd-profiles-change.ts")).profilesSetCommand },
    { word: "profiles rm", load: async () => (await import("./cmd-profiles-change.ts")).profilesRmCommand },
    { word: "profiles remove", load: async () => (await import("./cmd-profiles-change.ts")).profilesRemoveCommand },
    { word: "profiles rename", load: async () => (await import("./cmd-profiles-change.ts")).profilesRenameCommand },
    { word: "profiles use", load: async () => (await import("./cmd-profiles-change.ts")).profilesUseCommand },
    { word: "profiles edit", load: async () => (await import("./cmd-profiles-edit.ts")).profilesEditCommand },
    { word: "profiles dir", load: async () => (await import("./cmd-profiles-change.ts")).profilesDirCommand },
    { word: "profiles login", load: async () => (await import("./cmd-profiles-change.ts")).profilesLoginCommand },
    { word: "profiles share", load: async () => (await import("./cmd-profiles-share.ts")).profilesShareCommand },
    { word: "profiles bootstrap", load: async () => (await import("./cmd-profiles-doctor.ts")).profilesBootstrapCommand },
    { word: "profiles doctor", load: async () => (await import("./cmd-profiles-doctor.ts")).profilesDoctorCommand },
    { word: "cas", section: "Accounts", load: async () => (await import("./cmd-cas.ts")).casCommand },
    { word: "usage", section: "Accounts", load: async () => (await import("./cmd-usage.ts")).usageCommand },
    { word: "pick-account", section: "Accounts", load: async () => (await import("./cmd-pick-account.ts")).pickAccountCommand },
    { word: "current-usage", section: "Accounts", load: async () => (await import("./cmd-current-usage.ts")).currentUsageCommand },
    { word: "hub", section: "Accounts", load: async () => (await import("./cmd-hub.ts")).hubServeCommand },
    { word: "hub serve", load: async () => (await import("./cmd-hub.ts")).hubServeCommand },
    { word: "log", section: "Accounts", load: async () => (await import("./cmd-log.ts")).logCommand },
    { word: "rules", section: "Rules", load: async () => (await import("./cmd-rules.ts")).rulesCommand },
    { word: "rules list", load: async () => (await import("./cmd-rules.ts")).rulesListCommand },
    { word: "rules check", load: async () => (await import("./cmd-rules.ts")).rulesCheckCommand },
    { word: "rules explain", load: async () => (await import("./cmd-rules.ts")).rulesExplainCommand },
    { word: "rules log", load: async () => (await import("./cmd-rules.ts")).rulesLogCommand },
    { word: "rules import", load: async () => (await import("./cmd-rules.ts")).rulesImportCommand },
    { word: "rules replay", load: async () => (await import("./cmd-rules-replay.ts")).rulesReplayCommand },
    { word: "rules suggest", load: async () => (await import("./cmd-rules-replay.ts")).rulesSuggestCommand },
    { word: "tasks", section: "Tasks", load: async () => (await import("./cmd-tasks.ts")).tasksCommand },
    { word: "tasks check", load: async () => (await import("./cmd-tasks.ts")).tasksCheckCommand },
    { word: "tasks graph", load: async () => (await import("./cmd-tasks.ts")).tasksGraphCommand },
    { word: "tasks run", load: async () => (await import("./cmd-tasks-run.ts")).tasksRunCommand },
    { word: "tasks resume", load: async () => (await import("./cmd-tasks-run.ts")).tasksResumeCommand },
    { word: "tasks stop", load: async () => (await import("./cmd-tasks-stop.ts")).tasksStopCommand },
    { word: "tasks status", load: async () => (await import("./cmd-tasks-show.ts")).tasksStatusCommand },
    { word: "tasks logs", load: async () => (await import("./cmd-tasks-show.ts")).tasksLogsCommand },
    { word: "tasks list", load: async () => (await import("./cmd-tasks-show.ts")).tasksListCommand },
    { word: "tasks dead", load: async () => (await import("./cmd-tasks-dead.ts")).tasksDeadCommand },
    { word: "tasks retry", load: async () => (await import("./cmd-tasks-dead.ts")).tasksRetryCommand },
    { word: "tasks clean", load: async () => (await import("./cmd-tasks-stop.ts")).tasksCleanCommand },
    { word: "fleet", section: "Fleet", load: async () => (await import("./cmd-fleet.ts")).fleetMachinesCommand },
    { word: "fleet machines", load: async () => (await import("./cmd-fleet.ts")).fleetMachinesCommand },
    { word: "fleet asks", load: async () => (await import("./cmd-fleet-asks.ts")).fleetAsksCommand },
    { word: "fleet join", load: async () => (await import("./cmd-fleet.ts")).fleetJoinCommand },
    { word: "fleet check", load: async () => (await import("./cmd-fleet.ts")).fleetCheckCommand },
    { word: "fleet serve", load: async () => (await import("./cmd-fleet.ts")).fleetServeCommand },
    { word: "fleet work", load: async () => (await import("./cmd-fleet-work.ts")).fleetWorkCommand },
    { word: "fleet leave", load: async () => (await import("./cmd-fleet.ts")).fleetLeaveCommand },
    { word: "fleet serve-config", load: async () => (await import("./cmd-fleet.ts")).fleetServeConfigCommand },
    { word: "config", section: "Setting up", load: async () => (await import("./cmd-config.ts")).configCommand },
    { word: "setup", section: "Setting up", load: async () => (await import("./cmd-setup.ts")).setupCommand },
    { word: "diagnose", section: "Setting up", load: async () => (await import("./cmd-diagnose.ts")).diagnoseCommand },
    { word: "shell-init", section: "Setting up", load: async () => (await import("./cmd-shell-init.ts")).shellInitCommand },
    { word: "completions", section: "Setting up", load: async () => (await import("./cmd-completions.ts")).completionsCommand },
    { word: "statusline", section: "Setting up", load: async () => (await import("./cmd-statusline.ts")).statuslineCommand },
    { word: "hook", section: "Setting up", load: async () => (await import("./cmd-hook.ts")).hookCommand },
    { word: "newuuid", section: "Setting up", load: async () => (await import("./cmd-newuuid.ts")).newuuidCommand },
    { word: "self-update", section: "Setting up", load: async () => (await import("./cmd-self-update.ts")).selfUpdateCommand },
    { word: "help", section: "Setting up", summary: "show this text, or explain a command or topic: csm help usage" },
    { word: "version", section: "Setting up", summary: "print the version" },
  ],
  csd: [
    { word: "spawn", section: "Commands", load: async () => (await import("./cmd-csd-spawn.ts")).spawnCommand },
    { word: "send", section: "Commands", load: async () => (await import("./cmd-csd-send.ts")).sendCommand },
    { word: "submit", section: "Commands", load: async () => (await import("./cmd-csd-send.ts")).submitCommand },
    { word: "clear", section: "Commands", load: async () => (await import("./cmd-csd-send.ts")).clearCommand },
    { word: "state", section: "Commands", load: async () => (await import("./cmd-csd-state.ts")).stateCommand },
    { word: "approve", section: "Commands", load: async () => (await import("./cmd-csd-answer.ts")).approveCommand },
    { word: "deny", section: "Commands", load: async () => (await import("./cmd-csd-answer.ts")).denyCommand },
    { word: "answer", section: "Commands", load: async () => (await import("./cmd-csd-answer.ts")).answerCommand },
    { word: "interrupt", section: "Commands", load: async () => (await import("./cmd-csd-answer.ts")).interruptCommand },
    { word: "wait", section: "Commands", load: async () => (await import("./cmd-csd-wait.ts")).waitCommand },
    { word: "events", section: "Commands", load: async () => (await import("./cmd-csd-wait.ts")).eventsCommand },
    { word: "run", section: "Commands", load: async () => (await import("./cmd-csd-run.ts")).runCsdCommand },
    { word: "tail", section: "Commands", load: async () => (await import("./cmd-csd-tail.ts")).tailCommand },
    { word: "logs", section: "Commands", load: async () => (await import("./cmd-csd-tail.ts")).logsCommand },
    { word: "attach", section: "Commands", load: async () => (await import("./cmd-csd-attach.ts")).attachCommand },
    { word: "ps", section: "Commands", load: async () => (await import("./cmd-csd-ps.ts")).psCommand },
    { word: "kill", section: "Commands", load: async () => (await import("./cmd-csd-kill.ts")).killCommand },
    { word: "doctor", section: "Commands", load: async () => (await import("./cmd-csd-doctor.ts")).doctorCommand },
  ],
};

export type ProgramName = keyof typeof commands;

export const findCommand = (program: ProgramName, word: string): CommandRow | undefined =>
  commands[program].find((row) => row.word === word && !word.includes(" "));

/** The verbs of a word, by what is typed behind it. */
export const verbsOf = (program: ProgramName, word: string): ReadonlyMap<string, CommandRow> =>
  new Map(commands[program].flatMap((row) => (row.word.startsWith(`${word} `) ? [[row.word.slice(word.length + 1), row]] : [])));

/** Every row with its record, where it has one. */
export async function loadCommands() {
  const rows = (["csm", "csd"] as const).flatMap((program) => commands[program].map((row) => ({ program, row })));
  return Promise.all(rows.map(async ({ program, row: { load, ...row } }) => ({ program, ...row, record: await load?.() })));
}

/** What can be typed: of the build, or worked out where this program runs from its source. */
export async function readPrograms(): Promise<Word[]> {
  const built = (await import("./completion.ts")).builtPrograms();
  return built ?? (await import("./cmd-completions.ts")).parsePrograms(await loadCommands());
}
