// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: is this machine, or this pair, ready for peer-to-peer DMA?
 *
 * One line for each thing that has to be right, with what to do where it is not.
 * "ok" is said of what was seen to be so, and of nothing else.
 */
#include "doctor.h"
#include "select.h"

#define UNREAD_ANY_ACS	(UNREAD_PLACE | UNREAD_NUMBERS | UNREAD_TYPE | UNREAD_ACS | \
			 UNREAD_ACS_CTRL | UNREAD_ACS_CAP | UNREAD_ACS_VECTOR | \
			 UNREAD_PORT | UNREAD_ARI | UNREAD_SHARED)
#define LISTED		16	/* providers that have a line of their own */
#define PAIRS_OF	32	/* devices that are tried with each other for packets */

const char * const health_names[HEALTHS] = {
	[HEALTH_OK] = "ok", [HEALTH_PROBLEM] = "problem", [HEALTH_UNKNOWN] = "unknown",
};

/* As long as it is: nothing is cut off. */
static char *print_all(const char *format, va_list args)
{
	va_list again;
	size_t size;
	char *text;

	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, again) + 1;
	va_end(again);
	text = must(malloc(size));
	vsnprintf(text, size, format, args);
	return text;
}

void found(struct diagnosis *diagnosis, enum health health, const char *check,
	   const char *format, ...)
{
	struct finding *finding;
	va_list args;

	if (diagnosis->num == diagnosis->room) {
		diagnosis->room += 32;
		diagnosis->finding = must(reallocarray(diagnosis->finding, diagnosis->room,
						       sizeof(*finding)));
	}
	finding = &diagnosis->finding[diagnosis->num++];
	*finding = (struct finding){ .health = health, .check = check };
	va_start(args, format);
	finding->about = print_all(format, args);
	va_end(args);
}

/* What can be done about the last one */
void remedy(struct diagnosis *diagnosis, const char *format, ...)
{
	struct finding *finding = &diagnosis->finding[diagnosis->num - 1];
	va_list args;

	free(finding->remedy);
	va_start(args, format);
	finding->remedy = print_all(format, args);
	va_end(args);
}

static void forget_findings(struct diagnosis *diagnosis)
{
	while (diagnosis->num--) {
		free(diagnosis->finding[diagnosis->num].about);
		free(diagnosis->finding[diagnosis->num].remedy);
	}
	free(diagnosis->finding);
}

static unsigned int count(const struct diagnosis *diagnosis, enum health health)
{
	unsigned int num = 0, i;

	for (i = 0; i < diagnosis->num; i++)
		num += diagnosis->finding[i].health == health;
	return num;
}

/* All of them together: ready, not ready, or nobody knows */
enum health diagnosis_sum(const struct diagnosis *diagnosis)
{
	if (count(diagnosis, HEALTH_PROBLEM))
		return HEALTH_PROBLEM;
	return count(diagnosis, HEALTH_UNKNOWN) ? HEALTH_UNKNOWN : HEALTH_OK;
}

/* ---- one pair ---- */

static enum health route_health(const struct answer *answer)
{
	unsigned int reads = answer_map(answer, P2PDMA_READ);
	unsigned int writes = answer_map(answer, P2PDMA_WRITE);

	if (reads == PCI_P2PDMA_MAP_NOT_SUPPORTED || writes == PCI_P2PDMA_MAP_NOT_SUPPORTED)
		return HEALTH_PROBLEM;
	return reads == PCI_P2PDMA_MAP_UNKNOWN || writes == PCI_P2PDMA_MAP_UNKNOWN ?
	       HEALTH_UNKNOWN : HEALTH_OK;
}

/* What explain has a line for each of, in the same order: controls that go, and that come */
static void add_setpci(const struct diagnosis *diagnosis, struct advice *advice)
{
	struct seq_buf text = { advice->change, sizeof(advice->change), strlen(advice->change) };
	char *release = misreading_kernel(diagnosis->view->machine), address[BDF_SIZE];
	const struct p2pdma_remedy *remedy = &advice->remedy;
	const struct p2pdma_obstacle *port;
	unsigned int i;

	if (release && (remedy->num_clear || remedy->num_forward))
		seq_buf_printf(&text, " (which Linux %s may misread)", release);
	free(release);
	for (i = 0; i < min(remedy->num_clear, P2PDMA_OBSTACLES); i++) {
		port = &remedy->clear[i];
		seq_buf_printf(&text, "%ssetpci -s %s ECAP_ACS+6.w=%04x",
			       i ? "; " : " (at once: ",
			       bdf_text(address, port->domain, port->bdf),
			       port->ctrl & ~(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC));
	}
	for (i = 0; i < min(remedy->num_forward, P2PDMA_OBSTACLES); i++) {
		port = &remedy->forward[i];
		seq_buf_printf(&text, "%ssetpci -s %s ECAP_ACS+6.w=%04x",
			       i ? "; " : remedy->num_clear ? "; or by way of the root complex: " :
			       " (at once: ",
			       bdf_text(address, port->domain, port->bdf), port->ctrl);
	}
	if (remedy->num_clear || remedy->num_forward)
		seq_buf_puts(&text, advice->found.num_ports > P2PDMA_OBSTACLES ?
			     "; and at more ports, which are named once these are changed)" : ")");
}

static const char *as_root(const struct diagnosis *diagnosis)
{
	return diagnosis->view->here ? "run p2ptopo as root" :
	       "there, as root: lspci -xxxx, or lspci -nnvv; all that it prints";
}

static void check_route(struct diagnosis *diagnosis, const struct answer *answer)
{
	enum health health = route_health(answer);
	enum certainty certainty = answer_certainty(answer);
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	char port[BDF_SIZE], what[ASKED_TEXT];
	struct advice advice;

	advise(answer, CPU_OTHER, &advice);
	if (certainty == UNKNOWN && health != HEALTH_PROBLEM) {
		found(diagnosis, HEALTH_UNKNOWN, "route",
		      "it depends on %u things that are not in the input, the first of %s: %s",
		      answer->num_asked, pdev_text(port, answer->asked[0].pdev),
		      asked_text(what, &answer->asked[0]));
		remedy(diagnosis, "%s%s%s", reading_text(diagnosis->view, answer),
		       cpu_settles(diagnosis->view, answer) ? "; or " : "",
		       cpu_settles(diagnosis->view, answer) ?: "");
		return;
	}
	if (certainty == IF_CPU) {
		found(diagnosis, HEALTH_UNKNOWN, "route", "host-bridge if the CPU is AMD Zen or later, else %s",
		      map_names[verdict->map[P2PDMA_READ]]);
		remedy(diagnosis, "say --cpu, such as amd:0x19; there: grep -m2 -e vendor_id -e family /proc/cpuinfo");
		return;
	}
	found(diagnosis, health, "route", "reads %s, writes %s, distance %u: %s%s",
	      map_names[answer_map(answer, P2PDMA_READ)],
	      map_names[answer_map(answer, P2PDMA_WRITE)], verdict->distance, advice.why,
	      diagnosis->view->policy_open && answer_by_root(answer) ?
	      " (what pci_p2pdma.host_bridges= says there is not in the input)" : "");
	if (health != HEALTH_PROBLEM)
		return;
	add_setpci(diagnosis, &advice);
	/* What would be worked out from a guess may open what ought to be closed. */
	remedy(diagnosis, "%s", certainty == UNKNOWN ?
	       reading_text(diagnosis->view, answer) : advice.change);
}

/* Ports on the way that send requests elsewhere than they would go by themselves */
static void check_acs_of_pair(struct diagnosis *diagnosis, const struct answer *answer)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	char port[BDF_SIZE], what[ASKED_TEXT];
	struct advice advice;
	unsigned int i;

	advise(answer, CPU_OTHER, &advice);
	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		if (answer->asked[i].what & UNREAD_ANY_ACS) {
			found(diagnosis, HEALTH_UNKNOWN, "acs", "%s: not in the input: %s",
			      pdev_text(port, answer->asked[i].pdev),
			      asked_text(what, &answer->asked[i]));
			remedy(diagnosis, "%s", reading_text(diagnosis->view, answer));
			return;
		}
	if (verdict->reason == P2PDMA_REASON_ACS_BLOCKED) {
		found(diagnosis, HEALTH_PROBLEM, "acs", "%s drops it", port_text(port, verdict));
		add_setpci(diagnosis, &advice);
		remedy(diagnosis, "%s", advice.change);
	} else if (advice.remedy.num_clear) {
		bool bad = route_health(answer) == HEALTH_PROBLEM;
		bool sure = answer_certainty(answer) == CERTAIN && !answer->vague;

		found(diagnosis, bad ? HEALTH_PROBLEM : HEALTH_OK, "acs",
		      bad ?
		      "%u ports send it up to the root complex, from where it does not arrive" :
		      "%u ports send it up to the root complex, which makes the way longer: p2ptopo explain has what would clear that",
		      advice.remedy.num_clear);
		add_setpci(diagnosis, &advice);
		if (bad)
			remedy(diagnosis, "%s", sure ? advice.change :
			       reading_text(diagnosis->view, answer));
	} else {
		found(diagnosis, HEALTH_OK, "acs", "no port redirects or drops it");
	}
}

static void check_kernel_says(struct diagnosis *diagnosis, const struct answer *answer)
{
	struct kernel_says says;

	if (!diagnosis->view->here)
		return;
	kernel_ask(answer, &says);
	if (!says.asked)
		return;
	found(diagnosis, says.differs ? HEALTH_PROBLEM : HEALTH_OK, "kernel-says", "%s", says.line);
	if (says.differs)
		remedy(diagnosis, "this differs from p2ptopo: a fault of one of them; please report it");
}

static void check_pair(struct diagnosis *diagnosis)
{
	struct answer answer = { .client = diagnosis->client, .provider = diagnosis->provider };

	answer_all(diagnosis->view->machine, &answer, 1);
	check_route(diagnosis, &answer);
	check_acs_of_pair(diagnosis, &answer);
	check_memory(diagnosis, diagnosis->provider);
	check_bar(diagnosis, diagnosis->provider);
	check_driver(diagnosis, diagnosis->client);
	check_mask(diagnosis);
	check_packets(diagnosis);
	check_kernel_says(diagnosis, &answer);
}

/* ---- the machine ---- */

/**
 * struct pairs - how those come off that the view has
 * @num: of each health
 * @redirected: of those that do not reach, those that ports send to the root complex
 * @worst: the first that does not, or of which it is not known
 * @first: the first that is redirected
 */
struct pairs {
	unsigned int num[HEALTHS], redirected;
	struct answer worst, first;
};

static void count_pair(struct pairs *pairs, const struct answer *answer)
{
	enum health health = route_health(answer);
	struct advice advice;

	pairs->num[health]++;
	if (health != HEALTH_OK && (!pairs->worst.client ||
				    (health == HEALTH_PROBLEM &&
				     route_health(&pairs->worst) == HEALTH_UNKNOWN)))
		pairs->worst = *answer;
	if (health != HEALTH_PROBLEM || answer_certainty(answer) == UNKNOWN)
		return;
	advise(answer, CPU_OTHER, &advice);
	if (advice.remedy.num_clear && !pairs->redirected++)
		pairs->first = *answer;
}

/* Client by client, as there may be many. */
static void try_pairs(const struct diagnosis *diagnosis, struct pairs *pairs)
{
	struct view *view = diagnosis->view;
	unsigned int client, i, num;
	struct answer *answers;

	for (client = 0; client < view->num; client++) {
		answers = must(calloc(view->num, sizeof(*answers)));
		for (i = 0, num = 0; i < view->num; i++) {
			answers[num].client = view->pdev[client];
			answers[num].provider = view->pdev[i];
			num += i != client;
		}
		answer_all(view->machine, answers, num);
		for (i = 0; i < num; i++)
			count_pair(pairs, &answers[i]);
		free(answers);
	}
}

/* Where it is not known who provides, any of them may. */
static void check_pairs(struct diagnosis *diagnosis, const struct pairs *pairs)
{
	unsigned int bad = pairs->num[HEALTH_PROBLEM], open = pairs->num[HEALTH_UNKNOWN];
	char client[BDF_SIZE], provider[BDF_SIZE];

	if (!(bad + open + pairs->num[HEALTH_OK]))
		return;
	found(diagnosis, bad ? HEALTH_PROBLEM : open ? HEALTH_UNKNOWN : HEALTH_OK, "route",
	      "of %u pairs %u do not reach each other, of %u that is not known",
	      bad + open + pairs->num[HEALTH_OK], bad, open);
	if (bad + open)
		remedy(diagnosis, "p2ptopo explain %s %s", pdev_text(client, pairs->worst.client),
		       pdev_text(provider, pairs->worst.provider));
}

static void found_redirect(struct diagnosis *diagnosis, const struct pairs *pairs,
			   unsigned int redirect, unsigned int ports)
{
	char client[BDF_SIZE], provider[BDF_SIZE];

	if (!pairs->redirected) {
		found(diagnosis, HEALTH_OK, "acs", "%u of %u ports redirect or control peer requests",
		      redirect, ports);
		return;
	}
	found(diagnosis, HEALTH_PROBLEM, "acs",
	      "%u of %u ports redirect or control peer requests, and by that %u pairs do not reach each other",
	      redirect, ports, pairs->redirected);
	remedy(diagnosis, "p2ptopo explain %s %s", pdev_text(client, pairs->first.client),
	       pdev_text(provider, pairs->first.provider));
}

static void check_acs(struct diagnosis *diagnosis, const struct pairs *pairs)
{
	const struct machine *machine = diagnosis->view->machine;
	unsigned int ports = 0, redirect = 0, unread = 0, unplaced = 0, i;
	struct pci_dev *pdev;
	u16 ctrl;

	for (i = 0; i < machine->num; i++) {
		pdev = &machine->pdev[i];
		unplaced += !!(pdev->unread & UNREAD_PLACE);
		if (pdev->hdr_type != PCI_HEADER_TYPE_BRIDGE)
			continue;
		ports++;
		if (pdev->unread & (UNREAD_TYPE | UNREAD_ACS | UNREAD_ACS_CTRL))
			unread++;
		else if (acs_control(pdev, &ctrl) && ctrl & (PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC))
			redirect++;
	}
	if (unread) {
		found(diagnosis, HEALTH_UNKNOWN, "acs", "%u of %u ports: their ACS is not in the input",
		      unread, ports);
		remedy(diagnosis, "%s", as_root(diagnosis));
	} else if (unplaced) {
		found(diagnosis, HEALTH_UNKNOWN, "acs",
		      "%u functions are below bridges that are not in the input", unplaced);
		remedy(diagnosis, "%s", as_root(diagnosis));
	} else {
		found_redirect(diagnosis, pairs, redirect, ports);
	}
}

/* Peer memory is of use if somebody asks for it. */
static void check_drivers(struct diagnosis *diagnosis)
{
	const struct view *view = diagnosis->view;
	unsigned int num[HEALTHS] = {}, i;
	const char *how;

	for (i = 0; i < view->num; i++)
		num[driver_asks(view->machine, view->pdev[i], &how)]++;
	if (num[HEALTH_OK]) {
		found(diagnosis, HEALTH_OK, "driver",
		      "of %u devices %u have a driver that takes peer memory, of %u that is not known",
		      view->num, num[HEALTH_OK], num[HEALTH_UNKNOWN]);
	} else if (num[HEALTH_UNKNOWN]) {
		found(diagnosis, HEALTH_UNKNOWN, "driver", "of %u devices it is not known whether their drivers take peer memory",
		      num[HEALTH_UNKNOWN]);
		remedy(diagnosis, "there: lspci -k");
	} else {
		found(diagnosis, HEALTH_PROBLEM, "driver",
		      "no device has a driver that takes peer memory");
		remedy(diagnosis, "clients are NVMe drives, RDMA cards, GPUs of amdgpu and xe: load their drivers");
	}
}

/* How many of the others reach @provider in both directions */
static void check_reached(struct diagnosis *diagnosis, struct pci_dev *provider)
{
	struct view *view = diagnosis->view;
	struct answer *answers = must(calloc(view->num, sizeof(*answers)));
	unsigned int num[HEALTHS] = {}, i, all = 0;
	char address[BDF_SIZE], client[BDF_SIZE];
	enum health health = HEALTH_PROBLEM;
	struct pci_dev *worst = NULL;

	for (i = 0; i < view->num; i++) {
		answers[all].client = view->pdev[i];
		answers[all].provider = provider;
		all += view->pdev[i] != provider;
	}
	answer_all(view->machine, answers, all);
	for (i = 0; i < all; i++) {
		num[route_health(&answers[i])]++;
		if (route_health(&answers[i]) != HEALTH_OK && !worst)
			worst = answers[i].client;
	}
	free(answers);
	if (num[HEALTH_OK])
		health = HEALTH_OK;
	else if (num[HEALTH_UNKNOWN])
		health = HEALTH_UNKNOWN;
	found(diagnosis, health, "route",
	      "%s: of %u devices %u reach it, %u do not, of %u that is not known",
	      pdev_text(address, provider), all, num[HEALTH_OK], num[HEALTH_PROBLEM],
	      num[HEALTH_UNKNOWN]);
	if (worst)
		remedy(diagnosis, "p2ptopo explain %s %s", pdev_text(client, worst), address);
}

static bool may_provide(const struct pci_dev *pdev)
{
	const struct bar *bar;
	struct bar bars[BARS];

	if (!hardware_bars(pdev, bars))
		return false;
	bar = largest_bar(bars);
	return bar && bar->prefetchable && (!bar->size || bar->size >= 2 * MIB);
}

static void no_providers(struct diagnosis *diagnosis)
{
	struct view *view = diagnosis->view;
	char list[256] = "", address[BDF_SIZE];
	unsigned int i, num = 0;

	for (i = 0; i < view->num; i++)
		if (may_provide(view->pdev[i]) && num++ < 4)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), " %s",
				 pdev_text(address, view->pdev[i]));
	if (!view->machine->sys) {
		found(diagnosis, HEALTH_UNKNOWN, "memory",
		      "whether any device has memory registered is not in the input; %u have, or may have, a prefetchable BAR of 2 MiB or more%s%s",
		      num, num ? ":" : "", list);
		remedy(diagnosis, "there: ls -d /sys/bus/pci/devices/*/p2pmem; of a pair, p2ptopo doctor CLIENT PROVIDER");
		return;
	}
	found(diagnosis, HEALTH_PROBLEM, "memory",
	      "no device has memory registered for peers; %u have, or may have, a prefetchable BAR of 2 MiB or more%s%s",
	      num, num ? ":" : "", list);
	remedy(diagnosis, "an NVMe drive with a CMB, or one of these bound to pci-p2pmem-stub%s: p2ptopo doctor CLIENT PROVIDER says how",
	       stub_is_there(view->machine) ? "" : " (modprobe pci-p2pmem-stub, CONFIG_PCI_P2PMEM_STUB)");
}

/* The worst that is found of any pair stands for all of them. */
static void check_all_packets(struct diagnosis *diagnosis)
{
	static const enum health worst[] = { HEALTH_PROBLEM, HEALTH_UNKNOWN, HEALTH_OK };
	struct diagnosis pairs = { .view = diagnosis->view };
	unsigned int num = min(diagnosis->view->num, PAIRS_OF), i, j;
	struct pci_dev **pdev = diagnosis->view->pdev;
	static const char * const checks[] = { "payload", "tags" };

	for (i = 0; i < num * num; i++) {
		pairs.client = pdev[i / num];
		pairs.provider = pdev[i % num];
		if (pairs.client != pairs.provider)
			check_packets(&pairs);
	}
	for (j = 0; j < ARRAY_SIZE(checks); j++) {
		unsigned int found_at = pairs.num;

		for (i = 0; i < ARRAY_SIZE(worst) && found_at == pairs.num; i++)
			for (found_at = 0; found_at < pairs.num; found_at++)
				if (pairs.finding[found_at].health == worst[i] &&
				    !strcmp(pairs.finding[found_at].check, checks[j]))
					break;
		if (found_at == pairs.num)
			continue;
		found(diagnosis, pairs.finding[found_at].health, checks[j], "%s",
		      pairs.finding[found_at].about);
		if (pairs.finding[found_at].remedy)
			remedy(diagnosis, "%s", pairs.finding[found_at].remedy);
	}
	forget_findings(&pairs);
}

static void check_machine(struct diagnosis *diagnosis)
{
	struct view *view = diagnosis->view;
	unsigned int i, listed = 0;
	struct pairs pairs = {};
	struct pci_dev *pdev;

	/* With providers check_reached() is about the routes that matter. */
	if (!view->machine->sys)
		try_pairs(diagnosis, &pairs);
	check_acs(diagnosis, &pairs);
	check_pairs(diagnosis, &pairs);
	check_drivers(diagnosis);
	check_all_packets(diagnosis);
	if (!has_providers(view->machine))
		no_providers(diagnosis);
	for (i = 0; i < view->machine->num; i++) {
		pdev = &view->machine->pdev[i];
		if (!pdev->function->provider || listed++ >= LISTED)
			continue;
		check_memory(diagnosis, pdev);
		check_bar(diagnosis, pdev);
		check_reached(diagnosis, pdev);
	}
	if (listed > LISTED)
		found(diagnosis, HEALTH_UNKNOWN, "memory", "%u more providers were not looked at: ask for them with p2ptopo doctor CLIENT PROVIDER",
		      listed - LISTED);
}

/* ---- the verb ---- */

static void show_diagnosis(const struct diagnosis *diagnosis)
{
	static const char * const sums[] = {
		[HEALTH_OK] = "ready", [HEALTH_PROBLEM] = "not ready",
		[HEALTH_UNKNOWN] = "nobody knows whether it is ready",
	};
	const struct finding *finding;
	unsigned int i;

	puts(diagnosis->view->source);
	for (i = 0; i < diagnosis->num; i++) {
		finding = &diagnosis->finding[i];
		printf("%-8s %-11s %s\n",
		       health_names[finding->health], finding->check, finding->about);
		if (finding->remedy)
			printf("%-20s -> %s\n", "", finding->remedy);
	}
	printf("%s: %u problems, %u unknown\n", sums[diagnosis_sum(diagnosis)],
	       count(diagnosis, HEALTH_PROBLEM), count(diagnosis, HEALTH_UNKNOWN));
}

/**
 * doctor - say what is ready and what is not
 * @view: the machine, and the devices that matter in it
 * @client: of a pair, NULL for the machine
 * @provider: likewise
 * @json: for programs
 *
 * Return: how it is on the whole.
 */
enum health doctor(struct view *view, struct pci_dev *client, struct pci_dev *provider,
		   bool json)
{
	struct diagnosis diagnosis = { .view = view, .client = client, .provider = provider };
	enum health sum;

	check_system(&diagnosis);
	if (client)
		check_pair(&diagnosis);
	else
		check_machine(&diagnosis);
	if (json)
		json_diagnosis(&diagnosis);
	else
		show_diagnosis(&diagnosis);
	sum = diagnosis_sum(&diagnosis);
	forget_findings(&diagnosis);
	return sum;
}
