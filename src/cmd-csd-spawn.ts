import { printJson } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { spawnSession } from "./driver-spawn.ts";
import { publicSidecar } from "./sidecar.ts";

export const spawnCommand = command({
  name: "csd spawn",
  summary: "Start claude in a detached tmux session, and return when it is ready or asks something.",
  args: {
    cwd: { type: "string", valueHint: "DIR", description: "folder to start in (default: here)" },
    name: { type: "string", valueHint: "NAME", description: "name of the session (default: csd-<folder>-<id>)" },
    "session-id": { type: "string", valueHint: "UUID", description: "id of the conversation (default: a new one)" },
    trust: { type: "boolean", description: "accept the folder trust dialog" },
    "permission-mode": { type: "string", valueHint: "MODE", description: "plan, acceptEdits, auto, bypassPermissions, manual, dontAsk" },
    "auto-accept": { type: "boolean", description: "same as --permission-mode acceptEdits" },
    "bypass-permissions": { type: "boolean", description: "same as --permission-mode bypassPermissions" },
    yolo: { type: "boolean", description: "start claude with --dangerously-skip-permissions, and accept the trust dialog" },
    backend: { type: "string", valueHint: "NAME", description: "program to drive (default: claude)" },
  },
  examples: [
    ["csd spawn --trust --name fix --permission-mode manual", "a session that asks before it changes anything"],
    ["csd spawn --cwd ~/app | jq -r .name", "start in another folder and keep the name"],
  ],
  async run({ args, app }) {
    const { sidecar, warning } = await spawnSession(createDriver(app.sys), {
      ...given("cwd", args.cwd),
      ...given("name", args.name),
      ...given("sessionId", args["session-id"]),
      ...given("permissionMode", args["permission-mode"]),
      ...given("backend", args.backend),
      isTrusted: args.trust === true,
      isAutoAccept: args["auto-accept"] === true,
      isBypass: args["bypass-permissions"] === true,
      isYolo: args.yolo === true,
    });
    printJson(app, { ...publicSidecar(sidecar), ...(warning === undefined ? {} : { marker_warning: warning }) });
  },
});

const given = <K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
