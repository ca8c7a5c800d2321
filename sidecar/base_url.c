/* SPDX-License-Identifier: PostgreSQL */
/*
 * base_url.c: "https://host:port/prefix" taken apart and checked, once, at start.
 */
#include "base_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_authority(UeBaseUrl *base, UeSlice authority, const char **why);
static bool is_port(UeSlice text);
static bool is_plain(UeSlice text);
static UeSlice find_version(UeSlice prefix);
static char *copy_text(UeSlice text);

UeBaseUrl *
ue_base_url_parse(const char *text, char *error, size_t error_size)
{
	UeBaseUrl *base = calloc(1, sizeof(*base));
	UeSlice rest = ue_slice_of(text);
	UeSlice authority;
	const char *why = "not enough memory";
	const char *at;
	size_t slash;
	size_t size;
	size_t n_shown;

	if (base == NULL)
		goto failed;
	if (ue_slice_has_prefix_fold(rest, UE_SLICE("https://")))
	{
		base->is_tls = true;
		rest = ue_slice_sub(rest, 8, rest.len);
	}
	else if (ue_slice_has_prefix_fold(rest, UE_SLICE("http://")))
		rest = ue_slice_sub(rest, 7, rest.len);
	else
	{
		why = "it does not begin with http:// or https://";
		goto failed;
	}
	if (!is_plain(rest))
	{
		why = "it holds a blank, a control character, a query or a fragment";
		goto failed;
	}
	if (!ue_slice_find(rest, UE_SLICE("/"), &slash))
		slash = rest.len;
	authority = ue_slice_sub(rest, 0, slash);
	if (!read_authority(base, authority, &why))
		goto failed;
	rest = ue_slice_sub(rest, slash, rest.len);
	while (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	base->prefix = copy_text(rest);
	size = authority.len + sizeof("https:///");
	base->origin = malloc(size);
	if (base->prefix == NULL || base->origin == NULL)
		goto failed;
	snprintf(base->origin, size, "%s://%.*s/", base->is_tls ? "https" : "http",
			 (int) authority.len, authority.ptr);
	base->version = find_version(ue_slice_of(base->prefix));
	return base;

failed:
	/* what stands before the host, in a query or a fragment may be a credential: it is not
	 * repeated */
	at = strrchr(text, '@');
	if (at == NULL)
		at = text;
	n_shown = strcspn(at, "?#");
	snprintf(error, error_size,
			 "\"%s%.*s%s\" is not a base URL: %s; accepted is http or https, a host, and "
			 "optionally a port and a path, as in https://api.example.com/v1",
			 at == text ? "" : "***", (int) n_shown, at,
			 at[n_shown] == '\0' ? "" : "***", why);
	ue_base_url_free(base);
	return NULL;
}

const char *
ue_base_url_host(const UeBaseUrl *base)
{
	return base->host;
}

void
ue_base_url_free(UeBaseUrl *base)
{
	if (base == NULL)
		return;
	free(base->origin);
	free(base->host);
	free(base->prefix);
	free(base);
}

size_t
ue_base_url_target_size(const UeBaseUrl *base, UeSlice target)
{
	return strlen(base->prefix) + target.len + 2;
}

void
ue_base_url_write_target(const UeBaseUrl *base, UeSlice target, char *out)
{
	size_t prefix_len = strlen(base->prefix);
	size_t version_len = base->version.len;

	/* only a whole segment counts: "/v1beta" does not repeat "/v1" */
	if (version_len > 0 && target.len > version_len + 1 &&
		memcmp(target.ptr + 1, base->version.ptr, version_len) == 0 &&
		(target.ptr[version_len + 1] == '/' || target.ptr[version_len + 1] == '?'))
		target = ue_slice_sub(target, version_len + 1, target.len);
	memcpy(out, base->prefix, prefix_len);
	out += prefix_len;
	if (target.len == 0 || target.ptr[0] != '/')
	{
		/* "*" of OPTIONS stands alone; everything else is a path */
		if (prefix_len == 0 && !ue_slice_is_equal(target, UE_SLICE("*")))
			*out++ = '/';
	}
	if (target.len > 0)
		memcpy(out, target.ptr, target.len);
	out[target.len] = '\0';
}

static bool
read_authority(UeBaseUrl *base, UeSlice authority, const char **why)
{
	UeSlice host = authority;
	UeSlice port = {NULL, 0};
	size_t at;

	if (ue_slice_find(authority, UE_SLICE("@"), &at))
	{
		*why = "it holds credentials, which belong to the client or to a channel";
		return false;
	}
	if (authority.len > 0 && authority.ptr[0] == '[')
	{
		if (!ue_slice_find(authority, UE_SLICE("]"), &at))
		{
			*why = "its IPv6 address has no closing bracket";
			return false;
		}
		host = ue_slice_sub(authority, 1, at - 1);
		port = ue_slice_sub(authority, at + 1, authority.len);
	}
	else if (ue_slice_find(authority, UE_SLICE(":"), &at))
	{
		host = ue_slice_sub(authority, 0, at);
		port = ue_slice_sub(authority, at, authority.len);
	}
	if (host.len == 0)
	{
		*why = "it has no host";
		return false;
	}
	if (port.len > 0 && !is_port(port))
	{
		*why = "its port is not a number from 1 to 65535";
		return false;
	}
	base->host = copy_text(host);
	return base->host != NULL;
}

/* ":443" */
static bool
is_port(UeSlice text)
{
	int64_t number;

	return text.len > 1 && text.ptr[0] == ':' && text.ptr[1] >= '0' &&
		   text.ptr[1] <= '9' &&
		   ue_slice_parse_int64(ue_slice_sub(text, 1, text.len), &number) &&
		   number >= 1 && number <= 65535;
}

static bool
is_plain(UeSlice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char byte = (unsigned char) text.ptr[i];

		if (byte <= ' ' || byte >= 0x7f || byte == '?' || byte == '#' || byte == '\\')
			return false;
	}
	return true;
}

/* The last segment when it is "v" and digits, perhaps with a word behind ("v1beta"). */
static UeSlice
find_version(UeSlice prefix)
{
	size_t start = prefix.len;
	UeSlice none = {NULL, 0};

	while (start > 0 && prefix.ptr[start - 1] != '/')
		start--;
	if (prefix.len - start < 2 || prefix.ptr[start] != 'v' ||
		prefix.ptr[start + 1] < '0' || prefix.ptr[start + 1] > '9')
		return none;
	return ue_slice_sub(prefix, start, prefix.len - start);
}

static char *
copy_text(UeSlice text)
{
	char *copy = malloc(text.len + 1);

	if (copy == NULL)
		return NULL;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return copy;
}
