/**
 * `npm run sandbox`: a shell in the sandbox of the tests. A throw-away HOME, a real claude, csm and csd on PATH, two accounts, and a
 * loopback model that does what one asks it for. Everything is gone when the shell ends.
 */
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addAccounts, createSandbox, sandboxAccounts } from "../src/sandbox.ts";
import { ask, bash, fail, limit, limitHeaders, type ModelRequest, type Reply, say, useTool } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";

const words: [word: string, about: string, reply: () => Reply][] = [
  ["bash", "a Bash gate", () => bash("touch made-by-claude.txt && rm -f nothing.txt", "Make a file")],
  ["write", "a Write gate", () => useTool("Write", { file_path: join(folder, "hello.txt"), content: "hello\n" })],
  ["ask", "a question", () => ask({ question: "Which folder?", header: "Folder", options: [choice("src"), choice("test")] })],
  ["slow", "a text of 20 s", () => say("word ".repeat(100), { pauseMs: 200 })],
  ["error", "an API error", () => fail(529, "overloaded", 5)],
];

const choice = (label: string) => ({ label, description: `the folder ${label}` });

const dist = join(import.meta.dir, "../dist");
const login = process.argv.includes("--api-key") ? "api-key" : "subscription";
const box = await createSandbox({ claudePath: findCheckoutClaude(), path: `${dist}:${process.env.PATH}`, login, fallback: play });
const folder = box.folder("app");
const limitedPath = join(box.dir, "limited");
const resetsAt = Date.now() + 3_600_000;

/** What the newest prompt asks for; a plain answer otherwise, and after a tool has run. */
function play(request: ModelRequest): Reply {
  const account = request.headers["x-profile"] ?? sandboxAccounts[0];
  if (existsSync(limitedPath) && readFileSync(limitedPath, "utf8").split("\n").includes(account)) return limit("five_hour", resetsAt);
  const headers = limitHeaders("allowed", "five_hour", resetsAt, account === sandboxAccounts[0] ? 62 : 8);
  const messages = request.body.messages as { role: string; content: unknown }[];
  const prompt = JSON.stringify(messages.findLast((message) => message.role === "user")?.content ?? "");
  if (prompt.includes("tool_result")) return say("Done.", { headers });
  const reply = words.find(([word]) => new RegExp(`\\b${word}\\b`, "i").test(prompt))?.[2]();
  return reply ?? say(`Hello from the loopback model, under the account ${account}.`, { headers });
}

/** On PATH: from now on, each turn of an account ends at its usage limit. */
function addLimitCommand(): string {
  const bin = join(box.dir, "bin");
  mkdirSync(bin);
  const script = `#!/bin/sh
case "\${1:-main}" in
  off) rm -f '${limitedPath}'; echo 'both accounts have room' ;;
  ${sandboxAccounts.join(" | ")}) echo "\${1:-main}" >> '${limitedPath}'; echo "the next turn of \${1:-main} meets its usage limit; limit off ends that" ;;
  *) echo 'usage: limit [${sandboxAccounts.join("|")}|off]' >&2; exit 2 ;;
esac
`;
  writeFileSync(join(bin, "limit"), script);
  chmodSync(join(bin, "limit"), 0o755);
  return bin;
}

/** The function cas and the completions, in each of the shells that one may have. */
function addShellInit(): void {
  const fish = join(box.home, ".config/fish");
  mkdirSync(fish, { recursive: true });
  writeFileSync(join(fish, "config.fish"), "csm shell-init fish --prompt | source\n");
  writeFileSync(join(box.home, ".zshrc"), 'autoload -Uz compinit && compinit -D\neval "$(csm shell-init zsh --prompt)"\n');
  appendFileSync(join(box.home, ".bashrc"), 'eval "$(csm shell-init bash --prompt)"\n');
}

addAccounts(box, join(dist, "csm"));
addShellInit();
const bin = addLimitCommand();

console.log(`A sandbox in ${box.dir}; \`exit\` removes it.
csm, csd and cas are there, and two accounts: ${sandboxAccounts.join(" and ")}.

Try a switch at a usage limit, in this order:
  csm            claude, under the account main; say something, it answers
  ! limit        inside claude: main is used up, so csm goes on under spare
  csm log        afterwards: what happened; csm usage: what is left
  limit off      both accounts have room again

Prompts that contain these words play:`);
for (const [word, about] of words) console.log(`  ${word.padEnd(6)} ${about}`);

const shell = Bun.spawn([process.env.SHELL ?? "/bin/sh"], {
  cwd: folder,
  env: { ...box.env, PATH: `${bin}:${box.env.PATH}`, SHELL: process.env.SHELL ?? "/bin/sh" },
  stdin: "inherit",
  stdout: "inherit",
  stderr: "inherit",
});
process.on("SIGINT", () => {});
await shell.exited;
await box.close();
