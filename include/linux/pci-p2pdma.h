/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI peer-to-peer DMA: one device makes (part of) a BAR available, others reach
 * it through the DMA API.
 *
 * See Documentation/driver-api/pci/p2pdma.rst.
 */
#ifndef _LINUX_PCI_P2PDMA_H
#define _LINUX_PCI_P2PDMA_H

#include <linux/bvec.h>
#include <linux/dma-direction.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

/**
 * enum pci_p2pdma_map_type - how a client reaches peer memory
 * @PCI_P2PDMA_MAP_UNKNOWN: not decided yet; never returned to a caller
 * @PCI_P2PDMA_MAP_NONE: not peer memory at all: map it as usual
 * @PCI_P2PDMA_MAP_NOT_SUPPORTED: no usable route; the mapping must fail with
 *	-EREMOTEIO
 * @PCI_P2PDMA_MAP_BUS_ADDR: the request never reaches the root complex; the
 *	client is programmed with the bus address and no IOMMU is involved
 * @PCI_P2PDMA_MAP_THRU_HOST_BRIDGE: the request goes up to the root complex,
 *	which is known to send it down again; the memory is mapped as RAM would
 *	be, by CPU physical address or IOVA
 */
enum pci_p2pdma_map_type {
	PCI_P2PDMA_MAP_UNKNOWN,
	PCI_P2PDMA_MAP_NONE,
	PCI_P2PDMA_MAP_NOT_SUPPORTED,
	PCI_P2PDMA_MAP_BUS_ADDR,
	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE,
};

/**
 * enum pci_p2pdma_tlp - kinds of packets between a client and a provider
 * @PCI_P2PDMA_TLP_REQUEST: the client's memory requests with the addresses that
 *	it was given (Untranslated Requests)
 * @PCI_P2PDMA_TLP_COMPLETION: what the provider returns for the client's reads
 * @PCI_P2PDMA_TLP_TRANSLATED: the client's memory requests with addresses that it
 *	has had translated by ATS (Translated Requests)
 */
enum pci_p2pdma_tlp {
	PCI_P2PDMA_TLP_REQUEST,
	PCI_P2PDMA_TLP_COMPLETION,
	PCI_P2PDMA_TLP_TRANSLATED,
};

/**
 * struct pci_p2pdma_map_state - what a DMA mapping loop keeps
 * @dir: direction of the mapping
 * @type: the map type for pages of @pgmap
 * @pgmap: the pages that @type and @bus_offset hold for; NULL at first, and
 *	they hold for nothing
 * @bus_offset: bus address minus CPU physical address
 * @mapped: for the caller, who may count what is not mapped by bus address
 *
 * Consecutive segments of one provider cost a pointer comparison each.  The
 * state must not outlive the mapping call: pages mapped keep their provider,
 * nothing keeps the verdict.
 */
struct pci_p2pdma_map_state {
	enum dma_data_direction dir;
	enum pci_p2pdma_map_type type;
	const struct dev_pagemap *pgmap;
	u64 bus_offset;
	unsigned int mapped;
};

/**
 * enum pci_p2pdma_event - what a registered notifier hears of
 * @PCI_P2PDMA_PROVIDER_DOWN: peers cannot reach the provider: nothing is
 *	allocated or mapped any more.  Before it stops decoding, where that is
 *	known before: the callback may wait for what is in flight, for a time
 *	that it bounds.
 * @PCI_P2PDMA_PROVIDER_UP: peers reach it again; what its memory holds is not to
 *	be relied on
 * @PCI_P2PDMA_VERDICTS_CHANGED: what reaches what may be another now: somebody
 *	who has chosen a provider for a client might choose anew
 * @PCI_P2PDMA_RESOURCE_ADDED: the provider has registered a resource
 * @PCI_P2PDMA_RESOURCE_REMOVED: a resource of it, or all of them, goes as soon as
 *	all of its memory has come back
 * @PCI_P2PDMA_PUBLISHED: anybody may find the provider's memory
 * @PCI_P2PDMA_UNPUBLISHED: nobody finds it any more
 */
enum pci_p2pdma_event {
	PCI_P2PDMA_PROVIDER_DOWN,
	PCI_P2PDMA_PROVIDER_UP,
	PCI_P2PDMA_VERDICTS_CHANGED,
	PCI_P2PDMA_RESOURCE_ADDED,
	PCI_P2PDMA_RESOURCE_REMOVED,
	PCI_P2PDMA_PUBLISHED,
	PCI_P2PDMA_UNPUBLISHED,
};

struct notifier_block;
struct p2pdma_resource;

#ifdef CONFIG_PCI_P2PDMA
int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar, size_t size,
			    u64 offset);
int pci_p2pdma_add_unvetted_resource(struct pci_dev *pdev, int bar, size_t size,
				     u64 offset);
int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar, u64 offset);
int pcim_p2pdma_add_range(struct pci_dev *pdev, int bar, u64 size, u64 offset);
struct p2pdma_resource *pci_p2pdma_range_get(struct pci_dev *pdev,
					     phys_addr_t start, u64 len);
void pci_p2pdma_range_put(struct p2pdma_resource *res);
int pci_p2pdma_distance_many(struct pci_dev *provider, struct device **clients,
			     int num_clients, bool verbose);
enum pci_p2pdma_map_type pci_p2pdma_tlp_type(struct pci_dev *provider,
					     struct device *client,
					     enum pci_p2pdma_tlp tlp);
struct pci_dev *pci_p2pmem_find_many(struct device **clients, int num_clients);
bool pci_has_p2pmem(struct pci_dev *pdev);
void pci_p2pmem_publish(struct pci_dev *pdev, bool publish);

void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size);
void pci_free_p2pmem(struct pci_dev *pdev, void *addr, size_t size);
pci_bus_addr_t pci_p2pmem_virt_to_bus(struct pci_dev *pdev, void *addr);
struct scatterlist *pci_p2pmem_alloc_sgl(struct pci_dev *pdev,
					 unsigned int *nents, u32 length);
void pci_p2pmem_free_sgl(struct pci_dev *pdev, struct scatterlist *sgl);
int pci_p2pmem_mmap(struct pci_dev *pdev, struct vm_area_struct *vma);

int pci_p2pdma_enable_store(const char *page, struct pci_dev **p2p_dev,
			    bool *use_p2pdma);
ssize_t pci_p2pdma_enable_show(char *page, struct pci_dev *p2p_dev,
			       bool use_p2pdma);
int pci_p2pmem_check_name(const char *name);
struct pci_dev *pci_p2pmem_find_named(const char *name);

void pci_p2pdma_provider_down(struct pci_dev *pdev);
void pci_p2pdma_provider_up(struct pci_dev *pdev);
bool pci_p2pdma_reachable(struct pci_dev *pdev);
int pci_p2pdma_register_notifier(struct notifier_block *nb);
int pci_p2pdma_unregister_notifier(struct notifier_block *nb);

/* See the functions without underscores below */
extern unsigned long __pci_p2pdma_outage_number;
bool __pci_p2pmem_intact(struct pci_dev *pdev, unsigned long since);
bool __pci_p2pdma_sg_intact(struct scatterlist *sgl, unsigned int nents,
			    unsigned long since);

bool __pci_p2pdma_range_intact(struct p2pdma_resource *res, phys_addr_t start,
			       u64 len, unsigned long since);

struct p2pdma_resource *pci_p2pdma_find_resource(struct pci_dev *pdev,
						 phys_addr_t start, u64 len);
enum pci_p2pdma_map_type pci_p2pdma_map_resource(struct p2pdma_resource *res,
						 struct device *dev,
						 enum dma_data_direction dir,
						 u64 *bus_offset);
bool pci_p2pdma_reaches(struct device *dev, const struct page *page,
			enum dma_data_direction dir);
void __pci_p2pdma_update_state(struct pci_p2pdma_map_state *state,
			       struct device *dev,
			       const struct dev_pagemap *pgmap);
#else /* CONFIG_PCI_P2PDMA */
static inline int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar,
					  size_t size, u64 offset)
{
	return -EOPNOTSUPP;
}

static inline int pci_p2pdma_add_unvetted_resource(struct pci_dev *pdev,
						   int bar, size_t size,
						   u64 offset)
{
	return -EOPNOTSUPP;
}

static inline int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar,
					     u64 offset)
{
	return -ENOENT;
}

static inline int pcim_p2pdma_add_range(struct pci_dev *pdev, int bar,
					u64 size, u64 offset)
{
	return -EOPNOTSUPP;
}

static inline struct p2pdma_resource *
pci_p2pdma_range_get(struct pci_dev *pdev, phys_addr_t start, u64 len)
{
	return NULL;
}

static inline void pci_p2pdma_range_put(struct p2pdma_resource *res)
{
}

static inline int pci_p2pdma_distance_many(struct pci_dev *provider,
					   struct device **clients,
					   int num_clients, bool verbose)
{
	return -1;
}

static inline bool __pci_p2pdma_range_intact(struct p2pdma_resource *res,
					     phys_addr_t start, u64 len,
					     unsigned long since)
{
	return true;
}

static inline struct p2pdma_resource *
pci_p2pdma_find_resource(struct pci_dev *pdev, phys_addr_t start, u64 len)
{
	return NULL;
}

static inline enum pci_p2pdma_map_type
pci_p2pdma_map_resource(struct p2pdma_resource *res, struct device *dev,
			enum dma_data_direction dir, u64 *bus_offset)
{
	return PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

static inline bool pci_p2pdma_reaches(struct device *dev,
				      const struct page *page,
				      enum dma_data_direction dir)
{
	return false;
}

static inline enum pci_p2pdma_map_type
pci_p2pdma_tlp_type(struct pci_dev *provider, struct device *client,
		    enum pci_p2pdma_tlp tlp)
{
	return PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

static inline struct pci_dev *pci_p2pmem_find_many(struct device **clients,
						   int num_clients)
{
	return NULL;
}

static inline bool pci_has_p2pmem(struct pci_dev *pdev)
{
	return false;
}

static inline void pci_p2pmem_publish(struct pci_dev *pdev, bool publish)
{
}

static inline void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size)
{
	return NULL;
}

static inline void pci_free_p2pmem(struct pci_dev *pdev, void *addr,
				   size_t size)
{
}

static inline pci_bus_addr_t pci_p2pmem_virt_to_bus(struct pci_dev *pdev,
						    void *addr)
{
	return 0;
}

static inline struct scatterlist *
pci_p2pmem_alloc_sgl(struct pci_dev *pdev, unsigned int *nents, u32 length)
{
	return NULL;
}

static inline void pci_p2pmem_free_sgl(struct pci_dev *pdev,
				       struct scatterlist *sgl)
{
}

static inline int pci_p2pmem_mmap(struct pci_dev *pdev,
				  struct vm_area_struct *vma)
{
	return -ENOMEM;
}

static inline int pci_p2pdma_enable_store(const char *page,
					  struct pci_dev **p2p_dev,
					  bool *use_p2pdma)
{
	*use_p2pdma = false;
	return 0;
}

static inline ssize_t pci_p2pdma_enable_show(char *page,
					     struct pci_dev *p2p_dev,
					     bool use_p2pdma)
{
	return sprintf(page, "none\n");
}

static inline void pci_p2pdma_provider_down(struct pci_dev *pdev)
{
}

static inline void pci_p2pdma_provider_up(struct pci_dev *pdev)
{
}

static inline bool pci_p2pdma_reachable(struct pci_dev *pdev)
{
	return true;
}

static inline int pci_p2pdma_register_notifier(struct notifier_block *nb)
{
	return 0;
}

static inline int pci_p2pdma_unregister_notifier(struct notifier_block *nb)
{
	return 0;
}

static inline bool __pci_p2pmem_intact(struct pci_dev *pdev,
				       unsigned long since)
{
	return true;
}

static inline bool __pci_p2pdma_sg_intact(struct scatterlist *sgl,
					  unsigned int nents,
					  unsigned long since)
{
	return true;
}

static inline int pci_p2pmem_check_name(const char *name)
{
	return -EINVAL;
}

static inline struct pci_dev *pci_p2pmem_find_named(const char *name)
{
	return NULL;
}

static inline void
__pci_p2pdma_update_state(struct pci_p2pdma_map_state *state,
			  struct device *dev, const struct dev_pagemap *pgmap)
{
}
#endif /* CONFIG_PCI_P2PDMA */

/**
 * pci_p2pdma_map_begin - a mapping loop begins
 * @state: its state; may be uninitialized
 * @dir: direction of the mapping
 *
 * Lists of RAM pay for it, so what is not looked at is left as it is.
 */
static inline void pci_p2pdma_map_begin(struct pci_p2pdma_map_state *state,
					enum dma_data_direction dir)
{
	state->dir = dir;
	state->pgmap = NULL;
	state->mapped = 0;
}

/**
 * pci_p2pdma_map_seen - has there been peer memory?
 * @state: state of the mapping loop
 *
 * Return: true if pci_p2pdma_map_segment() has met any.
 */
static inline bool pci_p2pdma_map_seen(const struct pci_p2pdma_map_state *state)
{
	return IS_ENABLED(CONFIG_PCI_P2PDMA) && state->pgmap;
}

/**
 * pci_p2pdma_map_segment - decide how one scatterlist entry is to be mapped
 * @state: kept between the segments of one mapping call, from
 *	pci_p2pdma_map_begin() on
 * @dev: device that will do the DMA
 * @sg: entry to map; all its pages are of one provider (see sg_page())
 *
 * For PCI_P2PDMA_MAP_BUS_ADDR the entry's DMA address, length and bus address
 * mark are set and the caller has nothing left to do for it; for every other
 * type the entry is untouched.
 *
 * Context: any, takes no lock and does not allocate.
 * Return: PCI_P2PDMA_MAP_NONE for memory that is not peer memory (a constant
 * without CONFIG_PCI_P2PDMA), else the map type.
 */
static inline enum pci_p2pdma_map_type
pci_p2pdma_map_segment(struct pci_p2pdma_map_state *state, struct device *dev,
		       struct scatterlist *sg)
{
	const struct page *page = sg_page(sg);
	const struct dev_pagemap *pgmap;

	/*
	 * is_pci_p2pdma_page(), but what is known is not looked at again.
	 * Where the key is a variable it costs what it saves.
	 */
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA) ||
	    (IS_ENABLED(CONFIG_JUMP_LABEL) &&
	     !static_branch_unlikely(&pci_p2pdma_key)) ||
	    !is_zone_device_page(page))
		return PCI_P2PDMA_MAP_NONE;
	pgmap = page->pgmap;
	if (state->pgmap != pgmap) {
		if (pgmap->type != MEMORY_DEVICE_PCI_P2PDMA)
			return PCI_P2PDMA_MAP_NONE;
		__pci_p2pdma_update_state(state, dev, pgmap);
	}

	if (state->type == PCI_P2PDMA_MAP_BUS_ADDR) {
		sg->dma_address = sg_phys(sg) + state->bus_offset;
		sg_dma_len(sg) = sg->length;
		sg_dma_mark_bus_address(sg);
	}
	return state->type;
}

/**
 * pci_p2pdma_page_resource - what a page is a part of
 * @page: any page; of a peer page the caller holds a reference
 *
 * For who keeps ranges of memory and not pages.
 *
 * Context: any.
 * Return: a handle to one resource of a provider, good as long as the page; NULL
 * if it is not a peer page.
 */
static inline struct p2pdma_resource *
pci_p2pdma_page_resource(const struct page *page)
{
	return is_pci_p2pdma_page(page) ? page->pgmap->owner : NULL;
}

/**
 * pci_p2pdma_outages - a number that tells of outages of any provider
 *
 * To be read before memory is allocated or mapped, and passed to
 * pci_p2pdma_sg_intact() or pci_p2pmem_intact() when a transfer is over.
 *
 * Context: any.
 * Return: the number; a constant without CONFIG_PCI_P2PDMA.
 */
static inline unsigned long pci_p2pdma_outages(void)
{
#ifdef CONFIG_PCI_P2PDMA
	/* Whoever reads a new one sees what has led to it. */
	return smp_load_acquire(&__pci_p2pdma_outage_number);
#else
	return 0;
#endif
}

/*
 * There is no peer memory, or nothing has changed since then and all providers
 * are reachable
 */
static inline bool __pci_p2pdma_no_outage(unsigned long since)
{
	return !IS_ENABLED(CONFIG_PCI_P2PDMA) ||
	       !static_branch_unlikely(&pci_p2pdma_key) ||
	       likely(pci_p2pdma_outages() == since && !(since & 1));
}

/**
 * pci_p2pmem_intact - could a provider be reached all the time?
 * @pdev: provider
 * @since: what pci_p2pdma_outages() returned at the beginning
 *
 * Context: any.
 * Return: false if there was an outage since then, or is one: what was moved to
 * or from the provider's memory, and what it holds, cannot be trusted.
 */
static inline bool pci_p2pmem_intact(struct pci_dev *pdev, unsigned long since)
{
	return __pci_p2pdma_no_outage(since) ||
	       __pci_p2pmem_intact(pdev, since);
}

/**
 * pci_p2pdma_sg_intact - could the memory of a scatterlist be reached all the
 * time?
 * @sgl: first entry; any mix of RAM and peer pages, mapped for DMA or not
 * @nents: number of entries, as before mapping (sg_table.orig_nents)
 * @since: what pci_p2pdma_outages() returned before the list was mapped, or the
 *	data were put into its memory
 *
 * To be asked after a transfer, before it is taken for complete: the caller has
 * ordered this after the device's word that it is.  Also before the list is
 * mapped if that may be of pages that somebody pinned long before: it tells of
 * an outage since these were given to user space, too.
 *
 * Context: any.
 * Return: false if some of it belongs to a provider that had an outage since then,
 * or has one.
 */
static inline bool pci_p2pdma_sg_intact(struct scatterlist *sgl,
					unsigned int nents, unsigned long since)
{
	return __pci_p2pdma_no_outage(since) ||
	       __pci_p2pdma_sg_intact(sgl, nents, since);
}

/**
 * pci_p2pdma_bvec_intact - could the memory of a bvec be reached all the time?
 * @bv: RAM or peer memory, of one provider
 * @since: as for pci_p2pdma_sg_intact()
 *
 * For who maps a bvec without a scatterlist, see pci_p2pdma_map_resource().
 *
 * Context: any.
 * Return: see pci_p2pdma_sg_intact().
 */
static inline bool pci_p2pdma_bvec_intact(const struct bio_vec *bv,
					  unsigned long since)
{
	struct p2pdma_resource *res;

	if (__pci_p2pdma_no_outage(since))
		return true;
	res = pci_p2pdma_page_resource(bv->bv_page);
	return !res || __pci_p2pdma_range_intact(res, bvec_phys(bv), bv->bv_len,
						 since);
}

/**
 * pci_p2pdma_distance - distance between a provider and one client
 * @provider: provider
 * @client: device that would do DMA
 * @verbose: log the reason of a refusal
 *
 * Return: see pci_p2pdma_distance_many().
 */
static inline int pci_p2pdma_distance(struct pci_dev *provider,
				      struct device *client, bool verbose)
{
	return pci_p2pdma_distance_many(provider, &client, 1, verbose);
}

/**
 * pci_p2pmem_find - find the published peer memory closest to one client
 * @client: device that will do DMA
 *
 * Return: see pci_p2pmem_find_many().
 */
static inline struct pci_dev *pci_p2pmem_find(struct device *client)
{
	return pci_p2pmem_find_many(&client, 1);
}

#endif /* _LINUX_PCI_P2PDMA_H */
