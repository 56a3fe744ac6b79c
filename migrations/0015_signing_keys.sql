-- Keys that sign access tokens, one after another. A private key is made of CLUB_SIGNING_KEY and the nonce:
-- the table alone signs nothing. What a key does at a moment follows from these times alone
-- (api/src/auth/signing/ring.rs), so nothing has to be stepped on. Access tokens of the old key end here;
-- refresh tokens go on.
drop table identity.signing_keys;
create table identity.signing_keys (
    kid          text primary key,
    nonce        bytea not null,
    public_key   bytea not null check (length(public_key) = 32),
    -- Since when verifiers can know it.
    published_at timestamptz not null,
    -- It signs until another one does.
    signs_from   timestamptz not null,
    -- From then on nothing that it has signed is believed.
    revoked_at   timestamptz
);

grant select, insert, update, delete on identity.signing_keys to club_service;
