/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lent memory of devices in a fabric, for the suites that need some.
 */
#ifndef _PCI_P2PDMA_LENT_H
#define _PCI_P2PDMA_LENT_H

#include <linux/completion.h>
#include <linux/moduleparam.h>
#include <linux/workqueue.h>

#include "fabric.h"

/**
 * struct job - something that may have to wait, beside the test
 * @work: runs it
 * @done: it has ended
 * @fn: what to do
 * @data: passed to @fn
 */
struct job {
	struct work_struct work;
	struct completion done;
	void (*fn)(void *data);
	void *data;
};

/**
 * struct lent_sight - all that can be seen of a lender from outside
 * @size: bytes that it lends
 * @available: bytes of these that are free
 * @ranges: number of ranges
 * @awake: number of those who keep it from runtime suspend
 * @lends: it is a lender
 * @published: anybody may find it
 * @group: sysfs has p2pmem/
 * @allocate: and in it the file to map
 */
struct lent_sight {
	u64 size;
	u64 available;
	u16 ranges;
	u16 awake;
	u8 lends;
	u8 published;
	u8 group;
	u8 allocate;
};

void lent_add(struct kunit *test, struct fabric_fn *fn);
void *lent_take(struct kunit *test, struct fabric_fn *fn, size_t size);
u64 lent_bar_register(const struct fabric_fn *fn);
u64 lent_bus_address(const struct fabric_fn *fn, void *addr);

bool lent_attribute(struct pci_dev *pdev, const char *name);
struct lent_sight lent_look(struct pci_dev *pdev);
void lent_expect(struct kunit *test, struct pci_dev *pdev, u32 ranges,
		 u64 size, u64 available);

struct job *job_start(struct kunit *test, void (*fn)(void *data), void *data);
bool job_waits(struct job *job);
bool job_ends(struct job *job);

const struct kernel_param *param_begin(struct kunit *test, const char *name);
int param_say(const struct kernel_param *kp, const char *text);
char *param_said(struct kunit *test, const struct kernel_param *kp);

#endif /* _PCI_P2PDMA_LENT_H */
