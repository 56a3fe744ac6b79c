//! The table: which requests are counted together, for whom, and which setting says how many.

use axum::http::Method;

use domain::role::Permissions;

/// What requests have in common that share a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Signing up and in: each costs a processor some time. By address; wrong passwords for one name are
    /// counted besides ([`crate::auth::lockout`]).
    Entrance,
    /// Whatever is asked without being signed in. By address.
    Public,
    /// What a player looks at.
    Reads,
    /// What a player does.
    Commands,
    /// What the staff looks at and does at its console.
    Staff,
    /// What game servers and the payment provider report. By address: whose name a request bears is
    /// known only after its signature was verified, which is most of what it costs.
    Services,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Entrance, Self::Public, Self::Reads, Self::Commands, Self::Staff, Self::Services];

    /// How it is called in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entrance => "entrance",
            Self::Public => "public",
            Self::Reads => "reads",
            Self::Commands => "commands",
            Self::Staff => "staff",
            Self::Services => "services",
        }
    }

    /// The setting of its quota.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Entrance => "CLUB_RATE_ENTRANCE",
            Self::Public => "CLUB_RATE_PUBLIC",
            Self::Reads => "CLUB_RATE_READS",
            Self::Commands => "CLUB_RATE_COMMANDS",
            Self::Staff => "CLUB_RATE_STAFF",
            Self::Services => "CLUB_RATE_SERVICES",
        }
    }

    /// Requests in a minute, unless set: far more than people and well-made clients send.
    #[must_use]
    pub const fn default_per_minute(self) -> u32 {
        match self {
            Self::Entrance => 300,
            Self::Commands => 1_200,
            Self::Public | Self::Reads | Self::Staff => 3_000,
            Self::Services => 60_000,
        }
    }

    /// Whether it is counted for each player, and not for each address.
    #[must_use]
    pub const fn is_by_player(self) -> bool {
        match self {
            Self::Reads | Self::Commands | Self::Staff => true,
            Self::Entrance | Self::Public | Self::Services => false,
        }
    }

    /// The class of a request for a route, by somebody who is signed in (and may do something, or nothing)
    /// or not; `None` for what nobody
    /// is kept from: those who look after the service must see it when it is busiest.
    #[must_use]
    pub fn of(method: &Method, route: &str, may: Option<Permissions>) -> Option<Self> {
        let by_staff = may.is_some_and(|may| !may.is_empty());
        Some(match route {
            "/health" | "/api/health" | "/ready" | "/metrics" => return None,
            "/api/auth/login"
            | "/api/auth/admin/login"
            | "/api/auth/signup"
            | "/api/auth/password/forgot"
            | "/api/auth/password/reset"
            | "/api/users/profile/email/confirm"
            | "/api/auth/refresh" => Self::Entrance,
            "/api/actions" | "/api/shop/webhook/payment" => Self::Services,
            _ if may.is_none() => Self::Public,
            _ if by_staff && route.starts_with("/api/admin/") => Self::Staff,
            _ if *method == Method::GET || *method == Method::HEAD => Self::Reads,
            _ => Self::Commands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_what_decides_what_is_counted_together() {
        let of = |method, route, may| Class::of(&method, route, may);
        let player = Some(Permissions::NONE);
        assert_eq!(of(Method::GET, "/ready", None), None);
        assert_eq!(of(Method::POST, "/api/auth/login", player), Some(Class::Entrance));
        assert_eq!(of(Method::GET, "/api/shop/catalog", None), Some(Class::Public));
        assert_eq!(of(Method::GET, "/api/shop/catalog", player), Some(Class::Reads));
        assert_eq!(of(Method::POST, "/api/shop/buy", player), Some(Class::Commands));
        let admins = "/api/admin/users/{id}/grant";
        assert_eq!(of(Method::POST, admins, Some(Permissions::all())), Some(Class::Staff));
        assert_eq!(of(Method::POST, admins, player), Some(Class::Commands));
        assert_eq!(of(Method::POST, "/api/actions", None), Some(Class::Services));
        assert_eq!(of(Method::GET, "", None), Some(Class::Public), "what is not there counts, too");
    }
}
