-- A sign-in and what follows from it is a session: a row here, listed and ended by its owner. That it was
-- ended stands in the log as well, so that every node knows it at once.
drop table identity.refresh_tokens;
create table identity.sessions (
    -- 30 hex digits.
    id           text primary key,
    user_id      bigint not null references identity.users (id) on delete cascade,
    began_at     timestamptz not null,
    last_used_at timestamptz not null,
    expires_at   timestamptz not null,
    -- What the browser says it is; for the owner, who has to know it again.
    user_agent   text,
    -- A refresh token's successor is made of the token and this: asked for twice, it is the same one, and
    -- nobody without the token can make it.
    successor_key bytea not null
);
create index sessions_of_user on identity.sessions (user_id, began_at);
create index sessions_expiry on identity.sessions (expires_at);

-- Refresh tokens are opaque and stored as hashes only.
create table identity.refresh_tokens (
    token_hash bytea primary key,
    session_id text not null references identity.sessions (id) on delete cascade,
    used_at    timestamptz
);
create index refresh_tokens_of_session on identity.refresh_tokens (session_id);

-- A live feed ends with the session whose ticket opened it.
truncate identity.realtime_tickets;
alter table identity.realtime_tickets
    add column session_id text not null,
    add column began_at   timestamptz not null;

-- Roles stand in the log.
alter table identity.users drop column role;

grant select, insert, update, delete on identity.sessions, identity.refresh_tokens to club_service;
