#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Conversations with services and gateways.
set -eu
. "$(dirname "$0")/fuzz.sh"
fuzz gateway 4000 2000 "services and gateways: 4,000 conversations"
