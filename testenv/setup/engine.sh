# shellcheck shell=bash
# shellcheck disable=SC2154 # here, cache and log belong to setup.sh
# Part of setup.sh: makes a Docker engine answer. Uses the one that runs, whatever its kind; else
# starts an installed one; else installs Debian's.

engine_answers() {
	command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1
}

ensure_engine() {
	engine_answers && return
	if [ -n "${DOCKER_HOST:-}" ]; then
		die "DOCKER_HOST is set to $DOCKER_HOST, but no engine answers there" \
			"start that engine, or unset DOCKER_HOST to use one on this machine"
	fi
	if ! is_root; then
		explain_not_root
	fi
	if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
		if ! command -v apt-get >/dev/null; then
			die "there is no Docker engine, and without apt-get this script cannot install one" \
				"install Docker Engine as its documentation says for your system, then: make setup"
		fi
		apt_install docker.io iptables
	fi
	start_engine
}

explain_not_root() {
	if [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then
		die "a Docker engine is here, but this user may not use it" \
			"sudo usermod -aG docker $(id -un)    # then log in again, and: make setup"
	fi
	if command -v dockerd >/dev/null; then
		die "the Docker engine does not run, and only root can start it" \
			"sudo systemctl start docker          # or, without systemd: sudo $here/setup.sh"
	fi
	die "there is no Docker engine, and only root can install one; either of" \
		"sudo apt-get update && sudo apt-get install docker.io && sudo usermod -aG docker $(id -un)" \
		"sudo $here/setup.sh"
}

start_engine() {
	# Installing the package may have started it already.
	engine_answers && return
	if [ -d /run/systemd/system ]; then
		quietly "starting the engine through systemd" systemctl start docker ||
			die "systemctl could not start docker" "systemctl status docker"
		wait_for_engine || die "docker was started, but does not answer" "journalctl -u docker"
		return
	fi
	remove_stale_pid_files
	start_dockerd && return
	# Every server of testenv uses the host's network, so an engine on a machine that lets it make
	# neither a bridge nor packet filter rules serves as well.
	say "the engine did not start; trying without a network bridge of its own"
	start_dockerd --bridge=none --iptables=false --ip6tables=false ||
		die "dockerd does not start" "read the end of its log: $dockerd_log"
}

dockerd_log=/var/log/binlogproxy-dockerd.log

# Detached: the engine outlives this script and the terminal it was started from. Its own copy of
# the lock (descriptor 9) must be closed, or the next set-up would wait for ever.
start_dockerd() {
	say "starting dockerd, its log is $dockerd_log"
	setsid dockerd "$@" >>"$dockerd_log" 2>&1 </dev/null 9>&- &
	wait_for_engine $!
}

# $1: a process without which waiting is pointless.
wait_for_engine() {
	local deadline=$((SECONDS + 60))
	while ! engine_answers; do
		if [ -n "${1:-}" ] && ! kill -0 "$1" 2>/dev/null; then
			tail -n 15 "$dockerd_log" >>"$log"
			return 1
		fi
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# An engine that was ended with the machine leaves its process ids behind. Once another program has
# such an id, dockerd believes that it, or its containerd, already runs, and refuses to start.
remove_stale_pid_files() {
	local name file pid
	while read -r name file; do
		[ -s "$file" ] || continue
		pid=$(cat "$file")
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ]; then
			if [ "$name" = dockerd ]; then
				say "dockerd runs as process $pid, but does not answer yet"
				wait_for_engine "$pid" && return
				die "dockerd runs as process $pid, but does not answer" "end it, then: make setup"
			fi
			continue
		fi
		say "removing $file, left behind by an engine that is gone"
		rm -f "$file"
	done <<-'END'
		dockerd /var/run/docker.pid
		containerd /var/run/docker/containerd/containerd.pid
	END
}
