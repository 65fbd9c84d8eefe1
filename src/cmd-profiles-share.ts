import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit, UserError, unknownWord, usageError } from "./errors.ts";
import { printableLine } from "./printable.ts";
import { type Profile, plainDir, profileOfDir, profilePath, readRegistry, requireProfile } from "./profiles.ts";
import {
  planShare,
  planUnshare,
  renderPlan,
  renderUnshare,
  type ShareItem,
  share,
  shareItems,
  ssotText,
  unshare,
} from "./profiles-share.ts";

interface Outcome {
  profile: string;
  what: string;
  /** What was found to be needed; a word of `SharePlan` or `UnsharePlan`. */
  action: string;
  result: string;
  error?: string;
}

export const profilesShareCommand = command({
  name: "csm profiles share",
  acts: true,
  summary: "Let profiles share settings, skills, agents, commands or projects through ~/.claude.shared.",
  args: {
    profile: { type: "string", valueHint: "PROFILE", description: "only this profile (may be given again); all unless told" },
    undo: { type: "boolean", description: "give each profile its own again" },
    "dry-run": { type: "boolean", description: "only say what would be done" },
    json: { type: "boolean", description: "print JSON" },
  },
  repeatable: ["profile"],
  rest: { kind: "words", hint: "WHAT…", about: shareItems.map(({ word }) => word).join(", "), words: shareItems.map(({ word }) => word) },
  examples: [
    ["csm profiles share projects --dry-run", ""],
    ["csm profiles share --profile work --profile home skills agents", "only these two profiles"],
    ["csm profiles share --undo projects", "each conversation goes back to the profile that it came from"],
  ],
  async run({ args, repeated, rest, app }) {
    const [isUndo, isDry] = [args.undo === true, args["dry-run"] === true];
    const items = [...new Set(rest.map(parseItem))];
    if (items.length === 0)
      throw usageError("csm profiles share: WHAT is missing", `one or more of: ${shareItems.map(({ word }) => word).join(", ")}`);
    const outcomes: Outcome[] = [];
    const planned = new Set<ShareItem>();
    for (const profile of pickProfiles(app, repeated.profile))
      for (const item of items) outcomes.push(await carryOut(app, profile, item, { isUndo, isDry, planned }));
    report(app, outcomes, isDry, args.json === true);
    if (outcomes.some(({ error }) => error !== undefined)) throw new SilentExit(exitCode.failure);
  },
});

function parseItem(word: string): ShareItem {
  const item = shareItems.find((known) => known.word === word);
  if (item !== undefined) return item;
  if (word === "plugins") throw usageError("plugins are shared by another command", "csm profiles bootstrap");
  throw unknownWord(
    "csm profiles share: cannot share",
    word,
    shareItems.map((known) => known.word),
  );
}

/** All of them unless told, claude's own folder too where it has a name. */
function pickProfiles({ sys, tell }: App, names: string[] | undefined): Profile[] {
  const registry = readRegistry(sys);
  if (names !== undefined) return [...new Set(names)].map((name) => requireProfile(registry, name));
  if (registry.profiles.length === 0) throw new UserError("there is no profile to share with", "add one with: csm profiles add <name>");
  if (sys.isDirectory(plainDir(sys)) && profileOfDir(sys, registry, plainDir(sys)) === undefined)
    tell("csm: left alone: ~/.claude, which is no profile; csm profiles add main ~/.claude makes it one");
  return registry.profiles;
}

interface Wish {
  isUndo: boolean;
  isDry: boolean;
  /** What a dry run would have made a store of by now. */
  planned: Set<ShareItem>;
}

async function carryOut(app: App, profile: Profile, item: ShareItem, wish: Wish): Promise<Outcome> {
  const dir = profilePath(app.sys, profile);
  const { action, text } = foresee(app, dir, item, wish);
  const outcome = { profile: profile.name, what: item.word, action };
  try {
    return { ...outcome, result: wish.isDry ? text : await (wish.isUndo ? unshare : share)(app.sys, dir, item) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...outcome, result: "failed", error: [error.message, error.hint].filter((part) => part !== undefined).join("; ") };
  }
}

function foresee(app: App, dir: string, item: ShareItem, { isUndo, isDry, planned }: Wish): { action: string; text: string } {
  if (isUndo) {
    const plan = planUnshare(app.sys, dir, item);
    return { action: plan.kind, text: renderUnshare(plan) };
  }
  const plan = planShare(app.sys, dir, item, isDry && planned.has(item));
  planned.add(item);
  return { action: plan.kind, text: renderPlan(plan) };
}

function report(app: App, outcomes: Outcome[], isDry: boolean, isJson: boolean): void {
  if (isJson) app.json<"csm profiles share">({ dry_run: isDry, outcomes });
  for (const { profile, what, result, error } of isJson ? [] : outcomes) {
    const line = printableLine(`share [${profile}] ${what} ${error === undefined ? "→" : "FAILED:"} ${error ?? result}`);
    if (error === undefined) app.out(isDry ? `${line} (dry run)` : line);
    else app.tell(line);
  }
  if (!isJson && outcomes.some(({ result }) => result.includes("SSOT"))) app.tell(ssotText);
}
