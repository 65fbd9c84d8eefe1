import { command } from "./cmd-record.ts";
import { listConversations, renderScan } from "./conversations.ts";
import { usageError } from "./errors.ts";
import { timed } from "./format.ts";
import { type LiveOwner, readLiveOwners } from "./sessions.ts";
import { titleOf } from "./transcript-facts.ts";
import type { Conversation } from "./transcripts.ts";

export const scanCommand = command({
  name: "csm scan",
  summary: "List the conversations of a folder and of its git worktrees, from every profile, newest first.",
  args: {
    cwd: { type: "positional", required: false, description: "the folder, this one unless told" },
    json: { type: "boolean", description: "print JSON, with profile, model, turns and who has it open" },
    all: { type: "boolean", description: "those of every folder" },
  },
  examples: [
    ["csm scan", "id, time, time of day, permission mode and title, between tabs; on a terminal a table"],
    ["csm scan ~/work/site | cut -f1,5", "ids and titles of another folder"],
    ["csm scan --all --json | jq '.sessions[] | select(.live != null)'", "which conversations are open, anywhere"],
  ],
  async run({ args, app }) {
    if (args.all === true && args.cwd !== undefined) throw usageError("csm scan: --all and a folder exclude each other");
    const { sys } = app;
    const { conversations, dirs } = listConversations(sys, args.all === true ? undefined : (args.cwd ?? "."));
    if (args.json !== true) {
      if (conversations.length > 0) app.out(renderScan(sys, conversations, app.columns).join("\n"));
      return;
    }
    const owners = await readLiveOwners(
      sys,
      dirs.map(({ dir }) => dir),
    );
    const names = new Map(dirs.map(({ dir, name }) => [dir, name]));
    const sessions = conversations.map((conversation) => toJson(conversation, names, owners.get(conversation.sessionId)));
    app.json<"csm scan">({ sessions });
  },
});

const toJson = ({ facts, ...file }: Conversation, names: ReadonlyMap<string, string | undefined>, owner: LiveOwner | undefined) => ({
  session_id: file.sessionId,
  title: titleOf(facts),
  custom_title: facts.customTitle ?? null,
  ai_title: facts.aiTitle ?? null,
  first_prompt: facts.firstPrompt ?? null,
  last_prompt: facts.lastPrompt ?? null,
  ...timed("started", facts.startedAt),
  ...timed("modified", Math.floor(file.modifiedAt)),
  permission_mode: facts.permissionMode ?? null,
  model: facts.model ?? null,
  turns: facts.turns,
  bytes: file.size,
  cwd: facts.cwd ?? null,
  path: file.path,
  transcript: file.path,
  profile: file.configDirs.flatMap((dir) => names.get(dir) ?? [])[0] ?? null,
  profiles: file.configDirs.flatMap((dir) => names.get(dir) ?? []),
  config_dirs: file.configDirs,
  live: owner === undefined ? null : { pid: owner.file.pid, status: owner.file.status ?? null, tmux: owner.file.tmux ?? null },
});
