-- CLIProxyAPI's request-scoped errors as rows (docs/rules.md): a status, texts with their
-- case or an expression, and one of its four actions.
SET client_min_messages = warning;
INSERT INTO upstream_error_rules (priority, name, error_codes, patterns, match_mode, platforms, channels, action, cooldown_s) VALUES
(10, 'stop', '{400}', '{"\\QThis prompt is not allowed\\E"}', 'all', '{openai}', '{}', 'stop', NULL),
(11, 'stop and cooldown', '{403}', '{"\\Qsuspended\\E","seat .* revoked"}', 'all', '{openai}', '{}', 'stop', NULL),
(12, 'continue', '{404}', '{"model .* is not (enabled|deployed)"}', 'all', '{}', '{key-1}', 'failover', NULL),
(13, 'continue and cooldown', '{429}', '{"\\Qfor this week\\E"}', 'all', '{}', '{}', 'cooldown', 3600),
(14, 'later', '{400,403,404,429}', '{"\\Qa.b (c)\\E"}', 'all', '{}', '{}', 'retry', NULL),
(15, 'status alone', '{418}', '{}', 'any', '{}', '{}', 'stop', NULL);
INSERT INTO upstream_error_health_rules (name, error_codes, patterns, match_mode, platforms, scope, duration_s)
VALUES ('stop and cooldown', '{403}', '{"\\Qsuspended\\E","seat .* revoked"}', 'all', '{openai}', 'channel', 3600);
CREATE TEMP TABLE seen (n int GENERATED ALWAYS AS IDENTITY, platform text, status int, message text, channel text);
INSERT INTO seen (platform, status, message, channel) VALUES
('openai', 400, 'Sorry. This prompt is not allowed here.', ''),
('openai', 400, 'Sorry. THIS PROMPT IS NOT ALLOWED here.', ''), -- case matters to match, as it does there
('openai', 422, 'This prompt is not allowed', ''),              -- and so does the status
('anthropic', 400, 'This prompt is not allowed', ''),
('openai', 403, 'account suspended', ''),                       -- one of several texts
('openai', 403, 'seat 17 was revoked', ''),                     -- or the expression
('openai', 404, 'model x is not deployed', 'key-1'),
('openai', 404, 'model x is not deployed', 'key-2'),            -- of another key
('openai', 404, 'model x is not known', 'key-1'),
('openai', 429, 'limit for this week', ''),
('openai', 403, 'suspended a.b (c)', ''),                       -- the first that fits
('openai', 404, 'a.b (c)', ''),                                 -- a text is no expression
('openai', 404, 'aXb c', ''),
('openai', 418, 'anything', '');
SELECT s.platform, s.status, s.message, s.channel, v.action, v.cooldown_s, r.name AS rule
FROM seen AS s
CROSS JOIN LATERAL upstream_error_decide(s.platform, s.status, jsonb_build_object('error', jsonb_build_object('message', s.message))::text, channel => s.channel) AS v
LEFT JOIN upstream_error_rules AS r ON r.id = v.rule_id
ORDER BY s.n;
-- they can be held by tests, which a commit must pass
INSERT INTO upstream_error_rule_tests (name, platform, status, body, channel, expect_rule, expect_action) VALUES
('stop', 'openai', 400, '{"error":{"message":"This prompt is not allowed"}}', '', 'stop', 'stop'),
('stop and cooldown', 'openai', 403, '{"error":{"message":"suspended"}}', '', 'stop and cooldown', 'stop'),
('continue', 'openai', 404, '{"error":{"message":"model x is not enabled"}}', 'key-1', 'continue', 'failover'),
('continue and cooldown', 'openai', 429, '{"error":{"message":"for this week"}}', '', 'continue and cooldown', 'cooldown');
\set VERBOSITY terse
UPDATE upstream_error_rules SET action = 'failover', cooldown_s = NULL WHERE name = 'continue and cooldown';
SELECT name, passed FROM upstream_error_test_rules() ORDER BY 1;
DROP TABLE seen;
DROP EXTENSION upstream_errors;
CREATE EXTENSION upstream_errors;
