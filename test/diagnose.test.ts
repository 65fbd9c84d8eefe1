import { expect, test } from "bun:test";
import { broken, type CheckRow, createLook, degraded, type Line, type Look, ok, redact, runChecks, worstOf } from "../src/diagnose.ts";
import { UserError } from "../src/errors.ts";
import { createFakeSys } from "./fake-sys.ts";

const look: Look = {
  sys: createFakeSys({ env: { USER: "alice" }, homeDir: "/home/alice", cwd: "/srv/secret app" }),
  registry: { profiles: [], defaultName: undefined } as unknown as Look["registry"],
  profiles: [
    { name: "acme", dir: "/home/alice/.claude.acme", title: "acme", isCurrent: true },
    { name: "", dir: "/opt/My Claude", title: "My Claude", isCurrent: false },
  ],
  projectRoot: "/srv/secret app",
  cleanUps: new Set(),
};

const row = (name: string, probe: CheckRow["probe"]): CheckRow => ({ name, probe });

test("all rows at once, in their order; what fails is broken with its hint, and what hangs is told of", async () => {
  const sys = { ...look.sys, sleep: () => new Promise<void>((done) => setTimeout(done, 20)) };
  const lines = await runChecks({ ...look, sys }, [
    row("slow", () => new Promise(() => undefined)),
    row("fine", () => [ok("yes"), { ...degraded("half", "csm x"), profile: "acme" }]),
    row("refused", () => Promise.reject(new UserError("no tmux", "install it"))),
    row("system", () => {
      throw Object.assign(new Error("EACCES: no"), { code: "EACCES" });
    }),
  ]);
  expect(lines).toEqual([
    { check: "slow", health: "degraded", detail: "no answer within 6 s" },
    { check: "fine", health: "ok", detail: "yes" },
    { check: "fine", health: "degraded", detail: "half", fix: "csm x", profile: "acme" },
    { check: "refused", health: "broken", detail: "no tmux", fix: "install it" },
    { check: "system", health: "broken", detail: "EACCES: no" },
  ]);
});

test("what a probe that hangs has started is ended", async () => {
  const ended: string[] = [];
  const hangs = row("hangs", ({ cleanUps }) => {
    cleanUps.add(async () => void ended.push("server"));
    return new Promise(() => undefined);
  });
  await runChecks({ ...look, cleanUps: new Set() }, [hangs]);
  expect(ended).toEqual(["server"]);
});

test("a bug in a probe is a bug", () => {
  const bug = row("bug", () => {
    throw new TypeError("x is undefined");
  });
  expect(runChecks(look, [bug])).rejects.toThrow("x is undefined");
});

test.each<[lines: Line["health"][], worst: Line["health"]]>([
  [[], "ok"],
  [["ok", "degraded"], "degraded"],
  [["degraded", "broken", "ok"], "broken"],
])("the worst of %p is %s", (states, worst) => {
  expect(worstOf(states.map((state) => ({ check: "x", health: state, detail: "" })))).toBe(worst);
});

test.each<[text: string, shown: string]>([
  ["2.1.329, ~/.local/bin/claude; its signals are trusted", "2.1.329, <path>; its signals are trusted"],
  ["refused to use /home/alice/.local: others may write /home", "refused to use <path>: others may write <path>"],
  ["/srv/secret app/.csm/rules.toml:3: unknown key", "<path>:3: unknown key"],
  ["/opt/a folder of mine/claude cannot be started", "<path>"],
  ["the hook \"my secret\" does not answer: 'why not'", "the hook <text> does not answer: <text>"],
  ["csm profiles login acme", "csm profiles login <name>"],
  ["http://hub.acme.example:80/usage?key=1 does not answer", "<address> does not answer"],
  ["alice on host.example", "<name> on <name>"],
  ["signed in (oauth_token)", "signed in (oauth_token)"],
  ["csm setup --hook", "csm setup --hook"],
  ["../up and ./here, ./there", "<path>, <path>"],
])("redacted: %s", (text, shown) => {
  const [line] = redact(look, [{ ...broken(text, text), check: "x", profile: "My Claude" }]);
  expect(line).toEqual({ check: "x", health: "broken", detail: shown, fix: shown, profile: "profile 2" });
});

test("without a profile claude's own folder is looked at, by its name", () => {
  const sys = createFakeSys({ files: { "/home/dev/.claude/settings.json": "{}" } });
  expect(createLook(sys).profiles).toMatchObject([{ name: "", title: ".claude", dir: "/home/dev/.claude", isCurrent: true }]);
});
