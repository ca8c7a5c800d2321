-- upstream_error_decide(), its batch form, and upstream_error_render().

-- the answer is in the client's format, whatever the upstream's
SELECT f.format, v.response_status, v.class, v.response_headers ->> 'content-type' AS content_type,
	jsonb_typeof(v.response_body::jsonb) AS body, v.response_body LIKE '%Overloaded%' AS says_so
FROM (VALUES ('openai'), ('openai_responses'), ('anthropic'), ('gemini')) AS f (format),
	upstream_error_decide('anthropic', 529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
		format => f.format, request_id => 'req_1') AS v;
SELECT v.response_headers ->> 'x-request-id' AS id, v.response_headers ->> 'retry-after' AS retry_after
FROM upstream_error_decide('openai', 429, '{"error":{"message":"slow down"}}', '{"retry-after": "2"}', request_id => 'req_1') AS v;

-- whose key it was makes a difference
SELECT c.credential, v.response_status, v.class
FROM (VALUES ('client'), ('ours')) AS c (credential),
	upstream_error_decide('openai', 401, '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}',
		credential => c.credential) AS v;

-- no answer at all
SELECT n.error, v.class, v.response_status, v.retryable
FROM (VALUES ('dns'), ('connect'), ('first_byte_timeout'), ('reset')) AS n (error),
	upstream_error_decide('openai', NULL, NULL::text, kind => 'request_error', network_error => n.error) AS v;

-- secrets of the upstream's body are in none of the texts
SELECT count(*) AS leaks FROM (VALUES ('openai'), ('openai_responses'), ('anthropic'), ('gemini')) AS f (format),
	upstream_error_decide('openai', 401, '{"error":{"message":"Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD."}}',
		format => f.format) AS v
WHERE v::text LIKE '%abcdefghijklmnop%';

-- text and bytea, null and default: the same verdict
SELECT upstream_error_decide('openai', 400, '{"error":{"message":"no"}}', at => '2026-01-01')
	= upstream_error_decide('openai', 400, '{"error":{"message":"no"}}'::bytea, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-01-01') AS same;
SELECT (upstream_error_decide('OpenAI', 429, '{}')).class;
-- a date is relative to the time of the answer
SELECT (upstream_error_decide('openai', 429, '{}', '{"retry-after": "Thu, 01 Jan 2026 00:00:10 GMT"}', at => '2026-01-01 00:00:00+00')).retry_after_ms;
SELECT (upstream_error_decide('openai', 429, '{}', '{"retry-after": "2"}', at => 'infinity')).retry_after_ms;

-- one call for many gives the bytes of many calls
CREATE TEMP TABLE cases AS
SELECT row_number() OVER () AS n, p.platform, s.status, b.body, f.format, c.credential, st.stream
FROM (VALUES ('openai'), ('anthropic'), ('gemini')) AS p (platform),
	(VALUES (0), (200), (400), (401), (404), (413), (429), (500), (529)) AS s (status),
	(VALUES ('{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'::bytea),
		('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'),
		('<title>Bad Gateway</title>'), (''), ('\x00ff22'), (NULL)) AS b (body),
	(VALUES ('openai'), ('openai_responses'), ('anthropic'), ('gemini')) AS f (format),
	(VALUES ('client'), ('ours')) AS c (credential), (VALUES (true), (false)) AS st (stream);
SELECT count(*) AS cases, count(DISTINCT b.response_body) > 20 AS different,
	bool_and(b.ordinal = c.n AND b.action = v.action AND b.response_status = v.response_status
		AND b.response_body = convert_to(v.response_body, 'UTF8')
		AND b.response_frame = convert_to(v.response_frame, 'UTF8')
		AND b.class = v.class AND b.code = v.code AND b.rule_id IS NULL) AS "same bytes",
	bool_and(v.response_headers = (SELECT jsonb_object_agg(split_part(line, ': ', 1), substr(line, strpos(line, ': ') + 2))
		FROM regexp_split_to_table(rtrim(b.response_headers, E'\n'), '\n') AS line)) AS "same headers"
FROM (SELECT array_agg(platform ORDER BY n) AS platforms, array_agg(text 'http_error' ORDER BY n) AS kinds,
		array_agg(text 'none' ORDER BY n) AS networks, array_agg(status ORDER BY n) AS statuses,
		array_agg(text E'retry-after: 5\r\nx-request-id: up\n' ORDER BY n) AS headers, array_agg(body ORDER BY n) AS bodies,
		array_agg(format ORDER BY n) AS formats, array_agg(credential ORDER BY n) AS credentials,
		array_agg(stream ORDER BY n) AS streams, array_agg('req_' || n ORDER BY n) AS request_ids,
		array_agg(text 'm' ORDER BY n) AS models, array_agg(NULL::text ORDER BY n) AS nothing,
		array_agg(timestamptz '2026-01-01' ORDER BY n) AS ats FROM cases) AS a,
	upstream_error_decide_batch(platforms, kinds, networks, statuses, headers, bodies, formats, credentials,
		streams, request_ids, models, nothing, nothing, ats, nothing) AS b
JOIN cases AS c ON c.n = b.ordinal,
	LATERAL upstream_error_decide(c.platform, c.status, c.body, '{"retry-after": "5", "x-request-id": "up"}', c.format,
		'http_error', 'none', c.credential, c.stream, 'req_' || c.n, 'm', '2026-01-01') AS v;

-- local errors say why; nulls are defaults; nothing gives nothing
SELECT ordinal, response_status, class, code, rule_id, rule_version
FROM upstream_error_decide_batch('{NULL,NULL}', '{local_error,NULL}', '{NULL,NULL}', '{NULL,500}', '{NULL,NULL}', ARRAY[NULL, NULL]::bytea[],
	'{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{channel:no_available_key,NULL}', '{NULL,NULL}', ARRAY[NULL, NULL]::timestamptz[], '{NULL,NULL}');
SELECT count(*) FROM upstream_error_decide_batch('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');

-- the words of ours are in the client's language; an upstream's own stay
SELECT l.header, v.response_body::jsonb #>> '{error,message}' AS replaced, o.response_body::jsonb #>> '{error,message}' AS shown
FROM (VALUES (NULL), (''), ('en'), ('zh-CN,zh;q=0.9,en;q=0.8'), ('fr, zh-TW;q=0.3, en;q=0.2'), ('de'), ('zh;q=x')) AS l (header),
	upstream_error_decide('openai', 401, '{"error":{"message":"bad key"}}', credential => 'ours', accept_language => l.header) AS v,
	upstream_error_decide('openai', 400, '{"error":{"message":"too long","type":"invalid_request_error"}}', accept_language => l.header) AS o;
SELECT b.ordinal, convert_from(b.response_body, 'UTF8')::jsonb #>> '{error,message}' AS message,
	convert_from(b.response_body, 'UTF8') = v.response_body AS same
FROM upstream_error_decide_batch('{openai,openai,openai}', '{http_error,http_error,http_error}', '{none,none,none}', '{401,401,401}', '{"","",""}', '{"","",""}',
	'{openai,openai,openai}', '{ours,ours,ours}', '{f,f,f}', '{r,r,r}', '{m,m,m}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', ARRAY[now(),now(),now()],
	'{en,zh-CN,NULL}') AS b,
	LATERAL upstream_error_decide('openai', 401, '', credential => 'ours', request_id => 'r', model => 'm', accept_language => ('{en,zh-CN,NULL}'::text[])[b.ordinal]) AS v
ORDER BY b.ordinal;

-- what is refused
SELECT upstream_error_decide('openai', 500, '', format => 'opnai');
SELECT upstream_error_decide('openai', 500, '', kind => 'oops');
SELECT upstream_error_decide('openai', 500, '', network_error => 'gremlins');
SELECT upstream_error_decide('openai', 500, '', credential => 'theirs');
SELECT upstream_error_decide('openai', 500, '', kind => 'local_error');
SELECT * FROM upstream_error_decide_batch('{a}', '{http_error}', '{none}', '{500}', '{""}', '{""}', '{openai}', '{client}', '{f,t}', '{r}', '{m}', '{NULL}', '{NULL}', ARRAY[now()], '{NULL}');
SELECT * FROM upstream_error_decide_batch('{a}', '{http_error}', '{none}', '{500}', '{""}', '{""}', NULL, '{client}', '{f}', '{r}', '{m}', '{NULL}', '{NULL}', ARRAY[now()], '{NULL}');
SELECT * FROM upstream_error_decide_batch('{a,a}', '{http_error,http_err}', '{none,none}', '{500,500}', '{"",""}', '{"",""}', '{openai,openai}', '{client,client}', '{f,f}', '{r,r}', '{m,m}', '{NULL,NULL}', '{NULL,NULL}', ARRAY[now(),now()], '{NULL,NULL}');
SELECT * FROM upstream_error_decide_batch('{a}', '{local_error}', '{none}', '{0}', '{""}', '{""}', '{openai}', '{client}', '{f}', '{r}', '{m}', '{no_such_code}', '{NULL}', ARRAY[now()], '{NULL}');
\set VERBOSITY sqlstate
SELECT upstream_error_decide('openai', 500, '', format => 'opnai');
SELECT * FROM upstream_error_decide_batch('{a}', '{local_error}', '{none}', '{0}', '{""}', '{""}', '{openai}', '{client}', '{f}', '{r}', '{m}', '{no_such_code}', '{NULL}', ARRAY[now()], '{NULL}');
\set VERBOSITY default

-- an answer that no upstream caused
SELECT r.response_status, r.response_headers ->> 'retry-after' AS retry_after, r.response_headers ->> 'x-should-retry' AS retry,
	r.response_body::jsonb #>> '{error,message}' AS message, r.response_frame <> '' AS frame
FROM (VALUES ('openai'), ('openai_responses'), ('anthropic'), ('gemini')) AS f (format),
	upstream_error_render(f.format, 429, 'rate_limit', 'Slow down', request_id => 'req_1', retry_after_s => 2) AS r;
SELECT r.response_headers ->> 'x-should-retry' AS retry, r.response_body::jsonb #>> '{error,code}' AS code, r.response_body::jsonb #>> '{error,param}' AS param
FROM upstream_error_render('openai', 400, 'invalid_request', 'No', 'invalid_request_error', 'bad', 'messages.0', retry_useless => true) AS r;
SELECT response_body NOT LIKE '%abcdefghij%' AS masked FROM upstream_error_render('openai', 401, 'authentication', 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD');
SELECT upstream_error_render('openai', 200, 'internal', 'x');
SELECT upstream_error_render('openai', NULL, 'internal', 'x');
SELECT upstream_error_render('openai', 500, 'internal', '');
SELECT upstream_error_render('openai', 500, 'no_class', 'x');
SELECT upstream_error_render('xml', 500, 'internal', 'x');
SELECT upstream_error_render('openai', 500, 'internal', 'x', retry_after_s => 61);

-- what else rules may look at, and the default of each
SELECT upstream_error_decide('openai', 400, '{"error":{"message":"no"}}', at => '2026-01-01')
	= upstream_error_decide('openai', 400, '{"error":{"message":"no"}}', at => '2026-01-01', channel => NULL, route => NULL, attempt => NULL, has_output => NULL, tags => NULL) AS same;
SELECT code, response_status, rule_id, cooldown_s, skip_monitoring FROM upstream_error_decide('', NULL, NULL::text, kind => 'local_error', local_code => 'channel:no_available_key', local_message => 'all cooling down');
SELECT ordinal, response_status, cooldown_s, skip_monitoring
FROM upstream_error_decide_batch('{a}', '{http_error}', '{none}', '{500}', '{""}', '{""}', '{openai}', '{client}', '{f}', '{r}', '{m}', '{NULL}', '{NULL}', ARRAY[now()], '{NULL}',
	'{main}', '{/v1/messages}', '{2}', '{t}', ARRAY[E'team: search\nuser: alice']);
SELECT upstream_error_decide('openai', 500, '', attempt => -1);
SELECT upstream_error_decide('openai', 500, '', tags => '["team"]');
SELECT upstream_error_decide('openai', 500, '', tags => '{"team": 5}');
SELECT * FROM upstream_error_decide_batch('{a}', '{http_error}', '{none}', '{500}', '{""}', '{""}', '{openai}', '{client}', '{f}', '{r}', '{m}', '{NULL}', '{NULL}', ARRAY[now()], '{NULL}', attempts => '{1,2}');

-- a path of Bedrock's is asked by an SDK of AWS, which reads other headers and the top of the body
SELECT response_headers ->> 'x-amzn-errortype' AS exception, response_headers ->> 'x-amzn-requestid' AS request_id, response_body
FROM (VALUES ('/model/amazon.nova-pro-v1:0/converse'), ('/v1/chat/completions')) AS v (route),
	upstream_error_decide('bedrock', 429, '{"message":"Too many requests"}', '{"x-amzn-errortype": "ThrottlingException:"}', request_id => 'req_1', route => v.route);
