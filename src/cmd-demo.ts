import { type App, command } from "./cmd-record.ts";
import { UserError } from "./errors.ts";
import { fit } from "./format.ts";
import { findClaude } from "./launch.ts";
import { bash, hold, type Step, say } from "./model-script.ts";
import { createSandbox, type Sandbox } from "./sandbox.ts";
import { printable } from "./sanitize.ts";
import { renderSessions, type TableOptions } from "./session-table.ts";
import { type LiveSession, listSessions } from "./sessions.ts";
import { openTerminal } from "./terminal.ts";
import { createTmux } from "./tmux.ts";

export const demoCommand = command({
  name: "csm demo",
  summary: "Show three real Claude Code sessions in a sandbox: no login, no network, nothing of yours is touched.",
  args: {},
  examples: [
    ["csm demo", "live until q; a answers the gate"],
    ["csm demo | cat", "one round as text, for scripts"],
  ],
  async run({ app }) {
    const { sys } = app;
    await createTmux(sys).readVersion();
    const claudePath = findClaude(sys);
    const isLive = app.columns !== undefined && app.isInteractive;
    if (isLive) app.out("Making a sandbox: real Claude Code, a loopback model, a throw-away HOME …");
    const box = await createSandbox({ claudePath, path: sys.env.PATH });
    const stopListening = sys.onInterrupt(() => box.close());
    try {
      await (isLive ? playLive(app, box) : playRound(app, box));
    } finally {
      stopListening();
      await box.close();
    }
    app.out("The sandbox is gone: its sessions have ended and its folder is removed.");
  },
});

interface Part {
  name: string;
  prompt: string;
}

const parts: Part[] = [
  { name: "writer", prompt: "Write a long report about the weather" },
  { name: "builder", prompt: "Create the marker file" },
  { name: "greeter", prompt: "Say hello" },
];

/** One csd command in the sandbox, through this very executable. */
async function runCsd(app: App, box: Sandbox, args: string[]): Promise<Record<string, unknown>> {
  const result = await box.run([app.sys.execPath, "csd", ...args]);
  if (result.code !== 0) throw new UserError(`csd ${args[0] ?? ""} failed: ${result.stderr.trim()}`);
  return result.stdout.startsWith("{") ? (JSON.parse(result.stdout) as Record<string, unknown>) : {};
}

async function spawnPart(app: App, box: Sandbox, { name }: Part): Promise<void> {
  const spawned = await runCsd(app, box, ["spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual"]);
  const scripts: Record<string, Step[]> = {
    writer: [hold("The report begins: clouds came from the west …")],
    builder: [bash("touch marker.txt && ls", "Create the marker file"), say("The marker file is there.")],
    greeter: [say("Hello from the sandbox.")],
  };
  box.stub.script(String(spawned.session_id), scripts[name] ?? []);
}

// --- without a terminal ------------------------------------------------------------------------------------------

async function playRound(app: App, box: Sandbox): Promise<void> {
  app.out(`csm demo: a sandbox in ${box.dir}. Real Claude Code, a loopback model, no login, nothing of yours is touched.`);
  const step = async (words: string, run: () => Promise<string>) => {
    const startedAt = app.sys.now();
    const result = await run();
    app.out(`$ ${words}\n${indent(result)}  (${((app.sys.now() - startedAt) / 1000).toFixed(1)} s)`);
  };
  for (const part of parts)
    await step(`csd spawn --name ${part.name} --permission-mode manual`, async () => {
      await spawnPart(app, box, part);
      return `session ${part.name} is ready`;
    });
  for (const part of parts)
    await step(
      `csd send ${part.name} ${part.prompt}`,
      async () => `taken at attempt ${(await runCsd(app, box, ["send", part.name, part.prompt])).attempts}`,
    );
  await step("csd state builder", async () => describeGate(await waitForState(app, box, "builder", "blocked")));
  await step("csd state greeter", async () => `idle_done: ${(await waitForState(app, box, "greeter", "idle_done")).text}`);
  await step("csm ls", async () => (await renderTable(app, box)).join("\n"));
  await step("csd approve builder", async () => `chosen: ${(await runCsd(app, box, ["approve", "builder"])).chosen}`);
  await step("csd state builder", async () => `idle_done: ${(await waitForState(app, box, "builder", "idle_done")).text}`);
  for (const part of parts)
    await step(`csd kill ${part.name}`, async () => {
      await runCsd(app, box, ["kill", part.name]);
      return "ended";
    });
}

const renderTable = async (app: App, box: Sandbox): Promise<string[]> =>
  renderSessions(await listSessions(box.sys, box.configDir), tableOptions(app, box, app.columns));

const tableOptions = (app: App, box: Sandbox, columns: number | undefined): TableOptions => ({
  now: app.sys.now(),
  home: box.home,
  paint: app.paint,
  columns,
});

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

const describeGate = (state: Record<string, unknown>): string => {
  const input = state.input as { command?: string } | undefined;
  return `blocked: ${state.tool} asks to run \`${input?.command}\`: ${(state.options as string[]).join(" | ")}`;
};

const stateTimeoutMs = 20_000;

async function waitForState(app: App, box: Sandbox, name: string, status: string): Promise<Record<string, unknown>> {
  const deadline = app.sys.now() + stateTimeoutMs;
  for (;;) {
    const state = await runCsd(app, box, ["state", name]);
    if (state.status === status) return state;
    if (app.sys.now() > deadline) throw new UserError(`session ${name} is ${state.status} and not ${status}`);
    await app.sys.sleep(100);
  }
}

// --- in a terminal -----------------------------------------------------------------------------------------------

const refreshMs = 300;

async function playLive(app: App, box: Sandbox): Promise<void> {
  const terminal = openTerminal();
  let message = "starting three sessions …";
  const work = startAll(app, box).then(
    () => {
      message = "one works, one waits at a gate, one is done";
    },
    (error: Error) => {
      message = `failed: ${error.message}`;
    },
  );
  try {
    for (;;) {
      const sessions = await listSessions(box.sys, box.configDir);
      terminal.draw(renderDemo(app, box, sessions, message, terminal.columns()));
      const key = await terminal.readKey(refreshMs);
      if (key?.name === "q" || key?.name === "ctrl-c") break;
      if (key?.name === "a") message = await answerFirst(app, box, sessions);
    }
  } finally {
    terminal.close();
  }
  app.out("Ending the sessions …");
  await work;
}

async function startAll(app: App, box: Sandbox): Promise<void> {
  await Promise.all(
    parts.map(async (part) => {
      await spawnPart(app, box, part);
      await runCsd(app, box, ["send", part.name, part.prompt]);
    }),
  );
}

async function answerFirst(app: App, box: Sandbox, sessions: LiveSession[]): Promise<string> {
  const waiting = sessions.find((session) => session.verdict.status === "blocked");
  if (waiting === undefined) return "nobody waits at a gate";
  const answer = await runCsd(app, box, ["approve", waiting.name]).catch((error: Error) => ({ chosen: error.message }));
  return `csd approve ${waiting.name}: ${answer.chosen}`;
}

function renderDemo(app: App, box: Sandbox, sessions: LiveSession[], message: string, columns: number): string[] {
  const lines = [
    app.paint("bold", "csm demo") + app.paint("dim", ` · a sandbox in ${box.dir}: real Claude Code, a loopback model`),
    "",
    ...renderSessions(sessions, tableOptions(app, box, columns)),
    "",
  ];
  const blocked = sessions.find((session) => session.verdict.status === "blocked")?.verdict;
  if (blocked?.status === "blocked") {
    lines.push(
      app.paint("yellow", `${blocked.tool ?? "a gate"} asks: ${blocked.prompt}`),
      "",
      ...printable(blocked.subject ?? "")
        .split("\n")
        .map((line) => `  ${fit(line, columns - 4)}`),
      "",
    );
    lines.push(...blocked.options.map((label, index) => fit(`  ${index + 1}. ${label}`, columns - 2)), "");
  }
  const texts = sessions.flatMap(({ name, verdict }) =>
    verdict.status === "idle_done" && verdict.text !== "" ? [`${name} answered: ${verdict.text}`] : [],
  );
  lines.push(...texts.map((text) => fit(text, columns)), "", message, app.paint("dim", "a allow the gate once · q end the demo"));
  return lines;
}
