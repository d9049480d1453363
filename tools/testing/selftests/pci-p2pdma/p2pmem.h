/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests run on, and the provider's sysfs files. */
#ifndef P2PMEM_H
#define P2PMEM_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1UL << 20)

/* What a test needs, or can use: see find.c, which finds it. */
enum {
	P2P_PROVIDER = 1,	/* $P2P_PROVIDER, which nobody else uses */
	P2P_READ = 2,		/* $P2P_FROM, a drive that reaches it */
	P2P_WRITE = 4,		/* $P2P_TO, a drive whose contents may be lost */
	P2P_OWN = 8,		/* $P2P_OWN, likewise: the provider itself */
	P2P_RESET = 16,		/* leave to reset the provider, and to unbind it */
};

/*
 * Sets the environment; without what the test needs the program ends, as skipped. Without what it
 * uses, getenv() returns NULL.
 */
void p2p_setup(unsigned int needs, unsigned int uses);

/* Why @what, one of these, is not there */
const char *p2p_missing(unsigned int what);

static inline const char *p2pmem_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/p2pmem/%s",
		 getenv("P2P_PROVIDER") ?: "-", name);
	return path;
}

static inline int p2pmem_open(const char *name, int flags)
{
	return open(p2pmem_path(name), flags);
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
