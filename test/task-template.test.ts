import { expect, test } from "bun:test";
import { parseTemplate, renderTemplate, type TaskOutput } from "../src/task-template.ts";

const outputs: Readonly<Record<string, TaskOutput>> = {
  build: {
    stdout: "out",
    result: "äöü 🦊 $(rm -rf /) `x` {{secret.result}} \\{{ \"'\n",
    json: { files: ["a", { name: "b" }], "": 1, n: null },
  },
  "a.json": { stdout: "dotted", result: "" },
  plain: { stdout: "", result: "text" },
};
const names = {
  matrix: { os: "linux {{build.result}}", "node-version": "20" },
  isKnown: (name: string) => Object.hasOwn(outputs, name) || name === "gone" || name === "far",
  resolve(name: string) {
    if (!Object.hasOwn(outputs, name) && name !== "gone") throw new Error(`not before it: ${name}`);
    return name;
  },
};
const parse = (text: string) =>
  parseTemplate(text, names, (error) => {
    throw error;
  });
const render = (text: string) => renderTemplate(parse(text), (id) => outputs[id]);
const { result } = outputs.build ?? { result: "" };

test.each([
  ["", ""],
  ["no template { } }}", "no template { } }}"],
  ["{{build.stdout}}{{ build.stdout }}", "outout"],
  // What is put in stays as it is, templates in it too.
  ["<{{build.result}}>", `<${result}>`],
  ["{{matrix.os}} {{matrix.node-version}}", "linux {{build.result}} 20"],
  ["{{build.json.files[0]}} {{build.json.files.1.name}} {{build.json.n}}", "a b null"],
  ["{{build.json}}", JSON.stringify(outputs.build?.json)],
  ["{{a.json.stdout}}", "dotted"],
  ["\\{{build.stdout}} \\\\{{build.stdout}} \\\\\\{{x", "{{build.stdout}} \\out \\{{x"],
  ["a \\ b \\n", "a \\ b \\n"],
  ["{{gone.result}}", "(gone did not run)"],
])("%s", (text, wanted) => {
  expect(render(text)).toBe(wanted);
});

test.each([
  ["{{build.result", 'a template is not closed: "{{build.result"'],
  ["$" + "{{ x }}", "{{x}} is no template"],
  ["{{}}", "{{}} is no template"],
  ["{{build}}", "{{build}} is no template"],
  ["{{build.stderr}}", '{{build.stderr}}: a task has no "stderr"'],
  ["{{build.json.}}", '{{build.json.}}: "." is no path'],
  ["{{build.json[x]}}", '{{build.json[x]}}: "[x]" is no path'],
  ["{{matrix.arch}}", 'the matrix has no "arch"'],
  ["{{matrix.constructor}}", 'the matrix has no "constructor"'],
  ["{{far.result}}", "not before it: far"],
  // Only once it has run.
  ["{{build.json.files[7]}}", "{{build.json.files[7]}}: the answer of build has no files.7"],
  ["{{build.json.toString}}", "{{build.json.toString}}: the answer of build has no toString"],
  ["{{plain.json.x}}", "{{plain.json.x}}: the answer of plain is no JSON"],
])("%s cannot be filled in", (text, message) => {
  expect(() => render(text)).toThrow(message);
});

test("the first MB of an output is taken, and no half character of it", () => {
  const put = (text: string) => renderTemplate(parse("{{build.result}}"), () => ({ stdout: "", result: text }));
  const whole = "é".repeat(512 * 1024);
  expect(put(whole)).toBe(whole);
  const cut = put(`x${"🦊".repeat(300_000)}`);
  const [kept, note] = cut.split("\n");
  expect(kept).toBe(`x${"🦊".repeat((1024 * 1024) / 4 - 1)}`);
  expect(note).toBe("(cut here: 151428 of 1200001 bytes are left out)");
});

test("each that is wrong is told", () => {
  const told: string[] = [];
  parseTemplate("{{a}} {{build.result}} {{matrix.x}} {{build.json[}} {{", names, ({ message }) => told.push(message));
  expect(told).toEqual([
    "{{a}} is no template",
    'the matrix has no "x"',
    '{{build.json[}}: "[" is no path',
    'a template is not closed: "{{"',
  ]);
});
