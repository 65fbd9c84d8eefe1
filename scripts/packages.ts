/** What package managers are given: a formula, a manifest, a control file, npm's packages. All of it follows from `platforms`. */
import { type Platform, platforms, product, suffixOf } from "./platforms.ts";

export const archiveName = (version: string, { name }: Platform, format: string): string => `csm-${version}-${name}.${format}`;

interface Release {
  version: string;
  /** Where all releases are: a file is at `/download/vVERSION/` below it. */
  url: string;
  /** SHA-256 of each file, by name. */
  sums: ReadonlyMap<string, string>;
}

const addressOf = ({ url, version }: Release, file: string): string => `${url}/download/v${version}/${file}`;

/** Homebrew, for macOS and for Linux with glibc. */
export function renderFormula(release: Release): string {
  const { version, url, sums } = release;
  const place = (os: Platform["os"], cpu: Platform["cpu"]): string => {
    const platform = platforms.find((row) => row.os === os && row.cpu === cpu && row.libc !== "musl");
    if (platform === undefined) return "";
    const file = ["tar.xz", "tar.gz"].map((format) => archiveName(version, platform, format)).find((name) => sums.has(name));
    const sum = sums.get(file ?? "");
    if (file === undefined || sum === undefined) return "";
    return `    on_${cpu === "arm64" ? "arm" : "intel"} do\n      url "${addressOf(release, file)}"\n      sha256 "${sum}"\n    end\n`;
  };
  const system = (word: string, os: Platform["os"]): string => {
    const places = place(os, "arm64") + place(os, "x64");
    return places === "" ? "" : `  on_${word} do\n${places}  end\n\n`;
  };
  return `class Csm < Formula
  desc "${product.summary}"
  homepage "${url}"
  version "${version}"
  license "${product.licence}"

${system("macos", "darwin")}${system("linux", "linux")}  def install
    bin.install "csm"
    bin.install_symlink "csm" => "csd"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/csm.bash" => "csm"
    zsh_completion.install "completions/_csm"
    fish_completion.install "completions/csm.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/csm --version")
  end
end
`;
}

/** Scoop, for Windows. */
export function renderScoop(release: Release): string {
  const { version, url, sums } = release;
  const places = platforms.flatMap((platform) => {
    const file = archiveName(version, platform, "zip");
    const hash = sums.get(file);
    if (platform.os !== "win32" || hash === undefined) return [];
    const word = platform.cpu === "arm64" ? "arm64" : "64bit";
    return [[word, { url: addressOf(release, file), hash, extract_dir: file.replace(".zip", "") }] as const];
  });
  const manifest = {
    version,
    description: product.summary,
    homepage: url,
    license: product.licence,
    architecture: Object.fromEntries(places),
    bin: ["csm.exe", "csd.exe"],
  };
  return `${JSON.stringify(manifest, null, 4)}\n`;
}

/** The runtime is one file of which nothing may be stripped: the program lies behind the last section that `strip` knows. */
export const renderControl = (version: string, { debian }: Platform, installedKilobytes: number): string => `Package: ${product.name}
Version: ${version}
Architecture: ${debian}
Maintainer: ${product.maintainer}
Installed-Size: ${installedKilobytes}
Depends: libc6 (>= 2.17)
Recommends: tmux
Suggests: git
Section: utils
Priority: optional
Description: ${product.summary}
 csm starts Claude Code on the account that has room, shows what all of its
 sessions do, and carries them on through a usage limit; csd drives them from
 scripts. Claude Code itself is not part of it.
`;

export const npmPlatformName = ({ name }: Platform): string => `${product.npmName}-${name}`;

/** The package that people name; npm takes the one of the platform with it. */
export function renderNpmWrapper(version: string, built: readonly Platform[]): Record<string, string> {
  const manifest = {
    name: product.npmName,
    version,
    description: product.summary,
    license: product.licence,
    bin: { csm: "csm.js", csd: "csd.js" },
    files: ["csm.js", "csd.js", "start.js"],
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(built.map((platform) => [npmPlatformName(platform), version])),
  };
  return {
    "package.json": `${JSON.stringify(manifest, null, 2)}\n`,
    "csm.js": '#!/usr/bin/env node\nrequire("./start.js")([]);\n',
    "csd.js": '#!/usr/bin/env node\nrequire("./start.js")(["csd"]);\n',
    "start.js": startScript,
  };
}

export function renderNpmPlatform(version: string, platform: Platform): string {
  const { os, cpu, libc } = platform;
  const manifest = {
    name: npmPlatformName(platform),
    version,
    description: `${product.summary} (${platform.name})`,
    license: product.licence,
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    preferUnplugged: true,
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** An npm that knows no `libc` brings both of Linux: the one that fits is tried first. */
const startScript = `"use strict";
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const platforms = ${JSON.stringify(
  platforms.map((platform) => ({
    package: npmPlatformName(platform),
    os: platform.os,
    cpu: platform.cpu,
    ...(platform.libc === undefined ? {} : { libc: platform.libc }),
    file: `csm${suffixOf(platform)}`,
  })),
  null,
  2,
)};

function find() {
  const fitting = platforms.filter(({ os, cpu }) => os === process.platform && cpu === process.arch);
  const hasGlibc = process.platform === "linux" && process.report.getReport().header.glibcVersionRuntime !== undefined;
  fitting.sort((a, b) => Number((b.libc === "glibc") === hasGlibc) - Number((a.libc === "glibc") === hasGlibc));
  for (const { package: name, file } of fitting) {
    try {
      return require.resolve(name + "/" + file);
    } catch {
      // Of the other C library, or left out with --omit=optional.
    }
  }
  const wanted = fitting.map(({ package: name }) => name).join(" or ");
  const hint = wanted === "" ? "" : "; install " + wanted + ", which npm leaves out with --omit=optional";
  process.stderr.write("csm: there is no csm for " + process.platform + " on " + process.arch + " here" + hint + "\\n");
  process.exit(1);
}

module.exports = (words) => {
  const child = spawn(find(), [...words, ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal tells both of Ctrl-C: the program decides, and this one ends when it has.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write("csm: " + error.message + "\\n");
    process.exit(126);
  });
  child.on("exit", (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code));
};
`;
