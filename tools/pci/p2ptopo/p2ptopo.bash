# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion for p2ptopo(8)

# The file that the words before name, be it --file NAME, -F NAME or --file=NAME
_p2ptopo_file() {
	local i name=''

	for ((i = 1; i < COMP_CWORD - 1; i++)); do
		case ${COMP_WORDS[i]} in
		-F | --file)
			name=${COMP_WORDS[i + 1]}
			[[ $name != = ]] || name=${COMP_WORDS[i + 2]}
			;;
		esac
	done
	printf '%s' "${name/#\~/$HOME}"
}

# Addresses of its functions, or of this machine's and its block devices
_p2ptopo_functions() {
	local path file

	file=$(_p2ptopo_file)
	if [[ -n $file ]]; then
		[[ $file == - ]] || "${COMP_WORDS[0]}" -F "$file" --all --json 2>/dev/null |
			sed -n 's/^ *"address": *"\(.*\)",*$/\1/p'
		return
	fi
	for path in /sys/bus/pci/devices/* /sys/class/block/*; do
		printf '%s\n' "${path##*/}"
	done
}

_p2ptopo() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		explain | doctor | measure)	verb=${COMP_WORDS[i]} ;;
		esac
	done
	# To the shell a colon ends a word, and addresses have them.
	if [[ $(type -t _get_comp_words_by_ref) == function ]]; then
		_get_comp_words_by_ref -n : -c word -p before
	fi
	# Nor does what is behind = belong to the word before it.
	if [[ $word == = ]]; then
		word=''
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case $before in
	-F | --file)	mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	--dump | --policy)	COMPREPLY=() ;;
	--iommu)	mapfile -t COMPREPLY < <(compgen -W 'on pt off' -- "$word") ;;
	--cpu)		mapfile -t COMPREPLY < <(compgen -W 'amd intel other' -S : -- "$word") ;;
	--class)	mapfile -t COMPREPLY < <(compgen -W 'storage nvme network display accelerator memory' -- "$word") ;;
	--driver)	mapfile -t COMPREPLY < <(cd /sys/bus/pci/drivers 2>/dev/null && compgen -f -- "$word") ;;
	--numa)		mapfile -t COMPREPLY < <(compgen -W "$(cat /sys/bus/pci/devices/*/numa_node 2>/dev/null | grep -v '^-')" -- "$word" | sort -u) ;;
	-s | --select)	mapfile -t COMPREPLY < <(compgen -W "$(_p2ptopo_functions)" -- "$word") ;;
	--host-bridge)	mapfile -t COMPREPLY < <(compgen -W "$(_p2ptopo_functions)" -S = -- "$word") ;;
	*)
		if [[ -n $verb && $word != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_p2ptopo_functions)" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W 'matrix explain doctor measure --file --dump --cpu --iommu
				--policy --host-bridge --all --select --class --driver --numa --json --dot --svg --nccl --overwrite
				--help' -- "$word")
		fi
		;;
	esac
	if [[ $(type -t __ltrim_colon_completions) == function ]]; then
		__ltrim_colon_completions "$word"
	fi
}
complete -F _p2ptopo p2ptopo
