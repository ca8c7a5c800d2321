-- ---------------------------------------------------------------- the error model

CREATE FUNCTION upstream_error_mask(body text) RETURNS text
AS 'MODULE_PATHNAME', 'ue_sql_mask'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask(text) IS 'The text without its secrets: keys, tokens, credentials in URLs, hosts, addresses, account ids, and what upstream_error_mask_patterns says; hosts of upstream_error_mask_hosts stay. Example: SELECT upstream_error_mask(''Incorrect API key provided: sk-abcdef0123456789abcdef'');';

CREATE FUNCTION upstream_error_mask(document jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'ue_sql_mask_json'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask(jsonb) IS 'The document with every string masked, and the values of members whose names say that they are secrets replaced; other numbers stay. One that is nested deeper than 64 or has more than 8,192 values comes out as its text, masked, in one string. Example: SELECT upstream_error_mask(''{"authorization": "Bearer abc", "retry-after": "2"}''::jsonb);';

CREATE FUNCTION upstream_error_mask_version() RETURNS int
AS 'MODULE_PATHNAME', 'ue_sql_mask_version'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_mask_version() IS 'Version of the mask of this installation, which moves whenever the same text would come out otherwise, so with every change of upstream_error_mask_patterns and upstream_error_mask_hosts too; each event names the one that masked it. Example: SELECT count(*) FROM upstream_errors(''30d'') WHERE mask_version < upstream_error_mask_version();';

CREATE FUNCTION upstream_error_classify(
	platform text, status int, body text, headers jsonb DEFAULT '{}',
	OUT class text, OUT type text, OUT code text, OUT message text, OUT param text,
	OUT retry_after_ms bigint, OUT upstream_request_id text, OUT public_code text,
	OUT client_status int, OUT phase text, OUT owner text, OUT source text,
	OUT severity text, OUT retryable bool
)
AS 'MODULE_PATHNAME', 'ue_sql_classify'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_classify(text, int, text, jsonb) IS 'What an upstream''s answer says and what kind of fault it is. Texts are masked; status null means there was no answer; client_status is what a client is told by default. Example: SELECT class, retryable FROM upstream_error_classify(''openai'', 429, ''{"error":{"message":"Rate limit reached","type":"requests"}}'', ''{"retry-after": "2"}'');';

CREATE FUNCTION upstream_error_classify(
	platform text, status int, body bytea, headers jsonb DEFAULT '{}',
	OUT class text, OUT type text, OUT code text, OUT message text, OUT param text,
	OUT retry_after_ms bigint, OUT upstream_request_id text, OUT public_code text,
	OUT client_status int, OUT phase text, OUT owner text, OUT source text,
	OUT severity text, OUT retryable bool
)
AS 'MODULE_PATHNAME', 'ue_sql_classify'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_classify(text, int, bytea, jsonb) IS 'The same for a body that may not be valid text.';

CREATE TYPE upstream_error_verdict AS (
	action text,
	response_status int,
	response_headers jsonb,
	response_body text,
	response_frame text,
	class text,
	code text,
	public_code text,
	message text,
	detail text,
	error_type text,
	error_code text,
	retry_after_ms bigint,
	upstream_request_id text,
	retryable bool,
	rule_id bigint,
	rule_version int,
	cooldown_s int,
	skip_monitoring bool
);
COMMENT ON TYPE upstream_error_verdict IS 'What to do about a failed attempt and the exact answer for the client: status, headers and body before the first byte, the frame inside an event stream. message and detail are masked; rule_id is null where no rule decided, cooldown_s is given with action cooldown, skip_monitoring says that no event is to be recorded.';

CREATE FUNCTION upstream_error_decide(
	platform text, status int, body text, headers jsonb DEFAULT '{}',
	format text DEFAULT 'openai', kind text DEFAULT 'http_error',
	network_error text DEFAULT 'none', credential text DEFAULT 'client',
	stream bool DEFAULT false, request_id text DEFAULT '', model text DEFAULT '',
	at timestamptz DEFAULT now(), accept_language text DEFAULT '',
	channel text DEFAULT '', route text DEFAULT '', attempt int DEFAULT 1,
	has_output bool DEFAULT false, tags jsonb DEFAULT '{}', local_code text DEFAULT NULL,
	local_message text DEFAULT NULL
) RETURNS upstream_error_verdict
AS 'MODULE_PATHNAME', 'ue_sql_decide'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_decide(text, int, text, jsonb, text, text, text, text, bool, text, text, timestamptz, text, text, text, int, bool, jsonb, text, text) IS 'The verdict on a failed attempt, byte for byte what the sidecar answers; accept_language is the client''s header, route the path it asked for, tags what is known of it; with kind local_error, local_code is a row of upstream_error_codes(). Example: SELECT response_status, response_body FROM upstream_error_decide(''anthropic'', 529, ''{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'', format => ''openai'');';

CREATE FUNCTION upstream_error_decide(
	platform text, status int, body bytea, headers jsonb DEFAULT '{}',
	format text DEFAULT 'openai', kind text DEFAULT 'http_error',
	network_error text DEFAULT 'none', credential text DEFAULT 'client',
	stream bool DEFAULT false, request_id text DEFAULT '', model text DEFAULT '',
	at timestamptz DEFAULT now(), accept_language text DEFAULT '',
	channel text DEFAULT '', route text DEFAULT '', attempt int DEFAULT 1,
	has_output bool DEFAULT false, tags jsonb DEFAULT '{}', local_code text DEFAULT NULL,
	local_message text DEFAULT NULL
) RETURNS upstream_error_verdict
AS 'MODULE_PATHNAME', 'ue_sql_decide'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_decide(text, int, bytea, jsonb, text, text, text, text, bool, text, text, timestamptz, text, text, text, int, bool, jsonb, text, text) IS 'The same for a body that may not be valid text.';

CREATE FUNCTION upstream_error_decide_batch(
	platforms text[], kinds text[], network_errors text[], statuses int[], headers text[],
	bodies bytea[], formats text[], credentials text[], streams bool[], request_ids text[],
	models text[], local_codes text[], local_messages text[], ats timestamptz[],
	languages text[], channels text[] DEFAULT NULL, routes text[] DEFAULT NULL,
	attempts int[] DEFAULT NULL, outputs bool[] DEFAULT NULL, tags text[] DEFAULT NULL
) RETURNS TABLE (
	ordinal int, action text, response_status int, response_headers text,
	response_body bytea, response_frame bytea, class text, code text,
	rule_id bigint, rule_version int, cooldown_s int, skip_monitoring bool
)
AS 'MODULE_PATHNAME', 'ue_sql_decide_batch'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 32;
COMMENT ON FUNCTION upstream_error_decide_batch IS 'Verdicts on many failed attempts at once, one array per field, headers and tags as lines "name: value"; the last five arrays may be left out. One row per element in their order. For the sidecar.';

CREATE FUNCTION upstream_error_render(
	format text, status int, class text, message text, type text DEFAULT NULL,
	code text DEFAULT NULL, param text DEFAULT NULL, request_id text DEFAULT '',
	upstream_request_id text DEFAULT NULL, retry_after_s int DEFAULT 0,
	retry_useless bool DEFAULT false,
	OUT response_status int, OUT response_headers jsonb, OUT response_body text,
	OUT response_frame text
)
AS 'MODULE_PATHNAME', 'ue_sql_render'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION upstream_error_render IS 'An error answer in the dialect of a client''s SDK; texts are masked. Example: SELECT response_body FROM upstream_error_render(''anthropic'', 429, ''rate_limit'', ''Slow down'', request_id => ''req_1'', retry_after_s => 2);';

CREATE FUNCTION upstream_error_codes(language text DEFAULT 'en') RETURNS TABLE (
	code text, public_code text, class text, client_status int, visibility text,
	skip_retry bool, recorded bool, message text, message_zh text, cause text, remedy text,
	retry_after_s int, language text, edited bool
)
AS 'MODULE_PATHNAME', 'ue_sql_codes'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 60;
COMMENT ON FUNCTION upstream_error_codes(text) IS 'Every error code: what it means, what a client is told and what to do about it; client_status null means the upstream''s own. message is what a client with this Accept-Language reads, language its tag; edited says that an operator wrote it (upstream_error_messages). retry_after_s is told to a client that may retry when the upstream named no wait. Example: SELECT code, cause, remedy FROM upstream_error_codes() WHERE class = ''billing'';';
