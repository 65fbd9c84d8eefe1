/** What README shows is what happens: its blocks run one after the other, as somebody who reads it would type them. */
import { beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { ask, bash, fail, limit, type ModelRequest, type Reply, say, useTool } from "../../src/stub-script.ts";
import { makeRelease } from "./fake-release.ts";
import { csdPath, csmPath, root, useBox } from "./harness.ts";

interface Block {
  language: string;
  text: string;
  /** Its first line without the prompt and the comment: what the tables below call it. */
  name: string;
}

const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks: Block[] = [...readme.matchAll(/^ *```(.*)\n([\s\S]*?)^ *```$/gm)].map(([, language = "", text = ""]) => ({
  language,
  text,
  name: (text.split("\n")[0] ?? "").replace(/^\$ /, "").replace(/\s+#.*/, ""),
}));

/** Those that cannot run here, and why. */
const notRun: Readonly<Record<string, string>> = {
  "npm start": "CI runs both commands on a fresh clone, where they install from npm; in a checkout they would run this test again",
};

/** What an example of JSON is: the file that the commands of the next block read. */
const jsonFiles: Readonly<Record<string, string>> = { captured_at: "usage.json" };

/** What differs from run to run, by name; all else must be as it stands in README. */
const volatile: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["VERSION", /(?<=csm )\d+\.\d+\.\d+ \(\S+\)/g],
  ["ID", /\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g],
  ["ID AND PID", /\b[0-9a-f]{8} +\d+(?= +session-file)/g],
  ["TIMES", /\b\d{10}\t\d\d-\d\d \d\d:\d\d\b/g],
  ["AGE", /\b\d+s\b/g],
  ["RESET", /(?<= in )\d+[dh] \d+[hm]\b/g],
  ["PADDING", /(?<=\S) {2,}/g],
];

const at = useBox({ login: "subscription", fallback: play, env: { CSM_USAGE_ASK: "0" } });
const app = () => at.box.folder("app");
beforeAll(() => writeFileSync(join(app(), "package.json"), JSON.stringify({ scripts: { test: "true" } })));

const plain = (text: string): string =>
  volatile.reduce((rest, [name, pattern]) => rest.replace(pattern, `<${name}>`), text.replaceAll(at.box.home, "/home/you")).trimEnd();

/** What the next turns of the model meet, before they meet what README tells of. */
const first: Reply[] = [];

const choice = (label: string) => ({ label, description: `the ${label} ones` });

/** The model of README: does what a prompt of its examples asks for. */
function play({ body, isMainThread }: ModelRequest): Reply {
  const messages = body.messages as { role: string; content: unknown }[];
  const prompts = messages.filter(({ role }) => role === "user").map(({ content }) => JSON.stringify(content));
  const results = prompts.filter((text) => text.includes("tool_result")).length;
  const isAsked = (words: string) => prompts.some((text) => text.includes(words));
  if (isMainThread && isAsked("Run the tests and mend")) {
    const next = first.shift();
    if (next !== undefined) return next;
    return (
      [bash("npm test", "Run the tests"), bash("git push --force", "Push"), say("The tests pass; nothing is pushed.")][results] ??
      say("Over.")
    );
  }
  if (isAsked("Create a file"))
    return results === 0 ? useTool("Write", { file_path: join(app(), "hello.txt"), content: "hello\n" }) : say("I have created hello.txt.");
  return say("Hello.");
}

/** The commands of a block, each behind its prompt, and what it prints: as a terminal would show them. */
function scriptOf({ language, text }: Block): string {
  if (language === "sh") return text;
  const commands = text.match(/^\$ .*(\n> .*)*/gm) ?? [];
  return commands.map((shown) => `printf '%s\\n' '${shown.replaceAll("'", "'\\''")}'\n${shown.replace(/^(\$|>) /gm, "")}`).join("\n");
}

/** In a shell of its own; `before` stands in front of it. */
async function run(block: Block, cwd = app(), before = "") {
  const env = { ...at.box.env, PATH: `${join(at.box.home, ".local/bin")}:${at.box.env.PATH}` };
  return at.box.run(["bash", "-c", `exec 2>&1\n${before}\n${scriptOf(block)}`], { cwd, env });
}

/** Where the built program is, as in a clone. */
function clone(): string {
  const dir = at.box.folder("csm");
  symlinkSync(join(root, "dist"), join(dir, "dist"));
  return dir;
}

/** A release with the built program, and no root, for whom nothing is installed unasked. */
function release(): { cwd: string; before: string } {
  const script = `#!/bin/sh\n# CLAUDE_SMART_CLAUDE_BIN\nexec ${join(root, "dist")}/$(basename "$0") "$@"\n`;
  makeRelease(join(app(), "csm-release"), { version: manifest.version, script });
  copyFileSync(join(root, "scripts/install.sh"), join(app(), "csm-release/install.sh"));
  const bin = at.box.folder("stand-in");
  writeFileSync(join(bin, "id"), "#!/bin/sh\necho 1000\n", { mode: 0o755 });
  return { cwd: app(), before: `PATH=${bin}:$PATH` };
}

/** The times of an example count from now. */
function writeJson(file: string, text: string): void {
  const then = Date.parse(JSON.parse(text).captured_at);
  const shift = (time: string) => new Date(Date.parse(time) - then + Date.now()).toISOString();
  writeFileSync(join(app(), file), text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, shift));
}

test("each picture is there, on light and on dark ground, and nothing in it is cut off", () => {
  const shown = [...readme.matchAll(/(?:srcset|src)="(\.github\/[^"]+)"/g)].map(([, path = ""]) => path);
  const pictures = ["dashboard", "accounts", "switch"].flatMap((name) => [`.github/${name}-light.svg`, `.github/${name}.svg`]);
  expect(shown).toEqual(pictures);
  for (const path of shown) {
    const svg = readFileSync(join(root, path), "utf8");
    const width = Number(/<svg [^>]*width="(\d+)"/.exec(svg)?.[1]);
    const ends = [...svg.matchAll(/<text x="([\d.]+)"[^>]* textLength="([\d.]+)"/g)].map(([, x, length]) => Number(x) + Number(length));
    expect(ends.length).toBeGreaterThan(15);
    expect([path, Math.max(...ends) <= width]).toEqual([path, true]);
  }
});

test("README has blocks, and the tables here name no other", () => {
  expect(blocks.length).toBeGreaterThan(6);
  expect(readme.match(/^\s*(```|~~~)/gm)).toHaveLength(2 * blocks.length);
  const names = blocks.map(({ name }) => name);
  for (const name of Object.keys(notRun)) expect(names).toContain(name);
});

for (const [index, block] of blocks.entries()) {
  const { language, name, text } = block;
  const next = blocks[index + 1];
  if (name in notRun) test.skip(`${name}: ${notRun[name]}`, () => undefined);
  else if (language === "json" && "session_id" in JSON.parse(text))
    test(`a session as each command tells it: block ${index + 1}`, async () => {
      const shown = JSON.parse(text) as Record<string, unknown>;
      await at.box.run([csdPath, "spawn", "--name", String(shown.name), "--cwd", app()]);
      const { sessions } = JSON.parse((await at.box.run([csmPath, "ls", "--json"])).stdout) as { sessions: Record<string, unknown>[] };
      await at.box.run([csdPath, "kill", String(shown.name)]);
      const [told = {}] = sessions;
      // Nothing was said to it yet: it has no transcript, and only the folder of the default profile.
      const kinds = (keys: Record<string, unknown>) => Object.keys(shown).map((key) => [key, key in told && typeof keys[key]]);
      expect(sessions.map(({ name }) => name)).toEqual([shown.name]);
      expect(kinds({ ...told, transcript: told.transcript ?? "", profile: told.profile ?? "" })).toEqual(kinds(shown));
    });
  else if (language === "json")
    test(`a JSON example that a command reads: block ${index + 1}`, () => {
      const file = Object.entries(jsonFiles).find(([key]) => key in JSON.parse(text))?.[1];
      expect(file).toBeDefined();
      writeJson(file ?? "", text);
    });
  else if (language === "toml")
    test(`rules, in which nothing is wrong: block ${index + 1}`, async () => {
      const path = join(at.box.home, ".config/claude-smart/rules.toml");
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
      const checked = await at.box.run([csmPath, "rules", "check"]);
      rmSync(path);
      expect(checked).toMatchObject({ code: 0, stderr: "" });
    });
  else if (text.includes("install.sh"))
    test(name, async () => {
      const { cwd, before } = release();
      expect(plain((await run(block, cwd, before)).stdout)).toBe(plain(text));
    });
  else if (language === "console")
    test(name, async () => {
      const { stdout } = await run(block, text.includes(" dist/") ? clone() : undefined);
      expect(plain(stdout)).toBe(plain(text));
    });
  else if (language === "sh" && next?.language === "text")
    test(name, async () => {
      const { stdout, code } = await run(block);
      expect(plain(stdout)).toBe(plain(next.text));
      expect(code).toBe(0);
    });
  else if (language !== "text" || blocks[index - 1]?.language !== "sh")
    test(`${name}: a block that shows no result, or of a kind that nothing runs`, () => expect(language).toBe("console"));
}

/** The unattended loop: what its model meets first, and how it ends. */
test.each<[what: string, replies: () => Reply[], code: number, shows: string]>([
  ["a usage limit: waits until it is over and goes on", () => [limit("five_hour", Date.now() + 3_600_000)], 0, "nothing is pushed."],
  ["a question", () => [ask({ question: "Which tests?", header: "Tests", options: [choice("unit"), choice("all")] })], 3, ""],
  ["an error of the API", () => [fail(400, "prompt is too long: 300000 tokens > 200000 maximum")], 6, ""],
])("the unattended loop meets %s", async (_, replies, code, shows) => {
  const loop = blocks.find(({ language, text }) => language === "sh" && text.includes("while :"));
  first.splice(0, first.length, ...replies());
  const result = await run(loop as Block, app(), 'sleep() { echo "slept $1"; }');
  expect([result.code, first]).toEqual([code, []]);
  expect(result.stdout).toContain(shows);
  const seconds = Number(/slept (\d+)/.exec(result.stdout)?.[1] ?? 0);
  expect(seconds > 3500).toBe(code === 0);
  expect(JSON.parse((await at.box.run([csdPath, "ps", "--json"])).stdout)).toMatchObject({ sessions: [] });
});
