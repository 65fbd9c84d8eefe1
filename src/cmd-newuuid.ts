import { command } from "./cmd-record.ts";

export const newuuidCommand = command({
  name: "csm newuuid",
  summary: "Print a fresh session id.",
  args: {},
  examples: [["csd spawn --session-id $(csm newuuid)", ""]],
  run: ({ app }) => app.out(app.sys.randomId()),
});
