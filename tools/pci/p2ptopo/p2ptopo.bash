# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for p2ptopo(8)

_p2ptopo() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	case $before in
	-F | --file)	mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	--iommu)	mapfile -t COMPREPLY < <(compgen -W 'on pt off' -- "$word") ;;
	--cpu)		mapfile -t COMPREPLY < <(compgen -W 'amd intel other' -S : -- "$word") ;;
	--class)	mapfile -t COMPREPLY < <(compgen -W 'storage nvme network display accelerator memory' -- "$word") ;;
	*)		mapfile -t COMPREPLY < <(compgen -W 'matrix explain --file --dump --cpu --iommu --policy --all
				--select --class --driver --numa --json --help' -- "$word") ;;
	esac
}
complete -F _p2ptopo p2ptopo
