# shellcheck shell=bash
# shellcheck disable=SC2154 # here, cache and log belong to setup.sh
# Part of setup.sh: makes a MySQL image be there. It is made of the official one where images can be
# pulled, else built from Debian's packages to honour the same variables and paths.

official_image=mysql:9.7
debian_image=debian:unstable-slim
our_image=binlogproxy/mysql:9.7

# Prints the image that the tests will use.
find_image() {
	local name=${BINLOGPROXY_MYSQL_IMAGE:-$our_image}
	has_image "$name" && echo "$name"
}

# Our image made by another version of these scripts counts as missing.
has_image() {
	local made_by
	made_by=$(docker image inspect --format '{{index .Config.Labels "binlogproxy.recipe"}}' "$1" 2>/dev/null) || return 1
	[ "$1" != "$our_image" ] || [ "$made_by" = "$(recipe)" ]
}

recipe() { cat "$here/image.sh" "$here/mysql-entrypoint.sh" "$here/collect-mysqlbinlog.sh" | sha256sum | cut -c 1-16; }

ensure_image() {
	find_image >/dev/null && return
	if [ -n "${BINLOGPROXY_MYSQL_IMAGE:-}" ]; then
		pull "$BINLOGPROXY_MYSQL_IMAGE" && return
		die "BINLOGPROXY_MYSQL_IMAGE names $BINLOGPROXY_MYSQL_IMAGE, which is not here and cannot be pulled"
	fi
	# Once either has succeeded the image is there, so pulling is not tried at every run.
	{ pull "$official_image" && derive_image; } || build_image
}

# Our image is the official one, plus mysqlbinlog where that lacks it: it is made from a "minimal"
# package (https://github.com/docker-library/mysql/issues/847), and the tests need the server's own
# reader of binlogs. Debian's is taken, with all its libraries, so that the two systems need not match.
derive_image() {
	local target source status=0
	target=$(docker create --label "binlogproxy.recipe=$(recipe)" "$official_image") || return 1
	if ! docker run --rm --entrypoint bash "$official_image" -c 'command -v mysqlbinlog' >>"$log" 2>&1; then
		say "the official image has no mysqlbinlog: adding Debian's"
		pull "$debian_image" &&
			source=$(docker create --network host "$debian_image" bash -c "$(cat "$here/collect-mysqlbinlog.sh")") &&
			docker start --attach "$source" >>"$log" 2>&1 &&
			docker cp "$source:/added/." - | docker cp - "$target:/" || status=1
		docker rm -f "${source:-}" >>"$log" 2>&1
	fi
	[ "$status" -ne 0 ] || quietly "making $our_image" docker commit "$target" "$our_image" || status=1
	docker rm -f -v "$target" >>"$log" 2>&1
	return "$status"
}

# A registry that cannot be reached often gives no answer at all. So the pull is given up when it
# has printed nothing for 15 s; one that has begun may take its time.
pull() {
	local out pid deadline=$((SECONDS + 15)) limit=$((SECONDS + 240))
	! docker image inspect "$1" >/dev/null 2>&1 || return 0
	say "pulling $1"
	out=$(mktemp)
	docker pull "$1" >"$out" 2>&1 </dev/null 9>&- &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if { [ "$SECONDS" -ge "$deadline" ] && ! [ -s "$out" ]; } || [ "$SECONDS" -ge "$limit" ]; then
			kill "$pid"
		fi
		sleep 0.2
	done
	cat "$out" >>"$log"
	rm -f "$out"
	wait "$pid" && return
	say "$1 cannot be pulled"
	return 1
}

build_image() {
	if ! is_root; then
		die "no MySQL image could be pulled, and only root can build one; either of" \
			"docker pull $official_image    # where a registry can be reached" \
			"sudo $here/setup.sh"
	fi
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	[ -e "$keyring" ] || missing+=(debian-archive-keyring)
	if [ "${#missing[@]}" -gt 0 ]; then
		command -v apt-get >/dev/null || die "building an image needs debootstrap and Debian's keyring: install them"
		apt_install "${missing[@]}"
	fi

	# Not under the temporary directory: that is often mounted nodev, or too small.
	root=$(mktemp -d "$cache/rootfs.XXXXXX")
	trap remove_root EXIT
	# dpkg syncs every file. In memory that costs nothing; on a busy disk it can take minutes.
	if [ "$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)" -gt 4096 ]; then
		mount -t tmpfs -o size=2g,mode=755 tmpfs "$root" 2>>"$log" || say "building on disk, no memory file system can be mounted"
	fi
	install_packages
	add_entrypoint
	import
}

remove_root() {
	umount "$root" 2>/dev/null || true
	rm -rf --one-file-system "$root"
}

# Unstable is where Debian has MySQL. Its signature is checked against the keys of this machine's
# own debian-archive-keyring package, which stable keeps up to date; nothing here turns the check off.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

install_packages() {
	say "building $our_image from the packages of Debian unstable (about a minute)"
	debootstrap --variant=minbase --keyring="$keyring" \
		--include=mysql-server-core,mysql-client-core \
		unstable "$root" ${BINLOGPROXY_DEBIAN_MIRROR:+"$BINLOGPROXY_DEBIAN_MIRROR"} </dev/null 2>&1 9>&- |
		tee -a "$log" |
		awk '/^I: (Retrieving|Extracting|Unpacking|Configuring)/ && $2 != step { step = $2; print "setup:   " tolower(step) " packages" }' >&2 ||
		die "debootstrap failed; if it names a key that is not known: apt-get install debian-archive-keyring"
}

# The user, folders and configuration of the official image, ids included.
add_entrypoint() {
	chroot "$root" groupadd --system --gid 999 mysql
	chroot "$root" useradd --system --uid 999 --gid 999 --home-dir /var/lib/mysql --no-create-home mysql
	install -d -o 999 -g 999 -m 1777 "$root/var/lib/mysql" "$root/run/mysqld"
	install -d -o 999 -g 999 -m 0750 "$root/var/lib/mysql-files"
	install -d "$root/docker-entrypoint-initdb.d" "$root/etc/mysql/conf.d"
	install -m 0755 "$here/mysql-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
	cat >"$root/etc/my.cnf" <<-'END'
		[mysqld]
		skip-name-resolve
		datadir=/var/lib/mysql
		socket=/var/run/mysqld/mysqld.sock
		secure-file-priv=/var/lib/mysql-files
		pid-file=/var/run/mysqld/mysqld.pid
		user=mysql

		[client]
		socket=/var/run/mysqld/mysqld.sock

		!includedir /etc/mysql/conf.d/
	END
}

# Half of what debootstrap makes is of no use to a server: package caches, documentation, the large
# Perl library (MySQL's few Perl scripts are not needed), and the plugins of clients.
import() {
	local out
	say "importing $our_image"
	# The braces are one pipeline status: a tar that fails must not leave a truncated image.
	out=$(tar -C "$root" --numeric-owner -c \
		--exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/* --exclude=./var/log/* \
		--exclude=./usr/share/doc/* --exclude=./usr/share/man/* --exclude=./usr/share/info/* \
		--exclude=./usr/share/locale/* --exclude=./usr/share/perl/* --exclude='./usr/lib/*/perl' \
		--exclude='./usr/bin/myisam*' --exclude='./usr/lib/mysql/plugin/*_client.so' \
		--exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' . |
		docker import \
			--change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["mysqld"]' \
			--change 'VOLUME /var/lib/mysql' --change 'EXPOSE 3306 33060' \
			--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
			--change "LABEL binlogproxy.recipe=$(recipe)" \
			- "$our_image" 2>&1) || die "docker import failed: $out"
	remove_root
	quietly "trying $our_image" docker run --rm --network none "$our_image" mysqld --version ||
		die "$our_image does not run"
}
