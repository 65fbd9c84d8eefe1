import { type App, command } from "./cmd-record.ts";
import { UserError, unknownWord, usageError } from "./errors.ts";
import { belowHome, duration, table, timed } from "./format.ts";
import { openOutcomes, openSpool, readNotifyFile } from "./notice-spool.ts";
import { aboutCause, type Channel, fateOf, isQuiet, type NoticeCause, type NotifySettings, noticeCauses, toMessage } from "./notices.ts";
import { sendThrough } from "./notify.ts";
import { ruleFiles } from "./paths.ts";
import type { PublicJson } from "./public-json.ts";

export const notifyCommand = command({
  name: "csm notify",
  summary:
    "Who is told of what: causes, channels, what is waiting to be sent, and what would happen now.\n\n[notify] in ~/.config/claude-smart/rules.toml says it; the session's own hooks tell it, at that moment.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm notify", ""],
    ["csm notify test phone", "send a sample through the channel of this name"],
    ["csm notify --json | jq -r '.channels[].failure'", "why the newest did not arrive"],
  ],
  async run({ args, app }) {
    const settings = await requireSettings(app);
    const state = describe(app, settings);
    if (args.json === true) return app.json<"csm notify">(state);
    app.out(render(app, state, settings).join("\n"));
  },
});

export const notifyTestCommand = command({
  name: "csm notify test",
  summary: "Send a sample through a channel, whatever the hour, and say whether it has arrived.",
  args: {
    channel: { type: "positional", required: false, kind: "channels", description: "its name as csm notify shows it" },
    all: { type: "boolean", description: "through every channel" },
    cause: { type: "string", valueHint: "CAUSE", values: noticeCauses, description: "what of (finished)" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm notify test phone", ""],
    ["csm notify test --all --cause limit", "with the level that a limit has"],
  ],
  async run({ args, app }) {
    const settings = await requireSettings(app);
    const { channels } = settings;
    const cause = (args.cause ?? "finished") as NoticeCause;
    if ((args.channel === undefined) !== (args.all === true))
      throw usageError("csm notify test: name one channel, or --all", `one of: ${namesOf(channels)}`);
    const wanted = args.all === true ? channels : channels.filter(({ name }) => name === args.channel);
    if (wanted.length === 0 && args.channel !== undefined)
      throw unknownWord(
        "csm notify test: unknown channel",
        args.channel,
        channels.map(({ name }) => name),
      );
    const results = await Promise.all(wanted.map((channel) => sendSample(app, settings, channel, cause)));
    if (args.json === true) app.json<"csm notify test">({ cause, results });
    else app.out(results.map(renderResult).join("\n"));
    const failed = results.filter(({ sent }) => !sent).map(({ channel }) => channel);
    if (failed.length > 0) throw new UserError(`csm notify test: nothing has arrived through ${failed.join(", ")}`);
  },
});

const namesOf = (channels: readonly Channel[]): string => channels.map(({ name }) => name).join(", ");

const example = `[notify]
quiet_hours = "22:00-07:00"

[[notify.channels]]
kind = "desktop"`;

async function requireSettings({ sys }: App): Promise<NotifySettings> {
  const { settings, problems } = await readNotifyFile(sys);
  if (settings !== undefined) return settings;
  const [problem] = problems;
  if (problem !== undefined)
    throw new UserError(
      `csm notify: ${belowHome(problem.path, sys.homeDir)}:${problem.line}: ${problem.message}`,
      "nobody is told of anything until it is mended",
    );
  const path = belowHome(ruleFiles(sys)[0] ?? "", sys.homeDir);
  throw new UserError(`csm notify: nobody is told of anything: there is no [notify] in ${path}`, `put this there:\n\n${example}\n`);
}

type State = PublicJson["csm notify"];

function describe({ sys }: App, settings: NotifySettings): State {
  const outcomes = openOutcomes(sys).read();
  const now = sys.now();
  return {
    file: ruleFiles(sys).find((path) => sys.entryKind(path) !== undefined) ?? "",
    quiet: isQuiet(settings, now),
    quiet_hours: [...settings.quietHours],
    causes: noticeCauses.map((cause) => {
      const { isOn, level, coolDownMs } = settings.causes[cause];
      return { cause, on: isOn, level, cool_down_ms: coolDownMs, now: fateOf(settings, cause, now) };
    }),
    channels: settings.channels.map((channel) => {
      const last = outcomes.findLast((outcome) => outcome.channel === channel.name);
      const waiting = openSpool(sys, channel).list().records;
      const failure = waiting.findLast((one) => one.failure !== undefined)?.failure ?? last?.failure ?? null;
      return {
        channel: channel.name,
        kind: channel.kind,
        to: targetOf(channel),
        waiting: waiting.length,
        failure,
        ...timed("last", last?.at),
      };
    }),
  };
}

/** Addresses and arguments may hold secrets. */
function targetOf(channel: Channel): string {
  switch (channel.kind) {
    case "terminal":
      return channel.how;
    case "desktop":
      return "";
    case "command":
      return channel.run[0] ?? "";
    case "webhook":
      return `${new URL(channel.url).host} (${channel.format}${channel.secret === undefined ? "" : ", signed"})`;
  }
}

const nowWords: Readonly<Record<string, string>> = { tell: "told", quiet: "quiet hours", off: "off" };

function render({ sys, columns }: App, { causes, channels }: State, { quietHours }: NotifySettings): string[] {
  const now = sys.now();
  const causeRows = causes.map(({ cause, level, cool_down_ms: coolDownMs, now: fate }) => [
    cause,
    level,
    nowWords[fate] ?? fate,
    duration(coolDownMs),
    aboutCause(cause as NoticeCause),
  ]);
  const channelRows = channels.map(({ channel, kind, to, waiting, failure, last_at: lastAt }) => {
    const last = lastAt === null ? "-" : `${duration(now - lastAt)} ago`;
    return [channel, kind, to, String(waiting), failure === null ? last : `${last}: ${failure}`];
  });
  const titles = (...words: string[]) => words.map((title, index) => ({ title, ...(index === words.length - 1 ? { minWidth: 12 } : {}) }));
  return [
    ...table(titles("CAUSE", "LEVEL", "NOW", "ONCE IN", "WHEN"), causeRows, columns),
    "",
    ...(channels.length === 0
      ? ["no channel: nobody is told"]
      : table(titles("CHANNEL", "KIND", "TO", "WAITING", "LAST"), channelRows, columns)),
    ...(quietHours.length === 0
      ? []
      : ["", `quiet hours: ${quietHours.join(", ")}; what is urgent is told all the same, the rest not at all`]),
  ];
}

type Result = PublicJson["csm notify test"]["results"][number];

async function sendSample({ sys }: App, settings: NotifySettings, channel: Channel, cause: NoticeCause): Promise<Result> {
  const startedAt = sys.now();
  const notice = {
    cause,
    about: "test",
    at: startedAt,
    title: `csm: ${cause}`,
    body: `This is how you are told that ${aboutCause(cause)}.`,
  };
  const message = toMessage({ ...notice, cwd: sys.cwd }, settings.causes[cause].level);
  const result = await sendThrough(sys, channel, { id: sys.randomId(), message });
  return {
    channel: channel.name,
    kind: channel.kind,
    sent: result === undefined,
    failure: result?.failure ?? null,
    ms: sys.now() - startedAt,
  };
}

const renderResult = ({ channel, sent, failure, ms }: Result): string =>
  sent ? `${channel}: sent in ${ms} ms` : `${channel}: ${failure} (${ms} ms)`;
