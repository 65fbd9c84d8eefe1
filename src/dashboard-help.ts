import { sourceMarks } from "./dashboard-row.ts";
import type { Theme } from "./dashboard-theme.ts";
import { fit, width } from "./format.ts";

const help: [title: string, rows: [string, string][]][] = [
  [
    "move",
    [
      ["↑ ↓ g G", "choose a session; the cursor stays with it"],
      ["space → ←", "its detail, and back"],
      ["J K pgdn pgup", "scroll the detail"],
    ],
  ],
  [
    "act on the session under the cursor",
    [
      ["a", "allow what it asks, once; shows it first, then asks"],
      ["d", "refuse what it asks; shows it first, then asks"],
      ["enter", "go to its pane (tmux)"],
      ["m", "send it a message"],
      ["k", "stop it; asks first"],
      ["y", "copy its id to the clipboard"],
      ["n", "start a session"],
    ],
  ],
  [
    "arrange",
    [
      ["/", "filter by name, folder, branch, model, state …"],
      ["s", "sort by attention, cost, context, name, age"],
      ["p", "group by project or profile"],
      ["f", "follow: the cursor goes to whoever begins to wait"],
      ["x", "forget those that have ended"],
      ["ctrl-z  ctrl-l  q", "suspend, redraw, quit"],
    ],
  ],
  [
    "marks",
    [
      ["▲ ● ○ ◷ ✖ × ?", "needs you, works, idle, at a limit, failed, ended, not known"],
      [Object.values(sourceMarks).join(" "), `who says so: ${Object.keys(sourceMarks).join(", ")}`],
      ["⚔ ⋈ ⧉", "edits the same file, the same checkout; two processes in one conversation"],
      ["↻ ⧖ ◔ ❄", "calls fail in a row; stalled; context nearly full; prompt cache gone"],
      ["2▸ in SUB", "two sub-agents at work"],
    ],
  ],
];

/** What each key and each mark means. */
export function helpLines(theme: Theme, columns: number): string[] {
  const keyWidth = Math.max(...help.flatMap(([, rows]) => rows.map(([key]) => width(key))));
  return help.flatMap(([title, rows], index) => [
    ...(index === 0 ? [] : [""]),
    ` ${theme.paint("section", title.toUpperCase())}`,
    ...rows.map(
      ([key, text]) =>
        `  ${theme.paint("key", key + " ".repeat(keyWidth - width(key)))}  ${fit(text, Math.max(10, columns - keyWidth - 5))}`,
    ),
  ]);
}
