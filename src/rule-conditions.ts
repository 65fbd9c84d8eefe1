import { every, type Likelihood, some } from "./command-pattern.ts";
import { fitsGlob, isWindowsPath, slashPath } from "./path-pattern.ts";
import type { Conditions, SessionFacts, ToolCall } from "./rules.ts";

/** The conditions on the session; `maybe` where a fact is not known. */
export function hitsSession(when: Conditions, facts: SessionFacts, call?: ToolCall): Likelihood {
  // Most rules are about calls alone, and a hook has them all to look at.
  if (Object.keys(when).every((key) => ofCalls.has(key))) return "yes";
  const above = (limit: number | undefined, value: number | undefined) => limit === undefined || known(value, (is) => is > limit);
  const equal = (wanted: boolean | undefined, value: boolean | undefined) => wanted === undefined || known(value, (is) => is === wanted);
  const among = (wanted: readonly string[] | undefined, value: string | undefined, fits: (want: string, value: string) => boolean) =>
    wanted === undefined || known(value, (is) => wanted.some((want) => fits(lower(want), lower(is))));
  const { status, project, profile, model, time, session } = when;
  return every(
    [
      among(status, facts.status, isStatus),
      among(project, call?.projectDir ?? facts.projectDir, isProject),
      among(profile, facts.profile, fitsGlob),
      among(model, facts.model, (want, is) => is.includes(want) || fitsGlob(want, is)),
      session === undefined || isSession(session, facts),
      time === undefined || some(time.map((text) => isWithin(text, facts.now))),
      above(when.costAboveUsd, facts.costUsd),
      above(when.contextAbovePercent, facts.contextPercent),
      above(when.usageAbovePercent, facts.usagePercent),
      above(when.countAbove, agentsAfter(facts, call)),
      equal(when.hasError, facts.hasError),
      equal(when.hasConflict, facts.hasConflict),
    ].map((told) => (typeof told === "string" ? told : told ? "yes" : "no")),
  );
}

const ofCalls: ReadonlySet<string> = new Set(["tool", "command", "path", "host", "agent"]);

const lower = (text: string): string => text.toLowerCase();

const known = <T>(value: T | undefined, test: (value: T) => boolean): Likelihood =>
  value === undefined ? "maybe" : test(value) ? "yes" : "no";

/** The older tool's words for people: `Needs Input`, and `NeedsInput` as its article has it. */
export const olderStatus = new Map([
  ["needsinput", ["blocked", "awaiting_answer", "plan_ready"]],
  ["processing", ["working", "spawning"]],
  ["waiting", ["idle_done"]],
  ["idle", ["idle_done"]],
  ["finished", ["dead"]],
]);

const isStatus = (want: string, is: string): boolean =>
  want.replace(/[^a-z]/g, "") === is.replace(/[^a-z]/g, "") || olderStatus.get(want.replace(/[^a-z]/g, ""))?.includes(is) === true;

/** A part of its name, or the folder itself. */
function isProject(named: string, of: string): boolean {
  const isWindows = isWindowsPath(of) || isWindowsPath(named);
  const [want, dir] = isWindows ? [slashPath(named), slashPath(of)] : [named, of];
  const folder = want.replace(/(?<=.)\/+$/, "");
  return want.includes("/") ? folder === dir || dir.startsWith(`${folder}/`) : dir.slice(dir.lastIndexOf("/") + 1).includes(want);
}

function isSession(wanted: readonly string[], { id, name }: SessionFacts): Likelihood {
  const isNamed = wanted.some((want) => name !== undefined && fitsGlob(lower(want), lower(name)));
  const isIt = wanted.some((want) => want !== "" && id?.toLowerCase().startsWith(lower(want)) === true);
  return isNamed || isIt ? "yes" : name === undefined || id === undefined ? "maybe" : "no";
}

/** With those that this call would start; a workflow says in its script alone how many it starts. */
function agentsAfter({ agentCount }: SessionFacts, call: ToolCall | undefined): number | undefined {
  if (call?.tool === "Workflow" || agentCount === undefined) return undefined;
  return call !== undefined && isAgentTool(call.tool) ? agentCount + 1 : agentCount;
}

/** One tool under two names (Agent since 2.1.x, Task before). */
export const isAgentTool = (tool: string): boolean => tool === "Agent" || tool === "Task";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const span = /^(?:([a-z,-]+)\s+)?(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)$/;

const day = "(?:mon|tue|wed|thu|fri|sat|sun)";
const clock = "(?:[01]?\\d|2[0-3]):[0-5]\\d";
/** What `isWithin` takes, as it must be written. */
export const timeSpan = new RegExp(`^(?:${day}(?:-${day})?(?:,${day}(?:-${day})?)* +)?${clock}-(?:${clock}|24:00)$`, "i");

/** `22:00-07:00`, `mon-fri 09:00-18:00`, `sat,sun 00:00-24:00`, in local time; a night belongs to the day it begins. `maybe`: no such text. */
export function isWithin(text: string, now: number): Likelihood {
  const match = span.exec(text.trim().toLowerCase());
  const onDays = daysOf(match?.[1]);
  if (match === null || onDays === undefined) return "maybe";
  const [from, to] = [Number(match[2]) * 60 + Number(match[3]), Number(match[4]) * 60 + Number(match[5])];
  const at = new Date(now);
  const minute = at.getHours() * 60 + at.getMinutes();
  const today = at.getDay();
  const isOn = (day: number) => onDays.has((day + 7) % 7);
  if (from < to) return isOn(today) && minute >= from && minute < to ? "yes" : "no";
  return (isOn(today) && minute >= from) || (isOn(today - 1) && minute < to) ? "yes" : "no";
}

/** Undefined for words that are no days. */
function daysOf(text: string | undefined): ReadonlySet<number> | undefined {
  if (text === undefined) return new Set(days.keys());
  const told = new Set<number>();
  for (const part of text.split(",")) {
    const [from, to = from] = part.split("-").map((word) => days.indexOf(word.slice(0, 3)));
    if (from === undefined || to === undefined || from < 0 || to < 0) return undefined;
    for (let day = from; ; day = (day + 1) % 7) {
      told.add(day);
      if (day === to) break;
    }
  }
  return told;
}

/** The address as the browser's rules read it: `http://EXAMPLE.com.`, `https://a@b`, `http://0x7f.1`; undefined for what is none. */
export function hostOf(url: string): { host: string; port: string; isPlain: boolean } | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, port, protocol, username, password } = new URL(url);
  const isPlain = (protocol === "https:" || protocol === "http:") && username === "" && password === "" && !/[\s\\]/.test(url);
  return { host: plainHost(hostname), port: port || (protocol === "http:" ? "80" : "443"), isPlain };
}

/** An address of IPv4 in the words of IPv6 is the same machine. */
function plainHost(name: string): string {
  const [, high = "", low = ""] = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(name) ?? [];
  const bytes = [high, low].map((part) => Number.parseInt(part, 16)).flatMap((word) => [word >> 8, word & 255]);
  return high === "" ? name.replace(/\.+$/, "") : bytes.join(".");
}

/** `example.com` with every port unless it names one, `*.example.com` its subdomains; in any script: both are read the same way. */
export function isHost(want: string, { host, port }: { host: string; port: string }): boolean {
  const [, stars = "", name = "", wantedPort] = /^(?:[a-z]+:\/\/)?(\*\.)?(\[[^\]]+\]|[^:/]*)(?::(\d+))?\/?$/i.exec(want.trim()) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (name === "*") return true;
  const wanted = hostOf(`http://${name}`)?.host;
  return wanted !== undefined && wanted !== "" && (stars === "" ? host === wanted : host.endsWith(`.${wanted}`));
}

/** Does a word of a command lead to one of these? `isData`: what is said in it is nothing that the program would go to. */
export function namesHost(word: string, hosts: readonly string[], isData: boolean): Likelihood {
  const isAt = (text: string) => {
    const at = hostOf(/^[a-z][a-z+.-]*:\/\//i.test(text) ? text : `http://${text}`);
    return at !== undefined && hosts.some((want) => isHost(want, at));
  };
  if (addressesIn(word).some(isAt)) return "yes";
  return isData && /\s/.test(word) ? "no" : mayNameHost(word, isAt);
}

/** A word that is an address: `u@host.example:path` and `--url=host.example` too. */
const addressesIn = (word: string): string[] =>
  [word, /^--[\w-]+=(.*)$/s.exec(word)?.[1] ?? ""]
    .filter((text) => /^[^\s-]\S*\.\S|:\/\//.test(text))
    .map((text) => (text.includes("://") ? text : text.replace(/^[^@/]*@/, "").replace(/:(?!\d*(?:\/|$)).*$/s, "")));

/** Among other things in one word: `-xhost.example`, `--connect-to=a:80:host.example:80`, `http://{host,x}.example` for curl. */
function mayNameHost(word: string, isAt: (text: string) => boolean): Likelihood {
  const pieces = word.replace(/^-[A-Za-z]/, "").split(/[=@:,;|\s'"]+\/*/);
  const isGlob = /^[a-z]+:\/\/[^/\s]*(?:\{|\[(?![\da-f:.]+\]))/i.test(word);
  return isGlob || pieces.some((piece) => /[^.]\.[^.]/.test(piece) && isAt(piece)) ? "maybe" : "no";
}

/** A name of a tool; `mcp__server` is all tools of that server, `mcp__server__*` too. */
export function isTool(want: string, tool: string): boolean {
  const [wanted, is] = [lower(want.trim()), lower(tool)];
  return fitsGlob(wanted, is) || (isAgentTool(tool) && (wanted === "agent" || wanted === "task")) || isServer(wanted, is);
}

const isServer = (want: string, tool: string): boolean => /^mcp__(?:(?!__).)+$/.test(want) && tool.startsWith(`${want}__`);
