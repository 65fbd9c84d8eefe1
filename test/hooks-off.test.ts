import { expect, test } from "bun:test";
import { readHooksOff } from "../src/hooks-off.ts";
import { createFakeSys } from "./fake-sys.ts";

const user = "/home/dev/.claude/settings.json";
const project = "/app/.claude/settings.json";
const local = "/app/.claude/settings.local.json";
const managed = "/etc/claude-code/managed-settings.json";
const part = (name: string) => `/etc/claude-code/managed-settings.d/${name}.json`;
const off = '{"disableAllHooks": true}';
const on = '{"disableAllHooks": false}';
const only = '{"allowManagedHooksOnly": true}';

/** What claude 2.1.329 did in each: test/e2e/csm-relaunch.test.ts has the ones that it is asked again. */
test.each<[rule: string, files: Record<string, string>, own: string | undefined, reason: string | undefined]>([
  ["nothing says so", { [user]: "{}" }, undefined, undefined],
  ["the user", { [user]: off }, undefined, `disableAllHooks in ${user}`],
  ["the project", { [project]: off }, undefined, `disableAllHooks in ${project}`],
  ["the project's own user", { [local]: off }, undefined, `disableAllHooks in ${local}`],
  ["--settings", {}, off, "disableAllHooks in --settings"],
  ["--settings with a path", { "/app/x.json": off }, "x.json", "disableAllHooks in /app/x.json"],
  ["the user, and the project has them on", { [user]: off, [project]: on }, undefined, undefined],
  ["the user, and --settings has them on", { [user]: off }, on, undefined],
  ["managed, whatever others say", { [managed]: off, [local]: on }, on, `disableAllHooks in ${managed}`],
  ["managed has them on, whatever others say", { [managed]: on, [user]: off }, off, undefined],
  ["a part of the managed ones", { [managed]: "{}", [part("10")]: off }, undefined, `disableAllHooks in ${part("10")}`],
  ["the last part counts", { [part("10")]: off, [part("20")]: on }, undefined, undefined],
  ["managed hooks only", { [managed]: only }, undefined, `allowManagedHooksOnly in ${managed}`],
  ["managed hooks only, in a part", { [part("10")]: only }, undefined, `allowManagedHooksOnly in ${part("10")}`],
  ["managed hooks only, said by one who may not", { [user]: only }, undefined, undefined],
  ["a word in place of a truth value", { [user]: '{"disableAllHooks": "true"}' }, undefined, undefined],
  ["a file that is no JSON", { [user]: `${off},` }, undefined, undefined],
  ["a byte order mark", { [user]: `\ufeff${off}` }, undefined, `disableAllHooks in ${user}`],
])("hooks are switched off: %s", (_, files, own, reason) => {
  const sys = createFakeSys({ files });
  expect(readHooksOff(sys, { configDir: "/home/dev/.claude", cwd: "/app", own })).toBe(reason);
});

test.each<[platform: NodeJS.Platform, path: string]>([
  ["darwin", "/Library/Application Support/ClaudeCode/managed-settings.json"],
  ["linux", managed],
])("the managed settings of %s", (platform, path) => {
  const sys = createFakeSys({ platform, files: { [path]: only } });
  expect(readHooksOff(sys, { configDir: "/c", cwd: "/app" })).toBe(`allowManagedHooksOnly in ${path}`);
});
