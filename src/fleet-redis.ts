import { RedisClient } from "bun";
import { exitCode, UserError } from "./errors.ts";
import { type FleetAddress, fleetUrl, oldestServer } from "./fleet-access.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";

/** Whom to reach, and as whom. Certificates are PEM texts. */
export interface RedisTarget extends FleetAddress {
  password?: string;
  ca?: string;
  cert?: string;
  key?: string;
}

/** There is no connection, or none any more. */
export class LinkError extends UserError {}

/** Between two tries to reach the fleet: longer after each failure, and never the same for two machines. `chance`: 0 to 1. */
export const pauseMs = (failures: number, chance: number): number =>
  Math.min(10_000, 250 * 2 ** Math.min(failures, 10)) * (0.5 + chance / 2);

/** 0 to 1. */
export const chanceOf = (sys: { randomId(): string }): number => Number.parseInt(sys.randomId().slice(0, 4), 16) / 0xffff;

/** A sign that many may wait for, again and again. */
export function createSign() {
  let current = Promise.withResolvers<void>();
  return {
    next: () => current.promise,
    give() {
      current.resolve();
      current = Promise.withResolvers();
    },
  };
}

/** Why there is nothing of the fleet, for people: whatever is wrong there, the sessions of this machine are still to be seen. */
export const reasonOf = (error: unknown): string =>
  error instanceof UserError ? error.message : `the fleet cannot be read: ${printableLine(String(error)).slice(0, 200)}`;

/** One connection. It does not come back: whoever needs another opens one. */
export interface RedisLink {
  /** Rejects with what the server says, or with a LinkError where it says nothing in time; the connection is closed then. */
  call(command: string, args: readonly string[], timeoutMs?: number): Promise<unknown>;
  /** Messages of a channel. A connection that listens takes no other calls. */
  listen(channel: string, listener: (message: string) => void): Promise<void>;
  close(): void;
}

const callTimeoutMs = 2000;
const connectTimeoutMs = 3000;

/**
 * Bun 1.4.5's client by itself loses its subscriptions on a reconnect and gives up after 31 s, so it never reconnects here; a
 * server that no longer answers is noticed by the deadline of each call. It says "Connection closed" whatever was wrong, so
 * `findFailure` asks anew, by hand.
 */
export async function openLink(target: RedisTarget, timeoutMs = connectTimeoutMs): Promise<RedisLink> {
  const client = new RedisClient(withPassword(target), {
    autoReconnect: false,
    enableOfflineQueue: false,
    // Ours is over first, and says what it waited for.
    connectionTimeout: timeoutMs + 1000,
    ...(target.isTls ? { tls: tlsOf(target) } : {}),
  });
  const close = () => client.close();
  try {
    await within(client.connect(), timeoutMs, "connect");
  } catch (error) {
    close();
    // Whoever has no time to wait has none to ask again, either.
    throw error instanceof LinkError && timeoutMs < connectTimeoutMs ? error : await findFailure(target, timeoutMs);
  }
  const answered = async <T>(answer: Promise<T>, timeoutMs: number, command: string): Promise<T> => {
    try {
      return await within(answer, timeoutMs, command);
    } catch (error) {
      if (error instanceof LinkError || isClosed(error)) close();
      throw isClosed(error) ? new LinkError("the connection to the fleet has ended") : replyError(command, error);
    }
  };
  return {
    close,
    call: async (command, args, timeoutMs = callTimeoutMs) => answered(client.send(command, [...args]), timeoutMs, command),
    async listen(channel, listener) {
      await answered(
        client.subscribe(channel, (message) => listener(message)),
        callTimeoutMs,
        "SUBSCRIBE",
      );
    },
  };
}

/** What the server itself says against a call. */
function replyError(command: string, error: unknown): unknown {
  const { code = "", message } = error as Error & { code?: string };
  if (!code.startsWith("ERR_REDIS") || error instanceof UserError) return error;
  const words = printableLine(message).slice(0, 200);
  const told = (text: string, hint: string) => new UserError(text, hint, exitCode.failure, { cause: error });
  if (words.startsWith("OOM")) return told("the server of the fleet is full", "give it more: maxmemory in its redis.conf");
  if (words.startsWith("NOPERM"))
    return told(
      `the server of the fleet refuses ${command} to this machine: ${words}`,
      "csm fleet serve-config makes each machine's rights",
    );
  return told(`the server of the fleet refuses ${command}: ${words}`, "csm fleet check");
}

/** The client takes both out of the address alone, which never leaves this process. */
function withPassword({ user = "default", password, ...address }: RedisTarget): string {
  const name = password === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return fleetUrl(address).replace("://", `://${name}`);
}

const isClosed = (error: unknown): boolean => /^ERR_REDIS_CONNECTION/.test((error as { code?: string }).code ?? "");

const tlsOf = ({ ca, cert, key, host }: RedisTarget) => ({ rejectUnauthorized: true, serverName: host, ...present({ ca, cert, key }) });

async function within<T>(action: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new LinkError(`the fleet does not answer (${what}, ${timeoutMs / 1000} s)`)), timeoutMs);
  // A call that is answered after its deadline has nobody to tell.
  action.catch(() => {});
  try {
    return await Promise.race([action, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the server, or the way to it, says to one greeting. */
type Greeting = { text: string } | { failure: string } | "closed" | "late";

const line = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

/** Asks again by hand, as the client tells no reason apart. */
async function findFailure(target: RedisTarget, timeoutMs: number): Promise<LinkError> {
  const { host, port, isTls, user = "default", password } = target;
  const at = `${host}:${port}`;
  const greeting = await greet(target, password === undefined ? line("PING") : line("AUTH", user, password), timeoutMs);
  if (greeting === "late") {
    const isPlainServer = isTls && typeof (await greet({ ...target, isTls: false }, line("PING"), timeoutMs)) === "object";
    return isPlainServer
      ? new LinkError(`the server at ${at} does not speak TLS`, "give it a certificate (csm fleet serve-config), or say redis://")
      : new LinkError(`the server at ${at} does not answer`, "is it stopped, or a firewall on the way?");
  }
  if (greeting === "closed") {
    if (!isTls) return new LinkError(`the server at ${at} ended the connection`, "does it want TLS? say rediss://");
    return new LinkError(`the server at ${at} ended the connection`, "does it want a certificate? --cert and --key");
  }
  if ("failure" in greeting) {
    if (/CERTIFICATE_REQUIRED/.test(greeting.failure))
      return new LinkError(`the server at ${at} wants a certificate of this machine`, "name it with --cert and --key");
    const isCertificate = /cert|self.signed|verif|expired|issuer|altname|hostname|ERR_TLS|SSL/i.test(greeting.failure);
    return isCertificate
      ? new LinkError(`the certificate of ${at} is not trusted: ${greeting.failure}`, "name its authority's with --ca")
      : new LinkError(`nobody is reached at ${at}: ${greeting.failure}`, "is the server running, and the address right?");
  }
  const { text } = greeting;
  if (/^-WRONGPASS|^-ERR (?:invalid password|AUTH)/i.test(text))
    return new LinkError(`the server at ${at} does not take the password of ${user}`, "give the one of this machine");
  if (/^-NOAUTH/.test(text))
    return new LinkError(`the server at ${at} wants a name and a password`, "say rediss://NAME@…, and CSM_FLEET_PASSWORD");
  if (text.startsWith("+")) return new LinkError(`the server at ${at} was slow to answer`, "it does now");
  if (/^-DENIED/.test(text)) return new LinkError(`the server at ${at} is in protected mode`, "use csm fleet serve-config");
  if (/^HTTP\//.test(text)) return new LinkError(`what answers at ${at} is no Redis server`);
  if (/^-(?:LOADING|BUSY|MASTERDOWN)/.test(text))
    return new LinkError(`the server at ${at} is not ready: ${text.slice(1)}`, "it is a matter of time");
  if (/^-ERR max number of clients/.test(text)) return new LinkError(`the server at ${at} has no room for another connection`);
  return new LinkError(`the server at ${at} cannot be spoken to: ${text}`, `Redis ${oldestServer}.0 or newer, or Valkey, is needed`);
}

function greet(target: RedisTarget, hello: string, timeoutMs: number): Promise<Greeting> {
  const { host, port, isTls } = target;
  const { promise, resolve } = Promise.withResolvers<Greeting>();
  const timer = setTimeout(() => resolve("late"), timeoutMs);
  const said = (error: unknown): void => resolve({ failure: (error as Error).message });
  let connection: { end(): void } | undefined;
  let isTrusted = !isTls;
  Bun.connect({
    hostname: host,
    port,
    ...(isTls ? { tls: tlsOf(target) } : {}),
    socket: {
      open(socket) {
        if (!isTls) socket.write(hello);
      },
      handshake(socket, isDone, error) {
        isTrusted = isDone && error === null;
        if (!isTrusted) return said(error ?? new Error("no TLS"));
        socket.write(hello);
      },
      data: (_, chunk) => resolve({ text: (chunk.toString("latin1").split("\r\n")[0] ?? "").slice(0, 200) }),
      error: (_, error) => said(error),
      connectError: (_, error) => said(error),
      close: () => resolve("closed"),
    },
  }).then((socket) => {
    connection = socket;
  }, said);
  return promise.finally(() => {
    clearTimeout(timer);
    connection?.end();
  });
}
