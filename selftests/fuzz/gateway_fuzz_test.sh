#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# As pipeline_fuzz_test.sh, of conversations: 4,000 inputs.
set -eu
O=${O:-build}
corpus=$O/selftests/fuzz/gateway-corpus
mkdir -p "$corpus"
"$O/selftests/fuzz/gateway_fuzz_seeds" "$corpus"
echo 1..1
if "$O/selftests/fuzz/gateway_fuzz" -runs=4000 -seed=1 -max_len=2000 -print_final_stats=1 \
	-artifact_prefix="$O/selftests/fuzz/" "$corpus" 2>&1 | sed 's/^/# /' && [[ ${PIPESTATUS[0]} -eq 0 ]]; then
	echo "ok 1 - services and gateways: 4,000 conversations"
else
	echo "not ok 1 - services and gateways: the crashing input stands in $O/selftests/fuzz"
	exit 1
fi
