// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite on emulated devices: NVMe drives of QEMU, one of which registers its
 * CMB, as tools/testing/kunit/qemu_configs/x86_64_p2pdma.py has them.
 *
 *	     [ root port ]
 *		  |
 *	  [ switch upstream ]
 *	   /      |       \
 *	[down]  [down]  [down]
 *	   |      |       |
 *	drive a drive b  provider (CMB)
 *
 * On another machine the verdicts are whatever it gives; what is checked is
 * that the DMA API and the block layer do as they say.  The blocks that the
 * copies overwrite are put back.
 */
#include <kunit/test.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../p2pdma.h"
#include "../peers.h"

#define QEMU_VENDOR	0x1b36
#define QEMU_NVME	0x0010
#define CLIENTS		2
#define COPY		SZ_64K

struct machine {
	struct pci_dev *provider;
	struct pci_dev *client[CLIENTS];
	struct file *disk[CLIENTS];
	u8 *before[CLIENTS];
};

static struct machine machine;

/* ---- finding them ---- */

static int match_disk(struct device *dev, void *data)
{
	return dev->class == &block_class && !bdev_is_partition(dev_to_bdev(dev));
}

static int match_ctrl(struct device *dev, void *data)
{
	struct device **disk = data;

	*disk = device_find_child(dev, NULL, match_disk);
	return !!*disk;
}

/* The disk below a controller: pci device -> nvme0 -> nvme0n1 */
static struct file *open_disk(struct pci_dev *pdev)
{
	struct device *disk = NULL;
	struct file *file;

	if (!device_for_each_child(&pdev->dev, &disk, match_ctrl))
		return NULL;
	file = bdev_file_open_by_dev(disk->devt, BLK_OPEN_READ | BLK_OPEN_WRITE,
				     &machine, NULL);
	put_device(disk);
	return IS_ERR(file) ? NULL : file;
}

static void find_devices(void)
{
	struct pci_dev *pdev = NULL;
	int clients = 0;

	while ((pdev = pci_get_device(QEMU_VENDOR, QEMU_NVME, pdev))) {
		if (pci_has_p2pmem(pdev)) {
			if (!machine.provider)
				machine.provider = pci_dev_get(pdev);
		} else if (clients < CLIENTS && pdev->dev.driver) {
			machine.client[clients++] = pci_dev_get(pdev);
		}
	}
}

/* Drives are scanned in the background. */
static void open_disks(void)
{
	int i, tries;

	for (i = 0; i < CLIENTS; i++) {
		for (tries = 0; machine.client[i] && tries < 100; tries++) {
			machine.disk[i] = open_disk(machine.client[i]);
			if (machine.disk[i])
				break;
			msleep(100);
		}
	}
}

static int devices_suite_init(struct kunit_suite *suite)
{
	wait_for_device_probe();
	find_devices();
	if (machine.provider && machine.client[CLIENTS - 1])
		open_disks();
	return 0;
}

static void devices_suite_exit(struct kunit_suite *suite)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		if (machine.disk[i])
			bdev_fput(machine.disk[i]);
		pci_dev_put(machine.client[i]);
	}
	pci_dev_put(machine.provider);
	memset(&machine, 0, sizeof(machine));
}

static int devices_init(struct kunit *test)
{
	if (!machine.provider || !machine.client[CLIENTS - 1])
		kunit_skip(test, "needs QEMU's NVMe drives, %d and one with a CMB",
			   CLIENTS);
	KUNIT_ASSERT_NOT_NULL_MSG(test, machine.disk[CLIENTS - 1],
				  "a drive without its disk");
	return 0;
}

/* ---- peer memory ---- */

struct allocation {
	void *addr;
	size_t size;
};

static void give_back(void *data)
{
	struct allocation *peer = data;

	pci_free_p2pmem(machine.provider, peer->addr, peer->size);
}

static void *take(struct kunit *test, size_t size)
{
	struct allocation *peer = kunit_kzalloc(test, sizeof(*peer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, peer);
	peer->size = size;
	peer->addr = pci_alloc_p2pmem(machine.provider, size);
	KUNIT_ASSERT_NOT_NULL(test, peer->addr);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, give_back, peer));
	return peer->addr;
}

static struct p2pdma_verdict verdict_on(int client, void *addr)
{
	struct p2pdma_resource *res = p2pdma_page_resource(virt_to_page(addr));

	return p2pdma_peer_verdict(res, &machine.client[client]->dev);
}

/* The CMB is memory in a BAR of the provider, and pages say whose it is. */
static void devices_memory(struct kunit *test)
{
	void *addr = take(test, 3 * PAGE_SIZE);
	struct page *page = virt_to_page(addr);
	phys_addr_t phys = page_to_phys(page);
	int bar, owner = -1;

	KUNIT_EXPECT_TRUE(test, is_pci_p2pdma_page(page));
	KUNIT_EXPECT_PTR_EQ(test, p2pdma_page_resource(page)->pdev, machine.provider);
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (phys >= pci_resource_start(machine.provider, bar) &&
		    phys + 3 * PAGE_SIZE - 1 <= pci_resource_end(machine.provider, bar))
			owner = bar;
	KUNIT_EXPECT_GE(test, owner, 0);

	memset_io((void __iomem *)addr, 0x5a, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, readb((void __iomem *)addr + 3 * PAGE_SIZE - 1), 0x5a);
}

static u64 registered_size(struct pci_dev *pdev)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	u64 size = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(pdev->p2pdma);
	if (!p2pdma)
		return 0;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node)
		size += mem->res.size;
	return size;
}

/* What the driver registers: once, until it is unbound, and again */
static void devices_register(struct kunit *test)
{
	struct pci_dev *pdev = machine.provider;
	u64 size = registered_size(pdev), start, offset;
	void *addr;
	int bar;

	KUNIT_ASSERT_GT(test, size, 0);
	addr = pci_alloc_p2pmem(pdev, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	start = p2pdma_page_resource(virt_to_page(addr))->start;
	pci_free_p2pmem(pdev, addr, PAGE_SIZE);
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (start >= pci_resource_start(pdev, bar) &&
		    start <= pci_resource_end(pdev, bar))
			break;
	KUNIT_ASSERT_LT(test, bar, PCI_STD_NUM_BARS);
	offset = start - pci_resource_start(pdev, bar);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			pci_p2pdma_add_resource(pdev, bar, SZ_2M, offset));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			pci_p2pdma_add_resource(pdev, bar, SIZE_MAX, offset));
	KUNIT_EXPECT_EQ(test, registered_size(pdev), size);

	device_release_driver(&pdev->dev);
	KUNIT_EXPECT_EQ(test, registered_size(pdev), 0);
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(pdev));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
	KUNIT_EXPECT_TRUE(test, pci_has_p2pmem(pdev));
	KUNIT_EXPECT_EQ(test, registered_size(pdev), size);
}

/* Right below one switch, which has no ACS: nothing is in the way. */
static bool under_one_switch(struct pci_dev *a, struct pci_dev *b)
{
	struct pci_dev *in = pci_upstream_bridge(a), *out = pci_upstream_bridge(b);

	return in && out && in != out && in->bus == out->bus &&
	       pci_pcie_type(in) == PCI_EXP_TYPE_DOWNSTREAM &&
	       pci_pcie_type(out) == PCI_EXP_TYPE_DOWNSTREAM &&
	       !in->acs_cap && !out->acs_cap;
}

/* Distance and choice agree with the verdicts, and these with the picture. */
static void devices_verdicts(struct kunit *test)
{
	struct device *clients[CLIENTS];
	void *addr = take(test, PAGE_SIZE);
	struct p2pdma_verdict verdict;
	struct pci_dev *found;
	int i, distance, total = 0;

	for (i = 0; i < CLIENTS; i++) {
		clients[i] = &machine.client[i]->dev;
		verdict = verdict_on(i, addr);
		distance = pci_p2pdma_distance(machine.provider, clients[i], true);
		kunit_info(test, "%s: %s, distance %d\n", dev_name(clients[i]),
			   p2pdma_reason_names[verdict.reason], distance);
		if (under_one_switch(machine.client[i], machine.provider)) {
			KUNIT_EXPECT_EQ(test, verdict.map[P2PDMA_READ],
					PCI_P2PDMA_MAP_BUS_ADDR);
			KUNIT_EXPECT_EQ(test, verdict.map[P2PDMA_WRITE],
					PCI_P2PDMA_MAP_BUS_ADDR);
			KUNIT_EXPECT_EQ(test, verdict.reason,
					P2PDMA_REASON_SAME_SWITCH);
			KUNIT_EXPECT_EQ(test, verdict.distance, 4);
		}
		if (verdict.map[P2PDMA_READ] == PCI_P2PDMA_MAP_NOT_SUPPORTED ||
		    verdict.map[P2PDMA_WRITE] == PCI_P2PDMA_MAP_NOT_SUPPORTED) {
			KUNIT_EXPECT_EQ(test, distance, -1);
			total = INT_MIN;
		} else {
			KUNIT_EXPECT_EQ(test, distance, verdict.distance);
			total += distance;
		}
	}
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance_many(machine.provider, clients,
						       CLIENTS, false),
			max(total, -1));
	found = pci_p2pmem_find_many(clients, CLIENTS);
	if (total < 0)
		KUNIT_EXPECT_NULL(test, found);
	else
		KUNIT_EXPECT_NOT_NULL(test, found);
	pci_dev_put(found);
}

static void devices_map(struct kunit *test)
{
	size_t len = 5 * PAGE_SIZE;
	void *addr = take(test, len);
	pci_bus_addr_t bus = pci_p2pmem_virt_to_bus(machine.provider, addr);
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };
	int i, ret;

	for (i = 0; i < CLIENTS; i++) {
		struct device *dev = &machine.client[i]->dev;

		sg_init_one(&sg, addr, len);
		ret = dma_map_sgtable(dev, &sgt, DMA_FROM_DEVICE, 0);
		switch (verdict_on(i, addr).map[P2PDMA_WRITE]) {
		case PCI_P2PDMA_MAP_BUS_ADDR:
			KUNIT_ASSERT_EQ(test, ret, 0);
			KUNIT_EXPECT_TRUE(test, sg_dma_is_bus_address(&sg));
			KUNIT_EXPECT_EQ(test, sg_dma_address(&sg), bus);
			break;
		case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
			KUNIT_ASSERT_EQ(test, ret, 0);
			KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&sg));
			break;
		default:
			KUNIT_EXPECT_EQ(test, ret, -EREMOTEIO);
			continue;
		}
		KUNIT_EXPECT_EQ(test, sg_dma_len(&sg), len);
		dma_unmap_sgtable(dev, &sgt, DMA_FROM_DEVICE, 0);
		KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&sg));
	}
}

/* ---- data ---- */

static int transfer(int client, blk_opf_t op, void *addr)
{
	struct bio_vec vec[COPY / PAGE_SIZE];
	struct bio bio;
	size_t done;
	int ret;

	bio_init(&bio, file_bdev(machine.disk[client]), vec, ARRAY_SIZE(vec), op);
	for (done = 0; done < COPY; done += PAGE_SIZE)
		__bio_add_page(&bio, virt_to_page(addr + done), PAGE_SIZE, 0);
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return ret;
}

static void restore(void *unused)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		if (machine.before[i])
			transfer(i, REQ_OP_WRITE | REQ_SYNC, machine.before[i]);
	memset(machine.before, 0, sizeof(machine.before));
}

static void *ram(struct kunit *test)
{
	void *addr = kunit_kzalloc(test, COPY, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	return addr;
}

static void save(struct kunit *test)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		u8 *before = ram(test);

		KUNIT_ASSERT_EQ(test, 0, transfer(i, REQ_OP_READ, before));
		machine.before[i] = before;
	}
}

/* RAM -> drive a -> peer memory -> drive b -> RAM, where routes allow it */
static void devices_copy(struct kunit *test)
{
	u8 *data = ram(test), *back = ram(test), *before;
	void *peer = take(test, COPY);
	int from, to;

	save(test);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, restore, NULL));
	for (from = 0; from < CLIENTS; from++) {
		to = (from + 1) % CLIENTS;
		before = machine.before[to];
		get_random_bytes(data, COPY);
		memset_io((void __iomem *)peer, 0, COPY);
		KUNIT_ASSERT_EQ(test, 0, transfer(from, REQ_OP_WRITE | REQ_SYNC, data));

		if (verdict_on(from, peer).map[P2PDMA_WRITE] ==
		    PCI_P2PDMA_MAP_NOT_SUPPORTED) {
			KUNIT_EXPECT_EQ(test, transfer(from, REQ_OP_READ, peer),
					-EREMOTEIO);
			continue;
		}
		KUNIT_ASSERT_EQ(test, 0, transfer(from, REQ_OP_READ, peer));
		memcpy_fromio(back, (void __iomem *)peer, COPY);
		KUNIT_EXPECT_MEMEQ(test, back, data, COPY);

		if (verdict_on(to, peer).map[P2PDMA_READ] ==
		    PCI_P2PDMA_MAP_NOT_SUPPORTED) {
			KUNIT_EXPECT_EQ(test, transfer(to, REQ_OP_WRITE | REQ_SYNC, peer),
					-EREMOTEIO);
			KUNIT_ASSERT_EQ(test, 0, transfer(to, REQ_OP_READ, back));
			KUNIT_EXPECT_MEMEQ(test, back, before, COPY);
			continue;
		}
		KUNIT_ASSERT_EQ(test, 0, transfer(to, REQ_OP_WRITE | REQ_SYNC, peer));
		KUNIT_ASSERT_EQ(test, 0, transfer(to, REQ_OP_READ, back));
		KUNIT_EXPECT_MEMEQ(test, back, data, COPY);
	}
}

static struct kunit_case devices_cases[] = {
	KUNIT_CASE(devices_register),
	KUNIT_CASE(devices_memory),
	KUNIT_CASE(devices_verdicts),
	KUNIT_CASE(devices_map),
	KUNIT_CASE(devices_copy),
	{}
};

static struct kunit_suite devices_suite = {
	.name = "p2pdma_devices",
	.suite_init = devices_suite_init,
	.suite_exit = devices_suite_exit,
	.init = devices_init,
	.test_cases = devices_cases,
};

kunit_test_suite(devices_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA on emulated NVMe drives");
MODULE_LICENSE("GPL");
