/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_log.c: each line is one JSON object, masked, written at once.
 *
 * stderr is a file meanwhile; jansson reads what is in it.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "tap.h"

#define N_THREADS 4
#define N_LINES	  500

static FILE *file;
static int true_stderr;

static void
begin_capture(void)
{
	file = tmpfile();
	true_stderr = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
}

/* The text written since begin_capture; to be freed. */
static char *
end_capture(void)
{
	long length;
	char *text;

	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	length = lseek(fileno(file), 0, SEEK_END);
	text = calloc(1, (size_t) length + 1);
	if (pread(fileno(file), text, (size_t) length, 0) != length)
		text[0] = '\0';
	fclose(file);
	return text;
}

static const char *
find_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? "" : text;
}

static void
test_line(void)
{
	const char *at;
	json_t *object;
	char *text;

	begin_capture();
	ue_log_write(UE_LOG_INFO, "started", "listening", "address", "127.0.0.1:8787",
				 "nothing", NULL, "odd", "a \"b\"\\ \n\t\x01 \xff ü", NULL);
	text = end_capture();
	ok(strchr(text, '\n') == text + strlen(text) - 1, "log: one line");
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ok(object != NULL, "log: it is JSON, whatever the value holds");
	ok(strcmp(find_text(object, "level"), "info") == 0 &&
		   strcmp(find_text(object, "event"), "started") == 0 &&
		   strcmp(find_text(object, "message"), "listening") == 0,
	   "log: level, event and message are told");
	at = find_text(object, "at");
	ok(strlen(at) == strlen("2026-11-21T09:24:23.123Z") && at[10] == 'T' && at[23] == 'Z',
	   "log: the time is in UTC with milliseconds");
	ok(json_object_get(object, "nothing") == NULL &&
		   json_object_get(object, "odd") != NULL,
	   "log: a NULL value is left out, what follows is not");
	ok(strstr(find_text(object, "odd"), "a \"b\"\\ \n\t\x01 ") ==
		   find_text(object, "odd"),
	   "log: a value comes back as it was");
	json_decref(object);
	free(text);
}

static void
test_secrets(void)
{
	static const char key[] = "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
	char *text;

	begin_capture();
	ue_log_write(UE_LOG_ERROR, "upstream_failed",
				 "refused Bearer sk-proj-"
				 "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
				 "url", "https://user:hunter2secret@api.example.com/v1", "key", key,
				 NULL);
	text = end_capture();
	ok(strstr(text, "AbCdEfGhIjKl") == NULL, "log: a key is in no value and no message");
	ok(strstr(text, "hunter2secret") == NULL, "log: nor is a password in a URL");
	free(text);
}

static void
test_levels(void)
{
	UeLogLevel level = UE_LOG_DEBUG;
	char *text;

	begin_capture();
	ue_log_write(UE_LOG_DEBUG, "detail", "not to be seen", NULL);
	ue_log_init(UE_LOG_WARNING);
	ue_log_write(UE_LOG_INFO, "detail", "not to be seen", NULL);
	ue_log_write(UE_LOG_WARNING, "detail", "to be seen", NULL);
	ue_log_init(UE_LOG_INFO);
	text = end_capture();
	ok(strstr(text, "not to") == NULL && strstr(text, "to be seen") != NULL,
	   "log: what is below the level is not written");
	free(text);

	ok(ue_log_find_level("warning", &level) && level == UE_LOG_WARNING,
	   "log: a level is found by its name");
	ok(!ue_log_find_level("loud", &level) && level == UE_LOG_WARNING,
	   "log: what is no level is not");
}

static void
test_long_values(void)
{
	static char value[100000];
	json_t *object;
	char *text;

	memset(value, 'x', sizeof(value) - 1);
	begin_capture();
	ue_log_write(UE_LOG_INFO, "long", "value", "body", value, NULL);
	text = end_capture();
	object = json_loads(text, 0, NULL);
	ok(object != NULL && strlen(find_text(object, "body")) == 4096,
	   "log: a long value is cut");
	json_decref(object);
	free(text);

	/* each control character becomes six bytes: more than a line may have */
	memset(value, '\x01', sizeof(value) - 1);
	begin_capture();
	ue_log_write(UE_LOG_INFO, "long", "value", "a", value, "b", value, "c", value, "d",
				 value, NULL);
	text = end_capture();
	object = json_loads(text, 0, NULL);
	ok(object != NULL && strcmp(find_text(object, "event"), "log_failed") == 0,
	   "log: a line that would be too long says so");
	json_decref(object);
	free(text);
}

static void *
write_lines(void *arg)
{
	(void) arg;
	for (int i = 0; i < N_LINES; i++)
		ue_log_write(UE_LOG_INFO, "thread", "a line of some length to be kept whole",
					 "value", "0123456789012345678901234567890123456789", NULL);
	return NULL;
}

static void
test_threads(void)
{
	pthread_t threads[N_THREADS];
	int n_lines = 0;
	int n_good = 0;
	char *text;

	begin_capture();
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, write_lines, NULL);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	text = end_capture();
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		json_t *object = json_loads(line, 0, NULL);

		n_lines++;
		n_good += object != NULL;
		json_decref(object);
	}
	ok(n_lines == N_THREADS * N_LINES && n_good == n_lines,
	   "log: lines of several threads do not mix");
	free(text);
}

int
main(void)
{
	test_line();
	test_secrets();
	test_levels();
	test_long_values();
	test_threads();
	return done_testing();
}
