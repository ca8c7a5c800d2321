// SPDX-License-Identifier: PostgreSQL
/*
 * vendors.mjs: one call of each vendor's own SDK, told as plain data.
 *
 * Nothing of an SDK is changed but its base URL.  The keys are planted: tests look for
 * PLANTED in every row, log line and answer.
 */
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { AzureOpenAI } from 'openai';

const KEYS = {
	openai: 'sk-proj-PLANTEDclient1b2C3d4E5f6G7h8',
	anthropic: 'sk-ant-api03-PLANTEDclient2b2C3d4E5f6G7h8',
	google: 'AIzaSyPLANTEDclient3b2C3d4E5f6G7h8i9J0',
};

const question = 'Does it answer?';

/* An exception as its reader meets it. */
function describe(thrown) {
	const headers = thrown.headers;
	return {
		class: thrown.constructor.name,
		status: thrown.status ?? null,
		message: thrown.error?.error?.message ?? thrown.error?.message ?? String(thrown.message),
		code: thrown.code ?? null,
		type: thrown.type ?? thrown.error?.error?.type ?? null,
		param: thrown.param ?? null,
		request_id: thrown.requestID ?? null,
		retry_after: headers?.get?.('retry-after') ?? null,
		should_retry: headers?.get?.('x-should-retry') ?? null,
	};
}

/* Google's SDK puts the whole body, as JSON, into the message. */
function describeGoogle(thrown) {
	const described = describe(thrown);
	const text = described.message.slice(described.message.indexOf('{'));
	try {
		const body = JSON.parse(text);
		const error = body.error ?? body;
		described.message = error.message;
		described.code = error.code ?? null;
		described.type = error.status ?? null;
		described.retry_delay = error.details?.find((detail) => detail.retryDelay)?.retryDelay ?? null;
	} catch {
		/* not JSON: the message stays as it is */
	}
	return described;
}

async function openaiChat({ baseUrl, model, stream, retries, timeout }) {
	const client = new OpenAI({ apiKey: KEYS.openai, baseURL: `${baseUrl}/v1`, maxRetries: retries, timeout });
	const request = { model, messages: [{ role: 'user', content: question }] };
	if (!stream) return { text: (await client.chat.completions.create(request)).choices[0].message.content };
	const answer = { text: '' };
	return collect(answer, await client.chat.completions.create({ ...request, stream: true }),
		(chunk) => chunk.choices[0]?.delta?.content ?? '');
}

/* Azure's paths name the deployment, which is what the sidecar takes for the model. */
async function azureChat({ baseUrl, model, stream, retries, timeout }) {
	const client = new AzureOpenAI({ apiKey: KEYS.openai, endpoint: baseUrl, apiVersion: '2024-10-21', maxRetries: retries, timeout });
	const request = { model, messages: [{ role: 'user', content: question }] };
	if (!stream) return { text: (await client.chat.completions.create(request)).choices[0].message.content };
	return collect({ text: '' }, await client.chat.completions.create({ ...request, stream: true }),
		(chunk) => chunk.choices[0]?.delta?.content ?? '');
}

async function openaiResponses({ baseUrl, model, stream, retries, timeout }) {
	const client = new OpenAI({ apiKey: KEYS.openai, baseURL: `${baseUrl}/v1`, maxRetries: retries, timeout });
	const request = { model, input: question };
	if (!stream) return { text: (await client.responses.create(request)).output_text };
	const answer = { text: '' };
	return collect(answer, await client.responses.create({ ...request, stream: true }),
		(event) => {
			/* the one vendor whose SDK hands errors out as events */
			if (event.type === 'error') answer.event = { code: event.code, message: event.message };
			return event.type === 'response.output_text.delta' ? event.delta : '';
		});
}

async function anthropicMessages({ baseUrl, model, stream, retries, timeout }) {
	const client = new Anthropic({ apiKey: KEYS.anthropic, baseURL: baseUrl, maxRetries: retries, timeout });
	const request = { model, max_tokens: 64, messages: [{ role: 'user', content: question }] };
	if (!stream) return { text: (await client.messages.create(request)).content[0].text };
	return collect({ text: '' }, await client.messages.create({ ...request, stream: true }),
		(event) => (event.type === 'content_block_delta' ? event.delta.text : ''));
}

async function googleGenerate({ baseUrl, model, stream, timeout }) {
	const client = new GoogleGenAI({ apiKey: KEYS.google, httpOptions: { baseUrl, timeout } });
	/* in Google's paths a colon begins the method */
	const request = { model: model.replace(':', '@'), contents: question };
	if (!stream) return { text: (await client.models.generateContent(request)).text };
	return collect({ text: '' }, await client.models.generateContentStream(request), (chunk) => chunk.text ?? '');
}

/* A stalled stream keeps some SDKs waiting for minutes: the caller's patience ends first. */
function patience(ms) {
	return new Promise((resolve) => {
		setTimeout(() => resolve({ class: 'Pending', status: null, message: `no end within ${ms} ms` }), ms).unref();
	});
}

/* What came before a stream broke is part of the result. */
async function collect(answer, stream, textOf) {
	try {
		for await (const event of stream) answer.text += textOf(event);
	} catch (thrown) {
		thrown.before = answer.text;
		throw thrown;
	}
	return answer;
}

const calls = {
	openai: openaiChat,
	openai_responses: openaiResponses,
	anthropic: anthropicMessages,
	gemini: googleGenerate,
};

export const vendors = Object.keys(calls);

calls.azure = azureChat;

export async function call(vendor, baseUrl, scenario, { stream = false, retries = 0, timeout = 8000 } = {}) {
	const started = Date.now();
	const answered = calls[vendor]({ baseUrl, model: scenario, stream, retries, timeout }).catch((thrown) => {
		const described = vendor === 'gemini' ? describeGoogle(thrown) : describe(thrown);
		if (thrown.before !== undefined) described.text = thrown.before;
		return described;
	});
	const result = await Promise.race([answered, patience(timeout + 1000)]);
	return { vendor, scenario, stream, ...result, ms: Date.now() - started };
}

/* `vendors.mjs VENDOR BASE_URL SCENARIO [stream]` prints one result. */
if (process.argv[1] === import.meta.filename) {
	const [vendor, baseUrl, scenario, mode] = process.argv.slice(2);
	console.log(JSON.stringify(await call(vendor, baseUrl, scenario, { stream: mode === 'stream' })));
	process.exit(0);
}
