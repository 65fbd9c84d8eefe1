import { expect, test } from "bun:test";
import { parseMachineState } from "../src/fleet-state.ts";
import { state } from "./fake-link.ts";

const fine = { ...state(), runs: [{ run: "r", total: 2, over: 1, failed: 0, paused: 0, held: 0, worked_on: true }] };
const [session] = fine.sessions;

test("what a machine tells is taken as it is, with what a newer one adds", () => {
  expect(parseMachineState(fine)).toEqual(fine);
  expect(parseMachineState({ ...fine, more: 1, sessions: [{ ...session, more: {} }] })?.sessions).toHaveLength(1);
});

test.each([
  ["no object", []],
  ["another version", { ...fine, v: 2 }],
  ["no name", { ...fine, machine: "a/b" }],
  ["a moment that is none", { ...fine, at: 1e300 }],
  ["a clock that is none", { ...fine, clock_ms: "1" }],
  ["no sessions", { ...fine, sessions: {} }],
])("%s is no state", (_, value) => expect(parseMachineState(value)).toBeUndefined());

test.each([
  ["a session that is none", null],
  ["a long text", { ...session, words: "x".repeat(201) }],
  ["a number for a text", { ...session, name: 1 }],
  ["a text for a number", { ...session, cost_usd: "1" }],
  ["no number", { ...session, tokens: Number.POSITIVE_INFINITY }],
  ["agents below nothing", { ...session, agents: -1 }],
  ["a missing key", { ...session, words: undefined }],
])("%s costs no other one", (_, odd) =>
  expect(parseMachineState({ ...fine, sessions: [odd, session] })?.sessions).toEqual([session as never]),
);

test("no more sessions are taken than anybody has, and no run that is none", () => {
  const told = { ...fine, sessions: Array.from({ length: 2001 }, () => session), runs: [{}, ...fine.runs] };
  expect(parseMachineState(told)).toMatchObject({ runs: fine.runs });
  expect(parseMachineState(told)?.sessions).toHaveLength(2000);
});
