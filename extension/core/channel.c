/* SPDX-License-Identifier: PostgreSQL */
/*
 * channel.c: a channel's row, and its maps.
 */
#include "core/channel.h"

#include "core/fold.h"
#include "core/limits.h"

/* A URL of a base or a proxy. */
#define URL_MAX 2048

/* Pairs in one of the maps. */
#define MAP_MAX 1000

/* The longest that a time-out may be: a day, in ms. */
#define TIMEOUT_MAX INT64_C(86400000)

static const UeSlice members[] = {
	UE_SLICE_INIT("id"),
	UE_SLICE_INIT("name"),
	UE_SLICE_INIT("platform"),
	UE_SLICE_INIT("base_url"),
	UE_SLICE_INIT("enabled"),
	UE_SLICE_INIT("priority"),
	UE_SLICE_INIT("weight"),
	UE_SLICE_INIT("models"),
	UE_SLICE_INIT("credential"),
	UE_SLICE_INIT("account_id"),
	UE_SLICE_INIT("proxy"),
	UE_SLICE_INIT("model_mapping"),
	UE_SLICE_INIT("status_code_mapping"),
	UE_SLICE_INIT("connect_timeout_ms"),
	UE_SLICE_INIT("first_byte_timeout_ms"),
	UE_SLICE_INIT("idle_timeout_ms"),
	/* of the row, and nothing to us */
	UE_SLICE_INIT("description"),
	UE_SLICE_INIT("version"),
	UE_SLICE_INIT("generation"),
	UE_SLICE_INIT("created_at"),
	UE_SLICE_INIT("updated_at"),
};

static void read_model_map(UeRecord *record, UeChannel *out);
static void read_status_map(UeRecord *record, UeChannel *out);
static const UeJson *find_map(UeRecord *record, const char *name, size_t *n);
static bool read_status(const UeJson *node, int *out);
static void check_references(UeRecord *record, const UeChannel *channel);

void
ue_channel_read(UeRecord *record, UeChannel *out)
{
	*out = (UeChannel){.is_enabled = true, .weight = 1};
	ue_record_allow(record, members, sizeof(members) / sizeof(members[0]));
	ue_record_read_int64(record, "id", 1, INT64_MAX, &out->id);
	ue_record_read_text(record, "name", UE_LIMIT_TOKEN, &out->name);
	ue_record_read_text(record, "platform", UE_LIMIT_TOKEN, &out->platform);
	ue_record_read_text(record, "base_url", URL_MAX, &out->base_url);
	ue_record_read_bool(record, "enabled", &out->is_enabled);
	ue_record_read_int32(record, "priority", INT32_MIN, INT32_MAX, &out->priority);
	ue_record_read_int32(record, "weight", 0, 1000000, &out->weight);
	ue_record_read_list(record, "models", UE_LIMIT_TOKEN, &out->models);
	ue_record_read_text(record, "credential", URL_MAX, &out->credential);
	ue_record_read_text(record, "account_id", UE_LIMIT_TOKEN, &out->account_id);
	ue_record_read_text(record, "proxy", URL_MAX, &out->proxy);
	ue_record_read_int64(record, "connect_timeout_ms", 0, TIMEOUT_MAX,
						 &out->connect_timeout_ms);
	ue_record_read_int64(record, "first_byte_timeout_ms", 0, TIMEOUT_MAX,
						 &out->first_byte_timeout_ms);
	ue_record_read_int64(record, "idle_timeout_ms", 0, TIMEOUT_MAX,
						 &out->idle_timeout_ms);
	read_model_map(record, out);
	read_status_map(record, out);
	check_references(record, out);
}

static void
check_references(UeRecord *record, const UeChannel *channel)
{
	if (record->status != UE_OK)
		return;
	if (channel->name.len == 0)
		ue_record_complain(record, "name", UE_SLICE("it must not be empty"));
	else if (channel->platform.len == 0)
		ue_record_complain(record, "platform", UE_SLICE("it must not be empty"));
	else if (!ue_slice_has_prefix_fold(channel->base_url, UE_SLICE("https://")) &&
			 !ue_slice_has_prefix_fold(channel->base_url, UE_SLICE("http://")))
		ue_record_complain(record, "base_url",
						   UE_SLICE("accepted are URLs with http:// or https://"));
	else if (channel->credential.len > 0 && !ue_channel_is_reference(channel->credential))
		ue_record_complain(
			record, "credential",
			UE_SLICE(
				"accepted are references, env:NAME and file:/path; the secret itself "
				"does not belong in a database"));
	else if (ue_slice_find(channel->proxy, UE_SLICE("@"), &(size_t){0}))
		ue_record_complain(record, "proxy",
						   UE_SLICE(
							   "a URL with credentials does not belong in a "
							   "database; accepted are URLs without, and references, "
							   "env:NAME and file:/path"));
}

bool
ue_channel_is_reference(UeSlice text)
{
	if (ue_slice_has_prefix(text, UE_SLICE("file:/")))
		return text.len > sizeof("file:/") - 1;
	if (!ue_slice_has_prefix(text, UE_SLICE("env:")) || text.len == sizeof("env:") - 1)
		return false;
	for (size_t i = sizeof("env:") - 1; i < text.len; i++)
	{
		char byte = text.ptr[i];

		if ((byte < 'A' || byte > 'Z') && (byte < 'a' || byte > 'z') &&
			(byte < '0' || byte > '9') && byte != '_')
			return false;
	}
	return true;
}

/* The object of that name and how many members it has; NULL: there is none. */
static const UeJson *
find_map(UeRecord *record, const char *name, size_t *n)
{
	const UeJson *map;

	*n = 0;
	if (record->status != UE_OK)
		return NULL;
	map = ue_json_find(record->object, ue_slice_of(name));
	if (map == NULL || map->type == UE_JSON_NULL)
		return NULL;
	if (map->type != UE_JSON_OBJECT)
	{
		ue_record_complain(record, name, UE_SLICE("it must be a JSON object"));
		return NULL;
	}
	for (const UeJson *child = map->child; child != NULL; child = child->next)
		++*n;
	if (*n <= MAP_MAX)
		return map;
	ue_record_complain(record, name,
					   UE_SLICE("it has too many members; accepted are at most 1000"));
	return NULL;
}

static void
read_model_map(UeRecord *record, UeChannel *out)
{
	size_t n;
	const UeJson *map = find_map(record, "model_mapping", &n);
	UeModelPair *pairs;

	if (map == NULL)
		return;
	pairs = ue_arena_allocate(record->arena, (n + 1) * sizeof(*pairs));
	if (pairs == NULL)
	{
		record->status = UE_NO_MEMORY;
		return;
	}
	out->model_map = pairs;
	for (const UeJson *child = map->child; child != NULL; child = child->next)
	{
		UeSlice to = ue_slice_trim(ue_json_text(child));

		if (child->type != UE_JSON_STRING || to.len == 0 || to.len > UE_LIMIT_TOKEN ||
			child->key.len == 0 || child->key.len > UE_LIMIT_TOKEN)
		{
			ue_record_complain(record, "model_mapping",
							   UE_SLICE(
								   "accepted are names of models, 1 to 128 bytes, as "
								   "members and as values"));
			return;
		}
		pairs[out->n_model_map++] = (UeModelPair){child->key, to};
	}
}

/* A number without a fraction, or its digits in a text; new-api takes both. */
static bool
read_status(const UeJson *node, int *out)
{
	int64_t value;

	if ((node->type != UE_JSON_NUMBER && node->type != UE_JSON_STRING) ||
		!ue_slice_parse_int64(ue_slice_trim(node->text), &value) ||
		value < UE_STATUSES_MIN || value > UE_STATUSES_MAX)
		return false;
	*out = (int) value;
	return true;
}

static void
read_status_map(UeRecord *record, UeChannel *out)
{
	size_t n;
	const UeJson *map = find_map(record, "status_code_mapping", &n);
	UeStatusPair *pairs;

	if (map == NULL)
		return;
	pairs = ue_arena_allocate(record->arena, (n + 1) * sizeof(*pairs));
	if (pairs == NULL)
	{
		record->status = UE_NO_MEMORY;
		return;
	}
	out->status_map = pairs;
	for (const UeJson *child = map->child; child != NULL; child = child->next)
	{
		UeJson key = {.type = UE_JSON_STRING, .text = child->key};
		UeStatusPair pair;

		/* new-api passes over what it cannot read, and its users wonder (#2136) */
		if (!read_status(&key, &pair.from) || !read_status(child, &pair.to) ||
			pair.to < 400)
		{
			ue_record_complain(record, "status_code_mapping",
							   UE_SLICE(
								   "accepted are statuses as members, 100 to 599, and "
								   "error statuses as values, 400 to 599"));
			return;
		}
		pairs[out->n_status_map++] = pair;
	}
}

bool
ue_channel_serves(const UeChannel *channel, UeSlice platform, UeSlice model)
{
	if (!ue_slice_is_equal_fold(channel->platform, platform))
		return false;
	if (channel->models.n == 0 || model.len == 0)
		return true;
	for (size_t i = 0; i < channel->models.n; i++)
		if (ue_fold_is_glob_match(channel->models.items[i], model))
			return true;
	return false;
}

UeSlice
ue_channel_map_model(const UeChannel *channel, UeSlice model)
{
	UeSlice asked = model;

	/* so many steps at most, or it goes in a circle */
	for (size_t step = 0; step < channel->n_model_map; step++)
	{
		size_t i = 0;

		while (i < channel->n_model_map &&
			   !ue_slice_is_equal(channel->model_map[i].from, model))
			i++;
		if (i == channel->n_model_map ||
			ue_slice_is_equal(channel->model_map[i].to, asked))
			break;
		model = channel->model_map[i].to;
	}
	return model;
}

int
ue_channel_map_status(const UeChannel *channel, int status)
{
	for (size_t i = 0; status != 200 && i < channel->n_status_map; i++)
		if (channel->status_map[i].from == status)
			return channel->status_map[i].to;
	return status;
}
