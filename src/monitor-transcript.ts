import { decideTurn, isWholeTurn, parseTranscriptLine, type TranscriptEvent, type Turn } from "./claude-transcript.ts";
import type { Sys } from "./sys.ts";
import { createTail, type Tail } from "./tail.ts";
import { addEvents, createWork, type Work } from "./work.ts";

/** What a growing transcript tells; a look reads the bytes that are new and no others. */
export interface Follower {
  path: string;
  /** Undefined while there is no file. */
  turn: Turn | undefined;
  /** From where reading began: a long transcript is read from its end. */
  work: Work;
  /** Lines were read and none was of a known form. */
  isUnknownFormat: boolean;
  /** True when something new was read. */
  read(): boolean;
}

const knownLine = /"type":\s?"/;

/** `buffer` is only used during a read; `firstBytes` of the end are read at first, and more where a turn is longer. */
export function createFollower(sys: Pick<Sys, "identify" | "openFile">, path: string, buffer: Buffer, firstBytes: number): Follower {
  let tail: Tail | undefined;
  let events: TranscriptEvent[] = [];
  let open = new Map<string, string>();
  let [lines, known] = [0, 0];

  const reset = () => {
    [events, open, lines, known] = [[], new Map(), 0, 0];
    follower.work = createWork();
    follower.turn = undefined;
  };
  const takeLines = (bytes: Buffer) => {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(10, from);
      if (end < 0) break;
      if (end > from) takeLine(bytes.toString("utf8", from, end));
      from = end + 1;
    }
    events = trimEvents(events);
  };
  const takeLine = (line: string) => {
    lines++;
    if (knownLine.test(line)) known++;
    const found = parseTranscriptLine(line);
    events.push(...found);
    addEvents(follower.work, open, found);
  };
  const poll = (from: Tail) => from.poll({ onLines: takeLines, onRestart: reset });
  /** From the end back, as far as the newest turn reaches. A line that is cut there is no line. */
  const readFirst = (size: number) => {
    for (let length = firstBytes; ; length *= 4) {
      const startAt = Math.max(0, size - length);
      reset();
      tail = createTail(sys, path, buffer, startAt);
      poll(tail);
      if (startAt === 0 || isWholeTurn(events)) return;
    }
  };
  const follower: Follower = {
    path,
    turn: undefined,
    work: createWork(),
    isUnknownFormat: false,
    read() {
      if (tail === undefined) {
        const file = sys.identify(path);
        if (file === undefined) return false;
        readFirst(file.size);
      } else {
        const growth = poll(tail);
        if (growth === "same" || growth === "gone") return false;
      }
      follower.turn = decideTurn(events);
      follower.isUnknownFormat = lines > 0 && known === 0;
      return true;
    },
  };
  return follower;
}

const maxEvents = 256;

/** The newest prompt and the newest messages: what the verdict on the newest turn rests on. */
function trimEvents(events: TranscriptEvent[]): TranscriptEvent[] {
  if (events.length <= maxEvents) return events;
  const prompt = events.findLastIndex((event) => event.kind === "prompt");
  const messages = new Set<string>();
  let from = events.length;
  while (from > 0 && (messages.size < 3 || events.length - from < maxEvents / 2)) {
    const event = events[--from];
    if (event?.kind === "text" || event?.kind === "tool") messages.add(event.messageId);
    if (events.length - from >= maxEvents * 8) break;
  }
  return prompt >= 0 && prompt < from ? [events[prompt] as TranscriptEvent, ...events.slice(from)] : events.slice(from);
}
