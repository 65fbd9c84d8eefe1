import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  causesWith,
  decideNotice,
  defaultNotify,
  eventsOf,
  type Notice,
  type NoticeCause,
  type NotifySettings,
  type Told,
  toMessage,
  withTold,
} from "../src/notices.ts";

const zone = process.env.TZ;
beforeEach(() => {
  process.env.TZ = "UTC";
});
afterEach(() => {
  process.env.TZ = zone ?? "";
});
const channels = [{ kind: "desktop", name: "desktop" }] as const;
const settings = (given: Partial<NotifySettings> = {}): NotifySettings => ({ causes: causesWith({}), quietHours: [], channels, ...given });
const now = Date.parse("2026-11-20T10:00:00Z");
const notice = (given: Partial<Notice> = {}): Notice => ({
  ...{ cause: "permission", about: "s1", at: now, title: "fix asks: Bash", body: "npm test" },
  ...given,
});

test.each<[rule: string, hours: string, at: string, isQuiet: boolean]>([
  ["before it", "12:00-13:00", "2026-11-20T11:59:59Z", false],
  ["at its beginning", "12:00-13:00", "2026-11-20T12:00:00Z", true],
  ["at its end", "12:00-13:00", "2026-11-20T13:00:00Z", false],
  ["over midnight, in the evening", "22:00-07:00", "2026-11-20T23:30:00Z", true],
  ["over midnight, in the morning", "22:00-07:00", "2026-11-21T06:59:00Z", true],
  ["over midnight, at noon", "22:00-07:00", "2026-11-21T12:00:00Z", false],
  ["a single digit", "9:00-9:30", "2026-11-20T09:15:00Z", true],
  ["to the end of the day", "22:00-24:00", "2026-11-20T23:59:59Z", true],
  ["to the end of the day, and no further", "22:00-24:00", "2026-11-21T00:00:00Z", false],
  ["the same twice is the whole day", "00:00-00:00", "2026-11-20T15:00:00Z", true],
  ["on its day: Friday", "fri 09:00-18:00", "2026-11-20T10:00:00Z", true],
  ["on another day", "fri 09:00-18:00", "2026-11-19T10:00:00Z", false],
  ["a span of days", "mon-fri 09:00-18:00", "2026-11-18T10:00:00Z", true],
  ["behind a span of days", "mon-fri 09:00-18:00", "2026-11-21T10:00:00Z", false],
  ["a span over the end of the week", "fri-mon 09:00-18:00", "2026-11-22T10:00:00Z", true],
  ["a list of days, in capitals", "Sat,SUN 00:00-24:00", "2026-11-22T10:00:00Z", true],
  ["a Friday's night ends on Saturday", "fri 22:00-07:00", "2026-11-21T06:00:00Z", true],
  ["a Friday's night does not begin on Saturday", "fri 22:00-07:00", "2026-11-21T23:00:00Z", false],
  ["nor end on Friday", "fri 22:00-07:00", "2026-11-20T06:00:00Z", false],
  ["a Saturday's night ends on Sunday, the first day", "sat 22:00-07:00", "2026-11-22T06:00:00Z", true],
])("quiet hours: %s", (_, hours, at, isQuiet) => {
  const given = settings({ quietHours: [hours] });
  expect(decideNotice(given, {}, notice({ at: Date.parse(at) }))).toBe(isQuiet ? "quiet" : "tell");
});

/** Berlin goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October. */
test.each<[rule: string, at: string, isQuiet: boolean]>([
  ["an hour before they end in winter", "2026-03-28T05:00:00Z", true],
  ["the clock has been put forward: 07:30", "2026-03-29T05:30:00Z", false],
  ["the day before it was 06:30", "2026-03-28T05:30:00Z", true],
  ["the first 02:30 of the night that is longer", "2026-10-25T00:30:00Z", true],
  ["the second one", "2026-10-25T01:30:00Z", true],
  ["the clock has been put back: 06:30", "2026-10-25T05:30:00Z", true],
  ["the day before it was 07:30", "2026-10-24T05:30:00Z", false],
])("quiet hours by the clock on the wall: %s", (_, at, isQuiet) => {
  const given = settings({ quietHours: ["22:00-07:00"] });
  process.env.TZ = "Europe/Berlin";
  const fate = decideNotice(given, {}, notice({ at: Date.parse(at) }));
  expect(fate).toBe(isQuiet ? "quiet" : "tell");
});

test.each<[rule: string, given: Partial<NotifySettings>, cause: NoticeCause, fate: string]>([
  ["told", {}, "permission", "tell"],
  ["a cause that is off", { causes: causesWith({ permission: { isOn: false } }) }, "permission", "off"],
  ["no channel", { channels: [] }, "permission", "off"],
  ["without [notify]", defaultNotify, "limit", "off"],
  ["what is urgent comes through quiet hours", { quietHours: ["00:00-24:00"] }, "limit", "tell"],
  ["unless it is said to be less", { quietHours: ["00:00-24:00"], causes: causesWith({ limit: { level: "warning" } }) }, "limit", "quiet"],
  [
    "and what is said to be urgent does",
    { quietHours: ["00:00-24:00"], causes: causesWith({ plan: { level: "urgent" } }) },
    "plan",
    "tell",
  ],
])("%s", (_, given, cause, fate) => expect(decideNotice(settings(given), {}, notice({ cause }))).toBe(fate as never));

/** What each of these becomes, one after the other. */
function fatesOf(notices: readonly Partial<Notice>[], given = settings()): string[] {
  let told: Told = {};
  return notices.map((one) => {
    const fate = decideNotice(given, told, notice(one));
    if (fate === "tell") told = withTold(given, told, notice(one));
    return fate;
  });
}

test.each<[rule: string, notices: Partial<Notice>[], fates: string[]]>([
  [
    "the same cause of a session is told once in its time",
    [{}, { at: now + 9999, body: "x" }, { at: now + 10_000, body: "y" }],
    ["tell", "told", "tell"],
  ],
  ["another session is another matter", [{}, { about: "s2" }], ["tell", "tell"]],
  ["so is another cause", [{}, { cause: "question" }], ["tell", "tell"]],
  ["one that was not told does not begin the time anew", [{}, { at: now + 9000 }, { at: now + 10_500 }], ["tell", "told", "tell"]],
  [
    "a limit is told once until it is reset",
    [
      { cause: "limit", until: now + 18_000_000 },
      { cause: "limit", at: now + 3_600_000, until: now + 18_000_000 },
      { cause: "limit", at: now + 18_000_001 },
    ],
    ["tell", "told", "tell"],
  ],
  [
    "a reset that lies behind does not make it shorter",
    [
      { cause: "limit", until: 5 },
      { cause: "limit", at: now + 60_000 },
    ],
    ["tell", "told"],
  ],
  ["of two at the same moment the later one is told first", [{}, { at: now - 30 }], ["tell", "told"]],
  ["a clock that was set back keeps nobody silent", [{}, { at: now - 3_600_000 }], ["tell", "tell"]],
  ["a session with a hostile name", [{ about: "__proto__" }, { about: "__proto__" }], ["tell", "told"]],
])("cool-down: %s", (_, notices, fates) => expect(fatesOf(notices)).toEqual(fates));

test("cool-down: none tells each, but not two hooks of one event", () => {
  const given = settings({ causes: causesWith({}, 0) });
  expect(fatesOf([{}, { at: now + 40 }, { body: "another" }, { at: now + 6000 }], given)).toEqual(["tell", "told", "tell", "tell"]);
});

test("what has passed is forgotten, and what was told is bounded", () => {
  let told: Told = {};
  for (let index = 0; index < 3000; index++) told = withTold(settings(), told, notice({ about: `s${index}` }));
  expect(Object.keys(told)).toHaveLength(1000);
  expect(Object.keys(withTold(settings(), told, notice({ at: now + 60_000 })))).toHaveLength(1);
});

test.each<[given: Partial<NotifySettings>, events: ReturnType<typeof eventsOf>]>([
  [{}, ["PermissionRequest", "StopFailure", "Stop"]],
  [{ channels: [] }, []],
  [{ causes: causesWith({ finished: { isOn: false }, plan: { isOn: false } }) }, ["PermissionRequest", "StopFailure"]],
  [
    { causes: causesWith({ permission: { isOn: false }, question: { isOn: false }, plan: { isOn: false }, finished: { isOn: false } }) },
    ["StopFailure"],
  ],
])("only the hooks that are needed: %#", (given, events) => expect(eventsOf(settings(given))).toEqual(events));

test("a message holds no sequence, and has an end", () => {
  const hostile = "\u001b]0;evil\u0007\u202ename\n\u001b[2J";
  const message = toMessage(
    notice({ title: hostile.repeat(50), body: `${hostile}\nline`.repeat(500), session: hostile, cwd: `/x/${hostile}` }),
    "info",
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  expect(JSON.stringify(message)).not.toMatch(/\\u001b|\\u202e|[\u0000-\u001f]/);
  expect([message.title.length <= 120, message.body.length <= 2000, message.project, message.title.includes("\n")]).toEqual([
    true,
    true,
    "name",
    false,
  ]);
  expect(toMessage(notice({ title: "\u001b[0m" }), "info").title).toBe("csm");
});
