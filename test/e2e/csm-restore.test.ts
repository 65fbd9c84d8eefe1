import { expect, test } from "bun:test";
import { join } from "node:path";
import { rememberEnd, rememberLaunch } from "../../src/launch-record.ts";
import { parseStat } from "../../src/process.ts";
import { say } from "../../src/stub-script.ts";
import { type Box, claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();

/** claude's own files of a session, newest last. */
const filesOf = (box: Box, sessionId: string, configDir = box.configDir): Json[] =>
  box.sys
    .list(join(configDir, "sessions"))
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(box.sys.readText(join(configDir, "sessions", file)) || "{}") as Json)
    .filter((file) => file.sessionId === sessionId);

const isGone = (box: Box, pid: unknown) => parseStat(box.sys.readText(`/proc/${pid}/stat`) ?? "") === undefined;

interface Opened {
  sessionId: string;
  pid: number;
  cwd: string;
}

const idleProcess = (box: Box, name: string, sessionId: string, configDir = box.configDir) =>
  until(
    `${name} is idle`,
    () => filesOf(box, sessionId, configDir).find((file) => file.status === "idle" && !isGone(box, file.pid)),
    () => box.screen(name),
  );

/** What claude has not written yet when it is killed is lost for it too. */
const untilWritten = (box: Box, sessionId: string, words: string) =>
  until("the transcript has it", async () => {
    const found = await box.run(["find", box.home, "-name", `${sessionId}.jsonl`, "-exec", "grep", "-l", words, "{}", ";"]);
    return found.stdout !== "";
  });

/** A session in tmux, as a user has it, in which one turn was had. */
async function openSession(box: Box, name: string, args: string[], configDir?: string): Promise<Opened> {
  const sessionId = crypto.randomUUID();
  const cwd = box.folder(name);
  box.stub.script(sessionId, [say(`the word is ${name}-word`)]);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", cwd, "bash", "--norc", "-i"]);
  await box.keys(
    name,
    [...(configDir === undefined ? [] : [`CLAUDE_CONFIG_DIR=${configDir}`]), claudePath, "--session-id", sessionId, ...args].join(" "),
    "Enter",
  );
  const { pid } = await idleProcess(box, name, sessionId, configDir);
  await box.keys(name, `say ${name}-prompt`, "Enter");
  await until("the answer", async () => (await box.screen(name)).includes(`${name}-word`));
  await untilWritten(box, sessionId, `${name}-word`);
  await idleProcess(box, name, sessionId, configDir);
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
  expect(list.stdout.split("\n")[0]).toMatch(/^NAME +TITLE +FOLDER +PROFILE +SEEN +WHY +FLAGS$/);
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

test("three at the same time open each conversation once, also where two want one name", async () => {
  const { box } = sandbox;
  const [near, far] = [await openSession(box, "near", []), await openSession(box, "far", [])];
  const spawned = await box.spawn("thrice", [say("thrice-word")]);
  await box.send("thrice", "thrice-prompt");
  const thrice = { sessionId: String(spawned.session_id), pid: Number((await idleProcess(box, "thrice", String(spawned.session_id))).pid) };
  await untilWritten(box, thrice.sessionId, "thrice-word");
  const all = [near, far, thrice];
  for (const { pid } of all) process.kill(pid, "SIGKILL");
  await box.run(["tmux", "-u", "kill-server"]);
  await until("killed", () => all.every(({ pid }) => isGone(box, pid)));
  expect((await plan(box, "--dry-run")).lost).toHaveLength(all.length);

  const results = await Promise.all([1, 2, 3].map(() => box.csm(["restore", "--yes"])));
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
  const said = results.map(({ stderr }) => stderr).join("");
  expect(said.match(/is back in tmux session/g)).toHaveLength(all.length);
  for (const { sessionId } of all) expect(filesOf(box, sessionId).filter(({ pid }) => !isGone(box, pid))).toHaveLength(1);
  await box.run(["tmux", "-u", "kill-server"]);
  await box.csd(["kill", "thrice"]);
});

test("a session of csd comes back under its name, and scripts go on driving it", async () => {
  const { box } = sandbox;
  const spawned = await box.spawn("driven", [say("driven-word")]);
  await box.send("driven", "driven-prompt");
  await untilWritten(box, String(spawned.session_id), "driven-word");
  const { pid } = await idleProcess(box, "driven", String(spawned.session_id));
  process.kill(Number(pid), "SIGKILL");
  await until("killed", () => isGone(box, pid));
  expect((await box.csm(["restore", "--yes"])).stderr).toMatch(/is back in tmux session driven$/m);
  await box.reach("driven", "idle_done");
  box.stub.script(String(spawned.session_id), [say("driven again")]);
  await box.send("driven", "and on");
  await until("the answer", async () => (await box.screen("driven")).includes("driven again"));
  expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain("driven-word");
  await box.csd(["kill", "driven"]);
});

test("after a restart in order, which leaves nothing of claude's, the record brings it back, in its profile", async () => {
  const { box } = sandbox;
  const dir = join(box.home, ".claude.work");
  // With a second account csm stays behind what it opens.
  box.sys.writePrivate(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify({ work: dir, play: `${dir}.play` }));
  box.sys.writePrivate(join(dir, ".claude.json"), box.sys.readText(join(box.home, ".claude.json")) ?? "");
  const hook = [{ hooks: [{ type: "command", command: `'${csmPath}' hook` }] }];
  box.sys.writePrivate(join(dir, "settings.json"), JSON.stringify({ hooks: { SessionEnd: hook } }));
  const job = await openSession(box, "job", ["--permission-mode", "plan"], dir);
  await rememberLaunch(box.sys, { ...job, configDir: dir, profile: "work", args: ["--permission-mode", "plan"] });
  process.kill(job.pid, "SIGTERM");
  await until("ended", () => isGone(box, job.pid) && box.sys.readText(join(dir, "sessions", `${job.pid}.json`)) === undefined);
  await box.run(["tmux", "-u", "kill-session", "-t", "=job"]);
  // In the same boot somebody ended it.
  expect((await plan(box)).lost).toEqual([]);

  const launches = join(box.home, ".local/state/csm/launches");
  const record = box.sys.list(launches).find((name) => box.sys.readText(join(launches, name))?.includes(job.sessionId)) ?? "";
  const told = JSON.parse(box.sys.readText(join(launches, record)) ?? "") as Json;
  expect(told).toMatchObject({ sessionId: job.sessionId, ended: { how: "signal" } });
  box.sys.writePrivate(join(launches, record), JSON.stringify({ ...told, boot: "an earlier one" }));
  // Its transcript was written after the start of this boot, so it seems to have gone on since.
  expect((await plan(box)).skipped.map(({ reason }) => reason)).toEqual(["went on since"]);
  const [folder = ""] = box.sys.list(join(dir, "projects")).filter((name) => name.endsWith("-work-job"));
  await box.run(["touch", "-d", "@1", join(dir, "projects", folder, `${job.sessionId}.jsonl`)]);
  expect((await plan(box, "--days", "99999")).lost).toMatchObject([{ session_id: job.sessionId, profile: "work", why: "restarted" }]);

  expect((await box.csm(["restore", "--yes"])).stderr).toContain("job");
  const { pid } = await idleProcess(box, "job", job.sessionId, dir);
  expect(wordsOf(box, pid)).toEqual(expect.arrayContaining(["--permission-mode", "plan", job.sessionId]));
  expect(await box.screen("job")).toContain("job-word");
  await box.keys("job", "C-c");
  await box.keys("job", "C-c");
  await until("its end is noted", () =>
    box.sys.list(launches).some((name) => {
      const told = JSON.parse(box.sys.readText(join(launches, name)) || "{}") as Json;
      return told.sessionId === job.sessionId && told.pid === pid && (told.ended as Json | undefined)?.how === "exit";
    }),
  );
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

  // Inside tmux it is a window beside the shell.
  await box.run(["tmux", "-u", "kill-session", "-t", "=past"]);
  await until("ended again", () => filesOf(box, past.sessionId).length === 0);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", "shell", "-x", "120", "-y", "40", "bash", "--norc", "-i"]);
  await box.keys("shell", `'${csmPath}' open ${past.sessionId}`, "Enter");
  await idleProcess(box, "shell", past.sessionId);
  const windows = await box.run(["tmux", "-u", "list-windows", "-t", "=shell", "-F", "#{window_name} #{window_active}"]);
  expect(windows.stdout).toMatch(/^\w+ 0\npast 1\n$/);

  // Outside tmux this terminal shows it, as UTF-8 whatever its locale.
  await box.run(["tmux", "-u", "kill-session", "-t", "=shell"]);
  await until("ended once more", () => filesOf(box, past.sessionId).length === 0);
  const argv = ["env", "-u", "TMUX", "LC_ALL=C", csmPath, "open", past.sessionId];
  await box.run(["tmux", "-u", "new-session", "-d", "-s", "outer", "-x", "120", "-y", "40", ...argv]);
  await until("shown", async () => {
    const clients = await box.run(["tmux", "-u", "list-clients", "-F", "#{session_name} #{client_utf8}"]);
    return clients.stdout === "past 1\n";
  });
});

test.each([
  [["open"], 2, "SESSION is missing"],
  [["open", "no such thing"], 1, 'no conversation is called "no such thing"'],
  [["open", "--all", "x"], 2, "exclude each other"],
  [["restore", "--yes", "--dry-run"], 2, "contradict"],
  [["restore", "--days", "many"], 2, "must be a number"],
])("csm %p is refused", async (args, code, words) => {
  const result = await sandbox.box.csm(args);
  expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(words)]);
});
