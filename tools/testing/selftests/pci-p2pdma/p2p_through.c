// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_through FROM TO BYTES: copies from one block device to another by direct
 * I/O through memory of $P2P_PROVIDER, a multiple of 64 KiB.
 */
#include <err.h>

#include "p2pmem.h"

#define LEN (64L << 10)

int main(int argc, char **argv)
{
	long at, bytes = argc == 4 ? strtol(argv[3], NULL, 0) : 0;
	int fd = p2pmem_open("allocate", O_RDWR), from, to;
	void *mem;

	if (bytes <= 0 || bytes % LEN)
		errx(2, "usage: p2p_through FROM TO BYTES");
	from = open(argv[1], O_RDONLY | O_DIRECT);
	if (from < 0)
		err(1, "%s", argv[1]);
	to = open(argv[2], O_WRONLY | O_DIRECT);
	if (to < 0)
		err(1, "%s", argv[2]);
	mem = p2pmem_map(fd, LEN);
	if (mem == MAP_FAILED)
		err(1, "%s", p2pmem_path("allocate"));
	for (at = 0; at < bytes; at += LEN) {
		if (pread(from, mem, LEN, at) != LEN)
			err(1, "read %s", argv[1]);
		if (pwrite(to, mem, LEN, at) != LEN)
			err(1, "write %s", argv[2]);
	}
	if (fsync(to))
		err(1, "flush %s", argv[2]);
	return 0;
}
