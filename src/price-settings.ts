import { join } from "node:path";
import type { PriceOverrides } from "./claude-prices.ts";
import { UserError } from "./errors.ts";
import { isRecord } from "./json.ts";
import { homeDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

const fields = new Set(["input", "output", "write5m", "write1h", "cacheRead", "webSearch", "contextWindow"]);
const rateFields = new Set(["input", "output", "write5m", "write1h", "cacheRead", "abovePromptTokens"]);

/**
 * `prices` of `~/.config/claude-smart/config.json`: `{"claude-next-1": {"input": 4, "output": 20}}` in US dollars for a million
 * tokens. Nothing when there is no such file; throws with the place of a value that is no price.
 */
export function readPriceOverrides(sys: Pick<Sys, "env" | "homeDir" | "platform" | "readText">): PriceOverrides {
  const path = join(homeDir(sys), ".config", "claude-smart", "config.json");
  const text = sys.readText(path) ?? "";
  if (text.trim() === "") return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UserError(`failed to read ${path}: ${(error as Error).message}`, "correct the file or move it away");
  }
  const prices = isRecord(parsed) ? parsed.prices : undefined;
  if (prices === undefined) return {};
  if (!isRecord(prices)) throw wrong(path, "prices", "an object of models");
  return Object.fromEntries(Object.entries(prices).map(([model, price]) => [model, parsePrice(path, model, price)]));
}

function parsePrice(path: string, model: string, price: unknown): PriceOverrides[string] {
  if (!isRecord(price)) throw wrong(path, `prices.${model}`, "an object of prices");
  for (const [name, value] of Object.entries(price)) {
    const place = `prices.${model}.${name}`;
    if (name === "long" || name === "fast") checkRates(path, place, value);
    else if (!fields.has(name)) throw wrong(path, place, `one of ${[...fields, "long", "fast"].join(", ")}`);
    else if (!isPrice(value)) throw wrong(path, place, "a number from 0");
  }
  return price as PriceOverrides[string];
}

function checkRates(path: string, place: string, value: unknown): void {
  const needed = [...rateFields].filter((name) => name !== "abovePromptTokens" || place.endsWith(".long"));
  if (!isRecord(value) || !needed.every((name) => isPrice(value[name]))) throw wrong(path, place, `all of ${needed.join(", ")}`);
}

const isPrice = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0;

const wrong = (path: string, place: string, wanted: string): UserError =>
  new UserError(`${path}: ${place} must be ${wanted}`, "US dollars for a million tokens");
