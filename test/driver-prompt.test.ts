import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { createDriver, findLive, type Target } from "../src/driver.ts";
import { sendPrompt } from "../src/driver-prompt.ts";
import { createSys } from "../src/sys.ts";
import { createTmux, type Pane, type Tmux } from "../src/tmux.ts";
import { createFakeSys } from "./fake-sys.ts";

const stat = `7 (claude) S ${[1, ...Array(17).fill(0)].join(" ")} 70 0`;
const rule = "─".repeat(40);
const pane = { paneId: "%9", pid: 7, isDead: false, width: 220, height: 50 } as Pane;

test.each<[what: string, hasEditor: boolean]>([
  ["a paste", false],
  ["claude's editor key", true],
])("a tmux server that dies after %s is told at once", async (_, hasEditor) => {
  const { uid, makePrivateDir, owner } = createSys();
  // The socket that claude's editor would ask is a real one.
  const fake = createFakeSys({ files: { "/proc/7/stat": stat }, env: { TMPDIR: tmpdir() }, uid });
  const sys = { ...fake, makePrivateDir, owner };
  const done: string[] = [];
  const die = (how: string) => async () => {
    done.push(how);
    // Its end hangs claude up.
    sys.files.delete("/proc/7/stat");
  };
  const capture = async () => (done.length === 0 ? { pane, text: `${rule}\n❯ \n${rule}\n` } : undefined);
  const tmux = { ...createTmux(sys), pane: async () => pane, capture, paste: die("paste"), keys: die("keys") } as Tmux;
  const dir = "/home/dev/.local/state/csd/run/fix";
  const channel = { dir, readEvents: async () => [] } as unknown as NonNullable<Target["channel"]>;
  const target: Target = {
    ...{ name: "fix", keyboard: tmux, pane: "%9", pid: 7, configDir: "/c" },
    ...(hasEditor ? { channel, driven: { has_editor: true } as NonNullable<Target["driven"]> } : {}),
  };
  await expect(sendPrompt(createDriver(sys), target, "go on")).rejects.toThrow('session "fix" is not alive');
  expect([done, sys.now() < 100]).toEqual([[hasEditor ? "keys" : "paste"], true]);
});

test.each([
  ["claude has gone with it", {}, "csd kill fix forgets it"],
  ["claude works on", { "/proc/7/stat": stat }, "tmux has lost it, and its process 7 still runs: csd kill fix ends it"],
])("a pane out of reach: %s", async (_, files, hint) => {
  const driven = {
    name: "fix",
    session_id: "s",
    cwd: "/app",
    backend: "claude",
    jsonl_path: "/t",
    created: 1,
    pane: "%9",
    pid: 7,
    process_start: "70",
  };
  const sys = createFakeSys({ files: { ...files, "/home/dev/.local/state/csd/sessions/fix.json": JSON.stringify(driven) } });
  const run = async (argv: readonly string[]) => ({ argv, code: 1, stdout: "", stderr: "no server running on /tmp/csd" });
  await expect(findLive(createDriver({ ...sys, run }), "fix")).rejects.toMatchObject({ message: 'session "fix" is not alive', hint });
});
