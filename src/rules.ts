/** What a rule does: the first three decide about a call of a tool, the others act on a session. */
export const ruleActions = ["allow", "deny", "ask", "notify", "send", "stop"] as const;
export type RuleAction = (typeof ruleActions)[number];

/** Where something stands in a file that a person wrote; lines count from 1. */
export interface Place {
  path: string;
  line: number;
}

/** One `[[rules]]`, checked. All conditions that it has must hold; of each list one entry is enough. */
export interface Rule {
  name: string;
  action: RuleAction;
  at: Place;
  /** From a file of the project, which only tightens: it denies and asks. */
  isProject: boolean;
  /** `deny`: what the model is told. `send`: the prompt. `notify`: the text. */
  message?: string;
  when: Conditions;
}

export interface Conditions {
  /** Public state words, whatever their case; the older tool's words for people as well. */
  status?: readonly string[];
  /** Names, whatever their case; `*` is any run of characters: `mcp__github__*`. */
  tool?: readonly string[];
  /** The beginnings of a command's words. `*` is one word, a last `$` means that no further words come. */
  command?: readonly string[];
  /** Patterns as in a .gitignore; `~/` and absolute ones too, others count from the project's root. */
  path?: readonly string[];
  /** Of an address; `*.example.com` is its subdomains. */
  host?: readonly string[];
  /** A part of the project's name, or its folder. */
  project?: readonly string[];
  profile?: readonly string[];
  model?: readonly string[];
  /** The type of the sub-agent that asks, or that is to be started; `main` is none. */
  agent?: readonly string[];
  /** A name, an id or its beginning. */
  session?: readonly string[];
  /** `22:00-07:00`, with days before it or not: `mon-fri 09:00-18:00`; local time. */
  time?: readonly string[];
  costAboveUsd?: number;
  contextAbovePercent?: number;
  /** Of the fullest window of the session's account. */
  usageAbovePercent?: number;
  /** Of the agents that the session has started, or that a workflow would start. */
  countAbove?: number;
  hasError?: boolean;
  hasConflict?: boolean;
}

/** A call of a tool that is about to be made. */
export interface ToolCall {
  tool: string;
  input: Record<string, unknown>;
  /** Where it would run: a real path. */
  cwd: string;
  /** The user's home; `~` in commands and patterns. */
  home: string;
  /** The root of the session's project. */
  projectDir: string;
  /** The type of the sub-agent that makes it. */
  agent?: string;
  /**
   * Where an absolute path leads: links followed as far as it exists, the rest as it is; undefined where that cannot be told. What a
   * rule allows is inside as it is written and as it leads, what it denies is hit by either.
   */
  resolve?(path: string): string | undefined;
  /** Is anything of that name there, a link that leads nowhere among it? */
  isThere?(path: string): boolean;
}

/** What else is known of the session; what is not known holds no condition, and makes those of `deny` and `ask` ask. */
export interface SessionFacts {
  now: number;
  id?: string;
  name?: string;
  /** The root of its project. */
  projectDir?: string;
  profile?: string;
  model?: string;
  status?: string;
  costUsd?: number;
  contextPercent?: number;
  usagePercent?: number;
  agentCount?: number;
  hasError?: boolean;
  hasConflict?: boolean;
}

/** `none`: no rule says anything, and claude does as it would without rules. */
export type Decision = "allow" | "ask" | "deny" | "none";

export interface Judgement {
  decision: Decision;
  /** The rule that decides; absent where none alone does. */
  rule?: Rule;
  /** One line for people, and, of a denial without a message, for the model. */
  reason: string;
  /** What was seen in the call: each command, file or host of it. */
  parts: JudgedPart[];
}

export interface JudgedPart {
  text: string;
  decision: Decision;
  rule?: Rule;
  /** Why it can never be allowed unseen. */
  doubt?: string;
}

/** What is wrong in a file, in lower case and with what was meant. */
export interface RuleProblem extends Place {
  message: string;
}

/** Those that have allowed a part each, else the one that decides. */
export function decidersOf({ rule, decision, parts }: Judgement): Rule[] {
  if (decision !== "allow") return rule === undefined ? [] : [rule];
  return [...new Set(parts.flatMap((part) => (part.decision === "allow" ? (part.rule ?? []) : [])))];
}
