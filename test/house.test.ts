import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What a reader meets: sizes, and who uses what. The order of the files and the doors are in ladder.test.ts. */
const maxFile = 500;
const maxFunction = 60;
/** An object with methods, made by one function: `create…`, `open…`. */
const maxConstructor = 100;

const root = join(import.meta.dir, "..");
const src = join(root, "src");
const files = readdirSync(src).sort();
const textOf = (file: string) => readFileSync(join(src, file), "utf8");

interface Block {
  name: string;
  lines: number;
}

const starts = [
  /^(?:export )?(?:async )?function\*? (\w+)/,
  /^(?:export )?const (\w+)(?:: [^=]+)? = (?:async )?(?:<[^>]+>)?\(.*\{$/,
  /^(?:async )?(\w+)\(.*\)(?:: [^{]+)? \{$/,
  /^(\w+): (?:async )?\(.*\) (?::[^=]+)?=> \{$/,
];
const isWord = (name: string) => !["if", "for", "while", "switch", "return", "catch"].includes(name);

/** The functions of a file, as the formatter lays them out: a block ends at the first closing brace of its own depth. */
function functionsOf(text: string): Block[] {
  const lines = text.split("\n");
  const depthOf = (line: string) => line.length - line.trimStart().length;
  const found: Block[] = [];
  let isTemplate = false;
  lines.forEach((line, index) => {
    const wasTemplate = isTemplate;
    if ((line.match(/(?<!\\)`/g) ?? []).length % 2 === 1) isTemplate = !isTemplate;
    const name = starts.map((start) => start.exec(line.trim())?.[1]).find((word) => word !== undefined);
    if (wasTemplate || name === undefined || !isWord(name)) return;
    const depth = depthOf(line);
    const end = lines.findIndex((other, at) => at > index && /^\s*\}[;,)]*$/.test(other) && depthOf(other) === depth);
    const isOneLine = lines.slice(index + 1, end).some((other) => other.trim() !== "" && depthOf(other) < depth);
    if (end > 0 && !isOneLine) found.push({ name, lines: end - index + 1 });
  });
  return found;
}

test.each(files)("%s is short enough to be read at one sitting", (file) => {
  const text = textOf(file);
  expect(text.split("\n").length).toBeLessThanOrEqual(maxFile);
  const tooLong = functionsOf(text).filter(
    ({ name, lines }) => lines > (/^(?:create|open)[A-Z]/.test(name) ? maxConstructor : maxFunction),
  );
  expect(tooLong).toEqual([]);
});

test("the measure sees functions, methods and constructors", () => {
  const text = [
    "export function a(",
    "  x: number,",
    "): void {",
    "  b();",
    "}",
    "const c = () => {",
    "  return {",
    "    async run() {",
    "      d();",
    "    },",
  ];
  expect(functionsOf([...text, "  };", "};"].join("\n"))).toEqual([
    { name: "a", lines: 5 },
    { name: "c", lines: 7 },
    { name: "run", lines: 3 },
  ]);
});

/** Every file that may import one of src. */
function importers(): string[] {
  const scripts = ["test", "test/e2e", "scripts"].flatMap((dir) =>
    readdirSync(join(root, dir))
      .map((name) => join(root, dir, name))
      .filter((path) => statSync(path).isFile()),
  );
  return [...files.map((file) => join(src, file)), ...scripts, join(root, "build.ts")];
}

/** What this file takes of each file of src: by name, or all of it, as its members may be used. */
function importsOf(text: string): Map<string, { names: Set<string>; isWhole: boolean }> {
  const taken = new Map<string, { names: Set<string>; isWhole: boolean }>();
  const of = (file = "") => {
    const known = taken.get(file) ?? { names: new Set<string>(), isWhole: false };
    taken.set(file, known);
    return known;
  };
  for (const [, list = "", file] of text.matchAll(/(?:import|export)(?: type)? \{([^}]*)\} from "(?:\.{1,2}\/)+(?:src\/)?([\w-]+\.ts)"/g))
    for (const part of list.split(","))
      of(file).names.add(
        part
          .trim()
          .replace(/^type /, "")
          .split(" as ")[0] ?? "",
      );
  for (const [, file] of text.matchAll(/(?:import\(|\* as \w+ from )"(?:\.{1,2}\/)+(?:src\/)?([\w-]+\.ts)"/g)) of(file).isWhole = true;
  return taken;
}

test("each export has an importer", () => {
  const texts = importers().map((path) => {
    const text = readFileSync(path, "utf8");
    return { path, text, taken: importsOf(text) };
  });
  const unused = files.flatMap((file) => {
    const users = texts.flatMap(({ path, text, taken }) => {
      const own = path === join(src, file) ? undefined : taken.get(file);
      return own === undefined ? [] : [{ ...own, text }];
    });
    const isTaken = (name: string) =>
      users.some(({ names, isWhole, text }) => names.has(name) || (isWhole && new RegExp(`\\b${name}\\b`).test(text)));
    const names = [...textOf(file).matchAll(/^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm)].map(
      (match) => match[1] ?? "",
    );
    return names.filter((name) => !isTaken(name)).map((name) => `${file}: ${name}`);
  });
  expect(unused).toEqual([]);
});

test("each test is named after what it tests", () => {
  const known = ["house", "ladder"];
  const names = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts"));
  const strangers = names
    .map((name) => name.replace(".test.ts", ""))
    .filter((name) => !known.includes(name) && !existsSync(join(src, `${name}.ts`)));
  expect(strangers).toEqual([]);
});

test("the packages are in use, each behind its one door", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  const users = (name: string) => files.filter((file) => new RegExp(`from "${name}(?:/[\\w-]+)?"`).test(textOf(file)));
  for (const name of Object.keys(manifest.dependencies)) expect([name, users(name).length > 0]).toEqual([name, true]);
});
