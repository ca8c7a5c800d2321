/* SPDX-License-Identifier: PostgreSQL */
/*
 * health_store.c: entries in a hash table under one lock.
 *
 * Only requests that go to configured channels take the lock, for less than a microsecond.
 * Entries are never removed: there are as many as channels times models that ever failed;
 * beyond MAX_ENTRIES further ones are not remembered, and their failures change nothing.
 */
#include "health_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define N_BUCKETS	1024
#define MAX_ENTRIES 65536

typedef struct Entry Entry;
struct Entry
{
	Entry *next;
	int64_t channel_id;
	UeHealth health;
	bool is_shared; /* the database told this state, or has been told */
	bool is_seen;	/* in this sync */
	size_t model_len;
	char model[UE_LIMIT_TOKEN + 1];
	char reason[sizeof(((UeHealthPause *) NULL)->reason)];
};

struct UeHealthStore
{
	pthread_mutex_t lock;
	int n_entries;
	UeHealthStats stats;
	Entry *buckets[N_BUCKETS];
};

static Entry *find(const UeHealthStore *store, int64_t channel_id, UeSlice model);
static Entry *find_or_add(UeHealthStore *store, int64_t channel_id, UeSlice model);
static uint32_t hash(int64_t channel_id, UeSlice model);
static UeSlice fit_model(UeSlice model);
static void copy_reason(Entry *entry, UeSlice reason);
static void fill_change(const Entry *entry, UeHealthState from, UeHealthChange *change);
static void count_change(UeHealthStore *store, Entry *entry);
static bool is_entry_usable(const Entry *entry, int64_t now_ms);
static int64_t begin_probe(Entry *entry, int64_t now_ms, int64_t patience_ms);
static void end_probe(Entry *entry, int64_t until_ms);

static const UeSlice whole_channel = {NULL, 0};

UeHealthStore *
ue_health_store_new(void)
{
	UeHealthStore *store = calloc(1, sizeof(*store));

	if (store != NULL && pthread_mutex_init(&store->lock, NULL) != 0)
	{
		free(store);
		return NULL;
	}
	return store;
}

void
ue_health_store_free(UeHealthStore *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < N_BUCKETS; i++)
		while (store->buckets[i] != NULL)
		{
			Entry *entry = store->buckets[i];

			store->buckets[i] = entry->next;
			free(entry);
		}
	pthread_mutex_destroy(&store->lock);
	free(store);
}

bool
ue_health_store_is_usable(UeHealthStore *store, int64_t channel_id, UeSlice model,
						  int64_t now_ms)
{
	bool is_usable;

	pthread_mutex_lock(&store->lock);
	is_usable = is_entry_usable(find(store, channel_id, whole_channel), now_ms) &&
				is_entry_usable(find(store, channel_id, fit_model(model)), now_ms);
	pthread_mutex_unlock(&store->lock);
	return is_usable;
}

bool
ue_health_store_take(UeHealthStore *store, int64_t channel_id, UeSlice model,
					 int64_t now_ms, int64_t patience_ms, UeHealthProbe *probe)
{
	Entry *channel;
	Entry *of_model;
	bool is_usable;

	pthread_mutex_lock(&store->lock);
	channel = find(store, channel_id, whole_channel);
	of_model = find(store, channel_id, fit_model(model));
	is_usable = is_entry_usable(channel, now_ms) && is_entry_usable(of_model, now_ms);
	*probe = (UeHealthProbe){0, 0};
	if (is_usable)
	{
		probe->channel_ms = begin_probe(channel, now_ms, patience_ms);
		probe->model_ms =
			of_model == channel ? 0 : begin_probe(of_model, now_ms, patience_ms);
	}
	pthread_mutex_unlock(&store->lock);
	return is_usable;
}

bool
ue_health_store_fail(UeHealthStore *store, int64_t channel_id, UeSlice model,
					 const UeHealthRule *rule, int64_t now_ms, int64_t hint_ms,
					 UeSlice reason, UeHealthChange *change)
{
	Entry *entry;
	bool is_change = false;

	pthread_mutex_lock(&store->lock);
	entry = find_or_add(store, channel_id, fit_model(model));
	if (entry != NULL)
	{
		UeHealthState from = entry->health.state;

		copy_reason(entry, reason);
		is_change = ue_health_fail(&entry->health, rule, now_ms, hint_ms);
		if (is_change)
		{
			fill_change(entry, from, change);
			count_change(store, entry);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return is_change;
}

int
ue_health_store_succeed(UeHealthStore *store, int64_t channel_id, UeSlice model,
						int64_t now_ms, UeHealthChange *changes)
{
	Entry *entries[2];
	int n_changes = 0;

	pthread_mutex_lock(&store->lock);
	entries[0] = find(store, channel_id, whole_channel);
	entries[1] =
		fit_model(model).len > 0 ? find(store, channel_id, fit_model(model)) : NULL;
	for (int i = 0; i < 2; i++)
	{
		UeHealthState from;

		if (entries[i] == NULL)
			continue;
		from = entries[i]->health.state;
		if (ue_health_succeed(&entries[i]->health, now_ms))
		{
			fill_change(entries[i], from, &changes[n_changes++]);
			count_change(store, entries[i]);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return n_changes;
}

void
ue_health_store_abandon(UeHealthStore *store, int64_t channel_id, UeSlice model,
						const UeHealthProbe *probe)
{
	pthread_mutex_lock(&store->lock);
	end_probe(find(store, channel_id, whole_channel), probe->channel_ms);
	end_probe(find(store, channel_id, fit_model(model)), probe->model_ms);
	pthread_mutex_unlock(&store->lock);
}

void
ue_health_store_merge(UeHealthStore *store, const UeHealthChange *change, UeSlice reason,
					  int64_t now_ms)
{
	UeSlice model = ue_slice_of(change->model);
	Entry *entry;

	pthread_mutex_lock(&store->lock);
	entry = change->to == UE_HEALTH_HEALTHY
				? find(store, change->channel_id, fit_model(model))
				: find_or_add(store, change->channel_id, fit_model(model));
	if (entry != NULL && change->to == UE_HEALTH_HEALTHY)
		store->stats.version += ue_health_clear(&entry->health);
	else if (entry != NULL)
	{
		if (ue_health_merge(&entry->health, change->to, change->until_ms, change->level,
							now_ms))
		{
			copy_reason(entry, reason);
			store->stats.version++;
			entry->is_shared = true;
		}
		else if (entry->health.state == change->to &&
				 entry->health.until_ms == change->until_ms)
			entry->is_shared = true;
		entry->is_seen = true;
	}
	pthread_mutex_unlock(&store->lock);
}

void
ue_health_store_clear(UeHealthStore *store, int64_t channel_id, UeSlice model)
{
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < N_BUCKETS; i++)
		for (Entry *entry = store->buckets[i]; entry != NULL; entry = entry->next)
			if (entry->channel_id == channel_id &&
				(model.len == 0 ||
				 ue_slice_is_equal((UeSlice){entry->model, entry->model_len},
								   fit_model(model))))
				store->stats.version += ue_health_clear(&entry->health);
	pthread_mutex_unlock(&store->lock);
}

void
ue_health_store_begin_sync(UeHealthStore *store)
{
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < N_BUCKETS; i++)
		for (Entry *entry = store->buckets[i]; entry != NULL; entry = entry->next)
			entry->is_seen = false;
	pthread_mutex_unlock(&store->lock);
}

void
ue_health_store_end_sync(UeHealthStore *store)
{
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < N_BUCKETS; i++)
		for (Entry *entry = store->buckets[i]; entry != NULL; entry = entry->next)
			if (entry->is_shared && !entry->is_seen)
				store->stats.version += ue_health_clear(&entry->health);
	pthread_mutex_unlock(&store->lock);
}

/* The lock is held for one bucket at a time: requests need not wait for the whole. */
void
ue_health_store_list(UeHealthStore *store, UeHealthVisit visit, void *context)
{
	for (size_t i = 0; i < N_BUCKETS; i++)
	{
		pthread_mutex_lock(&store->lock);
		for (const Entry *entry = store->buckets[i]; entry != NULL; entry = entry->next)
		{
			UeHealthChange change;

			if (entry->health.state == UE_HEALTH_HEALTHY)
				continue;
			fill_change(entry, entry->health.state, &change);
			visit(context, &change, entry->reason);
		}
		pthread_mutex_unlock(&store->lock);
	}
}

void
ue_health_store_read_stats(UeHealthStore *store, UeHealthStats *out)
{
	pthread_mutex_lock(&store->lock);
	*out = store->stats;
	pthread_mutex_unlock(&store->lock);
}

bool
ue_health_store_find_pause(UeHealthStore *store, int64_t channel_id, UeSlice model,
						   int64_t now_ms, UeHealthPause *out)
{
	Entry *entries[2];
	const Entry *gravest = NULL;

	pthread_mutex_lock(&store->lock);
	entries[0] = find(store, channel_id, whole_channel);
	entries[1] = find(store, channel_id, fit_model(model));
	for (int i = 0; i < 2; i++)
	{
		if (is_entry_usable(entries[i], now_ms))
			continue;
		/* no end is later than any */
		if (gravest == NULL || entries[i]->health.until_ms == 0 ||
			(gravest->health.until_ms != 0 &&
			 entries[i]->health.until_ms > gravest->health.until_ms))
			gravest = entries[i];
	}
	if (gravest != NULL)
	{
		out->state = gravest->health.state;
		out->until_ms = gravest->health.until_ms;
		memcpy(out->reason, gravest->reason, sizeof(out->reason));
	}
	pthread_mutex_unlock(&store->lock);
	return gravest != NULL;
}

static Entry *
find(const UeHealthStore *store, int64_t channel_id, UeSlice model)
{
	Entry *entry = store->buckets[hash(channel_id, model) % N_BUCKETS];

	while (entry != NULL &&
		   (entry->channel_id != channel_id ||
			!ue_slice_is_equal((UeSlice){entry->model, entry->model_len}, model)))
		entry = entry->next;
	return entry;
}

static Entry *
find_or_add(UeHealthStore *store, int64_t channel_id, UeSlice model)
{
	Entry **bucket = &store->buckets[hash(channel_id, model) % N_BUCKETS];
	Entry *entry = find(store, channel_id, model);

	if (entry != NULL || store->n_entries == MAX_ENTRIES)
		return entry;
	/* up to its NUL it would be told as another model, or as none, which is the channel */
	if (model.len > 0 && memchr(model.ptr, '\0', model.len) != NULL)
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	entry->channel_id = channel_id;
	entry->model_len = model.len;
	if (model.len > 0)
		memcpy(entry->model, model.ptr, model.len);
	entry->next = *bucket;
	*bucket = entry;
	store->n_entries++;
	return entry;
}

/* FNV-1a, 32 bits. */
static uint32_t
hash(int64_t channel_id, UeSlice model)
{
	uint32_t value = UINT32_C(2166136261);

	for (int shift = 0; shift < 64; shift += 8)
		value = (value ^ (uint32_t) ((uint64_t) channel_id >> shift & 0xff)) *
				UINT32_C(16777619);
	for (size_t i = 0; i < model.len; i++)
		value = (value ^ (unsigned char) model.ptr[i]) * UINT32_C(16777619);
	return value;
}

/* Names of models are shorter; what is not shares an entry with its like. */
static UeSlice
fit_model(UeSlice model)
{
	return ue_slice_sub(model, 0, UE_LIMIT_TOKEN);
}

static void
copy_reason(Entry *entry, UeSlice reason)
{
	reason.len = ue_utf8_cut(reason, sizeof(entry->reason) - 1);
	if (reason.len > 0)
		memcpy(entry->reason, reason.ptr, reason.len);
	entry->reason[reason.len] = '\0';
}

static void
fill_change(const Entry *entry, UeHealthState from, UeHealthChange *change)
{
	change->channel_id = entry->channel_id;
	memcpy(change->model, entry->model, sizeof(change->model));
	change->from = from;
	change->to = entry->health.state;
	change->until_ms = entry->health.until_ms;
	change->level = entry->health.level;
}

/* Of a change that the database has yet to be told. */
static void
count_change(UeHealthStore *store, Entry *entry)
{
	entry->is_shared = false;
	store->stats.version++;
	store->stats.transitions[entry->health.state]++;
}

static bool
is_entry_usable(const Entry *entry, int64_t now_ms)
{
	return entry == NULL || ue_health_is_usable(&entry->health, now_ms);
}

/* Until when; 0: there is nothing to probe. */
static int64_t
begin_probe(Entry *entry, int64_t now_ms, int64_t patience_ms)
{
	if (entry == NULL || !ue_health_is_half_open(&entry->health, now_ms))
		return 0;
	ue_health_begin_probe(&entry->health, now_ms, patience_ms);
	return entry->health.probe_until_ms;
}

static void
end_probe(Entry *entry, int64_t until_ms)
{
	if (entry != NULL && until_ms != 0 && entry->health.probe_until_ms == until_ms)
		ue_health_end_probe(&entry->health);
}
