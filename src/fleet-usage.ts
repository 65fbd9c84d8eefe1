import { createHash } from "node:crypto";
import { readProfiles } from "./accounts.ts";
import { type Membership, ownOf } from "./fleet.ts";
import { fleetKeys } from "./fleet-access.ts";
import { lookAtTold, openSeen } from "./fleet-look.ts";
import { type MachineUsage, parseMachineUsage } from "./fleet-schema.ts";
import { parseJson, present } from "./json.ts";
import { usageDbPath } from "./paths.ts";
import { readRegistryOrNone } from "./profiles.ts";
import type { Sys } from "./sys.ts";
import { type Ledger, openLedger, type Reading } from "./usage-ledger.ts";
import { fleetSource, isOfFleet, newestReadings, readSources } from "./usage-sources.ts";

/** One login on two machines is one account; what it is called leaves neither. */
export const hashOf = (account: string): string => createHash("sha256").update(`csm fleet ${account}`).digest("hex").slice(0, 32);

/** A folder without a login is nobody's account but this machine's. */
const isLogin = (account: string): boolean => !account.startsWith("dir:");

/** The ledger of this machine, for as long as it is told from: opened anew only when its file is another one. */
export function openMachineUsage(sys: Sys, machine: string, open: (sys: Sys) => Ledger = openLedger) {
  let opened: { ledger: Ledger; file: string | undefined } | undefined;
  const fileNow = () => sys.identify(usageDbPath(sys))?.id;
  const ledgerNow = (): Ledger => {
    if (opened === undefined || opened.file !== fileNow()) {
      opened?.ledger.close();
      const ledger = open(sys);
      opened = { ledger, file: fileNow() };
    }
    return opened.ledger;
  };
  return {
    read: () => readMachineUsage(sys, ledgerNow(), machine),
    /** Puts in what others know, where every choice of an account looks. */
    fold: (usages: readonly MachineUsage[]) => foldUsage(sys, ledgerNow(), usages),
    close: () => opened?.ledger.close(),
  };
}

/** Under what a machine tells the others that nothing is to be started on an account: a login is dead on one machine alone. */
export const breakerKey = (account: string, machine: string, why: "limit" | "login"): string =>
  hashOf(why === "limit" && isLogin(account) ? account : `${machine}/${account}`);
/** Asks the others once, where the fleet answers: what they know is in the ledger then. */
export async function askUsage(sys: Sys, membership: Membership): Promise<void> {
  const seen = { ...openSeen(sys), keep() {}, read: () => ({ machines: [], clockMs: 0 }) };
  const { told } = await lookAtTold(sys, membership, seen, fleetKeys.usage);
  const usages = told.machines.flatMap(({ name, text }) => ownOf(parseMachineUsage(parseJson(text)), name) ?? []);
  const usage = openMachineUsage(sys, membership.machine);
  usage.fold(usages.filter(({ machine }) => machine !== membership.machine).map((each) => toOurClock(each, told.clockMs)));
  usage.close();
}

/** Its moments by the clock of this machine; `clockMs`: what the server's is ahead of it. */
export function toOurClock(usage: MachineUsage, clockMs: number): MachineUsage {
  const aheadMs = clockMs - (usage.clock_ms ?? 0);
  const ours = (windows: MachineUsage["accounts"][number]["windows"]) => windows.map((each) => ({ ...each, at: each.at - aheadMs }));
  return { ...usage, accounts: usage.accounts.map(({ account, windows }) => ({ account, windows: ours(windows) })) };
}

/** What this machine itself knows of its accounts: what others told is theirs to tell. */
async function readMachineUsage(sys: Sys, ledger: Ledger, machine: string): Promise<MachineUsage> {
  const profiles = readProfiles(sys, ledger, readRegistryOrNone(sys));
  await readSources({ sys, ledger, profiles }, "always");
  const own = newestReadings(ledger.readings().filter(({ source, account }) => !isOfFleet(source) && isLogin(account)));
  // Of a login of which nothing is known here, too: others may know more.
  const logins = new Set([...own.keys(), ...profiles.map(({ account }) => account).filter(isLogin)]);
  const accounts = [...logins].map((account) => ({
    account: hashOf(account),
    windows: [...(own.get(account)?.values() ?? [])].map(({ window, usedPercent, resetsAt, at }) => ({
      ...{ window, at, used_percent: usedPercent, resets_at: resetsAt ?? null },
    })),
  }));
  return { v: 1, machine, at: sys.now(), accounts };
}

/** Of the accounts that this machine has too. */
function foldUsage(sys: Sys, ledger: Ledger, usages: readonly MachineUsage[]): void {
  const accounts = readProfiles(sys, ledger, readRegistryOrNone(sys)).map(({ account }) => account);
  const known = new Map(accounts.filter(isLogin).map((account) => [hashOf(account), account]));
  const readings = usages.flatMap(({ machine, accounts: told }) =>
    told.flatMap(({ account: hash, windows }) => {
      const account = known.get(hash);
      if (account === undefined) return [];
      return windows.map(
        ({ window, used_percent, resets_at, at }): Reading => ({
          ...{ account, window, at, source: fleetSource(machine), usedPercent: used_percent },
          ...present({ resetsAt: resets_at ?? undefined }),
        }),
      );
    }),
  );
  ledger.record(readings, sys.now());
}
