import { expect, test } from "bun:test";
import { pickConversation } from "../src/restore.ts";
import type { Conversation } from "../src/transcripts.ts";

const conversation = (sessionId: string, customTitle: string, modifiedAt: number) =>
  ({ sessionId, modifiedAt, facts: { customTitle, turns: 1 } }) as unknown as Conversation;

const all = [
  conversation("1f3a0000-1", "Fix login", 1),
  conversation("1f3b0000-1", "fix login", 2),
  conversation("2aaa0000-1", "Write docs", 3),
  conversation("2aaa0000-1", "Write docs", 9),
  conversation("3bbb0000-1", "Write tests", 4),
];

test.each<[wanted: string, found: string]>([
  ["1f3a", "1f3a0000-1 1"],
  ["1F3A0000-1", "1f3a0000-1 1"],
  ["2aaa", "2aaa0000-1 9"],
  ["FIX LOGIN", "1f3b0000-1 2"],
  ["tests", "3bbb0000-1 4"],
])("%p is %s", (wanted, found) => {
  const { sessionId, modifiedAt } = pickConversation(all, wanted);
  expect(`${sessionId} ${modifiedAt}`).toBe(found);
});

test.each<[wanted: string, message: string, hint: string]>([
  ["1f3", '2 sessions match "1f3"', "say which: 1f3b0000, 1f3a0000"],
  ["write", '2 sessions match "write"', "say which: 2aaa0000-, 3bbb0000-"],
  ["nothing", 'no session matches "nothing"', "csm scan --all lists them"],
])("%p: %s", (wanted, message, hint) => {
  expect(() => pickConversation(all, wanted)).toThrow(expect.objectContaining({ message, hint }));
});
