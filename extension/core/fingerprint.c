/* SPDX-License-Identifier: PostgreSQL */
/*
 * fingerprint.c: the scan over a message, and what is written of it.
 *
 * The message is words and what stands between them.  A word is either written, or it is a
 * value (fingerprint_word.c) and "#" is.  What stands between two words is held back in
 * the gap until the second is known: between two values it goes, if it only joins them, and
 * so does the second "#".  So "1, 2 and 3" is "# and #", whatever the length of the list.
 * What stands behind the last word is not written at all.
 *
 * The end of a message may have been cut, at a place that depends on the values before it.
 * Hence the ceiling, which is on what was written: of two long reports of one fault the
 * same beginning is looked at.
 */
#include "core/fingerprint.h"

#include "core/fingerprint_word.h"
#include "core/limits.h"
#include "core/utf8.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)
#define SEPARATOR  '\x1f'

/* Longer rows of punctuation are drawn lines; they are written in parts of this size. */
#define GAP_SIZE 16

#define N_QUOTES 3
static const char quotes[N_QUOTES] = {'"', '\'', '`'};

typedef struct Writer
{
	UeBuf *buf; /* NULL: only the hash is wanted */
	uint64_t hash;
	size_t len; /* bytes written */
	char gap[GAP_SIZE];
	size_t gap_len;
	bool is_joining; /* the gap holds only what may stand between two values */
	bool is_after_value;
	bool is_full;
} Writer;

typedef struct Scan
{
	UeSlice message;
	size_t at;
	size_t closers[N_QUOTES]; /* where the next quote that may close is, if beyond at */
	bool is_json;			  /* the message is JSON: its quotes hold sentences */
} Scan;

static void init_writer(Writer *writer, UeBuf *buf);
static void write_message(Writer *writer, UeSlice message);
static bool read_quoted(Scan *scan);
static size_t find_closer(Scan *scan, int quote);
static void read_between(Scan *scan, Writer *writer);
static void write_word(Writer *writer, UeSlice word);
static void write_path(Writer *writer, UeSlice path);
static void write_value(Writer *writer);
static void append_gap(Writer *writer, char byte);
static void flush_gap(Writer *writer, size_t needed);
static void write_bytes(Writer *writer, UeSlice bytes);
static uint64_t hash_bytes(uint64_t hash, UeSlice bytes);
static char fold(char byte);
static bool is_space(char byte);

int64_t
ue_fingerprint_build(UeSlice platform, UeSlice class, UeSlice code, UeSlice message)
{
	const UeSlice fields[] = {platform, class, code};
	const char separator = SEPARATOR;
	Writer writer;
	uint64_t hash;

	init_writer(&writer, NULL);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		writer.hash = hash_bytes(writer.hash, fields[i]);
		writer.hash = hash_bytes(writer.hash, (UeSlice){&separator, 1});
	}
	write_message(&writer, message);

	hash = writer.hash;
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	/* two's complement, which gcc and clang promise */
	return (int64_t) hash == INT64_MIN ? 0 : (int64_t) hash;
}

void
ue_fingerprint_write_message(UeBuf *buf, UeSlice message)
{
	Writer writer;

	init_writer(&writer, buf);
	write_message(&writer, message);
}

static void
init_writer(Writer *writer, UeBuf *buf)
{
	*writer = (Writer){.buf = buf, .hash = FNV_OFFSET, .is_joining = true};
}

static void
write_message(Writer *writer, UeSlice message)
{
	Scan scan = {.message = ue_slice_trim(message)};

	scan.is_json = scan.message.len > 0 &&
				   (scan.message.ptr[0] == '{' || scan.message.ptr[0] == '[');
	while (scan.at < scan.message.len && !writer->is_full)
	{
		UeSlice rest = ue_slice_sub(scan.message, scan.at, scan.message.len);
		size_t len = ue_fingerprint_find_word(rest);

		if (len > 0)
		{
			UeSlice word = ue_slice_sub(rest, 0, len);
			UeSlice behind = ue_slice_sub(rest, len, rest.len);

			scan.at += len;
			if (ue_fingerprint_is_path(word))
				write_path(writer, word);
			else if (ue_fingerprint_is_value(word, behind,
											 writer->is_after_value &&
												 writer->is_joining))
				write_value(writer);
			else
				write_word(writer, word);
		}
		else if (rest.ptr[0] == '#')
		{
			scan.at++;
			write_value(writer);
		}
		else if (read_quoted(&scan))
			write_value(writer);
		else
			read_between(&scan, writer);
	}
}

/* Passes over a quoted value.  Quotes that follow a letter are apostrophes. */
static bool
read_quoted(Scan *scan)
{
	UeSlice message = scan->message;
	size_t closer;
	int quote = 0;

	while (quote < N_QUOTES && quotes[quote] != message.ptr[scan->at])
		quote++;
	if (quote == N_QUOTES || (quote == 0 && scan->is_json) ||
		(scan->at > 0 && ue_fingerprint_is_letter(message.ptr[scan->at - 1])))
		return false;
	closer = find_closer(scan, quote);
	if (closer == message.len || closer - scan->at > UE_LIMIT_FINGERPRINT_QUOTED)
		return false;
	scan->at = closer + 1;
	return true;
}

/*
 * Length of the message when there is none.  Every byte is looked at once for each kind:
 * what was found last time holds until it is passed.
 */
static size_t
find_closer(Scan *scan, int quote)
{
	UeSlice message = scan->message;
	size_t at = scan->closers[quote];

	if (at > scan->at)
		return at;
	for (at = scan->at + 1; at < message.len; at++)
		if (message.ptr[at] == quotes[quote] &&
			(at + 1 == message.len || !ue_fingerprint_is_letter(message.ptr[at + 1])))
			break;
	scan->closers[quote] = at;
	return at;
}

/* One character that belongs to no word. */
static void
read_between(Scan *scan, Writer *writer)
{
	UeSlice rest = ue_slice_sub(scan->message, scan->at, scan->message.len);
	bool is_end = rest.len == 1 || is_space(rest.ptr[1]);
	uint32_t code_point;
	size_t len;

	if ((unsigned char) rest.ptr[0] >= 0x80)
	{
		len = ue_utf8_read(rest, &code_point);
		if (len == 0)
			len = 1;
		flush_gap(writer, len);
		write_bytes(writer, ue_slice_sub(rest, 0, len));
		scan->at += len;
		return;
	}
	scan->at++;
	if (is_space(rest.ptr[0]) || (unsigned char) rest.ptr[0] < ' ')
	{
		if (writer->gap_len == 0 || writer->gap[writer->gap_len - 1] != ' ')
			append_gap(writer, ' ');
	}
	else if (!is_end || (rest.ptr[0] != '.' && rest.ptr[0] != '!'))
		append_gap(writer, rest.ptr[0]);
}

static void
write_word(Writer *writer, UeSlice word)
{
	flush_gap(writer, word.len);
	write_bytes(writer, word);
}

/* messages.0.content.1 names a place: only its numbers are values. */
static void
write_path(Writer *writer, UeSlice path)
{
	size_t at = 0;

	flush_gap(writer, path.len);
	while (at < path.len && !writer->is_full)
	{
		size_t end = at;

		while (end < path.len && path.ptr[end] != '.')
			end++;
		if (path.ptr[at] >= '0' && path.ptr[at] <= '9')
			write_bytes(writer, UE_SLICE("#"));
		else
			write_bytes(writer, ue_slice_sub(path, at, end - at));
		if (end < path.len)
			write_bytes(writer, UE_SLICE("."));
		at = end + 1;
	}
}

static void
write_value(Writer *writer)
{
	if (writer->is_after_value && writer->is_joining)
		writer->gap_len = 0;
	else
	{
		flush_gap(writer, 1);
		write_bytes(writer, UE_SLICE("#"));
	}
	writer->is_after_value = true;
}

static void
append_gap(Writer *writer, char byte)
{
	if (writer->gap_len == GAP_SIZE)
		flush_gap(writer, 0);
	writer->gap[writer->gap_len++] = byte;
	writer->is_joining =
		writer->is_joining && (byte == ' ' || byte == ',' || byte == ':' || byte == ';' ||
							   byte == '/' || byte == '-' || byte == '.' || byte == '=');
}

/* needed: bytes that will follow at once. */
static void
flush_gap(Writer *writer, size_t needed)
{
	writer->is_full =
		writer->is_full || writer->len + writer->gap_len + needed > UE_LIMIT_FINGERPRINT;
	write_bytes(writer, (UeSlice){writer->gap, writer->gap_len});
	writer->gap_len = 0;
	writer->is_joining = true;
	writer->is_after_value = false;
}

static void
write_bytes(Writer *writer, UeSlice bytes)
{
	if (writer->is_full)
		return;
	writer->len += bytes.len;
	writer->hash = hash_bytes(writer->hash, bytes);
	if (writer->buf != NULL)
		for (size_t i = 0; i < bytes.len; i++)
			ue_buf_append_byte(writer->buf, fold(bytes.ptr[i]));
}

static uint64_t
hash_bytes(uint64_t hash, UeSlice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
	{
		hash ^= (unsigned char) fold(bytes.ptr[i]);
		hash *= FNV_PRIME;
	}
	return hash;
}

static char
fold(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char) (byte + ('a' - 'A')) : byte;
}

static bool
is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}
