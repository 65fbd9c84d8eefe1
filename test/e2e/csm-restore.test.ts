import { expect, test } from "bun:test";
import { join } from "node:path";
import { rememberEnd, rememberLaunch } from "../../src/launch-record.ts";
import { say } from "../../src/model-script.ts";
import { parseStat } from "../../src/process.ts";
import { type Box, claudePath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();

/** claude's own files of a session, newest last. */
const filesOf = (box: Box, sessionId: string): Json[] =>
  box.sys
    .list(join(box.configDir, "sessions"))
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(box.sys.readText(join(box.configDir, "sessions", file)) || "{}") as Json)
    .filter((file) => file.sessionId === sessionId);

const isGone = (box: Box, pid: unknown) => parseStat(box.sys.readText(`/proc/${pid}/stat`) ?? "") === undefined;

interface Opened {
  sessionId: string;
  pid: number;
  cwd: string;
}

const idleProcess = (box: Box, name: string, sessionId: string) =>
  until(
    `${name} is idle`,
    () => filesOf(box, sessionId).find((file) => file.status === "idle" && !isGone(box, file.pid)),
    () => box.screen(name),
  );

/** A session in tmux, as a user has it, in which one turn was had. */
async function openSession(box: Box, name: string, args: string[]): Promise<Opened> {
  const sessionId = crypto.randomUUID();
  const cwd = box.folder(name);
  box.stub.script(sessionId, [say(`the word is ${name}-word`)]);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", cwd, "bash", "--norc", "-i"]);
  await box.keys(name, [claudePath, "--session-id", sessionId, ...args].join(" "), "Enter");
  const { pid } = await idleProcess(box, name, sessionId);
  await box.keys(name, `say ${name}-prompt`, "Enter");
  await until("the answer", async () => (await box.screen(name)).includes(`${name}-word`));
  await idleProcess(box, name, sessionId);
  return { sessionId, pid: Number(pid), cwd };
}

const remember = (box: Box, { sessionId, pid, cwd }: Opened, args: string[]) =>
  rememberLaunch(box.sys, { sessionId, pid, cwd, configDir: box.configDir, args });

const plan = async (box: Box, ...args: string[]) =>
  JSON.parse((await box.csm(["restore", "--json", ...args])).stdout) as { lost: Json[]; skipped: Json[] };

const wordsOf = (box: Box, pid: unknown) => (box.sys.readText(`/proc/${pid}/cmdline`) ?? "").split("\0");

test("after kill -9 of all claudes and of tmux both conversations come back, with their flags and their past", async () => {
  const { box } = sandbox;
  const extra = box.folder("extra");
  const flags = ["--permission-mode", "plan", "--add-dir", extra];
  const [one, two, ended] = [await openSession(box, "one", flags), await openSession(box, "two", []), await openSession(box, "ended", [])];
  await remember(box, one, ["a first prompt", "--session-id", one.sessionId, ...flags]);
  await remember(box, ended, []);
  expect((await plan(box)).lost).toEqual([]);

  await box.keys("ended", "/exit");
  await until("typed", async () => (await box.screen("ended")).includes("/exit"));
  await box.keys("ended", "Enter");
  await until("ended", () => isGone(box, ended.pid));
  rememberEnd(box.sys, ended.pid, "exit");
  for (const { pid } of [one, two]) process.kill(pid, "SIGKILL");
  await box.run(["tmux", "-u", "kill-server"]);
  await until("killed", () => [one, two].every(({ pid }) => isGone(box, pid)));

  const { lost } = await plan(box, "--dry-run");
  expect(lost.map(({ session_id }) => session_id).sort()).toEqual([one.sessionId, two.sessionId].sort());
  expect(lost.find(({ session_id }) => session_id === one.sessionId)).toMatchObject({ cwd: one.cwd, why: "killed", profile: null });
  const list = await box.csm(["restore"]);
  expect(list.stdout.split("\n")[0]).toMatch(/^NAME +FOLDER +PROFILE +SEEN +WHY +FLAGS$/);
  expect(list.stderr).toContain("nothing was opened; csm restore --yes brings them back");
  expect((await box.csm(["restore", "--print"])).stdout).toContain(
    `cd ${one.cwd} && csm --resume ${one.sessionId} --permission-mode plan --add-dir ${extra}\n`,
  );

  const restored = await box.csm(["restore", "--yes"]);
  expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining("is back in tmux session one")]);
  for (const [name, session] of Object.entries({ one, two })) {
    const { pid } = await idleProcess(box, name, session.sessionId);
    expect(wordsOf(box, pid)).toContain(session.sessionId);
    if (name === "one") expect(wordsOf(box, pid)).toEqual(expect.arrayContaining(flags));
    expect(wordsOf(box, pid)).not.toContain("a first prompt");
    box.stub.script(session.sessionId, [say("still here")]);
    const before = box.stub.requests.length;
    await box.keys(name, "go on", "Enter");
    await until("the answer", async () => (await box.screen(name)).includes("still here"));
    const request = box.stub.requests.slice(before).find(({ sessionId, isMainThread }) => sessionId === session.sessionId && isMainThread);
    const text = JSON.stringify(request?.body.messages);
    for (const part of [`say ${name}-prompt`, `${name}-word`, "go on"]) expect(text).toContain(part);
  }
  // Nothing is brought back twice, nor again once it has ended.
  expect((await plan(box, "--yes")).lost).toEqual([]);
});

test("csm open finds a session by the beginning of its id or its title, and never opens one twice", async () => {
  const { box } = sandbox;
  const past = await openSession(box, "past", ["--name", "'Quarterly report'"]);
  const twice = await box.csm(["open", past.sessionId.slice(0, 8)]);
  expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining(`is open already, in process ${past.pid}`)]);
  await box.run(["tmux", "-u", "kill-session", "-t", "=past"]);
  await until("ended", () => isGone(box, past.pid));

  expect((await box.csm(["open", "quarterly REPORT", "--print"])).stdout).toBe(`cd ${past.cwd} && csm --resume ${past.sessionId}\n`);
  const opened = await box.csm(["open", past.sessionId.slice(0, 8)]);
  expect([opened.code, opened.stderr]).toEqual([0, "Quarterly report: is back in tmux session past\n"]);
  await idleProcess(box, "past", past.sessionId);
  expect(await box.screen("past")).toContain("past-word");
});

test.each([
  [["open"], 2, "SESSION is missing"],
  [["open", "no such thing"], 1, 'no session matches "no such thing"'],
  [["open", "--all", "x"], 2, "exclude each other"],
  [["restore", "--yes", "--dry-run"], 2, "contradict"],
  [["restore", "--days", "many"], 2, "must be a number"],
])("csm %p is refused", async (args, code, words) => {
  const result = await sandbox.box.csm(args);
  expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(words)]);
});
