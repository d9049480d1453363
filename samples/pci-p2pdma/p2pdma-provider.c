// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample: a driver that makes a BAR of its device available to peers.
 *
 * The device is ivshmem, of QEMU, whose BAR 2 is memory and whose BAR 0 has the
 * registers:
 *
 *	-object memory-backend-memfd,id=memory,size=64M,share=on
 *	-device ivshmem-plain,memdev=memory
 *
 * See Documentation/driver-api/pci/p2pdma.rst.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#define PROVIDER_REGISTERS	0
#define PROVIDER_MEMORY		2

#define IVSHMEM_DEVICE_ID	0x1110
#define IVSHMEM_INTR_MASK	0x00

static int provider_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *regs;
	int error;

	/* Awake, and the BARs are decoded */
	error = pcim_enable_device(pdev);
	if (error)
		return error;
	/* Registers are mapped by themselves, never together with the memory. */
	regs = pcim_iomap_region(pdev, PROVIDER_REGISTERS, KBUILD_MODNAME);
	if (IS_ERR(regs))
		return PTR_ERR(regs);
	error = pcim_request_region(pdev, PROVIDER_MEMORY, KBUILD_MODNAME);
	if (error)
		return error;
	pci_set_drvdata(pdev, (void __force *)regs);

	/* Whatever it takes until the memory answers comes here. */
	writel(~0, regs + IVSHMEM_INTR_MASK);

	/* All of the BAR; what is wrong with it is in the log. */
	error = pci_p2pdma_add_resource(pdev, PROVIDER_MEMORY, 0, 0);
	if (error)
		return error;
	pci_p2pmem_publish(pdev, true);
	return 0;
}

/* Peers are at the memory until it is unregistered; devres comes later. */
static void provider_remove(struct pci_dev *pdev)
{
	void __iomem *regs = (void __iomem __force *)pci_get_drvdata(pdev);

	pci_p2pdma_remove_resource(pdev, PROVIDER_MEMORY, 0);
	writel(0, regs + IVSHMEM_INTR_MASK);
}

static const struct pci_device_id provider_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, IVSHMEM_DEVICE_ID) },
	{}
};

static struct pci_driver provider_driver = {
	.name = "p2pdma-provider",
	.id_table = provider_ids,
	.probe = provider_probe,
	.remove = provider_remove,
};
module_pci_driver(provider_driver);

MODULE_DESCRIPTION("Sample provider of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
