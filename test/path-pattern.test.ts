import { expect, test } from "bun:test";
import { absolutePath, fitsGlob, fitsPath, spelledPath } from "../src/path-pattern.ts";

test.each<[pattern: string, text: string, fits: boolean]>([
  ["a", "a", true],
  ["a", "ab", false],
  ["*", "", true],
  ["a*c", "abbbc", true],
  ["a*c", "abbb", false],
  ["*a*b", "xaxb", true],
  ["?", "a", true],
  ["?", "", false],
  ["[a-c]x", "bx", true],
  ["[!a-c]x", "bx", false],
  ["[^a-c]x", "dx", true],
  ["[]]", "]", true],
  ["[a", "[a", true],
  ["\\*", "*", true],
  ["\\*", "a", false],
  ["a**b", "axb", true],
])("the glob %j fits %j: %p", (pattern, text, fits) => expect(fitsGlob(pattern, text)).toBe(fits));

test("a hostile pattern takes no time", () => {
  const startedAt = performance.now();
  expect(fitsGlob("*a".repeat(100), `${"a".repeat(4000)}b`)).toBe(false);
  expect(fitsPath(`/${"**/a/".repeat(100)}b`, "/a".repeat(1000), { projectDir: "/", home: "/" }, true)).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

test.each<[text: string, absolute: string, spelled: string]>([
  ["a", "/f/a", "/f/a"],
  ["/a//b/./c/", "/a/b/c", "/a//b/./c/"],
  ["../a", "/a", "/f/../a"],
  ["/../a", "/a", "/../a"],
  ["~/a", "/h/a", "/h/a"],
  ["~", "/h", "/h"],
  ["~a", "/f/~a", "/f/~a"],
  ["", "/f", "/f/"],
])("the path %j is %j, spelled %j", (text, absolute, spelled) => {
  expect(absolutePath(text, "/f", "/h")).toBe(absolute);
  expect(spelledPath(text, "/f", "/h")).toBe(spelled);
});

const roots = { projectDir: "/p [x]", home: "/h" };

test.each<[pattern: string, path: string, fits: boolean, isHit?: boolean]>([
  ["a", "/p [x]/a", true],
  ["a", "/p [x]/b/a", true],
  ["a", "/p [x]/b/a/c", true],
  ["a", "/p [x]/ab", false],
  ["a", "/a", false],
  ["a/b", "/p [x]/a/b", true],
  ["a/b", "/p [x]/c/a/b", false],
  ["./a", "/p [x]/a", true],
  ["./a", "/p [x]/c/a", false],
  ["a/", "/p [x]/c/a/x", true],
  ["a/", "/p [x]/a", false, true],
  ["a/**", "/p [x]/a/b/c", true],
  ["a/**", "/p [x]/d/a/b", false],
  ["a/**", "/p [x]/a", false, true],
  ["**", "/p [x]/a", true],
  ["**", "/q/a", false],
  ["**/a", "/p [x]/a", true],
  ["a/**/b", "/p [x]/a/b", true],
  ["a/**/b", "/p [x]/a/c/d/b", true],
  ["*.ts", "/p [x]/a/b.ts", true],
  ["src/*.ts", "/p [x]/src/a/b.ts", false],
  ["src/*", "/p [x]/src/a/b.ts", true],
  ["*", "/p [x]/a", true],
  ["/etc", "/etc/passwd", true],
  ["/etc/*.conf", "/etc/a.conf", true],
  ["/", "/x", true],
  ["/**", "/x", true],
  ["~/.ssh/", "/h/.ssh/id", true],
  ["~", "/h/x", true],
  ["~/*", "/h2/x", false],
  ["../q", "/q/x", true],
  ["A", "/p [x]/a", false, true],
  ["!a", "/p [x]/a", false],
  ["!a", "/p [x]/b", false],
  ["", "/p [x]/a", false],
])("the pattern %j covers %j: %p", (pattern, path, fits, ...isHit) => {
  expect(fitsPath(pattern, path, roots, false)).toBe(fits);
  expect(fitsPath(pattern, path, roots, true)).toBe(isHit[0] ?? fits);
});

test.each<[pattern: string, path: string, isAllowed: boolean, isHit: boolean]>([
  ["/tmp/x/**", "/private/tmp/x/y", true, true],
  ["/tmp/x/**", "/etc/y", false, true],
  ["out/**", "/real/p/out/y", true, true],
  ["out/**", "/etc/y", false, true],
  ["*.pem", "/real/p/a.pem", true, true],
  ["~/.ssh/", "/users/h/.ssh/id", true, true],
  ["secret", "/vault/secret", false, false],
  ["./link", "/vault/secret", false, true],
])("with links, %j covers %j: %p, denies it: %p", (pattern, path, isAllowed, isHit) => {
  const links: [string, string][] = [
    ["/tmp/x", "/etc"],
    ["/tmp", "/private/tmp"],
    ["/p/out", "/etc"],
    ["/p/link", "/vault/secret"],
    ["/p", "/real/p"],
    ["/h", "/users/h"],
  ];
  const resolve = (from: string) => {
    const [link, to] = links.find(([each]) => from === each || from.startsWith(`${each}/`)) ?? ["", ""];
    return to + from.slice(link.length);
  };
  const linked = { projectDir: "/p", home: "/h", resolve };
  expect(fitsPath(pattern, path, linked, false)).toBe(isAllowed);
  expect(fitsPath(pattern, path, linked, true)).toBe(isHit);
});
