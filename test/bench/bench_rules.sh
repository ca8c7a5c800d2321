#!/bin/bash
# What rules cost in a backend: memory, time to compile, a decision, the search for keywords
# beside what SQL has for it, and a preview of 100 rules over recorded history.
#
#   test/bench/bench_rules.sh [EVENTS [RULES [RUNS]]]      default: 1000000 events, 1000 rules, 5 runs
#
# Measured on a loaded two-core machine, so in processor time of the user: preview over
# 1,000,000 events 2.84 s with 100 rules of which 25 have a pattern, 2.44 s with the 75
# others, 1.40 s with 100 that ask for statuses alone; reading the texts of those events
# takes 1.21 s.  A decision about 2 KB takes 26.3 us with 1,000 rules, 24.2 us without.  The
# rows of 1,000 rules as text take 12 ms by the clock, 185 KB.  A backend holds 906 KB of them: keywords
# of 16 to 20 random letters, which share next to nothing; those that people write share
# their beginnings.
#
# Needs an installed extension and PG_CONFIG (default: pg_config).  Makes its own server,
# over a unix socket, and removes it.  Times are medians of RUNS; sides that are compared run
# in turn.
set -euo pipefail
events=${1:-1000000} rules=${2:-1000} runs=${3:-5}
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
drop_root "$events" "$rules" "$runs"
start_server 'shared_buffers = 2GB' 'max_wal_size = 8GB' 'jit = off' 'autovacuum = off'
sql() { "$bin/psql" -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -h "$dir" -d postgres "$@"; }

sql <<SQL
SET client_min_messages = warning;
CREATE EXTENSION upstream_errors;
-- words of letters, as people choose keywords; none of them is in the bodies
CREATE FUNCTION word(n int) RETURNS text LANGUAGE sql IMMUTABLE AS \$\$ SELECT translate(md5('word' || n), '0123456789', 'ghijklmnop') \$\$;
CREATE FUNCTION three_words(n int) RETURNS text[] LANGUAGE sql IMMUTABLE AS \$\$ SELECT ARRAY[left(word(3 * n), 16), left(word(3 * n + 1), 12) || ' ' || left(word(n), 6), left(word(3 * n + 2), 20)] \$\$;
INSERT INTO upstream_error_rules (name, keywords, passthrough_code, response_code)
SELECT 'rule ' || n, three_words(n), false, 503 FROM generate_series(1, $rules) AS n;
-- a JSON error of 2 KB that no keyword is in
CREATE TABLE bodies AS SELECT n, left('{"error":{"message":"' || string_agg(translate(md5((100 * n + i)::text), '0123456789', 'qrstuvwxyz') , ' ' ORDER BY i), 2000) || '","type":"server_error"}}' AS body
FROM generate_series(1, 500) AS n, generate_series(1, 62) AS i GROUP BY n;
CREATE TABLE keywords AS SELECT k AS keyword, '%' || k || '%' AS pattern FROM generate_series(1, $rules) AS n, unnest(three_words(n)) AS k;
CREATE FUNCTION median_ms(query text, runs int) RETURNS numeric LANGUAGE plpgsql AS \$\$
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
	RETURN (SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 3) FROM unnest(times) AS t);
END \$\$;
SQL

echo "$rules rules of 3 keywords, $("$bin/postgres" --version), medians of $runs runs"
read -r total used < <(sql -c "SELECT FROM upstream_error_decide('openai', 500, 'x')" -c "SELECT sum(total_bytes), sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'upstream_errors policy'" | tail -1)
# The goal: 1,000 rules of 3 keywords take no more than 1,048,576 bytes
goal='no goal'
if [ "$rules" -le 1000 ]; then
	goal='goal 1024: met'
	[ "$total" -le 1048576 ] || goal='goal 1024: missed'
fi
printf '%-58s %10s KB (%s used), %s\n' 'memory of a backend' $((total / 1024)) $((used / 1024)) "$goal"
printf '%-58s %10s ms\n' 'first decision of a session, all compiled' "$(sql -c '\timing on' -c "SELECT FROM upstream_error_decide('openai', 500, 'x')" | awk '/Time/ { print $2 }')"
printf '%-58s %10s ms\n' 'the rows as text (upstream_error_snapshot)' "$(sql -c "SELECT median_ms('SELECT upstream_error_snapshot()', $runs)")"

# per call: what a decision takes beyond one without rules is the match
read -r with < <(sql -c "SELECT round(1000 * median_ms('SELECT count(upstream_error_decide(''openai'', 500, body)) FROM bodies', $runs) / 500, 2)")
read -r like ilike < <(sql -c "SELECT round(1000 * median_ms('SELECT count(*) FROM (SELECT body FROM bodies LIMIT 100) AS b WHERE lower(b.body) LIKE ANY (ARRAY(SELECT pattern FROM keywords))', 1) / 100, 0),
	round(1000 * median_ms('SELECT count(*) FROM (SELECT body FROM bodies LIMIT 20) AS b WHERE b.body ILIKE ANY (ARRAY(SELECT pattern FROM keywords))', 1) / 20, 0)")
sql -c "INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, status_code, detail)
	SELECT '2020-01-01 UTC'::timestamptz + n * interval '1 s', gen_random_uuid(), 'body ' || n, 'openai', 'http_error', 'server_error', 500, body FROM bodies"
match() {
	sql -c 'SET max_parallel_workers_per_gather = 0' -c "SELECT round(1000 * median_ms('SELECT count(p.rule_id) FROM upstream_error_preview(NULL, ''2020-01-01 UTC'', ''2020-01-02 UTC'') AS p', $runs) / 500, 2)" | tail -1
}
match=$(match)
sql -c 'DELETE FROM upstream_error_rules'
none=$(match)
sql -c 'DELETE FROM upstream_error_events'
read -r without < <(sql -c "SELECT round(1000 * median_ms('SELECT count(upstream_error_decide(''openai'', 500, body)) FROM bodies', $runs) / 500, 2)")
ours=$(awk -v a="$match" -v b="$none" 'BEGIN { printf "%.2f", a - b }')
printf '%-58s %10s us\n' 'decision about a body of 2 KB, with all rules' "$with" 'the same without rules' "$without"
printf '%-58s %10s us\n' 'match of a body of 2 KB (a previewed event, less the event)' "$ours"
printf '%-58s %10s us %8sx\n' 'lower(body) LIKE ANY (patterns)' "$like" "$(awk -v a="$like" -v b="$ours" 'BEGIN { printf "%.0f", a / (b > 0 ? b : 1) }')" \
	'body ILIKE ANY (patterns)' "$ilike" "$(awk -v a="$ilike" -v b="$ours" 'BEGIN { printf "%.0f", a / (b > 0 ? b : 1) }')"

# a month of events of six kinds
sql <<SQL
INSERT INTO upstream_error_events (at, event_id, request_id, platform, channel, model, route, format, kind, class, error_type, error_code, code, status_code, message, detail, sent_bytes, response_status)
SELECT now() - (30 * 86400.0 * i / $events) * interval '1 s', gen_random_uuid(), 'req_' || i,
	(ARRAY['openai', 'anthropic', 'gemini', 'azure', 'groq'])[1 + i % 5], 'channel_' || i % 20, 'model-' || i % 7, '/v1/chat/completions', 'openai', 'http_error',
	(ARRAY['rate_limit', 'overloaded', 'server_error', 'timeout'])[1 + i % 4], 'error', 'some_code',
	(ARRAY['rate_limit_exceeded', 'overloaded', 'server_error', 'timeout'])[1 + i % 4], (ARRAY[429, 529, 500, 504])[1 + i % 4],
	'The upstream said something about request ' || i || ' and ' || word(i % 1000),
	'{"error":{"message":"The upstream said something about request ' || i || ' and ' || word(i % 1000) || '","type":"error","code":"some_code","param":null,"more":"' || repeat('so on and ', 20) || '"}}', 0,
	(ARRAY[429, 529, 500, 504])[1 + i % 4]
FROM generate_series(1, $events) AS i;
SELECT FROM upstream_error_maintain();
VACUUM (FREEZE, ANALYZE) upstream_error_events;
CREATE TABLE draft AS SELECT jsonb_agg(CASE n % 4
	WHEN 0 THEN jsonb_build_object('name', 'codes ' || n, 'error_codes', jsonb_build_array(400 + n % 60), 'keywords', to_jsonb(three_words(n)), 'match_mode', 'all')
	WHEN 1 THEN jsonb_build_object('name', 'pattern ' || n, 'patterns', jsonb_build_array('request ' || n || '\d{3} and [a-f]+$'))
	ELSE jsonb_build_object('name', 'words ' || n, 'keywords', to_jsonb(ARRAY[left(word(n), 16)]), 'models', '["model-[0-6]", "model-3"]'::jsonb, 'passthrough_code', false, 'response_code', 503) END) AS rules
FROM generate_series(1, 100) AS n;
CHECKPOINT;
SQL
preview() { # WORKERS
	sql <<< "SET max_parallel_workers_per_gather = $1;
		SELECT format('SELECT median_ms(%L, $runs)', format('SELECT count(*), count(*) FILTER (WHERE is_changed) FROM upstream_error_preview(%L, ''31d'')', rules)) FROM draft \\gexec" | tail -1
}
scan=$(sql -c 'SET max_parallel_workers_per_gather = 0' -c "SELECT median_ms('SELECT count(*), count(*) FILTER (WHERE length(message) + length(detail) = 0) FROM upstream_errors(''31d'')', $runs)" | tail -1)
echo
echo "preview of 100 rules (25 with a pattern) over $events events"
printf '%-58s %10s ms\n' 'reading their texts' "$scan" 'in one process' "$(preview 0)" 'with two workers' "$(preview 2)"
sql <<< "SELECT format('SELECT count(*) || '' events, '' || count(*) FILTER (WHERE is_changed) || '' would change'' FROM upstream_error_preview(%L, ''31d'')', rules) FROM draft \\gexec"
