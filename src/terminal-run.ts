import { join } from "node:path";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { csmDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { readProcessTable, readSeats } from "./process-table.ts";
import { requireOwnFolder } from "./state-folder.ts";
import { type RunResult, type Sys, until } from "./sys.ts";
import { fileWord, type Place, type Spot, type Step } from "./terminal-row.ts";
import type { Launch } from "./terminal-scripts.ts";
import { bytesOf, findPlace, terminals, whyNotIn } from "./terminals.ts";
import { createTmux, type Keyboard, type Pane, type PaneState } from "./tmux.ts";

/** Carries out what the table of terminals says. */

/** Where these processes sit; those that have ended are missing. */
export async function readPlaces(sys: Sys, pids: readonly number[]): Promise<Map<number, Place>> {
  return new Map([...(await readSeats(sys, pids))].map(([pid, seat]) => [pid, findPlace(seat)]));
}

/** A new tab or window of the terminal that this program runs in. */
export async function launchBeside(sys: Sys, launch: Launch): Promise<Place> {
  const place = (await readPlaces(sys, [sys.pid])).get(sys.pid);
  const why = place === undefined ? "it is not known" : whyNotLaunched(place);
  if (place === undefined || why !== undefined) throw new UserError(`this terminal opens no window for csm: ${why}`);
  const { launch: plan } = terminals[place.terminal];
  if (typeof plan === "function") await run(sys, place, plan(place, launch));
  return place;
}

export async function canLaunchBeside(sys: Sys): Promise<boolean> {
  const place = (await readPlaces(sys, [sys.pid])).get(sys.pid);
  return place !== undefined && whyNotLaunched(place) === undefined;
}

/** tmux has its own ways, which csm takes where it runs inside of one. */
const whyNotLaunched = (place: Place): string | undefined => (place.terminal === "tmux" ? "it is a tmux" : whyNotIn(place, "launch"));

/** Brings the session to the front where it runs; throws with why it cannot. */
export async function focusPlace(sys: Sys, place: Place): Promise<void> {
  requireAble(place, "focus");
  const { focus } = terminals[place.terminal];
  if (typeof focus !== "function") throw new UserError(`${place.title} shows it by its panes`);
  const spot = await openSpot(sys, place)();
  if (spot === undefined) throw lost(place);
  await run(sys, place, focus(place, spot));
}

/** The same for a pane of tmux that somebody's terminal shows; returns what it is called, undefined where none can be brought. */
export async function focusClient(sys: Sys, { socketPath, paneId }: Pick<Pane, "socketPath" | "paneId">): Promise<string | undefined> {
  const tmux = createTmux(sys, socketPath);
  const pids = (await tmux.clients(paneId)).reverse();
  const places = [...(await readPlaces(sys, pids)).values()];
  const place = places.find((one) => one.terminal !== "tmux" && whyNotIn(one, "focus") === undefined);
  if (place === undefined) return undefined;
  await tmux.select(paneId);
  await focusPlace(sys, place);
  return place.title;
}

/** The window of a session, to be looked at and typed into as a pane of tmux is. Each deed finds it anew, or is not done. */
export async function openKeyboard(sys: Sys, place: Place): Promise<{ keyboard: Keyboard; pane: string }> {
  for (const action of ["type", "approve", "read"] as const) requireAble(place, action);
  const { read, show, type, approve, hasLastingIds } = terminals[place.terminal];
  await requireVersion(sys, place);
  await requireSole(sys, place);
  const ask = openSpot(sys, await withMark(sys, place));
  const first = await ask();
  if (first === undefined) throw lost(place);
  const findSpot = async () => (hasLastingIds !== true ? ask() : (await isSame(sys, place)) ? first : undefined);
  const write = async (plan: typeof approve, text: string) => {
    const spot = await findSpot();
    if (spot === undefined || typeof plan !== "function") throw lost(place);
    await run(sys, place, plan(place, spot, text));
  };
  const keyboard: Keyboard = {
    async pane() {
      const spot = await findSpot();
      return spot === undefined ? undefined : stateOf(place, spot);
    },
    async capture(_, hasStyle = false) {
      const spot = await findSpot();
      if (spot === undefined || typeof read !== "function") return undefined;
      const answer = await run(sys, place, read(place, spot, hasStyle));
      return { pane: stateOf(place, spot), text: show?.(answer, spot) ?? answer };
    },
    paste: (_, text) => write(type, text),
    keys: async (_, keys) => write(approve, keys.map(requireBytes).join("")),
  };
  return { keyboard, pane: first.id };
}

const stateOf = ({ line, hostPid = 0 }: Place, { id, columns = 80, rows = 24 }: Spot): PaneState => ({
  ...{ paneId: id, pid: line[0]?.pid ?? 0, serverPid: hostPid, width: columns, height: rows },
  ...{ isDead: false, isAlone: true, isLocked: false },
});

function requireBytes(key: string): string {
  const bytes = bytesOf(key);
  if (bytes === undefined) throw new UserError(`no terminal but tmux knows the key ${key}; nothing was pressed`);
  return bytes;
}

function requireAble(place: Place, action: "focus" | "read" | "type" | "approve"): void {
  const why = whyNotIn(place, action);
  if (why !== undefined) throw new UserError(why);
}

const lost = ({ title }: Place): UserError =>
  new UserError(`${title} does not show this session any more; nothing was typed`, "go to its terminal and see");

/** Which window is the session's at this moment; undefined once its process has gone, or another program has its keyboard. */
function openSpot(sys: Sys, place: Place): () => Promise<Spot | undefined> {
  const { find } = terminals[place.terminal];
  return async () => {
    if (!(await isSame(sys, place))) return undefined;
    if (find === undefined) return { id: place.tty ?? "" };
    const result = await start(sys, place, find.ask(place));
    if (result.code !== 0 && !absence.test(result.stderr + result.stdout)) throw failed(place, result);
    return result.code === 0 ? find.read(place, result.stdout) : undefined;
  };
}

/** The process that was looked at, at the same tty, whose keyboard it has. */
async function isSame(sys: Sys, { line: [own], start, tty }: Place): Promise<boolean> {
  const now = own === undefined ? undefined : (await readSeats(sys, [own.pid])).get(own.pid);
  return now !== undefined && now.start === start && now.tty === tty && now.isForeground;
}

/** It answers, and has no such window. */
const absence = /no (?:session|tab|terminal) has this tty|Could not find pre-select window|No screen session found|XGetWindowProperty/;

async function requireVersion(sys: Sys, place: Place): Promise<void> {
  const { version } = terminals[place.terminal];
  if (version === undefined) return;
  const text = printableLine((await start(sys, place, { argv: version.ask })).stdout);
  const found = (/\d+(?:\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number);
  const at = version.least.findIndex((least, index) => (found[index] ?? 0) !== least);
  if (at >= 0 && (found[at] ?? 0) < (version.least[at] ?? 0))
    throw new UserError(`${text || place.title} cannot be told which window is meant; nothing was typed`, `${version.least.join(".")} can`);
}

async function requireSole(sys: Sys, place: Place): Promise<void> {
  const { isRival } = terminals[place.terminal];
  if (isRival === undefined) return;
  const servers = [...(await readProcessTable(sys, ["command"])).values()].filter(({ command }) => isRival(place, command));
  if (servers.some(({ pid }) => pid !== place.hostPid))
    throw new UserError(`two servers of ${place.title} answer to the session's name; nothing was typed`, "give one of them another name");
}

/** The place with the number that its window has now. */
async function withMark(sys: Sys, place: Place): Promise<Place> {
  const { mark } = terminals[place.terminal];
  const { WINDOW = "" } = place.env;
  if (mark === undefined || place.tty === undefined) return place;
  const ask = async (step: Step) => (await start(sys, place, step)).stdout.trim();
  const title = await ask(mark.ask(place, WINDOW));
  const word = `csm-${sys.randomId()}`;
  await start(sys, place, { argv: ["sh", "-c", 'printf %s "$1" > "$2"', "sh", mark.set(word), place.tty] });
  const number = await until(sys, sys.now() + markMs, markStepMs, async () => mark.read(await ask(mark.find(place, word))));
  if (number === undefined) throw lost(place);
  await start(sys, place, mark.restore(place, number, number === WINDOW ? title : (place.line[0]?.program ?? "")));
  return { ...place, env: { ...place.env, WINDOW: number } };
}

const markMs = 1000;
const markStepMs = 20;

/** What a step says: its stdout, or what was written to its file. Throws with the terminal's own words where it failed. */
async function run(sys: Sys, place: Place, step: Step): Promise<string> {
  if (step.file === undefined) {
    const result = await start(sys, place, step);
    return result.code !== 0 && step.otherwise !== undefined ? run(sys, place, step.otherwise) : must(place, result).stdout;
  }
  const dir = join(csmDir(sys), "terminals");
  const path = join(dir, `${sys.randomId()}-${step.file.name}`);
  if (/['%\p{C}]/u.test(path)) throw new UserError(`${place.title} can be given no file in ${dir}`, "set XDG_STATE_HOME to a plain path");
  requireOwnFolder(sys, dir);
  sys.makePrivateDir(dir);
  sys.writePrivate(path, step.file.text);
  try {
    must(place, await start(sys, place, { ...step, argv: step.argv.map((word) => word.replaceAll(fileWord, path)) }));
    if (step.file.text !== "") return "";
    return (await until(sys, sys.now() + fileMs, fileStepMs, () => readBytes(sys, path) || undefined)) ?? "";
  } finally {
    sys.remove(path);
  }
}

const fileMs = 1000;
const fileStepMs = 10;
const maxFileBytes = 1 << 20;

function readBytes(sys: Sys, path: string): string {
  const bytes = new Uint8Array(maxFileBytes);
  return Buffer.from(bytes.subarray(0, sys.readInto(path, 0, bytes))).toString("latin1");
}

/** A terminal answers within milliseconds; a macOS that asks its user for leave takes as long as they do. */
const answerTimeoutMs = 5000;

async function start(sys: Sys, { title }: Pick<Place, "title">, { argv, input, env }: Step): Promise<RunResult> {
  try {
    return await sys.run(argv, {
      timeoutMs: answerTimeoutMs,
      ...present({ input }),
      ...(env === undefined ? {} : { env: { ...sys.env, ...env } }),
    });
  } catch (error) {
    throw new UserError(`${title} cannot be reached: ${argv[0]} is not on PATH`, "install it, or go to the terminal by hand", 1, {
      cause: error,
    });
  }
}

function must(place: Place, result: RunResult): RunResult {
  if (result.code !== 0) throw failed(place, result);
  return result;
}

function failed({ title }: Place, { argv, code, stderr, stdout }: RunResult): UserError {
  const said = printableLine(stderr).slice(0, 300) || printableLine(stdout).slice(0, 300) || `exit code ${code}`;
  return new UserError(`${title} refused: ${code === null ? `${argv[0]} did not answer in time` : said}`);
}
