/** One row of the table: how a program hands on to another command. */
export interface Wrapper {
  /** Options without a value. */
  flags?: string;
  /** Options that take the next word, or the rest of theirs. */
  values?: string;
  /** Words of its own before the command. */
  operands?: number;
  hasNames?: boolean;
  /** Options that take a name away. */
  unsets?: string;
  /** The rest is a command (unless told), a text for a shell, or goes on behind `--`. */
  rest?: "command" | "script" | "afterDashes" | "none";
  /** The option whose value a shell reads. */
  script?: string;
  /** Options that make it something else: a look-up, a version. */
  plain?: string;
  /** Options that hide what it does, or where. */
  hiding?: string;
  /** Options by which it finds other programs of the same names: without a PATH, or by the system's own. */
  doubtful?: string;
  /** It adds words that only running tells. */
  appends?: boolean;
  isOwn?: boolean;
  isElsewhere?: boolean;
  moving?: string;
  /** Without a command a shell starts that reads its input; where one of the words is of this form. */
  starts?: RegExp;
}

const sudo: Wrapper = {
  flags:
    "-A -b -E -H -i -k -K -n -P -S -s -v -l -B -N --askpass --background --preserve-env --set-home --login --non-interactive --stdin --shell",
  values:
    "-u -g -h -p -C -c -r -t -T -U -D -R -a --user --group --host --prompt --close-from --chdir --chroot --role --type --other-user --command-timeout",
  ...{ hasNames: true, isElsewhere: true, starts: /^-[A-Za-z]*[si]|^--(?:shell|login)/ },
};
const containerValues =
  "-e --env --env-file -u --user -w --workdir --detach-keys -v --volume -p --publish --name --network --net -h --hostname -l --label --entrypoint --mount -m --memory --cpus --platform --pull --restart -a --attach --add-host --cap-add --cap-drop --device --dns --gpus --ip --ipc --link --log-driver --log-opt --pid --security-opt --shm-size --tmpfs --ulimit --userns --volumes-from --cidfile --group-add --init-path --runtime --stop-signal --stop-timeout --index --profile -f --file --project-name --project-directory";
const containerFlags =
  "-i -t -d -P -q -T -it -ti --rm --init --interactive --tty --detach --privileged --read-only --no-deps --quiet --build --service-ports --no-TTY";
export const container: Wrapper = { flags: containerFlags, values: containerValues, operands: 1, isElsewhere: true };
const tmuxText: Wrapper = {
  flags: "-A -d -D -E -P -X -b -f -h -v -Z -k -l -H -M -R -N -B -C -I -O -a -S -w",
  values: "-t -c -e -F -n -s -x -y -T -p",
  ...{ rest: "script", isElsewhere: true },
};

const npx: Wrapper = {
  flags: "-y -q --yes --no --no-install --quiet --prefer-offline --prefer-online",
  values: "-p --package -w --workspace",
  ...{ script: "-c --call", isElsewhere: true },
};

export const wrappers = new Map<string, Wrapper>(
  Object.entries({
    env: {
      flags: "-0 -v --null --debug",
      values: "-u --unset -C --chdir",
      unsets: "-u --unset",
      hasNames: true,
      hiding: "-S --split-string -P",
      doubtful: "-i - --ignore-environment",
      moving: "-C --chdir",
    },
    timeout: { flags: "-v -f -p --foreground --preserve-status --verbose", values: "-s --signal -k --kill-after", operands: 1 },
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
    command: { doubtful: "-p", plain: "-v -V" },
    builtin: {},
    exec: { flags: "-l", values: "-a", doubtful: "-c" },
    noglob: { isOwn: true },
    nocorrect: { isOwn: true },
    "-": { isOwn: true },
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
      ...{ rest: "script", appends: true, hiding: "--pipe --pipepart -S --sshlogin", starts: /^/ },
    },
    watch: {
      flags: "-b -c -d -e -g -p -q -t -w -x --beep --color --differences --errexit --chgexit --precise --no-title --exec",
      ...{ values: "-n --interval", rest: "script" },
    },
    // A form of zsh, and a program elsewhere.
    repeat: { operands: 1, isOwn: true },
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
    script: {
      flags: "-a -e -f -q -k -r",
      values: "-E -I -O -B -T -m -o -t",
      script: "-c --command",
      rest: "none",
      isOwn: true,
      starts: /^/,
    },
    sudo,
    doas: { flags: "-L -n -s", values: "-u -C -a", isElsewhere: true, starts: /^-[A-Za-z]*s/ },
    su: {
      flags: "- -l -m -p -P -f --login --preserve-environment --pty",
      values: "-s -g -G -w -T --shell --group",
      script: "-c --command --session-command",
      ...{ rest: "none", operands: 1, isElsewhere: true, starts: /^/ },
    },
    runuser: {
      flags: "- -l -m -p -P -f --login",
      values: "-u -s -g -G -w --shell --user --group",
      ...{ script: "-c --command", isElsewhere: true, starts: /^-[lm]?$|^--login/ },
    },
    pkexec: { flags: "--disable-internal-agent --keep-cwd", values: "--user -u", isElsewhere: true },
    ssh: {
      flags: "-4 -6 -A -a -C -f -G -g -K -k -M -N -n -q -s -T -t -V -v -X -x -Y -y -tt -vv -vvv",
      values: "-B -b -c -D -E -e -I -i -J -L -l -m -O -p -Q -R -S -W -w",
      ...{ hiding: "-o -F", operands: 1, rest: "script", isElsewhere: true, starts: /^/ },
    },
    chroot: { flags: "--skip-chdir", values: "--userspec --groups", operands: 1, isElsewhere: true, starts: /^/ },
    jobs: { flags: "-x", plain: "-l -n -p -r -s", isOwn: true },
    "npm explore": { operands: 1, rest: "afterDashes", isElsewhere: true },
    "podman unshare": { isElsewhere: true, starts: /^/ },
    "kubectl debug": { rest: "afterDashes", isElsewhere: true },
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
    "docker container": { rest: "none", isElsewhere: true },
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
    "npm exec": npx,
    "npm x": npx,
    npx,
  } satisfies Record<string, Wrapper>),
);

/** They run the command that stands somewhere behind their own words, or in one of them. */
export const runners = new Set(
  `sshpass proxychains proxychains4 torsocks firejail bwrap fakeroot faketime xvfb-run valgrind perf hyperfine entr nodemon concurrently
   dotenv dotenvx direnv nix nix-shell poetry pipenv uv uvx bundle bunx conda mise asdf chronic tsp rtk daemonize cross-env
   doppler op aws-vault gosu su-exec tini dumb-init machinectl wsl corepack cross-env-shell watchexec proot catchsegv chpst numactl sg
   pkgx cgexec prlimit softlimit setuidgid envdir eatmydata`
    .split(/\s+/)
    .concat(
      ["pnpm exec", "pnpm dlx", "pnpm x", "yarn exec", "yarn dlx", "bun x", "rbenv exec", "pyenv exec", "nodenv exec"],
      ["pipx run", "volta run", "hatch run", "fnm exec", "nvm exec", "rustup run", "cargo watch", "devbox run"],
    ),
);

/** Words that another program or language reads; nobody here does. A text holds long options, which most programs take cut short as well. */
const readers: [programs: string, options: RegExp | string, why: string][] = [
  ["python pypy", /^-[A-Za-z]*c|^(?:-m)?(?:timeit|code|pdb|trace|profile|cProfile)$/, "the code"],
  ["perl ruby", /^-(?![IMmr])[A-Za-z0-9]*[eE]|^-[A-Za-z]*[mM].*[^\w:=,.-]/, "the code"],
  [
    "node nodejs bun deno",
    /^(?:-[ep]|-pe|--(?:eval|print)(?:=.*)?)$|^-r$|^--(?:require|import|preload|loader|experimental-loader|experimental-config-file|env-file|openssl-config)\b|^--test-reporter(?!=(?:spec|tap|dot|junit|lcov)$)/,
    "the code",
  ],
  ["php", /^-[rRBEaz]|^--run$|^(?:-d)?(?:auto_(?:ap|pre)pend|extension|zend_ext|include_path)/, "the code"],
  [
    "lua luajit osascript rscript julia elixir groovy scala kotlin ghc swift erl racket guile sbcl ocaml",
    /^-{1,2}(?:e|E|eval|l|--eval|i)\b/,
    "the code",
  ],
  ["java", /^-(?:agent|javaagent|Xrun|Xbootclasspath|XX:(?:OnError|OnOutOfMemoryError|Flags|VMOptionsFile))|^@/, "what it starts"],
  ["mvn mvnw", /\bexec:|^-Dexec\./, "what it starts"],
  ["pwsh powershell", /^/, "the code"],
  ["cmd rundll32 wscript cscript mshta", /^/, "the code"],
  ["gdb lldb", /^-(?:ex|eval|o|-eval-command|-command|-batch|x)/, "the debugger's words"],
  ["gdb", "eval-command init-eval-command command init-command", "the debugger's words"],
  [
    "vim vi nvim ex view gvim rvim vimdiff",
    /^(?:-c|-[uUSsWwil].*|-E|-e|-es|--(?:cmd|server|listen)|--remote-\S*(?:expr|send)|\+.*)$/,
    "the editor's words",
  ],
  ["emacs emacsclient", /^-{1,2}(?:e|eval|batch|l|load|f|funcall|x|script|insert)/, "the editor's words"],
  ["emacs emacsclient", "eval batch load funcall script execute insert", "the editor's words"],
  ["nano", /^-[A-Za-z]*s/, "what it starts"],
  ["nano", "speller", "what it starts"],
  ["expect tclsh wish socat nmap", /^/, "the script"],
  // As `programOf` names it, without its version.
  ["sqlite", /\.(?:shell|system|import|output|once|excel|read|load)|writefile|load_extension|edit\(|^-init$/i, "the script"],
  ["psql mysql mariadb", /\\!|system\s|program|outfile/i, "the script"],
  ["git", /^--[a-z-]*-filter\b|^ext::|^-O/, "what it starts"],
  ["git", "upload-pack receive-pack exec open-files-in-pager ext-diff extcmd tool textconv access-hook template output", "what it starts"],
  ["git", /^-c\S+\.\S+=/, "what it starts"],
  ["tar bsdtar", /^-[A-Za-z]*[IF]/, "what it starts"],
  [
    "tar bsdtar",
    "checkpoint-action to-command use-compress-program rsh-command rmt-command info-script new-volume-script",
    "what it starts",
  ],
  ["rsync", /^-[A-Za-z]*e|^--rsh|^--rsync-path/, "what it starts"],
  ["scp sftp", /^-[A-Za-z]*[oSFDbs]/, "what it starts"],
  ["man less more most", /^-[A-Za-z]*[PH]|^\+/, "what it starts"],
  ["man less more most", "pager html lesskey-file lesskey-src lesskey-content", "what it starts"],
  [
    "make",
    // Names of programs, `X!=command`, and what make itself or the shell of a recipe expands (GNU make 4.3).
    /^(?:\.SHELLFLAGS|AS|FC|M2C|PC|CO|GET|LEX|YACC|LINT|TEX|RM|INSTALL|PYTHON|NPM|NODE)\s*[:+?]?=|^[^=]*!=|^[^-=][^=]*=.*[$`;&|<>\n]|^-[eE]|^-(?:f-)?$|^\/dev\/(?:stdin|fd)\b/,
    "the makefile",
  ],
  ["make", "eval environment-overrides", "the makefile"],
  ["nc ncat netcat", /^-[a-z]*[ec]/, "what it starts"],
  ["nc ncat netcat", "exec sh-exec lua-exec", "what it starts"],
  ["zip", /^-[A-Za-z]*T/, "what it starts"],
  ["zip", "unzip-command", "what it starts"],
  ["sort", "compress-program", "what it starts"],
  ["rg", /^--(?:pre|hostname-bin)\b/, "what it starts"],
  ["ag bat batcat delta hg jj svn", "pager config config-option", "what it starts"],
  ["fzf sk", /^--(?:preview|bind)\b/, "what it starts"],
  ["curl", /^-[A-Za-z]*K/, "the setting"],
  ["curl", "config", "the setting"],
  ["ed red newgrp run-parts start-stop-daemon pee", /^/, "what it starts"],
  ["sort shuf tree", /^-[A-Za-z]*o/, "the file"],
  ["sort shuf tree", "output", "the file"],
  ["split", "filter", "what it starts"],
  ["go", /^-{1,2}(?:exec|toolexec|vettool)\b/, "what it starts"],
  ["cargo", /^--config|^-Z|^(?:-C)?linker=/, "the setting"],
  ["npm pnpm yarn", "script-shell node-options shell userconfig globalconfig git editor browser viewer", "the setting"],
  ["pip", /^--python\b/, "the setting"],
  ["gcc g++ cc clang clang++", /^-(?:wrapper|B|fplugin|specs)|^@/, "what it starts"],
  ["wget", /^-e/, "the setting"],
  ["wget", "execute use-askpass config", "the setting"],
  ["helm", "post-renderer", "what it starts"],
  ["crontab at batch", /^/, "what runs later"],
  ["ip", /^(?:exec|-b|-batch)$/, "what it starts"],
  ["tmux", /^(?:source|source-file|command-prompt|confirm-before|bind|bind-key|set-hook|-f|;)$|;$/, "tmux's words"],
  ["screen", /^-X$|^-d?m/, "what it starts"],
];

/** The same of sub-commands, which are words like any others elsewhere: `npm run set`, `git log --grep hook`, `gh issue list alias`. */
const readingVerbs: typeof readers = [
  ["deno", /^eval$/, "the code"],
  ["git", /^(?:filter-branch|remote-ext|shell|hook|difftool|mergetool|send-email|instaweb)$/, "what it starts"],
  // The older form of its options has no dash.
  ["tar bsdtar", /^(?=[a-zA-Z]*[cxtru])[cxtruvzjJfpkmhOwZa]*[IF][cxtruvzjJfpkmhOwIFZa]*$/, "what it starts"],
  ["gh glab", /^(?:alias|config|ext(?:ensions?)?)$/, "what it starts"],
  // npm takes the beginning of a name as well.
  ["npm pnpm yarn", /^(?:c|con(?:f(?:ig?)?)?|set|set-script|pkg?)$/, "the setting"],
  ["yarn", /^plugin$/, "what it starts"],
  ["pip", /^config$/, "the setting"],
  ["systemctl launchctl", /^(?:edit|link|import-environment|set-environment|submit)$/, "what runs later"],
];

interface Risk {
  fits(word: string): boolean;
  /** Of the sub-command alone. */
  isVerb: boolean;
  /** Whatever its words are. */
  isAlways: boolean;
  why: string;
}

const riskOf = (options: RegExp | string, why: string, isVerb: boolean): Risk => ({
  isVerb,
  fits: typeof options === "string" ? (word) => isLongOption(word, options) : (word) => options.test(word),
  isAlways: typeof options !== "string" && options.source === "^",
  why,
});

/** `--upload-p=x` is `--upload-pack=x`, for git, getopt and npm alike; `names`: without the dashes. */
export function isLongOption(word: string, names: string): boolean {
  const name = /^--([a-z][a-z-]*)(?==|$)/.exec(word)?.[1];
  return name !== undefined && !wholeOptions.has(name) && ` ${names}`.includes(` ${name}`);
}

/** They begin as one that runs something, and are options of their own. */
const wholeOptions: ReadonlySet<string> = new Set(["text", "checkpoint"]);

const risks = new Map<string, Risk[]>();
for (const table of [readers, readingVerbs])
  for (const [programs, options, why] of table)
    for (const program of programs.split(" "))
      risks.set(program, [...(risks.get(program) ?? []), riskOf(options, why, table === readingVerbs)]);
/** What of a program's words another program or language reads. */
export const risksOf = (program: string): readonly Risk[] => risks.get(program) ?? [];

/** With their options that take the next word. */
export const interpreters = new Map(
  Object.entries({
    ...{ python: "-W -X -Q", pypy: "-W -X", perl: "-I", ruby: "-I -r -C -E", php: "-d -c", lua: "-l", luajit: "-l", julia: "-L -t -p" },
    ...{
      node: "-C -r --conditions --require --import",
      nodejs: "-C -r",
      deno: "",
      bun: "-r --preload --cwd",
      guile: "-L -l",
      racket: "-l",
    },
    ...{ osascript: "-l", ghc: "" },
  }),
);
/** With one of these an interpreter does not read its program from its input. */
export const noProgram = /^(?:-[vVhm]|-vV|--(?:version|help|test.*|check.*|watch))$/;
export const shells = new Set("bash sh dash zsh ksh ash mksh rbash".split(" "));
export const otherShells = new Set("fish csh tcsh nu xonsh elvish".split(" "));
/** The first of its words that is no option is a program in a file. */
export const startsFile = (program: string): boolean => {
  const name = program.replace(/(?<=[a-z])[\d.]+$/, "");
  return shells.has(name) || otherShells.has(name) || interpreters.has(name) || /^(?:\.|source)$/.test(program);
};
/** Of the shell itself: what follows is no longer what it says. */
export const changers = new Map(
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
    history: "it may write files",
    zle: "it may run commands",
    getopts: "it sets what is not known",
    foreach: "a form of zsh",
    always: "a form of zsh",
    coproc: "a form of zsh",
  }),
);
export const hiddenChangers = new Set(["alias", "fc", "bind", "mapfile", "readarray", "foreach", "always", "autoload"]);
/** They only read and tell, whatever words they are given: none of their options writes or starts anything. */
export const harmlessReaders = new Set("cat wc head tail ls stat basename dirname echo".split(" "));
/** They set variables by name. */
export const setters = new Set("export declare typeset local readonly integer float read printf unset test [ wait vared".split(" "));

/** What git is told to start: `git config alias.x '!cmd'`, `git clone -c core.pager=cmd`. */
export const gitSetting =
  /^(?:alias|core|diff|difftool|mergetool|filter|merge|credential|pager|sequence|gpg|url|include|includeif|protocol|init|remote|submodule)\.\S/i;

export const gitGlobals: Wrapper = {
  flags: "-p -P --paginate --no-pager --bare --no-replace-objects --literal-pathspecs --no-optional-locks --version --help",
  values: "-C --git-dir --work-tree --namespace",
  hiding: "-c --config-env --exec-path",
};

const riskyNames = new RegExp(
  `^(?:${[
    // The shell and the loader.
    "PATH|LD_.*|DYLD_.*|BASH_.*|ENV|ZDOTDIR|IFS|PS[0-9]|PROMPT.*|SHELLOPTS|BASHOPTS|SHELL|HOME|PWD|OLDPWD|TMPDIR|GLOBIGNORE|EXECIGNORE|FPATH|fpath|path|cdpath|HISTFILE|POSIXLY_CORRECT|LINENO|S?RANDOM|SECONDS|OPTIND|HISTCMD|BASHPID|HISTSIZE|SAVEHIST|KEYTIMEOUT|LISTMAX|LOGCHECK|MAILCHECK|FUNCNEST|TMOUT|GLIBC_TUNABLES|MALLOC_CONF|QEMU_.*|GCONV_PATH|LOCPATH|NLSPATH|HOSTALIASES|TERMCAP|TERMINFO.*",
    // What one program makes of them.
    "GIT_.*|NODE_(?!ENV$).*|PYTHON.*|PYTEST_.*|PERL.*|RUBY.*|PHPRC|EDITOR|VISUAL|BROWSER|VIM|VIMRUNTIME|SUDO_.*|SSH_.*|CLAUDE.*|ANTHROPIC.*|CSM_.*|npm_.*|NPM_.*|YARN_.*|PNPM_.*|COREPACK_.*|BUN_.*|DENO_.*|CARGO.*|RUSTC.*|RUSTDOC|RUSTUP_.*|GO[A-Z]+|JAVA_.*|_JAVA.*|JDK_.*|MAVEN_.*|MVNW_.*|GRADLE_.*|DOCKER_.*|KUBE.*|HELM_.*|TF_.*|ANSIBLE_.*|VAGRANT_.*|AWS_.*|PIP_.*|UV_.*|POETRY_.*|CC|CXX|CPP|LD|AR|CCACHE_.*|DISTCC_.*|MAKE.*|CMAKE.*|LESS.*|MAN.*|OPENSSL_.*|XDG_.*|https?_proxy|HTTPS?_PROXY|ALL_PROXY|GZIP|ZIPOPT|COR(?:ECLR)?_.*",
    // As such names end.
    ".*(?:PATH|FLAGS|PRELOAD|ASKPASS|_OPTIONS|_OPTS?|_ADDOPTS|_ARGS|_?COMMAND|_CMD|_?EDITOR|_?PAGER|_SHELL|_RSH|_SSH|_WRAPPER|_HOOKS?|_HOME|_CONFIG.*|_PROGRAM|_EXEC.*|_PREFIX|_PLUGINS?|_MODULES|_LIBS|_LIBRARY|_TOOLCHAIN|_REGISTRY|_PROFILE(?:_.*)?|[A-Z]RC|[A-Z]INIT|_INIT)",
  ].join("|")})$`,
);

/** They are named as such ones, and start and find nothing, whatever they hold. */
const harmlessNames = new Set(
  "PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONHASHSEED CARGO_TERM_COLOR CARGO_INCREMENTAL GOOS GOARCH NODE_NO_WARNINGS DOCKER_BUILDKIT".split(
    " ",
  ),
);

/** Variables by which a program is made to do something else. */
export const isRiskyName = (name: string): boolean => riskyNames.test(name) && !harmlessNames.has(name);

/** What these hold is a command for some program. */
export const holdsCommand = (name: string): boolean =>
  /(?:COMMAND|CMD|EDITOR|VISUAL|PAGER|ASKPASS|BROWSER|OPEN|WRAPPER|SHELL|_SSH|_RSH|_DIFF|PROXY_COMMAND|FILTER)$|^PS4$/.test(name);
