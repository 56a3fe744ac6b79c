//! The club, as far as load asks it for anything: signing in, and gold from the staff.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::source::ManyDoors;
use crate::live::{Client, Options, Plain};

/// Sign-ins at a time: hashing keeps every core busy long before that.
const SIGN_INS: usize = 8;

/// Somebody who has signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// The user's number.
    pub id: i64,
    token: String,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Club {
    /// Where it listens.
    pub at: SocketAddr,
    address: Arc<str>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct SignedIn {
    access_token: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: i64,
}

impl Club {
    /// The club at an address.
    #[must_use]
    pub fn at(at: SocketAddr) -> Self {
        Self { at, address: format!("http://{at}").into(), http: reqwest::Client::new() }
    }

    /// Signs a member of the staff in.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn staff(&self, name: &str, password: &str) -> Result<Member> {
        self.sign_in("/api/auth/admin/login", name, password).await
    }

    /// Signs players in, numbered from 1 after a name (`bench0001` …), as `club seed --players` makes
    /// them. Tells how many it has.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn players(
        &self,
        count: usize,
        (name, password): (&str, &str),
        tell: impl Fn(usize),
    ) -> Result<Vec<Member>> {
        let each = (1..=count).map(|number| async move {
            self.sign_in("/api/auth/login", &format!("{name}{number:04}"), password).await
        });
        let signed_in =
            futures::stream::iter(each).buffered(SIGN_INS).enumerate().map(|(number, member)| {
                tell(number + 1);
                member
            });
        signed_in.try_collect().await
    }

    async fn sign_in(&self, path: &str, name: &str, password: &str) -> Result<Member> {
        let body = json!({"site_id": name, "password": password});
        let signed_in = self.post(path, None, &body).await;
        let signed_in = signed_in.with_context(|| format!("{name} cannot sign in"))?;
        let SignedIn { access_token, user } = serde_json::from_value(signed_in)?;
        Ok(Member { id: user.id, token: access_token })
    }

    /// Gives one gold; the position of that.
    pub(super) async fn grant(&self, staff: &Member, player: i64) -> Result<u64> {
        let path = format!("/api/admin/users/{player}/grant");
        let body = json!({"gold": 1, "reason": "load"});
        let given = self.post(&path, Some(staff), &body).await?;
        given["position"].as_u64().context("an answer without a position")
    }

    /// Gives one gold so many times at once.
    pub(super) async fn grants(&self, staff: &Member, player: i64, times: usize) -> Result<()> {
        let line = || json!({"key": uuid::Uuid::now_v7(), "user_id": player, "gold": 1});
        let lines: Vec<Value> = (0..times).map(|_| line()).collect();
        let body = json!({"reason": "load", "lines": lines});
        let given = self.post("/api/admin/grants", Some(staff), &body).await?;
        let results = given["results"].as_array().context("an answer without results")?;
        ensure!(results.iter().all(|it| it["status"] == "granted"), "refused: {given}");
        Ok(())
    }

    async fn post(&self, path: &str, caller: Option<&Member>, body: &Value) -> Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.address)).json(body);
        if let Some(caller) = caller {
            let key = uuid::Uuid::now_v7().to_string();
            request = request.bearer_auth(&caller.token).header("Idempotency-Key", key);
        }
        let answer = request.timeout(Duration::from_secs(30)).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("POST {path}: {status}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(answer.json().await?)
    }

    /// A client of the live feed, number so-and-so of all.
    pub(super) fn listen(&self, member: &Member, number: usize) -> Client<ManyDoors> {
        self.listen_by(member, number, false)
    }

    /// The same, with little room for what it does not read.
    pub(super) fn listen_narrowly(&self, member: &Member, number: usize) -> Client<ManyDoors> {
        self.listen_by(member, number, true)
    }

    fn listen_by(&self, member: &Member, number: usize, is_narrow: bool) -> Client<ManyDoors> {
        let tickets = Plain::with(self.http.clone(), String::new(), member.token.clone());
        let door = ManyDoors { address: Arc::clone(&self.address), tickets, number, is_narrow };
        Client::new(door, Options::default(), ["me"])
    }
}
