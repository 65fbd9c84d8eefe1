declare const CSM_BUILD: string | undefined;
declare const CSM_PLATFORM: string | undefined;

/** `0.1.0 (1a2b3c4)`: version of package.json and commit, put in by build.ts. */
export const buildVersion: string = typeof CSM_BUILD === "undefined" ? "0.0.0 (source)" : CSM_BUILD;

/** What `csm help` explains beside the commands. */
export const topics = ["states", "signals", "rules", "tasks", "profiles", "limits", "exit-codes", "files", "json", "coming-from"] as const;
export type Topic = (typeof topics)[number];

/** `exit codes` and `exit-codes` are one. */
export const findTopic = (words: readonly string[]): Topic | undefined => topics.find((topic) => topic === words.join("-"));

/** As a release names it, `linux-x64-musl`; undefined where this program runs from its source. */
export const buildPlatform: string | undefined = typeof CSM_PLATFORM === "undefined" ? undefined : CSM_PLATFORM;

/** The words by which this program calls itself: in a pane to run a launch file, as claude's hook, for rules alone or for all, as claude's editor. */
export const launchWord = "--csd-launch";
export const hookWord = "--csd-hook";
export const rulesWord = "--csd-rules";
export const editorWord = "--csd-editor";
/** Counts what was spent, for whoever may not wait for it. */
export const countWord = "--csd-count";
/** To send what somebody is to be told, and end. */
export const deliverWord = "--csd-deliver";

/** `RUN/TASK` in all that a task of a run starts. */
export const taskVariable = "CSM_TASK";
/** Names the session's channel to the hooks and the editor of a session that csd started. */
export const channelVariable = "CSD_CHANNEL";
/** The user's own VISUAL in such a session. */
export const editorVariable = "CSD_VISUAL";
