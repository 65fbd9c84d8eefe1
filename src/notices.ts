import { printable, printableLine } from "./printable.ts";
import { isWithin } from "./rule-conditions.ts";

export const noticeLevels = ["info", "warning", "urgent"] as const;
export type NoticeLevel = (typeof noticeLevels)[number];

/** What can be told of, each with what holds where `[notify]` does not say otherwise. */
const rows = {
  permission: { level: "warning", coolDownMs: 10_000, about: "a session asks whether a tool may run" },
  question: { level: "warning", coolDownMs: 10_000, about: "a session has a question" },
  plan: { level: "warning", coolDownMs: 10_000, about: "a session has a plan to approve" },
  limit: { level: "urgent", coolDownMs: 1_800_000, about: "an account has used up its allowance" },
  login: { level: "urgent", coolDownMs: 1_800_000, about: "an account is logged out" },
  failure: { level: "warning", coolDownMs: 60_000, about: "a turn has died of an API error" },
  finished: { level: "info", coolDownMs: 10_000, about: "a turn has ended" },
  budget: { level: "warning", coolDownMs: 600_000, about: "a budget is nearly or all spent" },
  conflict: { level: "info", coolDownMs: 600_000, about: "two sessions change the same files" },
  rule: { level: "warning", coolDownMs: 10_000, about: "a rule says so" },
} as const satisfies Readonly<Record<string, { level: NoticeLevel; coolDownMs: number; about: string }>>;
export type NoticeCause = keyof typeof rows;
export const noticeCauses = Object.keys(rows) as NoticeCause[];
export const aboutCause = (cause: NoticeCause): string => rows[cause].about;

/** `[notify]`, checked: who is told of what, and how. */
export interface NotifySettings {
  causes: Readonly<Record<NoticeCause, CauseSettings>>;
  /** Local times as in a rule's `match_time`; only urgent ones come through. */
  quietHours: readonly string[];
  /** None: nobody is told of anything. */
  channels: readonly Channel[];
}

export interface CauseSettings {
  isOn: boolean;
  level: NoticeLevel;
  /** The same cause of the same session or account is told once in this time. */
  coolDownMs: number;
}

export const terminalWays = ["auto", "osc9", "osc777", "osc99", "bell"] as const;
export const webhookFormats = ["json", "slack", "discord", "ntfy", "pushover"] as const;

export type Channel =
  | { kind: "terminal"; name: string; how: (typeof terminalWays)[number] }
  | { kind: "desktop"; name: string }
  /** The values are in its environment (`CSM_CAUSE` …) and as JSON on its stdin; the words are never a shell's. */
  | { kind: "command"; name: string; run: readonly string[] }
  | WebhookChannel;

/** JSON by POST; signed with HMAC-SHA256 where there is a secret. */
export interface WebhookChannel {
  kind: "webhook";
  name: string;
  url: string;
  format: (typeof webhookFormats)[number];
  secret?: string;
  headers?: Readonly<Record<string, string>>;
  /** Beside those of the format: Pushover's `token` and `user`. */
  fields?: Readonly<Record<string, string>>;
}

/** Where no file says anything: no channel, so that nobody is told. */
export const defaultNotify: NotifySettings = { causes: causesWith({}), quietHours: [], channels: [] };

/** Every cause, as it is said here or in the table. */
export function causesWith(said: Partial<Record<NoticeCause, Partial<CauseSettings>>>, coolDownMs?: number): NotifySettings["causes"] {
  const causes = noticeCauses.map((cause) => {
    const { level, coolDownMs: usual } = rows[cause];
    return [cause, { isOn: true, level, coolDownMs: coolDownMs ?? usual, ...said[cause] }];
  });
  return Object.fromEntries(causes) as NotifySettings["causes"];
}

/** Something that a person may want to know, at the moment it happens. */
export interface Notice {
  cause: NoticeCause;
  /** Whose it is: the id of a session or of an account, with what makes it another occasion behind it. */
  about: string;
  at: number;
  /** A few words; the body may be longer. Both from anywhere. */
  title: string;
  body: string;
  /** As csm ls shows it. */
  session?: string;
  sessionId?: string;
  cwd?: string;
  profile?: string;
  /** All that it is about, where it is more than one session's. */
  sessions?: readonly string[];
  /** The occasion lasts until then, and is told once. */
  until?: number;
}

/** What was told, by cause and whose it was. */
export type Told = Readonly<Record<string, { at: number; until: number; print: string }>>;

/** Two hooks of one event say the same within a moment. */
const sameMs = 5000;

/** What becomes of anything of this cause at this time, whoever was told of it. */
export function fateOf(settings: NotifySettings, cause: NoticeCause, at: number): "tell" | "off" | "quiet" {
  const { isOn, level } = settings.causes[cause];
  if (!isOn || settings.channels.length === 0) return "off";
  return level !== "urgent" && isQuiet(settings, at) ? "quiet" : "tell";
}

/** One that came first may be decided so much later than one that came after it. */
const overtakenMs = 60_000;

/** Whether it is due, and why it is not. */
export function decideNotice(settings: NotifySettings, told: Told, notice: Notice): ReturnType<typeof fateOf> | "told" {
  const fate = fateOf(settings, notice.cause, notice.at);
  if (fate !== "tell") return fate;
  const last = Object.hasOwn(told, keyOf(notice)) ? told[keyOf(notice)] : undefined;
  // One that was told in the future was told before the clock was set back, unless two hooks of the same moment overtake each other.
  if (last === undefined || notice.at < last.at - overtakenMs) return "tell";
  const isSame = last.print === printOf(notice) && notice.at < last.at + sameMs;
  return isSame || notice.at < last.until ? "told" : "tell";
}

/** More than these are no machine's at once. */
const maxTold = 1000;

/** With this one; what has passed is forgotten. */
export function withTold(settings: NotifySettings, told: Told, notice: Notice): Told {
  const until = Math.max(notice.at + settings.causes[notice.cause].coolDownMs, notice.until ?? 0);
  const live = Object.entries(told).filter(([key, last]) => key !== keyOf(notice) && notice.at < Math.max(last.until, last.at + sameMs));
  return Object.fromEntries([...live.slice(1 - maxTold), [keyOf(notice), { at: notice.at, until, print: printOf(notice) }]]);
}

const keyOf = ({ cause, about }: Notice): string => `${cause} ${about}`;
const printOf = ({ title, body }: Notice): string => String(Bun.hash(`${title}\n${body}`));

/** By the clock on the wall. */
export const isQuiet = ({ quietHours }: NotifySettings, at: number): boolean => quietHours.some((hours) => isWithin(hours, at) === "yes");

/** What leaves this machine: no escape sequence, no text without an end. */
export function toMessage(notice: Notice, level: NoticeLevel) {
  const { cause, at, title, body, session = null, sessionId = null, cwd = null, profile = null, sessions } = notice;
  const line = (text: string, max: number) => [...printableLine(text)].slice(0, max).join("");
  const orNull = (text: string | null) => (text === null ? null : line(text, maxWord));
  return {
    cause,
    level,
    title: line(title, maxTitle) || "csm",
    body: [...printable(body).trim()].slice(0, maxBody).join(""),
    session: orNull(session),
    session_id: orNull(sessionId),
    project: cwd === null ? null : line(cwd.split(/[/\\]/).findLast((part) => part !== "") ?? cwd, maxWord),
    cwd: orNull(cwd),
    profile: orNull(profile),
    sessions: (sessions ?? (session === null ? [] : [session])).slice(0, maxSessions).map((name) => line(name, maxWord)),
    at: Math.floor(at),
    time: new Date(at).toISOString(),
  };
}
export type Message = ReturnType<typeof toMessage>;

const [maxTitle, maxBody, maxWord, maxSessions] = [120, 2000, 1000, 50];

/** The hooks by which a session tells of these causes itself; the others are found by whoever watches it. */
export function eventsOf({ causes, channels }: NotifySettings): NoticeEvent[] {
  const wanted = Object.entries(eventsOfCauses).flatMap(([cause, event]) => (causes[cause as NoticeCause].isOn ? [event] : []));
  return channels.length === 0 ? [] : [...new Set(wanted)];
}

type NoticeEvent = "PermissionRequest" | "Stop" | "StopFailure";
const eventsOfCauses: Partial<Record<NoticeCause, NoticeEvent>> = {
  permission: "PermissionRequest",
  question: "PermissionRequest",
  plan: "PermissionRequest",
  limit: "StopFailure",
  login: "StopFailure",
  failure: "StopFailure",
  finished: "Stop",
};
