declare const CSM_BUILD: string | undefined;

/** `0.1.0 (1a2b3c4)`: version of package.json and commit, put in by build.ts. */
export const buildVersion: string = typeof CSM_BUILD === "undefined" ? "0.0.0 (source)" : CSM_BUILD;
