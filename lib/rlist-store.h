/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How ranges are stored; for the files of range lists only.
 *
 * An entry is one word, if the range starts and ends at page boundaries:
 *
 *	63  62     59  58         40  39                    0
 *	+---+--------+--------------+------------------------+
 *	| 0 | source |   pages - 1  |      page frame        |
 *	+---+--------+--------------+------------------------+
 *
 * and two words, if it does not, is of more pages, or lies higher:
 *
 *	+---+--------+---------------------------------------+
 *	| 1 | source |        bytes                          |
 *	+---+--------+---------------------------------------+
 *	|        address of the first byte                   |
 *	+----------------------------------------------------+
 *
 * The two words of an entry are in one chunk.  What adjoins, of one source, is one
 * entry if it may be, so that nobody has to look whether the next one goes on.
 */
#ifndef _LIB_RLIST_STORE_H
#define _LIB_RLIST_STORE_H

#include <linux/bits.h>
#include <linux/pfn.h>
#include <linux/rlist.h>
#include <linux/string.h>

#define RLIST_WIDE		BIT_ULL(63)
#define RLIST_SOURCE_SHIFT	59
#define RLIST_SOURCE_MASK	(RLIST_SOURCES - 1)
#define RLIST_PAGES_SHIFT	40
#define RLIST_PAGES_MAX		BIT(19)
#define RLIST_PFN_MASK		GENMASK_ULL(39, 0)
#define RLIST_PAGES_MASK	GENMASK_ULL(58, RLIST_PAGES_SHIFT)
#define RLIST_LEN_MASK		GENMASK_ULL(RLIST_SOURCE_SHIFT - 1, 0)

/**
 * struct rlist_chunk - some of the entries
 * @next: those that follow
 * @used: words with entries in them
 * @size: words
 * @word: the entries
 */
struct rlist_chunk {
	struct rlist_chunk *next;
	u32 used;
	u32 size;
	u64 word[];
};

int rlist_store_add(struct rlist_store *store, u64 start, u64 len,
		    unsigned int source, bool merge, gfp_t gfp);
void rlist_store_free(struct rlist_store *store);

static inline void rlist_store_init(struct rlist_store *store)
{
	memset(store, 0, sizeof(*store));
}

static inline unsigned int rlist_word_source(u64 word)
{
	return word >> RLIST_SOURCE_SHIFT & RLIST_SOURCE_MASK;
}

static inline u64 rlist_word_pages(u64 word)
{
	return (word >> RLIST_PAGES_SHIFT & (RLIST_PAGES_MAX - 1)) + 1;
}

static inline u64 rlist_word(u64 pfn, u64 pages, unsigned int source)
{
	return (u64)source << RLIST_SOURCE_SHIFT |
	       (pages - 1) << RLIST_PAGES_SHIFT | pfn;
}

static inline void rlist_cursor_enter(struct rlist_cursor *cursor,
				      const struct rlist_chunk *chunk)
{
	cursor->chunk = chunk;
	cursor->pos = chunk ? chunk->word : NULL;
	cursor->end = chunk ? chunk->word + chunk->used : NULL;
}

/* Returns false at the end; else the source is returned, too. */
static __always_inline bool rlist_cursor_next(struct rlist_cursor *cursor,
					      u64 *start, u64 *len,
					      unsigned int *source)
{
	u64 word;

	if (unlikely(cursor->pos == cursor->end)) {
		if (!cursor->chunk || !cursor->chunk->next)
			return false;
		rlist_cursor_enter(cursor, cursor->chunk->next);
	}
	word = *cursor->pos++;
	*source = rlist_word_source(word);
	if (likely(!(word & RLIST_WIDE))) {
		*start = (word & RLIST_PFN_MASK) << PAGE_SHIFT;
		*len = rlist_word_pages(word) << PAGE_SHIFT;
	} else {
		*len = word & RLIST_LEN_MASK;
		*start = *cursor->pos++;
	}
	return true;
}

/* ---- what a list is like ---- */

/* Which source a resource is; sum->sources if there is nothing of it yet */
static inline unsigned int rlist_summary_find(const struct rlist_summary *sum,
					      struct p2pdma_resource *peer)
{
	unsigned int i;

	if (likely(!peer))
		return 0;
	for (i = 1; i < sum->sources; i++)
		if (sum->source[i].peer == peer)
			break;
	return i;
}

/* The same, with it; -E2BIG if there are too many of them */
static inline int rlist_summary_source(struct rlist_summary *sum,
				       struct p2pdma_resource *peer)
{
	unsigned int i = rlist_summary_find(sum, peer);

	if (i < sum->sources)
		return i;
	if (i == RLIST_SOURCES)
		return -E2BIG;
	sum->source[i] = (struct rlist_source) { .peer = peer };
	sum->sources++;
	return i;
}

static inline void rlist_summary_init(struct rlist_summary *sum)
{
	sum->bytes = 0;
	sum->ragged = false;
	sum->sources = 1;
	sum->source[0] = (struct rlist_source) { };
}

static inline void rlist_summary_add(struct rlist_summary *sum, int source,
				     phys_addr_t start, u64 len)
{
	struct rlist_source *from = &sum->source[source];

	sum->bytes += len;
	sum->ragged |= !!offset_in_page(start | len);
	from->last = max_t(phys_addr_t, from->last, start + len - 1);
	from->spanned += round_up(offset_in_page(start) + len, (u64)PAGE_SIZE);
}

/**
 * rlist_summary_of - what the ranges are like
 * @cpu: the ranges
 * @own: space for it, if it is not stored with them
 * @error: set to -E2BIG if they are of too many sources, else 0
 *
 * Return: the summary.
 */
static inline const struct rlist_summary *
rlist_summary_of(const struct rlist_cpu *cpu, struct rlist_summary *own,
		 int *error)
{
	*error = 0;
	if (likely(cpu->kind == RLIST_LIST))
		return &cpu->list->sum;
	*error = rlist_summarize(cpu, own);
	return own;
}

#endif /* _LIB_RLIST_STORE_H */
