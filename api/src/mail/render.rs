//! Templates: for each kind and language a text and an HTML form, in files. Values are escaped in HTML by the
//! engine; a missing one is an error, never an empty place.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::kind::Kind;
use crate::auth::users::Language;

/// A mail as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For the others.
    pub html: String,
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        const TEMPLATES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

templates!(
    "layout.html",
    "welcome.ko.txt",
    "welcome.ko.html",
    "welcome.en.txt",
    "welcome.en.html",
    "receipt.ko.txt",
    "receipt.ko.html",
    "receipt.en.txt",
    "receipt.en.html",
    "refund.ko.txt",
    "refund.ko.html",
    "refund.en.txt",
    "refund.en.html",
    "ban.ko.txt",
    "ban.ko.html",
    "ban.en.txt",
    "ban.en.html",
    "confirm_email.ko.txt",
    "confirm_email.ko.html",
    "confirm_email.en.txt",
    "confirm_email.en.html",
    "password_reset.ko.txt",
    "password_reset.ko.html",
    "password_reset.en.txt",
    "password_reset.en.html",
    "password_changed.ko.txt",
    "password_changed.ko.html",
    "password_changed.en.txt",
    "password_changed.en.html",
    "campaign.ko.txt",
    "campaign.ko.html",
    "campaign.en.txt",
    "campaign.en.html",
);

static ENGINE: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // A tag on a line of its own leaves no line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    engine.set_syntax(syntax);
    let is_html = |name: &str| name.ends_with(".html");
    engine.set_auto_escape_callback(move |name| match is_html(name) {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    for (name, source) in TEMPLATES {
        engine.add_template(name, source)?;
    }
    Ok(engine)
});

/// Renders a mail. The first line of its text form is the subject.
///
/// # Errors
/// If a template asks for what is not there: a defect.
pub fn render(kind: Kind, language: Language, context: &Value) -> anyhow::Result<Rendered> {
    let engine = ENGINE.as_ref().map_err(|error| anyhow::anyhow!("templates: {error:#}"))?;
    let code = language.code();
    let name = if kind == Kind::CampaignTest { Kind::Campaign } else { kind };
    let form = |form: &str| -> anyhow::Result<String> {
        let template = engine.get_template(&format!("{name}.{code}.{form}"))?;
        Ok(template.render(minijinja::Value::from(Serde(context)))?)
    };
    let (text, html) = (form("txt")?, form("html")?);
    let (subject, text) = text.split_once("\n\n").unwrap_or((&text, ""));
    Ok(Rendered { subject: one_line(subject), text: text.trim_end().to_owned() + "\n", html })
}

/// A text in one line that reads as it is written: without control characters, and without those that
/// turn the direction of what follows.
#[must_use]
pub fn one_line(text: &str) -> String {
    let is_turning = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let visible =
        |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let text: String = text.chars().filter(|c| !is_turning(*c)).map(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn everything(name: &str) -> Value {
        json!({
            "lang": "ko", "club": "Casino Club", "home": "https://club.test", "name": name,
            "link": "https://club.test/mail/x#t", "minutes": 30, "hours": 24, "at": "now",
            "receipt_code": "00c0ffee0001", "sku": "GOLD_PACK_SMALL", "quantity": 1,
            "amount": "$2.99", "gold": "100", "balance": "1,100", "left": "$0.00",
            "gold_taken": "100", "debt": "0", "until": "tomorrow", "title": name,
            "paragraphs": [{"text": name, "link": null}, {"link": "https://club.test/a", "text": ""}],
            "unsubscribe": "https://club.test/u", "is_test": false,
        })
    }

    #[test]
    fn every_kind_is_rendered_in_both_languages_and_no_name_becomes_markup_or_a_header() {
        let name = "<img src=x onerror=alert(1)>\"'&\u{202e}\r\nBcc: all@club.test";
        let clean = one_line(name);
        for kind in Kind::ALL {
            for language in [Language::Korean, Language::English] {
                let rendered = render(kind, language, &everything(&clean)).unwrap();
                let Rendered { subject, text, html } = &rendered;
                assert!(!subject.is_empty() && !text.trim().is_empty(), "{kind}");
                assert!(!subject.contains('\n') && !subject.contains('\u{202e}'), "{kind}");
                assert!(html.contains("</html>") && !html.contains("<img"), "{kind}: {html}");
                assert!(!html.contains("onerror=alert(1)>\""), "{kind}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_an_error() {
        assert!(render(Kind::Receipt, Language::Korean, &json!({"lang": "ko"})).is_err());
    }
}
