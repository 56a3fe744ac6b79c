-- What whoever feeds the analytical store (ClickHouse) keeps here. Its place is in read.followers, and on the
-- store's own side.
create schema olap;

-- The range of positions that is being inserted: written before the first try, and tried again unchanged until it
-- is in, whoever tries.
create table olap.pending (
    sink          text   primary key,
    from_position bigint not null check (from_position > 0),
    to_position   bigint not null check (to_position >= from_position),
    to_hash       bytea  not null check (length(to_hash) = 32)
);

-- Events that could not be brought in, each with the reason: nothing is left out without standing here.
create table olap.set_aside (
    sink         text   not null,
    position     bigint not null,
    event_type   text   not null,
    reason       text   not null,
    set_aside_at timestamptz not null default now(),
    primary key (sink, position)
);

grant usage on schema olap to club_service;
grant select, insert, update, delete on olap.pending, olap.set_aside to club_service;
