# Puts a dump in place of what is in Grafana's PostgreSQL database. Grafana must not be running.
#
# usage: grafana_put_back.sh <dump>, with PGHOST, PGDATABASE, ... and PASSWORD_FILE in the environment.
# All of it or nothing: after an error the database is as it was.
set -eu
# As in grafana_dump.sh.
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD

if [ ! -f "$1" ]; then
    echo "no $(basename "$1") in this snapshot: it is of a Grafana that kept its state in a file"
    exit 1
fi
# Into a file, read to its end before anything changes: through a pipe, half of a broken dump would be kept.
pg_restore --no-owner --no-privileges --schema=public --file="$1.sql" "$1"
# Every table of ours goes first: one that a later Grafana made would be in the way of its next migration.
drop_all="
DO \$\$
DECLARE one text;
BEGIN
    FOR one IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tableowner = current_user
    LOOP
        EXECUTE 'DROP TABLE ' || one || ' CASCADE';
    END LOOP;
END
\$\$"
psql --no-psqlrc --no-password --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --single-transaction \
    --command="$drop_all" --file="$1.sql"
echo "database $PGDATABASE is that of the snapshot"
