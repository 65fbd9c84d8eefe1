import { expect, test } from "bun:test";
import { focusPlace, openKeyboard, readPlaces } from "../src/terminal-run.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";

const stat = (program: string, { ppid = 20, device = 34817, start = 77, foreground = 1 } = {}) =>
  `1 (${program}) S ${ppid} 1 1 ${device} ${foreground} ${"0 ".repeat(13)}${start} 0`;
const files = {
  "/proc/30/stat": stat("claude"),
  "/proc/30/environ": "KITTY_LISTEN_ON=unix:/k\0",
  "/proc/20/stat": stat("bash", { ppid: 10 }),
  "/proc/10/stat": stat("kitty", { ppid: 1, device: 0 }),
};
const kitty = (...args: string[]) => ["kitty", "@", "--to", "unix:/k", ...args];
const windows = (...list: [id: number, pid: number][]) =>
  JSON.stringify([{ tabs: [{ windows: list.map(([id, pid]) => ({ id, pid, columns: 90, lines: 30 })) }] }]);

async function open(sys: FakeSys) {
  const place = (await readPlaces(sys, [30])).get(30);
  if (place === undefined) throw new Error("no place");
  return openKeyboard(sys, place);
}
const messageOf = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (error: Error) => error.message,
  );
const gone = "kitty does not show this session any more; nothing was typed";

test("a window is found, read, pasted into and its keys pressed", async () => {
  const sys = createFakeSys({ files });
  sys.expectRun(kitty("ls"), { stdout: windows([1, 9], [4, 20]) });
  const { keyboard, pane } = await open(sys);
  expect(await keyboard.pane(pane)).toMatchObject({ paneId: "4", pid: 30, width: 90, height: 30, isDead: false });
  sys.expectRun(kitty("get-text", "--match", "id:4"), { stdout: "❯ \n" });
  expect((await keyboard.capture(pane))?.text).toBe("❯ \n");
  const send = kitty("send-text", "--match", "id:4", "--stdin");
  sys.expectRun(send, {}, { timeoutMs: 5000, input: "\u001b[200~a\nb\u001b[201~" });
  await keyboard.paste(pane, "a\nb");
  sys.expectRun(send, {}, { timeoutMs: 5000, input: "\u001b\u001b[B\r2\u0003" });
  await keyboard.keys(pane, ["Escape", "Down", "Enter", "2", "C-c"]);
  expect(await messageOf(keyboard.keys(pane, ["Down", "F13"]))).toBe("no terminal but tmux knows the key F13; nothing was pressed");
  sys.done();
});

test.each<[what: string, change: Record<string, string | undefined>]>([
  ["its process has ended", { "/proc/30/stat": undefined }],
  ["its number is another process's", { "/proc/30/stat": stat("claude", { start: 78 }) }],
  ["it is at another tty", { "/proc/30/stat": stat("claude", { device: (136 << 8) | 11 }) }],
  ["it has no tty any more", { "/proc/30/stat": stat("claude", { device: 0 }) }],
  ["another program has the keyboard", { "/proc/30/stat": stat("claude", { foreground: 5 }) }],
])("between look and act: %s", async (_, change) => {
  const sys = createFakeSys({ files });
  sys.expectRun(kitty("ls"), { stdout: windows([4, 20]) });
  const { keyboard, pane } = await open(sys);
  for (const [path, text] of Object.entries(change)) text === undefined ? sys.files.delete(path) : sys.files.set(path, text);
  expect(await messageOf(keyboard.paste(pane, "hello"))).toBe(gone);
  expect(await messageOf(keyboard.keys(pane, ["1"]))).toBe(gone);
  expect(await keyboard.capture(pane)).toBeUndefined();
  sys.done();
});

test.each<[what: string, result: object | Error, message: string]>([
  ["has no window of it", { stdout: windows([1, 9]) }, gone],
  ["does not answer", { code: null }, "kitty refused: kitty did not answer in time"],
  ["refuses", { code: 1, stderr: "Remote control is\u001b[31m disabled\n" }, "kitty refused: Remote control is disabled"],
  ["is not installed", new Error("cannot start"), "kitty cannot be reached: kitty is not on PATH"],
])("a terminal that %s", async (_, result, message) => {
  const sys = createFakeSys({ files });
  sys.expectRun(kitty("ls"), result);
  expect(await messageOf(open(sys))).toBe(message);
  sys.done();
});

test("a Zellij that is too old, or has a namesake, is not typed into", async () => {
  const env = "ZELLIJ_SESSION_NAME=work\0ZELLIJ_PANE_ID=3\0";
  const zellij = { ...files, "/proc/30/environ": env, "/proc/10/stat": stat("zellij", { ppid: 1, device: 0 }) };
  const old = createFakeSys({ files: zellij });
  old.expectRun(["zellij", "--version"], { stdout: "zellij 0.40.1\n" });
  expect(await messageOf(open(old))).toBe("zellij 0.40.1 cannot be told which window is meant; nothing was typed");
  const server = "zellij\0--server\0/run/zellij/work\0";
  const twins = createFakeSys({
    files: { ...zellij, "/proc/10/cmdline": server, "/proc/11/stat": stat("zellij", { ppid: 1, device: 0 }), "/proc/11/cmdline": server },
  });
  twins.list = () => ["30", "20", "10", "11"];
  twins.expectRun(["zellij", "--version"], { stdout: "zellij 0.44.1\n" });
  expect(await messageOf(open(twins))).toBe("two servers of Zellij answer to the session's name; nothing was typed");
});

test("what cannot be brought to the front says why", async () => {
  const sys = createFakeSys({ files: { ...files, "/proc/10/stat": stat("code", { ppid: 1, device: 0 }) } });
  const place = (await readPlaces(sys, [30])).get(30);
  if (place === undefined) throw new Error("no place");
  expect(await messageOf(focusPlace(sys, place))).toBe("VS Code tells other programs nothing of its terminals");
});
