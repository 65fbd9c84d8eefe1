import { expect, test } from "bun:test";
import { checkNotify } from "../src/notify-schema.ts";

const check = (toml: string) => checkNotify((Bun.TOML.parse(toml) as { notify: unknown }).notify);
const channel = (toml: string) => check(`[[notify.channels]]\n${toml}`);
const webhook = (url: string, more = "") => channel(`kind = "webhook"\nurl = "${url}"\n${more}`);

test("[notify] alone tells of everything in the terminal", () => {
  const checked = check("[notify]");
  if (!("settings" in checked)) throw new Error(JSON.stringify(checked));
  const { causes, quietHours, channels } = checked.settings;
  expect(Object.values(causes).every(({ isOn }) => isOn)).toBe(true);
  expect([causes.limit.level, causes.finished.level, quietHours, channels]).toEqual([
    "urgent",
    "info",
    [],
    [{ kind: "terminal", name: "terminal", how: "auto" }],
  ]);
});

test("what is said holds, and the rest stays", () => {
  const checked = check(`
[notify]
quiet_hours = ["22:00-07:00", "sat-sun 00:00-24:00"]
cool_down = "2m"
finished = false
plan = true
limit = { level = "info", cool_down = "1h" }
question = { on = false }

[[notify.channels]]
kind = "webhook"
name = "phone"
url = "https://ntfy.sh/topic"
format = "ntfy"
secret = "s"
headers = { Authorization = "Bearer x" }
fields = { tags = "x" }

[[notify.channels]]
kind = "command"
run = ["~/bin/tell", "--loud"]
`);
  expect(checked).toMatchObject({
    settings: {
      quietHours: ["22:00-07:00", "sat-sun 00:00-24:00"],
      causes: {
        finished: { isOn: false, coolDownMs: 120_000 },
        plan: { isOn: true, level: "warning", coolDownMs: 120_000 },
        limit: { isOn: true, level: "info", coolDownMs: 3_600_000 },
        question: { isOn: false },
      },
      channels: [
        {
          ...{ kind: "webhook", name: "phone", url: "https://ntfy.sh/topic", format: "ntfy", secret: "s" },
          ...{ headers: { Authorization: "Bearer x" }, fields: { tags: "x" } },
        },
        { kind: "command", name: "command", run: ["~/bin/tell", "--loud"] },
      ],
    },
  });
});

test.each<[rule: string, url: string, more: string, isGood: boolean]>([
  ["https", "https://example.com/x", "", true],
  ["http to this machine", "http://127.0.0.1:8080/x", "", true],
  ["by its name", "http://localhost/x", "", true],
  ["over IPv6", "http://[::1]:1/x", "", true],
  ["http elsewhere", "http://example.com/x", "", false],
  ["http elsewhere where it is said", "http://example.com/x", "allow_http = true", true],
  ["a name that only begins so", "http://localhost.example.com/", "", false],
  ["an address that only begins so", "http://127.0.0.1.example.com/", "", false],
  ["as a user", "http://127.0.0.1@example.com/", "", false],
  ["another protocol", "file:///etc/passwd", "allow_http = true", false],
  ["a password in it", "https://me:secret@example.com/", "", false],
  ["no address", "example", "", false],
])("webhook: %s", (_, url, more, isGood) => expect("settings" in webhook(url, more)).toBe(isGood));

test.each<[rule: string, toml: string, path: string, message: string]>([
  [
    "an unknown key, with the one that is meant",
    '[notify]\nquit_hours = "1:00-2:00"',
    "quit_hours",
    'unknown key "quit_hours"; did you mean quiet_hours?',
  ],
  ["of a cause", '[notify]\nlimit = { lvel = "info" }', "limit.lvel", 'unknown key "lvel"; did you mean level?'],
  ["of a channel", '[[notify.channels]]\nkind = "desktop"\nnme = "x"', "channels.0.nme", 'unknown key "nme"; did you mean name?'],
  ["an unknown cause", "[notify]\nfinishd = false", "finishd", 'unknown key "finishd"; did you mean finished?'],
  [
    "an unknown kind",
    '[[notify.channels]]\nkind = "pager"',
    "channels.0.kind",
    'unknown kind "pager"; one of: terminal, desktop, command, webhook',
  ],
  ["a slip in the kind", '[[notify.channels]]\nkind = "webhok"', "channels.0.kind", 'unknown kind "webhok"; did you mean webhook?'],
  ["a command without one", '[[notify.channels]]\nkind = "command"', "channels.0", "run is missing"],
  [
    "no kind",
    '[[notify.channels]]\nname = "x"',
    "channels.0.kind",
    'unknown kind "undefined"; one of: terminal, desktop, command, webhook',
  ],
  ["an unknown level", '[notify]\nlimit = { level = "loud" }', "limit.level", 'invalid option: expected one of "info"|"warning"|"urgent"'],
  ["no time", '[notify]\ncool_down = "soon"', "cool_down", 'a time such as "30s", "10m" or "1h"'],
  ["no hours", '[notify]\nquiet_hours = "night"', "quiet_hours", 'hours such as "22:00-07:00" or "sat-sun 00:00-24:00"'],
  ["no cause's value", '[notify]\nfinished = "no"', "finished", "true, false, or a table of on, level and cool_down"],
  [
    "two of one name",
    '[[notify.channels]]\nkind = "desktop"\n[[notify.channels]]\nkind = "desktop"',
    "",
    "two channels of one name: give each its own",
  ],
  [
    "a name that leads elsewhere",
    '[[notify.channels]]\nkind = "desktop"\nname = "../x"',
    "channels.0.name",
    "a name of letters, digits, dots and dashes",
  ],
  [
    "a program of the folder one is in",
    '[[notify.channels]]\nkind = "command"\nrun = ["./tell"]',
    "channels.0.run",
    "a program by its name, or by a path from / or ~/, and its arguments",
  ],
  [
    "no program",
    '[[notify.channels]]\nkind = "command"\nrun = []',
    "channels.0.run",
    "a program by its name, or by a path from / or ~/, and its arguments",
  ],
  [
    "a header that breaks out",
    '[[notify.channels]]\nkind = "webhook"\nurl = "https://x.example"\nheaders = { A = "b\\r\\nC: d" }',
    "channels.0.headers.A",
    "no text of a header",
  ],
])("%s is told", (_, toml, path, message) => {
  const checked = check(toml);
  const [problem] = "problems" in checked ? checked.problems : [];
  expect([problem?.path.join("."), problem?.message]).toEqual([path, message]);
});
