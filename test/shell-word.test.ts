import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readShell } from "../src/shell-parts.ts";

/** The words that are literal for our reader, by how they are spelled. */
function literalWords(spellings: readonly string[]): { spelled: string; text: string }[] {
  return spellings.flatMap((spelled) => {
    const { parts, doubts } = readShell(`p ${spelled}`, "/work", "/home/u");
    const [part, ...others] = parts;
    const [, word, ...more] = part?.words ?? [];
    const isWhole = part?.text === `p ${spelled}` && others.length === 0 && more.length === 0;
    const isPlain = isWhole && doubts.length === 0 && part?.doubts.length === 0;
    return isPlain && word?.certainty === "literal" ? [{ spelled, text: word.text }] : [];
  });
}

const pieces = [
  ...`a b \\ \\ \\ $ $ | ( ) ^ ! = { } ~ # \` . * ? [ ] & ; < > - / : n t 0 é ' %`.split(" "),
  ...[" ", '\\"', "\\\\", "\\$", "\\`", "$)", "$|", '""', "''", "\\|", "\\.", "\\n", "\t", "\\é"],
];

/** Words as chance makes them, most of them in double quotes; the same each time (mulberry32). */
function makeWords(count: number): string[] {
  let state = 7;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
  const text = () => Array.from({ length: below(6) }, () => pieces[below(pieces.length)] ?? "").join("");
  const forms = [(inner: string) => `"${inner}"`, (inner: string) => `"${inner}"${text()}`, (inner: string) => `${text()}"${inner}"`, text];
  return Array.from({ length: count }, () => forms[below(forms.length)]?.(text()) ?? "").filter((word) => word !== "");
}

const spellings = [
  ...['"foo\\|bar"', '"^$"', '"a$\\|b"', '"\\.ts"', '"$ x"', '"\\\\|"', '"="', '"{"', "'}'", "\\{", "HEAD^", "HEAD~1"],
  ...makeWords(4_000),
];

// As `sh` of Debian, and where claude runs its commands: the user's bash or zsh.
test.each(["bash", "dash", "zsh"].filter((shell) => Bun.which(shell) !== null))("what is read as literal is what %s reads", (shell) => {
  const words = literalWords(spellings);
  expect(words.length).toBeGreaterThan(600);
  const dir = mkdtempSync(join(tmpdir(), "csm-words-"));
  try {
    const script = words.map(({ spelled }) => `printf '%s\\0' ${spelled}`).join("\n");
    const options = shell === "zsh" ? ["-f"] : [];
    const env = { PATH: "/nowhere", HOME: "/home/u", LC_ALL: "C.UTF-8" };
    const ran = Bun.spawnSync([Bun.which(shell) ?? "", ...options, "-c", script], { cwd: dir, env });
    const said = ran.stdout.toString().split("\0").slice(0, -1);
    expect([ran.stderr.toString(), words.find(({ text }, at) => said[at] !== text), said.length]).toEqual(["", undefined, words.length]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("what begins nothing in double quotes is literal, and what begins something is not", () => {
  const plain = ['"foo\\|bar"', '"^$"', '"a$\\|b"', '"\\.ts"', '"$|"'];
  expect(literalWords(plain).map(({ text }) => text)).toEqual(["foo\\|bar", "^$", "a$\\|b", "\\.ts", "$|"]);
  expect(literalWords(['"$x"', '"\\\\$x"', '"$(a)"', '"`a`"', '"\\\n"', '"\\!"', '"$1"', "\"$'a'\"", "=ls", "{", "}"])).toEqual([]);
});

test("a text in a here-document is literal for every shell", () => {
  const bodies = [
    "a\n",
    "feat(x): say $a; b & c\n\n- d | e > f (#12)\n\n",
    `"a" 'b\n`,
    "it's what isn't (so)\n",
    'say "yes"\n',
    "# case x in\n",
    "<<E\n",
  ];
  const spelled = bodies.map((body) => `"$(cat <<'EOF'\n${body}EOF\n)"`);
  const texts = spelled.map((each) => {
    const word = readShell(`p -m ${each}`, "/work", "/home/u").parts[0]?.words[2];
    return word?.certainty === "literal" ? word.text : undefined;
  });
  expect(texts.flatMap((text, at) => (text === undefined ? [at] : []))).toEqual([2]);
  for (const shell of ["bash", "dash", "zsh"].filter((name) => Bun.which(name) !== null)) {
    const script = spelled.map((each, at) => (texts[at] === undefined ? "" : `printf '%s\\0' ${each}\n`)).join("");
    const ran = Bun.spawnSync([Bun.which(shell) ?? "", "-c", script], { env: { PATH: process.env.PATH ?? "", HOME: "/home/u" } });
    const said: (string | undefined)[] = ran.stdout.toString().split("\0").slice(0, -1);
    expect([shell, ran.stderr.toString(), said]).toEqual([shell, "", texts.filter((text) => text !== undefined)]);
  }
});
