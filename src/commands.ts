import type { AnyCommand } from "./cmd-record.ts";

/** A command's file is only read when it is called: the others cost nothing at start. */
export type Loader = () => Promise<AnyCommand>;

/** csm's commands by word, in the order of the help. Null-prototype, so that `toString` is no command. */
export const csmCommands: Readonly<Record<string, Loader>> = Object.assign(Object.create(null) as Record<string, Loader>, {
  run: async () => (await import("./cmd-run.ts")).runCommandRecord,
  ls: async () => (await import("./cmd-ls.ts")).lsCommand,
  watch: async () => (await import("./cmd-watch.ts")).watchCommand,
  top: async () => (await import("./cmd-top.ts")).topCommand,
  demo: async () => (await import("./cmd-demo.ts")).demoCommand,
  statusline: async () => (await import("./cmd-statusline.ts")).statuslineCommand,
  newuuid: async () => (await import("./cmd-newuuid.ts")).newuuidCommand,
  completions: async () => (await import("./cmd-completions.ts")).completionsCommand,
});

export const csdCommands: Readonly<Record<string, Loader>> = Object.assign(Object.create(null) as Record<string, Loader>, {
  spawn: async () => (await import("./cmd-csd-spawn.ts")).spawnCommand,
  send: async () => (await import("./cmd-csd-send.ts")).sendCommand,
  state: async () => (await import("./cmd-csd-state.ts")).stateCommand,
  approve: async () => (await import("./cmd-csd-approve.ts")).approveCommand,
  deny: async () => (await import("./cmd-csd-deny.ts")).denyCommand,
  answer: async () => (await import("./cmd-csd-answer.ts")).answerCommand,
  interrupt: async () => (await import("./cmd-csd-interrupt.ts")).interruptCommand,
  wait: async () => (await import("./cmd-csd-wait.ts")).waitCommand,
  events: async () => (await import("./cmd-csd-events.ts")).eventsCommand,
  run: async () => (await import("./cmd-csd-run.ts")).runCsdCommand,
  tail: async () => (await import("./cmd-csd-tail.ts")).tailCommand,
  logs: async () => (await import("./cmd-csd-logs.ts")).logsCommand,
  attach: async () => (await import("./cmd-csd-attach.ts")).attachCommand,
  ps: async () => (await import("./cmd-csd-ps.ts")).psCommand,
  kill: async () => (await import("./cmd-csd-kill.ts")).killCommand,
  doctor: async () => (await import("./cmd-csd-doctor.ts")).doctorCommand,
});

export const loadAll = (commands: Readonly<Record<string, Loader>>): Promise<AnyCommand[]> =>
  Promise.all(Object.values(commands).map((load) => load()));
