import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
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
  const [shownTitle, shownBody] = [clean(title, maxTitle) || "csm", clean(body, maxBody)];
  const terminal = terminals.find(({ is }) => is(env)) ?? plainTerminal;
  // Over ssh the desktop of this machine is not the one that somebody looks at.
  const isRemote = (env.SSH_CONNECTION ?? env.SSH_TTY ?? "") !== "";
  const desktop = isRemote ? undefined : desktops[platform]?.(env, shownTitle, shownBody);
  return { sequence: terminal.render(shownTitle, shownBody), ...present({ desktop }) };
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
  const escaped = body.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return { argv: ["notify-send", "--app-name=csm", "--", title, escaped] };
}

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
  if (sys.isTerminal(1) && sys.env.TERM !== "dumb") sys.write(1, wrapForTerminal(sys.env, sequence));
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
