/* SPDX-License-Identifier: PostgreSQL */
/*
 * wire.c: blocking reads and writes of HTTP/1.1 for the scripted upstream.
 */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* an upload that stands still for so long is given up, so that no thread stays for ever */
#define READ_TIMEOUT_MS 120000

static uint32_t crc_table[256];

static bool fill_input(UeWire *wire);
static bool read_line(UeWire *wire, char *out, size_t size);
static bool take_body(UeWire *wire, UeWireRequest *request, int64_t n_bytes);
static void keep_tail(UeWire *wire, UeWireRequest *request, const char *bytes,
					  size_t n_bytes);
static const char *reason_name(int status);
static bool send_all(int fd, struct iovec *parts, int n_parts);


void
ue_wire_global_init(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 1) ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
		crc_table[i] = crc;
	}
}

uint32_t
ue_wire_sum(uint32_t crc, const char *bytes, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = crc_table[(crc ^ (unsigned char) bytes[i]) & 0xFF] ^ (crc >> 8);
	return ~crc;
}

bool
ue_wire_read_head(UeWire *wire, UeWireRequest *out)
{
	char value[64];
	char *line_end, *space;
	size_t len = 0;

	memset(out, 0, sizeof(*out));
	for (;;)
	{
		char *at;

		if (wire->begin == wire->end && !fill_input(wire))
			return false;
		if (len == UE_WIRE_HEAD)
			return false;
		at = wire->head + len;
		*at = wire->input[wire->begin++];
		len++;
		if (len >= 4 && memcmp(at - 3, "\r\n\r\n", 4) == 0)
			break;
	}
	wire->head[len - 2] = '\0';
	line_end = strstr(wire->head, "\r\n");
	*line_end = '\0';
	out->headers = line_end + 2;
	out->method = wire->head;
	space = strchr(wire->head, ' ');
	if (space == NULL)
		return false;
	*space = '\0';
	out->target = space + 1;
	space = strchr(out->target, ' ');
	if (space == NULL)
		return false;
	*space = '\0';

	if (ue_wire_find_header(out, "transfer-encoding", value, sizeof(value)))
		out->content_length = -1;
	else if (ue_wire_find_header(out, "content-length", value, sizeof(value)))
		out->content_length = strtoll(value, NULL, 10);
	out->is_kept_alive = !(ue_wire_find_header(out, "connection", value, sizeof(value)) &&
						   strcasecmp(value, "close") == 0);
	return true;
}

bool
ue_wire_read_body(UeWire *wire, UeWireRequest *request)
{
	char line[64];

	if (ue_wire_find_header(request, "expect", line, sizeof(line)) &&
		!ue_wire_send_raw(wire, "HTTP/1.1 100 Continue\r\n\r\n", 25))
		return false;
	if (request->content_length >= 0)
	{
		if (!take_body(wire, request, request->content_length))
			return false;
	}
	else
	{
		int64_t n_bytes;

		do
		{
			if (!read_line(wire, line, sizeof(line)))
				return false;
			n_bytes = strtoll(line, NULL, 16);
			if (n_bytes < 0 || !take_body(wire, request, n_bytes))
				return false;
			/* the line end after a chunk; after the last one, trailers and an empty line */
			do
			{
				if (!read_line(wire, line, sizeof(line)))
					return false;
			} while (n_bytes == 0 && line[0] != '\0');
		} while (n_bytes > 0);
	}
	wire->body[request->kept + request->tail] = '\0';
	return true;
}

bool
ue_wire_find_header(const UeWireRequest *request, const char *name, char *out,
					size_t size)
{
	size_t name_len = strlen(name);

	out[0] = '\0';
	for (const char *line = request->headers; *line != '\0';)
	{
		const char *end = strstr(line, "\r\n");

		if (end == NULL)
			break;
		if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
		{
			const char *value = line + name_len + 1;
			size_t len;

			while (value < end && *value == ' ')
				value++;
			len = (size_t) (end - value) < size ? (size_t) (end - value) : size - 1;
			memcpy(out, value, len);
			out[len] = '\0';
			return true;
		}
		line = end + 2;
	}
	return false;
}

bool
ue_wire_send_answer(UeWire *wire, int status, const char *headers, const char *body,
					size_t len)
{
	char head[8192];
	struct iovec parts[2];
	int head_len;

	head_len =
		snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\n%scontent-length: %zu\r\n\r\n",
				 status, reason_name(status), headers, len);
	if (head_len < 0 || (size_t) head_len >= sizeof(head))
		return false;
	parts[0].iov_base = head;
	parts[0].iov_len = (size_t) head_len;
	parts[1].iov_base = (void *) (uintptr_t) body;
	parts[1].iov_len = len;
	return send_all(wire->fd, parts, 2);
}

bool
ue_wire_send_head(UeWire *wire, int status, const char *headers, int64_t content_length)
{
	char head[8192];
	char framing[64] = "transfer-encoding: chunked\r\n";
	int len;

	if (content_length >= 0)
		snprintf(framing, sizeof(framing), "content-length: %lld\r\n",
				 (long long) content_length);
	len = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\n%s%s\r\n", status,
				   reason_name(status), headers, framing);
	return len > 0 && (size_t) len < sizeof(head) &&
		   ue_wire_send_raw(wire, head, (size_t) len);
}

bool
ue_wire_send_raw(UeWire *wire, const char *bytes, size_t len)
{
	struct iovec part = {(void *) (uintptr_t) bytes, len};

	return send_all(wire->fd, &part, 1);
}

bool
ue_wire_send_chunk(UeWire *wire, const char *bytes, size_t len)
{
	char size[32];
	char crlf[] = "\r\n";
	struct iovec parts[3];

	/* a chunk of no bytes would end the answer */
	if (len == 0)
		return true;
	parts[0].iov_base = size;
	parts[0].iov_len = (size_t) snprintf(size, sizeof(size), "%zx\r\n", len);
	parts[1].iov_base = (void *) (uintptr_t) bytes;
	parts[1].iov_len = len;
	parts[2].iov_base = crlf;
	parts[2].iov_len = 2;
	return send_all(wire->fd, parts, 3);
}

bool
ue_wire_end_chunks(UeWire *wire)
{
	return ue_wire_send_raw(wire, "0\r\n\r\n", 5);
}

bool
ue_wire_wait_gone(UeWire *wire, int ms)
{
	struct pollfd ready = {wire->fd, POLLRDHUP, 0};

	return poll(&ready, 1, ms) > 0;
}

void
ue_wire_make_reset(UeWire *wire)
{
	struct linger linger = {1, 0};

	(void) setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static bool
fill_input(UeWire *wire)
{
	struct pollfd ready = {wire->fd, POLLIN, 0};
	ssize_t n_bytes;

	if (poll(&ready, 1, READ_TIMEOUT_MS) <= 0)
		return false;
	do
		n_bytes = recv(wire->fd, wire->input, sizeof(wire->input), 0);
	while (n_bytes < 0 && errno == EINTR);
	wire->begin = 0;
	wire->end = n_bytes > 0 ? (size_t) n_bytes : 0;
	return n_bytes > 0;
}

/* Without its line end; what does not fit is passed over. */
static bool
read_line(UeWire *wire, char *out, size_t size)
{
	size_t len = 0;

	for (;;)
	{
		char c;

		if (wire->begin == wire->end && !fill_input(wire))
			return false;
		c = wire->input[wire->begin++];
		if (c == '\n')
			break;
		if (c != '\r' && len + 1 < size)
			out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

static bool
take_body(UeWire *wire, UeWireRequest *request, int64_t n_bytes)
{
	while (n_bytes > 0)
	{
		size_t part, room;

		if (wire->begin == wire->end && !fill_input(wire))
			return false;
		part = wire->end - wire->begin;
		if ((int64_t) part > n_bytes)
			part = (size_t) n_bytes;
		room = UE_WIRE_BODY - request->kept;
		if (room > part)
			room = part;
		memcpy(wire->body + request->kept, wire->input + wire->begin, room);
		request->kept += room;
		keep_tail(wire, request, wire->input + wire->begin + room, part - room);
		request->body_crc =
			ue_wire_sum(request->body_crc, wire->input + wire->begin, part);
		request->body_bytes += (int64_t) part;
		wire->begin += part;
		n_bytes -= (int64_t) part;
	}
	return true;
}

/* The last bytes of what there is no room for. */
static void
keep_tail(UeWire *wire, UeWireRequest *request, const char *bytes, size_t n_bytes)
{
	char *tail = wire->body + UE_WIRE_BODY;
	size_t n_old;

	if (n_bytes > UE_WIRE_TAIL)
	{
		bytes += n_bytes - UE_WIRE_TAIL;
		n_bytes = UE_WIRE_TAIL;
	}
	n_old =
		UE_WIRE_TAIL - n_bytes < request->tail ? UE_WIRE_TAIL - n_bytes : request->tail;
	memmove(tail, tail + request->tail - n_old, n_old);
	memcpy(tail + n_old, bytes, n_bytes);
	request->tail = n_old + n_bytes;
}

static const char *
reason_name(int status)
{
	static const struct
	{
		int status;
		const char *name;
	} reasons[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{408, "Request Timeout"},
		{413, "Payload Too Large"},
		{422, "Unprocessable Entity"},
		{429, "Too Many Requests"},
		{500, "Internal Server Error"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].name;
	return "Unknown";
}

static bool
send_all(int fd, struct iovec *parts, int n_parts)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t) n_parts};

	while (message.msg_iovlen > 0)
	{
		ssize_t n_sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n_sent < 0 && errno == EINTR)
			continue;
		if (n_sent < 0)
			return false;
		while (message.msg_iovlen > 0 && (size_t) n_sent >= message.msg_iov->iov_len)
		{
			n_sent -= (ssize_t) message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen > 0)
		{
			message.msg_iov->iov_base = (char *) message.msg_iov->iov_base + n_sent;
			message.msg_iov->iov_len -= (size_t) n_sent;
		}
	}
	return true;
}
