import { chanceOf, LinkError, pauseMs, type RedisLink } from "./fleet-redis.ts";
import { type Script, scripts } from "./fleet-scripts.ts";
import type { Sys } from "./sys.ts";

/** A connection that comes back: whoever calls waits until the server has answered. */
export interface Line {
  call(command: string, args: readonly string[], timeoutMs?: number): Promise<unknown>;
  /** A script over one key and all that begins with it. */
  evaluate(script: Script, key: string, args: readonly (string | number)[]): Promise<unknown>;
  /** Which connection it is by now, from 1. */
  connection(): number;
  /** Since the server has answered last. */
  silentMs(): number;
  close(): void;
}

interface LineOptions {
  open(): Promise<RedisLink>;
  /** Once it is reached, and once it is not: with the reason. */
  onLink(failure: Error | undefined): void;
}

/** What the server itself has said. */
const replyOf = (error: unknown): string => ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message;

/** A server that starts, is full, or has another one above it: it is a matter of time. */
const isPassing = (error: unknown): boolean =>
  error instanceof LinkError || /^(?:LOADING|BUSY|MASTERDOWN|READONLY|OOM|MISCONF|TRYAGAIN)\b/.test(replyOf(error));

const scriptMs = 10_000;

/** The first time it must be reached at once: what is wrong then is wrong for good. */
export function openLine(sys: Sys, { open, onLink }: LineOptions): Line {
  const known = new Map<Script, string>();
  let link: Promise<RedisLink> | undefined;
  let count = 0;
  let isClosed = false;
  let answeredAt: number | undefined;
  const attempt = async (command: string, args: readonly string[], timeoutMs?: number): Promise<unknown> => {
    if (link === undefined) {
      link = open();
      count++;
    }
    const used = link;
    try {
      const answer = await (await used).call(command, args, timeoutMs);
      answeredAt = sys.now();
      onLink(undefined);
      return answer;
    } catch (error) {
      if (isPassing(error) && link === used) {
        link = undefined;
        used.then((each) => each.close()).catch(() => {});
      }
      throw error;
    }
  };
  const call: Line["call"] = async (command, args, timeoutMs) => {
    for (let failures = 0; ; failures++) {
      try {
        return await attempt(command, args, timeoutMs);
      } catch (error) {
        if (isClosed || !isPassing(error) || (answeredAt === undefined && error instanceof LinkError)) throw error;
        onLink(error as Error);
        await sys.sleep(pauseMs(failures, chanceOf(sys)));
      }
    }
  };
  return {
    call,
    async evaluate(script, key, args) {
      const sha = known.get(script) ?? new Bun.CryptoHasher("sha1").update(scripts[script]).digest("hex");
      known.set(script, sha);
      const words = ["1", key, ...args.map(String)];
      try {
        return await call("EVALSHA", [sha, ...words], scriptMs);
      } catch (error) {
        if (!replyOf(error).startsWith("NOSCRIPT")) throw error;
        return await call("EVAL", [scripts[script], ...words], scriptMs);
      }
    },
    connection: () => count,
    silentMs: () => (answeredAt === undefined ? 0 : sys.now() - answeredAt),
    close() {
      isClosed = true;
      link?.then((each) => each.close()).catch(() => {});
    },
  };
}
