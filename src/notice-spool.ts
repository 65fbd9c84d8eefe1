import { join } from "node:path";
import { maskSecrets } from "./audit.ts";
import { hasShape, parseRecord } from "./json.ts";
import {
  type Channel,
  decideNotice,
  defaultNotify,
  type Message,
  type Notice,
  type NotifySettings,
  type Told,
  toMessage,
  withTold,
} from "./notices.ts";
import { channelRows, type Delivery, outsideEnv, planSequence, sendThrough, writeSequence } from "./notify.ts";
import { csmDir, lockDir } from "./paths.ts";
import { deliverWord } from "./program.ts";
import type { RuleProblem } from "./rules.ts";
import { readRuleBook } from "./rules-file.ts";
import { type Log, openLog, openRecords, openStore, type Records, type Store } from "./store.ts";
import { type Sys, until } from "./sys.ts";

/**
 * Tells of it where it is due, and returns at once: what takes time is done by a process that goes on alone. Never fails. The
 * result is for the terminal of the session; undefined where nothing is to be shown there.
 */
export async function tellNotice(sys: Sys, settings: NotifySettings, notice: Notice): Promise<string | undefined> {
  if (!(await isDue(sys, settings, notice))) return undefined;
  const masked = { title: maskSecrets(notice.title), body: maskSecrets(notice.body.slice(0, maxRead)) };
  const message = toMessage({ ...notice, ...masked }, settings.causes[notice.cause].level);
  if (settings.channels.some(({ kind }) => kind !== "terminal")) startDelivery(sys, { id: sys.randomId(), message });
  const sequences = settings.channels.flatMap((channel) =>
    channel.kind === "terminal" ? [planSequence(sys.env, channel.how, message.title, message.body)] : [],
  );
  return sequences.length === 0 ? undefined : sequences.join("");
}

/** Much more than is told is not looked through. */
const maxRead = 8 * 1024;

/** The same from a program with a terminal of its own, or with none. */
export async function raiseNotice(sys: Sys, settings: NotifySettings, notice: Notice): Promise<void> {
  const sequence = await tellNotice(sys, settings, notice);
  if (sequence !== undefined) writeSequence(sys, sequence);
}

/** What the user's rules say of it; undefined where they say nothing, or something wrong. */
export const readNotify = async (sys: Sys): Promise<NotifySettings | undefined> => (await readNotifyFile(sys)).settings;

/** The same, with what is wrong. */
export async function readNotifyFile(sys: Sys): Promise<{ settings?: NotifySettings; problems: RuleProblem[] }> {
  if (sys.homeDir === undefined) return { problems: [] };
  const { notify, problems } = await readRuleBook(sys);
  return { ...(notify === defaultNotify ? {} : { settings: notify }), problems };
}

const noticesDir = (sys: Sys): string => join(csmDir(sys), "notices");

/** Somebody who waits for longer is told twice rather than not at all. */
const dueLockMs = 1000;
const stepMs = 10;

/** One of those who come with the same is told so: whoever does not have the lock sees soon that another has told it. */
async function isDue(sys: Sys, settings: NotifySettings, notice: Notice): Promise<boolean> {
  const told = openTold(sys);
  const isTold = (before: Told) => decideNotice(settings, before, notice) !== "tell";
  if (isTold({})) return false;
  const look = async (): Promise<boolean | undefined> => {
    if (isTold(told.read())) return false;
    const release = await sys.takeLock(lockPath(sys, "notices"));
    if (release === undefined) return undefined;
    try {
      const before = told.read();
      if (isTold(before)) return false;
      told.write(withTold(settings, before, notice));
      return true;
    } finally {
      release();
    }
  };
  // A full disk: it is told, and perhaps once more.
  return (await until(sys, sys.now() + dueLockMs, stepMs, look).catch(() => true)) ?? true;
}

const lockPath = (sys: Sys, name: string): string => join(lockDir(sys), `${name}.lock`);

const openTold = (sys: Sys): Store<Told> =>
  openStore<Told>(sys, {
    path: join(noticesDir(sys), "told.json"),
    name: "notices",
    empty: {},
    // What is torn counts as nothing told.
    decode: (text) => Object.fromEntries(Object.entries(parseRecord(text) ?? {}).filter(isToldEntry)),
    encode: (told) => JSON.stringify(told),
  });

const isToldEntry = (entry: [string, unknown]): entry is [string, Told[string]] =>
  hasShape(entry[1], { at: "time", until: "time", print: "string" });

/** Holds what is to be delivered: a file would need a disk, and arguments are read by other users. */
const handedVariable = "CSM_NOTICE";

function startDelivery(sys: Sys, delivery: Delivery): void {
  const env = { ...outsideEnv(sys.env, delivery.message.cwd), [handedVariable]: JSON.stringify(delivery) };
  sys.startDetached([sys.execPath, "csd", deliverWord], { env, cwd: sys.homeDir ?? "/" });
}

/** The process that was started so: through every channel at the same time, as one may hang. */
export async function deliver(sys: Sys): Promise<void> {
  const { channels } = (await readNotify(sys)) ?? { channels: [] };
  const handed = parseDelivery(sys.env[handedVariable]);
  const { [handedVariable]: _, ...env } = sys.env;
  const clean = { ...sys, env };
  await Promise.all(channels.filter(({ kind }) => kind !== "terminal").map((channel) => pump(clean, channel, handed)));
}

/** One of the spool: a delivery that has not arrived yet. */
interface Waiting extends Delivery {
  attempts: number;
  nextAt: number;
  /** Of the newest attempt. */
  failure?: string;
}

export const openSpool = (sys: Sys, { name }: Channel): Records<Waiting> =>
  openRecords<Waiting>(sys, {
    dir: join(noticesDir(sys), "spool", name),
    decode: (text) => {
      const fields = parseRecord(text);
      const delivery = parseDelivery(text);
      if (delivery === undefined || !hasShape(fields, { attempts: "number", nextAt: "time" })) throw new Error("it is no message");
      return { ...fields, ...delivery };
    },
    encode: (waiting) => JSON.stringify(waiting),
  });

function parseDelivery(text: string | undefined): Delivery | undefined {
  const fields = parseRecord(text);
  if (!hasShape(fields, { id: "id", message: "record" }) || !hasShape(fields.message, { cause: "string", title: "string", at: "time" }))
    return undefined;
  return { id: fields.id, message: fields.message as unknown as Message };
}

/** Beyond it the oldest go. */
const maxWaiting = 100;
/** So long one process tries; what is left waits for the next one. */
const patienceMs = 120_000;

/** Puts it into the spool, and sends what is due there unless another process does so already, which then finds it. */
async function pump(sys: Sys, channel: Channel, delivery: Delivery | undefined): Promise<void> {
  const spool = openSpool(sys, channel);
  const deadlineAt = sys.now() + patienceMs;
  try {
    if (delivery !== undefined) spool.write(delivery.id, { ...delivery, attempts: 0, nextAt: sys.now() });
    do {
      const release = await sys.takeLock(lockPath(sys, `notify-${channel.name}`));
      if (release === undefined) return;
      try {
        await drain(sys, channel, spool, deadlineAt);
      } finally {
        release();
      }
      // Whoever came while this one had the lock has left its own here.
    } while (sys.now() < deadlineAt && listDue(sys, spool).length > 0);
  } catch {
    // A full disk: without a spool there is one attempt.
    if (delivery !== undefined) noteResult(sys, channel, delivery, await sendThrough(sys, channel, delivery));
  }
}

const listDue = (sys: Sys, spool: Records<Waiting>): Waiting[] => spool.list().records.filter(({ nextAt }) => nextAt <= sys.now());

/** Oldest first, one after the other; ends when nothing is left to wait for. */
async function drain(sys: Sys, channel: Channel, spool: Records<Waiting>, deadlineAt: number): Promise<void> {
  for (;;) {
    const waiting = keepWanted(sys, channel, spool);
    const nextAt = Math.min(...waiting.map((one) => one.nextAt));
    if (waiting.length === 0 || Math.max(nextAt, sys.now()) > deadlineAt) return;
    await sys.sleep(Math.max(0, nextAt - sys.now()));
    const [oldest] = waiting.filter((one) => one.nextAt <= sys.now());
    if (oldest !== undefined) await attemptOne(sys, channel, spool, oldest);
  }
}

function keepWanted(sys: Sys, channel: Channel, spool: Records<Waiting>): Waiting[] {
  const { records, broken } = spool.list();
  for (const name of broken) spool.remove(name);
  const ordered = records.sort((a, b) => a.message.at - b.message.at);
  const isWanted = ({ message }: Waiting, index: number) =>
    sys.now() - message.at < channelRows[channel.kind].maxAgeMs && ordered.length - index <= maxWaiting;
  const kept = ordered.filter(isWanted);
  for (const one of ordered) {
    if (kept.includes(one)) continue;
    spool.remove(one.id);
    const { attempts, failure } = one;
    noteResult(sys, channel, one, {
      failure: failure === undefined ? "it came too late" : `given up after ${attempts} attempts: ${failure}`,
    });
  }
  return kept;
}

const firstWaitMs = 1000;
const maxWaitMs = 900_000;

async function attemptOne(sys: Sys, channel: Channel, spool: Records<Waiting>, one: Waiting): Promise<void> {
  const result = await sendThrough(sys, channel, { id: one.id, message: one.message });
  const attempts = one.attempts + 1;
  if (result === undefined || result.isFinal || attempts > channelRows[channel.kind].retries) {
    spool.remove(one.id);
    noteResult(sys, channel, one, result);
    return;
  }
  const waitMs = Math.max(result.afterMs ?? 0, Math.min(firstWaitMs * 2 ** (attempts - 1), maxWaitMs));
  try {
    spool.write(one.id, { ...one, attempts, nextAt: sys.now() + waitMs, failure: result.failure });
  } catch {
    // A full disk: it would be tried without a pause.
    spool.remove(one.id);
    noteResult(sys, channel, one, result);
  }
}

/** What became of a delivery. */
interface Outcome {
  at: number;
  channel: string;
  cause: string;
  title: string;
  /** Absent of one that has arrived. */
  failure?: string;
}

const logBytes = 256 * 1024;

/** The newest are read, oldest first. */
export const openOutcomes = (sys: Sys): Log<Outcome> =>
  openLog<Outcome>(sys, {
    path: join(noticesDir(sys), "sent.jsonl"),
    maxBytes: logBytes,
    readBytes: logBytes,
    required: { at: "time", channel: "string", cause: "string", title: "string" },
    optional: { failure: "string" },
  });

function noteResult(sys: Sys, channel: Channel, { message: { cause, title } }: Delivery, result: { failure: string } | undefined): void {
  try {
    openOutcomes(sys).append({
      at: sys.now(),
      channel: channel.name,
      cause,
      title,
      ...(result === undefined ? {} : { failure: result.failure }),
    });
  } catch {
    // A full disk: it was sent all the same.
  }
}
