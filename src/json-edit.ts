import { decodeJson, isRecord } from "./json.ts";

/** A value and where it stands in the text; `end` is behind it. */
interface Node {
  start: number;
  end: number;
  /** Of an object or a list, in their order; `from` is where a member begins, with its key. */
  members?: { key: string | undefined; from: number; node: Node }[];
}

interface Splice {
  start: number;
  end: number;
  text: string;
}

/**
 * The text of `before`, changed so that it says `after`, where each member that both have keeps its form: its spaces, its spelling of
 * numbers and signs, its place. What is new stands behind the others, indented as they are. `text` is what `decodeJson` takes.
 */
export function editJson(text: string, after: unknown): string {
  return createEditor(text)
    .splicesTo(after)
    .toSorted((a, b) => b.start - a.start || b.end - a.end)
    .reduce((rest, { start, end, text: words }) => rest.slice(0, start) + words + rest.slice(end), text);
}

function createEditor(text: string) {
  const splices: Splice[] = [];
  const style = styleOf(text);
  const edit = (node: Node, value: unknown, wanted: unknown, depth: number): void => {
    if (isSame(value, wanted)) return;
    if (isRecord(value) && isRecord(wanted)) editObject(node, value, wanted, depth);
    else if (Array.isArray(value) && Array.isArray(wanted)) editList(node, value, wanted, depth);
    else splices.push({ start: node.start, end: node.end, text: style.render(wanted, depth, isInline(text, node)) });
  };
  const editObject = (node: Node, value: Record<string, unknown>, wanted: Record<string, unknown>, depth: number) => {
    const { members = [] } = node;
    const isKept = ({ key = "" }: { key: string | undefined }) => Object.hasOwn(wanted, key);
    // Of a key that stands there twice the last one counts.
    const last = new Map(members.map((member) => [member.key, member]));
    for (const [key = "", { node: inner }] of last) if (isKept({ key })) edit(inner, value[key], wanted[key], depth + 1);
    const added = Object.keys(wanted).filter((key) => !last.has(key));
    const entries = added.map((key) => ({ key, value: wanted[key] }));
    replaceMembers(node, members.map(isKept), members.length, entries, depth);
  };
  const editList = (node: Node, value: unknown[], wanted: unknown[], depth: number) => {
    let first = 0;
    while (first < Math.min(value.length, wanted.length) && isSame(value[first], wanted[first])) first++;
    let rest = 0;
    const most = Math.min(value.length, wanted.length) - first;
    while (rest < most && isSame(value.at(-1 - rest), wanted.at(-1 - rest))) rest++;
    const kept = value.map((_, index) => index < first || index >= value.length - rest);
    const entries = wanted.slice(first, wanted.length - rest).map((item) => ({ key: undefined, value: item }));
    replaceMembers(node, kept, first, entries, depth);
  };
  /** Takes out those that are not kept, and puts others before the one at `at`. */
  const replaceMembers = (node: Node, kept: boolean[], at: number, added: { key: string | undefined; value: unknown }[], depth: number) => {
    const { members = [] } = node;
    if (added.length === 0 && kept.every((isKept) => isKept)) return;
    const inline = isInline(text, node);
    const words = added.map(
      ({ key, value }) => `${key === undefined ? "" : style.key(key, inline)}${style.render(value, depth + 1, inline)}`,
    );
    const old = members.map(({ from, node: inner }, index) => ({ from, end: inner.end, isKept: kept[index] === true }));
    // Around the members stand the signs between them: kept ones keep what is before them, from the member before.
    const pieces = [...old.slice(0, at).filter(({ isKept }) => isKept), ...words, ...old.slice(at).filter(({ isKept }) => isKept)];
    const [firstOld, lastOld] = [old[0], old.at(-1)];
    if (pieces.length === 0 || firstOld === undefined || lastOld === undefined) {
      const inside = words.map((word) => `${style.gap(depth + 1, inline)}${word}`).join(inline ? ", " : ",");
      splices.push({ start: node.start + 1, end: node.end - 1, text: pieces.length === 0 ? "" : `${inside}${style.gap(depth, inline)}` });
      return;
    }
    const gap = inline ? " " : style.gap(depth + 1, false);
    let previous: { end: number } | undefined;
    // Each hole between two pieces that stay is one splice.
    let hole = "";
    for (const piece of pieces) {
      if (typeof piece === "string") {
        hole += previous === undefined && hole === "" ? piece : `,${gap}${piece}`;
        continue;
      }
      const start = previous?.end ?? firstOld.from;
      const wasNext = old.findLast(({ from }) => from < piece.from)?.end === previous?.end;
      if (hole !== "" || !wasNext) splices.push({ start, end: piece.from, text: joint(hole, previous !== undefined, gap) });
      previous = piece;
      hole = "";
    }
    const start = previous?.end ?? firstOld.from;
    if (hole !== "" || start !== lastOld.end) splices.push({ start, end: lastOld.end, text: hole });
  };
  return {
    splicesTo(after: unknown): Splice[] {
      edit(parseNodes(text), decodeJson(text), after, 0);
      return splices;
    },
  };
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What stands between a member that stays, or the beginning, and the next one that does. */
const joint = (hole: string, isBehindOne: boolean, gap: string): string => (hole === "" && !isBehindOne ? "" : `${hole},${gap}`);

/** An object or a list whose members stand on its own line. */
const isInline = (text: string, { start, end, members = [] }: Node): boolean =>
  members.length > 0
    ? !text.slice(start, members[0]?.from).includes("\n")
    : text.trimEnd().includes("\n") && text.slice(start, end).length > 2;

/** How this text is laid out. */
function styleOf(text: string) {
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const unit = /\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  const hasSpaces = !/"\s*:\S/.test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'));
  const gap = (depth: number, inline: boolean) => (inline ? "" : newline + unit.repeat(depth));
  return {
    gap,
    key: (key: string, inline: boolean) => `${JSON.stringify(key)}:${inline && !hasSpaces ? "" : " "}`,
    render: (value: unknown, depth: number, inline: boolean) =>
      inline ? JSON.stringify(value) : JSON.stringify(value, null, unit).replaceAll("\n", newline + unit.repeat(depth)),
  };
}

/** Of a text that a parser of JSON has taken: nothing is checked again. */
function parseNodes(text: string): Node {
  let at = 0;
  const skipBlank = () => {
    while (/[\s\ufeff]/.test(text[at] ?? "")) at++;
  };
  const skipText = () => {
    for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    at++;
  };
  const parse = (): Node => {
    skipBlank();
    const start = at;
    const open = text[at] ?? "";
    if (open === '"') skipText();
    else if (open !== "{" && open !== "[") while (at < text.length && !/[\s,\]}]/.test(text[at] ?? "")) at++;
    else {
      const members: NonNullable<Node["members"]> = [];
      for (at++, skipBlank(); text[at] !== "}" && text[at] !== "]"; skipBlank()) {
        if (text[at] === ",") at++;
        skipBlank();
        const from = at;
        let key: string | undefined;
        if (open === "{") {
          skipText();
          key = JSON.parse(text.slice(from, at)) as string;
          skipBlank();
          at++;
        }
        members.push({ key, from, node: parse() });
      }
      at++;
      return { start, end: at, members };
    }
    return { start, end: at };
  };
  return parse();
}
