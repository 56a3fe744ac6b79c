-- States of long streams, so that they need not be folded from their first event each time. Beside the
-- log, never part of it: whoever deletes a row, or all of them, changes nothing but how long a load
-- takes.
create table snapshots (
    aggregate_type text   not null,
    aggregate_id   text   not null,
    -- The version of the state's shape in the code that wrote it: other code does not read it.
    version        integer not null,
    -- The last event in it, and that event's hash, which stands for all history before. If the log has
    -- another event there, or none, it went back in time, and the snapshot does not count.
    sequence       bigint not null check (sequence > 0),
    hash           bytea  not null check (length(hash) = 32),
    state          json   not null,
    primary key (aggregate_type, aggregate_id)
);

grant select, insert, update, delete on snapshots to club_service;
