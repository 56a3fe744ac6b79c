-- The log: the only truth. Everything else in this database can be thrown away and rebuilt from it,
-- except the tables of the identity schema and event_texts, which hold what must stay erasable.

-- The role that the service works as. Its rights are all it has: it does not own a table of the log.
-- Roles belong to the whole cluster, so another database's migration may have made it already.
do $$
begin
    create role club_service nologin;
exception when duplicate_object or unique_violation then
    null;
end
$$;

-- One row that appends lock and nobody ever updates: updated once a batch, its dead versions would
-- pile up under any open snapshot and make the lock slower and slower. The head of the log is the
-- last event by position.
create table log_head (
    is_only boolean primary key default true check (is_only),
    log_id  uuid    not null default gen_random_uuid()
);
insert into log_head default values;

create table events (
    -- The columns of postgres-es, by its names, so that its repository can read streams.
    aggregate_type text   not null,
    aggregate_id   text   not null,
    sequence       bigint not null check (sequence > 0),
    event_type     text   not null,
    event_version  text   not null,
    -- json, not jsonb: the text as written is what is hashed.
    payload        json   not null,
    metadata       json   not null,
    -- Gapless from 1 and given under the lock: position order = commit order = visibility order.
    position       bigint primary key check (position > 0),
    recorded_at    timestamptz not null,
    hash           bytea  not null check (length(hash) = 32),
    -- The idempotency key stands with the first event of the command that carried it, for good.
    command_key         text,
    command_caller      text,
    command_fingerprint bytea,
    command_events      integer,
    unique (aggregate_type, aggregate_id, sequence),
    check ((command_key is null) = (command_caller is null)
       and (command_key is null) = (command_fingerprint is null)
       and (command_key is null) = (command_events is null))
);

-- Key first: time-ordered keys (UUIDv7) then insert at the right edge of the index.
create unique index events_command_key on events (command_key, command_caller)
    where command_key is not null;

-- Free text about people (reasons, notes) by the position of its event. Not in the log, so that it
-- can be erased without touching the log.
create table event_texts (
    position bigint primary key,
    text     text not null
);

create function log_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only: % on % refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger events_append_only before update or delete on events
    for each row execute function log_is_append_only();
create trigger events_no_truncate before truncate on events
    for each statement execute function log_is_append_only();

-- Takes the lock until the transaction ends. For the appender's slow way and for restores.
create function lock_log() returns void
language sql security definer set search_path = public, pg_temp as
    'select 1 from log_head for update';

-- Inserts a batch if the log's head is still where the writer believes it: then nothing has
-- happened that the writer has not seen, and all its decisions stand. Returns whether it did.
-- Lock and look are two statements: one would look through the snapshot from before the lock.
create function append_events(
    expected_position bigint,
    expected_hash     bytea,
    batch_recorded_at timestamptz,
    aggregate_types   text[],
    aggregate_ids     text[],
    sequences         bigint[],
    event_types       text[],
    event_versions    text[],
    payloads          text[],
    metadatas         text[],
    hashes            bytea[],
    command_keys         text[],
    command_callers      text[],
    command_fingerprints bytea[],
    command_event_counts integer[],
    text_positions    bigint[],
    texts             text[]
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    head record;
begin
    -- An empty batch only asks whether the head stands (a refusal's confirmation): no lock needed.
    if cardinality(sequences) > 0 then
        perform 1 from log_head for update;
    end if;
    select e.position, e.hash into head from events e order by e.position desc limit 1;
    if coalesce(head.position, 0) <> expected_position
       or (expected_position > 0 and head.hash <> expected_hash) then
        return false;
    end if;
    insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version,
                        payload, metadata, position, recorded_at, hash,
                        command_key, command_caller, command_fingerprint, command_events)
    select t, i, s, et, ev, p::json, m::json, expected_position + n, batch_recorded_at, h,
           k, c, f, ce
      from unnest(aggregate_types, aggregate_ids, sequences, event_types, event_versions,
                  payloads, metadatas, hashes,
                  command_keys, command_callers, command_fingerprints, command_event_counts)
           with ordinality as batch(t, i, s, et, ev, p, m, h, k, c, f, ce, n);
    if cardinality(text_positions) > 0 then
        insert into event_texts select * from unnest(text_positions, texts);
    end if;
    return true;
end
$$;

-- Numbers behind receipt codes, handed out in blocks of 1,000.
create sequence code_numbers increment by 1000 minvalue 0 start with 0;

revoke all on function lock_log() from public;
revoke all on function append_events from public;
grant usage on schema public to club_service;
grant execute on function lock_log() to club_service;
grant execute on function append_events to club_service;
grant select on log_head, events to club_service;
-- Erasure removes texts; nothing ever changes one.
grant select, delete on event_texts to club_service;
grant usage on sequence code_numbers to club_service;
