#!/usr/bin/env python3
"""Keeps how much gold every player has, from the club's events, in a database of its own (SQLite).

Each event counts exactly once, whatever crashes: what is kept and how far it goes is one transaction
of SQLite, and Kafka is asked to go on from there.

    pip install confluent-kafka==2.16.1
    KAFKA_BROKERS=127.0.0.1:9092 python3 consume_events.py gold.db

With --until-end it stops at the end of the topic and prints what it has, as JSON.
"""

import json
import os
import sqlite3
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

TOPIC = os.environ.get("KAFKA_TOPIC", "club.events")
TABLES = """
    create table if not exists offsets (partition integer primary key, next integer not null);
    create table if not exists gold (player text primary key, gold integer not null,
                                     position integer not null);
"""


def main():
    until_end = "--until-end" in sys.argv
    database = sqlite3.connect(next(arg for arg in sys.argv[1:] if not arg.startswith("--")))
    database.executescript(TABLES)
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA_BROKERS"],
        "group.id": "gold-example",             # names the service; how far it is, is kept here
        "isolation.level": "read_committed",    # nothing of a transaction that was given up
        "enable.auto.commit": False,
        "enable.partition.eof": until_end,
    })
    partitions = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    known = dict(database.execute("select partition, next from offsets"))
    consumer.assign([TopicPartition(TOPIC, p, known.get(p, OFFSET_BEGINNING)) for p in partitions])
    at_end = set()
    while not (until_end and len(at_end) == len(partitions)):
        for message in consumer.consume(num_messages=500, timeout=1):
            if message.error() is None:
                take(database, message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
            else:
                raise SystemExit(message.error())
        database.commit()  # gold and offsets together
    if until_end:
        print(json.dumps(dict(database.execute("select player, gold from gold"))))


def take(database, message):
    headers = {name: value.decode() for name, value in message.headers()}
    # Most events are of no interest: the type says so before the payload is read.
    if headers["ce_family"] == "account":
        balance = balance_of(json.loads(message.value()))
        if balance is not None:
            player = message.key().decode()
            gold = balance["paid"] + balance["free"]  # the whole balance, never a difference
            position = int(headers["ce_sequence"])
            database.execute("insert or replace into gold values (?, ?, ?)", (player, gold, position))
    database.execute("insert or replace into offsets values (?, ?)",
                     (message.partition(), message.offset() + 1))


def balance_of(event):
    """The wallet after the event, if the event has moved anything."""
    event = event.get("reward", event)
    return event.get("movement", event).get("balance")


if __name__ == "__main__":
    main()
