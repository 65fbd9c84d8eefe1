import { literalWord, openWords, programOf, type ShellWord } from "./command-pattern.ts";

/** What a command runs beside itself. */
export interface Opened {
  /** Other commands, word by word. */
  commands?: ShellWord[][];
  /** Texts that a shell reads; an open one is read as far as it is spelled. */
  scripts?: ShellWord[];
  /** A shell reads its input. */
  readsStdin?: boolean;
  /** `env NAME=value`. */
  names?: string[];
  /** Why nobody can tell all that it does; such a command is never approved unseen. */
  doubt?: string;
  /** In the words of another language. */
  code?: string;
  /** Anything may run: a denial cannot say that it does not apply. */
  isHidden?: boolean;
  /** It does something of its own beside what it runs, and so needs an approval of its own. */
  isOwn: boolean;
  /** For somebody else, elsewhere: an approval of its own words covers what it runs, and that of the same command here does not. */
  isElsewhere?: boolean;
  /** What it runs is in another folder. */
  isMoved?: boolean;
}

interface Wrapper {
  /** Options without a value. */
  flags?: string;
  /** Options that take the next word, or the rest of theirs. */
  values?: string;
  /** Words of its own before the command. */
  operands?: number;
  hasNames?: boolean;
  /** The rest is a command (unless told), a text for a shell, or goes on behind `--`. */
  rest?: "command" | "script" | "afterDashes" | "none";
  /** The option whose value a shell reads. */
  script?: string;
  /** Options that make it something else: a look-up, a version. */
  plain?: string;
  /** Options that hide what it does, or where. */
  hiding?: string;
  appends?: boolean;
  isOwn?: boolean;
  isElsewhere?: boolean;
  moving?: string;
}

const sudo: Wrapper = {
  flags:
    "-A -b -E -H -i -k -K -n -P -S -s -v -l -B -N --askpass --background --preserve-env --set-home --login --non-interactive --stdin --shell",
  values:
    "-u -g -h -p -C -c -r -t -T -U -D -R -a --user --group --host --prompt --close-from --chdir --chroot --role --type --other-user --command-timeout",
  ...{ hasNames: true, isElsewhere: true },
};
const containerValues =
  "-e --env --env-file -u --user -w --workdir --detach-keys -v --volume -p --publish --name --network --net -h --hostname -l --label --entrypoint --mount -m --memory --cpus --platform --pull --restart -a --attach --add-host --cap-add --cap-drop --device --dns --gpus --ip --ipc --link --log-driver --log-opt --pid --security-opt --shm-size --tmpfs --ulimit --userns --volumes-from --cidfile --group-add --init-path --runtime --stop-signal --stop-timeout --index --profile -f --file --project-name --project-directory";
const containerFlags =
  "-i -t -d -P -q -T -it -ti --rm --init --interactive --tty --detach --privileged --read-only --no-deps --quiet --build --service-ports --no-TTY";
const container: Wrapper = { flags: containerFlags, values: containerValues, operands: 1, isElsewhere: true };
const tmuxText: Wrapper = {
  flags: "-A -d -D -E -P -X -b -f -h -v -Z -k -l -H -M -R -N -B -C -I -O -a -S -w",
  values: "-t -c -e -F -n -s -x -y -T -p",
  ...{ rest: "script", isElsewhere: true },
};

const wrappers = new Map<string, Wrapper>(
  Object.entries({
    env: {
      flags: "-i - -0 -v --ignore-environment --null --debug",
      values: "-u --unset -C --chdir",
      hasNames: true,
      hiding: "-S --split-string -P",
      moving: "-C --chdir",
    },
    timeout: { flags: "-v -f -p --foreground --preserve-status --verbose", values: "-s --signal -k --kill-after", operands: 1 },
    gtimeout: { flags: "-v --foreground --preserve-status --verbose", values: "-s --signal -k --kill-after", operands: 1 },
    nice: { flags: "-0 -1 -2 -3 -4 -5 -6 -7 -8 -9", values: "-n --adjustment" },
    ionice: { flags: "-t --ignore", values: "-c -n --class --classdata", plain: "-p -P -u --pid" },
    chrt: { flags: "-b -f -i -o -r -R -v", operands: 1, plain: "-p -m --pid --max" },
    taskset: { flags: "-a -c --all-tasks --cpu-list", operands: 1, plain: "-p -cp --pid" },
    nohup: {},
    setsid: { flags: "-c -f -w --ctty --fork --wait" },
    setarch: { flags: "-R -L -B -v --addr-no-randomize", operands: 1 },
    stdbuf: { values: "-i -o -e --input --output --error" },
    unbuffer: { flags: "-p" },
    caffeinate: { flags: "-d -i -m -s -u", values: "-t -w" },
    time: { flags: "-p -v -a -l -h --portability --verbose --append", values: "-f --format", hiding: "-o --output" },
    command: { flags: "-p", plain: "-v -V" },
    builtin: {},
    exec: { flags: "-c -l", values: "-a" },
    noglob: {},
    nocorrect: {},
    "-": {},
    busybox: { plain: "--list --help --install" },
    toybox: {},
    xargs: {
      flags: "-0 -r -t -p -x -o --null --no-run-if-empty --verbose --interactive --exit --open-tty",
      values: "-I -L -n -P -s -d -a -E -J -R -S --max-args --max-procs --max-lines --max-chars --delimiter --arg-file --replace --eof",
      appends: true,
    },
    parallel: {
      flags: "-0 -k -v -q -X -m -u --null --keep-order --quote --xargs --bar --eta --dry-run --line-buffer --tag --no-notice --will-cite",
      values:
        "-j -n -N -I -L -a -d -S --jobs --max-args --colsep --delay --halt --joblog --results --retries --timeout --arg-file --delimiter",
      ...{ rest: "script", appends: true, hiding: "--pipe --pipepart -S --sshlogin" },
    },
    watch: {
      flags: "-b -c -d -e -g -p -q -t -w -x --beep --color --differences --errexit --chgexit --precise --no-title --exec",
      ...{ values: "-n --interval", rest: "script" },
    },
    repeat: { operands: 1 },
    trap: { plain: "-l -p -P", rest: "script" },
    strace: { flags: "-f -ff -c -C -q -qq -v -r -t -tt -T -y -k -i -x", values: "-e -s -p -o -O -S -a -b -u -E -P", isOwn: true },
    ltrace: { flags: "-f -c -C -r -t -T -i -S", values: "-e -s -o -l -n -u -p", isOwn: true },
    flock: {
      flags: "-e -x -s -n -u -o -F -v",
      values: "-w -E --wait --timeout --conflict-exit-code",
      operands: 1,
      script: "-c --command",
      isOwn: true,
    },
    script: { flags: "-a -e -f -q -k -r", values: "-E -I -O -B -T -m -o -t", script: "-c --command", rest: "none", isOwn: true },
    sudo,
    doas: { flags: "-L -n -s", values: "-u -C -a", isElsewhere: true },
    su: {
      flags: "- -l -m -p -P -f --login --preserve-environment --pty",
      values: "-s -g -G -w -T --shell --group",
      script: "-c --command --session-command",
      rest: "none",
      isElsewhere: true,
    },
    runuser: {
      flags: "- -l -m -p -P -f --login",
      values: "-u -s -g -G -w --shell --user --group",
      script: "-c --command",
      isElsewhere: true,
    },
    pkexec: { flags: "--disable-internal-agent --keep-cwd", values: "--user -u", isElsewhere: true },
    ssh: {
      flags: "-4 -6 -A -a -C -f -G -g -K -k -M -N -n -q -s -T -t -V -v -X -x -Y -y -tt -vv -vvv",
      values: "-B -b -c -D -E -e -I -i -J -L -l -m -O -p -Q -R -S -W -w",
      ...{ hiding: "-o -F", operands: 1, rest: "script", isElsewhere: true },
    },
    chroot: { flags: "--skip-chdir", values: "--userspec --groups", operands: 1, isElsewhere: true },
    unshare: {
      flags: "-m -u -i -n -p -U -C -T -r -c -f --mount --uts --ipc --net --pid --user --map-root-user --fork",
      values: "-S -G -R -w --root --wd --setuid --setgid",
      isElsewhere: true,
    },
    nsenter: {
      flags: "-a -m -u -i -n -p -U -C -T -F -Z --all --mount --uts --ipc --net --pid --user --no-fork",
      values: "-t -S -G --target --setuid --setgid",
      isElsewhere: true,
    },
    setpriv: {
      flags: "--no-new-privs --clear-groups --init-groups --keep-groups",
      values: "--reuid --regid --groups --inh-caps --bounding-set",
      isElsewhere: true,
    },
    "systemd-run": {
      flags: "-t -P -q -G -S -r -d --user --system --scope --pty --wait --pipe --quiet --collect",
      values: "-p -u --property --unit --uid --gid --slice --description -E --setenv",
      isElsewhere: true,
    },
    "docker exec": container,
    "docker run": container,
    "docker create": container,
    "podman exec": container,
    "podman run": container,
    "nerdctl exec": container,
    "nerdctl run": container,
    "docker container": { hiding: "", rest: "none", isElsewhere: true },
    "docker compose": { values: "-f --file -p --project-name --profile --project-directory --env-file", rest: "none", isElsewhere: true },
    "docker-compose exec": container,
    "docker-compose run": container,
    "kubectl exec": { rest: "afterDashes", isElsewhere: true },
    "kubectl run": { rest: "afterDashes", isElsewhere: true },
    "oc exec": { rest: "afterDashes", isElsewhere: true },
    "tmux new-session": tmuxText,
    "tmux new": tmuxText,
    "tmux new-window": tmuxText,
    "tmux neww": tmuxText,
    "tmux split-window": tmuxText,
    "tmux splitw": tmuxText,
    "tmux respawn-pane": tmuxText,
    "tmux respawn-window": tmuxText,
    "tmux respawnp": tmuxText,
    "tmux run-shell": tmuxText,
    "tmux run": tmuxText,
    "tmux if-shell": tmuxText,
    "tmux if": tmuxText,
    "tmux pipe-pane": tmuxText,
    "tmux display-popup": tmuxText,
    "tmux popup": tmuxText,
    "tmux send-keys": tmuxText,
    "tmux send": tmuxText,
    "git submodule": { rest: "none", isOwn: true },
    "git bisect": { rest: "none", isOwn: true },
    "git rebase": {
      flags: "-i -r -q -v -f --interactive --continue --abort --skip --autostash --autosquash --root --rebase-merges",
      script: "-x --exec",
      rest: "none",
      isOwn: true,
    },
    "npm exec": { flags: "-y --yes --no", values: "-p --package", script: "-c --call", rest: "none", isOwn: true },
    npx: { flags: "-y -q --yes --no --quiet", values: "-p --package", script: "-c --call", rest: "none", isOwn: true },
  } satisfies Record<string, Wrapper>),
);

/** Words that another program or language reads; nobody here does. */
const readers: [programs: string, options: RegExp, why: string][] = [
  ["python pypy", /^-[A-Za-z]*c/, "the code"],
  ["perl ruby", /^-[A-Za-z0-9]*[eE]/, "the code"],
  ["node nodejs bun deno", /^(?:-[ep]|-pe|--(?:eval|print)(?:=.*)?)$|^-r$|^--(?:require|import|loader|experimental-loader)\b/, "the code"],
  ["deno", /^eval$/, "the code"],
  ["php", /^-[rRBE]|^--run$/, "the code"],
  [
    "lua luajit osascript rscript julia elixir groovy scala ghc swift erl racket guile sbcl ocaml",
    /^-{1,2}(?:e|E|eval|l|--eval|i)\b/,
    "the code",
  ],
  ["pwsh powershell", /^/, "the code"],
  ["cmd wsl rundll32 wscript cscript mshta", /^/, "the code"],
  ["gdb lldb", /^-(?:ex|eval|o|-eval-command|-command|-batch|x)/, "the debugger's words"],
  ["vim vi nvim ex view gvim rvim vimdiff", /^(?:-c|--cmd|-S|-s|-E|-e|-es|\+.*)$/, "the editor's words"],
  ["emacs emacsclient", /^-{1,2}(?:e|eval|batch|l|load|f|funcall)/, "the editor's words"],
  ["expect tclsh wish socat nmap", /^/, "the script"],
  ["sqlite3", /\.(?:shell|system|import|output|once|excel|read|load)|writefile|load_extension|edit\(/i, "the script"],
  ["psql mysql mariadb", /\\!|system\s|program|outfile/i, "the script"],
  [
    "git",
    /^--(?:upload-pack|receive-pack|exec|open-files-in-pager|ext-diff|extcmd|tool|textconv|[a-z-]*-filter)\b|^ext::|^-O|^filter-branch$/,
    "what it starts",
  ],
  [
    "git",
    /^(?:alias|core|diff|difftool|mergetool|filter|merge|credential|pager|sequence|gpg|url|include|includeif|protocol|init|remote|submodule)\.\S/i,
    "the setting",
  ],
  [
    "tar bsdtar gtar",
    /^--(?:checkpoint-action|to-command|use-compress-program|rsh-command|info-script|new-volume-script)|^-[A-Za-z]*[IF]/,
    "what it starts",
  ],
  ["rsync", /^-[A-Za-z]*e|^--rsh|^--rsync-path/, "what it starts"],
  ["scp sftp", /^-[A-Za-z]*[oSFD]/, "what it starts"],
  ["man less more most", /^-[PH]|^--(?:pager|html)|^\+/, "what it starts"],
  ["make gmake", /^(?:SHELL|\.SHELLFLAGS|MAKE|CC|CXX)\s*[:+?]?=|^--eval|^-E|^-f-?$|^-$/, "the makefile"],
  ["nc ncat netcat", /^-[a-z]*[ec]|^--(?:exec|sh-exec|lua-exec)/, "what it starts"],
  ["zip", /^-[A-Za-z]*T|^--unzip-command/, "what it starts"],
  ["sort", /^--compress-prog/, "what it starts"],
  ["split", /^--filter/, "what it starts"],
  ["go", /^-(?:exec|toolexec|vettool)\b/, "what it starts"],
  ["cargo", /^--config|^-Z/, "the setting"],
  ["npm pnpm yarn", /^--(?:script-shell|node-options|shell)|^config$/, "the setting"],
  ["gcc g++ cc clang clang++", /^-(?:wrapper|B|fplugin|specs)|^@/, "what it starts"],
  ["wget", /^(?:-e|--execute|--use-askpass)/, "the setting"],
  ["crontab at batch", /^/, "what runs later"],
  ["systemctl launchctl", /^(?:edit|link|import-environment|set-environment|submit)$/, "what runs later"],
  ["ip", /^(?:exec|-b|-batch)$/, "what it starts"],
  ["tmux", /^(?:source|source-file|command-prompt|confirm-before|bind|bind-key|set-hook|-f|;)$|;$/, "tmux's words"],
  ["screen", /^-X$|^-d?m/, "what it starts"],
];

const riskyOptions = new Map<string, { options: RegExp; why: string }[]>();
for (const [programs, options, why] of readers)
  for (const program of programs.split(" ")) riskyOptions.set(program, [...(riskyOptions.get(program) ?? []), { options, why }]);

const interpreters = new Set("python pypy perl ruby node nodejs php lua luajit osascript julia ghc racket guile".split(" "));
/** With one of these an interpreter does not read its program from its input. */
const noProgram = /^(?:-[vVhm]|-vV|--(?:version|help|test.*|check.*|watch))$/;
const shells = new Set("bash sh dash zsh ksh ash mksh rbash".split(" "));
const otherShells = new Set("fish csh tcsh nu xonsh elvish".split(" "));
/** Of the shell itself: what follows is no longer what it says. */
const changers = new Map(
  Object.entries({
    ".": "what the file says is not known",
    source: "what the file says is not known",
    alias: "an alias changes what later words say",
    unalias: "an alias changes what later words say",
    enable: "what later words run may change",
    hash: "what later words run may change",
    shopt: "how the shell reads may change",
    setopt: "how the shell reads may change",
    emulate: "how the shell reads may change",
    autoload: "what later words run may change",
    zmodload: "what later words run may change",
    let: "arithmetic may run commands",
    mapfile: "it may run commands",
    readarray: "it may run commands",
    complete: "it may run commands",
    compgen: "it may run commands",
    bind: "it may run commands",
    fc: "it may run commands",
    zle: "it may run commands",
    getopts: "it sets what is not known",
    foreach: "a form of zsh",
    always: "a form of zsh",
    coproc: "a form of zsh",
  }),
);
const hiddenChangers = new Set(["alias", "fc", "bind", "mapfile", "readarray", "foreach", "always", "autoload"]);
/** They set variables by name. */
const setters = new Set("export declare typeset local readonly integer float read printf unset test [ wait vared".split(" "));

/**
 * What a command runs beside itself, by the table; undefined for one that runs nothing that can be told from its words. The name
 * may be a path.
 */
export function openCommand(words: readonly ShellWord[]): Opened | undefined {
  const [name] = words;
  if (name === undefined || name.certainty === "open") return undefined;
  const full = programOf(name.text);
  const program = full.replace(/(?<=[a-z])[\d.]+$/, "");
  const rest = words.slice(1);
  const change = changers.get(full);
  if (change !== undefined) return { doubt: change, isOwn: true, isHidden: hiddenChangers.has(full) };
  if (full === "eval") return openText(rest[0]?.text === "--" ? rest.slice(1) : rest);
  if (full === "find" || full === "gfind") return openFind(rest);
  if (shells.has(program)) return openShell(program, rest);
  if (otherShells.has(program))
    return { doubt: `the words of ${program} are not read here`, code: spell(rest), isOwn: true, isHidden: true };
  if (full === "git") return openGit(rest);
  if (setters.has(full)) return openSetter(full, rest);
  if (full === "set") return openSet(rest);
  const opened = openWrapper(full, rest);
  return opened ?? openReader(program, rest);
}

const spell = (words: readonly ShellWord[]): string => words.map(({ text }) => text).join(" ");
const unreadable = (why: string): Opened => ({ doubt: why, isOwn: true, isHidden: true });

/** As eval, watch and ssh join them. */
function openText(words: readonly ShellWord[]): Opened {
  if (words.length === 0) return { isOwn: true };
  const isLiteral = words.every(({ certainty }) => certainty === "literal");
  return { scripts: [{ text: spell(words), certainty: isLiteral ? "literal" : "open" }], isOwn: false };
}

function openWrapper(program: string, rest: readonly ShellWord[]): Opened | undefined {
  const sub = wrappers.has(program) ? undefined : subCommandOf(program, rest);
  const key = sub === undefined ? program : `${program} ${sub.name}`;
  const row = wrappers.get(key);
  if (row === undefined) return undefined;
  const read = readOptions(sub?.rest ?? rest, row);
  if (read.isPlain) return undefined;
  const { isElsewhere = false } = row;
  const isOwn = row.isOwn === true || isElsewhere;
  if (read.unknown !== undefined)
    return { ...unreadable(`${printable(read.unknown)} of ${key} cannot be read`), commands: guesses(read.rest), isElsewhere };
  const names = row.hasNames === true ? takeNames(read.rest) : [];
  const words = read.rest.slice(row.operands ?? 0);
  const opened: Opened = { isOwn, isElsewhere, isMoved: read.isMoved, names, scripts: read.scripts };
  if (read.scripts.length > 0 || row.rest === "none") return key.includes(" ") ? withSub(key, words, opened) : opened;
  if (row.rest === "afterDashes") return { ...opened, commands: behindDashes(rest) };
  if (words.length === 0) return row.isOwn || isElsewhere ? opened : { isOwn: true };
  if (row.appends === true) return openData(words, read.replaced, row.rest === "script", opened);
  if (row.rest !== "script") return { ...opened, commands: [words] };
  if (program === "trap" && /^-?$/.test(words[0]?.text ?? "")) return { isOwn: true };
  const text = program === "trap" ? words.slice(0, 1) : words.filter(({ text }) => program !== "tmux" || text !== "Enter");
  return { ...opened, scripts: openText(text).scripts ?? [] };
}

/** `docker compose exec`, `git submodule foreach`: the sub-command's own words. */
function withSub(key: string, words: readonly ShellWord[], opened: Opened): Opened {
  const [first, ...rest] = words;
  if (key === "git submodule" && first?.text === "foreach")
    return { ...opened, ...openText(rest.filter(({ text }) => text !== "--recursive")), isOwn: true };
  if (key === "git bisect" && first?.text === "run") return { ...opened, commands: [rest] };
  if (/^docker (?:compose|container)$/.test(key) && /^(?:exec|run)$/.test(first?.text ?? "")) {
    const { rest: inner, unknown } = readOptions(rest, container);
    return unknown === undefined
      ? { ...opened, commands: [inner.slice(1)] }
      : { ...opened, ...unreadable(`${printable(unknown)} of ${key} cannot be read`), commands: guesses(inner), isElsewhere: true };
  }
  return opened;
}

const behindDashes = (words: readonly ShellWord[]): ShellWord[][] => {
  const at = words.findIndex(({ text }) => text === "--");
  return at < 0 ? guesses(words) : [words.slice(at + 1)];
};

/** Where a command begins is not known: at any of the words. */
const guesses = (words: readonly ShellWord[]): ShellWord[][] => words.slice(0, 16).map((_, index) => words.slice(index));

const printable = ({ text }: ShellWord): string => text.slice(0, 40);

function subCommandOf(program: string, rest: readonly ShellWord[]): { name: string; rest: ShellWord[] } | undefined {
  if (!/^(?:docker|podman|nerdctl|docker-compose|kubectl|oc|tmux|npm)$/.test(program)) return undefined;
  const global: Wrapper = {
    flags: "-2 -C -D -N -l -u -v -q --debug --tls --tlsverify --insecure-skip-tls-verify",
    values:
      "-H --host -c --context --config --log-level -n --namespace --kubeconfig --cluster -s --server --user -L -S -T -f --file -p --project-name --prefix -w --workspace",
  };
  const read = readOptions(rest, global);
  const [name, ...others] = read.rest;
  return name === undefined || read.unknown !== undefined ? undefined : { name: name.text, rest: others };
}

interface ReadOptions {
  rest: ShellWord[];
  scripts: ShellWord[];
  /** An option that is not in the table, or that only running tells. */
  unknown?: ShellWord;
  isPlain: boolean;
  isMoved: boolean;
  /** What xargs puts its data for. */
  replaced?: ShellWord;
}

function readOptions(words: readonly ShellWord[], row: Wrapper): ReadOptions {
  const has = (list: string | undefined, option: string) => ` ${list ?? ""} `.includes(` ${option} `);
  const read: ReadOptions = { rest: [], scripts: [], isPlain: false, isMoved: false };
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as ShellWord;
    const { text } = word;
    if (text === "--" && word.certainty !== "open") {
      at++;
      break;
    }
    if (word.certainty === "open" && (word.isSplit === true || (word.start ?? "") === "" || word.start?.startsWith("-")))
      return { ...read, rest: words.slice(at), unknown: word };
    if (!text.startsWith("-") || (text === "-" && !has(row.flags, "-"))) break;
    const { option, value } = nextOption(text, row, has);
    if (has(row.plain, option) || has(row.plain, text)) return { ...read, isPlain: true };
    if (has(row.hiding, option) || (!has(row.values, option) && !has(row.script, option) && !has(row.flags, option)))
      return { ...read, rest: words.slice(at + 1), unknown: word };
    if (has(row.flags, option)) continue;
    const taken = value === undefined ? words[++at] : { ...word, text: value };
    if (taken === undefined) return { ...read, unknown: word };
    if (has(row.script, option)) read.scripts.push(taken);
    if (has(row.moving, option)) read.isMoved = true;
    if (/^(?:-I|-J|--replace)$/.test(option)) read.replaced = taken;
  }
  return { ...read, rest: words.slice(at) };
}

/** The option that decides of a cluster: the first that takes a value or is not known; of `-nu root` that is `-u`. */
function nextOption(
  text: string,
  row: Wrapper,
  has: (list: string | undefined, option: string) => boolean,
): { option: string; value?: string } {
  const takes = (option: string) => has(row.values, option) || has(row.script, option);
  if (text.startsWith("--")) {
    const at = text.indexOf("=");
    return at < 0
      ? { option: text }
      : takes(text.slice(0, at))
        ? { option: text.slice(0, at), value: text.slice(at + 1) }
        : { option: text };
  }
  if (has(row.flags, text) || takes(text)) return { option: text };
  for (let at = 1; at < text.length; at++) {
    const option = `-${text[at]}`;
    const value = text.slice(at + 1);
    if (takes(option)) return value === "" ? { option } : { option, value };
    if (!has(row.flags, option)) return { option };
  }
  return { option: `-${text[1]}` };
}

function takeNames(words: ShellWord[]): string[] {
  const names: string[] = [];
  for (
    let name = /^([A-Za-z_]\w*)=/.exec(words[0]?.text ?? "")?.[1];
    name !== undefined;
    name = /^([A-Za-z_]\w*)=/.exec(words[0]?.text ?? "")?.[1]
  ) {
    names.push(name);
    words.shift();
  }
  return names;
}

/** The words with data that only running tells: behind them, or for the placeholder. */
function openData(words: readonly ShellWord[], replaced: ShellWord | undefined, isScript: boolean, opened: Opened): Opened {
  const place = replaced?.text ?? "{}";
  const filled = words.map((word) => (place !== "" && word.text.includes(place) ? openAt(word, word.text.indexOf(place)) : word));
  const command = replaced === undefined ? [...filled, openWords] : filled;
  return isScript
    ? { ...opened, commands: [command], scripts: [{ text: spell(words), certainty: "open" }] }
    : { ...opened, commands: [command] };
}

const openAt = (word: ShellWord, at: number): ShellWord => ({ ...word, certainty: "open", start: word.text.slice(0, at), isSplit: false });

function openFind(words: readonly ShellWord[]): Opened {
  const opened: Opened = { commands: [], isOwn: true };
  for (let at = 0; at < words.length; at++) {
    const { text } = words[at] as ShellWord;
    if (/^-(?:delete|fprint0?|fprintf|fls|files0-from)$/.test(text)) {
      opened.doubt = `${text} changes files`;
      if (text === "-delete") opened.commands?.push([literalWord("rm"), openWords]);
    }
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(text)) continue;
    const end = words.findIndex(
      (word, index) => index > at && (word.text === ";" || (word.text === "+" && words[index - 1]?.text === "{}")),
    );
    const inner = words.slice(at + 1, end < 0 ? words.length : end);
    opened.commands?.push(inner.map((word) => (word.text.includes("{}") ? openFile(word) : word)));
    at = end < 0 ? words.length : end;
  }
  return opened;
}

/** A file that find finds is none of the options: its name begins with that of a folder. */
const openFile = (word: ShellWord): ShellWord => ({ ...openAt(word, word.text.indexOf("{}")), isSplit: false });

function openShell(program: string, words: readonly ShellWord[]): Opened | undefined {
  let hasText = false;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as ShellWord;
    if (word.certainty === "open" && (word.isSplit === true || (word.start ?? "") === ""))
      return unreadable(`${printable(word)} of ${program} is known only when it runs`);
    if (word.text === "--" || word.text === "-") {
      at++;
      break;
    }
    if (!/^[-+]./.test(word.text)) break;
    if (/^--(?:login|noprofile|norc|posix|restricted|verbose)$/.test(word.text)) continue;
    if (/^--(?:version|help)$/.test(word.text)) return undefined;
    if (!/^[-+][abefhiklmnprtuvxBCEHPTDcsoO]+$/.test(word.text))
      return {
        ...unreadable(`${printable(word)} of ${program} cannot be read`),
        scripts: guesses(words.slice(at)).map(([first]) => first as ShellWord),
      };
    if (/c/.test(word.text)) hasText = true;
    if (/s/.test(word.text)) return { isOwn: true, readsStdin: true };
    if (/[oO]$/.test(word.text)) at++;
  }
  const first = words[at];
  if (!hasText) return first === undefined ? { isOwn: true, readsStdin: true } : { isOwn: true };
  if (first === undefined) return unreadable(`${program} has no text to read`);
  const isBash = /^(?:bash|sh|dash|ash)$/.test(program);
  return { scripts: [first], isOwn: false, ...(isBash ? {} : { doubt: `${program} reads some words in its own way` }) };
}

const gitGlobals: Wrapper = {
  flags: "-p -P --paginate --no-pager --bare --no-replace-objects --literal-pathspecs --no-optional-locks --version --help",
  values: "-C --git-dir --work-tree --namespace",
  hiding: "-c --config-env --exec-path",
};

function openGit(words: readonly ShellWord[]): Opened | undefined {
  const { rest, unknown } = readOptions(words, gitGlobals);
  // An alias runs anything.
  if (unknown !== undefined) return unreadable(`${printable(unknown)} lets git run other programs`);
  const [name, ...others] = rest;
  const key = `git ${name?.text ?? ""}`;
  const risky = openReader("git", words);
  const row = wrappers.get(key);
  if (row === undefined) return risky;
  const read = readOptions(others, row);
  const opened = withSub(key, read.rest, { isOwn: true, scripts: read.scripts });
  // The options of most of git are plain; only those that run something count.
  const hidden = read.unknown !== undefined && others.some(({ text }) => /^(?:-[a-z]*x|--exec)/.test(text));
  return hidden ? unreadable(`${printable(read.unknown as ShellWord)} cannot be read`) : { ...risky, ...opened };
}

function openReader(program: string, words: readonly ShellWord[]): Opened | undefined {
  for (const { options, why } of riskyOptions.get(program) ?? [])
    if (words.some(({ text }) => options.test(text)) || options.source === "^")
      return { doubt: `${why} of ${program} is not read here`, code: spell(words), isOwn: true };
  if (
    interpreters.has(program) &&
    (words.some(({ text }) => text === "-") ||
      (words.every(({ text }) => text.startsWith("-")) && !words.some(({ text }) => noProgram.test(text))))
  )
    return { doubt: `${program} reads its program from its input`, code: spell(words), isOwn: true };
  if (/^[gmn]?awk$/.test(program))
    return openCode(words, /^[^|>@`]*$/, /system|getline|close|printf?\s*>|--(?:load|exec|include)|^-[lieE]/, program);
  if (/^g?sed$/.test(program)) return openSed(words);
  return undefined;
}

function openCode(words: readonly ShellWord[], plain: RegExp, risky: RegExp, program: string): Opened | undefined {
  return words.every(({ text }) => plain.test(text) && !risky.test(text))
    ? undefined
    : { doubt: `the code of ${program} is not read here`, code: spell(words), isOwn: true };
}

/** `s/a/b/g`, `1,5p`, `/x/d`: whatever else sed can, `e` and `w` among it, is not approved unseen. */
const plainSed =
  /^(?:s([/|#,:@])(?:(?!\1)[^\\\n]|\\[^\n])*\1(?:(?!\1)[^\\\n]|\\[^\n])*\1[gIip0-9]*|(?:\d+|\$|\/(?:[^/\\\n]|\\[^\n])*\/)?(?:,(?:\d+|\$|\/(?:[^/\\\n]|\\[^\n])*\/))?!?[pdq=])$/;

function openSed(words: readonly ShellWord[]): Opened | undefined {
  const scripts: ShellWord[] = [];
  let hasScript = false;
  words.forEach((word, index) => {
    const before = words[index - 1]?.text ?? "";
    const joined = /^(?:--expression=|-[nErsuz]*e)(.+)$/s.exec(word.text)?.[1];
    if (/^-[A-Za-z]*f|^--file/.test(word.text)) hasScript = true;
    if (joined !== undefined || /^(?:-[nErsuz]*e|--expression)$/.test(before)) {
      scripts.push({ ...word, text: joined ?? word.text });
      hasScript = true;
    }
  });
  const first = words.find(({ text }) => !/^-./.test(text));
  if (!hasScript && first !== undefined) scripts.push(first);
  const isPlain = scripts.every(
    ({ text, certainty }) => certainty === "literal" && text.split(";").every((part) => plainSed.test(part.trim())),
  );
  return isPlain ? undefined : { doubt: "the script of sed is not read here", code: spell(words), isOwn: true };
}

/** `read PATH`, `printf -v 'a[$(x)]'`, `declare -n`. */
function openSetter(program: string, words: readonly ShellWord[]): Opened | undefined {
  const isTest = program === "test" || program === "[" || program === "wait";
  const sets =
    program === "printf" ? words.some(({ text }) => text.startsWith("-v")) : isTest ? words.some(({ text }) => /^-[vRp]/.test(text)) : true;
  if (program === "printf" || isTest) {
    const isArithmetic =
      program === "[" || program === "test"
        ? words.some(({ text }) => /^-(?:eq|ne|lt|le|gt|ge)$/.test(text)) &&
          words.some(({ certainty, text }) => certainty !== "literal" || /\[.*[$`]/.test(text))
        : false;
    return sets || isArithmetic ? { doubt: `${program} may set or reckon what is not known`, isOwn: true } : undefined;
  }
  const names = words.map(({ text }) => /^([A-Za-z_]\w*)(?:\+?=|$)/.exec(text)?.[1] ?? "");
  const isOdd = words.some(({ text, certainty, start = "" }) =>
    text.startsWith("-")
      ? !/^-[rxgps]+$/.test(text)
      : certainty === "open"
        ? !/^[A-Za-z_]\w*=/.test(start)
        : !/^[A-Za-z_]\w*(?:\+?=|$)/.test(text),
  );
  return { names, isOwn: true, ...(isOdd ? { doubt: `${program} may set what is not known` } : {}) };
}

/** `set -euo pipefail` is what every script begins with. */
function openSet(words: readonly ShellWord[]): Opened | undefined {
  const isPlain = words.every(
    ({ text, certainty }) => certainty === "literal" && /^(?:[-+][eux]*o?|pipefail|errexit|nounset|xtrace)$/.test(text),
  );
  return isPlain ? undefined : { doubt: "how the shell reads may change", isOwn: true };
}

const riskyNames =
  /^(?:PATH|LD_.*|DYLD_.*|GIT_.*|NODE_.*OPTIONS|NODE_PATH|PYTHON.*|PERL.*|RUBY.*|BASH_ENV|BASH_.*|ENV|ZDOTDIR|IFS|PS[0-9]|PROMPT.*|SHELLOPTS|BASHOPTS|SHELL|HOME|PWD|OLDPWD|TMPDIR|GLOBIGNORE|EXECIGNORE|FPATH|fpath|path|cdpath|HISTFILE|POSIXLY_CORRECT|EDITOR|VISUAL|BROWSER|SUDO_.*|SSH_.*|CLAUDE.*|ANTHROPIC.*|CSM_.*|npm_.*|NPM_.*|YARN_.*|PNPM_.*|BUN_.*|CARGO.*|RUSTC.*|GO[A-Z]+|JAVA_.*|_JAVA.*|JDK_.*|MAVEN_.*|GRADLE_.*|DOCKER_.*|KUBE.*|AWS_.*|CC|CXX|CPP|LD|AR|MAKE.*|CMAKE.*|LESS.*|MAN.*|TERMINFO.*|GCONV_PATH|LOCPATH|NLSPATH|OPENSSL_.*|XDG_.*|http_proxy|https_proxy|HTTPS?_PROXY|ALL_PROXY|.*PATH|.*_OPTIONS|.*_OPTS|.*_?COMMAND|.*_CMD|.*_?EDITOR|.*_?PAGER|.*ASKPASS|.*_SHELL|.*_WRAPPER|.*FLAGS|.*_HOOKS?|.*PRELOAD|.*_HOME|.*_CONFIG.*|.*_PROGRAM|.*_EXEC.*|LINENO|RANDOM|SECONDS|FUNCNEST|TMOUT)$/;

/** Variables by which a program is made to do something else. */
export const isRiskyName = (name: string): boolean => riskyNames.test(name);
