import { expect, test } from "bun:test";
import { createLook } from "../src/diagnose.ts";
import { checks, parseSettingsErrors } from "../src/diagnose-checks.ts";
import { createFakeSys } from "./fake-sys.ts";

const broken = `These settings files did not load, so nothing in them is in effect, including hooks and permission rules. Each loads again once the problem listed for it is fixed:
  /h/.claude/settings.json (cleanupPeriodDays): Expected number, but received string
`;
const skipped = `These settings entries were skipped; the rest of each file is in effect:
  /h/.claude/settings.json (hooks.Foo): Unknown hook event "Foo" was ignored.
`;
const end = "Error: Input must be provided either through stdin or as a prompt argument when using --print\n";

test.each<[what: string, stderr: string, found: ReturnType<typeof parseSettingsErrors>]>([
  ["nothing is wrong", end, []],
  [
    "a file that is not loaded",
    broken + end,
    [{ text: "/h/.claude/settings.json (cleanupPeriodDays): Expected number, but received string", isWhole: true }],
  ],
  [
    "both",
    broken + skipped + end,
    [
      { text: "/h/.claude/settings.json (cleanupPeriodDays): Expected number, but received string", isWhole: true },
      { text: '/h/.claude/settings.json (hooks.Foo): Unknown hook event "Foo" was ignored.', isWhole: false },
    ],
  ],
  ["indented lines of something else", `Warning:\n  about this\n${end}`, []],
])("claude 2.1.329 on its settings: %s", (_, stderr, found) => {
  expect(parseSettingsErrors(stderr)).toEqual(found);
});

test("without claude too, settings that nobody can read are told, and nothing is said of what would stand in them", async () => {
  const look = createLook(createFakeSys({ homeDir: "/home/u", files: { "/home/u/.claude/settings.json": '{"cleanupPeriodDays": 7' } }));
  const told = async (name: string) =>
    (await checks.find((row) => row.name === name)?.probe(look))?.map(({ health, detail }) => [health, detail]);
  expect(await told("settings")).toEqual([["broken", "~/.claude/settings.json is no JSON: nothing of it is in effect"]]);
  for (const name of ["hooks", "status line", "history", "away"])
    expect(await told(name)).toEqual([["degraded", "not known: the settings cannot be read"]]);
});
