import { expect, test } from "bun:test";
import { type Channel, toMessage, type WebhookChannel } from "../src/notices.ts";
import { type Delivery, notify, outsideEnv, planNotification, planSequence, sendThrough, wrapForTerminal } from "../src/notify.ts";
import { createSys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

type Env = Record<string, string>;
const esc = "\u001b";
const bel = "\u0007";

test.each<[rule: string, env: Env, title: string, body: string, sequence: string]>([
  ["OSC 777 unless told", {}, "limit", "switched", `${esc}]777;notify;limit;switched${bel}`],
  ["iTerm2 takes OSC 9", { TERM_PROGRAM: "iTerm.app" }, "limit", "switched", `${esc}]9;limit: switched${bel}`],
  ["iTerm2 through ssh", { LC_TERMINAL: "iTerm2" }, "limit", "", `${esc}]9;limit${bel}`],
  ["kitty takes OSC 9", { TERM: "xterm-kitty" }, "a", "b", `${esc}]9;a: b${bel}`],
  ["a ; is escaped as by the older csm", {}, "a;b", "x; y;z", `${esc}]777;notify;a,b;x\\; y\\;z${bel}`],
  ["nothing ends the sequence early", {}, `a${bel}b`, `x${esc}\\${esc}]0;evil${bel}y\u009cz\r\n\tw`, `${esc}]777;notify;ab;xyz w${bel}`],
  ["direction marks go", {}, "a", "x\u202ey", `${esc}]777;notify;a;xy${bel}`],
  ["a title there is", {}, "--- ", "x", `${esc}]777;notify;csm;x${bel}`],
  ["long text is cut", {}, "t".repeat(99), "👩".repeat(999), `${esc}]777;notify;${"t".repeat(60)};${"👩".repeat(240)}${bel}`],
])("terminal: %s", (_, env, title, body, sequence) => {
  expect(planNotification("linux", env, title, body).sequence).toBe(sequence);
});

test("a hook's line of JSON holds one whole sequence, whatever the text (100)", () => {
  const { sequence } = planNotification("linux", {}, 'a "b"', `c;d "e" \\ '${esc}]777;notify;x;y${bel}`);
  const line = JSON.stringify({ terminalSequence: sequence });
  expect(line).not.toContain("\n");
  expect((JSON.parse(line) as { terminalSequence: string }).terminalSequence.split(esc)).toHaveLength(2);
});

const osascript = [
  ...["osascript", "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run"],
];

test.each<[rule: string, platform: NodeJS.Platform, env: Env, body: string, argv: string[] | undefined]>([
  ["Linux with X11", "linux", { DISPLAY: ":0" }, "b", ["notify-send", "--app-name=csm", "--", "t", "b"]],
  ["Linux with Wayland", "linux", { WAYLAND_DISPLAY: "wayland-0" }, "b", ["notify-send", "--app-name=csm", "--", "t", "b"]],
  ["markup is text", "linux", { DISPLAY: ":0" }, "<b>&</b>", ["notify-send", "--app-name=csm", "--", "t", "&lt;b&gt;&amp;&lt;/b&gt;"]],
  ["a leading dash is no flag", "linux", { DISPLAY: ":0" }, "--icon=x", ["notify-send", "--app-name=csm", "--", "t", "icon=x"]],
  ["Linux without a display", "linux", {}, "b", undefined],
  ["Linux over ssh", "linux", { DISPLAY: "localhost:10.0", SSH_CONNECTION: "1 2 3 4" }, "b", undefined],
  ["macOS: arguments, no script text", "darwin", {}, '" & (do shell script "x") & "', [...osascript, "t", '" & (do shell script "x") & "']],
  ["macOS over ssh", "darwin", { SSH_TTY: "/dev/ttys001" }, "b", undefined],
  ["a system without a row", "openbsd", { DISPLAY: ":0" }, "b", undefined],
])("desktop: %s", (_, platform, env, body, argv) => {
  expect(planNotification(platform, env, "t", body).desktop?.argv).toEqual(argv as never);
});

test("Windows: the script is fixed, the text comes through the environment", () => {
  const plain = planNotification("win32", {}, "t", "b").desktop;
  const hostile = planNotification("win32", {}, "t", "'; Remove-Item x; $(y) `z").desktop;
  expect(hostile?.argv).toEqual(plain?.argv ?? []);
  expect(hostile?.env).toEqual({ CSM_NOTIFY_TITLE: "t", CSM_NOTIFY_BODY: "'; Remove-Item x; $(y) `z" });
  expect(plain?.argv.slice(0, 4)).toEqual(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command"]);
});

test.each<[rule: string, env: Env, text: string]>([
  ["as it is", {}, `${esc}]9;a${bel}`],
  ["tmux passes it on in an envelope", { TMUX: "/tmp/x,1,0" }, `${esc}Ptmux;${esc}${esc}]9;a${bel}${esc}\\`],
  ["so does screen", { STY: "1.x" }, `${esc}P${esc}]9;a${bel}${esc}\\`],
])("to a terminal of ours: %s", (_, env, text) => {
  expect(wrapForTerminal(env, `${esc}]9;a${bel}`)).toBe(text);
});

const display = { DISPLAY: ":0" };
const argv = ["notify-send", "--app-name=csm", "--", "t", "b"];
const terminal = { isTerminal: () => true };

test.each<[rule: string, env: Env, result: { code: number } | Error | undefined, written: string]>([
  ["the desktop is enough", display, { code: 0 }, ""],
  ["it fails: the terminal", display, { code: 1 }, `${esc}]777;notify;t;b${bel}`],
  ["it is not installed: the terminal", display, new Error("ENOENT"), `${esc}]777;notify;t;b${bel}`],
  ["there is none: the terminal", {}, undefined, `${esc}]777;notify;t;b${bel}`],
])("notify: %s", async (_, env, result, written) => {
  const sys = { ...createFakeSys({ env }), sleep: () => new Promise<void>(() => {}) };
  if (result !== undefined) sys.expectRun(argv, result, { timeoutMs: 2000, env });
  await notify({ ...sys, ...terminal }, "t", "b");
  expect(sys.written[1]).toBe(written);
  sys.done();
});

test("notify: a program that hangs is left after 2 s, and without a terminal nothing is written", async () => {
  const sys = createFakeSys({ env: display });
  await notify({ ...sys, run: () => new Promise(() => {}) }, "t", "b");
  expect([sys.now(), sys.written[1]]).toEqual([2000, ""]);
});

test.each<[rule: string, how: Extract<Channel, { kind: "terminal" }>["how"], sequence: string]>([
  ["as the terminal wants it", "auto", `${esc}]777;notify;t;b${bel}`],
  ["OSC 9", "osc9", `${esc}]9;t: b${bel}`],
  ["OSC 777", "osc777", `${esc}]777;notify;t;b${bel}`],
  ["a bell", "bell", bel],
])("a terminal that is told how: %s", (_, how, sequence) => expect(planSequence({}, how, "t", "b")).toBe(sequence));

test("OSC 99: title and body of one notification, and no text ends it", () => {
  const sequence = planSequence({}, "osc99", "t", `a;b${esc}\\c`);
  const parts = [...sequence.replaceAll(esc, "^").matchAll(/\^\]99;i=(\w+):e=1:(d=\d:p=\w+);([A-Za-z0-9+/=]*)\^\\/g)];
  expect(parts.map(([, , about, text = ""]) => [about, Buffer.from(text, "base64").toString()])).toEqual([
    ["d=0:p=title", "t"],
    ["d=1:p=body", "a;bc"],
  ]);
  expect(parts.map(([whole]) => whole).join("")).toBe(sequence.replaceAll(esc, "^"));
  expect(new Set(parts.map(([, id]) => id)).size).toBe(1);
});

test("a bell is the multiplexer's own", () => expect(wrapForTerminal({ TMUX: "x" }, bel)).toBe(bel));

const hostile = "$(touch /tmp/x) `id` \"; rm -rf / #' <!channel> & \u001b]0;x\u0007";
const delivery = (given: object = {}): Delivery => ({
  id: "00000000-0000-4000-8000-000000000001",
  message: toMessage(
    {
      cause: "permission",
      about: "s",
      at: 1_795_175_648_000,
      title: "fix asks: Bash",
      body: "npm test",
      session: "fix",
      sessionId: "id",
      cwd: "/w/app",
      ...given,
    },
    "warning",
  ),
});
const real = createSys({ PATH: process.env.PATH, HOME: "/", CLAUDE_CODE_MESSAGING_TOKEN: "secret", CSD_CHANNEL: "x" });
const script = (text: string) => ({ kind: "command", name: "c", run: ["sh", "-c", text] }) as const;

test("a command has the values in its environment and as JSON on its stdin, and no shell reads them", async () => {
  const path = `/tmp/csm-notify-${process.pid}`;
  const sent = await sendThrough(
    real,
    script(`{ cat; env; } > ${path}`),
    delivery({ title: hostile, session: hostile, cwd: `/w/${hostile}` }),
  );
  const text = await Bun.file(path).text();
  await Bun.file(path).delete();
  const [json = "", ...env] = text.split("\n");
  const values = Object.fromEntries(env.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  const shown = "$(touch /tmp/x) `id` \"; rm -rf / #' <!channel> &";
  expect(sent).toBeUndefined();
  expect(JSON.parse(json)).toMatchObject({ id: delivery().id, cause: "permission", title: shown, session: shown, level: "warning" });
  expect(values).toMatchObject({
    CSM_CAUSE: "permission",
    CSM_TITLE: shown,
    CSM_SESSION: shown,
    CSM_BODY: "npm test",
    CSM_SESSION_ID: "id",
    CSM_AT: "1795175648000",
  });
  expect([values.CLAUDE_CODE_MESSAGING_TOKEN, values.CSD_CHANNEL]).toEqual([undefined, undefined]);
});

test.each<[rule: string, channel: Channel, failure: string]>([
  ["that fails", script("exit 3"), "exit code 3"],
  ["that is not there", { kind: "command", name: "c", run: ["/nowhere/tell"] }, "could not be started"],
  ["a desktop that is none", { kind: "desktop", name: "d" }, "there is no desktop here"],
  ["a terminal that is none", { kind: "terminal", name: "t", how: "auto" }, "stdout is no terminal"],
])("a channel %s is not tried again", async (_, channel, failure) => {
  const sys = { ...real, isTerminal: () => false };
  expect(await sendThrough(sys, channel, delivery())).toMatchObject({ failure: expect.stringContaining(failure), isFinal: true });
});

test.each<[path: string, cwd: string | null, kept: string]>([
  ["/usr/bin:/bin", "/w/app", "/usr/bin:/bin"],
  ["/w/app/node_modules/.bin:/usr/bin", "/w/app", "/usr/bin"],
  ["/w/app:/w/application:/bin", "/w/app", "/w/application:/bin"],
  [":.:bin:/bin", null, "/bin"],
])("programs of the folder it works in are not run: %s", (path, cwd, kept) => expect(outsideEnv({ PATH: path }, cwd).PATH).toBe(kept));

/** What the server got, and what it says. */
function serve(answer: (request: Request) => Response | Promise<Response>) {
  const got: { url: string; headers: Headers; body: string }[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      got.push({ url: new URL(request.url).pathname, headers: request.headers, body: await request.text() });
      return answer(request);
    },
  });
  return { got, url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
const webhook = (url: string, given: Partial<WebhookChannel> = {}): WebhookChannel => ({
  kind: "webhook",
  name: "w",
  url,
  format: "json",
  ...given,
});

test("a webhook is signed over the very bytes that are sent", async () => {
  const { got, url, stop } = serve(() => new Response("ok"));
  const channel = webhook(`${url}/in`, { secret: "s3cret", headers: { "x-csm-signature": "sha256=forged", Authorization: "Bearer t" } });
  expect(await sendThrough(real, channel, delivery({ title: "ä ✓ 👩" }))).toBeUndefined();
  await stop();
  const [request] = got;
  const body = request?.body ?? "";
  expect(request?.headers.get("x-csm-signature")).toBe(`sha256=${new Bun.CryptoHasher("sha256", "s3cret").update(body).digest("hex")}`);
  expect(Math.abs(Number(request?.headers.get("x-csm-timestamp")) * 1000 - Date.now())).toBeLessThan(60_000);
  expect([request?.headers.get("authorization"), request?.headers.get("x-csm-delivery"), request?.headers.get("content-type")]).toEqual([
    "Bearer t",
    delivery().id,
    "application/json",
  ]);
  expect(JSON.parse(body)).toEqual({ id: delivery().id, ...delivery({ title: "ä ✓ 👩" }).message });
});

test.each<[format: WebhookChannel["format"], path: string, url: string, body: object]>([
  ["slack", "/services/x", "/services/x", { text: "*a &lt;!channel&gt;*\nb &amp; c" }],
  ["discord", "/api/webhooks/x", "/api/webhooks/x", { content: "a <!channel>\nb & c", allowed_mentions: { parse: [] } }],
  ["ntfy", "/topic", "/", { topic: "topic", title: "a <!channel>", message: "b & c", priority: 4, tags: ["permission"] }],
  ["ntfy", "/ntfy/topic", "/ntfy/", { topic: "topic", title: "a <!channel>", message: "b & c", priority: 4, tags: ["permission"] }],
  [
    "pushover",
    "/1/messages.json",
    "/1/messages.json",
    { title: "a <!channel>", message: "b & c", priority: 0, timestamp: 1_795_175_648, token: "t", user: "u" },
  ],
])("%s gets its own form at %s", async (format, path, expectedUrl, body) => {
  const { got, url, stop } = serve(() => new Response("ok"));
  const fields = format === "pushover" ? { fields: { token: "t", user: "u" } } : {};
  expect(
    await sendThrough(real, webhook(url + path, { format, ...fields }), delivery({ title: "a <!channel>", body: "b & c" })),
  ).toBeUndefined();
  await stop();
  expect([got[0]?.url, JSON.parse(got[0]?.body ?? "")]).toEqual([expectedUrl, body]);
});

test.each<[status: number, headers: Record<string, string>, result: object]>([
  [400, {}, { isFinal: true }],
  [404, {}, { isFinal: true }],
  [408, {}, { isFinal: false }],
  [429, { "retry-after": "7" }, { isFinal: false, afterMs: 7000 }],
  [429, { "retry-after": "9999999" }, { isFinal: false, afterMs: 3_600_000 }],
  [500, {}, { isFinal: false }],
  [503, { "retry-after": "Fri, 20 Nov 2026 10:00:00 GMT" }, { isFinal: false }],
])("a webhook that says %p", async (status, headers, result) => {
  const { url, stop } = serve(() => new Response("no", { status, headers }));
  const sent = await sendThrough(real, webhook(url), delivery());
  await stop();
  expect(sent).toEqual({ failure: `status ${status}`, ...result } as never);
});

test.each([301, 302, 303, 307, 308])("a redirect (%p) is not followed", async (status) => {
  const other = serve(() => new Response("ok"));
  const { url, stop } = serve(() => new Response("", { status, headers: { location: other.url } }));
  const sent = await sendThrough(real, webhook(url, { secret: "s" }), delivery());
  await Promise.all([stop(), other.stop()]);
  expect([sent?.isFinal, other.got]).toEqual([true, []]);
});

test("a webhook that is not there is tried again", async () => {
  const { url, stop } = serve(() => new Response("ok"));
  await stop();
  expect(await sendThrough(real, webhook(url), delivery())).toMatchObject({ isFinal: false });
});

test("one that hangs costs its deadline", async () => {
  const { url, stop } = serve(() => new Promise<Response>(() => {}));
  const sys = { ...real, postBounded: (to: string, options: object) => real.postBounded(to, { ...options, timeoutMs: 50 } as never) };
  expect(await sendThrough(sys, webhook(url), delivery())).toEqual({ failure: "no answer within 0.05 s", isFinal: false });
  await stop();
});
