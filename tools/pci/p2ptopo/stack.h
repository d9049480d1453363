/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block devices, and the PCI functions below them.
 */
#ifndef _P2PTOPO_STACK_H
#define _P2PTOPO_STACK_H

#include "machine.h"

#define BLOCK_NAME	64

/**
 * struct stack - a block device and what it is made of
 * @name: as in /sys/class/block
 * @kind: level of an array, name of a device-mapper device, "multipath", or "disk"
 * @below: names of the devices that it is made of, with a blank between; "" for
 *	a disk
 * @num: number of @pdev
 * @pdev: functions on which it is at last, each once, in the order of addresses
 * @elsewhere: some of it is on none
 */
struct stack {
	char name[BLOCK_NAME];
	char *kind, *below;
	unsigned int num;
	struct pci_dev **pdev;
	bool elsewhere;
};

bool stack_find(const struct machine *machine, const char *text, struct stack *stack);
unsigned int stack_all(const struct machine *machine, struct stack **stacks);
void stack_free(struct stack *stack);
bool stack_has(const struct stack *stack, const struct pci_dev *pdev);

#endif /* _P2PTOPO_STACK_H */
