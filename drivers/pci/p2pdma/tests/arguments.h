/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of odd arguments have in common.
 */
#ifndef _PCI_P2PDMA_ARGUMENTS_H
#define _PCI_P2PDMA_ARGUMENTS_H

#include <linux/limits.h>
#include <linux/pci.h>
#include <linux/types.h>

struct kunit;

/*
 *	       root port
 *		   |
 *		switch
 *	   /	 /   \	  \
 *  provider other plain gone		all but plain register 2 MiB each
 */
struct odd_devices {
	struct pci_dev *provider;
	struct pci_dev *other;
	struct pci_dev *plain;		/* provides nothing */
	struct pci_dev *gone;		/* did, and has been removed */
	struct device *nowhere;		/* no PCI device */
	void *mine;			/* a page of provider's memory */
	void *theirs;			/* one of other's */
	void *freed;			/* one that was provider's allocation */
	void *ram;
	void *first;			/* where all of provider's memory begins */
	u64 bus;			/* and that on its bus */
};

#define CRASH		S64_MIN		/* or nobody can say */
#define NEW		(S64_MIN + 1)	/* 6.12 has no such call */

/**
 * struct odd - a call with an odd argument
 * @name: what is odd about it
 * @call: makes the call, and boils what comes of it down to a number
 * @stock: what 6.12 answers
 * @ours: what is to come of it
 */
struct odd {
	const char *name;
	s64 (*call)(struct odd_devices *d);
	s64 stock;
	s64 ours;
};

void odd_try(struct kunit *test, const struct odd *odd);

#endif /* _PCI_P2PDMA_ARGUMENTS_H */
