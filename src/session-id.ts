/** Session ids are UUIDs; nothing else may become a part of a file name. */
export const isSessionId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
