// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample: peer memory without struct pages, and a device that does DMA to it.
 *
 * The provider is ivshmem, of QEMU: of its BAR 2, RANGE_SIZE bytes from
 * RANGE_OFFSET on are registered, which is nothing that could have pages.  The
 * client is edu, see p2pdma-client.c.  Who may use which part of such a range is
 * between the drivers, which here are one module: "DDDD:BB:DD.F PATTERN" written
 * to the attribute "copy_range" of an edu has it fill the range of that ivshmem
 * with the pattern, by way of a range list, and read it back.
 *
 * See Documentation/driver-api/pci/p2pdma.rst and
 * Documentation/core-api/rlist.rst.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rlist.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "edu.h"

#define RANGE_BAR		2
#define RANGE_OFFSET		SZ_64K
#define RANGE_SIZE		SZ_8K

#define IVSHMEM_DEVICE_ID	0x1110

/**
 * struct range_client - a device that does DMA
 * @pdev: the device
 * @regs: its registers
 * @ram: RANGE_SIZE bytes of RAM
 * @ram_dma: where the device has them
 * @lock: held for each copy
 * @stuck: a transfer did not end, and the device may do no DMA any more
 */
struct range_client {
	struct pci_dev *pdev;
	void __iomem *regs;
	u8 *ram;
	dma_addr_t ram_dma;
	struct mutex lock;		/* see above */
	bool stuck;
};

static int move_chunk(struct range_client *client, u64 src, u64 dst, u32 count)
{
	int error = edu_dma(client->regs, src, EDU_BUFFER, count, 0);

	error = error ?: edu_dma(client->regs, EDU_BUFFER, dst, count,
				 EDU_DMA_FROM_EDU);
	if (error) {
		pci_clear_master(client->pdev);
		client->stuck = true;
	}
	return error;
}

/* All of the RAM to what is mapped, or back */
static int move_all(struct range_client *client, const struct rlist_dma *dma,
		    bool back)
{
	const struct rlist_dma_limits limits = {
		.max_len = EDU_CHUNK,
		.boundary = U64_MAX,
	};
	dma_addr_t ram = client->ram_dma;
	struct rlist_dma_range segment;
	struct rlist_dma_iter it;
	int error;

	rlist_dma_begin(&it, dma);
	while (rlist_dma_next_segment(&it, &limits, &segment)) {
		error = move_chunk(client, back ? segment.addr : ram,
				   back ? ram : segment.addr, segment.len);
		if (error)
			return error;
		ram += segment.len;
	}
	return 0;
}

static int fill_and_compare(struct range_client *client,
			    const struct rlist_dma *dma, const char *pattern)
{
	size_t length = strlen(pattern), i;
	int error;

	for (i = 0; i < RANGE_SIZE; i++)
		client->ram[i] = pattern[i % length];
	error = move_all(client, dma, false);
	memset(client->ram, 0, RANGE_SIZE);
	error = error ?: move_all(client, dma, true);
	if (error)
		return error;
	for (i = 0; i < RANGE_SIZE; i++)
		if (client->ram[i] != pattern[i % length])
			return -EIO;
	return 0;
}

static int list_copy(struct range_client *client, struct rlist *list,
		     const char *pattern)
{
	struct device *dev = &client->pdev->dev;
	unsigned long since = pci_p2pdma_outages();
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	int error;

	rlist_cpu_list(&cpu, list);
	error = dma_map_rlist(dev, &cpu, &dma, DMA_BIDIRECTIONAL, 0, GFP_KERNEL);
	if (error)
		return error;
	error = fill_and_compare(client, &dma, pattern);
	dma_unmap_rlist(dev, &dma);
	/* The device has reported success, whatever it has read and written. */
	return error ?: rlist_intact(&cpu, since) ? 0 : -EREMOTEIO;
}

static int range_copy(struct range_client *client, struct pci_dev *provider,
		      const char *pattern)
{
	phys_addr_t start = pci_resource_start(provider, RANGE_BAR) +
			    RANGE_OFFSET;
	struct p2pdma_resource *res;
	struct rlist list;
	int error;

	guard(mutex)(&client->lock);
	if (client->stuck)
		return -EIO;
	/* As it is held for a copy only, nobody has to be told that it goes. */
	res = pci_p2pdma_range_get(provider, start, RANGE_SIZE);
	if (!res)
		return -ENODEV;
	rlist_init(&list);
	error = rlist_add_phys(&list, start, RANGE_SIZE, provider, GFP_KERNEL);
	if (!error)
		error = list_copy(client, &list, pattern);
	rlist_free(&list);
	pci_p2pdma_range_put(res);
	return error;
}

static ssize_t copy_range_store(struct device *dev,
				struct device_attribute *attr, const char *buf,
				size_t count)
{
	struct range_client *client = dev_get_drvdata(dev);
	unsigned int domain, bus, slot, func;
	struct pci_dev *provider;
	char pattern[32];
	int error;

	if (sscanf(buf, "%x:%x:%x.%x %31s", &domain, &bus, &slot, &func,
		   pattern) != 5)
		return -EINVAL;
	provider = pci_get_domain_bus_and_slot(domain, bus,
					       PCI_DEVFN(slot, func));
	if (!provider)
		return -ENODEV;
	error = range_copy(client, provider, pattern);
	pci_dev_put(provider);
	return error ?: count;
}
static DEVICE_ATTR_WO(copy_range);

static struct attribute *range_attrs[] = {
	&dev_attr_copy_range.attr,
	NULL
};
ATTRIBUTE_GROUPS(range);

static int range_client_probe(struct pci_dev *pdev,
			      const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct range_client *client;
	int error;

	client = devm_kzalloc(dev, sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->pdev = pdev;
	mutex_init(&client->lock);
	pci_set_drvdata(pdev, client);

	error = pcim_enable_device(pdev);
	if (error)
		return error;
	client->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(client->regs))
		return PTR_ERR(client->regs);
	error = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	pci_set_master(pdev);
	client->ram = dmam_alloc_coherent(dev, RANGE_SIZE, &client->ram_dma,
					  GFP_KERNEL);
	return client->ram ? 0 : -ENOMEM;
}

static void range_client_remove(struct pci_dev *pdev)
{
	pci_clear_master(pdev);
}

static int range_provider_probe(struct pci_dev *pdev,
				const struct pci_device_id *id)
{
	int error = pcim_enable_device(pdev);

	if (error)
		return error;
	error = pcim_request_region(pdev, RANGE_BAR, KBUILD_MODNAME);
	if (error)
		return error;
	return pcim_p2pdma_add_range(pdev, RANGE_BAR, RANGE_SIZE, RANGE_OFFSET);
}

/* While the device still decodes: devres would come too late. */
static void range_provider_remove(struct pci_dev *pdev)
{
	pci_p2pdma_remove_resource(pdev, RANGE_BAR, RANGE_OFFSET);
}

static const struct pci_device_id range_client_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{}
};

static struct pci_driver range_client_driver = {
	.name = "p2pdma-range-client",
	.id_table = range_client_ids,
	.probe = range_client_probe,
	.remove = range_client_remove,
	.dev_groups = range_groups,
};

static const struct pci_device_id range_provider_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE_ID) },
	{}
};

static struct pci_driver range_provider_driver = {
	.name = "p2pdma-range-provider",
	.id_table = range_provider_ids,
	.probe = range_provider_probe,
	.remove = range_provider_remove,
};

static int __init range_init(void)
{
	int error = pci_register_driver(&range_provider_driver);

	if (error)
		return error;
	error = pci_register_driver(&range_client_driver);
	if (error)
		pci_unregister_driver(&range_provider_driver);
	return error;
}
module_init(range_init);

static void __exit range_exit(void)
{
	pci_unregister_driver(&range_client_driver);
	pci_unregister_driver(&range_provider_driver);
}
module_exit(range_exit);

MODULE_DESCRIPTION("Sample of PCI peer-to-peer DMA without struct pages");
MODULE_LICENSE("GPL");
