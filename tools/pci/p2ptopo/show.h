/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers as people and programs read them.
 */
#ifndef _P2PTOPO_SHOW_H
#define _P2PTOPO_SHOW_H

#include <stdio.h>

#include "answer.h"
#include "stack.h"

/* How the IOMMU is taken to be set up */
enum iommu { IOMMU_NOT_KNOWN, IOMMU_ON, IOMMU_PT, IOMMU_OFF };

struct comparison;

/**
 * struct view - what is to be shown
 * @machine: of what
 * @pdev: devices of the matrix
 * @num: their number
 * @answers: client by client, @num for each
 * @iommu: mode of the IOMMU
 * @source: where the machine comes from
 * @here: it is this one, and nothing else was said of it
 * @policy: what is said of its host bridges, NULL if nothing is
 * @policy_open: something may be, and is not in the input
 * @cpu_doubt: the CPU that was given is another than host bridges speak of
 * @kernel: what the running kernel says, NULL if it is not about this machine
 * @stacks: block devices that are made of others
 * @num_stacks: their number
 */
struct view {
	struct machine *machine;
	struct pci_dev **pdev;
	unsigned int num;
	struct answer *answers;
	enum iommu iommu;
	const char *source;
	bool here;
	const char *policy;
	bool policy_open;
	bool cpu_doubt;
	struct comparison *kernel;
	struct stack *stacks;
	unsigned int num_stacks;
};

extern const char * const iommu_names[];

/* Room for words on all the ports that are noted, and for what is to be written to each */
#define ADVICE		8192

/* What could be done about a route, apart from words */
struct advice {
	char why[ADVICE];
	char change[ADVICE];
	struct p2pdma_remedy remedy;
	struct p2pdma_obstacles found;
};

void advise(const struct answer *answer, enum cpu cpu, struct advice *advice);
bool ids_unread(const struct p2pdma_root *root);
const char *reading_text(const struct view *view, const struct answer *answer);
const char *cpu_settles(const struct view *view, const struct answer *answer);
void show_notes(const struct view *view, bool by_root);
char *misreading_kernel(const struct machine *machine);
const char *dma_text(const struct view *view, const struct answer *answer,
		     unsigned int map);
const char *pdev_text(char *text, const struct pci_dev *pdev);
const char *port_text(char *text, const struct p2pdma_verdict *verdict);
const char *type_text(const struct pci_dev *pdev);
const char *reason_code(const struct p2pdma_verdict *verdict);
unsigned int climb_path(struct pci_dev *pdev, struct pci_dev **path,
			unsigned int room);
bool acs_control(struct pci_dev *pdev, u16 *ctrl);
void acs_text(char *text, size_t size, struct pci_dev *pdev);

void show_matrix(const struct view *view);
void show_explanation(const struct view *view, const struct answer *answer);
void show_stack(const struct stack *stack);
void show_stack_sum(const struct stack *stack, const struct answer *answers);
bool view_has(const struct view *view, const struct stack *stack);
void json_matrix(const struct view *view);
void json_explanation(const struct view *view, const struct answer *answer);

/* kernel.c: what the running kernel itself says of a pair, where it does */
struct kernel_says {
	bool asked;		/* it has such a thing */
	bool differs;
	char line[512];
};

/**
 * struct comparison - the same of all pairs of a view
 * @pairs: their number
 * @asked: number of pairs that the kernel was asked about
 * @differ: of these, those that it says something else of
 * @first: what it says of the first of them
 */
struct comparison {
	unsigned int pairs, asked, differ;
	char first[512];
};

void kernel_ask(const struct answer *answer, struct kernel_says *says);
void kernel_compare(const struct view *view, struct comparison *comparison);

#endif /* _P2PTOPO_SHOW_H */
