/** Longest folder name that Claude Code uses uncut, in UTF-16 units. */
const maxLength = 200;

/**
 * The folder under `<config>/projects` that Claude Code 2.1.329 uses for a session's real working directory. Different
 * directories can share one (`a.b`, `a_b`): a hint where to look, never an identity.
 */
export function slugOf(realCwd: string): string {
  const slug = realCwd.replace(/[^A-Za-z0-9]/g, "-");
  return slug.length > maxLength ? `${slug.slice(0, maxLength)}-${hash(realCwd)}` : slug;
}

/** Java's String.hashCode over the path's UTF-16 units, absolute, in base 36. */
function hash(text: string): string {
  let value = 0;
  for (let index = 0; index < text.length; index++) value = (Math.imul(value, 31) + text.charCodeAt(index)) | 0;
  return Math.abs(value).toString(36);
}
