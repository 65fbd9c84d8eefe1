import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, bash, say } from "../../src/stub-script.ts";
import { createTmux } from "../../src/tmux.ts";
import { csdPath, until, useBox } from "./harness.ts";

const sandbox = useBox();

/** A tmux of which another call is the first: with this configuration. */
async function restart(configuration: string): Promise<void> {
  const { box } = sandbox;
  await box.run(["tmux", "kill-serve"]);
  await until("the old server is gone", async () =>
    /no server running|No such file/.test((await box.run(["tmux", "list-session"])).stderr),
  );
  writeFileSync(join(box.home, ".tmux.conf"), configuration);
}

const tmux = (...args: string[]) => sandbox.box.run(["tmux", "-u", ...args]);
/** Somebody's terminal of another size, on the server of the sandbox, until the server ends. */
function attach(name: string, columns: number, rows: number, ...flags: string[]) {
  const { box } = sandbox;
  const terminal = { cols: columns, rows, data() {} };
  const child = Bun.spawn(["tmux", "-u", "attach-session", ...flags, "-t", name], { env: box.env, terminal });
  return { leave: () => child.kill("SIGHUP"), exited: child.exited };
}

const every = (hook: string, command: string) => `set-hook -g ${hook} '${command}'\n`;

/** What people have in their configuration, and what nobody should. */
const configurations: [what: string, configuration: string][] = [
  ["destroy-unattached", "set -g destroy-unattached on"],
  ["exit-unattached", "set -g exit-unattached on"],
  ["exit-empty off", "set -g exit-empty off"],
  ["a window size of the smallest client", "set -g window-size smallest\nset -g default-size 40x10\nset -g aggressive-resize on"],
  ["a window size of one's own", "set -g window-size manual\nset -g default-size 40x10"],
  ["pane-border-status", "set -g pane-border-status top\nset -g pane-border-format '#{pane_index}'"],
  ["status of five lines", "set -g status 5"],
  ["remain-on-exit", "set -g remain-on-exit on\nset -g remain-on-exit-format 'gone'"],
  ["default-command and default-shell", "set -g default-command 'exit 1'\nset -g default-shell /bin/false"],
  ["base-index, renumber-windows", "set -g base-index 7\nset -g pane-base-index 5\nset -g renumber-windows on"],
  [
    "aliases of every command that csd calls",
    [
      ...["new-session", "set-option", "set-hook", "show-hooks", "list-panes", "display-message"],
      ...[
        "resize-window",
        "copy-mode",
        "send-keys",
        "capture-pane",
        "load-buffer",
        "paste-buffer",
        "start-server",
        "if-shell",
        "kill-pane",
      ],
    ]
      .map((name, index) => `set -s command-alias[${100 + index}] '${name}=kill-server'`)
      .join("\n"),
  ],
  ["update-environment", "set -g update-environment 'TMUX TMUX_PANE PATH HOME'\nset-environment -gr TMUX_PANE"],
  ["renaming", "set -g automatic-rename on\nset -g allow-rename on\nset -g set-titles on"],
  ["input", "set -g mouse on\nset -g focus-events on\nset -s escape-time 5000\nset -g prefix Enter\nset -g assume-paste-time 0"],
  ["locking", "set -g lock-after-time 1\nset -g lock-command 'sleep 60'"],
  ["synchronize-panes", "set -g synchronize-panes on"],
  ["no history, no alternate screen", "set -g history-limit 0\nset -g alternate-screen off"],
  ["monitoring", "set -g monitor-activity on\nset -g monitor-bell on\nset -g monitor-silence 1\nset -g visual-bell both"],
  ["one paste buffer", "set -s buffer-limit 1"],
  ["errors in it, which tmux shows in the first pane", "set -g no-such-option on\nno-such-command\nset -g status perhaps"],
  ["sessions made by it", "new-session -d -s mine -x 60 -y 20\nsplit-window -t mine"],
  [
    "hooks that kill",
    every("session-created", "kill-session") + every("after-new-session", "kill-session") + every("window-linked", "kill-window"),
  ],
  [
    "hooks that split",
    every("session-created", "split-window") + every("after-new-session", "split-window -h") + every("window-linked", "new-window"),
  ],
  ["hooks that rename", every("after-new-session", "rename-session x") + every("session-created", "rename-session y; rename-window z")],
  ["hooks that respawn", every("pane-died", "respawn-pane") + every("pane-exited", "kill-session")],
  ["hooks that resize", every("window-resized", "resize-window -x 10 -y 5") + every("window-layout-changed", "resize-pane -Z; kill-pane")],
  [
    "hooks that type",
    every("after-send-keys", "send-keys x Enter") + every("after-capture-pane", "copy-mode") + every("after-set-option", "send-keys y"),
  ],
  [
    "hooks behind every call",
    ["list-panes", "display-message", "load-buffer", "paste-buffer", "copy-mode", "resize-window"]
      .map((name) => every(`after-${name}`, "copy-mode"))
      .join(""),
  ],
];

describe("a session of csd's under somebody's tmux configuration", () => {
  test.each(configurations)("%s", async (_, configuration) => {
    const { box } = sandbox;
    await restart(configuration);
    const driver = createTmux(box.sys);
    const echo = ["sh", "-c", "stty -echo; printf 'ready\\n'; cat"];
    const pane = await driver.create({ name: "a.b", cwd: box.home, width: 220, height: 50, argv: echo });
    expect(pane).toMatchObject({ sessionName: "a_b", width: 220, height: 50, isAlone: true, isDead: false });
    const shows = (text: string) =>
      until(
        `it shows ${text}`,
        async () => ((await driver.capture(pane.paneId))?.text ?? "").split("\n").includes(text),
        async () => JSON.stringify(await driver.capture(pane.paneId)),
      );
    await shows("ready");
    await driver.keys(pane.paneId, ["h", "i", "Enter"]);
    await shows("hi");
    await driver.paste(pane.paneId, "pasted text\n");
    await shows("pasted text");
    // Somebody looks in a smaller terminal, scrolls back, and goes.
    const terminal = attach("=a_b", 60, 15);
    await until("it is attached", () => driver.isAttached(pane.paneId));
    await tmux("copy-mod", "-t", pane.paneId);
    await driver.keys(pane.paneId, ["o", "n", "Enter"]);
    await shows("on");
    terminal.leave();
    await terminal.exited;
    await until("it is detached", async () => !(await driver.isAttached(pane.paneId)));
    expect(await driver.pane(pane.paneId)).toEqual(pane);
    expect((await driver.list()).filter(({ sessionId }) => sessionId === pane.sessionId)).toHaveLength(1);
    // What is said to the server later reaches it no more than what it began with.
    await tmux("source-fil", join(box.home, ".tmux.conf"));
    const again = attach("=a_b", 60, 15);
    await until("it is attached again", () => driver.isAttached(pane.paneId));
    again.leave();
    await again.exited;
    expect(await driver.pane(pane.paneId)).toEqual(pane);
    // What is the user's stays as it was.
    expect((await tmux("show-option", "-g")).stdout).not.toContain("@csd");
    await driver.kill(pane.paneId);
    expect(await driver.pane(pane.paneId)).toBeUndefined();
  });
});

/** All of it that does not contradict itself. */
const worst = [
  "set -g destroy-unattached on\nset -s exit-unattached on\nset -g remain-on-exit on\nset -g window-size smallest\nset -g default-size 40x10",
  "set -g pane-border-status top\nset -g synchronize-panes on\nset -g status 5\nset -g base-index 3\nset -g pane-base-index 4",
  "set -g default-terminal dumb\nset -s extended-keys always\nset -g mouse on\nset -g focus-events on\nset -g mode-keys vi",
  "set -g default-command 'exit 1'\nset -g default-shell /bin/false\nset -g alternate-screen off\nset -g history-limit 0",
  "set -s command-alias[100] 'send-keys=kill-server'\nset -s command-alias[101] 'capture-pane=kill-server'\nno-such-command",
  every("session-created", "kill-session") + every("after-new-session", "split-window") + every("client-attached", "kill-session"),
  every("after-send-keys", "send-keys x") + every("pane-focus-in", "kill-pane") + every("client-detached", "kill-session"),
].join("\n");

describe("the real claude in it", () => {
  test("works through a whole turn under the worst of all configurations, with somebody's small terminal attached", async () => {
    const { box } = sandbox;
    await restart(worst);
    await box.spawn("worst", [
      bash("touch here.txt"),
      ask({ question: "Which?", header: "Pick", options: ["red", "blue"].map((label) => ({ label, description: label })) }),
      say("Done."),
    ]);
    const terminal = attach("=worst", 60, 15);
    await box.send("worst", "Do it");
    await box.reach("worst", "blocked");
    await box.csd(["approve", "worst"]);
    await box.reach("worst", "awaiting_answer");
    await box.csd(["answer", "worst", "--choice", "blue"]);
    terminal.leave();
    await terminal.exited;
    expect(await box.reach("worst", "idle_done")).toMatchObject({ text: "Done." });
    await box.csd(["kill", "worst"]);
  });

  test("somebody has scrolled back in its pane and gone: the prompt is sent, and no draft is left", async () => {
    const { box } = sandbox;
    await restart("");
    const spawned = await box.spawn("scrolled", [say("One."), bash("touch two.txt"), say("Two.")]);
    await tmux("copy-mode", "-t", "=scrolled:");
    await box.send("scrolled", "first");
    await box.reach("scrolled", "idle_done");
    await tmux("copy-mode", "-t", "=scrolled:");
    await box.send("scrolled", "second");
    await box.reach("scrolled", "blocked");
    await tmux("clock-mode", "-t", "=scrolled:");
    await box.csd(["approve", "scrolled"]);
    expect(await box.reach("scrolled", "idle_done")).toMatchObject({ text: "Two." });
    expect(box.stub.prompts(String(spawned.session_id))).toEqual(["first", "second"]);
    await box.csd(["kill", "scrolled"]);
  });

  test("a pane that somebody has locked is told at once, and nothing is typed", async () => {
    const { box } = sandbox;
    await restart("");
    await box.spawn("locked", [say("Yes.")]);
    await tmux("select-pane", "-d", "-t", "=locked:");
    const refused = JSON.parse((await box.tryCsd(["send", "locked", "hello"])).stderr) as { error: string; hint: string };
    expect(refused.error).toBe('the pane of session "locked" takes no input: somebody has switched it off; nothing was typed');
    await box.run(["sh", "-c", refused.hint]);
    await box.send("locked", "hello");
    expect(await box.reach("locked", "idle_done")).toMatchObject({ text: "Yes." });
    await box.csd(["kill", "locked"]);
  });

  test("a window that somebody made tiny gets its size back before anything is typed", async () => {
    const { box } = sandbox;
    await restart("");
    await box.spawn("tiny", [bash("touch small.txt"), say("Yes.")]);
    await tmux("resize-window", "-t", "=tiny:", "-x", "30", "-y", "8");
    await box.send("tiny", "hello");
    await box.reach("tiny", "blocked");
    await tmux("resize-window", "-t", "=tiny:", "-x", "30", "-y", "8");
    await box.csd(["approve", "tiny"]);
    expect(await box.reach("tiny", "idle_done")).toMatchObject({ text: "Yes." });
    await box.csd(["kill", "tiny"]);
  });

  test("a renamed session, in a group with somebody's, whose pane was moved: it is found, and its end leaves theirs", async () => {
    const { box } = sandbox;
    await restart("");
    await box.spawn("moved", [say("One."), say("Two.")]);
    const pane = (await tmux("display-message", "-p", "-t", "=moved:", "#{pane_id}")).stdout.trim();
    await tmux("rename-session", "-t", "=moved", "theirs");
    await tmux("new-session", "-d", "-t", "theirs", "-s", "group");
    await box.send("moved", "first");
    await box.reach("moved", "idle_done");
    await tmux("new-session", "-d", "-s", "home", "-x", "220", "-y", "120", "cat");
    await tmux("join-pane", "-s", pane, "-t", "=home:");
    await box.send("moved", "second");
    expect(await box.reach("moved", "idle_done")).toMatchObject({ text: "Two." });
    expect(await box.csd(["kill", "moved"])).toMatchObject({ ok: true });
    expect((await tmux("list-panes", "-t", "=home:", "-F", "#{pane_current_command}")).stdout).toBe("cat\n");
  });

  test("a pane that somebody respawned holds no session of csd's any more", async () => {
    const { box } = sandbox;
    await restart("");
    await box.spawn("again", [say("One.")]);
    await tmux("respawn-pane", "-k", "-t", "=again:", "cat");
    expect(await box.reach("again", "dead")).toBeDefined();
    const refused = await box.tryCsd(["send", "again", "hello"]);
    expect(JSON.parse(refused.stderr).error).toBe('session "again" is not alive');
    expect(await box.csd(["kill", "again"])).toMatchObject({ ok: true });
    // What runs in it now is theirs.
    expect((await tmux("list-panes", "-t", "=again:", "-F", "#{pane_current_command}")).stdout).toBe("cat\n");
  });

  test("csd spawn inside a pane of somebody's sets nothing on that pane", async () => {
    const { box } = sandbox;
    await restart("");
    await tmux(
      "new-session",
      "-d",
      "-s",
      "outer",
      "-x",
      "100",
      "-y",
      "30",
      `'${csdPath}' spawn --name inner --cwd '${box.folder("inner")}'; cat`,
    );
    await until("inner is there", async () => (await tmux("has-session", "-t", "=inner")).code === 0);
    await box.reach("inner", "idle_done");
    expect((await tmux("show-options", "-p", "-t", "=outer:")).stdout).toBe("");
    expect((await tmux("show-options", "-w", "-t", "=outer:")).stdout).not.toContain("@csd");
    await box.csd(["kill", "inner"]);
  });
});
