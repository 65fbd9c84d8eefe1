import { type App, command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import { createHubBlob, serveHub } from "./hub.ts";
import { present } from "./json.ts";
import { createLog } from "./log.ts";
import { printableJsonText, printableLine } from "./printable.ts";

const defaultPort = 8377;

export const hubServeCommand = command({
  name: "csm hub serve",
  summary: `Serve what this machine knows of its accounts as JSON over HTTP, for the csm of another machine.

The other machine sets CLAUDE_USAGE_URL to the printed address, and CSM_HUB_TOKEN when there is a token.`,
  args: {
    host: {
      type: "string",
      valueHint: "ADDRESS",
      default: "127.0.0.1",
      description: "where to listen; another address than this machine's own needs a token",
    },
    port: { type: "string", valueHint: "PORT", default: String(defaultPort), description: "0 for any that is free" },
    token: {
      type: "string",
      valueHint: "TOKEN",
      description: "what callers must send as bearer token; CSM_HUB_TOKEN keeps it out of process lists",
    },
    "tls-cert": { type: "string", valueHint: "FILE", description: "serve HTTPS with this certificate (PEM)" },
    "tls-key": { type: "string", valueHint: "FILE", description: "and its key" },
    once: { type: "boolean", description: "print the JSON and end" },
  },
  examples: [
    ["csm hub serve", `http://127.0.0.1:${defaultPort}/`],
    ["CSM_HUB_TOKEN=… csm hub serve --host 0.0.0.0", "for other machines"],
    ["csm hub serve --once > usage-limits.json", ""],
  ],
  async run({ args, app }) {
    if (args.once === true) return app.out(printableJsonText(await createHubBlob(app.sys)));
    const token = args.token ?? (app.sys.env.CSM_HUB_TOKEN || undefined);
    const tls = readTls(app, args["tls-cert"], args["tls-key"]);
    const log = createLog(app);
    const hub = serveHub(app.sys, {
      host: args.host,
      port: readPort(args.port),
      ...present({ token, tls }),
      onAnswer(line, status, error) {
        if (error !== undefined) log.error(`${line}: ${status}, ${printableLine(error.message)}`);
        else if (status >= 400) log.warn(`${line}: ${status}`);
        else log.success(`${line}: ${status}`);
      },
    });
    app.out(hub.url);
    log.info(`csm hub: for the csm of ${token === undefined ? "this machine" : "whoever has the token"}, until Ctrl-C`);
    app.sys.onInterrupt(() => hub.stop());
    await new Promise(() => {});
  },
});

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw usageError(`csm hub serve: invalid port ${JSON.stringify(text)}`, "0 to 65535");
  return port;
}

function readTls(app: App, certPath: string | undefined, keyPath: string | undefined): { cert: string; key: string } | undefined {
  if (certPath === undefined && keyPath === undefined) return undefined;
  const read = (flag: string, path: string | undefined) => {
    const text = path === undefined ? undefined : app.sys.readText(path);
    if (text === undefined)
      throw usageError(`csm hub serve: ${flag} ${path === undefined ? "is missing" : `names ${path}, which cannot be read`}`);
    return text;
  };
  return { cert: read("--tls-cert", certPath), key: read("--tls-key", keyPath) };
}
