/** A key, a paste or the mouse, as a terminal in raw mode sends it. */
export interface Key {
  /**
   * The character itself, or a name: `enter`, `up`, `ctrl-c`, `paste`, `click`, `wheel-up` … Held keys stand before it, always in
   * this order: `alt-ctrl-shift-left`.
   */
  name: string;
  /** Of a paste. */
  text?: string;
  /** Of the mouse, from 1. */
  row?: number;
}

/** Bytes come in pieces: what is not a whole sequence yet stays until the next piece, or until `flush`. */
interface KeyParser {
  take(text: string): Key[];
  /** Nothing followed: a lone ESC is the key itself, and the begin of a sequence is none. A paste goes on until its end comes. */
  flush(): Key[];
  readonly isPending: boolean;
}

/** What stands at the beginning of a text, and how much of it that is; without a key where it is none. */
interface Found {
  length: number;
  key?: Key;
  opensPaste?: true;
  closesPaste?: true;
}

export function createKeyParser(): KeyParser {
  let rest = "";
  let isPasting = false;
  let isTorn = false;
  const read = (isWhole: boolean): Key[] => {
    const keys: Key[] = [];
    while (rest !== "") {
      const found = isPasting ? findPaste(rest, isWhole) : findKey(rest, isWhole);
      if (found === undefined) break;
      rest = rest.slice(found.length);
      isPasting = found.opensPaste === true || (isPasting && found.closesPaste !== true);
      if (found.key !== undefined) keys.push(found.key);
    }
    return keys;
  };
  return {
    take(text) {
      // The ESC of this sequence was taken for the key: its rest is no text.
      const isRest = isTorn && /^\[[0-?]*[ -/]*[@-~]$/.test(text);
      isTorn = false;
      if (!isRest) rest += text;
      return read(false);
    },
    flush() {
      isTorn = !isPasting && rest === "\u001b";
      return read(true);
    },
    get isPending() {
      return rest !== "";
    },
  };
}

const pasteBegin = "\u001b[200~";
const pasteEnd = "\u001b[201~";

/** A paste comes in any number of pieces, each of them a key; only its end, or Ctrl-C alone where that got lost, ends it. */
function findPaste(text: string, isWhole: boolean): Found | undefined {
  const end = text.indexOf(pasteEnd);
  const paste = (length: number): Pick<Found, "key"> => (length === 0 ? {} : { key: { name: "paste", text: text.slice(0, length) } });
  if (end >= 0) return { length: end + pasteEnd.length, closesPaste: true, ...paste(end) };
  if (text === "\u0003") return { length: 1, closesPaste: true, key: { name: "ctrl-c" } };
  if (!isWhole) return undefined;
  // What may be the begin of the end, or half a line end, waits for the rest.
  const held = [6, 5, 4, 3, 2, 1].find((length) => text.endsWith(pasteEnd.slice(0, length))) ?? (text.endsWith("\r") ? 1 : 0);
  return text.length === held ? undefined : { length: text.length - held, ...paste(text.length - held) };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with ESC
const sequences = /^\u001b(\u001b?)(?:\[(?:\[[A-E]|M[\s\S]{3}|\d+\$|[0-?]*[ -/]*[@-LN-Z\\-~]|[0-?]+M)|O[\d;]*[A-Za-z])/;
/** Words from one program to another, such as a terminal's answer about its colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const strings = /^\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)/;
/** It may become a sequence. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const begun = /^\u001b\u001b?(?:\[(?:\[|M[\s\S]{0,2}|[0-?]*[ -/]*)|O[\d;]*)?$|^\u001b[\]PX^_][^\u0007\u001b]*\u001b?$/;

/** Something else came in between. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const brokenOff = /^\u001b\[[0-?]*[ -/]*/;

/** Undefined while the rest of it may still come. */
function findKey(text: string, isWhole: boolean): Found | undefined {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  if (first !== "\u001b") return { length: first.length, key: { name: nameOf(first) } };
  if (text.startsWith(pasteBegin)) return { length: pasteBegin.length, opensPaste: true };
  const string = strings.exec(text)?.[0];
  if (string !== undefined) return { length: string.length };
  const sequence = sequences.exec(text);
  if (sequence !== null) return { length: sequence[0].length, ...withKey(readSequence(sequence[0].slice(1), sequence[1] !== "")) };
  if (begun.test(text)) {
    if (!isWhole) return undefined;
    // Two characters are a key with Alt; more are the begin of what never came.
    if (text.length > 2) return { length: text.length };
  }
  const broken = brokenOff.exec(text)?.[0].length ?? 0;
  if (broken > 2) return { length: broken };
  if (text.length === 1 || text[1] === "\u001b") return { length: 1, key: { name: "esc" } };
  const second = String.fromCodePoint(text.codePointAt(1) ?? 0);
  return { length: 1 + second.length, key: { name: `alt-${nameOf(second)}` } };
}

const withKey = (key: Key | undefined): Pick<Found, "key"> => (key === undefined ? {} : { key });

/** By the last letter of a sequence; SS3 has those of the keypad too. */
const letters: Record<string, string> = { A: "up", B: "down", C: "right", D: "left", H: "home", F: "end", Z: "backtab" };
const keypad: Record<string, string> = {
  ...{ M: "enter", j: "*", k: "+", l: ",", m: "-", n: ".", o: "/", X: "=" },
  ...Object.fromEntries([..."pqrstuvwxy"].map((letter, digit) => [letter, String(digit)])),
};
/** By the number before `~`, `$`, `^`, `@`. */
const numbers: Record<number, string> = { 1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pageup", 6: "pagedown", 7: "home", 8: "end" };
const rxvtKeys: Record<string, Held> = { $: { isShift: true }, "^": { isCtrl: true }, "@": { isShift: true, isCtrl: true } };
/** By code, where a terminal names keys by what they write. */
const codes: Record<number, string> = { 9: "tab", 13: "enter", 27: "esc", 32: " ", 8: "backspace", 127: "backspace", 57414: "enter" };

interface Held {
  isShift?: boolean;
  isAlt?: boolean;
  isCtrl?: boolean;
  /** Super, hyper, meta. */
  isOther?: boolean;
}

function readSequence(text: string, isAlt: boolean): Key | undefined {
  const sequence = isAlt ? text.slice(1) : text;
  const mouse = /^\[<(\d+);\d+;(\d+)([Mm])$/.exec(sequence);
  if (mouse !== null) return readMouse(Number(mouse[1]), Number(mouse[2]), mouse[3] === "M");
  const match = /^([[O])([\d;:]*)([A-Za-z~$^@])$/.exec(sequence);
  if (match === null) return undefined;
  const [, kind = "", fields = "", last = ""] = match;
  const parts = fields.split(";");
  const numberOf = (index: number): number => Number.parseInt(parts[index] ?? "", 10);
  // `13;3:3u`: the third kind of event is that it was let go.
  const isRelease = /:3$/.test(parts[1] ?? "");
  if (isRelease) return undefined;
  const held = (index: number): Held => ({ ...heldOf(numberOf(index)), ...(isAlt ? { isAlt } : {}) });
  if (last === "u") return keyOf(writtenOf(parts[0] ?? ""), held(1));
  if (last === "~" && numberOf(0) === 27) return keyOf(writtenOf(parts[2] ?? ""), held(1));
  if (last === "~") return keyOf(numbers[numberOf(0)], held(1));
  if (rxvtKeys[last] !== undefined) return keyOf(numbers[numberOf(0)], { ...held(1), ...rxvtKeys[last] });
  const name = letters[last] ?? (kind === "O" ? keypad[last] : undefined);
  return keyOf(name, held(parts.length > 1 || kind === "O" ? parts.length - 1 : 1));
}

function readMouse(code: number, row: number, isPress: boolean): Key | undefined {
  const name = { 0: "click", 64: "wheel-up", 65: "wheel-down" }[code];
  return !isPress || name === undefined ? undefined : { name, row };
}

/** The number that stands for them is a sum, plus one. */
function heldOf(number: number): Held {
  const bits = Number.isNaN(number) || number < 1 ? 0 : number - 1;
  return { isShift: (bits & 1) !== 0, isAlt: (bits & 2) !== 0, isCtrl: (bits & 4) !== 0, isOther: (bits & 56) !== 0 };
}

/** `97:65`: the key, and what it writes with shift. */
function writtenOf(field: string): string | undefined {
  const code = Number.parseInt(field, 10);
  if (Number.isNaN(code) || code > 0x10ffff) return undefined;
  if (code >= 57399 && code <= 57408) return String(code - 57399);
  const name = codes[code];
  // The private area is for keys that write nothing.
  if (name !== undefined || code < 32 || (code >= 0xe000 && code <= 0xf8ff) || (code >= 0xd800 && code <= 0xdfff)) return name;
  return String.fromCodePoint(code);
}

function keyOf(name: string | undefined, { isShift = false, isAlt = false, isCtrl = false, isOther = false }: Held): Key | undefined {
  if (name === undefined || isOther) return undefined;
  const isLetter = [...name].length === 1;
  const written = isLetter ? (isCtrl ? name.toLowerCase() : isShift ? name.toUpperCase() : name) : name;
  const shifted = isShift && name === "tab" ? "backtab" : written;
  const isSaid = isShift && !isLetter && name !== "tab" && name !== "backspace" && name !== "backtab" && name !== "esc";
  const ctrl = isCtrl && name !== "esc" && name !== " " ? "ctrl-" : "";
  return { name: `${isAlt ? "alt-" : ""}${ctrl}${isSaid ? "shift-" : ""}${shifted}` };
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\r") return "enter";
  if (character === "\t") return "tab";
  if (character === "\u001b") return "esc";
  if (code === 127 || code === 8) return "backspace";
  if (code < 32) return `ctrl-${String.fromCharCode(code + 64).toLowerCase()}`;
  return character;
}
