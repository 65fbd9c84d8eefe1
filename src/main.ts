#!/usr/bin/env bun
import { exitCode, nearestWord, SilentExit, UserError, usageError } from "./errors.ts";
import { launchWord, runClaude, runLaunch } from "./launch.ts";
import { decideRoute, type Route } from "./router.ts";
import { createSys, type Sys } from "./sys.ts";
import { buildVersion } from "./version.ts";

const sys = createSys();
const route = decideRoute(process.argv0, process.argv.slice(2));
try {
  await run(sys, route);
  process.exitCode = exitCode.ok;
} catch (error) {
  process.exit(report(sys, route, error));
}
process.exit();

async function run(sys: Sys, route: Route): Promise<void> {
  switch (route.to) {
    case "version":
      return print(sys, `csm ${buildVersion}`);
    case "claude":
      return runClaude(sys, route.args);
    case "help":
      return print(sys, await (await import("./help.ts")).renderCsmHelp());
    case "csd":
      return runCsd(sys, route.args);
    case "csm":
      break;
  }
  // Claude Code runs these at every repaint: no package is loaded for them.
  if (route.word === "statusline" && route.args.length === 0)
    return print(sys, (await import("./statusline.ts")).renderStatusline(sys.env, sys.hostname()));
  const { csmCommands } = await import("./commands.ts");
  const load = csmCommands[route.word];
  if (load === undefined)
    throw usageError(`csm ${route.word}: version ${buildVersion} does not have this command`, "csm --help lists the commands");
  const { runRecord } = await import("./cmd-record.ts");
  return runRecord(await load(), route.args, await createApp(sys));
}

async function runCsd(sys: Sys, args: readonly string[]): Promise<void> {
  const [word, ...rest] = args;
  if (word === launchWord) throw new SilentExit(await runLaunch(sys, rest[0] ?? ""));
  if (word === "--version" || word === "-V") return print(sys, `csd ${buildVersion}`);
  const { csdCommands } = await import("./commands.ts");
  if (word === undefined || word === "--help" || word === "-h" || (word === "help" && rest.length === 0)) {
    const help = await (await import("./help.ts")).renderCsdHelp();
    if (word !== undefined) return print(sys, help);
    sys.write(2, help);
    throw new SilentExit(exitCode.usage);
  }
  const name = word === "help" ? (rest[0] ?? "") : word;
  const load = csdCommands[name];
  if (load === undefined) {
    const near = nearestWord(name, Object.keys(csdCommands));
    throw usageError(
      `csd: unknown command ${JSON.stringify(name)}`,
      near === undefined ? "csd --help lists the commands" : `did you mean ${near}?`,
    );
  }
  const { runRecord } = await import("./cmd-record.ts");
  return runRecord(await load(), word === "help" ? ["--help"] : rest, await createApp(sys));
}

async function createApp(sys: Sys) {
  const { createPaint } = await import("./format.ts");
  const isTty = process.stdout.isTTY === true;
  return {
    sys,
    out: (text: string) => print(sys, text),
    tell: (text: string) => void sys.write(2, `${text}\n`),
    paint: createPaint(isTty && (sys.env.NO_COLOR ?? "") === "" && sys.env.TERM !== "dumb"),
    columns: isTty ? process.stdout.columns || 80 : undefined,
    isInteractive: process.stdin.isTTY === true,
    records: async () => {
      const { csdCommands, csmCommands, loadAll } = await import("./commands.ts");
      return [...(await loadAll(csmCommands)), ...(await loadAll(csdCommands))];
    },
  };
}

/** A reader that has gone, as in `| head -1`, is no error. */
function print(sys: Sys, text: string): void {
  if (!sys.write(1, text.endsWith("\n") ? text : `${text}\n`)) throw new SilentExit(exitCode.ok);
}

/** One place where errors become words and codes. */
function report(sys: Sys, route: Route, error: unknown): number {
  if (error instanceof SilentExit) return error.exitCode;
  if (error instanceof UserError) {
    const text =
      route.to === "csd"
        ? JSON.stringify({ error: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) })
        : `${error.message.startsWith("csm ") ? "" : "csm: "}${error.message}${error.hint === undefined ? "" : `; ${error.hint}`}`;
    sys.write(2, `${text}\n`);
    return error.exitCode;
  }
  const system = error as NodeJS.ErrnoException;
  if (typeof system.code === "string" && typeof system.syscall === "string") {
    const message = `${system.syscall} failed: ${system.message}`;
    sys.write(2, route.to === "csd" ? `${JSON.stringify({ error: message })}\n` : `csm: ${message}\n`);
    return exitCode.failure;
  }
  sys.write(
    2,
    `csm: this is a bug in version ${buildVersion}; please report it with what follows\n${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return exitCode.bug;
}
