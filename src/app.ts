import type { HookInput } from "./claude-hooks.ts";
import { exitCode, SilentExit, UserError, unknownWord, usageError } from "./errors.ts";
import { present } from "./json.ts";
import { allowsColor, createOutput, movesCursor } from "./output.ts";
import { configDir, hasUserRules, launchDir, setupToldPath } from "./paths.ts";
import { buildVersion, countWord, deliverWord, editorWord, findTopic, hookWord, launchWord, rulesWord, type Topic } from "./program.ts";
import { decideRoute, findMeant, type Route } from "./router.ts";
import { createSys, type Sys } from "./sys.ts";

/** Carries a route out; the result is the exit code. */
export async function runRoute(route: Route): Promise<number> {
  const sys = createSys();
  try {
    await run(sys, route);
    return exitCode.ok;
  } catch (error) {
    return report(sys, route, error);
  }
}

async function run(sys: Sys, route: Route): Promise<void> {
  switch (route.to) {
    case "version":
      return createOutput(sys).out(`csm ${buildVersion}`);
    case "claude": {
      const meant = await askMeant(sys, route.args);
      if (meant !== undefined) return run(sys, await decideRoute("csm", [meant]));
      if (isFirstStart(sys, route.args)) (await import("./cmd-setup.ts")).tellOfSetup(sys);
      return launch(sys, "bare", route.args);
    }
    case "help":
      return createOutput(sys).out(await (await import("./help.ts")).renderCsmHelp(columnsOf(sys)));
    case "topic":
      return explain(sys, route.topic);
    case "csd":
      return runCsd(sys, route.args);
    case "csm":
      break;
  }
  const { word, args } = route;
  // Shells call these at every switch and every Tab: no record, no package.
  if (word === "completions" && args[0] === "--complete") return complete(sys, args.slice(1));
  if (word === "completions" && args[0] === "--names")
    return createOutput(sys).out((await (await import("./completion.ts")).listNames(sys, args[1] ?? "")).join("\n"));
  // The flags of run stand among those of claude, which no record can list.
  if (word === "run" && !isHelpWord(args[0])) return launch(sys, "run", args);
  if (word === "hook" && !isHelpWord(args[0])) {
    const [input, { answerLimitHook }] = await Promise.all([readHookInput(sys), import("./limit-hook.ts")]);
    return answerLimitHook(sys, args, input);
  }
  // Shell functions call it for each new prompt: without flags there is nothing for a record to check.
  if (word === "scan" && args.length < 2 && args[0]?.startsWith("-") !== true) return scan(sys, args[0] ?? ".");
  if (word === "cas" && !isHelpWord(args[0])) {
    const verb = await (await import("./cas.ts")).runCas(sys, args, createOutput(sys).exact);
    if (verb === undefined) return;
    return runCsm(sys, "profiles", verb);
  }
  return runCsm(sys, word, args);
}

/** Of csm by itself, with somebody who sees what it says; what scripts read is only claude's. */
const isFirstStart = (sys: Sys, args: readonly string[]): boolean =>
  args.length === 0 &&
  sys.homeDir !== undefined &&
  sys.modifiedAt(setupToldPath(sys)) === undefined &&
  ([0, 1, 2] as const).every((fd) => sys.isTerminal(fd));

/** A mistyped word of ours would cost a paid turn as a prompt: on a terminal it is asked about. Undefined where claude is to have it. */
async function askMeant(sys: Sys, args: readonly string[]): Promise<string | undefined> {
  const meant = args.length === 1 ? await findMeant(args) : undefined;
  if (meant === undefined || !sys.isTerminal(0) || !sys.isTerminal(1) || !movesCursor(sys.env)) return undefined;
  const answer = await (await import("./prompts.ts")).promptConfirm(`did you mean csm ${meant}? n sends it to claude`);
  if (answer === undefined) throw new SilentExit(exitCode.interrupted);
  return answer ? meant : undefined;
}

async function explain(sys: Sys, topic: Topic): Promise<void> {
  const [{ renderTopic }, { loadCommands }] = await Promise.all([import("./help-topics.ts"), import("./commands.ts")]);
  createOutput(sys).out(await renderTopic(topic, { sys, loaded: await loadCommands() }, columnsOf(sys)));
  // Two of them are commands too.
  const word = (await loadCommands()).find((row) => row.program === "csm" && row.word === topic)?.word;
  if (word === undefined) return;
  createOutput(sys).out("");
  return runCsm(sys, word, ["--help"]);
}

/** `=CURRENT WORDS…`, for the scripts of the shells. */
async function complete(sys: Sys, [current = "", ...typed]: readonly string[]): Promise<void> {
  const [{ renderReply }, { readPrograms }] = await Promise.all([import("./completion.ts"), import("./commands.ts")]);
  const lines = await renderReply(sys, await readPrograms(), typed, current.slice(1));
  if (lines.length > 0) createOutput(sys).out(lines.join("\n"));
}

async function launch(sys: Sys, form: "run" | "bare", args: readonly string[]): Promise<void> {
  await removeOldLaunches(sys);
  const { runLauncher } = await import("./launcher.ts");
  return runLauncher(sys, form, args);
}

async function scan(sys: Sys, folder: string): Promise<void> {
  const { listConversations, renderScan } = await import("./conversations.ts");
  const rows = renderScan(sys, listConversations(sys, folder).conversations, columnsOf(sys));
  if (rows.length > 0) createOutput(sys).out(rows.join("\n"));
}

const isHelpWord = (word: string | undefined): boolean => word === "--help" || word === "-h" || word === "help";

async function runCsm(sys: Sys, word: string, args: readonly string[]): Promise<void> {
  const { findCommand, verbsOf } = await import("./commands.ts");
  const load = findCommand("csm", word)?.load;
  if (load === undefined) throw usageError(`csm ${word}: there is no such command`, "csm --help lists them");
  const { runRecord } = await import("./cmd-record.ts");
  const verbs = verbsOf("csm", word);
  const [first, ...rest] = args;
  if (verbs.size === 0 || first === undefined || (first.startsWith("-") && !isHelpWord(first)))
    return runRecord(await load(), args, await createApp(sys));
  if (isHelpWord(first) && rest.length === 0)
    return createOutput(sys).out(await (await import("./help.ts")).renderGroupHelp(await load(), verbs, columnsOf(sys)));
  const verb = isHelpWord(first) ? (rest[0] ?? "") : first;
  const loadVerb = verbs.get(verb)?.load;
  if (loadVerb === undefined) throw unknownVerb(word, verb, [...verbs.keys()]);
  return runRecord(await loadVerb(), isHelpWord(first) ? ["--help"] : rest, await createApp(sys));
}

/** The hint is the older tool's. */
const unknownVerb = (word: string, verb: string, known: readonly string[]): UserError =>
  unknownWord(`csm ${word}: unknown verb`, verb, known, { otherwise: `one of: ${known.join("|")}` });

async function runCsd(sys: Sys, args: readonly string[]): Promise<void> {
  const [word, ...rest] = args;
  if (word === launchWord) throw new SilentExit(await (await import("./launch.ts")).runLaunch(sys, rest[0] ?? ""));
  if (word === hookWord) return answerHook(sys);
  if (word === rulesWord) return answerRules(sys);
  if (word === deliverWord) return (await import("./notice-spool.ts")).deliver(sys);
  if (word === editorWord) throw new SilentExit(await (await import("./editor-run.ts")).runEditor(sys, rest));
  if (word === countWord) return countSpending(sys);
  if (word === "--version" || word === "-V") return createOutput(sys).out(`csd ${buildVersion}`);
  if (word === undefined || word === "--help" || word === "-h" || (word === "help" && rest.length === 0)) {
    const help = await (await import("./help.ts")).renderCsdHelp(columnsOf(sys));
    if (word !== undefined) return createOutput(sys).out(help);
    createOutput(sys).tell(help.trimEnd());
    throw new SilentExit(exitCode.usage);
  }
  const name = word === "help" ? (rest[0] ?? "") : word;
  const topic = word === "help" ? findTopic(rest) : undefined;
  if (topic !== undefined) return explain(sys, topic);
  const { commands, findCommand } = await import("./commands.ts");
  const load = findCommand("csd", name)?.load;
  if (load === undefined) {
    const known = commands.csd.map((row) => row.word);
    throw unknownWord("csd: unknown command", name, known, { otherwise: "csd --help lists the commands" });
  }
  const { runRecord } = await import("./cmd-record.ts");
  return runRecord(await load(), word === "help" ? ["--help"] : rest, await createApp(sys));
}

/** Each hook reads it once, while what answers is loaded. Undefined for what is no hook input. */
async function readHookInput(sys: Sys): Promise<HookInput | undefined> {
  const [text, { parseHookInput }] = await Promise.all([sys.readInput(), import("./claude-hooks.ts")]);
  return parseHookInput(text);
}

/** A hook that fails must not disturb the turn it runs in: it says nothing, and the dialog stays. */
async function answerHook(sys: Sys): Promise<void> {
  const [input, { runHook }, { isCallEvent }] = await Promise.all([
    readHookInput(sys),
    import("./hook-run.ts"),
    import("./claude-hooks.ts"),
  ]);
  if (input === undefined) return;
  const tell = () => tellOf(sys, input).catch(() => undefined);
  const reply = await runHook(sys, input, tell).catch(() => undefined);
  const said = reply ?? (isCallEvent(input.event) ? undefined : await tell());
  if (said !== undefined) createOutput(sys).exact(said);
}

/** Nothing is loaded where nobody is to be told. */
async function tellOf(sys: Sys, input: HookInput): Promise<string | undefined> {
  if (!hasUserRules(sys) && input.event !== "StopFailure") return undefined;
  return (await import("./limit-hook.ts")).noteFailure(sys, input);
}

async function countSpending(sys: Sys): Promise<void> {
  const [{ readUsage }, { costSources }] = await Promise.all([import("./cost.ts"), import("./cost-files.ts")]);
  await readUsage(sys, costSources(sys));
}

/** The hook of a session that csm starts and leaves to itself. */
async function answerRules(sys: Sys): Promise<void> {
  const [input, { answerEvent }] = await Promise.all([readHookInput(sys), import("./limit-hook.ts")]);
  const reply = input === undefined ? undefined : await answerEvent(sys, input, configDir(sys)).catch(() => undefined);
  if (reply !== undefined) createOutput(sys).exact(reply);
}

/** There is hardly ever one: nothing is loaded to look. */
async function removeOldLaunches(sys: Sys): Promise<void> {
  if (sys.homeDir !== undefined && sys.list(launchDir(sys)).length > 0) (await import("./launch.ts")).removeOldLaunches(sys);
}

/** Of the terminal; undefined where stdout is none. */
const columnsOf = (sys: Sys): number | undefined => (sys.isTerminal(1) ? process.stdout.columns || 80 : undefined);

async function createApp(sys: Sys) {
  await removeOldLaunches(sys);
  const { createPaint } = await import("./format.ts");
  return {
    sys,
    ...createOutput(sys),
    // Asking for a terminal loads Bun's tty streams, which takes longer than most commands: only those that need it ask.
    get paint() {
      return createPaint(sys.isTerminal(1) && allowsColor(sys.env));
    },
    get columns() {
      return columnsOf(sys);
    },
    get isInteractive() {
      return sys.isTerminal(0) && movesCursor(sys.env);
    },
  };
}

/** One place where errors become words and codes. */
function report(sys: Sys, route: Route, error: unknown): number {
  const { tell, tellJson } = createOutput(sys);
  if (error instanceof SilentExit) return error.exitCode;
  if (error instanceof UserError) {
    const { message, hint } = error;
    if (route.to === "csd" && !sys.isTerminal(2)) tellJson({ error: message, ...present({ hint }) });
    else tell(describeError(route, error));
    return error.exitCode;
  }
  const system = error as NodeJS.ErrnoException;
  const isDatabase = typeof system.code === "string" && system.code.startsWith("SQLITE_");
  if (isDatabase || (typeof system.code === "string" && typeof system.syscall === "string")) {
    const { path = "" } = system;
    const where = path === "" || system.message.includes(path) ? "" : `: ${path}`;
    const isFull = /^(?:ENOSPC|EDQUOT|EFBIG|SQLITE_FULL)$/.test(system.code ?? "");
    const hint = isFull ? "the disk is full, or the file may not grow; nothing of what was there is lost" : undefined;
    return report(sys, route, new UserError(`${system.syscall ?? "database"} failed: ${system.message}${where}`, hint));
  }
  tell(
    `csm: this is a bug in version ${buildVersion}; please report it with what follows\n${error instanceof Error ? error.stack : String(error)}`,
  );
  return exitCode.bug;
}

/** csd is called by scripts, which get one line of JSON; a person at a terminal gets words, as from csm. */
function describeError({ to }: Route, { message, hint }: Pick<UserError, "message" | "hint">): string {
  const program = /^cs[md][ :]/.test(message) ? "" : `${to === "csd" ? "csd" : "csm"}: `;
  return `${program}${message}${hint === undefined ? "" : `; ${hint}`}`;
}
