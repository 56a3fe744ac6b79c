//! Who sends mail, and in whose name.

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};

use super::Secret;
use super::variables::{InvalidSetting, Setting, Variables};

/// In whose name mail is sent outside production.
pub(super) const DEMO_FROM: &str = "Casino Club <no-reply@club.example>";
/// Mails of a campaign in a minute, unless set.
const DEFAULT_PACE: u32 = 600;

/// See the module.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// `MAIL_SMTP_URL`: the mail server, `smtp://user:password@host:port`, with `?tls=required` for
    /// STARTTLS, or `smtps://…`. Without it no mail is sent, and each is kept as `not_configured`.
    pub smtp: Option<Secret>,
    /// `MAIL_FROM`: who sends; default `Casino Club <no-reply@club.example>`.
    pub from: Mailbox,
    /// `MAIL_CAMPAIGN_PER_MINUTE`: so many mails of campaigns go out in a minute at most, from all nodes
    /// together; default 600. The same on every node.
    pub campaigns_per_minute: u32,
}

/// A mail server's address.
struct SmtpUrl(String);

impl Setting for SmtpUrl {
    const EXPECTED: &'static str =
        "an address such as smtp://user:password@mail.example:587?tls=required";

    fn from_text(text: &str) -> Option<Self> {
        let is_url = AsyncSmtpTransport::<Tokio1Executor>::from_url(text).is_ok();
        is_url.then(|| Self(text.to_owned()))
    }
}

/// A sender.
struct Sender(Mailbox);

impl Setting for Sender {
    const EXPECTED: &'static str = "a name and an address: Casino Club <no-reply@club.example>";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// How many in a minute.
struct Pace(u32);

impl Setting for Pace {
    const EXPECTED: &'static str = "a number from 1 to 60000";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|pace| (1..=60_000).contains(pace)).map(Self)
    }
}

impl MailConfig {
    pub(super) fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let smtp = variables.optional::<SmtpUrl>("MAIL_SMTP_URL")?;
        let from = match variables.optional::<Sender>("MAIL_FROM")? {
            Some(Sender(from)) => from,
            None => super::variables::parse::<Sender>("MAIL_FROM", DEMO_FROM)?.0,
        };
        Ok(Self {
            smtp: smtp.map(|url| url.0.into()),
            from,
            campaigns_per_minute: variables
                .parse("MAIL_CAMPAIGN_PER_MINUTE", Pace(DEFAULT_PACE))?
                .0,
        })
    }

    /// Whether nobody said in whose name mail is sent.
    pub(super) fn has_demo_sender(&self) -> bool {
        self.from.to_string() == DEMO_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<MailConfig, InvalidSetting> {
        MailConfig::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_is_sent_unless_a_server_is_named_and_its_password_does_not_show() {
        let config = read(&[]).unwrap();
        assert!(config.smtp.is_none() && config.has_demo_sender());
        let url = ("MAIL_SMTP_URL", "smtps://club:hush@mail.example");
        let config = read(&[url, ("MAIL_FROM", "Club <hello@club.test>")]).unwrap();
        assert!(!config.has_demo_sender() && !format!("{config:?}").contains("hush"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (name, value) in [
            ("MAIL_SMTP_URL", "mail.example"),
            ("MAIL_SMTP_URL", "http://mail.example"),
            ("MAIL_FROM", "nobody"),
            ("MAIL_CAMPAIGN_PER_MINUTE", "0"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().to_string().starts_with(name), "{value}");
        }
    }
}
