/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Range lists: physical memory, and what a device sees of it, without a
 * scatterlist.
 *
 * See Documentation/core-api/rlist.rst.
 */
#ifndef _LINUX_RLIST_H
#define _LINUX_RLIST_H

#include <linux/bvec.h>
#include <linux/dma-direction.h>
#include <linux/gfp_types.h>
#include <linux/types.h>

struct device;
struct p2pdma_resource;
struct page;
struct pci_dev;
struct rlist_chunk;
struct scatterlist;

/* Resources of providers that one list may have memory of, besides RAM */
#define RLIST_PEERS		7
#define RLIST_SOURCES		(1 + RLIST_PEERS)

/**
 * struct rlist_range - a stretch of physical memory
 * @start: CPU physical address of the first byte
 * @len: bytes, not 0
 * @peer: what it is a part of; NULL for RAM.  A handle: to compare, no more.
 */
struct rlist_range {
	phys_addr_t start;
	u64 len;
	struct p2pdma_resource *peer;
};

/**
 * struct rlist_phys - an entry of an array of physical ranges
 * @start: CPU physical address of the first byte
 * @len: bytes, not 0
 */
struct rlist_phys {
	phys_addr_t start;
	u64 len;
};

/* ---- private: what the structures below are made of ---- */

/*
 * What of a list comes from one source: @peer is NULL for RAM, @last the highest
 * address of a byte, @spanned the bytes of all pages that ranges touch, counted
 * once for each range.
 */
struct rlist_source {
	struct p2pdma_resource *peer;
	phys_addr_t last;
	u64 spanned;
};

/*
 * What mapping asks of a list before it looks at a range.  @ragged: not all of it
 * are whole pages.  source[0] is RAM, also where there is none.
 */
struct rlist_summary {
	u64 bytes;
	bool ragged;
	unsigned int sources;
	struct rlist_source source[RLIST_SOURCES];
};

/*
 * Entries in chunks, see lib/rlist-store.h.  @tail: the last entry, @end: where
 * the range in it ends, @hint: words that are still to come, @bytes: allocated.
 */
struct rlist_store {
	struct rlist_chunk *first;
	struct rlist_chunk *last;
	u64 *tail;
	u64 end;
	unsigned int hint;
	size_t bytes;
};

/* Where a walk through a store is */
struct rlist_cursor {
	const struct rlist_chunk *chunk;
	const u64 *pos;
	const u64 *end;
};

enum rlist_kind {
	RLIST_LIST,
	RLIST_PAGES,
	RLIST_BVEC,
	RLIST_SG,
	RLIST_PHYS,
};

/* ---- the list ---- */

/**
 * struct rlist - a list of physical ranges
 *
 * All members are private: see rlist_init().  It owns its entries, and holds no
 * reference on the memory that they are about, but for what
 * pin_user_pages_rlist() has pinned.
 *
 * Who fills it sees to it that nobody else looks at it meanwhile.  Nothing but
 * filling and freeing changes it: it may be walked and mapped by any number of
 * CPUs, for any number of devices at once.
 */
struct rlist {
	/* private: */
	struct rlist_store store;
	struct rlist_summary sum;
};

/**
 * struct rlist_cpu - ranges, in whatever they are stored
 *
 * All members are private.  It points to the storage, which has to stay as it is
 * while there is a walk or a DMA mapping; nothing is allocated, there is nothing
 * to free.
 */
struct rlist_cpu {
	/* private: */
	enum rlist_kind kind;
	unsigned int count;
	union {
		const struct rlist *list;
		struct page *const *pages;
		const struct bio_vec *bvec;
		struct scatterlist *sgl;
		const struct rlist_phys *phys;
	};
	union {
		struct bvec_iter bvec_iter;
		struct {
			unsigned int offset;
			u64 len;
		};
		struct p2pdma_resource *peer;
	};
};

/**
 * struct rlist_iter - a walk through the ranges of a struct rlist_cpu
 *
 * All members are private: see rlist_begin().  It may be copied, to go back.
 */
struct rlist_iter {
	/* private: */
	const struct rlist_cpu *cpu;
	union {
		struct rlist_cursor cursor;
		struct bvec_iter bvec_iter;
		struct {
			struct scatterlist *sg;
			unsigned int index;
			unsigned int offset;
			u64 left;
		};
	};
};

void rlist_init(struct rlist *list);
void rlist_reserve(struct rlist *list, unsigned int ranges);
void rlist_free(struct rlist *list);
int rlist_add_pages(struct rlist *list, struct page *const *pages,
		    unsigned int offset, u64 len, gfp_t gfp);
int rlist_add_phys(struct rlist *list, phys_addr_t start, u64 len,
		   struct pci_dev *provider, gfp_t gfp);
int rlist_add(struct rlist *list, const struct rlist_cpu *cpu, gfp_t gfp);
size_t rlist_memory(const struct rlist *list);
int pin_user_pages_rlist(unsigned long start, size_t len,
			 unsigned int gup_flags, struct rlist *list);
void unpin_user_pages_rlist(struct rlist *list, bool dirty);

void rlist_cpu_list(struct rlist_cpu *cpu, const struct rlist *list);
void rlist_cpu_pages(struct rlist_cpu *cpu, struct page *const *pages,
		     unsigned int offset, u64 len);
void rlist_cpu_bvec(struct rlist_cpu *cpu, const struct bio_vec *bvec,
		    struct bvec_iter iter);
void rlist_cpu_sg(struct rlist_cpu *cpu, struct scatterlist *sgl,
		  unsigned int nents);
int rlist_cpu_phys(struct rlist_cpu *cpu, const struct rlist_phys *phys,
		   unsigned int count, struct pci_dev *provider);

void rlist_begin(struct rlist_iter *it, const struct rlist_cpu *cpu);
bool rlist_next(struct rlist_iter *it, struct rlist_range *range);
bool rlist_intact(const struct rlist_cpu *cpu, unsigned long since);
int rlist_summarize(const struct rlist_cpu *cpu, struct rlist_summary *sum);

/**
 * rlist_bytes - how much memory a list is about
 * @list: the list
 *
 * Context: any.
 * Return: the sum of the lengths of all ranges, in bytes.
 */
static inline u64 rlist_bytes(const struct rlist *list)
{
	return list->sum.bytes;
}

static inline struct rlist_iter *rlist_start(struct rlist_iter *it,
					     const struct rlist_cpu *cpu)
{
	rlist_begin(it, cpu);
	return it;
}

/**
 * rlist_for_each - walk through ranges
 * @it: struct rlist_iter to use
 * @cpu: struct rlist_cpu with the ranges
 * @range: struct rlist_range that each of them is put into
 *
 * Ranges that adjoin may come as one or as several.
 */
#define rlist_for_each(it, cpu, range)					\
	for (struct rlist_iter *__it = rlist_start(it, cpu);		\
	     rlist_next(__it, range);)

/* ---- what a device sees ---- */

/**
 * struct rlist_dma_range - a stretch of what a device sees
 * @addr: DMA address of the first byte
 * @len: bytes, not 0
 */
struct rlist_dma_range {
	dma_addr_t addr;
	u64 len;
};

/* @single below: it is all of the IOVA range, and there is nothing beside it */
enum rlist_dma_how {
	RLIST_DMA_NOT,		/* not mapped */
	RLIST_DMA_OFFSET,	/* as the CPU has it, but for an offset */
	RLIST_DMA_IOVA,		/* one IOVA range, and bus addresses beside it */
	RLIST_DMA_EACH,		/* addresses of their own, in a store */
};

/* DMA address minus physical address; @bus: no IOMMU is involved */
struct rlist_dma_source {
	struct p2pdma_resource *peer;
	u64 offset;
	bool bus;
};

/**
 * struct rlist_dma - ranges that are mapped for a device
 *
 * All members are private: see dma_map_rlist().  The memory and its storage have
 * to stay until dma_unmap_rlist().
 */
struct rlist_dma {
	/* private: */
	struct rlist_cpu cpu;
	enum rlist_dma_how how;
	enum dma_data_direction dir;
	unsigned long attrs;
	u64 bytes;
	dma_addr_t iova;
	u64 iova_len;
	bool single;
	unsigned int sources;
	struct rlist_dma_source source[RLIST_SOURCES];
	struct rlist_store store;
};

/**
 * struct rlist_dma_iter - a walk through what a device sees
 *
 * All members are private: see rlist_dma_begin().  It may be copied, to go back.
 */
struct rlist_dma_iter {
	/* private: */
	const struct rlist_dma *dma;
	struct rlist_iter it;
	dma_addr_t iova;
	struct rlist_dma_range ahead;
	unsigned int ahead_source;
	bool simple;
	bool single;
	bool blocks;
	bool ragged;
	struct rlist_dma_range rest;
};

/**
 * struct rlist_dma_limits - what a device takes as one segment
 * @max_len: bytes, not 0
 * @boundary: a segment does not go across a multiple of this plus 1, as
 *	dma_get_seg_boundary() has it; all ones for no limit
 */
struct rlist_dma_limits {
	u64 max_len;
	u64 boundary;
};

int dma_map_rlist(struct device *dev, const struct rlist_cpu *cpu,
		  struct rlist_dma *dma, enum dma_data_direction dir,
		  unsigned long attrs, gfp_t gfp);
void dma_unmap_rlist(struct device *dev, struct rlist_dma *dma);
void dma_sync_rlist_for_cpu(struct device *dev, const struct rlist_dma *dma);
void dma_sync_rlist_for_device(struct device *dev, const struct rlist_dma *dma);

void rlist_dma_begin(struct rlist_dma_iter *it, const struct rlist_dma *dma);
bool rlist_dma_next(struct rlist_dma_iter *it, struct rlist_dma_range *range);
bool rlist_dma_next_segment(struct rlist_dma_iter *it,
			    const struct rlist_dma_limits *limits,
			    struct rlist_dma_range *range);
int rlist_dma_block_shift(const struct rlist_dma *dma, unsigned long sizes);
long rlist_dma_blocks(struct rlist_dma_iter *it, unsigned int shift,
		      dma_addr_t *addr, unsigned long count);

/**
 * rlist_dma_bytes - how much of the memory is mapped: all of it
 * @dma: what dma_map_rlist() has set up
 *
 * Context: any.
 * Return: bytes.
 */
static inline u64 rlist_dma_bytes(const struct rlist_dma *dma)
{
	return dma->bytes;
}

static inline struct rlist_dma_iter *
rlist_dma_start(struct rlist_dma_iter *it, const struct rlist_dma *dma)
{
	rlist_dma_begin(it, dma);
	return it;
}

/**
 * rlist_dma_for_each - walk through what a device sees
 * @it: struct rlist_dma_iter to use
 * @dma: struct rlist_dma, mapped
 * @range: struct rlist_dma_range that each stretch is put into
 *
 * Stretches are as long as possible.
 */
#define rlist_dma_for_each(it, dma, range)				\
	for (struct rlist_dma_iter *__it = rlist_dma_start(it, dma);	\
	     rlist_dma_next(__it, range);)

#endif /* _LINUX_RLIST_H */
