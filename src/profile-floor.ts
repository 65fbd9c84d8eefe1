import type { Sys } from "./sys.ts";

/** How programs that no shell starts learn of the default profile; Linux has no such place. `dir` undefined takes it away. */
const floors: Partial<Record<NodeJS.Platform, (dir: string | undefined) => { argv: string[]; env?: Record<string, string> }>> = {
  darwin: (dir) => ({ argv: ["/bin/launchctl", ...(dir === undefined ? ["unsetenv", variable] : ["setenv", variable, dir])] }),
  // Writes HKCU\Environment and tells running programs. The folder goes through the environment: nothing in it is code.
  win32: (dir) => ({
    argv: [
      "powershell.exe",
      "-NoProfile",
      "-NonInteractive",
      "-Command",
      `[Environment]::SetEnvironmentVariable('${variable}', $env:CSM_FLOOR_DIR, 'User')`,
    ],
    ...(dir === undefined ? {} : { env: { CSM_FLOOR_DIR: dir } }),
  }),
};

const variable = "CLAUDE_CONFIG_DIR";
const timeoutMs = 5000;

/** Undefined when it worked or there is nothing to do here; else what went wrong, which is no reason to stop. */
export async function writeFloor(sys: Pick<Sys, "platform" | "run" | "env">, dir: string | undefined): Promise<string | undefined> {
  const floor = floors[sys.platform]?.(dir);
  if (floor === undefined) return undefined;
  try {
    const result = await sys.run(floor.argv, { env: { ...sys.env, CSM_FLOOR_DIR: undefined, ...floor.env }, timeoutMs });
    if (result.code === 0) return undefined;
    return `programs outside the shell keep their profile: ${floor.argv[0]} failed: ${result.stderr.trim() || `code ${result.code}`}`;
  } catch (error) {
    return `programs outside the shell keep their profile: ${(error as Error).message}`;
  }
}
