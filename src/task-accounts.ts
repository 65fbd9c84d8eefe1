import { openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { decideLimit, type Limit, type LimitSettings } from "./limit.ts";
import { readAccount } from "./notice-hook.ts";
import { currentDir, currentProfile, findProfile, profilePath, type Registry, readRegistryOrNone, realDir } from "./profiles.ts";
import { pickRoom, readHistory } from "./relaunch-plan.ts";
import type { Sys } from "./sys.ts";
import { anyProfile } from "./task-expand.ts";
import type { Task } from "./task-graph.ts";
import type { Breaker } from "./task-queue.ts";
import type { TaskSeat } from "./task-runner.ts";
import { rankAccounts, readUsage, type UsageReport, windowNow } from "./usage.ts";

/** A seat, and who pays for it. */
export interface PaidSeat extends TaskSeat {
  account: string;
}

/** Profiles and what is known of their usage are looked at again and again: a run may wait for days, and people add accounts. */
export interface Seats {
  /** Of a name; of `auto` the one with room, as the scorer sees it now. Undefined while none may be used. */
  choose(profile: string, model: string | undefined, isUsable: (seat: PaidSeat) => boolean): Promise<PaidSeat | undefined>;
  /** Best first, of other accounts, for a conversation that has to leave this one. */
  others(from: string, model: string | undefined, isUsable: (seat: PaidSeat) => boolean): Promise<Room[]>;
  /** How much of its week each account has used, of 100, where somebody knows. */
  weeks(): Promise<Record<string, number>>;
  /** Undefined of a profile that is there no more. */
  find(name: string): Promise<PaidSeat | undefined>;
  /** Who pays for it now. */
  paid(seat: TaskSeat): Promise<PaidSeat>;
  /** Those that it pays for. */
  ofAccount(account: string): Promise<PaidSeat[]>;
}

/** A seat that could take over, and why. */
type Room = PaidSeat & { reason: string };

/** So long one reading serves all that start. */
const freshMs = 3000;

export function openSeats(sys: Sys): Seats {
  let known: { at: number; registry: Registry; usage: Promise<UsageReport> } | undefined;
  const look = () => {
    if (known === undefined || sys.now() - known.at >= freshMs) {
      const registry = readRegistryOrNone(sys);
      known = { at: sys.now(), registry, usage: readUsage(sys, { registry, fetches: false, looks: false }) };
    }
    return known;
  };
  const paid = async (seat: TaskSeat): Promise<PaidSeat> => {
    const real = realDir(sys, seat.dir);
    const account = (await look().usage).profiles.find((profile) => profile.real === real)?.account;
    return { ...seat, account: account ?? (await readAccount(sys, seat.dir)).account };
  };
  const current = () => {
    const { registry } = look();
    return paid({ name: currentProfile(sys, registry)?.name ?? plainSeat, dir: currentDir(sys, registry) });
  };
  const find = async (name: string) => {
    if (name === plainSeat) return current();
    const profile = findProfile(look().registry, name);
    return profile && paid({ name, dir: profilePath(sys, profile) });
  };
  const findAll = async (names: readonly string[]) => (await Promise.all(names.map(find))).filter((seat) => seat !== undefined);
  return {
    ...{ find, paid },
    async choose(profile, model, isUsable) {
      if (profile !== anyProfile) {
        const seat = await find(profile);
        return seat !== undefined && isUsable(seat) ? seat : undefined;
      }
      const { rows } = rankAccounts(sys, await look().usage, present({ model }));
      const ranked = (wanted: string) => findAll(rows.filter(({ state }) => state === wanted).map(({ name }) => name));
      const own = await current();
      const isSaturated = rows.some(({ name, state }) => name === own.name && state !== "no-data" && state !== "viable");
      // Where nothing is known, the one that one is in; where a window is used up, nothing is begun in it.
      const order = [...(await ranked("viable")), ...(isSaturated ? [] : [own]), ...(await ranked("no-data"))];
      return order.find(isUsable);
    },
    async others(from, model, isUsable) {
      const usage = await look().usage;
      const { rows } = rankAccounts(sys, usage, { current: from, includeCurrent: false, hasAgeGate: false, ...present({ model }) });
      const accountOf = (name: string) => usage.profiles.find((profile) => profile.name === name)?.account;
      const { limitPercent } = (await import("./settings.ts")).readSettings(sys).part("usage");
      const room = pickRoom(rows, from, accountOf, limitPercent);
      const found = await Promise.all(
        room.map(async ({ name, reason }): Promise<Room[]> => {
          const seat = await find(name);
          return seat === undefined ? [] : [{ ...seat, reason }];
        }),
      );
      return found.flat().filter(isUsable);
    },
    async weeks() {
      const { profiles } = await look().usage;
      const known = profiles.flatMap((profile): [string, number][] => {
        const week = windowNow(profile, "seven_day", sys.now());
        return week === undefined ? [] : [[profile.account, week.usedPercent]];
      });
      return Object.fromEntries(known);
    },
    async ofAccount(account) {
      const all = [await current(), ...(await findAll(look().registry.profiles.map(({ name }) => name)))];
      return all.filter((seat) => seat.account === account);
    },
  };
}

/** Where no profile is registered, and none is named. */
const plainSeat = "claude";

/** Somebody has logged in since; the file alone tells, which is never read. */
export const isMended = (sys: Sys, { dir }: TaskSeat, { why, at }: Breaker): boolean =>
  why === "login" && (sys.modifiedAt(`${dir}/.credentials.json`) ?? 0) > at;

/** Where a task goes on whose account has no room. */
type Way = { do: "move"; to: Room; delayMs: number } | { do: "wait" } | { do: "stop"; reason: string };

/** Whoever has named the account of a task means that one. */
export const mayMove = ({ profile }: Pick<Task, "profile">, { policy }: LimitSettings): boolean =>
  profile === anyProfile && policy === "switch";

/** `room`: seats that could take over, best first; asked of those alone that may move. */
export async function decideWay(
  { sys, limits }: { sys: Sys; limits: LimitSettings },
  task: Task,
  { sessionId = "", limit }: { sessionId: string | undefined; limit: Limit },
  room: () => Promise<readonly Room[]>,
): Promise<Way> {
  // Nobody is there to be asked.
  const settings = { ...limits, policy: limits.policy === "ask" ? ("wait" as const) : limits.policy };
  const candidates = mayMove(task, settings) ? await room() : [];
  const decision = decideLimit({ now: sys.now(), limit, settings, candidates, ...readHistory(openJournal(sys).read(), sessionId, limit) });
  const to = decision.do === "switch" ? candidates.find(({ name }) => name === decision.to) : undefined;
  if (decision.do === "switch" && to !== undefined) return { do: "move", to, delayMs: decision.delayMs };
  return decision.do === "stop" ? { do: "stop", reason: decision.reason } : { do: "wait" };
}
