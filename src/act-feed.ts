import type { Actor, ActorOptions, Deed, RulesBadge } from "./act.ts";
import type { Actions } from "./actions.ts";
import type { Monitor } from "./monitor.ts";
import { hasUserRules } from "./paths.ts";
import type { LiveSession } from "./session.ts";
import type { Sys } from "./sys.ts";
import type { Feed } from "./watch.ts";

/** `rule budget-day: …`, in words for a person. */
export const deedText = ({ rule, action, session, text, isRefused }: Deed): string =>
  `${session === undefined ? "" : `${session.name}: `}rule ${rule} ${isRefused ? `could not ${action}` : did[action]}: ${text}`;

const did = { notify: "says", send: "has sent", stop: "has stopped it" } as const;

/**
 * The same looks, each shown to rules and budgets too, from the moment there are any: nothing of what acts is loaded before. Nobody waits for what
 * they do.
 */
export function withRules(
  sys: Sys,
  feed: Feed<LiveSession>,
  { actions, onFailure, ...options }: ActorOptions & { actions: Pick<Actions, "act">; onFailure: (error: unknown) => void },
): { feed: Feed<LiveSession>; badge(): RulesBadge | undefined } {
  let actor: Actor | undefined;
  const show = async (sessions: readonly LiveSession[]) => {
    if (actor === undefined && hasUserRules(sys)) actor = (await import("./act.ts")).createActor(sys, actions, options);
    await actor?.look(sessions);
  };
  const read = async () => {
    const look = await feed.read();
    void show(look.sessions).catch(onFailure);
    return look;
  };
  return { feed: { ...feed, read }, badge: () => actor?.badge() };
}

const looksEveryMs = 2000;

type IsMeant = (session: LiveSession) => boolean;

/** Acts on this session for as long as somebody waits for it, and once more at the end. */
export const actWhile = <T>(sys: Sys, isMeant: IsMeant, wait: () => Promise<T>): Promise<T> => createActing(sys)(isMeant, wait);

/** The same for several at once: one look is for all of them. */
export function createActing(sys: Sys): <T>(isMeant: IsMeant, wait: () => Promise<T>) => Promise<T> {
  const meant = new Set<IsMeant>();
  let looks: ReturnType<typeof openLooks> | undefined;
  return async (isMeant, wait) => {
    if (!hasUserRules(sys)) return wait();
    meant.add(isMeant);
    looks ??= openLooks(sys, (session) => [...meant].some((isOne) => isOne(session)));
    const own = looks;
    try {
      await own;
      return await wait();
    } finally {
      await own.then(({ last }) => last()).catch(() => undefined);
      meant.delete(isMeant);
      if (meant.size === 0) {
        looks = undefined;
        void own.then(({ close }) => close()).catch(() => undefined);
      }
    }
  };
}

async function openLooks(sys: Sys, isMeant: IsMeant) {
  const [{ createActor }, { createMonitor }, { createActions }] = await Promise.all([
    import("./act.ts"),
    import("./monitor.ts"),
    import("./actions.ts"),
  ]);
  const monitor = createMonitor(sys, { hasMeter: true });
  const actor = createActor(sys, createActions(sys, monitor), { isMeant });
  const isNeeded = await actor.isNeeded();
  let isOver = !isNeeded;
  const follow = async () => {
    while (!isOver) {
      void actor.look((await monitor.read()).sessions).catch(() => undefined);
      await monitor.next(looksEveryMs);
    }
  };
  // Whoever waits has asked for the state of the session, and is not told that nobody acts meanwhile.
  void follow().catch(() => undefined);
  return {
    last: async () => (isNeeded ? lookLast(monitor, actor) : undefined),
    close() {
      isOver = true;
      monitor.close();
    },
  };
}

async function lookLast(monitor: Monitor, actor: Actor): Promise<void> {
  await actor.rest();
  await actor.look((await monitor.readSettled()).sessions);
  await actor.rest();
}
