import { en } from "zod/locales";
import { z } from "zod/mini";
import { unknownWord } from "./errors.ts";
import { isPathWord, present } from "./json.ts";
import {
  type CauseSettings,
  type Channel,
  causesWith,
  type NoticeCause,
  type NotifySettings,
  noticeCauses,
  noticeLevels,
  terminalWays,
  webhookFormats,
} from "./notices.ts";
import { timeSpan } from "./rule-conditions.ts";
import { durationMs } from "./written-file.ts";

z.config(en());

const text = z.string().check(z.minLength(1));
const isHeaderText = (value: string): boolean => /^[\t\x20-\x7e]*$/.test(value);

const hoursText = 'hours such as "22:00-07:00" or "sat-sun 00:00-24:00"';
const hours = z.string().check(z.regex(timeSpan, hoursText));

const cause = z.union(
  [
    z.boolean(),
    z.strictObject({ on: z.optional(z.boolean()), level: z.optional(z.enum(noticeLevels)), cool_down: z.optional(durationMs) }),
  ],
  "true, false, or a table of on, level and cool_down",
);

/** Names files, and stands in commands and completions. */
const name = z.optional(z.string().check(z.refine(isPathWord, "a name of letters, digits, dots and dashes")));

/** A relative path would be another program in each folder that a session works in. */
const isProgram = (words: readonly string[]): boolean => {
  const [program = ""] = words;
  return program !== "" && (!/[/\\]/.test(program) || /^(?:~?\/|[A-Za-z]:[/\\])/.test(program));
};

/** What is no address is told as such. */
const parseUrl = (url: string): URL => new URL(URL.canParse(url) ? url : "https://localhost");
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

const webhook = z
  .strictObject({
    kind: z.literal("webhook"),
    name,
    url: z.url(),
    format: z.optional(z.enum(webhookFormats)),
    secret: z.optional(text),
    headers: z.optional(
      z.record(
        z.string().check(z.regex(/^[\w!#$%&'*+.^`|~-]+$/, "no name of a header")),
        z.string().check(z.refine(isHeaderText, "no text of a header")),
      ),
    ),
    fields: z.optional(z.record(text, z.string())),
    allow_http: z.optional(z.boolean()),
  })
  .check(
    z.refine(({ url, allow_http: allowsHttp }) => {
      const { protocol, hostname } = parseUrl(url);
      return protocol === "https:" || (protocol === "http:" && (loopback.test(hostname) || allowsHttp === true));
    }, "https, or http to this machine; allow_http = true sends it in the clear all the same"),
    z.refine(
      ({ url }) => parseUrl(url).username === "" && parseUrl(url).password === "",
      "no password in an address: it belongs into headers",
    ),
  );

const channel = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("terminal"), name, how: z.optional(z.enum(terminalWays)) }),
  z.strictObject({ kind: z.literal("desktop"), name }),
  z.strictObject({
    kind: z.literal("command"),
    name,
    run: z.array(z.string()).check(z.refine(isProgram, "a program by its name, or by a path from / or ~/, and its arguments")),
  }),
  webhook,
]);

const fields = z.strictObject({
  quiet_hours: z.optional(z.union([hours, z.array(hours)], hoursText)),
  cool_down: z.optional(durationMs),
  channels: z.optional(z.array(channel)),
  ...(Object.fromEntries(noticeCauses.map((word) => [word, z.optional(cause)])) as Record<NoticeCause, z.ZodMiniOptional<typeof cause>>),
});

const schema = fields.check(
  z.refine(({ channels = [] }) => new Set(channels.map(nameOf)).size === channels.length, "two channels of one name: give each its own"),
);

interface NotifyProblem {
  /** Below `notify`. */
  path: (string | number)[];
  /** In lower case, with what was meant. */
  message: string;
}

/** `[notify]` as it stands in a file, into what holds. Without channels it is the terminal of the session. */
export function checkNotify(value: unknown): { settings: NotifySettings } | { problems: NotifyProblem[] } {
  const { success, data, error } = schema.safeParse(value);
  return success ? { settings: toSettings(data) } : { problems: error.issues.flatMap((issue) => problemsOf(value, issue)) };
}

function problemsOf(value: unknown, issue: z.core.$ZodIssue): NotifyProblem[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  // Of a table it is said what is wrong in it, not that it is not the other form.
  const inner = issue.code === "invalid_union" ? issue.errors.flat().filter((one) => one.path.length > 0) : [];
  if (inner.length > 0) return inner.flatMap((one) => problemsOf(value, { ...one, path: [...path, ...one.path] }));
  if (issue.code === "invalid_union" && path.at(-1) === "kind") {
    const { message, hint } = unknownWord("unknown kind", String(valueAt(value, path)), kinds);
    return [{ path, message: `${message}; ${hint}` }];
  }
  if (issue.code === "invalid_type" && valueAt(value, path) === undefined)
    return [{ path: path.slice(0, -1), message: `${path.at(-1)} is missing` }];
  if (issue.code !== "unrecognized_keys")
    return [{ path, message: issue.message.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()) }];
  const known = path[0] === "channels" ? channelKeys : path.length > 0 ? causeKeys : Object.keys(fields.shape);
  return issue.keys.map((key) => {
    const { message, hint } = unknownWord("unknown key", key, known);
    return { path: [...path, key], message: `${message}; ${hint}` };
  });
}

const valueAt = (value: unknown, path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step], value);

const kinds = ["terminal", "desktop", "command", "webhook"];
const causeKeys = ["on", "level", "cool_down"];
const channelKeys = ["kind", "name", "how", "run", "url", "format", "secret", "headers", "fields", "allow_http"];

function toSettings(typed: z.infer<typeof schema>): NotifySettings {
  const { quiet_hours: quietHours = [], cool_down: coolDownMs, channels, ...causes } = typed;
  const said = Object.entries(causes).flatMap(([word, value]) => (value === undefined ? [] : [[word, causeOf(value)]]));
  return {
    causes: causesWith(Object.fromEntries(said), coolDownMs),
    quietHours: [quietHours].flat(),
    channels: (channels ?? [{ kind: "terminal" as const }]).map(toChannel),
  };
}

type TypedChannel = z.infer<typeof channel>;

const nameOf = ({ name, kind }: TypedChannel): string => name ?? kind;

function causeOf(value: z.infer<typeof cause>): Partial<CauseSettings> {
  if (typeof value === "boolean") return { isOn: value };
  const { on: isOn, level, cool_down: coolDownMs } = value;
  return present({ isOn, level, coolDownMs });
}

function toChannel(typed: TypedChannel): Channel {
  const name = nameOf(typed);
  switch (typed.kind) {
    case "terminal":
      return { ...typed, name, how: typed.how ?? "auto" };
    case "webhook": {
      const { kind, url, format = "json", secret, headers, fields } = typed;
      return { kind, name, url, format, ...present({ secret, headers, fields }) };
    }
    default:
      return { ...typed, name };
  }
}
