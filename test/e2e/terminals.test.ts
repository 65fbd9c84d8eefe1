import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, type Reply, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { claudePath, type Json, until, useBox } from "./harness.ts";

/** Sessions that csm did not start, where people run them: the real claude in real terminals. */

const sandbox = useBox({ env: { LC_ALL: "C.UTF-8" } });
const boxOf = () => sandbox.box;
const missing = (...programs: string[]) => programs.filter((program) => Bun.which(program) === null);
/** Skipped with its reason in the name where the programs are not there. */
const withPrograms = (name: string, programs: string[], body: () => void) => {
  const absent = missing(...programs);
  describe.skipIf(absent.length > 0)(absent.length > 0 ? `${name} (skipped: no ${absent.join(", ")})` : name, body);
};

let sessions = 0;
/** The command line of a claude with a known id, and what its model will say. */
function plan(name: string, replies: Reply[] = []): string[] {
  const id = `00000000-0000-4000-8000-${String(++sessions).padStart(12, "0")}`;
  boxOf().stub.script(id, replies);
  return [claudePath, "--name", name, "--session-id", id, "--permission-mode", "manual"];
}

const listed = async (name: string): Promise<Json | undefined> => {
  const { stdout } = await boxOf().csm(["ls", "--json"]);
  return (JSON.parse(stdout) as { sessions: Json[] }).sessions.find((one) => one.name === name);
};
const statusOf = (one: Json | undefined) => (one?.state as Json | undefined)?.status;
const reach = (name: string, status: string) =>
  until(`${name} is ${status}`, async () => {
    const one = await listed(name);
    return statusOf(one) === status ? one : undefined;
  });
const csm = (...args: string[]) => boxOf().csm(args);
/** Its stdout; throws with what it said. */
async function must(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await csm(...args);
  if (code !== 0) throw new Error(`csm ${args.join(" ")}: ${stderr}`);
  return stdout;
}
/** What the transcript has as prompts. */
const promptsOf = (one: Json | undefined): string => {
  try {
    return readFileSync(String(one?.transcript), "utf8");
  } catch {
    // No prompt has come yet.
    return "";
  }
};
const gate = (command: string) => [bash(command, "It runs"), say("Over.")];

withPrograms("GNU screen", ["screen"], () => {
  let env: Record<string, string>;
  const screen = (...args: string[]) => boxOf().run(["screen", ...args], { env: { ...boxOf().env, ...env } });
  beforeAll(async () => {
    const dir = join(boxOf().dir, "screens");
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(boxOf().dir, "screenrc"), "startup_message off\ndefutf8 on\n");
    env = { SCREENDIR: dir, TERM: "xterm-256color" };
    const cwd = boxOf().folder("screens-work");
    const start = ["-U", "-c", join(boxOf().dir, "screenrc"), "-dmS", "work"];
    await boxOf().run(["screen", ...start, ...plan("first", gate("touch first"))], { env: { ...boxOf().env, ...env }, cwd });
    await reach("first", "idle_done");
    await boxOf().run(["screen", "-S", "work", "-X", "screen", ...plan("second", gate("touch second"))], {
      env: { ...boxOf().env, ...env },
      cwd,
    });
    await reach("second", "idle_done");
  });
  afterAll(async () => void (await screen("-S", "work", "-X", "quit")));

  test("its window is typed into and its gate answered, whatever number it has by now", async () => {
    expect((await listed("second"))?.terminal).toBe("GNU screen");
    // The two windows change numbers: what the session was started with now names its neighbour.
    await screen("-S", "work", "-p", "1", "-X", "number", "0");
    expect(await must("type", "second", "please ❯ make $HOME ^M \\n a file")).toBe("second has the message (turn_started)\n");
    const asked = await reach("second", "blocked");
    expect(promptsOf(asked)).toContain("please ❯ make $HOME ^M \\\\n a file");
    expect(promptsOf(await listed("first"))).toBe("");
    expect(JSON.parse(await must("allow", "second", "--json"))).toMatchObject({ ok: true, meaning: "allow-once", channel: "keys" });
    await reach("second", "idle_done");
    // The mark by which it was found is gone.
    expect((await screen("-S", "work", "-Q", "windows")).stdout).not.toContain("csm-");
    expect(promptsOf(await listed("first"))).toBe("");
  });

  test("a draft of somebody's is left alone", async () => {
    await must("type", "--no-submit", "first", "half a thought");
    const refused = await csm("type", "first", "another");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('holds a draft: "half a thought"; nothing was typed');
    expect(promptsOf(await listed("first"))).toBe("");
  });
});

describe("tmux", () => {
  const tmux = (...args: string[]) => boxOf().run(["tmux", "-u", ...args]);

  test("of two panes in one folder, on a session with a new name, the right one; one that was respawned meanwhile is left alone", async () => {
    const cwd = boxOf().folder("panes-work");
    const quoted = (words: string[]) => words.map((word) => `'${word}'`).join(" ");
    await tmux("new-session", "-d", "-s", "old", "-x", "220", "-y", "50", "-c", cwd, quoted(plan("upper", gate("touch upper"))));
    await tmux("split-window", "-t", "=old:", "-c", cwd, quoted(plan("lower", gate("touch lower"))));
    await reach("upper", "idle_done");
    await reach("lower", "idle_done");
    await tmux("rename-session", "-t", "=old", "new");
    await must("type", "lower", "please make a file");
    const asked = await reach("lower", "blocked");
    expect(promptsOf(asked)).toContain("please make a file");
    expect(promptsOf(await listed("upper"))).toBe("");
    const panes = (await tmux("list-panes", "-t", "=new:", "-F", "#{pane_id} #{pane_pid}")).stdout;
    const pane =
      panes
        .split("\n")
        .find((line) => line.endsWith(` ${asked.pid}`))
        ?.split(" ")[0] ?? "";
    await tmux("respawn-pane", "-k", "-t", pane, "cat");
    expect((await csm("allow", "lower")).code).not.toBe(0);
    expect((await csm("type", "lower", "hello")).code).not.toBe(0);
    expect((await tmux("capture-pane", "-p", "-t", pane)).stdout.trim()).toBe("");
    await tmux("kill-session", "-t", "=new");
  });
});

describe("several tmux servers", () => {
  const tmux = (server: string, ...args: string[]) => boxOf().run(["tmux", "-u", "-L", server, ...args]);
  const quoted = (words: string[]) => words.map((word) => `'${word}'`).join(" ");
  afterAll(async () => {
    for (const server of ["one", "two", "outer", "inner"]) await tmux(server, "kill-server");
  });

  test("a pane of the same id on another server is not taken for it", async () => {
    const cwd = boxOf().folder("servers-work");
    await tmux("one", "new-session", "-d", "-s", "same", "-x", "120", "-y", "40", "-c", cwd, "cat");
    await tmux("two", "new-session", "-d", "-s", "same", "-x", "120", "-y", "40", "-c", cwd, quoted(plan("on-two", gate("touch two"))));
    await reach("on-two", "idle_done");
    const ids = await Promise.all(
      ["one", "two"].map(async (server) => (await tmux(server, "list-panes", "-a", "-F", "#{pane_id}")).stdout),
    );
    expect(ids[0]).toBe(ids[1] ?? "");
    await must("type", "on-two", "please make a file");
    await reach("on-two", "blocked");
    expect(await must("allow", "on-two")).toStartWith("on-two: ");
    await reach("on-two", "idle_done");
    expect((await tmux("one", "capture-pane", "-p", "-t", "=same:")).stdout.trim()).toBe("");
    // Its server ends: there is nowhere to type.
    await tmux("two", "kill-server");
    await until("it has ended", async () => (await listed("on-two")) === undefined);
    expect((await csm("type", "on-two", "hello")).code).toBe(1);
    expect((await tmux("one", "capture-pane", "-p", "-t", "=same:")).stdout.trim()).toBe("");
  });

  test("in a tmux within a tmux it is the inner pane", async () => {
    const cwd = boxOf().folder("nested-work");
    const inner = quoted(["tmux", "-u", "-L", "inner", "new-session", "-s", "in", "-c", cwd, quoted(plan("nested")).replaceAll("'", "")]);
    await tmux("outer", "new-session", "-d", "-s", "out", "-x", "120", "-y", "40", "-c", cwd, `env -u TMUX ${inner}`);
    await tmux("outer", "split-window", "-t", "=out:", "-c", cwd, "cat");
    await reach("nested", "idle_done");
    await must("type", "nested", "hello from outside");
    await until("it has come", async () => promptsOf(await listed("nested")).includes("hello from outside"));
    const panes = (await tmux("outer", "list-panes", "-t", "=out:", "-F", "#{pane_id} #{pane_current_command}")).stdout.split("\n");
    const cat = panes.find((line) => line.endsWith(" cat"))?.split(" ")[0] ?? "";
    expect((await tmux("outer", "capture-pane", "-p", "-t", cat)).stdout.trim()).toBe("");
  });
});

let display: { name: string; close(): Promise<void> } | undefined;
async function openDisplay(): Promise<void> {
  const server = Bun.spawn(["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], {
    stdout: "pipe",
    stderr: "ignore",
  });
  const { value } = await server.stdout.getReader().read();
  display = {
    name: `:${new TextDecoder().decode(value).trim()}`,
    async close() {
      server.kill();
      await server.exited;
    },
  };
}

withPrograms("below an X server", ["Xvfb", "xdotool"], () => {
  beforeAll(openDisplay);
  afterAll(() => display?.close());
  const inX = () => ({ ...boxOf().env, DISPLAY: display?.name ?? "", LIBGL_ALWAYS_SOFTWARE: "1", XDG_RUNTIME_DIR: boxOf().dir });

  withPrograms("kitty", ["kitty"], () => {
    let kitty: ReturnType<typeof Bun.spawn>;
    const socket = () => `unix:${join(boxOf().dir, "kitty.sock")}`;
    const ask = (...args: string[]) => boxOf().run(["kitty", "@", "--to", socket(), ...args]);
    beforeAll(async () => {
      const options = ["--config", "NONE", "-o", "allow_remote_control=socket-only", "-o", "remember_window_size=no"];
      const size = ["-o", "initial_window_width=1200", "-o", "initial_window_height=700"];
      kitty = Bun.spawn(["kitty", ...options, ...size, "--listen-on", socket(), ...plan("left", gate("touch left"))], {
        env: inX(),
        cwd: boxOf().folder("kitty-work"),
        stdio: ["ignore", "ignore", "ignore"],
      });
      await reach("left", "idle_done");
      const right = plan("right", gate("touch right"));
      await ask("launch", "--type=tab", "--cwd", boxOf().folder("kitty-work"), ...right);
      await reach("right", "idle_done");
    });
    afterAll(async () => {
      kitty.kill();
      await kitty.exited;
    });
    /** The window of the tab that is in front; a display without a window manager has no focus to tell of. */
    const inFront = async (): Promise<number> => {
      type Window = { is_active?: boolean; is_active_window?: boolean; id: number };
      type Tabs = { tabs: { is_active?: boolean; is_active_tab?: boolean; windows: Window[] }[] }[];
      const tabs = (JSON.parse((await ask("ls")).stdout) as Tabs).flatMap(({ tabs }) => tabs);
      // `is_active` since 0.27.
      const tab = tabs.find(({ is_active, is_active_tab }) => is_active ?? is_active_tab);
      return tab?.windows.find(({ is_active, is_active_window }) => is_active ?? is_active_window)?.id ?? 0;
    };

    test("of two windows in one folder the right one is typed into, answered and brought to the front", async () => {
      expect((await listed("left"))?.terminal).toBe("kitty");
      expect(await must("type", "left", "please make a file")).toBe("left has the message (turn_started)\n");
      const asked = await reach("left", "blocked");
      expect(asked.verbs).toMatchObject({
        allow: null,
        deny: null,
        focus: null,
        type: "left asks for something: answer that first (a, d)",
      });
      expect(promptsOf(asked)).toContain("please make a file");
      expect(promptsOf(await listed("right"))).toBe("");
      expect(await must("deny", "left", "--reason", "not here")).toStartWith("left: ");
      await reach("left", "idle_done");
      const before = await inFront();
      expect(await must("focus", "left")).toBe("left is in front, in kitty\n");
      const told = JSON.parse(await must("focus", "left", "--json")) as Json;
      expect(asPublic("csm focus", told) as Json).toEqual(told);
      await until("it is in front", async () => (await inFront()) !== before);
    });

    test("one that asks for nothing is not answered", async () => {
      expect((await csm("allow", "right")).stderr).toContain('no gate is up in session "right"');
    });

    test("a kitty that listens no more is told of, and nothing is typed", async () => {
      rmSync(join(boxOf().dir, "kitty.sock"));
      const refused = await csm("type", "right", "hello");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("right runs in kitty: kitty refused: ");
      expect(promptsOf(await listed("right"))).toBe("");
    });
  });

  withPrograms("xterm, of which csm knows nothing", ["xterm"], () => {
    test("its window comes to the front, and what cannot be done is said", async () => {
      const xterm = Bun.spawn(["xterm", "-e", ...plan("plain")], {
        env: inX(),
        cwd: boxOf().folder("xterm-work"),
        stdio: ["ignore", "ignore", "ignore"],
      });
      const one = await reach("plain", "idle_done");
      expect(one).toMatchObject({ terminal: "xterm", verbs: { type: "plain runs in xterm: csm knows no way to type there", focus: null } });
      expect((await csm("type", "plain", "hello")).stderr).toContain("plain runs in xterm: csm knows no way to type there");
      expect(await must("focus", "plain")).toBe("plain is in front, in xterm\n");
      const id = (await boxOf().run(["xdotool", "getwindowfocus", "getwindowpid"], { env: inX() })).stdout.trim();
      expect(Number(id)).toBe(xterm.pid);
      xterm.kill();
      await xterm.exited;
      await until("it has ended", async () => (await listed("plain")) === undefined);
      expect((await csm("focus", "plain")).code).toBe(1);
    });

    test("one that was opened from a pane of tmux is not in that pane", async () => {
      const box = boxOf();
      const cwd = box.folder("pane-work");
      const command = ["xterm", "-e", ...plan("outside")].map((word) => `'${word}'`).join(" ");
      await box.run(["tmux", "-u", "new-session", "-d", "-s", "inside", "-x", "120", "-y", "30", "-c", cwd, "cat"], { env: inX() });
      await box.run(["tmux", "-u", "respawn-pane", "-k", "-t", "=inside:", "-c", cwd, "sh", "-c", `${command} 2>/dev/null & exec cat`], {
        env: inX(),
      });
      expect((await reach("outside", "idle_done")).terminal).toBe("xterm");
      expect((await csm("type", "outside", "hello")).stderr).toContain("outside runs in xterm: ");
      expect((await box.run(["tmux", "-u", "capture-pane", "-p", "-t", "=inside:"])).stdout.trim()).toBe("");
      await box.run(["tmux", "-u", "kill-session", "-t", "=inside"]);
    });
  });
});
