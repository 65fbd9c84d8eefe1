import { expect, test } from "bun:test";
import { createLog, type Log } from "../src/log.ts";
import { createFakeSys } from "./fake-sys.ts";

function record(isTerminal: boolean, env: Record<string, string>, say: (log: Log) => void): string[] {
  const lines: string[] = [];
  const sys = { ...createFakeSys({ env }), isTerminal: (fd: number) => isTerminal && fd === 2 };
  say(createLog({ sys, tell: (text) => void lines.push(text) }));
  return lines;
}

const sayAll = (log: Log) => {
  log.info("csm: begins");
  log.success("  trusted  tmux");
  log.warn("refused");
  log.error("failed");
};

test.each<[rule: string, isTerminal: boolean, env: Record<string, string>, lines: string[]]>([
  ["off a terminal each message is its line", false, {}, ["csm: begins", "  trusted  tmux", "refused", "failed"]],
  [
    "on one, a mark is in the place of the indentation",
    true,
    { NO_COLOR: "1" },
    ["· csm: begins", "✔ trusted  tmux", "⚠ refused", "✖ failed"],
  ],
  ["NO_COLOR or a dumb one: no colour", true, { TERM: "dumb" }, ["· csm: begins", "✔ trusted  tmux", "⚠ refused", "✖ failed"]],
  [
    "else the mark has one",
    true,
    {},
    [
      "\u001b[2m·\u001b[0m csm: begins",
      "\u001b[32m✔\u001b[0m trusted  tmux",
      "\u001b[33m⚠\u001b[0m refused",
      "\u001b[31m✖\u001b[0m failed",
    ],
  ],
])("%s", (_, isTerminal, env, lines) => {
  expect(record(isTerminal, env, sayAll)).toEqual(lines);
});

test("a flood of one message is counted, not printed", () => {
  const lines = record(false, {}, (log) => {
    for (let count = 0; count < 100; count++) log.warn("refused");
    log.info("and on");
  });
  expect(lines).toMatchInlineSnapshot(`
    [
      "refused",
      "refused",
      "refused",
      "refused",
      "refused",
      "refused",
      "refused (repeated 94 times)",
      "and on",
    ]
  `);
});
