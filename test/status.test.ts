import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import type { Meaning, ScreenGate } from "../src/claude-gate.ts";
import { parseReset } from "../src/claude-reset.ts";
import { parseScreen, type Screen } from "../src/claude-screen.ts";
import { parseSessionFile, type SessionFile } from "../src/claude-session.ts";
import { decideTurn, parseLines, type ToolUse, type Turn } from "../src/claude-transcript.ts";
import {
  decideStatus,
  type GateIdentity,
  type HookSignals,
  isPaneUnsettled,
  isTranscriptLate,
  type ListedGate,
  type Signals,
  type Verdict,
} from "../src/status.ts";

const fixtures = join(import.meta.dir, "fixtures");
const textOf = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, "utf8") : undefined);
const timeOf = (line: string): number => Date.parse((JSON.parse(line) as { timestamp?: string }).timestamp ?? "") || 0;

/** What the signals of a capture were, some time after its status changed: later lines were not there yet. */
function signalsOf(folder: string, afterMs = 100, pane = "pane.txt"): Signals {
  const dir = join(fixtures, folder);
  const session = parseSessionFile(textOf(join(dir, "session.json")) ?? "");
  if (session === undefined) throw new Error(`no session file in ${folder}`);
  const screen = textOf(join(dir, pane));
  const transcript = textOf(join(dir, "transcript.jsonl"));
  const lines = (transcript ?? "").split("\n").filter((line) => line !== "");
  const now = (session.statusUpdatedAt ?? Math.max(session.startedAt ?? 0, ...lines.map(timeOf))) + afterMs;
  return {
    now,
    isAlive: true,
    startedAt: session.startedAt ?? 0,
    session,
    ...(screen === undefined ? {} : { screen: parseScreen(screen) }),
    ...(transcript === undefined ? {} : { turn: decideTurn(parseLines(lines.filter((line) => timeOf(line) <= now))) }),
  };
}

const retryFacts = (retry: (Verdict & { status: "working" })["retry"]): string[] =>
  retry === undefined ? [] : [`${retry.attempt}/${retry.max_attempts} in ${retry.wait_ms}: ${retry.error.slice(0, 30)}`];

/** The telling parts of a verdict on one line. */
function facts(verdict: Verdict): string {
  const background = "background" in verdict && verdict.background !== undefined ? ` +${verdict.background}` : "";
  switch (verdict.status) {
    case "working":
      return ["working", ...verdict.tools, ...retryFacts(verdict.retry)].join(" ") + background;
    case "idle_done":
      return `idle_done ${verdict.outcome}${background}: ${verdict.text.slice(0, 40)}`;
    case "awaiting_answer":
      return `awaiting_answer ${verdict.gate ?? "text"}: ${verdict.question}`;
    case "plan_ready":
      return `plan_ready ${verdict.plan_file?.split("/").at(-1)}: ${verdict.plan?.split("\n")[0]}`;
    case "blocked": {
      const input = (verdict.input ?? {}) as Record<string, string>;
      return ["blocked", `${verdict.gate}:`, verdict.tool, (input.command ?? input.file_path ?? input.url ?? input.title)?.split("\n")[0]]
        .filter(Boolean)
        .join(" ");
    }
    case "limited":
      return `limited ${verdict.window} ${verdict.resets_at}`;
    case "failed":
      return `failed ${verdict.error}`;
    default:
      return verdict.status;
  }
}

describe("captures, 100 ms after their status changed", () => {
  const rows: [folder: string, facts: string, evidence?: string][] = [
    ["claude-2.1.158/permission-bash", "blocked permission: Bash touch made-by-claude.txt && rm -f nothing.txt"],
    ["claude-2.1.259/permission-bash", "blocked permission: Bash touch made-by-claude.txt && rm -f nothing.txt"],
    ["claude-2.1.329/ans-0", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/ans-1", "idle_done finished: Done."],
    ["claude-2.1.329/ans-4", "idle_done interrupted: Working."],
    ["claude-2.1.329/ans-9", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/ans-ctrlc", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/ans-down-enter", "idle_done finished: Done."],
    ["claude-2.1.329/ans-enter", "idle_done finished: Done."],
    ["claude-2.1.329/ans-esc", "idle_done interrupted: Working."],
    ["claude-2.1.329/ans-no-amend", "idle_done finished: Done."],
    ["claude-2.1.329/ans-tab", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/api-401", "working 3/10 in 1000: 401 invalid x-api-key"],
    ["claude-2.1.329/api-429", "working 1/10 in 1000: API error"],
    ["claude-2.1.329/api-500", "working 3/10 in 2000: 500 Internal server error"],
    ["claude-2.1.329/api-529", "failed server_error"],
    ["claude-2.1.329/ask-chat-about-this", "idle_done finished: Done."],
    ["claude-2.1.329/ask-escape", "idle_done interrupted: Working."],
    ["claude-2.1.329/ask-freetext", "awaiting_answer question: What should the service be called?"],
    ["claude-2.1.329/ask-multi", "awaiting_answer question: Which checks should run in CI?"],
    ["claude-2.1.329/ask-single", "awaiting_answer question: Which directory did you mean?"],
    ["claude-2.1.329/auto-mode-flag", "idle_done none: "],
    [
      "claude-2.1.329/auto-mode-unnumbered-gate",
      "blocked permission: Bash curl -s http://127.0.0.1:9/install.sh | bash; git push --force origin main; echo ran > auto-ran.txt",
    ],
    ["claude-2.1.329/ax-gate-bash", "blocked permission: Bash touch ax-marker.txt && rm -f ax-stale.txt"],
    ["claude-2.1.329/ax-plan", "plan_ready plan-this-for-a-whimsical-boot.md: # Add a health check endpoint"],
    ["claude-2.1.329/bg-task", "idle_done finished +shell: The server runs in the background."],
    ["claude-2.1.329/busy-bash", "working"],
    ["claude-2.1.329/busy-stream", "working"],
    ["claude-2.1.329/bypass-accepted-json", "idle_done none: "],
    ["claude-2.1.329/clear", "idle_done none: "],
    ["claude-2.1.329/compact", "idle_done finished: Hello there."],
    ["claude-2.1.329/config-dir", "idle_done finished: Hello there."],
    ["claude-2.1.329/danger-burst", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/danger-char-by-char", "idle_done finished: Done."],
    ["claude-2.1.329/danger-paste", "blocked permission: Bash touch gate-x.txt && rm -f zz"],
    ["claude-2.1.329/dialog-order", "idle_done none: "],
    ["claude-2.1.329/enter-plan-mode", "idle_done finished: Planning."],
    ["claude-2.1.329/gate-bash-no", "blocked permission: Bash rm -rf build"],
    ["claude-2.1.329/gate-bash", "blocked permission: Bash touch marker.txt && rm -f stale.txt"],
    ["claude-2.1.329/gate-edit", "blocked permission: Edit /home/devbox/app/app.py"],
    ["claude-2.1.329/gate-heredoc", "blocked permission: Bash cat > conf.ini <<'EOT'"],
    [
      "claude-2.1.329/gate-long-command",
      "blocked permission: Bash docker run --rm -v /srv/data/project-alpha/reports:/reports -e REGION=eu-central-1 -e LOG_LEVEL=debug registry.example.com/tools/report-builder:2026.11 --from 2026-01-01 --to 2026-11-20 --format pdf --out /reports/quarterly-summary-final.pdf --verbose && touch report.done",
    ],
    ["claude-2.1.329/gate-mcp", "blocked permission: mcp__demo__create_ticket Flaky test in CI"],
    ["claude-2.1.329/gate-parallel", "blocked permission: Bash touch a.txt"],
    ["claude-2.1.329/gate-read-outside", "blocked permission: Read /home/devbox/other/notes.txt"],
    ["claude-2.1.329/gate-webfetch", "blocked permission: WebFetch http://127.0.0.1:8898/page"],
    ["claude-2.1.329/gate-write", "blocked permission: Write /home/devbox/app/hello.txt"],
    ["claude-2.1.329/hook-allow", "idle_done finished: Done."],
    ["claude-2.1.329/hook-ask-answer", "idle_done finished: Done."],
    ["claude-2.1.329/hook-deny", "idle_done finished: Done."],
    ["claude-2.1.329/hook-exit2", "blocked permission: Bash touch hook-a.txt && rm -f zz"],
    ["claude-2.1.329/hook-plan-allow-input", "idle_done finished: Next step after the plan."],
    ["claude-2.1.329/hook-plan-allow-mode", "idle_done finished: Next step after the plan."],
    ["claude-2.1.329/hook-plan", "plan_ready plan-with-a-hook-compressed-ocean.md: # Plan"],
    ["claude-2.1.329/hook-pre-allow", "idle_done finished: Done."],
    ["claude-2.1.329/hook-pre-deny", "idle_done finished: Done."],
    ["claude-2.1.329/hook-slow-30s", "blocked permission: Bash touch hook-a.txt && rm -f zz"],
    ["claude-2.1.329/hook-slow-key-wins", "blocked permission: Bash touch hook-a.txt && rm -f zz"],
    ["claude-2.1.329/hook-updated-input", "idle_done finished: Done."],
    ["claude-2.1.329/interrupt-stream", "idle_done interrupted: Essay sentence goes on. Essay sentence g"],
    ["claude-2.1.329/kill9", "idle_done finished: Hello there."],
    ["claude-2.1.329/limit-5h", "limited five_hour 1795175648000"],
    ["claude-2.1.329/limit-autocontinue", "limited five_hour 1795172376000"],
    ["claude-2.1.329/limit-then-prompt", "limited five_hour 1795177983000"],
    ["claude-2.1.329/limit-warning", "idle_done finished: Fine."],
    ["claude-2.1.329/limit-weekly", "limited seven_day 1795431255000"],
    ["claude-2.1.329/narrow-gate-bash", "blocked permission: Bash touch narrow-marker.txt && rm -f narrow-stale.txt"],
    ["claude-2.1.329/narrow-plan", "plan_ready plan-this-in-a-federated-sphinx.md: # Add a health check endpoint"],
    ["claude-2.1.329/network-down", "working 4/10 in 2000: Connection refused — a firewal"],
    ["claude-2.1.329/no-auth", "idle_done none: "],
    ["claude-2.1.329/plan-approve-1", "plan_ready plan-a-health-check-moonlit-koala.md: # Add a health check endpoint"],
    ["claude-2.1.329/plan-approve-2", "plan_ready plan-a-health-check-radiant-anchor.md: # Add a health check endpoint"],
    ["claude-2.1.329/plan-feedback", "plan_ready plan-it-and-let-replicated-pearl.md: # Add a health check endpoint"],
    ["claude-2.1.329/plan-keep-planning", "plan_ready plan-a-health-check-inherited-aurora.md: # Add a health check endpoint"],
    ["claude-2.1.329/print-mode", "working"],
    ["claude-2.1.329/queued-prompt", "working"],
    ["claude-2.1.329/rename", "idle_done finished: Hello there."],
    ["claude-2.1.329/resume-newid", "idle_done none: "],
    ["claude-2.1.329/resume-picker", "spawning", "process 100"],
    ["claude-2.1.329/resume", "idle_done finished: Hello there."],
    ["claude-2.1.329/sid-pinned", "idle_done none: "],
    ["claude-2.1.329/subagent", "working"],
    ["claude-2.1.329/tmux-env-busy", "working"],
    ["claude-2.1.329/tmux-env", "blocked permission: Bash touch real.txt && rm -f zz"],
    ["claude-2.1.329/two-sessions-a", "idle_done finished: Hello there."],
    ["claude-2.1.329/wide-gate-bash", "blocked permission: Bash touch wide-marker.txt && rm -f wide-stale.txt"],
    ["claude-2.1.86/permission-bash", "blocked permission: Bash touch made-by-claude.txt && rm -f nothing.txt", "pane 0"],
  ];
  const folders = [...new Glob("claude-*/*/session.json").scanSync(fixtures)].map((path) => path.replace("/session.json", "")).sort();
  const told = (folder: string): [string, string, string] => {
    const verdict = decideStatus(signalsOf(folder));
    return [folder, facts(verdict), `${verdict.source} ${verdict.age_ms}`];
  };

  test("each capture with a session file has a row", () => {
    const missing = folders.filter((folder) => !rows.some(([name]) => name === folder));
    if (missing.length > 0)
      throw new Error(`check them by eye, then add:\n${missing.map((folder) => JSON.stringify(told(folder))).join(",\n")}`);
    expect(rows.map(([folder]) => folder).sort()).toEqual(folders);
  });

  test.each(rows)("%s: %s", (folder, wanted, evidence = "session-file 100") => {
    expect(told(folder)).toEqual([folder, wanted, evidence]);
  });
});

test.each<[moment: string, folder: string, afterMs: number, pane: string, facts: string]>([
  ["a command runs", "claude-2.1.329/busy-bash", 4000, "pane.txt", "working Bash"],
  ["its result is there, the answer is not", "claude-2.1.329/busy-bash", 8350, "pane.txt", "working"],
  ["a prompt waits in the queue", "claude-2.1.329/queued-prompt", 2000, "pane.txt", "working Bash"],
  ["a sub-agent is started", "claude-2.1.329/subagent", 200, "pane.txt", "working Agent"],
  ["the main turn is over, the sub-agent works", "claude-2.1.329/subagent", 3000, "pane.txt", "working +subagent"],
  ["the turn that its end began", "claude-2.1.329/subagent", 7000, "pane.txt", "working"],
  ["the second of two gates", "claude-2.1.329/gate-parallel", 1200, "pane.second.txt", "blocked permission: Bash touch b.txt"],
  [
    "the dialog is not painted yet",
    "claude-2.1.329/gate-write",
    100,
    "pane.after.txt",
    "blocked permission: Write /home/devbox/app/hello.txt",
  ],
  ["nor is the question", "claude-2.1.329/ask-single", 100, "pane.after.txt", "awaiting_answer question: Which directory did you mean?"],
  [
    "nor is the plan",
    "claude-2.1.329/plan-approve-1",
    100,
    "none",
    "plan_ready plan-a-health-check-moonlit-koala.md: # Add a health check endpoint",
  ],
])("%s", (_, folder, afterMs, pane, wanted) => {
  expect(facts(decideStatus(signalsOf(folder, afterMs, pane)))).toBe(wanted);
});

const now = 1_795_000_000_000;
const tool = (name: string, input: Record<string, unknown> = {}, id = name): ToolUse => ({ id, name, input });
const turn = (fields: Partial<Turn> = {}): Turn => ({ pendingTools: [], text: "", at: now - 500, ...fields });
const limitText = "You've hit your 5-hour limit · resets 10:50pm (UTC)";
const limitReset = parseReset("10:50pm (UTC)", now - 900) ?? null;
const toldFailure = (error: string, text: string): HookSignals => ({
  ...{ last: "failure", prompt: { at: now - 2500 } },
  failure: { at: now - 900, error, text },
});
const finished = (text: string, fields: Partial<Turn> = {}) => turn({ text, stopReason: "end_turn", end: "finished", ...fields });
const session = (fields: Partial<SessionFile> = {}): SessionFile => ({
  pid: 7,
  sessionId: "a",
  cwd: "/app",
  version: "2.1.329",
  statusUpdatedAt: now - 1000,
  ...fields,
});
const waiting = (waitingFor = "permission prompt") => session({ status: "waiting", waitingFor });
const oldSession: SessionFile = { pid: 7, sessionId: "a", cwd: "/app", startedAt: now - 90_000 };
const empty: Screen = { input: "" };
const spinning: Screen = { input: "", isBusy: true };

/** `1 allow-once Yes`; `-` has no number. */
const gate = (fields: Partial<ScreenGate> = {}, ...options: string[]): Screen => ({
  gate: {
    kind: "permission",
    header: "Bash command",
    question: "Do you want to proceed?",
    body: "List it\nls -l",
    ...fields,
    options: (options.length > 0 ? options : ["1 allow-once Yes", "2 refuse No"]).map((text, index) => {
      const [number = "", meaning = "", ...label] = text.split(" ");
      return {
        ...(number === "-" ? {} : { number: Number(number) }),
        meaning: meaning as Meaning,
        label: label.join(" "),
        isSelected: index === 0,
      };
    }),
  },
});
const yesNo = {
  options: ["Yes", "No"],
  choices: [
    { option: 1, label: "Yes", meaning: "allow-once" },
    { option: 2, label: "No", meaning: "refuse" },
  ],
};
const none = { options: [], choices: [] };
const fromFile = { source: "session-file", age_ms: 1000 } as const;
const fromPane = { source: "pane", age_ms: 0 } as const;
const fromCpu = { source: "cpu", age_ms: 500 } as const;
const fromLines = { source: "transcript", age_ms: 500 } as const;
const subject = "Bash command\nList it\nls -l";
const questions = [{ question: "Which one?", header: "One", options: [] }, { question: "How deep?" }];

/** What the gate is, and which it is: the rows say the one, and all of them have the other. */
function split(whole: Verdict) {
  const { gate_id, gates, agent, agent_id, gate_index, gate_count, ...verdict }: Partial<Identity> & object = { ...whole };
  return { verdict: verdict as unknown as Verdict, identity: { gate_id, gates, agent, agent_id, gate_index, gate_count } };
}
type Identity = GateIdentity & { gates: ListedGate[] };

describe("signals made by hand", () => {
  test.each<[rule: string, signals: Partial<Signals>, verdict: Verdict]>([
    [
      "a dead process is dead, whatever else is left of it",
      { isAlive: false, session: session({ status: "idle" }), screen: gate(), turn: finished("Done.") },
      { status: "dead", source: "process", age_ms: 0 },
    ],
    ["nothing known yet", { startedAt: now - 59_999 }, { status: "spawning", source: "process", age_ms: 59_999 }],
    ["nothing known after a minute", { startedAt: now - 60_000 }, { status: "unknown", source: "process", age_ms: 60_000 }],
    [
      "a reused number: the file of another process counts for nothing",
      { startedAt: now - 3_600_000 },
      { status: "unknown", source: "process", age_ms: 3_600_000 },
    ],
    ["a start in the future has no age", { startedAt: now + 5 }, { status: "spawning", source: "process", age_ms: 0 }],
    [
      "the first moments, without a status",
      { startedAt: now - 100, session: session({}), screen: empty },
      { status: "spawning", source: "process", age_ms: 100 },
    ],
    [
      "the resume picker, a minute long",
      { startedAt: now - 70_000, session: session({}), screen: {} },
      { status: "unknown", source: "process", age_ms: 70_000 },
    ],
    [
      "a status that this program does not know",
      { startedAt: now - 70_000, session: session({ status: "other" }), screen: gate(), turn: finished("Done.") },
      { status: "unknown", source: "process", age_ms: 70_000 },
    ],
    [
      "a startup dialog comes before the session file",
      {
        startedAt: now - 300_000,
        screen: gate(
          { kind: "trust", header: "Accessing workspace:", question: "Is this a project you trust?", body: "/home/dev/app" },
          "- refuse No, exit",
          "- allow-once Yes, I trust this folder",
        ),
      },
      {
        status: "blocked",
        gate: "trust",
        prompt: "Is this a project you trust?",
        options: ["No, exit", "Yes, I trust this folder"],
        choices: [
          { option: 1, label: "No, exit", meaning: "refuse" },
          { option: 2, label: "Yes, I trust this folder", meaning: "allow-once" },
        ],
        subject: "/home/dev/app",
        ...fromPane,
      },
    ],
    [
      "a gate with its call",
      { session: waiting(), screen: gate(), turn: turn({ pendingTools: [tool("Bash", { command: "ls -l" })] }) },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        tool: "Bash",
        input: { command: "ls -l" },
        subject,
        ...fromFile,
      },
    ],
    [
      "a gate before its line: what is on the screen, no tool",
      { session: waiting(), screen: gate(), turn: finished("Done.") },
      { status: "blocked", gate: "permission", prompt: "Do you want to proceed?", ...yesNo, subject, ...fromFile },
    ],
    [
      "a gate that is not painted yet: the call, no options",
      { session: waiting(), screen: empty, turn: turn({ pendingTools: [tool("Bash", { command: "ls -l" })] }) },
      { status: "blocked", gate: "permission", prompt: "", ...none, tool: "Bash", input: { command: "ls -l" }, ...fromFile },
    ],
    [
      "a dialog that is not painted yet",
      { session: waiting("dialog open"), screen: empty, turn: finished("Done.") },
      { status: "blocked", gate: "dialog", prompt: "", ...none, ...fromFile },
    ],
    [
      "waiting for something new",
      { session: waiting("goal proposal"), screen: {} },
      { status: "blocked", gate: "dialog", prompt: "", ...none, ...fromFile },
    ],
    [
      "two calls: the one that fits the dialog",
      {
        session: waiting(),
        screen: gate({ header: "Create file", body: "a.txt\n1 hi" }),
        turn: turn({ pendingTools: [tool("Bash", { command: "ls" }), tool("Write", { file_path: "/a.txt" })] }),
      },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        tool: "Write",
        input: { file_path: "/a.txt" },
        subject: "Create file\na.txt\n1 hi",
        ...fromFile,
      },
    ],
    [
      "two calls of one tool, the first runs: the one that is on the screen",
      {
        session: waiting(),
        screen: gate({ body: "Remove it\nrm -rf build" }),
        turn: turn({ pendingTools: [tool("Bash", { command: "npm test" }, "a"), tool("Bash", { command: "rm -rf build" }, "b")] }),
      },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        tool: "Bash",
        input: { command: "rm -rf build" },
        subject: "Bash command\nRemove it\nrm -rf build",
        ...fromFile,
      },
    ],
    [
      "another file's dialog right after a call whose result is late: nobody knows yet",
      {
        session: session({ status: "waiting", waitingFor: "permission prompt", statusUpdatedAt: now - 999 }),
        screen: gate({ header: "Create file", body: "data.txt\n1 hi" }),
        turn: turn({ pendingTools: [tool("Write", { file_path: "/a.txt" })] }),
      },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        subject: "Create file\ndata.txt\n1 hi",
        source: "session-file",
        age_ms: 999,
      },
    ],
    [
      "the same a second later: it is the open one, whose name the dialog cut off",
      {
        session: waiting(),
        screen: gate({ header: "Create file", body: "↑ 5 more lines\n1 hi" }),
        turn: turn({ pendingTools: [tool("Write", { file_path: "/a.txt" })] }),
      },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        tool: "Write",
        input: { file_path: "/a.txt" },
        subject: "Create file\n↑ 5 more lines\n1 hi",
        ...fromFile,
      },
    ],
    [
      "a sub-agent's gate has no call in the main conversation",
      {
        session: waiting(),
        screen: gate({ header: "Bash command · from the general-purpose agent" }),
        turn: turn({ pendingTools: [tool("Bash", { command: "npm test" })] }),
      },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        subject: "Bash command · from the general-purpose agent\nList it\nls -l",
        ...fromFile,
      },
    ],
    [
      "the agent's own call is not asked about",
      { session: waiting(), screen: gate({ header: "New kind" }), turn: turn({ pendingTools: [tool("Agent"), tool("Task")] }) },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        subject: "New kind\nList it\nls -l",
        ...fromFile,
      },
    ],
    [
      "the weekly limit asks",
      {
        session: waiting("dialog open"),
        screen: gate(
          { kind: "limit", header: "What do you want to do?", question: "What do you want to do?", body: "" },
          "1 refuse Stop and wait",
        ),
        turn: turn({ end: "failed" }),
      },
      {
        status: "blocked",
        gate: "limit",
        prompt: "What do you want to do?",
        options: ["Stop and wait"],
        choices: [{ option: 1, label: "Stop and wait", meaning: "refuse" }],
        ...fromFile,
      },
    ],
    [
      "a question: all of its texts, and its objects",
      {
        session: waiting("input needed"),
        screen: gate(
          { kind: "question", header: "☐ One", question: "Which one?", body: "" },
          "1 choice src",
          "2 free-text Type something.",
        ),
        turn: turn({ pendingTools: [tool("AskUserQuestion", { questions })] }),
      },
      {
        status: "awaiting_answer",
        question: "Which one?\nHow deep?",
        gate: "question",
        questions,
        options: ["src", "Type something."],
        choices: [
          { option: 1, label: "src", meaning: "choice" },
          { option: 2, label: "Type something.", meaning: "free-text" },
        ],
        ...fromFile,
      },
    ],
    [
      "a question before its line: what is on the screen",
      {
        session: waiting("input needed"),
        screen: gate({ kind: "question", header: "☐ One", question: "Which one?" }, "1 choice src"),
        turn: finished("Done."),
      },
      {
        status: "awaiting_answer",
        question: "Which one?",
        gate: "question",
        options: ["src"],
        choices: [{ option: 1, label: "src", meaning: "choice" }],
        ...fromFile,
      },
    ],
    [
      "2.1.158 calls a question a permission prompt: the call tells",
      { session: waiting(), screen: empty, turn: turn({ pendingTools: [tool("AskUserQuestion", { questions })] }) },
      { status: "awaiting_answer", question: "Which one?\nHow deep?", gate: "question", questions, ...none, ...fromFile },
    ],
    [
      "a question of which nothing is readable yet",
      { session: waiting("input needed"), screen: empty },
      { status: "awaiting_answer", question: "", gate: "question", ...none, ...fromFile },
    ],
    [
      "questions of wrong types",
      { session: waiting("input needed"), screen: empty, turn: turn({ pendingTools: [tool("AskUserQuestion", { questions: "x" })] }) },
      { status: "awaiting_answer", question: "", gate: "question", ...none, ...fromFile },
    ],
    [
      "a plan",
      {
        session: waiting(),
        screen: gate({ kind: "plan", header: "Ready to code?" }, "1 mode-switch Yes, and use auto mode"),
        turn: turn({ pendingTools: [tool("ExitPlanMode", { plan: "# Plan", planFilePath: "/p.md" })] }),
      },
      {
        status: "plan_ready",
        plan_file: "/p.md",
        plan: "# Plan",
        options: ["Yes, and use auto mode"],
        choices: [{ option: 1, label: "Yes, and use auto mode", meaning: "mode-switch" }],
        ...fromFile,
      },
    ],
    [
      "a plan without text",
      { session: waiting(), screen: empty, turn: turn({ pendingTools: [tool("ExitPlanMode", { plan: 1 })] }) },
      { status: "plan_ready", plan_file: null, plan: null, ...none, ...fromFile },
    ],
    [
      "a plan before its line",
      { session: waiting(), screen: gate({ kind: "plan", header: "Ready to code?" }, "1 choice x"), turn: finished("Done.") },
      {
        status: "plan_ready",
        plan_file: null,
        plan: null,
        options: ["x"],
        choices: [{ option: 1, label: "x", meaning: "choice" }],
        ...fromFile,
      },
    ],
    [
      "busy: open calls",
      { session: session({ status: "busy" }), turn: turn({ pendingTools: [tool("Read"), tool("Bash")] }) },
      { status: "working", tools: ["Read", "Bash"], ...fromFile },
    ],
    [
      "busy, and the screen tells of a request that is sent again: the wait goes on since it was read",
      {
        session: session({ status: "busy" }),
        screen: { input: "", isBusy: true, retry: { attempt: 3, maxAttempts: 10, waitMs: 5000, error: "529 Overloaded" } },
        screenAt: now - 2000,
      },
      { status: "working", tools: [], retry: { attempt: 3, max_attempts: 10, wait_ms: 3000, error: "529 Overloaded" }, ...fromFile },
    ],
    [
      "busy, and the transcript tells of it; its time is over",
      {
        session: session({ status: "busy" }),
        turn: turn({ retry: { at: now - 6000, attempt: 1, maxAttempts: 10, waitMs: 500, error: "529 Overloaded" } }),
      },
      { status: "working", tools: [], retry: { attempt: 1, max_attempts: 10, wait_ms: 0, error: "529 Overloaded" }, ...fromFile },
    ],
    ["busy without a transcript", { session: session({ status: "busy" }) }, { status: "working", tools: [], ...fromFile }],
    [
      "busy: a menu on the screen is conversation",
      { session: session({ status: "busy" }), screen: gate() },
      { status: "working", tools: [], ...fromFile },
    ],
    [
      "busy, and the turn ended since: a sub-agent runs on",
      { session: session({ status: "busy" }), turn: finished("I delegated it.") },
      { status: "working", tools: [], background: ["subagent"], ...fromFile },
    ],
    [
      "busy, and the turn ended before: a new one, whose lines are late",
      { session: session({ status: "busy", statusUpdatedAt: now - 100 }), turn: finished("Done.", { at: now - 5000 }) },
      { status: "working", tools: [], source: "session-file", age_ms: 100 },
    ],
    [
      "idle: a menu on the screen is conversation",
      { session: session({ status: "idle" }), screen: gate(), turn: finished("Done.") },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromFile },
    ],
    [
      "idle before the first prompt",
      { session: session({ status: "idle" }) },
      { status: "idle_done", text: "", outcome: "none", ...fromFile },
    ],
    [
      "also with an empty transcript",
      { session: session({ status: "idle" }), turn: turn({ at: 0 }) },
      { status: "idle_done", text: "", outcome: "none", ...fromFile },
    ],
    [
      "a shell runs on",
      { session: session({ status: "shell" }), turn: finished("Started.") },
      { status: "idle_done", text: "Started.", outcome: "finished", background: ["shell"], ...fromFile },
    ],
    [
      "text that asks",
      { session: session({ status: "idle" }), turn: finished("Shall I go on?") },
      { status: "awaiting_answer", question: "Shall I go on?", ...fromFile },
    ],
    [
      "an interrupted question is none",
      { session: session({ status: "idle" }), turn: turn({ text: "Shall I?", stopReason: "end_turn", end: "interrupted" }) },
      { status: "idle_done", text: "Shall I?", outcome: "interrupted", ...fromFile },
    ],
    [
      "a text that was cut off",
      { session: session({ status: "idle" }), turn: finished("And so?", { stopReason: "max_tokens" }) },
      { status: "idle_done", text: "And so?", outcome: "truncated", ...fromFile },
    ],
    [
      "a refusal",
      { session: session({ status: "idle" }), turn: finished("I can't.", { stopReason: "refusal" }) },
      { status: "idle_done", text: "I can't.", outcome: "declined", ...fromFile },
    ],
    [
      "a refused call",
      { session: session({ status: "idle" }), turn: turn({ text: "Working.", stopReason: "tool_use" }) },
      { status: "idle_done", text: "Working.", outcome: "interrupted", ...fromFile },
    ],
    [
      "Esc before the first word",
      { session: session({ status: "idle" }), turn: turn() },
      { status: "idle_done", text: "", outcome: "interrupted", ...fromFile },
    ],
    [
      "a whole answer without the line of its end",
      { session: session({ status: "idle" }), turn: turn({ text: "Done.", stopReason: "end_turn" }) },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromFile },
    ],
    [
      "an end at a stop word",
      { session: session({ status: "idle" }), turn: turn({ text: "Done.", stopReason: "stop_sequence" }) },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromFile },
    ],
    [
      "a limit",
      {
        session: session({ status: "idle" }),
        turn: turn({
          text: "limit",
          end: "failed",
          error: { class: "rate_limit", message: "limit", limit: { window: "five_hour", resetsAt: 5 } },
        }),
      },
      { status: "limited", text: "limit", window: "five_hour", resets_at: 5, ...fromFile },
    ],
    [
      "a limit without a time",
      {
        session: session({ status: "idle" }),
        turn: turn({ text: "limit", end: "failed", error: { class: "rate_limit", message: "limit", limit: { window: "unknown" } } }),
      },
      { status: "limited", text: "limit", window: "unknown", resets_at: null, ...fromFile },
    ],
    [
      "an error, though it asks",
      {
        session: session({ status: "idle" }),
        turn: turn({ text: "Try again?", end: "failed", error: { class: "server_error", message: "Try again?" } }),
      },
      { status: "failed", text: "Try again?", error: "server_error", ...fromFile },
    ],
    [
      "a clock that is behind has no age",
      { session: session({ status: "idle", statusUpdatedAt: now + 50 }) },
      { status: "idle_done", text: "", outcome: "none", source: "session-file", age_ms: 0 },
    ],
    [
      "2.1.158: a status without its time was read now",
      { session: { ...oldSession, version: "2.1.158", status: "idle" } },
      { status: "idle_done", text: "", outcome: "none", source: "session-file", age_ms: 0 },
    ],
    [
      "2.0.70: an input row, nothing else",
      { startedAt: now - 90_000, screen: empty },
      { status: "idle_done", text: "", outcome: "none", ...fromPane },
    ],
    [
      "2.0.70: a gate, and its call",
      { startedAt: now - 90_000, screen: gate(), turn: turn({ pendingTools: [tool("Bash", { command: "ls -l" })] }) },
      {
        status: "blocked",
        gate: "permission",
        prompt: "Do you want to proceed?",
        ...yesNo,
        tool: "Bash",
        input: { command: "ls -l" },
        subject,
        ...fromPane,
      },
    ],
    [
      "2.1.86: a prompt without an answer",
      { session: oldSession, screen: spinning, turn: turn() },
      { status: "working", tools: [], ...fromPane },
    ],
    [
      "2.1.86: a text that is still written",
      { session: oldSession, screen: spinning, turn: turn({ text: "Do" }) },
      { status: "working", tools: [], ...fromPane },
    ],
    [
      "2.0.70: a text without its end, and no spinner",
      { startedAt: now - 90_000, screen: empty, turn: turn({ text: "Done." }) },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromPane },
    ],
    [
      "2.1.86: a prompt that Esc took back, which no line tells",
      { session: oldSession, screen: { input: "Wait for me" }, turn: turn() },
      { status: "idle_done", text: "", outcome: "interrupted", ...fromPane },
    ],
    [
      "2.1.86: a call that runs",
      { session: oldSession, screen: spinning, turn: turn({ stopReason: "tool_use", pendingTools: [tool("Bash")] }) },
      { status: "working", tools: ["Bash"], ...fromPane },
    ],
    [
      "2.1.86: a result, no answer yet",
      { session: oldSession, screen: spinning, turn: turn({ stopReason: "tool_use" }) },
      { status: "working", tools: [], ...fromPane },
    ],
    [
      "2.1.86: a screen between two paintings",
      { session: oldSession, screen: {}, turn: turn({ stopReason: "tool_use", pendingTools: [tool("Bash")] }) },
      { status: "working", tools: ["Bash"], ...fromLines },
    ],
    [
      "2.1.86: an answer",
      { session: oldSession, screen: empty, turn: turn({ text: "Done.", stopReason: "end_turn" }) },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromLines },
    ],
    [
      "2.1.86: a question in it",
      { session: oldSession, screen: empty, turn: turn({ text: "Which?", stopReason: "end_turn" }) },
      { status: "awaiting_answer", question: "Which?", ...fromLines },
    ],
    [
      "2.1.86: an interruption",
      { session: oldSession, screen: empty, turn: turn({ end: "interrupted" }) },
      { status: "idle_done", text: "", outcome: "interrupted", ...fromLines },
    ],
    [
      "2.1.86: neither gate nor input row",
      { startedAt: now - 90_000, session: oldSession, screen: {}, turn: finished("Done.") },
      { status: "unknown", ...fromPane },
    ],
    [
      "2.1.86 outside tmux: its process works",
      { session: oldSession, cpuPercent: 5.1, turn: turn({ end: "finished", text: "Done." }) },
      { status: "working", tools: [], ...fromCpu },
    ],
    [
      "2.1.86 outside tmux: the turn is over, and nothing works",
      { session: oldSession, cpuPercent: 5, turn: turn({ end: "finished", text: "Done.", stopReason: "end_turn" }) },
      { status: "idle_done", text: "Done.", outcome: "finished", ...fromCpu },
    ],
    [
      "2.1.86 outside tmux: a prompt, and the model is still silent",
      { session: oldSession, cpuPercent: 1, turn: turn({ at: now - 100_000 }) },
      { status: "working", tools: [], source: "cpu", age_ms: 100_000 },
    ],
    [
      "2.1.86 outside tmux: silent for too long",
      { session: oldSession, cpuPercent: 1, turn: turn({ at: now - 130_000 }) },
      { status: "unknown", source: "cpu", age_ms: 130_000 },
    ],
    [
      "a limit that the hook has told, and a transcript that is not there yet",
      { session: session({ status: "idle", statusUpdatedAt: now - 1100 }), hooks: toldFailure("rate_limit", limitText) },
      { status: "limited", text: limitText, window: "five_hour", resets_at: limitReset, source: "hook", age_ms: 900 },
    ],
    [
      "a failure that the hook has told, and the turn before in the transcript",
      {
        session: session({ status: "idle", statusUpdatedAt: now - 1100 }),
        turn: turn({ end: "interrupted", at: now - 4000 }),
        hooks: toldFailure("invalid_request", "prompt is too long"),
      },
      { status: "failed", text: "prompt is too long", error: "invalid_request", source: "hook", age_ms: 900 },
    ],
    [
      "a failure that both tell: by the transcript, which knows more",
      {
        session: session({ status: "idle", statusUpdatedAt: now - 1100 }),
        turn: turn({
          end: "failed",
          at: now - 1150,
          text: "Limit.",
          error: { class: "rate_limit", message: "Limit.", limit: { window: "seven_day" } },
        }),
        hooks: toldFailure("rate_limit", limitText),
      },
      { status: "limited", text: "Limit.", window: "seven_day", resets_at: null, source: "session-file", age_ms: 1100 },
    ],
    [
      "a failure of long ago, and another conversation since",
      {
        session: session({ status: "idle", statusUpdatedAt: now - 1100 }),
        hooks: { ...toldFailure("rate_limit", limitText), failure: { at: now - 61_000, error: "rate_limit", text: limitText } },
      },
      { status: "idle_done", text: "", outcome: "none", source: "session-file", age_ms: 1100 },
    ],
    [
      "2.1.86 outside tmux: a call that has just begun",
      { session: oldSession, cpuPercent: 1, turn: turn({ at: now - 4000, stopReason: "tool_use", pendingTools: [tool("Bash")] }) },
      { status: "working", tools: ["Bash"], source: "cpu", age_ms: 4000 },
    ],
    [
      "2.1.86 outside tmux: a call without a result may wait at a gate: never idle, never said to work",
      { session: oldSession, cpuPercent: 1, turn: turn({ at: now - 6000, stopReason: "tool_use", pendingTools: [tool("Bash")] }) },
      { status: "unknown", source: "cpu", age_ms: 6000 },
    ],
    [
      "2.1.86 outside tmux: as long as the process was not measured",
      { startedAt: now - 90_000, session: oldSession, turn: turn({ end: "finished", text: "Done." }) },
      { status: "unknown", source: "process", age_ms: 90_000 },
    ],
    [
      "2.1.86: no screen and no turn, long after the start",
      { startedAt: now - 90_000, session: oldSession, screen: {} },
      { status: "unknown", source: "process", age_ms: 90_000 },
    ],
  ])("%s", (_, signals, wanted) => {
    const { verdict, identity } = split(decideStatus({ now, isAlive: true, startedAt: now - 1000, ...signals }));
    expect(verdict).toEqual(wanted);
    const isGate = "gate" in wanted || wanted.status === "plan_ready" || "options" in wanted;
    expect(identity.gate_id).toEqual(isGate ? expect.stringMatching(/^[0-9a-f]{10}$/) : undefined);
    if (isGate && wanted.status !== "limited") expect(identity.gates?.map(({ gate_id }) => gate_id)).toEqual([identity.gate_id ?? ""]);
    // The keys are printed in this order.
    expect(JSON.stringify(verdict)).toBe(JSON.stringify(wanted));
  });
});

test.each<[header: string, name: string]>([
  ["Bash command", "Bash"],
  ["Create file", "Write"],
  ["Overwrite file", "Write"],
  ["Edit file", "Edit"],
  ["Edit file", "MultiEdit"],
  ["Edit notebook", "NotebookEdit"],
  ["Read file", "Read"],
  ["Fetch", "WebFetch"],
  ["Tool use", "mcp__demo__create_ticket"],
])("the dialog %j asks about %s, whatever else is open", (header, name) => {
  const pendingTools = ["Agent", "Glob", "Bash", name].filter((other, index) => index === 3 || other !== name).map((other) => tool(other));
  const verdict = decideStatus({ now, isAlive: true, session: waiting(), screen: gate({ header }), turn: turn({ pendingTools }) });
  expect(verdict).toMatchObject({ status: "blocked", tool: name });
});

test.each<[rule: string, signals: Partial<Signals>, isLate: boolean]>([
  [
    "the end is there",
    { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: finished("Done.", { at: now - 140 }) },
    false,
  ],
  ["it is not", { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: turn() }, true],
  ["there is no transcript", { session: session({ status: "idle", statusUpdatedAt: now - 100 }) }, true],
  [
    "only the end of the turn before",
    { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: finished("Old.", { at: now - 251 }) },
    true,
  ],
  [
    "an end stamped a little earlier",
    { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: finished("Done.", { at: now - 250 }) },
    false,
  ],
  [
    "an error is an end",
    { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: turn({ end: "failed", at: now - 140 }) },
    false,
  ],
  ["a second is enough", { session: session({ status: "idle", statusUpdatedAt: now - 1001 }), turn: turn() }, false],
  ["not before", { session: session({ status: "idle", statusUpdatedAt: now - 1000 }), turn: turn() }, true],
  ["hooks that told nothing, and no turn", { session: session({ status: "idle", statusUpdatedAt: now - 100 }), hooks: {} }, false],
  [
    "hooks that are switched off, as a turn without them shows",
    { session: session({ status: "idle", statusUpdatedAt: now - 100 }), turn: turn({ at: now - 500 }), hooks: {} },
    true,
  ],
  [
    "a turn that leaves a shell behind is told as late",
    { session: session({ status: "shell", statusUpdatedAt: now }), turn: turn() },
    true,
  ],
  ["a busy session is not late", { session: session({ status: "busy", statusUpdatedAt: now }), turn: turn() }, false],
  ["nor one that tells no time", { session: { ...oldSession, status: "idle" }, turn: turn() }, false],
  ["nor one without a session file", { turn: turn() }, false],
])("the transcript is late: %s", (_, signals, isLate) => {
  expect(isTranscriptLate({ now, isAlive: true, ...signals })).toBe(isLate);
});

test.each(["ans-1", "ans-4", "ans-esc", "api-529", "ask-escape", "hook-deny", "interrupt-stream", "limit-5h"])(
  "the transcript of %s is not late once the end of its turn is there",
  (folder) => {
    expect(isTranscriptLate(signalsOf(`claude-2.1.329/${folder}`, 300))).toBe(false);
  },
);

test.each<[rule: string, signals: Partial<Signals>, isUnsettled: boolean]>([
  ["an open turn without a spinner", { screen: empty, turn: turn() }, true],
  ["a spinner settles it", { screen: spinning, turn: turn() }, false],
  ["so does the end of the turn", { screen: empty, turn: turn({ stopReason: "end_turn" }) }, false],
  ["and a gate", { screen: gate(), turn: turn() }, false],
  ["neither gate nor input row", { screen: {}, turn: finished("Done.") }, true],
  ["nothing has begun", { screen: empty }, false],
  ["a version that tells its status needs no spinner", { session: session({ status: "idle" }), screen: empty, turn: turn() }, false],
])("without a status, screen and transcript disagree: %s", (_, signals, isUnsettled) => {
  expect(isPaneUnsettled({ now, isAlive: true, ...signals })).toBe(isUnsettled);
});
