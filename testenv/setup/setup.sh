#!/usr/bin/env bash
# Makes this machine able to run the integration tests and the demo: a Docker engine that answers,
# and a MySQL image. May be run at any time; when both are there it does nothing and takes well
# under a second. The first run takes one to two minutes, at most six.
#
# Progress goes to standard error. The last line, on standard output, is the name of the image:
# $BINLOGPROXY_MYSQL_IMAGE when it is set, else binlogproxy/mysql:9.7, which is made of the official
# image where it can be pulled, and of Debian's packages where not. The engine's own tags are the
# only record of it; testenv.DefaultImage looks there too.
#
# With the argument "faults" it also looks for what the tests of failing disks need, and installs
# what is missing.
#
# BINLOGPROXY_DEBIAN_MIRROR names another Debian mirror than debootstrap's own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/testenv
log=$cache/setup.log

say() { printf 'setup: %s\n' "$*" >&2; }

# The details are in the log only, so a failure brings their end with it.
die() {
	say "$1"
	shift
	if [ "$#" -gt 0 ]; then printf '%s\n' "$@" | sed 's/^/    /' >&2; fi
	if [ -s "$log" ]; then
		say "the end of $log:"
		tail -n 15 "$log" | sed 's/^/    /' >&2
	fi
	exit 1
}

# Runs what would flood the terminal; $1 says what is going on.
quietly() {
	say "$1"
	shift
	"$@" >>"$log" 2>&1 </dev/null
}

# Whoever sits at a terminal gets time to say no before packages are installed for the whole
# system. Elsewhere (CI, pipes) there is nobody to ask.
announce_install() {
	say "about to install for the whole system, with apt-get: $*"
	if [ -z "${CI:-}" ] && [ -t 0 ] && { [ -t 1 ] || [ -t 2 ]; }; then
		say "press Ctrl-C within 5 seconds to stop"
		sleep 5
	fi
}

apt_updated=
apt_install() {
	announce_install "$@"
	if [ -z "$apt_updated" ]; then
		quietly "updating the package lists" apt-get update || die "apt-get update failed"
		apt_updated=yes
	fi
	quietly "installing $*" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "$@" || die "could not install $*"
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# shellcheck source=testenv/setup/engine.sh
. "$here/engine.sh"
# shellcheck source=testenv/setup/image.sh
. "$here/image.sh"

# Root mounts by FUSE without any program.
ensure_faults() {
	local missing=()
	[ -c /dev/fuse ] || die "there is no /dev/fuse: the kernel lacks FUSE, or the container may not use it"
	is_root || command -v fusermount3 >/dev/null || missing+=(fuse3)
	command -v strace >/dev/null || missing+=(strace)
	command -v mkfs.ext4 >/dev/null || [ -x /usr/sbin/mkfs.ext4 ] || missing+=(e2fsprogs)
	[ "${#missing[@]}" -gt 0 ] || return 0
	if ! is_root || ! command -v apt-get >/dev/null; then
		die "the tests of failing disks need the packages: ${missing[*]}" "install them, then: make faults"
	fi
	mkdir -p "$cache"
	apt_install "${missing[@]}"
}

main() {
	[ "${1:-}" != faults ] || ensure_faults
	if engine_answers && image=$(find_image); then
		say "ready: the engine answers and $image is there"
		echo "$image"
		return
	fi

	mkdir -p "$cache"
	# Two set-ups at once (two terminals, parallel make) would build the same image twice.
	exec 9>"$cache/setup.lock"
	flock -n 9 || { say "waiting for another set-up to end" && flock 9; }
	: >"$log"
	# Run through sudo once, it must not be in the way of a later run without.
	[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-}" "$cache"

	ensure_engine
	ensure_image
	quietly "removing images that earlier versions of these scripts made" \
		docker image prune --force --filter label=binlogproxy.recipe || true
	image=$(find_image) || die "the image that was just made cannot be found"
	say "ready after ${SECONDS}s: $image"
	echo "$image"
}

main "$@"
