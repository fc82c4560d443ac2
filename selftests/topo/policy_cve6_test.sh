#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# policy_cve_test.sh with IPv6 traffic over an IPv6 underlay (GO-2023-1643: IPv6 is enforced like
# IPv4; policy_test.sh probes each of its rows in both families).
FAMILY=6 UNDERLAY=6 exec "$(dirname "$0")/policy_cve_test.sh"
