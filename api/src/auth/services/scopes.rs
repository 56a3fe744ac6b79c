//! What a program may do.

use std::fmt;
use std::str::FromStr;

/// The longest name of an action.
const LONGEST: usize = 64;

/// One thing that a program may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `actions:*`: report actions of any type.
    AnyAction,
    /// `actions:play_count`: report actions of this type.
    Action(String),
}

/// That a text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is actions:* or one type of action, such as actions:play_count")]
pub struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;
    fn from_str(text: &str) -> Result<Self, NoScope> {
        let action = text.strip_prefix("actions:").ok_or(NoScope)?;
        if action == "*" {
            return Ok(Self::AnyAction);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let is_name = (1..=LONGEST).contains(&action.len()) && action.bytes().all(allowed);
        is_name.then(|| Self::Action(action.to_owned())).ok_or(NoScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyAction => f.write_str("actions:*"),
            Self::Action(action) => write!(f, "actions:{action}"),
        }
    }
}

/// Everything that a program may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These, each once.
    #[must_use]
    pub fn new(scopes: &[Scope]) -> Self {
        let mut each = Vec::new();
        for scope in scopes {
            if !each.contains(scope) {
                each.push(scope.clone());
            }
        }
        Self(each)
    }

    /// As they are stored. What this program does not know allows nothing.
    #[must_use]
    pub fn from_stored(texts: &[String]) -> Self {
        Self(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// As texts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether actions of this type may be reported.
    #[must_use]
    pub fn allows_action(&self, action: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::AnyAction => true,
            Scope::Action(allowed) => allowed == action,
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::new(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn one_type_of_action_allows_no_other() {
        let some = scopes(&["actions:play_count", "actions:win_count"]);
        let allowed = ["play_count", "win_count", "login", "play", "play_count2", "*", ""];
        assert_eq!(
            allowed.map(|action| some.allows_action(action)),
            [true, true, false, false, false, false, false]
        );
        assert!(scopes(&["actions:*"]).allows_action("whatever"));
        assert!(!Scopes::from_stored(&[]).allows_action("play_count"));
    }

    #[test]
    fn scopes_are_stored_as_they_are_given() {
        let some = scopes(&["actions:*", "actions:login", "actions:*"]);
        assert_eq!(some.texts(), ["actions:*", "actions:login"]);
        assert_eq!(Scopes::from_stored(&some.texts()), some);
        let newer = ["actions:login".to_owned(), "gold:grant".to_owned()];
        assert_eq!(Scopes::from_stored(&newer), scopes(&["actions:login"]));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        let long = format!("actions:{}", "x".repeat(65));
        for bad in ["", "*", "actions", "actions:", "actions:**", "actions:Play", "gold:*", &long] {
            assert_eq!(bad.parse::<Scope>(), Err(NoScope), "{bad}");
        }
    }
}
