import { type App, command, runRecord } from "./cmd-record.ts";
import { setupCommand } from "./cmd-setup.ts";
import { createLook, type Health, type Line, type Look, redact, runChecks, worstOf } from "./diagnose.ts";
import { checks } from "./diagnose-checks.ts";
import { exitCode, SilentExit, UserError, usageError } from "./errors.ts";
import { type Column, fit, type Style, table } from "./format.ts";
import { printableLine } from "./printable.ts";

export const diagnoseCommand = command({
  name: "csm diagnose",
  acts: true,
  summary: `Look at everything that csm rests on: one line each, ok, degraded or broken, with the command that mends it.

claude and every profile's login, settings, hooks and status line; terminal and tmux, tried in a pane of their own; rules,
notifications and the hub; what is kept, the disk and the clock. Code 1 when something is broken.`,
  args: {
    fix: {
      type: "boolean",
      description: "mend what can be undone again: missing folders and links of profiles, csm's hooks; asks for each",
    },
    yes: { type: "boolean", alias: "y", description: "with --fix: do not ask" },
    redact: { type: "boolean", description: "for a bug report: no name of a profile, user or machine, no path, no text of yours" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm diagnose", ""],
    ["csm diagnose --redact > report.txt", "to be attached to a bug report"],
    ["csm diagnose --json | jq '.checks[] | select(.health != \"ok\")'", "what is not in order, and the fix"],
    ["csm diagnose --fix", "mends what is safe to mend, after asking"],
  ],
  async run({ args, app }) {
    const isFix = args.fix === true;
    if (args.yes === true && !isFix) throw usageError("csm diagnose: --yes is for --fix");
    if (isFix && args.yes !== true && (args.json === true || !app.isInteractive || !app.sys.isTerminal(1)))
      throw usageError("csm diagnose: there is nobody to ask; nothing was mended", "add --yes, or look first without --fix");
    const look = createLook(app.sys);
    const found = await runChecks(look, checks);
    const mended = isFix ? await mend(app, found, args.yes === true) : [];
    const lines = mended.length === 0 ? found : await runChecks(createLook(app.sys), checks);
    print(app, look, lines, args);
    if (worstOf(lines) === "broken") throw new SilentExit(exitCode.failure);
  },
});

/** What was done. One that fails stays as it was found. */
async function mend(app: App, lines: readonly Line[], isYes: boolean): Promise<string[]> {
  const done: string[] = [];
  const repairs = lines.flatMap(({ repair }) => repair ?? []);
  if (repairs.length === 0) app.tell("csm diagnose: nothing here is mended by --fix; each line names what does");
  for (const { about, run, setup } of repairs) {
    app.tell(printableLine(`csm diagnose: ${about}`));
    if (setup === undefined && !isYes && !(await isAgreed())) continue;
    try {
      // It shows what it changes, asks by itself, and keeps a copy.
      if (setup !== undefined) await runRecord(setupCommand, [...setup, ...(isYes ? ["--yes"] : [])], { ...app, out: app.tell });
      done.push(...((await run?.()) ?? [about]));
    } catch (error) {
      if (!(error instanceof UserError || (error instanceof Error && "code" in error))) throw error;
      app.tell(printableLine(`csm diagnose: it could not be mended: ${error.message}`));
    }
  }
  return done;
}

async function isAgreed(): Promise<boolean> {
  const answer = await (await import("./prompts.ts")).promptConfirm("mend it?");
  if (answer === undefined) throw new SilentExit(exitCode.interrupted);
  return answer;
}

interface Wish {
  redact?: boolean | undefined;
  json?: boolean | undefined;
}

function print(app: App, look: Look, lines: readonly Line[], wish: Wish): void {
  const shown = wish.redact === true ? redact(look, lines) : lines;
  if (wish.json !== true) {
    app.out(render(app, shown).join("\n"));
    return;
  }
  const unnamed = new Set(look.profiles.flatMap(({ name, title }) => (name === "" ? title : [])));
  const checks = shown.map(({ check, profile = "", health, detail, fix = null }) => {
    const name = profile === "" || unnamed.has(profile) ? null : profile;
    return { check, profile: name, health, detail, fix };
  });
  app.json<"csm diagnose">({ health: worstOf(lines), checks });
}

const styles: Record<Health, Style> = { ok: "green", degraded: "yellow", broken: "red" };

function render({ paint, columns: width }: Pick<App, "paint" | "columns">, lines: readonly Line[]): string[] {
  const columns: Column[] = [{ title: "HEALTH" }, { title: "CHECK" }, { title: "PROFILE" }, { title: "DETAIL", minWidth: 30, fit }];
  const rows = lines.map(({ health, check, profile = "-", detail }) => [health, check, profile, detail].map(printableLine));
  const [head = "", ...body] = table(columns, rows, width);
  return [
    paint("bold", head),
    ...lines.flatMap(({ health, fix }, index) => [
      (body[index] ?? "").replace(health, paint(styles[health], health)),
      ...(fix === undefined ? [] : [paint("dim", `          ${health === "ok" ? "to change it" : "fix"}: ${printableLine(fix)}`)]),
    ]),
    "",
    summary(lines),
  ];
}

function summary(lines: readonly Line[]): string {
  const count = (health: Health) => lines.filter((line) => line.health === health).length;
  const [broken, degraded] = [count("broken"), count("degraded")];
  if (broken + degraded === 0) return "all is in order";
  return `${broken} broken, ${degraded} degraded, ${count("ok")} ok`;
}
