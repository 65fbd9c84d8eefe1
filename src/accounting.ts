import { contextWindow, type PriceTable, priceUsage } from "./claude-prices.ts";
import { allTokens, createIdentity, partsOf, promptTokens, syntheticModel, type Tokens, type UsageLine } from "./claude-tokens.ts";

/** What a number of answers used and cost. */
interface Spend {
  tokens: Tokens;
  webSearches: number;
  /** Of the answers whose model has a price; what has none stands in `unpriced`. */
  costUsd: number;
  /** Answers, each counted once. */
  messages: number;
}

interface Totals extends Spend {
  /** Models without a price, in the order they came. */
  unpriced: string[];
  /** The part of it that subagents used. */
  subagents: Spend;
}

/** Where the main conversation stands. */
interface Context {
  /** Prompt of the newest answer, or what a compaction left of it. */
  tokens: number;
  model: string;
  /** Undefined for a model that is not known. */
  window: number | undefined;
  at: number;
}

export const noTokens = (): Tokens => ({ input: 0, output: 0, write5m: 0, write1h: 0, cacheRead: 0 });
const noSpend = (): Spend => ({ tokens: noTokens(), webSearches: 0, costUsd: 0, messages: 0 });

export interface Tally {
  /** Counts an answer once, however often it is written: the largest reading of it stands. */
  add(usage: UsageLine, isSubagent?: boolean): void;
  /** The main conversation was summarised. */
  compact(at: number, tokens: number): void;
  totals(): Totals;
  context(): Context | undefined;
  /** Cost by time of the answers since then, oldest first. */
  spends(since: number): { at: number; costUsd: number }[];
}

interface Entry {
  usage: UsageLine;
  isSubagent: boolean;
  parts: { tokens: Tokens; costUsd: number | undefined }[];
  costUsd: number;
}

export function createTally(table: PriceTable): Tally {
  const totals: Totals = { ...noSpend(), unpriced: [], subagents: noSpend() };
  let recent: Entry[] = [];
  let newest: UsageLine | undefined;
  let compacted: { at: number; tokens: number } | undefined;
  const change = (entry: Entry, sign: 1 | -1) => {
    addSpend(totals, entry, sign);
    if (entry.isSubagent) addSpend(totals.subagents, entry, sign);
    if (sign < 0) recent = recent.filter((other) => other !== entry);
    else recent.push(entry);
  };
  const entries = createEntries(change);
  return {
    add(usage, isSubagent = usage.isSidechain) {
      if (usage.model === syntheticModel) return;
      const parts = partsOf(usage).map((part) => ({ tokens: part, model: part.model, costUsd: priceUsage(table, part) }));
      for (const { model, costUsd } of parts) if (costUsd === undefined && !totals.unpriced.includes(model)) totals.unpriced.push(model);
      entries.add(usage, { usage, isSubagent, parts, costUsd: parts.reduce((sum, { costUsd = 0 }) => sum + costUsd, 0) });
      const isMain = !isSubagent && !usage.isSidechain;
      if (isMain && promptTokens(usage) > 0 && usage.at >= (newest?.at ?? 0)) newest = usage;
    },
    compact(at, tokens) {
      if (at >= (compacted?.at ?? 0)) compacted = { at, tokens };
    },
    totals: () => structuredClone(totals),
    context() {
      if (newest === undefined) return undefined;
      const { model, requestedModel = model, at } = newest;
      const prompt = newest.lastPromptTokens ?? promptTokens(newest);
      const window = contextWindow(table, requestedModel.endsWith("[1m]") ? requestedModel : model, prompt);
      return compacted !== undefined && compacted.at >= at ? { ...compacted, model, window } : { tokens: prompt, model, window, at };
    },
    spends(since) {
      recent = recent.filter(({ usage }) => usage.at >= since);
      const isPriced = ({ parts }: Entry) => parts.some((part) => part.costUsd !== undefined);
      return recent
        .filter(isPriced)
        .map(({ usage, costUsd }) => ({ at: usage.at, costUsd }))
        .sort((a, b) => a.at - b.at);
    },
  };
}

/**
 * Each answer once; tells what comes in and what is taken out again. A subagent's is its message id, and gives way to the main
 * conversation, which a subagent's transcript may repeat.
 */
function createEntries(onChange: (entry: Entry, sign: 1 | -1) => void) {
  const main = new Map<number, Entry>();
  const side = new Map<number, Entry>();
  const mainMessages = new Set<number>();
  const identify = createIdentity();
  return {
    add(usage: Pick<UsageLine, "key" | "messageKey" | "isSidechain">, entry: Entry): void {
      if (usage.isSidechain && mainMessages.has(usage.messageKey)) return;
      const [entries, key] = usage.isSidechain ? [side, usage.messageKey] : [main, identify(usage)];
      const known = entries.get(key);
      if (known === undefined || sizeOf(entry) > sizeOf(known)) {
        if (known !== undefined) onChange(known, -1);
        entries.set(key, entry);
        onChange(entry, 1);
      }
      if (usage.isSidechain) return;
      mainMessages.add(usage.messageKey);
      const shadowed = side.get(usage.messageKey);
      if (shadowed === undefined) return;
      side.delete(usage.messageKey);
      onChange(shadowed, -1);
    },
  };
}

const sizeOf = ({ parts }: Entry): number => parts.reduce((sum, { tokens }) => sum + allTokens(tokens), 0);

export function addTokens(to: Tokens, tokens: Tokens, sign: 1 | -1 = 1): void {
  to.input += sign * tokens.input;
  to.output += sign * tokens.output;
  to.write5m += sign * tokens.write5m;
  to.write1h += sign * tokens.write1h;
  to.cacheRead += sign * tokens.cacheRead;
}

function addSpend(spend: Spend, { usage, parts, costUsd }: Entry, sign: 1 | -1): void {
  for (const { tokens } of parts) addTokens(spend.tokens, tokens, sign);
  spend.webSearches += sign * usage.webSearches;
  spend.costUsd += sign * costUsd;
  spend.messages += sign;
}

/** 0–100, from the status line where it told, else from the newest answer; undefined where the window is not known. */
export function contextPercent(context: Context | undefined, statusLinePercent?: number): number | undefined {
  if (statusLinePercent !== undefined && Number.isFinite(statusLinePercent)) return clamp(statusLinePercent);
  if (context?.window === undefined) return undefined;
  return clamp((context.tokens / context.window) * 100);
}

const clamp = (percent: number): number => Math.min(100, Math.max(0, percent));

/** US dollars per hour: the middle, and the range in which nine of ten such hours lie as far as the past tells. */
export interface Burn {
  usdPerHour: number;
  low: number;
  high: number;
}

export interface Forecast {
  expected: number;
  low: number;
  high: number;
}

const minute = 60_000;
const hour = 60 * minute;
export const burnWindowMs = hour;
const slotMs = 5 * minute;
const fewestSlots = 3;

/**
 * How fast money goes, from the spends of the last hour in steps of five minutes; undefined where less than a quarter of an
 * hour of them is known: one answer says nothing about the next hour.
 */
export function estimateBurn(spends: readonly { at: number; costUsd: number }[], now: number): Burn | undefined {
  const recent = spends.filter(({ at }) => at > now - burnWindowMs && at <= now);
  const first = Math.min(...recent.map(({ at }) => at));
  const slots = Math.floor((now - first) / slotMs);
  if (recent.length < fewestSlots || slots < fewestSlots) return undefined;
  const perSlot = Array.from({ length: slots }, () => 0);
  for (const { at, costUsd } of recent) {
    const slot = Math.floor((now - at) / slotMs);
    // The oldest step is not whole.
    if (slot < slots) perSlot[slot] = (perSlot[slot] ?? 0) + costUsd;
  }
  const mean = perSlot.reduce((sum, value) => sum + value, 0) / slots;
  const variance = perSlot.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (slots - 1);
  const perHour = hour / slotMs;
  // Of a whole hour's sum and of the mean's own error, at 90 %.
  const spread = 1.645 * Math.sqrt(variance * perHour + variance * (perHour ** 2 / slots));
  return { usdPerHour: mean * perHour, low: Math.max(0, mean * perHour - spread), high: mean * perHour + spread };
}

/** What will have been spent at a time to come; undefined where the burn is unknown. */
export function forecastCost(spentUsd: number, burn: Burn | undefined, now: number, until: number): Forecast | undefined {
  if (burn === undefined) return undefined;
  const hours = Math.max(0, until - now) / hour;
  return { expected: spentUsd + burn.usdPerHour * hours, low: spentUsd + burn.low * hours, high: spentUsd + burn.high * hours };
}

/** When a budget is used up, as ms from now: soonest and latest; `latestMs` undefined means perhaps never. */
export function forecastBudget(
  spentUsd: number,
  budgetUsd: number,
  burn: Burn | undefined,
): { soonestMs: number; latestMs: number | undefined } | undefined {
  if (spentUsd >= budgetUsd) return { soonestMs: 0, latestMs: 0 };
  if (burn === undefined || burn.high <= 0) return undefined;
  const headroom = budgetUsd - spentUsd;
  return { soonestMs: (headroom / burn.high) * hour, latestMs: burn.low > 0 ? (headroom / burn.low) * hour : undefined };
}

/** What one session used and cost, subagents included. */
export interface MeterReading {
  /** `unknown format`: there are lines, and none that this version understands; the numbers mean nothing. */
  format: "ok" | "empty" | "unknown format";
  totals: Totals;
  /** Undefined before the first answer. */
  context: Context | undefined;
  /** Undefined where too little is known to tell. */
  burn: Burn | undefined;
  subagentCount: number;
  /** Lines of answers that could not be understood, and are missing in the totals. */
  unreadable: number;
}
