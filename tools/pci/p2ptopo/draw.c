// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both kinds of pictures have in common, and the one for graphviz.
 *
 * A tree that is drawn a row for each function needs nobody to lay it out, so the
 * SVG (svg.c) is written as it is: it can be made where there is no graphviz, as in a
 * small guest.  Who wants another layout has --dot.
 */
#include "draw.h"

#define PATH_LENGTH	64

const char * const map_colors[] = {
	[PCI_P2PDMA_MAP_UNKNOWN]		= "#8a8a8a",
	[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= "#d1495b",
	[PCI_P2PDMA_MAP_BUS_ADDR]		= "#2e8b57",
	[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= "#e0a100",
};

static void show_with_path(struct drawing *drawing, struct pci_dev *pdev)
{
	const struct pci_bus *bus;
	unsigned int i;

	for (; pdev; pdev = pdev->is_virtfn ? pdev->physfn : pci_upstream_bridge(pdev)) {
		if (drawing->shown[pdev->index])
			return;
		drawing->shown[pdev->index] = true;
		if (pdev->is_virtfn)
			continue;
		bus = pdev->bus;
		if (pci_is_root_bus(pdev->bus)) {
			for (i = 0; i < drawing->num_roots && drawing->roots[i] != bus; i++)
				;
			if (i == drawing->num_roots)
				drawing->roots[drawing->num_roots++] = pdev->bus;
		}
	}
}

/**
 * drawing_begin - choose what is drawn
 * @drawing: filled in
 * @view: the machine, and the devices if there is no @route
 * @route: a pair, or NULL
 */
void drawing_begin(struct drawing *drawing, const struct view *view,
		   const struct answer *route)
{
	unsigned int i;

	*drawing = (struct drawing){ .view = view, .route = route };
	drawing->shown = must(calloc(view->machine->num + 1, sizeof(*drawing->shown)));
	drawing->row = must(calloc(view->machine->num + 1, sizeof(*drawing->row)));
	drawing->roots = must(calloc(view->machine->num + 1, sizeof(*drawing->roots)));
	if (route) {
		show_with_path(drawing, route->client);
		show_with_path(drawing, route->provider);
	}
	for (i = 0; !route && i < view->num; i++)
		show_with_path(drawing, view->pdev[i]);
}

void drawing_end(struct drawing *drawing)
{
	free(drawing->shown);
	free(drawing->row);
	free(drawing->roots);
}

static void draw_virtual(struct drawing *drawing, struct pci_dev *pf, unsigned int depth,
			 draw_fn draw)
{
	const struct machine *machine = drawing->view->machine;
	unsigned int i;

	for (i = 0; i < machine->num; i++)
		if (machine->pdev[i].physfn == pf && drawing->shown[i])
			draw(drawing, &machine->pdev[i], depth);
}

/* All that is drawn on a bus and below it; virtual functions below their physical one */
void draw_bus(struct drawing *drawing, struct pci_bus *bus, unsigned int depth, draw_fn draw)
{
	struct pci_dev *pdev;

	list_for_each_entry(pdev, &bus->devices, bus_list) {
		if (pdev->is_virtfn || !drawing->shown[pdev->index])
			continue;
		draw(drawing, pdev, depth);
		draw_virtual(drawing, pdev, depth + 1, draw);
		if (pdev->subordinate)
			draw_bus(drawing, pdev->subordinate, depth + 1, draw);
	}
}

/* Does the route of the picture, if it is about one, pass this function? */
bool is_on_route(const struct drawing *drawing, struct pci_dev *pdev)
{
	struct pci_dev *up[PATH_LENGTH], *down[PATH_LENGTH];
	const struct answer *route = drawing->route;
	unsigned int ups, downs, i;
	struct advice advice;

	if (!route)
		return false;
	ups = climb_path(route->client, up, PATH_LENGTH);
	downs = climb_path(route->provider, down, PATH_LENGTH);
	if (ups > PATH_LENGTH || downs > PATH_LENGTH)
		return false;
	advise(route, CPU_OTHER, &advice);
	/* A switch that turns it round is the last that it passes. */
	while (!advice.found.by_root && ups > 1 && downs > 1 && up[ups - 2] == down[downs - 2]) {
		ups--;
		downs--;
	}
	for (i = 0; i < ups; i++)
		if (up[i] == pdev)
			return true;
	for (i = 0; i < downs; i++)
		if (down[i] == pdev)
			return true;
	return false;
}

void root_text(char *text, size_t size, struct pci_bus *bus)
{
	struct p2pdma_root root;

	if (bus->hole) {
		snprintf(text, size, "bus %04x:%02x; what is above it is not in the input",
			 bus->domain, bus->number);
		return;
	}
	p2pdma_hostbridge_get(list_entry(bus->devices.next, struct pci_dev, bus_list), &root);
	if (root_is_open(list_entry(bus->devices.next, struct pci_dev, bus_list)))
		snprintf(text, size, "root complex %04x:%02x, host bridge not known", bus->domain,
			 bus->number);
	else if (root.has_id)
		snprintf(text, size, "root complex %04x:%02x, host bridge %04x:%04x",
			 bus->domain, bus->number, root.vendor, root.device);
	else
		snprintf(text, size, "root complex %04x:%02x", bus->domain, bus->number);
}

/* For XML and for strings of dot alike */
void print_escaped(const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", stdout);
			break;
		case '<':
			fputs("&lt;", stdout);
			break;
		case '>':
			fputs("&gt;", stdout);
			break;
		case '"':
			fputs("&quot;", stdout);
			break;
		case '\\':
			fputs("/", stdout);
			break;
		default:
			/* What is no ASCII may not be UTF-8 either. */
			putchar(*text >= ' ' && *text <= '~' ? *text : '?');
		}
}

/* ---- graphviz ---- */

static void dot_function(struct drawing *drawing, struct pci_dev *pdev, unsigned int depth)
{
	struct pci_dev *above = pdev->is_virtfn ? pdev->physfn : pci_upstream_bridge(pdev);
	char address[BDF_SIZE], parent[BDF_SIZE];
	bool on_route = is_on_route(drawing, pdev);

	(void)depth;
	printf("  \"%s\" [label=\"%s\\n%s", pdev_text(address, pdev), address, type_text(pdev));
	if (!pdev->subordinate && pdev->function->name) {
		fputs("\\n", stdout);
		print_escaped(pdev->function->name);
	}
	printf("\"%s%s];\n", pdev->subordinate ? "" : ", style=filled, fillcolor=\"#eef3f8\"",
	       on_route ? ", penwidth=3" : "");
	if (above)
		printf("  \"%s\" -- \"%s\"%s;\n", pdev_text(parent, above), address,
		       on_route && is_on_route(drawing, above) ? " [penwidth=3]" : "");
	else
		printf("  \"root %04x:%02x\" -- \"%s\";\n",
		       pdev->bus->domain, pdev->bus->number, address);
}

static void dot_half(const struct answer *answer, enum p2pdma_access access, const char *label)
{
	unsigned int map = answer_map(answer, access);
	char client[BDF_SIZE], provider[BDF_SIZE];

	printf("  \"%s\" -- \"%s\" [dir=forward, constraint=false, color=\"%s\", fontcolor=\"%s\", label=\"%s\"%s];\n",
	       pdev_text(client, answer->client), pdev_text(provider, answer->provider),
	       map_colors[map], map_colors[map], label,
	       map == PCI_P2PDMA_MAP_NOT_SUPPORTED ? ", style=dotted" : "");
}

static void dot_route(const struct answer *answer)
{
	if (answer->client == answer->provider)
		return;
	if (answer_map(answer, P2PDMA_READ) == answer_map(answer, P2PDMA_WRITE)) {
		dot_half(answer, P2PDMA_READ, map_names[answer_map(answer, P2PDMA_READ)]);
		return;
	}
	dot_half(answer, P2PDMA_READ, "reads");
	dot_half(answer, P2PDMA_WRITE, "writes");
}

/**
 * draw_dot - a picture for dot(1)
 * @view: the machine, and the devices if there is no @route
 * @route: one pair alone, or NULL
 *
 * A root complex is a node and no cluster: routes from one cluster to another keep
 * dot busy for minutes.
 */
void draw_dot(const struct view *view, const struct answer *route)
{
	struct drawing drawing;
	char text[128];
	unsigned int i;

	drawing_begin(&drawing, view, route);
	puts("graph p2ptopo {\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n  edge [fontname=\"monospace\", fontsize=9];");
	for (i = 0; i < drawing.num_roots; i++) {
		root_text(text, sizeof(text), drawing.roots[i]);
		printf("  \"root %04x:%02x\" [shape=ellipse, label=\"%s\"];\n",
		       drawing.roots[i]->domain, drawing.roots[i]->number, text);
		draw_bus(&drawing, drawing.roots[i], 0, dot_function);
	}
	if (route)
		dot_route(route);
	for (i = 0; !route && i < view->num * view->num; i++)
		dot_route(&view->answers[i]);
	puts("}");
	drawing_end(&drawing);
}
