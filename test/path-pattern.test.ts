import { expect, test } from "bun:test";
import { absolutePath, fitsGlob, fitsPath, isWindowsPath, nativePath, slashPath, spelledPath } from "../src/path-pattern.ts";

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

test.each<[native: string, slashes: string]>([
  ["C:\\Users\\me", "/c:/Users/me"],
  ["c:/Users/me", "/c:/Users/me"],
  ["/c/Users/me", "/c:/Users/me"],
  ["/cygdrive/c/Users", "/c:/Users"],
  ["/c:/Users/me", "/c:/Users/me"],
  ["C:", "/c:"],
  ["C:\\", "/c:/"],
  ["\\\\?\\C:\\Users", "/c:/Users"],
  ["\\\\.\\C:\\Users", "/c:/Users"],
  ["\\\\srv\\share\\x", "/unc:/srv/share/x"],
  ["//srv/share/x", "/unc:/srv/share/x"],
  ["\\\\?\\UNC\\SRV\\Share\\X", "/unc:/srv/share/X"],
  [".env.", ".env"],
  [".env . ", ".env"],
  [".env::$DATA", ".env"],
  ["a\\b.txt:stream\\c", "a/b.txt/c"],
  ["..\\..\\x", "../../x"],
  ["/cc/x", "/cc/x"],
  ["//?/C:/x", "/c:/x"],
  ["", ""],
])("Windows' %j is spelled %j", (native, slashes) => {
  expect(slashPath(native)).toBe(slashes);
  // Twice is once, and the system gets what is the same again.
  expect(slashPath(slashes)).toBe(slashes);
  expect(slashPath(nativePath(slashes)).replace(/:\/$/, ":")).toBe(slashes.replace(/:\/$/, ":"));
});

test.each<[path: string, is: boolean]>([
  ["C:\\x", true],
  ["c:/x", true],
  ["C:", true],
  ["\\\\srv\\x", true],
  ["/home/c:/x", false],
  ["c:x", false],
  ["/c/x", false],
  ["\\x", false],
])("%j is how Windows alone writes a path: %p", (path, is) => expect(isWindowsPath(path)).toBe(is));

test.each<[text: string, folder: string, absolute: string]>([
  ["a\\..\\b", "/c:/w", "/c:/w/b"],
  ["..\\..\\..\\x", "/c:/w", "/c:/x"],
  ["..\\..\\x", "/unc:/srv/share/w", "/unc:/srv/share/x"],
  ["\\x", "/d:/w", "/d:/x"],
  ["\\c\\x", "/d:/w", "/d:/c/x"],
  ["C:x", "/c:/w", "/c:/w/x"],
  ["D:x", "/c:/w", "/d:/x"],
  ["~\\.ssh\\id", "/c:/w", "/c:/Users/me/.ssh/id"],
  ["/c/Users/me/", "/c:/w", "/c:/Users/me"],
  ["C:/", "/d:/w", "/c:"],
])("on Windows %j in %j is %j", (text, folder, absolute) => expect(absolutePath(text, folder, "/c:/Users/me")).toBe(absolute));

const windowsRoots = { projectDir: "/c:/work/app", home: "/c:/Users/me" };

test.each<[pattern: string, path: string, fits: boolean]>([
  [".env", "/c:/work/app/.env", true],
  ["src\\**", "/c:/work/app/src/a.ts", true],
  ["src/**", "/c:/work/app/SRC/a.ts", true],
  ["~\\.ssh\\**", "/c:/Users/me/.ssh/id", true],
  ["~/.ssh/**", "/c:/users/ME/.ssh/id", true],
  ["C:\\secret\\**", "/c:/secret/a", true],
  ["c:/secret", "/c:/secret/a", true],
  ["/c/secret", "/c:/secret/a", true],
  ["\\secret", "/c:/secret/a", true],
  ["\\secret", "/d:/secret/a", false],
  ["\\\\srv\\share\\**", "/unc:/srv/share/a", true],
  ["C:\\secret", "/d:/secret", false],
  ["*.pem", "/c:/work/app/x/a.PEM", true],
])("on Windows the pattern %j fits %j: %p", (pattern, path, fits) => {
  for (const isLoose of [true, false]) expect(fitsPath(pattern, path, windowsRoots, isLoose)).toBe(fits);
});
