/** A key, a paste or the mouse, as a terminal in raw mode sends it. */
export interface Key {
  /** The character itself, or a name: `enter`, `up`, `ctrl-c`, `paste`, `click`, `wheel-up` … */
  name: string;
  /** Of a paste. */
  text?: string;
  /** Of the mouse, from 1. */
  row?: number;
}

/** Bytes come in pieces: what is not a whole sequence yet stays until the next piece, or until `flush`. */
interface KeyParser {
  take(text: string): Key[];
  /** A lone ESC is the key itself when nothing followed it. */
  flush(): Key[];
  readonly isPending: boolean;
}

const named: Record<string, string> = {
  "[A": "up",
  "[B": "down",
  "[C": "right",
  "[D": "left",
  OA: "up",
  OB: "down",
  OC: "right",
  OD: "left",
  "[H": "home",
  "[F": "end",
  OH: "home",
  OF: "end",
  "[1~": "home",
  "[4~": "end",
  "[5~": "pageup",
  "[6~": "pagedown",
  "[3~": "delete",
  "[Z": "backtab",
};
const pasteEnd = "\u001b[201~";
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with ESC
const sequence = /^\u001b(\[[0-?]*[ -/]*[@-~]|O[A-Za-z])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above
const begun = /^\u001b(?:\[[0-?]*[ -/]*|O)?$/;

export function createKeyParser(): KeyParser {
  let rest = "";
  const take = (text: string, isWhole: boolean): Key[] => {
    const keys: Key[] = [];
    rest += text;
    while (rest !== "") {
      if (rest.startsWith("\u001b[200~")) {
        const end = rest.indexOf(pasteEnd);
        if (end < 0 && !isWhole) break;
        keys.push({ name: "paste", text: rest.slice(6, end < 0 ? undefined : end) });
        rest = end < 0 ? "" : rest.slice(end + pasteEnd.length);
        continue;
      }
      if (begun.test(rest) && !isWhole) break;
      const found = sequence.exec(rest)?.[1];
      if (found !== undefined) {
        rest = rest.slice(found.length + 1);
        const key = readSequence(found);
        if (key !== undefined) keys.push(key);
        continue;
      }
      const [first = ""] = rest;
      rest = rest.slice(first.length);
      keys.push({ name: nameOf(first) });
    }
    return keys;
  };
  return {
    take: (text) => take(text, false),
    flush: () => take("", true),
    get isPending() {
      return rest !== "";
    },
  };
}

function readSequence(text: string): Key | undefined {
  const name = named[text];
  if (name !== undefined) return { name };
  const mouse = /^\[<(\d+);\d+;(\d+)([Mm])$/.exec(text);
  if (mouse === null || mouse[3] === "m") return undefined;
  const row = Number(mouse[2]);
  const button = { 0: "click", 64: "wheel-up", 65: "wheel-down" }[Number(mouse[1])];
  return button === undefined ? undefined : { name: button, row };
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\r" || character === "\n") return "enter";
  if (character === "\t") return "tab";
  if (character === "\u001b") return "esc";
  if (code === 127 || code === 8) return "backspace";
  if (code < 32) return `ctrl-${String.fromCharCode(code + 96)}`;
  return character;
}
