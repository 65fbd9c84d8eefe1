import { expect, test } from "bun:test";
import { parseLimitWording, parseReset } from "../src/claude-reset.ts";

const at = (text: string): number => Date.parse(text);

test.each<[rule: string, value: unknown, now: string, resetsAt: string | undefined]>([
  ["epoch seconds", 1_795_200_000, "2026-11-20T10:00Z", "2026-11-20T18:40Z"],
  ["epoch milliseconds", 1_795_200_000_000, "2026-11-20T10:00Z", "2026-11-20T18:40Z"],
  ["epoch seconds as a text", "1795200000", "2026-11-20T10:00Z", "2026-11-20T18:40Z"],
  ["ISO", "2026-11-20T18:40:00.000Z", "2026-11-20T10:00Z", "2026-11-20T18:40Z"],
  ["ISO with an offset", "2026-11-20T18:40:00+02:00", "2026-11-20T10:00Z", "2026-11-20T16:40Z"],
  ["ISO without a zone is UTC", "2026-11-20T18:40:00", "2026-11-20T10:00Z", "2026-11-20T18:40Z"],
  ["a bare hour", "9pm", "2026-06-04T10:00Z", "2026-06-04T21:00Z"],
  ["with minutes", "8:20pm", "2026-06-04T10:00Z", "2026-06-04T20:20Z"],
  ["a date", "Jun 4 at 9pm", "2026-06-01T10:00Z", "2026-06-04T21:00Z"],
  ["as the pane says it", "Nov 23, 10:54am (UTC)", "2026-11-20T10:00Z", "2026-11-23T10:54Z"],
  ["any case", "JUN 4 AT 9PM", "2026-06-01T10:00Z", "2026-06-04T21:00Z"],
  ["a zone", "9pm (Asia/Seoul)", "2026-06-04T10:00Z", "2026-06-04T12:00Z"],
  ["today is that of the zone", "1am (Asia/Seoul)", "2026-06-04T15:30Z", "2026-06-04T16:00Z"],
  ["midnight is 12am", "12am", "2026-06-04T00:00Z", "2026-06-04T00:00Z"],
  ["noon is 12pm", "12pm", "2026-06-04T10:00Z", "2026-06-04T12:00Z"],
  ["exactly now is today", "9pm (Asia/Seoul)", "2026-06-04T12:00Z", "2026-06-04T12:00Z"],
  ["D14: a bare time of an hour ago is tomorrow's, not next year's", "8pm", "2026-06-04T21:00Z", "2026-06-05T20:00Z"],
  ["D14: on the last of a month too", "8am", "2026-12-31T10:00Z", "2027-01-01T08:00Z"],
  ["a date of last week stays where it is", "Jun 4 at 9pm", "2026-06-11T10:00Z", "2026-06-04T21:00Z"],
  ["January in June is next year's", "Jan 1 at 9pm", "2026-06-11T10:00Z", "2027-01-01T21:00Z"],
  ["summer time", "9pm (Europe/Berlin)", "2026-07-01T10:00Z", "2026-07-01T19:00Z"],
  ["an hour that summer time skips", "Mar 29 at 2:30am (Europe/Berlin)", "2026-03-28T10:00Z", undefined],
  ["a zone that is none", "9pm (Fake/Zone)", "2026-06-04T10:00Z", undefined],
  ["a date without a time", "Jun 22", "2026-06-04T10:00Z", undefined],
  ["Feb 30", "Feb 30 at 9pm", "2026-02-01T10:00Z", undefined],
  ["13pm", "13pm", "2026-02-01T10:00Z", undefined],
  ["nonsense", "soon", "2026-02-01T10:00Z", undefined],
  ["null", null, "2026-02-01T10:00Z", undefined],
  ["an object", {}, "2026-02-01T10:00Z", undefined],
  ["not a number", Number.NaN, "2026-02-01T10:00Z", undefined],
  ["a number beyond all times", 1e300, "2026-02-01T10:00Z", undefined],
])("%s", (_, value, now, resetsAt) => {
  const parsed = parseReset(value, at(now));
  expect(parsed === undefined ? undefined : new Date(parsed).toISOString()).toBe(
    resetsAt === undefined ? (undefined as never) : new Date(at(resetsAt)).toISOString(),
  );
});

test.each<[string, { window: string; resetsAt?: string } | undefined]>([
  ["You've hit your 5-hour limit · resets 11:54am (UTC)", { window: "five_hour", resetsAt: "2026-11-20T11:54:00Z" }],
  ["You've hit your session limit · resets 3pm (UTC)", { window: "five_hour", resetsAt: "2026-11-20T15:00:00Z" }],
  // The real words of 2.1.86, 2.1.158 and 2.1.204, and of 2.0.70, at a 5-hour limit.
  ["You've hit your session limit · resets 1:26pm (UTC)", { window: "five_hour", resetsAt: "2026-11-20T13:26:00Z" }],
  ["5-hour limit reached · resets 1:26pm (UTC)", { window: "five_hour", resetsAt: "2026-11-20T13:26:00Z" }],
  ["You've hit your weekly limit · resets Nov 23, 10:54am (UTC)", { window: "seven_day", resetsAt: "2026-11-23T10:54:00Z" }],
  [
    "You've hit your weekly limit · resets Nov 23 at 9am (Europe/Berlin) · progress saved",
    { window: "seven_day", resetsAt: "2026-11-23T08:00:00Z" },
  ],
  ["You've reached your Fable limit · resets Nov 23, 9am (UTC)", { window: "seven_day_fable", resetsAt: "2026-11-23T09:00:00Z" }],
  ["Opus weekly limit reached ∙ resets Nov 23, 9am (UTC)", { window: "seven_day_opus", resetsAt: "2026-11-23T09:00:00Z" }],
  ["5-hour limit reached ∙ resets 3pm (UTC)", { window: "five_hour", resetsAt: "2026-11-20T15:00:00Z" }],
  ["Claude AI usage limit reached|1795175648", { window: "unknown", resetsAt: "2026-11-20T11:54:08Z" }],
  ["You've hit your 5-hour limit", { window: "five_hour" }],
  ["You've hit your 5-hour limit · resets whenever", { window: "five_hour" }],
  ["API Error: 429 rate_limit_error: too many requests", undefined],
  ["Prompt is too long", undefined],
])("the words %p are a limit: %p", (text, limit) => {
  const now = Date.parse("2026-11-20T10:54:00Z");
  const wanted = limit?.resetsAt === undefined ? limit : { ...limit, resetsAt: Date.parse(limit.resetsAt) };
  expect(parseLimitWording(text, now)).toEqual(wanted as never);
});
