//! Letter boxes at the tests' mail server (see ops/smtp), and players who have one.

use std::path::PathBuf;
use std::time::Duration;

use mailparse::{MailHeaderMap, ParsedMail, parse_mail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::{Answer, App, demo_database};
use crate::database::Database;

/// Mail is there within this.
const SOON: Duration = Duration::from_secs(20);

/// Where the mail server is.
pub fn smtp_url() -> String {
    std::env::var("SMTP_TEST_URL")
        .expect("SMTP_TEST_URL is not set: run the tests with `make test`")
}

/// A letter box that nobody else has.
pub struct Mailbox {
    pub address: String,
    folder: PathBuf,
}

/// A mail as it arrived.
#[derive(Debug)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub message_id: String,
    pub raw: String,
    headers: Vec<(String, String)>,
}

impl Mailbox {
    /// The name says how the server treats it.
    pub fn new(name: &str) -> Self {
        Self::at(&format!("{name}.{:08x}@mail.test", rand::random::<u32>()))
    }

    /// The one at this address.
    pub fn at(address: &str) -> Self {
        let folder = std::env::var("SMTP_TEST_DIR").expect("SMTP_TEST_DIR goes with SMTP_TEST_URL");
        Self { folder: PathBuf::from(folder).join(address), address: address.to_owned() }
    }

    /// What has arrived so far.
    pub fn letters(&self) -> Vec<Letter> {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return vec![] };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "eml"));
        files.sort();
        files.iter().map(|path| letter(&std::fs::read(path).unwrap())).collect()
    }

    /// Waits until this many have arrived.
    pub async fn until(&self, count: usize) -> Vec<Letter> {
        let latest = Instant::now() + SOON;
        loop {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            assert!(Instant::now() < latest, "{} of {count} at {}", letters.len(), self.address);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the next one after so many.
    pub async fn next(&self, known: usize) -> Letter {
        self.until(known + 1).await.remove(known)
    }
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The token of the link in it, which text and HTML share.
    pub fn token(&self) -> String {
        let token = after(&self.text, "#");
        assert!(self.html.contains(&format!("#{token}\"")), "the same link: {}", self.html);
        token
    }
}

/// What follows a sign, up to the next space.
pub fn after(text: &str, sign: &str) -> String {
    let (_, rest) = text.split_once(sign).unwrap_or_else(|| panic!("no {sign} in {text}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

fn letter(raw: &[u8]) -> Letter {
    let mail = parse_mail(raw).unwrap();
    let part = |kind: &str| {
        let is_kind = |part: &&ParsedMail<'_>| part.ctype.mimetype == kind;
        let mut found = mail.subparts.iter().filter(is_kind);
        let body = found.next().unwrap_or_else(|| panic!("no part {kind}")).get_body().unwrap();
        assert!(found.next().is_none(), "one part {kind}");
        body.replace("\r\n", "\n")
    };
    assert_eq!(mail.ctype.mimetype, "multipart/alternative");
    let value = |name: &str| mail.headers.get_first_value(name).unwrap();
    Letter {
        subject: value("Subject"),
        text: part("text/plain"),
        html: part("text/html"),
        message_id: value("Message-ID"),
        raw: String::from_utf8_lossy(raw).into_owned(),
        headers: mail.headers.iter().map(|it| (it.get_key(), it.get_value())).collect(),
    }
}

/// A club that sends mail.
pub async fn club(more: &[(&str, &str)]) -> App {
    club_on(demo_database().await, more).await
}

/// The same on this database.
pub async fn club_on(database: Database, more: &[(&str, &str)]) -> App {
    let url = smtp_url();
    let settings = [&[("MAIL_SMTP_URL", url.as_str())], more].concat();
    App::start_on(database, &settings).await
}

/// Changes a profile.
pub async fn change(app: &App, token: &str, wish: Value) -> Answer {
    app.call(Method::PUT, "/api/users/profile", Some(token), Some(wish)).await
}

/// Confirms an address with the token that was mailed to it.
pub async fn confirm(app: &App, token: &str) -> Answer {
    app.post("/api/users/profile/email/confirm", None, json!({"token": token})).await
}

/// Gives a player this letter box as a confirmed address, and a language.
pub async fn settle(app: &App, (token, password): (&str, &str), mailbox: &Mailbox, language: &str) {
    let known = mailbox.letters().len();
    let wish = json!({
        "email": mailbox.address, "language": language, "current_password": password,
    });
    let changed = change(app, token, wish).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let confirmed = confirm(app, &mailbox.next(known).await.token()).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
}

/// Somebody's mails of a kind, as the staff sees them, once one of them stands like this.
pub async fn until(app: &App, admin: &str, user: i64, (kind, status): (&str, &str)) -> Value {
    let latest = Instant::now() + SOON;
    loop {
        let path = format!("/api/admin/mails?user_id={user}&kind={kind}");
        let listed = app.get(&path, Some(admin)).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        let items = listed.body["items"].as_array().unwrap().clone();
        if let Some(found) = items.iter().find(|mail| mail["status"] == status) {
            return found.clone();
        }
        assert!(Instant::now() < latest, "no {kind} is {status}: {}", listed.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
