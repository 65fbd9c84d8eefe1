import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FakeApi {
  /** Sends claude here, for its own server and all others. */
  env: Record<string, string>;
  /** What was asked for, in order. */
  paths: string[];
  close(): Promise<void>;
}

/**
 * claude asks for its usage at https://api.anthropic.com alone, whatever its base URL (2.1.329). So a proxy on loopback leads it to
 * a server here, with a certificate that only this test's claude trusts. Nothing leaves the machine.
 */
export async function openFakeApi(): Promise<FakeApi> {
  const dir = mkdtempSync(join(tmpdir(), "csm-api-"));
  const openssl = async (...args: string[]) => {
    const child = Bun.spawn(["openssl", ...args], { cwd: dir, stdout: "ignore", stderr: "pipe" });
    if ((await child.exited) !== 0) throw new Error(`openssl ${args[0]} failed: ${await child.stderr.text()}`);
  };
  await openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=csm test",
  );
  await openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "api.key", "-out", "api.csr", "-subj", "/CN=api.anthropic.com");
  writeFileSync(join(dir, "names"), "subjectAltName=DNS:api.anthropic.com\n");
  const sign = [
    "x509",
    "-req",
    "-in",
    "api.csr",
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    "names",
    "-out",
    "api.pem",
  ];
  await openssl(...sign);
  const paths: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { key: Bun.file(join(dir, "api.key")), cert: Bun.file(join(dir, "api.pem")) },
    fetch(request) {
      const { pathname } = new URL(request.url);
      paths.push(pathname);
      const answer = answers[pathname];
      return answer === undefined ? Response.json({}, { status: 404 }) : Response.json(answer());
    },
  });
  const proxy = createServer((client) => {
    client.once("data", (head) => {
      const isApi = head.toString("latin1").startsWith("CONNECT api.anthropic.com:443 ");
      if (!isApi) {
        client.end("HTTP/1.1 502 not here\r\n\r\n");
        return;
      }
      const upstream = connect(server.port ?? 0, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(upstream);
        upstream.pipe(client);
      });
      upstream.on("error", () => client.destroy());
      client.on("error", () => upstream.destroy());
    });
    client.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    env: { HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, NODE_EXTRA_CA_CERTS: join(dir, "ca.pem") },
    paths,
    async close() {
      proxy.close();
      await server.stop(true);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

const answers: Record<string, () => object> = {
  "/api/oauth/usage": () => ({
    five_hour: { utilization: 37.5, resets_at: inHours(2) },
    seven_day: { utilization: 61, resets_at: inHours(72) },
    seven_day_opus: { utilization: 12, resets_at: inHours(72) },
    seven_day_sonnet: null,
    limits: [
      {
        kind: "weekly_scoped",
        group: "weekly",
        percent: 22,
        resets_at: inHours(72),
        severity: "normal",
        is_active: false,
        scope: { model: { display_name: "Fable" } },
      },
    ],
  }),
  "/api/oauth/profile": () => ({
    account: { uuid: "acc-1", email: "a@b.c", display_name: "A" },
    organization: { uuid: "org-1", organization_type: "claude_max" },
  }),
};
