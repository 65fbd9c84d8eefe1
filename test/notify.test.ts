import { expect, test } from "bun:test";
import { notify, planNotification, wrapForTerminal } from "../src/notify.ts";
import { createFakeSys } from "./fake-sys.ts";

type Env = Record<string, string>;
const esc = "\u001b";
const bel = "\u0007";

test.each<[rule: string, env: Env, title: string, body: string, sequence: string]>([
  ["OSC 777 unless told", {}, "limit", "switched", `${esc}]777;notify;limit;switched${bel}`],
  ["iTerm2 takes OSC 9", { TERM_PROGRAM: "iTerm.app" }, "limit", "switched", `${esc}]9;limit: switched${bel}`],
  ["iTerm2 through ssh", { LC_TERMINAL: "iTerm2" }, "limit", "", `${esc}]9;limit${bel}`],
  ["kitty takes OSC 9", { TERM: "xterm-kitty" }, "a", "b", `${esc}]9;a: b${bel}`],
  ["a ; is escaped as by the older csm", {}, "a;b", "x; y;z", `${esc}]777;notify;a,b;x\\; y\\;z${bel}`],
  ["nothing ends the sequence early", {}, `a${bel}b`, `x${esc}\\${esc}]0;evil${bel}y\u009cz\r\n\tw`, `${esc}]777;notify;ab;xyz w${bel}`],
  ["direction marks go", {}, "a", "x\u202ey", `${esc}]777;notify;a;xy${bel}`],
  ["a title there is", {}, "--- ", "x", `${esc}]777;notify;csm;x${bel}`],
  ["long text is cut", {}, "t".repeat(99), "👩".repeat(999), `${esc}]777;notify;${"t".repeat(60)};${"👩".repeat(240)}${bel}`],
])("terminal: %s", (_, env, title, body, sequence) => {
  expect(planNotification("linux", env, title, body).sequence).toBe(sequence);
});

test("a hook's line of JSON holds one whole sequence, whatever the text (100)", () => {
  const { sequence } = planNotification("linux", {}, 'a "b"', `c;d "e" \\ '${esc}]777;notify;x;y${bel}`);
  const line = JSON.stringify({ terminalSequence: sequence });
  expect(line).not.toContain("\n");
  expect((JSON.parse(line) as { terminalSequence: string }).terminalSequence.split(esc)).toHaveLength(2);
});

const osascript = [
  ...["osascript", "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run"],
];

test.each<[rule: string, platform: NodeJS.Platform, env: Env, body: string, argv: string[] | undefined]>([
  ["Linux with X11", "linux", { DISPLAY: ":0" }, "b", ["notify-send", "--app-name=csm", "--", "t", "b"]],
  ["Linux with Wayland", "linux", { WAYLAND_DISPLAY: "wayland-0" }, "b", ["notify-send", "--app-name=csm", "--", "t", "b"]],
  ["markup is text", "linux", { DISPLAY: ":0" }, "<b>&</b>", ["notify-send", "--app-name=csm", "--", "t", "&lt;b&gt;&amp;&lt;/b&gt;"]],
  ["a leading dash is no flag", "linux", { DISPLAY: ":0" }, "--icon=x", ["notify-send", "--app-name=csm", "--", "t", "icon=x"]],
  ["Linux without a display", "linux", {}, "b", undefined],
  ["Linux over ssh", "linux", { DISPLAY: "localhost:10.0", SSH_CONNECTION: "1 2 3 4" }, "b", undefined],
  ["macOS: arguments, no script text", "darwin", {}, '" & (do shell script "x") & "', [...osascript, "t", '" & (do shell script "x") & "']],
  ["macOS over ssh", "darwin", { SSH_TTY: "/dev/ttys001" }, "b", undefined],
  ["a system without a row", "openbsd", { DISPLAY: ":0" }, "b", undefined],
])("desktop: %s", (_, platform, env, body, argv) => {
  expect(planNotification(platform, env, "t", body).desktop?.argv).toEqual(argv as never);
});

test("Windows: the script is fixed, the text comes through the environment", () => {
  const plain = planNotification("win32", {}, "t", "b").desktop;
  const hostile = planNotification("win32", {}, "t", "'; Remove-Item x; $(y) `z").desktop;
  expect(hostile?.argv).toEqual(plain?.argv ?? []);
  expect(hostile?.env).toEqual({ CSM_NOTIFY_TITLE: "t", CSM_NOTIFY_BODY: "'; Remove-Item x; $(y) `z" });
  expect(plain?.argv.slice(0, 4)).toEqual(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command"]);
});

test.each<[rule: string, env: Env, text: string]>([
  ["as it is", {}, `${esc}]9;a${bel}`],
  ["tmux passes it on in an envelope", { TMUX: "/tmp/x,1,0" }, `${esc}Ptmux;${esc}${esc}]9;a${bel}${esc}\\`],
  ["so does screen", { STY: "1.x" }, `${esc}P${esc}]9;a${bel}${esc}\\`],
])("to a terminal of ours: %s", (_, env, text) => {
  expect(wrapForTerminal(env, `${esc}]9;a${bel}`)).toBe(text);
});

const display = { DISPLAY: ":0" };
const argv = ["notify-send", "--app-name=csm", "--", "t", "b"];
const terminal = { isTerminal: () => true };

test.each<[rule: string, env: Env, result: { code: number } | Error | undefined, written: string]>([
  ["the desktop is enough", display, { code: 0 }, ""],
  ["it fails: the terminal", display, { code: 1 }, `${esc}]777;notify;t;b${bel}`],
  ["it is not installed: the terminal", display, new Error("ENOENT"), `${esc}]777;notify;t;b${bel}`],
  ["there is none: the terminal", {}, undefined, `${esc}]777;notify;t;b${bel}`],
])("notify: %s", async (_, env, result, written) => {
  const sys = { ...createFakeSys({ env }), sleep: () => new Promise<void>(() => {}) };
  if (result !== undefined) sys.expectRun(argv, result, { timeoutMs: 2000, env });
  await notify({ ...sys, ...terminal }, "t", "b");
  expect(sys.written[1]).toBe(written);
  sys.done();
});

test("notify: a program that hangs is left after 2 s, and without a terminal nothing is written", async () => {
  const sys = createFakeSys({ env: display });
  await notify({ ...sys, run: () => new Promise(() => {}) }, "t", "b");
  expect([sys.now(), sys.written[1]]).toEqual([2000, ""]);
});
