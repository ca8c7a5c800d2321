/* SPDX-License-Identifier: PostgreSQL */
/*
 * test_config.c: where settings come from, which source wins, and what is said about those
 * that are wrong.  The messages are caught from stderr.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "tap.h"

static char said[8192]; /* on stdout and stderr by the last run */

/* Words are separated by '|'; the first ones may be VARIABLE=value. */
static UeConfigResult
run(const char *line, UeConfig *config)
{
	char copy[1024];
	char *argv[32] = {(char *) "sidecar"};
	char variables[8][64];
	char *rest = NULL;
	int n_variables = 0;
	int argc = 1;
	int saved_out, saved_error;
	FILE *caught = tmpfile();
	UeConfigResult result;
	size_t len;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, "|", &rest); word != NULL;
		 word = strtok_r(NULL, "|", &rest))
	{
		char *equals = strchr(word, '=');

		if (strncmp(word, "UPSTREAM_ERRORS_", 16) == 0 && equals != NULL)
		{
			*equals = '\0';
			snprintf(variables[n_variables++], sizeof(variables[0]), "%s", word);
			setenv(word, equals + 1, 1);
		}
		else
			argv[argc++] = word;
	}
	argv[argc] = NULL;

	fflush(stdout);
	fflush(stderr);
	saved_out = dup(1);
	saved_error = dup(2);
	dup2(fileno(caught), 1);
	dup2(fileno(caught), 2);
	result = ue_config_read(argc, argv, config);
	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, 1);
	dup2(saved_error, 2);
	close(saved_out);
	close(saved_error);
	rewind(caught);
	len = fread(said, 1, sizeof(said) - 1, caught);
	said[len] = '\0';
	fclose(caught);
	while (n_variables > 0)
		unsetenv(variables[--n_variables]);
	return result;
}

typedef struct Refusal
{
	const char *line;
	const char *message; /* part of what is said */
} Refusal;

static const Refusal refusals[] = {
	{"--workers|abc",
	 "upstream-errors-sidecar: --workers (from the command line): \"abc\" is "
	 "not an integer from 1 to 256\n"},
	{"UPSTREAM_ERRORS_WORKERS=abc",
	 "upstream-errors-sidecar: --workers (from environment UPSTREAM_ERRORS_WORKERS): \"abc\" "
	 "is not an integer from 1 to 256\n"},
	{"--workers|0", "\"0\" is not an integer from 1 to 256"},
	{"--workers|257", "\"257\" is not an integer"},
	{"--workers|4x", "\"4x\" is not an integer"},
	{"--workers|-1", "\"-1\" is not an integer"},
	{"--workers| 4", "\" 4\" is not an integer"},
	{"--workers|99999999999999999999", "is not an integer"},
	{"--workers", "--workers needs a value"},
	{"--workres|3", "there is no flag --workres; did you mean workers?"},
	{"--journal-budge=1GB", "did you mean journal_budget?"},
	{"--c|x", "there is no flag --c"},
	{"serve", "unexpected argument \"serve\""},
	{"--first-byte-timeout=5x", "\"5x\" is not a duration from 1ms to 24h"},
	{"--first-byte-timeout=0", "is not a duration"},
	{"--first-byte-timeout=25h", "is not a duration"},
	{"--first-byte-timeout=9999999999999999h", "is not a duration"},
	{"--error-body-size=1mb", "\"1mb\" is not a size from 1kB to 64MB"},
	{"--error-body-size=65MB", "is not a size"},
	{"--log-level=loud", "\"loud\" is not one of error, warning, info, debug"},
	{"--journal-fsync=sometimes", "\"sometimes\" is not one of interval, always, never"},
	{"--record-headers=maybe", "\"maybe\" is not one of on, off"},
	{"--upstream=openai", "\"openai\" is not PLATFORM=URL"},
	{"--upstream=openai=ftp://x", "\"ftp://x\""},
	{"--upstream=a/b=http://x", "\"a/b\" is not a platform's name"},
	{"--upstream==http://x", "\"\" is not a platform's name"},
	{"--listen=", "--listen (from the command line): must not be empty"},
	{"--database=host=x colour=red", "colour"},
	{"--admin-listen=0.0.0.0:9000", "set admin_token"},
	{"--admin-listen=:9000", "set admin_token"},
	{"--admin-listen=[::]:9000", "set admin_token"},
	{"--output-low-size=256kB", "must be below output_high_size"},
	{"--record-statuses=429,600-700",
	 "\"600-700\" is not a set of statuses: accepted are 100 to 599"},
	{"--record-statuses=,", "\",\" names no status"},
	{"--record-exclude=overload", "\"overload\" is not one of none, count_tokens, http_"},
	{"--record-exclude=", "must not be empty; \"none\" excludes nothing"},
	{"--tags=x-user", "\"x-user\" is not HEADER=NAME"},
	{"--tags=x user=a", "\"x\" is not HEADER=NAME"},
	{"--tags=x(user)=a", "\"x(user)\" is not the name of a header"},
	{"--tags=x-user=a:b", "\"a:b\" is not a tag's name"},
	{"--tags=x-user=", "\"\" is not a tag's name"},
	{"--tags=a=1 a=2 a=3 a=4 a=5 a=6 a=7 a=8 a=9 a=a a=b a=c a=d a=e a=f a=g a=h",
	 "there may be at most 16 tags"},
	{"--config=/nonexistent.json", "/nonexistent.json"},
	{"--journal=/etc/passwd/x|--check", "--journal (checked): cannot write"},
};

static void
check_refusals(void)
{
	UeConfig config;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		char claim[256];
		bool is_refused = run(refusals[i].line, &config) == UE_CONFIG_EXIT_ERROR;

		snprintf(claim, sizeof(claim), "refused and said why: %s", refusals[i].line);
		if (!ok(is_refused && strstr(said, refusals[i].message) != NULL, claim))
			printf("# said: %s\n", said);
	}
}

static void
write_file(char *path, const char *text)
{
	int fd;

	snprintf(path, 64, "/tmp/ue-config-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
		abort();
	close(fd);
}

static void
check_sources(void)
{
	static const char text[] = "{\"workers\": 2, \"verdict_deadline\": \"2s\", "
							   "\"record_headers\": true, \"journal_budget\": \"2GB\", "
							   "\"upstream\": {\"openai\": \"http://a:1\", \"mine\": "
							   "\"http://b\"}, \"region\": \"file\"}";
	UeConfig config;
	char path[64];
	char line[256];

	write_file(path, text);
	snprintf(line, sizeof(line), "--config|%s", path);
	ok(run(line, &config) == UE_CONFIG_RUN && config.workers == 2 &&
		   config.verdict_deadline_ms == 2000 && config.record_headers &&
		   config.journal_budget_bytes == (size_t) 2 << 30,
	   "a file sets numbers, durations, sizes and switches");
	ok(strcmp(ue_config_find_upstream(&config, UE_SLICE("openai"))->url, "http://a:1") ==
			   0 &&
		   ue_config_find_upstream(&config, UE_SLICE("Mine")) != NULL &&
		   ue_config_find_upstream(&config, UE_SLICE("anthropic")) != NULL &&
		   ue_config_find_upstream(&config, UE_SLICE("nobody")) == NULL,
	   "a file replaces one upstream, adds another, leaves the rest");
	ue_config_free(&config);

	snprintf(line, sizeof(line),
			 "UPSTREAM_ERRORS_CONFIG=%s|UPSTREAM_ERRORS_WORKERS=3|"
			 "UPSTREAM_ERRORS_REGION=environment|--region=flag",
			 path);
	ok(run(line, &config) == UE_CONFIG_RUN && config.workers == 3 &&
		   strcmp(config.region, "flag") == 0 && config.verdict_deadline_ms == 2000,
	   "flags win over the environment, that over the file");
	ue_config_free(&config);

	ok(run("UPSTREAM_ERRORS_UPSTREAM=openai=http://x:1  mine=http://y|UPSTREAM_ERRORS_REGION=",
		   &config) == UE_CONFIG_RUN &&
		   strcmp(ue_config_find_upstream(&config, UE_SLICE("openai"))->url,
				  "http://x:1") == 0 &&
		   ue_config_find_upstream(&config, UE_SLICE("mine")) != NULL &&
		   config.region == NULL,
	   "several upstreams in the environment; an empty variable is none");
	ue_config_free(&config);
	unlink(path);
}

static void
check_recording(void)
{
	UeConfig config;
	char path[64];
	char line[256];

	ok(run("", &config) == UE_CONFIG_RUN && config.record_exclude.is_counting &&
		   config.record_exclude.kinds == 0 && config.record_exclude.classes == 0 &&
		   ue_statuses_has(&config.record_statuses, 400) &&
		   ue_statuses_has(&config.record_statuses, 599) && config.n_tags == 0,
	   "every status becomes a row, and counting tokens does not");
	ue_config_free(&config);

	ok(run("--record-statuses=500-599, 429|--record-exclude=client_gone,context_length",
		   &config) == UE_CONFIG_RUN &&
		   ue_statuses_has(&config.record_statuses, 429) &&
		   !ue_statuses_has(&config.record_statuses, 404) &&
		   !config.record_exclude.is_counting &&
		   config.record_exclude.kinds == UINT32_C(1) << UE_KIND_CLIENT_GONE &&
		   config.record_exclude.classes == (UINT32_C(1) << UE_CLASS_CLIENT_GONE |
											 UINT32_C(1) << UE_CLASS_CONTEXT_LENGTH),
	   "statuses, kinds and classes; a word may be both");
	ue_config_free(&config);
	ok(run("--record-exclude=none", &config) == UE_CONFIG_RUN &&
		   !config.record_exclude.is_counting,
	   "none excludes nothing");
	ue_config_free(&config);

	write_file(path, "{\"tags\": {\"X-User\": \"user\", \"x-team\": \"team\"}}");
	snprintf(line, sizeof(line), "--config|%s|--tags|x-member=user x-key=key.name", path);
	ok(run(line, &config) == UE_CONFIG_RUN && config.n_tags == 3 &&
		   strcmp(config.tags[0].header, "x-member") == 0 &&
		   strcmp(config.tags[0].name, "user") == 0 &&
		   strcmp(config.tags[1].header, "x-team") == 0 &&
		   strcmp(config.tags[2].name, "key.name") == 0,
	   "tags of a file and of a flag; one that is named again is replaced");
	ue_config_free(&config);
	ok(run("--record-statuses=500-599,429|--record-exclude=count_tokens timeout|"
		   "--tags=x-a=b|--journal=/tmp/x/y|--check",
		   &config) == UE_CONFIG_EXIT_OK &&
		   strstr(said, "\"record_statuses\": \"429,500-599\"") != NULL &&
		   strstr(said, "\"record_exclude\": \"count_tokens, timeout\"") != NULL &&
		   strstr(said, "\"x-a\": \"b\"") != NULL,
	   "--check prints them as they can be written");
	unlink(path);
}

static void
check_bad_files(void)
{
	static const Refusal files[] = {
		{"{\"workers\": 3,\n \"listen\" \"x\"}", ":2:"},
		{"[]", "must be one JSON object"},
		{"{\"listen\": 8787}", "\"8787\" is not an address to listen on; accepted are"},
		{"{\"listen\": \"unix:run/x\"}", "the path must be absolute"},
		{"{\"workerz\": 3}", "there is no setting \"workerz\"; did you mean workers?"},
		{"{\"workers\": 3, \"workers\": 4}", "duplicate"},
		{"{\"workers\": [3]}", "must be a string, an integer, true or false"},
		{"{\"workers\": \"x\"}", "key \"workers\"): \"x\" is not an integer"},
		{"{\"upstream\": {\"openai\": 5}}", "the URL of \"openai\" must be a string"},
		{"{\"upstream\": 5}", "\"5\" is not PLATFORM=URL"},
		{"{\"upstream\": [5]}", "must be an object of PLATFORM=URL"},
		{"{\"tags\": {\"x-user\": 5}}", "the tag of \"x-user\" must be a string"},
	};
	UeConfig config;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		char path[64];
		char line[128];

		write_file(path, files[i].line);
		snprintf(line, sizeof(line), "--config=%s", path);
		if (!ok(run(line, &config) == UE_CONFIG_EXIT_ERROR &&
					strstr(said, files[i].message) != NULL,
				files[i].message))
			printf("# said: %s\n", said);
		unlink(path);
	}
}

static void
check_defaults(void)
{
	UeConfig config;

	setenv("STATE_DIRECTORY", "/var/lib/x", 1);
	ok(run("", &config) == UE_CONFIG_RUN &&
		   strcmp(config.listen, "127.0.0.1:8787") == 0 &&
		   strcmp(config.admin_listen, "127.0.0.1:8788") == 0 &&
		   config.verdict_deadline_ms == 50 && config.error_body_bytes == 1024 * 1024 &&
		   config.database == NULL && !config.record_headers &&
		   !config.record_client_address && config.journal_fsync == UE_FSYNC_INTERVAL &&
		   config.workers >= 1 && config.workers <= 4 && config.instance[0] != '\0' &&
		   strcmp(config.journal, "/var/lib/x/journal") == 0,
	   "the defaults are those of the manual");
	ok(ue_config_find_upstream(&config, UE_SLICE("gemini"))->base != NULL,
	   "built-in upstreams are parsed");
	ue_config_free(&config);
	unsetenv("STATE_DIRECTORY");

	ok(run("--admin-listen=0.0.0.0:9000|--admin-token=t", &config) == UE_CONFIG_RUN,
	   "with a token the admin listener may be anywhere");
	ue_config_free(&config);
	ok(run("--first_byte_timeout=90|--keep-alive-timeout=2 min", &config) ==
			   UE_CONFIG_RUN &&
		   config.upstream.first_byte_timeout_ms == 90 &&
		   config.server.keep_alive_timeout_ms == 120000,
	   "a bare number is ms; a blank may be before the unit; _ is as good as -");
	ue_config_free(&config);
}

static void
check_prints(void)
{
	UeConfig config;

	ok(run("--help", &config) == UE_CONFIG_EXIT_OK &&
		   strstr(said, "--first-byte-timeout") && strstr(said, "default: 10min"),
	   "--help names every setting with its default");
	ok(run("--version|--workers=4", &config) == UE_CONFIG_EXIT_OK &&
		   strcmp(said, "upstream-errors-sidecar " UE_VERSION "\n") == 0,
	   "--version");
	ok(run("--database=host=h password=geheim dbname=d|--admin-token=geheim|--journal=/tmp/x/y"
		   "|--check",
		   &config) == UE_CONFIG_EXIT_OK &&
		   strstr(said, "geheim") == NULL && strstr(said, "host=h") != NULL,
	   "--check prints what is in force, and no secret");
	ok(run("--database=postgresql://u:geheim@h/d?colour=1", &config) ==
			   UE_CONFIG_EXIT_ERROR &&
		   strstr(said, "geheim") == NULL,
	   "a connection string that is refused is not quoted with its password");
}

int
main(void)
{
	unsetenv("STATE_DIRECTORY");
	check_defaults();
	check_sources();
	check_recording();
	check_refusals();
	check_bad_files();
	check_prints();
	return done_testing();
}
