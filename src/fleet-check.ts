import { UserError } from "./errors.ts";
import { type Machine, type Membership, readTime, targetOf } from "./fleet.ts";
import { fleetKeys, fleetUrl, oldestServer } from "./fleet-access.ts";
import { machinesOf, readTold } from "./fleet-look.ts";
import { openLink, type RedisLink } from "./fleet-redis.ts";
import { duration } from "./format.ts";
import { printableLine } from "./printable.ts";
import type { Sys } from "./sys.ts";

/** One thing about the way to the fleet. */
export interface Check {
  what: string;
  isOk: boolean;
  detail: string;
  /** What mends it. */
  fix?: string;
}

/** So far off, and ages that others tell say nothing. */
const maxSkewMs = 30_000;

/** All that must be right; `machines`: what the others tell, where that can be read. `timeoutMs`: for the connection, and for each answer. */
export async function checkFleet(sys: Sys, membership: Membership, timeoutMs?: number): Promise<{ checks: Check[]; machines?: Machine[] }> {
  const checks: Check[] = [];
  let link: RedisLink | undefined;
  try {
    const target = await targetOf(sys, membership);
    link = await openLink(target, timeoutMs);
    checks.push({
      what: "connection",
      isOk: true,
      detail: `${fleetUrl(target)}, ${target.isTls ? "TLS, its certificate is trusted" : "without TLS"}`,
    });
    checks.push(await checkVersion(link, timeoutMs), await checkClock(sys, link), ...(await checkRights(link, membership)));
    return { checks, machines: machinesOf(await readTold(sys, link)) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // What the server refuses was told by the check of it.
    if (checks.every(({ isOk }) => isOk))
      checks.splice(0, 1, { what: "connection", isOk: false, detail: printableLine(error.message), fix: error.hint ?? "csm fleet check" });
    return { checks };
  } finally {
    link?.close();
  }
}

const longestName = 80;

async function checkVersion(link: RedisLink, timeoutMs: number | undefined): Promise<Check> {
  const hello = ((await link.call("HELLO", ["3"], timeoutMs)) ?? {}) as Record<string, unknown>;
  const version = String(hello.version ?? "unknown");
  return {
    what: "version",
    isOk: Number.parseInt(version, 10) >= oldestServer,
    detail: `${printableLine(`${String(hello.server ?? "redis")} ${version}`).slice(0, longestName)}; ${oldestServer}.0 or newer is needed`,
    fix: `start a redis-server of ${oldestServer}.0 or newer, or Valkey`,
  };
}

async function checkClock(sys: Sys, link: RedisLink): Promise<Check> {
  const startedAt = sys.now();
  const serverAt = await readTime(link);
  const skewMs = serverAt - (startedAt + sys.now()) / 2;
  return {
    what: "clock",
    isOk: Math.abs(skewMs) < maxSkewMs,
    detail: `${duration(Math.abs(skewMs))} ${skewMs < 0 ? "ahead of" : "behind"} the server's`,
    fix: "timedatectl set-ntp true",
  };
}

/** Tried with a key that nobody reads. */
const trial = "check";

async function checkRights(link: RedisLink, { machine, role }: Membership): Promise<Check[]> {
  const asked = async (command: string, args: string[]): Promise<string | undefined> => {
    try {
      await link.call(command, args);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const fix = `csm fleet serve-config --machine NAME:${role}`;
  const reads = await asked("MGET", [fleetKeys.machine(machine), fleetKeys.live(machine)]);
  const reading = { what: "reading", isOk: reads === undefined, detail: reads ?? "what the others tell", fix };
  if (role === "watch") return [reading];
  const write = (name: string) => asked("SET", [fleetKeys.outcome(name, trial), "1", "PX", "1"]);
  const writes = await write(machine);
  const isOpen = (await write(`${machine.slice(0, 40)}-other`)) === undefined;
  const tasks = role === "work" ? await asked("ZCARD", [fleetKeys.runs]) : undefined;
  const words = isOpen ? "this user may write everywhere: give each machine its own (csm fleet serve-config)" : "only its own keys";
  return [
    reading,
    { what: "telling", isOk: writes === undefined, detail: writes ?? `of ${machine}`, fix },
    { what: "rights", isOk: true, detail: words },
    ...(role === "work" ? [{ what: "tasks", isOk: tasks === undefined, detail: tasks ?? "gives and takes them", fix }] : []),
  ];
}
