/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus.c: the folders of test/bodies as cases, and verdicts as the texts kept there.
 */
#include "corpus.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "corpus_claims.h"

static void give_up(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

static void
give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("Bail out! corpus: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	exit(1);
}

static void *
need(void *block)
{
	if (block == NULL)
		give_up("out of memory");
	return block;
}

static char *
join_path(const char *directory, const char *name)
{
	size_t size = strlen(directory) + strlen(name) + 2;
	char *path = need(malloc(size));

	snprintf(path, size, "%s/%s", directory, name);
	return path;
}

static CorpusText
read_path(const char *path)
{
	CorpusText text = {need(calloc(1, 1)), 0};
	char chunk[65536];
	FILE *file = fopen(path, "rb");
	size_t n_read;

	if (file == NULL)
	{
		if (errno != ENOENT)
			give_up("could not open \"%s\": %s", path, strerror(errno));
		return text;
	}
	while ((n_read = fread(chunk, 1, sizeof(chunk), file)) > 0)
	{
		text.ptr = need(realloc(text.ptr, text.len + n_read + 1));
		memcpy(text.ptr + text.len, chunk, n_read);
		text.len += n_read;
		text.ptr[text.len] = '\0';
	}
	if (ferror(file))
		give_up("could not read \"%s\"", path);
	fclose(file);
	return text;
}

CorpusText
corpus_read_file(const CorpusCase *one, const char *name)
{
	char *path = join_path(one->path, name);
	CorpusText text = read_path(path);

	free(path);
	return text;
}

void
corpus_write_file(const CorpusCase *one, const char *name, CorpusText text)
{
	char *path = join_path(one->path, name);
	FILE *file = fopen(path, "wb");

	if (file == NULL || fwrite(text.ptr, 1, text.len, file) != text.len ||
		fclose(file) != 0)
		give_up("could not write \"%s\"", path);
	free(path);
}

const char *
corpus_answer_name(UeFormat format)
{
	switch (format)
	{
		case UE_FORMAT_OPENAI:
			return "answer.openai";
		case UE_FORMAT_OPENAI_RESPONSES:
			return "answer.openai_responses";
		case UE_FORMAT_ANTHROPIC:
			return "answer.anthropic";
		case UE_FORMAT_GEMINI:
			return "answer.gemini";
	}
	return "answer";
}

static UeSlice
slice_of(CorpusText text)
{
	return (UeSlice){text.ptr, text.len};
}

/* Takes "name: value" off *rest; false at the end. */
static bool
next_setting(UeSlice *rest, UeSlice *name, UeSlice *value)
{
	while (!ue_slice_is_empty(*rest))
	{
		UeSlice line;
		size_t at;

		if (!ue_slice_find(*rest, UE_SLICE("\n"), &at))
			at = rest->len;
		line = ue_slice_trim(ue_slice_sub(*rest, 0, at));
		*rest = ue_slice_sub(*rest, at + 1, rest->len);
		if (!ue_slice_find(line, UE_SLICE(":"), &at))
			continue;
		*name = ue_slice_sub(line, 0, at);
		*value = ue_slice_trim(ue_slice_sub(line, at + 1, line.len));
		return true;
	}
	return false;
}

/* Lines for people. */
static bool
is_remark(UeSlice name)
{
	static const UeSlice remarks[] = {
		UE_SLICE_INIT("source"),
		UE_SLICE_INIT("checked"),
		UE_SLICE_INIT("why"),
		UE_SLICE_INIT("note"),
	};

	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++)
		if (ue_slice_is_equal(remarks[i], name))
			return true;
	return false;
}

static bool
read_setting(UeCase *kase, UeSlice name, UeSlice value)
{
	int64_t number;

	if (ue_slice_is_equal(name, UE_SLICE("platform")))
		kase->response.platform = value;
	else if (ue_slice_is_equal(name, UE_SLICE("status")))
	{
		if (!ue_slice_parse_int64(value, &number))
			return false;
		kase->response.status = (int) number;
	}
	else if (ue_slice_is_equal(name, UE_SLICE("kind")))
		return ue_kind_find(value, &kase->kind);
	else if (ue_slice_is_equal(name, UE_SLICE("network")))
		return ue_network_find(value, &kase->network);
	else if (ue_slice_is_equal(name, UE_SLICE("credential")))
		return ue_credential_find(value, &kase->credential);
	else if (ue_slice_is_equal(name, UE_SLICE("stream")))
		kase->is_stream = ue_slice_is_equal(value, UE_SLICE("true"));
	else if (ue_slice_is_equal(name, UE_SLICE("model")))
		kase->model = value;
	else if (ue_slice_is_equal(name, UE_SLICE("local_code")))
		kase->local_code = value;
	else if (ue_slice_is_equal(name, UE_SLICE("local_message")))
		kase->local_message = value;
	else
		return is_remark(name) || corpus_is_claim(name);
	return true;
}

bool
corpus_find_setting(const CorpusCase *one, UeSlice name, UeSlice *value)
{
	UeSlice rest = slice_of(one->settings);
	UeSlice each;

	while (next_setting(&rest, &each, value))
		if (ue_slice_is_equal(each, name))
			return true;
	return false;
}

static void
read_case(CorpusCase *one)
{
	UeSlice rest;
	UeSlice name;
	UeSlice value;
	size_t n_headers = 0;

	one->settings = corpus_read_file(one, "case");
	one->headers = corpus_read_file(one, "headers");
	one->body = corpus_read_file(one, "body");
	one->secrets = corpus_read_file(one, "secrets");
	if (one->settings.len == 0)
		give_up("\"%s\" has no file \"case\"", one->path);

	rest = slice_of(one->settings);
	while (next_setting(&rest, &name, &value))
		if (!read_setting(&one->kase, name, value))
			give_up("\"%s\": bad line \"%.*s: %.*s\"", one->path, (int) name.len,
					name.ptr, (int) value.len, value.ptr);
	rest = slice_of(one->headers);
	while (n_headers < UE_LIMIT_HEADERS && next_setting(&rest, &name, &value))
	{
		one->header_list[n_headers].name = name;
		one->header_list[n_headers++].value = value;
	}
	one->kase.response.n_headers = n_headers;
	one->kase.response.body = slice_of(one->body);
	one->kase.response.now_ms = CORPUS_NOW_MS;
	one->kase.request_id = UE_SLICE(CORPUS_REQUEST_ID);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_type != DT_REG;
}

Corpus
corpus_read(const char *directory)
{
	Corpus corpus = {NULL, 0};
	struct dirent **entries;
	int n_entries = scandir(directory, &entries, is_visible, alphasort);

	if (n_entries <= 0)
		give_up("no cases in \"%s\"", directory);
	corpus.cases = need(calloc((size_t) n_entries, sizeof(*corpus.cases)));
	corpus.n_cases = (size_t) n_entries;
	for (size_t i = 0; i < corpus.n_cases; i++)
	{
		CorpusCase *one = &corpus.cases[i];

		one->path = join_path(directory, entries[i]->d_name);
		one->name = strrchr(one->path, '/') + 1;
		read_case(one);
		one->kase.response.headers = one->header_list;
		free(entries[i]);
	}
	free(entries);
	return corpus;
}

void
corpus_free(Corpus *corpus)
{
	for (size_t i = 0; i < corpus->n_cases; i++)
	{
		free(corpus->cases[i].path);
		free(corpus->cases[i].settings.ptr);
		free(corpus->cases[i].headers.ptr);
		free(corpus->cases[i].body.ptr);
		free(corpus->cases[i].secrets.ptr);
	}
	free(corpus->cases);
	corpus->cases = NULL;
	corpus->n_cases = 0;
}

/* One line, whatever the text: backslash and control characters escaped. */
static void
print_text(FILE *file, const char *name, UeSlice text)
{
	fprintf(file, "%s: ", name);
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = (unsigned char) text.ptr[i];

		if (byte == '\\')
			fputs("\\\\", file);
		else if (byte == '\n')
			fputs("\\n", file);
		else if (byte < ' ' || byte == 0x7f)
			fprintf(file, "\\x%02x", byte);
		else
			fputc(byte, file);
	}
	fputc('\n', file);
}

static void
print_name(FILE *file, const char *name, const char *value)
{
	fprintf(file, "%s: %s\n", name, value);
}

static void
print_bool(FILE *file, const char *name, bool value)
{
	print_name(file, name, value ? "true" : "false");
}

CorpusText
corpus_print_fault(const UeVerdict *verdict)
{
	const UeFault *fault = &verdict->fault;
	CorpusText text = {NULL, 0};
	FILE *file = need(open_memstream(&text.ptr, &text.len));

	print_name(file, "class", ue_class_name(fault->class));
	print_text(file, "catalog_code", fault->catalog_code->name);
	print_text(file, "public_code", fault->catalog_code->public_code);
	fprintf(file, "effective_status: %d\n", fault->effective_status);
	print_name(file, "dialect", ue_dialect_name(fault->dialect));
	print_text(file, "type", verdict->error_type);
	print_text(file, "code", verdict->error_code);
	print_text(file, "param", fault->param);
	print_text(file, "reason", fault->reason);
	print_text(file, "message", verdict->message);
	print_text(file, "upstream_request_id", verdict->upstream_request_id);
	fprintf(file, "retry_after_ms: %lld\n", (long long) fault->retry_after_ms);
	print_name(file, "phase", ue_phase_name(fault->phase));
	print_name(file, "owner", ue_owner_name(fault->owner));
	print_name(file, "source", ue_source_name(fault->source));
	print_name(file, "severity", ue_severity_name(fault->severity));
	print_bool(file, "retryable", fault->is_retryable);
	print_bool(file, "request_fault", fault->is_request_fault);
	print_bool(file, "business_limited", fault->is_business_limited);
	print_bool(file, "quota_daily", fault->is_quota_daily);
	print_bool(file, "cut", fault->is_cut);
	print_bool(file, "truncated", verdict->is_truncated);
	fprintf(file, "original_bytes: %lld\n", (long long) verdict->original_bytes);
	print_text(file, "detail", verdict->detail);
	if (fclose(file) != 0)
		give_up("out of memory");
	return text;
}

CorpusText
corpus_print_answer(const UeRendered *answer)
{
	CorpusText text = {NULL, 0};
	FILE *file = need(open_memstream(&text.ptr, &text.len));

	fprintf(file, "%d\n", answer->status);
	for (size_t i = 0; i < answer->n_headers; i++)
		fprintf(file, "%.*s: %.*s\n", (int) answer->headers[i].name.len,
				answer->headers[i].name.ptr, (int) answer->headers[i].value.len,
				answer->headers[i].value.ptr);
	fputc('\n', file);
	fwrite(answer->body.ptr, 1, answer->body.len, file);
	fputs("\n-- frame --\n", file);
	fwrite(answer->frame.ptr, 1, answer->frame.len, file);
	if (fclose(file) != 0)
		give_up("out of memory");
	return text;
}

static void *
allocate_counted(void *context, size_t size)
{
	CountedMemory *memory = context;

	if (memory->n_blocks++ >= memory->fail_at)
		return NULL;
	memory->n_live++;
	return malloc(size);
}

static void
release_counted(void *context, void *block)
{
	CountedMemory *memory = context;

	if (block != NULL)
		memory->n_live--;
	free(block);
}

void
counted_memory_init(CountedMemory *memory, size_t fail_at)
{
	memory->n_blocks = 0;
	memory->n_live = 0;
	memory->fail_at = fail_at;
	memory->allocator.allocate = allocate_counted;
	memory->allocator.release = release_counted;
	memory->allocator.context = memory;
}
