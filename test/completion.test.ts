import { expect, test } from "bun:test";
import { parsePrograms } from "../src/cmd-completions.ts";
import { loadCommands } from "../src/commands.ts";
import { listNames, planReply, renderReply } from "../src/completion.ts";
import { completionShells } from "../src/completion-scripts.ts";
import { settings } from "../src/settings.ts";
import { shellInits } from "../src/shell-init.ts";
import { createFakeSys } from "./fake-sys.ts";

const loaded = await loadCommands();
const programs = parsePrograms(loaded);

test("every command and verb of the table can be completed, once", () => {
  for (const program of ["csm", "csd"]) {
    const words = programs.find(({ word }) => word === program)?.verbs ?? [];
    const listed = words.flatMap(({ word, verbs }) => [word, ...verbs.map((verb) => `${word} ${verb.word}`)]);
    const typed = loaded.filter((row) => row.program === program).map(({ word }) => word);
    expect(listed.toSorted()).toEqual(typed.toSorted());
  }
});

test("every summary is one line", () => {
  const summaries = programs.flatMap(({ verbs }) => verbs.flatMap((word) => [word, ...word.verbs].map(({ summary }) => summary)));
  expect(summaries.filter((summary) => summary.includes("\n"))).toEqual([]);
});

const plainKeys = Object.keys(settings).filter((key) => !key.includes("<"));
const modes = ["manual", "plan", "acceptEdits", "auto", "dontAsk", "bypassPermissions"];

/** What is offered behind the words, of which the last is being typed; `kind:` for what is looked up. */
function offered(line: string): string[] {
  const words = line.split(" ");
  const { candidates, kinds, head } = planReply(programs, words.slice(0, -1), words.at(-1) ?? "");
  const fitting = candidates.map(([word]) => head + word).filter((word) => word.startsWith(words.at(-1) ?? ""));
  return [...fitting, ...kinds.map((kind) => `${head}${kind}:`)];
}

test.each<[line: string, offer: string[]]>([
  ["csm prof", ["profiles"]],
  ["csm profiles re", ["remove", "rename"]],
  ["csm profiles rm ", ["profiles:"]],
  ["csm profiles rename ", ["profiles:"]],
  ["csm profiles rename work ", []],
  ["csm profiles add ", []],
  ["csm profiles add work ", ["folders:"]],
  ["csm profiles doctor --f", ["--fix"]],
  ["csm profiles doctor --fix --f", []],
  ["csm profiles share --profile ", ["profiles:"]],
  ["csm profiles share --profile work --p", ["--profile"]],
  ["csm profiles share sk", ["skills"]],
  ["csm profiles share skills ag", ["agents"]],
  // The flags of csm alone are those of csm run.
  ["csm --pro", ["--profile"]],
  ["csm --profile ", ["profiles:"]],
  ["csm --profile=", ["--profile=profiles:"]],
  ["csm -r ", ["conversations:"]],
  ["csm --permission-mode ", modes],
  ["csm run --permission-mode p", ["plan"]],
  ["csm run --on-limit ", ["switch", "wait", "ask", "stop"]],
  ["csm run --model ", ["fable", "opus", "sonnet", "haiku"]],
  ["csm --profile work ", []],
  // What follows a word of claude is claude's.
  ["csm mcp ", ["files:"]],
  ["csm cost w", ["weekly"]],
  ["csm cost weekly --profile ", ["profiles:"]],
  ["csm usage --policy ", ["drain", "consume-first", "spread"]],
  ["csm pick-account ", ["profiles:"]],
  ["csm open ", ["anywhere:"]],
  ["csm log --session ", ["anywhere:"]],
  ["csm config se", ["set"]],
  ["csm config set ", plainKeys],
  ["csm config set limit.policy ", []],
  ["csm top --record ", ["files:"]],
  ["csm top --theme ", ["dark", "light", "contrast", "none"]],
  ["csm hub serve --tls-k", ["--tls-key"]],
  ["csm hub serve --tls-key ", ["files:"]],
  ["csm shell-init f", ["fish"]],
  ["csm help usa", ["usage"]],
  ["csm scan ", ["folders:"]],
  ["csm ls ", ["--json", "--all", "--fleet", "--local", "--help"]],
  ["csm newuuid x ", ["--help"]],
  ["csd interr", ["interrupt"]],
  ["csd send ", ["sessions:"]],
  // A prompt is a text.
  ["csd send fix ", []],
  ["csd send fix look --", []],
  ["csd send -- ", ["sessions:"]],
  ["csd approve fix --op", ["--option"]],
  ["csd spawn --cwd ", ["folders:"]],
  ["csd spawn --permission-mode m", ["manual"]],
  ["csd wait fix --until bl", ["blocked"]],
  ["csd events ", ["sessions:"]],
  ["csd nonsense ", []],
  ["cas wo", ["profiles:"]],
  ["cas -", ["-", "-g"]],
  ["cas -g ", ["profiles:"]],
  ["cas rm ", ["profiles:"]],
  ["cas work ", []],
])("%j offers %j", (line, offer) => {
  expect(offered(line).filter((word) => !["--help", "profiles:"].includes(word) || offer.includes(word))).toEqual(offer);
});

test.each(["bash", "zsh", "fish", "pwsh"])("the script of %s asks csm and knows no command itself", (shell) => {
  const script = completionShells[shell] ?? "";
  expect(script).toContain("csm completions --complete");
  expect(script).not.toContain("pick-account");
});

// No PowerShell runs here: what can be checked is that its strings and brackets close where they should.
test.each([
  ["completions", () => completionShells.pwsh ?? ""],
  ["cas", () => shellInits.pwsh?.cas ?? ""],
  ["cas completions", () => shellInits.pwsh?.completions ?? ""],
  ["prompt", () => shellInits.pwsh?.prompt ?? ""],
])("PowerShell: the brackets and strings of the %s close, in any code page", (_, render) => {
  expect(unclosed(render())).toBe("");
  expect(render()).toMatch(/^[\x20-\x7e\n]+$/);
});

test.each([
  ["{ 'a' }", ""],
  ["{ 'a }", "}'"],
  ["( { ) }", "expected }"],
  ['"$(f "x")"', ""],
])("the check itself: %j", (code, expected) => expect(unclosed(code)).toBe(expected));

/** Empty when all close; else what is wrong. Inside double quotes, `$( … )` is code again. */
function unclosed(code: string): string {
  const closing: Record<string, string> = { "{": "}", "(": ")", "[": "]" };
  const open: string[] = [];
  for (let index = 0; index < code.length; index++) {
    const [character = "", top] = [code[index], open.at(-1)];
    if (top === "'") {
      if (character === "'") open.pop();
    } else if (top === '"') {
      if (character === '"') open.pop();
      else if (code.startsWith("$(", index)) {
        open.push(")");
        index++;
      }
    } else if (character === "'" || character === '"') open.push(character);
    else if (closing[character] !== undefined) open.push(closing[character]);
    else if (Object.values(closing).includes(character)) {
      if (top !== character) return `expected ${top}`;
      open.pop();
    }
  }
  return open.join("");
}

test("only live sessions, only plain words, each once; what a folder is called is text", async () => {
  const session = (pid: number, name: string) => JSON.stringify({ pid, sessionId: `${pid}dbc1234-0000`, cwd: "/a\tb", name });
  const dir = "/home/dev/.claude/sessions";
  const sys = createFakeSys({
    files: {
      [`${dir}/1.json`]: session(1, "fix-it"),
      [`${dir}/2.json`]: session(2, "gone"),
      [`${dir}/3.json`]: session(3, "two words"),
      [`${dir}/4.json`]: session(4, "$(x)"),
      [`${dir}/5.json`]: session(5, "fix-it"),
      [`${dir}/6.json`]: "{",
      [`${dir}/7.json`]: JSON.stringify({ pid: 7, sessionId: "7dbc1234-0000", cwd: "/" }),
    },
  });
  for (const pid of [1, 3, 4, 5, 6, 7]) sys.alive.add(pid);
  expect(await listNames(sys, "sessions")).toEqual(["3dbc1234", "4dbc1234", "7dbc1234", "fix-it"]);
  expect(await listNames(sys, "toString")).toEqual([]);
  const lines = await renderReply(sys, programs, ["csd", "send"], "f");
  expect(lines).toEqual([expect.stringMatching(/^fix-it\t[^\t]*$/)]);
});

test("a profile is offered with its folder, behind a flag and behind =; files are the shell's", async () => {
  const files = { "/home/dev/.config/claude-as/profiles.json": JSON.stringify({ home: "/h", work: "/w", "$(x)": "/x" }) };
  const sys = createFakeSys({ files });
  expect(await renderReply(sys, programs, ["csm", "--profile"], "w")).toEqual(["work\t/w"]);
  expect(await renderReply(sys, programs, ["csm"], "--profile=")).toEqual(["--profile=home\t/h", "--profile=work\t/w"]);
  expect(await renderReply(sys, programs, ["csm", "top", "--record"], "x")).toEqual([":files"]);
});

test("a broken registry completes nothing and says nothing", async () => {
  expect(await listNames(createFakeSys({ files: { "/home/dev/.config/claude-as/profiles.json": "{" } }), "profiles")).toEqual([]);
});
