//! Lines of a job as comma-separated values: a first line `user_id,gold`, then one for each player.
//! Whoever made the file is told the line of the file, as editors count them.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use domain::id::PlayerId;
use domain::job::{JobLine, MOST_LINES};
use domain::money::{Gold, MAX_GOLD};

use crate::body::values::Wrong;
use crate::error::{ApiError, FieldError};

const HEAD: [&str; 2] = ["user_id", "gold"];
/// What is wrong is told of so many lines.
const ERRORS_TOLD: usize = 20;

/// Reads them.
pub(super) fn lines(body: &[u8]) -> Result<Vec<JobLine>, ApiError> {
    // Records of other lengths are told by their lines, as everything else.
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(body);
    let head = reader.headers().map_err(|error| refused(vec![unreadable(&error)]))?;
    if head.iter().ne(HEAD) {
        let wrong = Wrong::new("value_error", "the first line of the file has to be user_id,gold");
        return Err(refused(vec![(1, wrong)]));
    }
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    let mut seen: HashMap<PlayerId, u64> = HashMap::new();
    for record in reader.records() {
        let parsed = record.map_err(|error| unreadable(&error)).and_then(|record| {
            let at = record.position().map_or(0, csv::Position::line);
            let line = line(&record).map_err(|wrong| (at, wrong))?;
            match seen.insert(line.player, at) {
                Some(before) => {
                    let msg = format!("user {} is on line {before} already", line.player);
                    Err((at, Wrong::new("value_error", msg)))
                }
                None => Ok(line),
            }
        });
        match parsed {
            Ok(line) if lines.len() < MOST_LINES => lines.push(line),
            Ok(_) => {
                let wrong = Wrong::new("too_long", format!("expected at most {MOST_LINES} lines"));
                errors.push((0, wrong));
                break;
            }
            Err(error) => errors.push(error),
        }
        if errors.len() >= ERRORS_TOLD {
            break;
        }
    }
    match errors.is_empty() {
        true => Ok(lines),
        false => Err(refused(errors)),
    }
}

fn line(record: &StringRecord) -> Result<JobLine, Wrong> {
    let (Some(player), Some(gold), 2) = (record.get(0), record.get(1), record.len()) else {
        let msg = format!("expected user_id,gold, which are 2 fields, not {}", record.len());
        return Err(Wrong::new("value_error", msg));
    };
    let player = number(player).and_then(|number| i64::try_from(number).ok());
    let player = player.filter(|player| *player > 0).map(PlayerId);
    let player =
        player.ok_or_else(|| Wrong::new("int_type", "user_id: expected a user's number"))?;
    let gold = number(gold).and_then(Gold::new).filter(|gold| *gold > Gold::ZERO);
    let wrong =
        || Wrong::new("int_type", format!("gold: expected a whole number from 1 to {MAX_GOLD}"));
    Ok(JobLine { player, gold: gold.ok_or_else(wrong)? })
}

/// Digits only.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn unreadable(error: &csv::Error) -> (u64, Wrong) {
    let line = error.position().map_or(0, csv::Position::line);
    (line, Wrong::new("value_error", "the line cannot be read: is it UTF-8?"))
}

fn refused(errors: Vec<(u64, Wrong)>) -> ApiError {
    let told = |(line, wrong): (u64, Wrong)| {
        let loc = vec!["body".to_owned(), line.to_string()];
        let msg = match line {
            0 => wrong.msg,
            line => format!("line {line}: {}", wrong.msg).into(),
        };
        FieldError { kind: wrong.kind, loc, msg }
    };
    ApiError::fields(errors.into_iter().map(told).collect())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::Value;

    use super::*;
    use crate::error::Problem;

    fn read(text: impl AsRef<[u8]>) -> Vec<(i64, u64)> {
        let read = lines(text.as_ref()).unwrap();
        read.iter().map(|line| (line.player.0, line.gold.amount())).collect()
    }

    fn told(text: impl AsRef<[u8]>) -> Vec<String> {
        let response = lines(text.as_ref()).unwrap_err().into_response();
        let problem = response.extensions().get::<std::sync::Arc<Problem>>().unwrap();
        let errors = serde_json::to_value(problem.body("r", "/")).unwrap()["errors"].take();
        let text = |error: &Value| error["msg"].as_str().unwrap().to_owned();
        errors.as_array().unwrap().iter().map(text).collect()
    }

    #[test]
    fn files_of_all_systems_are_read() {
        let expected = [(23, 100), (24, 5)];
        for text in [
            "user_id,gold\n23,100\n24,5\n",
            "user_id,gold\r\n23,100\r\n24,5",
            "\u{feff}user_id,gold\n\"23\", 100 \n\n24,\"5\"\n",
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(read("user_id,gold\n"), []);
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_line() {
        let head = "line 1: the first line of the file has to be user_id,gold";
        for text in ["", "23,100\n", "gold,user_id\n", "user_id;gold\n23;100\n", "user_id,gold,x\n"]
        {
            assert_eq!(told(text), [head], "{text:?}");
        }
        let user = "user_id: expected a user's number";
        let gold = "gold: expected a whole number from 1 to 1000000000000000";
        let bad = "user_id,gold\n23,100\nx,1\n0,1\n24,\n25,-1\n26,1.5\n27,1000000000000001\n23,7\n\
                   28\n29,1,1\n=1+1,1\n30,1\0\n";
        assert_eq!(
            told(bad),
            [
                format!("line 3: {user}"),
                format!("line 4: {user}"),
                format!("line 5: {gold}"),
                format!("line 6: {gold}"),
                format!("line 7: {gold}"),
                format!("line 8: {gold}"),
                "line 9: user 23 is on line 2 already".to_owned(),
                "line 10: expected user_id,gold, which are 2 fields, not 1".to_owned(),
                "line 11: expected user_id,gold, which are 2 fields, not 3".to_owned(),
                format!("line 12: {user}"),
                format!("line 13: {gold}"),
            ]
        );
        let latin = b"user_id,gold\n23,1\n\xe9,1\n";
        assert_eq!(told(latin), ["line 3: the line cannot be read: is it UTF-8?"]);
        let quote = "user_id,gold\n\"23,1\n24,1\n";
        assert_eq!(told(quote), ["line 2: expected user_id,gold, which are 2 fields, not 1"]);
    }

    #[test]
    fn neither_many_lines_nor_many_errors_are_told_without_an_end() {
        let many = |count: usize| -> String {
            let lines = (1..=count).map(|player| format!("{player},1\n"));
            std::iter::once("user_id,gold\n".to_owned()).chain(lines).collect()
        };
        assert_eq!(read(many(MOST_LINES)).len(), MOST_LINES);
        assert_eq!(told(many(MOST_LINES + 1)), ["expected at most 50000 lines"]);
        assert_eq!(told("user_id,gold\n".to_owned() + &"x,1\n".repeat(9_999)).len(), ERRORS_TOLD);
    }
}
