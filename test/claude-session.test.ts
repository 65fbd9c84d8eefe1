import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseRoster, parseSessionFile, type SessionFile } from "../src/claude-session.ts";

const fixture = (folder: string) => readFileSync(join(import.meta.dir, "fixtures", folder, "session.json"), "utf8");
const least = { pid: 7, sessionId: "a", cwd: "" };

test.each<[rule: string, folder: string, file: SessionFile]>([
  [
    "2.1.86 has neither status nor version",
    "claude-2.1.86/permission-bash",
    {
      pid: 22755,
      sessionId: "3eed51d4-41ae-4a44-ae20-71f44a903e35",
      cwd: "/home/dev/app",
      startedAt: 1795171720690,
      kind: "interactive",
      entrypoint: "cli",
    },
  ],
  [
    "2.1.158 tells the time of its status as updatedAt",
    "claude-2.1.158/permission-bash",
    {
      pid: 22767,
      procStart: "110655",
      sessionId: "9aab8606-76e4-42d6-b214-76c25d97eb87",
      cwd: "/home/dev/app",
      startedAt: 1795171719614,
      status: "waiting",
      waitingFor: "permission prompt",
      kind: "interactive",
      entrypoint: "cli",
      statusUpdatedAt: 1795171734000,
      version: "2.1.158",
    },
  ],
  [
    "2.1.329 has name and time, and what this program does not use is left out",
    "claude-2.1.329/gate-bash",
    {
      pid: 16722,
      pidDomain: "linux:<machine-id>:pid:[4026531836]",
      procStart: "84997",
      sessionId: "dd788fdb-5729-4fa6-8219-e4a9183a37ca",
      cwd: "/home/devbox/app",
      startedAt: 1795171447168,
      status: "waiting",
      waitingFor: "permission prompt",
      statusUpdatedAt: 1795171448044,
      name: "app-16",
      nameSource: "derived",
      kind: "interactive",
      entrypoint: "cli",
      version: "2.1.329",
    },
  ],
  [
    "inside tmux it names its pane",
    "claude-2.1.329/tmux-env",
    {
      pid: 16498,
      pidDomain: "linux:<machine-id>:pid:[4026531836]",
      procStart: "334819",
      sessionId: "07fb2351-7ef4-42cd-b34d-7253b59f7a37",
      cwd: "/home/devbox/t/realtmux",
      startedAt: 1795173945493,
      status: "waiting",
      waitingFor: "permission prompt",
      statusUpdatedAt: 1795173947151,
      name: "realtmux-d8",
      nameSource: "derived",
      kind: "interactive",
      entrypoint: "cli",
      version: "2.1.329",
      tmux: "tmux-env:@298.%298",
    },
  ],
])("%s", (_, folder, file) => {
  expect(parseSessionFile(fixture(folder))).toEqual(file);
});

test.each<[rule: string, text: string, file: SessionFile | undefined]>([
  ["an empty file is none yet", "", undefined],
  ["a torn file is none yet", '{"pid":7,"sessionId":"a","cw', undefined],
  ["two files written over one another are none", '{"pid":7,"sessionId":"a"}}', undefined],
  ["null is none", "null", undefined],
  ["a list is none", '[{"pid":7}]', undefined],
  ["a text is none", '"pid"', undefined],
  ["without pid it is none", '{"sessionId":"a"}', undefined],
  ["a pid as text is none", '{"pid":"7","sessionId":"a"}', undefined],
  ["without session id it is none", '{"pid":7}', undefined],
  ["pid and id are enough", '{"pid":7,"sessionId":"a"}', least],
  ["shell is a status", '{"pid":7,"sessionId":"a","status":"shell"}', { ...least, status: "shell" }],
  ["an unknown status is other", '{"pid":7,"sessionId":"a","status":"napping"}', { ...least, status: "other" }],
  ["so is an inherited word", '{"pid":7,"sessionId":"a","status":"constructor"}', { ...least, status: "other" }],
  ["a status of another type is absent", '{"pid":7,"sessionId":"a","status":1}', least],
  [
    "fields of other types are absent",
    '{"pid":7,"sessionId":"a","cwd":3,"name":null,"version":2,"startedAt":"1","statusUpdatedAt":null,"tmux":{},"waitingFor":[]}',
    least,
  ],
])("%s", (_, text, file) => {
  expect(parseSessionFile(text)).toEqual(file);
});

test("agents of a daemon, and the conversations that have started them", () => {
  const id = "11111111-2222-4333-8444-555555555555";
  const by = "aaaaaaaa-2222-4333-8444-555555555555";
  const worker = { pid: 3077, replPid: 3169, sessionId: id, dispatch: { env: { CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS: `${by},${id}` } } };
  const roster = { proto: 1, workers: { "374c2e23": worker, "2c5e004b": { sessionId: id }, "-x y": worker, torn: { pid: 1 } } };
  expect(parseRoster(JSON.stringify(roster))).toEqual([
    { job: "374c2e23", sessionId: id, pids: [3169, 3077], launchedBy: [by, id] },
    { job: "2c5e004b", sessionId: id, pids: [], launchedBy: [] },
  ]);
  expect([parseRoster(undefined), parseRoster("{"), parseRoster('{"workers":[]}')]).toEqual([[], [], []]);
});
