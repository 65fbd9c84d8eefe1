import { expect, test } from "bun:test";
import { commands } from "../src/commands.ts";
import { decideRoute, findMeant, type Route } from "../src/router.ts";

const csm = (word: string, ...args: string[]): Route => ({ to: "csm", word, args });
const csd = (...args: string[]): Route => ({ to: "csd", args });
const claude = (...args: string[]): Route => ({ to: "claude", args });

const words =
  "run hook profiles config usage cas pick-account scan current-usage sidecar statusline completions newuuid reap top ls watch cost " +
  "open restore log setup shell-init hub demo csd help version budget notify rules fleet focus type allow deny answer halt diagnose self-update tasks";

const reservedWords = commands.csm.flatMap(({ word }) => (word.includes(" ") ? [] : [word]));

test("the reserved words are these, once each", () => {
  expect([...reservedWords].sort().join(" ")).toBe(words.split(" ").sort().join(" "));
  expect(new Set(reservedWords).size).toBe(reservedWords.length);
});

test.each(reservedWords.filter((word) => !["csd", "help", "version"].includes(word)))(
  "csm %s is csm's own, with all that follows",
  async (word) => {
    expect(await decideRoute("csm", [word, "--help", "--", "x"])).toEqual(csm(word, "--help", "--", "x"));
  },
);

/** Words of claude, now or lately; `csm doctor` must reach it. */
const claudeWords =
  "agents attach auth auto-mode daemon doctor gateway import install kill logs mcp plugin plugins project remote-control respawn rm " +
  "self-hosted-runner setup-token stop ultrareview update";

test.each(claudeWords.split(" "))("csm %s goes to claude", async (word) => {
  expect(await decideRoute("csm", [word, "x"])).toEqual(claude(word, "x"));
});

test.each<[rule: string, args: string[], route: Route]>([
  ["nothing starts claude", [], claude()],
  ["a prompt goes to claude", ["fix the tests"], claude("fix the tests")],
  ["so does a flag", ["--continue", "-p", "hi"], claude("--continue", "-p", "hi")],
  ["and an empty word", [""], claude("")],
  ["a reserved word holds at the first place only", ["foo", "usage"], claude("foo", "usage")],
  ["also behind a flag", ["-p", "ls"], claude("-p", "ls")],
  ["a word in capitals is another", ["LS"], claude("LS")],
  ["a part of a word is another", ["usag"], claude("usag")],
  ["an inherited name is no word", ["toString"], claude("toString")],
  ["nor is this one", ["__proto__"], claude("__proto__")],
  ["a verb is no word by itself", ["profiles add"], claude("profiles add")],
  ["--version first", ["--version", "x"], { to: "version" }],
  ["-V first", ["-V"], { to: "version" }],
  ["--help first", ["--help"], { to: "help" }],
  ["-h first", ["-h", "x"], { to: "help" }],
  ["help alone", ["help"], { to: "help" }],
  ["version alone", ["version"], { to: "version" }],
  ["help on itself", ["help", "help"], { to: "help" }],
  ["help on one of ours", ["help", "usage"], csm("usage", "--help")],
  ["help on the driver", ["help", "csd"], csd("--help")],
  ["help on a topic", ["help", "states"], { to: "topic", topic: "states" }],
  ["help on a topic of two words", ["help", "exit", "codes"], { to: "topic", topic: "exit-codes" }],
  ["help on a topic that is a command too", ["help", "rules"], { to: "topic", topic: "rules" }],
  ["help on one of claude's", ["help", "mcp"], claude("help", "mcp")],
  ["a prompt that begins with help", ["help", "me", "now"], claude("help", "me", "now")],
  ["a prompt that begins with version", ["version", "2"], claude("version", "2")],
  ["a word that has no command yet", ["swarm"], claude("swarm")],
  ["-v is claude's", ["-v"], claude("-v")],
  ["--version later is claude's", ["x", "--version"], claude("x", "--version")],
  ["--help later is claude's", ["mcp", "--help"], claude("mcp", "--help")],
  ["-- first is for the launcher: what follows is claude's as it is", ["--", "ls", "--version"], claude("--", "ls", "--version")],
  ["a second -- stays too", ["--", "--", "x"], claude("--", "--", "x")],
  ["-- later stays", ["x", "--", "y"], claude("x", "--", "y")],
  ["-- alone starts claude", ["--"], claude("--")],
  ["csd is the driver", ["csd", "spawn", "--help"], csd("spawn", "--help")],
  ["csd alone too", ["csd"], csd()],
  ["only one csd is taken off", ["csd", "csd"], csd("csd")],
])("csm: %s", async (_, args, route) => {
  expect(await decideRoute("csm", args)).toEqual(route);
});

test.each<[invokedAs: string, args: string[], route: Route]>([
  ["csm", ["ls"], csm("ls")],
  ["/usr/local/bin/csm", ["ls"], csm("ls")],
  ["csm.exe", ["ls"], csm("ls")],
  ["smart-claude", ["ls"], csm("ls")],
  ["bun", ["ls"], csm("ls")],
  ["", ["ls"], csm("ls")],
  ["/opt/csd/csm", ["ls"], csm("ls")],
  ["csd", ["ls"], csd("ls")],
  ["csd", [], csd()],
  ["csd", ["--version"], csd("--version")],
  ["csd", ["csd", "spawn"], csd("spawn")],
  ["csd", ["--", "x"], csd("--", "x")],
  ["/home/me/bin/csd", ["ps"], csd("ps")],
  ["csd.exe", ["ps"], csd("ps")],
  ["C:\\Tools\\CSD.EXE", ["ps"], csd("ps")],
  ["csm-hook", ["Stop"], csm("hook", "Stop")],
  ["CSM-HOOK", ["--version"], csm("hook", "--version")],
  ["/x/csm-hook.exe", [], csm("hook")],
  ["csd2", ["ps"], claude("ps")],
])("called as %j with %j", async (invokedAs, args, route) => {
  expect(await decideRoute(invokedAs, args)).toEqual(route);
});

test("the caller's arguments are copied", async () => {
  const args = ["--continue"];
  const route = await decideRoute("csm", args);
  args.push("x");
  expect(route).toEqual(claude("--continue"));
});

test.each<[args: string[], meant: string | undefined]>([
  [["usge"], "usage"],
  [["usagee"], "usage"],
  [["uasge"], "usage"],
  [["usafe"], "usage"],
  [["Usage"], "usage"],
  [["LS"], "ls"],
  [["sl"], "ls"],
  [["list"], "ls"],
  [["hlep"], "help"],
  [["verson"], "version"],
  [["csdd"], "csd"],
  [["pick-acount"], "pick-account"],
  // Two slips, a word of claude, more words, no word at all.
  [["usg"], undefined],
  [["fix"], undefined],
  [["logs"], undefined],
  [["update"], undefined],
  [["setup-token"], undefined],
  [["hello"], undefined],
  [["usge", "now"], undefined],
  [["s"], undefined],
  [["-ls"], undefined],
  [["l's"], undefined],
  [["fix the tests"], undefined],
  [["toString"], undefined],
  [["constructor"], undefined],
  [[""], undefined],
  [[], undefined],
])("%j may mean %p", async (args, meant) => {
  expect(await findMeant(args)).toBe(meant as never);
});
