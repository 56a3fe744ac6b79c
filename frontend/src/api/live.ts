// The client of the live feed: it takes a ticket, connects, subscribes, and comes back after every cut
// with its last cursors. What a listener is told is, channel by channel, everything once and in order, or
// a state that replaces all there was. docs/live-feed.md is the protocol.

import type { FromClient, FromServer } from "./live.schema.ts";
import type { Channel, Listener } from "./live/channels.ts";
import { afterClose, Pause, type End, type Pauses } from "./live/endings.ts";
import { Place } from "./live/place.ts";

export type { Channel, Change, Listener, StateOf, UpdateOf } from "./live/channels.ts";
export type { End } from "./live/endings.ts";

export const PROTOCOL = "club.live.v1";

/** Thrown by `ticket` where coming back would change nothing: nobody is signed in any more. */
export class NotSignedIn extends Error {}

/** What of a browser's WebSocket is used; `ws` for Node has it, too. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(): void;
}

export type SocketClass = new (url: string, protocol: string) => Socket;

/** Whether there is a connection. */
export type Status =
  | { kind: "connecting" }
  | { kind: "connected"; session: string }
  | { kind: "cut"; code: number; reason: string; pause: number }
  | { kind: "ended"; why: End; reason: string };

export interface Options {
  /** Of the feed: `wss://…/api/realtime/sync`. A function may name another node each time. */
  url: string | (() => string);
  /** A new ticket, from `POST /api/realtime/ticket`. */
  ticket: () => Promise<string>;
  onStatus?: (status: Status) => void;
  /** Instead of the one that the platform has. */
  WebSocket?: SocketClass;
  /** Milliseconds. */
  pauses?: Partial<Pauses>;
  /** Milliseconds from asking for a ticket to the first message. */
  connecting?: number;
  /** Milliseconds without a message until the server is asked whether it is there; and then once more
   *  until the connection is given up. */
  silence?: number;
  random?: () => number;
}

type OnChannel = Exclude<FromServer, { type: "hello" | "ping" | "pong" }>;

interface Subscription {
  place: Place;
  listener: Listener<Channel>;
}

/** One connection, or a try at one. What an earlier one still says is not heard. */
interface Line {
  socket?: Socket;
  hasBeenIn: boolean;
  hasAsked: boolean;
  /** Channels that were left, and how often, without the server's word for it yet: what comes of them
   *  until then is of an earlier subscription. */
  leaving: Map<string, number>;
  timer?: ReturnType<typeof setTimeout>;
}

/** See the file. Nothing happens before `start`. */
export class LiveFeed {
  readonly #options: Options;
  readonly #pause: Pause;
  readonly #subscriptions = new Map<string, Subscription>();
  #line: Line | undefined;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #isOn = false;

  constructor(options: Options) {
    this.#options = options;
    this.#pause = new Pause(options.pauses ?? {}, options.random ?? Math.random);
  }

  /** Connects, and stays connected. */
  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#comeBack(0);
  }

  /** Ends it; `start` goes on where it was. */
  stop(): void {
    this.#isOn = false;
    clearTimeout(this.#waiting);
    this.#hangUp();
  }

  /** Listens to a channel; one listener each. The answer ends it. */
  subscribe<C extends Channel>(channel: C, listener: Listener<C>): () => void {
    if (this.#subscriptions.has(channel)) throw new Error(`there is a listener to ${channel} already`);
    // A channel's messages are its own: see #tell.
    const subscription = { place: new Place(channel), listener: listener as unknown as Listener<Channel> };
    this.#subscriptions.set(channel, subscription);
    if (this.#line?.hasBeenIn) this.#ask(channel, subscription);
    return () => {
      if (this.#subscriptions.get(channel) !== subscription) return;
      this.#subscriptions.delete(channel);
      if (this.#line?.hasBeenIn) this.#leave(this.#line, channel);
    };
  }

  #leave(line: Line, channel: string): void {
    line.leaving.set(channel, (line.leaving.get(channel) ?? 0) + 1);
    this.#say({ type: "unsubscribe", channel });
  }

  #comeBack(pause: number): void {
    this.#waiting = setTimeout(() => void this.#connect(), pause);
  }

  async #connect(): Promise<void> {
    const line: Line = { hasBeenIn: false, hasAsked: false, leaving: new Map() };
    this.#line = line;
    this.#tellStatus({ kind: "connecting" });
    if (this.#line !== line) return;
    const late = this.#options.connecting ?? 15_000;
    line.timer = setTimeout(() => this.#cut(line, 1006, "connecting took too long"), late);
    try {
      const ticket = await this.#options.ticket();
      if (this.#line === line) this.#open(line, ticket);
    } catch (error) {
      if (this.#line !== line) return;
      if (error instanceof NotSignedIn) this.#end("signed-out", error.message);
      else this.#cut(line, 1006, `no ticket: ${String(error)}`);
    }
  }

  #open(line: Line, ticket: string): void {
    const { url, WebSocket } = this.#options;
    const address = typeof url === "function" ? url() : url;
    const Socket = WebSocket ?? (globalThis.WebSocket as unknown as SocketClass);
    const socket = new Socket(`${address}?ticket=${encodeURIComponent(ticket)}`, PROTOCOL);
    line.socket = socket;
    socket.onmessage = ({ data }) => {
      if (this.#line === line) this.#hear(line, data);
    };
    socket.onclose = ({ code, reason }) => this.#cut(line, code, reason);
    // The close that follows says all there is to know.
    socket.onerror = () => {};
  }

  #hear(line: Line, data: unknown): void {
    const message = read(data);
    if (!message) return this.#cut(line, 1006, "what came was no message");
    this.#listenFor(line);
    if (message.type === "hello") return this.#enter(line, message.session);
    if (message.type === "ping") return this.#say({ type: "pong" });
    if (message.type === "pong" || !("channel" in message)) return;
    if (isOfAnEarlier(message, line.leaving)) return;
    const subscription = this.#subscriptions.get(message.channel);
    // What nobody has asked for is nobody's business.
    if (subscription && !this.#tell(subscription, message)) {
      this.#cut(line, 1006, "neither resumed nor a state");
    }
  }

  #enter(line: Line, session: string): void {
    line.hasBeenIn = true;
    for (const [channel, subscription] of this.#subscriptions) this.#ask(channel, subscription);
    this.#tellStatus({ kind: "connected", session });
  }

  #ask(channel: string, { place }: Subscription): void {
    const since = place.ask();
    this.#say(since === undefined ? { type: "subscribe", channel } : { type: "subscribe", channel, since });
  }

  /** False, if the server contradicts itself. */
  #tell({ place, listener }: Subscription, message: OnChannel): boolean {
    const { channel } = message as { channel: Channel };
    switch (message.type) {
      case "subscribed": {
        const { position, cursor } = message;
        this.#pause.reset();
        if (message.recovered) {
          if (!place.resume()) return false;
          listener({ kind: "resumed", channel, position });
        } else {
          const isReload = place.begin(position, cursor);
          listener({ kind: "state", channel, position, state: message.state, isReload });
        }
        return true;
      }
      case "mark":
        if (place.mark(message.position, message.cursor)) {
          listener({ kind: "mark", channel, position: message.position });
        }
        return true;
      case "unsubscribed":
        // This listener has not asked for that.
        this.#refuse(channel, listener, "UNSUBSCRIBED", "the channel was taken away");
        return true;
      case "error":
        this.#refuse(channel, listener, message.code, message.detail);
        return true;
      default:
        if (place.hear(message.position, message.cursor)) {
          listener({ kind: "told", channel, position: message.position, message });
        }
        return true;
    }
  }

  #refuse(channel: Channel, listener: Listener<Channel>, code: string, detail: string): void {
    this.#subscriptions.delete(channel);
    listener({ kind: "refused", channel, code, detail });
  }

  #listenFor(line: Line): void {
    line.hasAsked = false;
    this.#wait(line);
  }

  #wait(line: Line): void {
    clearTimeout(line.timer);
    line.timer = setTimeout(() => {
      if (line.hasAsked) return this.#cut(line, 1006, "the server is silent");
      line.hasAsked = true;
      this.#say({ type: "ping" });
      this.#wait(line);
    }, this.#options.silence ?? 45_000);
  }

  #cut(line: Line, code: number, reason: string): void {
    if (this.#line !== line) return;
    this.#hangUp();
    const after = afterClose(code, line.hasBeenIn);
    if (typeof after === "object") return this.#end(after.end, reason);
    const pause = after === "at-once" ? 0 : this.#pause.next(after);
    this.#comeBack(pause);
    this.#tellStatus({ kind: "cut", code, reason, pause });
  }

  #end(why: End, reason: string): void {
    this.stop();
    this.#tellStatus({ kind: "ended", why, reason });
  }

  #hangUp(): void {
    const line = this.#line;
    this.#line = undefined;
    if (!line) return;
    clearTimeout(line.timer);
    for (const { place } of this.#subscriptions.values()) place.close();
    line.socket?.close();
  }

  #say(message: FromClient): void {
    try {
      this.#line?.socket?.send(JSON.stringify(message));
    } catch {
      // It is closing: that is told.
    }
  }

  #tellStatus(status: Status): void {
    this.#options.onStatus?.(status);
  }
}

/** Whether a message is of a subscription that was left since. The server answers in order. */
function isOfAnEarlier(message: OnChannel, leaving: Map<string, number>): boolean {
  const times = leaving.get(message.channel) ?? 0;
  if (times > 0 && message.type === "unsubscribed") leaving.set(message.channel, times - 1);
  return times > 0;
}

function read(data: unknown): FromServer | undefined {
  try {
    const message: unknown = typeof data === "string" ? JSON.parse(data) : undefined;
    if (typeof message !== "object" || message === null || !("type" in message)) return undefined;
    return message as FromServer;
  } catch {
    return undefined;
  }
}
