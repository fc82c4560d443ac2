// SPDX-License-Identifier: Apache-2.0
// Where tests pin their maps.
#pragma once

#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/vfs.h>

#define BPFFS "/sys/fs/bpf"

// Says so where there is none.
static inline bool bpffs_there(const char *who)
{
	struct statfs fs;

	if (!statfs(BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		return true;
	fprintf(stderr, "%s: %s must be a mounted bpffs: mount -t bpf bpf %s\n", who, BPFFS, BPFFS);
	return false;
}
