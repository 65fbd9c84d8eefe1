import { expect, test } from "bun:test";
import type { UserError } from "../src/errors.ts";
import { isMet, parseCondition, type TaskState } from "../src/task-condition.ts";

const states: Readonly<Record<string, TaskState>> = {
  good: "succeeded",
  bad: "failed",
  left: "skipped",
  stopped: "cancelled",
  "end to end": "succeeded",
  "or[os=linux]": "failed",
  "or[os=mac]": "succeeded",
};
const resolve = (name: string): string[] => {
  const ids = Object.keys(states).filter((id) => id === name || id.startsWith(`${name}[`));
  if (ids.length === 0) throw new Error(`no task ${name}`);
  return ids;
};
const ask = (text: string, dependsOn: string[]) =>
  isMet(parseCondition(text, resolve), {
    dependsOn,
    stateOf: (id) => states[id] ?? "pending",
    hasFailed: (id) => states[id] === "failed",
  });

test.each([
  ["success", ["good"], true],
  ["success", ["good", "left"], false],
  ["success", [], true],
  ["failure", ["good", "bad"], true],
  ["failure", ["good", "left"], false],
  ["always", ["bad", "stopped"], true],
  ["bad == failed", [], true],
  ["bad==failed&&good==succeeded", [], true],
  ["bad != failed || left == skipped", [], true],
  ["not bad == failed or good == succeeded and left == failed", [], false],
  ["!(bad == failed && good == succeeded)", [], false],
  ["!success && !failure", ["left"], true],
  ['"end to end" == succeeded', [], true],
  ["'end to end' != succeeded", [], false],
  ['stopped == "cancelled"', [], true],
  // A name of several is as bad as the worst of them, and no word of ours once it is compared.
  ["or == failed", [], true],
  ["or[os=mac] == succeeded", [], true],
  ['"or" == succeeded', [], false],
])("%s after %j: %p", (text, dependsOn, isWanted) => {
  expect(ask(text, dependsOn)).toBe(isWanted);
});

test.each([
  ["", "the condition ends where a task or a condition should be"],
  ["sucess", 'unknown condition "sucess"; did you mean success?'],
  ["good = succeeded", '"= succeeded" is no part of a condition'],
  ["good == done", 'unknown state "done"'],
  ["good == suceeded", 'unknown state "suceeded"; did you mean succeeded?'],
  ["(good == failed", 'the condition ends where ")" should be'],
  ["good == failed bad == failed", '"bad" where && or || should be'],
  ["good success", '"success" where == or != should be'],
  ["good ==", "the condition ends where a state should be"],
  ["never == failed", "no task never"],
  ["process.exit(1)", '"(" where == or != should be'],
  ["a".repeat(1001), "a condition of 1001 characters"],
  [`${"(".repeat(30)}always${")".repeat(30)}`, "a condition within too many others"],
  [`${"!".repeat(900)}always`, "a condition within too many others"],
])("%s is wrong", (text, wanted) => {
  const error = (() => {
    try {
      parseCondition(text, resolve);
      return undefined;
    } catch (thrown) {
      return thrown as UserError;
    }
  })();
  expect(`${error?.message}; ${error?.hint}`).toContain(wanted);
});
