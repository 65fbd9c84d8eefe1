/** What somebody meets who has just installed csm: mistyped words, the first profiles, a first limit. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findMeant } from "../../src/router.ts";
import { limit } from "../../src/stub-script.ts";
import { claudePath, type Json, until, useBox } from "./harness.ts";

const at = useBox({ login: "subscription" });

/** A claude that says what it is given, and where. */
function fakeClaude(): string {
  const path = join(at.box.dir, "fake-claude");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell is to expand it
  writeFileSync(path, '#!/bin/sh\necho "claude got: $* in ${CLAUDE_CONFIG_DIR-its own folder}"\n');
  chmodSync(path, 0o755);
  return path;
}

const removeProfiles = () => rmSync(join(at.box.home, ".config"), { recursive: true, force: true });

/** A shell in a pane of 80 columns; `shows` waits for a text on it. */
async function openShell(name: string) {
  const { box } = at;
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  // tmux takes PATH from whoever calls it, and nothing else.
  const path = `${join(import.meta.dir, "../../dist")}:${box.env.PATH}`;
  const words = ["new-session", "-d", "-s", name, "-x", "80", "-y", "24", "-c", box.folder(name)];
  const env = ["-e", `CLAUDE_SMART_CLAUDE_BIN=${fakeClaude()}`];
  await box.run(["tmux", "-u", ...words, ...env, "bash --norc --noprofile -i"], { env: { ...box.env, PATH: path } });
  const shows = (text: string) =>
    until(
      `${name} shows ${text}`,
      async () => (await box.screen(name)).includes(text),
      () => box.screen(name),
    );
  await shows("bash-");
  return { shows, keys: (...keys: string[]) => box.keys(name, ...keys), close: () => tmux("kill-session", "-t", `=${name}`) };
}

test("a mistyped word is asked about on a terminal: y is the command, n goes to claude, Ctrl-C to nobody", async () => {
  removeProfiles();
  const shell = await openShell("slips");
  await shell.keys("csm versoin", "Enter");
  await shell.shows("did you mean csm version? n sends it to claude");
  await shell.keys("y");
  await shell.shows("csm 0.");
  await shell.keys("clear", "Enter");
  await shell.keys("csm list", "Enter");
  await shell.shows("did you mean csm ls? n sends it to claude");
  await shell.keys("n");
  await shell.shows("claude got: ");
  expect(await at.box.screen("slips")).toMatch(/claude got: .*list in its own folder/);
  await shell.keys("clear", "Enter");
  await shell.keys("csm usge; echo code=$?", "Enter");
  await shell.shows("did you mean csm usage?");
  await shell.keys("C-c");
  await shell.shows("code=130");
  expect(await at.box.screen("slips")).not.toContain("claude got");
  await shell.close();
});

test("no command that the help of this claude lists is taken for a mistyped one", async () => {
  const help = (await at.box.run([claudePath, "--help"])).stdout;
  const listed = help.slice(help.indexOf("\nCommands:")).matchAll(/^ {2}([a-z][a-z|-]*)/gm);
  const words = [...listed].flatMap(([, names = ""]) => names.split("|"));
  expect(words).toEqual(expect.arrayContaining(["agents", "logs", "stop", "update", "setup-token"]));
  for (const word of words) expect([word, await findMeant([word])]).toEqual([word, undefined]);
});

test.each(["usge", "list", "help me", "usge now"])("off a terminal csm %s goes to claude as it is", async (typed) => {
  removeProfiles();
  const result = await at.box.csm(typed.split(" "), { env: { ...at.box.env, CLAUDE_SMART_CLAUDE_BIN: fakeClaude() } });
  expect(result).toMatchObject({ code: 0, stdout: `claude got: ${typed} in its own folder\n`, stderr: "" });
});

test("profiles are added and claude stays where it was, until somebody says otherwise", async () => {
  removeProfiles();
  mkdirSync(at.box.configDir, { recursive: true });
  const env = { ...at.box.env, CLAUDE_SMART_CLAUDE_BIN: fakeClaude() };
  const where = async () => /in (.*)\n/.exec((await at.box.csm(["-p", "x"], { env })).stdout)?.[1]?.replace(at.box.home, "~");
  for (const name of ["work", "aaa"]) await at.box.csm(["profiles", "add", name]);
  expect(await where()).toBe("its own folder");
  await at.box.csm(["profiles", "use", "work"]);
  await at.box.csm(["profiles", "add", "a"]);
  expect(await where()).toBe("~/.claude.work");
  const removed = await at.box.csm(["profiles", "rm", "work", "--force"]);
  expect(removed.stderr).toContain(`global default → ${at.box.configDir} (claude's own folder)\n`);
  expect(await where()).toBe("its own folder");
  removeProfiles();
});

test("a limit that a session of csd meets is in the log and in the usage", async () => {
  removeProfiles();
  await at.box.spawn("limited", [limit("five_hour", Date.now() + 3_600_000)]);
  await at.box.send("limited", "go on");
  await at.box.reach("limited", "limited");
  const log = await until("the limit is in the log", async () => {
    const { entries } = JSON.parse((await at.box.csm(["log", "--json"])).stdout) as { entries: Json[] };
    return entries.length > 0 ? entries : undefined;
  });
  expect(log).toEqual([expect.objectContaining({ event: "limit", window: "five_hour" })]);
  const usage = JSON.parse((await at.box.csm(["usage", "--json"])).stdout) as { profiles: Record<string, Json> };
  expect(Object.values(usage.profiles).map(({ at_limit: status, session_pct: used }) => [status, used])).toContainEqual([true, 100]);
  await at.box.csd(["kill", "limited"]);
});
