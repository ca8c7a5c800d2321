/* SPDX-License-Identifier: PostgreSQL */
/*
 * server_parse.c: requests by llhttp, and what it lets pass that we must not.
 *
 * A proxy that understands a request otherwise than the server behind it lets requests be
 * smuggled.  llhttp refuses the worst (Content-Length with Transfer-Encoding, two
 * Content-Lengths); server_gap.c what it is too lenient for between its pieces.  Refused
 * here besides: control bytes in values, names that are no tokens, no Host or two, transfer
 * codings other than one "chunked", targets that are neither a path nor a URL, versions
 * other than 1.0 and 1.1.
 *
 * llhttp hands out pieces; the names and values of one head are collected in one text, so
 * that a header array can point into it.  The text moves when it grows and the array is
 * moved with it.
 */
#include "server_parse.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "server_gap.h"

/*
 * A usual head of an SDK has 1 kB and 15 headers, curl's 100 bytes and four.  What holds
 * them lives as long as the answer, so the text begins as large as what was read, which is
 * all that a head in one piece can need, within these bounds.  Both double when they must.
 */
#define MIN_FIRST_TEXT 256
#define MAX_FIRST_TEXT 2048
#define FIRST_HEADERS  8

/* More headers than this: 431.  Servers commonly draw the line at 100 to 200. */
#define MAX_HEADERS 256

/* ": " and CRLF, which the text does not hold but the limit counts. */
#define HEADER_OVERHEAD 4

#define FIRST_BODY 4096

/* Chunk headers, extensions and trailers may be this much, or 16 times the body. */
#define FREE_OVERHEAD	(128 * 1024)
#define OVERHEAD_FACTOR 16

struct UeParser
{
	llhttp_t http;
	const UeServerLimits *limits; /* not owned */
	const UeRefusal *refusal;	  /* NULL: none */

	char *text; /* owned: target, then name and value of each header */
	size_t text_len, text_size;
	size_t n_reading;  /* bytes of the present read */
	UeHeader *headers; /* owned; slices into text */
	size_t headers_size;
	UeRequest request; /* its n_headers counts the one being read, too */
	size_t raw_bytes;  /* of the head, as sent */

	UeGap gap; /* what lies between the pieces */

	bool has_head;
	bool is_whole;
	bool is_http_1_0;
	bool has_expect;
	bool has_keep_alive;

	char *body;							 /* owned */
	size_t body_at, body_len, body_size; /* unread: from body_at, body_len bytes */
	size_t total_body, total_raw;		 /* since the head */
};

static const UeRefusal refusal_syntax = {400, "Bad Request", "invalid_http",
										 "the request is not valid HTTP/1.1"};
static const UeRefusal refusal_length = {
	400, "Bad Request", "invalid_framing",
	"Content-Length and Transfer-Encoding leave the length of the body in doubt"};
static const UeRefusal refusal_chunk = {400, "Bad Request", "invalid_chunk",
										"the chunked body is not well formed"};
static const UeRefusal refusal_delimiter = {
	400, "Bad Request", "invalid_delimiter",
	"a line does not end in CR LF, or a header goes on in another line"};
static const UeRefusal refusal_host = {400, "Bad Request", "invalid_host",
									   "HTTP/1.1 needs exactly one Host header"};
static const UeRefusal refusal_value = {400, "Bad Request", "invalid_header",
										"a header value holds a control character"};
static const UeRefusal refusal_target = {
	400, "Bad Request", "invalid_target",
	"the request target is not a path or an http URL"};
static const UeRefusal refusal_head_size = {
	431, "Request Header Fields Too Large", "headers_too_large",
	"the request line and headers are larger than this server accepts"};
static const UeRefusal refusal_coding = {
	501, "Not Implemented", "unknown_transfer_coding",
	"the only transfer coding this server knows is chunked"};
static const UeRefusal refusal_connect = {501, "Not Implemented", "connect_not_supported",
										  "this server is no forward proxy"};
static const UeRefusal refusal_version = {505, "HTTP Version Not Supported",
										  "http_version_not_supported",
										  "this server speaks HTTP/1.1 and HTTP/1.0"};
static const UeRefusal refusal_memory = {503, "Service Unavailable", "out_of_memory",
										 "the server has no memory for the request"};
const UeRefusal ue_refusal_timeout = {408, "Request Timeout", "request_timeout",
									  "the request did not arrive in time"};

static const llhttp_settings_t *find_settings(void);
static UeParser *parser_of(llhttp_t *http);
static int refuse(UeParser *parser, const UeRefusal *refusal);
static const UeRefusal *find_refusal(llhttp_errno_t error, bool has_head);
static void move_text(UeParser *parser, char *text);
static size_t find_first_size(const UeParser *parser);
static bool append_text(UeParser *parser, const char *at, size_t length, UeSlice *slice);
static bool add_header(UeParser *parser);
static bool begin_piece(UeParser *parser, UePiece piece, const char *at);
static bool is_token(UeSlice name);
static bool has_wrong_byte(UeSlice value);
static int on_url(llhttp_t *http, const char *at, size_t length);
static int on_version(llhttp_t *http, const char *at, size_t length);
static int on_header_field(llhttp_t *http, const char *at, size_t length);
static int on_header_value(llhttp_t *http, const char *at, size_t length);
static int on_headers_complete(llhttp_t *http);
static int on_body(llhttp_t *http, const char *at, size_t length);
static int on_message_complete(llhttp_t *http);
static const UeRefusal *check_head(UeParser *parser);
static const UeRefusal *check_headers(UeParser *parser);
static bool trim_target(UeRequest *request);

UeParser *
ue_parser_new(const UeServerLimits *limits)
{
	UeParser *parser = calloc(1, sizeof(*parser));

	if (parser == NULL)
		return NULL;
	parser->limits = limits;
	ue_parser_reset(parser);
	return parser;
}

void
ue_parser_free(UeParser *parser)
{
	if (parser == NULL)
		return;
	free(parser->text);
	free(parser->headers);
	free(parser->body);
	free(parser);
}

void
ue_parser_reset(UeParser *parser)
{
	const UeServerLimits *limits = parser->limits;

	free(parser->text);
	free(parser->headers);
	free(parser->body);
	memset(parser, 0, sizeof(*parser));
	parser->limits = limits;
	llhttp_init(&parser->http, HTTP_REQUEST, find_settings());
}

UeParse
ue_parser_read(UeParser *parser, UeSlice bytes, size_t *n_used)
{
	bool had_head = parser->has_head;
	llhttp_errno_t error;

	parser->n_reading = bytes.len;
	ue_gap_begin_read(&parser->gap, bytes.ptr);
	error = llhttp_execute(&parser->http, bytes.ptr, bytes.len);
	*n_used = bytes.len;

	if (parser->is_whole)
		*n_used = (size_t) (llhttp_get_error_pos(&parser->http) - bytes.ptr);
	else if (parser->refusal == NULL && error != HPE_OK)
		parser->refusal = find_refusal(error, parser->has_head);
	if (parser->refusal == NULL &&
		!ue_gap_end_read(&parser->gap, bytes.ptr + *n_used, parser->is_whole))
		refuse(parser, had_head ? &refusal_chunk : &refusal_delimiter);

	if (!parser->has_head)
	{
		parser->raw_bytes += bytes.len;
		if (parser->raw_bytes > parser->limits->header_bytes)
			refuse(parser, &refusal_head_size);
	}
	else if (had_head)
	{
		parser->total_raw += bytes.len;
		if (parser->total_raw > FREE_OVERHEAD + OVERHEAD_FACTOR * parser->total_body)
			refuse(parser, &refusal_chunk);
	}
	if (parser->refusal != NULL)
		return UE_PARSE_REFUSED;
	return parser->is_whole ? UE_PARSE_WHOLE : UE_PARSE_MORE;
}

const UeRefusal *
ue_parser_refusal(const UeParser *parser)
{
	return parser->refusal;
}

bool
ue_parser_is_body_refused(const UeParser *parser)
{
	return parser->has_head && !parser->is_whole && parser->refusal == &refusal_chunk;
}

const UeRequest *
ue_parser_request(const UeParser *parser)
{
	return parser->has_head ? &parser->request : NULL;
}

bool
ue_parser_is_whole(const UeParser *parser)
{
	return parser->is_whole;
}

bool
ue_parser_is_http_1_0(const UeParser *parser)
{
	return parser->is_http_1_0;
}

bool
ue_parser_is_head_method(const UeParser *parser)
{
	return parser->http.method == HTTP_HEAD;
}

bool
ue_parser_has_expect(const UeParser *parser)
{
	return parser->has_expect;
}

bool
ue_parser_has_keep_alive(const UeParser *parser)
{
	return parser->has_keep_alive;
}

UeSlice
ue_parser_body(const UeParser *parser)
{
	UeSlice body = {NULL, 0};

	if (parser->body_len > 0)
	{
		body.ptr = parser->body + parser->body_at;
		body.len = parser->body_len;
	}
	return body;
}

void
ue_parser_consume(UeParser *parser, size_t n_bytes)
{
	if (n_bytes > parser->body_len)
		n_bytes = parser->body_len;
	parser->body_at += n_bytes;
	parser->body_len -= n_bytes;
	if (parser->body_len > 0)
		return;
	parser->body_at = 0;
	if (parser->is_whole)
	{
		free(parser->body);
		parser->body = NULL;
		parser->body_size = 0;
	}
}

static const llhttp_settings_t *
find_settings(void)
{
	static const llhttp_settings_t settings = {
		.on_url = on_url,
		.on_version = on_version,
		.on_header_field = on_header_field,
		.on_header_value = on_header_value,
		.on_headers_complete = on_headers_complete,
		.on_body = on_body,
		.on_message_complete = on_message_complete,
	};

	return &settings;
}

/* http is the first member. */
static UeParser *
parser_of(llhttp_t *http)
{
	return (UeParser *) http;
}

/* The first refusal counts.  Returned to llhttp, it ends the parsing. */
static int
refuse(UeParser *parser, const UeRefusal *refusal)
{
	if (parser->refusal == NULL)
		parser->refusal = refusal;
	return HPE_USER;
}

static const UeRefusal *
find_refusal(llhttp_errno_t error, bool has_head)
{
	if (has_head)
		return &refusal_chunk;
	if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
		return &refusal_version;
	if (error == HPE_UNEXPECTED_CONTENT_LENGTH || error == HPE_INVALID_CONTENT_LENGTH ||
		error == HPE_INVALID_TRANSFER_ENCODING)
		return &refusal_length;
	return &refusal_syntax;
}

/* Into a larger place; every slice goes along. */
static void
move_text(UeParser *parser, char *text)
{
	const char *old = parser->text;

	if (old == NULL)
		return;
	memcpy(text, old, parser->text_len);
	if (parser->request.target.ptr != NULL)
		parser->request.target.ptr = text + (parser->request.target.ptr - old);
	for (size_t i = 0; i < parser->request.n_headers; i++)
	{
		UeHeader *header = &parser->headers[i];

		if (header->name.ptr != NULL)
			header->name.ptr = text + (header->name.ptr - old);
		if (header->value.ptr != NULL)
			header->value.ptr = text + (header->value.ptr - old);
	}
}

static size_t
find_first_size(const UeParser *parser)
{
	if (parser->n_reading < MIN_FIRST_TEXT)
		return MIN_FIRST_TEXT;
	return parser->n_reading < MAX_FIRST_TEXT ? parser->n_reading : MAX_FIRST_TEXT;
}

/* Lengthens slice, which is empty or the last thing in the text. */
static bool
append_text(UeParser *parser, const char *at, size_t length, UeSlice *slice)
{
	size_t counted =
		parser->text_len + length + HEADER_OVERHEAD * parser->request.n_headers;

	if (counted > parser->limits->header_bytes)
	{
		refuse(parser, &refusal_head_size);
		return false;
	}
	if (parser->text_len + length > parser->text_size)
	{
		size_t size = parser->text_size > 0 ? parser->text_size : find_first_size(parser);
		char *text;

		while (size < parser->text_len + length)
			size *= 2;
		text = malloc(size);
		if (text == NULL)
		{
			refuse(parser, &refusal_memory);
			return false;
		}
		move_text(parser, text);
		free(parser->text);
		parser->text = text;
		parser->text_size = size;
	}
	if (slice->ptr == NULL)
		slice->ptr = parser->text + parser->text_len;
	memcpy(parser->text + parser->text_len, at, length);
	parser->text_len += length;
	slice->len += length;
	return true;
}

static bool
add_header(UeParser *parser)
{
	size_t n_headers = parser->request.n_headers;

	if (n_headers == MAX_HEADERS)
	{
		refuse(parser, &refusal_head_size);
		return false;
	}
	if (n_headers == parser->headers_size)
	{
		size_t size = n_headers == 0 ? FIRST_HEADERS : 2 * n_headers;
		UeHeader *headers = realloc(parser->headers, size * sizeof(*headers));

		if (headers == NULL)
		{
			refuse(parser, &refusal_memory);
			return false;
		}
		parser->headers = headers;
		parser->headers_size = size;
	}
	memset(&parser->headers[n_headers], 0, sizeof(UeHeader));
	parser->request.n_headers++;
	return true;
}

static bool
begin_piece(UeParser *parser, UePiece piece, const char *at)
{
	if (!ue_gap_begin_piece(&parser->gap, piece, at))
		refuse(parser, parser->has_head ? &refusal_chunk : &refusal_delimiter);
	return parser->refusal == NULL;
}

/* RFC 9110, 5.6.2. */
static bool
is_token(UeSlice name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < name.len; i++)
	{
		char byte = name.ptr[i];
		bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

		if (!is_letter && byte != '-' && !(byte >= '0' && byte <= '9') &&
			memchr(others, byte, sizeof(others) - 1) == NULL)
			return false;
	}
	return name.len > 0;
}

static int
on_url(llhttp_t *http, const char *at, size_t length)
{
	UeParser *parser = parser_of(http);

	if (!begin_piece(parser, UE_PIECE_TARGET, at) ||
		!append_text(parser, at, length, &parser->request.target))
		return HPE_USER;
	ue_gap_end_piece(&parser->gap, at + length);
	return 0;
}

static int
on_version(llhttp_t *http, const char *at, size_t length)
{
	UeParser *parser = parser_of(http);

	if (!begin_piece(parser, UE_PIECE_VERSION, at))
		return HPE_USER;
	ue_gap_end_piece(&parser->gap, at + length);
	return 0;
}

static int
on_header_field(llhttp_t *http, const char *at, size_t length)
{
	UeParser *parser = parser_of(http);
	bool is_new;

	if (parser->has_head)
		return 0; /* a trailer: part of the gap, and nobody is told of it */
	is_new = !ue_gap_is_continued(&parser->gap, UE_PIECE_NAME, at);
	if (!begin_piece(parser, UE_PIECE_NAME, at) || (is_new && !add_header(parser)) ||
		!append_text(parser, at, length,
					 &parser->headers[parser->request.n_headers - 1].name))
		return HPE_USER;
	ue_gap_end_piece(&parser->gap, at + length);
	return 0;
}

/* A tab may stand in a value. */
static bool
has_wrong_byte(UeSlice value)
{
	if (!ue_slice_has_control(value))
		return false;
	for (size_t i = 0; i < value.len; i++)
	{
		unsigned char byte = (unsigned char) value.ptr[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return true;
	}
	return false;
}

/* llhttp hands out a folded value in pieces, without the line ends between them. */
static int
on_header_value(llhttp_t *http, const char *at, size_t length)
{
	UeParser *parser = parser_of(http);

	if (parser->has_head || length == 0)
		return 0;
	if (has_wrong_byte((UeSlice){at, length}))
		return refuse(parser, &refusal_value);
	if (!begin_piece(parser, UE_PIECE_VALUE, at) ||
		!append_text(parser, at, length,
					 &parser->headers[parser->request.n_headers - 1].value))
		return HPE_USER;
	ue_gap_end_piece(&parser->gap, at + length);
	return 0;
}

static int
on_headers_complete(llhttp_t *http)
{
	UeParser *parser = parser_of(http);
	const UeRefusal *refusal = check_head(parser);

	if (refusal != NULL)
	{
		refuse(parser, refusal);
		return -1;
	}
	parser->has_head = true;
	return 0;
}

static int
on_body(llhttp_t *http, const char *at, size_t length)
{
	UeParser *parser = parser_of(http);
	size_t needed = parser->body_len + length;

	if (!begin_piece(parser, UE_PIECE_BODY, at))
		return HPE_USER;
	ue_gap_end_piece(&parser->gap, at + length);
	if (needed > parser->body_size)
	{
		int64_t announced = parser->request.content_length;
		size_t size = parser->body_size == 0 ? FIRST_BODY : 2 * parser->body_size;
		char *body;

		/* a body of known length that fits the window is given its place at once */
		if (announced > 0 && (uint64_t) announced <= parser->limits->body_window_bytes)
			size = (size_t) announced;
		while (size < needed)
			size *= 2;
		body = malloc(size);
		if (body == NULL)
			return refuse(parser, &refusal_memory);
		if (parser->body_len > 0)
			memcpy(body, parser->body + parser->body_at, parser->body_len);
		free(parser->body);
		parser->body = body;
		parser->body_at = 0;
		parser->body_size = size;
	}
	else if (parser->body_at + needed > parser->body_size)
	{
		memmove(parser->body, parser->body + parser->body_at, parser->body_len);
		parser->body_at = 0;
	}
	memcpy(parser->body + parser->body_at + parser->body_len, at, length);
	parser->body_len = needed;
	parser->total_body += length;
	return 0;
}

/* Pausing makes llhttp say where the next request begins. */
static int
on_message_complete(llhttp_t *http)
{
	parser_of(http)->is_whole = true;
	return HPE_PAUSED;
}

static const UeRefusal *
check_head(UeParser *parser)
{
	const llhttp_t *http = &parser->http;
	UeRequest *request = &parser->request;

	if (http->http_major != 1 || http->http_minor > 1)
		return &refusal_version;
	if (http->method == HTTP_CONNECT)
		return &refusal_connect;

	request->method = ue_slice_of(llhttp_method_name((llhttp_method_t) http->method));
	request->headers = parser->headers;
	if (http->content_length > INT64_MAX)
		return &refusal_length;
	request->content_length =
		http->flags & F_CHUNKED ? -1 : (int64_t) http->content_length;
	parser->is_http_1_0 = http->http_minor == 0;
	parser->has_keep_alive = llhttp_should_keep_alive(http) != 0;
	if (!trim_target(request))
		return &refusal_target;
	return check_headers(parser);
}

static const UeRefusal *
check_headers(UeParser *parser)
{
	UeRequest *request = &parser->request;
	int n_hosts = 0;
	int n_codings = 0;
	bool has_other_protocol = false;

	for (size_t i = 0; i < request->n_headers; i++)
	{
		UeHeader *header = &parser->headers[i];

		if (!is_token(header->name))
			return &refusal_syntax;
		header->value = ue_slice_trim(header->value);
		if (ue_slice_is_equal_fold(header->name, UE_SLICE("host")))
			n_hosts++;
		else if (ue_slice_is_equal_fold(header->name, UE_SLICE("expect")))
			parser->has_expect =
				ue_slice_is_equal_fold(header->value, UE_SLICE("100-continue"));
		else if (ue_slice_is_equal_fold(header->name, UE_SLICE("upgrade")))
			has_other_protocol = !ue_slice_is_equal_fold(header->value, UE_SLICE("h2c"));
		else if (ue_slice_is_equal_fold(header->name, UE_SLICE("transfer-encoding")))
		{
			n_codings++;
			if (!ue_slice_is_equal_fold(header->value, UE_SLICE("chunked")))
				return &refusal_coding;
		}
	}
	if (n_hosts > 1 || (n_hosts == 0 && !parser->is_http_1_0))
		return &refusal_host;
	if (n_codings > 1 || (n_codings == 1 && parser->is_http_1_0))
		return &refusal_length;

	/* who offers h2c takes an answer in HTTP/1.1 (Java's client offers it always) */
	request->is_upgrade = parser->http.upgrade && has_other_protocol;
	if (parser->is_http_1_0)
		parser->has_expect = false;
	return NULL;
}

/* A URL in place of the path is what a client sends that takes us for its proxy. */
static bool
trim_target(UeRequest *request)
{
	UeSlice target = request->target;
	size_t scheme = 0;

	if (target.len == 0 || memchr(target.ptr, '#', target.len) != NULL)
		return false;
	if (target.ptr[0] == '/')
		return true;
	if (ue_slice_is_equal(target, UE_SLICE("*")))
		return ue_slice_is_equal(request->method, UE_SLICE("OPTIONS"));

	if (ue_slice_has_prefix_fold(target, UE_SLICE("http://")))
		scheme = 7;
	else if (ue_slice_has_prefix_fold(target, UE_SLICE("https://")))
		scheme = 8;
	if (scheme == 0 || scheme == target.len)
		return false;
	for (size_t i = scheme; i < target.len; i++)
	{
		if (target.ptr[i] == '/')
		{
			request->target = ue_slice_sub(target, i, target.len - i);
			return true;
		}
		if (target.ptr[i] == '?')
			return false;
	}
	request->target = UE_SLICE("/");
	return true;
}
