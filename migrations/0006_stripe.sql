-- Which PaymentIntent stands for a charge at Stripe. Written before a card comes near the intent, so
-- only the one that stands here can ever take money: that survives crashes, and outlives the 24
-- hours for which Stripe remembers idempotency keys.
create schema payments;

create table payments.stripe_intents (
    charge_id    text primary key,
    receipt_code text        not null,
    -- None: the charge was given up before there was an intent, and never gets one.
    intent_id    text unique,
    -- The card is none that Stripe can charge.
    declined     boolean     not null default false,
    created_at   timestamptz not null
);

grant usage on schema payments to club_service;
grant select, insert, update on payments.stripe_intents to club_service;
