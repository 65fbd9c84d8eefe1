import { decideTurn, isWholeTurn, parseTranscriptLine, type TranscriptEvent, type Turn } from "./claude-transcript.ts";
import type { Sys } from "./sys.ts";
import { addEvents, createWork, type Work } from "./work.ts";

/** What a growing transcript tells; a look reads the bytes that are new and no others. */
export interface Follower {
  path: string;
  /** Undefined while there is no file. */
  turn: Turn | undefined;
  work: Work;
  /** Lines were read and none was of a known form. */
  isUnknownFormat: boolean;
  read(): Promise<boolean>;
}

const firstBytes = 128 * 1024;
const maxFirstBytes = 32 * 1024 * 1024;
/** A line longer than this is passed over: nothing that the monitor shows is that long. */
const maxLineBytes = 16 * 1024 * 1024;
const knownLine = /"type":\s?"/;

export function createFollower(sys: Sys, path: string): Follower {
  let id = "";
  /** The line that is being read starts here; what lies before `seen` holds no line end. */
  let offset = 0;
  let seen = 0;
  let events: TranscriptEvent[] = [];
  let open = new Map<string, string>();
  let [lines, known] = [0, 0];

  const reset = () => {
    [events, open, offset, seen, lines, known] = [[], new Map(), 0, 0, 0, 0];
    follower.work = createWork();
    follower.turn = undefined;
  };
  const take = (bytes: Buffer) => {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(10, from);
      if (end < 0) break;
      if (end - from <= maxLineBytes && end > from) takeLine(bytes.toString("utf8", from, end));
      from = end + 1;
    }
    events = trimEvents(events);
    follower.turn = decideTurn(events);
    follower.isUnknownFormat = lines > 0 && known === 0;
  };
  const takeLine = (line: string) => {
    lines++;
    if (knownLine.test(line)) known++;
    const found = parseTranscriptLine(line);
    events.push(...found);
    addEvents(follower.work, open, found);
  };
  /** From the end back, as far as the newest turn reaches. */
  const readFirst = async (size: number) => {
    for (let length = firstBytes; ; length *= 4) {
      reset();
      const from = Math.max(0, size - length);
      const bytes = Buffer.from(await sys.readFrom(path, from));
      const start = from === 0 ? 0 : bytes.indexOf(10) + 1;
      const end = bytes.lastIndexOf(10) + 1;
      if (end > start) take(bytes.subarray(start, end));
      offset = from + Math.max(end, start);
      seen = from + bytes.length;
      if (from === 0 || length >= maxFirstBytes || isWholeTurn(events)) return;
    }
  };
  const follower: Follower = {
    path,
    turn: undefined,
    work: createWork(),
    isUnknownFormat: false,
    async read() {
      const file = sys.identify(path);
      if (file === undefined) return false;
      if (file.id !== id || file.size < seen) {
        id = file.id;
        await readFirst(file.size);
        return true;
      }
      if (file.size === seen) return false;
      const isLong = seen - offset > maxLineBytes;
      const fresh = Buffer.from(await sys.readFrom(path, isLong ? seen : offset));
      const base = isLong ? seen : offset;
      const end = fresh.lastIndexOf(10) + 1;
      // The rest of a line that is too long to keep ends here.
      const start = isLong ? fresh.indexOf(10) + 1 : 0;
      seen = base + fresh.length;
      if (end === 0) return false;
      offset = base + end;
      take(fresh.subarray(start, end));
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
