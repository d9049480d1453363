// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe target: the PCI functions that move the data of a namespace's block
 * device.
 *
 * A drive has one, a mirror one for each member, a drive with several ports one
 * for each path.  Memory is of use if all of them reach it.  They come and go
 * while the block device stays, so they are asked for again each time that
 * memory is chosen.
 *
 * A function is held from when it is found: one that is off the bus lets go of
 * its parent, which a choice would still walk to.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/container_of.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#include "nvmet.h"

/* The PCI function that does the DMA of a device on top of it, NULL if none */
static struct pci_dev *pci_function(struct device *dev)
{
	while (dev && !dev_is_pci(dev))
		dev = dev->parent;
	return dev ? to_pci_dev(dev) : NULL;
}

/**
 * nvmet_p2pmem_function_get - hold the PCI function behind a device
 * @dev: the device, or NULL
 *
 * The way from a virtual function begins at its physical one, which it does not
 * hold any more when it is off the bus.
 *
 * Context: any; the caller keeps @dev registered.
 * Return: the function, for nvmet_p2pmem_function_put(); NULL if there is none.
 */
struct pci_dev *nvmet_p2pmem_function_get(struct device *dev)
{
	struct pci_dev *function = pci_function(dev);

	if (function && function->is_virtfn)
		pci_dev_get(pci_physfn(function));
	return pci_dev_get(function);
}

/**
 * nvmet_p2pmem_function_put - undo nvmet_p2pmem_function_get()
 * @function: what that returned
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_function_put(struct pci_dev *function)
{
	struct pci_dev *physfn =
		function && function->is_virtfn ? pci_physfn(function) : NULL;

	pci_dev_put(function);
	pci_dev_put(physfn);
}

/**
 * nvmet_p2pmem_drives_have - is a device one of them?
 * @drives: functions of a block device
 * @function: the device
 *
 * Return: true if it is.
 */
bool nvmet_p2pmem_drives_have(const struct nvmet_p2pmem_drives *drives,
			      const struct pci_dev *function)
{
	unsigned int i;

	for (i = 0; i < drives->count; i++)
		if (drives->function[i] == function)
			return true;
	return false;
}

struct drives_query {
	struct blk_dma_query query;
	struct nvmet_p2pmem_drives *drives;
};

static bool drives_add(struct blk_dma_query *query, struct device *dev)
{
	struct nvmet_p2pmem_drives *drives =
		container_of(query, struct drives_query, query)->drives;
	struct pci_dev *function = pci_function(dev);

	if (!function)
		return false;
	if (nvmet_p2pmem_drives_have(drives, function))
		return true;
	if (drives->count == NVMET_P2PMEM_DRIVES)
		return false;
	drives->function[drives->count++] = nvmet_p2pmem_function_get(dev);
	return true;
}

/* All functions below a block device, or none if one of them is not known */
static void drives_find(struct nvmet_p2pmem_drives *drives,
			struct block_device *bdev)
{
	struct drives_query all = {
		.query.ask = drives_add,
		.query.every_path = true,
		.drives = drives,
	};

	drives->count = 0;
	if (!bdev_dma_query(bdev, &all.query))
		nvmet_p2pmem_drives_put(drives);
}

/**
 * nvmet_p2pmem_drives_put - let go of the functions of a block device
 * @drives: the functions; there are none then
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_drives_put(struct nvmet_p2pmem_drives *drives)
{
	while (drives->count)
		nvmet_p2pmem_function_put(drives->function[--drives->count]);
}

/**
 * nvmet_p2pmem_drives_update - have another look at which functions there are
 * @drives: those that there were
 * @bdev: their block device
 *
 * While one is away whose data another path or member has, there are fewer.
 * Where none is known, it stays at those that there were.
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_drives_update(struct nvmet_p2pmem_drives *drives,
				struct block_device *bdev)
{
	struct nvmet_p2pmem_drives now;

	drives_find(&now, bdev);
	if (!now.count)
		return;
	nvmet_p2pmem_drives_put(drives);
	*drives = now;
}

/**
 * nvmet_p2pmem_check_drives - can data on a block device be in peer memory at
 * all?
 * @ns: namespace that is to be on it
 * @bdev: the block device
 * @drives: takes its functions, for nvmet_p2pmem_drives_put()
 *
 * Context: may sleep.
 * Return: 0, or -EOPNOTSUPP after a line in the log.
 */
int nvmet_p2pmem_check_drives(struct nvmet_ns *ns, struct block_device *bdev,
			      struct nvmet_p2pmem_drives *drives)
{
	const char *why;

	drives_find(drives, bdev);
	if (!blk_queue_pci_p2pdma(bdev_get_queue(bdev)))
		why = "takes no peer memory";
	else if (!drives->count)
		why = "is not made of up to 16 PCI devices alone";
	else if (bdev_is_zoned(bdev))
		why = "is zoned";
	else if (bdev_integrity_reads_data(bdev, REQ_OP_READ) ||
		 bdev_integrity_reads_data(bdev, REQ_OP_WRITE))
		why = "has the CPU compute protection information, see its integrity/";
	else
		return 0;
	pr_err("%s nsid %u: no p2pmem: %s %s\n", ns->subsys->subsysnqn,
	       ns->nsid, ns->device_path, why);
	nvmet_p2pmem_drives_put(drives);
	return -EOPNOTSUPP;
}

/**
 * nvmet_p2pmem_check_provider - do the drives reach the memory of a device?
 * @ns: namespace on the drives
 * @provider: device that the administrator named
 * @drives: the functions of its block device
 *
 * Context: may sleep.
 * Return: 0 if they do, or may when an outage has ended; or -EREMOTEIO after
 * lines in the log, one for each that does not.
 */
int nvmet_p2pmem_check_provider(struct nvmet_ns *ns, struct pci_dev *provider,
				const struct nvmet_p2pmem_drives *drives)
{
	unsigned long since = pci_p2pdma_outages();
	struct device *clients[NVMET_P2PMEM_DRIVES];
	unsigned int i;

	for (i = 0; i < drives->count; i++)
		clients[i] = &drives->function[i]->dev;
	if (pci_p2pdma_distance_many(provider, clients, i, true) >= 0)
		return 0;
	/* As with one that is absent: whether they do is seen when it is back. */
	if (!pci_p2pmem_intact(provider, since)) {
		pr_info("%s nsid %u: p2pmem: %s cannot be reached now: its memory is used when it can\n",
			ns->subsys->subsysnqn, ns->nsid, pci_name(provider));
		return 0;
	}
	pr_err("%s nsid %u: no p2pmem: %s cannot reach the memory of %s\n",
	       ns->subsys->subsysnqn, ns->nsid, ns->device_path,
	       pci_name(provider));
	return -EREMOTEIO;
}
