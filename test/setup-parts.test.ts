import { describe, expect, test } from "bun:test";
import { checkRules } from "../src/rules-schema.ts";
import { rulesStarter, startNotify } from "../src/setup.ts";
import { listChanges, ownShell, type PartName, partNames } from "../src/setup-parts.ts";
import { createFakeSys } from "./fake-sys.ts";

const home = "/home/dev";
type Given = Parameters<typeof createFakeSys>[0];

/** What each file says after it, of those that are there or come to be. */
function setUp(
  chosen: readonly PartName[],
  given: Given = {},
  { isUndo = false, shell = "bash" }: { isUndo?: boolean; shell?: string } = {},
) {
  const sys = createFakeSys({ homeDir: home, ...given });
  const changes = listChanges(sys, { chosen, isUndo, dirs: [`${home}/.claude`], shell, rules: [], version: undefined });
  const planned = changes.map(({ path, plan }) => ({ path, ...plan(sys.files.get(path)) }));
  const files = new Map(sys.files);
  for (const { path, after } of planned)
    if (after === undefined) files.delete(path);
    else files.set(path, after);
  return { files: Object.fromEntries(files), planned, kept: planned.flatMap(({ kept }) => kept ?? []) };
}

const settings = `${home}/.claude/settings.json`;
const rules = `${home}/.config/claude-smart/rules.toml`;
const rulesJson = `${home}/.config/claude-smart/rules.json`;
const bashrc = `${home}/.bashrc`;
const script = `${home}/.local/share/bash-completion/completions/csm`;

const boxes: [what: string, files: Record<string, string>][] = [
  ["nothing", {}],
  [
    "settings in a form of their own",
    { [settings]: '{ "model":"opus",\n  "hooks": {"Stop": [ {"hooks":[{"type":"command","command":"mine"}]} ]},\n\t"n": 1.50 }' },
  ],
  ["a status line", { [settings]: '{"statusLine": {"type":"command", "command":"echo \'a\'", "padding": 0}}\n' }],
  ["an empty object", { [settings]: "{}" }],
  ["a byte order mark and line ends of Windows", { [settings]: '\ufeff{\r\n  "model": "opus"\r\n}\r\n' }],
  ["a start file", { [bashrc]: "# mine\nalias l=ls\n" }],
  ["one without a last line end", { [bashrc]: "alias l=ls" }],
  ["one with a line of its own", { [bashrc]: 'eval "$(csm shell-init bash --prompt)"\n' }],
  [
    "line ends of Windows",
    { [bashrc]: "alias l=ls\r\nalias m=more\r\n", [rules]: '[[rules]]\r\nname = "x"\r\nmatch_tool = "Bash"\r\naction = "ask"\r\n' },
  ],
  [
    "both kinds of line ends",
    { [bashrc]: "alias l=ls\r\n# mine\n", [rules]: '# mine\r\n[[rules]]\nname = "x"\nmatch_tool = "Bash"\naction = "ask"\n' },
  ],
  ["rules", { [rules]: '[[rules]]\nname = "x"\nmatch_tool = "Bash"\naction = "ask"\n' }],
  ["rules with a comment behind them", { [rules]: "# mine, without a line end" }],
  ["rules with notifications", { [rules]: "[notify]\nfinished = false\n" }],
  ["rules in JSON", { [rulesJson]: '{"rules": [], "notify": {"finished": false}}' }],
  ["a completion of another csm", { [script]: "complete -W go csm\n" }],
];

describe.each(boxes)("a box with %s", (_, files) => {
  const after = setUp(partNames, { files });

  test("a second time changes nothing", () => {
    expect(setUp(partNames, { files: after.files }).files).toEqual(after.files);
  });

  test("taken out again: each byte is as it was", () => {
    expect(setUp(partNames, { files: after.files }, { isUndo: true }).files).toEqual(files);
  });

  test("part by part it is the same, in whatever order they are taken out", () => {
    let now = files;
    for (const part of partNames) now = setUp([part], { files: now }).files;
    for (const part of partNames) now = setUp([part], { files: now }, { isUndo: true }).files;
    expect(now).toEqual(files);
  });

  test("only what is chosen changes", () => {
    expect(Object.keys(setUp(["notify"], { files }).files).filter((path) => !(path in files))).toEqual(
      rules in files || rulesJson in files ? [] : [rules],
    );
    expect(setUp([], { files }).planned).toEqual([]);
  });

  test("rules have nothing wrong in them", () => {
    for (const [path, text] of Object.entries(after.files))
      if (path === rules || path === rulesJson) expect(checkRules({ path, text, isProject: false }).problems).toEqual([]);
  });
});

test("what was written since stays", () => {
  const { files } = setUp(partNames);
  const changed: Record<string, string> = {
    ...files,
    [rules]: `${files[rules]}finished = false\n`,
    [bashrc]: `${files[bashrc]}alias l=ls\n`,
    [settings]: String(files[settings]).replace("{\n", '{\n  "model": "opus",\n'),
  };
  const undone = setUp(partNames, { files: changed }, { isUndo: true });
  expect(undone.files).toEqual({ [rules]: changed[rules] ?? "", [bashrc]: "alias l=ls\n", [settings]: '{\n  "model": "opus"\n}\n' });
  expect(undone.kept).toEqual(["what it says is your own"]);
});

test("what is added ends as the other lines do, also where they were changed since", () => {
  const windows = (text: string) => text.replaceAll("\n", "\r\n");
  const files = { [bashrc]: "alias l=ls\r\n", [rules]: "# mine\r\n" };
  const after = setUp(["shell", "notify"], { files }).files;
  for (const text of Object.values(after)) expect(text).toBe(windows(text.replaceAll("\r", "")));
  const plain = setUp(["shell", "notify"], { files: { [bashrc]: "alias l=ls\n", [rules]: "# mine\n" } }).files;
  const converted = Object.fromEntries(Object.entries(plain).map(([path, text]) => [path, windows(text)]));
  expect(setUp(["shell", "notify"], { files: converted }).files).toEqual(converted);
  expect(setUp(["shell", "notify"], { files: converted }, { isUndo: true }).files).toEqual(files);
});

test("a line of an older version is replaced where it stands", () => {
  const older = "a\ncommand -v csm && . <(csm shell-init bash)  # csm setup\nb\n";
  expect(setUp(["shell"], { files: { [bashrc]: older } }).files[bashrc]).toBe(
    'a\ncommand -v csm >/dev/null && eval "$(csm shell-init bash)"  # csm setup\nb\n',
  );
});

test.each<[what: string, part: PartName, path: string, text: string, error: string]>([
  ["settings that are torn", "hook", settings, '{"a"', "is no JSON object"],
  ["settings with a comma too many", "hook", settings, '{"a": 1,}', "is no JSON object"],
  ["settings with a comment", "statusline", settings, "{ // mine\n}", "is no JSON object"],
  ["settings that are a list", "hook", settings, "[]", "is no JSON object"],
  ["rules that are torn", "notify", rules, "[[rules]\n", "is no TOML"],
  ["rules in JSON that are torn", "notify", rulesJson, "{", "is no JSON object"],
])("%s are not touched", (_, part, path, text, error) => {
  for (const isUndo of [false, true]) {
    const isOtherUndo = isUndo && part === "notify";
    const act = () => setUp([part], { files: { [path]: text } }, { isUndo });
    if (isOtherUndo) expect(act().files).toEqual({ [path]: text });
    else expect(act).toThrow(`${path} ${error}`);
  }
});

test.each<[shell: string, given: Given, start: string, completions: string[]]>([
  ["bash", {}, ".bashrc", [".local/share/bash-completion/completions/csm", ".local/share/bash-completion/completions/csd"]],
  [
    "bash",
    { platform: "darwin" },
    ".bash_profile",
    [".local/share/bash-completion/completions/csm", ".local/share/bash-completion/completions/csd"],
  ],
  ["bash", { env: { XDG_DATA_HOME: `${home}/d` } }, ".bashrc", ["d/bash-completion/completions/csm", "d/bash-completion/completions/csd"]],
  ["bash", { env: { BASH_COMPLETION_USER_DIR: `${home}/b` } }, ".bashrc", ["b/completions/csm", "b/completions/csd"]],
  ["zsh", {}, ".zshrc", [".zfunc/_csm"]],
  ["zsh", { env: { ZDOTDIR: `${home}/z` } }, "z/.zshrc", [".zfunc/_csm"]],
  ["fish", {}, ".config/fish/config.fish", [".config/fish/completions/csm.fish", ".config/fish/completions/csd.fish"]],
  [
    "fish",
    { env: { XDG_CONFIG_HOME: "not/absolute" } },
    ".config/fish/config.fish",
    [".config/fish/completions/csm.fish", ".config/fish/completions/csd.fish"],
  ],
])("%s %j: the files of that shell", (shell, given, start, completions) => {
  const pathsOf = (part: PartName) => setUp([part], given, { shell }).planned.map(({ path }) => path.slice(home.length + 1));
  expect([pathsOf("shell"), pathsOf("completions")]).toEqual([[start], completions]);
});

test.each([
  ["/bin/bash", "bash"],
  ["/usr/local/bin/fish", "fish"],
  ["zsh", "zsh"],
  ["/bin/sh", undefined],
  ["/bin/toString", undefined],
  [undefined, undefined],
])("$SHELL %p is %p", (SHELL, shell) => {
  expect(ownShell({ env: { SHELL } })).toBe(shell);
});

test("the starter allows nothing, and what csm setup adds stands behind it", () => {
  const { rules: made, problems } = checkRules({ path: rules, text: rulesStarter + startNotify, isProject: false });
  expect(problems).toEqual([]);
  expect(new Set(made.map(({ action }) => action))).toEqual(new Set(["ask"]));
});
