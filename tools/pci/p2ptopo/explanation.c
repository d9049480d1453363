// SPDX-License-Identifier: GPL-2.0-only
/*
 * One pair, in full: verdict, path, what is in the way, and what to write where.
 */
#include "show.h"

#define PATH_LENGTH	64

static void show_end(const char *what, const struct pci_dev *pdev)
{
	char address[BDF_SIZE];

	printf("%-10s %s %s%s%s%s\n", what, pdev_text(address, pdev),
	       pdev->function->name ?: "", pdev->function->driver ? " (driver " : "",
	       pdev->function->driver ?: "", pdev->function->driver ? ")" : "");
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		printf("%-10s it is a bridge, which passes on what others ask: this is about requests of its own, or its own registers\n",
		       "note");
}

static void show_possible(const char *what, const struct answer *answer,
			  enum p2pdma_access access)
{
	unsigned int bits = answer->possible[CPU_OTHER][access] |
			    answer->possible[CPU_ZEN][access];
	unsigned int map = answer_map(answer, access);
	const char *separator = "";

	printf("%-10s %s", what, map_names[map]);
	if (map == PCI_P2PDMA_MAP_UNKNOWN && answer_certainty(answer) == UNKNOWN) {
		fputs(": could be ", stdout);
		for (map = 0; bits >> map; map++)
			if (bits & BIT(map)) {
				printf("%s%s", separator, map_names[map]);
				separator = ", ";
			}
	}
	putchar('\n');
}

static void show_conditional(const char *what, const struct answer *answer,
			     enum p2pdma_access access)
{
	unsigned int zen = answer->verdict[CPU_ZEN].map[access];
	unsigned int other = answer->verdict[CPU_OTHER].map[access];

	if (zen == other)
		printf("%-10s %s\n", what, map_names[zen]);
	else
		printf("%-10s %s if the CPU is AMD Zen or later; else %s\n", what,
		       map_names[zen], map_names[other]);
}

static void show_maps(const struct answer *answer)
{
	if (answer_certainty(answer) == IF_CPU) {
		show_conditional("reads", answer, P2PDMA_READ);
		show_conditional("writes", answer, P2PDMA_WRITE);
	} else {
		show_possible("reads", answer, P2PDMA_READ);
		show_possible("writes", answer, P2PDMA_WRITE);
	}
}

static void show_reason(const struct p2pdma_verdict *verdict)
{
	char port[BDF_SIZE];

	printf("%-10s %u\n", "distance", verdict->distance);
	printf("%-10s %s%s%s\n", "reason", p2pdma_reason_names[verdict->reason],
	       verdict->has_port ? " at " : "",
	       verdict->has_port ? port_text(port, verdict) : "");
}

static void show_packets(const struct answer *answer)
{
	static const char * const names[] = {
		[PCI_P2PDMA_TLP_REQUEST]	= "request",
		[PCI_P2PDMA_TLP_COMPLETION]	= "completion",
		[PCI_P2PDMA_TLP_TRANSLATED]	= "translated",
	};
	unsigned int i;

	printf("%-10s", "packets");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf(" %s=%s", names[i],
		       map_names[answer_packet(answer, i)]);
	putchar('\n');
}

/* ---- the path ---- */

static void show_hop(const char *arrow, struct pci_dev *pdev)
{
	char address[BDF_SIZE], acs[160];

	acs_text(acs, sizeof(acs), pdev);
	printf("  %s %s %s; %s\n", arrow, pdev_text(address, pdev), type_text(pdev), acs);
}

static void show_root(const struct p2pdma_root *root, const char *arrow)
{
	static const char * const words[] = { "reads", "writes", "between host bridges" };
	unsigned int i;

	printf("  %s host bridge ", arrow);
	if (ids_unread(root))
		fputs("whose ids are not in the input", stdout);
	else if (root->has_id)
		printf("%04x:%04x", root->vendor, root->device);
	else
		fputs("that no device stands for", stdout);
	printf("; routes (says: %s):", p2pdma_root_source_names[root->source]);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (root->routes & BIT(i))
			printf(" %s", words[i]);
	puts(root->routes ? "" : " nothing that is known");
}

/* Whoever is where nobody knows has no host bridge that is known. */
static void show_roots(const struct answer *answer, const struct p2pdma_obstacles *found)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	bool hole = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends) && !(i && found->one_root); i++) {
		if (!(ends[i]->unread & UNREAD_PLACE))
			show_root(&found->root[i], "=");
		else if (!hole)
			puts("  ? bridges that are not in the input, or not known");
		hole |= ends[i]->unread & UNREAD_PLACE;
	}
}

/*
 * Up from the client and down to the provider, by the port where both meet or, if
 * there is none or requests are sent up to it, by the root complex.
 */
static void show_path(const struct answer *answer, const struct advice *advice)
{
	struct pci_dev *up[PATH_LENGTH], *down[PATH_LENGTH];
	unsigned int ups = climb_path(answer->client, up, PATH_LENGTH), i;
	unsigned int downs = climb_path(answer->provider, down, PATH_LENGTH);
	bool by_root = advice->found.by_root && !advice->found.dropped;

	puts(answer_certainty(answer) == UNKNOWN ?
	     "path, as far as it is known" : "path");
	if (ups > PATH_LENGTH || downs > PATH_LENGTH)
		return;
	while (!by_root && ups > 1 && downs > 1 && up[ups - 2] == down[downs - 2]) {
		ups--;
		downs--;
	}
	for (i = 0; i < ups; i++)
		show_hop("^", up[i]);
	if (by_root)
		show_roots(answer, &advice->found);
	else if (up[ups - 1] == down[downs - 1])
		downs--;
	while (downs--)
		show_hop("v", down[downs]);
}

/* ---- what to do ---- */

/* What disable_acs_redir= takes away */
#define REDIRECTS	(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC)

static void show_setpci(const struct p2pdma_obstacle *port, u16 old, u16 new)
{
	char address[BDF_SIZE];

	printf("  setpci -s %s ECAP_ACS+6.w=%04x    # it is %04x\n",
	       bdf_text(address, port->domain, port->bdf), new, old);
}

/* The same as the first of what the kernel's words have for the boot line */
static void show_now(const struct advice *advice)
{
	const struct p2pdma_remedy *remedy = &advice->remedy;
	const struct p2pdma_obstacle *port;
	unsigned int i;

	if (!remedy->num_clear && !remedy->num_forward)
		return;
	if (remedy->num_clear)
		puts("or at once, until the next boot, as root; it takes isolation away from what is below:");
	for (i = 0; i < min(remedy->num_clear, P2PDMA_OBSTACLES); i++) {
		port = &remedy->clear[i];
		show_setpci(port, port->ctrl, port->ctrl & ~REDIRECTS);
	}
	if (remedy->num_forward)
		puts(remedy->num_clear ?
		     "or, by way of the root complex, what leaves isolation as it is:" :
		     "or at once, until the next boot, as root:");
	for (i = 0; i < min(remedy->num_forward, P2PDMA_OBSTACLES); i++) {
		port = &remedy->forward[i];
		show_setpci(port, port->ctrl & ~PCI_ACS_UF, port->ctrl);
	}
	if (advice->found.num_ports > P2PDMA_OBSTACLES)
		puts("  and at more ports, which are named once these are changed");
}

static void show_misread(const struct view *view)
{
	char *release = misreading_kernel(view->machine);

	if (release)
		printf("  (Linux %s may do something else by these options: without \"PCI/ACS: Fix 'pci=config_acs=' parameter\" disable_acs_redir= clears nothing and sets the rest, and config_acs= takes one device only; setpci is the way there)\n",
		       release);
	free(release);
}

/* Which kernels take that, and what else does not take it as it stands */
static void show_boot_line(const struct view *view, const char *change)
{
	bool clear = strstr(change, "disable_acs_redir="), set = strstr(change, "config_acs=");

	if (!clear && !set)
		return;
	printf("  (%s%s%s%s)\n", clear ? "pci=disable_acs_redir= since Linux 4.19" : "",
	       clear && set ? ", " : "", set ? "pci=config_acs= since Linux 6.11" : "",
	       !strchr(change, ';') ? "" :
	       "; in GRUB's configuration within quotes, as a ; ends a command there");
	show_misread(view);
}

/* The specification has ports forward with the control for it, and is silent on the rest. */
static void show_not_forwarded(const struct p2pdma_verdict *verdict, const struct advice *advice)
{
	unsigned int i;

	if (verdict->reason != P2PDMA_REASON_ACS_BLOCKED)
		return;
	for (i = 0; i < min(advice->found.num_ports, P2PDMA_OBSTACLES); i++)
		if (advice->found.port[i].kind == P2PDMA_NOT_FORWARDED) {
			printf("%-10s what becomes of it there the specification leaves open; kernels that do not look at Upstream Forwarding say host-bridge\n",
			       "note");
			return;
		}
}

static void show_asked(const struct view *view, const struct answer *answer)
{
	char address[BDF_SIZE], what[ASKED_TEXT];
	bool readable = false;
	unsigned int i;

	puts("That depends on what is not in the input:");
	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		printf("  %s: %s\n", pdev_text(address, answer->asked[i].pdev),
		       asked_text(what, &answer->asked[i]));
	if (i < answer->num_asked)
		printf("  and %u more\n", answer->num_asked - i);
	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		readable |= answer->asked[i].what != UNREAD_SHARED;
	if (!readable)
		puts("No input has that: the kernel takes it that egress control forbids. Where it is switched off, there is an answer.");
	else
		printf("  -> %s\n", reading_text(view, answer));
	if (cpu_settles(view, answer))
		printf("  -> %s\n", cpu_settles(view, answer));
}

/* An address for each direction, where they differ */
static void show_dma(const struct view *view, const struct answer *answer,
		     const struct p2pdma_verdict *verdict)
{
	const char *read = dma_text(view, answer, verdict->map[P2PDMA_READ]);

	if (verdict->map[P2PDMA_READ] == verdict->map[P2PDMA_WRITE]) {
		printf("%-10s %s\n", "dma", read);
		return;
	}
	printf("%-10s reads: %s\n", "dma", read);
	printf("%-10s writes: %s\n", "dma", dma_text(view, answer, verdict->map[P2PDMA_WRITE]));
}

/* All that is certain if the CPU is this one */
static void show_case(const struct view *view, const struct answer *answer, enum cpu cpu,
		      struct advice *advice)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[cpu];

	answer_cpu(view->machine, cpu);
	advise(answer, cpu, advice);
	show_reason(verdict);
	show_dma(view, answer, verdict);
	printf("%-10s %s\n", "why", advice->why);
	show_not_forwarded(verdict, advice);
	show_packets(answer);
	if (*advice->change)
		printf("to change that: %s\n", advice->change);
	show_boot_line(view, advice->change);
	show_now(advice);
}

static void show_kernel(const struct view *view, const struct answer *answer)
{
	struct kernel_says says;

	if (!view->here)
		return;
	kernel_ask(answer, &says);
	if (says.asked)
		printf("%-10s %s%s\n", "kernel", says.line, says.differs ?
		       " (DIFFERS: a fault of p2ptopo or of the kernel; please report it)" : "");
}

/**
 * show_explanation - print what there is to be said of a pair
 * @view: the machine
 * @answer: the pair
 */
void show_explanation(const struct view *view, const struct answer *answer)
{
	enum certainty certainty = answer_certainty(answer);
	struct advice advice;

	show_notes(view, answer_by_root(answer));
	show_end("client", answer->client);
	show_end("provider", answer->provider);
	show_maps(answer);
	if (certainty == IF_CPU) {
		puts("\nIf it is AMD Zen or later (--cpu amd:0x17):");
		show_case(view, answer, CPU_ZEN, &advice);
		puts("\nIf it is another (--cpu intel:6):");
	}
	if (certainty == UNKNOWN || answer->vague) {
		advise(answer, CPU_OTHER, &advice);
		show_asked(view, answer);
	} else {
		show_case(view, answer, CPU_OTHER, &advice);
	}
	puts("");
	show_path(answer, &advice);
	show_kernel(view, answer);
}

/* For certain, and both ways */
static bool reaches(const struct answer *answer)
{
	enum p2pdma_access access;
	unsigned int map;

	for (access = 0; access < P2PDMA_ACCESSES; access++) {
		map = answer_map(answer, access);
		if (map == PCI_P2PDMA_MAP_UNKNOWN || map == PCI_P2PDMA_MAP_NOT_SUPPORTED)
			return false;
	}
	return true;
}

/**
 * show_stack_sum - print what the answers come to for a block device
 * @stack: device
 * @answers: one for each function below it
 *
 * A mirrored write has to reach the memory by all of them, and what is striped or
 * concatenated fails on those that do not.
 */
void show_stack_sum(const struct stack *stack, const struct answer *answers)
{
	unsigned int good = 0, i;
	char address[BDF_SIZE];

	for (i = 0; i < stack->num; i++)
		good += reaches(&answers[i]);
	pdev_text(address, answers->provider);
	if (stack->elsewhere)
		printf("\n%s: some of it is on no PCI function: it takes no peer memory\n",
		       stack->name);
	else if (good == stack->num)
		printf("\n%s: all that it is on reaches %s\n", stack->name, address);
	else
		printf("\n%s: %u of the %u functions that it is on reach %s for certain: what has to go by the others is refused, as a write that is mirrored; multipath, and reads of a mirror, go by those that do\n",
		       stack->name, good, stack->num, address);
}
