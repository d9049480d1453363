// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample: a driver whose device does DMA to the memory of another device.
 *
 * The device is edu, of QEMU, which moves data between a buffer of its own and
 * any address; without the mask it has 28 address bits:
 *
 *	-device edu,dma_mask=0xffffffffffffffff
 *
 * What is written to the attribute "copy" of the device goes, again and again
 * until CLIENT_SIZE bytes are full, from RAM to peer memory and back, and is
 * compared.  It stays in the peer memory, which the driver keeps.
 *
 * See Documentation/driver-api/pci/p2pdma.rst and, for the device,
 * docs/specs/edu.rst of QEMU.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "edu.h"

#define CLIENT_SIZE		SZ_8K

/**
 * struct client - a device that does DMA
 * @pdev: the device
 * @regs: its registers
 * @ram: CLIENT_SIZE bytes of RAM
 * @ram_dma: where the device has them
 * @lock: held for each copy; protects what follows
 * @stuck: a transfer did not end, and the device may do no DMA any more
 * @provider: device that @sgt is allocated from, with a reference; or NULL
 * @sgt: peer memory, not mapped for DMA but during a copy
 * @nb: by which it hears that @provider goes
 */
struct client {
	struct pci_dev *pdev;
	void __iomem *regs;
	u8 *ram;
	dma_addr_t ram_dma;
	struct mutex lock;		/* see above */
	bool stuck;
	struct pci_dev *provider;
	struct sg_table sgt;
	struct notifier_block nb;
};

static int client_get_memory(struct client *client)
{
	struct sg_table *sgt = &client->sgt;
	struct pci_dev *provider;

	if (client->provider)
		return 0;
	provider = pci_p2pmem_find(&client->pdev->dev);
	if (!provider)
		return -ENODEV;
	sgt->sgl = pci_p2pmem_alloc_sgl(provider, &sgt->orig_nents,
					CLIENT_SIZE);
	if (!sgt->sgl) {
		pci_dev_put(provider);
		return -ENOMEM;
	}
	client->provider = provider;
	return 0;
}

static void client_put_memory(struct client *client)
{
	if (!client->provider)
		return;
	pci_p2pmem_free_sgl(client->provider, client->sgt.sgl);
	pci_dev_put(client->provider);
	client->provider = NULL;
}

static int client_dma(struct client *client, u64 src, u64 dst, u32 count,
		      u32 cmd)
{
	int error = edu_dma(client->regs, src, dst, count, cmd);

	/* Memory that it might still write to is given back. */
	if (error) {
		pci_clear_master(client->pdev);
		client->stuck = true;
	}
	return error;
}

static int move_chunk(struct client *client, u64 src, u64 dst, u32 count)
{
	int error;

	/* Who waits for the end of a copy does not wait for all of it. */
	if (!pci_p2pdma_reachable(client->provider))
		return -EREMOTEIO;
	error = client_dma(client, src, EDU_BUFFER, count, 0);
	return error ?: client_dma(client, EDU_BUFFER, dst, count,
				   EDU_DMA_FROM_EDU);
}

/* All of the RAM to the peer memory, which is mapped, or back */
static int move_all(struct client *client, bool back)
{
	dma_addr_t ram = client->ram_dma, peer;
	struct scatterlist *sg;
	unsigned int i, done;
	u32 count;
	int error;

	for_each_sgtable_dma_sg(&client->sgt, sg, i) {
		for (done = 0; done < sg_dma_len(sg); done += count) {
			count = min_t(u32, sg_dma_len(sg) - done, EDU_CHUNK);
			peer = sg_dma_address(sg) + done;
			error = move_chunk(client, back ? peer : ram,
					   back ? ram : peer, count);
			if (error)
				return error;
			ram += count;
		}
	}
	return 0;
}

static void fill(u8 *ram, const char *pattern, size_t length)
{
	unsigned int i;

	for (i = 0; i < CLIENT_SIZE; i++)
		ram[i] = pattern[i % length];
}

static bool is_filled(const u8 *ram, const char *pattern, size_t length)
{
	unsigned int i;

	for (i = 0; i < CLIENT_SIZE; i++)
		if (ram[i] != pattern[i % length])
			return false;
	return true;
}

static int client_copy(struct client *client, const char *pattern,
		       size_t length)
{
	struct device *dev = &client->pdev->dev;
	struct sg_table *sgt = &client->sgt;
	unsigned long since;
	int error;

	guard(mutex)(&client->lock);
	if (client->stuck)
		return -EIO;
	error = client_get_memory(client);
	if (error)
		return error;

	since = pci_p2pdma_outages();
	error = dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (error)
		return error;
	fill(client->ram, pattern, length);
	error = move_all(client, false);
	if (!error) {
		memset(client->ram, 0, CLIENT_SIZE);
		error = move_all(client, true);
	}
	dma_unmap_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	/* The device has reported success, whatever it has read and written. */
	if (!error && !pci_p2pdma_sg_intact(sgt->sgl, sgt->orig_nents, since))
		error = -EREMOTEIO;
	if (!error && !is_filled(client->ram, pattern, length))
		error = -EIO;
	return error;
}

/*
 * May be called while a copy is under way: to have waited for the lock is to
 * have waited for its end.  Without the memory the provider's driver could not
 * be unbound.
 */
static int client_notify(struct notifier_block *nb, unsigned long event,
			 void *data)
{
	struct client *client = container_of(nb, struct client, nb);

	guard(mutex)(&client->lock);
	if (!client->provider || data != client->provider)
		return NOTIFY_DONE;
	if (event == PCI_P2PDMA_RESOURCE_REMOVED ||
	    event == PCI_P2PDMA_UNPUBLISHED)
		client_put_memory(client);
	return NOTIFY_OK;
}

static ssize_t copy_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	int error;

	if (!count)
		return -EINVAL;
	error = client_copy(dev_get_drvdata(dev), buf, count);
	return error ?: count;
}
static DEVICE_ATTR_WO(copy);

static struct attribute *client_attrs[] = {
	&dev_attr_copy.attr,
	NULL
};
ATTRIBUTE_GROUPS(client);

static int client_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct client *client;
	int error;

	client = devm_kzalloc(dev, sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->pdev = pdev;
	client->nb.notifier_call = client_notify;
	mutex_init(&client->lock);
	pci_set_drvdata(pdev, client);

	error = pcim_enable_device(pdev);
	if (error)
		return error;
	client->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(client->regs))
		return PTR_ERR(client->regs);
	/* Peer memory may be at any address, often above RAM. */
	error = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	pci_set_master(pdev);
	client->ram = dmam_alloc_coherent(dev, CLIENT_SIZE, &client->ram_dma,
					  GFP_KERNEL);
	if (!client->ram)
		return -ENOMEM;
	return pci_p2pdma_register_notifier(&client->nb);
}

/* Without "copy" by now; nobody takes memory any more. */
static void client_remove(struct pci_dev *pdev)
{
	struct client *client = pci_get_drvdata(pdev);

	pci_p2pdma_unregister_notifier(&client->nb);
	client_put_memory(client);
	pci_clear_master(pdev);
}

static const struct pci_device_id client_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{}
};

static struct pci_driver client_driver = {
	.name = "p2pdma-client",
	.id_table = client_ids,
	.probe = client_probe,
	.remove = client_remove,
	.dev_groups = client_groups,
};
module_pci_driver(client_driver);

MODULE_DESCRIPTION("Sample client of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
