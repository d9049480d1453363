// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe target: attributes of a namespace for data in peer memory.
 *
 * All are read and written under the subsystem's lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/kstrtox.h>
#include <linux/lockdep.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sysfs.h>

#include "nvmet.h"

/* Once the path is known, tell at once what could not work. */
static int check_early(struct nvmet_ns *ns, struct pci_dev *provider)
{
	struct pci_dev *drive;
	struct file *file;
	int error = 0;

	if (!ns->device_path || ns->buffered_io)
		return 0;
	file = bdev_file_open_by_path(ns->device_path, BLK_OPEN_READ, NULL,
				      NULL);
	if (IS_ERR(file))
		return 0;	/* not there yet, or a file: enabling will tell */
	drive = nvmet_p2pmem_check_drive(ns, file_bdev(file));
	if (IS_ERR(drive)) {
		error = PTR_ERR(drive);
	} else {
		if (provider)
			error = nvmet_p2pmem_check_provider(ns, provider,
							    drive);
		pci_dev_put(drive);
	}
	fput(file);
	return error;
}

static int check_disabled(struct nvmet_ns *ns, const char *name)
{
	lockdep_assert_held(&ns->subsys->lock);
	/* While it is being disabled its device or file is open still */
	if (!ns->enabled && !ns->bdev && !ns->file)
		return 0;
	pr_err("%s nsid %u: disable the namespace before setting %s\n",
	       ns->subsys->subsysnqn, ns->nsid, name);
	return -EBUSY;
}

static int store_p2pmem(struct nvmet_ns *ns, const char *page)
{
	struct pci_dev *provider = NULL;
	int error;
	bool on;

	error = check_disabled(ns, "p2pmem");
	if (error)
		return error;
	error = pci_p2pdma_enable_store(page, &provider, &on);
	if (!error && on)
		error = check_early(ns, provider);
	if (!error) {
		ns->p2pmem.on = on;
		ns->p2pmem.named = provider;
		if (provider) {
			ns->p2pmem.domain = pci_domain_nr(provider->bus);
			ns->p2pmem.bdf = pci_dev_id(provider);
		}
	}
	pci_dev_put(provider);
	return error;
}

static ssize_t nvmet_ns_p2pmem_store(struct config_item *item,
				     const char *page, size_t count)
{
	struct nvmet_ns *ns = to_nvmet_ns(item);

	guard(mutex)(&ns->subsys->lock);
	return store_p2pmem(ns, page) ?: count;
}

static ssize_t nvmet_ns_p2pmem_show(struct config_item *item, char *page)
{
	struct nvmet_ns *ns = to_nvmet_ns(item);

	guard(mutex)(&ns->subsys->lock);
	/* As it was set: the device may be away just now */
	if (ns->p2pmem.named)
		return sysfs_emit(page, "%04x:%02x:%02x.%d\n",
				  ns->p2pmem.domain,
				  PCI_BUS_NUM(ns->p2pmem.bdf),
				  PCI_SLOT(ns->p2pmem.bdf),
				  PCI_FUNC(ns->p2pmem.bdf));
	return pci_p2pdma_enable_show(page, NULL, ns->p2pmem.on);
}

static ssize_t nvmet_ns_p2pmem_cpu_store(struct config_item *item,
					 const char *page, size_t count)
{
	struct nvmet_ns *ns = to_nvmet_ns(item);
	bool cpu;
	int error;

	error = kstrtobool(page, &cpu);
	if (error) {
		pr_err("p2pmem_cpu is 0 or 1\n");
		return error;
	}
	guard(mutex)(&ns->subsys->lock);
	error = check_disabled(ns, "p2pmem_cpu");
	if (error)
		return error;
	ns->p2pmem.cpu = cpu;
	return count;
}

static ssize_t nvmet_ns_p2pmem_cpu_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", to_nvmet_ns(item)->p2pmem.cpu);
}

static ssize_t nvmet_ns_p2pmem_stats_show(struct config_item *item, char *page)
{
	struct nvmet_ns *ns = to_nvmet_ns(item);

	guard(mutex)(&ns->subsys->lock);
	return nvmet_p2pmem_print(ns, page);
}

struct configfs_attribute nvmet_ns_attr_p2pmem = {
	.ca_name	= "p2pmem",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= nvmet_ns_p2pmem_show,
	.store		= nvmet_ns_p2pmem_store,
};

struct configfs_attribute nvmet_ns_attr_p2pmem_cpu = {
	.ca_name	= "p2pmem_cpu",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= nvmet_ns_p2pmem_cpu_show,
	.store		= nvmet_ns_p2pmem_cpu_store,
};

struct configfs_attribute nvmet_ns_attr_p2pmem_stats = {
	.ca_name	= "p2pmem_stats",
	.ca_mode	= 0444,
	.ca_owner	= THIS_MODULE,
	.show		= nvmet_ns_p2pmem_stats_show,
};
