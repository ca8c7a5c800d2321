-- ---------------------------------------------------------------- events

-- No trigger, no foreign key, request_id in every unique constraint: the table can be
-- distributed by request_id.
CREATE TABLE upstream_error_events (
	at timestamptz NOT NULL,
	event_id uuid NOT NULL,
	request_id text NOT NULL,
	attempt int4 NOT NULL DEFAULT 1,
	platform text NOT NULL,
	channel text,
	account_id text,
	route text,
	format text,
	model text,
	upstream_model text,
	stream bool,
	kind text NOT NULL,
	network_error text,
	class text NOT NULL,
	phase text,
	owner text,
	source text,
	severity text,
	retryable bool,
	request_fault bool,
	business_limited bool,
	error_type text,
	error_code text,
	code text,
	status_code int4,
	upstream_request_id text,
	message text,
	detail text,
	truncated bool,
	original_bytes int8,
	request_headers jsonb,
	response_headers jsonb,
	retry_after_ms int8,
	first_byte_ms int4,
	total_ms int4,
	sent_bytes int8,
	response_status int4,
	outcome text,
	decided_by text,
	rule_id int8,
	rule_version int4,
	fingerprint int8,
	fingerprint_version int4,
	mask_version int4,
	trace_id text,
	tags jsonb,
	client_address inet,
	region text,
	instance text,
	step text,
	step_reason text,
	wait_ms int4,
	passed_over jsonb,
	recovered_by text
) PARTITION BY RANGE (at);

-- Key and indexes are made on each partition, after this one's pattern, and not on the
-- parent.  A dump holds the partitions but not the parent, which CREATE EXTENSION brings:
-- were the indexes there already, the restored partitions would get them on attachment,
-- and the dump's own would fail.  The key is as strong, for it holds the partition key;
-- it makes a replay harmless.  An infinite time belongs to no day: it would stay here for
-- ever, so it is refused here; on the parent the check would be read whenever a query is
-- planned, once for each partition.
CREATE TABLE upstream_error_events_default PARTITION OF upstream_error_events (
	PRIMARY KEY (request_id, at, event_id),
	CONSTRAINT upstream_error_events_at_is_finite CHECK (pg_catalog.isfinite(at))
) DEFAULT;

CREATE INDEX upstream_error_events_default_at_idx ON upstream_error_events_default (at);
CREATE INDEX upstream_error_events_default_platform_at_idx ON upstream_error_events_default (platform, at);

COMMENT ON TABLE upstream_error_events IS 'Failed attempts, one row each; daily partitions made by upstream_error_maintain(). Query it through upstream_errors(''1h'').';
COMMENT ON TABLE upstream_error_events_default IS 'Pattern of the partitions, indexes included, and home of events of days without one; upstream_error_maintain() moves those, so it should be empty.';
COMMENT ON INDEX upstream_error_events_default_pkey IS 'An event is recorded once, however often it is sent.';
COMMENT ON INDEX upstream_error_events_default_at_idx IS 'Serves every time range.';
COMMENT ON INDEX upstream_error_events_default_platform_at_idx IS 'Serves a time range of one platform.';
COMMENT ON COLUMN upstream_error_events.at IS 'when the attempt failed';
COMMENT ON COLUMN upstream_error_events.event_id IS 'identity of the event, given by the sidecar; the same in every replay';
COMMENT ON COLUMN upstream_error_events.request_id IS 'ours; ties the attempts of one request together';
COMMENT ON COLUMN upstream_error_events.attempt IS 'which attempt of the request, from 1';
COMMENT ON COLUMN upstream_error_events.platform IS 'vendor of the upstream: openai, anthropic, gemini, ...';
COMMENT ON COLUMN upstream_error_events.channel IS 'upstream endpoint that was tried';
COMMENT ON COLUMN upstream_error_events.account_id IS 'account behind the channel, as the operator names it';
COMMENT ON COLUMN upstream_error_events.route IS 'path that the client asked for, without its query';
COMMENT ON COLUMN upstream_error_events.format IS 'dialect of the client: openai, openai_responses, anthropic, gemini';
COMMENT ON COLUMN upstream_error_events.model IS 'model as the client asked for it';
COMMENT ON COLUMN upstream_error_events.upstream_model IS 'model as it was sent';
COMMENT ON COLUMN upstream_error_events.stream IS 'the client asked for an event stream';
COMMENT ON COLUMN upstream_error_events.kind IS 'how it failed: http_error, request_error, stream_error, retry_exhausted, failover, client_gone, local_error';
COMMENT ON COLUMN upstream_error_events.network_error IS 'what broke below HTTP: dns, connect, tls, reset, ...';
COMMENT ON COLUMN upstream_error_events.class IS 'what kind of fault: rate_limit, overloaded, billing, ...';
COMMENT ON COLUMN upstream_error_events.phase IS 'where in the request it failed';
COMMENT ON COLUMN upstream_error_events.owner IS 'who can mend it: provider, client, platform';
COMMENT ON COLUMN upstream_error_events.source IS 'who said so: upstream_http, gateway, client_request';
COMMENT ON COLUMN upstream_error_events.severity IS 'P0 to P3';
COMMENT ON COLUMN upstream_error_events.retryable IS 'trying again may help';
COMMENT ON COLUMN upstream_error_events.request_fault IS 'the request itself is at fault; no channel is to blame';
COMMENT ON COLUMN upstream_error_events.business_limited IS 'a limit that somebody set on purpose';
COMMENT ON COLUMN upstream_error_events.error_type IS 'type in the words of the upstream';
COMMENT ON COLUMN upstream_error_events.error_code IS 'code in the words of the upstream';
COMMENT ON COLUMN upstream_error_events.code IS 'our code, a row of upstream_error_codes()';
COMMENT ON COLUMN upstream_error_events.status_code IS 'HTTP status of the upstream; null without an answer';
COMMENT ON COLUMN upstream_error_events.upstream_request_id IS 'request id of the upstream';
COMMENT ON COLUMN upstream_error_events.message IS 'what the upstream said, masked';
COMMENT ON COLUMN upstream_error_events.detail IS 'beginning of the body, masked; without one, what the network library said: SSL certificate problem: certificate has expired';
COMMENT ON COLUMN upstream_error_events.truncated IS 'message or detail was cut';
COMMENT ON COLUMN upstream_error_events.original_bytes IS 'length of the body before the cut';
COMMENT ON COLUMN upstream_error_events.request_headers IS 'masked; only when switched on';
COMMENT ON COLUMN upstream_error_events.response_headers IS 'masked; only when switched on';
COMMENT ON COLUMN upstream_error_events.retry_after_ms IS 'wait that the upstream asked for';
COMMENT ON COLUMN upstream_error_events.first_byte_ms IS 'from the request to the first byte of the answer';
COMMENT ON COLUMN upstream_error_events.total_ms IS 'length of the attempt; with outcome recovered, of the whole request';
COMMENT ON COLUMN upstream_error_events.sent_bytes IS 'sent to the client before the failure';
COMMENT ON COLUMN upstream_error_events.response_status IS 'HTTP status that the client got; null when another attempt followed that failed too';
COMMENT ON COLUMN upstream_error_events.outcome IS 'what became of it: answered, error_frame, aborted, client_gone; retried: another attempt followed; recovered: the next one succeeded';
COMMENT ON COLUMN upstream_error_events.decided_by IS 'who gave the verdict: postgres, local';
COMMENT ON COLUMN upstream_error_events.rule_id IS 'rule that decided; null for the default verdict';
COMMENT ON COLUMN upstream_error_events.rule_version IS 'version of that rule';
COMMENT ON COLUMN upstream_error_events.fingerprint IS 'same for faults that are alike';
COMMENT ON COLUMN upstream_error_events.fingerprint_version IS 'version of the fingerprint; 0: given, by a rule for example';
COMMENT ON COLUMN upstream_error_events.mask_version IS 'version of the mask that hid the secrets';
COMMENT ON COLUMN upstream_error_events.trace_id IS 'trace id of traceparent, 32 hex digits';
COMMENT ON COLUMN upstream_error_events.tags IS 'configured request headers: user, team, key name';
COMMENT ON COLUMN upstream_error_events.client_address IS 'only when switched on';
COMMENT ON COLUMN upstream_error_events.region IS 'where the sidecar runs';
COMMENT ON COLUMN upstream_error_events.instance IS 'which sidecar';
COMMENT ON COLUMN upstream_error_events.step IS 'what was done next: answer, retry, failover; null where requests are not routed to channels';
COMMENT ON COLUMN upstream_error_events.step_reason IS 'why that, in a word or two';
COMMENT ON COLUMN upstream_error_events.wait_ms IS 'wait before the next attempt';
COMMENT ON COLUMN upstream_error_events.passed_over IS 'channels that could not be asked instead: [{"channel": "b", "why": "cooling", "until": "2026-11-01T12:00:00Z"}]';
COMMENT ON COLUMN upstream_error_events.recovered_by IS 'with outcome recovered: channel whose answer the client got; told by upstream_error_record_recoveries()';

SELECT pg_catalog.pg_extension_config_dump('upstream_error_events', '');
SELECT pg_catalog.pg_extension_config_dump('upstream_error_events_default', '');

-- The functions return this and not the table's row type: a column added to the table
-- must not break a query that was planned or a view that was made before.
CREATE TYPE upstream_error AS (
	at timestamptz,
	event_id uuid,
	request_id text,
	attempt int4,
	platform text,
	channel text,
	account_id text,
	route text,
	format text,
	model text,
	upstream_model text,
	stream bool,
	kind text,
	network_error text,
	class text,
	phase text,
	owner text,
	source text,
	severity text,
	retryable bool,
	request_fault bool,
	business_limited bool,
	error_type text,
	error_code text,
	code text,
	status_code int4,
	upstream_request_id text,
	message text,
	detail text,
	truncated bool,
	original_bytes int8,
	request_headers jsonb,
	response_headers jsonb,
	retry_after_ms int8,
	first_byte_ms int4,
	total_ms int4,
	sent_bytes int8,
	response_status int4,
	outcome text,
	decided_by text,
	rule_id int8,
	rule_version int4,
	fingerprint int8,
	fingerprint_version int4,
	mask_version int4,
	trace_id text,
	tags jsonb,
	client_address inet,
	region text,
	instance text,
	step text,
	step_reason text,
	wait_ms int4,
	passed_over jsonb,
	recovered_by text
);
COMMENT ON TYPE upstream_error IS 'A failed attempt as upstream_errors() returns it: the public columns of upstream_error_events.';
