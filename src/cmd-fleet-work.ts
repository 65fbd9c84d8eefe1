import { type App, command } from "./cmd-record.ts";
import { UserError, usageError } from "./errors.ts";
import { type Membership, requireMembership } from "./fleet.ts";
import { createLinkLog, createLog } from "./log.ts";
import { printableLine } from "./printable.ts";
import { parseLabels } from "./task-labels.ts";
import type { Run, Worker } from "./task-queue.ts";

export const fleetWorkCommand = command({
  name: "csm fleet work",
  summary: `Work on the tasks that machines of the fleet give with csm tasks run --fleet, until Ctrl-C.

A task runs in the folder that its file names, where that is here, or in the one that a label of this machine says: repo:api=/srv/api.
This machine's rules, accounts and settings hold. Ctrl-C once: nothing new is begun, and what runs is stopped so that it goes on when
there is a worker again; twice: all is ended now. Its name and its system (linux, darwin, win32) are labels of their own.`,
  args: {
    jobs: { type: "string", alias: "j", valueHint: "N", default: "1", description: "so many tasks at once" },
    label: {
      type: "string",
      valueHint: "LABEL",
      description: "beside those of csm config (fleet.labels): gpu, repo:NAME=/FOLDER; may be given more than once",
    },
    env: { type: "string", valueHint: "NAME", description: "a variable that tasks may set; may be given more than once" },
    "allow-bypass": { type: "boolean", description: "also tasks with permission_mode bypassPermissions" },
  },
  repeatable: ["label", "env"],
  examples: [
    ["csm fleet work --jobs 4", "for a service of the system"],
    ["csm fleet work --label gpu --label repo:api=/srv/api", 'takes needs = ["gpu", "repo:api"]'],
    ["csm config set fleet.labels repo:api=/srv/api repo:web=/srv/web", "for good"],
  ],
  async run({ args, repeated, app }) {
    const { sys } = app;
    const membership = requireMembership(sys);
    const { machine, role } = membership;
    if (role !== "work")
      throw new UserError(`csm fleet work: this machine has the role ${role}, and takes no tasks`, "join again with --role work");
    const jobs = Number(args.jobs);
    if (!Number.isInteger(jobs) || jobs < 1) throw usageError(`csm fleet work: --jobs must be a whole number above 0: ${args.jobs}`);
    (await import("./settings-schema.ts")).checkSettings(sys);
    const [{ readSettings }, { readRegistryOrNone }] = await Promise.all([import("./settings.ts"), import("./profiles.ts")]);
    const written = [...(readSettings(sys).said("fleet.labels") ?? []), ...(repeated.label ?? [])];
    const labels = parseLabels([machine, sys.platform, ...written]);
    const terms = {
      machine,
      jobs,
      labels,
      registry: readRegistryOrNone(sys),
      env: repeated.env ?? [],
      mayBypass: args["allow-bypass"] === true,
    };
    await work(app, membership, terms);
  },
});

async function work(app: App, membership: Membership, terms: import("./fleet-work.ts").WorkTerms): Promise<void> {
  const { sys } = app;
  const [{ openMemberQueue }, { workForFleet }, { createEngine, readWorker }, { createRunner }, { readSettings }, { openTaskStore }] =
    await Promise.all([
      import("./fleet-run.ts"),
      import("./fleet-work.ts"),
      import("./task-engine.ts"),
      import("./task-session.ts"),
      import("./settings.ts"),
      import("./task-store.ts"),
    ]);
  const log = createLog(app);
  const found = `csm fleet: ${membership.machine} works for ${membership.url}, ${terms.jobs} at once`;
  const onLink = createLinkLog(log, (why) => `csm fleet: ${why}; trying on`, found);
  const local = openTaskStore(sys);
  const queue = openMemberQueue(sys, membership, { isWorker: true, onLink });
  const worker: Worker = { ...(await readWorker(sys)), host: membership.machine };
  let signals = 0;
  const stopListening = sys.onEachInterrupt(() => {
    signals++;
    log.warn(signals === 1 ? "leaving: nothing new is begun; once more ends all now" : "ending all now");
  });
  try {
    await queue.readMachines();
    await workForFleet({
      ...{ sys, queue, local, worker, terms, leaves: () => (signals === 0 ? undefined : signals === 1 ? "gently" : "now") },
      tell: (text) => log.info(`csm fleet: ${printableLine(text)}`),
      onFailure: (run, error) => log.warn(`csm fleet: ${printableLine(`${run}: ${error.message}`)}`),
      createEngine: (run: Run, queue, post) =>
        createEngine({
          ...{ sys, queue, run, post, runner: createRunner(sys, run), onStep() {} },
          limits: readSettings(sys, { "limit.policy": run.onLimit }).part("limit"),
        }),
    });
  } finally {
    stopListening();
    queue.close();
    local.close();
  }
}
