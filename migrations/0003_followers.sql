-- Where followers stand. Their tables are made by their own code, in the schema read, one set of
-- tables a generation: a rebuild fills the next generation beside the live one and promotes it.
create schema read;

create table read.followers (
    name       text    not null,
    generation integer not null check (generation > 0),
    -- The version of the follower's code that fills this generation.
    version    integer not null,
    state      text    not null check (state in ('building', 'live', 'retired')),
    position   bigint  not null check (position >= 0),
    hash       bytea   not null check (length(hash) = 32),
    updated_at timestamptz not null default now(),
    primary key (name, generation)
);
-- At most one generation of a follower is live.
create unique index followers_live on read.followers (name) where state = 'live';

grant usage, create on schema read to club_service;
grant select, insert, update, delete on read.followers to club_service;
