#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the responder reads of tenants.
set -eu
. "$(dirname "$0")/fuzz.sh"
fuzz responder 50000 1400 "responder: 50,000 inputs"
