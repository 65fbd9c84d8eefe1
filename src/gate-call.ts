import type { ToolUse } from "./claude-transcript.ts";

/** Which tool a dialog's header belongs to. */
export const headerTools: [header: RegExp, tool: RegExp][] = [
  [/^Bash command/, /^Bash$/],
  [/^(?:Create|Overwrite|Write) file/, /^Write$/],
  [/^Edit file/, /^(?:Edit|MultiEdit)$/],
  [/^Edit notebook/, /^NotebookEdit$/],
  [/^Read file/, /^Read$/],
  [/^Fetch/, /^WebFetch$/],
  [/^Tool use/, /^mcp__/],
  [/^Ready to code\?/, /^(?:ExitPlanMode|exit_plan_mode)$/],
];

/** The dialog shows the call: its longest text begins in the body. Wraps and their marks are passed over. */
export function isShown(tool: ToolUse, body: string): boolean {
  const squeeze = (text: string) => text.replace(/[\s│]+/g, "");
  const { file_path: path } = tool.input;
  // A file is shown by its name, anything else by its longest text.
  if (typeof path === "string") return isNamed(path.split(/[/\\]/).at(-1) ?? path, body);
  const texts = Object.values(tool.input).filter((value): value is string => typeof value === "string");
  const longest = texts.map(squeeze).sort((a, b) => b.length - a.length)[0] ?? "";
  return longest !== "" && squeeze(body).includes(longest.slice(0, 60));
}

/** As a word of its own: `a.txt` is not shown by `data.txt`. */
const isNamed = (name: string, body: string): boolean =>
  new RegExp(`(?:^|[\\s/\\\\("'])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?:$|[\\s)"':,])`, "m").test(body);
