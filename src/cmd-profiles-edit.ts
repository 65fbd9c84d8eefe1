import { type App, command } from "./cmd-record.ts";
import { UserError } from "./errors.ts";
import { printable, printableLine } from "./printable.ts";
import { type Registry, readRegistry, shellProfile } from "./profiles.ts";
import { applyChange, type Change, conventionalDir, makeDir, openRegistry, renderChanges, tellNewDefault } from "./profiles-change.ts";
import { type Choice, promptConfirm, promptSelect, promptText, showEnd, showNote, showProblem, showStart } from "./prompts.ts";

export const profilesEditCommand = command({
  name: "csm profiles edit",
  summary: "Edit the profiles by menu: add, rename, move, default, remove; shows the result before it is saved.",
  args: {},
  examples: [["csm profiles edit", ""]],
  async run({ app }) {
    if (!app.sys.isTerminal(0) || !app.sys.isTerminal(1))
      throw new UserError("csm profiles edit needs a terminal", "for scripts: csm profiles add|set|rename|use|rm");
    const before = readRegistry(app.sys);
    showStart("csm profiles edit");
    const after = await editDraft(app, before);
    if (after === undefined) return showEnd("nothing was changed");
    await openRegistry(app.sys).replace(before, after);
    for (const { dir } of after.profiles.filter((profile) => !before.profiles.some((old) => old.dir === profile.dir)))
      makeDir(app.sys, dir);
    showEnd("saved");
    for (const line of await tellNewDefault(app.sys, before, after)) app.tell(printableLine(line));
  },
});

type Choose = { kind: "profile"; name: string } | { kind: "add" } | { kind: "save" } | { kind: "quit" };

/** Undefined when nothing is to be saved. */
async function editDraft(app: App, before: Registry): Promise<Registry | undefined> {
  let draft = before;
  for (;;) {
    const changes = renderChanges(before, draft);
    const chosen = await promptSelect<Choose>({ message: head(draft), choices: menu(app, draft, changes.length > 0) });
    if (chosen === undefined || chosen.kind === "quit") {
      // A second Ctrl-C leaves too.
      if (changes.length === 0 || (await promptConfirm("leave without saving?", false)) !== false) return undefined;
      continue;
    }
    if (chosen.kind === "save") {
      showNote(changes.map(printable).join("\n"), "the profiles will be");
      if (await promptConfirm("save this?")) return draft;
      continue;
    }
    const change = await (chosen.kind === "add" ? askNew(app, draft) : askChange(app, draft, chosen.name));
    if (change !== undefined) draft = tryChange(app, draft, change);
  }
}

const head = ({ profiles, defaultName }: Registry): string =>
  `${profiles.length} profile${profiles.length === 1 ? "" : "s"}, default: ${printableLine(defaultName ?? "~/.claude")}`;

function menu(app: App, draft: Registry, hasChanges: boolean): Choice<Choose>[] {
  const current = shellProfile(app.sys, draft)?.name;
  const rows = draft.profiles.map(({ name, dir }): Choice<Choose> => {
    const marks = [...(name === draft.defaultName ? ["default"] : []), ...(name === current ? ["this shell"] : [])];
    const label = `${printableLine(name).padEnd(14)} ${printableLine(dir)}${marks.length === 0 ? "" : `  [${marks.join(", ")}]`}`;
    return { value: { kind: "profile", name }, label };
  });
  const save: Choice<Choose>[] = hasChanges ? [{ value: { kind: "save" }, label: "preview and save" }] : [];
  return [
    ...rows,
    { value: { kind: "add" }, label: "add a profile" },
    ...save,
    { value: { kind: "quit" }, label: hasChanges ? "leave without saving" : "leave" },
  ];
}

function tryChange(app: App, draft: Registry, change: Change): Registry {
  try {
    return applyChange(app.sys, draft, change);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    showProblem([error.message, error.hint].filter((part) => part !== undefined).join("; "));
    return draft;
  }
}

/** What is wrong with a change, to be said while it is typed. */
function problemOf(app: App, draft: Registry, change: Change): string | undefined {
  try {
    applyChange(app.sys, draft, change);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
}

async function askNew(app: App, draft: Registry): Promise<Change | undefined> {
  const name = await promptText({
    message: "name of the new profile",
    placeholder: "work",
    check: (text) =>
      problemOf(
        app,
        { ...draft, profiles: draft.profiles.map((profile) => ({ ...profile, dir: `/-/${profile.name}` })) },
        { kind: "add", name: text, dir: "" },
      ),
  });
  if (name === undefined) return undefined;
  const dir = await promptText({
    message: "its folder",
    initial: conventionalDir(app.sys, name),
    check: (text) => problemOf(app, draft, { kind: "add", name, dir: text }),
  });
  return dir === undefined ? undefined : { kind: "add", name, dir };
}

async function askChange(app: App, draft: Registry, name: string): Promise<Change | undefined> {
  const isDefault = draft.defaultName === name;
  const kind = await promptSelect<Change["kind"] | "back">({
    message: `profile '${printableLine(name)}'`,
    choices: [
      { value: "rename", label: "rename" },
      { value: "move", label: "change folder", hint: "nothing is moved on disk" },
      ...(isDefault ? [] : [{ value: "default" as const, label: "make it the default" }]),
      { value: "remove", label: "remove", hint: "the folder stays on disk" },
      { value: "back", label: "back" },
    ],
  });
  if (kind === undefined || kind === "back" || kind === "add") return undefined;
  if (kind === "default" || kind === "remove") return { kind, name };
  if (kind === "rename") {
    const to = await promptText({ message: "new name", initial: name, check: (text) => problemOf(app, draft, { kind, name, to: text }) });
    return to === undefined ? undefined : { kind, name, to };
  }
  const dir = draft.profiles.find((profile) => profile.name === name)?.dir ?? "";
  const moved = await promptText({
    message: "new folder",
    initial: dir,
    check: (text) => problemOf(app, draft, { kind, name, dir: text }),
  });
  return moved === undefined ? undefined : { kind, name, dir: moved };
}
