/* SPDX-License-Identifier: PostgreSQL */
/*
 * policy_store.c: one pointer, and a count of users for it and for those before it.
 *
 * A lock is enough: it is held for a few instructions, and taken for failures and log
 * lines, never for a good answer.  The list is as long as there are policies that somebody
 * still uses, so hardly ever longer than two.
 */
#include "policy_store.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct Entry
{
	struct Entry *next; /* older */
	UePolicy *policy;
	size_t n_users;
} Entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Entry *entries;	 /* under lock */
static bool is_in_force; /* the first of them; under lock */

static Entry *remove_unused(void);
static void free_entries(Entry *entry);

const UePolicy *
ue_policy_store_acquire(void)
{
	const UePolicy *policy = NULL;

	pthread_mutex_lock(&lock);
	if (is_in_force)
	{
		entries->n_users++;
		policy = entries->policy;
	}
	pthread_mutex_unlock(&lock);
	return policy;
}

void
ue_policy_store_release(const UePolicy *policy)
{
	Entry *unused = NULL;

	if (policy == NULL)
		return;
	pthread_mutex_lock(&lock);
	for (Entry *entry = entries; entry != NULL; entry = entry->next)
	{
		if (entry->policy != policy)
			continue;
		entry->n_users--;
		if (entry->n_users == 0 && (entry != entries || !is_in_force))
			unused = remove_unused();
		break;
	}
	pthread_mutex_unlock(&lock);
	free_entries(unused);
}

bool
ue_policy_store_swap(UePolicy *policy)
{
	Entry *entry = malloc(sizeof(*entry));
	Entry *unused;

	if (entry == NULL)
		return false;
	*entry = (Entry){.policy = policy};
	pthread_mutex_lock(&lock);
	entry->next = entries;
	entries = entry;
	is_in_force = true;
	unused = remove_unused();
	pthread_mutex_unlock(&lock);
	free_entries(unused);
	return true;
}

void
ue_policy_store_reset(void)
{
	Entry *unused;

	pthread_mutex_lock(&lock);
	is_in_force = false;
	unused = remove_unused();
	pthread_mutex_unlock(&lock);
	free_entries(unused);
}

/* Takes what is neither in force nor used off the list; it is freed without the lock, for
 * a policy may hold thousands of patterns. */
static Entry *
remove_unused(void)
{
	Entry *unused = NULL;
	Entry **link = is_in_force ? &entries->next : &entries;

	while (*link != NULL)
	{
		Entry *entry = *link;

		if (entry->n_users > 0)
		{
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		entry->next = unused;
		unused = entry;
	}
	return unused;
}

static void
free_entries(Entry *entry)
{
	while (entry != NULL)
	{
		Entry *next = entry->next;

		ue_policy_free(entry->policy);
		free(entry);
		entry = next;
	}
}
