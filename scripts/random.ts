export type Random = (below: number) => number;

/** mulberry32: whole numbers, the same ones for the same seed. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

export const pick = <T>(random: Random, items: readonly T[]): T => items[random(items.length)] as T;

/** The same items in another order. */
export function shuffle<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  return items.map(() => left.splice(random(left.length), 1)[0] as T);
}

/** The text without all that can go while it still fails; what is found in the time given. */
export async function shrink(text: string, fails: (part: string) => Promise<boolean>, timeoutMs: number): Promise<string> {
  const endAt = Date.now() + timeoutMs;
  let small = text;
  for (let length = Math.ceil(text.length / 2); length >= 1; length = Math.floor(length / 2))
    for (let at = 0; at < small.length && Date.now() < endAt; ) {
      const part = small.slice(0, at) + small.slice(at + length);
      if (await fails(part)) small = part;
      else at += length;
    }
  return small;
}

/** Every ten seconds how far a long run is; the answer ends it. */
export function tellProgress(seconds: number, where: () => string, tell: (line: string) => void): () => void {
  const startedAt = Date.now();
  const timer = setInterval(() => tell(`${Math.round((Date.now() - startedAt) / 1000)} of ${seconds} s: ${where()}`), 10_000);
  return () => clearInterval(timer);
}
