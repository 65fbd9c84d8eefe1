import { describe, expect, test } from "bun:test";
import { quotePosix } from "../src/format.ts";
import { createAsk, createTmux, type Pane, type Tmux, unaliased } from "../src/tmux.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";

const format = [
  ...["#{session_id}", "#{session_name}", "#{pane_id}", "#{pane_active}", "#{pane_pid}", "#{pane_dead}", "#{pane_dead_status}", "#{pid}"],
  ...["#{socket_path}", "#{pane_width}", "#{pane_height}", "#{window_panes}", "#{pane_input_off}"],
].join("␞");
const size = "␞220␞50␞1␞0";
const line = `$1␞fix␞%3␞1␞77␞0␞␞10␞/tmp/tmux-1000/default${size}`;
const pane: Pane = {
  sessionId: "$1",
  sessionName: "fix",
  paneId: "%3",
  isActive: true,
  pid: 77,
  isDead: false,
  serverPid: 10,
  socketPath: "/tmp/tmux-1000/default",
  width: 220,
  height: 50,
  isAlone: true,
  isLocked: false,
};
type Result = Parameters<FakeSys["expectRun"]>[1];
const failed = (stderr: string, code: number | null = 1) => ({ code, stderr });

const noServer = failed("no server running on /tmp/tmux-1000/default\n");
const noSocket = failed("error connecting to /tmp/tmux-1000/default (No such file or directory)\n");
const refused = failed("error connecting to /tmp/tmux-1000/default (Connection refused)\n");
const denied = failed("error connecting to /tmp/tmux-1000/default (Permission denied)\n");
const noPane = failed("can't find pane: %9\n");
const noWindow = failed("can't find window: fix\n");
const noSession = failed("can't find session: $9\n");
const tooLate = failed("", null);

/** Runs one call against the commands that it must make, in order. */
async function run<T>(
  commands: [argv: string[], result?: Result, input?: string][],
  call: (tmux: Tmux) => Promise<T>,
  socketPath?: string,
) {
  const sys = createFakeSys();
  for (const [argv, result, input] of commands) {
    const timeoutMs = argv[0] === "start-server" || argv.includes("new-session") ? 6000 : 3000;
    sys.expectRun(["tmux", "-u", ...unaliased(argv)], result, { timeoutMs, ...(input === undefined ? {} : { input }) });
  }
  try {
    return await call(createTmux(sys, socketPath));
  } finally {
    sys.done();
  }
}

/** What the fake system makes as its first random id. */
const mark = "00000000-0000-4000-8000-000000000001";
const panesOf = (target: string) => ["list-panes", "-t", target, "-F", format];
const capture = (target: string, ...flags: string[]) => [
  ...[...panesOf(target), ";", "display-message", "-p", mark, ";"],
  ...["capture-pane", "-p", ...flags, "-t", target],
];
const allPanes = ["list-panes", "-a", "-F", format];
const second = { ...pane, paneId: "%4", isActive: false, pid: 78 };
const secondLine = `$1␞fix␞%4␞0␞78␞0␞␞10␞/tmp/tmux-1000/default${size}`;

test("openWindow: beside this program, and shown at once", async () => {
  const argv = ["new-window", "-P", "-F", format, "-n", "fix", "-c", "/a##b", "csm", "x"];
  expect(await run([[argv, { stdout: `${line}\n` }]], (tmux) => tmux.openWindow({ name: "fix", cwd: "/a#b", argv: ["csm", "x"] }))).toEqual(
    pane,
  );
});

describe("create", () => {
  const option = "@csd-00000000-0000-4000-8000-000000000001";
  const early = [
    ...["session-created", "session-window-changed", "window-linked", "window-renamed", "window-resized", "window-layout-changed"],
    ...["pane-died", "pane-exited", "pane-mode-changed", "pane-title-changed"],
  ];
  const script = (name: string, cwd: string) => {
    const own = (name: string, value: string) => ["set-option", "-q", "-p", "-t", `=${stored}:`, name, value];
    const stored = name.replaceAll(".", "_");
    const keep = [
      'd=$(mktemp -d) && mkfifo "$d/f" && { tmux -S #{q:socket_path} run-shel "echo > $d/f; while kill -0 #{pane_pid} 2>/dev/null; do',
      'sleep 2; done" >/dev/null 2>&1 & read -r _ < "$d/f"; rm -r "$d"; }',
    ].join(" ");
    return [
      ["set-option", "-gu", option],
      ...[["new-session", "-d", "-s", stored, "-x", "220", "-y", "50", "-c", cwd, "/opt/csm", "csd", "--csd-launch", "/tmp/a.json"]],
      ...[own("destroy-unattached", "off"), own("remain-on-exit", "on"), own("remain-on-exit-format", "Pane is dead")],
      ...[own("synchronize-panes", "off"), own("alternate-screen", "on"), own("pane-border-status", "off"), own("pane-scrollbars", "off")],
      ...[own("aggressive-resize", "off"), own("@csd", "on"), ...early.map((hook) => own(hook, ""))],
      ["resize-window", "-t", `=${stored}:`, "-x", "220", "-y", "50"],
      ["if-shell", "-F", "#{exit-unattached}", ["run-shel", "-t", `=${stored}:`, keep].map(quotePosix).join(" ")],
      ["display-message", "-p", "-t", `=${stored}:`, format],
    ];
  };
  const quoted = (commands: string[][]) => commands.map((words) => unaliased(words).map(quotePosix).join(" ")).join(" ; ");
  const hooks: [string[], Result] = [
    ["show-hooks", "-g", ";", "show-hooks", "-gw"],
    { stdout: "after-new-window\nsession-created[0] kill-session\nsession-created[1] display-message x\npane-died\n" },
  ];
  const windowSize = (value = "latest"): [string[], Result] => [
    ["start-server", ";", "show-options", "-gwv", "window-size"],
    { stdout: `${value}\n` },
  ];
  const made = (name: string, cwd: string): string[] => [
    ...["start-server", ";", "set-option", "-g", option, quoted(script(name, cwd)), ";", "set-hook", "-R", option],
  ];
  const make = (name: string, cwd: string, result: Result = { stdout: `${line}\n` }): [string[], Result][] => [
    windowSize(),
    [made(name, cwd), result],
  ];
  const settle = (result: Result = { stdout: `${line}\n` }): [string[], Result] => [
    [
      ...["after-new-window", "session-created", "pane-died"].flatMap((hook) => ["set-option", "-q", "-p", "-t", "%3", hook, "", ";"]),
      ...["resize-window", "-t", "%3", "-x", "220", "-y", "50", ";", ...panesOf("%3")],
    ],
    result,
  ];
  const session = { name: "fix", cwd: "/app", width: 220, height: 50, argv: ["/opt/csm", "csd", "--csd-launch", "/tmp/a.json"] };

  test("the session is made with all that is its own where no hook runs, then every hook is emptied in it, and its size read back", async () => {
    expect(await run([...make("fix", "/app"), hooks, settle()], (tmux) => tmux.create(session))).toEqual(pane);
  });

  test.each<[rule: string, cwd: string, given: string]>([
    ["a # of the folder stays itself", "/a#{b}#", "/a##{b}##"],
    ["a quote and a ; of the folder end nothing", "/a';b;", "/a';b;"],
  ])("%s", async (_, cwd, given) => {
    expect(await run([...make("fix", given), hooks, settle()], (tmux) => tmux.create({ ...session, cwd }))).toEqual(pane);
  });

  test("tmux 3.1 knows no hook of one's own and says nothing: the commands are run as they are", async () => {
    const plain = script("fix", "/a;").flatMap((words) => [...words.map((word) => word.replace(/;$/, "\\;")), ";"]);
    const calls: [string[], Result][] = [...make("fix", "/a;", {}), [plain.slice(0, -1), { stdout: line }], hooks, settle()];
    expect(await run(calls, (tmux) => tmux.create({ ...session, cwd: "/a;" }))).toEqual(pane);
  });

  test("3.3a crashes where a window is made while all sizes are fixed: for that moment they are not", async () => {
    const size = (value: string) => ["set-option", "-gw", "window-size", value];
    const words = made("fix", "/app");
    const argv = [...words.slice(0, -3), ...size("latest"), ";", "set-hook", "-R", option, ";", ...size("manual")];
    expect(await run([windowSize("manual"), [argv, { stdout: line }], hooks, settle()], (tmux) => tmux.create(session))).toEqual(pane);
  });

  test("a server that is just ending is asked again", async () => {
    const ending: [string[], Result] = [made("fix", "/app"), failed("server exited unexpectedly\n")];
    const calls = [windowSize(), ending, ending, [made("fix", "/app"), { stdout: line }] as [string[], Result], hooks, settle()];
    expect(await run(calls, (tmux) => tmux.create(session))).toEqual(pane);
  });

  test("a name is what every tmux stores", async () => {
    const stored = line.replace("fix", "we_ird");
    const calls = [...make("we.ird", "/app", { stdout: stored }), hooks, settle({ stdout: stored })];
    expect((await run(calls, (tmux) => tmux.create({ ...session, name: "we.ird" }))).sessionName).toBe("we_ird");
  });

  test.each<[rule: string, result: Result, message: string, hint: string | undefined]>([
    ["a taken name", failed("duplicate session: fix\n"), 'session "fix" already exists', "choose another --name, or kill it first"],
    [
      "any other failure, with its words",
      failed("no space for new pane\n"),
      "tmux command failed: new-session: no space for new pane",
      undefined,
    ],
    ["a failure without words", failed("", 7), "tmux command failed: new-session: exit code 7", undefined],
    [
      "no answer in time",
      tooLate,
      "tmux command failed: new-session: it did not answer in time",
      "is the server at the usual socket stopped?",
    ],
  ])("fails: %s", async (_, result, message, hint) => {
    const call = run([...make("fix", "/app", result)], (tmux) => tmux.create(session));
    await expect(call).rejects.toThrow(expect.objectContaining({ name: "UserError", message, hint }));
  });

  test.each<[rule: string, result: Result, what: string]>([
    ["has another size", { stdout: line.replace("220␞50", "80␞24") }, "gave it 80x24 instead of 220x50"],
    ["has gone", noPane, "ended it at once"],
  ])("what came out is checked: the pane %s", async (_, result, what) => {
    const call = run([...make("fix", "/app"), hooks, settle(result), [["kill-pane", "-t", "%3"]]], (tmux) => tmux.create(session));
    await expect(call).rejects.toThrow(`session "fix" cannot be used: tmux ${what}`);
  });
});

test("an alias of a command's name is never met", () => {
  expect(unaliased(["list-panes", "-t", "new-window", ";", "send-keys", "a-b", ";", "/opt/a-b"])).toEqual([
    ...["list-pane", "-t", "new-window", ";", "send-key", "a-b", ";", "/opt/a-b"],
  ]);
});

describe("pane", () => {
  test.each<[rule: string, target: string, stdout: string, found: Pane | undefined]>([
    ["by its id", "%3", `${line}\n`, pane],
    ["by its id among others of its window", "%4", `${line}\n${secondLine}\n`, second],
    ["never another one of its window", "%9", `${line}\n${secondLine}\n`, undefined],
    ["nor one whose id begins alike", "%", `${line}\n`, undefined],
    ["by the exact name of its session: the active one", "=fix:", `${secondLine}\n${line}\n`, pane],
    [
      "a dead one with its code",
      "%3",
      `$1␞fix␞%3␞1␞77␞1␞2␞10␞/tmp/x${size}\n`,
      { ...pane, isDead: true, exitCode: 2, socketPath: "/tmp/x" },
    ],
    ["a name of two words", "%3", line.replace("fix", "fix it: 1"), { ...pane, sessionName: "fix it: 1" }],
  ])("%s", async (_, target, stdout, found) => {
    expect(await run([[panesOf(target), { stdout }]], (tmux) => tmux.pane(target))).toEqual(found);
  });

  test("no guess from too few fields, as without -u", async () => {
    const stdout = "$1_fix_%3_1_77_0__10_/tmp/tmux-1000/default";
    await expect(run([[panesOf("%3"), { stdout }]], (tmux) => tmux.pane("%3"))).rejects.toThrow(/^tmux answered what is no pane: /);
  });
});

describe("names as others make them", () => {
  const named = (name: string) => line.replace("fix", () => name);
  test.each([
    ["the separator", "a␞b"],
    ["nothing but separators", "␞␞␞␞␞␞␞␞␞"],
    ["a whole line", line],
    ["the rest of a line", "x␞%9␞1␞999␞0␞␞10␞/tmp/other"],
    ["signs of formats and shells", "#{pid}$(id);'\""],
  ])("%s", async (_, name) => {
    expect(await run([[allPanes, { stdout: `${named(name)}\n${secondLine}\n` }]], (tmux) => tmux.list())).toEqual([
      { ...pane, sessionName: name },
      second,
    ]);
  });

  test("a line that is none of a pane costs no other", async () => {
    const stdout = `$1␞two\nlines␞%3␞1␞77␞0␞␞10␞/tmp/x\n${secondLine}\n`;
    expect(await run([[allPanes, { stdout }]], (tmux) => tmux.list())).toEqual([second]);
  });
});

const absences: [rule: string, result: Result][] = [
  ["no server", noServer],
  ["no socket", noSocket],
  ["nobody at the socket", refused],
  ["no such pane", noPane],
  ["no such session", noSession],
  ["no such window", noWindow],
  ["the server ended meanwhile", failed("server exited unexpectedly\n")],
];
const errors: [rule: string, result: Result, reason: string][] = [
  ["a socket that may not be opened", denied, "error connecting to /tmp/tmux-1000/default (Permission denied)"],
  ["a server that hangs", tooLate, "it did not answer in time"],
  ["an option that tmux does not know", failed("unknown flag -e\n"), "unknown flag -e"],
];

describe("absence is a value, failure is an error", () => {
  test.each(absences)("pane: %s", async (_, result) => {
    expect(await run([[panesOf("%9"), result]], (tmux) => tmux.pane("%9"))).toBeUndefined();
  });

  test.each(absences)("capture: %s", async (_, result) => {
    expect(await run([[capture("%9"), result]], (tmux) => tmux.capture("%9"))).toBeUndefined();
  });

  test.each(absences)("list: %s", async (_, result) => {
    expect(await run([[allPanes, result]], (tmux) => tmux.list())).toEqual([]);
  });

  test.each(absences)("kill: %s", async (_, result) => {
    expect(await run([[["kill-session", "-t", "$9"], result]], (tmux) => tmux.kill("$9"))).toBeUndefined();
  });

  test.each(errors)("pane: %s", async (_, result, reason) => {
    const call = run([[panesOf("%9"), result]], (tmux) => tmux.pane("%9"));
    await expect(call).rejects.toThrow(
      expect.objectContaining({ name: "UserError", message: `tmux command failed: list-panes: ${reason}` }),
    );
  });

  test.each(errors)("list: %s", async (_, result, reason) => {
    const call = run([[allPanes, result]], (tmux) => tmux.list());
    await expect(call).rejects.toThrow(`tmux command failed: list-panes: ${reason}`);
  });

  test.each(errors)("kill: %s", async (_, result, reason) => {
    const call = run([[["kill-session", "-t", "$9"], result]], (tmux) => tmux.kill("$9"));
    await expect(call).rejects.toThrow(`tmux command failed: kill-session: ${reason}`);
  });

  test.each([
    ...absences.map(([rule, result]): [string, Result] => [rule, result]),
    ...errors.map(([rule, result]): [string, Result] => [rule, result]),
  ])("keys go nowhere, and that is said: %s", async (_, result) => {
    await expect(
      run([[["copy-mode", "-q", "-t", "%9", ";", "send-keys", "-t", "%9", "1"], result]], (tmux) => tmux.keys("%9", ["1"])),
    ).rejects.toThrow(/^tmux command failed: copy-mode: /);
  });

  test.each<[platform: NodeJS.Platform, hint: string]>([
    ["linux", "install it with: sudo apt-get install tmux (Debian, Ubuntu), sudo dnf install tmux (Fedora), sudo pacman -S tmux (Arch)"],
    ["darwin", "install it with: brew install tmux"],
    ["win32", "csd needs tmux: run it inside WSL"],
    ["freebsd", "install tmux with your system's package manager"],
  ])("tmux is missing on %s", async (platform, hint) => {
    const sys = createFakeSys({ platform });
    sys.expectRun(["tmux", "-u", "list-pane", "-a", "-F", format], new Error("ENOENT"));
    const error = { name: "UserError", message: "tmux is not installed or not on PATH", hint };
    await expect(createTmux(sys).list()).rejects.toThrow(expect.objectContaining(error));
    sys.done();
  });
});

test.each<[rule: string, commands: [string[], Result?, string?][], call: (tmux: Tmux) => Promise<unknown>, answer: unknown]>([
  ["the version", [[["-V"], { stdout: "tmux 3.3a\n" }]], (tmux) => tmux.readVersion(), "tmux 3.3a"],
  [
    "list: all panes of the server in one call",
    [[allPanes, { stdout: `${line}\n${secondLine}\n` }]],
    (tmux) => tmux.list(),
    [pane, second],
  ],
  [
    "capture: pane and screen in one call, blank lines kept",
    [[capture("%3"), { stdout: `${line}\n${mark}\n\n❯ hi\n\n` }]],
    (tmux) => tmux.capture("%3"),
    { pane, text: "\n❯ hi\n\n" },
  ],
  [
    "capture: with colours",
    [[capture("%3", "-e"), { stdout: `${line}\n${mark}\n\u001b[2mx\n` }]],
    (tmux) => tmux.capture("%3", true),
    { pane, text: "\u001b[2mx\n" },
  ],
  [
    "capture: a mark on the screen stays on it",
    [[capture("%3"), { stdout: `${line}\n${mark}\na\n${mark}\nb\n` }]],
    (tmux) => tmux.capture("%3"),
    { pane, text: `a\n${mark}\nb\n` },
  ],
  [
    "capture: a screen of another pane of the window is none",
    [[capture("%9"), { stdout: `${line}\n${mark}\n❯ hi\n` }]],
    (tmux) => tmux.capture("%9"),
    undefined,
  ],
  [
    "paste: through a buffer of its own, on stdin, bracketed, line feeds kept",
    [
      [
        [
          ...["copy-mode", "-q", "-t", "%3", ";", "load-buffer", "-b", "csd-00000000-0000-4000-8000-000000000001", "-", ";"],
          ...["paste-buffer", "-d", "-p", "-r", "-b", "csd-00000000-0000-4000-8000-000000000001", "-t", "%3"],
        ],
        {},
        "a;\nb\t'$(x)'",
      ],
    ],
    (tmux) => tmux.paste("%3", "a;\nb\t'$(x)'"),
    undefined,
  ],
  [
    "keys: all in one call",
    [[["copy-mode", "-q", "-t", "%3", ";", "send-keys", "-t", "%3", "Down", "Enter"]]],
    (tmux) => tmux.keys("%3", ["Down", "Enter"]),
    undefined,
  ],
  ["setRemain on", [[["set-option", "-p", "-t", "%3", "remain-on-exit", "on"]]], (tmux) => tmux.setRemain("%3", true), undefined],
  [
    "setRemain off; a pane that is gone has nothing to keep",
    [[["set-option", "-p", "-t", "%3", "remain-on-exit", "off"], noPane]],
    (tmux) => tmux.setRemain("%3", false),
    undefined,
  ],
  ["kill: a whole session by its id", [[["kill-session", "-t", "$1"]]], (tmux) => tmux.kill("$1"), undefined],
  ["kill: a pane", [[["kill-pane", "-t", "%3"]]], (tmux) => tmux.kill("%3"), undefined],
  [
    "resize: the window, to what is given",
    [[["resize-window", "-t", "%3", "-x", "220", "-y", "50"]]],
    (tmux) => tmux.resize("%3", 220, 50),
    undefined,
  ],
])("%s", async (_, commands, call, answer) => {
  expect(await run(commands, call)).toEqual(answer);
});

test("a socket is named in every call", async () => {
  expect(await run([[["-S", "/tmp/s", ...unaliased(panesOf("%3"))], { stdout: line }]], (tmux) => tmux.pane("%3"), "/tmp/s")).toEqual(pane);
});

describe("captureAll", () => {
  const screens = (...ids: string[]) =>
    ids.flatMap((id, index) => [...(index === 0 ? [] : [";"]), "display-message", "-p", mark, ";", "capture-pane", "-p", "-t", id]);
  const lines = (...ids: string[]) => ids.map((id) => `${line.replace("%3", id)}\n`).join("");
  const shown = (id: string) => `${mark}\nscreen ${id}\n`;
  const found = (...ids: string[]) => new Map(ids.map((id) => [id, { pane: { ...pane, paneId: id }, text: `screen ${id}\n` }]));

  test.each<[rule: string, targets: string[], commands: [string[], Result?][], captures: ReturnType<typeof found>]>([
    [
      "one",
      ["%1"],
      [
        [allPanes, { stdout: lines("%1") }],
        [screens("%1"), { stdout: shown("%1") }],
      ],
      found("%1"),
    ],
    [
      "several, in one call for their screens",
      ["%1", "%2"],
      [
        [allPanes, { stdout: lines("%1", "%2", "%3") }],
        [screens("%1", "%2"), { stdout: shown("%1") + shown("%2") }],
      ],
      found("%1", "%2"),
    ],
    [
      "one that is gone is left out",
      ["%1", "%9", "%2"],
      [
        [allPanes, { stdout: lines("%1", "%2") }],
        [screens("%1", "%2"), { stdout: shown("%1") + shown("%2") }],
      ],
      found("%1", "%2"),
    ],
    ["all are gone", ["%8", "%9"], [[allPanes, { stdout: lines("%1") }]], found()],
    ["no server", ["%1"], [[allPanes, noServer]], found()],
    [
      "one that goes between the two calls is left out as well",
      ["%1", "%9"],
      [
        [allPanes, { stdout: lines("%1", "%9") }],
        [screens("%1", "%9"), { ...noPane, stdout: `${shown("%1")}${mark}\n` }],
      ],
      found("%1"),
    ],
  ])("%s", async (_, targets, commands, captures) => {
    expect(await run(commands, (tmux) => tmux.captureAll(targets))).toEqual(captures);
  });

  test("a screen that guesses at a mark forges no other pane's screen", async () => {
    const commands: [string[], Result][] = [
      [allPanes, { stdout: lines("%1", "%2") }],
      [screens("%1", "%2"), { stdout: `${mark}\n● 00000000-0000-4000-8000-000000000002\n ❯ 1. Yes\n${shown("%2")}` }],
    ];
    expect((await run(commands, (tmux) => tmux.captureAll(["%1", "%2"]))).get("%2")?.text).toBe("screen %2\n");
  });

  test.each(errors)("an error: %s", async (_, result, reason) => {
    const call = run([[allPanes, result]], (tmux) => tmux.captureAll(["%1"]));
    await expect(call).rejects.toThrow(`tmux command failed: list-panes: ${reason}`);
  });
});

describe("several servers", () => {
  const answering = (sockets: readonly string[]) => {
    const asked: string[] = [];
    const answers = new Map<string, () => void>();
    const sys = {
      ...createFakeSys(),
      run(argv: readonly string[]) {
        const socket = argv[3] ?? "";
        asked.push(socket);
        const result = { argv, code: 0, stdout: `${line}\n`, stderr: "" };
        if (!sockets.includes(socket)) return Promise.resolve(result);
        const { promise, resolve } = Promise.withResolvers<typeof result>();
        answers.set(socket, () => resolve(result));
        return promise;
      },
    };
    return { ask: createAsk(sys), asked, answer: (socket: string) => answers.get(socket)?.() };
  };

  test("one that is silent holds nobody up, is asked once at a time, and is heard again when it answers", async () => {
    const { ask, asked, answer } = answering(["/hung"]);
    const panes = (socket: string) => ask(socket, (tmux) => tmux.list());
    const look = () => Promise.all([panes("/hung"), panes("/well")]);
    expect(await look()).toEqual([undefined, [pane]]);
    expect(await look()).toEqual([undefined, [pane]]);
    expect(asked.filter((socket) => socket === "/hung")).toHaveLength(1);
    answer("/hung");
    await Bun.sleep(1);
    expect(await panes("/hung")).toBeUndefined();
    answer("/hung");
    await Bun.sleep(1);
    const heard = panes("/hung");
    answer("/hung");
    expect(await heard).toEqual([pane]);
  });

  test("one that is gone is no reason to fail", async () => {
    const sys = createFakeSys();
    sys.expectRun(["tmux", "-u", "-S", "/x", "list-panes", "-a", "-F", format], denied);
    expect(await createAsk(sys)("/x", (tmux) => tmux.list())).toBeUndefined();
    expect(await createAsk(sys)("/y", (tmux) => tmux.list())).toBeUndefined();
  });
});
