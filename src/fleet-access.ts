import { usageError } from "./errors.ts";
import { present } from "./json.ts";

/**
 * What a machine may do in the fleet. `watch` reads what the others tell; `answer` also tells of itself, and answers their gates;
 * `work` also takes tasks.
 */
export const fleetRoles = ["watch", "answer", "work"] as const;
export type FleetRole = (typeof fleetRoles)[number];

/** What a machine lets others do to its sessions: nothing, answer gates, or also type prompts. */
export const acceptedParts = ["none", "gates", "prompts"] as const;
export type Accepted = (typeof acceptedParts)[number];

/** What of sessions leaves this machine, each with what stands before it; `gates` goes to those alone who may answer them. */
export const fleetShares = ["states", "gates", "folders", "titles"] as const;
export type FleetShare = (typeof fleetShares)[number];

export interface FleetAddress {
  host: string;
  port: number;
  isTls: boolean;
  database: number;
  /** Its name in the server's list of users. */
  user?: string;
}

/** Of the server: keys that may only be read are 7.0. */
export const oldestServer = 7;

const defaultPort = 6379;

/** `rediss://build@fleet.example:6380`. A password in it would stand in every list of processes, and is refused. */
export function parseFleetAddress(text: string): FleetAddress {
  const hint = "like rediss://NAME@HOST:PORT (TLS), or redis://127.0.0.1";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isTls = url?.protocol === "rediss:";
  if (url === undefined || (!isTls && url.protocol !== "redis:") || url.hostname === "")
    throw usageError(`csm fleet join: ${JSON.stringify(text.replace(/:[^:@/]*@/, ":…@"))} is no address of a Redis server`, hint);
  if (url.password !== "")
    throw usageError(
      "csm fleet join: the address holds a password, which every list of processes shows",
      "give it by CSM_FLEET_PASSWORD, --password-file or --password-command",
    );
  const path = url.pathname.replace(/^\//, "");
  if (!/^\d{0,3}$/.test(path) || url.search !== "" || url.hash !== "")
    throw usageError(`csm fleet join: ${JSON.stringify(text)} has more than a host, a port and a database`, hint);
  const user = decodeURIComponent(url.username);
  return {
    // As a connection takes it: `[::1]` is how an address spells it.
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? defaultPort : Number(url.port),
    isTls,
    database: Number(path),
    ...present({ user: user === "" ? undefined : user }),
  };
}

export function fleetUrl({ host, port, isTls, database, user }: FleetAddress): string {
  const name = user === undefined ? "" : `${encodeURIComponent(user)}@`;
  const shown = host.includes(":") ? `[${host}]` : host;
  return `${isTls ? "rediss" : "redis"}://${name}${shown}:${port}${database === 0 ? "" : `/${database}`}`;
}

/** Nobody but this machine is on the way. */
export const isLoopback = ({ host }: Pick<FleetAddress, "host">): boolean => /^(?:127\.[\d.]+|localhost|::1)$/.test(host);

/** As host names are; it stands in the names of keys, in patterns of them, and before the `/` of `machine/session`. */
export const isMachineName = (name: string): boolean => /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/.test(name);

/** What a host calls itself, as the name of a machine. */
export const machineNameOf = (hostname: string): string =>
  (hostname.split(".")[0] ?? "")
    .replace(/[^A-Za-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63) || "machine";

/**
 * Everything that lies on the server. Each key but the list of names belongs to one machine, which alone writes it; to another one's
 * inbox everybody with the role appends.
 */
export const fleetKeys = {
  /** A set of names. */
  machines: "csm:machines",
  /** What it last told of itself and its sessions. */
  machine: (name: string) => `csm:machine:${name}`,
  /** There while it is heard of. */
  live: (name: string) => `csm:live:${name}`,
  /** What its gates ask; only for who may answer. */
  asks: (name: string) => `csm:asks:${name}`,
  /** What its accounts have used. */
  usage: (name: string) => `csm:usage:${name}`,
  /** What it has used, by account and day. */
  cost: (name: string) => `csm:cost:${name}`,
  /** What others ask it to do: a stream. */
  inbox: (name: string) => `csm:inbox:${name}`,
  /** What became of one of those. */
  outcome: (name: string, request: string) => `csm:outcome:${name}:${request}`,
  /** What it takes of tasks, while it works on some. */
  worker: (name: string) => `csm:worker:${name}`,
  /** Names of runs of tasks, by their start. */
  runs: "csm:runs",
  /** Begins all keys of a run, behind it its name: what was asked and answered is there, for who works alone. */
  run: "csm:run:",
  /** Accounts on which nothing is to be started. */
  breakers: "csm:breakers",
  /** A channel that says whose key has changed, and no more: who missed it reads it all anew. */
  changed: "csm:changed",
  /** A channel that says whose use of an account has changed: to machines with that login, and nobody else. */
  used: (account: string) => `csm:used:${account}`,
} as const;

const reading =
  "+ping +hello +auth +select +quit +time +acl|whoami +client|setname +get +mget +getrange +exists +smembers +subscribe +unsubscribe";

/**
 * The server's line for one machine (Redis 7.0: keys that may only be read, and rights for some keys alone). `passwordHash` is
 * SHA-256 in hex. Nobody may delete, and nobody writes to a key of another machine, but appends to its inbox.
 */
export function accessLine(name: string, role: FleetRole, passwordHash: string): string {
  const read = ["machines", "machine:*", "live:*", "usage:*", "cost:*"].map((key) => `%R~csm:${key}`);
  const head = `user ${name} on #${passwordHash} resetkeys resetchannels &${fleetKeys.changed} &${fleetKeys.used("*")} -@all ${reading}`;
  if (role === "watch") return [head, ...read].join(" ");
  const own = [fleetKeys.machine, fleetKeys.live, fleetKeys.asks, fleetKeys.usage, fleetKeys.cost].map((key) => `~${key(name)}`);
  return [
    head,
    "+set +publish",
    ...read,
    ...["%R~csm:asks:*", "%R~csm:outcome:*", ...own, `~${fleetKeys.outcome(name, "*")}`],
    `(+sadd ~${fleetKeys.machines})`,
    "(+xadd +expire ~csm:inbox:*)",
    `(+xread +xrange +xdel +xtrim ~${fleetKeys.inbox(name)})`,
    ...(role === "work" ? taskRights(name) : []),
  ].join(" ");
}

/** What a script calls is asked for like any other call, so each of it is named; all of them only for what belongs to the queue. */
const taskCommands =
  "eval evalsha exists get set unlink hget hexists hset hdel hincrby hmget hkeys hgetall zadd zrem zcard zscore zrange zrangebyscore xadd xrange";

function taskRights(name: string): string[] {
  const keys = [`${fleetKeys.run}*`, fleetKeys.runs, fleetKeys.breakers].map((key) => `~${key}`);
  const commands = taskCommands.split(" ").map((each) => `+${each}`);
  return [`%R~${fleetKeys.worker("*")}`, `~${fleetKeys.worker(name)}`, `(${[...commands, ...keys].join(" ")})`];
}

interface ServerFiles {
  port: number;
  bind: string;
  dir: string;
  /** Where certificate, key and the authority's certificate lie; undefined on loopback alone. */
  tls?: { cert: string; key: string; ca: string };
  /** Each machine's line. */
  users: readonly string[];
}

/** A redis.conf that is ready to be started: closed to whoever is not named in it, and written to disk each second. */
export function serverConfig({ port, bind, dir, tls, users }: ServerFiles): string {
  const listen =
    tls === undefined
      ? [`port ${port}`]
      : [
          "port 0",
          `tls-port ${port}`,
          `tls-cert-file ${tls.cert}`,
          `tls-key-file ${tls.key}`,
          `tls-ca-cert-file ${tls.ca}`,
          "# whoever has no certificate of this authority does not get as far as a password",
          "tls-auth-clients yes",
        ];
  return [
    "# csm fleet: start it with  redis-server redis.conf",
    `bind ${bind}`,
    ...listen,
    "protected-mode yes",
    `dir ${dir}`,
    "",
    "# what is told in the last second before the power fails may be lost: states are told again, a task is taken up again",
    "appendonly yes",
    "appendfsync everysec",
    "",
    "# a full server refuses to write, and nothing that waits is dropped",
    "maxmemory 512mb",
    "maxmemory-policy noeviction",
    "# no machine makes another one read more at once",
    "proto-max-bulk-len 16mb",
    "tcp-keepalive 30",
    "timeout 0",
    "",
    "user default off",
    ...users,
    "",
  ].join("\n");
}

/** For systemd, as an example. */
export const serviceFile = (configPath: string): string =>
  [
    "[Unit]",
    "Description=Redis for csm fleet",
    "After=network-online.target",
    "",
    "[Service]",
    `ExecStart=/usr/bin/redis-server ${configPath}`,
    "Restart=always",
    "RestartSec=1",
    "NoNewPrivileges=yes",
    "ProtectSystem=full",
    "UMask=0077",
    "",
    "[Install]",
    "WantedBy=default.target",
    "",
  ].join("\n");
