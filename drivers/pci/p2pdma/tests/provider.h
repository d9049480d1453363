/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Peer memory of devices in a fabric, for the suites that need some.
 */
#ifndef _PCI_P2PDMA_PROVIDER_H
#define _PCI_P2PDMA_PROVIDER_H

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
 * struct provider_state - all that can be seen of a provider from outside
 * @size: bytes that it has registered
 * @available: bytes of these that are free
 * @ranges: number of ranges
 * @awake: number of those who keep it from runtime suspend
 * @registered: it is a provider
 * @published: anybody may find it
 * @group: sysfs has p2pmem/
 * @allocate: and in it the file to map
 */
struct provider_state {
	u64 size;
	u64 available;
	u16 ranges;
	u16 awake;
	u8 registered;
	u8 published;
	u8 group;
	u8 allocate;
};

void provider_register(struct kunit *test, struct fabric_fn *fn);
void *provider_alloc(struct kunit *test, struct fabric_fn *fn, size_t size);
u64 provider_bar_register(const struct fabric_fn *fn);
u64 provider_bus_address(const struct fabric_fn *fn, void *addr);

bool provider_attribute(struct pci_dev *pdev, const char *name);
struct provider_state provider_view(struct pci_dev *pdev);
void provider_expect(struct kunit *test, struct pci_dev *pdev, u32 ranges,
		     u64 size, u64 available);

struct job *job_start(struct kunit *test, void (*fn)(void *data), void *data);
bool job_waits(struct job *job);
bool job_ends(struct job *job);

const struct kernel_param *param_begin(struct kunit *test, const char *name);
int param_say(const struct kernel_param *kp, const char *text);
char *param_said(struct kunit *test, const struct kernel_param *kp);

#endif /* _PCI_P2PDMA_PROVIDER_H */
