import { expect, test } from "bun:test";
import { parseFlagTable } from "../src/claude-program.ts";
import { openSession, renderCommand } from "../src/restore.ts";
import { createFakeSys } from "./fake-sys.ts";

const flags = parseFlagTable(
  "Options:\n  --model <model>  x\n  --add-dir <directories...>  x\n  -r, --resume [value]  x\n  --verbose  x\n",
);
const session = { sessionId: "0123", cwd: "/app", configDir: "/home/dev/.claude" };
const files = { "/home/dev/.claude.json": "{}" };

test.each<[rule: string, more: object, command: string]>([
  ["nothing known but the conversation", {}, "cd /app && csm --resume 0123"],
  [
    "its flags, not its first prompt nor the choice of a session",
    { args: ["hello", "--resume", "x", "--model", "opus", "--verbose"] },
    "cd /app && csm --resume 0123 --model opus --verbose",
  ],
  ["a flag of many words", { args: ["--add-dir", "/a b", "/c"] }, "cd /app && csm --resume 0123 --add-dir '/a b' /c"],
  ["another config dir", { configDir: "/home/dev/.claude.work" }, "cd /app && CLAUDE_CONFIG_DIR=/home/dev/.claude.work csm --resume 0123"],
  ["a profile in claude's own folder", { profile: "main" }, "cd /app && CSM_PROFILE=main csm --resume 0123"],
  ["quotes", { cwd: "/it's $HOME" }, "cd '/it'\\''s $HOME' && csm --resume 0123"],
  [
    "control characters can not reach a terminal",
    { cwd: "/a\u001b]0;x\u0007'\\\u009b" },
    "cd $'/a\\x1b]0;x\\x07\\'\\\\\\u009b' && csm --resume 0123",
  ],
  ["nor direction marks", { cwd: "/a\u202eb" }, "cd $'/a\\u202eb' && csm --resume 0123"],
])("renderCommand: %s", (_, more, command) => {
  expect(renderCommand(createFakeSys({ files }), { ...session, ...more }, flags)).toBe(command);
});

test("what goes wrong with one conversation is told, and ends nothing", async () => {
  const sys = createFakeSys({ files });
  const refuse = async () => ({ argv: ["tmux", "new-windo"], code: 1, stdout: "", stderr: "no space for another session" });
  expect(await openSession({ ...sys, run: refuse }, session, flags, { kind: "window", name: "x" })).toEqual({
    outcome: "failed",
    reason: "tmux command failed: new-window: no space for another session",
  });
  const missing = async () => {
    throw new Error("ENOENT");
  };
  expect(await openSession({ ...sys, run: missing }, session, flags, { kind: "window", name: "x" })).toEqual({
    outcome: "failed",
    reason: expect.stringMatching(/^tmux is not installed or not on PATH; install it with/),
  });
});
