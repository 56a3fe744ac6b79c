// What each channel tells, by the published schema.

import type { FromServer, LeaderboardState, LeaderboardUpdate } from "../live.schema.ts";

type Leaderboard = `leaderboard:${number}`;

/** What can be listened to. */
export type Channel = "me" | "catalog" | "events" | "admin" | "system" | Leaderboard;

/** All of a channel at a position. */
export type StateOf<C extends Channel> = C extends Leaderboard
  ? LeaderboardState["state"]
  : Extract<FromServer, { type: "subscribed"; channel: C; recovered: false }>["state"];

/** A message about something that happened on a channel. Of a newer server, it may be of a type that is not
 *  listed: that is passed over. */
export type UpdateOf<C extends Channel> = C extends Leaderboard
  ? LeaderboardUpdate
  : Extract<FromServer, { channel: C; data: unknown }>;

/** What a listener is told. */
export type Change<C extends Channel> =
  /** This is the channel now, whatever was known of it before; `isReload`, if something was: between that
   *  and this, something may have been missed. */
  | { kind: "state"; channel: C; position: number; state: StateOf<C>; isReload: boolean }
  /** The channel goes on where it was: nothing is missing. */
  | { kind: "resumed"; channel: C; position: number }
  /** Something has happened. */
  | { kind: "told"; channel: C; position: number; message: UpdateOf<C> }
  /** Everything up to here has been told. */
  | { kind: "mark"; channel: C; position: number }
  /** The server does not give this channel, or not any more; the others go on. */
  | { kind: "refused"; channel: C; code: string; detail: string };

export type Listener<C extends Channel> = (change: Change<C>) => void;
