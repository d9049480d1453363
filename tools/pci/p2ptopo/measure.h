/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a copy from drive to drive does, through peer memory and through RAM.
 */
#ifndef _P2PTOPO_MEASURE_H
#define _P2PTOPO_MEASURE_H

#include "show.h"

enum { WAY_PEER, WAY_RAM, WAYS };

/**
 * struct way - what came of one copy
 * @name: what the data went through
 * @in: bytes a second from the first drive into the memory: its DMA writes there
 * @out: bytes a second from there to the second drive: its DMA reads there
 * @equal: the second drive has what the first one has
 * @error: why there was no copy, empty if there was one
 */
struct way {
	const char *name;
	u64 in, out;
	bool equal;
	char error[160];
};

/**
 * struct measurement - a copy
 * @from: drive that is read
 * @to: drive that is written to, and then put back
 * @provider: whose memory it goes through
 * @bytes: how much
 * @way: through peer memory, and through RAM
 */
struct measurement {
	struct pci_dev *from, *to, *provider;
	size_t bytes;
	struct way way[WAYS];
};

bool measure(struct measurement *measurement, bool overwrite);
void show_measurement(const struct measurement *measurement);
void json_measurement(const struct view *view, const struct measurement *measurement);

#endif /* _P2PTOPO_MEASURE_H */
