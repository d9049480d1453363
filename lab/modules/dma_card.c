// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network card for the lab: a PCI function without a purpose of its own (edu)
 * is the DMA device of rxe or siw, whose data the CPU moves in its name.
 *
 * The addresses in work requests then are DMA addresses, as the DMA API made
 * them for that function.  Memory is reached by these alone: what a card could
 * not reach, the driver does not either.  An address is, in this order,
 *
 *  - in a BAR, if that is a resource of P2PDMA: a switch sends it to the peer;
 *  - an IOVA, if the function's domain translates: a peer's page or RAM;
 *  - a physical address of RAM.
 *
 * Everything else is an error, which completes the work request.  That an
 * address is a resource of P2PDMA is what the struct pages say; which address
 * a BAR has is what the PCI core says; P2PDMA is not asked.
 *
 * debugfs has dma_card/BDF: bytes by use and kind of address, and failures; and
 * dma_card/instruction: the address of the one instruction that is the DMA of all
 * cards in peer memory, so that QEMU can tell it from what else CPUs do there.
 * That does not hold for what dma_card_ptr() has been asked for.
 *
 * Lifetimes.  remove() unregisters the RDMA devices of the function before it
 * frees the card, so the card is there while one of them is.  The table of
 * areas is replaced as a whole and read under RCU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "dma_card.h"

static char dma_device[32];
module_param_string(dma_device, dma_device, sizeof(dma_device), 0644);
MODULE_PARM_DESC(dma_device, "BDF of the card of the next RDMA device; empty: none, the CPU moves its data");

static unsigned int mr_pages;
module_param(mr_pages, uint, 0644);
MODULE_PARM_DESC(mr_pages, "Longest page list of a memory region of the next RDMA device; 0: as many as it has");

static unsigned int delay_us;
module_param(delay_us, uint, 0644);
MODULE_PARM_DESC(delay_us, "What a RDMA READ stores in peer memory arrives so much later than its completion");

enum kind { KIND_PEER, KIND_PEER_IOVA, KIND_RAM, KINDS };

static const char * const kind_names[] = {
	[KIND_PEER]		= "peer",
	[KIND_PEER_IOVA]	= "peer_iova",
	[KIND_RAM]		= "ram",
};

static const char * const use_names[] = {
	[DMA_CARD_SEND]		= "send",
	[DMA_CARD_RECV]		= "recv",
	[DMA_CARD_WRITE]	= "write",
	[DMA_CARD_READ]		= "read",
	[DMA_CARD_REMOTE_WRITE]	= "remote_write",
	[DMA_CARD_REMOTE_READ]	= "remote_read",
};

struct dma_card {
	struct pci_dev *pdev;
	struct dentry *file;
	atomic64_t bytes[DMA_CARD_USES][KINDS];
	atomic64_t failed;
};

/* ---- what is where ---- */

struct area {
	u64 first;		/* as a device addresses it */
	u64 last;
	phys_addr_t phys;
	bool ram;
};

struct areas {
	struct rcu_head rcu;
	unsigned int count;
	struct area area[] __counted_by(count);
};

#define MOST_AREAS	256

static DEFINE_MUTEX(areas_lock);
static struct areas __rcu *areas;

static void add_area(struct areas *new, u64 first, u64 size, phys_addr_t phys,
		     bool ram)
{
	if (WARN_ON(new->count == MOST_AREAS))
		return;
	new->count++;
	new->area[new->count - 1] = (struct area){
		.first = first, .last = first + size - 1, .phys = phys,
		.ram = ram,
	};
}

static int add_ram(struct resource *res, void *new)
{
	add_area(new, res->start, resource_size(res), res->start, true);
	return 0;
}

static void add_bars(struct areas *new, struct pci_dev *pdev)
{
	struct resource *res;
	int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		res = pci_resource_n(pdev, i);
		if (resource_type(res) == IORESOURCE_MEM && res->parent)
			add_area(new, pci_bus_address(pdev, i),
				 resource_size(res), res->start, false);
	}
}

static int look_around(void)
{
	struct pci_dev *pdev = NULL;
	struct areas *new, *old;

	new = kzalloc(struct_size(new, area, MOST_AREAS), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	for_each_pci_dev(pdev)
		add_bars(new, pdev);
	walk_iomem_res_desc(IORES_DESC_NONE,
			    IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1, new,
			    add_ram);

	guard(mutex)(&areas_lock);
	old = rcu_replace_pointer(areas, new, lockdep_is_held(&areas_lock));
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

static int device_came(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	if (action == BUS_NOTIFY_ADD_DEVICE || action == BUS_NOTIFY_BOUND_DRIVER)
		WARN_ON(look_around());
	return NOTIFY_DONE;
}

static struct notifier_block bus_notifier = {
	.notifier_call = device_came,
};

/* What an address is in: RAM, or a BAR */
static bool find_area(u64 addr, bool ram, struct area *found)
{
	struct areas *all;
	unsigned int i;

	guard(rcu)();
	all = rcu_dereference(areas);
	for (i = 0; i < all->count; i++) {
		if (all->area[i].ram != ram || addr < all->area[i].first ||
		    addr > all->area[i].last)
			continue;
		*found = all->area[i];
		return true;
	}
	return false;
}

/* The page map of a resource of P2PDMA, with a reference */
static struct dev_pagemap *peer_pagemap(phys_addr_t phys)
{
	struct dev_pagemap *pgmap = get_dev_pagemap(PHYS_PFN(phys), NULL);

	if (pgmap && pgmap->type != MEMORY_DEVICE_PCI_P2PDMA) {
		put_dev_pagemap(pgmap);
		pgmap = NULL;
	}
	return pgmap;
}

struct place {
	struct page *page;
	unsigned int offset;
	enum kind kind;
	struct dev_pagemap *pgmap;	/* keeps the page of a peer */
};

static bool set_place(struct place *place, phys_addr_t phys, enum kind kind)
{
	struct area area;

	if (kind == KIND_RAM) {
		if (!find_area(phys, true, &area))
			return false;
		place->pgmap = NULL;
	} else {
		place->pgmap = peer_pagemap(phys);
		if (!place->pgmap)
			return false;
	}
	place->page = pfn_to_page(PHYS_PFN(phys));
	place->offset = offset_in_page(phys);
	place->kind = kind;
	return true;
}

/* Follow a DMA address to memory, as switches and the IOMMU would */
static bool resolve(struct dma_card *card, u64 addr, struct place *place)
{
	struct iommu_domain *domain;
	struct area area;
	phys_addr_t phys;

	if (find_area(addr, false, &area))
		return set_place(place, addr - area.first + area.phys,
				 KIND_PEER);

	domain = iommu_get_domain_for_dev(&card->pdev->dev);
	if (!domain || domain->type == IOMMU_DOMAIN_IDENTITY)
		return set_place(place, addr, KIND_RAM);

	phys = iommu_iova_to_phys(domain, addr);
	if (!phys)
		return false;
	return set_place(place, phys, find_area(phys, true, &area) ?
			 KIND_RAM : KIND_PEER_IOVA);
}

static struct dma_card *card_of(struct ib_device *ib)
{
	return dev_get_drvdata(ib->dma_device);
}

static int cannot_reach(struct dma_card *card, u64 addr, enum dma_card_use use)
{
	atomic64_inc(&card->failed);
	dev_warn_ratelimited(&card->pdev->dev, "%s: %#llx is no memory\n",
			     use_names[use], addr);
	return -EFAULT;
}

/* ---- data ---- */

/* The address of move()'s instruction */
extern const char dma_card_move[];

/* There is only one of it, and nobody else comes by: memcpy() is everybody's. */
static noinline __noclone void move(void *to, const void *from, size_t length)
{
	asm volatile(".globl dma_card_move\n"
		     "dma_card_move: rep movsb"
		     : "+D" (to), "+S" (from), "+c" (length) : : "memory");
}

static void copy(struct place *place, void *buffer, size_t length, bool store)
{
	void *memory = kmap_local_page(place->page) + place->offset;

	if (place->kind == KIND_RAM && store)
		memcpy(memory, buffer, length);
	else if (place->kind == KIND_RAM)
		memcpy(buffer, memory, length);
	else if (store)
		move(memory, buffer, length);
	else
		move(buffer, memory, length);
	kunmap_local(memory);
}

/*
 * Stores to peer memory that are on their way.  The work request has completed
 * as if they had arrived; what they hit when they do may be another command's.
 */
struct late_store {
	struct delayed_work work;
	struct place place;
	size_t length;
	u8 data[] __counted_by(length);
};

static struct workqueue_struct *late_stores;

static void store_late(struct work_struct *work)
{
	struct late_store *late = container_of(to_delayed_work(work),
					       struct late_store, work);

	copy(&late->place, late->data, late->length, true);
	put_dev_pagemap(late->place.pgmap);
	kfree(late);
}

/* Takes over the reference that @place has */
static bool delay_store(const struct place *place, const void *buffer,
			size_t length)
{
	struct late_store *late;

	late = kmalloc(struct_size(late, data, length), GFP_ATOMIC);
	if (!late)
		return false;
	late->place = *place;
	late->length = length;
	memcpy(late->data, buffer, length);
	INIT_DELAYED_WORK(&late->work, store_late);
	queue_delayed_work(late_stores, &late->work,
			   usecs_to_jiffies(READ_ONCE(delay_us)));
	return true;
}

/**
 * dma_card_copy - move data between a card and memory
 * @ib: RDMA device with a card
 * @addr: DMA address
 * @buffer: what is on the card
 * @length: number of bytes
 * @use: what they are, and whether they go to memory
 *
 * Context: any but hardirq.
 * Return: 0, or -EFAULT if not all of it is memory that the card reaches.
 */
int dma_card_copy(struct ib_device *ib, u64 addr, void *buffer, size_t length,
		  enum dma_card_use use)
{
	struct dma_card *card = card_of(ib);
	struct place place;
	size_t part;

	for (; length; addr += part, buffer += part, length -= part) {
		part = min_t(size_t, length, PAGE_SIZE - offset_in_page(addr));
		if (!resolve(card, addr, &place))
			return cannot_reach(card, addr, use);
		atomic64_add(part, &card->bytes[use][place.kind]);
		if (READ_ONCE(delay_us) && use == DMA_CARD_READ &&
		    place.kind != KIND_RAM && delay_store(&place, buffer, part))
			continue;
		copy(&place, buffer, part, dma_card_stores(use));
		put_dev_pagemap(place.pgmap);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(dma_card_copy);

/**
 * dma_card_ptr - where the CPU has what a DMA address is
 * @ib: RDMA device with a card
 * @addr: DMA address
 * @length: number of bytes, all on one page
 * @use: what they are
 *
 * For drivers that hand addresses on to the socket.  There is no reference: the
 * work request has to keep the memory, as it does for a card.
 *
 * Context: any but hardirq.
 * Return: a kernel address, or NULL if that is no memory that the card reaches.
 */
void *dma_card_ptr(struct ib_device *ib, u64 addr, size_t length,
		   enum dma_card_use use)
{
	struct dma_card *card = card_of(ib);
	struct place place;

	if (!resolve(card, addr, &place) ||
	    length > PAGE_SIZE - place.offset) {
		cannot_reach(card, addr, use);
		return NULL;
	}
	put_dev_pagemap(place.pgmap);
	atomic64_add(length, &card->bytes[use][place.kind]);
	return page_address(place.page) + place.offset;
}
EXPORT_SYMBOL_GPL(dma_card_ptr);

/* ---- cards ---- */

static int bytes_show(struct seq_file *file, void *unused)
{
	struct dma_card *card = file->private;
	int use, kind;

	for (use = 0; use < DMA_CARD_USES; use++)
		for (kind = 0; kind < KINDS; kind++)
			seq_printf(file, "%s_%s %lld\n", use_names[use],
				   kind_names[kind],
				   atomic64_read(&card->bytes[use][kind]));
	seq_printf(file, "failed %lld\n", atomic64_read(&card->failed));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bytes);

static int instruction_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%lx\n", (unsigned long)dma_card_move);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(instruction);

static struct dentry *folder;

static int dma_card_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dma_card *card;
	int error;

	card = devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL);
	if (!card)
		return -ENOMEM;
	error = pcim_enable_device(pdev);
	if (error)
		return error;
	error = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	dma_set_max_seg_size(&pdev->dev, SZ_2G);
	pci_set_master(pdev);
	card->pdev = pdev;
	pci_set_drvdata(pdev, card);
	card->file = debugfs_create_file(pci_name(pdev), 0400, folder, card,
					 &bytes_fops);
	return 0;
}

/* The RDMA devices that there are, for remove() */
static DEFINE_XARRAY_ALLOC(ib_devices);

static int ib_came(struct ib_device *ib)
{
	u32 id;

	return xa_alloc(&ib_devices, &id, ib, xa_limit_32b, GFP_KERNEL);
}

static void ib_went(struct ib_device *ib, void *data)
{
	struct ib_device *other;
	unsigned long id;

	xa_for_each(&ib_devices, id, other)
		if (other == ib)
			xa_erase(&ib_devices, id);
}

static struct ib_client ib_client = {
	.name = "dma_card",
	.add = ib_came,
	.remove = ib_went,
};

/* An RDMA device of the card, with a reference */
static struct ib_device *next_of(struct pci_dev *pdev)
{
	struct ib_device *ib;
	unsigned long id;

	xa_lock(&ib_devices);
	xa_for_each(&ib_devices, id, ib)
		if (ib->dma_device == &pdev->dev && ib_device_try_get(ib))
			break;
	xa_unlock(&ib_devices);
	return ib;
}

static void dma_card_remove(struct pci_dev *pdev)
{
	struct dma_card *card = pci_get_drvdata(pdev);
	struct ib_device *ib;

	while ((ib = next_of(pdev)))
		ib_unregister_device_and_put(ib);
	debugfs_remove(card->file);
	flush_workqueue(late_stores);
}

static int narrow(struct device *dev, void *bits)
{
	u64 mask = DMA_BIT_MASK(*(unsigned int *)bits);

	/* The DMA API is told of a wide one only: a narrow one is a surprise. */
	if (mask == ~0ULL)
		return dma_set_mask(dev, mask);
	WRITE_ONCE(*dev->dma_mask, mask);
	return 0;
}

static struct pci_driver dma_card_driver;

static int set_width(const char *val, const struct kernel_param *kp)
{
	int error = param_set_uint_minmax(val, kp, 24, 64);

	return error ?: driver_for_each_device(&dma_card_driver.driver, NULL,
					       kp->arg, narrow);
}

static unsigned int mask_bits = 64;
static const struct kernel_param_ops mask_ops = {
	.set = set_width,
	.get = param_get_uint,
};
module_param_cb(mask_bits, &mask_ops, &mask_bits, 0600);
MODULE_PARM_DESC(mask_bits, "Bits of an address that the cards there are can use");

/* No IDs: who wants a device to be a card says so in driver_override. */
static struct pci_driver dma_card_driver = {
	.name = "dma_card",
	.probe = dma_card_probe,
	.remove = dma_card_remove,
};

/**
 * dma_card_find - the card for an RDMA device that is being made
 *
 * Context: may sleep. The card has to stay bound until the RDMA device is
 * registered.
 * Return: the DMA device, NULL if parameter dma_device is empty, or
 * ERR_PTR(-ENODEV) if it names none that our driver is bound to.
 */
struct device *dma_card_find(void)
{
	char name[sizeof(dma_device)];
	struct device *dev;

	strscpy(name, dma_device);
	if (!*strim(name))
		return NULL;
	dev = driver_find_device_by_name(&dma_card_driver.driver, strim(name));
	put_device(dev);
	return dev ?: ERR_PTR(-ENODEV);
}
EXPORT_SYMBOL_GPL(dma_card_find);

/**
 * dma_card_mr_pages - how long a page list an RDMA device shall announce
 * @most: as long as it could be
 *
 * Return: number of pages.
 */
unsigned int dma_card_mr_pages(unsigned int most)
{
	return mr_pages ? min(mr_pages, most) : most;
}
EXPORT_SYMBOL_GPL(dma_card_mr_pages);

static int __init dma_card_init(void)
{
	int error = look_around();

	if (error)
		return error;
	late_stores = alloc_ordered_workqueue("dma_card", 0);
	if (!late_stores)
		return -ENOMEM;
	folder = debugfs_create_dir("dma_card", NULL);
	debugfs_create_file("instruction", 0400, folder, NULL,
			    &instruction_fops);
	error = bus_register_notifier(&pci_bus_type, &bus_notifier);
	if (error)
		goto destroy;
	error = ib_register_client(&ib_client);
	if (error)
		goto unnotify;
	error = pci_register_driver(&dma_card_driver);
	if (!error)
		return 0;
	ib_unregister_client(&ib_client);
unnotify:
	bus_unregister_notifier(&pci_bus_type, &bus_notifier);
destroy:
	debugfs_remove(folder);
	destroy_workqueue(late_stores);
	kfree(rcu_dereference_protected(areas, true));
	return error;
}

static void __exit dma_card_exit(void)
{
	pci_unregister_driver(&dma_card_driver);
	ib_unregister_client(&ib_client);
	bus_unregister_notifier(&pci_bus_type, &bus_notifier);
	debugfs_remove(folder);
	destroy_workqueue(late_stores);
	kfree(rcu_dereference_protected(areas, true));
}

module_init(dma_card_init);
module_exit(dma_card_exit);
MODULE_DESCRIPTION("Lab: a PCI function as DMA device of software RDMA devices");
MODULE_LICENSE("GPL");
