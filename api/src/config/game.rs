//! The demo game server: the settings of the role `game`, which knows nothing else of the club.

use std::net::SocketAddr;

use super::variables::{self, InvalidSetting, Origin, Variables};
use super::{Environment, HttpConfig, LogConfig, Secret};

/// Where browsers find the game unless something else is set.
pub(super) const GAME_ORIGIN: &str = "http://127.0.0.1:8010";

/// See the module.
#[derive(Debug, Clone)]
pub struct GameConfig {
    /// `ENVIRONMENT`: in production there is no demo game.
    pub environment: Environment,
    /// `CLUB_GAME_LISTEN`: address and port, default `127.0.0.1:8010`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `CLUB_GAME_CLUB`: the address at which this program reaches the club, default
    /// `http://127.0.0.1:8000`.
    pub club: String,
    /// `CLUB_GAME_SERVICE`: which of the club's services this is, default `demo-game`.
    pub service: String,
    /// `CLUB_GAME_SECRET`: the service's secret, which `club services secret demo-game` prints.
    pub secret: Secret,
    /// `CLUB_GAME_ALLOWED_ORIGINS`: origins of pages that may play, separated by commas; default the
    /// club's own, by either name of this machine, and those that may call the club.
    pub allowed_origins: Vec<String>,
    /// What is told to operators.
    pub log: LogConfig,
}

impl GameConfig {
    /// Reads all of it; the database's address is none of its settings.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let environment = variables.parse("ENVIRONMENT", Environment::Development)?;
        let club = Origin("http://127.0.0.1:8000".to_owned());
        let club = variables.parse("CLUB_GAME_CLUB", club)?.0;
        let service = variables.text("CLUB_GAME_SERVICE");
        let secret = "what 'club services secret demo-game' prints";
        Ok(Self {
            environment,
            listen: variables
                .parse("CLUB_GAME_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8010)))?,
            allowed_origins: allowed_origins(variables, &club)?,
            club,
            service: service.unwrap_or_else(|| "demo-game".to_owned()),
            secret: variables.required("CLUB_GAME_SECRET", secret)?.into(),
            log: LogConfig::read(variables, environment)?,
        })
    }
}

fn allowed_origins(variables: &Variables, club: &str) -> Result<Vec<String>, InvalidSetting> {
    const NAME: &str = "CLUB_GAME_ALLOWED_ORIGINS";
    let named = variables.list(NAME, "");
    if !named.is_empty() {
        let origin = |text: &String| Ok(variables::parse::<Origin>(NAME, text)?.0);
        return named.iter().map(origin).collect();
    }
    let http = HttpConfig::read(variables)?;
    let twins =
        [club.replace("//127.0.0.1", "//localhost"), club.replace("//localhost", "//127.0.0.1")];
    Ok(twins.into_iter().chain(http.public_origin).chain(http.allowed_origins).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<GameConfig, InvalidSetting> {
        let secret = [("CLUB_GAME_SECRET", "hush-hush")];
        GameConfig::read(&secret.iter().chain(pairs).copied().collect())
    }

    #[test]
    fn the_game_needs_a_secret_and_nothing_else() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8010");
        assert_eq!((&*config.club, &*config.service), ("http://127.0.0.1:8000", "demo-game"));
        assert!(!format!("{config:?}").contains("hush"));
        let told = GameConfig::read(&[].into_iter().collect()).unwrap_err().to_string();
        assert!(told.starts_with("CLUB_GAME_SECRET is not set"), "{told}");
    }

    #[test]
    fn pages_of_the_club_may_play_under_each_of_its_names() {
        let config = read(&[
            ("CLUB_GAME_CLUB", "http://localhost:8001/"),
            ("NEXT_PUBLIC_API_ORIGIN", "https://club.example"),
        ]);
        let allowed = config.unwrap().allowed_origins;
        for origin in ["http://localhost:8001", "http://127.0.0.1:8001", "https://club.example"] {
            assert!(allowed.iter().any(|allowed| allowed == origin), "{origin}: {allowed:?}");
        }
        let named = read(&[("CLUB_GAME_ALLOWED_ORIGINS", "http://a.example, http://b.example")]);
        assert_eq!(named.unwrap().allowed_origins, ["http://a.example", "http://b.example"]);
        assert!(read(&[("CLUB_GAME_ALLOWED_ORIGINS", "*")]).is_err());
    }
}
