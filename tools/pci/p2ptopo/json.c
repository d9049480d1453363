// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same for programs; Documentation/admin-guide/p2ptopo.rst has the schema.
 */
#include <json-c/json.h>

#include "doctor.h"
#include "measure.h"

#define SCHEMA		1	/* counts up when something changes its meaning */
#define PATH_LENGTH	64

/* How many bytes the character at @s has in UTF-8; 0 if it is none */
static unsigned int utf8_length(const unsigned char *s)
{
	unsigned int num = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 :
			   *s >= 0xe0 && *s < 0xf0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0, i;

	for (i = 1; i < num; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a pair, or beyond all characters */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] >= 0xa0) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] >= 0x90))
		return 0;
	return num;
}

/* json-c goes on without memory, and asserts later. */
static struct json_object *object(void)
{
	return must(json_object_new_object());
}

static struct json_object *array(void)
{
	return must(json_object_new_array());
}

static struct json_object *number(int64_t value)
{
	return must(json_object_new_int64(value));
}

static struct json_object *truth(bool value)
{
	return must(json_object_new_boolean(value));
}

static void append(struct json_object *list, struct json_object *value)
{
	if (json_object_array_add(list, value))
		must(NULL);
}

/* Names, of devices and of files, may be in any encoding. */
static struct json_object *text(const char *s)
{
	struct json_object *string;
	unsigned int len;
	char *copy, *at;

	if (!s)
		return NULL;
	copy = must(strdup(s));
	for (at = copy; *at; at += len ?: 1) {
		len = utf8_length((unsigned char *)at);
		if (!len)
			*at = '?';
	}
	string = must(json_object_new_string(copy));
	free(copy);
	return string;
}

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	if (json_object_object_add(to, key, value))
		must(NULL);
}

static struct json_object *port(const struct p2pdma_verdict *verdict)
{
	char address[BDF_SIZE];

	return verdict->has_port ? text(port_text(address, verdict)) : NULL;
}

/* Null where it is not in the input */
static struct json_object *id(u16 vendor, u16 device)
{
	char ids[16];

	if (!vendor && !device)
		return NULL;
	snprintf(ids, sizeof(ids), "%04x:%04x", vendor, device);
	return text(ids);
}

static void add_verdict(struct json_object *to, const struct p2pdma_verdict *verdict)
{
	add(to, "read", text(map_names[verdict->map[P2PDMA_READ]]));
	add(to, "write", text(map_names[verdict->map[P2PDMA_WRITE]]));
	add(to, "distance", number(verdict->distance));
	add(to, "reason", text(p2pdma_reason_names[verdict->reason]));
	add(to, "port", port(verdict));
}

static struct json_object *possible(unsigned int bits)
{
	struct json_object *list = array();
	unsigned int map;

	for (map = 0; bits >> map; map++)
		if (bits & BIT(map))
			append(list, text(map_names[map]));
	return list;
}

/* What a route comes to where the CPU decides */
static struct json_object *by_cpu(const struct answer *answer)
{
	struct json_object *both = object();
	struct json_object *one;

	one = object();
	add_verdict(one, &answer->verdict[CPU_ZEN]);
	add(both, "amd-zen", one);
	one = object();
	add_verdict(one, &answer->verdict[CPU_OTHER]);
	add(both, "other", one);
	return both;
}

static struct json_object *not_read(const struct answer *answer)
{
	struct json_object *list = array(), *one;
	char address[BDF_SIZE], what[ASKED_TEXT];
	unsigned int i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++) {
		one = object();
		add(one, "device", text(pdev_text(address, answer->asked[i].pdev)));
		add(one, "what", text(asked_text(what, &answer->asked[i])));
		append(list, one);
	}
	return list;
}

/* Where something is not certain it is "unknown", or null, and never the best case. */
static struct json_object *route(const struct answer *answer)
{
	static const char * const names[] = {
		[CERTAIN] = "certain", [IF_CPU] = "if-cpu", [UNKNOWN] = "unknown",
	};
	enum certainty certainty = answer_certainty(answer);
	struct json_object *one = object();
	char address[BDF_SIZE];

	add(one, "client", text(pdev_text(address, answer->client)));
	add(one, "provider", text(pdev_text(address, answer->provider)));
	add(one, "certainty", text(names[certainty]));
	if (certainty == CERTAIN && !answer->vague) {
		add_verdict(one, &answer->verdict[CPU_OTHER]);
		return one;
	}
	add(one, "read", text(map_names[answer_map(answer, P2PDMA_READ)]));
	add(one, "write", text(map_names[answer_map(answer, P2PDMA_WRITE)]));
	add(one, "distance", NULL);
	add(one, "reason", NULL);
	add(one, "port", NULL);
	if (certainty == IF_CPU) {
		add(one, "by_cpu", by_cpu(answer));
		return one;
	}
	add(one, "possible_read", possible(answer->possible[CPU_OTHER][P2PDMA_READ] |
					   answer->possible[CPU_ZEN][P2PDMA_READ]));
	add(one, "possible_write", possible(answer->possible[CPU_OTHER][P2PDMA_WRITE] |
					    answer->possible[CPU_ZEN][P2PDMA_WRITE]));
	add(one, "not_read", not_read(answer));
	return one;
}

static struct json_object *device(const struct view *view, const struct pci_dev *pdev)
{
	const struct function *fn = pdev->function;
	struct json_object *one = object();
	char address[BDF_SIZE], class[8];

	snprintf(class, sizeof(class), "%04x", fn->class >> 8);
	add(one, "address", text(pdev_text(address, pdev)));
	add(one, "id", fn->has_ids ? id(fn->vendor, fn->device) : NULL);
	add(one, "class", fn->has_class ? text(class) : NULL);
	add(one, "type", text(type_text(pdev)));
	add(one, "name", text(fn->name));
	add(one, "driver", text(fn->driver));
	add(one, "numa_node", fn->numa < 0 ? NULL : number(fn->numa));
	/* Text has nothing of it. */
	add(one, "provider", view->machine->sys ? truth(fn->provider) : NULL);
	return one;
}

static struct json_object *begin(const struct view *view)
{
	struct json_object *all = object();

	add(all, "schema", number(SCHEMA));
	add(all, "source", text(view->source));
	add(all, "functions", number(view->machine->num));
	add(all, "iommu", text(iommu_names[view->iommu]));
	add(all, "policy", text(view->policy));
	return all;
}

static const char *said(struct json_object *all)
{
	const char *string = json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!string)
		must(NULL);
	return string;
}

static void end(struct json_object *all)
{
	puts(said(all));
	json_object_put(all);
}

/* Of a million routes each is written before there is another. */
static void write_routes(const struct view *view)
{
	struct json_object *one;
	size_t i, num = (size_t)view->num * view->num;

	for (i = 0; i < num; i++) {
		one = route(&view->answers[i]);
		printf("%s\n%s", i ? "," : "", said(one));
		json_object_put(one);
	}
}

/* Block devices that are made of others, as far as they are on what is shown */
static struct json_object *stacks(const struct view *view)
{
	struct json_object *list = array(), *one, *below;
	const struct stack *stack;
	char address[BDF_SIZE];
	unsigned int i;

	for (stack = view->stacks; stack < view->stacks + view->num_stacks; stack++) {
		if (!view_has(view, stack))
			continue;
		one = object();
		below = array();
		for (i = 0; i < stack->num; i++)
			append(below, text(pdev_text(address, stack->pdev[i])));
		add(one, "name", text(stack->name));
		add(one, "kind", text(stack->kind));
		add(one, "of", text(stack->below));
		add(one, "clients", below);
		add(one, "elsewhere", truth(stack->elsewhere));
		append(list, one);
	}
	return list;
}

void json_matrix(const struct view *view)
{
	struct json_object *all = begin(view), *list = array();
	const char *text;
	unsigned int i;

	for (i = 0; i < view->num; i++)
		append(list, device(view, view->pdev[i]));
	add(all, "devices", list);
	add(all, "stacks", view->machine->sys ? stacks(view) : NULL);
	add(all, "kernel_asked", number(view->kernel ? view->kernel->asked : 0));
	add(all, "kernel_differs", number(view->kernel ? view->kernel->differ : 0));
	text = said(all);
	printf("%.*s,\n  \"routes\": [", (int)strlen(text) - (int)strlen("\n}"), text);
	write_routes(view);
	puts("\n  ]\n}");
	json_object_put(all);
}

/* ---- one pair ---- */

static struct json_object *path(struct pci_dev *pdev)
{
	struct json_object *list = array(), *one;
	struct pci_dev *hops[PATH_LENGTH];
	unsigned int num = climb_path(pdev, hops, PATH_LENGTH), i;
	char address[BDF_SIZE];
	u16 ctrl;

	for (i = 0; i < min(num, PATH_LENGTH); i++) {
		one = object();
		add(one, "address", text(pdev_text(address, hops[i])));
		add(one, "type", text(type_text(hops[i])));
		add(one, "acs_control", acs_control(hops[i], &ctrl) ?
		    number(ctrl) : NULL);
		add(one, "acs_read", truth(!(hops[i]->unread &
				     (UNREAD_TYPE | UNREAD_ACS | UNREAD_ACS_CTRL))));
		append(list, one);
	}
	return list;
}

static struct json_object *root(const struct p2pdma_root *root)
{
	struct json_object *one = object(), *list = array();
	static const char * const words[] = { "reads", "writes", "between" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (root->routes & BIT(i))
			append(list, text(words[i]));
	add(one, "id", root->has_id ? id(root->vendor, root->device) : NULL);
	add(one, "routes", list);
	add(one, "says", text(p2pdma_root_source_names[root->source]));
	return one;
}

/* Those that are known to be above the two */
static struct json_object *roots(const struct answer *answer,
				 const struct p2pdma_obstacles *found)
{
	const struct pci_dev *ends[] = { answer->client, answer->provider };
	struct json_object *list = array();
	unsigned int i;

	for (i = 0; found->by_root && i < ARRAY_SIZE(ends) && !(i && found->one_root); i++)
		if (!(ends[i]->unread & UNREAD_PLACE))
			append(list, root(&found->root[i]));
	return list;
}

static struct json_object *ports(const struct p2pdma_obstacle *list, unsigned int num,
				 u16 clear)
{
	struct json_object *all = array(), *one;
	char address[BDF_SIZE];
	unsigned int i;

	for (i = 0; i < min(num, P2PDMA_OBSTACLES); i++) {
		one = object();
		add(one, "port", text(bdf_text(address, list[i].domain, list[i].bdf)));
		add(one, "acs_control", number(list[i].ctrl & ~clear));
		append(all, one);
	}
	return all;
}

void json_explanation(const struct view *view, const struct answer *answer)
{
	struct json_object *all = begin(view), *list = array();
	struct kernel_says says = {};
	struct advice advice;

	advise(answer, CPU_OTHER, &advice);
	append(list, device(view, answer->client));
	append(list, device(view, answer->provider));
	add(all, "devices", list);
	add(all, "route", route(answer));
	add(all, "client_path", path(answer->client));
	add(all, "provider_path", path(answer->provider));
	add(all, "host_bridges", roots(answer, &advice.found));
	if (answer_certainty(answer) == CERTAIN && !answer->vague) {
		add(all, "dma", text(dma_text(view, answer, answer_map(answer, P2PDMA_READ))));
		add(all, "dma_write",
		    text(dma_text(view, answer, answer_map(answer, P2PDMA_WRITE))));
		add(all, "why", text(advice.why));
		add(all, "to_change", *advice.change ? text(advice.change) : NULL);
		add(all, "clear", ports(advice.remedy.clear, advice.remedy.num_clear,
					PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC));
		add(all, "forward", ports(advice.remedy.forward, advice.remedy.num_forward, 0));
	}
	if (view->here)
		kernel_ask(answer, &says);
	add(all, "kernel", says.asked ? text(says.line) : NULL);
	add(all, "kernel_differs", says.asked ? truth(says.differs) : NULL);
	end(all);
}

/* ---- readiness ---- */

static struct json_object *finding(const struct finding *finding)
{
	struct json_object *one = object();

	add(one, "check", text(finding->check));
	add(one, "state", text(health_names[finding->health]));
	add(one, "about", text(finding->about));
	add(one, "remedy", text(finding->remedy));
	return one;
}

void json_diagnosis(const struct diagnosis *diagnosis)
{
	struct json_object *all = begin(diagnosis->view), *list = array();
	enum health sum = diagnosis_sum(diagnosis);
	char address[BDF_SIZE];
	unsigned int i;

	add(all, "client", diagnosis->client ? text(pdev_text(address, diagnosis->client)) : NULL);
	add(all, "provider",
	    diagnosis->provider ? text(pdev_text(address, diagnosis->provider)) : NULL);
	for (i = 0; i < diagnosis->num; i++)
		append(list, finding(&diagnosis->finding[i]));
	add(all, "checks", list);
	add(all, "ready", sum == HEALTH_UNKNOWN ? NULL : truth(sum == HEALTH_OK));
	end(all);
}

/* ---- a copy ---- */

void json_measurement(const struct view *view, const struct measurement *measurement)
{
	struct json_object *all = begin(view), *list = array(), *one;
	const struct way *way;
	char address[BDF_SIZE];

	add(all, "client", text(pdev_text(address, measurement->from)));
	add(all, "other", text(pdev_text(address, measurement->to)));
	add(all, "provider", text(pdev_text(address, measurement->provider)));
	add(all, "bytes", number(measurement->bytes));
	for (way = measurement->way; way < measurement->way + WAYS; way++) {
		one = object();
		add(one, "through", text(way->name));
		add(one, "in_bytes_per_second", number(way->in));
		add(one, "out_bytes_per_second", number(way->out));
		add(one, "equal", truth(way->equal));
		add(one, "error", *way->error ? text(way->error) : NULL);
		append(list, one);
	}
	add(all, "ways", list);
	end(all);
}
