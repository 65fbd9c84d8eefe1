import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deliver, openOutcomes, openSpool, raiseNotice, readNotify, readNotifyFile, tellNotice } from "../src/notice-spool.ts";
import { type Notice, type NotifySettings, toMessage, type WebhookChannel } from "../src/notices.ts";
import type { Delivery } from "../src/notify.ts";
import { createSys, type Sys } from "../src/sys.ts";
import type { Posted } from "../src/sys-bounded.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-notices-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let home = "";
let count = 0;
beforeEach(() => {
  home = join(root, String(++count));
  mkdirSync(join(home, ".config", "claude-smart"), { recursive: true, mode: 0o700 });
});
const stateDir = () => join(home, ".local", "state", "csm", "notices");
const writeRules = (text: string) => writeFileSync(join(home, ".config", "claude-smart", "rules.toml"), text);
const toHook = (more = "") => `[[notify.channels]]\nkind = "webhook"\nname = "hook"\nurl = "http://127.0.0.1:9/in"\n${more}`;

const startedAt = Date.parse("2026-11-20T10:00:00Z");
interface Given extends Partial<Sys> {
  /** What the server says, time after time; the last goes on. */
  answers?: Posted[];
  handed?: Delivery;
}

/** A real disk, and a clock that `sleep` moves. */
function createWorld({ answers = [{ status: 200 }], handed, ...given }: Given = {}) {
  let now = startedAt;
  const posts: { id: string; at: number }[] = [];
  const started: Delivery[] = [];
  const env = { HOME: home, PATH: "/usr/bin:/bin", ...(handed === undefined ? {} : { CSM_NOTICE: JSON.stringify(handed) }) };
  const sys: Sys = {
    ...createSys(env),
    now: () => now,
    async sleep(ms) {
      now += ms;
      // As a lock that is held by another is given free only when that one goes on.
      await Bun.sleep(0);
    },
    startDetached: (_, { env: { CSM_NOTICE } }) => void started.push(JSON.parse(CSM_NOTICE ?? "null") as Delivery),
    async postBounded(_, { headers }) {
      posts.push({ id: headers["X-CSM-Delivery"] ?? "", at: now - startedAt });
      return answers[Math.min(posts.length, answers.length) - 1] ?? { failure: "none" };
    },
    ...given,
  };
  return { sys, posts, started };
}

const notice = (given: Partial<Notice> = {}): Notice => ({
  ...{ cause: "limit", about: "account", at: startedAt, title: "work is at its usage limit", body: "sessions: a, b" },
  ...given,
});
const delivery = (index: number, given: Partial<Notice> = {}): Delivery => ({
  id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
  message: toMessage(notice(given), "urgent"),
});
const hook: WebhookChannel = { kind: "webhook", name: "hook", url: "http://127.0.0.1:9/in", format: "json" };
const settingsOf = async (sys: Sys): Promise<NotifySettings> => {
  const settings = await readNotify(sys);
  if (settings === undefined) throw new Error("no settings");
  return settings;
};

test("without rules, or without [notify] in them, nobody says anything", async () => {
  const { sys } = createWorld();
  expect(await readNotifyFile(sys)).toEqual({ problems: [] });
  writeRules('[[rules]]\nname = "notify me"\naction = "ask"\n');
  expect(await readNotifyFile(sys)).toEqual({ problems: [] });
  writeRules("[notify]\nquit_hours = 1\n");
  expect(await readNotifyFile(sys)).toMatchObject({
    problems: [{ line: 2, message: 'unknown key "quit_hours"; did you mean quiet_hours?' }],
  });
  writeRules("[notify\n");
  expect(await readNotifyFile(sys)).toMatchObject({ problems: [{ line: 1 }] });
});

test("50 that meet one limit are one message, with its words in the environment of one process", async () => {
  writeRules(`[notify]\n${toHook()}\n[[notify.channels]]\nkind = "terminal"\nhow = "osc777"\n`);
  const { sys, started } = createWorld();
  const settings = await settingsOf(sys);
  const shown = await Promise.all(Array.from({ length: 50 }, (_, index) => tellNotice(sys, settings, notice({ session: `s${index}` }))));
  const { sequences, count } = { sequences: shown.filter((sequence) => sequence !== undefined), count: started.length };
  expect([sequences, count]).toEqual([["\u001b]777;notify;work is at its usage limit;sessions: a, b\u0007"], 1]);
  expect(started[0]?.message).toMatchObject({ cause: "limit", level: "urgent", title: "work is at its usage limit" });
});

test("a session's own terminal only: no process is started", async () => {
  writeRules("[notify]\n");
  const { sys, started } = createWorld();
  let written = "";
  const write = (_: 1 | 2, text: string) => {
    written += text;
    return true;
  };
  const terminal = { ...sys, isTerminal: () => true, write };
  await raiseNotice(terminal, await settingsOf(sys), notice());
  await raiseNotice(terminal, await settingsOf(sys), notice());
  expect([written, started]).toEqual(["\u001b]777;notify;work is at its usage limit;sessions: a, b\u0007", []]);
});

test.each<[rule: string, spoil: (sys: Sys) => Sys]>([
  [
    "a full disk",
    (sys) => ({
      ...sys,
      writePrivate: () => {
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      },
    }),
  ],
  [
    "a lock that cannot be made",
    (sys) => ({
      ...sys,
      takeLock: async () => {
        throw Object.assign(new Error("full"), { code: "SQLITE_FULL" });
      },
    }),
  ],
  ["a lock that somebody holds", (sys) => ({ ...sys, takeLock: async () => undefined })],
  [
    "a torn file",
    (sys) => {
      mkdirSync(stateDir(), { recursive: true });
      writeFileSync(join(stateDir(), "told.json"), '{"limit account": {"at": 17');
      return sys;
    },
  ],
])("%s does not keep it from being told", async (_, spoil) => {
  writeRules(`[notify]\n${toHook()}`);
  const { sys, started } = createWorld();
  await tellNotice(spoil(sys), await settingsOf(sys), notice());
  expect(started).toHaveLength(1);
});

test("what looks like a secret stays here", async () => {
  writeRules(`[notify]\n${toHook()}`);
  const { sys, started } = createWorld();
  const body = "curl -H 'Authorization: Bearer abc123' https://me:hunter2@example.com --password swordfish";
  await tellNotice(sys, await settingsOf(sys), notice({ cause: "permission", about: "s", body }));
  expect(JSON.stringify(started)).not.toMatch(/abc123|hunter2|swordfish/);
  expect(started[0]?.message.body).toContain("curl");
});

test("it arrives once, and nothing is left", async () => {
  writeRules(toHook());
  const { sys, posts } = createWorld({ handed: delivery(1) });
  await deliver(sys);
  await deliver({ ...sys, env: { ...sys.env, CSM_NOTICE: undefined } });
  expect([posts, openSpool(sys, hook).list().records]).toEqual([[{ id: delivery(1).id, at: 0 }], []]);
  expect(openOutcomes(sys).read()).toEqual([{ at: startedAt, channel: "hook", cause: "limit", title: "work is at its usage limit" }]);
});

test("a server that fails is asked again, later each time, and as late as it says", async () => {
  writeRules(toHook());
  const answers = [{ status: 500 }, { failure: "refused" }, { status: 429, retryAfter: "30" }, { status: 503 }, { status: 204 }];
  const { sys, posts } = createWorld({ answers, handed: delivery(1) });
  await deliver(sys);
  expect(posts.map(({ at }) => at / 1000)).toEqual([0, 1, 3, 33, 41]);
  expect(new Set(posts.map(({ id }) => id)).size).toBe(1);
});

test("one that stays down: the process ends, and the next one goes on; the files are this user's", async () => {
  writeRules(toHook());
  const down = createWorld({ answers: [{ status: 500 }], handed: delivery(1) });
  await deliver(down.sys);
  expect(down.posts.map(({ at }) => at / 1000)).toEqual([0, 1, 3, 7, 15, 31, 63]);
  const dir = join(stateDir(), "spool", "hook");
  const [file = ""] = readdirSync(dir);
  expect([statSync(join(dir, file)).mode & 0o777, statSync(dir).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(readFileSync(join(dir, file), "utf8")).not.toContain("127.0.0.1");
  const up = createWorld({ handed: delivery(2), now: () => startedAt + 600_000 });
  await deliver(up.sys);
  expect([up.posts.map(({ id }) => id), readdirSync(dir)]).toEqual([[delivery(1).id, delivery(2).id], []]);
});

test("after a day nobody wants it any more", async () => {
  writeRules(toHook());
  await deliver(createWorld({ answers: [{ status: 500 }], handed: delivery(1) }).sys);
  const late = createWorld({ now: () => startedAt + 86_400_000 });
  await deliver(late.sys);
  expect([late.posts, openSpool(late.sys, hook).list().records]).toEqual([[], []]);
  expect(openOutcomes(late.sys).read().at(-1)?.failure).toBe("given up after 7 attempts: status 500");
});

test.each([{ status: 302 }, { status: 404 }])("what will never arrive is not kept: %p", async (answer) => {
  writeRules(toHook());
  const { sys, posts } = createWorld({ answers: [answer], handed: delivery(1) });
  await deliver(sys);
  expect([posts.length, openSpool(sys, hook).list().records]).toEqual([1, []]);
  expect(openOutcomes(sys).read()[0]?.failure).toContain(`status ${answer.status}`);
});

test("the spool is bounded: the oldest go", async () => {
  writeRules(toHook());
  const { sys, posts } = createWorld({ answers: [{ status: 500 }] });
  const spool = openSpool(sys, hook);
  const never = startedAt + 3_600_000;
  for (let index = 1; index <= 130; index++)
    spool.write(delivery(index).id, { ...delivery(index, { at: startedAt - 1000 + index }), attempts: 1, nextAt: never });
  await deliver({ ...sys, env: { ...sys.env, CSM_NOTICE: JSON.stringify(delivery(131)) } });
  const kept = spool.list().records.map(({ id }) => id);
  expect([kept.length, kept.includes(delivery(31).id), kept.includes(delivery(32).id), kept.includes(delivery(131).id)]).toEqual([
    100,
    false,
    true,
    true,
  ]);
  expect(new Set(posts.map(({ id }) => id))).toEqual(new Set([delivery(131).id]));
});

test("20 processes at once: each message arrives once, one after the other", async () => {
  writeRules(toHook());
  let open = 0;
  let most = 0;
  const got: string[] = [];
  const post: Sys["postBounded"] = async (_, { headers }) => {
    most = Math.max(most, ++open);
    await Bun.sleep(2);
    open--;
    got.push(headers["X-CSM-Delivery"] ?? "");
    return { status: 200 };
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => deliver(createWorld({ handed: delivery(index), postBounded: post }).sys)));
  expect([got.toSorted(), most]).toEqual([Array.from({ length: 20 }, (_, index) => delivery(index).id), 1]);
});

test("one that only fails itself does not keep the others, and many that hang do not keep the process", async () => {
  writeRules(toHook());
  const world = createWorld();
  const bad = delivery(1).id;
  const got: string[] = [];
  const post: Sys["postBounded"] = async (_, { headers }) => {
    const id = headers["X-CSM-Delivery"] ?? "";
    got.push(id);
    if (id !== bad) return { status: 200 };
    await world.sys.sleep(10_000);
    return { failure: "no answer within 10 s" };
  };
  const spool = openSpool(world.sys, hook);
  for (let index = 1; index <= 3; index++) spool.write(delivery(index).id, { ...delivery(index), attempts: 0, nextAt: startedAt });
  await deliver({ ...world.sys, postBounded: post });
  expect(got.slice(0, 3)).toEqual([bad, delivery(2).id, delivery(3).id]);
  expect([got.filter((id) => id !== bad).length, spool.list().records.map(({ id }) => id)]).toEqual([2, [bad]]);
  expect(world.sys.now() - startedAt).toBeLessThan(140_000);
});

test("a full disk: without a spool it is sent all the same", async () => {
  writeRules(toHook());
  const full = () => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  };
  const { sys, posts } = createWorld({ handed: delivery(1), writePrivate: full, appendPrivate: full });
  await deliver(sys);
  expect(posts).toHaveLength(1);
});

test("a disk that fills meanwhile: no attempt without a pause", async () => {
  writeRules(toHook());
  const { sys, posts } = createWorld({ answers: [{ status: 500 }], handed: delivery(1) });
  let writes = 0;
  const write: Sys["writePrivate"] = (path, text) => {
    if (++writes > 1) throw Object.assign(new Error("full"), { code: "ENOSPC" });
    sys.writePrivate(path, text);
  };
  await deliver({ ...sys, writePrivate: write });
  expect([posts.length, openSpool(sys, hook).list().records]).toEqual([1, []]);
});

test("what is torn in the spool is no message, and goes", async () => {
  writeRules(toHook());
  const dir = join(stateDir(), "spool", "hook");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "torn.json"), '{"id":"torn","mess');
  const { sys, posts } = createWorld({ handed: delivery(1) });
  await deliver(sys);
  expect([posts.length, readdirSync(dir)]).toEqual([1, []]);
});

test("a channel that hangs does not hold up another", async () => {
  const path = join(home, "told");
  writeRules(`${toHook()}\n[[notify.channels]]\nkind = "command"\nrun = ["sh", "-c", "cat > ${path}"]\n`);
  let release = () => {};
  const post: Sys["postBounded"] = () =>
    new Promise((resolve) => {
      release = () => resolve({ status: 200 });
    });
  const { sys } = createWorld({ handed: delivery(1), postBounded: post });
  const done = deliver(sys);
  while ((createSys().readText(path) ?? "") === "") await Bun.sleep(5);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ id: delivery(1).id, cause: "limit" });
  release();
  await done;
});
