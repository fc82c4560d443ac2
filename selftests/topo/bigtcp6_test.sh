#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bigtcp_test.sh over an IPv6 underlay.
UNDERLAY=6 exec "$(dirname "$0")/bigtcp_test.sh"
