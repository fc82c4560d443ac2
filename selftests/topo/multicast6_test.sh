#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# multicast_test.sh with IPv6 traffic over hosts of which some have one family only.
FAMILY=6 UNDERLAY=mixed exec "$(dirname "$0")/multicast_test.sh"
