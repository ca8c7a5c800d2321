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
-- every code of new-api, by group: request, own, channel, client request, response, SQL, quota
SELECT code AS missing FROM unnest(ARRAY[
	'invalid_request', 'sensitive_words_detected', 'violation_fee.grok.csam',
	'count_token_failed', 'model_price_error', 'invalid_api_type', 'json_marshal_failed', 'do_request_failed', 'get_channel_failed', 'gen_relay_info_failed',
	'channel:no_available_key', 'channel:param_override_invalid', 'channel:header_override_invalid', 'channel:model_mapped_error',
	'channel:aws_client_error', 'channel:invalid_key', 'channel:response_time_exceeded',
	'read_request_body_failed', 'convert_request_failed', 'access_denied', 'bad_request_body',
	'read_response_body_failed', 'bad_response_status_code', 'bad_response', 'bad_response_body', 'empty_response', 'aws_invoke_error',
	'model_not_found', 'prompt_blocked',
	'query_data_error', 'update_data_error',
	'insufficient_user_quota', 'pre_consume_token_quota_failed']) AS n (code)
WHERE code NOT IN (SELECT code FROM upstream_error_codes());
-- every local code of sub2api, and the reasons it gives
SELECT code AS missing FROM unnest(ARRAY[
	'INVALID_API_KEY', 'API_KEY_REQUIRED', 'API_KEY_EXPIRED', 'API_KEY_DISABLED', 'USER_NOT_FOUND', 'USER_INACTIVE', 'GROUP_DELETED',
	'GROUP_DISABLED', 'API_KEY_QUOTA_EXHAUSTED', 'INSUFFICIENT_BALANCE', 'api_key_in_query_deprecated',
	'api_key_ip_restriction', 'api_key_group_unavailable', 'api_key_group_unassigned', 'local_feature_gate', 'local_policy_denied',
	'local_model_configuration']) AS n (code)
WHERE code NOT IN (SELECT code FROM upstream_error_codes());
