import { createCalendar, parseDay, parseHours } from "./calendar.ts";
import { pricesAt, pricesSource } from "./claude-prices.ts";
import { type App, command, createReadProgress, sinceArgument } from "./cmd-record.ts";
import { readUsage } from "./cost.ts";
import { costSources } from "./cost-files.ts";
import { createReport, groupings, type Report, type ReportOptions } from "./cost-report.ts";
import { type CostFacts, money, renderCost, renderCsv, toCostJson } from "./cost-view.ts";
import { usageError } from "./errors.ts";
import { chooseFleet, fleetArgs } from "./fleet-option.ts";
import { homeDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileDirs, readRegistry, requireProfile } from "./profiles.ts";
import { createLineBuffer, readEnds } from "./tail.ts";
import { subjectOfEnds, subtitleOf } from "./transcript-facts.ts";
import { listTranscripts } from "./transcripts.ts";

export const costCommand = command({
  name: "csm cost",
  summary: "Tell what all profiles used and what it costs at list prices, by day, session, project, model or block.",
  args: {
    ...fleetArgs,
    report: { type: "positional", required: false, values: groupings, description: `${groupings.join(", ")} (default: daily)` },
    since: sinceArgument,
    until: { type: "string", valueHint: "DAY", description: "last day, included" },
    profile: { type: "string", valueHint: "NAME", description: "only what this profile used" },
    timezone: { type: "string", valueHint: "ZONE", description: "where days begin, as Europe/Berlin or UTC (default: here)" },
    json: { type: "boolean", description: "print JSON" },
    csv: { type: "boolean", description: "print comma-separated values" },
  },
  examples: [
    ["csm cost", "by day"],
    ["csm cost session --since 7d", "by session, of the last week"],
    ["csm cost block", "in five-hour blocks, as the limits count; the running one with a forecast"],
    ["csm cost machine --fleet --since 7d", "what each machine of the fleet has used"],
    ["csm cost model --profile work --json | jq .totals.cost_usd", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    if (args.json === true && args.csv === true) throw usageError("csm cost: --json and --csv are given both", "choose one");
    const options = readOptions(args, app);
    const registry = readRegistry(sys);
    if (options.profile !== undefined) requireProfile(registry, options.profile);
    (await import("./settings-schema.ts")).checkSettings(sys, "prices");
    const fleet = await openFleet(app, options, args);
    const progress = createReadProgress(app);
    const usage = await readUsage(sys, { ...costSources(sys, registry), onProgress: progress.show });
    progress.clear();
    const own = createReport(usage.sums, usage.origins, options);
    const all = await fleet?.(own);
    const report = all?.report ?? own;
    if (options.grouping === "session") addTitles(app, report, profileDirs(sys, registry));
    const facts: CostFacts = { options, prices: { at: pricesAt, source: pricesSource }, ...usage.sums };
    if (args.json === true) app.json<"csm cost">({ ...toCostJson(report, facts), ...all?.json });
    else if (args.csv === true) app.out(renderCsv(report).join("\n"));
    else if (report.rows.length === 0) app.out("nothing was used");
    else app.out(renderCost(report, { ...options, home: homeDir(sys), paint: app.paint, columns: app.columns }).join("\n"));
    if (all?.words !== undefined) app.tell(`csm cost: ${all.words}`);
    if (args.json !== true) for (const note of renderNotes(report, facts, args.csv === true)) app.tell(note);
  },
});

/** Other machines tell what they have used by day and account, and nothing about what for. */
const ownReports: ReadonlySet<string> = new Set(["session", "project", "model", "block"]);

/** The others are asked while this machine's transcripts are read. */
async function openFleet(app: App, options: ReportOptions, args: { fleet?: boolean | undefined; local?: boolean | undefined }) {
  const why = ownReports.has(options.grouping)
    ? `csm cost ${options.grouping} is of this machine alone`
    : options.sinceAt === undefined
      ? undefined
      : "other machines tell whole days";
  if (why !== undefined && args.fleet === true)
    throw usageError(`csm cost: --fleet: ${why}`, "daily, weekly, monthly, account or machine, --since DAY");
  const membership = why === undefined ? await chooseFleet(app, "csm cost", args) : undefined;
  if (membership === undefined) return undefined;
  const { askCosts } = await import("./fleet-cost.ts");
  const asked = askCosts(app.sys, membership);
  return async (own: Report) => (await asked)(own, options);
}

/** So that sessions of one folder can be told apart. */
function addTitles({ sys }: App, { rows }: Report, dirs: readonly { dir: string }[]): void {
  const files = new Map(listTranscripts(sys, { configDirs: dirs.map(({ dir }) => dir) }).map(({ sessionId, path }) => [sessionId, path]));
  const buffer = createLineBuffer();
  for (const row of rows) {
    const path = files.get(row.key);
    if (path === undefined) continue;
    row.transcript = path;
    row.title = subtitleOf(subjectOfEnds(readEnds(sys, path, buffer)), "");
  }
}

type CostArgs = Record<"report" | "since" | "until" | "profile" | "timezone", string | undefined>;

function readOptions(args: CostArgs, { sys }: App): ReportOptions {
  const calendar = createCalendar(args.timezone);
  const now = sys.now();
  const day = (flag: "since" | "until") => {
    const text = args[flag];
    return text === undefined ? {} : { [flag]: parseDay(`--${flag}`, text, calendar.dayOf(now)) };
  };
  const grouping = groupings.find((known) => known === args.report) ?? "daily";
  const sinceAt = parseHours(args.since, now);
  const since = sinceAt === undefined ? day("since") : { sinceAt, since: calendar.dayOf(sinceAt) };
  const options: ReportOptions = { grouping, calendar, now, ...since, ...day("until") };
  if (args.profile !== undefined) options.profile = args.profile;
  if (options.since !== undefined && options.until !== undefined && options.since > options.until)
    throw usageError(`csm cost: --since ${options.since} is later than --until ${options.until}`);
  return options;
}

/** What the numbers leave out, and what they are not. */
function renderNotes(report: Report, { unreadable, unknownFiles, prices }: CostFacts, isCsv: boolean): string[] {
  const notes: string[] = [];
  if (report.unpricedModels.length > 0)
    notes.push(
      `not in the cost, no price is known: ${report.unpricedModels.map(printableLine).join(", ")}; set it in prices of config.json`,
    );
  if (unreadable > 0) notes.push(`not counted: ${unreadable} ${unreadable === 1 ? "line that" : "lines that"} could not be understood`);
  const [first] = unknownFiles;
  if (first !== undefined)
    notes.push(`unknown format: ${printableLine(first)}${unknownFiles.length > 1 ? ` and ${unknownFiles.length - 1} more` : ""}`);
  const active = report.rows.at(-1)?.block;
  if (active?.isActive && !isCsv) {
    const { forecast } = active;
    notes.push(
      forecast === undefined
        ? "the running block: too little is known for a forecast"
        : `the running block will cost about ${money(forecast.expected)} (${money(forecast.low)} to ${money(forecast.high)}) if this hour goes on`,
    );
  }
  if (!isCsv && report.rows.length > 0) notes.push(`list prices of ${prices.at}; a subscription is not billed by them`);
  return notes;
}
