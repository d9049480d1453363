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

#include "doctor.h"
#include "draw.h"
#include "measure.h"
#include "select.h"

#define PARAMETERS	"module/pci_p2pdma/parameters"
#define MATRIX		4096	/* devices: there is no room for the pairs of more */

enum { STATUS_DIFFERS = 2, STATUS_NOT_READY, STATUS_NOT_KNOWN };

/* In the order of their options, from FORMAT_JSON on */
enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_DOT, FORMAT_SVG, FORMAT_NCCL };

enum {
	DUMP = 256, CPU, IOMMU, POLICIES, ALL, OVERWRITE, CLASS, DRIVER, NUMA,
	JSON, DOT, SVG, NCCL, HOST_BRIDGE,
};

static const struct option options[] = {
	{ "file",	required_argument, NULL, 'F' },
	{ "dump",	required_argument, NULL, DUMP },
	{ "cpu",	required_argument, NULL, CPU },
	{ "iommu",	required_argument, NULL, IOMMU },
	{ "policy",	required_argument, NULL, POLICIES },
	{ "host-bridge", required_argument, NULL, HOST_BRIDGE },
	{ "all",	no_argument,	   NULL, ALL },
	{ "select",	required_argument, NULL, 's' },
	{ "class",	required_argument, NULL, CLASS },
	{ "driver",	required_argument, NULL, DRIVER },
	{ "numa",	required_argument, NULL, NUMA },
	{ "json",	no_argument,	   NULL, JSON },
	{ "dot",	no_argument,	   NULL, DOT },
	{ "svg",	no_argument,	   NULL, SVG },
	{ "nccl",	no_argument,	   NULL, NCCL },
	{ "overwrite",	no_argument,	   NULL, OVERWRITE },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

static const char help[] =
	"usage: p2ptopo [OPTION]... [matrix]                  who reaches whose memory\n"
	"       p2ptopo [OPTION]... explain CLIENT PROVIDER   path, ACS, what to change\n"
	"       p2ptopo [OPTION]... doctor [CLIENT PROVIDER]  what is ready, what is not\n"
	"       p2ptopo [OPTION]... measure FROM TO PROVIDER  drive to drive, and compare\n"
	"  -F, --file FILE    what lspci -xxxx or -vvnn printed, - for standard input, or\n"
	"                     a folder with a copy of /sys; without it, this machine\n"
	"      --dump N       the Nth dump in FILE\n"
	"      --cpu VENDOR:FAMILY  such as amd:0x19 or intel:6\n"
	"      --iommu MODE   on, pt or off\n"
	"      --policy TEXT  as in pci_p2pdma.host_bridges=: 8086:29c0=reads+writes,...\n"
	"      --host-bridge BDF=VVVV:DDDD  its ids, where the text does not have them\n"
	"      --all          all but bridges to other buses, not only drives and cards\n"
	"  -s, --select BDF   this one; may be repeated, as the next three\n"
	"      --class CLASS  storage, nvme, network, display, accelerator, memory, hex\n"
	"      --driver NAME  bound to this driver\n"
	"      --numa NODE    of this NUMA node\n"
	"      --json, --dot, --svg, --nccl  for programs, graphviz, browsers, NCCL\n"
	"      --overwrite    measure: TO may hold data, which is put back afterwards\n"
	"  -h, --help         this\n"
	"CLIENT, PROVIDER, FROM, TO, BDF: [DDDD:]BB:DD.F, or a block device, such as md0\n"
	"or /dev/vg/data. Exit status: 0 answered, ready;\n"
	"1 bad input; 2 the kernel differs; 3 not ready, not copied; 4 nobody knows\n"
	"whether it is ready. See p2ptopo(8).\n";

/**
 * struct request - what the command line asks for
 * @file: to read from, NULL for this machine
 * @dump: which of the dumps in it
 * @policy: what is said of host bridges, NULL if nothing is
 * @host_bridge: ids of functions that stand for host bridges, as given
 * @host_bridges: their number
 * @iommu: mode
 * @format: how the answer is written
 * @overwrite: a drive that is measured may hold data
 * @selection: which devices
 * @given_cpu: a CPU is
 * @machine: what of the CPU was given
 */
struct request {
	const char *file;
	unsigned int dump;
	const char *policy;
	const char *host_bridge[MAX_FILTERS];
	unsigned int host_bridges;
	enum iommu iommu;
	enum format format;
	bool overwrite;
	struct selection selection;
	bool given_cpu;
	struct machine machine;
};

static void parse_cpu(struct request *request, const char *text)
{
	const char *family = strchr(text, ':');
	unsigned long number;

	if (request->machine.cpu_known)
		wrong("--cpu", text, "expected once");
	if (!family || !parse_number(family + 1, 0, &number))
		wrong("--cpu", text, "expected VENDOR:FAMILY, such as amd:0x19 or intel:6");
	request->machine.cpu_amd = !strncmp(text, "amd:", 4);
	request->machine.cpu_intel = !strncmp(text, "intel:", 6);
	if (!request->machine.cpu_amd && !request->machine.cpu_intel &&
	    strncmp(text, "other:", 6))
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

/* What could not be written was not said. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "p2ptopo: what it says cannot be written: %s\n", strerror(errno));
	return 1;
}

static void parse_option(struct request *request, int option)
{
	unsigned long number;

	switch (option) {
	case 'F':
		if (!*optarg)
			wrong("--file", "", "expected a file, a folder, or - for the standard input");
		if (request->file)
			wrong("--file", optarg, "expected once: this is about one machine");
		request->file = optarg;
		break;
	case DUMP:
		if (!parse_number(optarg, 10, &number) || !number)
			wrong("--dump",
			      optarg, "expected the number of a dump in the file, from 1");
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
	case HOST_BRIDGE:
		if (request->host_bridges == MAX_FILTERS)
			wrong("--host-bridge", optarg, "expected 256 of them at most");
		request->host_bridge[request->host_bridges++] = optarg;
		break;
	case ALL:
		request->selection.all = true;
		break;
	case OVERWRITE:
		request->overwrite = true;
		break;
	case JSON:
	case DOT:
	case SVG:
	case NCCL:
		if (request->format)
			wrong("--json, --dot, --svg, --nccl", "", "expected one of them at most");
		request->format = option - JSON + FORMAT_JSON;
		break;
	case 's':
		selection_add(&request->selection, BY_BDF, optarg);
		break;
	case CLASS:
	case DRIVER:
	case NUMA:
		selection_add(&request->selection, option - CLASS + BY_CLASS, optarg);
		break;
	case 'h':
		fputs(help, stdout);
		exit(finish(0));
	}
}

/* A long one, or a letter in a word; a message of getopt's own would be a second line. */
static void refuse_option(int option, const char *word)
{
	char letter[] = { '-', optopt, '\0' };

	if (word[0] != '-' || word[1] != '-')
		word = letter;
	wrong(word, "", option == ':' ? "expected something behind it: try p2ptopo --help" :
	      strchr(word, '=') ?
	      "no such option, or nothing may be behind it: try p2ptopo --help" :
	      "no such option: try p2ptopo --help");
}

/* ---- the verbs ---- */

static int do_matrix(struct view *view, struct request *request, char **ends)
{
	struct comparison comparison = {};
	size_t i, num;

	if (ends[0])
		wrong("matrix", ends[0], "expected nothing more; -s selects devices");
	selection_choose(&request->selection, view);
	if (view->num > MATRIX)
		wrong("matrix", "", "more than 4096 devices: choose some with -s, --class, --driver or --numa");
	view->num_stacks = stack_all(view->machine, &view->stacks);
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
	if (request->format == FORMAT_JSON)
		json_matrix(view);
	else if (request->format == FORMAT_DOT)
		draw_dot(view, NULL);
	else if (request->format == FORMAT_SVG)
		draw_svg(view, NULL);
	else if (request->format == FORMAT_NCCL)
		write_nccl(view);
	else
		show_matrix(view);
	return comparison.differ ? STATUS_DIFFERS : 0;
}

/* A function, or those below a block device */
static void find_named(const struct view *view, const char *text, struct stack *stack)
{
	static const char address[] = "expected [DDDD:]BB:DD.F";
	static const char name[] =
		"nor a block device: expected [DDDD:]BB:DD.F, or a name in /sys/class/block";
	struct pci_dev *pdev;
	u32 domain;
	u16 bdf;

	if (!parse_bdf(text, &domain, &bdf)) {
		if (!stack_find(view->machine, text, stack))
			wrong("not an address:", text, view->machine->sys ? name : address);
		if (!stack->num)
			wrong(text, "is on no PCI function",
			      "expected a block device that is, at last");
		return;
	}
	if (!find_segment(view->machine, text, &domain, bdf))
		wrong("there is no PCI function", text, "use one that p2ptopo --all lists");
	pdev = machine_find(view->machine, domain, bdf);
	*stack = (struct stack){ .num = 1, .pdev = must(malloc(sizeof(pdev))) };
	*stack->pdev = pdev;
}

static struct pci_dev *named(const struct view *view, const char *text)
{
	struct pci_dev *pdev;
	struct stack stack;

	find_named(view, text, &stack);
	if (stack.num > 1)
		wrong(text, "is on several PCI functions", "name one of these: p2ptopo explain has them");
	pdev = *stack.pdev;
	stack_free(&stack);
	return pdev;
}

/* Whoever names the devices has chosen them. */
static void no_selection(const struct request *request, const char *verb)
{
	if (request->selection.num || request->selection.all)
		wrong("--select, --class, --driver, --numa, --all", "", !strcmp(verb, "explain") ?
		      "explain is about the two that are named" :
		      "these are for matrix, and for doctor of a machine");
}

/* Returns whether the kernel says something else. */
static bool explain_one(struct view *view, const struct request *request,
			const struct answer *answer)
{
	struct kernel_says says = {};

	if (request->format == FORMAT_JSON)
		json_explanation(view, answer);
	else if (request->format == FORMAT_DOT)
		draw_dot(view, answer);
	else if (request->format == FORMAT_SVG)
		draw_svg(view, answer);
	else
		show_explanation(view, answer);
	if (view->here)
		kernel_ask(answer, &says);
	return says.differs;
}

static int do_explain(struct view *view, struct request *request, char **ends)
{
	struct answer *answers;
	bool differs = false;
	struct stack client;
	unsigned int i;

	no_selection(request, "explain");
	if (!ends[0] || !ends[1] || ends[2])
		wrong("explain", "", "expected two, CLIENT PROVIDER");
	if (request->format == FORMAT_NCCL)
		wrong("--nccl", "",
		      "expected matrix: the file is about a machine, not about a pair");
	find_named(view, ends[0], &client);
	if (client.num > 1 && request->format)
		wrong(ends[0], "is on several PCI functions",
		      "for programs and pictures name one of these: p2ptopo explain has them, and p2ptopo --json");
	answers = must(calloc(client.num, sizeof(*answers)));
	for (i = 0; i < client.num; i++) {
		answers[i].client = client.pdev[i];
		answers[i].provider = named(view, ends[1]);
	}
	answer_all(view->machine, answers, client.num);
	if (*client.name && !request->format)
		show_stack(&client);
	for (i = 0; i < client.num; i++) {
		if (*client.name && !request->format)
			puts("");
		differs |= explain_one(view, request, &answers[i]);
	}
	if (*client.name && !request->format)
		show_stack_sum(&client, answers);
	free(answers);
	stack_free(&client);
	return differs ? STATUS_DIFFERS : 0;
}

static void only_text_or_json(const struct request *request, const char *verb)
{
	if (request->format > FORMAT_JSON)
		wrong("--dot, --svg, --nccl", "", !strcmp(verb, "doctor") ?
		      "doctor has words only, or --json" : "measure has words only, or --json");
}

static int do_doctor(struct view *view, struct request *request, char **ends)
{
	static const int status[HEALTHS] = {
		[HEALTH_PROBLEM] = STATUS_NOT_READY, [HEALTH_UNKNOWN] = STATUS_NOT_KNOWN,
	};
	struct pci_dev *client = NULL, *provider = NULL;

	only_text_or_json(request, "doctor");
	if (ends[0]) {
		if (!ends[1] || ends[2])
			wrong("doctor", "", "expected two addresses, CLIENT PROVIDER, or none");
		no_selection(request, "doctor");
		client = named(view, ends[0]);
		provider = named(view, ends[1]);
	} else {
		selection_choose(&request->selection, view);
	}
	return status[doctor(view, client, provider, request->format == FORMAT_JSON)];
}

static int do_measure(struct view *view, struct request *request, char **ends)
{
	struct measurement measurement = {};
	bool good;

	only_text_or_json(request, "measure");
	no_selection(request, "measure");
	if (!ends[0] || !ends[1] || !ends[2] || ends[3])
		wrong("measure", "", "expected three addresses, FROM TO PROVIDER");
	if (request->file)
		wrong("measure", "", "it copies on this machine: leave out --file");
	measurement.from = named(view, ends[0]);
	measurement.to = named(view, ends[1]);
	measurement.provider = named(view, ends[2]);
	good = measure(&measurement, request->overwrite);
	if (request->format == FORMAT_JSON)
		json_measurement(view, &measurement);
	else
		show_measurement(&measurement);
	return good ? 0 : STATUS_NOT_READY;
}

static const struct verb {
	const char *name;
	int (*act)(struct view *view, struct request *request, char **ends);
} verbs[] = {
	{ "matrix", do_matrix },
	{ "explain", do_explain },
	{ "doctor", do_doctor },
	{ "measure", do_measure },
};

static const struct verb *find_verb(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!name || !strcmp(name, verbs[i].name))
			return &verbs[i];
	wrong("no such command:", *name ? name : "''", "use matrix, explain, doctor or measure, or see p2ptopo --help");
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

/* "BDF=VVVV:DDDD": false if it is something else */
static bool parse_host_bridge(const char *text, char *address, u32 *domain, u16 *bdf,
			      unsigned int ids[2])
{
	size_t len = strcspn(text, "=");
	int end = 0;

	if (!text[len] || len >= BDF_SIZE ||
	    strspn(text + len + 1, "0123456789abcdefABCDEF") != 4 ||
	    sscanf(text + len, "=%4x:%4x%n", &ids[0], &ids[1], &end) != 2 ||
	    end != 10 || text[len + end])
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return parse_bdf(address, domain, bdf);
}

/* The segment of a function that is not in the text: the only one that has its bus */
static void find_bus_segment(const struct machine *machine, const char *text, u32 *domain,
			     u16 bdf)
{
	const struct function *fn;
	bool any = false;

	for (fn = machine->function; fn < machine->function + machine->num; fn++) {
		if (PCI_BUS_NUM(fn->bdf) != PCI_BUS_NUM(bdf))
			continue;
		if (any && fn->domain != *domain)
			wrong("--host-bridge", text,
			      "several segments have this bus: expected DDDD:BB:DD.F=VVVV:DDDD");
		*domain = fn->domain;
		any = true;
	}
}

/* What the text does not have of a host bridge: its ids, or all of it */
static void give_ids(struct machine *machine, const char *text)
{
	static const char expected[] = "expected BDF=VVVV:DDDD, such as 00:00.0=8086:2020";
	char address[BDF_SIZE];
	struct function *fn;
	unsigned int ids[2];
	u32 domain;
	u16 bdf;

	if (!parse_host_bridge(text, address, &domain, &bdf, ids))
		wrong("--host-bridge", text, expected);
	if (!find_segment(machine, address, &domain, bdf) && !has_segment(address))
		find_bus_segment(machine, text, &domain, bdf);
	fn = machine_last(machine, domain, bdf);
	if (fn && fn->has_ids && (fn->vendor != ids[0] || fn->device != ids[1]))
		wrong("--host-bridge", text, "the input has other ids of this function");
	if (!fn && bdf & 0xff)
		wrong("--host-bridge", text,
		      "there is no such function, and only 00.0 may stand for a host bridge without being in the input");
	if (!fn) {
		fn = machine_add(machine, domain, bdf);
		fn->class = PCI_CLASS_BRIDGE_HOST << 8;
		fn->has_class = true;
	}
	fn->vendor = ids[0];
	fn->device = ids[1];
	fn->has_ids = true;
	fn->stands = true;
}

/* Ids of anything else would settle nothing. */
static void check_ids(const struct machine *machine, const char *text)
{
	const struct pci_dev *pdev;
	char address[BDF_SIZE];
	unsigned int ids[2];
	u32 domain;
	u16 bdf;

	parse_host_bridge(text, address, &domain, &bdf, ids);
	find_segment(machine, address, &domain, bdf);
	pdev = machine_find(machine, domain, bdf);
	if (!pci_is_root_bus(pdev->bus) || pdev->bus->hole ||
	    pdev->bus->devices.next != &pdev->bus_list)
		wrong("--host-bridge", text,
		      "this function stands for no host bridge: expected 00.0 of a root bus, or the first there is");
}

static void read_machine(struct request *request)
{
	struct machine *machine = &request->machine;
	unsigned int i;
	bool ok;

	if (!request->file)
		ok = live_read(machine, NULL);
	else if (is_folder(request->file) && request->dump)
		wrong("--dump", "", "a folder is one machine: leave it out");
	else if (is_folder(request->file))
		ok = live_read(machine, request->file);
	else
		ok = dump_read(machine, request->file, request->dump);
	if (!ok)
		exit(1);
	if (request->host_bridges && (!request->file || machine->sys))
		wrong("--host-bridge", "", "expected --file with text: here ids are known");
	for (i = 0; i < request->host_bridges; i++)
		give_ids(machine, request->host_bridge[i]);
	machine_build(machine);
	for (i = 0; i < request->host_bridges; i++)
		check_ids(machine, request->host_bridge[i]);
}

/* The kernel writes more than it reads: what an entry means without words goes. */
static void shorten(char *policy)
{
	static const char usual[] = "=reads+writes";
	char *at, *rest;

	for (at = policy; at && (at = strstr(at, usual));) {
		rest = at + strlen(usual);
		if (*rest && *rest != ',')
			at = rest;
		else
			memmove(at, rest, strlen(rest) + 1);
	}
}

/* "..." at the end: what is not listed routes nothing.  Takes it off. */
static bool cut_off(char *policy)
{
	size_t len = strlen(policy);

	if (len < 3 || strcmp(policy + len - 3, "..."))
		return false;
	policy[len - 3] = '\0';
	if (len > 3 && policy[len - 4] == ',')
		policy[len - 4] = '\0';
	return true;
}

/* That would be said of each host bridge whose ids are not in the input. */
static void refuse_no_ids(const char *policy)
{
	const char *entry;

	for (entry = policy; entry; entry = strchr(entry, ',')) {
		entry += *entry == ',';
		if (!strncmp(entry, "0000:0000", 9))
			wrong("--policy", policy, "0000:0000 are no ids: give a host bridge its own with --host-bridge");
	}
}

/*
 * What is said of host bridges on that machine holds, unless something else is given.
 * A kernel without the parameter has none; a folder without it may have been left so,
 * and in text there is nothing of it.
 */
static void set_policy(struct request *request, struct view *view)
{
	struct p2pdma_policy list[P2PDMA_POLICIES];
	const char *sys = request->machine.sys;
	char *there = NULL;
	bool more;

	if (!request->policy && sys)
		there = read_line_of("%s/" PARAMETERS "/host_bridges", sys);
	if (there)
		shorten(there);
	refuse_no_ids(request->policy);
	view->policy_open = request->file && !request->policy && !there;
	view->policy = request->policy ?: there;
	more = there && cut_off(there);
	if (view->policy && shim_param_host_bridges->set(view->policy, NULL))
		exit(1);
	if (more)
		p2pdma_hostbridge_set_policies(list, p2pdma_hostbridge_get_policies(list, &more),
					       true);
}

/* Options that would do nothing */
static void check_options(const struct request *request, const struct verb *verb)
{
	if (request->dump && !request->file)
		wrong("--dump", "", "expected --file: this machine is one");
	if (request->overwrite && verb->act != do_measure)
		wrong("--overwrite", "", "only measure writes");
	if (verb->act == do_measure && (request->given_cpu || request->policy || request->iommu))
		wrong("--cpu, --policy, --iommu", "", "measure is about this machine as it is");
}

static const char *source_of(const struct request *request)
{
	static char text[256];
	struct utsname uts;

	if (request->file)
		return request->file;
	if (uname(&uts))
		return "this machine";
	snprintf(text, sizeof(text), "%s, Linux %s",
		 *uts.nodename == '(' ? "this machine" : uts.nodename, uts.release);
	return text;
}

int main(int argc, char **argv)
{
	struct request request = {};
	struct view view = { .machine = &request.machine };
	const struct verb *verb;
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":F:s:h", options, NULL)) >= 0)
		if (option == '?' || option == ':')
			refuse_option(option, argv[optind - 1]);
		else
			parse_option(&request, option);
	argv += optind;
	verb = find_verb(*argv);
	request.given_cpu = request.machine.cpu_known;
	/* What the kernel says is about the CPU and the policy that it has. */
	view.here = !request.file && !request.policy && !request.machine.cpu_known;
	check_options(&request, verb);
	read_machine(&request);
	set_policy(&request, &view);
	view.cpu_doubt = request.given_cpu && request.machine.cpu_amd &&
			 request.machine.cpu_against && request.machine.cpu_family >= 0x17;
	view.iommu = request.iommu;
	view.source = source_of(&request);
	status = verb->act(&view, &request, *argv ? argv + 1 : argv);
	while (view.num_stacks)
		stack_free(&view.stacks[--view.num_stacks]);
	free(view.stacks);
	free(view.answers);
	free(view.pdev);
	machine_free(&request.machine);
	return finish(status);
}
