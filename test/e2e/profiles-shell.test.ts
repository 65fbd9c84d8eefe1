/** `cas` and the completions in the real zsh, bash and fish. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, until, useBox } from "./harness.ts";

const at = useBox();

const shells = {
  zsh: { argv: ["zsh", "-f", "-c"], init: 'eval "$(csm shell-init zsh)"', code: "$?" },
  bash: { argv: ["bash", "--norc", "-c"], init: 'eval "$(csm shell-init bash)"', code: "$?" },
  fish: { argv: ["fish", "--no-config", "-c"], init: "csm shell-init fish | source", code: "$status" },
};
type Shell = keyof typeof shells;
const names = Object.keys(shells) as Shell[];

/** Each would run something, or end early, if any part of the way took it for code. */
const hostile: [name: string, dir: string][] = [
  ["space", "/tmp/a b  c"],
  ["quote", "/tmp/it's 'quoted'"],
  ["doubled", `/tmp/say "hi"`],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a shell would expand
  ["dollar", "/tmp/$HOME ${HOME} $(touch pwned)"],
  ["backtick", "/tmp/`touch pwned`"],
  ["newline", "/tmp/one\ntouch pwned\n"],
  ["backslash", "/tmp/a\\'; touch pwned; '\\"],
  ["separator", "/tmp/x; touch pwned & touch pwned | touch pwned"],
  ["fishy", "/tmp/(touch pwned) {a,b} *"],
  ["bang", "/tmp/!! !touch"],
  ["curly", "/tmp/\u2019; touch pwned; \u2018"],
  ["tilde", "/tmp/~root =ls #x"],
];

const env = () => ({ ...at.box.env, PATH: `${join(root, "dist")}:${at.box.env.PATH}` });
const pwned = () => join(at.box.home, "pwned");

function register(profiles: Record<string, string>, token?: string): void {
  const dir = join(at.box.home, ".config/claude-as");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "profiles.json"), JSON.stringify(profiles));
  if (token !== undefined) writeFileSync(join(dir, "default"), token);
}

/** What the script printed; stdout and stderr apart. */
async function run(shell: Shell, script: string, extra: Record<string, string> = {}) {
  const result = await at.box.run([...shells[shell].argv, script], { env: { ...env(), ...extra } });
  return { ...result, lines: result.stdout.split("\n").filter((line) => line !== "") };
}

const withCas = (shell: Shell, ...lines: string[]) => run(shell, [shells[shell].init, ...lines].join("\n"));

describe.each(names)("in %s", (shell) => {
  const { code } = shells[shell];

  test("a folder's name is text and nothing else", async () => {
    register(Object.fromEntries(hostile));
    for (const [name, dir] of hostile) {
      const result = await withCas(shell, `cas ${name}`, "printf '%s.' \"$CLAUDE_CONFIG_DIR\"");
      expect([name, result.stdout, result.stderr]).toEqual([name, `${dir}.`, ""]);
    }
    expect(existsSync(pwned())).toBe(false);
  });

  // Defect D9: every form of cas works, and the previous profile comes back.
  test("cas NAME, cas - and back again, and from nothing", async () => {
    register({ home: "/tmp/home", work: "/tmp/wo'rk" });
    const result = await withCas(
      shell,
      "cas work",
      'echo "$CLAUDE_CONFIG_DIR"',
      "cas home",
      'echo "$CLAUDE_CONFIG_DIR"',
      "cas -",
      'echo "$CLAUDE_CONFIG_DIR"',
      "cas -",
      'echo "$CLAUDE_CONFIG_DIR"',
      "cas work",
      "cas work",
      "cas -",
      'echo "$CLAUDE_CONFIG_DIR"',
    );
    expect(result.lines).toEqual(["/tmp/wo'rk", "/tmp/home", "/tmp/wo'rk", "/tmp/home", "/tmp/home"]);
    expect(result.stderr).toBe("shell → work\nshell → home\nshell → home\n");
    const first = await withCas(shell, "cas -", `echo ${code}`, "cas work", "cas -", 'echo "[$CLAUDE_CONFIG_DIR]"');
    expect(first.lines).toEqual(["1", "[]"]);
    expect(first.stderr).toBe("cas: there is no previous profile\nshell → unknown\n");
  });

  test("cas of an unknown profile fails, and changes nothing", async () => {
    register({ home: "/tmp/home" });
    const result = await withCas(shell, "cas home", "cas nope", `echo ${code}`, 'echo "$CLAUDE_CONFIG_DIR"');
    expect(result.lines).toEqual(["1", "/tmp/home"]);
    expect(result.stderr).toBe("cas: unknown profile 'nope' — available: home\n");
  });

  test("cas of claude's own folder unsets the variable, and is remembered", async () => {
    register({ home: "/tmp/home", main: "~/.claude" }, "home");
    const result = await withCas(
      shell,
      "cas home",
      "cas main",
      'echo "[$CLAUDE_CONFIG_DIR]"',
      "cas status --print-current",
      "cas -",
      "cas status --print-current",
      "cas -",
      "cas status --print-current",
      "cas resync",
      "cas status --print-current",
    );
    expect(result.lines).toEqual(["[]", "main", "home", "main", "home"]);
  });

  test("cas -g makes it the default, status and list print, a broken registry says so", async () => {
    register({ home: "/tmp/home", work: "/tmp/work" });
    const result = await withCas(shell, "cas -g work", 'echo "$CLAUDE_CONFIG_DIR"', "cas", "cas status", "cas list");
    const view = [
      "current shell:  work (/tmp/work)",
      "global default: work (/tmp/work)",
      "available:",
      "     home         /tmp/home",
      "  *d work         /tmp/work",
      "(legend: * = current shell, d = global default)",
    ];
    expect(result.lines).toEqual(["/tmp/work", ...view, ...view, ...view]);
    expect(result.stderr).toContain("global default → work (/tmp/work)\n");
    writeFileSync(join(at.box.home, ".config/claude-as/profiles.json"), "{");
    const broken = await withCas(shell, "cas home", `echo ${code}`);
    expect(broken.lines).toEqual(["1"]);
    expect(broken.stderr).toContain("profiles.json: JSON Parse error");
  });

  test("the prompt part shows the profile, and a hostile name as a mark", async () => {
    register({ home: "/tmp/home", "$(touch pwned)": "/tmp/bad" });
    const init = shells[shell].init.replace(` ${shell}`, ` ${shell} --prompt`);
    const prompt = shell === "fish" ? "fish_prompt" : '__cas_label; echo "$__cas_shown"';
    const script = [
      init,
      prompt,
      "cas home",
      prompt,
      shell === "fish" ? "set -gx CLAUDE_CONFIG_DIR /tmp/bad" : "export CLAUDE_CONFIG_DIR=/tmp/bad",
      prompt,
    ];
    const start = shell === "fish" ? ["function fish_prompt; echo PROMPT; end"] : [];
    const result = await run(shell, [...start, ...script].join("\n"));
    expect(result.lines).toEqual(shell === "fish" ? ["PROMPT", "(home) PROMPT", "(?) PROMPT"] : ["home", "?"]);
    expect(existsSync(pwned())).toBe(false);
  });
});

// The function of the older tool's README, for both of its shells.
describe.each(["zsh", "bash"] as const)("the older tool's one line in %s", (shell) => {
  const shim = `cas() { eval "$(command csm cas --eval --shell ${shell} -- "$@")"; }`;

  test("switches, fails and prints", async () => {
    register({ home: "/tmp/home", work: "/tmp/it's" });
    const result = await run(
      shell,
      [
        shim,
        "cas work; echo $?",
        'echo "$CLAUDE_CONFIG_DIR"',
        "cas nope; echo $?",
        "cas -g home; echo $?",
        'echo "$CLAUDE_CONFIG_DIR"',
        "cas",
        "cas resync",
      ].join("\n"),
    );
    expect(result.lines.slice(0, 6)).toEqual(["0", "/tmp/it's", "1", "0", "/tmp/home", "current shell:  home (/tmp/home)"]);
    expect(result.stderr).toContain("cas: unknown profile 'nope' — available: home, work\n");
  });

  test("what prints for people is not evaluated", async () => {
    register({ home: "/tmp/$(touch pwned)" }, "home");
    const result = await run(shell, [shim, "cas status", "cas list; echo $?"].join("\n"));
    expect(result.lines).toContain("  d home         /tmp/$(touch pwned)".replace("  d", "   d"));
    expect(result.stderr).toContain("list prints nothing to evaluate");
    expect(existsSync(pwned())).toBe(false);
  });
});

test.each(["ksh_arrays", "sh_word_split rc_quotes extended_glob", "no_unset err_return no_clobber"])("zsh with %s", async (options) => {
  register({ home: "/tmp/it''s 'x' $(touch pwned)" });
  const result = await run("zsh", [`setopt ${options}`, shells.zsh.init, "cas home", "printf '%s' $CLAUDE_CONFIG_DIR"].join("\n"));
  expect([result.stdout.replaceAll(/\s/g, ""), result.stderr]).toEqual(["/tmp/it''s'x'$(touchpwned)", ""]);
});

test("bash with set -eu", async () => {
  register({ home: "/tmp/home" });
  const result = await run(
    "bash",
    ["set -eu", shells.bash.init, "cas home", 'echo "$CLAUDE_CONFIG_DIR"', "cas status >/dev/null", "cas -; echo done"].join("\n"),
  );
  expect(result.lines).toEqual(["/tmp/home", "done"]);
});

describe("the words of the shells' machine interface", () => {
  const cas = (...args: string[]) => at.box.csm(["cas", ...args], { env: { ...env() } });

  test.each([
    [
      "an unknown profile is an evaluable failure",
      ["--eval", "--shell", "zsh", "--", "x"],
      0,
      ">&2 printf '%s\\n' 'cas: unknown profile '\\''x'\\'' — available: home'; false\n",
    ],
    [
      "in PowerShell one that does not end the shell",
      ["--eval", "--shell=PowerShell", "x"],
      0,
      "Write-Error 'cas: unknown profile ''x'' — available: home'; $global:LASTEXITCODE = 1\n",
    ],
    ["a folder", ["--eval", "--shell", "SH", "--", "home"], 0, "export CLAUDE_CONFIG_DIR='/tmp/home'\n"],
    [
      "an unknown flag is a profile's name",
      ["--eval", "--shell", "bash", "--nope"],
      0,
      ">&2 printf '%s\\n' 'cas: unknown profile '\\''--nope'\\'' — available: home'; false\n",
    ],
    ["list has nothing to evaluate", ["--eval", "--shell", "zsh", "--", "list"], 1, ""],
    ["no shell", ["--eval", "home"], 2, ""],
    ["an unknown shell", ["--eval", "--shell", "tcsh", "home"], 2, ""],
    ["a profile without --eval", ["home"], 1, ""],
    ["the default folder wins over everything", ["--eval", "--print-default-dir", "x"], 0, "/tmp/home\n"],
  ])("%s", async (_, args, code, stdout) => {
    register({ home: "/tmp/home" }, "home");
    const result = await cas(...args);
    expect([result.code, result.stdout]).toEqual([code, stdout]);
  });

  // Defect D4.
  test("without a registry nothing is made up", async () => {
    rmSync(join(at.box.home, ".config"), { recursive: true, force: true });
    expect((await cas("--print-default-dir")).stdout).toBe("");
    expect((await cas("--eval", "--shell", "zsh", "--", "resync")).stdout).toBe("unset CLAUDE_CONFIG_DIR; unset CSM_PROFILE\n");
    expect((await cas("--eval", "--shell", "zsh", "--", "new")).stdout).toBe(`export CLAUDE_CONFIG_DIR='${at.box.home}/.claude.new'\n`);
    expect((await cas("--eval", "--shell", "zsh", "--", "../x")).stdout).toContain("; false");
    expect(existsSync(join(at.box.home, ".claude."))).toBe(false);
    expect(existsSync(join(at.box.home, ".claude.new"))).toBe(false);
  });

  test("a broken registry is an error, but not of the default folder", async () => {
    register({});
    writeFileSync(join(at.box.home, ".config/claude-as/profiles.json"), "[");
    expect((await cas("--eval", "--shell", "zsh", "--", "home")).code).toBe(1);
    expect([(await cas("--print-default-dir")).code, (await cas("--print-default-dir")).stdout]).toEqual([0, ""]);
  });
});

describe("completion", () => {
  const wordsOf = (stdout: string) =>
    stdout
      .split("\n")
      .map((line) => line.split("\t")[0] ?? "")
      .filter((word) => word !== "")
      .sort();
  const bash = async (...typed: string[]) => {
    const [function_, words] = [`_${typed[0]}`, typed.map((word) => `'${word}'`).join(" ")];
    const script = `${shells.bash.init}\nCOMP_WORDS=(${words}); COMP_CWORD=${typed.length - 1}; ${function_}; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return wordsOf((await run("bash", script)).stdout);
  };
  const fish = async (...typed: string[]) => wordsOf((await run("fish", `${shells.fish.init}\ncomplete -C '${typed.join(" ")}'`)).stdout);

  test.each([
    ["bash", bash],
    ["fish", fish],
  ] as const)("%s completes commands, verbs, profiles, flags and what a flag takes", async (_, complete) => {
    register({ home: "/tmp/home", work: "/tmp/work", "$(touch pwned)": "/tmp/bad", "a b": "/tmp/bad2" });
    expect(await complete("csm", "prof")).toEqual(["profiles"]);
    expect(await complete("csm", "profiles", "re")).toEqual(["remove", "rename"]);
    expect(await complete("csm", "profiles", "rm", "")).toEqual(expect.arrayContaining(["home", "work"]));
    expect(await complete("csm", "profiles", "rm", "w")).toEqual(["work"]);
    expect(await complete("csm", "profiles", "doctor", "--f")).toEqual(["--fix"]);
    expect(await complete("csm", "profiles", "share", "--profile", "h")).toEqual(["home"]);
    expect(await complete("csm", "profiles", "share", "sk")).toEqual(["skills"]);
    expect(await complete("csm", "shell-init", "f")).toEqual(["fish"]);
    expect(await complete("csd", "interr")).toEqual(["interrupt"]);
    expect(await complete("cas", "wo")).toEqual(["work"]);
    expect(await complete("cas", "-g", "h")).toEqual(["home"]);
    const all = await complete("csm", "profiles", "rm", "");
    expect(all.filter((word) => /[$( ]/.test(word))).toEqual([]);
    expect(existsSync(pwned())).toBe(false);
    // Files of the folder are offered where a file belongs, and nowhere else.
    expect(await complete("csm", "profiles", "add", "")).toEqual([]);
    expect(await complete("csm", ".cl")).toEqual([]);
    expect(await complete("csm", "top", "--record", ".claude.js")).toEqual([".claude.json"]);
    expect(await complete("csm", "--pro")).toEqual(["--profile"]);
    expect(await complete("csm", "--profile", "w")).toEqual(["work"]);
    expect(await complete("csm", "cost", "da")).toEqual(["daily"]);
    expect(await complete("csm", "run", "--permission-mode", "ac")).toEqual(["acceptEdits"]);
    expect(await complete("csm", "config", "set", "limit.p")).toEqual(["limit.policy"]);
  });

  test.each([
    ["bash", bash],
    ["fish", fish],
  ] as const)("%s completes conversations of this folder", async (_, complete) => {
    const folder = join(at.box.home, ".claude/projects", at.box.home.replace(/[^A-Za-z0-9]/g, "-"));
    mkdirSync(folder, { recursive: true });
    const id = "3f2a1b4c-0000-4000-8000-000000000001";
    const line = { type: "user", sessionId: id, cwd: at.box.home, message: { role: "user", content: "fix\tthe $(touch pwned)" } };
    writeFileSync(join(folder, `${id}.jsonl`), `${JSON.stringify(line)}\n`);
    expect(await complete("csm", "-r", "3f")).toEqual(["3f2a1b4c"]);
    expect((await at.box.csm(["completions", "--complete", "=3f", "csm", "-r"])).stdout).toBe("3f2a1b4c\tfix the $(touch pwned)\n");
    expect(existsSync(pwned())).toBe(false);
    rmSync(folder, { recursive: true });
  });

  test("sessions are completed by name", async () => {
    const dir = join(at.box.home, ".local/state/csd/sessions");
    mkdirSync(dir, { recursive: true });
    for (const name of ["fix-it", "$(touch pwned)", "other"]) writeFileSync(join(dir, `${name}.json`), "{}");
    expect(await bash("csd", "send", "f")).toEqual(["fix-it"]);
    expect(await fish("csd", "send", "f")).toEqual(["fix-it"]);
    expect((await at.box.csm(["completions", "--names", "sessions"])).stdout).toBe("fix-it\nother\n");
    expect((await at.box.csm(["completions", "--names", "nonsense"])).stdout.trim()).toBe("");
    rmSync(dir, { recursive: true });
    expect(existsSync(pwned())).toBe(false);
  });

  test.each(["before", "after", "fpath"])("zsh completes at the keyboard, compinit %s", async (order) => {
    register({ home: "/tmp/home", work: "/tmp/work" });
    const rc = join(at.box.home, ".zshrc");
    const lines = ["autoload -Uz compinit && compinit -D", shells.zsh.init];
    if (order === "fpath") {
      const dir = join(at.box.home, "zfunc");
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, "_csm"), (await at.box.csm(["completions", "zsh"])).stdout);
      lines.splice(0, 2, "fpath+=(~/zfunc)", "autoload -Uz compinit && compinit -D", 'eval "$(csm shell-init zsh --no-completions)"');
    }
    writeFileSync(rc, `PROMPT='ready> '\n${(order === "after" ? lines.toReversed() : lines).join("\n")}\n`);
    const name = `zsh-${order}`;
    const tmux = (...args: string[]) => at.box.run(["tmux", "-u", ...args], { env: env() });
    await tmux("new-session", "-d", "-s", name, "-x", "150", "-y", "30", "zsh", "-o", "no_global_rcs");
    const screen = async () => (await tmux("capture-pane", "-p", "-t", `=${name}:`)).stdout;
    const shows = (text: string) => until(`${text} on the screen`, async () => (await screen()).includes(text), screen);
    await shows("ready>");
    await tmux("send-keys", "-t", `=${name}:`, "csm profiles rm wo", "Tab");
    await shows("csm profiles rm work");
    await tmux("send-keys", "-t", `=${name}:`, "C-u", "csm prof", "Tab", "ren", "Tab", "ho", "Tab");
    await shows("csm profiles rename home");
    await tmux("send-keys", "-t", `=${name}:`, "C-u", "cas ho", ...(order === "fpath" ? ["me"] : ["Tab"]), "Enter");
    await tmux("send-keys", "-t", `=${name}:`, "echo [$CLAUDE_CONFIG_DIR]", "Enter");
    await shows("[/tmp/home]");
    await tmux("kill-session", "-t", `=${name}`);
    rmSync(rc);
  });

  test.each(["bash", "zsh", "fish"])("what csm completions and shell-init print is valid %s", async (shell) => {
    for (const args of [
      ["completions", shell],
      ["shell-init", shell, "--prompt"],
      ["shell-init", shell, "--no-completions"],
    ]) {
      const path = join(at.box.dir, "script");
      writeFileSync(path, (await at.box.csm(args)).stdout);
      const result = await at.box.run([shell, "-n", path]);
      expect([args, result.code, result.stderr]).toEqual([args, 0, ""]);
    }
  });
});

test("cas and the names for completion load no package", () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(join(root, "src", `${file}.ts`), "utf8");
    for (const match of text.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from "(\.\/)?([^"]+)"/gm))
      if (match[1] !== undefined) visit((match[2] ?? "").replace(/\.ts$/, ""));
      else expect([file, /^(?:node:|bun:)/.test(match[2] ?? "") ? "" : match[2]]).toEqual([file, ""]);
  };
  for (const file of ["app", "cas", "completion"]) visit(file);
  expect(seen.has("profiles")).toBe(true);
});
