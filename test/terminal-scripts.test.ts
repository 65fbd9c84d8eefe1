import { expect, test } from "bun:test";
import { ghosttyScripts, itermScripts, quoteApple, quoteWt, renderShell, renderWarp, terminalAppScripts } from "../src/terminal-scripts.ts";

const hostile = [
  "plain",
  "",
  'say "hi"',
  "back\\slash",
  '\\" & (do shell script "id") & "',
  "line\nbreak\ttab\rreturn",
  "\u001b[200~x\u001b[201~\u0000\u007f",
  "ünï ❯ 🙂 \u202e x",
  '"\nend tell\ntell application "Finder" to quit\n"',
  "it's $HOME `id` $(id) ; rm -rf / # %",
];

/** Literals and `(character id N)`, joined by `&`: all that may stand in such an expression. Throws at anything else. */
function readApple(expression: string): string {
  let rest = expression;
  let text = "";
  for (let isFirst = true; rest !== ""; isFirst = false) {
    if (!isFirst) {
      if (!rest.startsWith(" & ")) throw new Error(`no operator: ${rest}`);
      rest = rest.slice(3);
    }
    const literal = /^"((?:[^"\\\p{C}]|\\["\\])*)"/u.exec(rest);
    const sign = /^\(character id (\d+)\)/.exec(rest);
    if (literal !== null) text += (literal[1] ?? "").replace(/\\(["\\])/g, "$1");
    else if (sign !== null) text += String.fromCodePoint(Number(sign[1]));
    else throw new Error(`no literal: ${rest}`);
    rest = rest.slice((literal ?? sign)?.[0].length);
  }
  return text;
}

test.each(hostile)("AppleScript: %j comes through whole, and nothing of it is a command", (text) => {
  expect(readApple(quoteApple(text))).toBe(text);
});

test.each(hostile)("each script keeps its lines, whatever is in it: %j", (text) => {
  const launch = { argv: ["/opt/csm", text], cwd: `/w/${text}`, title: text };
  const counts = (script: string) => script.split("\n").length;
  const plain = { argv: ["/opt/csm", "x"], cwd: "/w/x", title: "x" };
  const scripts = (given: typeof launch, words: string): string[] => [
    itermScripts.launch(given),
    itermScripts.write(words, words),
    terminalAppScripts.launch(given),
    terminalAppScripts.focus(words),
    ghosttyScripts.launch(given),
    ghosttyScripts.input(words, words),
  ];
  expect(scripts(launch, text).map(counts)).toEqual(scripts(plain, "x").map(counts));
});

test("a tty is compared whole", () => {
  for (const script of [itermScripts.find("/dev/ttys001"), terminalAppScripts.find("/dev/ttys001"), ghosttyScripts.find("/dev/ttys001")]) {
    expect(script).toContain(') is "/dev/ttys001" then');
    expect(script).not.toContain("contains");
    expect(script).toMatch(/error "no \w+ has this tty"\nend tell\n$/);
  }
});

test.each(hostile.filter((text) => !text.includes("\0")))("sh: %j stays one word", async (text) => {
  const shell = Bun.spawn(["sh", "-c", renderShell({ argv: ["printf", "%s|", text, "end"], cwd: "/", title: "" })], { stdout: "pipe" });
  expect(await new Response(shell.stdout).text()).toBe(`${text}|end|`);
});

test("Windows Terminal begins no second command, and Warp's configuration is what was meant", () => {
  expect(quoteWt("a;b; c")).toBe("a\\;b\\; c");
  for (const text of hostile) {
    const launch = { argv: ["/opt/csm", text], cwd: `/w/${text}`, title: text };
    const [window] = (JSON.parse(renderWarp(launch)) as { windows: { tabs: { layout: object }[] }[] }).windows;
    expect(window?.tabs[0]?.layout).toEqual({ cwd: launch.cwd, commands: [{ exec: renderShell(launch) }] });
  }
});
