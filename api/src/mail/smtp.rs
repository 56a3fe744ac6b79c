//! The mail server, through lettre: messages as it takes them, and what its answers mean.

use std::time::Duration;

use anyhow::Context;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::compose::Letter;
use crate::config::Secret;

/// Connections kept open.
const CONNECTIONS: u32 = 4;
/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole mail may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most that is kept of what a server says.
const LONGEST_WORDS: usize = 300;

/// What came of giving a mail to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// It has it.
    Taken,
    /// It refused it, and may take it later. Its words.
    Later(String),
    /// It refused it for good. Its words.
    Never(String),
    /// It says that it takes nothing from us now. Its words.
    Shut(String),
    /// It cannot be reached, or broke off: it may or may not have the mail.
    Away(String),
}

/// See the module.
#[derive(Clone)]
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// At this address, in this name. Connects when there is something to send.
    pub(super) fn new(url: &Secret, from: Mailbox) -> anyhow::Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal())
            .ok()
            .context("MAIL_SMTP_URL cannot be used")?
            .timeout(Some(CONNECT_PATIENCE))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS))
            .build();
        Ok(Self { transport, from })
    }

    /// Whether the server can be reached and lets us in; if not, why.
    pub(super) async fn is_there(&self) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it does not answer".to_owned()),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err(too_slow()),
        }
    }

    /// Gives it a mail.
    pub(super) async fn give(&self, letter: &Letter, message_id: &str) -> Given {
        let message = match self.message(letter, message_id) {
            Ok(message) => message,
            Err(error) => return Given::Never(format!("not a mail: {error:#}")),
        };
        match tokio::time::timeout(PATIENCE, self.transport.send(message)).await {
            Ok(Ok(_)) => Given::Taken,
            Ok(Err(error)) => judged(&error),
            Err(_) => Given::Away(too_slow()),
        }
    }

    fn message(&self, letter: &Letter, message_id: &str) -> anyhow::Result<Message> {
        let domain = self.from.email.domain();
        // No names in headers: only the address of whom it goes to.
        let to = Mailbox::new(None, letter.to.parse()?);
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&letter.subject)
            .message_id(Some(format!("<{message_id}@{domain}>")))
            .raw_header(plain("Auto-Submitted", "auto-generated"))
            .raw_header(plain("Content-Language", letter.language));
        if let Some(link) = &letter.unsubscribe {
            let value = format!("<{link}>");
            let name = HeaderName::new_from_ascii_str("List-Unsubscribe");
            // A link that is folded or encoded is none; this one is made of ASCII, by us.
            let header = HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value);
            message = message
                .raw_header(header)
                .raw_header(plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        let (text, html) = (letter.text.clone(), letter.html.clone());
        Ok(message.multipart(MultiPart::alternative_plain_html(text, html))?)
    }
}

fn plain(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn too_slow() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn judged(error: &Error) -> Given {
    let code = error.status().map(u16::from);
    match code {
        // It does not let us in (RFC 4954), or closes: that is about us, not about this mail.
        Some(421 | 454 | 530 | 534 | 535 | 538) => Given::Shut(words(error)),
        None => Given::Away(words(error)),
        Some(_) if error.is_permanent() => Given::Never(words(error)),
        Some(_) => Given::Later(words(error)),
    }
}

/// What went wrong, in the server's words where it said some. Addresses are left out: nothing personal is
/// kept about a mail.
fn words(error: &Error) -> String {
    let mut said = error.to_string();
    if let (Some(code), Some(cause)) = (error.status(), std::error::Error::source(error)) {
        said = format!("{code} {cause}");
    } else if let Some(cause) = std::error::Error::source(error)
        && !said.contains(&cause.to_string())
    {
        said = format!("{said}: {cause}");
    }
    without_addresses(&said)
}

fn without_addresses(text: &str) -> String {
    let is_around = |c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c);
    let parts = text.split_inclusive(is_around);
    let hidden = |part: &str| match part.contains('@') {
        true => format!(
            "…{}",
            part.chars().last().filter(|c| is_around(*c)).map_or(String::new(), String::from)
        ),
        false => part.to_owned(),
    };
    parts.map(hidden).collect::<String>().chars().take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_kept_without_addresses() {
        let said = "550 5.1.1 <minjun@mail.test>: Recipient minjun@mail.test rejected";
        assert_eq!(without_addresses(said), "550 5.1.1 <…>: Recipient … rejected");
        assert_eq!(without_addresses("no"), "no");
    }

    // The transport wants to be told of a runtime when it is dropped.
    #[tokio::test]
    async fn a_message_carries_what_it_should_and_nothing_can_be_slipped_into_its_headers() {
        let url = Secret::from("smtp://localhost:25".to_owned());
        let smtp = Smtp::new(&url, "Club <no-reply@club.test>".parse().unwrap()).unwrap();
        let letter = Letter {
            to: "minjun@mail.test".to_owned(),
            language: "ko",
            subject: "영수증 \r\nBcc: all@club.test".to_owned(),
            text: "글".to_owned(),
            html: "<p>글</p>".to_owned(),
            unsubscribe: Some("https://club.test/api/mail/unsubscribe?token=23.abc".to_owned()),
        };
        let message = smtp.message(&letter, "00ff").unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Message-ID: <00ff@club.test>"), "{head}");
        assert!(
            head.contains(
                "List-Unsubscribe: <https://club.test/api/mail/unsubscribe?token=23.abc>"
            ),
            "{head}"
        );
        assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
        assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
