// SPDX-License-Identifier: GPL-2.0-only
/*
 * The topology as NCCL reads it from the file that NCCL_TOPO_FILE names.
 *
 * NCCL has a node for each device and for the upstream port of each switch, and none
 * for root ports and downstream ports: from a device it is always two steps up.
 * What it finds out by itself on the machine (GPUs' and networks' own nodes, and
 * attributes that are missing here) is left to it.
 */
#include "draw.h"

#define PATH_LENGTH	64

/**
 * struct nccl - the file while it is written
 * @view: of which devices
 * @node: for each function, whether it has a node
 */
struct nccl {
	const struct view *view;
	bool *node;
};

static void mark(struct nccl *nccl, struct pci_dev *pdev)
{
	struct pci_dev *path[PATH_LENGTH];
	unsigned int num = climb_path(pdev, path, PATH_LENGTH), i;

	for (i = 0; i < min(num, PATH_LENGTH); i += 2)
		nccl->node[path[i]->index] = true;
}

/* The node that it belongs to, NULL if that is the CPU */
static struct pci_dev *parent_of(struct pci_dev *pdev)
{
	struct pci_dev *path[3];

	return climb_path(pdev, path, 3) > 2 ? path[2] : NULL;
}

/* "16.0 GT/s PCIe", as sysfs has it; nothing where the input has nothing */
static void write_link(const struct pci_dev *pdev)
{
	static const char * const speeds[] = {
		NULL, "2.5 GT/s PCIe", "5.0 GT/s PCIe", "8.0 GT/s PCIe", "16.0 GT/s PCIe",
		"32.0 GT/s PCIe", "64.0 GT/s PCIe",
	};
	const struct function *fn = pdev->function;
	unsigned int speed, width;
	u32 cap;

	if (!pdev->pcie_cap || !function_knows(fn, pdev->pcie_cap + PCI_EXP_LNKCAP, 4))
		return;
	cap = function_get(fn, pdev->pcie_cap + PCI_EXP_LNKCAP, 4);
	speed = FIELD_GET(PCI_EXP_LNKCAP_SLS, cap);
	width = FIELD_GET(PCI_EXP_LNKCAP_MLW, cap);
	if (speed && speed < ARRAY_SIZE(speeds))
		printf(" link_speed=\"%s\"", speeds[speed]);
	if (width)
		printf(" link_width=\"%u\"", width);
}

static void write_ids(const struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;

	if (fn->has_ids)
		printf(" vendor=\"0x%04x\" device=\"0x%04x\"", fn->vendor, fn->device);
	if (pdev->hdr_type == PCI_HEADER_TYPE_NORMAL &&
	    function_knows(fn, PCI_SUBSYSTEM_VENDOR_ID, 4))
		printf(" subsystem_vendor=\"0x%04x\" subsystem_device=\"0x%04x\"",
		       function_get(fn, PCI_SUBSYSTEM_VENDOR_ID, 2),
		       function_get(fn, PCI_SUBSYSTEM_ID, 2));
}

static void write_node(const struct nccl *nccl, struct pci_dev *pdev, unsigned int depth)
{
	const struct machine *machine = nccl->view->machine;
	char address[BDF_SIZE];
	bool open = false;
	unsigned int i;

	printf("%*s<pci busid=\"%s\" class=\"0x%06x\"", depth * 2, "",
	       pdev_text(address, pdev), pdev->class);
	write_ids(pdev);
	write_link(pdev);
	for (i = 0; i < machine->num; i++) {
		if (!nccl->node[i] || parent_of(&machine->pdev[i]) != pdev)
			continue;
		if (!open)
			puts(">");
		open = true;
		write_node(nccl, &machine->pdev[i], depth + 1);
	}
	if (open)
		printf("%*s</pci>\n", depth * 2, "");
	else
		puts("/>");
}

static void write_cpu(const struct nccl *nccl, int numa)
{
	const struct machine *machine = nccl->view->machine;
	char *map = machine->sys && numa >= 0 ?
		    read_line_of("%s/devices/system/node/node%d/cpumap", machine->sys, numa) : NULL;
	unsigned int i;

	printf("  <cpu numaid=\"%d\"", numa);
	if (map) {
		fputs(" affinity=\"", stdout);
		print_escaped(map);
		putchar('"');
	}
	/* Of another NCCL finds out what it is. */
	if (machine->cpu_known && (machine->cpu_amd || machine->cpu_intel))
		printf(" arch=\"x86_64\" vendor=\"%s\" familyid=\"%u\"",
		       machine->cpu_amd ? "AuthenticAMD" : "GenuineIntel", machine->cpu_family);
	puts(">");
	for (i = 0; i < machine->num; i++)
		if (nccl->node[i] && !parent_of(&machine->pdev[i]) &&
		    machine->function[i].numa == numa)
			write_node(nccl, &machine->pdev[i], 2);
	puts("  </cpu>");
	free(map);
}

/* Has the node @i the first top of its NUMA node? */
static bool is_first(const struct nccl *nccl, unsigned int i)
{
	const struct machine *machine = nccl->view->machine;
	unsigned int j;

	if (!nccl->node[i] || parent_of(&machine->pdev[i]))
		return false;
	for (j = 0; j < i; j++)
		if (nccl->node[j] && !parent_of(&machine->pdev[j]) &&
		    machine->function[j].numa == machine->function[i].numa)
			return false;
	return true;
}

/**
 * write_nccl - the XML
 * @view: the machine, and which devices are to be in it
 */
void write_nccl(const struct view *view)
{
	struct nccl nccl = { .view = view };
	unsigned int i;

	nccl.node = must(calloc(view->machine->num + 1, sizeof(*nccl.node)));
	for (i = 0; i < view->num; i++)
		mark(&nccl, view->pdev[i]);
	puts("<system version=\"1\">");
	for (i = 0; i < view->machine->num; i++)
		if (is_first(&nccl, i))
			write_cpu(&nccl, view->machine->function[i].numa);
	puts("</system>");
	free(nccl.node);
}
