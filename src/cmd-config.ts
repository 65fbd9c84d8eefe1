import { command } from "./cmd-record.ts";
import { findSetting, openConfig, parseSetting, readAt, settings, withValue } from "./config.ts";
import { exitCode, UserError, unknownWord } from "./errors.ts";
import { table } from "./format.ts";
import { printableJson } from "./sanitize.ts";

const verbs = ["show", "get", "set", "unset", "keys"];

export const configCommand = command({
  name: "csm config",
  summary: "Show and change csm's settings, in ~/.config/claude-smart/config.json.",
  args: {
    verb: { type: "positional", required: false, description: "show (unless told), get, set, unset, or keys" },
    key: { type: "positional", required: false, description: "what to get, set or unset; csm config keys lists them" },
  },
  rest: { kind: "prompt", hint: "[VALUE…]", about: "of set; the words of launch-command are kept as they are" },
  examples: [
    ["csm config set launch-command npx happy", "start claude through a wrapper"],
    ["csm config set limit.policy wait", "at a usage limit: switch, wait, ask or stop"],
    ["csm config set limit.profiles.work.policy stop", "for one profile"],
    ["csm config unset limit.policy", ""],
  ],
  async run({ args: { verb = "show", key }, rest, app }) {
    const config = openConfig(app.sys);
    switch (verb) {
      case "show":
        return app.out(printableJson(config.read()));
      case "keys": {
        const columns = [{ title: "KEY" }, { title: "DEFAULT", minWidth: 7 }, { title: "MEANING", minWidth: 20 }];
        const rows = settings.map((setting) => [setting.key, renderValue(setting.default), setting.about]);
        return app.out(table(columns, rows, app.columns).join("\n"));
      }
      case "get": {
        const { setting, path } = findSetting(required(key, verb));
        const own = app.sys.env.CLAUDE_SMART_CLAUDE_BIN;
        if (setting.key === "launch-command" && own !== undefined && own !== "") return app.out(own);
        const value = readAt(config.read(), path) ?? setting.default;
        return value === undefined ? undefined : app.out(renderValue(value));
      }
      case "set": {
        const { setting, path } = findSetting(required(key, verb));
        if (rest.length === 0)
          throw new UserError(`csm config set: ${setting.key} needs a value`, `csm config unset ${setting.key} removes it`);
        const value = parseSetting(setting, path, rest);
        await config.update((before) => withValue(before, path, value));
        return;
      }
      case "unset": {
        const { path } = findSetting(required(key, verb));
        await config.update((before) => withValue(before, path, undefined));
        return;
      }
      default:
        throw unknownWord("csm config: unknown verb", verb, verbs, { exitCode: exitCode.failure });
    }
  },
});

function required(key: string | undefined, verb: string): string {
  if (key !== undefined) return key;
  throw new UserError(`csm config ${verb}: KEY is missing`, `the keys are ${settings.map((setting) => setting.key).join(", ")}`);
}

const renderValue = (value: unknown): string =>
  Array.isArray(value) ? value.join(" ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
