import type { Task } from "./task-graph.ts";

/** Deeper than this a branch is not moved further to the right: a chain of thousands would be as wide as it is long. */
const maxDepth = 24;

/** Each task once, below the last of those that it depends on; what else it waits for stands behind it. */
export function drawTree(tasks: readonly Task[]): string[] {
  const place = new Map(tasks.map(({ id }, index) => [id, index]));
  const parentOf = ({ dependsOn }: Task): string | undefined =>
    dependsOn.reduce<string | undefined>(
      (last, id) => (last === undefined || (place.get(id) ?? 0) > (place.get(last) ?? 0) ? id : last),
      undefined,
    );
  const parents = new Map(tasks.map((task) => [task.id, parentOf(task)]));
  const children = Map.groupBy(tasks, ({ id }) => parents.get(id));
  const lines: string[] = [];
  const left = (children.get(undefined) ?? []).map((task) => ({ task, indent: "", mark: "", depth: 0 })).reverse();
  for (let step = left.pop(); step !== undefined; step = left.pop()) {
    const { task, indent, mark, depth } = step;
    lines.push(`${indent}${mark}${task.id}${notesOf(task, parents.get(task.id))}`);
    const below = children.get(task.id) ?? [];
    const inner = mark === "" ? indent : indent + (mark === "└─ " ? "   " : "│  ");
    for (const [index, child] of [...below.entries()].reverse())
      left.push({
        task: child,
        indent: depth < maxDepth ? inner : indent,
        mark: index === below.length - 1 ? "└─ " : "├─ ",
        depth: depth + 1,
      });
  }
  return lines;
}

const maxNamed = 6;

function notesOf({ dependsOn, conditionText, concurrency, profile, model }: Task, parent: string | undefined): string {
  const others = dependsOn.filter((id) => id !== parent);
  const more = others.length > maxNamed ? ` and ${others.length - maxNamed} more` : "";
  const notes = [
    ...(others.length === 0 ? [] : [`after ${others.slice(0, maxNamed).join(", ")}${more}, too`]),
    ...(conditionText === "success" ? [] : [`if ${conditionText}`]),
    ...(concurrency === undefined ? [] : [`one of ${concurrency} at a time`]),
    ...(profile === "auto" ? [] : [`as ${profile}`]),
    ...(model === undefined ? [] : [model]),
  ];
  return notes.length === 0 ? "" : `  (${notes.join("; ")})`;
}

/** A flow chart; names are labels, never ids, and no sign in them means anything. */
export function drawMermaid(tasks: readonly Task[]): string[] {
  const ids = new Map(tasks.map(({ id }, index) => [id, `t${index}`]));
  return [
    "flowchart TD",
    ...tasks.map(({ id }) => `  ${ids.get(id)}["${mermaidText(id)}"]`),
    ...tasks.flatMap(({ id, dependsOn, conditionText }) => {
      const label = conditionText === "success" ? "" : `|"${mermaidText(`if ${conditionText}`)}"|`;
      return dependsOn.map((before) => `  ${ids.get(before)} -->${label} ${ids.get(id)}`);
    }),
  ];
}

/** Mermaid (11) has its own entities, `#35;`: so is written all but letters, digits, plain signs, and what would begin a list or a stress. */
const mermaidText = (text: string): string => text.replace(mermaidSigns, (sign) => `#${sign.codePointAt(0)};`);
const mermaidSigns = /[^\p{L}\p{N} _.,/=:[\]()-]|(?<=^\d+)\.|^-|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu;

/** For Graphviz. */
export function drawDot(tasks: readonly Task[]): string[] {
  const ids = new Map(tasks.map(({ id }, index) => [id, `t${index}`]));
  return [
    "digraph tasks {",
    "  node [shape=box]",
    ...tasks.map(({ id }) => `  ${ids.get(id)} [label="${dotText(id)}"]`),
    ...tasks.flatMap(({ id, dependsOn, conditionText }) => {
      const label = conditionText === "success" ? "" : ` [label="${dotText(`if ${conditionText}`)}"]`;
      return dependsOn.map((before) => `  ${ids.get(before)} -> ${ids.get(id)}${label}`);
    }),
    "}",
  ];
}

/** It reads escapes of its own behind a backslash, and the entities of HTML. */
const dotText = (text: string): string =>
  text
    .replaceAll("\\", "\\\\")
    .replaceAll("&", "&amp;")
    .replaceAll('"', '\\"')
    .replace(/[^\P{C}]|[\p{Zl}\p{Zp}]/gu, (sign) => `&#${sign.codePointAt(0)};`);
