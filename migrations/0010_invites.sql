-- Uses of invites are counted in the log, in the append that opens the account. So a sign-up that is
-- still pending must know which invite it came with: whoever finishes it uses that one, and whoever
-- gives it up tells the log so. Null: the account is open, or the row is from before uses were counted.
alter table identity.users add column invite_code text;
