import { type App, command } from "./cmd-record.ts";
import { exitCode, nearestWord, SilentExit, UserError, usageError } from "./errors.ts";
import { planShare, planUnshare, renderPlan, renderUnshare, type ShareItem, share, shareItems, unshare } from "./profile-share.ts";
import { isPlainDir, type Profile, profilePath, readRegistry, requireProfile } from "./registry.ts";
import { printableLine } from "./sanitize.ts";

interface Outcome {
  profile: string;
  what: string;
  result: string;
  error?: string;
}

export const profilesShareCommand = command({
  name: "csm profiles share",
  summary: "Let profiles share settings, skills, agents, commands or projects through ~/.claude.shared.",
  args: {
    profile: { type: "string", valueHint: "PROFILE", description: "only this profile (may be given again); all unless told" },
    undo: { type: "boolean", description: "give each profile its own again" },
    "dry-run": { type: "boolean", description: "only say what would be done" },
    json: { type: "boolean", description: "print JSON" },
  },
  repeatable: ["profile"],
  rest: { kind: "prompt", hint: "WHAT…", about: shareItems.map(({ word }) => word).join(", "), words: shareItems.map(({ word }) => word) },
  examples: [
    ["csm profiles share projects --dry-run", "flags may stand before or behind"],
    ["csm profiles share --profile work --profile home skills agents", "only these two profiles"],
    ["csm profiles share --undo settings", ""],
  ],
  async run({ args, repeated, rest, app }) {
    const { words, flags } = splitWords(rest);
    const isUndo = args.undo === true || flags.undo;
    const isDry = args["dry-run"] === true || flags.dryRun;
    const items = words.map(parseItem);
    if (items.length === 0)
      throw usageError("csm profiles share: WHAT is missing", `one or more of: ${shareItems.map(({ word }) => word).join(", ")}`);
    const outcomes: Outcome[] = [];
    for (const profile of pickProfiles(app, repeated.profile))
      for (const item of items) outcomes.push(await carryOut(app, profile, item, isUndo, isDry));
    report(app, outcomes, isDry, args.json === true || flags.json);
    if (outcomes.some(({ error }) => error !== undefined)) throw new SilentExit(exitCode.failure);
  },
});

/** The words are many, so the record cannot name them; flags may stand behind them all the same. */
function splitWords(rest: readonly string[]) {
  const flags = { undo: false, dryRun: false, json: false };
  const names: Record<string, keyof typeof flags> = { "--undo": "undo", "--dry-run": "dryRun", "--json": "json" };
  const words = rest.filter((word) => {
    const flag = Object.hasOwn(names, word) ? names[word] : undefined;
    if (flag !== undefined) flags[flag] = true;
    else if (word.startsWith("-"))
      throw usageError(`csm profiles share: ${word} must stand before WHAT`, "csm profiles share --help lists the flags");
    return flag === undefined;
  });
  return { words, flags };
}

function parseItem(word: string): ShareItem {
  const item = shareItems.find((known) => known.word === word);
  if (item !== undefined) return item;
  if (word === "plugins") throw usageError("plugins are shared by another command", "csm profiles bootstrap");
  const near = nearestWord(
    word,
    shareItems.map((known) => known.word),
  );
  throw usageError(
    `${JSON.stringify(word)} cannot be shared`,
    near === undefined ? `one of: ${shareItems.map((known) => known.word).join(", ")}` : `did you mean ${near}?`,
  );
}

/** claude's own folder is only touched when it is named. */
function pickProfiles(app: App, names: string[] | undefined): Profile[] {
  const registry = readRegistry(app.sys);
  if (names !== undefined) return [...new Set(names)].map((name) => requireProfile(registry, name));
  const plain = registry.profiles.filter((profile) => isPlainDir(app.sys, profilePath(app.sys, profile)));
  for (const { name } of plain)
    app.tell(`csm: left alone: '${name}' is claude's own folder; name it with --profile ${name} to share it too`);
  const rest = registry.profiles.filter((profile) => !plain.includes(profile));
  if (rest.length === 0) throw new UserError("there is no profile to share with", "add one with: csm profiles add <name>");
  return rest;
}

async function carryOut(app: App, profile: Profile, item: ShareItem, isUndo: boolean, isDry: boolean): Promise<Outcome> {
  const dir = profilePath(app.sys, profile);
  const outcome = { profile: profile.name, what: item.word };
  try {
    const result = isDry
      ? isUndo
        ? renderUnshare(planUnshare(app.sys, dir, item))
        : renderPlan(planShare(app.sys, dir, item))
      : await (isUndo ? unshare : share)(app.sys, dir, item);
    return { ...outcome, result };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...outcome, result: "failed", error: [error.message, error.hint].filter((part) => part !== undefined).join("; ") };
  }
}

function report(app: App, outcomes: Outcome[], isDry: boolean, isJson: boolean): void {
  if (isJson) app.out(JSON.stringify({ dry_run: isDry, outcomes }, null, 2));
  for (const { profile, what, result, error } of isJson ? [] : outcomes) {
    const line = printableLine(`share [${profile}] ${what} ${error === undefined ? "→" : "FAILED:"} ${error ?? result}`);
    if (error === undefined) app.out(isDry ? `${line} (dry run)` : line);
    else app.tell(line);
  }
}
