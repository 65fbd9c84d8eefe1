import { parseUsageAnswer, usageRequest, type Windows } from "./claude-usage.ts";
import { findClaude, isNestedMark } from "./launch.ts";
import { csmDir } from "./paths.ts";
import { profileEnv } from "./registry.ts";
import type { Sys } from "./sys.ts";
import type { Ledger } from "./usage-ledger.ts";
import type { UsageProfile } from "./usage-profiles.ts";

/** Of one account, so that nobody's server is bothered more than the program itself would. */
const askLimits = { everyMs: 5 * 60_000, perHour: 20 };
const askTimeoutMs = 10_000;
const maxBytes = 2_000_000;

/** No hook of the user's runs for it, and no server of a project's is started. */
const askFlags = [
  ...["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--no-session-persistence"],
  ...["--strict-mcp-config", "--setting-sources", "user", "--settings", '{"disableAllHooks":true}', "--tools", ""],
];

/** These would be asked about another login than the profile's own. */
const otherLogins = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];

/**
 * Asks the profile's own claude, which asks its own login: no model is called, and no token is seen here. A text says why there
 * is no answer; undefined means that the account has been asked often enough.
 */
export async function askUsage(sys: Sys, ledger: Ledger, profile: UsageProfile): Promise<Windows | string | undefined> {
  if (!ledger.tryAsk(profile.account, sys.now(), askLimits)) return undefined;
  const id = sys.randomId();
  const kept = Object.entries(sys.env).filter(([name]) => !isNestedMark(name) && !otherLogins.includes(name));
  const env = { ...Object.fromEntries(kept), ...profileEnv(sys, profile), DISABLE_AUTOUPDATER: "1" };
  // A folder of our own: nothing that lies about is taken for a project.
  const cwd = csmDir(sys);
  sys.makePrivateDir(cwd);
  const bounds = { timeoutMs: askTimeoutMs, maxBytes };
  const answer = await sys.runBounded([findClaude(sys), ...askFlags], { ...bounds, env, cwd, input: usageRequest(id) });
  return "failure" in answer ? answer.failure : parseUsageAnswer(answer.text, id, sys.now());
}
