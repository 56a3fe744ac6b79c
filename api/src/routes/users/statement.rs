//! A player's statement: every movement of gold, in words that need no code beside them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use projections::statement::{self, StatementLine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query, word};
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::auth::users::Language;
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;

/// Which part of the statement.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// One kind of movement only, such as `purchase` or `spend`.
    #[serde(default, deserialize_with = "word")]
    kind: Option<String>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// One movement of gold.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    /// The event's number in the log.
    position: u64,
    at: String,
    /// `sign_up_bonus`, `purchase`, `grant`, `grant_undo`, `spend`, `item`, `item_refund`, `refund`,
    /// `chargeback`, `streak`, `event`, `mission`, `leaderboard`, `reward` or `closing`.
    kind: &'static str,
    /// The receipt, the item, or what it was for.
    reference: String,
    /// By how much the balance changed: positive into the wallet, negative out of it. What only
    /// became or repaid a debt is not in it.
    gold: i64,
    balance_after: u64,
    /// Who did it, as `kind:id`.
    actor: String,
    gold_paid: i64,
    gold_free: i64,
    /// The other side of the movement.
    counter_account: &'static str,
    /// By how much the debt changed: positive is owed, negative was repaid.
    debt_change: i64,
    /// Gold owed after it.
    debt_after: u64,
    /// The whole of it in words, in the player's language.
    description: String,
}

impl Line {
    fn of(line: StatementLine, language: Language) -> Self {
        Self {
            description: described(&line, language),
            position: line.position,
            at: rfc3339(line.at),
            kind: line.kind,
            reference: line.reference,
            gold: line.gold,
            balance_after: line.balance_after,
            actor: line.actor,
            gold_paid: line.gold_paid,
            gold_free: line.gold_free,
            counter_account: line.counter_account,
            debt_change: line.debt_change,
            debt_after: line.debt_after,
        }
    }
}

/// What a kind of movement is called, in Korean and English.
fn words(kind: &'static str) -> (&'static str, &'static str) {
    match kind {
        "sign_up_bonus" => ("가입 축하 골드", "Gold for signing up"),
        "grant" => ("운영팀 지급", "Given by the club"),
        "spend" => ("골드 사용", "Gold spent"),
        "purchase" => ("골드 구매", "Gold bought"),
        "refund" => ("결제 환불로 골드 회수", "Payment refunded, its gold taken back"),
        "chargeback" => {
            ("카드사 지급 취소로 골드 회수", "Payment charged back, its gold taken back")
        }
        "item" => ("아이템 구매", "Item bought"),
        "item_refund" => ("아이템 반환", "Item returned"),
        "streak" => ("연속 출석 보상", "For coming day after day"),
        "event" => ("이벤트 보상", "Reward of an event"),
        "mission" => ("미션 보상", "Reward of a mission"),
        "leaderboard" => ("순위 보상", "Reward for a place on a leaderboard"),
        "reward" => ("특별 보상", "A reward from the club"),
        "grant_undo" => ("운영팀 지급 회수", "Given by mistake, taken back by the club"),
        "closing" => ("계정 종료로 소멸", "Forfeited with the account"),
        other => (other, other),
    }
}

/// A movement in words.
fn described(line: &StatementLine, language: Language) -> String {
    let (korean, english) = words(line.kind);
    let debt = line.debt_change.unsigned_abs();
    match (language, line.debt_change) {
        (Language::Korean, 0) => korean.to_owned(),
        (Language::English, 0) => english.to_owned(),
        (Language::Korean, 1..) => {
            format!("{korean}: 잔액이 {debt}골드 모자라 갚아야 할 골드로 남음")
        }
        (Language::English, 1..) => {
            format!("{english}: {debt} gold were spent already and are owed now")
        }
        (Language::Korean, _) => format!("{korean}: 그중 {debt}골드로 갚아야 할 골드를 갚음"),
        (Language::English, _) => format!("{english}: {debt} gold of it repaid what was owed"),
    }
}

/// Every movement of the player's gold, newest first.
#[utoipa::path(get, path = "/api/users/statement", tag = "users", security(("token" = [])),
    params(StatementQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Line>),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not shown yet", body = Problem)))]
pub async fn statement(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<StatementQuery>, QueryRejection>,
) -> Result<Json<Page<Line>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let length = page_length(asked.limit);
    let kind = asked.kind.as_deref();
    let page = statement::page(&app.pool, player.id(), asked.cursor, kind, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |line| line.position);
    let language = app.languages.of(player.id()).await;
    let items = page.rows.into_iter().map(|line| Line::of(line, language)).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

#[cfg(test)]
mod tests {
    use domain::account::MOVEMENTS;

    use super::*;

    #[test]
    fn every_kind_of_movement_has_words() {
        for (kind, _) in MOVEMENTS {
            let (korean, english) = words(kind);
            assert!(korean != *kind && english != *kind, "{kind}");
        }
    }
}
