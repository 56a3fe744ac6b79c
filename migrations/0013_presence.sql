-- Who is connected to which node right now. Worth nothing after a crash, so not logged.
create schema live;
create unlogged table live.nodes (
    node    uuid primary key,
    players bigint[] not null,
    -- A node that has not said anything for a while has gone, and its players with it.
    seen_at timestamptz not null
);

grant usage on schema live to club_service;
grant select, insert, update, delete on live.nodes to club_service;
