-- The sandbox provider learns what real ones do: it leaves charges undecided, gives money back, has
-- it taken back by a bank, and sends messages about it. Still another company's database.
alter table sandbox.charges
    drop constraint charges_state_check,
    add constraint charges_state_check
        check (state in ('pending', 'captured', 'declined', 'voided')),
    add column receipt_code   text,
    -- The card's token, where it is one that does something unusual.
    add column card           text,
    add column refunded_cents bigint  not null default 0,
    add column charged_back   boolean not null default false,
    add constraint charges_refunded_check check (refunded_cents between 0 and amount_cents);

-- Each refund that it was asked for, by our name for it, so that a repeat gives nothing back twice.
create table sandbox.refunds (
    refund_id    text primary key,
    charge_id    text   not null references sandbox.charges,
    amount_cents bigint not null check (amount_cents > 0),
    created_at   timestamptz not null
);

-- What it will do by itself, and when. Done is deleted.
create table sandbox.agenda (
    number    bigint generated always as identity primary key,
    charge_id text        not null references sandbox.charges,
    deed      text        not null check (deed in ('capture', 'decline', 'refund', 'charge_back')),
    due_at    timestamptz not null
);
create index agenda_due on sandbox.agenda (due_at);

-- Messages that nobody has confirmed yet. What is confirmed, or refused too often, is deleted.
create table sandbox.webhooks (
    event_id     text primary key,
    receipt_code text        not null,
    status       text        not null,
    reason_code  text,
    -- How often it is sent, even if the first is confirmed.
    copies       integer     not null default 1 check (copies > 0),
    tries        integer     not null default 0,
    due_at       timestamptz not null
);
create index webhooks_due on sandbox.webhooks (due_at);

grant select, insert on sandbox.refunds to club_service;
grant select, insert, update, delete on sandbox.agenda, sandbox.webhooks to club_service;
