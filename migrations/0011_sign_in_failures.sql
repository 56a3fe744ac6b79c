-- Wrong passwords, counted for each name, so that guessing one takes for ever, also across restarts and
-- nodes. Who is a keyed fingerprint: of the user's number, so that all names of one person count
-- together, or of what was typed, if nobody has that name: it counts the same, so that nothing tells
-- who exists, and people do type their passwords there.
create table identity.sign_in_failures (
    who          bytea primary key,
    failures     integer not null check (failures > 0),
    -- The first of those that count.
    since        timestamptz not null,
    -- Until then nobody signs in under the name. Null: there have not been so many.
    locked_until timestamptz
);
-- What is too old to count is deleted by whoever adds another.
create index sign_in_failures_since on identity.sign_in_failures (since);

grant select, insert, update, delete on identity.sign_in_failures to club_service;
