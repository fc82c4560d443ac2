#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Any bytes as a frame, through the native pipeline.
set -eu
. "$(dirname "$0")/fuzz.sh"
fuzz pipeline 50000 600 "pipeline: 50,000 inputs"
