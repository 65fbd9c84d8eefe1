import { expect, test } from "bun:test";
import { createRecorder } from "../src/dashboard.ts";
import { createFakeSys } from "./fake-sys.ts";

test("a recording is an asciicast: a header, output, and a change of size", async () => {
  const sys = createFakeSys({ now: 1000, env: { TERM: "xterm" } });
  const record = createRecorder(sys, "/x.cast");
  record("a", { columns: 80, rows: 24 });
  await sys.sleep(500);
  record('b"\u001b', { columns: 100, rows: 30 });
  expect(
    sys
      .readText("/x.cast")
      ?.trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    { version: 2, width: 80, height: 24, timestamp: 1, env: { TERM: "xterm" } },
    [0, "o", "a"],
    [0.5, "r", "100x30"],
    [0.5, "o", 'b"\u001b'],
  ]);
});
