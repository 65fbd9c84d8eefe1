import { expect, test } from "bun:test";
import { renderStatusline } from "../src/statusline.ts";

test.each<[rule: string, env: Record<string, string>, hostname: string, line: string]>([
  ["no profile: the host, up to its first dot", {}, "mac.lan", "mac"],
  ["a host without dot is whole", {}, "mac", "mac"],
  ["no host name at all", {}, "", ""],
  ["the default folder is no profile", { CLAUDE_CONFIG_DIR: "/home/me/.claude" }, "mac", "mac"],
  ["a named one is", { CLAUDE_CONFIG_DIR: "/home/me/.claude.work" }, "mac.lan", "work@mac"],
  ["a slash at the end changes nothing", { CLAUDE_CONFIG_DIR: "/home/me/.claude.work//" }, "mac", "work@mac"],
  ["a Windows path", { CLAUDE_CONFIG_DIR: "C:\\Users\\me\\.claude.work" }, "PC", "work@PC"],
  ["a name keeps its dots", { CLAUDE_CONFIG_DIR: "/x/.claude.work.eu" }, "mac", "work.eu@mac"],
  ["an empty name is none", { CLAUDE_CONFIG_DIR: "/x/.claude." }, "mac", "mac"],
  ["only the last folder counts", { CLAUDE_CONFIG_DIR: "/x/.claude.work/sub" }, "mac", "mac"],
  ["another folder is no profile", { CLAUDE_CONFIG_DIR: "/x/claude.work" }, "mac", "mac"],
  ...["1", "true", "True", "TRUE", "yes"].map((value): [string, Record<string, string>, string, string] => [
    `a personal machine says ${value}`,
    { CLAUDE_CONFIG_DIR: "/x/.claude.work", IS_PERSONAL_MACHINE: value },
    "mac",
    "work@mac",
  ]),
  ...["0", "", "YES", "no"].map((value): [string, Record<string, string>, string, string] => [
    `another one says ${JSON.stringify(value)}: no profile`,
    { CLAUDE_CONFIG_DIR: "/x/.claude.work", IS_PERSONAL_MACHINE: value },
    "mac",
    "mac",
  ]),
  ["replace: in any case, as it is written", { CSM_HOST_REPLACE: "MACBOOK-/MB" }, "macbook-pro.lan", "MBpro"],
  ["replace: only the first occurrence", { CSM_HOST_REPLACE: "a/o" }, "banana", "bonana"],
  ["replace: everything behind the first slash", { CSM_HOST_REPLACE: "mac/a/b" }, "mac", "a/b"],
  ["replace: by nothing", { CSM_HOST_REPLACE: "-pro/" }, "mac-pro", "mac"],
  ["replace: no slash, no change", { CSM_HOST_REPLACE: "mac" }, "mac", "mac"],
  ["replace: nothing to find, no change", { CSM_HOST_REPLACE: "/x" }, "mac", "mac"],
  ["replace: not found, no change", { CSM_HOST_REPLACE: "pc/x" }, "mac", "mac"],
  ["replace: patterns are plain text", { CSM_HOST_REPLACE: "m.c/$&" }, "mac", "mac"],
  ["replace: so is what comes instead", { CSM_HOST_REPLACE: "mac/$&" }, "mac", "$&"],
  ["replace: before the first dot only", { CSM_HOST_REPLACE: "lan/x" }, "mac.lan", "mac"],
])("%s", (_, env, hostname, line) => {
  expect(renderStatusline(env, hostname)).toBe(line);
});
