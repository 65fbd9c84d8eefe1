/**
 * Changes commands at random and judges them; those that come out as allowed are run by the real bash, with nothing on its PATH but
 * programs that note their words: what ran must be what was read, and nothing may be written elsewhere.
 * `bun run scripts/judge-rounds.ts --rounds 200000 --seed 7`, `--zsh` for the shell that claude uses on a Mac
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quotePosix } from "../src/format.ts";
import { judge } from "../src/judge.ts";
import type { Conditions, Rule, RuleAction } from "../src/rules.ts";
import { readShell } from "../src/shell-parts.ts";

const rule = (name: string, action: RuleAction, when: Conditions): Rule => ({
  name,
  action,
  when,
  at: { path: "", line: 1 },
  isProject: false,
});
/** Programs that exist nowhere: whatever goes wrong harms nobody. */
const rules: readonly Rule[] = [
  rule("deny", "deny", { command: ["zap -rf", "spray push --force"] }),
  rule("runs", "allow", { command: ["npm test", "lint", "tool run * $", "spray status", "cd", "cat", "find"] }),
  rule("writes", "allow", { path: ["out/**"], tool: ["Bash"] }),
];
const recorded = ["npm", "lint", "tool", "spray", "zap", "evil", "cat", "a", "x", "if", "done", "rm", "ls", "noglob", "source"];
const real = ["env", "timeout", "nice", "nohup", "setsid", "stdbuf", "xargs", "bash", "sh", "sleep", "find"];

const seeds = [
  "npm test",
  "npm test && lint src",
  "lint a b || tool run x",
  "npm test > out/log 2>&1",
  "npm test 2>/dev/null | lint -q",
  "cd sub && npm test",
  "A=1 npm test -- --watch=false",
  "npm test 'a b' \"c d\" e\\ f",
  "if npm test; then lint; else tool run y; fi",
  "for i in 1 2 3; do npm test; done",
  "while lint; do tool run z; break; done",
  "case a in a) npm test ;; *) lint ;; esac",
  "(npm test; lint)",
  "{ npm test; lint; }",
  "cat <<'EOF'\nzap -rf x\nEOF\nnpm test",
  "cat <<EOF\nplain text\nEOF",
  "cat <<-EOF | lint\n\tplain\n\tEOF",
  "cat <<< 'zap x'",
  "bash -c 'npm test && lint'",
  'sh -c "npm test" name',
  "eval 'npm test'",
  "timeout -k 1 5 npm test",
  "env A=1 nice -n 5 npm test",
  "nohup npm test &",
  "npm test # zap -rf x",
  "[[ a == b ]] && npm test",
  "[[ -f x ]] || lint",
  "! npm test",
  "time npm test",
  "lint src/*.ts out/{a,b} ~/x",
  "npm test & lint; wait",
  "npm test <in >>out/a >|out/b",
  "set -e; npm test",
  "echo $(zap x)",
  "zap -rf x; npm test",
  "lint `evil`",
  "npm test \\\n  --flag \\\n  x",
  "spray status; spray push --force",
  "trap 'lint' EXIT; npm test",
  "env -u A -i npm test",
  "exec -a x npm test",
  "nice -n 5 timeout -s KILL 2 env B=2 lint a",
  "bash --norc -e -c 'lint; npm test'",
  "find src -name a.ts -exec lint {} +",
  "find src -type f -exec npm test \\; -o -exec tool run x ';'",
  "stdbuf -oL lint | xargs npm test",
  "setsid -w npm test -- a",
  "bash <<'EOF'\nnpm test\nEOF",
  "bash <<< 'lint a'",
  "cat <<A <<'B'\none\nA\ntwo\nB",
  "lint $'a\\tb' $\"c\"",
  "set -euo pipefail\nnpm test\nlint",
  "case $1 in a|b) lint;; (c) npm test;; esac",
  "until npm test; do break; done",
  "lint > out/a && (cd sub && npm test > ../out/b)",
  "command npm test",
  "exec npm test",
  "lint <(npm test) >(cat)",
  "tool run 'a;b'",
  "lint a#b c=d e:f @g %h i^j {} k,l",
  "npm test;;lint",
  "f() { zap x; }; lint",
  "x='a[$(lint)]'; npm test $((x))",
  "declare -i n='a[0]'; lint",
  "test -v 'a[$(lint)]' && npm test",
  "OPTIND='a[$(lint)]'; npm test",
  "a=('b[$(lint)]' c); lint $((a))",
];
const pieces =
  `; & && || | |& ;; ;& ( ) { } (( )) [[ ]] ! # $ $( $(( \${ \` " ' \\ $' $" < > >> >| <> <& >& &> &>> << <<- <<< <( >( 2> 2>&1 * ? ~ ^ = - -- -c -rf / . .. out/y /dev/null
EOF 'EOF' if then else fi for in do done while until case esac select function time coproc a= A=zap x[0]= OPTIND= RANDOM= declare -i test -v 'a[$(zap)]' PATH=. IFS=x zap evil $(zap) \`evil\` $x \${x} \${x:-zap} {zap,x} [a] !x @(x) npm test lint tool run eval
bash exec command builtin source trap alias x=y xargs env sh -l -i -lc -u -S -n -k --login -p -a -x -s -e -C src/* out/a* \\x61 \\0 : , % @ + 1 0 é ρ`
    .split(/\s+/)
    .concat([
      " ",
      "  ",
      "\n",
      "\t",
      "\r",
      "\\\n",
      "\n\n",
      " \\ ",
      "\u00a0",
      "\u200b",
      "\\'",
      '\\"',
      "''",
      '""',
      "'\n'",
      "\nEOF\n",
      "<<EOF\n",
      "<<'EOF'\n",
      " #",
      "$(cat <<EOF\n)",
    ]);
const frames: ((text: string) => string)[] = [
  (text) => `bash -c '${text}'`,
  (text) => `bash -c "${text}"`,
  (text) => `eval "${text}"`,
  (text) => `(${text})`,
  (text) => `{ ${text}; }`,
  (text) => `$(${text})`,
  (text) => `lint "$(${text})"`,
  (text) => `cat <<EOF\n${text}\nEOF`,
  (text) => `cat <<'EOF'\n${text}\nEOF`,
  (text) => `if ${text}; then lint; fi`,
  (text) => `lint '${text}'`,
  (text) => `lint "${text}"`,
  (text) => `lint # ${text}`,
  (text) => `timeout 1 ${text}`,
  (text) => `env ${text}`,
  (text) => `xargs ${text}`,
];

/** Small and the same everywhere (mulberry32). */
function createChance(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: <T>(list: readonly T[]): T => list[below(list.length)] as T };
}
type Chance = ReturnType<typeof createChance>;

function mutate(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1);
  const to = Math.min(text.length, at + 1 + chance.below(5));
  switch (chance.below(9)) {
    case 0:
    case 1:
    case 2:
      return text.slice(0, at) + chance.pick(pieces) + text.slice(at);
    case 3:
      return `${text.slice(0, at)} ${chance.pick(pieces)} ${text.slice(at)}`;
    case 4:
      return text.slice(0, at) + text.slice(to);
    case 5:
      return text.slice(0, at) + chance.pick(pieces) + text.slice(to);
    case 6:
      return text.slice(0, to) + text.slice(at);
    case 7:
      return text.slice(0, at) + chance.pick(seeds).slice(chance.below(8));
    default:
      return chance.pick(frames)(text);
  }
}

interface Outcome {
  counts: { [decision: string]: number };
  /** Different ones that were allowed, and how many programs they ran. */
  allowed: number;
  ran: number;
  slowestMs: number;
  faults: string[];
}

const call = (command: string, home: string) => ({ tool: "Bash", input: { command }, cwd: home, home: `${home}/home`, projectDir: home });

/** Throws where the judge does. `isAll`: runs whatever no denial can stop as well, to see what it lets through. */
export async function playRounds(seed: number, rounds: number, shell = "bash", isAll = false): Promise<Outcome> {
  const chance = createChance(seed);
  const box = mkdtempSync(join(tmpdir(), "csm-judge-"));
  const work = join(box, "work");
  const outcome: Outcome = { counts: {}, allowed: 0, ran: 0, slowestMs: 0, faults: [] };
  const allowed = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    let text = chance.pick(seeds);
    if (isAll) text = text.replaceAll(chance.pick(["npm test", "lint"]), "zap -rf x");
    for (let times = 1 + chance.below(4); times > 0; times--) text = mutate(text, chance);
    const startedAt = performance.now();
    const { decision, rule: by } = judge(rules, call(text, work), { now: 0 });
    outcome.slowestMs = Math.max(outcome.slowestMs, performance.now() - startedAt);
    outcome.counts[decision] = (outcome.counts[decision] ?? 0) + 1;
    if (decision === "allow" || (isAll && decision !== "deny" && by === undefined)) allowed.add(text);
  }
  outcome.allowed = allowed.size;
  try {
    Object.assign(outcome, await runAll([...allowed], box, shell, isAll));
  } finally {
    // What was left running in the background may still write.
    rmSync(box, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  return outcome;
}

const lanes = 4;

async function runAll(texts: readonly string[], box: string, shell: string, isAll: boolean): Promise<Pick<Outcome, "ran" | "faults">> {
  const [bin, log, cases] = [join(box, "bin"), join(box, "log"), join(box, "cases")];
  for (const dir of [bin, cases, join(box, "work/out"), join(box, "work/sub/out"), join(box, "work/src"), join(box, "work/home")])
    mkdirSync(dir, { recursive: true });
  for (const [file, text] of [
    ["work/in", "in"],
    ["work/src/a.ts", ""],
    ["work/src/b.ts", ""],
  ] as const)
    writeFileSync(join(box, file), text);
  for (const name of new Set([...real, shell])) {
    const path = Bun.which(name);
    if (path !== null) symlinkSync(path, join(bin, name));
  }
  for (const name of recorded) {
    writeFileSync(join(bin, name), `#!/bin/sh\nprintf '%s\\0' "$CASE" "$0" "$@" '<end>' >> '${log}'\n`);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(log, "");
  const before = filesOf(box);
  // What is not judged to be harmless runs too: as root it would write beside /dev/null.
  const setpriv = process.getuid?.() === 0 ? Bun.which("setpriv") : null;
  const asNobody = setpriv === null ? [] : [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"];
  if (setpriv !== null) Bun.spawnSync(["chown", "-R", "65534:65534", box]);
  for (const [index, text] of texts.entries()) writeFileSync(join(cases, `${index}`), text);
  // Some of what is allowed never ends; macOS has no timeout.
  const limit = Bun.which("timeout") === null ? `${Bun.which("perl")} -e 'alarm 1; exec @ARGV'` : "timeout -k 1 1";
  // No process but those that each case needs: they are thousands.
  const driver = `cd '${box}/work'; for (( n = $1; n < $2; n += ${lanes} )); do
    IFS= read -rd '' text < '${cases}'/$n; CASE=$n ${limit} ${shell} -c "$text" shell </dev/null >/dev/null 2>&1; done`;
  const env = { PATH: bin, HOME: join(box, "work/home") };
  await Promise.all(
    Array.from(
      { length: lanes },
      (_, lane) => Bun.spawn([...asNobody, Bun.which("bash") ?? "", "-c", driver, "driver", `${lane}`, `${texts.length}`], { env }).exited,
    ),
  );
  await Bun.sleep(300);
  const records = recordsOf(readFileSync(log, "utf8"), bin);
  if (isAll) return { ran: records.length, faults: deniedWords(records, texts) };
  const written = filesOf(box).filter((file) => !before.includes(file) && !/^(?:cases\/|work\/(?:sub\/)?out\/)/.test(file));
  return { ran: records.length, faults: [...written.map((file) => `written: ${file}`), ...wrongWords(records, texts)] };
}

interface Ran {
  number: string;
  ran: string[];
}

const recordsOf = (log: string, bin: string): Ran[] =>
  log
    .split("<end>\0")
    .filter((each) => each !== "")
    .map((record) => {
      const [number = "", program = "", ...words] = record.split("\0").slice(0, -1);
      return { number, ran: [program.replace(`${bin}/`, ""), ...words] };
    });

const filesOf = (dir: string): string[] => readdirSync(dir, { recursive: true }).map(String);

/** Whatever a rule denies must not have run. */
function deniedWords(records: readonly Ran[], texts: readonly string[]): string[] {
  return records
    .filter(({ ran }) => judge(rules, call(ran.map(quotePosix).join(" "), "/"), { now: 0 }).decision === "deny")
    .map(({ number, ran }) => `${JSON.stringify(texts[Number(number)])} ran ${JSON.stringify(ran)}`);
}

/** Whatever ran must be a part as it was read; a glob may be other words. */
function wrongWords(records: readonly Ran[], texts: readonly string[]): string[] {
  const faults = new Set<string>();
  for (const { number, ran } of records) {
    const text = texts[Number(number)];
    const candidates = text === undefined || number === "" ? texts.filter((each) => each.includes(ran[0] ?? "")) : [text];
    const isRead = candidates.some((each) =>
      readShell(each, "/", "/").parts.some((part) => {
        const read = part.words.map((word) => (word.text.startsWith("//") ? undefined : word.text));
        return part.words.every(({ certainty }) => certainty === "literal")
          ? read.length === ran.length && read.every((word, index) => word === ran[index] || /^~|^\//.test(ran[index] ?? ""))
          : read[0] === ran[0];
      }),
    );
    if (!isRead) faults.add(`${JSON.stringify(text ?? "?")} ran ${JSON.stringify(ran)}`);
  }
  return [...faults];
}

if (import.meta.main) {
  const option = (name: string, fallback: number) => Number(process.argv[process.argv.indexOf(name) + 1] ?? fallback) || fallback;
  const startedAt = Date.now();
  const shell = process.argv.includes("--zsh") ? "zsh" : "bash";
  const outcome = await playRounds(option("--seed", 1), option("--rounds", 20_000), shell, process.argv.includes("--all"));
  process.stdout.write(`${JSON.stringify({ ...outcome, seconds: (Date.now() - startedAt) / 1000 }, null, 2)}\n`);
  process.exitCode = outcome.faults.length === 0 ? 0 : 1;
}
