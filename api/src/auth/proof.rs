//! What somebody shows to prove who they are: the password, and a code where they have a second factor.
//! Wrong ones count together, and who has the password learns nothing by trying codes for longer than
//! anybody may.

use domain::id::{EnrolmentId, PlayerId};
use domain::identity::Identity;

use super::lockout::Who;
use super::sign_in;
use super::users::User;
use crate::app::App;
use crate::error::{ApiError, Reason};

/// What is shown.
pub struct Shown<'a> {
    /// The password.
    pub password: String,
    /// A code of the phone, or a recovery code.
    pub code: Code<'a>,
}

/// Whether a code belongs to it.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// The password is enough.
    NotAsked,
    /// If there is a second factor.
    IfEnrolled(Option<&'a str>),
}

/// Somebody who has proved who they are.
pub struct Proved {
    /// Who.
    pub user: User,
    /// The second factor of which they have shown a code.
    pub second_factor: Option<EnrolmentId>,
}

/// Insists that somebody shows the right things. The name is what they call themselves, the user whom it
/// names; `wrong` is what is told if the password is not the right one.
///
/// # Errors
/// If something is wrong or missing, or too much was.
pub async fn insist(
    app: &App,
    name: &str,
    user: Option<User>,
    shown: Shown<'_>,
    wrong: &'static str,
) -> Result<Proved, ApiError> {
    let who = app.lockout.who(name, user.as_ref().map(|user| user.id));
    app.lockout.insist_on_unlocked(who, app.commands.clock.now()).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let is_right = app.passwords.verify(shown.password, hash).await?;
    let Some(user) = user.filter(|_| is_right) else {
        app.lockout.tried(who, false, app.commands.clock.now()).await?;
        return Err(ApiError::new(Reason::InvalidCredentials, wrong));
    };
    let second_factor = insist_on_code(app, user.id, who, shown.code).await?;
    Ok(Proved { user, second_factor })
}

/// Insists that whoever is signed in shows the right things again: a stolen token is no way to guess them,
/// either.
///
/// # Errors
/// As [`insist`].
pub async fn of_signed_in(
    app: &App,
    player: PlayerId,
    shown: Shown<'_>,
) -> Result<Proved, ApiError> {
    let user = sign_in::user_of(app, player).await?;
    let name = user.site_id.clone();
    insist(app, &name, Some(user), shown, "the current password is wrong").await
}

/// The right password takes nothing back of what is counted before the code is right, too.
async fn insist_on_code(
    app: &App,
    player: PlayerId,
    who: Who,
    code: Code<'_>,
) -> Result<Option<EnrolmentId>, ApiError> {
    let now = app.commands.clock.now();
    let enrolled = match code {
        Code::NotAsked => None,
        Code::IfEnrolled(code) => {
            let enrolment = app.commands.standing(player, Identity::totp).await?;
            enrolment.map(|enrolment| (enrolment, code))
        }
    };
    let Some((enrolment, code)) = enrolled else {
        app.lockout.tried(who, true, now).await?;
        return Ok(None);
    };
    let Some(code) = code else {
        app.lockout.insist_on_unlocked(who, now).await?;
        let detail = "send a code of your second factor as totp, or a recovery code";
        return Err(ApiError::new(Reason::TotpRequired, detail));
    };
    let is_right = app.second_factors.take(enrolment, code, now).await?;
    app.lockout.tried(who, is_right, now).await?;
    match is_right {
        true => Ok(Some(enrolment)),
        false => Err(wrong_code()),
    }
}

/// The code is not right.
#[must_use]
pub fn wrong_code() -> ApiError {
    let detail =
        "the code is wrong or was used before: wait for the next, and check the phone's clock";
    ApiError::new(Reason::TotpWrong, detail)
}
