-- Messages of the payment provider, kept raw before anything is made of them: what is only a hint
-- must not be lost. Not part of the log, so that they can be erased.
create schema if not exists payments;

create table payments.webhooks (
    -- The provider's own name for the message: each counts once.
    event_id     text        primary key,
    provider     text        not null,
    receipt_code text,
    -- The provider's name for the payment, where the message does not name the purchase.
    payment      text,
    status       text        not null,
    reason       text,
    body         bytea       not null,
    received_at  timestamptz not null default now(),
    -- Settled when the log is in line with the provider; what can never be is given up, and says why.
    settled_at   timestamptz,
    given_up_at  timestamptz,
    attempts     integer     not null default 0,
    next_try_at  timestamptz not null default now(),
    error        text
);
create index webhooks_open on payments.webhooks (next_try_at)
    where settled_at is null and given_up_at is null;

grant usage on schema payments to club_service;
grant select, insert, update, delete on payments.webhooks to club_service;
