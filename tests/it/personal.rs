//! Every table is in the list of what is read out and erased, so that none is forgotten.

use std::collections::BTreeSet;

use projections::personal::places::{Erase, Export, PLACES, WITHHELD};
use sqlx::query_as;

use crate::app::App;

/// Columns that hold numbers of people, in tables of which nothing is deleted: why that may be.
const NUMBERS_THAT_STAY: [(&str, &str); 1] =
    [("public.events.metadata", "ids only: tried by planting marks")];

#[tokio::test]
async fn every_table_says_what_is_read_out_of_it_and_what_becomes_of_it() {
    let app = App::start().await;
    let mut superuser = app.database.superuser().await;
    let tables: Vec<(String,)> = query_as(
        "select table_schema || '.' || table_name from information_schema.tables
          where table_type = 'BASE TABLE'
            and table_schema not in ('pg_catalog', 'information_schema')
            -- Generations of read models: made of the log.
            and not (table_schema = 'read' and table_name ~ '_g[0-9]+$')",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let there: BTreeSet<&str> = tables.iter().map(|(name,)| name.as_str()).collect();
    let listed: BTreeSet<&str> = PLACES.iter().map(|place| place.table).collect();
    assert_eq!(
        there, listed,
        "say in projections/src/personal/places.rs what becomes of each table"
    );
    assert_eq!(listed.len(), PLACES.len(), "nothing twice");
}

/// A table with a person's number or free text in it is emptied of it, or says why not; and secrets in
/// tables that are read out are kept back.
#[tokio::test]
async fn tables_about_people_are_read_out_and_erased_and_secrets_are_kept_back() {
    let app = App::start().await;
    let mut superuser = app.database.superuser().await;
    let columns: Vec<(String, String, String)> = query_as(
        "select table_schema || '.' || table_name, column_name::text, data_type::text
           from information_schema.columns join information_schema.tables
                using (table_schema, table_name)
          where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    for place in PLACES {
        let of_it = columns.iter().filter(|(table, ..)| table == place.table);
        for (table, column, kind) in of_it {
            let name = format!("{table}.{column}");
            let is_number = ["user_id", "player_id"].contains(&column.as_str());
            let is_known = NUMBERS_THAT_STAY.iter().any(|(known, _)| *known == name);
            if is_number {
                assert!(matches!(place.erase, Erase::By(_)) || is_known, "{name} stays");
                assert!(!matches!(place.export, Export::Nothing), "{name} is not read out");
            }
            let is_secret =
                ["hash", "secret", "key", "token", "pem"].iter().any(|word| column.contains(word))
                    || kind == "bytea" && column != "body" && column != "who";
            if is_secret && matches!(place.export, Export::Rows(_)) && table != "public.events" {
                let is_withheld = WITHHELD.iter().any(|(withheld, _)| *withheld == name);
                assert!(is_withheld, "{name} looks like a secret, and is read out");
            }
        }
    }
}

/// Read models hold what the log holds: their texts are names of things, ids and amounts.
#[tokio::test]
async fn read_models_of_players_are_read_out_by_their_number() {
    let app = App::start().await;
    let mut superuser = app.database.superuser().await;
    let others: Vec<(String,)> = query_as(
        "select distinct table_name::text from information_schema.columns
          where table_schema = 'read' and column_name ~ '^((user|maker|checker)_id|actor|author)$'
            and table_name !~ '_g[0-9]+$' and table_name not in
                (select table_name from information_schema.columns
                  where table_schema = 'read' and column_name = 'player_id')
          order by 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    // The audit log is read out by its target. Jobs are the staff's, and for nobody by name; their lines
    // are read out.
    assert_eq!(others, ["audit", "jobs"].map(|name| (name.to_owned(),)));
}
