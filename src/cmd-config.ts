import { command, section } from "./cmd-record.ts";
import { unknownWord, usageError } from "./errors.ts";
import { table } from "./format.ts";
import { printableLine } from "./printable.ts";
import { type Row, readAt, readVariables, settings, variables } from "./settings.ts";

const verbs = ["show", "get", "set", "unset", "keys", "check"];
const keys = Object.keys(settings);

export const configCommand = command({
  name: "csm config",
  summary: "Show and change csm's settings, in ~/.config/claude-smart/config.json.",
  args: {
    verb: {
      type: "positional",
      required: false,
      values: verbs,
      description: `${verbs.join(", ")} (default: show); get tells what holds, with what the environment says`,
    },
    key: {
      type: "positional",
      required: false,
      suggestions: keys.filter((key) => !key.includes("<")),
      description: "what to get, set or unset; csm config keys lists them",
    },
  },
  rest: {
    kind: "prompt",
    hint: "[VALUE…]",
    about: "of set; the words of launch-command are kept as they are",
  },
  examples: [
    ["csm config set launch-command npx happy", "start claude through a wrapper"],
    ["csm config set limit.policy wait", settings["limit.policy"].about],
    ["csm config set limit.profiles.work.policy stop", "for one profile"],
    ["csm config unset limit.policy", ""],
  ],
  async run({ args: { verb = "show", key }, rest, app }) {
    const { findSetting, findUnknown, openConfig, parseSetting, withValue } = await import("./settings-schema.ts");
    const config = openConfig(app.sys);
    switch (verb) {
      case "show":
        return app.json<"csm config">(config.read());
      case "keys":
        return app.out(renderKeys(app.columns).join("\n"));
      case "get": {
        const found = findSetting(required(key, verb));
        const value = readVariables(app.sys.env, found.key, found.row) ?? readAt(config.read(), found.path) ?? found.row.default;
        return value === undefined ? undefined : app.out(renderValue(value));
      }
      case "set": {
        const found = findSetting(required(key, verb));
        if (rest.length === 0) throw usageError(`csm config set: ${found.key} needs a value`, `csm config unset ${found.key} removes it`);
        const value = parseSetting(found, rest);
        await config.update((before) => withValue(before, found.path, value));
        return;
      }
      case "unset": {
        const { path } = findSetting(required(key, verb));
        await config.update((before) => withValue(before, path, undefined));
        return;
      }
      case "check": {
        for (const name of findUnknown(config.read())) {
          const { message, hint = "" } = unknownWord("csm config: no setting is called", printableLine(name), keys, { otherwise: "" });
          app.tell(hint === "" ? message : `${message}; ${hint}`);
        }
        return;
      }
    }
  },
});

function required(key: string | undefined, verb: string): string {
  if (key !== undefined) return key;
  throw usageError(`csm config ${verb}: KEY is missing`, "csm config keys lists them");
}

/** A table for programs; on a terminal what a key means has lines of its own where it needs them. */
function renderKeys(columns: number | undefined): string[] {
  const titles = [{ title: "KEY" }, { title: "DEFAULT" }, { title: "MEANING" }];
  const rows = Object.entries<Row>({ ...settings, ...variables }).map(([key, row]) => {
    const { unit = "" } = row.check.kind === "number" ? row.check : {};
    const names = (row.variables ?? []).map((variable) => variable.name);
    if (Object.hasOwn(settings, key))
      return [key, `${renderValue(row.default)} ${row.default === undefined ? "" : unit}`.trim(), meaningOf(row)];
    // What only the environment says goes by the name that it has there, and by its unit.
    return [names.join(", "), typeof row.default === "number" ? `${row.default / 1000} s` : renderValue(row.default), row.about];
  });
  if (columns === undefined) return table(titles, rows);
  const lines = rows.map(([key = "", initial = "", meaning = ""]): [string, string] => {
    const held = initial === "" ? "" : `(default: ${initial})`;
    return [key, [meaning, held].filter((text) => text !== "").join(" ")];
  });
  return [section("Settings, and what only the environment says", lines, columns).trim()];
}

const meaningOf = ({ about, variables = [] }: Row): string => {
  const names = variables.map(({ name, unit }) => (unit === undefined ? name : `${name} in ${unit}`));
  return names.length === 0 ? about : `${about} ($${names.join(", $")})`;
};

const renderValue = (value: unknown): string =>
  Array.isArray(value) ? value.join(" ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
