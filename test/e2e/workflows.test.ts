/** The workflows call what a person calls: each script and file that they name is there. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { root } from "./harness.ts";

interface Step {
  name?: string;
  uses?: string;
  run?: string;
}
interface Workflow {
  name: string;
  permissions: Record<string, string>;
  jobs: Record<string, { "runs-on": string; "timeout-minutes": number; steps: Step[] }>;
}

const dir = join(root, ".github/workflows");
const steps = readdirSync(dir).flatMap((file) => {
  const workflow = Bun.YAML.parse(readFileSync(join(dir, file), "utf8")) as Workflow;
  return Object.entries(workflow.jobs).flatMap(([job, { steps, ...rest }]) =>
    steps.map((step, index) => ({ where: `${file}: ${job}: ${step.name ?? step.uses ?? index}`, workflow, job: rest, step })),
  );
});

test("each workflow says what it may do, and each job how long", () => {
  expect(new Set(steps.map(({ workflow }) => workflow.name))).toEqual(new Set(["test", "release", "compat"]));
  for (const { where, workflow, job } of steps) {
    expect([where, typeof job["runs-on"], job["timeout-minutes"] > 0]).toEqual([where, "string", true]);
    expect(workflow.permissions.contents).toMatch(/^(?:read|write)$/);
  }
});

const runs = steps.flatMap(({ where, step, job }) => (step.run === undefined ? [] : [{ where, run: step.run, system: job["runs-on"] }]));

test.each(runs)("$where: what it runs is there", ({ run, system }) => {
  for (const [, script] of run.matchAll(/\bnpm (?:run )?(test|build|start|sandbox|bench|format)\b/g))
    expect(Object.keys(manifest.scripts)).toContain(script as string);
  for (const [path] of run.matchAll(/(?<![\w/])(?:scripts|\.ci)\/[\w.-]+/g))
    expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  // What a shell reads, but for what is filled in before.
  if (!system.startsWith("windows"))
    expect(Bun.spawnSync(["bash", "-n", "-c", run.replace(/\$\{\{.*?\}\}/g, "x")]).stderr.toString()).toBe("");
  // Somebody else's words are values of variables, never a part of a script.
  expect(run).not.toMatch(/\$\{\{ *(?:github\.event|github\.head_ref|steps)/);
});

test("there is one for each system", () => {
  expect(new Set(runs.map(({ system }) => system))).toEqual(new Set(["ubuntu-latest", "macos-latest", "windows-latest"]));
});
