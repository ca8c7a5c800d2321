// SPDX-License-Identifier: PostgreSQL
/*
 * success.mjs: how many calls of the vendors' own SDKs succeed, straight to an upstream that
 * fails by script and through the sidecar, which has three channels.  Speaks TAP; the table
 * is in comments.
 *
 *   node success.mjs CLUSTER_URL SIDECAR_URL
 *
 * The SDKs' own retries are off.  "Straight" goes to channel a.  The sidecar's policy:
 * max_attempts 6, max_channel_attempts 3, attempt and idle time-outs of 400 ms.
 */
import { call, vendors } from './vendors.mjs';

const [clusterUrl, sidecarUrl] = process.argv.slice(2);
const N = 10;
const MAX_ATTEMPTS = 6;
const good = 'Good answers stream straight through.';
const everywhere = (script) => ({ a: script, b: script, c: script });

/* least: the share that must succeed through the sidecar; most: upstream requests for each */
const scenarios = [
	{ name: 'all is well', scripts: {}, least: 1, most: 1 },
	{ name: 'all is well, streamed', scripts: {}, stream: true, least: 1, most: 1 },
	{ name: 'one of three limits, for 30 s', scripts: { a: 'error:limit retry-after=30 retry-info=30s' }, least: 1, most: 2 },
	{ name: 'all limit for half a second', scripts: everywhere('t=0-500 error:limit retry-after-ms=600 retry-info=0.6s'), least: 1, most: 4 },
	{ name: 'a limit without a hint', scripts: { a: 'error:limit' }, stream: true, least: 1, most: 2 },
	{ name: '529 storm, half of all requests', scripts: everywhere('share=0.5 error:529'), least: 0.85, most: 3 },
	{ name: '529 storm, streamed', scripts: everywhere('share=0.5 error:529'), stream: true, least: 0.85, most: 3 },
	{ name: '500, 503, 502 and pages', scripts: { a: 'share=0.5 error:500\nshare=0.5 error:503', b: 'share=0.4 error:502', c: 'share=0.3 html500' }, least: 0.9, most: 3 },
	{ name: 'resets', scripts: { a: 'reset' }, least: 1, most: 3 },
	{ name: 'no answer', scripts: { a: 'stall' }, least: 1, most: 2 },
	{ name: 'a slow first byte, streamed', scripts: { a: 'slow:6000' }, stream: true, least: 1, most: 2 },
	{ name: 'an error inside a 200', scripts: { a: 'error-200' }, least: 1, most: 2 },
	{ name: 'an error as first event', scripts: { a: 'error-first-event' }, stream: true, least: 1, most: 2 },
	/* the first event of Google's streams is output already */
	{ name: 'silence after the opening', scripts: { a: 'slow-events:6000' }, stream: true, except: ['gemini'], least: 1, most: 2 },
	{ name: 'recovering after 10', scripts: { a: 'n=1-10 error:503' }, least: 1, most: 2 },
	/* nothing is retried after output: two channels of three are good */
	{ name: 'an error after output', scripts: { a: 'error-mid-stream' }, stream: true, least: 0.4, most: 1 },
];

let number = 0;
let failed = 0;

function ok(condition, claim, ...found) {
	number++;
	if (!condition) failed++;
	console.log(`${condition ? 'ok' : 'not ok'} ${number} - ${claim}`);
	if (!condition) for (const line of found) console.log(`#   ${JSON.stringify(line)}`);
}

async function play(scripts) {
	for (const name of ['a', 'b', 'c']) {
		const answer = await fetch(`${clusterUrl}/_script/${name}`, { method: 'PUT', body: scripts[name] ?? 'ok' });
		if (answer.status !== 200) throw new Error(await answer.text());
	}
	await fetch(`${clusterUrl}/_log`, { method: 'DELETE' });
}

async function seen() {
	return (await (await fetch(`${clusterUrl}/_log`)).json()).requests;
}

/* A few of each vendor at a time. */
async function run(url, who, { stream = false }, timeout) {
	const results = await Promise.all(who.map(async (vendor) => {
		const found = [];
		for (let i = 0; i < N; i += 5) {
			found.push(...await Promise.all([1, 2, 3, 4, 5].map(() => call(vendor, url, 'gpt-x', { stream, timeout }))));
		}
		return found;
	}));
	return Object.fromEntries(who.map((vendor, i) => [vendor, results[i]]));
}

const isGood = (result) => result.text === good && result.class === undefined && result.event === undefined;
const count = (results) => Object.fromEntries(Object.entries(results).map(([vendor, list]) => [vendor, list.filter(isGood).length]));
const sum = (counts) => Object.values(counts).reduce((total, n) => total + n, 0);
const percent = (n, of) => `${Math.round((100 * n) / of)} %`.padStart(6);

const channels = await (await fetch(`${clusterUrl}/_channels`)).json();
const straightUrl = `http://127.0.0.1:${channels.a.port}`;
const table = [['scenario'.padEnd(34), ...vendors.map((vendor) => vendor.padEnd(18)), 'upstream/request'].join(' ')];

for (const scenario of scenarios) {
	const who = vendors.filter((vendor) => !scenario.except?.includes(vendor));
	const n = who.length * N;

	await play(scenario.scripts);
	const straight = count(await run(straightUrl, who, scenario, 1500));
	const scripted = (await seen()).filter((request) => request.scenario === 'ok').length;
	ok(sum(straight) === scripted, `${scenario.name}: straight, as many succeed as the script lets (${scripted} of ${n})`, straight);

	await play(scenario.scripts);
	const results = await run(sidecarUrl, who, scenario, 8000);
	const through = count(results);
	const requests = await seen();
	const bad = Object.values(results).flat().filter((result) => !isGood(result)).slice(0, 3);
	ok(sum(through) >= scenario.least * n, `${scenario.name}: through the sidecar at least ${100 * scenario.least} % (${sum(through)} of ${n})`, ...bad);
	ok(sum(through) >= sum(straight), `${scenario.name}: and not fewer than straight`, straight, through);
	ok(requests.length >= n && requests.length <= Math.min(scenario.most, MAX_ATTEMPTS) * n, `${scenario.name}: at most ${scenario.most} upstream requests for each (${requests.length} for ${n})`);
	table.push([scenario.name.padEnd(34), ...vendors.map((vendor) => (who.includes(vendor) ? `${percent(straight[vendor], N)} ->${percent(through[vendor], N)}` : '').padEnd(18)),
		(requests.length / n).toFixed(2)].join(' '));
}
for (const line of table) console.log(`# ${line}`);
console.log(`1..${number}`);
process.exit(failed === 0 ? 0 : 1);
