import { openConfig } from "./config.ts";
import { defaultHealth, type HealthThresholds } from "./health.ts";
import type { Sys } from "./sys.ts";

/** From when on a session stands out: the part `dashboard` of the config file over what holds without it. */
export function healthSettings(sys: Sys): HealthThresholds {
  const { dashboard = {} } = openConfig(sys).read();
  const keys = Object.keys(defaultHealth) as (keyof HealthThresholds)[];
  return Object.fromEntries(keys.map((key) => [key, dashboard[key] ?? defaultHealth[key]])) as unknown as HealthThresholds;
}
