/** What the rows about conversations need: folders full of transcripts, a first look at them, and the picker in a terminal. */
import { copyFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slugOf } from "../src/paths.ts";
import type { Sandbox } from "../src/sandbox.ts";

/** Rows of the bench. */
export function createScanRows(box: Sandbox, csm: string, empty: string) {
  const scanDir = box.folder("scan");
  const manyDir = box.folder("many");
  const own = { a: [], b: [], limit: 150 };
  const transcripts = { prepare: async () => fillFolder(scanDir, [box.configDir], 200, 1_000_000), cleanup: async () => forgetIndex(box) };
  const many = {
    prepare: async () => void fillProfiles(box, 5000, 400_000),
    cleanup: async () => {
      removeProfiles(box);
      forgetIndex(box);
    },
  };
  return [
    {
      ...{ name: "scan-first", what: "csm scan, 200 transcripts of 1 MB, nothing known", ...own, ...transcripts },
      measure: () => measureFirstScans(box, csm, scanDir, 10),
    },
    {
      ...{ name: "scan", what: "csm scan again, 200 transcripts : empty program", limit: 3, ...transcripts },
      ...{ a: [csm, "scan", scanDir], b: [empty] },
    },
    {
      ...{ name: "picker", what: "csm to its list, 5,000 transcripts of 4 profiles, known", ...own, ...many },
      measure: async () => {
        // The list is left before all is read: this fills the index.
        await Bun.spawn([csm, "scan"], { cwd: manyDir, env: box.env, stdout: "ignore", stderr: "ignore", stdin: "ignore" }).exited;
        return measurePickers(box, csm, manyDir, false, 10);
      },
    },
    {
      ...{ name: "picker-first", what: "the same, nothing known: at once, filling as it reads", ...own, ...many },
      measure: () => measurePickers(box, csm, manyDir, true, 5),
    },
  ];
}

const line = (entry: object): string => `${JSON.stringify(entry)}\n`;

/** A conversation as Claude Code writes it: a prompt, calls of tools with their results, the end of the turn; a title early on. */
function renderTranscript(cwd: string, bytes: number): string {
  const time = (second: number) => new Date(1.7e12 + second * 1000).toISOString();
  const common = (second: number) => ({
    uuid: `u${second}`,
    timestamp: time(second),
    cwd,
    sessionId: "s",
    version: "2.1.329",
    isSidechain: false,
  });
  let text = line({ type: "mode", mode: "normal" }) + line({ type: "permission-mode", permissionMode: "default" });
  for (let turn = 0; text.length < bytes; turn++) {
    const content = `Please look at part ${turn} of the program and repair what is wrong in it`;
    text += line({
      ...common(turn * 10),
      type: "user",
      message: { role: "user", content },
      permissionMode: "default",
      origin: { kind: "human" },
    });
    for (let call = 0; call < 4 && text.length < bytes; call++) {
      const input = { command: `grep -rn "part ${turn}" src | head -${call}`, description: "Look for it" };
      const blocks = [{ type: "tool_use", id: `t${turn}-${call}`, name: "Bash", input }];
      const message = { id: `m${turn}-${call}`, type: "message", role: "assistant", model: "claude-opus-5-5", content: blocks };
      text += line({ ...common(turn * 10 + call), message: { ...message, stop_reason: "tool_use" }, type: "assistant" });
      const output = `src/file${call}.ts:12: const "part" = ${turn}; // what the tool has found\n`.repeat(40);
      const result = [{ tool_use_id: `t${turn}-${call}`, type: "tool_result", content: output }];
      text += line({ ...common(turn * 10 + call), type: "user", message: { role: "user", content: result } });
    }
    text += line({ ...common(turn * 10 + 9), type: "system", subtype: "turn_duration" });
    if (turn === 3) text += line({ type: "ai-title", aiTitle: "Repair the program part by part" });
  }
  return text;
}

/** `count` transcripts of `bytes` each for one folder, dealt out over these config dirs. */
function fillFolder(cwd: string, configDirs: string[], count: number, bytes: number): void {
  const template = join(cwd, "template");
  writeFileSync(template, renderTranscript(cwd, bytes));
  for (const dir of configDirs) mkdirSync(join(dir, "projects", slugOf(cwd)), { recursive: true });
  for (let number = 0; number < count; number++) {
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
    const path = join(configDirs[number % configDirs.length] ?? "", "projects", slugOf(cwd), `${id}.jsonl`);
    copyFileSync(template, path);
    utimesSync(path, 1.7e9 + number, 1.7e9 + number);
  }
  rmSync(template);
}

/** Four profiles, registered, and the folder that their 5,000 transcripts belong to. */
function fillProfiles(box: Sandbox, count: number, bytes: number): string {
  const cwd = box.folder("many");
  const names = ["one", "two", "three", "four"];
  const dirs = names.map((name) => join(box.home, `.claude.${name}`));
  fillFolder(cwd, dirs, count, bytes);
  mkdirSync(join(box.home, ".config/claude-as"), { recursive: true });
  const profiles = Object.fromEntries(names.map((name, index) => [name, dirs[index]]));
  writeFileSync(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify(profiles));
  return cwd;
}

function removeProfiles(box: Sandbox): void {
  for (const name of ["one", "two", "three", "four"]) rmSync(join(box.home, `.claude.${name}`), { recursive: true, force: true });
  rmSync(join(box.home, ".config/claude-as"), { recursive: true, force: true });
}

const forgetIndex = (box: Sandbox): void => rmSync(join(box.home, ".local/state/csm"), { recursive: true, force: true });

/** Milliseconds of `csm scan` where nothing is known yet. */
async function measureFirstScans(box: Sandbox, csm: string, cwd: string, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    forgetIndex(box);
    const startedAt = performance.now();
    await Bun.spawn([csm, "scan"], { cwd, env: box.env, stdout: "ignore", stderr: "ignore", stdin: "ignore" }).exited;
    times.push(performance.now() - startedAt);
  }
  return times;
}

/** Milliseconds from the start of `csm` in a terminal to the first frame of its list; `isCold` where nothing is known yet. */
async function measurePickers(box: Sandbox, csm: string, cwd: string, isCold: boolean, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    if (isCold) forgetIndex(box);
    const startedAt = performance.now();
    let shownAt = 0;
    let screen = "";
    const child = Bun.spawn([csm, "--no-pick"], {
      ...{ cwd, env: box.env },
      terminal: {
        ...{ cols: 100, rows: 30 },
        data(terminal, data) {
          screen += new TextDecoder().decode(data);
          if (shownAt !== 0 || !screen.includes("new session")) return;
          shownAt = performance.now();
          terminal.write("\u0003");
        },
      },
    });
    await child.exited;
    if (shownAt === 0) throw new Error(`the list did not appear: ${JSON.stringify(screen.slice(0, 500))}`);
    times.push(shownAt - startedAt);
  }
  return times;
}
