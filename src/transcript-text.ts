import { parseTranscriptLine, type TranscriptEvent } from "./claude-transcript.ts";
import { printable, printableLine } from "./sanitize.ts";

/** One line of a transcript for a person; empty for what says nothing to one. */
export const renderTranscript = (line: string): string =>
  parseTranscriptLine(line)
    .map(renderEvent)
    .filter((text) => text !== "")
    .join("\n");

function renderEvent(event: TranscriptEvent): string {
  switch (event.kind) {
    case "prompt":
      return `> ${printable(event.text).replaceAll("\n", "\n  ")}`;
    case "text":
      return printable(event.text);
    case "tool":
      return `* ${event.toolUse.name} ${printableLine(describeInput(event.toolUse.input)).slice(0, 160)}`;
    case "interrupt":
      return "! interrupted";
    case "error":
      return `! ${printable(event.error.message)}`;
    default:
      return "";
  }
}

const describeInput = (input: Record<string, unknown>): string => {
  const first = input.command ?? input.file_path ?? input.url ?? input.pattern ?? input.description ?? input.prompt;
  return typeof first === "string" ? first : JSON.stringify(input);
};
