#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# host_test.sh with IPv6 traffic.
FAMILY=6 exec "$(dirname "$0")/host_test.sh"
