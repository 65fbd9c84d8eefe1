import { duration } from "./format.ts";
import { printableLine } from "./printable.ts";
import type { StatuslineSample } from "./statusline-sample.ts";

export const defaultTemplate = "{profile} · {model} · ctx {context} · {cost} · 5h {5h} {5h_reset} · 7d {7d} {7d_reset}";

/** What may stand in a template, and what it is. */
export const placeholders = {
  profile: "name of the profile",
  host: "name of this machine",
  where: "profile@host",
  model: "model by its display name",
  effort: "how hard it thinks",
  context: "share of the context in use",
  cost: "cost of the session in USD",
  "5h": "share of the 5-hour window",
  "5h_reset": "when it resets, as (2h 10m)",
  "7d": "share of the weekly window",
  "7d_reset": "when it resets",
  cwd: "the last folder of the session's path",
  name: "name of the session",
  session: "the first 8 characters of its id",
} as const;

type Placeholder = keyof typeof placeholders;
type PlaceholderValues = Partial<Record<Placeholder, string>>;

/** One line. A part between ` · ` or ` | ` that only has blanks in braces, and nothing to put in them, is left out. */
export function renderTemplate(template: string, values: PlaceholderValues): string {
  const parts = template.split(/( · | \| )/);
  let line = "";
  for (let index = 0; index < parts.length; index += 2) {
    const part = renderPart(parts[index] ?? "", values);
    if (part === undefined) continue;
    line += line === "" ? part : (parts[index - 1] ?? " ") + part;
  }
  return plainLine.test(line) ? line.trim() : printableLine(line);
}

/** Most lines are: the patterns that clean the others take longer to compile than all the rest of the line. */
const plainLine = /^(?!.* {2})[ -~·]*$/;

function renderPart(part: string, values: PlaceholderValues): string | undefined {
  const names = [...part.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  const isKnown = (name: string) => Object.hasOwn(placeholders, name);
  if (names.some(isKnown) && names.every((name) => isKnown(name) && (values[name as Placeholder] ?? "") === "")) return undefined;
  // A word that is no placeholder stays as it is, so that a mistyped one is seen.
  return part.replace(/\{(\w+)\}/g, (whole, name) => (isKnown(name) ? (values[name as Placeholder] ?? "") : whole)).trim();
}

interface Surroundings {
  profile: string;
  host: string;
  where: string;
  now: number;
}

export function placeholderValues(sample: StatuslineSample, { profile, host, where, now }: Surroundings): PlaceholderValues {
  return {
    profile,
    host,
    where,
    model: sample.modelName ?? sample.model ?? "",
    effort: sample.effort ?? "",
    context: percentText(sample.contextPercent),
    cost: sample.costUsd === undefined ? "" : `$${sample.costUsd.toFixed(2)}`,
    ...windowValues(sample, now),
    cwd: sample.cwd?.split(/[/\\]/).findLast((word) => word !== "") ?? "",
    name: sample.sessionName ?? "",
    session: sample.sessionId.slice(0, 8),
  };
}

function windowValues({ windows }: StatuslineSample, now: number): PlaceholderValues {
  const values: PlaceholderValues = {};
  for (const [short, name] of [["5h", "five_hour"] as const, ["7d", "seven_day"] as const]) {
    const window = windows[name];
    if (window === undefined) continue;
    const hasReset = window.resetsAt !== undefined && window.resetsAt <= now;
    values[short] = percentText(hasReset ? 0 : window.usedPercent);
    values[`${short}_reset`] = window.resetsAt === undefined ? "" : hasReset ? "(reset)" : `(${duration(window.resetsAt - now)})`;
  }
  return values;
}

const percentText = (value: number | undefined): string => (value === undefined ? "" : `${Math.round(value)}%`);
