import { expect, test } from "bun:test";
import type { Channel, HeldGate } from "../src/channel.ts";
import type { Screen } from "../src/claude-screen.ts";
import type { SessionFile } from "../src/claude-session.ts";
import { createObserver, isSettled, type Patience } from "../src/observe.ts";
import type { Signals } from "../src/status.ts";
import { createFakeSys } from "./fake-sys.ts";

const now = Date.UTC(2026, 10, 20, 12);
const configDir = "/home/dev/.claude";
const transcript = `${configDir}/projects/-w/id.jsonl`;

const file = (status: SessionFile["status"], ageMs: number, more: Partial<SessionFile> = {}): SessionFile =>
  ({ pid: 7, sessionId: "id", cwd: "/w", version: "2.1.329", status, statusUpdatedAt: now - ageMs, ...more }) as SessionFile;
const painted = (kind = "permission", header = "Bash command"): Screen =>
  ({ gate: { kind, header, body: "ls", question: "Do you want to proceed?", options: [] } }) as unknown as Screen;
const said = (at: number, text: string) =>
  `${JSON.stringify({
    type: "assistant",
    timestamp: new Date(at).toISOString(),
    message: { id: `m${at}`, role: "assistant", content: [{ type: "text", text }], stop_reason: "end_turn" },
  })}\n${JSON.stringify({ type: "system", subtype: "turn_duration", timestamp: new Date(at).toISOString() })}\n`;

const held = { gates: [{ request: "1", at: now, tool: "Bash", input: { command: "ls" }, isHeld: true }] };
const call = { at: now, pendingTools: [{ id: "t", name: "Bash", input: {} }], text: "" } as unknown as Signals["turn"];

test.each<[rule: string, signals: Partial<Signals>, patience: Patience, isSettled: boolean]>([
  ["a session at work", { session: file("busy", 0) }, {}, true],
  ["a dialog that is not painted yet", { session: file("waiting", 100) }, {}, false],
  ["one that never will be", { session: file("waiting", 1500) }, {}, true],
  ["its hook has told it, and its options are wanted", { session: file("waiting", 100), hooks: held }, {}, false],
  ["its hook has told it, and that is enough", { session: file("waiting", 100), hooks: held }, { isHeldEnough: true }, true],
  ["painted, and neither hook nor transcript has the call", { session: file("waiting", 100), screen: painted() }, {}, false],
  ["painted, and neither has it yet on a busy machine", { session: file("waiting", 3900), screen: painted() }, {}, false],
  ["painted, and no call comes", { session: file("waiting", 4000), screen: painted() }, {}, true],
  ["painted and told by its hook", { session: file("waiting", 100), screen: painted(), hooks: held }, {}, true],
  ["no pane: the call has to do", { session: file("waiting", 100), turn: call as never }, { hasPane: false }, true],
  ["no pane, nothing told", { session: file("waiting", 100) }, { hasPane: false }, false],
  ["no pane, nothing told for long", { session: file("waiting", 400) }, { hasPane: false }, true],
  ["no pane: a panel is known by its kind", { session: file("waiting", 0, { waitingFor: "dialog open" }) }, { hasPane: false }, true],
  ["just idle, and the transcript has no end of the turn", { session: file("idle", 100) }, {}, false],
  ["idle for so long that none comes", { session: file("idle", 1100) }, {}, true],
  [
    "idle, and its hook has told the end",
    { session: file("idle", 100), hooks: { last: "stop", stop: { at: now, text: "", background: [] } } },
    {},
    true,
  ],
  ["gone", { isAlive: false }, {}, true],
])("settled: %s", (_, signals, patience, settled) => {
  expect(isSettled({ now, isAlive: true, ...signals }, patience)).toBe(settled);
});

const create = (files: Record<string, string> = {}, options: Parameters<typeof createObserver>[1] = {}) => {
  const sys = createFakeSys({ files, now });
  return { sys, observer: createObserver(sys, options) };
};
const seen = (session: SessionFile) => ({ isAlive: true, configDir, session });
const at = (status: SessionFile["status"], statusUpdatedAt: number) => file(status, now - statusUpdatedAt);

test("while a signal is on its way, what was last known for certain is told, and its age goes on", async () => {
  const { sys, observer } = create();
  await observer.take(seen(file("busy", 2000)));
  expect(observer.judge()).toMatchObject({ verdict: { status: "working", age_ms: 2000 }, since: now - 2000, isSettled: true });
  await sys.sleep(1000);
  await observer.take(seen(at("idle", sys.now() - 10)));
  expect(observer.judge()).toMatchObject({ verdict: { status: "working", age_ms: 3000 }, isSettled: false, isProvisional: false });
  sys.overwrite(transcript, said(sys.now(), "done"));
  await observer.take(seen(at("idle", sys.now() - 10)));
  expect(observer.judge()).toMatchObject({ verdict: { status: "idle_done", text: "done" }, isSettled: true });
});

test("the first verdict is marked while its signals do not agree, and none is waited for longer than a moment", async () => {
  const { sys, observer } = create();
  const waiting = at("waiting", now + 3_600_000);
  await observer.take(seen(waiting));
  expect(observer.judge()).toMatchObject({ verdict: { status: "blocked" }, isSettled: false, isProvisional: true });
  await sys.sleep(1400);
  expect(observer.judge().isProvisional).toBe(true);
  // The clock that stamped the file is an hour ahead.
  await sys.sleep(200);
  expect(observer.judge()).toMatchObject({ verdict: { status: "blocked" }, isSettled: true, isProvisional: false });
});

test.each<[gateMs: number | undefined, afterMs: number, told: string, aheadMs: number]>([
  [undefined, 500, "working", 0],
  [400, 300, "working", 0],
  [400, 500, "blocked", 0],
  [400, 500, "blocked", 3_600_000],
])("a gate that nothing tells of, patience %p: after %p ms it is %s (its clock is %p ms ahead)", async (gateMs, afterMs, told, aheadMs) => {
  const { sys, observer } = create();
  await observer.take(seen(file("busy", 5000)));
  observer.judge();
  await observer.take(seen(at("waiting", now + aheadMs)));
  observer.judge();
  await sys.sleep(afterMs);
  expect(observer.judge(gateMs === undefined ? {} : { gateMs }).verdict.status).toBe(told as never);
});

test("what cannot be seen from here is hearsay", async () => {
  const { observer } = create();
  await observer.take({ ...seen(file("idle", 3000)), isAlive: undefined });
  expect(observer.judge()).toMatchObject({ verdict: { status: "unknown", source: "session-file", age_ms: 3000 }, isSettled: true });
});

test("a screen is read again for another state, another request, while a dialog is not painted, and when it is old", async () => {
  const { sys, observer } = create({}, { screenMaxAgeMs: 5000 });
  const wants = async (session: SessionFile) => {
    await observer.take(seen(session));
    return observer.wantsScreen();
  };
  expect(await wants(file("busy", 0))).toBe(false);
  expect(await wants(at("waiting", now))).toBe(true);
  observer.show(undefined);
  expect(await wants(at("waiting", now))).toBe(false);
  await sys.sleep(50);
  expect(await wants(at("waiting", now))).toBe(true);
  observer.show(painted());
  await sys.sleep(1000);
  expect(await wants(at("waiting", now))).toBe(false);
  expect(await wants(at("waiting", sys.now()))).toBe(true);
  observer.show(painted());
  await sys.sleep(5000);
  expect(await wants(at("waiting", sys.now() - 5000))).toBe(true);
});

test("a screen of another state is no signal", async () => {
  const { observer } = create();
  await observer.take(seen(at("waiting", now)));
  observer.show(painted());
  expect(observer.signals().screen?.gate?.kind).toBe("permission");
  await observer.take(seen(at("waiting", now + 1)));
  expect(observer.signals().screen).toBeUndefined();
});

test("an unchanged transcript is not read again, and another conversation is another file", async () => {
  const other = `${configDir}/projects/-w/other.jsonl`;
  const { sys, observer } = create({ [transcript]: said(now - 9000, "one"), [other]: said(now - 9000, "two") });
  let reads = 0;
  const { readTail } = sys;
  sys.readTail = (...given) => {
    reads++;
    return readTail(...given);
  };
  const text = async (sessionId: string) => {
    await observer.take(seen(file("idle", 5000, { sessionId })));
    return [observer.signals().turn?.text, observer.hasGrown(), reads];
  };
  expect(await text("id")).toEqual(["one", true, 1]);
  expect(await text("id")).toEqual(["one", false, 1]);
  expect(await text("other")).toEqual(["two", true, 2]);
});

test("a transcript that is not in its folder is searched for, and not at each look", async () => {
  const { sys, observer } = create({}, { searchEveryMs: 5000 });
  const look = async () => {
    await observer.take(seen(file("idle", 5000)));
    return observer.transcript();
  };
  const far = `${configDir}/projects/-elsewhere/id.jsonl`;
  expect(await look()).toBeUndefined();
  sys.overwrite(far, said(now, "far"));
  expect(await look()).toBeUndefined();
  await sys.sleep(5000);
  expect(await look()).toBe(far);
});

test("hooks are asked again when their folder has changed, and as long as a request is held", async () => {
  const dir = "/run/fix";
  const { sys, observer } = create({ [`${dir}/events.jsonl`]: "", [`${dir}/gates/1.json`]: "" });
  const { modifiedAt } = sys;
  sys.modifiedAt = (path) => (path === `${dir}/gates` ? now : modifiedAt(path));
  let gates: HeldGate[] = [];
  let asked = 0;
  const channel = {
    dir,
    readEvents: async () => {
      asked++;
      return [];
    },
    readGates: async () => gates,
  } as unknown as Channel;
  const look = async (status: SessionFile["status"]) => {
    await observer.take({ ...seen(at(status, now)), channel });
    return [asked, observer.signals().hooks?.gates?.[0]?.tool];
  };
  expect(await look("busy")).toEqual([1, undefined]);
  // Changed a moment ago: it may have changed again at the same time.
  expect(await look("busy")).toEqual([2, undefined]);
  await sys.sleep(1000);
  expect(await look("busy")).toEqual([3, undefined]);
  expect(await look("busy")).toEqual([3, undefined]);
  gates = [{ id: "1", at: now, pid: 8, tool: "Bash", input: {} }];
  expect(await look("waiting")).toEqual([4, "Bash"]);
  expect(await look("waiting")).toEqual([5, "Bash"]);
  gates = [];
  expect(await look("waiting")).toEqual([6, undefined]);
});
