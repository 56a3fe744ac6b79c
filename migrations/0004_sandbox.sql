-- The sandbox payment provider's own records: another company's database, as far as the club is
-- concerned. Nothing joins them, and they survive our crashes as a real provider's would.
create schema sandbox;

create table sandbox.charges (
    charge_id    text primary key,
    state        text   not null check (state in ('captured', 'declined', 'voided')),
    amount_cents bigint not null check (amount_cents >= 0),
    currency     text   not null,
    reason       text,
    created_at   timestamptz not null default now()
);

grant usage on schema sandbox to club_service;
grant select, insert, update on sandbox.charges to club_service;
