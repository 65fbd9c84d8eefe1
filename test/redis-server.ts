import { createServer } from "node:net";
import { openLink } from "../src/fleet-redis.ts";

export const redisServer = Bun.which("redis-server");

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

/** Ready to be spoken to. Whoever starts it ends it. */
export async function startRedis(args: readonly string[]): Promise<Bun.Subprocess> {
  const child = Bun.spawn([redisServer ?? "", ...args], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("Ready to accept connections")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(text);
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  void child.stdout.pipeTo(new WritableStream()).catch(() => {});
  return child;
}

/** On loopback, without a password; what it is told lies in `dir`. */
export const startPlainRedis = (port: number, dir: string): Promise<Bun.Subprocess> =>
  startRedis(["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes"]);

export const openPlainLink = (port: number) => openLink({ host: "127.0.0.1", port, isTls: false, database: 0 });
