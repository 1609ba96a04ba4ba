#!/bin/sh
# Starts Postgres; makes the database first when there is none. The variables are those of the official image:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA.
set -eu

case "${1:-}" in -*) set -- postgres "$@" ;; esac
[ "${1:-postgres}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec su -m -s /bin/sh postgres "$0" "$@"
fi

mkdir -p "$PGDATA"
chmod 700 "$PGDATA" || true
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
    echo 'POSTGRES_PASSWORD is not set (or set POSTGRES_HOST_AUTH_METHOD=trust)' >&2
    exit 1
  fi
  secret=$(mktemp)
  printf '%s\n' "${POSTGRES_PASSWORD:-}" > "$secret"
  password=
  [ -z "${POSTGRES_PASSWORD:-}" ] || password=--pwfile=$secret
  # shellcheck disable=SC2086
  initdb --username="$user" $password --auth-local=trust --auth-host="$method" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
  rm -f "$secret"
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

  # Only by the socket: nobody may connect before the database is complete.
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  run_sql() { psql -v ON_ERROR_STOP=1 --no-password --username "$user" --no-psqlrc "$@"; }
  [ "$database" = postgres ] || printf 'CREATE DATABASE :"name";\n' | run_sql --dbname postgres --set name="$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) . "$file" ;;
      *.sql) run_sql --dbname "$database" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | run_sql --dbname "$database" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
