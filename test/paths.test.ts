import { expect, test } from "bun:test";
import { slugOf } from "../src/paths.ts";

const bs = "b/".repeat(120);

test.each<[rule: string, path: string, slug: string]>([
  ["blanks and slashes become dashes, case stays", "/home/me/bots/Marshall Ku", "-home-me-bots-Marshall-Ku"],
  ["so do dots and underscores", "/tmp/Test_Case_E2E/001/a.b", "-tmp-Test-Case-E2E-001-a-b"],
  ["runs of dashes are kept", "/a--b", "-a--b"],
  ["the root is one dash", "/", "-"],
  ["a hidden folder and a dash at the end", "/home/me/.cfg-", "-home-me--cfg-"],
  ["one dash for each UTF-16 unit: é and 日 one, an emoji two", "/é日😀", "-----"],
  ["a Windows path", "C:\\Users\\me", "C--Users-me"],
  ["200 units are not cut", `/${"a".repeat(199)}`, `-${"a".repeat(199)}`],
  ["201 are cut to 200, and the hash of the whole path follows", `/${"a".repeat(200)}`, `-${"a".repeat(199)}-b6ymvl`],
  ["the hash is of the path, not of the slug", `/${bs}`, `-${"b-".repeat(120)}`.slice(0, 200).concat("-nmwng9")],
  ["its units are UTF-16", `/home/dev/${"😀".repeat(100)}x`, `-home-dev-${"-".repeat(190)}-tsj3bl`],
])("%s", (_, path, slug) => {
  expect(slugOf(path)).toBe(slug);
});
