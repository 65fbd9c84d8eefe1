import { isPlanTool } from "./claude-gate.ts";
import { decidersOf, type Rule } from "./rules.ts";
import { type BookOf, isApproval, type JudgeCall, outcomeOf, type PastCall, type PastVerdict, type VerdictOf } from "./rules-replay.ts";

/** A rule that would have saved questions. */
interface Suggestion {
  rule: Rule;
  /** That it would have saved, alone or with others of its kind. */
  questions: number;
  sessions: number;
  /** The newest of the calls. */
  example: PastCall;
}

export interface Suggestions {
  suggestions: Suggestion[];
  /** Questions that a person said yes to, as far as transcripts tell. */
  approvals: number;
  /** Those among them that the rules as they are would have saved. */
  covered: number;
  /** Those that the suggestions would have saved. */
  saved: number;
  /** Calls that ran where nothing tells whether somebody was asked. */
  untold: number;
}

/** So many approvals, in so many sessions, are a habit. */
const [leastQuestions, leastSessions] = [3, 2];

interface Judged {
  bookOf: BookOf;
  /** By the rules as they are, with the parts of each call. */
  verdictOf: VerdictOf;
  judgeCall: JudgeCall;
}

/** A rule with the calls that it was made of; no other one is saved by it. */
interface Candidate {
  rule: Rule;
  calls: ReadonlySet<PastCall>;
  /** They stand in each call that it is about. */
  near: readonly string[];
  /** That a part of a command begins with. */
  words?: readonly string[];
}

/** The shortest rules for what was approved again and again; none of them allows a call that was ever refused. */
export function suggestRules(calls: readonly PastCall[], { bookOf, verdictOf, judgeCall }: Judged): Suggestions {
  const asked = calls.filter((call) => isApproval(call) && call.tool !== "AskUserQuestion" && !isPlanTool(call.tool));
  const open = asked.filter((call) => {
    const { decision, deciders } = verdictOf(call);
    return decision === "none" || (decision === "ask" && deciders.length === 0);
  });
  const refused = calls.filter((call) => ["refused", "blocked"].includes(outcomeOf(call)));
  const refusedNear = createNear(refused);
  const withRules = createExtender(bookOf);
  const allowers = (call: PastCall, rules: readonly Rule[]): Rule[] => {
    const judgement = judgeCall(withRules(call, rules), call);
    return judgement.decision === "allow" ? decidersOf(judgement).filter((rule) => rules.includes(rule)) : [];
  };
  const isSafe: IsSafe = (rule, near) => {
    const alone = [rule];
    return !refusedNear(near).some((call) => allowers(call, alone).length > 0);
  };
  const names = new Set(calls.flatMap((call) => bookOf(call).rules.map(({ name }) => name)));
  const partsOf = (call: PastCall) => verdictOf(call).parts ?? [];
  let left = nameRules([...suggestCommands(open, partsOf, isSafe), ...suggestOthers(open, isSafe)], names);
  for (;;) {
    const rules = left.map(({ rule }) => rule);
    const saved = new Map(rules.map((rule) => [rule, [] as PastCall[]]));
    for (const [call, own] of groupByCall(left, (call, of) => isHopeful(verdictOf(call), of)))
      for (const rule of allowers(call, own)) saved.get(rule)?.push(call);
    let good = left.filter(({ rule }) => isHabit(saved.get(rule) ?? []));
    // Each was safe by itself; together they may allow a line of commands that was refused.
    if (good.length === left.length) good = without(good, new Set(refused.flatMap((call) => allowers(call, rules))));
    if (good.length === left.length) {
      const suggestions = left.map(({ rule }) => describe(rule, saved.get(rule) ?? [])).sort((a, b) => b.questions - a.questions);
      return {
        suggestions,
        approvals: asked.length,
        covered: asked.filter((call) => verdictOf(call).decision === "allow").length,
        saved: new Set([...saved.values()].flat()).size,
        untold: calls.filter((call) => call.decision === undefined && outcomeOf(call) === "ran").length,
      };
    }
    left = good;
  }
}

const without = (candidates: readonly Candidate[], bad: ReadonlySet<Rule>): Candidate[] => candidates.filter(({ rule }) => !bad.has(rule));

/** The rules that each call is a reason for, as one list for all that have the same. */
function groupByCall(
  candidates: readonly Candidate[],
  isWanted: (call: PastCall, own: readonly Candidate[]) => boolean,
): Map<PastCall, readonly Rule[]> {
  const places = new Map<PastCall, number[]>();
  for (const [place, { calls }] of candidates.entries())
    for (const call of calls) {
      const known = places.get(call);
      if (known === undefined) places.set(call, [place]);
      else known.push(place);
    }
  const lists = new Map<string, readonly Rule[]>();
  const found = new Map<PastCall, readonly Rule[]>();
  for (const [call, own] of places) {
    const ownCandidates = own.flatMap((place) => candidates[place] ?? []);
    if (!isWanted(call, ownCandidates)) continue;
    const list = lists.get(own.join(" ")) ?? ownCandidates.map(({ rule }) => rule);
    lists.set(own.join(" "), list);
    found.set(call, list);
  }
  return found;
}

/** No command in it is without a rule, as far as words tell; the judge decides, and takes longer. */
const isHopeful = ({ decision, parts = [] }: PastVerdict, own: readonly Candidate[]): boolean =>
  decision !== "none" ||
  parts.every((text) => {
    const { words } = wordsOf(text);
    return words.length === 0 || own.some(({ words: wanted }) => wanted?.every((word, index) => words[index] === word) ?? true);
  });

/** Whether no refused call is allowed by the rule; only those are looked at in which these words stand. */
type IsSafe = (rule: Rule, near: readonly string[]) => boolean;

/** The calls among these in which all of some words stand, wherever; without what a shell drops, as a rule is about what is left. */
function createNear(calls: readonly PastCall[]): (words: readonly string[]) => PastCall[] {
  const texts = calls.map(({ tool, input, cwd = "" }) => {
    const values = Object.values(input).filter((value) => typeof value === "string");
    return [tool, cwd, ...values].join(" ").replace(/\\\n|['"\\]/g, "");
  });
  return (words) => calls.filter((_, index) => words.every((word) => texts[index]?.includes(word)));
}

/** The rules of a call with these behind them: one list for each pair, so that judgements can be remembered by it. */
function createExtender(bookOf: BookOf): (call: PastCall, more: readonly Rule[]) => readonly Rule[] {
  const known = new WeakMap<readonly Rule[], Map<readonly Rule[], readonly Rule[]>>();
  return (call, more) => {
    const { rules } = bookOf(call);
    const extended = known.get(more) ?? new Map<readonly Rule[], readonly Rule[]>();
    known.set(more, extended);
    const all = extended.get(rules) ?? [...rules, ...more];
    extended.set(rules, all);
    return all;
  };
}

const describe = (rule: Rule, calls: readonly PastCall[]): Suggestion => ({
  rule,
  questions: calls.length,
  sessions: countSessions(calls),
  example: calls.at(-1) as PastCall,
});

const countSessions = (calls: readonly PastCall[]): number => new Set(calls.map(({ thread }) => thread.transcript)).size;
const isHabit = (calls: readonly PastCall[]): boolean => calls.length >= leastQuestions && countSessions(calls) >= leastSessions;

function nameRules(candidates: readonly Candidate[], taken: Set<string>): Candidate[] {
  return candidates.map(({ rule, ...more }) => {
    const words = rule.name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    const stem = words.replace(/^-|-$/g, "").slice(0, 60) || "allow";
    let name = stem;
    for (let count = 2; taken.has(name); count++) name = `${stem}-${count}`;
    taken.add(name);
    return { rule: { ...rule, name }, ...more };
  });
}

const allowRule = (name: string, when: Rule["when"]): Rule => ({
  ...{ name, action: "allow", when, isProject: false },
  at: { path: "", line: 0 },
});

// --- what calls have in common -------------------------------------------------------------------------------------

/** Words, each below the one before it; the folders of a path. */
interface Tree {
  words: readonly string[];
  calls: Set<PastCall>;
  /** Those that end here. */
  ends: Set<PastCall>;
  below: Map<string, Tree>;
}

const createTree = (words: readonly string[] = []): Tree => ({ words, calls: new Set(), ends: new Set(), below: new Map() });

function plant(tree: Tree, call: PastCall, words: readonly string[], isWhole: boolean): void {
  let at = tree;
  for (const word of words) {
    const next = at.below.get(word) ?? createTree([...at.words, word]);
    at.below.set(word, next);
    at = next;
    at.calls.add(call);
  }
  if (isWhole) at.ends.add(call);
}

interface Chooser {
  /** What stands here may be followed by anything. */
  isOpenSafe(tree: Tree): boolean;
  /** Nothing may follow it. */
  isWholeSafe(tree: Tree): boolean;
}

interface Choice {
  tree: Tree;
  isWhole: boolean;
}

/** As many words as those have in common that nothing longer stands for. */
function choose(tree: Tree, chooser: Chooser): Choice[] {
  const below = [...tree.below.values()].filter(({ calls }) => isHabit([...calls]));
  const rest = [...tree.calls].filter((call) => !below.some(({ calls }) => calls.has(call)));
  if (isHabit(rest) && chooser.isOpenSafe(tree)) return [{ tree, isWhole: false }];
  const whole = isHabit([...tree.ends]) && chooser.isWholeSafe(tree) ? [{ tree, isWhole: true }] : [];
  return [...whole, ...below.flatMap((next) => choose(next, chooser))];
}

// --- commands ------------------------------------------------------------------------------------------------------

/** No quotes, no expansions, nothing that a pattern or a shell reads otherwise. */
const plainWord = /^[A-Za-z0-9@%+:,./_^-][A-Za-z0-9@%+=:,./_^-]*$/;

function wordsOf(text: string): { words: string[]; isWhole: boolean } {
  const all = text.trim().split(/[ \t]+/);
  const end = all.findIndex((word) => !plainWord.test(word));
  return end < 0 ? { words: all, isWhole: true } : { words: all.slice(0, end), isWhole: false };
}

function suggestCommands(open: readonly PastCall[], partsOf: (call: PastCall) => readonly string[], isSafe: IsSafe): Candidate[] {
  const tree = createTree();
  for (const call of open)
    if (call.tool === "Bash")
      for (const text of partsOf(call)) {
        const { words, isWhole } = wordsOf(text);
        plant(tree, call, words, isWhole);
      }
  const chooser: Chooser = {
    isOpenSafe: ({ words }) => policyOf(words) === "open" && isSafe(commandRule(words, false), words),
    isWholeSafe: ({ words }) => policyOf(words) !== "never" && isSafe(commandRule(words, true), words),
  };
  return choose(tree, chooser).map(({ tree: { words, calls, ends }, isWhole }) => ({
    rule: commandRule(words, isWhole),
    calls: isWhole ? ends : calls,
    near: words,
    words,
  }));
}

const commandRule = (words: readonly string[], isWhole: boolean): Rule =>
  allowRule(words.join(" "), { tool: ["Bash"], command: [`${words.join(" ")}${isWhole ? " $" : ""}`] });

/** What a rule for these words may leave open: `short` and `whole` only stand for themselves. */
type Policy = "never" | "short" | "whole" | "open";

const list = (text: string): string[] => text.trim().split(/\s*,\s*|\n\s*/);

/**
 * What acts outside of the project, asks for rights, or runs whatever it is given: shells, interpreters, the network, other machines,
 * accounts, the system.
 */
const never = new Set(
  list(`sudo, doas, su, pkexec, run0, chroot, nsenter, unshare, bash, sh, zsh, fish, dash, ksh, csh, tcsh, pwsh, powershell, cmd, busybox
    python, python2, python3, node, nodejs, deno, ruby, perl, php, lua, Rscript, osascript, tclsh, expect, java, dotnet, eval, exec, source, ., trap
    curl, wget, http, https, aria2c, nc, ncat, netcat, socat, telnet, ftp, sftp, scp, ssh, rsync, rclone, mail, sendmail, mutt, xdg-open, open
    gh, glab, hub, aws, gcloud, gsutil, az, doctl, heroku, fly, flyctl, vercel, netlify, wrangler, firebase, supabase, kubectl, helm, oc
    terraform, tofu, pulumi, ansible, ansible-playbook, vault, op, pass, gpg, openssl, security, docker, podman, nerdctl, vagrant, virsh
    kill, pkill, killall, shutdown, reboot, systemctl, service, launchctl, crontab, at, batch, mount, umount, dd, mkfs, fdisk, parted, passwd
    apt, apt-get, yum, dnf, pacman, apk, brew, snap, flatpak, psql, mysql, mongosh, redis-cli, xargs, env, parallel, watch, nohup, setsid, csm, csd, claude`),
);

/** What hands something over to others, as a word or the head of one: `publish`, `deploy:prod`. */
const handsOver = /^(?:--?)?(?:un)?(?:publish|push|deploy|upload|login|logout|adduser|ship|promote)(?:$|[:_./-])|^release(?:$|[:_-])/;

/** Harmless whatever follows: they read and print. */
const readers = new Set(
  list(`ls, cat, head, tail, wc, stat, file, du, df, pwd, which, basename, dirname, realpath, readlink, echo, printf, cut, tr, nl
    diff, cmp, md5sum, sha1sum, sha256sum, grep, egrep, fgrep, jq, whoami, id, uname, ps, true, false, test, cd`),
);

/** What further words make another thing of: targets, files to change, programs to run, names of packages. Only as a whole. */
const wholes = new Set(
  list(`rm, rmdir, mv, cp, ln, chmod, chown, chgrp, tee, truncate, shred, install, patch, sed, awk, gawk, mawk, find, fd, rg, sort, uniq, tree
    tar, zip, unzip, gzip, make, gmake, just, task, gradle, ./gradlew, gradlew, mvn, ./mvnw, ant, rake, ninja, bazel, nx, turbo, lerna, tox, nox
    sbt, mix, lein, rake, invoke, npx, bunx, uvx, pipx, sqlite3, time, timeout, nice, stdbuf, command
    npm exec, npm install, npm i, npm ci, npm add, npm uninstall, npm remove, npm update, npm config, npm version, npm link
    pnpm exec, pnpm dlx, pnpm install, pnpm i, pnpm add, pnpm remove, pnpm update, yarn add, yarn install, yarn remove, yarn dlx, yarn exec
    bun add, bun install, bun remove, bun x, pip install, pip3 install, pip uninstall, uv run, uv pip, uv add, uv sync, poetry run, poetry add
    poetry install, pipenv run, hatch run, rye run, bundle exec, bundle install, gem install, cargo install, cargo add, cargo run, go install
    go get, go run, go generate, composer install, composer require
    git reset, git clean, git checkout, git switch, git restore, git rebase, git merge, git stash, git rm, git mv, git branch, git tag, git config
    git apply, git am, git cherry-pick, git revert, git worktree, git remote, git fetch, git pull, git clone, git submodule, git bisect
    git update-ref, git gc, git filter-branch, git notes, git reflog, git grep`),
);

/** What runs is named by the word behind them. */
const runners = new Set([
  "npm run",
  "npm run-script",
  "pnpm run",
  "yarn run",
  "yarn workspace",
  "bun run",
  "npm --prefix",
  "pnpm --filter",
]);

function policyOf(words: readonly string[]): Policy {
  const [program = "", verb = ""] = words;
  const name = program.replace(/^.*\/(?=[^/]+$)/, "");
  if (never.has(name) || words.some((word) => handsOver.test(word))) return "never";
  if (wholes.has(program) || wholes.has(name) || wholes.has(`${name} ${verb}`)) return "whole";
  if (readers.has(program)) return "open";
  if (words.length < 2 || verb.startsWith("-")) return "short";
  return words.length === 2 && runners.has(`${name} ${verb}`) ? "short" : "open";
}

// --- files, hosts, MCP tools ---------------------------------------------------------------------------------------

const writers = ["Edit", "Write", "MultiEdit", "NotebookEdit"];

function suggestOthers(open: readonly PastCall[], isSafe: IsSafe): Candidate[] {
  const found: Candidate[] = [];
  for (const tools of [writers, ["Read"]]) {
    const tree = createTree();
    for (const call of open) if (tools.includes(call.tool)) plantPath(tree, call);
    const ruleOf = ({ words, calls, below }: Tree): Rule => {
      const path = `/${words.join("/")}`;
      const used = tools.filter((tool) => [...calls].some((call) => call.tool === tool));
      return allowRule(`${used.join(" ")} ${words.at(-1)}`, { tool: used, path: [below.size === 0 ? path : `${path}/**`] });
    };
    const chooser: Chooser = { isOpenSafe: (at) => isBelowProject(at) && isSafe(ruleOf(at), at.words), isWholeSafe: () => false };
    found.push(...choose(tree, chooser).map(({ tree: at }) => ({ rule: ruleOf(at), calls: at.calls, near: at.words })));
  }
  const flat = new Map<string, Candidate & { calls: Set<PastCall> }>();
  for (const call of open) {
    const rule = flatRule(call);
    if (rule === undefined) continue;
    const key = JSON.stringify(rule.when);
    const candidate = flat.get(key) ?? { rule, calls: new Set<PastCall>(), near: rule.when.tool ?? [] };
    flat.set(key, candidate);
    candidate.calls.add(call);
  }
  const isGood = ({ rule, calls, near }: Candidate) => isHabit([...calls]) && isSafe(rule, near);
  return [...found, ...[...flat.values()].filter(isGood)];
}

/** What hides is somebody's settings or secrets, and what a pattern reads otherwise is left alone. */
function plantPath(tree: Tree, call: PastCall): void {
  const path = call.input.file_path ?? call.input.notebook_path;
  const words = typeof path === "string" && path.startsWith("/") ? path.slice(1).split("/") : [];
  if (words.length > 0 && words.every((word) => /^[A-Za-z0-9_@+][A-Za-z0-9_@+.,=-]*$/.test(word))) plant(tree, call, words, true);
}

/** Deeper than the folder in which any of the sessions began, or where it is somewhere else, than the third one from the root. */
const isBelowProject = ({ words, calls }: Tree): boolean => {
  const path = `/${words.join("/")}`;
  const isAbove = (dir: string) => dir === path || dir.startsWith(`${path}/`);
  return words.length >= 3 && ![...calls].some(({ sessionCwd, cwd = "" }) => isAbove(sessionCwd) || isAbove(cwd));
};

const readVerb = /^(?:get|list|read|search|find|describe|show|view|count|status)(?:$|_|-|[A-Z])/;

function flatRule({ tool, input }: PastCall): Rule | undefined {
  if (tool.startsWith("mcp__"))
    return readVerb.test(tool.split("__").at(-1) ?? "") && /^[\w-]+$/.test(tool) ? allowRule(tool, { tool: [tool] }) : undefined;
  const host = tool === "WebFetch" && typeof input.url === "string" && URL.canParse(input.url) ? new URL(input.url).hostname : "";
  return /^[a-z0-9.-]+$/.test(host) ? allowRule(`fetch ${host}`, { tool: [tool], host: [host] }) : undefined;
}

/** As it is written into a rules file. */
export function renderSuggestion({ rule, questions, sessions }: Suggestion): string {
  const { tool = [], command, path, host } = rule.when;
  const text = (values: readonly string[]) =>
    values.length === 1 ? JSON.stringify(values[0]) : JSON.stringify(values).replaceAll(",", ", ");
  const fields = { name: text([rule.name]), match_tool: text(tool) } as Record<string, string>;
  for (const [key, values] of Object.entries({ match_command: command, match_path: path, match_host: host }))
    if (values !== undefined) fields[key] = text(values);
  const lines = Object.entries({ ...fields, action: '"allow"' }).map(([key, value]) => `${key} = ${value}`);
  return [`# ${questions} questions in ${sessions} sessions`, "[[rules]]", ...lines].join("\n");
}
