import { isAbsolute, join } from "node:path";
import { type App, command } from "./cmd-record.ts";
import { listFolderTranscripts, selectConversations } from "./conversations.ts";
import { usageError } from "./errors.ts";
import { type LiveOwner, readLiveOwners } from "./live-owners.ts";
import { type OffsetAt, parseZone, renderLocalTime } from "./local-time.ts";
import { profileDirs, readRegistryOrNone } from "./registry.ts";
import { printableJson, printableLine } from "./sanitize.ts";
import { labelOf, titleOf } from "./transcript-facts.ts";
import { type Conversation, openTranscriptIndex } from "./transcript-index.ts";

export const scanCommand = command({
  name: "csm scan",
  summary: "List the conversations of a folder and of its git worktrees, from every profile, newest first.",
  args: {
    cwd: { type: "positional", required: false, description: "the folder, this one unless told" },
    json: { type: "boolean", description: "print JSON, with profile, model, turns and who has it open" },
    all: { type: "boolean", description: "those of every folder" },
  },
  examples: [
    ["csm scan", "id, time, time of day, permission mode and title, between tabs"],
    ["csm scan ~/work/site | cut -f1,5", "ids and titles of another folder"],
    ["csm scan --all --json | jq '.sessions[] | select(.live != null)'", "which conversations are open, anywhere"],
  ],
  async run({ args, app }) {
    if (args.all === true && args.cwd !== undefined) throw usageError("csm scan: --all and a folder exclude each other");
    const { sys } = app;
    const dirs = profileDirs(sys, readRegistryOrNone(sys));
    const configDirs = dirs.map(({ dir }) => dir);
    const files = listFolderTranscripts(sys, configDirs, args.all === true ? undefined : realFolder(app, args.cwd ?? "."));
    const index = openTranscriptIndex(sys);
    const { known, unread } = index.lookUp(files);
    const conversations = selectConversations([...known, ...(unread.length === 0 ? [] : index.read(unread))]);
    index.close();
    if (args.json !== true) {
      const offsetAt = readZone(app);
      if (conversations.length > 0) app.out(conversations.map((conversation) => renderRow(conversation, offsetAt)).join("\n"));
      return;
    }
    const owners = await readLiveOwners(sys, configDirs);
    const names = new Map(dirs.map(({ dir, name }) => [dir, name]));
    const sessions = conversations.map((conversation) => toJson(conversation, names, owners.get(conversation.sessionId)));
    app.out(printableJson({ sessions }));
  },
});

/** A folder that has gone may still have conversations. */
function realFolder({ sys }: App, typed: string): string {
  const path = isAbsolute(typed) ? join(typed) : join(sys.cwd, typed);
  return sys.realPath(path) ?? path.replace(/(.)\/+$/, "$1");
}

/** The columns are a contract with scripts: id, epoch seconds, local time, mode, title. */
function renderRow({ sessionId, modifiedAt, facts }: Conversation, offsetAt: OffsetAt | undefined): string {
  const seconds = Math.floor(modifiedAt / 1000);
  const mode = printableLine(facts.permissionMode ?? "?");
  return [sessionId, seconds, renderLocalTime(seconds, offsetAt), mode, labelOf(facts)].join("\t");
}

const maxZoneBytes = 16_384;

function readZone({ sys }: App): OffsetAt | undefined {
  if ((sys.env.TZ ?? "") !== "") return undefined;
  const bytes = Buffer.alloc(maxZoneBytes);
  const count = sys.readInto("/etc/localtime", 0, bytes);
  // No such file: the machine's time is UTC, or this is Windows.
  return count === 0 || count === maxZoneBytes ? undefined : parseZone(bytes.subarray(0, count));
}

const toJson = ({ facts, ...file }: Conversation, names: ReadonlyMap<string, string | undefined>, owner: LiveOwner | undefined) => ({
  session_id: file.sessionId,
  title: titleOf(facts),
  custom_title: facts.customTitle ?? null,
  ai_title: facts.aiTitle ?? null,
  first_prompt: facts.firstPrompt ?? null,
  last_prompt: facts.lastPrompt ?? null,
  started_at: facts.startedAt ?? null,
  modified_at: Math.floor(file.modifiedAt),
  permission_mode: facts.permissionMode ?? null,
  model: facts.model ?? null,
  turns: facts.turns,
  bytes: file.size,
  cwd: facts.cwd ?? null,
  path: file.path,
  profiles: file.configDirs.flatMap((dir) => names.get(dir) ?? []),
  config_dirs: file.configDirs,
  live: owner === undefined ? null : { pid: owner.file.pid, status: owner.file.status ?? null, tmux: owner.file.tmux ?? null },
});
