import { parseHookInput } from "./claude-hooks.ts";
import { command } from "./cmd-record.ts";
import { answerLimitHook } from "./limit-hook.ts";

export const hookCommand = command({
  name: "csm hook",
  summary: "As a hook of claude: notes a usage limit, says where the conversation could go on, and applies rules. csm setup installs it.",
  args: { owner: { type: "string", valueHint: "DIR", description: "the config dir of the session; that of the environment unless told" } },
  examples: [["csm hook < hook-input.json", "reads what claude gives its hooks"]],
  run: async ({ args, app }) =>
    answerLimitHook(app.sys, args.owner === undefined ? [] : ["--owner", args.owner], parseHookInput(await app.sys.readInput())),
});
