// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of odd arguments to calls that 6.12 does not have: see
 * arguments_test.c.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "arguments.h"
#include "fabric.h"
#include "provider.h"

/* ---- who reaches what ---- */

static s64 tlp_null(struct odd_devices *d)
{
	return pci_p2pdma_tlp_type(d->provider, NULL, PCI_P2PDMA_TLP_REQUEST);
}

static s64 tlp_nowhere(struct odd_devices *d)
{
	return pci_p2pdma_tlp_type(d->provider, d->nowhere,
				   PCI_P2PDMA_TLP_TRANSLATED);
}

static s64 tlp_gone(struct odd_devices *d)
{
	return pci_p2pdma_tlp_type(d->provider, &d->gone->dev,
				   PCI_P2PDMA_TLP_REQUEST);
}

static s64 tlp_self(struct odd_devices *d)
{
	return pci_p2pdma_tlp_type(d->plain, &d->plain->dev,
				   PCI_P2PDMA_TLP_COMPLETION);
}

static s64 tlp_of_no_kind(struct odd_devices *d)
{
	return pci_p2pdma_tlp_type(d->provider, &d->plain->dev, 77) +
	       pci_p2pdma_tlp_type(d->provider, &d->plain->dev, -1);
}

static s64 maps(struct odd_devices *d, struct device *dev,
		enum dma_data_direction dir)
{
	struct p2pdma_resource *res =
		pci_p2pdma_page_resource(virt_to_page(d->mine));
	u64 bus_offset;

	return pci_p2pdma_map_resource(res, dev, dir, &bus_offset);
}

static s64 map_nowhere(struct odd_devices *d)
{
	return maps(d, d->nowhere, DMA_TO_DEVICE);
}

static s64 map_gone(struct odd_devices *d)
{
	return maps(d, &d->gone->dev, DMA_FROM_DEVICE);
}

/* As in both */
static s64 map_no_direction(struct odd_devices *d)
{
	return maps(d, &d->plain->dev, DMA_NONE);
}

static s64 reaches_nowhere(struct odd_devices *d)
{
	return pci_p2pdma_reaches(d->nowhere, virt_to_page(d->mine),
				  DMA_TO_DEVICE);
}

static s64 reaches_gone(struct odd_devices *d)
{
	return pci_p2pdma_reaches(&d->gone->dev, virt_to_page(d->mine),
				  DMA_TO_DEVICE);
}

/* ---- names ---- */

static s64 name_empty(struct odd_devices *d)
{
	return pci_p2pmem_check_name("");
}

static s64 name_no_slot(struct odd_devices *d)
{
	return pci_p2pmem_check_name("slot:");
}

static s64 name_gone(struct odd_devices *d)
{
	return pci_p2pmem_check_name(pci_name(d->gone));
}

static s64 named(struct odd_devices *d, const char *name)
{
	struct pci_dev *pdev;

	pci_p2pmem_publish(d->provider, true);
	pdev = pci_p2pmem_find_named(name);
	pci_p2pmem_publish(d->provider, false);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	pci_dev_put(pdev);
	return !!pdev;
}

static s64 named_empty(struct odd_devices *d)
{
	return named(d, "");
}

static s64 named_no_serial(struct odd_devices *d)
{
	return named(d, "serial:");
}

static s64 named_unpublished(struct odd_devices *d)
{
	return named(d, pci_name(d->other));
}

static s64 named_gone(struct odd_devices *d)
{
	return named(d, pci_name(d->gone));
}

/* ---- resources; the first BAR has 2 MiB ---- */

static s64 add_unvetted_no_bar(struct odd_devices *d)
{
	return pci_p2pdma_add_unvetted_resource(d->plain, PCI_STD_NUM_BARS, 0, 0);
}

static s64 add_unvetted_larger(struct odd_devices *d)
{
	return pci_p2pdma_add_unvetted_resource(d->plain, 0, SZ_4M, 0);
}

static s64 range_no_bar(struct odd_devices *d)
{
	return pcim_p2pdma_add_range(d->plain, INT_MIN, 0, 0) +
	       pcim_p2pdma_add_range(d->plain, PCI_STD_NUM_BARS, 0, 0);
}

static s64 range_larger(struct odd_devices *d)
{
	return pcim_p2pdma_add_range(d->plain, 0, SZ_4G * 4, 0);
}

static s64 range_registered(struct odd_devices *d)
{
	return pcim_p2pdma_add_range(d->provider, 0, PAGE_SIZE, 0);
}

static s64 range_held(struct odd_devices *d)
{
	phys_addr_t start = page_to_phys(virt_to_page(d->first));
	struct p2pdma_resource *res;

	/* It has pages */
	res = pci_p2pdma_range_get(d->provider, start, PAGE_SIZE);
	if (!res)
		res = pci_p2pdma_range_get(d->plain, start, PAGE_SIZE);
	if (!res)
		res = pci_p2pdma_range_get(d->gone, 0, U64_MAX);
	if (res)
		pci_p2pdma_range_put(res);
	return !!res;
}

static s64 remove_none(struct odd_devices *d)
{
	return pci_p2pdma_remove_resource(d->plain, 0, 0);
}

static s64 remove_no_bar(struct odd_devices *d)
{
	return pci_p2pdma_remove_resource(d->provider, -1, 0) +
	       pci_p2pdma_remove_resource(d->provider, PCI_STD_NUM_BARS, 0);
}

static s64 remove_elsewhere(struct odd_devices *d)
{
	return pci_p2pdma_remove_resource(d->provider, 0, SZ_1M);
}

static s64 remove_gone(struct odd_devices *d)
{
	return pci_p2pdma_remove_resource(d->gone, 0, 0);
}

/* Is it in one?  From @offset on in that of the provider. */
static s64 resource_at(struct odd_devices *d, struct pci_dev *pdev, u64 offset,
		       u64 len)
{
	phys_addr_t start = page_to_phys(virt_to_page(d->first)) + offset;

	return !!pci_p2pdma_find_resource(pdev, start, len);
}

static s64 resource_no_length(struct odd_devices *d)
{
	return resource_at(d, d->provider, 0, 0);
}

static s64 resource_wraps(struct odd_devices *d)
{
	return resource_at(d, d->provider, PAGE_SIZE, U64_MAX);
}

static s64 resource_before(struct odd_devices *d)
{
	return resource_at(d, d->provider, -1, 2);
}

static s64 resource_behind(struct odd_devices *d)
{
	return resource_at(d, d->provider, SZ_2M - 1, 2);
}

static s64 resource_of_none(struct odd_devices *d)
{
	return resource_at(d, d->plain, 0, 1);
}

static s64 resource_of_gone(struct odd_devices *d)
{
	return resource_at(d, d->gone, 0, 1);
}

static s64 resource_of_ram(struct odd_devices *d)
{
	return !!pci_p2pdma_page_resource(virt_to_page(d->ram));
}

/* ---- outages, and who hears of them ---- */

static s64 reachable_none(struct odd_devices *d)
{
	return pci_p2pdma_reachable(d->plain);
}

static s64 reachable_gone(struct odd_devices *d)
{
	return pci_p2pdma_reachable(d->gone);
}

static s64 down_none(struct odd_devices *d)
{
	bool down;

	pci_p2pdma_provider_down(d->plain);
	down = !pci_p2pdma_reachable(d->plain);
	pci_p2pdma_provider_up(d->plain);
	return down && pci_p2pdma_reachable(d->plain);
}

/* Each is taken back, and by that the last one. */
static s64 down_twice(struct odd_devices *d)
{
	bool down;

	pci_p2pdma_provider_down(d->provider);
	pci_p2pdma_provider_down(d->provider);
	pci_p2pdma_provider_up(d->provider);
	down = !pci_p2pdma_reachable(d->provider);
	pci_p2pdma_provider_up(d->provider);
	return down && pci_p2pdma_reachable(d->provider);
}

/* 0 is older than any number, all ones is newer: neither was ever returned. */
static s64 intact_none(struct odd_devices *d)
{
	return pci_p2pmem_intact(d->plain, 0) &&
	       pci_p2pmem_intact(d->plain, ULONG_MAX);
}

static s64 intact_gone(struct odd_devices *d)
{
	return pci_p2pmem_intact(d->gone, 0);
}

static s64 intact_no_list(struct odd_devices *d)
{
	return pci_p2pdma_sg_intact(NULL, 0, 0);
}

static s64 intact_nents(struct odd_devices *d)
{
	struct scatterlist sg[2];

	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], d->ram, 1);
	return pci_p2pdma_sg_intact(sg, 1, 0);
}

static s64 intact_no_bvec(struct odd_devices *d)
{
	struct bio_vec bv = { .bv_page = virt_to_page(d->ram) };

	return pci_p2pdma_bvec_intact(&bv, 0) &&
	       pci_p2pdma_bvec_intact(&bv, ULONG_MAX);
}

static s64 intact_no_length(struct odd_devices *d)
{
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, virt_to_page(d->mine), 0, 0);
	return pci_p2pdma_sg_intact(&sg, 1, 0);
}

static int hear(struct notifier_block *nb, unsigned long event, void *data)
{
	return NOTIFY_DONE;
}

/* To register it once more without that makes the chain warn. */
static s64 notify_again(struct odd_devices *d)
{
	struct notifier_block nb = { .notifier_call = hear };
	int error = 0, i;

	for (i = 0; i < 2 && !error; i++) {
		error = pci_p2pdma_register_notifier(&nb);
		if (!error)
			error = pci_p2pdma_unregister_notifier(&nb);
	}
	return error ?: pci_p2pdma_unregister_notifier(&nb);
}

static s64 notify_never(struct odd_devices *d)
{
	struct notifier_block nb = { .notifier_call = hear };

	return pci_p2pdma_unregister_notifier(&nb);
}

/* ---- mappings in user space ---- */

static s64 mmaps(struct pci_dev *pdev, unsigned long flags, size_t size)
{
	struct vm_area_struct vma = {
		.vm_start = PAGE_SIZE,
		.vm_end = PAGE_SIZE + size,
	};

	vm_flags_init(&vma, flags);
	return pci_p2pmem_mmap(pdev, &vma);
}

static s64 mmap_private(struct odd_devices *d)
{
	return mmaps(d->provider, VM_READ | VM_MAYREAD, PAGE_SIZE);
}

static s64 mmap_none(struct odd_devices *d)
{
	return mmaps(d->plain, VM_SHARED | VM_MAYSHARE, PAGE_SIZE);
}

static s64 mmap_gone(struct odd_devices *d)
{
	return mmaps(d->gone, VM_SHARED | VM_MAYSHARE, PAGE_SIZE);
}

static s64 mmap_more(struct odd_devices *d)
{
	return mmaps(d->provider, VM_SHARED | VM_MAYSHARE, SZ_4M);
}

/* ---- the table ---- */

static const struct odd new_odds[] = {
	{ "tlp_null", tlp_null, NEW, PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "tlp_nowhere", tlp_nowhere, NEW, PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "tlp_gone", tlp_gone, NEW, PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "tlp_self", tlp_self, NEW, PCI_P2PDMA_MAP_BUS_ADDR },
	{ "tlp_of_no_kind", tlp_of_no_kind, NEW, 2 * PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "map_nowhere", map_nowhere, NEW, PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "map_gone", map_gone, NEW, PCI_P2PDMA_MAP_NOT_SUPPORTED },
	{ "map_no_direction", map_no_direction, NEW, PCI_P2PDMA_MAP_BUS_ADDR },
	{ "reaches_nowhere", reaches_nowhere, NEW, 0 },
	{ "reaches_gone", reaches_gone, NEW, 0 },

	{ "name_empty", name_empty, NEW, -EINVAL },
	{ "name_no_slot", name_no_slot, NEW, -EINVAL },
	{ "name_gone", name_gone, NEW, 0 },
	{ "named_empty", named_empty, NEW, 0 },
	{ "named_no_serial", named_no_serial, NEW, 0 },
	{ "named_unpublished", named_unpublished, NEW, 0 },
	{ "named_gone", named_gone, NEW, 0 },

	{ "add_unvetted_no_bar", add_unvetted_no_bar, NEW, -EINVAL },
	{ "add_unvetted_larger", add_unvetted_larger, NEW, -EINVAL },
	{ "range_no_bar", range_no_bar, NEW, 2 * -EINVAL },
	{ "range_larger", range_larger, NEW, -EINVAL },
	{ "range_registered", range_registered, NEW, -EBUSY },
	{ "range_held", range_held, NEW, 0 },
	{ "remove_none", remove_none, NEW, -ENOENT },
	{ "remove_no_bar", remove_no_bar, NEW, 2 * -ENOENT },
	{ "remove_elsewhere", remove_elsewhere, NEW, -ENOENT },
	{ "remove_gone", remove_gone, NEW, -ENOENT },
	{ "resource_no_length", resource_no_length, NEW, 0 },
	{ "resource_wraps", resource_wraps, NEW, 0 },
	{ "resource_before", resource_before, NEW, 0 },
	{ "resource_behind", resource_behind, NEW, 0 },
	{ "resource_of_none", resource_of_none, NEW, 0 },
	{ "resource_of_gone", resource_of_gone, NEW, 0 },
	{ "resource_of_ram", resource_of_ram, NEW, 0 },

	{ "reachable_none", reachable_none, NEW, 1 },
	{ "reachable_gone", reachable_gone, NEW, 1 },
	{ "down_none", down_none, NEW, 1 },
	{ "down_twice", down_twice, NEW, 1 },
	{ "intact_none", intact_none, NEW, 1 },
	{ "intact_gone", intact_gone, NEW, 1 },
	{ "intact_no_list", intact_no_list, NEW, 1 },
	{ "intact_nents", intact_nents, NEW, 1 },
	{ "intact_no_length", intact_no_length, NEW, 1 },
	{ "intact_no_bvec", intact_no_bvec, NEW, 1 },
	{ "notify_again", notify_again, NEW, -ENOENT },
	{ "notify_never", notify_never, NEW, -ENOENT },
	{ "mmap_private", mmap_private, NEW, -EINVAL },
	{ "mmap_none", mmap_none, NEW, -ENOMEM },
	{ "mmap_gone", mmap_gone, NEW, -ENOMEM },
	{ "mmap_more", mmap_more, NEW, -ENOMEM },
};

KUNIT_ARRAY_PARAM_DESC(new_odd, new_odds, name);

static void arguments_new_odd(struct kunit *test)
{
	odd_try(test, test->param_value);
}

static struct kunit_case arguments_new_cases[] = {
	KUNIT_CASE_PARAM(arguments_new_odd, new_odd_gen_params),
	{}
};

static struct kunit_suite arguments_new_suite = {
	.name = "p2pdma_arguments_new",
	.test_cases = arguments_new_cases,
};

kunit_test_suite(arguments_new_suite);

MODULE_DESCRIPTION("KUnit suite of odd arguments to new calls of P2PDMA");
MODULE_LICENSE("GPL");
