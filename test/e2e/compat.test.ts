import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { findCheckoutClaude } from "../../scripts/claude.ts";
import { renderFailure, runScenario } from "../../scripts/compat.ts";
import { installClaude } from "../../scripts/compat-install.ts";
import { scenarios } from "../../scripts/compat-scenarios.ts";
import { type Boxes, createBoxes } from "../../scripts/compat-stage.ts";
import { csdPath } from "./harness.ts";

/** The pinned one, and those in which the menus of today began; scripts/compat.ts runs all that are known. */
const pinned = manifest.devDependencies["@anthropic-ai/claude-code"];
const versions = ["2.1.158", "2.1.259", pinned];
const installMs = 300_000;
const scenarioMs = 120_000;

describe.each(versions)("claude %s", (version) => {
  let boxes: Boxes | undefined;

  beforeAll(async () => {
    boxes = createBoxes(version === pinned ? findCheckoutClaude() : await installClaude(version));
  }, installMs);
  afterAll(() => boxes?.close(), scenarioMs);

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (_, scenario) => {
      if (boxes === undefined) throw new Error(`claude ${version} was not installed`);
      const result = await runScenario(scenario, version, boxes, csdPath);
      expect(result.fault === undefined ? "" : renderFailure(result)).toBe("");
    },
    scenarioMs,
  );
});
