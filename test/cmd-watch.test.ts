import { expect, test } from "bun:test";
import { checkTemplate, createNumbering, eventJson, fillTemplate } from "../src/cmd-watch.ts";
import type { LiveSession } from "../src/session.ts";
import { createComparison } from "../src/watch.ts";
import { blocked, session, testNow } from "./sessions.ts";

test("a line of csm watch --json has its time, its id and the state before", () => {
  const [change] = createComparison<LiveSession>()([blocked("a", "ls")]);
  expect(eventJson(createNumbering()(change, testNow))).toMatchObject({
    event: "initial",
    id: 1,
    at: testNow,
    time: "2026-11-20T12:00:00.000Z",
    old: null,
    name: "a",
    state: { status: "blocked", tool: "Bash" },
    session_id: expect.any(String),
  });
});

test("a template is filled with one line per value, and an unknown word is refused", () => {
  const evil = session("a\u001b]0;x\u0007\nb", { status: "idle_done" });
  expect(fillTemplate("{event}|{name}|{state}|{old}|{pid}", { event: "change", id: 3, at: testNow, session: evil })).toBe(
    `change|a b|done|-|${evil.pid}`,
  );
  expect(() => checkTemplate("{nmae}")).toThrow("--format has no {nmae}");
  expect(() => checkTemplate("{toString}")).toThrow("--format has no {toString}");
  expect(() => checkTemplate("{} $")).toThrow("--format has no {}");
  checkTemplate("{name}: {old} -> {state} $5");
});
