// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which devices move the data of a disk, and whether they reach the peer memory
 * of a bio.
 *
 * BLK_FEAT_PCI_P2PDMA says that a queue maps peer memory, not that it has a route
 * to what a bio happens to name.  Whoever sends one bio to several devices has
 * to know before the first of them has it: a mirror that finds out at the
 * second has written half of it.  So a driver whose disk is moved by a device
 * names that in block_device_operations.dma_query, a stacking driver passes the
 * query on to what is below.
 *
 * The answer is that of the verdicts that mappings go by.  It may be another by
 * the time that the data are mapped; then that fails with BLK_STS_TARGET.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/pci-p2pdma.h>
#include <linux/seq_file.h>

#include "blk.h"

/**
 * bdev_dma_query - ask about the devices that move a block device's data
 * @bdev:	block device
 * @query:	the question
 *
 * Context: any; takes no lock that a submitter of bios may hold.
 * Return: true if query->ask() said so of all devices; of several paths to the
 * same data one that is usable, or about to be, is enough, unless
 * query->every_path is set.  Also if there is no path at all now, or the disk has
 * been pulled out: what is submitted waits or fails as it would with data in RAM,
 * and a mirror drops the member for that.  False if the driver
 * does not know, or, with query->peer_memory, if a queue on the way there takes
 * none: what a stack is made of may have changed since its limits were stacked.
 */
bool bdev_dma_query(struct block_device *bdev, struct blk_dma_query *query)
{
	struct gendisk *disk = bdev->bd_disk;

	/* What is submitted to it fails, and says more of it than that it is away */
	if (test_bit(GD_DEAD, &disk->state))
		return true;
	if (query->peer_memory && !blk_queue_pci_p2pdma(disk->queue)) {
		if (query->refuses)
			query->refuses(query, disk);
		return false;
	}
	return disk->fops->dma_query && disk->fops->dma_query(disk, query);
}
EXPORT_SYMBOL_GPL(bdev_dma_query);

struct peer_query {
	struct blk_dma_query query;
	const struct page *page;
	enum dma_data_direction dir;
};

static bool ask_peer(struct blk_dma_query *query, struct device *dev)
{
	const struct peer_query *peer =
		container_of(query, struct peer_query, query);

	return pci_p2pdma_reaches(dev, peer->page, peer->dir);
}

/**
 * bdev_reaches_peer_memory - can a block device take the peer memory of a bio?
 * @bdev:	block device that it, or a clone of it, may be submitted to
 * @bio:	the bio, see bio_has_peer_memory()
 *
 * For those who have a choice of devices, or several to write to.  All that is
 * below @bdev has to reach the memory, whatever part of it the bio is for.
 *
 * Context: any; takes no lock and does not allocate.
 * Return: true if all queues on the way take peer memory, and there are routes to
 * all of @bio's, in the direction that it moves data.
 */
bool bdev_reaches_peer_memory(struct block_device *bdev, struct bio *bio)
{
	const struct dev_pagemap *pgmap = NULL;
	struct peer_query peer = {
		.query = { .ask = ask_peer, .peer_memory = true },
		.dir = op_is_write(bio_op(bio)) ? DMA_TO_DEVICE :
						  DMA_FROM_DEVICE,
	};
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_bvec(bv, bio, iter) {
		/* One provider has all of a bvec, and usually of a bio */
		if (is_pci_p2pdma_page(bv.bv_page) &&
		    bv.bv_page->pgmap != pgmap) {
			pgmap = bv.bv_page->pgmap;
			peer.page = bv.bv_page;
			if (!bdev_dma_query(bdev, &peer.query))
				return false;
		}
		/* To go on costs more than to see that it was the only one */
		if (bv.bv_len == iter.bi_size)
			break;
	}
	/* A queue refuses what is left of a split for what the whole had, be it RAM */
	return pgmap || blk_queue_pci_p2pdma(bdev_get_queue(bdev));
}
EXPORT_SYMBOL_GPL(bdev_reaches_peer_memory);

#ifdef CONFIG_BLK_DEBUG_FS
struct list_query {
	struct blk_dma_query query;
	struct seq_file *m;
};

struct whether_query {
	struct blk_dma_query query;
	struct seq_file *m;
	bool refused;
};

static bool any_device(struct blk_dma_query *query, struct device *dev)
{
	return true;
}

static void show_refusal(struct blk_dma_query *query, struct gendisk *disk)
{
	struct whether_query *whether =
		container_of(query, struct whether_query, query);

	whether->refused = true;
	if (disk == whether->m->private)
		seq_puts(whether->m, "takes peer memory: no\n");
	else
		seq_printf(whether->m,
			   "takes peer memory: no, %s below does not\n",
			   disk->disk_name);
}

static void show_whether(struct seq_file *m, struct gendisk *disk)
{
	struct whether_query whether = {
		.query = {
			.ask = any_device,
			.refuses = show_refusal,
			.every_path = true,
			.peer_memory = true,
		},
		.m = m,
	};

	bdev_dma_query(disk->part0, &whether.query);
	if (!whether.refused)
		seq_puts(m, "takes peer memory: yes\n");
}

static bool list_device(struct blk_dma_query *query, struct device *dev)
{
	struct list_query *list = container_of(query, struct list_query, query);

	seq_printf(list->m, "%s %s\n", dev_bus_name(dev), dev_name(dev));
	return true;
}

/* A driver that does not know its devices names none. */
static int peer_memory_show(struct seq_file *m, void *unused)
{
	struct gendisk *disk = m->private;
	struct list_query list = {
		.query = { .ask = list_device, .every_path = true },
		.m = m,
	};

	show_whether(m, disk);
	bdev_dma_query(disk->part0, &list.query);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(peer_memory);

/**
 * blk_p2pdma_debugfs_register - have debugfs show who moves a disk's data
 * @disk:	disk that is being added, with its folder there
 *
 * "peer_memory" says whether the disk takes peer memory, or what below it does
 * not, and has a line for each device that does DMA for it, below whatever the disk
 * is made of, as "pci 0000:03:00.0".  A device that is there by several ways has a
 * line for each.
 *
 * Context: holds the queue's debugfs_mutex.
 */
void blk_p2pdma_debugfs_register(struct gendisk *disk)
{
	debugfs_create_file("peer_memory", 0400, disk->queue->debugfs_dir, disk,
			    &peer_memory_fops);
}
#endif /* CONFIG_BLK_DEBUG_FS */
