// The client of the live feed against a server that is played by hand.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NotSignedIn, type Status } from "../src/api/live.ts";
import { Stage } from "./live/server.ts";

const wallet = (gold: number) => ({ user_id: 23, gold, gold_paid: 0, gold_free: gold, vip_points: 0, debt: 0 });

async function staged(play: (stage: Stage) => Promise<void>, options = {}): Promise<void> {
  const stage = new Stage(options);
  try {
    await play(stage);
  } finally {
    stage.end();
  }
  assert.equal(stage.clock.waiting, 0, "nothing goes on after the end");
}

const last = (stage: Stage): Status | undefined => stage.statuses[stage.statuses.length - 1];

test("it takes a ticket, connects and subscribes; a state and what follows are handed on", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.feed.start();
    stage.feed.start();
    const socket = await stage.connected();
    assert.equal(socket.url, "wss://club/api/realtime/sync?ticket=ticket%201");
    assert.deepEqual(socket.said, [{ type: "subscribe", channel: "me" }]);
    assert.deepEqual(last(stage), { kind: "connected", session: "s" });
    socket.state("me", 10, wallet(1000));
    socket.told("balance_update", "me", 12, wallet(900));
    socket.mark("me", 15);
    const [state, told] = stage.changes;
    assert.ok(state?.kind === "state" && state.channel === "me" && !state.isReload);
    assert.ok(told?.kind === "told" && told.channel === "me");
    assert.ok(told.message.type === "balance_update");
    assert.equal(told.message.data.gold, 900);
    assert.deepEqual(stage.heard(), ["state 10", "told 12", "mark 15"]);
  }));

test("what came before a cut in the middle of an event is left out after it", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.feed.start();
    let socket = await stage.connected();
    socket.state("me", 10, wallet(1000));
    // The first of two messages about an event: its cursor is in front of it.
    socket.told("purchase_update", "me", 12, { status: "completed" }, 11);
    socket.ends(1006);
    assert.deepEqual(stage.heard(), ["state 10", "told 12"]);
    socket = await stage.connected(250);
    assert.deepEqual(socket.said, [{ type: "subscribe", channel: "me", since: "c11" }]);
    socket.resumed("me", 11);
    socket.told("purchase_update", "me", 12, { status: "completed" }, 11);
    socket.told("balance_update", "me", 12, wallet(1100));
    socket.mark("me", 15);
    // None of these has any right to come.
    socket.told("balance_update", "me", 12, wallet(1100));
    socket.told("balance_update", "me", 15, wallet(7));
    socket.mark("me", 14);
    socket.told("balance_update", "me", 16, wallet(1200));
    assert.deepEqual(stage.heard(), ["resumed 11", "told 12", "mark 15", "told 16"]);
  }));

test("a state instead of what was missed says that it is one, on each channel by itself", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.listen("catalog");
    stage.feed.start();
    let socket = await stage.connected();
    socket.state("me", 10, wallet(1000));
    // The catalogue's state never came.
    socket.ends(1006);
    stage.heard();
    socket = await stage.connected(250);
    assert.deepEqual(socket.said, [
      { type: "subscribe", channel: "me", since: "c10" },
      { type: "subscribe", channel: "catalog" },
    ]);
    // The database was restored: the log is shorter than it was.
    socket.state("me", 5, wallet(900));
    socket.state("catalog", 5, { items: [] });
    const reloads = stage.changes.map((change) => change.kind === "state" && change.isReload);
    assert.deepEqual(reloads, [true, false]);
    socket.told("balance_update", "me", 6, wallet(950));
    assert.deepEqual(stage.heard(), ["state 5", "state 5", "told 6"]);
  }));

test("what goes on without a beginning is no good server", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.feed.start();
    const socket = await stage.connected();
    socket.told("balance_update", "me", 9, wallet(1));
    assert.deepEqual(stage.heard(), [], "nothing is told before the channel is open");
    socket.resumed("me", 10);
    assert.equal(last(stage)?.kind, "cut");
    assert.ok(socket.isClosed);
  }));

for (const [code, why] of [[4400, "not-understood"], [4403, "forbidden"], [4409, "replaced"]] as const) {
  test(`after ${code} it does not come back by itself`, () =>
    staged(async (stage) => {
      stage.feed.start();
      (await stage.connected()).ends(code);
      assert.deepEqual(last(stage), { kind: "ended", why, reason: "so" });
      await stage.clock.pass(3_600_000);
      assert.equal(stage.tickets, 1);
      // By somebody's wish it does.
      stage.feed.start();
      await stage.connected();
    }));
}

for (const code of [4401, 4408]) {
  test(`after ${code} it comes back at once, with a new ticket and its cursors`, () =>
    staged(async (stage) => {
      stage.listen("me");
      stage.feed.start();
      const socket = await stage.connected();
      socket.state("me", 10, wallet(1000));
      socket.ends(code);
      const again = await stage.connected(0);
      assert.match(again.url, /ticket%202$/);
      assert.equal(again.said[0]?.["since"], "c10");
    }));
}

for (const [code, first, second] of [[1006, 250, 500], [1011, 250, 500], [1012, 2000, 2000], [4429, 2000, 2000]] as const) {
  test(`after ${code} it waits ${first} milliseconds at most, then ${second}`, () =>
    staged(async (stage) => {
      stage.feed.start();
      let socket = await stage.connected();
      for (const pause of [first, second]) {
        socket.ends(code);
        assert.deepEqual(last(stage), { kind: "cut", code, reason: "so", pause });
        await stage.clock.pass(pause - 1);
        assert.equal(socket, stage.sockets[stage.sockets.length - 1], "not before");
        socket = await stage.connected(1);
      }
    }));
}

test("pauses are by chance, grow up to a limit, and are short again once it went well", () => {
  const by = [0.5, 0, 1];
  let next = 0;
  return staged(
    async (stage) => {
      stage.listen("me");
      stage.feed.start();
      let socket = await stage.connected();
      const pauses: number[] = [];
      for (let round = 0; round < 12; round += 1) {
        socket.ends(1006);
        const status = last(stage);
        assert.ok(status?.kind === "cut");
        pauses.push(status.pause);
        socket = await stage.connected(status.pause);
      }
      assert.deepEqual(pauses.slice(0, 4), [125, 0, 1000, 1000]);
      assert.equal(Math.max(...pauses), 20_000);
      socket.state("me", 10, wallet(1));
      socket.ends(1006);
      const status = last(stage);
      assert.ok(status?.kind === "cut" && status.pause <= 250);
    },
    { random: () => by[next++ % by.length] ?? 0 },
  );
});

test("a ticket that cannot be had now is asked for again; one that cannot be had at all ends it", () => {
  const answers = [new Error("503"), new Error("no network"), new NotSignedIn("signed out")];
  return staged(
    async (stage) => {
      stage.feed.start();
      await stage.clock.pass(0);
      assert.ok(last(stage)?.kind === "cut");
      await stage.clock.pass(250);
      assert.ok(last(stage)?.kind === "cut");
      await stage.clock.pass(500);
      assert.deepEqual(last(stage), { kind: "ended", why: "signed-out", reason: "signed out" });
    },
    { ticket: () => Promise.reject(answers.shift() ?? new Error("too often")) },
  );
});

test("4401 before any greeting is no reason to hurry", () =>
  staged(async (stage) => {
    stage.feed.start();
    await stage.clock.pass(0);
    stage.sockets[0]?.ends(4401);
    assert.deepEqual(last(stage), { kind: "cut", code: 4401, reason: "so", pause: 250 });
  }));

test("a server that is silent is asked, and then given up", () =>
  staged(async (stage) => {
    stage.feed.start();
    const socket = await stage.connected();
    await stage.clock.pass(44_999);
    socket.say({ type: "ping" });
    assert.deepEqual(socket.said, [{ type: "pong" }]);
    await stage.clock.pass(45_000);
    assert.deepEqual(socket.said.slice(1), [{ type: "ping" }]);
    socket.say({ type: "pong" });
    await stage.clock.pass(45_000);
    assert.deepEqual(socket.said.slice(2), [{ type: "ping" }]);
    assert.equal(last(stage)?.kind, "connected");
    await stage.clock.pass(45_000);
    assert.deepEqual(last(stage), { kind: "cut", code: 1006, reason: "the server is silent", pause: 250 });
    assert.ok(socket.isClosed);
  }));

test("connecting that leads nowhere is given up, and what still comes of it is not heard", () => {
  let grant: (ticket: string) => void = () => {};
  return staged(
    async (stage) => {
      stage.feed.start();
      await stage.clock.pass(15_000);
      assert.equal(last(stage)?.kind, "cut");
      grant("too late");
      await stage.clock.pass(0);
      assert.equal(stage.sockets.length, 0);
    },
    { ticket: () => new Promise<string>((resolve) => (grant = resolve)) },
  );
});

test("what an earlier connection still says is not heard", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.feed.start();
    const earlier = await stage.connected();
    earlier.state("me", 10, wallet(1000));
    stage.feed.stop();
    stage.feed.start();
    const socket = await stage.connected();
    assert.deepEqual(socket.said, [{ type: "subscribe", channel: "me", since: "c10" }]);
    stage.heard();
    earlier.told("balance_update", "me", 11, wallet(1));
    earlier.ends(4403);
    socket.resumed("me", 10);
    assert.deepEqual(stage.heard(), ["resumed 10"]);
    assert.equal(last(stage)?.kind, "connected");
  }));

for (const nonsense of ["", "x", "null", "[]", "{}", "7", new ArrayBuffer(4)]) {
  test(`${JSON.stringify(nonsense)} is no message: it comes back`, () =>
    staged(async (stage) => {
      stage.feed.start();
      const socket = await stage.connected();
      socket.onmessage?.({ data: nonsense });
      assert.ok(last(stage)?.kind === "cut" && socket.isClosed);
      await stage.connected(250);
    }));
}

test("what is not known is passed over, and counts as having come", () =>
  staged(async (stage) => {
    stage.listen("me");
    stage.feed.start();
    const socket = await stage.connected();
    socket.say({ type: "news", text: "of a newer server" });
    socket.state("me", 10, { ...wallet(1000), more: true });
    socket.told("jackpot_update", "me", 11, {});
    socket.told("balance_update", "weather", 12, {});
    assert.deepEqual(stage.heard(), ["state 10", "told 11"]);
    socket.ends(4408);
    assert.equal((await stage.connected()).said[0]?.["since"], "c11");
  }));

test("who leaves a channel and comes again at once hears of the second subscription only", () =>
  staged(async (stage) => {
    stage.feed.start();
    const socket = await stage.connected();
    const leave = stage.listen("catalog");
    leave();
    leave();
    stage.listen("catalog");
    assert.throws(() => stage.listen("catalog"), /already/);
    assert.deepEqual(socket.said.map(({ type }) => type), ["subscribe", "unsubscribe", "subscribe"]);
    socket.state("catalog", 10, { items: [] });
    socket.told("catalog_update", "catalog", 11, {});
    socket.say({ type: "unsubscribed", channel: "catalog" });
    assert.deepEqual(stage.heard(), []);
    socket.state("catalog", 12, { items: [] });
    socket.told("catalog_update", "catalog", 13, {});
    assert.deepEqual(stage.heard(), ["state 12", "told 13"]);
  }));

test("a channel that is refused, or taken away, is told and not asked for again; the others go on", () =>
  staged(async (stage) => {
    stage.listen("admin");
    stage.listen("leaderboard:7");
    stage.listen("me");
    stage.feed.start();
    let socket = await stage.connected();
    socket.say({ type: "error", channel: "leaderboard:7", code: "NO_LEADERBOARD", detail: "none" });
    socket.state("admin", 10, { items: [] });
    socket.state("me", 10, wallet(1));
    socket.say({ type: "unsubscribed", channel: "admin" });
    assert.deepEqual(stage.heard(), ["refused NO_LEADERBOARD", "state 10", "state 10", "refused UNSUBSCRIBED"]);
    socket.ends(4408);
    socket = await stage.connected();
    assert.deepEqual(socket.said, [{ type: "subscribe", channel: "me", since: "c10" }]);
  }));

test("who is here is not in the log: several messages have one position, and there is no cursor", () =>
  staged(async (stage) => {
    stage.listen("system");
    stage.feed.start();
    let socket = await stage.connected();
    socket.state("system", 10, { items: [] });
    socket.told("system", "system", 10, { kind: "online", online: 1 });
    socket.told("system", "system", 10, { kind: "online", online: 2 });
    socket.mark("system", 11);
    socket.told("system", "system", 11, { kind: "online", online: 3 });
    socket.told("system", "system", 9, { kind: "online", online: 9 });
    assert.deepEqual(stage.heard(), ["state 10", "told 10", "told 10", "mark 11", "told 11"]);
    socket.ends(4408);
    socket = await stage.connected();
    assert.deepEqual(socket.said, [{ type: "subscribe", channel: "system" }]);
  }));

test("a feed may be on another node each time", () => {
  let node = 0;
  return staged(
    async (stage) => {
      stage.feed.start();
      (await stage.connected()).ends(4408);
      assert.match((await stage.connected()).url, /^wss:\/\/node2\//);
    },
    { url: () => `wss://node${++node}/api/realtime/sync` },
  );
});
