-- upstream_error_classify(): parse and class in one row.
SELECT class, type, code, message, param, retry_after_ms, upstream_request_id, public_code, client_status, phase, owner, source, severity, retryable
FROM upstream_error_classify('openai', 429,
	'{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}',
	'{"Retry-After": "2", "x-request-id": "req_abc"}');
SELECT class, type, message, client_status, retryable
FROM upstream_error_classify('anthropic', 529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
SELECT class, code, message, param FROM upstream_error_classify('openai', 400,
	'{"error":{"message":"Unknown parameter: ''foo''.","type":"invalid_request_error","param":"foo","code":"unknown_parameter"}}');
SELECT class, retry_after_ms FROM upstream_error_classify('gemini', 429,
	'[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}]');
-- an error object inside a 200, HTML, nothing at all
SELECT class, retryable FROM upstream_error_classify('openai', 200, '{"error":{"message":"The server had an error","type":"server_error"}}');
SELECT class, message FROM upstream_error_classify('openai', 502, '<html><head><title>502 Bad Gateway</title></head><body>x</body></html>');
SELECT class FROM upstream_error_classify('openai', 500, '');
SELECT class FROM upstream_error_classify('openai', NULL, NULL::text);

-- every null is an absence
SELECT class FROM upstream_error_classify(NULL, 500, NULL::text, NULL);

-- bytes that are no text: the same function for bytea
SELECT class, message FROM upstream_error_classify('openai', 500, '\x7b226572726f72223a7b226d657373616765223a226261642000ff20627974657322'::bytea);
SELECT t.class = b.class AND t.message = b.message AS same
FROM upstream_error_classify('openai', 401, '{"error":{"message":"no"}}') AS t,
	upstream_error_classify('openai', 401, '{"error":{"message":"no"}}'::bytea) AS b;
-- every prefix of a body gives something, and never an error
SELECT count(class) FROM generate_series(0, 113) AS n, upstream_error_classify('openai', 429,
	substr('{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}'::bytea, 1, n));
SELECT count(class) FROM generate_series(1, 200) AS n, upstream_error_classify('openai', 500, decode(repeat(md5(n::text), n), 'hex'));

-- beyond the ceilings: long, deep, wide
SELECT class, octet_length(message) <= 2048 AS cut FROM upstream_error_classify('openai', 500, '{"error":{"message":"' || repeat('é', 200000) || '"}}');
SELECT class FROM upstream_error_classify('openai', 500, repeat('[', 100000));
SELECT class FROM upstream_error_classify('openai', 500, repeat('{"error":', 5000) || '1');
SELECT class FROM upstream_error_classify('openai', 500, '[' || repeat('0,', 60000) || '0]');
SELECT class FROM upstream_error_classify('openai', 429, '{}', (SELECT jsonb_object_agg('x-' || n, n::text) FROM generate_series(1, 1000) AS n));
SELECT length(repeat('x', 20000000)) AS long, class FROM upstream_error_classify('openai', 500, repeat('x', 20000000));

-- headers
SELECT retry_after_ms FROM upstream_error_classify('openai', 429, '{}', '{"retry-after": ["3"]}');
SELECT retry_after_ms FROM upstream_error_classify('openai', 429, '{}', '{"retry-after": []}');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '{}');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '[]');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '"retry-after: 2"');
SELECT class FROM upstream_error_classify('openai', 429, '{}', 'null');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '{"retry-after": 2}');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '{"a": "b", "retry-after": {"x": "y"}}');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '{"retry-after": ["2", null]}');
SELECT class FROM upstream_error_classify('openai', 429, '{}', '{"retry-after": [["2"]]}');
SELECT class FROM upstream_error_classify('openai', 1000, '{}');
SELECT class FROM upstream_error_classify('openai', -1, '{}');
