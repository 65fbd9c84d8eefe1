import { versionWarning } from "./claude-version.ts";
import type { App } from "./cmd-record.ts";
import { readExamination } from "./doctor-memory.ts";
import type { Driven } from "./driven.ts";
import { type Address, type Driver, readReference } from "./driver.ts";
import type { Answer } from "./driver-reply.ts";
import type { SpawnOptions } from "./driver-spawn.ts";
import { usageError } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import type { PublicJson } from "./public-json.ts";
import type { Verdict } from "./status.ts";
import { stateJson } from "./statuses.ts";

/** csd's results: indented by two, keys in the order of the object. */
export const printJson = <C extends keyof PublicJson = never>(app: App, value: PublicJson[C]): void =>
  app.json<C>(cutTexts(value) as PublicJson[C]);

/** An answer of the longest that models give is a quarter of this; a call with a file in it can be all of a disk. */
const maxTextLength = 1 << 20;

/** Of all texts together so much is printed; one that is cut says so at its end. */
export function cutTexts(value: unknown): unknown {
  let left = maxTextLength;
  const cut = (inner: unknown): unknown => {
    if (typeof inner === "string") {
      const shown = inner.length <= left ? inner : `${inner.slice(0, left)}… [${inner.length - left} more characters]`;
      left = Math.max(0, left - inner.length);
      return shown;
    }
    // What stands around a text takes room too.
    left = Math.max(0, left - 8);
    if (Array.isArray(inner)) return inner.slice(0, Math.ceil(left / 8)).map(cut);
    return isRecord(inner) ? Object.fromEntries(Object.entries(inner).map(([key, field]) => [key, cut(field)])) : inner;
  };
  return cut(value);
}

/** `marker_warning`, the last key of what names a session; nothing when its version is verified or `csd doctor` trusts it. */
export function warningOf(app: App, driven: Driven): { marker_warning?: string } {
  const { backend, backend_version: version, backend_path: path } = driven;
  const warning = versionWarning(backend, version, app.sys.env.CSD_VERIFIED_VERSIONS, readExamination(app.sys, version, path));
  return present({ marker_warning: warning });
}

/** The state as the older csd prints it, flat, and beside it what every command says of a session. */
export async function printState(app: App, driver: Driver, target: Address, verdict: Verdict, warning: { marker_warning?: string } = {}) {
  const state = stateJson(verdict);
  printJson<"csd state">(app, { ...state, ...(await readReference(driver, target)), state, ...warning });
}

/** What was chosen and by which channel; `option` stands where the older csd printed it. */
export const printAnswer = (app: App, { option, ...answer }: Answer): void =>
  printJson<"csd answer">(app, { ok: true, ...present({ option }), ...answer });

/** What `spawn` and `run` start a session with. */
export const spawnFlags = {
  cwd: { type: "string", valueHint: "DIR", description: "folder to start in (default: here)" },
  "session-id": { type: "string", valueHint: "UUID", description: "id of the conversation (default: a new one)" },
  "permission-mode": { type: "string", valueHint: "MODE", description: "plan, acceptEdits, auto, bypassPermissions, manual, dontAsk" },
  "auto-accept": { type: "boolean", description: "same as --permission-mode acceptEdits" },
  "bypass-permissions": { type: "boolean", description: "same as --permission-mode bypassPermissions" },
  yolo: {
    type: "boolean",
    description: "start claude with --dangerously-skip-permissions, and accept its warning and the trust dialog (claude refuses root)",
  },
  profile: { type: "string", valueHint: "NAME", description: "profile to start it under (default: that of this shell)" },
  model: { type: "string", valueHint: "MODEL", description: "model, as claude takes it: an alias such as opus, or a full name" },
  effort: { type: "string", valueHint: "LEVEL", description: "effort, as claude takes it" },
  "add-dir": { type: "string", valueHint: "DIR", description: "one more folder that it may work in; may be given several times" },
} as const;

/** Of `spawnFlags`. */
export const repeatableSpawnFlags = ["add-dir"];

type SpawnArgs = {
  [flag in keyof typeof spawnFlags]?: ((typeof spawnFlags)[flag]["type"] extends "boolean" ? boolean : string) | undefined;
};

/** `claudeArgs`: claude's own flags, which stood behind `--`. */
export const spawnOptions = (args: SpawnArgs, addDirs: readonly string[] = [], claudeArgs: readonly string[] = []): SpawnOptions => ({
  ...given("cwd", args.cwd),
  ...given("sessionId", args["session-id"]),
  ...given("permissionMode", args["permission-mode"]),
  isAutoAccept: args["auto-accept"] === true,
  isBypass: args["bypass-permissions"] === true,
  isYolo: args.yolo === true,
  ...given("profile", args.profile),
  ...given("model", args.model),
  ...given("effort", args.effort),
  addDirs,
  claudeArgs,
});

/** An object with the key, or without it where the flag was not given. */
export const given = <K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: V });

/** A flag that takes a whole number from 0 on. */
export function wholeNumber(flag: string, text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 4_294_967_295) return Number(text);
  throw usageError(`${flag} takes a whole number, not ${JSON.stringify(text)}`);
}
