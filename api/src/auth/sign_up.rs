//! Becoming a player: names reserved, account opened in the log with a use of the invite, row active.
//! Whatever a crash leaves in between, the next sign-in finishes; if none comes, the names go to the
//! next who wants them.

use chrono::TimeDelta;
use commands::invites::{GivenUp, OpeningRefusal};
use commands::standing::StandingRefusal;
use commands::{Caller, Committed, Failure};
use domain::event::Actor;
use domain::id::{InviteCode, PlayerId, RoleCode};
use domain::invite::InviteRefusal;

use super::users::{NewUser, Origin};
use crate::app::App;
use crate::body::{Fields, values};
use crate::config::AuthConfig;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::request::Asked;

const LONGEST_PASSWORD: usize = 256;

/// For so long names are kept for a sign-up that did not come to its end. One takes less than a second;
/// whoever was cut off has this time to sign in and finish it, before somebody else may have the names.
const RESERVED_FOR: TimeDelta = TimeDelta::minutes(5);

/// What somebody sends to become a player.
#[derive(Debug, Clone, utoipa::ToSchema)]
pub struct SignUp {
    /// The name to sign in with, 3 to 50 characters.
    pub site_id: String,
    /// The name that others see, 2 to 50 characters.
    pub nickname: String,
    /// 10 to 15 digits.
    pub phone_number: String,
    /// At least 10 characters; 4 are enough in a demo.
    pub password: String,
    /// Somebody has to have invited you.
    pub invite_code: String,
    /// Used once a link that is mailed to it comes back.
    pub email: Option<String>,
}

impl SignUp {
    /// From a body.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(mut fields: Fields, config: &AuthConfig) -> Result<Self, ApiError> {
        let site_id = fields.required("site_id", values::site_id);
        let nickname = fields.required("nickname", values::line(2, 50));
        let phone_number = fields.required("phone_number", values::phone_number);
        let password = values::secret(config.shortest_password, LONGEST_PASSWORD);
        let password = fields.required("password", password);
        let invite_code = fields.required("invite_code", values::line(1, 64));
        let email = fields.nullable("email", values::email);
        fields.finish(|| {
            Some(Self {
                site_id: site_id?,
                nickname: nickname?,
                phone_number: phone_number?,
                password: password?,
                invite_code: invite_code?,
                email,
            })
        })
    }
}

/// Makes somebody a player.
///
/// # Errors
/// If the invite code opens nothing or a name is taken.
pub async fn sign_up(app: &App, asked: &Asked, wish: SignUp) -> Result<PlayerId, ApiError> {
    let invite = open_invite(app, &wish.invite_code).await?;
    let user = NewUser {
        site_id: wish.site_id,
        nickname: wish.nickname,
        phone_number: wish.phone_number,
        password_hash: app.passwords.hash(wish.password).await?,
        invite,
    };
    Fault::WishChecked.may_strike(&app.config);
    let now = app.commands.clock.now();
    for (stale, invite) in app.users.stale_namesakes(&user, now - RESERVED_FOR).await? {
        give_up(app, asked, stale, invite).await?;
    }
    let player = app.users.reserve(&user, now).await?;
    Fault::NamesReserved.may_strike(&app.config);
    if let Some(email) = &wish.email {
        app.profiles.has_address(player, email, now).await?;
    }
    open(app, asked, player, Origin::Invite(invite)).await?;
    Fault::RowActivated.may_strike(&app.config);
    Ok(player)
}

/// The invite behind a code, if it lets anybody in now. Looked at before anything is written, so that
/// who has no invite leaves no trace; what counts is decided when the account is opened.
async fn open_invite(app: &App, code: &str) -> Result<InviteCode, ApiError> {
    let code = code.to_ascii_uppercase().parse().map_err(|_| InviteRefusal::NotFound);
    let admitted = match code {
        Ok(code) => app.commands.invite_admits(code).await?.map(|()| code),
        Err(refusal) => Err(refusal),
    };
    admitted.map_err(|refusal| OpeningRefusal::Invite(refusal).into())
}

/// Opens the account of somebody whose names are reserved, and uses the invite that they came with;
/// asking again does nothing. An invite that lets them in no more ends the sign-up: the names are free
/// again.
///
/// # Errors
/// If the invite lets nobody in any more; or if log or database cannot be reached: then the next
/// sign-in tries again.
pub async fn open(
    app: &App,
    asked: &Asked,
    player: PlayerId,
    origin: Origin,
) -> Result<(), ApiError> {
    // Harmless to repeat by itself: the request's key is for nothing here.
    let caller = Caller { key: None, ..asked.caller(Actor::Player(player)) };
    let opened = match origin {
        Origin::Invite(invite) => {
            let opened = app.commands.open_invited_account(&caller, player, invite).await;
            if let Err(Failure::Refused { .. }) = opened {
                give_up(app, asked, player, invite).await?;
            }
            opened?
        }
        Origin::Staff { by, role } => by_staff(app, &caller, by, (player, role)).await?,
        Origin::Club => app.commands.open_account(&caller, player).await?,
    };
    Fault::AccountOpened.may_strike(&app.config);
    app.positions.acknowledge(player, opened.place.position);
    app.users.activate(player).await
}

/// In the name of who made the account, who was cut off. If they may not give the role any more, it is
/// a player's.
async fn by_staff(
    app: &App,
    caller: &Caller,
    by: PlayerId,
    (player, role): (PlayerId, Option<RoleCode>),
) -> Result<Committed, ApiError> {
    let caller = Caller { actor: Actor::Admin(by), ..caller.clone() };
    let opened = app.commands.open_account_by_staff(&caller, by, player, role).await;
    match opened {
        Err(Failure::Refused { refusal: StandingRefusal::Role(_), .. }) => {
            Ok(app.commands.open_account_by_staff(&caller, by, player, None).await?)
        }
        opened => Ok(opened?),
    }
}

/// Ends a sign-up that did not come to its end. The log says first that its account will never be
/// opened, and then the names are free: so nobody comes back to an account whose names are another's.
/// If the account is open after all, the row says so, and the names stay taken.
async fn give_up(
    app: &App,
    asked: &Asked,
    player: PlayerId,
    invite: InviteCode,
) -> Result<(), ApiError> {
    // It may be somebody else who wants the names, so it is not the player who does this.
    let caller = Caller { key: None, ..asked.caller(Actor::System("sign_up")) };
    match app.commands.give_up_sign_up(&caller, player, invite).await? {
        GivenUp::Open => app.users.activate(player).await,
        GivenUp::Lapsed => {
            Fault::OldSignUpLapsed.may_strike(&app.config);
            app.users.release(player).await?;
            Fault::OldSignUpReleased.may_strike(&app.config);
            Ok(())
        }
    }
}
