import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parsePrograms } from "../src/cmd-completions.ts";
import { loadCommands } from "../src/commands.ts";
import { exitCode } from "../src/errors.ts";
import { width } from "../src/format.ts";
import { places, renderTopic } from "../src/help-topics.ts";
import * as paths from "../src/paths.ts";
import { findTopic, topics } from "../src/program.ts";
import { conditions } from "../src/rules-schema.ts";
import { settings, variables } from "../src/settings.ts";
import { sourceMeanings, statuses } from "../src/statuses.ts";
import { createFakeSys } from "./fake-sys.ts";

const root = join(import.meta.dir, "..");
const loaded = await loadCommands();
const sys = createFakeSys({ homeDir: "/home/dev" });
const explain = (topic: (typeof topics)[number], columns?: number) => renderTopic(topic, { sys, loaded }, columns);

test.each(topics)("%s fits 80 columns, and a narrower terminal", async (topic) => {
  for (const columns of [80, 60]) {
    const tooWide = (await explain(topic, columns)).split("\n").filter((line) => width(line) > columns);
    expect(tooWide).toEqual([]);
  }
  expect(await explain(topic, 200)).toBe(await explain(topic));
});

test.each(topics)("%s names the others, and is offered at Tab", async (topic) => {
  const text = await explain(topic);
  expect(text.slice(text.indexOf("Other topics")).match(/[a-z-]{4,}/g)).toEqual(
    expect.arrayContaining(topics.filter((one) => one !== topic)),
  );
  const csm = parsePrograms(loaded).find(({ word }) => word === "csm");
  const offered = csm?.verbs.find(({ word }) => word === "help")?.places[0]?.choices ?? [];
  expect(offered.filter((word) => word === topic)).toEqual([topic]);
});

test.each<[words: string, topic: string | undefined]>([
  ["exit-codes", "exit-codes"],
  ["exit codes", "exit-codes"],
  ["coming from", "coming-from"],
  ["states", "states"],
  ["states now", undefined],
  ["mcp", undefined],
  ["", undefined],
])("csm help %s: %p", (words, topic) => expect(findTopic(words.split(" "))).toBe(topic as never));

/** Those of a place that is given, or of none. */
const noPlaces = [
  "homeDir",
  "slugOf",
  "findTranscript",
  "hasUserRules",
  "sessionsDir",
  "sessionFilePath",
  "projectsDir",
  "transcriptPath",
  "projectRuleFiles",
];

test("files: every place of paths.ts is told", () => {
  const told = new Set(places.map(([read]) => read(sys)));
  const missing = Object.entries(paths).filter(([name, read]) => {
    if (noPlaces.includes(name)) return false;
    const [path] = [(read as (given: typeof sys) => string | string[])(sys)].flat();
    return !told.has(path ?? "");
  });
  expect(missing.map(([name]) => name)).toEqual([]);
});

/** Of terminals, systems and claude itself: nobody sets them for csm's sake. */
const ofOthers =
  /^(?:TMUX|TERM|PATH|CLAUDE_PID|SHELL|OS|LOCALAPPDATA|HOME|CLAUDE_PROJECT_DIR|USER|TZ|TMPDIR|STY|CLAUDE_CODE_ENTRYPOINT|ANTHROPIC_MODEL|DISPLAY|LANG|A)$|^(?:LC|SSH|TERM|WAYLAND|BASH|TMUX)_/;

test("files: every variable that the program reads, and that README names, is told", async () => {
  const sources = [...new Bun.Glob("src/*.ts").scanSync(root)].map((path) => readFileSync(join(root, path), "utf8")).join("\n");
  const table = /\| variable \|[\s\S]*?\n\n/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[0] ?? "";
  const read = [...sources.matchAll(/\benv\.([A-Z][A-Z_0-9]*)/g), ...table.matchAll(/`([A-Z][A-Z_]+)/g)].map(([, name = ""]) => name);
  const text = await explain("files");
  expect(read.length).toBeGreaterThan(40);
  expect([...new Set(read)].filter((name) => !ofOthers.test(name) && !text.includes(name))).toEqual([]);
});

test.each<[topic: (typeof topics)[number], words: readonly string[]]>([
  ["signals", Object.keys(sourceMeanings)],
  ["rules", Object.keys(conditions)],
  ["states", statuses],
  ["exit-codes", Object.values(exitCode).map(String)],
  ["limits", Object.keys(settings).filter((key) => /^(?:limit|usage)\.[a-z-]+$/.test(key))],
  [
    "files",
    Object.values({ ...settings, ...variables }).flatMap((row) => ("variables" in row ? row.variables.map(({ name }) => name) : [])),
  ],
  ["tasks", loaded.filter(({ program }) => program === "csd").map(({ word }) => word)],
  [
    "json",
    loaded.flatMap(({ program, word, record }) => (program === "csm" && record !== undefined && "json" in record.args ? [word] : [])),
  ],
])("%s lists all that there are", async (topic, words) => {
  const text = (await explain(topic)).replace(/\s+/g, " ");
  expect(words.length).toBeGreaterThan(5);
  expect(words.filter((word) => !text.includes(word))).toEqual([]);
});
