import { expect, test } from "bun:test";
import { findSetting, settings } from "../src/config.ts";
import { defaultHealth } from "../src/health.ts";
import { healthSettings } from "../src/health-settings.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/home/dev/.config/claude-smart/config.json";

test.each<[string, string | undefined, object]>([
  ["no file", undefined, defaultHealth],
  ["one of them", '{"dashboard":{"stalledMs":1000,"theme":"x"}}', { ...defaultHealth, stalledMs: 1000 }],
])("%s", (_, text, expected) => {
  expect(healthSettings(createFakeSys({ files: text === undefined ? {} : { [path]: text } }))).toEqual(expected as typeof defaultHealth);
});

test("csm config keys tells what holds without the file", () => {
  const told = settings.filter(({ key }) => key.startsWith("dashboard."));
  const values = told.map(({ key, default: value }) => [findSetting(key).path[1], value]);
  expect(Object.fromEntries(values)).toEqual(defaultHealth as unknown as Record<string, unknown>);
});
