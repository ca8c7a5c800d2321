/* SPDX-License-Identifier: PostgreSQL */
/*
 * counts.c: a small table under one lock.
 */
#include "counts.h"

#include <pthread.h>
#include <string.h>

#define MAX_ROWS 1024 /* the corpus has one scenario per folder; beyond: the last row */
#define MAX_NAME 128

typedef struct Row
{
	char name[MAX_NAME];
	int n_requests;
	int n_open;
	int n_gone;
} Row;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Row rows[MAX_ROWS];
static int n_rows;

static Row *find_row(const char *name);


int
ue_counts_begin(const char *name)
{
	Row *row;
	int number;

	pthread_mutex_lock(&lock);
	row = find_row(name);
	row->n_open++;
	number = ++row->n_requests;
	pthread_mutex_unlock(&lock);
	return number;
}

void
ue_counts_gone(const char *name)
{
	pthread_mutex_lock(&lock);
	find_row(name)->n_gone++;
	pthread_mutex_unlock(&lock);
}

void
ue_counts_end(const char *name)
{
	pthread_mutex_lock(&lock);
	find_row(name)->n_open--;
	pthread_mutex_unlock(&lock);
}

void
ue_counts_write(FILE *out)
{
	pthread_mutex_lock(&lock);
	fputs("{", out);
	for (int i = 0; i < n_rows; i++)
		fprintf(out, "%s\"%s\":{\"requests\":%d,\"open\":%d,\"gone\":%d}",
				i > 0 ? "," : "", rows[i].name, rows[i].n_requests, rows[i].n_open,
				rows[i].n_gone);
	fputs("}\n", out);
	pthread_mutex_unlock(&lock);
}

/* Requests in progress keep their row: only what is counted starts again. */
void
ue_counts_reset(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_rows; i++)
		rows[i].n_requests = rows[i].n_gone = 0;
	pthread_mutex_unlock(&lock);
}

static Row *
find_row(const char *name)
{
	for (int i = 0; i < n_rows; i++)
		if (strncmp(rows[i].name, name, MAX_NAME - 1) == 0)
			return &rows[i];
	if (n_rows < MAX_ROWS)
	{
		snprintf(rows[n_rows].name, MAX_NAME, "%s", name);
		return &rows[n_rows++];
	}
	return &rows[MAX_ROWS - 1];
}
