#!/bin/bash
# What upstream_errors() costs against the same SQL on the table: a ratio for each query,
# range and form, 1.00 being the table's own time.
#
#   test/bench/bench_range.sh [ROWS [DAYS [RUNS]]]      default: 1000000 rows, 30 days, 41 runs
#
# Needs an installed extension and PG_CONFIG (default: pg_config).  Makes its own server,
# over a unix socket, and removes it.  The two sides of a pair are run in turn, so that
# noise hits both; times are medians, the ratio is the median of the pairs' ratios.  The
# naive way, the same function with its rows in a tuplestore, stands beside them.  (It wins
# where planning is all there is to do: its bounds are constants by then, so that it prunes
# partitions while planning, where now() in a WHERE must wait for execution.)
set -euo pipefail
rows=${1:-1000000} days=${2:-30} runs=${3:-41}
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
drop_root "$rows" "$days" "$runs"
start_server 'shared_buffers = 2GB' 'max_wal_size = 8GB' 'jit = off' 'autovacuum = off' 'max_parallel_workers_per_gather = 0'
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$dir" -d postgres "$@"; }

sql <<SQL
SET client_min_messages = warning;
CREATE EXTENSION upstream_errors;
-- a row for each day, so that maintenance makes the partitions before they are filled
INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class)
SELECT now() - i * interval '1 day', gen_random_uuid(), 'first_' || i, 'openai', 'http_error', 'overloaded' FROM generate_series(0, $days) AS i;
SELECT FROM upstream_error_maintain();
INSERT INTO upstream_error_events (at, event_id, request_id, platform, channel, model, kind, class, error_type, status_code, message, detail, retryable)
SELECT now() - ($days * 86400.0 * i / $rows) * interval '1 s', gen_random_uuid(), 'req_' || i,
	(ARRAY['openai', 'anthropic', 'gemini', 'azure', 'groq'])[1 + i % 5], 'channel_' || i % 20, 'model-' || i % 7, 'http_error',
	(ARRAY['rate_limit', 'overloaded', 'server_error', 'timeout'])[1 + i % 4], 'error', (ARRAY[429, 529, 500, 504])[1 + i % 4],
	'The upstream said something about request ' || i, repeat('detail ', 30), i % 2 = 0
FROM generate_series(1, $rows) AS i;
SELECT FROM upstream_error_maintain();
VACUUM (FREEZE, ANALYZE) upstream_error_events;
CHECKPOINT;

-- medians of both in milliseconds, and of the ratio, run in turn
CREATE FUNCTION compare(ours text, theirs text, runs int, OUT ours_ms numeric, OUT theirs_ms numeric, OUT ratio numeric) LANGUAGE plpgsql AS \$\$
DECLARE
	started timestamptz;
	our_times float8[] := '{}';
	their_times float8[] := '{}';
BEGIN
	FOR i IN 0..runs LOOP
		started := clock_timestamp();
		EXECUTE ours;
		-- the first of each warms the caches
		IF i > 0 THEN our_times := our_times || extract(epoch FROM clock_timestamp() - started)::float8; END IF;
		started := clock_timestamp();
		EXECUTE theirs;
		IF i > 0 THEN their_times := their_times || extract(epoch FROM clock_timestamp() - started)::float8; END IF;
	END LOOP;
	SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 3) INTO ours_ms FROM unnest(our_times) AS t;
	SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 3) INTO theirs_ms FROM unnest(their_times) AS t;
	SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY o / t)::numeric, 2) INTO ratio FROM unnest(our_times, their_times) AS p (o, t);
END \$\$;
SQL

echo "upstream_errors() against the table: $rows rows over $days days, medians of $runs runs, $("$bin/postgres" --version)"
printf '%-5s %-34s %10s %10s %7s %12s\n' range query 'table ms' 'ours ms' ratio 'naive ratio'
worst=0
for range in 1h 24h; do
	while IFS='|' read -r name query; do
		# not read < <(...), which would hide that psql failed
		figures=$(sql -F ' ' <<-END
			SELECT c.ours_ms, c.theirs_ms, c.ratio, round(n.ratio, 1) FROM
				compare(format(\$q\$$query\$q\$, \$q\$upstream_errors('$range') AS e WHERE true\$q\$),
					format(\$q\$$query\$q\$, \$q\$upstream_error_events AS e WHERE e.at >= now() - interval '$range' AND e.at < now()\$q\$), $runs) AS c,
				compare(format(\$q\$$query\$q\$, \$q\$upstream_errors((SELECT now() - interval '$range')) AS e WHERE true\$q\$),
					format(\$q\$$query\$q\$, \$q\$upstream_error_events AS e WHERE e.at >= now() - interval '$range' AND e.at < now()\$q\$), 3) AS n
		END
		)
		read -r ours theirs ratio naive <<< "$figures"
		printf '%-5s %-34s %10s %10s %7s %12s\n' "$range" "$name" "$theirs" "$ours" "$ratio" "$naive"
		worst=$(awk -v a="$worst" -v b="$ratio" 'BEGIN { print (b > a ? b : a) }')
	done <<-'END'
		count|SELECT count(*) FROM %s
		count of a platform|SELECT count(*) FROM %s AND e.platform = 'openai'
		filter without an index|SELECT count(*) FROM %s AND e.class = 'overloaded' AND e.retryable
		limit 100|SELECT * FROM %s LIMIT 100
		order by at desc limit 100|SELECT * FROM %s ORDER BY e.at DESC LIMIT 100
		a platform's last 10|SELECT * FROM %s AND e.platform = 'openai' ORDER BY e.at DESC LIMIT 10
		group by platform, class|SELECT e.platform, e.class, count(*) FROM %s GROUP BY 1, 2
	END
done
echo "worst ratio $worst (goal 1.10)"
