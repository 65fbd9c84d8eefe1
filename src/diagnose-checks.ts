import { join } from "node:path";
import { parseVersion, versionWarning } from "./claude-version.ts";
import { broken, type CheckRow, degraded, type Finding, type Look, ok } from "./diagnose.ts";
import { judgeTmux } from "./doctor-judge.ts";
import { readExamination } from "./doctor-memory.ts";
import { UserError } from "./errors.ts";
import { belowHome, duration, quotePosix } from "./format.ts";
import { readHooksOff } from "./hooks-off.ts";
import { isRecord, parseRecord } from "./json.ts";
import { findClaude, findProgram } from "./launch.ts";
import { openOutcomes, readNotifyFile } from "./notice-spool.ts";
import { costCachePath, csdDir, csmDir, fleetSeenPath, indexPath, meterCachePath, projectsDir, usageDbPath } from "./paths.ts";
import { profileEnv, readRegistry } from "./profiles.ts";
import { checkDefault, diagnose, repair } from "./profiles-doctor.ts";
import { hasRuleFile, readRuleBook } from "./rules-file.ts";
import { readSettings } from "./settings.ts";
import { findOwnCommands, hasRuleHook } from "./setup.ts";
import { tryFolder } from "./state-folder.ts";
import { type Sys, until } from "./sys.ts";
import { terminalActions } from "./terminal-row.ts";
import { openKeyboard, readPlaces } from "./terminal-run.ts";
import { whyNotIn } from "./terminals.ts";
import { createTmux } from "./tmux.ts";
import { fetchBlob, isConfigured } from "./usage-sources.ts";

/** The rows of `csm diagnose`, in the order of the page: a new check is a row here. */
export const checks: readonly CheckRow[] = [
  { name: "claude", probe: probeClaude },
  { name: "profiles", probe: probeProfiles },
  { name: "login", probe: eachProfile(probeLogin) },
  { name: "settings", probe: eachProfile(probeSettings) },
  { name: "hooks", probe: eachProfile(withSettings(probeHooks)) },
  { name: "status line", probe: eachProfile(withSettings(probeStatusline)) },
  { name: "history", probe: eachProfile(withSettings(probeHistory)) },
  { name: "away", probe: eachProfile(withSettings(probeAway)) },
  { name: "terminal", probe: probeTerminal },
  { name: "tmux", probe: probeTmux },
  { name: "rules", probe: probeRules },
  { name: "notifications", probe: probeNotifications },
  { name: "config", probe: probeConfig },
  { name: "hub", probe: probeHub },
  { name: "fleet", probe: probeFleet },
  { name: "state", probe: probeState },
  { name: "caches", probe: probeCaches },
  { name: "disk", probe: probeDisk },
  { name: "clock", probe: probeClock },
];

type ProfileOf = Look["profiles"][number];

function eachProfile(probe: (look: Look, profile: ProfileOf) => Promise<Finding[]> | Finding[]): CheckRow["probe"] {
  return async (look) => {
    const found = await Promise.all(
      look.profiles.map(async (profile) => (await probe(look, profile)).map((finding) => ({ ...finding, profile: profile.title }))),
    );
    return found.flat();
  };
}

/** A program that answers at all does so within a second; a busy machine may take some. */
const answerMs = 5000;

const at = ({ sys }: Look, path: string): string => {
  const shown = belowHome(path, sys.homeDir);
  return /\s/.test(shown) ? JSON.stringify(shown) : shown;
};

// --- claude and its profiles ----------------------------------------------------------------------------------------

async function probeClaude(look: Look): Promise<Finding[]> {
  const { sys } = look;
  const path = findClaude(sys);
  const reinstall = "npm install -g @anthropic-ai/claude-code";
  const result = await sys.run([path, "--version"], { timeoutMs: answerMs }).catch((error: Error) => error);
  if (result instanceof Error) return [broken(`${at(look, path)} cannot be started: ${result.message}`, reinstall)];
  const version = parseVersion(result.stdout);
  if (version === undefined) return [broken(`${at(look, path)} --version tells none`, reinstall)];
  const warning = versionWarning("claude", version, sys.env.CSD_VERIFIED_VERSIONS, readExamination(sys, version, path));
  if (warning !== undefined) return [degraded(`${version}, ${at(look, path)}: ${warning}`, "csd doctor")];
  return [ok(`${version}, ${at(look, path)}; its signals are trusted`)];
}

function probeProfiles(look: Look): Finding[] {
  const { sys } = look;
  // Throws where the file is broken; the others go on without it.
  const registry = readRegistry(sys);
  const found = diagnose(sys, registry, registry.profiles).flatMap((diagnosis) =>
    diagnosis.problems.map(({ text, isFixable }): Finding => {
      const { name } = diagnosis.profile;
      if (!isFixable) return { ...broken(text), profile: name };
      const about = `mend the folder of profile '${name}': ${text}`;
      return { ...broken(text, `csm profiles doctor --fix ${name}`), profile: name, repair: { about, run: () => repair(sys, diagnosis) } };
    }),
  );
  const wrongDefault = checkDefault(sys, registry);
  if (wrongDefault !== undefined) found.push(degraded(wrongDefault.text, "csm profiles use NAME"));
  const count = registry.profiles.length;
  const all = count === 0 ? "none is registered: claude's own folder is used" : `${count}, their folders and links are sound`;
  return found.length > 0 ? found : [ok(all)];
}

/** claude's own word for it, in the environment of that profile: `auth status` looks at no server (2.1.329). */
async function probeLogin({ sys }: Look, profile: ProfileOf): Promise<Finding[]> {
  const result = await runClaude(sys, profile, ["auth", "status", "--json"]);
  if (result === undefined) return [unknownWithout];
  const told = parseRecord(result.stdout);
  if (typeof told?.loggedIn !== "boolean") return [degraded("claude does not say whether it is signed in: claude auth status")];
  if (told.loggedIn) return [ok(`signed in (${String(told.authMethod ?? "unknown way")})`)];
  const fix = profile.name === "" ? "claude auth login" : `csm profiles login ${profile.name}`;
  return [profile.isCurrent ? broken("not signed in", fix) : degraded("not signed in", fix)];
}

const unknownWithout = degraded("not known: claude itself does not run");

/** Undefined where it cannot be started, of which its own line tells. */
async function runClaude(sys: Sys, profile: ProfileOf, args: readonly string[], env: Record<string, string> = {}) {
  try {
    return await sys.run([findClaude(sys), ...args], { env: { ...sys.env, ...profileEnv(sys, profile), ...env }, timeoutMs: answerMs });
  } catch {
    return undefined;
  }
}

const settingsPath = ({ dir }: ProfileOf): string => join(dir, "settings.json");
type ClaudeSettings = Record<string, unknown>;

/** What no program can read tells nothing: undefined. */
function readClaudeSettings({ sys }: Look, profile: ProfileOf): ClaudeSettings | undefined {
  const path = settingsPath(profile);
  return sys.entryKind(path) === undefined ? {} : parseRecord(sys.readText(path));
}

/** A check of what they say. */
function withSettings(
  probe: (look: Look, profile: ProfileOf, settings: ClaudeSettings) => Promise<Finding[]> | Finding[],
): (look: Look, profile: ProfileOf) => Promise<Finding[]> | Finding[] {
  return (look, profile) => {
    const settings = readClaudeSettings(look, profile);
    return settings === undefined ? [degraded("not known: the settings cannot be read")] : probe(look, profile, settings);
  };
}

/**
 * claude's own words: without a prompt `-p` only says what is wrong with its settings, and ends (2.1.329). No hook and no MCP server
 * runs, and were a later version to take an empty prompt for one, it would find nobody to send it to.
 */
async function probeSettings(look: Look, profile: ProfileOf): Promise<Finding[]> {
  const { sys } = look;
  const path = settingsPath(profile);
  if (sys.entryKind(path) === undefined) return [ok("none of its own")];
  if (sys.readText(path) === undefined) return [broken(`${at(look, path)} cannot be read`, `ls -l ${quotePosix(path)}`)];
  const args = ["-p", "", "--settings", '{"disableAllHooks":true}', "--strict-mcp-config"];
  const result = await runClaude(sys, profile, args, { ANTHROPIC_BASE_URL: "http://127.0.0.1:9" });
  if (result === undefined && readClaudeSettings(look, profile) === undefined)
    return [broken(`${at(look, path)} is no JSON: nothing of it is in effect`, `correct ${at(look, path)}`)];
  if (result === undefined) return [unknownWithout];
  const found = parseSettingsErrors(result.stderr).map(({ text, isWhole }): Finding => {
    const fix = `correct ${at(look, path)}`;
    const told = text.replace(path, at(look, path)).slice(0, maxTold);
    return isWhole ? broken(`nothing of it is in effect: ${told}`, fix) : degraded(`skipped: ${told}`, fix);
  });
  return found.length > 0 ? found : [ok("claude takes all of them")];
}

/** An unknown hook is answered with the names of all others. */
const maxTold = 200;

/** The two lists that claude 2.1.329 prints: files that do not load, and entries that are skipped. */
export function parseSettingsErrors(stderr: string): { text: string; isWhole: boolean }[] {
  const found: { text: string; isWhole: boolean }[] = [];
  let isWhole: boolean | undefined;
  for (const line of stderr.split("\n")) {
    if (/^These settings files did not load/.test(line)) isWhole = true;
    else if (/^These settings entries were skipped/.test(line)) isWhole = false;
    else if (!/^\s+\S/.test(line)) isWhole = undefined;
    else if (isWhole !== undefined) found.push({ text: line.trim(), isWhole });
  }
  return found;
}

async function probeHooks(look: Look, profile: ProfileOf, settings: ClaudeSettings): Promise<Finding[]> {
  const { sys, projectRoot } = look;
  const off = readHooksOff(sys, { configDir: profile.dir, cwd: sys.cwd });
  if (off !== undefined) return [degraded(`claude runs none (${off}): no rule holds, and no limit is noted`, "take that setting out")];
  const commands = findOwnCommands(settings).hooks;
  const failures = (await Promise.all(commands.map((command) => askHook(look, profile, command)))).flatMap((failure) => failure ?? []);
  const setup = (...more: string[]) => ["--profile", profile.name, ...more].slice(profile.name === "" ? 2 : 0);
  const fixes = (...more: string[]) => {
    const words = setup(...more);
    return {
      fix: ["csm setup", ...words].join(" "),
      repair: { about: `put csm's hooks into the settings of ${profile.title}`, setup: words },
    };
  };
  if (failures.length > 0) return failures.map((failure) => ({ ...broken(failure), ...fixes() }));
  const isMissing =
    hasRuleFile(sys, projectRoot) && !(["PreToolUse", "PermissionRequest"] as const).every((event) => hasRuleHook(settings, event));
  if (isMissing)
    return [{ ...degraded("there are rules, and no hook for them: they hold only in sessions that csm starts"), ...fixes("--hook") }];
  return [ok(commands.length === 0 ? "none of csm's: sessions that csm starts bring theirs" : "csm's answers")];
}

const profileFlag = ({ name }: ProfileOf): string => (name === "" ? "" : ` --profile ${name}`);

/** As claude does: by a shell, with the event on stdin. Of a session that there cannot be nothing is noted. */
async function askHook({ sys }: Look, profile: ProfileOf, command: string): Promise<string | undefined> {
  const input = `${JSON.stringify({ hook_event_name: "Notification", session_id: "csm-diagnose", cwd: sys.cwd })}\n`;
  const env = { ...sys.env, ...profileEnv(sys, profile) };
  const shell = sys.platform === "win32" ? ["cmd", "/c", command] : ["sh", "-c", command];
  const result = await sys.run(shell, { input, env, timeoutMs: answerMs });
  if (result.code === 0) return undefined;
  const why =
    result.code === null ? `does not end within ${answerMs / 1000} s` : result.stderr.trim().split("\n")[0] || `ends with ${result.code}`;
  return `the hook ${JSON.stringify(command)} of claude's settings does not answer: ${JSON.stringify(why)}`;
}

function probeStatusline(look: Look, profile: ProfileOf, { statusLine }: ClaudeSettings): Finding[] {
  const command = isRecord(statusLine) && typeof statusLine.command === "string" ? statusLine.command : undefined;
  if (command === undefined) return [ok("none: csm usage then knows only what is asked of claude")];
  const [, program = ""] = /^(?:'([^']*)'|(\S+))/.exec(command)?.filter((part) => part !== undefined) ?? [];
  const isThere = program.includes("/") ? look.sys.isExecutable(program) : findProgram(look.sys, program) !== undefined;
  if (findOwnCommands({ statusLine }).statusline === undefined) return [ok("one of your own: csm meters no usage by it")];
  if (!isThere) return [broken(`its program ${JSON.stringify(program)} is not there`, `csm setup${profileFlag(profile)} --statusline`)];
  return [ok("csm's, which meters usage")];
}

/** claude 2.1.329 deletes conversations that nothing was written to for so many days, at a start. */
const keptDays = 30;

function probeHistory(look: Look, profile: ProfileOf, { cleanupPeriodDays: days }: ClaudeSettings): Finding[] {
  const isSet = typeof days === "number" && Number.isInteger(days) && days > 0;
  const shown = isSet ? days : keptDays;
  const detail = `claude deletes conversations after ${shown} ${shown === 1 ? "day" : "days"}${isSet ? "" : ", as nothing else is set"}`;
  const fix = `set cleanupPeriodDays to 3650 in ${at(look, settingsPath(profile))}`;
  return [shown < keptDays ? degraded(detail, fix) : { ...ok(detail), ...(isSet ? {} : { fix }) }];
}

/** How long an answer from afar may take. Both take `60s 5m 10m never` (2.1.329). */
function probeAway(look: Look, profile: ProfileOf, settings: ClaudeSettings): Finding[] {
  const { askUserQuestionTimeout: question, dialogExpiry: dialog } = settings;
  const isTimed = (value: unknown) => typeof value === "string" && /^(?:60s|5m|10m)$/.test(value);
  const where = at(look, settingsPath(profile));
  if (isTimed(question))
    return [degraded(`claude answers its own questions after ${String(question)}`, `set askUserQuestionTimeout to never in ${where}`)];
  const expiry = isTimed(dialog) ? String(dialog) : dialog === "never" ? undefined : "5m";
  const forwarded = expiry === undefined ? "" : `; a dialog that is forwarded to a remote client is refused after ${expiry}`;
  return [ok(`questions wait for you${forwarded}`)];
}

// --- what is around it -----------------------------------------------------------------------------------------------

/** What it can be told; its screen is read, as that shows nothing to anybody and alters nothing. tmux is tried below, whole. */
async function probeTerminal({ sys }: Look): Promise<Finding[]> {
  if (!sys.isTerminal(0) && !sys.isTerminal(1)) return [ok("csm runs in none")];
  const place = (await readPlaces(sys, [sys.pid])).get(sys.pid);
  if (place === undefined) return [degraded("it cannot be seen which one this is")];
  if (place.terminal === "tmux") return [ok("tmux")];
  const reasons = Map.groupBy(terminalActions, (action) => whyNotIn(place, action));
  const able = reasons.get(undefined) ?? [];
  const unable = [...reasons].flatMap(([why, actions]) => (why === undefined ? [] : `not ${actions.join(", ")}: ${why}`));
  const detail = [`${place.title}${able.length === 0 ? "" : ` can ${able.join(", ")}`}`, ...unable].join("; ");
  if (able.includes("read")) {
    const { keyboard, pane } = await openKeyboard(sys, place);
    if ((await keyboard.capture(pane)) === undefined) return [broken(`${place.title} does not show its screen`)];
  }
  return [unable.length === 0 ? ok(detail) : degraded(detail, "run claude in tmux: all of it works there")];
}

const scratchMs = 3000;
const scratchStepMs = 10;
const startMs = 500;

/** In a server of its own: what is pasted must stand on the screen of the pane. */
async function probeTmux({ sys, cleanUps }: Look): Promise<Finding[]> {
  const words = await createTmux(sys).readVersion();
  const judged = judgeTmux(words);
  if (judged.verdict !== "trusted") return [broken(judged.detail, "install a newer tmux")];
  const socket = join(sys.env.TMPDIR ?? "/tmp", `csm-diagnose-${sys.pid}`);
  const tmux = createTmux(sys, socket);
  const endServer = async () => {
    const end = () => sys.run(["tmux", "-S", socket, "kill-server"]).catch(() => undefined);
    await end();
    // While the probe goes on, its next command may just be starting one.
    if (!isOver) await sys.sleep(startMs).then(end);
    sys.remove(socket);
  };
  let isOver = false;
  cleanUps.add(endServer);
  try {
    const { paneId } = await tmux.create({ name: "csm-diagnose", cwd: "/", width: 80, height: 24, argv: ["cat"] });
    await tmux.paste(paneId, "csm-diagnose");
    const isShown = async () => (await tmux.capture(paneId))?.text.includes("csm-diagnose") === true || undefined;
    const seen = await until(sys, sys.now() + scratchMs, scratchStepMs, isShown);
    return [
      seen === true ? ok(`${words}; starts, types and reads in a pane`) : broken(`${words}: what is typed into a pane does not show there`),
    ];
  } finally {
    isOver = true;
    await endServer();
    cleanUps.delete(endServer);
  }
}

async function probeRules({ sys, projectRoot }: Look): Promise<Finding[]> {
  const { rules, budgets, problems } = await readRuleBook(sys, projectRoot);
  if (problems.length > 0)
    return problems.map(({ path, line, message }) => broken(`${belowHome(path, sys.homeDir)}:${line}: ${message}`, "csm rules check"));
  if (!hasRuleFile(sys, projectRoot)) return [ok("none")];
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return [ok(`${count(rules.length, "rule")} and ${count(budgets.length, "budget")} hold here`)];
}

async function probeNotifications({ sys }: Look): Promise<Finding[]> {
  const { settings, problems } = await readNotifyFile(sys);
  if (settings === undefined)
    return [problems.length > 0 ? broken("nobody is told of anything: the rules cannot be read", "csm rules check") : ok("none are set")];
  const outcomes = openOutcomes(sys).read();
  const failed = settings.channels.flatMap(({ name }) => {
    const failure = outcomes.findLast(({ channel }) => channel === name)?.failure;
    return failure === undefined
      ? []
      : [degraded(`the newest through ${JSON.stringify(name)} has not arrived: ${failure}`, `csm notify test ${name}`)];
  });
  const { length } = settings.channels;
  return failed.length > 0 ? failed : [ok(length === 0 ? "in the terminal" : `${length} ${length === 1 ? "channel" : "channels"}`)];
}

async function probeConfig({ sys }: Look): Promise<Finding[]> {
  (await import("./settings-schema.ts")).checkSettings(sys);
  return [ok("all keys are known")];
}

async function probeHub({ sys }: Look): Promise<Finding[]> {
  const settings = readSettings(sys).part("fetch");
  if (!isConfigured(sys, settings)) return [ok("none is set")];
  const fetched = await fetchBlob(sys, settings, () => undefined);
  if ("failure" in fetched)
    return [broken(`usage of other machines is not to be had: ${fetched.failure}`, "csm usage tells what is used instead")];
  return [ok(`answers (${fetched.source}), ${duration(Math.max(0, sys.now() - fetched.at))} old`)];
}

/** On one machine or far away: who does not answer in this time is not waited for. */
const fleetMs = 900;

async function probeFleet({ sys }: Look): Promise<Finding[]> {
  const { membershipStore } = await import("./fleet.ts");
  const membership = membershipStore(sys).read();
  if (membership === undefined) return [ok("none is joined")];
  const { checkFleet } = await import("./fleet-check.ts");
  const { checks, machines = [] } = await checkFleet(sys, membership, fleetMs);
  const wrong = checks.filter(({ isOk }) => !isOk);
  if (wrong.length > 0)
    return wrong.map(({ what, detail, fix }) => {
      if (what !== "connection") return broken(`${what}: ${JSON.stringify(detail)}`, fix);
      return broken(`its server is not reached: ${JSON.stringify(detail)}${seenAge(sys)}`, "csm fleet check");
    });
  const { machine, role } = membership;
  const own = machines.find(({ name }) => name === machine);
  const all = `${machines.filter(({ isLive }) => isLive).length} of ${machines.length} machines are heard of`;
  const said = checks.flatMap(({ what, detail }) => (what === "version" || what === "clock" ? [detail.replace(/;.*/, "")] : []));
  const detail = [...said, `as ${role}`, all].join(", ");
  if (role !== "watch" && own?.isLive !== true)
    return [degraded(`${detail}, and this one is not: nobody sees its sessions`, "csm fleet serve")];
  const age = own?.state === undefined ? "" : `, this one told something ${duration(Math.max(0, sys.now() - own.state.at))} ago`;
  return [ok(`${detail}${age}`)];
}

/** Of what is shown of the others meanwhile. */
function seenAge(sys: Sys): string {
  const { readAt } = parseRecord(sys.readText(fleetSeenPath(sys))) ?? {};
  return typeof readAt === "number" ? `; what the others told is ${duration(Math.max(0, sys.now() - readAt))} old` : "";
}

// --- the machine -----------------------------------------------------------------------------------------------------

function probeState(look: Look): Finding[] {
  const found = [csmDir(look.sys), csdDir(look.sys)].flatMap((dir) => {
    try {
      tryFolder(look.sys, dir);
      return [];
    } catch (error) {
      if (error instanceof UserError) return [broken(error.message, error.hint)];
      if (!(error instanceof Error && "code" in error)) throw error;
      return [
        broken(
          `nothing can be kept (${String(error.code)}): ${at(look, dir)}`,
          "give it back to yourself with chown and chmod u+rwx, or set XDG_STATE_HOME",
        ),
      ];
    }
  });
  return found.length > 0 ? found : [ok(`can be written, by you alone: ${at(look, csmDir(look.sys))}`)];
}

const mega = 1_000_000;
const megabytes = (bytes: number): string => `${bytes > 0 && bytes < mega ? "<1" : Math.round(bytes / mega)} MB`;
const largeBytes = 1000 * mega;

function probeCaches(look: Look): Finding[] {
  const { sys } = look;
  const files = { cost: costCachePath(sys), meter: meterCachePath(sys), index: indexPath(sys), usage: usageDbPath(sys) };
  const sizes = Object.entries(files).map(([name, path]) => {
    const bytes = ["", "-wal"].reduce((sum, ending) => sum + (sys.identify(path + ending)?.size ?? 0), 0);
    return { name, path, bytes };
  });
  const detail = sizes.map(({ name, bytes }) => `${name} ${megabytes(bytes)}`).join(", ");
  const large = sizes.find(({ name, bytes }) => name !== "usage" && bytes > largeBytes);
  return [large === undefined ? ok(detail) : degraded(`${detail}: ${large.name} can be made anew`, `rm ${quotePosix(large.path)}`)];
}

const leastBytes = { broken: 50 * mega, degraded: 1000 * mega };

/** By `df`, as POSIX has it; where there is none nothing is known. */
async function probeDisk(look: Look): Promise<Finding[]> {
  const { sys, profiles } = look;
  if (sys.platform === "win32") return [ok("not looked at on Windows")];
  const dirs = [csmDir(sys), ...profiles.map(({ dir }) => dir)].map((dir) => firstThere(sys, dir));
  const { stdout } = await sys.run(["df", "-Pk", ...new Set(dirs)], { timeoutMs: answerMs });
  const free = stdout.split("\n").flatMap((line) => {
    const [, kilobytes] = /\s(\d+)\s+\d+%\s/.exec(line) ?? [];
    return kilobytes === undefined ? [] : [Number(kilobytes) * 1024];
  });
  if (free.length === 0) return [degraded("df does not say how much is free")];
  const least = Math.min(...free);
  const detail = `${megabytes(least)} free where sessions and state are kept`;
  if (least < leastBytes.broken) return [broken(detail, "make room: claude cannot write its transcripts")];
  return [least < leastBytes.degraded ? degraded(detail, "make room") : ok(detail)];
}

function firstThere(sys: Sys, dir: string): string {
  let current = dir;
  while (!sys.isDirectory(current) && current !== join(current, "..")) current = join(current, "..");
  return current;
}

const skewMs = 5000;
/** What is written at this moment may be newer than the look at the clock. */
const futureMs = 60_000;

/** Against the clock of the file system, and against what sessions have written. */
function probeClock(look: Look): Finding[] {
  const { sys, profiles } = look;
  const before = sys.now();
  const written = readFileClock(sys);
  const skew = written === undefined ? 0 : written < before ? before - written : Math.max(0, written - sys.now());
  const fix = "set the clock: timedatectl set-ntp true";
  if (skew > skewMs) return [broken(`differs by ${duration(skew)} from that of the file system`, fix)];
  const projects = profiles.flatMap(({ dir }) => sys.list(projectsDir(dir)).map((name) => join(projectsDir(dir), name)));
  const newest = Math.max(0, ...projects.map((path) => sys.modifiedAt(path) ?? 0), ...profiles.map(({ dir }) => newestSession(sys, dir)));
  const ahead = newest - sys.now();
  if (ahead > futureMs) return [broken(`sessions have written ${duration(ahead)} after now: it is, or was, wrong`, fix)];
  return [ok("agrees with the file system and with what sessions have written")];
}

function readFileClock(sys: Sys): number | undefined {
  try {
    return tryFolder(sys, csmDir(sys));
  } catch {
    // The line on state says why.
    return undefined;
  }
}

function newestSession(sys: Sys, dir: string): number {
  const folder = join(dir, "sessions");
  const texts = sys.list(folder).flatMap((name) => (name.endsWith(".json") ? [sys.readText(join(folder, name))] : []));
  return Math.max(0, ...texts.map((text) => Number(parseRecord(text)?.updatedAt ?? 0) || 0));
}
