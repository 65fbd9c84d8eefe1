import { join } from "node:path";
import type { UsageProfile } from "./accounts.ts";
import { isNestedMark } from "./claude-program.ts";
import { parseLines } from "./claude-transcript.ts";
import { parseQuotaLimit, parseUsageAnswer, usageRequest, type Windows } from "./claude-usage.ts";
import { parseRecord, present } from "./json.ts";
import { findClaude } from "./launch.ts";
import { csmDir, homeDir, smartDir, statuslineDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileEnv, realDir } from "./profiles.ts";
import type { PartOf } from "./settings.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import { openRecords, openStore, type Store, withLock } from "./store.ts";
import type { Sys } from "./sys.ts";
import type { Bounded } from "./sys-bounded.ts";
import { listTranscripts } from "./transcripts.ts";
import { type Blob, encodeBlob, parseBlob } from "./usage-blob.ts";
import { type Ledger, type Reading, readingsOf } from "./usage-ledger.ts";

/** What a reader looks at, and where it puts what it finds. */
interface Look {
  sys: Sys;
  ledger: Ledger;
  profiles: readonly UsageProfile[];
}

/** What a source of blobs said, when that was written if not now, and what to call it where it cannot be read. */
type Answer = { text: string; at?: number; from?: string } | { failure: string };

interface Fetcher {
  /** `own`: where it is set no other is asked. `network`: asked in turn, and after a failure of all not for a while. */
  kind: "own" | "local" | "network";
  isSet(settings: FetchSettings, sys: Pick<Sys, "hostname">): boolean;
  run(sys: Sys, settings: FetchSettings): Answer | Promise<Answer>;
}

interface SourceRow {
  name: string;
  /** For people. */
  words: string;
  /** It speaks for other machines: people are told how old its word is. */
  isHub?: true;
  /** Puts what it knows into the ledger; `when` says what somebody must have asked for. */
  reads?: { when: "always" | "looking" | "asking"; run(look: Look): void | Promise<void> };
  fetches?: Fetcher;
}

/**
 * Where readings come from, the most direct first: of two that are equally old that of the higher row counts. Sources of blobs are
 * tried in this order too. A row that reads nothing is written by those who meet it: the hook and the loop (`limit`), who reads
 * whose login it is (`claude-cache`), and who makes the report (`cache`).
 */
const rows = [
  { name: "limit", words: "limit hit" },
  { name: "transcript", words: "transcript", reads: { when: "looking", run: foldTranscripts } },
  { name: "get_usage", words: "asked claude", reads: { when: "asking", run: askAll } },
  { name: "statusline", words: "status line", reads: { when: "always", run: foldStatuslines } },
  { name: "claude-cache", words: "claude's cache" },
  {
    name: "command",
    words: "CSM_USAGE_CMD",
    isHub: true,
    fetches: { kind: "local", isSet: ({ command }) => command !== undefined, run: runCommand },
  },
  { name: "hub-file", words: "hub file", isHub: true, fetches: { kind: "own", isSet: isHub, run: readHubFile } },
  { name: "http", words: "hub (http)", isHub: true, fetches: { kind: "network", isSet: ({ url }) => url !== undefined, run: fetchUrl } },
  { name: "ssh", words: "hub (ssh)", isHub: true, fetches: { kind: "network", isSet: ({ hub }) => hub !== undefined, run: runSsh } },
  { name: "cache", words: "cached hub data", isHub: true },
  // Written by `csm fleet serve`, for each machine under a name of its own.
  { name: "fleet", words: "fleet", isHub: true },
] as const satisfies readonly SourceRow[];

export type Source = (typeof rows)[number]["name"];

export const sources: readonly SourceRow[] = rows;

/** The row of a name; one of a later version is shown by that name. */
export const sourceOf = (name: string): SourceRow =>
  sources.find((row) => row.name === name) ??
  (isOfFleet(name) ? { name, words: name.replace("/", ": "), isHub: true } : { name, words: name });

/** What a machine of the fleet told. */
export const fleetSource = (machine: string): string => `fleet/${machine}`;
export const isOfFleet = (source: string): boolean => source.startsWith("fleet/");

/** Resets that are told by words are told by the hour or the minute. */
const sameResetMs = 15 * 60_000;

/**
 * Which of the machines that have used this account since its last reset this one is, by their names: each of them finds the same.
 * `own`: its name in the fleet.
 */
export function turnAfterReset(
  readings: readonly Reading[],
  account: string,
  resetsAt: number,
  own: string,
): { place: number; of: number } {
  const isOfReset = (reading: Reading) => reading.account === account && Math.abs((reading.resetsAt ?? 0) - resetsAt) < sameResetMs;
  const told = readings.filter(({ source }) => isOfFleet(source)).filter(isOfReset);
  const names = [...new Set([own, ...told.map(({ source }) => source.slice(fleetSource("").length))])].sort();
  return { place: names.indexOf(own), of: names.length };
}

type FetchSettings = PartOf<"fetch">;

/** Set for CSM_USAGE_CMD: a csm in it would wait for the one that waits for it. */
const nestedVariable = "CSM_USAGE_NESTED";

/** Any source of blobs is set. None is, inside a command that this program runs to learn of usage. */
export const isConfigured = (sys: Pick<Sys, "hostname" | "env">, settings: FetchSettings): boolean =>
  sys.env[nestedVariable] !== "1" && sources.some(({ fetches }) => fetches?.isSet(settings, sys));

/** Lets every source read that is read at such a time. */
export async function readSources(look: Look, when: "always" | "looking" | "asking"): Promise<void> {
  for (const { reads } of sources) if (reads?.when === when) await reads.run(look);
}

/** Of several readings of one window the newest counts; of equally old ones, that of the source which asked most directly. */
export function newestReadings(readings: readonly Reading[]): Map<string, Map<string, Reading>> {
  const accounts = new Map<string, Map<string, Reading>>();
  for (const reading of readings) {
    const windows = accounts.get(reading.account) ?? new Map<string, Reading>();
    accounts.set(reading.account, windows);
    const best = windows.get(reading.window);
    const rank = best === undefined ? 1 : reading.at - best.at || placeOf(best.source) - placeOf(reading.source);
    if (rank > 0) windows.set(reading.window, reading);
  }
  return accounts;
}

const placeOf = (name: string): number => {
  const place = sources.findIndex((row) => row.name === name);
  return place === -1 ? sources.length : place;
};

const sampleLifeMs = 2 * 86_400_000;

/** What status lines were told last, one per session; forgotten after two days. `isWanted` leaves files out by when they were written. */
function readStatuslines(sys: Sys, isWanted: (file: string, modifiedAt: number) => boolean): StatuslineSample[] {
  const dir = statuslineDir(sys);
  for (const file of sys.list(dir)) {
    // A temporary file that is old was left by a process that was killed.
    const lifeMs = file.endsWith(".json") ? sampleLifeMs : 60_000;
    if (sys.now() - modifiedIn(sys, dir, file) > lifeMs) sys.remove(join(dir, file));
  }
  const samples = openRecords<StatuslineSample>(sys, { dir, decode: parseSample });
  return samples.list((name) => isWanted(`${name}.json`, modifiedIn(sys, dir, `${name}.json`))).records;
}

const modifiedIn = (sys: Sys, dir: string, file: string): number => sys.modifiedAt(join(dir, file)) ?? 0;

const foldNote = "statuslines";
/** Within one tick of a file system's clock two writes look alike. */
const clockTickMs = 100;

/** Puts what the status lines have said since the last time into the ledger. */
function foldStatuslines({ sys, ledger, profiles }: Look): void {
  const now = sys.now();
  const note = ledger.fileNotes().get(foldNote);
  // Each word of a status line is a new file in its folder.
  const changedAt = sys.modifiedAt(statuslineDir(sys)) ?? 0;
  if (note?.modifiedAt === Math.floor(changedAt)) return;
  const seen = note === undefined ? {} : (parseRecord(note.text) ?? {});
  const files: Record<string, number> = {};
  const samples = readStatuslines(sys, (name, modifiedAt) => {
    files[name] = modifiedAt;
    return seen[name] !== modifiedAt;
  });
  const accounts = new Map(profiles.map(({ real, account }) => [real, account]));
  const readings = samples.flatMap((sample) => {
    const dir = realDir(sys, sample.configDir);
    return readingsOf(accounts.get(dir) ?? `dir:${dir}`, sample.windows, "statusline", sample.limitsAt);
  });
  ledger.record(readings, now);
  // A folder that has only just changed may change again without looking so: it is looked through once more.
  ledger.noteFiles([
    { path: foldNote, modifiedAt: now - changedAt > clockTickMs ? Math.floor(changedAt) : 0, text: JSON.stringify(files) },
  ]);
}

const limitLifeMs = 7 * 86_400_000;
const tailBytes = 64 * 1024;
const maxTranscripts = 200;
const lookNote = "transcripts";

/**
 * Limits that ended a turn of a session nobody watched: the ends of transcripts that have grown since the last look. One that
 * several accounts can see (linked, or copied to go on elsewhere) does not tell whose limit it was.
 */
function foldTranscripts({ sys, ledger, profiles }: Look): void {
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
  return parseLines(lines.filter((line) => /"isApiErrorMessage"/.test(line))).flatMap((event) => {
    if (event.kind !== "error" || event.error.limit === undefined) return [];
    const windows = parseQuotaLimit(event.error.limit);
    return windows === undefined ? [] : readingsOf(account, windows, "transcript", event.at);
  });
}

/** A blob with its source and age, or why there is none. */
export type Fetched = { blob: Blob; source: Source; at: number } | { failure: string };

/** Shared with the older tool. */
export const blobCachePath = (sys: Sys): string => join(smartDir(sys), ".usage-cache.json");
export const failureMarkerPath = (sys: Sys): string => join(smartDir(sys), ".usage-fetch-failed");
/** As old as the file: `keep` writes it though it says the same. */
const openBlobCache = (sys: Sys, at: number): Store<Blob | undefined> =>
  openStore<Blob | undefined>(sys, {
    path: blobCachePath(sys),
    name: "usage-cache",
    empty: undefined,
    decode: (text) => parseBlob(text, at),
    encode: (blob) => (blob === undefined ? "" : encodeBlob(blob)),
  });
/** When the network sources failed last, epoch ms; the file holds seconds, and not having it is 0. */
const openFailureMarker = (sys: Sys): Store<number> =>
  openStore<number>(sys, {
    path: failureMarkerPath(sys),
    name: "usage-failure",
    empty: 0,
    decode: (text) => Number(text.trim()) * 1000 || 0,
    encode: (failedAt) => String(Math.floor(failedAt / 1000)),
  });
const hubFile = "claude-code-usage/cache/usage-limits.json";

const maxBytes = 4_000_000;

/** The last known blob, of any age; undefined when there is none or it is broken. */
export function readCachedBlob(sys: Sys): { blob: Blob; at: number } | undefined {
  const at = sys.modifiedAt(blobCachePath(sys));
  if (at === undefined) return undefined;
  const blob = openBlobCache(sys, at).read();
  return blob === undefined ? undefined : { blob, at };
}

/** From the cheapest source that answers. One process at a time asks; the others wait and take what it found. */
export async function fetchBlob(sys: Sys, settings: FetchSettings, warn: (text: string) => void): Promise<Fetched> {
  const own = setFetchers(sys, settings, "own")[0];
  if (own !== undefined) return accept(sys, own.name, await own.run());
  const fresh = freshCache(sys, settings);
  if (fresh !== undefined) return fresh;
  try {
    return await withLock(sys, "usage-fetch", () => freshCache(sys, settings) ?? ask(sys, settings, warn));
  } catch {
    // No lock is to be had, as on a full disk: better asked twice than not at all.
    return ask(sys, settings, warn);
  }
}

/** The sources of one kind that are set, ready to run. */
const setFetchers = (sys: Sys, settings: FetchSettings, kind: Fetcher["kind"]) =>
  rows.flatMap((row: SourceRow & { name: Source }) => {
    const { name, words, fetches } = row;
    return fetches?.kind === kind && fetches.isSet(settings, sys) ? [{ name, words, run: () => fetches.run(sys, settings) }] : [];
  });

/** One that is broken counts as none, whatever its age. */
function freshCache(sys: Sys, { cacheMs }: FetchSettings): Fetched | undefined {
  const cached = readCachedBlob(sys);
  return cached !== undefined && sys.now() - cached.at < cacheMs ? { ...cached, source: "cache" } : undefined;
}

async function ask(sys: Sys, settings: FetchSettings, warn: (text: string) => void): Promise<Fetched> {
  const failures: string[] = [];
  // What is local comes before the cool-down: a hub that is down must not silence it.
  for (const { name, words, run } of setFetchers(sys, settings, "local")) {
    const answer = accept(sys, name, await run());
    if ("blob" in answer) return answer;
    warn(`csm: warning: ${words} failed: ${answer.failure}`);
    failures.push(`${words} failed`);
  }
  const network = setFetchers(sys, settings, "network");
  if (network.length === 0) return { failure: failures.join("; ") || "no source is configured" };
  const failedAt = openFailureMarker(sys).read();
  if (sys.now() - failedAt < settings.coolDownMs)
    return { failure: `the last attempt failed ${Math.round((sys.now() - failedAt) / 1000)} s ago` };
  return askNetwork(sys, network);
}

async function askNetwork(sys: Sys, network: ReturnType<typeof setFetchers>): Promise<Fetched> {
  const failures: string[] = [];
  for (const { name, run } of network) {
    const answer = accept(sys, name, await run());
    if ("blob" in answer) return answer;
    failures.push(`${name}: ${answer.failure}`);
  }
  attemptWrite(() => openFailureMarker(sys).write(sys.now()));
  return { failure: failures.join("; ") };
}

function accept(sys: Sys, source: Source, answer: Answer): Fetched {
  if ("failure" in answer) return { failure: printableLine(answer.failure).slice(0, 200) };
  const blob = parseBlob(answer.text, sys.now());
  if (blob === undefined) return { failure: `${answer.from ?? "the answer"} is no usage data` };
  keep(sys, blob);
  return { blob, source, at: answer.at ?? sys.now() };
}

function keep(sys: Sys, blob: Blob): void {
  attemptWrite(() => {
    openBlobCache(sys, sys.now()).write(blob);
    openFailureMarker(sys).remove();
  });
}

function attemptWrite(write: () => void): void {
  try {
    write();
  } catch {
    // A full disk or a folder that may not be written costs the cache, not the answer.
  }
}

function runCommand(sys: Sys, { command = "", commandTimeoutMs }: FetchSettings): Promise<Bounded> {
  return sys.runBounded(sys.platform === "win32" ? ["cmd", "/C", command] : ["sh", "-c", command], {
    timeoutMs: commandTimeoutMs,
    maxBytes,
    env: { ...sys.env, [nestedVariable]: "1" },
  });
}

/** This machine is the hub itself. */
function isHub({ hub }: FetchSettings, sys: Pick<Sys, "hostname">): boolean {
  return hub?.toLowerCase() === (sys.hostname().split(".")[0] ?? "").toLowerCase();
}

function readHubFile(sys: Sys): Answer {
  const path = join(homeDir(sys), hubFile);
  const text = sys.readText(path) ?? "";
  if (text.trim() === "") return { failure: `${path} is missing or empty` };
  return { text, at: sys.modifiedAt(path) ?? sys.now(), from: path };
}

async function fetchUrl(sys: Sys, { url = "", token, httpTimeoutMs }: FetchSettings): Promise<Bounded> {
  if (!URL.canParse(url) || !["http:", "https:"].includes(new URL(url).protocol)) return { failure: `not a web address: ${url}` };
  const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
  return sys.fetchBounded(url, { timeoutMs: httpTimeoutMs, maxBytes, ...present({ headers }) });
}

/** A host that begins with a dash would be an option of ssh. */
const hostName = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9_][A-Za-z0-9._-]*$/;

async function runSsh(sys: Sys, { hub = "", sshTimeoutMs }: FetchSettings): Promise<Bounded> {
  if (sys.platform === "win32") return { failure: "not on Windows" };
  if (!hostName.test(hub)) return { failure: `not a host name: ${hub}` };
  const options = ["BatchMode=yes", "ConnectTimeout=4", ...multiplexing(sys)];
  const argv = ["ssh", ...options.flatMap((option) => ["-o", option]), "--", hub, `cat "$HOME/${hubFile}"`];
  return sys.runBounded(argv, { timeoutMs: sshTimeoutMs, maxBytes, leavesChildren: true });
}

const maxSocketDir = 50;

/** The connection stays open for the next fetch; not where the name of its socket would be too long for the system. */
function multiplexing(sys: Sys): string[] {
  const dir = join(homeDir(sys), ".ssh");
  if (!sys.isDirectory(dir) || dir.length > maxSocketDir) return [];
  return ["ControlMaster=auto", `ControlPath=${dir}/cm-claude-%C.sock`, "ControlPersist=300"];
}

/** Older than this, an account is worth a question. */
const askAfterMs = 5 * 60_000;
const askAtOnce = 2;

async function askAll({ sys, ledger, profiles }: Look): Promise<void> {
  const known = newestReadings(ledger.readings());
  const isDue = ({ account }: UsageProfile) => {
    const ages = [...(known.get(account)?.values() ?? [])].map(({ at }) => sys.now() - at);
    // Without a login of claude.ai there is nothing to ask about.
    return !account.startsWith("dir:") && Math.min(...ages) > askAfterMs;
  };
  const due = profiles.filter(isDue).filter((profile, index, all) => all.findIndex(({ account }) => account === profile.account) === index);
  if (due.length === 0) return;
  const work = async () => {
    for (let profile = due.shift(); profile !== undefined; profile = due.shift()) {
      // A claude that cannot be started leaves what is known as it is.
      const answer = await askUsage(sys, ledger, profile).catch(() => undefined);
      if (typeof answer === "object") ledger.record(readingsOf(profile.account, answer, "get_usage", sys.now()), sys.now());
    }
  };
  await Promise.all(Array.from({ length: askAtOnce }, work));
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
async function askUsage(sys: Sys, ledger: Ledger, profile: UsageProfile): Promise<Windows | string | undefined> {
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
