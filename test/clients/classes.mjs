// SPDX-License-Identifier: PostgreSQL
/*
 * classes.mjs: what an SDK's user sees of a fault of each class, in every dialect.
 * Speaks TAP.
 *
 *   node classes.mjs DIRECT_URL SIDECAR_URL BODIES
 *
 * The scripted upstream plays a case of the corpus whatever the client's dialect; the answer
 * that the case expects says what the SDK has to raise: class by status, message, type, code
 * and param, request id, wait, and whether it may try again.  Then the case's frame comes
 * behind the beginning of a good stream, and has to raise too.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { call, vendors } from './vendors.mjs';

const [directUrl, sidecarUrl, bodies] = process.argv.slice(2);
let number = 0;
let failed = 0;

/* At least one of each class that an upstream can send; some in words of another vendor. */
const cases = [
	'openai-invalid-api-key-client', 'gemini-api-key-expired',
	'anthropic-permission', 'openai-unsupported-country',
	'deepseek-402', 'gemini-429-prepayment', 'anthropic-429-enforced-spend-limit', 'openrouter-403-budget',
	'openai-429-tpm-174ms', 'openai-429-request-too-large-tpm', 'anthropic-429-concurrency', 'gemini-429-per-minute', 'gemini-429-per-day', 'openrouter-402-in-flight',
	'anthropic-529', 'openai-503-overloaded', 'openrouter-503-overloaded',
	'openai-context-length', 'openrouter-400-raw-context', 'vllm-400-prompt-length',
	'azure-content-filter-seen', 'deepseek-400-risk',
	'openai-invalid-value', 'openai-422',
	'gemini-model-not-found', 'ollama-404',
	'openai-unknown-url', 'openai-conflict', 'anthropic-413', 'edge-nginx-413',
	'anthropic-504', 'edge-nginx-504', 'edge-cloudflare-521',
	'openai-500-server-error', 'huggingface-tgi-generation', 'gemini-internal',
	'openai-200-empty', 'openrouter-200-choice-error',
];

/* The classes of exceptions that the SDKs choose by status. */
const openai = {
	400: 'BadRequestError', 401: 'AuthenticationError', 403: 'PermissionDeniedError', 404: 'NotFoundError',
	409: 'ConflictError', 422: 'UnprocessableEntityError', 429: 'RateLimitError', server: 'InternalServerError', other: 'APIError',
};
const anthropic = {
	...openai, 402: 'PaymentRequiredError', 413: 'ContentTooLargeError', 503: 'ServiceUnavailableError', 504: 'GatewayTimeoutError',
	529: 'OverloadedError', '429 enforced_spend_limit_reached': 'EnforcedSpendLimitReachedError',
};
const classes = { openai, openai_responses: openai, anthropic, gemini: { server: 'ApiError', other: 'ApiError' } };

function classOf(vendor, { status, error }) {
	const known = classes[vendor];
	return known[`${status} ${error.details?.error_code}`] ?? known[status] ?? (status >= 500 ? known.server : known.other);
}

function ok(wrong, claim, found) {
	number++;
	console.log(`${wrong.length === 0 ? 'ok' : 'not ok'} ${number} - ${claim}`);
	if (wrong.length === 0) return;
	failed++;
	for (const line of wrong) console.log(`#   ${line}`);
	console.log(`#   ${JSON.stringify(found)}`);
}

/* Status, headers, error object and frame of an expected answer; and the frame's error object. */
function readAnswer(name, vendor) {
	const [answer, frame] = readFileSync(`${bodies}/${name}/answer.${vendor}`, 'utf8').split('-- frame --\n');
	const [head, body] = [answer.slice(0, answer.indexOf('\n\n')), answer.slice(answer.indexOf('\n\n') + 2)];
	const [status, ...lines] = head.split('\n');
	const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
	const data = JSON.parse(frame.slice(frame.indexOf('data: ') + 6));
	return { status: Number(status), headers, error: JSON.parse(body).error, frame, frameError: data.error };
}

/* The fields in which found is not what is expected; undefined: nothing is. */
function differences(expected, found) {
	const wrong = [];
	for (const [key, value] of Object.entries(expected)) {
		const fits = value instanceof RegExp ? value.test(found[key] ?? '') : value === undefined || found[key] === value;
		if (!fits) wrong.push(`${key} ${value} expected, ${JSON.stringify(found[key])} found`);
	}
	return wrong;
}

/* Google's SDK shows the body alone: code is the status, type its name, the wait a detail. */
function words(vendor, { status, error }) {
	if (vendor === 'gemini') {
		const delay = error.details?.find((detail) => detail.retryDelay)?.retryDelay ?? null;
		return { message: error.message, code: status, type: error.status, retry_delay: delay };
	}
	if (vendor === 'anthropic') return { message: error.message, type: error.type };
	return { message: error.message, code: error.code, type: error.type, param: error.param ?? null };
}

function expectedOf(vendor, answer) {
	const expected = { class: classOf(vendor, answer), status: answer.status, ...words(vendor, answer) };
	if (vendor === 'gemini') return expected;
	const id = answer.headers['request-id'];
	expected.request_id = id === 'req_corpus' ? /^req_[0-9a-f]{32}$/ : id;
	expected.retry_after = answer.headers['retry-after'] ?? null;
	expected.should_retry = answer.headers['x-should-retry'] ?? null;
	return expected;
}

async function count(name) {
	const counts = await (await fetch(`${directUrl}/_counts`)).json();
	return counts[`case:${name}`]?.requests ?? counts[name]?.requests ?? 0;
}

async function compare(vendor, name) {
	const answer = readAnswer(name, vendor);
	for (const stream of [false, true]) {
		const found = await call(vendor, sidecarUrl, `case:${name}`, { stream });
		ok(differences(expectedOf(vendor, answer), found), `${vendor}: ${name}${stream ? ', a stream asked for' : ''}`, found);
	}
	if (answer.headers['x-should-retry'] !== 'false' || vendor === 'gemini') return;
	const before = await count(name);
	const found = await call(vendor, sidecarUrl, `case:${name}`, { retries: 2 });
	const n_requests = (await count(name)) - before;
	ok(n_requests === 1 ? [] : [`1 request expected, ${n_requests} found`], `${vendor}: ${name}: the SDK does not try again`, found);
}

/* What precedes an error inside a stream, and the text that its reader has by then. */
const beginnings = {
	openai: 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n',
	openai_responses: 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"Hi","sequence_number":1}\n\n',
	anthropic: 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
		+ 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
		+ 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n',
	gemini: 'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"index":0}]}\n\n',
};

/* The status of the stream is 200, so the class is the general one. */
const inStream = { openai: 'APIError', openai_responses: 'APIError', anthropic: 'APIError', gemini: 'ApiError' };

async function compareFrame(vendor, name) {
	const answer = readAnswer(name, vendor);
	const server = createServer((request, response) => {
		request.resume();
		response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_stream', 'x-request-id': 'req_stream' });
		response.end(beginnings[vendor] + answer.frame);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const found = await call(vendor, `http://127.0.0.1:${server.address().port}`, 'm', { stream: true });
	server.close();
	server.closeAllConnections();
	const expected = { class: inStream[vendor], text: 'Hi', ...words(vendor, { status: answer.status, error: answer.frameError }) };
	if (vendor !== 'gemini') expected.request_id = 'req_stream';
	ok(differences(expected, found), `${vendor}: ${name}, inside a stream`, found);
}

for (const vendor of vendors) {
	for (let i = 0; i < cases.length; i += 6) await Promise.all(cases.slice(i, i + 6).map((name) => compare(vendor, name)));
	for (const name of cases) await compareFrame(vendor, name);
}
console.log(`1..${number}`);
process.exit(failed === 0 ? 0 : 1);
