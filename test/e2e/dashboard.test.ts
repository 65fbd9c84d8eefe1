import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bash, hold, say } from "../../src/stub-script.ts";
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
  await shows("keys2", /Stop victim\?/);
  await type("keys2", "n");
  await shows("keys2", /○ +ready .* victim/);
  await type("keys2", "k");
  await type("keys2", "y");
  await shows("keys2", /FINISHED 1[\s\S]*× +ended .* victim/);
  await type("keys2", "q");
  expect((await box.csd(["ps", "--json"])).sessions ?? []).toEqual([]);
});

test("enter shows the pane in this terminal, and the dashboard is back when it is left", async () => {
  const { box } = sandbox;
  await box.spawn("looked", []);
  let shown = "";
  const child = Bun.spawn([csmPath, "top"], {
    cwd: box.home,
    env: box.env,
    terminal: {
      cols: 100,
      rows: 30,
      data: (_, data) => {
        shown += Buffer.from(data).toString();
      },
    },
  });
  const clients = async () => (await tmux("list-clients", "-F", "#{session_name}")).stdout.trim();
  await until("the session is listed", () => Bun.stripANSI(shown).includes("looked"));
  child.terminal?.write("/looked\r");
  child.terminal?.write("\r");
  await until("the terminal shows the pane", async () => (await clients()) === "looked");
  const before = shown.length;
  child.terminal?.write("\u0002d");
  await until("it is left", async () => (await clients()) === "");
  await until("the dashboard is back", () => shown.slice(before).lastIndexOf("\u001b[?1049h") > shown.slice(before).indexOf("[detached"));
  child.terminal?.write("q");
  expect(await child.exited).toBe(0);
  expect(shown.lastIndexOf("\u001b[?1049l")).toBeGreaterThan(shown.lastIndexOf("\u001b[?1049h"));
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
  const first = await box.csm(["demo", "--simulated"], { env: { HOME: box.home, PATH: "/nowhere" } });
  expect([first.code, first.stdout]).toEqual([0, (await box.csm(["demo", "--simulated"])).stdout]);
  expect(first.stdout).toMatch(/NEEDS YOU 4[\s\S]*npm run migrate/);
});
