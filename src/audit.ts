import { join } from "node:path";
import { UserError } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import { csdDir, lockDir } from "./paths.ts";
import { isInside, readOrigin } from "./peer.ts";
import { profileOfDir, readRegistryOrNone } from "./profiles.ts";
import { channelVariable } from "./program.ts";
import type { Rule } from "./rules.ts";
import { openLog } from "./store.ts";
import { type Sys, until } from "./sys.ts";

/** An answer that was not taken, and from whom it came. */
interface Refusal {
  at: number;
  event: "refused";
  /** Its name. */
  session: string;
  /** What was wanted: a verb of csd, or `reply` and `prompt` at a socket. */
  verb: string;
  why: string;
  pid?: number;
  uid?: number;
}

/** What was decided about a call of a tool, or done to a session, and by what. */
interface Ruling {
  at: number;
  event: "decided";
  /** Its name where it has one, else its id. */
  session: string;
  session_id?: string;
  profile?: string;
  cwd?: string;
  tool?: string;
  /** As people see it: bounded, without secrets. */
  request?: string;
  decision: "allow" | "deny" | "ask" | "answer" | "notify" | "send" | "stop";
  /** `hook`: claude's own hook, by a rule. Others say who decided: `csd`, `dashboard`, `rule`. */
  channel: string;
  rule?: string;
  /** `/path/rules.toml:12`. */
  rule_place?: string;
  reason?: string;
  /** How long it took to decide. */
  ms?: number;
}

type AuditEntry = Refusal | Ruling;

const maxBytes = 8 * 1024 * 1024;
/** No file of ours is near this: what is longer was not written by csm. */
const readBytes = 4 * maxBytes;

/** `<state>/csd/audit.jsonl`, for this user only. */
const auditPath = (sys: Sys): string => join(csdDir(sys), "audit.jsonl");

/** Of those who did not get the place. */
const latePath = (sys: Sys): string => join(csdDir(sys), "audit.late.jsonl");

const openAudit = (sys: Sys, path = auditPath(sys)) =>
  openLog<AuditEntry>(sys, {
    path,
    readBytes,
    required: { at: "time", event: "string", session: "string" },
    optional: {
      ...({ verb: "string", why: "string", pid: "pid", uid: "number", session_id: "id", profile: "string", cwd: "string" } as const),
      ...({ tool: "string", request: "string", decision: "string", channel: "string", rule: "string", rule_place: "string" } as const),
      ...({ reason: "string", ms: "number" } as const),
    },
  });

/** A line takes far less than a millisecond: whoever holds the place for longer hangs, or a hundred come at once. */
const lockMs = 1000;
/** Each try opens a database: a hundred who try all the time would keep the one that writes from its work. */
const stepMs = 5;

/** It stands there when this is over; throws where it cannot be written. One writer at a time, so that each line is whole. */
async function append(sys: Sys, entry: AuditEntry): Promise<void> {
  const path = auditPath(sys);
  const take = () => sys.takeLock(join(lockDir(sys), "audit.lock")).catch(() => undefined);
  const release = (await take()) ?? (await until(sys, sys.now() + lockMs, stepMs, take));
  // Whoever has the place would take a line that is just being written for a torn one. Here nothing is ever taken out: a torn line ends
  // where the next begins.
  if (release === undefined) return sys.appendPrivate(latePath(sys), `\n${JSON.stringify(entry)}\n`);
  try {
    dropTorn(sys, path);
    if ((sys.identify(path)?.size ?? 0) > maxBytes) setAside(sys, path);
    openAudit(sys).append(entry);
  } finally {
    release();
  }
}

/** Longer than any line. */
const tornBytes = 64 * 1024;

/** What a writer that was killed in the midst has left: nobody was told that it stands there. */
function dropTorn(sys: Sys, path: string): void {
  const size = sys.identify(path)?.size ?? 0;
  const end = Buffer.alloc(Math.min(size, tornBytes));
  const read = end.subarray(0, sys.readInto(path, size - end.length, end));
  const whole = read.lastIndexOf("\n") + 1;
  // What has no line's end in so much is none of ours.
  if (whole < read.length && (whole > 0 || size <= tornBytes)) sys.truncate(path, size - (read.length - whole));
}

const setAsideName = /^audit\.(\d+)\.jsonl$/;

const listSetAside = (sys: Sys): { path: string; number: number }[] =>
  sys
    .list(csdDir(sys))
    .flatMap((name) => {
      const number = setAsideName.exec(name)?.[1];
      return number === undefined ? [] : [{ path: join(csdDir(sys), name), number: Number(number) }];
    })
    .sort((a, b) => a.number - b.number);

/** The full file gets the next number, and stays for ever. */
function setAside(sys: Sys, path: string): void {
  const last = listSetAside(sys).at(-1)?.number ?? 0;
  sys.rename(path, join(csdDir(sys), `audit.${last + 1}.jsonl`));
}

/** All that was ever noted, oldest first. */
export function readAudit(sys: Sys): AuditEntry[] {
  const read = (path: string) => openAudit(sys, path).read();
  const entries = [...listSetAside(sys).map(({ path }) => path), auditPath(sys)].flatMap(read);
  const late = read(latePath(sys));
  return late.length === 0 ? entries : [...entries, ...late].sort((a, b) => a.at - b.at);
}

interface Decided extends Pick<Ruling, "decision" | "channel" | "reason" | "ms" | "cwd" | "tool"> {
  sessionId?: string | undefined;
  name?: string | undefined;
  /** Of the session: its profile is noted by the name that it has. */
  configDir?: string | undefined;
  input?: Record<string, unknown> | undefined;
  rule?: Rule | undefined;
}

/** One line for a decision, whoever made it; throws where it cannot be written. */
export async function appendAudit(sys: Sys, decided: Decided): Promise<void> {
  const { sessionId, name, configDir, input, rule, decision, channel, reason, ms, cwd, tool } = decided;
  const profile = configDir === undefined ? undefined : profileOfDir(sys, readRegistryOrNone(sys), configDir)?.name;
  await append(sys, {
    ...{ at: sys.now(), event: "decided", session: name ?? sessionId ?? "?" },
    ...present({ session_id: sessionId, profile, cwd, tool }),
    ...present({ request: input === undefined ? undefined : shownRequest(tool ?? "", input) }),
    ...{ decision, channel },
    ...present({ rule: rule?.name, rule_place: rule === undefined ? undefined : `${rule.at.path}:${rule.at.line}` }),
    ...present({ reason: reason === undefined ? undefined : maskSecrets(reason).slice(0, maxRequest), ms }),
  });
}

export async function noteRefusal(sys: Sys, entry: Omit<Refusal, "at" | "event">): Promise<void> {
  try {
    await append(sys, { at: sys.now(), event: "refused", ...entry });
  } catch {
    // A full disk: it is refused all the same.
  }
}

/** What a person, or a program of theirs, has answered at a gate. */
interface GateAnswer {
  session: { name: string; configDir: string; sessionId?: string | undefined; cwd?: string | undefined };
  call: { tool: string; input: Record<string, unknown> } | undefined;
  answer: { gate: string; meaning: string };
  by: string;
}

const meant: Readonly<Record<string, Ruling["decision"]>> = {
  ...{ "allow-once": "allow", "allow-always": "allow", "mode-switch": "allow", refuse: "deny" },
};

/** It has been done: what cannot be noted must not undo it. */
export async function noteAnswer(sys: Sys, { session, call, answer, by }: GateAnswer): Promise<void> {
  const { cwd, ...known } = session;
  const decision = meant[answer.meaning] ?? "answer";
  const decided = { ...known, ...present({ cwd }), tool: call?.tool ?? answer.gate, input: call?.input, decision, channel: by };
  await appendAudit(sys, decided).catch(() => undefined);
}

/** A session must not answer its own gates, nor tell itself what to do. */
export async function refuseOwnSession(
  sys: Sys,
  target: { name: string; pid: number; channel?: { dir: string } },
  verb: string,
): Promise<void> {
  const inside = { claudePid: target.pid, ...present({ channelDir: target.channel?.dir }) };
  const origin = await readOrigin(sys, sys.pid);
  const own = sys.env[channelVariable];
  if (!isInside({ ...origin, channels: own === undefined ? origin.channels : [...origin.channels, own] }, inside)) return;
  const why = "a process of the session itself asks";
  await noteRefusal(sys, { session: target.name, verb, why, pid: sys.pid, uid: sys.uid });
  throw new UserError(`session "${target.name}" may not ${verb} itself: this csd was started inside it; nothing was done`);
}

// --- the request as people see it ----------------------------------------------------------------------------------

const maxRequest = 2000;
/** Much more than is shown is not looked through. */
const maxRead = 8 * 1024;

/** The fields that say what a call is about; of another one, all are shown. */
const subjects = ["command", "file_path", "notebook_path", "url", "path", "plan"];

/** What a call would do, in one text: without secrets, and no longer than is of use. */
export function shownRequest(tool: string, input: Record<string, unknown>): string {
  const subject = tool.startsWith("mcp__") ? undefined : subjects.map((key) => input[key]).find((value) => typeof value === "string");
  const text = subject === undefined ? JSON.stringify(withoutSecrets(input)) : String(subject);
  const masked = maskSecrets(text.slice(0, maxRead));
  return masked.length <= maxRequest ? masked : `${masked.slice(0, maxRequest)}…`;
}

const secretWord = "(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|auth(?:orization)?)";
const isSecretName = new RegExp(`${secretWord}$`, "i");

function withoutSecrets(value: unknown, depth = 0): unknown {
  // `["--token", "x"]`, `{ "name": "API_KEY", "value": "x" }`.
  const isNamed = (name: unknown) => typeof name === "string" && isSecretName.test(name);
  const of = (name: unknown, each: unknown) => (typeof each === "string" && isNamed(name) ? mask : withoutSecrets(each, depth + 1));
  if (Array.isArray(value)) return value.map((each: unknown, at) => of(value[at - 1], each));
  if (!isRecord(value) || depth > 20) return value;
  const named = isNamed(value.name ?? value.key) ? "value" : undefined;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, of(key === named ? (value.name ?? value.key) : key, each)]));
}

const mask = "***";
/** One word of a shell. */
const quoted = `(?:"(?:[^"\\\\]|\\\\.)*"?|'[^']*'?|[^\\s'";&|)]+)+`;

const shortOptions: [programs: string, options: string][] = [
  ["mysql(?:dump|admin)?|mariadb(?:-dump|-admin)?|7z", "-p"],
  ["mongo(?:sh|dump|restore)?|docker login|podman login|az|twine|mosquitto_\\w+", "-p {0,3}|-P {1,3}"],
  ["redis-cli", "-a {1,3}"],
  ["zip|unzip", "-P {0,3}"],
  ["ssh-keygen", "-[NP] {0,3}"],
  ["openssl", "-(?:k|K|passin|passout|pass) {1,3}"],
  ["ldap\\w+|security", "-w {1,3}"],
  ["smbclient|rpcclient", "-U {0,3}[^\\s%]{1,64}%"],
  ["curl", "(?:-b|--cookie|--oauth2-bearer) {1,3}"],
  ["gh secret set|gh variable set", "(?:-b|--body)(?: {1,3}|=)"],
  ["vault", "login {1,3}(?!-)"],
  ["vault kv (?:put|patch)", "[\\w-]{1,64}="],
  ["kubectl create secret", "--from-literal=[\\w.-]{1,64}="],
  ["htpasswd", "-\\w*b\\w* {1,3}\\S{1,200} \\S{1,64} {1,3}"],
];

/** Each repetition is bounded, as the text may be made to be slow. In this order: a header is known by its name, and what is left by its form. */
const secrets: [pattern: RegExp, replacement: string][] = [
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g, `-----BEGIN $1-----${mask}`],
  // Authorization: Bearer x · x-api-key: x · Cookie: x
  [
    /\b((?:proxy-)?authorization|x-[\w-]{0,64}(?:key|token|auth|secret)[\w-]{0,64}|[\w-]{0,64}-token|(?:set-)?cookie|api-?key)(["']?\s*:\s*["']?)((?:bearer|basic|token|digest|negotiate)\s+)?[^"'\r\n]+/gi,
    `$1$2$3${mask}`,
  ],
  // https://user:password@host
  [/\b([a-z][\w+.-]{0,64}:\/\/[^\s/:@'"]{0,256}):[^\s/@'"]+@/gi, `$1:${mask}@`],
  // https://token@host
  [/\b(https?:\/\/)[^\s/:@'"]{10,}@/gi, `$1${mask}@`],
  // https://hooks.slack.com/services/x · https://discord.com/api/webhooks/1/x · https://api.telegram.org/bot1:x
  [/(\bhooks\.slack\.com\/(?:services|workflows)\/|\/api\/webhooks\/|\bapi\.telegram\.org\/bot)[^\s'"?]+/gi, `$1${mask}`],
  // ?token=x&api_key=x
  [new RegExp(`([?&](?:[\\w-]{0,64}[-_])?(?:${secretWord}|key|sig(?:nature)?|code)=)[^&\\s'"#]+`, "gi"), `$1${mask}`],
  // Options that are a secret for these programs alone.
  ...shortOptions.map(([programs, options]): [RegExp, string] => [
    new RegExp(`(?<=\\b(?:${programs})\\b[^;|&\\n]{0,200} (?:${options}))${quoted}`, "g"),
    mask,
  ]),
  [new RegExp(`(\\bsshpass {1,3}-p {0,3})${quoted}`, "g"), `$1${mask}`],
  // echo x | docker login --password-stdin · gh auth login --with-token <<< x
  [/(\b(?:echo|printf)\s+(?:-\w+\s+)?)[^|\n]{1,400}(?=\|[^|\n]{1,200}--(?:password-stdin|with-token|stdin)\b)/g, `$1${mask} `],
  [new RegExp(`(--(?:password-stdin|with-token)\\b[^;|&\\n]{0,200}<<<\\s*)${quoted}`, "g"), `$1${mask}`],
  // --password x · --api-key=x · --client-secret 'x'
  [new RegExp(`(--?[\\w-]{0,64}?(?:${secretWord}|otp)(?:\\s+|=))${quoted}`, "gi"), `$1${mask}`],
  // curl -u user:x · curl -suuser:x · http -a user:x
  [/(\s(?:-[a-zA-Z]{0,8}[uUa]|--user|--proxy-user|--auth)(?:\s*|=)["']?[^\s:'"/]{1,64}:)(?!\/\/)[^\s'"]+/g, `$1${mask}`],
  // aws configure set aws_secret_access_key x · setx API_KEY x
  [new RegExp(`(\\b\\w{0,64}_(?:secret(?:_access)?(?:_key)?|token|key|password|authtoken)\\s+)(?![=:])${quoted}`, "gi"), `$1${mask}`],
  // AWS_SECRET_ACCESS_KEY=x · GITHUB_TOKEN="x"
  [
    new RegExp(`\\b(\\w{0,64}(?:SECRET|TOKEN|KEY|PASSWORD|PASSWD|PASS|PWD|CREDENTIAL|AUTH|SIGNATURE)\\w{0,64}=)${quoted}`, "gi"),
    `$1${mask}`,
  ],
  // "password": "x" · \"password\": \"x\" · token = 'x' · secret: string = "x"
  [
    new RegExp(
      `(\\\\?["']?[\\w-]{0,64}${secretWord}\\\\?["']?(?::\\s*string)?\\s*[:=]\\s*)(?:\\\\"(?:[^"\\\\]|\\\\[^"])*(?:\\\\")?|"(?:[^"\\\\]|\\\\.)*"?|'[^']*'?|\`[^\`]*\`?)`,
      "gi",
    ),
    `$1"${mask}"`,
  ],
  // password: x · secret = x
  [/(\b[\w-]{0,64}(?:password|passwd|passphrase|secret|token|[_-]key)(?::\s+|\s+=\s+))(?!["'`$*])[^\s'"`;&|)]{6,}/gi, `$1${mask}`],
  // Known by their form, wherever they stand.
  [/\b(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[A-Za-z0-9_-]{16,}/g, mask],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|npm_|hf_|xox[abeprs]-|dop_v1_|shpat_|pypi-)[A-Za-z0-9_-]{10,}/g, mask],
  [/\bSG\.[\w-]{16,}\.[\w-]{16,}|\bya29\.[\w-]{16,}|\bAGE-SECRET-KEY-1\w{8,}/g, mask],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}|\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?/g, mask],
];

export const maskSecrets = (text: string): string =>
  secrets.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
