// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2ptopo: which PCI devices reach each other's memory, and why not.
 *
 * The verdicts are the kernel's: route.c, acs.c, hostbridge.c and explain.c of
 * drivers/pci/p2pdma are compiled into this program as they are, and so are the ACS
 * quirks of drivers/pci/quirks.c.
 */
#include <getopt.h>
#include <sys/utsname.h>

#include "show.h"

#define MAX_FILTERS	256
#define POLICY		"/sys/module/pci_p2pdma/parameters/host_bridges"

enum { DUMP = 256, CPU, IOMMU, POLICIES, ALL, JSON, CLASS, DRIVER, NUMA };

static const struct option options[] = {
	{ "file",	required_argument, NULL, 'F' },
	{ "dump",	required_argument, NULL, DUMP },
	{ "cpu",	required_argument, NULL, CPU },
	{ "iommu",	required_argument, NULL, IOMMU },
	{ "policy",	required_argument, NULL, POLICIES },
	{ "all",	no_argument,	   NULL, ALL },
	{ "select",	required_argument, NULL, 's' },
	{ "class",	required_argument, NULL, CLASS },
	{ "driver",	required_argument, NULL, DRIVER },
	{ "numa",	required_argument, NULL, NUMA },
	{ "json",	no_argument,	   NULL, JSON },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

static const char help[] =
	"usage: p2ptopo [OPTION]... [matrix]\n"
	"       p2ptopo [OPTION]... explain CLIENT PROVIDER\n"
	"\n"
	"matrix    which devices reach each other's memory by peer-to-peer DMA (the default)\n"
	"explain   one pair: path, ACS of each port, host bridges, what to write where to change it\n"
	"\n"
	"  -F, --file FILE    what lspci -xxxx or lspci -vvnn printed, '-' for standard input; or a\n"
	"                     folder with a copy of /sys; without it, this machine (best as root)\n"
	"      --dump N       the Nth dump in FILE\n"
	"      --cpu VENDOR:FAMILY  such as amd:0x19 or intel:6\n"
	"      --iommu MODE   on, pt or off\n"
	"      --policy TEXT  as in pci_p2pdma.host_bridges=: VENDOR:DEVICE[=none|reads+writes+between],...\n"
	"      --all          matrix: all functions that are no bridges, not only those that matter\n"
	"  -s, --select BDF   matrix: this one; may be repeated, as the next three\n"
	"      --class CLASS  matrix: storage, network, display, accelerator, or a hexadecimal class\n"
	"      --driver NAME  matrix: bound to this driver\n"
	"      --numa NODE    matrix: of this NUMA node\n"
	"      --json         for programs\n"
	"  -h, --help         this\n"
	"\n"
	"CLIENT, PROVIDER, BDF: [DDDD:]BB:DD.F. Exit status: 0 answered, 1 bad input, 2 the kernel differs.\n"
	"See p2ptopo(8).\n";

/* What the matrix is to have; an empty list of a kind lets all pass */
struct filter {
	enum { BY_BDF, BY_CLASS, BY_DRIVER, BY_NUMA, FILTERS } kind;
	const char *text;
	u32 domain;
	u16 bdf;
	unsigned int class, shift;
	int node;
};

/**
 * struct request - what the command line asks for
 * @file: to read from, NULL for this machine
 * @dump: which of the dumps in it
 * @policy: what is said of host bridges, NULL if nothing is
 * @iommu: mode
 * @all: all functions
 * @json: for programs
 * @filter: which devices
 * @num_filters: their number
 * @machine: what of the CPU was given
 */
struct request {
	const char *file;
	unsigned int dump;
	const char *policy;
	enum iommu iommu;
	bool all;
	bool json;
	struct filter filter[MAX_FILTERS];
	unsigned int num_filters;
	struct machine machine;
};

static __attribute__((noreturn))
void wrong(const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "p2ptopo: %s%s%s: %s\n", what, *value ? " " : "", value, expected);
	exit(1);
}

static bool parse_number(const char *text, unsigned int base, unsigned long *number)
{
	char *end;

	if (*text < '0' || *text > 'f')
		return false;
	errno = 0;
	*number = strtoul(text, &end, base);
	return end != text && !*end && !errno && *number <= INT_MAX;
}

static void parse_cpu(struct request *request, const char *text)
{
	const char *family = strchr(text, ':');
	unsigned long number;

	if (!family || !parse_number(family + 1, 0, &number))
		wrong("--cpu", text, "expected VENDOR:FAMILY, such as amd:0x19 or intel:6");
	if (!strncmp(text, "amd:", 4))
		request->machine.cpu_amd = true;
	else if (strncmp(text, "intel:", 6) && strncmp(text, "other:", 6))
		wrong("--cpu", text, "expected amd, intel or other before the colon");
	request->machine.cpu_known = true;
	request->machine.cpu_family = number;
}

static void parse_iommu(struct request *request, const char *text)
{
	for (request->iommu = IOMMU_ON; request->iommu <= IOMMU_OFF; request->iommu++)
		if (!strcmp(text, iommu_names[request->iommu]))
			return;
	wrong("--iommu", text, "expected on, pt or off");
}

static void parse_class(struct filter *filter, const char *text)
{
	static const struct {
		const char *name;
		unsigned int class, shift;
	} names[] = {
		{ "storage", PCI_BASE_CLASS_STORAGE, 16 },
		{ "nvme", PCI_CLASS_STORAGE_EXPRESS >> 8, 8 },
		{ "network", PCI_BASE_CLASS_NETWORK, 16 },
		{ "display", PCI_BASE_CLASS_DISPLAY, 16 },
		{ "accelerator", PCI_BASE_CLASS_ACCELERATOR, 16 },
		{ "memory", PCI_BASE_CLASS_MEMORY, 16 },
	};
	unsigned long number;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(text, names[i].name)) {
			filter->class = names[i].class;
			filter->shift = names[i].shift;
			return;
		}
	if ((strlen(text) != 2 && strlen(text) != 4) || !parse_number(text, 16, &number))
		wrong("--class", text, "expected storage, nvme, network, display, accelerator, memory, or two or four hexadecimal digits");
	filter->class = number;
	filter->shift = strlen(text) == 2 ? 16 : 8;
}

static void add_filter(struct request *request, int kind, const char *text)
{
	struct filter *filter = &request->filter[request->num_filters];
	unsigned long number;

	if (request->num_filters == MAX_FILTERS)
		wrong("more than 256 devices, classes, drivers and nodes", "", "use --all");
	request->num_filters++;
	filter->kind = kind;
	filter->text = text;
	if (kind == BY_BDF && !parse_bdf(text, &filter->domain, &filter->bdf))
		wrong("--select", text, "expected an address, [DDDD:]BB:DD.F");
	if (kind == BY_CLASS)
		parse_class(filter, text);
	if (kind == BY_NUMA) {
		if (!parse_number(text, 10, &number))
			wrong("--numa", text, "expected the number of a node");
		filter->node = number;
	}
}

static void parse_option(struct request *request, int option)
{
	unsigned long number;

	switch (option) {
	case 'F':
		request->file = optarg;
		break;
	case DUMP:
		if (!parse_number(optarg, 10, &number) || !number)
			wrong("--dump", optarg, "expected the number of a dump in the file, from 1");
		request->dump = number;
		break;
	case CPU:
		parse_cpu(request, optarg);
		break;
	case IOMMU:
		parse_iommu(request, optarg);
		break;
	case POLICIES:
		request->policy = optarg;
		break;
	case ALL:
		request->all = true;
		break;
	case JSON:
		request->json = true;
		break;
	case 's':
		add_filter(request, BY_BDF, optarg);
		break;
	case CLASS:
	case DRIVER:
	case NUMA:
		add_filter(request, option - CLASS + BY_CLASS, optarg);
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		fputs("p2ptopo: try p2ptopo --help\n", stderr);
		exit(1);
	}
}

/* ---- which devices ---- */

/* Drives, GPUs, accelerators, network cards; memory is what a provider can be. */
static bool matters(const struct pci_dev *pdev)
{
	switch (pdev->class >> 16) {
	case PCI_BASE_CLASS_NETWORK:
	case PCI_BASE_CLASS_DISPLAY:
	case PCI_BASE_CLASS_ACCELERATOR:
		return true;
	case PCI_BASE_CLASS_STORAGE:
		return pdev->class >> 8 == PCI_CLASS_STORAGE_EXPRESS >> 8 ||
		       pdev->class >> 8 == PCI_CLASS_STORAGE_RAID ||
		       pdev->class >> 8 == PCI_CLASS_STORAGE_SAS;
	case PCI_BASE_CLASS_MEMORY:
		return pdev->class >> 8 == PCI_CLASS_MEMORY_RAM ||
		       pdev->class >> 8 == PCI_CLASS_MEMORY_CXL >> 8;
	default:
		return pdev->class >> 8 == PCI_CLASS_PROCESSOR_CO ||
		       pdev->function->provider;
	}
}

static bool matches(const struct filter *filter, const struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;

	switch (filter->kind) {
	case BY_BDF:
		return fn->domain == filter->domain && fn->bdf == filter->bdf;
	case BY_CLASS:
		return pdev->class >> filter->shift == filter->class;
	case BY_DRIVER:
		return fn->driver && !strcmp(fn->driver, filter->text);
	default:
		return fn->numa == filter->node;
	}
}

/* Of each kind of filter that was given, one has to let it pass. */
static bool is_wanted(const struct request *request, const struct pci_dev *pdev)
{
	bool given[FILTERS] = {}, passed[FILTERS] = {};
	unsigned int i;

	for (i = 0; i < request->num_filters; i++) {
		given[request->filter[i].kind] = true;
		passed[request->filter[i].kind] |= matches(&request->filter[i], pdev);
	}
	if (given[BY_BDF])
		return passed[BY_BDF];
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return false;
	for (i = 0; i < FILTERS; i++)
		if (given[i] && !passed[i])
			return false;
	return request->all || given[BY_CLASS] || given[BY_DRIVER] || matters(pdev);
}

static void check_selected(const struct request *request, const struct machine *machine)
{
	unsigned int i;

	for (i = 0; i < request->num_filters; i++)
		if (request->filter[i].kind == BY_BDF &&
		    !machine_find(machine, request->filter[i].domain, request->filter[i].bdf))
			wrong("there is no PCI function", request->filter[i].text,
			      "use one that p2ptopo --all lists");
}

static void choose(struct view *view, const struct request *request)
{
	struct machine *machine = view->machine;
	unsigned int i;

	check_selected(request, machine);
	view->pdev = must(calloc(machine->num, sizeof(*view->pdev)));
	for (i = 0; i < machine->num; i++)
		if (is_wanted(request, &machine->pdev[i]))
			view->pdev[view->num++] = &machine->pdev[i];
	if (!view->num)
		wrong("no such devices", "", "there are drives, GPUs, accelerators, network cards or memory only if they are listed; use --all");
}

/* ---- the verbs ---- */

static int do_matrix(struct view *view, const struct request *request)
{
	struct comparison comparison;
	size_t i, num;

	choose(view, request);
	num = (size_t)view->num * view->num;
	view->answers = must(calloc(num, sizeof(*view->answers)));
	for (i = 0; i < num; i++) {
		view->answers[i].client = view->pdev[i / view->num];
		view->answers[i].provider = view->pdev[i % view->num];
	}
	answer_all(view->machine, view->answers, num);
	if (view->here) {
		kernel_compare(view, &comparison);
		view->kernel = &comparison;
	}
	if (request->json)
		json_matrix(view);
	else
		show_matrix(view);
	return view->kernel && comparison.differ ? 2 : 0;
}

static struct pci_dev *named(const struct view *view, const char *text)
{
	struct pci_dev *pdev;
	u32 domain;
	u16 bdf;

	if (!parse_bdf(text, &domain, &bdf))
		wrong("not an address:", text, "expected [DDDD:]BB:DD.F");
	pdev = machine_find(view->machine, domain, bdf);
	if (!pdev)
		wrong("there is no PCI function", text, "use one that p2ptopo --all lists");
	return pdev;
}

static int do_explain(struct view *view, const struct request *request, char **ends)
{
	struct kernel_says says = {};
	struct answer answer = {};

	if (!ends[0] || !ends[1] || ends[2])
		wrong("explain", "", "expected two addresses, CLIENT PROVIDER");
	answer.client = named(view, ends[0]);
	answer.provider = named(view, ends[1]);
	answer_all(view->machine, &answer, 1);
	if (request->json)
		json_explanation(view, &answer);
	else
		show_explanation(view, &answer);
	if (view->here)
		kernel_ask(&answer, &says);
	return says.differs ? 2 : 0;
}

/* A folder is a copy of /sys, anything else is text. */
static bool is_folder(const char *name)
{
	char inside[PATH_MAX];
	FILE *file;

	snprintf(inside, sizeof(inside), "%s/.", name);
	file = fopen(inside, "r");
	if (file)
		fclose(file);
	return file;
}

static void read_machine(struct request *request)
{
	struct machine *machine = &request->machine;
	bool ok;

	if (!request->file)
		ok = live_read(machine, NULL);
	else if (is_folder(request->file))
		ok = live_read(machine, request->file);
	else
		ok = dump_read(machine, request->file, request->dump);
	if (!ok)
		exit(1);
	machine_build(machine);
}

/* What is said of host bridges on this machine holds, unless something else is given. */
static void set_policy(struct request *request)
{
	if (!request->policy && !request->file)
		request->policy = read_line_of(POLICY);
	if (request->policy && shim_param_host_bridges->set(request->policy, NULL))
		exit(1);
}

static const char *source_of(const struct request *request)
{
	static char text[256];
	struct utsname uts;

	if (request->file)
		return request->file;
	if (uname(&uts))
		return "this machine";
	snprintf(text, sizeof(text), "%s, Linux %s", uts.nodename, uts.release);
	return text;
}

int main(int argc, char **argv)
{
	struct request request = {};
	struct view view = { .machine = &request.machine };
	int option;

	while ((option = getopt_long(argc, argv, "F:s:h", options, NULL)) >= 0)
		parse_option(&request, option);
	argv += optind;
	if (*argv && strcmp(*argv, "matrix") && strcmp(*argv, "explain"))
		wrong("no such command:", *argv, "use matrix or explain, or see p2ptopo --help");
	if (*argv && !strcmp(*argv, "matrix") && argv[1])
		wrong("matrix", argv[1], "expected nothing more; -s selects devices");
	/* What the kernel says is about the CPU and the policy that it has. */
	view.here = !request.file && !request.policy && !request.machine.cpu_known;
	read_machine(&request);
	set_policy(&request);
	view.iommu = request.iommu;
	view.source = source_of(&request);
	if (*argv && !strcmp(*argv, "explain"))
		return do_explain(&view, &request, argv + 1);
	return do_matrix(&view, &request);
}
