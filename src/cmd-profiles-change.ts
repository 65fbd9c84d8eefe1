import { type App, command } from "./cmd-record.ts";
import { SilentExit, UserError } from "./errors.ts";
import { findClaude, startLaunch } from "./launch.ts";
import { printableLine } from "./printable.ts";
import { plainDir, profileEnv, profilePath, readRegistry, requireProfile } from "./profiles.ts";
import { addProfile, makeDir, removeProfile, renameProfile, setProfile, useProfile } from "./profiles-change.ts";

const profile = { type: "positional", required: true, description: "name of a profile" } as const;
const newName = { type: "positional", required: true, description: "its name: letters, digits, . _ -" } as const;

export const profilesAddCommand = command({
  name: "csm profiles add",
  summary: "Add a profile and make its folder.",
  args: { name: newName, dir: { type: "positional", required: false, description: "its folder (default: ~/.claude.NAME)" } },
  examples: [
    ["csm profiles add work", "in ~/.claude.work"],
    ["csm profiles login work", "then sign in there"],
    ["csm profiles add main ~/.claude", "gives claude's own folder a name"],
  ],
  run: async ({ args, app }) => tell(app, ...(await addProfile(app.sys, args.name, args.dir))),
});

export const profilesSetCommand = command({
  name: "csm profiles set",
  summary: "Add a profile, or give one another folder; nothing is moved.",
  args: { profile, dir: { type: "positional", required: true, description: "its folder" } },
  examples: [["csm profiles set work ~/accounts/work", ""]],
  run: async ({ args, app }) => tell(app, ...(await setProfile(app.sys, args.profile, args.dir))),
});

const remove = {
  summary: "Forget a profile; its folder stays on disk.",
  args: { profile, force: { type: "boolean", description: "even the default one" } },
  run: async ({ args, app }: { args: { profile: string; force?: boolean | undefined }; app: App }) =>
    tell(app, ...(await removeProfile(app.sys, args.profile, args.force === true))),
} as const;

export const profilesRmCommand = command({ ...remove, name: "csm profiles rm", examples: [["csm profiles rm work", ""]] });
export const profilesRemoveCommand = command({ ...remove, name: "csm profiles remove", examples: [["csm profiles remove work", ""]] });

export const profilesRenameCommand = command({
  name: "csm profiles rename",
  summary: "Give a profile another name; the folder and the default stay.",
  args: { profile, name: newName },
  examples: [["csm profiles rename work office", ""]],
  run: async ({ args, app }) => tell(app, ...(await renameProfile(app.sys, args.profile, args.name))),
});

export const profilesUseCommand = command({
  name: "csm profiles use",
  summary: "Make a profile the default of new shells and of csm.",
  args: { profile },
  examples: [["csm profiles use work", ""]],
  run: async ({ args, app }) => tell(app, ...(await useProfile(app.sys, args.profile))),
});

export const profilesDirCommand = command({
  name: "csm profiles dir",
  summary: "Print the folder of a profile, of the default one unless told.",
  args: { profile: { ...profile, required: false } },
  examples: [['cd "$(csm profiles dir work)"', ""]],
  run: ({ args, app }) => {
    const registry = readRegistry(app.sys);
    const name = args.profile ?? registry.defaultName;
    if (name === undefined && registry.profiles.length === 0)
      throw new UserError(`there is no profile; claude uses ${plainDir(app.sys)}`, "add one with: csm profiles add <name>");
    app.exact(name === undefined ? plainDir(app.sys) : profilePath(app.sys, requireProfile(registry, name)));
  },
});

const tell = (app: App, ...lines: string[]): void => {
  for (const line of lines) app.tell(printableLine(line));
};

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
