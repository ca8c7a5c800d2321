/* SPDX-License-Identifier: PostgreSQL */
/*
 * channel_table.c: references followed, URLs parsed, tables swapped.
 *
 * Base URLs and proxies are kept once for each text and never freed, for the transfers of
 * other threads know them by their address: there are as many as were ever configured.
 */
#include "channel_table.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "heap.h"
#include "log.h"
#include "metrics.h"
#include "policy_store.h"

/* A key, a token, a proxy's URL; long JWTs have 2 KB. */
#define SECRET_MAX 8192

typedef struct Kept
{
	struct Kept *next;
	UeBaseUrl *base; /* NULL: a proxy's */
	char text[];
} Kept;

/* Named by channels; never removed, for requests and counters know it by its place. */
typedef struct Platform
{
	UeConfigUpstream upstream;
	atomic_bool has_channels; /* in the table in force */
} Platform;

/* Of a retry policy, by its id; never removed, for requests of other tables take from it,
 * and a policy that comes back has what it left. */
typedef struct Budget
{
	struct Budget *next;
	int64_t policy_id;
	UeRetryBudget budget;
} Budget;

static Platform platforms[UE_METRICS_PLATFORMS]; /* written under lock, read up to n */
static atomic_int n_platforms;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static UeChannelTable
	*tables;			/* the first is in force, the others have users; under lock */
static Kept *kept;		/* under lock */
static Budget *budgets; /* under lock */
static atomic_bool has_channels;

static void note_platforms(const UeChannelTable *table);
static bool add_platform(UeSlice name);
static bool fill_budgets(UeChannelTable *table);
static UeRetryBudget *find_budget(int64_t policy_id, int32_t burst);
static UeChannelTable *build_table(const UePolicy *policy);
static void resolve_channel(UeTableChannel *entry, char *error, size_t error_size);
static void report_problem(const UeTableChannel *entry, const char *error);
static void free_secrets(UeTableChannel *entry);
static void resolve_proxy(UeTableChannel *entry);
static const Kept *keep(UeSlice text, bool is_base, char *error, size_t error_size);
static char *follow(UeSlice reference, const char **problem);
static char *read_file(const char *path, const char **problem);
static bool write_header(UeTableChannel *entry);
static UeSlice find_header_name(UeSlice platform, UeSlice credential);
static void wipe(char *secret);
static char *finish_secret(char *text, const char **problem);
static void free_table(UeChannelTable *table);
static UeChannelTable *remove_unused(void);
static char *copy_slice(UeSlice text);

const UeChannelTable *
ue_channel_table_acquire(void)
{
	UeChannelTable *table;

	if (!atomic_load_explicit(&has_channels, memory_order_acquire))
		return NULL;
	pthread_mutex_lock(&lock);
	table = tables;
	if (table != NULL && table->n > 0)
		table->n_users++;
	else
		table = NULL;
	pthread_mutex_unlock(&lock);
	return table;
}

void
ue_channel_table_release(const UeChannelTable *table)
{
	UeChannelTable *unused;

	if (table == NULL)
		return;
	pthread_mutex_lock(&lock);
	((UeChannelTable *) table)->n_users--;
	unused = remove_unused();
	pthread_mutex_unlock(&lock);
	free_table(unused);
}

bool
ue_channel_table_update(void)
{
	const UePolicy *policy = ue_policy_store_acquire();
	UeChannelTable *table = build_table(policy);
	UeChannelTable *unused;

	if (table == NULL)
	{
		ue_policy_store_release(policy);
		return false;
	}
	pthread_mutex_lock(&lock);
	if (!fill_budgets(table))
	{
		pthread_mutex_unlock(&lock);
		free_table(table);
		return false;
	}
	note_platforms(table);
	table->next = tables;
	tables = table;
	atomic_store_explicit(&has_channels, table->n > 0, memory_order_release);
	unused = remove_unused();
	pthread_mutex_unlock(&lock);
	free_table(unused);
	return true;
}

size_t
ue_channel_table_count_unusable(void)
{
	const UeChannelTable *table = ue_channel_table_acquire();
	size_t n = 0;

	for (size_t i = 0; table != NULL && i < table->n; i++)
		n += table->channels[i].problem != NULL && table->channels[i].channel->is_enabled;
	ue_channel_table_release(table);
	return n;
}

bool
ue_channel_table_has_news(void)
{
	const UeChannelTable *table = ue_channel_table_acquire();
	bool is_found = false;

	for (size_t i = 0; table != NULL && i < table->n && !is_found; i++)
	{
		UeTableChannel again = {.channel = table->channels[i].channel};
		char error[256] = "";

		if (table->channels[i].problem == NULL || !again.channel->is_enabled)
			continue;
		resolve_channel(&again, error, sizeof(error));
		is_found = again.problem == NULL;
		free_secrets(&again);
	}
	ue_channel_table_release(table);
	return is_found;
}

const UeRetryPolicy *
ue_channel_table_find_policy(const UeChannelTable *table, UeSlice platform, UeSlice model,
							 UeSlice route)
{
	size_t n;
	const UeRetryPolicy *policies = ue_policy_retry_policies(table->policy, &n);
	const UeRetryPolicy *found = NULL;

	/* the snapshot has them by (priority, id) */
	for (size_t i = 0; i < n && found == NULL; i++)
		if (ue_retry_policy_fits(&policies[i], platform, model, route))
			found = &policies[i];
	return found == NULL ? &ue_retry_default : found;
}

const UeConfigUpstream *
ue_channel_table_find_platform(UeSlice name, int *index)
{
	int n = atomic_load_explicit(&n_platforms, memory_order_acquire);

	for (int i = 0; i < n; i++)
	{
		if (!ue_slice_is_equal_fold(ue_slice_of(platforms[i].upstream.platform), name))
			continue;
		if (!atomic_load_explicit(&platforms[i].has_channels, memory_order_relaxed))
			return NULL;
		*index = i;
		return &platforms[i].upstream;
	}
	return NULL;
}

const char *
ue_channel_table_platform_name(int index)
{
	if (index >= atomic_load_explicit(&n_platforms, memory_order_acquire))
		return NULL;
	return platforms[index].upstream.platform;
}

/* Under lock. */
static void
note_platforms(const UeChannelTable *table)
{
	bool is_full = false;

	for (size_t i = 0; i < table->n; i++)
		is_full |= !add_platform(table->channels[i].channel->platform);
	for (int i = 0; i < atomic_load(&n_platforms); i++)
	{
		UeSlice name = ue_slice_of(platforms[i].upstream.platform);
		bool is_found = false;

		for (size_t k = 0; k < table->n && !is_found; k++)
			is_found = ue_slice_is_equal_fold(table->channels[k].channel->platform, name);
		atomic_store_explicit(&platforms[i].has_channels, is_found, memory_order_relaxed);
	}
	if (is_full)
		ue_log_write(UE_LOG_ERROR, "too_many_platforms",
					 "channels name more platforms than there is room for; those beyond "
					 "need a base URL of the sidecar's",
					 NULL);
}

/* False: there is no room for it. */
static bool
add_platform(UeSlice name)
{
	int n = atomic_load(&n_platforms);
	char *copy;

	for (int i = 0; i < n; i++)
		if (ue_slice_is_equal_fold(ue_slice_of(platforms[i].upstream.platform), name))
			return true;
	copy = n < UE_METRICS_PLATFORMS ? copy_slice(name) : NULL;
	if (copy == NULL)
		return false;
	for (char *at = copy; *at != '\0'; at++)
		*at = *at >= 'A' && *at <= 'Z' ? (char) (*at - 'A' + 'a') : *at;
	platforms[n].upstream.platform = copy;
	atomic_store_explicit(&n_platforms, n + 1, memory_order_release);
	return true;
}

UeRetryBudget *
ue_channel_table_find_budget(const UeChannelTable *table, const UeRetryPolicy *policy)
{
	size_t n;
	const UeRetryPolicy *policies = ue_policy_retry_policies(table->policy, &n);

	return table->budgets[policy == &ue_retry_default ? n : (size_t) (policy - policies)];
}

/* Under lock; false: no memory. */
static bool
fill_budgets(UeChannelTable *table)
{
	size_t n;
	const UeRetryPolicy *policies = ue_policy_retry_policies(table->policy, &n);

	for (size_t i = 0; i <= n; i++)
	{
		const UeRetryPolicy *policy = i < n ? &policies[i] : &ue_retry_default;

		table->budgets[i] = find_budget(policy->id, policy->budget_burst);
		if (table->budgets[i] == NULL)
			return false;
	}
	return true;
}

/* All of a new one is saved up.  One with a lower burst than before loses what is above it
 * with the next request. */
static UeRetryBudget *
find_budget(int64_t policy_id, int32_t burst)
{
	Budget *found = budgets;

	while (found != NULL && found->policy_id != policy_id)
		found = found->next;
	if (found == NULL && (found = malloc(sizeof(*found))) != NULL)
	{
		found->policy_id = policy_id;
		ue_retry_budget_init(&found->budget, burst);
		found->next = budgets;
		budgets = found;
	}
	return found == NULL ? NULL : &found->budget;
}

/* The policy's user count goes over to it. */
static UeChannelTable *
build_table(const UePolicy *policy)
{
	UeChannelTable *table = calloc(1, sizeof(*table));
	const UeChannel *channels;
	size_t n_policies;
	UeArena arena;

	if (table == NULL)
		return NULL;
	channels = ue_policy_channels(policy, &table->n);
	(void) ue_policy_retry_policies(policy, &n_policies);
	table->budgets = calloc(n_policies + 1, sizeof(*table->budgets));
	table->channels = calloc(table->n + 1, sizeof(*table->channels));
	table->breakers = ue_policy_breakers(policy);
	if (table->channels != NULL && table->breakers == NULL && table->n > 0)
	{
		ue_arena_init(&arena, &ue_heap_allocator, UE_LIMIT_POLICY_MEMORY);
		if (ue_breakers_build_defaults(&ue_heap_allocator, &arena,
									   &table->own_breakers) == UE_OK)
			table->breakers = table->own_breakers;
		ue_arena_free(&arena);
	}
	if (table->budgets == NULL || table->channels == NULL ||
		(table->breakers == NULL && table->n > 0))
	{
		table->n = 0;
		free_table(table);
		return NULL;
	}
	table->policy = policy;
	for (size_t i = 0; i < table->n; i++)
	{
		char error[256] = "";

		table->channels[i].channel = &channels[i];
		resolve_channel(&table->channels[i], error, sizeof(error));
		report_problem(&table->channels[i], error);
	}
	return table;
}

/* What stands in the way goes to entry->problem, and for a base URL what is wrong to error. */
static void
resolve_channel(UeTableChannel *entry, char *error, size_t error_size)
{
	const UeChannel *channel = entry->channel;
	const Kept *base;

	base = keep(channel->base_url, true, error, error_size);
	if (base == NULL)
		entry->problem = "its base URL cannot be used";
	else
		entry->base = base->base;
	if (entry->problem == NULL && channel->credential.len > 0)
		entry->credential = follow(channel->credential, &entry->problem);
	if (entry->credential != NULL && !write_header(entry))
		entry->problem = "not enough memory";
	if (entry->problem == NULL && channel->proxy.len > 0)
		resolve_proxy(entry);
}

/* With every new policy: an operator has just changed something. */
static void
report_problem(const UeTableChannel *entry, const char *error)
{
	char name[UE_LIMIT_TOKEN + 1];

	if (entry->problem == NULL || !entry->channel->is_enabled)
		return;
	snprintf(name, sizeof(name), "%.*s", (int) entry->channel->name.len,
			 entry->channel->name.ptr);
	ue_log_write(UE_LOG_ERROR, "channel_unusable", "a channel cannot be used", "channel",
				 name, "reason", entry->problem, "detail",
				 error[0] == '\0' ? NULL : error, NULL);
}

static void
resolve_proxy(UeTableChannel *entry)
{
	UeSlice text = entry->channel->proxy;
	char *followed = NULL;
	const Kept *proxy;

	if (ue_channel_is_reference(text))
	{
		followed = follow(text, &entry->problem);
		if (followed == NULL)
			return;
		text = ue_slice_of(followed);
	}
	proxy = keep(text, false, NULL, 0);
	free(followed);
	if (proxy == NULL)
		entry->problem = "not enough memory";
	else
		entry->proxy = proxy->text;
}

/* The entry of that text, made when there is none; NULL, and for a base URL why. */
static const Kept *
keep(UeSlice text, bool is_base, char *error, size_t error_size)
{
	Kept *entry;

	pthread_mutex_lock(&lock);
	entry = kept;
	while (entry != NULL && ((entry->base != NULL) != is_base ||
							 !ue_slice_is_equal(ue_slice_of(entry->text), text)))
		entry = entry->next;
	if (entry == NULL && (entry = malloc(sizeof(*entry) + text.len + 1)) != NULL)
	{
		memcpy(entry->text, text.ptr, text.len);
		entry->text[text.len] = '\0';
		entry->base = is_base ? ue_base_url_parse(entry->text, error, error_size) : NULL;
		if (is_base && entry->base == NULL)
		{
			free(entry);
			entry = NULL;
		}
		else
		{
			entry->next = kept;
			kept = entry;
		}
	}
	pthread_mutex_unlock(&lock);
	return entry;
}

/* What "env:NAME" or "file:/path" stands for, owned; NULL, and why. */
static char *
follow(UeSlice reference, const char **problem)
{
	char *text = copy_slice(reference);
	char *secret = NULL;

	*problem = "not enough memory";
	if (text == NULL)
		return NULL;
	if (ue_slice_has_prefix(reference, UE_SLICE("env:")))
	{
		const char *value = getenv(text + sizeof("env:") - 1);

		if (value == NULL)
			*problem = "the environment variable that it refers to is not set";
		else
			secret = copy_slice(ue_slice_of(value));
	}
	else
		secret = read_file(text + sizeof("file:") - 1, problem);
	free(text);
	return secret == NULL ? NULL : finish_secret(secret, problem);
}

static char *
read_file(const char *path, const char **problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = malloc(SECRET_MAX + 2);
	size_t len = 0;
	ssize_t n_read = -1;

	*problem = "the file that it refers to cannot be read";
	while (fd >= 0 && text != NULL && len <= SECRET_MAX)
	{
		n_read = read(fd, text + len, SECRET_MAX + 1 - len);
		if (n_read < 0 && errno == EINTR)
			continue;
		if (n_read <= 0)
			break;
		len += (size_t) n_read;
	}
	if (fd >= 0)
		close(fd);
	if (n_read != 0 || text == NULL)
	{
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static bool
write_header(UeTableChannel *entry)
{
	UeSlice credential = ue_slice_of(entry->credential);
	UeSlice name = find_header_name(entry->channel->platform, credential);
	const char *scheme =
		ue_slice_is_equal(name, UE_SLICE("authorization")) ? "Bearer " : "";
	size_t size = strlen(scheme) + credential.len + 1;
	char *value = malloc(size);

	if (value == NULL)
		return false;
	snprintf(value, size, "%s%s", scheme, entry->credential);
	entry->header.name = name;
	entry->header.value.ptr = value;
	entry->header.value.len = size - 1;
	return true;
}

/* Anthropic's OAuth tokens and Google's access tokens are Bearer, their keys are not. */
static UeSlice
find_header_name(UeSlice platform, UeSlice credential)
{
	if (ue_slice_is_equal_fold(platform, UE_SLICE("anthropic")) &&
		!ue_slice_has_prefix(credential, UE_SLICE("sk-ant-oat")))
		return UE_SLICE("x-api-key");
	if (ue_slice_is_equal_fold(platform, UE_SLICE("gemini")) &&
		!ue_slice_has_prefix(credential, UE_SLICE("ya29.")))
		return UE_SLICE("x-goog-api-key");
	if (ue_slice_is_equal_fold(platform, UE_SLICE("azure")))
		return UE_SLICE("api-key");
	return UE_SLICE("authorization");
}

static void
wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* Without the line end that editors put; a key with one inside would be two headers. */
static char *
finish_secret(char *text, const char **problem)
{
	UeSlice trimmed = ue_slice_trim(ue_slice_of(text));

	*problem = NULL;
	if (trimmed.len == 0)
		*problem = "what it refers to is empty";
	else if (trimmed.len > SECRET_MAX)
		*problem = "what it refers to is too long for a credential";
	for (size_t i = 0; i < trimmed.len && *problem == NULL; i++)
		if ((unsigned char) trimmed.ptr[i] < ' ' || trimmed.ptr[i] == 0x7f)
			*problem = "what it refers to holds a control character";
	if (*problem != NULL)
	{
		free(text);
		return NULL;
	}
	memmove(text, trimmed.ptr, trimmed.len);
	text[trimmed.len] = '\0';
	return text;
}

/* Tables that nobody uses any more, but the one in force; freed without the lock. */
static UeChannelTable *
remove_unused(void)
{
	UeChannelTable *unused = NULL;
	UeChannelTable **link = tables == NULL ? &tables : &tables->next;

	while (*link != NULL)
	{
		UeChannelTable *table = *link;

		if (table->n_users > 0)
		{
			link = &table->next;
			continue;
		}
		*link = table->next;
		table->next = unused;
		unused = table;
	}
	return unused;
}

static void
free_secrets(UeTableChannel *entry)
{
	wipe(entry->credential);
	wipe((char *) entry->header.value.ptr);
}

static void
free_table(UeChannelTable *table)
{
	while (table != NULL)
	{
		UeChannelTable *next = table->next;

		for (size_t i = 0; i < table->n; i++)
		{
			free_secrets(&table->channels[i]);
		}
		free(table->channels);
		free(table->budgets);
		ue_breakers_free(table->own_breakers);
		ue_policy_store_release(table->policy);
		free(table);
		table = next;
	}
}

static char *
copy_slice(UeSlice text)
{
	char *copy = malloc(text.len + 1);

	if (copy == NULL)
		return NULL;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return copy;
}
