// Where a listener to a channel is: so that it can go on there, and what comes again is left out.

/** See the file. */
export class Place {
  /** Whether there is anything to resume: these channels are told anew each time, and several of their
   *  messages may have one position, of which the newest counts. */
  readonly #isAlwaysAnew: boolean;
  #cursor: string | undefined;
  /** Of the last message. */
  #position = 0;
  /** How many messages about the event at this position were handed on. Several may be about one event,
   *  and only the last has the event's own cursor: whoever is cut between them gets all of them again. */
  #had = 0;
  /** How many of them are expected again. */
  #again = 0;
  /** Everything up to here has come, by the server's word. */
  #through = 0;
  #isOpen = false;

  constructor(channel: string) {
    this.#isAlwaysAnew = channel === "system" || channel.startsWith("leaderboard:");
  }

  /** Whether the server has said that the channel is open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Asks for the channel: from this cursor on, if there is one. */
  ask(): string | undefined {
    this.#isOpen = false;
    return this.#isAlwaysAnew ? undefined : this.#cursor;
  }

  /** The connection is gone. */
  close(): void {
    this.#isOpen = false;
  }

  /** Everything from here on will come. Whether something was known before. */
  begin(position: number, cursor: string): boolean {
    const isReload = this.#cursor !== undefined;
    this.#isOpen = true;
    this.#cursor = cursor;
    this.#to(position);
    this.#through = position;
    return isReload;
  }

  /** Everything after the last cursor will come. False, if there is none. */
  resume(): boolean {
    if (this.#cursor === undefined) return false;
    this.#isOpen = true;
    this.#again = this.#had;
    return true;
  }

  /** A message about an event: whether it is new. */
  hear(position: number, cursor: string): boolean {
    if (!this.#isOpen || position < this.#position) return false;
    if (this.#isAlwaysAnew) {
      this.#position = position;
      return true;
    }
    if (position <= this.#through) return false;
    if (position > this.#position) this.#to(position);
    this.#cursor = cursor;
    if (this.#again > 0) {
      this.#again -= 1;
      return false;
    }
    this.#had += 1;
    return true;
  }

  /** Everything up to here has come: whether that is news. */
  mark(position: number, cursor: string): boolean {
    if (!this.#isOpen || position < this.#position) return false;
    this.#to(position);
    this.#through = position;
    this.#cursor = cursor;
    return true;
  }

  #to(position: number): void {
    this.#position = position;
    this.#had = 0;
    this.#again = 0;
  }
}
