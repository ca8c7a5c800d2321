#!/bin/bash
# What recording costs: upstream_error_record() with binary arrays, as the sidecar calls
# it, against COPY BINARY into the same table, for several batch sizes.
#
#   test/bench/bench_record.sh [ROWS]      default: 200000 rows per size and way
#
# Needs an installed extension and PG_CONFIG (default: pg_config).  Makes its own server,
# over a unix socket, and removes it.  fsync is off: the disk would hide what we add.
set -euo pipefail
rows=${1:-200000}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
config=${PG_CONFIG:-pg_config}
bin=$("$config" --bindir)

dir=$(mktemp -d "${TMPDIR:-/tmp}/upstream-errors-record.XXXXXX")
as_server() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then # initdb refuses to run as root
	chown postgres "$dir"
	as_server() { runuser -u postgres -- "$@"; }
fi
stop() {
	as_server "$bin/pg_ctl" -D "$dir/data" -m immediate stop > /dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT
cd "$dir" # the checkout may be closed to the server's user

cc -O2 -g -std=gnu11 -Wall -Wextra -Wshadow -Wdeclaration-after-statement -D_GNU_SOURCE -I"$top/extension" -I"$top/sidecar" \
	-isystem "$("$config" --includedir)" -o record "$top/test/bench/record.c" "$top"/sidecar/{event,columns,database_array,heap}.c \
	"$top"/extension/core/*.c -L"$("$config" --libdir)" -lpq -lpcre2-8

as_server "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --no-locale > /dev/null
cat >> "$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = 1GB
max_wal_size = 8GB
fsync = off
full_page_writes = off
autovacuum = off
END
as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start > /dev/null
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" -U postgres -d postgres "$@"; }
sql -c "SET client_min_messages = warning" -c "CREATE EXTENSION upstream_errors" -c "SELECT FROM upstream_error_maintain()" > /dev/null

echo "upstream_error_record() against COPY BINARY: $rows rows each, $("$bin/postgres" --version)"
printf '%6s %12s %12s %8s %12s %12s\n' batch 'record row/s' 'copy row/s' ratio 'record WAL/B' 'copy WAL/B'
worst=9
for batch in 1 32 500 1000; do
	rounds=$((rows / batch > 3000 ? 3000 : rows / batch))
	sql -c 'TRUNCATE upstream_error_events'
	line=$(./record "host=$dir user=postgres dbname=postgres" "$batch" "$rounds")
	echo "$line"
	[ "$batch" -lt 500 ] || worst=$(awk -v a="$worst" '{ print ($4 < a ? $4 : a) }' <<< "$line")
done
echo "worst ratio at 500 and more: $worst (goal 0.80)"
