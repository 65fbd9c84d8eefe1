import { expect, test } from "bun:test";
import { UserError } from "../src/errors.ts";
import { LinkError, openLink, reasonOf } from "../src/fleet-redis.ts";

/** Says yes to a greeting, and to all that follows what it is given; "" ends the connection. */
function startServer(answer: string) {
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, chunk) {
        if (chunk.toString("latin1").includes("HELLO")) socket.write("%1\r\n+server\r\n+redis\r\n");
        else if (answer === "") socket.end();
        else socket.write(answer);
      },
    },
  });
}

test.each([
  ["the connection ends", "", LinkError, "the connection to the fleet has ended"],
  ["the channel is refused", "-NOPERM no channel\r\n", UserError, "refuses"],
  ["the server is full", "-OOM command not allowed\r\n", UserError, "is full"],
])("%s: a call and a subscription say it in the same words", async (_, answer, kind, words) => {
  const server = startServer(answer);
  try {
    for (const use of ["call", "listen"] as const) {
      const link = await openLink({ host: "127.0.0.1", port: server.port, isTls: false, database: 0 });
      const done = use === "call" ? link.call("GET", ["k"]) : link.listen("c", () => {});
      const error = await done.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      link.close();
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toContain(words);
    }
  } finally {
    server.stop(true);
  }
});

test("there is a reason for whatever is wrong, in one line", () => {
  expect(reasonOf(new LinkError("nobody is there"))).toBe("nobody is there");
  expect(reasonOf(new TypeError("x is\nno function"))).toMatch(/^the fleet cannot be read: TypeError: x is[^\n]*no function$/);
});
