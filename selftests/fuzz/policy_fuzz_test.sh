#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bounded fuzz run from the seeds: 20,000 inputs, new ones kept in the build
# tree so that later runs begin where this one ended.
set -eu
O=${O:-build}
corpus=$O/selftests/fuzz/policy-corpus
mkdir -p "$corpus"
"$O/selftests/fuzz/policy_fuzz_seeds" "$corpus"
echo 1..1
if "$O/selftests/fuzz/policy_fuzz" -runs=20000 -seed=1 -max_len=4096 -print_final_stats=1 \
	-artifact_prefix="$O/selftests/fuzz/" "$corpus" 2>&1 | sed 's/^/# /' && [[ ${PIPESTATUS[0]} -eq 0 ]]; then
	echo "ok 1 - policy: 20,000 inputs"
else
	echo "not ok 1 - policy: the crashing input stands in $O/selftests/fuzz"
	exit 1
fi
