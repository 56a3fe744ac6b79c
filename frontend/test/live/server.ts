// The server's side of a feed, played by hand.

import type { Channel, Change, Options, Socket, Status } from "../../src/api/live.ts";
import { LiveFeed, PROTOCOL } from "../../src/api/live.ts";
import { Clock } from "./clock.ts";

type Message = Record<string, unknown>;

/** A socket whose other end is the test. */
export class HandSocket implements Socket {
  readonly url: string;
  readonly protocol: string;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly said: Message[] = [];
  isClosed = false;

  constructor(url: string, protocol: string) {
    this.url = url;
    this.protocol = protocol;
  }

  send(text: string): void {
    if (this.isClosed) throw new Error("it is closed");
    this.said.push(JSON.parse(text) as Message);
  }

  close(): void {
    this.isClosed = true;
  }

  say(message: Message): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  hello(): void {
    this.say({ type: "hello", head: 1, session: "s" });
  }

  state(channel: string, position: number, state: unknown): void {
    const cursor = `c${position}`;
    this.say({ type: "subscribed", channel, recovered: false, position, cursor, state });
  }

  resumed(channel: string, position: number): void {
    this.say({ type: "subscribed", channel, recovered: true, position, cursor: `c${position}` });
  }

  told(type: string, channel: string, position: number, data: unknown, cursor = position): void {
    this.say({ type, channel, position, cursor: `c${cursor}`, data });
  }

  mark(channel: string, position: number): void {
    this.say({ type: "mark", channel, position, cursor: `c${position}` });
  }

  ends(code: number, reason = "so"): void {
    this.isClosed = true;
    this.onclose?.({ code, reason });
  }
}

/** A feed, its sockets, and all that it has said to whoever uses it. */
export class Stage {
  readonly clock = new Clock();
  readonly sockets: HandSocket[] = [];
  readonly statuses: Status[] = [];
  readonly changes: Change<Channel>[] = [];
  tickets = 0;
  readonly feed: LiveFeed;

  constructor(options: Partial<Options> = {}) {
    const { sockets } = this;
    class Recorded extends HandSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        if (protocol !== PROTOCOL) throw new Error(`not our protocol: ${protocol}`);
        sockets.push(this);
      }
    }
    this.feed = new LiveFeed({
      url: "wss://club/api/realtime/sync",
      ticket: () => Promise.resolve(`ticket ${++this.tickets}`),
      WebSocket: Recorded,
      onStatus: (status) => this.statuses.push(status),
      random: () => 1,
      ...options,
    });
  }

  /** Subscribes to a channel, and writes down what comes. */
  listen(channel: Channel): () => void {
    return this.feed.subscribe(channel, (change) => this.changes.push(change));
  }

  /** The next connection, after so long, up to its greeting. */
  async connected(after = 0): Promise<HandSocket> {
    const before = this.sockets.length;
    await this.clock.pass(after);
    const socket = this.sockets[this.sockets.length - 1];
    if (!socket || this.sockets.length !== before + 1) throw new Error(`not one new connection`);
    socket.hello();
    return socket;
  }

  /** What was told since this was last asked, in short. */
  heard(): string[] {
    return this.changes.splice(0).map((change) => `${change.kind} ${"position" in change ? change.position : change.code}`);
  }

  end(): void {
    this.feed.stop();
    this.clock.putAway();
  }
}
