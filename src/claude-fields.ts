import { isRecord, parseRecord } from "./json.ts";

/**
 * The fields of transcript lines and of their usage, by the place where they stand: those that we read, and those that we know and
 * leave alone. From the captures of 2.1.86 to 2.1.329 and the program 2.1.329 itself; `scripts/compat.ts` tells of others.
 */
interface Fields {
  read: string;
  ignored: string;
}

const places: Readonly<Record<string, Fields>> = {
  /** Of every line of a conversation. */
  line: {
    read: "type subtype uuid timestamp sessionId cwd isSidechain isMeta message",
    ignored:
      "parentUuid logicalParentUuid userType entrypoint version gitBranch slug session_id agentId attributionAgent attributionSkill " +
      "attributionPlugin teamName promptId sourceToolAssistantUUID _cut",
  },
  assistant: {
    read: "requestId requestedModel isApiErrorMessage error quotaLimits",
    ignored:
      "apiBlockIndex effort serverClassifierRequest requestRef promptCacheRequested perTurnEffort madeBy toolInputStreamMs apiError " +
      "apiErrorParams apiErrorStatus apiErrorType errorDetails failedResponseHadNoToolCall attributionMcpServer attributionMcpTool isAbortedMidStream",
  },
  user: {
    read: "permissionMode origin isCompactSummary toolUseResult permissionDecision toolDenialKind toolDenialBeforeRun interruptedMessageId",
    ignored:
      "promptSource turnOrigin turnPosition sandboxed turnCompanion queueSkipAttachments " +
      "userFeedback holdsPersonsWords isVisibleInTranscriptOnly repeatsCompactSummary mcpCallNotReadOnly " +
      "queueSkipSlashCommands queuePriority thinkingMetadata todos imagePasteIds sourceToolUseID",
  },
  system: {
    read: "compactMetadata",
    ignored:
      "hookCount hookInfos hookErrors failedHookErrorIndexes hookAdditionalContext preventedContinuation stopReason hasOutput level " +
      "toolUseID durationMs messageCount content pendingBackgroundAgentCount commandRun error retryInMs retryAttempt maxRetries cause url",
  },
  message: {
    read: "id role model content stop_reason usage",
    ignored: "type stop_sequence stop_details diagnostics container context_management",
  },
  usage: {
    read: "input_tokens output_tokens cache_creation_input_tokens cache_read_input_tokens cache_creation server_tool_use inference_geo iterations speed",
    // claude's own cost leaves these out, too.
    ignored: "output_tokens_details service_tier fallback_credit",
  },
  cache_creation: { read: "ephemeral_5m_input_tokens ephemeral_1h_input_tokens", ignored: "" },
  server_tool_use: { read: "web_search_requests", ignored: "web_fetch_requests" },
  iteration: {
    read: "type model input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens cache_creation",
    ignored: "server_tool_use service_tier inference_geo output_tokens_details",
  },
};

/** Values that change what a field means. */
const values: Readonly<Record<string, string>> = {
  "iteration type": "message advisor_message fallback_message compaction",
  "line type":
    "user assistant system attachment progress mode permission-mode summary last-prompt queue-operation custom-title ai-title agent-name " +
    "tools-used file-history-snapshot file-history-delta atis-latch cost-state api-request api-request-shape api-request-blob",
};

const known = new Map(
  Object.entries(places).map(([place, { read, ignored }]) => [place, new Set(`${read} ${ignored}`.split(" "))] as const),
);
const isKnownValue = (what: string, value: unknown): boolean => values[what]?.split(" ").includes(String(value)) === true;

/** What a line of a transcript holds that stands in neither list, such as `usage.speed`; empty for one that is torn. */
export function findUnknownFields(line: string): string[] {
  const entry = parseRecord(line);
  if (entry === undefined) return [];
  const type = String(entry.type);
  if (!isKnownValue("line type", type)) return [`line type ${type}`];
  // The others are lists of claude's own, of which we read single values by their names.
  if (!["assistant", "user", "system"].includes(type)) return [];
  const message = isRecord(entry.message) ? entry.message : {};
  const usage = isRecord(message.usage) ? message.usage : {};
  const rows = Array.isArray(usage.iterations) ? usage.iterations.filter(isRecord) : [];
  return [
    ...Object.keys(entry).flatMap((key) => (known.get("line")?.has(key) || known.get(type)?.has(key) ? [] : [`${type}.${key}`])),
    ...unknownIn("message", message),
    ...unknownIn("usage", usage),
    ...unknownIn("cache_creation", usage.cache_creation),
    ...unknownIn("server_tool_use", usage.server_tool_use),
    ...rows.flatMap((row) => unknownIn("iteration", row)),
    ...rows.flatMap((row) => (isKnownValue("iteration type", row.type) ? [] : [`iteration type ${String(row.type)}`])),
  ];
}

const unknownIn = (place: string, value: unknown): string[] =>
  isRecord(value)
    ? Object.keys(value)
        .filter((key) => known.get(place)?.has(key) !== true)
        .map((key) => `${place}.${key}`)
    : [];
