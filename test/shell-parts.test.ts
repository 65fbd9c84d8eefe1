import { expect, test } from "bun:test";
import { readShell } from "../src/shell-parts.ts";

const read = (text: string) => readShell(text, "/work", "/home/u");
const texts = (text: string) => read(text).parts.map((part) => part.text);

test.each<[text: string, parts: string[]]>([
  ["npm test", ["npm test"]],
  ["a | b && c; d & e", ["a", "b", "c", "d", "e"]],
  ["a $(b `c`) <(d)", ["a $(b `c`) <(d)", "b `c`", "c", "d"]],
  ["f() { a; }; function g { b; }", ["a", "b"]],
  ["cat <<EOF\n$(a)\nEOF\nb", ["cat <<EOF", "a", "b"]],
  ["cat <<'EOF'\n$(a)\nEOF", ["cat <<'EOF'"]],
  ["X=$(a) Y=1", ["a"]],
  ["a > x 2>&1 < y", ["a > x 2>&1 < y", "> x", "< y"]],
  ["a &>/dev/null", ["a &>/dev/null"]],
  ["[[ $(a) == b ]] && ((c[$(d)]))", ["a", "d"]],
  ["echo {x,$(a)}", ["echo {x,$(a)}", "a"]],
  [`echo \${x:-$(a)} \${y/$(b)/$(c)}`, [`echo \${x:-$(a)} \${y/$(b)/$(c)}`, "a", "b", "c"]],
  ["case $(a) in $(b)) c;; esac", ["a", "b", "c"]],
  ["for i in $(a); do b; done > $(c)", ["> $(c)", "c", "a", "b"]],
  ["bash -c 'a; b' | sudo c", ["bash -c 'a; b'", "a", "b", "sudo c", "c"]],
  ["find . -exec a {} ; -exec b {} +", ["find . -exec a {}", "-exec b {} +", "a {}"]],
  ["find . -exec a {} \\; -exec b {} +", ["find . -exec a {} \\; -exec b {} +", "a {}", "b {}"]],
])("%j is %j", (text, parts) => expect(texts(text).sort()).toEqual(parts.sort()));

test.each<[text: string, words: [string, string][]]>([
  [
    "a b",
    [
      ["a", "literal"],
      ["b", "literal"],
    ],
  ],
  [
    "'a b' \"c\" d\\ e",
    [
      ["a b", "literal"],
      ["c", "literal"],
      ["d e", "literal"],
    ],
  ],
  [
    "~/x ~",
    [
      ["/home/u/x", "literal"],
      ["/home/u", "literal"],
    ],
  ],
  [
    "$'a' a\\\nb",
    [
      ["a", "odd"],
      ["ab", "odd"],
    ],
  ],
  [
    '$x "b$x" ~u',
    [
      ["$x", "open"],
      ["b$x", "open"],
      ["~u", "open"],
    ],
  ],
  [
    "a* {b,c} [d]",
    [
      ["a*", "open"],
      ["{b,c}", "open"],
      ["[d]", "open"],
    ],
  ],
  [
    "{} @{u} HEAD^ HEAD~2 a=b c:d x#y !",
    [
      ["{}", "literal"],
      ["@{u}", "literal"],
      ["HEAD^", "literal"],
      ["HEAD~2", "literal"],
      ["a=b", "literal"],
      ["c:d", "literal"],
      ["x#y", "literal"],
      ["!", "literal"],
    ],
  ],
  [
    '\'"\' "\'" "\\""',
    [
      ['"', "literal"],
      ["'", "literal"],
      ['"', "literal"],
    ],
  ],
])("the words of c %j", (text, words) =>
  expect(
    read(`c ${text}`)
      .parts[0]?.words.slice(1)
      .map((word): [string, string] => [word.text, word.certainty]),
  ).toEqual(words),
);

test.each<[text: string, folder: string | undefined]>([
  ["x", "/work"],
  ["cd a && x", "/work/a"],
  ["cd /a && x", "/a"],
  ["cd && x", "/home/u"],
  ["cd ~/b && x", "/home/u/b"],
  ["cd -P -- a && x", "/work/a"],
  ["cd a && cd b && x", "/work/a/b"],
  ["cd a; x", undefined],
  ["cd a\nx", undefined],
  ["cd a || x", undefined],
  ["true || cd a && x", undefined],
  ["cd $a && x", undefined],
  ["cd - && x", undefined],
  ["pushd a && x", undefined],
  ["(cd a) && x", "/work"],
  ["cd a | b; x", "/work"],
  ["cd a & x", "/work"],
  ["echo $(cd a); x", "/work"],
  ["if cd a; then x; fi", undefined],
  ["{ cd a; }; x", undefined],
  ["bash -c 'cd a'; x", "/work"],
  ["bash -c 'cd a && x'", "/work/a"],
  ["eval 'cd a' && x", undefined],
  ["builtin cd a && x", "/work/a"],
  ["ssh h x", undefined],
  ["env -C a x", undefined],
])("where x runs in %j: %p", (text, folder) => expect(read(text).parts.find((part) => part.words[0]?.text === "x")?.folder).toBe(folder));

test.each<[text: string, isHidden: boolean]>([
  ["a", false],
  ["a $x", false],
  ["f() { a; }; f", false],
  ["$x", false],
  ["eval $x", true],
  ["a (", true],
  ["alias a=b; a", true],
  ["a | sh", true],
  ["sh <<< 'a'", false],
  ["x='a[$(b)]'; ((x))", true],
  [`a ${"b".repeat(9000)}`, true],
])("other commands than its parts may run in %j: %p", (text, isHidden) => expect(read(text).isHidden).toBe(isHidden));

test("a text that no parser likes takes no time", () => {
  for (const text of [
    "$(".repeat(4000),
    "(".repeat(8000),
    "`".repeat(8001),
    "{".repeat(8000),
    "$((".repeat(2500),
    "${a:-".repeat(1600),
    "if ".repeat(2600),
    "<<a ".repeat(2000),
    "a=(".repeat(2600),
    "[[ ( ".repeat(1600),
    "case x in ".repeat(800),
    `bash -c "${"bash -c '".repeat(800)}`,
    "\\".repeat(8000),
    "f() ".repeat(2000),
    "!".repeat(8000),
    "a|".repeat(4000),
    "{a,".repeat(2600),
    "@(".repeat(4000),
    "'".repeat(8001),
  ]) {
    const startedAt = performance.now();
    read(text);
    // A tenth of it alone; others run beside.
    expect([text.slice(0, 10), performance.now() - startedAt < 1000]).toEqual([text.slice(0, 10), true]);
  }
});
