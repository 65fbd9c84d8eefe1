import { isNestedMark } from "./claude-program.ts";
import { present } from "./json.ts";
import type { Channel, Message, NoticeLevel, WebhookChannel } from "./notices.ts";
import { printableLine } from "./printable.ts";
import { buildVersion, channelVariable } from "./program.ts";
import type { Sys } from "./sys.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The ways to reach a person. One is enough: the desktop where there is one, else the terminal. */
interface NotificationPlan {
  /** One OSC sequence, as a hook hands it to claude in `terminalSequence`; terminals that do not know it show nothing. */
  sequence: string;
  /** Undefined where no desktop is at hand. */
  desktop?: { argv: string[]; env?: Record<string, string> };
}

const maxTitle = 60;
const maxBody = 240;

/** Text may come from anywhere: no sequence and no script can be broken out of by it. */
export function planNotification(platform: NodeJS.Platform, env: Environment, title: string, body: string): NotificationPlan {
  return { sequence: planSequence(env, "auto", title, body), ...present({ desktop: planDesktop(platform, env, title, body) }) };
}

/** As a hook hands it to claude, and as `writeSequence` writes it. */
export function planSequence(env: Environment, how: TerminalWay, title: string, body: string): string {
  const render = how === "auto" ? (terminals.find(({ is }) => is(env)) ?? plainTerminal).render : ways[how];
  return render(clean(title, maxTitle) || "csm", clean(body, maxBody));
}

function planDesktop(platform: NodeJS.Platform, env: Environment, title: string, body: string): NotificationPlan["desktop"] {
  // Over ssh the desktop of this machine is not the one that somebody looks at.
  const isRemote = (env.SSH_CONNECTION ?? env.SSH_TTY ?? "") !== "";
  return isRemote ? undefined : desktops[platform]?.(env, clean(title, maxTitle) || "csm", clean(body, maxBody));
}

/** One line without a leading dash, which a program would take for a flag. */
const clean = (text: string, max: number): string => [...printableLine(text).replace(/^[-\s]+/, "")].slice(0, max).join("");

interface Terminal {
  is(env: Environment): boolean;
  render(title: string, body: string): string;
}

const osc9 = (title: string, body: string): string => `\u001b]9;${[title, body].filter((text) => text !== "").join(": ")}\u0007`;
/** The older csm escapes a `;` so; scripts may look for it. */
const osc777 = (title: string, body: string): string =>
  `\u001b]777;notify;${title.replaceAll(";", ",")};${body.replaceAll(";", "\\;")}\u0007`;

/** kitty's own: title and body are parts of one notification, and Base64, so that no text ends the sequence. */
const osc99 = (title: string, body: string): string => {
  const id = Bun.hash(`${title}\n${body}`).toString(36);
  const part = (about: string, text: string): string => `\u001b]99;i=${id}:e=1:${about};${Buffer.from(text).toString("base64")}\u001b\\`;
  return body === "" ? part("d=1:p=title", title) : part("d=0:p=title", title) + part("d=1:p=body", body);
};

type TerminalWay = Extract<Channel, { kind: "terminal" }>["how"];
const ways: Readonly<Record<Exclude<TerminalWay, "auto">, Terminal["render"]>> = { osc9, osc777, osc99, bell: () => bell };
const bell = "\u0007";

const terminals: Terminal[] = [
  { is: (env) => env.TERM_PROGRAM === "iTerm.app" || env.LC_TERMINAL === "iTerm2", render: osc9 },
  { is: (env) => env.TERM === "xterm-kitty", render: osc9 },
];
/** urxvt, foot, Ghostty, WezTerm, VTE. */
const plainTerminal: Terminal = { is: () => true, render: osc777 };

type Desktop = (env: Environment, title: string, body: string) => NotificationPlan["desktop"];

const desktops: Partial<Record<NodeJS.Platform, Desktop>> = {
  linux: notifySend,
  freebsd: notifySend,
  darwin: (_, title, body) => ({
    argv: [
      ...["osascript", "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run"],
      ...[title, body],
    ],
  }),
  win32: (_, title, body) => ({
    argv: ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", toastScript],
    env: { CSM_NOTIFY_TITLE: title, CSM_NOTIFY_BODY: body },
  }),
};

/** A desktop is there where a display is; its bubbles take markup. */
function notifySend(env: Environment, title: string, body: string): NotificationPlan["desktop"] {
  if ((env.WAYLAND_DISPLAY ?? env.DISPLAY ?? "") === "") return undefined;
  return { argv: ["notify-send", "--app-name=csm", "--", title, escapeMarkup(body)] };
}

const escapeMarkup = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A fixed text: title and body come through the environment and become text nodes. Windows wants the id of a registered program. */
const toastScript = [
  "$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]",
  "$toast = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)",
  "$texts = $toast.GetElementsByTagName('text')",
  "[void]$texts.Item(0).AppendChild($toast.CreateTextNode($env:CSM_NOTIFY_TITLE))",
  "[void]$texts.Item(1).AppendChild($toast.CreateTextNode($env:CSM_NOTIFY_BODY))",
  "$id = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'",
  "$manager::CreateToastNotifier($id).Show([Windows.UI.Notifications.ToastNotification]::new($toast))",
].join("; ");

/** The same sequence for a terminal that this program writes to itself: a multiplexer passes it on only in an envelope. */
export function wrapForTerminal(env: Environment, sequence: string): string {
  // A multiplexer has a bell of its own, and says in which window it rang.
  if (sequence === bell) return bell;
  if ((env.TMUX ?? "") !== "") return `\u001bPtmux;${sequence.replaceAll("\u001b", "\u001b\u001b")}\u001b\\`;
  return (env.STY ?? "") !== "" ? `\u001bP${sequence}\u001b\\` : sequence;
}

const timeoutMs = 2000;

/** Tells the desktop, or else this terminal. Never fails and never takes more than 2 s: what it tells of matters more. */
export async function notify(
  sys: Pick<Sys, "platform" | "env" | "run" | "sleep" | "isTerminal" | "write">,
  title: string,
  body: string,
): Promise<void> {
  const { sequence, desktop } = planNotification(sys.platform, sys.env, title, body);
  if (desktop !== undefined && (await runDesktop(sys, desktop))) return;
  writeSequence(sys, sequence);
}

/** False where stdout is no terminal that could show it. */
export function writeSequence(sys: Pick<Sys, "env" | "isTerminal" | "write">, sequence: string): boolean {
  return sys.isTerminal(1) && sys.env.TERM !== "dumb" && sys.write(1, wrapForTerminal(sys.env, sequence));
}

async function runDesktop(sys: Pick<Sys, "run" | "sleep" | "env">, desktop: NonNullable<NotificationPlan["desktop"]>): Promise<boolean> {
  const env = { ...sys.env, ...desktop.env };
  try {
    const run = sys.run(desktop.argv, { timeoutMs, env }).then(({ code }) => code === 0);
    return await Promise.race([run, sys.sleep(timeoutMs).then(() => false)]);
  } catch {
    // Not installed: the terminal remains.
    return false;
  }
}

/** A message and the id by which a receiver knows it again when it comes twice. */
export interface Delivery {
  id: string;
  message: Message;
}

/** Undefined: it has arrived. `isFinal`: it will never; `afterMs`: not before. */
type Failure = { failure: string; isFinal: boolean; afterMs?: number } | undefined;

interface ChannelRow<C extends Channel> {
  /** How often it is tried again; later than `maxAgeMs` nobody wants it any more. */
  retries: number;
  maxAgeMs: number;
  send(sys: Sys, channel: C, delivery: Delivery): Promise<Failure>;
}

/** Those of this machine fail for a reason that the next moment does not mend. */
const local = { retries: 0, maxAgeMs: 300_000 };

/** A new kind of channel is a row here, one in `Channel`, and one in `notify-schema`. */
export const channelRows: { [K in Channel["kind"]]: ChannelRow<Extract<Channel, { kind: K }>> } = {
  terminal: {
    ...local,
    async send(sys, { how }, { message: { title, body } }) {
      return writeSequence(sys, planSequence(sys.env, how, title, body)) ? undefined : final("stdout is no terminal");
    },
  },
  desktop: {
    ...local,
    async send(sys, _, { message: { title, body } }) {
      const desktop = planDesktop(sys.platform, sys.env, title, body);
      if (desktop === undefined) return final("there is no desktop here");
      return (await runDesktop(sys, desktop)) ? undefined : final(`${desktop.argv[0]} failed, or is not installed`);
    },
  },
  command: { ...local, send: sendCommand },
  webhook: { retries: 12, maxAgeMs: 86_400_000, send: sendWebhook },
};

export const sendThrough = <C extends Channel>(sys: Sys, channel: C, delivery: Delivery): Promise<Failure> =>
  (channelRows[channel.kind] as unknown as ChannelRow<C>).send(sys, channel, delivery);

const final = (failure: string): Failure => ({ failure, isFinal: true });

const commandMs = 30_000;

const variables: Readonly<Record<keyof Message | "id", string>> = {
  id: "CSM_ID",
  cause: "CSM_CAUSE",
  level: "CSM_LEVEL",
  title: "CSM_TITLE",
  body: "CSM_BODY",
  session: "CSM_SESSION",
  session_id: "CSM_SESSION_ID",
  sessions: "CSM_SESSIONS",
  project: "CSM_PROJECT",
  cwd: "CSM_CWD",
  profile: "CSM_PROFILE",
  at: "CSM_AT",
  time: "CSM_TIME",
};

async function sendCommand(sys: Sys, { run }: Extract<Channel, { kind: "command" }>, { id, message }: Delivery): Promise<Failure> {
  const [name = "", ...args] = run;
  const path = name.startsWith("~/") ? `${sys.homeDir ?? ""}${name.slice(1)}` : name;
  const text = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value ?? ""));
  const values = Object.entries({ id, ...message }).map(([key, value]) => [variables[key as keyof typeof variables], text(value)]);
  const ended = await sys.runBounded([path, ...args], {
    input: `${JSON.stringify({ id, ...message })}\n`,
    env: { ...outsideEnv(sys.env, message.cwd), ...Object.fromEntries(values) },
    cwd: sys.homeDir ?? "/",
    timeoutMs: commandMs,
    maxBytes: 1024 * 1024,
    leavesChildren: true,
    canBeSilent: true,
  });
  return "failure" in ended ? final(ended.failure) : undefined;
}

/** Without what a session leaves its hooks, secrets among it, and without programs that lie in the folder it works in. */
export function outsideEnv(env: Environment, cwd: string | null): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !isNestedMark(name) && name !== channelVariable);
  const isOutside = (dir: string) => /^(?:\/|[A-Za-z]:)/.test(dir) && (cwd === null || !`${dir}/`.startsWith(`${cwd}/`));
  const separator = env.OS === "Windows_NT" ? ";" : ":";
  const path = env.PATH?.split(separator).filter(isOutside).join(separator);
  return { ...Object.fromEntries(kept), ...present({ PATH: path }) };
}

const webhookMs = 10_000;
/** Nobody waits longer for a server that asks for it. */
const maxAfterMs = 3_600_000;

async function sendWebhook(sys: Sys, channel: WebhookChannel, delivery: Delivery): Promise<Failure> {
  const { url, body } = renderWebhook(channel, delivery);
  const sent = await sys.postBounded(url, { timeoutMs: webhookMs, headers: webhookHeaders(sys.now(), channel, delivery, body), body });
  if ("failure" in sent) return { failure: sent.failure, isFinal: false };
  const { status, retryAfter } = sent;
  if (status >= 200 && status < 300) return undefined;
  // Our secret is for the server that was named, not for the one to which it leads.
  if (status >= 300 && status < 400) return final(`status ${status}: it leads elsewhere; name the address itself`);
  const seconds = Number(retryAfter);
  const afterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, maxAfterMs) : undefined;
  return { failure: `status ${status}`, isFinal: status < 500 && ![408, 425, 429].includes(status), ...present({ afterMs }) };
}

const signatureHeader = "X-CSM-Signature";

function webhookHeaders(now: number, { headers, secret }: WebhookChannel, { id, message }: Delivery, body: string): Record<string, string> {
  const own: Record<string, string> = {
    "Content-Type": "application/json",
    "User-Agent": `csm/${buildVersion.split(" ")[0]}`,
    "X-CSM-Delivery": id,
    "X-CSM-Cause": message.cause,
    "X-CSM-Timestamp": String(Math.floor(now / 1000)),
    ...(secret === undefined ? {} : { [signatureHeader]: `sha256=${new Bun.CryptoHasher("sha256", secret).update(body).digest("hex")}` }),
  };
  const isOwn = (name: string) => Object.keys(own).some((other) => other.toLowerCase() === name.toLowerCase());
  return { ...Object.fromEntries(Object.entries(headers ?? {}).filter(([name]) => !isOwn(name))), ...own };
}

/** What a service wants instead of our own JSON. */
const formats: Readonly<Record<WebhookChannel["format"], (delivery: Delivery, url: URL) => { url?: string; body: object }>> = {
  json: ({ id, message }) => ({ body: { id, ...message } }),
  // Three characters are markup there, and `<!channel>` would call everybody.
  slack: ({ message: { title, body } }) => {
    const [shownTitle, shownBody] = [escapeMarkup(title), escapeMarkup(body)];
    return { body: { text: shownBody === "" ? `*${shownTitle}*` : `*${shownTitle}*\n${shownBody}` } };
  },
  discord: ({ message: { title, body } }) => ({
    body: { content: `${title}\n${body}`.trim().slice(0, 2000), allowed_mentions: { parse: [] } },
  }),
  // The topic is a field of what its root is sent.
  ntfy: ({ message: { title, body, level, cause } }, url) => {
    const topic = url.pathname.split("/").findLast((part) => part !== "") ?? "";
    const root = new URL(url);
    root.pathname = url.pathname.slice(0, url.pathname.lastIndexOf(topic));
    return { url: root.href, body: { topic, title, message: body || title, priority: priorities[level].ntfy, tags: [cause] } };
  },
  pushover: ({ message: { title, body, level, at } }) => ({
    body: {
      title,
      message: [...(body || title)].slice(0, 1024).join(""),
      priority: priorities[level].pushover,
      timestamp: Math.floor(at / 1000),
    },
  }),
};

/** ntfy counts from 1 to 5, Pushover from -2 to 2, where 2 wants an answer. */
const priorities: Readonly<Record<NoticeLevel, { ntfy: number; pushover: number }>> = {
  info: { ntfy: 3, pushover: 0 },
  warning: { ntfy: 4, pushover: 0 },
  urgent: { ntfy: 5, pushover: 1 },
};

function renderWebhook({ url, format, fields }: WebhookChannel, delivery: Delivery): { url: string; body: string } {
  const rendered = formats[format](delivery, new URL(url));
  return { url: rendered.url ?? url, body: JSON.stringify({ ...rendered.body, ...fields }) };
}
