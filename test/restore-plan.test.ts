import { expect, test } from "bun:test";
import type { SessionFile } from "../src/claude-session.ts";
import type { LaunchRecord } from "../src/launch-record.ts";
import { chooseTmuxName, labelOf, planRestore, type RestoreInput, type Skipped } from "../src/restore-plan.ts";
import type { FoundSession } from "../src/sessions.ts";

const minute = 60_000;
/** The machine came up at 100 min; it is 200 min now. */
const boot = { key: "now", at: 100 * minute };

const file = (startedMinute: number, more: Partial<SessionFile> = {}): SessionFile => ({
  ...{ pid: 50, procStart: "5", sessionId: "a", cwd: "/app", startedAt: startedMinute * minute, entrypoint: "cli", kind: "interactive" },
  ...more,
});
const found = (session: SessionFile, liveness: FoundSession["liveness"] = "gone"): FoundSession => ({
  ...{ configDir: "/c", profile: "work", file: session, liveness },
});
const record = (startedMinute: number, more: Partial<LaunchRecord> = {}): LaunchRecord => ({
  ...{ id: "r", pid: 50, start: "5", boot: "now", startedAt: startedMinute * minute, sessionId: "a", cwd: "/app", configDir: "/c" },
  ...{ args: ["--model", "opus"] },
  ...more,
});

const plan = (input: Partial<RestoreInput>) =>
  planRestore({
    ...{ found: [], records: [], runningIds: new Set(), boot, since: 0, writtenAt: () => 1, hasFolder: () => true },
    ...input,
  });

test.each<[rule: string, input: Partial<RestoreInput>, lost: string[]]>([
  ["kill -9: its file stayed behind", { found: [found(file(150))] }, ["a killed"]],
  ["power cut: the file is older than the machine's start", { found: [found(file(50))] }, ["a restarted"]],
  ["a live one is not lost", { found: [found(file(150), "live")] }, []],
  ["nor one that goes on in another process", { found: [found(file(150)), found(file(160, { pid: 51 }), "live")] }, []],
  ["nor one that an older process still has open", { found: [found(file(150)), found(file(140, { pid: 51 }), "live")] }, []],
  ["in another container nothing is known", { found: [found(file(150), "elsewhere")] }, []],
  ["claude -p is no conversation", { found: [found(file(150, { entrypoint: "sdk-cli" }))] }, []],
  ["claude's background sessions are its daemon's", { found: [found(file(150, { kind: "bg" }))] }, []],
  ["one conversation, two crashes: once", { found: [found(file(120)), found(file(150, { pid: 51 }))] }, ["a killed"]],
  ["ended in order: no file, same boot", { records: [record(150)] }, []],
  ["orderly shutdown: the file went, the record did not", { records: [record(50, { boot: "before", isEndTold: true })] }, ["a restarted"]],
  ["the shutdown's signal was seen", { records: [record(50, { boot: "before", ended: { how: "signal", at: 1 } })] }, ["a restarted"]],
  ["nobody would have told of an end in order", { records: [record(50, { boot: "before" })] }, []],
  ["somebody ended it before the shutdown", { records: [record(50, { boot: "before", ended: { how: "exit", at: 1 } })] }, []],
  ["a terminal closed in this boot is somebody's wish", { records: [record(150, { ended: { how: "signal", at: 1 } })] }, []],
  [
    "its process runs: the start of a file is slow",
    { records: [record(50, { boot: "before", isEndTold: true })], runningIds: new Set(["r"]) },
    [],
  ],
  ["a system that tells no boot", { records: [record(50, { boot: "" })], boot: { key: "" } }, []],
  [
    "no id was ever known",
    { records: [{ ...record(50, { boot: "before", isEndTold: true }), sessionId: undefined } as unknown as LaunchRecord] },
    [],
  ],
  [
    "brought back and ended since: the old file has no say",
    {
      found: [found(file(50))],
      records: [record(150, { pid: 51, start: "6", ended: { how: "exit", at: 1 } })],
    },
    [],
  ],
  [
    "brought back and crashed again",
    { found: [found(file(50)), found(file(150, { pid: 51, procStart: "6" }))], records: [record(150, { pid: 51, start: "6" })] },
    ["a killed"],
  ],
  [
    "claude's file tells of a kill whatever its record says",
    {
      found: [found(file(150))],
      records: [record(150, { ended: { how: "exit", at: 1 } })],
    },
    ["a killed"],
  ],
  [
    "csd kill had to end it hard: claude's file stays, and it is not brought back",
    { found: [found(file(150))], records: [record(150, { ended: { how: "kill", at: 1 } })] },
    [],
  ],
])("planRestore: %s", (_, input, lost) => {
  expect(plan(input).lost.map(({ sessionId, why }) => `${sessionId} ${why}`)).toEqual(lost);
});

test.each<[rule: string, input: Partial<RestoreInput>, reason: Skipped["reason"] | undefined]>([
  ["never prompted: there is nothing to resume", { writtenAt: () => undefined }, "no transcript"],
  ["the folder has gone", { hasFolder: () => false }, "folder gone"],
  ["too long ago", { since: 151 * minute }, "older"],
  ["the transcript is newer than the look-back", { since: 151 * minute, writtenAt: () => 152 * minute }, undefined],
])("skipped: %s", (_, input, reason) => {
  const { lost, skipped } = plan({ found: [found(file(150))], ...input });
  expect([lost.length, skipped[0]?.reason]).toEqual([reason === undefined ? 1 : 0, reason]);
});

test.each<[rule: string, session: SessionFile, writtenAt: number, isLost: boolean]>([
  ["an idle one whose transcript is as old", file(150, { status: "idle", statusUpdatedAt: 160 * minute }), 160 * minute + 59_000, true],
  [
    "an idle one whose transcript went on without its file",
    file(150, { status: "idle", statusUpdatedAt: 160 * minute }),
    162 * minute,
    false,
  ],
  ["a busy one writes for as long as it works", file(150, { status: "busy", statusUpdatedAt: 160 * minute }), 190 * minute, true],
  ["from before the restart, written since", file(50, { status: "busy", statusUpdatedAt: 60 * minute }), 101 * minute, false],
  ["from before the restart, written before", file(50, { status: "busy", statusUpdatedAt: 60 * minute }), 99 * minute, true],
])("went on since: %s", (_, session, writtenAt, isLost) => {
  const { lost, skipped } = plan({ found: [found(session)], writtenAt: () => writtenAt });
  expect([lost.length, skipped.map(({ reason }) => reason)]).toEqual(isLost ? [1, []] : [0, ["went on since"]]);
});

test("what comes back: folder, profile, flags of the run or of the one before it, tmux session, last sign of life", () => {
  const crashed = file(150, { pid: 51, procStart: "6", name: "Fix it", tmux: "work:@1.%2", statusUpdatedAt: 155 * minute });
  expect(plan({ found: [found(crashed)], records: [record(120)], writtenAt: () => 153 * minute }).lost).toEqual([
    {
      ...{ sessionId: "a", cwd: "/app", configDir: "/c", profile: "work", name: "Fix it", tmuxSession: "work" },
      ...{ args: ["--model", "opus"], lastSeenAt: 155 * minute, why: "killed" },
    },
  ]);
});

test("a /clear changed the id since the record was written: claude's own file counts, the flags stay", () => {
  const { lost } = plan({ found: [found(file(150, { sessionId: "b" }))], records: [record(150)] });
  expect(lost.map(({ sessionId, args }) => [sessionId, args])).toEqual([["b", ["--model", "opus"]]]);
});

test("used last comes first; sessions elsewhere are counted", () => {
  const sessions = [found(file(110, { sessionId: "old" })), found(file(150, { sessionId: "new", pid: 51 })), found(file(150), "elsewhere")];
  const { lost, elsewhere } = plan({ found: sessions });
  expect([lost.map(({ sessionId }) => sessionId), elsewhere]).toEqual([["new", "old"], 1]);
});

test.each([
  ["its old name", { tmuxSession: "work" }, [], "work"],
  ["its folder", {}, [], "app-site"],
  ["taken", {}, ["app-site"], "app-site-0123abcd"],
  ["characters that tmux changes", { tmuxSession: "a.b:c d" }, [], "a-b-c-d"],
  ["none is left", { tmuxSession: "日本" }, [], "claude"],
])("chooseTmuxName: %s", (_, more, taken, name) => {
  expect(chooseTmuxName({ cwd: "/x/app site", sessionId: "0123abcd-1", ...more }, new Set(taken))).toBe(name);
});

test("two of one name get different ones", () => {
  const taken = new Set<string>();
  const one = { cwd: "/x", sessionId: "11111111-1", tmuxSession: "work" };
  expect([chooseTmuxName(one, taken), chooseTmuxName({ ...one, sessionId: "22222222-2" }, taken)]).toEqual(["work", "work-22222222"]);
});

test("labelOf: its name, else folder and id", () => {
  expect([labelOf({ name: "n", cwd: "/a/b", sessionId: "0123abcd-1" }), labelOf({ cwd: "/a/b", sessionId: "0123abcd-1" })]).toEqual([
    "n",
    "b 0123abcd",
  ]);
});
