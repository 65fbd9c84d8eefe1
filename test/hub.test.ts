import { expect, test } from "bun:test";
import { serveHub } from "../src/hub.ts";
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
