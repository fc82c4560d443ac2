#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said of groups, and sent to them.
set -eu
. "$(dirname "$0")/fuzz.sh"
fuzz group 20000 400 "groups: 20,000 inputs"
