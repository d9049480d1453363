// SPDX-License-Identifier: GPL-2.0-only
/*
 * The p2pmem/ attributes of a provider, and its memory in user space.
 *
 * Attributes run under RCU only, as the provider may go at any time.
 */
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/sysfs.h>

#include "memory.h"
#include "p2pdma.h"
#include "sysfs.h"

static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	u64 size = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (p2pdma)
		list_for_each_entry_rcu(mem, &p2pdma->resources, node)
			size += mem->pageless ? 0 : mem->res.size;
	return sysfs_emit(buf, "%llu\n", size);
}
static DEVICE_ATTR_RO(size);

/*
 * The pools of all resources together; the largest free run is in one of them.  Holds
 * up allocations for a moment, hence for the administrator only.
 */
static struct p2pdma_pool_stats device_stats(struct device *dev)
{
	struct p2pdma_pool_stats sum = {}, stats;
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (!p2pdma)
		return sum;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		p2pdma_pool_stats(&mem->pool, &stats);
		sum.largest = max(sum.largest, stats.largest);
		sum.allocs += stats.allocs;
		sum.failures += stats.failures;
	}
	return sum;
}

static ssize_t available_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	u64 free = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	if (p2pdma)
		list_for_each_entry_rcu(mem, &p2pdma->resources, node)
			free += p2pdma_pool_available(&mem->pool);
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
	struct pci_p2pdma *p2pdma;

	guard(rcu)();
	p2pdma = rcu_dereference(to_pci_dev(dev)->p2pdma);
	return sysfs_emit(buf, "%d\n", p2pdma && p2pdma_is_published(p2pdma));
}
static DEVICE_ATTR_RO(published);

/* A mapping that cannot be gets a line in the log that says what to do. */
static int check_shared(struct pci_dev *pdev, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE)) {
		pci_info_ratelimited(pdev, "p2pmem/allocate: %s: use MAP_SHARED, a private mapping would copy pages to RAM\n",
				     current->comm);
		return -EINVAL;
	}
	return 0;
}

static int check_offset(struct pci_dev *pdev, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff) {
		pci_info_ratelimited(pdev, "p2pmem/allocate: %s: use offset 0, each mapping is an allocation of its own\n",
				     current->comm);
		return -EINVAL;
	}
	return 0;
}

/* See pci_p2pdma_add_unvetted_resource(): it may have been raised since. */
static int check_lockdown(struct pci_dev *pdev,
			  const struct p2pdma_memory *mem)
{
	int error = mem->unvetted && p2pdma_locked_down() ? -EPERM : 0;

	if (error)
		pci_info_ratelimited(pdev, "p2pmem/allocate: %s: the kernel is locked down, and its driver does not know that this memory holds no registers\n",
				     current->comm);
	return error;
}

/* Nothing of the previous owner may show. */
static void clear_memory(void *kaddr, unsigned long len)
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
static int mmap_interrupted(const struct p2pdma_memory *mem)
{
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	return READ_ONCE(mem->unlinked) ? -ENODEV : 0;
}

static int unreachable_error(struct pci_dev *pdev)
{
	if (pci_dev_is_disconnected(pdev))
		return -ENODEV;
	pci_info_ratelimited(pdev, "p2pmem/allocate: %s: the memory cannot be reached now: try again when the device has been reset, or recovered\n",
			     current->comm);
	return -EREMOTEIO;
}

/* There is none, or there was none for the moment. */
static int alloc_error(struct pci_dev *pdev, unsigned long since)
{
	/* An outage stops the pool before it shows in the number. */
	return pci_p2pdma_reachable(pdev) && pci_p2pmem_intact(pdev, since) ?
		       -ENOMEM : unreachable_error(pdev);
}

/*
 * What is mapped belongs to the mapping, and comes back when that is unmapped,
 * also if this fails later; what is not, here.
 */
static int map_cleared(struct pci_dev *pdev, struct p2pdma_memory *mem,
		       u64 offset, struct vm_area_struct *vma,
		       unsigned long since)
{
	unsigned long len = vma->vm_end - vma->vm_start, done = 0, part;
	int error = 0;

	while (done < len) {
		error = mmap_interrupted(mem);
		if (error)
			break;
		part = min(len - done, SZ_64K);
		clear_memory(mem->backing.kaddr + offset + done, part);
		/* Or the zeros may be lost. */
		if (!pci_p2pmem_intact(pdev, since))
			error = unreachable_error(pdev);
		else
			error = p2pdma_pages_insert(&mem->backing, offset,
						    vma, &done, done + part,
						    since);
		if (error)
			break;
		/*
		 * An outage that has begun and ended meanwhile has marked pages
		 * that it could count.  Pairs with suspect_pages(): either it
		 * has counted these, or it is seen here.
		 */
		smp_mb();
		if (!pci_p2pmem_intact(pdev, since)) {
			error = unreachable_error(pdev);
			break;
		}
	}
	if (error && done < len)
		p2pdma_pool_free(&mem->pool, offset + done, len - done);
	return error;
}

/* Without @vm_ops it is a driver's own file, in whose place ours comes. */
static int allocate_and_map(struct pci_dev *pdev, struct vm_area_struct *vma,
			    const struct vm_operations_struct *vm_ops)
{
	static const struct vm_operations_struct no_ops = {};
	unsigned long len = vma->vm_end - vma->vm_start;
	unsigned long since = pci_p2pdma_outages();
	struct p2pdma_memory *mem;
	u64 offset;
	int error;

	error = check_shared(pdev, vma);
	if (error)
		return error;
	mem = p2pdma_memory_alloc(pdev, len, PAGE_SIZE, &offset);
	if (!mem)
		return alloc_error(pdev, since);
	error = check_lockdown(pdev, mem);
	if (error) {
		p2pdma_pool_free(&mem->pool, offset, len);
		return error;
	}

	/*
	 * No growing by mremap: there is nothing behind the end.  No core dump:
	 * reading a BAR that way may take minutes.
	 */
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (!vm_ops)
		p2pdma_pages_set_file(vma);
	vma->vm_ops = vm_ops ?: &no_ops;
	return map_cleared(pdev, mem, offset, vma, since);
}

/**
 * pci_p2pmem_mmap - allocate peer memory for a mapping of a driver's own file
 * @pdev: provider
 * @vma: what the file's mmap() was called with; as long as the allocation
 *
 * Does what an mmap() of p2pmem/allocate does, published or not: the memory is
 * cleared, and of the same type for the program as for the kernel.  It belongs
 * to the mapping, and to whoever pins pages of it, and comes back from them page
 * by page; an outage, or that the resource is unregistered, tears the mapping
 * down.  To find it then it has to be of the core's own file: @vma->vm_file is
 * not the driver's any more, nor are its vm_ops, and @vma->vm_pgoff is the
 * number of the first page frame.  So the driver's file may be released before
 * the mapping ends.  If there was nothing to allocate, @vma is as it was.  The
 * offset that the program asked for is the driver's business.
 *
 * Context: process context, may sleep.  Called by mmap(), with the mmap lock held
 * for writing.
 * Return: 0, or what mmap() is to fail with:
 *	-EINVAL if the mapping is private;
 *	-ENOMEM if @pdev provides nothing, or nothing of that size is free;
 *	-EREMOTEIO if the memory cannot be reached now;
 *	-ENODEV if the device or the resource goes;
 *	-EPERM if the memory is unvetted and the kernel locked down;
 *	-EINTR if the program is killed;
 *	another code from vm_insert_page().
 */
int pci_p2pmem_mmap(struct pci_dev *pdev, struct vm_area_struct *vma)
{
	return allocate_and_map(pdev, vma, NULL);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_mmap);

/* A mapping may be made writable again: nothing to do, but kernfs asks. */
static vm_fault_t allocate_page_mkwrite(struct vm_fault *vmf)
{
	folio_lock(page_folio(vmf->page));
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct allocate_vm_ops = {
	.page_mkwrite = allocate_page_mkwrite,
};

static int allocate_mmap(struct file *file, struct kobject *kobj,
			 struct bin_attribute *attr, struct vm_area_struct *vma)
{
	struct pci_dev *pdev = to_pci_dev(kobj_to_dev(kobj));
	int error = check_offset(pdev, vma);

	return error ?: allocate_and_map(pdev, vma, &allocate_vm_ops);
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

/*
 * Each mapping is an allocation; the size is there for languages whose mmap()
 * does not go beyond the end of a file.
 */
static struct bin_attribute allocate_attr = {
	.attr = { .name = "allocate", .mode = 0660 },
	.size = SZ_1T,
	.mmap = allocate_mmap,
	.f_mapping = p2pdma_pages_mapping,
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
 * p2pdma_sysfs_add - show the peer memory of a device
 * @pdev: device
 *
 * Context: may sleep.
 * Return: 0 or a negative error code.
 */
int p2pdma_sysfs_add(struct pci_dev *pdev)
{
	if (!p2pdma_pages_mapping())
		return -ENOMEM;
	return sysfs_create_group(&pdev->dev.kobj, &p2pmem_group);
}

/**
 * p2pdma_sysfs_remove - take the attributes away
 * @pdev: device
 *
 * No new user mapping begins once this returns; p2pdma_pages_revoke() is for
 * those that there are.
 *
 * Context: may sleep; waits for attributes that are running.
 */
void p2pdma_sysfs_remove(struct pci_dev *pdev)
{
	sysfs_remove_group(&pdev->dev.kobj, &p2pmem_group);
}
