import { afterAll, beforeAll, expect, test } from "bun:test";
import { createModelStub, type ModelStub } from "../src/stub.ts";
import { drop, fail, type Reply, say } from "../src/stub-script.ts";

let stub: ModelStub;
beforeAll(() => {
  stub = createModelStub();
});
afterAll(() => stub.stop());

/** A request as the main thread sends it: with tools. */
const post = (reply: Reply, stream = true) => {
  stub.scriptAny([reply]);
  const body = { model: "claude-opus-5-5", stream, tools: [{ name: "Bash" }], messages: [{ role: "user", content: "hi" }] };
  return fetch(`${stub.url}/v1/messages`, { method: "POST", body: JSON.stringify(body) });
};

test("an answer streams to its end", async () => {
  const text = await (await post(say("Hello."))).text();
  expect(text).toContain('"text":"Hello."');
  expect(text).toContain("event: message_stop");
});

test("an answer comes whole to who does not want a stream", async () => {
  expect(await (await post(say("Hello."), false)).json()).toMatchObject({
    content: [{ type: "text", text: "Hello." }],
    stop_reason: "end_turn",
  });
});

test("an error has its status and class", async () => {
  const response = await post(fail(529, "overloaded"));
  expect([response.status, await response.json()]).toMatchObject([529, { error: { type: "overloaded_error", message: "overloaded" } }]);
});

test("a dropped connection ends in the middle of the answer", async () => {
  const response = await post(drop());
  let text = "";
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += new TextDecoder().decode(chunk);
  })();
  expect(
    await reading.then(
      () => "ended",
      () => "broken off",
    ),
  ).toBe("broken off");
  expect(text).toContain("This answer is c");
  expect(text).not.toContain("message_stop");
});
