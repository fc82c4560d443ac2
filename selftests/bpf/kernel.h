// SPDX-License-Identifier: Apache-2.0
// Which kernel this is, for what older ones have not.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

static inline bool kernel_before(int major, int minor)
{
	struct utsname u;
	int has_major = 0, has_minor = 0;

	if (uname(&u) || sscanf(u.release, "%d.%d", &has_major, &has_minor) != 2)
		return false;
	return has_major < major || (has_major == major && has_minor < minor);
}
