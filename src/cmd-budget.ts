import { readStandings, spenderOf } from "./budget-spend.ts";
import { amountsOf, type Level, levelOf, limitOf, type Standing, spentPercent } from "./budgets.ts";
import { createCalendar } from "./calendar.ts";
import { type App, command } from "./cmd-record.ts";
import { readUsage } from "./cost.ts";
import { costSources } from "./cost-files.ts";
import { type Column, type Style, table, timed } from "./format.ts";
import { present } from "./json.ts";
import { listSessions } from "./monitor.ts";
import { printableLine } from "./printable.ts";
import { findProjectRoot, type RuleBook, readRuleBook } from "./rules-file.ts";

export const budgetCommand = command({
  name: "csm budget",
  summary:
    "Show each budget of rules.toml: what was spent of it, its limit, and when it starts over. One for sessions shows each that is open.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm budget", "those of this folder's project, too"],
    ["csm budget --json | jq '.budgets[].standings[] | select(.level == \"over\")'", "what is used up"],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const book = await readRuleBook(sys, findProjectRoot(sys, sys.cwd));
    for (const { path, line, message } of book.problems) app.tell(`csm budget: ${printableLine(`${path}:${line}: ${message}`)}`);
    // What has been written up to now counts.
    if (book.budgets.some(({ limit }) => !("usagePercent" in limit))) await readUsage(sys, costSources(sys));
    const sessions = book.budgets.some(({ period }) => period === "session") ? await readSpenders(app) : [];
    const names = new Map(sessions.map(({ id, name }) => [id, name]));
    const standings = (await readStandings(sys, book.budgets, sessions)).map((standing) => {
      const name = standing.budget.period === "session" ? names.get(standing.of) : undefined;
      return { ...standing, ...present({ ofName: standing.ofName ?? name }) };
    });
    if (args.json === true) return app.json<"csm budget">(budgetJson(book, standings));
    if (book.budgets.length === 0) return app.out("no budgets; [[budgets]] in ~/.config/claude-smart/rules.toml makes one");
    app.out(renderBudgets(standings, app).join("\n"));
    const silent = book.budgets.filter((budget) => !standings.some((standing) => standing.budget === budget));
    for (const { name } of silent) app.tell(`${printableLine(name)}: nothing is known to be spent of it`);
    const unpriced = [...new Set(standings.flatMap((standing) => standing.unpriced))];
    if (unpriced.length > 0) app.tell(`not in the cost, no price is known: ${unpriced.map(printableLine).join(", ")}`);
  },
});

const readSpenders = async ({ sys }: App) =>
  (await listSessions(sys)).flatMap((session) => (session.sessionId === undefined ? [] : spenderOf(sys, session)));

const levelStyles: Record<Level, Style | undefined> = { over: "red", warning: "yellow", fine: undefined };

function renderBudgets(standings: readonly Standing[], { paint, columns: maxWidth }: App): string[] {
  const { dayOf, timeOf } = createCalendar();
  const columns: Column[] = [
    { title: "BUDGET", minWidth: 8 },
    { title: "OF", minWidth: 8 },
    { title: "SPENT" },
    { title: "LIMIT" },
    { title: "USED", paint: (text, row) => paintLevel(text, standings[row]) },
    { title: "STARTS OVER" },
    { title: "SESSIONS" },
    { title: "THEN" },
  ];
  const paintLevel = (text: string, standing: Standing | undefined) => {
    const style = standing === undefined ? undefined : levelStyles[levelOf(standing)];
    return style === undefined ? text : paint(style, text);
  };
  const rows = standings.map((standing) => {
    const { budget, of, ofName, endsAt, sessions, isPartial } = standing;
    const { spent, limit } = amountsOf(standing);
    return [
      budget.name,
      ofName ?? (budget.period === "session" ? of.slice(0, 8) : `${budget.period} ${of}`),
      `${isPartial ? "at least " : ""}${spent}`,
      limit,
      `${Math.floor(spentPercent(standing))}%`,
      endsAt === undefined ? "-" : `${dayOf(endsAt)} ${timeOf(endsAt)}`,
      "usagePercent" in budget.limit ? "-" : String(sessions.length),
      budget.action,
    ].map(printableLine);
  });
  const [title = "", ...lines] = table(columns, rows, maxWidth);
  return [paint("bold", title), ...lines];
}

const unitOf = ({ limit }: Standing["budget"]) => ("usd" in limit ? "usd" : "tokens" in limit ? "tokens" : "percent");

export const budgetJson = ({ budgets, problems }: Pick<RuleBook, "budgets" | "problems">, standings: readonly Standing[]) => ({
  budgets: budgets.map((budget) => ({
    ...{ name: budget.name, period: budget.period, action: budget.action, path: budget.at.path, line: budget.at.line },
    ...{ unit: unitOf(budget) as "usd" | "tokens" | "percent", limit: limitOf(budget), warn_percent: budget.warnPercent },
    standings: standings
      .filter((standing) => standing.budget === budget)
      .map((standing) => ({
        ...{ of: standing.of, spent: standing.spent, percent: spentPercent(standing), level: levelOf(standing) },
        ...timed("ends", standing.endsAt),
        session_ids: [...standing.sessions],
        unpriced_models: [...standing.unpriced],
      })),
  })),
  problems: problems.map(({ path, line, message }) => ({ path, line, message })),
});
