-- Second factors: codes that a phone shows (RFC 6238). That somebody has one stands in the log
-- (totp_enrolled, totp_removed); here is what codes are made of.
create table identity.totp (
    id           bigint generated always as identity primary key,
    user_id      bigint not null references identity.users (id) on delete cascade,
    -- A secret is made of this and CLUB_TOTP_KEY: the table alone gives no codes.
    nonce        bytea not null,
    created_at   timestamptz not null,
    -- When a code of it was first shown. Null: it was begun, and nobody has.
    confirmed_at timestamptz,
    -- The latest half minute of which a code was used: each works once, on all nodes together.
    last_step    bigint not null default 0
);
-- Whoever begins again has another secret in the same place.
create unique index totp_begun on identity.totp (user_id) where confirmed_at is null;
create index totp_of_user on identity.totp (user_id);

-- For whoever lost the phone. 80 random bits each, so a plain hash gives nothing away. Used is deleted.
create table identity.recovery_codes (
    enrolment bigint not null references identity.totp (id) on delete cascade,
    code_hash bytea not null,
    primary key (enrolment, code_hash)
);

-- Whether signing in took a code, besides the password.
alter table identity.sessions add column second_factor boolean not null default false;

grant select, insert, update, delete on identity.totp, identity.recovery_codes to club_service;
