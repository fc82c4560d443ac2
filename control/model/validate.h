// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/model/region.h"
#include "userspace/base/result.h"

namespace centaurus {

// Every rule a region has to keep. Error: invalid_argument, one line naming
// object and field, such as
//   endpoint a/web: address: 10.1.0.9 is already that of endpoint a/db
mizar::Result<> validate(const Region& region);

}  // namespace centaurus
