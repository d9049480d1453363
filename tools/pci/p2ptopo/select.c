// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which devices a view has.
 */
#include "select.h"

void wrong(const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "p2ptopo: %s%s%s: %s\n", what, *value ? " " : "", value, expected);
	exit(1);
}

bool parse_number(const char *text, unsigned int base, unsigned long *number)
{
	char *end;

	if (*text < '0' || *text > 'f')
		return false;
	errno = 0;
	*number = strtoul(text, &end, base);
	return end != text && !*end && !errno && *number <= INT_MAX;
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

/**
 * selection_add - one more filter
 * @selection: of these
 * @kind: what it goes by
 * @text: what has to be there; stays in use
 */
void selection_add(struct selection *selection, enum filter_kind kind, const char *text)
{
	struct filter *filter = &selection->filter[selection->num];
	unsigned long number;

	if (selection->num == MAX_FILTERS)
		wrong("more than 256 devices, classes, drivers and nodes", "", "use --all");
	selection->num++;
	filter->kind = kind;
	filter->text = text;
	filter->by_name = kind == BY_BDF && !parse_bdf(text, &filter->domain, &filter->bdf);
	if (kind == BY_CLASS)
		parse_class(filter, text);
	if (kind == BY_NUMA) {
		if (!parse_number(text, 10, &number))
			wrong("--numa", text, "expected the number of a node");
		filter->node = number;
	}
}

/* ---- addresses without a segment ---- */

bool has_segment(const char *address)
{
	return strchr(address, ':') != strrchr(address, ':');
}

static void several_segments(const struct machine *machine, const char *address, u16 bdf)
{
	char list[512] = "use ", one[BDF_SIZE];
	unsigned int num = 0, i;

	for (i = 0; i < machine->num; i++) {
		if (machine->function[i].bdf != bdf || num++ > 8)
			continue;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 num == 1 ? "" : " or ", num > 8 ? "another" :
			 bdf_text(one, machine->function[i].domain, bdf));
	}
	wrong("several segments have a", address, list);
}

/**
 * find_segment - the segment of an address, which may be left out
 * @machine: need not be built
 * @address: as it was given, and is right
 * @domain: segment in it, 0 if there is none: becomes the only one that has such a function
 * @bdf: the rest
 *
 * Return: whether there is one.  Where several segments have it, that is an error.
 */
bool find_segment(const struct machine *machine, const char *address, u32 *domain, u16 bdf)
{
	bool given = has_segment(address);
	unsigned int num = 0, i;
	u32 only = 0;

	for (i = 0; i < machine->num; i++) {
		if (machine->function[i].bdf != bdf ||
		    (given && machine->function[i].domain != *domain))
			continue;
		only = machine->function[i].domain;
		num++;
	}
	if (num > 1 && !given)
		several_segments(machine, address, bdf);
	if (num)
		*domain = only;
	return num;
}

/* ---- which devices ---- */

/* Drives, GPUs, accelerators, network cards; memory is what a provider can be. */
bool device_matters(const struct pci_dev *pdev)
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
		       pdev->class >> 8 == PCI_CLASS_MEMORY_CXL;
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
		if (filter->by_name)
			return stack_has(&filter->stack, pdev);
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
static bool is_wanted(const struct selection *selection, const struct pci_dev *pdev)
{
	bool given[FILTERS] = {}, passed[FILTERS] = {};
	unsigned int i;

	for (i = 0; i < selection->num; i++) {
		given[selection->filter[i].kind] = true;
		passed[selection->filter[i].kind] |= matches(&selection->filter[i], pdev);
	}
	if (given[BY_BDF])
		return passed[BY_BDF];
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return false;
	for (i = 0; i < FILTERS; i++)
		if (given[i] && !passed[i])
			return false;
	return selection->all || given[BY_CLASS] || given[BY_DRIVER] || device_matters(pdev);
}

static void find_selected(struct selection *selection, const struct machine *machine)
{
	struct filter *filter;

	for (filter = selection->filter; filter < selection->filter + selection->num; filter++) {
		if (filter->kind != BY_BDF)
			continue;
		if (filter->by_name && !stack_find(machine, filter->text, &filter->stack))
			wrong("--select", filter->text, machine->sys ?
			      "expected an address, [DDDD:]BB:DD.F, or a name in /sys/class/block" :
			      "expected an address, [DDDD:]BB:DD.F");
		if (filter->by_name && !filter->stack.num)
			wrong("--select", filter->text,
			      "expected a block device that is on a PCI function");
		if (!filter->by_name &&
		    !find_segment(machine, filter->text, &filter->domain, filter->bdf))
			wrong("there is no PCI function", filter->text,
			      "use one that p2ptopo --all lists");
	}
}

/* Drivers and nodes are not in every input.  NULL if no option asks for any. */
static const char *none_fits(const struct selection *selection,
			     const struct machine *machine)
{
	bool by_driver = false, by_numa = false, drivers = false, nodes = false;
	unsigned int i;

	for (i = 0; i < selection->num; i++) {
		by_driver |= selection->filter[i].kind == BY_DRIVER;
		by_numa |= selection->filter[i].kind == BY_NUMA;
	}
	for (i = 0; i < machine->num; i++) {
		drivers |= !!machine->function[i].driver;
		nodes |= machine->function[i].numa >= 0;
	}
	if (by_driver && !drivers)
		return "no driver is named in the input: lspci -v does";
	if (by_numa && !nodes)
		return "no NUMA node is in the input: lspci -v has it, where there are several";
	return selection->num ? "p2ptopo --all lists those that there are" : NULL;
}

/**
 * selection_choose - the devices of a view
 * @selection: which
 * @view: they go there; there is at least one
 */
void selection_choose(struct selection *selection, struct view *view)
{
	struct machine *machine = view->machine;
	const char *why;
	unsigned int i;

	find_selected(selection, machine);
	view->pdev = must(calloc(machine->num, sizeof(*view->pdev)));
	for (i = 0; i < machine->num; i++)
		if (is_wanted(selection, &machine->pdev[i]))
			view->pdev[view->num++] = &machine->pdev[i];
	if (view->num)
		return;
	why = none_fits(selection, machine);
	if (why)
		wrong("no device fits these options", "", why);
	wrong("no such devices", "", "there are drives, GPUs, accelerators, network cards or memory only if they are listed; use --all");
}
