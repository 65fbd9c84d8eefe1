/**
 * `npm run sandbox`: a shell in the sandbox of the tests. A throw-away HOME, a real claude, csm and csd on PATH, and a
 * loopback model that does what one asks it for. Everything is gone when the shell ends.
 */
import { join } from "node:path";
import { createSandbox } from "../src/sandbox.ts";
import { ask, bash, fail, limit, type ModelRequest, type Reply, say, useTool } from "../src/stub-script.ts";
import { findCheckoutClaude } from "./claude.ts";

const words: [word: string, about: string, reply: () => Reply][] = [
  ["bash", "a Bash gate", () => bash("touch made-by-claude.txt && rm -f nothing.txt", "Make a file")],
  ["write", "a Write gate", () => useTool("Write", { file_path: join(folder, "hello.txt"), content: "hello\n" })],
  ["ask", "a question", () => ask({ question: "Which folder?", header: "Folder", options: [choice("src"), choice("test")] })],
  ["slow", "a text of 20 s", () => say("word ".repeat(100), { pauseMs: 200 })],
  ["limit", "a usage limit (with --subscription)", () => limit("five_hour", Date.now() + 3_600_000)],
  ["error", "an API error", () => fail(529, "overloaded", 5)],
];

const choice = (label: string) => ({ label, description: `the folder ${label}` });

/** What the newest prompt asks for; a plain answer otherwise, and after a tool has run. */
function play(request: ModelRequest): Reply {
  const messages = request.body.messages as { role: string; content: unknown }[];
  const prompt = JSON.stringify(messages.findLast((message) => message.role === "user")?.content ?? "");
  if (prompt.includes("tool_result")) return say("Done.");
  return words.find(([word]) => new RegExp(`\\b${word}\\b`, "i").test(prompt))?.[2]() ?? say("Hello from the loopback model.");
}

const login = process.argv.includes("--subscription") ? "subscription" : "api-key";
const dist = join(import.meta.dir, "../dist");
const box = await createSandbox({ claudePath: findCheckoutClaude(), path: `${dist}:${process.env.PATH}`, login, fallback: play });
const folder = box.folder("app");

console.log(`A sandbox in ${box.dir}; \`exit\` removes it. csm and csd are on PATH. Prompts that contain these words play:`);
for (const [word, about] of words) console.log(`  ${word.padEnd(6)} ${about}`);

const shell = Bun.spawn([process.env.SHELL ?? "/bin/sh"], {
  cwd: folder,
  env: box.env,
  stdin: "inherit",
  stdout: "inherit",
  stderr: "inherit",
});
process.on("SIGINT", () => {});
await shell.exited;
await box.close();
