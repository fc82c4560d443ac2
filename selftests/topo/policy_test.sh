#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Policies in force on two hosts, and who reaches whom then, by real packets of both
# families: the rows of policy_rows.py. ROWS=WORDS: those whose name has them.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/region.sh"
need_root
topo_begin mzt-pol
trap topo_end EXIT
four_up
for e in xa xb xc ya yb yc za zb zc; do topo_ns $e; done
{ four_hosts; tenants; } > "$TOPO_DIR/base.yaml"
rc=0
"$(dirname "$0")/policy_matrix.py" "$TOPO_RUN" "$TOPO_DIR" "$BIN" || rc=$?
[[ $rc == 0 ]] || tail -n 5 "$TOPO_DIR"/*/log | sed 's/^/# /'
exit $rc
