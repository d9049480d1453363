/* SPDX-License-Identifier: GPL-2.0-only */
/* The provider's sysfs files, for the tests beside. Its BDF comes in $P2P_PROVIDER. */
#ifndef P2PMEM_H
#define P2PMEM_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1UL << 20)

/* Tell the lab, and wait for its answer, as lib.sh does. Outside the lab nobody listens. */
static inline void __attribute__((format(printf, 1, 2))) lab(const char *fmt, ...)
{
	va_list ap;
	char c;

	if (!getenv("P2P_LAB"))
		return;
	va_start(ap, fmt);
	vdprintf(3, fmt, ap);
	va_end(ap);
	while (read(3, &c, 1) == 1 && c != '\n')
		;
}

static inline int p2pmem_open(const char *name, int flags)
{
	const char *bdf = getenv("P2P_PROVIDER");
	char path[128];

	if (!bdf) {
		errno = ENODEV;
		return -1;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/%s", bdf, name);
	return open(path, flags);
}

/* A number out of p2pmem/NAME, -1 if there is none. */
static inline long p2pmem_read(const char *name)
{
	int fd = p2pmem_open(name, O_RDONLY);
	char text[32] = "";
	long value = -1;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		value = strtol(text, NULL, 0);
	close(fd);
	return value;
}

static inline void *p2pmem_map(int fd, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

#endif
