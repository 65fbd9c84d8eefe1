/** Whether claude works in this folder without asking first: it trusts a folder, or one above it (`.claude.json` of 2.1.329). */
export function isTrusted(text: string, folder: string): boolean {
  try {
    const { projects } = JSON.parse(text) as { projects?: Record<string, { hasTrustDialogAccepted?: unknown } | null> };
    return Object.entries(projects ?? {}).some(([path, project]) => isWithin(folder, path) && project?.hasTrustDialogAccepted === true);
  } catch {
    // Torn, or no such file: claude will ask.
    return false;
  }
}

const isWithin = (folder: string, path: string): boolean => folder === path || folder.startsWith(`${path.replace(/[/\\]$/, "")}/`);
