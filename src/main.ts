import { buildVersion } from "./program.ts";
import { decideRoute } from "./router.ts";

const route = await decideRoute(process.argv0, process.argv.slice(2));

// Claude Code runs the status line at every repaint: no file system, no package, nothing of the rest is loaded for it.
if (route.to === "version") await print(`csm ${buildVersion}\n`);
else if (route.to === "csm" && route.word === "statusline" && !route.args.some((word) => word === "--help" || word === "-h")) {
  await (await import("./statusline.ts")).runStatusline(route.args);
  // What still reads stdin or runs must not keep claude waiting.
  process.exit(0);
} else process.exit(await (await import("./app.ts")).runRoute(route));

async function print(text: string): Promise<void> {
  try {
    await Bun.write(Bun.stdout, text);
  } catch {
    // The reader has gone, as in `| true`: nobody is left to tell.
  }
}
