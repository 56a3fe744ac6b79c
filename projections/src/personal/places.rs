//! Every table, what of it is read out to the person whom it is about, and what is done with it when they
//! are erased: in this order. Statements may name `subject` ([`super::SUBJECT`]).
//!
//! Read models are not here: they are made of the log, hold what it holds, and are read out by their
//! column `player_id`.

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its name, with its schema.
    pub table: &'static str,
    /// What is read out of it.
    pub export: Export,
    /// What is done with it.
    pub erase: Erase,
}

/// What is read out of a table.
#[derive(Debug, Clone, Copy)]
pub enum Export {
    /// What this selects: a column with a JSON value, a row each.
    Rows(&'static str),
    /// It is about the person, and is kept back: why.
    Withheld(&'static str),
    /// It is about nobody.
    Nothing,
}

/// What is done with a table when somebody is erased.
#[derive(Debug, Clone, Copy)]
pub enum Erase {
    /// These statements, each by itself: they may be repeated.
    By(&'static [&'static str]),
    /// It stays: why.
    Kept(&'static str),
}

use Erase::{By, Kept};
use Export::{Nothing, Rows, Withheld};

/// Columns that are kept back from what is read out of tables of which everything else is.
pub const WITHHELD: &[(&str, &str)] = &[
    ("identity.users.password_hash", "whoever has it can guess the password at leisure"),
    ("identity.sessions.successor_key", "with it refresh tokens can be made"),
    ("identity.mail_tokens.token_id", "links that were mailed are made of it"),
    ("identity.mail_tokens.token_hash", "a hash of a link that was mailed"),
    ("mail.outbox.token_id", "links that were mailed are made of it"),
    ("mail.outbox.key", "it may hold what such a link is made of"),
];

/// The log's streams of a person, and whatever else in the log says that it concerns them.
macro_rules! about_them {
    ($event:literal) => {
        concat!(
            "((",
            $event,
            ".aggregate_type in ('account', 'activity', 'identity') and ",
            $event,
            ".aggregate_id in (select name from subject)) or ",
            $event,
            ".metadata->>'player' in (select name from subject))"
        )
    };
}

/// Receipts of purchases for money, as the log has them.
macro_rules! their_receipts {
    () => {
        "(select payload->>'receipt_code' from events
           where aggregate_type = 'account' and aggregate_id in (select name from subject)
             and event_type = 'purchase_requested')"
    };
}

/// Messages of the provider about their purchases: by receipt, or by the provider's name of the payment.
macro_rules! their_messages {
    () => {
        concat!(
            "(receipt_code in ",
            their_receipts!(),
            " or payment in
               (select intent_id from payments.stripe_intents where receipt_code in ",
            their_receipts!(),
            "))"
        )
    };
}

/// See the module.
pub const PLACES: &[Place] = &[
    // Texts first: as long as the log says whom they are about, they are found again.
    Place {
        table: "public.event_texts",
        export: Rows(concat!(
            "select json_build_object('position', said.position, 'text', said.text)
               from event_texts said join events event using (position)
              where ", about_them!("event"), " order by said.position")),
        erase: By(&[concat!(
            "delete from event_texts said using events event
              where event.position = said.position and ", about_them!("event"))]),
    },
    Place {
        table: "payments.webhooks",
        export: Rows(concat!(
            "select to_jsonb(message) - 'body'
                    || jsonb_build_object('body', encode(message.body, 'escape'))
               from payments.webhooks message where ", their_messages!(), " order by received_at")),
        // What is not settled yet is still a hint, as far as it names no person.
        erase: By(&[
            concat!("delete from payments.webhooks where ", their_messages!(),
                    " and coalesce(settled_at, given_up_at) is not null"),
            concat!("update payments.webhooks set body = '', reason = null, error = null
                      where ", their_messages!(), " and body <> ''"),
        ]),
    },
    Place {
        table: "payments.stripe_intents",
        export: Rows(concat!(
            "select to_jsonb(intent) from payments.stripe_intents intent
              where receipt_code in ", their_receipts!(), " order by created_at")),
        erase: Kept("ids only: the bank may take money back that only this can be matched with"),
    },
    Place {
        table: "sandbox.charges",
        export: Rows(concat!(
            "select to_jsonb(charge) from sandbox.charges charge
              where receipt_code in ", their_receipts!(), " order by created_at")),
        erase: By(&[concat!(
            "update sandbox.charges set card = null
              where card is not null and receipt_code in ", their_receipts!())]),
    },
    Place {
        table: "sandbox.refunds",
        export: Rows(concat!(
            "select to_jsonb(refund) from sandbox.refunds refund join sandbox.charges using (charge_id)
              where receipt_code in ", their_receipts!(), " order by refund.created_at")),
        erase: Kept("amounts and ids only"),
    },
    Place {
        table: "sandbox.agenda",
        export: Rows(concat!(
            "select to_jsonb(deed) from sandbox.agenda deed join sandbox.charges using (charge_id)
              where receipt_code in ", their_receipts!(), " order by number")),
        erase: Kept("ids only, and deleted when it is done"),
    },
    Place {
        table: "sandbox.webhooks",
        export: Rows(concat!(
            "select to_jsonb(letter) from sandbox.webhooks letter
              where receipt_code in ", their_receipts!(), " order by event_id")),
        erase: Kept("ids only, and deleted when it is delivered"),
    },
    Place {
        table: "identity.sign_in_failures",
        export: Rows(
            "select json_build_object('failures', failures, 'since', since,
                                      'locked_until', locked_until)
               from identity.sign_in_failures where who in (select who from subject)",
        ),
        erase: By(&["delete from identity.sign_in_failures where who in (select who from subject)"]),
    },
    Place {
        table: "identity.realtime_tickets",
        export: Withheld("hashes of tickets that open a live feed, for half a minute"),
        erase: By(&[
            "delete from identity.realtime_tickets where user_id in (select id from subject)",
        ]),
    },
    Place {
        table: "identity.refresh_tokens",
        export: Withheld("hashes of refresh tokens"),
        erase: By(&[
            "delete from identity.refresh_tokens where session_id in
                (select id from identity.sessions where user_id in (select id from subject))",
        ]),
    },
    Place {
        table: "identity.sessions",
        export: Rows(
            "select to_jsonb(session) - 'successor_key' from identity.sessions session
              where user_id in (select id from subject) order by began_at",
        ),
        erase: By(&["delete from identity.sessions where user_id in (select id from subject)"]),
    },
    Place {
        table: "identity.recovery_codes",
        export: Withheld("hashes of codes that stand for a second factor"),
        erase: By(&[
            "delete from identity.recovery_codes where enrolment in
                (select id from identity.totp where user_id in (select id from subject))",
        ]),
    },
    Place {
        table: "identity.totp",
        export: Withheld("the secret of a second factor"),
        erase: By(&["delete from identity.totp where user_id in (select id from subject)"]),
    },
    Place {
        table: "identity.mail_tokens",
        export: Rows(
            "select json_build_object('purpose', purpose, 'email', email)
               from identity.mail_tokens where user_id in (select id from subject)",
        ),
        erase: By(&["delete from identity.mail_tokens where user_id in (select id from subject)"]),
    },
    Place {
        table: "mail.outbox",
        export: Rows(
            "select to_jsonb(mail) - 'token_id' - 'key' from mail.outbox mail
              where user_id in (select id from subject) order by id",
        ),
        // What a mail server said may name somebody in words of its own.
        erase: By(&["delete from mail.outbox where user_id in (select id from subject)"]),
    },
    Place {
        table: "live.nodes",
        export: Nothing,
        erase: Kept("numbers of who is connected right now: sockets end with an erasure"),
    },
    Place {
        table: "identity.users",
        export: Rows(
            "select to_jsonb(person) - 'password_hash' from identity.users person
              where id in (select id from subject)",
        ),
        erase: By(&["delete from identity.users where id in (select id from subject)"]),
    },
    // States of streams, made of numbers: they cost nothing but time to make again.
    Place {
        table: "public.snapshots",
        export: Nothing,
        erase: By(&[
            "delete from snapshots where aggregate_type in ('account', 'activity', 'identity')
                and aggregate_id in (select name from subject)",
        ]),
    },
    Place {
        table: "public.events",
        export: Rows(
            "select json_build_object('position', position, 'recorded_at', recorded_at,
                    'family', aggregate_type, 'sequence', sequence, 'type', event_type,
                    'version', event_version, 'payload', payload, 'metadata', metadata)
               from events
              where aggregate_type in ('account', 'activity', 'identity')
                and aggregate_id in (select name from subject) order by position",
        ),
        erase: Kept("numbers only, by construction; it is never changed"),
    },
    Place {
        table: "public.log_head",
        export: Nothing,
        erase: Kept("the log's own id"),
    },
    Place {
        table: "public._sqlx_migrations",
        export: Nothing,
        erase: Kept("which migrations have run"),
    },
    Place {
        table: "read.followers",
        export: Nothing,
        erase: Kept("where followers stand"),
    },
    Place {
        table: "olap.pending",
        export: Nothing,
        erase: Kept("positions on their way to the analytical store"),
    },
    Place {
        table: "olap.set_aside",
        export: Nothing,
        erase: Kept("positions that did not get there, and why: the log says whose they are"),
    },
    Place {
        table: "identity.signing_keys",
        export: Nothing,
        erase: Kept("the club's own keys"),
    },
    Place {
        table: "mail.campaigns",
        export: Nothing,
        erase: Kept("how far each mailing is"),
    },
    Place {
        table: "identity.services",
        export: Nothing,
        erase: Kept("programs, not people"),
    },
];

/// What of the read models names a person otherwise than by `player_id`: the staff's deeds about them, the
/// account's by its own stream.
pub(super) const AUDIT: &str = "
    select to_jsonb(line) from (
        select event.position, stretch.actor, stretch.action, event.aggregate_type as family,
               stretch.target
          from read.audit stretch join events event using (position)
         where stretch.target in (select name from subject)
           and (event.aggregate_type in ('activity', 'identity')
                or stretch.action = 'personal_data_seen')
        union all
        select position, 'admin:' || (metadata->>'actor_id'), event_type, aggregate_type, aggregate_id
          from events
         where aggregate_type = 'account' and aggregate_id in (select name from subject)
           and metadata->>'actor_kind' = 'admin') line
    order by position";
