//! Becoming a player: names reserved, account opened in the log, row active. Whatever a crash
//! leaves in between, the next sign-in finishes.

use commands::Caller;
use domain::event::Actor;
use domain::id::PlayerId;

use super::users::NewUser;
use crate::app::App;
use crate::body::{Fields, values};
use crate::config::AuthConfig;
use crate::error::{ApiError, Reason};
use crate::request::Asked;

const LONGEST_PASSWORD: usize = 256;

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
        fields.finish(|| {
            Some(Self {
                site_id: site_id?,
                nickname: nickname?,
                phone_number: phone_number?,
                password: password?,
                invite_code: invite_code?,
            })
        })
    }
}

/// Makes somebody a player.
///
/// # Errors
/// If the invite code opens nothing or a name is taken.
pub async fn sign_up(app: &App, asked: &Asked, wish: SignUp) -> Result<PlayerId, ApiError> {
    if !app.config.auth.invite_codes.contains(&wish.invite_code) {
        let detail = "this invite code is not valid: ask whoever invited you";
        return Err(ApiError::new(Reason::InvalidInviteCode, detail));
    }
    let user = NewUser {
        site_id: wish.site_id,
        nickname: wish.nickname,
        phone_number: wish.phone_number,
        password_hash: app.passwords.hash(wish.password).await?,
    };
    let player = app.users.reserve(&user, app.commands.clock.now()).await?;
    open(app, asked, player).await?;
    Ok(player)
}

/// Opens the account of somebody whose names are reserved; asking again does nothing.
///
/// # Errors
/// If log or database cannot be reached: then the next sign-in tries again.
pub async fn open(app: &App, asked: &Asked, player: PlayerId) -> Result<(), ApiError> {
    let caller = Caller { key: None, ..asked.caller(Actor::Player(player)) };
    let opened = app.commands.open_account(&caller, player).await?;
    app.positions.acknowledge(player, opened.place.position);
    app.users.activate(player).await
}
