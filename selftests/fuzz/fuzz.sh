# SPDX-License-Identifier: Apache-2.0
# Bounded runs of the fuzzers. Source it, then:
#   fuzz NAME RUNS MAX-LENGTH WHAT   so many inputs from the seeds of NAME_fuzz; new ones are
#                                    kept in the build tree, and later runs begin with them
fuzz() {
	local at=${O:-build}/selftests/fuzz what=$4
	local corpus=$at/$1-corpus
	mkdir -p "$corpus"
	"$at/$1_fuzz_seeds" "$corpus"
	echo 1..1
	if "$at/$1_fuzz" -runs="$2" -seed=1 -max_len="$3" -print_final_stats=1 \
		-artifact_prefix="$at/" "$corpus" 2>&1 | sed 's/^/# /' && [[ ${PIPESTATUS[0]} -eq 0 ]]; then
		echo "ok 1 - $what"
	else
		echo "not ok 1 - ${what%%:*}: the crashing input stands in $at"
		return 1
	fi
}
