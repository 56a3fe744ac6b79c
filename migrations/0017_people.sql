-- People who are signed up and edited by the staff. Who has signed somebody up, and with which role, must
-- be known until the account is open: whoever finishes a sign-up that was cut off does it in that name.
alter table identity.users
    -- The number of who of the staff made the row. Null: they signed up themselves.
    add column made_by   bigint,
    -- The role that the account is opened with. Null: a player's, or it is open.
    add column role_wish text;

-- The staff looks at everybody's sessions, the latest first.
create index sessions_by_beginning on identity.sessions (began_at, id);
