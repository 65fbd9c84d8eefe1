import type { Choice, Wish } from "./answer.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { createDriver, type Driver, readOwnSession, type Target, trackedTarget } from "./driver.ts";
import type { SendOptions } from "./driver-prompt.ts";
import type { Answer, QuestionOptions, ReplyOptions } from "./driver-reply.ts";
import type { SpawnOptions } from "./driver-spawn.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { findClaude } from "./launch.ts";
import type { Monitor } from "./monitor.ts";
import { planShow, type Show } from "./panes.ts";
import { readProcess } from "./process.ts";
import { profileEnv } from "./profiles.ts";
import { requireOwn, targetOf } from "./resolve.ts";
import type { LiveSession } from "./session.ts";
import { readSessionFile } from "./session-file.ts";
import type { Sys } from "./sys.ts";
import { whyNotIn } from "./terminals.ts";
import type { Pane } from "./tmux.ts";
import { gateIdOf, gateOf, isGateUp, type VerbName, verbNeeds, whyNot } from "./verbs.ts";

/** What a verb acts on, by its need; a `stranger` is a process that csd has no record of. */
interface Subjects {
  gate: Target;
  keyboard: Target;
  process: { name: string; stranger?: Pick<LiveSession, "pid" | "key" | "configDir"> };
  nothing: undefined;
}

/** Something that can be done to a session. */
interface Verb<Subject, Input, Result> {
  /** Throws with why it was not done. */
  run(driver: Driver, subject: Subject, input: Input): Promise<Result>;
  /** What was done, for a person. */
  words(name: string, result: Result): string;
}

const verb = <Subject, Input, Result>(row: Verb<Subject, Input, Result>): Verb<Subject, Input, Result> => row;

/** Of a verb that answers or types: a session must not do that to itself. */
const outside = <Input, Result>(word: string, row: Verb<Target, Input, Result>): Verb<Target, Input, Result> => ({
  ...row,
  async run(driver, target, input) {
    await (await import("./audit.ts")).refuseOwnSession(driver.sys, target, word);
    return row.run(driver, target, input);
  },
});

/**
 * What is sent to a session that stands at a form of one question answers it, as it does where claude asks in its text. Undefined
 * where no form is up.
 */
async function answerForm(driver: Driver, target: Target, prompt: string, { isDraft }: SendOptions): Promise<Answer | undefined> {
  const session = await readOwnSession(driver, target);
  if (session?.status !== undefined && session.status !== "waiting") return undefined;
  const verdict = await (await import("./observe.ts")).readState(driver, target);
  if (verdict.status !== "awaiting_answer" || verdict.gate !== "question") return undefined;
  const questions = Array.isArray(verdict.questions) ? (verdict.questions as { options?: { label?: unknown }[] }[]) : [];
  const { name } = target;
  if (questions.length > 1)
    throw new UserError(
      `session "${name}" asks ${questions.length} questions; nothing was sent`,
      `csd answer ${name} takes one answer for each`,
    );
  if (isDraft === true) throw new UserError(`session "${name}" asks a question; nothing was typed`, `csd answer ${name} answers it`);
  const text = prompt.trim();
  if (text === "") throw new UserError("empty prompt", "give the text to send");
  const labels = questions[0]?.options?.map(({ label }) => String(label)) ?? [];
  const choice = labels.find((label) => label.toLowerCase() === text.toLowerCase());
  const { answerQuestions } = await import("./driver-reply.ts");
  const options = present({ gate: verdict.gate_id, text: choice === undefined ? text : undefined });
  return answerQuestions(driver, target, choice === undefined ? [] : [choice], options);
}

const answerWords = (name: string, { chosen }: Answer): string => `${name}: ${chosen}`;

/** All that csd's commands and the dashboard can do to a session. */
export const verbs = {
  allow: outside("approve", {
    async run(driver, target, { option, ...options }: Omit<ReplyOptions, "reason"> & { option?: number }) {
      const wish: Wish = option === undefined ? { meaning: "allow-once" } : { option };
      return (await import("./driver-reply.ts")).answerGate(driver, target, wish, options);
    },
    words: answerWords,
  }),
  deny: outside("deny", {
    run: async (driver, target, options: ReplyOptions) =>
      (await import("./driver-reply.ts")).answerGate(driver, target, { meaning: "refuse" }, options),
    words: answerWords,
  }),
  answer: outside("answer", {
    run: async (driver, target, { choices, ...options }: QuestionOptions & { choices: Choice[] }) =>
      (await import("./driver-reply.ts")).answerQuestions(driver, target, choices, options),
    words: answerWords,
  }),
  send: outside("send to", {
    async run(driver, target, { prompt, ...options }: SendOptions & { prompt: string }) {
      const answer = options.isNoAnswer === true ? undefined : await answerForm(driver, target, prompt, options);
      if (answer !== undefined) return { attempts: 1, receipt: "accepted" as const, answer };
      return { answer, ...(await (await import("./driver-prompt.ts")).sendPrompt(driver, target, prompt, options)) };
    },
    words: (name, { receipt }) => `${name} has the message (${receipt})`,
  }),
  submit: outside("submit to", {
    run: async (driver, target, options: Omit<SendOptions, "isDraft">) =>
      (await import("./driver-prompt.ts")).submitDraft(driver, target, options),
    words: (name, { receipt }) => `${name} has its draft (${receipt})`,
  }),
  clear: outside("clear", {
    run: async (driver, target, _: object) => (await import("./driver-prompt.ts")).removeDraft(driver, target),
    words: (name, wasThere) => (wasThere ? `${name}: the draft is gone` : `${name}: no draft`),
  }),
  interrupt: outside("interrupt", {
    run: async (driver, target, _: object) => (await import("./driver-prompt.ts")).interruptTurn(driver, target),
    words: (name, wasAtWork) => (wasAtWork ? `${name} is interrupted` : `${name}: nothing ran`),
  }),
  stop: verb({
    run: async (driver, { name, stranger }: Subjects["process"], _: object) => {
      if (stranger === undefined) return (await import("./driver-kill.ts")).killSession(driver, name);
      const owner = await readProcess(driver.sys, stranger.pid);
      if (owner === undefined || stranger.key !== `${owner.pid}:${owner.start}`) throw new UserError(`${name} has ended already`);
      await tellToEnd(driver.sys, stranger);
      return { isKnown: true, isEnded: true };
    },
    words: (name) => `${name} is told to end`,
  }),
  new: verb({
    run: async (driver, _: undefined, options: SpawnOptions) =>
      (await import("./driver-spawn.ts")).spawnSession(driver, { ...options, ...present({ cwd: inHome(driver.sys, options.cwd) }) }),
    words: (_, { driven }) => `started ${driven.name}`,
  }),
} satisfies { [V in VerbName]: Verb<Subjects[(typeof verbNeeds)[V]], never, unknown> };

const stopMs = 5000;

/**
 * On SIGTERM claude writes its last lines, ends its shells and MCP servers, removes its session file and ends with 143. The daemon of a
 * background session starts one that went so again within 12 s: only claude's own word ends it for good (2.1.329, each seen).
 */
async function tellToEnd(sys: Sys, { pid, configDir }: Pick<LiveSession, "pid" | "configDir">): Promise<void> {
  const file = configDir === undefined ? undefined : readSessionFile(sys, configDir, pid)?.file;
  if (configDir === undefined || file?.kind !== "bg" || file.jobId === undefined) return void sys.signal(pid, "SIGTERM");
  const env = { ...sys.env, ...profileEnv(sys, { name: "", dir: configDir }) };
  const { code, stdout, stderr } = await sys.run([findClaude(sys), "stop", file.jobId], { env, timeoutMs: stopMs });
  if (code !== 0) throw new UserError(`claude stop ${file.jobId} failed: ${(stderr || stdout).trim()}`, `claude agents lists the others`);
}

/** What is typed into the dashboard has met no shell. */
const inHome = (sys: Sys, cwd: string | undefined): string | undefined =>
  cwd?.startsWith("~/") && sys.homeDir !== undefined ? `${sys.homeDir}${cwd.slice(1)}` : cwd;

type Verbs = typeof verbs;
export type InputOf<V extends VerbName> = Parameters<Verbs[V]["run"]>[2];

/** What can be done to the sessions of a monitor; each returns words on what was done, and throws with why it was not. */
export interface Actions {
  /** A gate is only answered while the one that is up is `shownGate`, the one that was shown. Only `new` takes no session. */
  act<V extends VerbName>(verb: V, session: LiveSession | undefined, input: InputOf<V>, shownGate?: string): Promise<string>;
  /** How to go where it runs. */
  planFocus(session: LiveSession): Promise<Focus>;
  /** Shows a pane: unless it is in place, this terminal is used for it until its user leaves the pane. */
  show(plan: Show): Promise<void>;
}

/**
 * A pane, and the keys that come back from there, `isInPlace` where this terminal's own tmux changes over to it; else a window of
 * another terminal, which `bring` brings to the front.
 */
type Focus = (Show & { leaveKeys: string }) | { bring(): Promise<void>; title: string };

export function createActions(sys: Sys, monitor: Pick<Monitor, "readSettled" | "findPane">): Actions {
  const driver = createDriver(sys, "dashboard");
  return {
    async act(name, session, input, shownGate) {
      // Each row takes the subject and the input that it names.
      const row = verbs[name] as unknown as Verb<unknown, object, unknown>;
      const need = verbNeeds[name];
      if (need === "nothing") return row.words("", await row.run(driver, undefined, input));
      if (session === undefined) throw new UserError("the session has ended");
      if (need === "process") return row.words(session.name, await row.run(driver, findProcess(sys, session), input));
      const target = await findTarget(sys, monitor, session);
      if (need === "keyboard") await requireTypable(monitor, session, name);
      const gate = need === "gate" ? await confirmGate(monitor, session, shownGate) : undefined;
      return row.words(session.name, await row.run(driver, target, { ...input, ...present({ gate }) }));
    },
    async planFocus(session) {
      requireOwn(session);
      const pane = await monitor.findPane(session);
      if (pane === undefined) return planBring(sys, session);
      const show = planShow(sys, pane);
      return { ...show, leaveKeys: await readLeaveKeys(sys, pane, show) };
    },
    async show({ argv, isInPlace }) {
      if (!isInPlace) return void (await (await import("./exec.ts")).runForeground("tmux", argv, sys.env));
      const result = await sys.run(["tmux", ...argv]);
      if (result.code !== 0) throw new UserError(`tmux did not go there: ${result.stderr.trim()}`);
    },
  };
}

async function planBring(sys: Sys, { name, pid }: LiveSession): Promise<Focus> {
  const { readPlaces, focusPlace } = await import("./terminal-run.ts");
  const place = (await readPlaces(sys, [pid])).get(pid);
  if (place === undefined) throw new UserError(`${name} has ended`);
  const why = whyNotIn(place, "focus");
  if (place.terminal === "tmux" || why !== undefined)
    throw new UserError(`${name} runs in ${place.title}: ${why ?? "in no pane of yours"}`, "go to its terminal by hand");
  return { title: place.title, bring: () => focusPlace(sys, place) };
}

/** Reads the gates again; returns the id of the one that was shown, which another may have overtaken on the screen. */
async function confirmGate(
  monitor: Pick<Monitor, "readSettled">,
  session: LiveSession,
  shownGate: string | undefined,
): Promise<string | undefined> {
  const now = (await monitor.readSettled()).sessions.find((candidate) => candidate.key === session.key);
  if (shownGate !== undefined && now !== undefined && gateOf(now) === shownGate) return gateIdOf(now);
  if (shownGate !== undefined && now !== undefined && isGateUp(now, shownGate)) return shownGate;
  throw new UserError("the gate has changed since it was shown: nothing was answered", "look at it again");
}

/** A question that came up while a message was written is not what that message answers. */
async function requireTypable(monitor: Pick<Monitor, "readSettled">, session: LiveSession, name: VerbName): Promise<void> {
  const now = (await monitor.readSettled()).sessions.find((candidate) => candidate.key === session.key);
  const why = now === undefined ? undefined : whyNot(now, name);
  if (why !== undefined) throw new UserError(`${why}; nothing was typed`, "m, then ↑, has the text");
}

/** `C-b d`, with the prefix that the tmux has; twice where another one around it takes the first. */
async function readLeaveKeys(sys: Sys, pane: Pane, { isInPlace, leaveKey }: Show): Promise<string> {
  const read = async (argv: string[]) =>
    (await sys.run(["tmux", "-u", ...argv, "display-message", "-p", "#{prefix}"])).stdout.trim() || "C-b";
  const prefix = await read(["-S", pane.socketPath]);
  const isNested = !isInPlace && (sys.env.TMUX ?? "") !== "";
  return [prefix, ...(isNested && (await read([])) === prefix ? [prefix] : []), leaveKey].join(" ");
}

function findProcess(sys: Sys, session: LiveSession): Subjects["process"] {
  requireOwn(session);
  const driven = readDriven(sys, session);
  return driven === undefined ? { name: session.name, stranger: session } : { name: driven.name };
}

/** How a session can be typed into: csd's record of it, or its pane, where it surely is the one that has the keyboard. */
async function findTarget(sys: Sys, monitor: Pick<Monitor, "findPane">, session: LiveSession): Promise<Target> {
  requireOwn(session);
  const driven = readDriven(sys, session);
  if (driven !== undefined) return trackedTarget(sys, driven);
  return targetOf(sys, session, await monitor.findPane(session));
}

/** csd's record of this very process: a name may have gone to another session meanwhile. */
function readDriven(sys: Sys, { driver, pid }: LiveSession): Driven | undefined {
  const driven = driver === undefined ? undefined : createDrivenStore(sys).read(driver);
  return driven?.pid === pid ? driven : undefined;
}
