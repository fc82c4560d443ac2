#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# delivery_test.sh with IPv6 traffic over an IPv6 underlay.
FAMILY=6 UNDERLAY=6 exec "$(dirname "$0")/delivery_test.sh"
