import { expect, test } from "bun:test";
import { createDriver, requireUsablePane, type Target } from "../src/driver.ts";
import type { Pane, Tmux } from "../src/tmux.ts";
import { createFakeSys } from "./fake-sys.ts";

const whole = { paneId: "%9", width: 220, height: 50, isAlone: true, isLocked: false };

test.each<[rule: string, pane: Partial<Pane> | undefined, isOurs: boolean, outcome: string, resized: string[]]>([
  ["as it was made", {}, true, "fine", []],
  ["what somebody who looks has made of it, while it is large enough", { width: 80, height: 24 }, true, "fine", []],
  ["too small: it gets its size back", { width: 79, height: 60 }, true, "fine", ["%9 220x50"]],
  ["too low: it gets its size back", { width: 200, height: 23 }, true, "fine", ["%9 220x50"]],
  [
    "too small beside panes of somebody's: their window is left alone",
    { width: 60, height: 20, isAlone: false },
    true,
    'the pane of session "fix" is 60x20 in a window with others, and 80x24 is the least; nothing was typed',
    [],
  ],
  ["small, and not csd's", { width: 60, height: 20 }, false, "fine", []],
  [
    "locked by somebody",
    { isLocked: true },
    true,
    'the pane of session "fix" takes no input: somebody has switched it off; nothing was typed',
    [],
  ],
  ["gone: others say so", undefined, true, "fine", []],
])("the pane before the first key: %s", async (_, pane, isOurs, outcome, resized) => {
  const done: string[] = [];
  const tmux = {
    socketPath: undefined,
    pane: async () => (pane === undefined ? undefined : { ...whole, ...pane }),
    resize: async (target: string, width: number, height: number) => void done.push(`${target} ${width}x${height}`),
  } as unknown as Tmux;
  const target = { name: "fix", keyboard: tmux, pane: "%9", pid: 7, configDir: "/c", ...(isOurs ? { driven: {} as never } : {}) } as Target;
  const call = requireUsablePane(createDriver(createFakeSys()), target);
  expect(
    await call.then(
      () => "fine",
      (error: Error) => error.message,
    ),
  ).toBe(outcome);
  expect(done).toEqual(resized);
});
