// SPDX-License-Identifier: Apache-2.0
// What the host has, what it lacks, and what is done instead.
#pragma once

#include "userspace/transitd/daemon.h"

namespace mizar {

v1::DoctorReply examine(Daemon& daemon);

}  // namespace mizar
