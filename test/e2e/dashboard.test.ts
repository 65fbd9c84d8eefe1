import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, bash, hold, plan, say } from "../../src/stub-script.ts";
import { claudePath, csmPath, until, useBox } from "./harness.ts";

const sandbox = useBox();

const tmux = (...args: string[]) => sandbox.box.run(["tmux", "-u", ...args]);

/** A shell in a pane of its own, so that what comes after the program can be seen too. */
async function openShell(name: string, columns: number, rows: number): Promise<void> {
  await tmux("new-session", "-d", "-s", name, "-x", String(columns), "-y", String(rows), "bash", "--norc", "-i");
  await tmux("send-keys", "-t", `=${name}:`, "PS1='ready> '", "Enter");
}

const type = (name: string, ...keys: string[]) => sandbox.box.keys(name, ...keys);
const shows = (name: string, pattern: RegExp) =>
  until(
    `${name} shows ${pattern}`,
    async () => pattern.test(await sandbox.box.screen(name)),
    () => sandbox.box.screen(name),
  );
/** `csm top` in a terminal of ours, with every byte that it has written. */
function openTop() {
  let shown = "";
  const data = (_: unknown, bytes: Uint8Array) => {
    shown += Buffer.from(bytes).toString();
  };
  const { home: cwd, env } = sandbox.box;
  return { child: Bun.spawn([csmPath, "top"], { cwd, env, terminal: { cols: 100, rows: 30, data } }), shown: () => shown };
}

/** The alternate screen is left, the cursor is back, and echo is on. */
const isRestored = async (name: string) =>
  (await tmux("display-message", "-p", "-t", `=${name}:`, "#{alternate_on}#{cursor_flag}#{mouse_any_flag}")).stdout.trim() === "010";

test("a gate of a session that csd did not start is answered in its own pane, and only after it was shown and confirmed", async () => {
  const { box } = sandbox;
  const id = crypto.randomUUID();
  box.stub.script(id, [bash("touch from-top && rm -f none", "Make a file"), say("It is **there**.")]);
  await tmux("new-session", "-d", "-s", "own", "-x", "120", "-y", "40", "-c", box.folder("own"), "bash", "--norc", "-i");
  await tmux("send-keys", "-t", "=own:", `'${claudePath}' --permission-mode manual --session-id ${id}`, "Enter");
  await openShell("top", 120, 40);
  await type("top", `'${csmPath}' top --mouse --record ${join(box.dir, "top.cast")}; echo code=$?`, "Enter");
  await shows("top", /○ +ready .* own-/);
  // A message typed into it starts its turn.
  await type("top", "/");
  await type("top", "-l", "own");
  await type("top", "Enter");
  await type("top", "m");
  await type("top", "-l", "Please make it");
  await type("top", "Enter");
  await shows("top", /▲ +asks Bash .* own-[\s\S]*touch from-top && rm -f none/);
  await type("top", "a");
  await shows("top", /Allow this once for own-\S+\?/);
  await type("top", "a");
  await shows("top", /▲ +asks Bash/);
  expect(existsSync(join(box.folder("own"), "from-top"))).toBe(false);
  await type("top", "a");
  await shows("top", /Allow this once/);
  await type("top", "y");
  await shows("top", /○ +done .* own-/);
  expect(existsSync(join(box.folder("own"), "from-top"))).toBe(true);
  expect(box.stub.prompts(id)).toEqual(["Please make it"]);
  await type("top", "Space");
  await shows("top", /Its last answer[\s\S]*It is there\./);
  await type("top", "q");
  await shows("top", /code=0/);
  expect(await isRestored("top")).toBe(true);
  const [head, ...events] = readFileSync(join(box.dir, "top.cast"), "utf8").trim().split("\n");
  expect(JSON.parse(head ?? "")).toMatchObject({ version: 2, width: 120, height: 40 });
  expect(events.every((line) => /^\[[\d.]+,"[or]",/.test(line))).toBe(true);
  await tmux("kill-session", "-t", "=own");
});

test("suspended, resized, killed: the terminal is as it was before", async () => {
  const { box } = sandbox;
  await box.spawn("busy", [hold("It works on")]);
  await box.send("busy", "Go");
  await openShell("keys", 80, 24);
  await type("keys", `'${csmPath}' top`, "Enter");
  await shows("keys", /WORKING 1[\s\S]* busy/);
  await type("keys", "C-z");
  await shows("keys", /Stopped/);
  expect(await isRestored("keys")).toBe(true);
  await type("keys", "fg", "Enter");
  await shows("keys", /WORKING 1[\s\S]* busy/);
  await tmux("resize-window", "-t", "=keys:", "-x", "60", "-y", "15");
  await until("it fits the new size", async () => (await box.screen("keys")).split("\n").some((line) => line === "─".repeat(60)));
  const pid = (await box.run(["bash", "-c", `ps ax -o pid=,args= | grep -F "${csmPath} top" | grep -v grep`])).stdout;
  const own = /^\s*(\d+) \S+ top$/m.exec(pid)?.[1];
  expect(own).toBeDefined();
  process.kill(Number(own), "SIGTERM");
  await shows("keys", /Terminated/);
  expect(await isRestored("keys")).toBe(true);
  await box.csd(["kill", "busy"]);
});

test("stop asks first, and the one that has ended stays in sight", async () => {
  const { box } = sandbox;
  await box.spawn("victim", []);
  await openShell("keys2", 100, 30);
  await type("keys2", `'${csmPath}' top`, "Enter");
  await shows("keys2", /○ +ready .* victim/);
  await type("keys2", "/");
  await type("keys2", "-l", "victim");
  await type("keys2", "Enter");
  await type("keys2", "k");
  await type("keys2", "x");
  await shows("keys2", /Stop victim\?/);
  await type("keys2", "n");
  await shows("keys2", /○ +ready .* victim/);
  await type("keys2", "x");
  await type("keys2", "y");
  await shows("keys2", /FINISHED 1[\s\S]*× +ended .* victim/);
  await type("keys2", "q");
  expect((await box.csd(["ps", "--json"])).sessions ?? []).toEqual([]);
});

const filterFor = async (pane: string, name: string) => {
  await type(pane, "/", "C-u");
  await type(pane, "-l", name);
  await type(pane, "Enter");
};
const choice = (label: string) => ({ label, description: `the ${label}` });
const folderQuestion = { question: "Which folder?", header: "Folder", options: [choice("src"), choice("test")] };
const checksQuestion = {
  question: "Which checks?",
  header: "Checks",
  multiSelect: true,
  options: [choice("lint"), choice("types"), choice("unit")],
};
/** What the model was told of the call that was asked about. */
const resultOf = (id: string): string =>
  JSON.stringify(sandbox.box.stub.requests.filter(({ sessionId, isMainThread }) => sessionId === id && isMainThread).at(-1)?.body.messages);

test("questions, a plan and a reason are answered in the dashboard, by hook and by keys", async () => {
  const { box } = sandbox;
  const form = await box.spawn("form", [ask(folderQuestion, checksQuestion), say("Taken.")]);
  const draft = await box.spawn(
    "draft",
    [...plan(`# Do\n\n${"1. a step\n".repeat(30)}\nThe very end.`), say("Smaller then.")],
    ["--permission-mode", "plan"],
  );
  const risky = await box.spawn("risky", [bash("touch risky-1"), say("As you like.")]);
  const own = crypto.randomUUID();
  box.stub.script(own, [ask(folderQuestion), say("Taken too.")]);
  await tmux("new-session", "-d", "-s", "plain", "-x", "120", "-y", "40", "-c", box.folder("plain"), "bash", "--norc", "-i");
  await tmux("send-keys", "-t", "=plain:", `'${claudePath}' --permission-mode manual --session-id ${own} Go`, "Enter");
  for (const name of ["form", "draft", "risky"]) await box.send(name, "Go");
  await openShell("asks", 80, 24);
  await type("asks", `'${csmPath}' top`, "Enter");
  await shows("asks", /NEEDS YOU 4/);
  // Two parts, the second with several ticks, by digits.
  await filterFor("asks", "form");
  await type("asks", "a");
  await shows("asks", /☐ Folder +☐ Checks[\s\S]*1\. ○ src/);
  await type("asks", "2");
  await shows("asks", /☒ Folder[\s\S]*1\. \[ \] lint/);
  await type("asks", "1", "3");
  await shows("asks", /\[x\] lint[\s\S]*\[x\] unit[\s\S]*enter send all 2/);
  await type("asks", "Enter");
  await shows("asks", /form: test; lint, unit/);
  await until("the model has the answers", () =>
    /Which folder\?.*test.*Which checks\?.*lint, unit/.test(resultOf(String(form.session_id))),
  );
  // A text, into the dialog of a session without csd's hooks.
  await filterFor("asks", "plain");
  await type("asks", "a", "3");
  await shows("asks", /your answer:/);
  await type("asks", "-l", "docs/ too");
  await type("asks", "Enter");
  await shows("asks", /3\. ✎ docs\/ too/);
  await type("asks", "Enter");
  await until("the model has the text", () => resultOf(own).includes("docs/ too"));
  // The plan is read to its end, and goes back with a note.
  await filterFor("asks", "draft");
  await type("asks", "a");
  await shows("asks", /Approve the plan of draft\?/);
  await type("asks", "Space", "Space");
  await shows("asks", /The very end\./);
  await type("asks", "r");
  await type("asks", "-l", "Smaller steps, please");
  await type("asks", "Enter");
  await until("the model has the note", () => resultOf(String(draft.session_id)).includes("Smaller steps, please"));
  // A refusal with a reason; what cannot be done before says why.
  await filterFor("asks", "risky");
  await type("asks", "m");
  await shows("asks", /risky asks for something: answer that first/);
  await type("asks", "d", "r");
  await type("asks", "-l", "not here");
  await type("asks", "Enter");
  await until("the model has the reason", () => resultOf(String(risky.session_id)).includes("not here"));
  expect(existsSync(join(box.folder("risky"), "risky-1"))).toBe(false);
  await type("asks", "q");
  for (const name of ["form", "draft", "risky"]) await box.csd(["kill", name]);
  await tmux("kill-session", "-t", "=plain");
});

test("alt-enter is a new line, in every way that terminals write it, torn or whole; a paste holds no keys", async () => {
  const { box } = sandbox;
  const spawned = await box.spawn("lines", [say("Read.")]);
  const { child, shown } = openTop();
  await until("the session is listed", () => Bun.stripANSI(shown()).includes("lines"));
  child.terminal?.write("/lines\rm");
  for (const piece of [
    "one\u001b\rtwo\u001b[13;3uthree\u001b[27;3;13~four",
    "\u001b",
    "\rfive",
    "\u001b[13",
    ";3u",
    "\u001b[200~six\rq",
    "\ry\u001b[201~",
  ]) {
    child.terminal?.write(piece);
    await Bun.sleep(5);
  }
  await until("all lines are shown", () =>
    /one[\s\S]*two[\s\S]*three[\s\S]*four[\s\S]*five[\s\S]*six[\s\S]*q[\s\S]*y/.test(Bun.stripANSI(shown())),
  );
  expect(box.stub.prompts(String(spawned.session_id))).toEqual([]);
  child.terminal?.write("\r");
  await until("the model has them", () => box.stub.prompts(String(spawned.session_id)).length > 0);
  expect(box.stub.prompts(String(spawned.session_id))).toEqual(["one\ntwo\nthree\nfour\nfive\nsix\nq\ny"]);
  child.terminal?.write("q");
  expect(await child.exited).toBe(0);
  await box.csd(["kill", "lines"]);
});

test("enter shows the pane in this terminal, and the dashboard is back when it is left", async () => {
  const { box } = sandbox;
  await box.spawn("looked", []);
  const { child, shown } = openTop();
  const clients = async () => (await tmux("list-clients", "-F", "#{session_name}")).stdout.trim();
  await until("the session is listed", () => Bun.stripANSI(shown()).includes("looked"));
  child.terminal?.write("/looked\r");
  child.terminal?.write("\r");
  await until("it is told how to come back", () => Bun.stripANSI(shown()).includes("looked opens here; C-b d comes back to this list"));
  await until("the terminal shows the pane", async () => (await clients()) === "looked");
  const before = shown().length;
  child.terminal?.write("\u0002d");
  await until("it is left", async () => (await clients()) === "");
  await until(
    "the dashboard is back",
    () => shown().slice(before).lastIndexOf("\u001b[?1049h") > shown().slice(before).indexOf("[detached"),
  );
  child.terminal?.write("q");
  expect(await child.exited).toBe(0);
  expect(shown().lastIndexOf("\u001b[?1049l")).toBeGreaterThan(shown().lastIndexOf("\u001b[?1049h"));
  await box.csd(["kill", "looked"]);
});

test("once, and without a terminal", async () => {
  const { box } = sandbox;
  const once = await box.csm(["top", "--once"]);
  expect([once.code, once.stderr]).toEqual([0, ""]);
  expect(once.stdout).toStartWith(" csm top  ▲ 0 wait");
  const live = await box.csm(["top"]);
  expect([live.code, live.stderr]).toEqual([1, "csm top needs a terminal; csm top --once prints the list, csm watch follows it\n"]);
  const theme = await box.csm(["top", "--theme", "pink"]);
  expect([theme.code, theme.stderr]).toEqual([2, 'csm top: unknown theme "pink"; known: dark, light, contrast, none\n']);
  const first = await box.csm(["demo", "--simulated"], { env: { HOME: box.home, PATH: "/nowhere", LC_ALL: "C.UTF-8" } });
  expect([first.code, first.stdout]).toEqual([0, (await box.csm(["demo", "--simulated"])).stdout]);
  expect(first.stdout).toMatch(/NEEDS YOU 4[\s\S]*npm run migrate/);
});
