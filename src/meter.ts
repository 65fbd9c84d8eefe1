import { burnWindowMs, createTally, estimateBurn, type MeterReading, type Tally } from "./accounting.ts";
import { createAgentFiles, isRunLog } from "./agents.ts";
import { createPriceTable, type PriceTable } from "./claude-prices.ts";
import { isUnansweredTranscript, scanUsage } from "./claude-tokens-scan.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer, createTail, type LineBuffer, type LineReader, type Tail } from "./tail.ts";

export interface Meter {
  /** Reads what is new in this transcript and in those of its subagents; undefined when there is no transcript. */
  update(transcriptPath: string, now: number): MeterReading | undefined;
  /** Drops what is known of a session that has gone. */
  forget(transcriptPath: string): void;
}

type MeterSys = Pick<Sys, "identify" | "openFile" | "list" | "modifiedAt" | "now" | "isDirectory" | "realPath" | "readInto">;

interface Session {
  tails: Map<string, Tail>;
  tally: Tally;
  format: MeterReading["format"];
  unreadable: number;
  agentFiles(transcript: string): string[];
}

/** Reads each transcript once, whatever its size; a tick costs what was written since the last one. */
export function createMeter(sys: MeterSys, table: PriceTable = createPriceTable()): Meter {
  const sessions = new Map<string, Session>();
  const buffer = createLineBuffer();
  return {
    update(path, now) {
      const session = sessions.get(path) ?? createSession(sys, table, path, buffer);
      if (readSession(sys, session, path, buffer) === "restarted") {
        const again = createSession(sys, table, path, buffer);
        sessions.set(path, again);
        return readSession(sys, again, path, buffer) === "gone" ? undefined : reading(again, now);
      }
      sessions.set(path, session);
      return sys.modifiedAt(path) === undefined ? undefined : reading(session, now);
    },
    forget: (path) => void sessions.delete(path),
  };
}

const createSession = (sys: MeterSys, table: PriceTable, path: string, buffer: LineBuffer): Session => ({
  tails: new Map([[path, createTail(sys, path, buffer)]]),
  tally: createTally(table),
  format: "empty",
  unreadable: 0,
  agentFiles: createAgentFiles(sys),
});

/** A file that starts over voids the whole session: which of its answers stood elsewhere too is not remembered. */
function readSession(sys: MeterSys, session: Session, path: string, buffer: LineBuffer): "read" | "restarted" | "gone" {
  for (const file of session.agentFiles(path))
    if (file.endsWith(".jsonl") && !session.tails.has(file)) session.tails.set(file, createTail(sys, file, buffer));
  let isGone = false;
  for (const [file, tail] of session.tails) {
    const growth = tail.poll(createReader(session, file !== path));
    if (growth === "restarted") return "restarted";
    if (growth === "gone" && file === path) isGone = true;
  }
  return isGone ? "gone" : "read";
}

function createReader(session: Session, isSubagent: boolean): LineReader {
  const { tally } = session;
  return {
    onRestart() {},
    onLines(lines) {
      const scan = scanUsage(lines, {
        onUsage: (usage) => tally.add(usage, isSubagent || usage.isSidechain),
        ...(isSubagent ? {} : { onCompact: tally.compact }),
      });
      session.unreadable += scan.unreadable;
      if (scan.usages > 0) session.format = "ok";
      else if (session.format === "empty" && !isSubagent && !isUnansweredTranscript(lines)) session.format = "unknown format";
    },
  };
}

const reading = ({ tally, format, unreadable, tails }: Session, now: number): MeterReading => ({
  format,
  totals: tally.totals(),
  context: tally.context(),
  burn: estimateBurn(tally.spends(now - burnWindowMs), now),
  subagentCount: [...tails.keys()].filter((file) => !isRunLog(file)).length - 1,
  unreadable,
});
