// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this file removes
const escapeSequence = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const directionMarks = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Hostile text (transcripts, screens, names) without escape sequences, control and direction characters; keeps tab and newline. */
export const printable = (text: string): string =>
  text.replaceAll("\r\n", "\n").replace(escapeSequence, "").replace(controls, "").replace(directionMarks, "");

/** The same on one line, for table cells and messages. */
export const printableLine = (text: string): string => printable(text).replace(/\s+/g, " ").trim();

const rawInJson = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** JSON that means the same and holds nothing that moves a terminal: JSON.stringify escapes the lower control characters only. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(rawInJson, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/**
 * A prompt as it may be pasted: line ends become LF, and nothing remains that a terminal would take for a key or for
 * the end of the paste. Tabs and emoji joiners stay.
 */
export const pasteable = (text: string): string =>
  text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").replace(escapeSequence, "").replace(controls, "");

// biome-ignore lint/suspicious/noControlCharactersInRegex: SGR sequences begin with ESC
const styleSequence = /\u001b\[([0-9;:]*)m/g;

/** A styled capture as plain text without its dim parts, which are hints (`Press up to edit queued messages`), not content. */
export function withoutDim(styled: string): string {
  let isDim = false;
  let plain = "";
  let from = 0;
  for (const match of styled.matchAll(styleSequence)) {
    if (!isDim) plain += styled.slice(from, match.index);
    else plain += styled.slice(from, match.index).replace(/[^\n]/g, "");
    from = match.index + match[0].length;
    const codes = (match[1] ?? "").split(";").map(Number);
    for (let index = 0; index < codes.length; index++) {
      const code = codes[index];
      // 38;5;n and 38;2;r;g;b carry numbers that are no styles of their own.
      if (code === 38 || code === 48 || code === 58) index += codes[index + 1] === 5 ? 2 : 4;
      else if (code === 2) isDim = true;
      else if (code === 0 || code === 22) isDim = false;
    }
  }
  const rest = styled.slice(from);
  return printable(plain + (isDim ? rest.replace(/[^\n]/g, "") : rest));
}
