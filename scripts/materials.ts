/** What is compiled into the program besides its own source, for the SBOM and the notices that its licences ask for. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import lock from "../package-lock.json" with { type: "json" };
import { product } from "./platforms.ts";

interface Material {
  name: string;
  version: string;
  licence: string;
  purl: string;
  /** Of its package, as it lies there. */
  text: string;
}

const modules = join(import.meta.dir, "../node_modules");

/** The packages that `dependencies` bring with them, and Bun, in the order of their names. */
export function listMaterials(): Material[] {
  const packages: Record<string, { version?: string; license?: string; dev?: boolean }> = lock.packages;
  const own = Object.entries(packages).flatMap(([path, { version = "", license = "", dev }]): Material[] => {
    const name = path.replace(/^.*node_modules\//, "");
    if (path === "" || dev === true) return [];
    return [{ name, version, licence: license, purl: `pkg:npm/${name.replace("@", "%40")}@${version}`, text: readLicence(name) }];
  });
  return [...own, bun].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const bun: Material = {
  name: "bun",
  version: product.bunVersion,
  // Its own code; JavaScriptCore, which it links, is LGPL, and its page of licences lists the rest.
  licence: "MIT AND LGPL-2.1-or-later",
  purl: `pkg:npm/bun@${product.bunVersion}`,
  text: "Bun is MIT; JavaScriptCore and WebKit in it are LGPL-2.1, other parts BSD, Apache-2.0, Zlib and MIT: https://bun.com/docs/project/licensing",
};

function readLicence(name: string): string {
  const dir = join(modules, name);
  const file = existsSync(dir) ? readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry)) : undefined;
  return file === undefined ? "" : readFileSync(join(dir, file), "utf8").trim();
}

/** CycloneDX 1.6; `at` is the time of the commit, in epoch ms, so that the same commit says the same. */
export function renderSbom(version: string, commit: string, at: number): string {
  const components = listMaterials().map(({ name, version, licence, purl }) => ({
    type: name === "bun" ? "platform" : "library",
    "bom-ref": purl,
    name,
    version,
    scope: "required",
    licenses: licence.includes(" AND ") ? [{ expression: licence }] : [{ license: { id: licence } }],
    purl,
  }));
  const ref = `pkg:generic/${product.name}@${version}`;
  const program = {
    type: "application",
    "bom-ref": ref,
    name: product.name,
    version,
    licenses: [{ license: { id: product.licence } }],
    purl: ref,
  };
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(`${ref} ${commit}`)}`,
    version: 1,
    metadata: {
      timestamp: new Date(at).toISOString(),
      component: program,
      properties: [{ name: "commit", value: commit }],
    },
    components,
    dependencies: [{ ref, dependsOn: components.map(({ purl }) => purl) }, ...components.map(({ purl }) => ({ ref: purl }))],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/** Of the same words always the same: version 8, whose bits are free. */
function uuidOf(words: string): string {
  const hex = new Bun.CryptoHasher("sha256").update(words).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

/** The notices, a heading each. */
export const renderNotices = (): string =>
  listMaterials()
    .map(({ name, version, licence, text }) => `${name} ${version} (${licence})\n${"=".repeat(60)}\n${text}\n`)
    .join("\n\n");
