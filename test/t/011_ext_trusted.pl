# Whoever may create objects in a database may install the extension, gets the rights to
# use it and to share it, and gains no others.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE maker LOGIN CREATEROLE;
	CREATE DATABASE app; GRANT CREATE ON DATABASE app TO alice;
});
my @alice = (extra_params => [ '-U', 'alice' ]);
my @bob = (extra_params => [ '-U', 'bob' ]);
my ($stdout, $stderr);

sub fails_like
{
	my ($database, $sql, $who, $pattern, $name) = @_;
	my ($code, $out, $err) = $node->psql($database, $sql, extra_params => [ '-U', $who ]);
	isnt($code, 0, "$name: refused");
	like($err, $pattern, "$name: says why");
}

fails_like('app', 'CREATE EXTENSION upstream_errors', 'bob', qr/permission denied to create extension/, 'no right on the database');
# she could install there, but not maintain: better said at once
$node->safe_psql('app', 'REVOKE CREATE ON SCHEMA public FROM PUBLIC');
fails_like('app', 'CREATE EXTENSION upstream_errors', 'alice', qr/may not create partitions in schema public.*CREATE SCHEMA/s, 'no right on the schema');

$node->safe_psql('app', 'CREATE SCHEMA ue; CREATE EXTENSION upstream_errors SCHEMA ue', @alice);
pass('installed by alice');

is($node->safe_psql('app', 'SELECT partitions_created FROM ue.upstream_error_maintain()', @alice), '9', 'she maintains');
is($node->safe_psql('app', q{SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class AS c
	WHERE c.relname LIKE 'upstream\_error\_events%' AND c.relkind IN ('r', 'p')}), 'alice', 'tables and partitions are hers');
is($node->safe_psql('app', q{INSERT INTO ue.upstream_error_events (at, event_id, request_id, platform, kind, class)
	VALUES (now() - interval '1 min', gen_random_uuid(), 'r', 'openai', 'http_error', 'overloaded');
	SELECT count(*) FROM ue.upstream_errors('1h')}, @alice), '1', 'she writes and reads');
is($node->safe_psql('app', q{SELECT class FROM ue.upstream_error_classify('openai', 429, '{}')}, @alice), 'rate_limit', 'she classifies');
is($node->safe_psql('app', q{SELECT string_agg(DISTINCT p.proname, ' ') FROM pg_proc AS p WHERE p.prosecdef
	AND pg_get_userbyid(p.proowner) <> 'alice' AND p.proname LIKE 'upstream\_error%'}), '', 'nothing runs with the rights of a superuser');
fails_like('app', q{CREATE OR REPLACE FUNCTION ue.upstream_error_mask(body text) RETURNS text LANGUAGE sql AS 'SELECT $1'}, 'alice',
	qr/must be owner/, 'functions of the module cannot be replaced');

# nobody else has anything until she grants it
fails_like('app', q{SELECT count(*) FROM ue.upstream_errors('1h')}, 'bob', qr/permission denied/, 'bob');
fails_like('app', 'SELECT ue.upstream_error_create_roles()', 'alice', qr/permission denied to create role/, 'roles without CREATEROLE');
$node->safe_psql('postgres', 'CREATE ROLE upstream_errors_reader; CREATE ROLE upstream_errors_writer; CREATE ROLE upstream_errors_admin;
	GRANT upstream_errors_reader, upstream_errors_writer TO upstream_errors_admin');
$node->safe_psql('app', 'SELECT ue.upstream_error_create_roles()', @alice);
$node->safe_psql('postgres', 'GRANT upstream_errors_reader TO bob');
is($node->safe_psql('app', q{SELECT count(*) FROM ue.upstream_errors('1h')}, @bob), '1', 'a reader reads');
fails_like('app', 'SELECT ue.upstream_error_maintain()', 'bob', qr/permission denied/, 'and no more');
$node->safe_psql('postgres', 'GRANT upstream_errors_writer TO bob');
is($node->safe_psql('app', 'SELECT partitions_skipped FROM ue.upstream_error_maintain()', @bob), '0', 'a writer maintains');
fails_like('app', q{SELECT partitions_created FROM ue.upstream_error_maintain(); SET upstream_errors.retention = '1min'}, 'bob', qr/permission denied to set parameter/, 'but not by his own clock');
# a value set before the module was loaded is thrown away when it is
my (undef, undef, $warning) = $node->psql('app', q{SET upstream_errors.retention = '1min'; SELECT ue.upstream_error_retention()}, @bob);
like($warning, qr/permission denied to set parameter/, 'nor behind its back');

# another table under the name: an error, and not its bytes read as something else
my ($code, undef, $mismatch) = $node->psql('app', q{SET search_path = ue; BEGIN; ALTER TABLE upstream_error_events RENAME TO aside;
	CREATE TABLE upstream_error_events (LIKE aside INCLUDING DEFAULTS); ALTER TABLE upstream_error_events ALTER message TYPE int8 USING 0;
	INSERT INTO upstream_error_events (at, event_id, request_id, platform, kind, class, message)
	VALUES (now() - interval '1 min', gen_random_uuid(), 'r', 'openai', 'http_error', 'overloaded', 5555555555);
	SELECT message FROM upstream_errors(now() - random() * interval '1 s' - interval '1 h')}, @alice);
isnt($code, 0, 'a table of other types');
like($mismatch, qr/columns of upstream_error_events do not have the types/, 'a table of other types: says so');

# dropping it takes everything along
$node->safe_psql('app', 'DROP EXTENSION upstream_errors', @alice);
is($node->safe_psql('app', q{SELECT count(*) FROM pg_class WHERE relname LIKE 'upstream\_error%'}), '0', 'nothing is left');

# texts are UTF-8 here
$node->safe_psql('postgres', q{CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'});
fails_like('latin', 'CREATE EXTENSION upstream_errors', scalar getpwuid($>), qr/needs a database with encoding UTF8, this one has LATIN1.*CREATE DATABASE/s, 'another encoding');

$node->stop;
done_testing();
