-- Tables with the columns of one subject each, filled from events by materialised views: a row for each event that
-- is about it, under the event's position. ReplacingMergeTree for the same reason as there.

create table if not exists gold_movements (
    position        UInt64,
    recorded_at     DateTime64(6, 'UTC'),
    at              DateTime64(6, 'UTC'),
    player          Int64,
    direction       Int8,
    movement        LowCardinality(String),
    counter_account LowCardinality(String),
    reference       String,
    gold_paid       UInt64,
    gold_free       UInt64,
    debt_paid       UInt64,
    debt_free       UInt64,
    balance_paid    UInt64,
    balance_free    UInt64,
    balance_debt    UInt64
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by position
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_gold_movements to gold_movements as
select position, recorded_at, at, player, direction, movement, counter_account, reference, gold_paid, gold_free,
       debt_paid, debt_free, balance_paid, balance_free, balance_debt
  from events where direction != 0;

create table if not exists purchases (
    position    UInt64,
    recorded_at DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    player      Int64,
    receipt     String,
    step        LowCardinality(String),
    ware        LowCardinality(String),
    quantity    UInt16,
    -- Asked for (requested), or given back this time (refunded, charged_back, captured_late).
    cents       UInt64,
    currency    LowCardinality(String),
    -- Promised (requested), or spent (bought).
    gold        UInt64,
    reason      LowCardinality(String)
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by position
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_purchases to purchases as
select position, recorded_at, at, player, receipt, step, ware, quantity, cents, currency, gold, reason
  from events where step != '';

create table if not exists rewards (
    position    UInt64,
    recorded_at DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    player      Int64,
    reward      LowCardinality(String),
    goals       Array(String),
    gold        UInt64,
    vip_points  UInt64,
    xp          UInt64,
    items       UInt16
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by position
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_rewards to rewards as
select position, recorded_at, at, player, reward, goals, reward_gold as gold, reward_points as vip_points,
       reward_xp as xp, reward_items as items
  from events where reward != '';

-- A row for each goal: mission/3/2026-11-25, event/2/2026-11-25T00:00:00Z; a requirement of an event that is met
-- has its number besides.
create table if not exists participations (
    position    UInt64,
    recorded_at DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    player      Int64,
    goal        String,
    -- joined, reached, claimed
    step        LowCardinality(String)
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by (position, goal)
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_participations to participations as
select position, recorded_at, at, player, arrayJoin(goals) as goal, goal_step as step
  from events where goal_step != '';

-- What players did themselves: what they asked for, and what a game server saw them do.
create table if not exists activity (
    position    UInt64,
    recorded_at DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    player      Int64,
    type        LowCardinality(String),
    action      LowCardinality(String),
    amount      UInt64
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by position
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_activity to activity as
select position, recorded_at, at, player, type, action, amount
  from events where player != 0 and (actor_kind = 'player' or type = 'action_recorded');

create table if not exists sign_ups (
    position    UInt64,
    recorded_at DateTime64(6, 'UTC'),
    at          DateTime64(6, 'UTC'),
    player      Int64
) engine = ReplacingMergeTree partition by toYYYYMM(recorded_at) order by position
settings non_replicated_deduplication_window = 1000;

create materialized view if not exists to_sign_ups to sign_ups as
select position, recorded_at, at, player from events where type = 'account_opened';
