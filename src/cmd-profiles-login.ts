import { command } from "./cmd-record.ts";
import { SilentExit } from "./errors.ts";
import { findClaude, startLaunch } from "./launch.ts";
import { makeDir } from "./profile-change.ts";
import { profileEnv, readRegistry, requireProfile } from "./registry.ts";

export const profilesLoginCommand = command({
  name: "csm profiles login",
  summary: "Sign in to claude in a profile: runs claude's own `auth login` there.",
  args: { profile: { type: "positional", required: true, description: "name of a profile" } },
  rest: { kind: "after-dashes", hint: "[-- CLAUDE ARGUMENTS…]", about: "handed to claude auth login: --console, --sso, --email ADDRESS" },
  examples: [
    ["csm profiles login work", ""],
    ["csm profiles login work -- --email me@example.com", ""],
  ],
  run: async ({ args, rest, app }) => {
    const profile = requireProfile(readRegistry(app.sys), args.profile);
    makeDir(app.sys, profile.dir);
    const env = { ...app.sys.env, ...profileEnv(app.sys, profile) };
    const program = { path: findClaude(app.sys), name: "claude", prefix: [] };
    throw new SilentExit(await startLaunch({ ...program, args: ["auth", "login", ...rest], env }));
  },
});
