-- Every event of the log, once: who, what, when, and what it means, read by the club's own types. All other tables
-- are made of this one by materialised views, so one insert is the whole of a range of positions.
--
-- A range is one block with one token: a repeat is dropped, here and in the views. What would slip through all the
-- same (a range cut otherwise after a restored ClickHouse) is replaced, since position is the key: sums are taken
-- from rows by position (`final`), never from sums. Partitions are months of recorded_at, which grows with the
-- position.
create table if not exists events (
    position        UInt64,
    -- The event's hash in the log's chain: the sink's place is the last row's position and hash.
    hash            FixedString(32),
    recorded_at     DateTime64(6, 'UTC'),
    -- When it happened, by the event's own word.
    at              DateTime64(6, 'UTC'),
    family          LowCardinality(String),
    stream          String,
    sequence        UInt64,
    type            LowCardinality(String),
    version         LowCardinality(String),
    -- Whom it is about; 0 for nobody.
    player          Int64,
    actor_kind      LowCardinality(String),
    actor           String,
    -- As it stands in the log; empty when its time is over (CLICKHOUSE_RAW_DAYS).
    payload         String codec(ZSTD(1)),
    metadata        String codec(ZSTD(1)),

    -- Gold that moved: 1 into the wallet, -1 out of it, 0 for nothing.
    direction       Int8,
    movement        LowCardinality(String),
    counter_account LowCardinality(String),
    reference       String,
    gold_paid       UInt64,
    gold_free       UInt64,
    -- What was repaid (in) or is owed now (out) besides.
    debt_paid       UInt64,
    debt_free       UInt64,
    balance_paid    UInt64,
    balance_free    UInt64,
    balance_debt    UInt64,

    -- A step of a purchase: requested, completed, failed, voided, refunded, charged_back, captured_late; for gold:
    -- bought.
    step            LowCardinality(String),
    receipt         String,
    ware            LowCardinality(String),
    quantity        UInt16,
    cents           UInt64,
    currency        LowCardinality(String),
    gold            UInt64,
    reason          LowCardinality(String),

    -- A reward, and what for: event, mission, place, gift, streak, vip.
    reward          LowCardinality(String),
    reward_gold     UInt64,
    reward_points   UInt64,
    reward_xp       UInt64,
    reward_items    UInt16,

    -- Goals that were joined, reached or claimed by it.
    goal_step       LowCardinality(String),
    goals           Array(String),

    -- What a player did, and how often or how much.
    action          LowCardinality(String),
    amount          UInt64
) engine = ReplacingMergeTree
partition by toYYYYMM(recorded_at)
order by position
settings non_replicated_deduplication_window = 1000;
