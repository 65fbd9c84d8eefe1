import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTmux } from "../../src/tmux.ts";
import { until, useBox } from "./harness.ts";

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
    // What is the user's stays as it was.
    expect((await tmux("show-option", "-g")).stdout).not.toContain("@csd");
    await driver.kill(pane.paneId);
    expect(await driver.pane(pane.paneId)).toBeUndefined();
  });
});
