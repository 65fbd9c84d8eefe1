import { command } from "./cmd-record.ts";
import { readRegistry } from "./profiles.ts";
import { readUsage, windowNow } from "./usage.ts";

export const currentUsageCommand = command({
  name: "csm current-usage",
  summary: "Print what a profile has used, as two numbers: of its 5-hour window and of its week. -1 is unknown; nothing when all is.",
  args: { profile: { type: "positional", description: "a registered profile" } },
  examples: [["csm current-usage work", "prints `37 61`"]],
  async run({ args, app }) {
    const registry = readRegistry(app.sys);
    const report = await readUsage(app.sys, { registry, fetches: true, warn: app.tell });
    const profile = report.profiles.find(({ name, isRegistered }) => isRegistered && name === args.profile);
    if (profile === undefined || profile.error !== undefined || profile.windows.size === 0) return;
    const percentOf = (window: string) => Math.round(windowNow(profile, window, report.now)?.usedPercent ?? -1);
    app.out(`${percentOf("five_hour")} ${percentOf("seven_day")}`);
  },
});
