#!/usr/bin/env bash
# Proves that the tests of the log and of the bucket can fail: each build tag breaks one promise on
# purpose, and a test of the package must turn red by itself. A build that fails, a
# panic and a timeout prove nothing. A saboteur that lives is an error.
set -uo pipefail
cd "$(dirname "$0")/.."
lived=0

complain() {
	echo "$1"
	lived=$((lived + 1))
}

for saboteur in archive:{skip_fsync,skip_dir_fsync,cut_below_mark,no_compare,publish_before_fsync} archive/bucket:{ignore_412,catalog_before_complete}; do
	package=./${saboteur%%:*} tag=sabotage_${saboteur#*:}
	if ! out=$(go vet -tags "$tag" "$package" 2>&1); then
		complain "$tag: does not build"$'\n'"$out"
		continue
	fi
	if out=$(go test -count=1 -failfast -timeout 5m -tags "$tag" "$package" 2>&1); then
		complain "$tag: LIVED, no test noticed it"
		continue
	fi
	test=$(sed -n 's/^--- FAIL: \(Test[^ ]*\) .*/\1/p' <<<"$out" | head -n 1)
	if [ -z "$test" ] || grep -qE '^(panic:|fatal error:)' <<<"$out"; then
		complain "$tag: no test failed by itself"$'\n'"$(tail -n 20 <<<"$out")"
	else
		echo "$tag: caught by $test"
	fi
done
exit $((lived > 0))
