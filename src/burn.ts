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
