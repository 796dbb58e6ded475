# Dumps Grafana's PostgreSQL database: one whole state of it, as it is at the start, while Grafana runs.
#
# usage: grafana_dump.sh <dump to write>, with PGHOST, PGDATABASE, ... and PASSWORD_FILE in the environment.
# Ends with an error where the server is of another major version, Grafana's tables are not there, or the dump can't be
# read to its end.
set -eu
# As a variable: the clients read no password file that anybody but its owner may read, and a mounted one is the group's.
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD

server=$(($(psql --no-psqlrc --no-password -qAtc "SHOW server_version_num") / 10000))
client=$(pg_dump --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
# A newer pg_dump would take it, and an older server might refuse what it wrote on the day that it is needed.
if [ "$server" != "$client" ]; then
    echo "the server is PostgreSQL $server and pg_dump is of $client; set images.tags.postgres to a tag of $server"
    exit 1
fi
pg_dump --no-password --format=custom --file="$1"
pg_restore --file=/dev/null "$1"
if ! pg_restore --list "$1" | grep -q "TABLE DATA public migration_log "; then
    echo "no Grafana has been in database $PGDATABASE; nothing is kept of it"
    exit 1
fi
echo "dump of $(wc -c <"$1") bytes"
