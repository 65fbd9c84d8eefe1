import { expect, test } from "bun:test";
import { type Actor, createActor, type Deed } from "../src/act.ts";
import { deedText, withRules } from "../src/act-feed.ts";
import type { Actions } from "../src/actions.ts";
import { readAudit } from "../src/audit.ts";
import { UserError } from "../src/errors.ts";
import type { LiveSession, Meter } from "../src/session.ts";
import type { Sys } from "../src/sys.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";
import { blocked, session, testNow } from "./sessions.ts";

const rulesPath = "/home/dev/.config/claude-smart/rules.toml";
const ownProcess = { "/proc/1/stat": "1 (csm) S 0 1 1 0 1 0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1\n" };
const fake = (rules: string): FakeSys => createFakeSys({ files: { ...ownProcess, [rulesPath]: rules }, now: testNow });

/** What was done, as `verb name input`; a verb fails where it is told to. */
function createHands(fail: (verb: string, session: LiveSession) => string | undefined = () => undefined) {
  const done: string[] = [];
  const act = async (verb: string, target: LiveSession | undefined, input: { prompt?: string }) => {
    const why = target === undefined ? "none" : fail(verb, target);
    if (why !== undefined) throw new UserError(why);
    done.push([verb, target?.name, ...(input.prompt === undefined ? [] : [input.prompt])].join(" "));
    return `${target?.name} is told`;
  };
  return { done, actions: { act } as unknown as Pick<Actions, "act"> };
}

/** A program that looks: its own memory, the same machine. */
function createWatcher(sys: Sys, hands = createHands(), isMeant?: (session: LiveSession) => boolean) {
  const deeds: string[] = [];
  const onDeed = (deed: Deed) => deeds.push(`${deed.action}${deed.isRefused ? "!" : ""} ${deed.rule} ${deed.session?.name ?? "-"}`);
  const actor: Actor = createActor(sys, hands.actions, { onDeed, ...(isMeant === undefined ? {} : { isMeant }) });
  return { actor, deeds, done: hands.done };
}

const busy = (name: string, meter: Partial<Meter> = {}, more: Partial<LiveSession> = {}): LiveSession =>
  session(name, { status: "working" }, { sessionId: `id-${name}`, meter: { source: "transcript", ...meter }, ...more });
const idle = (name: string, meter: Partial<Meter> = {}, more: Partial<LiveSession> = {}): LiveSession =>
  session(name, { status: "idle_done" }, { sessionId: `id-${name}`, meter: { source: "transcript", ...meter }, ...more });
const rule = (name: string, action: string, conditions: string, message?: string) =>
  `[[rules]]\nname = "${name}"\naction = "${action}"\n${conditions}\n${message === undefined ? "" : `message = "${message}"\n`}\n`;

test("a rule that passes a line acts once in 30 looks, also after a restart, and of two that look", async () => {
  const sys = fake(rule("dear", "notify", "match_cost_above = 5"));
  const first = createWatcher(sys);
  const second = createWatcher(sys);
  for (let look = 0; look < 30; look++) {
    await Promise.all([first, second].map(({ actor }) => actor.look([busy("a", { costUsd: 5 + look })])));
    await sys.sleep(2000);
  }
  const third = createWatcher(sys);
  await third.actor.look([busy("a", { costUsd: 40 })]);
  expect([...first.deeds, ...second.deeds, ...third.deeds]).toEqual(["notify dear a"]);
});

test("a cost that stops sees who is at work (D18), once for each process", async () => {
  const sys = fake(rule("cap", "stop", "match_cost_above = 5", "that is enough"));
  const { actor, done, deeds } = createWatcher(sys);
  await actor.look([busy("a", { costUsd: 4 }), busy("b", { costUsd: 6 }), busy("c")]);
  for (let look = 0; look < 5; look++) {
    await sys.sleep(2000);
    await actor.look([busy("a", { costUsd: 6 }), busy("b", { costUsd: 7 }), busy("c")]);
  }
  expect(done).toEqual(["stop b", "stop a"]);
  expect(deeds).toEqual(["stop cap b", "stop cap a"]);
  await actor.look([busy("a", { costUsd: 6 }, { pid: 4711, key: "4711:9" })]);
  expect(done).toEqual(["stop b", "stop a", "stop a"]);
});

test("a context that was emptied and fills again is another time; one that is not known says nothing", async () => {
  const sys = fake(rule("full", "send", "match_context_above = 80\nmatch_status = 'idle_done'", "/compact"));
  const { actor, done } = createWatcher(sys);
  const see = async (contextPercent: number | undefined, make = idle) => {
    await actor.look([make("a", contextPercent === undefined ? {} : { contextPercent })]);
    await sys.sleep(6000);
    return done.length;
  };
  const counts = [await see(70), await see(85), await see(90, busy), await see(90), await see(undefined), await see(86)];
  expect(counts).toEqual([0, 1, 1, 1, 1, 1]);
  expect([await see(20), await see(85)]).toEqual([1, 2]);
  expect(done[0]).toBe("send a /compact");
});

test("a look that comes some moments late does not make it happen again", async () => {
  const sys = fake(rule("full", "notify", "match_context_above = 80"));
  const [early, late] = [createWatcher(sys), createWatcher(sys)];
  await early.actor.look([idle("a", { contextPercent: 85 })]);
  await sys.sleep(1000);
  await late.actor.look([idle("a", { contextPercent: 70 })]);
  await sys.sleep(1000);
  for (const { actor } of [late, early]) await actor.look([idle("a", { contextPercent: 85 })]);
  expect([early.deeds, late.deeds]).toEqual([["notify full a"], []]);
});

test("each turn that ends is another time, and each gate, whatever came between", async () => {
  const sys = fake(rule("done", "notify", "match_status = 'idle_done'") + rule("gate", "notify", "match_status = 'blocked'"));
  const { actor, deeds } = createWatcher(sys);
  const gate = (id: string, since: number) => {
    const one = blocked("a", "ls", { since, sessionId: "id-a" });
    return { ...one, verdict: { ...one.verdict, gate_id: id } } as LiveSession;
  };
  const look = async (one: LiveSession) => {
    await actor.look([one]);
    await sys.sleep(500);
  };
  await look(idle("a", {}, { since: sys.now() }));
  await look(idle("a", {}, { since: sys.now() - 400 }));
  await look(gate("g1", sys.now()));
  await look(gate("g1", sys.now() - 500));
  // Another one at once, in the same state of the session.
  await look(gate("g2", sys.now() - 1000));
  await look(busy("a"));
  await sys.sleep(3000);
  await look(idle("a", {}, { since: sys.now() }));
  expect(deeds).toEqual(["notify done a", "notify gate a", "notify gate a", "notify done a"]);
  const restarted = createWatcher(sys);
  await restarted.actor.look([idle("a", {}, { since: sys.now() - 1000 })]);
  expect(restarted.deeds).toEqual([]);
});

test("what is refused is tried again when the state changes, not at every look", async () => {
  const sys = fake(rule("on", "send", "match_cost_above = 1", "go on"));
  let tries = 0;
  const hands = createHands((_, { verdict }) => {
    tries++;
    return verdict.status === "working" ? "not now" : undefined;
  });
  const { actor, done, deeds } = createWatcher(sys, hands);
  for (let look = 0; look < 10; look++) {
    await actor.look([busy("a", { costUsd: 2 }, { tmux: "s:@1.%1" })]);
    await sys.sleep(2000);
  }
  expect([tries, deeds]).toEqual([1, ["send! on a"]]);
  // At a gate it is not even tried.
  for (let look = 0; look < 3; look++)
    await actor.look([blocked("a", "ls", { sessionId: "id-a", meter: { source: "transcript", costUsd: 2 }, tmux: "s:@1.%1" })]);
  expect([tries, deeds.length]).toEqual([1, 2]);
  for (let look = 0; look < 3; look++) await actor.look([idle("a", { costUsd: 2 }, { tmux: "s:@1.%1" })]);
  expect([tries, done, deeds.at(-1)]).toEqual([2, ["send a go on"], "send on a"]);
});

test("a prompt never goes into a question, a plan or a gate", async () => {
  const sys = fake(rule("on", "send", "match_session = '*'", "go on"));
  const { actor, done, deeds } = createWatcher(sys);
  const at = { tmux: "s:@1.%1" };
  const asks = { status: "awaiting_answer", gate: "question", question: "which?" } as never;
  await actor.look([
    blocked("a", "ls", { ...at, sessionId: "id-a" }),
    session("b", asks, { ...at, sessionId: "id-b" }),
    session("c", { status: "plan_ready", plan: "it" } as never, { ...at, sessionId: "id-c" }),
  ]);
  expect([done, deeds.sort()]).toEqual([[], ["send! on a", "send! on b", "send! on c"]]);
});

test("to stop beats to send, then the first rule counts; each that notifies does", async () => {
  const sys = fake(
    rule("one", "send", "match_session = 'a'") +
      rule("two", "send", "match_session = '*'") +
      rule("three", "stop", "match_session = 'b'") +
      rule("four", "notify", "match_session = 'a'") +
      rule("five", "notify", "match_session = 'a'"),
  );
  const { actor, deeds } = createWatcher(sys);
  const at = { tmux: "s:@1.%1" };
  for (let look = 0; look < 3; look++) await actor.look([idle("a", {}, at), idle("b", {}, at), idle("c", {}, at)]);
  expect(deeds.sort()).toEqual(["notify five a", "notify four a", "send one a", "send two c", "stop three b"]);
});

test("sessions of others, of other machines, that have ended, and that are not meant are left alone", async () => {
  const sys = fake(rule("all", "stop", "match_session = '*'"));
  const { actor, done } = createWatcher(sys, createHands(), ({ name }) => name !== "d");
  await actor.look([
    busy("a", {}, { where: "other-user" }),
    busy("b", {}, { where: "container" }),
    session("c", { status: "dead" }),
    busy("d"),
  ]);
  expect(done).toEqual([]);
});

test("the session that this program runs in is neither stopped nor told anything", async () => {
  const sys = createFakeSys({
    files: {
      [rulesPath]: rule("all", "stop", "match_session = '*'"),
      "/proc/1/environ": "CLAUDE_PID=4711\0",
      "/proc/1/stat": "1 (csm) S 4711 1 1 0 1 0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1\n",
    },
    now: testNow,
  });
  const { actor, done, deeds } = createWatcher(sys);
  await actor.look([busy("own", {}, { pid: 4711 }), busy("other", {}, { pid: 4712 })]);
  expect([done, deeds.sort()]).toEqual([["stop other"], ["stop all other", "stop! all own"]]);
});

test("of a gate the tool and the command that it asks for are conditions", async () => {
  const sys = fake(
    rule("push", "notify", "match_tool = 'Bash'\nmatch_command = 'git push'") + rule("edit", "notify", "match_tool = 'Edit'"),
  );
  const { actor, deeds } = createWatcher(sys);
  await actor.look([blocked("a", "git push origin"), blocked("b", "git pull", { sessionId: "id-b" }), busy("c")]);
  expect(deeds).toEqual(["notify push a"]);
});

test("one that ends is told of where a rule asks for it", async () => {
  const sys = fake(rule("over", "notify", "match_status = 'dead'") + rule("all", "stop", "match_status = 'dead'"));
  const { actor, deeds, done } = createWatcher(sys);
  await actor.look([busy("a"), busy("b")]);
  for (let look = 0; look < 3; look++) await actor.look([busy("b")]);
  expect([deeds, done]).toEqual([["notify over a"], []]);
});

test("conflict, error, project, profile, model and time are conditions", async () => {
  const sys = fake(
    rule("conflict", "notify", "match_file_conflict = true") +
      rule("error", "notify", "match_last_error = true") +
      rule("project", "notify", "match_project = 'shop'") +
      rule("profile", "notify", "match_profile = 'work'") +
      rule("model", "notify", "match_model = 'haiku'") +
      rule("time", "notify", "match_time = '00:00-24:00'\nmatch_session = 'a'"),
  );
  const { actor, deeds } = createWatcher(sys);
  const badge = { kind: "same-file", isAlarm: true, mark: "", text: "" } as const;
  await actor.look([
    busy("a", {}, { badges: [badge], cwd: "/home/dev/shop/src", worktree: "/home/dev/shop" }),
    session("b", { status: "failed" } as never, { sessionId: "id-b", profile: "work", model: "claude-haiku-4-5" }),
  ]);
  expect(deeds.sort()).toEqual([
    "notify conflict a",
    "notify error b",
    "notify model b",
    "notify profile b",
    "notify project a",
    "notify time a",
  ]);
});

const budget = (name: string, action: string, more = 'period = "session"\nlimit_usd = 10') =>
  `[[budgets]]\nname = "${name}"\naction = "${action}"\n${more}\n\n`;

test("a budget of a session: told of at 80 %, stopped at 100 %, each once; a session at rest is left", async () => {
  const sys = fake(budget("cap", "stop"));
  const { actor, deeds, done } = createWatcher(sys);
  const look = async (a: LiveSession, b: LiveSession) => {
    await actor.look([a, b]);
    await sys.sleep(6000);
  };
  await look(busy("a", { costUsd: 7 }), idle("b", { costUsd: 1 }));
  expect([deeds.length, actor.badge()]).toEqual([0, { level: "fine", text: "rules ok" }]);
  for (let times = 0; times < 3; times++) await look(busy("a", { costUsd: 8 }), idle("b", { costUsd: 11 }));
  expect(deeds).toEqual(["notify cap a", "notify cap b"]);
  for (let times = 0; times < 3; times++) await look(busy("a", { costUsd: 10 }), idle("b", { costUsd: 11 }));
  expect([deeds.slice(2), done]).toEqual([["notify cap a", "stop cap a"], ["stop a"]]);
  await look(busy("a", { costUsd: 10 }), busy("b", { costUsd: 11 }));
  expect(done).toEqual(["stop a", "stop b"]);
  expect(actor.badge()).toMatchObject({ level: "over", text: "budget cap 110%" });
});

test("every deed is in the audit, refused ones too", async () => {
  const sys = fake(rule("cap", "stop", "match_cost_above = 5") + rule("tell", "notify", "match_cost_above = 5", "look at it"));
  const { actor } = createWatcher(
    sys,
    createHands((_, { name }) => (name === "b" ? "it clings to life" : undefined)),
  );
  await actor.look([busy("a", { costUsd: 6 }), busy("b", { costUsd: 6 })]);
  const lines = readAudit(sys).map((entry) =>
    "decision" in entry
      ? [entry.session, entry.decision, entry.channel, entry.rule, entry.reason]
      : [entry.session, entry.event, entry.why],
  );
  expect(lines.sort()).toEqual([
    ["a", "notify", "rule", "tell", "look at it"],
    ["a", "stop", "rule", "cap", "a is told"],
    ["b", "notify", "rule", "tell", "look at it"],
    ["b", "refused", "rule cap: it clings to life"],
  ]);
});

test("sessions that change one file are told of together, once, and again when it begins anew", async () => {
  const told = "/home/dev/.local/state/csm/notices/told.json";
  const sys = fake('[notify]\nconflict = { cool_down = "1s" }\n[[notify.channels]]\nkind = "terminal"\n');
  const { actor } = createWatcher(sys);
  const shared = (name: string) =>
    busy(name, {}, { badges: [{ kind: "same-file", isAlarm: true, mark: "", text: "", shared: "/w/x.ts" }] });
  const at = () => Object.entries(JSON.parse(sys.readText(told) ?? "{}") as object).map(([key, value]) => [key, JSON.stringify(value)]);
  await actor.look([shared("b"), shared("a")]);
  const first = at();
  expect(first.map(([key]) => key)).toEqual(['conflict ["/w/x.ts","a","b"]']);
  await sys.sleep(5000);
  await actor.look([shared("a"), shared("b")]);
  expect(at()).toEqual(first);
  await actor.look([busy("a"), busy("b")]);
  await actor.look([shared("a"), shared("b")]);
  expect(at()).not.toEqual(first);
});

test("files are read again when they change; of a broken one nothing acts, and it shows", async () => {
  const sys = createFakeSys({ now: testNow });
  const { actor, deeds } = createWatcher(sys);
  await actor.look([busy("a", { costUsd: 6 })]);
  expect([actor.badge(), await actor.isNeeded()]).toEqual([undefined, false]);
  const good = rule("dear", "notify", "match_cost_above = 5");
  sys.writePrivate(rulesPath, `${good}${rule("x", "notify", "match_cots_above = 5")}`);
  await actor.look([busy("a", { costUsd: 6 })]);
  expect([actor.badge(), deeds]).toEqual([{ level: "broken", text: "rules: 1 fault, csm diagnose" }, []]);
  await sys.sleep(10);
  sys.writePrivate(rulesPath, good);
  await actor.look([busy("a", { costUsd: 6 })]);
  expect([actor.badge()?.level, deeds, await actor.isNeeded()]).toEqual(["fine", ["notify dear a"], true]);
});

test("an hour of looks: each occasion once, whoever comes and goes", async () => {
  const sys = fake(
    rule("dear", "notify", "match_cost_above = 5") + rule("idle", "notify", "match_status = 'idle_done'") + budget("cap", "notify"),
  );
  const { actor, deeds } = createWatcher(sys);
  const hourLooks = 1800;
  for (let look = 0; look < hourLooks; look++) {
    // Twelve, of which one is another each minute.
    const names = Array.from({ length: 12 }, (_, index) => `s${index < 11 ? index : `x${Math.floor(look / 30)}`}`);
    const at = { since: testNow };
    await actor.look(
      names.map((name, index) => (index % 2 === 0 ? busy : idle)(name, { costUsd: 4 + (index % 3) }, { ...at, pid: index + 1 })),
    );
    await sys.sleep(2000);
  }
  const counts = Map.groupBy(deeds, (deed) => deed);
  expect([...counts.values()].filter((same) => same.length > 1)).toEqual([]);
  // s2, s5, s8 at 6 $; s1, s3 … s9 at rest; and each of the sixty that came both.
  const count = (name: string) => deeds.filter((deed) => deed.startsWith(`notify ${name}`)).length;
  expect([count("dear"), count("idle")]).toEqual([3 + 60, 5 + 60]);
}, 60_000);

test("a feed without rules loads and does nothing, with them it acts from the next look on", async () => {
  const sys = createFakeSys({ now: testNow });
  const hands = createHands();
  const deeds: string[] = [];
  const feed = { read: async () => ({ sessions: [busy("a", { costUsd: 6 })] }), next: async () => {}, close() {} };
  const acting = withRules(sys, feed, {
    actions: hands.actions,
    onDeed: (deed) => deeds.push(deedText(deed)),
    onFailure: (error) => deeds.push(String(error)),
  });
  const look = async () => {
    await acting.feed.read();
    await Bun.sleep(50);
  };
  await look();
  expect([acting.badge(), deeds]).toEqual([undefined, []]);
  sys.writePrivate(rulesPath, rule("cap", "stop", "match_cost_above = 5", "too dear"));
  await look();
  await look();
  expect(acting.badge()).toEqual({ level: "fine", text: "rules ok" });
  expect(deeds).toEqual(["a: rule cap has stopped it: a is told: too dear"]);
});
