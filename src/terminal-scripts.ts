import { quotePosix } from "./format.ts";

/** What terminals take as text of a language of their own. Whatever is put into one goes through the quoting of that language. */

/** A program for a new tab or window. */
export interface Launch {
  argv: readonly string[];
  cwd: string;
  title: string;
}

/** For sh: the folder, and the program in the place of the shell. */
export const renderShell = ({ argv, cwd }: Launch): string => `cd ${quotePosix(cwd)} && exec ${argv.map(quotePosix).join(" ")}`;

/** `wt.exe` begins a new command at each semicolon, whatever stands around it. */
export const quoteWt = (word: string): string => word.replaceAll(";", "\\;");

/** An expression of AppleScript: only what prints stands in a literal, the rest is named by its number. */
export function quoteApple(text: string): string {
  const parts = text
    .split(/(\p{C}+)/u)
    .flatMap((part, index) =>
      index % 2 === 0
        ? part === ""
          ? []
          : [`"${part.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`]
        : [...part].map((sign) => `(character id ${sign.codePointAt(0)})`),
    );
  return parts.length === 0 ? '""' : parts.join(" & ");
}

/** A script on stdin: it has no limit of length, and stands in no list of processes. */
export const osascript = (script: string): { argv: string[]; input: string } => ({ argv: ["osascript", "-"], input: script });

const lines = (...script: (string | readonly string[])[]): string => `${script.flat().join("\n")}\n`;

/** The one with exactly this tty does what `deed` says; `is` compares whole texts. */
const itermWith = (tty: string, deed: readonly string[]): string =>
  lines(
    'tell application id "com.googlecode.iterm2"',
    "repeat with aWindow in windows",
    "repeat with aTab in tabs of aWindow",
    "repeat with aSession in sessions of aTab",
    `if (tty of aSession) is ${quoteApple(tty)} then`,
    deed,
    "end if",
    "end repeat",
    "end repeat",
    "end repeat",
    'error "no session has this tty"',
    "end tell",
  );

export const itermScripts = {
  find: (tty: string) => itermWith(tty, ['return "" & (columns of aSession) & " " & (rows of aSession)']),
  focus: (tty: string) => itermWith(tty, ["select aWindow", "tell aTab to select", "tell aSession to select", "activate", "return"]),
  write: (tty: string, text: string) => itermWith(tty, [`tell aSession to write text (${quoteApple(text)}) newline NO`, "return"]),
  read: (tty: string) => itermWith(tty, ["return contents of aSession"]),
  launch: (launch: Launch) => {
    const command = quoteApple(`/bin/sh -c ${quotePosix(renderShell(launch))}`);
    return lines(
      'tell application id "com.googlecode.iterm2"',
      "activate",
      "if (count of windows) is 0 then",
      `create window with default profile command (${command})`,
      "else",
      `tell current window to create tab with default profile command (${command})`,
      "end if",
      "end tell",
    );
  },
};

const terminalAppWith = (tty: string, deed: readonly string[]): string =>
  lines(
    'tell application id "com.apple.Terminal"',
    "repeat with aWindow in windows",
    "repeat with aTab in tabs of aWindow",
    `if (tty of aTab) is ${quoteApple(tty)} then`,
    deed,
    "end if",
    "end repeat",
    "end repeat",
    'error "no tab has this tty"',
    "end tell",
  );

export const terminalAppScripts = {
  find: (tty: string) => terminalAppWith(tty, ['return "" & (number of columns of aTab) & " " & (number of rows of aTab)']),
  focus: (tty: string) => terminalAppWith(tty, ["set selected of aTab to true", "set frontmost of aWindow to true", "activate", "return"]),
  read: (tty: string) => terminalAppWith(tty, ["return contents of aTab"]),
  launch: (launch: Launch) =>
    lines('tell application id "com.apple.Terminal"', "activate", `do script (${quoteApple(renderShell(launch))})`, "end tell"),
};

/** Ghostty 1.3 brought AppleScript; the tty of a terminal is told by later ones only, and then alone decides. */
const ghosttyWith = (tty: string, deed: readonly string[]): string =>
  lines(
    'tell application id "com.mitchellh.ghostty"',
    "repeat with aTerminal in terminals",
    `if (tty of aTerminal) is ${quoteApple(tty)} then`,
    deed,
    "end if",
    "end repeat",
    'error "no terminal has this tty"',
    "end tell",
  );

export const ghosttyScripts = {
  find: (tty: string) => ghosttyWith(tty, ["return id of aTerminal"]),
  focus: (tty: string) => ghosttyWith(tty, ["focus aTerminal", "activate", "return"]),
  /** As a paste. */
  input: (tty: string, text: string) => ghosttyWith(tty, [`input text (${quoteApple(text)}) to aTerminal`, "return"]),
  enter: (tty: string) => ghosttyWith(tty, ['send key "enter" to aTerminal', "return"]),
  launch: (launch: Launch) =>
    lines(
      'tell application id "com.mitchellh.ghostty"',
      "activate",
      "set aConfiguration to new surface configuration",
      `set initial working directory of aConfiguration to ${quoteApple(launch.cwd)}`,
      `set command of aConfiguration to (${quoteApple(`/bin/sh -c ${quotePosix(renderShell(launch))}`)})`,
      "if (count of windows) is 0 then",
      "new window with configuration aConfiguration",
      "else",
      "new tab in front window with configuration aConfiguration",
      "end if",
      "end tell",
    ),
};

/** A launch configuration: JSON is YAML too, and its quoting is known. */
export const renderWarp = (launch: Launch): string =>
  `${JSON.stringify({
    name: launch.title,
    windows: [{ tabs: [{ title: launch.title, layout: { cwd: launch.cwd, commands: [{ exec: renderShell(launch) }] } }] }],
  })}\n`;
