-- Programs outside that speak to the club, such as game servers: who they are and what they may do.
-- Their secrets stand nowhere: each is made of CLUB_SERVICE_KEY, the id and the version. So a copy of
-- this table lets nobody in, and a row that was written without the key neither.
create table identity.services (
    id         text primary key check (id ~ '^[a-z0-9-]{1,40}$'),
    -- Such as actions:* or actions:play_count.
    scopes     text[] not null check (cardinality(scopes) > 0),
    -- Counts the secrets that it has had, also from before it was revoked: none ever comes back.
    version    integer not null default 1 check (version > 0),
    created_at timestamptz not null default now(),
    -- When the secret was last changed over: the one before it counts for a while longer. Null: only
    -- the present one counts.
    rotated_at timestamptz,
    revoked_at timestamptz
);

-- No delete: a row that was gone and came again would start from version 1, whose secret is known.
grant select, insert, update on identity.services to club_service;
