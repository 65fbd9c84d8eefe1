import { expect, test } from "bun:test";
import { chooseTheme } from "../src/dashboard-theme.ts";

test.each<[flag: string | undefined, noColor: string | undefined, theme: string | undefined]>([
  [undefined, undefined, "dark"],
  [undefined, "", "dark"],
  [undefined, "1", "none"],
  ["light", "1", "light"],
  ["pink", undefined, undefined],
  ["constructor", undefined, undefined],
])("theme: flag %p, NO_COLOR %p", (flag, noColor, theme) => {
  expect(chooseTheme(flag, noColor)).toBe(theme as never);
});
