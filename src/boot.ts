import type { Sys } from "./sys.ts";

/** One run of the machine, or of the container in it: what was started in another one has ended. */
export interface Boot {
  /** Equal within one run; empty where the system does not tell. */
  key: string;
  /** Epoch ms. */
  at?: number;
}

const readers: Partial<Record<NodeJS.Platform, (sys: Sys) => Promise<Boot>>> = {
  linux: async (sys) => linuxBoot(sys),
  darwin: (sys) => sysctlBoot(sys, ["kern.bootsessionuuid", "kern.boottime"]),
  win32: windowsBoot,
};

export const readBoot = (sys: Sys): Promise<Boot> => (readers[sys.platform] ?? ((other: Sys) => sysctlBoot(other, ["kern.boottime"])))(sys);

/** All containers of a machine share its boot id; a pid namespace ends with its container. */
function linuxBoot(sys: Sys): Boot {
  const id = (sys.readText("/proc/sys/kernel/random/boot_id") ?? "").trim();
  const seconds = /^btime (\d+)$/m.exec(sys.readText("/proc/stat") ?? "")?.[1];
  const key = id === "" ? "" : `${id} ${sys.realPath("/proc/self/ns/pid") ?? ""}`.trim();
  return { key, ...(seconds === undefined ? {} : { at: Number(seconds) * 1000 }) };
}

/** `kern.boottime` moves with the clock, so an id of the boot is preferred. */
async function sysctlBoot(sys: Sys, names: string[]): Promise<Boot> {
  const text = await readOutput(sys, ["sysctl", "-n", ...names]);
  const seconds = /\bsec = (\d+)/.exec(text)?.[1];
  const id = /^[0-9A-F-]{36}$/im.exec(text)?.[0];
  return { key: id ?? seconds ?? "", ...(seconds === undefined ? {} : { at: Number(seconds) * 1000 }) };
}

async function windowsBoot(sys: Sys): Promise<Boot> {
  const script = "[DateTimeOffset]::new((Get-CimInstance Win32_OperatingSystem).LastBootUpTime).ToUnixTimeSeconds()";
  const text = (await readOutput(sys, ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script])).trim();
  return /^\d+$/.test(text) ? { key: text, at: Number(text) * 1000 } : { key: "" };
}

async function readOutput(sys: Sys, argv: string[]): Promise<string> {
  try {
    return (await sys.run(argv)).stdout;
  } catch {
    // The program is missing: whether the machine was restarted stays unknown.
    return "";
  }
}
