-- Mail: where it goes to, and what is still to be sent.

-- An address is used once its owner has confirmed it; until then it stands with the link that was mailed to
-- it. No two people share a confirmed one, whatever case they write it in.
alter table identity.users
    add column email           text,
    -- Mailings about offers and news: off until somebody asks for them.
    add column marketing_mail  boolean not null default false,
    -- Raised by every change of what its owner may change: the ETag of a profile.
    add column profile_version integer not null default 1;
create unique index users_email_key on identity.users (lower(email)) where email is not null;

-- Links that were mailed and can be used once: the newest of each kind counts. The token in a link is made
-- of token_id and a key that is not in the database; what comes back is known again by its hash.
create table identity.mail_tokens (
    user_id    bigint not null references identity.users (id) on delete cascade,
    purpose    text   not null check (purpose in ('confirm_email', 'password_reset')),
    token_id   text   not null unique,
    token_hash bytea  not null unique,
    -- The address that the link confirms.
    email      text,
    expires_at timestamptz not null,
    primary key (user_id, purpose)
);

grant select, insert, update, delete on identity.mail_tokens to club_service;

-- One row for each mail that is due or was sent. Nothing personal is in it: it is rendered when it is sent,
-- from the event at its position and from what is known of the person then. So no row refers to a person's
-- row, and erasing somebody leaves numbers.
create schema mail;

create table mail.outbox (
    id          bigint generated always as identity primary key,
    -- What the mail is about, once: a repeat makes no second row.
    key         text   not null unique,
    kind        text   not null,
    user_id     bigint not null,
    -- The event that it is about.
    position    bigint,
    -- The link that it carries.
    token_id    text,
    campaign_id bigint,
    -- The mail that the staff had sent once more.
    resent_of   bigint,
    status      text   not null check (status in ('queued', 'sent', 'failed', 'no_address', 'suppressed',
                                                  'not_configured', 'obsolete', 'unknown')),
    attempts    integer     not null default 0,
    created_at  timestamptz not null,
    -- When it is tried next.
    due_at      timestamptz not null,
    -- When its status became final.
    finished_at timestamptz,
    -- The last words of the mail server, without addresses.
    server_said text
);
create index outbox_due on mail.outbox (due_at, id) where status = 'queued' and campaign_id is null;
create index outbox_of_user on mail.outbox (user_id, id);
create index outbox_of_campaign on mail.outbox (campaign_id, status) where campaign_id is not null;

-- A campaign whose recipients stand in the outbox, all of them, in the transaction that wrote this row.
create table mail.campaigns (
    id            bigint  primary key,
    recipients    bigint  not null,
    -- When the last of its mails was taken to be sent: all nodes together keep one pace.
    last_taken_at timestamptz
);

grant usage on schema mail to club_service;
grant select, insert, update, delete on mail.outbox, mail.campaigns to club_service;
