// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe target: attributes of a namespace for data in peer memory.
 *
 * All are read and written under the subsystem's lock.
 *
 * nvmetcli saves and restores the attributes of a namespace whose names begin
 * with device_, so p2pmem, which is older than these, has a second name.
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
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "nvmet.h"

/* Once the path is known, tell at once what could not work. */
static int check_early(struct nvmet_ns *ns, struct pci_dev *provider)
{
	struct nvmet_p2pmem_drives drives;
	struct file *file;
	int error;

	if (!ns->device_path || ns->buffered_io)
		return 0;
	file = bdev_file_open_by_path(ns->device_path, BLK_OPEN_READ, NULL,
				      NULL);
	if (IS_ERR(file))
		return 0;	/* not there yet, or a file: enabling will tell */
	error = nvmet_p2pmem_check_drives(ns, file_bdev(file), &drives);
	if (!error) {
		if (provider)
			error = nvmet_p2pmem_check_provider(ns, provider,
							    &drives);
		nvmet_p2pmem_drives_put(&drives);
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

/*
 * A provider that is not there now may come: so that a configuration can be
 * restored while it is away, the name is all that has to be right.
 */
static int store_named(struct nvmet_ns *ns, const char *name)
{
	struct pci_dev *provider;
	int error;

	error = pci_p2pmem_check_name(name);
	if (error)
		return error;
	provider = pci_p2pmem_find_named(name);
	/* Slots are being reset: it is looked for later. */
	if (IS_ERR(provider))
		return 0;
	if (!provider)
		pr_warn("%s nsid %u: %s has no published peer memory now: data in RAM until it has\n",
			ns->subsys->subsysnqn, ns->nsid, name);
	error = check_early(ns, provider);
	pci_dev_put(provider);
	return error;
}

static int store_p2pmem(struct nvmet_ns *ns, const char *page)
{
	char *name __free(kfree) = NULL;
	struct pci_dev *provider;
	bool on = true;
	int error;

	error = check_disabled(ns, "p2pmem");
	if (error)
		return error;
	if (strchr(page, ':')) {
		size_t len = strlen(page);

		len -= len && page[len - 1] == '\n';
		name = kstrndup(page, len, GFP_KERNEL);
		error = name ? store_named(ns, name) : -ENOMEM;
	} else {
		error = pci_p2pdma_enable_store(page, &provider, &on);
		if (!error && on)
			error = check_early(ns, NULL);
	}
	if (error)
		return error;
	ns->p2pmem.on = on;
	kfree(ns->p2pmem.named);
	ns->p2pmem.named = no_free_ptr(name);
	return 0;
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
		return sysfs_emit(page, "%s\n", ns->p2pmem.named);
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
		pr_err("device_p2pmem_cpu is 0 or 1\n");
		return error;
	}
	guard(mutex)(&ns->subsys->lock);
	error = check_disabled(ns, "device_p2pmem_cpu");
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

struct configfs_attribute nvmet_ns_attr_device_p2pmem = {
	.ca_name	= "device_p2pmem",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= nvmet_ns_p2pmem_show,
	.store		= nvmet_ns_p2pmem_store,
};

struct configfs_attribute nvmet_ns_attr_p2pmem_cpu = {
	.ca_name	= "device_p2pmem_cpu",
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
