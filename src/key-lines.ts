/** Where each key of a text stands, as its parser does not tell: for words about what is wrong there. Lines count from 1. */
export interface KeyLines {
  /** Of the key at this path, else of the nearest one around it. */
  lineOf(path: readonly PropertyKey[]): number;
  /** Where each statement begins: what lies before it is a whole text. */
  starts: readonly { offset: number; line: number }[];
}

type Path = (string | number)[];

/** Nobody writes more; what is deeper counts as that which it lies in. */
const maxLevels = 500;

/** Of a key in what has that id: files hold tens of thousands. */
const idIn = (parent: string, key: PropertyKey): string => `${parent},${JSON.stringify(String(key))}`;

const keyLines = (lines: ReadonlyMap<string, number>, starts: KeyLines["starts"] = []): KeyLines => ({
  starts,
  lineOf(path) {
    let [id, nearest] = ["", 1];
    for (const key of path) {
      id = idIn(id, key);
      nearest = lines.get(id) ?? nearest;
    }
    return nearest;
  },
});

/** Follows the text statement by statement; what is wrong in it ends at its line. Strings, comments and lists over many lines are passed over whole. */
export function tomlLines(text: string): KeyLines {
  const lines = new Map<string, number>();
  const starts: { offset: number; line: number }[] = [];
  const tables = new Map<string, number>();
  const lineAt = createLineCounter(text);
  let at = 0;
  let table: Path = [];
  const note = (path: Path, where: number) => {
    let id = "";
    for (const key of path) {
      id = idIn(id, key);
      if (!lines.has(id)) lines.set(id, where);
    }
  };
  /** A list of tables is meant by its last one so far. */
  const resolve = (keys: readonly string[], isList: boolean): Path => {
    const path: Path = [];
    let id = "";
    const step = (key: string | number) => {
      path.push(key);
      id = idIn(id, key);
    };
    for (const [index, key] of keys.entries()) {
      step(key);
      const count = tables.get(id);
      const isNew = isList && index === keys.length - 1;
      if (isNew) tables.set(id, (count ?? 0) + 1);
      if (isNew) step(count ?? 0);
      else if (count !== undefined) step(count - 1);
    }
    return path;
  };
  while (at < text.length) {
    at = skip(text, at, /[\s\ufeff]*(?:#[^\n]*)?/y);
    if (at >= text.length) break;
    if (text[at] === "\n" || /\s/.test(text[at] ?? "")) continue;
    const where = lineAt(at);
    starts.push({ offset: at, line: where });
    const isHeader = text[at] === "[";
    const isList = text.startsWith("[[", at);
    if (isHeader) at += isList ? 2 : 1;
    const { keys: all, end } = readKeys(text, at);
    const keys = all.slice(0, maxLevels);
    at = end;
    if (isHeader) {
      table = resolve(keys, isList);
      note(table, where);
    } else if (keys.length > 0) note([...table, ...keys], where);
    at = endOfStatement(text, at);
  }
  return keyLines(lines, starts);
}

/** Of offsets that only grow. */
function createLineCounter(text: string): (offset: number) => number {
  let line = 1;
  let next = text.indexOf("\n");
  return (offset) => {
    for (; next >= 0 && next < offset; next = text.indexOf("\n", next + 1)) line++;
    return line;
  };
}

/** `pattern` is sticky. */
function skip(text: string, at: number, pattern: RegExp): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(text)?.[0].length ?? 0);
}

/** `a."b c".'d'` and where it ends. */
function readKeys(text: string, from: number): { keys: string[]; end: number } {
  const keys: string[] = [];
  let at = from;
  for (;;) {
    at = skip(text, at, /[ \t]*/y);
    const end = /["']/.test(text[at] ?? "") ? endOfString(text, at) : skip(text, at, /[^\s.=\]#"']*/y);
    if (end === at) return { keys, end: at };
    keys.push(keyText(text.slice(at, end)));
    at = skip(text, end, /[ \t]*/y);
    if (text[at] !== ".") return { keys, end: at };
    at++;
  }
}

function keyText(word: string): string {
  if (word.startsWith("'")) return word.slice(1, -1);
  if (!word.startsWith('"')) return word;
  try {
    return String(JSON.parse(word));
  } catch {
    // Escapes that JSON does not know: the key is told of at the line of its table.
    return word;
  }
}

const inDouble = /[^"\\\n]*/y;
const inSingle = /[^'\n]*/y;

/** Behind the string that begins here; one of a single line ends with its line, closed or not. */
function endOfString(text: string, from: number): number {
  const quote = text[from] ?? "";
  const long = quote.repeat(3);
  const isLong = text.startsWith(long, from);
  for (let at = from + (isLong ? 3 : 1); at < text.length; at++) {
    at = skip(text, at, quote === '"' ? inDouble : inSingle);
    if (text[at] === "\\" && quote === '"') at++;
    else if (isLong && text.startsWith(long, at)) return skip(text, at + 3, quote === '"' ? /"{0,2}/y : /'{0,2}/y);
    else if (!isLong && text[at] === quote) return at + 1;
    else if (!isLong && text[at] === "\n") return at;
  }
  return text.length;
}

const plain = /[^"'#\n[\]{}]/;
const plainRun = /[^"'#\n[\]{}]+/y;

/** The end of its line, or of the line in which its last bracket closes. */
function endOfStatement(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; ) {
    const sign = text[at] ?? "";
    if (plain.test(sign)) at = skip(text, at, plainRun);
    else if (sign === '"' || sign === "'") at = endOfString(text, at);
    else if (sign === "#") at = skip(text, at, /[^\n]*/y);
    else if (sign === "\n" && depth <= 0) return at;
    else {
      if (sign === "[" || sign === "{") depth++;
      else if (sign === "]" || sign === "}") depth--;
      at++;
    }
  }
  return text.length;
}

const blanks = /\s*/y;

/** Of a text that `JSON.parse` takes; of another one, `stop` is the line up to which it is one. */
export function jsonLines(text: string): KeyLines & { stop: number } {
  const lines = new Map<string, number>();
  let at = text.startsWith("\ufeff") ? 1 : 0;
  const lineAt = createLineCounter(text);
  const blank = () => {
    if (text.charCodeAt(at) <= 0x20) at = skip(text, at, blanks);
    return text[at];
  };
  /** False where it is none. */
  const value = (id: string, level: number): boolean => {
    const sign = blank();
    if (sign === "{" || sign === "[") return level < maxLevels && members(id, sign === "{", level + 1);
    const end = sign === '"' ? endOfString(text, at) : skip(text, at, /[-+.\w]+/y);
    const isWhole = sign === '"' ? end > at + 1 && text[end - 1] === '"' : end > at;
    if (isWhole) at = end;
    return isWhole;
  };
  const members = (parent: string, isObject: boolean, level: number): boolean => {
    const close = isObject ? "}" : "]";
    at++;
    if (blank() === close) return ++at > 0;
    for (let index = 0; ; index++) {
      blank();
      const start = at;
      let key: string | number = index;
      if (isObject) {
        if (text[at] !== '"') return false;
        at = endOfString(text, at);
        key = keyText(text.slice(start, at));
        if (blank() !== ":") return false;
        at++;
      }
      const id = idIn(parent, key);
      lines.set(id, lineAt(start));
      if (!value(id, level)) return false;
      const next = blank();
      if (next === close) return ++at > 0;
      if (next !== ",") return false;
      at++;
    }
  };
  value("", 0);
  return { ...keyLines(lines), stop: lineAt(Math.min(at, text.length)) };
}

/** A list or a table of YAML that is open at a line. */
interface Block {
  column: number;
  id: string;
  isList: boolean;
  /** Of what is open in it. */
  key: string | number;
}

const yamlKey = /(?:(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')[ \t]*|[^\s"'[\]{},#&*!|>%@`][^\n]*?):(?=\s|$)/y;

/** By indentation; what a table or list in brackets holds stands at its line. */
export function yamlLines(text: string): KeyLines {
  const lines = new Map<string, number>();
  const starts: { offset: number; line: number }[] = [];
  const lineAt = createLineCounter(text);
  const open: Block[] = [];
  /** The block of this column; one that is deeper has ended, and a table does where the list begins that its key holds. */
  const enter = (column: number, isList: boolean): Block => {
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      if (last.column === column && last.isList === isList) return last;
      if (last.column < column || (last.column === column && isList)) break;
      open.pop();
    }
    const around = open.at(-1);
    const block = { column, isList, id: around === undefined ? "" : idIn(around.id, around.key), key: -1 };
    open.push(block);
    return block;
  };
  for (let at = text.startsWith("\ufeff") ? 1 : 0; at < text.length; ) {
    const begin = at;
    const line = lineAt(begin);
    at = skip(text, at, / */y);
    if (/[\s#%]|---|\.\.\./y.test(text.slice(at, at + 3)) || at >= text.length) {
      at = skip(text, at, /[^\n]*\n?/y);
      continue;
    }
    starts.push({ offset: begin, line });
    let column = at - begin;
    const note = (block: Block, key: string | number) => {
      block.key = key;
      const id = idIn(block.id, key);
      if (!lines.has(id)) lines.set(id, line);
      column = block.column;
    };
    const item = /-(?:[ \t]+|(?=\r?\n|$))/y;
    for (let next = skip(text, at, item); next > at && open.length < maxLevels; next = skip(text, at, item)) {
      const list = enter(at - begin, true);
      note(list, Number(list.key) + 1);
      at = next;
    }
    const end = skip(text, at, yamlKey);
    if (end > at && open.length < maxLevels) {
      note(enter(at - begin, false), yamlKeyText(text.slice(at, end - 1).trimEnd()));
      at = end;
    }
    at = endOfYamlValue(text, at, column);
  }
  return keyLines(lines, starts);
}

const yamlKeyText = (word: string): string => (word.startsWith("'") ? word.slice(1, -1).replaceAll("''", "'") : keyText(word));

/** Behind the last line of a value that belongs to a block of this column. */
function endOfYamlValue(text: string, from: number, column: number): number {
  const at = skip(text, from, /[ \t]*(?:[&!][^\s]*[ \t]+)*/y);
  const sign = text[at] ?? "";
  const restOfLine = /[^\n]*\n?/y;
  if (sign === "[" || sign === "{") return skip(text, endOfStatement(text, at), restOfLine);
  if (sign === '"' || sign === "'") return skip(text, endOfYamlString(text, at), restOfLine);
  let end = skip(text, at, restOfLine);
  if (sign !== "|" && sign !== ">") return end;
  for (;;) {
    const inner = skip(text, end, / */y);
    const isBlank = /[\r\n]/.test(text[inner] ?? "");
    if (inner >= text.length || (!isBlank && inner - end <= column)) return inner >= text.length ? text.length : end;
    end = skip(text, inner, restOfLine);
  }
}

/** It may have many lines. */
function endOfYamlString(text: string, from: number): number {
  const quote = text[from] ?? "";
  for (let at = from + 1; ; at++) {
    at = skip(text, at, quote === '"' ? /[^"\\]*/y : /[^']*/y);
    if (at >= text.length) return text.length;
    const isEscape = text[at] === "\\" || (quote === "'" && text[at + 1] === quote);
    if (isEscape) at++;
    else return at + 1;
  }
}
