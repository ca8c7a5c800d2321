# shellcheck shell=bash
# For the benches of SQL, which source it: a server of their own over a unix socket, stopped
# and removed at the end.  Needs an installed extension and PG_CONFIG (default: pg_config).
# Sets bin, where the programs are, and dir, where the socket is.
bin=$("${PG_CONFIG:-pg_config}" --bindir)

# drop_root [ARGUMENT...]: runs the bench again as postgres: initdb refuses to run as root
drop_root() {
	[ "$(id -u)" -eq 0 ] || return 0
	exec runuser -u postgres -- env PATH="$PATH" PG_CONFIG="${PG_CONFIG:-pg_config}" UE_BENCH_DATA="${UE_BENCH_DATA:-}" bash "$0" "$@" < /dev/null
}

# start_server [SETTING...]: in a directory of its own, or in $keep, which stays and is used
# again as it is
start_server() {
	dir=${keep:-$(mktemp -d)}
	trap stop_server EXIT
	if [ ! -d "$dir/data" ]; then
		mkdir -p "$dir"
		"$bin/initdb" -D "$dir/data" -A trust -E UTF8 --no-locale > /dev/null
		printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$dir'" 'fsync = off' "$@" >> "$dir/data/postgresql.conf"
	fi
	"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start > /dev/null
}
stop_server() {
	if [ -n "${keep:-}" ]; then
		"$bin/pg_ctl" -D "$dir/data" -m fast stop > /dev/null 2>&1 || true
	else
		"$bin/pg_ctl" -D "$dir/data" -m immediate stop > /dev/null 2>&1 || true
		rm -rf "$dir"
	fi
}
