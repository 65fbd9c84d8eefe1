import { isAbsolute, join } from "node:path";
import { readAudit } from "./audit.ts";
import { parseSince, renderLocalTime } from "./calendar.ts";
import { resolveSessionId } from "./candidates.ts";
import { type App, command, sinceArgument } from "./cmd-record.ts";
import { SilentExit, UserError, usageError } from "./errors.ts";
import { belowHome, hang, isoTime, table } from "./format.ts";
import { readHooksOff } from "./hooks-off.ts";
import { parseRecord, present } from "./json.ts";
import { judge } from "./judge.ts";
import { printableLine } from "./printable.ts";
import { currentDir, readRegistryOrNone } from "./profiles.ts";
import type { Decision, JudgedPart, Judgement, Rule, RuleProblem, SessionFacts, ToolCall } from "./rules.ts";
import { findIdle } from "./rules-check.ts";
import { toCall } from "./rules-decide.ts";
import { findProjectRoot, listRuleFiles, readRuleBook } from "./rules-file.ts";
import { type Imported, importPermissions, renderRule, whenText } from "./rules-import.ts";

const json = { type: "boolean", description: "print JSON" } as const;
const cwdArgument = { type: "string", valueHint: "DIR", description: "the folder of the session; this one unless told" } as const;
/** Its project's rules count too. */
const projectOf = ({ sys }: App, cwd: string | undefined) => {
  const dir = sys.realPath(cwd ?? sys.cwd);
  if (dir === undefined || !sys.isDirectory(dir)) throw usageError(`csm rules: no such folder: ${cwd}`, "give an existing one with --cwd");
  return { dir, root: findProjectRoot(sys, dir) };
};

const about = `Rules say what may run without you, what never does, and what is always asked: in ~/.config/claude-smart/rules.toml for
all sessions, and in .csm/rules.toml of a project, which may only deny and ask.

Sessions that csm and csd start have them; csm setup gives them to all others. A denial beats everything, in every permission mode
and in sub-agents; then what is to be asked; leave is only given where claude would ask. Of a command line each part needs leave,
cd DIR as well.`;

const listArgs = { cwd: cwdArgument, json };
const listExamples: [string, string][] = [
  ["csm rules", "the rules that hold in this folder, the strongest kind of each call first"],
  ["csm rules check", "what is wrong, and which rules never do anything"],
  ["csm rules explain 'npm test && git push'", "what would be decided, part by part"],
];
/** `csm rules` alone lists them; its verbs are in `commands`. */
export const rulesCommand = command({
  name: "csm rules",
  summary: `List, check and explain the rules: what may run without you.\n\n${about}`,
  args: listArgs,
  examples: listExamples,
  run: ({ args, app }) => showList(app, args),
});
export const rulesListCommand = command({
  name: "csm rules list",
  summary: "List the rules that hold in a folder.",
  args: listArgs,
  examples: listExamples.slice(0, 1),
  run: ({ args, app }) => showList(app, args),
});

type ListArgs = { cwd?: string | undefined; json?: boolean | undefined };

async function showList(app: App, args: ListArgs): Promise<void> {
  const { root } = projectOf(app, args.cwd);
  const { rules, budgets, problems } = await readRuleBook(app.sys, root);
  if (args.json === true)
    return app.json<"csm rules">({ project: root, rules: rules.map(ruleJson), budgets: budgets.map(budgetJson), problems });
  for (const problem of problems) app.tell(`csm rules: ${problemText(app, problem)}`);
  if (rules.length === 0) return app.out("no rules: csm rules --help tells where they are written");
  const columns = [{ title: "NAME" }, { title: "ACTION" }, { title: "WHEN" }, { title: "WHERE" }];
  const rows = rules.map(({ name, action, when, at }) => [name, action, whenText(when), placeText(app, at)].map(printableLine));
  app.out(table(columns, rows, app.columns).join("\n"));
}

const ruleJson = ({ name, action, message, isProject, at, when }: Rule) => ({
  ...{ name, action, message: message ?? null, is_project: isProject, path: at.path, line: at.line },
  when: { ...when },
});
const budgetJson = ({
  name,
  action,
  period,
  limit,
  warnPercent,
  isProject,
  at,
}: Awaited<ReturnType<typeof readRuleBook>>["budgets"][0]) => ({
  ...{ name, action, period, limit: { ...limit }, warn_percent: warnPercent, is_project: isProject, path: at.path, line: at.line },
});

/** As people write a path of their own. */
const placeText = ({ sys }: App, { path, line }: { path: string; line: number }): string => `${belowHome(path, sys.homeDir)}:${line}`;
const problemText = (app: App, problem: RuleProblem): string => printableLine(`${placeText(app, problem)}: ${problem.message}`);

export const rulesCheckCommand = command({
  name: "csm rules check",
  summary: `Check the rules: what is wrong in the files, which rules never match, and which another one always beats.

A file with an error allows nothing and denies nothing: all that it could decide is asked until it is corrected. Exits with 1 then.`,
  args: listArgs,
  examples: [
    ["csm rules check", "the user's file and that of the project of this folder"],
    ["csm rules check --cwd ~/app && git commit", "only where nothing is wrong"],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const { root } = projectOf(app, args.cwd);
    const book = await readRuleBook(sys, root);
    const profiles = readRegistryOrNone(sys).profiles.map(({ name }) => name);
    // Of a broken file the rules are not what they will be.
    const notes = findIdle(
      book.rules.filter(({ at }) => !book.problems.some(({ path }) => path === at.path && !at.path.startsWith(root))),
      profiles,
    );
    const files = listRuleFiles(sys, root).map(({ path, isProject }) => ({
      ...{ path, is_project: isProject, rules: book.rules.filter(({ at }) => at.path === path).length },
    }));
    const off = files.length === 0 ? undefined : readHooksOff(sys, { configDir: currentDir(sys, readRegistryOrNone(sys)), cwd: root });
    if (off !== undefined) app.tell(`csm rules check: hooks are switched off (${off}): no rule holds here`);
    if (args.json === true) app.json<"csm rules check">({ project: root, files, problems: book.problems, notes });
    else {
      for (const problem of book.problems) app.out(hang("error: ", problemText(app, problem), app.columns).join("\n"));
      for (const note of notes) app.out(hang("note: ", problemText(app, note), app.columns).join("\n"));
      if (files.length === 0) app.out("no rules: csm rules --help tells where they are written");
      else if (book.problems.length + notes.length === 0)
        app.out(
          files
            .map(
              ({ path, rules }) =>
                `${printableLine(placeText(app, { path, line: 0 }).slice(0, -2))}: ${rules} ${rules === 1 ? "rule" : "rules"}, nothing is wrong`,
            )
            .join("\n"),
        );
    }
    if (book.problems.length > 0) throw new SilentExit(1);
  },
});

// --- what would be decided -----------------------------------------------------------------------------------------

const factArguments = {
  profile: { type: "string", valueHint: "NAME", description: "as if under this profile" },
  model: { type: "string", valueHint: "NAME", description: "as if by this model" },
  agent: { type: "string", valueHint: "TYPE", description: "as if a sub-agent of this type asked" },
} as const;

export const rulesExplainCommand = command({
  name: "csm rules explain",
  summary: `Tell what the rules would decide about a call, and why: each part of a command that is seen, and the rule that decides it.

Nothing runs. What is not told, such as what the session has cost, is not known: then no rule allows by it, and one that denies asks.`,
  args: {
    request: {
      type: "positional",
      required: true,
      description: "a command, or what another tool is given: a path, an address, or the input of its call as JSON",
    },
    tool: { type: "string", valueHint: "TOOL", description: "Bash unless told" },
    cwd: cwdArgument,
    ...factArguments,
    json,
  },
  examples: [
    ["csm rules explain 'npm test && git push --force'", ""],
    ["csm rules explain --tool Edit ~/.ssh/config", ""],
    ["csm rules explain --json --tool Bash --cwd ~/app -- 'rm -rf build'", "for programs"],
    [`csm rules explain --tool Grep '{"pattern":"x","path":"/etc"}'`, "what a tool is given, as JSON"],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const request = parseRequest(args.request, args.tool);
    const { dir, root } = projectOf(app, args.cwd ?? request.cwd);
    const { rules, problems } = await readRuleBook(sys, root);
    const call: ToolCall = { ...toCall(sys, { ...request, cwd: dir, projectDir: root }), ...present({ agent: args.agent }) };
    const facts: SessionFacts = {
      now: sys.now(),
      status: "blocked",
      projectDir: root,
      ...present({ profile: args.profile, model: args.model }),
    };
    const judgement = judge(rules, call, facts);
    for (const problem of problems) app.tell(`csm rules: ${problemText(app, problem)}`);
    if (args.json === true) return app.json<"csm rules explain">(judgementJson(judgement));
    app.out(renderJudgement(app, judgement).join("\n"));
  },
});

const inputKeys: Readonly<Record<string, string>> = {
  ...{ read: "file_path", edit: "file_path", write: "file_path", multiedit: "file_path", notebookedit: "notebook_path" },
  ...{ grep: "path", glob: "path", ls: "path", webfetch: "url", bash: "command", powershell: "command", agent: "subagent_type" },
};

function parseRequest(text: string, tool: string | undefined): { tool: string; input: Record<string, unknown>; cwd?: string } {
  const given = text.trimStart().startsWith("{") ? parseRecord(text) : undefined;
  if (given !== undefined && typeof given.tool_name === "string") {
    const input = typeof given.tool_input === "object" && given.tool_input !== null ? (given.tool_input as Record<string, unknown>) : {};
    return { tool: given.tool_name, input, ...(typeof given.cwd === "string" ? { cwd: given.cwd } : {}) };
  }
  const name = tool ?? "Bash";
  // A command may begin with a brace too.
  if (given !== undefined && name !== "Bash") return { tool: name, input: given };
  const key = inputKeys[name.toLowerCase()];
  if (key === undefined) throw usageError(`csm rules explain: ${name} takes its input as JSON`, `for example '{"key":"value"}'`);
  return { tool: name, input: { [key]: text } };
}

const partJson = ({ text, decision, rule }: JudgedPart) => ({ text, decision, rule: rule?.name ?? null });
const judgementJson = ({ decision, rule, reason, parts }: Judgement) => ({
  ...{ decision, rule: rule?.name ?? null, reason },
  parts: parts.map(partJson),
});

const outcomes: Readonly<Record<Decision, string>> = {
  allow: "allowed unseen",
  ask: "asked",
  deny: "denied",
  none: "as without rules",
};

function renderJudgement(app: App, { decision, rule, reason, parts }: Judgement): string[] {
  const by = (one: Rule | undefined) => (one === undefined ? "" : ` by ${JSON.stringify(one.name)}`);
  const where = rule === undefined ? "" : ` (${placeText(app, rule.at)})`;
  const rows = parts.map((part) => [
    part.decision,
    part.text,
    [by(part.rule).trim(), part.doubt === undefined ? "" : `in doubt: ${part.doubt}`].filter((text) => text !== "").join("; "),
  ]);
  return [
    printableLine(`${decision}: ${outcomes[decision]}${by(rule)}${where}`),
    printableLine(reason),
    ...(rows.length === 0
      ? []
      : [
          "",
          ...table(
            [{ title: "DECISION" }, { title: "PART", minWidth: 20 }, { title: "WHY", minWidth: 30 }],
            rows.map((row) => row.map(printableLine)),
            app.columns,
          ),
        ]),
  ];
}

// --- what was decided ----------------------------------------------------------------------------------------------

const defaultLines = 20;

export const rulesLogCommand = command({
  name: "csm rules log",
  summary: "What was decided, by a rule or by a person through csm, csd or the dashboard, and what was refused; the newest last.",
  args: {
    since: sinceArgument,
    session: {
      type: "string",
      valueHint: "WHICH",
      kind: "anywhere",
      description: "only this session: its name, its id or the beginning of it, or its title",
    },
    rule: { type: "string", valueHint: "NAME", description: "only what this rule decided" },
    lines: {
      type: "string",
      alias: "n",
      valueHint: "N",
      description: `how many, the newest last (${defaultLines}; all of them with --json)`,
    },
    json,
  },
  examples: [
    ["csm rules log", ""],
    ["csm rules log --since 7d --rule no-push --json", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const count = args.lines === undefined ? (args.json === true ? Number.POSITIVE_INFINITY : defaultLines) : Number(args.lines);
    if (!(count >= 1)) throw usageError(`csm rules log: --lines must be a whole number, not ${JSON.stringify(args.lines)}`);
    const sinceAt = args.since === undefined ? undefined : parseSince("--since", args.since, sys.now());
    const all = readAudit(sys);
    // A name of then may be nobody's by now.
    const isName = all.some(({ session }) => session === args.session);
    const known = all.flatMap((entry) => idOf(entry) ?? []);
    const wanted = args.session === undefined || isName ? args.session : await resolveSessionId(sys, args.session, known);
    const entries = all.filter(
      (entry) =>
        (sinceAt === undefined || entry.at >= sinceAt) &&
        (wanted === undefined || entry.session === wanted || idOf(entry) === wanted) &&
        (args.rule === undefined || (entry.event === "decided" && entry.rule === args.rule)),
    );
    const shown = Number.isFinite(count) ? entries.slice(-count) : entries;
    if (args.json === true) return app.json<"csm rules log">({ entries: shown.map((entry) => ({ ...entry, time: isoTime(entry.at) })) });
    if (shown.length === 0) return app.out("nothing of this kind was decided");
    app.out(shown.flatMap((entry) => renderEntry(entry, app.columns)).join("\n"));
  },
});

const idOf = (entry: ReturnType<typeof readAudit>[0]): string | undefined => (entry.event === "decided" ? entry.session_id : undefined);

function renderEntry(entry: ReturnType<typeof readAudit>[0], columns: number | undefined): string[] {
  const head = `${renderLocalTime(entry.at / 1000, undefined)}  ${printableLine(entry.session).slice(0, 20)}  `;
  if (entry.event === "refused") return hang(head, printableLine(`refused to ${entry.verb}: ${entry.why}`), columns);
  const by = entry.rule === undefined ? entry.channel : `rule ${JSON.stringify(entry.rule)}`;
  const what = [entry.tool, entry.request].filter((text) => text !== undefined).join(": ");
  return hang(head, printableLine(`${entry.decision} by ${by}  ${what}`), columns);
}

// --- what others have ----------------------------------------------------------------------------------------------

export const rulesImportCommand = command({
  name: "csm rules import",
  summary: `Show as rules what another program's file says: Claude Code's settings.json, or the older monitor's config.toml.

The result goes to stdout, each rule under what it was made of. What cannot be taken over stands there as a comment, with why.`,
  args: { file: { type: "positional", required: true, description: "settings.json with permissions, or TOML or JSON with rules" }, json },
  examples: [
    ["csm rules import ~/.claude/settings.json", "look first"],
    ["csm rules import ~/.claude/settings.json >> ~/.config/claude-smart/rules.toml", "and then: csm rules check"],
    ["csm rules import ~/.config/claudectl/config.toml", ""],
  ],
  async run({ args, app }) {
    const imported = await readImported(app, args.file);
    if (args.json === true)
      return app.json<"csm rules import">({
        entries: imported.map(({ source, outcome }) => ({
          source,
          ...("rule" in outcome
            ? { name: outcome.rule.name, action: outcome.rule.action, toml: renderRule(outcome.rule), note: outcome.note ?? null }
            : { name: null, action: null, toml: null, note: outcome.why }),
        })),
      });
    const comment = (text: string) => `# ${printableLine(text)}`;
    app.out(
      imported
        .map(({ source, outcome }) =>
          "rule" in outcome
            ? [comment(source), ...(outcome.note === undefined ? [] : [comment(outcome.note)]), renderRule(outcome.rule)].join("\n")
            : comment(`not taken over: ${source}: ${outcome.why}`),
        )
        .join("\n\n"),
    );
  },
});

async function readImported({ sys }: App, file: string): Promise<Imported[]> {
  const path = isAbsolute(file) ? file : join(sys.cwd, file);
  const text = sys.readText(path);
  if (text === undefined) throw new UserError(`${file} cannot be read`, "give the file of another program's settings");
  const isProjects = /\/\.claude\/settings(?:\.local)?\.json$/.test(path) && !path.startsWith(`${sys.homeDir}/.claude/`);
  const permissions = importPermissions(parseRecord(text), !isProjects);
  if (permissions !== undefined) return permissions;
  const { importRules } = await import("./rules-schema.ts");
  const { rules, problems, others } = importRules({ path, text });
  const [first] = problems;
  if (rules.length === 0 && first !== undefined)
    throw new UserError(`${first.path}:${first.line}: ${first.message}`, "nothing was taken over");
  if (rules.length === 0)
    throw new UserError(`${file} holds no rules`, "neither permissions of Claude Code nor rules of the older monitor");
  const note = "the older monitor looked for its commands anywhere in a line; here they are the first words of each command in it";
  return [
    ...rules.map(
      (rule): Imported => ({
        source: `line ${rule.at.line}: ${rule.name}`,
        outcome: { rule, ...(rule.when.command === undefined ? {} : { note }) },
      }),
    ),
    ...problems.map(({ line, message }): Imported => ({ source: `line ${line}`, outcome: { why: message } })),
    ...others.map((key): Imported => ({ source: `[${key}]`, outcome: { why: "it is no rule" } })),
  ];
}
