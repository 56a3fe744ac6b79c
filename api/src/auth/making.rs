//! Accounts that the staff makes: names reserved, account and role opened in the log, row active. A
//! sign-up that is cut off is finished by a repeat, or by the new person's first sign-in.

use commands::standing::StandingRefusal;
use commands::{Committed, Failure};
use domain::event::Actor;
use domain::id::{PlayerId, RoleCode};
use domain::role::{BuiltIn, Permission};

use super::Staff;
use super::users::by_staff::{NewPerson, Reserved};
use crate::app::App;
use crate::error::{ApiError, Reason};
use crate::faults::Fault;
use crate::request::Asked;

/// Somebody whom the staff wants in.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The name to sign in with.
    pub site_id: String,
    /// The name that others see.
    pub nickname: String,
    /// Digits.
    pub phone_number: String,
    /// The password.
    pub password: String,
    /// The code of the language.
    pub language: &'static str,
    /// A player's, if not given.
    pub role: Option<RoleCode>,
}

/// Makes an account.
///
/// # Errors
/// If a name is taken, or whoever asks may not give the role.
pub async fn make(
    app: &App,
    asked: &Asked,
    staff: Staff,
    newcomer: Newcomer,
) -> Result<(PlayerId, Committed), ApiError> {
    let role = newcomer.role.filter(|role| role.as_str() != BuiltIn::Player.name());
    if let Some(role) = role {
        insist_on_giving(app, staff, role)?;
    }
    let caller = asked.caller(Actor::Admin(staff.id()));
    let (site_id, nickname) = (Some(&*newcomer.site_id), Some(&*newcomer.nickname));
    if asked.is_dry_run() {
        let names = (site_id, nickname, Some(&*newcomer.phone_number));
        app.users.insist_on_free(None, names).await?;
        let player = app.users.spare_number().await?;
        let tried = app.commands.open_account_by_staff(&caller, staff.id(), player, role).await?;
        return Ok((player, tried));
    }
    let person = NewPerson {
        site_id: newcomer.site_id,
        nickname: newcomer.nickname,
        phone_number: newcomer.phone_number,
        password_hash: app.passwords.hash(newcomer.password).await?,
        language: newcomer.language,
        role,
    };
    // Under a key that stands for another account no names are reserved.
    if app.commands.knows_key(&caller).await? && !app.users.is_made_by(staff.id(), &person).await? {
        return Err(Failure::<StandingRefusal>::KeyReused.into());
    }
    Fault::WishChecked.may_strike(&app.config);
    let now = app.commands.clock.now();
    let Reserved { player, was_active } =
        app.users.reserve_by_staff(staff.id(), &person, now).await?;
    Fault::NamesReserved.may_strike(&app.config);
    let opened = app.commands.open_account_by_staff(&caller, staff.id(), player, role).await?;
    if was_active && opened.events.is_empty() {
        let detail = "you have made this account before: choose another site id";
        return Err(ApiError::new(Reason::SiteIdTaken, detail));
    }
    Fault::AccountOpened.may_strike(&app.config);
    app.users.activate(player).await?;
    Fault::RowActivated.may_strike(&app.config);
    Ok((player, opened))
}

/// Before names are reserved; what counts is decided when the account is opened.
fn insist_on_giving(app: &App, staff: Staff, role: RoleCode) -> Result<(), ApiError> {
    staff.insist_on(Permission::EditRoles)?;
    let own = || app.standings.own_roles().into_iter().find(|(code, ..)| *code == role);
    let built_in = BuiltIn::find(role).map(BuiltIn::permissions);
    let may = built_in.or_else(|| own().map(|(_, may, _)| may)).ok_or_else(|| {
        let detail = "there is no role with this code: see /api/admin/roles";
        ApiError::new(Reason::NotFound, detail)
    })?;
    may.iter().try_for_each(|permission| staff.insist_on(permission))
}
