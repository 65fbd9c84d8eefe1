import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limit, type ModelRequest, type Reply, type Step, say, useTool } from "../../src/stub-script.ts";
import { type Box, claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox({ login: "subscription" });
const hour = 3_600_000;

/** Accounts, each with a header of its own by which the model's requests tell them apart. */
function addProfiles(box: Box, names: readonly string[]): void {
  const dir = join(box.home, ".config/claude-as");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "profiles.json"), JSON.stringify(Object.fromEntries(names.map((name) => [name, dirOf(box, name)]))));
  writeFileSync(join(dir, "default"), `${names[0]}\n`);
  for (const name of names) {
    mkdirSync(dirOf(box, name), { recursive: true });
    copyFileSync(join(box.home, ".claude.json"), join(dirOf(box, name), ".claude.json"));
    writeFileSync(join(dirOf(box, name), "settings.json"), JSON.stringify({ env: { ANTHROPIC_CUSTOM_HEADERS: `x-profile: ${name}` } }));
  }
}
const dirOf = (box: Box, name: string) => join(box.home, `.claude.${name}`);

/** A shell in a terminal of its own, and csm started in it as a user would. */
async function start(name: string, profiles: readonly string[], steps: Step[], words: string, env: Record<string, string> = {}) {
  const { box } = sandbox;
  box.sys.remove(join(box.home, ".local/state/csm"));
  for (const profile of ["one", "two", "three"]) {
    try {
      chmodSync(join(dirOf(box, profile)), 0o700);
    } catch {
      // Not made yet.
    }
    box.sys.remove(dirOf(box, profile));
  }
  addProfiles(box, profiles);
  const id = crypto.randomUUID();
  box.stub.script(id, steps);
  const folder = box.folder(name);
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  await tmux("new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", folder, "bash --norc");
  const script = join(box.dir, `${name}.sh`);
  const variables = Object.entries(env).map(([key, value]) => `${key}='${value}' `);
  writeFileSync(script, `${variables.join("")}${csmPath} --session-id ${id} ${words}\necho "ended with $?"\n`);
  await box.keys(name, `bash ${script}`, "Enter");
  const requests = () => box.stub.requests.filter((request) => request.sessionId === id && request.isMainThread);
  return {
    ...{ box, id, folder, name },
    requests,
    profilesAsked: () => requests().map(({ headers }) => headers["x-profile"]),
    screen: () => box.screen(name),
    shows: (text: string) =>
      until(
        `${name} shows ${text}`,
        async () => (await box.screen(name)).includes(text),
        () => box.screen(name),
      ),
    say: async (text: string) => {
      // An Enter before claude is ready is lost.
      await until(`${name} is idle`, () => sessionFile(box, profiles, id)?.text.includes('"status":"idle"'));
      await box.keys(name, "-l", text);
      await box.keys(name, "Enter");
    },
    journal: async () => (JSON.parse((await box.csm(["log", "--json"])).stdout) as { entries: Json[] }).entries,
    /** The line of the running claude. */
    words: async () => {
      const pid = await until("a session file", () => livePid(box, profiles, id));
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    },
    quit: async () => {
      const code = async () => /ended with (\d+)/.exec(await box.screen(name))?.[1];
      // The first ones may clear a draft or cancel what claude waits for.
      await until(
        `${name} has ended`,
        async () => {
          // The shell itself would take it for the end of its whole line.
          if (livePid(box, profiles, id) !== undefined) await box.keys(name, "C-c");
          await Bun.sleep(300);
          return code();
        },
        () => box.screen(name),
      );
      return code();
    },
  };
}

function sessionFile(box: Box, profiles: readonly string[], id: string): { pid: string; text: string } | undefined {
  for (const profile of profiles) {
    const dir = join(dirOf(box, profile), "sessions");
    for (const file of box.sys.list(dir).filter((entry) => entry.endsWith(".json"))) {
      const text = box.sys.readText(join(dir, file)) ?? "";
      if (text.includes(id)) return { pid: file.slice(0, -".json".length), text };
    }
  }
  return undefined;
}

const livePid = (box: Box, profiles: readonly string[], id: string) => sessionFile(box, profiles, id)?.pid;

const texts = (request: ModelRequest | undefined) => JSON.stringify(request?.body.messages ?? []);

/** A claude that finds these managed settings, which stand in a folder that only it sees: nothing of the machine's is written. */
function claudeUnder(box: Box, settings: Json): string {
  const [etc, path] = [join(box.dir, "etc"), join(box.dir, "managed-claude")];
  const own = process.getuid?.() === 0 ? "unshare -m" : "unshare -rm";
  const lines = [
    `mkdir -p '${etc}/claude-code' && cp -a /etc/. '${etc}' 2>/dev/null`,
    `printf %s '${JSON.stringify(settings)}' > '${etc}/claude-code/managed-settings.json'`,
    `exec ${own} sh -c 'mount --make-rprivate / && mount --bind "$0" /etc && exec "$@"' '${etc}' '${claudePath}' "$@"`,
  ];
  writeFileSync(path, `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
  return path;
}

describe("a usage limit where hooks are switched off", () => {
  test.each<[where: string, project: Json, managed: Json | undefined, reason: RegExp]>([
    ["in the project", { disableAllHooks: true }, undefined, /disableAllHooks in .*settings\.local\.json/],
    ["by managed settings", {}, { allowManagedHooksOnly: true }, /^$/],
  ])("%s: goes on under the other account by the transcript, and the journal has it", async (_, project, managed, reason) => {
    const { box } = sandbox;
    const folder = box.folder("unhooked");
    mkdirSync(join(folder, ".claude"), { recursive: true });
    writeFileSync(join(folder, ".claude/settings.local.json"), JSON.stringify(project));
    const env: Record<string, string> = managed === undefined ? {} : { CLAUDE_SMART_CLAUDE_BIN: claudeUnder(box, managed) };
    const steps = [say("First answer."), limit("five_hour", Date.now() + hour), say("Answer of the other account.")];
    const session = await start("unhooked", ["one", "two"], steps, "-- 'First question'", env);
    await session.shows("First answer.");
    await session.say("Second question");
    await session.shows("Answer of the other account.");
    expect(session.profilesAsked()).toEqual(["one", "one", "two"]);
    expect(await session.journal()).toMatchObject([
      { event: "limit", session: session.id, from: "one", window: "five_hour" },
      { event: "switch", session: session.id, from: "one", to: "two" },
    ]);
    // No hook has run: csm's own would have left a trace in the folder that it watches.
    const runs = box.sys.findFiles(join(box.home, ".local/state/csm/run"), "events.jsonl");
    expect(runs.map((path) => box.sys.readText(path))).toEqual([]);
    const log = await box.csm(["log"], { cwd: folder });
    expect(log.stderr).toMatch(reason);
    expect(await session.quit()).toBe("0");
    await box.run(["tmux", "kill-session", "-t", "=unhooked"]);
  });

  test("csm setup says so before it writes", async () => {
    const { box } = sandbox;
    addProfiles(box, ["one"]);
    writeFileSync(join(dirOf(box, "one"), "settings.json"), JSON.stringify({ disableAllHooks: true }));
    const shown = await box.csm(["setup", "--profile", "one", "--dry-run"]);
    expect(shown.stderr).toContain(`hooks are switched off (disableAllHooks in ${dirOf(box, "one")}/settings.json)`);
    expect(shown.stderr).toContain("claude runs the hook and the status line only once that is changed");
    const undone = await box.csm(["setup", "--profile", "one", "--undo"]);
    expect(undone.stderr).not.toContain("switched off");
  });
});

describe("a usage limit in a session of csm", () => {
  test("goes on under the other account, in the same terminal, with all flags", async () => {
    const steps = [say("First answer."), limit("five_hour", Date.now() + hour), say("Answer of the other account.")];
    sandbox.box.folder("extra");
    const flags = "--permission-mode manual --add-dir ../extra --model opus --mcp-config '{\"mcpServers\":{}}' -- 'First question'";
    const session = await start("switch", ["one", "two"], steps, flags);
    await session.shows("First answer.");
    await session.say("Second question");
    await session.shows("Answer of the other account.");
    expect(session.profilesAsked()).toEqual(["one", "one", "two"]);
    const last = texts(session.requests().at(-1));
    for (const part of ["First question", "First answer.", "Second question", "goes on under account two"]) expect(last).toContain(part);
    const words = await session.words();
    for (const flag of ["--permission-mode manual", "--add-dir ../extra", "--model opus", '--mcp-config {"mcpServers":{}}'])
      expect(words.join(" ")).toContain(flag);
    expect(words).not.toContain("First question");
    expect(await session.journal()).toMatchObject([
      { event: "limit", session: session.id, from: "one", window: "five_hour" },
      { event: "switch", session: session.id, from: "one", to: "two" },
    ]);
    // The limited account is known as such.
    const usage = JSON.parse((await session.box.csm(["usage", "--json", "--no-fetch"])).stdout) as { profiles: Record<string, Json> };
    expect(usage.profiles.one).toMatchObject({ session_pct: 100 });

    // Ctrl-Z and fg, a new size, and the exit code are as they would be without csm.
    await session.box.keys("switch", "C-z");
    await session.shows("Stopped");
    await session.box.keys("switch", "fg", "Enter");
    await until("it is back", async () => !(await session.screen()).includes("Stopped"));
    await session.box.run(["tmux", "resize-window", "-t", "=switch:", "-x", "90", "-y", "30"]);
    await until(
      "it fills the new width",
      async () => (await session.screen()).split("\n").some((line) => /^─{90}$/.test(line)),
      session.screen,
    );
    expect(await session.quit()).toBe("0");
    expect(await session.screen()).toContain("csm: one is at its usage limit; going on in two");
    expect(
      (await session.box.run(["tmux", "display-message", "-p", "-t", "=switch:", "#{alternate_on} #{cursor_flag}"])).stdout.trim(),
    ).toBe("0 1");
  });

  test("twice: to the third account, and then it waits", async () => {
    const limited = () => limit("five_hour", Date.now() + hour);
    const session = await start("twice", ["one", "two", "three"], [limited(), limited(), limited()], "-- Question");
    await until("all three are asked", () => session.requests().length === 3 && session.profilesAsked());
    await until("it waits", async () => (await session.journal()).at(-1)?.event === "wait");
    expect(session.profilesAsked().toSorted()).toEqual(["one", "three", "two"]);
    expect((await session.journal()).at(-1)).toMatchObject({ reason: "no other account has room; claude goes on" });
    await session.shows("continuing automatically");
    await session.quit();
  });

  test("the policy of the profile holds: stop leaves the session as it is", async () => {
    const { box } = sandbox;
    mkdirSync(join(box.home, ".config/claude-smart"), { recursive: true });
    const config = join(box.home, ".config/claude-smart/config.json");
    writeFileSync(config, JSON.stringify({ limit: { profiles: { one: { policy: "stop" } } } }));
    const session = await start("stop", ["one", "two"], [limit("five_hour", Date.now() + hour)], "-- Question");
    await until("it is told", async () => (await session.journal()).at(-1)?.event === "stop");
    expect(session.profilesAsked()).toEqual(["one"]);
    await session.quit();
    box.sys.remove(config);
  });

  test("an account that cannot be written is passed over; the session stays, with a line that says why", async () => {
    const { box } = sandbox;
    const other = { project: "projects is a file" };
    const session = await start("sealed", ["one", "two"], [say("Hello."), limit("five_hour", Date.now() + hour)], "-- Question");
    await session.shows("Hello.");
    writeFileSync(join(dirOf(box, "two"), "projects"), other.project);
    await session.say("Again");
    await until("it is told", async () => (await session.journal()).some(({ event }) => event === "wait"));
    expect(await session.journal()).toMatchObject([{ event: "limit" }, { event: "refused", to: "two" }, { event: "wait", from: "one" }]);
    expect(session.profilesAsked()).toEqual(["one", "one"]);
    expect(await session.quit()).toBe("0");
    expect(await session.screen()).toContain("csm: one is at its limit; claude goes on after the reset (no other account has room)");
  });

  test("a weekly limit shows claude's menu, and moves all the same", async () => {
    const session = await start("weekly", ["one", "two"], [limit("seven_day", Date.now() + 20 * hour), say("Moved.")], "-- Question");
    await session.shows("Moved.");
    expect(session.profilesAsked()).toEqual(["one", "two"]);
    await session.quit();
  });

  test("the transcript of the first account is untouched, its copy equal up to there", async () => {
    const session = await start("copy", ["one", "two"], [say("A."), limit("five_hour", Date.now() + hour), say("B.")], "-- Question");
    await session.shows("A.");
    await session.say("More");
    await session.shows("B.");
    const transcript = (profile: string) => {
      const projects = join(dirOf(session.box, profile), "projects");
      const [slug = ""] = readdirSync(projects);
      return readFileSync(join(projects, slug, `${session.id}.jsonl`), "utf8");
    };
    await until("the copy has grown", () => transcript("two").length > transcript("one").length);
    expect(transcript("two").startsWith(transcript("one"))).toBe(true);
    await session.quit();
  });
});

test("where claude does not go on by itself after the reset, csm does, once", async () => {
  // The reset is past, and csm leaves claude 90 s to see that.
  const session = await start("alone", ["one", "two"], [limit("seven_day", Date.now() - 85_000), say("After the reset.")], "-- Question");
  writeFileSync(join(dirOf(session.box, "two"), "projects"), "no folder");
  await session.shows("After the reset.");
  expect(session.profilesAsked()).toEqual(["one", "one"]);
  expect((await session.journal()).map(({ event }) => event)).toEqual(["limit", "refused", "wait", "continue"]);
  await session.quit();
});

describe("without a limit", () => {
  test("a claude that ends hands its code on, and a signal reaches it", async () => {
    const session = await start("ends", ["one", "two"], [say("Hello.")], "-- Question");
    await session.shows("Hello.");
    const pid = await until("a process", () => livePid(session.box, ["one", "two"], session.id));
    process.kill(Number(pid), "SIGTERM");
    await session.shows("ended with 143");
  });
});

test("the policy ask: csm asks in the terminal, and the answer holds; a dead hub keeps nobody waiting", async () => {
  const { box } = sandbox;
  const config = join(box.home, ".config/claude-smart/config.json");
  mkdirSync(join(box.home, ".config/claude-smart"), { recursive: true });
  writeFileSync(config, JSON.stringify({ limit: { policy: "ask", handoffPrompt: "" } }));
  const session = await start("ask", ["one", "two"], [limit("five_hour", Date.now() + hour), say("Asked and moved.")], "-- Question", {
    CLAUDE_USAGE_URL: "http://127.0.0.1:9/usage",
  });
  // A hub that does not answer leaves the choice to the user, with the cursor on the current account.
  await session.shows("●   one");
  await session.box.keys("ask", "Enter");
  await session.shows("how is this conversation to go on?");
  await session.box.keys("ask", "Enter");
  await until("it is open in the other account", () => livePid(session.box, ["two"], session.id));
  expect((await session.journal()).map(({ event }) => event)).toEqual(["limit", "ask", "switch"]);
  // Without a handoff prompt the session waits for the user.
  expect(session.profilesAsked()).toEqual(["one"]);
  await session.say("Go on");
  await session.shows("Asked and moved.");
  expect(session.profilesAsked()).toEqual(["one", "two"]);
  await session.quit();
  box.sys.remove(config);
});

test("a limit that only a sub-agent meets is noted, and the main thread goes on where it is", async () => {
  const agent = useTool("Agent", { description: "look", prompt: "Look around", subagent_type: "general-purpose" });
  const reply = (request: ModelRequest): Reply => {
    const isAgent = texts(request).includes("Look around") && !texts(request).includes("Question");
    return isAgent ? limit("five_hour", Date.now() + hour) : say("The main thread goes on.");
  };
  const session = await start("agent", ["one", "two"], [agent, reply, reply, reply], "--permission-mode manual -- Question");
  await session.shows('Agent "look" failed');
  await session.shows("The main thread goes on.");
  await until("the limit is noted", async () => (await session.journal()).length > 0);
  expect((await session.journal()).map(({ event, window }) => [event, window])).toEqual([["limit", "five_hour"]]);
  expect(new Set(session.profilesAsked())).toEqual(new Set(["one"]));
  await session.quit();
});
