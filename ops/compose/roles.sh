#!/usr/bin/env bash
# Run once by the postgres image, when its volume is new: the roles and the database that
# ops/postgres makes too, here with passwords.
set -euo pipefail

# As a variable of psql (:'...'), which quotes whatever a password contains.
psql -v ON_ERROR_STOP=1 -U postgres \
  -v owner_password="$CLUB_OWNER_PASSWORD" -v service_password="$CLUB_SERVICE_PASSWORD" <<'SQL'
create role club_owner login createdb createrole password :'owner_password';
create role club_service login password :'service_password';
create database club owner club_owner;
SQL
