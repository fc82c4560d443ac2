#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pmtu_test.sh, which has traffic of both families, over an IPv6 underlay.
UNDERLAY=6 exec "$(dirname "$0")/pmtu_test.sh"
