#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What operators write about policy.
set -eu
. "$(dirname "$0")/fuzz.sh"
fuzz policy 20000 4096 "policy: 20,000 inputs"
