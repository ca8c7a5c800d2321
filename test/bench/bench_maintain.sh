#!/bin/bash
# What maintenance costs those who record: the longest that an insert takes and the longest
# that one waits for a lock, without upstream_error_maintain() and while it runs in a loop,
# each second time making a partition out of rows in the default one and each other time
# dropping that, with a reader beside it (goal: no insert waits more than 100 ms for it).
#
#   test/bench/bench_maintain.sh [SECONDS [CLIENTS [ROUNDS]]]      default: 10 s, 4 clients, 3 rounds
#
# Needs an installed extension, pgbench, and PG_CONFIG (default: pg_config).  Makes its own
# server, over a unix socket, and removes it.  The two are run in turn, so that a busy
# machine disturbs both: what an insert waits for a processor shows in the first as well.
# Waits for a lock are the server's own word (log_lock_waits), exact from 5 ms up.
set -euo pipefail
seconds=${1:-10} clients=${2:-4} rounds=${3:-3}
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
drop_root "$seconds" "$clients" "$rounds"
start_server 'shared_buffers = 256MB' 'max_wal_size = 4GB' 'log_lock_waits = on' 'deadlock_timeout = 5ms'
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" -d postgres "$@"; }
sql -c 'CREATE EXTENSION upstream_errors' -c 'SELECT FROM upstream_error_maintain()'
cat > "$dir/insert.sql" <<'END'
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, message)
VALUES (now(), gen_random_uuid(), 'req', 'openai', 'http_error', 'overloaded', 'The upstream is overloaded');
END
cat > "$dir/old.sql" <<'END'
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
SELECT now() - interval '20 days', gen_random_uuid(), 'req_old', 'openai', 'http_error', 'overloaded' FROM generate_series(1, 20000);
END

cat > "$dir/read.sql" <<'END'
SELECT count(*), pg_sleep(0.03) FROM upstream_errors('1h');
END

# until the file is gone: partitions made and dropped
maintain() {
	while [ -e "$dir/go" ]; do
		sql -f "$dir/old.sql"
		sql -F ' ' -c 'SELECT partitions_created, partitions_dropped, partitions_skipped FROM upstream_error_maintain()'
		PGOPTIONS='-c upstream_errors.retention=10d' sql -F ' ' -c 'SELECT partitions_created, partitions_dropped, partitions_skipped FROM upstream_error_maintain()'
	done > "$dir/maintained"
}
# worst and 99.9th percentile in milliseconds, and how many
load() {
	local reader failed=0
	rm -f "$dir"/latency.*
	"$bin/pgbench" -n -h "$dir" -c 1 -j 1 -T "$seconds" -f "$dir/read.sql" postgres > "$dir/pgbench.read" 2>&1 &
	reader=$!
	"$bin/pgbench" -n -h "$dir" -c "$clients" -j 1 -T "$seconds" -f "$dir/insert.sql" -l --log-prefix="$dir/latency" postgres > "$dir/pgbench" 2>&1 || failed=1
	wait "$reader" || failed=1
	if [ "$failed" = 1 ]; then
		cat "$dir/pgbench" "$dir/pgbench.read" >&2
		return 1
	fi
	cat "$dir"/latency.* | awk '{ print $3 / 1000 }' | sort -g | awk '{ v[NR] = $1 } END { printf "%.1f %.1f %d\n", v[NR], v[int(NR * 0.999)], NR }'
}
# the longest wait of an insert for a lock since line $1 of the server's log, and how many
lock_waits() {
	tail -n "+$1" "$dir/log" | awk '
		/ acquired .* after [0-9.]+ ms/ { ms = $0; sub(/.* after /, "", ms); ms += 0 }
		/STATEMENT:  INSERT INTO upstream_error_events \(at, event_id, request_id, platform, kind, class, message\)/ && ms != "" {
			n++
			if (ms > worst) worst = ms
		}
		/STATEMENT:/ { ms = "" }
		END { printf "%.0f %d\n", worst + 0, n }'
}

echo "inserts beside maintenance: $clients clients, rounds of $seconds s, $("$bin/postgres" --version)"
printf '%-20s %9s %9s %9s %13s  %s\n' '' 'worst ms' 'p99.9 ms' inserts 'worst lock ms' 'maintenance: made, dropped, skipped'
worst_wait=0
for ((i = 0; i < rounds; i++)); do
	figures=$(load)
	read -r worst most n <<< "$figures"
	printf '%-20s %9s %9s %9s\n' alone "$worst" "$most" "$n"
	line=$(($(wc -l < "$dir/log") + 1))
	touch "$dir/go"
	maintain &
	maintainer=$!
	figures=$(load)
	rm "$dir/go"
	wait "$maintainer"
	read -r worst most n <<< "$figures"
	figures=$(lock_waits "$line")
	read -r wait n_waits <<< "$figures"
	printf '%-20s %9s %9s %9s %13s  %s\n' 'beside maintenance' "$worst" "$most" "$n" "$wait" \
		"$(awk '{ a += $1; b += $2; c += $3 } END { printf "%d, %d, %d in %d calls", a, b, c, NR }' "$dir/maintained"), $n_waits waits of 5 ms or more"
	worst_wait=$((wait > worst_wait ? wait : worst_wait))
done
echo "longest wait of an insert for a lock: $worst_wait ms (goal: 100)"
