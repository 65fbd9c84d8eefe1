import { expect, test } from "bun:test";
import type { LiveSession } from "../src/session.ts";
import { findPlace } from "../src/terminals.ts";
import { gateOf, takesReason, type VerbName, verbNeeds, verbsJson, whyNot } from "../src/verbs.ts";
import { blocked, session } from "./sessions.ts";

const idle = session("it", { status: "idle_done" });
const gate = blocked("it", "ls");
const choices = (...meanings: string[]) => meanings.map((meaning, index) => ({ option: index + 1, label: meaning, meaning }));
const offering = (kind: string, ...meanings: string[]): LiveSession => ({
  ...gate,
  verdict: { ...gate.verdict, gate: kind, choices: choices(...meanings) } as never,
});
const held = (one: LiveSession): LiveSession => ({ ...one, verdict: { ...one.verdict, gates: [{ held: true, agent: null }] } as never });
const question = session("it", { status: "awaiting_answer", gate: "question", question: "?", questions: [{}] } as never);
const plan = session("it", { status: "plan_ready", plan: "# Do", choices: choices("mode-switch", "allow-once", "free-text") } as never);
const limited = session("it", { status: "limited", text: "", window: "seven_day", resets_at: null, choices: choices("choice") } as never);
const paneless = (one: LiveSession): LiveSession => ({ ...one, isBelowTmux: false });

test.each<[verb: VerbName | "pane", rule: string, one: LiveSession | undefined, why: string | undefined]>([
  ["new", "needs no session", undefined, undefined],
  ["stop", "nobody", undefined, "no session is selected"],
  ["stop", "one that has ended", session("it", { status: "dead" }), "it has ended"],
  [
    "stop",
    "another machine's",
    { ...idle, where: "elsewhere", note: "its process is on another machine" },
    "it: its process is on another machine",
  ],
  ["stop", "one without a pane can be stopped", paneless(idle), undefined],
  ["pane", "one without a pane", paneless(idle), "it runs in no tmux pane of yours"],
  ["pane", "csd knows the pane of its own", { ...paneless(idle), driver: "it" }, undefined],
  ["pane", "one that says itself that it runs in tmux", { ...paneless(idle), tmux: "m:@1.%1" }, undefined],
  ["pane", "one of which nothing is known yet", idle, undefined],
  ["send", "at rest", idle, undefined],
  ["send", "at work: it is queued", session("it", { status: "working" }), undefined],
  ["send", "without a pane", paneless(idle), "it runs in no tmux pane of yours"],
  ["send", "claude -p", { ...idle, kind: "print" }, "it is a print session: nobody can type into it"],
  ["send", "at a gate", gate, "it asks for something: answer that first (a, d)"],
  [
    "send",
    "while a sub-agent's hook waits",
    { ...gate, verdict: { ...gate.verdict, gates: [{ agent: "x", shown: false, held: true }] } as never },
    undefined,
  ],
  [
    "send",
    "while a sub-agent's dialog is up",
    { ...gate, verdict: { ...gate.verdict, gates: [{ agent: "x", shown: true, held: false }] } as never },
    "it asks for something: answer that first (a, d)",
  ],
  ["send", "at the menu of a limit", limited, "it shows a menu about its limit: choose in its pane (enter)"],
  ["interrupt", "as send", paneless(idle), "it runs in no tmux pane of yours"],
  ["allow", "what asks for nothing", idle, "it asks for nothing"],
  ["allow", "what a limit's menu asks", limited, "it shows a menu about its limit: choose in its pane (enter)"],
  ["allow", "a gate", gate, undefined],
  ["allow", "a gate without a pane", paneless(gate), "it runs in no tmux pane of yours"],
  [
    "allow",
    "a menu that does not offer it",
    offering("dialog", "unknown", "refuse"),
    'no option of it means "allow this once": choose in its pane (enter)',
  ],
  ["allow", "a hook takes it whatever the menu offers", held(offering("permission", "unknown")), undefined],
  ["allow", "a menu that nobody sees", { ...gate, verdict: { ...gate.verdict, choices: [] } as never }, undefined],
  ["deny", "a plan, whose menu has a field in the place of No", plan, undefined],
  [
    "deny",
    "a dialog with two refusals",
    offering("trust", "refuse", "refuse"),
    'no option of it means "deny this once": choose in its pane (enter)',
  ],
  [
    "deny",
    "a dialog with a field is not left by Esc",
    offering("limit", "free-text"),
    'no option of it means "deny this once": choose in its pane (enter)',
  ],
  ["answer", "a question", question, undefined],
  [
    "answer",
    "a question of which only the screen is known",
    { ...question, verdict: { ...question.verdict, questions: undefined } as never },
    "what it asks is not known whole: answer in its pane (enter)",
  ],
])("%s: %s", (verb, _, one, why) => {
  expect(whyNot(one, verb)).toBe(why as string);
});

test("each verb says something about nobody, but for the one that needs none", () => {
  for (const verb of Object.keys(verbNeeds) as VerbName[])
    expect([verb, whyNot(undefined, verb) === undefined]).toEqual([verb, verb === "new"]);
});

test.each<[rule: string, one: LiveSession, takes: boolean]>([
  ["a permission has a field for it", gate, true],
  ["so has a plan", plan, true],
  ["a question only has its hook", question, false],
  ["whose hook takes it", held(question), true],
  ["a dialog of the start has none", offering("trust", "allow-once", "refuse"), false],
])("a reason: %s", (_, one, takes) => {
  expect(takesReason(one)).toBe(takes);
});

test("a gate is its id; where it has none, what is asked and since when", () => {
  expect(gateOf({ ...gate, verdict: { ...gate.verdict, gate_id: "g1" } as never })).toBe("g1");
  expect(gateOf(gate)).not.toBe(gateOf({ ...gate, since: gate.since + 1 }));
  expect([gateOf(idle), gateOf(limited)]).toEqual([undefined, undefined]);
});

const inside = (program: string, env = {}): LiveSession["terminal"] =>
  findPlace({
    ...{ platform: "linux", tty: "/dev/pts/1", start: "1", isForeground: true, env },
    line: ["claude", "bash", program].map((each, index) => ({ pid: 9 - index, program: each, tty: "/dev/pts/1" })),
  });
const sits = (one: LiveSession, terminal: LiveSession["terminal"]): LiveSession => ({
  ...paneless(one),
  ...(terminal === undefined ? {} : { terminal }),
});

test.each<[what: string, one: LiveSession, verbs: Record<string, string | null>]>([
  [
    "kitty that listens",
    sits(idle, inside("kitty", { KITTY_LISTEN_ON: "unix:/k" })),
    { focus: null, type: null, interrupt: null, stop: null },
  ],
  ["kitty that listens, at a gate", sits(gate, inside("kitty", { KITTY_LISTEN_ON: "unix:/k" })), { allow: null, deny: null }],
  [
    "an xterm",
    sits(gate, inside("xterm")),
    { focus: "it runs in xterm: csm knows no way to it", allow: "it runs in xterm: csm knows no way to type there", stop: null },
  ],
  ["VS Code", sits(gate, inside("code")), { focus: "it runs in VS Code: VS Code tells other programs nothing of its terminals" }],
  ["tmux", sits(idle, inside("tmux: server")), { focus: null, type: null, allow: "it asks for nothing" }],
  ["an xterm, but it is csd's", { ...sits(gate, inside("xterm")), driver: "it" }, { focus: null, allow: null }],
  [
    "kitty opened from a pane, by its own word in tmux",
    { ...sits(idle, inside("kitty")), tmux: "m:@1.%1" },
    { type: expect.stringContaining("listens to nobody") as never },
  ],
])("what can be done in %s", (_, one, verbs) => {
  expect(verbsJson(one)).toMatchObject(verbs);
});
