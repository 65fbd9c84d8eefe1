import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appendAudit, maskSecrets, noteAnswer, noteRefusal, readAudit, shownRequest } from "../src/audit.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

describe("the request as people see it", () => {
  test.each<[what: string, text: string, shown: string]>([
    ["a command", "npm run test -- --watch", "npm run test -- --watch"],
    ["a header", 'curl -H "Authorization: Bearer abc.def" x', 'curl -H "Authorization: Bearer ***" x'],
    ["a header without a scheme", "curl -H 'authorization: abc' x", "curl -H 'authorization: ***' x"],
    ["a key in a header", "curl -H 'X-Api-Key: abc' -H 'Accept: a'", "curl -H 'X-Api-Key: ***' -H 'Accept: a'"],
    ["a cookie", "curl -H 'Cookie: session=1; b=2' x", "curl -H 'Cookie: ***' x"],
    ["a password in a URL", "git clone https://me:hunter2@host/x.git", "git clone https://me:***@host/x.git"],
    ["a database", "psql postgres://u:p%40ss@db/x", "psql postgres://u:***@db/x"],
    ["a token in a query", "curl 'https://x/y?a=1&access_token=abc&b=2'", "curl 'https://x/y?a=1&access_token=***&b=2'"],
    ["a flag", "login --password hunter2 --user me", "login --password *** --user me"],
    ["a flag with =", "login --client-secret='a b' --port=1", "login --client-secret=*** --port=1"],
    ["a flag with a quoted value", 'login --api-key "a \\" b" x', "login --api-key *** x"],
    ["basic auth", "curl -u me:hunter2 x", "curl -u me:*** x"],
    ["an assignment", "AWS_SECRET_ACCESS_KEY=abc GITHUB_TOKEN='x y' make", "AWS_SECRET_ACCESS_KEY=*** GITHUB_TOKEN=*** make"],
    ["an export", 'export DB_PASSWORD=a"b c"d; echo $DB_PASSWORD', "export DB_PASSWORD=***; echo $DB_PASSWORD"],
    ["basic auth in one word", "curl -suuser:hunter2 -U a:b x", "curl -suuser:*** -U a:*** x"],
    ["a token before a host", "git clone https://abcdef0123456789@host/x", "git clone https://***@host/x"],
    [
      "a user before a host",
      "git clone https://git@host/x ssh://deploying-user@host",
      "git clone https://git@host/x ssh://deploying-user@host",
    ],
    ["a token's own header", "curl -H 'PRIVATE-TOKEN: abc' x", "curl -H 'PRIVATE-TOKEN: ***' x"],
    ["a cookie that is sent", "curl -b 'a=b' --oauth2-bearer abc x", "curl -b *** --oauth2-bearer *** x"],
    ["a program's short option", "mysql -u root -phunter2 db", "mysql -u root -p*** db"],
    ["another's", "sshpass -p 'a b' ssh -p 22 h", "sshpass -p *** ssh -p 22 h"],
    ["another's", "docker login -u me -p hunter2 host", "docker login -u me -p *** host"],
    [
      "the same option elsewhere",
      "mkdir -p a; cp -p b c; ssh -p 22 h; docker run -p 80:80 x",
      "mkdir -p a; cp -p b c; ssh -p 22 h; docker run -p 80:80 x",
    ],
    ["a name and a word", "aws configure set aws_secret_access_key abc", "aws configure set aws_secret_access_key ***"],
    ["what is told to a login", "echo abc | docker login -u me --password-stdin", "echo *** | docker login -u me --password-stdin"],
    ["a webhook", "curl https://hooks.slack.com/services/T0/B0/abc -d x", "curl https://hooks.slack.com/services/*** -d x"],
    ["JSON in a text", 'curl -d "{\\"token\\": \\"abc\\"}" x', 'curl -d "{\\"token\\": "***"}" x'],
    ["code", "python3 -c \"api_key = 'abc'; x = 'y'\"", 'python3 -c "api_key = "***"; x = \'y\'"'],
    ["a line of settings", "echo 'password: hunter2' > x; echo secret = abcdef", "echo 'password: ***' > x; echo secret = ***"],
    ["talk of such words", "git commit -m 'token: fix it; the secret = none'", "git commit -m 'token: fix it; the secret = none'"],
    ["a name that only looks alike", "DEBUG=1 tokenize --keyboard us", "DEBUG=1 tokenize --keyboard us"],
    ["JSON", `curl -d '{"user":"me","password":"a\\"b"}'`, `curl -d '{"user":"me","password":"***"}'`],
    ["a key of ours", "echo sk-ant-api03-abcdefghijklmnop | x", "echo *** | x"],
    ["a GitHub token", "git push https://ghp_abcdefghijklmnopqrst@github.com/x", "git push https://***@github.com/x"],
    ["an AWS key", "aws configure set x AKIAIOSFODNN7EXAMPLE", "aws configure set x ***"],
    ["a JWT", "echo eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc", "echo ***"],
    [
      "a private key",
      "cat <<E\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nE",
      "cat <<E\n-----BEGIN RSA PRIVATE KEY-----***\nE",
    ],
  ])("%s", (_, text, shown) => {
    expect(maskSecrets(text)).toBe(shown);
  });

  test.each<[tool: string, input: Record<string, unknown>, shown: string]>([
    ["Bash", { command: "ls", description: "List" }, "ls"],
    ["Write", { file_path: "/x", content: "secret stuff" }, "/x"],
    ["WebFetch", { url: "https://u:p@x/", prompt: "y" }, "https://u:***@x/"],
    ["Task", { subagent_type: "x", prompt: "y" }, '{"subagent_type":"x","prompt":"y"}'],
    ["mcp__a__b", { url: "x", api_key: "abc", nested: [{ Password: "p" }] }, '{"url":"x","api_key":"***","nested":[{"Password":"***"}]}'],
  ])("of %s", (tool, input, shown) => {
    expect(shownRequest(tool, input)).toBe(shown);
  });

  test("is bounded, and a secret that would be cut in two is not shown in half", () => {
    const long = shownRequest("Bash", { command: `${"x".repeat(1990)} TOKEN=abcdefghijklmnop ${"y".repeat(5000)}` });
    expect(long.length).toBe(2001);
    expect(long).not.toContain("abc");
  });

  test.each(["a", "-", "x-", '"', "a_KEY", "--token ", "https://", "-----BEGIN PRIVATE KEY-----"])(
    "has an end, also of 10 MB of %j",
    (piece) => {
      expect(shownRequest("Bash", { command: piece.repeat(10_000_000 / piece.length) }).length).toBeLessThan(2002);
    },
  );

  test("a list within a list without end is no trouble", () => {
    let nested: unknown = "x";
    for (let depth = 0; depth < 400; depth++) nested = { a: nested };
    expect(shownRequest("mcp__a__b", { nested }).length).toBeLessThan(2002);
  });
});

const rule = { name: "r", action: "deny", at: { path: "/r.toml", line: 3 }, isProject: false, when: {} } as const;

test("a line says when, which session, what, by which rule, what was decided and how; refusals stay as they were", async () => {
  const sys = createFakeSys({ now: 1_700_000_000_000, files: { "/home/dev/.config/claude-as/profiles.json": '{"work":"/w"}' } });
  await appendAudit(sys, {
    ...{ sessionId: "id-1", name: "fix", configDir: "/w", cwd: "/p", tool: "Bash", input: { command: "rm -rf x" } },
    ...{ rule, decision: "deny", channel: "hook", reason: "no", ms: 4 },
  });
  await noteRefusal(sys, { session: "fix", verb: "approve", why: "it asks itself", pid: 7, uid: 0 });
  const answered = { session: { name: "fix", configDir: "/other", sessionId: "id-1" }, call: { tool: "Bash", input: { command: "ls" } } };
  await noteAnswer(sys, { ...answered, answer: { gate: "permission", meaning: "allow-once" }, by: "dashboard" });
  await noteAnswer(sys, { ...answered, call: undefined, answer: { gate: "trust", meaning: "refuse" }, by: "csd" });
  const at = 1_700_000_000_000;
  expect(readAudit(sys)).toEqual([
    {
      ...{ at, event: "decided", session: "fix", session_id: "id-1", profile: "work", cwd: "/p", tool: "Bash", request: "rm -rf x" },
      ...{ decision: "deny", channel: "hook", rule: "r", rule_place: "/r.toml:3", reason: "no", ms: 4 },
    },
    { at, event: "refused", session: "fix", verb: "approve", why: "it asks itself", pid: 7, uid: 0 },
    { at, event: "decided", session: "fix", session_id: "id-1", tool: "Bash", request: "ls", decision: "allow", channel: "dashboard" },
    { at, event: "decided", session: "fix", session_id: "id-1", tool: "trust", decision: "deny", channel: "csd" },
  ]);
});

describe("on disk", () => {
  let home = "";
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "csm-audit-"));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const dir = () => join(home, ".local/state/csd");
  const files = () => readdirSync(dir()).sort();
  const sysOf = (): Sys => createSys({ HOME: home });

  test("a full file is set aside under the next number, and nothing is ever taken away", async () => {
    mkdirSync(dir(), { recursive: true, mode: 0o700 });
    const full = (n: number) => `${JSON.stringify({ at: n, event: "decided", session: `s${n}`, pad: "x".repeat(8 * 1024 * 1024) })}\n`;
    for (const n of [1, 2]) {
      writeFileSync(join(dir(), "audit.jsonl"), full(n), { mode: 0o600 });
      await appendAudit(sysOf(), { sessionId: `after${n}`, decision: "ask", channel: "hook" });
      if (n === 1) expect(files()).toEqual(["audit.1.jsonl", "audit.jsonl"]);
    }
    expect(files()).toEqual(["audit.1.jsonl", "audit.2.jsonl", "audit.jsonl"]);
    expect(readAudit(sysOf()).map(({ session }) => session)).toEqual(["s1", "s2", "after2"]);
    expect(statSync(join(dir(), "audit.jsonl")).mode & 0o777).toBe(0o600);
  });

  test("whoever does not get the place in time writes beside it, where nothing is ever taken out", async () => {
    const add = (at: number, session: string, isLocked: boolean) => {
      const clock = { at };
      const sleep = async () => {
        clock.at += 1000;
      };
      const sys = { ...sysOf(), now: () => clock.at, sleep, ...(isLocked ? {} : { takeLock: async () => undefined }) };
      return appendAudit(sys, { sessionId: session, decision: "ask", channel: "hook" });
    };
    await add(1000, "a", true);
    await add(2000, "b", false);
    await add(9000, "d", true);
    // What a writer that was killed has left costs nobody else a line.
    appendFileSync(join(dir(), "audit.late.jsonl"), '\n{"at":3000,"ev');
    await add(4000, "c", false);
    expect(files()).toEqual(["audit.jsonl", "audit.late.jsonl"]);
    expect(readAudit(sysOf()).map(({ session }) => session)).toEqual(["a", "b", "c", "d"]);
    expect(statSync(join(dir(), "audit.late.jsonl")).mode & 0o777).toBe(0o600);
  });

  test.each([
    ["a torn line goes", '{"at":1,"event":"decided","session":"a"}\n{"at":2,"ev', ["a", "b"], 2],
    ["a first one too", '{"at":2,"ev', ["b"], 1],
    ["what is longer than any line stays, apart", "x".repeat(70_000), ["b"], 2],
  ])("before the next line is written: %s", async (_, text, sessions, count) => {
    mkdirSync(dir(), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir(), "audit.jsonl"), text, { mode: 0o600 });
    await appendAudit(sysOf(), { sessionId: "b", decision: "ask", channel: "hook" });
    expect(readAudit(sysOf()).map(({ session }) => session)).toEqual(sessions);
    expect(readFileSync(join(dir(), "audit.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(count);
  });

  test("100 writers at once, some killed: each line whole, none lost that was acknowledged", async () => {
    const writers = 100;
    // Nearly full, so that it is set aside on the way.
    const old = (n: number) =>
      JSON.stringify({ at: n, event: "decided", session: `old-${n}`, request: "x".repeat(2000), decision: "deny" });
    mkdirSync(dir(), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir(), "audit.jsonl"), Array.from({ length: 3700 }, (_, n) => `${old(n)}\n`).join(""), { mode: 0o600 });
    const script = `
      import { appendAudit } from ${JSON.stringify(join(import.meta.dir, "../src/audit.ts"))};
      import { createSys } from ${JSON.stringify(join(import.meta.dir, "../src/sys.ts"))};
      const sys = createSys();
      // All are started before the first one writes.
      process.stdout.write("ready\\n");
      await sys.readInput();
      for (let n = 0; n < 60; n++) {
        await appendAudit(sys, { sessionId: process.argv[1] + "-" + n, tool: "Bash", input: { command: "x".repeat(1900) }, decision: "deny", channel: "hook" });
        process.stdout.write(n + "\\n");
      }`;
    const spawn = (index: number) =>
      Bun.spawn([process.execPath, "-e", script, `w${index}`], {
        env: { HOME: home, PATH: process.env.PATH },
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      });
    const children = Array.from({ length: writers }, (_, index) => spawn(index));
    let ready = 0;
    const run = async (child: (typeof children)[number], index: number): Promise<string[]> => {
      const acknowledged: string[] = [];
      const decoder = new TextDecoder();
      let text = "";
      for await (const bytes of child.stdout) {
        if (text === "" && ++ready === writers) for (const { stdin } of children) void stdin.end();
        text += decoder.decode(bytes, { stream: true });
        // Every third one ends in the midst of it.
        if (index % 3 === 0 && text.split("\n").length > 2 + (index % 50)) child.kill("SIGKILL");
      }
      acknowledged.push(...text.split("\n").slice(1, -1));
      await child.exited;
      return acknowledged.map((n) => `w${index}-${n}`);
    };
    const acknowledged = (await Promise.all(children.map(run))).flat();
    const lines = files()
      .flatMap((name) => readFileSync(join(dir(), name), "utf8").split("\n"))
      .filter((line) => line !== "");
    for (const line of lines) expect((JSON.parse(line) as { event: string }).event).toBe("decided");
    const seen = new Set(readAudit(sysOf()).map(({ session }) => session));
    expect(seen.size).toBe(lines.length);
    expect(acknowledged.length).toBeGreaterThan(67 * 60);
    expect(acknowledged.filter((id) => !seen.has(id))).toEqual([]);
    expect(files()).toContain("audit.1.jsonl");
  }, 120_000);
});
