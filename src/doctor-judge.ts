import type { ChannelEvent, HeldGate } from "./channel.ts";
import type { Meaning } from "./claude-gate.ts";
import type { SessionFile } from "./claude-session.ts";
import type { Choice } from "./status.ts";

/** `absent`: it never came, or could not be reached. `degraded`: it came, and says something else than csd takes it for. */
export type Trust = "trusted" | "degraded" | "absent";

export interface Finding {
  verdict: Trust;
  detail: string;
}

/** One line of `csd doctor`; keys in the order in which they are printed. */
export interface Check extends Finding {
  signal: Signal;
  /** What csd uses in its place. */
  fallback: string;
  /** Reading or answering a gate rests on it. */
  gates: boolean;
}

interface Row {
  gates: boolean;
  fallback: string;
}

const menu = "approve and deny go through the hook, and refuse to guess without it: name the option with --option N";

/** Every signal that is examined, in the order of the report. */
const rows = {
  tmux: { gates: true, fallback: "none: every session runs in it" },
  claude: { gates: false, fallback: "every session carries a marker_warning" },
  state_folder: { gates: true, fallback: "none: nothing is remembered of a session" },
  session_file: { gates: true, fallback: "the screen and the transcript tell the state" },
  status: { gates: true, fallback: "the screen and the transcript tell the state" },
  waiting_for: { gates: false, fallback: "the hook's tool and the screen tell the kind of a gate" },
  "hook.UserPromptSubmit": { gates: false, fallback: "the transcript's line is the receipt of a prompt, 0.3 s later" },
  "hook.PermissionRequest": { gates: true, fallback: "the transcript names tool and input, and keys answer the gate" },
  "hook.Stop": { gates: false, fallback: "the status tells the end of a turn and the transcript its text" },
  "hook.StopFailure": { gates: false, fallback: "the transcript's error line" },
  "hook.answer": { gates: true, fallback: "keys, on the option that the screen shows" },
  "gate.trust": { gates: true, fallback: "none: answer it in the pane, with csd attach" },
  "gate.bash": { gates: true, fallback: menu },
  "gate.write": { gates: true, fallback: menu },
  "gate.question": { gates: true, fallback: "the hook or the transcript names the choices, and csd answer takes them from there" },
  "gate.plan": { gates: true, fallback: menu },
  keys: { gates: true, fallback: "the hook answers what is not named by its number; the rest is answered in the pane" },
  "prompt.editor": { gates: false, fallback: "none in a session that has the editor: csd send fails and submits nothing" },
  "prompt.paste": { gates: false, fallback: "the editor key" },
  transcript: { gates: false, fallback: "the Stop hook's text, of the last turn alone" },
  statusline: { gates: false, fallback: "the transcript names model and tokens; limits are told when one is reached" },
  interrupt: { gates: false, fallback: "none: csd interrupt says so; press Esc in the pane" },
} as const satisfies Record<string, Row>;

export type Signal = keyof typeof rows;
export const signals = Object.keys(rows) as Signal[];

export const toCheck = (signal: Signal, { verdict, detail }: Finding): Check => ({ signal, verdict, detail, ...pick(rows[signal]) });
const pick = ({ fallback, gates }: Row) => ({ fallback, gates });

const order: Trust[] = ["trusted", "degraded", "absent"];

/** The worst of what gates rely on. */
export const worstOf = (checks: readonly Check[]): Trust =>
  order[Math.max(0, ...checks.filter(({ gates }) => gates).map(({ verdict }) => order.indexOf(verdict)))] ?? "absent";

export const trusted = (detail: string): Finding => ({ verdict: "trusted", detail });
export const degraded = (detail: string): Finding => ({ verdict: "degraded", detail });
export const absent = (detail: string): Finding => ({ verdict: "absent", detail });

/** Options of one pane, with which csd keeps the last screen of a claude that ended, came with 3.0. */
const oldestTmux = 3;

/** Versions of the development branch have no number of their own: the sessions tell. */
export function judgeTmux(words: string): Finding {
  const major = /^tmux (\d+)\./.exec(words)?.[1];
  return major !== undefined && Number(major) < oldestTmux ? degraded(`${words}: csd needs ${oldestTmux}.0`) : trusted(words);
}

interface SessionFileReading {
  text: string | undefined;
  file: SessionFile | undefined;
  isOwner: boolean;
  sessionId: string;
}

export function judgeSessionFile({ text, file, isOwner, sessionId }: SessionFileReading): Finding {
  if (text === undefined) return absent("claude writes none for its process");
  if (file === undefined) return degraded("it holds no pid and session id that csd can read");
  if (!isOwner) return degraded(`it names another process or another start of process ${file.pid}`);
  if (file.sessionId !== sessionId) return degraded("it names another conversation than --session-id");
  return trusted(`process ${file.pid} and its start are named`);
}

/** The word that stood in the session file when csd expected the one on the left. */
export type Words<T extends string> = Partial<Record<T, string>>;

/** Each word as csd knows it. */
export function judgeWords<T extends string>(expected: Record<T, string>, seen: Words<T>): Finding {
  const pairs = Object.entries(expected) as [T, string][];
  if (pairs.every(([key]) => seen[key] === undefined)) return absent(`none of ${list(Object.values(expected))} was told`);
  const wrong = pairs.filter(([key, word]) => seen[key] !== word);
  if (wrong.length === 0) return trusted(`${list(Object.values(expected))} seen`);
  return degraded(wrong.map(([key, word]) => `${seen[key] ?? "nothing"} is told in place of ${word}`).join("; "));
}

const list = (words: readonly string[]): string => words.join(", ");

/** An event of the session's channel; `isRight` is what it must tell. */
export function judgeEvent(event: ChannelEvent | undefined, isRight: (event: ChannelEvent) => boolean, told: string): Finding {
  if (event === undefined) return absent("the hook did not run");
  return isRight(event) ? trusted(`it ran, and told ${told}`) : degraded(`it ran, and did not tell ${told}`);
}

export function judgeRequest(event: ChannelEvent | undefined, held: HeldGate | undefined, tool: string, command: string): Finding {
  if (event === undefined) return absent("the hook did not run");
  if (held === undefined) return degraded("the hook ran and did not wait for an answer");
  if (held.tool !== tool || held.input.command !== command) return degraded(`it told ${held.tool} with another input than the model's`);
  return trusted("tool and input are told, and the dialog waits for csd");
}

/** One answer: the channel it went through, and whether it had the effect that was chosen and no other. */
export interface AnswerEffect {
  channel: unknown;
  isDone: boolean;
}

export function judgeAnswers(channel: "hook" | "keys", answers: Record<string, AnswerEffect>): Finding {
  const all = Object.entries(answers);
  const wrong = all.filter(([, answer]) => answer.channel === channel && !answer.isDone).map(([name]) => name);
  if (wrong.length > 0) return degraded(`without effect: ${list(wrong)}`);
  const other = all.filter(([, answer]) => answer.channel !== channel).map(([name]) => name);
  return other.length > 0 ? absent(`answered another way: ${list(other)}`) : trusted(`took effect: ${list(all.map(([name]) => name))}`);
}

/** A menu in which one way allows this once, and something refuses where `canRefuse`. */
export function judgeMenu(choices: readonly Choice[], canRefuse = true): Finding {
  if (choices.length === 0) return degraded("the gate is seen, its options are not");
  const of = (meaning: Meaning) => choices.filter((choice) => choice.meaning === meaning);
  const [allow, refuse] = [of("allow-once"), of("refuse")];
  if (allow.length !== 1) return degraded(`${allow.length} of its options allow once: ${labels(choices)}`);
  if (canRefuse && refuse.length === 0) return degraded(`none of its options refuses: ${labels(choices)}`);
  const numbers = (some: Choice[]) => list(some.map(({ option }) => String(option)));
  return trusted(`option ${numbers(allow)} of ${choices.length} allows once${refuse.length > 0 ? `, ${numbers(refuse)} refuses` : ""}`);
}

const labels = (choices: readonly Choice[]): string => choices.map(({ option, label }) => `${option} ${label}`).join(" · ");

export function judgeQuestion(choices: readonly Choice[], wanted: readonly string[], isAnswered: boolean): Finding {
  const read = choices.filter(({ meaning }) => meaning === "choice").map(({ label }) => label);
  if (wanted.some((label, index) => read[index] !== label)) return degraded(`its choices are read as: ${list(read) || "none"}`);
  return isAnswered ? trusted(`${wanted.length} choices read, one chosen`) : degraded("its choices are read; the answer did not arrive");
}

/** `isPasted`: tabs may have become blanks on the way. */
export function judgePrompt(sent: string, received: string | undefined, isPasted: boolean): Finding {
  if (received === undefined) return absent("the prompt did not reach the model");
  if (received === sent) return trusted("the model got the same bytes");
  const squeeze = (text: string) => text.replace(/[\t ]+/g, " ").trim();
  if (isPasted && squeeze(received) === squeeze(sent)) return trusted("the model got the text, its tabs as blanks");
  return degraded(`the model got ${JSON.stringify(received.slice(0, 80))}`);
}

/** What the statusLine command was given: of this session, else of any; undefined when it never ran. */
export function judgeStatusline(input: Record<string, unknown> | undefined, sessionId: string): Finding {
  if (input === undefined) return absent("its command did not run");
  if (input.session_id !== sessionId) return degraded("it does not name the session");
  const isTold = (key: string) => typeof input[key] === "object" && input[key] !== null;
  const missing = ["model", "context_window"].filter((key) => !isTold(key));
  return missing.length === 0 ? trusted("session_id, model, context_window are told") : degraded(`it does not tell ${list(missing)}`);
}

export interface TranscriptReading {
  path: string | undefined;
  expectedPath: string;
  text: string | undefined;
}

export function judgeTranscript({ path, expectedPath, text }: TranscriptReading, wanted: string): Finding {
  if (path === undefined) return absent("there is none for the session");
  if (text !== wanted) return degraded(`its last answer reads ${JSON.stringify((text ?? "").slice(0, 80))}`);
  return path === expectedPath
    ? trusted("found, with the last answer")
    : degraded("found by its id alone, in another folder than expected");
}
