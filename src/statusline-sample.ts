import { parseWindows, type Windows } from "./claude-usage.ts";
import { hasShape, isPathWord, isRecord, parseRecord, withoutWrong } from "./json.ts";

/** What Claude Code told the status line of one session last. Texts are as hostile as the model and the user made them. */
export interface StatuslineSample {
  sessionId: string;
  /** As in the environment: where claude's own files of this session are. */
  configDir: string;
  /** When the status line ran. */
  seenAt: number;
  /** When these limits were first seen: a repaint shows again what an answer said long ago. */
  limitsAt: number;
  windows: Windows;
  model?: string;
  modelName?: string;
  effort?: string;
  contextPercent?: number;
  contextTokens?: number;
  contextSize?: number;
  costUsd?: number;
  /** When the prompt cache of the session ends, epoch ms. */
  cacheExpiresAt?: number;
  cwd?: string;
  sessionName?: string;
  transcriptPath?: string;
  /** Of Claude Code. */
  claudeVersion?: string;
}

/** Undefined when the text is not what a status line is given. */
export function parseStatuslineInput(text: string, configDir: string, now: number): StatuslineSample | undefined {
  const input = parseRecord(text);
  if (input === undefined) return undefined;
  const [model, cost, context, effort, cache] = [input.model, input.cost, input.context_window, input.effort, input.prompt_cache].map(
    (value) => (isRecord(value) ? value : {}),
  );
  const cacheSeconds = cache?.expires_at;
  return {
    sessionId: typeof input.session_id === "string" && isFileName(input.session_id) ? input.session_id : "",
    configDir,
    seenAt: now,
    limitsAt: now,
    windows: parseWindows(input.rate_limits, now),
    ...texts({ model: model?.id, modelName: model?.display_name, effort: effort?.level, cwd: input.cwd, sessionName: input.session_name }),
    ...texts({ transcriptPath: input.transcript_path, claudeVersion: input.version }),
    ...numbers({ contextPercent: context?.used_percentage, contextTokens: context?.total_input_tokens }),
    ...numbers({ contextSize: context?.context_window_size, costUsd: cost?.total_cost_usd }),
    ...numbers({ cacheExpiresAt: typeof cacheSeconds === "number" ? cacheSeconds * 1000 : undefined }),
  };
}

/** It becomes the name of a file. */
const isFileName = (id: string): boolean => isPathWord(id) && id.length <= 64;

const maxTextLength = 1000;

const texts = <K extends string>(values: Record<K, unknown>): Partial<Record<K, string>> =>
  pick(values, (value) => (typeof value === "string" && value !== "" ? value.slice(0, maxTextLength) : undefined));

const numbers = <K extends string>(values: Record<K, unknown>): Partial<Record<K, number>> =>
  pick(values, (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined));

function pick<K extends string, T>(values: Record<K, unknown>, parse: (value: unknown) => T | undefined): Partial<Record<K, T>> {
  const picked: Partial<Record<K, T>> = {};
  for (const key of Object.keys(values) as K[]) {
    const value = parse(values[key]);
    if (value !== undefined) picked[key] = value;
  }
  return picked;
}

/** Nothing new is not written again before this. */
const rewriteMs = 60_000;

/** What is to be kept of a session: limits that have not changed since the last time keep their age. Undefined when it is there already. */
export function mergeSample(sample: StatuslineSample, keptText: string | undefined): string | undefined {
  const kept = keptText === undefined ? undefined : parseSample(keptText);
  const isSame = kept !== undefined && JSON.stringify(kept.windows) === JSON.stringify(sample.windows);
  const merged = { version: 1, ...sample, ...(isSame ? { limitsAt: kept.limitsAt } : {}) };
  const isKept = isSame && sample.seenAt - kept.seenAt < rewriteMs && JSON.stringify({ ...merged, seenAt: kept.seenAt }) === keptText;
  return isKept ? undefined : JSON.stringify(merged);
}

/** Undefined for a file that this program did not write whole. */
export function parseSample(text: string): StatuslineSample | undefined {
  const value = parseRecord(text);
  if (!hasShape(value, { sessionId: "string", configDir: "string", windows: "record", limitsAt: "time" })) return undefined;
  const windows = Object.entries(value.windows).flatMap(([name, window]) =>
    hasShape(window, { usedPercent: "number" }) ? [[name, withoutWrong(window, { resetsAt: "time" })]] : [],
  );
  return { ...withoutWrong(value, optional), windows: Object.fromEntries(windows) } as unknown as StatuslineSample;
}

const optional = {
  ...({ seenAt: "time", model: "string", modelName: "string", effort: "string", contextPercent: "number" } as const),
  ...({ contextTokens: "number", contextSize: "number", costUsd: "number", cacheExpiresAt: "time", cwd: "string" } as const),
  ...({ sessionName: "string", transcriptPath: "string", claudeVersion: "string" } as const),
};
