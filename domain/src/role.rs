//! What the staff may do: permissions, the roles that bundle them, and roles of the club's own.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::aggregate::{Aggregate, Event};
use crate::id::RoleCode;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One thing that somebody may or may not do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stored name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

permissions! {
    /// Seeing players: their names, what they hold, bought and did.
    SeePlayers = "see_players",
    /// Seeing personal data of players. Each look is written down.
    SeePersonalData = "see_personal_data",
    /// Giving gold, vip points, rewards and ranks.
    Grant = "grant",
    /// Banning players and ending their sessions.
    Ban = "ban",
    /// Editing products, packages and promotions.
    EditShop = "edit_shop",
    /// Editing events and missions.
    EditEvents = "edit_events",
    /// Settling and refunding purchases.
    SettlePayments = "settle_payments",
    /// Agreeing to what others have asked for.
    Approve = "approve",
    /// Giving roles, and making new ones.
    EditRoles = "edit_roles",
    /// Reading what the staff has done.
    ReadAudit = "read_audit",
    /// Making invite codes.
    EditInvites = "edit_invites",
    /// Sending mail: campaigns, and once more what was sent; and keeping people from getting any.
    SendMail = "send_mail",
    /// Writing notes about players, and taking them away.
    WriteNotes = "write_notes",
    /// Making accounts, and editing names, phone numbers and languages.
    EditPlayers = "edit_players",
    /// Erasing players.
    ErasePlayers = "erase_players",
    /// Telling everybody who is here something in the club's name.
    Announce = "announce",
}

/// Permissions by which gold or real money comes to move or is lost, or by which somebody else gets such a
/// permission. In production they are worth nothing without a second factor.
const MOVES_MONEY: [Permission; 7] = [
    Permission::Grant,
    Permission::EditShop,
    Permission::EditEvents,
    Permission::SettlePayments,
    Permission::Approve,
    Permission::EditRoles,
    // What is left in the account is gone for ever.
    Permission::ErasePlayers,
];

impl Permission {
    /// Whether money moves by it.
    #[must_use]
    pub fn moves_money(self) -> bool {
        MOVES_MONEY.contains(&self)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Several permissions. Stored as a list of their names.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u32);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// Each of these.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        permissions.iter().fold(Self::NONE, |all, one| all.with(*one))
    }

    /// All there are.
    #[must_use]
    pub fn all() -> Self {
        Self::of(Permission::ALL)
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u32)
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }

    /// Whether all of those are among them.
    #[must_use]
    pub fn cover(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether money moves by one of them.
    #[must_use]
    pub fn move_money(self) -> bool {
        self.iter().any(Permission::moves_money)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |one| self.has(*one))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl JsonSchema for Permissions {
    fn schema_name() -> Cow<'static, str> {
        "Permissions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "string", "pattern": "^[a-z_:.]+$"}})
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::name))
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let known = |name: &str| Permission::ALL.iter().copied().find(|one| one.name() == name);
        names.iter().try_fold(Self::NONE, |all, name| match known(name) {
            Some(one) => Ok(all.with(one)),
            None => Err(serde::de::Error::custom(format!("unknown permission {name:?}"))),
        })
    }
}

/// A role that every club has, with what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// Plays.
    Player,
    /// Helps players.
    Support,
    /// Runs shop and events.
    Operator,
    /// Reads the books.
    Auditor,
    /// Everything.
    Admin,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Player, Self::Support, Self::Operator, Self::Auditor, Self::Admin];

    /// The stored name, as a role's code.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Support => "support",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The one with this code, if there is one.
    #[must_use]
    pub fn find(code: RoleCode) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == code.as_str())
    }

    /// What it may do.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        use Permission as May;
        match self {
            Self::Player => Permissions::NONE,
            Self::Support => {
                Permissions::of(&[May::SeePlayers, May::SeePersonalData, May::Ban, May::WriteNotes])
            }
            Self::Operator => Permissions::of(&[
                May::SeePlayers,
                May::Grant,
                May::Ban,
                May::EditShop,
                May::EditEvents,
                May::SettlePayments,
                May::EditInvites,
                May::SendMail,
                May::Announce,
            ]),
            Self::Auditor => Permissions::of(&[May::SeePlayers, May::ReadAudit]),
            Self::Admin => Permissions::all(),
        }
    }
}

/// What has happened to a role of the club's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleEvent {
    /// It may do this from now on.
    RoleDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it may do.
        permissions: Permissions,
    },
}

impl Event for RoleEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::RoleDefined { .. } => "role_defined",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What may be asked of it.
#[derive(Debug, Clone)]
pub enum RoleCommand {
    /// Let it do this and nothing else; asking for what it may do already does nothing.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it may do.
        permissions: Permissions,
        /// Only if it is at one of these versions; at any, if not given. 0: nobody has defined it.
        versions: Option<Vec<u32>>,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefusal {
    /// There is no such role.
    #[error("there is no role with this code: see /api/admin/roles")]
    NoSuchRole,
    /// Whoever asks may not do all of what is given or taken.
    #[error("nobody can give or take what they may not do themselves: {0} is missing")]
    Lacking(Permission),
    /// Somebody has changed it meanwhile.
    #[error("the role is at version {version}: look again")]
    OtherVersion {
        /// The present one.
        version: u32,
    },
    /// It stands in the program.
    #[error("built-in roles cannot be changed: make one of your own")]
    BuiltIn,
    /// The own role.
    #[error("nobody changes the own role: ask somebody else")]
    OwnRole,
}

/// A role of the club's own, as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    permissions: Option<Permissions>,
    #[serde(default)]
    version: u32,
}

impl Role {
    /// What it may do; `None` if nobody has defined it.
    #[must_use]
    pub fn permissions(&self) -> Option<Permissions> {
        self.permissions
    }

    /// How often it was defined.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl Aggregate for Role {
    const TYPE: &'static str = "role";
    type Id = RoleCode;
    type Command = RoleCommand;
    type Event = RoleEvent;
    type Refusal = RoleRefusal;

    fn decide(&self, command: &RoleCommand) -> Result<Vec<RoleEvent>, RoleRefusal> {
        let RoleCommand::Define { at, permissions, ref versions } = *command;
        if self.permissions == Some(permissions) {
            return Ok(vec![]);
        }
        if versions.as_ref().is_some_and(|seen| !seen.contains(&self.version)) {
            return Err(RoleRefusal::OtherVersion { version: self.version });
        }
        Ok(vec![RoleEvent::RoleDefined { at, permissions }])
    }

    fn evolve(&mut self, event: &RoleEvent) {
        let RoleEvent::RoleDefined { permissions, .. } = event;
        self.permissions = Some(*permissions);
        self.version = self.version.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    #[test]
    fn permissions_are_a_set_and_a_list_of_names() {
        let some = Permissions::of(&[Permission::Ban, Permission::Grant]);
        assert!(some.has(Permission::Ban) && !some.has(Permission::Approve));
        assert!(Permissions::all().cover(some) && !some.cover(Permissions::all()));
        let stored = serde_json::to_string(&some).unwrap();
        assert_eq!(stored, "[\"grant\",\"ban\"]");
        assert_eq!(serde_json::from_str::<Permissions>(&stored).unwrap(), some);
        assert!(serde_json::from_str::<Permissions>("[\"fly\"]").is_err());
        assert_eq!(Permissions::all().iter().count(), Permission::ALL.len());
    }

    #[test]
    fn players_may_nothing_and_admins_everything() {
        assert!(BuiltIn::Player.permissions().is_empty());
        assert_eq!(BuiltIn::Admin.permissions(), Permissions::all());
        for role in BuiltIn::ALL {
            assert_eq!(BuiltIn::find(role.name().parse().unwrap()), Some(role));
        }
    }

    #[test]
    fn support_and_auditors_move_no_money() {
        let move_money = BuiltIn::ALL.map(|role| role.permissions().move_money());
        assert_eq!(move_money, [false, false, true, false, true]);
    }

    #[test]
    fn a_role_is_defined_until_it_is_defined_otherwise() {
        let define = |permission| RoleCommand::Define {
            at: at(1),
            permissions: Permissions::of(&[permission]),
            versions: None,
        };
        let defined = |permission| RoleEvent::RoleDefined {
            at: at(1),
            permissions: Permissions::of(&[permission]),
        };
        given::<Role>(&[]).when(&define(Permission::Ban)).then(&[defined(Permission::Ban)]);
        let history = [defined(Permission::Ban)];
        given::<Role>(&history).when(&define(Permission::Ban)).then(&[]);
        given::<Role>(&history)
            .when(&define(Permission::Grant))
            .then(&[defined(Permission::Grant)]);
    }
    #[test]
    fn whoever_has_seen_another_version_changes_nothing() {
        let define = |permission, seen: &[u32]| RoleCommand::Define {
            at: at(1),
            permissions: Permissions::of(&[permission]),
            versions: Some(seen.to_vec()),
        };
        let defined = |permission| RoleEvent::RoleDefined {
            at: at(1),
            permissions: Permissions::of(&[permission]),
        };
        given::<Role>(&[]).when(&define(Permission::Ban, &[0])).then(&[defined(Permission::Ban)]);
        let history = [defined(Permission::Ban)];
        given::<Role>(&history)
            .when(&define(Permission::Grant, &[0]))
            .then_refused(&RoleRefusal::OtherVersion { version: 1 });
        given::<Role>(&history).when(&define(Permission::Ban, &[0])).then(&[]);
        given::<Role>(&history)
            .when(&define(Permission::Grant, &[0, 1]))
            .then(&[defined(Permission::Grant)]);
    }
}
