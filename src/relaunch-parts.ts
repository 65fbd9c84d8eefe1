import { isTrusted } from "./claude-program.ts";
import { duration } from "./format.ts";
import type { LimitPolicy } from "./limit.ts";
import { notify } from "./notify.ts";
import { claudeJsonPath, findProfile, profileEnv, profilePath, type Registry } from "./profiles.ts";
import type { Candidate, RelaunchParts, Seat } from "./relaunch-act.ts";
import { readSettings } from "./settings.ts";
import { type Sys, tell } from "./sys.ts";
import { rankAccounts, readUsage, recordLimit } from "./usage.ts";

/** The relaunch loop's ways into the rest of csm. */
export function createRelaunchParts(
  sys: Sys,
  registry: Registry,
  cwd: string,
  onLimit: LimitPolicy | undefined,
  remember: RelaunchParts["remember"],
): RelaunchParts {
  return {
    remember,
    settings: async (seat) => {
      // A policy that nobody can read is no leave to act by another.
      (await import("./settings-schema.ts")).checkSettings(sys);
      return readSettings(sys, { "limit.policy": onLimit }).part("limit", seat.name);
    },
    rank: async (current) => trustedFirst(sys, await rankOthers(sys, registry, current), cwd),
    recordLimit: async (seat, limit) => recordLimit(sys, seat.dir, limit.window, limit.resetsAt, limit.at),
    // What the environment said holds for a folder that is no profile.
    env: (seat) => (findProfile(registry, seat.name) === undefined ? {} : profileEnv(sys, seat)),
    ask: async (limit, seat, choices) => {
      const { promptSelect } = await import("./prompts.ts");
      const left = limit.resetsAt === undefined ? "" : ` (resets in ${duration(limit.resetsAt - sys.now())})`;
      const answer = await promptSelect({
        message: `${seat.name} has reached its usage limit${left}; how is this conversation to go on?`,
        choices: [
          ...choices.map((name) => ({ value: name, label: `in ${name}` })),
          ...(limit.resetsAt === undefined ? [] : [{ value: "wait", label: "here, after the reset" }]),
          { value: "stay", label: "here, as it is" },
          { value: "end", label: "not now" },
        ],
      });
      return answer ?? "end";
    },
    tell: (line) => tell(sys, line),
    notify: (line) => notify(sys, "csm", line),
  };
}

const rankTimeoutMs = 6000;

/** A dead hub must not keep a conversation waiting: then what is known decides. */
async function rankOthers(sys: Sys, registry: Registry, current: Seat): Promise<Candidate[]> {
  const known = () => readUsage(sys, { registry, fetches: false, looks: true });
  const asked = readUsage(sys, { registry, fetches: true, asks: true }).catch(known);
  const report = await Promise.race([asked, sys.sleep(rankTimeoutMs).then(known)]);
  const ranking = rankAccounts(sys, report, { current: current.name, includeCurrent: false, hasAgeGate: false });
  const accountOf = (name: string) => report.profiles.find((profile) => profile.name === name)?.account;
  const own = accountOf(current.name);
  const { limitPercent } = readSettings(sys).part("usage");
  const usable = ranking.rows.filter(({ name }) => name !== current.name && accountOf(name) !== own);
  return [
    ...usable.filter(({ state }) => state === "viable").map((row) => ({ name: row.name, reason: row.reasons.join(", ") })),
    // Never used since anybody looked: more likely to have room than to be worth a night of waiting.
    ...usable
      .filter(({ state, sessionPercent = 0 }) => state === "no-data" && sessionPercent < limitPercent)
      .map(({ name }) => ({ name, reason: "nothing is known of its usage" })),
  ].flatMap(({ name, reason }) => {
    const profile = findProfile(registry, name);
    return profile === undefined ? [] : [{ name, dir: profilePath(sys, profile), reason }];
  });
}

/** A profile in which claude would first ask whether it may work here cannot go on by itself. */
function trustedFirst(sys: Sys, candidates: readonly Candidate[], cwd: string): Candidate[] {
  const folder = sys.realPath(cwd) ?? cwd;
  const judged = candidates.map((candidate) => ({
    candidate,
    isTrusted: isTrusted(sys.readText(claudeJsonPath(sys, candidate)) ?? "", folder),
  }));
  return [
    ...judged.filter((one) => one.isTrusted).map(({ candidate }) => candidate),
    ...judged
      .filter((one) => !one.isTrusted)
      .map(({ candidate }) => ({ ...candidate, reason: `${candidate.reason}; it will ask whether this folder is trusted` })),
  ];
}
