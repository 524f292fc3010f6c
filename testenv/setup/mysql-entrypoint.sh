#!/usr/bin/env bash
# The entry point of the locally built MySQL image. It keeps the contract of the official image, so
# that whatever starts one can start the other:
#
#   MYSQL_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD   one of them, for a new data directory
#   MYSQL_ROOT_HOST                                     where root may connect from, default %
#   MYSQL_DATABASE                                      created; the user below may do all in it
#   MYSQL_USER, MYSQL_PASSWORD                          both, or no user is made
#   MYSQL_INITDB_SKIP_TZINFO                            leaves the time zone tables empty
#   /docker-entrypoint-initdb.d/*.sql, *.sh             run once, in the order of their names
#
# A command that begins with - is arguments for mysqld; one that is not mysqld is run as it is.
# A new data directory is prepared by a server that listens on no network, so whoever can connect
# over the network sees a server that is ready.
set -eo pipefail
shopt -s nullglob

note() { printf '%s [entrypoint] %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; }
fail() {
	note "$@"
	exit 1
}

# The values that mysqld itself would use, whether from arguments, a file, or built in.
read_config() {
	local help
	help=$("$@" --verbose --help --log-bin-index=/tmp/unused 2>&1) ||
		fail "mysqld does not accept its configuration: $(grep -F ' [ERROR] ' <<<"$help")"
	datadir=$(config_value datadir "$help")
	socket=$(config_value socket "$help")
	files=$(config_value secure-file-priv "$help")
	# What follows changes the owner of these: without a path it would be that of everything.
	if [ -z "$datadir" ] || [ -z "$socket" ]; then
		fail "mysqld --help does not tell datadir and socket"
	fi
}

# The table of values is at the end of the help; in the text before it names stand indented.
config_value() { awk -v name="$1" 'index($0, name " ") == 1 && $2 != "NULL" { print $2; exit }' <<<"$2"; }

make_directories() {
	mkdir -p "$datadir" "$(dirname "$socket")" ${files:+"$files"}
	if [ "$(id -u)" -eq 0 ]; then
		find "$datadir" "$(dirname "$socket")" ${files:+"$files"} ! -user mysql -exec chown -h mysql:mysql {} +
	fi
}

# As root before the password is set, and with it afterwards. The password goes through the
# environment: arguments can be read by every process of the machine.
root_sql() { MYSQL_PWD=$root_password mysql --protocol=socket --socket="$socket" -uroot --comments "$@"; }
root_password=

# A string literal. Not for names.
quoted() {
	local s=${1//\\/\\\\}
	printf "'%s'" "${s//\'/\'\'}"
}

start_temporary_server() {
	"$@" --skip-networking --mysqlx=OFF --socket="$socket" &
	server=$!
	until mysqladmin --no-defaults --socket="$socket" ping >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null || fail "the temporary server ended, its messages are above"
		sleep 0.1
	done
}

stop_temporary_server() {
	kill -TERM "$server"
	wait "$server" || fail "the temporary server did not shut down cleanly"
}

# None of this may reach the binlog: the official image does not log its root accounts either, and
# replicas would try to create them again.
create_root() {
	local password host=${MYSQL_ROOT_HOST-%}
	password=$(quoted "${MYSQL_ROOT_PASSWORD:-}")
	{
		echo "SET SESSION sql_log_bin = 0;"
		if [ -n "$host" ] && [ "$host" != localhost ]; then
			echo "CREATE USER root@$(quoted "$host") IDENTIFIED BY $password;"
			echo "GRANT ALL ON *.* TO root@$(quoted "$host") WITH GRANT OPTION;"
		fi
		echo "ALTER USER root@localhost IDENTIFIED BY $password;"
	} | root_sql mysql
	root_password=${MYSQL_ROOT_PASSWORD:-}
}

create_database_and_user() {
	if [ -n "${MYSQL_DATABASE:-}" ]; then
		root_sql mysql <<<"CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`"
	fi
	if [ -z "${MYSQL_USER:-}" ] || [ -z "${MYSQL_PASSWORD:-}" ]; then
		return
	fi
	root_sql mysql <<<"CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$MYSQL_PASSWORD")"
	if [ -n "${MYSQL_DATABASE:-}" ]; then
		# In a GRANT the underscore of a database name is a wildcard.
		root_sql mysql <<<"GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $(quoted "$MYSQL_USER")@'%'"
	fi
}

run_init_files() {
	local f
	for f in /docker-entrypoint-initdb.d/*; do
		note "running $f"
		case "$f" in
		*.sql) root_sql ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$f" ;;
		*.sh)
			if [ -x "$f" ]; then
				"$f"
			else
				# shellcheck disable=SC1090 # sourced, as in the official image, so that it may set variables
				. "$f"
			fi
			;;
		*) note "ignoring $f: neither .sql nor .sh" ;;
		esac
	done
}

initialise() {
	if [ -z "${MYSQL_ROOT_PASSWORD:-}${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
		fail "the data directory is new: set MYSQL_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD"
	fi
	if [ "${MYSQL_USER:-}" = root ]; then
		fail "MYSQL_USER is for another user than root: use MYSQL_ROOT_PASSWORD"
	fi
	note "initialising $datadir"
	"$@" --initialize-insecure
	start_temporary_server "$@"
	if [ -z "${MYSQL_INITDB_SKIP_TZINFO:-}" ] && [ -d /usr/share/zoneinfo ]; then
		mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | root_sql --init-command='SET SESSION sql_log_bin = 0' mysql
	fi
	create_root
	create_database_and_user
	run_init_files
	stop_temporary_server
	note "initialised, ready to start"
}

case "${1:-}" in -*) set -- mysqld "$@" ;; esac
case " $* " in *" --help "* | *" -? "* | *" --version "* | *" -V "* | *" --print-defaults "*) exec "$@" ;; esac
if [ "${1:-}" != mysqld ]; then
	exec "$@"
fi

read_config "$@"
make_directories
if [ "$(id -u)" -eq 0 ]; then
	exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi
if [ ! -d "$datadir/mysql" ]; then
	initialise "$@"
fi
exec "$@"
