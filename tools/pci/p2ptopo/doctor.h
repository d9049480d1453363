/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a machine, or a pair in it, is ready for peer-to-peer DMA: findings.
 *
 * What the input does not have is "unknown", and what is unknown is not ready.
 */
#ifndef _P2PTOPO_DOCTOR_H
#define _P2PTOPO_DOCTOR_H

#include "hardware.h"
#include "show.h"

enum health { HEALTH_OK, HEALTH_PROBLEM, HEALTH_UNKNOWN, HEALTHS };

/**
 * struct finding - one line
 * @health: how it is
 * @check: a word for what was looked at, stable
 * @about: what was found
 * @remedy: what can be done about it, or where to look; NULL if there is nothing
 */
struct finding {
	enum health health;
	const char *check;
	char *about;
	char *remedy;
};

/**
 * struct diagnosis - all of them
 * @view: of which machine
 * @client: of which pair; NULL if it is about the machine
 * @provider: likewise
 * @finding: in the order in which they were made
 * @num: their number
 * @room: how many there is room for
 */
struct diagnosis {
	struct view *view;
	struct pci_dev *client, *provider;
	struct finding *finding;
	unsigned int num, room;
};

extern const char * const health_names[HEALTHS];

void found(struct diagnosis *diagnosis, enum health health, const char *check,
	   const char *format, ...) __printf(4, 5);
void remedy(struct diagnosis *diagnosis, const char *format, ...) __printf(2, 3);
enum health diagnosis_sum(const struct diagnosis *diagnosis);

enum health doctor(struct view *view, struct pci_dev *client, struct pci_dev *provider,
		   bool json);
void json_diagnosis(const struct diagnosis *diagnosis);

/* doctor-system.c */
void check_system(struct diagnosis *diagnosis);
bool has_providers(const struct machine *machine);
bool stub_is_there(const struct machine *machine);
char *line_of_device(const struct machine *machine, const struct pci_dev *pdev,
		     const char *file);

/* doctor-device.c */
void check_memory(struct diagnosis *diagnosis, const struct pci_dev *provider);
void check_bar(struct diagnosis *diagnosis, const struct pci_dev *provider);
void check_driver(struct diagnosis *diagnosis, const struct pci_dev *client);
void check_mask(struct diagnosis *diagnosis);
void check_packets(struct diagnosis *diagnosis);
enum health driver_asks(const struct machine *machine, const struct pci_dev *client,
			const char **how);

#endif /* _P2PTOPO_DOCTOR_H */
