/**
 * `bun run scripts/compat.ts [VERSION…]` installs versions of Claude Code and checks on each what csd reads and answers.
 * `--json` for programs; `--jobs N` versions at a time; `--only TEXT` scenarios with this in their name; `--out DIR` where
 * build.ts built to; `--keep DIR` saves the screens there. Exit code 1 when a scenario went wrong, 2 for usage.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { verifiedVersions } from "../src/claude-version.ts";
import { table } from "../src/format.ts";
import type { Sandbox } from "../src/sandbox.ts";
import { createSys } from "../src/sys.ts";
import { installClaude } from "./compat-install.ts";
import { type Scenario, scenarios } from "./compat-scenarios.ts";
import { type Boxes, createBoxes, createStage, type Evidence, type Fault, Mismatch } from "./compat-stage.ts";

export interface Result {
  version: string;
  scenario: string;
  /** Undefined when all was right. */
  fault?: Fault;
  /** What went wrong in three words, or a remark. */
  words: string;
  detail: string;
  ms: number;
  evidence: Evidence;
}

/** Runs one scenario in a session and a folder of its own; rejects only when the sandbox is gone. */
export async function runScenario(scenario: Scenario, version: string, boxes: Boxes, csdPath: string): Promise<Result> {
  const box = await boxes.of(scenario.login);
  const startedAt = Date.now();
  const stage = createStage({ version, box, csdPath, name: slug(scenario.name) });
  let mismatch: Mismatch | undefined;
  try {
    await scenario.run(stage);
  } catch (error) {
    mismatch = error instanceof Mismatch ? error : new Mismatch("failed", "script broke", String((error as Error).stack));
  }
  const ms = Date.now() - startedAt;
  const evidence = await stage.evidence();
  await stage.close();
  const common = { version, scenario: scenario.name, ms, evidence };
  if (mismatch === undefined) return { ...common, words: stage.remarks.join(", "), detail: "" };
  return { ...common, fault: mismatch.fault, words: mismatch.words, detail: mismatch.detail };
}

const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

/** The report of one failure: what was right, what was found, and the evidence. */
export function renderFailure(result: Result): string {
  const { evidence, scenario } = result;
  const right = scenarios.find(({ name }) => name === scenario)?.right ?? "";
  const block = (title: string, text: string) => `  ${title}:\n${text.trimEnd().replace(/^/gm, "    ")}`;
  const screen = (evidence.screens.at(-1) ?? "").replace(/\n{3,}/g, "\n\n");
  return [
    `${result.version} · ${scenario}: ${result.fault}: ${result.words}`,
    `  right: ${right}`,
    ...(result.detail === "" ? [] : [block("found", cut(result.detail, 3000))]),
    block(
      "csd calls",
      evidence.calls
        .slice(-8)
        .map((call) => cut(call, 700))
        .join("\n"),
    ),
    block("screen", screen),
    block("session file", evidence.sessionFile || "none"),
    block("transcript tail", evidence.transcriptTail.map((line) => cut(line, 400)).join("\n") || "none"),
  ].join("\n");
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);

export function renderTable(results: Result[], versions: readonly string[], chosen: readonly Scenario[]): string {
  const cell = (scenario: Scenario, version: string): string => {
    const result = results.find((candidate) => candidate.version === version && candidate.scenario === scenario.name);
    if (result === undefined) return "did not run";
    if (result.fault !== undefined) return `${result.fault}: ${result.words}`;
    return result.words === "" ? "ok" : `ok (${result.words})`;
  };
  const rows = chosen.map((scenario) => [scenario.name, ...versions.map((version) => cell(scenario, version))]);
  return table([{ title: "scenario" }, ...versions.map((title) => ({ title }))], rows).join("\n");
}

async function main(): Promise<void> {
  const options = readOptions();
  if (typeof options === "string") {
    console.error(options);
    process.exitCode = 2;
    return;
  }
  const results: Result[] = [];
  const broken: string[] = [];
  const waiting = [...options.versions];
  const work = async () => {
    for (let version = waiting.shift(); version !== undefined; version = waiting.shift())
      await runVersion(version, options, results).catch((error: Error) => broken.push(`${version}: ${error.message}`));
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  const failures = results.filter((result) => result.fault !== undefined);
  const unknownFields = findNews(results);
  if (options.isJson) console.log(JSON.stringify({ versions: options.versions, results, broken, unknownFields }, null, 2));
  else {
    console.log(renderTable(results, options.versions, options.chosen));
    for (const [version, fields] of Object.entries(unknownFields))
      console.log(`\n${version}: fields that stand in neither list of src/claude-fields.ts: ${fields.join(", ")}`);
    for (const text of [...broken, ...failures.map(renderFailure)]) console.log(`\n${text}`);
  }
  if (failures.length > 0 || broken.length > 0) process.exitCode = 1;
}

/** By version, where there are any. */
function findNews(results: readonly Result[]): Record<string, string[]> {
  const news: Record<string, string[]> = {};
  for (const { version, evidence } of results)
    if (evidence.unknownFields.length > 0) news[version] = [...new Set([...(news[version] ?? []), ...evidence.unknownFields])].sort();
  return news;
}

interface Options {
  versions: string[];
  chosen: Scenario[];
  csdPath: string;
  jobs: number;
  isJson: boolean;
  keepDir?: string;
}

/** A text when the command line is wrong. */
function readOptions(): Options | string {
  const usage = "usage: bun run scripts/compat.ts [--json] [--jobs N] [--only TEXT] [--out DIR] [--keep DIR] [VERSION…]";
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        jobs: { type: "string", default: "1" },
        only: { type: "string", default: "" },
        out: { type: "string", default: join(import.meta.dir, "..", "dist") },
        keep: { type: "string" },
      },
    });
    const versions = [...new Set(positionals.length === 0 ? verifiedVersions : positionals)];
    const wrong = versions.find((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
    if (wrong !== undefined) return `not a version: ${wrong}\n${usage}`;
    if (!/^[1-9]\d?$/.test(values.jobs)) return `--jobs takes a number from 1, not ${values.jobs}\n${usage}`;
    const chosen = scenarios.filter(({ name }) => name.toLowerCase().includes(values.only.toLowerCase()));
    if (chosen.length === 0) return `no scenario is called ${values.only}; there are: ${scenarios.map(({ name }) => name).join(", ")}`;
    const csdPath = join(resolve(values.out), "csd");
    if (!existsSync(csdPath)) return `no csd in ${values.out}; build it first: bun run build.ts`;
    const keep = values.keep === undefined ? {} : { keepDir: resolve(values.keep) };
    return { versions, chosen, csdPath, jobs: Number(values.jobs), isJson: values.json === true, ...keep };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}

/** One scenario after another; Ctrl-C removes the sandboxes too. */
async function runVersion(version: string, options: Options, results: Result[]): Promise<void> {
  const boxes = createBoxes(await installClaude(version));
  const stopListening = createSys().onInterrupt(() => boxes.close());
  try {
    for (const scenario of options.chosen) {
      const result = await runScenario(scenario, version, boxes, options.csdPath);
      results.push(result);
      const verdict = result.fault === undefined ? "ok" : `${result.fault}: ${result.words}`;
      console.error(`${version}  ${scenario.name}  ${verdict}  ${(result.ms / 1000).toFixed(1)} s`);
      if (options.keepDir !== undefined) keepScreens(options.keepDir, result, await boxes.of(scenario.login));
    }
  } finally {
    stopListening();
    await boxes.close();
  }
}

function keepScreens(keepDir: string, { version, scenario, evidence }: Result, box: Sandbox): void {
  const dir = join(keepDir, `claude-${version}`, slug(scenario));
  mkdirSync(dir, { recursive: true });
  const neutral = (text: string) =>
    text.replaceAll(box.home, "/home/devbox").replaceAll(box.dir, "/home/devbox").replaceAll(box.stub.url, "http://127.0.0.1:8080");
  for (const [index, screen] of evidence.screens.entries())
    writeFileSync(join(dir, index === 0 ? "pane.txt" : `pane.${index + 1}.txt`), neutral(screen));
  if (evidence.sessionFile !== "") writeFileSync(join(dir, "session.json"), neutral(evidence.sessionFile));
  if (evidence.transcriptTail.length > 0) writeFileSync(join(dir, "transcript.jsonl"), neutral(`${evidence.transcriptTail.join("\n")}\n`));
}

if (import.meta.main) await main();
