// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words that the views share.
 */
#include "acs-names.h"
#include "show.h"

const char * const iommu_names[] = {
	[IOMMU_NOT_KNOWN]	= "unknown",
	[IOMMU_ON]		= "on",
	[IOMMU_PT]		= "pt",
	[IOMMU_OFF]		= "off",
};

/* What was taken for granted.  In text there is a policy never, and it is of the root complex. */
void show_notes(const struct view *view, bool by_root)
{
	const struct function *fn = view->machine->cpu_against;
	char address[BDF_SIZE];

	if (view->policy_open && (by_root || view->machine->sys))
		printf("what pci_p2pdma.host_bridges= says there is not in the %s: use --policy, if any\n",
		       view->machine->sys ? "folder" : "input");
	if (view->machine->guest)
		puts("a hypervisor shows this topology: it is not that of the hardware, nor the way that a request takes there");
	if (view->cpu_doubt)
		printf("--cpu says AMD, but %s is %04x:%04x: below a CPU of AMD since Zen that would be of AMD\n",
		       bdf_text(address, fn->domain, fn->bdf), fn->vendor, fn->device);
}

const char *pdev_text(char *text, const struct pci_dev *pdev)
{
	return bdf_text(text, pdev->function->domain, pdev->function->bdf);
}

/* The deciding port or bridge, "-" if there is none */
const char *port_text(char *text, const struct p2pdma_verdict *verdict)
{
	if (!verdict->has_port)
		return "-";
	return bdf_text(text, verdict->port_domain, verdict->port_bdf);
}

const char *type_text(const struct pci_dev *pdev)
{
	static const char * const names[] = {
		[PCI_EXP_TYPE_ENDPOINT]		= "endpoint",
		[PCI_EXP_TYPE_LEG_END]		= "legacy endpoint",
		[PCI_EXP_TYPE_ROOT_PORT]	= "root port",
		[PCI_EXP_TYPE_UPSTREAM]		= "switch upstream port",
		[PCI_EXP_TYPE_DOWNSTREAM]	= "switch downstream port",
		[PCI_EXP_TYPE_PCI_BRIDGE]	= "PCIe to PCI bridge",
		[PCI_EXP_TYPE_PCIE_BRIDGE]	= "PCI to PCIe bridge",
		[PCI_EXP_TYPE_RC_END]		= "endpoint in the root complex",
		[PCI_EXP_TYPE_RC_EC]		= "event collector",
	};
	unsigned int type = (pdev->pcie_flags_reg & PCI_EXP_FLAGS_TYPE) >> 4;

	if (pdev->unread & UNREAD_TYPE)
		return pdev->subordinate ? "bridge" : "function";
	if (pdev->is_virtfn)
		return "virtual function";
	if (!pdev->pcie_cap)
		return pdev->subordinate ? "PCI bridge" : "PCI function";
	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "PCIe function";
}

/* For a cell of the matrix: two letters that stay what they are, append only */
const char *reason_code(const struct p2pdma_verdict *verdict)
{
	static const char * const codes[P2PDMA_REASON_COUNT] = {
		[P2PDMA_REASON_SELF]		= "me",
		[P2PDMA_REASON_SAME_DEVICE]	= "sd",
		[P2PDMA_REASON_SAME_BUS]	= "sb",
		[P2PDMA_REASON_SAME_SWITCH]	= "ss",
		[P2PDMA_REASON_ROOT_COMPLEX]	= "rc",
		[P2PDMA_REASON_ACS_REDIRECT]	= "ar",
		[P2PDMA_REASON_ACS_BLOCKED]	= "ab",
		[P2PDMA_REASON_ROOT_UNKNOWN]	= "ru",
		[P2PDMA_REASON_ROOT_DIFFERS]	= "rd",
		[P2PDMA_REASON_FUNCTIONS]	= "fa",
		[P2PDMA_REASON_ROOT_READS]	= "rr",
		[P2PDMA_REASON_ROOT_WRITES]	= "rw",
		[P2PDMA_REASON_ROOT_FORBIDDEN]	= "rf",
	};

	return codes[verdict->reason] ?: "??";
}

/* @pdev and all bridges above it; how many there are, of which @room fit */
unsigned int climb_path(struct pci_dev *pdev, struct pci_dev **path,
			unsigned int room)
{
	unsigned int num = 0;

	for (; pdev; pdev = pci_upstream_bridge(pdev)) {
		if (num < room)
			path[num] = pdev;
		num++;
	}
	return num;
}

/* ACS controls that are enabled; false if there are none, or they are not known */
bool acs_control(struct pci_dev *pdev, u16 *ctrl)
{
	if (!pdev->acs_cap || (pdev->unread & (UNREAD_TYPE | UNREAD_ACS | UNREAD_ACS_CTRL)))
		return false;
	pci_read_config_word(pdev, pdev->acs_cap + PCI_ACS_CTRL, ctrl);
	return true;
}

/* The same by the names that lspci has for them */
void acs_text(char *text, size_t size, struct pci_dev *pdev)
{
	struct seq_buf line = { text, size, 0 };
	unsigned int i;
	u16 ctrl;

	*text = '\0';
	if (acs_control(pdev, &ctrl)) {
		seq_buf_printf(&line, "ACSCtl %04x", ctrl);
		for (i = 0; i < ARRAY_SIZE(acs_names); i++)
			if (ctrl & BIT(i))
				seq_buf_printf(&line, " %s+", acs_names[i]);
	} else if (pdev->unread & (UNREAD_TYPE | UNREAD_ACS)) {
		seq_buf_puts(&line, "ACS not in the input");
	} else {
		seq_buf_puts(&line, pdev->acs_cap ? "ACS controls not in the input" : "no ACS");
	}
}

/* The kernel's code has an id for each; where it is not in the input advise() takes it away. */
bool ids_unread(const struct p2pdma_root *root)
{
	return root->has_id && !root->vendor && !root->device;
}

/* What goes by ids is not known either; the CPU and firmware say it of any. */
static void forget_ids(const struct answer *answer, struct p2pdma_obstacles *found)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	struct p2pdma_root *root;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		root = &found->root[i];
		if (!root_is_open(ends[i]))
			continue;
		root->vendor = 0;
		root->device = 0;
		if (root->source != P2PDMA_ROOT_TABLE && root->source != P2PDMA_ROOT_POLICY)
			continue;
		root->source = P2PDMA_ROOT_UNKNOWN;
		root->routes = 0;
	}
}

/* Words for what the kernel always knows */
static void say_unread(char *text, size_t size)
{
	static const char id[] = "host bridge 0000:0000 ";
	char copy[ADVICE], *at;

	while ((at = strstr(text, id))) {
		snprintf(copy, sizeof(copy), "%s", at + strlen(id));
		snprintf(at, size - (at - text), "the host bridge, whose ids are not in the input, %s",
			 copy);
	}
}

/* Nobody can be told to name what is not known.  Is there such a one? */
static bool drop_unread(struct p2pdma_remedy *remedy)
{
	unsigned int i, num = 0, all = min(remedy->num_roots, ARRAY_SIZE(remedy->root));

	for (i = 0; i < all; i++)
		if (!ids_unread(&remedy->root[i]))
			remedy->root[num++] = remedy->root[i];
	remedy->num_roots -= all - num;
	return num < all;
}

/* The kernel's words on a route, and what it would have to be changed by */
void advise(const struct answer *answer, enum cpu cpu, struct advice *advice)
{
	struct seq_buf why = { advice->why, sizeof(advice->why), 0 };
	struct seq_buf change = { advice->change, sizeof(advice->change), 0 };
	const struct p2pdma_verdict *verdict = &answer->verdict[cpu];
	bool unread;

	memset(advice, 0, sizeof(*advice));
	p2pdma_route_obstacles(answer->client, answer->provider, &advice->found);
	forget_ids(answer, &advice->found);
	p2pdma_explain(&why, verdict, &advice->found);
	say_unread(advice->why, sizeof(advice->why));
	p2pdma_remedy_add(&advice->remedy, verdict, &advice->found);
	unread = drop_unread(&advice->remedy);
	p2pdma_remedy_print(&change, &advice->remedy);
	if (unread)
		seq_buf_printf(&change, "%sthe root complex would have to route, and the ids of its host bridge are not in the input",
			       *advice->change ? "; for another way " : "");
}

static unsigned int all_asked(const struct answer *answer)
{
	unsigned int what = 0, i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		what |= answer->asked[i].what;
	return what;
}

static bool any_sleeps(const struct answer *answer)
{
	unsigned int i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		if (answer->asked[i].pdev->function->ones)
			return true;
	return false;
}

enum { WAKE_IT, AS_IT_COMES, WITH_VECTOR, ALL_OF_IT, CPU_ENOUGH };

static const char * const readings[] = {
	[WAKE_IT] =
	"there, as root: echo on >/sys/bus/pci/devices/ADDRESS/power/control wakes what sleeps; then lspci -xxxx once more",
	[AS_IT_COMES] =
	"there, as root: lspci -xxxx, as it comes: numbers in this text are not",
	[WITH_VECTOR] =
	"on that machine, as root: lspci -xxxx; decoded text does not have the vector",
	[ALL_OF_IT] =
	"there: lspci -nn, all of it; --host-bridge BUS:00.0=VVVV:DDDD says what its 00.0 is, and if that bus has none, --host-bridge with the first function that it has",
	[CPU_ENOUGH] =
	"--cpu amd:0x19, if it is AMD Zen or later, is enough: see /proc/cpuinfo there",
};

/* How to get what is not in the input: decoded text has no egress control vector. */
const char *reading_text(const struct view *view, const struct answer *answer)
{
	unsigned int what = all_asked(answer);

	if (any_sleeps(answer))
		return readings[WAKE_IT];
	if (view->here)
		return "run p2ptopo as root";
	if (what & UNREAD_NUMBERS)
		return readings[AS_IT_COMES];
	if (what & UNREAD_ACS_VECTOR)
		return readings[WITH_VECTOR];
	if (what & UNREAD_TOP)
		return readings[ALL_OF_IT];
	if (what && !(what & ~UNREAD_IDS))
		return "on that machine: lspci -nn; or say --host-bridge BUS:DD.F=VVVV:DDDD";
	return "on that machine, as root: lspci -xxxx, or lspci -nnvv; all that it prints";
}

/* Where nobody knows the CPU, and one kind of it would say enough: NULL else */
const char *cpu_settles(const struct view *view, const struct answer *answer)
{
	unsigned int read = answer->possible[CPU_ZEN][P2PDMA_READ];
	unsigned int write = answer->possible[CPU_ZEN][P2PDMA_WRITE];

	if (!view->machine->cpu_open || read & (read - 1) || write & (write - 1))
		return NULL;
	return readings[CPU_ENOUGH];
}

/*
 * The kernel's release, if it may be one that takes ACS options of the boot line for
 * something else; NULL else.  Of this machine, or of a folder with its /proc, it is known.
 * 6.12.117 reads them as they are meant; which stable release was the first, and of
 * the other series, is not known here.
 */
char *misreading_kernel(const struct machine *machine)
{
	unsigned int major, minor, patch = 0;
	char *release = NULL;

	if (machine->root)
		release = read_line_of("%s/proc/sys/kernel/osrelease", machine->root);
	if (release && sscanf(release, "%u.%u.%u", &major, &minor, &patch) >= 2 &&
	    major == 6 && minor >= 11 && minor <= 14 && !(minor == 12 && patch >= 117))
		return release;
	free(release);
	return NULL;
}

/* What a DMA mapping makes of such a route */
const char *dma_text(const struct view *view, const struct answer *answer,
		     unsigned int map)
{
	const char *group = answer->client->function->iommu;
	enum iommu mode = view->iommu;

	if (mode == IOMMU_NOT_KNOWN && group)
		mode = !strncmp(group, "DMA", 3) ? IOMMU_ON :
		       !strcmp(group, "identity") ? IOMMU_PT : mode;
	if (map == PCI_P2PDMA_MAP_NOT_SUPPORTED)
		return "refused with -EREMOTEIO";
	if (map == PCI_P2PDMA_MAP_BUS_ADDR)
		return "the bus address, which no IOMMU sees";
	if (map == PCI_P2PDMA_MAP_UNKNOWN)
		return "not known";
	switch (mode) {
	case IOMMU_ON:
		return "an IOVA: the IOMMU translates";
	case IOMMU_PT:
		return "the physical address: the IOMMU passes it through";
	case IOMMU_OFF:
		return "the physical address: there is no IOMMU";
	default:
		return "an IOVA or the physical address, as the IOMMU is (--iommu on, pt or off)";
	}
}
