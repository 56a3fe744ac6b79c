//! What consumers are told of events is what the code writes and what was ever stored.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, Draft, Schemas};
use domain::aggregate::Aggregate;
use domain::announcement::Announcements;
use domain::mission::MissionBoard;
use domain::schema;
use domain::schema::compatibility::{advice, broken};
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn published(file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder("../docs/events").join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// Files of the folder's folders, as `account/gold_granted.1.json`.
fn published_files() -> BTreeSet<String> {
    let families = std::fs::read_dir(folder("../docs/events")).unwrap().map(|it| it.unwrap());
    let families = families.filter(|it| it.file_type().unwrap().is_dir());
    let files = families.flat_map(|family| {
        let name = family.file_name().into_string().unwrap();
        let files = std::fs::read_dir(family.path()).unwrap();
        files.map(move |it| format!("{name}/{}", it.unwrap().file_name().to_str().unwrap()))
    });
    files.collect()
}

/// An event as some version wrote it: its schema's file, and its payload.
fn fixtures() -> Vec<(String, Value)> {
    let mut fixtures = Vec::new();
    for entry in std::fs::read_dir(folder("fixtures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let family = match path.file_stem().unwrap().to_str().unwrap() {
            "announcement" => Announcements::TYPE.to_owned(),
            "mission" => MissionBoard::TYPE.to_owned(),
            family => family.to_owned(),
        };
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| line[field].as_str().unwrap().to_owned();
            let file = schema::file(&family, &text("event_type"), &text("event_version"));
            fixtures.push((file, line["payload"].clone()));
        }
    }
    assert!(fixtures.len() > 100);
    fixtures
}

#[test]
fn what_is_published_is_what_the_code_writes_and_changes_only_so_that_old_consumers_read_on() {
    for (file, schema) in schema::all() {
        let Some(before) = published(&file) else {
            panic!("docs/events/{file} is missing: run `club schemas --write`");
        };
        let found = broken(&before, &schema);
        assert!(found.is_empty(), "{}", advice(&format!("docs/events/{file}"), &found));
        assert_eq!(before, schema, "docs/events/{file} is out of date: run `club schemas --write`");
    }
}

#[test]
fn whatever_was_ever_stored_is_as_its_schema_says_and_its_schema_knows_all_of_it() {
    for (file, payload) in fixtures() {
        let Some(schema) = published(&file) else { panic!("docs/events/{file} is gone") };
        let found = faults(&schema, &payload);
        assert!(found.is_empty(), "{payload} is not as docs/events/{file} says: {found:?}");
        let strict = closed(schema);
        let found = faults(&strict, &payload);
        assert!(found.is_empty(), "docs/events/{file} does not know all of {payload}: {found:?}");
    }
}

#[test]
fn every_schema_has_a_fixture_and_none_is_left_over() {
    let stored: BTreeSet<String> = fixtures().into_iter().map(|(file, _)| file).collect();
    assert_eq!(published_files(), stored);
}

/// That the tests above can fail.
#[test]
fn a_payload_that_is_not_as_its_schema_says_is_found() {
    let (file, payload) = ("account/gold_granted.1.json", "receipt_code");
    let schema = published(file).unwrap();
    let good = fixtures().into_iter().find(|(its, _)| its == file).unwrap().1;
    assert!(faults(&schema, &good).is_empty());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    for bad in [
        with(&|bad| drop(bad.as_object_mut().unwrap().remove(payload))),
        with(&|bad| bad[payload] = json!("not a code")),
        with(&|bad| bad["movement"]["gold"]["paid"] = json!(-1)),
        with(&|bad| bad["at"] = json!(5)),
        with(&|bad| bad["type"] = json!("gold_taken")),
    ] {
        assert!(!faults(&schema, &bad).is_empty(), "{bad}");
    }
    let more = with(&|more| more["movement"]["note"] = json!("new"));
    assert!(faults(&schema, &more).is_empty(), "consumers read what they know");
    assert!(!faults(&closed(schema), &more).is_empty());
}

fn faults(schema: &Value, payload: &Value) -> Vec<String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource("schema.json", schema.clone()).unwrap();
    let compiled = compiler.compile("schema.json", &mut schemas).unwrap();
    let error = schemas.validate(payload, compiled).err();
    error.into_iter().map(|error| format!("{error:#}")).collect()
}

/// The same schema, where nothing but what it names may be.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            if keywords.contains_key("properties") && !keywords.contains_key("additionalProperties")
            {
                keywords.insert("additionalProperties".to_owned(), json!(false));
            }
            for value in keywords.values_mut() {
                *value = closed(value.take());
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|it| *it = closed(it.take())),
        _ => {}
    }
    schema
}
