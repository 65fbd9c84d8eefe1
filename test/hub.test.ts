import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMachineUsage } from "../src/fleet-usage.ts";
import { createHubBlob, serveHub } from "../src/hub.ts";
import { createSys } from "../src/sys.ts";
import { recordUsage } from "../src/usage.ts";
import { createFakeSys } from "./fake-sys.ts";

test("what fails inside is told to the one who serves and not to the one who asks", async () => {
  const told: unknown[] = [];
  const sys = {
    ...createFakeSys(),
    realPath: () => {
      throw new Error("no such folder: /secret");
    },
  };
  const hub = serveHub(sys, {
    host: "127.0.0.1",
    port: 0,
    onAnswer: (line, status, error) => void told.push([line, status, error?.message]),
  });
  try {
    const answer = await fetch(hub.url);
    expect([answer.status, await answer.text()]).toEqual([500, "failed\n"]);
    expect(told).toEqual([["GET / from 127.0.0.1", 500, "no such folder: /secret"]]);
  } finally {
    await hub.stop();
  }
});

/** Bytes as they are sent, and the first line of what comes; empty where it is closed without a word. */
const ask = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(5000, () => reject(new Error("no answer")));
    socket.on("data", (data) => {
      resolve(String(data).split("\r\n")[0] ?? "");
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(""));
  });

const request = (line: string, host = "Host: 127.0.0.1\r\n", more = "") => `${line} HTTP/1.1\r\n${host}${more}\r\n`;

test.each<[what: string, bytes: string, status: string]>([
  ["a good one", request("GET /health"), "200"],
  ["no host", request("GET /", ""), "400"],
  ["a host of two words", request("GET /", "Host: a b\r\n"), "400"],
  ["a host that is not closed", request("GET /", "Host: [::1\r\n"), "400"],
  ["a host with a path", request("GET /", "Host: 127.0.0.1/../x\r\n"), "400"],
  ["a port that is none", request("GET /", "Host: 127.0.0.1:99999\r\n"), "400"],
  ["an empty host", request("GET /", "Host:\r\n"), "400"],
  ["two hosts", request("GET /", "Host: 127.0.0.1\r\nHost: evil.example\r\n"), "400"],
  ["another host", request("GET /", "Host: evil.example\r\n"), "403"],
  ["a request line of two words", "FOO BAR\r\n\r\n", "400"],
  ["the begin of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"],
  ["a version that is none", "GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", "505"],
  ["a body", request("POST /", undefined, "Content-Length: 5\r\n"), "405"],
  ["a body beyond all measure", request("POST /", undefined, "Content-Length: 50000\r\n"), "413"],
  ["a length that is none", request("POST /", undefined, "Content-Length: -5\r\n"), "400"],
  ["two lengths", request("POST /", undefined, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400"],
  ["a header of 200 KB", request("GET /", undefined, `X: ${"a".repeat(200_000)}\r\n`), "431"],
  ["5000 headers", request("GET /", undefined, Array.from({ length: 5000 }, (_, index) => `X${index}: a\r\n`).join("")), "431"],
  ["a path of 100 KB", request(`GET /${"a".repeat(100_000)}`), "431"],
])("%s is answered in order: %#", async (_, bytes, status) => {
  const hub = serveHub(createFakeSys(), { host: "127.0.0.1", port: 0 });
  try {
    expect((await ask(hub.url, bytes)).split(" ")[1]).toBe(status);
  } finally {
    await hub.stop();
  }
});

test("what a machine of the fleet told is served once, as the newest word on its account", async () => {
  const home = mkdtempSync(join(tmpdir(), "csm-hub-"));
  try {
    const sys = createSys({ HOME: home });
    mkdirSync(join(home, ".claude"));
    writeFileSync(join(home, ".claude.json"), JSON.stringify({ oauthAccount: { accountUuid: "11111111-0000-4000-8000-000000000001" } }));
    mkdirSync(join(home, ".config/claude-as"), { recursive: true });
    writeFileSync(join(home, ".config/claude-as/profiles.json"), JSON.stringify({ work: join(home, ".claude") }));
    recordUsage(sys, join(home, ".claude"), { five_hour: { usedPercent: 41 } }, "statusline", Date.now() - 60_000);
    const mine = openMachineUsage(sys, "near");
    const { accounts } = await mine.read();
    const window = { window: "five_hour", used_percent: 73, resets_at: Date.now() + 3_600_000, at: Date.now() };
    const told = (machine: string, at: number) => ({
      ...{ v: 1 as const, machine, at },
      accounts: accounts.map(({ account }) => ({ account, windows: [{ ...window, at }] })),
    });
    mine.fold([told("far", Date.now()), told("older", Date.now() - 120_000)]);
    mine.close();
    const blob = await createHubBlob(sys);
    const { profiles } = JSON.parse(blob) as { profiles: Record<string, object> };
    expect(Object.keys(profiles)).toEqual(["work"]);
    expect([profiles.work, blob.includes("far")]).toEqual([
      expect.objectContaining({ session: expect.objectContaining({ pct: 73 }) }),
      false,
    ]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
