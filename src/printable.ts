// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this file removes
export const escapeSequence = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
export const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * What no eye sees and what turns the rest around: zero-width and direction characters, fillers, tags, the selectors but the two
 * for text and emoji, the joiner but between two emoji. Made where it is used: it takes longer than a plain text, and every start.
 */
const unseen = () =>
  /(?![\ufe0e\ufe0f])(?!(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d(?=\p{Extended_Pictographic}))[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu;
/** More marks on one letter than any script has. */
const markFlood = () => /(?<=\p{M}{4})\p{M}/gu;
const lineSeparators = /[\u2028\u2029]/g;

export const isPlain = (text: string): boolean => /^[\t\n -~]*$/.test(text);
/** Plain, or one of the arrows, lines, blocks and dots that lists are made of: nothing below changes any of these. */
const harmless = /^[\t\n -~·—…\u2190-\u21ff\u2500-\u25ff]*$/;

/**
 * Hostile text (transcripts, screens, names) without escape sequences, control characters, what is unseen and floods of marks;
 * keeps tab and newline.
 */
export const printable = (text: string): string =>
  harmless.test(text)
    ? text
    : text
        .replaceAll("\r\n", "\n")
        .replace(escapeSequence, "")
        .replace(controls, "")
        .replace(lineSeparators, "\n")
        .replace(unseen(), "")
        .replace(markFlood(), "");

// biome-ignore lint/suspicious/noControlCharactersInRegex: SGR sequences begin with ESC
const styleOnly = /(\u001b\[[0-9;:]*m)/;
const styles = new RegExp(styleOnly, "g");

/** Text that we had styled ourselves: colours and weight stay, every other sequence and control character goes. */
export const styledOnly = (text: string): string =>
  // Nearly every line of a list is: a frame has dozens of them.
  harmless.test(text.replace(styles, ""))
    ? text
    : text
        .split(styleOnly)
        .map((part, index) => (index % 2 === 1 ? part : printable(part)))
        .join("");

/** `printable` on one line, for table cells and messages; most texts are so. */
export const printableLine = (text: string): string =>
  /^[!-~]+(?: [!-~]+)*$/.test(text) ? text : printable(text).replace(/\s+/g, " ").trim();

const escaped = (chars: string): string =>
  Array.from({ length: chars.length }, (_, index) => `\\u${chars.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");

/** JSON that means the same and holds nothing that moves a terminal or hides from the eye: `indent` 0 for one line. */
export const printableJson = (value: unknown, indent = 2): string => printableJsonText(JSON.stringify(value, null, indent));

/** The same of lines that are JSON already. */
export const printableJsonText = (json: string): string =>
  isPlain(json)
    ? json
    : json
        .replace(/[\u007f-\u009f]/g, escaped)
        .replace(lineSeparators, escaped)
        .replace(unseen(), escaped)
        .replace(markFlood(), escaped);

/** No locale that shows more than ASCII: C, POSIX, another encoding, or none said. Windows says it elsewhere, and shows all. */
export function needsAscii(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== "") ?? "";
  return !/utf-?8/i.test(locale) && env.OS !== "Windows_NT";
}

/** Our own signs, each beside one of ASCII that takes as much room. */
const asciiSigns = [
  ["·—–‐‑─╌▔━", "-"],
  ["→▸❯›⏵►", ">"],
  ["←‹", "<"],
  ["↑", "^"],
  ["↓", "v"],
  ["★●◆◼▪•", "*"],
  ["○◇◻☐", "o"],
  ["◌", ":"],
  ["▲⚠⚔", "!"],
  ["◷", "@"],
  ["✓✔", "+"],
  ["✗✖☒", "X"],
  ["×", "x"],
  ["…", "~"],
  ["█▇▉▊▋", "#"],
  ["▅▆▌▍═", "="],
  ["▃▄▎", "-"],
  ["▁▂", "_"],
  ["░", "."],
  ["▏│┃", "|"],
  ["┌┐└┘├┤┬┴┼╭╮╰╯", "+"],
  ["⏎", "/"],
  ["⋈", "&"],
  ["✎", ">"],
  ["⧉", "2"],
  ["↻", "%"],
  ["⧖", "?"],
  ["◔", "("],
  ["❄", "~"],
  ["’‘“”", "'"],
  ["\u00a0", " "],
] as const;
/** By sign; made for the first text that is shown in ASCII. */
const asciiOf: { signs?: ReadonlyMap<string, string> } = {};
const toAscii = (sign: string): string => {
  asciiOf.signs ??= new Map(asciiSigns.flatMap(([signs, ascii]) => [...signs].map((each) => [each, ascii] as const)));
  return asciiOf.signs.get(sign) ?? sign;
};

/** The same in as many columns; letters of other scripts, which are somebody's, stay. */
export const asciiCells = (text: string): string =>
  // The half block is a bar's end, or, before a blank, the mark of the row that is chosen.
  isPlain(text) ? text : text.replace(/▌(?= )/g, ">").replace(/[^\t\n -~]/g, toAscii);

/** The same where no column counts, in the way that people write it. */
export const asciiWords = (text: string): string =>
  isPlain(text)
    ? text
    : asciiCells(
        text
          .replace(/… {2}(?= )/g, "...")
          .replace(/ …|(?<=[A-Z>])…|…(?=[\]|])/g, "...")
          .replaceAll(" → ", " -> ")
          .replaceAll(" — ", " - "),
      );

/** JSON of the same value. */
export const asciiJson = (json: string): string => json.replace(/[\u007f-\uffff]/g, escaped);
