import { UserError } from "./errors.ts";
import { isLife, mostMachines, ownOf, readClock, readNames, readValues } from "./fleet.ts";
import { fleetKeys, isMachineName } from "./fleet-access.ts";
import type { Inbox } from "./fleet-inbox.ts";
import { chanceOf, createSign, pauseMs, type RedisLink } from "./fleet-redis.ts";
import { type MachineAsks, type MachineUsage, parseMachineUsage } from "./fleet-schema.ts";
import type { MachineState } from "./fleet-state.ts";
import { toOurClock } from "./fleet-usage.ts";
import { parseJson } from "./json.ts";
import { isPast, type Sys } from "./sys.ts";

/** Heard of within this time; it is told anew three times within it. */
const liveMs = 15_000;
/** What was told last stays so long. */
const keptS = 7 * 24 * 3600;

/** What was used stays known while its machine is away for longer. */
const costKeptS = 90 * 24 * 3600;
/** What gates ask is told anew while they are up, and forgotten soon after. */
const askedS = 3600;

/** Somebody else is heard of under this name: a machine whose files were copied. It is no matter of time. */
class NameTaken extends UserError {
  constructor(machine: string) {
    super(`another machine tells the fleet as ${machine}`, "csm fleet join with a name of its own: --machine NAME");
  }
}

/** Of one process: it stands in what says that its machine is heard of, with a moment, so that each word of it is a new one. */
interface Life {
  machine: string;
  id: string;
}

const readLife = async (link: RedisLink, { machine, id }: Life): Promise<"ours" | "none" | { other: string }> => {
  const value = await link.call("GET", [fleetKeys.live(machine)]);
  if (!isLife(value)) return "none";
  return value.startsWith(`${id} `) ? "ours" : { other: value };
};

/** False where the server does not know of it: it has forgotten, or this machine has slept. */
async function tellLife(sys: Sys, link: RedisLink, life: Life): Promise<boolean> {
  const before = await readLife(link, life);
  if (typeof before === "object") throw new NameTaken(life.machine);
  await link.call("SET", [fleetKeys.live(life.machine), `${life.id} ${sys.now()}`, "PX", String(liveMs)]);
  return before === "ours";
}

/** Whoever ended without a word is forgotten in time; whoever says another one meanwhile is there. */
async function takeName(sys: Sys, link: RedisLink, life: Life, isOver: () => boolean): Promise<void> {
  const startedAt = sys.now();
  let first: string | undefined;
  while (!isOver()) {
    const found = await readLife(link, life);
    if (typeof found !== "object") return void (await tellLife(sys, link, life));
    first ??= found.other;
    if (found.other !== first || isPast(sys, startedAt, 2 * liveMs)) throw new NameTaken(life.machine);
    await sys.sleep(lookEveryMs);
  }
}

/** It has gone, and says so. What it told of its sessions stays, with its age; of a machine that has left nothing is added up. */
export async function tellEnd(link: RedisLink, machine: string, hasLeft: boolean): Promise<void> {
  const keys = [fleetKeys.live, fleetKeys.asks, ...(hasLeft ? [fleetKeys.usage, fleetKeys.cost] : [])];
  for (const key of keys) await link.call("SET", [key(machine), "0", "PX", "1"]);
  await link.call("PUBLISH", [fleetKeys.changed, machine]);
}

/** States change many times a second; the others are told once, and what they told is looked at twice. */
const tellEveryMs = 1000;
const lookEveryMs = 450;
/** Of that it waits so long for a sign of its own sessions, and the rest for one of the others. */
const ownSignMs = 200;

interface Serving {
  machine: string;
  /** Takes what others ask this machine to do. */
  inbox: Inbox;
  /** What this machine's accounts have used of their allowance. */
  readUsage(): Promise<MachineUsage>;
  /** What it has used, by account and day; undefined while nobody has counted. */
  readCost?(): { machine: string } | undefined;
  /** What those of other machines have. */
  takeUsage(usages: readonly MachineUsage[]): void;
  /** What there is to tell; `timeoutMs`: how long to wait for a change at most. */
  read(timeoutMs: number): Promise<{ state: MachineState; asks: MachineAsks }>;
  /** Once all is told, and once that is not possible: with the reason. */
  onLink(failure: Error | undefined): void;
  isOver(): boolean;
  /** It is over because this machine belongs to that fleet no more. */
  hasLeft?(): boolean;
}

/** Tells the fleet of this machine until it is over; where it cannot be reached it tries on, and tells all anew. */
export async function serveState(sys: Sys, open: () => Promise<RedisLink>, serving: Serving): Promise<void> {
  const life: Life = { machine: serving.machine, id: sys.randomId() };
  for (let failures = 0; !serving.isOver(); ) {
    const links: RedisLink[] = [];
    const work: Promise<void>[] = [];
    let failure: Error | undefined;
    try {
      // What waits for an answer is kept from the rest, and so is what only listens.
      for (let count = 0; count < 3; count++) links.push(await open());
      const [link, ears, tray] = links as [RedisLink, RedisLink, RedisLink];
      await takeName(sys, link, life, serving.isOver);
      // What was told before, and while nobody listened, is read whole.
      const heard: Heard = { all: true, machines: new Set(), accounts: new Set(), hint: createSign(), clockMs: 0 };
      await serving.inbox.follow(link);
      const last = await takeNews(tray, serving, "0");
      const onTold = () => {
        serving.onLink(undefined);
        failures = 0;
      };
      const telling = tellUntilEnd(sys, { link, ears, heard, life, onTold }, serving);
      const taking = takeUntilEnd(tray, serving, last);
      work.push(telling, taking);
      // Its last word is that it goes, and what became of what it has taken.
      await Promise.race([telling, taking.then(() => telling)]);
      await serving.inbox.rest();
    } catch (error) {
      failure = error as Error;
    }
    for (const link of links) link.close();
    // Two that take at once would do things twice.
    await Promise.allSettled(work);
    if (failure === undefined) continue;
    if (failure instanceof NameTaken) throw failure;
    serving.onLink(failure);
    await sys.sleep(pauseMs(failures++, chanceOf(sys)));
  }
  await serving.inbox.rest();
}

/** Longer than this nobody waits for a server that is gone without a word. */
const blockMs = 5000;
const perTake = 8;

/** What has come after `last`, by now or within `blockMs`; the new last one. */
async function takeNews(tray: RedisLink, { machine, inbox }: Serving, last: string, waitMs = 0): Promise<string> {
  const key = fleetKeys.inbox(machine);
  const wait = waitMs === 0 ? [] : ["BLOCK", String(waitMs)];
  let newest = last;
  for (const [entry, text] of parseEntries(
    await tray.call("XREAD", ["COUNT", String(perTake), ...wait, "STREAMS", key, last], 2 * blockMs),
    key,
  )) {
    newest = entry;
    inbox.take(entry, text);
  }
  return newest;
}

async function takeUntilEnd(tray: RedisLink, serving: Serving, first: string): Promise<void> {
  for (let last = first; !serving.isOver(); ) last = await takeNews(tray, serving, last, blockMs);
}

/** `{stream: [[id, [field, value, …]], …]}`, and null where nothing came. */
function parseEntries(answer: unknown, key: string): [entry: string, text: string | undefined][] {
  const entries = (answer as Record<string, unknown> | null)?.[key];
  return (Array.isArray(entries) ? entries : []).flatMap((entry): [string, string | undefined][] => {
    const [id, fields] = entry as [unknown, unknown];
    const at = Array.isArray(fields) ? fields.indexOf("request") : -1;
    const text = at < 0 ? undefined : (fields as unknown[])[at + 1];
    return typeof id === "string" ? [[id, typeof text === "string" ? text : undefined]] : [];
  });
}

/** Who has told something since it was read last. */
interface Heard {
  all: boolean;
  machines: Set<string>;
  /** Of these: whoever heard of all accounts would hear of everything. */
  accounts: Set<string>;
  /** Is given for each of them. */
  hint: ReturnType<typeof createSign>;
  /** What the server's clock is ahead of this machine's. */
  clockMs: number;
}

interface Lines {
  link: RedisLink;
  ears: RedisLink;
  heard: Heard;
  life: Life;
  /** Each time that something has got through. */
  onTold(): void;
}

async function tellUntilEnd(sys: Sys, { link, ears, heard, life, onTold }: Lines, serving: Serving): Promise<void> {
  const { machine } = serving;
  const told = new Map<string, { text: string; at: number }>();
  let toldAt = 0;
  heard.clockMs = await readClock(sys, link);
  for (let livedAt = 0; !serving.isOver(); ) {
    const clock_ms = heard.clockMs;
    const { state, asks } = await serving.read(ownSignMs);
    const usage = { ...(await serving.readUsage()), clock_ms };
    await hearOf(usage, ears, heard);
    const news = [
      { key: fleetKeys.machine(machine), value: { ...state, clock_ms }, lifeS: keptS, hints: [fleetKeys.changed] },
      { key: fleetKeys.usage(machine), value: usage, lifeS: keptS, hints: usage.accounts.map(({ account }) => fleetKeys.used(account)) },
      { key: fleetKeys.asks(machine), value: asks, lifeS: askedS, hints: [fleetKeys.changed] },
      { key: fleetKeys.cost(machine), value: serving.readCost?.(), lifeS: costKeptS, hints: [] },
    ].filter(({ key, value, lifeS }) => {
      const before = told.get(key);
      return value !== undefined && (before?.text !== textOf(value) || isPast(sys, before.at, lifeS * 500));
    });
    if (news.length > 0 && isPast(sys, toldAt, tellEveryMs)) {
      toldAt = sys.now();
      // Its name is on the list already, unless the server has forgotten.
      if (told.size === 0) await link.call("SADD", [fleetKeys.machines, machine]);
      await Promise.all(news.map((each) => tell(link, each)));
      await Promise.all([...new Set(news.flatMap(({ hints }) => hints))].map((channel) => link.call("PUBLISH", [channel, machine])));
      for (const { key, value } of news) told.set(key, { text: textOf(value), at: toldAt });
      onTold();
    }
    if (isPast(sys, livedAt, liveMs / 3)) {
      // A connection that only listens does not notice that nobody is there any more.
      const alive = Promise.all([tellLife(sys, link, life), readClock(sys, link), ears.call("PING", [])]);
      const [isThere, clockMs] = await alive;
      if (Math.abs(clockMs - heard.clockMs) > 1000) heard.clockMs = clockMs;
      if (!isThere && livedAt > 0) {
        told.clear();
        heard.all = true;
      }
      livedAt = sys.now();
    }
    heard.machines.delete(machine);
    if (heard.all || heard.machines.size > 0) {
      const names = heard.all ? undefined : [...heard.machines];
      heard.all = false;
      heard.machines.clear();
      serving.takeUsage((await readUsages(link, names, heard.clockMs)).filter((each) => each.machine !== machine));
    }
    await Promise.race([sys.sleep(lookEveryMs), heard.hint.next()]);
  }
  await tellEnd(link, machine, serving.hasLeft?.() === true);
}

/** But for when it was told. */
const textOf = (value: object | undefined): string => JSON.stringify({ ...value, at: 0 });

const tell = (link: RedisLink, { key, value, lifeS }: { key: string; value: object | undefined; lifeS: number }): Promise<unknown> =>
  link.call("SET", [key, JSON.stringify(value), "EX", String(lifeS)]);

/** A login that has come since is heard of from now on, and what is known of it already is read. */
async function hearOf({ accounts }: MachineUsage, ears: RedisLink, heard: Heard): Promise<void> {
  for (const { account } of accounts) {
    if (heard.accounts.has(account)) continue;
    heard.accounts.add(account);
    heard.all = true;
    await ears.listen(fleetKeys.used(account), (machine) => {
      if (!isMachineName(machine) || heard.machines.size >= mostMachines) return;
      heard.machines.add(machine);
      heard.hint.give();
    });
  }
}

/** Of these machines, or of all, by this one's clock; what is no usage is none. */
async function readUsages(link: RedisLink, given: readonly string[] | undefined, clockMs: number): Promise<MachineUsage[]> {
  const names = given ?? (await readNames(link));
  const values = await readValues(link, names, fleetKeys.usage);
  const told = names.flatMap((name, at) => ownOf(parseMachineUsage(parseJson(values[at])), name) ?? []);
  return told.map((usage) => toOurClock(usage, clockMs));
}
