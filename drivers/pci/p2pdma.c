// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: registration and lifetime of providers
 *
 * PCI peer-to-peer DMA: registration and lifetime of providers.
 *
 * A driver registers (part of) a BAR with pci_p2pdma_add_resource().  The
 * resource gets struct pages and a pool, and is unregistered at the latest when
 * the driver is unbound.
 *
 * Who owns what.  struct pci_p2pdma (the provider) hangs off pci_dev and owns
 * its resources, each a struct p2pdma_memory; both are created and unlinked
 * under p2pdma_lock, read under RCU and freed after a grace period.  A resource
 * goes when the driver unregisters it, or by a devres action of its own, in
 * reverse order of registration; the first of these unlinks all resources of
 * the device, as its driver is being unbound then.  In this order::
 *
 *	unpublish -> unlink: no new allocation -> remove sysfs: user mappings
 *	go -> wait for allocations and pins -> pages -> pool -> memory
 *
 * For a resource that is not the last, the first and the third are left out.
 *
 * Kernel users that do not give their allocations back hold up the unbinding
 * for ever; that is their bug to fix, the alternative being DMA into memory
 * that belongs to somebody else.  A program holds it up as long as its direct
 * I/O lasts, and that may be until it is killed: one that waits for another
 * page of the same request, for example.
 *
 * A provider stays in D0 until all of that is over: its memory must
 * be there for peers, and a bridge above it that sleeps passes nothing on.
 */
#include <linux/acpi.h>
#include <linux/arm-smccc.h>
#include <linux/cc_platform.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/kvm_para.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pm_runtime.h>
#include <linux/processor.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/security.h>
#include <linux/slab.h>

#ifdef CONFIG_HAVE_ARM_SMCCC_DISCOVERY
#include <asm/hypervisor.h>
#endif

#include "p2pdma/memory.h"
#include "p2pdma/notify.h"
#include "p2pdma/outage.h"
#include "p2pdma/p2pdma.h"
#include "p2pdma/peers.h"
#include "p2pdma/range.h"
#include "p2pdma/sysfs.h"
#include "p2pdma/trace.h"

static struct pci_p2pdma *provider_locked(struct pci_dev *pdev)
{
	return rcu_dereference_protected(pdev->p2pdma,
					 lockdep_is_held(&p2pdma_lock));
}

/* How often removal looks for user mappings, and when it says that it waits */
#define DRAIN_PERIOD	(HZ / 5)
#define DRAIN_WARN	50
#define DRAIN_AGAIN	300

/* ---- registration ---- */

/*
 * Can [@offset, @offset + @size) of BAR @bar be registered?  Turns a size of 0
 * into what is left behind @offset.
 */
static int check_bar(struct pci_dev *pdev, int bar, u64 *size, u64 offset)
{
	struct resource *res;
	u64 len;

	if (bar < 0 || bar >= PCI_STD_NUM_BARS) {
		pci_err(pdev, "cannot register BAR %d: there are BARs 0 to %d\n",
			bar, PCI_STD_NUM_BARS - 1);
		return -EINVAL;
	}
	res = pci_resource_n(pdev, bar);
	len = resource_size(res);
	if (!(res->flags & IORESOURCE_MEM)) {
		pci_err(pdev, "cannot register BAR %d: not a memory BAR\n", bar);
		return -EINVAL;
	}
	if (res->flags & IORESOURCE_UNSET || !res->parent) {
		pci_err(pdev, "cannot register BAR %d: no address assigned\n", bar);
		return -EINVAL;
	}
	if (offset >= len) {
		pci_err(pdev, "cannot register BAR %d from %#llx: it has %#llx bytes\n",
			bar, offset, len);
		return -EINVAL;
	}
	if (!*size)
		*size = len - offset;
	if (*size > len - offset) {
		pci_err(pdev, "cannot register %#llx bytes of BAR %d from %#llx: it has %#llx bytes\n",
			*size, bar, offset, len);
		return -EINVAL;
	}
	return 0;
}

static void memory_page_free(struct p2pdma_backing *backing, u64 offset,
			     bool last)
{
	struct p2pdma_memory *mem =
		container_of(backing, struct p2pdma_memory, backing);

	if (trace_p2pmem_free_enabled())
		trace_p2pmem_free(mem->res.pdev, mem->res.start + offset,
				  PAGE_SIZE);
	if (last && unlikely(READ_ONCE(mem->res.suspect)))
		p2pdma_outage_pages_returned(&mem->res);
	p2pdma_pool_free(&mem->pool, offset, PAGE_SIZE);
}

/* What is known of it without asking anybody but the BAR */
static struct p2pdma_memory *memory_new(struct pci_dev *pdev, int bar,
					phys_addr_t start, u64 size)
{
	struct p2pdma_memory *mem = kzalloc_node(sizeof(*mem), GFP_KERNEL,
						 dev_to_node(&pdev->dev));

	if (!mem)
		return NULL;
	mem->res.pdev = pdev;
	mem->res.start = start;
	mem->res.size = size;
	mem->res.bus_offset = pci_bus_address(pdev, bar) -
				     pci_resource_start(pdev, bar);
	mem->backing.writecombine =
		pci_resource_flags(pdev, bar) & IORESOURCE_PREFETCH;
	mem->backing.page_free = memory_page_free;
	return mem;
}

static struct p2pdma_memory *memory_create(struct pci_dev *pdev, int bar,
					   u64 size, u64 offset, bool pages)
{
	phys_addr_t start = pci_resource_start(pdev, bar) + offset;
	struct p2pdma_memory *mem;
	int error;

	error = pages ? p2pdma_pages_check(pdev, start, size) :
			p2pdma_range_check(pdev, start, size);
	if (error)
		return ERR_PTR(error);

	error = -ENOMEM;
	mem = memory_new(pdev, bar, start, size);
	if (!mem)
		goto print_error;
	/* Also while its driver is already gone: see memory_destroy() */
	error = pm_runtime_resume_and_get(&pdev->dev);
	if (error)
		goto free_mem;
	/* Empty without pages, so that nobody has to know whether there are any */
	error = p2pdma_pool_init(&mem->pool, pages ? size : 0,
				 dev_to_node(&pdev->dev));
	if (error)
		goto put_pm;
	p2pdma_peers_add(&mem->res);
	if (pages)
		error = p2pdma_pages_add(&mem->backing, &mem->res);
	else
		p2pdma_range_init(mem);
	if (error)
		goto remove_peers;
	p2pdma_outage_check_upstream(pdev);
	p2pdma_outage_add(&mem->res);
	p2pdma_memory_add(mem);
	return mem;

remove_peers:
	p2pdma_peers_remove(&mem->res);
	p2pdma_pool_exit(&mem->pool);
put_pm:
	pm_runtime_put(&pdev->dev);
free_mem:
	kfree(mem);
print_error:
	pci_err(pdev, "cannot register BAR %d: error %d\n", bar, error);
	return ERR_PTR(error);
}

/* See memory_drain() */
static void range_drain(struct p2pdma_memory *mem)
{
	struct p2pdma_resource *res = &mem->res;
	phys_addr_t last = res->start + res->size - 1;
	unsigned int tries = 0;

	p2pdma_range_close(mem);
	while (!p2pdma_range_wait(mem, DRAIN_PERIOD))
		if (++tries % DRAIN_AGAIN == DRAIN_WARN)
			pci_warn(res->pdev, "removal waits for the drivers that hold [mem %pa-%pa]\n",
				 &res->start, &last);
}

/*
 * Wait until all of a resource that nobody can find any more has come back.  User
 * mappings are torn down, again and again: see p2pdma_pages_revoke().
 */
static void memory_drain(struct p2pdma_memory *mem)
{
	struct p2pdma_resource *res = &mem->res;
	unsigned int tries = 0;

	p2pdma_pool_close(&mem->pool);
	do {
		p2pdma_pages_revoke(res);
		if (++tries % DRAIN_AGAIN == DRAIN_WARN)
			pci_warn(res->pdev, "removal waits for %llu bytes of peer memory in use: end the programs that do I/O with it\n",
				 res->size -
				 p2pdma_pool_available(&mem->pool));
	} while (!p2pdma_pool_wait(&mem->pool, DRAIN_PERIOD));
}

static void memory_destroy(struct p2pdma_memory *mem)
{
	if (mem->pageless)
		range_drain(mem);
	else
		memory_drain(mem);
	p2pdma_memory_del(mem);
	p2pdma_outage_remove(&mem->res);
	if (mem->pageless)
		p2pdma_range_exit(mem);
	else
		p2pdma_pages_remove(&mem->backing);
	p2pdma_peers_remove(&mem->res);
	p2pdma_pool_exit(&mem->pool);
	pm_runtime_put(&mem->res.pdev->dev);
	kfree_rcu(mem, rcu);
}

/* The first resource of a device: it becomes a provider. */
static int provider_create(struct pci_dev *pdev, struct p2pdma_memory *first)
{
	struct pci_p2pdma *p2pdma;
	int error;

	p2pdma = kzalloc(sizeof(*p2pdma), GFP_KERNEL);
	if (!p2pdma)
		return -ENOMEM;
	p2pdma->pdev = pdev;
	INIT_LIST_HEAD(&p2pdma->resources);
	p2pdma->unvetted = first->unvetted;
	list_add_rcu(&first->node, &p2pdma->resources);

	rcu_assign_pointer(pdev->p2pdma, p2pdma);
	error = p2pdma_sysfs_add(pdev);
	if (error) {
		RCU_INIT_POINTER(pdev->p2pdma, NULL);
		list_del_rcu(&first->node);
		kfree_rcu(p2pdma, rcu);
		return error;
	}
	list_add_tail_rcu(&p2pdma->node, &p2pdma_providers);
	p2pdma_lists_changed();
	return 0;
}

static bool provider_has_pages(const struct pci_p2pdma *p2pdma)
{
	const struct p2pdma_memory *mem;

	lockdep_assert_held(&p2pdma_lock);
	list_for_each_entry(mem, &p2pdma->resources, node)
		if (!mem->pageless)
			return true;
	return false;
}

/* Nobody finds the resource after this and a grace period. */
static void memory_unlink(struct pci_p2pdma *p2pdma, struct p2pdma_memory *mem)
{
	lockdep_assert_held(&p2pdma_lock);
	WRITE_ONCE(mem->unlinked, true);
	list_del_rcu(&mem->node);
	if (!provider_has_pages(p2pdma))
		WRITE_ONCE(p2pdma->published, false);
	p2pdma_lists_changed();
}

/* Nobody finds the provider or a resource of it after this and a grace period. */
static void provider_unlink(struct pci_p2pdma *p2pdma)
{
	struct p2pdma_memory *mem, *next;

	lockdep_assert_held(&p2pdma_lock);
	WRITE_ONCE(p2pdma->published, false);
	list_del_rcu(&p2pdma->node);
	list_for_each_entry_safe(mem, next, &p2pdma->resources, node)
		memory_unlink(p2pdma, mem);
	RCU_INIT_POINTER(p2pdma->pdev->p2pdma, NULL);
}

/* Take an unlinked resource away, and before it @p2pdma, if that is unlinked. */
static void memory_remove(struct p2pdma_memory *mem,
			  struct pci_p2pdma *p2pdma)
{
	if (p2pdma) {
		/* Not under the lock, as it waits for attributes to finish */
		p2pdma_sysfs_remove(mem->res.pdev);
		kfree_rcu(p2pdma, rcu);
	}
	trace_p2pdma_unregister(mem->res.pdev, mem->res.start, mem->res.size);
	p2pdma_notify(PCI_P2PDMA_RESOURCE_REMOVED, mem->res.pdev);
	/* Whoever still looks at the lists is done with them after this. */
	synchronize_rcu();
	memory_destroy(mem);
}

/* Called for each resource of a device; see the top of this file. */
static void memory_release(void *data)
{
	struct p2pdma_memory *mem = data;
	struct pci_dev *pdev = mem->res.pdev;
	struct pci_p2pdma *p2pdma;

	scoped_guard(mutex, &p2pdma_lock) {
		p2pdma = provider_locked(pdev);
		if (p2pdma)
			provider_unlink(p2pdma);
	}
	memory_remove(mem, p2pdma);
	/* What the driver said of the device goes with it. */
	if (p2pdma)
		p2pdma_outage_driver_unbound(pdev);
}

/* ---- virtual machines ---- */

#ifdef CONFIG_X86
static bool is_guest(void)
{
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
}
#else
/*
 * A device tree has a node for the hypervisor (Xen, and KVM on POWER), the FADT
 * of ACPI 6.0 an id of its vendor (sec 5.2.9), which is 0 on bare metal.
 */
static bool firmware_names_hypervisor(void)
{
	struct device_node *node = of_find_node_by_path("/hypervisor");
	bool named = node;

	of_node_put(node);
#ifdef CONFIG_ACPI
	named |= !acpi_disabled && acpi_gbl_FADT.hypervisor_id;
#endif
	return named;
}

/* Where nobody says so it is taken for a machine of its own. */
static bool is_guest(void)
{
#ifdef CONFIG_HAVE_ARM_SMCCC_DISCOVERY
	if (kvm_arm_hyp_service_available(ARM_SMCCC_KVM_FUNC_FEATURES))
		return true;
#endif
	return kvm_para_available() || firmware_names_hypervisor();
}
#endif

/*
 * Say once that there may be another topology below.  A hypervisor shows one of
 * its own: what passes a switch there, or is one function beside another, may be
 * far from each other on the host, and its IOMMU decides.
 */
static void warn_guest(struct pci_dev *pdev)
{
	static unsigned int said;

	if (!is_guest() || xchg(&said, 1))
		return;
	pci_info(pdev, "this is a virtual machine: who reaches this memory is worked out from the virtual topology, and true only if the host's is alike\n");
}

/* Two with pages never meet: see p2pdma_pages_check(). */
static bool overlaps_another(const struct pci_p2pdma *p2pdma,
			     const struct p2pdma_memory *mem)
{
	const struct p2pdma_resource *res = &mem->res;
	const struct p2pdma_memory *other;

	list_for_each_entry(other, &p2pdma->resources, node)
		if (res->start < other->res.start + other->res.size &&
		    other->res.start < res->start + res->size)
			return true;
	return false;
}

/* Show it to everybody.  The first of a device makes that a provider. */
static int link_memory(struct pci_dev *pdev, struct p2pdma_memory *mem)
{
	unsigned int noio = memalloc_noio_save();
	struct pci_p2pdma *p2pdma;
	int error = 0;

	mutex_lock(&p2pdma_lock);
	p2pdma = provider_locked(pdev);
	if (!p2pdma) {
		error = provider_create(pdev, mem);
	} else if (overlaps_another(p2pdma, mem)) {
		error = -EBUSY;
	} else {
		if (mem->unvetted)
			WRITE_ONCE(p2pdma->unvetted, true);
		list_add_tail_rcu(&mem->node, &p2pdma->resources);
		p2pdma_lists_changed();
	}
	mutex_unlock(&p2pdma_lock);
	memalloc_noio_restore(noio);
	return error;
}

static int add_resource(struct pci_dev *pdev, int bar, u64 len, u64 offset,
			bool unvetted, bool pages)
{
	struct p2pdma_memory *mem;
	phys_addr_t last;
	int error;

	/*
	 * phys_to_dma(), page protections and some IOMMU drivers would set the
	 * encryption bit, which is no address bit of a BAR.
	 */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		pci_err(pdev, "cannot register BAR %d: memory encryption is active; boot without it\n",
			bar);
		return -EOPNOTSUPP;
	}
	error = check_bar(pdev, bar, &len, offset);
	if (error)
		return error;
	mem = memory_create(pdev, bar, len, offset, pages);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	mem->unvetted = unvetted;

	/* Before anybody sees the memory: to link it to others cannot fail. */
	error = devm_add_action(&pdev->dev, memory_release, mem);
	if (error)
		goto destroy_mem;
	error = link_memory(pdev, mem);
	if (error)
		goto remove_action;

	last = mem->res.start + mem->res.size - 1;
	pci_info(pdev, "registered BAR %d [mem %pa-%pa] as peer memory%s\n", bar,
		 &mem->res.start, &last, pages ? "" : " without pages");
	warn_guest(pdev);
	p2pdma_notify(PCI_P2PDMA_RESOURCE_ADDED, pdev);
	return 0;

remove_action:
	devm_remove_action(&pdev->dev, memory_release, mem);
	synchronize_rcu();
destroy_mem:
	memory_destroy(mem);
	pci_err(pdev, "cannot register BAR %d: error %d\n", bar, error);
	return error;
}

/*
 * Is the device one of those that its driver was written for?  By driver_override
 * and new_id the administrator gives a driver any device, and what that has in its
 * BARs is no more than a word.
 */
static bool is_known_to_driver(struct pci_dev *pdev)
{
	struct pci_driver *driver = pdev->driver;

	return !driver || pci_match_id(driver->id_table, pdev);
}

/**
 * pci_p2pdma_add_resource - register (part of) a BAR as memory for peers
 * @pdev: device that owns the BAR; its driver is being or has been bound
 * @bar: BAR number, 0 to 5
 * @size: number of bytes, 0 for all from @offset to the end of the BAR
 * @offset: first byte in the BAR
 *
 * Start and size have to be aligned to memremap_compat_align(), usually 2 MiB.
 * A device can register several resources.  They are unregistered when the
 * driver is unbound, or one by one with pci_p2pdma_remove_resource(); that waits
 * for users of the memory.  pci_p2pmem_find_many() does not find it before
 * pci_p2pmem_publish().
 *
 * User programs map what is registered, and read and write all of it: also when
 * the kernel is locked down, where they must not get at the registers of a
 * device.  So a driver may register what it knows to be memory and nothing but
 * memory: no registers or doorbells, and nothing that the device takes for an
 * address or a command, unless the driver itself has allocated those bytes.  If
 * it only has somebody's word for that, pci_p2pdma_add_unvetted_resource() is
 * for it; and it is what happens for a device that is not in the driver's id
 * table, but was given to it by driver_override or new_id.
 *
 * Context: process context, may sleep.
 * Return: 0, or with a line in the log and nothing changed:
 *	-EINVAL if the BAR does not exist, is not memory, has no address, is
 *	too small, or the resource is misaligned;
 *	-ERANGE if the resource is beyond what the kernel can map, or larger than
 *	2^30 pages;
 *	-EBUSY if a part of it has struct pages already;
 *	-EOPNOTSUPP if memory encryption is active;
 *	-EPERM if the kernel is locked down and the device not in the id table;
 *	-ENOMEM if memory is short;
 *	another code from runtime PM, memremap_pages() or sysfs.
 */
int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar, size_t size,
			    u64 offset)
{
	int error;

	if (!is_known_to_driver(pdev))
		return pci_p2pdma_add_unvetted_resource(pdev, bar, size, offset);
	error = add_resource(pdev, bar, size, offset, false, true);
	trace_p2pdma_register(pdev, bar, offset, size, error);
	return error;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_add_resource);

static int add_unvetted(struct pci_dev *pdev, int bar, u64 size, u64 offset,
			bool pages)
{
	int error = security_locked_down(LOCKDOWN_PCI_ACCESS);

	if (!error)
		return add_resource(pdev, bar, size, offset, true, pages);
	pci_err(pdev, "cannot register BAR %d: the kernel is locked down, and its driver does not know that it holds no registers\n",
		bar);
	return error;
}

/**
 * pci_p2pdma_add_unvetted_resource - register what may be no memory
 * @pdev: device that owns the BAR; its driver is being or has been bound
 * @bar: BAR number, 0 to 5
 * @size: number of bytes, 0 for all from @offset to the end of the BAR
 * @offset: first byte in the BAR
 *
 * For drivers that do not know the device and take the administrator's word for
 * what the BAR holds.  If that is registers, the device can be told to do DMA
 * to anywhere, which lockdown forbids (LOCKDOWN_PCI_ACCESS): it is asked here,
 * at each new user mapping, and whenever somebody looks for memory to use, as
 * it may be raised at any time.  What was mapped or chosen before stays, as
 * with resourceN in sysfs.
 *
 * Context: process context, may sleep.
 * Return: as pci_p2pdma_add_resource(), and -EPERM if the kernel is locked down.
 */
int pci_p2pdma_add_unvetted_resource(struct pci_dev *pdev, int bar, size_t size,
				     u64 offset)
{
	int error = add_unvetted(pdev, bar, size, offset, true);

	trace_p2pdma_register(pdev, bar, offset, size, error);
	return error;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_add_unvetted_resource);

/**
 * pcim_p2pdma_add_range - register (part of) a BAR for peers, without struct pages
 * @pdev: device that owns the BAR; its driver is being or has been bound
 * @bar: BAR number, 0 to 5
 * @size: number of bytes, 0 for all from @offset to the end of the BAR
 * @offset: first byte in the BAR
 *
 * For memory that is mapped by its physical address, see pci_p2pdma_range_get():
 * it takes no RAM, whole pages are enough, and the kernel need not be able to map
 * it.  In turn there is no I/O with it: nothing can be allocated of it, and
 * programs cannot map it.  It is unregistered as other resources are, by
 * pci_p2pdma_remove_resource(), too; what a driver may register is the same, see
 * pci_p2pdma_add_resource(), and so is what holds for a device that is not in the
 * driver's id table.
 *
 * Context: process context, may sleep.
 * Return: 0, or with a line in the log and nothing changed:
 *	-EINVAL if the BAR does not exist, is not memory, has no address, is
 *	too small, or the range is not made of whole pages;
 *	-EBUSY if a part of it is registered already;
 *	-EOPNOTSUPP if memory encryption is active;
 *	-EPERM if the kernel is locked down and the device not in the id table;
 *	-ENOMEM if memory is short;
 *	another code from runtime PM or sysfs.
 */
int pcim_p2pdma_add_range(struct pci_dev *pdev, int bar, u64 size, u64 offset)
{
	int error;

	if (is_known_to_driver(pdev))
		error = add_resource(pdev, bar, size, offset, false, false);
	else
		error = add_unvetted(pdev, bar, size, offset, false);
	trace_p2pdma_register(pdev, bar, offset, size, error);
	return error;
}
EXPORT_SYMBOL_GPL(pcim_p2pdma_add_range);

/* The resource that begins at @start; caller holds p2pdma_lock */
static struct p2pdma_memory *memory_at(struct pci_p2pdma *p2pdma,
				       phys_addr_t start)
{
	struct p2pdma_memory *mem;

	list_for_each_entry(mem, &p2pdma->resources, node)
		if (mem->res.start == start)
			return mem;
	return NULL;
}

/**
 * pci_p2pdma_remove_resource - unregister a resource
 * @pdev: its provider; its driver is bound, or being bound or unbound
 * @bar: BAR number, 0 to 5
 * @offset: where the resource begins in the BAR, as it was registered
 *
 * For a driver that goes on without it, and for a remove() or a failing probe()
 * that takes the memory away before devres would.  User mappings of the resource
 * are torn down, and what is allocated or pinned of it is waited for; other
 * resources of the device, and their users, are not touched.  Without its last
 * resource the device is not a provider; if it registers one again, it has to be
 * published again; so it has if it goes on with ranges without pages only.  The
 * driver must not register a resource of the same device while it unregisters
 * what may be the last one, nor any of the memory that is just unregistered.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOENT if no such resource is registered.
 */
int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar, u64 offset)
{
	struct p2pdma_memory *mem = NULL;
	struct pci_p2pdma *p2pdma;
	phys_addr_t last;

	/* What begins behind the BAR, or wraps, may be another BAR's. */
	if (bar < 0 || bar >= PCI_STD_NUM_BARS ||
	    offset >= pci_resource_len(pdev, bar))
		return -ENOENT;
	scoped_guard(mutex, &p2pdma_lock) {
		p2pdma = provider_locked(pdev);
		if (p2pdma)
			mem = memory_at(p2pdma,
					pci_resource_start(pdev, bar) + offset);
		if (!mem)
			return -ENOENT;
		if (list_is_singular(&p2pdma->resources)) {
			provider_unlink(p2pdma);
		} else {
			memory_unlink(p2pdma, mem);
			p2pdma = NULL;
		}
	}
	devm_remove_action(&pdev->dev, memory_release, mem);
	last = mem->res.start + mem->res.size - 1;
	pci_info(pdev, "unregistered BAR %d [mem %pa-%pa]\n", bar,
		 &mem->res.start, &last);
	memory_remove(mem, p2pdma);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_remove_resource);

/**
 * pci_p2pmem_publish - let others find the memory of a device, or stop that
 * @pdev: device; ignored if it is not a provider
 * @publish: whether pci_p2pmem_find_many() may choose it; it never does if nothing
 *	that is registered has struct pages
 *
 * Context: process context, may sleep.
 */
void pci_p2pmem_publish(struct pci_dev *pdev, bool publish)
{
	struct pci_p2pdma *p2pdma;
	bool changed = false;

	scoped_guard(mutex, &p2pdma_lock) {
		p2pdma = provider_locked(pdev);
		if (p2pdma)
			publish &= provider_has_pages(p2pdma);
		if (p2pdma && p2pdma->published != publish) {
			WRITE_ONCE(p2pdma->published, publish);
			changed = true;
		}
	}
	if (changed)
		p2pdma_notify(publish ? PCI_P2PDMA_PUBLISHED :
					PCI_P2PDMA_UNPUBLISHED, pdev);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_publish);

/**
 * pci_has_p2pmem - does a device offer memory to everybody?
 * @pdev: device
 *
 * Context: any.
 * Return: true if it provides memory that is published; of unvetted memory, see
 * pci_p2pdma_add_unvetted_resource(), only while the kernel is not locked down.
 */
bool pci_has_p2pmem(struct pci_dev *pdev)
{
	struct pci_p2pdma *p2pdma;

	guard(rcu)();
	p2pdma = rcu_dereference(pdev->p2pdma);
	return p2pdma && p2pdma_is_published(p2pdma);
}
EXPORT_SYMBOL_GPL(pci_has_p2pmem);
