import type { AnyCommand } from "./cmd-record.ts";

/** A command's file is only read when it is called: the others cost nothing at start. */
export type Loader = () => Promise<AnyCommand>;

/** csm's commands by word, in the order of the help. Null-prototype, so that `toString` is no command. */
export const csmCommands: Readonly<Record<string, Loader>> = Object.assign(Object.create(null) as Record<string, Loader>, {
  run: async () => (await import("./cmd-run.ts")).runCommandRecord,
  ls: async () => (await import("./cmd-ls.ts")).lsCommand,
  watch: async () => (await import("./cmd-watch.ts")).watchCommand,
  top: async () => (await import("./cmd-top.ts")).topCommand,
  scan: async () => (await import("./cmd-scan.ts")).scanCommand,
  sidecar: async () => (await import("./cmd-sidecar.ts")).sidecarCommand,
  config: async () => (await import("./cmd-config.ts")).configCommand,
  open: async () => (await import("./cmd-restore.ts")).openCommand,
  restore: async () => (await import("./cmd-restore.ts")).restoreCommand,
  reap: async () => (await import("./cmd-reap.ts")).reapCommand,
  cost: async () => (await import("./cmd-cost.ts")).costCommand,
  demo: async () => (await import("./cmd-demo.ts")).demoCommand,
  profiles: async () => (await import("./cmd-profiles.ts")).profilesCommand,
  cas: async () => (await import("./cmd-cas.ts")).casCommand,
  "shell-init": async () => (await import("./cmd-shell-init.ts")).shellInitCommand,
  usage: async () => (await import("./cmd-usage.ts")).usageCommand,
  "current-usage": async () => (await import("./cmd-current-usage.ts")).currentUsageCommand,
  "pick-account": async () => (await import("./cmd-pick-account.ts")).pickAccountCommand,
  hub: async () => (await import("./cmd-hub.ts")).hubServeCommand,
  statusline: async () => (await import("./cmd-statusline.ts")).statuslineCommand,
  newuuid: async () => (await import("./cmd-newuuid.ts")).newuuidCommand,
  setup: async () => (await import("./cmd-setup.ts")).setupCommand,
  hook: async () => (await import("./cmd-hook.ts")).hookCommand,
  log: async () => (await import("./cmd-log.ts")).logCommand,
  completions: async () => (await import("./cmd-completions.ts")).completionsCommand,
});

/** Words with verbs of their own; without one the word itself runs. */
export const csmGroups: Readonly<Record<string, Readonly<Record<string, Loader>>>> = Object.assign(
  Object.create(null) as Record<string, Record<string, Loader>>,
  {
    hub: Object.assign(Object.create(null) as Record<string, Loader>, {
      serve: async () => (await import("./cmd-hub.ts")).hubServeCommand,
    }),
    profiles: Object.assign(Object.create(null) as Record<string, Loader>, {
      list: async () => (await import("./cmd-profiles.ts")).profilesListCommand,
      add: async () => (await import("./cmd-profiles-change.ts")).profilesAddCommand,
      set: async () => (await import("./cmd-profiles-change.ts")).profilesSetCommand,
      rm: async () => (await import("./cmd-profiles-change.ts")).profilesRmCommand,
      remove: async () => (await import("./cmd-profiles-change.ts")).profilesRemoveCommand,
      rename: async () => (await import("./cmd-profiles-change.ts")).profilesRenameCommand,
      use: async () => (await import("./cmd-profiles-change.ts")).profilesUseCommand,
      edit: async () => (await import("./cmd-profiles-edit.ts")).profilesEditCommand,
      dir: async () => (await import("./cmd-profiles-change.ts")).profilesDirCommand,
      login: async () => (await import("./cmd-profiles-change.ts")).profilesLoginCommand,
      share: async () => (await import("./cmd-profiles-share.ts")).profilesShareCommand,
      bootstrap: async () => (await import("./cmd-profiles-doctor.ts")).profilesBootstrapCommand,
      doctor: async () => (await import("./cmd-profiles-doctor.ts")).profilesDoctorCommand,
    }),
  },
);

export const csdCommands: Readonly<Record<string, Loader>> = Object.assign(Object.create(null) as Record<string, Loader>, {
  spawn: async () => (await import("./cmd-csd-spawn.ts")).spawnCommand,
  send: async () => (await import("./cmd-csd-send.ts")).sendCommand,
  state: async () => (await import("./cmd-csd-state.ts")).stateCommand,
  approve: async () => (await import("./cmd-csd-answer.ts")).approveCommand,
  deny: async () => (await import("./cmd-csd-answer.ts")).denyCommand,
  answer: async () => (await import("./cmd-csd-answer.ts")).answerCommand,
  interrupt: async () => (await import("./cmd-csd-answer.ts")).interruptCommand,
  wait: async () => (await import("./cmd-csd-wait.ts")).waitCommand,
  events: async () => (await import("./cmd-csd-wait.ts")).eventsCommand,
  run: async () => (await import("./cmd-csd-run.ts")).runCsdCommand,
  tail: async () => (await import("./cmd-csd-tail.ts")).tailCommand,
  logs: async () => (await import("./cmd-csd-tail.ts")).logsCommand,
  attach: async () => (await import("./cmd-csd-attach.ts")).attachCommand,
  ps: async () => (await import("./cmd-csd-ps.ts")).psCommand,
  kill: async () => (await import("./cmd-csd-kill.ts")).killCommand,
  doctor: async () => (await import("./cmd-csd-doctor.ts")).doctorCommand,
});

/** Every record there is, verbs behind their groups. */
export async function loadRecords(): Promise<AnyCommand[]> {
  const verbs = await Promise.all(Object.values(csmGroups).map(loadAll));
  return [...(await loadAll(csmCommands)), ...verbs.flat(), ...(await loadAll(csdCommands))];
}

export const loadAll = (commands: Readonly<Record<string, Loader>>): Promise<AnyCommand[]> =>
  Promise.all(Object.values(commands).map((load) => load()));
