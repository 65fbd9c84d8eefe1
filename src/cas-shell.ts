import { unknownWord } from "./errors.ts";
import { quotePosix } from "./format.ts";

/** How one kind of shell is told to do something; whatever a folder's name holds, it stays text. */
export interface Dialect {
  quote(text: string): string;
  set(name: string, value: string): string;
  unset(name: string): string;
  /** Says it on stderr and fails, without ending the shell. */
  fail(message: string): string;
  say(text: string): string;
}

/** Between single quotes every character but the quote itself is text, for zsh's `rc_quotes` too. */
const quoteFish = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const quotePwsh = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * One line of ASCII: `Invoke-Expression (csm …)` gets a list where there are more lines, PowerShell takes curly quotes for
 * straight ones, and Windows PowerShell decodes by the console's code page, where half of a letter may become such a quote.
 * The dash of our own messages cannot.
 */
const pwshText = (text: string): string => {
  const parts = text.split(/([^\x20-\x7e\u2014])/).filter((part) => part !== "");
  if (parts.length < 2 && !/[^\x20-\x7e\u2014]/.test(text)) return quotePwsh(text);
  const words = parts.map((part) => (/^[^\x20-\x7e\u2014]$/.test(part) ? `[char]${part.charCodeAt(0)}` : quotePwsh(part)));
  return `(${["''", ...words].join(" + ")})`;
};

const posix: Dialect = {
  quote: quotePosix,
  set: (name, value) => `export ${name}=${quotePosix(value)}`,
  unset: (name) => `unset ${name}`,
  fail: (message) => `>&2 printf '%s\\n' ${quotePosix(message)}; false`,
  say: (text) => `printf '%s\\n' ${quotePosix(text)}`,
};

const fish: Dialect = {
  quote: quoteFish,
  // `set` leaves the status of what ran before it.
  set: (name, value) => `set -gx ${name} ${quoteFish(value)}; true`,
  unset: (name) => `set -e ${name}; true`,
  fail: (message) => `printf '%s\\n' ${quoteFish(message)} >&2; false`,
  say: (text) => `printf '%s\\n' ${quoteFish(text)}`,
};

const pwsh: Dialect = {
  quote: pwshText,
  set: (name, value) => `$env:${name} = ${pwshText(value)}`,
  unset: (name) => `Remove-Item -ErrorAction SilentlyContinue Env:${name}`,
  // `exit` would end the user's shell: the older tool's way.
  fail: (message) => `Write-Error ${pwshText(message)}; $global:LASTEXITCODE = 1`,
  say: (text) => `Write-Output ${pwshText(text)}`,
};

const dialects: Readonly<Record<string, Dialect>> = Object.assign(Object.create(null) as Record<string, Dialect>, {
  zsh: posix,
  bash: posix,
  sh: posix,
  fish,
  pwsh,
  powershell: pwsh,
});

export function findDialect(shell: string): Dialect {
  const dialect = dialects[shell.toLowerCase()];
  if (dialect === undefined) throw unknownWord("unknown shell", shell, Object.keys(dialects));
  return dialect;
}
