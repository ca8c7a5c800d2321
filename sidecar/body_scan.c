/* SPDX-License-Identifier: PostgreSQL */
/*
 * body_scan.c: the top level of a JSON object that comes in pieces.
 *
 * What lies deeper is stepped over: of a text the next quotation mark is looked for, and
 * whether an odd number of backslashes stands before it.
 */
#include "body_scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

/* Names are shorter, also when each of their bytes is written as an escape of six. */
#define TEXT_MAX (6 * UE_LIMIT_TOKEN + 2)

typedef enum Place
{
	BEFORE = 0,	  /* blanks, a byte order mark, "[", then "{" */
	BEFORE_KEY,	  /* blanks and commas, then a quotation mark */
	IN_KEY,		  /* behind its quotation mark */
	BEFORE_VALUE, /* blanks and the colon */
	IN_VALUE,
	ENDED,
} Place;

struct UeBodyScan
{
	Place place;
	size_t at;		 /* of the next byte, in the body */
	size_t depth;	 /* of brackets, inside of the value */
	bool is_in_text; /* of the key, the value, or of something in it */
	bool is_escaped; /* the next byte of it is */
	bool is_model;	 /* the key says so, and so on */
	bool is_stream_flag;
	bool is_stream;
	bool has_model;
	size_t model_start; /* 0: not seen, or behind another text: "a" "b" is no name */
	size_t model_end;
	size_t text_len; /* the key, or a value that may be wanted, as far as it fits */
	char text[TEXT_MAX];
	size_t model_len;
	char model[TEXT_MAX];
};

static size_t skip_text(UeBodyScan *scan, UeSlice bytes);
static void keep(UeBodyScan *scan, UeSlice bytes);
static void begin_object(UeBodyScan *scan, char byte);
static void begin_key(UeBodyScan *scan, char byte);
static void end_key(UeBodyScan *scan);
static size_t read_value(UeBodyScan *scan, UeSlice bytes);
static size_t measure_plain(UeSlice bytes);
static void end_value(UeBodyScan *scan);
static bool is_blank(char byte);

UeBodyScan *
ue_body_scan_new(void)
{
	return calloc(1, sizeof(UeBodyScan));
}

void
ue_body_scan_free(UeBodyScan *scan)
{
	free(scan);
}

bool
ue_body_scan_feed(UeBodyScan *scan, UeSlice bytes)
{
	size_t i = 0;

	while (i < bytes.len && scan->place != ENDED)
	{
		UeSlice rest = ue_slice_sub(bytes, i, bytes.len);
		size_t n_used = 1;

		switch (scan->place)
		{
			case BEFORE:
				begin_object(scan, rest.ptr[0]);
				break;
			case BEFORE_KEY:
				begin_key(scan, rest.ptr[0]);
				break;
			case IN_KEY:
				n_used = skip_text(scan, rest);
				keep(scan, ue_slice_sub(rest, 0, n_used));
				if (!scan->is_in_text)
					end_key(scan);
				break;
			case BEFORE_VALUE:
				if (rest.ptr[0] != ':' && !is_blank(rest.ptr[0]))
				{
					scan->place = IN_VALUE;
					n_used = 0;
				}
				break;
			case IN_VALUE:
				n_used = read_value(scan, rest);
				break;
			case ENDED:
				break;
		}
		i += n_used;
		scan->at += n_used;
	}
	return scan->place != ENDED;
}

bool
ue_body_scan_model(const UeBodyScan *scan, UeSlice *quoted, size_t *start, size_t *end)
{
	if (!scan->has_model)
		return false;
	*quoted = (UeSlice){scan->model, scan->model_len};
	*start = scan->model_start;
	*end = scan->model_end;
	return true;
}

bool
ue_body_scan_is_stream(const UeBodyScan *scan)
{
	return scan->is_stream;
}

bool
ue_body_scan_is_open(const UeBodyScan *scan)
{
	return scan->place != BEFORE && scan->place != ENDED;
}

/* Inside of a text: up to and with the quotation mark that ends it, if it is there. */
static size_t
skip_text(UeBodyScan *scan, UeSlice bytes)
{
	size_t i = 0;

	if (scan->is_escaped)
	{
		scan->is_escaped = false;
		i = 1;
	}
	while (i < bytes.len)
	{
		const char *quote = memchr(bytes.ptr + i, '"', bytes.len - i);
		size_t end = quote == NULL ? bytes.len : (size_t) (quote - bytes.ptr);
		size_t first = end;

		while (first > i && bytes.ptr[first - 1] == '\\')
			first--;
		if (quote == NULL)
		{
			scan->is_escaped = (end - first) % 2 == 1;
			return bytes.len;
		}
		i = end + 1;
		if ((end - first) % 2 == 0)
		{
			scan->is_in_text = false;
			return i;
		}
	}
	return bytes.len;
}

/* What does not fit is counted all the same, so that it is seen to be too long. */
static void
keep(UeBodyScan *scan, UeSlice bytes)
{
	UeSlice fitting = {NULL, 0};

	if (scan->text_len < TEXT_MAX)
		fitting = ue_slice_sub(bytes, 0, TEXT_MAX - scan->text_len);
	if (fitting.len > 0)
		memcpy(scan->text + scan->text_len, fitting.ptr, fitting.len);
	scan->text_len += bytes.len;
}

static void
begin_object(UeBodyScan *scan, char byte)
{
	if (byte == '{')
		scan->place = BEFORE_KEY;
	else if (!is_blank(byte) && byte != '[' && memchr("\xef\xbb\xbf", byte, 3) == NULL)
		scan->place = ENDED;
}

static void
begin_key(UeBodyScan *scan, char byte)
{
	if (byte == '"')
	{
		scan->place = IN_KEY;
		scan->is_in_text = true;
		scan->text_len = 0;
	}
	else if (byte != ',' && !is_blank(byte))
		scan->place = ENDED;
}

/* The text ends in the key's quotation mark. */
static void
end_key(UeBodyScan *scan)
{
	UeSlice key = {scan->text, 0};

	if (scan->text_len <= TEXT_MAX)
		key.len = scan->text_len - 1;
	scan->is_model = ue_slice_is_equal(key, UE_SLICE("model"));
	scan->is_stream_flag = ue_slice_is_equal(key, UE_SLICE("stream"));
	scan->text_len = 0;
	scan->depth = 0;
	scan->place = BEFORE_VALUE;
}

static size_t
read_value(UeBodyScan *scan, UeSlice bytes)
{
	bool is_wanted = scan->is_model || scan->is_stream_flag;
	size_t n_used = 1;
	char byte = bytes.ptr[0];

	if (scan->is_in_text)
		n_used = skip_text(scan, bytes);
	else if (scan->depth == 0 && (byte == ',' || byte == '}'))
	{
		end_value(scan);
		scan->place = byte == ',' ? BEFORE_KEY : ENDED;
		return 1;
	}
	else if (byte == '"')
	{
		scan->is_in_text = true;
		if (scan->depth == 0 && scan->is_model && !scan->has_model)
			scan->model_start = scan->text_len == 0 ? scan->at + 1 : 0;
	}
	else if (byte == '{' || byte == '[')
		scan->depth++;
	else if ((byte == '}' || byte == ']') && scan->depth > 0)
		scan->depth--;
	else if (byte == ']' || (scan->depth == 0 && is_blank(byte)))
	{
		scan->place = byte == ']' ? ENDED : scan->place;
		return 1;
	}
	else if (scan->depth > 0)
		n_used = measure_plain(bytes);
	if (is_wanted)
		keep(scan, ue_slice_sub(bytes, 0, n_used));
	return n_used;
}

/* Inside of brackets: numbers, commas, colons, blanks. */
static size_t
measure_plain(UeSlice bytes)
{
	size_t i = 0;

	while (i < bytes.len && bytes.ptr[i] != '"' && bytes.ptr[i] != '{' &&
		   bytes.ptr[i] != '}' && bytes.ptr[i] != '[' && bytes.ptr[i] != ']')
		i++;
	return i;
}

static void
end_value(UeBodyScan *scan)
{
	UeSlice value = {scan->text, scan->text_len};

	if (scan->text_len > TEXT_MAX)
		return;
	if (scan->is_stream_flag)
		scan->is_stream = ue_slice_is_equal(value, UE_SLICE("true"));
	else if (scan->is_model && !scan->has_model && scan->model_start > 0 &&
			 value.len > 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
	{
		scan->has_model = true;
		scan->model_end = scan->model_start + value.len - 2;
		scan->model_len = value.len;
		memcpy(scan->model, value.ptr, value.len);
	}
}

static bool
is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}
