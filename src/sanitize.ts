import { controls, escapeSequence, printable } from "./printable.ts";

/**
 * A prompt as it may be pasted: line ends become LF, and nothing remains that a terminal would take for a key or for
 * the end of the paste. Tabs and emoji joiners stay.
 */
export const pasteable = (text: string): string =>
  text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").replace(escapeSequence, "").replace(controls, "");

// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const keys = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** A prompt as it may reach an input row by way of a file: the same bytes, without what a terminal would take for a key. */
export const typeable = (text: string): string => text.replace(escapeSequence, "").replace(keys, "");

// biome-ignore lint/suspicious/noControlCharactersInRegex: SGR sequences begin with ESC
const styleSequence = /\u001b\[([0-9;:]*)m/g;

/**
 * A styled capture as plain text without its dim parts, which are hints (`Press up to edit queued messages`), not content. The
 * cursor of 2.0.70 stands on the first character of a hint and shows that one reversed in place of dim.
 */
export function withoutDim(styled: string): string {
  const runs = splitStyles(styled).filter(({ text }) => text !== "");
  const isHint = (run: StyledRun, next: StyledRun | undefined): boolean =>
    run.isDim || (run.isReversed && /^.$/u.test(run.text) && next?.isDim === true && !next.text.startsWith("\n"));
  return printable(runs.map((run, index) => (isHint(run, runs[index + 1]) ? run.text.replace(/[^\n]/g, "") : run.text)).join(""));
}

interface StyledRun {
  text: string;
  isDim: boolean;
  isReversed: boolean;
}

function splitStyles(styled: string): StyledRun[] {
  const runs: StyledRun[] = [];
  let style = { isDim: false, isReversed: false };
  let from = 0;
  for (const match of styled.matchAll(styleSequence)) {
    runs.push({ text: styled.slice(from, match.index), ...style });
    from = match.index + match[0].length;
    style = applyCodes(style, (match[1] ?? "").split(";").map(Number));
  }
  return [...runs, { text: styled.slice(from), ...style }];
}

function applyCodes<T extends Omit<StyledRun, "text">>(before: T, codes: number[]): T {
  const style = { ...before };
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index];
    // 38;5;n and 38;2;r;g;b carry numbers that are no styles of their own.
    if (code === 38 || code === 48 || code === 58) index += codes[index + 1] === 5 ? 2 : 4;
    else if (code === 2) style.isDim = true;
    else if (code === 7) style.isReversed = true;
    else if (code === 22) style.isDim = false;
    else if (code === 27) style.isReversed = false;
    else if (code === 0) [style.isDim, style.isReversed] = [false, false];
  }
  return style;
}
