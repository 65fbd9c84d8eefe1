import type { SessionFile } from "./claude-session.ts";
import { pickNewestFree, selectConversations } from "./conversations.ts";
import { createDrivenStore } from "./driven.ts";
import { belowHome, duration, type Paint } from "./format.ts";
import { findPane } from "./panes.ts";
import { type PickerSource, runPicker } from "./picker.ts";
import type { PickerRow } from "./picker-state.ts";
import { printable, printableLine } from "./printable.ts";
import { type LiveOwner, readLiveOwners } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import type { Pane } from "./tmux.ts";
import { noFacts, renderTranscript, type TranscriptFacts, titleOf } from "./transcript-facts.ts";
import type { Conversation, TranscriptFile, TranscriptIndex } from "./transcripts.ts";

export interface SessionPick {
  sys: Sys;
  index: TranscriptIndex;
  /** What is to be chosen from, in this order of time. */
  files: readonly TranscriptFile[];
  configDirs: readonly string[];
  /** Profile of a config dir; empty when there is only one. */
  profileNames: ReadonlyMap<string, string>;
  /** Shown as `~`. */
  home: string;
  /** A prompt was given: it is most likely meant for a new session. */
  hasPrompt: boolean;
  /** The word that names all of `files`: nothing else is to be chosen. */
  word?: string;
  paint: Paint;
}

type PickedSession =
  | { kind: "new" }
  | { kind: "resume" | "copy"; conversation: Conversation }
  | { kind: "attach"; attach: Attach }
  | { kind: "cancelled" };

/** Where a live session can be shown in this terminal, and how a person would call the place. */
export type Attach = { place: string } & ({ kind: "pane"; pane: Pane } | { kind: "background"; args: string[] });

/** Undefined for a session in a plain terminal, which nothing can take over. */
export async function findAttach(sys: Sys, file: SessionFile): Promise<Attach | undefined> {
  // Background sessions have no terminal; claude shows them by the beginning of their id.
  if (file.kind === "bg") return { kind: "background", args: ["attach", file.sessionId.slice(0, 8)], place: "background" };
  if (file.tmux === undefined) return undefined;
  const driven = createDrivenStore(sys)
    .list()
    .records.find((record) => record.session_id === file.sessionId);
  const pane = await findPane(sys, file.pid, driven?.socket);
  return pane === undefined ? undefined : { kind: "pane", pane, place: `tmux session ${pane.sessionName}` };
}

const newId = "new";
const continueId = "continue";
const options = { attach: "Attach: show it in this terminal", copy: "Copy: go on from here in a conversation of its own" };

/** Opens at once with what is known, and fills while the rest is read. */
export async function pickSession(pick: SessionPick): Promise<PickedSession> {
  const list = createList(pick);
  await list.refresh();
  const outcome = await runPicker(list.source, pick.paint);
  if (outcome.kind === "cancelled") return outcome;
  if (outcome.rowId === newId) return { kind: "new" };
  const conversation = list.find(outcome.rowId);
  if (conversation === undefined) return { kind: "new" };
  if (outcome.optionId === "attach" && list.attach !== undefined) return { kind: "attach", attach: list.attach };
  return { kind: outcome.optionId === "copy" ? "copy" : "resume", conversation };
}

/** The question about one live conversation, where it was named and so none has to be chosen. */
export async function askAboutLive(pick: SessionPick, conversation: Conversation): Promise<PickedSession> {
  const list = createList(pick);
  const question = await list.ask(conversation.sessionId);
  if (question === undefined) return { kind: "resume", conversation };
  const rows = question.options.map(({ id, label }): PickerRow => ({ id, cells: [], title: label, search: label.toLowerCase() }));
  const outcome = await runPicker({ title: question.question, hint: "", rows: () => ({ rows }) }, pick.paint);
  if (outcome.kind === "cancelled") return outcome;
  if (outcome.rowId === "attach" && list.attach !== undefined) return { kind: "attach", attach: list.attach };
  return { kind: "copy", conversation };
}

function createList(pick: SessionPick) {
  const { sys, index, files } = pick;
  const { known, unread } = index.lookUp(files);
  const waiting = unread.toSorted((a, b) => b.modifiedAt - a.modifiedAt);
  const previews = new Map<string, string[]>();
  const renderSession = createRowRenderer(pick);
  let conversations = select(known, waiting);
  let owners: ReadonlyMap<string, LiveOwner> = new Map();
  let attach: Attach | undefined;
  const find = (rowId: string): Conversation | undefined =>
    rowId === continueId ? pickNewestFree(conversations, owners) : conversations.find(({ sessionId }) => sessionId === rowId);
  const readUntil = (isEnough: () => boolean) => {
    const before = sys.now();
    while (waiting.length > 0 && sys.now() - before < sliceMs && !isEnough()) known.push(...index.read(waiting.splice(0, sliceFiles)));
    conversations = select(known, waiting);
  };
  const refresh = async () => {
    owners = await readLiveOwners(sys, pick.configDirs);
    // Enter takes the newest at once: which one that is has to be known first.
    readUntil(() => pickNewestFree(select(known, waiting), owners)?.facts !== noFacts);
  };
  const ask = async (rowId: string) => {
    // Opened elsewhere while one was reading the list.
    await refresh();
    const owner = owners.get(rowId);
    if (owner === undefined) return undefined;
    attach = await findAttach(sys, owner.file);
    const place = attach === undefined ? `in another terminal (process ${owner.file.pid})` : `in ${printableLine(attach.place)}`;
    const ids = attach === undefined ? (["copy"] as const) : (["attach", "copy"] as const);
    return { question: `This conversation is open ${place}.`, options: ids.map((id) => ({ id, label: options[id] })) };
  };
  const source: PickerSource = {
    title: `csm  ${belowHome(printableLine(sys.cwd), pick.home)}`,
    hint:
      pick.word === undefined
        ? "type to filter by title and prompts"
        : `several are called ${printableLine(pick.word)}; type to filter them`,
    rows: () => renderRows(pick, renderSession, conversations, owners, waiting.length),
    readMore() {
      readUntil(() => false);
      return waiting.length > 0;
    },
    refresh,
    search(word) {
      const paths = index.search(word);
      return new Set(known.flatMap(({ path, sessionId }) => (paths.has(path) ? [sessionId] : [])));
    },
    preview(rowId) {
      const conversation = find(rowId);
      if (conversation === undefined) return [];
      const kept = previews.get(conversation.path) ?? readPreview(sys, conversation.path);
      previews.set(conversation.path, kept);
      return kept;
    },
    menu: ask,
  };
  return {
    source,
    find,
    ask,
    refresh,
    get attach() {
      return attach;
    },
  };
}

const sliceMs = 30;
const sliceFiles = 8;

/** Those that are not read yet stand in their place, without a title. */
const select = (known: readonly Conversation[], waiting: readonly TranscriptFile[]): Conversation[] =>
  selectConversations([...known, ...waiting.map((file) => ({ ...file, facts: noFacts }))]);

type RenderRow = (conversation: Conversation, isLive: boolean) => PickerRow;

/** Thousands of rows are asked for again at each step of the reading: each is made once for what is known of it. */
function createRowRenderer({ sys, profileNames }: SessionPick): RenderRow {
  const now = sys.now();
  const made = new Map<string, { facts: TranscriptFacts; row: PickerRow }>();
  return (conversation, isLive) => {
    const { path, facts } = conversation;
    const kept = made.get(path);
    if (kept !== undefined && kept.facts === facts && kept.row.isLive === isLive) return kept.row;
    const row = renderRow(conversation, isLive, now, profileNames);
    made.set(path, { facts, row });
    return row;
  };
}

function renderRow(
  { sessionId, modifiedAt, facts, configDirs }: Conversation,
  isLive: boolean,
  now: number,
  profileNames: ReadonlyMap<string, string>,
): PickerRow {
  const title = printableLine(titleOf(facts).slice(0, titleLength)).replace(stackedMarks, "$1");
  const cells = [age(now - modifiedAt), sessionId.slice(0, 8), printableLine(facts.permissionMode ?? "?").slice(0, 20)];
  if (profileNames.size > 1) cells.push(printableLine(configDirs.flatMap((dir) => profileNames.get(dir) ?? []).join(" ")) || "-");
  // Not the age and not the id: digits would match by chance.
  const search = [title, ...cells.slice(2), isLive ? "live" : ""].join(" ").toLowerCase();
  return { id: sessionId, cells, title: title === "" ? "…" : title, isLive, search };
}

function renderRows(
  pick: SessionPick,
  render: RenderRow,
  conversations: readonly Conversation[],
  owners: ReadonlyMap<string, LiveOwner>,
  unread: number,
) {
  const sessions = conversations.map((conversation) => render(conversation, owners.has(conversation.sessionId)));
  if (pick.word !== undefined) return { rows: sessions };
  const free = pickNewestFree(conversations, owners);
  const actions: PickerRow[] = [{ id: newId, cells: [], title: "+ new session", search: "new session" }];
  if (free !== undefined) {
    const { title, cells } = render(free, false);
    const label = `↻ continue: ${title}`;
    actions.push({ id: continueId, cells: [], title: `${label}  (${cells[0]} ago)`, search: label.toLowerCase() });
  }
  const progress = unread === 0 ? {} : { progress: { read: pick.files.length - unread, total: pick.files.length } };
  return { rows: [...actions, ...sessions], defaultId: free === undefined || pick.hasPrompt ? newId : continueId, ...progress };
}

/** A longer one is cut by every screen. */
const titleLength = 1000;
/** Accents without end would be painted over the lines above. */
const stackedMarks = /(\p{M}{4})\p{M}+/gu;

const age = (ms: number): string => duration(ms).split(" ")[0] ?? "0s";

/** One request's snapshots take 100 KB, and a turn has several. */
const previewBytes = 512 * 1024;
const previewLines = 40;

/** The end of the conversation, as it was said. */
function readPreview(sys: Sys, path: string): string[] {
  const lines: string[] = [];
  for (const line of (sys.readTail(path, previewBytes)?.lines ?? []).toReversed()) {
    const text = printable(renderTranscript(line)).replaceAll("\t", "  ").replace(stackedMarks, "$1");
    if (text.trim() !== "") lines.unshift(...text.split("\n").map((part) => part.slice(0, titleLength)), "");
    if (lines.length >= previewLines) break;
  }
  return lines.slice(0, -1).slice(-previewLines);
}
