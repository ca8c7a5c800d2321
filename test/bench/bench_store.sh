#!/bin/bash
# What the event store answers, and how that grows: an hour's queries in a small and in a
# large table (goal: no more than 1.3 times as long), and a month's trend from the counts
# against the same from the events (goal: 0.5 s at 10 million rows).
#
#   test/bench/bench_store.sh [SMALL [LARGE [RUNS]]]      default: 100000 1000000 rows, 15 runs
#
# Needs an installed extension and PG_CONFIG (default: pg_config).  Makes its own server,
# over a unix socket, and removes it.  Both tables cover 30 days; the last hour holds the
# same 1,000 events in both, so that what differs is what lies behind it.
set -euo pipefail
small=${1:-100000} large=${2:-1000000} runs=${3:-15}
bin=$("${PG_CONFIG:-pg_config}" --bindir)

# initdb refuses to run as root
if [ "$(id -u)" -eq 0 ]; then
	exec runuser -u postgres -- env PATH="$PATH" PG_CONFIG="${PG_CONFIG:-pg_config}" bash "$0" "$small" "$large" "$runs" < /dev/null
fi

dir=$(mktemp -d)
stop() {
	"$bin/pg_ctl" -D "$dir/data" -m immediate stop > /dev/null 2>&1 || true
	rm -rf "$dir"
}
trap stop EXIT
"$bin/initdb" -D "$dir/data" -A trust -E UTF8 --no-locale > /dev/null
cat >> "$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = 2GB
max_wal_size = 8GB
fsync = off
jit = off
autovacuum = off
END
"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start > /dev/null
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" "$@"; }

fill() { # DATABASE ROWS
	sql -d postgres -c "CREATE DATABASE $1"
	sql -d "$1" <<-SQL
		SET client_min_messages = warning;
		CREATE EXTENSION upstream_errors;
		-- a row for each day, so that maintenance makes the partitions before they are filled
		INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
		SELECT now() - i * interval '1 day', gen_random_uuid(), 'first_' || i, 'openai', 'http_error', 'overloaded' FROM generate_series(1, 30) AS i;
		SELECT FROM upstream_error_maintain();
		INSERT INTO upstream_error_events (at, event_id, request_id, platform, channel, model, kind, class, error_type, status_code,
			message, detail, retryable, owner, outcome, total_ms, fingerprint, fingerprint_version)
		SELECT now() - CASE WHEN i <= 1000 THEN 3.6 * i ELSE 3600 + (30 * 86400.0 - 3600) * (i - 1000) / ($2 - 1000) END * interval '1 s',
			gen_random_uuid(), 'req_' || i, (ARRAY['openai', 'anthropic', 'gemini', 'azure', 'groq'])[1 + i % 5], 'channel_' || i % 20,
			'model-' || i % 7, 'http_error', (ARRAY['rate_limit', 'overloaded', 'server_error', 'timeout'])[1 + i % 4], 'error',
			(ARRAY[429, 529, 500, 504])[1 + i % 4], 'The upstream said something about request ' || i, repeat('detail ', 30), i % 2 = 0,
			'provider', (ARRAY['answered', 'recovered'])[1 + i % 2], i % 5000, i % 40, 1
		FROM generate_series(1, $2) AS i;
		SET upstream_errors.retention = 0;
		SELECT FROM upstream_error_maintain();
	SQL
	while [ "$(sql -d "$1" -c 'SELECT days_counted FROM upstream_error_maintain()')" -gt 0 ]; do :; done
	sql -d "$1" -c 'VACUUM (FREEZE, ANALYZE)'
	sql -d "$1" <<-'SQL'
		CREATE FUNCTION median_ms(query text, runs int) RETURNS numeric LANGUAGE plpgsql AS $$
		DECLARE
			started timestamptz;
			times float8[] := '{}';
		BEGIN
			FOR i IN 0..runs LOOP
				started := clock_timestamp();
				EXECUTE query;
				-- the first warms the caches
				IF i > 0 THEN times := times || extract(epoch FROM clock_timestamp() - started)::float8; END IF;
			END LOOP;
			RETURN (SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 2) FROM unnest(times) AS t);
		END $$;
	SQL
}
fill small "$small"
fill large "$large"

echo "the event store: $small and $large rows over 30 days, medians of $runs runs, $("$bin/postgres" --version)"
printf '%-22s %10s %10s %7s\n' 'the last hour' "small ms" "large ms" ratio
worst=0
while IFS='|' read -r name query; do
	a=$(sql -d small -c "SELECT median_ms(\$q\$$query\$q\$, $runs)")
	b=$(sql -d large -c "SELECT median_ms(\$q\$$query\$q\$, $runs)")
	ratio=$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", b / a }')
	printf '%-22s %10s %10s %7s\n' "$name" "$a" "$b" "$ratio"
	worst=$(awk -v a="$worst" -v b="$ratio" 'BEGIN { print (b > a ? b : a) }')
done <<'END'
count|SELECT count(*) FROM upstream_errors('1h')
last 100|SELECT * FROM upstream_errors('1h') ORDER BY at DESC LIMIT 100
group by platform|SELECT platform, class, count(*) FROM upstream_errors('1h') GROUP BY 1, 2
requests|SELECT * FROM upstream_error_requests('1h') ORDER BY started_at DESC LIMIT 50
trend|SELECT * FROM upstream_error_trend('1h')
distribution|SELECT * FROM upstream_error_distribution('1h')
top fingerprints|SELECT * FROM upstream_error_top_fingerprints('1h')
recovery|SELECT * FROM upstream_error_recovery('1h')
END
echo "worst ratio $worst (goal 1.3)"

printf '%-22s %10s %10s %7s\n' 'a month, large' 'counts ms' 'events ms' ratio
for call in "trend('30d', bucket => '1 hour'" "trend('30d', bucket => '1 day'" "trend('30d', bucket => '10 min'" "distribution('30d', by => 'status'"; do
	a=$(sql -d large -c "SELECT median_ms(\$q\$SELECT * FROM upstream_error_$call)\$q\$, 5)")
	b=$(sql -d large -c "SELECT median_ms(\$q\$SELECT * FROM upstream_error_$call, use_counts => false)\$q\$, 1)")
	wrong=$(sql -d large -c "BEGIN; SELECT count(*) FROM ((SELECT * FROM upstream_error_$call) EXCEPT SELECT * FROM upstream_error_$call, use_counts => false))) AS d; COMMIT")
	printf '%-33s %10s %10s %7s  %s\n' "$call)" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')" "$([ "$wrong" = 0 ] && echo exact || echo "$wrong ROWS DIFFER")"
done
echo "goal: a month by the hour in 500 ms at 10000000 rows"
sql -d large -c "SELECT format('%s rows of events %s, of counts by minute %s (%s rows), by hour %s', (SELECT count(*) FROM upstream_error_events),
	pg_size_pretty(sum(total_bytes) FILTER (WHERE contents = 'events')), pg_size_pretty(pg_total_relation_size('upstream_error_minutes')),
	(SELECT count(*) FROM upstream_error_minutes), pg_size_pretty(pg_total_relation_size('upstream_error_hours'))) FROM upstream_error_sizes()"
