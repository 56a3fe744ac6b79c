// Histories by chance: a server that tells a log, and is cut off at any moment. Whatever the client's
// listener shows at a mark is what the log comes to there, and every message came once.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Change } from "../src/api/live.ts";
import { type HandSocket, Stage } from "./live/server.ts";

const HISTORIES = 400;
const STEPS = 120;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Happened {
  position: number;
  gold: number;
  /** How many purchases are told in front of the balance. */
  purchases: number;
}

/** The log, and one connection's place in it: what it still has to be told. */
class Server {
  readonly log: Happened[] = [];
  #head = 1;
  #untold: (() => void)[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  happen(socket: HandSocket | undefined): void {
    // Positions in between are of others.
    this.#head += 1 + Math.floor(this.#random() * 3);
    const purchases = Math.floor(this.#random() * 3);
    const event = { position: this.#head, gold: Math.floor(this.#random() * 1000), purchases };
    this.log.push(event);
    if (socket) this.#tell(socket, event);
  }

  /** What the log comes to at a position. */
  gold(position: number): number {
    return this.log.filter((event) => event.position <= position).pop()?.gold ?? 0;
  }

  /** Answers the subscription of a new connection: now and then, it cannot go on. */
  begin(socket: HandSocket): void {
    const since = socket.said.find(({ type }) => type === "subscribe")?.["since"];
    const seen = since === undefined ? undefined : Number(String(since).slice(1));
    this.#untold = [];
    if (seen === undefined || this.#random() < 0.15) {
      const [position, gold] = [this.#head, this.gold(this.#head)];
      this.#untold.push(() => socket.state("me", position, { gold }));
    } else {
      this.#untold.push(() => socket.resumed("me", seen));
      this.log.filter(({ position }) => position > seen).forEach((event) => this.#tell(socket, event));
    }
  }

  mark(socket: HandSocket): void {
    const position = this.#head;
    this.#untold.push(() => socket.mark("me", position));
  }

  /** Sends the next message; false, if there is none. */
  send(): boolean {
    const next = this.#untold.shift();
    next?.();
    return next !== undefined;
  }

  #tell(socket: HandSocket, { position, gold, purchases }: Happened): void {
    for (let number = 0; number < purchases; number += 1) {
      this.#untold.push(() => socket.told("purchase_update", "me", position, { number }, position - 1));
    }
    this.#untold.push(() => socket.told("balance_update", "me", position, { gold }));
  }
}

/** What a screen shows, held against the log at each mark. */
class Screen {
  readonly server: Server;
  gold: unknown;
  from = 0;
  purchases: string[] = [];
  marks = 0;

  constructor(server: Server) {
    this.server = server;
  }

  hear(change: Change<"me">): void {
    if (change.kind === "state") {
      this.gold = change.state.gold;
      this.from = change.position;
      this.purchases = [];
    } else if (change.kind === "told" && change.message.type === "balance_update") {
      this.gold = change.message.data.gold;
    } else if (change.kind === "told") {
      this.purchases.push(`${change.position}/${(change.message.data as { number?: number }).number}`);
    } else if (change.kind === "mark") {
      this.judge(change.position);
    }
  }

  judge(position: number): void {
    this.marks += 1;
    assert.equal(this.gold, this.server.gold(position), `at ${position}`);
    const between = this.server.log.filter((it) => it.position > this.from && it.position <= position);
    const expected = between.flatMap((it) => Array.from({ length: it.purchases }, (_, n) => `${it.position}/${n}`));
    assert.deepEqual(this.purchases, expected, `from ${this.from} to ${position}`);
  }
}

async function history(seed: number): Promise<number> {
  const random = chance(seed);
  const stage = new Stage({ random });
  const server = new Server(random);
  const screen = new Screen(server);
  stage.feed.subscribe("me", (change) => screen.hear(change));
  stage.feed.start();
  let socket: HandSocket | undefined;
  const connect = async () => {
    while (!socket) {
      socket = await stage.connected(20_000).catch(() => undefined);
    }
    server.begin(socket);
  };
  try {
    for (let step = 0; step < STEPS; step += 1) {
      if (!socket) await connect();
      const what = random();
      if (what < 0.35) server.happen(socket);
      else if (what < 0.8) server.send();
      else if (what < 0.9 && socket) server.mark(socket);
      else {
        socket?.ends([1006, 1012, 4408, 4401][Math.floor(random() * 4)] ?? 1006);
        socket = undefined;
      }
    }
    if (!socket) await connect();
    if (socket) server.mark(socket);
    while (server.send());
    return screen.marks;
  } finally {
    stage.end();
  }
}

test(`${HISTORIES} histories lose nothing and tell nothing twice`, async () => {
  let marks = 0;
  for (let seed = 0; seed < HISTORIES; seed += 1) {
    marks += await history(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    });
  }
  assert.ok(marks > 2 * HISTORIES, `only ${marks} marks`);
});
