import { expect, test } from "bun:test";
import { decideTurn, parseTranscriptLine } from "../src/claude-transcript.ts";
import { createFollower } from "../src/monitor-follow.ts";
import { createLineBuffer } from "../src/tail.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/t.jsonl";
const said = (at: number, text: string) =>
  `${JSON.stringify({ type: "assistant", timestamp: new Date(at).toISOString(), message: { id: `m${at}`, model: "x", content: [{ type: "text", text }], stop_reason: "end_turn" } })}\n`;
const prompted = (at: number, text: string) =>
  `${JSON.stringify({ type: "user", uuid: `u${at}`, timestamp: new Date(at).toISOString(), message: { content: text } })}\n`;

function follow(text: string, firstBytes = 1024) {
  const sys = createFakeSys({ files: { [path]: text } });
  const follower = createFollower(sys, path, createLineBuffer(), firstBytes);
  follower.read();
  const after = (change: string) => {
    sys.overwrite(path, change);
    follower.read();
    return follower.turn?.text;
  };
  return { sys, follower, after };
}

test.each<[rule: string, first: string, then: string, text: string]>([
  ["what is added", said(1, "a"), said(1, "a") + said(2, "b"), "b"],
  ["a torn line waits for its end", said(1, "a"), said(1, "a") + said(2, "b").slice(0, 40), "a"],
  ["a file cut short starts over", said(1, "a") + said(2, "bb"), said(1, "a"), "a"],
  ["so does one that was replaced by a longer one", said(1, "a"), said(5, "other") + said(6, "longer"), "longer"],
  ["a line that is no text", said(1, "a"), `${said(1, "a")}\u0000\ufffd{"type":"assistant"\n${said(3, "c")}`, "c"],
])("follow: %s", (_, first, then, text) => {
  expect(follow(first).after(then)).toBe(text);
});

test("a torn line is read once it is whole, and counted once", () => {
  const { sys, follower, after } = follow(said(1, "a"));
  const [whole] = [said(2, "whole")];
  after(said(1, "a") + whole.slice(0, 30));
  expect(after(said(1, "a") + whole)).toBe("whole");
  const times = follower.work.times.length;
  expect([follower.read(), follower.work.times.length, times]).toEqual([false, 2, 2]);
  sys.done();
});

test("of a long transcript only the end is read, and as much as holds the newest turn", () => {
  const { follower } = follow(prompted(1, "go") + said(2, "x".repeat(50_000)) + said(3, "end"), 256);
  expect(follower.turn?.text).toBe("end");
});

test("a line of several megabytes stops nothing", () => {
  expect(follow(said(1, "a")).after(`${said(1, "a")}{"type":"user","x":"${"y".repeat(5_000_000)}"}\n${said(2, "b")}`)).toBe("b");
});

test("a long turn is bounded, and its newest message is whole", () => {
  const { follower, after } = follow(prompted(1, "go"));
  let text = prompted(1, "go");
  for (let at = 2; at < 2000; at++) text += said(at, `t${at}`);
  expect([after(text), follower.turn?.prompt?.text]).toEqual(["t1999", "go"]);
});

const called = (at: number, messageId: string, name: string, text?: string) => {
  const tool = { type: "tool_use", id: `c${at}`, name, input: { command: `run ${at}` } };
  const content = text === undefined ? [tool] : [{ type: "text", text }, tool];
  return `${JSON.stringify({ type: "assistant", timestamp: new Date(at).toISOString(), message: { id: messageId, model: "x", content, stop_reason: "tool_use" } })}\n`;
};
const answered = (at: number, call: number) =>
  `${JSON.stringify({ type: "user", timestamp: new Date(at).toISOString(), message: { content: [{ type: "tool_result", tool_use_id: `c${call}`, content: "ok" }] } })}\n`;

test("line by line it knows the same of the newest turn as one who reads all at once, though it forgets what was said before", () => {
  const lines = [
    ...[prompted(1, "first"), called(2, "a", "Bash", "I look"), called(3, "a", "Read"), answered(4, 2), answered(5, 3)],
    ...[said(6, "done"), prompted(7, "second"), called(8, "b", "Bash", "again"), prompted(9, "third, in the queue"), answered(10, 8)],
    ...[
      called(11, "c", "Write"),
      called(12, "c", "Bash", "both"),
      answered(13, 11),
      ...Array.from({ length: 12 }, (_, at) => prompted(20 + at, `p${at}`)),
    ],
    ...[called(40, "d", "Bash", "last"), answered(41, 40), said(42, "the end")],
  ];
  const { sys, follower } = follow(lines[0] ?? "");
  for (let count = 1; count <= lines.length; count++) {
    const text = lines.slice(0, count).join("");
    sys.overwrite(path, text);
    follower.read();
    // The whole file at once, up to the last line: nothing is forgotten of what the last message said.
    expect([count, follower.turn]).toEqual([count, decideTurn(text.split("\n").flatMap((line) => parseTranscriptLine(line)))]);
  }
});
