import { present } from "./json.ts";
import { readAccount } from "./notice-hook.ts";
import { currentDir, currentProfile, profilePath, type Registry, requireProfile } from "./profiles.ts";
import { pickRoom } from "./relaunch-plan.ts";
import type { Sys } from "./sys.ts";
import type { Breaker } from "./task-queue.ts";
import type { TaskSeat } from "./task-runner.ts";
import { rankAccounts, readUsage, type UsageReport, windowNow } from "./usage.ts";

/** A seat, and who pays for it. */
export interface PaidSeat extends TaskSeat {
  account: string;
}

export interface Seats {
  /** Of a name; of `auto` the one with room, as the scorer sees it now. Undefined while none may be used. */
  choose(profile: string, model: string | undefined, isUsable: (seat: PaidSeat) => boolean): Promise<PaidSeat | undefined>;
  /** Best first, of other accounts, for a conversation that has to leave this one. */
  others(from: string, model: string | undefined, isUsable: (seat: PaidSeat) => boolean): Promise<(PaidSeat & { reason: string })[]>;
  /** How much of its week each account has used, of 100, where somebody knows. */
  weeks(): Promise<Record<string, number>>;
  find(name: string): Promise<PaidSeat>;
  /** One of those that it pays for. */
  ofAccount(account: string): Promise<PaidSeat | undefined>;
}

/** So long one reading serves all that start. */
const freshMs = 3000;

export function openSeats(sys: Sys, registry: Registry): Seats {
  let known: { at: number; report: Promise<UsageReport> } | undefined;
  const report = () => {
    if (known === undefined || sys.now() - known.at >= freshMs)
      known = { at: sys.now(), report: readUsage(sys, { registry, fetches: false, looks: false }) };
    return known.report;
  };
  const accounts = new Map<string, Promise<string>>();
  const paid = async (seat: TaskSeat): Promise<PaidSeat> => {
    const asked = accounts.get(seat.dir) ?? readAccount(sys, seat.dir).then(({ account }) => account);
    accounts.set(seat.dir, asked);
    return { ...seat, account: await asked };
  };
  const find = (name: string) => paid({ name, dir: profilePath(sys, requireProfile(registry, name)) });
  const current = () => {
    const profile = currentProfile(sys, registry);
    return paid({ name: profile?.name ?? plainSeat, dir: currentDir(sys, registry) });
  };
  const findOrCurrent = (name: string) => (name === plainSeat ? current() : find(name));
  return {
    find: findOrCurrent,
    async choose(profile, model, isUsable) {
      if (profile !== "auto") {
        const seat = await findOrCurrent(profile);
        return isUsable(seat) ? seat : undefined;
      }
      const { rows } = rankAccounts(sys, await report(), present({ model }));
      const ranked = (wanted: string) => Promise.all(rows.filter(({ state }) => state === wanted).map(({ name }) => find(name)));
      const own = await current();
      const isSaturated = rows.some(({ name, state }) => name === own.name && state !== "no-data" && state !== "viable");
      // Where nothing is known, the one that one is in; where a window is used up, nothing is begun in it.
      const order = [...(await ranked("viable")), ...(isSaturated ? [] : [own]), ...(await ranked("no-data"))];
      return order.find(isUsable);
    },
    async others(from, model, isUsable) {
      const usage = await report();
      const { rows } = rankAccounts(sys, usage, { current: from, includeCurrent: false, hasAgeGate: false, ...present({ model }) });
      const accountOf = (name: string) => usage.profiles.find((profile) => profile.name === name)?.account;
      const { limitPercent } = (await import("./settings.ts")).readSettings(sys).part("usage");
      const found = await Promise.all(
        pickRoom(rows, from, accountOf, limitPercent).map(async ({ name, reason }) => ({ ...(await find(name)), reason })),
      );
      return found.filter(isUsable);
    },
    async weeks() {
      const { profiles } = await report();
      const known = profiles.flatMap((profile): [string, number][] => {
        const week = windowNow(profile, "seven_day", sys.now());
        return week === undefined ? [] : [[profile.account, week.usedPercent]];
      });
      return Object.fromEntries(known);
    },
    async ofAccount(account) {
      const all = [await current(), ...(await Promise.all(registry.profiles.map(({ name }) => find(name))))];
      return all.find((seat) => seat.account === account);
    },
  };
}

/** Where no profile is registered, and none is named. */
const plainSeat = "claude";

/** Somebody has logged in since; the file alone tells, which is never read. */
export const isMended = (sys: Sys, { dir }: TaskSeat, { why, at }: Breaker): boolean =>
  why === "login" && (sys.modifiedAt(`${dir}/.credentials.json`) ?? 0) > at;
