import { UserError } from "./errors.ts";
import { titleOf } from "./transcript-facts.ts";
import type { Conversation } from "./transcript-index.ts";

/** The conversation that an id, the beginning of one, or a title means; of several with one title the newest. */
export function pickConversation(conversations: readonly Conversation[], wanted: string): Conversation {
  const word = wanted.toLowerCase();
  const newest = newestOfEach(conversations);
  const byId = newest.filter(({ sessionId }) => sessionId.toLowerCase().startsWith(word));
  if (byId.length === 1 && byId[0] !== undefined) return byId[0];
  const titled = newest.find(({ facts }) => titleOf(facts).trim().toLowerCase() === word);
  if (titled !== undefined) return titled;
  const partly = byId.length > 0 ? byId : newest.filter(({ facts }) => titleOf(facts).toLowerCase().includes(word));
  if (partly.length === 1 && partly[0] !== undefined) return partly[0];
  const shown = JSON.stringify(wanted);
  if (partly.length === 0) throw new UserError(`no session matches ${shown}`, "csm scan --all lists them");
  const ids = partly.slice(0, 5).map(({ sessionId }) => sessionId.slice(0, Math.max(8, wanted.length + 4)));
  throw new UserError(`${partly.length} sessions match ${shown}`, `say which: ${ids.join(", ")}${partly.length > 5 ? ", …" : ""}`);
}

/** A conversation that was copied to another profile is one; the copy that was written last goes on. */
function newestOfEach(conversations: readonly Conversation[]): Conversation[] {
  const newest = new Map<string, Conversation>();
  for (const conversation of [...conversations].sort((a, b) => b.modifiedAt - a.modifiedAt))
    if (!newest.has(conversation.sessionId)) newest.set(conversation.sessionId, conversation);
  return [...newest.values()];
}
