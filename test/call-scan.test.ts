import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { callLine, callResultLine, promptLine, usageLine } from "../scripts/usage-lines.ts";
import { type CallScan, scanCalls } from "../src/call-scan.ts";
import { type Call, parseCalls } from "../src/claude-calls.ts";
import { createLineBuffer } from "../src/tail.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/p/s1.jsonl";
const scan = (text: string): CallScan => {
  const found = scanCalls(createFakeSys({ files: { [path]: text } }), path, createLineBuffer(true));
  if (found === undefined) throw new Error("no file");
  return found;
};
const told = (text: string) => {
  const { calls, unreadable } = scan(text);
  return [calls, unreadable];
};
/** As one that parses every line would read them. */
const slow = (text: string): Call[] => parseCalls(text.split("\n"));
const call = (id: string, command: string) => callLine({ id: `m-${id}` }, id, "Bash", { command });
const commands = ({ calls }: CallScan) => calls.map(({ input, isOver }) => `${input.command}${isOver ? " over" : ""}`);

const captures = ["claude-2.1.86", "claude-2.1.158", "claude-2.1.259", "claude-2.1.329"].flatMap((version) =>
  readdirSync(join(import.meta.dir, "fixtures", version)).map((name) =>
    join(import.meta.dir, "fixtures", version, name, "transcript.jsonl"),
  ),
);
const texts = captures.flatMap((file) => {
  try {
    return [readFileSync(file, "utf8")];
  } catch {
    // Older captures are screens alone.
    return [];
  }
});

test("the fast way reads every capture as the slow one does", () => {
  expect(texts.length).toBeGreaterThan(30);
  for (const text of texts) expect(told(text)).toEqual([slow(text), 0]);
  expect(texts.flatMap(slow).length).toBeGreaterThan(50);
});

const big = "x".repeat(3_000_000);
const asked = callResultLine("t1", "done", "ask");
const accept = '"permissionDecision":{"decision":"accept","source":"user_temporary","grantScope":"once","reasonCode":"unknown"}';

/** What is unusual, and must come to the same. */
test.each<[string, string]>([
  ["a result of three megabytes", call("t1", "ls") + callResultLine("t1", big, "ask")],
  ["a call of three megabytes", call("t1", `echo ${big}`) + asked],
  ["a refusal", call("t1", "ls") + callResultLine("t1", "", "reject")],
  [
    "blanks behind the colons",
    (call("t1", "ls") + asked)
      .split("\n")
      .map((line) => (line === "" ? "" : JSON.stringify(JSON.parse(line), null, 1).replace(/\n */g, " ")))
      .join("\n"),
  ],
  ["a tool that printed a decision", call("t1", "cat log") + callResultLine("t1", `{${accept}}`, "config")],
  [
    "a tool that gave a decision as data",
    call("t1", "x") + asked.replace(accept, '"mode":1').replace('"toolUseResult":{', `"toolUseResult":{${accept},`),
  ],
  [
    "a decision as the last data before the end",
    call("t1", "x") + asked.replace(accept, '"a":1').replace(/\}\n$/, `,"mcpMeta":{"x":{${accept}}}}\n`),
  ],
  [
    "several results in one line",
    call("t1", "ls") +
      call("t2", "pwd") +
      asked.replace('"content":[', '"content":[{"type":"tool_result","tool_use_id":"t2","content":"x"},'),
  ],
  [
    "an answer to questions",
    call("t1", "ls") + asked.replace(accept, '"a":1').replace('"toolUseResult":{', '"toolUseResult":{"answers":{"Q":"A"},'),
  ],
  ["a result without its call", asked],
  ["a result before its call", asked + call("t1", "ls")],
  ["umlauts and what is beyond", call("t1", "echo ü 😀") + asked],
  ["line ends of Windows", (call("t1", "ls") + asked).replaceAll("\n", "\r\n")],
  ["a last line without its end", call("t1", "ls") + asked.trimEnd()],
])("%s", (_, text) => {
  expect(told(text)).toEqual([slow(text), 0]);
});

const torn = (line: string) => line.slice(0, line.indexOf('"name"') + 3);

/** Commands that are found, and how much cannot be read. */
test.each<[string, string, string[], number]>([
  ["a prompt and an answer that speak of tools", promptLine('say "type":"tool_use"') + usageLine(), [], 0],
  ["a request that repeats the conversation", `{"type":"api-request-blob","messages":[${call("t1", "ls").trim()}]}\n`, [], 0],
  ["two lines joined into one", `${call("t1", "ls").trim()}${call("t2", "pwd")}`, ["ls", "pwd"], 0],
  ["a result joined to the next call", `${call("t1", "ls")}${asked.trim()}${call("t2", "pwd")}`, ["ls over", "pwd"], 0],
  ["one of an older version", `${call("t1", "ls")}${asked.replace(`${accept},`, "").trim()}${call("t2", "pwd")}`, ["ls over", "pwd"], 0],
  ["a call torn before the next one", `${torn(call("t1", "ls"))}${call("t2", "pwd")}`, ["pwd"], 1],
  ["a call torn at the end of its line", `${torn(call("t1", "ls"))}\n${call("t2", "pwd")}`, ["pwd"], 1],
  ["a call without a name", call("t1", "ls").replace('"name":"Bash",', ""), [], 1],
  ["a call without an id", call("t1", "ls").replace('"id":"t1",', ""), [], 1],
  ["an input that is no object", call("t1", "ls").replace('{"command":"ls"}', '"ls"'), [], 1],
  ["zeros and a byte order mark before a line", `\0\0\uFEFF${call("t1", "ls")}`, ["ls"], 0],
  ["the same line twice", call("t1", "ls") + asked + call("t1", "ls"), ["ls over"], 0],
  ["ids that begin anew with each answer", call("call_0", "ls") + call("call_0", "pwd").replace('"m-call_0"', '"m-2"'), ["ls", "pwd"], 0],
  [
    "nested a hundred thousand deep",
    `{"type":"assistant","message":{"content":[{"type":"tool_use","input":${"[".repeat(1e5)}${"]".repeat(1e5)}}]}}\n`,
    [],
    1,
  ],
  ["keys of the prototype", call("__proto__", "ls") + call("constructor", "pwd"), ["ls", "pwd"], 0],
])("%s", (_, text, wanted, unreadable) => {
  const found = scan(text);
  expect([commands(found), found.unreadable]).toEqual([wanted, unreadable]);
});

test("a file that has gone is none", () => {
  expect(scanCalls(createFakeSys(), path, createLineBuffer(true))).toBeUndefined();
});

test("5,000 damaged lines neither throw nor hang", () => {
  const text = call("t1", "ls") + asked + call("t2", "pwd") + callResultLine("t2", "", "reject");
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
  for (let index = 0; index < 5000; index++) {
    const at = random(text.length);
    const damaged =
      text.slice(0, at) + ["", "\n", "{", "}", '"', "\\", "\0", text.slice(random(text.length))][random(8)] + text.slice(at + random(40));
    const { calls, unreadable } = scan(damaged);
    expect(calls.length + unreadable).toBeLessThan(12);
  }
});
