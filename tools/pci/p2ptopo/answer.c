// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking the kernel's code, in each world that the input leaves open.
 */
#include "answer.h"

const char * const map_names[] = {
	[PCI_P2PDMA_MAP_UNKNOWN]		= "unknown",
	[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= "none",
	[PCI_P2PDMA_MAP_BUS_ADDR]		= "bus-addr",
	[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= "host-bridge",
};

#define ANYTHING	(BIT(PCI_P2PDMA_MAP_NOT_SUPPORTED) | \
			 BIT(PCI_P2PDMA_MAP_BUS_ADDR) | \
			 BIT(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE))

/* The answer that is being worked out, for shim_asked() */
static struct answer *asking;

static void note(struct answer *answer, const struct pci_dev *pdev, unsigned int what)
{
	unsigned int i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		if (answer->asked[i].pdev == pdev) {
			answer->asked[i].what |= what;
			return;
		}
	if (i < ASKED)
		answer->asked[i] = (struct asked){ pdev, what };
	answer->num_asked++;
}

/* The kernel's code wants to know what is not in the input. */
void shim_asked(const struct pci_dev *pdev, unsigned int what)
{
	if (asking)
		note(asking, pdev, what);
}

static const char *unread_text(unsigned int what)
{
	if (what & UNREAD_NUMBERS)
		return "its bus numbers contradict those of other bridges";
	if (what & UNREAD_PLACE)
		return "a bridge above it is not there";
	if (what & UNREAD_IDS)
		return "vendor and device ids of this host bridge";
	if (what & UNREAD_TOP)
		return "whether its bus has a 00.0, which would be the host bridge";
	if (what & UNREAD_TYPE)
		return "its capabilities, and with them its ACS";
	if (what & UNREAD_ACS)
		return "its extended capabilities, and with them its ACS";
	if (what & UNREAD_ACS_CTRL)
		return "its ACS control";
	if (what & UNREAD_ACS_CAP)
		return "its ACS capability register";
	if (what & UNREAD_ACS_VECTOR)
		return "its ACS egress control vector";
	if (what & UNREAD_SHARED)
		return "a port number of its own, which egress control goes by";
	return "its port number, or whether ARI is enabled";
}

/**
 * asked_text - words for what is not in the input
 * @text: ASKED_TEXT characters, filled in
 * @asked: what
 */
const char *asked_text(char *text, const struct asked *asked)
{
	const struct function *fn = asked->pdev->function;

	if (fn->ones)
		snprintf(text, ASKED_TEXT, "all of it reads as ones: it sleeps, or is gone");
	else if (fn->partial && asked->what & (UNREAD_ACS_CTRL | UNREAD_ACS_CAP))
		snprintf(text, ASKED_TEXT, "%s: %s", unread_text(asked->what), fn->partial);
	else
		snprintf(text, ASKED_TEXT, "%s", unread_text(asked->what));
	return text;
}

/* Take the CPU to be this one, where it is not known. */
void answer_cpu(const struct machine *machine, enum cpu cpu)
{
	bool amd = machine->cpu_known ? machine->cpu_amd : cpu == CPU_ZEN;

	boot_cpu_data = (struct cpuinfo_x86){
		.x86_vendor = amd ? X86_VENDOR_AMD : 0,
		.x86 = machine->cpu_known ? machine->cpu_family : 0x17,
	};
	p2pdma_hostbridge_scan();
}

static bool same_maps(const struct p2pdma_verdict *a, const struct p2pdma_verdict *b)
{
	return a->map[P2PDMA_READ] == b->map[P2PDMA_READ] &&
	       a->map[P2PDMA_WRITE] == b->map[P2PDMA_WRITE];
}

static bool same_rest(const struct p2pdma_verdict *a, const struct p2pdma_verdict *b)
{
	return a->reason == b->reason && a->distance == b->distance &&
	       a->has_port == b->has_port && a->port_bdf == b->port_bdf &&
	       a->port_domain == b->port_domain;
}

static bool refused_by_root(const struct p2pdma_verdict *verdict)
{
	return verdict->map[P2PDMA_READ] == PCI_P2PDMA_MAP_NOT_SUPPORTED &&
	       verdict->reason != P2PDMA_REASON_ACS_BLOCKED;
}

/* Does the root complex have a say? */
bool answer_by_root(const struct answer *answer)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	unsigned int bits = answer->possible[CPU_OTHER][P2PDMA_READ] |
			    answer->possible[CPU_OTHER][P2PDMA_WRITE];

	return bits & BIT(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE) || refused_by_root(verdict);
}

static const struct pci_dev *standing_for(const struct pci_dev *pdev)
{
	const struct pci_bus *bus = pdev->bus;

	while (bus->parent)
		bus = bus->parent;
	return list_entry(bus->devices.next, struct pci_dev, bus_list);
}

/*
 * Device 00.0 stands for a host bridge, and only where there is none another one.
 * Text may have lost it wherever it is cut; that there is none has to be said.
 */
static bool top_is_open(const struct pci_dev *root)
{
	const struct function *fn = root->function;

	return root->devfn != PCI_DEVFN(0, 0) && fn->line && !fn->stands && !root->bus->hole;
}

/**
 * root_is_open - is it unknown which host bridge it is?
 * @end: a device below it
 */
bool root_is_open(const struct pci_dev *end)
{
	const struct pci_dev *root = standing_for(end);

	return !root->function->has_ids || top_is_open(root);
}

static bool decided_by_root(const struct p2pdma_verdict *verdict, enum p2pdma_access access)
{
	return verdict->map[access] == PCI_P2PDMA_MAP_THRU_HOST_BRIDGE ||
	       (verdict->map[access] == PCI_P2PDMA_MAP_NOT_SUPPORTED &&
		verdict->reason != P2PDMA_REASON_ACS_BLOCKED);
}

/*
 * Where another device stands for the host bridge it may route, or not.  @decided: a
 * bit for each access that hangs on it in any world.
 */
static void look_at_top(struct answer *answer, enum cpu cpu, unsigned int decided)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!top_is_open(standing_for(ends[i])))
			continue;
		for (j = 0; j < P2PDMA_ACCESSES; j++) {
			if (!(decided & BIT(j)))
				continue;
			note(answer, standing_for(ends[i]), UNREAD_TOP);
			answer->possible[cpu][j] |= BIT(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE) |
						    BIT(PCI_P2PDMA_MAP_NOT_SUPPORTED);
		}
	}
}

/* A host bridge that is not known may still be one whose ids are not there. */
static void look_at_ids(struct answer *answer, enum cpu cpu)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	const struct pci_dev *root;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		root = standing_for(ends[i]);
		if (root->function->has_ids)
			continue;
		note(answer, root, UNREAD_IDS);
		answer->possible[cpu][P2PDMA_READ] |= BIT(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
		answer->possible[cpu][P2PDMA_WRITE] |= BIT(PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	}
}

/* What each access comes to in a world, and where the root complex has the say */
static void collect(struct answer *answer, enum cpu cpu, const struct p2pdma_verdict *verdict,
		    unsigned int *decided)
{
	unsigned int i;

	for (i = 0; i < P2PDMA_ACCESSES; i++) {
		answer->possible[cpu][i] |= BIT(verdict->map[i]);
		*decided |= decided_by_root(verdict, i) ? BIT(i) : 0;
	}
}

static void look(struct answer *answer, enum cpu cpu)
{
	struct p2pdma_verdict *first = &answer->verdict[cpu], other;
	struct p2pdma_policy policies[P2PDMA_POLICIES];
	unsigned int decided = 0;
	bool left_out, refused;

	asking = answer;
	shim_world = WORLD_REDIRECT;
	*first = p2pdma_route(answer->client, answer->provider);
	collect(answer, cpu, first, &decided);
	refused = refused_by_root(first);
	for (shim_world = 1; answer->num_asked && shim_world < WORLDS; shim_world++) {
		other = p2pdma_route(answer->client, answer->provider);
		collect(answer, cpu, &other, &decided);
		refused |= refused_by_root(&other);
		if (same_maps(first, &other) && !same_rest(first, &other))
			answer->vague = true;
	}
	shim_world = WORLD_REDIRECT;
	asking = NULL;
	/* What ACS drops in one world gets as far as the root complex in another. */
	if (refused)
		look_at_ids(answer, cpu);
	/* The CPU routes whatever stands for the host bridge, unless a policy says more. */
	if (boot_cpu_data.x86_vendor != X86_VENDOR_AMD || boot_cpu_data.x86 < 0x17 ||
	    p2pdma_hostbridge_get_policies(policies, &left_out))
		look_at_top(answer, cpu, decided);
}

/* Bridges whose numbers are why nobody knows where a device is */
static void note_numbers(struct answer *answer, const struct pci_dev *pdev)
{
	const struct pci_bus *bus = pdev->bus;
	unsigned int i;

	while (bus->parent)
		bus = bus->parent;
	for (i = 0; i < ARRAY_SIZE(bus->conflict) && bus->conflict[i]; i++)
		note(answer, bus->conflict[i], UNREAD_NUMBERS);
	if (!i)
		note(answer, pdev, UNREAD_PLACE);
}

/* Bridges that may lead to it, and that nobody could ask where they lead */
static void note_sleepers(const struct machine *machine, struct answer *answer,
			  const struct pci_dev *pdev)
{
	const struct pci_bus *bus = pdev->bus;
	const struct pci_dev *bridge;

	while (bus->parent)
		bus = bus->parent;
	for (bridge = machine->pdev; bridge < machine->pdev + machine->num; bridge++)
		if (bridge->function->ones && bridge->class >> 8 == PCI_CLASS_BRIDGE_PCI &&
		    bridge->bus->domain == bus->domain && bridge->bus->number < bus->number)
			note(answer, bridge, UNREAD_TYPE);
}

/* Where a bridge is not in the input, nothing can be said but of a function itself. */
static void look_at_place(const struct machine *machine, struct answer *answer, enum cpu cpu)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	unsigned int i;

	if (answer->client == answer->provider)
		return;
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!(ends[i]->unread & UNREAD_PLACE))
			continue;
		note_numbers(answer, ends[i]);
		note_sleepers(machine, answer, ends[i]);
		answer->possible[cpu][P2PDMA_READ] = ANYTHING;
		answer->possible[cpu][P2PDMA_WRITE] = ANYTHING;
	}
}

/**
 * answer_all - ask for all pairs
 * @machine: where they are
 * @answers: with client and provider, and zeroes
 * @num: number of answers
 */
void answer_all(const struct machine *machine, struct answer *answers,
		unsigned int num)
{
	enum cpu cpu;
	unsigned int i;

	for (cpu = 0; cpu < CPUS; cpu++) {
		if (cpu == CPU_OTHER || machine->cpu_open)
			answer_cpu(machine, cpu);
		for (i = 0; i < num; i++) {
			if (cpu == CPU_OTHER || machine->cpu_open) {
				look(&answers[i], cpu);
				look_at_place(machine, &answers[i], cpu);
				continue;
			}
			answers[i].verdict[cpu] = answers[i].verdict[CPU_OTHER];
			memcpy(answers[i].possible[cpu], answers[i].possible[CPU_OTHER],
			       sizeof(answers[i].possible[cpu]));
		}
	}
	answer_cpu(machine, CPU_OTHER);
}

/*
 * What one kind of packet comes to, where all that is not known is the same for the
 * pair as a whole; PCI_P2PDMA_MAP_UNKNOWN if that hangs on what is not in the input.
 */
unsigned int answer_packet(const struct answer *answer, enum pci_p2pdma_tlp tlp)
{
	unsigned int first, other = 0;

	shim_world = WORLD_REDIRECT;
	first = p2pdma_route_tlp(answer->client, answer->provider, tlp);
	for (other = first, shim_world = 1; shim_world < WORLDS && other == first; shim_world++)
		other = p2pdma_route_tlp(answer->client, answer->provider, tlp);
	shim_world = WORLD_REDIRECT;
	return other == first ? first : PCI_P2PDMA_MAP_UNKNOWN;
}

static bool is_single(unsigned int bits)
{
	return !(bits & (bits - 1));
}

enum certainty answer_certainty(const struct answer *answer)
{
	enum cpu cpu;

	for (cpu = 0; cpu < CPUS; cpu++)
		if (!is_single(answer->possible[cpu][P2PDMA_READ]) ||
		    !is_single(answer->possible[cpu][P2PDMA_WRITE]))
			return UNKNOWN;
	return same_maps(&answer->verdict[CPU_OTHER], &answer->verdict[CPU_ZEN]) ?
	       CERTAIN : IF_CPU;
}

/* enum pci_p2pdma_map_type, PCI_P2PDMA_MAP_UNKNOWN if it is not certain */
unsigned int answer_map(const struct answer *answer, enum p2pdma_access access)
{
	unsigned int bits = answer->possible[CPU_OTHER][access] |
			    answer->possible[CPU_ZEN][access];

	return is_single(bits) ? answer->verdict[CPU_OTHER].map[access] :
				 PCI_P2PDMA_MAP_UNKNOWN;
}
