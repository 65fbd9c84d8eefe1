import { describe, expect, test } from "bun:test";
import { playRounds } from "../scripts/judge-rounds.ts";
import { judge, matches } from "../src/judge.ts";
import type { Conditions, Decision, Rule, RuleAction, SessionFacts, ToolCall } from "../src/rules.ts";
import { toCall } from "../src/rules-decide.ts";
import { createFakeSys } from "./fake-sys.ts";
import fixture from "./fixtures/rules/commands.json";

const rule = (name: string, action: RuleAction, when: Conditions, isProject = false): Rule => ({
  ...{ name, action, when, isProject },
  at: { path: "rules.toml", line: 1 },
});
const facts: SessionFacts = { now: 0 };
const callOf = (tool: string, input: Record<string, unknown>, more: Partial<ToolCall> = {}): ToolCall => ({
  ...{ tool, input, cwd: "/home/u/app", home: "/home/u", projectDir: "/home/u/app" },
  ...more,
});
const bash = (command: string, more: Partial<ToolCall> = {}) => callOf("Bash", { command }, more);
const decide = (rules: readonly Rule[], call: ToolCall, about = facts): [Decision, string | undefined] => {
  const { decision, rule: by } = judge(rules, call, about);
  return [decision, by?.name];
};

describe("commands", () => {
  const rules = fixture.rules.map(({ name, action, when }) => rule(name, action as RuleAction, when as Conditions));
  test.each(fixture.rows as [family: string, decision: string, rule: string | null, command: string][])(
    "%s: %s by %p: %j",
    (_, decision, name, command) => expect(decide(rules, bash(command))).toEqual([decision as Decision, name ?? undefined]),
  );

  test("a denial of the very words of a command hits it", () => {
    const isPlain = (command: string) => /^\w[\w ./:@,+-]*$/.test(command) && !/\b(?:then|do|time|coproc)\b/.test(command);
    const commands = fixture.rows.map((row) => String(row[3])).filter(isPlain);
    expect(commands.length).toBeGreaterThan(200);
    for (const words of commands)
      for (const command of [words, `${words} more`])
        expect([command, ...decide([rule("d", "deny", { command: [words] })], bash(command))]).toEqual([command, "deny", "d"]);
  });

  test("a usual command with 100 rules is judged in less than 0.3 ms", () => {
    const many = [
      ...Array.from({ length: 100 - rules.length }, (_, n) => rule(`r${n}`, "deny", { command: [`tool${n} --flag x`] })),
      ...rules,
    ];
    const calls = ["npm test", "git status && git diff | head -5", "cd src && ls -la", "rm -rf node_modules"].map((command) =>
      bash(command),
    );
    const run = () => {
      const startedAt = performance.now();
      for (const call of calls) judge(many, call, facts);
      return (performance.now() - startedAt) / calls.length;
    };
    // The best of many: others run beside.
    expect(Math.min(...Array.from({ length: 200 }, run))).toBeLessThan(0.3);
  });

  test("whatever a changed command is, it is judged in time, and what is allowed runs as it was read", async () => {
    const { counts, allowed, ran, faults } = await playRounds(1, 20_000);
    expect(faults).toEqual([]);
    expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(20_000);
    // Otherwise it proves nothing.
    expect(allowed).toBeGreaterThan(500);
    expect(ran).toBeGreaterThan(allowed / 2);
  }, 120_000);
});

describe("which rule decides", () => {
  const allow = rule("allow", "allow", { command: ["npm"] });
  const second = rule("second", "allow", { command: ["npm test"] });
  const ask = rule("ask", "ask", { command: ["npm test"] });
  const deny = rule("deny", "deny", { command: ["npm"] });
  test.each<[name: string, rules: Rule[], command: string, decision: Decision, by: string | undefined]>([
    ["deny before allow, whatever the order", [allow, deny], "npm test", "deny", "deny"],
    ["deny before allow, whatever the order", [deny, allow], "npm test", "deny", "deny"],
    ["deny before ask", [ask, deny], "npm test", "deny", "deny"],
    ["ask before allow", [allow, ask], "npm test", "ask", "ask"],
    ["the first that allows", [second, allow], "npm test", "allow", "second"],
    ["the first that allows", [allow, second], "npm test", "allow", "allow"],
    ["a project only tightens", [rule("p", "allow", { command: ["npm"] }, true)], "npm test", "none", undefined],
    ["a project only tightens", [rule("p", "deny", { command: ["npm"] }, true), allow], "npm test", "deny", "p"],
    ["no rule", [], "npm test $x", "none", undefined],
    ["none that decides", [rule("n", "notify", { tool: ["Bash"] })], "npm $x", "none", undefined],
    ["any call", [rule("any", "allow", {})], "whoami | cat", "allow", "any"],
    ["any call, but no doubt", [rule("any", "allow", {})], "whoami $x", "ask", undefined],
    ["any call, but no file that is written", [rule("any", "allow", { tool: ["Bash"] })], "whoami > x", "ask", undefined],
    ["any call is denied", [rule("any", "deny", {})], "X=1", "deny", "any"],
    ["another tool", [rule("any", "deny", { tool: ["Write"] })], "ls", "none", undefined],
  ])("%s (%#)", (_, rules, command, decision, by) => expect(decide(rules, bash(command))).toEqual([decision, by]));

  test.each<[denied: string, command: string, decision: Decision]>([
    // What only runs others is still what a rule may name.
    ["eval", "eval ls", "deny"],
    ["eval", "builtin eval ls", "deny"],
    ["bash -c", "bash -c ls", "deny"],
    ["bash -c", "timeout 5 bash -ec 'ls'", "deny"],
    ["env", "env A=1 ls", "deny"],
    ["xargs", "ls | xargs cat", "deny"],
    ["timeout", "nice timeout 5 ls", "deny"],
    ["exec", "exec ls", "deny"],
    ["nohup", "time nohup ls &", "deny"],
    ["env ls", "timeout 5 ls", "none"],
    ["rm -rf", "timeout 5 grep rm -rf x", "none"],
    // A pattern hits its own words.
    ["python manage.py flush", "python manage.py flush", "deny"],
    ["python manage.py flush", "python3 -W ignore manage.py flush --x", "deny"],
    ["python manage.py flush", "python manage.py test", "none"],
    ["x.y --a b.c -d e", "x.y --a b.c -d e f", "deny"],
    // The same program in another version, and by another way.
    ["python3", "python3.11 x.py", "deny"],
    ["python3", "python x.py", "deny"],
    ["python2", "python3 x.py", "none"],
    ["pip install", "pip3.11 install x", "deny"],
    ["pip install", "/usr/bin/pip3 -v install x", "deny"],
    ["pip install", "python3 -I -m pip install x", "deny"],
    ["pip install", "python3 -mpip install x", "deny"],
    ["pytest", "python -m pytest -x", "deny"],
    ["mkfs", "mkfs.ext4 /dev/sda", "deny"],
    ["base64", "base32 x", "none"],
    ["docker rm", "docker container rm -f x", "deny"],
    ["docker container rm", "docker rm x", "deny"],
    ["git push", "/usr/lib/git-core/git-push -f", "deny"],
    ["git push --force", "git push --mirror", "deny"],
    ["npm publish", "npx -y npm@10 publish", "deny"],
    ["npm publish", "npm.cmd publish", "deny"],
    ["npm publish", "npm --otp 1 publish", "ask"],
    ["npm publish", "npm --silent test", "none"],
    // Words and options that say the same.
    ["kill -9", "kill -KILL 1", "deny"],
    ["kill -9", "kill -s SIGKILL 1", "deny"],
    ["kill -9", "kill --signal=9 1", "deny"],
    ["kill -9", "kill -n 9 1", "deny"],
    ["kill -KILL", "kill -9 1", "deny"],
    ["kill -9", "kill -TERM 9", "none"],
    ["chmod 777", "chmod -R 0777 x", "deny"],
    ["make deploy", "make all deploy", "deny"],
    ["make deploy", "make deploy-docs", "none"],
    ["apt-get remove", "apt-get -o A=b remove x", "deny"],
    ["kubectl delete", "kubectl -v 5 --request-timeout 5s delete x", "deny"],
  ])("a denial of %s: %s: %s", (denied, command, decision) =>
    expect(judge([rule("d", "deny", { command: [denied] })], bash(command), facts).decision).toBe(decision),
  );

  test("a rule that asks says why, as those of a broken file do", () => {
    const broken = { ...rule("tests", "ask", { command: ["npm test"] }), message: "rules.toml:9 is broken: unknown key\nfoo" };
    expect(judge([broken], bash("npm test"), facts).reason).toBe(
      'rule "tests" asks about "npm test": rules.toml:9 is broken: unknown key foo',
    );
  });

  test.each<[command: string, reason: string]>([
    ["echo =ls", '"echo =ls" is not allowed unseen: shells read "=ls" in more than one way'],
    ["ls | xargs date", '"date …" is not allowed unseen: what its input adds is known only when it runs'],
    ["cat src/*", 'rule "secrets" may deny "cat src/*": src/* may name what it denies'],
    ["cat $x", 'rule "secrets" may deny "cat $x": what $x says is known only when it runs'],
  ])("the reason names the word: %s", (command, reason) => {
    const rules = [rule("secrets", "deny", { path: ["src/.env"] }), rule("looks", "allow", { command: ["cat", "ls", "echo", "date"] })];
    expect(judge(rules, bash(command), facts).reason).toBe(reason);
  });

  // Programs that only read whatever they are given; a denial of paths may be about that.
  test.each<[command: string, decision: Decision, withDenial: Decision]>([
    ["git ls-files | xargs wc -l | tail -1", "allow", "ask"],
    ["find . -name '*.ts' -print0 | xargs -0 wc -l", "allow", "ask"],
    ["find . -name '*.ts' | xargs -I{} cat {}", "allow", "ask"],
    ["find . -name '*.ts' -exec head -5 {} +", "allow", "ask"],
    ["find . -name '*.ts' -exec cat src/{} ';'", "allow", "ask"],
    ["find . -type f | xargs -n1 basename", "allow", "allow"],
    ["find . -type f | xargs ls -la", "allow", "allow"],
    ["ls | xargs sort", "ask", "ask"],
    ["ls | xargs grep -l x", "ask", "ask"],
    ["ls | xargs tee", "ask", "ask"],
    ["ls | xargs", "ask", "ask"],
    ["ls | xargs -I{} {} x", "ask", "ask"],
    ["ls | xargs -Ic cat x", "ask", "ask"],
    ["ls | xargs ./cat", "ask", "ask"],
    ["ls | xargs env cat", "ask", "ask"],
    ["ls | xargs -I{} sh -c 'cat {}'", "ask", "ask"],
    ["ls | xargs sh -c 'cat \"$@\"'", "ask", "ask"],
    ["ls | xargs -I{} cat x > {}", "ask", "ask"],
    ["ls | parallel cat", "ask", "ask"],
    ["find . -exec {} x ';'", "ask", "ask"],
    ["cat $x", "ask", "ask"],
    ["ls $(ls)", "ask", "ask"],
  ])("what xargs and find give to programs: %s: %s, %s", (command, decision, withDenial) => {
    const looks = "cat wc head tail ls basename find git sort grep tee touch env".split(" ");
    const all = [rule("looks", "allow", { command: looks })];
    expect(judge(all, bash(command), facts).decision).toBe(decision);
    expect(judge([...all, rule("secrets", "deny", { path: [".env"] })], bash(command), facts).decision).toBe(withDenial);
  });

  // Only as the sub-command are these words what may start anything.
  test.each<[command: string, decision: Decision]>([
    ["npm test -- config", "allow"],
    ["npm run set", "allow"],
    ["pnpm test c", "allow"],
    ["yarn run config", "allow"],
    ["npm config set script-shell /x", "ask"],
    ["npm c set script-shell /x", "ask"],
    ["npm conf set script-shell /x", "ask"],
    ["npm --otp 1 set script-shell=/x", "ask"],
    ["npm -- config set script-shell /x", "ask"],
    ["npm pkg set scripts.test=x", "ask"],
    ["npm set-script test x", "ask"],
    ["yarn plugin import https://x.example/p.js", "ask"],
    ["gh issue list --label alias", "allow"],
    ["gh pr view extension", "allow"],
    ["gh alias set x '!y'", "ask"],
    ["gh ext install a/b", "ask"],
    ["gh config set pager x", "ask"],
    ["gh --x alias set y '!z'", "ask"],
    ["pip install config", "allow"],
    ["pip config set global.index-url x", "ask"],
    ["systemctl status edit", "allow"],
    ["systemctl --user link ./x.service", "ask"],
    ["deno run a.ts eval", "allow"],
    ["deno eval 1", "ask"],
    ["tar xf a.tar tI", "allow"],
    ["tar xIf sh a.tar", "ask"],
    ["git grep hook", "allow"],
    ["git show shell", "allow"],
    ["git hook run pre-commit", "ask"],
    ["git --no-pager difftool", "ask"],
    ["git filter-branch --tree-filter x", "ask"],
  ])("a word is a sub-command only where one stands: %s: %s", (command, decision) => {
    const program = command.split(" ")[0] ?? "";
    expect(judge([rule("a", "allow", { command: [program] })], bash(command), facts).decision).toBe(decision);
  });

  // The makefile, the project or the machine are others than those that the rule speaks of.
  test.each<[allowed: string, command: string, decision: Decision]>([
    ["make", "make -j4 all", "allow"],
    ["make", "make -f /tmp/evil.mk", "ask"],
    ["make test", "make test -f/tmp/evil.mk", "ask"],
    ["make", "make -kf x", "ask"],
    ["make", "make --makef=x", "ask"],
    ["make", "make -C sub", "ask"],
    ["make -C sub", "make -C sub all", "allow"],
    ["make -C sub", "make -C sub -C ../../evil", "ask"],
    ["npm test", "npm test --prefix /tmp/evil", "ask"],
    ["npm test", "npm test --pref=/tmp/evil", "ask"],
    ["npm", "npm -C /tmp/evil test", "ask"],
    ["npm test", "npm test -- --watch", "allow"],
    ["pnpm --dir web test", "pnpm --dir web test --run", "allow"],
    ["cargo test", "cargo test --manifest-path=/tmp/evil/Cargo.toml", "ask"],
    ["git", "git -C /tmp/evil status", "ask"],
    ["git", "git --git-dir=/tmp/evil/.git status", "ask"],
    ["git", "git diff -C -C HEAD~3", "allow"],
    ["git -C sub status", "git -C sub status -s", "allow"],
    ["docker run", "docker run --rm node npm test", "allow"],
    ["docker run", "docker run --rm -v /:/h alpine ls", "ask"],
    ["docker run", "docker run -v/:/h alpine ls", "ask"],
    ["docker run", "docker run --vol=/:/h alpine ls", "ask"],
    ["docker run", "docker run --privileged alpine ls", "ask"],
    ["docker run --rm -v /srv:/srv node", "docker run --rm -v /srv:/srv node npm test", "allow"],
    ["gradle test", "gradle test -I /tmp/evil.gradle", "ask"],
    ["./gradlew test", "./gradlew test --init-script=/tmp/evil.gradle", "ask"],
    ["*", "make -f x", "ask"],
    ["docker exec web git", "docker exec web git pull", "allow"],
  ])("what leads elsewhere must stand in the rule: %s: %s: %s", (allowed, command, decision) =>
    expect(judge([rule("a", "allow", { command: [allowed] })], bash(command), facts).decision).toBe(decision),
  );

  test("the reason is one line that names rule and part", () => {
    expect(judge([deny], bash("ls;\nnpm 'a\nb'"), facts).reason).toBe(`rule "deny" denies "npm 'a b'"`);
    expect(judge([allow], bash("npm test; ls"), facts)).toMatchObject({
      decision: "ask",
      reason: 'no rule allows "ls"',
      parts: [
        { text: "npm test", decision: "allow", rule: { name: "allow" } },
        { text: "ls", decision: "none" },
      ],
    });
  });

  test.each<[input: Record<string, unknown>, decision: Decision]>([
    [{ command: "npm test", description: "x", timeout: 5, run_in_background: true }, "allow"],
    [{ command: "npm test", dangerouslyDisableSandbox: true }, "ask"],
    [{ command: "npm test", dangerouslyDisableSandbox: false }, "allow"],
    [{ command: ["npm", "test"] }, "ask"],
    [{}, "ask"],
  ])("fields of Bash: %j: %s", (input, decision) => expect(judge([allow], callOf("Bash", input), facts).decision).toBe(decision));

  test("PowerShell is never allowed, and denied where the words stand there", () => {
    const rules = [rule("all", "allow", {}), rule("no", "deny", { command: ["rm -rf"] })];
    expect(decide(rules, callOf("PowerShell", { command: "ls; rm -rf x" }))).toEqual(["deny", "no"]);
    expect(decide(rules, callOf("PowerShell", { command: "Get-ChildItem" }))).toEqual(["ask", "no"]);
    expect(decide(rules.slice(0, 1), callOf("PowerShell", { command: "Get-ChildItem" }))).toEqual(["ask", undefined]);
  });
});

describe("files", () => {
  const rules = [
    rule("env", "deny", { path: [".env"] }),
    rule("keys", "deny", { tool: ["Read"], path: ["~/.ssh/**", "/etc/shadow"] }),
    rule("lock", "deny", { tool: ["Edit"], path: ["package-lock.json"] }),
    rule("docs", "allow", { tool: ["Edit", "Write", "MultiEdit"], path: ["docs/", "src/**/*.md"] }),
    rule("reads", "allow", { tool: ["Read"], path: ["**"] }),
  ];
  test.each<[tool: string, input: Record<string, unknown>, decision: Decision, by?: string]>([
    ["Read", { file_path: "/home/u/app/src/a.ts" }, "allow", "reads"],
    ["Read", { file_path: "src/a.ts" }, "allow", "reads"],
    ["Read", { file_path: "/home/u/other/a.ts" }, "none"],
    ["Read", { file_path: "/home/u/app/../other/a.ts" }, "none"],
    ["Read", { file_path: "/home/u/application/a.ts" }, "none"],
    ["Read", { file_path: "/home/u/app/.env" }, "deny", "env"],
    ["Read", { file_path: "/home/u/app/pkg/.env" }, "deny", "env"],
    ["Read", { file_path: "/home/u/app/src/../.env" }, "deny", "env"],
    ["Read", { file_path: "/home/u/app//.env" }, "deny", "env"],
    ["Read", { file_path: "/home/u/app/.ENV" }, "deny", "env"],
    ["Read", { file_path: "/home/u/app/.env.example" }, "allow", "reads"],
    ["Read", { file_path: "~/.ssh/id_rsa" }, "deny", "keys"],
    ["Read", { file_path: "/home/u/.ssh" }, "deny", "keys"],
    ["Grep", { pattern: "x", path: "/home/u/.ssh" }, "deny", "keys"],
    ["Grep", { pattern: "x" }, "none"],
    ["Grep", { pattern: "x", path: "/home/u" }, "ask", "env"],
    ["Grep", { pattern: "x", path: "/etc" }, "ask", "keys"],
    ["Grep", { pattern: "x", path: "/home/u", glob: "*.ts" }, "none"],
    ["Grep", { pattern: "x", path: "/home/u", glob: ".ssh/*" }, "deny", "keys"],
    ["Glob", { pattern: "/home/u/.ssh/*" }, "deny", "keys"],
    ["Glob", { pattern: "../../home/u/.ssh/**" }, "none"],
    ["Read", { file_path: "/etc/./shadow" }, "deny", "keys"],
    ["Read", {}, "ask", "env"],
    ["Read", { file_path: "src/\0.env" }, "ask", "env"],
    ["Write", { file_path: "/home/u/app/package-lock.json" }, "deny", "lock"],
    ["MultiEdit", { file_path: "/home/u/app/package-lock.json" }, "deny", "lock"],
    ["NotebookEdit", { notebook_path: "/home/u/app/package-lock.json" }, "deny", "lock"],
    ["Read", { file_path: "/home/u/app/package-lock.json" }, "allow", "reads"],
    ["Edit", { file_path: "/home/u/app/docs/a/b.txt" }, "allow", "docs"],
    ["Edit", { file_path: "/home/u/app/docs" }, "none"],
    ["Write", { file_path: "/home/u/app/docs/../src/a.ts" }, "none"],
    ["Write", { file_path: "/home/u/app/src/x/y.md" }, "allow", "docs"],
    ["Write", { file_path: "/home/u/app/src/y.md" }, "allow", "docs"],
    ["Write", { file_path: "/home/u/app/Docs/y" }, "none"],
    ["NotebookEdit", { notebook_path: "/home/u/app/docs/a.ipynb" }, "none"],
    ["Write", { file_path: "/home/u/app/docs/.git/hooks/pre-commit" }, "ask"],
    ["Write", { file_path: "/home/u/app/docs/.claude/settings.json" }, "ask"],
    ["Write", { file_path: "/home/u/app/docs/.csm/rules.toml" }, "ask"],
  ])("%s %j: %s by %p", (tool, input, decision, ...by) => expect(decide(rules, callOf(tool, input))).toEqual([decision, by[0]]));

  test("a worktree may lie in a folder that is guarded", () => {
    const dir = "/home/u/app/.claude/worktrees/x";
    expect(decide(rules, callOf("Write", { file_path: `${dir}/docs/a` }, { cwd: dir, projectDir: dir }))).toEqual(["allow", "docs"]);
    expect(decide(rules, callOf("Write", { file_path: `${dir}/docs/.git/a` }, { cwd: dir, projectDir: dir }))).toEqual(["ask", undefined]);
  });

  test("a link is what it is written as and what it leads to", () => {
    const links = new Map([
      ["/home/u/app/docs/link", "/home/u/elsewhere/x"],
      ["/home/u/app/harmless", "/home/u/app/.env"],
      ["/home/u/app/into/../x", "/elsewhere/x"],
    ]);
    const more = { resolve: (path: string) => links.get(path) ?? path };
    expect(decide(rules, callOf("Write", { file_path: "docs/link" }, more))).toEqual(["none", undefined]);
    expect(decide(rules, callOf("Write", { file_path: "docs/other" }, more))).toEqual(["allow", "docs"]);
    expect(decide(rules, callOf("Read", { file_path: "harmless" }, more))).toEqual(["deny", "env"]);
    expect(decide(rules, bash("cat < harmless", more))).toEqual(["deny", "env"]);
    const none = { resolve: () => undefined };
    expect(decide(rules, callOf("Write", { file_path: "docs/other" }, none))).toEqual(["ask", "env"]);
    expect(decide(rules.slice(3), callOf("Write", { file_path: "docs/other" }, none))).toEqual(["ask", undefined]);
    // What the letters say of `..` is not what the system does behind a link.
    const all = [rule("all", "allow", { path: ["**"] }), rule("echo", "allow", { command: ["echo"] })];
    expect(decide(all, bash("echo > into/../x", more))).toEqual(["ask", undefined]);
    expect(decide(all, bash("echo > into/x", more))).toEqual(["allow", "echo"]);
  });

  // What was looked at before it ran is not what is there then.
  test.each<[command: string, decision: Decision]>([
    ["ln -s /etc out/m && echo x > out/m/f", "ask"],
    ["ln -s /etc out/m; echo x >> out/m/f", "ask"],
    ["ln -s /etc/m out && echo x > out/m", "ask"],
    ["ln -st out /etc && echo x > out/etc/f", "ask"],
    ["ln -s -t out /etc && echo x > out/etc/f", "ask"],
    ["ln -s --target-directory=out /etc && echo x > out/etc/f", "ask"],
    ["ln -s /etc out/* && echo x > out/m/f", "ask"],
    ["cd out && ln -s /etc && cd etc && echo x > f", "ask"],
    ["cd out && ln -s /etc e && cd e && echo x > f", "ask"],
    ["env ln -s /etc out/m && echo x > out/m/f", "ask"],
    ["for i in 1 2; do echo x > out/m/f; ln -sf /etc out/m; done", "ask"],
    ["echo x > out/m/f & ln -s /etc out/m", "ask"],
    ["ln /etc/passwd out/p && echo x > out/p", "ask"],
    ["link /etc/passwd out/p && echo x > out/p", "ask"],
    ["mv out/l out/m && echo x > out/m/f", "ask"],
    ["cp -a out/l out/m && echo x > out/m/f", "ask"],
    ["rsync -a a/ out/ && echo x > out/z", "ask"],
    ["ln -s / out/r && rm out/r/etc/f", "ask"],
    ["ln -s / out/r && rm out/*/f", "ask"],
    ["ln -s /x/secret out/r && cat out/r", "ask"],
    ["ln -s a out/l && ls out/l", "allow"],
    ["ln -s a out/l && echo x > out/f", "allow"],
    ["ln -s a out/l && rm out/l", "allow"],
    ["mv out/a out/b && cat out/b", "allow"],
    ["cp out/a out/b && echo x >> out/b", "allow"],
    ["cp -r out/a out/b && ls out/b && echo x > out/f", "allow"],
  ])("a file behind a link that is made in the same command: %s: %s", (command, decision) => {
    const all = [
      rule("runs", "allow", { command: "ln link mv cp rsync cd echo cat ls".split(" ") }),
      rule("cleans", "allow", { command: ["rm"], path: ["out/**"] }),
      rule("outputs", "allow", { path: ["out/**"] }),
    ];
    expect(judge(all, bash(command, { resolve: (path) => path }), facts).decision).toBe(decision);
  });

  // Of an empty folder git looks for its settings above; one that was fetched may have some of its own.
  test.each<[command: string, decision: Decision]>([
    ["cd sub && git status", "allow"],
    ["cd /home/u/app/sub/deep && git log -3", "allow"],
    ["cd sub && git add -A && git commit -m x", "allow"],
    ["cd sub && ls && cat < f && git status", "allow"],
    ["cd vendor && git status", "ask"],
    ["cd vendor/deep && git status", "ask"],
    ["cd mod && git status", "ask"],
    ["cd linked && git status", "ask"],
    ["cd nowhere && git status", "ask"],
    ["cd /tmp && git status", "ask"],
    ["cd .. && git status", "ask"],
    ["cd -P linked/../sub && git status", "ask"],
    ["cd $X && git status", "ask"],
    ["cd sub && git -C ../vendor status", "ask"],
    ["cd sub && cd ../vendor && git status", "ask"],
    ["mv a sub/HEAD && cd sub && git status", "ask"],
    ["echo x > sub/HEAD && cd sub && git status", "ask"],
    ["git checkout x && cd sub && git status", "ask"],
    ["touch sub/HEAD & (cd sub && git status)", "ask"],
    ["(cd sub && git status) & touch sub/HEAD", "ask"],
    ["for i in 1 2; do (cd sub && git status); touch sub/HEAD; done", "ask"],
  ])("git in a folder of the project: %s: %s", (command, decision) => {
    const there = ["", "/.git", "/sub", "/sub/deep", "/vendor", "/vendor/HEAD", "/vendor/deep", "/mod", "/mod/.git", "/linked"];
    const more = {
      resolve: (path: string) => path.replace("/app/linked", "/app/vendor"),
      isThere: (path: string) => there.some((each) => `/home/u/app${each}` === path) || path === "/tmp",
    };
    const all = [
      rule("runs", "allow", { command: ["cd", "git", "ls", "cat", "mv", "touch", "echo"] }),
      rule("w", "allow", { path: ["**"] }),
    ];
    expect(judge(all, bash(command, more), facts).decision).toBe(decision);
    expect(judge(all, bash(command), facts).decision).toBe("ask");
    const outside = { ...more, isThere: (path: string) => !path.endsWith("/.git") && more.isThere(path) };
    expect(judge(all, bash(command, outside), facts).decision).toBe("ask");
  });

  test("a rule about reading or changing a file is about the commands that do it", () => {
    expect(decide(rules, bash("cat ~/.ssh/id_rsa"))).toEqual(["deny", "keys"]);
    expect(decide(rules, bash("true < ~/.ssh/id_rsa"))).toEqual(["deny", "keys"]);
    expect(decide(rules, bash("tee package-lock.json"))).toEqual(["deny", "lock"]);
    expect(decide(rules, bash("echo x > package-lock.json"))).toEqual(["deny", "lock"]);
    expect(decide(rules, bash("cat package-lock.json"))).toEqual(["none", undefined]);
  });
});

describe("addresses", () => {
  const rules = [
    rule("evil", "deny", { host: ["evil.example", "*.evil.example", "127.0.0.1", "[::1]"] }),
    rule("docs", "allow", { tool: ["WebFetch"], host: ["docs.example", "*.docs.example", "münchen.example", "local.example:8080"] }),
  ];
  test.each<[url: unknown, decision: Decision, by?: string]>([
    ["https://docs.example/a", "allow", "docs"],
    ["https://a.b.docs.example/", "allow", "docs"],
    ["https://docs.example:8443/", "allow", "docs"],
    ["https://DOCS.example./", "allow", "docs"],
    ["https://xn--mnchen-3ya.example/", "allow", "docs"],
    ["https://münchen.example/", "allow", "docs"],
    ["http://local.example:8080/", "allow", "docs"],
    ["http://local.example/", "none"],
    ["https://notdocs.example/", "none"],
    ["https://docs.example.other/", "none"],
    ["https://docs.example@other.example/", "ask"],
    ["https://other.example\\@docs.example/", "ask"],
    ["https://u:p@docs.example/", "ask"],
    ["file://docs.example/etc/passwd", "ask"],
    ["javascript:alert(1)", "ask"],
    ["https://dоcs.example/", "none"],
    ["https://evil.example/", "deny", "evil"],
    ["https://EVIL.example.:444/", "deny", "evil"],
    ["https://docs.example@evil.example/", "deny", "evil"],
    ["https://x.evil.example/", "deny", "evil"],
    ["http://127.0.0.1/", "deny", "evil"],
    ["http://0x7f.1/", "deny", "evil"],
    ["http://2130706433/", "deny", "evil"],
    ["http://017700000001/", "deny", "evil"],
    ["http://[0:0:0:0:0:0:0:1]:80/", "deny", "evil"],
    ["http://[::ffff:127.0.0.1]/", "deny", "evil"],
    ["docs.example", "ask", "evil"],
    [5, "ask", "evil"],
  ])("%p: %s by %p", (url, decision, ...by) => expect(decide(rules, callOf("WebFetch", { url }))).toEqual([decision, by[0]]));
});

describe("other tools", () => {
  const rules = [
    rule("drop", "deny", { tool: ["mcp__db__drop*"] }),
    rule("notes", "allow", { tool: ["mcp__notes", "mcp__db__read_*"] }),
    rule("explore", "allow", { tool: ["Agent"], agent: ["Explore"] }),
    rule("many", "deny", { tool: ["Agent", "Workflow"], countAbove: 3 }),
    rule("reviewer", "deny", { tool: ["Bash"], agent: ["code-review*"] }),
    rule("web", "ask", { tool: ["WebSearch"] }),
  ];
  test.each<[tool: string, input: Record<string, unknown>, about: Partial<SessionFacts>, decision: Decision, by?: string]>([
    ["mcp__notes__create", {}, {}, "allow", "notes"],
    ["mcp__notes2__create", {}, {}, "none"],
    ["mcp__notes", {}, {}, "allow", "notes"],
    ["mcp__db__read_row", {}, {}, "allow", "notes"],
    ["mcp__db__drop_table", {}, {}, "deny", "drop"],
    ["MCP__DB__DROP_TABLE", {}, {}, "deny", "drop"],
    ["mcp__db__write", {}, {}, "none"],
    ["Agent", { subagent_type: "Explore" }, { agentCount: 2 }, "allow", "explore"],
    ["Task", { subagent_type: "Explore" }, { agentCount: 2 }, "allow", "explore"],
    ["Agent", { subagent_type: "Plan" }, { agentCount: 2 }, "none"],
    ["Agent", {}, { agentCount: 2 }, "none"],
    ["Agent", { subagent_type: "Explore" }, { agentCount: 3 }, "deny", "many"],
    ["Agent", { subagent_type: "Explore" }, {}, "ask", "many"],
    ["Workflow", { script: "x" }, { agentCount: 0 }, "ask", "many"],
    ["WebSearch", { query: "x" }, {}, "ask", "web"],
    ["TodoWrite", {}, {}, "none"],
  ])("%s %j with %j: %s by %p", (tool, input, about, decision, ...by) =>
    expect(decide(rules, callOf(tool, input), { ...facts, ...about })).toEqual([decision, by[0]]),
  );

  test("a rule for a sub-agent is for what it asks itself", () => {
    expect(decide(rules, bash("ls", { agent: "code-reviewer" }))).toEqual(["deny", "reviewer"]);
    expect(decide(rules, bash("ls"))).toEqual(["none", undefined]);
  });
});

describe("what is not known of the session", () => {
  const when: Conditions = { tool: ["Bash"], costAboveUsd: 5 };
  test.each<[action: RuleAction, costUsd: number | undefined, decision: Decision]>([
    ["allow", 6, "allow"],
    ["allow", 5, "none"],
    ["allow", undefined, "none"],
    ["deny", 6, "deny"],
    ["deny", 5, "none"],
    ["deny", undefined, "ask"],
    ["ask", undefined, "ask"],
  ])("%s with %p: %s", (action, costUsd, decision) =>
    expect(judge([rule("r", action, when)], bash("ls"), { ...facts, ...(costUsd === undefined ? {} : { costUsd }) }).decision).toBe(
      decision,
    ),
  );

  test("a rule that acts on sessions holds when all is known", () => {
    expect(matches(rule("r", "stop", { costAboveUsd: 5 }), { now: 0, costUsd: 6 })).toBe(true);
    expect(matches(rule("r", "stop", { costAboveUsd: 5 }), { now: 0 })).toBe(false);
    expect(matches(rule("r", "notify", { tool: ["Bash"] }), facts)).toBe(false);
    expect(matches(rule("r", "notify", { command: ["npm publish"] }), facts, bash("cd x && npm publish"))).toBe(true);
    expect(matches(rule("r", "notify", { command: ["npm publish"] }), facts, bash("npm $x"))).toBe(false);
  });
});

describe("Windows", () => {
  const home = "C:\\Users\\Me";
  // As a disk of Windows: of whatever case.
  const there: Record<string, string> = {
    [`${home}\\app\\alias`.toLowerCase()]: "D:\\keys",
    "c:\\progra~1\\app": "C:\\Program Files\\app",
    ...Object.fromEntries(["C:\\", "D:\\keys", "\\\\srv\\secret\\", `${home}\\app`, home].map((path) => [path.toLowerCase(), path])),
  };
  const sys = {
    ...createFakeSys({ platform: "win32", homeDir: home }),
    realPath: (path: string) => there[path.toLowerCase()],
    readLink: () => undefined,
  };
  const call = (tool: string, input: Record<string, unknown>): ToolCall =>
    toCall(sys, { tool, input, cwd: `${home}\\app`, projectDir: `${home}\\app` });
  const rules = [
    rule("env", "deny", { path: [".env"] }),
    rule("keys", "deny", { path: ["~/.ssh/**", "D:\\keys\\**"] }),
    rule("share", "ask", { path: ["\\\\srv\\secret\\**"] }),
    rule("programs", "ask", { path: ["C:\\Program Files\\**"] }),
    rule("src", "allow", { tool: ["Edit", "Write", "Read"], path: ["src\\**"] }),
    rule("cat", "allow", { command: ["cat"] }),
    rule("npm", "deny", { command: ["npm publish"] }),
  ];

  test.each<[tool: string, path: string, decision: Decision, name?: string | null]>([
    ["Read", `${home}\\app\\.env`, "deny", "env"],
    ["Read", "c:/users/me/app/sub/.ENV", "deny", "env"],
    ["Read", ".env::$DATA", "deny", "env"],
    ["Read", ".env. ", "deny", "env"],
    ["Read", "\\\\?\\C:\\Users\\Me\\app\\.env", "deny", "env"],
    ["Read", "..\\.ssh\\id_rsa", "deny", "keys"],
    ["Read", "~\\.ssh\\id_rsa", "deny", "keys"],
    ["Read", "\\Users\\Me\\.ssh\\id_rsa", "deny", "keys"],
    ["Read", "alias\\id", "deny", "keys"],
    ["Read", "D:\\keys\\id", "deny", "keys"],
    ["Read", "\\\\SRV\\secret\\x", "ask", "share"],
    ["Read", "//srv/secret/x", "ask", "share"],
    ["Read", "C:\\PROGRA~1\\app\\x", "ask", "programs"],
    ["Write", `${home}\\app\\src\\a.ts`, "allow", "src"],
    ["Write", "src\\..\\..\\x.ts", "none", null],
    ["Write", "src\\.git\\hooks\\pre-commit", "ask", null],
    ["Write", `${home}\\Documents\\PowerShell\\Microsoft.PowerShell_profile.ps1`, "ask", null],
  ])("%s of %j: %s", (tool, path, decision, name) =>
    expect(decide(rules, call(tool, { file_path: path }))).toEqual([decision, name ?? undefined]),
  );

  test.each<[command: string, decision: Decision, name?: string | null]>([
    ["cat .env", "deny", "env"],
    ["cat C:/Users/Me/app/.env", "deny", "env"],
    ["cat /c/Users/Me/app/.env", "deny", "env"],
    ["cat 'C:\\Users\\Me\\.ssh\\id'", "deny", "keys"],
    ["cat ~/.ssh/id", "deny", "keys"],
    ["cd /d/keys && cat id", "deny", "keys"],
    ["cd D:/keys && cat id", "deny", "keys"],
    ["cat README.md > src/a.ts", "allow", "cat"],
    ["cat README.md > D:/keys/a", "deny", "keys"],
    ["cat README.md > /c/Users/Me/x", "ask", null],
    ["cat README.md 2>/dev/null", "allow", "cat"],
    ["npm.cmd publish", "deny", "npm"],
    ["C:/Tools/NPM.CMD publish", "deny", "npm"],
    ["'C:\\Tools\\npm.exe' publish", "deny", "npm"],
    ["cmd /c 'npm publish'", "ask", "npm"],
    ["powershell -Command 'npm publish'", "ask", "npm"],
  ])("Git Bash's %j: %s", (command, decision, name) =>
    expect(decide(rules, call("Bash", { command }))).toEqual([decision, name ?? undefined]),
  );

  test("a project is named by its folder in either spelling", () => {
    const of = (project: string) => judge([rule("p", "deny", { project: [project] })], call("Read", { file_path: "x" }), facts).decision;
    expect(["C:\\Users\\Me\\app", "c:/users/me/APP/", "app", "C:\\Users\\Me", "C:\\Users\\Me\\ap", "D:\\Users"].map(of)).toEqual([
      ...["deny", "deny", "deny", "deny", "none", "none"],
    ] as Decision[]);
  });
});
