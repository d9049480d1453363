/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PTOPO_ACS_NAMES_H
#define _P2PTOPO_ACS_NAMES_H

/* Bits of ACS Capability and Control, from bit 0 on, as lspci calls them */
static const char * const acs_names[] = {
	"SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd",
	"EgressCtrl", "DirectTrans",
};

#endif /* _P2PTOPO_ACS_NAMES_H */
