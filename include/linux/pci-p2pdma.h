/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI peer-to-peer DMA: one device lends (part of) a BAR, other devices
 * reach it through the DMA API.
 *
 * See Documentation/driver-api/pci/p2pdma.rst.
 */
#ifndef _LINUX_PCI_P2PDMA_H
#define _LINUX_PCI_P2PDMA_H

#include <linux/dma-direction.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

/**
 * enum pci_p2pdma_map_type - how a client reaches a range of peer memory
 * @PCI_P2PDMA_MAP_UNKNOWN: not decided yet; never returned to a caller
 * @PCI_P2PDMA_MAP_NONE: not peer memory at all: map it as usual
 * @PCI_P2PDMA_MAP_NOT_SUPPORTED: no usable route; the mapping must fail with
 *	-EREMOTEIO
 * @PCI_P2PDMA_MAP_BUS_ADDR: the request never reaches the root complex; the
 *	client is programmed with the bus address and no IOMMU is involved
 * @PCI_P2PDMA_MAP_THRU_HOST_BRIDGE: the request goes up to the root complex,
 *	which is known to send it down again; the range is mapped as RAM would
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
 * struct pci_p2pdma_map_state - what a DMA mapping loop remembers
 * @dir: direction of the mapping, set by the caller before the first segment
 * @type: the answer for pages of @pgmap
 * @pgmap: the pages that @type and @bus_offset hold for, NULL at first
 * @bus_offset: bus address minus CPU physical address
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
};

#ifdef CONFIG_PCI_P2PDMA
int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar, size_t size,
			    u64 offset);
int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar, u64 offset);
int pci_p2pdma_distance_many(struct pci_dev *provider, struct device **clients,
			     int num_clients, bool verbose);
struct pci_dev *pci_p2pmem_find_many(struct device **clients, int num_clients);
bool pci_has_p2pmem(struct pci_dev *pdev);
void pci_p2pmem_publish(struct pci_dev *pdev, bool publish);

void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size);
void pci_free_p2pmem(struct pci_dev *pdev, void *addr, size_t size);
pci_bus_addr_t pci_p2pmem_virt_to_bus(struct pci_dev *pdev, void *addr);
struct scatterlist *pci_p2pmem_alloc_sgl(struct pci_dev *pdev,
					 unsigned int *nents, u32 length);
void pci_p2pmem_free_sgl(struct pci_dev *pdev, struct scatterlist *sgl);

int pci_p2pdma_enable_store(const char *page, struct pci_dev **p2p_dev,
			    bool *use_p2pdma);
ssize_t pci_p2pdma_enable_show(char *page, struct pci_dev *p2p_dev,
			       bool use_p2pdma);

pgprot_t pci_p2pdma_pgprot(const struct dev_pagemap *pgmap, pgprot_t prot);
void pci_p2pdma_topology_changed(void);
void __pci_p2pdma_update_state(struct pci_p2pdma_map_state *state,
			       struct device *dev,
			       const struct dev_pagemap *pgmap);
#else /* CONFIG_PCI_P2PDMA */
static inline int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar,
					  size_t size, u64 offset)
{
	return -EOPNOTSUPP;
}

static inline int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar,
					     u64 offset)
{
	return -ENOENT;
}

static inline int pci_p2pdma_distance_many(struct pci_dev *provider,
					   struct device **clients,
					   int num_clients, bool verbose)
{
	return -1;
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

static inline pgprot_t pci_p2pdma_pgprot(const struct dev_pagemap *pgmap,
					 pgprot_t prot)
{
	return pgprot_noncached(prot);
}

static inline void pci_p2pdma_topology_changed(void)
{
}

static inline void
__pci_p2pdma_update_state(struct pci_p2pdma_map_state *state,
			  struct device *dev, const struct dev_pagemap *pgmap)
{
}
#endif /* CONFIG_PCI_P2PDMA */

/**
 * pci_p2pdma_map_segment - decide how one scatterlist entry is to be mapped
 * @state: remembered between the segments of one mapping call; zeroed but for
 *	its direction before the first
 * @dev: device that will do the DMA
 * @sg: entry to map; all its pages are of one provider (see sg_page())
 *
 * For PCI_P2PDMA_MAP_BUS_ADDR the entry's DMA address, length and bus address
 * mark are set and the caller has nothing left to do for it; for every other
 * answer the entry is untouched.
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

	/* is_pci_p2pdma_page(), but what is known is not looked at again */
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA) ||
	    !static_branch_unlikely(&pci_p2pdma_key) ||
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
 * pci_p2pdma_distance - distance between a provider and one client
 * @provider: device that lends memory
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
