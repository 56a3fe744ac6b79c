// Screens on a real club, for the test that holds what they show against the log (tests/it/faults/live):
// each line of the output is what one of them was told. Ends when the input does.
//
//   node live.screens.js '[{"origin": "http://127.0.0.1:8000", "token": "…"}, …]'

import { WebSocket } from "ws";

import { LiveFeed, NotSignedIn, type SocketClass } from "../src/api/live.ts";

interface Wish {
  origin: string;
  token: string;
}

async function ticket({ origin, token }: Wish): Promise<string> {
  const answer = await fetch(`${origin}/api/realtime/ticket`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(5_000),
  });
  if (answer.status === 401) throw new NotSignedIn(await answer.text());
  if (!answer.ok) throw new Error(`${answer.status}`);
  return ((await answer.json()) as { ticket: string }).ticket;
}

function open(screen: number, wish: Wish): LiveFeed {
  const tell = (what: object) => process.stdout.write(`${JSON.stringify({ screen, ...what })}\n`);
  const feed = new LiveFeed({
    url: `${wish.origin.replace("http", "ws")}/api/realtime/sync`,
    ticket: () => ticket(wish),
    WebSocket: WebSocket as unknown as SocketClass,
    onStatus: tell,
    pauses: { first: 4, longest: 100 },
    connecting: 5_000,
    silence: 5_000,
  });
  feed.subscribe("me", tell);
  feed.start();
  return feed;
}

const wishes = JSON.parse(process.argv[2] ?? "[]") as Wish[];
const feeds = wishes.map((wish, screen) => open(screen, wish));
process.stdin.resume().on("end", () => {
  feeds.forEach((feed) => feed.stop());
});
