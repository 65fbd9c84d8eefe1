import { expect, test } from "bun:test";
import { createDriver } from "../src/driver.ts";
import { killSession } from "../src/driver-kill.ts";
import { readLaunches } from "../src/launch-record.ts";
import type { RunResult } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

const record = "/home/dev/.local/state/csd/sessions/fix.json";
const driven = {
  ...{ name: "fix", session_id: "s", cwd: "/app", backend: "claude", jsonl_path: "/t.jsonl", permission_mode: null, created: 1000 },
  ...{ socket: "/tmp/csd", server_pid: 5, tmux_session: "$1", pane: "%9", pid: 7, process_start: "70" },
};
const stat = (start: number) => `7 (claude) S ${[1, ...Array(17).fill(0)].join(" ")} ${start} 0`;
const pane = (pid: number) => ["$1", "fix", "%9", "1", String(pid), "0", "", "5", "/tmp/csd", "220", "50", "1", "0"].join("␞");

const tmux: Record<string, Partial<RunResult>> = {
  gone: { code: 1, stderr: "no server running on /tmp/csd" },
  "without its socket": { code: 1, stderr: "error connecting to /tmp/csd (No such file or directory)" },
  hanging: { code: null },
  "one that nobody may use": { code: 1, stderr: "error connecting to /tmp/csd (Permission denied)" },
};

interface Given {
  record?: object | string;
  /** Ticks; the machine was started at second 999. */
  start?: number;
  run?: Partial<RunResult> | Error;
  /** What claude does not end of. */
  ignores?: string[];
}

async function killAndAsk({ record: told = driven, start, run = tmux.gone ?? {}, ignores = [] }: Given) {
  const files = {
    "/proc/stat": "btime 999\n",
    ...(told === "" ? {} : { [record]: typeof told === "string" ? told : JSON.stringify(told) }),
    ...(start === undefined ? {} : { "/proc/7/stat": stat(start) }),
  };
  const fake = createFakeSys({ files });
  const signals: string[] = [];
  const sys = {
    ...fake,
    signal(pid: number, name: string | number) {
      if (name !== 0) signals.push(`${pid} ${name}`);
      if (name !== 0 && !ignores.includes(String(name))) fake.files.delete("/proc/7/stat");
      return fake.files.has(`/proc/${pid}/stat`);
    },
    async run(argv: readonly string[]) {
      if (run instanceof Error) throw run;
      return { argv, code: 0, stdout: "", stderr: "", ...run };
    },
  };
  const outcome = await killSession(createDriver(sys), "fix").then(
    ({ isKnown, isEnded }) => (isKnown ? `ok, ${isEnded ? "ended" : "nothing ran"}` : "ok, unknown"),
    (error: Error) => error.message,
  );
  return {
    outcome,
    signals,
    isKept: fake.files.has(record),
    launches: readLaunches(sys).map(({ sessionId, ended }) => [sessionId, ended?.how]),
  };
}

async function kill(given: Given) {
  const { launches: _, ...killed } = await killAndAsk(given);
  return killed;
}

test.each<[rule: string, given: Given, launches: (string | undefined)[][]]>([
  ["ended in order: claude's own file goes", { start: 70 }, []],
  ["ended hard: csm restore leaves it alone", { start: 70, ignores: ["SIGHUP"] }, [["s", "kill"]]],
])("what is known of it afterwards: %s", async (_, given, launches) => {
  expect((await killAndAsk(given)).launches).toEqual(launches);
});

test.each([...Object.entries(tmux), ["not installed", new Error("ENOENT")] as const])(
  "the recorded process is ended where tmux is %s",
  async (_, run) => {
    expect(await kill({ start: 70, run })).toEqual({ outcome: "ok, ended", signals: ["7 SIGHUP"], isKept: false });
  },
);

const { process_start: _, ...untold } = driven;

test.each<[rule: string, given: Given, signals: string[]]>([
  ["its number has gone to another process", { start: 71 }, []],
  ["it has ended", {}, []],
  ["the pane shows another process, the recorded one lives", { start: 70, run: { stdout: pane(8) } }, ["7 SIGHUP"]],
  ["the record has no start, and its time fits", { start: 150, record: untold }, ["7 SIGHUP"]],
  ["the record has no start, and the process is younger", { start: 6200, record: untold }, []],
  ["it does not end of SIGHUP", { start: 70, ignores: ["SIGHUP"] }, ["7 SIGHUP", "7 SIGKILL"]],
  ["nobody knows the name", { record: "" }, []],
  ["its record is broken, and tmux has nothing of that name", { record: "{" }, []],
])("csd kill: %s", async (_, given, signals) => {
  const isUnknown = given.record === "";
  const outcome = isUnknown ? "ok, unknown" : `ok, ${signals.length > 0 ? "ended" : "nothing ran"}`;
  expect(await kill(given)).toEqual({ outcome, signals, isKept: false });
});

test("what does not end at all is told, and stays on record", async () => {
  expect(await kill({ start: 70, ignores: ["SIGHUP", "SIGKILL"] })).toEqual({
    outcome: 'process 7 of session "fix" does not end',
    signals: ["7 SIGHUP", "7 SIGKILL"],
    isKept: true,
  });
});

test("a record without a process stays where tmux does not answer", async () => {
  const { pid: _, ...old } = untold;
  expect(await kill({ record: old, run: { code: null } })).toEqual({
    outcome: "tmux command failed: list-panes: it did not answer in time",
    signals: [],
    isKept: true,
  });
});
