import { expect, test } from "bun:test";
import { type Place, type Seat, type TerminalName, terminalActions } from "../src/terminal-row.ts";
import { findPlace, isInsideAnother, terminals, whyNotIn } from "../src/terminals.ts";

const seat = (programs: string, env: Seat["env"] = {}, tty = "/dev/pts/1", platform = "linux"): Seat => ({
  platform,
  start: "1",
  isForeground: true,
  line: programs.split(" < ").map((program, index) => ({ pid: 100 - index, program, ...(tty === "" ? {} : { tty }) })),
  env,
  ...(tty === "" ? {} : { tty }),
});

const seats: [what: string, seat: Seat, terminal: TerminalName, title: string][] = [
  ["a pane of tmux", seat("claude < bash < tmux: server < systemd", { TMUX: "/tmp/tmux-0/default,1,0" }), "tmux", "tmux"],
  ["tmux inside kitty", seat("claude < bash < tmux: server < systemd", { TMUX: "x", KITTY_WINDOW_ID: "1" }), "tmux", "tmux"],
  [
    "kitty opened from a pane of tmux",
    seat("claude < zsh < kitty < bash < tmux: server", { TMUX: "x", KITTY_WINDOW_ID: "1" }),
    "kitty",
    "kitty",
  ],
  [
    "screen inside xterm inside kitty",
    seat("claude < bash < screen < systemd", { STY: "98.a", WINDOW: "0", KITTY_PID: "5" }),
    "screen",
    "GNU screen",
  ],
  ["xterm opened from screen", seat("claude < bash < xterm < bash < screen", { STY: "96.a", WINDOW: "0" }), "unknown", "xterm"],
  ["a name that the system cuts", seat("claude < bash < gnome-terminal- < systemd"), "gnome-terminal", "GNOME Terminal"],
  ["a login from elsewhere", seat("claude < bash < sshd < sshd < systemd", { TERM_PROGRAM: "WezTerm" }), "unknown", "ssh"],
  ["WezTerm's server", seat("claude < bash < wezterm-mux-ser < systemd"), "wezterm", "WezTerm"],
  ["Zellij", seat("claude < bash < zellij < systemd"), "zellij", "Zellij"],
  ["Konsole", seat("claude < fish < konsole < plasmashell"), "konsole", "Konsole"],
  [
    "iTerm2, by way of login",
    seat("claude < -zsh < login < iTermServer-3.5.0 < iTerm2 < launchd", {}, "/dev/ttys003", "darwin"),
    "iterm2",
    "iTerm2",
  ],
  ["Terminal.app", seat("claude < -zsh < login < Terminal < launchd", {}, "/dev/ttys003", "darwin"), "terminal.app", "Terminal.app"],
  ["Ghostty", seat("claude < -zsh < login < ghostty < launchd", {}, "/dev/ttys003", "darwin"), "ghostty", "Ghostty"],
  ["Warp, whose program is called stable", seat("claude < zsh < stable < launchd", {}, "/dev/ttys003", "darwin"), "warp", "Warp"],
  ["VS Code", seat("claude < bash < code < code < systemd", { TERM_PROGRAM: "vscode" }), "vscode", "VS Code"],
  ["VS Code's server, which is a node", seat("claude < bash < node < sh < systemd", { TERM_PROGRAM: "vscode" }), "vscode", "VS Code"],
  [
    "WSL, where no ancestor is a terminal",
    seat("claude < bash < Relay(9) < SessionLeader < init", { WT_SESSION: "1-2" }),
    "windows-terminal",
    "Windows Terminal",
  ],
  ["only TERM", seat("claude", { TERM: "xterm-kitty" }), "kitty", "kitty"],
  ["a name that nobody knows", seat("claude < bash < init", { TERM_PROGRAM: "Tabby" }), "unknown", "Tabby"],
  ["nothing", seat("claude < cron"), "unknown", "an unknown terminal"],
];
test.each(seats)("%s", (_, given, terminal, title) => {
  expect(findPlace(given)).toMatchObject({ terminal, title });
});

test("what bears a terminal's name is one only as an ancestor", () => {
  expect(findPlace(seat("kitty < bash < xterm")).title).toBe("xterm");
});

const places: Partial<Record<TerminalName, Place>> = Object.fromEntries(seats.map(([, given, name]) => [name, findPlace(given)]));

test("each cell is a command or a reason", () => {
  for (const [name, row] of Object.entries(terminals))
    for (const action of terminalActions) {
      const can = row[action];
      if (typeof can === "string") expect(`${name} ${action}: ${can}`).toMatch(/: \S.* \S/);
    }
});

test("no approval by keys where the screen cannot be read", () => {
  for (const row of Object.values(terminals)) if (typeof row.read === "string") expect(typeof row.approve).toBe("string");
});

test.each([
  ["kitty", "type", /listen_on/],
  ["unknown", "type", /knows no way/],
  ["warp", "focus", /nothing of its tabs/],
  ["tmux", "approve", undefined],
  ["iterm2", "approve", undefined],
  ["terminal.app", "type", /presses Enter/],
] as const)("%s: %s", (name, action, why) => {
  const place = places[name];
  if (place === undefined) throw new Error(`no place in ${name}`);
  const told = whyNotIn(place, action);
  if (why === undefined) expect(told).toBeUndefined();
  else expect(told).toMatch(why);
});

test("on macOS nothing is done for a session without a tty", () => {
  const place = findPlace(seat("claude < -zsh < iTerm2", {}, "", "darwin"));
  expect(whyNotIn(place, "type")).toBe("its process has no tty to be found by");
  expect(whyNotIn(place, "launch")).toBeUndefined();
});

test("a screen whose name was handed on is not the session's own", () => {
  expect(whyNotIn(findPlace(seat("claude < bash < screen", { STY: "97.b", WINDOW: "0" })), "type")).toMatch(/is not the one/);
  expect(whyNotIn(findPlace(seat("claude < bash < screen", { STY: "98.b", WINDOW: "0" })), "type")).toBeUndefined();
});

test("a program that gives the session a tty of its own has the window's keys", () => {
  const behind = seat("claude < node < kitty", { KITTY_WINDOW_ID: "1", KITTY_LISTEN_ON: "unix:/k" });
  const [own, node, kitty] = behind.line;
  if (own === undefined || node === undefined || kitty === undefined) throw new Error("no line");
  const place = findPlace({ ...behind, line: [own, { ...node, tty: "/dev/pts/11" }, kitty] });
  expect(whyNotIn(place, "type")).toBe("node holds its window, and gives it a tty of its own");
  expect(whyNotIn(findPlace(behind), "type")).toBeUndefined();
});

test.each([
  ["a session that another one has started in a tty of its own", "/dev/pts/1", "/dev/pts/11", true],
  ["a script called claude around it", "/dev/pts/1", "/dev/pts/1", false],
])("%s", (_, tty, outer, isInside) => {
  const line = [
    { pid: 9, program: "claude", tty },
    { pid: 8, program: "claude", tty: outer },
    { pid: 7, program: "bash", tty: outer },
    { pid: 6, program: "tmux: server" },
  ];
  expect(isInsideAnother({ ...seat("claude"), line, tty }, 7)).toBe(isInside);
});
