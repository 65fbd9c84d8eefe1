import { openConfig } from "./config.ts";
import { present } from "./json.ts";
import { defaultLimitSettings, type LimitSettings } from "./limit.ts";
import type { Sys } from "./sys.ts";

/** What holds at a limit in this profile: its own settings, the general ones, the environment names of the older tool, the defaults. */
export function limitSettings(sys: Sys, profile: string): LimitSettings {
  const { env } = sys;
  const { profiles, ...general } = openConfig(sys).read().limit ?? {};
  const own = Object.hasOwn(profiles ?? {}, profile) ? profiles?.[profile] : undefined;
  const settings = { ...defaultLimitSettings, ...defined(general), ...defined(own ?? {}) };
  if (env.CLAUDE_AUTO_SWITCH === "0") return { ...settings, policy: "stop" };
  return {
    ...settings,
    ...(env.CLAUDE_AUTO_SWITCH_RELAUNCH === undefined || env.CLAUDE_AUTO_SWITCH_RELAUNCH === "1" ? {} : { policy: "stop" as const }),
    ...present({ handoffPrompt: env.CLAUDE_SMART_RESUME_PROMPT }),
    ...whole(env.CLAUDE_SWITCH_COOLDOWN, (seconds) => ({ cooldownMs: seconds * 1000 })),
    ...whole(env.CLAUDE_MAX_HOPS, (maxHops) => ({ maxHops })),
  };
}

const defined = <T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

const whole = <T>(text: string | undefined, use: (number: number) => T): T | object => {
  const number = Number(text);
  return text !== undefined && text.trim() !== "" && Number.isInteger(number) && number >= 0 ? use(number) : {};
};
