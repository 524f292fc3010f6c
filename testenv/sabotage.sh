#!/usr/bin/env bash
# Proves that the tests of the log can fail: each build tag breaks one promise on
# purpose, and the package's tests must turn red. A saboteur that lives is an error.
set -uo pipefail
cd "$(dirname "$0")/.."
lived=0
for tag in sabotage_skip_fsync sabotage_skip_dir_fsync sabotage_cut_below_mark sabotage_no_compare sabotage_publish_before_fsync; do
	if ! go vet -tags "$tag" ./archive >/dev/null 2>&1; then
		echo "$tag: does not build"
		lived=$((lived + 1))
		continue
	fi
	if out=$(go test -count=1 -failfast -tags "$tag" ./archive 2>&1); then
		echo "$tag: LIVED, no test noticed it"
		lived=$((lived + 1))
	else
		echo "$tag: caught by $(sed -n 's/^ *--- FAIL: \([^ ]*\).*/\1/p' <<<"$out" | head -n 1)"
	fi
done
exit $((lived > 0))
