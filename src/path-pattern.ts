import { posix } from "node:path";

/**
 * Does a text fit a pattern as a whole? `*` is any run, `?` one character, `[a-z]` and `[!a-z]` one of a set, `\` takes the next as it
 * is. Never slower than the product of the lengths, whatever a hostile project writes: no regular expression is made of it.
 */
export function fitsGlob(pattern: string, text: string): boolean {
  if (!/[*?[\\]/.test(pattern)) return pattern === text;
  let at = 0;
  let from = 0;
  let star: { at: number; from: number } | undefined;
  while (from < text.length) {
    if (pattern[at] === "*") {
      star = { at: ++at, from };
      continue;
    }
    const length = fitsOne(pattern, at, text[from] ?? "");
    if (length > 0) {
      at += length;
      from++;
    } else if (star === undefined) return false;
    else {
      star.from++;
      at = star.at;
      from = star.from;
    }
  }
  while (pattern[at] === "*") at++;
  return at >= pattern.length;
}

/** How much of the pattern this one character takes; 0 where it does not fit. */
function fitsOne(pattern: string, at: number, char: string): number {
  const sign = pattern[at];
  if (sign === undefined) return 0;
  if (sign === "?") return 1;
  if (sign === "\\") return pattern[at + 1] === char ? 2 : 0;
  const end = sign === "[" ? pattern.indexOf("]", at + (/[!^]/.test(pattern[at + 1] ?? "") ? 3 : 2)) : -1;
  if (end < 0) return sign === char ? 1 : 0;
  const isNot = /[!^]/.test(pattern[at + 1] ?? "");
  const set = pattern.slice(at + (isNot ? 2 : 1), end);
  return isInSet(set, char) === isNot ? 0 : end - at + 1;
}

function isInSet(set: string, char: string): boolean {
  for (let at = 0; at < set.length; at++) {
    const to = set[at + 1] === "-" ? set[at + 2] : undefined;
    if (to === undefined ? set[at] === char : (set[at] ?? "") <= char && char <= to) return true;
    if (to !== undefined) at += 2;
  }
  return false;
}

interface Roots {
  projectDir: string;
  home: string;
  /** Where a path leads; undefined where that cannot be told. */
  resolve?(path: string): string | undefined;
}

/** Drive letter, server or `\\?\`: how Windows, and nobody else, writes an absolute path. */
export const isWindowsPath = (path: string): boolean => /^(?:[A-Za-z]:[\\/]|[A-Za-z]:$|\\\\)/.test(path);

/** The root of a path of Windows as it is written here: no name there has a colon, so nothing else begins like it. */
const windowsRoot = /^\/(?:[a-z]:|unc:\/[^/]+(?:\/[^/]+)?)(?=\/|$)/i;

/**
 * The one spelling of a path of Windows: `/c:/Users/me` for `C:\Users\me` and Git Bash's `/c/Users/me`, `/unc:/host/share` for
 * `\\host\share`. Windows passes over blanks and dots at the end of a name, and takes `name:stream` for a part of that file.
 */
export function slashPath(path: string): string {
  const text = path.replaceAll("\\", "/").replace(/^\/\/[?.]\/(?:unc(?=\/))?/i, (start) => (/unc/i.test(start) ? "/" : ""));
  const onDrive = text.replace(/^([a-z]):(?=\/|$)/i, "/$1:");
  // Git Bash's way, which no backslash has: `\c` is a folder.
  const spelled = path.startsWith("/") ? onDrive.replace(/^\/(?:cygdrive\/)?([a-z])(?=\/|$)/i, "/$1:") : onDrive;
  const rooted = /^\/\/[^/]/.test(text) ? `/unc:${text.slice(1)}` : spelled;
  const root = (windowsRoot.exec(rooted)?.[0] ?? "").toLowerCase();
  return root + rooted.slice(root.length).split("/").map(plainName).join("/");
}

const plainName = (name: string): string => (/^\.{1,2}$/.test(name) ? name : name.replace(/(?<=.):.*$/, "").replace(/[. ]+$/, ""));

/** As the system takes it: the other way round. */
export const nativePath = (path: string): string =>
  windowsRoot.test(path)
    ? path
        .replace(/^\/unc:\//, "//")
        .replace(/^\/([a-z]:)$/, "$1/")
        .replace(/^\/([a-z]:)/, (_, drive: string) => drive.toUpperCase())
        .replaceAll("/", "\\")
    : path;

/** Of a path as somebody wrote it, in the folder where it is used; `..` is taken by its letters. */
export function absolutePath(text: string, folder: string, home: string): string {
  const path = spelledPath(text, folder, home);
  const root = windowsRoot.test(home) ? rootOf(path) : "";
  return withoutEnd(root + posix.join(path.startsWith("/") ? "/" : "", path.slice(root.length)));
}

/** The same without a look at `..`, as the system gets it: behind a link it leads elsewhere. On Windows `home` is in its one spelling. */
export function spelledPath(text: string, folder: string, home: string): string {
  const isWindows = windowsRoot.test(home);
  const path = isWindows ? spellOnDrive(text, folder) : text;
  if (path.startsWith("/")) return path;
  return /^~(?:\/|$)/.test(path) ? `${home}${path.slice(1)}` : `${folder}/${path}`;
}

/** Windows knows paths that have a drive and no root, `c:name`, and a root without a drive, `\name`: the drive's folder, the folder's drive. */
function spellOnDrive(text: string, folder: string): string {
  const [, drive = "", name = ""] = /^([a-z]):(?=[^/\\])(.*)$/is.exec(text) ?? [];
  const root = `/${drive.toLowerCase()}:`;
  if (drive !== "") return `${rootOf(folder) === root ? folder : root}/${slashPath(name)}`;
  const path = slashPath(text);
  return path.startsWith("/") && !windowsRoot.test(path) ? rootOf(folder) + path : path;
}

const rootOf = (path: string): string => windowsRoot.exec(path)?.[0] ?? "";

const withoutEnd = (path: string): string => (path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path);

interface PathPattern {
  segments: string[];
  /** How many of them are a folder that nobody but the owner of the rules could replace by a link. */
  given: number;
  /** What it matches is within, never the folder itself. */
  isInside: boolean;
}

const split = (path: string): string[] => path.split("/").filter((segment) => segment !== "");
const literal = (path: string): string[] => split(path).map((segment) => segment.replace(/[*?[\]\\]/g, "\\$&"));

/** Undefined for one that matches nothing: an empty one, or `!…`, which takes back what nobody said. */
function parsePattern(pattern: string, { projectDir, home }: Roots): PathPattern | undefined {
  const isWindows = windowsRoot.test(home);
  // There `\` stands between folders, and nothing needs to be escaped that a name can have.
  const text = isWindows ? slashPath(pattern.trim()) : pattern.trim();
  if (text === "" || text.startsWith("!")) return undefined;
  const isInside = /\/(?:\*\*)?$/.test(text) && text !== "/";
  const body = text.replace(/\/(?:\*\*)?$/, "");
  const own = split(body).filter((segment) => segment !== ".");
  const isAnywhere = !text.replace(/\/$/, "").includes("/") && own[0] !== "~";
  const isRooted = text.startsWith("/");
  const drive = isWindows && isRooted && !windowsRoot.test(text) ? literal(rootOf(projectDir)) : [];
  const base = isRooted ? drive : own[0] === "~" ? literal(home) : literal(projectDir);
  const rest = own[0] === "~" ? own.slice(1) : isAnywhere && own[0] !== "**" ? ["**", ...own] : own;
  const segments = [...base];
  for (const segment of rest) {
    if (segment === "..") segments.pop();
    else if (segment !== "**" || segments.at(-1) !== "**") segments.push(segment);
  }
  return { segments, given: isRooted ? 1 : base.length, isInside };
}

const patterns = new Map<string, PathPattern | undefined>();

/**
 * As in a .gitignore: what it names, and everything below. `isLoose`, for a denial: of whatever case, and a folder counts with what is
 * in it.
 */
export function fitsPath(pattern: string, path: string, roots: Roots, isLoose: boolean): boolean {
  const parsed = known(pattern, roots);
  if (parsed === undefined) return false;
  const inCase = (segments: string[]) =>
    isLoose || windowsRoot.test(roots.home) ? segments.map((segment) => segment.toLowerCase()) : segments;
  const segments = inCase(split(path));
  const isInside = parsed.isInside && !isLoose;
  return spellings(parsed, roots, isLoose).some((each) => fitsSegments(inCase(each), segments, isInside, fitsGlob));
}

/** For a denial: could one of the files that a shell puts in the place of this glob fit? */
export const mayFitPath = (pattern: string, glob: string, roots: Roots): boolean => {
  const parsed = known(pattern, roots);
  if (parsed === undefined) return false;
  const lower = (segments: string[]) => segments.map((segment) => segment.toLowerCase());
  return spellings(parsed, roots, true).some((each) => fitsSegments(lower(each), lower(split(glob)), false, mayFitBoth));
};

/** Of two globs it is enough that their ends do not contradict each other. */
function mayFitBoth(segment: string, glob: string): boolean {
  if (fitsGlob(glob, segment) || fitsGlob(segment, glob)) return true;
  const [[start, end], [otherStart, otherEnd]] = [endsOf(segment), endsOf(glob)];
  const isGlob = [segment, glob].every((text) => /[*?[\\]/.test(text));
  const meet = (one: string, other: string, is: "startsWith" | "endsWith") => one[is](other) || other[is](one);
  return isGlob && meet(start, otherStart, "startsWith") && meet(end, otherEnd, "endsWith");
}

/** What stands before and behind all that is no plain text. */
const endsOf = (glob: string): [start: string, end: string] => [/^[^*?[\\]*/.exec(glob)?.[0] ?? "", /[^*?\]\\]*$/.exec(glob)?.[0] ?? ""];

/** For a denial: does this folder hold what the pattern names, by its whole path? */
export function isAbove(path: string, pattern: string, roots: Roots): boolean {
  const segments = known(pattern, roots)?.segments ?? [];
  const folder = split(path);
  return folder.length < segments.length && folder.every((each, index) => each === segments[index]);
}

function known(pattern: string, roots: Roots): PathPattern | undefined {
  const key = `${pattern}\0${roots.projectDir}\0${roots.home}`;
  if (!patterns.has(key)) patterns.set(key, parsePattern(pattern, roots));
  return patterns.get(key);
}

/**
 * The pattern in the words of where it leads, as `/tmp` leads to `/private/tmp`. For an approval only as far as what it names was given:
 * a folder below may have become a link since.
 */
function spellings({ segments, given }: PathPattern, { resolve }: Roots, isLoose: boolean): string[][] {
  if (resolve === undefined) return [segments];
  const glob = segments.findIndex((segment) => /[*?[]/.test(segment.replace(/\\./g, "")));
  const literals = glob < 0 ? segments.length : glob;
  const led = [Math.min(given, literals), ...(isLoose ? [literals] : [])].map((count) => {
    const real = resolve(`/${segments.slice(0, count).join("/").replace(/\\(.)/g, "$1")}`);
    return real === undefined ? segments : [...literal(real), ...segments.slice(count)];
  });
  return [segments, ...led];
}

/** The pattern's segments fit the beginning of the path's: the whole of it or a folder above. */
function fitsSegments(
  pattern: readonly string[],
  path: readonly string[],
  isInside: boolean,
  fits: (segment: string, name: string) => boolean,
): boolean {
  // Which numbers of segments of the path are used up so far.
  let used = new Set([0]);
  for (const segment of pattern) {
    const next = new Set<number>();
    if (segment === "**") for (let count = Math.min(...used); count <= path.length; count++) next.add(count);
    else for (const count of used) if (count < path.length && fits(segment, path[count] ?? "")) next.add(count + 1);
    if (next.size === 0) return false;
    used = next;
  }
  return !isInside || [...used].some((count) => count < path.length);
}
