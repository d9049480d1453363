// SPDX-License-Identifier: GPL-2.0-only
/*
 * What doctor finds of a device: the memory that it provides, its BARs, its driver,
 * and the packets that it sends.
 */
#include "doctor.h"

#define REGISTERED	(2 * MIB)	/* what peer memory is a multiple of, and aligned to */

/* ---- the provider's memory ---- */

static u64 number_of_device(const struct machine *machine, const struct pci_dev *pdev,
			    const char *file)
{
	char *line = line_of_device(machine, pdev, file);
	u64 number = line ? strtoull(line, NULL, 10) : 0;

	free(line);
	return number;
}

/* A folder may have been copied without what drivers have put there. */
static bool has_links(const struct machine *machine)
{
	unsigned int i;

	if (!machine->sys || machine->live)
		return machine->sys;
	for (i = 0; i < machine->num; i++)
		if (machine->function[i].driver)
			return true;
	return false;
}

static void no_memory(struct diagnosis *diagnosis, const struct pci_dev *provider)
{
	const struct machine *machine = diagnosis->view->machine;
	char address[BDF_SIZE];

	pdev_text(address, provider);
	if (!has_links(machine)) {
		found(diagnosis, HEALTH_UNKNOWN, "memory", "%s: whether memory of it is registered is not in the input",
		      address);
		remedy(diagnosis, "there: cat /sys/bus/pci/devices/%s/p2pmem/size", address);
		return;
	}
	found(diagnosis, HEALTH_PROBLEM, "memory", "%s: no memory of it is registered for peers",
	      address);
	remedy(diagnosis, "%secho pci-p2pmem-stub >/sys/bus/pci/devices/%s/driver_override; echo %s >/sys/bus/pci/drivers_probe (a driver that has it is to be unbound first); or for an NVMe drive, one with a CMB",
	       stub_is_there(machine) ? "" : "modprobe pci-p2pmem-stub (CONFIG_PCI_P2PMEM_STUB); ",
	       address, address);
}

void check_memory(struct diagnosis *diagnosis, const struct pci_dev *provider)
{
	const struct machine *machine = diagnosis->view->machine;
	char address[BDF_SIZE], size[SIZE_TEXT], free_size[SIZE_TEXT];
	char *published, *available, *total;

	pdev_text(address, provider);
	if (!provider->function->provider) {
		no_memory(diagnosis, provider);
		return;
	}
	available = line_of_device(machine, provider, "p2pmem/available");
	published = line_of_device(machine, provider, "p2pmem/published");
	total = line_of_device(machine, provider, "p2pmem/size");
	size_text(size, number_of_device(machine, provider, "p2pmem/size"));
	if (total && !strcmp(total, "0")) {
		found(diagnosis, HEALTH_PROBLEM, "memory", "%s: what is registered is without struct pages: nothing of it for programs, nor for I/O of drives",
		      address);
		remedy(diagnosis, "a provider with pages, or a driver that registers some with pages");
	} else if (!available) {
		found(diagnosis, HEALTH_UNKNOWN, "memory", "%s: %s registered; how much of it is free cannot be read",
		      address, size);
		remedy(diagnosis, "there, as root: cat /sys/bus/pci/devices/%s/p2pmem/available",
		       address);
	} else if (!strcmp(available, "0")) {
		found(diagnosis, HEALTH_PROBLEM, "memory", "%s: %s registered, and all of it in use",
		      address, size);
		remedy(diagnosis, "end what uses it, or a provider with more");
	} else {
		found(diagnosis, HEALTH_OK, "memory", "%s: %s registered, %s free%s", address, size,
		      size_text(free_size, strtoull(available, NULL, 10)),
		      published && *published == '0' ?
		      "; not published: for programs and its own driver" : "");
	}
	free(available);
	free(published);
	free(total);
}

/* ---- its BAR ---- */

static bool wants_all(const struct pci_dev *pdev)
{
	return pdev->class >> 16 == PCI_BASE_CLASS_DISPLAY ||
	       pdev->class >> 16 == PCI_BASE_CLASS_ACCELERATOR;
}

/* Peers see as much of a GPU's memory as its BAR is large. */
static void check_resizable(struct diagnosis *diagnosis, const struct pci_dev *provider,
			    const struct bar *bar, const char *where)
{
	char size[SIZE_TEXT], largest[SIZE_TEXT], address[BDF_SIZE];
	bool bad = wants_all(provider);

	found(diagnosis, bad ? HEALTH_PROBLEM : HEALTH_OK, "bar",
	      "%s: %s%s, which can be resized to %s",
	      pdev_text(address, provider), size_text(size, bar->size), where,
	      size_text(largest, bar->largest));
	if (bad)
		remedy(diagnosis, "enable Resizable BAR and Above 4G Decoding in the firmware's setup");
}

static void check_size(struct diagnosis *diagnosis, const struct pci_dev *provider,
		       const struct bar *bar)
{
	char address[BDF_SIZE], size[SIZE_TEXT], where[64];
	bool low = bar->base + bar->size <= 4 * GIB;

	pdev_text(address, provider);
	size_text(size, bar->size);
	snprintf(where, sizeof(where), " at %#llx%s", (unsigned long long)bar->base,
		 low ? ", below 4 GiB" : "");
	if (!bar->size) {
		found(diagnosis, HEALTH_UNKNOWN, "bar", "%s: there is memory%s, and how much is not in the input",
		      address, where);
		remedy(diagnosis, "there: lspci -vv -s %s", address);
	} else if (bar->size < REGISTERED) {
		found(diagnosis, HEALTH_PROBLEM, "bar", "%s: the largest BAR is %s%s: too small, memory is registered by 2 MiB",
		      address, size, where);
		remedy(diagnosis, "a provider with a larger BAR, or if its firmware can (NVMe CMB, NVIDIA's BAR1), enlarge it");
	} else if (bar->base % REGISTERED) {
		found(diagnosis, HEALTH_PROBLEM, "bar", "%s: %s%s, not aligned to 2 MiB: what is before the first boundary and behind the last is lost",
		      address, size, where);
		remedy(diagnosis, "pci=resource_alignment=21@%s on the kernel's command line",
		       address);
	} else if (bar->largest > bar->size) {
		check_resizable(diagnosis, provider, bar, where);
	} else {
		found(diagnosis, HEALTH_OK, "bar", "%s: %s%s%s", address, size, where,
		      bar->prefetchable ? "" : "; not prefetchable, so mapped uncached");
		if (low && bar->wide && wants_all(provider) && bar->size < GIB) {
			diagnosis->finding[diagnosis->num - 1].health = HEALTH_PROBLEM;
			remedy(diagnosis, "enable Above 4G Decoding in the firmware's setup: so low there is no room for more");
		}
	}
}

void check_bar(struct diagnosis *diagnosis, const struct pci_dev *provider)
{
	const struct bar *bar = NULL;
	struct bar bars[BARS];
	char address[BDF_SIZE];
	bool known = hardware_bars(provider, bars);

	pdev_text(address, provider);
	if (known)
		bar = largest_bar(bars);
	if (!known) {
		found(diagnosis, HEALTH_UNKNOWN, "bar", "%s: where its memory is, and how much, is not in the input",
		      address);
		remedy(diagnosis, "there: lspci -vv -s %s", address);
	} else if (!bar) {
		found(diagnosis, HEALTH_PROBLEM, "bar", "%s: it has no memory BAR", address);
		remedy(diagnosis, "another provider");
	} else if (bar->unset) {
		found(diagnosis, HEALTH_PROBLEM, "bar", "%s: its memory has no address, or is not decoded",
		      address);
		remedy(diagnosis, "pci=realloc on the kernel's command line, Above 4G Decoding in the firmware's setup; a driver that enables the device");
	} else {
		check_size(diagnosis, provider, bar);
	}
}

/* ---- the client's driver ---- */

static bool is_rdma(const char *driver)
{
	static const char * const drivers[] = {
		"mlx5_core", "mlx4_core", "bnxt_en", "ice", "irdma", "qede", "cxgb4",
		"hns3", "efa", "erdma", "ionic", "mana", "ib_mthca", "ocrdma", "pvrdma",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(driver, drivers[i]))
			return true;
	return false;
}

static bool has_rdma(const struct machine *machine, const struct pci_dev *pdev)
{
	char name[PATH_MAX], address[BDF_SIZE];
	FILE *folder;

	snprintf(name, sizeof(name), "%s/bus/pci/devices/%s/infiniband/.", machine->sys,
		 pdev_text(address, pdev));
	folder = fopen(name, "r");
	if (folder)
		fclose(folder);
	return folder;
}

/**
 * driver_asks - does a client's driver ask for peer memory?
 * @machine: where it is
 * @client: the client
 * @how: words on that
 *
 * The list is that of Linux 6.12; a driver that is not part of it may do as it likes.
 */
enum health driver_asks(const struct machine *machine, const struct pci_dev *client,
			const char **how)
{
	const char *driver = client->function->driver;

	*how = "no driver has it";
	if (!driver)
		return has_links(machine) ? HEALTH_PROBLEM : HEALTH_UNKNOWN;
	*how = "takes peer memory in bios and passthrough";
	if (!strcmp(driver, "nvme"))
		return HEALTH_OK;
	*how = "takes peer memory by dma-buf";
	if (!strcmp(driver, "amdgpu") || !strcmp(driver, "xe") || !strcmp(driver, "habanalabs"))
		return HEALTH_OK;
	*how = "takes peer memory in RDMA";
	if (machine->sys && has_rdma(machine, client))
		return HEALTH_OK;
	*how = machine->sys ? "takes peer memory in RDMA, but no RDMA device is there" :
	       "takes peer memory in RDMA; whether its RDMA device is there is not in the input";
	if (is_rdma(driver))
		return machine->sys ? HEALTH_PROBLEM : HEALTH_UNKNOWN;
	*how = "has ways of its own, which nothing here knows";
	if (!strcmp(driver, "nvidia") || !strcmp(driver, "vfio-pci"))
		return HEALTH_UNKNOWN;
	*how = "asks for no peer memory";
	return HEALTH_PROBLEM;
}

void check_driver(struct diagnosis *diagnosis, const struct pci_dev *client)
{
	const struct machine *machine = diagnosis->view->machine;
	const char *driver = client->function->driver, *how;
	enum health health = driver_asks(machine, client, &how);
	char address[BDF_SIZE];

	pdev_text(address, client);
	if (!driver && health == HEALTH_UNKNOWN) {
		found(diagnosis, health, "driver", "%s: which driver has it is not in the input",
		      address);
		remedy(diagnosis, "there: lspci -k -s %s", address);
		return;
	}
	found(diagnosis, health, "driver", "%s: %s%s%s", address, driver ?: "", driver ? " " : "",
	      how);
	if (health == HEALTH_PROBLEM && !driver)
		remedy(diagnosis, "load the driver: modprobe $(cat /sys/bus/pci/devices/%s/modalias)",
		       address);
	else if (health == HEALTH_PROBLEM && is_rdma(driver))
		remedy(diagnosis, "load the RDMA part of the driver (mlx5_ib, bnxt_re, irdma ...), and enable RDMA on the card");
	else if (health == HEALTH_PROBLEM)
		remedy(diagnosis, "the topology may permit it, the driver does not ask: a client with another driver (NVMe, RDMA)");
	else if (health == HEALTH_UNKNOWN && is_rdma(driver))
		remedy(diagnosis, "there: ls /sys/bus/pci/devices/%s/infiniband", address);
	else if (health == HEALTH_UNKNOWN)
		remedy(diagnosis, "see what its maker says: nvidia-smi topo -p2p, nvidia-peermem; of vfio-pci, the driver in the virtual machine");
}

/* ---- can it address that ---- */

void check_mask(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	char client[BDF_SIZE], provider[BDF_SIZE];
	const struct bar *bar = NULL;
	struct bar bars[BARS];
	unsigned int bits;
	char *line;

	pdev_text(client, diagnosis->client);
	pdev_text(provider, diagnosis->provider);
	line = line_of_device(machine, diagnosis->client, "dma_mask_bits");
	if (hardware_bars(diagnosis->provider, bars))
		bar = largest_bar(bars);
	bits = line ? strtoul(line, NULL, 10) : 0;
	free(line);
	if (!bits || !bar || !bar->base) {
		found(diagnosis, HEALTH_UNKNOWN, "dma-mask", "whether %s can address the memory of %s is not in the input",
		      client, provider);
		remedy(diagnosis, "there: cat /sys/bus/pci/devices/%s/dma_mask_bits", client);
	} else if (bits < 64 && (bar->base + (bar->size ?: 1) - 1) >> bits) {
		found(diagnosis, HEALTH_PROBLEM, "dma-mask",
		      "%s addresses %u bits, and the memory of %s is at %#llx",
		      client, bits, provider, (unsigned long long)bar->base);
		remedy(diagnosis, "have its driver loaded (without one it counts as a device of 32 bits), or the BAR put below 4 GiB by firmware");
	} else {
		found(diagnosis, HEALTH_OK, "dma-mask",
		      "%s addresses %u bits, and the memory of %s is at %#llx",
		      client, bits, provider, (unsigned long long)bar->base);
	}
}

/* ---- packets ---- */

#define HOPS		64

/* All functions that packets pass, ends included */
static unsigned int all_hops(const struct diagnosis *diagnosis, struct pci_dev **hops)
{
	struct pci_dev *up[HOPS], *down[HOPS];
	unsigned int ups = climb_path(diagnosis->client, up, HOPS), num = 0, i;
	unsigned int downs = climb_path(diagnosis->provider, down, HOPS);

	if (ups > HOPS || downs > HOPS)
		return 0;
	while (ups > 1 && downs > 1 && up[ups - 2] == down[downs - 2]) {
		ups--;
		downs--;
	}
	for (i = 0; i < ups; i++)
		hops[num++] = up[i];
	for (i = 0; i < downs; i++)
		if (down[i] != up[ups - 1])
			hops[num++] = down[i];
	return num;
}

/* Who may get less than an end sends; conventional PCI has no such limit. */
static void check_payload(struct diagnosis *diagnosis)
{
	struct pci_dev *hops[2 * HOPS], *least = NULL, *open = NULL, *end = diagnosis->client;
	unsigned int num = all_hops(diagnosis, hops), i;
	char one[BDF_SIZE], other[BDF_SIZE];

	for (i = 0; i < num; i++) {
		/* What is above it is not there to be asked. */
		if (hops[i]->unread & UNREAD_PLACE)
			open = hops[i];
		if (!hops[i]->pcie_cap && !(hops[i]->unread & UNREAD_TYPE))
			continue;
		if (!hardware_payload(hops[i]))
			open = hops[i];
		else if (!least || hardware_payload(hops[i]) < hardware_payload(least))
			least = hops[i];
	}
	if (hardware_payload(diagnosis->provider) > hardware_payload(end))
		end = diagnosis->provider;
	if (least && hardware_payload(end) > hardware_payload(least)) {
		found(diagnosis, HEALTH_PROBLEM, "payload",
		      "%s sends packets with %u bytes, and %s on the way takes %u: they are malformed there",
		      pdev_text(one, end), hardware_payload(end),
		      pdev_text(other, least), hardware_payload(least));
		remedy(diagnosis, "pci=pcie_bus_peer2peer (128 bytes for all), or pci=pcie_bus_safe, on the kernel's command line");
	} else if (open || !num) {
		found(diagnosis, HEALTH_UNKNOWN, "payload", "the largest payload (MPS) of %s, or of what is above it, is not in the input",
		      pdev_text(one, open ?: end));
		remedy(diagnosis, "there, as root: lspci -xxxx, or lspci -vv");
	} else {
		found(diagnosis, HEALTH_OK, "payload",
		      "no packet is larger than what each port on the way takes (%u bytes)",
		      least ? hardware_payload(least) : 0);
	}
}

static void check_tags(struct diagnosis *diagnosis)
{
	enum tri sent = hardware_tags_sent(diagnosis->client);
	enum tri completed = hardware_tags_completed(diagnosis->provider);
	char client[BDF_SIZE], provider[BDF_SIZE];

	pdev_text(client, diagnosis->client);
	pdev_text(provider, diagnosis->provider);
	if (sent == YES && completed == NO) {
		found(diagnosis, HEALTH_PROBLEM, "tags", "%s may read with tags of 10 bits, and %s answers to 8 bits only: reads time out",
		      client, provider);
		remedy(diagnosis, "setpci -s %s CAP_EXP+28.w=0:1000 disables them until the next boot; or disable 10-bit tags in the firmware's setup",
		       client);
	} else if (sent == NO || completed == YES) {
		found(diagnosis, HEALTH_OK, "tags", sent == NO ? "%s reads with tags of 8 bits" : "%s may read with tags of 10 bits, and the provider answers to them",
		      client);
	} else {
		found(diagnosis, HEALTH_UNKNOWN, "tags", "whether %s reads with tags that %s does not know is not in the input",
		      client, provider);
		remedy(diagnosis, "there, as root: lspci -xxxx, or lspci -vv (10BitTagReq, 10BitTagComp)");
	}
}

void check_packets(struct diagnosis *diagnosis)
{
	check_payload(diagnosis);
	check_tags(diagnosis);
}
