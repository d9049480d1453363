// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peer memory and arrays: whether one takes it, and what becomes of a write that
 * only some of its members have taken.
 *
 * An array takes peer memory if its personality never looks at the data with the
 * CPU, and while all members that it writes to take it.  That is for programs to
 * know; what a bio meets is decided for each one.  A mirror asks its members
 * before it submits the first clone, see bdev_reaches_peer_memory(), and the bio
 * fails if one of them has no route to the memory: it is on all of them or on
 * none.
 *
 * A route may be withdrawn, or the memory be out of reach, between that question
 * and the DMA.  Then some members have the data and others have not, or nobody
 * knows what they have.  That is no fault of theirs: none of them is failed, no
 * block is marked bad, nothing is tried again.  The write fails, and members are
 * made equal again by a resync of where it was: mddev.differs_from is where the
 * first such place begins.  Until that sync begins the array is not clean,
 * so a crash has the same end, and reads from there on go to one member only, as
 * they do while it goes on.
 *
 * Lock: mddev.lock protects differs_from against other writers.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/rculist.h>

#include "md.h"
#include "md-bitmap.h"

/* Is it one that writes go to? */
static bool rdev_is_written(struct md_rdev *rdev)
{
	return rdev->raid_disk >= 0 && !test_bit(Faulty, &rdev->flags) &&
	       !test_bit(Journal, &rdev->flags);
}

/* Why the array takes no peer memory whatever its members do, NULL if it does */
static const char *array_refusal(struct mddev *mddev)
{
	if (mddev->peer_refusal)
		return mddev->peer_refusal;
	if (mddev_is_clustered(mddev))
		return "other nodes write to it";
	if (mddev->bitmap_info.max_write_behind)
		return "write-behind has the CPU copy it";
	return NULL;
}

/*
 * Set or clear the feature in the array's limits.  Where a member has it and the
 * array has not, the log says why, once for each change.
 */
static void stack_p2pdma(struct mddev *mddev, struct queue_limits *lim)
{
	const char *why = array_refusal(mddev);
	struct md_rdev *rdev, *lacks = NULL;
	bool any = false;

	rdev_for_each(rdev, mddev) {
		if (!rdev_is_written(rdev))
			continue;
		if (blk_queue_pci_p2pdma(bdev_get_queue(rdev->bdev)))
			any = true;
		else
			lacks = rdev;
	}
	lim->features &= ~BLK_FEAT_PCI_P2PDMA;
	if (any && !lacks && !why)
		lim->features |= BLK_FEAT_PCI_P2PDMA;
	else if (any && why && mddev->peer_told != why)
		pr_info("md/%s: takes no peer memory: %s\n", mdname(mddev),
			why);
	else if (any && lacks && !mddev->peer_told)
		pr_info("md/%s: takes no peer memory: %pg does not\n",
			mdname(mddev), lacks->bdev);
	mddev->peer_told = why ?: lacks ? "a member" : NULL;
}

/**
 * mddev_stack_p2pdma - say in an array's limits whether it takes peer memory
 * @mddev: array that is about to run
 * @lim: its limits, stacked from those of its members
 * @refusal: why its personality cannot take it, or NULL if that only passes bios
 *	on, and asks all members before it writes to several
 */
void mddev_stack_p2pdma(struct mddev *mddev, struct queue_limits *lim,
			const char *refusal)
{
	mddev->peer_refusal = refusal;
	mddev->peer_told = NULL;
	stack_p2pdma(mddev, lim);
}
EXPORT_SYMBOL_GPL(mddev_stack_p2pdma);

/**
 * mddev_update_p2pdma - members of an array have come, gone or failed
 * @mddev: array
 *
 * Context: may sleep; reconfig_mutex is held.
 */
void mddev_update_p2pdma(struct mddev *mddev)
{
	struct queue_limits lim;
	bool had;

	if (mddev_is_dm(mddev) || !mddev->gendisk)
		return;
	lim = queue_limits_start_update(mddev->gendisk->queue);
	had = lim.features & BLK_FEAT_PCI_P2PDMA;
	stack_p2pdma(mddev, &lim);
	if (had == !!(lim.features & BLK_FEAT_PCI_P2PDMA))
		queue_limits_cancel_update(mddev->gendisk->queue);
	else if (queue_limits_commit_update(mddev->gendisk->queue, &lim))
		pr_warn("md/%s: cannot change whether it takes peer memory\n",
			mdname(mddev));
}

/**
 * md_dma_query - block_device_operations.dma_query of arrays
 * @disk: the array
 * @query: the question
 *
 * Context: any.
 * Return: true if it is answered so by all members that are written to.
 */
bool md_dma_query(struct gendisk *disk, struct blk_dma_query *query)
{
	struct mddev *mddev = disk->private_data;
	struct md_rdev *rdev;
	bool said = false;

	rcu_read_lock();
	rdev_for_each_rcu(rdev, mddev) {
		if (!rdev_is_written(rdev))
			continue;
		said = bdev_dma_query(rdev->bdev, query);
		if (!said)
			break;
	}
	rcu_read_unlock();
	return said;
}

/**
 * md_members_differ - a write did not reach all members, or nobody knows
 * @mddev: array, which the write still holds
 * @sector: where it began
 * @sectors: how long it was
 *
 * To be called before md_write_end(), so that the array cannot be marked clean
 * in between.
 *
 * Context: the array's thread.
 */
void md_members_differ(struct mddev *mddev, sector_t sector, sector_t sectors)
{
	unsigned int shift;

	spin_lock(&mddev->lock);
	WRITE_ONCE(mddev->differs_from, min(mddev->differs_from, sector));
	spin_unlock(&mddev->lock);
	if (mddev->bitmap) {
		shift = ilog2(mddev->bitmap_info.chunksize) - SECTOR_SHIFT;
		mddev->bitmap_ops->dirty_bits(mddev, sector >> shift,
					      (sector + sectors - 1) >> shift);
	}
	pr_warn_ratelimited("md/%s: a write of peer memory at sector %llu was refused half-way: resync\n",
			    mdname(mddev), (unsigned long long)sector);
	set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
	md_wakeup_thread(mddev->thread);
}
EXPORT_SYMBOL_GPL(md_members_differ);

/**
 * md_resync_what_differs - begin a resync where a write was refused half-way
 * @mddev: array
 *
 * Context: reconfig_mutex is held, and no sync thread is running: one that is
 * would end by saying that all is in sync.
 *
 * Return: whether there was one. The array could not be marked clean so far.
 */
bool md_resync_what_differs(struct mddev *mddev)
{
	bool differs;

	spin_lock(&mddev->lock);
	differs = mddev->differs_from != MaxSector;
	if (mddev->differs_from < mddev->resync_offset) {
		mddev->resync_offset = mddev->differs_from;
		set_bit(MD_SB_CHANGE_CLEAN, &mddev->sb_flags);
	}
	WRITE_ONCE(mddev->differs_from, MaxSector);
	spin_unlock(&mddev->lock);
	return differs;
}
