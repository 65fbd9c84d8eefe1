/** `bun run scripts/smoke.ts DIR` starts csm and csd of a folder in an empty HOME: what works on any box, without tmux, claude or git. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface Row {
  argv: readonly [program: "csm" | "csd", ...words: string[]];
  says: RegExp;
  code?: number;
}

const rows: readonly Row[] = [
  { argv: ["csm", "--version"], says: /^csm \d+\.\d+\.\d+\S* \(/ },
  { argv: ["csd", "--version"], says: /^csd \d+\.\d+\.\d+\S* \(/ },
  { argv: ["csm", "--help"], says: /usage: csm/ },
  { argv: ["csm", "ls"], says: /^no live sessions$/m },
  { argv: ["csm", "ls", "--json"], says: /"sessions": \[\]/ },
  { argv: ["csm", "usage", "--no-fetch"], says: /no profiles configured/ },
  { argv: ["csm", "profiles"], says: /available:/ },
  { argv: ["csm", "cost"], says: /^nothing was used$/m },
  { argv: ["csm", "config", "set", "limit.policy", "wait"], says: /^$/ },
  { argv: ["csm", "config", "get", "limit.policy"], says: /^wait$/m },
  { argv: ["csm", "rules", "explain", "Bash(git push)"], says: /Bash|rule/ },
  { argv: ["csm", "demo", "--simulated"], says: /NEEDS YOU/ },
  { argv: ["csm", "top", "--once"], says: /no session of Claude Code is running/ },
  { argv: ["csm", "newuuid"], says: /^[0-9a-f-]{36}$/m },
  { argv: ["csm", "completions", "pwsh"], says: /Register-ArgumentCompleter/ },
  { argv: ["csm", "log"], says: /no usage limit has been met yet/ },
  { argv: ["csd", "ps"], says: /no tracked sessions|"sessions":/ },
  { argv: ["csd", "nope"], says: /unknown command/, code: 2 },
];

/** What did not go as it should, a line each. `before`: words in front, as an emulator has them. */
export function smoke(dir: string, before: readonly string[] = []): string[] {
  const home = mkdtempSync(join(tmpdir(), "csm-smoke-"));
  mkdirSync(join(home, "AppData", "Local"), { recursive: true });
  const { PATH = "", SystemRoot } = process.env;
  const env = {
    ...{ HOME: home, USERPROFILE: home, LOCALAPPDATA: join(home, "AppData", "Local"), PATH, LC_ALL: "C.UTF-8", CSM_USAGE_ASK: "0" },
    ...(SystemRoot === undefined ? {} : { SystemRoot }),
  };
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    return rows.flatMap(({ argv: [program, ...words], says, code = 0 }) => {
      const { exitCode, stdout, stderr } = Bun.spawnSync([...before, join(resolve(dir), program + suffix), ...words], {
        env,
        cwd: home,
        stdin: "ignore",
      });
      const text = stdout.toString().replaceAll("\r", "") + stderr.toString();
      const shown = `${program} ${words.join(" ")}`;
      return exitCode === code && says.test(text)
        ? []
        : [`${shown}: code ${exitCode}, wanted ${code} and ${says}; it says: ${text.slice(0, 400)}`];
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const [dir = "dist", ...before] = process.argv.slice(2);
  const faults = smoke(dir, before);
  console.log([...faults, `${rows.length - faults.length} passed, ${faults.length} failed`].join("\n"));
  process.exit(faults.length === 0 ? 0 : 1);
}
