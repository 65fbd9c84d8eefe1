import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { type App, command } from "./cmd-record.ts";
import { UserError, usageError } from "./errors.ts";
import {
  type Machine,
  type Membership,
  membershipStore,
  type PasswordSource,
  passwordVariable,
  requireMembership,
  targetOf,
  toMachineState,
  withToldName,
} from "./fleet.ts";
import {
  type Accepted,
  acceptedParts,
  accessLine,
  type FleetRole,
  type FleetShare,
  fleetRoles,
  fleetShares,
  fleetUrl,
  isLoopback,
  isMachineName,
  machineNameOf,
  parseFleetAddress,
  serverConfig,
  serviceFile,
} from "./fleet-access.ts";
import { type Check, checkFleet } from "./fleet-check.ts";
import { askMachines } from "./fleet-look.ts";
import { duration, table, timed } from "./format.ts";
import { present } from "./json.ts";
import { createLinkLog, createLog } from "./log.ts";
import { fleetPath, lockDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { readSettings } from "./settings.ts";
import type { Sys } from "./sys.ts";

const roleText = "watch (reads what the others tell), answer (also tells of itself, and answers gates), work (also takes tasks)";
const fileArgument = (description: string) => ({ type: "string", valueHint: "FILE", description }) as const;

export const fleetJoinCommand = command({
  name: "csm fleet join",
  summary: `Join the machines that share a Redis server (7.0 or newer, or Valkey): checks everything first, and keeps the address.

The password comes from ${passwordVariable}, from a file, or from a command such as that of the system's keyring, each time it is
needed; it is stored nowhere else, and stands in no list of processes.`,
  args: {
    url: { type: "positional", required: true, description: "rediss://NAME@HOST:PORT; redis:// without TLS only to this machine itself" },
    machine: {
      type: "string",
      valueHint: "NAME",
      description: "what this one is called in lists (the name in the address, else the host's)",
    },
    role: { type: "string", valueHint: "ROLE", values: fleetRoles, default: "answer", description: roleText },
    ca: fileArgument("certificate of the authority that has signed the server's (PEM)"),
    cert: fileArgument("this machine's own certificate (PEM)"),
    key: fileArgument("and its key"),
    "password-file": fileArgument("its first line is the password"),
    "password-command": {
      type: "string",
      valueHint: "COMMAND",
      description: 'prints the password: "secret-tool lookup service csm-fleet"',
    },
    plain: { type: "boolean", description: "without TLS to another machine: whoever is on the way reads and answers" },
  },
  examples: [
    ["csm fleet join rediss://laptop@fleet.example:6380 --ca ca.pem", `with ${passwordVariable}`],
    ["csm fleet join redis://build@127.0.0.1 --role work --password-file pw", ""],
  ],
  async run({ args, app }) {
    const address = parseFleetAddress(args.url);
    if (!address.isTls && !isLoopback(address) && args.plain !== true)
      throw usageError(
        `csm fleet join: ${address.host} is another machine, and redis:// sends all in plain words`,
        "say rediss://, or --plain where nobody else is on the way",
      );
    const machine = args.machine ?? address.user ?? machineNameOf(app.sys.hostname());
    if (!isMachineName(machine))
      throw usageError(
        `csm fleet join: ${JSON.stringify(machine)} is no name of a machine`,
        "letters, digits, dots and dashes: --machine NAME",
      );
    const path = (file: string | undefined) => (file === undefined ? undefined : resolve(app.sys.cwd, file));
    const membership: Membership = {
      ...{ url: fleetUrl(address), machine, role: args.role as FleetRole, joinedAt: app.sys.now() },
      password: passwordSource(app.sys, args["password-file"], args["password-command"]),
      ...present({ caPath: path(args.ca), certPath: path(args.cert), keyPath: path(args.key) }),
    };
    const { checks } = await checkFleet(app.sys, membership);
    tellChecks(app, checks);
    if (checks.some(({ isOk }) => !isOk)) throw new UserError("csm fleet join: nothing was changed", "mend what is wrong above");
    const before = membershipOrNone(app.sys);
    membershipStore(app.sys).write(membership);
    if (before !== undefined && (before.machine !== machine || before.url !== membership.url)) await takeBack(app, before);
    app.out(`${machine} has joined ${membership.url} as ${membership.role}; csm fleet serve tells the others of its sessions`);
  },
});

function passwordSource(sys: Sys, file: string | undefined, line: string | undefined): PasswordSource {
  if (file !== undefined && line !== undefined)
    throw usageError("csm fleet join: --password-file and --password-command are both given", "give one");
  if (file !== undefined) return { from: "file", path: resolve(sys.cwd, file) };
  if (line === undefined) return { from: (sys.env[passwordVariable] ?? "") === "" ? "none" : "environment" };
  const words = line.trim().split(/\s+/);
  // No shell reads it.
  if (/["'`$\\|&;<>]/.test(line))
    throw usageError("csm fleet join: --password-command is a program and plain words", "put the rest into a script");
  return { from: "command", command: words };
}

function tellChecks(app: App, checks: readonly Check[]): void {
  const rows = checks.map(({ what, isOk, detail, fix }) => [
    isOk ? "ok" : "broken",
    what,
    isOk || fix === undefined ? detail : `${detail}; ${fix}`,
  ]);
  const paint = (text: string, row: number) => app.paint(checks[row]?.isOk === true ? "green" : "red", text);
  const lines = table([{ title: "", paint }, { title: "" }, { title: "", minWidth: 20 }], rows, app.columns).slice(1);
  app.out(lines.join("\n"));
}

export const fleetCheckCommand = command({
  name: "csm fleet check",
  summary: "Check the way to the fleet, and what this machine may do there: connection, version, clock, rights.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [["csm fleet check", ""]],
  async run({ args, app }) {
    const membership = requireMembership(app.sys);
    const { checks } = await checkFleet(app.sys, membership);
    const isOk = checks.every((check) => check.isOk);
    if (args.json === true)
      app.json<"csm fleet check">({ ok: isOk, checks: checks.map(({ what, isOk, detail }) => ({ check: what, ok: isOk, detail })) });
    else tellChecks(app, checks);
    if (!isOk) throw new UserError("csm fleet check: the fleet cannot be used as it is");
  },
});

export const fleetLeaveCommand = command({
  name: "csm fleet leave",
  summary: "Leave the fleet: what this machine told stays there for a week, marked as stale.",
  args: {},
  examples: [["csm fleet leave", ""]],
  async run({ app }) {
    const membership = requireMembership(app.sys);
    membershipStore(app.sys).remove();
    await takeBack(app, membership);
    app.out(`${membership.machine} has left ${membership.url}`);
  },
});

/** What cannot be read is replaced. */
function membershipOrNone(sys: Sys): Membership | undefined {
  try {
    return membershipStore(sys).read();
  } catch {
    return undefined;
  }
}

/** So that nobody counts this machine twice, where the server is reached. */
async function takeBack({ sys, tell }: App, membership: Membership): Promise<void> {
  const { machine, role } = membership;
  if (role === "watch") return;
  const [{ openLink }, { tellEnd }] = await Promise.all([import("./fleet-redis.ts"), import("./fleet-serve.ts")]);
  try {
    const link = await openLink(await targetOf(sys, membership));
    await tellEnd(link, machine, true).finally(link.close);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    tell(`csm fleet: what ${machine} told of its use stays there for a time: ${printableLine(error.message)}`);
  }
}

export const fleetMachinesCommand = command({
  name: "csm fleet machines",
  summary: "The machines of the fleet: which are heard of, since when, and what runs there.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [["csm fleet machines", ""]],
  async run({ args, app }) {
    const machines = await askMachines(app.sys, requireMembership(app.sys));
    const now = app.sys.now();
    if (args.json === true) return app.json<"csm fleet machines">({ machines: machines.map((machine) => machineJson(machine, now)) });
    if (machines.length === 0) return app.out("no machine has told of itself yet: csm fleet serve");
    const rows = machines.map(({ name, isLive, isBroken, state }) => [
      name,
      isBroken === true ? "not understood" : isLive ? "live" : "stale",
      state === undefined ? "-" : isLive ? "now" : duration(Math.max(0, now - state.at)),
      String(state?.sessions.length ?? "-"),
      state?.role ?? "-",
      state === undefined ? "-" : `${state.os}, csm ${state.version}`,
    ]);
    const paint = (text: string, row: number) => app.paint(machines[row]?.isLive === true ? "green" : "dim", text);
    const columns = [
      { title: "MACHINE", minWidth: 8 },
      { title: "STATE", paint },
      { title: "TOLD" },
      { title: "SESSIONS" },
      { title: "ROLE" },
      { title: "RUNS" },
    ];
    app.out(table(columns, rows, app.columns).join("\n"));
  },
});

const machineJson = ({ name, isLive, isBroken, state }: Machine, now: number) => ({
  machine: name,
  live: isLive,
  ...timed("told", state?.at),
  age_ms: state === undefined ? null : isLive ? 0 : Math.max(0, now - state.at),
  role: state?.role ?? null,
  os: state?.os ?? null,
  version: state?.version ?? null,
  sessions: state?.sessions.length ?? null,
  broken: isBroken === true,
});

const lastWordMs = 2500;

export const fleetServeCommand = command({
  name: "csm fleet serve",
  summary: "Tell the fleet of this machine's sessions until Ctrl-C: at most once a second, and only what has changed.",
  args: {
    share: {
      type: "string",
      valueHint: "WHAT",
      values: fleetShares,
      description: "instead of fleet.share in the settings: states, gates (the default), folders or titles, each with those before it",
    },
    accept: {
      type: "string",
      valueHint: "WHAT",
      values: acceptedParts,
      default: "gates",
      description: "what others may do to sessions here: none, gates (answer them; default), prompts (also type to them)",
    },
  },
  examples: [["csm fleet serve", "for a service of the system"]],
  async run({ args, app }) {
    const { sys } = app;
    const membership = requireMembership(sys);
    if (membership.role === "watch")
      throw new UserError("csm fleet serve: this machine has the role watch, and tells nothing", "join again with --role answer");
    const [{ openLink }, { createMonitor }, { serveState }, { openMachineUsage }, inboxes, { openMachineCost }] = await Promise.all([
      import("./fleet-redis.ts"),
      import("./monitor.ts"),
      import("./fleet-serve.ts"),
      import("./fleet-usage.ts"),
      import("./fleet-inbox.ts"),
      import("./fleet-cost.ts"),
    ]);
    const release = await sys.takeLock(join(lockDir(sys), "fleet-serve.lock")).catch((error: Error) => {
      throw new UserError(`csm fleet serve: cannot take its place: ${error.message}`, "is the disk full, or the folder not yours?");
    });
    if (release === undefined) throw new UserError("csm fleet serve runs on this machine already");
    const share = (args.share as FleetShare | undefined) ?? readSettings(sys).part("fleet").share;
    const monitor = createMonitor(sys, { hasMeter: true, hasTasks: true });
    const usage = openMachineUsage(sys, membership.machine);
    const log = createLog(app);
    const joined = sys.readText(fleetPath(sys));
    const hasLeft = () => sys.readText(fleetPath(sys)) !== joined;
    let isOver = false;
    let isFirst = true;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    sys.onInterrupt(() => {
      isOver = true;
      // It says that it goes, where somebody is there to hear it.
      return Promise.race([ended, sys.sleep(lastWordMs)]);
    });
    await serveState(sys, async () => openLink(await targetOf(sys, membership)), {
      machine: membership.machine,
      inbox: inboxes.createInbox(sys, {
        machine: membership.machine,
        whyNot: (request) => inboxes.whyNotTaken(request, membership.machine, args.accept as Accepted),
        act: (request) => inboxes.actHere(sys, request),
      }),
      readUsage: usage.read,
      takeUsage: usage.fold,
      readCost: openMachineCost(sys, membership.machine),
      async read(timeoutMs) {
        if (!isFirst) await monitor.next(timeoutMs);
        isFirst = false;
        const { sessions, runs } = await monitor.read();
        const asking = share === "states" ? [] : sessions.map((session) => withToldName(session, share));
        return { state: toMachineState(sys, membership, sessions, share, runs), asks: inboxes.toAsks(sys, membership.machine, asking) };
      },
      onLink: createLinkLog(log, (why) => `csm fleet: ${why}; trying on`, `csm fleet: ${membership.machine} tells ${membership.url}`),
      isOver: () => isOver || hasLeft(),
      hasLeft,
    }).finally(() => {
      usage.close();
      monitor.close();
      release();
      end();
    });
    if (hasLeft()) log.warn(`csm fleet: ${membership.machine} has left ${membership.url}, or joined anew: csm fleet serve is over`);
  },
});

export const fleetServeConfigCommand = command({
  name: "csm fleet serve-config",
  summary: `Make what a server needs: a redis.conf with a user for each machine, and a service file.

A new password is made for each machine and told once, on stderr or in DIR/passwords/NAME; the configuration holds its hash alone.`,
  args: {
    machine: {
      type: "string",
      valueHint: "NAME:ROLE",
      description: `a machine and what it may do: ${fleetRoles.join(", ")}; may be given more than once`,
    },
    dir: { type: "string", valueHint: "DIR", description: "write redis.conf, csm-fleet.service and passwords/ there (default: print)" },
    bind: {
      type: "string",
      valueHint: "ADDRESS",
      default: "127.0.0.1",
      description: "where to listen; another address than this machine's own needs --tls",
    },
    port: { type: "string", valueHint: "PORT", default: "6380", description: "" },
    tls: { type: "string", valueHint: "DIR", description: "a folder with server.crt, server.key and ca.crt" },
  },
  repeatable: ["machine"],
  examples: [
    ["csm fleet serve-config --machine laptop:answer --machine build:work", ""],
    ["csm fleet serve-config --machine mac --bind 0.0.0.0 --tls tls --dir redis", ""],
  ],
  run({ args, repeated, app }) {
    const { sys } = app;
    const port = Number(args.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usageError(`csm fleet serve-config: ${args.port} is no port`);
    if (!isLoopback({ host: args.bind }) && args.tls === undefined)
      throw usageError(`csm fleet serve-config: --bind ${args.bind} lets other machines in without TLS`, "give --tls DIR");
    const machines = (repeated.machine ?? []).map(parseMachine);
    if (machines.length === 0) throw usageError("csm fleet serve-config: no machine is named", "--machine laptop:answer");
    const users = machines.map(({ name, role }) => {
      const password = `${sys.randomId()}${sys.randomId()}`.replaceAll("-", "");
      return { name, role, password, line: accessLine(name, role, createHash("sha256").update(password).digest("hex")) };
    });
    const dir = args.dir === undefined ? undefined : resolve(sys.cwd, args.dir);
    const tlsDir = args.tls === undefined ? undefined : resolve(sys.cwd, args.tls);
    const config = serverConfig({
      ...{ port, bind: args.bind, dir: dir ?? "/var/lib/redis", users: users.map(({ line }) => line) },
      ...present({
        tls:
          tlsDir === undefined
            ? undefined
            : { cert: join(tlsDir, "server.crt"), key: join(tlsDir, "server.key"), ca: join(tlsDir, "ca.crt") },
      }),
    });
    const host = args.bind === "0.0.0.0" || args.bind === "::" ? "HOST" : args.bind;
    const join_ = (name: string) => `csm fleet join ${tlsDir === undefined ? "redis" : "rediss"}://${name}@${host}:${port}`;
    if (dir === undefined) {
      app.out(`${config}\n# --- csm-fleet.service\n${serviceFile("/etc/csm/redis.conf").replace(/^(?=.)/gm, "# ")}`.trimEnd());
      for (const { name, role, password } of users)
        app.tell(`${name} (${role}): ${passwordVariable}=${password} ${join_(name)} --role ${role}`);
      return;
    }
    sys.makePrivateDir(dir);
    const passwords = join(dir, "passwords");
    sys.makePrivateDir(passwords);
    const path = join(dir, "redis.conf");
    if (!sys.createPrivate(path, config))
      throw new UserError(`csm fleet serve-config: ${path} is there already`, "move it away; a new one has new passwords");
    sys.writePrivate(join(dir, "csm-fleet.service"), serviceFile(path));
    for (const { name, password } of users) sys.writePrivate(join(passwords, name), `${password}\n`);
    app.out(path);
    for (const { name, role } of users) app.tell(`${name}: ${join_(name)} --role ${role} --password-file passwords/${name}`);
  },
});

function parseMachine(typed: string): { name: string; role: FleetRole } {
  const [name = "", word = "answer", ...more] = typed.split(":");
  const role = fleetRoles.find((each) => each === word);
  if (role === undefined || more.length > 0 || !isMachineName(name) || name === "default")
    throw usageError(
      `csm fleet serve-config: ${JSON.stringify(typed)} is no machine and role`,
      `like build:work; roles: ${fleetRoles.join(", ")}`,
    );
  return { name, role };
}
