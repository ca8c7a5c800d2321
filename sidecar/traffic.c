/* SPDX-License-Identifier: PostgreSQL */
/*
 * traffic.c: a hash table of fixed size, for one minute.
 *
 * Open addressing over twice as many slots as there are keys; the texts of the keys lie one
 * behind the other in a buffer of fixed size.  Nothing is ever removed but all of it.
 */
#include "traffic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS	   (2 * UE_TRAFFIC_KEYS)
#define TEXT_BYTES ((size_t) UE_TRAFFIC_KEYS * 160)

/* An id has its random part at its end, and that is at least so long. */
#define ID_BYTES	 20
#define RANDOM_BYTES 16
#define UUID_BYTES	 36

struct UeTraffic
{
	int n_entries;
	size_t n_text;
	uint16_t slots[SLOTS]; /* 1 + index of the entry; 0: free */
	UeTrafficEntry entries[UE_TRAFFIC_KEYS];
	UeTrafficEntry others[UE_METRICS_PLATFORMS];
	char text[TEXT_BYTES];
};

static UeTrafficEntry *find_entry(UeTraffic *traffic, const UeTrafficKey *key);
static bool is_same_key(const UeTrafficKey *a, const UeTrafficKey *b);
static uint64_t hash_key(const UeTrafficKey *key);
static uint64_t mix(uint64_t hash, UeSlice text);
static UeSlice copy_text(UeTraffic *traffic, UeSlice text);
static int find_bucket(int64_t ms);
static void write_entry(UeTrafficEntry *entry, UeTrafficWriter write, void *context);
static bool is_id(const char *segment, size_t len);
static bool is_uuid(const char *segment);

UeTraffic *
ue_traffic_new(void)
{
	UeTraffic *traffic = calloc(1, sizeof(UeTraffic));

	if (traffic != NULL)
		ue_traffic_reset(traffic);
	return traffic;
}

void
ue_traffic_free(UeTraffic *traffic)
{
	free(traffic);
}

void
ue_traffic_count(UeTraffic *traffic, const UeTrafficKey *key,
				 const UeTrafficSample *sample)
{
	UeTrafficEntry *entry = find_entry(traffic, key);

	entry->is_changed = true;
	entry->counts.requests++;
	if (!sample->is_answer)
		return;
	entry->counts.answers++;
	if (sample->is_recovered)
		entry->counts.recovered++;
	if (sample->first_byte_ms >= 0)
		entry->counts.first_byte[find_bucket(sample->first_byte_ms)]++;
	entry->counts.total[find_bucket(sample->total_ms)]++;
}

void
ue_traffic_write(UeTraffic *traffic, UeTrafficWriter write, void *context)
{
	for (int i = 0; i < traffic->n_entries; i++)
		write_entry(&traffic->entries[i], write, context);
	for (int i = 0; i < UE_METRICS_PLATFORMS; i++)
		write_entry(&traffic->others[i], write, context);
}

void
ue_traffic_reset(UeTraffic *traffic)
{
	traffic->n_entries = 0;
	traffic->n_text = 0;
	memset(traffic->slots, 0, sizeof(traffic->slots));
	memset(traffic->others, 0, sizeof(traffic->others));
	for (int i = 0; i < UE_METRICS_PLATFORMS; i++)
		traffic->others[i].key =
			(UeTrafficKey){.platform = i, .route = UE_SLICE(UE_TRAFFIC_OTHER)};
}

UeSlice
ue_traffic_cut_ids(UeSlice path, char *buffer, size_t size)
{
	size_t n_copied = 0; /* of path */
	size_t n_written = 0;
	size_t start = 0;

	for (size_t i = 0; i <= path.len; i++)
	{
		if (i < path.len && path.ptr[i] != '/')
			continue;
		if (is_id(path.ptr + start, i - start))
		{
			if (n_written + (start - n_copied) + 4 > size)
				return UE_SLICE(UE_TRAFFIC_OTHER);
			memcpy(buffer + n_written, path.ptr + n_copied, start - n_copied);
			n_written += start - n_copied;
			memcpy(buffer + n_written, "{id}", 4);
			n_written += 4;
			n_copied = i;
		}
		start = i + 1;
	}
	if (n_copied == 0)
		return path;
	if (n_written + (path.len - n_copied) > size)
		return UE_SLICE(UE_TRAFFIC_OTHER);
	memcpy(buffer + n_written, path.ptr + n_copied, path.len - n_copied);
	return (UeSlice){buffer, n_written + (path.len - n_copied)};
}

void
ue_traffic_write_counts(UeBuf *buf, const uint32_t *counts)
{
	char number[16];

	for (int i = 0; i < UE_TRAFFIC_BUCKETS; i++)
	{
		int len =
			snprintf(number, sizeof(number), "%c%" PRIu32, i == 0 ? '{' : ',', counts[i]);

		ue_buf_append(buf, (UeSlice){number, (size_t) len});
	}
	ue_buf_append_byte(buf, '}');
}

static UeTrafficEntry *
find_entry(UeTraffic *traffic, const UeTrafficKey *key)
{
	size_t n_bytes = key->channel.len + key->model.len + key->route.len;
	uint64_t hash = hash_key(key);
	size_t at = hash % SLOTS;
	UeTrafficEntry *entry;

	for (; traffic->slots[at] != 0; at = (at + 1) % SLOTS)
	{
		entry = &traffic->entries[traffic->slots[at] - 1];
		if (entry->hash == hash && is_same_key(&entry->key, key))
			return entry;
	}
	if (traffic->n_entries == UE_TRAFFIC_KEYS || n_bytes > UE_TRAFFIC_KEY_BYTES ||
		n_bytes > TEXT_BYTES - traffic->n_text)
		return &traffic->others[key->platform];

	traffic->slots[at] = (uint16_t) (traffic->n_entries + 1);
	entry = &traffic->entries[traffic->n_entries++];
	memset(entry, 0, sizeof(*entry));
	entry->hash = hash;
	entry->key.platform = key->platform;
	entry->key.channel = copy_text(traffic, key->channel);
	entry->key.model = copy_text(traffic, key->model);
	entry->key.route = copy_text(traffic, key->route);
	return entry;
}

static bool
is_same_key(const UeTrafficKey *a, const UeTrafficKey *b)
{
	return a->platform == b->platform && ue_slice_is_equal(a->model, b->model) &&
		   ue_slice_is_equal(a->route, b->route) &&
		   ue_slice_is_equal(a->channel, b->channel);
}

static uint64_t
hash_key(const UeTrafficKey *key)
{
	uint64_t hash = mix((uint64_t) key->platform + 1, key->channel);

	hash = mix(mix(hash, key->model), key->route);
	return hash ^ hash >> 32;
}

/* Eight bytes at a time; whoever makes collisions on purpose gets 256 comparisons. */
static uint64_t
mix(uint64_t hash, UeSlice text)
{
	size_t at = 0;

	hash ^= text.len;
	while (at < text.len)
	{
		size_t n_bytes = text.len - at < 8 ? text.len - at : 8;
		uint64_t word = 0;

		memcpy(&word, text.ptr + at, n_bytes);
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 29;
		at += n_bytes;
	}
	return hash * UINT64_C(0x9E3779B97F4A7C15);
}

static UeSlice
copy_text(UeTraffic *traffic, UeSlice text)
{
	char *copy = traffic->text + traffic->n_text;

	if (text.len == 0)
		return (UeSlice){NULL, 0};
	memcpy(copy, text.ptr, text.len);
	traffic->n_text += text.len;
	return (UeSlice){copy, text.len};
}

static int
find_bucket(int64_t ms)
{
	int bucket = 0;

	while (bucket < UE_TRAFFIC_BUCKETS - 1 && ms > ue_traffic_bounds[bucket])
		bucket++;
	return bucket;
}

static void
write_entry(UeTrafficEntry *entry, UeTrafficWriter write, void *context)
{
	if (entry->is_changed && write(context, entry))
		entry->is_changed = false;
}

/*
 * As vendors make them: "resp_" and 48 hex digits, "file-" and 22 letters and digits,
 * "msgbatch_01" and 22 more, a UUID; sixteen letters and digits in a row at the end with a
 * digit among them.  Models are no ids: "claude-3-5-sonnet-20241022" has a hyphen there,
 * "gemini-2.5-pro:generateContent" a colon, "chatgpt4olatestversion" could do no harm.
 */
static bool
is_id(const char *segment, size_t len)
{
	bool has_digit = false;

	if (len < ID_BYTES)
		return false;
	if (len == UUID_BYTES && is_uuid(segment))
		return true;
	for (size_t i = len - RANDOM_BYTES; i < len; i++)
	{
		char byte = segment[i];
		bool is_digit = byte >= '0' && byte <= '9';

		if (!is_digit && !(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z'))
			return false;
		has_digit = has_digit || is_digit;
	}
	return has_digit;
}

static bool
is_uuid(const char *segment)
{
	for (int i = 0; i < UUID_BYTES; i++)
	{
		char byte = segment[i];
		bool is_hex = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
					  (byte >= 'A' && byte <= 'F');
		bool wants_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (wants_hyphen ? byte != '-' : !is_hex)
			return false;
	}
	return true;
}
