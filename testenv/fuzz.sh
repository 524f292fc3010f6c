#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time, one after the other,
# and stops at the first finding. With "keep" as the second argument, of the inputs
# that Go has gathered in its cache those few small ones are put under testdata/fuzz
# that reach what the seeds do not: "go test" runs them from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
most=8         # inputs kept of each target
most_bytes=600 # of each, with its header
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# covered prints the blocks that the matching tests reach.
covered() {
	(cd "$1" && "$scratch/test" -test.run "$2" -test.coverprofile="$scratch/profile" >/dev/null) || return 1
	awk '$NF > 0 { print $1 }' "$scratch/profile" | sort -u
}

keep() {
	local package=$1 target=$2 kept=0 input name dir
	local cache
	cache=$(go env GOCACHE)/fuzz/$(go list "$package")/$target
	dir=$package/testdata/fuzz/$target
	[ -d "$cache" ] || return 0
	go test -c -cover -covermode=set -o "$scratch/test" "$package"
	covered "$package" "^$target\$" >"$scratch/reached"
	mkdir -p "$dir"
	while read -r input; do
		[ "$kept" -lt "$most" ] || break
		name=$(basename "$input")
		[ ! -e "$dir/$name" ] || continue
		cp "$input" "$dir/$name"
		covered "$package" "^$target\$/^$name\$" >"$scratch/by_input"
		if [ -n "$(comm -13 "$scratch/reached" "$scratch/by_input" | head -n 1)" ]; then
			sort -u -o "$scratch/reached" "$scratch/reached" "$scratch/by_input"
			kept=$((kept + 1))
		else
			rm "$dir/$name"
		fi
	done < <(find "$cache" -type f -size "-${most_bytes}c" -printf '%s %p\n' | sort -n | cut -d ' ' -f 2-)
	rmdir --ignore-fail-on-non-empty -p "$dir"
	echo "$kept inputs kept"
}

count=0
while read -r file; do
	package=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $package $target ($time)"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "$package"
		[ "${2:-}" != keep ] || keep "$package" "$target"
		count=$((count + 1))
	done
done < <(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | sort)
echo "$count fuzz targets ran, none found anything"
