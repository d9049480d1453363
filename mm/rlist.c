// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory, pinned into a range list.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/rlist.h>
#include <linux/sched/signal.h>

/* Pages that are pinned at a time: what a page has room for */
#define BATCH		(PAGE_SIZE / sizeof(struct page *))

static unsigned long pages_of(unsigned long offset, u64 len)
{
	return len ? PFN_UP(offset + len) : 0;
}

/* Returns the bytes that are pinned and in the list, or an error. */
static ssize_t pin_some(unsigned long start, size_t len, unsigned int gup_flags,
			struct rlist *list, struct page **pages)
{
	unsigned long offset = offset_in_page(start), added;
	u64 before = rlist_bytes(list);
	long pinned;
	int error;

	pinned = min_t(size_t, BATCH, pages_of(offset, len));
	pinned = pin_user_pages_fast(start - offset, pinned, gup_flags, pages);
	if (pinned <= 0)
		return pinned ?: -EFAULT;
	len = min_t(size_t, len, pinned * PAGE_SIZE - offset);
	error = rlist_add_pages(list, pages, offset, len, GFP_KERNEL);
	if (!error)
		return len;
	/* The list has some of them: those are unpinned with it. */
	added = pages_of(offset, rlist_bytes(list) - before);
	unpin_user_pages(pages + added, pinned - added);
	return error;
}

/**
 * pin_user_pages_rlist - pin user memory into a list
 * @start: user address of the first byte
 * @len: bytes, not 0
 * @gup_flags: FOLL_* as for pin_user_pages_fast(): FOLL_WRITE if a device is to
 *	write there, FOLL_PCI_P2PDMA if it may be peer memory
 * @list: empty list; has ranges of nothing else, until
 *	unpin_user_pages_rlist()
 *
 * Context: process context, of the process that the memory belongs to; may sleep,
 * and takes mmap_lock.
 * Return: 0, and all of it is pinned; else nothing is, and the list is empty:
 * -EINVAL if @len is 0 or wraps around, -EINTR if there is a fatal signal, -E2BIG if it is
 * peer memory of more than RLIST_PEERS resources, -ENOMEM, or what
 * pin_user_pages_fast() returns.
 */
int pin_user_pages_rlist(unsigned long start, size_t len,
			 unsigned int gup_flags, struct rlist *list)
{
	unsigned long last;
	struct page **pages;
	ssize_t done;

	if (!len || check_add_overflow(start, len - 1, &last))
		return -EINVAL;
	pages = (struct page **)__get_free_page(GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (; len; start += done, len -= done) {
		done = fatal_signal_pending(current) ? -EINTR :
			pin_some(start, len, gup_flags, list, pages);
		if (done < 0)
			break;
		cond_resched();
	}
	free_page((unsigned long)pages);
	if (!len)
		return 0;
	unpin_user_pages_rlist(list, false);
	return done;
}
EXPORT_SYMBOL_GPL(pin_user_pages_rlist);

/**
 * unpin_user_pages_rlist - unpin what is in a list, and empty it
 * @list: what pin_user_pages_rlist() has filled; not mapped any more
 * @dirty: a device has written there
 *
 * Context: process context, may sleep.
 */
void unpin_user_pages_rlist(struct rlist *list, bool dirty)
{
	struct rlist_range range;
	struct rlist_cpu cpu;
	struct rlist_iter it;

	rlist_cpu_list(&cpu, list);
	rlist_for_each(&it, &cpu, &range)
		/* Peer memory is never written back */
		unpin_user_page_range_dirty_lock(pfn_to_page(PHYS_PFN(range.start)),
						 pages_of(offset_in_page(range.start),
							  range.len),
						 dirty && !range.peer);
	rlist_free(list);
}
EXPORT_SYMBOL_GPL(unpin_user_pages_rlist);
