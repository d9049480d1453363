/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's code says of a client and a provider, and how sure that is.
 *
 * The question is asked for each CPU that it may be, and, where the walk meets
 * something that is not in the input, in each world of shim/pci.h.  What comes out
 * the same is certain, whatever is not in the input.
 */
#ifndef _P2PTOPO_ANSWER_H
#define _P2PTOPO_ANSWER_H

#include "machine.h"

#include "explain.h"

#define ASKED		16U	/* things not in the input that are named at most */
#define ASKED_TEXT	(PATH_MAX + 256)	/* room for words on one */

/* What is not in the input and has no bit in shim/pci.h */
#define UNREAD_IDS	BIT(8)	/* which host bridge it is */
#define UNREAD_TOP	BIT(10)	/* whether another device stands for it */
#define UNREAD_NUMBERS	BIT(11)	/* which of the bus numbers that contradict are right */

/* Which CPU it is taken to be */
enum cpu { CPU_AS_IT_IS, CPU_OTHER = CPU_AS_IT_IS, CPU_ZEN, CPUS };

/**
 * struct answer - one pair
 * @client: function that would do DMA
 * @provider: function whose memory it is
 * @verdict: for each CPU it may be: in the first world
 * @possible: for each CPU and direction: a bit for each map type in any world
 * @vague: maps are the same in all worlds, but what decides is not
 * @num_asked: number of things that matter and are not in the input; may be
 *	more than there are in @asked
 * @asked: the first of these
 */
struct answer {
	struct pci_dev *client, *provider;
	struct p2pdma_verdict verdict[CPUS];
	u8 possible[CPUS][P2PDMA_ACCESSES];
	bool vague;
	unsigned int num_asked;
	struct asked {
		const struct pci_dev *pdev;
		unsigned int what;
	} asked[ASKED];
};

/* Of an answer: how it comes to be what it is */
enum certainty {
	CERTAIN,
	IF_CPU,			/* it depends on the CPU, and on nothing else */
	UNKNOWN,		/* it depends on what is not in the input */
};

void answer_all(const struct machine *machine, struct answer *answers,
		unsigned int num);
unsigned int answer_packet(const struct answer *answer, enum pci_p2pdma_tlp tlp);
enum certainty answer_certainty(const struct answer *answer);
unsigned int answer_map(const struct answer *answer, enum p2pdma_access access);
bool answer_by_root(const struct answer *answer);
bool root_is_open(const struct pci_dev *end);
void answer_cpu(const struct machine *machine, enum cpu cpu);
const char *asked_text(char *text, const struct asked *asked);

extern const char * const map_names[];

#endif /* _P2PTOPO_ANSWER_H */
