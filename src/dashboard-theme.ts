import type { StateRole } from "./statuses.ts";

/** What a text of the dashboard is, and how each theme draws it: SGR codes, or none. */
export type Role =
  | StateRole
  | "title"
  | "section"
  | "dim"
  | "text"
  /** What somebody is asked: nothing on the screen is brighter. */
  | "asked"
  /** What cannot be done here. */
  | "off"
  | "key"
  | "selected"
  | "alarm"
  | "warn"
  | "good"
  | "bar"
  | "cost"
  | "code"
  | "rule"
  | "toast"
  | "error";

type Codes = Record<Role, string>;

const dark: Codes = {
  title: "1",
  section: "1;90",
  dim: "90",
  text: "",
  asked: "1",
  off: "90",
  key: "1;36",
  selected: "7",
  attention: "1;33",
  working: "36",
  idle: "32",
  failed: "1;31",
  limited: "35",
  unknown: "90",
  ended: "90",
  alarm: "1;31",
  warn: "33",
  good: "32",
  bar: "34",
  cost: "",
  code: "36",
  rule: "90",
  toast: "1;32",
  error: "1;31",
};

const light: Codes = {
  ...dark,
  dim: "2",
  off: "2",
  section: "1;2",
  attention: "1;35",
  warn: "35",
  key: "1;34",
  code: "34",
  working: "34",
  rule: "2",
  unknown: "2",
  ended: "2",
};

/** Only bold bright words and reverse: no grey, no colour that carries meaning alone. */
const contrast: Codes = {
  ...dark,
  section: "1;4",
  dim: "",
  asked: "1;97",
  off: "2",
  key: "1;97",
  attention: "1;97;41",
  working: "1;96",
  idle: "97",
  failed: "1;97;41",
  limited: "1;30;105",
  unknown: "1;97",
  ended: "",
  alarm: "1;97;41",
  warn: "1;30;103",
  good: "1;92",
  bar: "1;97",
  code: "1;97",
  rule: "1;97",
  text: "97",
};

/** NO_COLOR forbids colours, not weight. */
const none: Codes = {
  ...(Object.fromEntries(Object.keys(dark).map((role) => [role, ""])) as Codes),
  title: "1",
  section: "1",
  selected: "7",
  attention: "1",
  asked: "1",
  off: "2",
  failed: "1",
  alarm: "1",
  toast: "1",
  error: "1",
  key: "1",
};

const themes = { dark, light, contrast, none } as const;
type ThemeName = keyof typeof themes;
export const themeNames = Object.keys(themes) as ThemeName[];

export interface Theme {
  name: ThemeName;
  paint(role: Role, text: string): string;
  /** The cursor's row: one style for the whole of it. */
  select(text: string): string;
}

export function createTheme(name: ThemeName): Theme {
  const codes = themes[name];
  const paint = (role: Role, text: string): string => (codes[role] === "" || text === "" ? text : `\u001b[${codes[role]}m${text}\u001b[0m`);
  return { name, paint, select: (text) => `\u001b[${codes.selected}m${Bun.stripANSI(text)}\u001b[0m` };
}

/** The flag, else NO_COLOR, else dark. Undefined for a name that there is none of. */
export function chooseTheme(flag: string | undefined, noColor: string | undefined): ThemeName | undefined {
  if (flag !== undefined) return themeNames.find((name) => name === flag);
  return noColor !== undefined && noColor !== "" ? "none" : "dark";
}
