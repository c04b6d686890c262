#!/bin/sh
# Makes Temporal's two databases and brings their schemas to this server's version. May be run again; before an upgrade
# of the server it must be. Where: SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD.
set -eu

for schema in temporal:temporal temporal_visibility:visibility; do
  export SQL_DATABASE="${schema%:*}"
  temporal-sql-tool create-database
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/${schema#*:}"
done
