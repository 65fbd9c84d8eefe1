import { printJson } from "./cmd-csd-json.ts";
import { type App, command } from "./cmd-record.ts";
import { type Diagnosis, rememberDiagnosis, runDoctor } from "./doctor.ts";
import type { Check, Trust } from "./doctor-judge.ts";
import { memoryPath } from "./doctor-memory.ts";
import { exitCode, SilentExit } from "./errors.ts";
import { type Column, fit, type Style, table } from "./format.ts";
import { createLog, type Log } from "./log.ts";
import { printableLine } from "./printable.ts";

export const doctorCommand = command({
  name: "csd doctor",
  summary: "Test in a sandbox whether csd reads and answers the claude that is installed. Nothing of yours is touched.",
  args: { json: { type: "boolean", description: "print JSON, and nothing while it runs" } },
  examples: [
    ["csd doctor", "after an update of claude; code 1 when a signal that gates rely on fails"],
    ["csd doctor --json | jq '.checks[] | select(.verdict != \"trusted\")'", "what fails, and what csd uses instead"],
  ],
  async run({ args, app }) {
    const isJson = args.json === true;
    const log = createLog(app);
    if (!isJson) log.info("csd doctor: three sessions of claude in a sandbox, with a loopback model and a throw-away HOME …");
    const diagnosis = await runDoctor(app.sys, (check) => {
      if (!isJson) log[levels[check.verdict]](renderProgress(check));
    });
    if (isJson) printJson<"csd doctor">(app, diagnosis);
    else app.out(renderDiagnosis(app, diagnosis));
    if ((await rememberDiagnosis(app.sys, diagnosis)) && !isJson) log.info(`remembered in ${memoryPath(app.sys)}`);
    if (diagnosis.verdict !== "trusted") throw new SilentExit(exitCode.failure);
  },
});

const levels = { trusted: "success", degraded: "warn", absent: "error" } as const satisfies Record<Trust, keyof Log>;

const renderProgress = ({ signal, verdict, detail }: Check): string => `  ${verdict.padEnd(8)} ${signal}: ${printableLine(detail)}`;

const styles: Record<Trust, Style> = { trusted: "green", degraded: "yellow", absent: "red" };

function renderDiagnosis(app: Pick<App, "paint" | "columns">, { claude, version, tmux, checks, verdict }: Diagnosis): string {
  const columns: Column[] = [{ title: "SIGNAL" }, { title: "VERDICT" }, { title: "DETAIL", minWidth: 30, fit }];
  const rows = checks.map((check) => [check.signal, check.verdict, check.detail]);
  const [head = "", ...lines] = table(columns, rows, app.columns);
  const body = checks.flatMap((check, index) => [paintVerdict(app, lines[index] ?? "", check), ...renderFallback(app, check)]);
  const failed = checks.filter((check) => check.gates && check.verdict !== "trusted").map(({ signal }) => signal);
  const end = verdict === "trusted" ? "csd can be trusted with its gates." : `csd cannot be trusted with its gates: ${failed.join(", ")}.`;
  return [`claude ${version ?? "of unknown version"}, ${claude}, ${tmux}`, "", app.paint("bold", head), ...body, "", end].join("\n");
}

/** The signal's name holds no such word, so the first one is the verdict. */
const paintVerdict = ({ paint }: Pick<App, "paint">, line: string, { verdict }: Check): string =>
  line.replace(verdict, paint(styles[verdict], verdict));

const renderFallback = ({ paint }: Pick<App, "paint">, { verdict, fallback }: Check): string[] =>
  verdict === "trusted" ? [] : [paint("dim", `  instead: ${fallback}`)];
