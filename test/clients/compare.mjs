// SPDX-License-Identifier: PostgreSQL
/*
 * compare.mjs: what an SDK's user sees through the sidecar, against what the vendor's own
 * answer would have shown.  Speaks TAP.
 *
 *   node compare.mjs DIRECT_URL SIDECAR_URL
 *
 * The sidecar must run with --first-byte-timeout and --idle-timeout of one second.  A
 * scenario is "same" when the SDK must not be able to tell the difference but for masked
 * words; where the sidecar decides something better than a dead connection or an HTML page,
 * its verdict stands here.
 */
import { call, vendors } from './vendors.mjs';

const [directUrl, sidecarUrl] = process.argv.slice(2);
const fields = ['class', 'status', 'code', 'type', 'param', 'request_id', 'retry_after', 'retry_delay', 'text', 'event'];
let number = 0;
let failed = 0;

function ok(condition, claim, found) {
	number++;
	if (condition) {
		console.log(`ok ${number} - ${claim}`);
		return;
	}
	failed++;
	console.log(`not ok ${number} - ${claim}`);
	for (const line of found) console.log(`#   ${JSON.stringify(line)}`);
}

/* One exception for every vendor, by status; all are ApiError to Google's SDK. */
function raises(classes, status, rest = {}) {
	return (vendor, direct, found) => {
		const expected = classes[vendor] ?? classes.other;
		const expectedStatus = typeof status === 'object' ? (status[vendor] ?? status.other) : status;
		if (found.class !== expected) return `class ${expected}`;
		if (expectedStatus !== undefined && found.status !== expectedStatus) return `status ${expectedStatus}`;
		if (/[<>]/.test(found.message)) return 'a message without markup';
		for (const [key, value] of Object.entries(rest)) if (found[key] !== value) return `${key} ${value}`;
		return null;
	};
}

/*
 * What the exception says, where nobody upstream said it: message, type and code are ours.
 * The request id is the upstream's where it had sent one, else ours; Google's SDK has none.
 */
function says(message, types, code, isTheirs) {
	const id = isTheirs ? /^req_upstream0/ : /^req_[0-9a-f]{32}$/;
	return (vendor, found) => {
		if (found.message !== message) return `message ${message}`;
		if (found.type !== types[vendor]) return `type ${types[vendor]}`;
		if (vendor.startsWith('openai') && found.code !== code) return `code ${code}`;
		if (vendor !== 'gemini' && !id.test(found.request_id ?? '')) return `request_id like ${id}`;
		return null;
	};
}

/* An exception inside a stream that had begun: what came before it has been delivered. */
function raisesAfterText(classes, text, said) {
	const check = raises(classes, undefined);
	return (vendor, direct, found) => {
		const wrong = check(vendor, direct, found) ?? said(vendor, found);
		if (wrong) return wrong;
		return found.text === text[vendor] ? null : `the text "${text[vendor]}" that came before`;
	};
}

/* Before the first byte: by status, and in the words of says(). */
function raisesSaying(classes, status, said) {
	const check = raises(classes, status);
	return (vendor, direct, found) => check(vendor, direct, found) ?? said(vendor, found);
}

/* In a Responses stream OpenAI's error event is flat, and its SDK then calls every type "error"; ours names type and code. */
function sameInStream(vendor, direct, found) {
	return same(vendor, vendor === 'openai_responses' ? { ...direct, type: found.type, code: direct.code ?? found.code } : direct, found);
}

/* Where the vendor named no wait and a retry helps, ours is sent; Google's SDK does not show headers. */
const ourWait = { 429: '5', 500: '1', 503: '2', 529: '2' };

function same(vendor, direct, found) {
	if (direct.retry_after === null && vendor !== 'gemini' && found.should_retry !== 'false') {
		direct = { ...direct, retry_after: ourWait[direct.status] ?? null };
	}
	for (const field of fields) {
		if (JSON.stringify(found[field]) !== JSON.stringify(direct[field])) return `${field} ${JSON.stringify(direct[field])}`;
	}
	/* "message" may lose its secrets and nothing else */
	if (direct.message !== undefined) {
		const cut = direct.message.search(/\S*PLANTED/);
		if (cut < 0 ? found.message !== direct.message : !found.message.startsWith(direct.message.slice(0, cut))) {
			return `message ${direct.message}`;
		}
	}
	return null;
}

const server = { openai: 'InternalServerError', openai_responses: 'InternalServerError', anthropic: 'InternalServerError', gemini: 'ApiError' };
const inStream = { openai: 'APIError', openai_responses: 'APIError', anthropic: 'APIError', gemini: 'ApiError' };

const failed502 = { openai: 'server_error', openai_responses: 'server_error', anthropic: 'api_error', gemini: 'UNAVAILABLE' };
const failed504 = { openai: 'timeout_error', openai_responses: 'timeout_error', anthropic: 'timeout_error', gemini: 'DEADLINE_EXCEEDED' };
const overloaded = { openai: 'server_error', openai_responses: 'server_error', anthropic: 'overloaded_error', gemini: 'UNAVAILABLE' };
const broken = says('The upstream service ended the stream before the answer was complete.', failed502, 'upstream_service_error', true);
const stalled = says('The upstream service stopped sending its answer.', failed504, 'upstream_service_error', true);
const closed = says('The upstream service closed the connection before it answered.', failed502, 'upstream_service_error', false);
const silent = says('The upstream service did not answer in time.', failed504, 'upstream_service_error', false);

/* What came as first event of a stream, or in a 200, is an answer with the upstream's own words. */
function saysOverloaded(vendor, found) {
	if (found.message !== 'The engine is currently overloaded, please try again later') return 'the message of the upstream';
	if (found.type !== overloaded[vendor]) return `type ${overloaded[vendor]}`;
	/* the upstream's id, or ours where it sent none */
	return vendor === 'gemini' || /^req_(upstream0|[0-9a-f]{32}$)/.test(found.request_id ?? '') ? null : 'a request id';
}

const timeout = { ...server, anthropic: 'GatewayTimeoutError' };
/* what the first two events of each vendor's stream say */
const begun = { openai: 'Good', openai_responses: '', anthropic: '', gemini: 'Good answers' };

/* and the first three */
const begunFurther = { openai: 'Good answers', openai_responses: '', anthropic: 'Good', gemini: 'Good answers stream' };

const scenarios = [
	{ name: 'ok', check: same },
	{ name: 'ok', stream: true, check: same },
	{ name: 'drip', stream: true, check: same },
	{ name: 'error:429', check: same },
	{ name: 'error:429', stream: true, check: same },
	{ name: 'error:529', check: same },
	{ name: 'error:529', stream: true, check: same },
	{ name: 'error:500', check: same },
	{ name: 'error:401', check: same },
	{ name: 'error:403', check: same },
	{ name: 'error:404', check: same },
	{ name: 'error:413', check: same },
	{ name: 'error:context', check: same },
	{ name: 'error:param', check: same },
	{ name: 'error:quota', check: same },
	{ name: 'error-mid-stream', stream: true, check: sameInStream },
	/* whole by HTTP: nobody but the SDK reads it to its end */
	{ name: 'cut-json', check: same },
	/* whole by HTTP, but the vendor's last event is missing */
	{ name: 'no-terminal', stream: true, check: raisesAfterText(inStream, begunFurther, broken) },
	{ name: 'html500', check: raises(server, 500) },
	{ name: 'reset', check: raisesSaying(server, 502, closed) },
	{ name: 'reset', stream: true, check: raisesSaying(server, 502, closed) },
	{ name: 'close', check: raisesSaying(server, 502, closed) },
	{ name: 'stall', check: raisesSaying(timeout, 504, silent) },
	{ name: 'error-200', check: raisesSaying({ ...server, anthropic: 'OverloadedError' }, { other: 503, anthropic: 529 }, saysOverloaded) },
	{ name: 'error-first-event', stream: true, check: raisesSaying({ ...server, anthropic: 'OverloadedError' }, { other: 503, anthropic: 529 }, saysOverloaded) },
	{ name: 'reset-midway', stream: true, check: raisesAfterText(inStream, begun, broken) },
	{ name: 'stall-midway', stream: true, check: raisesAfterText(inStream, begun, stalled) },
	{ name: 'truncate', stream: true, check: raisesAfterText(inStream, begun, broken) },
];

/* The dialect is OpenAI's; what differs is the path. */
const azureScenarios = [
	{ name: 'ok', check: same },
	{ name: 'ok', stream: true, check: same },
	{ name: 'error:429', check: same },
	{ name: 'error-mid-stream', stream: true, check: sameInStream },
];

async function compare(vendor, { name, stream = false, check }) {
	const options = { stream, timeout: 3000 };
	const [direct, found] = await Promise.all([call(vendor, directUrl, name, options), call(vendor, sidecarUrl, name, options)]);
	const wrong = check(vendor, direct, found);
	ok(wrong === null, `${vendor}: ${name}${stream ? ', streamed' : ''}`, [`expected ${wrong}`, direct, found]);
	ok(!JSON.stringify(found).includes('PLANTED'), `${vendor}: ${name}${stream ? ', streamed' : ''}: no planted secret reaches the caller`, [found]);
}

/* Retries are the SDK's own, told apart by the upstream's count of requests. */
async function count(name) {
	const counts = await (await fetch(`${directUrl}/_counts`)).json();
	return counts[name]?.requests ?? 0;
}

async function compareRetries(vendor) {
	const name = `flaky:${vendor}`;
	const found = await call(vendor, sidecarUrl, name, { retries: 2, timeout: 8000 });
	ok(found.text === 'Good answers stream straight through.', `${vendor}: its own retry succeeds`, [found]);
	ok((await count(name)) === 2, `${vendor}: with one retry`, [await count(name)]);
	ok(found.ms >= 950 && found.ms < 3000, `${vendor}: after our retry-after of one second`, [found.ms]);

	const before = await count('error:quota');
	const billing = await call(vendor, sidecarUrl, 'error:quota', { retries: 2, timeout: 8000 });
	ok(billing.class !== undefined && (await count('error:quota')) - before === 1,
		`${vendor}: x-should-retry: false stops retries of a spent quota`, [billing, (await count('error:quota')) - before]);
}

for (const vendor of vendors) {
	/* a few at a time: the stalls take most of the time */
	for (let i = 0; i < scenarios.length; i += 4) {
		await Promise.all(scenarios.slice(i, i + 4).map((scenario) => compare(vendor, scenario)));
	}
}
await Promise.all(azureScenarios.map((scenario) => compare('azure', scenario)));
for (const vendor of ['openai', 'anthropic']) await compareRetries(vendor);
console.log(`1..${number}`);
process.exit(failed === 0 ? 0 : 1);
