/* SPDX-License-Identifier: PostgreSQL */
/*
 * corpus.c: status, headers and body of a case, from the files of its folder.
 */
#include "corpus.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *read_file(const char *bodies, const char *name, const char *file,
					   size_t *len_out);
static char *convert_headers(const char *text);


bool
ue_corpus_read(const char *bodies, const char *name, UeCorpusCase *out)
{
	const char *at;
	char *text;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (bodies == NULL || strchr(name, '/') != NULL || strstr(name, "..") != NULL)
		return false;
	text = read_file(bodies, name, "case", &len);
	if (text == NULL)
		return false;
	at = strstr(text, "status:");
	out->status = at == NULL ? 0 : (int) strtol(at + 7, NULL, 10);
	free(text);
	/* what never was an HTTP answer cannot be sent as one */
	if (out->status < 200 || out->status > 999)
		return false;
	text = read_file(bodies, name, "headers", &len);
	out->headers = convert_headers(text == NULL ? "" : text);
	free(text);
	out->body = read_file(bodies, name, "body", &out->len);
	return true;
}

void
ue_corpus_free(UeCorpusCase *kase)
{
	free(kase->headers);
	free(kase->body);
}

/* With a NUL behind it; NULL when there is no such file. */
static char *
read_file(const char *bodies, const char *name, const char *file, size_t *len_out)
{
	char path[4096];
	char *text = NULL;
	FILE *in, *out;
	int c;

	*len_out = 0;
	snprintf(path, sizeof(path), "%s/%s/%s", bodies, name, file);
	in = fopen(path, "r");
	if (in == NULL)
		return NULL;
	out = open_memstream(&text, len_out);
	while ((c = getc(in)) != EOF)
		putc(c, out);
	fclose(out);
	fclose(in);
	return text;
}

/* Line ends become HTTP's; what frames the body is left to who sends it. */
static char *
convert_headers(const char *text)
{
	char *converted = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&converted, &len);

	while (*text != '\0')
	{
		size_t line_len = strcspn(text, "\r\n");

		if (line_len > 0 && strncasecmp(text, "content-length:", 15) != 0 &&
			strncasecmp(text, "transfer-encoding:", 18) != 0 &&
			strncasecmp(text, "connection:", 11) != 0)
			fprintf(out, "%.*s\r\n", (int) line_len, text);
		text += line_len;
		text += strspn(text, "\r\n");
	}
	fclose(out);
	return converted;
}
