/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which devices a view has: by address, class, driver or NUMA node.
 */
#ifndef _P2PTOPO_SELECT_H
#define _P2PTOPO_SELECT_H

#include "show.h"

#define MAX_FILTERS	256

enum filter_kind { BY_BDF, BY_CLASS, BY_DRIVER, BY_NUMA, FILTERS };

/* An empty list of a kind lets all pass.  What is no address may be a block device. */
struct filter {
	enum filter_kind kind;
	const char *text;
	bool by_name;
	struct stack stack;
	u32 domain;
	u16 bdf;
	unsigned int class, shift;
	int node;
};

/**
 * struct selection - what the command line asks for
 * @all: all functions but those that lead to another bus
 * @filter: or those that pass
 * @num: number of filters
 */
struct selection {
	bool all;
	struct filter filter[MAX_FILTERS];
	unsigned int num;
};

void selection_add(struct selection *selection, enum filter_kind kind, const char *text);
void selection_choose(struct selection *selection, struct view *view);
bool device_matters(const struct pci_dev *pdev);

bool parse_number(const char *text, unsigned int base, unsigned long *number);
bool has_segment(const char *address);
bool find_segment(const struct machine *machine, const char *address, u32 *domain, u16 bdf);
void wrong(const char *what, const char *value, const char *expected)
	__attribute__((noreturn));

#endif /* _P2PTOPO_SELECT_H */
