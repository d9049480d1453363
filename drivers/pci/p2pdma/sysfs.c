// SPDX-License-Identifier: GPL-2.0-only
/*
 * The p2pmem/ attributes of a lending device, and its memory in user space.
 *
 * Attributes run under RCU only, as the lender may go at any time.
 *
 * All mappings belong to one address space of our own, at the offset that is
 * their physical address.  So they can be found and torn down without the file.
 * An mmap() that is about to end when the device goes links its mapping only
 * afterwards, when nobody looks for it any more; therefore removal looks again
 * until all of the memory has come back.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/sysfs.h>

#include "p2pdma.h"

static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *p2pdma;
	u64 size = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (p2pdma)
		list_for_each_entry_rcu(range, &p2pdma->ranges, node)
			size += range->provider.size;
	return sysfs_emit(buf, "%llu\n", size);
}
static DEVICE_ATTR_RO(size);

/*
 * The pools of all ranges together; the largest piece is of one of them.  Holds
 * up allocations for a moment, hence for the administrator only.
 */
static struct p2pdma_pool_stats device_stats(struct device *dev)
{
	struct p2pdma_pool_stats sum = {}, stats;
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *p2pdma;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (!p2pdma)
		return sum;
	list_for_each_entry_rcu(range, &p2pdma->ranges, node) {
		p2pdma_pool_stats(&range->pool, &stats);
		sum.largest = max(sum.largest, stats.largest);
		sum.allocs += stats.allocs;
		sum.failures += stats.failures;
	}
	return sum;
}

static ssize_t available_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *p2pdma;
	u64 free = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (p2pdma)
		list_for_each_entry_rcu(range, &p2pdma->ranges, node)
			free += p2pdma_pool_available(&range->pool);
	return sysfs_emit(buf, "%llu\n", free);
}
static DEVICE_ATTR_RO(available);

static ssize_t largest_free_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", device_stats(dev).largest);
}
static DEVICE_ATTR_ADMIN_RO(largest_free);

static ssize_t allocations_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", device_stats(dev).allocs);
}
static DEVICE_ATTR_ADMIN_RO(allocations);

static ssize_t allocation_failures_show(struct device *dev,
					struct device_attribute *attr,
					char *buf)
{
	return sysfs_emit(buf, "%llu\n", device_stats(dev).failures);
}
static DEVICE_ATTR_ADMIN_RO(allocation_failures);

static ssize_t published_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%d\n", pci_has_p2pmem(to_pci_dev(dev)));
}
static DEVICE_ATTR_RO(published);

/* A mapping that cannot be gets a line in the log that says what to do. */
static int check_mapping(struct pci_dev *pdev, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE)) {
		pci_info_ratelimited(pdev, "p2pmem/allocate: %s: use MAP_SHARED, a private mapping would copy pages to RAM\n",
				     current->comm);
		return -EINVAL;
	}
	if (vma->vm_pgoff) {
		pci_info_ratelimited(pdev, "p2pmem/allocate: %s: use offset 0, each mapping is an allocation of its own\n",
				     current->comm);
		return -EINVAL;
	}
	return 0;
}

/* A mapping may be made writable again: nothing to do, but kernfs asks. */
static vm_fault_t allocate_page_mkwrite(struct vm_fault *vmf)
{
	folio_lock(page_folio(vmf->page));
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct allocate_vm_ops = {
	.page_mkwrite = allocate_page_mkwrite,
};

/* Nothing of the previous owner may show. */
static void clear(void *kaddr, unsigned long len)
{
	void __iomem *io = (void __iomem __force *)kaddr;

	memset_io(io, 0, len);
	/*
	 * The zeros may wait in a buffer of the CPU, and are posted writes,
	 * which those of a peer may overtake.  A read behind them does not
	 * return before they have arrived.
	 */
	mb();
	readl(io + len - sizeof(u32));
}

/*
 * To clear a gigabyte may take a BAR a minute, and the scheduler may be told to
 * make that an hour.  Neither who is killed nor a removal is to wait so long:
 * the latter cannot take the attributes away before mmap() has ended.
 */
static int may_go_on(const struct pci_p2pdma_range *range)
{
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	return READ_ONCE(range->unlinked) ? -ENODEV : 0;
}

static int allocate_mmap(struct file *file, struct kobject *kobj,
			 struct bin_attribute *attr, struct vm_area_struct *vma)
{
	struct pci_dev *pdev = to_pci_dev(kobj_to_dev(kobj));
	unsigned long len = vma->vm_end - vma->vm_start, done = 0, part;
	struct pci_p2pdma_range *range;
	u64 offset;
	int error;

	error = check_mapping(pdev, vma);
	if (error)
		return error;

	range = p2pdma_range_alloc(pdev, len, PAGE_SIZE, &offset);
	if (!range)
		return -ENOMEM;

	/*
	 * No growing by mremap: there is nothing behind the end.  No core dump:
	 * reading a BAR that way may take minutes.
	 */
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &allocate_vm_ops;

	while (done < len) {
		error = may_go_on(range);
		if (error)
			break;
		part = min(len - done, SZ_64K);
		clear(range->backing.kaddr + offset + done, part);
		error = p2pdma_pages_insert(&range->backing, offset, vma, &done,
					    done + part);
		if (error)
			break;
	}
	/* What was mapped comes back when the caller unmaps it. */
	if (error)
		p2pdma_pool_free(&range->pool, offset + done, len - done);
	return error;
}

static struct attribute *p2pmem_attrs[] = {
	&dev_attr_size.attr,
	&dev_attr_available.attr,
	&dev_attr_largest_free.attr,
	&dev_attr_allocations.attr,
	&dev_attr_allocation_failures.attr,
	&dev_attr_published.attr,
	NULL
};

/* Whose mapping all mappings are; never closed */
static struct file *p2pmem_file;

static int __init p2pmem_file_init(void)
{
	static const struct file_operations fops = {};

	p2pmem_file = anon_inode_create_getfile("[p2pmem]", &fops, NULL, O_RDWR,
						NULL);
	return PTR_ERR_OR_ZERO(p2pmem_file);
}
fs_initcall(p2pmem_file_init);	/* before drivers */

static struct address_space *allocate_mapping(void)
{
	return p2pmem_file->f_mapping;
}

/*
 * Each mapping is an allocation; the size is there for languages whose mmap()
 * does not go beyond the end of a file.
 */
static struct bin_attribute allocate_attr = {
	.attr = { .name = "allocate", .mode = 0660 },
	.size = SZ_1T,
	.mmap = allocate_mmap,
	.f_mapping = allocate_mapping,
};

static struct bin_attribute *p2pmem_bin_attrs[] = {
	&allocate_attr,
	NULL
};

static const struct attribute_group p2pmem_group = {
	.name = "p2pmem",
	.attrs = p2pmem_attrs,
	.bin_attrs = p2pmem_bin_attrs,
};

/**
 * p2pdma_sysfs_add - show the lent memory of a device
 * @pdev: device
 *
 * Context: may sleep.
 * Return: 0 or a negative error code.
 */
int p2pdma_sysfs_add(struct pci_dev *pdev)
{
	if (IS_ERR_OR_NULL(p2pmem_file))
		return -ENOMEM;
	return sysfs_create_group(&pdev->dev.kobj, &p2pmem_group);
}

/**
 * p2pdma_sysfs_remove - take the attributes away
 * @pdev: device
 *
 * No new user mapping begins once this returns; p2pdma_sysfs_revoke() is for
 * those that there are.
 *
 * Context: may sleep; waits for attributes that are running.
 */
void p2pdma_sysfs_remove(struct pci_dev *pdev)
{
	sysfs_remove_group(&pdev->dev.kobj, &p2pmem_group);
}

/**
 * p2pdma_sysfs_revoke - tear down the user mappings of a range
 * @provider: the range
 *
 * Accesses raise SIGBUS from now on.  Pins taken through a mapping keep their
 * pages; and an mmap() that is just about to end may be missed, so call it
 * again while pages are out.
 *
 * Context: may sleep.
 */
void p2pdma_sysfs_revoke(struct p2pdma_provider *provider)
{
	if (IS_ERR_OR_NULL(p2pmem_file))
		return;		/* and so nothing was ever mapped */
	unmap_mapping_range(p2pmem_file->f_mapping, provider->start,
			    provider->size, 1);
}
