// What a client does after a connection has ended, and how long it waits before it comes back: by
// chance, or all would come at the same time; and longer with every failure, or a server that is down
// would be kept down.

/** Why a feed does not come back by itself. */
export type End = "signed-out" | "forbidden" | "replaced" | "not-understood";

/** The next try: at once, after a moment that grows with every failure, or after one that is long enough
 *  from the first on that not everybody comes at once. */
export type After = "at-once" | "pause" | "spread";

/** What comes after this close code. */
export function afterClose(code: number, hasBeenIn: boolean): After | { end: End } {
  switch (code) {
    case 4400:
      return { end: "not-understood" };
    case 4401:
      // Every try takes a new ticket. If that is not good either, something else is wrong.
      return hasBeenIn ? "at-once" : "pause";
    case 4403:
      return { end: "forbidden" };
    case 4408:
      return "at-once";
    case 4409:
      return { end: "replaced" };
    case 1012:
    case 4429:
      return "spread";
    default:
      return "pause";
  }
}

/** In milliseconds. */
export interface Pauses {
  /** The longest after a first failure; it doubles with each further one. */
  first: number;
  /** The longest of all. */
  longest: number;
}

/** See the file. */
export class Pause {
  readonly #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #failures = 0;

  constructor({ first = 250, longest = 20_000 }: Partial<Pauses>, random: () => number) {
    this.#first = first;
    this.#longest = longest;
    this.#random = random;
  }

  /** It went well. */
  reset(): void {
    this.#failures = 0;
  }

  /** After one more failure. */
  next(after: "pause" | "spread"): number {
    const doubled = Math.min(Math.max(this.#failures, after === "spread" ? 3 : 0), 16);
    this.#failures += 1;
    return this.#random() * Math.min(this.#first * 2 ** doubled, this.#longest);
  }
}
