import { resolveSessionId } from "./candidates.ts";
import { command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import { timed } from "./format.ts";
import { mergeSidecar, parseSidecarPairs, readSidecar, type Sidecar, sidecarFlags, sidecarKeys } from "./sidecar.ts";

const operations = ["read", "write", "merge", "flags"];

export const sidecarCommand = command({
  name: "csm sidecar",
  summary: "Read and write what csm remembers of a conversation: the flags it is resumed with.",
  args: {
    operation: { type: "positional", required: true, values: operations, description: "read, write, merge, or flags" },
    session: {
      type: "positional",
      required: true,
      kind: "anywhere",
      description: "its id or the beginning of it, its title, or its name as csm ls shows it",
    },
  },
  rest: { kind: "prompt", hint: "[KEY=VALUE…]", about: `of write and merge: ${sidecarKeys.join(", ")}` },
  examples: [
    ["csm sidecar merge 3f2a1b4c-0000-4000-8000-000000000001 model=opus effort=high", ""],
    ["csm sidecar flags 3f2a1b4c-0000-4000-8000-000000000001", "--model opus, --effort high: one pair a line"],
  ],
  async run({ args: { operation, session: word }, rest, app }) {
    const session = await resolveSessionId(app.sys, word);
    switch (operation) {
      case "read":
        return app.json<"csm sidecar">(toJson(session, readSidecar(app.sys, session)), 0);
      case "flags": {
        const lines = sidecarFlags(readSidecar(app.sys, session)).map((pair) => pair.join(" "));
        if (lines.length > 0) app.out(lines.join("\n"));
        return;
      }
      case "write":
      case "merge": {
        const changes = parsePairs(rest);
        // Also checks the id.
        readSidecar(app.sys, session);
        if (rest.length > 0 || operation === "write") await mergeSidecar(app.sys, session, changes);
        return;
      }
    }
  },
});

/** The file as the older tool has it, and the common names beside; `ts` is in seconds. */
const toJson = (session: string, sidecar: Sidecar) =>
  Object.keys(sidecar).length === 0
    ? {}
    : { ...sidecar, session_id: session, ...timed("saved", sidecar.ts === undefined ? undefined : Math.round(sidecar.ts * 1000)) };

function parsePairs(pairs: readonly string[]): Sidecar {
  try {
    return parseSidecarPairs(pairs);
  } catch (error) {
    throw usageError(`csm sidecar: ${(error as Error).message}`, `the keys are ${sidecarKeys.join(", ")}`);
  }
}
