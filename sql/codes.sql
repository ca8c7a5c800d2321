-- upstream_error_codes(): the catalogue is whole.  Its rows are the core's.
SELECT count(*) > 30 AS many, count(*) = count(DISTINCT code) AS "each once" FROM upstream_error_codes();
SELECT code FROM upstream_error_codes() WHERE message = '' OR message_zh = '' OR cause = '' OR remedy = ''
	OR message IS NULL OR message_zh IS NULL OR cause IS NULL OR remedy IS NULL;
SELECT DISTINCT public_code FROM upstream_error_codes() EXCEPT
VALUES ('invalid_request'), ('insufficient_quota'), ('access_denied'), ('model_not_found'), ('rate_limit_exceeded'),
	('internal_service_error'), ('upstream_service_error'), ('database_error'), ('channel_error');
SELECT DISTINCT visibility FROM upstream_error_codes() ORDER BY 1;
SELECT code, client_status FROM upstream_error_codes() WHERE client_status NOT BETWEEN 400 AND 599;
SELECT count(*) > 0 AS "channel codes" FROM upstream_error_codes() WHERE code LIKE 'channel:%';
-- every code can be the reason of a local error
SELECT count(*) = (SELECT count(*) FROM upstream_error_codes()) AS usable
FROM upstream_error_codes() AS c, upstream_error_decide_batch(ARRAY[''], '{local_error}', '{none}', '{0}', '{""}', '{""}', '{openai}', '{client}',
	'{f}', '{r}', '{m}', ARRAY[c.code], '{NULL}', ARRAY[now()], '{NULL}') AS v
WHERE v.code = c.code AND v.response_status BETWEEN 400 AND 599;
-- messages in the language of an Accept-Language header
SELECT l.language, count(*) FILTER (WHERE c.message = e.message) = count(*) AS english, count(*) FILTER (WHERE c.message = e.message_zh) = count(*) AS chinese
FROM (VALUES ('en'), ('zh'), ('zh-CN,zh;q=0.9'), ('en, zh'), ('fr'), (''), (NULL)) AS l (language), upstream_error_codes(l.language) AS c
JOIN upstream_error_codes() AS e USING (code) GROUP BY l.language ORDER BY l.language COLLATE "C";
