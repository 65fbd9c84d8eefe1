import type { Sys } from "./sys.ts";

/** Writes what is drawn as an asciicast (version 2), which `asciinema play` shows. */
export function createRecorder(sys: Pick<Sys, "now" | "overwrite" | "appendPrivate" | "env">, path: string) {
  let startedAt: number | undefined;
  let lastSize = "";
  return (text: string, size: { columns: number; rows: number }): void => {
    const now = sys.now();
    if (startedAt === undefined) {
      startedAt = now;
      const header = {
        version: 2,
        width: size.columns,
        height: size.rows,
        timestamp: Math.floor(now / 1000),
        env: { TERM: sys.env.TERM ?? "" },
      };
      sys.overwrite(path, `${JSON.stringify(header)}\n`);
    }
    const at = (now - startedAt) / 1000;
    const current = `${size.columns}x${size.rows}`;
    const resize = lastSize !== "" && lastSize !== current ? `${JSON.stringify([at, "r", current])}\n` : "";
    lastSize = current;
    sys.appendPrivate(path, `${resize}${JSON.stringify([at, "o", text])}\n`);
  };
}
