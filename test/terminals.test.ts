import { expect, test } from "bun:test";
import { type Place, type Seat, type Step, type TerminalName, terminalActions } from "../src/terminal-row.ts";
import { renderWarp } from "../src/terminal-scripts.ts";
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

// --- commands ----------------------------------------------------------------------------------------------------

const launch = { argv: ["/opt/csm", "--csd-launch", "/s/a b;c"], cwd: "/w/it's", title: 'a "b"; c' };
const spot = { id: "7" };
const at = (programs: string, env: Seat["env"], platform = "linux"): Place =>
  findPlace(seat(programs, env, platform === "darwin" ? "/dev/ttys003" : "/dev/pts/1", platform));
const kitty = at("claude < bash < kitty", { KITTY_LISTEN_ON: "unix:/run/k" });
const wezterm = at("claude < bash < wezterm-gui", { WEZTERM_UNIX_SOCKET: "/run/w" });
const screen = at("claude < bash < screen", { STY: "98.w", WINDOW: "1", SCREENDIR: "/d" });
const zellij = at("claude < bash < zellij", { ZELLIJ_SESSION_NAME: "-z", ZELLIJ_PANE_ID: "3" });
const konsole = at("claude < bash < konsole", { KONSOLE_DBUS_SERVICE: ":1.9", KONSOLE_DBUS_SESSION: "/Sessions/2" });
const gnome = at("claude < bash < gnome-terminal-", { GNOME_TERMINAL_SCREEN: "/org/gnome/Terminal/screen/1a_2b" });
const wsl = at("claude < bash < init", { WT_SESSION: "x", WSL_DISTRO_NAME: "Debian" });
const warp = at("claude < zsh < stable", {}, "darwin");
const xterm = at("claude < bash < xterm", { WINDOWID: "42", DISPLAY: ":7" });

type Action = "launch" | "focus" | "type" | "approve" | "read";
function stepOf(place: Place, action: Action, given: unknown): Step {
  const can = terminals[place.terminal][action];
  if (typeof can !== "function") throw new Error(`${place.terminal} ${action}: ${String(can)}`);
  const run = can as (...args: unknown[]) => Step;
  return action === "launch" ? run(place, given) : run(place, spot, given);
}

test.each<[place: Place, action: Action, given: unknown, step: Step]>([
  [
    kitty,
    "launch",
    launch,
    {
      argv: ["kitty", "@", "--to", "unix:/run/k", "launch", "--type=tab", "--cwd", launch.cwd, "--tab-title", launch.title, ...launch.argv],
    },
  ],
  [kitty, "focus", undefined, { argv: ["kitty", "@", "--to", "unix:/run/k", "focus-window", "--match", "id:7"] }],
  [
    kitty,
    "type",
    "a\\n'b",
    { argv: ["kitty", "@", "--to", "unix:/run/k", "send-text", "--match", "id:7", "--stdin"], input: "\u001b[200~a\\n'b\u001b[201~" },
  ],
  [
    kitty,
    "approve",
    "\u001b[B",
    { argv: ["kitty", "@", "--to", "unix:/run/k", "send-text", "--match", "id:7", "--stdin"], input: "\u001b[B" },
  ],
  [kitty, "read", true, { argv: ["kitty", "@", "--to", "unix:/run/k", "get-text", "--match", "id:7", "--ansi"] }],
  [
    wezterm,
    "launch",
    launch,
    {
      argv: ["wezterm", "cli", "--no-auto-start", "spawn", "--cwd", launch.cwd, "--", ...launch.argv],
      env: { WEZTERM_UNIX_SOCKET: "/run/w" },
    },
  ],
  [
    wezterm,
    "focus",
    undefined,
    { argv: ["wezterm", "cli", "--no-auto-start", "activate-pane", "--pane-id", "7"], env: { WEZTERM_UNIX_SOCKET: "/run/w" } },
  ],
  [
    wezterm,
    "type",
    "--x",
    { argv: ["wezterm", "cli", "--no-auto-start", "send-text", "--pane-id", "7"], input: "--x", env: { WEZTERM_UNIX_SOCKET: "/run/w" } },
  ],
  [
    wezterm,
    "approve",
    "1",
    {
      argv: ["wezterm", "cli", "--no-auto-start", "send-text", "--no-paste", "--pane-id", "7"],
      input: "1",
      env: { WEZTERM_UNIX_SOCKET: "/run/w" },
    },
  ],
  [
    wezterm,
    "read",
    false,
    { argv: ["wezterm", "cli", "--no-auto-start", "get-text", "--pane-id", "7"], env: { WEZTERM_UNIX_SOCKET: "/run/w" } },
  ],
  [screen, "focus", undefined, { argv: ["screen", "-S", "98.w", "-X", "select", "7"], env: { SCREENDIR: "/d" } }],
  [
    screen,
    "launch",
    launch,
    {
      argv: [
        "screen",
        "-S",
        "98.w",
        "-X",
        "screen",
        "-t",
        launch.title,
        "sh",
        "-c",
        "cd '/w/it'\\''s' && exec '/opt/csm' '--csd-launch' '/s/a b;c'",
      ],
      env: { SCREENDIR: "/d" },
    },
  ],
  [
    screen,
    "approve",
    "^M",
    {
      argv: ["screen", "-S", "98.w", "-p", "7", "-X", "eval", "readreg ~ '%FILE%'", "paste ~", 'register ~ ""'],
      env: { SCREENDIR: "/d" },
      file: { name: "screen", text: "^M" },
    },
  ],
  [zellij, "type", "-a", { argv: ["zellij", "--session", "-z", "action", "paste", "--pane-id", "7", "--", "-a"] }],
  [zellij, "approve", "\u001b1", { argv: ["zellij", "--session", "-z", "action", "write", "--pane-id", "7", "27", "49"] }],
  [zellij, "read", true, { argv: ["zellij", "--session", "-z", "action", "dump-screen", "--pane-id", "7", "--ansi"] }],
  [zellij, "focus", undefined, { argv: ["zellij", "--session", "-z", "action", "focus-pane-id", "7"] }],
  [
    zellij,
    "launch",
    launch,
    { argv: ["zellij", "--session", "-z", "run", "--cwd", launch.cwd, "--name", launch.title, "--", ...launch.argv] },
  ],
  [konsole, "launch", launch, { argv: ["konsole", "--new-tab", "--workdir", launch.cwd, "-e", ...launch.argv] }],
  [
    konsole,
    "focus",
    undefined,
    {
      argv: [
        "gdbus",
        "call",
        "--session",
        "--dest",
        ":1.9",
        "--object-path",
        "/Windows/1",
        "--method",
        "org.kde.konsole.Window.setCurrentSession",
        "7",
      ],
    },
  ],
  [
    gnome,
    "launch",
    launch,
    { argv: ["gnome-terminal", "--tab", `--working-directory=${launch.cwd}`, `--title=${launch.title}`, "--", ...launch.argv] },
  ],
  [
    gnome,
    "focus",
    undefined,
    {
      argv: [
        "gdbus",
        "call",
        "--session",
        "--dest",
        "org.gnome.Terminal",
        "--object-path",
        "/org/gnome/Terminal/SearchProvider",
        "--method",
        "org.gnome.Shell.SearchProvider2.ActivateResult",
        "1a-2b",
        "[]",
        "0",
      ],
    },
  ],
  [
    wsl,
    "launch",
    launch,
    {
      argv: [
        "wt.exe",
        "-w",
        "0",
        "new-tab",
        "--title",
        'a "b"\\; c',
        "wsl.exe",
        "-d",
        "Debian",
        "--cd",
        launch.cwd,
        "--exec",
        "/opt/csm",
        "--csd-launch",
        "/s/a b\\;c",
      ],
    },
  ],
  [warp, "launch", launch, { argv: ["open", "warp://launch/%FILE%"], file: { name: "csm.yaml", text: renderWarp(launch) } }],
  [
    xterm,
    "focus",
    undefined,
    {
      argv: ["xdotool", "windowactivate", "7"],
      env: { DISPLAY: ":7" },
      otherwise: { argv: ["xdotool", "windowraise", "7", "windowfocus", "7"], env: { DISPLAY: ":7" } },
    },
  ],
])("%#", (place, action, given, step) => {
  expect(stepOf(place, action, given)).toEqual(step);
});

const find = (place: Place, answer: string) => terminals[place.terminal].find?.read(place, answer);
const weztermPane = (pane_id: number, tty_name: string | null) => ({ pane_id, tty_name, cwd: "file:///w", size: { rows: 24, cols: 80 } });
const kittyWindows = (...windows: [id: number, pid: number][]) =>
  JSON.stringify([{ tabs: [{ windows: windows.map(([id, pid]) => ({ id, pid, columns: 80, lines: 24, cwd: "/w" })) }] }]);

test.each<[what: string, place: Place, answer: string, id: string | undefined]>([
  [
    "WezTerm: pts/1 is not pts/11, nor one without a tty",
    wezterm,
    JSON.stringify([weztermPane(4, "/dev/pts/11"), weztermPane(5, null), weztermPane(6, "/dev/pts/1")]),
    "6",
  ],
  ["WezTerm: only pts/11 is there", wezterm, JSON.stringify([weztermPane(4, "/dev/pts/11"), weztermPane(5, "")]), undefined],
  [
    "WezTerm: a session without a tty is in no pane",
    { ...findPlace(seat("claude < bash < wezterm-gui", {}, "")) },
    JSON.stringify([weztermPane(5, null), weztermPane(6, "")]),
    undefined,
  ],
  ["kitty: by the process of the window, not by the folder", kitty, kittyWindows([1, 9], [2, 99], [3, 999]), "2"],
  ["kitty: a window that is no ancestor's", kitty, kittyWindows([1, 9]), undefined],
  ["kitty: no answer", kitty, "", undefined],
  ["Zellij: the pane has ended", zellij, JSON.stringify([{ id: 3, is_plugin: false, exited: true }]), undefined],
  ["Zellij: a plugin of the same number", zellij, JSON.stringify([{ id: 3, is_plugin: true, exited: false }]), undefined],
  ["Zellij", zellij, JSON.stringify([{ id: 3, is_plugin: false, exited: false }]), "terminal_3"],
  ["Konsole: an ancestor's session", konsole, "(99,)\n", "2"],
  ["Konsole: another's", konsole, "(9,)\n", undefined],
  ["xterm: an ancestor's window", xterm, "98\n", "42"],
  ["xterm: another's window", xterm, "9\n", undefined],
  ["screen: no such window", screen, "Could not find pre-select window.", undefined],
])("which window is the session's: %s", (_, place, answer, id) => {
  expect(find(place, answer)?.id).toBe(id);
});

test("a hardcopy of GNU screen has its signs back only where nothing else can be meant", () => {
  const low = "\0\0\0\n o 1. Yes\n   2. No\no\u00a0Try it\no 3. Maybe\nLLLLLLLLL\nALLLLOWED";
  const show = (cursor: { column: number; row: number }) => terminals.screen.show?.(low, { id: "0", cursor });
  expect(show({ column: 1, row: 1 })).toBe("───\n ❯ 1. Yes\n   2. No\n❯\u00a0Try it\no 3. Maybe\n╌╌╌╌╌╌╌╌╌\nALLLLOWED");
  expect(show({ column: 2, row: 3 })).toContain("❯\u00a0\u001b[2mTry it\u001b[22m");
});
