import { describe, expect, test } from "bun:test";
import { createNumbering } from "../src/cmd-watch.ts";
import { createDriver, findTracked } from "../src/driver.ts";
import type { LiveSession } from "../src/session.ts";
import {
  createComparison,
  createWakeup,
  type Feed,
  type SessionEvent,
  streamEvents,
  type Watched,
  waitForStatus,
  watchSessions,
} from "../src/watch.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";
import { blocked, session, testNow } from "./sessions.ts";

const now = Date.UTC(2026, 10, 20, 12);
const home = "/home/dev";

const one = (key: string, status: Watched["verdict"]["status"], more: Record<string, unknown> = {}): Watched => {
  const { verdict, name, sessionId } = session(key, { status, ...more });
  return { key, name, verdict, sessionId: sessionId ?? "" };
};

test.each<[rule: string, before: Watched[], after: Watched[], told: string[]]>([
  ["nothing new", [one("a", "working")], [one("a", "working")], []],
  ["another state", [one("a", "working")], [one("a", "idle_done")], ["change a working>idle_done"]],
  ["an age, and progress", [one("a", "working")], [one("a", "working", { age_ms: 9, tools: ["Bash"], background: ["shell"] })], []],
  ["another source for the same state", [one("a", "idle_done")], [one("a", "idle_done", { source: "hook" })], []],
  [
    "a gate that follows another",
    [one("a", "blocked", { gate: "permission", input: { command: "ls" } })],
    [one("a", "blocked", { gate: "permission", input: { command: "rm" } })],
    ["change a blocked>blocked"],
  ],
  ["options that are painted later", [one("a", "blocked", { options: [] })], [one("a", "blocked", { options: ["Yes"] })], []],
  ["another answer", [one("a", "idle_done", { text: "x" })], [one("a", "idle_done", { text: "y" })], ["change a idle_done>idle_done"]],
  ["another conversation", [one("a", "idle_done")], [{ ...one("a", "idle_done"), sessionId: "cleared" }], ["change a idle_done>idle_done"]],
  ["another name", [one("a", "idle_done")], [{ ...one("a", "idle_done"), name: "b" }], ["change b idle_done>idle_done"]],
  ["one more", [one("a", "working")], [one("a", "working"), one("b", "spawning")], ["new b ->spawning"]],
  ["one less", [one("a", "working"), one("b", "dead")], [one("a", "working")], ["gone b dead>dead"]],
])("a change: %s", (_, before, after, told) => {
  const compare = createComparison();
  expect(compare(before).map(({ kind }) => kind)).toEqual(before.map(() => "first"));
  expect(
    compare(after).map((change) => `${change.kind} ${change.session.name} ${change.old?.status ?? "-"}>${change.session.verdict.status}`),
  ).toEqual(told);
  expect(compare(after)).toEqual([]);
});

test("a silence is told of, and the stream ends when nobody reads it", async () => {
  const sys = createFakeSys({ now });
  const looks = [[one("a", "working")], [one("a", "working")], [one("a", "idle_done")]];
  const waits: number[] = [];
  const feed: Feed = {
    read: async () => ({ sessions: looks.shift() ?? [one("a", "idle_done")] }),
    async next(timeoutMs) {
      waits.push(timeoutMs);
      await sys.sleep(timeoutMs);
    },
    close: () => undefined,
  };
  const told: string[] = [];
  const emit = (change: { session: Watched } | undefined) => told.push(change?.session.verdict.status ?? "silence") < 5;
  await watchSessions(feed, sys.now, emit, 3000);
  expect(told).toEqual(["working", "idle_done", "silence", "silence", "silence"]);
  expect(waits).toEqual([2000, 1000, 2000, 1000, 2000, 1000, 2000, 1000]);
});

test("folders are watched once they are there; another list of them is looked at again at once", async () => {
  const sys = createFakeSys({ files: { "/a/x": "" } });
  const watched: string[] = [];
  const watch = (paths: readonly string[]) => {
    const index = watched.push(paths.join(" ")) - 1;
    return { next: async () => void watched.push(`next ${index}`), close: () => void watched.push(`close ${index}`) };
  };
  const wakeup = createWakeup({ ...sys, watch });
  await wakeup.next(["/b", "/a", "/a"], 10);
  await wakeup.next(["/b", "/a"], 10);
  sys.overwrite("/b/x", "");
  await wakeup.next(["/b", "/a"], 10);
  wakeup.close();
  expect(watched).toEqual(["/a", "next 0", "close 0", "/a /b", "close 3"]);
});

// --- the sessions of csd -----------------------------------------------------------------------------------------

const sidecarAt = (name: string) => `${home}/.local/state/csd/sessions/${name}.json`;
const fileAt = (pid: number) => `${home}/.claude/sessions/${pid}.json`;
const tracked = (name: string, pid: number): Record<string, string> => ({
  [sidecarAt(name)]: JSON.stringify({
    ...{ name, session_id: `id-${pid}`, cwd: "/w", backend: "claude", jsonl_path: `${home}/.claude/projects/-w/id-${pid}.jsonl` },
    ...{ created: now / 1000 - 60, pid, process_start: String(pid * 10), pane: `%${pid}`, socket: "/tmp/csd", version: 1 },
  }),
  [`/proc/${pid}/stat`]: `${pid} (claude) S 1 ${pid} ${pid} 34816 ${pid} 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${pid * 10} 1 2\n`,
});
const says = (sys: FakeSys, pid: number, status: string) =>
  sys.overwrite(
    fileAt(pid),
    JSON.stringify({
      pid,
      procStart: String(pid * 10),
      sessionId: `id-${pid}`,
      cwd: "/w",
      version: "2.1.329",
      status,
      statusUpdatedAt: sys.now(),
    }),
  );
const fleet = (...files: Record<string, string>[]) => createFakeSys({ files: Object.assign({}, ...files), now, homeDir: home });

/** Hands each wait of a feed to the next of these steps. */
function script(sys: FakeSys, steps: (() => void)[]): void {
  sys.watch = () => ({
    async next(timeoutMs) {
      await sys.sleep(timeoutMs);
      steps.shift()?.();
    },
    close: () => undefined,
  });
}

const brief = (event: SessionEvent) => `${event.event} ${event.session} ${event.old ?? "-"}>${event.new ?? "-"}`;

test("events: a snapshot of each, one whose signals do not agree yet later than the others; changes; what is forgotten is gone", async () => {
  const sys = fleet(tracked("a", 7), tracked("b", 8));
  // Whether its API fails is looked for on the screen of a session that works on without a word; there is none here.
  sys.run = async (argv) => ({ argv, code: 1, stdout: "", stderr: "no server running on /tmp/csd" });
  says(sys, 7, "busy");
  // Just idle, and no transcript tells yet how its turn ended.
  says(sys, 8, "idle");
  const told: string[] = [];
  let isOpen = true;
  const wait = Array.from({ length: 40 }, () => () => undefined);
  script(sys, [
    () => expect(told).toEqual(["snapshot a ->working"]),
    ...wait,
    () => says(sys, 7, "shell"),
    ...wait,
    () => sys.remove("/proc/7/stat"),
    () => sys.remove(sidecarAt("a")),
    () => {
      for (const [path, text] of Object.entries(tracked("c", 9))) sys.overwrite(path, text);
      says(sys, 9, "busy");
    },
    () => (isOpen = false),
    () => says(sys, 9, "shell"),
  ]);
  await streamEvents(createDriver(sys), undefined, (event) => {
    told.push(brief(event));
    return isOpen;
  });
  expect(told.slice(0, -1)).toEqual([
    "snapshot a ->working",
    "snapshot b ->idle_done",
    "change a working>idle_done",
    "change a idle_done>dead",
    "gone a dead>-",
    "snapshot c ->working",
  ]);
  sys.done();
});

test("events of the sessions that are named", async () => {
  const sys = fleet(tracked("a", 7), tracked("b", 8));
  says(sys, 7, "busy");
  says(sys, 8, "busy");
  const told: string[] = [];
  const driver = createDriver(sys);
  await streamEvents(driver, [findTracked(driver, "b")], (event) => {
    told.push(brief(event));
    return false;
  });
  expect(told).toEqual(["snapshot b ->working"]);
});

test.each<[rule: string, steps: (sys: FakeSys) => (() => void)[], timeoutMs: number, ended: unknown[]]>([
  ["what is wanted", (sys) => [() => undefined, () => says(sys, 7, "busy")], 60_000, ["working", true, 4000]],
  ["the time is over", () => [], 5000, ["idle_done", false, 5000]],
  ["no time at all: one verdict all the same", () => [], 0, ["idle_done", false, 0]],
  ["its end", (sys) => [() => sys.remove("/proc/7/stat")], 60_000, ["dead", false, 2000]],
])("wait: %s", async (_, steps, timeoutMs, ended) => {
  const sys = fleet(tracked("a", 7));
  says(sys, 7, "idle");
  await sys.sleep(5000);
  const startedAt = sys.now();
  script(sys, steps(sys));
  const driver = createDriver(sys);
  const { verdict, isWanted } = await waitForStatus(driver, findTracked(driver, "a"), ({ status }) => status === "working", timeoutMs);
  expect([verdict.status, isWanted, sys.now() - startedAt]).toEqual(ended as never);
});

describe("of several sessions", () => {
  test("the first look is told whole, then changes, then what has gone; ids count on", () => {
    const compare = createComparison<LiveSession>();
    const number = createNumbering();
    const idle = session("a", { status: "idle_done" });
    const gate = { ...blocked("a", "ls"), key: idle.key };
    const told = (...sessions: LiveSession[]) =>
      compare(sessions)
        .map((change) => number(change, testNow))
        .map(({ event, id, session: one, old }) => `${id} ${event} ${one?.name} ${old?.status ?? "-"}>${one?.verdict.status}`);
    expect(told(idle)).toEqual(["1 initial a ->idle_done"]);
    expect(told(idle)).toEqual([]);
    expect(told({ ...idle, verdict: { ...idle.verdict, age_ms: 99 } })).toEqual([]);
    expect(told(gate)).toEqual(["2 change a idle_done>blocked"]);
    expect(told({ ...gate, verdict: { ...gate.verdict, options: ["Yes"], choices: [] } as never })).toEqual([]);
    expect(told({ ...blocked("a", "rm"), key: idle.key })).toEqual(["3 change a blocked>blocked"]);
    expect(told({ ...blocked("a", "rm"), key: idle.key, sessionId: "cleared" })).toEqual(["4 change a blocked>blocked"]);
    expect(told(blocked("b", "ls"))).toEqual(["5 change b ->blocked", "6 gone a blocked>dead"]);
    expect(number(undefined, testNow)).toEqual({ event: "heartbeat", id: 7, at: testNow });
  });
});
