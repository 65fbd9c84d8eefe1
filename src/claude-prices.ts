import { promptTokens, syntheticModel, type Tokens, type UsageLine } from "./claude-tokens.ts";
import { present } from "./json.ts";

/** US dollars for a million tokens. */
interface Rates {
  input: number;
  output: number;
  write5m: number;
  write1h: number;
  cacheRead: number;
}

interface Price extends Rates {
  /** US dollars for one search. */
  webSearch: number;
  /** The whole request costs these rates when its prompt is longer. */
  long?: Rates & { abovePromptTokens: number };
  fast?: Rates;
}

interface ModelFacts {
  price: Price;
  /** Tokens that a session holds. */
  contextWindow?: number;
  /** What `[1m]`, or the beta header, makes of it. */
  maxContextWindow?: number;
}

/** What is known of the models by any of their names; undefined for one that is not known. */
export type PriceTable = (model: string) => ModelFacts | undefined;

/** What an override may say of a model; what it leaves out stays as it is. */
export type PriceOverrides = Readonly<Record<string, Partial<Price> & { contextWindow?: number }>>;

/**
 * Prices: the catalog inside Claude Code 2.1.329 (`pricing_tiers` of its model catalog, 2026-11), the table by which it counts
 * `total_cost_usd`; fast rates from the same program. Windows: `context` of the same catalog. Checked on 2026-11-20 against
 * LiteLLM's public table as ccusage 20.0.24 carries it: equal for each model that both have. The three models of generation 3
 * that the catalog has no price for: platform.claude.com/docs/about-claude/pricing.
 */
export const pricesAt = "2026-11-20";
export const pricesSource = "Claude Code 2.1.329";

const webSearch = 0.01;
const million = 1_000_000;

/** Writes cost 1.25 and 2 times the input, wherever the catalog does not say otherwise. */
const tier = (input: number, output: number, cacheRead: number): Price => ({
  input,
  output,
  write5m: (input * 5) / 4,
  write1h: input * 2,
  cacheRead,
  webSearch,
});

const rates = (input: number, output: number, cacheRead: number): Rates => {
  const { webSearch: _, ...all } = tier(input, output, cacheRead);
  return all;
};

const sonnet3 = tier(3, 15, 0.3);
const opus4 = tier(15, 75, 1.5);
const opus5 = tier(5, 25, 0.5);
const fable5 = tier(10, 50, 1);
const fable51 = tier(10, 50, 0.25);
const fable52: Price = { ...tier(8, 40, 0.2), fast: rates(16, 80, 0.4) };
const slowWindow = 200_000;
const extendable = { contextWindow: slowWindow, maxContextWindow: million };
const native = { contextWindow: million };

const facts: [id: string, facts: ModelFacts][] = [
  ["claude-3-haiku", { price: { ...tier(0.25, 1.25, 0.03), write5m: 0.3 }, contextWindow: slowWindow }],
  ["claude-3-opus", { price: opus4, contextWindow: slowWindow }],
  ["claude-3-5-haiku", { price: tier(0.8, 4, 0.08), contextWindow: slowWindow }],
  ["claude-3-5-sonnet", { price: sonnet3, contextWindow: slowWindow }],
  ["claude-3-7-sonnet", { price: sonnet3, contextWindow: slowWindow }],
  ["claude-haiku-4-5", { price: tier(1, 5, 0.1), ...extendable }],
  ["claude-haiku-5-5", { price: { ...tier(0.1, 0.5, 0.01), long: { abovePromptTokens: 100_000, ...rates(0.5, 2.5, 0.05) } }, ...native }],
  ["claude-sonnet-4", { price: sonnet3, ...extendable }],
  ["claude-sonnet-4-0", { price: sonnet3, ...extendable }],
  ["claude-sonnet-4-5", { price: sonnet3, ...extendable }],
  ["claude-sonnet-4-6", { price: sonnet3, ...extendable }],
  ["claude-sonnet-5", { price: tier(2, 10, 0.2), ...native }],
  ["claude-sonnet-5-5", { price: tier(2, 10, 0.1), ...native }],
  ["claude-opus-4", { price: opus4, ...extendable }],
  ["claude-opus-4-0", { price: opus4, ...extendable }],
  ["claude-opus-4-1", { price: opus4, ...extendable }],
  ["claude-opus-4-5", { price: opus5, ...extendable }],
  ["claude-opus-4-6", { price: { ...opus5, fast: rates(30, 150, 3) }, ...extendable }],
  ["claude-opus-4-7", { price: { ...opus5, fast: rates(30, 150, 3) }, ...native }],
  ["claude-opus-4-8", { price: { ...opus5, fast: rates(10, 50, 1) }, ...native }],
  ["claude-opus-5", { price: { ...opus5, fast: rates(10, 50, 1) }, ...native }],
  ["claude-opus-5-5", { price: { ...tier(4, 20, 0.2), fast: rates(8, 40, 0.4) }, ...native }],
  ["claude-fable-5", { price: fable5, ...native }],
  ["claude-fable-5-1", { price: fable51, ...native }],
  ["claude-fable-5-2", { price: fable52, ...native }],
  ["claude-mythos-5", { price: fable5, ...native }],
  ["claude-mythos-5-1", { price: fable51, ...native }],
  ["claude-mythos-5-2", { price: fable52, ...native }],
];

/**
 * The model that a name means, whoever writes it, as Claude Code 2.1.329 reads it: the one that it holds. So do Bedrock
 * (`us.anthropic.claude-opus-5-v1:0`), Vertex (`claude-haiku-4-5@20251001`) and gateways (`openrouter/anthropic/claude-opus-4.5`).
 * Another maker's name is only freed of date, version and `[1m]`.
 */
export function modelId(model: string): string {
  const name = model.trim().toLowerCase();
  const known = claudeName.exec(name);
  if (known !== null) return known[0].replace(".", "-");
  return name
    .replace(/\[[12]m\]$/, "")
    .replace(/-v\d+(?::\d+)?$/, "")
    .replace(/[-@]20\d{6}$/, "");
}

/** Family and version, in the order of today's names or of generation 3; a date is no version. */
const claudeName = /claude-(?:[a-z]+-\d{1,2}(?!\d)(?:[-.]\d{1,2}(?!\d))?|\d{1,2}(?!\d)(?:[-.]\d{1,2}(?!\d))?-[a-z]+)/;

export function createPriceTable(overrides: PriceOverrides = {}): PriceTable {
  const table = new Map(facts);
  for (const [model, { contextWindow, ...price }] of Object.entries(overrides)) {
    const known = table.get(modelId(model));
    const complete = { ...known?.price, ...price } as Price;
    // A price that is told in part, of a model that is not known, would make the rest free: it stays unpriced.
    if (complete.input === undefined || complete.output === undefined) continue;
    table.set(modelId(model), {
      ...known,
      price: { ...tier(complete.input, complete.output, complete.input / 10), ...complete },
      ...present({ contextWindow }),
    });
  }
  // Every answer asks, and there are few models.
  const asked = new Map<string, ModelFacts | undefined>();
  return (model) => {
    if (!asked.has(model)) asked.set(model, table.get(modelId(model)));
    return asked.get(model);
  };
}

/** US dollars for one part of an answer, counted as Claude Code counts it; undefined when its model has no price. */
export function priceUsage(table: PriceTable, usage: UsageLine): number | undefined {
  if (usage.model === syntheticModel) return 0;
  const price = table(usage.model)?.price;
  if (price === undefined) return undefined;
  const region = usage.isUsOnly ? usOnlyFactor : 1;
  return (pickRates(price, usage, promptTokens(usage)) * region) / million + usage.webSearches * price.webSearch;
}

/** Answers that may only be computed in the USA, as in Claude Code 2.1.329. */
const usOnlyFactor = 1.1;

function pickRates(price: Price, usage: UsageLine, prompt: number): number {
  if (usage.isFast && price.fast !== undefined) return sum(price.fast, usage);
  return sum(price.long !== undefined && prompt > price.long.abovePromptTokens ? price.long : price, usage);
}

const sum = (rate: Rates, tokens: Tokens): number =>
  tokens.input * rate.input +
  tokens.output * rate.output +
  tokens.write5m * rate.write5m +
  tokens.write1h * rate.write1h +
  tokens.cacheRead * rate.cacheRead;

/**
 * Tokens that a session of this model holds; undefined for a model that is not known. `seenTokens` more than the usual window
 * prove the large one.
 */
export function contextWindow(table: PriceTable, model: string, seenTokens = 0): number | undefined {
  const known = table(model);
  if (known?.contextWindow === undefined) return undefined;
  const isLarge = /\[1m\]$/i.test(model) || seenTokens > known.contextWindow;
  return isLarge ? (known.maxContextWindow ?? known.contextWindow) : known.contextWindow;
}
