//! The key behind links in mails and behind Message-IDs. It is made of the club's fingerprint key, so it is
//! the same on every node and not in the database: whoever has the database alone can make no link.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::PlayerId;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::tokens::Purpose;
use crate::config::Secret;

/// See the module.
#[derive(Clone)]
pub struct MailKey([u8; 32]);

impl MailKey {
    /// Of the club's fingerprint key, for mail alone.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(mac_under(secret.reveal().as_bytes(), "club/mail/v1", ""))
    }

    /// The token in a link.
    #[must_use]
    pub fn token(&self, purpose: Purpose, token_id: &str) -> String {
        URL_SAFE_NO_PAD.encode(mac_under(&self.0, purpose.name(), token_id))
    }

    /// What lets somebody out of campaigns without signing in. It never expires.
    #[must_use]
    pub fn unsubscribe(&self, player: PlayerId) -> String {
        let mac = mac_under(&self.0, "unsubscribe", &player.to_string());
        // 128 bits will do, and make a shorter link.
        let mac = mac.get(..16).unwrap_or_default();
        format!("{player}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Whom such a token lets out.
    #[must_use]
    pub fn who_unsubscribes(&self, token: &str) -> Option<PlayerId> {
        let (player, given) = token.split_once('.')?;
        let player: PlayerId = player.parse().ok()?;
        let given = URL_SAFE_NO_PAD.decode(given).ok().filter(|given| given.len() == 16)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(b"unsubscribe\0");
        mac.update(player.to_string().as_bytes());
        mac.verify_truncated_left(&given).ok().map(|()| player)
    }

    /// The left part of a mail's Message-ID: the same for a mail however often it is sent.
    #[must_use]
    pub fn message_id(&self, key: &str) -> String {
        let mac = mac_under(&self.0, "message_id", key);
        mac.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn mac_under(key: &[u8], label: &str, text: &str) -> [u8; 32] {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha256>::new_from_slice(key).ok().map(|mut mac| {
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    });
    mac.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> MailKey {
        MailKey::new(&Secret::from(secret.to_owned()))
    }

    #[test]
    fn whoever_has_the_link_is_let_out_and_nobody_else() {
        let link = key("a").unsubscribe(PlayerId(23));
        assert_eq!(key("a").who_unsubscribes(&link), Some(PlayerId(23)));
        let of_another = link.replace("23.", "24.");
        for bad in ["", ".", "23.", "23.AAAA", &of_another, &link[..link.len() - 1]] {
            assert_eq!(key("a").who_unsubscribes(bad), None, "{bad}");
        }
        assert_eq!(key("b").who_unsubscribes(&link), None);
    }

    #[test]
    fn tokens_differ_by_purpose_id_and_key() {
        let one = key("a").token(Purpose::PasswordReset, "1");
        assert_eq!(one, key("a").token(Purpose::PasswordReset, "1"));
        assert_ne!(one, key("a").token(Purpose::ConfirmEmail, "1"));
        assert_ne!(one, key("a").token(Purpose::PasswordReset, "2"));
        assert_ne!(one, key("b").token(Purpose::PasswordReset, "1"));
    }
}
