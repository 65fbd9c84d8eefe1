import manifest from "../package.json" with { type: "json" };

/**
 * What is built and what it is called where it goes: archives, installers, packages and checks all follow these rows. There is one
 * build for x64: the `baseline` ones of Bun 1.4.5 have the same bytes, and it runs from SSE 4.2 on (seen under qemu's Nehalem).
 */
export interface Platform {
  /** In the names of archives. */
  name: string;
  bun: Bun.Build.CompileTarget;
  /** As Node calls them, and npm. */
  os: "linux" | "darwin" | "win32";
  cpu: "x64" | "arm64";
  libc?: "glibc" | "musl";
  /** Debian's word for the processor, where there is a package. */
  debian?: "amd64" | "arm64";
  /** First bytes of the file, and the processor: where its number stands, and what it is. */
  magic: string;
  machine: readonly [offset: number, bytes: string];
}

const elf = "7f454c46";
const machO = "cffaedfe";

export const platforms: readonly Platform[] = [
  platform("linux-x64", { os: "linux", cpu: "x64", libc: "glibc", debian: "amd64", magic: elf, machine: [18, "3e00"] }),
  platform("linux-arm64", { os: "linux", cpu: "arm64", libc: "glibc", debian: "arm64", magic: elf, machine: [18, "b700"] }),
  platform("linux-x64-musl", { os: "linux", cpu: "x64", libc: "musl", magic: elf, machine: [18, "3e00"] }),
  platform("linux-arm64-musl", { os: "linux", cpu: "arm64", libc: "musl", magic: elf, machine: [18, "b700"] }),
  platform("darwin-x64", { os: "darwin", cpu: "x64", magic: machO, machine: [4, "07000001"] }),
  platform("darwin-arm64", { os: "darwin", cpu: "arm64", magic: machO, machine: [4, "0c000001"] }),
  // Of a PE file the place counts from its header, which begins where its bytes 60 to 63 say.
  platform("windows-x64", { os: "win32", cpu: "x64", magic: "4d5a", machine: [4, "6486"] }),
  platform("windows-arm64", { os: "win32", cpu: "arm64", magic: "4d5a", machine: [4, "64aa"] }),
];

function platform(name: string, rest: Omit<Platform, "name" | "bun">): Platform {
  return { name, bun: `bun-${name}` as Bun.Build.CompileTarget, ...rest };
}

/** What packages say of the program. */
export const product = {
  name: manifest.name,
  version: manifest.version,
  summary: manifest.description,
  licence: manifest.license,
  maintainer: "the csm maintainers <csm@localhost>",
  /** The name in the npm registry; each platform has a package of its own beside it. */
  npmName: "csm-csd",
  bunVersion: manifest.devDependencies.bun,
} as const;

export const suffixOf = ({ os }: Pick<Platform, "os">): string => (os === "win32" ? ".exe" : "");
