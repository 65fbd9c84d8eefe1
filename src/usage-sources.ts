import { join } from "node:path";
import type { UsageProfile } from "./accounts.ts";
import { parseLines } from "./claude-transcript.ts";
import { parseQuotaLimit, parseUsageAnswer, usageRequest, type Windows } from "./claude-usage.ts";
import { findClaude, isNestedMark } from "./launch.ts";
import { csmDir, homeDir, smartDir } from "./paths.ts";
import { profileEnv } from "./profiles.ts";
import { printableLine } from "./sanitize.ts";
import type { PartOf } from "./settings.ts";
import { withLock } from "./store.ts";
import type { Sys } from "./sys.ts";
import type { Bounded } from "./sys-bounded.ts";
import { listTranscripts } from "./transcripts.ts";
import { type Blob, encodeBlob, parseBlob } from "./usage-blob.ts";
import { type Ledger, type Reading, readingsOf, type Source } from "./usage-ledger.ts";

const limitLifeMs = 7 * 86_400_000;
const tailBytes = 64 * 1024;
const maxTranscripts = 200;
const lookNote = "transcripts";

/**
 * Limits that ended a turn of a session nobody watched: the ends of transcripts that have grown since the last look. One that
 * several accounts can see (linked, or copied to go on elsewhere) does not tell whose limit it was.
 */
export function foldTranscripts(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[]): void {
  const now = sys.now();
  const since = Math.max(ledger.fileNotes().get(lookNote)?.modifiedAt ?? 0, now - limitLifeMs);
  const accounts = new Map(profiles.map(({ dir, account }) => [dir, account]));
  const files = listTranscripts(sys, { configDirs: profiles.map(({ dir }) => dir) });
  const owners = new Map<string, Set<string | undefined>>();
  for (const { sessionId, configDirs } of files) {
    const owner = owners.get(sessionId) ?? new Set();
    owners.set(sessionId, owner);
    for (const dir of configDirs) owner.add(accounts.get(dir));
  }
  const changed = files.filter((file) => file.modifiedAt >= since).sort((a, b) => b.modifiedAt - a.modifiedAt);
  const readings = changed.slice(0, maxTranscripts).flatMap((file) => {
    const [account, ...others] = owners.get(file.sessionId) ?? [];
    return account === undefined || others.length > 0 ? [] : readLimits(sys, file.path, account);
  });
  ledger.record(readings, now);
  // A line may be written while we look: the next look begins a little earlier.
  ledger.noteFiles([{ path: lookNote, modifiedAt: now - 2000, text: "{}" }]);
}

function readLimits(sys: Sys, path: string, account: string): Reading[] {
  const lines = sys.readTail(path, tailBytes)?.lines ?? [];
  return parseLines(lines.filter((line) => line.includes('"quotaLimits"'))).flatMap((event) => {
    if (event.kind !== "error" || event.error.limit === undefined) return [];
    const windows = parseQuotaLimit(event.error.limit);
    return windows === undefined ? [] : readingsOf(account, windows, "transcript", event.at);
  });
}

type FetchSettings = PartOf<"fetch">;

/** Set for CSM_USAGE_CMD: a csm in it would wait for the one that waits for it. */
const nestedVariable = "CSM_USAGE_NESTED";

/** Any source is enough: a hub is one too. None is, inside a command that this program runs to learn of usage. */
export const isConfigured = ({ env }: Pick<Sys, "env">, { url, hub, command }: FetchSettings): boolean =>
  env[nestedVariable] !== "1" && [url, hub, command].some((value) => value !== undefined);

/** A blob with its source and age, or why there is none. */
export type Fetched = { blob: Blob; source: Source | "cache"; at: number } | { failure: string };

/** Shared with the older tool. */
export const blobCachePath = (sys: Sys): string => join(smartDir(sys), ".usage-cache.json");
export const failureMarkerPath = (sys: Sys): string => join(smartDir(sys), ".usage-fetch-failed");
const hubFile = "claude-code-usage/cache/usage-limits.json";

const maxBytes = 4_000_000;

/** The last known blob, of any age; undefined when there is none or it is broken. */
export function readCachedBlob(sys: Sys): { blob: Blob; at: number } | undefined {
  const at = sys.modifiedAt(blobCachePath(sys));
  if (at === undefined) return undefined;
  const blob = parseBlob(sys.readText(blobCachePath(sys)) ?? "", at);
  return blob === undefined ? undefined : { blob, at };
}

/** From the cheapest source that answers. One process at a time asks; the others wait and take what it found. */
export async function fetchBlob(sys: Sys, settings: FetchSettings, warn: (text: string) => void): Promise<Fetched> {
  if (isHub(sys, settings)) return readHubFile(sys);
  const fresh = freshCache(sys, settings);
  if (fresh !== undefined) return fresh;
  try {
    return await withLock(sys, "usage-fetch", () => freshCache(sys, settings) ?? ask(sys, settings, warn));
  } catch {
    // No lock is to be had, as on a full disk: better asked twice than not at all.
    return ask(sys, settings, warn);
  }
}

const isHub = (sys: Sys, { hub }: FetchSettings): boolean => hub?.toLowerCase() === (sys.hostname().split(".")[0] ?? "").toLowerCase();

function readHubFile(sys: Sys): Fetched {
  const path = join(homeDir(sys), hubFile);
  const text = sys.readText(path) ?? "";
  const blob = parseBlob(text, sys.now());
  if (blob === undefined) return { failure: `${path} ${text.trim() === "" ? "is missing or empty" : "is no usage data"}` };
  keep(sys, blob);
  return { blob, source: "hub-file", at: sys.modifiedAt(path) ?? sys.now() };
}

/** One that is broken counts as none, whatever its age. */
function freshCache(sys: Sys, { cacheMs }: FetchSettings): Fetched | undefined {
  const cached = readCachedBlob(sys);
  return cached !== undefined && sys.now() - cached.at < cacheMs ? { ...cached, source: "cache" } : undefined;
}

async function ask(sys: Sys, settings: FetchSettings, warn: (text: string) => void): Promise<Fetched> {
  // The command comes before the cool-down: it is local, and a hub that is down must not silence it.
  if (settings.command !== undefined) {
    const answer = accept(sys, "command", await runCommand(sys, settings.command, settings.commandTimeoutMs));
    if ("blob" in answer) return answer;
    warn(`csm: warning: CSM_USAGE_CMD failed: ${answer.failure}`);
  }
  const { url, hub, coolDownMs } = settings;
  if (url === undefined && hub === undefined)
    return { failure: settings.command === undefined ? "no source is configured" : "CSM_USAGE_CMD failed" };
  const failedAt = Number((sys.readText(failureMarkerPath(sys)) ?? "").trim() || 0) * 1000 || 0;
  if (sys.now() - failedAt < coolDownMs) return { failure: `the last attempt failed ${Math.round((sys.now() - failedAt) / 1000)} s ago` };
  const failures: string[] = [];
  for (const [source, run] of networkSources(sys, settings)) {
    const answer = accept(sys, source, await run());
    if ("blob" in answer) return answer;
    failures.push(`${source}: ${answer.failure}`);
  }
  attemptWrite(() => sys.writePrivate(failureMarkerPath(sys), String(Math.floor(sys.now() / 1000))));
  return { failure: failures.join("; ") };
}

function networkSources(sys: Sys, { url, hub, token, httpTimeoutMs, sshTimeoutMs }: FetchSettings): [Source, () => Promise<Bounded>][] {
  const headers = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
  return [
    ...(url === undefined
      ? []
      : [["http", () => fetchUrl(sys, url, { timeoutMs: httpTimeoutMs, maxBytes, ...headers })] as [Source, () => Promise<Bounded>]]),
    ...(hub === undefined || sys.platform === "win32"
      ? []
      : [["ssh", () => runSsh(sys, hub, sshTimeoutMs)] as [Source, () => Promise<Bounded>]]),
  ];
}

function accept(sys: Sys, source: Source, answer: Bounded): Fetched {
  if ("failure" in answer) return { failure: printableLine(answer.failure).slice(0, 200) };
  const blob = parseBlob(answer.text, sys.now());
  if (blob === undefined) return { failure: "the answer is no usage data" };
  keep(sys, blob);
  return { blob, source, at: sys.now() };
}

function keep(sys: Sys, blob: Blob): void {
  attemptWrite(() => {
    sys.writePrivate(blobCachePath(sys), encodeBlob(blob));
    sys.remove(failureMarkerPath(sys));
  });
}

function attemptWrite(write: () => void): void {
  try {
    write();
  } catch {
    // A full disk or a folder that may not be written costs the cache, not the answer.
  }
}

function runCommand(sys: Sys, line: string, timeoutMs: number): Promise<Bounded> {
  return sys.runBounded(sys.platform === "win32" ? ["cmd", "/C", line] : ["sh", "-c", line], {
    timeoutMs,
    maxBytes,
    env: { ...sys.env, [nestedVariable]: "1" },
  });
}

function fetchUrl(sys: Sys, url: string, options: Parameters<Sys["fetchBounded"]>[1]): Promise<Bounded> {
  const isWeb = URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
  return isWeb ? sys.fetchBounded(url, options) : Promise.resolve({ failure: `not a web address: ${url}` });
}

/** A host that begins with a dash would be an option of ssh. */
const hostName = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9_][A-Za-z0-9._-]*$/;

function runSsh(sys: Sys, host: string, timeoutMs: number): Promise<Bounded> {
  if (!hostName.test(host)) return Promise.resolve({ failure: `not a host name: ${host}` });
  const options = ["BatchMode=yes", "ConnectTimeout=4", ...multiplexing(sys)];
  const argv = ["ssh", ...options.flatMap((option) => ["-o", option]), "--", host, `cat "$HOME/${hubFile}"`];
  return sys.runBounded(argv, { timeoutMs, maxBytes, leavesChildren: true });
}

const maxSocketDir = 50;

/** The connection stays open for the next fetch; not where the name of its socket would be too long for the system. */
function multiplexing(sys: Sys): string[] {
  const dir = join(homeDir(sys), ".ssh");
  if (!sys.isDirectory(dir) || dir.length > maxSocketDir) return [];
  return ["ControlMaster=auto", `ControlPath=${dir}/cm-claude-%C.sock`, "ControlPersist=300"];
}

/** Of one account, so that nobody's server is bothered more than the program itself would. */
const askLimits = { everyMs: 5 * 60_000, perHour: 20 };
const askTimeoutMs = 10_000;
const maxAnswerBytes = 2_000_000;

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
  const bounds = { timeoutMs: askTimeoutMs, maxBytes: maxAnswerBytes };
  const answer = await sys.runBounded([findClaude(sys), ...askFlags], { ...bounds, env, cwd, input: usageRequest(id) });
  return "failure" in answer ? answer.failure : parseUsageAnswer(answer.text, id, sys.now());
}
